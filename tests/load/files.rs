//! The servers of files that are compared, and how fast each takes and gives one: dynasti beside what people use today.
//! Knows nothing of how a file goes over the wire.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, mem};

use crate::fault::{Fault, Result};
use crate::peers::{Peer, find, free_port};
use crate::process::Process;
use crate::report::Figure;
use crate::room::Room;
use crate::transfer::{Connection, field};
use crate::workloads::{self, Figures};

/// The length of the file in bytes, and in megabytes.
const LENGTH: usize = 30_000_000;
const MEGABYTES: f64 = LENGTH as f64 / 1e6;
/// What it is called where a folder is served.
const NAME: &str = "file";
/// What dynasti has for files, in MiB: enough that one is not forgotten before it is fetched while others are sent.
const ROOM_FOR_FILES: &str = "256";
/// How many clients chat while files are on their way.
const CLIENTS: usize = 10;

/// The workloads' names.
pub(crate) const RATES: &str = "one client, a file of 30 MB";
pub(crate) const BESIDE: &str = "latency, 10 clients, 10 lines/s, while a file is sent and another fetched";

/// Where a server of files comes from.
enum Source {
    /// dynasti, or what is called as it is; its number among the peers.
    Ours(usize),
    Python(PathBuf),
    Dufs(PathBuf),
}

/// One of the servers of files that are compared.
pub(crate) struct FileServer {
    /// The head of its column.
    pub(crate) name: String,
    source: Source,
}

impl FileServer {
    /// Those of `peers` that keep files and, where `others` are wanted, what people use today, as far as it is
    /// installed.
    pub(crate) fn all(peers: &[Peer], others: bool) -> Vec<Self> {
        let ours = peers.iter().enumerate().filter(|(_, peer)| peer.is_ours());
        let ours = ours.map(|(number, peer)| Self { name: peer.name.clone(), source: Source::Ours(number) });
        let installed = |name: &str, program, source: fn(PathBuf) -> Source| {
            find(program).filter(|_| others).map(|path| Self { name: name.into(), source: source(path) })
        };
        let python = installed("python3 -m http.server", "python3", Source::Python);
        ours.chain(python).chain(installed("dufs", "dufs", Source::Dufs)).collect()
    }

    /// Which of the peers it is, if it is one.
    pub(crate) fn peer<'a>(&self, peers: &'a [Peer]) -> Option<&'a Peer> {
        if let Source::Ours(number) = self.source { peers.get(number) } else { None }
    }

    /// Starts it, and has it keep `file`.
    pub(crate) fn start<'a>(&self, peers: &[Peer], file: &'a File) -> Result<Shelf<'a>> {
        let mut server = Process::start_web(self.command(peers, &file.folder)?)?;
        let mut connection = Connection::open(server.page()?)?;
        let (send, fetch) = match self.source {
            Source::Ours(_) => {
                let send = format!("POST /sessions/{}/files?name={NAME}", connection.join("sender")?);
                (Some(send.clone()), send_to(&mut connection, &send, file)?.unwrap_or_default())
            }
            Source::Python(_) => (None, format!("GET /{NAME}")),
            Source::Dufs(_) => (Some(format!("PUT /sent-{NAME}")), format!("GET /{NAME}")),
        };
        let mut shelf = Shelf { server, connection, send, fetch, file };
        shelf.check()?;
        Ok(shelf)
    }

    /// What starts it on a free port of 127.0.0.1.
    fn command(&self, peers: &[Peer], folder: &Path) -> Result<Command> {
        match &self.source {
            Source::Ours(number) => peers[*number].command_with_page(),
            Source::Python(path) => {
                let mut command = Command::new(path);
                // Unbuffered, or it would not say where it listens. By HTTP/1.1 its connection stays, and so does the
                // thread whose time is counted.
                command.args(["-u", "-m", "http.server", "--protocol", "HTTP/1.1", "--bind", "127.0.0.1"]);
                command.arg("--directory").arg(folder).arg("0");
                Ok(command)
            }
            Source::Dufs(path) => {
                let port = free_port().map_err(|error| Fault::unable("finding a free port", error))?;
                let mut command = Command::new(path);
                command.args(["--allow-all", "--bind", "127.0.0.1", "--port", &port.to_string()]).arg(folder);
                Ok(command)
            }
        }
    }
}

/// The file that is sent and fetched, in memory and in a folder; dropping it removes that.
pub(crate) struct File {
    bytes: Vec<u8>,
    folder: PathBuf,
}

