//! What the system knows of a TCP connection. It is asked over netlink, by Linux's sock_diag (sock_diag(7)).
//!
//! Neither std nor rustix reads `TCP_INFO`. The layouts here are those of linux/netlink.h, linux/inet_diag.h and
//! linux/tcp.h, which only ever grow at their ends.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, netlink, recv, send};

/// `SOCK_DIAG_BY_FAMILY`, the type of the request and of its answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `INET_DIAG_INFO`, the attribute that holds the connection's `struct tcp_info`.
const INFO: u16 = 2;

/// The sizes of `struct nlmsghdr`, of the whole request and of `struct inet_diag_msg`.
const HEADER: usize = 16;
const REQUEST_SIZE: usize = HEADER + 56;
const MESSAGE: usize = 72;

/// What is known of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    /// Whether nothing is in flight, and nothing waits to be sent.
    pub(super) is_idle: bool,
    /// The time since anything came from the peer's system: data, or an acknowledgement. An acknowledgement that comes
    /// with data and acknowledges nothing new does not count for Linux.
    pub(super) silent: Duration,
    /// The window: how many bytes the peer's system takes now, as it says. None on a kernel older than Linux 5.4.
    pub(super) window: Option<u32>,
}

/// Asks the system about a connection.
///
/// # Errors
/// When the connection is broken, or the system does not answer such questions.
pub(super) fn flow(stream: &TcpStream) -> io::Result<Flow> {
    let request = request(stream.local_addr()?, stream.peer_addr()?);
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
    send(&socket, &request, SendFlags::empty())?;
    let mut answer = [0; 1024];
    // The answer is there as soon as the request is sent.
    let (_, length) = recv(&socket, &mut answer, RecvFlags::DONTWAIT)?;
    answer.get(..length).and_then(read).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The question about the connection between these two addresses.
fn request(local: SocketAddr, peer: SocketAddr) -> [u8; REQUEST_SIZE] {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut bytes = [0; REQUEST_SIZE];
    let mut rest = &mut bytes[..];
    let mut put = |field: &[u8]| {
        if let Some((to, after)) = std::mem::take(&mut rest).split_at_mut_checked(field.len()) {
            to.copy_from_slice(field);
            rest = after;
        }
    };
    put(&(REQUEST_SIZE as u32).to_ne_bytes());
    put(&BY_FAMILY.to_ne_bytes());
    put(&REQUEST.to_ne_bytes());
    // The number of the request, of which there is one, and that of the sender, which the system knows.
    put(&[0; 8]);
    let protocol = ipproto::TCP.as_raw().get() as u8;
    put(&[family.as_raw() as u8, protocol, 1 << (INFO - 1), 0]);
    // All states of a connection.
    put(&u32::MAX.to_ne_bytes());
    put(&local.port().to_be_bytes());
    put(&peer.port().to_be_bytes());
    for address in [local, peer] {
        match address.ip() {
            IpAddr::V4(ip) => put(&[&ip.octets()[..], &[0; 12]].concat()),
            IpAddr::V6(ip) => put(&ip.octets()),
        }
    }
    // A link-local address is of one interface.
    let interface = if let SocketAddr::V6(peer) = peer { peer.scope_id() } else { 0 };
    put(&interface.to_ne_bytes());
    // `INET_DIAG_NOCOOKIE`: no particular socket.
    put(&[0xff; 8]);
    bytes
}

/// Reads the answer. None if it is an error, or has no `tcp_info`.
fn read(answer: &[u8]) -> Option<Flow> {
    if u16_at(answer, 4)? != BY_FAMILY {
        return None;
    }
    let mut attributes = answer.get(HEADER + MESSAGE..)?;
    loop {
        let (length, kind) = (usize::from(u16_at(attributes, 0)?), u16_at(attributes, 2)?);
        let info = attributes.get(4..length)?;
        if kind == INFO {
            let is_idle = u32_at(info, 24)? == 0 && u32_at(info, 144)? == 0;
            let silent = Duration::from_millis(u32_at(info, 52)?.min(u32_at(info, 56)?).into());
            return Some(Flow { is_idle, silent, window: u32_at(info, 228) });
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_connection_is_known_by_its_addresses() {
        for (listen, dial) in [("127.0.0.1:0", "127.0.0.1"), ("[::]:0", "127.0.0.1"), ("[::]:0", "::1")] {
            let Ok(listener) = TcpListener::bind(listen) else { continue };
            let port = listener.local_addr().expect("it is bound").port();
            let peer = TcpStream::connect((dial, port)).expect("it listens");
            let (mut stream, _) = listener.accept().expect("somebody comes");
            stream.write_all(b"hello\n").expect("it takes a line");
            let found = match flow(&stream) {
                Ok(found) => found,
                Err(error) if is_an_emulator(&error) => continue,
                Err(error) => panic!("{error}"),
            };
            assert!(found.window.is_none_or(|window| window > 1000), "{found:?}");
            assert!(found.silent < Duration::from_secs(5), "{found:?}");
            drop(peer);
        }
    }

    /// An emulator of another processor may know no netlink of this kind.
    fn is_an_emulator(error: &io::Error) -> bool {
        rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::PFNOSUPPORT)
    }

    #[test]
    fn no_answer_is_read_beyond_its_end() {
        let mut answer = vec![0; HEADER + MESSAGE];
        answer[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        let attribute = |kind: u16, length: u16| [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        let info: Vec<u8> = (0..240).map(|n| n / 4).collect();
        answer.extend([attribute(1, 5), vec![7, 0, 0, 0], attribute(INFO, 4 + 240), info].concat());
        let four = |n: u8| u32::from_ne_bytes([n; 4]);
        let whole = Flow { is_idle: false, silent: Duration::from_millis(four(13).into()), window: Some(four(57)) };
        assert_eq!(read(&answer), Some(whole));
        for length in 0..answer.len() {
            assert_eq!(read(&answer[..length]), None, "{length}");
        }
        // As an older system has it, whose structure is shorter.
        let at = HEADER + MESSAGE + 8;
        answer.truncate(at + 4 + 200);
        answer[at..at + 2].copy_from_slice(&204u16.to_ne_bytes());
        assert_eq!(read(&answer), Some(Flow { window: None, ..whole }));
        answer[4..6].copy_from_slice(&2u16.to_ne_bytes());
        assert_eq!(read(&answer), None, "an error");
        // An attribute of no length would be read for ever.
        let mut endless = answer[..HEADER + MESSAGE].to_vec();
        endless[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        endless.extend([0; 64]);
        assert_eq!(read(&endless), None);
    }
}
