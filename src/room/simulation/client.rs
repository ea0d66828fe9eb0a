//! A simulated client: its socket, and what its connection's tasks know.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::model::Stream;
use super::script::{Taking, Typed};
use crate::room::backpressure::{Manner, Sending};
use crate::room::log::Id;
use crate::room::reader::Reader;
use crate::room::waiting::Wait;
use crate::text::line::Line;
use crate::text::message::{Cause, Message};
use crate::text::name::Name;

/// What one turn of a sender says at most, as in `server/read.rs`.
const SAID: usize = 16 * 1024;
const SAID_LINES: usize = 128;

/// A kernel's buffers take no more than this before the peer takes something.
const BUFFER: f64 = 64.0 * 1024.0;

/// What a client sends: a line that is said, or a command.
#[derive(Debug)]
pub(super) enum Input {
    Line(usize),
    Command(Typed),
}

/// What is to be done for a sender once it need not wait.
#[derive(Debug)]
pub(super) enum Doing {
    Say(Message),
    Act(Typed),
    Join(Name),
    Answer(Message),
    Leave(Option<Cause>, Message),
    // The operator's:
    Announce(Message),
    Ban(IpAddr),
}

/// Somebody who sends, and may have to wait.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) sending: Sending,
    pub(super) doing: VecDeque<Doing>,
    pub(super) waiting: Option<Waiting>,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) wait: Wait,
    pub(super) manner: Manner,
    pub(super) since: Instant,
    /// How much time had jumped before that.
    pub(super) jumps: Duration,
}

impl Sender {
    pub(super) fn new(now: Instant) -> Sender {
        Sender { sending: Sending::new(now), doing: VecDeque::new(), waiting: None }
    }

    /// Whether there is something to do, and the time for it.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        let waits = |waiting: &Waiting| waiting.wait.until > now && !waiting.wait.relief.is_closed();
        !self.doing.is_empty() && !self.waiting.as_ref().is_some_and(waits)
    }
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: Id,
    pub(super) address: SocketAddr,
    /// Its socket has always taken enough to be waited for.
    pub(super) healthy: bool,
    pub(super) since: Instant,
    /// None when its writer has ended.
    pub(super) reader: Option<Reader>,
    pub(super) socket: Socket,
    /// Until when what is left is written, once the reader ends.
    pub(super) deadline: Option<Instant>,
    /// Until when the reader is read for nobody, the peer being gone.
    pub(super) discarding: Option<Instant>,
    pub(super) sender: Sender,
    pub(super) name: Option<Name>,
    pub(super) input: VecDeque<Input>,
    /// Whether it does not read what the client sends any more.
    pub(super) leaving: bool,
}

impl Client {
    /// Takes what one turn may say off the input. The first line said is like no other.
    pub(super) fn read(&mut self, template: &Line<'_>, first: &Line<'_>, now: Instant) {
        let (mut said, mut lines, mut bytes, mut act) = (Message::default(), 0, 0, None);
        while act.is_none() && said.lines() < SAID_LINES && said.bytes().len() < SAID {
            let Some(input) = self.input.pop_front() else { break };
            lines += 1;
            match (input, &self.name) {
                (Input::Line(length), Some(name)) => {
                    bytes += length + 1;
                    let line = if said.is_empty() { first.last(first.len()) } else { template.last(length) };
                    said.say(name, &line);
                }
                (Input::Command(typed), Some(_)) => {
                    bytes += 16;
                    act = Some(Doing::Act(typed));
                }
                _ => {}
            }
        }
        self.sender.sending.sent(lines, bytes, now);
        let said = (!said.is_empty()).then_some(Doing::Say(said));
        self.sender.doing.extend(said.into_iter().chain(act));
    }
}

#[derive(Debug)]
pub(super) struct Socket {
    taking: Taking,
    /// What it takes now.
    room: f64,
    /// Whether it did not take all that was last written.
    pub(super) blocked: bool,
    /// Whether it is broken, and if so, whether by the peer.
    pub(super) broken: Option<bool>,
}

impl Socket {
    pub(super) fn new(taking: Taking) -> Socket {
        let mut socket = Socket { taking, room: 0.0, blocked: false, broken: None };
        socket.pass(Duration::from_millis(100));
        socket
    }

    pub(super) fn take(&mut self, taking: Taking) {
        self.taking = taking;
        self.pass(Duration::ZERO);
    }

    /// Time goes by.
    pub(super) fn pass(&mut self, time: Duration) {
        match self.taking {
            Taking::All => self.room = f64::MAX,
            Taking::Healthy(rate) | Taking::Trickle(rate) => {
                let more = f64::from(rate) * time.as_secs_f64();
                self.room = (self.room + more).min(BUFFER.max(more));
            }
            Taking::Nothing => self.room = self.room.min(BUFFER),
        }
    }

    /// Whether it takes more once time goes by.
    pub(super) fn flows(&self) -> bool {
        self.broken.is_none() && !matches!(self.taking, Taking::Nothing)
    }

    /// Whether it takes enough to be waited for.
    pub(super) fn takes_enough(&self) -> bool {
        matches!(self.taking, Taking::All | Taking::Healthy(_))
    }

    pub(super) fn takes(&self) -> bool {
        self.room >= 1.0 || self.broken.is_some()
    }
}

/// A socket that is written to, and what is to come out of it.
pub(super) struct Wire<'a> {
    pub(super) socket: &'a mut Socket,
    pub(super) hears: &'a mut Stream,
    pub(super) rng: &'a mut Rng,
}

impl Wire<'_> {
    fn room(&mut self, length: usize) -> io::Result<usize> {
        match self.socket.broken {
            Some(true) => return Err(io::ErrorKind::BrokenPipe.into()),
            Some(false) => return Err(io::ErrorKind::TimedOut.into()),
            None => {}
        }
        self.socket.blocked = !self.socket.takes();
        if self.socket.blocked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let room = length.min(self.socket.room as usize);
        // Now and then it takes a part, as when memory is short.
        let room = if self.rng.u8(..16) == 0 { self.rng.usize(1..=room) } else { room };
        self.socket.room -= room as f64;
        Ok(room)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room(bytes.len())?;
        self.hears.come(&bytes[..room]);
        Ok(room)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = self.room(slices.iter().map(|slice| slice.len()).sum())?;
        let mut rest = room;
        for slice in slices {
            let some = rest.min(slice.len());
            self.hears.come(&slice[..some]);
            rest -= some;
        }
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
