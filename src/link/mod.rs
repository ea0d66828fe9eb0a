//! How one room is on several servers: through a broker, which speaks NATS and keeps what is said in a stream.
//!
//! ```text
//! room's log → reader → outbox → envelope → jetstream → nats → bytes → broker
//! room ← peers (once, in order) ← envelope (checked) ← jetstream ← nats ← bytes ← broker
//! ```
//!
//! The link is one more reader of the log, and one more speaker. One task reads the log into the outbox, whether there is
//! a connection or not; so the room waits for nothing here. Another task keeps a connection (`session`), and another one
//! after it is lost. What comes is as little trusted as what a client sends.
//!
//! Knows nothing of how anybody gets into the room.
#![doc = include_str!("scale.md")]

mod broker;
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
mod wire;

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

/// How long to wait before the broker is tried again: twice as long each time, from the first to the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(30);

/// How long the last lines and the goodbye have, when the server stops.
const STOPPING: Duration = Duration::from_millis(700);

/// What is linked.
#[derive(Clone, Debug)]
pub struct Options {
    /// Through which broker, and in which room there.
    pub broker: Broker,
    /// What this server is called there.
    pub server: Server,
}

/// What the two tasks share.
#[derive(Debug)]
struct Shared {
    said: Mutex<Said>,
    /// Holds something when something was said, or the room has ended.
    wake: Sender<()>,
    woken: Receiver<()>,
}

/// What the room has said.
#[derive(Debug, Default)]
struct Said {
    outbox: Outbox,
    /// Whether somebody has come, gone, or changed the name since the last look.
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
        // This struct has both ends, so the channel stays open.
        let _ = self.woken.recv().await;
    }
}

/// Links the room with those of other servers, until the room ends what reads it. Then returns when the last lines are on
/// their way, or after a moment.
pub async fn run(options: Options, room: &Room, reader: Reader) {
    let (wake, woken) = async_channel::bounded(1);
    let shared = Shared { said: Mutex::default(), wake, woken };
    let reading = async {
        read(&shared, reader).await;
        Timer::after(STOPPING).await;
    };
    reading.or(keep(&options, room, &shared)).await;
}

/// Reads the log into the outbox, until the room ends that.
async fn read(shared: &Shared, mut reader: Reader) {
    loop {
        // An error means that the reader is to end, which is learned by reading.
        let _ = reader.notified().await;
        let written = {
            let mut said = shared.said();
            said.outbox.skip(reader.take_lost());
            reader.pieces(|piece| {
                let text = std::str::from_utf8(piece.text).unwrap_or_default();
                for line in text.lines() {
                    let spoken = Spoken::read(line);
                    said.moved |= matches!(spoken, Spoken::Joined(_) | Spoken::Left(_) | Spoken::Renamed(..));
                    if let Some(line) = envelope::sent(line, spoken, piece.actor) {
                        said.outbox.put(line);
                    }
                }
                true
            })
        };
        let ended = matches!(written, Written::End(_));
        shared.said().ended |= ended;
        // If the channel is full, the other task is about to look.
        let _ = shared.wake.try_send(());
        if ended {
            return;
        }
    }
}

/// Keeps a connection, and another one after it is lost, until the room has ended.
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
        // One that ends at once whenever it works is tried less and less often, too: the room hears of each time.
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

/// Waits before the next attempt. Other servers that have been silent for too long are not linked any more. Returns
/// whether the room has ended.
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

/// A new epoch, as soon as the system has random numbers.
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
