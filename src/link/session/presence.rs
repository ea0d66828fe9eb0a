//! Presence: this server tells the others who its members are, and takes in what they tell.

use std::time::{Duration, Instant};

use super::Session;
use crate::link::down::Down;
use crate::link::envelope::{self, Epoch, MAX_MESSAGE, Presence};
use crate::link::nats::Msg;
use crate::room::Elsewhere;
use crate::text::server::Server;

/// How often the other servers are told who is here (contract), and how soon again when somebody comes or leaves.
const TOLD_EVERY: Duration = Duration::from_secs(10);
const TOLD_AGAIN: Duration = Duration::from_secs(1);

/// `TOLD_AGAIN` is longer by a second for this many members each. The others have heard already that somebody has come
/// or left, and the list only confirms it. A list of a thousand names, one of which is new, costs each of them 5 ms
/// (measured).
const TOLD_LATER: usize = 100;

/// How long the notice is that a server is linked, or not any more, in bytes.
const NOTICE: usize = 32;

impl Session<'_> {
    /// Tells the other servers who is here, if that is due.
    pub(super) async fn tell_who_is_here(&mut self, now: Instant) {
        let moved = self.shared.said().moved;
        if moved {
            self.tell_within(told_again(self.told_names), now);
        }
        if now < self.tell {
            return;
        }
        let stored = {
            let mut said = self.shared.said();
            if std::mem::take(&mut said.moved) || self.kept.revision == 0 {
                self.kept.revision += 1;
            }
            said.outbox.stored()
        };
        let names = self.room.names_here().await;
        for part in envelope::here(&self.options.server, self.kept.epoch, self.kept.revision, stored, &names) {
            self.say(&part);
        }
        (self.told, self.tell) = (Some(now), now + TOLD_EVERY);
        self.told_names = names.len();
    }

    /// Tells the other servers soon, because one of them has no list yet.
    fn tell_soon(&mut self, now: Instant) {
        self.tell_within(TOLD_AGAIN, now);
    }

    /// Tells the other servers no later than this long after the last time.
    fn tell_within(&mut self, time: Duration, now: Instant) {
        self.tell = self.tell.min(self.told.map_or(now, |told| (told + time).max(now)));
    }

    /// Takes in a presence message.
    pub(super) async fn hear_of(&mut self, msg: &Msg) -> Result<(), Down> {
        let payload = std::str::from_utf8(&msg.payload).ok().filter(|text| text.len() <= MAX_MESSAGE);
        let Some((server, epoch, presence)) = payload.and_then(envelope::presence) else { return Ok(()) };
        let now = self.heard;
        if server == self.options.server {
            return self.hear_of_namesake(epoch, &presence);
        }
        match presence {
            Presence::Hello => self.tell_soon(now),
            Presence::Here(here) => {
                let Some(heard) = self.kept.peers.here(&server, epoch, &here, now) else { return Ok(()) };
                if heard.is_new {
                    self.tell_soon(now);
                }
                if let Some(names) = heard.members {
                    self.let_hear(vec![Elsewhere::Linked(server, names)], usize::from(heard.is_new), NOTICE).await;
                }
            }
            Presence::Bye if self.kept.peers.bye(&server, epoch) => self.unlink(server).await,
            Presence::Bye | Presence::Mine => {}
        }
        Ok(())
    }

    /// Tells the room that a server is not linked any more.
    pub(super) async fn unlink(&mut self, server: Server) {
        self.let_hear(vec![Elsewhere::Unlinked(server)], 1, NOTICE).await;
    }

    /// Handles a presence message of another server that has this server's name. The one that had it first keeps it.
    fn hear_of_namesake(&mut self, epoch: Epoch, presence: &Presence<'_>) -> Result<(), Down> {
        let mine = self.kept.epoch;
        let yields = match presence {
            _ if epoch == mine => return Ok(()),
            Presence::Bye => return Ok(()),
            // Both claim it at the same time, or both have it because they could not hear each other: the one that
            // began earlier keeps it.
            Presence::Hello => self.claimed.is_some() && epoch < mine,
            Presence::Here(_) | Presence::Mine => self.claimed.is_some() || epoch < mine,
        };
        if yields {
            return Err(Down::NameTaken(self.options.server.clone()));
        }
        let word = envelope::mine(&self.options.server, mine);
        self.say(&word);
        Ok(())
    }
}

/// Returns how soon the other servers are told again who is here, if there are so many members.
fn told_again(members: usize) -> Duration {
    let seconds = u32::try_from(members / TOLD_LATER).unwrap_or(u32::MAX).saturating_add(1);
    TOLD_AGAIN.saturating_mul(seconds).min(TOLD_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_told_less_often() {
        for (members, seconds) in [(0, 1), (99, 1), (100, 2), (899, 9), (900, 10), (100_000, 10), (usize::MAX, 10)] {
            assert_eq!(told_again(members), Duration::from_secs(seconds), "{members}");
        }
    }
}
