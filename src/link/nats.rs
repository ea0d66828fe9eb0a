//! The client's side of the NATS protocol: each operation is a line of text, and some have a payload after it.
//!
//! Pure: bytes go in, and frames come out; what is to be sent is appended to a buffer. Knows nothing of sockets, of
//! JetStream, and of what is said.

use std::fmt::{self, Display};
use std::io::Write;
use std::mem;

use super::json::quoted;

/// The longest line, in bytes. A broker takes one of 4 KiB, and passes it on with more in it.
pub(super) const MAX_LINE: usize = 8 * 1024;

/// The longest `INFO`, which names every member of a cluster by its addresses.
pub(super) const MAX_INFO: usize = 32 * 1024;

/// The most bytes that a message may carry, headers included: four times the largest message of a server. Of a larger
/// message nothing is kept.
pub(super) const MAX_PAYLOAD: usize = 64 * 1024;

/// The largest message that is skipped, in bytes. A broker keeps no more than this for a client, so a larger one is
/// wrong.
const MAX_SKIPPED: u64 = 64 * 1024 * 1024;

/// The longest word, in bytes: the longest name that a stream may have.
const MAX_WORD: usize = 255;

/// The longest subject, in bytes: two of them fit into a line.
const MAX_SUBJECT: usize = 1024;

/// Part of a subject, the name of a stream, or the number of a message: visible ASCII, without what has a meaning in a
/// subject (`.`, `*`, `>`) or in a path (`/`, `\`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Word(String);

impl Word {
    /// Returns a word, if the text is one.
    pub(super) fn new(text: impl Into<String>) -> Option<Word> {
        let text = text.into();
        let legal = |byte: u8| byte.is_ascii_graphic() && !b".*>/\\".contains(&byte);
        ((1..=MAX_WORD).contains(&text.len()) && text.bytes().all(legal)).then_some(Word(text))
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a message is published, and what is subscribed to: visible ASCII, with dots between its parts. It is one
/// subject, without wildcards.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Subject(String);

impl Subject {
    /// Returns a subject, if the text is one.
    pub(super) fn new(text: impl Into<String>) -> Option<Subject> {
        let text = text.into();
        let legal = |byte: u8| byte.is_ascii_graphic() && !b"*>".contains(&byte);
        let whole =
            text.len() <= MAX_SUBJECT && text.bytes().all(legal) && text.split('.').all(|part| !part.is_empty());
        whole.then_some(Subject(text))
    }

    /// Returns the subject that begins with these parts of ours, and ends with these words.
    pub(super) fn join(ours: &'static str, words: &[&Word]) -> Subject {
        debug_assert!(Subject::new(ours).is_some(), "{ours}");
        words.iter().fold(Subject(ours.to_owned()), |subject, word| subject.then(word))
    }

    /// Returns the subject that has one more part.
    pub(super) fn then(mut self, word: &Word) -> Subject {
        self.0.push('.');
        self.0.push_str(word.as_str());
        self
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a broker has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// What it says of itself, in JSON. It is the first, and may come again.
    Info(String),
    /// A message for a subscription.
    Msg(Msg),
    /// A message that is larger than [`MAX_PAYLOAD`], without its headers and its payload; and how many bytes it had.
    TooLarge(Msg, u64),
    /// To be answered by a [`pong`].
    Ping,
    /// The answer to a [`ping`].
    Pong,
    /// An acknowledgement, which brokers send only to clients that are `verbose`.
    Ok,
    /// What is wrong, in the broker's words, without their quotes; see [`trouble`].
    Error(String),
}

/// A message. Invalid UTF-8 in its line has become U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Msg {
    /// Where it was published.
    pub(super) subject: String,
    /// The number of the subscription that it is for.
    pub(super) sid: u64,
    /// Where an answer is expected.
    pub(super) reply: Option<String>,
    /// Its headers, if it has any.
    pub(super) headers: Option<Headers>,
    /// Its payload.
    pub(super) payload: Vec<u8>,
}

/// The headers of a message. Their publisher may write anything there. What cannot be read is ignored.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Headers(Vec<u8>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl Headers {
    /// Returns the broker's status code: 503 if nobody answers a request, 100 for heartbeats.
    pub(super) fn status(&self) -> Option<u16> {
        let digits = self.inline()?.split([' ', '\t']).next()?;
        let plain = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| plain)
    }

