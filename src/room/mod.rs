//! Who hears it: one log, many readers, behind an async RwLock.
//!
//! What is said in public is appended to the log once, and everybody who hears it is a [`Reader`] with a position in it: a
//! member, the transcript, the operator's terminal. How far a reader lags is the only measure of slowness (`backpressure`).
//! What all have read is forgotten. One lock makes everybody hear the room in the same order.
//!
//! Every method takes the lock, works, and lets go; nothing is awaited under it. The server runs all tasks on one thread, so
//! the room never looks at a reader in the midst of a write. With several threads, two of a reader's figures could disagree
//! for a moment.
//!
//! # Words
//!
//! - *entry*: what was appended at once: lines of one author that came together, or one piece of news;
//! - *segment*: entries that lie together in memory, and are freed together;
//! - *position*: a place in the log, in lines and bytes from its beginning; *head*: where the next entry will be;
//! - *cursor*: a reader's position, which keeps in memory what stands after it;
//! - *lag*: how far a reader is behind the head, with the direct messages that wait for it;
//! - *run*: bytes in a segment that one reader gets without a gap;
//! - *direct message*: what is for one reader alone: the greeting, answers, private lines, last words;
//! - *publish*: to let cursors reach the entries, and to notify the readers;
//! - *gather*: to wait, appended and not yet published; while several speak, until what gathers is *due*.
//!
//! # What it may hold
//!
//! - the log: 128 KiB or 1024 lines, whichever comes first, that somebody has yet to read, for all clients together; besides,
//!   the segment in which that reader stands (32 KiB at most), some 250 bytes beside each segment, which is a line at the
//!   least, and what is said in one turn or while drops are spread over turns; the transcript may be 4 MiB behind;
//! - what is for one reader alone: 128 KiB or 1024 lines for each, and 32 MiB for all together;
//! - of a client that has read everything, its place on the list.
//!
//! Knows names and who may hear what; knows no sockets and no wording.

mod act;
mod admit;
mod backpressure;
mod gather;
mod history;
mod linked;
mod log;
mod members;
mod operate;
mod outputs;
mod publish;
mod reader;
#[cfg(test)]
mod simulation;
mod size;
mod state;
mod stats;
#[cfg(test)]
pub(crate) mod tests;
pub mod transcript;

use std::convert::Infallible;
use std::fmt::Display;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use async_lock::{RwLock, RwLockWriteGuard};
use smol::Timer;

pub use self::act::Acted;
use self::admit::Wait;
pub use self::backpressure::{Manner, Sending};
pub use self::linked::{Elsewhere, MAX_ELSEWHERE};
use self::log::Kind;
pub use self::log::{Id, Size};
pub use self::operate::Nobody;
pub use self::outputs::{Warned, Warnings, warnings};
pub use self::reader::{Bookmark, End, MAX_WRITE, Piece, Reader, Written};
pub use self::state::{Closing, NotHeard, NotJoined, Options, Outputs};
use self::state::{Now, State};
pub use self::stats::{Presence, Stats};
use crate::text::file::FileLink;
use crate::text::line::Line;
use crate::text::message::{Cause, Message};
use crate::text::name::Name;
use crate::within::within;

/// See the module's head.
#[derive(Debug)]
pub struct Room {
    state: RwLock<State>,
    /// Holds something when lines begin to gather.
    gathers: Receiver<()>,
    /// Holds something when a connection without a name has come since the last look.
    came: (Sender<()>, Receiver<()>),
    warnings: Warnings,
}

impl Room {
    /// An empty room, and what reads it besides its members. Somebody is to run [`Room::publish`] for it.
    pub fn new(warnings: Warnings, options: Options) -> (Room, Outputs) {
        let (publisher, gathers) = async_channel::bounded(1);
        let (state, outputs) = State::new(options, publisher, Now::read());
        let state = RwLock::new(state);
        (Room { state, gathers, came: async_channel::bounded(1), warnings }, outputs)
    }

    /// Publishes what gathers while several are speaking, when it is due. Never ends.
    pub async fn publish(&self) -> Infallible {
        loop {
            let _ = self.gathers.recv().await;
            loop {
                let due = self.change(|state, now| state.publish_due(now)).await;
                let Some(due) = due else { break };
                Timer::at(due).await;
            }
        }
    }

    /// Lets a connection in that has no name yet: it hears this greeting, and later the goodbye.
    ///
    /// # Errors
    /// When the room is closing.
    pub async fn enter(&self, address: SocketAddr, greeting: Message) -> Result<Reader, Closing> {
        let entered = self.change(|state, now| state.enter(address, greeting, now)).await;
        // After the connection is on the list, because whoever looks is to find it. If the channel is full, somebody is
        // going to look already.
        let _ = self.came.0.try_send(());
        entered
    }

    /// Waits until a connection without a name has come.
    pub async fn unnamed_came(&self) {
        let _ = self.came.1.recv().await;
    }

