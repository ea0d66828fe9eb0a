use std::collections::HashSet;
use std::future::pending;
use std::io::{self, IoSlice, Write};
use std::num::NonZeroU64;
use std::pin::pin;
use std::time::SystemTime;

use futures_lite::FutureExt;
use futures_lite::future::{block_on, poll_once, yield_now};

use super::backpressure::{ALLOWANCE, BEHIND, DROPS_A_TURN, MAX_DIRECT};
use super::*;
use crate::text::line::{Decoder, Input};

/// A message of one line.
pub(super) fn message(text: &str) -> Message {
    Message::raw(text)
}

pub(crate) fn id(n: u64) -> Id {
    Id(NonZeroU64::new(n).unwrap())
}

/// A line that somebody has typed.
pub(super) fn line(typed: &str) -> Line<'static> {
    let typed = format!("{typed}\n");
    match Decoder::default().next(&mut typed.as_bytes()) {
        Some(Input::Line(line)) => line.into_owned(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn name(typed: &str) -> Name {
    Name::parse(typed).unwrap()
}

pub(super) fn said(by: &str, text: &str) -> Message {
    let mut said = Message::default();
    said.say(&name(by), &line(text));
    said
}

/// Takes so many bytes, and then no more until there is room again, as a socket does.
pub(super) struct Socket {
    pub(super) taken: Vec<u8>,
    pub(super) room: usize,
}

impl Socket {
    pub(super) fn new(room: usize) -> Socket {
        Socket { taken: Vec::new(), room }
    }

    /// What was taken since the last time.
    pub(super) fn text(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.taken)).unwrap()
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let before = self.room;
        for slice in slices {
            let n = slice.len().min(self.room);
            self.taken.extend_from_slice(&slice[..n]);
            self.room -= n;
        }
        if before > self.room { Ok(before - self.room) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All that a reader has to read, and what came of it.
pub(super) fn read(reader: &mut Reader) -> (String, Written) {
    is_woken(reader);
    let mut heard = Vec::new();
    let written = reader.write(&mut heard).unwrap();
    (String::from_utf8(heard).unwrap(), written)
}

/// Whether a reader is woken.
pub(super) fn is_woken(reader: &Reader) -> bool {
    block_on(poll_once(reader.notified())).is_some()
}

/// A room in which what gathers is published as soon as anybody looks.
pub(super) struct Tried {
    pub(super) room: Room,
    pub(super) outputs: Outputs,
}

/// One connection.
pub(super) struct Person<'a> {
    room: &'a Room,
    pub(super) reader: Reader,
}

impl Tried {
    pub(super) fn new(options: Options) -> Tried {
        let (room, outputs) = Room::new(warnings().0, options);
        Tried { room, outputs }
    }

    pub(super) fn unnamed(&self) -> Person<'_> {
        self.unnamed_from([127, 0, 0, 1].into())
    }

    fn unnamed_from(&self, address: IpAddr) -> Person<'_> {
        let reader = block_on(self.room.enter((address, 1).into(), Message::greeting())).unwrap();
        let mut person = Person { room: &self.room, reader };
        assert_eq!(person.hears(), "Hi! Welcome to Dynasti. What's your name?\n");
        person
    }

    pub(super) fn join(&self, name: &str) -> Person<'_> {
        let person = self.unnamed();
        assert_eq!(person.joins(name), Ok(()));
        person
    }

    /// Several who have heard of each other.
    pub(super) fn join_all<const N: usize>(&self, names: [&str; N]) -> [Person<'_>; N] {
        let mut people = names.map(|name| self.join(name));
        people.iter_mut().for_each(|person| _ = person.hears());
        people
    }

    /// What is printed by now.
    fn prints(&mut self) -> String {
        publish(&self.room);
        read(&mut self.outputs.output).0
    }

    /// What the transcript reads.
    fn transcribes(&mut self) -> String {
        publish(&self.room);
        let mut lines = Vec::new();
        let transcript = self.outputs.transcript.as_mut().unwrap();
        assert_ne!(transcript.entries(usize::MAX, |_, text| lines.extend_from_slice(text)), Written::Part);
        String::from_utf8(lines).unwrap()
    }
}

/// Publishes what gathers, as if its time had come.
pub(super) fn publish(room: &Room) {
    room.publish_now();
}

impl Room {
    /// Publishes what gathers, as if it were due.
    pub(crate) fn publish_now(&self) {
        let later = Now { instant: Instant::now() + Duration::from_secs(1), ..Now::read() };
        self.state.write_blocking().publish_due(later);
    }
}

