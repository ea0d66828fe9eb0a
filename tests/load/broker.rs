//! The broker that links servers: a nats-server on a free port, with a directory of its own, both gone when it is
//! dropped; and as much of its protocol as it takes to ask for its figures, and to simulate servers. Knows nothing of
//! rooms.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::fault::{Fault, Result};
use crate::peers::find;
use crate::process::Process;

const PROGRAM: &str = "nats-server";
/// The room that the servers join there, and so the name of its stream.
const ROOM: &str = "load";
/// How long it may take over an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running broker.
pub(crate) struct Broker {
    // The order matters: it ends before its folder goes.
    server: Process,
    _folder: Folder,
}

/// What the broker keeps of the room.
#[derive(Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// What has gone over the connections that there are, in bytes, without the headers of TCP and IP.
#[derive(Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) to: u64,
    pub(crate) from: u64,
}

impl Broker {
    /// Whether one can be started here.
    pub(crate) fn is_installed() -> bool {
        find(PROGRAM).is_some()
    }

    /// Starts one that keeps messages.
    pub(crate) fn start() -> Result<Self> {
        let folder = Folder::new()?;
        let mut command = Command::new(PROGRAM);
        // Of the free ports it takes one itself, and says which.
        command.args(["-a", "127.0.0.1", "-p", "-1", "-js", "-sd"]).arg(&folder.0);
        Ok(Self { server: Process::start_and_find(command, listening_for_clients)?, _folder: folder })
    }

    /// What a server takes as `--link`.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}/{ROOM}", self.server.address)
    }

    /// The processor time that it has used.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.server.cpu()
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        self.server.resident()
    }

    /// Forgets what it has kept of the room.
    pub(crate) fn forget(&self) -> Result<()> {
        let answer = self.visit()?.ask(&format!("$JS.API.STREAM.PURGE.{ROOM}"))?;
        if answer.contains("\"success\":true") { Ok(()) } else { Err(Fault::unable("emptying the stream", answer)) }
    }

    /// What it keeps of the room.
    pub(crate) fn kept(&self) -> Result<Kept> {
        let answer = self.visit()?.ask(&format!("$JS.API.STREAM.INFO.{ROOM}"))?;
        let number = |key: &str| {
            let digits = answer.split_once(key)?.1;
            digits[..digits.find(|char: char| !char.is_ascii_digit())?].parse().ok()
        };
        let kept = || Some(Kept { messages: number("\"messages\":")?, bytes: number("\"bytes\":")? });
        kept().ok_or_else(|| Fault::unable("asking for the stream", &answer))
    }

    /// What has gone over the connections of those who are linked. Nothing, if ss is not there to say so.
    pub(crate) fn traffic(&self) -> Result<Option<Traffic>> {
        if find("ss").is_none() {
            return Ok(None);
        }
        let at = format!("( sport = :{} )", self.server.address.port());
        let mut command = Command::new("ss");
        command.args(["--tcp", "--info", "--numeric", "--no-header", "--oneline", "state", "established", &at]);
        let output = command.output().map_err(|error| Fault::unable("running ss", error))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let sum =
            |key: &str| said.split_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok()).sum();
        Ok(Some(Traffic { to: sum("bytes_received:"), from: sum("bytes_sent:") }))
    }

    /// Comes as somebody who is no server.
    pub(crate) fn visit(&self) -> Result<Visitor> {
        Visitor::come(self.server.address).map_err(|error| Fault::unable("coming to the broker", error))
    }
}

/// Somebody at the broker who is no server.
pub(crate) struct Visitor(BufReader<TcpStream>);

impl Visitor {
    fn come(broker: SocketAddrV4) -> io::Result<Self> {
        let stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut visitor = Self(BufReader::new(stream));
        visitor.0.get_mut().write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB answer 1\r\n")?;
        Ok(visitor)
    }

    /// Publishes what servers say of themselves, in one write.
    pub(crate) fn says<'a>(&mut self, of_themselves: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut bytes = Vec::new();
        for payload in of_themselves {
            let head = format!("PUB dynasti.{ROOM}.presence {}\r\n", payload.len());
            bytes.extend_from_slice(&[head.as_bytes(), payload.as_bytes(), b"\r\n"].concat());
        }
        self.0.get_mut().write_all(&bytes).map_err(|error| Fault::unable("publishing", error))
    }

    /// Asks something, and returns the answer.
    fn ask(mut self, subject: &str) -> Result<String> {
        self.answer(subject).map_err(|error| Fault::unable(format!("asking {subject}"), error))
    }

    fn answer(&mut self, subject: &str) -> io::Result<String> {
        self.0.get_mut().write_all(format!("PUB {subject} answer 0\r\n\r\n").as_bytes())?;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = line.strip_prefix("MSG answer 1 ") {
                let length = head.trim_end().parse().map_err(io::Error::other)?;
                let mut answer = vec![0; length];
                self.0.read_exact(&mut answer)?;
                return String::from_utf8(answer).map_err(io::Error::other);
            }
        }
    }
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("load-{}-broker-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        fs::create_dir_all(&folder.0).map_err(|error| Fault::unable("making a folder for the broker", error))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays lies among what cargo keeps for such.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn listening_for_clients(line: &str) -> Option<SocketAddrV4> {
    line.strip_suffix('\n')?.split_once("Listening for client connections on ")?.1.trim().parse().ok()
}
