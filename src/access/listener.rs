//! Opens listening sockets. Knows which options every connection needs, and nothing of what is said on it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use rustix::net::sockopt;
use socket2::SockRef;

use super::keepalive;

/// How many connections may wait to be accepted. std asks for 128; when a thousand come at once, the kernel would drop
/// the others, and they would try again only after a second.
const BACKLOG: i32 = 4096;

/// How many bytes the system may hold for a client and has not sent yet. By default it holds up to 4 MiB, and it would
/// take long to notice that a client reads nothing.
const UNSENT: u32 = 16 * 1024;

/// How many bytes the system may hold for a client, sent or not, until the client's system acknowledges them. Linux
/// doubles the figure. A wire of 140 kbit/s carries about the least that a reader has to take; it empties this buffer
/// often enough for the server to see that the client reads. With a round trip of 10 ms the buffer still lets a
/// megabyte a second through. A thousand clients with this buffer and the next one full are 48 MiB of the contract's
/// 64.
const SEND_BUFFER: usize = 8 * 1024;

/// How many bytes the system may hold that a client has sent and the server has not read yet. Linux doubles the figure.
/// A flood that is read at its rate fills it, and people do not. It still lets megabytes a second through on a local
/// network.
const RECEIVE_BUFFER: usize = 16 * 1024;

/// How much the system may hold for a connection on either way, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffers {
    pub(crate) unsent: u32,
    pub(crate) send: usize,
    pub(crate) receive: usize,
}

/// The buffers of every new connection.
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

/// Opens a listening socket with a backlog for a rush. Its connections inherit their options: no delay for small lines,
/// keepalive, telnet's urgent bytes in their place, and small buffers.
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
