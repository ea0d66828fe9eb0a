//! One connection to a broker, from the login to the goodbye: it claims this server's name, sends what the outbox has,
//! and lets the room hear what comes.
//!
//! One message is on its way to the broker at a time, and is sent again until the broker acknowledges it. So each
//! server's lines are in the stream in their order. The broker numbers what it sends, so a lost message is noticed.

mod late;
mod lines;
mod presence;
mod stream;

use std::time::{Duration, Instant};

use futures_lite::FutureExt;
use smol::Timer;

use self::late::Late;
use self::lines::Flying;
use self::stream::Consumer;
use super::connection::Connection;
use super::down::Down;
use super::envelope;
use super::kept::Kept;
use super::login::log_in;
use super::nats::{self, Frame, Msg, Subject, Word};
use super::{Options, Shared};
use crate::room::{Elsewhere, Room, Sending};
use crate::token::Token;
use crate::within::within;

/// How long the broker may take to answer.
const ANSWERED: Duration = Duration::from_secs(5);

/// A broker that is silent for this long is sent a `PING`, and one that is silent for that long is down (contract).
const ASKED_AFTER: Duration = Duration::from_secs(10);
const DOWN_AFTER: Duration = Duration::from_secs(20);

/// How long another server has to say that the name is its own: longer than a message takes around the world and back.
const CLAIMED_FOR: Duration = Duration::from_millis(500);

/// The numbers of the subscriptions to answers and to presence messages. Those to consumers have the numbers after
/// these.
const ANSWERS: u64 = 1;
const PRESENCE: u64 = 2;

/// See the module's head.
pub(super) struct Session<'a> {
    options: &'a Options,
    room: &'a Room,
    shared: &'a Shared,
    kept: &'a mut Kept,
    connection: Connection,
    /// The subjects at which lines and presence messages are published.
    lines: Subject,
    presence: Subject,
    /// Answers come to subjects below this.
    answers: Subject,
    /// Consumers send to subjects below this.
    deliveries: Subject,
    /// How many answers were asked for.
    asked: u64,
    /// When the stream was made, in the broker's words.
    created: String,
    consumer: Consumer,
    /// The message that is on its way to the broker.
    flying: Option<Flying>,
    /// Until when another server may say that this server's name is its own. None once the name is ours.
    claimed: Option<Instant>,
    /// When anything last came from the broker, and when it was last sent a `PING`.
    heard: Instant,
    asked_at: Instant,
    /// When the other servers were last told who is here, and when they are to be told again.
    told: Option<Instant>,
    tell: Instant,
    /// How many names they were told then.
    told_names: usize,
    /// See [`Session::event`].
    timer: Timer,
    /// When the timer fires. None if it has fired.
    fires: Option<Instant>,
    sending: Sending,
    late: Late,
}

/// What happened.
enum Event {
    Frame(Frame),
    /// Something was said in this room, or something is due.
    Other,
}

