//! One client's queue: a bounded async-channel that holds one parcel.
//!
//! Who posts takes out the parcel that still waits, adds to it and puts it back; the client's writer takes it whole and
//! writes it with few system calls. So posting never waits, everything that queued up is gathered, and an idle client's
//! queue holds no memory but the channel itself. Knows nothing of sockets: what is written to is anything that writes.
//!
//! Only the room posts, with its client list locked: no two posters meet.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender};

use super::Id;
use super::batch::{Audience, Batch, Size};
use crate::text::message::Message;

/// What may wait for one client: the contract's 1024 lines or 128 KiB. Past that it is too slow.
pub(super) const MAX_QUEUED: Size = Size { lines: 1024, bytes: 128 * 1024 };

/// What one client's unread lines may keep in memory, others' lines in the same batches included: only somebody who
/// both talks without end and never reads comes near it.
const MAX_HELD: usize = 1024 * 1024;

/// How many slices one system call is given at most. A batch is two, if its reader spoke once in it; past a few batches
/// nothing is gained.
const SLICES: usize = 16;

/// Both ends of one client's queue: the room's, and its writer's.
#[derive(Clone, Debug)]
pub struct Outbox {
    id: Id,
    put: Sender<Parcel>,
    take: Receiver<Parcel>,
    in_hand: Arc<InHand>,
}

/// What the writer has taken and could not write yet.
#[derive(Debug, Default)]
struct InHand {
    lines: AtomicUsize,
    bytes: AtomicUsize,
}

/// What was posted to one client since its writer last looked.
///
/// As small as it can be, for every delivery moves one through the channel: a client who keeps up has one entry and
/// nothing more.
#[derive(Debug, Default)]
pub struct Parcel {
    first: Option<Entry>,
    more: Option<Box<More>>,
}

/// What there is to a parcel of several entries, one that is partly written, or the last one.
#[derive(Debug, Default)]
struct More {
    rest: VecDeque<Entry>,
    /// How much all entries but the last are, which may still grow.
    counted: Size,
    /// What all entries but the last keep in memory.
    held: usize,
    /// How much of the first entry is written already.
    written: usize,
    last: Option<Duration>,
}

#[derive(Debug)]
struct Entry {
    batch: Arc<Batch>,
    /// The parts of the batch that this client listens to: from where it was when the client came, to where it was when
    /// the client left.
    parts: Range<usize>,
}

impl Outbox {
    pub(super) fn new(id: Id) -> Outbox {
        let (put, take) = async_channel::bounded(1);
        Outbox { id, put, take, in_hand: Arc::default() }
    }

    /// Queues what a batch says from part `from` on, unless the queue is closed. Tells how much was waiting already.
    pub(super) fn post(&self, batch: &Arc<Batch>, from: usize) -> Size {
        if self.is_closed() {
            return Size::default();
        }
        let mut parcel = self.waiting();
        let waiting = parcel.count_last(self.id);
        parcel.push(Entry { batch: Arc::clone(batch), parts: from..usize::MAX });
        self.put_back(parcel);
        self.with_in_hand(waiting)
    }

    /// Queues the last words, if any, and closes the queue: what waits is written for as long as `grace`, then no more.
    /// With `forget`, what waits is not written at all. Does nothing to a queue that is closed.
    pub(super) fn close(&self, words: Message, grace: Duration, forget: bool) {
        if self.is_closed() {
            return;
        }
        let waiting = self.waiting();
        let mut parcel = if forget { Parcel::default() } else { waiting };
        parcel.count_last(self.id);
        if let Some(entry) = parcel.last_entry_mut() {
            // It may still be open, and what is said from now on is not for who goes.
            entry.parts.end = entry.batch.len();
        }
        parcel.push(Entry { batch: Batch::new(words, Audience::Everybody), parts: 0..usize::MAX });
        parcel.more().last = Some(grace);
        self.put_back(parcel);
        self.put.close();
    }

    pub(super) fn id(&self) -> Id {
        self.id
    }

    pub(super) fn is_closed(&self) -> bool {
        self.put.is_closed()
    }

