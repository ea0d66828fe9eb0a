//! What a member hears, as events of a stream (HTML Living Standard, 9.2, server-sent events), each with one JSON
//! object.
//!
//! Pure: a line goes in, and an event's bytes come out. The kind of a line is read from its words, which only the
//! server writes.

use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use crate::files::About;
use crate::text::spoken::Spoken;
use crate::text::time::Utc;
use crate::token::Token;

/// The event that is written when nothing else was for 15 s: a page takes a connection for lost that is silent for 35
/// s. It has no id, because whoever misses it misses nothing.
pub(super) const PING: &[u8] = b"event: ping\ndata: {}\n\n";

/// One line that a member hears.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// The line, as `nc` shows it.
    pub line: &'a str,
    /// When it was said.
    pub at: SystemTime,
    /// The name of the member who said or did it, where that is known. Names have spaces, so the line alone does not
    /// tell whose action it shows.
    pub author: Option<&'a str>,
    /// Whether these are the last words to the member.
    pub last: bool,
}

/// An event's id. Of two events of a session, the later has the greater id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// The position in the log after the last public line that the session has heard: the one that is told, or else the
    /// last one before it. So a public line has the same id for all sessions.
    pub position: u64,
    /// How many lines for this session alone came after that position, with this one.
    pub count: u64,
}

/// How many digits an id has for its count. A larger count is written as the largest that there is; a session hears as
/// much only if it asks the server for half an hour, as fast as it is answered, while nobody says anything. If it then
/// goes back to such an id, it hears lines twice.
const DIGITS: usize = 6;

/// The largest count that is written.
const MAX_COUNT: u64 = 10_u64.pow(DIGITS as u32) - 1;

impl fmt::Display for EventId {
    /// One number, so that whoever does not know what it means can compare two of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count.min(MAX_COUNT);
        match self.position {
            0 => write!(f, "{count}"),
            position => write!(f, "{position}{count:0DIGITS$}"),
        }
    }
}

impl EventId {
    /// Reads an id as it is written.
    pub fn read(text: &str) -> Option<EventId> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        match text.len().checked_sub(DIGITS) {
            None | Some(0) => Some(EventId { position: 0, count: text.parse().ok()? }),
            Some(at) => Some(EventId { position: text[..at].parse().ok()?, count: text[at..].parse().ok()? }),
        }
    }
}

/// How many bytes an event has beside its line, which is in it once or twice: enough for a long name and a long id.
const BESIDE: usize = 192;

/// Returns the event with this id for a line. `about` returns what is known of a file.
pub fn event(id: EventId, heard: Heard<'_>, about: impl Fn(Token) -> Option<About>) -> Vec<u8> {
    let line = heard.line;
    let spoken = Spoken::read(line);
    let (kind, from, words) = match spoken {
        _ if heard.last => ("bye", None, None),
        // The author is known only of a file that the room has let somebody share. A typed line that reads alike has
        // none.
        Spoken::Shared(from, ..) if heard.author == Some(from) => ("file", Some(from), None),
        Spoken::Goodbye | Spoken::SentAway => ("bye", None, None),
        Spoken::Welcome(name) => ("welcome", Some(name), None),
        Spoken::Said(from, words) => ("said", Some(from), Some(words)),
        Spoken::Private(from, words) => ("private", Some(from), Some(words)),
        Spoken::Server(words) => ("server", None, Some(words)),
        Spoken::Emote(action) => {
            let words = heard.author.and_then(|name| action.strip_prefix(name)?.strip_prefix(' '));
            ("action", words.and(heard.author), words)
        }
        Spoken::Joined(name) | Spoken::Left(name) | Spoken::Renamed(name, _) => ("news", Some(name), None),
        _ => ("note", None, None),
    };
    let mut event = Vec::with_capacity(2 * line.len() + BESIDE);
    put(&mut event, format_args!("id: {id}\nevent: {kind}\ndata: {{\"text\":"));
    string(&mut event, line);
    for (name, value) in [("from", from), ("words", words)] {
        if let Some(value) = value {
            field(&mut event, name, value);
        }
    }
    if let (Spoken::Shared(_, name, _, link), "file") = (spoken, kind) {
        file(&mut event, name, link, about);
    }
    put(&mut event, format_args!(",\"at\":\"{}\"}}\n\n", Utc::from(heard.at)));
    event
}

fn put(event: &mut Vec<u8>, what: fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = event.write_fmt(what);
}

/// Appends a field of the object, which is not its first.
fn field(event: &mut Vec<u8>, name: &str, value: &str) {
    event.extend_from_slice(b",\"");
    event.extend_from_slice(name.as_bytes());
    event.extend_from_slice(b"\":");
    string(event, value);
}

/// Appends what is known of the file at this address.
fn file(event: &mut Vec<u8>, name: &str, link: &str, about: impl Fn(Token) -> Option<About>) {
    let Some(at) = link.find("/files/") else { return };
    let path = &link[at..];
    let id = path.split('/').nth(2).and_then(Token::read);
    field(event, "name", name);
    field(event, "path", path);
    if let Some(About { kind, size, dimensions }) = id.and_then(about) {
        put(event, format_args!(",\"kind\":\"{}\",\"size\":{size}", kind.media_type()));
        if let Some((width, height)) = dimensions {
            put(event, format_args!(",\"width\":{width},\"height\":{height}"));
        }
    }
}

