//! What the operator does to members, and the figures for the operator and the service manager.

use std::convert::Infallible;
use std::net::IpAddr;

use async_channel::Receiver;

use super::backpressure::DROPS_A_TURN;
use super::log::Id;
use super::members::Found;
use super::reader::End;
use super::state::{Now, State};
use super::stats::{Presence, Stats};
use crate::text::line::Line;
use crate::text::message::{Cause, Message};
use crate::text::name::Name;

/// Nobody here has that name.
#[derive(Debug)]
pub struct Nobody;

impl State {
    /// Ends the connection of the member that a text begins with; the rest is the reason.
    pub(super) fn kick(&mut self, typed: &Line<'_>, now: Now) -> Result<Name, Nobody> {
        let Found { id, name, rest, .. } = self.members.find(typed).ok_or(Nobody)?;
        let reason = (!rest.is_empty()).then(|| typed.last(rest.len()).into_owned());
        let cause = Cause::Kicked(reason);
        let words = Message::kicked(&cause);
        self.remove(id, Some(cause), words, End::Left, now);
        self.settle(now);
        Ok(name)
    }

    /// Ends connections whose address is banned, as many as one turn may. Returns whether there are more.
    pub(super) fn ban(&mut self, banned: impl Fn(IpAddr) -> bool, words: &Message, now: Now) -> bool {
        let ids = self.members.all().filter(|client| banned(client.address.ip())).map(|client| client.id);
        let ids: Vec<Id> = ids.take(DROPS_A_TURN).collect();
        for id in &ids {
            self.remove(*id, Some(Cause::Banned), words.clone(), End::Left, now);
        }
        self.settle(now);
        ids.len() == DROPS_A_TURN
    }

    /// Mutes a member, so that nobody hears them, or lets them be heard again.
    pub(super) fn mute(&mut self, typed: &str, muted: bool, now: Now) -> Result<Name, Nobody> {
        let Found { id, name, .. } = self.members.find(typed).filter(|found| found.rest.is_empty()).ok_or(Nobody)?;
        let client = self.members.get_mut(id).ok_or(Nobody)?;
        client.muted = muted;
        self.tell(id, if muted { Message::muted() } else { Message::unmuted() }, now);
        Ok(name)
    }

    /// Returns who is here, and how many connections have no name yet.
    pub(super) fn presences(&self, now: Now) -> (Vec<Presence>, usize) {
        let head = self.head();
        let presences = self.members.named().map(|(client, name)| Presence {
            name: name.clone(),
            address: client.address,
            here: now.instant.saturating_duration_since(client.since),
            queued: client.reader.lag(head).lines,
            muted: client.muted,
        });
        let presences: Vec<Presence> = presences.collect();
        let unnamed = self.members.all().count() - presences.len();
        (presences, unnamed)
    }

    /// Returns the room's figures.
    pub(super) fn stats(&self, now: Now) -> Stats {
        let head = self.head();
        Stats {
            uptime: now.instant.saturating_duration_since(self.opened),
            here: self.members.count(),
            queued: self.members.named().map(|(client, _)| client.reader.lag(head).bytes).sum(),
            ..self.stats.clone()
        }
    }

    /// Returns the room's figures, and a channel that closes when the next public line changes them. Only the channel
    /// of the last call does so, because there is one service manager.
    pub(super) fn follow(&mut self, now: Now) -> (Stats, Receiver<Infallible>) {
        let (followed, changed) = async_channel::bounded(1);
        self.followed = Some(followed);
        (self.stats(now), changed)
    }
}
