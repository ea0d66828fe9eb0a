//! The promises, as they are checked after everything that the room does, and when everybody has come to rest.

use std::num::NonZeroU64;
use std::time::Duration;

use super::client::Client;
use super::fail;
use super::model::{Answer, Model, Person, size};
use super::world::{World, lag};
use crate::room::backpressure::{ALLOWANCE, BEHIND, MAX_DIRECT, Manner};
use crate::room::log::{Id, Size};
use crate::room::reader::OVERHEAD;
use crate::room::state::{Now, State};
use crate::text::message::{Cause, Message};

/// How long senders in bulk may wait within a minute for readers at one address that take too little. A reader is given
/// more than its second for what it takes, and a new one where it catches up.
pub(super) const VAIN: Duration = Duration::from_secs(10);
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// How long anybody may wait while others go on sending. Where time jumps, nobody sends.
const FOR_EVER: Duration = Duration::from_secs(300);

impl World {
    /// Has the room do something. It must do what the model expects and no more, but that it may drop who is too far
    /// behind; an answer that the model expects comes after that.
    pub(super) fn room<T>(
        &mut self,
        act: impl FnOnce(&mut State, Now) -> T,
        expected: impl FnOnce(&mut Model) -> Answer,
    ) -> T {
        let (state, model) = (&mut self.state, &mut self.model);
        let (head, cursor, direct) = (state.head(), state.log().cursor(), state.direct());
        let lag = |client: &Client| Some((client.id, lag(state, client.id)?));
        self.lags.clear();
        self.lags.extend(self.clients.iter().flatten().filter_map(lag));
        let done = act(state, self.now);
        model.told = Size::default();
        let answer = expected(model);
        let told = answer.as_ref().map_or(model.told, |(_, message)| model.told.max(size(message)));
        model.people.values_mut().for_each(Person::judge);
        let mut dropped: Vec<Id> =
            model.here().map(|(id, _)| id).filter(|id| state.members.get(*id).is_none()).collect();
        if dropped.len() > 1 {
            // The log says in which order.
            let text = [b"\n".to_vec(), state.log().since(&cursor)].concat();
            dropped.sort_by_cached_key(|id| {
                let left = model.name(*id).map(|name| Message::left(&name, Some(&Cause::TooSlow)));
                let left = left.map(|left| [b"\n", left.bytes()].concat());
                left.and_then(|left| text.windows(left.len()).position(|window| window == left))
            });
        }
        let said = model.head - head;
        for id in dropped {
            let before = self.lags.iter().find(|(other, _)| *other == id).map_or(Size::default(), |(_, lag)| *lag);
            let client = self.clients.iter().flatten().find(|client| client.id == id);
            let jumped = client.and_then(|client| self.jumped.get(&client.address.ip()));
            let excused = model.people.get(&id).is_some_and(|person| person.excused)
                || jumped.is_some_and(|until| *until > self.now.instant);
            let lag = before + (model.head - head) + told;
            if !lag.exceeds(ALLOWANCE) && direct + told.bytes as usize + OVERHEAD <= MAX_DIRECT {
                fail("who is within the allowance is not dropped", format_args!("{lag:?}"));
            }
            if client.is_some_and(|client| client.healthy) && !excused {
                fail("nobody healthy is dropped", format_args!("{id:?} {lag:?}"));
            }
            if model.name(id).is_some_and(|name| state.members.called(&name.key()).is_some()) {
                fail("the name of who is dropped is free", format_args!("{:?}", model.name(id)));
            }
            if answer.as_ref().is_some_and(|(to, _)| *to == id) && !(before + said).exceeds(ALLOWANCE) {
                // It is the answer that was too much, and that comes last.
                model.print_renamed();
            }
            model.leave(id, Some(&Cause::TooSlow), &Message::too_slow());
        }
        model.finish(answer);
        if state.head() != model.head {
            fail("what is said is appended once", format_args!("{:?}, not {:?}", state.head(), model.head));
        }
        self.check_bounds();
        done
    }

