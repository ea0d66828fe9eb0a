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
    ann.hears(GOODBYE);
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
    ann.hears(GOODBYE);
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
    server.exits_within(STOPS_WITHIN);
    drop(stuck);
}

/// Members that have never read a line and for whom lines wait in the server, which no longer fit any kernel's buffers.
///
/// They come one after the other while Ann talks. When the first of them is dropped as too slow, its queue was full (128
/// KiB); the later ones have heard so much less that theirs are not, but hold lines all the same.
fn stuck_clients(server: &Server, ann: &mut Client) -> Vec<Client> {
    let mut stuck = Vec::new();
    let line = "x".repeat(4000);
    for number in 0.. {
        assert!(number < 20_000, "80 MB have gone to a client that reads nothing");
        if number % 8 == 0 && stuck.len() < 4 {
            let mut client = server.dial_with_small_window();
            client.sends(format!("stuck{}\n", stuck.len()));
            ann.hears(&format!("stuck{} has joined the chat.", stuck.len()));
            stuck.push(client);
        }
        ann.says(&line);
        // Answered to Ann alone: everything before it has been said to the room.
        ann.says("/frobnicate");
        let heard = ann.hears_one("an answer or a leave", |line| line.starts_with("-- ") || line.starts_with("stuck"));
        if heard.starts_with("stuck") {
            assert_eq!(heard, "stuck0 has left the chat (too slow).");
            ann.hears_one("an answer", |line| line.starts_with("-- "));
            return stuck;
        }
    }
    unreachable!("the loop ends by its own limit");
}
