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
/// plain close until the next key is pressed; only a reset makes them give the shell prompt back.
const MOMENT: Duration = Duration::from_millis(250);

/// The same for a peer that was too slow: its last words wait behind what the system has yet to send to it. A reset
/// would discard both.
const LONG_MOMENT: Duration = Duration::from_secs(5);

/// A peer that still sends more than this, in bytes, has not noticed that it was told goodbye.
const ENOUGH: usize = 64 * 1024;

/// The same for a peer that sends all that it has before it looks at an answer.
#[cfg(feature = "web")]
const ALL: usize = 1024 * 1024 * 1024;

/// How a peer that has not closed its side is made to notice the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// A half-close, and a reset a moment later. Programs that read to the end see the half-close; OpenBSD's nc notices
    /// the reset.
    Proper,
    /// The same with a longer moment, for a peer that has much to read still.
    Patient,
    /// The same, for a peer that may send much still before it reads what it was told, as Firefox does with a file.
    #[cfg(feature = "web")]
    Attentive,
    /// A plain close, without a reset.
    Hasty,
    /// A reset a moment after the last words, without a half-close: once ncat has seen a half-close, it notices nothing
    /// more until the next key is pressed.
    Abrupt,
}

/// Sends last words to a connection that is not let in, and closes it.
pub(crate) async fn refuse(stream: &Async<TcpStream>, why: Message, goodbye: Goodbye) {
    // One line always fits into a new socket's buffer. Where it does not, nobody is there to read it.
    let flushed = stream.get_ref().write(why.bytes()).is_ok();
    close(stream, flushed, false, goodbye).await;
}

/// Closes a socket so that its peer notices. `flushed` says whether all that was for the peer is written, `peer_closed`
/// whether the peer has closed its side.
pub(crate) async fn close(stream: &Async<TcpStream>, flushed: bool, peer_closed: bool, goodbye: Goodbye) {
    if flushed && (peer_closed || goodbye == Goodbye::Hasty) {
        return;
    }
    if flushed && (goodbye == Goodbye::Abrupt || stream.get_ref().shutdown(Shutdown::Write).is_ok()) {
        let (moment, enough) = match goodbye {
            Goodbye::Patient => (LONG_MOMENT, ENOUGH),
            #[cfg(feature = "web")]
            Goodbye::Attentive => (LONG_MOMENT, ALL),
            _ => (MOMENT, ENOUGH),
        };
        if let Some(Ok(())) = within(moment, drain(stream, enough)).await {
            return;
        }
    }
    // With a linger time of zero, close(2) resets. This fails on no socket that is open.
    let _ = sockopt::set_socket_linger(stream.get_ref(), Some(Duration::ZERO));
}

/// Returns whether the peer itself ended the connection: a program that ends with unread input resets it. All other
/// errors are the network's.
pub(crate) fn is_the_peers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// Reads what the peer still sends, up to the end of it.
///
/// # Errors
/// When the peer goes on as if it had not been told goodbye.
async fn drain(stream: &Async<TcpStream>, enough: usize) -> io::Result<()> {
    let mut drained = 0;
    while drained < enough {
        readable(stream).await?;
        match read_some(stream.get_ref()) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                drained += n;
                // Who sends without a pause is always ready to be read. The others have their turn, too.
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
