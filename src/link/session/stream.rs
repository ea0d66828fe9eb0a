//! The broker's stream, and the consumer that sends what was not read yet of it. Where either is gone, it is made anew,
//! and nobody hears of it.

use std::time::{Duration, Instant};

use super::{PRESENCE, Session};
use crate::link::down::Down;
use crate::link::jetstream::{self, HEARTBEAT, Refused, Sent};
use crate::link::kept::Mark;
use crate::link::nats::{self, Msg, Word};

/// After so long without a word of the consumer it counts as gone: three heartbeats have not come.
const GONE_AFTER: Duration = Duration::from_secs(3 * HEARTBEAT);

/// How soon after a consumer another one is made: whoever can have it stop is not to have this server make many.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What sends what was not read yet.
#[derive(Debug)]
pub(super) struct Consumer {
    /// The subscription to what it sends.
    pub(super) sid: u64,
    /// Its number for what it sends next. None if another one is needed: something was lost, or it is gone.
    next: Option<u64>,
    made: Instant,
    /// When anything came from it, or it was made.
    heard: Instant,
    /// Whether anything ever came from it.
    works: bool,
}

impl Consumer {
    /// None yet.
    pub(super) fn none(now: Instant) -> Consumer {
        Consumer { sid: PRESENCE, next: None, made: now, heard: now, works: false }
    }

    /// When it is to be looked at.
    pub(super) fn next(&self) -> Instant {
        if self.next.is_some() { self.heard + GONE_AFTER } else { self.made + AGAIN_AFTER }
    }

    /// Another one is needed.
    pub(super) fn is_gone(&mut self) {
        self.next = None;
    }

    /// For so long nobody looked whether anything had come from it.
    pub(super) fn waited(&mut self, time: Duration) {
        self.heard += time;
    }
}

impl Session<'_> {
    /// Has another consumer made where one is needed.
    pub(super) async fn look_after_consumer(&mut self, now: Instant) -> Result<(), Down> {
        if now < self.consumer.next() {
            return Ok(());
        }
        if self.consumer.next.is_some() && !self.consumer.works {
            return Err(Down::Silent(GONE_AFTER.as_secs()));
        }
        self.consume().await
    }

    /// Has a consumer send what was not read yet of the stream, as that is now.
    pub(super) async fn consume(&mut self) -> Result<(), Down> {
        self.consumer.is_gone();
        self.find_stream().await?;
        if self.consumer.sid > PRESENCE {
            nats::unsubscribe(&mut self.wire.out, self.consumer.sid);
        }
        let (sid, now) = (self.consumer.sid + 1, Instant::now());
        self.consumer = Consumer { sid, next: Some(1), made: now, heard: now, works: false };
        let room = &self.options.broker.room;
        let deliver = self.deliveries.clone().then(&Word::new(sid.to_string()).expect("digits"));
        // Before the consumer is made, because it looks for whoever has subscribed.
        nats::subscribe(&mut self.wire.out, &deliver, sid);
        let start = self.kept.read.as_ref().map_or(0, |read| read.seq).saturating_add(1);
        let config = jetstream::consumer_config(room, &self.lines, &deliver, start);
        let answer = self.ask(&jetstream::consumer_create(room), config.as_bytes()).await?;
        Ok(jetstream::consumer(&answer)?)
    }

    /// Has the stream made if it is not there, and finds out what of it is to be read.
    async fn find_stream(&mut self) -> Result<(), Down> {
        let room = &self.options.broker.room;
        let config = jetstream::stream_config(room, &self.lines);
        let (create, info) = (jetstream::stream_create(room), jetstream::stream_info(room));
        let answer = self.ask(&create, config.as_bytes()).await?;
        let stream = match jetstream::stream(&answer) {
            // Somebody has made it otherwise, larger perhaps.
            Err(Refused::OtherConfiguration) => jetstream::stream(&self.ask(&info, b"").await?)?,
            stream => stream?,
        };
        if !stream.subjects.iter().any(|pattern| covers(pattern, self.lines.as_str())) {
            return Err(Down::OtherStream);
        }
        // What the broker had acknowledged is lost, so it is sent again. What comes of that is dropped where it was heard.
        if self.kept.stored.take_if(|stored| stored.is_lost(&stream)).is_some() {
            self.shared.said().outbox.again();
            self.flying = None;
        }
        // Who comes begins with what is said from now on; who has lost the place, with all that there is.
        let read = self.kept.read.get_or_insert_with(|| Mark { created: stream.created.clone(), seq: stream.last_seq });
        if read.is_lost(&stream) {
            *read = Mark { created: stream.created.clone(), seq: 0 };
        }
        self.created = stream.created;
        Ok(())
    }

    /// The consumer has sent something.
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
                stalled.iter().for_each(|to| nats::publish(&mut self.wire.out, to, None, b""));
            }
            Sent::FlowControl(to) => nats::publish(&mut self.wire.out, &to, None, b""),
            // Something was lost.
            Sent::Message(_) | Sent::Heartbeat { .. } => self.consumer.is_gone(),
            // It says that it ends.
            Sent::Other(Some(status)) if status >= 400 => self.consumer.is_gone(),
            Sent::Other(_) => {}
        }
    }
}

/// Returns whether a stream's subject, perhaps with wildcards, takes what is published on another.
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
