use std::time::Duration;

use futures_lite::future::block_on;

use super::*;
use crate::room::tests::{Person, Tried, line, name, publish, said};
use crate::room::{Manner, Options, Reader};

fn server(name: &str) -> Server {
    Server::parse(name).unwrap()
}

/// The name of a member of pi2.
fn there(typed: &str) -> Name {
    name(typed).at(&server("pi2"))
}

/// A room, and what the link hears of it.
fn room() -> (Tried, Link) {
    let mut tried = Tried::new(Options { history: 9, link: true, ..Options::default() });
    let link = tried.outputs.link.take().unwrap();
    (tried, Link(link))
}

struct Link(Reader);

impl Link {
    /// What it has heard since the last time.
    fn hears(&mut self, of: &Tried) -> String {
        publish(&of.room);
        let mut text = String::new();
        self.0.pieces(|piece| {
            text += std::str::from_utf8(piece.text).unwrap();
            piece.text.len()
        });
        text
    }
}

impl Tried {
    fn has_on_pi2<const N: usize>(&self, names: [&str; N]) {
        self.hears_of([Elsewhere::Linked(server("pi2"), names.map(there).into())]);
    }

    fn hears_of<const N: usize>(&self, said: [Elsewhere<'_>; N]) {
        block_on(self.room.hear(said.into(), Manner::Typed, Duration::ZERO));
        publish(&self.room);
    }
}

/// Somebody there says this.
fn says(by: &str, text: &str) -> Elsewhere<'static> {
    let mut said = Message::default();
    said.say(&there(by), &line(text));
    Elsewhere::Said(there(by), said)
}

fn who(person: &mut Person<'_>) -> String {
    person.hears();
    person.does("/who");
    person.hears()
}

#[test]
fn who_is_linked_is_announced_and_in_the_answer_to_who() {
    let (tried, _link) = room();
    let mut ann = tried.join("Ann");
    ann.hears();
    tried.has_on_pi2(["Bob", "Cid Lee"]);
    assert_eq!(ann.hears(), "-- pi2 is linked.\n");
    assert_eq!(who(&mut ann), "-- 3 here: Ann, Bob@pi2, Cid Lee@pi2\n");
    // The next list of names counts, and says nothing.
    tried.has_on_pi2(["Cid Lee"]);
    assert_eq!(ann.hears(), "");
    assert_eq!(who(&mut ann), "-- 2 here: Ann, Cid Lee@pi2\n");
    tried.hears_of([Elsewhere::Unlinked(server("PI2")), Elsewhere::Unlinked(server("pi2"))]);
    assert_eq!(ann.hears(), "-- pi2 is not linked any more.\n");
    assert_eq!(who(&mut ann), "-- 1 here: Ann\n");
}

#[test]
fn what_comes_from_a_linked_server_is_heard_by_all_and_not_sent_back() {
    let (tried, mut link) = room();
    let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
    tried.has_on_pi2(["Cid"]);
    ann.hears();
    bob.hears();
    link.hears(&tried);
    let share = "a (1 B): http://pi2:4080/files/1/a";
    tried.hears_of([
        says("Cid", "hello"),
        Elsewhere::Did(there("Cid"), line("waves")),
        Elsewhere::Operator(server("pi2"), line("lunch")),
        Elsewhere::Joined(there("Dan")),
        Elsewhere::Renamed(there("Dan"), there("Eve")),
        Elsewhere::Shared(there("Eve"), line(share)),
        Elsewhere::Missed(3, server("pi2")),
    ]);
    let expected = format!(
        "Cid@pi2: hello\n* Cid@pi2 waves\n[SERVER@pi2]: lunch\nDan@pi2 has joined the chat.\nDan@pi2 is now known as \
         Eve@pi2.\nEve@pi2 shares {share}\n-- 3 lines of pi2 were missed.\n"
    );
    assert_eq!((ann.hears(), bob.hears()), (expected.clone(), expected));
    assert_eq!(who(&mut ann), "-- 4 here: Ann, Bob, Cid@pi2, Eve@pi2\n");
    tried.hears_of([Elsewhere::Left(there("Eve"), None), Elsewhere::Left(there("Cid"), Some(line("too slow")))]);
    assert_eq!(ann.hears(), "Eve@pi2 has left the chat.\nCid@pi2 has left the chat (too slow).\n");
    assert_eq!(who(&mut ann), "-- 2 here: Ann, Bob\n");
    // A server that has not said who is there: the words count, the list does not.
    tried.hears_of([Elsewhere::Joined(name("Fay").at(&server("pi3")))]);
    assert_eq!(ann.hears(), "Fay@pi3 has joined the chat.\n");
    assert_eq!(who(&mut ann), "-- 2 here: Ann, Bob\n");
    ann.says("Ann", "and from here");
    assert_eq!(link.hears(&tried), "Ann: and from here\n");
}

