//! How `nc` gets here: listening, serving until the server is to stop, and stopping with grace. Knows sockets; what is
//! said on them is `connection`'s.

mod accept;
pub mod admission;
mod answers;
mod connection;
pub mod console;
mod diag;
mod goodbye;
mod holders;
mod keepalive;
mod pace;
pub mod password;
mod read;
mod ready;
pub mod session;
#[cfg(test)]
mod tests;
mod write;

use std::convert::Infallible;
use std::future::{self, Future};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use rustix::net::sockopt;
use smol::{Async, Executor, Task, Timer};
use socket2::SockRef;

pub use self::accept::REFUSED_AT_ONCE;
use self::admission::Admission;
use self::holders::{Asked, Holders};
use self::session::Beginning;
use crate::room::Room;
use crate::within::within;

/// How many connections may wait to be accepted. std asks for 128; when a thousand come at once, the kernel would drop the
/// others, and they would try again only after a second.
const BACKLOG: i32 = 4096;

/// What the system may hold for a client and has not sent yet. Left to itself it takes 4 MiB, so that nobody would notice
/// for a long time that a client reads nothing.
const UNSENT: u32 = 16 * 1024;

/// What the system may hold for a client, sent or not, until the client's system acknowledges it; it doubles the figure. A
/// wire of 140 kbit/s, which carries about as little as a reader has to take, empties it soon enough for its reader to be
/// seen to read. With a round trip of 10 ms it still carries a megabyte a second. A thousand clients with this buffer and
/// the next one full are 48 MiB of the contract's 64.
const SEND_BUFFER: usize = 8 * 1024;

/// What the system may hold of what a client sent and the server has not read yet; it doubles the figure. A flood that is
/// read at its rate fills it. People do not, and a local network carries megabytes a second through it.
const RECEIVE_BUFFER: usize = 16 * 1024;

/// Time to choose a name: the contract's.
const NAMING: Duration = Duration::from_secs(60);

/// How often at most the room is searched for connections whose time is over.
const SEARCH: Duration = Duration::from_secs(1);

/// How long connections have to end when the server stops: a second to flush, a moment for the peer, and some slack
/// that still leaves the process within the contract's two seconds.
const STOPPING: Duration = Duration::from_millis(1500);

/// Opens a listening socket whose connections inherit what all of them need: no delay for small lines, keepalive,
/// telnet's urgent bytes in their place, little that is held in buffers, and a backlog for a rush.
///
/// # Errors
/// When the address cannot be bound, or an option not set.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        // Whatever the system's default, [::] means both families.
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_oobinline(&socket, true)?;
    SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT)?;
    sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER)?;
    sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    keepalive::set(&socket)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// How clients are served.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Lines a second that one client may sustain; 0 is no limit.
    pub rate: u32,
    /// Whether a client that gives an empty name is a guest, who gets a name.
    pub guests: bool,
}

/// What all connections share.
struct Context {
    executor: Arc<Executor<'static>>,
    room: Arc<Room>,
    admission: Arc<Admission>,
    options: Options,
    /// Bytes that were read and are not decoded yet, of all clients.
    held: AtomicUsize,
    /// Who may hold a name that somebody else asks for.
    holders: Arc<Holders>,
    /// Held by every connection that is being refused.
    refusing: Arc<()>,
    /// Closed when the last connection has ended, because each holds the context.
    _alive: Sender<Infallible>,
    /// Gets a message when a connection's task has panicked where that is not contained.
    broken: Sender<()>,
}

impl Context {
    /// Returns how each client's session begins.
    fn beginning(&self) -> Beginning {
        Beginning { guests: self.options.guests, password: self.admission.has_password() }
    }
}

/// What each connection's task holds until it ends. A panic there that is not contained ends the server, because the room
/// might keep a member without a connection.
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

/// Serves the room on these listeners until `shutdown` resolves, within what the admission allows; then says goodbye to
/// everybody, and returns when all connections have ended, at most a second and a half later.
///
/// # Errors
/// When a listener cannot be used with the reactor. Nothing that happens later is an error.
///
/// # Panics
/// When a task of the server has panicked, but for what is one client's alone.
pub async fn run(
    executor: &Arc<Executor<'static>>,
    listeners: Vec<TcpListener>,
    room: &Arc<Room>,
    admission: &Arc<Admission>,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (alive, ended) = async_channel::bounded::<Infallible>(1);
    let (broken, breaks) = async_channel::bounded(1);
    let (holders, asked) = Holders::new();
    let holders = Arc::new(holders);
    let context = Arc::new(Context {
        executor: Arc::clone(executor),
        room: Arc::clone(room),
        admission: Arc::clone(admission),
        options,
        held: AtomicUsize::new(0),
        holders: Arc::clone(&holders),
        refusing: Arc::new(()),
        _alive: alive,
        broken,
    });
    let mut publishing = vec![executor.spawn(publish(Arc::clone(room)))];
    let mut accepting = vec![
        executor.spawn(end_unnamed(Arc::clone(room))),
        executor.spawn(judge_holders(Arc::clone(room), holders, asked)),
    ];
    for listener in listeners {
        accepting.push(executor.spawn(accept::accept(Async::new(listener)?, Arc::clone(&context))));
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
        // The panic hook has said what it was.
        resume_unwind(Box::new("a connection has panicked"));
    }
    future::pending().await
}

/// Waits until one of these tasks ends. If that was by a panic, it goes on here.
async fn first(tasks: &mut [Task<()>]) {
    future::poll_fn(|cx| match tasks.iter_mut().any(|task| Pin::new(task).poll(cx).is_ready()) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

async fn publish(room: Arc<Room>) {
    #[cfg(test)]
    tests::may_break("publishing");
    match room.publish().await {}
}

async fn judge_holders(room: Arc<Room>, holders: Arc<Holders>, asked: Receiver<Asked>) {
    #[cfg(test)]
    tests::may_break("judging holders");
    match holders::judge(&room, &holders, &asked).await {}
}

/// Ends connections that choose no name in time: one timer for all of them. Sleeps when there are none.
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
