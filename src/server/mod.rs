//! Serves clients that use `nc`: accepts connections, serves them until the server has to stop, and says goodbye then.
//! Also the operator's console. Knows sockets; `connection` knows what is said on them.

mod answers;
mod arrive;
mod connection;
pub mod console;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::convert::Infallible;
use std::future::{self, Future};
use std::io;
use std::net::TcpListener;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use smol::{Async, Executor, Timer};

use crate::access::accept::accept;
use crate::access::admission::Admission;
use crate::access::holders::{self, Holders};
use crate::access::session::Beginning;
use crate::access::sharing::Sharing;
use crate::access::tasks::{STOPPING, first, spawn};
use crate::room::Room;
use crate::within::within;

/// Time to choose a name: the contract's.
const NAMING: Duration = Duration::from_secs(60);

/// How often the room is searched at most for connections whose time to choose a name is over.
const SEARCH: Duration = Duration::from_secs(1);

/// How clients are served.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Lines a second that one client may sustain; 0 is no limit.
    pub rate: u32,
    /// Whether a client that gives an empty name is a guest, who gets a name.
    pub guests: bool,
    /// The port at which browsers join, if they can.
    pub page: Option<u16>,
    /// Whether files are shared.
    pub sharing: Sharing,
}

/// What all connections share.
struct Context {
    executor: Arc<Executor<'static>>,
    room: Arc<Room>,
    admission: Arc<Admission>,
    options: Options,
    /// How many bytes of all clients were read and are not decoded yet.
    held: AtomicUsize,
    /// The connections that may hold a name.
    holders: Arc<Holders>,
    /// Each connection that is being refused holds a clone, so the count of references says how many there are.
    refusing: Arc<()>,
    /// Closed when the last connection has ended, because each holds the context.
    _alive: Sender<Infallible>,
    /// Gets a message when a connection's task has panicked where that is not contained.
    broken: Sender<()>,
}

impl Context {
    /// Returns how each client's session begins.
    fn beginning(&self) -> Beginning {
        Beginning { guests: self.options.guests, password: self.admission.has_password(), page: self.options.page }
    }
}

/// Each connection's task holds one until it ends. A panic there that is not contained ends the server, because
/// otherwise the room might keep a member that has no connection.
struct Guard(Arc<Context>);

impl Guard {
    fn new(context: &Arc<Context>) -> Guard {
        Guard(Arc::clone(context))
    }

    fn context(&self) -> &Arc<Context> {
        &self.0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.broken.try_send(());
        }
    }
}

/// Serves the room on these listeners until `shutdown` resolves. Then says goodbye to everybody, and returns when all
/// connections have ended, at most a second and a half later.
///
/// # Errors
/// When a listener cannot be used with the reactor. Nothing that happens later is an error.
///
/// # Panics
/// When a task of the server has panicked. A panic that concerns one client alone is contained.
pub async fn run(
    executor: &Arc<Executor<'static>>,
    listeners: Vec<TcpListener>,
    room: &Arc<Room>,
    (admission, holders): (&Arc<Admission>, &Arc<Holders>),
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (alive, ended) = async_channel::bounded::<Infallible>(1);
    let (broken, breaks) = async_channel::bounded(1);
    let context = Arc::new(Context {
        executor: Arc::clone(executor),
        room: Arc::clone(room),
        admission: Arc::clone(admission),
        options,
        held: AtomicUsize::new(0),
        holders: Arc::clone(holders),
        refusing: Arc::new(()),
        _alive: alive,
        broken,
    });
    let mut publishing = vec![spawn(executor, publish(Arc::clone(room)))];
    let mut accepting = vec![
        spawn(executor, end_unnamed(Arc::clone(room))),
        spawn(executor, judge_holders(Arc::clone(room), Arc::clone(holders))),
    ];
    for listener in listeners {
        let (listener, context) = (Async::new(listener)?, Arc::clone(&context));
        let accept = async move {
            let warn = |warning| context.room.warn(warning);
            accept(listener, warn, |stream, address| arrive::arrive(&context, stream, address)).await;
        };
        accepting.push(spawn(executor, accept));
    }
    // The tasks end only by a panic, which then goes on in this task.
    shutdown.or(first(&mut accepting)).or(first(&mut publishing)).or(break_with(&breaks)).await;
    // Dropping these tasks closes the listeners.
    drop(accepting);
    drop(context);
    room.close().await;
    let all_ended = async {
        // The channel carries nothing: it closes.
        let _ = within(STOPPING, ended.recv()).await;
    };
    all_ended.or(first(&mut publishing)).or(break_with(&breaks)).await;
    Ok(())
}

/// Panics when a connection has panicked where that is not contained. Never returns.
async fn break_with(breaks: &Receiver<()>) {
    if breaks.recv().await.is_ok() {
        // The panic hook has printed the panic.
        resume_unwind(Box::new("a connection has panicked"));
    }
    future::pending().await
}

async fn publish(room: Arc<Room>) {
    #[cfg(test)]
    tests::may_break("publishing");
    match room.publish().await {}
}

async fn judge_holders(room: Arc<Room>, holders: Arc<Holders>) {
    #[cfg(test)]
    tests::may_break("judging holders");
    match holders::judge(&room, &holders).await {}
}

/// Ends connections that choose no name in time. One timer serves all of them. Waits without a timer while there are
/// none.
async fn end_unnamed(room: Arc<Room>) {
    loop {
        room.unnamed_came().await;
        #[cfg(test)]
        tests::may_break("ending the nameless");
        while let Some(next) = room.end_unnamed(NAMING).await {
            Timer::at(next.max(Instant::now() + SEARCH)).await;
        }
    }
}