    /// Returns the value of the first header with this name, in whatever case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.lines().skip(1).filter_map(|line| line?.split_once(':'));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Returns the rest of the first line, after the version.
    fn inline(&self) -> Option<&str> {
        let rest = self.lines().next()??.strip_prefix("NATS/1.0")?;
        (rest.is_empty() || rest.starts_with([' ', '\t'])).then_some(rest.trim())
    }

    /// Returns the lines, with None in place of a line that is no text.
    fn lines(&self) -> impl Iterator<Item = Option<&str>> {
        self.0
            .split(|byte| *byte == b'\n')
            .map(|line| std::str::from_utf8(line).ok().map(|line| line.trim_end_matches('\r')))
    }
}

/// What is wrong with what was received. Nothing more can be read from the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A line is longer than [`MAX_LINE`] or [`MAX_INFO`].
    LineTooLong,
    /// A line does not end in CR LF.
    LineEnd,
    /// No operation is called this.
    Operation,
    /// A message's line has too few parts, or too many.
    Arguments,
    /// What should be a number is no number, or too large.
    Number,
    /// The headers are longer than the whole message.
    HeaderLength,
    /// The message is larger than any broker sends.
    MessageTooLarge,
    /// There is no CR LF after a message.
    MessageEnd,
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wrong::LineTooLong => "it sent a line that is too long",
            Wrong::LineEnd => "it sent a line that does not end in CR LF",
            Wrong::Operation => "it does not speak NATS",
            Wrong::Arguments => "it sent a message whose line has too few words, or too many",
            Wrong::Number => "it sent a message with a word where a number belongs",
            Wrong::HeaderLength => "it sent a message whose headers are longer than the message",
            Wrong::MessageTooLarge => "it sent a message that is too large",
            Wrong::MessageEnd => "it sent a message that is not as long as it says",
        })
    }
}

/// Cuts what a broker sends into frames.
///
/// What a broker sends was published by others, and what it keeps comes again on each new connection. So anything that
/// a broker lets them publish is a frame here. Only what the broker itself does wrong is an error.
///
/// It holds one unfinished frame: at most twice [`MAX_INFO`] of a line, or [`MAX_PAYLOAD`] of a message and its line.
/// While it looks at one input, it may hold as much as that besides.
#[derive(Debug)]
pub(super) struct Decoder(State);

#[derive(Debug)]
enum State {
    /// A line, as far as it has come.
    Line(Vec<u8>),
    /// What a message carries, as far as it has come.
    Body(Body),
    /// Nothing more is read.
    Wrong(Wrong),
}

/// What follows a message's line, as far as it has come.
#[derive(Debug)]
struct Body {
    /// The message, still without its headers and payload.
    msg: Msg,
    /// How long the headers are; None where there are none.
    headers: Option<usize>,
    /// How many bytes it has, headers included.
    length: u64,
    /// How many more bytes are to be skipped, if it is too large to be kept.
    skipped: u64,
    /// The bytes that are kept, with the CR LF at the end.
    bytes: Vec<u8>,
    /// How many bytes are to be kept.
    whole: usize,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder(State::Line(Vec::new()))
    }
}

impl Decoder {
    /// Reads bytes off the front of `input` until there is a frame. Returns None when `input` is used up.
    ///
    /// # Errors
    /// When what came is wrong. Every later call returns the same error.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Wrong> {
        let found = self.find(input);
        if let Err(wrong) = found {
            self.0 = State::Wrong(wrong);
        }
        found
    }

    fn find(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Wrong> {
        loop {
            match &mut self.0 {
                State::Wrong(wrong) => return Err(*wrong),
                State::Line(line) => {
                    if !fill(line, input)? {
                        return Ok(None);
                    }
                    match read_line(&mem::take(line))? {
                        Read::Frame(frame) => return Ok(Some(frame)),
                        Read::Body(body) => self.0 = State::Body(body),
                    }
                }
                State::Body(body) => {
                    if !body.fill(input) {
                        return Ok(None);
                    }
                    if let State::Body(body) = mem::replace(&mut self.0, State::Line(Vec::new())) {
                        return body.into_frame().map(Some);
                    }
                }
            }
        }
    }

    /// The memory that it holds.
    #[cfg(test)]
    fn held(&self) -> usize {
        match &self.0 {
            State::Line(line) => line.capacity(),
            State::Body(body) => {
                let msg = &body.msg;
                body.bytes.capacity() + msg.subject.capacity() + msg.reply.as_ref().map_or(0, String::capacity)
            }
            State::Wrong(_) => 0,
        }
    }
}

