//! How a connection ends so that its peer notices: even one that does not look, or does not read.
//!
//! Knows sockets and what programs of others do with them; knows nothing of rooms and names.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustix::net::sockopt;
use smol::Async;

use super::ready::{readable, uninterrupted};
use crate::text::message::Message;
use crate::within::within;

/// How long a peer that was told goodbye may take to close its side before it is reset: OpenBSD's nc and ncat sit on a
/// plain close until the next key is pressed, and get the shell back only by this.
const MOMENT: Duration = Duration::from_millis(250);

/// The same for one that was too slow: until then its last words wait behind what the system holds for it. A reset would
/// throw that away, and with it the reason.
const LONG_MOMENT: Duration = Duration::from_secs(5);

/// A peer that still sends more than this, in bytes, has not noticed that it was told goodbye.
const ENOUGH: usize = 64 * 1024;

/// How a peer that has not closed its side is made to notice the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// By the end of what it reads, and a reset a moment later. Programs that read to the end see one, OpenBSD's nc
    /// notices the reset.
    Proper,
    /// As the proper one, but after a longer moment: it has yet to read all that it did not read in time.
    Patient,
    /// By the end of what it reads alone.
    Hasty,
    /// By a reset alone, a moment after the last words: once ncat has seen the end of what it reads, it notices nothing
    /// until the next key is pressed.
    Abrupt,
}

/// Sends last words to a connection that is not let in, and closes it.
pub(super) async fn refuse(stream: &Async<TcpStream>, why: Message, goodbye: Goodbye) {
    // One line always fits into a new socket's buffer. Where it does not, nobody is there to read it.
    let flushed = stream.get_ref().write(why.bytes()).is_ok();
    close(stream, flushed, false, goodbye).await;
}

/// Closes a socket so that its peer notices. `flushed` says whether all that was for the peer is written, `peer_closed` whether
/// the peer has closed its side.
pub(super) async fn close(stream: &Async<TcpStream>, flushed: bool, peer_closed: bool, goodbye: Goodbye) {
    if flushed && (peer_closed || goodbye == Goodbye::Hasty) {
        return;
    }
    if flushed && (goodbye == Goodbye::Abrupt || stream.get_ref().shutdown(Shutdown::Write).is_ok()) {
        let moment = if goodbye == Goodbye::Patient { LONG_MOMENT } else { MOMENT };
        if let Some(Ok(())) = within(moment, drain(stream)).await {
            return;
        }
    }
    // To linger for no time at all is to reset. Fails on no socket that is still there.
    let _ = sockopt::set_socket_linger(stream.get_ref(), Some(Duration::ZERO));
}

/// Whether it was the peer who ended the connection: a reset is what a program that ends with input unread does. The rest
/// is the network's doing.
pub(super) fn is_the_peers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// Reads what the peer still sends, up to the end of it.
///
/// # Errors
/// When the peer goes on as if it had not been told goodbye.
async fn drain(stream: &Async<TcpStream>) -> io::Result<()> {
    let mut drained = 0;
    while drained < ENOUGH {
        readable(stream).await?;
        match read_some(stream.get_ref()) {
            Ok(0) => return Ok(()),
            Ok(n) => drained += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn read_some(mut stream: &TcpStream) -> io::Result<usize> {
    let mut buffer = [0; 4096];
    uninterrupted(|| stream.read(&mut buffer))
}
