//! The reader task of a connection: it reads what the client sends and passes it to the room, at the pace that this
//! client and the readers in the room allow.

use std::cell::RefCell;
use std::io::{self, Read};
use std::mem;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use futures_lite::future;
use rustix::net::sockopt;
use smol::{Async, Timer};

use super::Context;
use super::connection::Ending;
use crate::access::password::Tried;
use crate::access::ready::{readable, uninterrupted};
use crate::access::session::{Act, Session};
use crate::access::talk::{TURN, Talk, Turn};
use crate::address::canonical;
use crate::room::{Acted, Id, NotJoined};
use crate::text::message::Message;

/// How many bytes one read takes at most. A flood is read in pieces of this size, and other tasks have their turn
/// between them.
const READ: usize = 16 * 1024;

/// How many bytes of all clients together may be read and not yet decoded. Beyond this, each read takes only
/// `READ_LITTLE`.
const MAX_HELD: usize = 4 * 1024 * 1024;
const READ_LITTLE: usize = 1024;

/// The first bytes of a TLS handshake (RFC 8446, 5.1). No keyboard sends them, and the bytes after them may be
/// anything.
const TLS: [u8; 2] = [22, 3];

thread_local! {
    /// The buffer that all connections share, so that none holds one while there is nothing to read.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// See the module's head.
pub(super) struct Reading<'a> {
    id: Id,
    stream: &'a Async<TcpStream>,
    context: &'a Context,
    talk: Talk,
    held: Option<Box<Held<'a>>>,
    /// Whether the client has sent nothing yet.
    fresh: bool,
}

/// What was read and is not decoded yet.
struct Held<'a> {
    bytes: Vec<u8>,
    /// How many of them are decoded.
    decoded: usize,
    /// How much is held for all clients together.
    total: &'a AtomicUsize,
}

impl<'a> Held<'a> {
    /// Returns None if there are no bytes.
    fn new(bytes: &[u8], total: &'a AtomicUsize) -> Option<Box<Held<'a>>> {
        total.fetch_add(bytes.len(), Relaxed);
        (!bytes.is_empty()).then(|| Box::new(Held { bytes: bytes.to_vec(), decoded: 0, total }))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes.len(), Relaxed);
    }
}

/// What remains to be done of a turn, until the connection is to end or the next turn is to begin.
type Rest<'a> = Pin<Box<dyn Future<Output = Option<Ending>> + Send + 'a>>;

