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
const OVERHEAD: usize = 48;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By the position in the log of the line that is told.
    events: VecDeque<(u64, Box<[u8]>)>,
    /// The size of all of them, with what they take beside.
    size: usize,
    /// The place after the event that was last asked for, where the next most likely is.
    next: usize,
}

impl Told {
    /// Appends what is told of the line at this position of the log, which `make` makes.
    pub(super) fn append(&mut self, to: &mut Vec<u8>, position: u64, make: impl FnOnce() -> Vec<u8>) {
        let is_next = self.events.get(self.next).is_some_and(|event| event.0 == position);
        let found = if is_next { Ok(self.next) } else { self.events.binary_search_by_key(&position, |event| event.0) };
        match found {
            Ok(at) => {
                self.next = at + 1;
                to.extend_from_slice(&self.events[at].1);
            }
            Err(at) => {
                let event = make();
                to.extend_from_slice(&event);
                self.keep(at, position, event.into());
            }
        }
    }

    fn keep(&mut self, at: usize, position: u64, event: Box<[u8]>) {
        // What is older than all that is kept is heard by few, and would take the place of what all will hear.
        if at == 0 && !self.events.is_empty() {
            return;
        }
        self.size += event.len() + OVERHEAD;
        self.events.insert(at, (position, event));
        self.next = at + 1;
        while self.size > MAX_KEPT {
            let Some((_, event)) = self.events.pop_front() else { return };
            self.size -= event.len() + OVERHEAD;
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
        told.append(&mut to, position, || {
            made = true;
            format!("{position};").repeat(100).into_bytes()
        });
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
        let size: usize = all.events.iter().map(|(_, event)| event.len() + OVERHEAD).sum();
        assert_eq!(size, all.size);
    }
}
