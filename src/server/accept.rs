//! The accept loop of one listener: it admits or refuses connections, and pauses when the system is out of descriptors.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::future;
use smol::{Async, Timer};

use super::admission::Refused;
use super::goodbye::{self, Goodbye};
use super::{Context, Guard, connection};
use crate::address::canonical;
use crate::text::message::Message;

/// How long accepting pauses when it fails for want of something: at first, and at most. The contract's numbers.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often that is worth a warning.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// How long connections are accepted in a row before other tasks have their turn. In a rush, the more connections are
/// accepted before the first one joins, the more arrivals each member is told of by one write: with 32 in a row, a rush of
/// 900 takes half as long again.
const ACCEPTING: Duration = Duration::from_millis(3);

/// How many refused connections stay open for a moment at the same time, so that their peers notice the end. Each holds a
/// descriptor, and few are to spare. The others are told why, and closed at once.
pub const REFUSED_AT_ONCE: usize = 12;

/// Accepts connections for ever, and has each served or refused.
pub(super) async fn accept(listener: Async<TcpListener>, context: Arc<Context>) {
    let mut pause = PAUSE;
    let mut warned: Option<Instant> = None;
    let mut began = Instant::now();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                pause = PAUSE;
                let admitted = admit(&context, stream, canonical(address));
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
                    context.room.warn(CannotAccept(&error).to_string());
                }
                Timer::after(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Serves a connection, or refuses it and says why. Returns whether it is served.
fn admit(context: &Arc<Context>, stream: Async<TcpStream>, address: SocketAddr) -> bool {
    #[cfg(test)]
    super::tests::may_break("accepting");
    let guard = Guard::new(context);
    let why = match context.admission.admit(address) {
        Ok(permit) => {
            // Nobody waits for this one connection. `run` waits for all of them by what they hold.
            context.executor.spawn(connection::serve(stream, guard, permit)).detach();
            return true;
        }
        Err(Refused::Full(max)) => Message::full(max),
        Err(Refused::FullForAddress(max)) => Message::full_for_address(max),
        Err(Refused::Banned(left)) => Message::banned(left),
        Err(Refused::WrongPasswords(left)) => Message::too_many_wrong_passwords(left),
    };
    // The context holds one of these itself, in place of the connection that is refused now.
    let refused = Arc::strong_count(&context.refusing);
    let goodbye = if refused <= REFUSED_AT_ONCE { Goodbye::Proper } else { Goodbye::Hasty };
    let refusing = Arc::clone(&context.refusing);
    let refusing = async move {
        #[cfg(test)]
        super::tests::may_break("refusing");
        goodbye::refuse(&stream, why, goodbye).await;
        drop((guard, refusing));
    };
    // Detached for the same reason: `run` waits for what it holds.
    context.executor.spawn(refusing).detach();
    false
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
