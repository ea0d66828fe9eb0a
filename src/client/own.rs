//! The commands that the client obeys itself: how they are typed.
//!
//! Pure. Knows nothing of what they do. The server's own commands are in [`command`].

use crate::text::command::{self, Command, Usage};

/// A command for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own<'a> {
    /// Send the file at this path.
    Send(&'a str),
    /// Fetch the file that this word names, into this directory or under this name.
    Get(&'a str, Option<&'a str>),
    /// List the client's commands, besides those of the server.
    Help,
    /// A command without its argument. This is how it is typed.
    Misused(Usage),
}

const SEND: Usage = Usage { name: "send", takes: "PATH", does: "share a file of this computer" };
const GET: Usage = Usage { name: "get", takes: "ID [PATH]", does: "fetch a file that is shared; /files lists them" };

/// Returns all commands of the client.
pub(crate) fn usages() -> impl Iterator<Item = Usage> {
    [SEND, GET].into_iter()
}

/// Reads a line. Returns None if it is for the server, as `/send` alone is.
pub(crate) fn parse(line: &str) -> Option<Own<'_>> {
    if command::parse(line) == Command::Help {
        return Some(Own::Help);
    }
    if let Some(at) = after(line, &SEND) {
        return Some(Own::Send(&line[at..])).filter(|_| !line[at..].trim().is_empty());
    }
    if line.trim_end().strip_prefix('/').is_some_and(|word| word.eq_ignore_ascii_case(GET.name)) {
        return Some(Own::Misused(GET));
    }
    let (what, path) = split(&line[after(line, &GET)?..]);
    if what.is_empty() {
        return Some(Own::Misused(GET));
    }
    Some(Own::Get(what, Some(path).filter(|path| !path.is_empty())))
}

/// Returns where the path begins at the end of a line that is being typed, if there is a path.
pub(crate) fn path_in(line: &str) -> Option<usize> {
    let sent = after(line, &SEND);
    sent.or_else(|| {
        let at = after(line, &GET)?;
        // The number is finished only when a space follows it.
        line[at..].contains(char::is_whitespace).then(|| line.len() - split(&line[at..]).1.len())
    })
}

/// Returns where the number of a file begins at the end of a line that is being typed, if there is one.
pub(crate) fn id_in(line: &str) -> Option<usize> {
    after(line, &GET).filter(|at| !line[*at..].contains(char::is_whitespace))
}

/// Returns where the command's argument begins. None if the line is another command.
fn after(line: &str, usage: &Usage) -> Option<usize> {
    let (word, rest) = line.strip_prefix('/')?.split_once(char::is_whitespace)?;
    word.eq_ignore_ascii_case(usage.name).then(|| line.len() - rest.trim_start().len())
}

fn split(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_the_client() {
        for (line, own) in [
            ("/send a b.txt", Some(Own::Send("a b.txt"))),
            ("/Send  ~/x ", Some(Own::Send("~/x "))),
            ("/get abcd", Some(Own::Get("abcd", None))),
            ("/GET http://pi/x  my files/ ", Some(Own::Get("http://pi/x", Some("my files/ ")))),
            ("/get", Some(Own::Misused(GET))),
            ("/get  ", Some(Own::Misused(GET))),
            ("/help", Some(Own::Help)),
            ("/send", None),
            ("/send ", None),
            ("/sender x", None),
            ("//send x", None),
            ("send x", None),
            ("/files", None),
            ("", None),
        ] {
            assert_eq!(parse(line), own, "{line:?}");
        }
    }

    #[test]
    fn where_a_path_or_a_number_is_typed() {
        for (line, path, id) in [
            ("/send", None, None),
            ("/send ", Some(6), None),
            ("/send  my f", Some(7), None),
            ("/get ", None, Some(5)),
            ("/get ab", None, Some(5)),
            ("/get ab ", Some(8), None),
            ("/get ab  my f", Some(9), None),
            ("/who ", None, None),
        ] {
            assert_eq!((path_in(line), id_in(line)), (path, id), "{line:?}");
        }
    }
}
