//! The line to the server: dialling, joining, carrying lines both ways, noticing the loss, coming back.
//!
//! Knows nothing of terminals or pipes: what is to be said comes out of a channel, what is heard goes into another.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_lite::{AsyncReadExt, AsyncWriteExt, FutureExt, future};
use smol::{Async, Timer};

use super::dial::dial;
use super::joining::{Joining, Step};
use super::{JoinError, Options};
use crate::text::command::{self, Command};
use crate::text::line;

/// What the person, or the output, is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Something the client itself has to say.
    Notice(String),
    /// Lines from the server, clean.
    Lines(Vec<String>),
    Standing(Standing),
}

/// How we stand with the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// What is said now would not be heard.
    Away,
    /// What is said now is a name.
    Naming,
    /// In the room, under this name.
    Here(String),
}

/// The longest line that is taken from a server, in bytes; what is longer is shown in pieces. The longest message and
/// the longest name fit ([`line::Line`] says why a line can be three times as long as what was typed).
const MAX_HEARD: usize = 4 * line::MAX_LINE;

const READ: usize = 16 * 1024;

/// The pauses before coming back, in seconds; the last one stands for all after it.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 16, 30];

/// How often our name may turn out to be taken when we come back. It may be our own lost connection that has it: the
/// server misses that one within 90 s, and the pauses add up to more.
const MAX_TAKEN: usize = 7;

/// How one connection came to its end.
enum Ended {
    /// As we wanted.
    Left,
    Lost,
    /// Lost, and not to be found again.
    SentAway,
    /// In the server's words.
    Refused(String),
}

pub(crate) struct Link<'a> {
    options: &'a Options,
    /// Somebody is there who can be asked for another name.
    person: bool,
    outgoing: Outgoing,
    events: Sender<Event>,
    /// What we were called last, or want to be called.
    name: Option<String>,
    /// We have been in the room under that name.
    known: bool,
    pauses: usize,
    taken: usize,
}

impl<'a> Link<'a> {
    /// A link that says what comes from `outgoing`, whole lines with their line ends. When that channel closes, it
    /// leaves as soon as everything is delivered.
    pub(crate) fn new(
        options: &'a Options,
        person: bool,
        outgoing: Receiver<Vec<u8>>,
        events: Sender<Event>,
    ) -> Link<'a> {
        let outgoing = Outgoing { lines: outgoing, current: Vec::new(), written: 0, finished: false, quit: false };
        // A line end in it would make it a name and a message.
        let name = options.name.as_deref().map(|name| line::clean(name).into_owned());
        Link { options, person, outgoing, events, name, known: false, pauses: 0, taken: 0 }
    }

    /// Runs until we have left, or the server is lost and nobody wants to come back.
    pub(crate) async fn run(mut self) -> Result<(), JoinError> {
        loop {
            self.notice(format!("Connecting to {}...", self.options.address)).await;
            let error = match dial(&self.options.address).await {
                Ok((stream, address)) => {
                    self.notice(format!("Connected to {address}.")).await;
                    match self.hold(&stream).await {
                        Ended::Left => return Ok(()),
                        Ended::Lost => JoinError::Lost,
                        Ended::SentAway => return Err(JoinError::Lost),
                        Ended::Refused(why) if !self.known || self.taken == MAX_TAKEN => {
                            return Err(JoinError::Refused(why));
                        }
                        Ended::Refused(why) => {
                            self.taken += 1;
                            JoinError::Refused(why)
                        }
                    }
                }
                Err(unreachable) => JoinError::Unreachable(unreachable),
            };
            self.tell(Event::Standing(Standing::Away)).await;
            // What was said last may not have been heard, and nothing is left with which to find out.
            if !self.options.retry || self.outgoing.finished {
                return Err(error);
            }
            let pause = PAUSES[self.pauses.min(PAUSES.len() - 1)];
            self.pauses += 1;
            self.notice(format!("{error} Trying again in {pause} s.")).await;
            Timer::after(Duration::from_secs(pause)).await;
        }
    }

    /// Carries lines both ways until the connection ends.
    async fn hold(&mut self, stream: &Async<TcpStream>) -> Ended {
        let (permits, permitted) = async_channel::unbounded();
        let mut hearing = Hearing {
            joining: Joining::new(self.name.clone()),
            asks: self.person && (!self.known || self.taken == MAX_TAKEN),
            events: self.events.clone(),
            permits,
            called: None,
            goodbye: false,
            sent_away: false,
        };
        self.outgoing.start_again();
        let say = async {
            // When nothing more can be said, there may still be something to hear.
            let _ = self.outgoing.say(stream, permitted).await;
            future::pending().await
        };
        let heard = hearing.hear(stream).or(say).await;
        if let Some(name) = hearing.called {
            (self.name, self.known, self.pauses, self.taken) = (Some(name), true, 0, 0);
        }
        match heard {
            Ok(Some(refusal)) => Ended::Refused(refusal),
            _ if hearing.sent_away => Ended::SentAway,
            _ if self.outgoing.quit => Ended::Left,
            Ok(None) if self.outgoing.finished && !hearing.goodbye => Ended::Left,
            _ => Ended::Lost,
        }
    }

    async fn notice(&self, words: String) {
        self.tell(Event::Notice(words)).await;
    }

    async fn tell(&self, event: Event) {
        // Whoever has stopped listening needs to know nothing more.
        let _ = self.events.send(event).await;
    }
}

/// Leave to speak, from the hearing side of a connection to the speaking one.
enum Permit {
    /// This is to be said before anything else.
    Name(String),
    /// From now on everything may be said.
    All,
}

/// The hearing side of one connection.
struct Hearing {
    joining: Joining,
    /// A name that is refused is for the person to choose anew.
    asks: bool,
    events: Sender<Event>,
    permits: Sender<Permit>,
    called: Option<String>,
    goodbye: bool,
    sent_away: bool,
}

