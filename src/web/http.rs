//! HTTP/1.1 (RFC 9110, RFC 9112) as far as this server speaks it: what a request's head says, where its body ends, and
//! how an answer is written.
//!
//! Pure: bytes go in, and bytes come out. Knows nothing of sockets, of rooms, and of what is asked for. It is strict:
//! if this server and a proxy could read a request differently, one request could hide in another.

use std::borrow::Cow;
use std::fmt::Write;
use std::mem;

use crate::text::file;

/// The longest head that is read, in bytes: the contract's 8 KiB.
pub(super) const MAX_HEAD: usize = 8 * 1024;

/// How many header fields a head may have. Browsers send about twenty.
const MAX_FIELDS: usize = 64;

/// How many bytes of empty lines may stand before a request.
const MAX_EMPTY: usize = 64;

/// How many bytes the sizes of chunks, their line ends and the trailer may take, besides the body itself.
const MAX_FRAMING: usize = 16 * 1024;

/// What is wrong with a request. Each ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not HTTP, or can be read in two ways.
    Malformed,
    /// The head is too long.
    HeadTooLarge,
    /// The body is encoded in a way that this server does not know.
    UnknownEncoding,
    /// The version is neither 1.0 nor 1.1.
    UnknownVersion,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It has so many bytes.
    Length(u64),
    /// It comes in chunks that say how long they are.
    Chunked,
}

/// What a request's head says, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// GET, POST and so on.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// What follows the `?`, as it was sent.
    pub query: String,
    /// Whom the request is meant for. None in HTTP/1.0 alone.
    pub host: Option<String>,
    /// The site of the page that sends the request, where a browser says so.
    pub origin: Option<String>,
    /// The password, and its scheme.
    pub authorization: Option<String>,
    /// What a request and its repetition have in common.
    pub idempotency_key: Option<String>,
    /// The last event that an event stream's reader has.
    pub last_event_id: Option<String>,
    /// Which part is wanted, and the version that it is to be a part of.
    pub range: Option<String>,
    /// See `range`.
    pub if_range: Option<String>,
    /// How the end of its body is found.
    pub framing: Framing,
    /// Whether it has a `Content-Length`. A request without one, and without chunks, has no body.
    pub has_length: bool,
    /// Whether the body is sent only after `100 Continue`.
    pub expects_continue: bool,
    /// Whether the connection stays open after the answer.
    pub keeps_alive: bool,
}

impl Head {
    /// Reads a head from the beginning of these bytes. Returns it, and its length; None if its end has not come yet.
    ///
    /// # Errors
    /// When the head is wrong. Then nothing more can be read from the connection.
    pub fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, Wrong> {
        // RFC 9112, 2.2: empty lines before the request are ignored, but not without end.
        let skipped = 2 * bytes.chunks(2).take_while(|two| two == b"\r\n").count();
        if skipped > MAX_EMPTY {
            return Err(Wrong::Malformed);
        }
        let bytes = &bytes[skipped..];
        let searched = &bytes[..bytes.len().min(MAX_HEAD)];
        // httparse takes a bare LF for the end of a line, as some servers do and others do not.
        let bare_lf = |(n, byte): (usize, &u8)| *byte == b'\n' && (n == 0 || searched[n - 1] != b'\r');
        let end = searched.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if searched[..end.unwrap_or(searched.len())].iter().enumerate().any(bare_lf) {
            return Err(Wrong::Malformed);
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        let length = match request.parse(&searched[..end.unwrap_or(searched.len())]) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if searched.len() == MAX_HEAD => return Err(Wrong::HeadTooLarge),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Wrong::HeadTooLarge),
            Err(httparse::Error::Version) => return Err(Wrong::UnknownVersion),
            Err(_) => return Err(Wrong::Malformed),
        };
        let head = Head::of(&request)?;
        Ok(Some((head, skipped + length)))
    }

    fn of(request: &httparse::Request<'_, '_>) -> Result<Head, Wrong> {
        let fields = Fields(request.headers);
        let is_1_1 = request.version == Some(1);
        let (authority, path, query) = target(request.path.unwrap_or_default())?;
        let host = fields.one("host")?;
        if is_1_1 && host.is_none() {
            return Err(Wrong::Malformed);
        }
        let connection = fields.list("connection")?;
        let says = |word: &str| connection.iter().any(|said| said.eq_ignore_ascii_case(word));
        let expects = fields.one("expect")?;
        Ok(Head {
            method: request.method.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            // RFC 9112, 3.2.2: a target that names its host counts, and not the field.
            host: authority.map(str::to_owned).or(host),
            origin: fields.one("origin")?,
            authorization: fields.one("authorization")?,
            idempotency_key: fields.one("idempotency-key")?,
            last_event_id: fields.one("last-event-id")?,
            range: fields.one("range")?,
            if_range: fields.one("if-range")?,
            framing: framing(&fields, is_1_1)?,
            has_length: fields.one("content-length")?.is_some(),
            expects_continue: is_1_1 && expects.is_some_and(|value| value.eq_ignore_ascii_case("100-continue")),
            keeps_alive: is_1_1 && !says("close"),
        })
    }
}

