//! What the link keeps from one connection to the next: what was sent and read, which other servers there are, and what
//! the room was told of the state of the link.

use super::Options;
use super::down::Down;
use super::envelope::Epoch;
use super::jetstream::Stream;
use super::peers::Peers;
use crate::room::Room;
use crate::text::message::Message;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) epoch: Epoch,
    pub(super) peers: Peers,
    /// Counts the lists of who is here.
    pub(super) revision: u64,
    /// The last message that was read from the stream.
    pub(super) read: Option<Mark>,
    /// The last message of this server that was acknowledged.
    pub(super) stored: Option<Mark>,
    /// Whether the link works now.
    pub(super) works: bool,
    /// Whether it has ever worked.
    has_worked: bool,
    /// Why it is down, if the room was told so.
    told: Option<Down>,
}

/// The place of a message in a stream.
#[derive(Debug)]
pub(super) struct Mark {
    /// When the stream was made.
    pub(super) created: String,
    /// The stream's number for the message.
    pub(super) seq: u64,
}

impl Mark {
    /// Returns whether the stream has lost this message and those after it: it is a new stream, or the broker lost some
    /// of it in a power cut.
    pub(super) fn is_lost(&self, stream: &Stream) -> bool {
        self.created != stream.created || self.seq > stream.last_seq
    }
}

impl Kept {
    /// The state before the first connection.
    pub(super) fn new(epoch: Epoch) -> Kept {
        Kept {
            epoch,
            peers: Peers::default(),
            revision: 0,
            read: None,
            stored: None,
            works: false,
            has_worked: false,
            told: None,
        }
    }

    /// Notes that the link works. The room is told if it was told before that the link is down.
    pub(super) async fn up(&mut self, options: &Options, room: &Room) {
        let Options { broker, server } = options;
        self.works = true;
        if !std::mem::replace(&mut self.has_worked, true) {
            room.print(format!("This is {server} at {broker}.")).await;
        }
        if self.told.take().is_some() {
            room.warn(format!("dynasti: the link to {broker} is back"));
            room.note(Message::link_back(broker)).await;
        }
    }

    /// Notes that the link is down. The room is told once; standard error is told again whenever the reason changes.
    pub(super) async fn down(&mut self, why: Down, options: &Options, room: &Room) {
        let broker = &options.broker;
        self.works = false;
        if self.told.as_ref() != Some(&why) {
            room.warn(format!("dynasti: the link to {broker} is down: {why}; this room goes on alone"));
        }
        if self.told.replace(why.clone()).is_none() {
            room.note(Message::link_down(broker, why)).await;
        }
    }
}
