//! JetStream, the part of NATS that keeps messages: what is asked of it, and what it answers, in JSON.
//!
//! A stream keeps what is published on its subjects, and numbers it. A consumer sends what a stream keeps, from a
//! number on, to a subject that somebody has subscribed to.
//!
//! Pure: requests are made, and messages are read. Knows nothing of sockets, and of what is said.

use std::fmt::{self, Display};

use tinyjson::JsonValue;

use super::json::{self, quoted};
use super::nats::{Msg, Subject, Word, number};

/// What a stream keeps at most, in bytes: some 100,000 lines, if each is a message of its own.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// How long a stream keeps a message, in seconds. A server that was away for longer misses lines.
const MAX_AGE: u64 = 60 * 60;

/// The largest message that a stream takes, in bytes. JetStream counts headers and payload: these are the 16 KiB of a
/// message, and room for its header, which names a server, an epoch and a number.
pub(super) const MAX_MSG_SIZE: u64 = 17 * 1024;

/// For how long a stream drops a message that it has already, in seconds: longer than a broker takes to start again.
/// What is sent twice later than that is dropped by the servers that receive it.
const DUPLICATES: u64 = 2 * 60;

/// How often a consumer sends a heartbeat when nothing is said, in seconds.
pub(super) const HEARTBEAT: u64 = 5;

/// How long the broker keeps a consumer when nobody is subscribed to its subject, in seconds: the broker's own default.
/// A server that reconnects makes a new one.
const INACTIVE: u64 = 5;

/// JetStream's times are in nanoseconds.
const NANOSECONDS: u64 = 1_000_000_000;

/// The longest description of an error that is kept, in characters: a line on a terminal.
const MAX_DESCRIPTION: usize = 160;

/// The subject at which a stream is made. To make the same stream again does nothing.
pub(super) fn stream_create(stream: &Word) -> Subject {
    Subject::join("$JS.API.STREAM.CREATE", &[stream])
}

/// The subject at which the state of a stream is asked for. The request is empty.
pub(super) fn stream_info(stream: &Word) -> Subject {
    Subject::join("$JS.API.STREAM.INFO", &[stream])
}

/// The subject at which a consumer is made.
pub(super) fn consumer_create(stream: &Word) -> Subject {
    Subject::join("$JS.API.CONSUMER.CREATE", &[stream])
}

/// The configuration of a room's stream, which keeps everything that is published on this subject.
pub(super) fn stream_config(stream: &Word, subject: &Subject) -> String {
    let (stream, subject) = (quoted(stream.as_str()), quoted(subject.as_str()));
    let (age, window) = (MAX_AGE * NANOSECONDS, DUPLICATES * NANOSECONDS);
    format!(
        "{{\"name\":{stream},\"subjects\":[{subject}],\"retention\":\"limits\",\"discard\":\"old\",\
         \"max_bytes\":{MAX_BYTES},\"max_age\":{age},\"max_msg_size\":{MAX_MSG_SIZE},\"duplicate_window\":{window},\
         \"storage\":\"file\",\"num_replicas\":1}}"
    )
}

/// The configuration of a consumer. It sends what the stream keeps of `subject` to `deliver`, in order, each message
/// once, beginning with the message of number `start`. JetStream's numbers begin at one, so zero counts as one.
pub(super) fn consumer_config(stream: &Word, subject: &Subject, deliver: &Subject, start: u64) -> String {
    let (stream, subject, deliver) = (quoted(stream.as_str()), quoted(subject.as_str()), quoted(deliver.as_str()));
    let start = start.max(1);
    let (heartbeat, inactive) = (HEARTBEAT * NANOSECONDS, INACTIVE * NANOSECONDS);
    format!(
        "{{\"stream_name\":{stream},\"config\":{{\"filter_subject\":{subject},\"deliver_subject\":{deliver},\
         \"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":{start},\"ack_policy\":\"none\",\"max_deliver\":1,\
         \"idle_heartbeat\":{heartbeat},\"flow_control\":true,\"mem_storage\":true,\"num_replicas\":1,\
         \"inactive_threshold\":{inactive}}}}}"
    )
}

/// Why JetStream did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The broker keeps no messages, or not for this user.
    NoJetStream,
    /// There is a stream with this name and another configuration. It may be usable all the same.
    OtherConfiguration,
    /// Another stream keeps what is published on these subjects.
    Overlap,
    /// The broker has less space than the stream may take.
    NoSpace,
    /// There is no such stream, or no such consumer.
    NotFound,
    /// The message is larger than the stream takes.
    TooLarge,
    /// Anything else: the error's number, and the broker's own words without control characters.
    Other(u64, String),
    /// The answer is not in a form that is known here.
    Unreadable,
}

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::NoJetStream => "it has no JetStream",
            Refused::OtherConfiguration => "its stream has another configuration",
            Refused::Overlap => "another of its streams keeps this room's subject; choose another room, as in /ROOM",
            Refused::NoSpace => "it has less than 16 MiB for the stream; see max_file_store in its configuration",
            Refused::NotFound => "the stream is gone",
            Refused::TooLarge => "the message is too large for the stream",
            Refused::Other(code, description) => return write!(f, "{description} ({code})"),
            Refused::Unreadable => "its answer is not understood",
        })
    }
}

