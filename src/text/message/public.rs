//! What the members hear of each other, and of the operator.

use super::{Cause, Message};
use crate::text::file::{ByteCount, FileLink};
use crate::text::line::Line;
use crate::text::name::Name;

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

    /// Says something to one member alone: `/msg`.
    pub fn private(from: &Name, text: &Line<'_>) -> Message {
        Message::line(format_args!("{from} (private): {}", text.as_str()))
    }
}
