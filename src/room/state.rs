//! The client list, and everything that happens to it while it is locked. Not a single await.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_channel::{Receiver, Sender};

use super::batch::{Audience, Batch, Size};
use super::history::History;
use super::notice::Traffic;
use super::outbox::{MAX_QUEUED, Outbox};
use super::stats::{Presence, Stats};
use super::{Closing, Id, LOOK_AGAIN, NotJoined, NotRenamed, Notice, Options};
use crate::text::command::addressees;
use crate::text::line::Line;
use crate::text::message::{Cause, Message};
use crate::text::name::{Key, Name};

/// What is queued for a client whose connection ends is written for this long at most: the contract's one second for
/// the goodbye of a server that stops, and well within the two it gives a client that has said all it had to say.
const FLUSH: Duration = Duration::from_secs(1);

/// When a queue holds more than this, a new batch waits for its client: what is in the batch now being filled and in
/// the next one would fill it.
const CROWDED: Size = MAX_QUEUED.quarters(3);

/// A client that was waited for is no longer waited for once its queue is down to this.
const RELIEVED: Size = MAX_QUEUED.quarters(1);

/// How long the room waits for a client with a crowded queue that takes nothing at all. A reader that competes for the
/// processor with fifty others gets its turn several times over; one that has stopped costs the room this once.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long it waits in all for one that takes a little now and then.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(1);

/// How long a batch may gather before it is put into the queues, for each member whom it goes to, and at most. To write
/// to a member costs 5 µs, so when several talk at once this is little beside what it saves; and nobody notices.
const GATHER: Duration = Duration::from_micros(4);
const GATHER_AT_MOST: Duration = Duration::from_millis(2);

/// Lines that `/history` recalls when it is not told how many: a screenful.
const HISTORY_LINES: usize = 20;

/// Whom one member may ignore: each is looked for whenever somebody leaves.
const MAX_IGNORED: usize = 100;

#[derive(Debug)]
pub(super) struct State {
    /// In the order in which they came. Boxed, for a map has place for twice as many as it holds.
    clients: BTreeMap<Id, Box<Client>>,
    names: HashMap<Key, Id>,
    /// The batch that what is said next may join.
    open: Option<Arc<Batch>>,
    /// Whether the open batch is in nobody's queue yet.
    gathering: bool,
    /// How many batches there were.
    batches: u64,
    /// How many spoke in the batch before this one.
    spoke: usize,
    /// Those whose queues have to be looked at before a new batch begins.
    crowded: Vec<Crowded>,
    /// When they were last looked at and had to be waited for: by everybody, by a flood.
    waited: [Option<Instant>; 2],
    history: History,
    options: Options,
    notices: Sender<Notice>,
    opened: Instant,
    last_id: u64,
    stats: Stats,
    /// Dropped when the figures change, which tells who follows them.
    followed: Option<Sender<Infallible>>,
    closing: bool,
}

#[derive(Debug)]
struct Client {
    address: SocketAddr,
    outbox: Outbox,
    since: Instant,
    /// None until one is chosen.
    name: Option<Name>,
    /// Who hears what this member says: all others but those who ignore it.
    heard_by: Audience,
    /// Whom this member ignores.
    ignores: Vec<Id>,
    /// Who wrote to this member alone last.
    last_writer: Option<Id>,
    muted: bool,
    /// Why the room itself ended the connection.
    cause: Option<Cause>,
    /// The part of the batch now gathering from which on this member listens: it came meanwhile...
    from: usize,
    /// ...and this is to be written before it.
    welcome: Option<Arc<Batch>>,
    /// Whether it says more than a person does.
    floods: bool,
    /// Whether it is among [`State::crowded`].
    crowded: bool,
}

/// A client whose queue is filling up.
#[derive(Debug)]
struct Crowded {
    id: Id,
    /// When the room began to wait for it, and when it last saw the queue become shorter.
    waited: Option<(Instant, Instant)>,
    queued: Size,
}

