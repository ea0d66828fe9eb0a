//! Opens listening sockets. Knows what every connection needs of its socket, and nothing of what is said on it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use rustix::net::sockopt;
use socket2::SockRef;

use super::keepalive;

/// How many connections may wait to be accepted. std asks for 128; when a thousand come at once, the kernel would drop
/// the others, and they would try again only after a second.
const BACKLOG: i32 = 4096;

/// What the system may hold for a client and has not sent yet. Left to itself it takes 4 MiB, so that nobody would
/// notice for a long time that a client reads nothing.
const UNSENT: u32 = 16 * 1024;

/// What the system may hold for a client, sent or not, until the client's system acknowledges it; it doubles the
/// figure. A wire of 140 kbit/s, which carries about as little as a reader has to take, empties it soon enough for its
/// reader to be seen to read. With a round trip of 10 ms it still carries a megabyte a second. A thousand clients with
/// this buffer and the next one full are 48 MiB of the contract's 64.
const SEND_BUFFER: usize = 8 * 1024;

/// What the system may hold of what a client sent and the server has not read yet; it doubles the figure. A flood that
/// is read at its rate fills it. People do not, and a local network carries megabytes a second through it.
const RECEIVE_BUFFER: usize = 16 * 1024;

/// How much the system may hold for a connection on either way, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffers {
    pub(crate) unsent: u32,
    pub(crate) send: usize,
    pub(crate) receive: usize,
}

/// What every connection begins with.
pub(crate) const BUFFERS: Buffers = Buffers { unsent: UNSENT, send: SEND_BUFFER, receive: RECEIVE_BUFFER };

/// Limits what the system may hold for a connection, or for all connections of a listener.
///
/// # Errors
/// When the socket takes no such options.
pub(crate) fn set_buffers(socket: &impl AsFd, buffers: Buffers) -> io::Result<()> {
    SockRef::from(socket).set_tcp_notsent_lowat(buffers.unsent)?;
    sockopt::set_socket_send_buffer_size(socket, buffers.send)?;
    Ok(sockopt::set_socket_recv_buffer_size(socket, buffers.receive)?)
}

/// Opens a listening socket whose connections inherit what all of them need: no delay for small lines, keepalive,
/// telnet's urgent bytes in their place, little that is held in buffers, and a backlog for a rush.
///
/// # Errors
/// When the address cannot be bound, or an option not set.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        // Whatever the system's default, [::] means both families.
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_oobinline(&socket, true)?;
    set_buffers(&socket, BUFFERS)?;
    keepalive::set(&socket)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}
