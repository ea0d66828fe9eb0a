//! What systemd is told, or whoever else started the server and set `NOTIFY_SOCKET`: that it is ready, how many are
//! here, that it is still alive, that it is stopping. sd_notify(3) says how: lines of `KEY=value` in a Unix datagram.
//!
//! Knows the protocol and when to speak; where nobody asked to be told, nothing here runs.

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

/// At most so often it is told how many are here: often enough for somebody who looks.
const STATUS_EVERY: Duration = Duration::from_secs(2);

/// How long to wait when the socket is full, which it is while a machine starts everything at once.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// Who is told.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How often to give a sign of life, if it wants any.
    watchdog: Option<Duration>,
}

impl Manager {
    /// Who asked to be told, by the process's environment; nobody, usually.
    ///
    /// # Errors
    /// When `NOTIFY_SOCKET` is no address, or there is no socket to be had.
    pub(crate) fn from_env() -> io::Result<Option<Manager>> {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(None) };
        let address = address(&name)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let number = |key| env::var(key).ok().and_then(|value| value.parse().ok());
        let watchdog = signs_of_life(number("WATCHDOG_USEC"), number("WATCHDOG_PID"));
        Ok(Some(Manager { socket, address, watchdog }))
    }

    /// Tells that the server is ready.
    ///
    /// # Errors
    /// When nobody listens there any more.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        self.tell("READY=1").await
    }

    /// Tells that the server is stopping.
    ///
    /// # Errors
    /// When nobody listens there any more.
    pub(crate) async fn stopping(&self) -> io::Result<()> {
        self.tell("STOPPING=1").await
    }

    /// Tells how many are here whenever that changes, and that the server lives for as long as it does. Never ends.
    pub(crate) async fn keep_informed(&self, room: &Room) {
        let status = async {
            let mut told = String::new();
            loop {
                let (stats, changed) = room.follow().await;
                let status = report::status(stats.here, stats.lines);
                if status != told {
                    // What could not be told now is out of date soon.
                    let _ = self.tell(&format!("STATUS={status}")).await;
                    told = status;
                }
                Timer::after(STATUS_EVERY).await;
                // It closes without a word.
                let _ = changed.recv().await;
            }
        };
        let alive = async {
            let Some(every) = self.watchdog else { return std::future::pending().await };
            loop {
                // An executor that is stuck does not get here, and a room that is stuck does not answer.
                room.stats().await;
                let _ = self.tell("WATCHDOG=1").await;
                Timer::after(every).await;
            }
        };
        status.or(alive).await
    }

    async fn tell(&self, what: &str) -> io::Result<()> {
        loop {
            match self.socket.send_to_addr(what.as_bytes(), &self.address) {
                // A socket that is connected to nobody cannot be waited for.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Timer::after(TRY_AGAIN).await,
                sent => return sent.map(drop),
            };
        }
    }
}

/// A path, or with `@` before it a name in the abstract namespace: unix(7).
fn address(name: &OsString) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "NOTIFY_SOCKET takes /PATH or @NAME")),
    }
}

/// How often to give a sign of life: at half of the time after which the server would be given up,
/// sd_watchdog_enabled(3). Never when that is asked of another process.
fn signs_of_life(microseconds: Option<u64>, process: Option<u64>) -> Option<Duration> {
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
    fn signs_of_life_are_given_at_half_time_by_whom_they_are_asked_of() {
        let ours = u64::from(process::id());
        let second = Some(Duration::from_secs(1));
        assert_eq!(signs_of_life(Some(2_000_000), None), second);
        assert_eq!(signs_of_life(Some(2_000_000), Some(ours)), second);
        assert_eq!(signs_of_life(Some(2_000_000), Some(ours + 1)), None);
        assert_eq!(signs_of_life(None, Some(ours)), None);
        assert_eq!(signs_of_life(Some(0), None), None);
    }
}
