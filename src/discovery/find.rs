//! Finds the servers on this network, for `dynasti find` and for `dynasti join` without an address.
//!
//! It asks like a host that speaks plain DNS (RFC 6762, section 5.1), so the answers come to its own socket. Unicast
//! answers to the port of multicast DNS could go to an Avahi or a server on this machine instead. If nobody answers, it
//! asks once more, and from the port of multicast DNS, too: a firewall may let in answers to that port only.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use futures_lite::FutureExt;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};
use smol::{Async, Timer};

use super::interfaces::{Interface, interfaces};
use super::link::PORT;
use super::packet::{MAX_PACKET, decode, encode};
use super::records::{PAGE, ROOM, is_link_local, name};
use super::responder::Key;
use super::socket::{ask, everybody, join};
use super::task::readable;

/// How long it waits for answers in all: the contract's 2 s, with some slack.
const PATIENCE: Duration = Duration::from_millis(1900);

/// When it asks again. RFC 6762, section 5.2.
const AGAIN: Duration = Duration::from_secs(1);

/// How long it waits for further servers after the first one, when not all are wanted. Hosts that share a record answer
/// within 120 ms, and Wi-Fi may delay a packet as much.
const SETTLING: Duration = Duration::from_millis(400);

/// The most records that are remembered. They are those of more servers than a person chooses from, and a hostile
/// machine cannot fill more memory than this.
const MAX_RECORDS: usize = 512;

/// How many packets are taken from a socket before the clock is looked at again.
const AT_ONCE: usize = 64;

/// The most questions in a packet, so that it fits into one Ethernet frame.
const MAX_QUESTIONS: usize = 8;

/// A server on this network. It is displayed as a line: its name and port, its address, and its page if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name, which ends in `.local`.
    pub name: String,
    /// One of its addresses, IPv4 if there is one. A link-local one has its interface after a `%`.
    pub address: String,
    /// The port for `nc`.
    pub port: u16,
    /// The port of its page, if it has one.
    pub page: Option<u16>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { name, address, port, page } = self;
        write!(f, "{name}:{port}  {address}")?;
        match page {
            // A browser takes no address with an interface.
            Some(page) if address.contains('%') => write!(f, "  http://{name}:{page}/"),
            Some(page) if address.contains(':') => write!(f, "  http://[{address}]:{page}/"),
            Some(page) => write!(f, "  http://{address}:{page}/"),
            None => Ok(()),
        }
    }
}

/// What was heard so far.
#[derive(Debug, Default)]
struct Heard {
    /// Each record, with the number of the interface by which it came.
    records: Vec<(u32, ResourceRecord<'static>)>,
}

impl Heard {
    /// Takes in what a packet says of servers. `index` is the interface by which it came. Records of other services are
    /// ignored.
    fn take(&mut self, index: u32, packet: &Packet<'_>) {
        let services = [ROOM, PAGE].map(service);
        // Three rounds, because the records may stand in any order, and each kind leads to the next: the service to its
        // instances, these to their hosts, and these to their addresses.
        for _ in 0..3 {
            for record in packet.answers.iter().chain(&packet.additional_records) {
                let is_there = |(at, known): &(u32, ResourceRecord<'_>)| *at == index && known == record;
                if self.records.len() < MAX_RECORDS
                    && self.is_wanted(record, &services)
                    && !self.records.iter().any(is_there)
                {
                    self.records.push((index, record.clone().into_owned()));
                }
            }
        }
    }

    fn is_wanted(&self, record: &ResourceRecord<'_>, [room, page]: &[Name<'static>; 2]) -> bool {
        let name = &record.name;
        let leads_here = |rdata: &RData<'_>| match (rdata, &record.rdata) {
            (RData::PTR(instance), RData::SRV(_)) => instance.get_labels().first() == name.get_labels().first(),
            (RData::SRV(srv), RData::A(_) | RData::AAAA(_)) => srv.target == *name,
            _ => false,
        };
        let is_led_to = || self.records.iter().any(|(_, known)| leads_here(&known.rdata));
        let is_wanted = match &record.rdata {
            RData::PTR(_) => name == room,
            RData::SRV(srv) => {
                srv.port > 0 && (name.is_subdomain_of(room) || name.is_subdomain_of(page)) && is_led_to()
            }
            rdata => address(rdata).is_some_and(can_be_joined) && is_led_to(),
        };
        is_wanted && record.class == CLASS::IN && record.ttl > 0
    }

