//! The last words to a connection.

use std::time::Duration;

use super::{Cause, Message};
use crate::text::line::MAX_UNENDED;

impl Message {
    /// Says that too many names were refused.
    pub fn too_many_tries(tries: u32) -> Message {
        Message::line(format_args!("-- No name after {tries} tries. Bye!"))
    }

    /// Says that three passwords were wrong.
    pub fn three_wrong_passwords() -> Message {
        Message::line(format_args!("-- Three wrong passwords. Bye!"))
    }

    /// Says that this is a chat room, to a program that speaks another protocol, and at which port browsers join.
    pub fn other_protocol(page: Option<u16>) -> Message {
        let page = page.map(|port| format!(" Browsers join at port {port}.")).unwrap_or_default();
        Message::line(format_args!("-- This is a room where people chat, line by line.{page} Bye!"))
    }

    /// Says that no name came in time.
    pub fn no_name_in_time(time: Duration) -> Message {
        Message::line(format_args!("-- No name within {} seconds. Bye!", time.as_secs()))
    }

    /// Answers `/quit`.
    pub fn bye() -> Message {
        Message::line(format_args!("-- Bye!"))
    }

    /// Says that the operator has ended the connection, and the reason, if the cause has one.
    pub fn kicked(cause: &Cause) -> Message {
        match cause {
            Cause::Kicked(Some(reason)) => {
                Message::line(format_args!("-- The operator has ended your connection: {}", reason.as_str()))
            }
            _ => Message::line(format_args!("-- The operator has ended your connection.")),
        }
    }

    /// Says that too many bytes came without a line end.
    pub fn line_endless() -> Message {
        Message::line(format_args!("-- {} KiB without a line end. Bye!", MAX_UNENDED / 1024))
    }

    /// Says that the client lagged further than it may.
    pub fn too_slow() -> Message {
        Message::line(format_args!("-- You were too slow to read what was said. Bye!"))
    }

    /// Says that the server itself failed.
    pub fn fault() -> Message {
        Message::line(format_args!("-- Sorry, something broke on the server's side. Please connect again."))
    }

    /// Says goodbye to every connection, because the server stops.
    pub fn shutdown() -> Message {
        Message::line(format_args!("Server is shutting down. Bye!"))
    }
}
