//! The addresses at which the local network can reach this machine. Knows nothing of what is done with them.
//!
//! Neither std nor rustix lists interfaces, but Linux has files that do: proc_net(5). On other systems it finds
//! nothing.

use std::fs::read_to_string;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How many addresses are returned at most. A machine with more networks is a router, and its owner knows its
/// addresses.
const MOST: usize = 3;

/// Returns the addresses at which somebody on the network reaches what listens here, best first.
pub(crate) fn join_addresses(listening: SocketAddr) -> Vec<IpAddr> {
    let ip = listening.ip();
    if !ip.is_unspecified() {
        return vec![ip];
    }
    let read = |path| read_to_string(path).unwrap_or_default();
    let physical = |interface: &str| std::path::Path::new("/sys/class/net").join(interface).join("device").exists();
    let files = Files {
        // Under `self`, because a service manager may hide the rest of /proc from a service.
        fib_trie: &read("/proc/self/net/fib_trie"),
        route: &read("/proc/self/net/route"),
        if_inet6: &read("/proc/self/net/if_inet6"),
    };
    choose(&files, physical, ip.is_ipv6())
}

/// The contents of the files.
struct Files<'a> {
    fib_trie: &'a str,
    route: &'a str,
    if_inet6: &'a str,
}

/// A route of `/proc/net/route`: to which network, through which interface.
struct Route<'a> {
    interface: &'a str,
    network: u32,
    mask: u32,
}

/// Chooses one address for each interface: of the real interfaces (no bridges, containers or tunnels) if there are any,
/// else of those with the default route, else of all. IPv4 is preferred, because it is easier to type.
fn choose(files: &Files<'_>, physical: impl Fn(&str) -> bool, v6: bool) -> Vec<IpAddr> {
    let routes: Vec<Route<'_>> = files.route.lines().skip(1).filter_map(route).collect();
    let mut found: Vec<(&str, IpAddr)> = Vec::new();
    for address in local_addresses(files.fib_trie) {
        let bits = u32::from(address);
        let route = routes.iter().find(|route| route.mask != 0 && bits & route.mask == route.network);
        if let Some(route) = route {
            found.push((route.interface, address.into()));
        }
    }
    if v6 {
        found.extend(files.if_inet6.lines().filter_map(inet6).map(|(interface, address)| (interface, address.into())));
    }
    let default: Vec<&str> = routes.iter().filter(|route| route.mask == 0).map(|route| route.interface).collect();
    let leads_out = |interface: &str| default.contains(&interface);
    if found.iter().any(|(interface, _)| physical(interface)) {
        found.retain(|(interface, _)| physical(interface));
    } else if found.iter().any(|(interface, _)| leads_out(interface)) {
        found.retain(|(interface, _)| leads_out(interface));
    }
    // Their order stays, so the first address of an interface is IPv4 if it has one.
    let (best, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|(interface, _)| leads_out(interface));
    let mut chosen: Vec<(&str, IpAddr)> = Vec::new();
    for (interface, address) in best.into_iter().chain(others) {
        if chosen.len() < MOST && chosen.iter().all(|(other, _)| *other != interface) {
            chosen.push((interface, address));
        }
    }
    chosen.into_iter().map(|(_, address)| address).collect()
}

/// Returns the addresses that are the host's own, according to `fib_trie`.
fn local_addresses(fib_trie: &str) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    let mut last = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            addresses.extend(last.filter(|address| !address.is_loopback() && !addresses.contains(address)));
        }
    }
    addresses
}

/// Reads a line of `/proc/net/route`. Addresses and masks are hexadecimal, in the byte order of memory.
fn route(line: &str) -> Option<Route<'_>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let hex = |n: usize| Some(u32::from_be(u32::from_str_radix(fields.get(n)?, 16).ok()?));
    Some(Route { interface: fields.first()?, network: hex(1)?, mask: hex(7)? })
}

/// Reads a line of `if_inet6`, if others can use its address. They cannot use a link-local one, because it needs the
/// name of their own interface, nor one that changes every day or is deprecated.
fn inet6(line: &str) -> Option<(&str, Ipv6Addr)> {
    const GLOBAL: &str = "00";
    const TEMPORARY_OR_DEPRECATED: u8 = 0x01 | 0x20;
    let mut fields = line.split_whitespace();
    let address = u128::from_str_radix(fields.next()?, 16).ok()?;
    let (scope, flags) = (fields.nth(2)?, u8::from_str_radix(fields.next()?, 16).ok()?);
    let usable = scope == GLOBAL && flags & TEMPORARY_OR_DEPRECATED == 0;
    Some((fields.next()?, Ipv6Addr::from(address))).filter(|_| usable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIB_TRIE: &str = "\
Local:
  +-- 0.0.0.0/0 3 0 5
        |-- 127.0.0.1
           /32 host LOCAL
           |-- 172.17.0.1
              /32 host LOCAL
           |-- 10.9.0.2
              /32 host LOCAL
           |-- 192.168.1.10
              /32 host LOCAL
           |-- 192.168.1.255
              /32 link BROADCAST
";
    const ROUTE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
wlan0\t0000090A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
";
    const IF_INET6: &str = "\
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
20010db8000000000000000000000007 02 40 00 01     eth0
20010db8000000000000000000000001 02 40 00 80     eth0
20010db8000000010000000000000001 05 40 00 80     eth1
00000000000000000000000000000001 01 80 10 80       lo
";

    fn chosen(physical: &[&str], v6: bool) -> Vec<String> {
        let files = Files { fib_trie: FIB_TRIE, route: ROUTE, if_inet6: IF_INET6 };
        let chosen = choose(&files, |interface| physical.contains(&interface), v6);
        chosen.iter().map(ToString::to_string).collect()
    }

    #[test]
    #[cfg(target_endian = "little")] // as the files above are
    fn one_address_for_each_real_network_and_none_for_bridges() {
        assert_eq!(chosen(&["eth0", "wlan0", "eth1"], true), ["192.168.1.10", "10.9.0.2", "2001:db8:0:1::1"]);
        assert_eq!(chosen(&["eth0", "wlan0", "eth1"], false), ["192.168.1.10", "10.9.0.2"]);
        assert_eq!(chosen(&["wlan0"], true), ["10.9.0.2"]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn without_real_interfaces_the_one_that_leads_out_is_taken() {
        assert_eq!(chosen(&[], true), ["192.168.1.10"]);
    }

    #[test]
    fn without_files_nothing_is_promised() {
        let files = Files { fib_trie: "", route: "", if_inet6: "" };
        assert!(choose(&files, |_| true, true).is_empty());
    }
}
