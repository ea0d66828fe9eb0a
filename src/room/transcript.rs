//! The transcript: every public line with its time, appended to a file that the room never waits for.
//!
//! The [`Writer`] reads the log like any other reader, and writes on a thread that may block. When it is too far
//! behind, it skips what it has not read, and warns how many lines that were. A power cut loses at most the last
//! second. If it cuts a line in two, the writer notices that when it opens the file again.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use smol::Timer;

use super::log::Size;
use super::outputs::Warnings;
use super::reader::{Reader, Written};
use crate::blocking::unblock;
use crate::text::line::clean;
use crate::text::spoken::Spoken;
use crate::text::time::{Span, Utc};
use crate::within::within;

/// How far the transcript may be behind the room: as much as is said in the worst minute of a slow disk. What is said
/// beyond that is not written.
pub(super) const MAX_BACKLOG: Size = Size { lines: 16 * 1024, bytes: 4 * 1024 * 1024 };

/// What is written in one go, in bytes.
const CHUNK: usize = 256 * 1024;

/// How often what is written is flushed to the disk. Until then it is in the system's memory alone.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// After this time for one write or flush, the operator is warned that the disk is slow.
const SLOW: Duration = Duration::from_secs(5);

/// How long to wait after an error before the next attempt.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How much of the file's end is read back at most, in bytes: more than the longest history that anybody reads.
const MAX_TAIL: u64 = 4 * 1024 * 1024;

/// What is written after a line that a power cut has cut in two.
const CUT_SHORT: &[u8] = b" [cut short]\n";

/// What was said before, oldest first.
pub type Earlier = Vec<(SystemTime, String)>;

/// The process's handle of a transcript. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Transcript {
    reopen: Sender<()>,
    unwritten: Arc<AtomicU64>,
}

/// The task that writes the file.
#[derive(Debug)]
pub struct Writer {
    reopen: Receiver<()>,
    /// Lines that were read and are not in the file yet, or that were skipped.
    unwritten: Arc<AtomicU64>,
    path: PathBuf,
    file: Option<Arc<File>>,
    /// Whether the file ends in a line that was cut in two.
    torn: bool,
    /// Whether the operator was warned that something is wrong, and not yet that it is over.
    failing: bool,
    warnings: Warnings,
}

/// What the operator is warned of.
#[derive(Debug)]
enum Trouble {
    /// The transcript cannot be written.
    Fails(io::Error),
    /// One write or flush takes longer than this.
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
pub fn open(path: &Path, lines: usize, warnings: Warnings) -> io::Result<(Transcript, Writer, Earlier)> {
    let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let (earlier, torn) = recall(&file, lines)?;
    let (put, reopen) = async_channel::bounded(1);
    let unwritten = Arc::new(AtomicU64::new(0));
    let transcript = Transcript { reopen: put, unwritten: Arc::clone(&unwritten) };
    let (path, file) = (path.into(), Some(Arc::new(file)));
    Ok((transcript, Writer { reopen, unwritten, path, file, torn, failing: false, warnings }, earlier))
}

impl Transcript {
    /// Closes the file and opens it anew, as is needed after it was moved away.
    pub fn reopen(&self) {
        let _ = self.reopen.try_send(());
    }

