//! A connection to an HTTP server: a request, its answer, and the next request. It does the same for all servers, and
//! only copies bytes while a file is transferred. Knows nothing of what is sent and fetched.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::sockopt;

use crate::fault::{Fault, Result};

/// How long nothing may come or go; under valgrind a server takes its time.
const SILENT: Duration = Duration::from_secs(20);
/// How much is read at once.
const PIECE: usize = 256 * 1024;

/// A connection that stays for one request after the other.
pub(crate) struct Connection {
    socket: TcpStream,
    server: SocketAddrV4,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(server: SocketAddrV4) -> Result<Self> {
        let open = || {
            let socket = TcpStream::connect(server)?;
            socket.set_nodelay(true)?;
            // As for clients of `nc`: closing resets the connection.
            sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
            socket.set_read_timeout(Some(SILENT))?;
            socket.set_write_timeout(Some(SILENT))?;
            Ok(Self { socket, server, buffer: vec![0; PIECE] })
        };
        open().map_err(|error: io::Error| Fault::unable(format!("connecting to {server}"), error))
    }

    /// Begins a session of that name, and returns its token.
    pub(crate) fn join(&mut self, name: &str) -> Result<String> {
        let mut token = Vec::new();
        self.ask("POST /sessions", name.as_bytes(), |piece| token.extend_from_slice(piece))?;
        Ok(String::from_utf8_lossy(&token).into_owned())
    }

    /// Sends a request, whose body is not empty unless it has none, and hands the answer's body to `take` as it comes.
    /// Returns the answer's head.
    pub(crate) fn ask(&mut self, request: &str, body: &[u8], take: impl FnMut(&[u8])) -> Result<String> {
        let answer = self.request(request, body).and_then(|()| self.answer(take));
        let head = answer.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => Fault::Stalled(format!("{request}: nothing for {} s", SILENT.as_secs())),
            ErrorKind::UnexpectedEof => Fault::Wrong(format!("{request}: the answer is not whole")),
            _ => Fault::unable(request, error),
        })?;
        if head.starts_with("HTTP/1.1 2") { Ok(head) } else { Err(Fault::Wrong(format!("{request}: {head:?}"))) }
    }

    /// Sends a request whose answer has no end, and returns the socket that it comes from.
    pub(crate) fn ask_for_all_time(mut self, request: &str) -> Result<TcpStream> {
        let asked = self.request(request, b"").and_then(|()| self.socket.set_nonblocking(true));
        asked.map(|()| self.socket).map_err(|error| Fault::unable(request, error))
    }

    fn request(&mut self, request: &str, body: &[u8]) -> io::Result<()> {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{request} HTTP/1.1\r\nHost: {}\r\n{length}\r\n", self.server);
        self.socket.write_all(head.as_bytes())?;
        self.socket.write_all(body)
    }

    fn answer(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<String> {
        let mut filled = 0;
        let end = loop {
            filled += self.read(filled)?;
            if let Some(end) = self.buffer[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let length = field(&head, "Content-Length").and_then(|length| length.parse().ok());
        let length: usize = length.ok_or_else(|| io::Error::other(format!("the answer is {head:?}")))?;
        let mut come = filled - end - 4;
        take(&self.buffer[end + 4..filled]);
        while come < length {
            let count = self.read(0)?;
            take(&self.buffer[..count]);
            come += count;
        }
        if come > length { Err(io::Error::other("more came than was announced")) } else { Ok(head) }
    }

    /// Reads into the buffer from there on.
    fn read(&mut self, from: usize) -> io::Result<usize> {
        match self.socket.read(&mut self.buffer[from..])? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }
}

/// What an answer's head says of this.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
