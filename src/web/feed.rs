//! What a session hears, as events, and how it goes back to earlier ones: what was written to a connection may
//! not have been received.
//!
//! Public lines are not kept here. A bookmark keeps their place in the log, where they are read again. Lines for this
//! session alone are in no log, so they are kept here.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::events::{self, EventId, Heard};
use super::told::Told;
use crate::files::Files;
use crate::room::{Bookmark, End, Piece, Reader, Room, Said, Size, Written};

/// How far a session can go back behind what was written to it: the contract's 256 lines or 32 KiB.
const BACK: Size = Size { lines: 256, bytes: 32 * 1024 };

/// How many lines or bytes of the log one bookmark covers at least, so that there are few bookmarks.
const APART: Size = Size { lines: 32, bytes: 4 * 1024 };

/// How many stretches a session that only listens keeps: `BACK` in stretches of `APART`, with those in part. The queue
/// never gives back the memory for so many.
const FEW: usize = (BACK.lines / APART.lines) as usize + 2;

/// How much of the log a bookmark may keep in memory, in bytes: twice `BACK`, for what is not heard.
const FAR: u64 = 2 * BACK.bytes;

/// How many bytes all sessions together keep of lines that are for one session alone. Past this, a session forgets such
/// a line once it is sent, and reads the next one only after that.
const MAX_KEPT: usize = 8 * 1024 * 1024;

/// What such a line, or some that came at once, takes in memory besides its bytes, in bytes: a place in a queue that has
/// grown by doubling, another one for the stretch of the log that may follow, and what the allocator adds.
const OVERHEAD: usize = 4 * size_of::<Stretch>();

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
    /// How many bytes all sessions keep of lines that are for one session alone, with `OVERHEAD`.
    kept: AtomicUsize,
    told: Mutex<Told>,
    /// Memory for the events of the next write, if the last one needs it no more.
    spare: Mutex<Vec<u8>>,
    /// The files that lines tell of.
    files: Option<Arc<Files>>,
}

impl Common {
    /// What is shared by feeds of a room in which these files are.
    pub(super) fn new(files: Option<Arc<Files>>) -> Common {
        Common { files, ..Common::default() }
    }

    /// Whether more is kept than may be.
    fn keeps_too_much(&self) -> bool {
        self.kept.load(Relaxed) > MAX_KEPT
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spare(&self) -> MutexGuard<'_, Vec<u8>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the event of a line.
    fn tell(&self, id: EventId, line: &[u8], said: &Said<'_>, last: bool) -> Vec<u8> {
        // The decoder has made UTF-8 of every line.
        let line = std::str::from_utf8(line).unwrap_or_default().trim_end_matches('\n');
        let author = line.strip_prefix("* ").unwrap_or(line).get(..said.actor.into());
        let heard = Heard { line, at: said.at, author: author.filter(|name| !name.is_empty()), last };
        events::event(id, heard, |file| self.files.as_ref()?.about(file))
    }
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) reader: Reader,
    heard: VecDeque<Stretch>,
    /// The size of all of `heard`, so that forgetting looks at its two ends alone.
    size: Size,
    /// The last event that was read.
    last: EventId,
    /// The last event that was sent.
    sent: EventId,
    /// Whether the last words were read.
    over: bool,
    common: Arc<Common>,
}

/// Some events in a row that were read, and how they are read again.
#[derive(Debug)]
struct Stretch {
    /// The last event before these.
    after: EventId,
    /// The last of these.
    last: EventId,
    /// The lines that they tell.
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
    /// The last of them.
    pub(super) last: EventId,
}

impl Events {
    /// Adds the events of a piece that come after `after`, until there is as much as one write is given. `before` is the
    /// last event before the piece. Returns how much of the piece is passed.
    fn add(&mut self, piece: &Piece<'_>, before: EventId, after: EventId, common: &Common, told: &mut Told) -> Size {
        match piece.position() {
            Some(begin) => self.add_public(piece, begin, after.position, common, told),
            None => self.add_own(piece, before, after, common),
        }
    }

