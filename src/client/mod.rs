//! `dynasti join`: a client that can do more than `nc`.
//!
//! ```text
//! terminal: keys → editor ─┐                             ┌─ joining ← lines ← server
//!                          talk ← channels → desk ←→ link
//! window ← screen ← paint ─┘                  │          └─ dial → server
//! files:                     disk ←→ sending, fetching ← exchange → server, by HTTP
//! pipes:   filter ←──────────── channels ─────────→ link
//! ```
//!
//! The desk obeys the client's own commands, and is used only for a person. Input from a pipe may have been written by
//! others, so it is only passed on: it can neither read a file nor make one.
//!
//! Knows the server's sentences, from `text`, and nothing of the server's inside. It opens no terminal and handles no
//! signals: terminal, pipes and signals are passed in.

mod address;
mod clusters;
mod desk;
mod dial;
mod editor;
#[cfg(test)]
#[path = "../../tests/it/emulator.rs"]
mod emulator;
mod exchange;
mod fetching;
mod filter;
mod http;
mod joining;
mod keys;
mod known;
mod link;
mod names;
mod own;
mod paint;
mod paths;
mod screen;
mod sending;
mod talk;
mod terminal;

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_lite::{AsyncRead, AsyncWrite, FutureExt, Stream, future};

pub use address::{Address, DEFAULT_PORT};
pub use dial::Unreachable;

use desk::Desk;
use known::Known;
use link::{Event, Link};
use paint::Painter;
use talk::{End, Talk};
use terminal::Terminal;

use crate::within::within;

/// How many lines may wait for a server that reads slowly: more than a long paste has. They take 4 MiB at most.
const WAITING_LINES: usize = 1024;

/// How many events may wait for the terminal or the output. When there are more, nothing is read from the server
/// (backpressure).
const WAITING_EVENTS: usize = 64;

/// When the person leaves, how long the last lines may take to be delivered.
const FAREWELL: Duration = Duration::from_secs(2);

/// What to join, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server.
    pub address: Address,
    /// The name to answer the server's first question with.
    pub name: Option<String>,
    /// Whether to reconnect when the server is lost or cannot be reached.
    pub retry: bool,
    /// What `~` stands for in a path that a person types.
    pub home: Option<PathBuf>,
}

/// Why joining failed or the conversation was cut. It is displayed as a sentence for the person.
#[derive(Debug)]
pub enum JoinError {
    /// No connection could be made.
    Unreachable(Unreachable),
    /// The server has ended the connection without a word, or it broke.
    Lost,
    /// The server has said why it ends the connection: the operator wants it, or the password was wrong too often.
    SentAway,
    /// The name was refused, and there is nobody to choose another one. The text is the server's.
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
            JoinError::SentAway => f.write_str("The server has ended the connection."),
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
    /// Yields when the window has changed its size (SIGWINCH) or the program was continued (SIGCONT).
    pub wakes: W,
    /// Resolves when the program is to end (SIGTERM, SIGHUP).
    pub stop: S,
    /// Whether anything is shown in colour.
    pub colours: bool,
    /// Whether the bell rings when somebody mentions us.
    pub bell: bool,
}

