//! Backpressure: a member who types never waits. A member who sends in bulk waits for readers who still read, and for
//! nobody else.

use crate::crowd::Crowd;
#[cfg(feature = "web")]
use crate::harness::connect_with_small_window;
use crate::harness::{Client, PATIENCE, PROMPT, Server};
#[cfg(target_os = "linux")]
use crate::wire::Wire;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a load may take before it is a fault and not a slow machine.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// How many lines, and how many bytes, the contract lets a reader be behind.
const MAX_LINES: usize = 1024;
const MAX_BYTES: usize = 128 * 1024;

/// What is under way to a reader that has stopped, besides: what the kernel takes at its end and at the server's, and
/// what the server says in one turn.
const UNDER_WAY: usize = 8 * 1024 + 32 * 1024 + 16 * 1024;

// ---------------------------------------------------------------------------------------------------------------
// Readers that are slow

/// A socket that is read so many bytes a second, a KiB at a time, as somebody on bad Wi-Fi takes them.
struct Paced {
    stream: TcpStream,
    bytes_per_second: u32,
    next: Instant,
}

impl Paced {
    fn new(stream: TcpStream, bytes_per_second: u32) -> Paced {
        Paced { stream: as_it_comes(stream), bytes_per_second, next: Instant::now() }
    }
}

impl Read for Paced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The pace itself: nothing is waited for.
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        let end = buffer.len().min(1024);
        let length = self.stream.read(&mut buffer[..end])?;
        let time = Duration::from_secs(1) * length as u32 / self.bytes_per_second;
        // What was not taken while there was nothing is not made up for.
        self.next = self.next.max(Instant::now()) + time;
        Ok(length)
    }
}

/// A socket that is read as fast as something comes, which it always does within a while.
fn as_it_comes(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is to be had");
    stream
}

/// The next line without its LF; a panic where there is none.
fn next_line(input: &mut impl BufRead) -> String {
    let mut line = String::new();
    let read = input.read_line(&mut line);
    assert_eq!(line.pop(), Some('\n'), "the connection ended ({read:?})");
    line
}

/// What several people paste at once.
struct Pastes {
    /// `p0`, `p1` and so on.
    people: usize,
    /// How many lines each of them pastes, and of how many bytes.
    lines: usize,
    line: usize,
    options: &'static [&'static str],
}

const LAST: &str = "and that was all";

impl Pastes {
    fn text(&self) -> String {
        let filler = "x".repeat(self.line);
        (0..self.lines).map(|number| format!("{:.*}\n", self.line, format!("{number} {filler}"))).collect()
    }

