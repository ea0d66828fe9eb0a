//! A page as the server sees it: how it joins by HTTP, and what its stream of events says, as the lines that `nc` would
//! show. Knows nothing of when anything is said.

use std::net::{SocketAddrV4, TcpStream};

use crate::fault::{Fault, Result};
use crate::transfer::Connection;

/// How the data of an event begins. A line that is said here has nothing in it that JSON would escape.
const TEXT: &[u8] = b"data: {\"text\":\"";

/// Begins a session of that name, and returns the connection on which its events come from now on.
pub(crate) fn join(server: SocketAddrV4, name: &str) -> Result<TcpStream> {
    let mut connection = Connection::open(server)?;
    let token = connection.join(name)?;
    connection.ask_for_all_time(&format!("GET /sessions/{token}/events"))
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
