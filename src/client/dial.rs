//! From a host's name to a connection. All addresses of the host are tried in turn, and errors are sentences. Knows
//! nothing of what is said on the connection.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::sockopt;
use smol::Async;

use super::address::Address;
use crate::blocking::unblock;
use crate::lookup;
use crate::within::within;

/// How long one address, or the lookup of a name, may take. A sleeping Wi-Fi needs some seconds, and a person waits no
/// longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

// A lost server is noticed as soon as the server notices a lost client: after 60 s of silence and three probes, or when
// data is not acknowledged for 30 s.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Why there is no connection.
#[derive(Debug)]
pub struct Unreachable {
    address: Address,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    /// The name is not found, for this reason.
    NotFound(String),
    /// The lookup of the name took too long.
    LookupTimedOut,
    /// Each address that was tried, and its error.
    Tried(Vec<(SocketAddr, io::Error)>),
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Could not connect to {}: ", self.address)?;
        match &self.reason {
            Reason::NotFound(why) => write!(f, "name not found ({why})."),
            Reason::LookupTimedOut => write!(f, "looking up the name timed out after {} s.", PATIENCE.as_secs()),
            Reason::Tried(tries) => {
                let mut separator = "";
                // Those that failed in the same way stand together.
                for tries in tries.chunk_by(|(one, why), (next, also)| in_words(one, why) == in_words(next, also)) {
                    let addresses: Vec<String> = tries.iter().map(|(address, _)| address.to_string()).collect();
                    let addresses = addresses.join(", ");
                    let words = tries.first().map(|(address, why)| in_words(address, why)).unwrap_or_default();
                    write!(f, "{separator}{words}")?;
                    if addresses != self.address.to_string() {
                        write!(f, " ({addresses})")?;
                    }
                    separator = "; ";
                }
                f.write_str(".")
            }
        }
    }
}

impl std::error::Error for Unreachable {}

/// Describes an error of connecting.
fn in_words(address: &SocketAddr, error: &io::Error) -> String {
    match (error.kind(), address) {
        (ErrorKind::ConnectionRefused, _) => "connection refused, no server listens there".into(),
        (ErrorKind::TimedOut, _) => format!("timed out after {} s", PATIENCE.as_secs()),
        (ErrorKind::HostUnreachable, _) => "no such host on the network".into(),
        (ErrorKind::NetworkUnreachable, _) => "network unreachable".into(),
        (ErrorKind::InvalidInput, SocketAddr::V6(v6)) if v6.scope_id() == 0 => {
            "a link-local address needs its interface, as in fe80::1%eth0".into()
        }
        _ => error.to_string(),
    }
}

/// Connects. Returns the connection and the address that it is to.
///
/// # Errors
/// The name is not found, or no address of it can be connected to.
pub(crate) async fn dial(address: &Address) -> Result<(Async<TcpStream>, SocketAddr), Unreachable> {
    let unreachable = |reason| Unreachable { address: address.clone(), reason };
    let lookup = unblock({
        let address = address.clone();
        move || lookup::addresses(&address.host, address.port).map_err(Reason::NotFound)
    });
    let found = within(PATIENCE, lookup).await.unwrap_or(Err(Reason::LookupTimedOut));
    let mut tries = Vec::new();
    for candidate in found.map_err(unreachable)? {
        let connected = within(PATIENCE, Async::<TcpStream>::connect(candidate)).await;
        match connected.unwrap_or(Err(ErrorKind::TimedOut.into())).and_then(prepared) {
            Ok(stream) => return Ok((stream, candidate)),
            Err(error) => tries.push((candidate, error)),
        }
    }
    Err(unreachable(Reason::Tried(tries)))
}

/// Sets what a connection needs: no delay for small lines, keepalive.
fn prepared(stream: Async<TcpStream>) -> io::Result<Async<TcpStream>> {
    stream.get_ref().set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(&stream, KEEPALIVE_PROBES)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED.as_millis() as u32)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_said_in_words() {
        let address: Address = "pi".parse().expect("a host");
        let say = |reason| Unreachable { address: address.clone(), reason }.to_string();
        assert_eq!(say(Reason::NotFound("no".into())), "Could not connect to pi:4000: name not found (no).");
        let (v4, v6) =
            (SocketAddr::from(([10, 0, 0, 1], 4000)), SocketAddr::from(([0xfe80, 0, 0, 0, 0, 0, 0, 1], 4000)));
        let also_v4 = SocketAddr::from(([10, 0, 0, 2], 4000));
        let refused = || ErrorKind::ConnectionRefused.into();
        let tries = vec![(v4, refused()), (also_v4, refused()), (v6, ErrorKind::TimedOut.into())];
        assert_eq!(
            say(Reason::Tried(tries)),
            "Could not connect to pi:4000: connection refused, no server listens there (10.0.0.1:4000, 10.0.0.2:4000); \
             timed out after 10 s ([fe80::1]:4000)."
        );
        let itself =
            Unreachable { address: "10.0.0.1".parse().expect("a host"), reason: Reason::Tried(vec![(v4, refused())]) };
        assert_eq!(
            itself.to_string(),
            "Could not connect to 10.0.0.1:4000: connection refused, no server listens there."
        );
        assert!(say(Reason::Tried(vec![(v6, ErrorKind::InvalidInput.into())])).contains("needs its interface"));
        assert!(say(Reason::LookupTimedOut).contains("timed out after 10 s"));
    }
}
