//! The account of one run: what was said, who is still to hear it, and whether anybody heard anything twice, out of
//! order or damaged. Knows nothing of sockets.
//!
//! Every line holds the number of its run, its author, and how many lines the author has said before. So it is
//! recognised anywhere in a line of the server.
//!
//! Where a room is on several servers, its clients are at them in turn, and each server has an order of its own. What each
//! author says is in the author's order everywhere.

use std::io::BufRead;

use crate::fault::{Fault, Result};

/// Where a line's marks begin; it stands nowhere else in what is said, and in no name, as `u00001@pi1` is one.
const MARK: u8 = b'#';
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
    /// How many servers the room is on.
    servers: usize,
    /// Whether each line must be a line of its own and begin with its author's name, as dynasti promises. Others put
    /// one name before all that one read brought.
    strict: bool,
    /// What stands before the lines of each talker at its own server, and at others.
    authors: Vec<[Vec<u8>; 2]>,
    /// What every line ends in.
    filler: Vec<u8>,
    /// The number of the line that a receiver hears next from a talker, at `receiver * talkers + talker`.
    expected: Vec<u32>,
    /// All lines in the order in which each server's room heard them: as talker and number.
    order: Vec<Vec<(usize, usize)>>,
    /// How many lines each receiver has heard. Those that say nothing hear all of them, so for them it is also how far
    /// they are in `order`; what a talker hears among its own lines says nothing of where these stand.
    heard: Vec<usize>,
    /// For each line of each talker, how many have not heard it at each server: at `number * servers + server`.
    waiting: Vec<Vec<u32>>,
    /// Lines that somebody has not heard.
    pub(crate) open: usize,
    /// How many times a line was heard by somebody.
    pub(crate) deliveries: u64,
}

/// That somebody has heard a line.
#[derive(Clone, Copy)]
pub(crate) struct Heard {
    /// Who says it.
    pub(crate) talker: usize,
    /// How many lines the talker has said before.
    pub(crate) number: usize,
    /// Whether all at this receiver's server have heard it now.
    pub(crate) by_all_there: bool,
    /// Whether all have heard it now.
    pub(crate) by_all: bool,
}

impl Tally {
    /// The account of a run in a room of `receivers` clients, of whom the first `talkers` say something; at most 999.
    /// `run` tells one room's runs apart, and `length` is that of a line in bytes.
    pub(crate) fn new(run: u32, talkers: usize, receivers: usize, length: usize, strict: bool) -> Self {
        Self::on_several(1, run, talkers, receivers, length, strict)
    }

    /// The same of a room on so many servers, on each of which somebody is.
    pub(crate) fn on_several(
        servers: usize,
        run: u32,
        talkers: usize,
        receivers: usize,
        length: usize,
        strict: bool,
    ) -> Self {
        let mut filler: Vec<u8> = FILLER.bytes().cycle().take(length - 1 - MARKS - 1).collect();
        filler.push(b'\n');
        let author = |talker| {
            let (name, server) = (name_of(talker), server_of(talker % servers));
            [format!("{name}: ").into_bytes(), format!("{name}@{server}: ").into_bytes()]
        };
        Self {
            run: run % 100,
            talkers,
            receivers,
            servers,
            strict,
            authors: (0..talkers).map(author).collect(),
            filler,
            expected: vec![0; talkers * receivers],
            order: vec![Vec::new(); servers],
            heard: vec![0; receivers],
            waiting: vec![Vec::new(); talkers],
            open: 0,
            deliveries: 0,
        }
    }

    /// The next line of `talker`, with the newline; from now on everybody else must hear it.
    pub(crate) fn line(&mut self, talker: usize) -> Vec<u8> {
        let number = self.waiting[talker].len() / self.servers;
        let mut line = format!("#{:02}:{talker:03}:{number:07}", self.run).into_bytes();
        line.extend_from_slice(&self.filler);
        let others = |server| (server..self.receivers).step_by(self.servers).filter(|client| *client != talker).count();
        self.waiting[talker].extend((0..self.servers).map(|server| others(server) as u32));
        self.open += 1;
        line
    }

