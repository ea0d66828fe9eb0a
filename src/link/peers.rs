//! The other servers: which lines of each were heard, and who its members are.
//!
//! Each line has a server, an epoch and a number. A line that was heard before is dropped, and missing numbers are
//! counted. The members of a server come as a list, which may be in several parts.
//!
//! Pure: the time is passed in. Knows nothing of connections.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::envelope::{Epoch, Here, Origin};
use crate::room::MAX_ELSEWHERE;
use crate::text::name::Name;
use crate::text::server::Server;

/// A server that is silent for this long is not linked any more: three of its lists have not come.
pub(super) const SILENT_AFTER: Duration = Duration::from_secs(30);

/// How many servers are known. If there are more, the last to come are ignored.
const MAX_SERVERS: usize = 256;

/// How many members of one server are known: sixteen times the default of `--max-clients`. A list is taken in under the
/// room's lock, so its length is also how long this room stands still.
const MAX_NAMES: usize = 16 * 1024;

/// How many epochs of a server are known. A message that comes twice does so soon, and not after this many restarts.
const MAX_EPOCHS: usize = 4;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Peers {
    servers: BTreeMap<Server, Peer>,
}

#[derive(Debug)]
struct Peer {
    /// When it was last heard of.
    heard: Instant,
    /// The epoch in which it is linked, if it is.
    linked: Option<Epoch>,
    /// Its latest epochs.
    epochs: Vec<Lines>,
    /// The last list that was taken in, if no line since then has changed who is there.
    list: Option<(Epoch, u64)>,
    gathering: Option<Gathering>,
}

/// What is known of the lines of an epoch.
#[derive(Debug)]
struct Lines {
    epoch: Epoch,
    /// The number of the last line that was heard.
    heard: Option<u64>,
    /// Lines up to this number were said before the server was known here, so they are not missing.
    before: u64,
}

/// A list of names of which some parts have come, in their order.
#[derive(Debug)]
struct Gathering {
    list: (Epoch, u64),
    next: usize,
    names: Vec<Name>,
}

/// What is new in lines that have come: all but the first `old`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fresh {
    /// How many were missing before them.
    pub(super) missed: u64,
    /// How many of them were heard before. These are the first ones.
    pub(super) old: u64,
}

/// What a part of a list has changed.
#[derive(Debug)]
pub(super) struct Heard {
    /// The server's members, if the list is whole now and has changed.
    pub(super) members: Option<Vec<Name>>,
    /// Whether the server was not linked before.
    pub(super) is_new: bool,
}

impl Peer {
    /// Returns what is known of an epoch's lines. If an earlier epoch is known, this one is heard from its first line
    /// on, and `before` is ignored.
    fn lines(&mut self, epoch: Epoch, before: u64) -> &mut Lines {
        let known = self.epochs.iter().position(|lines| lines.epoch == epoch);
        let at = known.unwrap_or_else(|| {
            let before = if self.epochs.is_empty() { before } else { 0 };
            self.epochs.truncate(MAX_EPOCHS - 1);
            self.epochs.insert(0, Lines { epoch, heard: None, before });
            0
        });
        &mut self.epochs[at]
    }
}

impl Peers {
    fn peer(&mut self, server: &Server, now: Instant) -> Option<&mut Peer> {
        if self.servers.len() >= MAX_SERVERS && !self.servers.contains_key(server) {
            let gone = self.servers.iter().filter(|(_, peer)| peer.linked.is_none());
            let oldest = gone.min_by_key(|(_, peer)| peer.heard).map(|(server, _)| server.clone())?;
            self.servers.remove(&oldest);
        }
        let new = Peer { heard: now, linked: None, epochs: Vec::new(), list: None, gathering: None };
        let peer = self.servers.entry(server.clone()).or_insert(new);
        peer.heard = now;
        Some(peer)
    }

    /// Notes that so many lines of a server have come. Returns what is new in them, or None if too many servers are
    /// known.
    pub(super) fn lines(&mut self, origin: &Origin, count: u64, now: Instant) -> Option<Fresh> {
        let peer = self.peer(&origin.server, now)?;
        let lines = peer.lines(origin.epoch, origin.first - 1);
        let next = lines.heard.unwrap_or(lines.before.min(origin.first - 1)) + 1;
        lines.heard = Some((next - 1).max(origin.first + count - 1));
        Some(Fresh { missed: origin.first.saturating_sub(next), old: next.saturating_sub(origin.first).min(count) })
    }

    /// Notes that a line has changed who is at a server. The next list is taken in then, even if it came before.
    pub(super) fn changed(&mut self, server: &Server) {
        if let Some(peer) = self.servers.get_mut(server) {
            peer.list = None;
        }
    }

