//! Found without an address: the server and `dynasti find`, beside the multicast DNS of other programs, on a wire of
//! the test's own.
//!
//! Everything here happens in network namespaces at that wire, so nothing is sent to a real network. If these, or a
//! tool, are not to be had, the tests say so and pass.
//!
//! The tests with other programs need avahi-daemon, avahi-utils, dbus, libnss-mdns, python3-zeroconf and
//! bind9-dnsutils, and run by `cargo test --test it discovery -- --ignored`.
#![cfg(target_os = "linux")]

use crate::harness::{Client, PATIENCE, PROMPT, Program, Server, Story, dynasti};
use crate::tools::{installed, skipped};
use crate::wire::Wire;
use rustix::net::sockopt;
use rustix::process::Signal;
use simple_dns::rdata::{A, PTR, RData, SRV};
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, ResourceRecord, TYPE};
use socket2::{Domain, Protocol, Type};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Where everybody on a link is asked.
const EVERYBODY: (Ipv4Addr, u16) = (Ipv4Addr::new(224, 0, 0, 251), 5353);

/// The servers here listen everywhere, at ports of their own.
const EVERYWHERE: [&str; 5] = ["serve", "--listen", "[::]:0", "--web", "[::]:0"];

fn server(options: &[&str]) -> Server {
    Server::run(dynasti(&[&EVERYWHERE, options].concat()), 1)
}

/// Starts a server, and waits until it has this name.
#[track_caller]
fn server_named(name: &str) -> Server {
    let server = server(&[]);
    server.prints(&format!("This is {name}."));
    server
}

/// What `dynasti find` prints, and its exit status.
#[track_caller]
fn find() -> (Vec<String>, i32) {
    let begun = Instant::now();
    let mut find = Program::start("find", dynasti(&["find"]), &Story::default());
    let status = find.exit_code();
    assert!(begun.elapsed() < Duration::from_secs(3), "it takes two seconds, on a machine with other work");
    (find.stdout.whole(), status)
}

/// Somebody who joins without an address.
fn joins(options: &[&str]) -> Program {
    Program::start("join", dynasti(&[&["join"], options].concat()), &Story::default())
}

/// Somebody who joins with one, and hears the prompt.
#[track_caller]
fn guest(ip: [u8; 4], port: u16) -> Client {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((ip, port)), PATIENCE).expect("the server listens");
    let mut guest = Client::new(stream, &Story::default());
    guest.hears(PROMPT);
    guest
}

/// The port of a server's page.
fn page(server: &Server) -> u16 {
    let page = server.stdout.find("where the page is", |line| line.starts_with("Or open: "));
    page.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
}

/// The line of a server in what `find` prints.
fn line(server: &Server, name: &str, ip: &str) -> String {
    let page = page(server);
    format!("{name}:{}  {ip}  http://{ip}:{page}/", server.port())
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().expect("ip runs");
    assert!(status.success(), "ip {arguments:?}");
}

/// A socket at the end of the wire with this address, which speaks to everybody there.
fn socket(ip: Ipv4Addr, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((ip, port)).expect("the address is there");
    sockopt::set_ip_multicast_if(&socket, &ip).expect("it is an interface's");
    sockopt::set_ip_multicast_ttl(&socket, 255).expect("any may be sent");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is to be had");
    socket
}

/// Asks from that address as `dig -p 5353 @224.0.0.251` does, and returns the IPv4 addresses that come.
fn ask(from: Ipv4Addr, name: &str) -> Vec<Ipv4Addr> {
    let socket = socket(from, 0);
    let mut query = Packet::new_query(4711);
    let class = QCLASS::CLASS(CLASS::IN);
    query.questions.push(Question::new(Name::new_unchecked(name), QTYPE::TYPE(TYPE::A), class, false));
    socket.send_to(&query.build_bytes_vec().expect("it is a packet"), EVERYBODY).expect("it is sent");
    let mut buffer = [0; 9000];
    let (length, from) = socket.recv_from(&mut buffer).expect("somebody answers");
    let answer = Packet::parse(&buffer[..length]).expect("it is a packet");
    assert_eq!((answer.id(), from.port(), answer.questions.len()), (4711, 5353, 1));
    let address = |record: &ResourceRecord<'_>| match &record.rdata {
        RData::A(a) => Some(Ipv4Addr::from(a.address)),
        _ => None,
    };
    assert!(answer.answers.iter().all(|record| record.ttl <= 10 && !record.cache_flush));
    answer.answers.iter().filter_map(address).collect()
}

