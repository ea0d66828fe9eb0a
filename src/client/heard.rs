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
    /// We have asked for this name, and it is ours now.
    Called(&'a str),
    /// Somebody says something to everybody.
    Said(&'a str, &'a str),
    /// Somebody says something to us alone.
    Private(&'a str, &'a str),
    /// Somebody does something; who it is can only be told by knowing the names.
    Emote(&'a str),
    /// What the others have seen us do, our name first.
    Emoted(&'a str),
    /// To whom we have said something in private, and what.
    PrivateSent(&'a str, &'a str),
    /// The operator says something.
    Server(&'a str),
    Joined(&'a str),
    Left(&'a str),
    /// The old name and the new one.
    Renamed(&'a str, &'a str),
    /// Names of people who are here, with commas between them.
    Present(&'a str),
    /// The server stops.
    Goodbye,
    /// The operator does not want us here.
    SentAway,
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
    if let Some(answer) = line.strip_prefix("-- ") {
        return take_answer_apart(answer);
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

/// Takes apart what was said to us alone. Nobody but the server can begin a line with dashes.
fn take_answer_apart(answer: &str) -> Heard<'_> {
    if answer.starts_with("The operator has ended your connection") || answer.starts_with("The operator has banned") {
        return Heard::SentAway;
    }
    if let Some(name) = answer.strip_prefix("You are now known as ").and_then(|rest| rest.strip_suffix('.')) {
        return Heard::Called(name);
    }
    if let Some(action) = answer.strip_prefix("* ") {
        return Heard::Emoted(action);
    }
    if let Some((whom, text)) = answer.strip_prefix("To ").and_then(|rest| rest.split_once(" (private): ")) {
        return Heard::PrivateSent(whom, text);
    }
    // The first row of the answer to /who begins with how many are here, the others with spaces.
    let names = match answer.split_once(" here: ") {
        Some((count, names)) if count.bytes().all(|byte| byte.is_ascii_digit()) => Some(names),
        _ => answer.strip_prefix("  "),
    };
    match names {
        Some(names) if names_in(names).all(is_name) => Heard::Present(names),
        _ => Heard::Notice,
    }
}

/// The single names in a row of the answer to `/who`.
pub(crate) fn names_in(row: &str) -> impl Iterator<Item = &str> {
    row.trim_end_matches(',').split(", ")
}

fn is_name(text: &str) -> bool {
    Name::parse(text).is_ok_and(|name| name.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::line::{Decoder, Input};
    use crate::text::message::{Cause, Message};

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
            ("-- You are now known as Bea.", Heard::Called("Bea")),
            ("-- * Ann waves", Heard::Emoted("Ann waves")),
            ("-- To Jean Paul (private): psst", Heard::PrivateSent("Jean Paul", "psst")),
            ("-- 12 here: Ann, Jean Paul,", Heard::Present("Ann, Jean Paul,")),
            ("--   Bob, Cid", Heard::Present("Bob, Cid")),
            ("-- … and 3 more", Heard::Notice),
            ("-- The operator has ended your connection: spam", Heard::SentAway),
            ("-- The operator has banned your address.", Heard::SentAway),
            ("-- [3 min ago] Ann: what she said", Heard::Notice),
            ("nonsense", Heard::Notice),
            ("", Heard::Notice),
        ] {
            assert_eq!(take_apart(line), heard, "{line:?}");
        }
    }

    /// What the server's own makers of sentences make is understood.
    #[test]
    fn every_sentence_of_the_server() {
        let name = |name| Name::parse(name).expect("a name");
        let (jean, bob) = (name("Jean Paul"), name("Bob"));
        let Some(Input::Line(text)) = Decoder::default().next(&mut b"a: b\n".as_slice()) else { panic!("a line") };
        let mut said = Message::default();
        said.say(&jean, &text);
        let refusal = Name::parse("?").expect_err("no name");
        for (message, heard) in [
            (Message::greeting(), Heard::Greeting),
            (Message::name_empty(), Heard::NameRefused),
            (Message::name_taken(&jean), Heard::NameRefused),
            (Message::name_refused(&text, &refusal), Heard::NameRefused),
            (Message::welcome(&jean), Heard::Welcome("Jean Paul")),
            (Message::joined(&jean), Heard::Joined("Jean Paul")),
            (Message::left(&jean, None), Heard::Left("Jean Paul")),
            (Message::left(&jean, Some(&Cause::TooSlow)), Heard::Left("Jean Paul")),
            (Message::left(&jean, Some(&Cause::Kicked(Some(text.clone().into_owned())))), Heard::Left("Jean Paul")),
            (said, Heard::Said("Jean Paul", "a: b")),
            (Message::server(&text), Heard::Server("a: b")),
            (Message::emote(&jean, &text), Heard::Emote("Jean Paul a: b")),
            (Message::emoted(&jean, &text), Heard::Emoted("Jean Paul a: b")),
            (Message::private(&jean, &text), Heard::Private("Jean Paul", "a: b")),
            (Message::private_sent(&jean, &text), Heard::PrivateSent("Jean Paul", "a: b")),
            (Message::renamed(&jean, &bob), Heard::Renamed("Jean Paul", "Bob")),
            (Message::renamed_yourself(&jean), Heard::Called("Jean Paul")),
            (Message::who([&jean, &bob].into_iter()), Heard::Present("Jean Paul, Bob")),
            (Message::kicked(&Cause::Kicked(None)), Heard::SentAway),
            (Message::kicked(&Cause::Kicked(Some(text.clone().into_owned()))), Heard::SentAway),
            (Message::banned(None), Heard::SentAway),
            (Message::shutdown(), Heard::Goodbye),
            (Message::full(3), Heard::Notice),
            (Message::bye(), Heard::Notice),
        ] {
            let line = message.texts().next().expect("one line");
            assert_eq!(take_apart(line), heard, "{line:?}");
        }
    }
}
