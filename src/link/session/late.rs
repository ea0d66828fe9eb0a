//! How late what comes from other servers may become here, because readers are waited for.
//!
//! Who sends in bulk waits for readers who still take what is written to them. But the link brings what everybody says
//! elsewhere, in one order: behind what is sent in bulk stands what others have typed, and the acknowledgement of what
//! was typed here. And if a reader takes less than is said on all servers together, a link that waits for it falls ever
//! further behind. So the link waits as long as the room takes as much as all servers may say, however much a flood
//! brings; and else for a moment, after which whoever reads too slowly is left behind.
//!
//! Pure.

use std::time::Duration;

/// The most that is waited where the room takes less: what is typed elsewhere is not heard much later than that.
const MOST: Duration = Duration::from_millis(500);

/// What the room has to take in a second, in bytes: some 2,500 lines, of a hundred large rooms together.
const TAKES: f64 = 256.0 * 1024.0;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Late {
    left: Duration,
}

impl Late {
    /// Nothing was waited yet.
    pub(super) fn new() -> Late {
        Late { left: MOST }
    }

    /// Returns how long may be waited now.
    pub(super) fn left(&self) -> Duration {
        self.left
    }

    /// The room has heard so many bytes, and so much was waited for that.
    pub(super) fn heard(&mut self, bytes: usize, waited: Duration) {
        let earned = Duration::from_secs_f64(bytes as f64 / TAKES);
        self.left = (self.left + earned).saturating_sub(waited).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long is waited in all for a room that takes 8 KiB at a time, in so many milliseconds each.
    fn waits(each: u64) -> Duration {
        let mut late = Late::new();
        let mut waited = Duration::ZERO;
        for _ in 0..1000 {
            let time = Duration::from_millis(each).min(late.left());
            late.heard(8 * 1024, time);
            waited += time;
        }
        waited
    }

    #[test]
    fn a_room_that_takes_enough_is_waited_for_and_no_other_for_long() {
        // As fast as it has to be.
        assert_eq!(waits(31), Duration::from_secs(31));
        // A quarter as fast: half a second, and the time that it earns after that.
        let slow = waits(125);
        assert!((31.0..32.0).contains(&slow.as_secs_f64()), "{slow:?}");
    }
}
