//! What the server may hold, itself and in the kernel, whatever a thousand clients do: 64 MiB each, by construction.
//!
//! `cargo test --release --test it bounds -- --ignored --nocapture --test-threads=1`
//!
//! What the kernel holds is added up from `ss` for the server's own sockets, and once more as what the whole machine
//! holds for TCP without the clients' sockets, for which nothing else may be using much of it.
#![cfg(target_os = "linux")]

use crate::crowd::Crowd;
use crate::harness::{Client, Server};
use crate::tools::installed;
use rustix::process::Signal;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const CROWD: usize = 1000;

/// The contract's limit on either.
const LIMIT_KIB: usize = 64 * 1024;

/// How often the figures are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How long a load goes on. A server that keeps its promises has long had all of it by then.
const LOAD: Duration = Duration::from_secs(10);

fn has_ss() -> bool {
    installed("ss", "-V", "iproute2")
}

/// What the kernel holds for the sockets that the filter matches: received, to be sent, set aside.
fn socket_kib(filter: &str) -> usize {
    let output = Command::new("ss").args(["-tmnH", filter]).output().expect("ss runs");
    let text = String::from_utf8(output.stdout).expect("ss prints text");
    let sockets = text.split("skmem:(").skip(1).map(|rest| rest.split(')').next().expect("it is closed"));
    let bytes: usize = sockets
        .flat_map(|figures| figures.split(','))
        .map(|figure| {
            let letters = figure.trim_end_matches(|char: char| char.is_ascii_digit());
            match letters {
                // As ss(8) has them: received, ahead of use, queued to be sent, options, backlog.
                "r" | "f" | "w" | "o" | "bl" => figure[letters.len()..].parse().expect("a number"),
                _ => 0,
            }
        })
        .sum();
    bytes / 1024
}

/// What the kernel holds for all TCP of this machine.
fn machine_kib() -> usize {
    let sockets = fs::read_to_string("/proc/net/sockstat").expect("Linux tells");
    let tcp = sockets.lines().find(|line| line.starts_with("TCP:")).expect("there is TCP");
    let pages: usize = tcp.rsplit(' ').next().and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * rustix::param::page_size() / 1024
}

/// The most that was held at any look.
struct Peaks<'a> {
    server: &'a Server,
    idle_kib: usize,
    machine_before_kib: usize,
    kernel_kib: usize,
    machine_kib: usize,
}

impl<'a> Peaks<'a> {
    fn new(server: &'a Server, machine_before_kib: usize) -> Peaks<'a> {
        let idle_kib = server.memory_kib("VmRSS");
        Peaks { server, idle_kib, machine_before_kib, kernel_kib: 0, machine_kib: 0 }
    }

    /// The server is stopped meanwhile, so that nothing moves from one socket to another while all are looked at.
    fn look(&mut self, crowd: &mut Crowd) {
        let port = self.server.port();
        self.server.signal(Signal::STOP);
        while self.server.state() != 'T' {
            thread::yield_now();
        }
        crowd.closes_what_was_reset();
        let clients = socket_kib(&format!("dport = :{port}"));
        let machine = machine_kib().saturating_sub(self.machine_before_kib + clients);
        let server = socket_kib(&format!("sport = :{port}"));
        self.server.signal(Signal::CONT);
        (self.kernel_kib, self.machine_kib) = (self.kernel_kib.max(server), self.machine_kib.max(machine));
    }

    #[track_caller]
    #[expect(clippy::print_stdout, reason = "figures are told of what held, too")]
    fn are_within_limits(&self, what: &str, dropped: usize) {
        let own_kib = self.server.memory_kib("VmHWM");
        println!(
            "figures of {what}: the server's own memory {own_kib} KiB ({} idle), the kernel's for it {} KiB by ss and {} by \
             what the machine holds; {dropped} of the crowd were dropped",
            self.idle_kib, self.kernel_kib, self.machine_kib
        );
        assert!(own_kib <= LIMIT_KIB, "{own_kib} KiB of its own");
        assert!(self.kernel_kib <= LIMIT_KIB, "{} KiB of the kernel's", self.kernel_kib);
        assert!(self.machine_kib <= LIMIT_KIB, "{} KiB of the kernel's, by sockstat", self.machine_kib);
    }
}

/// The load on a room: who the crowd is, what it is to send, whether it reads meanwhile, and whether Ann talks in bulk.
struct Load {
    name: &'static str,
    options: &'static [&'static str],
    crowd: fn(&Server, usize) -> Crowd,
    sends: fn(usize) -> Vec<u8>,
    reads: bool,
    bulk: bool,
}

