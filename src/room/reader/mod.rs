//! One reader of the log: its cursor, its direct messages, and its notification, which is a channel of one place.
//!
//! The room holds a `Handle`, and the task that reads holds the [`Reader`]. A direct message waits with its reader,
//! marked with its position in the log, so that the reader gets one stream in one order. An idle reader holds no
//! buffer.
//!
//! Knows nothing of sockets: it writes to anything that is [`Write`].

mod ahead;
mod handle;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice, Write};
use std::iter;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use async_channel::{Receiver, Recv};

use self::ahead::{Ahead, Reached};
pub use self::handle::End;
#[cfg(test)]
pub(super) use self::handle::OVERHEAD;
use self::handle::{Direct, Incoming, Shared, Then};
pub(super) use self::handle::{Handle, Total};
use super::log::{Cursor, Filter, Id, Kind, Walk};

/// How many slices one system call gets at most. A segment makes two, if its reader spoke once in it. More than a few
/// segments at once gain nothing.
const SLICES: usize = 16;

/// How many bytes one write gets at most. `access/polled.rs` checks between two writes whether the system takes more,
/// so this limits what is written unchecked.
pub const MAX_WRITE: usize = 8 * 1024;

/// A reader, as the task holds it that reads.
#[derive(Debug)]
pub struct Reader {
    filter: Filter,
    /// None as long as it does not read the log.
    cursor: Option<Cursor>,
    /// The direct messages that are not written whole yet, in order.
    directs: Vec<Direct>,
    /// How much of the first direct message is written.
    written: usize,
    end: Option<End>,
    shared: Arc<Shared>,
    notified: Receiver<()>,
}

/// The result of a write that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// All that there was is written.
    All,
    /// A part of it is written: the destination takes no more for now. Of [`Reader::entries`]: there may be more to
    /// read.
    Part,
    /// All that there will ever be is written.
    End(End),
}

/// A piece of what a reader has to read that is contiguous in memory: a run of the log, or a direct message. It begins and
/// ends between two lines.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The lines.
    pub text: &'a [u8],
    source: Source<'a>,
}

/// What a piece is of.
#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    /// The log, from this place on.
    Log(Walk<'a>, Filter),
    /// A direct message, or a part of one.
    Direct { at: SystemTime, last: bool },
}

/// Some lines of a piece that were said at once.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// When they were said.
    pub at: SystemTime,
    /// For an action, and for a file that is shared: how many bytes the member's name has. Else 0.
    pub actor: u8,
    /// The lines.
    pub text: &'a [u8],
}

impl<'a> Piece<'a> {
    /// A run of the log that ends here.
    fn of_log(text: &'a [u8], mut end: Walk<'a>, filter: Filter) -> Piece<'a> {
        end.back(text.len());
        Piece { text, source: Source::Log(end, filter) }
    }

    /// A direct message.
    pub fn own(at: SystemTime, text: &'a [u8], last: bool) -> Piece<'a> {
        Piece { text, source: Source::Direct { at, last } }
    }

    /// Returns what was said at once, one after the other.
    pub fn said(&self) -> impl Iterator<Item = Said<'a>> + use<'a> {
        let (mut rest, mut source) = (self.text, self.source);
        iter::from_fn(move || {
            let (at, actor, text) = match &mut source {
                _ if rest.is_empty() => return None,
                Source::Log(walk, filter) => {
                    let (entry, text) = walk.entry(*filter, u64::MAX)?;
                    let actor = if let Kind::Done(name) | Kind::Shared(name) = entry.kind { name } else { 0 };
                    (entry.at, actor, text)
                }
                Source::Direct { at, .. } => (*at, 0, rest),
            };
            // The piece may end within the last entry.
            let (text, after) = rest.split_at(text.len().min(rest.len()));
            rest = after;
            Some(Said { at, actor, text })
        })
    }

    /// The position in the log of its first byte, the same for all readers. None for a direct message.
    pub fn position(&self) -> Option<u64> {
        if let Source::Log(walk, _) = &self.source { Some(walk.position()) } else { None }
    }

    /// The place from which it can be read again. None for a direct message.
    pub fn bookmark(&self) -> Option<Bookmark> {
        if let Source::Log(walk, _) = &self.source { Some(Bookmark(walk.cursor())) } else { None }
    }

    /// Whether its last line is the last of all to this reader.
    pub fn is_last(&self) -> bool {
        matches!(self.source, Source::Direct { last: true, .. })
    }
}

/// A remembered place in the log. It keeps in memory what stands after it.
#[derive(Clone, Debug)]
pub struct Bookmark(Cursor);

