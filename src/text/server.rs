//! The names of linked servers: the part after the `@` in `Ann@pi2`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The longest name of a server in characters. A member's name of 24 and this still fit on one line of the screen.
pub const MAX_SERVER: usize = 24;

/// The name of a linked server: letters and digits of ASCII, and hyphens between them. Case does not matter. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Server(Arc<str>);

impl Server {
    /// Returns the name that was written, if it is a valid one.
    pub fn parse(written: &str) -> Option<Server> {
        let of_letters = written.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_one = (1..=MAX_SERVER).contains(&written.len())
            && of_letters
            && !written.starts_with('-')
            && !written.ends_with('-');
        is_one.then(|| Server(written.into()))
    }

    /// Makes a server's name of the name of a machine: its part up to the first dot. A character that no server's name
    /// has becomes a hyphen.
    pub fn of_machine(name: &str) -> Server {
        let first = name.split('.').next().unwrap_or_default();
        let letters = first.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' });
        let cut: String = letters.take(MAX_SERVER).collect();
        Server::parse(cut.trim_matches('-')).unwrap_or_else(|| Server("dynasti".into()))
    }

    /// Returns the name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Server) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Server {}

impl PartialOrd for Server {
    fn partial_cmp(&self, other: &Server) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Server {
    fn cmp(&self, other: &Server) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_name_has_letters_digits_and_hyphens() {
        for name in ["pi", "pi-2", "7", &"a".repeat(24)] {
            assert_eq!(Server::parse(name).map(|server| server.to_string()).as_deref(), Some(name));
        }
        for name in ["", "-pi", "pi-", "pi.local", "a b", "pi_2", "ü", "a@b", "a\n", &"a".repeat(25)] {
            assert_eq!(Server::parse(name), None, "{name:?}");
        }
        assert_eq!(Server::parse("Pi2"), Server::parse("pI2"));
        assert!(Server::parse("A") < Server::parse("b") && Server::parse("a") < Server::parse("B"));
    }

    #[test]
    fn every_machine_is_called_something() {
        for (machine, server) in [
            ("pi", "pi"),
            ("pi2.example.org", "pi2"),
            ("my_pi", "my-pi"),
            ("_x_", "x"),
            ("küche", "k-che"),
            ("", "dynasti"),
            ("...", "dynasti"),
            (&"a".repeat(64), &"a".repeat(24)),
        ] {
            assert_eq!(Server::of_machine(machine).as_str(), server);
        }
    }
}
