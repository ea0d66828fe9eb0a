//! The outputs: readers of the room that are no members. They are the process's standard output, the transcript, and
//! the link to other servers. Besides, a queue of warnings for standard error.
//!
//! The room waits for none of them. Lines that an output is too slow for are dropped and counted; the output reports
//! the count later.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use async_channel::{Receiver, Sender};

use super::backpressure::ALLOWANCE;
use super::log::Size;
use super::reader::End;
use super::state::{Now, State};
use super::transcript::MAX_BACKLOG;
use crate::text::name::Name;

/// How far standard output may be behind the room: some screens of chat, and the comings and goings of a crowd.
pub(super) const MAX_OUTPUT: Size = Size { lines: 4096, bytes: 512 * 1024 };

/// How many warnings may wait. Each kind comes once a minute at most, or once for each trouble.
const MAX_WARNINGS: usize = 64;

/// A line about who comes or goes, for standard output.
#[derive(Debug)]
pub(super) enum Traffic<'a> {
    Connected(&'a Name, SocketAddr),
    Disconnected(&'a Name),
}

impl Display for Traffic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Traffic::Connected(name, from) => write!(f, "{name} connected from {from}"),
            Traffic::Disconnected(name) => write!(f, "{name} disconnected."),
        }
    }
}

impl State {
    /// Ends the outputs: nothing more will come.
    pub(super) fn end_outputs(&mut self, now: Now) {
        self.publish(now);
        let others = [self.transcript.as_mut(), self.link.as_mut()];
        for handle in [&mut self.output].into_iter().chain(others.into_iter().flatten()) {
            handle.end(self.log.head(), now.system, Vec::new(), 0, End::Closing);
            handle.close();
        }
    }

    /// Makes the process print this on its standard output.
    pub(super) fn print(&mut self, words: impl Display, now: Now) {
        let text = format!("{words}\n");
        let size = Size { lines: text.matches('\n').count() as u64, bytes: text.len() as u64 };
        if (self.output.direct() + size).exceeds(MAX_OUTPUT) {
            self.output.lose(size.lines);
        } else {
            self.output.put(self.log.head(), now.system, text.into_bytes(), size.lines);
        }
        if self.gathering.due().is_none() {
            self.output.notify();
        }
    }

    /// Returns how many lines the transcript has not read yet, including those that it is to skip.
    pub(super) fn transcript_behind(&self) -> u64 {
        self.transcript.as_ref().map_or(0, |handle| handle.behind(self.log.head()).lines + handle.lost())
    }

    /// Notifies the outputs of what was published. One that is too far behind skips what it has not read.
    pub(super) fn notify_outputs(&mut self, head: Size) {
        let output = (&mut self.output, self.watch.then_some(MAX_OUTPUT));
        let transcript = self.transcript.as_mut().map(|handle| (handle, Some(MAX_BACKLOG)));
        // The link reads at once, even while other servers cannot be reached.
        let link = self.link.as_mut().map(|handle| (handle, Some(ALLOWANCE)));
        for (handle, limit) in transcript.into_iter().chain(link).chain([output]) {
            handle.notify();
            if limit.is_some_and(|limit| handle.behind(head).exceeds(limit)) {
                handle.skip(head, self.log.cursor());
            }
        }
    }
}

/// Takes warnings. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Warnings {
    put: Sender<String>,
    lost: Arc<AtomicU64>,
}

/// Returns the warnings to the task that prints them.
#[derive(Debug)]
pub struct Warned {
    take: Receiver<String>,
    lost: Arc<AtomicU64>,
}

/// Makes both ends of a queue of warnings.
pub fn warnings() -> (Warnings, Warned) {
    let (put, take) = async_channel::bounded(MAX_WARNINGS);
    let lost = Arc::new(AtomicU64::new(0));
    (Warnings { put, lost: Arc::clone(&lost) }, Warned { take, lost })
}

impl Warnings {
    /// Puts one line, without its end.
    pub fn warn(&self, line: String) {
        if self.put.try_send(line).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// Closes the queue, so that the task that prints the warnings finishes.
    pub fn close(&self) {
        self.put.close();
    }
}

impl Warned {
    /// Waits for the next warning. Returns it, and how many before it were lost. None once the queue is closed and
    /// empty.
    pub async fn next(&self) -> Option<(String, u64)> {
        let warning = self.take.recv().await.ok()?;
        Some((warning, self.lost.swap(0, Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn the_contracts_texts_are_to_the_letter() {
        let ann = Name::parse("Ann").unwrap();
        let from = SocketAddr::from(([192, 168, 1, 7], 50112));
        assert_eq!(Traffic::Connected(&ann, from).to_string(), "Ann connected from 192.168.1.7:50112");
        assert_eq!(Traffic::Disconnected(&ann).to_string(), "Ann disconnected.");
    }

    #[test]
    fn warnings_that_find_no_room_are_counted() {
        let (warnings, warned) = warnings();
        (0..MAX_WARNINGS + 3).for_each(|n| warnings.warn(n.to_string()));
        warnings.close();
        assert_eq!(block_on(warned.next()), Some(("0".to_string(), 3)));
        assert_eq!(block_on(warned.next()), Some(("1".to_string(), 0)));
    }
}
