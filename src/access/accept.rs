//! The accept loop of one listener, which pauses when the system is out of descriptors. Knows nothing of who is served.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use futures_lite::future;
use smol::{Async, Timer};

use crate::address::canonical;

/// How long accepting pauses when the system lacks something, such as descriptors: at first, and at most. The
/// contract's numbers.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often the operator is warned of that, at most.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// How long connections are accepted in a row before other tasks have their turn. In a rush, one write then tells a
/// member of many arrivals. If only 32 are accepted in a row, a rush of 900 takes half as long again.
const ACCEPTING: Duration = Duration::from_millis(3);

/// How many refused connections stay open for a moment at the same time, so that their peers notice the end. Each holds
/// a descriptor, and few are spare. The others get the same line, and are closed at once.
pub const REFUSED_AT_ONCE: usize = 12;

/// Accepts connections for ever. `arrive` starts to serve or to refuse each one, and returns whether it serves it.
/// `warn` gets a warning when accepting pauses.
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
                // A refused connection holds a descriptor until its task has run, and few are spare.
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

/// The warning that accepting fails because the system lacks something, descriptors above all.
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

/// Returns whether an error is of the connection, which was gone before it was accepted, and not of the listener:
/// accept(2) returns both.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_explains_why_nothing_is_accepted() {
        let warning = CannotAccept(&io::Error::from(io::ErrorKind::OutOfMemory)).to_string();
        let (words, _) = warning.trim_start_matches("dynasti: ").split_once(':').expect("the error follows");
        assert!(include_str!("../guide/trouble.md").contains(words), "{words}");
    }
}
