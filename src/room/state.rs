//! The room without its lock: who comes and goes, what is appended to the log, and when its readers are notified.
//!
//! Pure: it awaits nothing, and the time is passed in. What members and the operator do is in `act` and `operate`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::mem;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use async_channel::Sender;

use super::backpressure::{ALLOWANCE, BEHIND, Backpressure, MAX_DIRECT};
use super::gather::Gathering;
use super::history::History;
use super::linked::Linked;
use super::log::{Filter, Hears, Id, Kind, Log, Size};
use super::members::Members;
use super::outputs::Traffic;
use super::reader::{self, End, Handle, Reader, Total};
use super::stats::Stats;
use super::waiting::Waiting;
use crate::text::message::{Cause, Message};
use crate::text::name::Name;

/// The numbers of the outputs, which are readers and no members. Connections get the numbers after these.
const OUTPUT: Id = Id(NonZeroU64::MIN);
const TRANSCRIPT: Id = Id(NonZeroU64::MIN.saturating_add(1));
const LINK: Id = Id(NonZeroU64::MIN.saturating_add(2));

/// What a room remembers and shows.
#[derive(Debug, Default)]
pub struct Options {
    /// Lines kept for `/history`.
    pub history: usize,
    /// Lines of it that each newcomer is sent.
    pub replay: usize,
    /// What was said before the room was opened.
    pub earlier: Vec<(SystemTime, String)>,
    /// Whether there is a transcript.
    pub transcript: bool,
    /// Whether the operator watches what is said.
    pub watch: bool,
    /// Whether other servers are linked.
    pub link: bool,
}

/// The readers of a room that are no members.
#[derive(Debug)]
pub struct Outputs {
    /// What is for the process's standard output.
    pub output: Reader,
    /// All that is public.
    pub transcript: Option<Reader>,
    /// What is for linked servers: all that is public and does not come from there, and private messages to their
    /// members.
    pub link: Option<Reader>,
}

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) system: SystemTime,
}

impl Now {
    pub(super) fn read() -> Now {
        Now { instant: Instant::now(), system: SystemTime::now() }
    }
}

/// Why a connection is not let in: the room is closing.
#[derive(Debug)]
pub struct Closing;

/// Why somebody is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHeard {
    /// They are no member, or not any more.
    Gone,
    /// The operator has muted them.
    Muted,
}

/// Why a name was not given.
#[derive(Debug, PartialEq, Eq)]
pub enum NotJoined {
    /// This connection has the name.
    Taken(Id),
    /// The room has ended the connection, or is closing.
    Gone,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) members: Members,
    pub(super) log: Log,
    pub(super) pressure: Backpressure,
    pub(super) history: History,
    replay: usize,
    pub(super) output: Handle,
    /// Whether the operator watches what is said.
    pub(super) watch: bool,
    pub(super) transcript: Option<Handle>,
    pub(super) link: Option<Handle>,
    /// Who is in the rooms of linked servers.
    pub(super) linked: Linked,
    /// The memory that direct messages take.
    direct: Total,
    pub(super) gathering: Gathering,
    /// Readers who end once what gathers is published.
    pub(super) ending: Vec<Handle>,
    /// Wakes the task that publishes when it is due.
    pub(super) publisher: Sender<()>,
    /// What the senders wait for that may not be heard yet.
    pub(super) waiting: Option<Waiting>,
    pub(super) opened: Instant,
    pub(super) stats: Stats,
    /// Dropped when the figures change. That wakes the task that follows them.
    pub(super) followed: Option<Sender<Infallible>>,
    closing: bool,
    /// Whether a change is under way, or has ended in a panic.
    changing: bool,
    /// When members may be dropped again, after a turn that has dropped as many as it may.
    pub(super) drops_from: Instant,
}

