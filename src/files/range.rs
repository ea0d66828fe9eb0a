//! Which part of a file is asked for (RFC 9110, 14). Pure.

use std::ops::Range;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<usize>),
    /// Bytes that it does not have.
    Beyond,
}

/// Reads the `Range` field of a request for a file of `length` bytes. If it is not one range of bytes, the whole is
/// asked for, as the RFC allows.
pub fn wanted(field: Option<&str>, length: usize) -> Wanted {
    field.and_then(|field| part(field, length)).unwrap_or(Wanted::Whole)
}

fn part(field: &str, length: usize) -> Option<Wanted> {
    let (unit, range) = field.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim_matches([' ', '\t']).split_once('-')?;
    let (first, last) = (position(first)?, position(last)?);
    let part = match (first, last) {
        (Some(first), Some(last)) if last < first => return None,
        (Some(first), last) => first..last.map_or(length, |last| last.saturating_add(1).min(length)),
        // The last bytes of the file.
        (None, Some(last)) => length.saturating_sub(last)..length,
        (None, None) => return None,
    };
    Some(if part.start < part.end { Wanted::Part(part) } else { Wanted::Beyond })
}

/// Reads a position, which may be left out. One that is larger than any file counts as the largest number.
fn position(text: &str) -> Option<Option<usize>> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true if text.is_empty() => Some(None),
        true => Some(Some(text.parse().unwrap_or(usize::MAX))),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_a_suffix_and_the_rest() {
        for (field, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=2-99", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
            ("Bytes= 0-4", 0..5),
            ("bytes=0-99999999999999999999999", 0..10),
        ] {
            assert_eq!(wanted(Some(field), 10), Wanted::Part(expected), "{field}");
        }
    }

    #[test]
    fn what_lies_beyond_is_said_to() {
        for field in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(wanted(Some(field), 10), Wanted::Beyond, "{field}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Beyond);
        assert_eq!(wanted(Some("bytes=-5"), 0), Wanted::Beyond);
    }

    #[test]
    fn what_is_no_single_range_asks_for_the_whole() {
        for field in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=0-1", "bytes=+1-2", "bytes=a-"]
        {
            assert_eq!(wanted(Some(field), 10), Wanted::Whole, "{field}");
        }
        assert_eq!(wanted(None, 10), Wanted::Whole);
    }
}
