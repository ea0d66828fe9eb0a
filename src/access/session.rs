//! One client's conversation as a state machine: the password, the name, then chatting. A line goes in, and a [`Step`]
//! comes out.
//!
//! Pure: it neither reads nor writes nor waits. The step says what the caller has to do. Where the step asks the room
//! for something, it names the method by which the caller passes the result back.

use crate::text::command::{self, Command};
use crate::text::line::{Input, Line};
use crate::text::message::{Cause, Message};
use crate::text::name::{Name, Refusal};

/// How many names one connection may try: the contract's ten. Something that needs more is no person.
pub const MAX_TRIES: u32 = 10;

/// How many passwords one connection may try: the contract's three.
const MAX_PASSWORDS: u32 = 3;

/// One client's state.
#[derive(Debug, Default)]
pub struct Session {
    name: Option<Name>,
    tries: u32,
    /// Whether an empty name makes a guest.
    guests: bool,
    /// How many tries for the password are left. None once it was right, or where the room has none.
    passwords: Option<u32>,
    /// The port at which browsers join.
    page: Option<u16>,
}

/// How a session begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beginning {
    /// Whether a client that gives an empty name is a guest, who gets a name.
    pub guests: bool,
    /// Whether the room has a password.
    pub password: bool,
    /// The port at which browsers join, if they can.
    pub page: Option<u16>,
}

/// What is to be done about one input.
#[derive(Debug)]
pub enum Step<'a> {
    /// Nothing.
    Nothing,
    /// Let the others hear this line, said under [`Session::name`].
    Say(Line<'a>),
    /// Do this before the next input.
    Act(Act),
}

/// A step that needs the room, or ends the connection.
#[derive(Debug)]
pub enum Act {
    /// Send the client this.
    Answer(Message),
    /// Compare this with the password; then [`Session::password_right`] or [`Session::password_wrong`].
    Password(Line<'static>),
    /// Ask the room for this name; then [`Session::named`] or [`Session::taken`].
    Join(Name),
    /// Ask the room for the name of a guest; then [`Session::named`].
    JoinAsGuest,
    /// Answer the client who is here.
    Who,
    /// Pass this command to the room; then [`Session::named`] if that has given the client another name.
    Command(Line<'static>),
    /// End the connection with these words; the cause is for the others, if it was not the client's own doing.
    End(Option<Cause>, Message),
}

/// Returns whether a line is the first that a program of another kind sends: an HTTP request (RFC 9112, 3) or an SSH
/// banner (RFC 4253, 4.2).
fn is_protocol(line: &str) -> bool {
    line.starts_with("SSH-") || line.rsplit_once(' ').is_some_and(|(_, version)| version.starts_with("HTTP/"))
}

impl Session {
    /// A client that has given neither password nor name yet.
    pub fn new(Beginning { guests, password, page }: Beginning) -> Session {
        Session { guests, passwords: password.then_some(MAX_PASSWORDS), page, ..Session::default() }
    }

    /// Returns what the client hears first.
    pub fn greeting(Beginning { password, .. }: Beginning) -> Message {
        if password { Message::password_wanted() } else { Message::greeting() }
    }

    /// Ends the session of a client that speaks another protocol. The room must not hear it.
    pub fn other_protocol(&self) -> Act {
        Act::End(None, Message::other_protocol(self.page))
    }

    /// Notes that the password was right.
    pub fn password_right(&mut self) -> Act {
        self.passwords = None;
        Act::Answer(Message::greeting())
    }

    /// Notes that the password was wrong.
    pub fn password_wrong(&mut self) -> Act {
        let left = self.passwords.map_or(0, |left| left.saturating_sub(1));
        self.passwords = Some(left);
        match left {
            0 => Act::End(None, Message::three_wrong_passwords()),
            _ => Act::Answer(Message::password_wrong()),
        }
    }

    /// Returns the client's name, once it has one.
    pub fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// Handles one input. Returns what is to be done about it.
    pub fn input<'a>(&mut self, input: Input<'a>) -> Step<'a> {
        match input {
            Input::Line(line) => self.line(line),
            Input::TooLong => Step::Act(Act::Answer(Message::line_too_long())),
            Input::Telnet(refusal) => Step::Act(Act::Answer(Message::telnet(refusal))),
            Input::Endless => Step::Act(Act::End(Some(Cause::EndlessLine), Message::line_endless())),
        }
    }

    /// Notes that the room has given the client this name.
    pub fn named(&mut self, name: Name) {
        self.name = Some(name);
    }

    /// Notes that somebody has the name that the client wants.
    pub fn taken(&mut self, name: &Name) -> Act {
        self.refused(Message::name_taken(name))
    }