// ---------------------------------------------------------------------------------------------------------------
// With dynasti alone

#[test]
fn a_server_is_found_and_joined_without_an_address() {
    let Some(wire) = Wire::new() else { return };
    let mut server = wire.near(|| server_named("dynasti.local"));
    assert_eq!(wire.far(find), (vec![line(&server, "dynasti.local", "10.77.0.1")], 0));
    // On its own machine, too.
    assert_eq!(wire.near(find), (vec![line(&server, "dynasti.local", "10.77.0.1")], 0));
    let ann = wire.far(|| joins(&["--name", "Ann"]));
    ann.prints("Welcome, Ann! You can now chat. Type messages and press Enter.");
    assert_eq!(wire.far(|| ask(Ipv4Addr::new(10, 77, 0, 2), "dynasti.local")), [Ipv4Addr::new(10, 77, 0, 1)]);
    server.signal(Signal::INT);
    assert_eq!(server.exit_code(), 0);
    assert_eq!(wire.far(find), (vec![], 1));
}

#[test]
fn where_there_is_no_server_join_says_what_it_tried() {
    let Some(wire) = Wire::new() else { return };
    let mut join = wire.far(|| joins(&[]));
    assert_eq!(join.exit_code(), 1);
    let said = join.stderr.whole();
    assert!(said[0].contains("No server was found on this network"), "{said:?}");
    assert!(said[0].contains("Trying localhost:4000"), "{said:?}");
}

#[test]
fn of_two_servers_the_second_gets_a_number_and_join_lists_both() {
    let Some(wire) = Wire::new() else { return };
    let first = wire.near(|| server_named("dynasti.local"));
    let second = wire.far(|| server_named("dynasti-2.local"));
    let lines = vec![line(&second, "dynasti-2.local", "10.77.0.2"), line(&first, "dynasti.local", "10.77.0.1")];
    assert_eq!(wire.far(find), (lines.clone(), 0));
    let mut join = wire.near(|| joins(&[]));
    join.close_stdin();
    assert_eq!(join.exit_code(), 1);
    let said = join.stderr.whole();
    assert!(said[0].starts_with("dynasti: there are several servers"), "{said:?}");
    assert_eq!(said[1..], lines);
    assert!(first.stderr.so_far().is_empty() && second.stderr.so_far().is_empty());
}

#[test]
fn two_servers_of_one_machine_have_two_names() {
    let Some(wire) = Wire::new() else { return };
    let _first = wire.near(|| server_named("dynasti.local"));
    let _second = wire.near(|| server_named("dynasti-2.local"));
    let (lines, _) = wire.far(find);
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn it_has_the_name_that_it_is_given() {
    let Some(wire) = Wire::new() else { return };
    let server = wire.near(|| server(&["--mdns", "chat"]));
    server.prints("This is chat.local.");
    assert_eq!(wire.far(find).0, [line(&server, "chat.local", "10.77.0.1")]);
}

#[test]
fn a_name_that_is_taken_while_it_runs_is_given_up_and_the_room_goes_on() {
    let Some(wire) = Wire::new() else { return };
    let server = wire.near(|| server_named("dynasti.local"));
    let is_over = AtomicBool::new(false);
    let claim = |name: &'static str| {
        let mut claim = Packet::new_reply(0);
        let a = RData::A(A { address: Ipv4Addr::new(10, 77, 0, 99).into() });
        claim.answers.push(ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, 120, a).with_cache_flush(true));
        claim.build_bytes_vec().expect("it is a packet")
    };
    let hostile = || {
        let socket = socket(Ipv4Addr::new(10, 77, 0, 2), 5353);
        let garbage = [0xc0; 1200];
        let begun = Instant::now();
        while !is_over.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE {
            socket.send_to(&claim("dynasti.local"), EVERYBODY).expect("it is sent");
            socket.send_to(&garbage, EVERYBODY).expect("it is sent");
            thread::sleep(Duration::from_millis(20));
        }
    };
    thread::scope(|scope| {
        let hostile = scope.spawn(|| wire.far(hostile));
        server.prints("This is dynasti-2.local.");
        let port = server.port();
        wire.near(|| guest([127, 0, 0, 1], port).joins("Ann"));
        is_over.store(true, Ordering::SeqCst);
        hostile.join().expect("it only sends");
    });
    assert_eq!(wire.far(find).0, [line(&server, "dynasti-2.local", "10.77.0.1")]);
}

