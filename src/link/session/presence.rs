//! Who is there: what this server says of itself, and what the others say.

use std::time::{Duration, Instant};

use super::Session;
use crate::link::down::Down;
use crate::link::envelope::{self, Epoch, MAX_MESSAGE, Presence};
use crate::link::nats::Msg;
use crate::room::Elsewhere;
use crate::text::server::Server;

/// How often the others are told who is here (design), and how soon again when somebody comes or goes.
const TOLD_EVERY: Duration = Duration::from_secs(10);
const TOLD_AGAIN: Duration = Duration::from_secs(1);

/// How long the line is, in bytes, by which a server comes or goes.
const NOTICE: usize = 32;

impl Session<'_> {
    /// Tells the others who is here, when it is time for that.
    pub(super) async fn tell_who_is_here(&mut self, now: Instant) {
        let moved = self.shared.said().moved;
        if moved {
            self.tell_soon(now);
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
    }

    /// Tells them soon: somebody has come or gone here, or there is somebody who does not know yet.
    fn tell_soon(&mut self, now: Instant) {
        self.tell = self.tell.min(self.told.map_or(now, |told| (told + TOLD_AGAIN).max(now)));
    }

    /// A server says something of itself.
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

    /// A server is not linked any more.
    pub(super) async fn unlink(&mut self, server: Server) {
        self.let_hear(vec![Elsewhere::Unlinked(server)], 1, NOTICE).await;
    }

    /// Another server has this one's name. Who has it already keeps it.
    fn hear_of_namesake(&mut self, epoch: Epoch, presence: &Presence<'_>) -> Result<(), Down> {
        let mine = self.kept.epoch;
        let yields = match presence {
            _ if epoch == mine => return Ok(()),
            Presence::Bye => return Ok(()),
            // Both come at the same time, or both have it since they could not hear each other: who began earlier keeps it.
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
