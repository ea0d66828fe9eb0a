//! How a connection is closed so that its peer notices, even a peer that does not read.
//!
//! Knows sockets, and what other programs do with them; knows nothing of rooms and names.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use futures_lite::future;
use rustix::net::sockopt;
use smol::Async;

use super::ready::{readable, uninterrupted};
use crate::text::message::Message;
use crate::within::within;

/// How long a peer may take to close its side before the connection is reset. OpenBSD's nc and ncat do not notice a
/// plain close until the next key is pressed. Only a reset ends them at once.
const PEER_CLOSES: Duration = Duration::from_millis(250);

/// The same for a peer that was too slow. The system still has to send what it holds for this peer, and the last words
/// after that. A reset would discard both.
const SLOW_PEER_CLOSES: Duration = Duration::from_secs(5);

/// How much is still read from a peer after the goodbye, in bytes. A peer that sends more has not noticed the goodbye.
const MAX_DRAINED: usize = 64 * 1024;

/// The same for a peer that sends a whole file before it reads the answer.
#[cfg(feature = "web")]
const MAX_UPLOAD_DRAINED: usize = 1024 * 1024 * 1024;

/// How a connection is closed whose peer has not closed its side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// A half-close, and a reset after `PEER_CLOSES`. Programs that read to the end see the half-close. OpenBSD's nc
    /// notices the reset.
    HalfClose,
    /// The same after `SLOW_PEER_CLOSES`, for a peer that still has much to read.
    HalfCloseSlow,
    /// The same, for a peer that may still send much before it reads the answer, as Firefox does with a file.
    #[cfg(feature = "web")]
    HalfCloseUpload,
    /// A plain close, without a reset.
    Close,
    /// A reset after `PEER_CLOSES`, without a half-close. Once ncat has seen a half-close, it notices nothing more
    /// until the next key is pressed.
    Reset,
}

/// Sends last words to a connection that is not let in, as lines for `nc`, and closes it.
pub(crate) async fn refuse(stream: &Async<TcpStream>, why: Message, goodbye: Goodbye) {
    // One line always fits into a new socket's buffer, unless the connection is broken already.
    let flushed = stream.get_ref().write(why.bytes()).is_ok();
    close(stream, flushed, false, goodbye).await;
}

/// Closes a socket so that its peer notices. `flushed` says whether everything for the peer is written, `peer_closed`
/// whether the peer has closed its side.
pub(crate) async fn close(stream: &Async<TcpStream>, flushed: bool, peer_closed: bool, goodbye: Goodbye) {
    if flushed && (peer_closed || goodbye == Goodbye::Close) {
        return;
    }
    if flushed && (goodbye == Goodbye::Reset || stream.get_ref().shutdown(Shutdown::Write).is_ok()) {
        let (moment, enough) = match goodbye {
            Goodbye::HalfCloseSlow => (SLOW_PEER_CLOSES, MAX_DRAINED),
            #[cfg(feature = "web")]
            Goodbye::HalfCloseUpload => (SLOW_PEER_CLOSES, MAX_UPLOAD_DRAINED),
            _ => (PEER_CLOSES, MAX_DRAINED),
        };
        if let Some(Ok(())) = within(moment, drain(stream, enough)).await {
            return;
        }
    }
    // With a linger time of zero, close(2) resets. This fails on no socket that is open.
    let _ = sockopt::set_socket_linger(stream.get_ref(), Some(Duration::ZERO));
}

/// Returns whether an error means that the peer itself ended the connection. A program that ends with unread input
/// resets it. All other errors come from the network.
pub(crate) fn ended_by_peer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// Reads and discards what the peer still sends, until it closes its side.
///
/// # Errors
/// When the peer sends more than `enough` bytes.
async fn drain(stream: &Async<TcpStream>, enough: usize) -> io::Result<()> {
    let mut drained = 0;
    while drained < enough {
        readable(stream).await?;
        match read_some(stream.get_ref()) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                drained += n;
                // Other tasks have their turn, even if the peer sends without a pause.
                future::yield_now().await;
            }
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
