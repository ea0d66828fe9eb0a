//! Sockets for multicast DNS: one for each link. Knows how they are opened, and nothing of what is said on them.
//!
//! One for each interface and family, and not one for all: which interface a packet came by is otherwise told by
//! IP_PKTINFO alone, which neither std nor rustix reads without unsafe code. Such a socket is bound to the multicast
//! group and not to all addresses, so that it takes no unicast packet that is for another responder of this host: of
//! several sockets with one port only one gets it. What comes to the group is from the link itself, because no router
//! passes it on (RFC 6762, section 11).
//!
//! So who sends a query to the address of this machine and not to the group is not answered, though RFC 6762, section
//! 5.5, would have it: an Avahi here would lose its own queries of that kind, and a port that answers strangers is what
//! attacks on others are amplified with.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};

use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use smol::Async;
use socket2::SockRef;

use super::link::PORT;
use super::responder::Key;

/// The groups. RFC 6762, section 3.
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// The time to live of every packet. RFC 6762, section 11.
const TTL: u32 = 255;

/// Where everybody on a link is reached.
pub(crate) fn everybody(link: Key) -> SocketAddr {
    if link.v6 {
        SocketAddrV6::new(GROUP_V6, PORT, 0, link.index).into()
    } else {
        SocketAddrV4::new(GROUP_V4, PORT).into()
    }
}

/// Opens a socket that hears what everybody on the link hears, and speaks there from the port of multicast DNS, beside
/// other programs that do.
///
/// # Errors
/// When the port is somebody's who does not share it, or the interface has gone.
pub(crate) fn join(link: Key) -> io::Result<Async<UdpSocket>> {
    let socket = open(link)?;
    // SO_REUSEPORT alone would fail beside the socket of another user.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &everybody(link))?;
    if link.v6 {
        SockRef::from(&socket).set_multicast_all_v6(false)?;
        sockopt::set_ipv6_add_membership(&socket, &GROUP_V6, link.index)?;
    } else {
        // Otherwise it would hear the group on each interface that any program has joined it on.
        SockRef::from(&socket).set_multicast_all_v4(false)?;
        sockopt::set_ip_add_membership_with_ifindex(&socket, &GROUP_V4, &Ipv4Addr::UNSPECIFIED, link.index)?;
    }
    Async::new_nonblocking(socket)
}

/// Opens a socket that asks everybody on the link, and takes the answers that are for it alone.
///
/// # Errors
/// When the system gives no socket, or the interface has gone.
pub(crate) fn ask(link: Key) -> io::Result<Async<UdpSocket>> {
    let socket = open(link)?;
    let any: SocketAddr = if link.v6 { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    rustix::net::bind(&socket, &any)?;
    Async::new_nonblocking(socket)
}

/// Opens a socket that speaks to everybody on the link, and is not bound yet.
fn open(link: Key) -> io::Result<UdpSocket> {
    let family = if link.v6 { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
    if link.v6 {
        sockopt::set_ipv6_v6only(&socket, true)?;
        sockopt::set_ipv6_multicast_if(&socket, link.index)?;
        sockopt::set_ipv6_multicast_hops(&socket, TTL)?;
        sockopt::set_ipv6_unicast_hops(&socket, Some(TTL as u8))?;
    } else {
        sockopt::set_ip_multicast_if_with_ifindex(&socket, &Ipv4Addr::UNSPECIFIED, &Ipv4Addr::UNSPECIFIED, link.index)?;
        sockopt::set_ip_multicast_ttl(&socket, TTL)?;
        sockopt::set_ip_ttl(&socket, TTL)?;
    }
    Ok(UdpSocket::from(socket))
}
