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

/// The most links that are used. A machine with more is a router or a host of containers, and its own interfaces come
/// first.
const MAX_LINKS: usize = 32;

/// How long after a change the interfaces are looked at, because several addresses change one after another.
const SETTLING: Duration = Duration::from_millis(300);

/// How many packets are taken from a link at once, and for how long at most: some packets take a hundred times as long
/// to read as others.
const AT_ONCE: usize = 16;
const LONG: Duration = Duration::from_millis(1);

/// If there may be more packets, the task pauses for this many times as long as the last ones took. So a flood of
/// packets takes a tenth of a core at most, and the system drops what is too much. The pause is never shorter or longer
/// than these: other hosts are still answered in time, even if the machine is busy and the measured time is long.
const REST: u32 = 9;
const MIN_REST: Duration = Duration::from_millis(5);
const MAX_REST: Duration = Duration::from_millis(100);

/// The server's names and services.
#[derive(Debug, Clone)]
pub struct Options {
    /// The first label of the host's name: `dynasti` for `dynasti.local`.
    pub host: String,
    /// What its services are called: the machine's name.
    pub instance: String,
    /// The services, and where they listen.
    pub services: Vec<Service>,
    /// Counts the packets that are dropped: see [`Responder::dropped`].
    pub dropped: Arc<AtomicU64>,
}

impl Options {
    /// Whether nothing is told, because the services listen on loopback alone.
    fn is_silent(&self) -> bool {
        let mut listening = self.services.iter().flat_map(|service| &service.listening);
        listening.all(|at| at.ip().to_canonical().is_loopback())
    }

    /// The most descriptors that are open at once: one for each link, one that is told of changes, and one that lists
    /// the interfaces.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        if self.is_silent() { 0 } else { MAX_LINKS + 2 }
    }
}

/// What the operator is told.
#[derive(Debug)]
pub enum News {
    /// The server has this name from now on.
    Named(String),
    /// Something does not work on a link, and there the server is found by its address alone.
    Failed(io::Error),
}

/// Announces the server on the network until `shutdown` resolves, and then takes that back. If the services listen on
/// loopback alone, it opens no socket and says nothing. The receiver of `tell` may be dropped.
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
    /// Whether a failure was told. Later ones are not.
    has_failed: bool,
}

/// What has happened.
enum Event {
    Packets,
    Time,
    Change(io::Result<()>),
}

impl Task {
    /// Answers for ever.
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
                readable(self.sockets.values()).await;
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

    /// Looks at the interfaces: opens sockets for new links, and closes those of links that are gone.
    ///
    /// # Errors
    /// The first error, if some socket cannot be opened. All others are opened.
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
                // If the link is gone, the watch notices it.
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
pub(crate) async fn readable<'a>(sockets: impl Iterator<Item = &'a Async<UdpSocket>> + Clone) {
    poll_fn(|cx| {
        // All are polled, so that each of them wakes the task.
        let ready = sockets.clone().filter(|socket| socket.poll_readable(cx).is_ready()).count();
        if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