/// A batch that waits for others to speak, until it is published.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Gathering {
    batch: u64,
    pub(super) time: Duration,
}

/// What a public line is.
#[derive(Clone, Copy)]
enum Kind {
    /// A member's words, or the operator's: they are kept, and shown to an operator who watches.
    Said(Option<Id>),
    /// News about the room.
    News,
}

impl State {
    pub(super) fn new(notices: Sender<Notice>, mut options: Options) -> State {
        State {
            clients: BTreeMap::new(),
            names: HashMap::new(),
            open: None,
            gathering: false,
            batches: 0,
            spoke: 0,
            crowded: Vec::new(),
            waited: [None; 2],
            history: History::new(options.history, std::mem::take(&mut options.earlier)),
            options,
            notices,
            opened: Instant::now(),
            last_id: 0,
            stats: Stats::default(),
            followed: None,
            closing: false,
        }
    }

    // ---- coming and going

    pub(super) fn enter(&mut self, address: SocketAddr) -> Result<(Id, Outbox), Closing> {
        if self.closing {
            return Err(Closing);
        }
        self.last_id += 1;
        let id = Id(self.last_id);
        let outbox = Outbox::new(id);
        outbox.post(&Batch::new(Message::greeting(), Audience::Everybody), 0);
        let client = Client {
            address,
            outbox: outbox.clone(),
            since: Instant::now(),
            name: None,
            heard_by: Audience::AllBut(id),
            ignores: Vec::new(),
            last_writer: None,
            muted: false,
            cause: None,
            from: 0,
            welcome: None,
            floods: false,
            crowded: false,
        };
        self.clients.insert(id, Box::new(client));
        Ok((id, outbox))
    }

    pub(super) fn end_guests(&mut self, after: Duration, now: Instant) -> Option<Instant> {
        let mut next = None;
        for client in self.clients.values_mut().filter(|client| client.name.is_none() && !client.outbox.is_closed()) {
            let deadline = client.since + after;
            if deadline <= now {
                client.outbox.close(Message::no_name_in_time(after), FLUSH, false);
            } else {
                next = Some(next.map_or(deadline, |next: Instant| next.min(deadline)));
            }
        }
        next
    }

    pub(super) fn join(&mut self, id: Id, name: &Name) -> Result<Option<Gathering>, NotJoined> {
        let Some(client) = self.clients.get(&id).filter(|client| !client.outbox.is_closed()) else {
            return Err(NotJoined::Gone);
        };
        let Entry::Vacant(vacant) = self.names.entry(name.key()) else { return Err(NotJoined::Taken) };
        vacant.insert(id);
        self.log(Traffic::Connected(name, client.address));
        let mut welcome = Message::welcome(name);
        if self.options.replay > 0 {
            let limit = MAX_QUEUED.quarters(2);
            welcome.append(&self.history.recall(self.options.replay, limit, &[], SystemTime::now()));
        }
        let size = Size::of(&welcome);
        let welcome = Batch::new(welcome, Audience::Everybody);
        let gathering = self.post(Message::joined(name), Audience::AllBut(id), Kind::News);
        if let Some(client) = self.clients.get_mut(&id) {
            client.name = Some(name.clone());
            client.since = Instant::now();
            // What is said next may join a batch that began before the newcomer came. That need not end here, for the
            // newcomer does not hear what is in it already; and while it gathers, the welcome waits to be written with it.
            match &self.open {
                Some(open) if self.gathering => (client.from, client.welcome) = (open.len(), Some(welcome)),
                open => {
                    client.hand(id, &welcome, 0, size, &mut self.crowded);
                    if let Some(open) = open {
                        client.outbox.post(open, open.len());
                    }
                }
            }
        }
        self.stats.most = self.stats.most.max(self.names.len());
        Ok(gathering)
    }

