//! What members share: files in memory, with a limit for all of them together, and who may add one.
//!
//! ```text
//! /send → a code ─┐
//!                 ├→ Upload, a piece at a time → Shared ⇒ everybody hears where it is
//! a session ──────┘
//! ```
//!
//! It has no sockets and no clock: the time is passed in. It has a lock, because uploads run at the same time, and
//! takes random numbers from the system. Knows nothing of how a file is sent and fetched, and nothing of who hears of
//! it.

pub mod kind;
pub mod range;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};

use self::kind::Kind;
use crate::room::Id;
use crate::text::file::FileName;
use crate::text::name::Name;
use crate::token::Token;

/// How long a file stays: the contract's hour.
const STAYS: Duration = Duration::from_secs(60 * 60);

/// How long a code is good for: the contract's ten minutes.
const CODE_FOR: Duration = Duration::from_secs(10 * 60);

/// How many codes one member may have, and how many there are in all. For a further one, the oldest is forgotten.
const MAX_CODES_OF_ONE: usize = 4;
const MAX_CODES: usize = 4096;

/// How many uploads of one member may be under way. A page sends one after the other.
const MAX_UPLOADS_OF_ONE: usize = 4;

/// The most files, however small they are. Each takes some 500 bytes besides its own.
const MAX_FILES: usize = 1000;

/// How many of them one member may have shared. For a further one, that member's oldest is forgotten.
const MAX_FILES_OF_ONE: usize = 100;

/// Of how many files the kind and size are known, forgotten ones included: of more than the lines that a reader may
/// lag, so that each line of a file can still be shown.
const MAX_KNOWN: usize = 4096;

/// The address at which files are fetched.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The address on which the listener for browsers is bound.
    pub listener: SocketAddr,
    /// The address that the server shows for it.
    pub shown: SocketAddr,
}

impl Origin {
    /// Returns the address for a client that has connected to this machine at `local`: if browsers are served at all
    /// addresses, the client can reach that one.
    pub fn for_whoever_reached(&self, local: SocketAddr) -> SocketAddr {
        let ip = local.ip().to_canonical();
        // Other machines cannot use a link-local address without its interface, nor loopback.
        let is_local = matches!(ip, std::net::IpAddr::V6(v6) if v6.is_unicast_link_local()) || ip.is_loopback();
        // A listener at [::] serves IPv4, too, but one at 0.0.0.0 does not serve IPv6.
        let everywhere = self.listener.ip().is_unspecified() && (self.listener.is_ipv6() || ip.is_ipv4());
        if everywhere && !is_local { SocketAddr::new(ip, self.listener.port()) } else { self.shown }
    }
}

/// See the module's head.
#[derive(Debug)]
pub struct Files {
    /// How many bytes all files together may take: `--files`.
    max: usize,
    origin: Origin,
    shelf: Arc<Mutex<Shelf>>,
    /// Holds something if a file was added since the task that forgets old files went to sleep.
    came: (Sender<()>, Receiver<()>),
}

#[derive(Debug, Default)]
struct Shelf {
    /// The oldest first.
    files: VecDeque<Shared>,
    /// What is known of each, the oldest first.
    known: VecDeque<(Token, About)>,
    codes: Vec<Code>,
    uploads: Vec<UnderWay>,
    /// The number of the next upload.
    next: u64,
    /// How many bytes all files take, with uploads under way and with forgotten files that are still being fetched.
    memory: Arc<AtomicUsize>,
}

/// Allows a member to share one file.
#[derive(Debug)]
struct Code {
    code: Token,
    by: Id,
    until: Instant,
    /// Whether an upload with it is under way.
    used: bool,
}

/// An upload that is under way.
#[derive(Debug)]
struct UnderWay {
    number: u64,
    by: Id,
    /// How many bytes it is said to have, and how many have come.
    length: usize,
    come: usize,
}