#[test]
fn each_network_is_told_the_address_that_is_on_it_and_what_changes_is_followed() {
    let Some(wire) = Wire::new() else { return };
    let server = wire.near(|| server_named("dynasti.local"));
    let (near, far) = wire.names();
    ip(&["link", "add", "other", "netns", near, "type", "veth", "peer", "name", "other", "netns", far]);
    for (namespace, address) in [(near, "10.78.0.1/24"), (far, "10.78.0.2/24")] {
        ip(&["-n", namespace, "address", "add", address, "dev", "other"]);
        ip(&["-n", namespace, "link", "set", "other", "up"]);
    }
    let of = |octets: [u8; 4]| Ipv4Addr::from(octets);
    // It asks for its names there first, and answers then. Until then nobody does.
    let deadline = Instant::now() + PATIENCE;
    while wire.far(|| answers_soon(of([10, 78, 0, 2]), "dynasti.local")).is_none() {
        assert!(Instant::now() < deadline, "the new interface is not noticed");
    }
    assert_eq!(wire.far(|| ask(of([10, 78, 0, 2]), "dynasti.local")), [of([10, 78, 0, 1])]);
    assert_eq!(wire.far(|| ask(of([10, 77, 0, 2]), "dynasti.local")), [of([10, 77, 0, 1])]);
    // It is given another address.
    ip(&["-n", near, "address", "del", "10.77.0.1/24", "dev", "wire"]);
    ip(&["-n", near, "address", "add", "10.77.0.50/24", "dev", "wire"]);
    let deadline = Instant::now() + PATIENCE;
    while wire.far(|| answers_soon(of([10, 77, 0, 2]), "dynasti.local")) != Some(of([10, 77, 0, 50])) {
        assert!(Instant::now() < deadline, "the new address is not told");
    }
    assert_eq!(server.stdout.so_far().iter().filter(|line| line.starts_with("This is")).count(), 1);
}

/// How many packets the server says that it has dropped, whose page is at this port.
fn dropped(page: u16) -> u64 {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, page)).expect("the page is there");
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is answered");
    let count = answer.lines().find_map(|line| line.strip_prefix("dynasti_mdns_dropped_total "));
    count.unwrap_or_else(|| panic!("{answer}")).parse().expect("a number")
}

#[test]
fn malformed_packets_are_counted() {
    let Some(wire) = Wire::new() else { return };
    let server = wire.near(|| server_named("dynasti.local"));
    let page = page(&server);
    assert_eq!(wire.near(|| dropped(page)), 0);
    wire.far(|| {
        let socket = socket(Ipv4Addr::new(10, 77, 0, 2), 5353);
        for garbage in [&[0; 3][..], &[0xc0; 1200], &[0xff; 9001]] {
            socket.send_to(garbage, EVERYBODY).expect("it is sent");
        }
        // Whoever is answered was heard after these.
        ask(Ipv4Addr::new(10, 77, 0, 2), "dynasti.local")
    });
    assert_eq!(wire.near(|| dropped(page)), 3);
}

/// Asks from that address for a moment, and returns the first address that comes.
fn answers_soon(from: Ipv4Addr, name: &str) -> Option<Ipv4Addr> {
    let socket = socket(from, 0);
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout is to be had");
    let mut query = Packet::new_query(1);
    let class = QCLASS::CLASS(CLASS::IN);
    query.questions.push(Question::new(Name::new_unchecked(name), QTYPE::TYPE(TYPE::A), class, false));
    socket.send_to(&query.build_bytes_vec().expect("it is a packet"), EVERYBODY).ok()?;
    let mut buffer = [0; 9000];
    let (length, _) = socket.recv_from(&mut buffer).ok()?;
    match Packet::parse(&buffer[..length]).ok()?.answers.first()?.rdata {
        RData::A(ref a) => Some(a.address.into()),
        _ => None,
    }
}

