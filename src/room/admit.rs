//! Who may be heard now and who has to wait, and for which readers.
//!
//! The rules are `backpressure`'s. This looks at all readers, and remembers what came of it until something changes, so that
//! a thousand who wait do not each look at a thousand readers.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};

use super::backpressure::{BEHIND, Behind, Manner};
use super::log::Size;
use super::state::{Now, State};
use crate::address::home;

/// How long at most everybody waits before they look again at a reader whose task has yet to have its turn.
const TURN: Duration = Duration::from_secs(1);

/// Somebody has to wait before the room hears them.
#[derive(Debug)]
pub(super) struct Wait {
    /// Until then at most.
    pub(super) until: Instant,
    /// Closed when it is worth trying again earlier.
    pub(super) relief: Receiver<Infallible>,
}

/// What senders wait for who may not be heard yet. It is dropped when they are to try again, which closes `relief`.
#[derive(Debug)]
pub(super) struct Waited {
    until: Until,
    relief: (Sender<Infallible>, Receiver<Infallible>),
}

/// Until when readers are waited for, if any are.
#[derive(Clone, Copy, Debug)]
struct Until {
    /// By everybody: their tasks have yet to have their turn.
    turn: Option<Instant>,
    /// By bulk senders: they still take what is written to them.
    taken: Option<Instant>,
}

impl Until {
    fn by(self, manner: Manner) -> Option<Instant> {
        match manner {
            Manner::Typed => self.turn,
            Manner::Bulk => self.turn.into_iter().chain(self.taken).min(),
        }
    }
}

impl State {
    /// Returns whether what somebody sends may be heard now. If not, they wait as the error says, and try again.
    pub(super) fn admit(&mut self, manner: Manner, now: Now) -> Result<(), Wait> {
        if !self.pressure.furthest(self.head()).exceeds(BEHIND) {
            return Ok(());
        }
        // What is remembered is not enough for who types: a reader's task may have ended before it had its turn.
        let known = self.waited.as_ref().filter(|_| manner == Manner::Bulk).and_then(|waited| waited.until.by(manner));
        let until = match known.filter(|until| *until > now.instant) {
            Some(until) => until,
            None => {
                let looked = self.look(manner, now);
                let Some(until) = looked.by(manner) else { return Ok(()) };
                match &mut self.waited {
                    Some(waited) => waited.until = looked,
                    None => self.waited = Some(Waited { until: looked, relief: async_channel::bounded(1) }),
                }
                // A reader that is behind may not have been notified yet of what gathers.
                self.publish(now);
                until
            }
        };
        // `publish` may have dropped that reader. Then they try again at once, because the channel is closed.
        let closed = || async_channel::bounded(1).1;
        let relief = self.waited.as_ref().map_or_else(closed, |waited| waited.relief.1.clone());
        Err(Wait { until, relief })
    }

    /// Looks at all readers on behalf of somebody who sends in this manner, and of those who wait already. Each reader that
    /// is waited for is marked, so that its task calls `relieve` when it reads on.
    fn look(&mut self, manner: Manner, now: Now) -> Until {
        let head = self.head();
        let bulk_waits = self.waited.as_ref().is_some_and(|waited| waited.until.taken.is_some());
        let manner = if bulk_waits { Manner::Bulk } else { manner };
        let (mut furthest, mut until) = (Size::default(), Until { turn: None, taken: None });
        for client in self.members.named_mut() {
            let lag = client.reader.lag(head);
            furthest = furthest.max(lag);
            if !lag.exceeds(BEHIND) {
                continue;
            }
            let waits = match (client.reader.is_blocked(), manner) {
                (false, _) => Some((&mut until.turn, now.instant + TURN)),
                (true, Manner::Typed) => None,
                (true, Manner::Bulk) => {
                    let (address, taken) = (home(client.address.ip()), client.reader.taken());
                    let behind = Behind { address, taken, lag, patience: &mut client.patience };
                    self.pressure.waits(behind, now.instant).map(|at| (&mut until.taken, at))
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

    /// A reader that somebody waits for has read on.
    pub(super) fn relieve(&mut self, now: Now) {
        let Some(Waited { until: before, .. }) = self.waited else { return };
        let until = self.look(Manner::Typed, now);
        let ends = |before: Option<Instant>, now: Option<Instant>| before.is_some() && now.is_none();
        match &mut self.waited {
            Some(waited) if !ends(before.turn, until.turn) && !ends(before.taken, until.taken) => waited.until = until,
            waited => *waited = None,
        }
    }
}
