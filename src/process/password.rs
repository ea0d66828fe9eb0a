//! Reads the passwords of the room and of the link from their files. Knows nothing of how they are used.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use dynasti::access::password::{NoPassword, Password};
use dynasti::text::line::MAX_LINE;

/// How much is read of the file: more than a password may have.
const READ: u64 = 4 * MAX_LINE as u64;

/// Reads the room's password.
///
/// # Errors
/// The file cannot be read, holds no password, or can be written by others. The error says what to do.
pub(crate) fn read(path: &Path) -> Result<Password, String> {
    Password::first_line(&first_line(path)?).map_err(in_words)
}

/// Reads the link's password: the first line of the file, not empty, and no longer than a line may be.
///
/// # Errors
/// As of [`read`].
#[cfg(feature = "link")]
pub(crate) fn of_link(path: &Path) -> Result<String, String> {
    let line = first_line(path)?;
    Password::first_line(&line).map_err(in_words)?;
    Ok(line.strip_suffix('\r').unwrap_or(&line).to_owned())
}

fn in_words(why: NoPassword) -> String {
    match why {
        NoPassword::Empty => "its first line is empty; write the password there".into(),
        NoPassword::TooLong => format!("its first line is longer than {MAX_LINE} bytes"),
    }
}

fn first_line(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("{error}; name a file that can be read");
    let file = File::open(path).map_err(unreadable)?;
    // Only for a file: the mode of a pipe says nothing about who can write to it.
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o002 != 0 {
        return Err("others can write that file; take that from them with chmod o-w".into());
    }
    let mut text = Vec::new();
    file.take(READ).read_to_end(&mut text).map_err(unreadable)?;
    text.truncate(text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len()));
    String::from_utf8(text).map_err(|_| "its first line is not UTF-8".to_string())
}
