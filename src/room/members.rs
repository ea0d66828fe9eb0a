//! The list of clients: which are here, under which names, which ignore which, and who wrote to whom last.
//!
//! Knows names. Knows nothing of how a message reaches a member: that is the reader's job.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backpressure::Patience;
use super::log::Id;
use super::reader::Handle;
use crate::text::command::addressees;
use crate::text::name::{Key, Name};

/// How many others one member may ignore. All of them are searched whenever somebody leaves.
pub(super) const MAX_IGNORED: usize = 100;

/// How often a member may change the name, and within which time. Each change is a notice to everybody.
pub(super) const MAX_RENAMES: usize = 12;
pub(super) const RENAMES_WITHIN: Duration = Duration::from_secs(60);

/// A connection, with a name or without one yet.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: Id,
    pub(super) address: SocketAddr,
    pub(super) reader: Handle,
    /// When it got its first name; before that, when it came.
    pub(super) since: Instant,
    pub(super) name: Option<Name>,
    pub(super) muted: bool,
    pub(super) patience: Patience,
    relations: Relations,
}

/// What is between one member and others. Boxed, because most members ignore nobody and write to nobody alone.
#[derive(Debug, Default)]
struct Relations(Option<Box<Related>>);

#[derive(Debug, Default)]
struct Related {
    /// The members who ignore this member.
    ignored_by: Option<Arc<[Id]>>,
    /// The members whom this member ignores.
    ignores: Vec<Id>,
    /// The member who sent this member the last private message.
    last_writer: Option<Id>,
    /// When this member changed the name, within `RENAMES_WITHIN`.
    renames: Vec<Instant>,
}

impl Client {
    /// Returns the others who do not hear what this member says.
    pub(super) fn unheard_by(&self) -> Option<Arc<[Id]>> {
        self.relations.0.as_ref()?.ignored_by.clone()
    }

    /// Returns the members whom this member ignores.
    pub(super) fn ignores(&self) -> &[Id] {
        self.relations.0.as_ref().map_or(&[], |related| &related.ignores)
    }

    /// Returns the member who sent this member the last private message, if that one is still here.
    pub(super) fn last_writer(&self) -> Option<Id> {
        self.relations.0.as_ref()?.last_writer
    }

    /// Notes who has sent this member a private message.
    pub(super) fn written_to_by(&mut self, writer: Id) {
        self.related().last_writer = Some(writer);
    }

    /// Counts a change of the name. Returns how long the member is to wait if there were too many.
    pub(super) fn count_rename(&mut self, now: Instant) -> Result<(), Duration> {
        let renames = &mut self.related().renames;
        renames.retain(|at| *at + RENAMES_WITHIN > now);
        match renames.first() {
            Some(first) if renames.len() >= MAX_RENAMES => Err(*first + RENAMES_WITHIN - now),
            _ => {
                renames.push(now);
                Ok(())
            }
        }
    }

    fn related(&mut self) -> &mut Related {
        self.relations.0.get_or_insert_default()
    }
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Members {
    /// In the order in which they came, which is that of their numbers.
    #[expect(
        clippy::vec_box,
        reason = "a list has room for up to twice as many as it holds, and a place in it is small so"
    )]
    clients: Vec<Box<Client>>,
    names: HashMap<Key, Id>,
    next: NonZeroU64,
}

/// A member that a text begins with, and the rest of the text.
pub(super) struct Found<'a> {
    pub(super) id: Id,
    pub(super) name: Name,
    pub(super) address: IpAddr,
    pub(super) rest: &'a str,
}

/// The result of `/ignore`, which also lets somebody be heard again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ignored {
    Oneself,
    Now,
    NotAnyMore,
    TooMany,
}

impl Members {
    /// Returns an empty list. The first client gets the number after `last`.
    pub(super) fn new(last: Id) -> Members {
        Members { clients: Vec::new(), names: HashMap::new(), next: last.0.saturating_add(1) }
    }

    /// The number that the next connection gets.
    pub(super) fn next_id(&self) -> Id {
        Id(self.next)
    }

    /// Puts a connection without a name on the list. Its number is [`Members::next_id`].
    pub(super) fn enter(&mut self, address: SocketAddr, reader: Handle, now: Instant) {
        let id = Id(self.next);
        self.next = self.next.saturating_add(1);
        self.clients.push(Box::new(Client {
            id,
            address,
            reader,
            since: now,
            name: None,
            muted: false,
            patience: Patience::default(),
            relations: Relations::default(),
        }));
    }