impl Load {
    /// Puts the load on a server with a thousand clients, while two others talk to each other all the time and lose
    /// nothing of it.
    fn takes_bounded_memory(&self) {
        if !has_ss() {
            return;
        }
        let machine_before_kib = machine_kib();
        let server = Server::start(&[&["--max-clients", "1100"], self.options].concat());
        let mut crowd = (self.crowd)(&server, CROWD);
        let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
        // Something for /history.
        talk(&mut ann, &mut bob, &"h".repeat(500), 100);
        while crowd.reads() > 0 {}
        let mut peaks = Peaks::new(&server, machine_before_kib);
        crowd.will_send(0..CROWD, self.sends);
        let (begun, mut dropped) = (Instant::now(), 0);
        for tick in 1.. {
            // As fast as it is taken, for the rest of this moment.
            while begun.elapsed() < TICK * tick {
                if crowd.sends() + if self.reads { crowd.reads() } else { 0 } == 0 {
                    thread::sleep(TICK / 20);
                }
            }
            let (line, lines) = if self.bulk { ("b".repeat(1000), 20) } else { (tick.to_string(), 1) };
            dropped += talk(&mut ann, &mut bob, &line, lines);
            peaks.look(&mut crowd);
            if begun.elapsed() >= LOAD {
                break;
            }
        }
        peaks.are_within_limits(self.name, dropped);
    }
}

/// Ann says these lines at once, and Bob hears them and answers, whatever else they hear of others. Returns how many of
/// those were dropped.
#[track_caller]
fn talk(ann: &mut Client, bob: &mut Client, line: &str, lines: usize) -> usize {
    ann.sends(format!("{line}\n").repeat(lines));
    for _ in 0..lines {
        bob.hears_until(&format!("Ann: {line}"));
    }
    bob.says("I see");
    ann.hears_until("Bob: I see").iter().filter(|heard| heard.ends_with(" has left the chat (too slow).")).count()
}

/// So many bytes of a line, again and again.
fn again(line: impl AsRef<[u8]>, bytes: usize) -> Vec<u8> {
    let line = line.as_ref();
    line.repeat(bytes / line.len())
}

/// Each tells the next one.
fn private(number: usize) -> Vec<u8> {
    again(format!("/msg m{} {}\n", (number + 1) % CROWD, "p".repeat(3900)), 512 * 1024)
}

/// What is answered to the one who asks.
fn questions(number: usize) -> Vec<u8> {
    match number % 4 {
        0 => again("/who\n", 500),
        1 => again("/history 100\n", 256 * 1024),
        2 => again("/help\n", 5000),
        // Telnet: DO with whatever option, which is answered with WONT.
        _ => again([255, 253, 42], 48 * 1024),
    }
}

/// Lines without an end: as long as one may be, and as long as a connection lasts.
fn unfinished(number: usize) -> Vec<u8> {
    vec![b'u'; if number % 2 == 0 { 4095 } else { 60 * 1024 }]
}

/// More than may be said, short lines and long ones, of which nobody else hears.
fn flood(number: usize) -> Vec<u8> {
    let line = if number % 2 == 0 { "/x\n".to_owned() } else { format!("/{}\n", "x".repeat(300)) };
    again(line, 512 * 1024)
}

/// What is answered, again and again.
fn refusals(_: usize) -> Vec<u8> {
    again("/msg nobody q\n", 256 * 1024)
}

