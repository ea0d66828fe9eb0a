//! What a session hears, as numbered events; and how it goes back, because written is not received.
//!
//! Nothing that was said in public is kept here: to go back, it is read from the log again, which keeps what some
//! cursor stands before. What is for this session alone is in no log, so that is kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::SystemTime;

use super::events::{Heard, event};
use crate::files::Files;
use crate::room::{Bookmark, End, MAX_WRITE, Piece, Reader, Room, Size, Written};

/// How far a session can go back behind what was written to it: the contract's 256 lines or 32 KiB.
const BACK: Size = Size { lines: 256, bytes: 32 * 1024 };

/// How much of the log one bookmark stands for, at the least. Few bookmarks take little memory.
const APART: Size = Size { lines: 32, bytes: 4 * 1024 };

/// How much of the log a bookmark may keep in memory, in bytes: twice `BACK`, for what is not heard.
const FAR: u64 = 2 * BACK.bytes;

/// What all sessions together keep of what is for one alone, in bytes. Past it, a session keeps nothing that is sent.
const MAX_KEPT: usize = 8 * 1024 * 1024;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) reader: Reader,
    heard: VecDeque<Stretch>,
    /// The number of the next event.
    next: u64,
    /// The number of the last event that was sent.
    sent: u64,
    /// Whether the last words were read.
    over: bool,
    /// What all sessions keep.
    kept: Arc<AtomicUsize>,
}

/// Some events in a row that were read, and how they are read again.
#[derive(Debug)]
struct Stretch {
    first: u64,
    size: Size,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The log, from this bookmark on.
    Log(Bookmark),
    /// What is for this session alone.
    Own { at: SystemTime, last: bool, text: Box<[u8]> },
}

/// Events that are ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) bytes: Vec<u8>,
    /// The number of the last of them.
    pub(super) last: u64,
}

impl Events {
    /// Adds the lines of a piece whose first event has this number: those after `after`, until there is as much as one
    /// write is given. Returns whether there is room for more.
    fn add(&mut self, first: u64, after: u64, piece: &Piece<'_>, files: Option<&Files>) -> bool {
        let (text, lines) = (String::from_utf8_lossy(piece.text), piece.lines());
        for (number, line) in (first..).zip(text.lines()).filter(|(number, _)| *number > after) {
            if self.bytes.len() >= MAX_WRITE {
                return false;
            }
            let named = line.strip_prefix("* ").unwrap_or(line);
            let author = named.get(..piece.actor.into());
            let last = piece.last && number + 1 == first + lines;
            let author = author.filter(|name| !name.is_empty());
            let about = |id| files?.about(id);
            self.bytes.extend(event(number, Heard { line, at: piece.at, author, last }, about));
            self.last = number;
        }
        self.bytes.len() < MAX_WRITE
    }
}

impl Feed {
    /// What this reader hears from now on. `kept` counts what all feeds keep.
    pub(super) fn new(reader: Reader, kept: Arc<AtomicUsize>) -> Feed {
        Feed { reader, heard: VecDeque::new(), next: 1, sent: 0, over: false, kept }
    }

    /// Whether the last thing that was heard are last words.
    pub(super) fn has_last_words(&self) -> bool {
        matches!(self.heard.back(), Some(Stretch { source: Source::Own { last: true, .. }, .. }))
    }

    /// Whether nothing more will be heard.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The number of the last event that was read.
    pub(super) fn last(&self) -> u64 {
        self.next - 1
    }

    /// The number of the event after which a stream goes on: that which the client has, or else the last that was sent.
    pub(super) fn position(&self, after: Option<u64>) -> u64 {
        after.filter(|number| *number <= self.last()).unwrap_or(self.sent)
    }

    /// How many events after this one cannot be read again.
    pub(super) fn missing_after(&self, position: u64) -> u64 {
        let first = self.heard.front().map_or(self.next, |stretch| stretch.first);
        first.saturating_sub(position + 1)
    }