    /// Removes a connection from the list. Its name is free, and nobody ignores it or replies to it any more.
    pub(super) fn remove(&mut self, id: Id) -> Option<Box<Client>> {
        let gone = self.clients.remove(self.index(id)?);
        let Some(name) = &gone.name else { return Some(gone) };
        self.names.remove(&name.key());
        for other in &mut self.clients {
            let Some(related) = &mut other.relations.0 else { continue };
            if gone.ignores().contains(&other.id) {
                related.ignored_by = without(&related.ignored_by, id);
            }
            related.ignores.retain(|ignored| *ignored != id);
            if related.last_writer == Some(id) {
                related.last_writer = None;
            }
        }
        Some(gone)
    }

    /// Gives a client who is here this name, its first or another.
    ///
    /// # Errors
    /// When another client has it. The error is that client.
    pub(super) fn give(&mut self, id: Id, name: &Name) -> Result<(), Id> {
        if let Some(holder) = self.names.get(&name.key()).filter(|holder| **holder != id) {
            return Err(*holder);
        }
        let Some(at) = self.index(id) else { return Ok(()) };
        if let Some(old) = self.clients[at].name.replace(name.clone()) {
            self.names.remove(&old.key());
        }
        self.names.insert(name.key(), id);
        Ok(())
    }

    /// Makes a member ignore another member, or hear them again.
    pub(super) fn ignore(&mut self, id: Id, other: Id) -> Ignored {
        let Some(of) = self.index(other) else { return Ignored::Oneself };
        let ignored = self.ignore_number(id, other);
        let by = &mut self.clients[of].related().ignored_by;
        match ignored {
            Ignored::Now => *by = Some(by.iter().flat_map(|by| by.iter().copied()).chain([id]).collect()),
            Ignored::NotAnyMore => *by = without(by, id),
            Ignored::Oneself | Ignored::TooMany => {}
        }
        ignored
    }

    /// Does the half of [`Members::ignore`] that is noted with the member who ignores. The caller notes the other half.
    pub(super) fn ignore_number(&mut self, id: Id, other: Id) -> Ignored {
        let Some(client) = self.get_mut(id).filter(|_| id != other) else { return Ignored::Oneself };
        let ignores = &mut client.related().ignores;
        match ignores.iter().position(|ignored| *ignored == other) {
            Some(ignored) => {
                ignores.swap_remove(ignored);
                Ignored::NotAnyMore
            }
            None if ignores.len() == MAX_IGNORED => Ignored::TooMany,
            None => {
                ignores.push(other);
                Ignored::Now
            }
        }
    }

    /// Notes that members of other servers are gone: nobody ignores them or replies to them any more.
    pub(super) fn forget(&mut self, gone: &BTreeSet<Id>) {
        if gone.is_empty() {
            return;
        }
        for related in self.clients.iter_mut().filter_map(|client| client.relations.0.as_mut()) {
            related.ignores.retain(|ignored| !gone.contains(ignored));
            related.last_writer = related.last_writer.filter(|writer| !gone.contains(writer));
        }
    }

    fn index(&self, id: Id) -> Option<usize> {
        self.clients.binary_search_by_key(&id, |client| client.id).ok()
    }

    pub(super) fn get(&self, id: Id) -> Option<&Client> {
        self.index(id).map(|at| &*self.clients[at])
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Client> {
        self.index(id).map(|at| &mut *self.clients[at])
    }

    /// Returns the member who has this name.
    pub(super) fn called(&self, key: &Key) -> Option<&Client> {
        self.get(*self.names.get(key)?)
    }

    /// Returns the member whose name a text begins with. Names have spaces, so it is the longest name that fits.
    pub(super) fn find<'a>(&self, text: &'a str) -> Option<Found<'a>> {
        addressees(text).find_map(|(key, rest)| {
            let client = self.called(&key)?;
            Some(Found { id: client.id, name: client.name.clone()?, address: client.address.ip(), rest })
        })
    }

    /// Every connection, with a name or without.
    pub(super) fn all(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().map(|client| &**client)
    }

    /// Every member, with its name.
    pub(super) fn named(&self) -> impl Iterator<Item = (&Client, &Name)> {
        self.all().filter_map(|client| Some((client, client.name.as_ref()?)))
    }

    /// Every member.
    pub(super) fn named_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.clients.iter_mut().map(|client| &mut **client).filter(|client| client.name.is_some())
    }

    /// Returns how many members there are.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }
}

/// Returns the list without this member; None if it is empty then.
pub(super) fn without(list: &Option<Arc<[Id]>>, id: Id) -> Option<Arc<[Id]>> {
    let rest: Arc<[Id]> = list.iter().flat_map(|list| list.iter().copied()).filter(|other| *other != id).collect();
    (!rest.is_empty()).then_some(rest)
}
