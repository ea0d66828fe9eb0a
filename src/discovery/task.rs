//! The responder's task: sockets, clock and interfaces around [`Responder`], which decides everything.

use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use async_channel::Sender;
use futures_lite::FutureExt;
use smol::{Async, Timer};

use super::interfaces::{Watch, interfaces};
use super::link::To;
use super::packet::MAX_PACKET;
use super::records::{Net, Service, families};
use super::responder::{Key, Outgoing, Responder};
use super::socket::{everybody, join};

/// The most links that are spoken on. A machine with more is a router, or a host of containers, whose own interfaces come
/// first.
const MAX_LINKS: usize = 32;

/// How long after a change the interfaces are looked at: several addresses come one after another.
const SETTLING: Duration = Duration::from_millis(300);

/// So many packets are taken from a link at once, and none after so long: there are packets that take a hundred times as
/// long to read as others.
const AT_ONCE: usize = 16;
const LONG: Duration = Duration::from_millis(1);

/// If there may be more, nothing is taken for so many times as long as that took, so that a flood of packets takes a
/// tenth of a core at most, which the room does not feel; the system drops what is too much. Between these times,
/// because others are to be answered within them, and a machine with other work takes long for anything.
const REST: u32 = 9;
const MIN_REST: Duration = Duration::from_millis(5);
const MAX_REST: Duration = Duration::from_millis(100);

/// What the server is to be called, and what it tells.
#[derive(Debug, Clone)]
pub struct Options {
    /// The first label of the host's name: `dynasti` for `dynasti.local`.
    pub host: String,
    /// What its services are called: the machine's name.
    pub instance: String,
    /// The services, and where they listen.
    pub services: Vec<Service>,
    /// Counts the packets that are dropped because they are malformed.
    pub dropped: Arc<AtomicU64>,
}

impl Options {
    /// Whether there is nobody to tell: the services listen on loopback alone.
    fn is_silent(&self) -> bool {
        let mut listening = self.services.iter().flat_map(|service| &service.listening);
        listening.all(|at| at.ip().to_canonical().is_loopback())
    }

    /// The most descriptors that are held at once: one for each link, one that tells of changes, and one that asks what
    /// has changed.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        if self.is_silent() { 0 } else { MAX_LINKS + 2 }
    }
}

/// What there is to be said to whoever runs the server.
#[derive(Debug)]
pub enum News {
    /// This host's name is ours, from now on.
    Named(String),
    /// Something does not work, and the server is found there by its address alone.
    Failed(io::Error),
}

/// Tells the network of the server until `shutdown` resolves, and then takes it back. Where the services listen on
/// loopback alone, it opens no socket and says nothing. Nobody has to take the news.
pub async fn run(options: Options, tell: Sender<News>, shutdown: impl Future<Output = ()>) {
    if options.is_silent() {
        shutdown.await;
        return;
    }
    let seed = RandomState::new().hash_one(0);
    let responder = Responder::new(&options.host, &options.instance, options.services.clone(), seed);
    let mut task = Task { options, responder, sockets: BTreeMap::new(), has_failed: false };
    task.serve(&tell).or(shutdown).await;
    task.send(|responder| responder.goodbye());
}

struct Task {
    options: Options,
    responder: Responder,
    sockets: BTreeMap<Key, Async<UdpSocket>>,
    /// Whether a failure was told: once is enough.
    has_failed: bool,
}

/// What has happened.
enum Event {
    Packets,
    Time,
    Change(io::Result<()>),
}