    pub(super) fn leave(&mut self, id: Id, cause: Option<Cause>, words: Message) -> Result<Option<Cause>, Closing> {
        self.publish();
        let mut cause = cause;
        if let Some(mut client) = self.clients.remove(&id) {
            client.outbox.close(words, FLUSH, false);
            cause = client.cause.take().or(cause);
            if let Some(name) = &client.name {
                self.gone(id, name, &client, cause.as_ref());
            }
        }
        if self.closing { Err(Closing) } else { Ok(cause) }
    }

    /// A member is off the list.
    fn gone(&mut self, id: Id, name: &Name, client: &Client, cause: Option<&Cause>) {
        self.names.remove(&name.key());
        for other in self.clients.values_mut() {
            other.forget(id, client.ignores.contains(&other.outbox.id()));
        }
        if !self.closing {
            if let Some(cause) = cause {
                *self.stats.drops.entry(cause.kind()).or_default() += 1;
            }
            // Nobody waits for more: whoever leaves is about to be gone.
            _ = self.post(Message::left(name, cause), Audience::Everybody, Kind::News);
            self.publish();
        }
        self.log(Traffic::Disconnected(name));
    }

    pub(super) fn close(&mut self) {
        self.publish();
        self.closing = true;
        for client in self.clients.values() {
            client.outbox.close(Message::shutdown(), FLUSH, false);
        }
    }

    // ---- what members do