    /// Hears all lines that are pasted, but for `own` ones, and then Ann's last. Each author's must come in their
    /// order, each once, and nothing else may come. Returns how long each of those took that say when they were said,
    /// and the connection, which is still up.
    fn are_heard_by<R: Read>(
        &self,
        listener: R,
        own: Option<usize>,
        begun: Instant,
        done: Finished<'_>,
    ) -> (Vec<Duration>, BufReader<R>) {
        let mut listener = BufReader::with_capacity(16 * 1024, listener);
        let (mut next, mut delays) = (HashMap::<String, usize>::new(), Vec::new());
        let mut left = (self.people - usize::from(own.is_some())) * self.lines;
        let mut done = Some(done);
        loop {
            let line = next_line(&mut listener);
            let (author, text) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} with {left} lines to come"));
            if author == "Ann" && text == LAST {
                assert_eq!(left, 0, "lines are missing");
                return (delays, listener);
            }
            let (number, rest) = text.split_once(' ').expect("a number, and more");
            let expected = next.entry(author.to_owned()).or_default();
            assert_eq!(number.parse(), Ok(*expected), "{author}'s next line");
            *expected += 1;
            if author == "Ann" {
                let said = Duration::from_micros(rest.parse().expect("the time when it was said"));
                delays.push(begun.elapsed().saturating_sub(said));
            } else {
                left -= 1;
                if left == 0 {
                    drop(done.take());
                }
            }
        }
    }

    /// Everybody pastes at once, while Ann types a line now and then; everybody hears everything, and so does a slow
    /// one who connects and hears by these means. Returns how long what Ann typed took to Bob.
    fn are_heard_by_everybody<R: Read + Send>(
        &self,
        dial: impl FnOnce(&Server) -> Client,
        ears: impl FnOnce(TcpStream) -> R,
    ) -> Vec<Duration> {
        let server = Server::start(self.options);
        let people: Vec<String> = (0..self.people).map(|number| format!("p{number}")).collect();
        let mut slow = dial(&server);
        slow.hears(PROMPT);
        slow.joins("Slow");
        let mut here = vec![slow];
        for name in ["Ann", "Bob"].into_iter().chain(people.iter().map(String::as_str)) {
            let newcomer = server.join(name);
            here.iter_mut().for_each(|member| member.hears(&format!("{name} has joined the chat.")));
            here.push(newcomer);
        }
        let mut here = here.into_iter().map(Client::into_stream);
        let mut next = || here.next().expect("they are all here");
        let (slow, mut ann, bob) = (ears(next()), next(), next());
        let text = self.text();
        let begun = Instant::now();
        let listening = AtomicUsize::new(0);
        thread::scope(|scope| {
            let slow = Finished::new(&listening, slow);
            let slow = scope.spawn(move || self.are_heard_by(slow.0, None, begun, slow.1));
            let bob = Finished::new(&listening, as_it_comes(bob));
            let bob = scope.spawn(move || self.are_heard_by(bob.0, None, begun, bob.1));
            let mut ears = as_it_comes(ann.try_clone().expect("a socket can be shared"));
            // What she hears is what Bob hears. She hears it out, so that nothing she said is lost with a reset.
            scope.spawn(move || io::copy(&mut ears, &mut io::sink()));
            let pasting: Vec<_> = (0..self.people)
                .map(|number| {
                    let stream = as_it_comes(next());
                    stream.set_write_timeout(Some(LONG_PATIENCE)).expect("a timeout is to be had");
                    let mut mouth = stream.try_clone().expect("a socket can be shared");
                    let text = text.as_bytes();
                    let paste = scope.spawn(move || mouth.write_all(text));
                    let (stream, done) = Finished::new(&listening, stream);
                    let listen = scope.spawn(move || self.are_heard_by(stream, Some(number), begun, done));
                    (paste, listen)
                })
                .collect();
            let mut typed = 0;
            while listening.load(Ordering::SeqCst) > 0 && begun.elapsed() < LONG_PATIENCE {
                let line = format!("{typed} {}\n", begun.elapsed().as_micros());
                ann.write_all(line.as_bytes()).expect("who types is read");
                typed += 1;
                // As one types; nothing is waited for.
                thread::sleep(Duration::from_millis(100));
            }
            ann.write_all(format!("{LAST}\n").as_bytes()).expect("who types is read");
            for (paste, listen) in pasting {
                paste.join().expect("it ends").expect("who pastes is slowed, not dropped");
                listen.join().expect("who pastes hears the others");
            }
            let (_, slow) = slow.join().expect("the slow one hears every line");
            let (delays, bob) = bob.join().expect("Bob hears every line");
            assert_eq!(delays.len(), typed, "what Ann typed");
            drop((slow, bob));
            ann.shutdown(Shutdown::Write).expect("Ann is still here");
            delays
        })
    }
}

/// Held by who has not heard everything yet.
struct Finished<'a>(&'a AtomicUsize);

