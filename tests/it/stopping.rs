//! Stopping: the goodbye to every connection, the reset behind it, the exit status, and the time that it takes.

use crate::harness::{Client, GOODBYE, PROMPT, STOPS_WITHIN, Server};
use rustix::process::Signal;
use std::net::TcpStream;
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

/// Members that have never read a line, and for some of whom lines wait in the server that no longer fit any kernel's
/// buffers.
///
/// Ann talks until some of them have been dropped as too slow. Those had 128 KiB waiting; what the kernel takes for each
/// differs by about as much, so that others have less waiting, but have some.
fn stuck_clients(server: &Server, ann: &mut Client) -> Vec<Client> {
    let (mut stuck, mut dropped) = (Vec::new(), 0);
    for number in 0..8 {
        let mut client = server.dial_with_small_window();
        client.says(&format!("stuck{number}"));
        ann.hears(&format!("stuck{number} has joined the chat."));
        stuck.push(client);
    }
    let line = "x".repeat(4000);
    for _ in 0..20_000 {
        ann.says(&line);
        // Answered to Ann alone, when everything before it has been said to the room.
        ann.says("/frobnicate");
        while ann.next_line().is_some_and(|heard| !heard.starts_with("-- ")) {
            dropped += 1;
        }
        if dropped >= 2 {
            return stuck;
        }
    }
    panic!("80 MB have gone to clients that read nothing");
}
