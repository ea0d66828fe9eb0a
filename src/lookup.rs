//! Looks up the addresses of a host. Knows nothing of what is done with them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
#[cfg(target_os = "linux")]
use std::process::{Command, Stdio};

#[cfg(target_os = "linux")]
use rustix::net::{AddressFamily, SocketType};

/// Returns all addresses of the host, at least one.
///
/// This blocks its thread for as long as the system takes.
///
/// # Errors
/// When no address is found. The error says why.
pub fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if host == "localhost" {
        // RFC 6761, 6.3: this name always means loopback, so no resolver is asked.
        return Ok([IpAddr::from(Ipv6Addr::LOCALHOST), Ipv4Addr::LOCALHOST.into()].map(|ip| (ip, port).into()).into());
    }
    match literal(host, port) {
        Some(address) => Ok(vec![address]),
        None => look_up(host, port),
    }
}

/// Reads an IP address. A link-local address has its interface after a `%`, by name or by number.
fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some((ip, port).into());
    }
    let (ip, interface) = host.split_once('%')?;
    let number = interface.parse().ok().or_else(|| number_of(interface))?;
    Some(SocketAddrV6::new(ip.parse().ok()?, port, 0, number).into())
}

/// Returns the number of an interface.
#[cfg(target_os = "linux")]
fn number_of(interface: &str) -> Option<u32> {
    let any = rustix::net::socket(AddressFamily::INET6, SocketType::DGRAM, None).ok()?;
    rustix::net::netdevice::name_to_index(any, interface).ok()
}

/// Looks the name up with the system's own resolver.
///
/// A static program cannot use libc's resolver, because that loads modules that the system is configured to use, above
/// all the one for multicast DNS, and these fit only the libc that they come with. It would also be a tenth of the
/// program. So another program is run that uses it.
#[cfg(target_os = "linux")]
fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let asked = Command::new("getent").args(["ahosts", "--", host]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let answer = asked.map_err(|error| format!("getent, which looks names up, cannot be run: {error}"))?;
    let found = addresses_in(&String::from_utf8_lossy(&answer.stdout), port);
    if found.is_empty() { Err("getent finds no address of it".into()) } else { Ok(found) }
}

/// Returns the addresses in the answer of `getent ahosts`, which has a line for each address and kind of socket.
#[cfg(target_os = "linux")]
fn addresses_in(answer: &str, port: u16) -> Vec<SocketAddr> {
    let streams = answer.lines().filter(|line| line.split_whitespace().nth(1) == Some("STREAM"));
    streams.filter_map(|line| literal(line.split_whitespace().next()?, port)).collect()
}

/// Elsewhere an interface is known by its number alone; [`look_up`] knows the names.
#[cfg(not(target_os = "linux"))]
fn number_of(_: &str) -> Option<u32> {
    None
}

/// Looks the name up with the system's own resolver.
#[cfg(not(target_os = "linux"))]
fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    use std::net::ToSocketAddrs;
    let found = (host, port).to_socket_addrs().map_err(|error| error.to_string())?.collect::<Vec<_>>();
    if found.is_empty() { Err("it has no address".into()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_answer() {
        let answer = "192.168.1.10    STREAM pi.local\n192.168.1.10    DGRAM  \n192.168.1.10    RAW    \n\
                      fe80::1%1       STREAM \nfe80::1%1       DGRAM  \nnonsense\n";
        let found: Vec<String> = addresses_in(answer, 5).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.168.1.10:5", "[fe80::1%1]:5"]);
        assert!(addresses_in("", 5).is_empty());
    }
}
