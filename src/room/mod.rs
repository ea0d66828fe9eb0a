//! Who hears it: the client list behind an async RwLock, and everything that happens to it.
//!
//! Every method takes the lock, works, and lets go; nothing is awaited under it. That one lock is what makes everybody
//! see the room's lines in the same order: a line is posted to all queues before the next one can be. What it costs is
//! one append a line while a batch is open ([`batch`]), and one visit to every queue for each new batch.
//!
//! Knows names, queues and who may hear what; knows no sockets and no wording.

mod batch;
mod outbox;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Sender;
use async_lock::RwLock;
use smol::Timer;

pub use self::batch::Size;
use self::batch::{Audience, Batch};
use self::outbox::MAX_QUEUED;
pub use self::outbox::{Outbox, Parcel};
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

/// How often who waits for a crowded queue looks again. Only talkers faster than some reader ever get there.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A connection's number, never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u64);

/// What the room tells the process that runs it.
#[derive(Debug)]
pub enum Notice {
    /// For the server's standard output.
    Log(Message),
    /// For its standard error.
    Warning(Message),
}

/// The room is closing, and lets nobody in.
#[derive(Debug)]
pub struct Closing;

/// Why a name was not given.
#[derive(Debug, PartialEq, Eq)]
pub enum NotJoined {
    /// Somebody has the name.
    Taken,
    /// The connection is ended already, or never was.
    Gone,
}

/// See the module's head.
#[derive(Debug)]
pub struct Room {
    state: RwLock<State>,
    notices: Sender<Notice>,
}

#[derive(Debug, Default)]
struct State {
    clients: HashMap<Id, Client>,
    names: HashMap<Key, Id>,
    /// The batch that what is said next may join.
    open: Option<Arc<Batch>>,
    /// Those whose queues have to be looked at before a new batch begins.
    crowded: Vec<Crowded>,
    last_id: u64,
    closing: bool,
}

#[derive(Debug)]
struct Client {
    address: SocketAddr,
    outbox: Outbox,
    /// None until one is chosen.
    name: Option<Name>,
    /// Why the room itself ended the connection.
    cause: Option<Cause>,
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

impl Room {
    /// An empty room. What it has to tell the process goes to `notices`, and is lost when nobody reads them.
    pub fn new(notices: Sender<Notice>) -> Room {
        Room { state: RwLock::default(), notices }
    }

    /// Lets a connection in that has no name yet: it hears the greeting, and later the goodbye.
    ///
    /// # Errors
    /// When the room is closing.
    pub async fn enter(&self, address: SocketAddr) -> Result<(Id, Outbox), Closing> {
        let mut state = self.state.write().await;
        if state.closing {
            return Err(Closing);
        }
        state.last_id += 1;
        let id = Id(state.last_id);
        let outbox = Outbox::new(id);
        outbox.post(&Batch::new(Message::greeting(), Audience::Everybody), 0);
        let client = Client { address, outbox: outbox.clone(), name: None, cause: None, crowded: false };
        state.clients.insert(id, client);
        Ok((id, outbox))
    }

    /// Makes a member of a connection: checks the name, welcomes, announces and inserts under one guard.
    ///
    /// # Errors
    /// When somebody has the name, or the room has ended the connection.
    pub async fn join(&self, id: Id, name: &Name) -> Result<(), NotJoined> {
        self.with_floor(|state| state.join(id, name, &self.notices)).await
    }

    /// Lets everybody else hear what a member says. Waits while readers who keep up have too much to read.
    pub async fn say(&self, id: Id, message: Message) {
        self.with_floor(|state| {
            if state.is_member(id) {
                state.post(message, Audience::AllBut(id));
            }
        })
        .await;
    }

    /// Tells one connection something that nobody else hears.
    pub async fn answer(&self, id: Id, message: Message) {
        self.with_floor(|state| state.post_to(id, message)).await;
    }

