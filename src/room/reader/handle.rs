//! What the room and a reader share, and the `Handle` by which the room holds it.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_channel::Sender;

use crate::room::log::{Cursor, Size};

/// What a direct message takes in memory besides its bytes: its place in a list that grows by doubling, and what the
/// allocator adds.
pub(in crate::room) const OVERHEAD: usize = 128;

/// A direct message: one that is for one reader alone.
#[derive(Debug)]
pub(super) struct Direct {
    /// It comes after what stands before this position, in bytes.
    pub(super) position: u64,
    /// When it was put.
    pub(super) at: SystemTime,
    /// A box, because a vector that has grown by doubling takes more memory than it needs.
    pub(super) bytes: Box<[u8]>,
    pub(super) lines: u64,
    pub(super) then: Then,
}

impl Direct {
    fn memory(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }
}

/// What a reader does once it has passed a direct message.
#[derive(Debug)]
pub(super) enum Then {
    GoOn,
    /// It reads the log from here on.
    Follow(Cursor),
    End(End),
}

/// Why a reader ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its connection ends, for any other reason than the two below.
    Left,
    /// It was too slow: it skips what it has not read, except for the last words.
    TooSlow,
    /// The room closes.
    Closing,
}

/// What the room and the reader share. All but `incoming` are figures. They are read without a lock: see the module
/// `room`.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The position up to which the log is read.
    passed_lines: AtomicU64,
    pub(super) passed_bytes: AtomicU64,
    /// How many bytes the destination has ever taken.
    taken: AtomicU64,
    /// The direct messages that wait for this reader, and the memory that they take.
    direct_lines: AtomicU64,
    direct_bytes: AtomicU64,
    direct_memory: AtomicU64,
    /// Lines that this reader was to read, and did not get because it was too far behind.
    pub(super) lost: AtomicU64,
    incoming: Mutex<Incoming>,
    /// Whether `incoming` holds something.
    pub(super) has_incoming: AtomicBool,
    /// Whether the destination has not taken all that was last written.
    pub(super) blocked: AtomicBool,
    /// Whether a sender waits for this reader to read on.
    pub(super) watched: AtomicBool,
    pub(super) total: Total,
}

/// What the room has put for the reader, which has not looked at it yet.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    pub(super) directs: Vec<Direct>,
    /// Where the reader goes on, if it is to skip what it has not read, or is parked.
    pub(super) cursor: Option<Box<Cursor>>,
}

impl Shared {
    pub(super) fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn passed(&self) -> Size {
        Size { lines: self.passed_lines.load(Relaxed), bytes: self.passed_bytes.load(Relaxed) }
    }

    pub(super) fn discount(&self, direct: &Direct) {
        self.direct_lines.fetch_sub(direct.lines, Relaxed);
        self.direct_bytes.fetch_sub(direct.bytes.len() as u64, Relaxed);
        self.direct_memory.fetch_sub(direct.memory() as u64, Relaxed);
        self.total.fetch_sub(direct.memory(), Relaxed);
    }

    pub(super) fn count(&self, direct: &Direct) {
        self.direct_lines.fetch_add(direct.lines, Relaxed);
        self.direct_bytes.fetch_add(direct.bytes.len() as u64, Relaxed);
        self.direct_memory.fetch_add(direct.memory() as u64, Relaxed);
        self.total.fetch_add(direct.memory(), Relaxed);
    }

    /// Returns how many bytes the destination has ever taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// Counts bytes that the destination has taken. Only the reader calls this, so no other write comes between the
    /// load and the store.
    pub(super) fn count_taken(&self, written: usize) {
        self.taken.store(self.taken() + written as u64, Relaxed);
    }

    pub(super) fn set_passed(&self, position: Size) {
        self.passed_lines.store(position.lines, Relaxed);
        self.passed_bytes.store(position.bytes, Relaxed);
    }
}

impl Drop for Shared {
    /// Stops counting the direct messages that the room put after the reader was dropped.
    fn drop(&mut self) {
        let directs = mem::take(&mut self.incoming().directs);
        directs.iter().for_each(|direct| self.discount(direct));
    }
}

/// The memory that direct messages of all readers take, in bytes.
pub(in crate::room) type Total = Arc<AtomicUsize>;

/// A reader, as the room holds it.
#[derive(Debug)]
pub(in crate::room) struct Handle {
    pub(super) shared: Arc<Shared>,
    /// Holds a notification while there is something that the reader has not looked at.
    pub(super) notify: Sender<()>,
}

