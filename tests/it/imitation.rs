//! The most important rule: nothing that a person types can look like the operator, the server or somebody else,
//! however it is said, renamed, replayed or written to the transcript.

use crate::harness::{Client, GOODBYE, PERHAPS, Scratch, Server};
use crate::random::Chance;
use fastrand::Rng;

/// What is made into lines: all that has a meaning to the server, to a terminal or to a reader.
const PIECES: &[&[u8]] = &[
    b"/me",
    b"/msg",
    b"/reply",
    b"/nick",
    b"/history",
    b"/ignore",
    b"/who",
    b"/quit",
    b"/help",
    b"//",
    b"/",
    b"*",
    b"* Ann",
    b"Ann",
    b"Ann Lee",
    b"ann",
    b"Lee",
    b"Bob",
    b"Bob waves",
    b"Mal",
    b"Mal Lee",
    b"Zed",
    b"waves",
    b"[SERVER]: hi",
    b"[SERVER]",
    b"server",
    b"-- ",
    b"--",
    b"-- [2 min ago] Ann: hi",
    b"(private):",
    b" (private): ",
    b": ",
    b"Ann: hi",
    b"Ann has left the chat.",
    b"has joined the chat",
    b"is now known as",
    b"Server is shutting down. Bye!",
    b"Welcome, Ann!",
    b"Join with",
    b"nc 6.6.6.6 4000",
    b"Server listening on",
    b"Or open",
    b"This is",
    b"dynasti.local.",
    b"Shutting down",
    b"Ann connected from 6.6.6.6:1",
    b"O'Brien",
    b"'",
    b"\xe2\x80\x99",
    b" ",
    b"  ",
    b"\t",
    b"\r",
    b"\0",
    b"\x08\x08\x08\x08\x08",
    b"\x7f",
    b"\x1b[2K\x1b[1G",
    b"\x1b]0;Ann\x07",
    b"\x1b",
    b"\xc2\x9b2K",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xae",
    b"\xe2\x80\x8b",
    b"\xef\xbb\xbf",
    b"\xcc\x81",
    b"\xc3",
    b"\x0b",
    b"\x0c",
    b"\xef\xbc\xa1\xef\xbd\x8e\xef\xbd\x8e",
    b"1",
    b"50",
    b"2026-11-22T19:04:05Z Ann: hi",
];

/// A line without its end. Half of them begin with a command, for those are the ways that lead further.
fn any_line(random: &mut Rng) -> Vec<u8> {
    let mut line = Vec::new();
    if random.bool() {
        line.extend_from_slice(random.pick(&PIECES[..6]));
        line.push(b' ');
    }
    for _ in 0..random.usize(..6) {
        line.extend_from_slice(random.pick(PIECES));
        if random.bool() {
            line.push(b' ');
        }
    }
    line
}

/// The names of those who listen, and never say anything.
const LISTENERS: [&str; 3] = ["Ann", "Ann Lee", "Bob"];

/// Whether a line that a listener hears can only be `name`'s own doing; and their new name, if it tells one.
fn is_theirs(name: &str, line: &str) -> Result<Option<String>, ()> {
    if line.chars().any(|char| char.is_control() && char != '\t') {
        return Err(());
    }
    let said = line.strip_prefix(name).ok_or(());
    if let Ok(rest) = said {
        if rest.starts_with(": ") || rest.starts_with(" (private): ") {
            return Ok(None);
        }
        if matches!(rest, " has joined the chat." | " has left the chat.") {
            return Ok(None);
        }
        let new = rest.strip_prefix(" is now known as ").and_then(|rest| rest.strip_suffix('.'));
        return new.map(|new| Some(new.to_string())).ok_or(());
    }
    let others_too = LISTENERS.iter().any(|other| {
        let (line, other) = (line.to_lowercase(), other.to_lowercase());
        line == format!("* {other}") || line.starts_with(&format!("* {other} "))
    });
    if line.starts_with(&format!("* {name} ")) && !others_too { Ok(None) } else { Err(()) }
}

/// Comes as Mal, and is told the last lines as what they are.
#[track_caller]
fn mal_comes(server: &Server, replayed: usize) -> Client {
    let mut mal = server.guest();
    mal.joins("Mal");
    for _ in 0..replayed {
        mal.hears_one("a replayed line", |line| line.starts_with("-- ["));
    }
    mal
}

/// Whether this is kept for those who come later: words or doings, in public.
fn is_said(heard: &str) -> bool {
    !is_private(heard) && (heard.starts_with("* ") || heard.contains(": "))
}