#[test]
fn ipv6_alone_is_enough() {
    let Some(wire) = Wire::new() else { return };
    let (near, far) = wire.names();
    ip(&["-n", near, "address", "del", "10.77.0.1/24", "dev", "wire"]);
    ip(&["-n", far, "address", "del", "10.77.0.2/24", "dev", "wire"]);
    let server = wire.near(|| server_named("dynasti.local"));
    let (lines, status) = wire.far(find);
    assert_eq!((lines.len(), status), (1, 0), "{lines:?}");
    assert!(lines[0].starts_with(&format!("dynasti.local:{}  fe80::", server.port())), "{lines:?}");
    assert!(lines[0].contains("%wire  http://dynasti.local:"), "{lines:?}");
    let ann = wire.far(|| joins(&["--name", "Ann"]));
    ann.prints("Welcome, Ann! You can now chat. Type messages and press Enter.");
}

/// A packet of 9,000 bytes that takes long to read: each of its records has a name that is reached by two thousand
/// pointers.
fn tedious(id: u16) -> Vec<u8> {
    const RECORDS: usize = 375;
    const HEAD: usize = 12;
    const RECORD: usize = 10;
    let fixed = |kind: u16, length: usize| {
        [&kind.to_be_bytes()[..], &[0, 1, 0, 0, 0, 120], &(length as u16).to_be_bytes()].concat()
    };
    let pointer = |at: usize| (0xc000 | at as u16).to_be_bytes();
    let chain = HEAD + 1 + RECORD;
    let links = (9000 - chain - (RECORDS - 1) * (2 + RECORD)) / 2;
    let mut packet = [&id.to_be_bytes()[..], &[0x84, 0, 0, 0], &(RECORDS as u16).to_be_bytes(), &[0; 4]].concat();
    packet.extend([&[0][..], &fixed(65_280, 2 * links), &pointer(HEAD)].concat());
    packet.extend((1..links).flat_map(|link| pointer(chain + 2 * (link - 1))));
    for _ in 1..RECORDS {
        packet.extend([&pointer(chain + 2 * (links - 1))[..], &fixed(65_280, 0)].concat());
    }
    packet
}

/// What nobody should be shown, or sent to.
fn misleading(id: u16, n: u8) -> Vec<u8> {
    let (instance, host) = (format!("i{n}._dynasti._tcp.local"), format!("h{n}.local"));
    let (host, ip, port) = match n {
        0 => ("h\x1b[2J.local", [10, 77, 0, 2], 4000),
        1 => ("www.example.com", [10, 77, 0, 2], 4000),
        2 => (&*host, [127, 0, 0, 1], 4000),
        3 => (&*host, [224, 0, 0, 251], 4000),
        4 => (&*host, [0, 0, 0, 0], 4000),
        _ => (&*host, [10, 77, 0, 2], 0),
    };
    let mut packet = Packet::new_reply(id);
    let [service, instance, target] = ["_dynasti._tcp.local", &instance, host].map(Name::new_unchecked);
    let srv = SRV { priority: 0, weight: 0, port, target: target.clone() };
    for (name, rdata) in [
        (service, RData::PTR(PTR(instance.clone()))),
        (instance, RData::SRV(srv)),
        (target, RData::A(A { address: Ipv4Addr::from(ip).into() })),
    ] {
        packet.answers.push(ResourceRecord::new(name, CLASS::IN, 120, rdata));
    }
    packet.build_bytes_vec().expect("it is a packet")
}

#[test]
fn whoever_answers_anything_misleads_and_delays_nobody() {
    let Some(wire) = Wire::new() else { return };
    let server = wire.near(|| server_named("dynasti.local"));
    let is_over = AtomicBool::new(false);
    let hostile = || {
        let socket = UdpSocket::bind(("0.0.0.0", 5353)).expect("the port is free");
        socket.join_multicast_v4(&EVERYBODY.0, &Ipv4Addr::new(10, 77, 0, 2)).expect("it is an interface's");
        socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout is to be had");
        let (mut query, mut first, begun) = ([0; 9000], None, Instant::now());
        while !is_over.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE {
            let asked = socket.recv_from(&mut query).ok().filter(|(_, from)| from.port() != EVERYBODY.1);
            let id = u16::from_be_bytes([query[0], query[1]]);
            if let Some((_, from)) = asked {
                (0..6).for_each(|n| _ = socket.send_to(&misleading(id, n), from).expect("it is sent"));
                first = first.filter(|(asker, _)| *asker == from).or(Some((from, Instant::now())));
            }
            // Too soon, and no answer would find a place among these.
            if let Some((asker, _)) = first.filter(|(_, at)| at.elapsed() > Duration::from_millis(700)) {
                socket.send_to(&tedious(id), asker).expect("it is sent");
            }
        }
    };
    thread::scope(|scope| {
        let hostile = scope.spawn(|| wire.far(hostile));
        let found = wire.near(find);
        let ann = wire.near(|| joins(&["--name", "Ann"]));
        ann.prints("Welcome, Ann! You can now chat. Type messages and press Enter.");
        is_over.store(true, Ordering::SeqCst);
        hostile.join().expect("it only sends");
        assert_eq!(found, (vec![line(&server, "dynasti.local", "10.77.0.1")], 0));
    });
}

