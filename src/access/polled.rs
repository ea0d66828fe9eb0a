//! Writes to a socket no more than the system is to hold. Knows nothing of what is written.

use std::io::{self, IoSlice, Write};
use std::net::TcpStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::room::MAX_WRITE;

/// The system is polled before each write that completes another 8 KiB. It takes more as long as less than half of
/// `UNSENT` is unsent, so less than 24 KiB is ever unsent. No write is larger than this.
const POLL_EVERY: u64 = MAX_WRITE as u64;

/// A socket that is polled before every 8 KiB or so. Linux appends to a packet that it has not sent yet, until that has
/// 64 KiB, without regard to the limits on what it may hold (`tcp_sendmsg_locked`); `poll` does regard them.
pub(crate) struct Polled<'a> {
    pub(crate) stream: &'a TcpStream,
    /// How many bytes it has ever taken.
    pub(crate) taken: u64,
}

impl Polled<'_> {
    /// Writes so many bytes. If they complete another `POLL_EVERY`, the socket is polled first. Returns `WouldBlock` if
    /// it is not writable, though the write itself would still take them.
    ///
    /// The write is rustix's, which makes the system call itself. libc's is a cancellation point of its thread, which takes
    /// several times as long as the call does on this side.
    fn write_by(&mut self, bytes: usize, write: impl FnOnce(&TcpStream) -> Result<usize, Errno>) -> io::Result<usize> {
        let is_due = self.taken % POLL_EVERY + bytes as u64 >= POLL_EVERY;
        if is_due && !takes_more(self.stream)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let written = write(self.stream)?;
        self.taken += written as u64;
        Ok(written)
    }
}

/// Returns whether the system takes more: whether less than half of `UNSENT` is unsent, and the buffer is not full.
pub(crate) fn takes_more(stream: &TcpStream) -> Result<bool, Errno> {
    Ok(poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&Timespec::default()))? > 0)
}

impl Write for Polled<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_by(bytes.len(), |stream| rustix::io::write(stream, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes = slices.iter().map(|slice| slice.len()).sum();
        self.write_by(bytes, |stream| rustix::io::writev(stream, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