fn is_private(heard: &str) -> bool {
    heard.split_once(" (private): ").is_some_and(|(name, _)| !name.starts_with("* ") && !name.contains(':'))
}

fn nothing_passes_for_anybody_else(seed: u64) {
    const ROUNDS: usize = 500;
    let scratch = Scratch::new(&format!("imitation-{seed}"));
    let transcript = scratch.path("room.log");
    let mut server = Server::start(&["--rate", "0", "--replay", "5", "--transcript", &transcript]);
    let mut listeners = server.room(LISTENERS);
    let mut mal = mal_comes(&server, 0);
    let mut name = String::from("Mal");
    let mut heard_by_bob = vec![String::from("Mal has joined the chat.")];
    for listener in &mut listeners {
        listener.hears("Mal has joined the chat.");
    }
    let mut random = Rng::with_seed(seed);
    for round in 0..ROUNDS {
        let line = any_line(&mut random);
        let sentinel = format!("/sentinel {round}");
        // After `/quit` nobody takes the second line any more.
        mal.tries_to_send([&line, b"\n/".as_slice(), sentinel.as_bytes(), b"\n"].concat());
        let (mut new_name, mut gone) = (name.clone(), false);
        for (n, listener) in listeners.iter_mut().enumerate() {
            let mut known_as = name.clone();
            loop {
                let heard = listener
                    .hears_one("something that can only be theirs", |heard| is_theirs(&known_as, heard).is_ok());
                if n == 2 {
                    heard_by_bob.push(heard.clone());
                }
                gone = heard == format!("{known_as} has left the chat.");
                let over = gone || heard == format!("{known_as}: {sentinel}");
                if let Ok(Some(renamed)) = is_theirs(&known_as, &heard) {
                    known_as = renamed;
                }
                if over {
                    break;
                }
            }
            new_name = known_as;
        }
        name = new_name;
        if gone {
            // Whatever Mal was told, it was told as what it is.
            for heard in mal.hears_out() {
                assert!(heard.starts_with("-- "), "{heard:?}");
            }
            let said = heard_by_bob.iter().filter(|heard| is_said(heard)).count();
            mal = mal_comes(&server, said.min(5));
            name = String::from("Mal");
            for listener in &mut listeners {
                listener.hears("Mal has joined the chat.");
            }
            heard_by_bob.push(String::from("Mal has joined the chat."));
        }
    }
    server.operator("/quit");
    server.exit_code();
    for heard in mal.hears_out() {
        assert!(heard.starts_with("-- ") || heard == GOODBYE, "{heard:?}");
    }
    // What is written down is what was heard in public, each line under its time.
    let written = scratch.lines("room.log");
    let public = written.iter().map(|line| {
        let (time, text) = line.split_once(' ').expect("a time and a text");
        assert!(time.len() == 20 && time.ends_with('Z'), "{line}");
        text
    });
    heard_by_bob.retain(|heard| !is_private(heard));
    assert_eq!(public.skip(LISTENERS.len()).collect::<Vec<_>>(), heard_by_bob);
}

#[test]
fn nothing_passes_for_anybody_else_1() {
    nothing_passes_for_anybody_else(1);
}

#[test]
fn nothing_passes_for_anybody_else_2() {
    nothing_passes_for_anybody_else(2);
}

#[test]
fn names_that_would_pass_for_somebody_else_are_not_given() {
    let server = Server::start(&[]);
    let [mut ann, _obrien, _zoe] = server.room(["Ann", "O'Brien", "Zoë"]);
    for name in [
        "[SERVER]",
        "[SERVER]:",
        "SERVER",
        "* Ann",
        "-- Ann",
        "Ann:",
        "Ann (private)",
        "ann",
        "Аnn",
        "Ａｎｎ",
        "Ann\u{200b}",
        "O’Brien",
        "o\u{2bc}brien",
        "Zoe\u{308}",
        "Join with",
        "join with nc 6.6.6.6",
        "Server listening on",
        "Or open",
        "This is dynasti.local.",
        "Shutting down server...",
    ] {
        let mut guest = server.guest();
        guest.says(name);
        let refusal = guest.hears_one("a refusal", |heard| heard.starts_with("Name \""));
        if refusal.contains("is already taken") {
            guest.hears(PERHAPS);
        }
        guest.says("/quit");
        guest.hears("-- Bye!");
    }
    let _bob = server.join("Bob");
    ann.hears_nothing_before("Bob has joined the chat.");
}