    /// Takes in a part of a server's list. Returns None if too many servers are known.
    pub(super) fn here(&mut self, server: &Server, epoch: Epoch, here: &Here<'_>, now: Instant) -> Option<Heard> {
        let gathering = self.servers.values().filter_map(|peer| peer.gathering.as_ref());
        let spare = MAX_ELSEWHERE.saturating_sub(gathering.map(|gathering| gathering.names.len()).sum());
        let peer = self.peer(server, now)?;
        peer.lines(epoch, here.stored);
        let is_new = peer.linked.replace(epoch).is_none();
        let list = (epoch, here.revision);
        let mut heard = Heard { members: None, is_new };
        if peer.list == Some(list) && !is_new {
            return Some(heard);
        }
        let gathering = peer.gathering.take_if(|gathering| gathering.list == list && gathering.next == here.part);
        let mut gathering = match gathering {
            Some(gathering) => gathering,
            // A part is missing, so the list will not be whole.
            None if here.part == 0 => Gathering { list, next: 0, names: Vec::new() },
            None => return Some(heard),
        };
        gathering.names.extend(here.names(server).take(spare.min(MAX_NAMES - gathering.names.len())));
        gathering.next += 1;
        if gathering.next == here.parts {
            peer.list = Some(list);
            heard.members = Some(gathering.names);
        } else {
            peer.gathering = Some(gathering);
        }
        Some(heard)
    }

    /// Notes that a server stops. Returns whether it was linked.
    pub(super) fn bye(&mut self, server: &Server, epoch: Epoch) -> bool {
        let Some(peer) = self.servers.get_mut(server) else { return false };
        (peer.list, peer.gathering) = (None, None);
        peer.linked.take_if(|linked| *linked == epoch).is_some()
    }

