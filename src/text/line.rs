//! Makes lines of bytes: framing, telnet, UTF-8, and the removal of everything that must not reach a terminal.
//!
//! A [`Decoder`] gets what was read from one client, in pieces of any size. Its result does not depend on how the input
//! is cut into pieces. It knows nothing of names, commands or sockets.
//!
//! The order matters: telnet commands are removed from the raw bytes, the rest is cut at LF and measured, then decoded
//! as UTF-8 a whole line at a time, and only then cleaned. When an early step removes something, the bytes around it
//! may join and become something that a later step has to remove. The later step sees the joined line, so it removes
//! it.

use std::borrow::Cow;
use std::iter::Peekable;
use std::ops::{Deref, RangeInclusive};
use std::str::Chars;

use super::bytes;

/// The longest line in bytes, without its line end and telnet commands. A person's longest paragraph fits, and it
/// bounds the memory that an unfinished line can occupy.
pub const MAX_LINE: usize = 4096;

/// How many bytes may arrive without a newline before the connection is closed: a client that sends that many does not
/// send lines. Telnet commands count, so that they cannot be sent without end.
pub const MAX_UNENDED: usize = 64 * 1024;

/// The longest line and a CR NUL, which may be a part of its end. A line of more bytes is too long in any case.
const MAX_KEPT: usize = MAX_LINE + 2;

const LF: u8 = b'\n';

// Telnet, RFC 854 ("TELNET COMMAND STRUCTURE"). 236 to 239 (EOF, SUSP, ABORT, EOR) are from RFC 1184 and RFC 885.
const FIRST_COMMAND: u8 = 236;
const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;
const IAC: u8 = 255;

// The C1 controls that begin a sequence (ECMA-48, 8.3).
const SS2: char = '\u{8e}';
const SS3: char = '\u{8f}';
const DCS: char = '\u{90}';
const SOS: char = '\u{98}';
const CSI: char = '\u{9b}';
const OSC: char = '\u{9d}';
const PM: char = '\u{9e}';
const APC: char = '\u{9f}';

/// One line: clean, no longer than a line may be, without its line end. It may be empty or blank.
///
/// Only this module makes one. Its text is at most three times [`MAX_LINE`] bytes long, because each byte that is no
/// UTF-8 becomes U+FFFD, which has three bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a>(Cow<'a, str>);

/// What a [`Decoder`] has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// A line.
    Line(Line<'a>),
    /// A line of more than [`MAX_LINE`] bytes has ended. It is not sent.
    TooLong,
    /// A telnet refusal (IAC WONT or IAC DONT, and an option), to be sent back as it is.
    Telnet([u8; 3]),
    /// [`MAX_UNENDED`] bytes have come without a newline, and the caller closes the connection. Nothing comes after
    /// this.
    Endless,
}

/// Cuts what one client sends into lines. It holds no heap memory between lines, and never more than [`MAX_LINE`] + 2
/// bytes.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The unfinished line as far as it has come, without telnet commands. It is empty once the line is longer than
    /// `MAX_KEPT`.
    kept: Vec<u8>,
    /// The length of the unfinished line, kept or not.
    length: usize,
    /// The number of bytes since the last newline. `MAX_UNENDED` means that no more input is read.
    unended: usize,
    telnet: Telnet,
}

/// Where in a telnet command the last byte was.
///
/// In every state a newline ends the line and the unfinished command. So a client that does not speak telnet and sends
/// a stray 255 loses no more than the rest of that line. A subnegotiation could contain a 10 (a window with ten rows),
/// but all options that have subnegotiations are refused, so no client sends one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Telnet {
    #[default]
    Text,
    /// After IAC.
    Iac,
    /// After WILL, WONT, DO or DONT; the option is next.
    Option(u8),
    /// After SB, until IAC SE.
    Sub,
    /// After an IAC within a subnegotiation.
    SubIac,
}

