//! What a session hears, as numbered events; and how it goes back, because written is not received.
//!
//! Nothing that was said in public is kept here: to go back, it is read from the log again, which keeps what some cursor stands
//! before. What is for this session alone is in no log, so that is kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::SystemTime;

use super::events::{Heard, event};
use crate::room::{Id, MAX_WRITE, Piece, Place, Reader, Room, Size, Written};

/// How far a session can go back behind what was written to it: the contract's 256 lines or 32 KiB.
const BACK: Size = Size { lines: 256, bytes: 32 * 1024 };

/// How much of the log one remembered place stands for, at the least. Few places take little memory.
const APART: Size = Size { lines: 32, bytes: 4 * 1024 };

/// What all sessions together keep of what is for one alone, in bytes. Past it, a session keeps nothing that is sent.
const MAX_KEPT: usize = 8 * 1024 * 1024;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) reader: Reader,
    heard: VecDeque<Stretch>,
    /// The size of all stretches.
    size: Size,
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
    /// The log, from this place on.
    Log(Place),
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

/// Lines that are yet to be made events of.
struct Lines {
    first: u64,
    at: SystemTime,
    author: Option<Id>,
    last: bool,
    text: String,
}

impl Feed {
    /// What this reader hears from now on. `kept` counts what all feeds keep.
    pub(super) fn new(reader: Reader, kept: Arc<AtomicUsize>) -> Feed {
        Feed { reader, heard: VecDeque::new(), size: Size::default(), next: 1, sent: 0, over: false, kept }
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
        after.unwrap_or(self.sent).min(self.last())
    }

    /// How many events after this one cannot be read again.
    pub(super) fn missing_after(&self, position: u64) -> u64 {
        let first = self.heard.front().map_or(self.next, |stretch| stretch.first);
        first.saturating_sub(position + 1)
    }

    /// Reads more of what there is to hear.
    pub(super) async fn read(&mut self, room: &Room) -> (Written, Events) {
        let mut lines = Vec::new();
        let (mut next, mut heard, mut size) = (self.next, Vec::new(), Size::default());
        let written = self.reader.pieces(MAX_WRITE, |piece| {
            let text = String::from_utf8_lossy(piece.text).into_owned();
            let count = text.lines().count() as u64;
            if count == 0 {
                return;
            }
            let stretch = Stretch::new(next, count, &piece);
            lines.push(Lines { first: next, at: stretch.at(&piece), author: piece.author, last: piece.last, text });
            next += count;
            size += stretch.size;
            heard.push(stretch);
        });
        if self.reader.was_watched() {
            room.relieve().await;
        }
        heard.into_iter().for_each(|stretch| self.remember(stretch));
        self.next = next;
        self.size += size;
        self.over |= matches!(written, Written::End(_));
        (written, events(room, lines, 0).await)
    }

    /// Reads events after this one again, as many as one write is given.
    pub(super) async fn again(&self, room: &Room, after: u64) -> Events {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        let stretches = self.heard.iter().skip_while(|stretch| stretch.first + stretch.size.lines <= after + 1);
        for stretch in stretches {
            let mut first = stretch.first;
            let mut add = |at, author, last, text: &[u8]| {
                let text = String::from_utf8_lossy(text).into_owned();
                let count = text.lines().count() as u64;
                bytes += text.len();
                lines.push(Lines { first, at, author, last, text });
                first += count;
            };
            match &stretch.source {
                Source::Own { at, last, text } => add(*at, None, *last, text),
                Source::Log(place) => self.reader.again(place, stretch.size.lines, |piece| {
                    add(piece.at.unwrap_or_else(SystemTime::now), piece.author, false, piece.text);
                }),
            }
            if bytes >= MAX_WRITE {
                break;
            }
        }
        events(room, lines, after).await
    }

    /// Notes that events up to this one were sent, and forgets those to which the session does not go back.
    pub(super) fn sent(&mut self, number: u64) {
        self.sent = self.sent.max(number);
        let too_many = self.kept.load(Relaxed) > MAX_KEPT;
        while let Some(first) = self.heard.front() {
            let rest = self.size - first.size;
            let enough = rest.lines >= BACK.lines || rest.bytes >= BACK.bytes || too_many && first.own_bytes() > 0;
            if !enough || first.first + first.size.lines > self.sent + 1 {
                break;
            }
            self.kept.fetch_sub(first.own_bytes(), Relaxed);
            self.size = rest;
            self.heard.pop_front();
        }
    }

    /// Adds a stretch, to the last one if both are of the log and that one is short.
    fn remember(&mut self, stretch: Stretch) {
        self.kept.fetch_add(stretch.own_bytes(), Relaxed);
        match (self.heard.back_mut(), &stretch.source) {
            (Some(last), Source::Log(_)) if last.own_bytes() == 0 && !last.size.exceeds(APART) => {
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
        let source = match piece.place() {
            Some(place) => Source::Log(place),
            None => Source::Own { at: SystemTime::now(), last: piece.last, text: piece.text.into() },
        };
        Stretch { first, size, source }
    }

    /// When it was said.
    fn at(&self, piece: &Piece<'_>) -> SystemTime {
        match &self.source {
            Source::Own { at, .. } => *at,
            Source::Log(_) => piece.at.unwrap_or_else(SystemTime::now),
        }
    }

    /// The bytes that are kept here, because they are in no log.
    fn own_bytes(&self) -> usize {
        if let Source::Own { text, .. } = &self.source { text.len() } else { 0 }
    }
}

/// Makes events of lines, of those after this number.
async fn events(room: &Room, lines: Vec<Lines>, after: u64) -> Events {
    let mut events = Events::default();
    for Lines { first, at, author, last, text } in lines {
        let author = match author {
            Some(author) if text.starts_with("* ") => room.name_of(author).await,
            _ => None,
        };
        let author = author.as_ref().map(|name| name.as_str());
        let count = text.lines().count() as u64;
        for (number, line) in (first..).zip(text.lines()).filter(|(number, _)| *number > after) {
            let last = last && number + 1 == first + count;
            events.bytes.extend(event(number, Heard { line, at, author, last }));
            events.last = number;
        }
    }
    events
}
