//! The responder: what the server is called, on all links together. From packets and time to packets and the next time.
//!
//! Knows all links, and decides what happens when a name turns out to be somebody's. Knows no socket and no clock.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::link::{Conflict, Link, To};
use super::names::Numbered;
use super::packet::{decode, encode};
use super::records::{Net, Service, Told};

/// So many names are tried one right after another until one is found that is nobody's: a network with more servers has
/// an owner who names them. It is also where RFC 6762, section 8.1, wants slower tries.
const QUICK_RENAMES: u32 = 15;

/// After that, or once a name was won, the next name is asked for no sooner after the last time that one was lost:
/// whoever takes every name can make the server say a new one once a minute.
const BETWEEN_RENAMES: Duration = Duration::from_secs(60);

/// How many packets of our own are remembered, to know them when they come back: what is sent on every link within a
/// few seconds.
const ECHOES: usize = 64;

/// The most links that are spoken on. A machine with more is a router.
pub(crate) const MAX_LINKS: usize = 32;

/// An interface's number, and whether it is seen by IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The number of the interface.
    pub index: u32,
    /// By IPv6, or by IPv4.
    pub v6: bool,
}

/// A packet to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
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
    /// The addresses of the interface of each link.
    nets: BTreeMap<Key, Vec<Net>>,
    dice: Dice,
    /// How many names may still be tried right away, and when a name was lost the last time: from then on the present
    /// one may be asked for.
    quick: u32,
    lost: Option<Instant>,
    /// Digests of the packets that were sent the last.
    echoes: VecDeque<u64>,
    /// The name that was said to be ours the last.
    known_as: Option<String>,
    dropped: u64,
}

impl Responder {
    /// A responder without any links. `host` is what it wants to be called, one label; `instance` what its services are
    /// called.
    #[must_use]
    pub fn new(host: &str, instance: &str, services: Vec<Service>, seed: u64) -> Responder {
        Responder {
            host: Numbered::new(host),
            instance: Numbered::new(instance),
            services,
            links: BTreeMap::new(),
            nets: BTreeMap::new(),
            dice: Dice::new(seed),
            quick: QUICK_RENAMES,
            lost: None,
            echoes: VecDeque::new(),
            known_as: None,
            dropped: 0,
        }
    }

    /// These are the links from now on, with the addresses of their interfaces.
    pub fn set_links(&mut self, found: BTreeMap<Key, Vec<Net>>, now: Instant) {
        self.links.retain(|key, _| found.contains_key(key));
        let (host, instance) = (self.host.label(), self.instance.label());
        let names = (host.as_str(), instance.as_str());
        for (key, nets) in found.iter().take(MAX_LINKS) {
            let told = Told::new(nets, &self.services);
            match self.links.get_mut(key) {
                Some(_) if self.nets.get(key) == Some(nets) => {}
                Some(link) => link.change(nets.clone(), &told, names, now),
                None => {
                    let start = self.lost.map_or(now, |start| start.max(now));
                    self.links.insert(*key, Link::new(nets.clone(), &told, names, start, &mut self.dice));
                }
            }
        }
        self.nets = found;
    }

    /// When the next name may be asked for, if one is lost now.
    fn start(&self, now: Instant) -> Instant {
        self.lost.filter(|_| self.quick == 0).map_or(now, |lost| now.max(lost + BETWEEN_RENAMES))
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

    /// A name is somebody's: takes the next one, and asks for it on every link.
    fn rename(&mut self, conflict: Conflict, now: Instant) {
        if conflict.host {
            self.host.advance();
        }
        if conflict.instance {
            self.instance.advance();
        }
        let start = self.start(now);
        self.quick = self.quick.saturating_sub(1);
        // A name that is lost while the next one still waits for its turn does not put that off.
        self.lost = Some(start);
        let (host, instance) = (self.host.label(), self.instance.label());
        for (key, link) in &mut self.links {
            let nets = self.nets.get(key).map_or(&[][..], Vec::as_slice);
            link.tell(&Told::new(nets, &self.services), (&host, &instance));
            link.probe(start, &mut self.dice);
        }
    }

    /// When there is something to do, if no packet comes before.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.links.values().filter_map(Link::due).min()
    }

    /// Does what is due, and returns what is to be sent.
    pub fn tick(&mut self, now: Instant) -> Vec<Send> {
        self.links.values_mut().for_each(|link| link.tick(now));
        self.outbox()
    }

    /// Takes everything back that was said, and returns what is to be sent. Nothing is to be done after that.
    pub fn goodbye(&mut self) -> Vec<Send> {
        self.links.values_mut().for_each(Link::goodbye);
        self.outbox()
    }

    fn outbox(&mut self) -> Vec<Send> {
        let mut sends = Vec::new();
        for (key, link) in &mut self.links {
            for (to, packet) in link.outbox() {
                let bytes = encode(&packet);
                sends.push(Send { link: *key, to, bytes });
            }
        }
        // What goes to one host does not come back, and as much of it is sent as others ask for.
        let to_everybody = sends.iter().filter(|send| send.to == To::Everybody);
        self.echoes.extend(to_everybody.map(|send| digest(&send.bytes)));
        while self.echoes.len() > ECHOES {
            self.echoes.pop_front();
        }
        sends
    }

    /// Returns the host's name, if it is ours on every link and was not returned before.
    pub fn news(&mut self) -> Option<String> {
        if self.links.is_empty() || !self.links.values().all(Link::is_ours) {
            return None;
        }
        // Whoever takes it away from now on can do so once a minute.
        self.quick = 0;
        let name = format!("{}.local", self.host.label());
        (self.known_as.as_ref() != Some(&name)).then(|| self.known_as.insert(name).clone())
    }

    /// How many packets were malformed or too large.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// By this a packet of our own is known when it comes back: from the machine itself, or by another interface that is on
/// the same network. Whoever makes one that looks so is not heard.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
