//! The account of one run: what was said, who is still to hear it, and whether anybody heard anything twice, out of
//! order or damaged. Knows nothing of sockets.
//!
//! Every line says which run it belongs to, who says it and how many its author has said before. So it is recognised
//! wherever in a server's line it stands.

use std::io::BufRead;

use crate::fault::{Fault, Result};

/// Where a line's marks begin; it stands nowhere else in what is said.
const MARK: u8 = b'@';
/// What follows the marks, again and again, until the line is long enough.
const FILLER: &str = " so it goes, from one to all of us,";
/// The marks' length behind [`MARK`]: run, talker, number.
const MARKS: usize = 2 + 1 + 3 + 1 + 7;
/// Bytes of a line as people type them, with the newline.
pub(crate) const TYPED: usize = 50;
/// Bytes of a line as people paste them, with the newline. Seven of them fit into what ncat reads at once, 8192 bytes;
/// of what it tears apart it says parts under another name.
pub(crate) const PASTED: usize = 1100;

/// The account of one run.
pub(crate) struct Tally {
    run: u32,
    talkers: usize,
    receivers: usize,
    /// What every line ends in.
    filler: Vec<u8>,
    /// The number of the line that a receiver hears next from a talker, at `receiver * talkers + talker`.
    expected: Vec<u32>,
    /// For each line of each talker, how many have not heard it.
    waiting: Vec<Vec<u32>>,
    /// Lines that somebody has not heard.
    pub(crate) open: usize,
    /// How many times a line was heard by somebody.
    pub(crate) deliveries: u64,
}

impl Tally {
    /// The account of a run in a room of `receivers` clients, of whom the first `talkers` say something; at most 999.
    /// `run` tells one room's runs apart, and `length` is that of a line in bytes.
    pub(crate) fn new(run: u32, talkers: usize, receivers: usize, length: usize) -> Self {
        let mut filler: Vec<u8> = FILLER.bytes().cycle().take(length - 1 - MARKS - 1).collect();
        filler.push(b'\n');
        let expected = vec![0; talkers * receivers];
        let waiting = vec![Vec::new(); talkers];
        Self { run: run % 100, talkers, receivers, filler, expected, waiting, open: 0, deliveries: 0 }
    }

    /// The next line of `talker`, with the newline, and its number; from now on everybody else must hear it.
    pub(crate) fn line(&mut self, talker: usize) -> (Vec<u8>, usize) {
        let number = self.waiting[talker].len();
        let mut line = format!("@{:02}:{talker:03}:{number:07}", self.run).into_bytes();
        line.extend_from_slice(&self.filler);
        self.waiting[talker].push(self.receivers as u32 - 1);
        self.open += 1;
        (line, number)
    }

    /// Accounts for what `receiver` heard, whole lines, and calls `heard` for every line with its talker, its number
    /// and whether all have now heard it.
    pub(crate) fn receive(
        &mut self,
        receiver: usize,
        mut bytes: &[u8],
        mut heard: impl FnMut(usize, usize, bool),
    ) -> Result<()> {
        loop {
            // On a slice it cannot fail, and it is the one way to libc's memchr that std has.
            let _ = bytes.skip_until(MARK);
            if bytes.is_empty() {
                return Ok(());
            }
            let Some((run, talker, number)) = self.marks(bytes) else {
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(TYPED)]).into_owned();
                return Err(Fault::Wrong(format!("client {receiver} heard a damaged line: {text:?}")));
            };
            bytes = &bytes[MARKS + self.filler.len()..];
            let said = self.waiting.get(talker as usize).map_or(0, Vec::len) as u32;
            if run != self.run || number >= said || talker as usize == receiver {
                let line = format!("line {number} of talker {talker} of run {run}");
                return Err(Fault::Wrong(format!("client {receiver} heard {line}, which was not for it")));
            }
            let expected = &mut self.expected[receiver * self.talkers + talker as usize];
            if number != *expected {
                let what = if number < *expected { "doubled" } else { "lost or out of order" };
                let line = format!("line {number} of talker {talker} instead of {expected}");
                return Err(Fault::Wrong(format!("{what}: client {receiver} heard {line}")));
            }
            *expected += 1;
            self.deliveries += 1;
            let waiting = &mut self.waiting[talker as usize][number as usize];
            *waiting -= 1;
            self.open -= usize::from(*waiting == 0);
            heard(talker as usize, number as usize, *waiting == 0);
        }
    }

    /// Run, talker and number of the line whose [`MARK`] has just been read, if nothing is missing from it.
    fn marks(&self, bytes: &[u8]) -> Option<(u32, u32, u32)> {
        let (marks, rest) = bytes.split_at_checked(MARKS)?;
        let whole = marks[2] == b':' && marks[6] == b':' && rest.starts_with(&self.filler);
        if whole { Some((number(&marks[..2])?, number(&marks[3..6])?, number(&marks[7..])?)) } else { None }
    }

    /// What is still under way, in words.
    pub(crate) fn missing(&self) -> String {
        let missing: u32 = self.waiting.iter().flatten().sum();
        format!("{missing} deliveries of {} lines did not arrive", self.open)
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}
