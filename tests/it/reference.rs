//! A second implementation of what the contract says about lines: slow, over whole inputs and slices. It shares no code
//! with the server's decoder, so that each checks the other.

/// What is to come of some input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Line(String),
    TooLong,
    Telnet([u8; 3]),
    Endless,
}

const MAX_LINE: usize = 4096;
const MAX_UNENDED: usize = 65_536;

/// All that is to come of a whole input and its end.
pub(crate) fn said(input: &[u8]) -> Vec<Said> {
    let mut said = Vec::new();
    let segments: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    for (number, segment) in segments.iter().enumerate() {
        let ended = number + 1 < segments.len();
        if segment.len() >= MAX_UNENDED {
            // The byte that is one too many completes nothing any more.
            said.extend(without_telnet(&segment[..MAX_UNENDED - 1]).1.into_iter().map(Said::Telnet));
            said.push(Said::Endless);
            return said;
        }
        let (mut text, refusals) = without_telnet(segment);
        said.extend(refusals.into_iter().map(Said::Telnet));
        // An IAC that nothing follows belongs to no command; alone at the end of input, it is no line either.
        if is_open(segment) && (ended || !text.is_empty()) {
            text.push(255);
        }
        if ended || !text.is_empty() {
            said.push(line(&text));
        }
    }
    said
}

/// The text between telnet commands, and the refusals that they ask for. A last IAC alone is left out.
fn without_telnet(mut bytes: &[u8]) -> (Vec<u8>, Vec<[u8; 3]>) {
    let (mut text, mut refusals) = (Vec::new(), Vec::new());
    while !bytes.is_empty() {
        let length = command_length(bytes);
        match bytes {
            [255, 255, ..] => text.push(255),
            [255, 253, option, ..] => refusals.push([255, 252, *option]),
            [255, 251, option, ..] => refusals.push([255, 254, *option]),
            [255, 236..=254, ..] | [255] => {}
            _ => text.extend(&bytes[..length]),
        }
        bytes = &bytes[length..];
    }
    (text, refusals)
}

/// Whether the bytes end in an IAC that begins a command.
fn is_open(mut bytes: &[u8]) -> bool {
    while bytes.len() > 1 {
        bytes = &bytes[command_length(bytes)..];
    }
    bytes == [255]
}

/// How many bytes belong to the command, or to the text, that begins here: RFC 854.
fn command_length(bytes: &[u8]) -> usize {
    match bytes {
        [255, 250, rest @ ..] => {
            let mut length = 2;
            let mut rest = rest;
            while let Some((first, more)) = rest.split_first() {
                if *first != 255 {
                    (length, rest) = (length + 1, more);
                    continue;
                }
                match more {
                    [240, ..] => return length + 2,
                    [] => return length + 1,
                    [_, more @ ..] => (length, rest) = (length + 2, more),
                }
            }
            length
        }
        [255, 251..=254, _, ..] => 3,
        [255, _, ..] => 2,
        _ => 1,
    }
}

fn line(text: &[u8]) -> Said {
    let text = match text {
        [text @ .., b'\r', 0] | [text @ .., b'\r'] => text,
        text => text,
    };
    if text.len() > MAX_LINE { Said::TooLong } else { Said::Line(clean(&String::from_utf8_lossy(text))) }
}

/// The text without whatever must not reach a terminal: ECMA-48 sequences, and characters of their own.
pub(crate) fn clean(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut cleaned, mut at) = (String::new(), 0);
    while at < chars.len() {
        match unclean_length(&chars[at..]) {
            0 => {
                cleaned.push(chars[at]);
                at += 1;
            }
            length => at += length,
        }
    }
    cleaned
}

/// Whether the contract removes this character, wherever it stands.
pub(crate) fn is_forbidden(char: char) -> bool {
    match char as u32 {
        9 => false,
        0..0x20 | 0x7f..0xa0 => true,
        0x61c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069 => true,
        0x2028 | 0x2029 | 0xfeff | 0xe0000..=0xe007f => true,
        _ => false,
    }
}

fn unclean_length(chars: &[char]) -> usize {
    match chars {
        ['\x1b', rest @ ..] => 1 + escaped_length(rest),
        [control @ '\u{80}'..='\u{9f}', rest @ ..] => 1 + controlled_length(*control as u32, rest),
        [char, ..] => usize::from(is_forbidden(*char)),
        [] => 0,
    }
}

/// What belongs to an ESC before it.
fn escaped_length(rest: &[char]) -> usize {
    match rest {
        [' '..='/', ..] => one_of_each(rest, &[(' ', '/', true), ('0', '~', false)]),
        // The 7-bit form of a C1 control.
        [char @ '@'..='_', rest @ ..] => 1 + controlled_length(*char as u32 + 0x40, rest),
        ['`'..='~' | '0'..='?', ..] => 1,
        _ => 0,
    }
}

/// What belongs to a C1 control before it.
fn controlled_length(control: u32, rest: &[char]) -> usize {
    match (control, rest) {
        // Single shifts: one character. CSI [ is the Linux console's: one more.
        (0x8e | 0x8f, _) => one_of_each(rest, &[(' ', '~', false)]),
        (0x9b, ['[', rest @ ..]) => 1 + one_of_each(rest, &[(' ', '~', false)]),
        (0x9b, _) => one_of_each(rest, &[('0', '?', true), (' ', '/', true), ('@', '~', false)]),
        // Strings, up to what ends them or breaks them off; that is removed in its turn.
        (0x90 | 0x98 | 0x9d | 0x9e | 0x9f, _) => {
            let ends = |char: &char| {
                matches!(char, '\n' | '\x18' | '\x1a' | '\x1b' | '\u{80}'..='\u{9f}')
                    || (*char == '\x07' && control == 0x9d)
            };
            rest.iter().position(ends).unwrap_or(rest.len())
        }
        _ => 0,
    }
}

/// How many characters match these ranges one after another: any number of each, or one at most.
fn one_of_each(chars: &[char], ranges: &[(char, char, bool)]) -> usize {
    let mut at = 0;
    for (first, last, any_number) in ranges {
        while chars.get(at).is_some_and(|char| (first..=last).contains(&char)) {
            at += 1;
            if !any_number {
                break;
            }
        }
    }
    at
}
