//! Whether whoever holds a name is still there: looked into when somebody else asks for that name.
//!
//! The holder's system is asked for a sign of life, and has some seconds to give one: to acknowledge what is in flight to it, or a
//! keepalive probe. A holder that does not read is alive, whatever it does: its system has said that it takes nothing.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use smol::{Async, Timer};

use super::diag::{self, Flow};
use super::keepalive;
use crate::room::{Id, Room};
use crate::text::message::{Cause, Message};

/// How long a holder's system has for a sign of life: the contract's 4 s, and half of one more, because where nothing is in
/// flight the system itself gives up after 4 s at the latest (`keepalive`). It does so too where sock_diag is not to be had.
const SIGN_WITHIN: Duration = Duration::from_millis(4500);

/// The connections of all who may hold a name.
pub(crate) struct Holders {
    connections: Mutex<HashMap<Id, Holder>>,
    asked: Sender<Asked>,
}

struct Holder {
    stream: Weak<Async<TcpStream>>,
    /// Whether it is being looked into.
    asked: bool,
}

/// A holder that has to give a sign of life from a moment on.
pub(crate) struct Asked {
    id: Id,
    stream: Weak<Async<TcpStream>>,
    at: Instant,
}

impl Holders {
    /// Nobody, and who is asked: [`judge`] is to be run for them.
    pub(crate) fn new() -> (Holders, Receiver<Asked>) {
        // It holds each connection once at most.
        let (asked, to_judge) = async_channel::unbounded();
        (Holders { connections: Mutex::default(), asked }, to_judge)
    }

    pub(crate) fn insert(&self, id: Id, stream: &Arc<Async<TcpStream>>) {
        self.connections().insert(id, Holder { stream: Arc::downgrade(stream), asked: false });
    }

    pub(crate) fn remove(&self, id: Id) {
        self.connections().remove(&id);
    }

    /// Somebody asks for the name that this connection holds: its peer's system is asked for a sign of life.
    pub(crate) fn ask(&self, id: Id) {
        let mut connections = self.connections();
        let Some(holder) = connections.get_mut(&id).filter(|holder| !holder.asked) else { return };
        let Some(stream) = holder.stream.upgrade() else { return };
        // If this fails, the connection is broken already.
        let _ = keepalive::hurry(stream.get_ref());
        holder.asked = true;
        let _ = self.asked.try_send(Asked { id, stream: holder.stream.clone(), at: Instant::now() });
    }

    /// Sets what was set for the asking as it was before.
    fn reset(&self, id: Id) {
        let mut connections = self.connections();
        let Some(holder) = connections.get_mut(&id) else { return };
        holder.asked = false;
        if let Some(stream) = holder.stream.upgrade() {
            let _ = keepalive::set(stream.get_ref());
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<Id, Holder>> {
        // Each change is whole, whatever has panicked.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the connections that have given no sign of life in time. Never returns.
pub(crate) async fn judge(room: &Room, holders: &Holders, asked: &Receiver<Asked>) -> Infallible {
    loop {
        // All have the same time, so who was asked first is due first.
        let Ok(Asked { id, stream, at }) = asked.recv().await else { future::pending().await };
        Timer::at(at + SIGN_WITHIN).await;
        let flow = stream.upgrade().and_then(|stream| diag::flow(stream.get_ref()).ok());
        if flow.is_some_and(|flow| is_dead(flow, at.elapsed())) {
            room.leave(id, Some(Cause::ConnectionLost), Message::default()).await;
        } else {
            holders.reset(id);
        }
    }
}

/// Returns whether a connection whose peer was asked so long ago for a sign of life is dead.
///
/// What the peer's system takes says nothing about what it has acknowledged: it gives no sign of what it has no room for.
fn is_dead(Flow { silent, window }: Flow, since: Duration) -> bool {
    silent >= since && window.is_some_and(|window| window > 0)
}