    fn add_public<'a>(&mut self, piece: &Piece<'a>, begin: u64, after: u64, common: &Common, told: &mut Told) -> Size {
        let end = begin + piece.text.len() as u64;
        let mut line = begin + next_line(piece.text, after.saturating_sub(begin)) as u64;
        // What was said at once, with its end. It is looked at only for events that nobody was told of yet.
        let with_end = |end: &mut u64, said: Said<'a>| {
            *end += said.text.len() as u64;
            Some((said, *end))
        };
        let mut said = piece.said().scan(begin, with_end).peekable();
        let mut lines = 0;
        while line < end && !self.is_full() {
            let run = told.run(line, end, ENOUGH - self.bytes.len());
            if run.lines > 0 {
                self.push(run.bytes, common);
                (line, lines) = (run.end, lines + run.lines);
            } else {
                while said.next_if(|(_, end)| *end <= line).is_some() {}
                let Some((said, _)) = said.peek() else { break };
                let text = first_line(&piece.text[(line - begin) as usize..]);
                let next = line + text.len() as u64;
                let event = common.tell(EventId { position: next, count: 0 }, text, said, false);
                told.keep(line, text.len() as u64, &event);
                self.push(&event, common);
                (line, lines) = (next, lines + 1);
            }
            self.last = EventId { position: line, count: 0 };
        }
        Size { lines, bytes: line - begin }
    }

    fn add_own(&mut self, piece: &Piece<'_>, before: EventId, after: EventId, common: &Common) -> Size {
        let (mut id, mut size) = (before, Size::default());
        for said in piece.said() {
            for line in said.text.split_inclusive(|byte| *byte == b'\n') {
                id.count += 1;
                if id > after {
                    if self.is_full() {
                        return size;
                    }
                    let is_last = size.bytes as usize + line.len() == piece.text.len();
                    let event = common.tell(id, line, &said, is_last && piece.is_last());
                    self.push(&event, common);
                    self.last = id;
                }
                size += Size { lines: 1, bytes: line.len() as u64 };
            }
        }
        size
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= ENOUGH
    }

    /// Adds one event, or some. Memory is reserved once for one event, and once more for all others.
    fn push(&mut self, events: &[u8], common: &Common) {
        if self.bytes.capacity() == 0 {
            self.bytes = mem::take(&mut *common.spare());
        }
        let length = self.bytes.len() + events.len();
        if length > self.bytes.capacity() {
            let size = if length <= FIRST { FIRST } else { length.max(WRITE) };
            self.bytes.reserve_exact(size - self.bytes.len());
        }
        self.bytes.extend_from_slice(events);
    }
}

