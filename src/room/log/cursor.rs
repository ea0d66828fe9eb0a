//! A reader's position in the log, and how the reader goes on from there.

use std::sync::Arc;

use super::{Entry, Filter, Segment, Text};
use crate::room::size::Size;

/// A reader's position. It keeps in memory what stands after it.
#[derive(Clone, Debug)]
pub(in crate::room) struct Cursor {
    pub(super) segment: Arc<Segment>,
    /// Bytes passed since the segment's start. A cursor that is made while lines gather stands after those lines. Its
    /// segment does not have them yet, so this may be more than the segment's length.
    pub(super) offset: usize,
}

impl Cursor {
    pub(in crate::room) fn walk(&self) -> Walk<'_> {
        Walk { segment: &self.segment, offset: self.offset }
    }

    /// The position, in bytes.
    pub(in crate::room) fn position(&self) -> u64 {
        self.walk().position()
    }

    /// The position, in lines and bytes. The lines of an entry that is passed in part count as not passed.
    pub(in crate::room) fn passed(&self) -> Size {
        let Segment { start, sealed, .. } = &*self.segment;
        let lines = match sealed.get() {
            Some(text) if self.offset >= text.bytes.len() => text.lines,
            Some(text) => text.entries[..text.entry_at(self.offset)].iter().map(|placed| placed.lines).sum(),
            None => 0,
        };
        Size { lines: start.lines + lines, bytes: self.position() }
    }

    /// Returns all that there is to read through the filter, if that is a single run. Moves on to the segment of that
    /// run.
    pub(in crate::room) fn only_run(&mut self, filter: Filter) -> Option<&[u8]> {
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
        (text.heard(first, stop, filter) == stop - first).then(|| &text.bytes[self.offset..])
    }

    /// Moves to the end of its segment, and returns the position there.
    pub(in crate::room) fn pass_segment(&mut self) -> Size {
        let text = self.segment.seal();
        self.offset = text.bytes.len();
        self.segment.start + Size { lines: text.lines, bytes: self.offset as u64 }
    }

    /// Returns the rest of the line that the position is in; nothing if the position is between two lines.
    pub(in crate::room) fn rest_of_line(&self) -> &[u8] {
        let Some(text) = self.segment.text_after(self.offset) else { return &[] };
        if self.offset == 0 || text.bytes[self.offset - 1] == b'\n' {
            return &[];
        }
        let rest = &text.bytes[self.offset..];
        rest.iter().position(|byte| *byte == b'\n').map_or(rest, |end| &rest[..=end])
    }
}

/// A position ahead of a cursor. The cursor itself does not move until it is replaced by [`Walk::cursor`].
#[derive(Clone, Copy, Debug)]
pub(in crate::room) struct Walk<'a> {
    segment: &'a Arc<Segment>,
    offset: usize,
}

impl<'a> Walk<'a> {
    /// The position, in bytes.
    pub(in crate::room) fn position(&self) -> u64 {
        self.segment.start.bytes + self.offset as u64
    }

    /// The cursor that stands here.
    pub(in crate::room) fn cursor(&self) -> Cursor {
        Cursor { segment: Arc::clone(self.segment), offset: self.offset }
    }

    /// Goes back by so many bytes of the run that was returned last.
    pub(in crate::room) fn back(&mut self, bytes: usize) {
        self.offset -= bytes;
    }

    /// Returns the next run: bytes that pass the filter and are contiguous in memory, up to the position `end`, which
    /// is between two entries. Skips entries that do not pass the filter.
    pub(in crate::room) fn run(&mut self, filter: Filter, end: u64) -> Option<&'a [u8]> {
        while self.position() < end {
            let (text, first) = self.text()?;
            let limit = end - self.segment.start.bytes;
            let within = limit >= text.bytes.len() as u64;
            let stop = if within { text.entries.len() } else { text.entry_at(limit as usize) };
            let (from, heard) = (self.offset, text.heard(first, stop, filter));
            if heard > 0 {
                self.offset = text.entries[first + heard - 1].end;
                return Some(&text.bytes[from..self.offset]);
            }
            self.offset = text.entries[first].end;
        }
        None
    }

    /// Returns the next entry that passes the filter, up to the position `end`, which is between two entries: what is
    /// known of it, and those of its bytes that are not passed yet.
    pub(in crate::room) fn entry(&mut self, filter: Filter, end: u64) -> Option<(&'a Entry, &'a [u8])> {
        while self.position() < end {
            let (text, first) = self.text()?;
            let (from, placed) = (self.offset, &text.entries[first]);
            self.offset = placed.end;
            if placed.entry.is_for(filter) {
                return Some((&placed.entry, &text.bytes[from..placed.end]));
            }
        }
        None
    }

    /// Returns the text and the entry at this position. Moves on to the next segment at the end of one.
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
