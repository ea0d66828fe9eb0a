//! One HTTP connection: it reads a request, has it answered, and reads the next, until either side ends that.
//!
//! Knows sockets and time. `http` knows what a request says, `answers` what is answered, and `transfer` how files go
//! over.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_lite::{FutureExt, future};
use rustix::net::sockopt;
use smol::Async;

use super::answers::{self, Outcome};
use super::events::EventId;
use super::http::{Answer, Body, Framing, Head, Wrong};
use super::sessions::Session;
use super::{Context, stream};
use crate::access::goodbye::{self, Goodbye};
use crate::access::ready::{readable, uninterrupted, writable};
use crate::within::within;

/// How long a head may take to arrive: the contract's 10 s.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection may stay open between two requests. A browser that keeps one for longer finds out late that
/// the network is gone, because it sends the next request there.
const IDLE: Duration = Duration::from_secs(5);

/// How long a body, or an answer, may make no progress.
const STUCK: Duration = Duration::from_secs(30);

/// How long a whole body may take: 64 KiB over the slowest modem.
const BODY_WITHIN: Duration = Duration::from_secs(120);

/// How many bytes of bodies all requests may hold until they are said: 64 of the largest. A body grows by doubling, and
/// so may take twice as much memory.
const MAX_HELD: usize = 4 * 1024 * 1024;

/// A body up to this long is read however much the others hold. So a name and a line get through while somebody sends
/// in bulk from many addresses. The number of connections limits how many such bodies there are.
const SMALL: usize = READ;

/// How much is read at once.
const READ: usize = 8 * 1024;

/// An HTTP connection, and what was read from it and not used yet.
pub(super) struct Connection {
    pub(super) stream: Arc<Async<TcpStream>>,
    pub(super) from: SocketAddr,
    pub(super) input: Vec<u8>,
}

/// Why a body did not come.
pub(super) enum NoBody {
    /// It is larger than this request's may be.
    TooLarge,
    /// All requests together hold as much as they may.
    TooMany,
    /// Its framing is wrong.
    Wrong(Wrong),
    /// The connection is lost, or nothing came for too long.
    Lost,
}

/// A body. Its bytes count against `MAX_HELD` until it is dropped.
pub(super) struct Held {
    bytes: Vec<u8>,
    total: Arc<AtomicUsize>,
}

impl Held {
    fn add(&mut self, piece: &[u8]) -> Result<(), NoBody> {
        self.bytes.extend_from_slice(piece);
        let before = self.total.fetch_add(piece.len(), Relaxed);
        let too_many = self.bytes.len() > SMALL && before + piece.len() > MAX_HELD;
        if too_many { Err(NoBody::TooMany) } else { Ok(()) }
    }
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes.len(), Relaxed);
    }
}

/// Serves one connection until it ends.
pub(super) async fn serve(stream: Arc<Async<TcpStream>>, from: SocketAddr, context: &Context) {
    // Each part is boxed, so that an idle event stream does not also hold the memory for requests and for the goodbye.
    let requests = requests(Connection { stream: Arc::clone(&stream), from, input: Vec::new() }, context);
    let stopped = async {
        // The channel carries nothing: it closes.
        let _ = context.stopping.recv().await;
        End::Gone
    };
    let end = Box::pin(requests.or(stopped)).await;
    match end {
        End::Gone => return,
        End::Answered(goodbye) => return Box::pin(goodbye::close(&stream, true, false, goodbye)).await,
        End::Stream(session, after) => Box::pin(stream::run(&stream, &session, context, after)).await,
    }
    Box::pin(goodbye::close(&stream, true, false, Goodbye::HalfClose)).await;
}

/// How a connection's requests end.
enum End {
    /// The client is gone, or has nothing more to ask.
    Gone,
    /// The last one is answered.
    Answered(Goodbye),
    /// From now on it is a stream of this session's events, after this one.
    Stream(Arc<Session>, Option<EventId>),
}

/// Answers request after request.
async fn requests(mut connection: Connection, context: &Context) -> End {
    let mut wait = HEAD_WITHIN;
    loop {
        let head = match connection.head(wait).await {
            Ok(Ok(head)) => head,
            Ok(Err(wrong)) => {
                connection.answer(&answers::wrong(wrong), false, false).await;
                return End::Answered(Goodbye::HalfClose);
            }
            Err(_) => return End::Gone,
        };
        let mut body = Body::new(head.framing);
        match Box::pin(answers::answer(&mut connection, &head, &mut body, context)).await {
            Outcome::Stream(session, after) => return End::Stream(session, after),
            Outcome::File(answer, bytes, part) => {
                let keeps_alive = head.keeps_alive && body.is_done();
                let sent = connection.send_file(&answer, &bytes[part], keeps_alive, &context.large_buffers).await;
                if !sent || !keeps_alive {
                    // No goodbye: it resets the connection a moment later, and a slow reader has not read the rest yet.
                    return End::Gone;
                }
            }
            Outcome::Answer(answer) => {
                // The unread rest of a body would be taken for the next request.
                let keeps_alive = head.keeps_alive && body.is_done();
                let answered = connection.answer(&answer, head.method == "HEAD", keeps_alive).await;
                if !answered || !keeps_alive {
                    return End::Answered(if body.is_done() { Goodbye::HalfClose } else { Goodbye::HalfCloseUpload });
                }
            }
        }
        wait = IDLE;
    }
}