    /// Ends every connection that has had no name for this long. Returns when the next one's time is over, if any is left.
    pub async fn end_unnamed(&self, after: Duration) -> Option<Instant> {
        self.change(|state, now| state.end_unnamed(after, now)).await
    }

    /// Makes a member of a connection: checks the name, welcomes, announces and inserts under one guard.
    ///
    /// # Errors
    /// When somebody has the name, or the room has ended the connection.
    pub async fn join(&self, id: Id, name: &Name) -> Result<(), NotJoined> {
        self.admitted(Manner::Typed, |state, now| state.join(id, name, now)).await.0
    }

    /// Makes a member of a connection under the lowest free name of a guest, and returns the name; None if the room has ended
    /// the connection.
    pub async fn join_as_guest(&self, id: Id) -> Option<Name> {
        self.admitted(Manner::Typed, |state, now| state.join_as_guest(id, now)).await.0
    }

    /// Removes a connection, unless the room has done so itself. Announces that if it was a member, and has its reader end
    /// with these last words.
    pub async fn leave(&self, id: Id, cause: Option<Cause>, words: Message) {
        self.admitted(Manner::Typed, |state, now| state.leave(id, cause, words, now)).await.0
    }

    /// Says goodbye to every connection, named or not. Nobody comes in any more, and nobody is heard.
    pub async fn close(&self) {
        self.change(|state, now| state.close(now)).await;
    }

    /// Has what reads the room besides its members end, once it has read all that there is.
    pub async fn end_outputs(&self) {
        self.change(|state, now| state.end_outputs(now)).await;
    }

    /// A reader that was watched has read on: whoever waits for it may perhaps be heard.
    pub async fn relieve(&self) {
        self.change(|state, now| state.relieve(now)).await;
    }

    // ---- what members do; who sends in bulk may have to wait, and these methods return for how long

    /// Lets everybody else hear what a member says.
    pub async fn say(&self, id: Id, said: Message, manner: Manner) -> Duration {
        self.admitted(manner, |state, now| state.say(id, said, now)).await.1
    }

    /// Lets everybody hear what somebody says who is no member, under this name.
    ///
    /// # Errors
    /// When a member has the name, or the room is closing.
    pub async fn say_as(&self, name: &Name, said: Message, manner: Manner) -> (Result<(), NotJoined>, Duration) {
        self.admitted(manner, |state, now| state.say_as(name, said, now)).await
    }

    /// Returns whether somebody is a member.
    pub async fn is_member(&self, id: Id) -> bool {
        self.state.read().await.members.get(id).is_some_and(|client| client.name.is_some())
    }

    /// Does what [`Room::say`] does, if there is nothing to wait for.
    ///
    /// # Errors
    /// When there is something to wait for. The error is what was to be said.
    pub fn try_say(&self, id: Id, said: Message, manner: Manner) -> Result<(), Message> {
        let Some(mut state) = self.state.try_write() else { return Err(said) };
        state.change(|state, now| match state.admit(manner, now) {
            Ok(()) => {
                state.say(id, said, now);
                Ok(())
            }
            Err(_wait) => Err(said),
        })
    }

    /// Obeys a command of a member, who is answered.
    pub async fn act(&self, id: Id, line: &Line<'_>, manner: Manner) -> (Acted, Duration) {
        self.admitted(manner, |state, now| state.act(id, line, now)).await
    }

    /// Lets everybody hear that a member shares a file of so many bytes, the member as well.
    ///
    /// # Errors
    /// When nobody hears the member.
    pub async fn share(
        &self,
        id: Id,
        size: u64,
        link: &FileLink<'_>,
        manner: Manner,
    ) -> (Result<(), NotHeard>, Duration) {
        self.admitted(manner, |state, now| state.share(id, size, link, now)).await
    }

    /// Returns the name of a member who is heard.
    ///
    /// # Errors
    /// When nobody hears them.
    pub async fn name_if_heard(&self, id: Id) -> Result<Name, NotHeard> {
        let state = self.state.read().await;
        let client = state.members.get(id).ok_or(NotHeard::Gone)?;
        let name = client.name.clone().ok_or(NotHeard::Gone)?;
        if client.muted { Err(NotHeard::Muted) } else { Ok(name) }
    }

    /// Tells one connection something that nobody else hears.
    pub async fn answer(&self, id: Id, message: Message, manner: Manner) -> Duration {
        self.admitted(manner, |state, now| state.tell(id, message, now)).await.1
    }

    /// Tells a connection who is here.
    pub async fn who(&self, id: Id) {
        self.change(|state, now| state.who(id, now)).await;
    }

    // ---- what the operator does

    /// Lets everybody hear what the operator says.
    pub async fn announce(&self, said: Message) {
        self.admitted(Manner::Typed, |state, now| state.post(said, Kind::Said, None, now)).await;
    }

