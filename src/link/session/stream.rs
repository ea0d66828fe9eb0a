//! The broker's stream, and the consumer that sends what this server has not read of it. If either is gone, it is made
//! anew, and the room is not told.

use std::time::{Duration, Instant};

use super::{PRESENCE, Session};
use crate::link::down::Down;
use crate::link::jetstream::{self, HEARTBEAT, Refused, Sent};
use crate::link::kept::Mark;
use crate::link::nats::{self, Msg, Word};

/// A consumer that is silent for this long counts as gone: three heartbeats have not come.
const GONE_AFTER: Duration = Duration::from_secs(3 * HEARTBEAT);

/// How soon after a consumer another one may be made. Somebody at the broker could delete consumers all the time, and
/// must not make this server busy with that.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What this server knows of its consumer, which sends what was not read yet.
#[derive(Debug)]
pub(super) struct Consumer {
    /// The subscription to what it sends.
    pub(super) sid: u64,
    /// The number that its next message has. None if another consumer is needed, because something was lost or it is
    /// gone.
    next: Option<u64>,
    made: Instant,
    /// When anything last came from it, or when it was made.
    heard: Instant,
    /// Whether anything ever came from it.
    works: bool,
}

impl Consumer {
    /// The state before there is a consumer.
    pub(super) fn none(now: Instant) -> Consumer {
        Consumer { sid: PRESENCE, next: None, made: now, heard: now, works: false }
    }

    /// Returns when [`Session::look_after_consumer`] is to be called.
    pub(super) fn next(&self) -> Instant {
        if self.next.is_some() { self.heard + GONE_AFTER } else { self.made + AGAIN_AFTER }
    }

    /// Notes that another consumer is needed.
    pub(super) fn is_gone(&mut self) {
        self.next = None;
    }

    /// Adds time in which nothing was read from the broker: it does not count.
    pub(super) fn waited(&mut self, time: Duration) {
        self.heard += time;
    }
}

impl Session<'_> {
    /// Makes another consumer if one is needed.
    pub(super) async fn look_after_consumer(&mut self, now: Instant) -> Result<(), Down> {
        if now < self.consumer.next() {
            return Ok(());
        }
        if self.consumer.next.is_some() && !self.consumer.works {
            return Err(Down::Silent(GONE_AFTER.as_secs()));
        }
        self.consume().await
    }

    /// Makes a consumer that sends what was not read of the stream. Makes the stream first if it is gone.
    pub(super) async fn consume(&mut self) -> Result<(), Down> {
        self.consumer.is_gone();
        self.find_stream().await?;
        if self.consumer.sid > PRESENCE {
            nats::unsubscribe(&mut self.connection.out, self.consumer.sid);
        }
        let (sid, now) = (self.consumer.sid + 1, Instant::now());
        self.consumer = Consumer { sid, next: Some(1), made: now, heard: now, works: false };
        let room = &self.options.broker.room;
        let deliver = self.deliveries.clone().then(&Word::new(sid.to_string()).expect("digits"));
        // This comes first, because a consumer stops if nobody is subscribed to its subject.
        nats::subscribe(&mut self.connection.out, &deliver, sid);
        let start = self.kept.read.as_ref().map_or(0, |read| read.seq).saturating_add(1);
        let config = jetstream::consumer_config(room, &self.lines, &deliver, start);
        let answer = self.ask(&jetstream::consumer_create(room), config.as_bytes()).await?;
        Ok(jetstream::consumer(&answer)?)
    }

    /// Makes the stream if it is not there, and finds out where to read on in it.
    async fn find_stream(&mut self) -> Result<(), Down> {
        let room = &self.options.broker.room;
        let config = jetstream::stream_config(room, &self.lines);
        let (create, info) = (jetstream::stream_create(room), jetstream::stream_info(room));
        let answer = self.ask(&create, config.as_bytes()).await?;
        let stream = match jetstream::stream(&answer) {
            // Somebody has made it with another configuration: larger, or with replicas.
            Err(Refused::OtherConfiguration) => jetstream::stream(&self.ask(&info, b"").await?)?,
            stream => stream?,
        };
        if !stream.subjects.iter().any(|pattern| covers(pattern, self.lines.as_str())) {
            return Err(Down::OtherStream);
        }
        // The broker has lost what it had acknowledged, so that is sent again. Servers that have heard it drop it.
        if self.kept.stored.take_if(|stored| stored.is_lost(&stream)).is_some() {
            self.shared.said().outbox.again();
            self.flying = None;
        }
        // A server that has just started reads what is said from now on. One whose place is lost reads the whole
        // stream.
        let read = self.kept.read.get_or_insert_with(|| Mark { created: stream.created.clone(), seq: stream.last_seq });
        if read.is_lost(&stream) {
            *read = Mark { created: stream.created.clone(), seq: 0 };
        }
        self.created = stream.created;
        Ok(())
    }

    /// Takes in what the consumer has sent. `whole` is false if the message was too large to be kept.
    pub(super) async fn delivered(&mut self, msg: &Msg, whole: bool) {
        let Some(next) = self.consumer.next else { return };
        (self.consumer.heard, self.consumer.works) = (self.heard, true);
        match jetstream::sent(msg) {
            Sent::Message(place) if place.consumer_seq == next => {
                self.consumer.next = Some(next + 1);
                if let Some(read) = &mut self.kept.read {
                    read.seq = place.stream_seq;
                }
                if whole {
                    self.hear(msg).await;
                }
            }
            Sent::Heartbeat { consumer_seq, stalled } if consumer_seq.saturating_add(1) == next => {
                stalled.iter().for_each(|to| nats::publish(&mut self.connection.out, to, None, b""));
            }
            Sent::FlowControl(to) => nats::publish(&mut self.connection.out, &to, None, b""),
            // Something was lost.
            Sent::Message(_) | Sent::Heartbeat { .. } => self.consumer.is_gone(),
            // The consumer says that it ends.
            Sent::Other(Some(status)) if status >= 400 => self.consumer.is_gone(),
            Sent::Other(_) => {}
        }
    }
}

/// Returns whether a stream's subject, which may have wildcards, covers a subject.
fn covers(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_s_subjects_take() {
        for (pattern, covered) in [
            ("dynasti.ship.lines", true),
            ("dynasti.*.lines", true),
            ("dynasti.>", true),
            (">", true),
            ("dynasti.ship", false),
            ("dynasti.ship.lines.>", false),
            ("dynasti.ship.lines.x", false),
            ("dynasti.*", false),
            ("", false),
        ] {
            assert_eq!(covers(pattern, "dynasti.ship.lines"), covered, "{pattern}");
        }
    }
}
