//! One connection to a broker, from the first word to the last: it claims this server's name, sends what the outbox has,
//! and lets the room hear what comes.
//!
//! What is sent is sent again until the broker has it, one message at a time, so that each server's lines are in the
//! stream in their order. What comes is numbered by the broker, too, so that nothing is lost on the way from there.

use std::time::{Duration, Instant};

use futures_lite::FutureExt;
use smol::Timer;

use super::down::Down;
use super::envelope::{self, Epoch, MAX_MESSAGE, Origin, Presence};
use super::jetstream::{self, HEARTBEAT, Refused, Sent};
use super::nats::{self, Frame, Msg, Subject, Word};
use super::outbox::Batch;
use super::peers::{Fresh, Peers};
use super::wire::Wire;
use super::{Options, Shared};
use crate::room::{Elsewhere, Room, Sending};
use crate::text::message::Message;
use crate::token::Token;
use crate::within::within;

/// How long the broker may take over an answer.
const ANSWERED: Duration = Duration::from_secs(5);

/// How long a line may be on its way before the broker counts as down (design).
const ACKNOWLEDGED: Duration = Duration::from_secs(5);

/// How long to wait before the broker is asked again to take what it has refused.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// After so long without a word the broker is asked for one, and after so long it counts as down (design).
const ASKED_AFTER: Duration = Duration::from_secs(10);
const DOWN_AFTER: Duration = Duration::from_secs(20);

/// How often the others are told who is here (design), and how soon again when somebody comes or goes.
const TOLD_EVERY: Duration = Duration::from_secs(10);
const TOLD_AGAIN: Duration = Duration::from_secs(1);

/// How long another server has to say that the name is its own: some times as long as a word takes around the world.
const CLAIMED_FOR: Duration = Duration::from_millis(500);

/// Subscriptions: answers, and what servers say of themselves. Those of consumers have the numbers after these.
const ANSWERS: u64 = 1;
const PRESENCE: u64 = 2;

/// What is kept from one connection to the next.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) epoch: Epoch,
    pub(super) peers: Peers,
    /// Counts the lists of who is here.
    revision: u64,
    /// Which message is the next to be read, and of which stream.
    read: Option<(String, u64)>,
    /// The last message that was acknowledged, and of which stream.
    stored: Option<(String, u64)>,
    /// Whether the link has worked since it was last down, and ever.
    pub(super) works: bool,
    has_worked: bool,
    /// Why it is down, if the room was told so.
    pub(super) told: Option<Down>,
}

impl Kept {
    /// What there is before the first connection.
    pub(super) fn new(epoch: Epoch) -> Kept {
        Kept {
            epoch,
            peers: Peers::default(),
            revision: 0,
            read: None,
            stored: None,
            works: false,
            has_worked: false,
            told: None,
        }
    }
}

/// See the module's head.
pub(super) struct Session<'a> {
    options: &'a Options,
    room: &'a Room,
    shared: &'a Shared,
    kept: &'a mut Kept,
    wire: Wire,
    /// Where lines are published, and what servers say of themselves.
    lines: Subject,
    presence: Subject,
    /// Answers come below this.
    answers: Subject,
    /// Consumers send to below this.
    deliveries: Subject,
    /// How many answers were asked for.
    asked: u64,
    /// When the stream was made.
    created: String,
    /// The subscription of the consumer that counts.
    consumer: u64,
    /// The consumer's number for what it sends next. None if something was lost, and another consumer is needed.
    delivered: Option<u64>,
    flying: Option<Flying>,
    /// Until when another server may say that this one's name is its own.
    claimed: Option<Instant>,
    /// When anything came from the broker, and from the consumer.
    heard: Instant,
    consumer_heard: Instant,
    asked_at: Instant,
    /// When the others were told who is here, and when they are to be told again.
    told: Option<Instant>,
    tell: Instant,
    sending: Sending,
}

