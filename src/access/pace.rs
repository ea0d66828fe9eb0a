//! How fast one client is read: a burst, then a number of lines a second. A token bucket. Pure: the time is passed in.

use std::time::{Duration, Instant};

/// Lines that one client may send at once before it is read at the rate: the contract's burst.
const BURST: f32 = 200.0;

/// A line up to this long counts as one: the contract's burst is 200 lines or 64 KiB, whichever comes first.
const BYTES_PER_LINE: f32 = 64.0 * 1024.0 / BURST;

/// Where no rate is set: more than this many lines a second are a flood. Nobody types ten thousand a minute.
const NO_FLOOD: f32 = 200.0;

/// One client's allowance.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Lines a second.
    rate: f32,
    /// Whether a client that exceeds the rate is made to wait. If not, `floods` still notices it.
    limited: bool,
    /// Lines that may be read now. Negative if more was read.
    tokens: f32,
    since: Instant,
}

impl Pace {
    /// An allowance of so many lines a second; zero is no limit.
    pub(crate) fn new(rate: u32, now: Instant) -> Pace {
        let limited = rate != 0;
        Pace { rate: if limited { rate as f32 } else { NO_FLOOD }, limited, tokens: BURST, since: now }
    }

    /// Returns how long to wait before more may be read; None if it may be read now.
    pub(crate) fn wait(&mut self, now: Instant) -> Option<Duration> {
        let earned = now.saturating_duration_since(self.since).as_secs_f32() * self.rate;
        self.since = now;
        self.tokens = (self.tokens + earned).clamp(-BURST, BURST);
        self.spent().then(|| Duration::from_secs_f32((1.0 - self.tokens) / self.rate))
    }

    /// Returns when [`Pace::wait`] was last called.
    pub(crate) fn now(&self) -> Instant {
        self.since
    }

    /// Counts input that was read: a whole line or a piece of one, of so many bytes.
    pub(crate) fn spend(&mut self, line: bool, bytes: usize) {
        let pieces = bytes as f32 / BYTES_PER_LINE;
        self.tokens -= if line { pieces.max(1.0) } else { pieces };
    }

    /// Returns whether the allowance is used up, so that nothing more may be read.
    pub(crate) fn spent(&self) -> bool {
        self.limited && self.floods()
    }

    /// Returns whether the client has sent more than a person does, even where no rate is set.
    pub(crate) fn floods(&self) -> bool {
        self.tokens <= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(20, start);
        for _ in 0..200 {
            assert_eq!(pace.wait(start), None);
            pace.spend(true, 10);
        }
        let wait = pace.wait(start).unwrap();
        assert!((49..=51).contains(&wait.as_millis()), "{wait:?}");
        assert_eq!(pace.wait(start + wait), None);
        pace.spend(true, 10);
        assert!(pace.wait(start + wait).is_some());
    }

    #[test]
    fn the_burst_is_whole_again_after_a_rest_but_not_larger() {
        let start = Instant::now();
        let mut pace = Pace::new(20, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(pace.wait(later), None);
        for _ in 0..200 {
            pace.spend(true, 1);
        }
        assert!(pace.wait(later).is_some());
    }

    #[test]
    fn long_lines_and_pieces_of_lines_count_by_their_bytes() {
        let start = Instant::now();
        let mut pace = Pace::new(20, start);
        for _ in 0..16 {
            assert!(!pace.spent());
            pace.spend(true, 2048);
            pace.spend(false, 2048);
        }
        assert!(pace.spent());
    }

    #[test]
    fn without_a_rate_nothing_waits_but_a_flood_is_still_one() {
        let start = Instant::now();
        let mut pace = Pace::new(0, start);
        pace.spend(true, 10);
        assert!(!pace.floods());
        for _ in 0..10_000 {
            pace.spend(true, 4096);
        }
        assert!(pace.floods() && !pace.spent());
        assert_eq!(pace.wait(start), None);
        assert_eq!(pace.wait(start + Duration::from_secs(2)), None);
        assert!(!pace.floods());
    }
}
