//! Every sentence the server can say, and the only place where one is made.
//!
//! Knows the wording and nothing of who hears it. What goes in is a [`Name`], a [`Line`] or the project's own words, so
//! nothing unclean can come out.

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use super::line::Line;
use super::name::{Name, Refusal};

/// Whole lines, ready for the wire. An empty one says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
    lines: usize,
}

/// Why a member's leaving was not their own doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Did not read what was sent to them for longer than the queue lasts.
    TooSlow,
    /// The network says that nobody is there any more.
    ConnectionLost,
    /// Sent more than a line can ever be without ending it.
    EndlessLine,
    /// Something in the server broke while it was serving this client.
    Fault,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::TooSlow => "too slow",
            Cause::ConnectionLost => "connection lost",
            Cause::EndlessLine => "line without end",
            Cause::Fault => "server fault",
        })
    }
}

/// A refused name is shown back up to this many characters: enough to recognise it, whatever was pasted.
const SHOWN_OF_A_REFUSED_NAME: usize = 40;

impl Message {
    /// A message of one line made of the given words. Private: whoever speaks chooses a sentence below.
    fn line(words: fmt::Arguments<'_>) -> Message {
        let mut message = Message::default();
        message.push(words);
        message
    }

    /// A line with any words at all, for tests of what becomes of messages.
    #[cfg(test)]
    pub(crate) fn raw(words: &str) -> Message {
        Message::line(format_args!("{words}"))
    }

    fn push(&mut self, words: fmt::Arguments<'_>) {
        struct Wire<'a>(&'a mut Vec<u8>);
        impl Write for Wire<'_> {
            fn write_str(&mut self, words: &str) -> fmt::Result {
                self.0.extend_from_slice(words.as_bytes());
                Ok(())
            }
        }
        // Writing to memory does not fail, and no Display of ours does.
        let _ = Wire(&mut self.bytes).write_fmt(words);
        self.bytes.push(b'\n');
        self.lines += 1;
    }

    /// The bytes for the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes for the wire, without copying them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many lines it has.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds what another message says after what this one says.
    pub fn append(&mut self, other: &Message) {
        self.bytes.extend_from_slice(&other.bytes);
        self.lines += other.lines;
    }

    // ---- at the name prompt

    /// The first line that everybody hears.
    pub fn greeting() -> Message {
        Message::line(format_args!("Hi! Welcome to Dynasti. What's your name?"))
    }

    /// An empty or blank name.
    pub fn name_empty() -> Message {
        Message::line(format_args!("Please enter a non-empty name:"))
    }

    /// Somebody has the name.
    pub fn name_taken(name: &Name) -> Message {
        Message::line(format_args!("Name \"{name}\" is already taken. Choose a different name:"))
    }

    /// The name breaks a rule.
    pub fn name_refused(typed: &Line<'_>, why: &Refusal) -> Message {
        let cut = typed.char_indices().nth(SHOWN_OF_A_REFUSED_NAME);
        let (shown, more) = cut.map_or((typed.as_str(), ""), |(at, _)| (&typed[..at], "…"));
        Message::line(format_args!("Name \"{shown}{more}\" can't be used: {why}. Choose a different name:"))
    }

    /// Too many names were refused.
    pub fn too_many_tries(tries: u32) -> Message {
        Message::line(format_args!("-- No name after {tries} tries. Bye!"))
    }

    /// No name came in time.
    pub fn no_name_in_time(time: Duration) -> Message {
        Message::line(format_args!("-- No name within {} seconds. Bye!", time.as_secs()))
    }

    /// To the newcomer.
    pub fn welcome(name: &Name) -> Message {
        Message::line(format_args!("Welcome, {name}! You can now chat. Type messages and press Enter."))
    }

    // ---- in the room

    /// To everybody else when somebody comes.
    pub fn joined(name: &Name) -> Message {
        Message::line(format_args!("{name} has joined the chat."))
    }

    /// To everybody else when somebody goes.
    pub fn left(name: &Name, cause: Option<&Cause>) -> Message {
        match cause {
            None => Message::line(format_args!("{name} has left the chat.")),
            Some(cause) => Message::line(format_args!("{name} has left the chat ({cause}).")),
        }
    }

    /// Adds what a member says. On the path of every line, so it formats nothing.
    pub fn say(&mut self, name: &Name, line: &Line<'_>) {
        self.bytes.reserve(name.as_str().len() + line.len() + 3);
        self.bytes.extend_from_slice(name.as_str().as_bytes());
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(line.as_bytes());
        self.bytes.push(b'\n');
        self.lines += 1;
    }

    /// What the operator says.
    pub fn server(line: &Line<'_>) -> Message {
        Message::line(format_args!("[SERVER]: {}", line.as_str()))
    }

    // ---- to one client alone

    /// Something that begins with `/` and is no command.
    pub fn unknown_command(word: &str) -> Message {
        Message::line(format_args!("-- There is no /{word}. Try /help, or //{word} to say /{word}."))
    }

    /// A line was longer than a line may be.
    pub fn line_too_long() -> Message {
        Message::line(format_args!("-- Line too long ({} bytes at most); not sent.", super::line::MAX_LINE))
    }

    /// A line without end closes the connection.
    pub fn line_endless() -> Message {
        let kib = super::line::MAX_UNENDED / 1024;
        Message::line(format_args!("-- {kib} KiB without a line end. Bye!"))
    }

    /// The queue overflowed.
    pub fn too_slow() -> Message {
        Message::line(format_args!("-- You were too slow to read what was said. Bye!"))
    }

    /// The answer to `/quit`.
    pub fn bye() -> Message {
        Message::line(format_args!("-- Bye!"))
    }

    /// Something broke while this client was served.
    pub fn fault() -> Message {
        Message::line(format_args!("-- Sorry, something broke on the server's side. Please connect again."))
    }

    /// A telnet option is refused: not a line, and not text.
    pub fn telnet(refusal: [u8; 3]) -> Message {
        Message { bytes: refusal.to_vec(), lines: 0 }
    }

    // ---- to a connection that cannot come in

    /// As many clients as there may be.
    pub fn full(max: usize) -> Message {
        Message::line(format_args!("-- The room is full ({max} clients at most). Please try again later."))
    }

    /// As many clients from one address as there may be.
    pub fn full_for_address(max: usize) -> Message {
        Message::line(format_args!("-- Too many connections from your address ({max} at most)."))
    }

    /// The goodbye to every connection.
    pub fn shutdown() -> Message {
        Message::line(format_args!("Server is shutting down. Bye!"))
    }

    // ---- on the server's own output

    /// Where the server can be reached.
    pub fn listening(address: SocketAddr) -> Message {
        Message::line(format_args!("Server listening on {address}"))
    }

    /// Accepting fails for want of something, descriptors above all.
    pub fn cannot_accept(error: &std::io::Error) -> Message {
        Message::line(format_args!(
            "dynasti: cannot accept connections for now: {error}; those who are here chat on, and accepting is tried \
             again every second"
        ))
    }

    /// Somebody is here.
    pub fn connected(name: &Name, from: SocketAddr) -> Message {
        Message::line(format_args!("{name} connected from {from}"))
    }

    /// Somebody is gone.
    pub fn disconnected(name: &Name) -> Message {
        Message::line(format_args!("{name} disconnected."))
    }

    /// The server stops.
    pub fn shutting_down() -> Message {
        Message::line(format_args!("Shutting down server..."))
    }
}
