//! A room with a password: what is asked, what is refused, and that the password is seen nowhere.

use crate::harness::{Client, PROMPT, Program, Scratch, Server, dynasti};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const WANTED: &str = "This room has a password:";
const WRONG: &str = "Wrong password. Try again:";

/// A server whose password is `open sesame`, and the folder where that stands.
fn room(name: &str, options: &[&str]) -> (Server, Scratch) {
    let scratch = Scratch::new(name);
    let path = scratch.path("password");
    fs::write(&path, "open sesame\r\nnot this\n").expect("a file is to be had");
    (Server::start(&[&["--password-file", path.as_str()], options].concat()), scratch)
}

#[track_caller]
fn knocks(server: &Server, typed: &str) -> Client {
    let mut client = server.dial();
    client.hears(WANTED);
    client.says(typed);
    client
}

/// Gives the password, and then a name.
#[track_caller]
fn comes_in(server: &Server, name: &str) -> Client {
    let mut client = knocks(server, "open sesame");
    client.hears(PROMPT);
    client.joins(name);
    client
}

#[test]
fn the_greeting_comes_after_the_password() {
    let (server, _scratch) = room("greeting-after-password", &[]);
    let mut ann = comes_in(&server, "Ann");
    let mut bob = knocks(&server, "open");
    bob.hears(WRONG);
    bob.says("open sesame");
    bob.hears(PROMPT);
    bob.joins("Bob");
    ann.hears("Bob has joined the chat.");
    // In one go, as a script does.
    let mut script = server.dial();
    script.sends("open sesame\ncron\nbackup done\n");
    ann.hears_each(["cron has joined the chat.", "cron: backup done"]);
    drop(script);
    ann.hears("cron has left the chat.");
}

#[test]
fn nothing_is_told_and_nothing_obeyed_before_the_password() {
    let (server, _scratch) = room("nothing-before-password", &[]);
    let mut ann = comes_in(&server, "Ann");
    let mut guest = knocks(&server, "/who");
    guest.hears(WRONG);
    guest.says("/help");
    guest.hears(WRONG);
    guest.says("");
    guest.hears("-- Three wrong passwords. Bye!");
    guest.is_let_go();
    ann.says("/quit");
    ann.hears("-- Bye!");
}

#[test]
fn after_five_wrong_ones_the_address_is_refused_and_no_other() {
    let (server, _scratch) = room("five-wrong-passwords", &[]);
    for tries in [3, 2] {
        let mut guest = knocks(&server, "wrong");
        for _ in 1..tries {
            guest.hears(WRONG);
            guest.says("wrong");
        }
        match tries {
            3 => guest.hears("-- Three wrong passwords. Bye!"),
            _ => {
                guest.hears(WRONG);
                // Not even the right one is looked at now.
                guest.says("open sesame");
                guest.hears_one("a refusal", is_refusal);
            }
        }
        guest.is_let_go();
    }
    let mut refused = server.dial();
    refused.hears_one("a refusal", is_refusal);
    refused.is_let_go();
    let mut other = server.dial_from([127, 0, 0, 2]);
    other.hears(WANTED);
    other.says("open sesame");
    other.hears(PROMPT);
}

fn is_refusal(heard: &str) -> bool {
    heard.starts_with("-- Too many wrong passwords from your address. Please try again in ") && heard.ends_with(" s.")
}

#[test]
fn the_password_is_seen_nowhere() {
    let scratch = Scratch::new("password-unseen");
    let (path, transcript) = (scratch.path("password"), scratch.path("room.log"));
    fs::write(&path, "open sesame").expect("a file is to be had");
    let mut server = Server::start(&["--password-file", &path, "--transcript", &transcript]);
    let mut ann = comes_in(&server, "Ann");
    ann.says("hello");
    server.operator("/stats");
    server.operator("/who");
    server.stdout.find("the last of the figures", |line| line.contains("here 0 s") || line.starts_with("-- Ann"));
    server.operator("/quit");
    assert_eq!(server.exit_code(), 0);
    let seen = [server.stdout.whole(), server.stderr.whole(), scratch.lines("room.log")].concat();
    assert!(!seen.iter().any(|line| line.contains("sesame")), "{seen:?}");
    assert!(seen.iter().any(|line| line.ends_with("Ann: hello")), "{seen:?}");
}

#[test]
fn a_server_without_a_password_to_ask_for_does_not_start() {
    let scratch = Scratch::new("no-password");
    let refused = |path: &str, why: &str| {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--password-file", path];
        let mut server = Program::start("server", dynasti(&arguments), &Default::default());
        assert_eq!(server.exit_code(), 1, "{path}");
        let complaint = server.stderr.whole();
        assert_eq!(complaint.len(), 1, "{complaint:?}");
        assert!(complaint[0].starts_with(&format!("dynasti: cannot take the password from {path}: ")), "{complaint:?}");
        assert!(complaint[0].contains(why), "{complaint:?}");
    };
    refused(&scratch.path("missing"), "name a file that can be read");
    refused(&scratch.path(""), "name a file that can be read");
    for (name, bytes, why) in [
        ("empty", &b""[..], "its first line is empty"),
        ("blank", b"\nsesame\n", "its first line is empty"),
        ("binary", b"\xff\xfe\n", "not UTF-8"),
        ("long", &[b'x'; 5000], "longer than 4096 bytes"),
    ] {
        fs::write(scratch.path(name), bytes).expect("a file is to be had");
        refused(&scratch.path(name), why);
    }
    let open = scratch.path("open");
    fs::write(&open, "sesame\n").expect("a file is to be had");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o646)).expect("it is our own");
    refused(&open, "chmod o-w");
}

/// `dynasti join` in such a room.
mod join {
    use super::*;
    use crate::seat::Seat;

    #[test]
    fn a_filter_gives_its_first_line_for_the_password() {
        let (server, _scratch) = room("password-filter", &[]);
        let mut ann = comes_in(&server, "Ann");
        let address = server.addresses()[0].to_string();
        let mut ci = Program::start("join", dynasti(&["join", &address, "--name", "ci"]), server.story());
        ci.types("open sesame\nbuild done");
        ci.close_stdin();
        assert_eq!(ci.exit_code(), 0);
        ann.hears_each(["ci has joined the chat.", "ci: build done", "ci has left the chat."]);
        // What follows a wrong one is no other password.
        let mut wrong = Program::start("join", dynasti(&["join", &address, "--name", "ci"]), server.story());
        wrong.types("wrong\nbuild done");
        assert_eq!(wrong.exit_code(), 1);
        assert_eq!(wrong.stderr.whole().last().map(String::as_str), Some(WRONG));
    }

    #[test]
    fn at_a_terminal_the_password_is_asked_for_and_not_shown() {
        let (server, _scratch) = room("password-terminal", &[]);
        let address = server.addresses()[0].to_string();
        let mut ann = Seat::join(64, 12, &[&address, "--name", "Ann"]);
        ann.shows(&format!("{WANTED}\n> "));
        ann.types("wrong");
        ann.shows("> *****");
        ann.types("\r");
        ann.shows(&format!("{WRONG}\n> "));
        ann.types("open sesame\r");
        ann.shows("Welcome, Ann! You can now chat. Type messages and press Enter.\n> ");
        assert!(!ann.emulator.window().contains("sesame"));
        // Nor is it what Up recalls.
        ann.types("\x1b[A");
        ann.types("x");
        ann.shows("> x");
        let mut bob = comes_in(&server, "Bob");
        ann.types("\r");
        bob.hears("Ann: x");
    }
}
