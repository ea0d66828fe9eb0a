//! Under stress: nothing that one client does can make another wait, lose a line, or lose the room.

use crate::harness::{Client, PROMPT, Server};
use fastrand::Rng;
use rustix::process::Signal;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// The debug build is some ten times slower than what is shipped; it is given less to do.
const LOAD: usize = if cfg!(debug_assertions) { 10_000 } else { 100_000 };

/// How long a load may take before it is a fault and not a slow machine.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

// ---------------------------------------------------------------------------------------------------------------
// Readers that stop

#[test]
fn a_client_that_stops_reading_is_dropped_and_no_other_loses_a_line() {
    let server = Server::start(&["--rate", "0"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut stuck = server.dial_with_small_window();
    stuck.says("Stuck");
    ann.hears("Stuck has joined the chat.");
    bob.hears("Stuck has joined the chat.");
    let filler = "x".repeat(4000);
    let dropped = "Stuck has left the chat (too slow).";
    let rounds_until_dropped = (0..20_000).find(|round| {
        let line = format!("{round} {filler}");
        ann.says(&line);
        let heard = bob.hears_until(&format!("Ann: {line}"));
        assert!(heard.is_empty() || heard == [dropped], "Bob heard {heard:?}");
        !heard.is_empty()
    });
    assert!(rounds_until_dropped.is_some(), "80 MB have gone to a client that reads nothing");
    ann.hears(dropped);
    bob.says("that one was asleep");
    ann.hears("Bob: that one was asleep");
    // The name is free, and the one who was dropped finds the connection ended, with or without a reset.
    server.join("Stuck");
    stuck.is_let_go();
}

/// Reads what Ann says, from `line 0` to the last, and panics at the first byte that is not what comes next. The
/// one other line in it is `notice`, at most once. Returns whether that was heard, and the reader, who is still here.
fn hears_all(stream: TcpStream, lines: usize, filler: &str, notice: &str) -> (bool, impl Sized + use<>) {
    stream.set_read_timeout(Some(LONG_PATIENCE)).expect("a timeout is to be had");
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    let (mut line, mut next, mut noticed) = (String::new(), 0, false);
    while next < lines {
        line.clear();
        stream.read_line(&mut line).unwrap_or_else(|error| panic!("after {next} lines: {error}"));
        let text = line.trim_end_matches('\n');
        if text == notice && !noticed {
            noticed = true;
        } else {
            let number = text.strip_prefix("Ann: ").and_then(|text| text.strip_suffix(filler));
            let number = number.and_then(|number| number.trim_end().parse::<usize>().ok());
            assert_eq!(number, Some(next), "heard {text:?}");
            next += 1;
        }
    }
    (noticed, stream)
}

#[test]
fn as_fast_as_one_can_talk_fifty_readers_hear_every_line_and_one_that_stopped_is_dropped() {
    let server = Server::start(&["--rate", "0"]);
    let names: Vec<String> = (0..50).map(|number| format!("reader{number}")).collect();
    let mut readers: Vec<Client> = Vec::new();
    for name in &names {
        let newcomer = server.join(name);
        for reader in &mut readers {
            reader.hears(&format!("{name} has joined the chat."));
        }
        readers.push(newcomer);
    }
    let mut stuck = server.dial_with_small_window();
    stuck.says("Stuck");
    for reader in &mut readers {
        reader.hears("Stuck has joined the chat.");
    }
    let ann = server.join("Ann");
    for reader in &mut readers {
        reader.hears("Ann has joined the chat.");
    }

    // 20 MB in all: more than every buffer between the server and the one who does not read will take (some 8 MB).
    let filler = "x".repeat(20_000_000 / LOAD);
    let notice = "Stuck has left the chat (too slow).";
    thread::scope(|scope| {
        let listening: Vec<_> = readers
            .into_iter()
            .map(|reader| scope.spawn(|| hears_all(reader.into_stream(), LOAD, &filler, notice)))
            .collect();
        let mut ann = ann.into_stream();
        ann.set_write_timeout(Some(LONG_PATIENCE)).unwrap();
        for start in (0..LOAD).step_by(100) {
            let paste: String = (start..start + 100).map(|number| format!("{number} {filler}\n")).collect();
            ann.write_all(paste.as_bytes()).expect("the talker is slowed, not dropped");
        }
        let heard = listening.into_iter().map(|reader| reader.join().expect("every reader hears every line"));
        let readers: Vec<_> = heard.collect();
        assert!(readers.iter().all(|(noticed, _)| *noticed), "the one who stopped was not dropped");
        let mut ann = Client::new(ann, server.story());
        ann.hears(notice);
        let _zoe = server.join("Zoe");
        ann.hears_nothing_before("Zoe has joined the chat.");
    });
}

// ---------------------------------------------------------------------------------------------------------------
// Writers that do not

/// Members talk with each other, a question and its answer so many times, with other lines between them. Returns what
/// else the first of them heard.
#[track_caller]
fn talk_meanwhile(ann: &mut Client, bob: &mut Client, rounds: usize) -> Vec<String> {
    let mut between = Vec::new();
    for round in 0..rounds {
        ann.says(&format!("question {round}"));
        bob.hears_until(&format!("Ann: question {round}"));
        bob.says(&format!("answer {round}"));
        between.extend(ann.hears_until(&format!("Bob: answer {round}")));
    }
    between
}

#[test]
fn a_long_paste_arrives_whole_while_others_talk() {
    let server = Server::start(&["--rate", "2000"]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    thread::scope(|scope| {
        scope.spawn(move || {
            let paste: String = (0..5000).map(|number| format!("line {number}\n")).collect();
            cid.sends(paste);
            cid.sends("the end\n");
            cid.hears_until("Ann: goodbye");
        });
        bob.hears_until("Cid: line 0");
        let mut heard = talk_meanwhile(&mut ann, &mut bob, 20);
        assert!(heard.len() < 5000, "Ann and Bob had to wait until the paste was over");
        heard.extend(ann.hears_until("Cid: the end"));
        let expected: Vec<String> = (0..5000).map(|number| format!("Cid: line {number}")).collect();
        assert_eq!(heard.len(), expected.len());
        assert!(heard == expected, "every line, in order");
        ann.says("goodbye");
    });
}

#[test]
fn a_flood_is_slowed_to_the_rate_and_neither_stops_the_talk_nor_loses_a_line() {
    let server = Server::start(&["--rate", "1"]);
    let [mut ann, mut bob, cid] = server.room(["Ann", "Bob", "Cid"]);
    let begun = Instant::now();
    thread::scope(|scope| {
        let mut flood = cid.into_stream();
        let hold = flood.try_clone().unwrap();
        scope.spawn(move || {
            // Until the connection ends: the server stops reading long before this stops writing.
            for number in 0_u64.. {
                if flood.write_all(format!("y{number}\n").as_bytes()).is_err() {
                    return;
                }
            }
        });
        bob.hears("Cid: y0");
        let mut heard = talk_meanwhile(&mut ann, &mut bob, 20);
        // The burst is 200 lines, of which the name may be one: so many come, however short the talk was.
        while heard.len() < 199 {
            heard.push(ann.hears_one("a line of the flood", |line| line.starts_with("Cid: y")));
        }
        let rounds = talk_meanwhile(&mut ann, &mut bob, 20);
        let seconds = begun.elapsed().as_secs() as usize + 1;
        heard.extend(rounds);
        let expected: Vec<String> = (0..heard.len()).map(|number| format!("Cid: y{number}")).collect();
        assert_eq!(heard, expected, "every line, in order");
        assert!(heard.len() <= 200 + seconds, "{} lines in {seconds} s at one a second", heard.len());
        let _ = hold.shutdown(Shutdown::Both);
    });
}

#[test]
fn who_was_silent_for_a_while_has_no_larger_burst() {
    const RATE: f64 = 400.0;
    let server = Server::start(&["--rate", "400"]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    // Nothing is waited for: silence is what this is about, and at this rate it would earn more than a hundred lines.
    thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    cid.sends("y\n".repeat(1000));
    let mut heard = vec![ann.hears_one("a line of the flood", |line| line == "Cid: y")];
    while heard.len() < 200 {
        heard.push(ann.hears_one("a line of the flood", |line| line == "Cid: y"));
    }
    heard.extend(talk_meanwhile(&mut ann, &mut bob, 3));
    let most = 201.0 + RATE * begun.elapsed().as_secs_f64();
    assert!(heard.len() as f64 <= most, "{} lines where {most} are the most", heard.len());
}

#[test]
fn a_flood_without_newlines_ends_one_connection() {
    let server = Server::start(&[]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    cid.tries_to_send(vec![b'x'; 1 << 20]);
    ann.hears_one("why Cid left", |line| line.starts_with("Cid has left the chat ("));
    bob.hears_one("why Cid left", |line| line.starts_with("Cid has left the chat ("));
    talk_meanwhile(&mut ann, &mut bob, 3);
}

#[test]
fn a_flood_at_the_name_prompt_ends_one_connection() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut guest = server.dial();
    guest.tries_to_send("\n[SERVER]\n".repeat(10_000));
    guest.hears_out();
    bob.says("nobody came");
    ann.hears_nothing_before("Bob: nobody came");
}

#[test]
fn garbage_ends_no_other_connection() {
    let server = Server::start(&["--rate", "0"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut random = Rng::with_seed(1);
    for _ in 0..50 {
        let garbage: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5000).collect();
        let mut cid = server.guest();
        cid.tries_to_send("Cid\n");
        cid.tries_to_send(garbage);
        cid.ends_input();
        cid.is_let_go();
        // They read meanwhile, for what is said is more than one may be behind.
        bob.says("what was that?");
        for heard in ann.hears_until("Bob: what was that?") {
            let known =
                heard.starts_with("Cid: ") || heard.starts_with("Cid has joined") || heard.starts_with("Cid has left");
            assert!(known && !heard.chars().any(|c| c.is_control() && c != '\t'), "Ann heard {heard:?}");
        }
        ann.says("never mind");
        bob.hears_until("Ann: never mind");
    }
}

#[test]
fn a_crowd_that_talks_and_leaves_at_once_costs_nobody_a_line() {
    const CROWD: usize = 300;
    const SAID: [&str; 5] = ["one", "two", "three", "four", "five"];
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut crowd: Vec<Client> = (0..CROWD).map(|n| server.join(&format!("m{n}"))).collect();
    (0..CROWD).for_each(|n| ann.hears(&format!("m{n} has joined the chat.")));
    server.signal(Signal::STOP);
    for member in &mut crowd {
        member.sends(format!("{}\n", SAID.join("\n")));
        member.ends_input();
    }
    server.signal(Signal::CONT);
    let mut heard = vec![0; CROWD];
    for _ in 0..CROWD * (SAID.len() + 1) {
        let line = ann.next_line().expect("Ann is in the room");
        let n = line.strip_prefix('m').and_then(|rest| rest.split([' ', ':']).next()).and_then(|n| n.parse().ok());
        let (n, next): (usize, _) = n.map(|n: usize| (n, heard[n])).unwrap_or_else(|| panic!("{line:?}"));
        heard[n] += 1;
        let expected = match SAID.get(next) {
            Some(said) => format!("m{n}: {said}"),
            None => format!("m{n} has left the chat."),
        };
        assert_eq!(line, expected);
    }
    for (n, member) in crowd.iter_mut().enumerate() {
        let last = member.hears_out().pop();
        assert!(last.as_ref().is_none_or(|line| !line.contains("too slow")), "m{n} was told {last:?}");
    }
}

#[test]
fn a_reset_is_a_leave() {
    let server = Server::start(&[]);
    let [mut ann, mut bob, cid] = server.room(["Ann", "Bob", "Cid"]);
    cid.resets();
    for other in [&mut ann, &mut bob] {
        other.hears_one("that Cid left", |line| line.starts_with("Cid has left the chat"));
    }
    server.prints("Cid disconnected.");
    ann.says("he fell off");
    bob.hears("Ann: he fell off");
}

// ---------------------------------------------------------------------------------------------------------------
// Too many

#[test]
fn a_full_server_says_so_and_lets_the_next_one_in_when_there_is_room() {
    let server = Server::start(&["--max-clients", "2"]);
    let [mut ann, bob] = server.room(["Ann", "Bob"]);
    let mut late = server.dial();
    let told = late.hears_one("why it cannot come in", |line| line != PROMPT && line.len() > 10);
    assert!(told.is_ascii(), "{told:?}");
    late.hears_the_end();
    bob.leaves();
    ann.hears_nothing_before("Bob has left the chat.");
    // Bob's place is free once his connection is over, which may be a little after the room knows.
    let mut cid = (0..1000).find_map(|_| {
        let mut cid = server.dial();
        (cid.next_line().as_deref() == Some(PROMPT)).then_some(cid)
    });
    cid.as_mut().expect("there is room again").joins("Cid");
    ann.hears("Cid has joined the chat.");
}

#[test]
fn who_has_no_name_yet_takes_a_place_too() {
    let server = Server::start(&["--max-clients", "2"]);
    let _guest = server.guest();
    let _ann = server.join("Ann");
    let mut late = server.dial();
    late.hears_one("why it cannot come in", |line| line != PROMPT);
    late.hears_the_end();
}

#[test]
fn the_loopback_address_may_connect_more_often_than_others() {
    let server = Server::start(&["--max-per-address", "2"]);
    let _guests: Vec<Client> = (0..5).map(|_| server.guest()).collect();
    let [mut ann, mut bob, _cid] = server.room(["Ann", "Bob", "Cid"]);
    bob.says("we are eight");
    ann.hears("Bob: we are eight");
}

// ---------------------------------------------------------------------------------------------------------------
// What the process may hold

/// Tests that look into /proc, or set another process's limits: Linux alone.
#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use crate::harness::dynasti_through_sh;
    use rustix::process::{Resource, Rlimit, prlimit};
    use std::fs;

    /// The descriptors that the server has open.
    fn descriptors(server: &Server) -> Vec<u64> {
        let entries = fs::read_dir(format!("/proc/{}/fd", server.pid().as_raw_nonzero()));
        let names = entries.expect("the server runs").filter_map(|entry| Some(entry.ok()?.file_name()));
        names.filter_map(|name| name.to_str()?.parse().ok()).collect()
    }

    #[test]
    fn fifty_of_two_hundred_who_never_read_cost_no_more_than_their_queues_may_hold() {
        let server = Server::start(&["--rate", "0"]);
        let mut ann = server.join("Ann");
        let mut names: Vec<String> = (0..149).map(|number| format!("reader{number}")).collect();
        names.extend((0..50).map(|number| format!("stuck{number}")));
        let mut stuck: Vec<Client> = Vec::new();
        for name in &names {
            let mut member = if name.starts_with("stuck") { server.dial_with_small_window() } else { server.dial() };
            member.says(name);
            ann.hears(&format!("{name} has joined the chat."));
            stuck.push(member);
        }
        for mut reader in stuck.drain(..149).map(Client::into_stream) {
            reader.set_read_timeout(Some(LONG_PATIENCE)).unwrap();
            // Until the server is gone, with the test.
            thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
        }
        let idle = server.memory_kib("VmRSS");

        let line = "x".repeat(4000);
        let mut left = Vec::new();
        for _ in 0..20_000 {
            ann.says(&line);
            // Answered to Ann alone, when everything before it has been said to the room.
            ann.says("/frobnicate");
            left.extend(std::iter::from_fn(|| ann.next_line().filter(|heard| !heard.starts_with("-- "))));
            if left.len() >= 50 {
                break;
            }
        }
        let right = |heard: &String| heard.starts_with("stuck") && heard.ends_with(" has left the chat (too slow).");
        assert!(left.len() == 50 && left.iter().all(right), "{left:?}");

        // All queues end at the room's last line and hold 128 KiB of lines at most; as lines are held once and not once
        // for each queue, that is 128 KiB in all. A connection's own state, its list of what waits included, is some
        // KiB more. (Held in each queue, the lines alone would be 50 × 128 KiB.)
        let bound = 128 + 200 * 16;
        let peak = server.memory_kib("VmHWM");
        assert!(peak - idle <= bound, "{idle} KiB idle, {peak} KiB at the peak: more than {bound} KiB between them");
    }

    #[test]
    fn without_descriptors_the_room_goes_on_and_accepting_resumes() {
        let server = Server::start(&[]);
        let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
        // From outside, for what the server was allowed at its start, it has prepared for. What it holds are not always
        // the lowest numbers, so that the highest one says how low the limit can be; and it is to leave at least as
        // many places as are given back below.
        const GIVEN_BACK: usize = 3;
        let open = descriptors(&server);
        let limit = (open.iter().max().copied().unwrap_or(0) + 1).max((open.len() + GIVEN_BACK) as u64);
        let room = limit as usize - open.len();
        let limits = Rlimit { current: Some(limit), maximum: Some(limit) };
        prlimit(Some(server.pid()), Resource::Nofile, limits).unwrap();
        let mut guests: Vec<Client> = (0..room).map(|_| server.guest()).collect();
        let mut late: Vec<Client> = (0..GIVEN_BACK).map(|_| server.dial()).collect();
        let warning = server.stderr.find("a warning about descriptors", |line| !line.is_empty());
        ann.says("it is getting full");
        bob.hears("Ann: it is getting full");
        bob.says("it is");
        ann.hears("Bob: it is");
        for newcomer in &mut late {
            guests.remove(0).leaves();
            newcomer.hears(PROMPT);
        }
        let mut cid = late.remove(0);
        cid.joins("Cid");
        ann.hears("Cid has joined the chat.");
        assert_eq!(server.stderr.so_far(), [warning], "one warning a minute");
    }

    #[test]
    fn more_clients_than_there_are_descriptors_for_are_not_promised() {
        let command = dynasti_through_sh("ulimit -n 100", &Server::arguments(&["--max-clients", "500"]), "");
        let server = Server::run(command, 1);
        let warning = server.stderr.find("that fewer fit", |line| !line.is_empty());
        assert!(warning.contains("500"), "{warning:?} says what was asked for");
        let mut inside = Vec::new();
        let refused = (0..100).find_map(|_| {
            let mut client = server.dial();
            let first = client.next_line();
            inside.push(client);
            first.filter(|line| line != PROMPT)
        });
        let refused = refused.expect("not all of 100 find a descriptor, and who finds none is told so");
        assert!(inside.len() > 50, "{refused:?} after {} connections", inside.len());
        // All at once, for each has a descriptor until it is told.
        server.signal(Signal::STOP);
        let mut crowd: Vec<Client> = (0..300).map(|_| server.dial()).collect();
        server.signal(Signal::CONT);
        crowd.iter_mut().for_each(|client| client.hears(&refused));
        assert_eq!(server.stderr.so_far(), [warning], "nothing ran out");
        inside[0].joins("Ann");
        inside[1].joins("Bob");
        inside[0].hears("Bob has joined the chat.");
    }

    #[test]
    fn however_many_listeners_there_are_no_descriptor_is_promised_twice() {
        let mut options = vec!["--max-clients", "500"];
        options.extend(["--listen", "127.0.0.1:0"].repeat(20));
        let command = dynasti_through_sh("ulimit -n 100", &Server::arguments(&options), "");
        let server = Server::run(command, 20);
        let warning = server.stderr.find("that fewer fit", |line| !line.is_empty());
        let mut doors = server.addresses().iter().copied().cycle();
        let mut dial = || server.dial_to(doors.next().expect("they come round"));
        let mut inside = Vec::new();
        let refused = (0..100).find_map(|_| {
            let mut client = dial();
            let first = client.next_line();
            inside.push(client);
            first.filter(|line| line != PROMPT)
        });
        let refused = refused.expect("not all of 100 find a descriptor, and who finds none is told so");
        assert!(inside.len() > 20, "{refused:?} after {} connections", inside.len());
        // All at once, at every door.
        server.signal(Signal::STOP);
        let mut crowd: Vec<Client> = (0..300).map(|_| dial()).collect();
        server.signal(Signal::CONT);
        crowd.iter_mut().for_each(|client| client.hears(&refused));
        assert_eq!(server.stderr.so_far(), [warning], "nothing ran out");
        inside[0].joins("Ann");
        inside[1].joins("Bob");
        inside[0].hears("Bob has joined the chat.");
    }

    #[test]
    fn at_the_start_the_soft_limit_of_descriptors_is_raised() {
        let command = dynasti_through_sh("ulimit -Sn 40", &Server::arguments(&[]), "");
        let server = Server::run(command, 1);
        let _guests: Vec<Client> = (0..100).map(|_| server.guest()).collect();
        assert!(server.stderr.so_far().is_empty(), "{:?}", server.stderr.so_far());
    }

    #[test]
    fn what_visitors_used_is_given_back() {
        let server = Server::start(&[]);
        let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
        let before = descriptors(&server).len();
        for visit in 0..100 {
            match visit % 4 {
                0 => drop(server.join("Cid").leaves()),
                1 => server.join("Cid").resets(),
                2 => server.guest().resets(),
                _ => drop(server.guest().leaves()),
            }
            if visit % 4 < 2 {
                ann.hears("Cid has joined the chat.");
                ann.hears_one("that Cid left", |line| line.starts_with("Cid has left the chat"));
            }
        }
        bob.says("all gone");
        ann.hears("Bob: all gone");
        // The last ones may still be on their way out; each look takes a trip to the server, and they are soon gone.
        let left = (0..1000).map(|_| {
            bob.says("and now?");
            ann.hears("Bob: and now?");
            descriptors(&server).len()
        });
        assert!(left.take(1000).any(|open| open <= before), "descriptors stay open");
    }
}