    /// Takes in more of what there is to hear.
    pub(super) async fn read(&mut self, room: &Room) -> Written {
        let (mut next, mut heard) = (self.next, Vec::new());
        let written = self.reader.pieces(MAX_WRITE, |piece| {
            let lines = piece.lines();
            if lines > 0 {
                heard.push(Stretch::new(next, lines, &piece));
                next += lines;
            }
        });
        if self.reader.was_watched() {
            room.relieve().await;
        }
        heard.into_iter().for_each(|stretch| self.remember(stretch));
        self.next = next;
        self.over |= matches!(written, Written::End(_));
        if written == Written::End(End::TooSlow) {
            // Nobody waits for who was dropped, so what it keeps of the log would grow.
            self.heard.retain(|stretch| stretch.own_bytes() > 0);
        }
        self.forget();
        written
    }

    /// Takes in all that is left, if this is a member's no more.
    pub(super) async fn read_out(&mut self, room: &Room) {
        while !self.over && !room.is_member(self.reader.id()).await {
            self.read(room).await;
        }
    }

    /// Returns events after this one that were read, as many as one write is given. `files` are those that lines tell of.
    pub(super) fn after(&self, after: u64, files: Option<&Files>) -> Events {
        let mut events = Events::default();
        let mut goes_on = true;
        for stretch in self.heard.iter().skip_while(|stretch| stretch.first + stretch.size.lines <= after + 1) {
            let mut first = stretch.first;
            match &stretch.source {
                Source::Own { at, last, text } => {
                    goes_on = events.add(first, after, &Piece::own(*at, text, *last), files);
                }
                Source::Log(bookmark) => self.reader.again(bookmark, stretch.size.lines, |piece| {
                    goes_on = events.add(first, after, &piece, files);
                    first += piece.lines();
                    goes_on
                }),
            }
            if !goes_on {
                break;
            }
        }
        events
    }

    /// Notes that events up to this one were sent, and forgets those to which the session does not go back.
    pub(super) fn sent(&mut self, number: u64) {
        self.sent = self.sent.max(number);
        self.forget();
    }

    fn forget(&mut self) {
        let was_sent = |stretch: &Stretch| stretch.first + stretch.size.lines <= self.sent + 1;
        let sizes = self.heard.iter().take_while(|stretch| was_sent(stretch)).map(|stretch| stretch.size);
        // How much was sent that can be read again, were the first stretch forgotten.
        let mut rest = sizes.fold(Size::default(), |sum, size| sum + size);
        while let Some(first) = self.heard.front().filter(|first| was_sent(first)) {
            rest = rest - first.size;
            let enough = rest.lines >= BACK.lines
                || rest.bytes >= BACK.bytes
                || self.heard.iter().any(|stretch| stretch.is_far_behind(&self.reader))
                || self.kept.load(Relaxed) > MAX_KEPT;
            if !enough {
                break;
            }
            self.kept.fetch_sub(first.own_bytes(), Relaxed);
            self.heard.pop_front();
        }
    }

    /// Adds a stretch, to the last one if both are of the log and that one is short.
    fn remember(&mut self, stretch: Stretch) {
        self.kept.fetch_add(stretch.own_bytes(), Relaxed);
        match (self.heard.back_mut(), &stretch.source) {
            (Some(last), Source::Log(_))
                if !last.size.exceeds(APART) && last.own_bytes() == 0 && !last.is_far_behind(&self.reader) =>
            {
                last.size += stretch.size;
            }
            _ => self.heard.push_back(stretch),
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let own: usize = self.heard.iter().map(Stretch::own_bytes).sum();
        self.kept.fetch_sub(own, Relaxed);
    }
}

impl Stretch {
    fn new(first: u64, lines: u64, piece: &Piece<'_>) -> Stretch {
        let size = Size { lines, bytes: piece.text.len() as u64 };
        let source = match piece.bookmark() {
            Some(bookmark) => Source::Log(bookmark),
            None => Source::Own { at: piece.at, last: piece.last, text: piece.text.into() },
        };
        Stretch { first, size, source }
    }

    /// Whether much was said since that this session does not hear, its own lines above all: the log would keep all of
    /// it.
    fn is_far_behind(&self, reader: &Reader) -> bool {
        matches!(&self.source, Source::Log(bookmark) if bookmark.is_behind(reader) > FAR)
    }

    /// The bytes that are kept here, because they are in no log.
    fn own_bytes(&self) -> usize {
        if let Source::Own { text, .. } = &self.source { text.len() } else { 0 }
    }
}

#[cfg(test)]
mod tests;
