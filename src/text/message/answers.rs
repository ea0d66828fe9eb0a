//! Answers to what a member asks for. Only that member hears them.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::arriving::IF_THAT_IS_YOU;
use super::{Message, Quoted};
use crate::text::command::{Usage, table, usages};
use crate::text::file::{ByteCount, FileLink, SendLink};
use crate::text::line::{Line, MAX_LINE};
use crate::text::name::{Name, Refusal};
use crate::text::time::{Remaining, Span};

/// No line of the answer to `/who` is wider than this many columns, for small terminals.
pub(super) const WHO_WIDTH: usize = 60;

/// On how many lines the answer to `/who` names members at most. Nobody reads more, and a reader that keeps up must not
/// be dropped because of an answer.
pub(super) const WHO_LINES: usize = 200;

impl Message {
    /// Says that there is no such command.
    pub fn unknown_command(word: &str) -> Message {
        let word = Quoted(word);
        Message::line(format_args!("-- There is no /{word}. Try /help, or //{word} to say /{word}."))
    }

    /// Says how a command is typed, because it came without what it takes.
    pub fn misused(usage: &Usage) -> Message {
        Message::line(format_args!("-- Usage: /{} {} ({})", usage.name, usage.takes, usage.does))
    }

    /// Answers `/help` in the room.
    pub fn help() -> Message {
        let mut help = Message::line(format_args!("-- Type a line and press Enter: everybody else reads it."));
        table(usages()).for_each(|row| help.push(format_args!("-- {row}")));
        help.push(format_args!("-- Start with // to say a line that begins with /."));
        help
    }

