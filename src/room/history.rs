//! The last lines that were said, for `/history` and for newcomers.

use std::collections::VecDeque;
use std::time::SystemTime;

use super::batch::MAX_BATCH;
use crate::text::message::Message;

/// What one answer recalls at most; the newest are kept. Twice that fits into a batch, and so into every queue that is
/// not crowded.
const MAX_LINES: usize = MAX_BATCH.lines / 2;
const MAX_BYTES: usize = MAX_BATCH.bytes / 2;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct History {
    max: usize,
    lines: VecDeque<(SystemTime, String)>,
}

impl History {
    /// Keeps up to `max` lines, the last of these to begin with.
    pub(super) fn new(max: usize, earlier: Vec<(SystemTime, String)>) -> History {
        let surplus = earlier.len().saturating_sub(max);
        History { max, lines: earlier.into_iter().skip(surplus).collect() }
    }

    pub(super) fn keep(&mut self, at: SystemTime, said: &Message) {
        let surplus = said.lines().saturating_sub(self.max);
        for text in said.texts().skip(surplus) {
            // The oldest line's memory becomes the newest's: a full history allocates nothing.
            let mut line = if self.lines.len() < self.max {
                String::new()
            } else {
                self.lines.pop_front().map(|(_, line)| line).unwrap_or_default()
            };
            line.clear();
            line.push_str(text);
            self.lines.push_back((at, line));
        }
    }

    /// The last `n` lines, each marked as old; as many of them as one answer may have.
    pub(super) fn recall(&self, n: usize, now: SystemTime) -> Message {
        let mut bytes = 0;
        let newest = self.lines.iter().rev().take(n.min(MAX_LINES)).take_while(|(_, line)| {
            bytes += line.len();
            bytes <= MAX_BYTES
        });
        let from = self.lines.len() - newest.count();
        let mut recalled = Message::default();
        for (at, line) in self.lines.range(from..) {
            // A clock that was set back makes an old line new.
            recalled.recall(now.duration_since(*at).unwrap_or_default(), line);
        }
        recalled
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::room::tests::message;

    fn recall(history: &History, n: usize, at: SystemTime) -> Vec<String> {
        history.recall(n, at).texts().map(String::from).collect()
    }

    #[test]
    fn the_last_lines_are_kept_and_marked() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut history = History::new(2, vec![]);
        assert!(recall(&history, 9, start).is_empty());
        for (n, text) in ["a", "b", "c"].iter().enumerate() {
            history.keep(start + Duration::from_secs(n as u64), &message(text));
        }
        let later = start + Duration::from_secs(121);
        assert_eq!(recall(&history, 9, later), ["-- [2 min ago] b", "-- [119 s ago] c"]);
        assert_eq!(recall(&history, 1, later), ["-- [119 s ago] c"]);
        assert_eq!(recall(&history, 1, start), ["-- [0 s ago] c"]);
    }

    #[test]
    fn a_message_longer_than_the_history_leaves_its_end() {
        let mut history = History::new(2, vec![]);
        let mut many = message("a");
        many.append(&message("b"));
        many.append(&message("c"));
        history.keep(SystemTime::UNIX_EPOCH, &many);
        assert_eq!(recall(&history, 9, SystemTime::UNIX_EPOCH), ["-- [0 s ago] b", "-- [0 s ago] c"]);
        let mut none = History::new(0, vec![(SystemTime::UNIX_EPOCH, "old".into())]);
        none.keep(SystemTime::UNIX_EPOCH, &many);
        assert!(recall(&none, 9, SystemTime::UNIX_EPOCH).is_empty());
    }

    #[test]
    fn an_answer_fits_into_a_queue_however_long_the_lines() {
        let mut history = History::new(500, vec![]);
        for n in 0..500 {
            history.keep(SystemTime::UNIX_EPOCH, &message(&n.to_string().repeat(2000)));
        }
        let recalled = history.recall(500, SystemTime::UNIX_EPOCH);
        assert!(recalled.lines() >= 2 && recalled.bytes().len() <= MAX_BATCH.bytes);
        assert!(recalled.texts().last().unwrap().contains("499"));
    }
}
