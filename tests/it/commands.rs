//! What members can do: each command, who hears of it, and what its author is told.

use crate::harness::{Client, PERHAPS, PROMPT, Server};

/// Types a command and is answered, in a line that only its author hears.
#[track_caller]
fn asks(author: &mut Client, command: &str) -> String {
    author.says(command);
    author.hears_one("an answer", |answer| answer.starts_with("-- "))
}

#[test]
fn help_lists_every_command() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.says("/help");
    ann.says("/msg");
    // What follows is how the last line of help is recognised.
    let mut help = Vec::new();
    while !help.last().is_some_and(|line: &String| line.starts_with("-- Usage: ")) {
        help.push(ann.hears_one("help", |line| line.starts_with("-- ")));
    }
    help.pop();
    for command in ["who", "msg NAME TEXT", "reply TEXT", "me ACTION", "nick NEW", "history [N]", "ignore NAME", "quit"]
    {
        let listed = help.iter().filter(|line| line.starts_with(&format!("-- /{command} "))).count();
        assert_eq!(listed, 1, "/{command} in {help:?}");
    }
    assert!(help.iter().any(|line| line.contains("//")), "{help:?}");
    assert!(help.len() < 20 && help.iter().all(|line| line.chars().count() <= 60), "{help:?}");
    ann.says("now I know");
    bob.hears_nothing_before("Ann: now I know");
}

#[test]
fn who_names_everybody_in_the_order_they_came() {
    let server = Server::start(&[]);
    let mut guest = server.guest();
    assert_eq!(asks(&mut guest, "/who"), "-- Nobody is here yet.");
    let [mut zoe, ann] = server.room(["Zoe", "Ann Lee"]);
    for asking in [&mut guest, &mut zoe] {
        assert_eq!(asks(asking, "/who"), "-- 2 here: Zoe, Ann Lee");
    }
    ann.leaves();
    zoe.hears("Ann Lee has left the chat.");
    assert_eq!(asks(&mut zoe, "/WHO"), "-- 1 here: Zoe");
}

#[test]
fn who_help_and_quit_work_at_the_name_prompt_and_join_nobody() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut guest = server.dial();
    guest.sends("/who\n");
    guest.ends_input();
    guest.hears_each([PROMPT, "-- 2 here: Ann, Bob"]);
    guest.hears_the_end();
    let mut guest = server.guest();
    let help = asks(&mut guest, "/help");
    assert!(help.contains("name") && help.contains("/who") && help.contains("/quit"), "{help}");
    guest.says("/quit");
    guest.hears("-- Bye!");
    guest.hears_the_end();
    bob.says("quiet today");
    ann.hears_nothing_before("Bob: quiet today");
}

#[test]
fn other_commands_at_the_name_prompt_are_no_names() {
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut guest = server.guest();
    for line in ["/me waves", "/msg Ann hello", "/reply hello", "/nick Gil", "/history", "/ignore Ann", "//Gil"] {
        guest.says(line);
        guest.hears_one("a refusal", |heard| heard.starts_with(&format!("Name \"{line}\" can't be used: ")));
    }
    guest.joins("Gil");
    ann.hears_nothing_before("Gil has joined the chat.");
}

#[test]
fn two_slashes_say_one() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends("//who is here\n///\n//\n");
    bob.hears_each(["Ann: /who is here", "Ann: //", "Ann: /"]);
}

#[test]
fn a_command_without_what_it_takes_is_answered_with_how_it_is_typed() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    for command in ["/msg", "/msg ", "/me", "/me  ", "/reply", "/nick", "/ignore", "/history many", "/history 0"] {
        let answer = asks(&mut ann, command);
        let name = command.split(' ').next().unwrap();
        assert!(answer.starts_with(&format!("-- Usage: {name} ")), "{command}: {answer}");
    }
    ann.says("how does it go?");
    bob.hears_nothing_before("Ann: how does it go?");
}

