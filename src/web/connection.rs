//! One HTTP connection: request after request is read, answered, and followed by the next, until either side has
//! enough.
//!
//! Knows sockets and time; what a request says is `http`'s, and what is answered is `answers`'.

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
use super::http::{Answer, Body, Framing, Head, Wrong};
use super::sessions::Session;
use super::{Context, stream};
use crate::access::goodbye::{self, Goodbye};
use crate::access::listener::{BUFFERS, Buffers, set_buffers};
use crate::access::ready::{readable, uninterrupted, writable};
use crate::files::{Refused, Upload};
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

/// What all requests may hold of their bodies, until they are said: sixty of the largest. A body that has grown by
/// doubling takes up to twice as much memory.
const MAX_HELD: usize = 4 * 1024 * 1024;

/// A body up to this long is taken whatever the others hold, so that a name and a line get through while somebody
/// sends in bulk from many addresses. There are as many at once as connections.
const SMALL: usize = READ;

/// How much is read at once.
const READ: usize = 8 * 1024;

/// How long a file that is sent or fetched may make no progress: the contract's 60 s.
const SILENT: Duration = Duration::from_secs(60);

/// How much of a file is read or written in one turn.
const TRANSFER: usize = 128 * 1024;

/// What the system may hold of a file that is fetched, and of one that is sent; it doubles the buffers.
const FETCHING: Buffers = Buffers { unsent: 256 * 1024, send: 256 * 1024, ..BUFFERS };
const SENDING: Buffers = Buffers { receive: 256 * 1024, ..BUFFERS };

/// How many files at once have such buffers: 16 MiB of the contract's 64. All others have those of any connection, which
/// carry some megabytes a second, too.
const MAX_FAST: usize = 32;

/// How many bytes a second a file makes after the first `SILENT`, or else it ends: who takes less, or sends less, would
/// hold memory for hours. It is what a reader of the room has to take to be waited for.
const SLOWEST: usize = 16 * 1024;

/// How far a file is on its way.
struct Progress {
    begun: Instant,
    last: Instant,
    bytes: usize,
}

impl Progress {
    fn begin(now: Instant) -> Progress {
        Progress { begun: now, last: now, bytes: 0 }
    }

    fn add(&mut self, bytes: usize, now: Instant) {
        (self.last, self.bytes) = (now, self.bytes + bytes);
    }

    /// Returns when there must be more.
    fn deadline(&self) -> Instant {
        (self.last + SILENT).min(self.begun + SILENT + Duration::from_secs((self.bytes / SLOWEST) as u64))
    }
}

/// The system may hold much of a file until this is dropped.
struct Fast {
    stream: Arc<Async<TcpStream>>,
    _one: Arc<()>,
}

impl Fast {
    /// `fast` is cloned by each that is under way, and its count is their number.
    fn begin(stream: &Arc<Async<TcpStream>>, buffers: Buffers, fast: &Arc<()>) -> Option<Fast> {
        let one = Arc::clone(fast);
        // If this fails, it takes longer. The context holds one of these itself, in place of this one.
        (Arc::strong_count(fast) - 1 <= MAX_FAST && set_buffers(stream.get_ref(), buffers).is_ok())
            .then(|| Fast { stream: Arc::clone(stream), _one: one })
    }

    /// Lets the system hold little again: what comes next on this connection may be an event stream.
    fn slow_down(&self) {
        // If this fails, the connection is broken.
        let _ = set_buffers(self.stream.get_ref(), BUFFERS);
    }
}

impl Drop for Fast {
    fn drop(&mut self) {
        self.slow_down();
    }
}

/// Why a file did not come.
pub(super) enum NotReceived {
    /// It is not taken any more.
    Refused(Refused),
    /// The connection is lost, or too little came.
    Lost,
}

/// An HTTP connection, and what was read from it and not used yet.
pub(super) struct Wire {
    pub(super) stream: Arc<Async<TcpStream>>,
    pub(super) from: SocketAddr,
    input: Vec<u8>,
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

/// A body, which counts as long as it is held.
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
    // Each part is boxed, so that an idle stream holds nothing of what is done before it and after it.
    let requests = requests(Wire { stream: Arc::clone(&stream), from, input: Vec::new() }, context);
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
    Stream(Arc<Session>, Option<u64>),
}

/// Answers request after request.
async fn requests(mut wire: Wire, context: &Context) -> End {
    let mut wait = HEAD_WITHIN;
    loop {
        let head = match wire.head(wait).await {
            Ok(Ok(head)) => head,
            Ok(Err(wrong)) => {
                wire.answer(&answers::wrong(wrong), false, false).await;
                return End::Answered(Goodbye::HalfClose);
            }
            Err(_) => return End::Gone,
        };
        let mut body = Body::new(head.framing);
        match Box::pin(answers::answer(&mut wire, &head, &mut body, context)).await {
            Outcome::Stream(session, after) => return End::Stream(session, after),
            Outcome::File(answer, bytes, part) => {
                let keeps_alive = head.keeps_alive && body.is_done();
                let sent = wire.send(&answer, &bytes[part], keeps_alive, &context.fast).await;
                if !sent || !keeps_alive {
                    // Not as after other answers, with a reset a moment later: whoever reads slowly has the rest unread.
                    return End::Gone;
                }
            }
            Outcome::Answer(answer) => {
                // What of the body was not read would be taken for the next request.
                let keeps_alive = head.keeps_alive && body.is_done();
                let answered = wire.answer(&answer, head.method == "HEAD", keeps_alive).await;
                if !answered || !keeps_alive {
                    return End::Answered(if body.is_done() { Goodbye::HalfClose } else { Goodbye::HalfCloseUpload });
                }
            }
        }
        wait = IDLE;
    }
}