/// A file that is shared.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Its number. Whoever knows it may fetch the file.
    pub id: Token,
    /// What it is called.
    pub name: FileName,
    /// The name of the member who shares it, at that time.
    pub by: Name,
    /// That member.
    author: Id,
    /// Until when it stays.
    pub until: Instant,
    /// What is in it.
    pub about: About,
    /// Its bytes.
    pub bytes: Arc<Bytes>,
}

/// What is known of a file besides its name and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// What it is.
    pub kind: Kind,
    /// How many bytes it has.
    pub size: u64,
    /// The width and the height of a picture, in pixels.
    pub dimensions: Option<(u32, u32)>,
}

/// The bytes of a file. They count against the limit until nobody holds them.
#[derive(Debug)]
pub struct Bytes {
    bytes: Vec<u8>,
    memory: Arc<AtomicUsize>,
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        self.memory.fetch_sub(self.bytes.len(), Relaxed);
    }
}

/// Why a file is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is larger than this many bytes, which is the limit of all files together.
    TooLarge(usize),
    /// There is no room while other uploads are under way, or while files are being fetched.
    NoRoom,
    /// There is no such code, or not any more.
    BadCode,
    /// An upload with this code is under way.
    InUse,
    /// The system has no random numbers.
    NoRandom,
}

/// A file that is being received. If this is dropped before [`Files::finish`], what has come is forgotten.
#[derive(Debug)]
pub struct Upload {
    number: u64,
    /// Who sends it.
    pub by: Id,
    length: usize,
    code: Option<Token>,
    bytes: Bytes,
    max: usize,
    shelf: Arc<Mutex<Shelf>>,
}

/// What came of [`Files::forget`].
#[derive(Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// This file is gone.
    This(FileName),
    /// No file has a number that begins so.
    None,
    /// Several files have one that does.
    Several,
}

impl Files {
    /// Makes it without files, and with room for `max` bytes.
    pub fn new(max: usize, origin: Origin) -> Files {
        Files { max, origin, shelf: Arc::default(), came: async_channel::bounded(1) }
    }

