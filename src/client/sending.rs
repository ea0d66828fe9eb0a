//! Sends a file from the disk to the server, a piece at a time.
//!
//! Knows nothing of how the address to send it to was got. Errors are sentences.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::exchange::{Exchange, Failure};
use super::http::{self, Url};
use super::paths::shown;
use crate::blocking::unblock;
use crate::text::file::{FileName, encoded};

/// Bytes that are read and sent at once.
const PIECE: u64 = 64 * 1024;

/// A file that is to be sent.
#[derive(Debug)]
pub(crate) struct Outbound {
    file: Arc<File>,
    pub(crate) name: FileName,
    pub(crate) length: u64,
}

/// Why a file is not sent, as a sentence.
struct Why(String);

impl From<Failure> for Why {
    fn from(failure: Failure) -> Why {
        Why(failure.to_string())
    }
}

impl Outbound {
    /// Opens the file at the first of these paths that exists.
    ///
    /// # Errors
    /// None of them is there, or the one that is cannot be sent.
    pub(crate) async fn open(paths: Vec<PathBuf>) -> Result<Outbound, String> {
        unblock(move || {
            let there = paths.iter().find(|path| path.symlink_metadata().is_ok());
            let path = there.or(paths.first()).cloned().unwrap_or_default();
            let opened = || -> io::Result<Option<(File, u64)>> {
                // To open a pipe or a device may block for ever, or do something.
                if !path.metadata()?.is_file() {
                    return Ok(None);
                }
                let file = File::open(&path)?;
                let about = file.metadata()?;
                Ok(Some((file, about.len())).filter(|_| about.is_file()))
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let path = shown(&path);
            match opened() {
                Ok(Some((file, length))) => Ok(Outbound { file: Arc::new(file), name: FileName::of(&name), length }),
                Ok(None) => Err(format!("{path} is no file.")),
                Err(error) if error.kind() == ErrorKind::NotFound => Err(format!("There is no {path}.")),
                Err(error) => Err(format!("{path} cannot be read: {error}.")),
            }
        })
        .await
    }

    /// Sends it to this address with its name appended. `sent` is told how many bytes are sent.
    ///
    /// # Errors
    /// It is not sent, and this is why.
    pub(crate) async fn send(self, to: &Url, sent: impl Fn(u64)) -> Result<(), String> {
        let url = to.at(&format!("{}{}", to.path(), encoded(self.name.as_str())));
        self.send_to(&url, sent).await.map_err(|Why(why)| why)
    }

    async fn send_to(self, url: &Url, sent: impl Fn(u64)) -> Result<(), Why> {
        let mut exchange = Exchange::begin(url, &http::put(url, self.length)).await?;
        let refused = if self.length > 0 { exchange.may_send().await? } else { None };
        let head = match refused {
            Some(head) => head,
            None => {
                let mut gone = 0;
                let next = async || {
                    sent(gone);
                    let piece = self.piece(gone).await?;
                    gone += piece.as_ref().map_or(0, |piece| piece.len() as u64);
                    Ok::<_, Why>(piece)
                };
                exchange.send(next).await?
            }
        };
        match head.status {
            200..300 => Ok(()),
            _ => Err(Why(exchange.refusal(&head).await)),
        }
    }

    /// Reads the next piece, after `from` bytes. Returns None at the end, which is where it was when the file was
    /// opened.
    async fn piece(&self, from: u64) -> Result<Option<Vec<u8>>, Why> {
        let most = PIECE.min(self.length - from);
        if most == 0 {
            return Ok(None);
        }
        let file = Arc::clone(&self.file);
        let read = unblock(move || {
            let mut piece = Vec::new();
            (&*file).take(most).read_to_end(&mut piece).map(|_| piece)
        });
        match read.await {
            Ok(piece) if piece.is_empty() => Err(Why("it has become shorter meanwhile.".into())),
            Ok(piece) => Ok(Some(piece)),
            Err(error) => Err(Why(format!("it cannot be read: {error}."))),
        }
    }
}