    /// All that waits for the client, on the channel and with its writer. Of a closed queue nothing is worth knowing.
    pub(super) fn queued(&self) -> Size {
        // What is taken out of a closed channel cannot be put back.
        if self.is_closed() {
            return Size::default();
        }
        let Ok(parcel) = self.take.try_recv() else { return self.with_in_hand(Size::default()) };
        let waiting = parcel.waiting(self.id);
        self.put_back(parcel);
        self.with_in_hand(waiting)
    }

    /// What may still be posted before it is too much.
    pub(super) fn free(&self) -> Size {
        let Size { lines, bytes } = self.queued();
        Size { lines: MAX_QUEUED.lines.saturating_sub(lines), bytes: MAX_QUEUED.bytes.saturating_sub(bytes) }
    }

    /// Takes out the parcel that still waits, or begins one.
    fn waiting(&self) -> Parcel {
        // To ask costs a sixth of trying, and a client who keeps up has nothing waiting.
        if self.take.is_empty() { Parcel::default() } else { self.take.try_recv().unwrap_or_default() }
    }

    /// Whether the client did not take all that its writer last wrote.
    pub(super) fn is_stuck(&self) -> bool {
        self.in_hand.bytes.load(Ordering::Relaxed) > 0
    }

    fn with_in_hand(&self, mut waiting: Size) -> Size {
        let InHand { lines, bytes } = &*self.in_hand;
        waiting += Size { lines: lines.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) };
        waiting
    }

    fn put_back(&self, parcel: Parcel) {
        // There is place: only the room puts, and it has just emptied the channel. Closed, nobody is there to read it.
        let _ = self.put.try_send(parcel);
    }

    /// For the writer: all that was posted since the last time. None once the queue is closed and read.
    pub async fn take(&self) -> Option<Parcel> {
        self.take.recv().await.ok()
    }

    /// For the writer: resolves when the queue is closed.
    pub async fn closed(&self) {
        self.put.closed().await;
    }

    /// For the writer: adds the last parcel to the one in hand, if the queue is closed. Tells whether it is.
    pub fn take_last(&self, parcel: &mut Parcel) -> bool {
        if !self.is_closed() {
            return false;
        }
        if let Ok(rest) = self.take.try_recv() {
            parcel.more().last = rest.last();
            let more = rest.more.map(|more| more.rest).unwrap_or_default();
            rest.first.into_iter().chain(more).for_each(|entry| parcel.push(entry));
        }
        true
    }

    /// For the writer, when a client did not take what was written, and again when it has: tells the room how much is
    /// left.
    pub fn holds(&self, parcel: &Parcel) {
        let size = parcel.left(self.id);
        self.in_hand.lines.store(size.lines, Ordering::Relaxed);
        self.in_hand.bytes.store(size.bytes, Ordering::Relaxed);
    }

    /// For the writer: writes as much of the parcel as is taken at once.
    ///
    /// # Errors
    /// Whatever the destination says, [`io::ErrorKind::WouldBlock`] above all; what was written is taken off.
    pub fn write(&self, parcel: &mut Parcel, to: &mut impl Write) -> io::Result<()> {
        parcel.write(self.id, to)
    }
}

