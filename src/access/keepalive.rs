//! TCP keepalive: when the system probes a silent peer, and when it gives a peer up.
//!
//! Knows socket options, and nothing of why a peer is probed.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Result;
use rustix::net::sockopt;

/// After how much silence a peer is probed, how often, and how many times. So a closed lid or a pulled cable is noticed
/// within 90 s. The contract's numbers. Linux gives up when the second probe is due, after 70 s, because
/// `UNACKNOWLEDGED` is shorter than the silence (`tcp_keepalive_timer`); the count has no effect there.
const IDLE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(10);
const COUNT: u32 = 3;

/// After how long a peer is gone that acknowledges nothing of what was sent to it. The contract's number.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// The silence and the interval while somebody waits for the result: the shortest that the system has. A peer that
/// answers none of this many probes is gone within 5 s. On bad Wi-Fi, three may be lost.
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

/// Makes the system probe the peer after a second of silence, and then each second. Lifts the limit `UNACKNOWLEDGED`
/// until [`set`], because with it the first unanswered probe would be the last one. Only for a connection on which
/// nothing is in flight: where a closed window keeps something back, only that limit ends a dead peer.
pub(crate) fn hurry(socket: impl AsFd) -> Result<()> {
    sockopt::set_tcp_user_timeout(&socket, 0)?;
    sockopt::set_tcp_keepintvl(&socket, HURRIED)?;
    sockopt::set_tcp_keepcnt(&socket, HURRIED_COUNT)?;
    sockopt::set_tcp_keepidle(&socket, HURRIED)
}