impl Handle {
    /// Notifies the reader, unless a notification waits for it already.
    pub(in crate::room) fn notify(&mut self) {
        let _ = self.notify.try_send(());
    }

    /// Puts a direct message at this position.
    pub(in crate::room) fn put(&mut self, position: Size, at: SystemTime, bytes: Vec<u8>, lines: u64) {
        self.push(Direct { position: position.bytes, at, bytes: bytes.into(), lines, then: Then::GoOn });
    }

    /// Puts a direct message at this position. Once the reader has passed it, it reads the log from the cursor on,
    /// which stands at the same position.
    pub(in crate::room) fn follow(
        &mut self,
        position: Size,
        at: SystemTime,
        bytes: Vec<u8>,
        lines: u64,
        cursor: Cursor,
    ) {
        self.shared.set_passed(position);
        self.push(Direct { position: position.bytes, at, bytes: bytes.into(), lines, then: Then::Follow(cursor) });
    }

    /// Makes the reader end at this position, after these last words. The caller calls [`Handle::close`] afterwards.
    pub(in crate::room) fn end(&mut self, position: Size, at: SystemTime, words: Vec<u8>, lines: u64, end: End) {
        if end == End::TooSlow {
            // The reader would discard these messages. They stop counting now, and not only when its task has its turn:
            // otherwise the next direct message to anybody would still exceed the bound, and another member would be
            // dropped.
            let forgotten = mem::take(&mut self.shared.incoming().directs);
            forgotten.iter().for_each(|direct| self.shared.discount(direct));
        }
        self.push(Direct { position: position.bytes, at, bytes: words.into(), lines, then: Then::End(end) });
    }

    /// Notifies the reader for the last time. All entries before its end have to be published by then.
    pub(in crate::room) fn close(&mut self) {
        self.notify.close();
    }

    /// Makes the reader skip what it has not read, and go on at this position, where the cursor stands. Its lag is zero
    /// from now on, even if its task does not run for a long time.
    pub(in crate::room) fn skip(&mut self, position: Size, cursor: Cursor) {
        self.lose(self.behind(position).lines);
        self.shared.set_passed(position);
        self.shared.incoming().cursor = Some(Box::new(cursor));
        self.shared.has_incoming.store(true, Relaxed);
        self.notify();
    }

    /// Counts lines that the reader was to read and will not get.
    pub(in crate::room) fn lose(&mut self, lines: u64) {
        self.shared.lost.fetch_add(lines, Relaxed);
    }

    /// Returns how many lines the reader has lost since it last asked.
    pub(in crate::room) fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }

    fn push(&mut self, direct: Direct) {
        self.shared.count(&direct);
        self.shared.incoming().directs.push(direct);
        self.shared.has_incoming.store(true, Relaxed);
    }

    /// Returns how far a reader of the log lags behind this head, with the direct messages that wait for it.
    pub(in crate::room) fn lag(&self, head: Size) -> Size {
        self.behind(head) + self.direct()
    }

    /// Returns how much of the log up to this head it has not read.
    pub(in crate::room) fn behind(&self, head: Size) -> Size {
        head - self.shared.passed()
    }

    /// Returns the memory that its waiting direct messages take, in bytes.
    pub(in crate::room) fn memory(&self) -> u64 {
        self.shared.direct_memory.load(Relaxed)
    }

    /// Returns the size of the direct messages that wait for it.
    pub(in crate::room) fn direct(&self) -> Size {
        Size { lines: self.shared.direct_lines.load(Relaxed), bytes: self.shared.direct_bytes.load(Relaxed) }
    }

    /// Returns how many bytes the destination has ever taken.
    pub(in crate::room) fn taken(&self) -> u64 {
        self.shared.taken()
    }

    /// Returns whether its destination did not take all that was last written.
    pub(in crate::room) fn is_blocked(&self) -> bool {
        self.shared.blocked.load(Relaxed)
    }

    /// Notes that a sender waits for this reader. [`was_watched`](crate::room::Reader::was_watched) returns true then,
    /// once.
    pub(in crate::room) fn watch(&mut self) {
        self.shared.watched.store(true, Relaxed);
    }

    /// Returns whether a sender still waits for it.
    pub(in crate::room) fn is_watched(&self) -> bool {
        self.shared.watched.load(Relaxed)
    }
}
