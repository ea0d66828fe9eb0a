//! Who hears it: the client list behind an async RwLock, and everything that happens to it.
//!
//! Every method takes the lock, works, and lets go; nothing is awaited under it. That one lock is what makes everybody
//! see the room's lines in the same order: a line is posted to all queues before the next one can be. What it costs is
//! one append a line while a batch is open (`batch`), and one visit to every queue for each new batch.
//!
//! What it may cost in memory: a client's queue holds at most 1024 lines or 128 KiB, but a line that waits for many is
//! held once. Each batch costs some 230 bytes besides what it says, and each place in a queue 24 to 48; a client that
//! has stopped reading has at most 1024 of them, and then each is a single line. So `n` such clients cost
//!
//! - 128 KiB + 32 KiB + 1024 × (230 + `n` × 48) bytes in all, where they all miss the same lines;
//! - `n` × 410 KiB where no line is for two of them (private messages: each has a batch to itself);
//! - `n` × 2 MiB at the very most, where each of them talks without end too, or ignores others who do: a batch is held
//!   whole as long as anybody has yet to read a line of it, and what a queue holds that way is limited as well.
//!
//! A client that is silent and has read everything costs nothing here but its place on the list.
//!
//! Knows names, queues and who may hear what; knows no sockets, and of wording only what the server's own output
//! says of coming and going.

mod batch;
mod history;
mod notice;
mod outbox;
mod state;
mod stats;
pub mod transcript;

use std::convert::Infallible;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant, SystemTime};

use async_channel::{Receiver, Sender};
use async_lock::RwLock;
use smol::Timer;

pub use self::notice::Notice;
pub use self::outbox::{Outbox, Parcel};
use self::state::{Gathering, State};
pub use self::stats::{Presence, Stats};
use self::transcript::Transcript;
use crate::text::line::Line;
use crate::text::message::{Cause, Message};
use crate::text::name::Name;

/// How often who waits for a crowded queue looks again. Only talkers faster than some reader ever get there.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A connection's number, never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u64);

/// What a room remembers and shows.
#[derive(Debug, Default)]
pub struct Options {
    /// Lines kept for `/history`.
    pub history: usize,
    /// Lines of it that each newcomer is sent.
    pub replay: usize,
    /// Where public lines are written to.
    pub transcript: Option<Transcript>,
    /// What was said before the room was opened.
    pub earlier: Vec<(SystemTime, String)>,
    /// Whether the operator watches what is said.
    pub watch: bool,
}

/// The room is closing, and lets nobody in.
#[derive(Debug)]
pub struct Closing;

/// Why a name was not given.
#[derive(Debug, PartialEq, Eq)]
pub enum NotJoined {
    /// Somebody has the name.
    Taken,
    /// The room has ended the connection.
    Gone,
}

/// The name stays as it was, and its holder has been told why.
#[derive(Debug)]
pub struct NotRenamed;

/// See the module's head.
#[derive(Debug)]
pub struct Room {
    state: RwLock<State>,
    notices: Sender<Notice>,
    /// Holds something when a connection without a name has come since the last look.
    came: (Sender<()>, Receiver<()>),
}

/// Nobody here has that name.
#[derive(Debug)]
pub struct Nobody;

impl Room {
    /// An empty room. What it has to tell the process goes to `notices`, and is lost when nobody reads them.
    pub fn new(notices: Sender<Notice>, options: Options) -> Room {
        let state = RwLock::new(State::new(notices.clone(), options));
        Room { state, notices, came: async_channel::bounded(1) }
    }

    /// Lets a connection in that has no name yet: it hears the greeting, and later the goodbye.
    ///
    /// # Errors
    /// When the room is closing.
    pub async fn enter(&self, address: SocketAddr) -> Result<(Id, Outbox), Closing> {
        let entered = self.state.write().await.enter(address);
        // Full is as good: somebody came, and nobody has looked yet. Only now, for whoever looks is to find them.
        let _ = self.came.0.try_send(());
        entered
    }

    /// Waits until a connection without a name has come.
    pub async fn guest_came(&self) {
        let _ = self.came.1.recv().await;
    }

    /// Ends every connection that has had no name for this long. Tells when the next one's time will be over, if any is
    /// left.
    pub async fn end_guests(&self, after: Duration) -> Option<Instant> {
        self.state.write().await.end_guests(after, Instant::now())
    }

