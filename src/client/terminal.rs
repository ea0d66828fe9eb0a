//! The terminal: its modes, and reading and writing without blocking a thread. It is always restored at the end.
//!
//! Knows nothing of what is read or written.

use std::fs::File;
use std::io::{self, Write};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};
use smol::Async;

/// Pasted text is to be marked as such (xterm's mode 2004).
const ENTER: &str = "\x1b[?2004h";

/// Pastes are not to be marked, long lines are to wrap, text is to be plain.
const LEAVE: &str = "\x1b[?2004l\x1b[?7h\x1b[m";

/// Moves below the cursor's row, and erases what is there.
const BELOW: &str = "\r\n\x1b[J";

/// The columns and rows that are assumed when a window does not know its size.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// A terminal that sends each key at once. When this is dropped, on whatever path, the terminal is restored.
pub(crate) struct Terminal {
    tty: Async<File>,
    /// The modes that the terminal had.
    cooked: Termios,
    /// Whether it has other modes now.
    raw: bool,
}

impl Terminal {
    /// Begins to use a terminal. `tty` must have been opened for this alone (`/dev/tty`) and not inherited: it is made
    /// non-blocking, which would affect every process that shares the open file.
    pub(crate) fn new(tty: File) -> io::Result<Terminal> {
        let cooked = tcgetattr(&tty)?;
        let mut terminal = Terminal { tty: Async::new(tty)?, cooked, raw: false };
        terminal.enter()?;
        Ok(terminal)
    }

    /// Sets the terminal's modes so that it sends each key at once and shows none. It may be called again at any time.
    ///
    /// Output is processed as before, so that what other programs write there in the meantime is readable.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        let mut raw = self.cooked.clone();
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        raw.input_modes -= InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR | InputModes::ISTRIP;
        raw.input_modes -= InputModes::IXON;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&self.tty, OptionalActions::Now, &raw)?;
        self.raw = true;
        self.write_at_once(ENTER);
        Ok(())
    }

    /// Restores the terminal.
    pub(crate) fn leave(&mut self) {
        if std::mem::take(&mut self.raw) {
            self.write_at_once(LEAVE);
            // It does not wait for the output that is not shown yet, because a stopped terminal never shows it.
            let _ = tcsetattr(&self.tty, OptionalActions::Now, &self.cooked);
        }
    }

    /// Stops the program until it is continued, as Ctrl-Z does. The terminal must be restored before.
    ///
    /// Where no shell could continue the program, the system does not stop it, and this returns at once.
    pub(crate) fn stop() {
        let _ = kill_current_process_group(Signal::TSTP);
    }

    /// Returns whether the program is in the terminal's foreground. In the background, using the terminal would stop
    /// it.
    pub(crate) fn is_ours(&self) -> bool {
        tcgetpgrp(&self.tty).map_or(true, |foreground| foreground == getpgrp())
    }

    /// Returns the window's columns and rows.
    pub(crate) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(&self.tty) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => USUAL_SIZE,
        }
    }

    /// Reads what was typed. 0 bytes mean that the terminal was closed.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.tty).read(buffer).await
    }

    /// Writes everything.
    pub(crate) async fn write(&self, output: &str) -> io::Result<()> {
        (&self.tty).write_all(output.as_bytes()).await
    }

    /// Writes what can be written at once. A stopped terminal must not block.
    fn write_at_once(&self, words: &str) {
        let _ = self.tty.get_ref().write(words.as_bytes());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // In the background the terminal is the shell's, which has restored it.
        if self.raw && self.is_ours() {
            self.write_at_once(BELOW);
            self.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let front = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are pseudo-terminals");
        grantpt(&front).and_then(|()| unlockpt(&front)).expect("a new pseudo-terminal is ours");
        let path = ptsname(&front, []).expect("it has a name").into_string().expect("it is ASCII");
        let open = || File::options().read(true).write(true).open(&path).expect("the other side opens");
        let back = open();
        let modes = || tcgetattr(&back).map(|modes| (modes.input_modes, modes.local_modes)).expect("it is a terminal");
        let before = modes();
        let panicked = std::panic::catch_unwind(|| {
            let _terminal = Terminal::new(open()).expect("it is a terminal");
            assert_ne!(modes(), before);
            panic!("as planned");
        });
        assert!(panicked.is_err_and(|words| words.is::<&str>()), "it panicked as planned");
        assert_eq!(modes(), before);
        // The line discipline makes CR LF of LF.
        let expected = format!("{ENTER}{BELOW}{LEAVE}").replace('\n', "\r\n");
        let mut shown = vec![0; expected.len()];
        io::Read::read_exact(&mut File::from(front), &mut shown).expect("it can be read");
        assert_eq!(String::from_utf8_lossy(&shown), expected);
    }
}
