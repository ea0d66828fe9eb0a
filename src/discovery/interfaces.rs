//! The interfaces of this machine that multicast DNS is spoken on, their addresses, and when these change. Linux tells
//! all of this by rtnetlink(7).
//!
//! Neither std nor rustix lists interfaces. The layouts here are those of linux/rtnetlink.h and linux/if_addr.h, to
//! which newer kernels only append. Knows nothing of what is said on the interfaces.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send};
use smol::Async;

use super::records::Net;

// Types of messages.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;

/// `NLM_F_REQUEST` and `NLM_F_DUMP`: lists all of a kind.
const REQUEST_ALL: u16 = 0x301;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`.
const CHANGES: u32 = 0x1 | 0x10 | 0x100;

// Attributes.
const NAME: u16 = 3;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const ADDRESS_FLAGS: u16 = 8;

/// The sizes of `struct nlmsghdr`, `struct ifinfomsg` and `struct ifaddrmsg`.
const HEADER: usize = 16;
const LINK_MESSAGE: usize = 16;
const ADDRESS_MESSAGE: usize = 8;

/// Flags that an interface must have: it is up and carries multicast. And flags that it must not have: it is loopback,
/// or a tunnel to one other machine.
const MUST: u32 = 0x1 | 0x1000;
const MUST_NOT: u32 = 0x8 | 0x10;

/// The flag of an interface that works. It may be set a second later than that it is up.
const RUNNING: u32 = 0x40;

/// Flags of IPv6 addresses that are not told: temporary, not yet checked for duplicates, a duplicate, or deprecated.
const UNSUITABLE: u32 = 0x01 | 0x40 | 0x08 | 0x20;

/// The most interfaces that are looked at, and the most addresses of each. A machine with more is a router or a host of
/// containers.
const MAX_INTERFACES: usize = 64;
const MAX_ADDRESSES: usize = 16;

/// How many bytes are read from the system at once.
const CHUNK: usize = 32 * 1024;

/// An interface that multicast DNS can be spoken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) is_running: bool,
    pub(crate) nets: Vec<Net>,
}

/// Returns the interfaces that multicast DNS can be spoken on, by their numbers.
///
/// # Errors
/// When the system does not list them.
pub(crate) fn interfaces() -> io::Result<BTreeMap<u32, Interface>> {
    let mut found = BTreeMap::new();
    ask(GET_LINK, LINK_MESSAGE, |kind, body| {
        if let Some((index, interface)) = (kind == NEW_LINK).then(|| link(body)).flatten() {
            if found.len() < MAX_INTERFACES {
                found.insert(index, interface);
            }
        }
    })?;
    ask(GET_ADDRESS, ADDRESS_MESSAGE, |kind, body| {
        let Some((index, net)) = (kind == NEW_ADDRESS).then(|| address(body)).flatten() else { return };
        if let Some(interface) = found.get_mut(&index).filter(|interface| interface.nets.len() < MAX_ADDRESSES) {
            // In order, so that the same addresses are the same list however the system lists them.
            let at = interface.nets.partition_point(|other| *other < net);
            interface.nets.insert(at, net);
        }
    })?;
    Ok(found)
}

/// Lists all of a kind, and passes on each message: its type, and what follows the header.
fn ask(request: u16, body: usize, mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
    let length = HEADER + body;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend((length as u32).to_ne_bytes());
    bytes.extend(request.to_ne_bytes());
    bytes.extend(REQUEST_ALL.to_ne_bytes());
    // The sequence number and the port are zero, because there is one request and the kernel knows its socket. The body
    // is zero: it asks for all families.
    bytes.resize(length, 0);
    let socket = open()?;
    send(&socket, &bytes, SendFlags::empty())?;
    let mut chunk = vec![0; CHUNK];
    loop {
        // Nothing blocks here: the kernel queues answers while the request is sent, and more whenever some are read.
        let (_, length) = recv(&socket, &mut chunk[..], RecvFlags::DONTWAIT)?;
        if !messages(chunk.get(..length).unwrap_or_default(), &mut each)? {
            return Ok(());
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // The protocol of number 0 is NETLINK_ROUTE.
    Ok(rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, None)?)
}

/// Passes on each message of a chunk. Returns whether there is more to come.
fn messages(mut chunk: &[u8], each: &mut impl FnMut(u16, &[u8])) -> io::Result<bool> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    while !chunk.is_empty() {
        let length = u32_at(chunk, 0).ok_or_else(malformed)? as usize;
        let kind = u16_at(chunk, 4).ok_or_else(malformed)?;
        let body = chunk.get(HEADER..length).ok_or_else(malformed)?;
        match kind {
            DONE => return Ok(false),
            ERROR => {
                let number = u32_at(body, 0).ok_or_else(malformed)? as i32;
                return Err(io::Error::from_raw_os_error(number.saturating_neg()));
            }
            _ => each(kind, body),
        }
        chunk = chunk.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

/// Reads a message about an interface. Returns None if multicast DNS cannot be spoken there.
fn link(body: &[u8]) -> Option<(u32, Interface)> {
    let (index, flags) = (u32_at(body, 4)?, u32_at(body, 8)?);
    if flags & MUST != MUST || flags & MUST_NOT != 0 {
        return None;
    }
    let name = attributes(body.get(LINK_MESSAGE..)?).find(|(kind, _)| *kind == NAME)?.1;
    let name = String::from_utf8_lossy(name.split(|byte| *byte == 0).next()?).into_owned();
    Some((index, Interface { name, is_running: flags & RUNNING != 0, nets: Vec::new() }))
}

/// Reads a message about an address. Returns None if it is not to be told.
fn address(body: &[u8]) -> Option<(u32, Net)> {
    let [family, prefix, flags, _] = *body.first_chunk()?;
    let (index, mut flags) = (u32_at(body, 4)?, u32::from(flags));
    let (mut local, mut shared) = (None, None);
    for (kind, value) in attributes(body.get(ADDRESS_MESSAGE..)?) {
        match kind {
            LOCAL => local = Some(value),
            ADDRESS => shared = Some(value),
            ADDRESS_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    let bytes = local.or(shared)?;
    let ip = if u16::from(family) == AddressFamily::INET.as_raw() {
        IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?))
    } else if u16::from(family) == AddressFamily::INET6.as_raw() && flags & UNSUITABLE == 0 {
        IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?))
    } else {
        return None;
    };
    Some((index, Net { ip, prefix }))
}

/// Iterates over attributes, up to the first that is not whole.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(u16_at(bytes, 0)?), u16_at(bytes, 2)?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Notices that interfaces or their addresses have changed.
#[derive(Debug)]
pub(crate) struct Watch(Async<OwnedFd>);

impl Watch {
    /// Begins to watch. What changes from now on is noticed.
    ///
    /// # Errors
    /// When the system gives no such socket.
    pub(crate) fn new() -> io::Result<Watch> {
        let socket = open()?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, CHANGES))?;
        Ok(Watch(Async::new_nonblocking(socket)?))
    }

    /// Waits until something has changed.
    ///
    /// # Errors
    /// When the socket fails.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        let read = |socket: &OwnedFd| match recv(socket, &mut chunk[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            // So much has changed that the queue was full. What has changed is read elsewhere anyway.
            Err(rustix::io::Errno::NOBUFS) => Ok(()),
            read => Ok(read.map(drop)?),
        };
        self.0.read_with(read).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = [&(4 + value.len() as u16).to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link_message(flags: u32) -> Vec<u8> {
        let head = [[0; 4], 7u32.to_ne_bytes(), flags.to_ne_bytes(), [0; 4]].concat();
        [head, attribute(9, b"x"), attribute(NAME, b"eth0\0")].concat()
    }

    #[test]
    fn an_interface_is_up_and_carries_multicast() {
        let eth0 = |is_running| Some((7, Interface { name: "eth0".into(), is_running, nets: Vec::new() }));
        assert_eq!(link(&link_message(MUST)), eth0(false));
        assert_eq!(link(&link_message(MUST | RUNNING)), eth0(true));
        for flags in [0x41, 0x1040, MUST | 0x8, MUST | 0x10] {
            assert_eq!(link(&link_message(flags)), None, "{flags:x}");
        }
    }

    #[test]
    fn an_address_is_one_that_stays() {
        let message = |family: AddressFamily, flags: u32, ip: &[u8]| {
            let head = [&[family.as_raw() as u8, 24, 0, 0][..], &7u32.to_ne_bytes()].concat();
            [head, attribute(ADDRESS, ip), attribute(ADDRESS_FLAGS, &flags.to_ne_bytes())].concat()
        };
        let v4 = message(AddressFamily::INET, 0x80, &[10, 0, 0, 1]);
        assert_eq!(address(&v4), Some((7, Net { ip: [10, 0, 0, 1].into(), prefix: 24 })));
        let v6 = |flags| address(&message(AddressFamily::INET6, flags, &[0xfe; 16])).map(|(_, net)| net.ip);
        assert_eq!(v6(0x80), Some([0xfe; 16].into()));
        for flags in [0x01, 0x40, 0x08, 0x20] {
            assert_eq!(v6(flags), None, "{flags:x}");
        }
    }

    #[test]
    fn nothing_is_read_beyond_its_end() {
        let whole = link_message(MUST);
        let header = [&(16 + whole.len() as u32).to_ne_bytes()[..], &NEW_LINK.to_ne_bytes(), &[0; 10]].concat();
        let chunk = [header, whole].concat();
        for length in 1..chunk.len() {
            assert!(messages(&chunk[..length], &mut |_, _| {}).is_err(), "{length}");
        }
        let mut count = 0;
        assert!(messages(&[&chunk[..], &chunk].concat(), &mut |_, _| count += 1).is_ok_and(|more| more));
        assert_eq!(count, 2);
        // What says that it is shorter than its header would be read for ever.
        assert!(messages(&[0; 32], &mut |_, _| {}).is_err());
    }
}