/// Takes what belongs to a line. Returns whether all of it has come.
fn fill(line: &mut Vec<u8>, input: &mut &[u8]) -> Result<bool, Wrong> {
    let end = input.iter().position(|byte| *byte == b'\n').map_or(input.len(), |at| at + 1);
    let (piece, rest) = input.split_at(end);
    line.extend_from_slice(piece);
    *input = rest;
    let is_info = line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"INFO"));
    if line.len() > if is_info { MAX_INFO } else { MAX_LINE } {
        return Err(Wrong::LineTooLong);
    }
    Ok(line.ends_with(b"\n"))
}

/// What a line says.
enum Read {
    Frame(Frame),
    Body(Body),
}

fn read_line(line: &[u8]) -> Result<Read, Wrong> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let line = String::from_utf8_lossy(line);
    let line = line.strip_suffix("\r\n").ok_or(Wrong::LineEnd)?;
    let (operation, rest) = line.split_once(BLANKS).unwrap_or((line, ""));
    let rest = rest.trim_matches(BLANKS);
    let parts = || rest.split(BLANKS).filter(|part| !part.is_empty()).collect::<Vec<_>>();
    Ok(Read::Frame(match &*operation.to_ascii_uppercase() {
        "MSG" => return Body::announced(&parts(), false).map(Read::Body),
        "HMSG" => return Body::announced(&parts(), true).map(Read::Body),
        "PING" => Frame::Ping,
        "PONG" => Frame::Pong,
        "+OK" => Frame::Ok,
        "INFO" => Frame::Info(rest.to_owned()),
        "-ERR" => {
            let quoted = rest.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            Frame::Error(quoted.unwrap_or(rest).to_owned())
        }
        _ => return Err(Wrong::Operation),
    }))
}

/// Reads a number: digits alone.
pub(super) fn number(text: &str) -> Option<u64> {
    // `parse` would take a sign.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

impl Body {
    /// Reads a message's line, without the operation.
    fn announced(parts: &[&str], has_headers: bool) -> Result<Body, Wrong> {
        let lengths = if has_headers { 2 } else { 1 };
        let (names, lengths) = parts.len().checked_sub(lengths).map(|at| parts.split_at(at)).ok_or(Wrong::Arguments)?;
        let (subject, sid, reply) = match names {
            [subject, sid] => (subject, sid, None),
            [subject, sid, reply] => (subject, sid, Some(reply)),
            _ => return Err(Wrong::Arguments),
        };
        let msg = Msg {
            subject: (*subject).to_owned(),
            sid: number(sid).ok_or(Wrong::Number)?,
            reply: reply.map(|reply| (*reply).to_owned()),
            headers: None,
            payload: Vec::new(),
        };
        let (headers, length) = match lengths {
            [headers, length] => (Some(number(headers).ok_or(Wrong::Number)?), number(length)),
            [length] => (None, number(length)),
            _ => return Err(Wrong::Arguments),
        };
        let length = length.ok_or(Wrong::Number)?;
        if headers.is_some_and(|headers| headers > length) {
            return Err(Wrong::HeaderLength);
        }
        if length > MAX_SKIPPED {
            return Err(Wrong::MessageTooLarge);
        }
        let kept = usize::try_from(length).ok().filter(|length| *length <= MAX_PAYLOAD);
        let whole = kept.unwrap_or(0) + 2;
        Ok(Body {
            msg,
            // If it does not fit, the message is not kept, and this is not used.
            headers: headers.map(|headers| usize::try_from(headers).unwrap_or(usize::MAX)),
            length,
            skipped: if kept.is_some() { 0 } else { length },
            bytes: Vec::with_capacity(whole),
            whole,
        })
    }

    /// Takes what belongs to it. Returns whether all of it has come.
    fn fill(&mut self, input: &mut &[u8]) -> bool {
        let skipped = usize::try_from(self.skipped).unwrap_or(usize::MAX).min(input.len());
        self.skipped -= skipped as u64;
        let (piece, rest) = input[skipped..].split_at((self.whole - self.bytes.len()).min(input.len() - skipped));
        self.bytes.extend_from_slice(piece);
        *input = rest;
        self.bytes.len() == self.whole
    }

    /// Makes the frame of it when all of it has come.
    fn into_frame(self) -> Result<Frame, Wrong> {
        let Body { mut msg, headers, length, mut bytes, .. } = self;
        if !bytes.ends_with(b"\r\n") {
            return Err(Wrong::MessageEnd);
        }
        bytes.truncate(bytes.len() - 2);
        if length > MAX_PAYLOAD as u64 {
            return Ok(Frame::TooLarge(msg, length));
        }
        msg.payload = match headers {
            Some(headers) => {
                let payload = bytes.split_off(headers);
                msg.headers = Some(Headers(bytes));
                payload
            }
            None => bytes,
        };
        Ok(Frame::Msg(msg))
    }
}

/// How to log in at a broker.
#[derive(Clone, Copy)]
pub(super) enum Login<'a> {
    /// The broker does not ask.
    Nobody,
    /// By a user and a password.
    User(&'a str, &'a str),
    /// By one secret for all.
    Token(&'a str),
}

/// Logs in, and says what this client understands. It is the first that is sent. Brokers take a line of 4 KiB, and
/// refuse a longer user or password.
pub(super) fn connect(to: &mut Vec<u8>, name: &str, login: Login<'_>) {
    let login = match login {
        Login::Nobody => String::new(),
        Login::User(user, password) => format!(",\"user\":{},\"pass\":{}", quoted(user), quoted(password)),
        Login::Token(token) => format!(",\"auth_token\":{}", quoted(token)),
    };
    let name = quoted(name);
    let version = quoted(env!("CARGO_PKG_VERSION"));
    append(
        to,
        format_args!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"echo\":false,\
             \"lang\":\"rust\",\"version\":{version},\"name\":{name}{login}}}\r\n"
        ),
    );
}