impl Decoder {
    /// Reads `input` from its front until something is found. Returns `None` when `input` is used up.
    ///
    /// A line that lies whole in `input`, and is clean as it is, is borrowed from it.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Input<'a>> {
        while !input.is_empty() && self.unended < MAX_UNENDED {
            if self.telnet == Telnet::Text {
                let window = input.len().min(MAX_UNENDED - self.unended);
                let (text, rest) = input.split_at(bytes::find(&input[..window], LF, IAC).unwrap_or(window));
                *input = rest;
                if self.unended == 0 && text.len() < MAX_UNENDED && rest.first() == Some(&LF) {
                    *input = &rest[1..];
                    return Some(measured(Cow::Borrowed(text)));
                }
                self.keep(text);
                self.unended += text.len();
                if self.unended == MAX_UNENDED {
                    return Some(self.endless());
                }
            }
            let Some((&byte, rest)) = input.split_first() else { break };
            *input = rest;
            if byte == LF {
                return Some(self.line());
            }
            self.unended += 1;
            if self.unended == MAX_UNENDED {
                return Some(self.endless());
            }
            if let Some(refusal) = self.command(byte) {
                return Some(Input::Telnet(refusal));
            }
        }
        *input = &[];
        None
    }

    /// Ends the input: the last line counts even without a newline. Returns `None` if no line was unfinished.
    pub fn end(&mut self) -> Option<Input<'static>> {
        (self.length > 0).then(|| self.line())
    }

    /// Returns the line that has just ended, and forgets it.
    fn line(&mut self) -> Input<'static> {
        if self.telnet == Telnet::Iac {
            self.keep(&[IAC]);
        }
        let Self { kept, length, .. } = std::mem::take(self);
        if length > MAX_KEPT { Input::TooLong } else { measured(Cow::Owned(kept)) }
    }

    /// Ends the input, and forgets the unfinished line.
    fn endless(&mut self) -> Input<'static> {
        *self = Self { unended: MAX_UNENDED, ..Self::default() };
        Input::Endless
    }

    /// Adds text to the unfinished line.
    fn keep(&mut self, text: &[u8]) {
        self.length += text.len();
        if self.length > MAX_KEPT {
            self.kept = Vec::new();
            return;
        }
        if self.length > self.kept.capacity() {
            // The capacity doubles as that of `Vec` would, but not past what may be kept.
            let capacity = self.length.max(2 * self.kept.capacity()).min(MAX_KEPT);
            self.kept.reserve_exact(capacity - self.kept.len());
        }
        self.kept.extend_from_slice(text);
    }

    /// Reads one byte of a command, from IAC on; the byte is never an LF. Returns the refusal of an option that the
    /// client offers or requests. The client's own refusals are not answered: RFC 854 demands that, so that two sides
    /// that refuse everything do not go on for ever.
    fn command(&mut self, byte: u8) -> Option<[u8; 3]> {
        let (next, refusal) = match (self.telnet, byte) {
            (Telnet::Text, _) => (Telnet::Iac, None),
            (Telnet::Iac, SB) => (Telnet::Sub, None),
            (Telnet::Iac, WILL | WONT | DO | DONT) => (Telnet::Option(byte), None),
            (Telnet::Iac, IAC) => {
                self.keep(&[IAC]);
                (Telnet::Text, None)
            }
            (Telnet::Iac, FIRST_COMMAND..) => (Telnet::Text, None),
            // No command begins like this, so the client does not speak telnet, and both bytes are text.
            (Telnet::Iac, _) => {
                self.keep(&[IAC, byte]);
                (Telnet::Text, None)
            }
            (Telnet::Option(DO), option) => (Telnet::Text, Some([IAC, WONT, option])),
            (Telnet::Option(WILL), option) => (Telnet::Text, Some([IAC, DONT, option])),
            (Telnet::Option(_), _) | (Telnet::SubIac, SE) => (Telnet::Text, None),
            (Telnet::Sub, IAC) => (Telnet::SubIac, None),
            (Telnet::Sub | Telnet::SubIac, _) => (Telnet::Sub, None),
        };
        self.telnet = next;
        refusal
    }
}