#[test]
fn what_is_said_before_and_after_a_command_keeps_its_place() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends("one\n/me waves\ntwo\n/msg Bob three\nfour\n/nick Anna\nfive\n");
    bob.hears_each([
        "Ann: one",
        "* Ann waves",
        "Ann: two",
        "Ann (private): three",
        "Ann: four",
        "Ann is now known as Anna.",
        "Anna: five",
    ]);
    ann.hears_each(["-- * Ann waves", "-- To Bob (private): three", "-- You are now known as Anna."]);
}

// ---- /me

#[test]
fn an_emote_goes_to_everybody_and_its_author_is_answered() {
    let server = Server::start(&[]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    assert_eq!(asks(&mut ann, "/me  waves to  you"), "-- * Ann waves to  you");
    bob.hears("* Ann waves to  you");
    cid.hears("* Ann waves to  you");
}

#[test]
fn an_emote_that_reads_as_somebody_elses_is_not_sent() {
    let server = Server::start(&[]);
    let [mut ann, lee, mut bob, mut mal] = server.room(["Ann", "Ann Lee", "Bob", "Bob waves"]);
    let answers = ["/me lee waves", "/me LEE"].map(|emote| (asks(&mut ann, emote), "Ann Lee"));
    for (answer, other) in answers.into_iter().chain([(asks(&mut mal, "/me goodbye"), "Bob")]) {
        assert!(answer.starts_with("-- Not sent: ") && answer.contains(other), "{answer}");
    }
    ann.says("nothing happened");
    bob.hears_nothing_before("Ann: nothing happened");
    mal.hears_nothing_before("Ann: nothing happened");
    // Nobody to be taken for, and no harm done.
    lee.leaves();
    for member in [&mut ann, &mut bob, &mut mal] {
        member.hears("Ann Lee has left the chat.");
    }
    assert_eq!(asks(&mut ann, "/me Lee waves"), "-- * Ann Lee waves");
    bob.hears("* Ann Lee waves");
}

// ---- /msg and /reply

#[test]
fn a_private_message_reaches_one_member_alone() {
    let server = Server::start(&[]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    assert_eq!(asks(&mut ann, "/msg bOB  hello  you: two"), "-- To Bob (private): hello  you: two");
    bob.hears("Ann (private): hello  you: two");
    ann.says("that was private");
    cid.hears_nothing_before("Ann: that was private");
    bob.hears("Ann: that was private");
}

#[test]
fn the_longest_name_that_is_here_wins() {
    let server = Server::start(&[]);
    let [mut cid, mut ann, mut lee, mut roy] = server.room(["Cid", "Ann", "Ann Lee", "Ann Lee Roy"]);
    cid.sends("/msg Ann Lee Roy a\n/msg Ann Lee Rob b\n/msg ann  LEE\tc\n/msg Ann Le d\n/msg Ann\n/msg Ann Lee\n");
    cid.hears_each([
        "-- To Ann Lee Roy (private): a",
        "-- To Ann Lee (private): Rob b",
        "-- To Ann Lee (private): c",
        "-- To Ann (private): Le d",
    ]);
    roy.hears("Cid (private): a");
    lee.hears_each(["Cid (private): Rob b", "Cid (private): c"]);
    ann.hears("Cid (private): Le d");
    // A text that was forgotten is asked for, and no part of the name is taken for it.
    for name in ["Ann", "Ann Lee"] {
        cid.hears_one("a question", |heard| heard.starts_with("-- ") && heard.contains(&format!("tell {name}?")));
    }
    cid.says("that is all");
    for member in [&mut ann, &mut lee, &mut roy] {
        member.hears_nothing_before("Cid: that is all");
    }
}

#[test]
fn a_message_to_nobody_or_oneself_is_answered_and_not_sent() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let _guest = server.guest();
    let answer = asks(&mut ann, "/msg Bobby hello");
    assert!(answer.contains("\"Bobby hello\"") && answer.contains("/who"), "{answer}");
    asks(&mut ann, "/msg [SERVER] hello");
    assert_eq!(asks(&mut ann, "/msg Ann hello"), "-- That is you.");
    ann.says("nobody wants it");
    bob.hears_nothing_before("Ann: nobody wants it");
}

#[test]
fn a_reply_goes_to_whoever_wrote_last_and_follows_their_name() {
    let server = Server::start(&[]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    asks(&mut ann, "/reply too early");
    asks(&mut bob, "/msg Ann one");
    ann.hears("Bob (private): one");
    asks(&mut cid, "/msg Ann two");
    ann.hears("Cid (private): two");
    assert_eq!(asks(&mut ann, "/reply three"), "-- To Cid (private): three");
    cid.hears("Ann (private): three");
    asks(&mut cid, "/nick Cyd");
    ann.hears("Cid is now known as Cyd.");
    bob.hears("Cid is now known as Cyd.");
    assert_eq!(asks(&mut ann, "/reply four"), "-- To Cyd (private): four");
    cid.hears("Ann (private): four");
    // To reply is to write: Cyd may reply in turn.
    assert_eq!(asks(&mut cid, "/reply five"), "-- To Ann (private): five");
    ann.hears("Cyd (private): five");
    // Somebody else who takes the name is not who wrote.
    cid.leaves();
    bob.hears("Cyd has left the chat.");
    ann.hears("Cyd has left the chat.");
    let mut other = server.join("Cyd");
    ann.hears("Cyd has joined the chat.");
    bob.hears("Cyd has joined the chat.");
    asks(&mut ann, "/reply six");
    ann.says("seven");
    other.hears_nothing_before("Ann: seven");
    bob.hears_nothing_before("Ann: seven");
}

// ---- /nick

#[test]
fn a_new_name_is_announced_and_the_old_one_is_free() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    assert_eq!(asks(&mut ann, "/nick  Anna "), "-- You are now known as Anna.");
    bob.hears("Ann is now known as Anna.");
    ann.says("hello");
    bob.hears("Anna: hello");
    assert_eq!(asks(&mut bob, "/who"), "-- 2 here: Anna, Bob");
    let ann2 = server.join("Ann");
    for member in [&mut ann, &mut bob] {
        member.hears("Ann has joined the chat.");
    }
    ann2.leaves();
    bob.hears("Ann has left the chat.");
    ann.leaves();
    bob.hears("Anna has left the chat.");
    server.prints("Anna disconnected.");
}

#[test]
fn case_alone_may_change_and_nothing_at_all_is_no_change() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["ann lee", "Bob"]);
    assert_eq!(asks(&mut ann, "/nick Ann Lee"), "-- You are now known as Ann Lee.");
    bob.hears("ann lee is now known as Ann Lee.");
    let answer = asks(&mut ann, "/nick Ann  Lee");
    assert!(answer.contains("already"), "{answer}");
    ann.says("that was me");
    bob.hears_nothing_before("Ann Lee: that was me");
    let mut guest = server.guest();
    guest.is_refused("ANN LEE", "ANN LEE");
}

