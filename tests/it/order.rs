//! Order: everybody sees the room's lines in the same order, and each sender's in theirs.

use crate::harness::Server;
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
