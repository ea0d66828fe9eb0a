//! The world around one room: takes the steps of a script, plays the executor, and checks the room's promises.
//!
//! Each task of the server is a turn here: a client's writer and its reader, the publisher, the operator's console, the
//! output and the transcript. A turn does nothing unless what the task waits for has come, as in the executor.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_channel::Receiver;
use fastrand::Rng;

use super::client::{Client, Doing, Input, Sender, Socket};
use super::fail;
use super::model::Model;
use super::script::{Act, Output, Setting, Step, Taking};
use crate::room::backpressure::{ALLOWANCE, DROPS_A_TURN};
use crate::room::log::{Id, Size};
use crate::room::reader::{End, Reader, Written};
use crate::room::state::{Now, Options, State};
use crate::text::line::{Decoder, Input as Decoded, Line};
use crate::text::message::{Cause, Message};
use crate::text::name::Name;

pub(super) type Alive = std::sync::Weak<dyn std::any::Any + Send + Sync>;

/// How long a connection without a name may stay.
const NAMELESS: Duration = Duration::from_secs(60);

/// Names of which no two begin alike.
const NAMES: [&str; 15] =
    ["Ann Lee", "Bob", "bob", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hal", "Ida", "Jo", "Zoë", "Max 2", "Nora", "Olaf"];

#[derive(Debug)]
pub(super) struct World {
    pub(super) setting: Setting,
    pub(super) state: State,
    pub(super) model: Model,
    pub(super) now: Now,
    pub(super) rng: Rng,
    pub(super) clients: Vec<Option<Client>>,
    pub(super) operator: Sender,
    /// Holds something when lines begin to gather, and until when the publisher sleeps then.
    pub(super) gathers: Receiver<()>,
    pub(super) sleeping: Option<std::time::Instant>,
    /// The process's output and the transcript, and whether they are not written for now.
    pub(super) outputs: [(Option<Reader>, bool); 2],
    /// How long senders in bulk have waited for readers at one address that take too little, and since when.
    pub(super) waited: HashMap<(IpAddr, Id), (std::time::Instant, Duration)>,
    /// The addresses whose readers were blocked when time jumped, and until when that may have consequences.
    pub(super) jumped: HashMap<IpAddr, std::time::Instant>,
    /// How much time has jumped in all.
    pub(super) jumps: Duration,
    /// The segments of the log that may be in memory.
    pub(super) segments: Vec<Alive>,
    pub(super) template: Line<'static>,
    pub(super) lags: Vec<(Id, Size)>,
    serial: u32,
    pub(super) closed: bool,
}

/// Makes a line of what somebody types.
pub(super) fn line(text: &str) -> Line<'static> {
    match Decoder::default().next(&mut format!("{text}\n").as_bytes()) {
        Some(Decoded::Line(line)) => line.into_owned(),
        other => unreachable!("{other:?}"),
    }
}

pub(super) fn name(n: u8) -> Name {
    Name::parse(NAMES[usize::from(n) % NAMES.len()]).expect("a good name")
}

/// Returns the address of a client. Some are at loopback, and some addresses have two clients.
fn address(slot: u16, healthy: bool) -> SocketAddr {
    let [high, low] = slot.to_be_bytes();
    let ip = match slot % 4 {
        0 => [127, 0, 0, 1],
        _ if healthy => [10, 0, high, low],
        _ => [192, 0, 2, low / 2],
    };
    SocketAddr::from((ip, 50_000 + slot))
}

/// Returns how far a connection is behind. One without a name does not read the log.
pub(super) fn lag(state: &State, id: Id) -> Option<Size> {
    let client = state.members.get(id)?;
    Some(if client.name.is_some() { client.reader.lag(state.head()) } else { client.reader.direct() })
}

impl World {
    pub(super) fn new(setting: Setting) -> World {
        let now = Now::read();
        let (publisher, gathers) = async_channel::bounded(1);
        let Setting { history, replay, watch, .. } = setting;
        let options = Options { history, replay, watch, transcript: true, link: false, earlier: Vec::new() };
        let (state, outputs) = State::new(options, publisher, now);
        World {
            setting,
            state,
            model: Model::new(setting),
            now,
            rng: Rng::with_seed(0),
            clients: (0..setting.slots).map(|_| None).collect(),
            operator: Sender::new(now.instant),
            gathers,
            sleeping: None,
            outputs: [(Some(outputs.output), false), (outputs.transcript, false)],
            waited: HashMap::new(),
            jumped: HashMap::new(),
            jumps: Duration::ZERO,
            segments: Vec::new(),
            template: line(&(0..2000).map(|n| char::from(b'a' + (n * n / 7 % 26) as u8)).collect::<String>()),
            lags: Vec::new(),
            serial: 0,
            closed: false,
        }
    }