impl Person<'_> {
    pub(super) fn id(&self) -> Id {
        self.reader.id()
    }

    fn joins(&self, typed: &str) -> Result<(), NotJoined> {
        block_on(self.room.join(self.id(), &name(typed)))
    }

    /// All that has come since the last time.
    pub(super) fn hears(&mut self) -> String {
        publish(self.room);
        read(&mut self.reader).0
    }

    pub(super) fn says(&self, by: &str, text: &str) {
        block_on(self.room.say(self.id(), said(by, text), Manner::Typed));
    }

    /// Types a command.
    pub(super) fn does(&self, typed: &str) -> Acted {
        block_on(self.room.act(self.id(), &line(typed), Manner::Typed)).0
    }

    /// Is told something that nobody else hears.
    pub(super) fn is_told(&self, text: &str) {
        block_on(self.room.answer(self.id(), message(text), Manner::Typed));
    }

    /// Whether the room has it on its list.
    fn is_here(&self) -> bool {
        self.room.state.read_blocking().members.get(self.id()).is_some()
    }

    fn leaves(&self) {
        block_on(self.room.leave(self.id(), None, Message::bye()));
    }

    /// Takes nothing of what is written to it. Something must be there to be read.
    pub(super) fn stops(&mut self) {
        publish(self.room);
        assert_eq!(self.reader.write(&mut Socket::new(0)).unwrap(), Written::Part);
    }

    /// Says something after it has read all that there is, its own lines among it. Returns whether it was heard at once.
    fn is_heard(&mut self, what: &Message, manner: Manner) -> bool {
        read(&mut self.reader);
        block_on(poll_once(self.room.say(self.id(), what.clone(), manner))).is_some()
    }
}

/// About so many bytes, in lines of the largest size.
fn much(by: &str, bytes: usize) -> Message {
    let mut much = Message::default();
    while much.bytes().len() < bytes {
        much.append(&said(by, &"x".repeat(4000)));
    }
    much
}

// ---- who hears what, in which order

#[test]
fn everybody_hears_everybody_else_in_the_same_order() {
    let tried = Tried::new(Options::default());
    let (mut ann, mut bob) = (tried.join("Ann"), tried.join("Bob"));
    ann.says("Ann", "one");
    bob.says("Bob", "two");
    ann.says("Ann", "three");
    let welcome = "! You can now chat. Type messages and press Enter.\n";
    assert_eq!(ann.hears(), format!("Welcome, Ann{welcome}Bob has joined the chat.\nBob: two\n"));
    assert_eq!(bob.hears(), format!("Welcome, Bob{welcome}Ann: one\nAnn: three\n"));
}

#[test]
fn a_private_answer_keeps_its_place_among_the_lines() {
    let tried = Tried::new(Options::default());
    let [ann, mut bob] = tried.join_all(["Ann", "Bob"]);
    ann.says("Ann", "one");
    bob.is_told("-- for Bob");
    ann.says("Ann", "two");
    assert_eq!(bob.hears(), "Ann: one\n-- for Bob\nAnn: two\n");
}

#[test]
fn what_is_no_line_takes_the_place_of_one() {
    let tried = Tried::new(Options::default());
    let [ann] = tried.join_all(["Ann"]);
    for n in 1..4 {
        block_on(tried.room.answer(ann.id(), Message::telnet([255, 252, 1]), Manner::Typed));
        assert_eq!(block_on(tried.room.presences()).0[0].queued, n);
    }
    assert_eq!(block_on(tried.room.stats()).queued, 9);
}

#[test]
fn who_comes_while_lines_gather_is_welcomed_with_them_and_hears_what_follows() {
    let tried = Tried::new(Options::default());
    let ([mut ann, mut bob], mut cid) = (tried.join_all(["Ann", "Bob"]), tried.unnamed());
    // Three speak before anybody reads, so the next wait for three.
    [(&ann, "Ann"), (&bob, "Bob"), (&ann, "Ann")].into_iter().for_each(|(person, name)| person.says(name, "before"));
    ann.hears();
    bob.hears();
    ann.says("Ann", "one");
    assert!(!is_woken(&bob.reader), "what gathers wakes nobody");
    assert_eq!(cid.joins("Cid"), Ok(()));
    assert!(!is_woken(&cid.reader) && !is_woken(&bob.reader));
    bob.says("Bob", "two");
    // Nobody had to publish it.
    for (reader, expected) in [
        (&mut cid.reader, "Welcome, Cid! You can now chat. Type messages and press Enter.\nBob: two\n"),
        (&mut ann.reader, "Cid has joined the chat.\nBob: two\n"),
        (&mut bob.reader, "Ann: one\nCid has joined the chat.\n"),
    ] {
        assert!(is_woken(reader));
        assert_eq!(read(reader).0, expected);
    }
}

