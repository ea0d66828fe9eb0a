//! Stopping: the goodbye to every connection, the reset behind it, the exit status, and the time that it takes.

use crate::crowd::Crowd;
use crate::harness::{Client, GOODBYE, PROMPT, STOPS_WITHIN, Scratch, Server};
use rustix::process::Signal;
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

/// A full stop: named and un-named hear the goodbye and are let go, and the process ends in time with status 0.
#[track_caller]
fn stops_on(signal: Signal) {
    let mut server = Server::start(&[]);
    let mut guest = server.guest();
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.says("is it late?");
    bob.hears("Ann: is it late?");
    server.signal(signal);
    let status = server.exits_within(STOPS_WITHIN);
    for client in [&mut ann, &mut bob, &mut guest] {
        client.hears(GOODBYE);
        client.hears_the_end();
    }
    assert_eq!(status.code(), Some(0));
    server.prints("Shutting down server...");
}

#[test]
fn sigint_stops_the_server() {
    stops_on(Signal::INT);
}

#[test]
fn sigterm_stops_the_server() {
    stops_on(Signal::TERM);
}

#[test]
fn sighup_stops_the_server() {
    stops_on(Signal::HUP);
}

#[test]
fn an_empty_server_stops_as_well() {
    let mut server = Server::start(&[]);
    server.signal(Signal::INT);
    assert_eq!(server.exits_within(STOPS_WITHIN).code(), Some(0));
}

#[test]
fn after_the_goodbye_every_connection_is_reset() {
    let mut server = Server::start(&[]);
    let mut guest = server.guest();
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut cid = server.dial();
    cid.sends("[SERVER]\nCi");
    server.signal(Signal::INT);
    assert!(cid.hears_until(GOODBYE).len() <= 2, "the prompt and one refusal at most");
    for client in [&mut ann, &mut bob, &mut guest] {
        client.hears(GOODBYE);
    }
    for client in [&mut ann, &mut bob, &mut guest, &mut cid] {
        client.is_reset();
    }
    assert_eq!(server.exits_within(STOPS_WITHIN).code(), Some(0));
}

