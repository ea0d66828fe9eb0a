//! The room: the list of its members, and one log with many readers, behind an async RwLock.
//!
//! What is said in public is appended to the log once. Each member is a [`Reader`] with a position in the log, and so
//! are the transcript, the operator's terminal and the link to other servers. How far a reader lags is the only measure
//! of slowness (`backpressure`). What all readers have read is forgotten. There is one lock, so all members hear the
//! room in the same order.
//!
//! Every method takes the lock, works, and releases it. Nothing is awaited under it. The server runs all tasks on one
//! thread, so the room never looks at a reader in the middle of a write. With several threads, two of a reader's
//! figures could disagree for a moment.
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
//! - *gather*: to be appended and wait to be published. While several people speak, entries gather until they are
//!   *due*;
//! - *typed*, *in bulk*: the two manners of sending: as fast as a person types, or faster;
//! - *output*: a reader that is no member: the process's standard output, the transcript, the link.
//!
//! # What it may hold in memory
//!
//! - Of the log, for all clients together: 128 KiB or 1024 lines, whichever comes first, that some client has not read
//!   yet; the segment in which that client's cursor stands, 32 KiB at most; about 250 bytes for each segment, which has
//!   one line at least; and what is said in one turn, or while many drops are spread over turns. The transcript may be
//!   4 MiB behind.
//! - Of direct messages: 128 KiB or 1024 lines for each reader, and 32 MiB for all together.
//! - Of a client that has read everything: its place on the list.
//!
//! Knows names and who may hear what. Knows no sockets and no wording.

mod act;
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
mod waiting;

use std::convert::Infallible;
use std::fmt::Display;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use async_lock::{RwLock, RwLockWriteGuard};
use smol::Timer;

pub use self::act::{AboutFiles, Acted};
pub use self::backpressure::{Manner, Sending};
pub use self::linked::{Elsewhere, MAX_ELSEWHERE};
use self::log::Kind;
pub use self::log::{Id, Size};
pub use self::operate::Nobody;
pub use self::outputs::{Warned, Warnings, warnings};
pub use self::reader::{Bookmark, End, MAX_WRITE, Piece, Reader, Said, Written};
pub use self::state::{Closing, NotHeard, NotJoined, Options, Outputs};
use self::state::{Now, State};
pub use self::stats::{Presence, Stats};
use self::waiting::Wait;
use crate::text::file::FileLink;
use crate::text::line::Line;
use crate::text::message::{Cause, Message};
use crate::text::name::Name;
use crate::within::within;

/// See the module's head.
#[derive(Debug)]
pub struct Room {
    state: RwLock<State>,
    /// Holds a message when entries begin to gather.
    gathers: Receiver<()>,
    /// Holds a message when a connection without a name has come since the last look.
    came: (Sender<()>, Receiver<()>),
    warnings: Warnings,
}

impl Room {
    /// Returns an empty room and its outputs. The caller has to run [`Room::publish`] in a task.
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

    /// Lets in a connection that has no name yet. It hears this greeting, and the goodbye when the room closes.
    ///
    /// # Errors
    /// When the room is closing.
    pub async fn enter(&self, address: SocketAddr, greeting: Message) -> Result<Reader, Closing> {
        let entered = self.change(|state, now| state.enter(address, greeting, now)).await;
        // After the connection is on the list, so that the task that looks finds it. If the channel is full, that task
        // is woken already.
        let _ = self.came.0.try_send(());
        entered
    }

    /// Waits until a connection without a name has come.
    pub async fn unnamed_came(&self) {
        let _ = self.came.1.recv().await;
    }

    /// Ends every connection that has had no name for this long. Returns when the time of the next one is over, if
    /// there is one.
    pub async fn end_unnamed(&self, after: Duration) -> Option<Instant> {
        self.change(|state, now| state.end_unnamed(after, now)).await
    }

    /// Makes a member of a connection: checks the name, welcomes, announces and inserts under one guard.
    ///
    /// # Errors
    /// When somebody has the name, or the room has ended the connection.
    pub async fn join(&self, id: Id, name: &Name) -> Result<(), NotJoined> {
        self.change_after_wait(Manner::Typed, |state, now| state.join(id, name, now)).await.0
    }

    /// Makes a member of a connection under the lowest free name of a guest. Returns the name, or None if the room has
    /// ended the connection.
    pub async fn join_as_guest(&self, id: Id) -> Option<Name> {
        self.change_after_wait(Manner::Typed, |state, now| state.join_as_guest(id, now)).await.0
    }

    /// Removes a connection, unless the room has removed it already. Announces that if it was a member. Its reader ends
    /// with these last words.
    pub async fn leave(&self, id: Id, cause: Option<Cause>, words: Message) {
        self.change_after_wait(Manner::Typed, |state, now| state.leave(id, cause, words, now)).await.0
    }