/// Reads any answer of JetStream.
fn answer(msg: &Msg) -> Result<JsonValue, Refused> {
    // 503: nobody is subscribed to the request's subject, so no JetStream is there.
    if msg.headers.as_ref().is_some_and(|headers| headers.status() == Some(503)) {
        return Err(Refused::NoJetStream);
    }
    let answer = json::read(&msg.payload).ok_or(Refused::Unreadable)?;
    let Some(error) = json::get(&answer, "error") else { return Ok(answer) };
    // These numbers are from nats-server's errors.json.
    Err(match json::whole(error, "err_code").or_else(|| json::whole(error, "code")).unwrap_or_default() {
        // Not for this account; no such account; not at all.
        10039 | 10035 | 10076 => Refused::NoJetStream,
        10058 => Refused::OtherConfiguration,
        10065 => Refused::Overlap,
        // The limit of the account; of the server; of memory; of storage.
        10002 | 10023 | 10028 | 10047 => Refused::NoSpace,
        // A consumer, a stream.
        10014 | 10059 => Refused::NotFound,
        10054 => Refused::TooLarge,
        code => {
            let words = json::text(error, "description").unwrap_or_default().chars().take(MAX_DESCRIPTION);
            Refused::Other(code, words.filter(|char| !char.is_control()).collect())
        }
    })
}

/// The state of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// When it was made, in the broker's words. If this has changed, it is another stream, whose numbers begin at one.
    pub(super) created: String,
    /// The number of the last message that was put into it.
    pub(super) last_seq: u64,
    /// What it keeps: subjects, perhaps with wildcards.
    pub(super) subjects: Vec<String>,
}

/// Reads the answer to [`stream_create`] and [`stream_info`].
///
/// # Errors
/// When there is no such stream.
pub(super) fn stream(msg: &Msg) -> Result<Stream, Refused> {
    let answer = answer(msg)?;
    let read = || {
        let (config, state) = (json::get(&answer, "config")?, json::get(&answer, "state")?);
        Some(Stream {
            created: json::text(&answer, "created")?.to_owned(),
            last_seq: json::whole(state, "last_seq")?,
            subjects: json::texts(config, "subjects").map(str::to_owned).collect(),
        })
    };
    read().ok_or(Refused::Unreadable)
}

/// Reads the answer to [`consumer_create`].
///
/// # Errors
/// When there is no such consumer.
pub(super) fn consumer(msg: &Msg) -> Result<(), Refused> {
    let answer = answer(msg)?;
    json::text(&answer, "name").map(drop).ok_or(Refused::Unreadable)
}

/// Reads the answer to a message that was published, and returns the message's number in the stream.
///
/// # Errors
/// When the stream has not taken it.
pub(super) fn ack(msg: &Msg) -> Result<u64, Refused> {
    json::whole(&answer(msg)?, "seq").filter(|seq| *seq > 0).ok_or(Refused::Unreadable)
}

/// What a consumer sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// A message.
    Message(Place),
    /// The consumer works, and has nothing to send.
    Heartbeat {
        /// The consumer's number of the last message that it has sent. If another was received last, something was
        /// lost.
        consumer_seq: u64,
        /// It has stopped sending until an empty message is published here.
        stalled: Option<Subject>,
    },
    /// It waits for an empty message here, which says that everything before this has been read.
    FlowControl(Subject),
    /// Any other status. None if this is not a consumer's message at all.
    Other(Option<u16>),
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The stream's number for it.
    pub(super) stream_seq: u64,
    /// The consumer's number for it: one more than for the message before, if nothing is lost.
    pub(super) consumer_seq: u64,
}

/// Reads what came on a consumer's subject.
pub(super) fn sent(msg: &Msg) -> Sent {
    // This comes first, because the publisher of a message can give it any headers, even a status.
    if let Some(place) = msg.reply.as_deref().and_then(place) {
        return Sent::Message(place);
    }
    let Some(headers) = &msg.headers else { return Sent::Other(None) };
    // Only to such a subject is an empty message published: a sender must not choose any other.
    let flow = |subject: &str| Some(subject).filter(|subject| subject.starts_with("$JS.FC.")).and_then(Subject::new);
    let status = headers.status();
    if status != Some(100) {
        return Sent::Other(status);
    }
    if let Some(reply) = msg.reply.as_deref().and_then(flow) {
        return Sent::FlowControl(reply);
    }
    let sequence = |name| number(headers.get(name)?);
    match sequence("Nats-Last-Consumer") {
        Some(consumer_seq) => {
            Sent::Heartbeat { consumer_seq, stalled: headers.get("Nats-Consumer-Stalled").and_then(flow) }
        }
        None => Sent::Other(status),
    }
}

/// Reads the place of a message from its reply subject: `$JS.ACK`, perhaps a domain and an account, then the stream,
/// the consumer, how often it was sent, both numbers, the time, how many are to come, and perhaps more.
fn place(reply: &str) -> Option<Place> {
    let parts: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
    match parts[..] {
        [_, _, _, stream_seq, consumer_seq, _, _] | [_, _, _, _, _, stream_seq, consumer_seq, _, _, ..] => {
            Some(Place { stream_seq: number(stream_seq)?, consumer_seq: number(consumer_seq)? })
        }
        _ => None,
    }
}

/// What a broker says of itself when a client connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Info {
    /// Its version.
    pub(super) version: String,
    /// The most that a message may carry, headers and all.
    pub(super) max_payload: u64,
    /// Whether it takes headers.
    pub(super) headers: bool,
    /// Whether it accepts clients over TLS only.
    pub(super) tls_required: bool,
}

/// Reads what a [`Frame::Info`](super::nats::Frame::Info) says. Returns None if it cannot be read.
pub(super) fn info(text: &str) -> Option<Info> {
    let info = json::read(text.as_bytes())?;
    Some(Info {
        version: json::text(&info, "version")?.to_owned(),
        max_payload: json::whole(&info, "max_payload")?,
        headers: json::is_true(&info, "headers"),
        tls_required: json::is_true(&info, "tls_required"),
    })
}

#[cfg(test)]
mod tests;
