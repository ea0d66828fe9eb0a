//! Several servers, one room, and what can go wrong between them: wires are cut; brokers are killed or stopped, lose
//! lines, refuse them, or send wrong ones; strangers at the broker attack. Every line arrives once, in its author's
//! order, or the room is told that it is missing; and no member is disturbed.
//!
//! These tests mostly wait, so `.ci/run link` runs them at the same time:
//!
//! `cargo test --release --test it link_faults -- --ignored --nocapture --test-threads=16`
//!
//! `DYNASTI_SOAK_SECONDS` says how long the soak takes, and `DYNASTI_SOAK_SEED` repeats a run as far as time and the
//! system allow. Its last line has the figures.
#![cfg(target_os = "linux")]

use crate::broker::Broker;
use crate::harness::{Client, Output, Server};
use crate::link::{RECOVERY, linked, meet, this_is, two, url};
use crate::random::{Chance, number_from};
use crate::wire::{NEAR, Way, Wire};
use fastrand::Rng;
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How often somebody says something.
const SAYS_EVERY: Duration = Duration::from_millis(200);

const SECOND: Duration = Duration::from_secs(1);

/// A person who says numbered lines, and hears all the time.
struct Person {
    /// The name, as it is shown on other servers.
    name: String,
    stream: TcpStream,
    output: Output,
    said: usize,
}

impl Person {
    /// Somebody in the room of this server.
    fn new(client: Client, name: &str, server: &Server) -> Person {
        let (unread, stream) = client.into_parts();
        let output = Cursor::new(unread).chain(stream.try_clone().expect("it can be had"));
        let output = Output::capture(name.to_owned(), output, server.story());
        Person { name: name.to_owned(), stream, output, said: 0 }
    }

    fn says(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\n").as_bytes()).expect("its server is there");
    }

    /// Says the next number.
    fn counts(&mut self) {
        self.said += 1;
        self.says(&self.said.to_string());
    }

    /// Waits until this has been heard.
    #[track_caller]
    fn hears(&self, wanted: &str) {
        self.output.wait_for(RECOVERY, format!("{wanted:?}"), |lines, _| {
            lines.iter().any(|line| line == wanted).then_some(())
        });
    }

    /// Everything that another has said was heard, from this number on, once and in its order.
    #[track_caller]
    fn has_heard(&self, other: &Person, from: usize) {
        let said = |n: usize| format!("{}: {n}", other.name);
        self.hears(&said(other.said));
        let begin = format!("{}: ", other.name);
        let heard: Vec<String> = self.output.so_far().into_iter().filter(|line| line.starts_with(&begin)).collect();
        // What was said before anybody counted has no number.
        let heard: Vec<String> = heard.into_iter().skip_while(|line| *line != said(from)).collect();
        let expected: Vec<String> = (from..=other.said).map(said).collect();
        assert_eq!(heard, expected, "{}", self.name);
    }