impl Task {
    /// Serves for ever.
    async fn serve(&mut self, tell: &Sender<News>) {
        let mut watch = match Watch::new() {
            Ok(watch) => Some(watch),
            Err(error) => {
                self.fail(error, tell).await;
                return pending().await;
            }
        };
        let mut look_at = Some(Instant::now());
        let mut buffer = vec![0; MAX_PACKET + 1];
        loop {
            if look_at.is_some_and(|at| at <= Instant::now()) {
                look_at = None;
                if let Err(error) = self.look() {
                    self.fail(error, tell).await;
                }
            }
            self.send(|responder| responder.tick(Instant::now()));
            if let Some(name) = self.responder.news() {
                let _ = tell.send(News::Named(name)).await;
            }
            let due = [self.responder.due(), look_at].into_iter().flatten().min();
            let time = async {
                match due {
                    Some(due) => _ = Timer::at(due).await,
                    None => pending().await,
                }
                Event::Time
            };
            let change = async {
                match &watch {
                    Some(watch) => Event::Change(watch.changed().await),
                    None => pending().await,
                }
            };
            let packets = async {
                readable(&self.sockets).await;
                Event::Packets
            };
            let event = time.or(change).or(packets).await;
            match event {
                Event::Time => {}
                Event::Change(Ok(())) => look_at = look_at.or(Some(Instant::now() + SETTLING)),
                Event::Change(Err(error)) => {
                    watch = None;
                    self.fail(error, tell).await;
                }
                Event::Packets => {
                    let begun = Instant::now();
                    if self.receive(&mut buffer) {
                        Timer::after((begun.elapsed() * REST).clamp(MIN_REST, MAX_REST)).await;
                    }
                }
            }
        }
    }

    async fn fail(&mut self, error: io::Error, tell: &Sender<News>) {
        if !std::mem::replace(&mut self.has_failed, true) {
            let _ = tell.send(News::Failed(error)).await;
        }
    }

    /// Looks at the interfaces: opens sockets where there are new links, and closes those of links that have gone. All
    /// that can be opened are, and the error is the first one of the others.
    fn look(&mut self) -> io::Result<()> {
        let mut links: BTreeMap<Key, Vec<Net>> = BTreeMap::new();
        for (index, interface) in interfaces()?.into_iter().filter(|(_, interface)| interface.is_running) {
            for v6 in families(&interface.nets, &self.options.services) {
                if links.len() < MAX_LINKS {
                    links.insert(Key { index, v6 }, interface.nets.clone());
                }
            }
        }
        self.sockets.retain(|key, _| links.contains_key(key));
        let mut failed = Ok(());
        links.retain(|key, _| {
            if !self.sockets.contains_key(key) {
                match join(*key) {
                    Ok(socket) => _ = self.sockets.insert(*key, socket),
                    Err(error) => failed = std::mem::replace(&mut failed, Ok(())).and(Err(error)),
                }
            }
            self.sockets.contains_key(key)
        });
        self.responder.set_links(links, Instant::now());
        failed
    }

    /// Takes in what has come. Returns whether there may be more.
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        let mut may_be_more = false;
        for (key, socket) in &self.sockets {
            let begun = Instant::now();
            for taken in 1..=AT_ONCE {
                // A link that has gone is noticed by the watch.
                let Ok((length, from)) = socket.get_ref().recv_from(buffer) else { break };
                if let Some(bytes) = buffer.get_mut(..length) {
                    self.responder.receive(*key, from, bytes, Instant::now());
                }
                if taken == AT_ONCE || begun.elapsed() >= LONG {
                    may_be_more = true;
                    break;
                }
            }
        }
        self.options.dropped.store(self.responder.dropped(), Ordering::Relaxed);
        may_be_more
    }

    /// Sends what there is to be sent. What the system does not take is lost, as any datagram may be.
    fn send(&mut self, what: impl FnOnce(&mut Responder) -> Vec<Outgoing>) {
        for Outgoing { link, to, bytes } in what(&mut self.responder) {
            let to = match to {
                To::Everybody => everybody(link),
                To::One(one) => one,
            };
            if let Some(socket) = self.sockets.get(&link) {
                let _ = socket.get_ref().send_to(&bytes, to);
            }
        }
    }
}

/// Waits until something can be read from one of these.
pub(crate) async fn readable<K>(sockets: &BTreeMap<K, Async<UdpSocket>>) {
    poll_fn(|cx| {
        // Each is asked, so that each wakes the task.
        let ready = sockets.values().filter(|socket| socket.poll_readable(cx).is_ready()).count();
        if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
