//! Browsers' sessions. A session is a member of the room: a reader of its log, which outlives the stream that reads it.
//!
//! Knows nothing of HTTP, and of sockets only that a session's stream is one.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard as StdMutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_channel::{Receiver, Sender};
use async_lock::Mutex;
use smol::Async;

use super::events::{self, Heard};
use crate::access::admission::Permit;
use crate::access::holders::Holders;
use crate::access::talk::Talk;
use crate::room::{Id, MAX_WRITE, Reader, Room, Size, Written};
use crate::text::message::{Cause, Message};

/// How long a session lives without a stream: the contract's two minutes, for a phone in a pocket.
const WITHOUT_STREAM: Duration = Duration::from_secs(120);

/// How far a session can go back behind what was written to it, because written is not received: the contract's 256 lines or
/// 32 KiB.
const BACK: Size = Size { lines: 256, bytes: 32 * 1024 };

/// What all sessions together keep for that. Past it, a session keeps a sixteenth of `BACK`. A thousand that keep all would take
/// half of what the contract gives the server.
const MAX_KEPT: usize = 12 * 1024 * 1024;

/// How many repeated requests a session recognizes. A page sends one at a time.
const KEYS: usize = 16;

/// What names a session, and is its key: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Token(u128);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(super) fn random() -> std::io::Result<Token> {
        let mut bytes = [0; 16];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
        }
        Ok(Token(u128::from_ne_bytes(bytes)))
    }

    /// Reads what [`Token::to_string`] writes.
    pub(super) fn read(text: &str) -> Option<Token> {
        let plain = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| plain).map(Token)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Token {
    /// Nothing shows it but the answer to whoever it was made for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: Id,
    pub(super) token: Token,
    pub(super) address: SocketAddr,
    /// What it says, a request at a time.
    pub(super) saying: Mutex<Saying>,
    /// What it hears. Its stream has this for as long as it runs.
    pub(super) feed: Mutex<Feed>,
    stream: StdMutex<Streaming>,
    _permit: Permit,
}

/// A session's side of the conversation.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) talk: Talk,
    /// The keys of the last requests that were done.
    keys: VecDeque<String>,
}

impl Saying {
    /// Returns whether the request with this key was done before.
    pub(super) fn was_done(&self, key: Option<&str>) -> bool {
        key.is_some_and(|key| self.keys.iter().any(|done| done == key))
    }

    /// The request with this key is done.
    pub(super) fn done(&mut self, key: Option<String>) {
        if let Some(key) = key {
            if self.keys.len() == KEYS {
                self.keys.pop_front();
            }
            self.keys.push_back(key);
        }
    }
}

/// Whether a session has a stream.
#[derive(Debug)]
enum Streaming {
    /// It has. Dropping this ends the stream.
    Now(#[expect(dead_code, reason = "it is held to be dropped")] Sender<Infallible>),
    /// It has none since then.
    NotSince(Instant),
}

/// What a session hears, as numbered events.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) reader: Reader,
    /// Events that are not sent yet, and those to which the session can go back.
    events: VecDeque<(u64, Box<[u8]>)>,
    bytes: usize,
    /// The number of the next event.
    next: u64,
    /// The number of the last event that was sent.
    sent: u64,
    /// Whether the last words are among the events, or were.
    over: bool,
    kept: Arc<AtomicUsize>,
}

impl Feed {
    /// Reads more of what there is to hear.
    pub(super) async fn read(&mut self, room: &Room) -> Written {
        let mut pieces = Vec::new();
        let written = self.reader.pieces(MAX_WRITE, |piece| {
            let text = String::from_utf8_lossy(piece.text).into_owned();
            pieces.push((piece.at, piece.author, piece.last, text));
        });
        if self.reader.was_watched() {
            room.relieve().await;
        }
        for (at, author, last, text) in pieces {
            let at = at.unwrap_or_else(SystemTime::now);
            let author = match author {
                Some(author) if text.starts_with("* ") => room.name_of(author).await,
                _ => None,
            };
            let author = author.as_ref().map(|name| name.as_str());
            let lines: Vec<&str> = text.lines().collect();
            for (n, line) in lines.iter().enumerate() {
                let last = last && n + 1 == lines.len();
                let event = events::event(self.next, Heard { line, at, author, last });
                self.bytes += event.len();
                self.kept.fetch_add(event.len(), Relaxed);
                self.events.push_back((self.next, event.into()));
                self.next += 1;
            }
        }
        self.over |= matches!(written, Written::End(_));
        written
    }

    /// Whether nothing will be heard any more.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Where a stream goes on: after the event that the client has, or else after the last that was sent.
    pub(super) fn position(&self, after: Option<u64>) -> u64 {
        after.unwrap_or(self.sent).min(self.next - 1)
    }

