//! Backpressure of the link: how long it may wait for this room's slow readers.
//!
//! A member who sends in bulk waits for readers who still take what is written to them. The link cannot always do so.
//! It brings the lines of all other servers in one order: behind lines that are sent in bulk are lines that somebody
//! typed, and the acknowledgement of lines that were typed here. And if a reader takes less than all servers say
//! together, a link that waits for it lags ever more. So the link waits without end while the room takes `TAKES` or
//! more, and for a moment if the room takes less. After that moment a reader that is too slow is dropped.
//!
//! Pure.

use std::time::Duration;

/// How long the link waits if the room takes less. What somebody types elsewhere is not heard much later than this.
const MOST: Duration = Duration::from_millis(500);

/// How many bytes a second the room has to take: some 2,500 lines, which a hundred large rooms say together.
const TAKES: f64 = 256.0 * 1024.0;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Late {
    left: Duration,
}

impl Late {
    /// The state before the link has waited.
    pub(super) fn new() -> Late {
        Late { left: MOST }
    }

    /// Returns how long the link may wait now.
    pub(super) fn left(&self) -> Duration {
        self.left
    }

    /// Notes that the room has heard so many bytes, and how long the link has waited for that.
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
