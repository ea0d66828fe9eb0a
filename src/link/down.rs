//! Why the link is down, in words that say what to do about it.

use std::fmt;
use std::io::{self, ErrorKind};

use super::jetstream::{MAX_MSG_SIZE, Refused};
use super::nats::{Trouble, Wrong, trouble};
use crate::text::line::clean;
use crate::text::server::Server;

/// See the module's head. Displayed, it can stand between `is down: ` and a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Down {
    /// The broker's host name cannot be looked up, for this reason.
    NoAddress(String),
    /// The system's error on the connection.
    Io(ErrorKind, String),
    /// The broker has closed the connection.
    Closed,
    /// A step takes too long.
    Slow(&'static str),
    /// Nothing has come from it for so many seconds.
    Silent(u64),
    /// A line has not been acknowledged for so many seconds.
    NotAcknowledged(u64),
    /// What comes is not NATS.
    Wrong(Wrong),
    /// It wants TLS.
    Tls,
    /// It is older than what is needed.
    Old(String),
    /// The largest message that it takes has so many bytes, which is too little.
    Small(u64),
    /// It does not know the user or the password.
    Credentials,
    /// Its own words.
    Error(String),
    /// JetStream does not do what it was asked for.
    Refused(Refused),
    /// The stream that has the room's name keeps something else.
    OtherStream,
    /// Another server is called the same.
    NameTaken(Server),
}

impl Down {
    /// The reason in a broker's error message.
    pub(super) fn said(error: &str) -> Down {
        match trouble(error) {
            Trouble::Credentials => Down::Credentials,
            Trouble::Permission | Trouble::Other => {
                /// The longest error message of a broker that is repeated, in characters: a line on a terminal.
                const LONGEST: usize = 160;
                Down::Error(clean(error).chars().take(LONGEST).collect())
            }
        }
    }
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Down::NoAddress(why) => write!(f, "its name is not found ({why})"),
            Down::Io(ErrorKind::ConnectionRefused, _) => f.write_str("connection refused"),
            Down::Io(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof, _)
            | Down::Closed => f.write_str("connection lost"),
            Down::Io(ErrorKind::HostUnreachable, _) => f.write_str("no such host on the network"),
            Down::Io(ErrorKind::NetworkUnreachable, _) => f.write_str("network unreachable"),
            Down::Io(ErrorKind::TimedOut, _) => f.write_str("connection timed out"),
            Down::Io(_, words) => f.write_str(words),
            Down::Slow(step) => write!(f, "{step} takes too long"),
            Down::Silent(seconds) => write!(f, "nothing has come for {seconds} s"),
            Down::NotAcknowledged(seconds) => write!(f, "a line has not been acknowledged for {seconds} s"),
            Down::Wrong(wrong) => write!(f, "{wrong}"),
            Down::Tls => f.write_str("it wants TLS, which is for what stands between, such as stunnel"),
            Down::Old(version) => write!(f, "nats-server {version} is too old; take 2.9 or newer"),
            Down::Small(bytes) => write!(
                f,
                "it takes no message of more than {bytes} bytes; set its max_payload to {MAX_MSG_SIZE} or more"
            ),
            Down::Credentials => f.write_str("it refuses the user or the password; see --link-password-file"),
            Down::Error(words) => f.write_str(words),
            Down::Refused(Refused::NoJetStream) => f.write_str(
                "it has no JetStream; start it with: nats-server -js (in a cluster: the server that keeps the stream)",
            ),
            Down::Refused(why) => write!(f, "{why}"),
            Down::OtherStream => {
                f.write_str("its stream with this room's name keeps something else; choose another room, as in /ROOM")
            }
            Down::NameTaken(server) => {
                write!(f, "another server there is called {server}; choose another name with --link-name")
            }
        }
    }
}

impl From<io::Error> for Down {
    fn from(error: io::Error) -> Down {
        Down::Io(error.kind(), error.to_string())
    }
}

impl From<Wrong> for Down {
    fn from(wrong: Wrong) -> Down {
        Down::Wrong(wrong)
    }
}

impl From<Refused> for Down {
    fn from(refused: Refused) -> Down {
        Down::Refused(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_says_what_to_do() {
        for (why, words) in [
            (Down::from(io::Error::from(ErrorKind::ConnectionRefused)), "connection refused"),
            (Down::said("Authorization Violation"), "it refuses the user or the password; see --link-password-file"),
            (Down::said("Slow\u{1b}[2J Consumer"), "Slow Consumer"),
            (
                Down::Refused(Refused::NoJetStream),
                "it has no JetStream; start it with: nats-server -js (in a cluster: the server that keeps the stream)",
            ),
            (Down::from(io::Error::from(ErrorKind::TimedOut)), "connection timed out"),
            (Down::NoAddress("no".into()), "its name is not found (no)"),
            (
                Down::Refused(Refused::Overlap),
                "another of its streams keeps this room's subject; choose another room, as in /ROOM",
            ),
            (
                Down::NameTaken(Server::parse("pi1").unwrap()),
                "another server there is called pi1; choose another name with --link-name",
            ),
        ] {
            assert_eq!(why.to_string(), words);
        }
    }
}
