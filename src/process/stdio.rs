//! The process's standard streams: prints the room's notices, and reads what the operator types. Both block, so they
//! run on other threads, and a slow terminal or log does not delay the room. Knows nothing of what is said.

use std::io::{self, Read, Write};
use std::time::Duration;

use dynasti::room::{Reader, Warned, Written};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::termios::{isatty, tcgetpgrp};
use smol::{Unblock, unblock};

use super::report;

/// How often a server in the background checks whether it is in the foreground again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Prints what the room has for the operator, until the room ends the reader. It prints all that there is at once,
/// because each time it has to wake another thread.
pub(crate) async fn print(mut output: Reader) {
    loop {
        let _ = output.notified().await;
        let mut text = Vec::new();
        let lost = output.take_lost();
        if lost > 0 {
            // Only a write to memory, which does not fail.
            let _ = writeln!(text, "{}", report::not_printed(lost));
        }
        let written = output.write(&mut text);
        // A terminal that was stopped with Ctrl-S may block the write for days.
        output.park();
        // A closed or full output does not matter: the room goes on.
        unblock(move || {
            let mut stdout = io::stdout().lock();
            let _ = stdout.write_all(&text).and_then(|()| stdout.flush());
        })
        .await;
        if let Ok(Written::End(_)) | Err(_) = written {
            return;
        }
    }
}

/// Prints warnings, until there will be no more.
pub(crate) async fn warn(warned: Warned) {
    while let Some((warning, lost)) = warned.next().await {
        unblock(move || {
            let lost = if lost > 0 { format!("{}\n", report::not_warned(lost)) } else { String::new() };
            let _ = io::stderr().write_all(format!("{lost}{warning}\n").as_bytes());
        })
        .await;
    }
}

/// Returns standard input, to be read while the process is in the foreground.
pub(crate) fn operator() -> Unblock<impl Read> {
    // After the end of input a terminal can be read again, and `Unblock` does so if the end came right after a line.
    // `Chain` remembers the end.
    Unblock::with_capacity(1024, Foreground(io::stdin()).chain(io::empty()))
}

/// Reads standard input. Does not read a terminal while this process is in its background, because that would stop the
/// process.
struct Foreground(io::Stdin);

impl Read for Foreground {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Waits by `poll`, which is allowed in the background, and only then decides whether to read. Any thread
            // may get a signal, so an interrupted call is tried again.
            retry_on_intr(|| poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None))?;
            let background = isatty(&self.0) && tcgetpgrp(&self.0).ok() != Some(rustix::process::getpgrp());
            if !background {
                // This bypasses the buffer of `Stdin`. `poll` does not know of data in there.
                return Ok(retry_on_intr(|| rustix::io::read(&self.0, &mut *buffer))?);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
