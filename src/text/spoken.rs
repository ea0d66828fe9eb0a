//! The inverse of [`message`](super::message): finds out what one of the server's lines says. The client, the page's
//! events, the link and the transcript use it.
//!
//! Knows the server's sentences, and nothing of colours, windows or sockets.

use super::name::Name;
use super::server::Server;

/// What a line from the server says. Text in it is borrowed from the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken<'a> {
    /// The room's password is wanted, for the first time or once more.
    Password,
    /// The first line of all, or after the password: a name is wanted.
    Greeting,
    /// The name that was sent cannot be used, and another is wanted.
    NameRefused,
    /// Somebody has the name that was sent, and another is wanted.
    NameTaken,
    /// The name may belong to a dead connection of our own, which the server then gives up.
    PerhapsYou,
    /// The name that was sent is accepted.
    Welcome(&'a str),
    /// We have asked for this name, and it is ours now.
    Called(&'a str),
    /// Somebody says something to everybody.
    Said(&'a str, &'a str),
    /// Somebody says something to us alone.
    Private(&'a str, &'a str),
    /// Somebody says something to a member of another server alone: who, to whom, and what. Only a link hears this.
    PrivateElsewhere(&'a str, &'a str, &'a str),
    /// Somebody does something. Names have spaces, so only a client that knows the names can tell who it is.
    Emote(&'a str),
    /// What the others have seen us do. Our name comes first.
    Emoted(&'a str),
    /// To whom we have said something in private, and what.
    PrivateSent(&'a str, &'a str),
    /// The operator says something.
    Server(&'a str),
    /// Somebody shares a file: who, what it is called, how large it is, and where it is to be had.
    Shared(&'a str, &'a str, &'a str, &'a str),
    /// The same, of a file that was shared before: an answer to us alone.
    SharedBefore(&'a str, &'a str, &'a str, &'a str),
    /// Where we can send a file to.
    SendWith(&'a str),
    /// We cannot send files, at least not now.
    CannotSend,
    /// Somebody has come.
    Joined(&'a str),
    /// Somebody has gone.
    Left(&'a str),
    /// Somebody has changed their name: the old one and the new one.
    Renamed(&'a str, &'a str),
    /// Names of people who are here, with commas between them; see [`names_in`].
    Present(&'a str),
    /// The server stops.
    Goodbye,
    /// The operator does not want us here, or we do not know the password.
    SentAway,
    /// Anything else: answers and notices.
    Notice,
}

impl<'a> Spoken<'a> {
    /// Reads a line.
    ///
    /// What somebody says has a name before its first colon. No notice has a name there, and no name holds a notice's
    /// words, so the two cannot be confused.
    pub(crate) fn read(line: &'a str) -> Spoken<'a> {
        if let Some(answer) = line.strip_prefix("-- ") {
            return Spoken::read_answer(answer);
        }
        let shares = || shared(line).map(|(who, file, size, link)| Spoken::Shared(who, file, size, link));
        prompt(line).or_else(shares).or_else(|| said(line)).or_else(|| news(line)).unwrap_or(Spoken::Notice)
    }

    /// Reads what was said to us alone. Only the server begins a line with dashes.
    fn read_answer(answer: &'a str) -> Spoken<'a> {
        const SENT_AWAY: [&str; 4] = [
            "The operator has ended your connection",
            "The operator has banned",
            "Three wrong passwords. Bye!",
            "Too many wrong passwords",
        ];
        if SENT_AWAY.iter().any(|words| answer.starts_with(words)) {
            return Spoken::SentAway;
        }
        if answer.starts_with("If that is you: ") {
            return Spoken::PerhapsYou;
        }
        if let Some(name) = answer.strip_prefix("You are now known as ").and_then(|rest| rest.strip_suffix('.')) {
            return Spoken::Called(name);
        }
        if let Some(link) = answer.strip_prefix("Send it with: curl -T FILE ") {
            return Spoken::SendWith(link);
        }
        const CANNOT_SEND: [&str; 4] = [
            "No files are shared here: ",
            "The system has no random numbers yet.",
            "The operator has muted you: ",
            // A server that is older than the command.
            "There is no /send.",
        ];
        if CANNOT_SEND.iter().any(|words| answer.starts_with(words)) {
            return Spoken::CannotSend;
        }
        if let Some((who, file, size, link)) = shared_before(answer) {
            return Spoken::SharedBefore(who, file, size, link);
        }
        if let Some(action) = answer.strip_prefix("* ") {
            return Spoken::Emoted(action);
        }
        if let Some((whom, text)) = answer.strip_prefix("To ").and_then(|rest| rest.split_once(" (private): ")) {
            return Spoken::PrivateSent(whom, text);
        }
        // The first row of the answer to /who begins with how many are here, the others with spaces.
        let names = match answer.split_once(" here: ") {
            Some((count, names)) if count.bytes().all(|byte| byte.is_ascii_digit()) => Some(names),
            _ => answer.strip_prefix("  "),
        };
        match names {
            Some(names) if names_in(names).all(is_name) => Spoken::Present(names),
            _ => Spoken::Notice,
        }
    }
}

/// Reads what is said on the way into the room, and the last line of all.
fn prompt(line: &str) -> Option<Spoken<'_>> {
    match line {
        "Hi! Welcome to Dynasti. What's your name?" => Some(Spoken::Greeting),
        "This room has a password:" | "Wrong password. Try again:" => Some(Spoken::Password),
        "Please enter a non-empty name:" => Some(Spoken::NameRefused),
        "Server is shutting down. Bye!" => Some(Spoken::Goodbye),
        _ if line.starts_with("Name \"") && line.ends_with(". Choose a different name:") => {
            // What cannot be used is quoted too, and may hold these words, but not at the end.
            let taken = line.ends_with("\" is already taken. Choose a different name:");
            Some(if taken { Spoken::NameTaken } else { Spoken::NameRefused })
        }
        _ => {
            let (name, _) = line.strip_prefix("Welcome, ")?.split_once("! You can now chat.")?;
            Some(Spoken::Welcome(name))
        }
    }
}

/// Reads what somebody shares. The name of a file may hold anything but a colon, and an address has no space.
fn shared(line: &str) -> Option<(&str, &str, &str, &str)> {
    let (head, link) = line.rsplit_once("): ")?;
    let (head, size) = head.rsplit_once(" (")?;
    read_shared(head, size, link)
}

/// Reads a row of the answer to `/files` or to `/history`.
fn shared_before(answer: &str) -> Option<(&str, &str, &str, &str)> {
    if let Some((_, line)) = answer.strip_prefix('[').and_then(|rest| rest.split_once(" ago] ")) {
        return shared(line);
    }
    let (head, link) = answer.rsplit_once(": ")?;
    let (head, _) = head.rsplit_once("), for another ")?;
    let (head, size) = head.rsplit_once(" (")?;
    read_shared(head, size, link)
}

/// Reads who shares which file, and checks that it can be so.
fn read_shared<'a>(head: &'a str, size: &'a str, link: &'a str) -> Option<(&'a str, &'a str, &'a str, &'a str)> {
    // No member's name holds this word; a file's may.
    let (who, file) = head.split_once(" shares ")?;
    let is_link = link.starts_with("http://") && link.contains("/files/") && !link.contains(' ');
    (is_name(who) && is_link).then_some((who, file, size, link))
}

/// Reads what somebody says or does.
fn said(line: &str) -> Option<Spoken<'_>> {
    if let Some(action) = line.strip_prefix("* ") {
        return Some(Spoken::Emote(action));
    }
    let (who, text) = line.split_once(": ")?;
    if is_operator(who) {
        return Some(Spoken::Server(text));
    }
    if let Some((from, to)) = who.strip_suffix(')').and_then(|who| who.split_once(" (private to ")) {
        return (is_name(from) && is_name(to)).then_some(Spoken::PrivateElsewhere(from, to, text));
    }
    match who.strip_suffix(" (private)") {
        Some(who) => is_name(who).then_some(Spoken::Private(who, text)),
        None => is_name(who).then_some(Spoken::Said(who, text)),
    }
}

/// Reads who comes, goes or changes their name.
fn news(line: &str) -> Option<Spoken<'_>> {
    if let Some(who) = line.strip_suffix(" has joined the chat.") {
        return is_name(who).then_some(Spoken::Joined(who));
    }
    if let Some((who, _)) = line.split_once(" has left the chat") {
        return is_name(who).then_some(Spoken::Left(who));
    }
    let (old, new) = line.strip_suffix('.')?.split_once(" is now known as ")?;
    (is_name(old) && is_name(new)).then_some(Spoken::Renamed(old, new))
}

/// Returns the single names in a row of the answer to `/who`.
pub(crate) fn names_in(row: &str) -> impl Iterator<Item = &str> {
    row.trim_end_matches(',').split(", ")
}

/// Returns whether this is how the operator of this server or of another is called.
fn is_operator(who: &str) -> bool {
    let Some(whose) = who.strip_prefix("[SERVER").and_then(|rest| rest.strip_suffix(']')) else { return false };
    whose.is_empty() || whose.strip_prefix('@').is_some_and(is_server)
}

/// Returns whether this is what a member of this server or of another can be called.
fn is_name(text: &str) -> bool {
    let name = match text.split_once('@') {
        Some((name, server)) if is_server(server) => name,
        Some(_) => return false,
        None => text,
    };
    Name::parse(name).is_ok_and(|parsed| parsed.as_str() == name)
}

fn is_server(text: &str) -> bool {
    Server::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fastrand::Rng;

    use super::*;
    use crate::text::command;
    use crate::text::file::{FileLink, FileName, SendLink};
    use crate::text::line::{Decoder, Input, Line};
    use crate::text::message::{Cause, Message};
    use crate::token::Token;

    const LINK: &str = "http://pi/files/1/a";

    #[test]
    fn every_kind_of_line() {
        for (line, spoken) in [
            ("Hi! Welcome to Dynasti. What's your name?", Spoken::Greeting),
            ("This room has a password:", Spoken::Password),
            ("Wrong password. Try again:", Spoken::Password),
            ("-- Three wrong passwords. Bye!", Spoken::SentAway),
            ("Please enter a non-empty name:", Spoken::NameRefused),
            ("Name \"Ann\" is already taken. Choose a different name:", Spoken::NameTaken),
            ("-- If that is you: try again in a few seconds.", Spoken::PerhapsYou),
            ("Name \"a: b\" can't be used: too: odd. Choose a different name:", Spoken::NameRefused),
            ("Welcome, Jean Paul! You can now chat. Type messages and press Enter.", Spoken::Welcome("Jean Paul")),
            ("Ann: hi", Spoken::Said("Ann", "hi")),
            ("Jean Paul: a: b", Spoken::Said("Jean Paul", "a: b")),
            ("Ann:  indented", Spoken::Said("Ann", " indented")),
            ("Ann: Bob has joined the chat.", Spoken::Said("Ann", "Bob has joined the chat.")),
            ("Ann (private): psst", Spoken::Private("Ann", "psst")),
            ("* Jean Paul waves", Spoken::Emote("Jean Paul waves")),
            ("[SERVER]: lunch", Spoken::Server("lunch")),
            ("Ann has joined the chat.", Spoken::Joined("Ann")),
            ("Ann has left the chat.", Spoken::Left("Ann")),
            ("Ann has left the chat (kicked: spam).", Spoken::Left("Ann")),
            ("Ann is now known as Bea.", Spoken::Renamed("Ann", "Bea")),
            ("Server is shutting down. Bye!", Spoken::Goodbye),
            ("-- You are now known as Bea.", Spoken::Called("Bea")),
            ("-- * Ann waves", Spoken::Emoted("Ann waves")),
            ("-- To Jean Paul (private): psst", Spoken::PrivateSent("Jean Paul", "psst")),
            ("-- 12 here: Ann, Jean Paul,", Spoken::Present("Ann, Jean Paul,")),
            ("--   Bob, Cid", Spoken::Present("Bob, Cid")),
            ("-- … and 3 more", Spoken::Notice),
            ("-- The operator has ended your connection: spam", Spoken::SentAway),
            ("-- The operator has banned your address.", Spoken::SentAway),
            ("-- [3 min ago] Ann: what she said", Spoken::Notice),
            ("Ann shares a (1).txt (2.3 MB): http://pi/files/1/a", Spoken::Shared("Ann", "a (1).txt", "2.3 MB", LINK)),
            (
                "Ann: x shares a (1 B): http://pi/files/1/a",
                Spoken::Said("Ann", "x shares a (1 B): http://pi/files/1/a"),
            ),
            (
                "-- Ann shares a (1).txt (2.3 MB), for another 59 min: http://pi/files/1/a",
                Spoken::SharedBefore("Ann", "a (1).txt", "2.3 MB", LINK),
            ),
            (
                "-- [3 min ago] Ann shares a (1).txt (2.3 MB): http://pi/files/1/a",
                Spoken::SharedBefore("Ann", "a (1).txt", "2.3 MB", LINK),
            ),
            ("-- [3 min ago] Bob: Ann shares a (1 B): http://pi/files/1/a", Spoken::Notice),
            ("-- * Ann shares a (1 B): http://pi/files/1/a", Spoken::Emoted("Ann shares a (1 B): http://pi/files/1/a")),
            ("-- There is no /send. Try /help, or //send to say /send.", Spoken::CannotSend),
            ("Ann@pi2: hi", Spoken::Said("Ann@pi2", "hi")),
            ("Jean Paul@pi-2 (private): psst", Spoken::Private("Jean Paul@pi-2", "psst")),
            ("Ann (private to Bob@pi2): psst", Spoken::PrivateElsewhere("Ann", "Bob@pi2", "psst")),
            ("[SERVER@pi2]: lunch", Spoken::Server("lunch")),
            ("Ann@pi2 has joined the chat.", Spoken::Joined("Ann@pi2")),
            ("Ann@pi2 is now known as Bea@pi2.", Spoken::Renamed("Ann@pi2", "Bea@pi2")),
            ("-- 2 here: Ann, Bob@pi2", Spoken::Present("Ann, Bob@pi2")),
            ("Ann@pi@2: hi", Spoken::Notice),
            ("Ann@: hi", Spoken::Notice),
            ("[SERVER@]: hi", Spoken::Notice),
            ("-- pi2 is linked.", Spoken::Notice),
            ("nonsense", Spoken::Notice),
            ("", Spoken::Notice),
        ] {
            assert_eq!(Spoken::read(line), spoken, "{line:?}");
        }
    }

    /// A name that is close to what the server says, of a member here or of another server.
    fn any_name(random: &mut Rng) -> Name {
        let name = any_name_here(random);
        match Server::parse(["pi2", "server", "private", "x-"][random.usize(..4)]) {
            Some(server) if random.usize(..4) == 0 => name.at(&server),
            _ => name,
        }
    }

    fn any_name_here(random: &mut Rng) -> Name {
        #[rustfmt::skip]
        const PARTS: [&str; 24] = [
            "Ann", "Jean Paul", "Name", "Welcome", "Hi", "Server is", "To", "5 here", "1", "is now", "known as", "has",
            "joined the chat", "left the chat", "private", "Nobody", "The operator", "You are", "x.",
            "山田", "שָׂרָה", "_-", "е", "م",
        ];
        loop {
            let parts: Vec<&str> = (0..random.usize(1..4)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
            if let Ok(name) = Name::parse(&parts.join(" ")) {
                return name;
            }
        }
    }

    /// A line that somebody typed, close to what the server says.
    fn any_line(random: &mut Rng) -> Line<'static> {
        #[rustfmt::skip]
        const PARTS: [&str; 32] = [
            "Ann", "Jean Paul", ": ", ":", " ", "  ", ",", ", ", ".", "-- ", "* ", "[SERVER]: ", " (private): ", "To ", "\"",
            "Name \"", "! You can now chat.", "Welcome, ", " has joined the chat.", " has left the chat", " is now known as ",
            "\t", ")",
            " here: ", "12", ". Choose a different name:", "Server is shutting down. Bye!", "You are now known as ", "山田", "👍🏽",
            "The operator has banned", "\u{fffd}",
        ];
        let mut typed: String = (0..random.usize(..7)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
        typed.push('\n');
        line(&typed)
    }

    fn line(typed: &str) -> Line<'static> {
        match Decoder::default().next(&mut typed.as_bytes()) {
            Some(Input::Line(line)) => line.into_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// Asserts that each line of a message reads as this.
    #[track_caller]
    fn reads(message: &Message, spoken: Spoken<'_>) {
        assert_ne!(message.lines(), 0);
        message.texts().for_each(|line| assert_eq!(Spoken::read(line), spoken, "{line:?}"));
    }

    /// Every sentence that a client can hear, whoever is in it and whatever was typed.
    #[test]
    fn what_a_message_says_is_read_back() {
        let mut random = Rng::with_seed(4);
        let file = FileName::of("x (1).png");
        let link = FileLink { origin: ([127, 0, 0, 1], 4080).into(), id: Token::from(1), name: &file };
        let at = link.to_string();
        let elsewhere = line(&format!("{} (5 B): {link}\n", file.as_str()));
        for _ in 0..3_000 {
            let (ann, bob) = (any_name(&mut random), any_name(&mut random));
            let (a, b) = (ann.as_str(), bob.as_str());
            let line = any_line(&mut random);
            let text = line.as_str();
            let action = format!("{a} {text}");
            let mut said = Message::default();
            said.say(&ann, &line);
            let mut recalled = Message::default();
            recalled.recall(Duration::from_secs(180), text);
            recalled.recall_left_out(3);
            let mut listed = Message::default();
            listed.file(&ann, 5, Duration::from_secs(180), &link);
            let refusal = Name::parse("?").expect_err("this is no name");
            let word = text.split_whitespace().next().unwrap_or_default();
            let pi2 = Server::parse("pi2").expect("a server's name");

            for (message, spoken) in [
                (said, Spoken::Said(a, text)),
                (Message::server(&line), Spoken::Server(text)),
                (Message::emote(&ann, &line), Spoken::Emote(&action)),
                (Message::private(&ann, &line), Spoken::Private(a, text)),
                (Message::private_elsewhere(&ann, &bob, &line), Spoken::PrivateElsewhere(a, b, text)),
                (Message::server_at(&pi2, &line), Spoken::Server(text)),
                (Message::left_elsewhere(&ann, &line), Spoken::Left(a)),
                (Message::linked(&pi2), Spoken::Notice),
                (Message::not_linked(&pi2), Spoken::Notice),
                (Message::missed(3, &pi2), Spoken::Notice),
                (Message::link_down("nats://10.0.0.5:4222", text), Spoken::Notice),
                (Message::link_back("nats://10.0.0.5:4222"), Spoken::Notice),
                (Message::joined(&ann), Spoken::Joined(a)),
                (Message::renamed(&ann, &bob), Spoken::Renamed(a, b)),
                (Message::welcome(&ann), Spoken::Welcome(a)),
                (Message::name_refused(&line, &refusal), Spoken::NameRefused),
                (Message::emoted(&ann, &line), Spoken::Emoted(&action)),
                (Message::private_sent(&ann, &line), Spoken::PrivateSent(a, text)),
                (Message::renamed_yourself(&ann), Spoken::Called(a)),
                (Message::shared(&ann, 5, &link), Spoken::Shared(a, file.as_str(), "5 B", &at)),
                (Message::shared_elsewhere(&ann, &elsewhere), Spoken::Shared(a, file.as_str(), "5 B", &at)),
                (listed, Spoken::SharedBefore(a, file.as_str(), "5 B", &at)),
                (recalled, Spoken::Notice),
                (Message::not_sent_elsewhere(&ann), Spoken::Notice),
                (Message::unknown_command(word), Spoken::Notice),
                (Message::emote_of_another(&ann), Spoken::Notice),
                (Message::nobody_called(&line), Spoken::Notice),
                (Message::nothing_to_say(&ann), Spoken::Notice),
                (Message::renamed_to_the_same(&ann), Spoken::Notice),
                (Message::ignoring(&ann), Spoken::Notice),
                (Message::not_ignoring(&ann), Spoken::Notice),
            ] {
                reads(&message, spoken);
            }
            let all =
                |message: Message| message.texts().map(|line| format!("{:?}", Spoken::read(line))).collect::<Vec<_>>();
            assert_eq!(all(Message::name_taken(&ann)), ["NameTaken", "PerhapsYou"]);
            assert_eq!(all(Message::not_renamed_taken(&ann)), ["Notice", "PerhapsYou"]);
            for cause in [
                Cause::TooSlow,
                Cause::ConnectionLost,
                Cause::EndlessLine,
                Cause::Kicked(None),
                Cause::Kicked(Some(line.clone())),
                Cause::Banned,
                Cause::Fault,
            ] {
                reads(&Message::left(&ann, Some(&cause)), Spoken::Left(a));
                reads(&Message::kicked(&cause), Spoken::SentAway);
            }
            reads(&Message::left(&ann, None), Spoken::Left(a));
        }
    }

    /// Every sentence that is always the same, or differs in numbers alone.
    #[test]
    fn what_is_always_the_same_is_read_back() {
        let time = Duration::from_secs(60);
        let send = SendLink { origin: ([127, 0, 0, 1], 4080).into(), code: Token::from(1) };
        for (message, spoken) in [
            (Message::password_wanted(), Spoken::Password),
            (Message::password_wrong(), Spoken::Password),
            (Message::three_wrong_passwords(), Spoken::SentAway),
            (Message::too_many_wrong_passwords(Duration::from_secs(9)), Spoken::SentAway),
            (Message::greeting(), Spoken::Greeting),
            (Message::name_empty(), Spoken::NameRefused),
            (Message::shutdown(), Spoken::Goodbye),
            (Message::banned(None), Spoken::SentAway),
            (Message::banned(Some(time)), Spoken::SentAway),
            (Message::too_many_tries(10), Spoken::Notice),
            (Message::other_protocol(Some(4080)), Spoken::Notice),
            (Message::no_name_in_time(time), Spoken::Notice),
            (Message::help(), Spoken::Notice),
            (Message::help_with_names(), Spoken::Notice),
            (Message::nobody_to_reply_to(), Spoken::Notice),
            (Message::that_is_you(), Spoken::Notice),
            (Message::ignoring_too_many(9), Spoken::Notice),
            (Message::muted(), Spoken::CannotSend),
            (Message::send_with(&send), Spoken::SendWith(&send.to_string())),
            (Message::keeps_no_files(), Spoken::CannotSend),
            (Message::no_page_for_files(), Spoken::CannotSend),
            (Message::no_random_numbers(), Spoken::CannotSend),
            (Message::no_files(), Spoken::Notice),
            (Message::files_left_out(3), Spoken::Notice),
            #[cfg(feature = "web")]
            (Message::events_missed(), Spoken::Notice),
            (Message::renamed_too_often(12, time), Spoken::Notice),
            (Message::unmuted(), Spoken::Notice),
            (Message::nothing_to_recall(), Spoken::Notice),
            (Message::line_too_long(), Spoken::Notice),
            (Message::line_endless(), Spoken::Notice),
            (Message::too_slow(), Spoken::Notice),
            (Message::bye(), Spoken::Notice),
            (Message::fault(), Spoken::Notice),
            (Message::full(3), Spoken::Notice),
            (Message::full_for_address(3), Spoken::Notice),
        ] {
            reads(&message, spoken);
        }
        command::usages().for_each(|usage| reads(&Message::misused(&usage), Spoken::Notice));
        for typed in ["x".repeat(25).as_str(), "?", ".x", "\u{200b}", "ⓧ", "xб", "you", "Bo has left the chat"] {
            let refusal = Name::parse(typed).expect_err(typed);
            reads(&Message::not_renamed(&refusal), Spoken::Notice);
        }
    }

    /// Whoever adds a sentence decides here how it is read.
    #[test]
    fn no_sentence_is_left_out_of_these_tests() {
        let sentences = [
            include_str!("message/answers.rs"),
            include_str!("message/arriving.rs"),
            include_str!("message/leaving.rs"),
            include_str!("message/public.rs"),
        ];
        let (_, here) = include_str!("spoken.rs").split_once("mod tests {").expect("this module");
        for line in sentences.iter().flat_map(|text| text.lines()).map(str::trim_start) {
            let made = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub(crate) fn "));
            let Some(name) = made.and_then(|made| made.split(['(', '<']).next()) else { continue };
            // A refusal by telnet is no text.
            let is_read = [format!("Message::{name}("), format!(".{name}(")].iter().any(|call| here.contains(call));
            assert!(is_read || name == "telnet", "Message::{name}");
        }
    }

    #[test]
    fn everybody_in_the_answer_to_who_is_read_back() {
        let (jean, bob) = (Name::parse("Jean Paul").expect("a name"), Name::parse("Bob").expect("a name"));
        reads(&Message::who(2, [&jean, &bob].into_iter()), Spoken::Present("Jean Paul, Bob"));
        let mut random = Rng::with_seed(5);
        for here in (0..60).chain([1000]) {
            let names: Vec<Name> = (0..here).map(|_| any_name(&mut random)).collect();
            let who = Message::who(names.len(), names.iter());
            let mut read = Vec::new();
            for row in who.texts() {
                match Spoken::read(row) {
                    Spoken::Present(row) => read.extend(names_in(row)),
                    // Nobody is here, or too many to name them all.
                    spoken => {
                        assert!(spoken == Spoken::Notice && (here == 0 || row.starts_with("-- … and ")), "{row:?}")
                    }
                }
            }
            let names: Vec<&str> = names.iter().map(Name::as_str).collect();
            assert_eq!(read, names[..read.len()]);
            assert!(read.len() == here || here == 1000);
        }
    }
}