    /// What this one's server has said by itself, but for answers.
    fn notices(&self) -> Vec<String> {
        let heard = self.output.so_far();
        let notices = heard.iter().filter(|line| line.starts_with("-- ") && !line.contains(" here: "));
        // Why it is down is another matter.
        notices.map(|line| line.split(" is down: ").next().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until this is what `/who` answers.
    #[track_caller]
    fn sees(&mut self, names: &str) {
        let wanted = format!("-- {names}");
        loop {
            let answers = |lines: &[String]| -> Vec<String> {
                lines.iter().filter(|line| line.contains(" here: ")).cloned().collect()
            };
            let before = answers(&self.output.so_far()).len();
            self.says("/who");
            let answer =
                self.output.wait_for(RECOVERY, "an answer to /who", |lines, _| answers(lines).get(before).cloned());
            if answer == wanted {
                return;
            }
        }
    }
}

/// Everybody says a number now and then, for so long.
fn talk(people: &mut [&mut Person], time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        people.iter_mut().for_each(|person| person.counts());
        thread::sleep(SAYS_EVERY);
    }
}

/// Ann on pi1 and Bob on pi2, who hear all the time.
fn people(broker: &Broker, room: &str) -> (Server, Server, Person, Person) {
    let (pi1, pi2, ann, bob) = two(broker, room, &["--rate", "0"]);
    let (ann, bob) = (Person::new(ann, "Ann@pi1", &pi1), Person::new(bob, "Bob@pi2", &pi2));
    (pi1, pi2, ann, bob)
}

/// Each has heard all that the other has said, and nothing comes after that.
#[track_caller]
fn heard_each_other(ann: &mut Person, bob: &mut Person) {
    for _ in 0..2 {
        ann.counts();
        bob.counts();
        ann.has_heard(bob, 1);
        bob.has_heard(ann, 1);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The wire

/// The wire between a broker and one of two servers is cut, while people on both talk.
fn is_cut(way: Way, seconds: u64) {
    let Some(wire) = Wire::new() else { return };
    let Some(broker) = wire.near(Broker::start_everywhere) else { return };
    let url = format!("nats://{NEAR}:{}/cut", broker.port());
    let port = broker.port();
    let starts = |name: &str, who: &str| {
        let server = Server::start(&["--link", &url, "--link-name", name]);
        server.prints(&format!("This is {name} at nats://{NEAR}:{port}."));
        let client = server.join(who);
        (server, client)
    };
    let ((pi1, mut ann), (pi2, mut bob)) = (wire.near(|| starts("pi1", "Ann")), wire.far(|| starts("pi2", "Bob")));
    meet(&mut ann, &mut bob);
    let (mut ann, mut bob) = (Person::new(ann, "Ann@pi1", &pi1), Person::new(bob, "Bob@pi2", &pi2));
    talk(&mut [&mut ann, &mut bob], SECOND);
    wire.cut(way);
    talk(&mut [&mut ann, &mut bob], Duration::from_secs(seconds));
    wire.mend(way);
    talk(&mut [&mut ann, &mut bob], 2 * SECOND);
    heard_each_other(&mut ann, &mut bob);
    ann.sees("2 here: Ann, Bob@pi2");
    bob.sees("2 here: Bob, Ann@pi1");
    talk(&mut [&mut ann, &mut bob], SECOND);
    heard_each_other(&mut ann, &mut bob);
    // Each says once what changes, and nothing if nothing does.
    let at = format!("-- The link to nats://{NEAR}:{}", broker.port());
    let (is_back, is_linked) = (format!("{at} is back."), |name| format!("-- {name} is linked."));
    let is_not_linked = |name| format!("-- {name} is not linked any more.");
    let (at_pi1, at_pi2) = match seconds {
        ..5 => (vec![], vec![]),
        5..30 => (vec![], vec![at, is_back]),
        _ => (vec![is_not_linked("pi2"), is_linked("pi2")], vec![at, is_not_linked("pi1"), is_back, is_linked("pi1")]),
    };
    // What is said first when it is back is a matter of milliseconds.
    let sorted = |mut notices: Vec<String>| {
        notices.sort();
        notices
    };
    assert_eq!(ann.notices(), at_pi1, "{way:?}, {seconds} s");
    assert_eq!(sorted(bob.notices()), sorted(at_pi2), "{way:?}, {seconds} s");
}

fn is_cut_each_way(seconds: u64) {
    thread::scope(|scope| {
        for way in [Way::ToNear, Way::ToFar, Way::Both] {
            scope.spawn(move || is_cut(way, seconds));
        }
    });
}

#[test]
#[ignore = "takes ten seconds: see the head of its file"]
fn a_wire_that_is_cut_for_a_second_is_not_noticed() {
    is_cut_each_way(1);
}

#[test]
#[ignore = "takes half a minute: see the head of its file"]
fn a_wire_that_is_cut_for_ten_seconds_loses_nothing() {
    is_cut_each_way(10);
}

#[test]
#[ignore = "takes two minutes: see the head of its file"]
fn a_wire_that_is_cut_for_a_minute_loses_nothing_and_who_is_gone_comes_back() {
    is_cut_each_way(60);
}

// ---------------------------------------------------------------------------------------------------------------
// The broker

/// The stream of a room, made by an operator with these settings of it.
fn makes_stream(broker: &Broker, room: &str, settings: &str) {
    let config = format!(r#"{{"name":"{room}","subjects":["dynasti.{room}.lines"],"storage":"file",{settings}}}"#);
    let answer = broker.stranger("").asks(&format!("$JS.API.STREAM.CREATE.{room}"), &config);
    assert!(answer.contains("\"did_create\":true"), "{answer}");
}

#[test]
#[ignore = "takes half a minute: see the head of its file"]
fn a_broker_that_pauses_and_knows_no_duplicates_loses_and_doubles_nothing() {
    let Some(broker) = Broker::start() else { return };
    // It forgets at once what it has stored.
    makes_stream(&broker, "twice", r#""duplicate_window":100000000"#);
    let (_pi1, _pi2, mut ann, mut bob) = people(&broker, "twice");
    talk(&mut [&mut ann, &mut bob], SECOND);
    // So long that both servers have given it up, and have come again.
    broker.program().signal(Signal::STOP);
    talk(&mut [&mut ann, &mut bob], 8 * SECOND);
    broker.program().signal(Signal::CONT);
    talk(&mut [&mut ann, &mut bob], 2 * SECOND);
    heard_each_other(&mut ann, &mut bob);
    let config = broker.stranger("").asks("$JS.API.STREAM.INFO.twice", "");
    assert!(config.contains("\"duplicate_window\":100000000,"), "{config}");
}

#[test]
#[ignore = "takes ten seconds: see the head of its file"]
fn what_the_stream_does_not_hold_any_more_is_counted() {
    let Some(mut broker) = Broker::start() else { return };
    makes_stream(&broker, "short", r#""discard":"old","max_msgs":20"#);
    let (_pi1, pi2, mut ann, mut bob) = people(&broker, "short");
    heard_each_other(&mut ann, &mut bob);
    pi2.signal(Signal::STOP);
    // Its connection ends, too, or the system would take all for it.
    broker.kill();
    broker.start_again();
    let mut stranger = broker.stranger("");
    stranger.subscribes("dynasti.short.lines");
    for _ in 0..100 {
        ann.counts();
        let heard = format!("Ann: {}\n", ann.said);
        while !String::from_utf8_lossy(&stranger.hears().1).ends_with(&heard) {}
    }
    pi2.signal(Signal::CONT);
    // Each was a message of its own, and twenty are left. Some may have come together before the broker was back.
    bob.hears(&format!("Ann@pi1: {}", ann.said));
    let heard = bob.output.so_far();
    let missed = heard.iter().find_map(|line| line.strip_prefix("-- ")?.strip_suffix(" lines of pi1 were missed."));
    let missed: usize = missed.and_then(|missed| missed.parse().ok()).expect("it is said that lines were missed");
    assert!((70..=80).contains(&missed), "{missed} were missed");
    bob.has_heard(&ann, 2 + missed + 1);
    ann.counts();
    bob.has_heard(&ann, 2 + missed + 1);
}

#[test]
#[ignore = "takes a minute: see the head of its file"]
fn a_stream_that_takes_no_more_is_asked_now_and_then_and_nobody_is_gone() {
    let Some(broker) = Broker::start() else { return };
    makes_stream(&broker, "full", r#""discard":"new","max_msgs":9"#);
    let (_pi1, _pi2, mut ann, mut bob) = people(&broker, "full");
    let mut stranger = broker.stranger("");
    // Until it is full, and for so long that a server that is not heard of would be gone.
    talk(&mut [&mut ann, &mut bob], 40 * SECOND);
    let at = format!("-- The link to nats://127.0.0.1:{}", broker.port());
    for person in [&ann, &bob] {
        assert_eq!(person.notices(), [at.as_str()], "{}", person.name);
    }
    let why = "is down: maximum messages exceeded (10077). This room goes on alone.";
    assert!(ann.output.so_far().iter().any(|line| line.ends_with(why)), "why it is down is said");
    // Each tries once a second; of what is refused nothing is stored.
    stranger.subscribes("dynasti.full.lines");
    let begun = Instant::now();
    let mut tries = 0;
    while begun.elapsed() < 5 * SECOND {
        stranger.hears();
        tries += 1;
    }
    assert!((4..=14).contains(&tries), "{tries} attempts in {:?}", begun.elapsed());
    let answer = broker.stranger("").asks("$JS.API.STREAM.PURGE.full", "");
    assert!(answer.contains("\"success\":true"), "{answer}");
    ann.counts();
    bob.counts();
    ann.has_heard(&bob, 1);
    bob.has_heard(&ann, 1);
    for person in [&ann, &bob] {
        assert_eq!(person.notices(), [at.clone(), format!("{at} is back.")], "{}", person.name);
    }
}

#[test]
#[ignore = "takes half a minute: see the head of its file"]
fn a_stream_that_is_deleted_is_made_again_and_nobody_hears_of_it() {
    let Some(broker) = Broker::start() else { return };
    let (_pi1, _pi2, mut ann, mut bob) = people(&broker, "deleted");
    // Somebody who says nothing, whose server is not told.
    let pi3 = linked(&broker, "deleted", "pi3");
    let mut cid = Person::new(pi3.join("Cid"), "Cid@pi3", &pi3);
    cid.sees("3 here: Cid, Ann@pi1, Bob@pi2");
    let mut stranger = broker.stranger("");
    for _ in 0..3 {
        talk(&mut [&mut ann, &mut bob], SECOND);
        let answer = stranger.asks("$JS.API.STREAM.DELETE.deleted", "");
        assert!(answer.contains("\"success\":true"), "{answer}");
        talk(&mut [&mut ann, &mut bob], SECOND);
        heard_each_other(&mut ann, &mut bob);
        // The third server reads each stream to its end before the next one is deleted. Otherwise it could miss lines:
        // it learns late of a stream that is gone.
        for other in [&ann, &bob] {
            let said = format!("{}: ", other.name);
            let first = cid.output.so_far().iter().find_map(|line| line.strip_prefix(&said)?.parse().ok());
            cid.has_heard(other, first.unwrap_or(1));
        }
    }
    for (person, notices) in [(&ann, ["-- pi3 is linked."]), (&bob, ["-- pi3 is linked."])] {
        assert_eq!(person.notices(), notices, "{}", person.name);
    }
}

#[test]
#[ignore = "takes half a minute: see the head of its file"]
fn a_consumer_that_is_deleted_is_made_again_and_nobody_hears_of_it() {
    let Some(broker) = Broker::start() else { return };
    let (_pi1, _pi2, mut ann, mut bob) = people(&broker, "consumer");
    heard_each_other(&mut ann, &mut bob);
    let mut stranger = broker.stranger("");
    let names = stranger.asks("$JS.API.CONSUMER.NAMES.consumer", "");
    let names = names.split("\"consumers\":[").nth(1).and_then(|rest| rest.split(']').next()).expect("there are some");
    let names: Vec<&str> = names.split(',').map(|name| name.trim_matches('"')).collect();
    assert_eq!(names.len(), 2);
    for name in names {
        let answer = stranger.asks(&format!("$JS.API.CONSUMER.DELETE.consumer.{name}"), "");
        assert!(answer.contains("\"success\":true"), "{answer}");
    }
    talk(&mut [&mut ann, &mut bob], 2 * SECOND);
    heard_each_other(&mut ann, &mut bob);
    assert_eq!((ann.notices(), bob.notices()), (vec![], vec![]));
}

// ---------------------------------------------------------------------------------------------------------------
// Those who mean harm

/// A broker that does what this says with the first that comes, until it is left.
fn lies(what: impl FnOnce(&mut TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is to be had");
    let port = listener.local_addr().expect("it has an address").port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it comes");
        what(&mut stream);
    });
    port
}

const INFO: &[u8] = b"INFO {\"version\":\"2.9.10\",\"headers\":true,\"max_payload\":1048576}\r\n";

#[test]
#[ignore = "takes ten seconds: see the head of its file"]
fn a_broker_that_asks_all_the_time_costs_no_memory() {
    let asks = |stream: &mut TcpStream| {
        let mut writing = stream.try_clone().expect("it can be had");
        let questions = b"PING\r\n".repeat(10_000);
        thread::spawn(move || {
            let _ = writing.write_all(INFO);
            while writing.write_all(&questions).is_ok() {}
        });
        // What it answers is read, so that it never has to wait.
        let _ = std::io::copy(stream, &mut std::io::sink());
    };
    let server = Server::start(&["--link", &format!("nats://127.0.0.1:{}", lies(asks)), "--link-name", "pi1"]);
    let before = server.memory_kib("VmHWM");
    server.stderr.find("that it has enough", |line| line.contains(" is down: its answer takes too long; "));
    let after = server.memory_kib("VmHWM");
    assert!(after < before + 4 * 1024, "{before} and then {after} KiB");
}

/// Somebody at the broker publishes this again and again, for some seconds, while two people talk here. Returns how
/// much the server has held at most, in KiB.
fn floods(what: impl Fn(u64) -> Vec<u8> + Send) -> usize {
    let Some(broker) = Broker::start() else { return 0 };
    let server = linked(&broker, "flood", "pi1");
    let (ann, bob) = (server.join("Ann"), server.join("Bob"));
    let (mut ann, bob) = (Person::new(ann, "Ann", &server), Person::new(bob, "Bob", &server));
    let mut stranger = broker.stranger("");
    let until = Instant::now() + 3 * SECOND;
    thread::scope(|scope| {
        let flood = scope.spawn(move || {
            let mut n = 0;
            while Instant::now() < until {
                stranger.sends(&what(n));
                n += 1;
            }
            stranger
        });
        while Instant::now() < until {
            ann.counts();
            bob.hears(&format!("Ann: {}", ann.said));
        }
        flood.join().expect("the broker takes it");
    });
    bob.has_heard(&ann, 1);
    server.memory_kib("VmHWM")
}

/// What a stranger sends for a message in the room's stream.
fn lines(first: u64, lines: &str) -> Vec<u8> {
    let headers = format!("NATS/1.0\r\nNats-Msg-Id: pi9:{:020x}:{first}\r\n\r\n", 1);
    let (length, whole) = (headers.len(), headers.len() + lines.len());
    format!("HPUB dynasti.flood.lines {length} {whole}\r\n{headers}{lines}\r\n").into_bytes()
}

/// What a stranger sends as a server's word on itself.
fn presence(payload: &str) -> Vec<u8> {
    format!("PUB dynasti.flood.presence {}\r\n{payload}\r\n", payload.len()).into_bytes()
}

#[test]
#[ignore = "takes some seconds: see the head of its file"]
fn a_flood_of_lines_costs_no_memory_and_nobody_their_place() {
    let held = floods(|n| lines(1 + n * 500, &"Eve: all day long\n".repeat(500)));
    assert!(held < 16 * 1024, "{held} KiB");
    let held = floods(|n| lines(1 + n * 600, &"Eve (private to Bob@pi1): psst\n".repeat(500)));
    assert!(held < 16 * 1024, "{held} KiB");
}

#[test]
#[ignore = "takes some seconds: see the head of its file"]
fn a_flood_of_servers_costs_little_memory_and_nobody_their_place() {
    let epoch = format!("{:020x}", 1);
    let comes_and_goes = format!("here pi9 {epoch} 1 0 1 0\n");
    let comes_and_goes = [presence(&comes_and_goes), presence(&format!("bye pi9 {epoch}\n"))].concat().repeat(100);
    let held = floods(move |_| comes_and_goes.clone());
    assert!(held < 16 * 1024, "{held} KiB");
    let held = floods(move |n| {
        let names: String = (0..1200).map(|member| format!("m{member}-{n}\n")).collect();
        presence(&format!("here s{} {:020x} {n} 0 1 0\n{names}", n % 300, 1))
    });
    assert!(held < 64 * 1024, "{held} KiB");
}

// ---------------------------------------------------------------------------------------------------------------
// All day long

const SERVERS: usize = 3;
const TALKERS: usize = 10;
const LAST: &str = "and that was all";

/// A talker of the soak.
fn talker(number: usize) -> String {
    format!("talker{number}")
}

#[test]
#[ignore = "takes a minute: see the head of its file"]
fn soak() {
    let seconds = number_from("DYNASTI_SOAK_SECONDS").unwrap_or(60);
    let seed = number_from("DYNASTI_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    let mut random = Rng::with_seed(seed);
    println!("soaking the link for {seconds} s, seed {seed}");
    let Some(mut broker) = Broker::start() else { return };
    let url = url(&broker, "soak");
    let servers: Vec<Server> = (1..=SERVERS)
        .map(|n| {
            let name = format!("pi{n}");
            let server = Server::start(&["--link", &url, "--link-name", &name, "--rate", "0"]);
            server.prints(&this_is(&broker, &name));
            server
        })
        .collect();
    let mut clients: Vec<Client> =
        (0..SERVERS * TALKERS).map(|number| servers[number % SERVERS].join(&talker(number))).collect();
    // Everybody is there before anybody talks; what they hear before that is not looked at.
    for client in &mut clients {
        client.says("/who");
        let answer = format!("-- {} here: ", SERVERS * TALKERS);
        while !client.hears_one("an answer to /who", |_| true).starts_with(&answer) {
            client.says("/who");
        }
    }

    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds);
    let (mut kills, mut said, mut deliveries, mut notices) = (0, 0, 0, 0);
    thread::scope(|scope| {
        let (mut talking, mut listening) = (Vec::new(), Vec::new());
        for (number, client) in clients.into_iter().enumerate() {
            let (unread, stream) = client.into_parts();
            let (writing, random) = (stream.try_clone().expect("it can be had"), Rng::with_seed(random.u64(..)));
            talking.push(scope.spawn(move || talks(writing, random, end)));
            listening.push(scope.spawn(move || listens(number, unread, stream)));
        }
        while Instant::now() + 5 * SECOND < end {
            thread::sleep(5 * SECOND);
            broker.kill();
            thread::sleep(Duration::from_millis(random.u64(..500)));
            broker.start_again();
            kills += 1;
        }
        let counts: Vec<usize> = talking.into_iter().map(|talk| talk.join().expect("its server is there")).collect();
        said = counts.iter().sum();
        for (number, listener) in listening.into_iter().enumerate() {
            let (heard, told) = listener.join().expect("all is heard once, and in order");
            notices += told;
            for (author, said) in counts.iter().enumerate().filter(|(author, _)| *author != number) {
                assert_eq!(heard[author], *said, "{} of {}", talker(number), talker(author));
                deliveries += said;
            }
        }
    });
    let held: Vec<String> = servers.iter().map(|server| server.memory_kib("VmHWM").to_string()).collect();
    println!(
        "soaked the link {} s, seed {seed}: {said} lines said by {} on {SERVERS} servers, {deliveries} deliveries checked, \
         the broker killed {kills} times, {notices} notices heard; at most {} KiB each",
        begun.elapsed().as_secs(),
        SERVERS * TALKERS,
        held.join(", "),
    );
}

/// Says numbered lines until the time has come. Returns how many.
fn talks(mut stream: TcpStream, mut random: Rng, end: Instant) -> usize {
    let mut said = 0;
    let mut says = |stream: &mut TcpStream, lines: usize, words: &str| {
        let text: String = (0..lines).map(|n| format!("{} {words}\n", said + n)).collect();
        stream.write_all(text.as_bytes()).expect("its server is there");
        said += lines;
        said
    };
    while Instant::now() < end {
        let lines = if random.one_in(30) { 20 } else { 1 };
        says(&mut stream, lines, "x");
        thread::sleep(Duration::from_millis(random.u64(50..450)));
    }
    says(&mut stream, 1, LAST)
}

/// Hears everybody else's lines until each has said that this was all. Returns how many of each, and how many notices.
fn listens(number: usize, unread: Vec<u8>, stream: TcpStream) -> (Vec<usize>, usize) {
    stream.set_read_timeout(Some(RECOVERY)).expect("a timeout is to be had");
    let mut heard = vec![0; SERVERS * TALKERS];
    let (mut talking, mut notices) = (heard.len() - 1, 0);
    let mut lines = BufReader::new(Cursor::new(unread).chain(stream)).lines();
    while talking > 0 {
        let line =
            lines.next().expect("the room goes on").unwrap_or_else(|error| panic!("{}: {error}", talker(number)));
        assert!(!line.ends_with(" were missed.") && !line.contains(" is not linked "), "{}: {line}", talker(number));
        notices += usize::from(line.starts_with("-- The link to "));
        if line.starts_with("-- ") || line.ends_with(" has joined the chat.") {
            continue;
        }
        let Some((author, text)) = line.split_once(": ") else { panic!("{line}") };
        let name = author.split('@').next().unwrap_or_default();
        let author: usize = name.strip_prefix("talker").and_then(|n| n.parse().ok()).expect("it is a talker");
        let (n, words) = text.split_once(' ').expect("it has a number");
        assert_eq!(n, heard[author].to_string(), "{} hears {line:?}", talker(number));
        heard[author] += 1;
        talking -= usize::from(words == LAST);
    }
    (heard, notices)
}