/// Lines on their way to the broker.
#[derive(Debug)]
struct Flying {
    /// The answer that is waited for.
    answer: u64,
    /// The first and the last of the lines.
    first: u64,
    last: u64,
    /// Since when they are on their way.
    since: Instant,
    /// Why the broker has refused them, and when they are sent again.
    refused: Option<(Refused, Instant)>,
}

/// What happened.
enum Event {
    Frame(Frame),
    /// Something was said here, or it is time for something.
    Other,
}

impl<'a> Session<'a> {
    /// Connects, and has the stream and a consumer of it.
    pub(super) async fn open(
        options: &'a Options,
        room: &'a Room,
        shared: &'a Shared,
        kept: &'a mut Kept,
    ) -> Result<Session<'a>, Down> {
        kept.works = false;
        let mut wire = Wire::dial(&options.broker).await?;
        let info = match within(ANSWERED, wire.next()).await.ok_or(Down::Slow("its first word"))? {
            Ok(Frame::Info(info)) => jetstream::info(&info),
            Ok(Frame::Error(error)) => return Err(Down::said(&error)),
            Ok(_) | Err(Down::Wrong(_)) => None,
            Err(why) => return Err(why),
        };
        let info = info.ok_or(Down::Wrong(nats::Wrong::Operation))?;
        if info.tls_required {
            return Err(Down::Tls);
        }
        if !info.headers || is_old(&info.version) {
            return Err(Down::Old(info.version));
        }
        nats::connect(&mut wire.out, &format!("dynasti {}", options.server), options.broker.login());
        nats::ping(&mut wire.out);
        wire.flush().await?;
        // Its answer, or what is wrong with the login.
        loop {
            match within(ANSWERED, wire.next()).await.ok_or(Down::Slow("its answer"))?? {
                Frame::Pong => break,
                Frame::Error(error) => return Err(Down::said(&error)),
                frame => _ = wire.answer(frame),
            }
        }
        let word = |text: &str| Word::new(text).expect("letters and digits");
        let inbox = Token::random()?;
        let inbox = Subject::join("_INBOX", &[&word(&inbox.to_string())]);
        let of_room = |kind: &str| Subject::join("dynasti", &[&options.broker.room, &word(kind)]);
        let now = Instant::now();
        let mut session = Session {
            options,
            room,
            shared,
            kept,
            wire,
            lines: of_room("lines"),
            presence: of_room("presence"),
            answers: inbox.clone().then(&word("answers")),
            deliveries: inbox.then(&word("deliveries")),
            asked: 0,
            created: String::new(),
            consumer: PRESENCE,
            delivered: None,
            flying: None,
            claimed: None,
            heard: now,
            consumer_heard: now,
            asked_at: now,
            told: None,
            tell: now,
            sending: Sending::new(now),
        };
        nats::subscribe_each(&mut session.wire.out, &session.answers, ANSWERS);
        nats::subscribe(&mut session.wire.out, &session.presence, PRESENCE);
        session.find_stream().await?;
        session.consume().await?;
        let (server, epoch) = (&session.options.server, session.kept.epoch);
        let hello = envelope::hello(server, epoch);
        nats::publish(&mut session.wire.out, &session.presence, None, hello.as_bytes());
        session.wire.flush().await?;
        session.claimed = Some(Instant::now() + CLAIMED_FOR);
        Ok(session)
    }

    /// Sends and hears until the room has ended, and the others have heard so.
    pub(super) async fn run(mut self) -> Result<(), Down> {
        loop {
            if self.delivered.is_none() {
                self.consume().await?;
            }
            let ended = self.shared.said().ended;
            let now = Instant::now();
            self.look_after(now).await?;
            self.publish(now);
            if ended && self.flying.is_none() && (self.claimed.is_some() || !self.shared.said().outbox.waits()) {
                let bye = envelope::bye(&self.options.server, self.kept.epoch);
                nats::publish(&mut self.wire.out, &self.presence, None, bye.as_bytes());
                return self.wire.flush().await;
            }
            self.wire.flush().await?;
            match self.event().await? {
                Event::Frame(frame) => {
                    self.handle(frame).await?;
                    while let Some(frame) = self.wire.read_before()? {
                        self.handle(frame).await?;
                    }
                }
                Event::Other => {}
            }
        }
    }

    /// Waits until something happens.
    async fn event(&mut self) -> Result<Event, Down> {
        let next = self.next();
        let (wire, shared) = (&mut self.wire, self.shared);
        let frame = async { wire.next().await.map(Event::Frame) };
        let said = async {
            shared.woken().await;
            Ok(Event::Other)
        };
        let time = async {
            Timer::at(next).await;
            Ok(Event::Other)
        };
        frame.or(said).or(time).await
    }

    /// When there is something to do even if nothing happens.
    fn next(&self) -> Instant {
        let silence = (self.heard.max(self.asked_at) + ASKED_AFTER).min(self.heard + DOWN_AFTER);
        let silence = silence.min(self.consumer_heard + DOWN_AFTER);
        let flying = self.flying.as_ref().map(|flying| {
            let late = flying.since + ACKNOWLEDGED;
            flying.refused.as_ref().map_or(late, |(_, again)| late.min(*again))
        });
        let tell = self.claimed.unwrap_or(self.tell);
        [flying, self.kept.peers.next()].into_iter().flatten().fold(silence.min(tell), Instant::min)
    }

    // ---- the stream and its consumer

    async fn find_stream(&mut self) -> Result<(), Down> {
        let room = &self.options.broker.room;
        let config = jetstream::stream_config(room, &self.lines);
        let (create, info) = (jetstream::stream_create(room), jetstream::stream_info(room));
        let answer = self.ask(&create, config.as_bytes()).await?;
        let stream = match jetstream::stream(&answer) {
            // Somebody has made it otherwise, larger perhaps.
            Err(Refused::OtherConfiguration) => jetstream::stream(&self.ask(&info, b"").await?)?,
            stream => stream?,
        };
        if !stream.subjects.iter().any(|pattern| covers(pattern, self.lines.as_str())) {
            return Err(Down::OtherStream);
        }
        let younger = |kept: &Option<(String, u64)>| {
            kept.as_ref().is_some_and(|(created, seq)| *created != stream.created || stream.last_seq < *seq)
        };
        // What the broker had acknowledged is lost: its store was wiped, or its power was cut.
        if younger(&self.kept.stored) {
            self.shared.said().outbox.again();
        }
        let all = self
            .kept
            .read
            .as_ref()
            .is_some_and(|(created, next)| *created != stream.created || stream.last_seq.saturating_add(1) < *next);
        if all {
            self.kept.read = Some((stream.created.clone(), 1));
        }
        if self.kept.read.is_none() {
            self.kept.read = Some((stream.created.clone(), stream.last_seq.saturating_add(1)));
        }
        self.created = stream.created;
        Ok(())
    }

    /// Has a consumer send what was not read yet.
    async fn consume(&mut self) -> Result<(), Down> {
        if self.consumer > PRESENCE {
            nats::unsubscribe(&mut self.wire.out, self.consumer);
        }
        self.consumer += 1;
        let room = &self.options.broker.room;
        let number = Word::new(self.consumer.to_string()).expect("digits");
        let deliver = self.deliveries.clone().then(&number);
        // Before the consumer is made, because it looks for whoever has subscribed.
        nats::subscribe(&mut self.wire.out, &deliver, self.consumer);
        self.delivered = Some(1);
        let start = self.kept.read.as_ref().map_or(1, |(_, next)| *next);
        let config = jetstream::consumer_config(room, &self.lines, &deliver, start);
        let create = jetstream::consumer_create(room);
        let answer = self.ask(&create, config.as_bytes()).await?;
        jetstream::consumer(&answer)?;
        self.consumer_heard = Instant::now();
        Ok(())
    }

    /// Asks for something, and returns the answer. What comes meanwhile is heard.
    async fn ask(&mut self, subject: &Subject, request: &[u8]) -> Result<Msg, Down> {
        let answer = self.new_answer();
        nats::publish(&mut self.wire.out, subject, Some(&answer), request);
        self.wire.flush().await?;
        let until = Instant::now() + ANSWERED;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match within(left, self.wire.next()).await.ok_or(Down::Slow("its answer"))?? {
                Frame::Msg(msg) if msg.sid == ANSWERS && msg.subject == answer.as_str() => return Ok(msg),
                frame => self.handle(frame).await?,
            }
            self.wire.flush().await?;
        }
    }

    fn new_answer(&mut self) -> Subject {
        self.asked += 1;
        self.answers.clone().then(&Word::new(self.asked.to_string()).expect("digits"))
    }

    // ---- what is sent

    /// Does what it is time for, and finds out that the broker is down.
    async fn look_after(&mut self, now: Instant) -> Result<(), Down> {
        while let Some(server) = self.kept.peers.expire(now) {
            self.room.unlinked(&server).await;
        }
        if now >= self.heard + DOWN_AFTER || now >= self.consumer_heard + DOWN_AFTER {
            return Err(Down::Silent(DOWN_AFTER.as_secs()));
        }
        if now >= self.heard.max(self.asked_at) + ASKED_AFTER {
            nats::ping(&mut self.wire.out);
            self.asked_at = now;
        }
        if let Some(flying) = &self.flying {
            if now >= flying.since + ACKNOWLEDGED {
                let refused = flying.refused.clone().map(|(why, _)| Down::Refused(why));
                return Err(refused.unwrap_or(Down::NotAcknowledged(ACKNOWLEDGED.as_secs())));
            }
        }
        if self.claimed.is_some_and(|until| now >= until) {
            // Nobody has said that the name is theirs.
            self.claimed = None;
            if !self.shared.said().outbox.waits() {
                self.works().await;
            }
        }
        if self.claimed.is_none() {
            self.tell_who_is_here(now).await;
        }
        Ok(())
    }

    /// Tells the others who is here, when it is time for that.
    async fn tell_who_is_here(&mut self, now: Instant) {
        let moved = self.shared.said().moved;
        if moved {
            self.tell = self.tell.min(self.told.map_or(now, |told| told + TOLD_AGAIN));
        }
        if now < self.tell {
            return;
        }
        if std::mem::take(&mut self.shared.said().moved) || self.kept.revision == 0 {
            self.kept.revision += 1;
        }
        let (here, _) = self.room.names().await;
        for part in envelope::here(&self.options.server, self.kept.epoch, self.kept.revision, &here) {
            nats::publish(&mut self.wire.out, &self.presence, None, part.as_bytes());
        }
        (self.told, self.tell) = (Some(now), now + TOLD_EVERY);
    }

    /// Tells them soon, because somebody does not know yet.
    fn tell_soon(&mut self, now: Instant) {
        self.tell = self.tell.min(self.told.map_or(now, |told| (told + TOLD_AGAIN).max(now)));
    }

    /// Sends the next lines, if the last ones have arrived.
    fn publish(&mut self, now: Instant) {
        let again = self.flying.as_ref().map(|flying| flying.refused.as_ref().is_some_and(|(_, again)| now >= *again));
        if self.claimed.is_some() || again == Some(false) {
            return;
        }
        let Some(Batch { first, last, lines }) = self.shared.said().outbox.batch() else { return };
        let since = self.flying.take().filter(|flying| flying.first == first).map_or(now, |flying| flying.since);
        let origin = Origin { server: self.options.server.clone(), epoch: self.kept.epoch, first };
        let answer = self.new_answer();
        nats::publish_with_id(&mut self.wire.out, &self.lines, &answer, &origin.id(), lines.as_bytes());
        self.flying = Some(Flying { answer: self.asked, first, last, since, refused: None });
    }

    /// The broker has answered what was published.
    async fn acknowledged(&mut self, msg: &Msg) {
        let answer = msg.subject.rsplit('.').next().and_then(|number| number.parse().ok());
        let Some(flying) = self.flying.as_mut().filter(|flying| answer == Some(flying.answer)) else { return };
        let last = flying.last;
        match jetstream::ack(msg) {
            Ok(ack) => self.kept.stored = Some((self.created.clone(), ack.seq)),
            // It never will be taken: the others see that something is missing.
            Err(Refused::TooLarge) => {}
            Err(why) => {
                flying.refused = Some((why, Instant::now() + REFUSED_FOR));
                return;
            }
        }
        self.flying = None;
        self.shared.said().outbox.arrived(last);
        self.works().await;
    }

    /// The link works, which the room is told if it had heard otherwise.
    async fn works(&mut self) {
        if self.kept.works {
            return;
        }
        let Options { broker, server } = self.options;
        self.kept.works = true;
        if !std::mem::replace(&mut self.kept.has_worked, true) {
            self.room.print(format!("This is {server} at {broker}.")).await;
        }
        if self.kept.told.take().is_some() {
            self.room.warn(format!("dynasti: the link to {broker} is back"));
            self.room.note(Message::link_back(broker)).await;
        }
    }

    // ---- what comes

    async fn handle(&mut self, frame: Frame) -> Result<(), Down> {
        self.heard = Instant::now();
        let (msg, whole) = match self.wire.answer(frame) {
            None => return Ok(()),
            Some(Frame::Error(error)) => return Err(Down::said(&error)),
            Some(Frame::TooLarge(msg, _)) => (msg, false),
            Some(Frame::Msg(msg)) => (msg, true),
            Some(_) => return Ok(()),
        };
        match msg.sid {
            ANSWERS => self.acknowledged(&msg).await,
            PRESENCE if whole => self.hear_of(&msg).await?,
            sid if sid == self.consumer => self.delivered(&msg, whole).await?,
            _ => {}
        }
        Ok(())
    }

    /// The consumer has sent something.
    async fn delivered(&mut self, msg: &Msg, whole: bool) -> Result<(), Down> {
        let Some(next) = self.delivered else { return Ok(()) };
        self.consumer_heard = self.heard;
        match jetstream::sent(msg) {
            Sent::Message(place) if place.consumer_seq == next => {
                self.delivered = Some(next + 1);
                if let Some((_, read)) = &mut self.kept.read {
                    *read = place.stream_seq.saturating_add(1);
                }
                if whole {
                    self.hear(msg).await;
                }
            }
            Sent::Message(_) => self.delivered = None,
            Sent::Heartbeat { consumer_seq, .. } if consumer_seq.saturating_add(1) != next => self.delivered = None,
            Sent::Heartbeat { stalled, .. } => {
                stalled.iter().for_each(|to| nats::publish(&mut self.wire.out, to, None, b""));
            }
            Sent::FlowControl(to) => nats::publish(&mut self.wire.out, &to, None, b""),
            // The consumer is gone, and perhaps the stream with it.
            Sent::Other(Some(status)) if status >= 400 => return Err(Down::Refused(Refused::NotFound)),
            Sent::Other(_) => {}
        }
        Ok(())
    }

    /// Lets the room hear a message of another server.
    async fn hear(&mut self, msg: &Msg) {
        let Options { server: me, .. } = self.options;
        let origin = msg.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id")).and_then(Origin::read);
        // What this server said, in this epoch or an earlier one, it has heard.
        let Some(origin) = origin.filter(|origin| origin.server != *me) else { return };
        let Some(text) = std::str::from_utf8(&msg.payload).ok().filter(|text| text.len() <= MAX_MESSAGE) else {
            return;
        };
        let count = text.split_terminator('\n').count();
        let fresh = if count == 0 { None } else { self.kept.peers.lines(&origin, count as u64, self.heard) };
        let Some(Fresh { missed, old }) = fresh else { return };
        let mut said = Vec::new();
        if missed > 0 {
            said.push(Elsewhere::Missed(missed, origin.server.clone()));
        }
        for line in text.split_terminator('\n').skip(usize::try_from(old).unwrap_or(usize::MAX)) {
            let Some(line) = envelope::received(line, &origin.server, me) else { continue };
            if matches!(line, Elsewhere::Joined(_) | Elsewhere::Left(..) | Elsewhere::Renamed(..)) {
                self.kept.peers.changed(&origin.server);
            }
            match (said.last_mut(), line) {
                // What one member says at once is one entry of the log.
                (Some(Elsewhere::Said(before, lines)), Elsewhere::Said(name, line)) if before.key() == name.key() => {
                    lines.append(&line);
                }
                (_, line) => said.push(line),
            }
        }
        self.sending.sent(count, text.len(), self.heard);
        let waited = self.room.hear(said, self.sending.manner()).await;
        self.waited(waited);
    }

    /// The room was waited for: meanwhile nobody looked whether the broker had a word.
    fn waited(&mut self, time: Duration) {
        self.sending.waited(time);
        self.heard += time;
        self.consumer_heard += time;
        if let Some(flying) = &mut self.flying {
            flying.since += time;
        }
    }

    /// A server says something of itself.
    async fn hear_of(&mut self, msg: &Msg) -> Result<(), Down> {
        let payload = std::str::from_utf8(&msg.payload).ok().filter(|text| text.len() <= MAX_MESSAGE);
        let Some((server, epoch, presence)) = payload.and_then(envelope::presence) else { return Ok(()) };
        let now = self.heard;
        if server == self.options.server {
            return self.hear_of_namesake(epoch, &presence);
        }
        match presence {
            Presence::Hello => self.tell_soon(now),
            Presence::Here(here) => {
                let Some(heard) = self.kept.peers.here(&server, epoch, &here, now) else { return Ok(()) };
                if let Some(names) = heard.members {
                    self.room.linked(&server, names).await;
                }
                if heard.is_new {
                    self.tell_soon(now);
                }
            }
            Presence::Bye => {
                if self.kept.peers.bye(&server, epoch) {
                    self.room.unlinked(&server).await;
                }
            }
            Presence::Mine => {}
        }
        Ok(())
    }

    /// Another server has this one's name. Who has it already keeps it.
    fn hear_of_namesake(&mut self, epoch: Epoch, presence: &Presence<'_>) -> Result<(), Down> {
        let mine = self.kept.epoch;
        let yields = match presence {
            _ if epoch == mine => return Ok(()),
            Presence::Bye => return Ok(()),
            // Both come at the same time, or both have it since they could not hear each other: who began earlier keeps it.
            Presence::Hello => self.claimed.is_some() && epoch < mine,
            Presence::Here(_) | Presence::Mine => self.claimed.is_some() || epoch < mine,
        };
        if yields {
            return Err(Down::NameTaken(self.options.server.clone()));
        }
        let word = envelope::mine(&self.options.server, mine);
        nats::publish(&mut self.wire.out, &self.presence, None, word.as_bytes());
        Ok(())
    }
}

/// Returns whether a version is older than 2.9, which has all that is asked for here.
fn is_old(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version < (2, 9))
}

/// Returns whether a stream's subject, perhaps with wildcards, takes what is published on another.
fn covers(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

// A consumer shows that it is there several times before it counts as gone.
const _: () = assert!(HEARTBEAT * 3 <= DOWN_AFTER.as_secs());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_that_are_too_old() {
        for (version, old) in
            [("2.8.4", true), ("1.10.0", true), ("2.9.0", false), ("2.10.1-RC.1", false), ("3.0", false), ("x", false)]
        {
            assert_eq!(is_old(version), old, "{version}");
        }
    }

    #[test]
    fn what_a_stream_s_subjects_take() {
        for (pattern, covered) in [
            ("dynasti.ship.lines", true),
            ("dynasti.*.lines", true),
            ("dynasti.>", true),
            (">", true),
            ("dynasti.ship", false),
            ("dynasti.ship.lines.>", false),
            ("dynasti.ship.lines.x", false),
            ("dynasti.*", false),
            ("", false),
        ] {
            assert_eq!(covers(pattern, "dynasti.ship.lines"), covered, "{pattern}");
        }
    }
}