impl Bookmark {
    /// Returns how far it is behind a position in the log, in bytes.
    pub fn is_behind(&self, position: u64) -> u64 {
        position.saturating_sub(self.0.position())
    }
}

/// Makes a reader, which reads the log from the cursor on if there is one.
pub(super) fn new(filter: Filter, cursor: Option<Cursor>, total: &Total) -> (Handle, Reader) {
    let (notify, notified) = async_channel::bounded(1);
    let mut shared = Shared::default();
    shared.total = Arc::clone(total);
    let shared = Arc::new(shared);
    let handle = Handle { shared: Arc::clone(&shared), notify };
    (handle, Reader { filter, cursor, directs: Vec::new(), written: 0, end: None, shared, notified })
}

impl Reader {
    /// The reader's number.
    pub fn id(&self) -> Id {
        self.filter.id
    }

    /// The position in the log up to which it has read, in bytes.
    pub fn passed(&self) -> u64 {
        self.shared.passed_bytes.load(Relaxed)
    }

    /// Returns how many bytes the destination has ever taken.
    pub fn taken(&self) -> u64 {
        self.shared.taken()
    }

    /// Notes that the destination has taken so many bytes of what was made of the pieces.
    pub fn took(&self, bytes: usize) {
        self.shared.count_taken(bytes);
    }

