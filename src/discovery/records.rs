//! What a server tells of itself on one link: its addresses and services, and the records for them.
//!
//! Knows the names and the times to live of RFC 6762 and RFC 6763. Knows nothing of when they are sent.

use std::net::{IpAddr, SocketAddr};

use simple_dns::rdata::{A, AAAA, NSEC, PTR, RData, SRV, TXT};
use simple_dns::{CLASS, CharacterString, Label, Name, ResourceRecord, TYPE};

/// Times to live in seconds: of records with a host's name in them, and of all others. RFC 6762, section 10.
const HOST_TTL: u32 = 120;
const OTHER_TTL: u32 = 4500;

/// The domain of all names here.
const LOCAL: &str = "local";

/// The most addresses that are told on a link, so that all records fit into one Ethernet frame.
const MAX_ADDRESSES: usize = 8;

/// The service for `nc`, and that for browsers.
pub const ROOM: &str = "_dynasti._tcp";
/// See [`ROOM`].
pub const PAGE: &str = "_http._tcp";

/// A service, and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// [`ROOM`] or [`PAGE`].
    pub kind: &'static str,
    /// The addresses that its listeners are bound to, with their ports.
    pub listening: Vec<SocketAddr>,
}

/// An address of an interface, and the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Net {
    /// The address.
    pub ip: IpAddr,
    /// The length of the prefix, in bits.
    pub prefix: u8,
}

impl Net {
    /// Whether this is an address of the same network.
    pub(crate) fn contains(&self, other: IpAddr) -> bool {
        let same = |one: u128, other: u128, bits: u32| {
            let apart = bits.saturating_sub(self.prefix.into());
            one.checked_shr(apart).unwrap_or(0) == other.checked_shr(apart).unwrap_or(0)
        };
        match (self.ip, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => same(u32::from(one).into(), u32::from(other).into(), 32),
            (IpAddr::V6(one), IpAddr::V6(other)) => same(one.into(), other.into(), 128),
            _ => false,
        }
    }
}

/// Whether a client that connects to this address of the machine reaches a listener of any of these services.
fn is_reached(ip: IpAddr, services: &[Service]) -> bool {
    services.iter().flat_map(|service| &service.listening).any(|at| reaches(ip, *at))
}

/// Whether a client that connects to this address of the machine reaches that listener.
fn reaches(ip: IpAddr, listening: SocketAddr) -> bool {
    match listening.ip() {
        IpAddr::V4(bound) if bound.is_unspecified() => ip.is_ipv4(),
        // [::] means both families.
        IpAddr::V6(bound) if bound.is_unspecified() => true,
        bound => bound == ip,
    }
}

/// Returns the families that are used on an interface with these addresses: those by which a listener is reached there.
/// True is IPv6, false is IPv4.
pub(crate) fn families(nets: &[Net], services: &[Service]) -> impl Iterator<Item = bool> {
    let reached = nets.iter().map(|net| net.ip).filter(|ip| is_reached(*ip, services));
    let reached: Vec<bool> = reached.map(|ip| ip.is_ipv6()).collect();
    [false, true].into_iter().filter(move |v6| reached.contains(v6))
}

pub(crate) fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// What is told on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) services: Vec<(&'static str, u16)>,
}

impl Told {
    /// Chooses what is told on a link with these addresses: only services that are reached by them. A link-local IPv6
    /// address is told only if there is no other, because many programs do not know which link such an address is on.
    pub(crate) fn new(nets: &[Net], services: &[Service]) -> Told {
        let mut addresses: Vec<IpAddr> = nets.iter().map(|net| net.ip).filter(|ip| is_reached(*ip, services)).collect();
        if addresses.iter().any(|ip| !is_link_local(*ip)) {
            addresses.retain(|ip| !is_link_local(*ip));
        }
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MAX_ADDRESSES);
        let port = |service: &Service| {
            let found = service.listening.iter().find(|at| addresses.iter().any(|ip| reaches(*ip, **at)));
            found.map(|at| (service.kind, at.port()))
        };
        let services = services.iter().filter_map(port).collect();
        Told { addresses, services }
    }

    /// Returns the records for this. Unique ones, which no other host may have, have the cache-flush bit.
    pub(crate) fn records(&self, host: &str, instance: &str) -> Vec<ResourceRecord<'static>> {
        let host = name(&[host, LOCAL]);
        let unique = |name: &Name<'static>, ttl, rdata| {
            ResourceRecord::new(name.clone(), CLASS::IN, ttl, rdata).with_cache_flush(true)
        };
        let shared = |name: Name<'static>, to: &Name<'static>| {
            ResourceRecord::new(name, CLASS::IN, OTHER_TTL, RData::PTR(PTR(to.clone())))
        };
        let has = |name: &Name<'static>, types: &[TYPE]| {
            unique(name, HOST_TTL, RData::NSEC(NSEC::from_types(name.clone(), types).into_owned()))
        };
        let mut records: Vec<ResourceRecord<'static>> =
            self.addresses.iter().map(|ip| unique(&host, HOST_TTL, address(*ip))).collect();
        let types: Vec<TYPE> = [(TYPE::A, true), (TYPE::AAAA, false)]
            .into_iter()
            .filter(|(_, v4)| self.addresses.iter().any(|ip| ip.is_ipv4() == *v4))
            .map(|(kind, _)| kind)
            .collect();
        records.push(has(&host, &types));
        for (kind, port) in &self.services {
            let labels: Vec<&str> = kind.split('.').chain([LOCAL]).collect();
            let service = name(&labels);
            let instance = name(&[&[instance], &labels[..]].concat());
            let srv = SRV { priority: 0, weight: 0, port: *port, target: host.clone() };
            records.push(shared(service.clone(), &instance));
            records.push(unique(&instance, HOST_TTL, RData::SRV(srv)));
            records.push(unique(&instance, OTHER_TTL, RData::TXT(version())));
            records.push(has(&instance, &[TYPE::TXT, TYPE::SRV]));
            records.push(shared(name(&["_services", "_dns-sd", "_udp", LOCAL]), &service));
        }
        records
    }
}

