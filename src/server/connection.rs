//! One client's socket: a task that reads it, a task that writes it, and how both end.
//!
//! The reader turns bytes into steps and takes each to the room; the writer takes parcels from the client's outbox and
//! writes them with as few system calls as they need. Whichever ends first ends the connection, on every path: the
//! member leaves the room, what is queued is flushed, the peer is given a moment, and the socket is closed so that even
//! a peer that does not look notices. Nothing that happens here reaches any other client.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_channel::Sender;
use futures_lite::future::{self, CatchUnwind, FutureExt};
use rustix::net::sockopt;
use smol::{Async, Executor, Timer};

use super::door::Place;
use super::pace::Pace;
use super::session::{self, Act, Session, Step};
use crate::room::{Closing, Id, NotJoined, Outbox, Parcel, Room};
use crate::text::line::Decoder;
use crate::text::message::{Cause, Message};
use crate::text::name::Name;

/// What one read takes at most, and so the budget of one turn: a flood is read in pieces, between which everybody else
/// has their turn.
const READ: usize = 16 * 1024;

/// What one turn says at most: together with the longest line it fits into a batch.
const SAID: usize = 16 * 1024;
const SAID_LINES: usize = 128;

/// What a TLS handshake begins with (RFC 8446, 5.1): no keyboard does, and what follows may hold anything.
const TLS: [u8; 2] = [22, 3];

/// How long a peer that was told goodbye may take to close its side before it is reset: OpenBSD's nc and ncat sit on a
/// plain close until the next key is pressed, and get the shell back only by this.
const MOMENT: Duration = Duration::from_millis(250);

/// The same for one that was too slow: until then its last words wait behind what the system holds for it. A reset would
/// throw that away, and with it the reason.
const LONG_MOMENT: Duration = Duration::from_secs(5);

/// How long a peer that is gone is still read: what a script says fits into the burst and takes no time, while what is left
/// of a flood would go on for hours. As long as the contract gives what is queued for a client that has no more to say.
const STILL_READ: Duration = Duration::from_secs(2);

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
        let cause = (!is_the_peers(error)).then_some(Cause::ConnectionLost);
        Ending { cause, words: Message::default(), heard_out: true }
    }

    fn fault() -> Ending {
        Ending { cause: Some(Cause::Fault), words: Message::fault(), heard_out: false }
    }
}

/// Serves one client until the connection ends, whoever ends it. What it holds meanwhile is let go of at the end.
pub(super) async fn serve(
    stream: Async<TcpStream>,
    address: SocketAddr,
    room: Arc<Room>,
    rate: u32,
    executor: Arc<Executor<'static>>,
    place: Place,
    _alive: Sender<Infallible>,
) {
    let Ok((id, outbox)) = Box::pin(room.enter(address)).await else {
        return Box::pin(refuse(stream, Message::shutdown(), Goodbye::Abrupt)).await;
    };
    if let Some(left) = place.banned() {
        // The operator's ban came between the door and the room, and ended only who was in by then.
        let _ = Box::pin(room.leave(id, None, Message::default())).await;
        return Box::pin(refuse(stream, Message::banned(left), Goodbye::Proper)).await;
    }
    let stream = Arc::new(stream);
    let mut writer = executor.spawn(contain(write(Arc::clone(&stream), outbox)));
    let mut written = None;
    let mut reader = Reader {
        id,
        stream: &stream,
        room: &room,
        session: Session::default(),
        decoder: Decoder::default(),
        fresh: true,
        floods: false,
        pace: Pace::new(rate, Instant::now()),
    };
    let ending = {
        // Pinned here, so that neither is moved into anything that would hold it a second time.
        let mut read = pin!(contain(reader.run()));
        let read = async { (&mut read).await.unwrap_or_else(|_| Ending::fault()) };
        let write = async {
            match written.insert((&mut writer).await) {
                Ok(Ok(())) => Ending::told(Message::default()),
                Ok(Err(error)) => Ending::broken(error),
                Err(_) => Ending::fault(),
            }
        };
        read.or(write).await
    };
    let rest = async {
        let left = room.leave(id, ending.cause, ending.words).await;
        let flushed = match written {
            Some(result) => result,
            None => writer.await,
        };
        let goodbye = match left {
            Ok(Some(Cause::TooSlow)) => Goodbye::Patient,
            Ok(_) => Goodbye::Proper,
            Err(Closing) => Goodbye::Abrupt,
        };
        part(&stream, matches!(flushed, Ok(Ok(()))), ending.heard_out, goodbye).await;
    };
    Box::pin(rest).await;
}

