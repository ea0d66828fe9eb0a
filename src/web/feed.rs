//! What a session hears, as numbered events, and how it goes back to earlier ones: what was written to a connection may
//! not have been received.
//!
//! Public lines are not kept here. A bookmark keeps their place in the log, where they are read again. Lines for this
//! session alone are in no log, so they are kept here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::events::{self, Heard};
use super::told::Told;
use crate::files::Files;
use crate::room::{Bookmark, End, Piece, Reader, Room, Size, Written};

/// How far a session can go back behind what was written to it: the contract's 256 lines or 32 KiB.
const BACK: Size = Size { lines: 256, bytes: 32 * 1024 };

/// How many lines or bytes of the log one bookmark covers at least, so that there are few bookmarks.
const APART: Size = Size { lines: 32, bytes: 4 * 1024 };

/// How much of the log a bookmark may keep in memory, in bytes: twice `BACK`, for what is not heard.
const FAR: u64 = 2 * BACK.bytes;

/// How many bytes all sessions together keep of lines that are for one session alone. Past this, no session keeps such
/// a line once it is sent.
const MAX_KEPT: usize = 8 * 1024 * 1024;

/// How many bytes of events one write is given at most, if no event alone is larger. An event has about four times the
/// bytes of its line; so this is as many lines as gather in a busy room, and one system call takes all of them.
pub(super) const WRITE: usize = 16 * 1024;

/// When the events of one write are enough, in bytes. Beside them is room for one more line as people type them, so that
/// they seldom take two writes.
const ENOUGH: usize = WRITE - 512;

/// What is reserved for the events of one write, in bytes, once there are any: enough for one line as people type them.
const FIRST: usize = 512;

/// What all feeds share.
#[derive(Debug, Default)]
pub(super) struct Common {
    /// How many bytes all sessions keep of lines that are for one session alone.
    kept: AtomicUsize,
    told: Mutex<Told>,
    /// The files that lines tell of.
    files: Option<Arc<Files>>,
}

impl Common {
    /// What is shared by feeds of a room in which these files are.
    pub(super) fn new(files: Option<Arc<Files>>) -> Common {
        Common { files, ..Common::default() }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is told of a line, after its event's number.
    fn tell(&self, line: &[u8], piece: &Piece<'_>, last: bool) -> Vec<u8> {
        let text = String::from_utf8_lossy(line);
        let line = text.trim_end_matches('\n');
        let author = line.strip_prefix("* ").unwrap_or(line).get(..piece.actor.into());
        let heard = Heard { line, at: piece.at, author: author.filter(|name| !name.is_empty()), last };
        events::telling(heard, |id| self.files.as_ref()?.about(id))
    }
}

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
    common: Arc<Common>,
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
    fn add(&mut self, first: u64, after: u64, piece: &Piece<'_>, common: &Common, told: &mut Told) -> bool {
        let (mut rest, end) = (piece.text, first + piece.lines());
        for number in first..end {
            let is_last = number + 1 == end;
            let line = || if is_last { rest } else { first_line(rest) };
            if number <= after {
                rest = &rest[line().len()..];
                continue;
            }
            if self.is_full() {
                return false;
            }
            self.reserve();
            events::number(&mut self.bytes, number);
            let tell = || (line().len(), common.tell(line(), piece, piece.last && is_last));
            let length = match piece.position() {
                Some(position) => told.append(&mut self.bytes, position + (piece.text.len() - rest.len()) as u64, tell),
                None => {
                    let (length, event) = tell();
                    self.bytes.extend(event);
                    length
                }
            };
            rest = &rest[length..];
            self.last = number;
        }
        !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= ENOUGH
    }

    /// Reserves memory once for one event, and once more for all others.
    fn reserve(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.reserve_exact(FIRST);
        } else if self.bytes.capacity() == FIRST {
            self.bytes.reserve_exact(WRITE - self.bytes.len());
        }
    }
}

/// Returns the first line, with its end.
fn first_line(text: &[u8]) -> &[u8] {
    text.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default()
}

