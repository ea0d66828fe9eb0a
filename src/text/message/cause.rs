//! Why a member left, when it was not of their own doing.

use std::fmt;

use crate::text::line::Line;

/// Why a member left. Displayed, it stands in the parentheses of `Ann has left the chat (too slow).`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The member's reader lagged further than it may.
    TooSlow,
    /// The network reports that the member's end of the connection is gone.
    ConnectionLost,
    /// The member sent more bytes without a line end than a connection may.
    EndlessLine,
    /// The operator ended the connection, and perhaps gave a reason.
    Kicked(Option<Line<'static>>),
    /// The operator banned the address.
    Banned,
    /// The server itself failed while it served this client.
    Fault,
}

impl Cause {
    /// Returns the cause without its details.
    pub fn kind(&self) -> &'static str {
        match self {
            Cause::TooSlow => "too slow",
            Cause::ConnectionLost => "connection lost",
            Cause::EndlessLine => "line without end",
            Cause::Kicked(_) => "kicked",
            Cause::Banned => "banned",
            Cause::Fault => "server fault",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Cause::Kicked(Some(reason)) => write!(f, ": {}", reason.as_str()),
            _ => Ok(()),
        }
    }
}