    /// Tells everybody something that no member said.
    pub async fn announce(&self, message: Message) {
        self.with_floor(|state| state.post(message, Audience::Everybody)).await;
    }

    /// Takes a connection off the list, tells the others if it was a member, and closes its queue with these last words.
    /// Its own connection calls this, once, on every path.
    pub async fn leave(&self, id: Id, cause: Option<Cause>, words: Message) {
        self.with_floor(|state| state.leave(id, cause, words, &self.notices)).await;
    }

    /// Says goodbye to every connection, named or not, and closes its queue. Nobody comes in any more.
    pub async fn close(&self) {
        let mut state = self.state.write().await;
        state.closing = true;
        state.open = None;
        for client in state.clients.values() {
            client.outbox.close(Message::shutdown(), FLUSH, false);
        }
    }

    /// Tells the process something worth a line on its output.
    pub fn log(&self, message: Message) {
        tell(&self.notices, Notice::Log(message));
    }

    /// Tells the process something that is wrong.
    pub fn warn(&self, message: Message) {
        tell(&self.notices, Notice::Warning(message));
    }

    /// Acts when nobody has to be waited for.
    async fn with_floor<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        loop {
            {
                let mut state = self.state.write().await;
                if !state.waits() {
                    return act(&mut state);
                }
            }
            Timer::after(LOOK_AGAIN).await;
        }
    }
}

impl State {
    fn is_member(&self, id: Id) -> bool {
        self.clients.get(&id).is_some_and(|client| client.name.is_some())
    }

    fn join(&mut self, id: Id, name: &Name, notices: &Sender<Notice>) -> Result<(), NotJoined> {
        let Some(client) = self.clients.get(&id).filter(|client| !client.outbox.is_closed()) else {
            return Err(NotJoined::Gone);
        };
        let Entry::Vacant(vacant) = self.names.entry(name.key()) else { return Err(NotJoined::Taken) };
        vacant.insert(id);
        tell(notices, Notice::Log(Message::connected(name, client.address)));
        self.post_to(id, Message::welcome(name));
        self.post(Message::joined(name), Audience::AllBut(id));
        if let Some(client) = self.clients.get_mut(&id) {
            client.name = Some(name.clone());
            if let Some(open) = &self.open {
                // What is said next may join a batch that began before the newcomer came.
                client.outbox.post(open, open.len());
            }
        }
        Ok(())
    }

    fn leave(&mut self, id: Id, cause: Option<Cause>, words: Message, notices: &Sender<Notice>) {
        let Some(client) = self.clients.remove(&id) else { return };
        client.outbox.close(words, FLUSH, false);
        let Some(name) = client.name else { return };
        self.names.remove(&name.key());
        if !self.closing {
            let cause = client.cause.or(cause);
            self.post(Message::left(&name, cause.as_ref()), Audience::Everybody);
        }
        tell(notices, Notice::Log(Message::disconnected(&name)));
    }

    /// Posts to one connection alone. The open batch ends here: what is said next must not overtake this.
    fn post_to(&mut self, id: Id, message: Message) {
        self.open = None;
        let size = Size::of(&message);
        if let Some(client) = self.clients.get_mut(&id) {
            client.hand(id, &Batch::new(message, Audience::Everybody), size, &mut self.crowded);
        }
    }

    /// Posts to every member of the audience.
    fn post(&mut self, message: Message, audience: Audience) {
        if self.open.as_ref().is_some_and(|open| open.append(&message, &audience)) {
            return;
        }
        let batch = Batch::new(message, audience);
        for (id, client) in self.clients.iter_mut().filter(|(_, client)| client.name.is_some()) {
            client.hand(*id, &batch, Size::default(), &mut self.crowded);
        }
        self.open = Some(batch);
    }

    /// Whether anybody has to be waited for before more is said: a client whose queue is nearly full, and who reads.
    fn waits(&mut self) -> bool {
        if self.crowded.is_empty() {
            return false;
        }
        let now = Instant::now();
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
                waits |= now - *moved < PATIENCE && now - *since < PATIENCE_IN_ALL;
            }
            true
        });
        waits
    }
}