    /// Unlinks a server that has been silent for too long. Returns it, or None if there is no such server.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Server> {
        let (server, peer) =
            self.servers.iter_mut().find(|(_, peer)| peer.linked.is_some() && peer.heard + SILENT_AFTER <= now)?;
        (peer.linked, peer.list, peer.gathering) = (None, None, None);
        Some(server.clone())
    }

    /// Returns when [`Peers::expire`] is to be called again.
    pub(super) fn next(&self) -> Option<Instant> {
        let linked = self.servers.values().filter(|peer| peer.linked.is_some());
        linked.map(|peer| peer.heard + SILENT_AFTER).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::link::envelope::{self, Presence};
    use crate::token::Token;

    fn server(name: &str) -> Server {
        Server::parse(name).unwrap()
    }

    fn epoch(n: u64) -> Epoch {
        Epoch::new(SystemTime::UNIX_EPOCH + Duration::from_millis(n), Token::from(7))
    }

    fn origin(n: u64, first: u64) -> Origin {
        Origin { server: server("pi2"), epoch: epoch(n), first }
    }

    /// A list of pi2's, in its parts.
    fn here(n: u64, revision: u64, names: &[&str]) -> Vec<String> {
        let names: Vec<Name> = names.iter().map(|name| Name::parse(name).unwrap()).collect();
        envelope::here(&server("pi2"), epoch(n), revision, 5, &names)
    }

    fn hear(peers: &mut Peers, payload: &str, now: Instant) -> Heard {
        match envelope::presence(payload) {
            Some((server, epoch, Presence::Here(here))) => peers.here(&server, epoch, &here, now).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn names(heard: &Heard) -> Option<Vec<&str>> {
        heard.members.as_ref().map(|names| names.iter().map(Name::as_str).collect())
    }

    #[test]
    fn what_was_heard_is_not_heard_again_and_what_is_missing_is_counted() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        let mut fresh = |n, first, count| {
            let Fresh { missed, old } = peers.lines(&origin(n, first), count, now).unwrap();
            (missed, old)
        };
        // It began before it was known here.
        assert_eq!(fresh(1, 5000, 2), (0, 0));
        assert_eq!(fresh(1, 5000, 2), (0, 2));
        assert_eq!(fresh(1, 5001, 3), (0, 1));
        assert_eq!(fresh(1, 5010, 1), (6, 0));
        assert_eq!(fresh(1, 4000, 5), (0, 5));
        // The next one begins with its first line, and the last one may still come again.
        assert_eq!(fresh(2, 3, 2), (2, 0));
        assert_eq!(fresh(1, 5010, 2), (0, 1));
        assert_eq!(fresh(2, 1, 5), (0, 4));
    }

    #[test]
    fn an_epoch_that_was_announced_begins_with_its_first_line() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        hear(&mut peers, &here(1, 1, &[])[0], now);
        hear(&mut peers, &here(2, 1, &[])[0], now);
        assert_eq!(peers.lines(&origin(2, 9), 1, now), Some(Fresh { missed: 8, old: 0 }));
    }

    #[test]
    fn what_was_said_before_a_server_was_known_is_not_missed_and_what_came_later_is() {
        let now = Instant::now();
        for (first, missed) in [(1, 0), (5, 0), (6, 0), (7, 1), (9, 3)] {
            let mut peers = Peers::default();
            // Five lines were there already.
            hear(&mut peers, &here(1, 1, &[])[0], now);
            assert_eq!(peers.lines(&origin(1, first), 1, now), Some(Fresh { missed, old: 0 }), "{first}");
            hear(&mut peers, &here(1, 2, &[])[0], now);
            assert_eq!(peers.lines(&origin(1, first + 2), 1, now), Some(Fresh { missed: 1, old: 0 }), "{first}");
        }
    }

    #[test]
    fn a_list_counts_when_all_of_it_has_come() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        let first = hear(&mut peers, &here(1, 1, &["Ann", "Bob"])[0], now);
        assert!(first.is_new && names(&first) == Some(vec!["Ann@pi2", "Bob@pi2"]));
        let again = hear(&mut peers, &here(1, 1, &["Ann", "Bob"])[0], now);
        assert!(again.members.is_none() && !again.is_new);
        peers.changed(&server("pi2"));
        assert!(hear(&mut peers, &here(1, 1, &["Ann"])[0], now).members.is_some());
        let many: Vec<String> = (0..4000).map(|n| format!("member {n:0>12}")).collect();
        let parts = here(1, 2, &many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(parts.len() > 2);
        // A part is missing.
        for part in [0, 2] {
            assert!(hear(&mut peers, &parts[part], now).members.is_none());
        }
        let whole: Vec<Heard> = parts.iter().map(|part| hear(&mut peers, part, now)).collect();
        assert_eq!(whole.last().and_then(names).map(|names| names.len()), Some(4000));
    }

    #[test]
    fn who_is_not_heard_of_is_not_linked_any_more() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        assert_eq!(peers.next(), None);
        hear(&mut peers, &here(1, 1, &[])[0], now);
        assert_eq!(peers.next(), Some(now + SILENT_AFTER));
        let later = now + Duration::from_secs(10);
        peers.lines(&origin(1, 1), 1, later);
        assert_eq!(peers.expire(now + SILENT_AFTER), None);
        assert_eq!(peers.expire(later + SILENT_AFTER), Some(server("pi2")));
        assert_eq!((peers.expire(later + SILENT_AFTER), peers.next()), (None, None));
        // What it has said is known all the same.
        assert_eq!(peers.lines(&origin(1, 1), 1, later), Some(Fresh { missed: 0, old: 1 }));
        let back = hear(&mut peers, &here(1, 1, &["Ann"])[0], later);
        assert!(back.is_new && back.members.is_some());
        assert!(!peers.bye(&server("pi2"), epoch(2)) && peers.bye(&server("pi2"), epoch(1)));
        assert!(!peers.bye(&server("pi2"), epoch(1)));
    }

    #[test]
    fn no_more_servers_are_known_than_may_be() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        let of = |n: usize| Origin { server: server(&format!("s{n}")), ..origin(1, 1) };
        let linked = |peers: &mut Peers, n| {
            let payload = envelope::here(&server(&format!("s{n}")), epoch(1), 1, 0, &[]).remove(0);
            let Some((server, epoch, Presence::Here(here))) = envelope::presence(&payload) else { panic!("{payload}") };
            peers.here(&server, epoch, &here, now).is_some()
        };
        assert!((0..MAX_SERVERS - 1).all(|n| linked(&mut peers, n)));
        // One place is for whoever is not linked, the latest of them.
        assert!((1000..1009).all(|n| peers.lines(&of(n), 1, now).is_some()));
        assert!(linked(&mut peers, 2000) && !linked(&mut peers, 2001));
        assert_eq!(peers.lines(&of(2002), 1, now), None);
        assert_eq!(peers.servers.len(), MAX_SERVERS);
    }

    #[test]
    fn lists_that_are_never_whole_hold_no_more_names_than_may_be() {
        let (mut peers, now) = (Peers::default(), Instant::now());
        let many = "A\n".repeat(7000);
        for n in 0..MAX_SERVERS {
            for part in 0..3 {
                let payload = format!("here s{n} {} 1 {part} 9 0\n{many}", epoch(1));
                let Some((server, epoch, Presence::Here(here))) = envelope::presence(&payload) else { panic!("{n}") };
                peers.here(&server, epoch, &here, now);
            }
        }
        let gathered = peers.servers.values().filter_map(|peer| peer.gathering.as_ref());
        let gathered: Vec<usize> = gathered.map(|gathering| gathering.names.len()).collect();
        assert_eq!((gathered.iter().sum::<usize>(), gathered[0]), (MAX_ELSEWHERE, MAX_NAMES));
    }
}
