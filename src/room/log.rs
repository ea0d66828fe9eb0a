//! The log: what was said in public, in one order, held once for everybody.
//!
//! Entries are appended to an open tail. The first reader who looks at it seals it into an immutable segment, which
//! points to the next one. A [`Cursor`] holds its segment, so what everybody has read is freed by reference count, and
//! reading a sealed segment takes no lock. Knows who may not hear an entry; knows no names, sockets or clocks.

use std::num::NonZeroU64;
use std::ops::{Add, AddAssign, Sub};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

/// A segment takes no more than this. So a reader passes a segment in one write, and what it still holds of what others
/// have read is little. An entry that is larger has a segment to itself.
const MAX_SEGMENT: Size = Size { lines: 256, bytes: 32 * 1024 };

/// A reader's number, never given twice. Entries name their author by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub(super) NonZeroU64);

/// An amount of text. A position in the log is the size of all that stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Whole lines.
    pub lines: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

impl Size {
    /// Whether either measure is more than the limit's.
    pub(super) fn exceeds(self, limit: Size) -> bool {
        self.lines > limit.lines || self.bytes > limit.bytes
    }

    /// The larger of each measure.
    pub(super) fn max(self, other: Size) -> Size {
        Size { lines: self.lines.max(other.lines), bytes: self.bytes.max(other.bytes) }
    }

    /// The half of each measure.
    pub(super) const fn half(self) -> Size {
        Size { lines: self.lines / 2, bytes: self.bytes / 2 }
    }
}

impl Add for Size {
    type Output = Size;

    fn add(self, other: Size) -> Size {
        Size { lines: self.lines + other.lines, bytes: self.bytes + other.bytes }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Size) {
        *self = *self + other;
    }
}

impl Sub for Size {
    type Output = Size;

    /// What remains; nothing where `other` is more.
    fn sub(self, other: Size) -> Size {
        Size { lines: self.lines.saturating_sub(other.lines), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What a member or the operator said.
    Said,
    /// News about the room.
    News,
}

/// What is known of an entry but its text.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) at: SystemTime,
    pub(super) kind: Kind,
    /// The member who does not hear it because it is their own doing.
    pub(super) author: Option<Id>,
    /// Who else does not hear it.
    pub(super) without: Option<Arc<[Id]>>,
}

/// Whom a reader reads for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener {
    pub(super) id: Id,
    /// Whether news is left out.
    pub(super) only_said: bool,
}

impl Entry {
    fn is_for(&self, listener: Listener) -> bool {
        self.author != Some(listener.id)
            && self.without.as_ref().is_none_or(|without| !without.contains(&listener.id))
            && !(listener.only_said && self.kind != Kind::Said)
    }
}

/// An entry in its segment.
#[derive(Debug)]
struct Placed {
    /// Where it ends in the segment's bytes. It begins where the one before it ends.
    end: usize,
    lines: u64,
    entry: Entry,
}

/// Entries that stand together.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    entries: Vec<Placed>,
    /// The entries' authors, side by side because every reader looks for itself among them.
    authors: Vec<Option<Id>>,
    /// Whether an entry is not for somebody else than its author.
    without: bool,
    lines: u64,
}

impl Text {
    fn push(&mut self, bytes: &[u8], lines: u64, entry: &Entry) {
        if self.entries.is_empty() {
            // One person speaking is the rule, and a stopped reader keeps up to a thousand such segments.
            self.entries.reserve_exact(1);
            self.authors.reserve_exact(1);
        }
        self.bytes.extend_from_slice(bytes);
        self.entries.push(Placed { end: self.bytes.len(), lines, entry: entry.clone() });
        self.authors.push(entry.author);
        self.without |= entry.without.is_some();
        self.lines += lines;
    }

    /// Which entry holds the byte at `offset`.
    fn entry_at(&self, offset: usize) -> usize {
        if offset == 0 { 0 } else { self.entries.partition_point(|placed| placed.end <= offset) }
    }

    /// How many entries, from `first` up to `stop`, are for this listener without a gap. On the path of every delivery.
    fn heard(&self, first: usize, stop: usize, listener: Listener) -> usize {
        let gap = if self.without || listener.only_said {
            self.entries[first..stop].iter().position(|placed| !placed.entry.is_for(listener))
        } else {
            position(&self.authors[first..stop], Some(listener.id))
        };
        gap.unwrap_or(stop - first)
    }
}

/// Where somebody stands first among authors.
fn position(authors: &[Option<Id>], wanted: Option<Id>) -> Option<usize> {
    // A chunk without a branch inside it is compared with vector instructions; `position` alone goes one by one.
    const CHUNK: usize = 8;
    let is_in = |chunk: &&[Option<Id>]| chunk.iter().fold(false, |found, author| found | (*author == wanted));
    let without = match authors.len() {
        ..CHUNK => 0,
        _ => authors.chunks_exact(CHUNK).take_while(|chunk| !is_in(chunk)).count() * CHUNK,
    };
    authors[without..].iter().position(|author| *author == wanted).map(|at| without + at)
}

