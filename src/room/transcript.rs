//! The transcript: every public line with its time, appended to a file that the room never waits for.
//!
//! The room hands lines over and goes on; a [`Writer`] of its own puts them into the file on a thread that may block. A
//! power cut costs at most the last second. A line that one cut in two is recognised when the file is opened again.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use smol::{Timer, unblock};

use super::Notice;
use crate::text::line::clean;
use crate::text::message::Message;
use crate::text::name::Name;
use crate::text::time::{Span, Utc};
use crate::within::within;

/// What may wait for a disk that does not keep up; what is said beyond that is not written.
const MAX_WAITING: usize = 4 * 1024 * 1024;

/// What is written in one go.
const CHUNK: usize = 256 * 1024;

/// How long what is written may stay in the system's memory alone.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// A disk that takes longer than this over one thing is worth a word to the operator.
const SLOW: Duration = Duration::from_secs(5);

/// How long to wait before a disk that refused is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What is read back at most, whatever the file's size: more than the longest history anybody reads.
const MAX_TAIL: u64 = 4 * 1024 * 1024;

/// What is put after a line that a power cut cut in two.
const CUT_SHORT: &[u8] = b" [cut short]\n";

/// What was said before, oldest first.
pub type Earlier = Vec<(SystemTime, String)>;

/// The room's end: takes lines and never waits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Transcript {
    jobs: Sender<Job>,
    backlog: Arc<Backlog>,
}

/// The file's end.
#[derive(Debug)]
pub struct Writer {
    jobs: Receiver<Job>,
    backlog: Arc<Backlog>,
    path: PathBuf,
    file: Option<Arc<File>>,
    /// Whether the operator has been told that something is wrong, and not yet that it is well again.
    failing: bool,
    notices: Sender<Notice>,
}

#[derive(Debug)]
enum Job {
    Lines(Vec<u8>),
    Reopen,
}

#[derive(Debug, Default)]
struct Backlog {
    /// Bytes handed over and not written yet.
    waiting: AtomicUsize,
    /// Lines that were not taken because too many bytes waited.
    lost: AtomicU64,
}

/// What the operator is warned of.
#[derive(Debug)]
enum Trouble {
    /// The transcript cannot be written.
    Fails(io::Error),
    /// The disk has not taken within this time what it was given.
    Slow(Duration),
    /// The transcript is written again.
    Over { missing: u64 },
}

impl Trouble {
    fn in_words(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Trouble::Fails(error) => format!(
                "dynasti: cannot write the transcript {path}: {error}; the chat goes on, and writing is tried again every \
                 second"
            ),
            Trouble::Slow(time) => format!(
                "dynasti: the transcript {path} has not been written for {}: the disk is slow or stuck; the chat goes on, \
                 and lines wait for it in memory",
                Span(*time)
            ),
            Trouble::Over { missing } => {
                format!("dynasti: the transcript {path} is written again; lines missing from it: {missing}")
            }
        }
    }
}

/// Opens a transcript, and reads back the last `lines` of what was said from its end.
///
/// # Errors
/// When the file cannot be opened for reading and appending.
pub fn open(path: &Path, lines: usize, notices: Sender<Notice>) -> io::Result<(Transcript, Writer, Earlier)> {
    let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let (earlier, torn) = recall(&file, lines)?;
    let (put, jobs) = async_channel::unbounded();
    let backlog = Arc::new(Backlog::default());
    if torn {
        // The first thing that is written ends the line that is there.
        backlog.waiting.store(CUT_SHORT.len(), Ordering::Relaxed);
        let _ = put.try_send(Job::Lines(CUT_SHORT.to_vec()));
    }
    let transcript = Transcript { jobs: put, backlog: Arc::clone(&backlog) };
    let writer = Writer { jobs, backlog, path: path.into(), file: Some(Arc::new(file)), failing: false, notices };
    Ok((transcript, writer, earlier))
}

impl Transcript {
    /// Hands a public message over.
    pub(super) fn write(&self, at: SystemTime, message: &Message) {
        let size = message.bytes().len();
        if self.backlog.waiting.load(Ordering::Relaxed) + size > MAX_WAITING {
            self.backlog.lost.fetch_add(message.lines() as u64, Ordering::Relaxed);
            return;
        }
        let time = Utc::from(at).to_string();
        let mut lines = Vec::with_capacity(size + message.lines() * (time.len() + 1));
        for text in message.texts() {
            lines.extend_from_slice(time.as_bytes());
            lines.push(b' ');
            lines.extend_from_slice(text.as_bytes());
            lines.push(b'\n');
        }
        self.backlog.waiting.fetch_add(lines.len(), Ordering::Relaxed);
        // Fails only when the writer is gone, and with it the process's wish for a transcript.
        let _ = self.jobs.try_send(Job::Lines(lines));
    }

    /// Opens the file anew, which has perhaps been moved away.
    pub fn reopen(&self) {
        let _ = self.jobs.try_send(Job::Reopen);
    }

    /// No more lines are taken: the writer finishes.
    pub fn close(&self) {
        self.jobs.close();
    }
}