#[test]
fn what_gathers_is_published_when_it_is_due() {
    let tried = Tried::new(Options::default());
    let [ann, mut bob, cid] = tried.join_all(["Ann", "Bob", "Cid"]);
    ann.says("Ann", "before");
    cid.says("Cid", "before");
    bob.hears();
    ann.says("Ann", "now");
    assert!(!is_woken(&bob.reader));
    let publish = async { match tried.room.publish().await {} };
    let woken = async { _ = bob.reader.notified().await };
    smol::block_on(woken.or(publish));
    assert_eq!(read(&mut bob.reader).0, "Ann: now\n");
}

#[test]
fn who_speaks_alone_is_heard_at_once() {
    let tried = Tried::new(Options::default());
    let [ann, mut bob] = tried.join_all(["Ann", "Bob"]);
    ann.says("Ann", "first");
    assert_eq!(bob.hears(), "Ann: first\n");
    for n in 0..9 {
        ann.says("Ann", &n.to_string());
        assert!(is_woken(&bob.reader));
        assert_eq!(read(&mut bob.reader).0, format!("Ann: {n}\n"));
    }
}

// ---- coming and going

#[test]
fn a_name_is_free_again_when_its_holder_has_left() {
    let tried = Tried::new(Options::default());
    let (ann, other) = (tried.join("Ann"), tried.unnamed());
    assert_eq!(other.joins("ANN"), Err(NotJoined::Taken(ann.id())));
    ann.leaves();
    assert_eq!(other.joins("ANN"), Ok(()));
    assert_eq!(ann.joins("ANN"), Err(NotJoined::Gone));
}

#[test]
fn who_goes_hears_what_was_said_before_and_nothing_after() {
    let tried = Tried::new(Options::default());
    let [ann, mut bob, mut kicked] = tried.join_all(["Ann", "Bob", "Kicked"]);
    ann.says("Ann", "before");
    bob.leaves();
    block_on(tried.room.kick(&line("Kicked"))).unwrap();
    ann.says("Ann", "after");
    assert_eq!(bob.hears(), "Ann: before\n-- Bye!\n");
    let words = "-- The operator has ended your connection.\n";
    assert_eq!(kicked.hears(), format!("Ann: before\nBob has left the chat.\n{words}"));
    for reader in [&mut bob.reader, &mut kicked.reader] {
        assert_eq!(read(reader), (String::new(), Written::End(End::Left)));
    }
}

#[test]
fn who_goes_ends_what_gathers_for_nobody_else() {
    let tried = Tried::new(Options::default());
    let [ann, mut bob, mut cid] = tried.join_all(["Ann", "Bob", "Cid"]);
    [(&ann, "Ann"), (&bob, "Bob"), (&ann, "Ann"), (&bob, "Bob")]
        .into_iter()
        .for_each(|(person, name)| person.says(name, "before"));
    bob.hears();
    cid.hears();
    ann.says("Ann", "one");
    is_woken(&bob.reader);
    bob.leaves();
    assert!(block_on(poll_once(bob.reader.ending())).is_none(), "what gathers is yet to be published");
    ann.says("Ann", "two");
    assert_eq!(cid.hears(), "Ann: one\nBob has left the chat.\nAnn: two\n");
    assert!(block_on(poll_once(bob.reader.ending())).is_some());
    assert_eq!(bob.hears(), "Ann: one\n-- Bye!\n");
}

#[test]
fn a_connection_is_taken_off_the_list_once() {
    let mut tried = Tried::new(Options::default());
    let [ann, mut bob] = tried.join_all(["Ann", "Bob"]);
    block_on(tried.room.kick(&line("Ann spam"))).unwrap();
    block_on(tried.room.leave(ann.id(), Some(Cause::ConnectionLost), Message::default()));
    assert_eq!(bob.hears(), "Ann has left the chat (kicked: spam).\n");
    assert!(block_on(tried.room.kick(&line("Ann"))).is_err());
    assert_eq!(block_on(tried.room.stats()).drops, [("kicked", 1)].into());
    drop((ann, bob));
    assert_eq!(tried.prints().lines().filter(|line| line.ends_with("disconnected.")).count(), 1);
}

