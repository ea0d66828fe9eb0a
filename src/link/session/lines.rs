//! Lines: this room's are published at the broker, and those of other servers are published in this room.

use std::mem;
use std::time::{Duration, Instant};

use super::Session;
use crate::link::down::Down;
use crate::link::envelope::{self, MAX_MESSAGE, Origin};
use crate::link::jetstream::{self, Refused};
use crate::link::kept::Mark;
use crate::link::nats::{self, Msg};
use crate::link::outbox::Batch;
use crate::link::peers::Fresh;
use crate::room::Elsewhere;

/// How long a line may be unacknowledged before the broker counts as down (contract).
const ACKNOWLEDGED: Duration = Duration::from_secs(5);

/// How long to wait before a message that the broker has refused is sent again.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// How many lines are published in this room at once: as many as of a member who sends in bulk. A message may have some
/// thousand lines, and must not put a good reader too far behind.
const AT_ONCE: usize = 128;

/// The message that is on its way to the broker.
#[derive(Debug)]
pub(super) struct Flying {
    /// The number of the answer that acknowledges it.
    answer: u64,
    /// The numbers of its first and its last line.
    first: u64,
    last: u64,
    /// When it was sent, and when it was first sent.
    sent: Instant,
    first_sent: Instant,
    /// Why the broker has refused it, and when it is sent again.
    refused: Option<(Refused, Instant)>,
}

impl Flying {
    /// Returns when [`Session::look_after_flying`] is to be called.
    pub(super) fn next(&self) -> Instant {
        self.refused.as_ref().map_or(self.sent + ACKNOWLEDGED, |(_, again)| *again)
    }

    /// Adds time in which nothing was read from the broker: it does not count.
    pub(super) fn waited(&mut self, time: Duration) {
        self.sent += time;
        self.first_sent += time;
    }
}

impl Session<'_> {
    /// Returns whether nothing more is to be sent, or nothing can be.
    pub(super) fn has_said_all(&self) -> bool {
        match &self.flying {
            Some(flying) => flying.refused.is_some(),
            None => self.claimed.is_some() || !self.shared.said().outbox.waits(),
        }
    }

    /// Sends the next message, if the last one has arrived.
    pub(super) fn publish(&mut self, now: Instant) {
        let again = |flying: &Flying| flying.refused.as_ref().is_some_and(|(_, again)| now >= *again);
        if self.claimed.is_some() || self.flying.as_ref().is_some_and(|flying| !again(flying)) {
            return;
        }
        let Some(Batch { first, last, lines }) = self.shared.said().outbox.batch() else { return };
        let before = self.flying.take().filter(|flying| flying.first == first);
        let first_sent = before.map_or(now, |flying| flying.first_sent);
        let origin = Origin { server: self.options.server.clone(), epoch: self.kept.epoch, first };
        let answer = self.new_answer();
        nats::publish_with_id(&mut self.connection.out, &self.lines, &answer, &origin.id(), lines.as_bytes());
        self.flying = Some(Flying { answer: self.asked, first, last, sent: now, first_sent, refused: None });
    }

    /// Takes in the broker's answer to what was published.
    pub(super) async fn acknowledged(&mut self, msg: &Msg) {
        let answer = msg.subject.rsplit('.').next().and_then(|number| number.parse().ok());
        let Some(flying) = self.flying.as_mut().filter(|flying| answer == Some(flying.answer)) else { return };
        let last = flying.last;
        match jetstream::ack(msg) {
            Ok(seq) => self.kept.stored = Some(Mark { created: self.created.clone(), seq }),
            // It will never be taken, so it counts as sent. The other servers see that lines are missing.
            Err(Refused::TooLarge) => {}
            Err(why) => {
                // Perhaps the stream is gone. A new consumer makes it anew.
                if matches!(why, Refused::NoJetStream | Refused::NotFound) {
                    self.consumer.is_gone();
                }
                flying.refused = Some((why, Instant::now() + REFUSED_FOR));
                return;
            }
        }
        self.flying = None;
        self.shared.said().outbox.arrived(last);
        self.works().await;
    }

    /// Finds out that the broker does not take what was published. A broker that refuses it is not silent: this
    /// connection goes on, other servers are heard, and the message is sent again.
    ///
    /// # Errors
    /// When the broker does not answer at all.
    pub(super) async fn look_after_flying(&mut self, now: Instant) -> Result<(), Down> {
        match &self.flying {
            Some(Flying { refused: None, sent, .. }) if now >= *sent + ACKNOWLEDGED => {
                Err(Down::NotAcknowledged(ACKNOWLEDGED.as_secs()))
            }
            Some(Flying { refused: Some((why, _)), first_sent, .. }) if now >= *first_sent + ACKNOWLEDGED => {
                self.kept.down(Down::Refused(why.clone()), self.options, self.room).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Publishes a message of another server in this room.
    pub(super) async fn hear(&mut self, msg: &Msg) {
        let me = &self.options.server;
        let origin = msg.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id")).and_then(Origin::read);
        // This server's own lines, in this epoch or an earlier one, are no news.
        let Some(origin) = origin.filter(|origin| origin.server != *me) else { return };
        let Some(text) = std::str::from_utf8(&msg.payload).ok().filter(|text| text.len() <= MAX_MESSAGE) else {
            return;
        };
        let count = text.split_terminator('\n').count();
        let fresh = if count == 0 { None } else { self.kept.peers.lines(&origin, count as u64, self.heard) };
        let Some(Fresh { missed, old }) = fresh else { return };
        let (mut said, mut lines, mut bytes) = (Vec::new(), 0, 0);
        if missed > 0 {
            said.push(Elsewhere::Missed(missed, origin.server.clone()));
            lines += 1;
        }
        for line in text.split_terminator('\n').skip(usize::try_from(old).unwrap_or(usize::MAX)) {
            let length = line.len();
            let Some(line) = envelope::received(line, &origin.server, me) else { continue };
            if lines == AT_ONCE {
                self.let_hear(mem::take(&mut said), mem::take(&mut lines), mem::take(&mut bytes)).await;
            }
            (lines, bytes) = (lines + 1, bytes + length);
            if matches!(line, Elsewhere::Joined(_) | Elsewhere::Left(..) | Elsewhere::Renamed(..)) {
                self.kept.peers.changed(&origin.server);
            }
            match (said.last_mut(), line) {
                // Consecutive lines of one member are one entry of the log.
                (Some(Elsewhere::Said(before, lines)), Elsewhere::Said(name, line)) if before.key() == name.key() => {
                    lines.append(&line);
                }
                (_, line) => said.push(line),
            }
        }
        self.let_hear(said, lines, bytes).await;
    }
}
