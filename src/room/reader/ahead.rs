//! A look ahead at what a reader has to read: the runs of the log, and each direct message at its place among them.

use std::mem;

use super::handle::Then;
use super::{Piece, Reader};
use crate::room::log::{Cursor, Walk};

/// A look at what a reader has to read, which changes nothing about the reader.
pub(super) struct Ahead<'a> {
    pub(super) walk: Option<Walk<'a>>,
    /// How many direct messages are passed whole.
    directs: usize,
    /// How much is passed of the next one.
    written: usize,
    ended: bool,
    /// Whether the last bytes that were returned are of a direct message.
    in_direct: bool,
}

/// Where a reader is after some of what it had to read.
pub(super) struct Reached {
    pub(super) cursor: Option<Cursor>,
    pub(super) directs: usize,
    pub(super) written: usize,
}

impl<'a> Ahead<'a> {
    /// From where the reader is.
    pub(super) fn new(reader: &'a Reader) -> Ahead<'a> {
        let walk = reader.cursor.as_ref().map(Cursor::walk);
        Ahead { walk, directs: 0, written: reader.written, ended: reader.end.is_some(), in_direct: false }
    }

    /// Passes the direct messages at this position, without returning them.
    pub(super) fn pass_directs(&mut self, reader: &'a Reader) {
        while !self.ended {
            let Some(direct) = reader.directs.get(self.directs) else { return };
            if self.walk.as_ref().is_some_and(|walk| walk.position() < direct.position) {
                return;
            }
            self.directs += 1;
            self.ended = matches!(direct.then, Then::End(_));
        }
    }

    /// Returns the next bytes that are contiguous in memory: a run of the log, or a direct message.
    pub(super) fn next(&mut self, reader: &'a Reader) -> Option<&'a [u8]> {
        while !self.ended {
            let direct = reader.directs.get(self.directs);
            if let Some(walk) = &mut self.walk {
                let end = direct.map_or(u64::MAX, |direct| direct.position);
                let run = walk.run(reader.filter, end);
                self.in_direct = run.is_none();
                // What stands before the direct message may not be published yet.
                if run.is_some() || walk.position() < end {
                    return run;
                }
            }
            let direct = direct?;
            let rest = &direct.bytes[mem::take(&mut self.written)..];
            self.directs += 1;
            match &direct.then {
                Then::GoOn => {}
                Then::Follow(cursor) => self.walk = Some(cursor.walk()),
                Then::End(_) => self.ended = true,
            }
            self.in_direct = true;
            if !rest.is_empty() {
                return Some(rest);
            }
        }
        None
    }

    /// Returns the next bytes with what is known of them.
    pub(super) fn piece(&mut self, reader: &'a Reader) -> Option<Piece<'a>> {
        let text = self.next(reader)?;
        if self.in_direct {
            let at = reader.directs[self.directs - 1].at;
            return Some(Piece::own(at, text, self.ended));
        }
        self.walk.map(|walk| Piece::of_log(text, walk, reader.filter))
    }

    /// Returns where the reader is after so many bytes, which are fewer than there are to read.
    pub(super) fn after(mut self, reader: &'a Reader, mut written: usize) -> Reached {
        while let Some(piece) = self.next(reader) {
            if piece.len() <= written {
                written -= piece.len();
            } else if self.in_direct {
                self.directs -= 1;
                let direct = &reader.directs[self.directs];
                self.written = direct.bytes.len() - (piece.len() - written);
                if let Then::Follow(_) = direct.then {
                    self.walk = None;
                }
                break;
            } else {
                self.walk.iter_mut().for_each(|walk| walk.back(piece.len() - written));
                break;
            }
        }
        self.reached()
    }

    pub(super) fn reached(self) -> Reached {
        Reached { cursor: self.walk.map(|walk| walk.cursor()), directs: self.directs, written: self.written }
    }
}
