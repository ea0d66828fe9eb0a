//! The link to the server: connects, joins, carries lines both ways, notices that the server is lost, reconnects.
//!
//! Knows nothing of terminals or pipes. What is to be said comes from one channel, what is heard goes into another.

use std::cell::Cell;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_lite::{AsyncReadExt, AsyncWriteExt, FutureExt, future};
use smol::{Async, Timer};

use super::dial::dial;
use super::joining::{Joining, Step, TRIES};
use super::{JoinError, Options};
use crate::text::command::{self, Command};
use crate::text::line;

/// What the person, or the output, is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A notice of the client itself.
    Notice(String),
    /// Lines from the server, clean.
    Lines(Vec<String>),
    /// The client's standing has changed.
    Standing(Standing),
    /// How far the files have come that are under way. It is empty when none is.
    Progress(String),
}

/// What the server takes the next line for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing: there is no connection, or the server has not asked for anything yet.
    Away,
    /// A password, which is not to be shown.
    Password,
    /// A name.
    Naming,
    /// A line to be said in the room, under this name.
    Here(String),
}

/// The longest line that is read from a server, in bytes. A longer one is shown in pieces. The longest message with the
/// longest name fits ([`line::Line`] explains why a line can be three times as long as what was typed).
const MAX_HEARD: usize = 4 * line::MAX_LINE;

/// Bytes that are read at once.
const READ: usize = 16 * 1024;

/// The pauses before reconnecting, in seconds. All further pauses are like the last one.
const PAUSES: [u64; 6] = [1, 2, 4, 8, 16, 30];

/// The pause before a name that somebody has is sent again. `TRIES` such pauses are longer than the 6 s within which
/// the server gives up a dead connection.
const AGAIN: Duration = Duration::from_secs(2);

/// How often our name may be taken when we reconnect. Our own lost connection may still have it, and the server may
/// take it for one that has only stopped reading. After 30 s the server notices. These tries and their pauses take
/// longer than that.
const MAX_TAKEN: usize = 3;

/// How one connection ended.
enum Ended {
    /// The person, or the end of the input, has ended it.
    Left,
    /// The server has ended it, or it broke.
    Lost,
    /// The server has said goodbye, because it stops.
    Stopped,
    /// The operator has ended it, so the client does not reconnect.
    SentAway,
    /// The name was refused, in the server's words.
    Refused(String),
}

/// The link, over all its connections.
pub(crate) struct Link<'a> {
    options: &'a Options,
    /// Whether there is a person who can choose another name.
    person: bool,
    outgoing: Outgoing,
    events: Sender<Event>,
    /// The last name in the room, or the name to join with.
    name: Option<String>,
    /// Whether the client has been in the room under that name.
    known: bool,
    /// How many pauses there were since the client was in the room.
    pauses: usize,
    /// How often the name was taken since then.
    taken: usize,
}

