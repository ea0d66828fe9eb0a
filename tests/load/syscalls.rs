//! Counts another process's system calls, by `perf stat` where the kernel lets it, otherwise by `strace -c`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::fault::{Fault, Result};
use crate::peers::find;

/// What can count here.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Counter {
    /// Counts and hardly disturbs.
    Perf,
    /// Stops the process at every call, so that more waits for it and more is gathered.
    Strace,
}

/// The counter that works here, if one does.
pub(crate) fn available() -> Option<Counter> {
    let probe = |counter| find(program(counter)).is_some() && count(counter, std::process::id(), || Ok(())).is_ok();
    if probe(Counter::Perf) {
        return Some(Counter::Perf);
    }
    // A process cannot trace itself, so strace is believed where it is installed.
    find(program(Counter::Strace)).map(|_| Counter::Strace)
}

/// The system calls of process `id` while `work` is done, and what came of the work.
pub(crate) fn count<T>(counter: Counter, id: u32, work: impl FnOnce() -> Result<T>) -> Result<(u64, T)> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("load-{}-calls", std::process::id()));
    let tracer = Tracer::attach(counter, id, file)?;
    let done = work()?;
    let calls = tracer.finish()?;
    Ok((calls, done))
}

fn program(counter: Counter) -> &'static str {
    match counter {
        Counter::Perf => "perf",
        Counter::Strace => "strace",
    }
}

/// A running counter; dropping it ends it and removes its file.
struct Tracer {
    counter: Counter,
    child: Child,
    file: PathBuf,
}

impl Tracer {
    fn attach(counter: Counter, id: u32, file: PathBuf) -> Result<Self> {
        let mut command = Command::new(program(counter));
        let (id, failed) = (id.to_string(), |error| Fault::unable(format!("running {}", program(counter)), error));
        match counter {
            // perf counts for as long as the command that it runs, and cat runs until its input ends.
            Counter::Perf => command.args(["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", &id, "-o"]),
            Counter::Strace => command.args(["-f", "-c", "-p", &id, "-o"]),
        };
        command.arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if counter == Counter::Perf {
            command.args(["--", "cat"]);
        }
        let mut tracer = Self { counter, child: command.spawn().map_err(failed)?, file };
        // Once cat answers, or strace says that it is attached, it counts.
        let mut answer = [0];
        match (counter, &mut tracer.child.stdin, &mut tracer.child.stdout, &mut tracer.child.stderr) {
            (Counter::Perf, Some(input), Some(output), _) => {
                input.write_all(b".").and_then(|()| output.read_exact(&mut answer)).map_err(failed)?;
            }
            (Counter::Strace, _, _, Some(errors)) => {
                BufReader::new(errors).read_line(&mut String::new()).map_err(failed)?;
            }
            _ => return Err(Fault::Unable("the counter has no pipes".into())),
        }
        Ok(tracer)
    }

    fn finish(mut self) -> Result<u64> {
        let name = program(self.counter);
        drop(self.child.stdin.take());
        if self.counter == Counter::Strace {
            let id = Pid::from_child(&self.child);
            kill_process(id, Signal::TERM).map_err(|error| Fault::unable("ending strace", error))?;
        }
        self.child.wait().map_err(|error| Fault::unable(format!("waiting for {name}"), error))?;
        let text = fs::read_to_string(&self.file).map_err(|error| Fault::unable(format!("reading {name}"), error))?;
        let calls = match self.counter {
            Counter::Perf => {
                text.lines().find(|line| line.contains("raw_syscalls")).and_then(|line| line.split(',').next())
            }
            // % time, seconds, usecs/call, calls, (errors), and the word
            Counter::Strace => {
                text.lines().find(|line| line.ends_with(" total")).and_then(|line| line.split_whitespace().nth(3))
            }
        };
        calls.and_then(|count| count.parse().ok()).ok_or_else(|| Fault::unable(format!("reading {name}"), text.trim()))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // After `finish` the process is gone, and these find nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.file);
    }
}
