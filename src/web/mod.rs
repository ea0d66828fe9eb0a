//! How browsers get here, and scripts that speak HTTP: a page, sessions, their event streams, and some requests that
//! need none.
//!
//! ```text
//! connection: head, body ← http          stream: events (told) ← feed ← room
//!      └─ answers ← route, origin, password      (one for each session at a time)
//!           └─ files: uploads and downloads
//! ```
//!
//! Whoever comes in here is a member like any other, and the room does not know how they came. Knows HTTP; knows
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

/// How often sessions are looked at whose time may be over.
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
    /// Who guesses where files are.
    guesses: Speakers,
    /// What all requests hold of their bodies, in bytes.
    held: Arc<AtomicUsize>,
    options: Options,
    /// Closed when the server stops.
    stopping: Receiver<Infallible>,
    /// Held by every connection that is being refused.
    refusing: Arc<()>,
    /// Held by every file that is on its way fast.
    fast: Arc<()>,
    /// Closed when the last connection has ended, because each holds the context.
    _alive: Sender<Infallible>,
}

/// Serves browsers on these listeners until `shutdown` resolves. Then returns when all connections have ended, at most
/// a second and a half later: whoever closes the room says goodbye to them.
///
/// # Errors
/// When a listener cannot be used with the reactor.
///
/// # Panics
/// When a task has panicked, but for what is one client's alone.
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
        fast: Arc::new(()),
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

/// Ends sessions that have been without a stream for too long. Sleeps when there are none.
async fn expire(context: Arc<Context>) {
    loop {
        context.sessions.came().await;
        while context.sessions.expire(&context.room, Instant::now()).await {
            Timer::after(LOOK_EVERY).await;
        }
    }
}

/// Forgets files whose time is over. Sleeps when there are none.
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
    // A banned address has a place, too: who wants to say or to know something there is told why not.
    match context.admission.place(from, Place::Connection) {
        Ok(permit) => {
            let serving = async move {
                let _ = contain(connection::serve(Arc::new(stream), from, &context)).await;
                drop(permit);
            };
            // Nobody waits for this one connection: `run` waits for what it holds.
            spawn(executor, serving).detach();
            true
        }
        Err(why) => {
            let refusing = Arc::clone(&context.refusing);
            // The context holds one of these itself, in place of the connection that is refused now.
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

/// Answers a connection that is not let in, whatever it asks.
async fn refuse(stream: &Async<TcpStream>, why: &Refused) {
    use std::io::Write;
    // One answer always fits into a new socket's buffer.
    let flushed = stream.get_ref().write(&answers::refused(why).bytes(false, false)).is_ok();
    goodbye::close(stream, flushed, false, Goodbye::HalfClose).await;
}
