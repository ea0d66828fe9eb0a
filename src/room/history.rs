//! The last lines that were said, for `/history` and for newcomers.

use std::collections::VecDeque;
use std::time::SystemTime;

use super::log::{Id, Size};
use crate::text::message::Message;

/// How many bytes the mark of a recalled line takes at most, with some to spare: `-- [119 min ago] `.
const MARK: usize = 24;

/// A buffer up to this size, in bytes, is used again. Most lines fit, and the longest history does not grow much by it.
const REUSED: usize = 256;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct History {
    max: usize,
    /// Oldest first. The first one may hold a few lines more than the history is to keep.
    said: VecDeque<Said>,
    lines: usize,
}

/// What was said at one time: one line, or some of one paste.
#[derive(Debug)]
struct Said {
    at: SystemTime,
    /// The member who said it, as long as that is known.
    by: Option<Id>,
    lines: usize,
    text: Vec<u8>,
}

impl History {
    /// Returns a history that keeps up to `max` lines. It begins with the last of `earlier`.
    pub(super) fn new(max: usize, earlier: Vec<(SystemTime, String)>) -> History {
        let mut history = History { max, ..History::default() };
        for (at, text) in earlier {
            history.push(at, None, 1, format!("{text}\n").as_bytes());
        }
        history
    }

    pub(super) fn keep(&mut self, at: SystemTime, by: Option<Id>, said: &Message) {
        self.push(at, by, said.lines(), said.bytes());
    }

    /// Keeps whole lines. Every line comes through here, so this does not look into them.
    fn push(&mut self, at: SystemTime, by: Option<Id>, lines: usize, bytes: &[u8]) {
        if self.max == 0 {
            return;
        }
        self.lines += lines;
        let mut text = Vec::new();
        while let Some(oldest) = self.said.front().filter(|oldest| self.lines - oldest.lines >= self.max) {
            self.lines -= oldest.lines;
            // The memory of the oldest becomes that of the newest, so a full history allocates nothing. That of a paste
            // is too large to be kept.
            let oldest = self.said.pop_front().map(|oldest| oldest.text).unwrap_or_default();
            text = if oldest.capacity() <= REUSED { oldest } else { Vec::new() };
        }
        text.clear();
        text.extend_from_slice(bytes);
        self.said.push_back(Said { at, by, lines, text });
    }

    /// Returns the last `n` lines, without those of `ignored`, each marked as old. If the limit does not allow that
    /// many, it returns the newest, and how many are left out.
    pub(super) fn recall(&self, n: usize, limit: Size, ignored: &[Id], now: SystemTime) -> Message {
        let kept = self.said.iter().rev().flat_map(|said| {
            let lines = said.text.rsplit(|byte| *byte == b'\n').skip(1);
            lines.map(move |line| (said, line))
        });
        let heard = kept.take(self.max).filter(|(said, _)| said.by.is_none_or(|by| !ignored.contains(&by)));
        let (mut newest, mut size, mut left_out) = (Vec::new(), Size::default(), 0);
        for (said, line) in heard.take(n) {
            size += Size { lines: 1, bytes: (line.len() + MARK) as u64 };
            if size.exceeds(limit) {
                left_out += 1;
            } else {
                newest.push((said.at, line));
            }
        }
        let mut recalled = Message::default();
        if left_out > 0 {
            recalled.recall_left_out(left_out);
        }
        for (at, line) in newest.into_iter().rev() {
            // If the clock was set back since, the line counts as new.
            recalled.recall(now.duration_since(at).unwrap_or_default(), &String::from_utf8_lossy(line));
        }
        recalled
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::room::tests::{id, message};

    const NO_LIMIT: Size = Size { lines: u64::MAX, bytes: u64::MAX };

    fn recall(history: &History, n: usize, at: SystemTime) -> Vec<String> {
        history.recall(n, NO_LIMIT, &[], at).texts().map(String::from).collect()
    }

    #[test]
    fn the_last_lines_are_kept_and_marked() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut history = History::new(2, vec![]);
        assert!(recall(&history, 9, start).is_empty());
        for (n, text) in ["a", "b", "c"].iter().enumerate() {
            history.keep(start + Duration::from_secs(n as u64), None, &message(text));
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
        history.keep(SystemTime::UNIX_EPOCH, None, &many);
        assert_eq!(recall(&history, 9, SystemTime::UNIX_EPOCH), ["-- [0 s ago] b", "-- [0 s ago] c"]);
        let mut none = History::new(0, vec![(SystemTime::UNIX_EPOCH, "old".into())]);
        none.keep(SystemTime::UNIX_EPOCH, None, &many);
        assert!(recall(&none, 9, SystemTime::UNIX_EPOCH).is_empty());
    }

    #[test]
    fn an_answer_is_as_long_as_it_may_be_and_tells_what_it_leaves_out() {
        let mut history = History::new(500, vec![]);
        for n in 0..500 {
            history.keep(SystemTime::UNIX_EPOCH, None, &message(&format!("{n:0>2000}")));
        }
        let recall = |n, limit| history.recall(n, limit, &[], SystemTime::UNIX_EPOCH);
        let limit = Size { lines: 9, bytes: 16 * 1024 };
        let recalled = recall(500, limit);
        assert!(recalled.lines() == 9 && recalled.bytes().len() as u64 <= limit.bytes);
        assert_eq!(recalled.texts().next(), Some("-- … older lines that do not fit here: 492"));
        assert!(recalled.texts().last().unwrap().ends_with("499"));
        let limit = Size { lines: 3, ..limit };
        assert_eq!(recall(9, limit).texts().next(), Some("-- … older lines that do not fit here: 6"));
        assert_eq!(recall(3, limit).lines(), 3);
    }

    #[test]
    fn who_is_ignored_is_not_recalled() {
        let mut history = History::new(9, vec![]);
        for (n, text) in ["a", "b", "c", "d"].iter().enumerate() {
            history.keep(SystemTime::UNIX_EPOCH, Some(id(1 + n as u64 % 2)), &message(text));
        }
        history.keep(SystemTime::UNIX_EPOCH, None, &message("e"));
        let recalled = history.recall(2, NO_LIMIT, &[id(2)], SystemTime::UNIX_EPOCH);
        assert_eq!(recalled.texts().collect::<Vec<_>>(), ["-- [0 s ago] c", "-- [0 s ago] e"]);
    }
}