impl<'a> Finished<'a> {
    fn new<T>(count: &'a AtomicUsize, with: T) -> (T, Finished<'a>) {
        count.fetch_add(1, Ordering::SeqCst);
        (with, Finished(count))
    }
}

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_slow_reader_hears_all_that_ten_people_paste_and_who_types_meanwhile_does_not_wait() {
    // 60 KB each, which is within everybody's burst.
    let pastes = Pastes { people: 10, lines: 190, line: 316, options: &[] };
    let mut delays = pastes.are_heard_by_everybody(Server::dial_with_small_window, |slow| Paced::new(slow, 64 * 1024));
    delays.sort_unstable();
    let median = delays[delays.len() / 2];
    assert!(median < Duration::from_millis(50), "who types waits {median:?}");
}

#[test]
fn without_a_rate_a_reader_of_a_megabyte_a_second_hears_every_line_of_five_pastes() {
    let pastes = Pastes { people: 5, lines: 2000, line: 300, options: &["--rate", "0"] };
    pastes.are_heard_by_everybody(Server::dial_with_small_window, |slow| Paced::new(slow, 1024 * 1024));
}

/// Its system takes 128 KiB at once, and opens its window again only when the program has read 64 KiB or more.
#[test]
fn a_slow_reader_with_an_ordinary_window_hears_all_that_ten_people_paste() {
    let pastes = Pastes { people: 10, lines: 95, line: 316, options: &[] };
    pastes.are_heard_by_everybody(Server::dial, |slow| Paced::new(slow, 64 * 1024));
}

#[test]
#[cfg(target_os = "linux")]
fn a_reader_behind_a_slow_wire_hears_all_that_ten_people_paste() {
    let Some(wire) = Wire::new() else { return };
    // The slower the wire, the longer what the server's system holds takes to arrive.
    wire.carries("256kbit");
    let dial = |server: &Server| {
        let address = server.addresses()[0];
        Client::new(wire.far(|| TcpStream::connect(address)).expect("the wire carries"), server.story())
    };
    let pastes = Pastes { people: 10, lines: 95, line: 316, options: &["--listen", "10.77.0.1:0"] };
    wire.near(|| pastes.are_heard_by_everybody(dial, as_it_comes));
}

/// To a browser a line goes as an event, which is more than twice as long. So it takes fewer lines than `nc` in as many
/// bytes, and is waited for all the same. Enough is heard when it would have been dropped long before.
#[test]
#[cfg(feature = "web")]
fn a_browser_on_bad_wi_fi_is_waited_for_while_four_people_paste() {
    const ENOUGH: usize = 240;
    let (server, browser) = Server::with_page(&[]);
    let token = browser.asks("POST /sessions", "Slow").body;
    let mut slow = connect_with_small_window(browser.address);
    write!(slow, "GET /sessions/{token}/events HTTP/1.1\r\nHost: pi\r\n\r\n").expect("it is read");
    let mut slow = BufReader::with_capacity(1024, Paced::new(slow, 20 * 1024));
    let people = [0, 1, 2, 3].map(|number| server.join(&format!("p{number}")).into_stream());
    // 60 KB each, which is within everybody's burst.
    let text: String = (0..190).map(|number| format!("{number} {:x<312}\n", "")).collect();
    thread::scope(|scope| {
        for stream in &people {
            let mut ears = stream.try_clone().expect("a socket can be shared");
            scope.spawn(move || io::copy(&mut ears, &mut io::sink()));
            let (mut mouth, text) = (stream, text.as_bytes());
            scope.spawn(move || mouth.write_all(text));
        }
        let (mut next, mut heard) = ([0; 4], 0);
        while heard < ENOUGH {
            let line = next_line(&mut slow);
            let said = line.strip_prefix("data: {\"text\":\"p").and_then(|line| line.split_once(": "));
            let Some((author, text)) = said else { continue };
            let author: usize = author.parse().expect("a number");
            assert_eq!(text.split(' ').next().and_then(|number| number.parse().ok()), Some(next[author]), "{line}");
            (next[author], heard) = (next[author] + 1, heard + 1);
        }
        people.iter().for_each(|stream| stream.shutdown(Shutdown::Both).unwrap_or_default());
    });
}

// ---------------------------------------------------------------------------------------------------------------
// Readers that are not worth waiting for

