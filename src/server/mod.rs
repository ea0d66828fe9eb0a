//! How they get here: accepting, with a cool-down when the system is out of descriptors, within the limits; and
//! stopping with grace. Knows sockets; what is said on them is `connection`'s.

mod answers;
mod connection;
pub mod console;
pub mod door;
mod pace;
pub mod session;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Sender;
use futures_lite::FutureExt;
use rustix::net::sockopt;
use smol::{Async, Executor, Timer};

use self::connection::Goodbye;
use self::door::{Door, NoPlace};
use crate::address::canonical;
use crate::room::Room;
use crate::text::message::Message;

/// Connections that wait to be accepted. std asks for 128, and when a thousand come at once the rest would be lost and
/// come again after a whole second.
const BACKLOG: i32 = 4096;

/// A peer that is silent this long is asked whether it is there, so often and so many times: a closed lid or a pulled
/// cable is noticed within 90 s. The contract's numbers.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_COUNT: u32 = 3;

/// A peer that acknowledges nothing of what was sent to it for this long is gone. The contract's number.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// What the system may hold for a client that does not read, over and above its queue (it doubles the figure). Left to
/// itself it takes 4 MiB, which a few stopped readers turn into more than a Raspberry Pi has to spare; a local network at
/// full speed has less than this under way.
const SEND_BUFFER: usize = 256 * 1024;

/// How long accepting pauses when it fails for want of something: at first, and at most. The contract's numbers.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often that is worth a warning.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// How long connections are accepted in a row before everybody else has their turn. The more of those who come in a rush
/// are in before the first is served, the more of the others one write tells of: a turn of 32 takes a rush of 900 half as
/// long again.
const ACCEPTING: Duration = Duration::from_millis(3);

/// Time to choose a name: the contract's.
const NAMING: Duration = Duration::from_secs(60);

/// How often at most the room is searched for connections whose time is over.
const SEARCH: Duration = Duration::from_secs(1);

/// Refused connections that are given a moment to notice, at once: each has a descriptor, and there are few to spare. Those
/// beyond are told why and closed.
pub const REFUSED_AT_ONCE: usize = 12;

/// How long connections have to end when the server stops: a second to flush, a moment for the peer, and some slack
/// that still leaves the process within the contract's two seconds.
const STOPPING: Duration = Duration::from_millis(1500);

/// Opens a listening socket whose connections inherit what all of them need: no delay for small lines, keepalive,
/// telnet's urgent bytes in their place, a bounded send buffer, and a backlog for a rush.
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
    sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(&socket, KEEPALIVE_COUNT)?;
    sockopt::set_tcp_user_timeout(&socket, UNACKNOWLEDGED.as_millis() as u32)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// Serves the room on these listeners until `shutdown` resolves, to whom the door lets in, each client at `rate` lines a
/// second (0 is no limit); then says goodbye to everybody, and returns when all connections have ended, at most a second
/// and a half later.
///
/// # Errors
/// When a listener cannot be used with the reactor. Nothing that happens later is an error.
pub async fn run(
    executor: &Arc<Executor<'static>>,
    listeners: Vec<TcpListener>,
    room: &Arc<Room>,
    door: &Arc<Door>,
    rate: u32,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    // Every connection holds an end of this channel, so it tells when the last of them is gone.
    let (alive, ended) = async_channel::bounded::<Infallible>(1);
    let refusing = Arc::new(());
    let mut accepting = vec![executor.spawn(end_the_nameless(Arc::clone(room)))];
    for listener in listeners {
        let acceptor = Acceptor {
            listener: Async::new(listener)?,
            executor: Arc::clone(executor),
            room: Arc::clone(room),
            door: Arc::clone(door),
            rate,
            alive: alive.clone(),
            refusing: Arc::clone(&refusing),
        };
        accepting.push(executor.spawn(acceptor.run()));
    }
    shutdown.await;
    // Held until here; to drop them closes the listeners.
    drop(accepting);
    drop(alive);
    room.close().await;
    let all = async {
        let _ = ended.recv().await;
    };
    let late = async {
        Timer::after(STOPPING).await;
    };
    all.or(late).await;
    Ok(())
}

/// Ends connections that choose no name in time: one timer for all of them. Sleeps when there are none.
async fn end_the_nameless(room: Arc<Room>) {
    loop {
        room.guest_came().await;
        while let Some(next) = room.end_guests(NAMING).await {
            Timer::at(next.max(Instant::now() + SEARCH)).await;
        }
    }
}

/// One listener's accept loop.
struct Acceptor {
    listener: Async<TcpListener>,
    executor: Arc<Executor<'static>>,
    room: Arc<Room>,
    door: Arc<Door>,
    rate: u32,
    alive: Sender<Infallible>,
    /// Held by every connection that is being refused.
    refusing: Arc<()>,
}

impl Acceptor {
    async fn run(self) {
        let mut pause = PAUSE;
        let mut warned: Option<Instant> = None;
        let mut began = Instant::now();
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    pause = PAUSE;
                    let admitted = self.admit(stream, canonical(address));
                    // Who is refused has a descriptor until its task has run, and there are few to spare.
                    if !admitted || began.elapsed() >= ACCEPTING {
                        futures_lite::future::yield_now().await;
                        began = Instant::now();
                    }
                }
                Err(error) if is_the_connections_own(&error) => {}
                Err(error) => {
                    let now = Instant::now();
                    if warned.is_none_or(|at| now - at >= WARN_EVERY) {
                        warned = Some(now);
                        self.room.warn(CannotAccept(&error));
                    }
                    Timer::after(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Serves a connection, or refuses it and tells why. Tells whether it is served.
    fn admit(&self, stream: Async<TcpStream>, address: SocketAddr) -> bool {
        let alive = self.alive.clone();
        let why = match self.door.enter(address.ip()) {
            Ok(place) => {
                let (room, executor) = (Arc::clone(&self.room), Arc::clone(&self.executor));
                let serving = connection::serve(stream, address, room, self.rate, executor, place, alive);
                // Nobody waits for this one connection; `run` waits for all of them by what they hold.
                self.executor.spawn(serving).detach();
                return true;
            }
            Err(NoPlace::Full(max)) => Message::full(max),
            Err(NoPlace::FullForAddress(max)) => Message::full_for_address(max),
            Err(NoPlace::Banned(left)) => Message::banned(left),
        };
        let refusing = Arc::clone(&self.refusing);
        let goodbye = if Arc::strong_count(&refusing) <= REFUSED_AT_ONCE { Goodbye::Proper } else { Goodbye::Hasty };
        let refusing = async move {
            connection::refuse(stream, why, goodbye).await;
            drop((alive, refusing));
        };
        self.executor.spawn(refusing).detach();
        false
    }
}

/// Accepting fails for want of something, descriptors above all.
struct CannotAccept<'a>(&'a io::Error);

impl fmt::Display for CannotAccept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "dynasti: cannot accept connections for now: {}; those who are here chat on, and accepting is tried again \
             every second",
            self.0
        )
    }
}

/// Errors that are the connection's own, which was gone before it was accepted: accept(2) passes them on.
fn is_the_connections_own(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | Interrupted
            | HostUnreachable
            | NetworkUnreachable
            | NetworkDown
            | PermissionDenied
            | TimedOut
    )
}
