//! `dynasti join`: a client that is nicer than `nc`.
//!
//! ```text
//! terminal: keys → editor ─┐                    ┌─ joining ← lines ← server
//!                          talk ←─ channels ─→ link
//! window ← screen ← paint ─┘                    └─ dial → server
//! pipes:   filter ←──────────── channels ─────→ link
//! ```
//!
//! Knows of the server what `text` says, and nothing of the rooms and connections at its other end. It prints nothing
//! by itself and hears no signals: terminal, pipes, signals are handed in.

mod address;
mod clusters;
mod dial;
mod editor;
#[cfg(test)]
#[path = "../../tests/it/emulator.rs"]
mod emulator;
mod filter;
mod joining;
mod keys;
mod link;
mod names;
mod paint;
mod screen;
mod talk;
mod terminal;

use std::fmt;
use std::fs::File;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite, FutureExt, Stream, future};

pub use address::{Address, DEFAULT_PORT};
pub use dial::Unreachable;

use link::Link;
use paint::Painter;
use talk::{End, Talk};
use terminal::Terminal;

use crate::within::within;

/// How many lines may wait for a server that is slow to take them. More than a long paste has; at the longest they are
/// 4 MiB.
const WAITING_LINES: usize = 1024;

/// How many events may wait for the terminal or the output before no more is read from the server.
const WAITING_EVENTS: usize = 64;

/// How long the server may take to hear the last lines of somebody who leaves.
const FAREWELL: Duration = Duration::from_secs(2);

/// What to join, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server.
    pub address: Address,
    /// Answers the server's first question.
    pub name: Option<String>,
    /// Comes back by itself when the server is lost or cannot be reached.
    pub retry: bool,
}

/// Why joining came to an end that nobody wanted. Displayed, it is what to tell the person.
#[derive(Debug)]
pub enum JoinError {
    /// There was no connection.
    Unreachable(Unreachable),
    /// There was one, and the server ended it, or it broke.
    Lost,
    /// The name cannot be had, and nobody is there to choose another one. In the server's words.
    Refused(String),
    /// The input could not be read.
    Input(io::Error),
    /// The terminal could not be used.
    Terminal(io::Error),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Unreachable(why) => write!(f, "{why}"),
            JoinError::Lost => f.write_str("Server lost."),
            JoinError::Refused(words) => f.write_str(words),
            JoinError::Input(error) => write!(f, "Could not read the input: {error}."),
            JoinError::Terminal(error) => write!(f, "Could not use the terminal: {error}."),
        }
    }
}

impl std::error::Error for JoinError {}

/// The terminal that a person sits at, and how it is to be used.
#[derive(Debug)]
pub struct Seat<W, S> {
    /// The terminal, opened for this alone (`/dev/tty`): it is made non-blocking.
    pub tty: File,
    /// Says when the window has changed its size (SIGWINCH) or the program was brought back (SIGCONT).
    pub wakes: W,
    /// Done when the program is to end (SIGTERM, SIGHUP).
    pub stop: S,
    /// Whether anything is shown in colour.
    pub colours: bool,
    /// Whether the bell rings when somebody mentions us.
    pub bell: bool,
}

/// Joins with a person at a terminal, until the person leaves. However this ends, and also if it is dropped or panics,
/// the terminal is then as it was before.
///
/// # Errors
/// The server cannot be reached or is lost (and `retry` is not set), or the terminal cannot be used.
pub async fn join_at_terminal<W, S>(options: &Options, seat: Seat<W, S>) -> Result<(), JoinError>
where
    W: Stream<Item = ()> + Unpin,
    S: Future<Output = ()>,
{
    let terminal = Terminal::take(seat.tty).map_err(JoinError::Terminal)?;
    let (outgoing, to_say) = async_channel::bounded(WAITING_LINES);
    let (tell, events) = async_channel::bounded(WAITING_EVENTS);
    let mut link = pin!(Link::new(options, true, to_say, tell).run());
    let painter = Painter { colours: seat.colours };
    let talk = Talk::new(terminal, seat.wakes, (outgoing, events), painter, seat.bell);
    let stopped = async {
        seat.stop.await;
        Ok(End::Left { connected: true })
    };
    // Dropped when it is done, and with it the terminal goes back, before the server is waited for.
    let mut talk = Box::pin(stopped.or(talk.run()));

    enum First {
        Talk(io::Result<End>),
        Link(Result<(), JoinError>),
    }
    let talked = async { First::Talk(talk.as_mut().await) };
    let linked = async { First::Link(link.as_mut().await) };
    match talked.or(linked).await {
        // The person is still to see what came last, and may leave before that.
        First::Link(result) => match talk.await.map_err(JoinError::Terminal)? {
            End::Left { .. } => Ok(()),
            End::Unlinked => result,
        },
        First::Talk(ended) => {
            drop(talk);
            match ended.map_err(JoinError::Terminal)? {
                End::Left { connected: false } => Ok(()),
                End::Left { connected: true } => {
                    // The person has gone; how the server takes it is of no interest any more.
                    let _ = within(FAREWELL, link).await;
                    Ok(())
                }
                End::Unlinked => link.await,
            }
        }
    }
}

/// Joins without a person: says what comes from `input`, prints to `output` what is heard, and to `reports` what the
/// client itself has to say. Done when the input has ended and all of it is delivered.
///
/// # Errors
/// The server cannot be reached or is lost (and `retry` is not set), the name in `options` cannot be had and `person`
/// is not there to type another, or the input cannot be read.
pub async fn join_with_pipes(
    options: &Options,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
    reports: impl AsyncWrite + Unpin,
    person: bool,
) -> Result<(), JoinError> {
    let (outgoing, to_say) = async_channel::bounded(1);
    let (tell, events) = async_channel::bounded(WAITING_EVENTS);
    let said = async {
        match filter::say(input, outgoing).await {
            Ok(()) => future::pending().await,
            Err(error) => Err(JoinError::Input(error)),
        }
    };
    let heard = async {
        let (result, ()) =
            future::zip(Link::new(options, person, to_say, tell).run(), filter::hear(events, output, reports)).await;
        result
    };
    heard.or(said).await
}
