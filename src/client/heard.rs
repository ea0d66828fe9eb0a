//! What a line from the server is: who says it, and to what end.
//!
//! Knows the server's sentences, and nothing of colours, windows or sockets.

use crate::text::name::Name;

/// A line, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// The first line of all: a name is wanted.
    Greeting,
    /// The name that was sent will not do, and another is wanted.
    NameRefused,
    /// This name has been accepted.
    Welcome(&'a str),
    /// Somebody says something to everybody.
    Said(&'a str, &'a str),
    /// Somebody says something to us alone.
    Private(&'a str, &'a str),
    /// Somebody does something; who it is can only be told by knowing the names.
    Emote(&'a str),
    /// The operator says something.
    Server(&'a str),
    Joined(&'a str),
    Left(&'a str),
    /// The old name and the new one.
    Renamed(&'a str, &'a str),
    /// The server stops.
    Goodbye,
    /// Anything else: answers, notices.
    Notice,
}

/// Takes a line apart.
///
/// A notice is told from what somebody says by the name before the colon: no notice has a name there, and no name holds
/// a notice's words.
pub(crate) fn take_apart(line: &str) -> Heard<'_> {
    match line {
        "Hi! Welcome to Dynasti. What's your name?" => return Heard::Greeting,
        "Please enter a non-empty name:" => return Heard::NameRefused,
        "Server is shutting down. Bye!" => return Heard::Goodbye,
        _ if line.starts_with("Name \"") && line.ends_with(". Choose a different name:") => return Heard::NameRefused,
        _ => {}
    }
    if let Some((who, text)) = line.split_once(": ") {
        if who == "[SERVER]" {
            return Heard::Server(text);
        }
        if is_name(who) {
            return Heard::Said(who, text);
        }
        if let Some(who) = who.strip_suffix(" (private)").filter(|who| is_name(who)) {
            return Heard::Private(who, text);
        }
    }
    if let Some(rest) = line.strip_prefix("Welcome, ") {
        if let Some((name, _)) = rest.split_once("! You can now chat.") {
            return Heard::Welcome(name);
        }
    }
    if let Some(action) = line.strip_prefix("* ") {
        return Heard::Emote(action);
    }
    if let Some(who) = line.strip_suffix(" has joined the chat.").filter(|who| is_name(who)) {
        return Heard::Joined(who);
    }
    if let Some((who, _)) = line.split_once(" has left the chat").filter(|(who, _)| is_name(who)) {
        return Heard::Left(who);
    }
    if let Some((old, new)) = line.strip_suffix('.').and_then(|line| line.split_once(" is now known as ")) {
        if is_name(old) && is_name(new) {
            return Heard::Renamed(old, new);
        }
    }
    Heard::Notice
}

fn is_name(text: &str) -> bool {
    Name::parse(text).is_ok_and(|name| name.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line() {
        for (line, heard) in [
            ("Hi! Welcome to Dynasti. What's your name?", Heard::Greeting),
            ("Please enter a non-empty name:", Heard::NameRefused),
            ("Name \"Ann\" is already taken. Choose a different name:", Heard::NameRefused),
            ("Name \"a: b\" can't be used: too: odd. Choose a different name:", Heard::NameRefused),
            ("Welcome, Jean Paul! You can now chat. Type messages and press Enter.", Heard::Welcome("Jean Paul")),
            ("Ann: hi", Heard::Said("Ann", "hi")),
            ("Jean Paul: a: b", Heard::Said("Jean Paul", "a: b")),
            ("Ann:  indented", Heard::Said("Ann", " indented")),
            ("Ann: Bob has joined the chat.", Heard::Said("Ann", "Bob has joined the chat.")),
            ("Ann (private): psst", Heard::Private("Ann", "psst")),
            ("* Jean Paul waves", Heard::Emote("Jean Paul waves")),
            ("[SERVER]: lunch", Heard::Server("lunch")),
            ("Ann has joined the chat.", Heard::Joined("Ann")),
            ("Ann has left the chat.", Heard::Left("Ann")),
            ("Ann has left the chat (kicked: spam).", Heard::Left("Ann")),
            ("Ann is now known as Bea.", Heard::Renamed("Ann", "Bea")),
            ("Server is shutting down. Bye!", Heard::Goodbye),
            ("-- 2 here: Ann, Bob", Heard::Notice),
            ("-- Ann: what she said", Heard::Notice),
            ("nonsense", Heard::Notice),
            ("", Heard::Notice),
        ] {
            assert_eq!(take_apart(line), heard, "{line:?}");
        }
    }
}
