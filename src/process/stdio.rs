//! The process's standard streams: the room's notices go out, what the operator types comes in. Both block, so they are
//! done on other threads, and no slow terminal or log delays the room. Knows nothing of what is said.

use std::io::{self, Read, Write};
use std::time::Duration;

use async_channel::Receiver;
use dynasti::room::Notice;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::termios::{isatty, tcgetpgrp};
use smol::{Unblock, unblock};

/// How often a server in the background checks whether it is in the foreground again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Prints the room's notices, until their channel is closed. All that wait are printed at once, because each time
/// another thread must be woken.
pub(crate) async fn print(notices: Receiver<Notice>) {
    while let Ok(first) = notices.recv().await {
        let (mut log, mut warnings) = (String::new(), String::new());
        for notice in std::iter::once(first).chain(std::iter::from_fn(|| notices.try_recv().ok())) {
            let (output, words) = match notice {
                Notice::Log(words) => (&mut log, words),
                Notice::Warning(words) => (&mut warnings, words),
            };
            output.push_str(&words);
            output.push('\n');
        }
        // When the output is closed or full the room goes on, and nobody could be told.
        unblock(move || {
            let mut stdout = io::stdout().lock();
            let _ = stdout.write_all(log.as_bytes()).and_then(|()| stdout.flush());
            let _ = io::stderr().write_all(warnings.as_bytes());
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

/// Reads standard input, but not a terminal while this process is in its background: that read would stop the process.
struct Foreground(io::Stdin);

impl Read for Foreground {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // It waits by `poll`, which is allowed in the background, and only then decides whether to read. Any thread
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
