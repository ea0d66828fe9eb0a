//! One event stream: it writes what its session hears, for as long as the browser reads it, or until another stream of
//! the same session begins.

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_lite::FutureExt;
use smol::{Async, Timer};

use super::events::{self, EventId, Heard};
use super::feed::{Feed, WRITE};
use super::sessions::Session;
use super::{Context, answers};
use crate::access::polled::takes_more;
use crate::access::ready::{readable, uninterrupted, writable};
use crate::room::Written;
use crate::text::message::Message;

/// How often something is written at least. A page takes a connection for lost that is silent for 35 s. Both are the
/// contract's numbers.
const PING_EVERY: Duration = Duration::from_secs(15);

/// How long a session that is to end is still sent what it has not read: as long as a client of `nc`.
const FLUSH: Duration = Duration::from_secs(1);

/// How many bytes a browser may send after its request before the stream is ended. They are ignored.
const ENOUGH: usize = 64 * 1024;

/// No more than this is written before the system is asked again whether it takes more, in bytes. It does if less than
/// 8 KiB is unsent; so less than 32 KiB is ever unsent. In a busy room, the system is asked before every other write.
const UNASKED: usize = 3 * WRITE / 2;

/// The head of the answer. Its body ends with the connection: an event stream has no length, and chunks would only be
/// framing. Proxies are asked not to hold it back.
pub(super) const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
    X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n";

/// Writes a session's events after this one, or after the last that was sent.
pub(super) async fn run(stream: &Arc<Async<TcpStream>>, session: &Session, context: &Context, after: Option<EventId>) {
    let number = context.sessions.begin_stream(session, stream);
    let _running = Running { session, number, context };
    let feed = async { Some(session.feed.lock().await) }.or(async {
        session.replaced(number).await;
        None
    });
    let Some(mut feed) = feed.await else { return };
    let streaming = Streaming {
        stream,
        session,
        number,
        context,
        feed: &mut feed,
        deadline: None,
        unasked: 0,
        discarded: 0,
        ping: Timer::at(Instant::now()),
        due: Instant::now(),
    };
    // However it has ended, an error or not: the last words were perhaps not received, and the session can hear them
    // again.
    let _ = { streaming }.run(after).await;
}

/// A stream that runs. It has ended when this is dropped, by a panic too.
struct Running<'a> {
    session: &'a Session,
    number: u64,
    context: &'a Context,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.context.sessions.end_stream(self.session, self.number);
    }
}

struct Streaming<'a> {
    stream: &'a Async<TcpStream>,
    session: &'a Session,
    /// The number of this stream among those of the session.
    number: u64,
    context: &'a Context,
    feed: &'a mut Feed,
    /// Until when what is left is written, once the reader is to end.
    deadline: Option<Instant>,
    /// How many bytes the system has taken since it was last asked whether it takes more.
    unasked: usize,
    /// Fires when a sign of life is due, or earlier. It is not set anew at each write, which would cost more than the
    /// write itself.
    ping: Timer,
    /// When a sign of life is due.
    due: Instant,
    /// How much the browser has sent, which nobody reads.
    discarded: usize,
}

impl Drop for Streaming<'_> {
    /// Nobody waits for this reader until another stream reads on.
    fn drop(&mut self) {
        self.feed.reader.pause();
    }
}

/// What a stream that has nothing to write waits for.
enum Woken {
    /// There may be more to hear.
    More,
    /// It is time for a sign of life.
    Ping,
    /// The browser has gone, or another stream of the session has begun.
    Ended,
}

