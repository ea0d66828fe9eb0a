//! How late what comes from other servers may become here, because readers are waited for.
//!
//! Who sends in bulk waits for readers who still take what is written to them. But the link brings what everybody says
//! elsewhere in one order, so behind what is sent in bulk stands what others have typed, and the acknowledgement of what
//! was typed here. And a link that waits all the time never comes to the end. So it waits a little, and not often.
//!
//! Pure: the time is passed in.

use std::time::{Duration, Instant};

/// The most that is waited: what is typed elsewhere is not heard much later than that.
const MOST: Duration = Duration::from_millis(500);

/// What was waited is forgotten in so many times as long. A reader who is too slow for what comes all the time is behind
/// by more than may be in less than that, and one who reads well is not waited for at all.
const FORGOTTEN_IN: u32 = 20;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Late {
    waited: Duration,
    at: Instant,
}

impl Late {
    /// Nothing was waited yet.
    pub(super) fn new(now: Instant) -> Late {
        Late { waited: Duration::ZERO, at: now }
    }

    /// Returns how long may be waited now.
    pub(super) fn left(&mut self, now: Instant) -> Duration {
        let forgotten = now.saturating_duration_since(self.at) / FORGOTTEN_IN;
        (self.waited, self.at) = (self.waited.saturating_sub(forgotten), now);
        MOST.saturating_sub(self.waited)
    }

    /// So much was waited.
    pub(super) fn waited(&mut self, time: Duration) {
        self.waited += time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_half_a_second_in_ten_seconds() {
        let start = Instant::now();
        let mut late = Late::new(start);
        assert_eq!(late.left(start), MOST);
        late.waited(MOST / 2);
        assert_eq!(late.left(start), MOST / 2);
        late.waited(MOST);
        assert_eq!(late.left(start), Duration::ZERO);
        let ten = start + Duration::from_secs(10);
        assert_eq!(late.left(ten), MOST / 2);
        assert_eq!(late.left(ten + Duration::from_secs(60)), MOST);
    }
}