/// A name of these labels, which may hold anything.
pub(crate) fn name(labels: &[&str]) -> Name<'static> {
    let labels: Vec<Label<'static>> =
        labels.iter().map(|label| Label::new_unchecked(label.as_bytes().to_vec())).collect();
    Name::new_with_labels(&labels)
}

/// The data of an address.
fn address(ip: IpAddr) -> RData<'static> {
    match ip {
        IpAddr::V4(ip) => RData::A(A { address: ip.into() }),
        IpAddr::V6(ip) => RData::AAAA(AAAA { address: ip.into() }),
    }
}

/// The version of what is told, for programs that will know more than one. RFC 6763, section 6.
fn version() -> TXT<'static> {
    let text = CharacterString::new(b"v=1").map(|text| TXT::new().with_char_string(text));
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Net {
        let (ip, prefix) = text.split_once('/').expect("a prefix");
        Net { ip: ip.parse().expect("an address"), prefix: prefix.parse().expect("a length") }
    }

    fn told(nets: &[&str], room: &[&str], page: &[&str]) -> (Vec<String>, Vec<(&'static str, u16)>) {
        let nets: Vec<Net> = nets.iter().map(|text| net(text)).collect();
        let listening = |at: &[&str]| at.iter().map(|at| at.parse().expect("an address")).collect();
        let services =
            [Service { kind: ROOM, listening: listening(room) }, Service { kind: PAGE, listening: listening(page) }];
        let told = Told::new(&nets, &services);
        (told.addresses.iter().map(ToString::to_string).collect(), told.services)
    }

    #[test]
    fn only_what_can_be_reached_is_told() {
        let nets = ["192.168.1.10/24", "2001:db8::1/64", "fe80::1/64"];
        let both = vec!["192.168.1.10".to_owned(), "2001:db8::1".to_owned()];
        assert_eq!(told(&nets, &["[::]:4000"], &["[::]:4080"]), (both, vec![(ROOM, 4000), (PAGE, 4080)]));
        let v4 = vec!["192.168.1.10".to_owned()];
        assert_eq!(told(&nets, &["0.0.0.0:4000"], &["127.0.0.1:4080"]), (v4.clone(), vec![(ROOM, 4000)]));
        assert_eq!(told(&nets, &["10.0.0.1:4000", "192.168.1.10:5000"], &[]), (v4, vec![(ROOM, 5000)]));
        assert_eq!(told(&nets, &["127.0.0.1:4000"], &["[::1]:4080"]), (vec![], vec![]));
    }

    #[test]
    fn a_link_local_address_is_told_where_there_is_no_other() {
        assert_eq!(told(&["fe80::1/64"], &["[::]:4000"], &[]).0, ["fe80::1"]);
        assert_eq!(told(&["fe80::1/64", "10.0.0.1/8"], &["[::]:4000"], &[]).0, ["10.0.0.1"]);
    }

    #[test]
    fn section_10_records_and_how_long_they_may_be_remembered() {
        let told = Told { addresses: vec!["10.0.0.1".parse().expect("it is one")], services: vec![(ROOM, 4000)] };
        let records = told.records("dynasti-2", "my.pi");
        let shown: Vec<_> = records
            .iter()
            .map(|record| (record.name.to_string(), record.rdata.type_code(), record.ttl, record.cache_flush))
            .collect();
        let instance = r"my\.pi._dynasti._tcp.local".to_owned();
        assert_eq!(
            shown,
            [
                ("dynasti-2.local".to_owned(), TYPE::A, 120, true),
                ("dynasti-2.local".to_owned(), TYPE::NSEC, 120, true),
                ("_dynasti._tcp.local".to_owned(), TYPE::PTR, 4500, false),
                (instance.clone(), TYPE::SRV, 120, true),
                (instance.clone(), TYPE::TXT, 4500, true),
                (instance, TYPE::NSEC, 120, true),
                ("_services._dns-sd._udp.local".to_owned(), TYPE::PTR, 4500, false),
            ]
        );
    }

    #[test]
    fn a_network_holds_what_begins_like_it() {
        for (text, inside, outside) in [
            ("192.168.1.10/24", "192.168.1.255", "192.168.2.1"),
            ("10.0.0.1/32", "10.0.0.1", "10.0.0.2"),
            ("10.0.0.1/0", "1.2.3.4", "::1"),
            ("2001:db8::1/64", "2001:db8::ffff", "2001:db8:0:1::1"),
            ("::1/0", "ff02::1", "1.2.3.4"),
        ] {
            assert!(net(text).contains(inside.parse().expect("an address")), "{text} {inside}");
            assert!(!net(text).contains(outside.parse().expect("an address")), "{text} {outside}");
        }
    }
}
