//! The terminal: reading keys from it and writing to it without ever waiting in a thread, and giving it back as it was.
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

/// Pasted text is marked as such (xterm's mode 2004).
const ENTER: &str = "\x1b[?2004h";

/// Pastes are not marked, long lines wrap, text is plain.
const LEAVE: &str = "\x1b[?2004l\x1b[?7h\x1b[m";

/// Off what stands at the cursor, and away with what may stand below.
const BELOW: &str = "\r\n\x1b[J";

/// A window that does not know its size is taken for this one: columns, rows.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// A terminal that gives its keys one by one. Dropping it, on whatever path, gives the terminal back as it was.
pub(crate) struct Terminal {
    tty: Async<File>,
    /// How the terminal was.
    cooked: Termios,
    raw: bool,
}

impl Terminal {
    /// Takes a terminal over. `tty` must have been opened for this alone (`/dev/tty`), not inherited: it is made
    /// non-blocking, and whoever shares an open file shares that.
    pub(crate) fn take(tty: File) -> io::Result<Terminal> {
        let cooked = tcgetattr(&tty)?;
        let mut terminal = Terminal { tty: Async::new(tty)?, cooked, raw: false };
        terminal.enter()?;
        Ok(terminal)
    }

    /// Makes the terminal give its keys one by one, all of them, and show none. Does no harm when it already does.
    ///
    /// Output is processed as before, so that whatever else writes there in the meantime can be read.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        let mut raw = self.cooked.clone();
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        raw.input_modes -= InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR | InputModes::ISTRIP;
        raw.input_modes -= InputModes::IXON;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&self.tty, OptionalActions::Now, &raw)?;
        self.raw = true;
        self.last_words(ENTER);
        Ok(())
    }

    /// Gives the terminal back as it was.
    pub(crate) fn leave(&mut self) {
        if std::mem::take(&mut self.raw) {
            self.last_words(LEAVE);
            // Without waiting for what is still to be shown: a terminal that has stopped would keep us here.
            let _ = tcsetattr(&self.tty, OptionalActions::Now, &self.cooked);
        }
    }

    /// Stops the program until somebody wants it back, as Ctrl-Z does. The terminal must have been left.
    ///
    /// Where no shell could bring the program back the system does not stop it, and this returns at once.
    pub(crate) fn stop() {
        let _ = kill_current_process_group(Signal::TSTP);
    }

    /// Whether the terminal is ours to use. Using it from the background would stop the program.
    pub(crate) fn is_ours(&self) -> bool {
        tcgetpgrp(&self.tty).map_or(true, |foreground| foreground == getpgrp())
    }

    /// The window's columns and rows.
    pub(crate) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(&self.tty) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => USUAL_SIZE,
        }
    }

    /// Reads what was typed; nothing means that the terminal is gone.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.tty).read(buffer).await
    }

    /// Writes everything.
    pub(crate) async fn write(&self, output: &str) -> io::Result<()> {
        (&self.tty).write_all(output.as_bytes()).await
    }

    /// Writes what can be written at once; a terminal that takes nothing now must not hold anything up.
    fn last_words(&self, words: &str) {
        let _ = self.tty.get_ref().write(words.as_bytes());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // In the background the terminal is the shell's, which has already seen to it.
        if self.raw && self.is_ours() {
            self.last_words(BELOW);
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
            let _terminal = Terminal::take(open()).expect("it is a terminal");
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
