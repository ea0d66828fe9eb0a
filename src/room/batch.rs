//! What was said within one turn of the executor: held once, shared by everybody it is for.
//!
//! A batch is open until the first writer looks at it: what is said meanwhile is appended for everybody at the price of
//! one copy, whoever says it. From then on it never changes. Knows who must not hear a part; knows no sockets, no queues.

use std::mem;
use std::ops::{AddAssign, Range};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Id;
use crate::text::message::Message;

/// An open batch takes no more than this. It bounds how far a queue can grow between two looks at its length; four
/// times this is what a queue may hold.
pub(super) const MAX_BATCH: Size = Size { lines: 256, bytes: 32 * 1024 };

/// An amount of queued text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Whole lines.
    pub(super) lines: usize,
    /// Bytes on the wire.
    pub(super) bytes: usize,
}

impl Size {
    pub(super) const MAX: Size = Size { lines: usize::MAX, bytes: usize::MAX };

    pub(super) fn of(message: &Message) -> Size {
        Size { lines: message.lines(), bytes: message.bytes().len() }
    }

    /// Whether either measure is more than the limit's.
    pub(super) fn exceeds(self, limit: Size) -> bool {
        self.lines > limit.lines || self.bytes > limit.bytes
    }

    /// Quarters of this size.
    pub(super) const fn quarters(self, n: usize) -> Size {
        Size { lines: self.lines / 4 * n, bytes: self.bytes / 4 * n }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Size) {
        self.lines = self.lines.saturating_add(other.lines);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Who hears a part of a batch.
#[derive(Clone, Debug)]
pub(super) enum Audience {
    Everybody,
    AllBut(Id),
    AllButThese(Arc<[Id]>),
}

impl Audience {
    /// The same audience, but for one more.
    pub(super) fn without(&self, id: Id) -> Audience {
        match self {
            Audience::Everybody => Audience::AllBut(id),
            Audience::AllBut(one) => Audience::AllButThese([*one, id].into()),
            Audience::AllButThese(some) => Audience::AllButThese(some.iter().copied().chain([id]).collect()),
        }
    }

    /// The same audience and this one, who was left out.
    pub(super) fn with(&self, id: Id) -> Audience {
        let Audience::AllButThese(some) = self else { return self.clone() };
        match some.iter().copied().filter(|other| *other != id).collect::<Vec<_>>()[..] {
            [one] => Audience::AllBut(one),
            ref rest => Audience::AllButThese(rest.into()),
        }
    }

    /// How many hear it when so many are here. Whoever is left out is one of them.
    pub(super) fn size(&self, here: usize) -> usize {
        let left_out = match self {
            Audience::Everybody => 0,
            Audience::AllBut(_) => 1,
            Audience::AllButThese(some) => some.len(),
        };
        here.saturating_sub(left_out)
    }

    fn includes(&self, id: Id) -> bool {
        match self {
            Audience::Everybody => true,
            Audience::AllBut(one) => *one != id,
            Audience::AllButThese(some) => !some.contains(&id),
        }
    }
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Batch {
    open: Mutex<Option<Parts>>,
    sealed: OnceLock<Parts>,
}

/// What a batch says, and whom each part is for.
#[derive(Debug, Default)]
pub(super) struct Parts {
    bytes: Vec<u8>,
    parts: Vec<Part>,
    lines: usize,
}

#[derive(Debug)]
struct Part {
    /// Where it ends in the batch's bytes; it begins where the one before it ends.
    end: usize,
    lines: usize,
    audience: Audience,
}

impl Batch {
    /// An open batch with a first part.
    pub(super) fn new(message: Message, audience: Audience) -> Arc<Batch> {
        let size = Size::of(&message);
        let part = Part { end: size.bytes, lines: size.lines, audience };
        let parts = Parts { bytes: message.into_bytes(), parts: vec![part], lines: size.lines };
        Arc::new(Batch { open: Mutex::new(Some(parts)), sealed: OnceLock::new() })
    }

    /// Adds a part, unless the batch is sealed or has no place for it. Tells whether it did.
    pub(super) fn append(&self, message: &Message, audience: &Audience) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(parts) = open.as_mut() else { return false };
        let mut size = Size::of(message);
        size += Size { lines: parts.lines, bytes: parts.bytes.len() };
        if size.exceeds(MAX_BATCH) {
            return false;
        }
        parts.bytes.extend_from_slice(message.bytes());
        parts.parts.push(Part { end: size.bytes, lines: message.lines(), audience: audience.clone() });
        parts.lines = size.lines;
        true
    }

    /// Ends the batch, if that has not happened yet, and gives what it says.
    pub(super) fn seal(&self) -> &Parts {
        self.sealed.get_or_init(|| {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            mem::take(&mut *open).unwrap_or_default()
        })
    }

    /// How many parts it has by now: where somebody who comes now begins to listen.
    pub(super) fn len(&self) -> usize {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map_or_else(|| self.seal().parts.len(), |open| open.parts.len())
    }

    /// All bytes that stay in memory as long as anybody still has to read one of them.
    pub(super) fn held(&self) -> usize {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map_or_else(|| self.seal().bytes.len(), |open| open.bytes.len())
    }

    /// How much of it, as it is now, is for one client who listens to these parts.
    pub(super) fn size_for(&self, id: Id, parts: &Range<usize>) -> Size {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.as_ref() {
            Some(open) => open.size_for(id, parts),
            None => self.seal().size_for(id, parts),
        }
    }
}

impl Parts {
    fn size_for(&self, id: Id, parts: &Range<usize>) -> Size {
        let mut size = Size::default();
        let mut start = self.start(parts.start);
        for part in self.among(parts) {
            if part.audience.includes(id) {
                size += Size { lines: part.lines, bytes: part.end - start };
            }
            start = part.end;
        }
        size
    }

    /// What one client who listens to these parts is to read, in as few slices as possible.
    pub(super) fn runs_for(&self, id: Id, parts: &Range<usize>) -> Runs<'_> {
        Runs { bytes: &self.bytes, parts: self.among(parts), start: self.start(parts.start), id }
    }

    /// Those of these parts that there are.
    fn among(&self, parts: &Range<usize>) -> &[Part] {
        self.parts.get(parts.start..parts.end.min(self.parts.len())).unwrap_or_default()
    }

    /// Where a part begins in the bytes.
    fn start(&self, part: usize) -> usize {
        part.checked_sub(1).and_then(|before| self.parts.get(before)).map_or(0, |before| before.end)
    }
}

/// The runs of neighbouring parts that one client hears. On the path of every delivery: a plain loop over the parts.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    bytes: &'a [u8],
    parts: &'a [Part],
    start: usize,
    id: Id,
}