/// Joins with a person at a terminal, until the person leaves. The terminal is then as it was before, also if this is
/// dropped or panics.
///
/// # Errors
/// The server cannot be reached or is lost (and `retry` is not set), or the terminal cannot be used.
pub async fn join_at_terminal<W, S>(options: &Options, seat: Seat<W, S>) -> Result<(), JoinError>
where
    W: Stream<Item = ()> + Unpin,
    S: Future<Output = ()>,
{
    let terminal = Terminal::new(seat.tty).map_err(JoinError::Terminal)?;
    let (outgoing, to_say) = async_channel::bounded(WAITING_LINES);
    let (show, events) = async_channel::bounded(WAITING_EVENTS);
    let known = Rc::default();
    let mut link = pin!(link_with_desk(options, to_say, show, Rc::clone(&known)));
    let painter = Painter { colours: seat.colours };
    let files = (known, options.home.clone());
    let talk = Talk::new(terminal, seat.wakes, (outgoing, events), files, painter, seat.bell);
    let stopped = async {
        seat.stop.await;
        Ok(End::Left { connected: true })
    };
    // Boxed, so that it can be dropped when it is done: the terminal is restored before the server is waited for.
    let mut talk = Box::pin(stopped.or(talk.run()));

    enum First {
        Talk(io::Result<End>),
        Link(Result<(), JoinError>),
    }
    let talked = async { First::Talk(talk.as_mut().await) };
    let linked = async { First::Link(link.as_mut().await) };
    match talked.or(linked).await {
        // The last events are still to be shown. The person may leave meanwhile.
        First::Link(result) => match talk.await.map_err(JoinError::Terminal)? {
            End::Left { .. } => Ok(()),
            End::Unlinked => result,
        },
        First::Talk(ended) => {
            drop(talk);
            match ended.map_err(JoinError::Terminal)? {
                End::Left { connected: false } => Ok(()),
                End::Left { connected: true } => {
                    // Nobody is there any more to be told if the last lines are not delivered.
                    let _ = within(FAREWELL, link).await;
                    Ok(())
                }
                End::Unlinked => link.await,
            }
        }
    }
}

/// Runs the link, and a desk between it and the person, who is at the other end of these channels.
async fn link_with_desk(
    options: &Options,
    said: Receiver<Vec<u8>>,
    show: Sender<Event>,
    known: Rc<RefCell<Known>>,
) -> Result<(), JoinError> {
    let (outgoing, to_say) = async_channel::bounded(1);
    // The link may be some events ahead of the desk, so that events that came together are shown together.
    let (told, heard) = async_channel::bounded(WAITING_EVENTS);
    let desk = Desk::new(show, known, options.home.clone()).run(said, outgoing, heard);
    future::zip(Link::new(options, true, to_say, told).run(), desk).await.0
}

/// What a client without a terminal reads and writes.
#[derive(Debug)]
pub struct Pipes<I, O, R, C> {
    /// What is to be said.
    pub input: I,
    /// Where the server's lines go.
    pub output: O,
    /// Where the client's own notices go.
    pub reports: R,
    /// Resolves when the output is closed, if that can be noticed before something is written.
    pub closed: C,
    /// Whether a person types the input, and can type another name.
    pub person: bool,
}

/// Joins without a terminal. Returns when the input has ended and all of it is delivered. Once the output is closed,
/// the input ends at its next pause.
///
/// # Errors
/// The server cannot be reached or is lost (and `retry` is not set), the name in `options` is refused and there is
/// nobody to type another, or the input cannot be read.
pub async fn join_with_pipes<I, O, R, C>(options: &Options, pipes: Pipes<I, O, R, C>) -> Result<(), JoinError>
where
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin,
    R: AsyncWrite + Unpin,
    C: Future<Output = ()>,
{
    let Pipes { input, output, reports, closed, person } = pipes;
    let (outgoing, to_say) = async_channel::bounded(1);
    let (show, events) = async_channel::bounded(WAITING_EVENTS);
    let (close, unheard) = async_channel::bounded(1);
    let said = async {
        match filter::say(input, outgoing, unheard).await {
            Ok(()) => future::pending().await,
            Err(error) => Err(JoinError::Input(error)),
        }
    };
    let noticed = async {
        closed.await;
        close.close();
        future::pending().await
    };
    let link = async {
        match person {
            true => link_with_desk(options, to_say, show, Rc::default()).await,
            false => Link::new(options, false, to_say, show).run().await,
        }
    };
    let heard = async { future::zip(link, filter::hear(events, output, reports, close.clone())).await.0 };
    heard.or(said).or(noticed).await
}
