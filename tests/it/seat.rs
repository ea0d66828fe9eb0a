//! A person at a terminal: a pseudo-terminal with a session of its own, and an emulator that shows what is on it. A
//! test checks what the person would see.
//!
//! As in the harness, nothing sleeps: a test waits until the window shows what it should.

use crate::emulator::Emulator;
use crate::harness::{PATIENCE, binary};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Instant;

pub(crate) struct Seat {
    child: Child,
    /// The side that the person sits at.
    front: File,
    /// The side that the program sits at, held open so that the device can be looked at after the program's end.
    back: File,
    before: Termios,
    pub(crate) emulator: Emulator,
}

impl Seat {
    /// Runs `dynasti join` with these arguments in a window of this size.
    pub(crate) fn join(columns: u16, rows: u16, args: &[&str]) -> Seat {
        let mut command = Seat::session(binary());
        command.arg("join").args(args);
        Seat::run(columns, rows, command)
    }

    /// A command that runs in a session of its own, whose terminal is its standard input.
    pub(crate) fn session(program: &str) -> Command {
        let mut command = Command::new("setsid");
        command.args(["--ctty", program]).env("TERM", "xterm").env_remove("NO_COLOR");
        command
    }

    /// Runs a command (see [`Seat::session`]) in a window of this size.
    pub(crate) fn run(columns: u16, rows: u16, mut command: Command) -> Seat {
        let front = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are pseudo-terminals");
        grantpt(&front).and_then(|()| unlockpt(&front)).expect("a new pseudo-terminal is ours");
        let path =
            PathBuf::from(std::ffi::OsString::from_vec(ptsname(&front, []).expect("it has a name").into_bytes()));
        let open = || File::options().read(true).write(true).open(&path).expect("the other side opens");
        let back = open();
        tcsetwinsize(&back, winsize(columns, rows)).expect("it has a window");
        let before = tcgetattr(&back).expect("it is a terminal");
        let child = command.stdin(open()).stdout(open()).stderr(open()).spawn().expect("setsid is to be had");
        let emulator = Emulator::new(columns.into(), rows.into());
        Seat { child, front: File::from(front), back, before, emulator }
    }

    /// Types, pastes, presses keys: whatever a terminal would send.
    pub(crate) fn types(&mut self, keys: &str) {
        self.front.write_all(keys.as_bytes()).expect("a terminal takes what is typed");
    }

    /// Waits until the last rows of the window are these.
    #[track_caller]
    pub(crate) fn shows(&mut self, rows: &str) {
        self.shows_where(&format!("{rows:?}"), |emulator| {
            format!("\n{}", emulator.window()).ends_with(&format!("\n{rows}"))
        });
    }

    /// Waits until the cursor is in this column.
    #[track_caller]
    pub(crate) fn has_cursor_in(&mut self, column: usize) {
        self.shows_where(&format!("the cursor in column {column}"), |emulator| emulator.cursor().1 == column);
    }

    /// Waits until the emulator is as `wanted`.
    #[track_caller]
    pub(crate) fn shows_where(&mut self, description: &str, wanted: impl Fn(&Emulator) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(&self.emulator) {
            if !self.look(deadline) {
                let (everything, cursor) = (self.emulator.everything(), self.emulator.cursor());
                panic!("the terminal never showed {description}, but\n{everything}\n--- cursor {cursor:?}");
            }
        }
    }

    /// Takes in what was written to the terminal. `false` when nothing has come by the deadline.
    fn look(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let mut front = [PollFd::new(&self.front, PollFlags::IN)];
        // Whoever was stopped and goes on is interrupted.
        let ready = retry_on_intr(|| poll(&mut front, Some(&timeout))).expect("it can be polled");
        let mut buffer = [0; 4096];
        let read = if ready == 0 { 0 } else { self.front.read(&mut buffer).expect("it can be read") };
        self.emulator.feed(&buffer[..read]);
        read > 0
    }

    /// Gives the window another size.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        // What is under way was meant for the old one.
        while self.look(Instant::now()) {}
        self.emulator.resize(columns.into(), rows.into());
        tcsetwinsize(&self.back, winsize(columns, rows)).expect("it has a window");
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the program runs");
    }

    /// Waits for the program's end, sees that the terminal is as it was, with the cursor on an empty row, and returns
    /// the exit status.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            // There is no waiting for a child and a terminal at once, and a program may wait for its terminal to take
            // what it writes; so each is looked at in turn.
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(Instant::now() < deadline, "the program has not ended:\n{}", self.emulator.everything());
            self.look(Instant::now() + std::time::Duration::from_millis(10));
        };
        while self.look(Instant::now()) {}
        self.is_as_before();
        status.code().unwrap_or_else(|| panic!("ended by a signal: {status}"))
    }

    /// Waits for the program's end without taking in what it writes, and returns the exit status.
    #[track_caller]
    pub(crate) fn ends_unseen(&mut self) -> Option<i32> {
        let (end, ended) = std::sync::mpsc::channel();
        let pid = Pid::from_child(&self.child);
        std::thread::spawn(move || {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let _ = end.send(());
        });
        ended.recv_timeout(PATIENCE).expect("the program ends though nobody looks");
        self.child.wait().expect("it is our child").code()
    }

    /// Sees that the terminal is as it was before, with the cursor on an empty row.
    #[track_caller]
    pub(crate) fn is_as_before(&self) {
        let after = tcgetattr(&self.back).expect("it is a terminal");
        let modes = |modes: &Termios| (modes.input_modes, modes.output_modes, modes.control_modes, modes.local_modes);
        assert_eq!(modes(&after), modes(&self.before), "the terminal is not as it was");
        assert!(!self.emulator.bracketed_paste, "pastes are still marked");
        assert!(self.emulator.wraps, "lines do not wrap any more");
        assert!(
            self.emulator.window().ends_with('\n'),
            "the cursor is not on an empty row:\n{}",
            self.emulator.window()
        );
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn winsize(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}
