//! Checks whether the holder of a name is still alive, when somebody else asks for that name.
//!
//! The holder's system has a few seconds to give a sign of life: it acknowledges what is in flight to it, or a
//! keepalive probe, or it sends something. A holder that does not read is alive, too: its system has said that it takes
//! nothing.
//!
//! In two cases a living holder is taken for dead. In the first, its network was away for more than ten seconds and is
//! back, but the next retransmission comes later than these few seconds. In the second, it does not read, and its
//! system drops what it has no room for without a word, as Linux did before version 6.6.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future;
use std::mem;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use smol::{Async, Timer};

use super::diag::{self, Flow};
use super::keepalive;
use crate::address::home;
use crate::room::{Id, Room};
use crate::text::message::{Cause, Message};

/// How long a holder's system has for a sign of life: the contract's 4 s, and one more. With nothing in flight, our own
/// system gives the connection up after 5 s at the latest (`keepalive`). Where the system has no sock_diag, only that
/// works: a holder with something in flight is then given up after 30 s, as always.
const SIGN_WITHIN: Duration = Duration::from_secs(5);

/// The connections and sessions that may hold a name.
#[derive(Debug)]
pub struct Holders {
    holders: Mutex<HashMap<Id, Holder>>,
    to_judge: (Sender<Probed>, Receiver<Probed>),
}

#[derive(Debug)]
struct Holder {
    address: IpAddr,
    stream: Weak<Async<TcpStream>>,
    /// Whether it is a browser's session, which outlives its connection.
    is_session: bool,
    /// Whether it was asked for a sign of life, and is not judged yet.
    probed: bool,
}

/// A holder that was asked for a sign of life at this time.
#[derive(Debug)]
struct Probed {
    id: Id,
    stream: Weak<Async<TcpStream>>,
    at: Instant,
}

impl Default for Holders {
    /// Nobody.
    fn default() -> Holders {
        // The channel holds each connection once, for as long as `SIGN_WITHIN`.
        Holders { holders: Mutex::default(), to_judge: async_channel::unbounded() }
    }
}

impl Holders {
    /// Adds a connection, which ends together with its holder.
    pub(crate) fn insert(&self, id: Id, address: IpAddr, stream: &Arc<Async<TcpStream>>) {
        let stream = Arc::downgrade(stream);
        self.holders().insert(id, Holder { address, stream, is_session: false, probed: false });
    }

    /// Adds a session, which outlives its connection. The connection is the one of its stream, if it has one now.
    #[cfg(feature = "web")]
    pub(crate) fn insert_session(&self, id: Id, address: IpAddr, stream: Option<&Arc<Async<TcpStream>>>) {
        let stream = stream.map_or_else(Weak::new, Arc::downgrade);
        self.holders().insert(id, Holder { address, stream, is_session: true, probed: false });
    }

    pub(crate) fn remove(&self, id: Id) {
        self.holders().remove(&id);
    }

    /// Handles that somebody at an address asks for the name that this holder has: asks the holder's system for a sign
    /// of life. Gives up at once a session that has no connection and is of the same address. Returns whether it did.
    pub(crate) async fn ask(&self, room: &Room, id: Id, from: IpAddr) -> bool {
        let given_up = self.probe(id, from);
        if given_up {
            self.remove(id);
            room.leave(id, Some(Cause::ConnectionLost), Message::default()).await;
        }
        given_up
    }

    /// Does the part of [`Holders::ask`] that waits for nothing. Returns whether the holder is to be given up now.
    fn probe(&self, id: Id, from: IpAddr) -> bool {
        let mut holders = self.holders();
        let Some(holder) = holders.get_mut(&id) else { return false };
        let Some(stream) = holder.stream.upgrade() else {
            return holder.is_session && home(holder.address) == home(from);
        };
        if !mem::replace(&mut holder.probed, true) {
            // Something in flight is as good as a probe: it has to be acknowledged.
            if diag::flow(stream.get_ref()).map_or(true, |flow| flow.is_idle) {
                // If this fails, the connection is broken already.
                let _ = keepalive::hurry(stream.get_ref());
            }
            let _ = self.to_judge.0.try_send(Probed { id, stream: holder.stream.clone(), at: Instant::now() });
        }
        false
    }

    /// Sets the usual limits again, and lets it be probed again.
    fn found_alive(&self, id: Id, stream: &Async<TcpStream>) {
        if let Some(holder) = self.holders().get_mut(&id) {
            holder.probed = false;
        }
        let _ = keepalive::set(stream.get_ref());
    }

    fn is_session(&self, id: Id) -> bool {
        self.holders().get(&id).is_some_and(|holder| holder.is_session)
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<Id, Holder>> {
        // Each change is whole, whatever has panicked.
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the connections that have given no sign of life in time. Never returns.
pub(crate) async fn judge(room: &Room, holders: &Holders) -> Infallible {
    loop {
        // All have the same time, so the one that was asked first is due first.
        let Ok(Probed { id, stream, at }) = holders.to_judge.1.recv().await else { future::pending().await };
        Timer::at(at + SIGN_WITHIN).await;
        let Some(stream) = stream.upgrade() else { continue };
        let is_dead = diag::flow(stream.get_ref()).is_ok_and(|flow| is_dead(flow, at.elapsed()));
        match (is_dead, holders.is_session(id)) {
            (false, _) => holders.found_alive(id, &stream),
            (true, false) => room.leave(id, Some(Cause::ConnectionLost), Message::default()).await,
            // This ends its connection, and the session waits for another one. If this fails, the connection has ended.
            (true, true) => drop(stream.get_ref().shutdown(Shutdown::Both)),
        }
    }
}

/// Returns whether a connection whose peer was asked so long ago for a sign of life is dead.
///
/// One whose window is closed is not: its system acknowledges nothing that it has no room for.
fn is_dead(Flow { silent, window, .. }: Flow, since: Duration) -> bool {
    silent >= since && window.is_some_and(|window| window > 0)
}
