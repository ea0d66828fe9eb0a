//! One client's conversation as a state machine: naming, then chatting. Line in, step out.
//!
//! Pure: it neither reads nor writes nor waits. What it wants done comes back as a [`Step`]; where the room has to be
//! asked first, the answer is given to it by the method that the step names.

use crate::text::command::{self, Command};
use crate::text::line::{Input, Line};
use crate::text::message::{Cause, Message};
use crate::text::name::{Name, Refusal};

/// How many names one connection may try: the contract's ten. Whoever needs more is no person.
pub const MAX_TRIES: u32 = 10;

/// One client's state.
#[derive(Debug, Default)]
pub struct Session {
    name: Option<Name>,
    tries: u32,
}

/// What is to be done about what came.
#[derive(Debug)]
pub enum Step<'a> {
    /// Nothing.
    Nothing,
    /// Let the others hear this line, said under [`Session::name`].
    Say(Line<'a>),
    /// Something else, before anything further is looked at.
    Act(Act),
}

/// A step that needs the room, or ends the connection.
#[derive(Debug)]
pub enum Act {
    /// Tell the client this.
    Answer(Message),
    /// Ask the room for this name; then [`Session::joined`] or [`Session::taken`].
    Join(Name),
    /// End the connection with these words; the cause is for the others, if it was not the client's own doing.
    End(Option<Cause>, Message),
}

impl Session {
    /// The client's name, once it has one.
    pub fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// Something came.
    pub fn input<'a>(&mut self, input: Input<'a>) -> Step<'a> {
        match input {
            Input::Line(line) => self.line(line),
            Input::TooLong => Step::Act(Act::Answer(Message::line_too_long())),
            Input::Telnet(refusal) => Step::Act(Act::Answer(Message::telnet(refusal))),
            Input::Endless => Step::Act(Act::End(Some(Cause::EndlessLine), Message::line_endless())),
        }
    }

    /// The room has let the client in under this name.
    pub fn joined(&mut self, name: Name) {
        self.name = Some(name);
    }

    /// Somebody has this name.
    pub fn taken(&mut self, name: &Name) -> Act {
        self.refused(Message::name_taken(name))
    }

    fn line<'a>(&mut self, line: Line<'a>) -> Step<'a> {
        if self.name.is_none() {
            return Step::Act(self.choose(&line));
        }
        if line.is_empty() {
            return Step::Nothing;
        }
        match command::parse(line.as_str()) {
            Command::Say => Step::Say(line),
            Command::SayAfterSlash => Step::Say(line.after(1)),
            Command::Quit => Step::Act(Act::End(None, Message::bye())),
            Command::Unknown(word) => Step::Act(Act::Answer(Message::unknown_command(word))),
        }
    }

    fn choose(&mut self, line: &Line<'_>) -> Act {
        if let Command::Quit = command::parse(line.as_str()) {
            return Act::End(None, Message::bye());
        }
        match Name::parse(line.as_str()) {
            Ok(name) => Act::Join(name),
            Err(Refusal::Empty) => self.refused(Message::name_empty()),
            Err(why) => self.refused(Message::name_refused(line, &why)),
        }
    }

    fn refused(&mut self, told: Message) -> Act {
        self.tries += 1;
        if self.tries < MAX_TRIES { Act::Answer(told) } else { Act::End(None, Message::too_many_tries(MAX_TRIES)) }
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
            Act::End(None, words) => format!("end {}", text(words)),
            Act::End(Some(cause), words) => format!("end ({cause}) {}", text(words)),
        }
    }

    fn chatting() -> Session {
        let mut session = Session::default();
        session.joined(Name::parse("Ann").unwrap());
        session
    }

    #[test]
    fn a_name_is_asked_of_the_room_and_then_lines_are_said() {
        let mut session = Session::default();
        assert_eq!(step(&mut session, "  Ann "), "join Ann");
        assert!(session.name().is_none());
        session.joined(Name::parse("Ann").unwrap());
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
        assert_eq!(acted(&taken), "answer Name \"Ann\" is already taken. Choose a different name:");
    }

    #[test]
    fn the_tenth_refusal_is_the_last() {
        let mut session = Session::default();
        for _ in 1..MAX_TRIES {
            assert!(step(&mut session, "").starts_with("answer "));
        }
        assert_eq!(step(&mut session, ""), "end -- No name after 10 tries. Bye!");
    }

    #[test]
    fn nothing_that_begins_with_a_slash_reaches_the_room_but_by_another_slash() {
        let mut session = chatting();
        assert_eq!(
            step(&mut session, "/dance now"),
            "answer -- There is no /dance. Try /help, or //dance to say /dance."
        );
        assert_eq!(step(&mut session, "//dance now"), "say /dance now");
        assert_eq!(step(&mut session, "/"), "answer -- There is no /. Try /help, or // to say /.");
    }

    #[test]
    fn quitting_works_before_and_after_a_name_is_chosen() {
        assert_eq!(step(&mut Session::default(), "/quit"), "end -- Bye!");
        assert_eq!(step(&mut chatting(), "/quit"), "end -- Bye!");
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
