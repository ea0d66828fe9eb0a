//! Order: everybody sees the room's lines in the same order, and each sender's in theirs.

use crate::harness::{Client, PROMPT, Server};
use rustix::process::Signal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const LINES: usize = 200;

#[test]
fn everybody_hears_the_room_in_the_same_order() {
    let server = Server::start(&["--rate", "0"]);
    let [ann, bob, cid, mut eve, mut fay] = server.room(["Ann", "Bob", "Cid", "Eve", "Fay"]);
    let heard_by_talkers = thread::scope(|scope| {
        let talkers = [("Ann", ann), ("Bob", bob), ("Cid", cid)].map(|(name, mut talker)| {
            let talk = scope.spawn(move || {
                // In pieces of every size, so that the talkers' turns interleave.
                let mut number = 0;
                for size in (1..).take_while(|size| size * (size - 1) / 2 < LINES) {
                    let piece: String = (number..LINES.min(number + size)).map(|n| format!("line {n}\n")).collect();
                    talker.sends(piece);
                    number += size;
                }
                // Each hears all the others' lines and none of its own.
                (0..2 * LINES).filter_map(|_| talker.next_line()).collect::<Vec<String>>()
            });
            (name, talk)
        });
        talkers.map(|(name, talk)| (name, talk.join().expect("the talker hears everything")))
    });

    let heard: Vec<String> = (0..3 * LINES).filter_map(|_| eve.next_line()).collect();
    for name in ["Ann", "Bob", "Cid"] {
        let prefix = format!("{name}: ");
        let theirs: Vec<&str> = heard.iter().filter_map(|line| line.strip_prefix(&prefix)).collect();
        assert_eq!(theirs, (0..LINES).map(|number| format!("line {number}")).collect::<Vec<_>>(), "{name}'s own order");
    }
    fay.hears_each(&heard);
    for (name, heard_by_talker) in heard_by_talkers {
        let prefix = format!("{name}: ");
        let others: Vec<&String> = heard.iter().filter(|line| !line.starts_with(&prefix)).collect();
        assert_eq!(heard_by_talker.iter().collect::<Vec<_>>(), others, "{name} heard the same order");
    }
}

#[test]
fn nobody_hears_anything_from_before_they_came_or_misses_anything_after() {
    let server = Server::start(&["--rate", "0"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    for visit in 0..20 {
        let mut cid = server.guest();
        // The name and Ann's lines race; whichever is first, Cid hears Ann's lines from some point on without a gap.
        ann.sends("1\n2\n3\n");
        cid.says("Cid");
        ann.sends("4\n5\n6\n");
        cid.hears("Welcome, Cid! You can now chat. Type messages and press Enter.");
        let last = format!("visit {visit} is over");
        ann.says(&last);
        let heard = cid.hears_until(&format!("Ann: {last}"));
        let whole = ["Ann: 1", "Ann: 2", "Ann: 3", "Ann: 4", "Ann: 5", "Ann: 6"];
        assert!(whole.ends_with(&heard.iter().map(String::as_str).collect::<Vec<_>>()), "a gap in {heard:?}");
        let seen = bob.hears_until(&format!("Ann: {last}"));
        let came = seen.iter().position(|line| line == "Cid has joined the chat.").expect("Bob hears Cid come");
        assert_eq!(seen[came + 1..], heard, "Cid hears just what Bob hears after Cid came");
        cid.leaves();
        bob.hears("Cid has left the chat.");
        ann.hears_each(["Cid has joined the chat.", "Cid has left the chat."]);
    }
}

#[test]
fn who_quits_hears_all_that_was_said_before_and_nothing_that_was_said_after() {
    let server = Server::start(&["--rate", "0"]);
    let [mut bob, mut cid] = server.room(["Bob", "Cid"]);
    let over = AtomicBool::new(false);
    let (visits, heard) = thread::scope(|scope| {
        let listen = scope.spawn(|| cid.hears_until("Bob: the end"));
        scope.spawn(|| {
            let numbers = (0..100_000).take_while(|_| !over.load(Ordering::SeqCst));
            numbers.for_each(|number| bob.says(&number.to_string()));
            bob.says("the end");
        });
        let visits: Vec<Vec<String>> = (0..20)
            .map(|_| {
                let mut ann = server.join("Ann");
                let mut heard: Vec<String> = (0..3).filter_map(|_| ann.next_line()).collect();
                ann.says("/quit");
                heard.extend(ann.hears_out());
                assert_eq!(heard.pop().as_deref(), Some("-- Bye!"), "the last word");
                heard
            })
            .collect();
        over.store(true, Ordering::SeqCst);
        (visits, listen.join().expect("Cid hears everything"))
    });
    let mut rest = heard.iter();
    for visit in visits {
        rest.find(|line| *line == "Ann has joined the chat.").expect("Cid hears Ann come");
        let meanwhile: Vec<&String> = rest.by_ref().take_while(|line| *line != "Ann has left the chat.").collect();
        assert_eq!(visit.iter().collect::<Vec<_>>(), meanwhile, "Ann heard just what was said while she was here");
    }
}

#[test]
fn who_quits_while_many_talk_at_once_hears_nothing_that_was_said_after() {
    let server = Server::start(&["--rate", "0"]);
    let mut cid = server.join("Cid");
    for round in 0..20 {
        // Half of them are taken before Ann when all have something to say, whatever the order is.
        let mut talkers: Vec<Client> = (0..5).map(|number| server.join(&format!("a{number}"))).collect();
        let mut ann = server.join("Ann");
        talkers.extend((0..5).map(|number| server.join(&format!("z{number}"))));
        ann.hears_until("z4 has joined the chat.");
        cid.hears_until("z4 has joined the chat.");
        server.signal(Signal::STOP);
        let (before, after) = talkers.split_at_mut(5);
        before.iter_mut().for_each(|talker| talker.says("good night"));
        ann.says("/quit");
        after.iter_mut().for_each(|talker| talker.says("good night"));
        server.signal(Signal::CONT);
        let mut heard = ann.hears_out();
        assert_eq!(heard.pop().as_deref(), Some("-- Bye!"), "the last word");
        assert_eq!(heard, cid.hears_until("Ann has left the chat."), "in round {round}");
        for talker in talkers {
            talker.leaves();
        }
        (0..20 - heard.len()).for_each(|_| drop(cid.next_line()));
    }
}

#[test]
fn who_quits_with_much_unread_hears_all_of_it_and_nothing_that_was_said_after() {
    let server = Server::start(&["--rate", "0"]);
    let [mut bob, mut cid] = server.room(["Bob", "Cid"]);
    let mut ann = server.dial_with_small_window();
    ann.hears(PROMPT);
    ann.joins("Ann");
    for other in [&mut bob, &mut cid] {
        other.hears("Ann has joined the chat.");
    }
    // More than her kernel takes, and less than she may be behind.
    let said: Vec<String> = (0..110).map(|number| format!("{number} {:1000}|", "")).collect();
    bob.sends(said.join("\n") + "\n");
    let said: Vec<String> = said.iter().map(|line| format!("Bob: {line}")).collect();
    cid.hears_each(&said);
    ann.says("/quit");
    cid.hears("Ann has left the chat.");
    bob.says("has she gone?");
    cid.hears("Bob: has she gone?");
    ann.hears_each(&said);
    ann.hears("-- Bye!");
    ann.hears_the_end();
}