impl<'a> Link<'a> {
    /// Makes a link that sends what comes from `outgoing`: whole lines with their line ends. When that channel is
    /// closed, the link leaves as soon as everything is delivered.
    pub(crate) fn new(
        options: &'a Options,
        person: bool,
        outgoing: Receiver<Vec<u8>>,
        events: Sender<Event>,
    ) -> Link<'a> {
        let outgoing = Outgoing {
            lines: outgoing,
            current: Vec::new(),
            written: 0,
            password: None,
            finished: false,
            quit: false,
            person_chooses: Rc::default(),
        };
        // A name with a line end in it would be a name and a message.
        let name = options.name.as_deref().map(|name| line::clean(name).into_owned());
        Link { options, person, outgoing, events, name, known: false, pauses: 0, taken: 0 }
    }

    /// Runs until the client has left, or the server is lost and the client is not to reconnect.
    pub(crate) async fn run(mut self) -> Result<(), JoinError> {
        loop {
            self.notice(format!("Connecting to {}...", self.options.address)).await;
            let Some(dialled) = self.unless_left(dial(&self.options.address)).await else { return Ok(()) };
            let error = match dialled {
                Ok((stream, address)) => {
                    self.notice(format!("Connected to {address}.")).await;
                    match self.hold(&stream).await {
                        Ended::Left => return Ok(()),
                        Ended::Stopped if !self.comes_back() => return Ok(()),
                        Ended::Stopped | Ended::Lost => JoinError::Lost,
                        Ended::SentAway => return Err(JoinError::SentAway),
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
            self.show(Event::Standing(Standing::Away)).await;
            if !self.comes_back() {
                return Err(error);
            }
            let pause = PAUSES[self.pauses.min(PAUSES.len() - 1)];
            self.pauses += 1;
            self.notice(format!("{error} Trying again in {pause} s.")).await;
            if self.unless_left(Timer::after(Duration::from_secs(pause))).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Waits for a future. Returns None if the person leaves first: then nobody reads the events any more.
    async fn unless_left<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let left = async {
            self.events.closed().await;
            None
        };
        async { Some(future.await) }.or(left).await
    }

    /// Returns whether the client reconnects. It does not if the input has ended: nobody knows whether the last lines
    /// were delivered, and a new connection could not find that out.
    fn comes_back(&self) -> bool {
        self.options.retry && !self.outgoing.finished
    }

    /// Carries lines both ways until the connection ends.
    async fn hold(&mut self, stream: &Async<TcpStream>) -> Ended {
        let (permits, permitted) = async_channel::unbounded();
        let mut hearing = Hearing {
            joining: Joining::new(self.outgoing.password.clone(), self.name.clone()),
            asks: self.person && (!self.known || self.taken == MAX_TAKEN),
            passwords: if self.person { usize::MAX } else { 1 },
            events: self.events.clone(),
            permits,
            person_chooses: Rc::clone(&self.outgoing.person_chooses),
            called: None,
            goodbye: false,
            sent_away: false,
        };
        self.outgoing.rewind();
        self.outgoing.person_chooses.set(false);
        let write = async {
            // When sending has failed or is done, there may still be lines to receive.
            let _ = self.outgoing.send(stream, permitted).await;
            future::pending().await
        };
        let heard = hearing.hear(stream).or(write).await;
        if let Some(name) = hearing.called {
            (self.name, self.known, self.pauses, self.taken) = (Some(name), true, 0, 0);
        }
        match heard {
            Ok(Some(refusal)) => Ended::Refused(refusal),
            _ if hearing.sent_away => Ended::SentAway,
            _ if self.outgoing.quit => Ended::Left,
            // A goodbye before the client was in the room is no proper end: nothing was said.
            _ if hearing.goodbye && self.known => Ended::Stopped,
            Ok(None) if self.outgoing.finished => Ended::Left,
            _ => Ended::Lost,
        }
    }

    async fn notice(&self, words: String) {
        self.show(Event::Notice(words)).await;
    }

    async fn show(&self, event: Event) {
        // This fails only when nobody reads the events any more.
        let _ = self.events.send(event).await;
    }
}

/// A permission to send, from the reading side of a connection to the writing side.
enum Permit {
    /// Send this line before anything else.
    Line(String),
    /// Send the next line of the input, and no more: it is the password.
    Password,
    /// Send this name after a pause. If a person types something before that, send everything that is typed instead.
    Again { name: String, person: bool },
    /// Send everything from now on.
    All,
}

/// The reading side of one connection.
struct Hearing {
    joining: Joining,
    /// Whether the person is asked for another name when one is refused.
    asks: bool,
    /// How many passwords may still be asked for. Without a person there is one: the next line of the input is a
    /// message.
    passwords: usize,
    events: Sender<Event>,
    permits: Sender<Permit>,
    /// Whether the person has typed something while their name was to be sent again.
    person_chooses: Rc<Cell<bool>>,
    /// The name in the room.
    called: Option<String>,
    /// Whether the server has said that it stops.
    goodbye: bool,
    /// Whether the operator has sent the client away.
    sent_away: bool,
}

impl Hearing {
    /// Reads until the server closes the connection. Returns the server's words if it refused our name and nobody can
    /// choose another one.
    async fn hear(&mut self, mut stream: &Async<TcpStream>) -> io::Result<Option<String>> {
        let mut framing = Framing::default();
        let mut buffer = vec![0; READ];
        loop {
            let read = stream.read(&mut buffer).await?;
            let lines = if read == 0 { framing.rest() } else { framing.lines(&buffer[..read]) };
            let mut batch = Vec::with_capacity(lines.len());
            for line in lines {
                if self.person_chooses.get() {
                    self.joining.person_chooses();
                }
                let step = self.joining.hear(&line);
                if !matches!(step, Step::StillTaken(_) | Step::Hide) {
                    batch.push(line);
                }
                if step == Step::Nothing {
                    continue;
                }
                let line = batch.last().cloned().unwrap_or_default();
                if !batch.is_empty() {
                    self.show(Event::Lines(std::mem::take(&mut batch))).await;
                }
                if !self.act(step).await {
                    return Ok(Some(line));
                }
            }
            if !batch.is_empty() {
                self.show(Event::Lines(batch)).await;
            }
            if read == 0 {
                return Ok(None);
            }
            // If the server never pauses, every read is ready at once. So is every send when nobody reads the events
            // any more. Without this yield no other future would have its turn, not even the timeout of the farewell.
            future::yield_now().await;
        }
    }

    /// Does what a line asks for. Returns `false` if it asks for a name or a password and nobody can give one.
    async fn act(&mut self, step: Step) -> bool {
        match step {
            Step::Nothing | Step::Hide => {}
            Step::Goodbye => self.goodbye = true,
            Step::SentAway => self.sent_away = true,
            Step::Offer(line) => self.permit(Permit::Line(line)),
            Step::Password if self.passwords == 0 => return false,
            Step::Password => {
                self.passwords -= 1;
                self.permit(Permit::Password);
                self.show(Event::Standing(Standing::Password)).await;
            }
            Step::Taken(name) => {
                if self.asks {
                    self.show(Event::Standing(Standing::Naming)).await;
                }
                let time = AGAIN.as_secs() * TRIES as u64;
                let notice = format!("Trying again for {time} s, in case that is an old connection of yours.");
                self.show(Event::Notice(notice)).await;
                self.permit(Permit::Again { name, person: self.asks });
            }
            Step::StillTaken(name) => self.permit(Permit::Again { name, person: self.asks }),
            Step::Refused if !self.asks => return false,
            Step::Ask | Step::Refused => {
                self.permit(Permit::All);
                self.show(Event::Standing(Standing::Naming)).await;
            }
            Step::Called(name) => {
                self.permit(Permit::All);
                self.called = Some(name.clone());
                self.show(Event::Standing(Standing::Here(name))).await;
            }
        }
        true
    }

    fn permit(&self, permit: Permit) {
        // The channel is unbounded, and closed only when nothing more can be sent.
        let _ = self.permits.try_send(permit);
    }

    async fn show(&self, event: Event) {
        let _ = self.events.send(event).await;
    }
}

/// What is to be sent, and how much of it is written. It outlives a connection.
struct Outgoing {
    lines: Receiver<Vec<u8>>,
    /// The lines that are being written.
    current: Vec<u8>,
    /// How many bytes of `current` are written. A write may be partial.
    written: usize,
    /// The password that was sent last.
    password: Option<String>,
    /// Whether everything is written, and the input has ended.
    finished: bool,
    /// Whether the server was asked to end the connection.
    quit: bool,
    /// Whether the person has typed something while their name was to be sent again.
    person_chooses: Rc<Cell<bool>>,
}

impl Outgoing {
    /// Goes back to the start of a line that was written in part, so that the next connection gets it whole.
    fn rewind(&mut self) {
        let ended = self.current[..self.written].iter().rposition(|&byte| byte == b'\n');
        self.written = ended.map_or(0, |at| at + 1);
    }

    /// Sends what the permits allow, and then everything. At the end of the input it closes its direction of the
    /// connection (half-close).
    async fn send(&mut self, mut stream: &Async<TcpStream>, permits: Receiver<Permit>) -> io::Result<()> {
        loop {
            let line = match permits.recv().await {
                Ok(Permit::Line(line)) => line,
                Ok(Permit::Password) => match self.next_line().await {
                    Some(line) => self.password.insert(line).clone(),
                    None => break,
                },
                Ok(Permit::Again { name, person }) => {
                    let typed = async { if person { self.more().await } else { future::pending().await } };
                    let pause = async {
                        Timer::after(AGAIN).await;
                        false
                    };
                    if typed.or(pause).await {
                        self.person_chooses.set(true);
                        break;
                    }
                    name
                }
                Ok(Permit::All) | Err(_) => break,
            };
            stream.write_all(format!("{line}\n").as_bytes()).await?;
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

    /// Waits until there is something to be sent, or the input has ended. Always returns true.
    async fn more(&mut self) -> bool {
        if self.written == self.current.len() {
            if let Ok(lines) = self.lines.recv().await {
                (self.current, self.written) = (lines, 0);
            }
        }
        true
    }

    /// Takes the next line of what is to be sent. None at the end of the input.
    async fn next_line(&mut self) -> Option<String> {
        if self.written == self.current.len() {
            (self.current, self.written) = (self.lines.recv().await.ok()?, 0);
        }
        let rest = &self.current[self.written..];
        let line = rest.split_inclusive(|&byte| byte == b'\n').next().unwrap_or_default();
        self.written += line.len();
        Some(String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned())
    }
}

/// Bytes to clean lines.
#[derive(Debug, Default)]
struct Framing {
    unfinished: Vec<u8>,
}

impl Framing {
    /// Returns the lines that `bytes` complete.
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

    /// Returns what came last, though it has no line end.
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
    fn nobody_is_dialled_for_who_has_left() {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = unused.expect("a free port").to_string().parse().expect("a host");
        let options = Options { address, retry: true, ..Options::default() };
        let (_say, to_say) = async_channel::bounded(1);
        let (show, events) = async_channel::bounded(100);
        let link = Link::new(&options, true, to_say, show).run();
        let leave = async {
            while let Ok(event) = events.recv().await {
                if matches!(event, Event::Notice(words) if words.ends_with("Trying again in 1 s.")) {
                    events.close();
                }
            }
            future::pending().await
        };
        assert!(matches!(smol::block_on(link.or(leave)), Ok(())));
    }

    #[test]
    fn what_was_half_said_is_said_again() {
        let (_, lines) = async_channel::bounded(1);
        let current = b"one\ntwo\nthree\n".to_vec();
        let mut outgoing = Outgoing {
            lines,
            current,
            written: 6,
            password: None,
            finished: false,
            quit: false,
            person_chooses: Rc::default(),
        };
        for (written, again) in [(0, 0), (3, 0), (4, 4), (6, 4), (14, 14)] {
            outgoing.written = written;
            outgoing.rewind();
            assert_eq!(outgoing.written, again);
        }
    }
}