#[test]
fn nobody_hears_who_has_been_sent_away() {
    let tried = Tried::new(Options::default());
    let [mut ann, bob] = tried.join_all(["Ann", "Bob"]);
    block_on(tried.room.kick(&line("Bob"))).unwrap();
    bob.says("Bob", "one more thing");
    for typed in ["/me waves", "/msg Ann and another", "/nick Bobby", "/ignore Ann"] {
        bob.does(typed);
    }
    block_on(tried.room.announce(message("end")));
    assert_eq!(ann.hears(), "Bob has left the chat (kicked).\nend\n");
}

#[test]
fn who_comes_is_seen_by_whoever_is_woken_by_it() {
    let tried = Tried::new(Options::default());
    let held = tried.room.state.write_blocking();
    let mut entering = pin!(tried.room.enter(([127, 0, 0, 1], 1).into(), Message::greeting()));
    assert!(block_on(poll_once(&mut entering)).is_none());
    assert!(block_on(poll_once(tried.room.unnamed_came())).is_none(), "nobody is to be seen yet");
    drop(held);
    block_on(entering).unwrap();
    assert!(block_on(poll_once(tried.room.unnamed_came())).is_some());
}

#[test]
fn who_leaves_without_a_name_is_not_spoken_of() {
    let mut tried = Tried::new(Options::default());
    let ([mut ann], other) = (tried.join_all(["Ann"]), tried.unnamed());
    block_on(tried.room.leave(other.id(), Some(Cause::ConnectionLost), Message::default()));
    block_on(tried.room.announce(message("end")));
    assert_eq!(ann.hears(), "end\n");
    assert!(block_on(tried.room.stats()).drops.is_empty());
    drop((ann, other));
    assert_eq!(tried.prints(), "Ann connected from 127.0.0.1:1\n");
}

#[test]
fn who_chooses_no_name_in_time_is_told_so_and_the_rest_stay() {
    let tried = Tried::new(Options::default());
    let ([mut ann], mut silent) = (tried.join_all(["Ann"]), tried.unnamed());
    let came = Instant::now();
    let next = block_on(tried.room.end_unnamed(Duration::from_secs(60))).expect("one is left");
    assert!(next > came + Duration::from_secs(50) && next <= came + Duration::from_secs(60));
    assert_eq!(silent.hears(), "");
    assert_eq!(block_on(tried.room.end_unnamed(Duration::ZERO)), None);
    assert_eq!(read(&mut silent.reader), ("-- No name within 0 seconds. Bye!\n".into(), Written::End(End::Left)));
    assert_eq!(silent.joins("Late"), Err(NotJoined::Gone));
    assert_eq!(ann.hears(), "");
}

#[test]
fn the_process_is_told_who_comes_and_goes_and_what_they_call_themselves() {
    let mut tried = Tried::new(Options::default());
    let ann = tried.join("Ann");
    ann.does("/nick Anna");
    ann.says("Anna", "hello");
    ann.leaves();
    drop(ann);
    let expected = "Ann connected from 127.0.0.1:1\nAnn is now known as Anna.\nAnna disconnected.\n";
    assert_eq!(tried.prints(), expected);
}

#[test]
fn an_operator_who_watches_sees_what_is_said_in_its_place_and_no_news_twice() {
    let mut tried = Tried::new(Options { watch: true, ..Options::default() });
    let ann = tried.join("Ann");
    ann.says("Ann", "hello");
    block_on(tried.room.announce(Message::server(&line("hi"))));
    ann.does("/me waves");
    ann.leaves();
    drop(ann);
    let chat = "Ann: hello\n[SERVER]: hi\n* Ann waves\n";
    assert_eq!(tried.prints(), format!("Ann connected from 127.0.0.1:1\n{chat}Ann disconnected.\n"));
}

#[test]
fn newcomers_are_sent_the_last_lines_after_their_welcome() {
    let earlier = vec![(SystemTime::now(), "Old: lost".into()), (SystemTime::now(), "Old: kept".into())];
    let tried = Tried::new(Options { history: 9, replay: 2, earlier, ..Options::default() });
    let ann = tried.join("Ann");
    ann.says("Ann", "new");
    let heard = tried.join("Bob").hears();
    let lines: Vec<&str> = heard.lines().collect();
    assert!(lines[0].starts_with("Welcome, Bob!"), "{heard}");
    assert!(lines[1].ends_with(" ago] Old: kept") && lines[2].ends_with(" ago] Ann: new"), "{heard}");
    assert_eq!(lines.len(), 3);
}