    /// Makes a member of a connection: checks the name, welcomes, announces and inserts under one guard.
    ///
    /// # Errors
    /// When somebody has the name, or the room has ended the connection.
    pub async fn join(&self, id: Id, name: &Name) -> Result<(), NotJoined> {
        let gathering = self.with_floor(None, |state| state.join(id, name)).await?;
        self.gather(gathering).await;
        Ok(())
    }

    /// Takes a connection off the list, tells the others if it was a member, and closes its queue with these last words.
    /// Its own connection calls this, once, on every path. Tells the cause: the room's own, if it ended the connection.
    ///
    /// # Errors
    /// When the room is closing: the connection has left all the same.
    pub async fn leave(&self, id: Id, cause: Option<Cause>, words: Message) -> Result<Option<Cause>, Closing> {
        self.with_floor(None, |state| state.leave(id, cause, words)).await
    }

    /// Says goodbye to every connection, named or not, and closes its queue. Nobody comes in any more.
    pub async fn close(&self) {
        self.state.write().await.close();
    }

    /// Tells one connection something that nobody else hears.
    pub async fn answer(&self, id: Id, message: Message) {
        self.with_floor(Some(id), |state| state.post_to(id, message)).await;
    }

    // ---- what members do

    /// Tells whether a client is flooding the room: then it waits, in all it does, while readers who keep up have too
    /// much to read. Nobody else ever waits for a reader.
    pub async fn flooding(&self, id: Id, flooding: bool) {
        self.state.write().await.flooding(id, flooding);
    }

    /// Lets everybody else hear what a member says.
    pub async fn say(&self, id: Id, message: Message) {
        let gathering = self.with_floor(Some(id), |state| state.say(id, message)).await;
        self.gather(gathering).await;
    }

    /// Lets everybody else see what a member does.
    pub async fn emote(&self, id: Id, action: &Line<'_>) {
        self.with_floor(Some(id), |state| state.emote(id, action)).await;
    }

    /// Tells one member alone something: their name, the longest that fits, then the text.
    pub async fn whisper(&self, id: Id, rest: Line<'_>) {
        self.with_floor(Some(id), |state| state.whisper(id, rest)).await;
    }

    /// Tells the member who did that last something.
    pub async fn reply(&self, id: Id, text: &Line<'_>) {
        self.with_floor(Some(id), |state| state.reply(id, text)).await;
    }

    /// Changes a member's name, and tells everybody.
    ///
    /// # Errors
    /// When it stays as it was.
    pub async fn rename(&self, id: Id, new: &Name) -> Result<(), NotRenamed> {
        self.with_floor(Some(id), |state| state.rename(id, new)).await
    }

    /// Tells a connection who is here.
    pub async fn who(&self, id: Id) {
        self.with_floor(Some(id), |state| state.who(id)).await;
    }

    /// Tells a member what was said before.
    pub async fn recall(&self, id: Id, lines: Option<NonZeroUsize>) {
        self.with_floor(Some(id), |state| state.recall(id, lines)).await;
    }

    /// Lets a member not hear another any more, or hear them again.
    pub async fn ignore(&self, id: Id, typed: &Line<'_>) {
        self.with_floor(Some(id), |state| state.ignore(id, typed)).await;
    }

    // ---- what the operator does

    /// Tells everybody something that no member said.
    pub async fn announce(&self, message: Message) {
        self.with_floor(None, |state| state.announce(message)).await;
    }

    /// Who is here, and how many connections have no name yet.
    pub async fn presences(&self) -> (Vec<Presence>, usize) {
        self.state.write().await.presences()
    }

    /// How the room does.
    pub async fn stats(&self) -> Stats {
        self.state.write().await.stats()
    }

    /// How the room does, and what closes when the next public line makes that out of date. Only the one who asked last is
    /// told: there is one service manager.
    pub async fn follow(&self) -> (Stats, Receiver<Infallible>) {
        self.state.write().await.follow()
    }

    /// Ends the connection of the member that a text begins with; the rest is the reason.
    ///
    /// # Errors
    /// When no member is called that.
    pub async fn kick(&self, typed: Line<'_>) -> Result<Name, Nobody> {
        let mut state = self.state.write().await;
        let (id, name, _, rest) = state.find(&typed).ok_or(Nobody)?;
        let reason = (!rest.is_empty()).then_some(rest.len());
        let reason = reason.map(|length| typed.last(length).into_owned());
        let cause = Cause::Kicked(reason);
        let words = Message::kicked(&cause);
        state.kick(id, cause, words);
        Ok(name)
    }