impl Line<'_> {
    /// An empty line.
    #[cfg(feature = "web")]
    pub(crate) const fn empty() -> Line<'static> {
        Line(Cow::Borrowed(""))
    }

    /// Cleans a line that another server sends. Returns None if it is no line, or longer than a line can be.
    #[cfg(feature = "link")]
    pub(crate) fn relayed(text: &str) -> Option<Line<'_>> {
        (text.len() <= 3 * MAX_LINE && !text.contains('\n')).then(|| Line(clean(text)))
    }

    /// Returns the text, which is clean.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last so many bytes of the line, which must be whole characters. A part of a clean line is clean.
    pub fn last(&self, bytes: usize) -> Line<'_> {
        Line(Cow::Borrowed(&self.0[self.0.len() - bytes..]))
    }

    /// Returns the same line with a text of its own.
    pub fn into_owned(self) -> Line<'static> {
        Line(Cow::Owned(self.0.into_owned()))
    }
}

impl<'a> Line<'a> {
    /// Returns the line without its first character, if it has one.
    pub fn without_first(self) -> Line<'a> {
        let first = self.0.chars().next().map_or(0, char::len_utf8);
        Line(match self.0 {
            Cow::Borrowed(text) => Cow::Borrowed(&text[first..]),
            Cow::Owned(text) => Cow::Owned(text[first..].to_string()),
        })
    }
}

impl Deref for Line<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Makes a line of these bytes, which have no LF, if they are not too many.
fn measured(raw: Cow<'_, [u8]>) -> Input<'_> {
    let text = raw.strip_suffix(b"\r\0").or(raw.strip_suffix(b"\r")).unwrap_or(&raw);
    let length = text.len();
    if length > MAX_LINE {
        return Input::TooLong;
    }
    Input::Line(Line(match raw {
        Cow::Borrowed(raw) => decoded(&raw[..length]),
        Cow::Owned(raw) => Cow::Owned(decoded(&raw[..length]).into_owned()),
    }))
}

/// Decodes a line and cleans it.
fn decoded(text: &[u8]) -> Cow<'_, str> {
    // Most text is valid, and this check is several times faster than the lossy conversion.
    match std::str::from_utf8(text) {
        Ok(text) => clean(text),
        Err(_) => Cow::Owned(clean(&String::from_utf8_lossy(text)).into_owned()),
    }
}

/// Removes from `text` everything that must not reach a terminal: escape sequences (ECMA-48, 7-bit and C1 form),
/// controls except TAB, line and paragraph separators, bidi controls, U+FEFF and tags. Returns `text` itself when there
/// are none.
///
/// No character remains that is removed or begins a sequence, so cleaning twice is the same as cleaning once.
pub fn clean(text: &str) -> Cow<'_, str> {
    // Most lines are plain ASCII.
    if bytes::are_printable(text.as_bytes()) || !text.contains(is_unclean) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '\x1b' => skip_escape(&mut rest),
            '\u{80}'..='\u{9f}' => skip_control(char, &mut rest),
            _ if is_unclean(char) => {}
            _ => cleaned.push(char),
        }
    }
    Cow::Owned(cleaned)
}

/// Returns whether a character is removed wherever it stands.
fn is_unclean(char: char) -> bool {
    match char {
        '\t' => false,
        // Bidi controls: marks, embeddings, overrides (with the two separators just before them), isolates.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        '\u{feff}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => char.is_control(),
    }
}

type Rest<'a> = Peekable<Chars<'a>>;

/// Skips the rest of a sequence after its ESC: intermediate bytes (space to `/`) and a final byte; or `@` to `_`, which
/// is the 7-bit form of a C1 control, and its sequence; or one other final byte. Before anything else the ESC stands
/// alone.
fn skip_escape(rest: &mut Rest<'_>) {
    if skip_while(rest, ' '..='/') {
        skip_one(rest, '0'..='~');
    } else if let Some(char) = rest.next_if(|char| ('@'..='_').contains(char)) {
        skip_control(char::from(char as u8 + 0x40), rest);
    } else {
        skip_one(rest, '0'..='~');
    }
}