/// How long it takes at most to say everything when nobody is waited for twice: some twenty times as long as it should.
const SOON: Duration = Duration::from_secs(20);

/// A room of a talker, a listener, and one whose kernel takes only a little.
fn room_with_a_small_window(server: &Server) -> (TcpStream, Client, Client) {
    let mut ann = server.join("Ann");
    let mut bob = server.join("Bob");
    ann.hears("Bob has joined the chat.");
    let mut slow = server.dial_with_small_window();
    slow.hears(PROMPT);
    slow.joins("Slow");
    for other in [&mut ann, &mut bob] {
        other.hears("Slow has joined the chat.");
    }
    (ann.into_stream(), bob, slow)
}

/// Ann says more in one go than any reader may be behind, while the slow one's connection is in these hands until all
/// is over; Bob hears every line of it, and that the slow one was dropped.
fn is_dropped_from_a_bulk(in_these_hands: impl FnOnce(TcpStream, &AtomicBool) + Send) {
    const LINES: usize = 10_000;
    let server = Server::start(&["--rate", "0"]);
    let (ann, mut bob, slow) = room_with_a_small_window(&server);
    let filler = "x".repeat(200);
    let text: String = (0..LINES).map(|number| format!("{number} {filler}\n")).collect();
    let (begun, over) = (Instant::now(), AtomicBool::new(false));
    thread::scope(|scope| {
        let (slow, over) = (slow.into_stream(), &over);
        let theirs = slow.try_clone().expect("a socket can be shared");
        scope.spawn(move || in_these_hands(theirs, over));
        ann.set_write_timeout(Some(LONG_PATIENCE)).expect("a timeout is to be had");
        scope.spawn(|| (&ann).write_all(text.as_bytes()).expect("who sends in bulk is slowed, not dropped"));
        let (mut number, mut told) = (0, 0);
        while number < LINES || told == 0 {
            let heard = bob.next_line().expect("Bob reads and stays");
            if heard == "Slow has left the chat (too slow)." {
                told += 1;
            } else {
                assert_eq!(heard, format!("Ann: {number} {filler}"));
                number += 1;
            }
        }
        assert_eq!(told, 1, "it is told once");
        over.store(true, Ordering::SeqCst);
        slow.shutdown(Shutdown::Both).unwrap_or_default();
    });
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
}

#[test]
fn a_reader_that_trickles_holds_no_bulk_up_for_long_and_is_dropped() {
    is_dropped_from_a_bulk(|slow, over| {
        let mut slow = Paced::new(slow, 1024);
        // What it hears is of no interest.
        while !over.load(Ordering::SeqCst) && slow.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
    });
}

#[test]
fn a_reader_that_has_stopped_holds_no_bulk_up_for_long_and_is_dropped() {
    is_dropped_from_a_bulk(|_, _| {});
}

#[test]
fn who_was_waited_for_in_vain_is_not_waited_for_again() {
    const ROUNDS: usize = 30;
    let server = Server::start(&["--rate", "0"]);
    let (ann, mut bob, mut slow) = room_with_a_small_window(&server);
    let mut ann = Client::new(ann, server.story());
    // Less than a reader may be behind, and more than half of it.
    let filler = "x".repeat(300);
    let lines: Vec<String> = (0..370).map(|number| format!("{number} {filler}")).collect();
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        ann.sends(lines.join("\n") + "\n");
        bob.hears_each(lines.iter().map(|line| format!("Ann: {line}")));
        // Only now does it read what was said.
        slow.hears_each(lines.iter().map(|line| format!("Ann: {line}")));
    }
    let took = begun.elapsed();
    assert!(took < SOON, "{ROUNDS} times took {took:?}");
}

// ---------------------------------------------------------------------------------------------------------------
// Readers that have stopped while people type

/// So many members type at the same time. If each waited for the one before, a slow machine would take longer for all
/// the lines than the 30 s after which a connection is lost whose peer has stopped.
const TOGETHER: usize = 10;

