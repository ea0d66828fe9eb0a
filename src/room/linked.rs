//! The members of linked servers, and what comes from there. Those servers and this one are one room.
//!
//! These members have no connection here. They have a name, such as `Ann@pi2`, and a number of their own, so that
//! members here can ignore them, write to them and reply to them. What one of them says is appended to the log like
//! anything else. The link is a reader of the log, too, but it gets only what comes from here.
//!
//! Knows nothing of how servers are linked, and does not check what they send: names and lines are clean, or they could
//! not be made.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::log::{Id, Kind, Size};
use super::members::{Ignored, without};
use super::state::{Now, State};
use crate::text::command::addressees;
use crate::text::line::Line;
use crate::text::message::Message;
use crate::text::name::{Key, Name};
use crate::text::server::Server;

/// How many members of other servers are known: those of a hundred servers with a thousand each, and a few more. Each
/// takes about 200 bytes.
pub const MAX_ELSEWHERE: usize = 128 * 1024;

/// How many direct messages may wait for the link: private messages to members elsewhere. The link reads them at once,
/// even while the other servers cannot be reached.
const MAX_FOR_LINK: Size = Size { lines: 1024, bytes: 128 * 1024 };

/// Something that comes from a linked server. Names are as they are shown here: `Ann@pi2`.
#[derive(Debug)]
pub enum Elsewhere<'a> {
    /// A member says these lines.
    Said(Name, Message),
    /// A member does something.
    Did(Name, Line<'a>),
    /// A member shares a file. The line is what that server says after "shares".
    Shared(Name, Line<'a>),
    /// The operator says something.
    Operator(Server, Line<'a>),
    /// Somebody has come.
    Joined(Name),
    /// Somebody has gone, and why, if it was not of their own doing.
    Left(Name, Option<Line<'a>>),
    /// Somebody has changed their name.
    Renamed(Name, Name),
    /// A member says something to one member of this server alone.
    Private(Name, Name, Line<'a>),
    /// This many lines of a server have not come.
    Missed(u64, Server),
    /// Exactly these are the members of a server now, which is linked.
    Linked(Server, Vec<Name>),
    /// A server is not linked any more.
    Unlinked(Server),
}

/// Who is in the rooms of linked servers.
#[derive(Debug, Default)]
pub(super) struct Linked {
    servers: BTreeMap<Server, BTreeSet<Id>>,
    members: BTreeMap<Id, Member>,
    names: HashMap<Key, Id>,
    /// How many numbers were given so far.
    given: u64,
}

#[derive(Debug)]
struct Member {
    name: Name,
    /// The members here who ignore this member.
    ignored_by: Option<Arc<[Id]>>,
}

impl Linked {
    /// Returns whether the room has members elsewhere.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns how many members there are elsewhere.
    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// Returns the names of all members elsewhere, in the order of the servers' names.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.servers.values().flatten().filter_map(|id| self.name(*id))
    }

    /// Returns the name of the member with this number.
    pub(super) fn name(&self, id: Id) -> Option<&Name> {
        self.members.get(&id).map(|member| &member.name)
    }

    /// Returns the member who has this name.
    pub(super) fn called(&self, key: &Key) -> Option<Id> {
        self.names.get(key).copied()
    }

    /// Returns the member whose name a text begins with, and the rest of the text.
    pub(super) fn find<'a>(&self, text: &'a str) -> Option<(Id, &Name, &'a str)> {
        if self.is_empty() {
            return None;
        }
        addressees(text).find_map(|(key, rest)| {
            let id = self.called(&key)?;
            Some((id, self.name(id)?, rest))
        })
    }

    /// Returns the members here who do not hear this one.
    pub(super) fn unheard_by(&self, id: Id) -> Option<Arc<[Id]>> {
        self.members.get(&id)?.ignored_by.clone()
    }

    /// Notes whether a member here ignores one elsewhere now.
    fn ignored(&mut self, id: Id, by: Id, now: bool) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let others = without(&member.ignored_by, by);
        member.ignored_by = match now {
            true => Some(others.iter().flat_map(|ids| ids.iter().copied()).chain([by]).collect()),
            false => others,
        };
    }

    /// Notes that a member here is gone, who ignored these.
    pub(super) fn forget_ignorer(&mut self, by: Id, ignored: &[Id]) {
        ignored.iter().filter(|id| id.is_elsewhere()).for_each(|id| self.ignored(*id, by, false));
    }

    /// Replaces the members of a server by these. Returns which are gone, and whether the server is new.
    fn set(&mut self, server: &Server, names: impl IntoIterator<Item = Name>) -> (BTreeSet<Id>, bool) {
        let new = !self.servers.contains_key(server);
        let before = self.servers.insert(server.clone(), BTreeSet::new()).unwrap_or_default();
        for name in names {
            self.add(server, name);
        }
        let stay = self.servers.get(server);
        let gone: BTreeSet<Id> = before.into_iter().filter(|id| stay.is_none_or(|stay| !stay.contains(id))).collect();
        gone.iter().for_each(|id| self.forget(*id));
        (gone, new)
    }

    fn add(&mut self, server: &Server, name: Name) {
        let Some(members) = self.servers.get_mut(server) else { return };
        let key = name.key();
        let known = self.names.get(&key).copied();
        if known.is_none() && self.members.len() >= MAX_ELSEWHERE {
            return;
        }
        let id = known.unwrap_or_else(|| {
            self.given += 1;
            Id::elsewhere(self.given)
        });
        members.insert(id);
        self.names.insert(key, id);
        // The name may be a known one in another case.
        let ignored_by = self.members.remove(&id).and_then(|member| member.ignored_by);
        self.members.insert(id, Member { name, ignored_by });
    }

    /// Gives a member another name, and the member keeps the number: those who ignore or answer the member still do so.
    /// Returns false if the member is not known, or another one has the new name.
    fn rename(&mut self, old: &Name, new: &Name) -> bool {
        let (old, key) = (old.key(), new.key());
        if old != key && self.names.contains_key(&key) {
            return false;
        }
        let Some(id) = self.names.remove(&old) else { return false };
        self.names.insert(key, id);
        if let Some(member) = self.members.get_mut(&id) {
            member.name = new.clone();
        }
        true
    }

    /// Forgets a member who is on no server's list any more. It looks at no other member, because whole lists go at
    /// once.
    fn forget(&mut self, id: Id) {
        if let Some(member) = self.members.remove(&id) {
            self.names.remove(&member.name.key());
        }
    }

    /// Returns a server that is not linked any more, and its members; None if it was not linked.
    fn remove(&mut self, server: &Server) -> Option<(Server, BTreeSet<Id>)> {
        let (server, gone) = self.servers.remove_entry(server)?;
        gone.iter().for_each(|id| self.forget(*id));
        Some((server, gone))
    }
}

impl State {
    /// Lets this room hear what comes from a linked server.
    pub(super) fn hear(&mut self, said: Vec<Elsewhere<'_>>, now: Now) {
        said.into_iter().for_each(|said| self.hear_one(said, now));
        self.settle(now);
    }

    fn hear_one(&mut self, said: Elsewhere<'_>, now: Now) {
        // A member who is not known yet gets the number 0, which no member has.
        let number = |state: &State, name: &Name| state.linked.called(&name.key()).unwrap_or(Id::elsewhere(0));
        let done = |name: &Name| u8::try_from(name.as_str().len()).map_or(Kind::Said, Kind::Done);
        let (message, kind, by) = match said {
            Elsewhere::Said(name, said) => (said, Kind::Said, number(self, &name)),
            Elsewhere::Did(name, action) => (Message::emote(&name, &action), done(&name), number(self, &name)),
            Elsewhere::Shared(name, what) => (Message::shared_elsewhere(&name, &what), Kind::Said, number(self, &name)),
            Elsewhere::Operator(server, line) => (Message::server_at(&server, &line), Kind::Said, Id::elsewhere(0)),
            Elsewhere::Joined(name) => {
                if let Some(server) = self.server_of(&name) {
                    self.linked.add(&server, name.clone());
                }
                (Message::joined(&name), Kind::News, Id::elsewhere(0))
            }
            Elsewhere::Left(name, why) => {
                self.gone_elsewhere(&name);
                let left = why.map_or_else(|| Message::left(&name, None), |why| Message::left_elsewhere(&name, &why));
                (left, Kind::News, Id::elsewhere(0))
            }
            Elsewhere::Renamed(old, new) => {
                if !self.linked.rename(&old, &new) {
                    self.gone_elsewhere(&old);
                    if let Some(server) = self.server_of(&new) {
                        self.linked.add(&server, new.clone());
                    }
                }
                (Message::renamed(&old, &new), Kind::News, Id::elsewhere(0))
            }
            Elsewhere::Private(from, to, text) => return self.hear_private(&from, &to, &text, now),
            Elsewhere::Missed(lines, server) => (Message::missed(lines, &server), Kind::News, Id::elsewhere(0)),
            Elsewhere::Linked(server, names) => {
                let (gone, new) = self.linked.set(&server, names);
                self.members.forget(&gone);
                if !new {
                    return;
                }
                (Message::linked(&server), Kind::News, Id::elsewhere(0))
            }
            Elsewhere::Unlinked(server) => {
                let Some((server, gone)) = self.linked.remove(&server) else { return };
                self.members.forget(&gone);
                (Message::not_linked(&server), Kind::News, Id::elsewhere(0))
            }
        };
        self.append(message, kind, Some(by), now);
    }

    /// Returns the linked server that a name ends in.
    fn server_of(&self, name: &Name) -> Option<Server> {
        let server = Server::parse(name.as_str().split_once('@')?.1)?;
        self.linked.servers.contains_key(&server).then_some(server)
    }

    fn gone_elsewhere(&mut self, name: &Name) {
        let Some(id) = self.linked.called(&name.key()) else { return };
        if let Some(ids) = self.server_of(name).and_then(|server| self.linked.servers.get_mut(&server)) {
            ids.remove(&id);
        }
        self.linked.forget(id);
        self.members.forget(&BTreeSet::from([id]));
    }

    fn hear_private(&mut self, from: &Name, to: &Name, text: &Line<'_>, now: Now) {
        let writer = self.linked.called(&from.key());
        let Some(to) = self.members.called(&to.key()).map(|client| client.id) else { return };
        let Some(client) = self.members.get_mut(to) else { return };
        if writer.is_some_and(|writer| client.ignores().contains(&writer)) {
            return;
        }
        if let Some(writer) = writer {
            client.written_to_by(writer);
        }
        self.stats.lines += 1;
        self.stats.deliveries += 1;
        self.tell(to, Message::private(from, text), now);
    }

    /// Sends a private message to a member of a linked server.
    pub(super) fn send_elsewhere(&mut self, from: Id, name: &Name, to: Id, text: &Line<'_>, now: Now) {
        let Some(to) = self.linked.name(to).cloned() else { return };
        let message = Message::private_elsewhere(name, &to, text);
        let (head, gathers) = (self.log.head(), self.gathering.due().is_some());
        let size = Size { lines: 1, bytes: message.bytes().len() as u64 };
        let fits = self.link.as_mut().is_some_and(|link| {
            let fits = !(link.direct() + size).exceeds(MAX_FOR_LINK);
            if fits {
                link.put(head, now.system, message.into_bytes(), 1);
                if !gathers {
                    link.notify();
                }
            }
            fits
        });
        self.stats.lines += u64::from(fits);
        self.tell(from, if fits { Message::private_sent(&to, text) } else { Message::not_sent_elsewhere(&to) }, now);
    }

    /// A member here stops hearing one of a linked server, or hears them again.
    pub(super) fn ignore_elsewhere(&mut self, id: Id, other: Id) -> Ignored {
        let ignored = self.members.ignore_number(id, other);
        match ignored {
            Ignored::Now => self.linked.ignored(other, id, true),
            Ignored::NotAnyMore => self.linked.ignored(other, id, false),
            Ignored::Oneself | Ignored::TooMany => {}
        }
        ignored
    }
}

#[cfg(test)]
mod tests;
