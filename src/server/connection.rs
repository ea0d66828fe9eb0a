//! One client's socket: a task that reads it, a task that writes it, and how both end.
//!
//! The reader turns bytes into steps and takes each to the room; the writer takes parcels from the client's outbox and
//! writes them with as few system calls as they need. Whichever ends first ends the connection, on every path: the
//! member leaves the room, what is queued is flushed, the peer is given a moment, and the socket is closed so that even
//! a peer that does not look notices. Nothing that happens here reaches any other client.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::future::{self, FutureExt};
use rustix::net::sockopt;
use smol::{Async, Executor, Timer};

use super::pace::Pace;
use super::session::{self, Act, Session, Step};
use crate::room::{Closing, Id, NotJoined, Outbox, Room};
use crate::text::line::Decoder;
use crate::text::message::{Cause, Message};
use crate::text::name::Name;

/// What one read takes at most, and so the budget of one turn: a flood is read in pieces, between which everybody else
/// has their turn.
const READ: usize = 16 * 1024;

/// What one turn says at most: together with the longest line it fits into a batch.
const SAID: usize = 16 * 1024;
const SAID_LINES: usize = 128;

/// Time to choose a name: the contract's.
const NAMING: Duration = Duration::from_secs(60);

/// What a TLS handshake begins with (RFC 8446, 5.1): no keyboard does, and what follows may hold anything.
const TLS: [u8; 2] = [22, 3];

/// How long a peer that was told goodbye may take to close its side before it is reset: OpenBSD's nc and ncat sit on a
/// plain close until the next key is pressed, and get the shell back only by this.
const MOMENT: Duration = Duration::from_millis(250);

thread_local! {
    /// Where every connection reads to: none holds a buffer while there is nothing to read.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// How a connection ended.
struct Ending {
    /// None when it was the client's own doing.
    cause: Option<Cause>,
    /// The last words to the client, if any.
    words: Message,
    /// Whether the peer has closed its side.
    heard_out: bool,
}

impl Ending {
    fn told(words: Message) -> Ending {
        Ending { cause: None, words, heard_out: false }
    }

    fn broken(error: &io::Error) -> Ending {
        // A reset is what a program that ends with input unread does; the rest is the network's doing.
        let own = matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        let cause = (!own).then_some(Cause::ConnectionLost);
        Ending { cause, words: Message::default(), heard_out: true }
    }

    fn fault() -> Ending {
        Ending { cause: Some(Cause::Fault), words: Message::fault(), heard_out: false }
    }
}

/// Serves one client until the connection ends, whoever ends it.
pub(super) async fn serve(
    stream: Async<TcpStream>,
    address: SocketAddr,
    room: Arc<Room>,
    rate: u32,
    executor: Arc<Executor<'static>>,
) {
    let Ok((id, outbox)) = room.enter(address).await else {
        return refuse(stream, Message::shutdown(), Goodbye::Abrupt).await;
    };
    let stream = Arc::new(stream);
    let mut writer = executor.spawn(contain(write(Arc::clone(&stream), outbox)));
    let mut written = None;
    let reader = Reader {
        id,
        stream: &stream,
        room: &room,
        session: Session::default(),
        decoder: Decoder::default(),
        fresh: true,
        pace: Pace::new(rate, Instant::now()),
    };
    let ending = {
        let read = async { contain(reader.run()).await.unwrap_or_else(|Panic| Ending::fault()) };
        let write = async {
            match &*written.insert((&mut writer).await) {
                Ok(Ok(())) => Ending::told(Message::default()),
                Ok(Err(error)) => Ending::broken(error),
                Err(Panic) => Ending::fault(),
            }
        };
        read.or(write).await
    };
    let closing = room.leave(id, ending.cause, ending.words).await;
    let flushed = match written {
        Some(result) => result,
        None => writer.await,
    };
    let goodbye = match closing {
        Ok(()) => Goodbye::Proper,
        Err(Closing) => Goodbye::Abrupt,
    };
    part(&stream, matches!(flushed, Ok(Ok(()))), ending.heard_out, goodbye).await;
}

/// Tells a connection that cannot come in why, and closes it.
pub(super) async fn refuse(stream: Async<TcpStream>, why: Message, goodbye: Goodbye) {
    // One line always fits into a new socket's buffer; where it does not, nobody is there to read it.
    let flushed = stream.get_ref().write(why.bytes()).is_ok();
    part(&stream, flushed, false, goodbye).await;
}

/// Something panicked; the panic hook has said what.
struct Panic;

/// A panic in one client's task is that client's alone.
async fn contain<T>(task: impl Future<Output = T>) -> Result<T, Panic> {
    AssertUnwindSafe(task).catch_unwind().await.map_err(|_| Panic)
}

/// How a peer that has not closed its side is made to notice the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// By the end of what it reads, and a reset a moment later. Programs that read to the end see one, OpenBSD's nc
    /// notices the reset.
    Proper,
    /// By a reset alone, a moment after the last words: once ncat has seen the end of what it reads, it notices nothing
    /// until the next key is pressed.
    Abrupt,
}