    fn line<'a>(&mut self, line: Line<'a>) -> Step<'a> {
        if self.passwords.is_some() {
            return Step::Act(if is_protocol(&line) {
                self.other_protocol()
            } else {
                Act::Password(line.into_owned())
            });
        }
        if self.name.is_none() {
            return Step::Act(self.choose(&line));
        }
        if line.is_empty() {
            return Step::Nothing;
        }
        match command::parse(&line) {
            Command::Say => Step::Say(line),
            Command::SayAfterSlash => Step::Say(line.without_first()),
            _ => Step::Act(Act::Command(line.into_owned())),
        }
    }

    fn choose(&mut self, line: &Line<'_>) -> Act {
        match command::parse(line) {
            Command::Who => return Act::Who,
            Command::Help => return Act::Answer(Message::help_with_names()),
            Command::Quit => return Act::End(None, Message::bye()),
            _ if is_protocol(line) => return self.other_protocol(),
            _ => {}
        }
        match Name::parse(line) {
            Ok(name) => Act::Join(name),
            Err(Refusal::Empty) if self.guests => Act::JoinAsGuest,
            Err(Refusal::Empty) => self.refused(Message::name_empty()),
            Err(why) => self.refused(Message::name_refused(line, &why)),
        }
    }

    fn refused(&mut self, mut told: Message) -> Act {
        self.tries += 1;
        if self.tries < MAX_TRIES {
            return Act::Answer(told);
        }
        told.append(&Message::too_many_tries(MAX_TRIES));
        Act::End(None, told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::line::Decoder;

    /// What comes of a line, in words.
    fn step(session: &mut Session, typed: &str) -> String {
        let typed = format!("{typed}\n");
        let input = Decoder::default().next(&mut typed.as_bytes()).expect("a whole line");
        match session.input(input) {
            Step::Nothing => "nothing".into(),
            Step::Say(line) => format!("say {}", line.as_str()),
            Step::Act(act) => acted(&act),
        }
    }

    fn acted(act: &Act) -> String {
        let text = |message: &Message| String::from_utf8_lossy(message.bytes()).trim_end().to_string();
        match act {
            Act::Answer(told) => format!("answer {}", text(told)),
            Act::Join(name) => format!("join {name}"),
            Act::Password(line) => format!("password {}", line.as_str()),
            Act::JoinAsGuest => "join as guest".into(),
            Act::Who => "who".into(),
            Act::Command(line) => format!("command {}", line.as_str()),
            Act::End(None, words) => format!("end {}", text(words)),
            Act::End(Some(cause), words) => format!("end ({cause}) {}", text(words)),
        }
    }

    const GUESTS: Beginning = Beginning { guests: true, password: false, page: None };
    const PASSWORD: Beginning = Beginning { guests: false, password: true, page: None };

    #[test]
    fn the_password_comes_before_everything_else() {
        let mut session = Session::new(PASSWORD);
        for typed in ["open sesame", "/who", "/quit", "/help", "", "Ann"] {
            assert_eq!(step(&mut session, typed), format!("password {typed}"));
        }
        assert_eq!(acted(&session.password_wrong()), "answer Wrong password. Try again:");
        assert_eq!(acted(&session.password_right()), "answer Hi! Welcome to Dynasti. What's your name?");
        assert_eq!(step(&mut session, "/who"), "who");
        assert_eq!(step(&mut session, "Ann"), "join Ann");
        let first = |beginning| String::from_utf8_lossy(Session::greeting(beginning).bytes()).into_owned();
        assert_eq!(first(PASSWORD), "This room has a password:\n");
        assert_eq!(first(GUESTS), "Hi! Welcome to Dynasti. What's your name?\n");
    }

    #[test]
    fn the_third_wrong_password_is_the_last() {
        let mut session = Session::new(PASSWORD);
        for _ in 0..2 {
            assert_eq!(acted(&session.password_wrong()), "answer Wrong password. Try again:");
        }
        assert_eq!(acted(&session.password_wrong()), "end -- Three wrong passwords. Bye!");
    }

    fn chatting() -> Session {
        let mut session = Session::default();
        session.named(Name::parse("Ann").unwrap());
        session
    }

    #[test]
    fn a_name_is_asked_of_the_room_and_then_lines_are_said() {
        let mut session = Session::default();
        assert_eq!(step(&mut session, "  Ann "), "join Ann");
        assert!(session.name().is_none());
        session.named(Name::parse("Ann").unwrap());
        assert_eq!(step(&mut session, "hello"), "say hello");
        assert_eq!(session.name().unwrap().as_str(), "Ann");
    }

    #[test]
    fn each_refusal_says_why() {
        let mut session = Session::default();
        assert_eq!(step(&mut session, " "), "answer Please enter a non-empty name:");
        assert!(step(&mut session, "[SERVER]").starts_with("answer Name \"[SERVER]\" can't be used: "));
        let long = "x".repeat(100);
        assert!(step(&mut session, &long).starts_with(&format!("answer Name \"{}…\" can't be used: ", &long[..40])));
        let taken = session.taken(&Name::parse("Ann").unwrap());
        assert!(
            acted(&taken)
                .starts_with("answer Name \"Ann\" is already taken. Choose a different name:\n-- If that is you")
        );
    }

    #[test]
    fn an_empty_name_makes_a_guest_where_there_are_guests() {
        for typed in ["", "  \t", "\x1b[A"] {
            assert_eq!(step(&mut Session::new(GUESTS), typed), "join as guest");
            assert_eq!(step(&mut Session::default(), typed), "answer Please enter a non-empty name:");
        }
        assert_eq!(step(&mut Session::new(GUESTS), "Guest7"), "join Guest7");
    }

    #[test]
    fn the_tenth_refusal_is_the_last() {
        let mut session = Session::default();
        for _ in 1..MAX_TRIES {
            assert!(step(&mut session, "").starts_with("answer "));
        }
        let expected = "end Please enter a non-empty name:\n-- No name after 10 tries. Bye!";
        assert_eq!(step(&mut session, ""), expected);
    }

    #[test]
    fn what_begins_with_a_slash_is_for_the_room_to_obey_and_said_only_behind_another_slash() {
        let mut session = chatting();
        for typed in ["/who", "/msg Bob  hello  you", "/nick [SERVER]", "/me", "/dance now", "/", "/Quit"] {
            assert_eq!(step(&mut session, typed), format!("command {typed}"));
        }
        assert_eq!(step(&mut session, "//dance now"), "say /dance now");
        assert_eq!(step(&mut session, "///"), "say //");
        assert_eq!(step(&mut session, " /dance"), "say  /dance");
    }

    #[test]
    fn at_the_prompt_three_commands_work_and_the_rest_are_no_names() {
        let mut session = Session::default();
        assert_eq!(step(&mut session, "/who"), "who");
        assert!(step(&mut session, "/help").starts_with("answer -- Type a name"));
        for typed in ["/me waves", "/msg Bob hi", "/nick Ann", "/history", "//Ann", "/x"] {
            assert!(step(&mut session, typed).starts_with("answer Name \"/"), "{typed}");
        }
    }

    #[test]
    fn another_protocol_is_sent_away_before_it_has_a_name() {
        for line in ["SSH-2.0-OpenSSH_9.6", "GET / HTTP/1.1", "PRI * HTTP/2.0", "OPTIONS rtsp://x HTTP/1.0"] {
            let expected = "end -- This is a room where people chat, line by line. Bye!";
            assert_eq!(step(&mut Session::default(), line), expected);
            assert_eq!(step(&mut Session::new(PASSWORD), line), expected);
            assert_eq!(step(&mut chatting(), line), format!("say {line}"));
            let expected = "end -- This is a room where people chat, line by line. Browsers join at port 4080. Bye!";
            assert_eq!(step(&mut Session::new(Beginning { page: Some(4080), ..GUESTS }), line), expected);
        }
    }

    #[test]
    fn quitting_works_before_a_name_is_chosen() {
        assert_eq!(step(&mut Session::default(), "/quit"), "end -- Bye!");
    }

    #[test]
    fn what_is_said_is_said_under_the_name_that_the_room_gave_last() {
        let mut session = chatting();
        assert_eq!(step(&mut session, "/nick Anna"), "command /nick Anna");
        assert_eq!(session.name().unwrap().as_str(), "Ann");
        session.named(Name::parse("Anna").unwrap());
        assert_eq!(session.name().unwrap().as_str(), "Anna");
    }

    #[test]
    fn empty_lines_are_ignored_once_named() {
        assert_eq!(step(&mut chatting(), ""), "nothing");
        assert_eq!(step(&mut chatting(), "\x1b[A"), "nothing");
    }

    #[test]
    fn what_is_no_line_is_answered_in_every_state() {
        for session in [&mut Session::default(), &mut chatting()] {
            let Step::Act(act) = session.input(Input::TooLong) else { panic!() };
            assert_eq!(acted(&act), "answer -- Line too long (4096 bytes at most); not sent.");
            let Step::Act(act) = session.input(Input::Endless) else { panic!() };
            assert_eq!(acted(&act), "end (line without end) -- 64 KiB without a line end. Bye!");
            assert!(matches!(session.input(Input::Telnet([255, 252, 1])), Step::Act(Act::Answer(_))));
        }
    }
}
