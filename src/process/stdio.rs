//! The process's standard streams: what the room tells goes out, what the operator types comes in. Blocking work, done
//! on a thread of its own, so that no terminal and no log can hold up the room.

use std::io::{self, Read, Write};
use std::time::Duration;

use async_channel::Receiver;
use dynasti::room::Notice;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::termios::{isatty, tcgetpgrp};
use smol::{Unblock, unblock};

/// How often a server in the background looks whether it has been brought back to its terminal.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Prints what the room tells, until it tells no more: all that waits in one go, for each takes a thread's attention.
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
        // A closed or full output is no reason for anything: the room goes on.
        unblock(move || {
            let mut stdout = io::stdout().lock();
            let _ = stdout.write_all(log.as_bytes()).and_then(|()| stdout.flush());
            let _ = io::stderr().write_all(warnings.as_bytes());
        })
        .await;
    }
}

/// Standard input, as long as it is the operator's.
pub(crate) fn operator() -> Unblock<impl Read> {
    // A terminal's end of input is no lasting state, and `Unblock` reads on after one that follows a line: what is
    // chained remembers it.
    Unblock::with_capacity(1024, Foreground(io::stdin()).chain(io::empty()))
}

/// Reads standard input, but no terminal that this process is in the background of: to read that would stop it.
struct Foreground(io::Stdin);

impl Read for Foreground {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Waiting is no reading: only when there is something to read is it decided whose it is.
            // A signal, which any thread may be the one to get, is no reason to close the console.
            retry_on_intr(|| poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None))?;
            let background = isatty(&self.0) && tcgetpgrp(&self.0).ok() != Some(rustix::process::getpgrp());
            if !background {
                // Past the buffer of `Stdin`: what waited there would be waited for on the descriptor, in vain.
                return Ok(retry_on_intr(|| rustix::io::read(&self.0, &mut *buffer))?);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