/// A piece of the log: open to be appended to, until it is sealed.
#[derive(Debug)]
struct Segment {
    start: Size,
    open: Mutex<Option<Text>>,
    sealed: OnceLock<Text>,
    /// Set only once this segment is sealed.
    next: OnceLock<Arc<Segment>>,
}

impl Segment {
    fn new(start: Size) -> Segment {
        let open = Mutex::new(Some(Text::default()));
        Segment { start, open, sealed: OnceLock::new(), next: OnceLock::new() }
    }

    fn open(&self) -> MutexGuard<'_, Option<Text>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends an entry. Returns how many there are now; None where the segment is sealed or has no room for it.
    fn append(&self, bytes: &[u8], lines: u64, entry: &Entry) -> Option<usize> {
        let mut open = self.open();
        let text = open.as_mut()?;
        let size = Size { lines: text.lines + lines, bytes: (text.bytes.len() + bytes.len()) as u64 };
        if size.exceeds(MAX_SEGMENT) && !text.entries.is_empty() {
            return None;
        }
        text.push(bytes, lines, entry);
        Some(text.entries.len())
    }

    /// Ends the segment, if that has not happened yet.
    fn seal(&self) -> &Text {
        self.sealed.get_or_init(|| self.open().take().unwrap_or_default())
    }

    /// The text, if there is any after this many bytes. To look seals: what is appended to an open segment wakes nobody,
    /// because nobody has looked at it yet.
    fn text_after(&self, offset: usize) -> Option<&Text> {
        Some(self.seal()).filter(|text| offset < text.bytes.len())
    }
}

impl Drop for Segment {
    /// A long chain is taken apart in a loop: to drop each from within the one before it would overflow the stack.
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut segment) = next.and_then(Arc::into_inner) {
            next = segment.next.take();
        }
    }
}

/// The writing end.
#[derive(Debug)]
pub(super) struct Log {
    /// The last segment that cursors can reach.
    last: Arc<Segment>,
    /// What is appended and no cursor can reach yet.
    tail: Option<Arc<Segment>>,
    head: Size,
}

impl Log {
    pub(super) fn new() -> Log {
        let first = Segment::new(Size::default());
        first.seal();
        Log { last: Arc::new(first), tail: None, head: Size::default() }
    }

    /// The position of what is appended next.
    pub(super) fn head(&self) -> Size {
        self.head
    }

    /// Appends an entry of so many whole lines. Returns how many entries are to be published now, this one among them;
    /// None when it was published with those that nobody has looked at yet.
    pub(super) fn append(&mut self, bytes: &[u8], lines: u64, entry: &Entry) -> Option<usize> {
        let size = Size { lines, bytes: bytes.len() as u64 };
        let gathered = match &self.tail {
            None if self.last.append(bytes, lines, entry).is_some() => {
                self.head += size;
                return None;
            }
            Some(tail) => tail.append(bytes, lines, entry),
            None => None,
        };
        let gathered = gathered.unwrap_or_else(|| {
            self.publish();
            let tail = self.tail.insert(Arc::new(Segment::new(self.head)));
            tail.append(bytes, lines, entry).unwrap_or_default()
        });
        self.head += size;
        Some(gathered)
    }

    /// Lets cursors reach all that is appended. Returns whether there was anything that they could not reach.
    pub(super) fn publish(&mut self) -> bool {
        let Some(tail) = self.tail.take() else { return false };
        self.last.seal();
        // Set nowhere else, and `last` moves on at once.
        let _ = self.last.next.set(Arc::clone(&tail));
        self.last = tail;
        true
    }

    /// How many entries the last published segment has.
    pub(super) fn last_published(&self) -> usize {
        match self.last.sealed.get() {
            Some(text) => text.entries.len(),
            None => self.last.open().as_ref().map_or(0, |text| text.entries.len()),
        }
    }

    /// A cursor at the head: it reads what is appended from now on.
    pub(super) fn cursor(&self) -> Cursor {
        let offset = (self.head.bytes - self.last.start.bytes) as usize;
        Cursor { segment: Arc::clone(&self.last), offset }
    }
}

/// A reader's position. It keeps in memory what stands after it.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    segment: Arc<Segment>,
    /// Bytes passed since the segment's start; more than it has where it was made before that much was published.
    offset: usize,
}