impl Wire {
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

    /// Reads a request's body, of so many bytes at most. `total` counts what all requests hold.
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
        if head.expects_continue && self.input.is_empty() && !body.is_done() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.map_err(|_| NoBody::Lost)?;
        }
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

    /// Reads an upload's bytes as they come.
    pub(super) async fn receive(
        &mut self,
        head: &Head,
        body: &mut Body,
        upload: &mut Upload,
        fast: &Arc<()>,
    ) -> Result<(), NotReceived> {
        if head.expects_continue && self.input.is_empty() && !body.is_done() {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.map_err(|_| NotReceived::Lost)?;
        }
        let _fast = Fast::begin(&self.stream, SENDING, fast);
        let mut progress = Progress::begin(Instant::now());
        // What came with the head.
        let mut input = &self.input[..];
        while let Some(piece) = body.next(&mut input).map_err(|_| NotReceived::Lost)? {
            upload.add(piece).map_err(NotReceived::Refused)?;
        }
        let used = self.input.len() - input.len();
        self.input.drain(..used);
        while !body.is_done() {
            if Instant::now() >= progress.deadline() {
                return Err(NotReceived::Lost);
            }
            match upload.add_from(self.stream.get_ref(), TRANSFER).map_err(NotReceived::Refused)? {
                Ok(0) => return Err(NotReceived::Lost),
                Ok(read) => {
                    body.came(read);
                    progress.add(read, Instant::now());
                    // Who sends without a pause is always ready to be read. The others have their turn, too.
                    future::yield_now().await;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable(progress.deadline()).await.map_err(|_| NotReceived::Lost)?;
                }
                Err(_) => return Err(NotReceived::Lost),
            }
        }
        Ok(())
    }

    /// Writes an answer with a part of a file for its body. Returns whether that was done.
    async fn send(&mut self, answer: &Answer, bytes: &[u8], keeps_alive: bool, fast: &Arc<()>) -> bool {
        let fast = Fast::begin(&self.stream, FETCHING, fast);
        let mut progress = Progress::begin(Instant::now());
        let mut written = self.write(&answer.head(keeps_alive)).await;
        for piece in bytes.chunks(TRANSFER) {
            let left = progress.deadline().saturating_duration_since(Instant::now());
            let writing = async {
                written?;
                within(left, self.write_within(piece, SILENT)).await.ok_or(io::ErrorKind::TimedOut)?
            };
            written = writing.await;
            if written.is_err() {
                break;
            }
            progress.add(piece.len(), Instant::now());
            // Who takes all at once is always ready. The others have their turn, too.
            future::yield_now().await;
        }
        // The system holds much still, which counts until it has gone out: a socket that is closed keeps it, too.
        if let (Some(fast), Ok(())) = (&fast, &written) {
            fast.slow_down();
            written = match within(SILENT, writable(&self.stream)).await {
                Some(writable) => writable,
                None => Err(io::ErrorKind::TimedOut.into()),
            };
        }
        if written.is_err() {
            // With a linger time of zero, close(2) resets, and what is unsent is gone. This fails on no socket that is
            // open.
            let _ = sockopt::set_socket_linger(self.stream.get_ref(), Some(Duration::ZERO));
        }
        written.is_ok()
    }

    /// Returns whether the client has broken the connection off. That it has no more to send is no sign of that.
    pub(super) fn is_broken(&self) -> bool {
        matches!(sockopt::socket_error(self.stream.get_ref()), Ok(Err(_)) | Err(_))
    }

    /// Reads more.
    ///
    /// # Errors
    /// When the connection is lost or at its end, or nothing comes until this moment.
    async fn read(&mut self, deadline: Instant) -> io::Result<()> {
        loop {
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match self.read_some() {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {
                    // Who sends without a pause is always ready to be read. The others have their turn, too.
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

    /// Waits until there is something to read, up to this moment.
    async fn readable(&self, deadline: Instant) -> io::Result<()> {
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

    /// Writes an answer. Returns whether that was done.
    async fn answer(&mut self, answer: &Answer, head_only: bool, keeps_alive: bool) -> bool {
        // The body is not copied: the page's files are in the program.
        let head = answer.head(keeps_alive);
        let body = answer.body.as_deref().filter(|_| !head_only).unwrap_or_default();
        self.write(&head).await.is_ok() && self.write(body).await.is_ok()
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the connection is lost, or takes nothing for too long.
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_within(bytes, STUCK).await
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the connection is lost, or takes nothing for so long.
    async fn write_within(&mut self, mut bytes: &[u8], silent: Duration) -> io::Result<()> {
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