// ---- the end

#[test]
fn closing_says_goodbye_to_the_named_and_the_unnamed_and_lets_nobody_in() {
    let tried = Tried::new(Options::default());
    let ([mut ann], mut other) = (tried.join_all(["Ann"]), tried.unnamed());
    block_on(tried.room.close());
    for person in [&mut ann, &mut other] {
        let goodbye = ("Server is shutting down. Bye!\n".into(), Written::End(End::Closing));
        assert_eq!(read(&mut person.reader), goodbye);
        assert!(block_on(poll_once(person.reader.ending())).is_some());
    }
    assert!(block_on(tried.room.enter(([127, 0, 0, 1], 1).into(), Message::greeting())).is_err());
}

#[test]
fn closing_comes_after_what_gathers() {
    let tried = Tried::new(Options::default());
    let [ann, mut bob, cid] = tried.join_all(["Ann", "Bob", "Cid"]);
    [(&ann, "Ann"), (&cid, "Cid")].into_iter().for_each(|(person, name)| person.says(name, "before"));
    bob.hears();
    ann.says("Ann", "last");
    block_on(tried.room.close());
    assert_eq!(read(&mut bob.reader).0, "Ann: last\nServer is shutting down. Bye!\n");
}

#[test]
fn what_is_said_after_closing_goes_nowhere() {
    let mut tried = Tried::new(Options { history: 9, transcript: true, watch: true, ..Options::default() });
    let [ann, mut bob] = tried.join_all(["Ann", "Bob"]);
    ann.says("Ann", "before");
    let lines = block_on(tried.room.stats()).lines;
    block_on(tried.room.close());
    ann.says("Ann", "late");
    ann.does("/me is late");
    ann.does("/msg Bob too late");
    block_on(tried.room.announce(message("[SERVER]: late")));
    assert_eq!(bob.hears(), "Ann: before\nServer is shutting down. Bye!\n");
    assert_eq!(block_on(tried.room.stats()).lines, lines);
    let all = Size { lines: 99, bytes: 9999 };
    let kept = tried.room.state.write_blocking().history.recall(9, all, &[], SystemTime::now());
    assert_eq!(kept.lines(), 1);
    drop((ann, bob));
    let (news, chat) = ("Ann has joined the chat.\nBob has joined the chat.\n", "Ann: before\n");
    assert_eq!(tried.transcribes(), format!("{news}{chat}"));
    let coming = "Ann connected from 127.0.0.1:1\nBob connected from 127.0.0.1:1\n";
    assert_eq!(tried.prints(), format!("{coming}{chat}Ann disconnected.\nBob disconnected.\n"));
}

#[test]
fn outputs_read_all_that_there_is_before_they_end() {
    let mut tried = Tried::new(Options { transcript: true, ..Options::default() });
    let ann = tried.join("Ann");
    ann.says("Ann", "last");
    block_on(tried.room.close());
    drop(ann);
    block_on(tried.room.print("-- last"));
    block_on(tried.room.end_outputs());
    let Outputs { output, transcript, .. } = &mut tried.outputs;
    let printed = "Ann connected from 127.0.0.1:1\nAnn disconnected.\n-- last\n";
    assert_eq!(read(output), (printed.into(), Written::End(End::Closing)));
    let (mut lines, transcript) = (Vec::new(), transcript.as_mut().unwrap());
    let written = transcript.entries(usize::MAX, |_, text| lines.extend_from_slice(text));
    assert_eq!(
        (lines.as_slice(), written),
        (b"Ann has joined the chat.\nAnn: last\n".as_slice(), Written::End(End::Closing))
    );
}

// ---- readers who are slow

#[test]
fn who_does_not_read_is_dropped_alone_and_loses_nobody_else_a_line() {
    let tried = Tried::new(Options::default());
    let [mut ann, mut bob, mut stopped] = tried.join_all(["Ann", "Bob", "Stopped"]);
    ann.says("Ann", "first");
    stopped.stops();
    bob.hears();
    let lines = ALLOWANCE.lines * 2;
    let mut heard = String::new();
    for n in 0..lines {
        assert!(ann.is_heard(&said("Ann", &n.to_string()), Manner::Typed));
        heard += &bob.hears();
    }
    let (of_ann, news): (Vec<&str>, Vec<&str>) = heard.lines().partition(|line| line.starts_with("Ann: "));
    assert_eq!(of_ann, (0..lines).map(|n| format!("Ann: {n}")).collect::<Vec<_>>());
    assert_eq!(news, ["Stopped has left the chat (too slow)."]);
    let last = "-- You were too slow to read what was said. Bye!\n".into();
    assert_eq!(read(&mut stopped.reader), (last, Written::End(End::TooSlow)));
}

