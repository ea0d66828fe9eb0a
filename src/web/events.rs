//! What a member hears, as events of a stream (HTML Living Standard, 9.2, server-sent events), each with one JSON
//! object.
//!
//! Pure: a line goes in, and an event's bytes come out. The kind of a line is read from its words, which only the
//! server writes.

use std::time::SystemTime;

use crate::text::spoken::Spoken;
use crate::text::time::Utc;

/// What is written every 15 s while nothing else is: a page that hears nothing for longer takes the connection for
/// lost. It has no number, because nothing is missed without it.
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

/// Returns the event with this number that tells of a line.
pub fn event(number: u64, heard: Heard<'_>) -> Vec<u8> {
    let mut event = Vec::new();
    self::number(&mut event, number);
    event.extend(telling(heard));
    event
}

/// Appends an event's number, with which it begins.
pub(super) fn number(to: &mut Vec<u8>, mut number: u64) {
    // By hand, because this is all that is made anew for each who hears a line.
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    to.extend_from_slice(b"id: ");
    to.extend_from_slice(&digits[first..]);
    to.push(b'\n');
}

/// Returns what follows the number in an event that tells of a line: the same for all who hear it.
pub(super) fn telling(heard: Heard<'_>) -> Vec<u8> {
    let line = heard.line;
    let (kind, from, words) = match Spoken::read(line) {
        _ if heard.last => ("bye", None, None),
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
    let mut event = format!("event: {kind}\ndata: {{\"text\":").into_bytes();
    string(&mut event, line);
    for (field, value) in [("from", from), ("words", words)] {
        if let Some(value) = value {
            event.extend_from_slice(format!(",\"{field}\":").as_bytes());
            string(&mut event, value);
        }
    }
    event.extend_from_slice(format!(",\"at\":\"{}\"}}\n\n", Utc::from(heard.at)).as_bytes());
    event
}

/// Appends a JSON string (RFC 8259, 7).
pub(super) fn string(to: &mut Vec<u8>, text: &str) {
    to.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
            b'\t' => to.extend_from_slice(b"\\t"),
            0..0x20 => to.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => to.push(byte),
        }
    }
    to.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn data(line: &str, author: Option<&str>, last: bool) -> (String, String) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let event = String::from_utf8(event(7, Heard { line, at, author, last })).expect("events are text");
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
    fn every_number_is_written_whole() {
        for n in [0, 1, 9, 10, 109, 990, u64::MAX] {
            let mut written = Vec::new();
            number(&mut written, n);
            assert_eq!(String::from_utf8(written), Ok(format!("id: {n}\n")));
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
