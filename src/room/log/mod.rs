//! The log: what was said in public, in one order, held once for all readers.
//!
//! Entries are appended to an open segment. The first reader that looks at a segment seals it. A sealed segment never
//! changes again, and it points to the next one. A [`Cursor`] holds its segment. So a segment that all readers have
//! passed is freed by its reference count, and reading a sealed segment takes no lock.
//!
//! One rule makes this safe: every reader is notified when a segment is published, and looking at a segment seals it.
//! So if a published segment is still open, no reader has looked at it, and each reader still has its notification. An
//! entry that is appended to such a segment needs no further notification.
//!
//! Knows which readers must not get an entry. Knows no names, sockets or clocks.

mod cursor;

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

pub(super) use self::cursor::{Cursor, Walk};
pub use super::size::Size;

/// A segment takes no more than this. A reader passes that much in a few writes, and keeps no more than that in memory
/// of what the others have read. An entry that is larger has a segment to itself.
const MAX_SEGMENT: Size = Size { lines: 256, bytes: 32 * 1024 };

/// A reader's number, never given twice. Entries name their author by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub(super) NonZeroU64);

impl Id {
    /// Numbers from here on are those of the members of linked servers. A reader's number never gets so far.
    const ELSEWHERE: u64 = 1 << 63;

    /// The number of a member of a linked server.
    pub(super) fn elsewhere(n: u64) -> Id {
        Id(NonZeroU64::MIN.saturating_add(Id::ELSEWHERE - 1).saturating_add(n))
    }

    /// Returns whether this is a member of a linked server.
    pub(super) fn is_elsewhere(self) -> bool {
        self.0.get() >= Id::ELSEWHERE
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What a member or the operator said.
    Said,
    /// What a member did, whose name has so many bytes. Names have spaces, so the text alone does not tell whose action
    /// it is.
    Done(u8),
    /// What a member shares, whose name has so many bytes. The member hears it, too.
    Shared(u8),
    /// News about the room.
    News,
}

/// What is known of an entry besides its text.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) at: SystemTime,
    pub(super) kind: Kind,
    /// The member who does not hear it, because they said or did it themselves.
    pub(super) author: Option<Id>,
    /// Who else does not hear it.
    pub(super) unheard_by: Option<Arc<[Id]>>,
}

/// Which entries a reader gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter {
    /// The reader itself: it does not get what it has said.
    pub(super) id: Id,
    pub(super) hears: Hears,
}

/// Which kinds of entries a reader gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hears {
    /// All kinds.
    All,
    /// All but news.
    Said,
    /// All but what comes from linked servers.
    FromHere,
}

impl Entry {
    fn is_for(&self, filter: Filter) -> bool {
        self.author != Some(filter.id)
            && self.unheard_by.as_ref().is_none_or(|ids| !ids.contains(&filter.id))
            && match filter.hears {
                Hears::All => true,
                Hears::Said => self.kind != Kind::News,
                Hears::FromHere => !self.author.is_some_and(Id::is_elsewhere),
            }
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

/// The entries of one segment, and their bytes.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    entries: Vec<Placed>,
    /// The entries' authors, side by side because every reader looks for itself among them.
    authors: Vec<Option<Id>>,
    /// Whether somebody besides its author does not hear one of the entries.
    marked: bool,
    lines: u64,
}

impl Text {
    fn push(&mut self, bytes: &[u8], lines: u64, entry: &Entry) {
        if self.entries.is_empty() {
            // Mostly one person speaks at a time. A reader that has stopped keeps up to a thousand such segments.
            self.entries.reserve_exact(1);
            self.authors.reserve_exact(1);
        }
        self.bytes.extend_from_slice(bytes);
        self.entries.push(Placed { end: self.bytes.len(), lines, entry: entry.clone() });
        self.authors.push(entry.author);
        self.marked |= entry.unheard_by.is_some();
        self.lines += lines;
    }

    /// Returns which entry holds the byte at `offset`.
    fn entry_at(&self, offset: usize) -> usize {
        if offset == 0 { 0 } else { self.entries.partition_point(|placed| placed.end <= offset) }
    }

    /// Returns how many entries in a row, from `first` up to `stop`, pass the filter. Every delivery calls this.
    fn heard(&self, first: usize, stop: usize, filter: Filter) -> usize {
        let gap = if self.marked || filter.hears != Hears::All {
            self.entries[first..stop].iter().position(|placed| !placed.entry.is_for(filter))
        } else {
            find(&self.authors[first..stop], filter.id)
        };
        gap.unwrap_or(stop - first)
    }
}

/// Returns the first index of an author.
fn find(authors: &[Option<Id>], wanted: Id) -> Option<usize> {
    // The compiler compares two numbers with one instruction, and two `Option<Id>` with several.
    let is_wanted = |author: &Option<Id>| author.map_or(0, |id| id.0.get()) == wanted.0.get();
    // Mostly one person speaks at a time.
    if let [author] = authors {
        return is_wanted(author).then_some(0);
    }
    // Eight in a turn of the loop, because every reader looks through all authors.
    let mut rest = authors;
    while let [a, b, c, d, e, f, g, h, after @ ..] = rest {
        let is_here = is_wanted(a) || is_wanted(b) || is_wanted(c) || is_wanted(d);
        if is_here || is_wanted(e) || is_wanted(f) || is_wanted(g) || is_wanted(h) {
            break;
        }
        rest = after;
    }
    let skipped = authors.len() - rest.len();
    rest.iter().position(is_wanted).map(|at| skipped + at)
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

    /// Seals the segment, if it is still open. Returns its text, which does not change any more.
    fn seal(&self) -> &Text {
        self.sealed.get_or_init(|| self.open().take().unwrap_or_default())
    }

    /// Returns the text, if there is any after this many bytes. Seals the segment: see the rule in the module's head.
    fn text_after(&self, offset: usize) -> Option<&Text> {
        Some(self.seal()).filter(|text| offset < text.bytes.len())
    }
}

impl Drop for Segment {
    /// Drops a long chain in a loop. Dropped by recursion, each from within the one before it, it would overflow the
    /// stack.
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut segment) = next.and_then(Arc::into_inner) {
            next = segment.next.take();
        }
    }
}

/// The log as the room holds it, which appends to it.
#[derive(Debug)]
pub(super) struct Log {
    /// The last segment that cursors can reach.
    last: Arc<Segment>,
    /// What is appended, and not yet published: no cursor can reach it.
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

    /// Appends an entry of so many whole lines. Returns how many entries wait to be published, with this one. Returns
    /// None if the last published segment is still open and took the entry: then nobody has to be notified.
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

    /// Makes all that is appended reachable for cursors. Returns whether anything was not reachable before.
    pub(super) fn publish(&mut self) -> bool {
        let Some(tail) = self.tail.take() else { return false };
        self.last.seal();
        // This does not fail: nothing else sets it, and `last` moves on at once.
        let _ = self.last.next.set(Arc::clone(&tail));
        self.last = tail;
        true
    }

    /// Returns how many entries the last published segment has.
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