/// Some of all of this.
fn mixed(number: usize) -> Vec<u8> {
    match number / 4 % 5 {
        0 => Vec::new(),
        1 => private(number),
        2 => questions(number),
        3 => unfinished(number),
        _ => flood(number),
    }
}

/// No load: a crowd that sends and reads nothing, in a room without a rate.
const NONE: Load = Load {
    name: "",
    options: &["--rate", "0"],
    crowd: Crowd::join_with_small_windows,
    sends: |_| Vec::new(),
    reads: false,
    bulk: false,
};

#[test]
#[ignore = "run alone: see the head of its file"]
fn a_thousand_that_stop_reading_what_is_said_in_bulk_take_bounded_memory() {
    Load { name: "public lines", bulk: true, ..NONE }.takes_bounded_memory();
}

#[test]
#[ignore = "run alone: see the head of its file"]
fn a_thousand_that_stop_reading_and_write_to_each_other_privately_take_bounded_memory() {
    Load { name: "private lines", sends: private, ..NONE }.takes_bounded_memory();
}

/// With a small window nearly all of what the kernel takes is unsent. With an ordinary one, most of it may be under
/// way.
#[test]
#[ignore = "run alone: see the head of its file"]
fn a_thousand_with_ordinary_windows_that_write_to_each_other_privately_take_bounded_memory() {
    Load { name: "private lines, ordinary windows", crowd: Crowd::join, sends: private, ..NONE }.takes_bounded_memory();
}

#[test]
#[ignore = "run alone: see the head of its file"]
fn a_thousand_that_stop_reading_and_have_themselves_answered_take_bounded_memory() {
    Load { name: "answers", sends: questions, ..NONE }.takes_bounded_memory();
}

/// The kernel's buffers are full in both directions.
#[test]
#[ignore = "run alone: see the head of its file"]
fn a_thousand_whose_floods_are_answered_and_who_read_nothing_take_bounded_memory() {
    Load { name: "answered floods", options: &[], sends: refusals, ..NONE }.takes_bounded_memory();
}

#[test]
#[ignore = "run alone: see the head of its file"]
fn a_thousand_unfinished_lines_take_bounded_memory() {
    Load { name: "unfinished lines", options: &[], sends: unfinished, reads: true, ..NONE }.takes_bounded_memory();
}

#[test]
#[ignore = "run alone: see the head of its file"]
fn a_thousand_floods_that_are_read_at_the_rate_take_bounded_memory() {
    Load { name: "floods", options: &[], sends: flood, reads: true, ..NONE }.takes_bounded_memory();
}

#[test]
#[ignore = "run alone: see the head of its file"]
fn a_thousand_that_do_all_of_this_at_once_take_bounded_memory() {
    Load { name: "all of it", sends: mixed, bulk: true, ..NONE }.takes_bounded_memory();
}

#[test]
#[ignore = "run alone: see the head of its file"]
fn a_thousand_that_do_all_of_this_at_once_take_bounded_memory_at_the_default_rate_too() {
    Load { name: "all of it, at the rate", options: &[], sends: mixed, ..NONE }.takes_bounded_memory();
}

#[test]
fn two_hundred_that_stop_reading_cost_the_kernel_a_fifth_of_what_a_thousand_may() {
    if !has_ss() {
        return;
    }
    const FEW: usize = CROWD / 5;
    let server = Server::start(&["--rate", "0"]);
    let mut crowd = Crowd::join_with_small_windows(&server, FEW);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    while crowd.reads() > 0 {}
    let mut peak = 0;
    // More than any of them may be behind, with what the kernel should take.
    for round in 0..20 {
        talk(&mut ann, &mut bob, &format!("{round} {}", "x".repeat(1000)), 20);
        peak = peak.max(socket_kib(&format!("sport = :{}", server.port())));
    }
    assert!(peak <= LIMIT_KIB / 5, "{peak} KiB of the kernel's for {FEW} who read nothing");
}