/// Closes a socket so that its peer notices. Everything queued was written before, or could not be.
async fn part(stream: &Async<TcpStream>, flushed: bool, heard_out: bool, goodbye: Goodbye) {
    if flushed && heard_out {
        return;
    }
    if flushed && (goodbye == Goodbye::Abrupt || stream.get_ref().shutdown(Shutdown::Write).is_ok()) {
        let closed = async { drain(stream).await.is_ok() };
        let late = async {
            Timer::after(MOMENT).await;
            false
        };
        if closed.or(late).await {
            return;
        }
    }
    // To linger for no time at all is to reset. Fails on no socket that is still there.
    let _ = sockopt::set_socket_linger(stream.get_ref(), Some(Duration::ZERO));
}

/// Reads what the peer still says, up to the end of it.
///
/// # Errors
/// When the peer goes on as if it had not been told goodbye.
async fn drain(stream: &Async<TcpStream>) -> io::Result<()> {
    const ENOUGH: usize = 64 * 1024;
    let mut drained = 0;
    while drained < ENOUGH {
        readable(stream).await?;
        match BUFFER.with_borrow_mut(|buffer| retry_interrupted(|| stream.get_ref().read(buffer))) {
            Ok(0) => return Ok(()),
            Ok(n) => drained += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// The writer task: writes what the room posts, all that waits in one go.
async fn write(stream: Arc<Async<TcpStream>>, outbox: Outbox) -> io::Result<()> {
    while let Some(mut parcel) = outbox.take().await {
        let mut deadline = parcel.last().map(Timer::after);
        let mut held = false;
        while let Err(error) = outbox.write(&mut parcel, &mut stream.get_ref()) {
            match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock => {
                    outbox.holds(&parcel);
                    held = true;
                }
                _ => return Err(error),
            }
            match &mut deadline {
                None => {
                    let closed = async {
                        outbox.closed().await;
                        Ok(())
                    };
                    writable(&stream).or(closed).await?;
                    if outbox.take_last(&mut parcel) {
                        deadline = parcel.last().map(Timer::after);
                    }
                }
                Some(timer) => {
                    let late = async {
                        timer.await;
                        Err(io::ErrorKind::TimedOut.into())
                    };
                    writable(&stream).or(late).await?;
                }
            }
        }
        if held {
            outbox.holds(&parcel);
        }
        if parcel.last().is_some() {
            break;
        }
    }
    Ok(())
}

/// The reader task.
struct Reader<'a> {
    id: Id,
    stream: &'a Async<TcpStream>,
    room: &'a Room,
    session: Session,
    decoder: Decoder,
    /// Whether nothing has come yet.
    fresh: bool,
    pace: Pace,
}

/// What came of the input that one turn may look at.
#[derive(Default)]
struct Turn {
    /// What the others are to hear.
    said: Message,
    /// What is to be done after that, if anything.
    act: Option<Act>,
    /// What is left for the next turn.
    rest: Vec<u8>,
    /// Whether there may be more to read at once.
    more: bool,
    /// Whether this was the end of input.
    end: bool,
}

impl Turn {
    fn take(&mut self, step: Step<'_>, name: Option<&Name>) {
        match (step, name) {
            (Step::Say(line), Some(name)) => self.said.say(name, &line),
            (Step::Act(act), _) => self.act = Some(act),
            (Step::Nothing | Step::Say(_), _) => {}
        }
    }
}

impl Reader<'_> {
    /// Reads until the connection is to end, and tells how.
    async fn run(mut self) -> Ending {
        let deadline = Instant::now() + NAMING;
        let mut turn = Turn::default();
        loop {
            if let Some(wait) = self.pace.wait(Instant::now()) {
                Timer::after(wait).await;
            } else if turn.more {
                future::yield_now().await;
            } else if self.session.name().is_some() {
                if let Err(error) = readable(self.stream).await {
                    return Ending::broken(&error);
                }
            } else {
                let late = async {
                    Timer::at(deadline).await;
                    Ok(false)
                };
                let in_time = async { readable(self.stream).await.map(|()| true) };
                match in_time.or(late).await {
                    Ok(true) => {}
                    Ok(false) => return Ending::told(Message::no_name_in_time(NAMING)),
                    Err(error) => return Ending::broken(&error),
                }
            }
            turn = if turn.rest.is_empty() {
                match self.read() {
                    Ok(turn) => turn,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Turn::default(),
                    Err(error) => return Ending::broken(&error),
                }
            } else {
                self.turn(&turn.rest)
            };
            if !turn.said.is_empty() {
                self.room.say(self.id, mem::take(&mut turn.said)).await;
            }
            if let Some(act) = turn.act.take() {
                if let Some(ending) = self.act(act).await {
                    return ending;
                }
            }
            if turn.end {
                return Ending { cause: None, words: Message::default(), heard_out: true };
            }
        }
    }

    /// Reads once, and decodes what came.
    fn read(&mut self) -> io::Result<Turn> {
        BUFFER.with_borrow_mut(|buffer| {
            let n = retry_interrupted(|| self.stream.get_ref().read(buffer))?;
            if n == 0 {
                return Ok(self.end());
            }
            if mem::replace(&mut self.fresh, false) && buffer[..n].starts_with(&TLS) {
                return Ok(Turn { act: Some(session::no_person()), ..Turn::default() });
            }
            let mut turn = self.turn(&buffer[..n]);
            turn.more |= n == buffer.len();
            Ok(turn)
        })
    }

    /// Takes lines off the input up to the first that asks for more than to be said, or as many as one turn may say.
    fn turn(&mut self, mut input: &[u8]) -> Turn {
        let mut turn = Turn::default();
        while !self.pace.spent() && turn.said.lines() < SAID_LINES && turn.said.bytes().len() < SAID {
            let before = input.len();
            let next = self.decoder.next(&mut input);
            self.pace.spend(next.is_some(), before - input.len());
            let Some(next) = next else { return turn };
            turn.take(self.session.input(next), self.session.name());
            if turn.act.is_some() {
                break;
            }
        }
        turn.rest = input.to_vec();
        turn.more = !input.is_empty();
        turn
    }

    /// What the end of input ends: the last line counts even without a newline.
    fn end(&mut self) -> Turn {
        let mut turn = Turn { end: true, ..Turn::default() };
        if let Some(last) = self.decoder.end() {
            turn.take(self.session.input(last), self.session.name());
        }
        turn
    }

    /// Does what a step asks for. Some when the connection is to end.
    async fn act(&mut self, act: Act) -> Option<Ending> {
        match act {
            Act::Answer(message) => self.room.answer(self.id, message).await,
            Act::End(cause, words) => return Some(Ending { cause, words, heard_out: false }),
            Act::Join(name) => match self.room.join(self.id, &name).await {
                Ok(()) => self.session.named(name),
                // The room has ended the connection: the writer is about to tell.
                Err(NotJoined::Gone) => {}
                Err(NotJoined::Taken) => {
                    // At most one step further: an answer, or the end.
                    let taken = self.session.taken(&name);
                    return Box::pin(self.act(taken)).await;
                }
            },
            Act::Who => self.room.who(self.id).await,
            Act::Emote(action) => self.room.emote(self.id, &action).await,
            Act::Whisper(rest) => self.room.whisper(self.id, rest).await,
            Act::Reply(text) => self.room.reply(self.id, &text).await,
            Act::Rename(name) => {
                if self.room.rename(self.id, &name).await.is_ok() {
                    self.session.named(name);
                }
            }
            Act::Recall(lines) => self.room.recall(self.id, lines).await,
            Act::Ignore(name) => self.room.ignore(self.id, &name).await,
        }
        None
    }
}

async fn readable(stream: &Async<TcpStream>) -> io::Result<()> {
    // Not `readable()`: that keeps a list of wakers for each socket where one will do.
    future::poll_fn(|cx| stream.poll_readable(cx)).await
}

async fn writable(stream: &Async<TcpStream>) -> io::Result<()> {
    future::poll_fn(|cx| stream.poll_writable(cx)).await
}

fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