    pub(super) fn run(mut self, steps: &[Step]) {
        for step in steps {
            self.rng = Rng::with_seed(u64::from(step.seed));
            self.step(usize::from(step.slot), &step.act);
            self.turns();
        }
        self.finish();
    }

    /// What makes one text differ from all others.
    pub(super) fn serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    fn step(&mut self, slot: usize, act: &Act) {
        match act {
            Act::Enter(taking) => self.enter(slot, *taking),
            Act::Wait(time) => self.wait(Duration::from_millis((*time).into())),
            Act::Jump(time) => self.jump(Duration::from_millis((*time).into())),
            Act::Settle => self.settle(),
            Act::Close => self.close(),
            Act::EndUnnamed => self.end_unnamed(),
            Act::Stall(Output::Printed, stalls) => self.outputs[0].1 = *stalls,
            Act::Stall(Output::Transcript, stalls) => self.outputs[1].1 = *stalls,
            Act::Announce(length) => {
                let said =
                    Message::server(&line(&format!("{} {}", self.serial(), &*self.template.last((*length).into()))));
                self.operator.doing.push_back(Doing::Announce(said));
            }
            Act::Ban => {
                if let Some(client) = &self.clients[slot] {
                    self.operator.doing.push_back(Doing::Ban(client.address.ip()));
                }
            }
            Act::Kick => self.kick(slot),
            Act::Mute(muted) => self.mute(slot, *muted),
            act => self.client(slot, act),
        }
    }

    /// What a client does that is on its own side of the connection.
    fn client(&mut self, slot: usize, act: &Act) {
        let Some(client) = self.clients[slot].as_mut().filter(|client| !client.leaving) else { return };
        match act {
            Act::Name(n) if client.name.is_none() && client.sender.doing.is_empty() => {
                let name = if self.setting.slots > 100 { Name::parse(&format!("M{slot}")) } else { Ok(name(*n)) };
                client.sender.doing.push_back(Doing::Join(name.expect("a good name")));
            }
            // What a socket holds of what a client sends is bounded.
            Act::Say(lines, length) if client.input.len() < 2000 => {
                let lines = (0..*lines).map(|_| Input::Line(self.rng.usize(1..=usize::from(*length))));
                client.input.extend(lines);
            }
            Act::Type(typed) if client.input.len() < 2000 => client.input.push_back(Input::Command(*typed)),
            Act::Take(taking) if !client.healthy || matches!(taking, Taking::All | Taking::Healthy(_)) => {
                client.socket.take(*taking);
            }
            Act::Break(by_peer) => {
                client.socket.broken = Some(*by_peer);
                client.healthy = false;
            }
            Act::Quit => {
                client.leaving = true;
                client.sender.doing.push_back(Doing::Leave(None, Message::bye()));
            }
            _ => {}
        }
    }

    // ---- what needs nobody's turn

    fn enter(&mut self, slot: usize, taking: Taking) {
        if self.clients[slot].is_some() {
            return;
        }
        let healthy = matches!(taking, Taking::All | Taking::Healthy(_));
        let address = address(slot as u16, healthy);
        let Ok(reader) = self.state.enter(address, Message::greeting(), self.now) else {
            return if !self.closed {
                fail("the room is open", "it lets nobody in")
            };
        };
        self.model.enter(reader.id(), address.ip());
        let now = self.now.instant;
        self.clients[slot] = Some(Client {
            id: reader.id(),
            address,
            healthy,
            since: now,
            reader: Some(reader),
            socket: Socket::new(taking),
            deadline: None,
            discarding: None,
            sender: Sender::new(now),
            name: None,
            input: std::collections::VecDeque::new(),
            leaving: false,
        });
    }

    fn end_unnamed(&mut self) {
        let late = |client: &&Client| client.since + NAMELESS <= self.now.instant;
        let late: Vec<Id> = self.clients.iter().flatten().filter(late).map(|client| client.id).collect();
        self.room(
            |state, now| state.end_unnamed(NAMELESS, now),
            |model| {
                let words = Message::no_name_in_time(NAMELESS);
                late.into_iter().for_each(|id| {
                    if model.name(id).is_none() {
                        model.leave(id, None, &words)
                    }
                });
                None
            },
        );
    }

