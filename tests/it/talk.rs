//! Coming, talking, going: the texts of the contract, to the letter, and who hears them.

use crate::harness::{PROMPT, Server};
use rustix::process::Signal;
use std::io::Write;

#[test]
fn everybody_is_asked_for_a_name_and_welcomed_by_it() {
    let server = Server::start(&[]);
    let mut ann = server.dial();
    ann.hears("Hi! Welcome to Dynasti. What's your name?");
    ann.says("Ann");
    ann.hears("Welcome, Ann! You can now chat. Type messages and press Enter.");
}

#[test]
fn everybody_else_hears_who_comes_talks_and_goes() {
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut bob = server.join("Bob");
    ann.hears("Bob has joined the chat.");
    bob.says("hello, Ann");
    ann.hears("Bob: hello, Ann");
    assert!(bob.leaves().is_empty(), "nobody hears of their own coming, talking and going");
    ann.hears("Bob has left the chat.");
}

#[test]
fn a_message_goes_to_everybody_but_its_author() {
    let server = Server::start(&[]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    ann.says("one");
    bob.hears("Ann: one");
    cid.hears("Ann: one");
    bob.says("two");
    ann.hears_nothing_before("Bob: two");
    cid.hears("Bob: two");
}

#[test]
fn who_has_not_given_a_name_hears_nothing_of_the_room() {
    let server = Server::start(&[]);
    let mut guest = server.guest();
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.says("are we alone?");
    bob.hears("Ann: are we alone?");
    bob.leaves();
    ann.hears("Bob has left the chat.");
    guest.joins("Gil");
    ann.hears("Gil has joined the chat.");
}

#[test]
fn who_leaves_before_giving_a_name_was_never_here() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    assert!(server.guest().leaves().is_empty());
    bob.says("quiet today");
    ann.hears_nothing_before("Bob: quiet today");
}

#[test]
fn a_name_is_free_again_when_its_owner_has_left() {
    let server = Server::start(&[]);
    let [mut ann, bob] = server.room(["Ann", "Bob"]);
    bob.leaves();
    ann.hears("Bob has left the chat.");
    let _bob = server.join("Bob");
    ann.hears("Bob has joined the chat.");
}

#[test]
fn the_room_outlives_everybody_in_it() {
    let server = Server::start(&[]);
    for _ in 0..3 {
        let [mut ann, bob] = server.room(["Ann", "Bob"]);
        bob.leaves();
        ann.hears("Bob has left the chat.");
        ann.leaves();
        server.prints("Ann disconnected.");
    }
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.says("still here?");
    bob.hears("Ann: still here?");
}

#[test]
fn a_whole_visit_in_one_packet_is_a_whole_visit() {
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut cron = server.dial();
    cron.sends("cron\nbackup done\n");
    cron.ends_input();
    cron.hears_each([PROMPT, "Welcome, cron! You can now chat. Type messages and press Enter."]);
    cron.hears_the_end();
    ann.hears_each(["cron has joined the chat.", "cron: backup done", "cron has left the chat."]);
}

/// As `printf … >/dev/tcp/pi/4000` does in bash: the connection is reset, since the greeting was never read.
#[test]
fn what_was_said_is_delivered_though_its_author_reads_nothing_and_is_gone() {
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut cron = server.dial().into_stream();
    let greeted = cron.peek(&mut [0]).expect("the greeting comes");
    assert_eq!(greeted, 1);
    let lines: Vec<String> = (0..190).map(|number| format!("backup {number} done")).collect();
    // The server finds all of it at once: the name, more lines than it says in one turn, the reset.
    server.signal(Signal::STOP);
    cron.write_all(format!("cron\n{}\n", lines.join("\n")).as_bytes()).expect("the system takes it");
    drop(cron);
    server.signal(Signal::CONT);
    ann.hears("cron has joined the chat.");
    ann.hears_each(lines.iter().map(|line| format!("cron: {line}")));
    ann.hears("cron has left the chat.");
}

#[test]
fn who_has_nothing_more_to_say_is_sent_what_waits_for_them_and_let_go() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let news: Vec<String> = (1..=100).map(|number| format!("news {number}")).collect();
    ann.sends(news.join("\n") + "\n");
    bob.hears("Ann: news 1");
    bob.ends_input();
    ann.hears("Bob has left the chat.");
    bob.hears_each(news[1..].iter().map(|line| format!("Ann: {line}")));
    bob.hears_the_end();
}

#[test]
fn quit_ends_the_visit_and_is_not_said() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    bob.says("/quit");
    bob.hears_out();
    ann.hears("Bob has left the chat.");
}

#[test]
fn what_was_said_before_quit_is_delivered_and_what_comes_after_it_is_not() {
    let server = Server::start(&[]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    bob.sends("bye\n/quit\none more thing\n");
    bob.hears_out();
    ann.hears_each(["Bob: bye", "Bob has left the chat."]);
    cid.hears_each(["Bob: bye", "Bob has left the chat."]);
    cid.says("he is gone");
    ann.hears("Cid: he is gone");
}

#[test]
fn quit_works_at_the_name_prompt() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut guest = server.guest();
    guest.says("/quit");
    guest.hears_out();
    bob.says("who was that?");
    ann.hears_nothing_before("Bob: who was that?");
}

#[test]
fn an_unknown_command_is_answered_to_its_author_and_nobody_else() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    for line in ["/frobnicate", "/pasword hunter2", "/", "/ ", "/\u{a0}", "/[SERVER]: hi"] {
        ann.says(line);
        ann.hears_one("an answer", |answer| answer.starts_with("-- "));
    }
    ann.says("that was nothing");
    bob.hears_nothing_before("Ann: that was nothing");
}

#[test]
fn members_on_two_listeners_share_one_room() {
    let server = Server::start(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"]);
    let mut ann = server.join("Ann");
    let mut bob = server.dial_to(server.addresses()[1]);
    bob.hears(PROMPT);
    bob.joins("Bob");
    ann.hears("Bob has joined the chat.");
    ann.says("hello over there");
    bob.hears("Ann: hello over there");
}