impl Connection {
    /// Reads a request's head. What follows it stays in `input`.
    ///
    /// # Errors
    /// When the connection is lost, ends between two requests, or is silent for too long. The inner error is a head
    /// that is wrong.
    async fn head(&mut self, wait: Duration) -> io::Result<Result<Head, Wrong>> {
        let mut deadline = Instant::now() + wait;
        let mut begun = false;
        loop {
            if !begun && !self.input.is_empty() {
                begun = true;
                deadline = Instant::now() + HEAD_WITHIN;
            }
            match Head::read(&self.input) {
                Ok(Some((head, length))) => {
                    self.input.drain(..length);
                    return Ok(Ok(head));
                }
                Ok(None) => {}
                Err(wrong) => return Ok(Err(wrong)),
            }
            self.read(deadline).await?;
        }
    }

    /// Sends `100 Continue` to a client that waits for it before it sends the body.
    pub(super) async fn allow_body(&mut self, head: &Head, body: &Body) -> io::Result<()> {
        if head.expects_continue && self.input.is_empty() && !body.is_done() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        Ok(())
    }

    /// Reads a request's body, `most` bytes at most. `total` counts what all requests hold.
    pub(super) async fn body(
        &mut self,
        head: &Head,
        body: &mut Body,
        most: usize,
        total: &Arc<AtomicUsize>,
    ) -> Result<Held, NoBody> {
        if let Framing::Length(length) = head.framing {
            if length > most as u64 {
                return Err(NoBody::TooLarge);
            }
        }
        self.allow_body(head, body).await.map_err(|_| NoBody::Lost)?;
        let end = Instant::now() + BODY_WITHIN;
        let mut held = Held { bytes: Vec::new(), total: Arc::clone(total) };
        loop {
            let mut input = &self.input[..];
            while let Some(piece) = body.next(&mut input).map_err(NoBody::Wrong)? {
                if held.bytes.len() + piece.len() > most {
                    return Err(NoBody::TooLarge);
                }
                held.add(piece)?;
            }
            let used = self.input.len() - input.len();
            self.input.drain(..used);
            if body.is_done() {
                return Ok(held);
            }
            self.read(end.min(Instant::now() + STUCK)).await.map_err(|_| NoBody::Lost)?;
        }
    }

    /// Returns whether the client has broken the connection off. A half-close is no sign of that.
    pub(super) fn is_broken(&self) -> bool {
        matches!(sockopt::socket_error(self.stream.get_ref()), Ok(Err(_)) | Err(_))
    }

    /// Reads more of the input.
    ///
    /// # Errors
    /// When the connection is lost or at its end, or nothing comes before the deadline.
    async fn read(&mut self, deadline: Instant) -> io::Result<()> {
        loop {
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match self.read_some() {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {
                    // A client that sends without a pause can always be read. The other tasks must have their turn.
                    future::yield_now().await;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable(deadline).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until there is something to read.
    ///
    /// # Errors
    /// When the connection is lost, or nothing comes before the deadline.
    pub(super) async fn readable(&self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        within(left, readable(&self.stream)).await.ok_or(io::ErrorKind::TimedOut)?
    }

    /// Reads what there is, as much as one read is given. No buffer is held while nothing comes.
    fn read_some(&mut self) -> io::Result<usize> {
        let mut buffer = [0; READ];
        let read = uninterrupted(|| self.stream.get_ref().read(&mut buffer))?;
        self.input.extend_from_slice(&buffer[..read]);
        Ok(read)
    }

    /// Writes an answer. Returns whether all of it was written.
    async fn answer(&mut self, answer: &Answer, head_only: bool, keeps_alive: bool) -> bool {
        // The body is not copied: the page's files are in the program.
        let head = answer.head(keeps_alive);
        let body = answer.body.as_deref().filter(|_| !head_only).unwrap_or_default();
        self.write(&head).await.is_ok() && self.write(body).await.is_ok()
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the connection is lost, or takes nothing for `STUCK`.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_within(bytes, STUCK).await
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the connection is lost, or takes nothing for as long as `silent`.
    pub(super) async fn write_within(&mut self, mut bytes: &[u8], silent: Duration) -> io::Result<()> {
        while !bytes.is_empty() {
            match uninterrupted(|| self.stream.get_ref().write(bytes)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    within(silent, writable(&self.stream)).await.ok_or(io::ErrorKind::TimedOut)??;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
