//! Sockets for multicast DNS: one for each link. Knows how they are opened, and nothing of what is said on them.
//!
//! There is one socket for each interface and family, because only IP_PKTINFO says by which interface a packet came to
//! a common socket, and neither std nor rustix reads that without unsafe code. Each socket is bound to the multicast
//! group and not to all addresses. So it takes no unicast packet from another responder of this host: of several
//! sockets at one port, only one gets a unicast packet. What comes to the group is from the link itself, because no
//! router passes it on (RFC 6762, section 11).
//!
//! So a query that is sent to the address of this machine, and not to the group, is not answered, though RFC 6762,
//! section 5.5, asks for that. An Avahi on this machine would lose such queries, and a port that answers strangers can
//! be used to amplify attacks on others.

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

/// Returns the address of the multicast group on a link.
pub(crate) fn everybody(link: Key) -> SocketAddr {
    if link.v6 {
        SocketAddrV6::new(GROUP_V6, PORT, 0, link.index).into()
    } else {
        SocketAddrV4::new(GROUP_V4, PORT).into()
    }
}

/// Opens a socket that receives what is sent to the group on this link, and sends from the port of multicast DNS. Other
/// programs of the machine may have the same port.
///
/// # Errors
/// When a program has the port and does not share it, or the interface is gone.
pub(crate) fn join(link: Key) -> io::Result<Async<UdpSocket>> {
    let socket = open(link)?;
    // SO_REUSEPORT alone would fail beside the socket of another user.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &everybody(link))?;
    if link.v6 {
        SockRef::from(&socket).set_multicast_all_v6(false)?;
        sockopt::set_ipv6_add_membership(&socket, &GROUP_V6, link.index)?;
    } else {
        // Otherwise it would receive from each interface on which any program of the machine has joined the group.
        SockRef::from(&socket).set_multicast_all_v4(false)?;
        sockopt::set_ip_add_membership_with_ifindex(&socket, &GROUP_V4, &Ipv4Addr::UNSPECIFIED, link.index)?;
    }
    Async::new_nonblocking(socket)
}

/// Opens a socket that sends questions to the group on this link, and receives unicast answers.
///
/// # Errors
/// When the system gives no socket, or the interface is gone.
pub(crate) fn ask(link: Key) -> io::Result<Async<UdpSocket>> {
    let socket = open(link)?;
    let any: SocketAddr = if link.v6 { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    rustix::net::bind(&socket, &any)?;
    Async::new_nonblocking(socket)
}

/// Opens a socket that sends to the group on this link. It is not bound yet.
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