impl Client {
    /// Puts a batch into the queue; `size` is what it will not grow beyond any more. Whoever has too much in it already
    /// is dropped; who has much is looked at before the next batch begins.
    fn hand(&mut self, id: Id, batch: &Arc<Batch>, size: Size, crowd: &mut Vec<Crowded>) {
        let mut queued = self.outbox.post(batch, 0);
        queued += size;
        if queued.exceeds(MAX_QUEUED) {
            self.cause = Some(Cause::TooSlow);
            self.outbox.close(Message::too_slow(), FLUSH, true);
        } else if queued.exceeds(MAX_QUEUED.quarters(2)) && !self.crowded {
            self.crowded = true;
            crowd.push(Crowded { id, waited: None, queued });
        }
    }
}

/// Tells the process something, or nobody if it does not listen: the room waits for no terminal and no log.
fn tell(notices: &Sender<Notice>, notice: Notice) {
    let _ = notices.try_send(notice);
}

#[cfg(test)]
mod tests {
    use futures_lite::FutureExt;
    use futures_lite::future::{block_on, poll_once};

    use super::*;
    use crate::text::line::{Decoder, Input};

    /// A message of one line, as the operator would say it but without the mark.
    pub(super) fn message(text: &str) -> Message {
        Message::raw(text)
    }

    /// What waits in a queue, None if it is closed and read.
    pub(super) fn take_now(outbox: &Outbox) -> Option<Parcel> {
        block_on(poll_once(outbox.take())).expect("something waits")
    }

    struct Guest {
        id: Id,
        outbox: Outbox,
    }

    impl Guest {
        /// All that has come since the last time.
        fn hears(&self) -> String {
            let mut heard = Vec::new();
            if let Some(Some(mut parcel)) = block_on(poll_once(self.outbox.take())) {
                self.outbox.write(&mut parcel, &mut heard).unwrap();
            }
            String::from_utf8(heard).unwrap()
        }
    }

    fn room() -> Room {
        Room::new(async_channel::bounded(1000).0)
    }

    fn guest(room: &Room) -> Guest {
        let (id, outbox) = block_on(room.enter(([127, 0, 0, 1], 1).into())).unwrap();
        let guest = Guest { id, outbox };
        assert_eq!(guest.hears(), "Hi! Welcome to Dynasti. What's your name?\n");
        guest
    }

    fn join(room: &Room, name: &str) -> Guest {
        let guest = guest(room);
        block_on(room.join(guest.id, &Name::parse(name).unwrap())).unwrap();
        guest
    }

    fn said(name: &str, text: &str) -> Message {
        let mut said = Message::default();
        let mut decoder = Decoder::default();
        let text = format!("{text}\n");
        let Some(Input::Line(line)) = decoder.next(&mut text.as_bytes()) else { panic!("no line") };
        said.say(&Name::parse(name).unwrap(), &line);
        said
    }

    #[test]
    fn everybody_hears_everybody_else_in_the_same_order() {
        let room = room();
        let (ann, bob) = (join(&room, "Ann"), join(&room, "Bob"));
        block_on(async {
            room.say(ann.id, said("Ann", "one")).await;
            room.say(bob.id, said("Bob", "two")).await;
            room.say(ann.id, said("Ann", "three")).await;
        });
        let welcome = "! You can now chat. Type messages and press Enter.\n";
        assert_eq!(ann.hears(), format!("Welcome, Ann{welcome}Bob has joined the chat.\nBob: two\n"));
        assert_eq!(bob.hears(), format!("Welcome, Bob{welcome}Ann: one\nAnn: three\n"));
    }

