//! When appended entries are published. While one person speaks, each entry is published at once. While several speak,
//! entries gather until there are as many as in the last published segment, or until they are due.
//!
//! Pure: the time is passed in. Knows nothing of what is said.

use std::time::{Duration, Instant};

/// How long entries may gather before they are published: for each member, and at most. A write to a member costs 5 µs,
/// so while several talk at once the wait is shorter than the time that it saves. Nobody notices 2 ms.
const GATHER: Duration = Duration::from_micros(4);
const GATHER_AT_MOST: Duration = Duration::from_millis(2);

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// When what gathers is to be published. None when nothing gathers.
    due: Option<Instant>,
    /// How many entries gather.
    entries: usize,
    /// How many entries the last published segment has.
    before: usize,
    /// Whether to publish without waiting for more.
    ready: bool,
}

impl Gathering {
    /// Returns when what gathers is to be published. None when nothing gathers.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Returns whether to publish now, even before it is due.
    pub(super) fn is_ready(&self) -> bool {
        self.ready || self.before < 2 || self.entries >= self.before
    }

    /// Notes that an entry was appended: so many gather now, the last segment has so many (`before`), and so many
    /// members are here.
    pub(super) fn add(&mut self, entries: usize, before: usize, members: usize, now: Instant) {
        // The segment that gathered before this one was full. The log has published it, and no reader is notified yet.
        self.ready |= entries == 1 && self.due.is_some();
        (self.entries, self.before) = (entries, before);
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        self.due.get_or_insert(now + GATHER.saturating_mul(members).min(GATHER_AT_MOST));
    }

    /// Makes the room look at all readers now, even if nothing gathers.
    pub(super) fn hurry(&mut self, now: Instant) {
        (self.due, self.ready) = (Some(now), true);
    }

    /// Makes the room look at all readers again soon after this moment, or when what gathers is due, if that is
    /// earlier.
    pub(super) fn again(&mut self, after: Instant) {
        let due = after + GATHER_AT_MOST;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Starts again with nothing. Returns whether there was anything to publish.
    pub(super) fn finish(&mut self) -> bool {
        std::mem::take(self).due.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn what_one_person_says_is_ready_at_once() {
        let (mut gathering, now) = (Gathering::default(), Instant::now());
        for before in [0, 1] {
            gathering.add(1, before, 100, now);
            assert!(gathering.is_ready() && gathering.finish() && !gathering.finish());
        }
    }

    #[test]
    fn what_several_say_waits_for_as_many_as_last_time_or_until_it_is_due() {
        let (mut gathering, now) = (Gathering::default(), Instant::now());
        gathering.add(1, 3, 100, now);
        gathering.add(2, 3, 100, now + at(1));
        assert!(!gathering.is_ready());
        assert_eq!(gathering.due(), Some(now + 100 * GATHER));
        gathering.add(3, 3, 100, now + at(1));
        assert!(gathering.is_ready() && gathering.finish());
        gathering.add(1, 3, 100_000, now);
        assert_eq!(gathering.due(), Some(now + GATHER_AT_MOST));
    }

    #[test]
    fn what_was_full_is_not_kept_waiting_by_what_follows() {
        let (mut gathering, now) = (Gathering::default(), Instant::now());
        gathering.add(1, 300, 100, now);
        gathering.add(1, 256, 100, now);
        assert!(gathering.is_ready());
    }
}
