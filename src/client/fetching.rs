//! Fetches files to the disk. A file is written to `NAME.part`, and gets its own name once it is whole. A transfer that
//! was cut goes on from there, and no file that exists already is ever overwritten.
//!
//! Knows nothing of how people ask for a file. The name that a server gives a file is not trusted: only a [`FileName`]
//! of it becomes a part of a path. Errors are sentences.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use smol::Timer;

use super::exchange::{Exchange, Failure};
use super::http::{self, Head, Rest};
use super::known::Wanted;
use super::paths::{numbered, shown};
use crate::blocking::unblock;
use crate::text::file::{ByteCount, FileName};

/// The pauses before a file that was cut is asked for again, in seconds. They begin anew when more of it has come. A
/// Wi-Fi that was lost for a moment is back by then.
const PAUSES: [u64; 3] = [1, 2, 4];

/// How many unfinished files are remembered, so that they can be continued.
const MAX_UNFINISHED: usize = 16;

/// How many files may have the same name with different numbers.
const MAX_SAME: usize = 1000;

/// The ending of a file that is not whole yet.
const UNFINISHED: &str = ".part";

/// What is known of the files that were begun in this session.
#[derive(Debug, Default)]
pub(crate) struct Fetching {
    /// Those that were given up unfinished, the oldest first.
    unfinished: Vec<Part>,
}

/// Where a file is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    directory: PathBuf,
    /// The name that the person wants. None if it is to keep its own name.
    name: Option<OsString>,
}

impl Place {
    /// Finds out what a person means by a path: a directory that there is, or what a file is to be called.
    ///
    /// # Errors
    /// It can be neither of these.
    pub(crate) async fn of(path: PathBuf) -> Result<Place, String> {
        unblock(move || {
            let is_directory = path.is_dir();
            if path.as_os_str().to_string_lossy().ends_with('/') && !is_directory {
                return Err(format!("There is no directory {}.", shown(&path)));
            }
            let (directory, name) = match path.file_name().filter(|_| !is_directory) {
                Some(name) => (path.parent().unwrap_or(Path::new("")).to_owned(), Some(name.to_owned())),
                None => (path.clone(), None),
            };
            let here = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
            let absolute = fs::canonicalize(here);
            let directory = absolute.map_err(|error| format!("{} cannot be used: {error}.", shown(here)))?;
            Ok(Place { directory, name })
        })
        .await
    }
}

/// A file that is on its way here.
#[derive(Debug)]
struct Part {
    wanted: Wanted,
    place: Place,
    /// The name that it gets unless another file has that.
    name: String,
    path: PathBuf,
    file: Arc<File>,
    /// How many bytes the whole file has, and how many have come.
    length: u64,
    come: u64,
    /// The ETag of its version.
    tag: Option<String>,
}

/// A file that is here.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    /// The name that it would have if no other file had that.
    pub(crate) name: String,
}

/// What a transfer tells while it is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum News<'a> {
    /// How many bytes have come, of how many.
    Come(u64, u64),
    /// The transfer was cut: why, how many bytes have come, and after how many seconds it goes on.
    Cut(&'a str, u64, u64),
}

/// Why an attempt has ended.
enum Ended {
    /// The transfer was cut, and may be tried again.
    Cut(String),
    /// To try again is of no use.
    Over(String),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        match failure {
            Failure::Malformed => Ended::Over(failure.to_string()),
            _ => Ended::Cut(failure.to_string()),
        }
    }
}

