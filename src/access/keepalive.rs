//! When the system asks a silent peer whether it is there, and when it takes a peer for gone.
//!
//! Knows socket options, and nothing of who is asked why.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Result;
use rustix::net::sockopt;

/// A peer that is silent this long is asked whether it is there, so often and so many times: a closed lid or a pulled
/// cable is noticed within 90 s. The contract's numbers. Linux gives up when the second question is due, after 70 s,
/// because `UNACKNOWLEDGED` is shorter than the silence (`tcp_keepalive_timer`); the count has no effect there.
const IDLE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(10);
const COUNT: u32 = 3;

/// A peer that acknowledges nothing of what was sent to it for this long is gone. The contract's number.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// The idle time and the interval where somebody waits for the answer: the shortest that there are. A peer that answers
/// none of so many questions is gone 5 s after the asking, at the latest. On bad Wi-Fi, three may be lost.
const HURRIED: Duration = Duration::from_secs(1);
const HURRIED_COUNT: u32 = 4;

/// Sets what all connections have. What a listener accepts inherits it.
pub(crate) fn set(socket: impl AsFd) -> Result<()> {
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepintvl(&socket, INTERVAL)?;
    sockopt::set_tcp_keepcnt(&socket, COUNT)?;
    sockopt::set_tcp_user_timeout(&socket, UNACKNOWLEDGED.as_millis() as u32)?;
    // Last, because it sets the timer.
    sockopt::set_tcp_keepidle(&socket, IDLE)
}

/// Has the system ask the peer at once, and then each second. Lifts the limit on what is unacknowledged until [`set`],
/// because with that limit the first question without an answer would be the last. Only for a connection on which
/// nothing is in flight: where a closed window keeps something back, that limit is all that ends a dead peer.
pub(crate) fn hurry(socket: impl AsFd) -> Result<()> {
    sockopt::set_tcp_user_timeout(&socket, 0)?;
    sockopt::set_tcp_keepintvl(&socket, HURRIED)?;
    sockopt::set_tcp_keepcnt(&socket, HURRIED_COUNT)?;
    sockopt::set_tcp_keepidle(&socket, HURRIED)
}
