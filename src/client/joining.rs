//! How the client gets its name: what to answer at the server's prompts, and what the server calls it after that.
//!
//! Pure: a line of the server goes in, and what is to be done about it comes out.

use crate::text::spoken::Spoken;

/// What is to be done about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing is to be done.
    Nothing,
    /// This password, or this name, is to be sent.
    Offer(String),
    /// A password is wanted from the person or the input.
    Password,
    /// A name is wanted from the person or the input.
    Ask,
    /// The name that was sent is refused.
    Refused,
    /// The name that was sent is taken. It is to be sent again, unless the person prefers another.
    Taken(String),
    /// It is still taken, and the person need not be told again.
    StillTaken(String),
    /// The line need not be shown.
    Hide,
    /// The client is in the room, and this is its name.
    Called(String),
    /// The server is about to close every connection.
    Goodbye,
    /// The server has ended the connection: the operator kicked the client, or the password was wrong.
    SentAway,
}

/// How often a taken name is sent again: a dead connection of our own may have it, which the server gives up within 6
/// s. The server lets a client try ten names, so five are left to the person.
pub(crate) const TRIES: usize = 4;

/// How one connection gets into the room.
#[derive(Debug)]
pub(crate) struct Joining {
    /// The password that is still to be sent.
    password: Option<String>,
    /// The name to send.
    offer: Option<String>,
    /// Whether that name was sent. False again when it is refused for good, or when the person has typed another.
    offered: bool,
    /// How often that name was taken.
    taken: usize,
    /// What the server calls the client.
    name: Option<String>,
}

impl Joining {
    /// Begins. The password and the name, if given, are sent when the server asks for them.
    pub(crate) fn new(password: Option<String>, offer: Option<String>) -> Joining {
        Joining { password, offer, offered: false, taken: 0, name: None }
    }

    /// Returns what is to be done about a line from the server.
    pub(crate) fn hear(&mut self, line: &str) -> Step {
        match (Spoken::read(line), &self.name) {
            (Spoken::Goodbye, _) => Step::Goodbye,
            (Spoken::SentAway, _) => Step::SentAway,
            (Spoken::Password, None) => self.password.take().map_or(Step::Password, Step::Offer),
            (Spoken::Greeting, None) => match &self.offer {
                Some(name) => {
                    self.offered = true;
                    Step::Offer(name.clone())
                }
                None => Step::Ask,
            },
            (Spoken::NameTaken, None) if self.offered => self.taken(),
            // This advises to try again, which the client does by itself.
            (Spoken::PerhapsYou, None) if self.offered => Step::Hide,
            (Spoken::NameRefused, None) if std::mem::take(&mut self.offered) => Step::Refused,
            (Spoken::Welcome(name), None) => self.called(name),
            (Spoken::Called(name), Some(_)) => self.called(name),
            _ => Step::Nothing,
        }
    }

    /// Notes that the person has typed something at the prompt. From now on they choose the name.
    pub(crate) fn person_chooses(&mut self) {
        self.offered = false;
    }

    /// The name that was sent is taken.
    fn taken(&mut self) -> Step {
        let name = self.offer.clone().unwrap_or_default();
        self.taken += 1;
        match self.taken {
            1 => Step::Taken(name),
            ..=TRIES => Step::StillTaken(name),
            _ => {
                self.offered = false;
                Step::Refused
            }
        }
    }

    fn called(&mut self, name: &str) -> Step {
        self.name = Some(name.to_owned());
        Step::Called(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: &str = "Hi! Welcome to Dynasti. What's your name?";
    const TAKEN: &str = "Name \"Ann\" is already taken. Choose a different name:";
    const WELCOME: &str = "Welcome, Ann! You can now chat. Type messages and press Enter.";

    const UNUSABLE: &str = "Name \"A:\" can't be used: it is odd. Choose a different name:";
    const PERHAPS: &str = "-- If that is you: try again in a few seconds; a connection that is dead is given up.";

    #[test]
    fn a_name_that_is_taken_is_sent_again_for_a_while_and_the_person_is_told_so_once() {
        let mut joining = Joining::new(None, Some("Ann".into()));
        joining.hear(GREETING);
        assert_eq!([joining.hear(TAKEN), joining.hear(PERHAPS)], [Step::Taken("Ann".into()), Step::Hide]);
        for _ in 1..TRIES {
            assert_eq!([joining.hear(TAKEN), joining.hear(PERHAPS)], [Step::StillTaken("Ann".into()), Step::Hide]);
        }
        assert_eq!([joining.hear(TAKEN), joining.hear(PERHAPS)], [Step::Refused, Step::Nothing]);
    }

    #[test]
    fn once_the_person_types_something_the_name_is_theirs_to_choose() {
        let mut joining = Joining::new(None, Some("Ann".into()));
        joining.hear(GREETING);
        joining.hear(TAKEN);
        joining.person_chooses();
        assert_eq!([TAKEN, PERHAPS, UNUSABLE].map(|line| joining.hear(line)), [const { Step::Nothing }; 3]);
        assert_eq!(joining.hear(WELCOME), Step::Called("Ann".into()));
    }

    fn steps(offer: Option<&str>, lines: &[&str]) -> Vec<Step> {
        let mut joining = Joining::new(None, offer.map(str::to_owned));
        lines.iter().map(|line| joining.hear(line)).collect()
    }

    #[test]
    fn a_name_is_offered_once() {
        let called = |name: &str| Step::Called(name.into());
        assert_eq!(steps(Some("Ann"), &[GREETING, WELCOME]), [Step::Offer("Ann".into()), called("Ann")]);
        let refused = steps(Some("A:"), &[GREETING, UNUSABLE, UNUSABLE, TAKEN, WELCOME]);
        let nothing = Step::Nothing;
        assert_eq!(refused, [Step::Offer("A:".into()), Step::Refused, nothing.clone(), nothing, called("Ann")]);
        assert_eq!(steps(None, &[GREETING, TAKEN, WELCOME]), [Step::Ask, Step::Nothing, called("Ann")]);
        assert_eq!(steps(Some("Ann"), &["-- The room is full."]), [Step::Nothing]);
    }

    #[test]
    fn a_password_that_was_right_before_is_offered_before_the_name() {
        const WANTED: &str = "This room has a password:";
        let mut joining = Joining::new(Some("sesame".into()), Some("Ann".into()));
        assert_eq!(joining.hear(WANTED), Step::Offer("sesame".into()));
        assert_eq!(joining.hear("Wrong password. Try again:"), Step::Password);
        assert_eq!(joining.hear(GREETING), Step::Offer("Ann".into()));
        assert_eq!(steps(Some("Ann"), &[WANTED, GREETING]), [Step::Password, Step::Offer("Ann".into())]);
        assert_eq!(steps(None, &[GREETING, WELCOME, WANTED])[2], Step::Nothing);
    }

    #[test]
    fn once_in_the_room_lines_are_only_lines() {
        let steps = steps(
            None,
            &[
                GREETING,
                WELCOME,
                GREETING,
                TAKEN,
                "Bob is now known as Bo.",
                "-- You are now known as Bea.",
                "Cid is now known as X.",
            ],
        );
        let mut expected = vec![Step::Nothing; 7];
        expected[0] = Step::Ask;
        expected[1] = Step::Called("Ann".into());
        expected[5] = Step::Called("Bea".into());
        assert_eq!(steps, expected);
    }
}