impl Fetching {
    /// Fetches a file. `tell` is told how that goes.
    ///
    /// # Errors
    /// It is not fetched, and this is why.
    pub(crate) async fn fetch(
        &mut self,
        wanted: &Wanted,
        place: &Place,
        tell: &impl AsyncFn(News<'_>),
    ) -> Result<Fetched, String> {
        let begun = self.unfinished.iter().position(|part| part.wanted.url == wanted.url && part.place == *place);
        let mut part = begun.map(|at| self.unfinished.remove(at));
        if let Some(begun) = part.take() {
            part = unblock(move || begun.is_there().then_some(begun)).await;
        }
        let (mut pauses, mut most) = (PAUSES.iter(), 0);
        let why = loop {
            let why = match attempt(&mut part, wanted, place, tell).await {
                Ok(part) => return finish(part).await,
                Err(Ended::Over(why)) => break why,
                Err(Ended::Cut(why)) => why,
            };
            // If nothing ever came, it is not tried again.
            let Some(begun) = &part else { break why };
            if begun.come > most {
                (pauses, most) = (PAUSES.iter(), begun.come);
            }
            let Some(pause) = pauses.next() else { break why };
            tell(News::Cut(&why, begun.come, *pause)).await;
            Timer::after(Duration::from_secs(*pause)).await;
        };
        Err(self.give_up(part, why).await)
    }

    /// Keeps what has come, if something has, and returns a sentence about it.
    async fn give_up(&mut self, part: Option<Part>, why: String) -> String {
        match part {
            Some(part) if part.come > 0 && part.tag.is_some() => {
                let (come, path) = (ByteCount(part.come), shown(&part.path));
                if self.unfinished.len() == MAX_UNFINISHED {
                    self.unfinished.remove(0);
                }
                self.unfinished.push(part);
                format!("{why} The same /get goes on from the {come} that are in {path}")
            }
            Some(part) => {
                unblock(move || part.remove()).await;
                why
            }
            None => why,
        }
    }
}

/// Asks for a file once, and writes what comes. Returns the file when it is whole.
async fn attempt(
    begun: &mut Option<Part>,
    wanted: &Wanted,
    place: &Place,
    tell: &impl AsyncFn(News<'_>),
) -> Result<Part, Ended> {
    let rest = begun.as_ref().filter(|part| part.come > 0);
    let rest = rest.and_then(|part| Some(Rest { from: part.come, tag: part.tag.as_deref()? }));
    let mut exchange = Exchange::begin(&wanted.url, &http::get(&wanted.url, rest)).await?;
    let head = exchange.head().await?;
    let from = rest.map(|rest| rest.from);
    let part = match (head.status, from, &mut *begun) {
        (206, Some(from), Some(part)) => {
            if head.part != Some((from, part.length)) || head.length != Some(part.length - from) {
                return Err(Ended::Over("the server sends another part than the one that is missing.".into()));
            }
            part
        }
        (200, _, begun) => {
            let length = head.length.ok_or_else(|| Ended::Over("the server does not say how large it is.".into()))?;
            if let Some(told) = wanted.size.as_ref().filter(|told| **told != ByteCount(length).to_string()) {
                return Err(Ended::Over(format!(
                    "it is said to have {told}, and the server would send {}.",
                    ByteCount(length)
                )));
            }
            match begun {
                Some(part) => part.begin_again(length, head.tag).await?,
                None => begun.insert(Part::new(wanted, place, &head, length).await?),
            }
        }
        _ => return Err(Ended::Over(exchange.refusal(&head).await)),
    };
    while part.come < part.length {
        tell(News::Come(part.come, part.length)).await;
        let piece = exchange.piece(part.length - part.come).await?;
        if piece.is_empty() {
            return Err(Ended::Cut(Failure::Cut.to_string()));
        }
        part.add(piece).await?;
    }
    begun.take().ok_or_else(|| Ended::Over(String::new()))
}

/// Gives a file that is whole its name.
async fn finish(part: Part) -> Result<Fetched, String> {
    unblock(move || {
        part.file.sync_data().and_then(|()| part.put_in_place()).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("it is whole, but {} is not there any more.", shown(&part.path)),
            _ => format!("it cannot be put where it belongs: {error}. It is whole, and in {}", shown(&part.path)),
        })
    })
    .await
}

impl Part {
    /// Begins a file that is not there yet.
    async fn new(wanted: &Wanted, place: &Place, head: &Head, length: u64) -> Result<Part, Ended> {
        let own = || head.name.clone().or_else(|| wanted.url.name()).unwrap_or_else(|| FileName::of(""));
        let name = match &place.name {
            Some(name) => name.to_string_lossy().into_owned(),
            None => own().to_string(),
        };
        let (directory, called) = (place.directory.clone(), name.clone());
        let made = unblock(move || first_free(&directory, &called, UNFINISHED)).await;
        let (path, file) =
            made.map_err(|error| Ended::Over(format!("no file can be made in {}: {error}.", shown(&place.directory))))?;
        let (wanted, place, tag) = (wanted.clone(), place.clone(), head.tag.clone());
        Ok(Part { wanted, place, name, path, file: Arc::new(file), length, come: 0, tag })
    }

    /// Empties the file, because its version is another or unknown.
    async fn begin_again(&mut self, length: u64, tag: Option<String>) -> Result<&mut Part, Ended> {
        let file = Arc::clone(&self.file);
        unblock(move || file.set_len(0)).await.map_err(not_written)?;
        (self.length, self.come, self.tag) = (length, 0, tag);
        Ok(self)
    }

    /// Writes what has come.
    async fn add(&mut self, piece: Vec<u8>) -> Result<(), Ended> {
        let (file, at, length) = (Arc::clone(&self.file), self.come, piece.len() as u64);
        unblock(move || file.write_all_at(&piece, at)).await.map_err(not_written)?;
        self.come += length;
        Ok(())
    }

    /// Returns whether its path still leads to the same file.
    fn is_there(&self) -> bool {
        let same = |one: fs::Metadata, other: fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        self.path.symlink_metadata().ok().zip(self.file.metadata().ok()).is_some_and(|(one, other)| same(one, other))
    }

    fn remove(&self) {
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Gives the file its name, or the next numbered one that is free. An empty file of that name is made first, so
    /// that renaming overwrites only that.
    fn put_in_place(&self) -> io::Result<Fetched> {
        if !self.is_there() {
            return Err(ErrorKind::NotFound.into());
        }
        let (path, _) = first_free(&self.place.directory, &self.name, "")?;
        if let Err(error) = fs::rename(&self.path, &path) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(Fetched { path, length: self.length, name: self.name.clone() })
    }
}

/// Makes a new file with this name and ending, or with the first number after the name that is free. If there is an
/// ending, the name without it must be free as well.
fn first_free(directory: &Path, name: &str, ending: &str) -> io::Result<(PathBuf, File)> {
    for n in 1..MAX_SAME {
        let path = directory.join(numbered(name, n));
        if !ending.is_empty() && path.symlink_metadata().is_ok() {
            continue;
        }
        let path = directory.join(numbered(name, n) + ending);
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn not_written(error: io::Error) -> Ended {
    Ended::Over(format!("it cannot be written: {error}."))
}