/// Tells a connection that cannot come in why, and closes it.
pub(super) async fn refuse(stream: Async<TcpStream>, why: Message, goodbye: Goodbye) {
    // One line always fits into a new socket's buffer; where it does not, nobody is there to read it.
    let flushed = stream.get_ref().write(why.bytes()).is_ok();
    part(&stream, flushed, false, goodbye).await;
}

/// A panic in one client's task is that client's alone; the panic hook has said what it was.
fn contain<T: Future>(task: T) -> CatchUnwind<AssertUnwindSafe<T>> {
    AssertUnwindSafe(task).catch_unwind()
}

/// How a peer that has not closed its side is made to notice the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// By the end of what it reads, and a reset a moment later. Programs that read to the end see one, OpenBSD's nc
    /// notices the reset.
    Proper,
    /// As the proper one, but after a longer moment: it has yet to read all that it did not read in time.
    Patient,
    /// By the end of what it reads alone.
    Hasty,
    /// By a reset alone, a moment after the last words: once ncat has seen the end of what it reads, it notices nothing
    /// until the next key is pressed.
    Abrupt,
}

/// Whether the peer ended the connection: a reset is what a program that ends with input unread does. The rest is the
/// network's doing.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// Closes a socket so that its peer notices. Everything queued was written before, or could not be.
async fn part(stream: &Async<TcpStream>, flushed: bool, heard_out: bool, goodbye: Goodbye) {
    if flushed && (heard_out || goodbye == Goodbye::Hasty) {
        return;
    }
    if flushed && (goodbye == Goodbye::Abrupt || stream.get_ref().shutdown(Shutdown::Write).is_ok()) {
        let closed = async { drain(stream).await.is_ok() };
        let late = async {
            Timer::after(if goodbye == Goodbye::Patient { LONG_MOMENT } else { MOMENT }).await;
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
    loop {
        let Some(mut parcel) = outbox.take().await else { return Ok(()) };
        let last = match write_at_once(stream.get_ref(), &outbox, &mut parcel) {
            Ok(Written::All) => Ok(parcel.last().is_some()),
            Ok(Written::Part) => Box::pin(press(&stream, &outbox, parcel)).await,
            Err(error) => Err(error),
        };
        match last {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                if is_the_peers(&error) {
                    Box::pin(throw_away(&outbox)).await;
                }
                return Err(error);
            }
        }
    }
}

/// Takes what nobody will read any more, for a while: what the peer said before it was gone is still to be read. The
/// reader sees the end of that, and then the outbox is closed.
async fn throw_away(outbox: &Outbox) {
    let closed = async { while outbox.take().await.is_some_and(|parcel| parcel.last().is_none()) {} };
    let late = async {
        Timer::after(STILL_READ).await;
    };
    closed.or(late).await;
}

/// How much of a parcel is written.
enum Written {
    All,
    /// The client does not take more for now.
    Part,
}

fn write_at_once(mut stream: &TcpStream, outbox: &Outbox, parcel: &mut Parcel) -> io::Result<Written> {
    match retry_interrupted(|| outbox.write(parcel, &mut stream)) {
        Ok(()) => Ok(Written::All),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Written::Part),
        Err(error) => Err(error),
    }
}

