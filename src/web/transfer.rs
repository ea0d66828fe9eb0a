//! How a file goes over an HTTP connection: an upload is read, and a part of a file is written, as fast as the
//! connection allows and no slower than a limit.
//!
//! Knows sockets and time. Which file it is, and who may send or fetch it, is known to `files`.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::future;
use rustix::net::sockopt;
use smol::Async;

use super::connection::Connection;
use super::http::{Answer, Body, Head};
use crate::access::listener::{BUFFERS, Buffers, set_buffers};
use crate::access::ready::writable;
use crate::files::{Refused, Upload};
use crate::within::within;

/// How long a transfer may make no progress: the contract's 60 s.
const SILENT: Duration = Duration::from_secs(60);

/// How much of a file is read or written in one turn.
const TURN: usize = 128 * 1024;

/// How much the system may hold of a file that goes to a client, and of one that comes from a client. The system
/// doubles the sizes `send` and `receive`.
const DOWNLOAD: Buffers = Buffers { unsent: 256 * 1024, send: 256 * 1024, ..BUFFERS };
const UPLOAD: Buffers = Buffers { receive: 256 * 1024, ..BUFFERS };

/// How many transfers at once have these large buffers: together they hold 16 MiB of the contract's 64. Any further
/// transfer keeps the buffers of an ordinary connection, which carry some megabytes a second.
const MAX_LARGE: usize = 32;

/// How many bytes a second a transfer must make after the first `SILENT`. A slower one is ended, because it would hold
/// memory for hours. A reader of the room that takes as much is waited for, too.
const SLOWEST: usize = 16 * 1024;

/// How far a transfer has come.
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

    /// Returns when the next bytes must have gone over.
    fn deadline(&self) -> Instant {
        (self.last + SILENT).min(self.begun + SILENT + Duration::from_secs((self.bytes / SLOWEST) as u64))
    }
}

/// Large buffers for one transfer. They are made small again when this is dropped.
struct LargeBuffers {
    stream: Arc<Async<TcpStream>>,
    _count: Arc<()>,
}

impl LargeBuffers {
    /// Returns None if too many transfers have large buffers. Each holds a clone of `count`.
    fn set(stream: &Arc<Async<TcpStream>>, buffers: Buffers, count: &Arc<()>) -> Option<LargeBuffers> {
        let mine = Arc::clone(count);
        // The context's own clone is not counted. If a buffer cannot be set, the transfer is only slower.
        (Arc::strong_count(count) - 1 <= MAX_LARGE && set_buffers(stream.get_ref(), buffers).is_ok())
            .then(|| LargeBuffers { stream: Arc::clone(stream), _count: mine })
    }

    /// Sets the buffers of an ordinary connection: what comes next may be an event stream.
    fn make_small(&self) {
        // If this fails, the connection is broken.
        let _ = set_buffers(self.stream.get_ref(), BUFFERS);
    }
}

impl Drop for LargeBuffers {
    fn drop(&mut self) {
        self.make_small();
    }
}

/// Why an upload was not received.
pub(super) enum NotReceived {
    /// There is no room for it any more, or it is larger than was said.
    Refused(Refused),
    /// The connection is lost, or is too slow.
    Lost,
}

impl Connection {
    /// Reads an upload's bytes as they come. `large_buffers` counts the transfers that have large buffers.
    pub(super) async fn receive_file(
        &mut self,
        head: &Head,
        body: &mut Body,
        upload: &mut Upload,
        large_buffers: &Arc<()>,
    ) -> Result<(), NotReceived> {
        self.allow_body(head, body).await.map_err(|_| NotReceived::Lost)?;
        let _large = LargeBuffers::set(&self.stream, UPLOAD, large_buffers);
        let mut progress = Progress::begin(Instant::now());
        // Some of it may have come together with the head.
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
            match upload.add_from(self.stream.get_ref(), TURN).map_err(NotReceived::Refused)? {
                Ok(0) => return Err(NotReceived::Lost),
                Ok(read) => {
                    body.came(read);
                    progress.add(read, Instant::now());
                    // A client that sends without a pause can always be read. The other tasks must have their turn.
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

    /// Writes an answer whose body is these bytes of a file. Returns whether all of it was written. `large_buffers`
    /// counts the transfers that have large buffers.
    pub(super) async fn send_file(
        &mut self,
        answer: &Answer,
        bytes: &[u8],
        keeps_alive: bool,
        large_buffers: &Arc<()>,
    ) -> bool {
        let large = LargeBuffers::set(&self.stream, DOWNLOAD, large_buffers);
        let mut progress = Progress::begin(Instant::now());
        let mut written = self.write(&answer.head(keeps_alive)).await;
        for piece in bytes.chunks(TURN) {
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
            // A client that takes all at once can always be written to. The other tasks must have their turn.
            future::yield_now().await;
        }
        // The system still holds much of the file, and keeps it for a closed socket, too. So this transfer counts until
        // that has gone out.
        if let (Some(large), Ok(())) = (&large, &written) {
            large.make_small();
            written = match within(SILENT, writable(&self.stream)).await {
                Some(writable) => writable,
                None => Err(io::ErrorKind::TimedOut.into()),
            };
        }
        if written.is_err() {
            // With a linger time of zero, close(2) resets the connection, and what is unsent is dropped. This fails on
            // no socket that is open.
            let _ = sockopt::set_socket_linger(self.stream.get_ref(), Some(Duration::ZERO));
        }
        written.is_ok()
    }
}
