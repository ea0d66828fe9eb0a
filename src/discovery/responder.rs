//! The responder: all links together, and what the server is called on them. It has no socket and no clock: packets and
//! the time go in, packets and the time of the next call come out.
//!
//! If a name is taken on any link, the responder chooses the next one, and probes for it on every link.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::link::{Conflict, Link, To};
use super::names::Numbered;
use super::packet::{decode, encode};
use super::records::{Net, Service, Told};

/// How many names are tried right after another until one is free. On a network with more servers their owner gives
/// them names. After so many, RFC 6762, section 8.1, wants slower tries.
const QUICK_RENAMES: u32 = 15;

/// After that, or once a name was ours, the next name is probed for no sooner than this after the last loss of a name.
/// So a host that takes every name away makes the server say a new one once a minute at most.
const BETWEEN_RENAMES: Duration = Duration::from_secs(60);

/// How many packets of our own are remembered, so that they are ignored when they come back: those that are sent on all
/// links within a few seconds.
const ECHOES: usize = 64;

/// What tells links apart: an interface, and a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The number of the interface.
    pub index: u32,
    /// Whether the family is IPv6; if not, it is IPv4.
    pub v6: bool,
}

/// A packet to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// On which link.
    pub link: Key,
    /// To whom.
    pub to: To,
    /// The packet.
    pub bytes: Vec<u8>,
}

/// See the module's head.
#[derive(Debug)]
pub struct Responder {
    host: Numbered,
    instance: Numbered,
    services: Vec<Service>,
    links: BTreeMap<Key, Link>,
    dice: Dice,
    /// How many names may still be tried without a wait.
    quick: u32,
    /// When probing for the present name may begin. None for the first name.
    start: Option<Instant>,
    /// Digests of the packets that were sent last.
    echoes: VecDeque<u64>,
    /// The name that [`Responder::news`] returned last.
    known_as: Option<String>,
    dropped: u64,
}

impl Responder {
    /// Makes a responder without any links. `host` is the name that it tries first, one label. `instance` is the name
    /// of its services.
    #[must_use]
    pub fn new(host: &str, instance: &str, services: Vec<Service>, seed: u64) -> Responder {
        Responder {
            host: Numbered::new(host),
            instance: Numbered::new(instance),
            services,
            links: BTreeMap::new(),
            dice: Dice::new(seed),
            quick: QUICK_RENAMES,
            start: None,
            echoes: VecDeque::new(),
            known_as: None,
            dropped: 0,
        }
    }

    /// Sets the links, with the addresses of their interfaces. Links that are not among them are dropped.
    pub fn set_links(&mut self, found: BTreeMap<Key, Vec<Net>>, now: Instant) {
        self.links.retain(|key, _| found.contains_key(key));
        let (host, instance) = (self.host.label(), self.instance.label());
        let names = (host.as_str(), instance.as_str());
        for (key, nets) in found {
            let told = Told::new(&nets, &self.services);
            match self.links.get_mut(&key) {
                Some(link) if link.nets() == nets => {}
                Some(link) => link.change(nets, &told, names, now),
                None => {
                    let start = self.start.map_or(now, |start| start.max(now));
                    self.links.insert(key, Link::new(nets, &told, names, start, &mut self.dice));
                }
            }
        }
    }

    /// Takes in a packet.
    pub fn receive(&mut self, link: Key, from: SocketAddr, bytes: &mut [u8], now: Instant) {
        if self.echoes.contains(&digest(bytes)) {
            return;
        }
        let Some(packet) = decode(bytes) else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        let Some(link) = self.links.get_mut(&link) else { return };
        let conflict = link.receive(&packet, from, now, &mut self.dice);
        if conflict != Conflict::default() {
            self.rename(conflict, now);
        }
    }

    /// A name is taken: goes on to the next one, and probes for it on every link.
    fn rename(&mut self, conflict: Conflict, now: Instant) {
        if conflict.host {
            self.host.advance();
        }
        if conflict.instance {
            self.instance.advance();
        }
        let start = self.start.filter(|_| self.quick == 0).map_or(now, |last| now.max(last + BETWEEN_RENAMES));
        self.quick = self.quick.saturating_sub(1);
        self.start = Some(start);
        let (host, instance) = (self.host.label(), self.instance.label());
        for link in self.links.values_mut() {
            link.tell(&Told::new(link.nets(), &self.services), (&host, &instance));
            link.probe(start, &mut self.dice);
        }
    }

    /// Returns when `tick` is to be called, if no packet comes before.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.links.values().filter_map(Link::due).min()
    }

    /// Does what is due, and returns what is to be sent.
    pub fn tick(&mut self, now: Instant) -> Vec<Outgoing> {
        self.links.values_mut().for_each(|link| link.tick(now));
        if self.is_ours() {
            // From now on the name can be taken away once a minute at most.
            self.quick = 0;
        }
        self.outbox()
    }

    /// Takes back everything that was announced, and returns what is to be sent. It is the last call.
    pub fn goodbye(&mut self) -> Vec<Outgoing> {
        self.links.values_mut().for_each(Link::goodbye);
        self.outbox()
    }

    fn outbox(&mut self) -> Vec<Outgoing> {
        let mut sends = Vec::new();
        for (key, link) in &mut self.links {
            for (to, packet) in link.outbox() {
                let bytes = encode(&packet);
                sends.push(Outgoing { link: *key, to, bytes });
            }
        }
        // Only multicast packets come back. Unicast ones would fill the list, as many as other hosts ask for.
        let to_everybody = sends.iter().filter(|send| send.to == To::Everybody);
        self.echoes.extend(to_everybody.map(|send| digest(&send.bytes)));
        while self.echoes.len() > ECHOES {
            self.echoes.pop_front();
        }
        sends
    }

    /// Whether the names are ours on every link.
    fn is_ours(&self) -> bool {
        !self.links.is_empty() && self.links.values().all(Link::is_ours)
    }

    /// Returns the host's name, if it is ours on every link and was not returned before.
    pub fn news(&mut self) -> Option<String> {
        if !self.is_ours() {
            return None;
        }
        let name = format!("{}.local", self.host.label());
        (self.known_as.as_ref() != Some(&name)).then(|| self.known_as.insert(name).clone())
    }

    /// Returns how many packets were dropped: malformed, too large, or of a kind that is to be ignored.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// A packet of our own may come back: from the machine itself, or by another interface on the same network. It is known
/// by this digest. A stranger's packet with the same digest is ignored, too, which harms only the stranger.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
