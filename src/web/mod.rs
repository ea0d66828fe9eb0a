//! How browsers get here, and scripts that speak HTTP: a page, sessions, their event streams, and some requests that
//! need none.
//!
//! ```text
//! connection: head, body ← http          stream: events (told) ← feed ← room
//!      └─ answers ← route, origin, password      (one for each session at a time)
//!           └─ files: who may send and fetch one → transfer: the bytes
//! ```
//!
//! A member who comes by HTTP is a member like any other, and the room does not know how they came. Knows HTTP; knows
//! nothing of how `nc` gets here.

mod answers;
mod connection;
pub mod events;
mod feed;
mod files;
pub mod http;
mod metrics;
mod origin;
mod page;
mod password;
mod route;
mod sessions;
mod speakers;
mod stream;
mod told;
mod transfer;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use smol::{Async, Executor, Timer};

use self::sessions::Sessions;
use self::speakers::Speakers;
use crate::access::accept::{REFUSED_AT_ONCE, accept};
use crate::access::admission::{Admission, Place, Refused};
use crate::access::goodbye::{self, Goodbye};
use crate::access::holders::Holders;
use crate::access::sharing::Sharing;
use crate::access::tasks::{STOPPING, contain, first, spawn};
use crate::files::Files;
use crate::room::Room;
use crate::within::within;

/// How often it is checked which sessions have been without a stream for too long. A session ends late by this much.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How clients are served.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Lines a second that one client may sustain; 0 is no limit.
    pub rate: u32,
    /// Whether a client that gives an empty name is a guest, who gets a name.
    pub guests: bool,
    /// Whether files are shared.
    pub sharing: Sharing,
    /// How many packets of multicast DNS were dropped, where it is spoken.
    pub mdns_dropped: Option<Arc<AtomicU64>>,
}

/// What all connections share.
struct Context {
    room: Arc<Room>,
    admission: Arc<Admission>,
    holders: Arc<Holders>,
    sessions: Sessions,
    speakers: Speakers,
    /// Counts for each address how often it has asked for a file, or used a code, that never was there.
    guesses: Speakers,
    /// How many bytes of bodies all requests hold.
    held: Arc<AtomicUsize>,
    options: Options,
    /// Closed when the server stops.
    stopping: Receiver<Infallible>,
    /// Cloned by every connection that is being refused.
    refusing: Arc<()>,
    /// Cloned by every transfer of a file that has large buffers.
    large_buffers: Arc<()>,
    /// Closed when the last connection has ended, because each holds the context.
    _alive: Sender<Infallible>,
}

/// Serves browsers on these listeners until `shutdown` resolves. Then returns when all connections have ended, at most
/// 1.5 s later. It says no goodbye: the room does that when it is closed.
///
/// # Errors
/// When a listener cannot be used with the reactor.
///
/// # Panics
/// When a task has panicked that does not serve one client alone.
pub async fn run(
    executor: &Arc<Executor<'static>>,
    listeners: Vec<TcpListener>,
    room: &Arc<Room>,
    (admission, holders): (&Arc<Admission>, &Arc<Holders>),
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (alive, ended) = async_channel::bounded::<Infallible>(1);
    let (stop, stopping) = async_channel::bounded::<Infallible>(1);
    let context = Arc::new(Context {
        room: Arc::clone(room),
        admission: Arc::clone(admission),
        holders: Arc::clone(holders),
        sessions: Sessions::new(Arc::clone(holders), options.sharing.files().cloned()),
        speakers: Speakers::default(),
        guesses: Speakers::default(),
        held: Arc::default(),
        options,
        stopping,
        refusing: Arc::new(()),
        large_buffers: Arc::new(()),
        _alive: alive,
    });
    let mut tasks = vec![spawn(executor, expire(Arc::clone(&context)))];
    tasks.extend(context.options.sharing.files().map(|files| spawn(executor, forget(Arc::clone(files)))));
    for listener in listeners {
        let (listener, context, serving) = (Async::new(listener)?, Arc::clone(&context), Arc::clone(executor));
        let accept = async move {
            let warn = |warning| context.room.warn(warning);
            accept(listener, warn, |stream, address| arrive(&serving, &context, stream, address)).await;
        };
        tasks.push(spawn(executor, accept));
    }
    shutdown.or(first(&mut tasks)).await;
    drop(tasks);
    drop(stop);
    drop(context);
    // The channel carries nothing: it closes.
    let _ = within(STOPPING, ended.recv()).await;
    Ok(())
}

/// Ends sessions that have been without a stream for too long. Sleeps when there are no sessions.
async fn expire(context: Arc<Context>) {
    loop {
        context.sessions.came().await;
        while context.sessions.expire(&context.room, Instant::now()).await {
            Timer::after(LOOK_EVERY).await;
        }
    }
}

/// Forgets files whose time is over. Sleeps when there are no files.
async fn forget(files: Arc<Files>) {
    loop {
        files.came().await;
        while let Some(next) = files.forget_old(Instant::now()) {
            Timer::at(next).await;
        }
    }
}

/// Serves a connection, or refuses it. Returns whether it is served.
fn arrive(executor: &Executor<'static>, context: &Arc<Context>, stream: Async<TcpStream>, from: SocketAddr) -> bool {
    let context = Arc::clone(context);
    // A banned address is let in here, too, so that each of its requests is answered with the reason.
    match context.admission.place(from, Place::Connection) {
        Ok(permit) => {
            let serving = async move {
                let _ = contain(connection::serve(Arc::new(stream), from, &context)).await;
                drop(permit);
            };
            // Detached, because `run` waits for the end of all connections by the context that each holds.
            spawn(executor, serving).detach();
            true
        }
        Err(why) => {
            let refusing = Arc::clone(&context.refusing);
            // This counts the connection that is refused now, and not the context's own clone.
            if Arc::strong_count(&refusing) - 1 <= REFUSED_AT_ONCE {
                let refuse = async move {
                    refuse(&stream, &why).await;
                    drop((context, refusing));
                };
                // Detached for the same reason.
                spawn(executor, refuse).detach();
            }
            false
        }
    }
}

/// Answers a connection that is not let in, without reading what it asks.
async fn refuse(stream: &Async<TcpStream>, why: &Refused) {
    use std::io::Write;
    // One answer always fits into a new socket's buffer.
    let flushed = stream.get_ref().write(&answers::refused(why).bytes(false, false)).is_ok();
    goodbye::close(stream, flushed, false, Goodbye::HalfClose).await;
}
