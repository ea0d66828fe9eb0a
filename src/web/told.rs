//! A cache of the events of the latest lines. An event is made once, and is the same for all sessions that hear its line.
//!
//! The events of lines that stand next to each other in the log stand next to each other here, so a run of them is one
//! copy. Most sessions read the same line within a short time, so it is enough to keep the latest lines. Knows nothing
//! of sessions.

use std::collections::VecDeque;

/// What is kept, in bytes: about a thousand events of lines as people type them, which is as far as the slowest may be
/// behind. Whoever is further behind than this reaches has its events made for itself.
const MAX_KEPT: usize = 256 * 1024;

/// How many bytes of forgotten events may stand before those that are kept, which are moved then.
const MAX_GONE: usize = MAX_KEPT / 4;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// In the order of their lines.
    events: VecDeque<Event>,
    /// The bytes of forgotten events, and then those of `events`.
    bytes: Vec<u8>,
}

/// An event that is kept.
#[derive(Debug)]
struct Event {
    /// The position in the log of the line that is told.
    line: u64,
    /// How many bytes that line has, with its end.
    line_length: u64,
    /// How many bytes all lines before it have of which an event is or was kept.
    told: u64,
    /// Where the event begins in `Told::bytes`.
    at: usize,
    length: usize,
}

/// The events of some lines in a row.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) bytes: &'a [u8],
    /// The position in the log after the last of the lines.
    pub(super) end: u64,
    pub(super) lines: u64,
}

impl Told {
    /// Returns the events of the line at this position of the log and of those after it, as many in a row as are kept, up
    /// to the position `end`, and until they have this many bytes. Without an event of the first line there are none.
    pub(super) fn run(&self, line: u64, end: u64, enough: usize) -> Run<'_> {
        let place = self.place(line);
        let Some(first) = self.events.get(place).filter(|first| first.line == line) else {
            return Run { bytes: &[], end: line, lines: 0 };
        };
        // Between two events all lines are told if those that are told are as long as the log is there.
        let belongs = |event: &Event| {
            event.line < end && event.at < first.at + enough && event.line - line == event.told - first.told
        };
        let stop = self.events.partition_point(|event| event.line <= line || belongs(event));
        let last = &self.events[stop - 1];
        Run {
            bytes: &self.bytes[first.at..last.at + last.length],
            end: last.line + last.line_length,
            lines: (stop - place) as u64,
        }
    }

    /// Keeps the event of the line at this position of the log, which has so many bytes, unless it is older than all that
    /// is kept: such a line is heard by few, and would take the place of what all will hear.
    pub(super) fn keep(&mut self, line: u64, line_length: u64, event: &[u8]) {
        let place = self.place(line);
        if place == 0 && !self.events.is_empty() {
            return;
        }
        let (at, told) = match (self.events.get(place), self.events.back()) {
            (Some(next), _) => (next.at, next.told),
            (None, Some(last)) => (self.bytes.len(), last.told + last.line_length),
            (None, None) => (self.bytes.len(), 0),
        };
        self.bytes.splice(at..at, event.iter().copied());
        for later in self.events.range_mut(place..) {
            later.at += event.len();
            later.told += line_length;
        }
        self.events.insert(place, Event { line, line_length, told, at, length: event.len() });
        self.forget();
    }

    /// Returns the index of the first event whose line is not before this position.
    fn place(&self, line: u64) -> usize {
        self.events.partition_point(|event| event.line < line)
    }

    /// Forgets the oldest events, while more is kept than may be.
    fn forget(&mut self) {
        let bytes = self.bytes.len();
        let size = |events: &VecDeque<Event>, gone| bytes - gone + events.len() * size_of::<Event>();
        let gone = |events: &VecDeque<Event>| events.front().map_or(bytes, |first| first.at);
        while size(&self.events, gone(&self.events)) > MAX_KEPT {
            self.events.pop_front();
        }
        let gone = gone(&self.events);
        if gone > MAX_GONE {
            self.bytes.drain(..gone);
            self.events.iter_mut().for_each(|event| event.at -= gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    /// What is told of a line.
    fn event(line: u64) -> String {
        format!("{line};").repeat(line as usize % 7 + 1)
    }

    /// Keeps what is told of these lines, each of ten bytes.
    fn keep(told: &mut Told, lines: impl IntoIterator<Item = u64>) {
        lines.into_iter().for_each(|line| told.keep(line, 10, event(line).as_bytes()));
    }

    /// Returns what a run holds, and its end.
    fn run(told: &Told, line: u64, end: u64, enough: usize) -> (String, u64) {
        let run = told.run(line, end, enough);
        assert_eq!(run.lines * 10, run.end - line);
        (String::from_utf8(run.bytes.to_vec()).expect("it is text"), run.end)
    }

    #[test]
    fn lines_in_a_row_are_one_run_in_whatever_order_they_were_made() {
        let mut told = Told::default();
        keep(&mut told, [50, 80, 60, 70, 100]);
        let all: String = [50, 60, 70, 80].map(event).concat();
        assert_eq!(run(&told, 50, u64::MAX, 999), (all, 90), "there is a gap after it");
        assert_eq!(run(&told, 60, 80, 999), ([60, 70].map(event).concat(), 80));
        assert_eq!(run(&told, 60, 90, 1), (event(60), 70), "as much as is enough");
        for line in [0, 40, 55, 90, 110] {
            assert_eq!(run(&told, line, u64::MAX, 999), (String::new(), line));
        }
        keep(&mut told, [40]);
        assert_eq!(run(&told, 40, 50, 999).1, 40, "what is older than all is not kept");
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_newest() {
        let (mut told, mut random) = (Told::default(), Rng::with_seed(1));
        for n in 0..100_000 {
            // A line that few hear is told of after the next one.
            let late = random.u8(..4) == 0;
            let lines = if late { [n * 20 + 10, n * 20] } else { [n * 20, n * 20 + 10] };
            keep(&mut told, lines);
            let kept: usize = told.events.iter().map(|event| event.length).sum();
            assert!(kept + told.events.len() * size_of::<Event>() <= MAX_KEPT);
            assert!(told.bytes.len() <= kept + MAX_GONE);
        }
        let oldest = told.events[0].line;
        let lines = (2_000_000 - oldest) / 10;
        assert!(lines > 1000);
        let expected: String = (0..lines).map(|n| event(oldest + n * 10)).collect();
        assert_eq!(run(&told, oldest, u64::MAX, 2 * MAX_KEPT), (expected, 2_000_000));
    }
}