#[test]
fn a_name_is_free_at_the_moment_that_its_holder_is_dropped() {
    let tried = Tried::new(Options::default());
    let ([mut ann, mut bob, mut stopped], again) = (tried.join_all(["Ann", "Bob", "Stopped"]), tried.unnamed());
    ann.says("Ann", "first");
    stopped.stops();
    let mut behind = Size { lines: 1, bytes: "Ann: first\n".len() as u64 };
    let much = much("Ann", 16 * 1024);
    let size = Size { lines: much.lines() as u64, bytes: much.bytes().len() as u64 };
    while !(behind + size).exceeds(ALLOWANCE) {
        bob.hears();
        assert!(ann.is_heard(&much, Manner::Typed));
        ann.hears();
        assert!(matches!(again.joins("stopped"), Err(NotJoined::Taken(_))));
        behind += size;
    }
    bob.hears();
    assert!(ann.is_heard(&much, Manner::Typed));
    assert_eq!(again.joins("stopped"), Ok(()));
    let heard = bob.hears();
    let news: Vec<&str> = heard.lines().filter(|line| !line.starts_with("Ann: ")).collect();
    assert_eq!(news, ["Stopped has left the chat (too slow).", "stopped has joined the chat."]);
    // Its own connection comes second, and finds it gone.
    block_on(tried.room.leave(stopped.id(), Some(Cause::ConnectionLost), Message::default()));
    assert_eq!(bob.hears(), "");
}

#[test]
fn who_types_never_waits_for_a_reader_who_takes_nothing_and_who_sends_in_bulk_does() {
    let tried = Tried::new(Options::default());
    let [mut ann, mut stopped] = tried.join_all(["Ann", "Stopped"]);
    let much = much("Ann", 8 * 1024);
    let half = BEHIND.bytes as usize / much.bytes().len() + 1;
    assert!(ann.is_heard(&much, Manner::Bulk));
    stopped.stops();
    assert!((1..half).all(|_| ann.is_heard(&much, Manner::Bulk)));
    assert!(!ann.is_heard(&much, Manner::Bulk), "it is more than half of its allowance behind");
    assert!((half..2 * half - 2).all(|_| ann.is_heard(&much, Manner::Typed)));
    assert!(!stopped.hears().contains("too slow"));
}

#[test]
fn what_cannot_be_said_at_once_comes_back() {
    let tried = Tried::new(Options::default());
    let [mut ann, mut slow] = tried.join_all(["Ann", "Slow"]);
    let much = much("Ann", BEHIND.bytes as usize + 1);
    assert_eq!(tried.room.try_say(ann.id(), much.clone(), Manner::Bulk), Ok(()));
    slow.stops();
    ann.hears();
    assert_eq!(tried.room.try_say(ann.id(), much.clone(), Manner::Bulk), Err(much));
    assert_eq!(tried.room.try_say(ann.id(), said("Ann", "typed"), Manner::Typed), Ok(()));
    let held = tried.room.state.write_blocking();
    assert_eq!(tried.room.try_say(ann.id(), said("Ann", "busy"), Manner::Typed), Err(said("Ann", "busy")));
    drop(held);
    let heard = slow.hears();
    assert!(heard.ends_with("Ann: typed\n"));
}

#[test]
fn who_sends_in_bulk_goes_on_when_the_reader_has_read() {
    let tried = Tried::new(Options::default());
    let [mut ann, mut slow] = tried.join_all(["Ann", "Slow"]);
    let much = much("Ann", BEHIND.bytes as usize + 1);
    assert!(ann.is_heard(&much, Manner::Bulk));
    slow.stops();
    // Her own lines, for everybody waits for whoever has had no turn.
    ann.hears();
    let mut waiting = pin!(tried.room.say(ann.id(), said("Ann", "at last"), Manner::Bulk));
    assert!(block_on(poll_once(&mut waiting)).is_none());
    assert!(slow.reader.was_watched() && !slow.reader.was_watched());
    // It has taken something, and is still far behind: only bulk senders wait for it, and go on waiting.
    assert_eq!(slow.reader.write(&mut Socket::new(10)).unwrap(), Written::Part);
    block_on(tried.room.relieve());
    assert!(block_on(poll_once(&mut waiting)).is_none());
    assert!(slow.reader.was_watched());
    assert_eq!(read(&mut slow.reader).1, Written::All);
    block_on(tried.room.relieve());
    assert!(block_on(poll_once(&mut waiting)).is_some(), "without any time passing");
    assert_eq!(slow.hears(), "Ann: at last\n");
}