    /// Returns where files are fetched.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Lets a member share one file. Returns the code that it is sent with.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn invite(&self, by: Id, now: Instant) -> io::Result<Token> {
        let (code, mut shelf) = (Token::random()?, lock(&self.shelf));
        shelf.codes.retain(|code| code.used || code.until > now);
        let of_one = shelf.codes.iter().filter(|code| code.by == by).count();
        let oldest = match (of_one >= MAX_CODES_OF_ONE, shelf.codes.len() >= MAX_CODES) {
            (true, _) => shelf.codes.iter().position(|code| code.by == by),
            (false, true) => Some(0),
            (false, false) => None,
        };
        oldest.map(|oldest| shelf.codes.remove(oldest));
        shelf.codes.push(Code { code, by, until: now + CODE_FOR, used: false });
        Ok(code)
    }

    /// Begins an upload of so many bytes with a code.
    ///
    /// # Errors
    /// When the file is refused. The code stays good.
    pub fn begin_with(&self, code: Token, length: u64, now: Instant) -> Result<Upload, Refused> {
        let mut shelf = lock(&self.shelf);
        let found = shelf.codes.iter().position(|known| known.code == code && (known.used || known.until > now));
        let at = found.ok_or(Refused::BadCode)?;
        if shelf.codes[at].used {
            return Err(Refused::InUse);
        }
        let by = shelf.codes[at].by;
        let upload = self.begin_in(&mut shelf, by, length, Some(code))?;
        shelf.codes[at].used = true;
        Ok(upload)
    }

    /// Begins an upload of so many bytes by a member.
    ///
    /// # Errors
    /// When the file is refused.
    pub fn begin(&self, by: Id, length: u64) -> Result<Upload, Refused> {
        self.begin_in(&mut lock(&self.shelf), by, length, None)
    }

    fn begin_in(&self, shelf: &mut Shelf, by: Id, length: u64, code: Option<Token>) -> Result<Upload, Refused> {
        let length = usize::try_from(length).ok().filter(|length| *length <= self.max);
        let length = length.ok_or(Refused::TooLarge(self.max))?;
        let of_one = shelf.uploads.iter().filter(|upload| upload.by == by).count();
        // All uploads must fit together at their full length. A file that is being fetched cannot make room for them.
        let promised: usize = shelf.uploads.iter().map(|upload| upload.length).sum();
        let taken = promised.saturating_add(length).saturating_add(shelf.being_fetched());
        if of_one >= MAX_UPLOADS_OF_ONE || taken > self.max {
            return Err(Refused::NoRoom);
        }
        let number = shelf.next;
        shelf.next += 1;
        shelf.uploads.push(UnderWay { number, by, length, come: 0 });
        let (memory, shelf) = (Arc::clone(&shelf.memory), Arc::clone(&self.shelf));
        Ok(Upload { number, by, length, code, bytes: Bytes { bytes: Vec::new(), memory }, max: self.max, shelf })
    }

    /// Finds a file.
    pub fn find(&self, id: Token, now: Instant) -> Option<Shared> {
        let shelf = lock(&self.shelf);
        shelf.files.iter().find(|file| file.id == id && file.until > now).cloned()
    }

    /// Returns what is known of a file, which may be forgotten by now.
    pub fn about(&self, id: Token) -> Option<About> {
        let shelf = lock(&self.shelf);
        shelf.known.iter().rev().find(|(known, _)| *known == id).map(|(_, about)| *about)
    }

    /// Returns all files, the oldest first.
    pub fn all(&self, now: Instant) -> Vec<Shared> {
        let mut shelf = lock(&self.shelf);
        shelf.forget_old(now);
        shelf.files.iter().cloned().collect()
    }

    /// Forgets the file whose number begins with `typed`, if there is only one.
    pub fn forget(&self, typed: &str) -> Forgotten {
        let mut shelf = lock(&self.shelf);
        let mut found = (0..).zip(&shelf.files).filter(|(_, file)| file.id.to_string().starts_with(typed));
        match (found.next(), found.next()) {
            (None, _) => Forgotten::None,
            (Some(_), Some(_)) => Forgotten::Several,
            (Some((at, file)), None) => {
                let name = file.name.clone();
                drop(found);
                shelf.files.remove(at);
                Forgotten::This(name)
            }
        }
    }

    /// Waits until a file is added.
    pub async fn came(&self) {
        let _ = self.came.1.recv().await;
    }

    /// Forgets files whose time is over. Returns when the next one is to be forgotten, if there is one.
    pub fn forget_old(&self, now: Instant) -> Option<Instant> {
        let mut shelf = lock(&self.shelf);
        shelf.forget_old(now);
        shelf.files.front().map(|file| file.until)
    }

    /// Adds a file whose upload is whole.
    ///
    /// # Errors
    /// When it is not whole, or the system has no random numbers.
    pub fn finish(&self, mut upload: Upload, name: FileName, by: Name, now: Instant) -> Result<Shared, Refused> {
        let id = Token::random().map_err(|_| Refused::NoRandom)?;
        if !upload.is_whole() {
            return Err(Refused::NoRoom);
        }
        let empty = Bytes { bytes: Vec::new(), memory: Arc::clone(&upload.bytes.memory) };
        let bytes = Arc::new(std::mem::replace(&mut upload.bytes, empty));
        let kind = Kind::of(&bytes);
        let about = About { kind, size: bytes.len() as u64, dimensions: kind.dimensions(&bytes) };
        let shared = Shared { id, name, by, author: upload.by, until: now + STAYS, about, bytes };
        let mut shelf = lock(&self.shelf);
        shelf.codes.retain(|code| Some(code.code) != upload.code);
        let of_one = shelf.files.iter().filter(|file| file.author == upload.by).count();
        let oldest = match (of_one >= MAX_FILES_OF_ONE, shelf.files.len() >= MAX_FILES) {
            (true, _) => shelf.files.iter().position(|file| file.author == upload.by),
            (false, true) => Some(0),
            (false, false) => None,
        };
        oldest.map(|oldest| shelf.files.remove(oldest));
        if shelf.known.len() >= MAX_KNOWN {
            shelf.known.pop_front();
        }
        shelf.known.push_back((id, about));
        shelf.files.push_back(shared.clone());
        drop(shelf);
        let _ = self.came.0.try_send(());
        Ok(shared)
    }
}