impl<'a> Reading<'a> {
    pub(super) fn new(id: Id, stream: &'a Async<TcpStream>, context: &'a Context) -> Reading<'a> {
        let session = Session::new(context.beginning());
        let talk = Talk::new(session, context.options.rate, Instant::now());
        Reading { id, stream, context, talk, held: None, fresh: true }
    }

    /// Reads until the connection is to end, and returns how.
    ///
    /// Everything but the wait for the client is boxed, so that the connections of a thousand silent clients take no
    /// memory for it.
    pub(super) async fn run(&mut self) -> Ending {
        let mut more = false;
        loop {
            if more {
                future::yield_now().await;
            } else if let Err(error) = readable(self.stream).await {
                return Ending::broken(&error);
            }
            // The pace is asked only when there is something to read, so that it counts the time for which the client
            // was silent.
            while let Some(wait) = self.talk.pace.wait(Instant::now()) {
                Box::pin(Timer::after(wait)).await;
                // After a reset, what the client had sent before would still be read at its rate, which could take
                // hours.
                if let Ok(Err(error)) = sockopt::socket_error(self.stream.get_ref()) {
                    return Ending::broken(&error.into());
                }
            }
            let rest = match self.next() {
                Ok((again, rest)) => {
                    more = again;
                    rest
                }
                Err(error) => return Ending::broken(&error),
            };
            if let Some(rest) = rest {
                if let Some(ending) = rest.await {
                    return ending;
                }
            }
        }
    }

    /// Does the part of one turn that need not wait. Returns whether there may be more to read, and the rest of the
    /// turn.
    fn next(&mut self) -> io::Result<(bool, Option<Rest<'_>>)> {
        let turn = match &self.held {
            Some(_) => self.resume(),
            None => match self.read() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((false, None)),
                read => read?,
            },
        };
        let more = turn.more;
        let rest = self.try_say(turn);
        Ok((more, rest.map(|rest| Box::pin(self.finish_turn(rest)) as Rest<'_>)))
    }

    /// Reads once, and decodes as much of it as one turn may say. Holds the rest.
    fn read(&mut self) -> io::Result<Turn> {
        BUFFER.with_borrow_mut(|buffer| {
            let size = if self.context.held.load(Relaxed) < MAX_HELD { READ } else { READ_LITTLE };
            let mut stream = self.stream.get_ref();
            let n = uninterrupted(|| stream.read(&mut buffer[..size]))?;
            if n == 0 {
                return Ok(self.talk.end());
            }
            if mem::replace(&mut self.fresh, false) && buffer[..n].starts_with(&TLS) {
                return Ok(Turn { act: Some(self.talk.session.other_protocol()), ..Turn::default() });
            }
            let (mut turn, rest) = self.talk.turn(&buffer[..n], TURN);
            turn.more |= n == size;
            self.held = Held::new(rest, &self.context.held);
            Ok(turn)
        })
    }

    /// Decodes more of what is held.
    fn resume(&mut self) -> Turn {
        let Some(mut held) = self.held.take() else { return Turn::default() };
        let (turn, rest) = self.talk.turn(&held.bytes[held.decoded..], TURN);
        let rest = rest.len();
        held.decoded = held.bytes.len() - rest;
        self.held = (rest > 0).then_some(held);
        turn
    }

    /// Passes what a turn says to the room, if that need not wait. Returns what remains to be done.
    fn try_say(&self, mut turn: Turn) -> Option<Turn> {
        // A test makes the task panic by this line.
        #[cfg(test)]
        assert!(!turn.said.bytes().ends_with(b": panic!\n"), "as asked");
        if !turn.said.is_empty() {
            let said = self.context.room.try_say(self.id, mem::take(&mut turn.said), self.talk.sending.manner());
            turn.said = said.err().unwrap_or_default();
        }
        (turn.end || turn.act.is_some() || !turn.said.is_empty()).then_some(turn)
    }

    /// Does the rest of a turn, which may have to wait. Returns Some when the connection is to end.
    async fn finish_turn(&mut self, turn: Turn) -> Option<Ending> {
        if !turn.said.is_empty() {
            let waited = self.context.room.say(self.id, turn.said, self.talk.sending.manner()).await;
            self.talk.sending.waited(waited);
        }
        if let Some(act) = turn.act {
            if let Some(ending) = self.act(act).await {
                return Some(ending);
            }
        }
        turn.end.then(Ending::end_of_input)
    }

    /// Asks whether the holder of the name that this client wants is still alive.
    async fn ask(&self, holder: Id) {
        if let Ok(from) = self.stream.get_ref().peer_addr() {
            self.context.holders.ask(&self.context.room, holder, from.ip()).await;
        }
    }

    /// Does what a step asks for. Returns Some when the connection is to end.
    async fn act(&mut self, act: Act) -> Option<Ending> {
        let (room, manner) = (&self.context.room, self.talk.sending.manner());
        match act {
            Act::End(cause, words) => return Some(Ending::told(cause, words)),
            Act::Answer(message) => self.talk.sending.waited(room.answer(self.id, message, manner).await),
            Act::Who => room.who(self.id).await,
            Act::Join(name) => match room.join(self.id, &name).await {
                Ok(()) => self.talk.session.named(name),
                // The room has ended the connection, and the writer task is about to end.
                Err(NotJoined::Gone) => {}
                Err(NotJoined::Taken(holder)) => {
                    self.ask(holder).await;
                    // This recursion ends after one step: it is an answer, or the end.
                    let taken = self.talk.session.taken(&name);
                    return Box::pin(self.act(taken)).await;
                }
            },
            Act::Password(line) => {
                let from = self.stream.get_ref().peer_addr().map(|address| canonical(address).ip());
                let tried = from.map(|from| self.context.admission.try_password(&line, from));
                let next = match tried {
                    Ok(Tried::Right) => self.talk.session.password_right(),
                    Ok(Tried::Wrong) => self.talk.session.password_wrong(),
                    Ok(Tried::NotNow(left)) => Act::End(None, Message::too_many_wrong_passwords(left)),
                    Err(error) => return Some(Ending::broken(&error)),
                };
                // This is an answer, or the end.
                return Box::pin(self.act(next)).await;
            }
            Act::JoinAsGuest => {
                if let Some(name) = room.join_as_guest(self.id).await {
                    self.talk.session.named(name);
                }
            }
            Act::Command(line) => {
                let (acted, waited) = room.act(self.id, &line, manner).await;
                self.talk.sending.waited(waited);
                match acted {
                    Acted::Done => {}
                    Acted::Renamed(name) => self.talk.session.named(name),
                    Acted::Taken(holder) => self.ask(holder).await,
                    Acted::Files(about) => {
                        let answer = match self.stream.get_ref().local_addr() {
                            Ok(local) => self.context.options.sharing.answer(about, self.id, local),
                            Err(error) => return Some(Ending::broken(&error)),
                        };
                        self.talk.sending.waited(room.answer(self.id, answer, manner).await);
                    }
                    Acted::Quit => return Some(Ending::told(None, Message::bye())),
                }
            }
        }
        None
    }
}
