//! Waits for a socket to be ready, with as few wake-ups and as little memory as possible.

use std::future::{self, Future};
use std::io;
use std::mem;
use std::net::TcpStream;
use std::task::{Context, Poll};

use smol::Async;

/// Waits until there may be something to read.
pub(crate) fn readable(stream: &Async<TcpStream>) -> impl Future<Output = io::Result<()>> {
    // Not `Async::readable`: that keeps a list of wakers for each socket, and one waker is enough here.
    woken_once(move |cx| stream.poll_readable(cx))
}

/// Waits until more may be written.
pub(crate) fn writable(stream: &Async<TcpStream>) -> impl Future<Output = io::Result<()>> {
    woken_once(move |cx| stream.poll_writable(cx))
}

/// Waits for one wake-up, and assumes that the socket is ready then. A second poll would wait for the next event,
/// because async-io (2.6, `poll_ready`) drops this one if its own thread was already waiting for it. After a spurious
/// wake-up the caller gets `WouldBlock`, and waits again.
fn woken_once(mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>) -> impl Future<Output = io::Result<()>> {
    let mut polled = false;
    future::poll_fn(move |cx| match poll(cx) {
        Poll::Pending if mem::replace(&mut polled, true) => Poll::Ready(Ok(())),
        ready => ready,
    })
}

/// Calls again as long as a signal interrupts the call.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