impl State {
    /// Returns an empty room and its outputs. When `publisher` gets a message, [`State::publish_due`] has to be called.
    pub(super) fn new(options: Options, publisher: Sender<()>, now: Now) -> (State, Outputs) {
        let (log, direct) = (Log::new(), Total::default());
        let filter = Filter { id: OUTPUT, hears: Hears::Said };
        let (output, printed) = reader::new(filter, options.watch.then(|| log.cursor()), &direct);
        let filter = Filter { id: TRANSCRIPT, hears: Hears::All };
        let transcript = options.transcript.then(|| reader::new(filter, Some(log.cursor()), &direct));
        let (transcript, written) = transcript.unzip();
        let filter = Filter { id: LINK, hears: Hears::FromHere };
        let link = options.link.then(|| reader::new(filter, Some(log.cursor()), &direct));
        let (link, relayed) = link.unzip();
        let state = State {
            members: Members::new(LINK),
            log,
            pressure: Backpressure::default(),
            history: History::new(options.history, options.earlier),
            replay: options.replay,
            output,
            watch: options.watch,
            transcript,
            link,
            linked: Linked::default(),
            direct,
            gathering: Gathering::default(),
            ending: Vec::new(),
            publisher,
            waiting: None,
            opened: now.instant,
            stats: Stats { drops: BTreeMap::new(), ..Stats::default() },
            followed: None,
            closing: false,
            changing: false,
            drops_from: now.instant,
        };
        (state, Outputs { output: printed, transcript: written, link: relayed })
    }

    /// Changes the room now. After a panic in a change, the room may be in any state. So every later change panics,
    /// too, and that ends the server.
    pub(super) fn change<T>(&mut self, act: impl FnOnce(&mut State, Now) -> T) -> T {
        assert!(!mem::replace(&mut self.changing, true), "a panic has left the room half changed");
        let done = act(self, Now::read());
        self.changing = false;
        done
    }

    // ---- coming and going

    /// Lets in a connection that has no name yet. It hears this greeting.
    pub(super) fn enter(&mut self, address: SocketAddr, greeting: Message, now: Now) -> Result<Reader, Closing> {
        if self.closing {
            return Err(Closing);
        }
        let filter = Filter { id: self.members.next_id(), hears: Hears::All };
        let (handle, reader) = reader::new(filter, None, &self.direct);
        self.members.enter(address, handle, now.instant);
        self.tell(filter.id, greeting, now);
        Ok(reader)
    }

    /// Makes a member of a connection.
    pub(super) fn join(&mut self, id: Id, name: &Name, now: Now) -> Result<(), NotJoined> {
        let Some(client) = self.members.get(id) else { return Err(NotJoined::Gone) };
        let address = client.address;
        self.members.give(id, name).map_err(NotJoined::Taken)?;
        self.print(Traffic::Connected(name, address), now);
        let mut welcome = Message::welcome(name);
        if self.replay > 0 {
            welcome.append(&self.history.recall(self.replay, BEHIND, &[], now.system));
        }
        self.append(Message::joined(name), Kind::News, Some(id), now);
        let (head, cursor, gathers) = (self.log.head(), self.log.cursor(), self.gathering.due().is_some());
        if let Some(client) = self.members.get_mut(id) {
            client.since = now.instant;
            let lines = welcome.lines() as u64;
            client.reader.follow(head, now.system, welcome.into_bytes(), lines, cursor);
            if !gathers {
                client.reader.notify();
            }
        }
        self.stats.most = self.stats.most.max(self.members.count());
        self.settle(now);
        Ok(())
    }

    /// Makes a guest of a connection.
    pub(super) fn join_as_guest(&mut self, id: Id, now: Now) -> Option<Name> {
        let free = (1..).map(Name::guest).find(|name| self.members.called(&name.key()).is_none())?;
        self.join(id, &free, now).is_ok().then_some(free)
    }

    /// Removes a connection, if it is still on the list. Its reader ends with these words.
    pub(super) fn leave(&mut self, id: Id, cause: Option<Cause>, words: Message, now: Now) {
        self.remove(id, cause, words, End::Left, now);
        self.settle(now);
    }

    /// Says goodbye to every connection. Nobody comes in any more, and nobody is heard.
    pub(super) fn close(&mut self, now: Now) {
        self.publish(now);
        self.closing = true;
        let everybody: Vec<Id> = self.members.all().map(|client| client.id).collect();
        for id in everybody {
            self.remove(id, None, Message::shutdown(), End::Closing, now);
        }
    }