impl Writer {
    /// Writes until the transcript is closed and all of it is on the disk.
    pub async fn run(mut self) {
        let mut unsynced: Option<Instant> = None;
        loop {
            let next = async { Some(self.jobs.recv().await) };
            let due = async {
                match unsynced {
                    Some(since) => Timer::at(since + SYNC_EVERY).await,
                    None => std::future::pending().await,
                };
                None
            };
            match next.or(due).await {
                Some(Ok(job)) => {
                    let since = *unsynced.get_or_insert_with(Instant::now);
                    self.work(job).await;
                    // Where there is always more to write, the timer above never gets its turn.
                    if since.elapsed() < SYNC_EVERY {
                        continue;
                    }
                }
                Some(Err(_closed)) => return self.sync().await,
                None => {}
            }
            self.sync().await;
            unsynced = None;
        }
    }

    /// Does a job and what else waits, in one go as long as that is not too much.
    async fn work(&mut self, job: Job) {
        let (mut lines, mut reopen) = match job {
            Job::Lines(lines) => (lines, false),
            Job::Reopen => (Vec::new(), true),
        };
        while lines.len() < CHUNK && !reopen {
            match self.jobs.try_recv() {
                Ok(Job::Lines(more)) => lines.extend_from_slice(&more),
                Ok(Job::Reopen) => reopen = true,
                Err(_) => break,
            }
        }
        self.write(lines).await;
        if reopen {
            // The old file's last second is worth as much as any other.
            self.sync().await;
            self.file = None;
        }
    }

    /// Writes these lines, however long that takes; gives up only when the transcript is closed.
    async fn write(&mut self, lines: Vec<u8>) {
        let size = lines.len();
        let lines = Arc::new(lines);
        let mut written = 0;
        while written < size {
            let (file, path, rest) = (self.file.clone(), self.path.clone(), Arc::clone(&lines));
            let attempt = unblock(move || -> io::Result<(Arc<File>, usize)> {
                let file = match file {
                    Some(file) => file,
                    None => Arc::new(OpenOptions::new().append(true).create(true).open(path)?),
                };
                let n = (&*file).write(&rest[written..])?;
                Ok((file, n))
            });
            match self.watched(attempt).await {
                Ok((file, n)) => {
                    self.file = Some(file);
                    written += n;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.fails(&Trouble::Fails(error));
                    // Perhaps the file is moved away and another takes its place.
                    self.file = None;
                    if self.jobs.is_closed() {
                        break;
                    }
                    Timer::after(TRY_AGAIN).await;
                }
            }
        }
        self.backlog.waiting.fetch_sub(size, Ordering::Relaxed);
    }

    /// Puts what is written on the disk. Only then is a disk that failed well again.
    async fn sync(&mut self) {
        let Some(file) = self.file.clone() else { return };
        let synced = self.watched(unblock(move || file.sync_data())).await;
        match synced {
            // A pipe or a terminal cannot be synced and need not be.
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                self.fails(&Trouble::Fails(error));
            }
            _ => {
                let missing = self.backlog.lost.swap(0, Ordering::Relaxed);
                if std::mem::take(&mut self.failing) || missing > 0 {
                    self.warn(&Trouble::Over { missing });
                }
            }
        }
    }

    /// Waits for the disk, and says so when that takes long.
    async fn watched<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Some(done) = within(SLOW, work.as_mut()).await {
            return done;
        }
        self.fails(&Trouble::Slow(SLOW));
        work.await
    }

    /// Something is wrong. It is told once, whatever is wrong with it next.
    fn fails(&mut self, trouble: &Trouble) {
        if !std::mem::replace(&mut self.failing, true) {
            self.warn(trouble);
        }
    }

    fn warn(&self, trouble: &Trouble) {
        let _ = self.notices.try_send(Notice::Warning(trouble.in_words(&self.path)));
    }
}

