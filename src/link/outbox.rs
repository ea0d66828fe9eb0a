//! The newest lines of this room that are for other servers, each with its number. They are kept until the broker has
//! them, and longer while there is space, in case the broker loses them.
//!
//! Pure. Knows nothing of connections: it is asked what to send, and told what has arrived.

use std::collections::VecDeque;

use super::envelope::MAX_MESSAGE;

/// What is kept at most: the contract's 1024 lines or 128 KiB, which is what a room says while a broker starts again.
/// Older lines are dropped. A server that receives the next line sees by its number how many are missing.
const MAX_LINES: usize = 1024;
const MAX_BYTES: usize = 128 * 1024;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Outbox {
    lines: VecDeque<KeptLine>,
    bytes: usize,
    /// The number of the next line.
    next: u64,
    /// The number of the first line that is not known to have arrived at the broker.
    waits: u64,
}

#[derive(Debug)]
struct KeptLine {
    number: u64,
    text: String,
    /// The number of the last line of the message in which it was sent. These lines stay together: the broker drops a
    /// message whose first line it has already, so a line that was added to the message would be lost with it.
    sent_with: Option<u64>,
}

/// Lines that are sent together: whole ones, each with its end, and the number of the first. The others follow it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) lines: String,
}

impl Default for Outbox {
    fn default() -> Outbox {
        Outbox { lines: VecDeque::new(), bytes: 0, next: 1, waits: 1 }
    }
}

impl Outbox {
    /// Puts a line, without its line end. One that does not fit into a message is only counted.
    pub(super) fn put(&mut self, text: String) {
        if text.len() >= MAX_MESSAGE {
            return self.skip(1);
        }
        self.bytes += text.len();
        self.lines.push_back(KeptLine { number: self.next, text, sent_with: None });
        self.next += 1;
        while self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }

    /// Counts lines that are not sent, so that the other servers see that they are missing.
    pub(super) fn skip(&mut self, lines: u64) {
        self.next += lines;
    }

    /// Returns whether there is a line that is not known to have arrived.
    pub(super) fn waits(&self) -> bool {
        self.lines.back().is_some_and(|line| line.number >= self.waits)
    }

    /// Returns the next lines to be sent, as many as fit into one message. It returns the same lines until they have
    /// arrived.
    pub(super) fn batch(&mut self) -> Option<Batch> {
        let from = self.lines.partition_point(|line| line.number < self.waits);
        let first = self.lines.get(from)?;
        let (number, sent_with) = (first.number, first.sent_with);
        let mut batch = Batch { first: number, last: number, lines: String::new() };
        let mut until = from;
        for line in self.lines.range(from..) {
            let fits = batch.lines.len() + line.text.len() < MAX_MESSAGE;
            let follows = line.number == number || line.number == batch.last + 1;
            if !fits || !follows || line.sent_with != sent_with {
                break;
            }
            batch.last = line.number;
            batch.lines.push_str(&line.text);
            batch.lines.push('\n');
            until += 1;
        }
        self.lines.range_mut(from..until).for_each(|line| line.sent_with = Some(batch.last));
        Some(batch)
    }

    /// Notes that all lines up to this number have arrived.
    pub(super) fn arrived(&mut self, last: u64) {
        self.waits = self.waits.max(last + 1);
    }

    /// The number of the last line that is known to have arrived, or was dropped before it could.
    pub(super) fn stored(&self) -> u64 {
        self.waits - 1
    }

    /// Begins again with the oldest line that is kept, because the broker may have lost lines that had arrived.
    pub(super) fn again(&mut self) {
        self.waits = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(lines: impl IntoIterator<Item = String>) -> Outbox {
        let mut outbox = Outbox::default();
        lines.into_iter().for_each(|line| outbox.put(line));
        outbox
    }

    fn batch(first: u64, last: u64, lines: &str) -> Option<Batch> {
        Some(Batch { first, last, lines: lines.into() })
    }

    #[test]
    fn lines_are_sent_together_until_they_have_arrived() {
        let mut outbox = outbox([]);
        assert_eq!((outbox.batch(), outbox.waits()), (None, false));
        outbox.put("a".into());
        outbox.put("b".into());
        assert_eq!(outbox.batch(), batch(1, 2, "a\nb\n"));
        // What was sent together stays together.
        outbox.put("c".into());
        assert_eq!(outbox.batch(), batch(1, 2, "a\nb\n"));
        outbox.arrived(2);
        assert_eq!((outbox.batch(), outbox.waits()), (batch(3, 3, "c\n"), true));
        outbox.arrived(3);
        outbox.arrived(1);
        assert_eq!((outbox.batch(), outbox.waits()), (None, false));
        outbox.put("d".into());
        assert_eq!(outbox.batch(), batch(4, 4, "d\n"));
        outbox.again();
        outbox.put("e".into());
        for (first, last, lines) in [(1, 2, "a\nb\n"), (3, 3, "c\n"), (4, 4, "d\n"), (5, 5, "e\n")] {
            assert_eq!(outbox.batch(), batch(first, last, lines));
            outbox.arrived(last);
        }
    }

    #[test]
    fn the_newest_lines_are_kept_and_the_numbers_show_what_is_missing() {
        let mut outbox = outbox((1..=1030).map(|n| n.to_string()));
        assert_eq!(outbox.batch().map(|batch| (batch.first, batch.last)), Some((7, 1030)));
        let mut outbox = self::outbox((0..40).map(|_| "x".repeat(4096)));
        assert_eq!(outbox.batch().map(|batch| (batch.first, batch.last)), Some((9, 11)));
        // What cannot be sent is counted, and splits what is sent together.
        outbox.arrived(40);
        outbox.put("a".into());
        outbox.skip(2);
        outbox.put("b".into());
        outbox.put("x".repeat(MAX_MESSAGE));
        outbox.put("c".into());
        for (first, line) in [(41, "a\n"), (44, "b\n"), (46, "c\n")] {
            assert_eq!(outbox.batch(), batch(first, first, line));
            outbox.arrived(first);
        }
        assert!(!outbox.waits());
    }

    #[test]
    fn no_message_is_larger_than_may_be() {
        let mut outbox = outbox([4095, 4095, 4095, 4095, 1, 16383, 1].map(|length| "x".repeat(length)));
        let mut lengths = Vec::new();
        while let Some(batch) = outbox.batch() {
            outbox.arrived(batch.last);
            lengths.push(batch.lines.len());
        }
        assert_eq!(lengths, [MAX_MESSAGE, 2, MAX_MESSAGE, 2]);
    }
}