impl<'a> Session<'a> {
    /// Connects and logs in, makes the stream and a consumer of it where needed, and claims the name.
    pub(super) async fn open(
        options: &'a Options,
        room: &'a Room,
        shared: &'a Shared,
        kept: &'a mut Kept,
    ) -> Result<Session<'a>, Down> {
        kept.works = false;
        let mut connection = Connection::dial(&options.broker).await?;
        let logged_in = within(ANSWERED, log_in(&mut connection, &options.broker, &options.server)).await;
        logged_in.ok_or(Down::Slow("its answer"))??;
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
            connection,
            lines: of_room("lines"),
            presence: of_room("presence"),
            answers: inbox.clone().then(&word("answers")),
            deliveries: inbox.then(&word("deliveries")),
            asked: 0,
            created: String::new(),
            consumer: Consumer::none(now),
            flying: None,
            claimed: None,
            heard: now,
            asked_at: now,
            told: None,
            tell: now,
            told_names: 0,
            timer: Timer::never(),
            fires: None,
            sending: Sending::new(now),
            late: Late::new(),
        };
        nats::subscribe_each(&mut session.connection.out, &session.answers, ANSWERS);
        nats::subscribe(&mut session.connection.out, &session.presence, PRESENCE);
        session.consume().await?;
        let hello = envelope::hello(&options.server, session.kept.epoch);
        session.say(&hello);
        session.connection.flush().await?;
        session.claimed = Some(Instant::now() + CLAIMED_FOR);
        Ok(session)
    }

    /// Sends and receives until the room has ended and the other servers were told so.
    pub(super) async fn run(mut self) -> Result<(), Down> {
        let done = self.talk().await;
        if done.is_err() {
            self.connection.abandon();
        }
        done
    }

    async fn talk(&mut self) -> Result<(), Down> {
        loop {
            let ended = self.shared.said().ended;
            let now = Instant::now();
            self.look_after(now).await?;
            self.publish(now);
            if ended && self.has_said_all() {
                let bye = envelope::bye(&self.options.server, self.kept.epoch);
                self.say(&bye);
                return self.connection.flush().await;
            }
            self.connection.flush().await?;
            if let Event::Frame(frame) = self.event().await? {
                self.handle(frame).await?;
                while let Some(frame) = self.connection.read_before()? {
                    self.handle(frame).await?;
                }
            }
        }
    }

    /// Waits until something happens.
    ///
    /// With each line the time at which something is due moves, nearly always to later. The timer is not set anew then:
    /// it fires early, once in some seconds. Setting it would wake the thread that waits for events, which takes seven
    /// of the 30 system calls of a line (counted).
    async fn event(&mut self) -> Result<Event, Down> {
        let next = self.next();
        if self.fires.is_none_or(|fires| next < fires) {
            self.timer.set_at(next);
            self.fires = Some(next);
        }
        let (connection, shared, timer, fires) = (&mut self.connection, self.shared, &mut self.timer, &mut self.fires);
        let frame = async { connection.next().await.map(Event::Frame) };
        let said = async {
            shared.woken().await;
            Ok(Event::Other)
        };
        let time = async {
            timer.await;
            *fires = None;
            Ok(Event::Other)
        };
        frame.or(said).or(time).await
    }

    /// Returns when something is due if nothing happens before.
    fn next(&self) -> Instant {
        let silence = (self.heard.max(self.asked_at) + ASKED_AFTER).min(self.heard + DOWN_AFTER);
        let tell = self.claimed.unwrap_or(self.tell);
        let flying = self.flying.as_ref().map(Flying::next);
        let others = [flying, self.kept.peers.next()].into_iter().flatten();
        others.fold(silence.min(tell).min(self.consumer.next()), Instant::min)
    }

    /// Does what is due.
    ///
    /// # Errors
    /// When the broker is found to be down.
    async fn look_after(&mut self, now: Instant) -> Result<(), Down> {
        while let Some(server) = self.kept.peers.expire(now) {
            self.unlink(server).await;
        }
        if now >= self.heard + DOWN_AFTER {
            return Err(Down::Silent(DOWN_AFTER.as_secs()));
        }
        if now >= self.heard.max(self.asked_at) + ASKED_AFTER {
            nats::ping(&mut self.connection.out);
            self.asked_at = now;
        }
        self.look_after_consumer(now).await?;
        self.look_after_flying(now).await?;
        if self.claimed.is_some_and(|until| now >= until) {
            // No other server has said that the name is its own.
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

    /// Sends a request, and waits for its answer. Other frames are handled meanwhile.
    async fn ask(&mut self, subject: &Subject, request: &[u8]) -> Result<Msg, Down> {
        let answer = self.new_answer();
        nats::publish(&mut self.connection.out, subject, Some(&answer), request);
        let until = Instant::now() + ANSWERED;
        loop {
            self.connection.flush().await?;
            let left = until.saturating_duration_since(Instant::now());
            // `within` lets a frame pass that is there at once, so in a flood of frames this would wait for ever.
            match within(left, self.connection.next())
                .await
                .filter(|_| !left.is_zero())
                .ok_or(Down::Slow("its answer"))??
            {
                Frame::Msg(msg) if msg.sid == ANSWERS && msg.subject == answer.as_str() => return Ok(msg),
                frame => self.handle(frame).await?,
            }
        }
    }

    /// Returns a subject for the next answer.
    fn new_answer(&mut self) -> Subject {
        self.asked += 1;
        self.answers.clone().then(&Word::new(self.asked.to_string()).expect("digits"))
    }

    /// Publishes a presence message of this server.
    fn say(&mut self, what: &str) {
        nats::publish(&mut self.connection.out, &self.presence, None, what.as_bytes());
    }

    /// Notes that the link works.
    async fn works(&mut self) {
        if !self.kept.works {
            self.kept.up(self.options, self.room).await;
        }
    }

    async fn handle(&mut self, frame: Frame) -> Result<(), Down> {
        self.heard = Instant::now();
        let (msg, whole) = match self.connection.answer(frame) {
            None => return Ok(()),
            Some(Frame::Error(error)) => return Err(Down::said(&error)),
            Some(Frame::TooLarge(msg, _)) => (msg, false),
            Some(Frame::Msg(msg)) => (msg, true),
            Some(_) => return Ok(()),
        };
        match msg.sid {
            ANSWERS => self.acknowledged(&msg).await,
            PRESENCE if whole => self.hear_of(&msg).await?,
            sid if sid == self.consumer.sid => self.delivered(&msg, whole).await,
            _ => {}
        }
        Ok(())
    }

    /// Publishes in the room what comes from other servers. `lines` and `bytes` are how much that is.
    async fn let_hear(&mut self, said: Vec<Elsewhere<'_>>, lines: usize, bytes: usize) {
        if said.is_empty() {
            return;
        }
        let begun = Instant::now();
        self.sending.sent(lines, bytes, begun);
        let time = self.room.hear(said, self.sending.manner(), self.late.left()).await;
        self.late.heard(bytes, time);
        // Nothing was read from the broker meanwhile, so its silence does not count.
        self.sending.waited(time);
        self.heard += time;
        self.consumer.waited(time);
        if let Some(flying) = &mut self.flying {
            flying.waited(time);
        }
    }
}