#[test]
fn everybody_waits_for_a_reader_to_have_its_turn() {
    let tried = Tried::new(Options::default());
    let mut people = tried.join_all(["Ann", "Bob"]);
    let (lines, ann) = (ALLOWANCE.lines as usize * 4, people[0].id());
    for manner in [Manner::Typed, Manner::Bulk] {
        let talk = async {
            for n in 0..lines {
                tried.room.say(ann, said("Ann", &n.to_string()), manner).await;
            }
            pending::<()>().await;
        };
        let publish = async { match tried.room.publish().await {} };
        let (mut heard, mut count) = (String::new(), 0);
        let turns = async {
            while count < lines {
                yield_now().await;
                for person in &mut people {
                    let (text, _) = read(&mut person.reader);
                    count += text.lines().count();
                    heard += &text;
                    if person.reader.was_watched() {
                        tried.room.relieve().await;
                    }
                }
            }
        };
        // Nobody may wait in vain for somebody to read who has read.
        assert!(smol::block_on(within(Duration::from_secs(10), talk.or(turns).or(publish))).is_some());
        assert_eq!(heard, (0..lines).map(|n| format!("Ann: {n}\n")).collect::<String>());
    }
}

#[test]
fn who_leaves_frees_whoever_waited_for_them() {
    let tried = Tried::new(Options::default());
    let [mut ann, mut slow] = tried.join_all(["Ann", "Slow"]);
    assert!(ann.is_heard(&much("Ann", BEHIND.bytes as usize + 1), Manner::Bulk));
    slow.stops();
    ann.hears();
    let mut waiting = pin!(tried.room.say(ann.id(), said("Ann", "at last"), Manner::Bulk));
    assert!(block_on(poll_once(&mut waiting)).is_none());
    slow.leaves();
    assert!(block_on(poll_once(&mut waiting)).is_some());
}

#[test]
fn more_than_a_turn_may_drop_are_dropped_without_anybody_saying_more() {
    let tried = Tried::new(Options::default());
    let mut stopped: Vec<Person<'_>> = (0..DROPS_A_TURN * 2 + 1).map(|n| tried.join(&format!("stopped{n}"))).collect();
    stopped.iter_mut().for_each(Person::stops);
    let [mut ann] = tried.join_all(["Ann"]);
    let here = || block_on(tried.room.presences()).0.len();
    let everybody = here();
    while here() == everybody {
        assert!(ann.is_heard(&much("Ann", 16 * 1024), Manner::Typed));
    }
    assert_eq!(here(), everybody - DROPS_A_TURN);
    let publish = async { match tried.room.publish().await {} };
    let dropped = async {
        while here() > 1 {
            yield_now().await;
        }
    };
    assert!(smol::block_on(within(Duration::from_secs(10), dropped.or(publish))).is_some());
}

#[test]
fn banning_more_than_a_turn_may_drop_ends_all_of_them_and_nobody_else() {
    let tried = Tried::new(Options::default());
    let [mut ann] = tried.join_all(["Ann"]);
    let banned = IpAddr::from([192, 0, 2, 1]);
    let mut people = Vec::new();
    // More than may be behind before those who speak wait for a turn of whoever reads.
    for n in 0..BEHIND.lines + 100 {
        let person = tried.unnamed_from(banned);
        assert_eq!(person.joins(&format!("person{n}")), Ok(()));
        people.push(person);
        people.iter_mut().chain([&mut ann]).for_each(|person| _ = read(&mut person.reader));
    }
    let mut nameless = tried.unnamed_from(banned);
    let mut heard = String::new();
    let turns = async {
        loop {
            heard += &read(&mut ann.reader).0;
            if ann.reader.was_watched() {
                tried.room.relieve().await;
            }
            people.iter_mut().for_each(|person| _ = read(&mut person.reader));
            yield_now().await;
        }
    };
    smol::block_on(tried.room.ban(|address| address == banned, &Message::banned(None)).or(turns));
    heard += &ann.hears();
    let gone: HashSet<&str> =
        heard.lines().filter_map(|line| line.strip_suffix(" has left the chat (banned).")).collect();
    assert_eq!((gone.len(), heard.lines().count()), (people.len(), people.len()));
    assert_eq!(nameless.hears(), "-- The operator has banned your address.\n");
    assert_eq!(block_on(tried.room.presences()).0.len(), 1);
}

