use std::time::Duration;

use fastrand::Rng;
use futures_lite::future::block_on;

use super::*;
use crate::room::{Id, Manner, Options, warnings};
use crate::text::line::{Decoder, Input, Line};
use crate::text::message::Message;
use crate::text::name::Name;

/// A line that somebody has typed.
fn line(typed: &str) -> Line<'static> {
    match Decoder::default().next(&mut format!("{typed}\n").as_bytes()) {
        Some(Input::Line(line)) => line.into_owned(),
        other => panic!("{other:?}"),
    }
}

/// A room in which Bob talks, and what the session of Ann hears there.
struct Heard {
    room: Room,
    bob: Reader,
    feed: Feed,
    /// The session's position, and what was written to it and not received yet.
    position: EventId,
    on_the_way: VecDeque<(EventId, String)>,
    /// What it has received, with the last event's id.
    received: Vec<String>,
    last: EventId,
    /// What it is to hear.
    expected: Vec<String>,
}

impl Heard {
    fn new() -> Heard {
        let (room, _) = Room::new(warnings().0, Options::default());
        let join = |name: &str| {
            let reader = block_on(room.enter(([127, 0, 0, 1], 1).into(), Message::default())).expect("it is open");
            block_on(room.join(reader.id(), &Name::parse(name).expect("it is one"))).expect("it is free");
            reader
        };
        let (bob, ann) = (join("Bob"), join("Ann"));
        let feed = Feed::new(ann, Arc::new(Common::new(None)));
        let expected = vec!["Welcome, Ann! You can now chat. Type messages and press Enter.".into()];
        let (on_the_way, received) = (VecDeque::new(), Vec::new());
        let (position, last) = (EventId::default(), EventId::default());
        Heard { room, bob, feed, position, on_the_way, received, last, expected }
    }

    fn say(&self, id: Id, name: &str, texts: &[String]) {
        let (name, mut said) = (Name::parse(name).expect("it is one"), Message::default());
        texts.iter().for_each(|text| said.say(&name, &line(text)));
        block_on(self.room.say(id, said, Manner::Typed));
    }

    /// Somebody does something that the session hears, or not.
    fn happens(&mut self, random: &mut Rng, n: usize) {
        // Who types waits a moment for a reader that is about to read; this one reads when the test has it read.
        self.feed.reader.pause();
        match random.u8(..8) {
            0..5 => {
                let length = [1, 10, 150][random.usize(..3)];
                let texts: Vec<String> =
                    (0..random.usize(1..40)).map(|k| format!("{n}.{k} {:x<length$}", "")).collect();
                self.say(self.bob.id(), "Bob", &texts);
                self.expected.extend(texts.iter().map(|text| format!("Bob: {}", line(text).as_str())));
            }
            5 => {
                block_on(self.room.act(self.bob.id(), &line(&format!("/msg Ann {n}")), Manner::Typed));
                self.expected.push(format!("Bob (private): {n}"));
            }
            6 => {
                let texts: Vec<String> = (0..random.usize(1..40)).map(|k| format!("{n}.{k}")).collect();
                self.say(self.feed.reader.id(), "Ann", &texts);
            }
            _ => {
                block_on(self.room.act(self.bob.id(), &line("/me waves"), Manner::Typed));
                self.expected.push("* Bob waves".into());
            }
        }
        self.room.publish_now();
        // Bob reads well.
        self.bob.write(&mut std::io::sink()).expect("a sink takes all");
    }

