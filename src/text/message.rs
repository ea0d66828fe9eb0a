//! Every sentence the server can say, and the only place where one is made.
//!
//! Knows the wording and nothing of who hears it. What goes in is a [`Name`], a [`Line`] or the project's own words, so
//! nothing unclean can come out.

use std::fmt::{self, Write};
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::command::{Usage, table, usages};
use super::line::Line;
use super::name::{MAX_NAME, Name, Refusal};
use super::time::{Remaining, Span};

/// Whole lines, ready for the wire; or a telnet refusal, which is no line. An empty one says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
    lines: usize,
}

impl fmt::Display for Message {
    /// Writes the lines without the last line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.bytes);
        f.write_str(text.strip_suffix('\n').unwrap_or(&text))
    }
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
    /// The operator ended the connection, and perhaps said why.
    Kicked(Option<Line<'static>>),
    /// The operator banned the address.
    Banned,
    /// Something in the server broke while it was serving this client.
    Fault,
}

impl Cause {
    /// The cause in one or two words, the same for all that have it.
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

/// `/who` breaks its lines before this many columns, for small terminals...
const WHO_WIDTH: usize = 60;

/// ...and after this many lines: more nobody reads, and an answer must fit into a queue.
const WHO_LINES: usize = 200;

/// What was typed is shown back up to this many characters: enough to recognise it, whatever was pasted.
const SHOWN_BACK: usize = 40;

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