    /// Answers `/who`. The first line begins with the number of members who are here; the others are indented by two
    /// more spaces. `names` has that many names, of which it takes no more than it lists.
    pub fn who<'a>(here: usize, names: impl Iterator<Item = &'a Name>) -> Message {
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

    /// Shows the author of `/me` what the others see.
    pub fn emoted(name: &Name, action: &Line<'_>) -> Message {
        Message::line(format_args!("-- * {name} {}", action.as_str()))
    }

    /// Says that an action is not sent, because it would read as if another member did it. Names have spaces, so one
    /// name may begin with another.
    pub fn emote_of_another(other: &Name) -> Message {
        Message::line(format_args!("-- Not sent: while {other} is here, it would read as if {other} did it."))
    }

    /// Repeats a private message to its author.
    pub fn private_sent(to: &Name, text: &Line<'_>) -> Message {
        Message::line(format_args!("-- To {to} (private): {}", text.as_str()))
    }

    /// Says that a private message is not sent, because too many wait for the link.
    pub fn not_sent_elsewhere(to: &Name) -> Message {
        Message::line(format_args!("-- Not sent: too much waits on the way to {to}. Try again in a moment."))
    }

    /// Says that nobody who is here has that name.
    pub fn nobody_called(typed: &Line<'_>) -> Message {
        Message::line(format_args!("-- Nobody here is called \"{}\". /who tells who is here.", Quoted(typed)))
    }

    /// Says that `/msg` came with a name and without a text.
    pub fn nothing_to_say(to: &Name) -> Message {
        Message::line(format_args!("-- And what do you want to tell {to}? Usage: /msg {to} TEXT"))
    }

    /// Says that there is nobody to whom `/reply` could go.
    pub fn nobody_to_reply_to() -> Message {
        Message::line(format_args!("-- Nobody who is here has written to you with /msg yet."))
    }

    /// Says that a member has named themselves where another name is wanted.
    pub fn that_is_you() -> Message {
        Message::line(format_args!("-- That is you."))
    }

    /// Says to a member that they have a new name.
    pub fn renamed_yourself(to: &Name) -> Message {
        Message::line(format_args!("-- You are now known as {to}."))
    }

    /// Says that the new name is the old one.
    pub fn renamed_to_the_same(name: &Name) -> Message {
        Message::line(format_args!("-- Your name is {name} already."))
    }

    /// Refuses `/nick`, because the name has changed so often within a minute.
    pub fn renamed_too_often(times: usize, wait: Duration) -> Message {
        Message::line(format_args!(
            "-- Your name has changed {times} times within a minute. Wait {}, and try again.",
            Remaining(wait)
        ))
    }

    /// Says that another member has the new name, who may be a dead connection of the same person.
    pub fn not_renamed_taken(name: &Name) -> Message {
        let mut taken = Message::line(format_args!("-- Name \"{name}\" is already taken."));
        taken.push(format_args!("{IF_THAT_IS_YOU}"));
        taken
    }

    /// Says that the new name breaks a rule.
    pub fn not_renamed(why: &Refusal) -> Message {
        Message::line(format_args!("-- That name can't be used: {why}."))
    }

    /// Says that the member does not hear somebody any more.
    pub fn ignoring(name: &Name) -> Message {
        Message::line(format_args!("-- You don't hear {name} any more. /ignore {name} again to hear them."))
    }

    /// Says that the member hears somebody again.
    pub fn not_ignoring(name: &Name) -> Message {
        Message::line(format_args!("-- You hear {name} again."))
    }

    /// Says that the member ignores as many others as one may.
    pub fn ignoring_too_many(max: usize) -> Message {
        Message::line(format_args!("-- You ignore {max} people already; hear one of them again first."))
    }

    /// Answers `/send`.
    pub fn send_with(link: &SendLink) -> Message {
        Message::line(format_args!("-- Send it with: curl -T FILE {link}"))
    }

    /// Says that no files are shared, because the server keeps none.
    pub fn keeps_no_files() -> Message {
        Message::line(format_args!("-- No files are shared here: this server keeps none (--files 0)."))
    }

    /// Says that no files are shared, because there is no way to.
    pub fn no_page_for_files() -> Message {
        Message::line(format_args!("-- No files are shared here: this server has no page (--web)."))
    }

    /// Says that nobody shares a file now.
    pub fn no_files() -> Message {
        Message::line(format_args!("-- No files are shared now. /send tells how to share one."))
    }

    /// Says how many older files the answer to `/files` leaves out.
    pub fn files_left_out(files: usize) -> Message {
        Message::line(format_args!("-- … older files that are not shown here: {files}"))
    }

    /// Says that the system has no random numbers yet, and so there is nothing that cannot be guessed.
    pub fn no_random_numbers() -> Message {
        Message::line(format_args!("-- The system has no random numbers yet. Try again in a moment."))
    }

    /// Adds a file to the answer to `/files`: who shares it, how large it is, and how long it stays.
    pub fn file(&mut self, by: &Name, size: u64, left: Duration, link: &FileLink<'_>) {
        let (name, size, left) = (link.name, ByteCount(size), Remaining(left));
        self.push(format_args!("-- {by} shares {name} ({size}), for another {left}: {link}"));
    }

    /// Says to a member that nobody hears them.
    pub fn muted() -> Message {
        Message::line(format_args!("-- The operator has muted you: nobody hears what you say."))
    }

    /// Says to a member that the others hear them again.
    pub fn unmuted() -> Message {
        Message::line(format_args!("-- The operator lets you be heard again."))
    }

    /// Adds a line that was said some time ago, marked so that nobody thinks it is new.
    pub fn recall(&mut self, ago: Duration, said: &str) {
        self.push(format_args!("-- [{} ago] {said}", Span(ago)));
    }

    /// Adds how many older lines did not fit into the answer.
    pub fn recall_left_out(&mut self, lines: usize) {
        self.push(format_args!("-- … older lines that do not fit here: {lines}"));
    }

    /// Says that a session does not hear some lines, because they are not kept any more.
    #[cfg(feature = "web")]
    pub(crate) fn events_missed() -> Message {
        Message::line(format_args!("-- … Lines were missed here, and are not kept any more."))
    }

    /// Says that there is no history.
    pub fn nothing_to_recall() -> Message {
        Message::line(format_args!("-- There are no earlier lines to read."))
    }

    /// Says that a line was longer than a line may be.
    pub fn line_too_long() -> Message {
        Message::line(format_args!("-- Line too long ({} bytes at most); not sent.", MAX_LINE))
    }

    /// Refuses a telnet option. This is neither a line nor text. It counts as a line because it takes as much memory as
    /// one: counted by its bytes alone, forty thousand refusals would fit into a queue.
    pub fn telnet(refusal: [u8; 3]) -> Message {
        Message { bytes: refusal.to_vec(), lines: 1 }
    }
}
