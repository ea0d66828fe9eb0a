//! The last lines that were said, for `/history` and for newcomers.

use std::collections::VecDeque;
use std::time::SystemTime;

use super::Id;
use super::batch::Size;
use crate::text::message::Message;

/// What marks a recalled line takes about so many bytes.
const MARK: usize = 24;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct History {
    max: usize,
    lines: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    at: SystemTime,
    /// The member who said it, as long as that is known.
    by: Option<Id>,
    text: String,
}

impl History {
    /// Keeps up to `max` lines, the last of these to begin with.
    pub(super) fn new(max: usize, earlier: Vec<(SystemTime, String)>) -> History {
        let surplus = earlier.len().saturating_sub(max);
        let earlier = earlier.into_iter().skip(surplus);
        History { max, lines: earlier.map(|(at, text)| Line { at, by: None, text }).collect() }
    }

    pub(super) fn keep(&mut self, at: SystemTime, by: Option<Id>, said: &Message) {
        let surplus = said.lines().saturating_sub(self.max);
        for new in said.texts().skip(surplus) {
            // The oldest line's memory becomes the newest's: a full history allocates nothing.
            let oldest = if self.lines.len() < self.max { None } else { self.lines.pop_front() };
            let mut text = oldest.map(|line| line.text).unwrap_or_default();
            text.clear();
            text.push_str(new);
            self.lines.push_back(Line { at, by, text });
        }
    }

    /// The last `n` lines but those of whom the reader ignores, each marked as old; as many of the newest as the limit
    /// allows, and how many that leaves out.
    pub(super) fn recall(&self, n: usize, limit: Size, ignored: &[Id], now: SystemTime) -> Message {
        let heard = |line: &&Line| line.by.is_none_or(|by| !ignored.contains(&by));
        let (mut newest, mut bytes, mut left_out) = (Vec::new(), 0, 0);
        for line in self.lines.iter().rev().filter(heard).take(n) {
            bytes += line.text.len() + MARK;
            if newest.len() < limit.lines && bytes <= limit.bytes {
                newest.push(line);
            } else {
                left_out += 1;
            }
        }
        let mut recalled = Message::default();
        if left_out > 0 {
            recalled.recall_left_out(left_out);
        }
        for line in newest.into_iter().rev() {
            // A clock that was set back makes an old line new.
            recalled.recall(now.duration_since(line.at).unwrap_or_default(), &line.text);
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
        history.recall(n, Size::MAX, &[], at).texts().map(String::from).collect()
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
        assert!(recalled.lines() == 9 && recalled.bytes().len() <= limit.bytes);
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
            history.keep(SystemTime::UNIX_EPOCH, Some(Id(n as u64 % 2)), &message(text));
        }
        history.keep(SystemTime::UNIX_EPOCH, None, &message("e"));
        let recalled = history.recall(2, Size::MAX, &[Id(1)], SystemTime::UNIX_EPOCH);
        assert_eq!(recalled.texts().collect::<Vec<_>>(), ["-- [0 s ago] c", "-- [0 s ago] e"]);
    }
}