    /// Returns the data of this name, each with its interface.
    fn of<'a>(&'a self, name: &'a Name<'_>) -> impl Iterator<Item = (u32, &'a RData<'static>)> {
        self.records
            .iter()
            .filter(move |(_, record)| record.name == *name)
            .map(|(index, record)| (*index, &record.rdata))
    }

    /// Returns the instances of the room's service, as full names.
    fn instances(&self) -> Vec<Name<'static>> {
        let mut instances: Vec<Name<'static>> = Vec::new();
        for (_, data) in self.of(&service(ROOM)) {
            if let RData::PTR(to) = data {
                if !instances.contains(&to.0) {
                    instances.push(to.0.clone());
                }
            }
        }
        instances
    }

    /// Returns the host and the port of an instance.
    fn server(&self, instance: &Name<'_>) -> Option<(&Name<'static>, u16)> {
        self.records.iter().find_map(|(_, record)| match &record.rdata {
            RData::SRV(srv) if record.name == *instance => Some((&srv.target, srv.port)),
            _ => None,
        })
    }

    /// Returns the best address of a host, and the interface by which it came.
    fn best_address(&self, host: &Name<'_>) -> Option<(IpAddr, u32)> {
        let told = self.of(host).filter_map(|(index, rdata)| Some((address(rdata)?, index)));
        told.min_by_key(|(ip, _)| (ip.is_ipv6(), is_link_local(*ip), *ip))
    }

    /// Returns the servers of which enough is known to join them.
    fn found(&self, interfaces: &BTreeMap<u32, Interface>) -> Vec<Found> {
        let mut servers = Vec::new();
        for instance in self.instances() {
            let Some((host, port)) = self.server(&instance) else { continue };
            let (Some(shown), Some((ip, index))) = (shown(host), self.best_address(host)) else {
                continue;
            };
            let page = page_of(&instance).and_then(|page| self.server(&page)).filter(|(at, _)| *at == host);
            let address = match interfaces.get(&index) {
                Some(interface) if is_link_local(ip) => format!("{ip}%{}", interface.name),
                _ => ip.to_string(),
            };
            let found = Found { name: shown, address, port, page: page.map(|(_, port)| port) };
            if !servers.contains(&found) {
                servers.push(found);
            }
        }
        servers.sort_by(|one, other| (&one.name, one.port).cmp(&(&other.name, other.port)));
        servers
    }

    /// Returns what is to be asked next: where each server is, and whether it has a page.
    fn missing(&self) -> Vec<(Name<'static>, TYPE)> {
        let mut missing = Vec::new();
        for instance in self.instances() {
            match self.server(&instance) {
                None => missing.push((instance.clone(), TYPE::SRV)),
                Some((host, _)) if self.best_address(host).is_none() => {
                    missing.extend([(host.clone(), TYPE::A), (host.clone(), TYPE::AAAA)]);
                }
                Some(_) => {}
            }
            let page = page_of(&instance).filter(|page| self.server(page).is_none());
            missing.extend(page.map(|page| (page, TYPE::SRV)));
        }
        missing
    }
}

fn address(rdata: &RData<'_>) -> Option<IpAddr> {
    match rdata {
        RData::A(a) => Some(Ipv4Addr::from(a.address).into()),
        RData::AAAA(aaaa) => Some(Ipv6Addr::from(aaaa.address).into()),
        _ => None,
    }
}

/// Whether a server may have this address. A hostile machine could name a loopback address, and people would connect to
/// their own machines.
fn can_be_joined(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || is_broadcast)
}

fn service(kind: &str) -> Name<'static> {
    let labels: Vec<&str> = kind.split('.').chain(["local"]).collect();
    name(&labels)
}