    fn check_bounds(&mut self) {
        let published = !self.state.gathers() && self.setting.slots <= 100;
        for client in self.clients.iter().flatten().filter(|_| published) {
            let lag = lag(&self.state, client.id).unwrap_or_default();
            if lag.exceeds(ALLOWANCE) {
                fail("nobody is further behind than the allowance", format_args!("{:?} {lag:?}", client.id));
            }
        }
        if self.state.direct() > MAX_DIRECT + 2 * ALLOWANCE.bytes as usize {
            fail("what is for one alone is bounded in all", self.state.direct());
        }
        let last = self.state.log().last();
        if self.segments.last().is_none_or(|known| !known.ptr_eq(&last)) {
            self.segments.push(last);
        }
    }

    /// Nobody has anything to do any more: then nobody may miss anything.
    pub(super) fn check_rest(&mut self) {
        let gathers = self.state.gathers();
        if gathers && self.sleeping.is_none() {
            fail("what gathers is published when it is due", "the publisher sleeps");
        }
        for client in self.clients.iter().flatten() {
            let waits = client.sender.waiting.as_ref().is_some_and(|waiting| waiting.manner == Manner::Typed);
            if waits {
                fail("who types waits for a turn and for nothing else", format_args!("{:?}", client.id));
            }
            let reads = client.reader.is_some() && client.discarding.is_none() && !client.socket.blocked;
            let missing = self.model.people[&client.id].hears.rest();
            if reads && !gathers && !missing.is_empty() {
                fail("a reader is woken", format_args!("{:?}: {:?}", client.id, String::from_utf8_lossy(missing)));
            }
        }
        if !gathers {
            self.check_outputs();
        }
    }

    fn check_outputs(&mut self) {
        let reads = |client: &Client| client.reader.is_some() && client.discarding.is_none() && !client.socket.blocked;
        let behind = !self.clients.iter().flatten().all(reads);
        let stalled = self.outputs.iter().any(|output| output.1);
        let outputs = [&mut self.model.printed, &mut self.model.written];
        for ((reader, stalls), expected) in self.outputs.iter().zip(outputs) {
            if reader.is_some() && !stalls && !expected.is_done() {
                fail("an output is woken", "it is not");
            }
        }
        if !behind && !stalled {
            self.segments.retain(|segment| segment.strong_count() > 0);
            if self.segments.len() > 2 {
                fail("what all have read is forgotten", self.segments.len());
            }
        }
    }

    /// Checks that a sender that waits has a reader to wait for, and does not wait long if that one takes too little.
    pub(super) fn check_waiting(&mut self, time: Duration) {
        let now = self.now.instant;
        let waiting = self.clients.iter().flatten().filter_map(|client| client.sender.waiting.as_ref());
        let waited = waiting.map(|waiting| now.duration_since(waiting.since) - (self.jumps - waiting.jumps)).max();
        let Some(waited) = waited else { return };
        if waited > FOR_EVER {
            fail("nobody waits for ever", format_args!("{waited:?}"));
        }
        let behind: Vec<&Client> = self.clients.iter().flatten().filter(|client| self.is_behind(client.id)).collect();
        if behind.is_empty() {
            fail("nobody waits for nobody", "somebody does");
        }
        if behind.iter().any(|client| client.socket.takes_enough()) {
            return;
        }
        let mut all_in_vain = true;
        for client in behind {
            // Of loopback it is the connection alone.
            let port = if client.address.ip().is_loopback() { client.id } else { Id(NonZeroU64::MIN) };
            let waited = self.waited.entry((client.address.ip(), port)).or_insert((now, Duration::ZERO));
            if now.duration_since(waited.0) > MINUTE {
                *waited = (now, Duration::ZERO);
            }
            waited.1 += time;
            all_in_vain &= waited.1 > VAIN;
        }
        if all_in_vain {
            fail("a reader that takes too little is waited for a second", format_args!("{:?}", self.waited));
        }
    }

    fn is_behind(&self, id: Id) -> bool {
        lag(&self.state, id).is_some_and(|lag| lag.exceeds(BEHIND))
    }

    /// Checks that there is a reader whose task has not had its turn: a person who types waits for no other.
    pub(super) fn check_turn(&self) {
        let has_turn =
            |client: &&Client| client.reader.is_some() && !client.socket.blocked && self.is_behind(client.id);
        if self.clients.iter().flatten().find(has_turn).is_none() {
            fail("who types waits for a turn and for nothing else", "no turn is due");
        }
    }
}
