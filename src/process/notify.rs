//! Notifications for the service manager: systemd, or another program that has started the server and set
//! `NOTIFY_SOCKET`. They say that the server is ready, how many are here, that the server is alive, and that it is
//! stopping. The protocol is that of sd_notify(3): lines of `KEY=value` in a Unix datagram.
//!
//! Knows the protocol and when something is sent. Without `NOTIFY_SOCKET` nothing here runs.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use dynasti::room::Room;
use futures_lite::FutureExt;
use smol::Timer;

use super::report;

/// The shortest time between two status lines. It is short enough for a person who looks at them.
const STATUS_EVERY: Duration = Duration::from_secs(2);

/// How long to wait when the socket is full, as it may be while a machine starts everything at once.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// The service manager.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How often to notify it that the server is alive, if it asks for that.
    watchdog: Option<Duration>,
}

impl Manager {
    /// Returns the service manager that the process's environment names, if there is one.
    ///
    /// # Errors
    /// When `NOTIFY_SOCKET` is not an address, or no socket can be opened.
    pub(crate) fn from_env() -> io::Result<Option<Manager>> {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(None) };
        let address = address(&name)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let number = |key| env::var(key).ok().and_then(|value| value.parse().ok());
        let watchdog = watchdog_pings(number("WATCHDOG_USEC"), number("WATCHDOG_PID"));
        Ok(Some(Manager { socket, address, watchdog }))
    }

    /// Notifies that the server is ready.
    ///
    /// # Errors
    /// When nothing receives there any more.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        self.send("READY=1").await
    }

    /// Notifies that the server is stopping.
    ///
    /// # Errors
    /// When nothing receives there any more.
    pub(crate) async fn stopping(&self) -> io::Result<()> {
        self.send("STOPPING=1").await
    }

    /// Notifies how many are here whenever that changes, and that the server is alive. Never returns.
    pub(crate) async fn keep_informed(&self, room: &Room) {
        let status = async {
            let mut sent = String::new();
            loop {
                let (stats, changed) = room.follow().await;
                let status = report::status(stats.here, stats.lines);
                if status != sent {
                    // If this fails, the next status follows soon.
                    let _ = self.send(&format!("STATUS={status}")).await;
                    sent = status;
                }
                Timer::after(STATUS_EVERY).await;
                // The channel closes when the figures change. Nothing is ever sent.
                let _ = changed.recv().await;
            }
        };
        let alive = async {
            let Some(every) = self.watchdog else { return std::future::pending().await };
            loop {
                // If the executor or the room is stuck, this waits for ever, and the manager restarts the server.
                room.stats().await;
                let _ = self.send("WATCHDOG=1").await;
                Timer::after(every).await;
            }
        };
        status.or(alive).await
    }

    /// Sends lines of `KEY=value`.
    async fn send(&self, what: &str) -> io::Result<()> {
        loop {
            match self.socket.send_to_addr(what.as_bytes(), &self.address) {
                // A full socket cannot be waited for, because this one is not connected.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Timer::after(TRY_AGAIN).await,
                sent => return sent.map(drop),
            };
        }
    }
}

/// Reads an address: a path, or with `@` before it a name in the abstract namespace (unix(7)).
fn address(name: &OsString) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "NOTIFY_SOCKET takes /PATH or @NAME")),
    }
}

/// Returns how often to notify that the server is alive: at half of the time after which it is killed, as
/// sd_watchdog_enabled(3) recommends. `None` if nothing, or another process, is to do so.
fn watchdog_pings(microseconds: Option<u64>, process: Option<u64>) -> Option<Duration> {
    let ours = process.is_none_or(|id| id == u64::from(process::id()));
    microseconds.filter(|time| *time > 1 && ours).map(|time| Duration::from_micros(time / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_abstract_names_are_addresses_and_nothing_else_is() {
        let path = address(&"/run/systemd/notify".into()).unwrap();
        assert_eq!(path.as_pathname().unwrap().to_str(), Some("/run/systemd/notify"));
        assert_eq!(address(&"@of/systemd".into()).unwrap().as_abstract_name(), Some(&b"of/systemd"[..]));
        for wrong in ["vsock:2:1234", "notify", "/a path longer than any socket's may be".repeat(4).as_str()] {
            assert!(address(&wrong.into()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn watchdog_pings_are_given_at_half_time_by_whom_they_are_asked_of() {
        let ours = u64::from(process::id());
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog_pings(Some(2_000_000), None), second);
        assert_eq!(watchdog_pings(Some(2_000_000), Some(ours)), second);
        assert_eq!(watchdog_pings(Some(2_000_000), Some(ours + 1)), None);
        assert_eq!(watchdog_pings(None, Some(ours)), None);
        assert_eq!(watchdog_pings(Some(0), None), None);
    }
}