impl<'a> Iterator for Runs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let [part, rest @ ..] = self.parts {
            let start = self.start;
            (self.start, self.parts) = (part.end, rest);
            if !part.audience.includes(self.id) {
                continue;
            }
            while let Some(part) = self.parts.first().filter(|part| part.audience.includes(self.id)) {
                (self.start, self.parts) = (part.end, &self.parts[1..]);
            }
            if start < self.start {
                return Some(&self.bytes[start..self.start]);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::tests::message;

    const ALL: Range<usize> = 0..usize::MAX;

    fn heard(batch: &Batch, id: Id, parts: Range<usize>) -> Vec<String> {
        batch.seal().runs_for(id, &parts).map(|run| String::from_utf8(run.to_vec()).unwrap()).collect()
    }

    #[test]
    fn neighbouring_parts_are_one_run_and_ones_own_are_left_out() {
        let batch = Batch::new(message("a"), Audience::AllBut(Id(1)));
        for (text, author) in [("b", 2), ("c", 1), ("d", 3)] {
            assert!(batch.append(&message(text), &Audience::AllBut(Id(author))));
        }
        assert_eq!(batch.size_for(Id(1), &ALL), Size { lines: 2, bytes: 4 });
        assert_eq!(heard(&batch, Id(1), ALL), ["b\n", "d\n"]);
        assert_eq!(heard(&batch, Id(2), ALL), ["a\n", "c\nd\n"]);
        assert_eq!(heard(&batch, Id(9), ALL), ["a\nb\nc\nd\n"]);
        assert_eq!(batch.size_for(Id(1), &ALL), Size { lines: 2, bytes: 4 });
    }

    #[test]
    fn a_newcomer_listens_from_where_the_batch_is() {
        let batch = Batch::new(message("before"), Audience::Everybody);
        let from = batch.len();
        assert_eq!(batch.size_for(Id(1), &(from..usize::MAX)), Size::default());
        assert!(batch.append(&message("after"), &Audience::Everybody));
        assert_eq!(heard(&batch, Id(1), from..usize::MAX), ["after\n"]);
        assert_eq!(batch.len(), 2);
    }

    #[test]
    fn who_leaves_listens_up_to_where_the_batch_is() {
        let batch = Batch::new(message("before"), Audience::Everybody);
        let parts = 0..batch.len();
        assert!(batch.append(&message("after"), &Audience::Everybody));
        assert_eq!(batch.size_for(Id(1), &parts), Size { lines: 1, bytes: 7 });
        assert_eq!(heard(&batch, Id(1), parts), ["before\n"]);
        assert_eq!(heard(&batch, Id(1), 0..0), [""; 0]);
    }

    #[test]
    fn nothing_is_added_to_a_sealed_or_a_full_batch() {
        let batch = Batch::new(message("a"), Audience::Everybody);
        batch.seal();
        assert!(!batch.append(&message("b"), &Audience::Everybody));
        let batch = Batch::new(message("a"), Audience::Everybody);
        let fits = (0..MAX_BATCH.lines * 2).filter(|_| batch.append(&message("b"), &Audience::Everybody)).count();
        assert_eq!(fits, MAX_BATCH.lines - 1);
        let batch = Batch::new(message("a"), Audience::Everybody);
        assert!(!batch.append(&message(&"b".repeat(MAX_BATCH.bytes)), &Audience::Everybody));
    }
}