// ---------------------------------------------------------------------------------------------------------------
// Silence

/// The ports of all UDP sockets in this namespace.
fn udp_ports() -> BTreeSet<u16> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let tables = read("/proc/thread-self/net/udp") + &read("/proc/thread-self/net/udp6");
    let port = |line: &str| u16::from_str_radix(line.split_whitespace().nth(1)?.rsplit(':').next()?, 16).ok();
    tables.lines().filter_map(port).collect()
}

#[test]
fn on_loopback_alone_and_with_no_mdns_no_socket_is_opened() {
    let Some(wire) = Wire::new() else { return };
    for options in [
        &["serve", "--listen", "127.0.0.1:0", "--web", "[::1]:0"][..],
        &["serve", "--listen", "[::]:0", "--web", "[::]:0", "--no-mdns"],
    ] {
        let mut server = wire.near(|| Server::run(dynasti(options), 1));
        // Long enough for a name to be won.
        thread::sleep(Duration::from_millis(1500));
        assert_eq!(wire.near(udp_ports), BTreeSet::new(), "{options:?}");
        server.signal(Signal::INT);
        assert_eq!(server.exit_code(), 0);
        assert!(!server.stdout.whole().iter().any(|line| line.starts_with("This is")), "{options:?}");
    }
    let _server = wire.near(|| server_named("dynasti.local"));
    assert_eq!(wire.near(udp_ports), BTreeSet::from([5353]), "so one would have been seen");
}

#[test]
fn a_port_that_somebody_does_not_share_is_one_warning_and_no_more() {
    let Some(wire) = Wire::new() else { return };
    let _rude = wire.near(|| {
        let all = ["0.0.0.0:5353", "[::]:5353"].map(|address| UdpSocket::bind(address).ok());
        all.into_iter().flatten().collect::<Vec<_>>()
    });
    let mut server = wire.near(|| server(&[]));
    server.stderr.find("a warning", |line| line.contains("found by address alone") && line.contains("5353"));
    let port = server.port();
    wire.far(|| guest([10, 77, 0, 1], port).joins("Ann"));
    server.signal(Signal::INT);
    assert_eq!(server.exit_code(), 0);
    assert_eq!(server.stderr.whole().len(), 1);
}

// ---------------------------------------------------------------------------------------------------------------
// With programs of others

