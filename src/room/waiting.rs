//! Which senders may be heard now, which have to wait, and for which readers.
//!
//! `backpressure` has the rules. This module applies them to all readers, and keeps the result until something changes.
//! Without that, a thousand waiting senders would each look at a thousand readers.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};

use super::backpressure::{BEHIND, Behind, Manner};
use super::log::Size;
use super::state::{Now, State};
use crate::address::home;

/// How long a sender waits at most before it looks again at a reader whose task has not had its turn yet.
const TURN: Duration = Duration::from_secs(1);

/// A sender has to wait before the room hears it.
#[derive(Debug)]
pub(super) struct Wait {
    /// When to try again at the latest.
    pub(super) until: Instant,
    /// Closes when the sender may try again earlier.
    pub(super) relief: Receiver<Infallible>,
}

/// The senders that wait share this. The room drops it when they are to try again, and that closes `relief`.
#[derive(Debug)]
pub(super) struct Waiting {
    until: Until,
    relief: (Sender<Infallible>, Receiver<Infallible>),
}

/// How long senders wait for readers. None: they wait for no reader.
#[derive(Clone, Copy, Debug)]
struct Until {
    /// For all senders: the task of a reader has not had its turn yet.
    all: Option<Instant>,
    /// For bulk senders: a reader still takes what is written to it.
    bulk: Option<Instant>,
}

impl Until {
    fn by(self, manner: Manner) -> Option<Instant> {
        match manner {
            Manner::Typed => self.all,
            Manner::Bulk => self.all.into_iter().chain(self.bulk).min(),
        }
    }
}

impl State {
    /// Returns whether a sender may be heard now. If not, it waits as the error says, and tries again.
    #[inline]
    pub(super) fn may_send(&mut self, manner: Manner, now: Now) -> Result<(), Wait> {
        if !self.pressure.furthest(self.head()).exceeds(BEHIND) {
            return Ok(());
        }
        // The kept result does not do for a person who types: a reader's task may have ended before it had its turn.
        let known =
            self.waiting.as_ref().filter(|_| manner == Manner::Bulk).and_then(|waiting| waiting.until.by(manner));
        let until = match known.filter(|until| *until > now.instant) {
            Some(until) => until,
            None => {
                let looked = self.look(manner, now);
                let Some(until) = looked.by(manner) else { return Ok(()) };
                match &mut self.waiting {
                    Some(waiting) => waiting.until = looked,
                    None => self.waiting = Some(Waiting { until: looked, relief: async_channel::bounded(1) }),
                }
                // A reader that is behind may not have been notified yet of what gathers.
                self.publish(now);
                until
            }
        };
        // `publish` may have dropped that reader. A closed channel makes the sender try again at once.
        let closed = || async_channel::bounded(1).1;
        let relief = self.waiting.as_ref().map_or_else(closed, |waiting| waiting.relief.1.clone());
        Err(Wait { until, relief })
    }

    /// Looks at all readers, for a sender of this manner and for those that wait already. Marks each reader that they
    /// wait for, so that its task calls `relieve` when it reads on.
    fn look(&mut self, manner: Manner, now: Now) -> Until {
        let head = self.head();
        let bulk_waits = self.waiting.as_ref().is_some_and(|waiting| waiting.until.bulk.is_some());
        let manner = if bulk_waits { Manner::Bulk } else { manner };
        let (mut furthest, mut until) = (Size::default(), Until { all: None, bulk: None });
        for client in self.members.named_mut() {
            let lag = client.reader.lag(head);
            furthest = furthest.max(lag);
            if !lag.exceeds(BEHIND) {
                continue;
            }
            let waits = match (client.reader.is_blocked(), manner) {
                (false, _) => Some((&mut until.all, now.instant + TURN)),
                (true, Manner::Typed) => None,
                (true, Manner::Bulk) => {
                    let (address, taken) = (home(client.address.ip()), client.reader.taken());
                    let behind = Behind { address, taken, lag, patience: &mut client.patience };
                    self.pressure.waits(behind, now.instant).map(|at| (&mut until.bulk, at))
                }
            };
            if let Some((first, at)) = waits {
                *first = Some(first.map_or(at, |first| first.min(at)));
                client.reader.watch();
            }
        }
        self.pressure.looked(head, furthest);
        until
    }

    /// Notes that a watched reader has read on. Lets the senders try again if there is no reader left to wait for.
    pub(super) fn relieve(&mut self, now: Now) {
        let Some(Waiting { until: before, .. }) = self.waiting else { return };
        let until = self.look(Manner::Typed, now);
        let ends = |before: Option<Instant>, now: Option<Instant>| before.is_some() && now.is_none();
        match &mut self.waiting {
            Some(waiting) if !ends(before.all, until.all) && !ends(before.bulk, until.bulk) => waiting.until = until,
            waiting => *waiting = None,
        }
    }
}
