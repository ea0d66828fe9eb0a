//! Fetches files to the disk: into `NAME.part` first, and under its own name once it is whole. What was cut goes on where it
//! was, and nothing that is there already is ever written over.
//!
//! Knows nothing of how people ask for a file. The name that a server gives a file is not to be trusted: only a
//! [`FileName`] of it comes near a path. Errors are sentences.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use smol::{Timer, unblock};

use super::exchange::{Exchange, Failure};
use super::http::{self, Head, Rest};
use super::known::Wanted;
use super::paths::{numbered, shown};
use crate::text::file::{ByteCount, FileName};

/// The pauses before a file that was cut is asked for again, in seconds, as long as nothing more of it comes. A Wi-Fi that was
/// lost for a moment is back by then.
const PAUSES: [u64; 3] = [1, 2, 4];

/// How many files that were given up are remembered, so that they can go on.
const MAX_UNFINISHED: usize = 16;

/// How many files may have the same name, but for a number.
const MAX_SAME: usize = 1000;

/// What is called so is not whole yet.
const UNFINISHED: &str = ".part";

/// What is known of the files that were begun in this session.
#[derive(Debug, Default)]
pub(crate) struct Fetching {
    /// Those that were given up, the oldest first.
    unfinished: Vec<Part>,
}

/// Where a file is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    directory: PathBuf,
    /// What the person calls it. None if it is to keep its own name.
    name: Option<OsString>,
}

impl Place {
    /// Finds out what a person means by a path: a directory that there is, or what a file is to be called.
    ///
    /// # Errors
    /// It can be neither.
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
    /// What it will be called, if nothing else is.
    name: String,
    path: PathBuf,
    file: Arc<File>,
    /// How many bytes it will have, and how many of them are there.
    length: u64,
    come: u64,
    /// Which version it is of.
    tag: Option<String>,
}

/// A file that is here.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    /// What it would have been called, if nothing else had been.
    pub(crate) name: String,
}

/// What a transfer tells while it is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum News<'a> {
    /// So many bytes of so many have come.
    Come(u64, u64),
    /// It was cut at so many, for a reason, and goes on after so many seconds.
    Cut(&'a str, u64, u64),
}

/// Why an attempt has ended.
enum Ended {
    /// It was cut.
    Cut(String),
    /// To try again would be of no use.
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
            // What has never been there is not waited for.
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

/// Asks for a file once, and takes what comes. Returns the file when it is whole.
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

    /// Forgets what has come, because it is of another version, or of none that is known.
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

    /// Returns whether the file is still what its path leads to.
    fn is_there(&self) -> bool {
        let same = |one: fs::Metadata, other: fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        self.path.symlink_metadata().ok().zip(self.file.metadata().ok()).is_some_and(|(one, other)| same(one, other))
    }

    fn remove(&self) {
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Gives the file its name, or the next one like it that nothing has. The name is taken first, so that renaming writes
    /// over nothing but what was made for it.
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

/// Makes the first file that is not there yet: of this name, or one with a number, and with this ending. Where one is to be
/// unfinished, the name without that ending is free as well.
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