    /// Returns who is here, and how many connections have no name yet.
    pub async fn presences(&self) -> (Vec<Presence>, usize) {
        self.state.read().await.presences(Now::read())
    }

    /// Returns the room's figures.
    pub async fn stats(&self) -> Stats {
        self.state.read().await.stats(Now::read())
    }

    /// Returns the room's figures, and a channel that closes when the next public line changes them. Only the channel that
    /// was asked for last does so: there is one service manager.
    pub async fn follow(&self) -> (Stats, Receiver<Infallible>) {
        self.change(|state, now| state.follow(now)).await
    }

    /// Ends the connection of the member that a text begins with; the rest is the reason.
    ///
    /// # Errors
    /// When no member is called that.
    pub async fn kick(&self, typed: &Line<'_>) -> Result<Name, Nobody> {
        self.change(|state, now| state.kick(typed, now)).await
    }

    /// Returns the name and the address of the member that a text begins with, and the rest of the text.
    ///
    /// # Errors
    /// When no member is called that.
    pub async fn address_of<'a>(&self, typed: &'a str) -> Result<(Name, IpAddr, &'a str), Nobody> {
        let state = self.state.read().await;
        let found = state.members.find(typed).ok_or(Nobody)?;
        Ok((found.name, found.address, found.rest))
    }

    /// Ends every connection whose address is banned.
    pub async fn ban(&self, banned: impl Fn(IpAddr) -> bool, words: &Message) {
        while self.admitted(Manner::Typed, |state, now| state.ban(&banned, words, now)).await.0 {}
    }

    /// Mutes a member, so that nobody hears them, or lets them be heard again.
    ///
    /// # Errors
    /// When no member is called that.
    pub async fn mute(&self, typed: &str, muted: bool) -> Result<Name, Nobody> {
        self.change(|state, now| state.mute(typed, muted, now)).await
    }

    // ---- what linked servers do

    /// Lets this room hear what comes from linked servers, and returns how long that had to wait. What comes in bulk waits
    /// for readers no longer than this: behind it comes what others have typed.
    pub async fn hear(&self, said: Vec<Elsewhere<'_>>, manner: Manner, patience: Duration) -> Duration {
        let mut said = said;
        let mut act = |state: &mut State, now: Now| state.hear(mem::take(&mut said), now);
        match within(patience, self.admitted(manner, &mut act)).await {
            Some(((), waited)) => waited,
            None => patience + self.admitted(Manner::Typed, &mut act).await.1,
        }
    }

    /// Lets everybody know how the link does.
    pub async fn note(&self, words: Message) {
        self.change(|state, now| state.post(words, Kind::News, None, now)).await;
    }

    /// Returns the names of the members who are here.
    pub async fn names_here(&self) -> Vec<Name> {
        self.state.read().await.members.named().map(|(_, name)| name.clone()).collect()
    }

    /// Returns the names of the members: those who are here, and those who are in the rooms of linked servers.
    pub async fn names(&self) -> (Vec<Name>, Vec<Name>) {
        let state = self.state.read().await;
        let here = state.members.named().map(|(_, name)| name.clone());
        (here.collect(), state.linked.names().cloned().collect())
    }

    // ---- what the process is told

    /// Has the process print this on its standard output.
    pub async fn print(&self, words: impl Display) {
        self.change(|state, now| state.print(words, now)).await;
    }

    /// Has the process say on its standard error that something is wrong.
    pub fn warn(&self, line: String) {
        self.warnings.warn(line);
    }

    /// Returns how many lines the transcript has not read yet.
    pub async fn transcript_behind(&self) -> u64 {
        self.state.read().await.transcript_behind()
    }

    /// Changes the room under its lock.
    async fn change<T>(&self, act: impl FnOnce(&mut State, Now) -> T) -> T {
        self.state.write().await.change(act)
    }

    /// Waits until somebody who sends in this manner may be heard, and then acts for them. Returns how long they waited, too.
    async fn admitted<T>(&self, manner: Manner, act: impl FnOnce(&mut State, Now) -> T) -> (T, Duration) {
        let (mut state, waited) = self.admission(manner).await;
        (state.change(act), waited)
    }

    /// Waits until somebody who sends in this manner may be heard. Returns the room, locked, and how long that took.
    async fn admission(&self, manner: Manner) -> (RwLockWriteGuard<'_, State>, Duration) {
        let mut since = None;
        loop {
            let Wait { until, relief } = {
                let mut state = self.state.write().await;
                let admitted = state.change(|state, now| {
                    let begun = *since.get_or_insert(now.instant);
                    state.admit(manner, now).map(|()| now.instant - begun)
                });
                match admitted {
                    Ok(waited) => return (state, waited),
                    Err(wait) => wait,
                }
            };
            let time = until.saturating_duration_since(Instant::now());
            // The channel carries nothing: it closes when it is worth trying again.
            let _ = within(time, relief.recv()).await;
        }
    }
}
