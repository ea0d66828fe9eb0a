//! The process as a client: passes its terminal or its pipes, its signals and its environment to the library. Knows
//! nothing of the conversation.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use async_signal::{Signal, Signals};
use dynasti::client::{JoinError, Options, Seat, join_at_terminal, join_with_pipes};
use futures_lite::StreamExt;
use smol::Unblock;

/// Joins until the person leaves or the input ends.
///
/// # Errors
/// The error is to be printed on standard error, and the exit status is 1.
pub(crate) fn join(options: &Options, bell: bool) -> Result<(), JoinError> {
    match terminal() {
        Some(tty) => smol::block_on(at_terminal(options, tty, bell)),
        None => {
            // After the end of input a terminal can be read again, and a second Ctrl-D would be needed. `Chain`
            // remembers the end.
            let input = Unblock::new(io::stdin().chain(io::empty()));
            let (output, reports) = (Unblock::new(io::stdout()), Unblock::new(io::stderr()));
            smol::block_on(join_with_pipes(options, input, output, reports, io::stdin().is_terminal()))
        }
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
