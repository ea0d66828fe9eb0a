//! The writer task of a connection: it writes to the socket what the client's reader of the log has to read.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::FutureExt;
use smol::{Async, Timer};

use super::Context;
use super::goodbye::is_the_peers;
use super::ready::writable;
use crate::room::{End, Reader, Written};
use crate::within::within;

/// How long what a client has not read is still written to it once it is to end: the contract's one second for the
/// goodbye of a server that stops, and well within the two that it gives a client that has no more to say.
const FLUSH: Duration = Duration::from_secs(1);

/// How long a peer that is gone is still read: what a script says fits into the burst and takes no time, while what
/// remains of a flood would go on for hours. As long as the contract gives a client that has no more to say.
const STILL_READ: Duration = Duration::from_secs(2);

/// What the writer task holds.
pub(super) struct Writing {
    pub(super) stream: Arc<Async<TcpStream>>,
    pub(super) reader: Reader,
    pub(super) context: Arc<Context>,
}

impl Writing {
    /// Writes what there is to read whenever the reader is notified, until the reader ends. Returns why it ended.
    ///
    /// Whatever is done besides waiting for something to read is boxed: a thousand who have read everything then hold none
    /// of it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(super) async fn run(&mut self) -> io::Result<End> {
        loop {
            let _ = self.reader.notified().await;
            let written = self.reader.write(&mut self.stream.get_ref());
            let watched = self.reader.was_watched();
            if let (Ok(Written::All), false) = (&written, watched) {
                continue;
            }
            if let Some(ended) = Box::pin(self.finish(written, watched)).await {
                return ended;
            }
        }
    }

    /// Does what remains to be done after a write. Returns Some when there is nothing more to write.
    async fn finish(&mut self, mut written: io::Result<Written>, watched: bool) -> Option<io::Result<End>> {
        let Writing { stream, reader, context } = self;
        if watched {
            context.room.relieve().await;
        }
        if let Ok(Written::Part) = written {
            written = write_rest(stream, reader, context).await;
        }
        match written {
            Ok(Written::End(end)) => Some(Ok(end)),
            Ok(_) => None,
            Err(error) => {
                if is_the_peers(&error) {
                    // What the peer said before it was gone is still to be read.
                    let _ = within(STILL_READ, discard(reader, context)).await;
                }
                Some(Err(error))
            }
        }
    }
}

/// Writes whenever the socket is writable, until all is written. Once the reader is to end, only for as long as `FLUSH`.
async fn write_rest(stream: &Async<TcpStream>, reader: &mut Reader, context: &Context) -> io::Result<Written> {
    let mut deadline = None;
    loop {
        let more = async {
            writable(stream).await?;
            io::Result::Ok(false)
        };
        let limit = async {
            match &mut deadline {
                None => reader.ending().await,
                Some(timer) => {
                    Timer::at(*timer).await;
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Ok(true)
        };
        if more.or(limit).await? {
            deadline = Some(Instant::now() + FLUSH);
        }
        let written = reader.write(&mut stream.get_ref())?;
        if reader.was_watched() {
            context.room.relieve().await;
        }
        if written != Written::Part {
            return Ok(written);
        }
    }
}

/// Reads to the end what nobody will get any more. It does so at once, because others may wait for this reader.
async fn discard(reader: &mut Reader, context: &Context) {
    loop {
        let written = reader.write(&mut io::sink());
        if reader.was_watched() {
            context.room.relieve().await;
        }
        if let Ok(Written::End(_)) | Err(_) = written {
            return;
        }
        let _ = reader.notified().await;
    }
}