impl Feed {
    /// What this reader hears from now on.
    pub(super) fn new(reader: Reader, common: Arc<Common>) -> Feed {
        Feed { reader, heard: VecDeque::new(), next: 1, sent: 0, over: false, common }
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

    /// Returns the events after this one, as many as one write is given: those that were read before, then those of
    /// what there is to hear now.
    pub(super) async fn read(&mut self, room: &Room, after: u64) -> (Written, Events) {
        let mut events = Events { bytes: Vec::new(), last: after };
        if after < self.last() {
            self.add_again(after, &mut events);
        }
        // If not all of it was added, there is no room for more.
        if self.over || events.last < self.last() {
            return (Written::Part, events);
        }
        let written = self.take_in(&mut events);
        if self.reader.was_watched() {
            room.relieve().await;
        }
        self.over |= matches!(written, Written::End(_));
        if written == Written::End(End::TooSlow) {
            // Nobody waits for who was dropped, so what it keeps of the log would grow.
            self.heard.retain(|stretch| stretch.own_bytes() > 0);
        }
        self.forget();
        (written, events)
    }

    /// Takes in what there is to hear, until there are as many events as one write is given.
    fn take_in(&mut self, events: &mut Events) -> Written {
        let Feed { reader, heard, next, common, .. } = self;
        let mut told = common.told();
        reader.pieces(|piece| {
            let lines = piece.lines();
            let goes_on = events.add(*next, 0, &piece, common, &mut told);
            if lines > 0 {
                let size = Size { lines, bytes: piece.text.len() as u64 };
                match heard.back_mut() {
                    Some(last) if last.takes_more(&piece) => last.size += size,
                    _ => {
                        let stretch = Stretch::new(*next, size, &piece);
                        common.kept.fetch_add(stretch.own_bytes(), Relaxed);
                        heard.push_back(stretch);
                    }
                }
                *next += lines;
            }
            goes_on
        })
    }

    /// Takes in all that is left, if this is a member's no more.
    pub(super) async fn read_out(&mut self, room: &Room) {
        while !self.over && !room.is_member(self.reader.id()).await {
            self.read(room, self.last()).await;
        }
    }

    /// Adds events after this one that were read, until there are as many as one write is given.
    fn add_again(&self, after: u64, events: &mut Events) {
        let (mut goes_on, mut told) = (true, self.common.told());
        for stretch in self.heard.iter().skip_while(|stretch| stretch.first + stretch.size.lines <= after + 1) {
            let mut first = stretch.first;
            match &stretch.source {
                Source::Own { at, last, text } => {
                    goes_on = events.add(first, after, &Piece::own(*at, text, *last), &self.common, &mut told);
                }
                Source::Log(bookmark) => self.reader.again(bookmark, stretch.size.lines, |piece| {
                    goes_on = events.add(first, after, &piece, &self.common, &mut told);
                    first += piece.lines();
                    goes_on
                }),
            }
            if !goes_on {
                break;
            }
        }
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
                || self.is_far_behind()
                || self.common.kept.load(Relaxed) > MAX_KEPT;
            if !enough {
                break;
            }
            self.common.kept.fetch_sub(first.own_bytes(), Relaxed);
            self.heard.pop_front();
        }
    }

    /// Whether the first that is remembered of the log is far behind. All others are behind less.
    fn is_far_behind(&self) -> bool {
        let first = self.heard.iter().find(|stretch| matches!(stretch.source, Source::Log(_)));
        first.is_some_and(|stretch| stretch.is_far_behind(self.reader.passed()))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let own: usize = self.heard.iter().map(Stretch::own_bytes).sum();
        self.common.kept.fetch_sub(own, Relaxed);
    }
}

impl Stretch {
    fn new(first: u64, size: Size, piece: &Piece<'_>) -> Stretch {
        let source = match piece.bookmark() {
            Some(bookmark) => Source::Log(bookmark),
            None => Source::Own { at: piece.at, last: piece.last, text: piece.text.into() },
        };
        Stretch { first, size, source }
    }

    /// Whether a piece that follows is added to this one: both are of the log, and this one is short.
    fn takes_more(&self, piece: &Piece<'_>) -> bool {
        let Some(position) = piece.position() else { return false };
        let is_of_log = matches!(self.source, Source::Log(_));
        is_of_log && !self.size.exceeds(APART) && !self.is_far_behind(position)
    }

    /// Whether much was said up to this position that this session does not hear, its own lines above all: the log would
    /// keep all of it.
    fn is_far_behind(&self, position: u64) -> bool {
        matches!(&self.source, Source::Log(bookmark) if bookmark.is_behind(position) > FAR)
    }

    /// The bytes that are kept here, because they are in no log.
    fn own_bytes(&self) -> usize {
        if let Source::Own { text, .. } = &self.source { text.len() } else { 0 }
    }
}

#[cfg(test)]
mod tests;