/// Appends a JSON string (RFC 8259, 7).
pub(super) fn string(to: &mut Vec<u8>, text: &str) {
    to.push(b'"');
    let mut plain = text.as_bytes();
    while let Some(at) = plain.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        to.extend_from_slice(&plain[..at]);
        match plain[at] {
            byte @ (b'"' | b'\\') => to.extend_from_slice(&[b'\\', byte]),
            b'\t' => to.extend_from_slice(b"\\t"),
            byte => put(to, format_args!("\\u{byte:04x}")),
        }
        plain = &plain[at + 1..];
    }
    to.extend_from_slice(plain);
    to.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::files::kind::Kind;

    /// The id of the seventh line for a session that has heard no public line.
    const SEVENTH: EventId = EventId { position: 0, count: 7 };

    fn data(line: &str, author: Option<&str>, last: bool) -> (String, String) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let event =
            String::from_utf8(event(SEVENTH, Heard { line, at, author, last }, |_| None)).expect("events are text");
        let rest = event.strip_prefix("id: 7\nevent: ").expect(&event);
        let (kind, data) = rest.split_once("\ndata: ").expect(&event);
        let data = data.strip_suffix(",\"at\":\"1970-01-01T00:00:01Z\"}\n\n").expect(&event);
        assert!(!data.contains('\n'), "{event}");
        (kind.to_owned(), data.to_owned())
    }

    #[test]
    fn every_kind_of_line_is_an_event_of_its_kind() {
        for (line, author, kind, expected) in [
            (
                "Welcome, Ann Lee! You can now chat. Type messages and press Enter.",
                None,
                "welcome",
                r#"{"text":"Welcome, Ann Lee! You can now chat. Type messages and press Enter.","from":"Ann Lee""#,
            ),
            ("Ann: a: b", None, "said", r#"{"text":"Ann: a: b","from":"Ann","words":"a: b""#),
            ("Ann (private): hi", None, "private", r#"{"text":"Ann (private): hi","from":"Ann","words":"hi""#),
            ("[SERVER]: lunch", None, "server", r#"{"text":"[SERVER]: lunch","words":"lunch""#),
            (
                "* Ann Lee waves",
                Some("Ann Lee"),
                "action",
                r#"{"text":"* Ann Lee waves","from":"Ann Lee","words":"waves""#,
            ),
            ("* Ann Lee waves", Some("Bob"), "action", r#"{"text":"* Ann Lee waves""#),
            ("* Ann waves", None, "action", r#"{"text":"* Ann waves""#),
            ("Ann has joined the chat.", None, "news", r#"{"text":"Ann has joined the chat.","from":"Ann""#),
            ("Ann is now known as Bea.", None, "news", r#"{"text":"Ann is now known as Bea.","from":"Ann""#),
            ("-- 1 here: Ann", None, "note", r#"{"text":"-- 1 here: Ann""#),
            ("Server is shutting down. Bye!", None, "bye", r#"{"text":"Server is shutting down. Bye!""#),
            (
                "-- The operator has banned your address.",
                None,
                "bye",
                r#"{"text":"-- The operator has banned your address.""#,
            ),
        ] {
            assert_eq!(data(line, author, false), (kind.to_owned(), expected.to_owned()));
        }
        assert_eq!(data("-- Bye!", None, true).0, "bye");
    }

    #[test]
    fn a_file_is_told_of_with_all_that_is_known_of_it() {
        let id = Token::from(255);
        let line = format!("Ann shares x shares a (1).png (2.3 MB): http://pi:4080/files/{id}/a%20%281%29.png");
        let about = About { kind: Kind::Png, size: 2_345_678, dimensions: Some((300, 200)) };
        let told = |author| {
            let heard = Heard { line: &line, at: SystemTime::UNIX_EPOCH, author, last: false };
            let event = event(SEVENTH, heard, |asked| (asked == id).then_some(about));
            String::from_utf8(event).expect("events are text")
        };
        let rest = format!(
            "\"path\":\"/files/{id}/a%20%281%29.png\",\"kind\":\"image/png\",\"size\":2345678,\"width\":300,\"height\":200,"
        );
        let event = told(Some("Ann"));
        assert!(event.starts_with("id: 7\nevent: file\ndata: {\"text\":"), "{event}");
        assert!(event.contains(&format!(",\"from\":\"Ann\",\"name\":\"x shares a (1).png\",{rest}")), "{event}");
        // Whatever is typed, it is no file.
        let event = told(None);
        assert!(event.starts_with("id: 7\nevent: note\n") && !event.contains("path"), "{event}");
    }

    #[test]
    fn ids_grow_as_numbers_and_are_read_as_they_are_written() {
        let id = |position, count| EventId { position, count };
        let written = [
            (id(0, 0), "0"),
            (id(0, 1), "1"),
            (id(0, 999_999), "999999"),
            (id(5, 0), "5000000"),
            (id(5, 42), "5000042"),
            (id(10, 0), "10000000"),
            (id(u64::MAX, 7), "18446744073709551615000007"),
        ];
        for (id, text) in written {
            assert_eq!((id.to_string().as_str(), EventId::read(text)), (text, Some(id)));
        }
        assert!(written.is_sorted_by(|a, b| a.0 < b.0 && a.1.parse::<u128>().ok() < b.1.parse().ok()));
        assert_eq!(id(5, 1_000_000).to_string(), "5999999");
        for text in ["", "-1", "+1", "1.5", "x", "99999999999999999999999999", "\u{0663}"] {
            assert_eq!(EventId::read(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_that_is_typed_ends_a_string_or_an_event() {
        let (kind, data) = data("Ann: \"\\\t</script>\u{2028}\u{7f}é", None, false);
        assert_eq!(kind, "said");
        assert!(data.ends_with("\"words\":\"\\\"\\\\\\t</script>\u{2028}\u{7f}é\""), "{data}");
        let mut bytes = Vec::new();
        string(&mut bytes, "\u{1}\n");
        assert_eq!(bytes, b"\"\\u0001\\u000a\"");
    }
}