/// Members who read nothing of what is private, and hold nearly as much of it as all may. The first has the most.
fn hoarders(tried: &Tried) -> Vec<Person<'_>> {
    let held = || -> u64 { tried.room.state.read_blocking().members.all().map(|client| client.reader.memory()).sum() };
    let mut hoarders: Vec<Person<'_>> = Vec::new();
    while held() + 256 * 1024 < MAX_DIRECT as u64 {
        let mut person = tried.join(&format!("hoarder{}", hoarders.len()));
        person.stops();
        let lines = if hoarders.is_empty() { 29 } else { 28 };
        (0..lines).for_each(|_| person.is_told(&"x".repeat(3900)));
        hoarders.push(person);
    }
    assert_eq!(block_on(tried.room.presences()).0.len(), hoarders.len());
    hoarders
}

#[test]
fn what_is_private_is_bounded_in_all_and_whoever_holds_most_of_it_is_dropped() {
    let tried = Tried::new(Options::default());
    let mut hoarders = hoarders(&tried);
    let mut readers = Vec::new();
    while hoarders[0].is_here() {
        assert!(readers.len() < 100, "these alone take more than what is left");
        readers.push(tried.unnamed());
        readers[readers.len() - 1].is_told(&"x".repeat(4000));
    }
    assert!(readers.len() > 20 && hoarders[1..].iter().chain(&readers).all(Person::is_here));
    let last = "-- You were too slow to read what was said. Bye!\n".into();
    assert_eq!(read(&mut hoarders[0].reader), (last, Written::End(End::TooSlow)));
}

#[test]
fn what_those_hold_who_are_dropped_is_not_held_against_the_others() {
    let tried = Tried::new(Options::default());
    let hoarders = hoarders(&tried);
    let readers: Vec<Person<'_>> = (0..100).map(|_| tried.unnamed()).collect();
    // Nobody who is dropped has a turn between these.
    readers.iter().for_each(|reader| reader.is_told(&"x".repeat(4000)));
    let dropped = hoarders.iter().filter(|hoarder| !hoarder.is_here()).count();
    assert!((1..4).contains(&dropped), "{dropped}");
    assert!(readers.iter().all(Person::is_here));
}

#[test]
fn however_many_are_too_slow_no_turn_tells_of_more_than_may_be_dropped_in_one() {
    const STOPPED: usize = 450;
    let tried = Tried::new(Options::default());
    let mut stopped: Vec<Person<'_>> = (0..STOPPED).map(|n| tried.join(&format!("stopped{n}"))).collect();
    stopped.iter_mut().for_each(Person::stops);
    let [mut ann, mut bob] = tried.join_all(["Ann", "Bob"]);
    let here = || block_on(tried.room.presences()).0.len();
    while here() == STOPPED + 2 {
        assert!(ann.is_heard(&much("Ann", 16 * 1024), Manner::Typed));
        bob.hears();
    }
    let publish = async { match tried.room.publish().await {} };
    let talk = async {
        while here() > 2 {
            // What is said meanwhile has no more of them dropped.
            assert!(ann.is_heard(&said("Ann", "still here"), Manner::Typed));
            assert!(ann.is_heard(&said("Ann", "and here"), Manner::Typed));
            let heard = bob.hears();
            let gone = heard.lines().filter(|line| line.ends_with(" has left the chat (too slow).")).count();
            assert!(gone <= DROPS_A_TURN, "{gone} at once");
            yield_now().await;
        }
    };
    assert!(smol::block_on(within(Duration::from_secs(10), talk.or(publish))).is_some());
}

#[test]
fn a_room_that_a_panic_left_half_changed_goes_no_further() {
    let tried = Tried::new(Options::default());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        block_on(tried.room.change(|_, _| panic!("in the midst of a change")));
    }));
    assert!(caught.is_err());
    let later = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(tried.room.announce(message("x")))));
    assert!(later.is_err());
}