    /// Returns how many lines the writer has read from the log, or skipped, and not put into the file.
    pub fn unwritten(&self) -> u64 {
        self.unwritten.load(Relaxed)
    }
}

/// What a writer does next.
enum Next {
    Write,
    Reopen,
    Sync,
}

impl Writer {
    /// Writes what the reader gets, until the room ends the reader and all is on the disk.
    pub async fn run(mut self, mut reader: Reader) {
        let mut unsynced: Option<Instant> = None;
        loop {
            let write = async {
                let _ = reader.notified().await;
                Next::Write
            };
            let reopen = async {
                match self.reopen.recv().await {
                    Ok(()) => Next::Reopen,
                    Err(_closed) => std::future::pending().await,
                }
            };
            let sync = async {
                match unsynced {
                    Some(since) => Timer::at(since + SYNC_EVERY).await,
                    None => std::future::pending().await,
                };
                Next::Sync
            };
            let next = write.or(reopen).or(sync).await;
            let mut written = Written::All;
            if !matches!(next, Next::Sync) {
                unsynced.get_or_insert_with(Instant::now);
                written = self.write_all(&mut reader, &mut unsynced).await;
            }
            // While there is always more to write, the timer above never gets its turn.
            let due = unsynced.is_some_and(|since| since.elapsed() >= SYNC_EVERY);
            if due || matches!(next, Next::Reopen) || matches!(written, Written::End(_)) {
                self.sync().await;
                unsynced = None;
            }
            match (next, written) {
                (_, Written::End(_)) => return,
                // The old file is on the disk, because it was flushed above. The next write opens the new one.
                (Next::Reopen, _) => self.file = None,
                _ => {}
            }
        }
    }

    /// Writes all that there is to read.
    async fn write_all(&mut self, reader: &mut Reader, unsynced: &mut Option<Instant>) -> Written {
        loop {
            let mut lines = if mem::take(&mut self.torn) { CUT_SHORT.to_vec() } else { Vec::new() };
            let mut count = 0;
            let written = reader.entries(CHUNK, |at, text| {
                let time = Utc::from(at).to_string();
                for line in text.split_inclusive(|byte| *byte == b'\n') {
                    lines.extend_from_slice(time.as_bytes());
                    lines.push(b' ');
                    lines.extend_from_slice(line);
                    count += 1;
                }
            });
            // The disk may take long.
            reader.park();
            self.unwritten.fetch_add(count + reader.take_lost(), Relaxed);
            if self.write(lines, reader).await {
                self.unwritten.fetch_sub(count, Relaxed);
            }
            if unsynced.is_some_and(|since| since.elapsed() >= SYNC_EVERY) {
                self.sync().await;
                *unsynced = Some(Instant::now());
            }
            // While it waited for the disk, the writer may have been woken by what is said since.
            if written != Written::Part && count == 0 {
                return written;
            }
        }
    }

    /// Writes these lines, however long that takes. Gives up, and returns false, only when the room ends meanwhile.
    async fn write(&mut self, lines: Vec<u8>, reader: &Reader) -> bool {
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
                    // The next attempt opens the file by its name again, because it may have been moved away.
                    self.file = None;
                    if within(TRY_AGAIN, reader.ending()).await.is_some() {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Flushes what is written to the disk. Only after that succeeds is a trouble with the disk over.
    async fn sync(&mut self) {
        let Some(file) = self.file.clone() else { return };
        let synced = self.watched(unblock(move || file.sync_data())).await;
        match synced {
            // A pipe or a terminal cannot be synced and need not be.
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                self.fails(&Trouble::Fails(error));
            }
            _ => {
                // All lines that were read are written by now, so the count is of lines that were skipped.
                let missing = self.unwritten.swap(0, Relaxed);
                if mem::take(&mut self.failing) || missing > 0 {
                    self.warn(&Trouble::Over { missing });
                }
            }
        }
    }

    /// Waits for the disk. Warns when that takes long.
    async fn watched<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Some(done) = within(SLOW, work.as_mut()).await {
            return done;
        }
        self.fails(&Trouble::Slow(SLOW));
        work.await
    }

    /// Warns that something is wrong, unless such a warning stands already.
    fn fails(&mut self, trouble: &Trouble) {
        if !mem::replace(&mut self.failing, true) {
            self.warn(trouble);
        }
    }