impl Streaming<'_> {
    async fn run(&mut self, after: Option<EventId>) -> io::Result<()> {
        let mut position = self.feed.position(after);
        self.feed.read_out(&self.context.room).await;
        if self.feed.is_over() && !self.feed.has_last_words() && position == self.feed.last() {
            // It was given up, and has nothing more to hear.
            self.context.sessions.remove(self.session);
            self.write(&answers::gone().bytes(false, false)).await?;
            return Ok(());
        }
        if !self.write(HEAD).await? {
            return Ok(());
        }
        if self.feed.has_last_words() && position == self.feed.last() && after.is_none() {
            // They were written, and perhaps not received.
            position.count = position.count.saturating_sub(1);
        }
        // If there is nothing to hear, the first sign of life is sent at once: `fetch` in some browsers returns only
        // when the first byte of the body has come.
        loop {
            // While the system takes nothing, nothing is made that would have to be held.
            if !self.has_room(UNASKED / 2).await? {
                return Ok(());
            }
            if let Some(lost) = self.feed.lost_after(position) {
                let note = Message::events_missed();
                let line = note.texts().next().unwrap_or_default();
                let heard = Heard { line, at: SystemTime::now(), author: None, last: false };
                if !self.write(&events::event(lost, heard, |_| None)).await? {
                    return Ok(());
                }
                position = lost;
            }
            let goes_back = position < self.feed.last();
            if !goes_back && self.feed.is_over() {
                return Ok(());
            }
            let (written, events) = self.feed.read(&self.context.room, position).await;
            if events.last > position {
                if !self.write(&events.bytes).await? {
                    return Ok(());
                }
                position = events.last;
                self.feed.sent(events);
                self.due = Instant::now() + PING_EVERY;
            } else if goes_back {
                // The id is within the last line that was read, which leads to the next one.
                position = self.feed.last();
            }
            if written != Written::All || position < self.feed.last() {
                continue;
            }
            match self.wait().await? {
                Woken::More => {}
                Woken::Ended => return Ok(()),
                Woken::Ping => {
                    if !self.write(events::PING).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Waits until something is to be done.
    async fn wait(&mut self) -> io::Result<Woken> {
        let more = async {
            // An error means that the reader is to end, which is learned by reading.
            let _ = self.feed.reader.notified().await;
            Ok(Woken::More)
        };
        let replaced = async {
            self.session.replaced(self.number).await;
            Ok(Woken::Ended)
        };
        let ping = async {
            loop {
                (&mut self.ping).await;
                let now = Instant::now();
                let is_due = now >= self.due;
                if is_due {
                    self.due = now + PING_EVERY;
                }
                self.ping.set_at(self.due);
                if is_due {
                    return Ok(Woken::Ping);
                }
            }
        };
        let gone = async {
            readable(self.stream).await?;
            let mut buffer = [0; 1024];
            match self.stream.get_ref().read(&mut buffer) {
                Ok(read) => {
                    self.discarded += read;
                    let enough = read == 0 || self.discarded > ENOUGH;
                    Ok(if enough { Woken::Ended } else { Woken::More })
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Woken::More),
                Err(error) => Err(error),
            }
        };
        more.or(replaced).or(gone).or(ping).await
    }

    /// Writes bytes. Returns whether all are written; if not, another stream has begun.
    async fn write(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        while !bytes.is_empty() {
            let piece = &bytes[..bytes.len().min(WRITE)];
            if !self.has_room(piece.len()).await? {
                return Ok(false);
            }
            // Not std's: libc's call is a cancellation point of its thread, which takes longer.
            match uninterrupted(|| Ok(rustix::io::write(self.stream, piece)?)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.unasked += written;
                    // As events, lines are several times as long. Bulk senders wait for whoever takes enough bytes.
                    self.feed.reader.took(written);
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.is_taken().await? {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Waits until so many bytes may be written. Returns false if another stream has begun.
    async fn has_room(&mut self, bytes: usize) -> io::Result<bool> {
        while self.unasked + bytes > UNASKED {
            if takes_more(self.stream.get_ref())? {
                self.unasked = 0;
            } else if !self.is_taken().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until the system takes more. Returns false if another stream has begun.
    ///
    /// # Errors
    /// When the reader is to end, and nothing is taken for too long after that.
    async fn is_taken(&mut self) -> io::Result<bool> {
        self.feed.reader.pause();
        loop {
            let more = async {
                writable(self.stream).await?;
                Ok(Some(true))
            };
            let replaced = async {
                self.session.replaced(self.number).await;
                Ok(Some(false))
            };
            let deadline = self.deadline;
            let limit = async {
                match deadline {
                    None => self.feed.reader.ending().await,
                    Some(deadline) => {
                        Timer::at(deadline).await;
                        return Err(io::Error::from(io::ErrorKind::TimedOut));
                    }
                }
                Ok(None)
            };
            match more.or(replaced).or(limit).await? {
                Some(taken) => return Ok(taken),
                None => self.deadline = Some(Instant::now() + FLUSH),
            }
        }
    }
}
