//! One reader of the log: its cursor, what is for it alone, and its notification, an async-channel of one.
//!
//! The room holds a [`Handle`], the task that reads holds the [`Reader`]. What is for one reader alone waits with that
//! reader, marked with the position that it belongs to, so that the reader gets one stream in one order. An idle reader
//! holds no buffer. Knows nothing of sockets: what is written to is anything that writes.

use std::io::{self, IoSlice, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_channel::{Receiver, Recv, Sender};

use super::log::{Cursor, Id, Listener, Size, Walk};

/// How many slices one system call is given at most. A segment is two, if its reader spoke once in it; past a few
/// segments nothing is gained.
const SLICES: usize = 16;

/// What a direct message takes in memory besides its bytes: its place in a list that grows by doubling, and what the
/// allocator adds.
pub(super) const OVERHEAD: usize = 128;

/// What is for one reader alone.
#[derive(Debug)]
struct Direct {
    /// It comes after what stands before this position, in bytes.
    position: u64,
    /// As large as it has to be, which a text that has grown by doubling is not.
    bytes: Box<[u8]>,
    lines: u64,
    then: Then,
}

/// What a reader does once it has passed a direct message.
#[derive(Debug)]
enum Then {
    GoOn,
    /// It reads the log from here on.
    Follow(Cursor),
    End(End),
}

/// Why a reader ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its connection ends, or is ended.
    Left,
    /// It was too slow: what it has not read is skipped, but for the last words.
    TooSlow,
    /// The room closes.
    Closing,
}

/// What both ends of a reader see. All of it but `incoming` is figures, each of which is right for itself.
#[derive(Debug, Default)]
struct Shared {
    /// The position up to which the log is read.
    passed_lines: AtomicU64,
    passed_bytes: AtomicU64,
    /// All bytes that were ever written.
    taken: AtomicU64,
    /// What waits for this reader alone.
    direct_lines: AtomicU64,
    direct_bytes: AtomicU64,
    /// Lines that this reader was to read, and did not get because it was too far behind.
    lost: AtomicU64,
    incoming: Mutex<Incoming>,
    /// Whether there is something incoming.
    has_incoming: AtomicBool,
    /// Whether the destination has not taken all that was last written.
    blocked: AtomicBool,
    /// Whether somebody waits for this reader to read on.
    watched: AtomicBool,
    total: Total,
}

/// What the reader has not looked at yet.
#[derive(Debug, Default)]
struct Incoming {
    directs: Vec<Direct>,
    /// Where it goes on, if it is to skip what it has not read, or is parked.
    cursor: Option<Box<Cursor>>,
}

impl Shared {
    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passed(&self) -> Size {
        Size { lines: self.passed_lines.load(Relaxed), bytes: self.passed_bytes.load(Relaxed) }
    }

    fn discount(&self, direct: &Direct) {
        self.direct_lines.fetch_sub(direct.lines, Relaxed);
        self.direct_bytes.fetch_sub(direct.bytes.len() as u64, Relaxed);
        self.total.fetch_sub(direct.bytes.len() + OVERHEAD, Relaxed);
    }

    fn count(&self, direct: &Direct) {
        self.direct_lines.fetch_add(direct.lines, Relaxed);
        self.direct_bytes.fetch_add(direct.bytes.len() as u64, Relaxed);
        self.total.fetch_add(direct.bytes.len() + OVERHEAD, Relaxed);
    }

    /// Counts bytes that were written. Only the reader does, so that nothing is lost between the two steps.
    fn take(&self, written: usize) {
        self.taken.store(self.taken.load(Relaxed) + written as u64, Relaxed);
    }

    fn set_passed(&self, position: Size) {
        self.passed_lines.store(position.lines, Relaxed);
        self.passed_bytes.store(position.bytes, Relaxed);
    }
}

impl Drop for Shared {
    /// What the room has put after the reader was gone is not waiting any more.
    fn drop(&mut self) {
        let directs = mem::take(&mut self.incoming().directs);
        directs.iter().for_each(|direct| self.discount(direct));
    }
}

/// The memory that direct messages of all readers take, in bytes.
pub(super) type Total = Arc<AtomicUsize>;

/// The room's end.
#[derive(Debug)]
pub(super) struct Handle {
    shared: Arc<Shared>,
    news: Sender<()>,
}

/// The reading end.
#[derive(Debug)]
pub struct Reader {
    listener: Listener,
    /// None as long as it does not read the log.
    cursor: Option<Cursor>,
    /// What is for it alone and not yet written whole, in order.
    directs: Vec<Direct>,
    /// How much of the first one is written.
    written: usize,
    end: Option<End>,
    shared: Arc<Shared>,
    news: Receiver<()>,
}