    /// Accounts for what `receiver` heard, whole lines, and calls `heard` for every line.
    pub(crate) fn receive(&mut self, receiver: usize, mut bytes: &[u8], mut heard: impl FnMut(Heard)) -> Result<()> {
        loop {
            let all = bytes;
            // On a slice it cannot fail, and it is the one way to libc's memchr that std has.
            let skipped = bytes.skip_until(MARK).unwrap_or(all.len());
            if bytes.is_empty() {
                return Ok(());
            }
            let Some((run, talker, number)) = self.marks(bytes) else {
                return Err(Fault::Wrong(format!("client {receiver} heard a damaged line: {}", excerpt(bytes))));
            };
            bytes = &bytes[MARKS + self.filler.len()..];
            if run != self.run || talker >= self.talkers || talker == receiver {
                return Err(Fault::Wrong(format!("client {receiver} heard what was not for it: {}", excerpt(all))));
            }
            if self.strict && !self.begins_with_author(&all[..skipped - 1], talker, receiver) {
                return Err(Fault::Wrong(format!(
                    "client {receiver} heard a line under a wrong name: {}",
                    excerpt(all)
                )));
            }
            heard(self.account(receiver, talker, number)?);
        }
    }

    /// `receiver` heard line `number` of `talker`.
    fn account(&mut self, receiver: usize, talker: usize, number: usize) -> Result<Heard> {
        let expected = &mut self.expected[receiver * self.talkers + talker];
        let line = format_args!("client {receiver} heard line {number} of talker {talker}, not {expected}");
        if number < *expected as usize {
            return Err(Fault::Wrong(format!("doubled: {line}")));
        }
        let (first, server) = (number * self.servers, receiver % self.servers);
        let waiting = self.waiting[talker].get_mut(first..first + self.servers);
        let Some(waiting) = waiting.filter(|_| number == *expected as usize) else {
            return Err(Fault::Wrong(format!("lost or out of order: {line}")));
        };
        *expected += 1;
        waiting[server] -= 1;
        let by_all_there = waiting[server] == 0;
        let by_all = by_all_there && waiting.iter().all(|waiting| *waiting == 0);
        self.deliveries += 1;
        self.open -= usize::from(by_all);
        if receiver >= self.talkers {
            let (order, place) = (&mut self.order[server], self.heard[receiver]);
            self.heard[receiver] += 1;
            match order.get(place) {
                None => order.push((talker, number)),
                Some(line) if *line == (talker, number) => {}
                Some(_) => {
                    return Err(Fault::Wrong(format!("client {receiver} heard the room in an order of its own")));
                }
            }
        }
        Ok(Heard { talker, number, by_all_there, by_all })
    }

    /// Run, talker and number of the line whose [`MARK`] has just been read, if nothing is missing from it.
    fn marks(&self, bytes: &[u8]) -> Option<(u32, usize, usize)> {
        let (marks, rest) = bytes.split_at_checked(MARKS)?;
        let whole = marks[2] == b':' && marks[6] == b':' && rest.starts_with(&self.filler);
        let [run, talker, number] = [&marks[..2], &marks[3..6], &marks[7..]].map(number);
        whole.then_some((run?, talker? as usize, number? as usize))
    }

    /// Whether the last line that begins in `bytes` begins with the name that `receiver` knows `talker` by, and with
    /// nothing else.
    fn begins_with_author(&self, bytes: &[u8], talker: usize, receiver: usize) -> bool {
        let is_elsewhere = talker % self.servers != receiver % self.servers;
        let before = bytes.strip_suffix(&self.authors[talker][usize::from(is_elsewhere)][..]);
        before.is_some_and(|before| matches!(before.last(), None | Some(b'\n')))
    }

    /// What is still under way, in words.
    pub(crate) fn missing(&self) -> String {
        let missing: u32 = self.waiting.iter().flatten().sum();
        format!("{missing} deliveries of {} lines did not arrive", self.open)
    }
}

/// What a client is called.
pub(crate) fn name_of(client: usize) -> String {
    format!("u{client:05}")
}

/// What a server is called where there are several.
pub(crate) fn server_of(server: usize) -> String {
    format!("pi{server}")
}

/// The beginning of `bytes`, for people.
fn excerpt(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(TYPED)]))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
}