    pub(super) fn flooding(&mut self, id: Id, flooding: bool) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.floods = flooding;
        }
    }

    pub(super) fn say(&mut self, id: Id, said: Message) -> Option<Gathering> {
        let audience = self.heard_by(id)?;
        self.post(said, audience, Kind::Said(Some(id)))
    }

    pub(super) fn emote(&mut self, id: Id, action: &Line<'_>) {
        let Some((name, audience)) = self.speaker(id) else { return };
        if let Some(other) = self.read_as_another(id, &name, action) {
            return self.post_to(id, Message::emote_of_another(&other));
        }
        _ = self.post(Message::emote(&name, action), audience, Kind::Said(Some(id)));
        self.post_to(id, Message::emoted(&name, action));
    }

    /// Whom else an emote could be taken for the doing of. Names have spaces: `* Ann Lee waves` may be Ann's or Ann Lee's.
    fn read_as_another(&self, id: Id, name: &Name, action: &Line<'_>) -> Option<Name> {
        let text = format!("{name} {}", action.as_str());
        addressees(&text).find_map(|(key, _)| {
            let other = *self.names.get(&key)?;
            if other == id { None } else { self.name_of(other) }
        })
    }

    pub(super) fn whisper(&mut self, id: Id, rest: Line<'_>) {
        let Some((name, _)) = self.speaker(id) else { return };
        let found = addressees(&rest).find_map(|(key, text)| Some((*self.names.get(&key)?, text)));
        match found {
            // Not the next shorter name instead: what is private must not reach anybody by guess.
            Some((to, "")) => {
                if let Some(to) = self.name_of(to) {
                    self.post_to(id, Message::nothing_to_say(&to));
                }
            }
            Some((to, text)) => self.write(id, &name, to, &rest.last(text.len())),
            None => self.post_to(id, Message::nobody_called(&rest)),
        }
    }

    pub(super) fn reply(&mut self, id: Id, text: &Line<'_>) {
        let Some((name, _)) = self.speaker(id) else { return };
        match self.clients.get(&id).and_then(|client| client.last_writer) {
            Some(to) => self.write(id, &name, to, text),
            None => self.post_to(id, Message::nobody_to_reply_to()),
        }
    }

    fn write(&mut self, from: Id, name: &Name, to: Id, text: &Line<'_>) {
        let Some(other) = self.clients.get_mut(&to) else { return };
        let Some(other_name) = other.name.clone() else { return };
        if from == to {
            return self.post_to(from, Message::that_is_you());
        }
        self.stats.lines += 1;
        // Who is ignored is not told so.
        if !other.ignores.contains(&from) {
            other.last_writer = Some(from);
            self.stats.deliveries += 1;
            self.post_to(to, Message::private(name, text));
        }
        self.post_to(from, Message::private_sent(&other_name, text));
    }

    pub(super) fn rename(&mut self, id: Id, new: &Name) -> Result<(), NotRenamed> {
        let (old, _) = self.speaker(id).ok_or(NotRenamed)?;
        if new.as_str() == old.as_str() {
            self.post_to(id, Message::renamed_to_the_same(new));
            return Err(NotRenamed);
        }
        if self.names.get(&new.key()).is_some_and(|holder| *holder != id) {
            self.post_to(id, Message::not_renamed_taken(new));
            return Err(NotRenamed);
        }
        self.names.remove(&old.key());
        self.names.insert(new.key(), id);
        if let Some(client) = self.clients.get_mut(&id) {
            client.name = Some(new.clone());
        }
        _ = self.post(Message::renamed(&old, new), Audience::AllBut(id), Kind::News);
        self.log(Message::renamed(&old, new));
        self.post_to(id, Message::renamed_yourself(new));
        Ok(())
    }

    pub(super) fn who(&mut self, id: Id) {
        let names: Vec<&Name> = self.clients.values().filter_map(|client| client.name.as_ref()).collect();
        let who = Message::who(names.into_iter());
        self.post_to(id, who);
    }

    pub(super) fn recall(&mut self, id: Id, lines: Option<NonZeroUsize>) {
        // What gathers is to be in the queue before that is measured.
        self.publish();
        let Some(client) = self.clients.get(&id) else { return };
        let (lines, limit) = (lines.map_or(HISTORY_LINES, NonZeroUsize::get), client.outbox.free().quarters(2));
        let recalled = self.history.recall(lines, limit, &client.ignores, SystemTime::now());
        self.post_to(id, if recalled.is_empty() { Message::nothing_to_recall() } else { recalled });
    }

    pub(super) fn ignore(&mut self, id: Id, typed: &Line<'_>) {
        let other = self.names.get(&Key::of(typed)).copied();
        let Some((other, name)) = other.and_then(|other| Some((other, self.name_of(other)?))) else {
            return self.post_to(id, Message::nobody_called(typed));
        };
        let Some(client) = self.clients.get_mut(&id) else { return };
        let told = if other == id {
            Message::that_is_you()
        } else if let Some(at) = client.ignores.iter().position(|ignored| *ignored == other) {
            client.ignores.swap_remove(at);
            self.heard_again(other, id);
            Message::not_ignoring(&name)
        } else if client.ignores.len() == MAX_IGNORED {
            Message::ignoring_too_many(MAX_IGNORED)
        } else {
            client.ignores.push(other);
            if let Some(other) = self.clients.get_mut(&other) {
                other.heard_by = other.heard_by.without(id);
            }
            Message::ignoring(&name)
        };
        self.post_to(id, told);
    }

    fn heard_again(&mut self, speaker: Id, id: Id) {
        if let Some(speaker) = self.clients.get_mut(&speaker) {
            speaker.heard_by = speaker.heard_by.with(id);
        }
    }

    /// A member's name and who hears it.
    fn speaker(&mut self, id: Id) -> Option<(Name, Audience)> {
        let audience = self.heard_by(id)?;
        Some((self.name_of(id)?, audience))
    }

    /// Who hears a member; nobody hears a muted one, who is told so, or one whom the room has sent away and who is not
    /// gone yet.
    fn heard_by(&mut self, id: Id) -> Option<Audience> {
        let client = self.clients.get(&id).filter(|client| client.name.is_some() && client.cause.is_none())?;
        if client.muted {
            self.post_to(id, Message::muted());
            return None;
        }
        Some(client.heard_by.clone())
    }

    fn name_of(&self, id: Id) -> Option<Name> {
        self.clients.get(&id)?.name.clone()
    }

    // ---- what the operator does

    pub(super) fn announce(&mut self, message: Message) {
        _ = self.post(message, Audience::Everybody, Kind::Said(None));
        self.publish();
    }

    pub(super) fn presences(&self) -> (Vec<Presence>, usize) {
        let presence = |client: &Client| {
            Some(Presence {
                name: client.name.clone()?,
                address: client.address,
                here: client.since.elapsed(),
                queued: client.outbox.queued().lines,
                muted: client.muted,
            })
        };
        let members: Vec<Presence> = self.clients.values().filter_map(|client| presence(client)).collect();
        let unnamed = self.clients.len() - members.len();
        (members, unnamed)
    }

    /// The member that a text begins with, and the rest of the text.
    pub(super) fn find<'a>(&self, text: &'a str) -> Option<(Id, Name, IpAddr, &'a str)> {
        addressees(text).find_map(|(key, rest)| {
            let id = *self.names.get(&key)?;
            let client = self.clients.get(&id)?;
            Some((id, client.name.clone()?, client.address.ip(), rest))
        })
    }

    pub(super) fn kick(&mut self, id: Id, cause: Cause, words: Message) {
        self.publish();
        if let Some(client) = self.clients.get_mut(&id).filter(|client| !client.outbox.is_closed()) {
            client.cause = Some(cause);
            client.outbox.close(words, FLUSH, false);
        }
    }

    /// Ends every connection whose address is one of these.
    pub(super) fn ban(&mut self, banned: impl Fn(IpAddr) -> bool, words: &Message) {
        let those: Vec<Id> =
            self.clients.iter().filter(|(_, client)| banned(client.address.ip())).map(|(id, _)| *id).collect();
        for id in those {
            self.kick(id, Cause::Banned, words.clone());
        }
    }

    pub(super) fn mute(&mut self, id: Id, muted: bool) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.muted = muted;
            self.post_to(id, if muted { Message::muted() } else { Message::unmuted() });
        }
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            uptime: self.opened.elapsed(),
            here: self.names.len(),
            queued: self.clients.values().map(|client| client.outbox.queued().bytes).sum(),
            ..self.stats.clone()
        }
    }

    pub(super) fn follow(&mut self) -> (Stats, Receiver<Infallible>) {
        let (followed, changed) = async_channel::bounded(1);
        self.followed = Some(followed);
        (self.stats(), changed)
    }

    // ---- posting

    /// Tells the process something, or nobody if it does not listen: the room waits for no terminal and no log.
    fn log(&self, words: impl Display) {
        let _ = self.notices.try_send(Notice::Log(words.to_string()));
    }

    /// Posts to one connection alone. The open batch ends here: what is said next must not overtake this.
    pub(super) fn post_to(&mut self, id: Id, message: Message) {
        self.publish();
        self.open = None;
        let size = Size::of(&message);
        if let Some(client) = self.clients.get_mut(&id) {
            client.hand(id, &Batch::new(message, Audience::Everybody), 0, size, &mut self.crowded);
        }
    }

    /// Posts to every member of the audience: at once, unless several are speaking; then the batch gathers what they say
    /// and is put into the queues when as many have spoken as last time, or when the caller publishes it.
    fn post(&mut self, message: Message, audience: Audience, kind: Kind) -> Option<Gathering> {
        self.record(&message, &audience, kind);
        if let Some(open) = &self.open {
            if open.append(&message, &audience) {
                if self.gathering && open.len() >= self.spoke {
                    self.publish();
                }
                return None;
            }
            self.spoke = open.len();
            self.publish();
        }
        self.open = Some(Batch::new(message, audience));
        self.gathering = true;
        self.batches += 1;
        if self.spoke < 2 {
            self.publish();
            return None;
        }
        let members = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        Some(Gathering { batch: self.batches, time: GATHER.saturating_mul(members).min(GATHER_AT_MOST) })
    }

    /// Puts the batch that is gathering into the queues, if this is the one.
    pub(super) fn publish_this(&mut self, gathering: &Gathering) {
        if self.batches == gathering.batch {
            self.publish();
        }
    }

    /// Puts the batch that is gathering into the queues, if there is one.
    fn publish(&mut self) {
        let Some(batch) = self.open.as_ref().filter(|_| self.gathering) else { return };
        self.gathering = false;
        for (id, client) in self.clients.iter_mut().filter(|(_, client)| client.name.is_some()) {
            if let Some(welcome) = client.welcome.take() {
                client.hand(*id, &welcome, 0, Size::default(), &mut self.crowded);
            }
            let from = std::mem::take(&mut client.from);
            client.hand(*id, batch, from, Size::default(), &mut self.crowded);
        }
    }

    /// Counts and keeps a public message.
    fn record(&mut self, message: &Message, audience: &Audience, kind: Kind) {
        self.followed = None;
        let lines = message.lines() as u64;
        self.stats.deliveries += lines * audience.size(self.names.len()) as u64;
        let keep = matches!(kind, Kind::Said(_)) && self.options.history > 0;
        if keep || self.options.transcript.is_some() {
            let now = SystemTime::now();
            if let (Kind::Said(by), true) = (kind, keep) {
                self.history.keep(now, by, message);
            }
            if let Some(transcript) = &self.options.transcript {
                transcript.write(now, message);
            }
        }
        if let Kind::Said(_) = kind {
            self.stats.lines += lines;
            if self.options.watch {
                self.log(message);
            }
        }
    }

    /// Whether anybody has to be waited for before more is said: a client whose queue is nearly full, and whose writer
    /// has not had its turn yet, or for a while who does not take what is written. The latter only a flood waits for.
    pub(super) fn waits(&mut self, by: Option<Id>) -> bool {
        if self.crowded.is_empty() {
            return false;
        }
        let flood = by.and_then(|id| self.clients.get(&id)).is_some_and(|client| client.floods);
        let now = Instant::now();
        // A thousand who are leaving do not each look at a thousand queues every time they ask.
        let waited = &mut self.waited[usize::from(flood)];
        if waited.is_some_and(|at| now - at < LOOK_AGAIN) {
            return true;
        }
        let mut waits = false;
        self.crowded.retain_mut(|crowded| {
            let Some(client) = self.clients.get_mut(&crowded.id) else { return false };
            let queued = client.outbox.queued();
            if !queued.exceeds(RELIEVED) {
                client.crowded = false;
                return false;
            }
            if crowded.waited.is_none() && queued.exceeds(CROWDED) {
                crowded.waited = Some((now, now));
            }
            let shrunk = crowded.queued.exceeds(queued);
            crowded.queued = queued;
            if let Some((since, moved)) = &mut crowded.waited {
                if shrunk {
                    *moved = now;
                }
                let patient = now - *moved < PATIENCE && now - *since < PATIENCE_IN_ALL;
                waits |= patient && (flood || !client.outbox.is_stuck());
            }
            true
        });
        *waited = waits.then_some(now);
        waits
    }
}

impl Client {
    /// Puts a batch, from a part on, into the queue; `size` is what is known of its size already. Whoever has too much in
    /// it is dropped; who has much is looked at before the next batch begins.
    fn hand(&mut self, id: Id, batch: &Arc<Batch>, from: usize, size: Size, crowd: &mut Vec<Crowded>) {
        let mut queued = self.outbox.post(batch, from);
        queued += size;
        if queued.exceeds(MAX_QUEUED) {
            self.cause = Some(Cause::TooSlow);
            self.outbox.close(Message::too_slow(), FLUSH, true);
        } else if queued.exceeds(MAX_QUEUED.quarters(2)) && !self.crowded {
            self.crowded = true;
            crowd.push(Crowded { id, waited: None, queued });
        }
    }

    /// Somebody has left, who perhaps ignored this member.
    fn forget(&mut self, id: Id, ignored: bool) {
        if ignored {
            self.heard_by = self.heard_by.with(id);
        }
        self.ignores.retain(|other| *other != id);
        if self.last_writer == Some(id) {
            self.last_writer = None;
        }
    }
}
