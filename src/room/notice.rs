//! What the room tells the process that runs it: lines for the server's own output, which no client hears.

use std::fmt;
use std::net::SocketAddr;

use crate::text::name::Name;

/// Something for the operator to read: one line, or several with line ends between them, without the last line end.
#[derive(Debug)]
pub enum Notice {
    /// For the server's standard output.
    Log(String),
    /// For its standard error.
    Warning(String),
}

/// Who comes and goes, as the server's output says it.
#[derive(Debug)]
pub(super) enum Traffic<'a> {
    Connected(&'a Name, SocketAddr),
    Disconnected(&'a Name),
}

impl fmt::Display for Traffic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Traffic::Connected(name, from) => write!(f, "{name} connected from {from}"),
            Traffic::Disconnected(name) => write!(f, "{name} disconnected."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_texts_are_to_the_letter() {
        let ann = Name::parse("Ann").unwrap();
        let from = SocketAddr::from(([192, 168, 1, 7], 50112));
        assert_eq!(Traffic::Connected(&ann, from).to_string(), "Ann connected from 192.168.1.7:50112");
        assert_eq!(Traffic::Disconnected(&ann).to_string(), "Ann disconnected.");
    }
}
