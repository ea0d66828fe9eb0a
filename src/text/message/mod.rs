//! Every sentence that a client can hear, and the only place where a [`Message`] is made.
//!
//! This file knows what a message is. The sentences are in the files beside it, sorted by who hears them. None of it
//! knows connections or members. A sentence is made of [`Name`](super::name::Name)s, [`Line`](super::line::Line)s and
//! the project's own words, so it is always clean. `spoken` is the inverse.

mod answers;
mod arriving;
mod cause;
mod leaving;
mod public;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write};

pub use self::cause::Cause;

/// Whole lines that are ready for the wire, or a telnet refusal, which is no line. An empty message says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
    lines: usize,
}

/// How many characters are quoted of what somebody typed: enough to recognise it, even if much was pasted.
const QUOTED: usize = 40;

impl Message {
    /// Makes a message of one line. It is private, so that all wording is in this module.
    fn line(words: fmt::Arguments<'_>) -> Message {
        let mut message = Message::default();
        message.push(words);
        message
    }

    /// Makes a message of any words, for tests in other modules.
    #[cfg(test)]
    pub(crate) fn raw(words: &str) -> Message {
        Message::line(format_args!("{words}"))
    }

    /// Adds a line.
    fn push(&mut self, words: fmt::Arguments<'_>) {
        struct Length(usize);
        impl Write for Length {
            fn write_str(&mut self, words: &str) -> fmt::Result {
                self.0 += words.len();
                Ok(())
            }
        }
        struct Wire<'a>(&'a mut Vec<u8>);
        impl Write for Wire<'_> {
            fn write_str(&mut self, words: &str) -> fmt::Result {
                self.0.extend_from_slice(words.as_bytes());
                Ok(())
            }
        }
        // Writing to memory does not fail, nor does any Display that is used here.
        if self.bytes.is_empty() {
            // Most messages are one line. Thousands may wait to be read, so each takes no more memory than it is long.
            let mut length = Length(1);
            let _ = length.write_fmt(words);
            self.bytes.reserve_exact(length.0);
        }
        let _ = Wire(&mut self.bytes).write_fmt(words);
        self.bytes.push(b'\n');
        self.lines += 1;
    }

    /// Returns the bytes for the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes for the wire without copying them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns the lines without their ends.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let text = std::str::from_utf8(&self.bytes).unwrap_or_default();
        text.split_terminator('\n')
    }

    /// Returns the number of lines.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Returns whether the message says nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds the lines of another message after those of this one.
    pub fn append(&mut self, other: &Message) {
        self.bytes.extend_from_slice(&other.bytes);
        self.lines += other.lines;
    }
}

impl fmt::Display for Message {
    /// Writes the lines without the last line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes);
        f.write_str(text.strip_suffix('\n').unwrap_or(&text))
    }
}

/// Quotes what somebody typed. Displayed, it is cut at [`QUOTED`] characters.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(QUOTED) {
            Some((at, _)) => write!(f, "{}…", &self.0[..at]),
            None => f.write_str(self.0),
        }
    }
}
