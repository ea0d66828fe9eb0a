//! Names: what a name may be, why one is refused, and when two are the same.
//!
//! The rules protect people who read names on a terminal: they must not confuse one member's name with another's, with
//! the operator's, or with a line of the server's own. This module does not know which members are here.
//!
//! Unicode's own rules (UTS 39: identifier profile, mixed scripts, NFKC) need tables that std does not have. Here a
//! letter must be in a list of the alphabets that people write every day. A mark is allowed only where an alphabet
//! needs it. The few spellings that look alike inside those alphabets are in a table.

mod tables;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

// The only crate that `text` uses. std does not know how many columns a character takes.
use unicode_width::UnicodeWidthChar;

use self::tables::{ALPHABETS, COMPOSED, LIKE_LATIN, OTHER_MARKS, SAME, SPACING_MARKS};
use super::server::Server;

/// The longest name in characters, after trimming and collapsing spaces. After such a name a message still fits on the
/// same line of the screen.
pub const MAX_NAME: usize = 24;

/// How many marks may stand on one letter. Burmese and vocalised Arabic need that many. More of them cover the lines
/// above and below.
const MAX_MARKS: usize = 5;

/// Names that no person may have, as keys.
const RESERVED: [&str; 8] = ["server", "system", "operator", "admin", "dynasti", "everyone", "all", "you"];

/// The words of the server's notices about members, as keys.
const NOTICES: [&str; 3] = ["has joined the chat", "has left the chat", "is now known as"];

/// The words after a member's name when that member shares a file, as a key. No name holds them.
const SHARES: &str = " shares";

/// The words that lines of the server's own output begin with, as keys. `NAME: TEXT` is on the operator's terminal too.
const OUTPUT: [&str; 5] = ["join with", "server listening", "or open", "this is", "shutting down"];

/// A name that keeps the rules: as typed, but trimmed, with each run of white space replaced by one space, each letter
/// composed with its accent, and each apostrophe straight. Cheap to clone.
///
/// To compare two names, compare their [`Key`]s.
#[derive(Debug, Clone)]
pub struct Name {
    typed: Arc<str>,
}

/// The form in which names are compared: two names are the same when their keys are equal. It is not shown to anybody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Why a name is refused. Displayed, it is a reason that can stand after `Name "x" can't be used: `.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is nothing but white space.
    Empty,
    /// It has more than [`MAX_NAME`] characters.
    TooLong,
    /// It has a character that is not a letter, a digit, a space, `_`, `-`, `.`, or an apostrophe between two letters.
    Character,
    /// It starts with `_`, `-` or `.`.
    First,
    /// It has a character that is blank or has no width, or a mark where none belongs.
    Invisible,
    /// It has a letter in a special style, or one of no everyday alphabet. Most of these look like some plain letter.
    Style,
    /// It has Latin letters together with letters of an alphabet that shares their shapes, such as Greek or Cyrillic.
    Mixed,
    /// It is one of the names that the server keeps for itself.
    Reserved,
    /// It holds the words of one of the server's notices, or begins like a line of the server's own output.
    Notice,
}

impl Name {
    /// Returns the name that was typed, if it keeps the rules. Does not know whether somebody has it.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        let name = spelled(typed);
        if name.is_empty() {
            return Err(Refusal::Empty);
        }
        if name.chars().count() > MAX_NAME {
            return Err(Refusal::TooLong);
        }
        check_characters(&name)?;
        if name.starts_with(['_', '-', '.']) {
            return Err(Refusal::First);
        }
        if is_mixed(&name) {
            return Err(Refusal::Mixed);
        }
        let key = Key::of(&name);
        if RESERVED.contains(&&*key.0) {
            return Err(Refusal::Reserved);
        }
        if key.0.contains(SHARES)
            || NOTICES.iter().any(|words| key.0.contains(words))
            || OUTPUT.iter().any(|words| key.0.starts_with(words))
        {
            return Err(Refusal::Notice);
        }
        Ok(Self { typed: name.into() })
    }

    /// Returns the name of the guest with this number.
    pub fn guest(number: usize) -> Self {
        Self { typed: format!("Guest{number}").into() }
    }

    /// Returns the name of a member of another server, as it is here: `Ann@pi2`. No name that is typed holds an `@`.
    pub fn at(&self, server: &Server) -> Self {
        Self { typed: format!("{self}@{server}").into() }
    }

    /// Returns the name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// Returns the key by which this name is compared.
    pub fn key(&self) -> Key {
        Key::of(&self.typed)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.typed)
    }
}