/// What came of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// All that there was is written.
    All,
    /// A part of it is: the destination takes no more for now.
    Part,
    /// All that there will ever be is written.
    End(End),
}

/// Whether all that there was is written.
enum All {
    Yes,
    No,
}

/// Makes a reader, which reads the log from the cursor on if there is one.
pub(super) fn new(listener: Listener, cursor: Option<Cursor>, total: &Total) -> (Handle, Reader) {
    let (put, news) = async_channel::bounded(1);
    let mut shared = Shared::default();
    shared.total = Arc::clone(total);
    let shared = Arc::new(shared);
    let handle = Handle { shared: Arc::clone(&shared), news: put };
    (handle, Reader { listener, cursor, directs: Vec::new(), written: 0, end: None, shared, news })
}

impl Handle {
    /// Wakes the reader, unless it has been woken already and has not looked yet.
    pub(super) fn notify(&self) {
        let _ = self.news.try_send(());
    }

    /// Puts something at this position that is for this reader alone.
    pub(super) fn put(&self, position: Size, bytes: Vec<u8>, lines: u64) {
        self.push(Direct { position: position.bytes, bytes: bytes.into(), lines, then: Then::GoOn });
    }

    /// The same, after which it reads the log from the cursor on, which stands at this position.
    pub(super) fn follow(&self, position: Size, bytes: Vec<u8>, lines: u64, cursor: Cursor) {
        self.shared.set_passed(position);
        self.push(Direct { position: position.bytes, bytes: bytes.into(), lines, then: Then::Follow(cursor) });
    }

    /// Lets the reader end at this position, with these last words, once it is closed.
    pub(super) fn end(&self, position: Size, words: Vec<u8>, lines: u64, end: End) {
        if end == End::TooSlow {
            // It will forget this. The memory is given back now, and not only when it has its turn: else the next one who is
            // told something would find the bound exceeded still, and another would be dropped.
            let forgotten = mem::take(&mut self.shared.incoming().directs);
            forgotten.iter().for_each(|direct| self.shared.discount(direct));
        }
        self.push(Direct { position: position.bytes, bytes: words.into(), lines, then: Then::End(end) });
    }

    /// Has the reader end, all that stands before its end being published.
    pub(super) fn close(&self) {
        self.news.close();
    }

    /// Lets the reader skip what it has not read, and go on at this position, where the cursor stands. It is not behind
    /// from now on, even if it does not look for a long time.
    pub(super) fn skip(&self, position: Size, cursor: Cursor) {
        self.lose(self.behind(position).lines);
        self.shared.set_passed(position);
        self.shared.incoming().cursor = Some(Box::new(cursor));
        self.shared.has_incoming.store(true, Relaxed);
        self.notify();
    }

    /// Counts lines that the reader was to read and will not get.
    pub(super) fn lose(&self, lines: u64) {
        self.shared.lost.fetch_add(lines, Relaxed);
    }

    /// How many lines were lost since the reader last asked.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }

    fn push(&self, direct: Direct) {
        self.shared.count(&direct);
        self.shared.incoming().directs.push(direct);
        self.shared.has_incoming.store(true, Relaxed);
    }

    /// How far a reader of the log is behind this head, what waits for it alone included.
    pub(super) fn lag(&self, head: Size) -> Size {
        self.behind(head) + self.direct()
    }

    /// How much of the log up to this head it has not read.
    pub(super) fn behind(&self, head: Size) -> Size {
        head - self.shared.passed()
    }

    /// The memory that what waits for this reader alone takes, in bytes.
    pub(super) fn memory(&self) -> u64 {
        let Size { lines, bytes } = self.direct();
        bytes + lines * OVERHEAD as u64
    }

    /// How much waits for this reader alone.
    pub(super) fn direct(&self) -> Size {
        Size { lines: self.shared.direct_lines.load(Relaxed), bytes: self.shared.direct_bytes.load(Relaxed) }
    }

    /// How many bytes were ever written.
    pub(super) fn taken(&self) -> u64 {
        self.shared.taken.load(Relaxed)
    }

    /// Whether its destination has not taken all that was last written.
    pub(super) fn is_blocked(&self) -> bool {
        self.shared.blocked.load(Relaxed)
    }

    /// Has [`Reader::was_watched`] return true once something is written.
    pub(super) fn watch(&self) {
        self.shared.watched.store(true, Relaxed);
    }

    /// Whether it has yet to do so.
    pub(super) fn is_watched(&self) -> bool {
        self.shared.watched.load(Relaxed)
    }
}

impl Reader {
    /// The reader's number.
    pub fn id(&self) -> Id {
        self.listener.id
    }