#[test]
fn what_was_said_before_the_goodbye_is_heard_before_it() {
    let mut server = Server::start(&["--rate", "0"]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    let lines: Vec<String> = (0..500).map(|number| format!("line {number}")).collect();
    ann.sends(lines.join("\n") + "\n");
    bob.hears_each(lines.iter().map(|line| format!("Ann: {line}")));
    server.signal(Signal::TERM);
    cid.hears_each(lines.iter().map(|line| format!("Ann: {line}")));
    cid.hears(GOODBYE);
    assert_eq!(server.exits_within(STOPS_WITHIN).code(), Some(0));
}

#[test]
fn what_is_said_after_the_goodbye_is_said_to_nobody_and_written_nowhere() {
    let scratch = Scratch::new("goodbye");
    let path = scratch.path("room.log");
    let mut server = Server::start(&["--rate", "0", "--transcript", &path]);
    let mut ann = server.join("Ann");
    // For their sake it does not stop at once.
    let stuck = stuck_clients(&server, &mut ann);
    let mut bob = server.join("Bob");
    ann.hears("Bob has joined the chat.");
    ann.says("in time");
    bob.hears("Ann: in time");
    server.signal(Signal::INT);
    ann.hears(GOODBYE);
    ann.tries_to_send("too late\n/me is too late\n");
    server.may_be_typed("too late");
    bob.hears(GOODBYE);
    bob.hears_the_end();
    assert_eq!(server.exits_within(STOPS_WITHIN).code(), Some(0));
    drop(stuck);
    let written = scratch.lines("room.log");
    assert!(!written.iter().any(|line| line.contains("too late")), "{:?}", written.last());
    let server = Server::start(&["--transcript", &path]);
    let mut zoe = server.join("Zoe");
    zoe.says("/history 1");
    zoe.hears_one("the last line in time", |line| line.ends_with(" ago] Ann: in time"));
}

#[test]
fn the_transcript_ends_with_the_last_line_that_was_heard_before_the_goodbye() {
    let scratch = Scratch::new("last-line");
    for round in 0..5 {
        let file = format!("{round}.log");
        let mut server = Server::start(&["--rate", "0", "--transcript", &scratch.path(&file)]);
        let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
        let heard = thread::scope(|scope| {
            let talk = scope.spawn(move || {
                for number in 0..100_000 {
                    ann.tries_to_send(format!("{number}\n"));
                }
                ann
            });
            bob.hears_each((0..100).map(|number| format!("Ann: {number}")));
            server.signal(Signal::TERM);
            let heard = bob.hears_until(GOODBYE);
            bob.hears_the_end();
            assert_eq!(server.exits_within(STOPS_WITHIN).code(), Some(0));
            drop(talk.join());
            heard
        });
        let written = scratch.lines(&file);
        let written: Vec<&str> = written.iter().filter_map(|line| Some(line.split_once(" Ann: ")?.1)).collect();
        let said = (0..100 + heard.len()).map(|number| number.to_string());
        assert!(
            said.eq(written.iter().copied()),
            "Bob heard {} lines, {} are written",
            heard.len() + 100,
            written.len()
        );
    }
}

#[test]
fn nobody_is_let_in_any_more() {
    let server = Server::start(&["--rate", "0"]);
    let mut ann = server.join("Ann");
    let _stuck = stuck_clients(&server, &mut ann);
    server.signal(Signal::INT);
    ann.hears_until(GOODBYE);
    // Refused, or taken by the kernel and then dropped; in no case asked for a name.
    if let Ok(stream) = TcpStream::connect(server.addresses()[0]) {
        assert!(!Client::new(stream, server.story()).hears_out().iter().any(|line| line == PROMPT));
    }
}

#[test]
fn a_client_that_never_reads_does_not_keep_the_server_from_stopping() {
    let mut server = Server::start(&["--rate", "0"]);
    let mut ann = server.join("Ann");
    let stuck = stuck_clients(&server, &mut ann);
    let signalled = Instant::now();
    server.signal(Signal::INT);
    ann.hears_until(GOODBYE);
    let status = server.exits_within(STOPS_WITHIN.saturating_sub(signalled.elapsed()));
    assert_eq!(status.code(), Some(0));
    drop(stuck);
}

#[test]
fn a_second_signal_stops_the_server_at_once() {
    let mut server = Server::start(&["--rate", "0"]);
    let mut ann = server.join("Ann");
    let stuck = stuck_clients(&server, &mut ann);
    server.signal(Signal::INT);
    server.prints("Shutting down server...");
    server.signal(Signal::INT);
    // Nobody has been flushed: that is no success, and tells it from the end that the first signal would have brought.
    assert_ne!(server.exits_within(STOPS_WITHIN).code(), Some(0));
    drop(stuck);
}

/// Members that have never read a line, and for most of whom lines wait in the server that no longer fit any kernel's
/// buffers; and the people who said them.
struct Stuck {
    _clients: Vec<Client>,
    _talkers: Crowd,
}

/// People talk until some of those who never read have been dropped as too slow. The others came later, each when some
/// more had been said, so that for most of them something waits, but less. Nobody is slowed, because nobody says much.
fn stuck_clients(server: &Server, ann: &mut Client) -> Stuck {
    const TALKERS: usize = 50;
    let mut talkers = Crowd::join(server, TALKERS);
    for _ in 0..TALKERS {
        ann.hears_one("that somebody came", |line| line.ends_with(" has joined the chat."));
    }
    let line = "x".repeat(4000);
    let (mut clients, mut dropped) = (Vec::new(), 0);
    for said in 0..20_000 {
        let talker = said % TALKERS;
        if said % 4 == 0 && said < 8 * 4 {
            let number = said / 4;
            let mut client = server.dial_with_small_window();
            client.says(&format!("stuck{number}"));
            ann.hears(&format!("stuck{number} has joined the chat."));
            clients.push(client);
        }
        talkers.will_send(talker..talker + 1, |_| format!("{line}\n").into_bytes());
        talkers.sends();
        dropped += ann.hears_until(&format!("m{talker}: {line}")).len();
        talkers.reads();
        if dropped >= 2 {
            return Stuck { _clients: clients, _talkers: talkers };
        }
    }
    panic!("80 MB have gone to clients that read nothing");
}