/// Skips the rest of a sequence after a C1 control. A character that does not belong to the sequence is not skipped;
/// the caller examines it. So it does with the end of a string, which is a control itself and is removed.
fn skip_control(control: char, rest: &mut Rest<'_>) {
    match control {
        SS2 | SS3 => {
            skip_one(rest, ' '..='~');
        }
        // The Linux console sends its F1 to F5 as CSI [ and a letter.
        CSI if skip_one(rest, '['..='[') => {
            skip_one(rest, ' '..='~');
        }
        CSI => {
            skip_while(rest, '0'..='?');
            skip_while(rest, ' '..='/');
            skip_one(rest, '@'..='~');
        }
        DCS | SOS | OSC | PM | APC => {
            // ST is ESC \ or U+009C. CAN and SUB cancel a string, any other sequence interrupts it, and the end of the
            // line ends it. BEL ends an OSC, as in xterm.
            let ends = |char: char| match char {
                '\n' | '\x18' | '\x1a' | '\x1b' | '\u{80}'..='\u{9f}' => true,
                '\x07' => control == OSC,
                _ => false,
            };
            while rest.next_if(|&char| !ends(char)).is_some() {}
        }
        _ => {}
    }
}

/// Skips one character in the range. Returns whether there was one.
fn skip_one(rest: &mut Rest<'_>, range: RangeInclusive<char>) -> bool {
    rest.next_if(|char| range.contains(char)).is_some()
}