impl Key {
    /// Returns the key of any text, for looking up a name that somebody typed. The key of a key's text is the same key.
    pub fn of(text: &str) -> Self {
        let mut folded = Vec::with_capacity(text.len());
        for char in spelled(text).chars() {
            fold(char, &mut folded);
        }
        // The marks on one letter look the same in any order, and a doubled mark looks like one.
        for marks in folded.chunk_by_mut(|&one, &next| is_mark(one) && is_mark(next)) {
            marks.sort_unstable();
        }
        folded.dedup_by(|next, one| next == one && is_mark(*one));
        Self(composed(folded).into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::TooLong => "it is longer than 24 characters",
            Self::Character => "only letters, digits, spaces and _ - . are allowed, and ' between letters",
            Self::First => "it must start with a letter or a digit",
            Self::Invisible => "it has an invisible or combining character; type whole letters only",
            Self::Style => "it has styled or unusual letters that can pass for others; type plain ones",
            Self::Mixed => "it mixes Latin letters with another alphabet's that look like them; use one alphabet",
            Self::Reserved => "it is reserved",
            Self::Notice => "it reads like one of the server's own notices",
        })
    }
}

impl std::error::Error for Refusal {}

/// Returns the text in one spelling: trimmed; each run of white space replaced by one space; letters composed with
/// their accents, which macOS writes apart in names of files; apostrophes straight, which phones type curved.
fn spelled(text: &str) -> String {
    let spaced = text.split_whitespace().collect::<Vec<_>>().join(" ");
    composed(spaced.chars().map(|char| if matches!(char, '\u{2019}' | '\u{2bc}') { '\'' } else { char }))
}

/// Returns the text of these characters, with each accent composed with its letter where Unicode has them as one.
fn composed(chars: impl IntoIterator<Item = char>) -> String {
    let mut text = String::new();
    for char in chars {
        let together = compose(text.chars().next_back(), char);
        if together.is_some() {
            text.pop();
        }
        text.push(together.unwrap_or(char));
    }
    text
}

/// Returns the one letter that a letter and a mark make together, if there is one.
fn compose(letter: Option<char>, mark: char) -> Option<char> {
    let row = COMPOSED.binary_search_by_key(&mark, |&(mark, _)| mark).ok()?;
    let mut letters = COMPOSED[row].1.chars();
    while let (Some(without), with) = (letters.next(), letters.next()) {
        if Some(without) == letter {
            return with;
        }
    }
    None
}

/// Checks each character. A mark is checked against the letter that it stands on.
fn check_characters(name: &str) -> Result<(), Refusal> {
    // The script of the letter that a mark could stand on here, and the number of marks that already stand on it.
    let (mut script, mut marks) = (None, 0);
    let mut after_letter = false;
    let mut chars = name.chars().peekable();
    while let Some(char) = chars.next() {
        if is_mark(char) {
            marks += 1;
            if script != marked_script(char) || marks > MAX_MARKS {
                return Err(Refusal::Invisible);
            }
            continue;
        }
        if matches!(char, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}') || char.width() == Some(0) {
            return Err(Refusal::Invisible);
        }
        if char.is_alphanumeric() {
            if !in_ranges(&ALPHABETS, half_width(char)) {
                return Err(Refusal::Style);
            }
        } else if !matches!(char, ' ' | '_' | '-' | '.') {
            let before_letter = chars.peek().is_some_and(|next| next.is_alphabetic());
            if char != '\'' || !after_letter || !before_letter {
                return Err(Refusal::Character);
            }
        }
        after_letter = char.is_alphabetic();
        (script, marks) = (marked_script(char).filter(|_| char.is_alphabetic()), 0);
    }
    Ok(())
}