#[test]
fn a_new_name_that_is_taken_or_refused_changes_nothing() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    assert_eq!(asks(&mut ann, "/nick bob"), "-- Name \"bob\" is already taken.");
    ann.hears(PERHAPS);
    for refused in ["[SERVER]", "server", "* Bob", "Bob:", "Bob (private)", "-- Bob", "Воb", "x has left the chat"] {
        let answer = asks(&mut ann, &format!("/nick {refused}"));
        assert!(answer.contains("can't be used: "), "{refused}: {answer}");
    }
    ann.says("still me");
    bob.hears_nothing_before("Ann: still me");
}

// ---- /ignore

/// Says something in each of the three ways.
fn makes_noise(noisy: &mut Client, to: &str) {
    noisy.sends(format!("noise\n/me is noisy\n/msg {to} noise\n"));
    noisy.hears_one("an answer", |heard| heard.starts_with("-- * "));
    // Whoever is ignored is not told so.
    noisy.hears(&format!("-- To {to} (private): noise"));
}

#[test]
fn who_is_ignored_is_not_heard_in_any_way_until_heard_again() {
    let server = Server::start(&[]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    let answer = asks(&mut ann, "/ignore bob");
    assert!(answer.contains("Bob"), "{answer}");
    makes_noise(&mut bob, "Ann");
    cid.hears_each(["Bob: noise", "* Bob is noisy"]);
    cid.says("so peaceful");
    ann.hears_nothing_before("Cid: so peaceful");
    bob.hears("Cid: so peaceful");
    // The other way it goes on.
    ann.says("is Bob here?");
    bob.hears("Ann: is Bob here?");
    cid.hears("Ann: is Bob here?");
    assert_eq!(asks(&mut ann, "/reply x"), "-- Nobody who is here has written to you with /msg yet.");
    assert_eq!(asks(&mut ann, "/ignore Bob"), "-- You hear Bob again.");
    makes_noise(&mut bob, "Ann");
    ann.hears_each(["Bob: noise", "* Bob is noisy", "Bob (private): noise"]);
}

#[test]
fn who_is_ignored_stays_so_under_another_name() {
    let server = Server::start(&[]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    asks(&mut ann, "/ignore Bob");
    asks(&mut bob, "/nick Rob");
    for member in [&mut ann, &mut cid] {
        member.hears("Bob is now known as Rob.");
    }
    makes_noise(&mut bob, "Ann");
    cid.hears_each(["Rob: noise", "* Rob is noisy"]);
    // Nobody else is ignored for taking the name.
    asks(&mut cid, "/nick Bob");
    ann.hears_nothing_before("Cid is now known as Bob.");
    cid.says("I am new");
    ann.hears("Bob: I am new");
    assert_eq!(asks(&mut ann, "/ignore rob"), "-- You hear Rob again.");
}

#[test]
fn ignoring_ends_with_eithers_leaving() {
    let server = Server::start(&[]);
    let [mut ann, mut bob, cid] = server.room(["Ann", "Bob", "Cid"]);
    asks(&mut ann, "/ignore Cid");
    asks(&mut bob, "/ignore Cid");
    // The ignored leaves and comes back.
    cid.leaves();
    for member in [&mut ann, &mut bob] {
        member.hears("Cid has left the chat.");
    }
    let mut cid = server.join("Cid");
    ann.hears("Cid has joined the chat.");
    bob.hears("Cid has joined the chat.");
    cid.says("better now?");
    ann.hears("Cid: better now?");
    bob.hears("Cid: better now?");
    // The one who ignores leaves and comes back.
    asks(&mut bob, "/ignore Cid");
    bob.leaves();
    ann.hears("Bob has left the chat.");
    cid.hears("Bob has left the chat.");
    let mut bob = server.join("Bob");
    ann.hears("Bob has joined the chat.");
    cid.hears("Bob has joined the chat.");
    cid.says("and now?");
    ann.hears("Cid: and now?");
    bob.hears("Cid: and now?");
}

#[test]
fn nobody_can_ignore_themselves_or_nobody_or_the_operator() {
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    assert_eq!(asks(&mut ann, "/ignore Ann"), "-- That is you.");
    for nobody in ["Bob", "[SERVER]", "server", "Ann and more"] {
        let answer = asks(&mut ann, &format!("/ignore {nobody}"));
        assert!(answer.starts_with("-- Nobody here is called "), "{answer}");
    }
    server.operator("listen");
    ann.hears("[SERVER]: listen");
}

#[test]
fn a_burst_of_new_names_floods_nobody() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends("/nick Anna\n/nick Ann\n".repeat(50));
    for _ in 0..6 {
        bob.hears("Ann is now known as Anna.");
        bob.hears("Anna is now known as Ann.");
    }
    ann.says("that was all");
    bob.hears("Ann: that was all");
    for _ in 0..6 {
        ann.hears("-- You are now known as Anna.");
        ann.hears("-- You are now known as Ann.");
    }
    ann.hears_one("that she is to wait", |heard| heard.contains("12 times within a minute. Wait "));
}