/// A Python that has zeroconf: the system's, though another may come first.
fn python() -> Option<&'static str> {
    let has = |python: &&str| {
        let tried = Command::new(python).args(["-c", "import zeroconf"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has);
    if found.is_none() {
        skipped("python3-zeroconf is not installed");
    }
    found
}

/// Browses until a service comes and goes, and prints what it sees of it.
const BROWSE: &str = r#"
import ipaddress, sys, threading
from zeroconf import ServiceBrowser, Zeroconf
gone = threading.Event()
class Listener:
    def add_service(self, zc, kind, name):
        info = zc.get_service_info(kind, name, 3000)
        addresses = ",".join(str(ipaddress.ip_address(a)) for a in info.addresses)
        print("came", name, info.server, info.port, addresses, info.properties, flush=True)
    def remove_service(self, zc, kind, name):
        print("went", name, flush=True)
        gone.set()
    def update_service(self, zc, kind, name):
        pass
zc = Zeroconf(interfaces=["10.77.0.2"])
browser = ServiceBrowser(zc, sys.argv[1], Listener())
gone.wait(20)
zc.close()
"#;

#[test]
#[ignore = "run alone: wants programs of others, see the head of this file"]
fn python_zeroconf_browses_resolves_and_sees_the_goodbye() {
    let Some(python) = python() else { return };
    let Some(wire) = Wire::new() else { return };
    let browse = |kind: &str| {
        let mut command = Command::new(python);
        command.args(["-c", BROWSE, kind]);
        wire.far(|| Program::start("zeroconf", command, &Story::default()))
    };
    let mut rooms = browse("_dynasti._tcp.local.");
    let mut server = wire.near(|| server_named("dynasti.local"));
    let port = format!(" dynasti.local. {} 10.77.0.1 {{b'v': b'1'}}", server.port());
    rooms.stdout.find("the room", |line| line.starts_with("came ") && line.ends_with(&port));
    // One that comes later asks, instead of hearing the announcement.
    let mut pages = browse("_http._tcp.local.");
    pages.stdout.find("the page", |line| line.contains(" dynasti.local. ") && line.contains(" 10.77.0.1 "));
    server.signal(Signal::INT);
    for browser in [&mut rooms, &mut pages] {
        browser.stdout.find("the goodbye", |line| line.starts_with("went "));
        browser.exits_within(PATIENCE);
    }
    assert_eq!(server.exit_code(), 0);
}

/// An avahi-daemon in the namespace that it is started in, with a D-Bus and a `/run` that only it sees and whatever is
/// run beside it, as on a machine of its own. Names are looked up there by libnss-mdns.
struct Avahi {
    daemon: Program,
    bus: Program,
}

/// What is made before the bus is run: its configuration, Avahi's, and the one by which names are looked up.
const MACHINE: &str = r#"
mount -t tmpfs none /run
mkdir /run/dbus /run/avahi-daemon
cat >/run/bus.conf <<EOF
<busconfig>
  <type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
EOF
printf '[server]\nhost-name=%s\n' "$0" >/run/avahi.conf
echo 'hosts: files mdns4_minimal [NOTFOUND=return]' >/run/nsswitch.conf
mount --bind /run/nsswitch.conf /etc/nsswitch.conf
exec dbus-daemon --nofork --nopidfile --print-address --config-file=/run/bus.conf
"#;

impl Avahi {
    /// Starts one that wants to call its host this, and waits until it has won a name. None where something is not
    /// installed.
    fn start(host: &str) -> Option<Avahi> {
        let is_there = installed("avahi-daemon", "--version", "avahi-daemon")
            && installed("avahi-browse", "--version", "avahi-browse")
            && installed("dbus-daemon", "--version", "D-Bus")
            && installed("unshare", "--version", "util-linux");
        if !is_there {
            return None;
        }
        let mut bus = Command::new("unshare");
        bus.args(["--mount", "sh", "-ec", MACHINE, host]);
        let bus = Program::start("dbus", bus, &Story::default());
        bus.stdout.find("its address", |line| line.starts_with("unix:"));
        let daemon = ["avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits", "-f", "/run/avahi.conf"];
        let daemon = beside(&bus, "avahi", &daemon);
        daemon.stderr.find("its name", |line| line.contains("Server startup complete"));
        Some(Avahi { daemon, bus })
    }

    /// Starts a program beside it.
    fn beside(&self, command: &[&str]) -> Program {
        beside(&self.bus, command[0], command)
    }

    /// What a tool prints beside it.
    fn tool(&self, command: &[&str]) -> Vec<String> {
        let mut program = self.beside(command);
        program.exits_within(PATIENCE);
        program.stdout.whole()
    }
}

/// Starts a program that sees the files and the network that this one sees.
fn beside(other: &Program, name: &str, command: &[&str]) -> Program {
    let mut entered = Command::new("nsenter");
    entered.args(["--mount", "--net", "--target", &other.pid().as_raw_pid().to_string(), "--"]).args(command);
    Program::start(name, entered, &Story::default())
}

#[test]
#[ignore = "run alone: wants programs of others, see the head of this file"]
fn avahi_beside_the_server_and_elsewhere_finds_it() {
    let Some(wire) = Wire::new() else { return };
    let Some(beside) = wire.near(|| Avahi::start("near")) else { return };
    let server = wire.near(|| server_named("dynasti.local"));
    let Some(elsewhere) = wire.far(|| Avahi::start("far")) else { return };
    for avahi in [&elsewhere, &beside] {
        assert_eq!(avahi.tool(&["avahi-resolve", "-4", "-n", "dynasti.local"]), ["dynasti.local\t10.77.0.1"]);
        let found = avahi.tool(&["avahi-browse", "-rtp", "_dynasti._tcp"]);
        let end = format!(";dynasti.local;10.77.0.1;{};\"v=1\"", server.port());
        assert!(found.iter().any(|line| line.starts_with("=;wire;") && line.ends_with(&end)), "{found:?}");
        // Each still has its own name.
        assert_eq!(avahi.tool(&["avahi-resolve", "-4", "-n", "near.local"]), ["near.local\t10.77.0.1"]);
    }
    assert!(server.stderr.so_far().is_empty());
    assert_eq!(wire.far(find).0, [line(&server, "dynasti.local", "10.77.0.1")]);
}

#[test]
#[ignore = "run alone: wants programs of others, see the head of this file"]
fn nc_joins_by_the_name_that_the_system_looks_up() {
    if !installed("nc", "-h", "OpenBSD") || !installed("/sbin/ldconfig", "-p", "libnss_mdns4_minimal") {
        return;
    }
    let Some(wire) = Wire::new() else { return };
    let server = wire.near(|| server_named("dynasti.local"));
    let Some(elsewhere) = wire.far(|| Avahi::start("far")) else { return };
    let mut nc = elsewhere.beside(&["nc", "dynasti.local", &server.port().to_string()]);
    nc.prints(PROMPT);
    nc.types("Ann");
    nc.prints("Welcome, Ann! You can now chat. Type messages and press Enter.");
}

/// `dig` takes answers from the address that it has asked alone, which is everybody's, and says that there is none. So
/// it is looked at what comes.
#[test]
#[ignore = "run alone: wants programs of others, see the head of this file"]
fn what_dig_asks_is_answered() {
    if !installed("dig", "-v", "DiG") {
        return;
    }
    let Some(wire) = Wire::new() else { return };
    let _server = wire.near(|| server_named("dynasti.local"));
    ip(&["-n", wire.names().1, "route", "add", "224.0.0.0/4", "dev", "wire"]);
    wire.far(|| {
        let heard = socket2::Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).expect("root may listen");
        heard.set_read_timeout(Some(PATIENCE)).expect("a timeout is to be had");
        let mut dig = Command::new("dig");
        dig.args(["-p", "5353", "@224.0.0.251", "dynasti.local", "+tries=1", "+time=1"]);
        let _dig = Program::start("dig", dig, &Story::default());
        let mut buffer = [0; 9000];
        // Its address is not asked for elsewhere, so the first packet from there with another port than the group's is
        // for it.
        let (from, to, answer) = loop {
            let length = (&heard).read(&mut buffer).expect("somebody answers");
            let head = 4 * usize::from(buffer[0] & 0x0f);
            let port = |at: usize| u16::from_be_bytes([buffer[head + at], buffer[head + at + 1]]);
            let from = <[u8; 4]>::try_from(&buffer[12..16]).expect("four bytes");
            if port(2) != EVERYBODY.1 {
                break ((Ipv4Addr::from(from), port(0)), port(2), buffer[head + 8..length].to_vec());
            }
        };
        let answer = Packet::parse(&answer).expect("it is a packet");
        assert_eq!((from, to > 1023), ((Ipv4Addr::new(10, 77, 0, 1), EVERYBODY.1), true));
        assert_eq!(answer.questions.len(), 1, "the question is repeated");
        assert_eq!(answer.questions[0].qname, Name::new_unchecked("dynasti.local"));
        let address = RData::A(A { address: Ipv4Addr::new(10, 77, 0, 1).into() });
        assert!(answer.answers.iter().any(|record| record.rdata == address), "{answer:?}");
    });
}

#[test]
#[ignore = "run alone: wants programs of others, see the head of this file"]
fn a_name_that_this_machines_avahi_has_is_somebodys() {
    let Some(wire) = Wire::new() else { return };
    let Some(_beside) = wire.near(|| Avahi::start("dynasti")) else { return };
    let _server = wire.near(|| server_named("dynasti-2.local"));
}

#[test]
#[ignore = "run alone: wants programs of others, see the head of this file"]
fn an_avahi_that_comes_second_takes_another_name() {
    let Some(wire) = Wire::new() else { return };
    let server = wire.near(|| server_named("dynasti.local"));
    let Some(elsewhere) = wire.far(|| Avahi::start("dynasti")) else { return };
    elsewhere.daemon.stderr.find("its other name", |line| line.contains("Host name is dynasti-2.local"));
    assert_eq!(server.stdout.so_far().iter().filter(|line| line.starts_with("This is")).count(), 1);
}