/// Splits a request's target into the host, if it names one, the path, and the query.
fn target(target: &str) -> Result<(Option<&str>, &str, &str), Wrong> {
    let scheme = "http://";
    let absolute = target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let (authority, rest) = if absolute {
        let rest = &target[scheme.len()..];
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        (Some(authority), if rest.starts_with('/') { rest } else { "/" })
    } else {
        (None, target)
    };
    // Other forms of a target belong to CONNECT, which this server does not know.
    if !rest.starts_with('/') && rest != "*" || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Wrong::Malformed);
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Ok((authority, path, query))
}

/// A request's header fields.
struct Fields<'a>(&'a [httparse::Header<'a>]);

impl Fields<'_> {
    fn all(&self, name: &str) -> impl Iterator<Item = Result<&str, Wrong>> {
        let named = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| match std::str::from_utf8(field.value) {
            // Not `trim`, which takes every space of Unicode.
            Ok(value) => Ok(value.trim_matches([' ', '\t'])),
            Err(_) => Err(Wrong::Malformed),
        })
    }

    /// The value of a field that a request may have once.
    fn one(&self, name: &str) -> Result<Option<String>, Wrong> {
        let mut all = self.all(name);
        let first = all.next().transpose()?;
        if all.next().is_some() { Err(Wrong::Malformed) } else { Ok(first.map(str::to_owned)) }
    }

    /// The values of a field that is a list, with commas between them, in one field or several.
    fn list(&self, name: &str) -> Result<Vec<String>, Wrong> {
        let mut list = Vec::new();
        for value in self.all(name) {
            list.extend(value?.split(',').map(|one| one.trim_matches([' ', '\t']).to_owned()));
        }
        Ok(list)
    }
}

fn framing(fields: &Fields<'_>, is_1_1: bool) -> Result<Framing, Wrong> {
    let length = fields.one("content-length")?;
    let encodings = fields.list("transfer-encoding")?;
    match (length, &encodings[..]) {
        (None, []) => Ok(Framing::Length(0)),
        // Digits alone: `parse` would take a sign, too.
        (Some(length), []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map(Framing::Length).map_err(|_| Wrong::Malformed)
        }
        (None, [encoding]) if is_1_1 && encoding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (None, [..]) if is_1_1 => Err(Wrong::UnknownEncoding),
        // RFC 9112, 6.3: a request with both may hide another one (request smuggling).
        _ => Err(Wrong::Malformed),
    }
}

/// Finds the end of a body, and what of its bytes is the body itself.
#[derive(Debug)]
pub struct Body {
    state: State,
    /// How many bytes of framing may still come.
    framing: usize,
}

#[derive(Debug)]
enum State {
    /// So many bytes of the body, or of a chunk, are to come.
    Data {
        left: u64,
        chunked: bool,
    },
    /// A chunk's size, as far as it has come.
    Size(Vec<u8>),
    /// The line end after a chunk.
    ChunkEnd(Vec<u8>),
    /// A line after the last chunk.
    Trailer(Vec<u8>),
    Done,
}