    /// Says goodbye to every connection, named or not. Nobody comes in any more, and nobody is heard.
    pub async fn close(&self) {
        self.change(|state, now| state.close(now)).await;
    }

    /// Ends the outputs. Each ends once it has read all that there is.
    pub async fn end_outputs(&self) {
        self.change(|state, now| state.end_outputs(now)).await;
    }

    /// Notes that a watched reader has read on, so that senders that wait for it may try again.
    pub async fn relieve(&self) {
        self.change(|state, now| state.relieve(now)).await;
    }

    // ---- what members do. A sender in bulk may have to wait. These methods return how long it did.

    /// Lets everybody else hear what a member says.
    pub async fn say(&self, id: Id, said: Message, manner: Manner) -> Duration {
        self.change_after_wait(manner, |state, now| state.say(id, said, now)).await.1
    }

    /// Lets everybody hear what a sender says that is no member, under this name.
    ///
    /// # Errors
    /// When a member has the name, or the room is closing.
    pub async fn say_as(&self, name: &Name, said: Message, manner: Manner) -> (Result<(), NotJoined>, Duration) {
        self.change_after_wait(manner, |state, now| state.say_as(name, said, now)).await
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
        state.change(|state, now| match state.may_send(manner, now) {
            Ok(()) => {
                state.say(id, said, now);
                Ok(())
            }
            Err(_wait) => Err(said),
        })
    }

    /// Obeys a command of a member, and answers the member.
    pub async fn act(&self, id: Id, line: &Line<'_>, manner: Manner) -> (Acted, Duration) {
        self.change_after_wait(manner, |state, now| state.act(id, line, now)).await
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
        self.change_after_wait(manner, |state, now| state.share(id, size, link, now)).await
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

    /// Sends a message to one connection alone.
    pub async fn answer(&self, id: Id, message: Message, manner: Manner) -> Duration {
        self.change_after_wait(manner, |state, now| state.tell(id, message, now)).await.1
    }

    /// Answers a connection that asks who is here.
    pub async fn who(&self, id: Id) {
        self.change(|state, now| state.who(id, now)).await;
    }

    // ---- what the operator does

    /// Lets everybody hear what the operator says.
    pub async fn announce(&self, said: Message) {
        self.change_after_wait(Manner::Typed, |state, now| state.post(said, Kind::Said, None, now)).await;
    }

    /// Returns who is here, and how many connections have no name yet.
    pub async fn presences(&self) -> (Vec<Presence>, usize) {
        self.state.read().await.presences(Now::read())
    }

    /// Returns the room's figures.
    pub async fn stats(&self) -> Stats {
        self.state.read().await.stats(Now::read())
    }

    /// Returns the room's figures, and a channel that closes when the next public line changes them. Only the channel
    /// of the last call does so, because there is one service manager.
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
        while self.change_after_wait(Manner::Typed, |state, now| state.ban(&banned, words, now)).await.0 {}
    }

    /// Mutes a member, so that nobody hears them, or lets them be heard again.
    ///
    /// # Errors
    /// When no member is called that.
    pub async fn mute(&self, typed: &str, muted: bool) -> Result<Name, Nobody> {
        self.change(|state, now| state.mute(typed, muted, now)).await
    }

    // ---- what linked servers do

    /// Lets this room hear what comes from linked servers. Returns how long that had to wait. It waits for readers no
    /// longer than `patience`, because lines that others have typed come after it.
    pub async fn hear(&self, said: Vec<Elsewhere<'_>>, manner: Manner, patience: Duration) -> Duration {
        let mut said = said;
        let mut act = |state: &mut State, now: Now| state.hear(mem::take(&mut said), now);
        match within(patience, self.change_after_wait(manner, &mut act)).await {
            Some(((), waited)) => waited,
            None => patience + self.change_after_wait(Manner::Typed, &mut act).await.1,
        }
    }

    /// Lets everybody hear a notice about the link.
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

    // ---- what the process prints

    /// Makes the process print this on its standard output.
    pub async fn print(&self, words: impl Display) {
        self.change(|state, now| state.print(words, now)).await;
    }

    /// Makes the process print a warning on its standard error.
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

    /// Waits until a sender of this manner may be heard, and then changes the room for it. Returns how long it waited,
    /// too.
    async fn change_after_wait<T>(&self, manner: Manner, act: impl FnOnce(&mut State, Now) -> T) -> (T, Duration) {
        let (mut state, waited) = self.wait_to_send(manner).await;
        (state.change(act), waited)
    }

    /// Waits until a sender of this manner may be heard. Returns the room, locked, and how long that took.
    async fn wait_to_send(&self, manner: Manner) -> (RwLockWriteGuard<'_, State>, Duration) {
        let mut since = None;
        loop {
            let Wait { until, relief } = {
                let mut state = self.state.write().await;
                let may_send = state.change(|state, now| {
                    let begun = *since.get_or_insert(now.instant);
                    state.may_send(manner, now).map(|()| now.instant - begun)
                });
                match may_send {
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
