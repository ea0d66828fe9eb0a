//! Browsers' sessions. A session is a member of the room, and has a reader of its log. It outlives the event stream
//! that writes what that reader reads: a page that is loaded again, or a phone that slept, opens another stream.
//!
//! Knows nothing of HTTP. Of sockets it knows only that a stream has one.

use std::collections::{HashMap, VecDeque};
use std::future::{self, Future};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard as StdMutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use async_lock::Mutex;
use smol::Async;

use super::feed::{Common, Feed};
use crate::access::admission::Permit;
use crate::access::holders::Holders;
use crate::access::talk::Talk;
use crate::files::Files;
use crate::room::{Id, Reader, Room};
use crate::text::message::{Cause, Message};
use crate::token::Token;

/// How long a session lives without a stream: the contract's two minutes, for a phone in a pocket.
const WITHOUT_STREAM: Duration = Duration::from_secs(120);

/// How many of the last requests a session knows again when they are repeated. A page sends one at a time.
const KEYS: usize = 16;

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: Id,
    pub(super) token: Token,
    pub(super) address: SocketAddr,
    /// What it says. A request holds this lock, so that requests are done one after the other.
    pub(super) saying: Mutex<Saying>,
    /// What it hears. A stream holds this lock for as long as it runs.
    pub(super) feed: Mutex<Feed>,
    streams: StdMutex<Streams>,
    _permit: Permit,
}

/// A session's side of the conversation.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) talk: Talk,
    /// The keys of the last requests, and how many bytes of each are done.
    keys: VecDeque<(String, usize)>,
}

impl Saying {
    /// Returns how many bytes of the request with this key were done before.
    pub(super) fn done_of(&self, key: Option<&str>) -> usize {
        let known = key.and_then(|key| self.keys.iter().find(|(known, _)| known == key));
        known.map_or(0, |(_, done)| *done)
    }

    /// Notes that so many bytes of the request with this key are done.
    pub(super) fn done(&mut self, key: Option<String>, bytes: usize) {
        let Some(key) = key else { return };
        self.keys.retain(|(known, _)| *known != key);
        if self.keys.len() == KEYS {
            self.keys.pop_front();
        }
        self.keys.push_back((key, bytes));
    }
}

/// Whether a session has a stream.
#[derive(Debug)]
struct Streams {
    /// The number of the stream that began last.
    number: u64,
    /// When the last stream ended, if none runs.
    none_since: Option<Instant>,
    /// Wakes the stream, so that it ends, when another begins.
    waker: Option<Waker>,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    by_token: StdMutex<HashMap<Token, Arc<Session>>>,
    holders: Arc<Holders>,
    /// Holds something if a session has begun since the task that ends sessions went to sleep.
    came: (Sender<()>, Receiver<()>),
    /// What their feeds share.
    feeds: Arc<Common>,
}

impl Sessions {
    pub(super) fn new(holders: Arc<Holders>, files: Option<Arc<Files>>) -> Sessions {
        let (by_token, feeds) = (StdMutex::default(), Arc::new(Common::new(files)));
        Sessions { by_token, holders, came: async_channel::bounded(1), feeds }
    }

    /// Begins the session of a new member.
    pub(super) fn begin(&self, token: Token, permit: Permit, reader: Reader, talk: Talk) {
        // Until there is a stream nobody reads, and members who send in bulk must not wait for this reader.
        reader.pause();
        let (id, address) = (reader.id(), permit.address());
        let feed = Feed::new(reader, Arc::clone(&self.feeds));
        let session = Session {
            id,
            token,
            address,
            saying: Mutex::new(Saying { talk, keys: VecDeque::new() }),
            feed: Mutex::new(feed),
            streams: StdMutex::new(Streams { number: 0, none_since: Some(Instant::now()), waker: None }),
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

    /// Notes that a stream begins, and ends the one before it. Returns its number, for [`Session::replaced`].
    pub(super) fn begin_stream(&self, session: &Session, stream: &Arc<Async<TcpStream>>) -> u64 {
        let mut streams = session.streams();
        streams.number += 1;
        streams.none_since = None;
        if let Some(waker) = streams.waker.take() {
            waker.wake();
        }
        self.holders.insert_session(session.id, session.address.ip(), Some(stream));
        streams.number
    }

    /// Notes that the stream with this number has ended.
    pub(super) fn end_stream(&self, session: &Session, number: u64) {
        let mut streams = session.streams();
        if streams.number != number {
            return;
        }
        (streams.none_since, streams.waker) = (Some(Instant::now()), None);
        drop(streams);
        if self.by_token().contains_key(&session.token) {
            self.holders.insert_session(session.id, session.address.ip(), None);
        }
    }

    /// Waits until a session has begun.
    pub(super) async fn came(&self) {
        let _ = self.came.1.recv().await;
    }

    /// Ends sessions that have been without a stream for too long. Returns whether any are left.
    pub(super) async fn expire(&self, room: &Room, now: Instant) -> bool {
        let late: Vec<Arc<Session>> =
            self.by_token().values().filter(|session| session.is_late(now)).map(Arc::clone).collect();
        for session in late.into_iter().filter(|session| session.is_late(now)) {
            self.remove(&session);
            room.leave(session.id, Some(Cause::ConnectionLost), Message::default()).await;
        }
        // A session that was dropped while it had no stream must keep nothing of the log in memory.
        let all: Vec<Arc<Session>> = self.by_token().values().map(Arc::clone).collect();
        for session in all {
            if let Some(mut feed) = session.feed.try_lock() {
                feed.read_out(room).await;
            }
        }
        !self.by_token().is_empty()
    }

    fn by_token(&self) -> StdMutexGuard<'_, HashMap<Token, Arc<Session>>> {
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn streams(&self) -> StdMutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another stream than this one has begun.
    pub(super) fn replaced(&self, number: u64) -> impl Future<Output = ()> {
        future::poll_fn(move |cx| {
            let mut streams = self.streams();
            if streams.number != number {
                return Poll::Ready(());
            }
            match &mut streams.waker {
                // Nearly always it is the same waker, and then this copies nothing.
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
    }

    fn is_late(&self, now: Instant) -> bool {
        self.streams().none_since.is_some_and(|since| since + WITHOUT_STREAM <= now)
    }
}
