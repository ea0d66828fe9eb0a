//! A cache of the events of the latest lines. An event is made once for all sessions, because only its number differs
//! between them.
//!
//! Most sessions read the same line within a short time, so it is enough to keep the latest lines. Knows nothing of
//! sessions.

use std::collections::VecDeque;

/// What is kept, in bytes: about a thousand events of lines as people type them, which is as far as the slowest may be
/// behind. Whoever is further behind than this reaches has its events made for itself.
const MAX_KEPT: usize = 256 * 1024;

/// What an event takes beside its bytes, about: its place in the queue, and what the allocator adds.
const OVERHEAD: usize = 56;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// In the order of their positions.
    events: VecDeque<Event>,
    /// The size of all of them, with what they take beside.
    size: usize,
    /// The place after the event that was last asked for, where the next most likely is.
    next: usize,
}

#[derive(Debug)]
struct Event {
    /// The position in the log of the line that is told.
    position: u64,
    /// How many bytes that line has, with its end. To search for the end takes longer than all else that is done with
    /// an event that is kept.
    line: usize,
    bytes: Box<[u8]>,
}

impl Told {
    /// Appends what is told of the line at this position of the log. `make` returns it, after how many bytes the line
    /// has. Returns how many those are.
    pub(super) fn append(&mut self, to: &mut Vec<u8>, position: u64, make: impl FnOnce() -> (usize, Vec<u8>)) -> usize {
        let is_next = self.events.get(self.next).is_some_and(|event| event.position == position);
        let found =
            if is_next { Ok(self.next) } else { self.events.binary_search_by_key(&position, |event| event.position) };
        match found {
            Ok(at) => {
                self.next = at + 1;
                to.extend_from_slice(&self.events[at].bytes);
                self.events[at].line
            }
            Err(at) => {
                let (line, event) = make();
                to.extend_from_slice(&event);
                self.keep(at, Event { position, line, bytes: event.into() });
                line
            }
        }
    }

    fn keep(&mut self, at: usize, event: Event) {
        // What is older than all that is kept is heard by few, and would take the place of what all will hear.
        if at == 0 && !self.events.is_empty() {
            return;
        }
        self.size += event.bytes.len() + OVERHEAD;
        self.events.insert(at, event);
        self.next = at + 1;
        while self.size > MAX_KEPT {
            let Some(event) = self.events.pop_front() else { return };
            self.size -= event.bytes.len() + OVERHEAD;
            self.next = self.next.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is told of the line at this position, and whether that had to be made.
    fn told(told: &mut Told, position: u64) -> (Vec<u8>, bool) {
        let (mut to, mut made) = (Vec::new(), false);
        let length = told.append(&mut to, position, || {
            made = true;
            (position as usize + 1, format!("{position};").repeat(100).into_bytes())
        });
        assert_eq!(length, position as usize + 1);
        (to, made)
    }

    #[test]
    fn what_is_told_is_made_once_in_whatever_order_it_is_asked_for() {
        let mut all = Told::default();
        for (position, made) in [(5, true), (7, true), (5, false), (6, true), (7, false), (6, false), (9, true)] {
            assert_eq!(told(&mut all, position), (format!("{position};").repeat(100).into_bytes(), made));
        }
        assert!(told(&mut all, 4).1 && told(&mut all, 4).1, "what is older than all is not kept");
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_newest() {
        let mut all = Told::default();
        for position in 0..10_000 {
            assert!(told(&mut all, position).1);
            assert!(all.size <= MAX_KEPT);
        }
        let kept = all.events.len() as u64;
        assert!(kept > 100 && !told(&mut all, 10_000 - kept).1 && told(&mut all, 9_999 - kept).1);
        let size: usize = all.events.iter().map(|event| event.bytes.len() + OVERHEAD).sum();
        assert_eq!(size, all.size);
    }
}