    /// Waits until there may be something to read. An error means that the reader is to end. The caller reads in either
    /// case: the result of reading says whether this is the end.
    pub fn notified(&self) -> Recv<'_, ()> {
        self.notified.recv()
    }

    /// Waits until the reader is to end.
    pub async fn ending(&self) {
        while self.notified.recv().await.is_ok() {}
    }

    /// Returns whether a sender waits for this reader to read on, and clears that mark.
    pub fn was_watched(&self) -> bool {
        self.shared.watched.load(Relaxed) && self.shared.watched.swap(false, Relaxed)
    }

    /// Gives its cursor to the room until it reads again. Otherwise a reader that does something else for a long time
    /// would keep all entries after its cursor in memory, even those that the room makes it skip.
    pub fn park(&mut self) {
        if let Some(cursor) = self.cursor.take() {
            // A cursor that is there already is from the room, which makes the reader skip. That one counts.
            self.shared.incoming().cursor.get_or_insert_with(|| Box::new(cursor));
            self.shared.has_incoming.store(true, Relaxed);
        }
    }

    /// Returns how many lines the reader has lost since this was last asked, and starts again at zero.
    pub fn take_lost(&self) -> u64 {
        self.shared.lost.swap(0, Relaxed)
    }

    /// Writes what there is to read, as much as the destination takes at once.
    ///
    /// # Errors
    /// Every error of the destination but [`io::ErrorKind::WouldBlock`] and [`io::ErrorKind::Interrupted`].
    pub fn write(&mut self, to: &mut impl Write) -> io::Result<Written> {
        loop {
            self.receive();
            // Most readers keep up: what there is for them is one run.
            let written = match self.only_run().map(|run| (run.len(), to.write(&run[..run.len().min(MAX_WRITE)]))) {
                Some((length, Ok(written))) if written == length => {
                    self.pass_run(written);
                    return Ok(self.finished());
                }
                Some((_, Ok(written))) => self.written_in_part(written),
                Some((_, Err(error))) => Err(error),
                None => self.write_runs(to),
            };
            match written {
                Ok(true) => return Ok(self.finished()),
                Ok(false) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.shared.blocked.store(true, Relaxed);
                    return Ok(Written::Part);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns all that there is to read, if that is a single run.
    fn only_run(&mut self) -> Option<&[u8]> {
        if !self.directs.is_empty() || self.end.is_some() {
            return None;
        }
        self.cursor.as_mut()?.only_run(self.filter)
    }

    /// Moves the cursor to the end of the only run, all of which was written.
    #[inline]
    fn pass_run(&mut self, written: usize) {
        if let Some(cursor) = &mut self.cursor {
            self.shared.set_passed(cursor.pass_segment());
        }
        self.shared.count_taken(written);
    }

    /// Writes as many runs and direct messages as one system call is given. Returns whether they were all.
    fn write_runs(&mut self, to: &mut impl Write) -> io::Result<bool> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let (mut used, mut length) = (0, 0);
        let mut ahead = Ahead::new(self);
        while used < SLICES && length < MAX_WRITE {
            let Some(piece) = ahead.next(self) else { break };
            slices[used] = IoSlice::new(&piece[..piece.len().min(MAX_WRITE - length)]);
            used += 1;
            length += piece.len();
        }
        let written = if used == 0 { 0 } else { to.write_vectored(&slices[..used])? };
        if written < length {
            return self.written_in_part(written);
        }
        let reached = ahead.reached();
        self.go_on(reached, written);
        Ok(used < SLICES && length < MAX_WRITE)
    }

    /// Moves on after a write that was not complete. Returns false, as there is more to write.
    fn written_in_part(&mut self, written: usize) -> io::Result<bool> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let reached = Ahead::new(self).after(self, written);
        self.go_on(reached, written);
        Ok(false)
    }

    /// Calls `each` with the time and the lines of each entry of the log, up to about so many bytes. Skips direct
    /// messages. Returns [`Written::Part`] when there may be more to read at once.
    pub fn entries(&mut self, bytes: usize, mut each: impl FnMut(SystemTime, &[u8])) -> Written {
        self.receive();
        let (mut length, mut ahead) = (0, Ahead::new(self));
        while let Some((entry, text)) = ahead.walk.as_mut().and_then(|walk| walk.entry(self.filter, u64::MAX)) {
            each(entry.at, text);
            length += text.len();
            if length >= bytes {
                let reached = ahead.reached();
                self.go_on(reached, length);
                return Written::Part;
            }
        }
        ahead.pass_directs(self);
        let reached = ahead.reached();
        self.go_on(reached, length);
        self.finished()
    }

    /// Calls `each` with all that there is to read, a piece at a time. It returns how many bytes of the piece it takes, up
    /// to an end of a line: reading ends when those are not all. A reader is read either by this or by [`Reader::write`].
    /// That these are read does not mean that the destination takes them: see [`Reader::took`]. Returns
    /// [`Written::Part`] when there may be more to read at once.
    pub fn pieces(&mut self, mut each: impl FnMut(Piece<'_>) -> usize) -> Written {
        self.receive();
        let (mut length, mut ahead) = (0, Ahead::new(self));
        while let Some(piece) = ahead.piece(self) {
            let taken = each(piece);
            length += taken;
            if taken < piece.text.len() {
                let reached = Ahead::new(self).after(self, length);
                self.go_on(reached, 0);
                return Written::Part;
            }
        }
        let reached = ahead.reached();
        self.go_on(reached, 0);
        self.finished()
    }

    /// Calls `each` again with pieces of the log that this reader has read, from a bookmark on up to the position `end`,
    /// which is between two lines, for as long as it returns true.
    pub fn again(&self, bookmark: &Bookmark, end: u64, mut each: impl FnMut(Piece<'_>) -> bool) {
        let mut walk = bookmark.0.walk();
        while let Some(text) = walk.run(self.filter, u64::MAX) {
            let piece = Piece::of_log(text, walk, self.filter);
            let begin = walk.position() - text.len() as u64;
            let Some(length) = end.checked_sub(begin).filter(|length| *length > 0) else { return };
            let text = &text[..text.len().min(length as usize)];
            if !each(Piece { text, ..piece }) {
                return;
            }
        }
    }

    /// Notes that what was read is not taken for now. A person who types does not wait for this reader then.
    pub fn pause(&self) {
        self.shared.blocked.store(true, Relaxed);
    }

    fn finished(&mut self) -> Written {
        if let Some(end) = self.end {
            // Reading again gives nothing more.
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

    /// Receives what the room has put since the last time.
    fn receive(&mut self) {
        if self.shared.has_incoming.load(Relaxed) {
            self.receive_incoming();
        }
    }

    /// A function of its own, so that `receive`, which every write calls, stays small enough to be inlined.
    #[cold]
    fn receive_incoming(&mut self) {
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

    /// Discards what is not written, except for the rest of a line of which a part is written.
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
        let rest = Direct { position: 0, at: SystemTime::UNIX_EPOCH, bytes: rest.into(), lines: 0, then: Then::GoOn };
        self.shared.count(&rest);
        self.directs.push(rest);
    }

    /// Moves on to where a look ahead has arrived, after so many bytes were written.
    fn go_on(&mut self, reached: Reached, written: usize) {
        self.shared.count_taken(written);
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
    /// Its direct messages stop counting. It takes nothing from now on, so it counts as blocked: a person who types
    /// does not wait for it, and its own connection, which is about to remove it, does not either.
    fn drop(&mut self) {
        self.shared.blocked.store(true, Relaxed);
        self.directs.iter().for_each(|direct| self.shared.discount(direct));
    }
}