    /// Waits until there may be something to read. Whether it resolves to an error makes no difference: then the end is to
    /// be read.
    pub fn news(&self) -> Recv<'_, ()> {
        self.news.recv()
    }

    /// Waits until the reader is to end.
    pub async fn ending(&self) {
        while self.news.recv().await.is_ok() {}
    }

    /// Whether somebody waits for this reader to read on. They have to ask again to be answered again.
    pub fn was_watched(&self) -> bool {
        self.shared.watched.load(Relaxed) && self.shared.watched.swap(false, Relaxed)
    }

    /// Leaves its place in the log with the room until it reads again. A reader that does something else for what may be a
    /// long time would otherwise keep in memory all that is said meanwhile, whatever the room has it skip.
    pub fn park(&mut self) {
        if let Some(cursor) = self.cursor.take() {
            // The room may have had it skip since it last looked.
            self.shared.incoming().cursor.get_or_insert_with(|| Box::new(cursor));
            self.shared.has_incoming.store(true, Relaxed);
        }
    }

    /// How many lines it was to read and did not get, since this was last asked.
    pub fn lost(&self) -> u64 {
        self.shared.lost.swap(0, Relaxed)
    }

    /// Writes what there is, as far as it is taken at once.
    ///
    /// # Errors
    /// Whatever the destination says but [`io::ErrorKind::WouldBlock`].
    pub fn write(&mut self, to: &mut impl Write) -> io::Result<Written> {
        loop {
            self.receive();
            // Most readers keep up: what there is for them is one run.
            let written = match self.only_run().map(|run| (run.len(), to.write(run))) {
                Some((length, Ok(written))) if written == length => {
                    self.pass_run(written);
                    return Ok(self.all());
                }
                Some((_, Ok(written))) => self.written_in_part(written),
                Some((_, Err(error))) => Err(error),
                None => self.write_runs(to),
            };
            match written {
                Ok(All::Yes) => return Ok(self.all()),
                Ok(All::No) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.shared.blocked.store(true, Relaxed);
                    return Ok(Written::Part);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The run that is all there is to read, if that is so.
    fn only_run(&mut self) -> Option<&[u8]> {
        if !self.directs.is_empty() || self.end.is_some() {
            return None;
        }
        self.cursor.as_mut()?.only_run(self.listener)
    }

    /// Goes on to the end of that run.
    fn pass_run(&mut self, written: usize) {
        if let Some(cursor) = &mut self.cursor {
            self.shared.set_passed(cursor.pass_segment());
        }
        self.shared.take(written);
    }

    /// Writes as many runs and direct messages as one system call is given.
    fn write_runs(&mut self, to: &mut impl Write) -> io::Result<All> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let (mut used, mut length) = (0, 0);
        let mut ahead = self.ahead();
        while used < SLICES {
            let Some(piece) = ahead.next(self) else { break };
            slices[used] = IoSlice::new(piece);
            used += 1;
            length += piece.len();
        }
        let written = if used == 0 { 0 } else { to.write_vectored(&slices[..used])? };
        if written < length {
            return self.written_in_part(written);
        }
        let reached = ahead.reached();
        self.go_on(reached, written);
        Ok(if used < SLICES { All::Yes } else { All::No })
    }

    fn written_in_part(&mut self, written: usize) -> io::Result<All> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let reached = self.ahead().after(self, written);
        self.go_on(reached, written);
        Ok(All::No)
    }

    /// Hands over each entry of the log, up to about so many bytes: when it was said, and its lines. Returns what
    /// [`Reader::write`] would. What is for this reader alone is passed over.
    pub fn entries(&mut self, bytes: usize, mut each: impl FnMut(SystemTime, &[u8])) -> Written {
        self.receive();
        let (mut length, mut ahead) = (0, self.ahead());
        while let Some((at, entry)) = ahead.walk.as_mut().and_then(|walk| walk.entry(self.listener)) {
            each(at, entry);
            length += entry.len();
            if length >= bytes {
                let reached = ahead.reached();
                self.go_on(reached, length);
                return Written::Part;
            }
        }
        while ahead.next(self).is_some() {}
        let reached = ahead.reached();
        self.go_on(reached, length);
        self.all()
    }

    fn all(&mut self) -> Written {
        if let Some(end) = self.end {
            // Whoever looks again gets nothing more.
            self.cursor = None;
            return Written::End(end);
        }
        // An idle reader holds no buffer.
        if self.directs.capacity() > 0 && self.directs.is_empty() {
            self.directs = Vec::new();
        }
        self.shared.blocked.store(false, Relaxed);
        Written::All
    }

    /// Takes what has come in.
    fn receive(&mut self) {
        if !self.shared.has_incoming.load(Relaxed) {
            return;
        }
        self.shared.has_incoming.store(false, Relaxed);
        let Incoming { directs, cursor } = mem::take(&mut *self.shared.incoming());
        if let Some(cursor) = cursor {
            self.cursor = Some(*cursor);
        }
        for direct in directs {
            if matches!(direct.then, Then::End(End::TooSlow)) {
                self.forget();
            }
            self.directs.push(direct);
        }
    }

    /// Forgets what is not written, but for the rest of a line that is written in part.
    fn forget(&mut self) {
        let line = |rest: &[u8]| rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
        let rest = match self.directs.first() {
            Some(first) if self.written > 0 => match first.bytes[self.written - 1] {
                b'\n' => Vec::new(),
                _ => line(&first.bytes[self.written..]),
            },
            _ => self.cursor.as_ref().map_or_else(Vec::new, |cursor| line(cursor.rest_of_line())),
        };
        for direct in self.directs.drain(..) {
            self.shared.discount(&direct);
        }
        (self.cursor, self.written) = (None, 0);
        let rest = Direct { position: 0, bytes: rest.into(), lines: 0, then: Then::GoOn };
        self.shared.count(&rest);
        self.directs.push(rest);
    }

    fn ahead(&self) -> Ahead<'_> {
        let walk = self.cursor.as_ref().map(Cursor::walk);
        Ahead { walk, directs: 0, written: self.written, ended: self.end.is_some(), in_direct: false }
    }

    /// Goes on to there, by having written so many bytes.
    fn go_on(&mut self, reached: Reached, written: usize) {
        self.shared.take(written);
        for direct in self.directs.drain(..reached.directs) {
            self.shared.discount(&direct);
            if let Then::End(end) = direct.then {
                self.end = Some(end);
            }
        }
        self.written = reached.written;
        if let Some(cursor) = reached.cursor {
            if cursor.position() != self.shared.passed_bytes.load(Relaxed) {
                self.shared.set_passed(cursor.passed());
            }
            self.cursor = Some(cursor);
        }
    }
}

