//! A server that is being measured, as a process: how it is started and ended, what it has used. Knows nothing of chat.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::fault::{Fault, Result};

/// How long a server may take until it listens; under valgrind it takes its time.
const START: Duration = Duration::from_secs(20);
/// How long it may take to end, once it is asked to.
const END: Duration = Duration::from_secs(20);

/// A running server; dropping it ends it.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub(crate) address: SocketAddrV4,
}

impl Process {
    /// Starts `command` and waits until it has said where it listens: the first `127.0.0.1:PORT` behind `listening on`.
    pub(crate) fn start(command: Command) -> Result<Self> {
        Self::start_and_find(command, listening_on)
    }

    /// Starts `command`, which speaks HTTP, and waits until it has said where: the first `http://127.0.0.1:PORT`.
    pub(crate) fn start_web(command: Command) -> Result<Self> {
        Self::start_and_find(command, opened_at)
    }

    /// Starts `command` and waits until it has said a line in which `find` finds where it listens.
    pub(crate) fn start_and_find(mut command: Command, find: fn(&str) -> Option<SocketAddrV4>) -> Result<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("load-{}-{number}.log", std::process::id()));
        let failed = |error| Fault::unable(format!("starting {command:?}"), error);
        // A file, not a pipe: nothing has to read it while the clock runs, and it never fills up.
        let output = File::create(&log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let name = format!("{:?}", command.get_program());
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = child.map_err(|error| Fault::unable(format!("starting {name}"), error))?;
        let mut process = Self { child, log, address: SocketAddrV4::new([127, 0, 0, 1].into(), 0) };
        process.address = process.said(find).map_err(|why| Fault::unable(format!("starting {name}"), why))?;
        Ok(process)
    }

    /// Where its page is: the first `http://127.0.0.1:PORT`.
    pub(crate) fn page(&mut self) -> Result<SocketAddrV4> {
        self.said(opened_at).map_err(|why| Fault::unable("finding the page", why))
    }

    /// Waits until it has said a line in which `find` finds where it listens.
    fn said(&mut self, find: fn(&str) -> Option<SocketAddrV4>) -> std::result::Result<SocketAddrV4, String> {
        let begun = Instant::now();
        while begun.elapsed() < START {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(address) = said.split_inclusive('\n').find_map(find) {
                return Ok(address);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{status}; it said {said:?}"));
            }
            thread::sleep(Duration::from_millis(2));
        }
        Err("it does not say where it listens".into())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) -> Result<()> {
        let failed = |error: io::Error| Fault::unable("ending a server", error);
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(|error| failed(error.into()))?;
        let asked = Instant::now();
        while self.child.try_wait().map_err(failed)?.is_none() {
            if asked.elapsed() > END {
                return Err(Fault::Stalled(format!("asked to end, it has not after {} s", END.as_secs())));
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Stops it where it is, and waits until it stands still.
    pub(crate) fn pause(&self) -> Result<()> {
        let id = Pid::from_child(&self.child);
        let paused = kill_process(id, Signal::STOP).and_then(|()| waitid(WaitId::Pid(id), WaitIdOptions::STOPPED));
        paused.map(drop).map_err(|error| Fault::Wrong(format!("the server is gone: {error}")))
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) -> Result<()> {
        let resumed = kill_process(Pid::from_child(&self.child), Signal::CONT);
        resumed.map_err(|error| Fault::unable("resuming a server", error))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that its threads have used. Threads that have ended are not in it.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let tasks = format!("/proc/{}/task", self.id());
        let failed = |error| Fault::unable(format!("reading {tasks}"), error);
        let mut nanoseconds = 0;
        for task in fs::read_dir(&tasks).map_err(failed)? {
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(task.map_err(failed)?.path().join("schedstat")) else { continue };
            nanoseconds += text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&path).map_err(|error| Fault::unable(format!("reading {path}"), error))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|count| count.parse().ok());
        kilobytes.map(|count: u64| count * 1024).ok_or_else(|| Fault::unable(format!("reading {path}"), "no VmRSS"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the process is gone already, and the file only where it was never made.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.log);
    }
}

fn listening_on(line: &str) -> Option<SocketAddrV4> {
    let line = line.strip_suffix('\n')?;
    let at = line.to_ascii_lowercase().find("listening on ")?;
    line[at + "listening on ".len()..].trim().parse().ok()
}

fn opened_at(line: &str) -> Option<SocketAddrV4> {
    let (_, address) = line.strip_suffix('\n')?.split_once("http://")?;
    let end = address.find(|char: char| !matches!(char, '0'..='9' | '.' | ':')).unwrap_or(address.len());
    address[..end].parse().ok()
}