#[test]
fn a_private_message_goes_to_one_on_another_server_and_back() {
    let (tried, mut link) = room();
    let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
    tried.has_on_pi2(["Cid Lee"]);
    ann.hears();
    bob.hears();
    link.hears(&tried);
    ann.does("/msg cid lee@PI2 psst");
    assert_eq!(ann.hears(), "-- To Cid Lee@pi2 (private): psst\n");
    assert_eq!(link.hears(&tried), "Ann (private to Cid Lee@pi2): psst\n");
    ann.does("/msg Cid Lee@pi2");
    assert!(ann.hears().starts_with("-- And what do you want to tell Cid Lee@pi2?"));
    ann.does("/msg Cid Lee psst");
    assert!(ann.hears().starts_with("-- Nobody here is called "));
    tried.hears_of([Elsewhere::Private(there("Cid Lee"), name("ann"), line("yes?"))]);
    assert_eq!(ann.hears(), "Cid Lee@pi2 (private): yes?\n");
    ann.does("/reply nothing");
    assert_eq!(link.hears(&tried), "Ann (private to Cid Lee@pi2): nothing\n");
    ann.hears();
    // Nobody else hears it, and who is gone hears nothing.
    tried.hears_of([Elsewhere::Private(there("Cid Lee"), name("Nobody"), line("x"))]);
    tried.has_on_pi2([]);
    ann.does("/reply again");
    assert_eq!(ann.hears(), "-- Nobody who is here has written to you with /msg yet.\n");
    assert_eq!((bob.hears(), link.hears(&tried)), (String::new(), String::new()));
}

#[test]
fn what_is_private_waits_for_the_link_up_to_a_bound() {
    let (tried, mut link) = room();
    let mut ann = tried.join("Ann");
    tried.has_on_pi2(["Cid"]);
    for _ in 0..1024 {
        ann.does("/msg Cid@pi2 psst");
        ann.hears();
    }
    ann.does("/msg Cid@pi2 psst");
    assert_eq!(ann.hears(), "-- Not sent: too much waits on the way to Cid@pi2. Try again in a moment.\n");
    assert_eq!(link.hears(&tried).matches("psst").count(), 1024);
    ann.does("/msg Cid@pi2 psst");
    assert_eq!(ann.hears(), "-- To Cid@pi2 (private): psst\n");
}