/// Returns the first line, with its end.
fn first_line(text: &[u8]) -> &[u8] {
    text.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// Returns where the next line begins: at this place, or else after it. A client chooses the place, so it may be anywhere.
fn next_line(text: &[u8], place: u64) -> usize {
    let before = usize::try_from(place).ok().and_then(|place| text.get(place.checked_sub(1)?..));
    match before {
        _ if place == 0 => 0,
        None => text.len(),
        Some(rest) => text.len() - rest.len() + first_line(rest).len(),
    }
}

impl Feed {
    /// What this reader hears from now on.
    pub(super) fn new(reader: Reader, common: Arc<Common>) -> Feed {
        let (last, sent) = (EventId::default(), EventId::default());
        Feed { reader, heard: VecDeque::new(), size: Size::default(), last, sent, over: false, common }
    }

    /// Whether the last thing that was heard are last words.
    pub(super) fn has_last_words(&self) -> bool {
        matches!(self.heard.back(), Some(Stretch { source: Source::Own { last: true, .. }, .. }))
    }

    /// Whether nothing more will be heard.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The last event that was read.
    pub(super) fn last(&self) -> EventId {
        self.last
    }

    /// The event after which a stream goes on: that which the client has, or else the last that was sent.
    pub(super) fn position(&self, after: Option<EventId>) -> EventId {
        after.filter(|id| *id <= self.last).unwrap_or(self.sent)
    }

    /// If the events that follow this one cannot be read again, returns the last of those.
    pub(super) fn lost_after(&self, position: EventId) -> Option<EventId> {
        if position == self.last {
            return None;
        }
        let next = self.heard.partition_point(|stretch| stretch.last <= position);
        Some(self.heard.get(next).map_or(self.last, |stretch| stretch.after)).filter(|lost| *lost > position)
    }

    /// Returns the events after this one, as many as one write is given: those that were read before, up to where some
    /// cannot be read again, then those of what there is to hear now.
    pub(super) async fn read(&mut self, room: &Room, after: EventId) -> (Written, Events) {
        let mut events = Events { bytes: Vec::new(), last: after };
        if after < self.last {
            self.add_again(after, &mut events);
        }
        // If not all of it was added, there is no room for more.
        if self.over || events.last < self.last {
            return (Written::Part, events);
        }
        let written = self.take_in(&mut events);
        if self.reader.was_watched() {
            room.relieve().await;
        }
        self.over |= matches!(written, Written::End(_));
        if written == Written::End(End::TooSlow) {
            // Nobody waits for who was dropped, so what it keeps of the log would grow.
            self.heard.retain(Stretch::is_own);
            self.size = total(self.heard.iter());
        }
        self.forget();
        (written, events)
    }

    /// Takes in what there is to hear, until there are as many events as one write is given.
    fn take_in(&mut self, events: &mut Events) -> Written {
        let Feed { reader, heard, size: all, last, common, .. } = self;
        let mut told = common.told();
        reader.pieces(|piece| {
            if piece.position().is_none() && !events.bytes.is_empty() && common.keeps_too_much() {
                return 0;
            }
            let after = *last;
            let size = events.add(&piece, after, after, common, &mut told);
            let taken = size.bytes as usize;
            if taken == 0 {
                return 0;
            }
            *last = events.last;
            *all += size;
            match heard.back_mut() {
                Some(stretch) if stretch.takes_more(&piece) => {
                    stretch.size += size;
                    stretch.last = *last;
                }
                _ => {
                    let source = Source::of(&piece, taken);
                    let stretch = Stretch { after, last: *last, size, source };
                    common.kept.fetch_add(stretch.own_memory(), Relaxed);
                    heard.push_back(stretch);
                }
            }
            taken
        })
    }

    /// Takes in all that is left, if this is a member's no more.
    pub(super) async fn read_out(&mut self, room: &Room) {
        while !self.over && !room.is_member(self.reader.id()).await {
            let events = self.read(room, self.last()).await.1;
            self.reuse(events);
        }
    }

    /// Adds events after this one that were read, until there are as many as one write is given, or the next ones cannot
    /// be read again.
    fn add_again(&self, after: EventId, events: &mut Events) {
        let mut told = self.common.told();
        let mut passed = None;
        for stretch in self.heard.iter().skip_while(|stretch| stretch.last <= after) {
            if passed.replace(stretch.last).is_some_and(|passed| passed < stretch.after) {
                break;
            }
            let mut add = |piece: Piece<'_>| {
                events.add(&piece, stretch.after, after, &self.common, &mut told);
                !events.is_full()
            };
            match &stretch.source {
                Source::Own { at, last, text } => {
                    add(Piece::own(*at, text, *last));
                }
                Source::Log(bookmark) => self.reader.again(bookmark, stretch.last.position, add),
            }
            if events.is_full() {
                break;
            }
        }
    }

    /// Notes that these events were sent, and forgets those to which the session does not go back.
    pub(super) fn sent(&mut self, events: Events) {
        self.sent = self.sent.max(events.last);
        self.forget();
        self.reuse(events);
    }

    /// Keeps the memory of events that nobody needs any more, if it is worth it: to allocate as much for each write takes
    /// longer than to fill it.
    fn reuse(&self, Events { mut bytes, .. }: Events) {
        let mut spare = self.common.spare();
        if (spare.capacity()..=WRITE).contains(&bytes.capacity()) {
            bytes.clear();
            *spare = bytes;
        }
    }

    fn forget(&mut self) {
        let was_sent = |stretch: &Stretch| stretch.last <= self.sent;
        let unsent = self.heard.iter().rev().take_while(|stretch| !was_sent(stretch));
        // How much was sent that can be read again, were the first stretch forgotten.
        let mut rest = self.size - total(unsent);
        while let Some(first) = self.heard.front().filter(|first| was_sent(first)) {
            rest = rest - first.size;
            let enough = rest.lines >= BACK.lines
                || rest.bytes >= BACK.bytes
                || self.is_far_behind()
                || self.common.keeps_too_much();
            if !enough {
                break;
            }
            self.common.kept.fetch_sub(first.own_memory(), Relaxed);
            self.size = self.size - first.size;
            self.heard.pop_front();
        }
        // So the memory is in proportion to what is kept.
        if self.heard.capacity() > 4 * self.heard.len().max(FEW) {
            self.heard.shrink_to(2 * self.heard.len());
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
        let own: usize = self.heard.iter().map(Stretch::own_memory).sum();
        self.common.kept.fetch_sub(own, Relaxed);
    }
}

impl Source {
    /// So many bytes of a piece.
    fn of(piece: &Piece<'_>, taken: usize) -> Source {
        if let Some(bookmark) = piece.bookmark() {
            return Source::Log(bookmark);
        }
        let at = piece.said().next().map_or(SystemTime::UNIX_EPOCH, |said| said.at);
        Source::Own { at, last: piece.is_last() && taken == piece.text.len(), text: piece.text[..taken].into() }
    }
}

/// Returns the size of these together.
fn total<'a>(stretches: impl Iterator<Item = &'a Stretch>) -> Size {
    stretches.fold(Size::default(), |sum, stretch| sum + stretch.size)
}

impl Stretch {
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

    /// Whether it is for this session alone.
    fn is_own(&self) -> bool {
        matches!(self.source, Source::Own { .. })
    }

    /// What it takes in memory because it is in no log, in bytes.
    fn own_memory(&self) -> usize {
        if let Source::Own { text, .. } = &self.source { text.len() + OVERHEAD } else { 0 }
    }
}

#[cfg(test)]
mod tests;