    /// The lines, without their ends.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let text = std::str::from_utf8(&self.bytes).unwrap_or_default();
        text.split_terminator('\n')
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
        Message::line(format_args!("Name \"{}\" can't be used: {why}. Choose a different name:", Shown(typed)))
    }

    /// Too many names were refused.
    pub fn too_many_tries(tries: u32) -> Message {
        Message::line(format_args!("-- No name after {tries} tries. Bye!"))
    }

    /// No person chooses this name: a program that expects another kind of server.
    pub fn no_person() -> Message {
        Message::line(format_args!("-- This is a room where people chat, line by line. Bye!"))
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
        let word = Shown(word);
        Message::line(format_args!("-- There is no /{word}. Try /help, or //{word} to say /{word}."))
    }

    /// A command without what it takes.
    pub fn misused(usage: &Usage) -> Message {
        Message::line(format_args!("-- Usage: /{} {} ({})", usage.name, usage.takes, usage.does))
    }

    /// The answer to `/help` in the room.
    pub fn help() -> Message {
        let mut help = Message::line(format_args!("-- Type a line and press Enter: everybody else reads it."));
        table(usages()).for_each(|row| help.push(format_args!("-- {row}")));
        help.push(format_args!("-- Start with // to say a line that begins with /."));
        help
    }

    /// The answer to `/help` at the name prompt.
    pub fn help_with_names() -> Message {
        Message::line(format_args!(
            "-- Type a name to come in: letters, digits, spaces and _ - . up to {MAX_NAME}. /who tells who is here, \
             /quit leaves."
        ))
    }

    /// The answer to `/who`. Its first line tells how many are here, the others are set in by two more spaces.
    pub fn who<'a>(names: impl ExactSizeIterator<Item = &'a Name>) -> Message {
        let here = names.len();
        if here == 0 {
            return Message::line(format_args!("-- Nobody is here yet."));
        }
        let mut who = Message::default();
        let mut row = format!("-- {here} here:");
        for (n, name) in names.enumerate() {
            let comma = if n + 1 < here { "," } else { "" };
            // A name of 24 wide characters fits beside anything that a row begins with.
            if row.width() + 1 + name.as_str().width() + comma.len() > WHO_WIDTH {
                who.push(format_args!("{row}"));
                if who.lines == WHO_LINES {
                    who.push(format_args!("-- … and {} more", here - n));
                    return who;
                }
                row = String::from("--  ");
            }
            row.push(' ');
            row.push_str(name.as_str());
            row.push_str(comma);
        }
        who.push(format_args!("{row}"));
        who
    }

    /// What everybody else sees of `/me`.
    pub fn emote(name: &Name, action: &Line<'_>) -> Message {
        Message::line(format_args!("* {name} {}", action.as_str()))
    }

    /// What the author of `/me` sees.
    pub fn emoted(name: &Name, action: &Line<'_>) -> Message {
        Message::line(format_args!("-- * {name} {}", action.as_str()))
    }

    /// An action that would read as if somebody else did it: names have spaces, and one may begin with another.
    pub fn emote_of_another(other: &Name) -> Message {
        Message::line(format_args!("-- Not sent: while {other} is here, it would read as if {other} did it."))
    }

    /// A private message, to whom it is for.
    pub fn private(from: &Name, text: &Line<'_>) -> Message {
        Message::line(format_args!("{from} (private): {}", text.as_str()))
    }

    /// The same, to its author.
    pub fn private_sent(to: &Name, text: &Line<'_>) -> Message {
        Message::line(format_args!("-- To {to} (private): {}", text.as_str()))
    }

    /// A command that names nobody who is here.
    pub fn nobody_called(typed: &Line<'_>) -> Message {
        Message::line(format_args!("-- Nobody here is called \"{}\". /who tells who is here.", Shown(typed)))
    }

    /// A name, but nothing to say to them.
    pub fn nothing_to_say(to: &Name) -> Message {
        Message::line(format_args!("-- And what do you want to tell {to}? Usage: /msg {to} TEXT"))
    }

    /// `/reply` to nobody.
    pub fn nobody_to_reply_to() -> Message {
        Message::line(format_args!("-- Nobody who is here has written to you with /msg yet."))
    }

    /// A member did something to themselves that is done to others.
    pub fn that_is_you() -> Message {
        Message::line(format_args!("-- That is you."))
    }

    /// To everybody else when somebody changes their name.
    pub fn renamed(from: &Name, to: &Name) -> Message {
        Message::line(format_args!("{from} is now known as {to}."))
    }

    /// The same, to whom it is about.
    pub fn renamed_yourself(to: &Name) -> Message {
        Message::line(format_args!("-- You are now known as {to}."))
    }

    /// A new name that is the old one.
    pub fn renamed_to_the_same(name: &Name) -> Message {
        Message::line(format_args!("-- Your name is {name} already."))
    }

    /// A new name that cannot be had.
    pub fn not_renamed_taken(name: &Name) -> Message {
        Message::line(format_args!("-- Name \"{name}\" is already taken."))
    }

    /// A new name that breaks a rule.
    pub fn not_renamed(why: &Refusal) -> Message {
        Message::line(format_args!("-- That name can't be used: {why}."))
    }

    /// Somebody is not heard any more.
    pub fn ignoring(name: &Name) -> Message {
        Message::line(format_args!("-- You don't hear {name} any more. /ignore {name} again to hear them."))
    }

    /// Somebody is heard again.
    pub fn not_ignoring(name: &Name) -> Message {
        Message::line(format_args!("-- You hear {name} again."))
    }

    /// As many as one may ignore.
    pub fn ignoring_too_many(max: usize) -> Message {
        Message::line(format_args!("-- You ignore {max} people already; hear one of them again first."))
    }

    /// To a member whom nobody hears.
    pub fn muted() -> Message {
        Message::line(format_args!("-- The operator has muted you: nobody hears what you say."))
    }

    /// To a member whom everybody hears again.
    pub fn unmuted() -> Message {
        Message::line(format_args!("-- The operator lets you be heard again."))
    }

    /// Adds something that was said some time ago, so that nobody takes it for new.
    pub fn recall(&mut self, ago: Duration, said: &str) {
        self.push(format_args!("-- [{} ago] {said}", Span(ago)));
    }

    /// Adds that there was more to recall than one answer may have.
    pub fn recall_left_out(&mut self, lines: usize) {
        self.push(format_args!("-- … older lines that do not fit here: {lines}"));
    }

    /// Nothing to recall.
    pub fn nothing_to_recall() -> Message {
        Message::line(format_args!("-- There are no earlier lines to read."))
    }

    /// To a member whom the operator sends away.
    pub fn kicked(cause: &Cause) -> Message {
        match cause {
            Cause::Kicked(Some(reason)) => {
                Message::line(format_args!("-- The operator has ended your connection: {}", reason.as_str()))
            }
            _ => Message::line(format_args!("-- The operator has ended your connection.")),
        }
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

    /// A telnet option is refused: not a line, and not text. It counts as a line, since it takes as much to hold: by its
    /// bytes alone a queue would have place for forty thousand.
    pub fn telnet(refusal: [u8; 3]) -> Message {
        Message { bytes: refusal.to_vec(), lines: 1 }
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

    /// The address is banned, for so long or for good.
    pub fn banned(left: Option<Duration>) -> Message {
        match left {
            Some(left) => {
                Message::line(format_args!("-- The operator has banned your address for another {}.", Remaining(left)))
            }
            None => Message::line(format_args!("-- The operator has banned your address.")),
        }
    }

    /// The goodbye to every connection.
    pub fn shutdown() -> Message {
        Message::line(format_args!("Server is shutting down. Bye!"))
    }
}

/// What somebody typed, cut where it becomes long.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN_BACK) {
            Some((at, _)) => write!(f, "{}…", &self.0[..at]),
            None => f.write_str(self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::line::{Decoder, Input};

    fn name(typed: &str) -> Name {
        Name::parse(typed).unwrap()
    }

    fn line(typed: &str) -> Line<'static> {
        let typed = format!("{typed}\n");
        match Decoder::default().next(&mut typed.as_bytes()) {
            Some(Input::Line(line)) => line.into_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// The one line that a message is, without its end.
    fn text(message: Message) -> String {
        assert_eq!(message.lines(), 1);
        let text = String::from_utf8(message.into_bytes()).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        text.strip_suffix('\n').unwrap().to_string()
    }

    #[test]
    fn the_contracts_texts_are_to_the_letter() {
        let (ann, anna) = (name("Ann"), name("Anna"));
        for (message, expected) in [
            (Message::greeting(), "Hi! Welcome to Dynasti. What's your name?"),
            (Message::name_empty(), "Please enter a non-empty name:"),
            (Message::name_taken(&ann), "Name \"Ann\" is already taken. Choose a different name:"),
            (
                Message::name_refused(&line("admin"), &Refusal::Reserved),
                "Name \"admin\" can't be used: it is reserved. Choose a different name:",
            ),
            (Message::welcome(&ann), "Welcome, Ann! You can now chat. Type messages and press Enter."),
            (Message::joined(&ann), "Ann has joined the chat."),
            (Message::left(&ann, None), "Ann has left the chat."),
            (Message::left(&ann, Some(&Cause::TooSlow)), "Ann has left the chat (too slow)."),
            (Message::left(&ann, Some(&Cause::Kicked(None))), "Ann has left the chat (kicked)."),
            (Message::left(&ann, Some(&Cause::Kicked(Some(line("spam"))))), "Ann has left the chat (kicked: spam)."),
            (Message::renamed(&ann, &anna), "Ann is now known as Anna."),
            (Message::server(&line("text")), "[SERVER]: text"),
            (Message::emote(&ann, &line("waves")), "* Ann waves"),
            (Message::private(&ann, &line("text")), "Ann (private): text"),
            (Message::line_too_long(), "-- Line too long (4096 bytes at most); not sent."),
            (Message::shutdown(), "Server is shutting down. Bye!"),
        ] {
            assert_eq!(text(message), expected);
        }
        let mut said = Message::default();
        said.say(&ann, &line("one"));
        said.say(&ann, &line("two: three"));
        assert_eq!((said.bytes(), said.lines()), (b"Ann: one\nAnn: two: three\n".as_slice(), 2));
    }

    #[test]
    fn help_fits_a_terminal_of_sixty_by_twenty() {
        let help = Message::help();
        // One line of the twenty is for the prompt.
        assert!(help.lines() < 20);
        for line in help.texts() {
            assert!(line.starts_with("-- ") && line.width() <= 60, "{line}");
            assert_eq!(line.trim_end(), line);
        }
        assert!(usages().all(|usage| help.texts().any(|line| line.contains(&format!("/{} ", usage.name)))));
    }

    fn who(names: &[Name]) -> Vec<String> {
        Message::who(names.iter()).texts().map(String::from).collect()
    }

    #[test]
    fn who_is_one_line_while_it_fits_and_breaks_between_names() {
        assert_eq!(who(&[]), ["-- Nobody is here yet."]);
        assert_eq!(who(&[name("Ann")]), ["-- 1 here: Ann"]);
        assert_eq!(who(&["Ann", "Bob", "Cid Lee"].map(name)), ["-- 3 here: Ann, Bob, Cid Lee"]);
        for letter in ["n", "名"] {
            let names: Vec<Name> = (0..300).map(|n| name(&format!("{}{n}", letter.repeat(n % 22)))).collect();
            let rows = who(&names);
            let mut told = Vec::new();
            for row in &rows {
                assert!(row.width() <= WHO_WIDTH && row.starts_with("-- "), "{row}");
                told.push(row.trim_start_matches("-- ").trim_start_matches("300 here:").trim());
            }
            assert!(rows.len() > 1 && rows[1..].iter().all(|row| row.starts_with("--   ")));
            let names: Vec<&str> = names.iter().map(Name::as_str).collect();
            assert_eq!(told.join(" "), names.join(", "));
        }
    }

    #[test]
    fn who_of_very_many_tells_how_many_more_there_are() {
        let names: Vec<Name> = (0..1000).map(|n| name(&format!("{n:023}"))).collect();
        let rows = who(&names);
        assert_eq!(rows.len(), WHO_LINES + 1);
        let told: usize = rows[..WHO_LINES].iter().map(|row| row.matches(',').count()).sum();
        assert_eq!(rows[WHO_LINES], format!("-- … and {} more", names.len() - told));
    }

    #[test]
    fn what_was_typed_is_shown_back_but_not_all_of_it() {
        let long = "x".repeat(4000);
        for message in [Message::unknown_command(&long), Message::nobody_called(&line(&long))] {
            assert!(text(message).contains(&format!("{}…", "x".repeat(SHOWN_BACK))));
        }
        assert!(text(Message::unknown_command(&long)).len() < 200);
    }
}
