//! HTTP/1.1 as far as sending and fetching a file needs it (RFC 9110, RFC 9112): where a file is, what is asked, and
//! what the head of an answer says.
//!
//! Pure: text goes in and comes out. Knows nothing of sockets or of what is done with a file. Each request has a
//! connection of its own.

use std::fmt;

use super::address::Address;
use crate::text::file::{FileName, decoded};

/// The longest head that is read, in bytes. The server's has less than 1 KiB.
pub(crate) const MAX_HEAD: usize = 8 * 1024;

/// The port of an address that names none.
const DEFAULT_PORT: u16 = 80;

/// An address that begins with `http://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// The server, as it is written.
    authority: String,
    /// The server, to connect to.
    pub(crate) server: Address,
    /// The rest, from the first slash on. It has no character that could end it within a request.
    path: String,
}

impl Url {
    /// Reads an address. None if it is none, or one of another kind.
    pub(crate) fn parse(text: &str) -> Option<Url> {
        let rest = text.strip_prefix("http://")?;
        // What stands behind # is not for the server.
        let rest = rest.split('#').next()?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let bracketed = authority.starts_with('[');
        if authority.contains(['@', '?', '\\']) || !bracketed && authority.matches(':').count() > 1 {
            return None;
        }
        let has_port = if bracketed { !authority.ends_with(']') } else { authority.contains(':') };
        let mut server: Address = authority.parse().ok()?;
        if !has_port {
            server.port = DEFAULT_PORT;
        }
        // It stands in the head of a request.
        if !authority.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let path = path.bytes().map(|byte| match byte {
            0x21..=0x7e => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        let path: String = path.collect();
        let path = if path.is_empty() { "/".into() } else { path };
        Some(Url { authority: authority.to_owned(), server, path })
    }

    /// Returns the address of a path of this server.
    pub(crate) fn at(&self, path: &str) -> Url {
        Url { path: path.to_owned(), ..self.clone() }
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns what the last part of the path names, if it names something.
    pub(crate) fn name(&self) -> Option<FileName> {
        let path = self.path.split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().filter(|last| !last.is_empty())?;
        Some(FileName::of(&decoded(last)))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

/// The part of a file that is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest<'a> {
    /// How many bytes have come.
    pub(crate) from: u64,
    /// Which version of the file they are of. Of another version the server sends the whole.
    pub(crate) tag: &'a str,
}

/// Asks for a file, or for the rest of it.
pub(crate) fn get(url: &Url, rest: Option<Rest<'_>>) -> String {
    let range = rest.map(|Rest { from, tag }| format!("Range: bytes={from}-\r\nIf-Range: {tag}\r\n"));
    request("GET", url, &range.unwrap_or_default())
}

/// Asks whether a file of so many bytes may be sent. An answer of status 100 allows it; any other is the answer itself.
pub(crate) fn put(url: &Url, length: u64) -> String {
    let fields = format!("Content-Length: {length}\r\nContent-Type: application/octet-stream\r\n");
    // Of a file without bytes there is nothing to wait with.
    let expect = if length > 0 { "Expect: 100-continue\r\n" } else { "" };
    request("PUT", url, &(fields + expect))
}

fn request(method: &str, Url { authority, path, .. }: &Url, fields: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: dynasti/{version}\r\nConnection: close\r\n\
         {fields}\r\n"
    )
}

/// What an answer says before its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// What has come of the request, as a number of three digits.
    pub(crate) status: u16,
    /// How many bytes the body has, if that is said and they come as they are.
    pub(crate) length: Option<u64>,
    /// Which version of the file this is, if one can be told from another to the byte.
    pub(crate) tag: Option<String>,
    /// Where a part of a file begins, and how many bytes the whole has.
    pub(crate) part: Option<(u64, u64)>,
    /// What the file is called.
    pub(crate) name: Option<FileName>,
}

/// What came is no answer, or one that can be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads the head that `bytes` begin with. Returns it and how long it is, or None if it is not whole yet.
///
/// # Errors
/// It is too long or no head.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Malformed> {
    let (mut lines, mut length) = (Vec::new(), 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        length += line.len();
        if length > MAX_HEAD {
            return Err(Malformed);
        }
        let Some(line) = line.strip_suffix(b"\n") else { return Ok(None) };
        let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).map_err(|_| Malformed)?;
        if line.is_empty() {
            return read(&lines).map(|head| Some((head, length)));
        }
        lines.push(line);
    }
    Ok(None)
}

/// Reads the lines of a head.
fn read(lines: &[&str]) -> Result<Head, Malformed> {
    let (first, fields) = lines.split_first().ok_or(Malformed)?;
    let mut head = Head { status: status(first).ok_or(Malformed)?, ..Head::default() };
    let mut encoded = false;
    for field in fields {
        let (name, value) = field.split_once(':').ok_or(Malformed)?;
        // A name that a space stands beside, or a line that goes on, is read differently by different programs.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Malformed);
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let length = number(value).ok_or(Malformed)?;
                if head.length.replace(length).is_some_and(|before| before != length) {
                    return Err(Malformed);
                }
            }
            "transfer-encoding" | "content-encoding" => encoded = true,
            "etag" => head.tag = strong_tag(value),
            "content-range" => head.part = part(value),
            "content-disposition" => head.name = called(value),
            _ => {}
        }
    }
    // How much that is once it is decoded is not said.
    head.length = head.length.filter(|_| !encoded);
    Ok(head)
}