impl Upload {
    /// Adds a piece that has come.
    ///
    /// # Errors
    /// When the upload is longer than was said, or when there is no room after all, because files that could make room
    /// are being fetched.
    pub fn add(&mut self, piece: &[u8]) -> Result<(), Refused> {
        if self.bytes.len() + piece.len() > self.length {
            return Err(Refused::TooLarge(self.length));
        }
        self.reserve(piece.len())?;
        self.bytes.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Reads from a source, `most` bytes at most, and never beyond the end of this file. The bytes are not copied.
    /// Returns how many were read.
    ///
    /// # Errors
    /// When there is no room for so many; then nothing is read. The inner error is the source's, if nothing was read.
    pub fn add_from(&mut self, source: impl Read, most: usize) -> Result<io::Result<usize>, Refused> {
        let before = self.bytes.len();
        let most = most.min(self.length - before);
        self.reserve(most)?;
        let end = source.take(most as u64).read_to_end(&mut self.bytes.bytes);
        let read = self.bytes.len() - before;
        self.give_back(most - read);
        // If something was read before an error, the next read returns the error again.
        Ok(if read > 0 { Ok(read) } else { end })
    }

    /// Makes room for `bytes` more, and counts them as if they had come.
    fn reserve(&mut self, bytes: usize) -> Result<(), Refused> {
        let mut shelf = lock(&self.shelf);
        shelf.make_room(bytes, self.max)?;
        if self.bytes.bytes.capacity() == 0 {
            // All at once, because growing needs twice as much for a moment. The system gives the memory only as it is
            // written to. It may have less than `--files` says.
            self.bytes.bytes.try_reserve_exact(self.length).map_err(|_| Refused::NoRoom)?;
        }
        self.bytes.memory.fetch_add(bytes, Relaxed);
        shelf.uploads.iter_mut().filter(|upload| upload.number == self.number).for_each(|upload| upload.come += bytes);
        Ok(())
    }

    /// Gives back what was reserved for bytes that did not come.
    fn give_back(&mut self, bytes: usize) {
        let mut shelf = lock(&self.shelf);
        self.bytes.memory.fetch_sub(bytes, Relaxed);
        shelf.uploads.iter_mut().filter(|upload| upload.number == self.number).for_each(|upload| upload.come -= bytes);
    }

    /// Returns whether all has come.
    pub fn is_whole(&self) -> bool {
        self.bytes.len() == self.length
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut shelf = lock(&self.shelf);
        shelf.uploads.retain(|upload| upload.number != self.number);
        shelf.codes.iter_mut().filter(|code| Some(code.code) == self.code).for_each(|code| code.used = false);
    }
}

impl Shelf {
    /// Returns how many bytes belong to files that are being fetched, and so cannot be forgotten now.
    fn being_fetched(&self) -> usize {
        let free: usize = self.files.iter().filter(|file| !is_fetched(file)).map(|file| file.bytes.len()).sum();
        let come: usize = self.uploads.iter().map(|upload| upload.come).sum();
        self.memory.load(Relaxed).saturating_sub(free + come)
    }

    /// Forgets the oldest files until there is room for so many bytes more.
    fn make_room(&mut self, bytes: usize, max: usize) -> Result<(), Refused> {
        while self.memory.load(Relaxed) + bytes > max {
            // A file that is being fetched stays in memory, so to forget it would make no room.
            let oldest = self.files.iter().position(|file| !is_fetched(file)).ok_or(Refused::NoRoom)?;
            self.files.remove(oldest);
        }
        Ok(())
    }

    fn forget_old(&mut self, now: Instant) {
        while self.files.front().is_some_and(|file| file.until <= now) {
            self.files.pop_front();
        }
    }
}

/// Returns whether somebody is fetching a file.
fn is_fetched(file: &Shared) -> bool {
    Arc::strong_count(&file.bytes) > 1
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    // A panic under the lock leaves no change half done.
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}
