//! A page as the server sees it: how it joins by HTTP, and what its stream of events says, as the lines that `nc` would
//! show. Knows nothing of when anything is said.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::sockopt;

use crate::fault::{Fault, Result};

/// How long an answer may take; under valgrind a server takes its time.
const ANSWER: Duration = Duration::from_secs(20);
/// How the data of an event begins. A line that is said here has nothing in it that JSON would escape.
const TEXT: &[u8] = b"data: {\"text\":\"";

/// Begins a session of that name, and returns the connection on which its events come from now on.
pub(crate) fn join(server: SocketAddrV4, name: &str) -> Result<TcpStream> {
    begin(server, name).map_err(|error| Fault::unable(format!("page {name}"), error))
}

fn begin(server: SocketAddrV4, name: &str) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_nodelay(true)?;
    // As for clients of `nc`: closing resets the connection.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    socket.set_read_timeout(Some(ANSWER))?;
    let length = name.len();
    write!(socket, "POST /sessions HTTP/1.1\r\nHost: {server}\r\nContent-Length: {length}\r\n\r\n{name}")?;
    let token = answer(&mut socket)?;
    write!(socket, "GET /sessions/{token}/events HTTP/1.1\r\nHost: {server}\r\n\r\n")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Reads the answer to a session's beginning, and returns its body, the token.
fn answer(socket: &mut TcpStream) -> io::Result<String> {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        let count = socket.read(&mut buffer)?;
        text += &String::from_utf8_lossy(&buffer[..count]);
        let whole = text.split_once("\r\n\r\n").and_then(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
            (length.parse() == Ok(body.len())).then_some((head, body))
        });
        match whole {
            Some((head, token)) if head.starts_with("HTTP/1.1 201 ") => return Ok(token.to_owned()),
            None if count > 0 => {}
            _ => return Err(io::Error::other(format!("the answer is {text:?}"))),
        }
    }
}

/// Appends the lines that are told of by these lines of an event stream to `lines`.
pub(crate) fn read(stream: &[u8], lines: &mut Vec<u8>) -> Result<()> {
    for line in stream.split_inclusive(|byte| *byte == b'\n') {
        let Some(data) = line.strip_prefix(TEXT) else { continue };
        let end = data.iter().position(|byte| matches!(byte, b'"' | b'\\'));
        let Some(end) = end.filter(|end| data[*end] == b'"') else {
            return Err(Fault::Wrong(format!("a page was told {:?}", String::from_utf8_lossy(line))));
        };
        lines.extend_from_slice(&data[..end]);
        lines.push(b'\n');
    }
    Ok(())
}