/// Reads the first line.
fn status(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/1.")?;
    let code = rest.strip_prefix(['0', '1'])?.strip_prefix(' ')?;
    let (code, _) = code.split_once(' ').unwrap_or((code, ""));
    number(code)
        .filter(|status| code.len() == 3 && (100..600).contains(status))
        .and_then(|status| status.try_into().ok())
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads a tag that is the same only for the same bytes.
fn strong_tag(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    // It is sent back, so it must not end a line.
    inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"').then(|| value.to_owned())
}

/// Reads which part of a file has come: `bytes 5-9/10`.
fn part(value: &str) -> Option<(u64, u64)> {
    let (range, whole) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, whole) = (number(first)?, number(last)?, number(whole)?);
    (first <= last && last.checked_add(1) == Some(whole)).then_some((first, whole))
}

/// Reads what a file is called, if that is said in the form that can say everything (RFC 8187).
fn called(value: &str) -> Option<FileName> {
    const NAME: &str = "filename*=utf-8''";
    let at = value.to_ascii_lowercase().find(NAME)?;
    let name = value[at + NAME.len()..].split(';').next()?;
    Some(FileName::of(&decoded(name.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    #[test]
    fn addresses() {
        for (text, server, path) in [
            ("http://pi.local:4080/files/1/a%20b", "pi.local:4080", "/files/1/a%20b"),
            ("http://10.0.0.1", "10.0.0.1:80", "/"),
            ("http://[::1]/x#y", "[::1]:80", "/x"),
            ("http://[::1]:81/x?y", "[::1]:81", "/x?y"),
            ("http://pi/é \r\n", "pi:80", "/%C3%A9%20%0D%0A"),
        ] {
            let read = url(text);
            assert_eq!((read.server.to_string().as_str(), read.path()), (server, path), "{text}");
        }
        for text in
            ["", "http://", "https://pi/", "pi/x", "http:///x", "http://ann@pi/", "http://::1/x", "http://pi:x/"]
        {
            assert_eq!(Url::parse(text), None, "{text}");
        }
        assert_eq!(url("http://pi:1/a").at("/b").to_string(), "http://pi:1/b");
    }

    #[test]
    fn the_name_of_an_address_is_clean() {
        let name = |text| url(text).name().map(|name| name.to_string());
        assert_eq!(name("http://pi/files/1/a%20b.txt?x/y"), Some("a b.txt".into()));
        assert_eq!(name("http://pi/files/1/..%2F..%2F.ssh%2Fx%1b[2J"), Some("x".into()));
        assert_eq!(name("http://pi/files/1/.."), Some("file".into()));
        assert_eq!([name("http://pi/files/1/"), name("http://pi")], [None, None]);
    }

    #[test]
    fn what_is_asked() {
        let url = url("http://pi:4080/files/1/x");
        let begin = "GET /files/1/x HTTP/1.1\r\nHost: pi:4080\r\nUser-Agent: dynasti/";
        let whole = get(&url, None);
        assert!(whole.starts_with(begin) && whole.ends_with("Connection: close\r\n\r\n"), "{whole}");
        let rest = get(&url, Some(Rest { from: 5, tag: "\"1\"" }));
        assert!(rest.ends_with("\r\nRange: bytes=5-\r\nIf-Range: \"1\"\r\n\r\n"), "{rest}");
        let put = put(&url, 7);
        assert!(put.starts_with("PUT /files/1/x ") && put.contains("\r\nContent-Length: 7\r\n"), "{put}");
        assert!(put.contains("\r\nExpect: 100-continue\r\n"), "{put}");
    }

    #[test]
    fn a_head_in_pieces() {
        let whole =
            b"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nETag: \"a\"\r\ncontent-range: bytes 5-9/10\r\n\
                      Content-Disposition: attachment; filename=\"x\"; filename*=UTF-8''%C3%A9.txt\r\n\r\nbody";
        let end = whole.len() - "body".len();
        for cut in 0..end {
            assert_eq!(head(&whole[..cut]), Ok(None), "{cut}");
        }
        let expected = Head {
            status: 206,
            length: Some(5),
            tag: Some("\"a\"".into()),
            part: Some((5, 10)),
            name: Some(FileName::of("é.txt")),
        };
        assert_eq!(head(whole), Ok(Some((expected, end))));
        let bare = Head { status: 100, ..Head::default() };
        assert_eq!(head(b"HTTP/1.0 100\n\nx"), Ok(Some((bare, 14))));
    }

    #[test]
    fn what_is_no_head() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(MAX_HEAD));
        for bytes in [
            "SSH-2.0-x\r\n\r\n",
            "\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 +20 OK\r\n\r\n",
            "HTTP/1.1 999 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
            &long,
        ] {
            assert_eq!(head(bytes.as_bytes()), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(head(b"HTTP/1.1 200 \xff\r\n\r\n"), Err(Malformed));
    }

    #[test]
    fn what_cannot_be_relied_on_counts_as_not_said() {
        let told = |fields: &str| {
            let (head, _) =
                head(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").as_bytes()).ok().flatten().expect(fields);
            (head.length, head.tag, head.part)
        };
        for fields in [
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Encoding: gzip\r\nContent-Length: 5",
            "ETag: W/\"a\"",
            "ETag: \"a\rb\"",
            "ETag: \"a b\"",
            "Content-Range: bytes 5-9/*",
            "Content-Range: bytes 5-8/10",
            "Content-Range: bytes 9-5/10",
            "Content-Range: bytes */10",
        ] {
            assert_eq!(told(fields), (None, None, None), "{fields}");
        }
    }
}