    /// The member in this slot, and its name.
    pub(super) fn member(&self, slot: usize) -> Option<(Id, Name)> {
        let id = self.clients[slot].as_ref()?.id;
        Some((id, self.model.name(id)?))
    }

    fn kick(&mut self, slot: usize) {
        let Some((id, name)) = self.member(slot) else { return };
        let cause = Cause::Kicked(self.rng.bool().then(|| line("enough now")));
        let reason = if cause == Cause::Kicked(None) { "" } else { " enough now" };
        let typed = line(&format!("{name}{reason}"));
        let kicked = self.room(
            |state, now| state.kick(&typed, now).is_ok(),
            |model| {
                model.leave(id, Some(&cause), &Message::kicked(&cause));
                None
            },
        );
        assert!(kicked, "{name} is here");
    }

    fn mute(&mut self, slot: usize, muted: bool) {
        let Some((id, name)) = self.member(slot) else { return };
        let done = self.room(
            |state, now| state.mute(name.as_str(), muted, now).is_ok(),
            |model| {
                model.mute(id, muted);
                None
            },
        );
        assert!(done, "{name} is here");
    }

    fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        // What gathers is published first, which drops those who are too far behind.
        let slow = |id: &Id| self.state.gathers() && lag(&self.state, *id).is_some_and(|lag| lag.exceeds(ALLOWANCE));
        let members = self.model.here().filter(|(_, person)| person.name.is_some()).map(|(id, _)| id);
        let slow: Vec<Id> = members.filter(slow).take(DROPS_A_TURN).collect();
        self.room(
            |state, now| state.close(now),
            |model| {
                slow.into_iter().for_each(|id| model.leave(id, Some(&Cause::TooSlow), &Message::too_slow()));
                model.close();
                None
            },
        );
    }

    /// Opens every socket, if that is the setting, closes the room, and waits until everybody is gone.
    fn finish(&mut self) {
        self.outputs.iter_mut().for_each(|output| output.1 = false);
        if self.setting.open && !self.closed {
            self.clients.iter_mut().flatten().for_each(|client| client.socket.take(Taking::All));
            self.rest();
            if self.clients.iter().flatten().any(|client| !client.sender.doing.is_empty() || !client.input.is_empty()) {
                fail("nobody waits for ever", "somebody does when all is read");
            }
        }
        self.close();
        if self.setting.slots % 2 == 0 {
            self.clients.iter_mut().flatten().for_each(|client| client.socket.take(Taking::All));
        }
        self.rest();
        self.wait(Duration::from_secs(5));
        self.state.end_outputs(self.now);
        self.settle();
        if self.outputs.iter().any(|output| output.0.is_some()) || !self.model.printed.is_done() {
            fail("the outputs end when all is written", "one did not");
        }
        if self.clients.iter().any(Option::is_some) {
            fail("who is told goodbye is gone soon", "somebody is not");
        }
        if self.state.direct() > 0 {
            fail("when all are gone nothing waits for anybody", self.state.direct());
        }
    }

    /// Lets time go by without anything new, until nobody has anything to do.
    fn rest(&mut self) {
        (0..600).for_each(|_| self.wait(Duration::from_millis(100)));
    }

    /// Reads an output, and compares it with the model. Returns whether there was anything to read.
    pub(super) fn read_output(&mut self, which: usize) -> bool {
        let (Some(reader), false) = &mut self.outputs[which] else { return false };
        if futures_lite::future::block_on(futures_lite::future::poll_once(reader.notified())).is_none() {
            return false;
        }
        let mut bytes = Vec::new();
        let written = if which == 0 {
            reader.write(&mut bytes).expect("memory takes everything")
        } else {
            loop {
                let written = reader.entries(8192, |_, text| bytes.extend_from_slice(text));
                if written != Written::Part {
                    break written;
                }
            }
        };
        let lost = reader.take_lost();
        if which == 0 {
            // What it skips may be news, too, which it would not have read.
            self.model.printed.come(&bytes, lost);
        } else {
            self.model.written.skip(lost);
            self.model.written.come(&bytes, 0);
        }
        if written == Written::End(End::Closing) {
            self.outputs[which].0 = None;
        }
        true
    }
}