    /// Ends every connection that has had no name for this long. Returns when the time of the next one is over.
    pub(super) fn end_unnamed(&mut self, after: Duration, now: Now) -> Option<Instant> {
        let unnamed = self.members.all().filter(|client| client.name.is_none());
        let unnamed: Vec<(Id, Instant)> = unnamed.map(|client| (client.id, client.since + after)).collect();
        let (late, waiting): (Vec<_>, Vec<_>) = unnamed.into_iter().partition(|(_, until)| *until <= now.instant);
        for (id, _) in late {
            self.remove(id, None, Message::no_name_in_time(after), End::Left, now);
        }
        waiting.into_iter().map(|(_, until)| until).min()
    }

    /// Removes a connection: frees its name, ends its reader, and announces that. Nothing else removes one.
    pub(super) fn remove(&mut self, id: Id, cause: Option<Cause>, words: Message, end: End, now: Now) {
        let Some(mut gone) = self.members.remove(id) else { return };
        self.linked.forget_ignorer(id, gone.ignores());
        if gone.reader.is_watched() {
            self.waiting = None;
        }
        let lines = words.lines() as u64;
        gone.reader.end(self.log.head(), now.system, words.into_bytes(), lines, end);
        if self.gathering.due().is_some() {
            self.ending.push(gone.reader);
        } else {
            gone.reader.close();
        }
        if let Some(name) = &gone.name {
            if !self.closing {
                if let Some(cause) = &cause {
                    *self.stats.drops.entry(cause.kind()).or_default() += 1;
                }
                self.append(Message::left(name, cause.as_ref()), Kind::News, None, now);
            }
            self.print(Traffic::Disconnected(name), now);
        }
    }

    // ---- direct messages

    /// Sends a message to one connection alone. Drops the connection if it lags too far then.
    pub(super) fn tell(&mut self, id: Id, message: Message, now: Now) {
        let (head, gathers) = (self.log.head(), self.gathering.due().is_some());
        let Some(client) = self.members.get_mut(id) else { return };
        let lines = message.lines() as u64;
        client.reader.put(head, now.system, message.into_bytes(), lines);
        // What gathers comes before this message. Members are notified of both when it is published.
        let is_member = client.name.is_some();
        if !gathers || !is_member {
            client.reader.notify();
        }
        let lag = if is_member { client.reader.lag(head) } else { client.reader.direct() };
        if lag.exceeds(ALLOWANCE) {
            return self.drop_slow(id, now);
        }
        self.pressure.add(lag);
        if self.direct.load(Relaxed) > MAX_DIRECT {
            // The total includes last words to clients that were dropped. These do not count against the others.
            let held = self.members.all().map(|client| client.reader.memory()).sum::<u64>();
            let most = self.members.all().max_by_key(|client| client.reader.memory());
            if let Some(id) = most.filter(|_| held > MAX_DIRECT as u64).map(|client| client.id) {
                self.drop_slow(id, now);
            }
        }
    }

    /// Returns how large one more answer to a member may be: half of what is left of its allowance.
    pub(super) fn room_for_answer(&self, id: Id) -> Size {
        let lag = self.members.get(id).map(|client| client.reader.lag(self.log.head()));
        (ALLOWANCE - lag.unwrap_or_default()).half()
    }

    fn drop_slow(&mut self, id: Id, now: Now) {
        self.remove(id, Some(Cause::TooSlow), Message::too_slow(), End::TooSlow, now);
        self.settle(now);
    }

    /// Returns whether the room is closing: nobody is heard any more.
    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// The position of what is said next.
    pub(super) fn head(&self) -> Size {
        self.log.head()
    }
}

#[cfg(test)]
impl State {
    /// Returns whether something is appended and not published.
    pub(super) fn gathers(&self) -> bool {
        self.gathering.due().is_some()
    }

    /// The memory that direct messages take.
    pub(super) fn direct(&self) -> usize {
        self.direct.load(Relaxed)
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }
}