impl File {
    /// Writes it. No two pieces of it are the same.
    pub(crate) fn new() -> Result<Self> {
        let numbers = 0..LENGTH as u32 / 4;
        let bytes: Vec<u8> = numbers.flat_map(|number| number.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("load-{}-files", std::process::id()));
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join(NAME), &bytes))
            .map_err(|error| Fault::unable("writing a file to be fetched", error))?;
        Ok(Self { bytes, folder })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // What stays lies among what cargo keeps for such.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A running server that keeps the file, and one client's connection to it.
pub(crate) struct Shelf<'a> {
    server: Process,
    connection: Connection,
    /// The request that sends the file, if it takes any.
    send: Option<String>,
    /// The request that fetches it.
    fetch: String,
    file: &'a File,
}

impl Shelf<'_> {
    /// How fast it takes the file and gives it, so many times each.
    pub(crate) fn rates(&mut self, times: usize) -> Result<Figures> {
        let mut figures = Vec::new();
        if let Some(send) = self.send.clone() {
            let (rate, cost) = self.timed(times, |shelf| {
                let newest = send_to(&mut shelf.connection, &send, shelf.file)?;
                // What was sent earlier may be forgotten by now.
                shelf.fetch = newest.unwrap_or(mem::take(&mut shelf.fetch));
                Ok(())
            })?;
            figures.extend([(Figure::Upload, rate), (Figure::UploadCpu, cost)]);
        }
        let (rate, cost) = self.timed(times, |shelf| fetch_from(&mut shelf.connection, &shelf.fetch, |_| {}))?;
        figures.extend([(Figure::Download, rate), (Figure::DownloadCpu, cost)]);
        Ok(figures)
    }

    /// Megabytes a second, and microseconds of the server's processor time for each.
    fn timed(&mut self, times: usize, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<(f64, f64)> {
        let (begun, before) = (Instant::now(), self.server.cpu()?);
        for _ in 0..times {
            each(self)?;
        }
        let (taken, cpu) = (begun.elapsed(), self.server.cpu()?.saturating_sub(before));
        let megabytes = MEGABYTES * times as f64;
        Ok((megabytes / taken.as_secs_f64(), cpu.as_secs_f64() * 1e6 / megabytes))
    }

    /// Fetches the file, and compares it.
    fn check(&mut self) -> Result<()> {
        let mut rest = &self.file.bytes[..];
        let mut same = true;
        fetch_from(&mut self.connection, &self.fetch, |piece| match rest.split_at_checked(piece.len()) {
            Some((expected, after)) if expected == piece => rest = after,
            _ => same = false,
        })?;
        if same && rest.is_empty() { Ok(()) } else { Err(Fault::Wrong("a file came back as another".into())) }
    }
}

/// Sends the file, and returns the request that fetches it, if the answer says so.
fn send_to(connection: &mut Connection, request: &str, file: &File) -> Result<Option<String>> {
    let head = connection.ask(request, &file.bytes, |_| {})?;
    Ok(field(&head, "Location").map(|path| format!("GET {path}")))
}

fn fetch_from(connection: &mut Connection, request: &str, take: impl FnMut(&[u8])) -> Result<()> {
    connection.ask(request, b"", take).map(drop)
}

/// How long lines take in a small room of `peer` while one client sends the file again and again, and another fetches
/// it.
pub(crate) fn latency(peer: &Peer, file: &File, window: Duration) -> Result<Figures> {
    let mut server = Process::start(peer.command_with_files(ROOM_FOR_FILES)?)?;
    let page = server.page()?;
    let (mut sending, mut fetching) = (Connection::open(page)?, Connection::open(page)?);
    // Whoever sends comes before all others, who so are not told of it.
    let send = format!("POST /sessions/{}/files?name={NAME}", sending.join("sender")?);
    let mut room = Room::of(peer, server)?;
    let newest = Mutex::new(send_to(&mut sending, &send, file)?.unwrap_or_default());
    room.fill(CLIENTS)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            while !over.load(Relaxed) {
                let sent = send_to(&mut sending, &send, file)?;
                *lock(&newest) = sent.unwrap_or_default();
            }
            Ok(())
        });
        let fetcher = scope.spawn(|| {
            while !over.load(Relaxed) {
                let request = lock(&newest).clone();
                fetch_from(&mut fetching, &request, |_| {})?;
            }
            Ok(())
        });
        let found = workloads::latency(&mut room, CLIENTS, window);
        over.store(true, Relaxed);
        for transfers in [sender, fetcher] {
            transfers.join().unwrap_or_else(|_| Err(Fault::Unable("a thread has panicked".into())))?;
        }
        found
    })
}

fn lock(request: &Mutex<String>) -> MutexGuard<'_, String> {
    request.lock().unwrap_or_else(PoisonError::into_inner)
}
