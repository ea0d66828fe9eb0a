//! How we get our name: what to answer at the server's prompt, and what we are called after that.
//!
//! Pure: the server's lines in, what they mean for us out.

use crate::text::spoken::Spoken;

/// What a line asks of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    /// Send this name.
    Offer(String),
    /// The person, or the input, has to say a name.
    Ask,
    /// The name that was offered will not do.
    Refused,
    /// We are in the room, or go on in it, under this name.
    Called(String),
    /// The server is about to close every connection.
    Goodbye,
    /// We are not wanted.
    SentAway,
}

/// One connection's way into the room.
#[derive(Debug)]
pub(crate) struct Joining {
    /// The name to be offered, until it is.
    offer: Option<String>,
    offered: bool,
    name: Option<String>,
}

impl Joining {
    /// With a name to offer, or without.
    pub(crate) fn new(offer: Option<String>) -> Joining {
        Joining { offer, offered: false, name: None }
    }

    /// Takes a line from the server.
    pub(crate) fn hear(&mut self, line: &str) -> Step {
        match (Spoken::read(line), &self.name) {
            (Spoken::Goodbye, _) => Step::Goodbye,
            (Spoken::SentAway, _) => Step::SentAway,
            (Spoken::Greeting, None) => match self.offer.take() {
                Some(name) => {
                    self.offered = true;
                    Step::Offer(name)
                }
                None => Step::Ask,
            },
            (Spoken::NameRefused, None) if std::mem::take(&mut self.offered) => Step::Refused,
            (Spoken::Welcome(name), None) => self.called(name),
            (Spoken::Called(name), Some(_)) => self.called(name),
            _ => Step::Nothing,
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

    fn steps(offer: Option<&str>, lines: &[&str]) -> Vec<Step> {
        let mut joining = Joining::new(offer.map(str::to_owned));
        lines.iter().map(|line| joining.hear(line)).collect()
    }

    #[test]
    fn a_name_is_offered_once() {
        let called = |name: &str| Step::Called(name.into());
        assert_eq!(steps(Some("Ann"), &[GREETING, WELCOME]), [Step::Offer("Ann".into()), called("Ann")]);
        let refused = steps(Some("Ann"), &[GREETING, TAKEN, TAKEN, WELCOME]);
        assert_eq!(refused, [Step::Offer("Ann".into()), Step::Refused, Step::Nothing, called("Ann")]);
        assert_eq!(steps(None, &[GREETING, TAKEN, WELCOME]), [Step::Ask, Step::Nothing, called("Ann")]);
        assert_eq!(steps(Some("Ann"), &["-- The room is full."]), [Step::Nothing]);
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
