//! The process as a client: it passes its terminal or its pipes, its signals and its environment to the library. Knows
//! nothing of the conversation.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;

use async_signal::{Signal, Signals};
use dynasti::client::{JoinError, Options, Pipes, Seat, join_at_terminal, join_with_pipes};
use futures_lite::{StreamExt, future};
use smol::{Async, Unblock};

/// Joins until the person leaves or the input ends.
///
/// # Errors
/// When the room cannot be joined, or is lost. The error is for standard error.
pub(crate) fn join(options: &Options, bell: bool) -> Result<(), JoinError> {
    match terminal() {
        Some(tty) => smol::block_on(at_terminal(options, tty, bell)),
        None => {
            // After the end of input a terminal can be read again, and a second Ctrl-D would be needed. `Chain`
            // remembers the end.
            let input = Unblock::new(io::stdin().chain(io::empty()));
            let (output, reports) = (Unblock::new(io::stdout()), Unblock::new(io::stderr()));
            let (closed, person) = (output_closed(), io::stdin().is_terminal());
            smol::block_on(join_with_pipes(options, Pipes { input, output, reports, closed, person }))
        }
    }
}

/// Waits until standard output is a pipe that nobody reads any more (`| head`). For another kind of output, the next
/// write fails instead.
async fn output_closed() {
    let pipe = || {
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        if !output.metadata()?.file_type().is_fifo() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // It is shared with other programs, so it stays a blocking one.
        Async::new_nonblocking(output)
    };
    match pipe() {
        // The end that is written to becomes readable only by this error.
        Ok(pipe) if pipe.readable().await.is_ok() => {}
        _ => future::pending().await,
    }
}

/// Returns the terminal, if a person uses it and it understands escape sequences. It is opened anew, because the
/// inherited descriptors are shared with the shell.
fn terminal() -> Option<File> {
    let capable = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    let both = io::stdin().is_terminal() && io::stdout().is_terminal();
    if capable && both { File::options().read(true).write(true).open("/dev/tty").ok() } else { None }
}

/// Joins at a terminal.
async fn at_terminal(options: &Options, tty: File, bell: bool) -> Result<(), JoinError> {
    let signals = |wanted: &[Signal]| Signals::new(wanted).map_err(JoinError::Terminal);
    let mut stops = signals(&[Signal::Int, Signal::Term, Signal::Hup, Signal::Quit])?;
    let wakes = signals(&[Signal::Winch, Signal::Cont])?.map(drop);
    let stop = async move {
        stops.next().await;
    };
    // https://no-color.org: "when present and not an empty string (regardless of its value)".
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    join_at_terminal(options, Seat { tty, wakes, stop, colours, bell }).await
}