/// Skips all characters in the range. Returns whether there were any.
fn skip_while(rest: &mut Rest<'_>, range: RangeInclusive<char>) -> bool {
    let any = skip_one(rest, range.clone());
    while skip_one(rest, range.clone()) {}
    any
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    /// Everything that is said when `pieces` are read one after another and then the input ends.
    fn said(pieces: &[&[u8]]) -> Vec<Input<'static>> {
        let mut decoder = Decoder::default();
        let mut said = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(one) = decoder.next(&mut input) {
                said.push(owned(one));
                assert!(decoder.kept.capacity() <= MAX_KEPT);
            }
            assert!(input.is_empty());
            assert!(decoder.kept.capacity() <= MAX_KEPT);
        }
        said.extend(decoder.end());
        assert_eq!(decoder.kept.capacity(), 0);
        said
    }

    fn owned(input: Input<'_>) -> Input<'static> {
        match input {
            Input::Line(line) => Input::Line(Line(Cow::Owned(line.to_string()))),
            Input::TooLong => Input::TooLong,
            Input::Telnet(refusal) => Input::Telnet(refusal),
            Input::Endless => Input::Endless,
        }
    }

    fn line(text: &str) -> Input<'_> {
        Input::Line(Line(Cow::Borrowed(text)))
    }

    /// One piece, every two, and byte by byte.
    fn said_however_split(input: &[u8]) -> Vec<Input<'static>> {
        let whole = said(&[input]);
        for at in 0..=input.len() {
            assert_eq!(said(&[&input[..at], &input[at..]]), whole, "{input:?} split at {at}");
        }
        assert_eq!(said(&input.chunks(1).collect::<Vec<_>>()), whole, "{input:?} byte by byte");
        whole
    }

    fn pick<T: Copy>(random: &mut Rng, from: &[T]) -> T {
        from[random.usize(..from.len())]
    }

    /// Any character; most are from the blocks that hold what is removed.
    fn any_char(random: &mut Rng) -> char {
        let end = pick(random, &[0x20, 0xa0, 0x800, 0x2100, 0x1_0000, 0x11_0000]);
        char::from_u32(random.u32(..end)).unwrap_or('\u{e0041}')
    }

    /// What the contract removes, said apart from `is_unclean`, so that one checks the other.
    fn is_forbidden(char: char) -> bool {
        let code = char as u32;
        let control = (code < 0x20 && code != 9) || (0x7f..0xa0).contains(&code);
        let bidi = [0x61c, 0x200e, 0x200f].contains(&code)
            || (0x202a..=0x202e).contains(&code)
            || (0x2066..=0x2069).contains(&code);
        control || bidi || [0x2028, 0x2029, 0xfeff].contains(&code) || (0xe0000..=0xe007f).contains(&code)
    }

    fn assert_clean(text: &str) {
        assert!(!text.contains(is_forbidden), "{text:?}");
        assert!(matches!(clean(text), Cow::Borrowed(same) if same == text), "{text:?} is cleaned again");
    }

    #[test]
    fn lines_end_at_lf() {
        assert_eq!(said_however_split(b"one\ntwo\n\nthree"), [line("one"), line("two"), line(""), line("three")]);
        assert_eq!(said_however_split(b""), []);
        assert_eq!(said_however_split(b"\n"), [line("")]);
    }

    #[test]
    fn one_carriage_return_before_lf_belongs_to_the_line_end() {
        assert_eq!(said_however_split(b"one\r\ntwo\r\0\nthree\r"), [line("one"), line("two"), line("three")]);
        assert_eq!(said_however_split(b"a\rb\r\r\n\rc\0\n"), [line("ab"), line("c")]);
    }

    #[test]
    fn whole_clean_lines_are_borrowed() {
        let mut input = "plain\nmit Ümlaut 🙂\r\nrest".as_bytes();
        let mut decoder = Decoder::default();
        for text in ["plain", "mit Ümlaut 🙂"] {
            match decoder.next(&mut input) {
                Some(Input::Line(Line(Cow::Borrowed(line)))) => assert_eq!(line, text),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(decoder.next(&mut input), None);
        assert_eq!(decoder.kept, b"rest");
    }

    #[test]
    fn the_longest_line_is_4096_bytes_without_its_end() {
        let longest = "x".repeat(MAX_LINE);
        for end in ["\n", "\r\n", "\r\0\n", "\u{ff}"] {
            let mut input = longest.clone().into_bytes();
            if end == "\u{ff}" {
                input.splice(9..9, [IAC, SB, 24, 0, IAC, SE]);
            } else {
                input.extend(end.bytes());
            }
            assert_eq!(said(&[&input]), [line(&longest)], "{end:?}");
            assert_eq!(said(&input.chunks(1).collect::<Vec<_>>()), [line(&longest)], "{end:?}");
            input.insert(4000, b'y');
            assert_eq!(said(&[&input]), [Input::TooLong], "{end:?}");
            assert_eq!(said(&input.chunks(1).collect::<Vec<_>>()), [Input::TooLong], "{end:?}");
        }
        let doubled = [longest.as_bytes(), b"\r\r\nok\n"].concat();
        assert_eq!(said(&[&doubled]), [Input::TooLong, line("ok")]);
        for length in MAX_LINE + 1..MAX_LINE + 5 {
            let input = ["x".repeat(length).as_bytes(), b"\nok\n"].concat();
            for at in [1, MAX_LINE, length - 1, length, length + 1] {
                assert_eq!(said(&[&input[..at], &input[at..]]), [Input::TooLong, line("ok")], "{length} at {at}");
            }
        }
    }

    #[test]
    fn invalid_bytes_count_once() {
        let input = [&[0xfe; MAX_LINE][..], b"\n"].concat();
        assert_eq!(said(&[&input]), [line(&"\u{fffd}".repeat(MAX_LINE))]);
    }

    #[test]
    fn input_without_newline_is_given_up_at_64_kib() {
        let mut input = vec![b'x'; MAX_UNENDED - 1];
        input.extend(b"\nhello\n");
        let said_in = |input: &[u8], size| said(&input.chunks(size).collect::<Vec<_>>());
        for size in [1, 1000, 4096, input.len()] {
            assert_eq!(said_in(&input, size), [Input::TooLong, line("hello")], "in {size}s");
        }
        input.insert(0, b'x');
        for size in [1, 1000, 4096, MAX_UNENDED, input.len()] {
            assert_eq!(said_in(&input, size), [Input::Endless], "in {size}s");
        }
        input.splice(..0, *b"before\n");
        for size in [1, 1000, 4096, input.len()] {
            assert_eq!(said_in(&input, size), [line("before"), Input::Endless], "in {size}s");
        }
    }

    #[test]
    fn telnet_commands_count_towards_the_64_kib() {
        let sub = [&[IAC, SB][..], &[0; MAX_UNENDED - 2], b"\nlost\n"].concat();
        let nops = [IAC, 241].repeat(MAX_UNENDED / 2);
        for input in [sub, nops] {
            for size in [1, 1000, input.len()] {
                assert_eq!(said(&input.chunks(size).collect::<Vec<_>>()), [Input::Endless]);
            }
            assert_eq!(said(&[&input[..MAX_UNENDED - 2]]), []);
        }
        let mut asks = [IAC, DO, 1].repeat(MAX_UNENDED / 3 + 1);
        asks.truncate(MAX_UNENDED);
        let answers = said(&[&asks]);
        assert_eq!(answers.len(), MAX_UNENDED / 3 + 1);
        assert_eq!(answers.last(), Some(&Input::Endless));
    }

    #[test]
    fn telnet_options_are_refused_and_never_shown() {
        let input = b"a\xff\xfd\x03b\xff\xfb\x18c\xff\xfe\x03d\xff\xfc\x18e\n\xff\xfd\x06";
        assert_eq!(
            said_however_split(input),
            [
                Input::Telnet([IAC, WONT, 3]),
                Input::Telnet([IAC, DONT, 24]),
                line("abcde"),
                Input::Telnet([IAC, WONT, 6])
            ]
        );
    }

    #[test]
    fn telnet_commands_are_never_shown() {
        for command in 236..SB {
            assert_eq!(said_however_split(&[b'a', IAC, command, b'b', b'\n']), [line("ab")], "{command}");
        }
        // Ctrl-C in telnet(1): interrupt, and an option to be refused before it shows anything again.
        assert_eq!(said_however_split(b"\xff\xf4\xff\xfd\x06"), [Input::Telnet([IAC, WONT, 6])]);
        assert_eq!(said_however_split(b"a\xff\xfa\x18\0xterm\xff\xff\xff\xfd\xff\xf0b\n"), [line("ab")]);
        assert_eq!(said_however_split(b"hi\r\xff\xf1\n"), [line("hi")]);
        for unfinished in [&b"\xff\xf1"[..], b"\xff", b"\xff\xfd", b"\xff\xfa\x18", b"\xff\xfa\x18\xff"] {
            assert_eq!(said_however_split(unfinished), []);
        }
    }

    #[test]
    fn no_telnet_state_swallows_a_newline() {
        for head in [&[IAC][..], &[IAC, DO], &[IAC, WILL], &[IAC, SB], &[IAC, SB, IAC], &[IAC, SB, 1, 2]] {
            let input = [b"a", head, b"\nb\n"].concat();
            let said = said_however_split(&input);
            assert_eq!(said[1..], [line("b")], "{head:?}");
            assert!(matches!(&said[0], Input::Line(line) if line.starts_with('a')), "{head:?}");
        }
    }

    #[test]
    fn a_stray_255_is_an_invalid_character() {
        let input = b"caf\xff\nna\xff\xffve\n\xff\xc3\xa9\nend\xff";
        assert_eq!(
            said_however_split(input),
            [line("caf\u{fffd}"), line("na\u{fffd}ve"), line("\u{fffd}é"), line("end\u{fffd}")]
        );
    }

    #[test]
    fn utf8_is_decoded_by_the_whole_line() {
        assert_eq!(said_however_split("é 日本 🙂\n".as_bytes()), [line("é 日本 🙂")]);
        assert_eq!(said_however_split(b"caf\xe9\n\xa9 \xf0\x9f\n"), [line("caf\u{fffd}"), line("\u{fffd} \u{fffd}")]);
        // A character that a telnet command stands in the middle of.
        assert_eq!(said_however_split(b"\xc3\xff\xf1\xa9\n"), [line("é")]);
    }

    #[test]
    fn what_telnet_hid_is_cleaned_all_the_same() {
        assert_eq!(said_however_split(b"a\x1b\xff\xf1[31mb\n"), [line("ab")]);
        assert_eq!(said_however_split(b"a\xc2\xff\xf1\x9b31mb\n"), [line("ab")]);
        assert_eq!(said_however_split(b"a\xe2\x80\xff\xf1\xaeb\n"), [line("ab")]);
    }

    #[test]
    fn an_escape_sequence_ends_with_its_line() {
        assert_eq!(
            said_however_split(b"a\x1b]0;title\nb\x1b\nc\x1b[\nd"),
            [line("a"), line("b"), line("c"), line("d")]
        );
    }

    #[test]
    fn short_inputs_split_in_three() {
        for input in
            [&b"\r\0\n\r\n"[..], b"\xff\xfd\n\xc3\xa9\r\n", b"\x1b]\xff\xfa\xff\xff\xf0\x07a\n", b"\xff\xff\xfd\x01"]
        {
            let whole = said(&[input]);
            for first in 0..=input.len() {
                for second in first..=input.len() {
                    assert_eq!(said(&[&input[..first], &input[first..second], &input[second..]]), whole);
                }
            }
        }
    }

    #[test]
    fn escape_sequences_are_removed() {
        for (unclean, cleaned) in [
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b[?1049h\x1b[2J\x1b[1;1Hx", "x"),
            ("\x1b[0 qx\x1b[!p", "x"),
            ("\u{9b}31mred\u{9b}m", "red"),
            ("\x1b[200~pasted\x1b[201~", "pasted"),
            ("\x1b[[Ax", "x"),
            ("\x1b]0;title\x07x", "x"),
            ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\u{9d}0;title\u{9c}x", "x"),
            ("\x1bP1$r\x07q\x1b\\x", "x"),
            ("\u{90}data\u{9c}x\u{98}y\u{9c}\u{9e}y\u{9c}\u{9f}y\u{9c}", "x"),
            ("\x1bXsos\x1b\\\x1b^pm\x1b\\\x1b_apc\x1b\\x", "x"),
            ("\x1b]0;never ends", ""),
            ("\x1b]0;title\nx", "x"),
            ("\x1b]0;given up\x18x\x1b]0;given up\x1ay", "xy"),
            ("\x1b]0;broken off\x1b[31mx", "x"),
            ("\x1bOPx\x1bNyz\u{8f}Ax\u{8e}By", "xzxy"),
            ("\x1b(Bx\x1b#8y\x1b%Gz\x1b $(0", "xyz"),
            ("\x1b7x\x1b8\x1bcy\x1b=\x1b>\x1bMz\x1b~", "xyz"),
            ("\x1b\x1b[Ax", "x"),
            ("\x1bé\x1b\t\x1b", "é\t"),
            ("\x1b[31éx", "éx"),
            ("\x1b[3\x181mx", "1mx"),
            ("\x1b[\x1b[31mx", "x"),
            ("x\x1b[31", "x"),
        ] {
            assert_eq!(clean(unclean), cleaned, "{unclean:?}");
        }
    }

    #[test]
    fn emoji_and_every_script_survive() {
        for text in [
            "👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} 👍🏽 🇩🇪 1\u{fe0f}\u{20e3}",
            "می\u{200c}خواهم",
            "e\u{301}",
            "a\tb ~",
            "नमस्ते",
        ] {
            assert!(matches!(clean(text), Cow::Borrowed(same) if same == text), "{text:?}");
        }
    }

    #[test]
    fn exactly_the_forbidden_characters_are_removed() {
        // The planes of private use, 15 and 16, are one like the other.
        for char in ('\0'..'\u{f0000}').chain(('\u{f0000}'..=char::MAX).step_by(97)) {
            let mut buffer = [0; 4];
            let alone: &str = char.encode_utf8(&mut buffer);
            assert_eq!(clean(alone), if is_forbidden(char) { "" } else { alone });
        }
    }

    #[test]
    fn whatever_is_cleaned_is_clean() {
        #[rustfmt::skip]
        const PARTS: [&str; 30] = [
            "\x1b", "[", "]", "P", "\\", "\x07", "\x18", "\n", "\r", "\0", "\t", "m", "31", ";", " ", "?", "N", "O",
            "^", "\u{9b}", "\u{9d}", "\u{9c}", "\u{90}", "\u{202e}", "\u{2028}", "\u{feff}", "\u{e0041}", "é", "🙂",
            "\u{200d}",
        ];
        let mut random = Rng::with_seed(1);
        for _ in 0..6_000 {
            let mut text = String::new();
            for _ in 0..random.usize(..30) {
                if random.usize(..3) == 0 {
                    text.push(any_char(&mut random));
                } else {
                    text.push_str(pick(&mut random, &PARTS));
                }
            }
            assert_clean(&clean(&text));
        }
    }

    #[test]
    fn any_bytes_in_any_pieces_give_the_same_clean_lines() {
        #[rustfmt::skip]
        const PARTS: [&[u8]; 28] = [
            b"\n", b"\r\n", b"\r\0\n", b"\r", b"\0", b"\xff", b"\xff\xff", b"\xff\xfd", b"\xff\xfb\x01",
            b"\xff\xfe\x01", b"\xff\xfa", b"\xff\xf0", b"\xff\xf4", b"\x1b", b"\x1b[", b"\x1b]", b"\x1b\\", b"\x07",
            b"31m", b"\xc2", b"\x9b", b"\xe2\x80", b"\xae", b"\xf0\x9f", b"\x99\x82", b"text", b" ", b"\xef\xbb\xbf",
        ];
        let mut random = Rng::with_seed(2);
        for _ in 0..3_000 {
            let mut bytes = Vec::new();
            for _ in 0..random.usize(..24) {
                match random.usize(..8) {
                    0 => bytes.push(random.u8(..)),
                    1 if random.usize(..20) == 0 => bytes.extend([b'x'; MAX_LINE - 1]),
                    _ => bytes.extend_from_slice(pick(&mut random, &PARTS)),
                }
            }
            let whole = said(&[&bytes]);
            let mut pieces = Vec::new();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + random.usize(..rest.len().min(9)));
                pieces.push(piece);
                rest = after;
            }
            assert_eq!(said(&pieces), whole, "{bytes:?}");
            let newlines = bytes.iter().filter(|&&byte| byte == LF).count();
            let lines = whole.iter().filter(|one| matches!(one, Input::Line(_) | Input::TooLong)).count();
            assert!(lines == newlines || lines == newlines + 1, "{bytes:?}");
            for one in &whole {
                match one {
                    Input::Line(line) => assert_clean(line),
                    Input::Telnet(refusal) => {
                        assert!(refusal[0] == IAC && [WONT, DONT].contains(&refusal[1]) && refusal[2] != LF);
                    }
                    Input::TooLong | Input::Endless => {}
                }
            }
        }
    }

    #[test]
    fn an_idle_decoder_is_small() {
        assert!(size_of::<Decoder>() <= 48);
        let mut decoder = Decoder::default();
        for (input, kept) in [(&b"text"[..], 4), (b"\n", 0), (&[b'x'; MAX_KEPT], MAX_KEPT), (b"x", 0), (b"x", 0)] {
            decoder.next(&mut &*input);
            assert_eq!(decoder.kept.capacity(), kept);
        }
    }
}
