//! The writer task of a connection: it writes to the socket what the client's [`Reader`] of the log has to read.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::FutureExt;
use smol::{Async, Timer};

use super::Context;
use crate::access::goodbye::ended_by_peer;
use crate::access::polled::Polled;
use crate::access::ready::writable;
use crate::room::{End, Reader, Written};
use crate::within::within;

/// How long the flush takes at most: what a client has not read is still written for this time after its end was
/// decided. The contract gives one second when the server stops, and two for a client that has half-closed.
const FLUSH: Duration = Duration::from_secs(1);

/// How long the input of a peer that is gone is still read. What a script says fits into the burst and is read at once;
/// the rest of a flood would take hours. The same two seconds as the contract gives a client that has half-closed.
const STILL_READ: Duration = Duration::from_secs(2);

/// What the writer task holds.
pub(super) struct Writing {
    pub(super) stream: Arc<Async<TcpStream>>,
    pub(super) reader: Reader,
    pub(super) context: Arc<Context>,
}

impl Writing {
    /// Writes what there is to read, as much as the system takes.
    fn write(&mut self) -> io::Result<Written> {
        let taken = self.reader.taken();
        self.reader.write(&mut Polled { stream: self.stream.get_ref(), taken })
    }

    /// Writes what there is to read whenever the reader is notified, until the reader ends. Returns why it ended.
    ///
    /// Everything but the wait and the usual write is boxed, so that a thousand clients that have read everything take
    /// no memory for it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(super) async fn run(&mut self) -> io::Result<End> {
        loop {
            let _ = self.reader.notified().await;
            let written = self.write();
            let watched = self.reader.was_watched();
            if let (Ok(Written::All), false) = (&written, watched) {
                continue;
            }
            if let Some(ended) = Box::pin(self.finish(written, watched)).await {
                return ended;
            }
        }
    }

    /// Does what remains to be done after a write. Returns the result of `run`, if the connection is over.
    async fn finish(&mut self, mut written: io::Result<Written>, watched: bool) -> Option<io::Result<End>> {
        if watched {
            self.context.room.relieve().await;
        }
        if let Ok(Written::Part) = written {
            written = self.write_rest().await;
        }
        match written {
            Ok(Written::End(end)) => Some(Ok(end)),
            Ok(_) => None,
            Err(error) => {
                if ended_by_peer(&error) {
                    // The reader task still reads what the peer sent before it was gone.
                    let _ = within(STILL_READ, self.discard()).await;
                }
                Some(Err(error))
            }
        }
    }

    /// Writes whenever the socket is writable, until all is written. Once the reader is to end, it has `FLUSH` left.
    async fn write_rest(&mut self) -> io::Result<Written> {
        let mut deadline = None;
        loop {
            let limit = async {
                match deadline {
                    None => self.reader.ending().await,
                    Some(deadline) => {
                        Timer::at(deadline).await;
                        return Err(io::Error::from(io::ErrorKind::TimedOut));
                    }
                }
                Ok(true)
            };
            let more = async {
                writable(&self.stream).await?;
                Ok(false)
            };
            let is_ending = more.or(limit).await?;
            if is_ending {
                deadline = Some(Instant::now() + FLUSH);
            }
            let written = self.write()?;
            if self.reader.was_watched() {
                self.context.room.relieve().await;
            }
            if written != Written::Part {
                return Ok(written);
            }
        }
    }

    /// Reads to the end, and discards it, because the peer is gone. It reads at once, because senders may wait for this
    /// reader.
    async fn discard(&mut self) {
        loop {
            let written = self.reader.write(&mut io::sink());
            if self.reader.was_watched() {
                self.context.room.relieve().await;
            }
            if let Ok(Written::End(_)) | Err(_) = written {
                return;
            }
            let _ = self.reader.notified().await;
        }
    }
}
