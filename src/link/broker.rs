//! Which broker links the servers, and in which room there: `--link`. Knows nothing of the connection.

use std::fmt;
use std::str::FromStr;

use super::nats::{Login, Word};
use crate::text::file::decoded;

/// The port at which a NATS broker listens.
const PORT: u16 = 4222;

/// The room that is joined when none is named.
const ROOM: &str = "dynasti";

/// The longest name of a room, in bytes: it is a part of a subject, and is shown.
const MAX_ROOM: usize = 64;

/// The longest host name, in bytes (RFC 1035, 2.3.4).
const MAX_HOST: usize = 253;

/// The form that `--link` takes, for errors.
const TAKES: &str = "it takes nats://[USER:PASSWORD@]HOST[:PORT][/ROOM]";

/// See the module's head. Displayed, it is an address without the user and the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
    user: Option<String>,
    password: Option<String>,
    pub(super) room: Word,
}

impl FromStr for Broker {
    type Err = String;

    /// Reads an address. The user and the password may be percent-encoded.
    ///
    /// # Errors
    /// When it is no such address. The error says what is wrong, and does not repeat the password.
    fn from_str(url: &str) -> Result<Broker, String> {
        let rest = match url.split_once("://") {
            Some(("nats", rest)) => rest,
            Some(("tls", _)) => return Err(format!("{TAKES}; TLS is for what stands between, such as stunnel")),
            _ => return Err(TAKES.into()),
        };
        // The last @ counts, because a password may hold others.
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (at, room) = rest.split_once('/').map_or((rest, ""), |(at, room)| (at, room));
        let (host, port) = match at.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
            Some((v6, "")) => (v6, None),
            Some((v6, port)) => (v6, Some(port.strip_prefix(':').ok_or(TAKES)?)),
            None => at.split_once(':').map_or((at, None), |(host, port)| (host, Some(port))),
        };
        let of_letters = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
        if !(1..=MAX_HOST).contains(&host.len()) || !of_letters {
            return Err(TAKES.into());
        }
        let plain = |port: &str| !port.starts_with('+');
        let port = match port {
            Some(port) => {
                port.parse().ok().filter(|n| *n != 0 && plain(port)).ok_or("its port is a number up to 65535")?
            }
            None => PORT,
        };
        let room = if room.is_empty() { ROOM } else { room };
        let of_letters = room.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let room = Word::new(room).filter(|_| of_letters && room.len() <= MAX_ROOM);
        let room = room.ok_or("its room has letters, digits, - and _ alone, 64 of them at most")?;
        let (user, password) =
            match login.map(|login| login.split_once(':').map_or((login, None), |(u, p)| (u, Some(p)))) {
                Some((user, password)) => (Some(decoded(user)), password.map(decoded)),
                None => (None, None),
            };
        Ok(Broker { host: host.to_owned(), port, user: user.filter(|user| !user.is_empty()), password, room })
    }
}

impl Broker {
    /// Returns the same broker with this password, which comes from a file.
    ///
    /// # Errors
    /// When there is a password in the address, too.
    pub fn with_password(mut self, password: String) -> Result<Broker, String> {
        if self.password.replace(password).is_some() {
            return Err("--link has a password, and --link-password-file another; give one of them".into());
        }
        Ok(self)
    }

    /// Returns how to log in. A user without a password, or a password without a user, is a token.
    pub(super) fn login(&self) -> Login<'_> {
        match (&self.user, &self.password) {
            (None, None) => Login::Nobody,
            (Some(user), Some(password)) => Login::User(user, password),
            (Some(token), None) | (None, Some(token)) => Login::Token(token),
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broker { host, port, .. } = self;
        if host.contains(':') { write!(f, "nats://[{host}]:{port}") } else { write!(f, "nats://{host}:{port}") }
    }
}

impl fmt::Debug for Broker {
    /// A password is never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}/{}", self.room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(url: &str) -> String {
        match Broker::from_str(url).unwrap().login() {
            Login::Nobody => "nobody".into(),
            Login::User(user, password) => format!("{user} {password}"),
            Login::Token(token) => token.into(),
        }
    }

    #[test]
    fn an_address_has_a_port_and_a_room() {
        for (url, shown, room) in [
            ("nats://10.0.0.5", "nats://10.0.0.5:4222", "dynasti"),
            ("nats://broker.example:4333/ship-1_a", "nats://broker.example:4333", "ship-1_a"),
            ("nats://[2001:db8::1]/", "nats://[2001:db8::1]:4222", "dynasti"),
            ("nats://[::1]:1/x", "nats://[::1]:1", "x"),
            ("nats://ann:s:e/c@r@et@pi", "nats://pi:4222", "dynasti"),
        ] {
            let broker = Broker::from_str(url).unwrap();
            assert_eq!((broker.to_string().as_str(), broker.room.as_str()), (shown, room), "{url}");
        }
        for url in [
            "",
            "pi",
            "http://pi",
            "nats:/pi",
            "nats://",
            "nats://pi:0",
            "nats://pi:x",
            "nats://pi:+1",
            "nats://pi:65536",
            "nats://pi/a.b",
            "nats://pi/a/b",
            "nats://pi/ü",
            "nats://p i",
            "nats://[::1",
            "nats://[::1]x",
            "tls://pi",
        ] {
            assert!(Broker::from_str(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_is_found_and_not_shown() {
        assert_eq!(login("nats://pi"), "nobody");
        assert_eq!(login("nats://ann:s:e/c@r%40et@pi"), "ann s:e/c@r@et");
        assert_eq!(login("nats://token@pi"), "token");
        let broker = Broker::from_str("nats://ann@pi").unwrap().with_password("secret".into()).unwrap();
        assert!(matches!(broker.login(), Login::User("ann", "secret")));
        assert!(!format!("{broker} {broker:?}").contains("secret"));
        assert!(broker.with_password("another".into()).is_err());
        let broker = Broker::from_str("nats://pi").unwrap().with_password("token".into()).unwrap();
        assert!(matches!(broker.login(), Login::Token("token")));
        assert!(!Broker::from_str("nats://ann:secret@pi:x").unwrap_err().contains("secret"));
    }
}
