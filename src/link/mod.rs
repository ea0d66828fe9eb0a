//! How one room is on several servers: they send each other lines through a NATS broker, which keeps the lines in a
//! stream.
//!
//! ```text
//! room's log → reader → outbox → envelope → jetstream → nats → bytes → broker
//! room ← peers (once, in order) ← envelope (checked) ← jetstream ← nats ← bytes ← broker
//! ```
//!
//! The link is one more reader of the log, and one more speaker. `read` reads the log into the outbox, with or without
//! a connection, so the room never waits for the broker. `keep` has a connection (`session`), and opens the next one
//! when it is lost. What comes from the broker is trusted no more than what a client sends.
//!
//! Standard error says when the link is down, and why: the reasons are in `down`. Knows nothing of how anybody gets
//! into the room.
#![doc = include_str!("scale.md")]

mod broker;
mod connection;
mod down;
mod envelope;
mod jetstream;
mod json;
mod kept;
mod login;
mod nats;
mod outbox;
mod peers;
mod session;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use smol::Timer;

pub use self::broker::Broker;
use self::envelope::Epoch;
use self::kept::Kept;
use self::outbox::Outbox;
use self::peers::Peers;
use self::session::Session;
use crate::room::{Elsewhere, Manner, Reader, Room, Written};
use crate::text::server::Server;
use crate::text::spoken::Spoken;
use crate::token::Token;
use crate::within::within;

/// How long to wait before the broker is tried again: first this long, then twice as long each time, up to the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(30);

/// How long it may take to send the last lines and the goodbye when the server stops.
const STOPPING: Duration = Duration::from_millis(700);

/// What the room is linked with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The broker, and the room there.
    pub broker: Broker,
    /// What this server is called there.
    pub server: Server,
}

/// What reading the log and keeping a connection share.
#[derive(Debug)]
struct Shared {
    said: Mutex<Said>,
    /// The channel holds something if something was said, or if the room has ended, since `woken` was last called.
    wake: Sender<()>,
    woken: Receiver<()>,
}

/// What this room has said, and what the other servers have not been told yet.
#[derive(Debug, Default)]
struct Said {
    outbox: Outbox,
    /// Whether somebody has come, left, or changed the name since the other servers were told who is here.
    moved: bool,
    /// Whether the room has ended: nothing more will be said.
    ended: bool,
}

impl Shared {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something was said, or the room has ended.
    async fn woken(&self) {
        // This struct has both ends of the channel, so it stays open.
        let _ = self.woken.recv().await;
    }
}

/// Links the room with those of other servers, until the room ends this reader. Then returns when the last lines are
/// sent, or after 0.7 s.
pub async fn run(options: Options, room: &Room, reader: Reader) {
    let (wake, woken) = async_channel::bounded(1);
    let shared = Shared { said: Mutex::default(), wake, woken };
    let reading = async {
        read(&shared, reader).await;
        Timer::after(STOPPING).await;
    };
    reading.or(keep(&options, room, &shared)).await;
}

/// Reads the log into the outbox, until the room ends this reader.
async fn read(shared: &Shared, mut reader: Reader) {
    loop {
        // An error means that the reader is to end: the next read says so.
        let _ = reader.notified().await;
        let written = {
            let mut said = shared.said();
            said.outbox.skip(reader.take_lost());
            reader.pieces(|piece| {
                for (text, actor) in piece.said().map(|its| (std::str::from_utf8(its.text), its.actor)) {
                    for line in text.unwrap_or_default().lines() {
                        let spoken = Spoken::read(line);
                        said.moved |= matches!(spoken, Spoken::Joined(_) | Spoken::Left(_) | Spoken::Renamed(..));
                        if let Some(line) = envelope::sent(line, spoken, actor) {
                            said.outbox.put(line);
                        }
                    }
                }
                piece.text.len()
            })
        };
        let ended = matches!(written, Written::End(_));
        shared.said().ended |= ended;
        // If the channel is full, the other side will look anyway.
        let _ = shared.wake.try_send(());
        if ended {
            return;
        }
    }
}

/// Has a connection, and opens the next one when it is lost, until the room has ended.
async fn keep(options: &Options, room: &Room, shared: &Shared) {
    let mut kept = Kept::new(epoch().await);
    let mut wait = FIRST_WAIT;
    loop {
        let begun = Instant::now();
        let done = match Session::open(options, room, shared, &mut kept).await {
            Ok(session) => session.run().await,
            Err(why) => Err(why),
        };
        let Err(why) = done else { return };
        // A link that works and soon breaks, again and again, is tried less and less often, too: the room is told each
        // time.
        if kept.works && begun.elapsed() > wait {
            wait = FIRST_WAIT;
        }
        kept.down(why, options, room).await;
        if pause(wait, room, shared, &mut kept.peers).await {
            return;
        }
        wait = (wait * 2).min(LAST_WAIT);
    }
}

/// Waits before the next attempt. Unlinks other servers that have been silent for too long. Returns whether the room
/// has ended.
async fn pause(wait: Duration, room: &Room, shared: &Shared, peers: &mut Peers) -> bool {
    let until = Instant::now() + wait;
    loop {
        if shared.said().ended {
            return true;
        }
        let now = Instant::now();
        while let Some(server) = peers.expire(now) {
            room.hear(vec![Elsewhere::Unlinked(server)], Manner::Typed, Duration::ZERO).await;
        }
        if now >= until {
            return false;
        }
        let next = peers.next().map_or(until, |next| next.min(until));
        within(next - now, shared.woken()).await;
    }
}

/// Returns a new epoch, as soon as the system has random numbers.
async fn epoch() -> Epoch {
    /// Early in a system's start there are none for some seconds.
    const AGAIN: Duration = Duration::from_millis(100);
    loop {
        match Token::random() {
            Ok(random) => return Epoch::new(SystemTime::now(), random),
            Err(_) => _ = Timer::after(AGAIN).await,
        }
    }
}