impl Hearing {
    /// Hears until the server closes the connection. Returns the server's words if it refused our name and nobody is
    /// to be asked for another one.
    async fn hear(&mut self, mut stream: &Async<TcpStream>) -> io::Result<Option<String>> {
        let mut framing = Framing::default();
        let mut buffer = vec![0; READ];
        loop {
            let read = stream.read(&mut buffer).await?;
            let lines = if read == 0 { framing.rest() } else { framing.lines(&buffer[..read]) };
            let mut batch = Vec::with_capacity(lines.len());
            for line in lines {
                let step = self.joining.hear(&line);
                batch.push(line);
                if step == Step::Nothing {
                    continue;
                }
                let line = batch.last().cloned().unwrap_or_default();
                self.tell(Event::Lines(std::mem::take(&mut batch))).await;
                if !self.take(step).await {
                    return Ok(Some(line));
                }
            }
            if !batch.is_empty() {
                self.tell(Event::Lines(batch)).await;
            }
            if read == 0 {
                return Ok(None);
            }
            // A server that never pauses makes every read ready, and once nobody takes the events to tell one is too:
            // nothing else would ever have its turn, the farewell's limit included.
            future::yield_now().await;
        }
    }

    /// Does what a line asks for; `false` if it asks for a name and nobody can say one.
    async fn take(&mut self, step: Step) -> bool {
        match step {
            Step::Nothing => {}
            Step::Goodbye => self.goodbye = true,
            Step::SentAway => self.sent_away = true,
            Step::Offer(name) => self.permit(Permit::Name(name)),
            Step::Refused if !self.asks => return false,
            Step::Ask | Step::Refused => {
                self.permit(Permit::All);
                self.tell(Event::Standing(Standing::Naming)).await;
            }
            Step::Called(name) => {
                self.permit(Permit::All);
                self.called = Some(name.clone());
                self.tell(Event::Standing(Standing::Here(name))).await;
            }
        }
        true
    }

    fn permit(&self, permit: Permit) {
        // The channel has no bound and is closed only when nothing can be said any more.
        let _ = self.permits.try_send(permit);
    }

    async fn tell(&self, event: Event) {
        let _ = self.events.send(event).await;
    }
}

/// What is to be said, and how far it has been said. Outlives a connection.
struct Outgoing {
    lines: Receiver<Vec<u8>>,
    current: Vec<u8>,
    /// How much of `current` the connection has taken.
    written: usize,
    /// There is nothing more to say.
    finished: bool,
    /// The server has been asked to end the conversation.
    quit: bool,
}

impl Outgoing {
    /// A line of which the last connection took a part is said whole on the next.
    fn start_again(&mut self) {
        let ended = self.current[..self.written].iter().rposition(|&byte| byte == b'\n');
        self.written = ended.map_or(0, |at| at + 1);
    }

    /// Says the name, if there is one to offer, then everything; in the end tells the server that this was all.
    async fn say(&mut self, mut stream: &Async<TcpStream>, permits: Receiver<Permit>) -> io::Result<()> {
        while let Ok(Permit::Name(name)) = permits.recv().await {
            stream.write_all(format!("{name}\n").as_bytes()).await?;
        }
        loop {
            while self.written < self.current.len() {
                self.written += stream.write(&self.current[self.written..]).await?;
            }
            self.quit |=
                String::from_utf8_lossy(&self.current).lines().any(|line| command::parse(line) == Command::Quit);
            let Ok(lines) = self.lines.recv().await else { break };
            (self.current, self.written) = (lines, 0);
        }
        self.finished = true;
        stream.get_ref().shutdown(Shutdown::Write)
    }
}

/// Bytes to clean lines.
#[derive(Debug, Default)]
struct Framing {
    unfinished: Vec<u8>,
}

impl Framing {
    fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.unfinished.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.unfinished.len() > MAX_HEARD {
                lines.extend(self.rest());
            }
        }
        lines
    }

    /// What came last, though it has no line end.
    fn rest(&mut self) -> Vec<String> {
        let line = String::from_utf8_lossy(&self.unfinished);
        let line = line::clean(line.strip_suffix('\n').unwrap_or(&line)).into_owned();
        let some = !self.unfinished.is_empty();
        self.unfinished.clear();
        some.then_some(line).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_and_clean() {
        let mut framing = Framing::default();
        assert_eq!(framing.lines(b"a\nb\r\n\nhal"), ["a", "b", ""]);
        assert_eq!(framing.lines("f \u{1b}[31mé\n".as_bytes()), ["half é"]);
        assert_eq!(framing.lines(b"\xff\n"), ["\u{fffd}"]);
        assert!(framing.lines(b"end").is_empty());
        assert_eq!(framing.rest(), ["end"]);
        assert!(framing.rest().is_empty());
    }

    #[test]
    fn a_line_without_end_takes_no_more_than_its_share() {
        let mut framing = Framing::default();
        let pieces: usize = (0..100).map(|_| framing.lines(&[b'x'; 1000]).concat().len()).sum();
        assert!(framing.unfinished.len() <= MAX_HEARD);
        assert_eq!(pieces + framing.unfinished.len(), 100_000);
    }

    #[test]
    fn what_was_half_said_is_said_again() {
        let (_, lines) = async_channel::bounded(1);
        let current = b"one\ntwo\nthree\n".to_vec();
        let mut outgoing = Outgoing { lines, current, written: 6, finished: false, quit: false };
        for (written, again) in [(0, 0), (3, 0), (4, 4), (6, 4), (14, 14)] {
            outgoing.written = written;
            outgoing.start_again();
            assert_eq!(outgoing.written, again);
        }
    }
}