/// Asks for a [`Frame::Pong`].
pub(super) fn ping(to: &mut Vec<u8>) {
    to.extend_from_slice(b"PING\r\n");
}

/// Answers a [`Frame::Ping`].
pub(super) fn pong(to: &mut Vec<u8>) {
    to.extend_from_slice(b"PONG\r\n");
}

/// Subscribes to a subject. We choose the number of the subscription.
pub(super) fn subscribe(to: &mut Vec<u8>, subject: &Subject, sid: u64) {
    append(to, format_args!("SUB {subject} {sid}\r\n"));
}

/// Subscribes to every subject that has one part more than this one.
pub(super) fn subscribe_each(to: &mut Vec<u8>, parent: &Subject, sid: u64) {
    append(to, format_args!("SUB {parent}.* {sid}\r\n"));
}

/// Ends a subscription.
pub(super) fn unsubscribe(to: &mut Vec<u8>, sid: u64) {
    append(to, format_args!("UNSUB {sid}\r\n"));
}

/// Publishes a message.
pub(super) fn publish(to: &mut Vec<u8>, subject: &Subject, reply: Option<&Subject>, payload: &[u8]) {
    let length = payload.len();
    match reply {
        Some(reply) => append(to, format_args!("PUB {subject} {reply} {length}\r\n")),
        None => append(to, format_args!("PUB {subject} {length}\r\n")),
    }
    to.extend_from_slice(payload);
    to.extend_from_slice(b"\r\n");
}

/// Publishes a message to a stream, which keeps it once, however often it comes with this `id`.
pub(super) fn publish_with_id(to: &mut Vec<u8>, subject: &Subject, reply: &Subject, id: &Word, payload: &[u8]) {
    let headers = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n");
    let (length, whole) = (headers.len(), headers.len() + payload.len());
    append(to, format_args!("HPUB {subject} {reply} {length} {whole}\r\n{headers}"));
    to.extend_from_slice(payload);
    to.extend_from_slice(b"\r\n");
}

fn append(to: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = to.write_fmt(text);
}

/// What the operator can do about a [`Frame::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// User, password or token are wrong, or missing. The broker ends the connection.
    Credentials,
    /// The user may not publish or subscribe there. The connection stays, and no answer comes.
    Permission,
    /// Anything else. Mostly the broker ends the connection.
    Other,
}

/// Returns which kind of trouble a [`Frame::Error`] tells of.
pub(super) fn trouble(error: &str) -> Trouble {
    let error = error.to_ascii_lowercase();
    // In nats-server's words. A login that times out is none of these: the operator cannot mend it by another password.
    let refused = ["authorization violation", "authentication expired", "authentication revoked"];
    if error.starts_with("permissions violation") {
        Trouble::Permission
    } else if refused.iter().any(|refused| error.contains(refused)) {
        Trouble::Credentials
    } else {
        Trouble::Other
    }
}

#[cfg(test)]
mod tests;
