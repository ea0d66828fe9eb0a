//! JSON (RFC 8259): values of others are read within limits, and our own strings are quoted.
//!
//! Pure. Knows nothing of what the values mean.

use tinyjson::JsonValue;

/// The most that is read, in bytes: as much as the largest message that is taken from the broker.
const MAX_TEXT: usize = 64 * 1024;

/// How deep objects and arrays may be nested. The parser calls itself for each level, so without a limit a sender of
/// many brackets could overflow the stack. What a broker sends has five levels.
const MAX_DEPTH: usize = 32;

/// The parser makes a double of each number. Up to this one a double holds every whole number.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Reads a value. Returns None if it is no JSON, or exceeds a limit.
pub(super) fn read(bytes: &[u8]) -> Option<JsonValue> {
    if bytes.len() > MAX_TEXT || depth(bytes) > MAX_DEPTH {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Returns how deep objects and arrays are nested at most. Brackets in strings do not count.
fn depth(bytes: &[u8]) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                open += 1;
                most = most.max(open);
            }
            b']' | b'}' if !in_string => open = open.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// Returns what an object has under this key.
pub(super) fn get<'a>(object: &'a JsonValue, key: &str) -> Option<&'a JsonValue> {
    match object {
        JsonValue::Object(members) => members.get(key),
        _ => None,
    }
}

/// Returns the string that an object has under this key.
pub(super) fn text<'a>(object: &'a JsonValue, key: &str) -> Option<&'a str> {
    match get(object, key)? {
        JsonValue::String(text) => Some(text),
        _ => None,
    }
}

/// Returns the whole number, zero or more, that an object has under this key.
pub(super) fn whole(object: &JsonValue, key: &str) -> Option<u64> {
    match get(object, key)? {
        JsonValue::Number(number) if number.fract() == 0.0 && (0.0..=MAX_WHOLE).contains(number) => {
            Some(*number as u64)
        }
        _ => None,
    }
}

/// Returns whether an object has `true` under this key.
pub(super) fn is_true(object: &JsonValue, key: &str) -> bool {
    matches!(get(object, key), Some(JsonValue::Boolean(true)))
}

/// Returns the strings of the list that an object has under this key.
pub(super) fn texts<'a>(object: &'a JsonValue, key: &str) -> impl Iterator<Item = &'a str> {
    let list = match get(object, key) {
        Some(JsonValue::Array(list)) => &list[..],
        _ => &[],
    };
    list.iter().filter_map(|one| match one {
        JsonValue::String(text) => Some(text.as_str()),
        _ => None,
    })
}

/// Returns a text as a string of JSON, with its quotes. Control characters are escaped, so it is within one line.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\0'..' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    #[test]
    fn what_is_read_of_an_object_has_the_kind_that_is_asked_for() {
        let value =
            read(br#" {"a":"x","n":12,"z":0,"m":9007199254740992,"t":true,"f":false,"l":["b",1,"c"],"o":{"a":1}} "#);
        let value = value.expect("it is JSON");
        assert_eq!((text(&value, "a"), text(&value, "n"), text(&value, "-")), (Some("x"), None, None));
        assert_eq!((whole(&value, "n"), whole(&value, "z"), whole(&value, "a")), (Some(12), Some(0), None));
        assert_eq!(whole(&value, "m"), Some(1 << 53));
        assert_eq!((is_true(&value, "t"), is_true(&value, "f"), is_true(&value, "n")), (true, false, false));
        assert_eq!(texts(&value, "l").collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(texts(&value, "a").count(), 0);
        assert_eq!(get(&value, "o").and_then(|inner| whole(inner, "a")), Some(1));
        assert_eq!(text(&JsonValue::Null, "a"), None);
    }

    #[test]
    fn a_number_that_is_not_whole_or_too_large_for_a_double_is_none() {
        for number in ["-1", "1.5", "1e300", "1e999", "9007199254740994", "\"1\"", "null", "[1]"] {
            let value = read(format!("{{\"n\":{number}}}").as_bytes()).expect("it is JSON");
            assert_eq!(whole(&value, "n"), None, "{number}");
        }
    }

    #[test]
    fn brackets_are_counted_but_not_in_strings() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(nested(MAX_DEPTH).as_bytes()).is_some());
        assert_eq!(read(nested(MAX_DEPTH + 1).as_bytes()), None);
        // None of these comes as far as the parser, whose stack they would take.
        for open in ["[", "{\"a\":", "{", "[\"\\\"\",", "[{\"\\\\\":"] {
            assert_eq!(read(open.repeat(10_000).as_bytes()), None, "{open}");
        }
        let in_a_string = format!("[\"\\\"{}\"]", "[{".repeat(MAX_DEPTH));
        assert!(read(in_a_string.as_bytes()).is_some());
        // Side by side they are no deeper.
        assert!(read(format!("[{}[]]", "[],{},".repeat(MAX_DEPTH)).as_bytes()).is_some());
    }

    #[test]
    fn what_is_no_json_or_too_long_is_none() {
        for text in [&b""[..], b" ", b"{", b"{}{}", b"\"\xff\"", b"nul", b"{\"a\":}", b"\"\n\"", b"]", b"\"\\ud800\""] {
            assert_eq!(read(text), None, "{:?}", String::from_utf8_lossy(text));
        }
        let long = |length| format!("\"{}\"", "x".repeat(length - 2));
        assert!(read(long(MAX_TEXT).as_bytes()).is_some());
        assert_eq!(read(long(MAX_TEXT + 1).as_bytes()), None);
    }

    #[test]
    fn every_text_comes_back_from_its_quotes_within_one_line() {
        let mut random = Rng::with_seed(16);
        for _ in 0..2000 {
            let any = |random: &mut Rng| if random.bool() { random.char('\0'..'\u{80}') } else { random.char(..) };
            let text: String = (0..random.usize(..20)).map(|_| any(&mut random)).collect();
            let quoted = quoted(&text);
            assert!(!quoted.bytes().any(|byte| byte < b' '), "{quoted:?}");
            assert_eq!(read(quoted.as_bytes()), Some(JsonValue::String(text)));
        }
    }

    #[test]
    fn nothing_that_comes_breaks_it() {
        const PARTS: [&str; 20] = [
            "{", "}", "[", "]", "\"", "\\", "\\u00", "\\ud8", "a", ":", ",", "1", "-", ".", "e", "true", "null", " ",
            "\n", "é",
        ];
        let mut random = Rng::with_seed(17);
        let mut values = 0;
        for _ in 0..30_000 {
            let text: String = (0..random.usize(..12)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
            values += usize::from(read(text.as_bytes()).is_some());
        }
        assert!(values > 500, "{values} were JSON");
    }
}