/// Members type lines of this length, some together in their turn and none so much that it is bulk, until Bob hears
/// that the one who has stopped was dropped. Returns after how many lines that was, and the end of what was said is
/// heard by all.
fn is_told_of_after(people: usize, turns: usize, length: usize) -> usize {
    let server = Server::start(&[]);
    let mut crowd = Crowd::join(&server, people);
    let mut bob = server.join("Bob");
    let mut stuck = server.dial_with_small_window();
    stuck.says("Stuck");
    bob.hears("Stuck has joined the chat.");
    let text = format!("{:x<1$}", "", length - "m000: ".len());
    let told = "Stuck has left the chat (too slow).";
    let mut said = 0;
    while said < people * turns {
        let first = said % people;
        crowd.will_send(first..first + TOGETHER, |_| format!("{text}\n").into_bytes());
        crowd.sends();
        for _ in 0..TOGETHER {
            let heard = bob.hears_one("a line, or that Stuck is gone", |line| line == told || line.ends_with(&text));
            if heard == told {
                // Its name is free at that moment.
                let mut again = server.join("Stuck");
                bob.hears_until("Stuck has joined the chat.");
                bob.says("that was quick");
                again.hears_until("Bob: that was quick");
                stuck.is_let_go();
                return said;
            }
            said += 1;
        }
        crowd.reads();
    }
    panic!("nobody was told after {} lines of {length} bytes", people * turns);
}

#[test]
fn who_is_128_kib_behind_is_dropped_and_its_name_free_though_nobody_sends_in_bulk() {
    // Of such lines nobody can say two in a second without its being bulk.
    const LINE: usize = 3900;
    let said = is_told_of_after(80, 1, LINE);
    assert!(said * LINE > MAX_BYTES, "{said} lines of {LINE} bytes are few");
    assert!((said - 1) * LINE <= MAX_BYTES + UNDER_WAY, "{said} lines of {LINE} bytes are many");
}

#[test]
fn who_is_1024_lines_behind_is_dropped_and_its_name_free_though_nobody_sends_in_bulk() {
    const LINE: usize = 100;
    let said = is_told_of_after(150, 19, LINE);
    assert!(said > MAX_LINES, "{said} lines of {LINE} bytes are few");
    assert!(said - 1 <= MAX_LINES + UNDER_WAY / LINE, "{said} lines of {LINE} bytes are many");
}

// ---------------------------------------------------------------------------------------------------------------
// Readers that stop all at once

#[test]
fn a_crowd_that_stops_reading_all_at_once_is_dropped_and_costs_two_healthy_ones_not_a_line() {
    /// The debug build is some ten times slower than what is shipped; it is given less to do.
    const CROWD: usize = if cfg!(debug_assertions) { 300 } else { 900 };
    let server = Server::start(&["--rate", "0"]);
    let mut crowd = Crowd::join_with_small_windows(&server, CROWD);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    crowd.reads();
    let filler = "x".repeat(1000);
    let (mut gone, mut said) = (vec![false; CROWD], 0);
    let begun = Instant::now();
    while gone.contains(&false) {
        assert!(begun.elapsed() < LONG_PATIENCE, "{said} KB were said to who reads nothing");
        let lines: Vec<String> = (said..said + 20).map(|number| format!("{number} {filler}")).collect();
        said += lines.len();
        ann.sends(lines.join("\n") + "\n");
        for line in lines {
            for heard in bob.hears_until(&format!("Ann: {line}")) {
                let number =
                    heard.strip_prefix('m').and_then(|rest| rest.strip_suffix(" has left the chat (too slow)."));
                let number: usize =
                    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{heard:?}"));
                assert!(!std::mem::replace(&mut gone[number], true), "m{number} left twice");
            }
        }
    }
    bob.says("we are two");
    assert_eq!(ann.hears_until("Bob: we are two").len(), CROWD, "Ann heard of each of them");
    crowd.is_let_go();
}