/// Returns whether Latin letters are mixed with letters or digits that share their shapes.
fn is_mixed(name: &str) -> bool {
    let latin = |char: char| char.is_alphabetic() && matches!(char, '\0'..='\u{2af}' | '\u{1e00}'..='\u{1eff}');
    let alike = |char: char| in_ranges(&LIKE_LATIN, char) || (char.is_numeric() && !char.is_ascii());
    name.chars().map(half_width).any(latin) && name.chars().map(half_width).any(alike)
}

/// Returns a fullwidth form (U+FF01 to U+FF5E) as ASCII, and anything else as it is.
fn half_width(char: char) -> char {
    match char {
        '\u{ff01}'..='\u{ff5e}' => char::from((char as u32 - 0xff01) as u8 + b'!'),
        _ => char,
    }
}

/// Adds one character in the form in which names are compared. Folding again what was folded changes nothing.
fn fold(char: char, folded: &mut Vec<char>) {
    let char = match half_width(char) {
        // Unicode has the Arabic digits twice: these are the Persian ones.
        digit @ '\u{6f0}'..='\u{6f9}' => char::from_u32(digit as u32 - 0x90).unwrap_or(digit),
        char => char,
    };
    // To upper case and back, so that letters that share a capital become one (long s, final sigma, dotless i). To
    // lower case first, because the capital sharp s is its own upper case, while the upper case of the small one is SS.
    for char in char.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase) {
        match SAME.binary_search_by_key(&char, |&(char, _)| char) {
            // The lower case of the Turkish capital I with a dot has a combining dot, which cannot be seen on an i.
            _ if char == '\u{307}' => {}
            Ok(found) => folded.extend(SAME[found].1.chars()),
            Err(_) => folded.push(char),
        }
    }
}

/// Returns whether this is a mark that an everyday name needs. It belongs to the letter before it and cannot stand
/// alone.
fn is_mark(char: char) -> bool {
    let Some(script) = marked_script(char) else { return false };
    match char.width() {
        // Vowel signs count as alphabetic; format characters, cantillation marks and the like do not.
        Some(0) => char.is_alphabetic() || in_ranges(&OTHER_MARKS, char),
        // The Indian blocks share one layout, which is that of the Indian standard ISCII. Four letters deviate from it.
        _ if (0x900..0xd80).contains(&script) => {
            matches!(char as u32 - script, 0x01..=0x03 | 0x3b | 0x3e..=0x4c | 0x4e..=0x4f | 0x55..=0x57)
                && char.is_alphabetic()
                && !matches!(char, '\u{b83}' | '\u{d4e}' | '\u{d55}' | '\u{d56}')
        }
        _ => in_ranges(&SPACING_MARKS, char),
    }
}

/// Returns where in Unicode the script of this character begins, if that script is written with marks. A mark stands
/// only on letters of its own script.
fn marked_script(char: char) -> Option<u32> {
    match char as u32 {
        // Hebrew, Arabic, Tibetan, Burmese.
        code @ (0x590..=0x5ff | 0x600..=0x6ff | 0xf00..=0xfff | 0x1000..=0x109f) => Some(code & !0xff),
        // Syriac, Thaana, the Indian scripts, Sinhala, Thai, Lao, Khmer.
        code @ (0x700..=0x74f | 0x780..=0x7bf | 0x900..=0xeff | 0x1780..=0x17ff) => Some(code & !0x7f),
        _ => None,
    }
}

/// Returns whether `char` is in one of `ranges`, which are in order.
fn in_ranges(ranges: &[RangeInclusive<char>], char: char) -> bool {
    let before = ranges.partition_point(|range| *range.end() < char);
    ranges.get(before).is_some_and(|range| range.contains(&char))
}
