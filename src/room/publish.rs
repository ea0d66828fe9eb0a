//! How a public line gets to its readers: it is appended to the log, gathers with others, and is published.

use std::time::Instant;

use super::backpressure::{ALLOWANCE, DROPS_A_TURN, DROPS_APART};
use super::log::{Entry, Id, Kind};
use super::reader::End;
use super::size::Size;
use super::state::{NotJoined, Now, State};
use crate::text::message::{Cause, Message};
use crate::text::name::Name;

impl State {
    /// Lets everybody else hear what a member says.
    pub(super) fn say(&mut self, id: Id, said: Message, now: Now) {
        match self.members.get(id).filter(|client| client.name.is_some()) {
            Some(client) if client.muted => self.tell(id, Message::muted(), now),
            Some(_) => self.post(said, Kind::Said, Some(id), now),
            None => {}
        }
    }

    /// Lets everybody hear what a sender says that is no member, under this name.
    pub(super) fn say_as(&mut self, name: &Name, said: Message, now: Now) -> Result<(), NotJoined> {
        match self.members.called(&name.key()) {
            _ if self.is_closing() => Err(NotJoined::Gone),
            Some(holder) => Err(NotJoined::Taken(holder.id)),
            None => {
                self.post(said, Kind::Said, None, now);
                Ok(())
            }
        }
    }

    /// Appends something public, by a member or by nobody in particular, and publishes it if that is due.
    #[inline]
    pub(super) fn post(&mut self, message: Message, kind: Kind, author: Option<Id>, now: Now) {
        self.append(message, kind, author, now);
        self.settle(now);
    }

    /// Appends something public. The caller has to call [`State::settle`] after the last of what it appends.
    pub(super) fn append(&mut self, message: Message, kind: Kind, author: Option<Id>, now: Now) {
        if self.is_closing() {
            return;
        }
        let unheard_by = match kind {
            Kind::Said | Kind::Done(_) | Kind::Shared(_) => author.and_then(|id| match id.is_elsewhere() {
                false => self.members.get(id)?.unheard_by(),
                true => self.linked.unheard_by(id),
            }),
            Kind::News => None,
        };
        self.followed = None;
        let (lines, unheard) = (message.lines() as u64, unheard_by.as_ref().map_or(0, |ids| ids.len()));
        let except = author.filter(|_| !matches!(kind, Kind::Shared(_)));
        let is_here = except.is_some_and(|id| !id.is_elsewhere());
        let heard = self.members.count().saturating_sub(usize::from(is_here) + unheard);
        self.stats.deliveries += lines * heard as u64;
        if kind != Kind::News {
            self.stats.lines += lines;
            self.history.keep(now.system, author, &message);
        }
        let entry = Entry { at: now.system, kind, author: except, unheard_by };
        match self.log.append(message.bytes(), lines, &entry) {
            Some(entries) => {
                let (before, members) = (self.log.last_published(), self.members.count());
                self.gathering.add(entries, before, members, now.instant);
            }
            // No reader has to be notified of it, but one may be too far behind now.
            None if self.pressure.furthest(self.log.head()).exceeds(ALLOWANCE) => self.gathering.hurry(now.instant),
            None => {}
        }
    }

    /// Publishes what gathers if it is ready. Otherwise wakes the publisher, which does so when it is due.
    pub(super) fn settle(&mut self, now: Now) {
        if self.gathering.due().is_none() {
            return;
        }
        if self.gathering.is_ready() {
            self.publish(now);
        } else {
            // If the channel is full, the publisher is woken already.
            let _ = self.publisher.try_send(());
        }
    }

    /// Publishes what gathers if it is due. Returns when the publisher is to look again, if anything gathers still.
    pub(super) fn publish_due(&mut self, now: Now) -> Option<Instant> {
        if self.gathering.due().is_some_and(|due| due <= now.instant) {
            self.publish(now);
        }
        self.gathering.due()
    }

    /// Publishes what gathers, notifies all readers, and drops those that are too far behind.
    pub(super) fn publish(&mut self, now: Now) {
        if !self.gathering.finish() {
            return;
        }
        self.log.publish();
        let head = self.log.head();
        let (mut furthest, mut slow) = (Size::default(), Vec::new());
        for client in self.members.named_mut() {
            client.reader.notify();
            client.patience.seen(client.reader.is_blocked(), client.reader.taken(), now.instant);
            let lag = client.reader.lag(head);
            if lag.exceeds(ALLOWANCE) {
                slow.push(client.id);
            } else {
                furthest = furthest.max(lag);
            }
        }
        self.pressure.looked(head, furthest);
        self.ending.drain(..).for_each(|mut handle| handle.close());
        self.notify_outputs(head);
        self.drop_all(slow, now);
        if self.gathering.due().is_some() {
            // The notices about dropped members are published in a while, or with what is said next.
            let _ = self.publisher.try_send(());
        }
    }

    /// Drops members that are too slow, as many as one turn may. The others are dropped a moment later, when the
    /// readers that keep up have read the notices about the first ones.
    fn drop_all(&mut self, mut slow: Vec<Id>, now: Now) {
        let allowed = if now.instant < self.drops_from { 0 } else { DROPS_A_TURN };
        let later = slow.split_off(allowed.min(slow.len()));
        for id in &slow {
            self.remove(*id, Some(Cause::TooSlow), Message::too_slow(), End::TooSlow, now);
        }
        if slow.len() == DROPS_A_TURN {
            self.drops_from = now.instant + DROPS_APART;
        }
        if !later.is_empty() {
            self.gathering.again(self.drops_from.max(now.instant));
        }
    }
}