impl Drop for Reader {
    /// What it has not read is not waiting any more. It takes nothing from now on, so nobody is to wait for its turn: not
    /// even whoever is about to take it off the list.
    fn drop(&mut self) {
        self.shared.blocked.store(true, Relaxed);
        self.directs.iter().for_each(|direct| self.shared.discount(direct));
    }
}

/// A look at what a reader has to read, which changes nothing about the reader.
struct Ahead<'a> {
    walk: Option<Walk<'a>>,
    /// How many direct messages are passed whole.
    directs: usize,
    /// How much is passed of the next one.
    written: usize,
    ended: bool,
    /// Whether what was returned last is of a direct message.
    in_direct: bool,
}

/// Where a reader is after some of what it had to read.
struct Reached {
    cursor: Option<Cursor>,
    directs: usize,
    written: usize,
}

impl<'a> Ahead<'a> {
    /// The next bytes that stand together.
    fn next(&mut self, reader: &'a Reader) -> Option<&'a [u8]> {
        while !self.ended {
            let direct = reader.directs.get(self.directs);
            if let Some(walk) = &mut self.walk {
                let end = direct.map_or(u64::MAX, |direct| direct.position);
                let run = walk.run(reader.listener, end);
                self.in_direct = run.is_none();
                // What stands before the direct message may not be published yet.
                if run.is_some() || walk.position() < end {
                    return run;
                }
            }
            let direct = direct?;
            let rest = &direct.bytes[mem::take(&mut self.written)..];
            self.directs += 1;
            match &direct.then {
                Then::GoOn => {}
                Then::Follow(cursor) => self.walk = Some(cursor.walk()),
                Then::End(_) => self.ended = true,
            }
            self.in_direct = true;
            if !rest.is_empty() {
                return Some(rest);
            }
        }
        None
    }

    /// Where the reader is when so many bytes are written, which are not all.
    fn after(mut self, reader: &'a Reader, mut written: usize) -> Reached {
        while let Some(piece) = self.next(reader) {
            if piece.len() <= written {
                written -= piece.len();
            } else if self.in_direct {
                self.directs -= 1;
                let direct = &reader.directs[self.directs];
                self.written = direct.bytes.len() - (piece.len() - written);
                if let Then::Follow(_) = direct.then {
                    self.walk = None;
                }
                break;
            } else {
                self.walk.iter_mut().for_each(|walk| walk.back(piece.len() - written));
                break;
            }
        }
        self.reached()
    }

    fn reached(self) -> Reached {
        Reached { cursor: self.walk.map(|walk| walk.cursor()), directs: self.directs, written: self.written }
    }
}

#[cfg(test)]
mod tests;