    fn warn(&self, trouble: &Trouble) {
        self.warnings.warn(trouble.in_words(&self.path));
    }
}

/// The last `lines` of what was said, and whether the file ends in a line that was cut in two.
fn recall(mut file: &File, lines: usize) -> io::Result<(Earlier, bool)> {
    let about = file.metadata()?;
    if !about.is_file() {
        // A pipe or a device holds nothing to read back, and reading it might wait for ever.
        return Ok((Earlier::new(), false));
    }
    let size = about.len();
    let start = size.saturating_sub(MAX_TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(MAX_TAIL).read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = String::from_utf8_lossy(&tail[..whole]);
    // Where the tail does not begin with the file, its first line may be a part of one.
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

/// Reads a line of the file, if it is what somebody said. News and files are not recalled.
fn read(line: &str) -> Option<(SystemTime, String)> {
    let (time, text) = line.split_once(' ')?;
    let at = Utc::parse(time)?;
    // Anybody may have edited the file.
    let text = clean(text);
    let by_somebody = matches!(Spoken::read(&text), Spoken::Said(..) | Spoken::Server(_) | Spoken::Emote(_));
    by_somebody.then(|| (at, text.into_owned()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::pin::Pin;

    use futures_lite::future::{poll_once, yield_now};
    use smol::block_on;

    use super::*;
    use crate::room::outputs::{Warned, warnings};
    use crate::room::state::{Now, Options, State};
    use crate::room::tests::message;
    use crate::text::message::Message;
    use crate::text::name::Name;

    #[test]
    fn what_was_said_is_read_back_and_nothing_else() {
        let said = |line: &str| read(line).map(|(_, text)| text);
        assert_eq!(said("2026-11-22T19:04:05Z Ann: text").as_deref(), Some("Ann: text"));
        assert_eq!(said("2026-11-22T19:04:05Z * Ann waves").as_deref(), Some("* Ann waves"));
        assert_eq!(said("2026-11-22T19:04:05Z [SERVER]: hi").as_deref(), Some("[SERVER]: hi"));
        // On other servers, too.
        assert_eq!(said("2026-11-22T19:04:05Z Ann@pi2: hi").as_deref(), Some("Ann@pi2: hi"));
        assert_eq!(said("2026-11-22T19:04:05Z [SERVER@pi2]: hi").as_deref(), Some("[SERVER@pi2]: hi"));
        assert_eq!(said("2026-11-22T19:04:05Z -- The link to nats://pi:4222 is down: x"), None);
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
            let _ = std::fs::remove_file(&self.0).or_else(|_| std::fs::remove_dir_all(&self.0));
        }
    }

    fn earlier(path: &Path, lines: usize) -> Vec<String> {
        let (_, _, earlier) = open(path, lines, warnings().0).unwrap();
        earlier.into_iter().map(|(_, text)| text).collect()
    }

    /// A room that is transcribed.
    struct Transcribed {
        state: State,
        transcript: Transcript,
        warned: Warned,
        warnings: RefCell<Vec<String>>,
    }

    impl Transcribed {
        fn new(path: &Path) -> (Transcribed, Writer, Reader) {
            let (warnings, warned) = warnings();
            let (transcript, writer, _) = open(path, 0, warnings).unwrap();
            let options = Options { transcript: true, ..Options::default() };
            let (state, outputs) = State::new(options, async_channel::bounded(1).0, Now::read());
            let room = Transcribed { state, transcript, warned, warnings: RefCell::default() };
            (room, writer, outputs.transcript.unwrap())
        }

        /// Somebody says something, at this time.
        fn says(&mut self, at: SystemTime, text: &str) {
            self.say(at, message(text));
        }

        fn say(&mut self, at: SystemTime, said: Message) {
            self.state.post(said, crate::room::log::Kind::Said, None, Now { system: at, ..Now::read() });
            // Whether several speak or not: nobody waits here.
            self.state.publish_due(Now { instant: Instant::now() + Duration::from_secs(1), ..Now::read() });
        }

        fn ends(&mut self) {
            self.state.end_outputs(Now::read());
        }

        /// The warnings so far.
        fn warnings(&self) -> Vec<String> {
            let mut warnings = self.warnings.borrow_mut();
            while let Some(Some((warning, _))) = block_on(poll_once(self.warned.next())) {
                warnings.push(warning);
            }
            warnings.clone()
        }
    }

    /// Runs a writer until something is so.
    fn run_until(writer: &mut Pin<Box<impl Future<Output = ()>>>, so: impl Fn() -> bool) {
        let (writing, seen) = (writer.as_mut(), async {
            while !so() {
                yield_now().await;
            }
        });
        let writing = async {
            writing.await;
            panic!("the writer has ended");
        };
        let seen = smol::block_on(within(Duration::from_secs(10), seen.or(writing)));
        assert!(seen.is_some(), "in vain");
    }

    fn content(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn lines_are_appended_and_recalled_and_a_torn_one_is_not() {
        let scratch = Scratch::new("torn");
        std::fs::write(
            &scratch.0,
            "2026-11-22T19:04:05Z Ann: one\n2026-11-22T19:04:06Z Ann: two\n2026-11-22T19:04:07Z A",
        )
        .unwrap();
        let (_, _, before) = open(&scratch.0, 1, warnings().0).unwrap();
        assert_eq!(before[0].1, "Ann: two");
        let (mut room, writer, reader) = Transcribed::new(&scratch.0);
        room.says(START, "Bob: three");
        room.ends();
        block_on(writer.run(reader));
        let written = content(&scratch.0);
        assert!(written.ends_with("07Z A [cut short]\n1970-01-01T00:00:00Z Bob: three\n"), "{written}");
        assert_eq!(earlier(&scratch.0, 9), ["Ann: one", "Ann: two", "Bob: three"]);
        assert_eq!((room.transcript.unwritten(), room.warnings()), (0, vec![]));
    }

    #[test]
    fn each_line_is_written_once_in_its_order_and_with_its_own_time() {
        let scratch = Scratch::new("times");
        let (mut room, writer, reader) = Transcribed::new(&scratch.0);
        let (mut expected, mut seconds) = (String::new(), 0);
        let mut says = |room: &mut Transcribed, texts: &[&str]| {
            seconds += 1;
            let at = START + Duration::from_secs(seconds);
            let mut block = Message::default();
            for text in texts {
                block.append(&message(text));
                expected += &format!("{} {text}\n", Utc::from(at));
            }
            room.say(at, block);
        };
        let mut writer = Box::pin(writer.run(reader));
        // More than one chunk before the writer looks, and then some more.
        let long = format!("Ann: {}", "x".repeat(4000));
        (0..CHUNK / 4000 * 2).for_each(|_| says(&mut room, &[&long]));
        says(&mut room, &["Bob: a block", "Bob: of two lines"]);
        run_until(&mut writer, || content(&scratch.0).ends_with("Bob: of two lines\n"));
        says(&mut room, &["Ann: and more"]);
        room.ends();
        block_on(writer);
        assert!(content(&scratch.0) == expected);
        assert_eq!((room.transcript.unwritten(), room.warnings()), (0, vec![]));
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
        let (mut room, writer, reader) = Transcribed::new(&scratch.0);
        let mut writer = Box::pin(writer.run(reader));
        room.says(START, "Ann: one");
        run_until(&mut writer, || content(&scratch.0).ends_with("Ann: one\n"));
        std::fs::rename(&scratch.0, &moved.0).unwrap();
        room.transcript.reopen();
        run_until(&mut writer, || room.transcript.reopen.is_empty());
        room.says(START, "Ann: two");
        room.ends();
        block_on(writer);
        assert_eq!(earlier(&moved.0, 9), ["Ann: one"]);
        assert_eq!(earlier(&scratch.0, 9), ["Ann: two"]);
    }

    #[test]
    fn a_disk_that_is_full_is_reported_once_and_given_up_only_at_the_end() {
        let (mut room, writer, reader) = Transcribed::new(Path::new("/dev/full"));
        let mut writer = Box::pin(writer.run(reader));
        room.says(START, "Ann: one");
        run_until(&mut writer, || room.transcript.unwritten() == 1);
        (0..9).for_each(|_| room.says(START, &"x".repeat(MAX_BACKLOG.bytes as usize / 10)));
        run_until(&mut writer, || !room.warnings().is_empty());
        assert!(block_on(poll_once(&mut writer)).is_none());
        room.ends();
        block_on(writer);
        let warnings = room.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("/dev/full"), "{warnings:?}");
        assert_eq!(room.transcript.unwritten(), 10);
    }

    #[test]
    fn what_a_disk_is_too_slow_for_is_left_out_and_counted_once() {
        for (lines, text) in [(MAX_BACKLOG.lines, "x".into()), (MAX_BACKLOG.bytes / 4001, "x".repeat(4000))] {
            let scratch = Scratch::new(&format!("behind{}", text.len()));
            let (mut room, writer, reader) = Transcribed::new(&scratch.0);
            let behind = |room: &Transcribed| room.state.transcript_behind();
            (0..lines).for_each(|_| room.says(START, &text));
            assert_eq!(behind(&room), lines);
            (0..99).for_each(|_| room.says(START, &text));
            room.says(START, "Ann: last");
            assert_eq!(behind(&room), lines + 100, "whether it is to skip them or not");
            let mut writer = Box::pin(writer.run(reader));
            run_until(&mut writer, || content(&scratch.0).ends_with("Ann: last\n"));
            assert_eq!(behind(&room), 0);
            room.says(START, "Ann: and more");
            room.ends();
            block_on(writer);
            let written = content(&scratch.0).lines().count() as u64;
            assert!((99..=101).contains(&written), "{written}");
            let missing = lines + 101 - written;
            let path = scratch.0.display();
            let expected = format!("dynasti: the transcript {path} is written again; lines missing from it: {missing}");
            assert_eq!(room.warnings(), [expected]);
            assert_eq!(room.transcript.unwritten(), 0);
        }
    }

    #[test]
    fn what_is_said_while_a_disk_fails_is_written_as_soon_as_it_is_well() {
        let scratch = Scratch::new("well");
        let (mut room, mut writer, reader) = Transcribed::new(Path::new("/dev/null"));
        (writer.path, writer.file) = (scratch.0.join("in no directory"), None);
        let mut writer = Box::pin(writer.run(reader));
        room.says(START, "Ann: one");
        run_until(&mut writer, || !room.warnings().is_empty());
        room.says(START, "Ann: two");
        // The writer has heard of it, and waits for its disk all the same.
        assert!(block_on(poll_once(&mut writer)).is_none());
        std::fs::create_dir(&scratch.0).unwrap();
        let file = scratch.0.join("in no directory");
        run_until(&mut writer, || content(&file).ends_with("Ann: two\n"));
        assert_eq!(content(&file).lines().count(), 2);
    }

    #[test]
    fn a_disk_that_is_stuck_keeps_no_more_of_the_log_in_memory_than_the_backlog() {
        let (mut room, writer, reader) = Transcribed::new(Path::new("/dev/full"));
        let mut writer = Box::pin(writer.run(reader));
        room.says(START, "Ann: one");
        let kept = reader_at_the_head(&mut room.state);
        run_until(&mut writer, || !room.warnings().is_empty());
        let much = "x".repeat(MAX_BACKLOG.bytes as usize / 10);
        (0..9).for_each(|_| room.says(START, &much));
        assert!(kept(), "as long as it is not too much");
        (0..9).for_each(|_| room.says(START, &much));
        assert!(!kept());
        assert!(room.state.transcript_behind() < 20, "{}", room.state.transcript_behind());
    }

    /// Whether what is said from now on is kept in memory.
    fn reader_at_the_head(state: &mut State) -> impl Fn() -> bool + use<> {
        let now = Now::read();
        let mut reader = state.enter(([127, 0, 0, 1], 1).into(), Message::greeting(), now).unwrap();
        state.join(reader.id(), &Name::parse("Ann").unwrap(), now).unwrap();
        reader.write(&mut Vec::new()).unwrap();
        reader.segment()
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
        let guide = include_str!("../guide/trouble.md");
        for warning in
            ["cannot write the transcript ", " has not been written for 5 s", " is written again; lines missing"]
        {
            assert!(guide.contains(warning), "the guide explains {warning:?}");
        }
    }
}
