//! One HTTP request and its answer, on a connection of its own. Each step may be without progress for [`SILENT`] at
//! most. Only the answer to a body may take longer, because the end of the body may still be on its way.
//!
//! Knows sockets and the form of an answer, and nothing of files or people.

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, FutureExt};
use smol::Async;

use super::dial::{Unreachable, dial};
use super::http::{self, Head, Malformed, Url};
use crate::text::line;
use crate::within::within;

/// How long the server may take nothing, or send nothing: as long as it waits for a client itself.
const SILENT: Duration = Duration::from_secs(60);

/// How long the answer to a body may take once the system has taken the whole body: the system may hold some megabytes
/// of it, and the network may be slow.
const ANSWERED_WITHIN: Duration = Duration::from_secs(300);

/// How long a server may take to answer `100 Continue` (RFC 9110, 10.1.1). After that the body is sent anyway.
const ALLOWED_WITHIN: Duration = Duration::from_secs(3);

/// Bytes that are read at once.
const READ: usize = 64 * 1024;

/// How much of a refusal is read, in bytes, and how much of it is shown, in characters: it is a sentence.
const MAX_WORDS: usize = 1024;
const MAX_SHOWN: usize = 300;

/// Why there is no answer, or not all of it. It is displayed as a sentence.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection could be made.
    Unreachable(Unreachable),
    /// The connection was cut.
    Cut,
    /// Nothing has come, or was taken, for too long.
    Silent,
    /// What came is no HTTP answer.
    Malformed,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unreachable(why) => write!(f, "{why}"),
            Failure::Cut => f.write_str("the connection was cut."),
            Failure::Silent => write!(f, "nothing has come or gone for {} s.", SILENT.as_secs()),
            Failure::Malformed => f.write_str("what the server answers is not HTTP."),
        }
    }
}

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Failure {
        Failure::Malformed
    }
}

/// A connection on which one thing is asked.
#[derive(Debug)]
pub(crate) struct Exchange {
    stream: Async<TcpStream>,
    /// What was read and not used yet.
    input: Vec<u8>,
}

impl Exchange {
    /// Connects, and asks.
    pub(crate) async fn begin(url: &Url, request: &str) -> Result<Exchange, Failure> {
        let (stream, _) = dial(&url.server).await.map_err(Failure::Unreachable)?;
        write(&stream, request.as_bytes()).await?;
        Ok(Exchange { stream, input: Vec::new() })
    }

    /// Reads the answer's head.
    pub(crate) async fn head(&mut self) -> Result<Head, Failure> {
        read_head(&self.stream, &mut self.input).await
    }

    /// Waits until the body may be sent. Returns the answer if there is one already, which is a refusal.
    pub(crate) async fn may_send(&mut self) -> Result<Option<Head>, Failure> {
        match within(ALLOWED_WITHIN, read_head(&self.stream, &mut self.input)).await.transpose()? {
            None | Some(Head { status: 100..200, .. }) => Ok(None),
            refusal => Ok(refusal),
        }
    }

    /// Sends a body while `next` has a piece of it, and reads the answer, which ends the sending if it comes earlier.
    pub(crate) async fn send<E: From<Failure>>(
        &mut self,
        mut next: impl AsyncFnMut() -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Head, E> {
        let Exchange { stream, input } = self;
        let sent = async {
            while let Some(piece) = next().await? {
                if write(stream, &piece).await.is_err() {
                    // The other side takes no more. It may have said why.
                    break;
                }
            }
            Ok::<_, E>(None)
        };
        // Nothing comes before all is sent, unless it is refused: the sending has its own limit.
        let answered = async {
            loop {
                if input.is_empty() {
                    stream.readable().await.map_err(|_| Failure::Cut)?;
                }
                let head = read_head(stream, input).await?;
                if head.status >= 200 {
                    return Ok::<_, E>(Some(head));
                }
            }
        };
        match sent.or(answered).await? {
            Some(head) => Ok(head),
            None => {
                let comes = within(ANSWERED_WITHIN, stream.readable()).await.ok_or(Failure::Silent)?;
                comes.map_err(|_| Failure::Cut)?;
                Ok(read_final(stream, input).await?)
            }
        }
    }

    /// Reads a piece of the body, `most` bytes at most. It is empty at the end of the connection.
    pub(crate) async fn piece(&mut self, most: u64) -> Result<Vec<u8>, Failure> {
        if self.input.is_empty() {
            read(&self.stream, &mut self.input).await?;
        }
        let rest = self.input.split_off(self.input.len().min(usize::try_from(most).unwrap_or(usize::MAX)));
        Ok(std::mem::replace(&mut self.input, rest))
    }

    /// Returns why a request was refused, in the server's own words if it has any.
    pub(crate) async fn refusal(mut self, head: &Head) -> String {
        let most = head.length.unwrap_or(MAX_WORDS as u64).min(MAX_WORDS as u64) as usize;
        while self.input.len() < most && read(&self.stream, &mut self.input).await.is_ok_and(|read| read > 0) {}
        self.input.truncate(most);
        let text = String::from_utf8_lossy(&self.input);
        let first = text.lines().map(line::clean).find(|line| !line.trim().is_empty()).unwrap_or_default();
        let first = first.trim().strip_prefix("-- ").unwrap_or(first.trim());
        match first.chars().take(MAX_SHOWN).collect::<String>() {
            none if none.is_empty() => format!("the server answers with status {}.", head.status),
            words => words,
        }
    }
}

/// Reads heads until one is the answer itself.
async fn read_final(stream: &Async<TcpStream>, input: &mut Vec<u8>) -> Result<Head, Failure> {
    loop {
        let head = read_head(stream, input).await?;
        if head.status >= 200 {
            return Ok(head);
        }
    }
}

async fn read_head(stream: &Async<TcpStream>, input: &mut Vec<u8>) -> Result<Head, Failure> {
    loop {
        if let Some((head, length)) = http::head(input)? {
            input.drain(..length);
            return Ok(head);
        }
        if read(stream, input).await? == 0 {
            return Err(Failure::Cut);
        }
    }
}

/// Adds what comes next. Returns how much that was, 0 at the end.
async fn read(mut stream: &Async<TcpStream>, input: &mut Vec<u8>) -> Result<usize, Failure> {
    let mut buffer = vec![0; READ];
    let read = in_time(stream.read(&mut buffer)).await?;
    input.extend_from_slice(&buffer[..read]);
    Ok(read)
}

async fn write(mut stream: &Async<TcpStream>, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        match in_time(stream.write(bytes)).await? {
            0 => return Err(Failure::Cut),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}

async fn in_time<T>(transfer: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
    within(SILENT, transfer).await.ok_or(Failure::Silent)?.map_err(|_| Failure::Cut)
}
