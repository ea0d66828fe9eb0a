//! The answers to what members ask about files. They are the same for `nc` and for browsers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::files::Files;
use crate::room::{AboutFiles, Id};
use crate::text::file::{FileLink, SendLink};
use crate::text::message::Message;

/// How many files the answer to `/files` names at most: the latest. An answer must fit into a queue.
const MAX_LISTED: usize = 50;

/// Whether files are shared.
#[derive(Clone, Debug, Default)]
pub enum Sharing {
    /// No: there is no page, and so no way to send and fetch them.
    #[default]
    NoPage,
    /// No: the server keeps none (`--files 0`).
    Off,
    /// Yes, these.
    Here(Arc<Files>),
}

impl Sharing {
    /// Returns the files, where there are any.
    pub fn files(&self) -> Option<&Arc<Files>> {
        self.here().ok()
    }

    /// Returns the files. Where none are shared, the error is the answer that says so.
    pub(crate) fn here(&self) -> Result<&Arc<Files>, Message> {
        match self {
            Sharing::NoPage => Err(Message::no_page_for_files()),
            Sharing::Off => Err(Message::keeps_no_files()),
            Sharing::Here(files) => Ok(files),
        }
    }

    /// Answers what a member asks about files, who has reached this machine at `local`.
    pub(crate) fn answer(&self, about: AboutFiles, member: Id, local: SocketAddr) -> Message {
        match about {
            AboutFiles::Send => self.invite(member, local),
            AboutFiles::List => self.list(local),
        }
    }

    fn invite(&self, by: Id, local: SocketAddr) -> Message {
        let files = match self.here() {
            Ok(files) => files,
            Err(told) => return told,
        };
        match files.invite(by, Instant::now()) {
            Ok(code) => Message::send_with(&SendLink { origin: files.origin().for_whoever_reached(local), code }),
            Err(_) => Message::no_random_numbers(),
        }
    }

    fn list(&self, local: SocketAddr) -> Message {
        let files = match self.here() {
            Ok(files) => files,
            Err(told) => return told,
        };
        let (now, origin) = (Instant::now(), files.origin().for_whoever_reached(local));
        let all = files.all(now);
        if all.is_empty() {
            return Message::no_files();
        }
        let (mut list, older) = (Message::default(), all.len().saturating_sub(MAX_LISTED));
        if older > 0 {
            list.append(&Message::files_left_out(older));
        }
        for file in &all[older..] {
            let link = FileLink { origin, id: file.id, name: &file.name };
            list.file(&file.by, file.about.size, file.until.saturating_duration_since(now), &link);
        }
        list
    }
}