    /// The stream writes what one write is given. Returns whether there was anything.
    fn writes(&mut self) -> bool {
        let events = block_on(self.feed.read(&self.room, self.position)).1;
        if events.last <= self.position {
            return false;
        }
        for event in std::str::from_utf8(&events.bytes).expect("events are text").split_terminator("\n\n") {
            let id = event.strip_prefix("id: ").and_then(|rest| rest.split_once('\n')).expect(event).0;
            let text = event.split("\"text\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect(event);
            self.on_the_way.push_back((EventId::read(id).expect(event), text.to_owned()));
        }
        self.position = events.last;
        self.feed.sent(events);
        true
    }

    /// The page receives so many events.
    fn receives(&mut self, events: usize) {
        for (id, text) in self.on_the_way.drain(..events.min(self.on_the_way.len())) {
            assert!(id > self.last, "{text}: {id} after {}", self.last);
            self.last = id;
            self.received.push(text);
        }
    }

    /// The connection is lost, and the page comes back.
    fn comes_back(&mut self) {
        self.on_the_way.clear();
        self.position = self.feed.position(Some(self.last));
        assert_eq!((self.position, self.feed.lost_after(self.position)), (self.last, None));
    }

    /// How much is on the way, as the contract counts it.
    fn is_much_on_the_way(&self) -> bool {
        let bytes: usize = self.on_the_way.iter().map(|(_, text)| text.len() + 1).sum();
        self.on_the_way.len() > 250 || bytes > 31 * 1024
    }
}

#[test]
fn whatever_is_lost_on_the_way_is_heard_once_and_in_order() {
    for seed in 0..20 {
        let (mut random, mut heard) = (Rng::with_seed(seed), Heard::new());
        for n in 0..100 {
            match random.u8(..10) {
                // Who reads too little is dropped, like anybody.
                0..4 if heard.expected.len() - heard.received.len() - heard.on_the_way.len() < 400 => {
                    heard.happens(&mut random, n)
                }
                0..8 => {
                    heard.writes();
                    // What is older than the session can go back has arrived.
                    while heard.is_much_on_the_way() {
                        heard.receives(1);
                    }
                }
                8 => heard.receives(random.usize(..100)),
                _ => heard.comes_back(),
            }
        }
        while heard.writes() {
            heard.receives(usize::MAX);
        }
        heard.receives(usize::MAX);
        assert_eq!(heard.received, heard.expected, "seed {seed}");
    }
}

/// An entry of which only a part fits into a write does not take another write for its rest alone.
#[test]
fn every_write_but_the_last_is_full() {
    let mut heard = Heard::new();
    heard.feed.reader.pause();
    for n in 0..60 {
        let texts: Vec<String> = (0..7).map(|k| format!("{n}.{k} {:x<30}", "")).collect();
        heard.say(heard.bob.id(), "Bob", &texts);
    }
    heard.room.publish_now();
    let (mut sizes, mut position, mut lines) = (Vec::new(), EventId::default(), 0);
    loop {
        let events = block_on(heard.feed.read(&heard.room, position)).1;
        if events.last == position {
            break;
        }
        sizes.push(events.bytes.len());
        lines += String::from_utf8(events.bytes).expect("events are text").matches("\n\n").count();
        position = events.last;
    }
    assert_eq!(lines, 1 + 60 * 7);
    let (_, full) = sizes.split_last().expect("there was something to hear");
    assert!(full.len() > 2 && full.iter().all(|size| (ENOUGH..=WRITE).contains(size)), "{sizes:?}");
}

#[test]
fn an_event_s_time_is_when_it_was_said_and_not_when_it_is_read() {
    let mut heard = Heard::new();
    let before = SystemTime::now();
    block_on(heard.room.act(heard.bob.id(), &line("/msg Ann hello"), Manner::Typed));
    std::thread::sleep(Duration::from_millis(5));
    let after = SystemTime::now();
    let mut times = Vec::new();
    heard.feed.reader.pieces(|piece| {
        times.extend(piece.said().map(|said| said.at));
        piece.text.len()
    });
    let said = times.last().expect("it was said");
    assert!(*said >= before && *said < after);
}

/// What is told of a line is made once for all, and each hears what is for them all the same: not what they said, and not
/// whom they ignore.
#[test]
fn sessions_that_hear_different_lines_are_told_of_their_own() {
    let (room, _) = Room::new(warnings().0, Options::default());
    let common = Arc::new(Common::new(None));
    let join = |name: &str| {
        let reader = block_on(room.enter(([127, 0, 0, 1], 1).into(), Message::default())).expect("it is open");
        block_on(room.join(reader.id(), &Name::parse(name).expect("it is one"))).expect("it is free");
        Feed::new(reader, Arc::clone(&common))
    };
    let mut feeds = ["Ann", "Bob", "Cid", "Dan"].map(join);
    let ids = feeds.each_ref().map(|feed| feed.reader.id());
    block_on(room.act(ids[3], &line("/ignore Bob"), Manner::Typed));
    let mut random = Rng::with_seed(3);
    let mut texts = [(); 4].map(|()| String::new());
    let mut expected = [(); 4].map(|()| Vec::new());
    for n in 0..300 {
        let (author, text) = (random.usize(..4), n.to_string());
        let mut said = Message::default();
        let name = Name::parse(["Ann", "Bob", "Cid", "Dan"][author]).expect("it is one");
        said.say(&name, &line(&text));
        feeds.iter().for_each(|feed| feed.reader.pause());
        block_on(room.say(ids[author], said, Manner::Typed));
        room.publish_now();
        for (reader, expected) in expected.iter_mut().enumerate() {
            if reader != author && (reader, author) != (3, 1) {
                expected.push(format!("\"text\":\"{name}: {text}\""));
            }
        }
        // Some read at once, and some later.
        for (feed, texts) in feeds.iter_mut().zip(&mut texts).filter(|_| random.bool()) {
            texts.push_str(
                &String::from_utf8(block_on(feed.read(&room, feed.last())).1.bytes).expect("events are text"),
            );
        }
    }
    for ((mut feed, mut texts), expected) in feeds.into_iter().zip(texts).zip(expected) {
        loop {
            let events = block_on(feed.read(&room, feed.last())).1.bytes;
            if events.is_empty() {
                break;
            }
            texts.push_str(&String::from_utf8(events).expect("events are text"));
        }
        let said: Vec<&str> = texts.split_terminator("\n\n").filter(|event| event.contains("event: said")).collect();
        assert_eq!(said.len(), expected.len());
        said.iter().zip(expected).for_each(|(event, text)| assert!(event.contains(&text), "{event} is not {text}"));
        // Again, from what is remembered.
        let ids: Vec<&str> = texts.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
        let sixth = EventId::read(ids[ids.len() - 6]).expect("an id");
        let again = block_on(feed.read(&room, sixth)).1;
        assert_eq!(again.last, feed.last());
        assert!(texts.ends_with(&String::from_utf8(again.bytes).expect("events are text")));
    }
}

/// What the dropped session had read of the log is not kept, and it is told so wherever something is missing: between
/// lines for it alone, which are kept, too.
#[test]
fn who_was_too_slow_is_told_where_lines_are_missing() {
    let mut heard = Heard::new();
    let write = |heard: &mut Heard| {
        heard.room.publish_now();
        while heard.writes() {}
        heard.feed.reader.pause();
    };
    let tell = |heard: &Heard, text: &str| {
        block_on(heard.room.act(heard.bob.id(), &line(&format!("/msg Ann {text}")), Manner::Typed));
    };
    let lines = |begin: usize, end: usize| (begin..end).map(|n| n.to_string()).collect::<Vec<_>>();
    write(&mut heard);
    heard.say(heard.bob.id(), "Bob", &lines(0, 3));
    write(&mut heard);
    tell(&heard, "psst");
    write(&mut heard);
    heard.say(heard.bob.id(), "Bob", &lines(3, 6));
    write(&mut heard);
    heard.say(heard.bob.id(), "Bob", &lines(6, 1200));
    heard.room.publish_now();
    block_on(heard.feed.read_out(&heard.room));
    assert!(heard.feed.has_last_words());
    heard.receives(5);
    let third = heard.on_the_way.front().expect("it was written").0;
    for (after, expected) in [
        (EventId { position: 0, count: 1 }, ["missed", "Bob (private): psst", "missed", "bye"].as_slice()),
        (heard.last, &["missed", "bye"]),
        (third, &["missed", "bye"]),
    ] {
        let (mut position, mut texts) = (heard.feed.position(Some(after)), Vec::new());
        while position < heard.feed.last() {
            if let Some(lost) = heard.feed.lost_after(position) {
                assert!(lost > position);
                position = lost;
                texts.push("missed".to_owned());
            }
            let events = block_on(heard.feed.read(&heard.room, position)).1;
            assert!(events.last > position);
            position = events.last;
            let events = String::from_utf8(events.bytes).expect("events are text");
            for event in events.split_terminator("\n\n") {
                let text = event.split("\"text\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect(event);
                texts.push(if text.ends_with("Bye!") { "bye" } else { text }.to_owned());
            }
        }
        assert_eq!(texts, expected, "after {after}");
    }
}

/// Lines for one session alone may be short, and then they take less memory than what remembers them.
#[test]
fn what_all_sessions_keep_together_takes_no_more_memory_than_it_may() {
    const SESSIONS: usize = 200;
    let (room, _) = Room::new(warnings().0, Options::default());
    let common = Arc::new(Common::new(None));
    let mut feeds: Vec<Feed> = (0..SESSIONS)
        .map(|n| {
            let reader = block_on(room.enter(([127, 0, 0, 1], 1).into(), Message::default())).expect("it is open");
            block_on(room.join(reader.id(), &Name::parse(&format!("S{n}")).expect("it is one"))).expect("it is free");
            reader.pause();
            Feed::new(reader, Arc::clone(&common))
        })
        .collect();
    let write = |feed: &mut Feed| {
        while let Some(events) =
            Some(block_on(feed.read(&room, feed.last())).1).filter(|events| !events.bytes.is_empty())
        {
            feed.sent(events);
        }
        feed.reader.pause();
    };
    let ask = |feed: &Feed| {
        (0..200).for_each(|_| drop(block_on(room.act(feed.reader.id(), &line("/x"), Manner::Typed))));
    };
    let memory = |feeds: &[Feed]| -> usize {
        let one = |feed: &Feed| {
            let own = |stretch: &Stretch| if let Source::Own { text, .. } = &stretch.source { text.len() } else { 0 };
            feed.heard.capacity() * size_of::<Stretch>() + feed.heard.iter().map(own).sum::<usize>()
        };
        feeds.iter().map(one).sum()
    };
    room.publish_now();
    feeds.iter_mut().for_each(write);
    for feed in &mut feeds {
        ask(feed);
        write(feed);
        ask(feed);
        write(feed);
    }
    assert!(memory(&feeds) > MAX_KEPT / 4 && memory(&feeds) < MAX_KEPT, "{} bytes", memory(&feeds));
    // The same if what is read is never sent.
    for feed in &mut feeds {
        ask(feed);
        let _ = block_on(feed.read(&room, feed.last()));
    }
    assert!(memory(&feeds) < MAX_KEPT, "{} bytes", memory(&feeds));
    // Once it is forgotten, nothing is kept for it.
    feeds.iter_mut().for_each(write);
    let mut said = Message::default();
    (0..300).for_each(|n| said.say(&Name::parse("Cron").expect("it is one"), &line(&n.to_string())));
    for _ in 0..2 {
        let _ = block_on(room.say_as(&Name::parse("Cron").expect("it is one"), said.clone(), Manner::Typed));
        room.publish_now();
        feeds.iter_mut().for_each(write);
    }
    assert!(memory(&feeds) < 2 * 1024 * 1024, "{} bytes", memory(&feeds));
}