    /// How many events after this one are not kept any more.
    pub(super) fn missing_after(&self, position: u64) -> u64 {
        let first = self.events.front().map_or(self.next, |(number, _)| *number);
        first - 1 - position.min(first - 1)
    }

    /// Returns events after this one, as many as one write is given, and the number of the last of them.
    pub(super) fn after(&self, position: u64) -> Option<(Vec<u8>, u64)> {
        let from = self.events.partition_point(|(number, _)| *number <= position);
        let (mut bytes, mut last) = (Vec::new(), None);
        for (number, event) in self.events.range(from..) {
            if last.is_some() && bytes.len() + event.len() > MAX_WRITE {
                break;
            }
            bytes.extend_from_slice(event);
            last = Some(*number);
        }
        Some((bytes, last?))
    }

    /// Notes that events up to this one were sent, and forgets those to which the session does not go back.
    pub(super) fn sent(&mut self, number: u64) {
        self.sent = self.sent.max(number);
        let share = if self.kept.load(Relaxed) > MAX_KEPT { 16 } else { 1 };
        let (lines, bytes) = (BACK.lines / share, BACK.bytes as usize / share as usize);
        while let Some((first, event)) = self.events.front() {
            if *first > self.sent || (self.next - first <= lines && self.bytes <= bytes) {
                break;
            }
            self.bytes -= event.len();
            self.kept.fetch_sub(event.len(), Relaxed);
            self.events.pop_front();
        }
        self.events.shrink_to(self.events.len() * 2);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.kept.fetch_sub(self.bytes, Relaxed);
    }
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    by_token: StdMutex<HashMap<Token, Arc<Session>>>,
    holders: Arc<Holders>,
    /// Holds something when a session has come since the last look for those whose time is over.
    came: (Sender<()>, Receiver<()>),
    /// What all of them keep.
    kept: Arc<AtomicUsize>,
}

impl Sessions {
    pub(super) fn new(holders: Arc<Holders>) -> Sessions {
        let (by_token, kept) = (StdMutex::default(), Arc::default());
        Sessions { by_token, holders, came: async_channel::bounded(1), kept }
    }

    /// Makes a session of somebody who is a member of the room now.
    pub(super) fn begin(&self, token: Token, permit: Permit, reader: Reader, talk: Talk) {
        // Nobody reads yet: who types waits for no stream that may never come.
        reader.pause();
        let (id, address, kept) = (reader.id(), permit.address(), Arc::clone(&self.kept));
        let feed = Feed { reader, events: VecDeque::new(), bytes: 0, next: 1, sent: 0, over: false, kept };
        let session = Session {
            id,
            token,
            address,
            saying: Mutex::new(Saying { talk, keys: VecDeque::new() }),
            feed: Mutex::new(feed),
            stream: StdMutex::new(Streaming::NotSince(Instant::now())),
            _permit: permit,
        };
        self.holders.insert_session(id, address.ip(), None);
        self.by_token().insert(token, Arc::new(session));
        let _ = self.came.0.try_send(());
    }

    pub(super) fn get(&self, token: Token) -> Option<Arc<Session>> {
        self.by_token().get(&token).cloned()
    }

    /// Forgets a session.
    pub(super) fn remove(&self, session: &Session) {
        self.holders.remove(session.id);
        self.by_token().remove(&session.token);
    }

    /// A stream begins, which ends the one before it. What is returned is closed when another begins.
    pub(super) fn begin_stream(&self, session: &Session, stream: &Arc<Async<TcpStream>>) -> Receiver<Infallible> {
        let (end, ended) = async_channel::bounded(1);
        *session.stream() = Streaming::Now(end);
        self.holders.insert_session(session.id, session.address.ip(), Some(stream));
        ended
    }

    /// That stream has ended, and no other has begun.
    pub(super) fn end_stream(&self, session: &Session) {
        *session.stream() = Streaming::NotSince(Instant::now());
        if self.by_token().contains_key(&session.token) {
            self.holders.insert_session(session.id, session.address.ip(), None);
        }
    }

    /// Waits until a session has come.
    pub(super) async fn came(&self) {
        let _ = self.came.1.recv().await;
    }

    /// Ends sessions that have been without a stream for too long. Returns whether any are left.
    pub(super) async fn expire(&self, room: &Room, now: Instant) -> bool {
        let late: Vec<Arc<Session>> =
            self.by_token().values().filter(|session| session.is_late(now)).map(Arc::clone).collect();
        for session in late {
            self.remove(&session);
            room.leave(session.id, Some(Cause::ConnectionLost), Message::default()).await;
        }
        !self.by_token().is_empty()
    }

    fn by_token(&self) -> StdMutexGuard<'_, HashMap<Token, Arc<Session>>> {
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn stream(&self) -> StdMutexGuard<'_, Streaming> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_late(&self, now: Instant) -> bool {
        matches!(*self.stream(), Streaming::NotSince(since) if since + WITHOUT_STREAM <= now)
    }
}
