//! Files in sentences: clean names, sizes as people read them, and addresses.
//!
//! Pure. Knows nothing of what is in a file.

use std::fmt;
use std::net::SocketAddr;

use unicode_width::UnicodeWidthStr;

use super::line;
use crate::token::Token;

/// The longest name of a file, in characters: the contract's.
const MAX_CHARS: usize = 100;

/// The longest name in bytes. With the `.part` of an unfinished file it fits into the 255 bytes that file systems
/// allow.
const MAX_BYTES: usize = 240;

/// The longest ending that a cut name keeps, with its dot, in characters.
const MAX_ENDING: usize = 12;

/// The name of a file as everybody may see it and save it: one line, clean, no path, never empty. It has no colon, so
/// that the line about a shared file does not read as if somebody said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// Makes a name of what somebody calls a file.
    pub fn of(called: &str) -> FileName {
        let called = line::clean(called);
        let last = called.rsplit(['/', '\\']).next().unwrap_or_default();
        let words: Vec<&str> = last.split_whitespace().collect();
        // No colon: see the type.
        let name = words.join(" ").replace(':', "_");
        // A name that begins with a dot is hidden; one that begins with `-` or `~` means something else to a shell.
        let name = cut(name.trim_start_matches(['.', '-', '~', ' ']));
        FileName(if name.width() == 0 { "file".into() } else { name })
    }

    /// Returns the text, which is clean.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Cuts a name that is too long, and keeps its ending.
fn cut(name: &str) -> String {
    let fits = |chars: usize, bytes: usize| chars <= MAX_CHARS && bytes <= MAX_BYTES;
    if fits(name.chars().count(), name.len()) {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |dot| &name[dot..]);
    let ending = if ending.chars().count() <= MAX_ENDING { ending } else { "" };
    let (mut chars, mut stem) = (ending.chars().count(), String::new());
    for char in name.chars() {
        chars += 1;
        if !fits(chars, stem.len() + char.len_utf8() + ending.len()) {
            break;
        }
        stem.push(char);
    }
    stem + ending
}

/// A number of bytes, as people read it: `2.3 MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteCount(pub u64);

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let (mut tenths, mut units) = (self.0.saturating_add(50) / 100, ["kB", "MB", "GB", "TB"].iter());
        let mut unit = units.next();
        while tenths >= 10_000 && units.len() > 0 {
            (tenths, unit) = ((tenths + 500) / 1000, units.next());
        }
        write!(f, "{}.{} {}", tenths / 10, tenths % 10, unit.unwrap_or(&""))
    }
}

/// The address of a file, by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLink<'a> {
    /// The server.
    pub origin: SocketAddr,
    /// Which file.
    pub id: Token,
    /// What it is called.
    pub name: &'a FileName,
}

impl FileLink<'_> {
    /// Returns the path, without the server.
    pub fn path(&self) -> String {
        format!("/files/{}/{}", self.id, encoded(self.name.as_str()))
    }
}

impl fmt::Display for FileLink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.origin, self.path())
    }
}

/// The address to which one file can be sent by HTTP. The file's name comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendLink {
    /// The server.
    pub origin: SocketAddr,
    /// What allows it.
    pub code: Token,
}

impl fmt::Display for SendLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}/send/{}/", self.origin, self.code)
    }
}

/// Encodes the characters that may not stand in an address (RFC 3986, 2.3). The result is valid for RFC 8187, too.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        use fmt::Write;
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            // Writing to memory does not fail.
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
        encoded
    })
}

/// Decodes what [`encoded`] or another program has encoded in a path, where a plus means a plus. Invalid UTF-8 becomes
/// U+FFFD.
pub fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.filter(|hex| !hex.starts_with('+')).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &after[2..];
                continue;
            }
            _ => bytes.push(*byte),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    fn named(called: &str) -> String {
        FileName::of(called).0
    }

    #[test]
    fn names_that_people_use_stay() {
        for name in ["holiday.jpg", "my file (1).tar.gz", "it's \"good\".txt", "写真 📷.png", "Größe_2-3~.pdf", "a"]
        {
            assert_eq!(named(name), name);
        }
    }

    #[test]
    fn what_is_no_name_is_made_one() {
        for (called, name) in [
            ("", "file"),
            ("  ", "file"),
            ("..", "file"),
            ("/", "file"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\Ann\\x.txt", "x.txt"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("a:b.txt", "a_b.txt"),
            ("a\nb\tc\r.txt", "ab c.txt"),
            ("\u{202e}gpj.exe", "gpj.exe"),
            ("\x1b]0;title\x07x", "x"),
            ("a\u{a0}\u{3000} b", "a b"),
            ("nul\0l", "null"),
            ("\u{200b}\u{2060}", "file"),
        ] {
            assert_eq!(named(called), name, "{called:?}");
        }
    }

    #[test]
    fn long_names_are_cut_and_keep_their_ending() {
        assert_eq!(named(&format!("{}.jpg", "x".repeat(300))), format!("{}.jpg", "x".repeat(96)));
        assert_eq!(named(&"x".repeat(300)), "x".repeat(100));
        assert_eq!(named(&format!("x.{}", "y".repeat(300))).chars().count(), 100);
        let wide = named(&format!("{}.png", "📷".repeat(300)));
        assert!(wide.ends_with("📷.png") && wide.len() <= MAX_BYTES, "{wide}");
    }

    #[test]
    fn whatever_a_file_is_called_its_name_is_clean() {
        #[rustfmt::skip]
        const PARTS: [&str; 20] = [
            "a", ".", "..", "/", "\\", ":", " ", "\t", "\n", "\r\n", "\0", "\x1b[2J", "\u{9b}", "\u{202e}", "\u{2028}",
            "\u{feff}", "📷", "é", "\"", "-- ",
        ];
        let mut random = Rng::with_seed(7);
        for _ in 0..3000 {
            let called: String = (0..random.usize(..200)).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
            let name = named(&called);
            assert_eq!(named(&name), name, "{called:?}");
            assert_eq!(line::clean(&name), name);
            assert!((1..=MAX_CHARS).contains(&name.chars().count()) && name.len() <= MAX_BYTES, "{name:?}");
            assert!(!name.contains(['/', '\\', ':', '\t', '\n']) && !name.starts_with('.'), "{name:?}");
        }
    }

    #[test]
    fn sizes_are_told_as_people_tell_them() {
        for (bytes, told) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (2_345_678, "2.3 MB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (33_554_432, "33.6 MB"),
            (999_999_999, "1.0 GB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(ByteCount(bytes).to_string(), told);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for name in ["a b+c%20.txt", "\"é\" 📷", "%", "%zz", "%+1", ""] {
            assert_eq!(decoded(&encoded(name)), name);
        }
        assert_eq!(decoded("a%2Fb%ff%+1%4"), "a/b\u{fffd}%+1%4");
    }

    #[test]
    fn an_address_has_no_space_and_no_sign_of_its_own() {
        let name = FileName::of("a b?#%\"é.txt");
        let link = FileLink { origin: ([192, 168, 1, 10], 4080).into(), id: Token::from(1), name: &name };
        let expected = "http://192.168.1.10:4080/files/00000000000000000000000000000001/a%20b%3F%23%25%22%C3%A9.txt";
        assert_eq!(link.to_string(), expected);
        let v6 = SendLink { origin: ([1, 0, 0, 0, 0, 0, 0, 2], 80).into(), code: Token::from(u128::MAX) };
        assert_eq!(v6.to_string(), format!("http://[1::2]:80/send/{}/", "f".repeat(32)));
    }
}