/// Returns the instance of the page at the same server: it has the same first label.
fn page_of(instance: &Name<'static>) -> Option<Name<'static>> {
    let mut labels = instance.get_labels().get(..1)?.to_vec();
    labels.extend(service(PAGE).get_labels().iter().cloned());
    Some(Name::new_with_labels(&labels))
}

/// Returns a host's name as text, if it ends in `.local` and is safe to show: the sender may put anything into it, and
/// it goes to a terminal.
fn shown(host: &Name<'_>) -> Option<String> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_shown = host.get_labels().iter().all(|label| label.as_ref().iter().all(is_plain));
    (is_shown && host.get_labels().len() > 1 && host.is_link_local()).then(|| host.to_string())
}

/// Returns a packet that asks for these names and types.
fn question(id: u16, about: &[(Name<'static>, TYPE)]) -> Vec<u8> {
    let mut packet = Packet::new_query(id);
    let ask = |(name, kind): &(Name<'static>, TYPE)| {
        Question::new(name.clone(), QTYPE::TYPE(*kind), QCLASS::CLASS(CLASS::IN), false)
    };
    packet.questions = about.iter().map(ask).collect();
    encode(&packet)
}

/// Asks which servers there are. If not all are wanted, returns soon after the first answer.
///
/// # Errors
/// When nothing can be asked: the system does not list its interfaces, or gives no socket.
pub async fn find(all: bool) -> io::Result<Vec<Found>> {
    let interfaces = interfaces()?;
    let mut links = Vec::new();
    for (index, interface) in &interfaces {
        let has = |v6: bool| interface.nets.iter().any(|net| net.ip.is_ipv6() == v6);
        links.extend([false, true].into_iter().filter(|v6| has(*v6)).map(|v6| Key { index: *index, v6 }));
    }
    let mut search = Search::new(&links)?;
    let begun = Instant::now();
    search.ask(&[(service(ROOM), TYPE::PTR)]);
    let (mut again, mut end) = (Some(begun + AGAIN), begun + PATIENCE);
    let mut is_settling = false;
    // What was asked since the last time the service was asked for, so that each is asked once.
    let mut asked: Vec<(Name<'static>, TYPE)> = Vec::new();
    let mut buffer = vec![0; MAX_PACKET + 1];
    loop {
        let (now, found) = (Instant::now(), search.heard.found(&interfaces));
        if now >= end {
            return Ok(found);
        }
        if !all && !found.is_empty() && !is_settling {
            is_settling = true;
            end = end.min(now + SETTLING);
        }
        if again.is_some_and(|at| at <= now) {
            again = None;
            asked.clear();
            if found.is_empty() {
                search.join(&links);
            }
            search.ask(&[(service(ROOM), TYPE::PTR)]);
        }
        let mut missing = search.heard.missing();
        missing.retain(|question| !asked.contains(question));
        if !missing.is_empty() {
            missing.truncate(MAX_QUESTIONS);
            search.ask(&missing);
            asked.extend(missing);
        }
        let time = async {
            Timer::at(again.map_or(end, |again| again.min(end))).await;
            false
        };
        let packets = async {
            readable(search.sockets.iter().map(|(.., socket)| socket)).await;
            true
        };
        if time.or(packets).await {
            search.receive(&mut buffer, end);
        }
    }
}

/// The sockets of a search, and what was heard on them.
struct Search {
    /// Each with its link, and whether it has the port of multicast DNS.
    sockets: Vec<(Key, bool, Async<UdpSocket>)>,
    /// The id of the questions, which the answers have, too.
    id: u16,
    heard: Heard,
}

impl Search {
    /// Opens a socket for each link.
    ///
    /// # Errors
    /// When none can be opened.
    fn new(links: &[Key]) -> io::Result<Search> {
        let (mut sockets, mut failed) = (Vec::new(), None);
        for link in links {
            match ask(*link) {
                Ok(socket) => sockets.push((*link, false, socket)),
                Err(error) => failed = Some(error),
            }
        }
        let id = RandomState::new().hash_one(0) as u16;
        let search = Search { sockets, id: id.max(1), heard: Heard::default() };
        failed.filter(|_| search.sockets.is_empty()).map_or(Ok(search), Err)
    }

    /// Opens sockets at the port of multicast DNS, too, where that is possible.
    fn join(&mut self, links: &[Key]) {
        for link in links {
            if let Ok(socket) = join(*link) {
                self.sockets.push((*link, true, socket));
            }
        }
    }

    /// Sends a question on all links. Where that fails, nobody answers.
    fn ask(&self, about: &[(Name<'static>, TYPE)]) {
        for (link, is_joined, socket) in &self.sockets {
            let id = if *is_joined { 0 } else { self.id };
            let _ = socket.get_ref().send_to(&question(id, about), everybody(*link));
        }
    }

    /// Takes in what has come, but not after `end`: packets that take long to read must not delay the result.
    fn receive(&mut self, buffer: &mut [u8], end: Instant) {
        for (link, is_joined, socket) in &self.sockets {
            for _ in 0..AT_ONCE {
                if Instant::now() >= end {
                    return;
                }
                let Ok((length, from)) = socket.get_ref().recv_from(buffer) else { break };
                let Some(packet) = buffer.get_mut(..length).and_then(decode) else { continue };
                let is_ours = *is_joined || packet.id() == self.id;
                if packet.has_flags(PacketFlag::RESPONSE) && is_ours && SocketAddr::port(&from) == PORT {
                    self.heard.take(link.index, &packet);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use simple_dns::rdata::{A, AAAA, PTR, SRV};

    use super::*;

    fn record(labels: &[&str], rdata: RData<'static>) -> ResourceRecord<'static> {
        ResourceRecord::new(name(labels), CLASS::IN, 10, rdata)
    }

    fn srv(kind: &str, host: &str, port: u16) -> ResourceRecord<'static> {
        let target = name(&[host, "local"]);
        record(&["pi", kind, "_tcp", "local"], RData::SRV(SRV { priority: 0, weight: 0, port, target }))
    }

    fn told(records: Vec<ResourceRecord<'static>>) -> Heard {
        let mut heard = Heard::default();
        let pointer = PTR(name(&["pi", "_dynasti", "_tcp", "local"]));
        let mut packet = Packet::new_reply(0);
        packet.answers.push(record(&["_dynasti", "_tcp", "local"], RData::PTR(pointer)));
        packet.additional_records = records;
        heard.take(2, &packet);
        heard
    }

    fn lines(heard: &Heard) -> Vec<String> {
        let interfaces =
            BTreeMap::from([(2, Interface { name: "eth0".to_owned(), is_running: true, nets: Vec::new() })]);
        heard.found(&interfaces).iter().map(ToString::to_string).collect()
    }

    fn v4(host: &str, last: u8) -> ResourceRecord<'static> {
        record(&[host, "local"], RData::A(A { address: Ipv4Addr::new(192, 168, 1, last).into() }))
    }

    fn v6(host: &str, ip: &str) -> ResourceRecord<'static> {
        let address = ip.parse::<Ipv6Addr>().expect("an address").into();
        record(&[host, "local"], RData::AAAA(AAAA { address }))
    }

    #[test]
    fn a_server_is_a_line() {
        let room = || srv("_dynasti", "dynasti", 4000);
        let heard = told(vec![room(), srv("_http", "dynasti", 4080), v6("dynasti", "2001:db8::1"), v4("dynasti", 10)]);
        assert_eq!(lines(&heard), ["dynasti.local:4000  192.168.1.10  http://192.168.1.10:4080/"]);
        assert_eq!(lines(&told(vec![room(), v4("dynasti", 10)])), ["dynasti.local:4000  192.168.1.10"]);
        let heard = told(vec![room(), srv("_http", "dynasti", 4080), v6("dynasti", "2001:db8::1")]);
        assert_eq!(lines(&heard), ["dynasti.local:4000  2001:db8::1  http://[2001:db8::1]:4080/"]);
        let heard = told(vec![room(), srv("_http", "dynasti", 4080), v6("dynasti", "fe80::1")]);
        assert_eq!(lines(&heard), ["dynasti.local:4000  fe80::1%eth0  http://dynasti.local:4080/"]);
        // Somebody else's page of the same name.
        let heard = told(vec![room(), srv("_http", "printer", 80), v4("dynasti", 10)]);
        assert_eq!(lines(&heard), ["dynasti.local:4000  192.168.1.10"]);
    }

    #[test]
    fn what_is_not_told_is_asked_for() {
        let kinds = |heard: &Heard| heard.missing().into_iter().map(|(_, kind)| kind).collect::<Vec<_>>();
        assert_eq!(kinds(&told(vec![])), [TYPE::SRV, TYPE::SRV], "where the room is, and its page");
        let heard = told(vec![srv("_dynasti", "dynasti", 4000)]);
        assert_eq!(kinds(&heard), [TYPE::A, TYPE::AAAA, TYPE::SRV]);
        let heard = told(vec![srv("_dynasti", "dynasti", 4000), srv("_http", "dynasti", 4080), v4("dynasti", 1)]);
        assert!(heard.missing().is_empty());
    }

    #[test]
    fn records_may_come_in_any_order_and_packets() {
        let room = srv("_dynasti", "dynasti", 4000);
        let line = ["dynasti.local:4000  192.168.1.10"];
        assert_eq!(lines(&told(vec![v4("dynasti", 10), room.clone()])), line);
        let mut heard = told(vec![room]);
        let mut packet = Packet::new_reply(0);
        packet.answers.push(v4("dynasti", 10));
        heard.take(2, &packet);
        assert_eq!(lines(&heard), line);
    }

    #[test]
    fn what_is_no_server_of_this_network_is_not_shown() {
        let room = |host| srv("_dynasti", host, 4000);
        assert!(lines(&told(vec![room("\x1b[2J"), v4("\x1b[2J", 10)])).is_empty(), "it would write on the terminal");
        assert!(lines(&told(vec![srv("_dynasti", "dynasti", 0), v4("dynasti", 10)])).is_empty(), "no port");
        for ip in ["::1", "::", "ff02::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0"] {
            assert!(lines(&told(vec![room("dynasti"), v6("dynasti", ip)])).is_empty(), "{ip}");
        }
        for ip in [[127, 0, 0, 1], [0, 0, 0, 0], [224, 0, 0, 251], [255, 255, 255, 255]] {
            let address = RData::A(A { address: Ipv4Addr::from(ip).into() });
            let heard = told(vec![room("dynasti"), record(&["dynasti", "local"], address)]);
            assert!(lines(&heard).is_empty(), "{ip:?}");
        }
        let target = name(&["www", "example", "com"]);
        let elsewhere = RData::SRV(SRV { priority: 0, weight: 0, port: 4000, target: target.clone() });
        let address = RData::A(A { address: Ipv4Addr::new(192, 168, 1, 10).into() });
        let address = ResourceRecord::new(target, CLASS::IN, 10, address);
        assert!(lines(&told(vec![record(&["pi", "_dynasti", "_tcp", "local"], elsewhere), address])).is_empty());
    }

    #[test]
    fn what_else_there_is_on_a_network_is_not_remembered() {
        let mut heard = Heard::default();
        for last in 0..1000 {
            let mut packet = Packet::new_reply(0);
            let host = format!("host{last}");
            let pointer = RData::PTR(PTR(name(&[&host, "_ipp", "_tcp", "local"])));
            packet.answers.push(record(&["_ipp", "_tcp", "local"], pointer));
            packet.answers.extend([srv("_ipp", &host, 631), srv("_http", &host, 80), v4(&host, 1)]);
            heard.take(2, &packet);
        }
        assert!(heard.records.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut heard = told(vec![srv("_dynasti", "dynasti", 4000)]);
        for last in 0..10_000_u32 {
            let mut packet = Packet::new_reply(0);
            packet.answers.push(record(&["dynasti", "local"], RData::A(A { address: 0x0a00_0000 + last })));
            heard.take(2, &packet);
        }
        assert_eq!(heard.records.len(), MAX_RECORDS);
    }
}
