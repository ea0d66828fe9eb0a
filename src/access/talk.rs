//! What one client says, in turns. A turn says so little that no reader that keeps up falls behind by it.
//!
//! Pure: bytes go in, and a [`Turn`] comes out, which says what is to be done.

use std::time::Instant;

use super::pace::Pace;
use super::session::{Act, Session, Step};
use crate::room::{Sending, Size};
use crate::text::line::Decoder;
use crate::text::message::Message;
use crate::text::name::Name;

/// How much one turn says at most. It may exceed this by one line of the largest size, and is then still small beside
/// half of a reader's allowance.
pub(crate) const TURN: Size = Size { lines: 128, bytes: 16 * 1024 };

/// Returns whether a message is as large as a turn may be.
pub(crate) fn is_enough(said: &Message, most: Size) -> bool {
    said.lines() as u64 >= most.lines || said.bytes().len() as u64 >= most.bytes
}

/// One client's side of the conversation.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) session: Session,
    decoder: Decoder,
    pub(crate) pace: Pace,
    pub(crate) sending: Sending,
}

/// The result of decoding the input of one turn.
#[derive(Default)]
pub(crate) struct Turn {
    /// What the others have to hear.
    pub(crate) said: Message,
    /// What is to be done after that, if anything.
    pub(crate) act: Option<Act>,
    /// Whether there may be more to read at once.
    pub(crate) more: bool,
    /// Whether this was the end of input.
    pub(crate) end: bool,
}

impl Turn {
    fn add(&mut self, step: Step<'_>, name: Option<&Name>) {
        match (step, name) {
            (Step::Say(line), Some(name)) => self.said.say(name, &line),
            (Step::Act(act), _) => self.act = Some(act),
            (Step::Nothing | Step::Say(_), _) => {}
        }
    }
}

impl Talk {
    /// Somebody who may sustain so many lines a second; zero is no limit.
    pub(crate) fn new(session: Session, rate: u32, now: Instant) -> Talk {
        Talk { session, decoder: Decoder::default(), pace: Pace::new(rate, now), sending: Sending::new(now) }
    }

    /// Forgets an unfinished line, because the next input has nothing to do with the last one.
    #[cfg(feature = "web")]
    pub(crate) fn begin_anew(&mut self) {
        self.decoder = Decoder::default();
    }

    /// Decodes lines up to the first one that needs an [`Act`], or until `most` is said. It may exceed `most` by one
    /// line of the largest size; together these have to be less than half of a reader's allowance. Returns the rest of
    /// the input, too. The caller calls [`Pace::wait`] first.
    pub(crate) fn turn<'a>(&mut self, mut input: &'a [u8], most: Size) -> (Turn, &'a [u8]) {
        let (mut turn, mut lines, length) = (Turn::default(), 0, input.len());
        while !self.pace.spent() && !is_enough(&turn.said, most) {
            let before = input.len();
            let next = self.decoder.next(&mut input);
            self.pace.spend(next.is_some(), before - input.len());
            let Some(next) = next else { break };
            lines += 1;
            turn.add(self.session.input(next), self.session.name());
            if turn.act.is_some() {
                break;
            }
        }
        self.sending.sent(lines, length - input.len(), self.pace.now());
        turn.more = !input.is_empty();
        (turn, input)
    }

    /// Handles the end of input: the last line counts even without a newline.
    pub(crate) fn end(&mut self) -> Turn {
        let mut turn = Turn { end: true, ..Turn::default() };
        if let Some(last) = self.decoder.end() {
            turn.add(self.session.input(last), self.session.name());
        }
        turn
    }
}
