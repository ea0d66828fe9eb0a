//! The rooms of linked servers: who is in them, and what comes from there. Together they and this room are one.
//!
//! Their members have no connection here. They are known by name, as in `Ann@pi2`, and by a number of their own, so that
//! they can be ignored, written to and replied to like anybody. What one of them says is appended to the log like
//! anything else; the link is a reader that hears what comes from here, and not that.
//!
//! Knows nothing of what links the servers, and nothing of whether they are to be believed: names and lines are clean,
//! or they could not be made.

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

/// How many members of other servers are known: those of a hundred servers with a thousand each, and some. They take
/// about 200 bytes each.
pub const MAX_ELSEWHERE: usize = 128 * 1024;

/// What the link may have to read that is for it alone: private messages. It reads at once, whether the other servers can
/// be reached or not.
const MAX_FOR_LINK: Size = Size { lines: 1024, bytes: 128 * 1024 };

/// Something that comes from a linked server. Names are as they are shown here: `Ann@pi2`.
#[derive(Debug)]
pub enum Elsewhere<'a> {
    /// A member says these lines.
    Said(Name, Message),
    /// A member does something.
    Did(Name, Line<'a>),
    /// A member shares a file: what the server says after "shares".
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
    /// So many lines have not come.
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
    /// How many numbers were given.
    given: u64,
}

#[derive(Debug)]
struct Member {
    name: Name,
    /// Who of this server ignores this member.
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

    /// The members, by the servers' names.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.servers.values().flatten().filter_map(|id| self.name(*id))
    }

    /// The name of the member with this number.
    pub(super) fn name(&self, id: Id) -> Option<&Name> {
        self.members.get(&id).map(|member| &member.name)
    }

    /// The member who is called this.
    pub(super) fn called(&self, key: &Key) -> Option<Id> {
        self.names.get(key).copied()
    }

    /// The member that a text begins with, and the rest of the text.
    pub(super) fn find<'a>(&self, text: &'a str) -> Option<(Id, &Name, &'a str)> {
        if self.is_empty() {
            return None;
        }
        addressees(text).find_map(|(key, rest)| {
            let id = self.called(&key)?;
            Some((id, self.name(id)?, rest))
        })
    }

    /// Who of this server does not hear the member.
    pub(super) fn unheard_by(&self, id: Id) -> Option<Arc<[Id]>> {
        self.members.get(&id)?.ignored_by.clone()
    }

    /// A member here ignores one elsewhere, or does not any more.
    fn ignored(&mut self, id: Id, by: Id, now: bool) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let others = without(&member.ignored_by, by);
        member.ignored_by = match now {
            true => Some(others.iter().flat_map(|ids| ids.iter().copied()).chain([by]).collect()),
            false => others,
        };
    }

    /// A member of this server is gone, who ignored these.
    pub(super) fn forget_ignorer(&mut self, by: Id, ignored: &[Id]) {
        ignored.iter().filter(|id| id.is_elsewhere()).for_each(|id| self.ignored(*id, by, false));
    }

    /// Exactly these are the members of a server now. Returns who is gone, and whether the server is new.
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
        // The name of somebody who is known may have been written in another case.
        let ignored_by = self.members.remove(&id).and_then(|member| member.ignored_by);
        self.members.insert(id, Member { name, ignored_by });
    }

    /// Forgets a member who is on no server's list any more. A whole list may go, so this looks at no other.
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
        // Who is not known yet is somebody there all the same.
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
                self.gone_elsewhere(&old);
                if let Some(server) = self.server_of(&new) {
                    self.linked.add(&server, new.clone());
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

    /// The linked server whose member has this name.
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

    /// Says something to one member of a linked server alone.
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
