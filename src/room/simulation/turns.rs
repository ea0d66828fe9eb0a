//! The executor's turns, and time: what each task of the server does when what it waits for has come.

use std::io;
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};

use super::checks::{MINUTE, VAIN};
use super::client::{Client, Doing, Sender, Waiting, Wire};
use super::fail;
use super::world::{World, line};
use crate::room::backpressure::Manner;
use crate::room::reader::Written;
use crate::text::message::{Cause, Message};

/// As in `server/write.rs`.
const FLUSH: Duration = Duration::from_secs(1);
const STILL_READ: Duration = Duration::from_secs(2);

/// Whether a future is ready now.
fn poll<T>(future: impl Future<Output = T>) -> bool {
    block_on(poll_once(future)).is_some()
}

impl World {
    /// Gives some tasks their turn.
    pub(super) fn turns(&mut self) {
        for _ in 0..self.rng.usize(..8) {
            let task = self.rng.usize(..self.tasks());
            self.turn(task);
        }
    }

    fn tasks(&self) -> usize {
        2 * self.clients.len() + 4
    }

    /// Gives one task its turn. Returns whether it had anything to do.
    fn turn(&mut self, task: usize) -> bool {
        let slots = self.clients.len();
        match task.checked_sub(2 * slots) {
            None if task < slots => self.write(task),
            None => self.read(task - slots),
            Some(0) => self.publish(),
            Some(1) => self.operator.is_ready(self.now.instant) && self.send(None),
            Some(output) => self.read_output(output - 2),
        }
    }

    /// Gives everybody turns, in random order, until nobody has anything to do; then nobody may miss anything.
    pub(super) fn settle(&mut self) {
        let mut tasks: Vec<usize> = (0..self.tasks()).collect();
        let mut rounds = 0;
        loop {
            self.rng.shuffle(&mut tasks);
            let mut any = false;
            tasks.iter().for_each(|task| any |= self.turn(*task));
            if !any {
                break;
            }
            rounds += 1;
            if rounds > 100_000 {
                fail("the executor comes to rest", "it does not");
            }
        }
        self.check_rest();
    }

    // ---- time

    /// Lets time go by in small steps as long as anything is under way, and then at once.
    pub(super) fn wait(&mut self, mut time: Duration) {
        self.settle();
        while !time.is_zero() {
            let flows = |client: &Client| client.socket.blocked && client.socket.flows();
            let waits = |sender: &Sender| sender.waiting.is_some();
            let under_way = self.state.gathers()
                || waits(&self.operator)
                || self.clients.iter().flatten().any(|client| flows(client) || waits(&client.sender));
            let step = if under_way { time.min(Duration::from_millis(self.rng.u64(1..50))) } else { time };
            self.check_waiting(step);
            self.pass(step);
            self.settle();
            time -= step;
        }
    }

    /// Lets time go by at once, in which nobody can do anything.
    pub(super) fn jump(&mut self, time: Duration) {
        self.settle();
        let until = self.now.instant + time + MINUTE + VAIN;
        let behind = self.clients.iter().flatten().filter(|client| client.socket.blocked);
        self.jumped.extend(behind.map(|client| (client.address.ip(), until)));
        self.pass(time);
        self.jumps += time;
        self.settle();
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.system += time;
        self.clients.iter_mut().flatten().for_each(|client| client.socket.pass(time));
        let bytes = time.as_secs_f64() * 16.0 * 1024.0;
        self.model.people.values_mut().for_each(|person| person.pass(bytes as u64));
    }

    // ---- tasks

    fn publish(&mut self) -> bool {
        match self.sleeping {
            Some(until) if until > self.now.instant => return false,
            Some(_) => {}
            None if self.gathers.try_recv().is_err() => return false,
            None => {}
        }
        self.sleeping = self.room(|state, now| state.publish_due(now), |_| None);
        true
    }