impl Cursor {
    pub(super) fn walk(&self) -> Walk<'_> {
        Walk { segment: &self.segment, offset: self.offset }
    }

    /// The position, in bytes.
    pub(super) fn position(&self) -> u64 {
        self.walk().position()
    }

    /// The position in full. Where that is within an entry, its lines count as not passed.
    pub(super) fn passed(&self) -> Size {
        let Segment { start, sealed, .. } = &*self.segment;
        let lines = match sealed.get() {
            Some(text) if self.offset >= text.bytes.len() => text.lines,
            Some(text) => text.entries[..text.entry_at(self.offset)].iter().map(|placed| placed.lines).sum(),
            None => 0,
        };
        Size { lines: start.lines + lines, bytes: self.position() }
    }

    /// The run that is all there is to read for this listener, if that is so. Goes on to the segment that it is in.
    pub(super) fn only_run(&mut self, listener: Listener) -> Option<&[u8]> {
        let mut length = self.segment.seal().bytes.len();
        while self.offset >= length {
            let next = Arc::clone(self.segment.next.get()?);
            self.offset -= length;
            self.segment = next;
            length = self.segment.seal().bytes.len();
        }
        if self.segment.next.get().is_some() {
            return None;
        }
        let text = self.segment.seal();
        let (first, stop) = (text.entry_at(self.offset), text.entries.len());
        (text.heard(first, stop, listener) == stop - first).then(|| &text.bytes[self.offset..])
    }

    /// Goes on to the end of its segment. Returns the position there.
    pub(super) fn pass_segment(&mut self) -> Size {
        let text = self.segment.seal();
        self.offset = text.bytes.len();
        self.segment.start + Size { lines: text.lines, bytes: self.offset as u64 }
    }

    /// What remains of the line that the position is in; nothing where it is between lines.
    pub(super) fn rest_of_line(&self) -> &[u8] {
        let Some(text) = self.segment.text_after(self.offset) else { return &[] };
        if self.offset == 0 || text.bytes[self.offset - 1] == b'\n' {
            return &[];
        }
        let rest = &text.bytes[self.offset..];
        rest.iter().position(|byte| *byte == b'\n').map_or(rest, |end| &rest[..=end])
    }
}

/// A look ahead of a cursor, which stays where it is until the walk is made its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'a> {
    segment: &'a Arc<Segment>,
    offset: usize,
}

impl<'a> Walk<'a> {
    /// The position, in bytes.
    pub(super) fn position(&self) -> u64 {
        self.segment.start.bytes + self.offset as u64
    }

    /// The cursor that stands here.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor { segment: Arc::clone(self.segment), offset: self.offset }
    }

    /// Goes back by so many bytes of the run that was returned last.
    pub(super) fn back(&mut self, bytes: usize) {
        self.offset -= bytes;
    }

    /// The next bytes for this listener that stand together, up to the position `end`, where entries end. Passes what is
    /// not for them.
    pub(super) fn run(&mut self, listener: Listener, end: u64) -> Option<&'a [u8]> {
        while self.position() < end {
            let (text, first) = self.text()?;
            let limit = end - self.segment.start.bytes;
            let within = limit >= text.bytes.len() as u64;
            let stop = if within { text.entries.len() } else { text.entry_at(limit as usize) };
            let (from, heard) = (self.offset, text.heard(first, stop, listener));
            if heard > 0 {
                self.offset = text.entries[first + heard - 1].end;
                return Some(&text.bytes[from..self.offset]);
            }
            self.offset = text.entries[first].end;
        }
        None
    }

    /// The next entry for this listener: when it was made, and what of its bytes is not passed yet.
    pub(super) fn entry(&mut self, listener: Listener) -> Option<(SystemTime, &'a [u8])> {
        loop {
            let (text, first) = self.text()?;
            let (from, placed) = (self.offset, &text.entries[first]);
            self.offset = placed.end;
            if placed.entry.is_for(listener) {
                return Some((placed.entry.at, &text.bytes[from..placed.end]));
            }
        }
    }

    /// The text that this stands in, and the entry; on to the next segment at the end of one.
    fn text(&mut self) -> Option<(&'a Text, usize)> {
        loop {
            if let Some(text) = self.segment.text_after(self.offset) {
                return Some((text, text.entry_at(self.offset)));
            }
            let next = self.segment.next.get()?;
            self.offset -= self.segment.seal().bytes.len();
            self.segment = next;
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
impl Log {
    /// What was appended since the cursor was made at the head, without a look at it, which would seal it.
    pub(super) fn since(&self, cursor: &Cursor) -> Vec<u8> {
        let (mut bytes, mut segment) = (Vec::new(), Some(&cursor.segment));
        while let Some(here) = segment {
            match here.sealed.get() {
                Some(text) => bytes.extend_from_slice(&text.bytes),
                None => here.open().iter().for_each(|text| bytes.extend_from_slice(&text.bytes)),
            }
            segment = here.next.get();
        }
        if let Some(tail) = &self.tail {
            tail.open().iter().for_each(|text| bytes.extend_from_slice(&text.bytes));
        }
        bytes.split_off(cursor.offset)
    }

    /// What lives as long as the last segment that cursors can reach.
    pub(super) fn last(&self) -> std::sync::Weak<dyn std::any::Any + Send + Sync> {
        let last: Arc<dyn std::any::Any + Send + Sync> = self.last.clone();
        Arc::downgrade(&last)
    }
}
