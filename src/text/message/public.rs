//! What all members hear: of each other, of the operator, and of linked servers. And private messages.

use std::fmt::Display;

use super::{Cause, Message};
use crate::text::file::{ByteCount, FileLink};
use crate::text::line::Line;
use crate::text::name::Name;
use crate::text::server::Server;

impl Message {
    /// Says to everybody else that somebody has come.
    pub fn joined(name: &Name) -> Message {
        Message::line(format_args!("{name} has joined the chat."))
    }

    /// Says to everybody else that somebody has gone, and why, if it was not of their own doing.
    pub fn left(name: &Name, cause: Option<&Cause>) -> Message {
        match cause {
            None => Message::line(format_args!("{name} has left the chat.")),
            Some(cause) => Message::line(format_args!("{name} has left the chat ({cause}).")),
        }
    }

    /// Says to everybody else that somebody has changed their name.
    pub fn renamed(from: &Name, to: &Name) -> Message {
        Message::line(format_args!("{from} is now known as {to}."))
    }

    /// Adds what a member says. Every line comes through here, so this formats nothing.
    pub fn say(&mut self, name: &Name, line: &Line<'_>) {
        self.bytes.reserve(name.as_str().len() + line.len() + 3);
        self.bytes.extend_from_slice(name.as_str().as_bytes());
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(line.as_bytes());
        self.bytes.push(b'\n');
        self.lines += 1;
    }

    /// Shows to everybody else what a member does: `/me`.
    pub fn emote(name: &Name, action: &Line<'_>) -> Message {
        Message::line(format_args!("* {name} {}", action.as_str()))
    }

    /// Says to everybody that somebody shares a file, and where it is.
    pub fn shared(by: &Name, size: u64, link: &FileLink<'_>) -> Message {
        Message::line(format_args!("{by} shares {} ({}): {link}", link.name, ByteCount(size)))
    }

    /// Says what the operator says.
    pub fn server(line: &Line<'_>) -> Message {
        Message::line(format_args!("[SERVER]: {}", line.as_str()))
    }

    /// Says what the operator of another server says.
    pub fn server_at(server: &Server, line: &Line<'_>) -> Message {
        Message::line(format_args!("[SERVER@{server}]: {}", line.as_str()))
    }

    /// Says that a member of another server shares a file. The line has the name, the size and the address, as that
    /// server gives them.
    pub fn shared_elsewhere(by: &Name, what: &Line<'_>) -> Message {
        Message::line(format_args!("{by} shares {}", what.as_str()))
    }

    /// Says why a member of another server has gone, as that server says it.
    pub fn left_elsewhere(name: &Name, cause: &Line<'_>) -> Message {
        Message::line(format_args!("{name} has left the chat ({}).", cause.as_str()))
    }

    /// Says that the members of another server are in this room too.
    pub fn linked(server: &Server) -> Message {
        Message::line(format_args!("-- {server} is linked."))
    }

    /// Says that the members of another server are not in this room any more.
    pub fn not_linked(server: &Server) -> Message {
        Message::line(format_args!("-- {server} is not linked any more."))
    }

    /// Says how many lines of another server have not come.
    pub fn missed(lines: u64, server: &Server) -> Message {
        Message::line(format_args!("-- {lines} lines of {server} were missed."))
    }

    /// Says that the link to other servers does not work. The address has no user and no password.
    pub fn link_down(to: impl Display, why: impl Display) -> Message {
        Message::line(format_args!("-- The link to {to} is down: {why}. This room goes on alone."))
    }

    /// Says that the link to other servers works again.
    pub fn link_back(to: impl Display) -> Message {
        Message::line(format_args!("-- The link to {to} is back."))
    }

    /// A private message to a member of another server. It is for the link, which passes it on.
    pub fn private_elsewhere(from: &Name, to: &Name, text: &Line<'_>) -> Message {
        Message::line(format_args!("{from} (private to {to}): {}", text.as_str()))
    }

    /// A private message: `/msg`.
    pub fn private(from: &Name, text: &Line<'_>) -> Message {
        Message::line(format_args!("{from} (private): {}", text.as_str()))
    }
}