/// Writes a parcel as the client takes it. When the outbox is closed meanwhile, what it last held is written too, and no
/// longer than it may take. Tells whether that was so.
async fn press(stream: &Async<TcpStream>, outbox: &Outbox, mut parcel: Parcel) -> io::Result<bool> {
    let mut deadline = parcel.last().map(Timer::after);
    loop {
        outbox.holds(&parcel);
        match &mut deadline {
            None => {
                let closed = async {
                    outbox.closed().await;
                    Ok(())
                };
                writable(stream).or(closed).await?;
                if outbox.take_last(&mut parcel) {
                    deadline = parcel.last().map(Timer::after);
                }
            }
            Some(timer) => {
                let late = async {
                    timer.await;
                    Err(io::ErrorKind::TimedOut.into())
                };
                writable(stream).or(late).await?;
            }
        }
        if let Written::All = write_at_once(stream.get_ref(), outbox, &mut parcel)? {
            outbox.holds(&Parcel::default());
            return Ok(deadline.is_some());
        }
    }
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
    /// Whether the room knows this client for one that floods it.
    floods: bool,
    pace: Pace,
}

/// What was read and is yet to be decoded.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    /// How many of them were.
    taken: usize,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }
}

/// What came of the input that one turn may look at.
#[derive(Default)]
struct Turn {
    /// What the others are to hear.
    said: Message,
    /// What is to be done after that, if anything.
    act: Option<Act>,
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
    ///
    /// Whatever is done besides waiting for the client to say something is boxed: a thousand who are silent then
    /// hold none of it.
    async fn run(&mut self) -> Ending {
        let mut held = Held::default();
        let mut more = false;
        loop {
            if more {
                future::yield_now().await;
            } else if let Err(error) = readable(self.stream).await {
                return Ending::broken(&error);
            }
            // Asked when there is something to read, or else a client who was silent would earn it while it is read.
            while let Some(wait) = self.pace.wait(Instant::now()) {
                Box::pin(Timer::after(wait)).await;
                // Who has reset the connection had the burst; the rest is not read out, at the rate, for hours.
                if let Ok(Some(error)) = self.stream.get_ref().take_error() {
                    return Ending::broken(&error);
                }
            }
            let turn = if held.is_empty() { self.read(&mut held) } else { Ok(self.resume(&mut held)) };
            match turn {
                Ok(turn) => {
                    more = turn.more;
                    if let Some(ending) = Box::pin(self.take(turn)).await {
                        return ending;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => more = false,
                Err(error) => return Ending::broken(&error),
            }
        }
    }

    /// Takes to the room what came of a turn. Some when the connection is to end.
    async fn take(&mut self, turn: Turn) -> Option<Ending> {
        // What a panic does can only be seen by having one.
        #[cfg(test)]
        assert!(!turn.said.bytes().ends_with(b": panic!\n"), "as asked");
        let floods = turn.more || self.pace.floods();
        if mem::replace(&mut self.floods, floods) != floods {
            self.room.flooding(self.id, floods).await;
        }
        if !turn.said.is_empty() {
            self.room.say(self.id, turn.said).await;
        }
        if let Some(act) = turn.act {
            if let Some(ending) = self.act(act).await {
                return Some(ending);
            }
        }
        turn.end.then(|| Ending { cause: None, words: Message::default(), heard_out: true })
    }

    /// Reads once, and decodes what came, as much of it as one turn may say. The rest is held.
    fn read(&mut self, held: &mut Held) -> io::Result<Turn> {
        BUFFER.with_borrow_mut(|buffer| {
            let n = retry_interrupted(|| self.stream.get_ref().read(buffer))?;
            if n == 0 {
                return Ok(self.end());
            }
            if mem::replace(&mut self.fresh, false) && buffer[..n].starts_with(&TLS) {
                return Ok(Turn { act: Some(session::no_person()), ..Turn::default() });
            }
            let (mut turn, rest) = self.turn(&buffer[..n]);
            turn.more |= n == buffer.len();
            *held = Held { bytes: rest.to_vec(), taken: 0 };
            Ok(turn)
        })
    }

    /// Decodes more of what is held.
    fn resume(&mut self, held: &mut Held) -> Turn {
        let (turn, rest) = self.turn(&held.bytes[held.taken..]);
        held.taken = held.bytes.len() - rest.len();
        if held.is_empty() {
            *held = Held::default();
        }
        turn
    }

    /// Takes lines off the input up to the first that asks for more than to be said, or as many as one turn may say;
    /// gives what is left of it.
    fn turn<'a>(&mut self, mut input: &'a [u8]) -> (Turn, &'a [u8]) {
        let mut turn = Turn::default();
        while !self.pace.spent() && turn.said.lines() < SAID_LINES && turn.said.bytes().len() < SAID {
            let before = input.len();
            let next = self.decoder.next(&mut input);
            self.pace.spend(next.is_some(), before - input.len());
            let Some(next) = next else { return (turn, input) };
            turn.take(self.session.input(next), self.session.name());
            if turn.act.is_some() {
                break;
            }
        }
        turn.more = !input.is_empty();
        (turn, input)
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
    woken_once(|cx| stream.poll_readable(cx)).await
}

async fn writable(stream: &Async<TcpStream>) -> io::Result<()> {
    woken_once(|cx| stream.poll_writable(cx)).await
}

/// Waits for a socket, and takes being woken for its being ready: async-io (2.6, `poll_ready`) does not see an event that
/// its own thread was already waiting for, and who asked again would wait for the next one, and so on. Whoever was
/// woken for something else tries in vain.
async fn woken_once(mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>) -> io::Result<()> {
    let mut asked = false;
    future::poll_fn(|cx| match poll(cx) {
        Poll::Pending if mem::replace(&mut asked, true) => Poll::Ready(Ok(())),
        polled => polled,
    })
    .await
}

fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::{AsyncBufReadExt, AsyncWriteExt, StreamExt, io::BufReader};

    use super::*;
    use crate::room::Options;
    use crate::server::door::Door;
    use crate::server::{bind, run};

    struct Person(BufReader<Async<TcpStream>>);

    impl Person {
        async fn join(server: SocketAddr, name: &str) -> Person {
            let mut person = Person(BufReader::new(Async::<TcpStream>::connect(server).await.unwrap()));
            person.says(name).await;
            person.hears("Hi! Welcome to Dynasti. What's your name?").await;
            person.hears(&format!("Welcome, {name}! You can now chat. Type messages and press Enter.")).await;
            person
        }

        async fn says(&mut self, line: &str) {
            self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
        }

        async fn hears(&mut self, expected: &str) {
            let line = (&mut self.0).lines().next().await;
            assert_eq!(line.expect("a line").unwrap(), expected);
        }
    }

    #[test]
    fn a_panic_ends_one_client_and_nothing_else() {
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let server = listener.local_addr().unwrap();
        let room = Arc::new(Room::new(async_channel::bounded(100).0, Options::default()));
        let door = Arc::new(Door::new(9, 9));
        let executor = Arc::new(Executor::new());
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let talk = async {
            let mut bob = Person::join(server, "Bob").await;
            let mut ann = Person::join(server, "Ann").await;
            bob.hears("Ann has joined the chat.").await;
            ann.says("panic!").await;
            ann.hears("-- Sorry, something broke on the server's side. Please connect again.").await;
            bob.hears("Ann has left the chat (server fault).").await;
            let mut ann = Person::join(server, "Ann").await;
            bob.hears("Ann has joined the chat.").await;
            bob.says("still here").await;
            ann.hears("Bob: still here").await;
            stop.close();
            bob.hears("Server is shutting down. Bye!").await;
        };
        let serve = async {
            let shutdown = async {
                let _ = stopped.recv().await;
            };
            run(&executor, vec![listener], &room, &door, 0, shutdown).await.unwrap();
        };
        smol::block_on(executor.run(future::zip(serve, talk)));
    }
}
