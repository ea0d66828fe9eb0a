//! The accept loop of one listener, which pauses when the system is out of descriptors. Knows nothing of who is served.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use futures_lite::future;
use smol::{Async, Timer};

use crate::address::canonical;

/// How long accepting pauses when it fails for want of something: at first, and at most. The contract's numbers.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often that is worth a warning.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// How long connections are accepted in a row before other tasks have their turn. In a rush, the more connections are
/// accepted before the first one joins, the more arrivals each member is told of by one write: with 32 in a row, a rush
/// of 900 takes half as long again.
const ACCEPTING: Duration = Duration::from_millis(3);

/// How many refused connections stay open for a moment at the same time, so that their peers notice the end. Each holds a
/// descriptor, and few are to spare. The others are told why, and closed at once.
pub const REFUSED_AT_ONCE: usize = 12;

/// Accepts connections for ever. `arrive` has each served or refused, and returns whether it is served. It warns that
/// accepting is paused.
pub(crate) async fn accept(
    listener: Async<TcpListener>,
    warn: impl Fn(String),
    mut arrive: impl FnMut(Async<TcpStream>, SocketAddr) -> bool,
) {
    let mut pause = PAUSE;
    let mut warned: Option<Instant> = None;
    let mut began = Instant::now();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                pause = PAUSE;
                let admitted = arrive(stream, canonical(address));
                // Who is refused has a descriptor until its task has run, and there are few to spare.
                if !admitted || began.elapsed() >= ACCEPTING {
                    future::yield_now().await;
                    began = Instant::now();
                }
            }
            Err(error) if is_the_connections_own(&error) => {}
            Err(error) => {
                let now = Instant::now();
                if warned.is_none_or(|at| now - at >= WARN_EVERY) {
                    warned = Some(now);
                    warn(CannotAccept(&error).to_string());
                }
                Timer::after(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
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
