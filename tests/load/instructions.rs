//! Counts the instructions of a process from its start to its end, by valgrind's callgrind: its own in all its threads,
//! without the kernel's. They hardly depend on the machine, or on what else it does. Knows nothing of chat.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::fault::{Fault, Result};
use crate::peers::find;

/// Whether instructions can be counted here: those of this program, which explains itself, are.
pub(crate) fn available() -> bool {
    let probe = || {
        let count = Count::new();
        let mut command = count.command(Command::new(env::current_exe().ok()?).arg("--help"));
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        status.success().then(|| count.read().ok())?
    };
    find("valgrind").is_some() && probe().is_some_and(|instructions| instructions > 0)
}

/// What counts the instructions of one process; dropping it removes its file.
pub(crate) struct Count {
    file: PathBuf,
}

impl Count {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        static COUNTS: AtomicU32 = AtomicU32::new(0);
        let name = format!("load-{}-instructions-{}", std::process::id(), COUNTS.fetch_add(1, Ordering::Relaxed));
        Self { file: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name) }
    }

    /// The same as `command`, with its instructions counted.
    pub(crate) fn command(&self, command: &Command) -> Command {
        let mut file = OsString::from("--callgrind-out-file=");
        file.push(&self.file);
        let mut counted = Command::new("valgrind");
        counted.arg("--tool=callgrind").arg(file).arg(command.get_program()).args(command.get_args());
        counted
    }

    /// The instructions of the process, which has ended.
    pub(crate) fn read(&self) -> Result<u64> {
        let failed = |error: &dyn Display| Fault::unable("reading what callgrind counted", error);
        let text = fs::read_to_string(&self.file).map_err(|error| failed(&error))?;
        // Each part that was written has its own.
        let parts = text.lines().filter_map(|line| line.strip_prefix("totals:"));
        let counts = parts.map(|part| part.split_whitespace().next().and_then(|count| count.parse::<u64>().ok()));
        match counts.sum::<Option<u64>>() {
            Some(count @ 1..) => Ok(count),
            _ => Err(failed(&"it says nothing of how many")),
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        // It fails where nothing was counted.
        let _ = fs::remove_file(&self.file);
    }
}