    /// The name and the address of the member that a text begins with, and the rest of the text.
    ///
    /// # Errors
    /// When no member is called that.
    pub async fn address_of<'a>(&self, typed: &'a str) -> Result<(Name, IpAddr, &'a str), Nobody> {
        let state = self.state.read().await;
        let (_, name, address, rest) = state.find(typed).ok_or(Nobody)?;
        Ok((name, address, rest))
    }

    /// Ends every connection whose address is banned.
    pub async fn ban(&self, banned: impl Fn(IpAddr) -> bool, words: &Message) {
        self.state.write().await.ban(banned, words);
    }

    /// Lets nobody hear a member, or everybody again.
    ///
    /// # Errors
    /// When no member is called that.
    pub async fn mute(&self, typed: &str, muted: bool) -> Result<Name, Nobody> {
        let mut state = self.state.write().await;
        let (id, name, _, rest) = state.find(typed).ok_or(Nobody)?;
        if !rest.is_empty() {
            return Err(Nobody);
        }
        state.mute(id, muted);
        Ok(name)
    }

    // ---- what the process is told

    /// Tells the process something worth a line on its output.
    pub fn log(&self, words: impl Display) {
        let _ = self.notices.try_send(Notice::Log(words.to_string()));
    }

    /// Tells the process something that is wrong.
    pub fn warn(&self, words: impl Display) {
        let _ = self.notices.try_send(Notice::Warning(words.to_string()));
    }

    /// Waits for others to speak too, if they are about to. Who began the batch waits; one whose connection ends
    /// meanwhile publishes it by leaving.
    async fn gather(&self, gathering: Option<Gathering>) {
        if let Some(gathering) = gathering {
            Timer::after(gathering.time).await;
            self.state.write().await.publish_this(&gathering);
        }
    }

    /// Acts when nobody has to be waited for by who acts, if it is a client.
    async fn with_floor<T>(&self, by: Option<Id>, act: impl FnOnce(&mut State) -> T) -> T {
        loop {
            {
                let mut state = self.state.write().await;
                if !state.waits(by) {
                    return act(&mut state);
                }
            }
            Timer::after(LOOK_AGAIN).await;
        }
    }
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
        Room::new(async_channel::bounded(1000).0, Options::default())
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

    fn line(text: &str) -> Line<'static> {
        let text = format!("{text}\n");
        match Decoder::default().next(&mut text.as_bytes()) {
            Some(Input::Line(line)) => line.into_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn said(name: &str, text: &str) -> Message {
        let mut said = Message::default();
        said.say(&Name::parse(name).unwrap(), &line(text));
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
        block_on(room.leave(ann.id, None, Message::default())).unwrap();
        assert_eq!(block_on(room.join(other.id, &name)), Ok(()));
        assert_eq!(block_on(room.join(ann.id, &name)), Err(NotJoined::Gone));
    }

    #[test]
    fn who_goes_hears_what_was_said_before_and_nothing_after() {
        let room = room();
        let (ann, bob, kicked) = (join(&room, "Ann"), join(&room, "Bob"), join(&room, "Kicked"));
        ann.hears();
        bob.hears();
        kicked.hears();
        block_on(async {
            room.say(ann.id, said("Ann", "before")).await;
            room.leave(bob.id, None, Message::bye()).await.unwrap();
            room.kick(line("Kicked")).await.unwrap();
            room.say(ann.id, said("Ann", "after")).await;
        });
        assert_eq!(bob.hears(), "Ann: before\n-- Bye!\n");
        let words = "-- The operator has ended your connection.\n";
        assert_eq!(kicked.hears(), format!("Ann: before\nBob has left the chat.\n{words}"));
    }

    #[test]
    fn nobody_hears_who_has_been_sent_away() {
        let room = room();
        let (ann, bob) = (join(&room, "Ann"), join(&room, "Bob"));
        ann.hears();
        block_on(async {
            room.kick(line("Bob")).await.unwrap();
            room.say(bob.id, said("Bob", "one more thing")).await;
            room.announce(message("end")).await;
        });
        assert_eq!(ann.hears(), "end\n");
    }

    #[test]
    fn who_comes_is_seen_by_whoever_is_woken_by_it() {
        let room = room();
        let held = room.state.write_blocking();
        let mut entering = std::pin::pin!(room.enter(([127, 0, 0, 1], 1).into()));
        assert!(block_on(poll_once(&mut entering)).is_none());
        assert!(block_on(poll_once(room.guest_came())).is_none(), "nobody is to be seen yet");
        drop(held);
        block_on(entering).unwrap();
        assert!(block_on(poll_once(room.guest_came())).is_some());
    }

    #[test]
    fn who_leaves_without_a_name_is_not_spoken_of() {
        let room = room();
        let (ann, other) = (join(&room, "Ann"), guest(&room));
        ann.hears();
        block_on(room.leave(other.id, Some(Cause::ConnectionLost), Message::default())).unwrap();
        block_on(room.announce(message("end")));
        assert_eq!(ann.hears(), "end\n");
    }

    #[test]
    fn who_chooses_no_name_in_time_is_told_so_and_the_rest_stay() {
        let room = room();
        let (ann, silent) = (join(&room, "Ann"), guest(&room));
        ann.hears();
        let came = Instant::now();
        let next = block_on(room.end_guests(Duration::from_secs(60))).expect("one guest is left");
        assert!(next > came + Duration::from_secs(50) && next <= came + Duration::from_secs(60));
        assert_eq!(silent.hears(), "");
        assert_eq!(block_on(room.end_guests(Duration::ZERO)), None);
        assert_eq!(silent.hears(), "-- No name within 0 seconds. Bye!\n");
        assert_eq!(ann.hears(), "");
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
        let lines = outbox::MAX_QUEUED.lines * 2;
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
        block_on(room.leave(stopped.id, None, Message::default())).unwrap();
        assert_eq!(bob.hears(), "Stopped has left the chat (too slow).\n");
    }

    #[test]
    fn who_comes_while_a_batch_gathers_is_welcomed_with_it_and_hears_what_follows() {
        let room = room();
        let (ann, bob, cid) = (join(&room, "Ann"), join(&room, "Bob"), guest(&room));
        ann.hears();
        bob.hears();
        // Three speak in one batch, so the next waits for three.
        for (guest, name) in [(&ann, "Ann"), (&bob, "Bob"), (&ann, "Ann")] {
            block_on(room.say(guest.id, said(name, "before")));
        }
        ann.hears();
        bob.hears();
        let mut first = Box::pin(room.say(ann.id, said("Ann", "one")));
        assert!(block_on(poll_once(&mut first)).is_none());
        block_on(room.join(cid.id, &Name::parse("Cid").unwrap())).unwrap();
        assert_eq!(cid.hears(), "");
        block_on(room.say(bob.id, said("Bob", "two")));
        let welcome = "Welcome, Cid! You can now chat. Type messages and press Enter.\n";
        assert_eq!(cid.hears(), format!("{welcome}Bob: two\n"));
        assert_eq!(ann.hears(), "Cid has joined the chat.\nBob: two\n");
        assert_eq!(bob.hears(), "Ann: one\nCid has joined the chat.\n");
    }

    #[test]
    fn only_a_flood_waits_for_a_reader_who_is_stuck() {
        let room = room();
        let (ann, stuck) = (join(&room, "Ann"), join(&room, "Stuck"));
        // Large enough that none shares a batch with another.
        let mut much = said("Ann", &"x".repeat(4000));
        (0..4).for_each(|_| much.append(&said("Ann", &"y".repeat(4000))));
        let now = || block_on(poll_once(room.say(ann.id, much.clone()))).is_some();
        // The first joins the batch of the notices, and the second might wait for as many to speak as did in that one.
        block_on(room.say(ann.id, much.clone()));
        block_on(room.say(ann.id, much.clone()));
        // Its writer has something in hand that the socket does not take.
        let parcel = take_now(&stuck.outbox).unwrap();
        stuck.outbox.holds(&parcel);
        let crowding = outbox::MAX_QUEUED.bytes / much.bytes().len() - 2;
        assert!((0..crowding).all(|_| now()));
        block_on(room.flooding(ann.id, true));
        assert!(!now());
        block_on(room.flooding(ann.id, false));
        assert!((0..crowding).all(|_| now()));
        assert!(stuck.outbox.is_closed(), "and it is dropped by now");
    }

    #[test]
    fn a_talker_waits_for_a_reader_who_reads() {
        let room = room();
        let (ann, bob) = (join(&room, "Ann"), join(&room, "Bob"));
        ann.hears();
        bob.hears();
        let lines = outbox::MAX_QUEUED.lines * 4;
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