    #[test]
    fn a_private_answer_keeps_its_place_among_the_lines() {
        let room = room();
        let (ann, bob) = (join(&room, "Ann"), join(&room, "Bob"));
        ann.hears();
        bob.hears();
        block_on(async {
            room.say(ann.id, said("Ann", "one")).await;
            room.answer(bob.id, message("-- for Bob")).await;
            room.say(ann.id, said("Ann", "two")).await;
        });
        assert_eq!(bob.hears(), "Ann: one\n-- for Bob\nAnn: two\n");
    }

    #[test]
    fn a_name_is_free_again_when_its_holder_has_left() {
        let room = room();
        let (ann, other) = (join(&room, "Ann"), guest(&room));
        let name = Name::parse("ANN").unwrap();
        assert_eq!(block_on(room.join(other.id, &name)), Err(NotJoined::Taken));
        block_on(room.leave(ann.id, None, Message::default()));
        assert_eq!(block_on(room.join(other.id, &name)), Ok(()));
        assert_eq!(block_on(room.join(ann.id, &name)), Err(NotJoined::Gone));
    }

    #[test]
    fn who_leaves_without_a_name_is_not_spoken_of() {
        let room = room();
        let (ann, other) = (join(&room, "Ann"), guest(&room));
        ann.hears();
        block_on(room.leave(other.id, Some(Cause::ConnectionLost), Message::default()));
        block_on(room.announce(message("end")));
        assert_eq!(ann.hears(), "end\n");
    }

    #[test]
    fn closing_says_goodbye_to_the_named_and_the_unnamed_and_lets_nobody_in() {
        let room = room();
        let (ann, other) = (join(&room, "Ann"), guest(&room));
        ann.hears();
        block_on(room.close());
        for guest in [&ann, &other] {
            assert_eq!(guest.hears(), "Server is shutting down. Bye!\n");
            assert!(take_now(&guest.outbox).is_none());
        }
        assert!(block_on(room.enter(([127, 0, 0, 1], 1).into())).is_err());
    }

    #[test]
    fn who_does_not_read_is_dropped_alone_and_loses_nobody_else_a_line() {
        let room = room();
        let (ann, bob, stopped) = (join(&room, "Ann"), join(&room, "Bob"), join(&room, "Stopped"));
        ann.hears();
        bob.hears();
        let lines = MAX_QUEUED.lines * 2;
        let mut heard = String::new();
        for n in 0..lines {
            block_on(room.say(ann.id, said("Ann", &n.to_string())));
            heard += &bob.hears();
        }
        let expected: String = (0..lines).map(|n| format!("Ann: {n}\n")).collect();
        let (mine, notices): (Vec<&str>, Vec<&str>) = heard.lines().partition(|line| line.starts_with("Ann: "));
        assert_eq!(mine, expected.lines().collect::<Vec<_>>());
        assert_eq!(notices, Vec::<&str>::new());
        assert_eq!(stopped.hears(), "-- You were too slow to read what was said. Bye!\n");
        block_on(room.leave(stopped.id, None, Message::default()));
        assert_eq!(bob.hears(), "Stopped has left the chat (too slow).\n");
    }

    #[test]
    fn a_talker_waits_for_a_reader_who_reads() {
        let room = room();
        let (ann, bob) = (join(&room, "Ann"), join(&room, "Bob"));
        ann.hears();
        bob.hears();
        let lines = MAX_QUEUED.lines * 4;
        let talk = async {
            for n in 0..lines {
                room.say(ann.id, said("Ann", &n.to_string())).await;
            }
            "done".to_string()
        };
        let read = async {
            let mut heard = String::new();
            while heard.lines().count() < lines {
                Timer::after(Duration::from_millis(5)).await;
                heard += &bob.hears();
            }
            heard
        };
        let heard = smol::block_on(async {
            let mut talk = Box::pin(talk);
            let talking = async {
                (&mut talk).await;
                std::future::pending().await
            };
            talking.or(read).await
        });
        assert_eq!(heard, (0..lines).map(|n| format!("Ann: {n}\n")).collect::<String>());
    }
}