/// The last `lines` of what was said, and whether the file ends in a line that was cut in two.
fn recall(mut file: &File, lines: usize) -> io::Result<(Earlier, bool)> {
    let about = file.metadata()?;
    if !about.is_file() {
        // A pipe or a device: nothing that could be read back, and reading might wait for ever.
        return Ok((Earlier::new(), false));
    }
    let size = about.len();
    let start = size.saturating_sub(MAX_TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(MAX_TAIL).read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = String::from_utf8_lossy(&tail[..whole]);
    // Where the tail begins in the middle of a line, that is none.
    let skip = usize::from(start > 0);
    let mut said = VecDeque::new();
    for line in text.lines().skip(skip).filter_map(read) {
        said.push_back(line);
        if said.len() > lines {
            said.pop_front();
        }
    }
    Ok((said.into(), whole < tail.len()))
}

/// A line of the file, if it is what somebody said: news is not recalled.
fn read(line: &str) -> Option<(SystemTime, String)> {
    let (time, text) = line.split_once(' ')?;
    let at = Utc::parse(time)?;
    // Anybody may have edited the file.
    let text = clean(text);
    let by_somebody = text.split_once(": ").is_some_and(|(name, _)| name == "[SERVER]" || Name::parse(name).is_ok());
    (by_somebody || text.starts_with("* ")).then(|| (at, text.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::tests::message;

    #[test]
    fn what_was_said_is_read_back_and_nothing_else() {
        let said = |line: &str| read(line).map(|(_, text)| text);
        assert_eq!(said("2026-11-22T19:04:05Z Ann: text").as_deref(), Some("Ann: text"));
        assert_eq!(said("2026-11-22T19:04:05Z * Ann waves").as_deref(), Some("* Ann waves"));
        assert_eq!(said("2026-11-22T19:04:05Z [SERVER]: hi").as_deref(), Some("[SERVER]: hi"));
        assert_eq!(said("2026-11-22T19:04:05Z Ann: a\u{1b}[2Jb").as_deref(), Some("Ann: ab"));
        for line in [
            "2026-11-22T19:04:05Z Ann has joined the chat.",
            "2026-11-22T19:04:05Z Ann has left the chat (kicked: spam).",
            "2026-11-22T19:04:05Z Ann is now known as Anna.",
            "2026-11-22T19:04:0",
            "19:04:05Z Ann: torn at its beginning",
            "-- not a time",
            "",
        ] {
            assert_eq!(said(line), None, "{line}");
        }
    }

    /// A file of its own in the system's place for such, gone with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            Scratch(std::env::temp_dir().join(format!("dynasti-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn earlier(path: &Path, lines: usize) -> Vec<String> {
        let (_, _, earlier) = open(path, lines, async_channel::bounded(1).0).unwrap();
        earlier.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn lines_are_appended_and_recalled_and_a_torn_one_is_not() {
        let scratch = Scratch::new("torn");
        std::fs::write(
            &scratch.0,
            "2026-11-22T19:04:05Z Ann: one\n2026-11-22T19:04:06Z Ann: two\n2026-11-22T19:04:07Z A",
        )
        .unwrap();
        let (transcript, writer, before) = open(&scratch.0, 1, async_channel::bounded(1).0).unwrap();
        assert_eq!(before[0].1, "Ann: two");
        transcript.write(SystemTime::UNIX_EPOCH, &message("Bob: three"));
        transcript.close();
        smol::block_on(writer.run());
        let written = std::fs::read_to_string(&scratch.0).unwrap();
        assert!(written.ends_with("07Z A [cut short]\n1970-01-01T00:00:00Z Bob: three\n"), "{written}");
        assert_eq!(earlier(&scratch.0, 9), ["Ann: one", "Ann: two", "Bob: three"]);
    }

    #[test]
    fn only_the_end_of_a_large_file_is_read() {
        let scratch = Scratch::new("large");
        let line = format!("2026-11-22T19:04:05Z Ann: {}\n", "x".repeat(1000));
        let mut lines = line.repeat(MAX_TAIL as usize / line.len() + 10);
        lines.push_str("2026-11-22T19:04:05Z Ann: last\n");
        std::fs::write(&scratch.0, &lines).unwrap();
        let earlier = earlier(&scratch.0, usize::MAX);
        assert_eq!(earlier.last().unwrap(), "Ann: last");
        assert!(earlier.len() <= MAX_TAIL as usize / line.len() + 1);
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let (scratch, moved) = (Scratch::new("rotated"), Scratch::new("moved"));
        let (transcript, writer, _) = open(&scratch.0, 1, async_channel::bounded(1).0).unwrap();
        transcript.write(SystemTime::UNIX_EPOCH, &message("Ann: one"));
        transcript.reopen();
        transcript.write(SystemTime::UNIX_EPOCH, &message("Ann: two"));
        transcript.close();
        std::fs::rename(&scratch.0, &moved.0).unwrap();
        smol::block_on(writer.run());
        assert_eq!(earlier(&moved.0, 9), ["Ann: one"]);
        assert_eq!(earlier(&scratch.0, 9), ["Ann: two"]);
    }

    #[test]
    fn a_disk_that_is_full_is_reported_once_and_holds_nobody_up() {
        let (notices, told) = async_channel::bounded(9);
        let (transcript, writer, _) = open(Path::new("/dev/full"), 0, notices).unwrap();
        for _ in 0..10 {
            transcript.write(SystemTime::UNIX_EPOCH, &message(&"x".repeat(MAX_WAITING / 5)));
        }
        transcript.close();
        smol::block_on(writer.run());
        let Notice::Warning(first) = told.try_recv().unwrap() else { panic!() };
        assert!(first.contains("/dev/full"));
    }

    #[test]
    fn trouble_is_told_in_words() {
        let path = Path::new("/t");
        for (trouble, words) in [
            (
                Trouble::Fails(io::ErrorKind::StorageFull.into()),
                "dynasti: cannot write the transcript /t: no storage space; the chat goes on, and writing is tried again \
                 every second",
            ),
            (
                Trouble::Slow(SLOW),
                "dynasti: the transcript /t has not been written for 5 s: the disk is slow or stuck; the chat goes on, and \
                 lines wait for it in memory",
            ),
            (Trouble::Over { missing: 3 }, "dynasti: the transcript /t is written again; lines missing from it: 3"),
        ] {
            assert_eq!(trouble.in_words(path), words);
        }
    }
}
