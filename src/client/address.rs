//! Which server to join: a host and a port, as people write them. Knows nothing of resolving or connecting.

use std::fmt;
use std::str::FromStr;

/// The port that a server listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 4000;

/// A host, by name or address, and a port. The default is `localhost:4000`.
///
/// It is parsed from `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT` or a bare `IPV6`. A link-local address has its
/// interface after a `%`. The error says in words what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an address, without brackets. Whether such a host exists is not known yet.
    pub host: String,
    /// The port, which is not 0.
    pub port: u16,
}

impl Default for Address {
    fn default() -> Self {
        Address { host: "localhost".into(), port: DEFAULT_PORT }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{why}; it takes HOST, HOST:PORT, an IPv6 address or [IPV6]:PORT");
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("the bracket is not closed"))?;
            let port = match rest {
                "" => None,
                _ => Some(rest.strip_prefix(':').ok_or_else(|| wrong("after the bracket comes a colon and the port"))?),
            };
            (host, port)
        } else {
            // A text with more than one colon is an IPv6 address. Only one in brackets can have a port after it.
            match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (text, None),
            }
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(wrong("there is no such host"));
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => {
                port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong("a port is a number from 1 to 65535"))?
            }
        };
        Ok(Address { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        for (text, shown) in [
            ("pi", "pi:4000"),
            ("pi.local:5000", "pi.local:5000"),
            ("192.168.1.10", "192.168.1.10:4000"),
            ("192.168.1.10:1", "192.168.1.10:1"),
            ("::1", "[::1]:4000"),
            ("[::1]", "[::1]:4000"),
            ("[::1]:65535", "[::1]:65535"),
            ("fe80::1%eth0", "[fe80::1%eth0]:4000"),
            ("[fe80::1%eth0]:5000", "[fe80::1%eth0]:5000"),
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(shown.into()), "{text}");
        }
        assert_eq!(Address::default().to_string(), "localhost:4000");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [
            ("", "no such host"),
            (":4000", "no such host"),
            ("a b", "no such host"),
            ("pi:", "a port is"),
            ("pi:0", "a port is"),
            ("pi:65536", "a port is"),
            ("pi:x", "a port is"),
            ("[::1", "not closed"),
            ("[::1]4000", "a colon"),
        ] {
            let error = text.parse::<Address>().expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
