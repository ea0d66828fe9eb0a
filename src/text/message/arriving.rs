//! What a client hears on its way into the room, and when it cannot come in.

use std::time::Duration;

use super::{Message, Quoted};
use crate::text::line::Line;
use crate::text::name::{MAX_NAME, Name, Refusal};
use crate::text::time::Remaining;

/// The line after the refusal of a name that somebody has.
pub(super) const IF_THAT_IS_YOU: &str =
    "-- If that is you: try again in a few seconds; a connection that is dead is given up.";

impl Message {
    /// Greets a new connection and asks for a name.
    pub fn greeting() -> Message {
        Message::line(format_args!("Hi! Welcome to Dynasti. What's your name?"))
    }

    /// Asks for the room's password.
    pub fn password_wanted() -> Message {
        Message::line(format_args!("This room has a password:"))
    }

    /// Asks again, because the password was wrong.
    pub fn password_wrong() -> Message {
        Message::line(format_args!("Wrong password. Try again:"))
    }

    /// Asks again after an empty or blank name.
    pub fn name_empty() -> Message {
        Message::line(format_args!("Please enter a non-empty name:"))
    }

    /// Asks again, because a member has the name, who may be a dead connection of the same person.
    pub fn name_taken(name: &Name) -> Message {
        let mut taken = Message::line(format_args!("Name \"{name}\" is already taken. Choose a different name:"));
        taken.push(format_args!("{IF_THAT_IS_YOU}"));
        taken
    }

    /// Asks again, because the name breaks a rule.
    pub fn name_refused(typed: &Line<'_>, why: &Refusal) -> Message {
        Message::line(format_args!("Name \"{}\" can't be used: {why}. Choose a different name:", Quoted(typed)))
    }

    /// Answers `/help` at the name prompt.
    pub fn help_with_names() -> Message {
        Message::line(format_args!(
            "-- Type a name to come in: letters, digits, spaces and _ - . ' up to {MAX_NAME}. /who tells who is here, \
             /quit leaves."
        ))
    }

    /// Welcomes the newcomer.
    pub fn welcome(name: &Name) -> Message {
        Message::line(format_args!("Welcome, {name}! You can now chat. Type messages and press Enter."))
    }

    /// Says that the room has as many clients as it may have.
    pub fn full(max: usize) -> Message {
        Message::line(format_args!("-- The room is full ({max} clients at most). Please try again later."))
    }

    /// Says that the address has as many connections as it may have.
    pub fn full_for_address(max: usize) -> Message {
        Message::line(format_args!("-- Too many connections from your address ({max} at most)."))
    }

    /// Says that nobody at the address may try passwords, for so long.
    pub fn too_many_wrong_passwords(time: Duration) -> Message {
        Message::line(format_args!(
            "-- Too many wrong passwords from your address. Please try again in {}.",
            Remaining(time)
        ))
    }

    /// Says that the address is banned, for so long or for good.
    pub fn banned(remaining: Option<Duration>) -> Message {
        match remaining {
            Some(time) => {
                Message::line(format_args!("-- The operator has banned your address for another {}.", Remaining(time)))
            }
            None => Message::line(format_args!("-- The operator has banned your address.")),
        }
    }
}