    /// A client's writer: `server/write.rs`.
    fn write(&mut self, slot: usize) -> bool {
        let (at, now) = (self.now, self.now.instant);
        let Some(client) = &mut self.clients[slot] else { return false };
        let Some(reader) = &mut client.reader else { return false };
        if let Some(until) = client.discarding {
            let late = until <= now;
            if !poll(reader.notified()) && !late {
                return false;
            }
            let ended = matches!(reader.write(&mut io::sink()), Ok(Written::End(_)) | Err(_));
            if reader.was_watched() {
                self.state.relieve(at);
            }
            if ended || late {
                self.lose(slot, None);
            }
            return true;
        }
        if !client.socket.blocked {
            if !poll(reader.notified()) {
                return false;
            }
        } else if !client.socket.takes() {
            match client.deadline {
                Some(deadline) if deadline <= now => {
                    self.lose(slot, None);
                    return true;
                }
                None if poll(reader.ending()) => client.deadline = Some(now + FLUSH),
                _ => return false,
            }
        }
        let person = self.model.people.get_mut(&client.id).expect("the model knows everybody");
        let hears = &mut person.hears;
        let written = reader.write(&mut Wire { socket: &mut client.socket, hears, rng: &mut self.rng });
        if reader.was_watched() {
            self.state.relieve(at);
        }
        client.socket.blocked = matches!(written, Ok(Written::Part));
        match written {
            Ok(Written::End(_)) if person.here => fail("who is not ended stays", format_args!("{:?}", client.id)),
            Ok(Written::End(_)) if !person.hears.rest().is_empty() => {
                fail("who is ended hears what was said before", String::from_utf8_lossy(person.hears.rest()))
            }
            Ok(Written::End(_)) => {
                self.model.people.remove(&client.id);
                self.clients[slot] = None;
            }
            Ok(_) => {}
            Err(_) if client.socket.broken == Some(true) => {
                client.discarding = Some(now + STILL_READ);
                let _ = reader.write(&mut io::sink());
                if reader.was_watched() {
                    self.state.relieve(at);
                }
            }
            Err(_) => self.lose(slot, Some(Cause::ConnectionLost)),
        }
        true
    }

    /// Ends a connection whose writer has ended.
    fn lose(&mut self, slot: usize, cause: Option<Cause>) {
        let Some(client) = &mut self.clients[slot] else { return };
        client.reader = None;
        client.leaving = true;
        client.input.clear();
        client.sender.waiting = None;
        client.sender.doing.clear();
        client.sender.doing.push_back(Doing::Leave(cause, Message::default()));
    }

    /// A client's reader: `server/read.rs`.
    fn read(&mut self, slot: usize) -> bool {
        let Some(client) = &self.clients[slot] else { return false };
        if client.sender.doing.is_empty() && !client.input.is_empty() && !client.leaving {
            let first = line(&self.serial().to_string());
            let client = self.clients[slot].as_mut().expect("it was here");
            client.read(&self.template, &first, self.now.instant);
            return true;
        }
        client.sender.is_ready(self.now.instant) && self.send(Some(slot))
    }

    fn sender(&mut self, slot: Option<usize>) -> Option<&mut Sender> {
        match slot {
            None => Some(&mut self.operator),
            Some(slot) => self.clients[slot].as_mut().map(|client| &mut client.sender),
        }
    }

    /// Does what a sender does next, if it may be heard. Otherwise it waits, as in `Room::change_after_wait`.
    fn send(&mut self, slot: Option<usize>) -> bool {
        let (now, jumps) = (self.now.instant, self.jumps);
        let Some(sender) = self.sender(slot) else { return false };
        let manner = match (&sender.waiting, sender.doing.front()) {
            (Some(waiting), _) => waiting.manner,
            (None, Some(Doing::Say(_) | Doing::Act(_) | Doing::Answer(_))) => sender.sending.manner(),
            _ => Manner::Typed,
        };
        let may_send = self.room(|state, now| state.may_send(manner, now), |_| None);
        if may_send.is_err() && manner == Manner::Typed {
            self.check_turn();
        }
        let Some(sender) = self.sender(slot) else { return false };
        let (since, jumps) = sender.waiting.take().map_or((now, jumps), |waiting| (waiting.since, waiting.jumps));
        if let Err(wait) = may_send {
            sender.waiting = Some(Waiting { wait, manner, since, jumps });
            return true;
        }
        let doing = sender.doing.pop_front();
        if let Some(doing) = doing {
            sender.sending.waited(now - since);
            self.model.bulk = manner == Manner::Bulk;
            self.perform(slot, doing);
            self.model.bulk = false;
        }
        true
    }
}