#[test]
fn somebody_on_another_server_can_be_ignored() {
    let (tried, _link) = room();
    let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
    tried.has_on_pi2(["Cid", "Dan"]);
    ann.does("/ignore cid@pi2");
    assert!(ann.hears().ends_with("-- You don't hear Cid@pi2 any more. /ignore Cid@pi2 again to hear them.\n"));
    bob.does("/ignore Cid@pi2");
    bob.does("/ignore Cid@pi2");
    assert!(bob.hears().ends_with("-- You hear Cid@pi2 again.\n"));
    // A list of names in which they are still there changes nothing about that.
    tried.has_on_pi2(["Cid"]);
    let private = || Elsewhere::Private(there("Cid"), name("Ann"), line("psst"));
    tried.hears_of([says("Cid", "one"), private(), says("Dan", "two")]);
    assert_eq!((ann.hears(), bob.hears()), ("Dan@pi2: two\n".into(), "Cid@pi2: one\nDan@pi2: two\n".into()));
    ann.does("/history");
    assert_eq!(ann.hears(), "-- [0 s ago] Dan@pi2: two\n");
    // Who has ignored somebody and is gone leaves nothing behind.
    block_on(tried.room.leave(ann.id(), None, Message::bye()));
    bob.hears();
    tried.hears_of([says("Cid", "three")]);
    assert_eq!(bob.hears(), "Cid@pi2: three\n");
    assert!(block_on(tried.room.state.read()).linked.members.values().all(|member| member.ignored_by.is_none()));
}

#[test]
fn who_changes_the_name_on_another_server_is_still_ignored_and_replied_to() {
    let (tried, mut link) = room();
    let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
    tried.has_on_pi2(["Cid", "Dan"]);
    ann.does("/ignore Cid@pi2");
    tried.hears_of([Elsewhere::Private(there("Cid"), name("Bob"), line("psst"))]);
    let _ = (ann.hears(), bob.hears(), link.hears(&tried));
    for (old, new) in [("Cid", "Cy"), ("Cy", "CY")] {
        tried.hears_of([Elsewhere::Renamed(there(old), there(new)), says(new, "me again")]);
        assert_eq!(ann.hears(), format!("{old}@pi2 is now known as {new}@pi2.\n"));
    }
    bob.does("/reply yes?");
    assert_eq!(link.hears(&tried), "Bob (private to CY@pi2): yes?\n");
    bob.hears();
    // The list that follows confirms it. A name that another member has there is that member's.
    tried.has_on_pi2(["CY", "Dan"]);
    tried.hears_of([Elsewhere::Renamed(there("CY"), there("Dan")), says("Dan", "hello")]);
    assert_eq!(ann.hears(), "CY@pi2 is now known as Dan@pi2.\nDan@pi2: hello\n");
    let there: Vec<String> = block_on(tried.room.names()).1.iter().map(ToString::to_string).collect();
    assert_eq!(there, ["Dan@pi2"]);
}

#[test]
fn no_action_reads_as_if_somebody_on_another_server_did_it() {
    let (tried, _link) = room();
    let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
    tried.has_on_pi2(["Ann Lee"]);
    bob.hears();
    ann.does("/me Lee@pi2 waves");
    assert!(ann.hears().contains("-- Not sent: while Ann Lee@pi2 is here, "));
    assert_eq!(bob.hears(), "");
}

#[test]
fn the_members_of_other_servers_are_bounded() {
    let mut linked = Linked::default();
    let names = |n: usize| (0..n).map(|n| there(&format!("m{n}")));
    let (gone, new) = linked.set(&server("pi2"), names(MAX_ELSEWHERE + 9));
    assert!(gone.is_empty() && new && linked.names().count() == MAX_ELSEWHERE && linked.count() == MAX_ELSEWHERE);
    let (gone, new) = linked.set(&server("pi2"), names(1));
    assert!(gone.len() == MAX_ELSEWHERE - 1 && !new && linked.names().count() == 1 && linked.count() == 1);
    assert_eq!(linked.remove(&server("pi2")).map(|(_, gone)| gone.len()), Some(1));
    assert!(linked.is_empty() && linked.names.is_empty());
}

#[test]
fn a_reader_of_what_comes_from_here_hears_its_operator_and_its_scripts() {
    let (tried, mut link) = room();
    block_on(tried.room.announce(Message::server(&line("lunch"))));
    let (heard, _) = block_on(tried.room.say_as(&name("cron"), said("cron", "done"), Manner::Typed));
    assert!(heard.is_ok());
    assert_eq!(link.hears(&tried), "[SERVER]: lunch\ncron: done\n");
}