impl Body {
    /// The body that a head announces.
    pub fn new(framing: Framing) -> Body {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(left) => State::Data { left, chunked: false },
            Framing::Chunked => State::Size(Vec::new()),
        };
        Body { state, framing: MAX_FRAMING }
    }

    /// Returns whether all of it has come.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes what belongs to the body from the beginning of the input. Returns the next piece of the body itself; None
    /// if more has to come, or all has.
    ///
    /// # Errors
    /// When the framing is wrong.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Wrong> {
        loop {
            match &mut self.state {
                State::Done => return Ok(None),
                State::Data { left: 0, chunked } => {
                    self.state = if *chunked { State::ChunkEnd(Vec::new()) } else { State::Done };
                }
                State::Data { left, .. } => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    if length == 0 {
                        return Ok(None);
                    }
                    let (piece, rest) = input.split_at(length);
                    (*input, *left) = (rest, *left - length as u64);
                    return Ok(Some(piece));
                }
                State::Size(line) | State::ChunkEnd(line) | State::Trailer(line) => {
                    let Some((byte, rest)) = input.split_first() else { return Ok(None) };
                    *input = rest;
                    self.framing = self.framing.checked_sub(1).ok_or(Wrong::Malformed)?;
                    line.push(*byte);
                    if *byte == b'\n' {
                        let line = mem::take(line);
                        let line = line.strip_suffix(b"\r\n").filter(|line| !line.contains(&b'\r'));
                        self.line(line.ok_or(Wrong::Malformed)?)?;
                    }
                }
            }
        }
    }

    /// Counts bytes of a body with a length that the caller has read from the connection itself.
    pub fn came(&mut self, bytes: usize) {
        if let State::Data { left, chunked: false } = &mut self.state {
            *left = left.saturating_sub(bytes as u64);
            if *left == 0 {
                self.state = State::Done;
            }
        }
    }

    /// Takes in a whole line of the framing.
    fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        self.state = match &self.state {
            State::Size(_) => match chunk_size(line).ok_or(Wrong::Malformed)? {
                0 => State::Trailer(Vec::new()),
                left => State::Data { left, chunked: true },
            },
            State::ChunkEnd(_) if line.is_empty() => State::Size(Vec::new()),
            State::Trailer(_) if line.is_empty() => State::Done,
            State::Trailer(_) => State::Trailer(Vec::new()),
            _ => return Err(Wrong::Malformed),
        };
        Ok(())
    }
}

/// Reads the size of a chunk, in hexadecimal. Extensions, which follow a semicolon, are ignored.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    let digits = line.split(';').next()?.trim_end_matches([' ', '\t']);
    let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| plain)
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code, and what it is called.
    pub status: Status,
    /// What the body is.
    pub kind: &'static str,
    /// Further header fields, each with its end.
    pub fields: String,
    /// The body. None if there is none, or if it is written by somebody else.
    pub body: Option<Cow<'static, [u8]>>,
}

/// A status code, and what it is called.
pub type Status = (u16, &'static str);

/// Plain text, for people.
pub const TEXT: &str = "text/plain; charset=utf-8";

impl Answer {
    /// Answers with text.
    pub fn text(status: Status, text: impl Into<Vec<u8>>) -> Answer {
        Answer { status, kind: TEXT, fields: String::new(), body: Some(Cow::Owned(text.into())) }
    }

    /// Answers without a body.
    pub fn nothing() -> Answer {
        Answer { status: (204, "No Content"), kind: "", fields: String::new(), body: None }
    }

    /// Adds a header field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Answer {
        let _ = write!(self.fields, "{name}: {value}\r\n");
        self
    }

    /// Returns the bytes of the answer, without its body if only the head was asked for.
    pub fn bytes(&self, head_only: bool, keeps_alive: bool) -> Vec<u8> {
        let mut bytes = self.head(keeps_alive);
        bytes.extend(self.body.iter().flat_map(|body| body.iter()).filter(|_| !head_only));
        bytes
    }

    /// Returns the bytes of the head.
    pub fn head(&self, keeps_alive: bool) -> Vec<u8> {
        let (code, name) = self.status;
        let mut head = format!("HTTP/1.1 {code} {name}\r\n");
        if !self.kind.is_empty() {
            let _ = write!(head, "Content-Type: {}\r\n", self.kind);
        }
        if let Some(body) = &self.body {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        if !keeps_alive {
            head.push_str("Connection: close\r\n");
        }
        // No browser is to guess another kind of content, or to tell other sites this address.
        head.push_str("X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n");
        head.push_str(&self.fields);
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// Decodes what a form has percent-encoded. A plus is a space, and invalid UTF-8 becomes U+FFFD.
pub fn decoded(text: &str) -> String {
    file::decoded(&text.replace('+', " "))
}

/// Returns the value of a name in a query, decoded.
pub fn in_query(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
}

#[cfg(test)]
mod tests;