impl Parcel {
    /// Set on the last parcel of a closed queue: how long it may take to write it.
    pub fn last(&self) -> Option<Duration> {
        self.more.as_ref()?.last
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    fn push(&mut self, entry: Entry) {
        match self.first {
            None => self.first = Some(entry),
            Some(_) => self.more().rest.push_back(entry),
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.first.iter().chain(self.more.iter().flat_map(|more| &more.rest))
    }

    fn last_entry(&self) -> Option<&Entry> {
        self.more.as_ref().and_then(|more| more.rest.back()).or(self.first.as_ref())
    }

    fn last_entry_mut(&mut self) -> Option<&mut Entry> {
        self.more.as_mut().and_then(|more| more.rest.back_mut()).or(self.first.as_mut())
    }

    fn pop_first(&mut self) {
        self.first = self.more.as_mut().and_then(|more| more.rest.pop_front());
    }

    fn pop_last(&mut self) {
        if self.more.as_mut().and_then(|more| more.rest.pop_back()).is_none() {
            self.first = None;
        }
    }

    /// What was the last entry will not grow any more: it is counted, or forgotten if there is nothing in it. Tells how
    /// much there is by now, and that it is endless if it keeps too much in memory.
    fn count_last(&mut self, id: Id) -> Size {
        let Some(entry) = self.last_entry() else { return Size::default() };
        let (size, held) = (entry.batch.size_for(id, &entry.parts), entry.batch.held());
        if size.bytes == 0 {
            self.pop_last();
        } else {
            let more = self.more();
            more.counted += size;
            more.held += held;
        }
        match &self.more {
            Some(more) if more.held > MAX_HELD => Size::MAX,
            Some(more) => more.counted,
            None => Size::default(),
        }
    }

    /// How much a parcel is that no writer has taken yet: there is no need to look at what is counted.
    fn waiting(&self, id: Id) -> Size {
        let mut size = self.more.as_ref().map_or(Size::default(), |more| more.counted);
        size += self.last_entry().map_or(Size::default(), |entry| entry.batch.size_for(id, &entry.parts));
        size
    }

    /// How much is left of a parcel in its writer's hand.
    fn left(&self, id: Id) -> Size {
        let mut size = Size::default();
        for entry in self.entries() {
            size += entry.batch.size_for(id, &entry.parts);
        }
        size.bytes -= self.written();
        size
    }

    /// How much of the first entry is written already.
    fn written(&self) -> usize {
        self.more.as_ref().map_or(0, |more| more.written)
    }

    fn write(&mut self, id: Id, to: &mut impl Write) -> io::Result<()> {
        while self.first.is_some() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let (slices, all) = self.slices(id, &mut slices);
            let written = match slices {
                [] => 0,
                [one] => to.write(one)?,
                some => to.write_vectored(some)?,
            };
            if written == 0 && !slices.is_empty() {
                return Err(io::ErrorKind::WriteZero.into());
            }
            if all == Some(written) {
                // The usual case: all of it at once, and no need to look where it ended.
                self.forget_entries();
            } else {
                self.take_off(id, written);
            }
        }
        Ok(())
    }

    fn forget_entries(&mut self) {
        self.first = None;
        if let Some(more) = &mut self.more {
            more.rest.clear();
            more.written = 0;
        }
    }

    /// What is to be written next, as slices, and how much it is if it is all.
    fn slices<'a, 's>(&'a self, id: Id, slices: &'s mut [IoSlice<'a>; SLICES]) -> (&'s [IoSlice<'a>], Option<usize>) {
        let (mut used, mut total) = (0, 0);
        let mut skip = self.written();
        for entry in self.entries() {
            for run in entry.batch.seal().runs_for(id, &entry.parts) {
                // Only the first entry is partly written, but that may be any number of its runs.
                let rest = &run[skip.min(run.len())..];
                skip -= run.len() - rest.len();
                if rest.is_empty() {
                    continue;
                }
                if used == SLICES {
                    return (slices, None);
                }
                slices[used] = IoSlice::new(rest);
                used += 1;
                total += rest.len();
            }
        }
        (&slices[..used], Some(total))
    }

    fn take_off(&mut self, id: Id, written: usize) {
        let mut written = self.written() + written;
        while let Some(entry) = &self.first {
            let size: usize = entry.batch.seal().runs_for(id, &entry.parts).map(<[u8]>::len).sum();
            if size > written {
                break;
            }
            written -= size;
            self.pop_first();
        }
        self.more().written = written;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::tests::{message, take_now};

    const ME: Id = Id(1);

    /// Takes a few bytes at a time, then has enough, as a socket's buffer does.
    struct Socket {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let before = self.room;
            for slice in slices {
                let n = slice.len().min(self.room);
                self.taken.extend_from_slice(&slice[..n]);
                self.room -= n;
            }
            if before > self.room { Ok(before - self.room) } else { Err(io::ErrorKind::WouldBlock.into()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn post(outbox: &Outbox, text: &str, audience: Audience) -> Size {
        outbox.post(&Batch::new(message(text), audience), 0)
    }

    #[test]
    fn what_is_posted_is_gathered_until_it_is_taken() {
        let outbox = Outbox::new(ME);
        assert_eq!(post(&outbox, "a", Audience::Everybody), Size::default());
        assert_eq!(post(&outbox, "b", Audience::Everybody), Size { lines: 1, bytes: 2 });
        assert_eq!(outbox.queued(), Size { lines: 2, bytes: 4 });
        let mut parcel = take_now(&outbox).unwrap();
        assert_eq!(outbox.queued(), Size::default());
        let mut taken = Vec::new();
        outbox.write(&mut parcel, &mut taken).unwrap();
        assert_eq!(taken, b"a\nb\n");
    }

    #[test]
    fn ones_own_lines_take_no_place() {
        let outbox = Outbox::new(ME);
        for _ in 0..5000 {
            assert_eq!(post(&outbox, "mine", Audience::AllBut(ME)), Size::default());
        }
        assert_eq!(take_now(&outbox).unwrap().entries().count(), 1);
    }

    #[test]
    fn what_is_no_line_takes_the_place_of_one() {
        let outbox = Outbox::new(ME);
        for _ in 0..3 {
            outbox.post(&Batch::new(Message::telnet([255, 252, 1]), Audience::Everybody), 0);
        }
        assert_eq!(outbox.queued(), Size { lines: 3, bytes: 9 });
    }

    #[test]
    fn a_socket_that_takes_any_number_of_bytes_gets_every_byte_once() {
        let texts: Vec<String> = (0..70).map(|n| "x".repeat(n % 7)).collect();
        let whole: String = texts.iter().map(|text| format!("{text}\n")).collect();
        for room in 1..20 {
            let outbox = Outbox::new(ME);
            let batch = Batch::new(message(&texts[0]), Audience::Everybody);
            outbox.post(&batch, 0);
            for text in &texts[1..] {
                assert!(batch.append(&message("not for me"), &Audience::AllBut(ME)));
                assert!(batch.append(&message(text), &Audience::Everybody));
            }
            post(&outbox, "end", Audience::Everybody);
            let mut parcel = take_now(&outbox).unwrap();
            let mut socket = Socket { taken: Vec::new(), room };
            while let Err(error) = outbox.write(&mut parcel, &mut socket) {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                outbox.holds(&parcel);
                assert_eq!(outbox.queued().bytes, whole.len() + 4 - socket.taken.len());
                socket.room = room;
            }
            outbox.holds(&parcel);
            assert_eq!(outbox.queued(), Size::default());
            assert_eq!(String::from_utf8(socket.taken).unwrap(), format!("{whole}end\n"));
        }
    }

    #[test]
    fn the_last_parcel_says_how_long_it_may_take_and_nothing_follows() {
        let outbox = Outbox::new(ME);
        post(&outbox, "a", Audience::Everybody);
        outbox.close(message("bye"), Duration::from_secs(1), false);
        outbox.close(message("again"), Duration::from_secs(2), false);
        post(&outbox, "late", Audience::Everybody);
        let mut parcel = take_now(&outbox).unwrap();
        let mut taken = Vec::new();
        outbox.write(&mut parcel, &mut taken).unwrap();
        assert_eq!(taken, b"a\nbye\n");
        assert_eq!(parcel.last(), Some(Duration::from_secs(1)));
        assert!(take_now(&outbox).is_none());
    }

    #[test]
    fn who_goes_ends_the_open_batch_for_nobody_else() {
        let (one, other) = (Outbox::new(ME), Outbox::new(Id(2)));
        let batch = Batch::new(message("a"), Audience::Everybody);
        one.post(&batch, 0);
        other.post(&batch, 0);
        one.close(message("bye"), Duration::from_secs(1), false);
        assert!(batch.append(&message("b"), &Audience::Everybody));
        for (outbox, expected) in [(one, "a\nbye\n"), (other, "a\nb\n")] {
            let mut taken = Vec::new();
            outbox.write(&mut take_now(&outbox).unwrap(), &mut taken).unwrap();
            assert_eq!(String::from_utf8(taken).unwrap(), expected);
        }
    }

    #[test]
    fn a_writer_in_the_middle_of_a_parcel_gets_the_last_one_added() {
        let outbox = Outbox::new(ME);
        post(&outbox, "a", Audience::Everybody);
        let mut parcel = take_now(&outbox).unwrap();
        assert!(!outbox.take_last(&mut parcel));
        post(&outbox, "forgotten", Audience::Everybody);
        outbox.close(message("bye"), Duration::from_secs(1), true);
        assert!(outbox.take_last(&mut parcel));
        let mut taken = Vec::new();
        outbox.write(&mut parcel, &mut taken).unwrap();
        assert_eq!(taken, b"a\nbye\n");
        assert!(parcel.last().is_some());
    }
}
