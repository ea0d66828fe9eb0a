//! What a name may be, why one is refused, and when two are the same.
//!
//! It knows nothing of who is here. What it is for: nobody's name can be taken for somebody else's, for the operator's
//! or for a line of the server's own, by anyone who reads it on a terminal.
//!
//! Unicode's own answer (UTS 39: identifier profile, mixed scripts, NFKC) needs tables that std does not have. Instead,
//! letters are taken from a list of the alphabets that people write every day, marks only where an alphabet cannot do
//! without, and the few spellings that look alike inside those alphabets are listed.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

// The one crate that a module of `text` uses: std cannot tell which characters take no column of their own.
use unicode_width::UnicodeWidthChar;

/// The longest name in characters, after trimming and collapsing spaces. A screen line has room for a message beside it.
pub const MAX_NAME: usize = 24;

/// How many marks may stand on one letter. Burmese and vocalised Arabic need that many; more only climb into the lines
/// above and below.
const MAX_MARKS: usize = 5;

/// Names that a person must not speak under, as keys.
const RESERVED: [&str; 8] = ["server", "system", "operator", "admin", "dynasti", "everyone", "all", "you"];

/// The words of the server's own notices about somebody, as keys.
const NOTICES: [&str; 3] = ["has joined the chat", "has left the chat", "is now known as"];

/// A name that somebody may have: as typed, but trimmed, and each run of white space in it one space. Cheap to clone.
///
/// Two names are not compared; their [`Key`]s are.
#[derive(Debug, Clone)]
pub struct Name {
    typed: Arc<str>,
    key: Key,
}

/// What two names have in common when they are the same. Not for showing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Why a name is refused. Displayed, it is a reason that can stand after `Name "x" can't be used: `.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing but white space.
    Empty,
    /// More than [`MAX_NAME`] characters.
    TooLong,
    /// A character that is no letter, digit, space, `_`, `-` or `.`.
    Character,
    /// It starts with `_`, `-` or `.`.
    First,
    /// A character that is blank, has no width, or is a mark where none belongs.
    Invisible,
    /// A letter in a special style, or of no everyday alphabet: most look like some plain letter.
    Style,
    /// Latin letters together with those of an alphabet that shares their shapes, Greek or Cyrillic say.
    Mixed,
    /// One of the names that the server keeps for itself.
    Reserved,
    /// It holds the words of one of the server's notices.
    Notice,
}

impl Name {
    /// The name that was typed, if it can be used. Whether somebody has it is not asked here.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn parse(typed: &str) -> Result<Self, Refusal> {
        let name = spaced(typed);
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
        if NOTICES.iter().any(|words| key.0.contains(words)) {
            return Err(Refusal::Notice);
        }
        Ok(Self { typed: name.into(), key })
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// What the same names have in common.
    pub fn key(&self) -> Key {
        self.key.clone()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.typed)
    }
}

impl Key {
    /// The key of any text, for looking up a name that somebody typed. The key of a key's text is that key again.
    pub fn of(text: &str) -> Self {
        let mut folded = Vec::with_capacity(text.len());
        for char in spaced(text).chars() {
            fold(char, &mut folded);
        }
        // Marks on one letter look the same in any order, and doubled.
        for marks in folded.chunk_by_mut(|&left, &right| is_mark(left) && is_mark(right)) {
            marks.sort_unstable();
        }
        folded.dedup_by(|right, left| right == left && is_mark(*left));
        Self(String::from_iter(folded).into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::TooLong => "it is longer than 24 characters",
            Self::Character => "only letters, digits, spaces and _ - . are allowed",
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

/// Trimmed, and each run of white space one space.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn check_characters(name: &str) -> Result<(), Refusal> {
    // The script of the letter that a mark could stand on here, and how many already do.
    let (mut script, mut marks) = (None, 0);
    for char in name.chars() {
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
            return Err(Refusal::Character);
        }
        (script, marks) = (marked_script(char).filter(|_| char.is_alphabetic()), 0);
    }
    Ok(())
}

/// Whether Latin letters are mixed with letters or digits that share their shapes.
fn is_mixed(name: &str) -> bool {
    let latin = |char: char| char.is_alphabetic() && matches!(char, '\0'..='\u{2af}' | '\u{1e00}'..='\u{1eff}');
    let alike = |char: char| in_ranges(&LIKE_LATIN, char) || (char.is_numeric() && !char.is_ascii());
    name.chars().map(half_width).any(latin) && name.chars().map(half_width).any(alike)
}

/// A fullwidth form (U+FF01 to U+FF5E) as ASCII, anything else as it is.
fn half_width(char: char) -> char {
    match char {
        '\u{ff01}'..='\u{ff5e}' => char::from((char as u32 - 0xff01) as u8 + b'!'),
        _ => char,
    }
}

/// Adds one character as it counts when names are compared. Folding what was folded changes nothing.
fn fold(char: char, folded: &mut Vec<char>) {
    let char = match half_width(char) {
        // Two sets of the same digits.
        digit @ '\u{6f0}'..='\u{6f9}' => char::from_u32(digit as u32 - 0x90).unwrap_or(digit),
        char => char,
    };
    // To upper case and back, so that letters with one capital fall together (long s, final sigma, dotless i). To lower
    // case first, because the capital sharp s is its own upper case while that of the small one is SS.
    for char in char.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase) {
        match SAME.binary_search_by_key(&char, |&(char, _)| char) {
            // The combining dot in the lower case of the Turkish capital I with a dot: it cannot be seen on an i.
            _ if char == '\u{307}' => {}
            Ok(found) => folded.extend(SAME[found].1.chars()),
            Err(_) => folded.push(char),
        }
    }
}

/// Whether this is a mark that an everyday name needs: it belongs to the letter before it and cannot stand alone.
fn is_mark(char: char) -> bool {
    let Some(script) = marked_script(char) else { return false };
    match char.width() {
        // Vowel signs count as alphabetic; format characters, cantillation marks and the like do not.
        Some(0) => char.is_alphabetic() || in_ranges(&OTHER_MARKS, char),
        // The Indian blocks share one layout (that of the Indian standard ISCII), but for four letters.
        _ if (0x900..0xd80).contains(&script) => {
            matches!(char as u32 - script, 0x01..=0x03 | 0x3b | 0x3e..=0x4c | 0x4e..=0x4f | 0x55..=0x57)
                && char.is_alphabetic()
                && !matches!(char, '\u{b83}' | '\u{d4e}' | '\u{d55}' | '\u{d56}')
        }
        _ => in_ranges(&SPACING_MARKS, char),
    }
}

/// Where the script of this character begins, if it is one that is written with marks. A mark is for its own script.
fn marked_script(char: char) -> Option<u32> {
    match char as u32 {
        // Hebrew, Arabic, Tibetan, Burmese.
        code @ (0x590..=0x5ff | 0x600..=0x6ff | 0xf00..=0xfff | 0x1000..=0x109f) => Some(code & !0xff),
        // Syriac, Thaana, the Indian scripts, Sinhala, Thai, Lao, Khmer.
        code @ (0x700..=0x74f | 0x780..=0x7bf | 0x900..=0xeff | 0x1780..=0x17ff) => Some(code & !0x7f),
        _ => None,
    }
}

/// Whether `char` is in one of `ranges`, which are in order.
fn in_ranges(ranges: &[RangeInclusive<char>], char: char) -> bool {
    let before = ranges.partition_point(|range| *range.end() < char);
    ranges.get(before).is_some_and(|range| range.contains(&char))
}

/// Where the letters and digits of the alphabets in everyday use are: those that UAX 31 recommends for identifiers and
/// the most alive of those it calls limited. Left out among them are letters that look like one or two others: digraphs
/// (U+01C6), click letters (U+01C0), phonetic and modifier letters, the Arabic stretcher (U+0640), presentation forms,
/// Hangul in parts (U+1100), compatibility ideographs, and Lisu, which is Latin capitals throughout.
#[rustfmt::skip]
const ALPHABETS: [RangeInclusive<char>; 77] = [
    '\u{30}'..='\u{39}', '\u{41}'..='\u{5a}', '\u{61}'..='\u{7a}', // ASCII
    '\u{c0}'..='\u{131}', '\u{134}'..='\u{13e}', '\u{141}'..='\u{148}', '\u{14a}'..='\u{17f}',
    '\u{180}'..='\u{1bf}', '\u{1cd}'..='\u{1f0}', '\u{1f4}'..='\u{24f}', // Latin
    '\u{253}'..='\u{257}', '\u{259}'..='\u{259}', '\u{25b}'..='\u{25b}', '\u{260}'..='\u{260}',
    '\u{263}'..='\u{263}', '\u{268}'..='\u{268}', '\u{26f}'..='\u{26f}', '\u{272}'..='\u{272}',
    '\u{275}'..='\u{275}', '\u{283}'..='\u{283}', '\u{288}'..='\u{28b}', '\u{292}'..='\u{292}', // Latin of Africa and Azerbaijan
    '\u{386}'..='\u{386}', '\u{388}'..='\u{3ce}', // Greek
    '\u{400}'..='\u{52f}', // Cyrillic
    '\u{531}'..='\u{556}', '\u{561}'..='\u{587}', // Armenian
    '\u{5d0}'..='\u{5ea}', // Hebrew
    '\u{620}'..='\u{63f}', '\u{641}'..='\u{64a}', '\u{660}'..='\u{669}', '\u{66e}'..='\u{66f}',
    '\u{671}'..='\u{674}', '\u{679}'..='\u{6d3}', '\u{6d5}'..='\u{6d5}', '\u{6ee}'..='\u{6ff}', // Arabic
    '\u{710}'..='\u{72f}', '\u{74d}'..='\u{74f}', // Syriac
    '\u{750}'..='\u{77f}', // Arabic
    '\u{780}'..='\u{7b1}', // Thaana
    '\u{7c0}'..='\u{7ea}', // N'Ko
    '\u{900}'..='\u{dff}', // Indian scripts, Sinhala
    '\u{e00}'..='\u{eff}', // Thai, Lao
    '\u{f00}'..='\u{fff}', // Tibetan
    '\u{1000}'..='\u{109f}', // Burmese
    '\u{10a0}'..='\u{10fb}', '\u{10fd}'..='\u{10ff}', // Georgian
    '\u{1200}'..='\u{139f}', // Ethiopic
    '\u{13a0}'..='\u{13ff}', // Cherokee
    '\u{1401}'..='\u{166c}', '\u{166f}'..='\u{167f}', // Canadian syllabics
    '\u{1780}'..='\u{17ff}', // Khmer
    '\u{1810}'..='\u{18aa}', // Mongolian
    '\u{1c90}'..='\u{1cbf}', // Georgian capitals
    '\u{1e00}'..='\u{1e99}', '\u{1e9b}'..='\u{1eff}', // Latin
    '\u{1f00}'..='\u{1fff}', // Greek
    '\u{2d30}'..='\u{2d67}', // Tifinagh
    '\u{2d80}'..='\u{2ddf}', // Ethiopic
    '\u{3005}'..='\u{3007}', '\u{3041}'..='\u{3096}', '\u{309d}'..='\u{309e}',
    '\u{30a1}'..='\u{30fa}', '\u{30fc}'..='\u{30fe}', // Kana
    '\u{3105}'..='\u{312f}', // Bopomofo
    '\u{3131}'..='\u{3163}', // Hangul letters
    '\u{31a0}'..='\u{31bf}', '\u{31f0}'..='\u{31ff}', // Bopomofo, Kana
    '\u{3400}'..='\u{4dbf}', '\u{4e00}'..='\u{9fff}', // Han
    '\u{a000}'..='\u{a48c}', // Yi
    '\u{a640}'..='\u{a66e}', // Cyrillic
    '\u{ac00}'..='\u{d7a3}', // Hangul
    '\u{1e900}'..='\u{1e943}', '\u{1e950}'..='\u{1e959}', // Adlam
    '\u{20000}'..='\u{2ee5d}', '\u{30000}'..='\u{323af}', // Han
];

/// Alphabets and syllabaries of `ALPHABETS` that share many shapes with Latin letters.
const LIKE_LATIN: [RangeInclusive<char>; 6] = [
    '\u{370}'..='\u{52f}',   // Greek, Cyrillic
    '\u{531}'..='\u{587}',   // Armenian
    '\u{13a0}'..='\u{167f}', // Cherokee, Canadian syllabics
    '\u{1f00}'..='\u{1fff}', // Greek
    '\u{2d30}'..='\u{2d7f}', // Tifinagh
    '\u{a640}'..='\u{a69f}', // Cyrillic
];

/// Marks without width that count as no letters: nuktas, viramas, tone marks.
#[rustfmt::skip]
const OTHER_MARKS: [RangeInclusive<char>; 25] = [
    '\u{93c}'..='\u{93c}', '\u{94d}'..='\u{94d}', // Devanagari
    '\u{9bc}'..='\u{9bc}', '\u{9cd}'..='\u{9cd}', // Bengali
    '\u{a3c}'..='\u{a3c}', '\u{a4d}'..='\u{a4d}', // Gurmukhi
    '\u{abc}'..='\u{abc}', '\u{acd}'..='\u{acd}', // Gujarati
    '\u{b3c}'..='\u{b3c}', '\u{b4d}'..='\u{b4d}', // Odia
    '\u{bcd}'..='\u{bcd}', // Tamil
    '\u{c3c}'..='\u{c3c}', '\u{c4d}'..='\u{c4d}', // Telugu
    '\u{cbc}'..='\u{cbc}', '\u{ccd}'..='\u{ccd}', // Kannada
    '\u{d3b}'..='\u{d3c}', '\u{d4d}'..='\u{d4d}', // Malayalam
    '\u{dca}'..='\u{dca}', // Sinhala
    '\u{e47}'..='\u{e4e}', // Thai
    '\u{eba}'..='\u{eba}', '\u{ec8}'..='\u{ecd}', // Lao
    '\u{f84}'..='\u{f84}', // Tibetan
    '\u{1037}'..='\u{1037}', '\u{1039}'..='\u{103a}', // Burmese
    '\u{17c9}'..='\u{17d2}', // Khmer
];

/// Marks with a width of their own, where the Indian layout does not tell.
#[rustfmt::skip]
const SPACING_MARKS: [RangeInclusive<char>; 14] = [
    '\u{d82}'..='\u{d83}', '\u{dcf}'..='\u{dd4}', '\u{dd6}'..='\u{dd6}', '\u{dd8}'..='\u{ddf}',
    '\u{df2}'..='\u{df3}', // Sinhala
    '\u{f7f}'..='\u{f7f}', // Tibetan
    '\u{102b}'..='\u{103e}', '\u{1056}'..='\u{1059}', '\u{1062}'..='\u{1064}',
    '\u{1067}'..='\u{106d}', '\u{1082}'..='\u{108d}', '\u{108f}'..='\u{108f}',
    '\u{109a}'..='\u{109c}', // Burmese
    '\u{17b6}'..='\u{17c8}', // Khmer
];

/// Characters that look like others in the same alphabet, with those others, folded: what Unicode decomposes into a
/// letter and one of the marks that are allowed, Greek letters that are in it twice (UnicodeData.txt, field 5), and the
/// Arabic letters that only Persian and Urdu keyboards tell apart.
#[rustfmt::skip]
const SAME: [(char, &str); 91] = [
    ('\u{622}', "\u{627}\u{653}"), ('\u{623}', "\u{627}\u{654}"), ('\u{624}', "\u{648}\u{654}"),
    ('\u{625}', "\u{627}\u{655}"), ('\u{626}', "\u{64a}\u{654}"), ('\u{649}', "\u{64a}"), ('\u{6a9}', "\u{643}"),
    ('\u{6c0}', "\u{647}\u{654}"), ('\u{6c1}', "\u{647}"), ('\u{6c2}', "\u{647}\u{654}"), ('\u{6cc}', "\u{64a}"),
    ('\u{6d3}', "\u{6d2}\u{654}"), ('\u{6d5}', "\u{647}"), ('\u{929}', "\u{928}\u{93c}"),
    ('\u{931}', "\u{930}\u{93c}"), ('\u{934}', "\u{933}\u{93c}"), ('\u{958}', "\u{915}\u{93c}"),
    ('\u{959}', "\u{916}\u{93c}"), ('\u{95a}', "\u{917}\u{93c}"), ('\u{95b}', "\u{91c}\u{93c}"),
    ('\u{95c}', "\u{921}\u{93c}"), ('\u{95d}', "\u{922}\u{93c}"), ('\u{95e}', "\u{92b}\u{93c}"),
    ('\u{95f}', "\u{92f}\u{93c}"), ('\u{9cb}', "\u{9c7}\u{9be}"), ('\u{9cc}', "\u{9c7}\u{9d7}"),
    ('\u{9dc}', "\u{9a1}\u{9bc}"), ('\u{9dd}', "\u{9a2}\u{9bc}"), ('\u{9df}', "\u{9af}\u{9bc}"),
    ('\u{a33}', "\u{a32}\u{a3c}"), ('\u{a36}', "\u{a38}\u{a3c}"), ('\u{a59}', "\u{a16}\u{a3c}"),
    ('\u{a5a}', "\u{a17}\u{a3c}"), ('\u{a5b}', "\u{a1c}\u{a3c}"), ('\u{a5e}', "\u{a2b}\u{a3c}"),
    ('\u{b48}', "\u{b47}\u{b56}"), ('\u{b4b}', "\u{b47}\u{b3e}"), ('\u{b4c}', "\u{b47}\u{b57}"),
    ('\u{b5c}', "\u{b21}\u{b3c}"), ('\u{b5d}', "\u{b22}\u{b3c}"), ('\u{b94}', "\u{b92}\u{bd7}"),
    ('\u{bca}', "\u{bc6}\u{bbe}"), ('\u{bcb}', "\u{bc7}\u{bbe}"), ('\u{bcc}', "\u{bc6}\u{bd7}"),
    ('\u{c48}', "\u{c46}\u{c56}"), ('\u{cc0}', "\u{cbf}\u{cd5}"), ('\u{cc7}', "\u{cc6}\u{cd5}"),
    ('\u{cc8}', "\u{cc6}\u{cd6}"), ('\u{cca}', "\u{cc6}\u{cc2}"), ('\u{ccb}', "\u{cc6}\u{cc2}\u{cd5}"),
    ('\u{d4a}', "\u{d46}\u{d3e}"), ('\u{d4b}', "\u{d47}\u{d3e}"), ('\u{d4c}', "\u{d46}\u{d57}"),
    ('\u{dda}', "\u{dd9}\u{dca}"), ('\u{ddc}', "\u{dd9}\u{dcf}"), ('\u{ddd}', "\u{dd9}\u{dcf}\u{dca}"),
    ('\u{dde}', "\u{dd9}\u{ddf}"), ('\u{e33}', "\u{e4d}\u{e32}"), ('\u{eb3}', "\u{ecd}\u{eb2}"),
    ('\u{edc}', "\u{eab}\u{e99}"), ('\u{edd}', "\u{eab}\u{ea1}"), ('\u{f43}', "\u{f42}\u{fb7}"),
    ('\u{f4d}', "\u{f4c}\u{fb7}"), ('\u{f52}', "\u{f51}\u{fb7}"), ('\u{f57}', "\u{f56}\u{fb7}"),
    ('\u{f5c}', "\u{f5b}\u{fb7}"), ('\u{f69}', "\u{f40}\u{fb5}"), ('\u{f73}', "\u{f71}\u{f72}"),
    ('\u{f75}', "\u{f71}\u{f74}"), ('\u{f76}', "\u{fb2}\u{f80}"), ('\u{f77}', "\u{fb2}\u{f71}\u{f80}"),
    ('\u{f78}', "\u{fb3}\u{f80}"), ('\u{f79}', "\u{fb3}\u{f71}\u{f80}"), ('\u{f81}', "\u{f71}\u{f80}"),
    ('\u{f93}', "\u{f92}\u{fb7}"), ('\u{f9d}', "\u{f9c}\u{fb7}"), ('\u{fa2}', "\u{fa1}\u{fb7}"),
    ('\u{fa7}', "\u{fa6}\u{fb7}"), ('\u{fac}', "\u{fab}\u{fb7}"), ('\u{fb9}', "\u{f90}\u{fb5}"),
    ('\u{1026}', "\u{1025}\u{102e}"), ('\u{1f71}', "\u{3ac}"), ('\u{1f73}', "\u{3ad}"), ('\u{1f75}', "\u{3ae}"),
    ('\u{1f77}', "\u{3af}"), ('\u{1f79}', "\u{3cc}"), ('\u{1f7b}', "\u{3cd}"), ('\u{1f7d}', "\u{3ce}"),
    ('\u{1fbe}', "\u{3b9}"), ('\u{1fd3}', "\u{390}"), ('\u{1fe3}', "\u{3b0}"),
];

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    fn refusal(typed: &str) -> Refusal {
        match Name::parse(typed) {
            Ok(name) => panic!("{typed:?} is accepted as {name:?}"),
            Err(refusal) => refusal,
        }
    }

    fn same(left: &str, right: &str) -> bool {
        Key::of(left) == Key::of(right)
    }

    /// Any character; most are from the blocks that hold the alphabets.
    fn any_char(random: &mut Rng) -> char {
        let ends = [0x80, 0x250, 0x700, 0x1100, 0x2000, 0x1_0000, 0x2_0000, 0x11_0000];
        let end = ends[random.usize(..ends.len())];
        char::from_u32(random.u32(..end)).unwrap_or('\u{ff41}')
    }

    /// All of Unicode, but only some of what is alike: Han, Hangul, and the planes that hold no letters (4 to 16).
    fn every_character() -> impl Iterator<Item = char> {
        let alike = |char| matches!(char, '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{20000}'..);
        ('\0'..=char::MAX).filter(move |&char| !alike(char) || char as u32 % 97 == 0)
    }

    /// What the contract promises of every name, said apart from the code that keeps it.
    fn assert_obeys_the_rules(name: &Name) {
        let text = name.as_str();
        let first = text.chars().next().expect("a name is not empty");
        assert!((1..=24).contains(&text.chars().count()), "{text:?}");
        assert!(first.is_alphanumeric() && first.width() != Some(0), "{text:?}");
        assert!(!text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  "), "{text:?}");
        for char in text.chars() {
            let mark = char.width() == Some(0) && ('\u{591}'..'\u{1800}').contains(&char);
            // Karen and Shan tone marks take a column and count as no letters.
            let tone = ('\u{1063}'..='\u{109b}').contains(&char);
            assert!(char.is_alphanumeric() || mark || tone || " _-.".contains(char), "{text:?}");
            assert!(mark || char.width() > Some(0), "{text:?}");
            assert!(!['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'].contains(&char), "{text:?}");
            assert!(super::super::line::clean(text) == text, "{text:?}");
        }
        let key = name.key();
        assert_eq!(Key::of(text), key);
        assert_eq!(Key::of(&key.0), key, "{text:?} folds twice");
        for capitals in [text.to_uppercase(), text.to_lowercase()] {
            assert_eq!(Key::of(&capitals), key, "{text:?} and {capitals:?}");
        }
        for reserved in ["server", "system", "operator", "admin", "dynasti", "everyone", "all", "you"] {
            assert_ne!(&*key.0, reserved, "{text:?}");
        }
        for words in ["has joined the chat", "has left the chat", "is now known as"] {
            assert!(!key.0.contains(words) && !text.to_lowercase().contains(words), "{text:?}");
        }
        let ascii = key.0.contains(|char: char| char.is_ascii_lowercase());
        let greek_or_cyrillic = key.0.contains(|char| matches!(char, '\u{370}'..='\u{52f}' | '\u{1f00}'..='\u{1fff}'));
        assert!(!(ascii && greek_or_cyrillic), "{text:?}");
    }

    #[test]
    #[rustfmt::skip]
    fn names_of_many_peoples() {
        for name in [
            "Ann", "A", "7", "Jean-Luc", "o.k.", "Ann_2", "x y z", "Zoë", "Ångström", "Łukasz", "Şükrü İnönü",
            "Straße", "Nguyễn Thị Hương", "Əli", "Ɔkɛ", "Χρήστος", "Иван Йовков", "Ґалаґан", "Արամ", "დავით", "ᏣᎳᎩ",
            "አበበ", "משה", "שָׂרָה", "محمد", "مُحَمَّد", "آیدا", "گُل", "فاطمه ۲", "ވިލާ", "ܐܒܐ", "सुमित्रा", "फ़ैज़",
            "हर्षवर्धन", "রাজেশ", "ক্ষুদিরাম", "ਗੁਰਪ੍ਰੀਤ", "પ્રિયા", "ଓଡ଼ିଆ", "கார்த்திக்", "ஃபாத்திமா",
            "శ్రీనివాస్", "ಕೃಷ್ಣ", "ശ്രീജിത്ത്", "නිමල්", "สมศักดิ์", "น้ำฝน", "ຄຳ", "བསྟན", "အောင်ဆန်း", "ချို",
            "សុខា", "ស្រី", "ᠪᠠᠲᠤ", "山田太郎", "さくら", "ガガーリン", "김철수", "ㅋㅋ", "𠮷野家", "𞤀𞤣𞤤𞤢𞤥", "Ann 山田", "Ａｎｎ",
        ] {
            match Name::parse(name) {
                Ok(parsed) => {
                    assert_eq!(parsed.as_str(), name);
                    assert_obeys_the_rules(&parsed);
                }
                Err(refusal) => panic!("{name:?}: {refusal}"),
            }
        }
    }

    #[test]
    fn spaces_are_trimmed_and_collapsed() {
        for typed in ["Ann Lee", "  Ann Lee ", "Ann\t \u{a0}Lee\r", "\u{3000}Ann\u{2003}Lee\u{2028}"] {
            assert_eq!(Name::parse(typed).map(|name| name.to_string()), Ok("Ann Lee".into()), "{typed:?}");
        }
        for typed in ["", " ", "\t \u{a0}\u{3000}\u{2028}"] {
            assert_eq!(refusal(typed), Refusal::Empty);
        }
    }

    #[test]
    fn twenty_four_characters_are_the_most() {
        assert!(Name::parse(&"x".repeat(24)).is_ok());
        assert!(Name::parse(&format!("  {}  {} ", "x".repeat(12), "山".repeat(11))).is_ok());
        assert_eq!(refusal(&"x".repeat(25)), Refusal::TooLong);
        assert_eq!(refusal(&"山".repeat(25)), Refusal::TooLong);
    }

    #[test]
    #[rustfmt::skip]
    fn only_letters_digits_and_a_little_punctuation() {
        for typed in [
            "Ann!", "<Ann>", "[SERVER]", "a:b", "a/b", "a\"b", "a*", "😀", "Ann 👍🏽", "a,b", "@ann", "a\u{7}b",
            "a\u{fffd}", "ක\u{dd5}", "ਕ\u{a55}", "x\u{ff1a}y", "x\u{ff3f}y", "\u{2800}", "a\u{b7}b", "م\u{6dd}", "a\u{2010}b",
            "a’b",
        ] {
            assert_eq!(refusal(typed), Refusal::Character, "{typed:?}");
        }
        for typed in ["-Ann", "_", ".", "- ann", "-- Ann"] {
            assert_eq!(refusal(typed), Refusal::First, "{typed:?}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn nothing_blank_combining_or_without_width() {
        for typed in [
            "\u{115f}", "\u{1160}", "\u{3164}", "\u{ffa0}", "A\u{3164}", "\u{200b}", "A\u{200d}n", "A\u{200c}n",
            "A\u{fe0f}", "A\u{2060}", "\u{301}", "e\u{301}", "Е\u{308}", "A\u{34f}", "a\u{363}", "α\u{345}",
            "か\u{3099}", "\u{180e}A", "A\u{e0100}",
            // Marks first, after a digit, a space or a letter of another script, and too many of them.
            "\u{93f}क", "\u{93e}", "\u{94e}", "\u{c01}", "\u{17b6}", "\u{1087}", "1\u{93f}", "क \u{93f}", "A\u{93f}", "A\u{94d}",
            "ক\u{93f}", "A\u{64b}", "م-\u{64b}", "\u{651}م", "ม\u{e48}\u{e48}\u{e48}\u{e48}\u{e48}\u{e48}",
            "א\u{591}", "م\u{61c}", "१\u{93f}", "\u{93b}", "\u{1161}",
        ] {
            assert_eq!(refusal(typed), Refusal::Invisible, "{typed:?}");
        }
        assert!(Name::parse("\u{e9}").is_ok());
    }

    #[test]
    #[rustfmt::skip]
    fn no_styled_or_look_alike_letters() {
        for typed in [
            "𝐀𝐧𝐧", "𝔸𝕟𝕟", "𝟙", "Ⓐⓝⓝ", "①", "🄰", "🅐", "ℬ", "\u{212a}", "\u{212b}", "ªnn", "²", "x₂", "½", "ᴀɴɴ", "ʙ",
            "ɑ", "ɡ", "ʰ", "ⁿ", "Ⅷ", "ﬁ", "ǆ", "ĳ", "ǃ", "ꓮꓠꓠ", "ꜱ", "ﷲ", "ﻡ", "\u{f900}", "ｱ", "ﾡ", "𐌀",
            "\u{2f800}", "\u{fb3e}", "م\u{640}", "\u{1100}\u{1161}", "ⅰ", "㈠", "㊀", "🯰", "µ",
        ] {
            assert_eq!(refusal(typed), Refusal::Style, "{typed:?}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn no_mixing_with_alphabets_that_look_like_ascii() {
        for typed in [
            "Аnn", "Annа", "αnn", "Ann Ω", "Ａлл", "ἀnn", "éа", "бİ", "ſб", "ßσ", "oՕ",
            "ᎪNN", "Iⵏ", "ann١", "ann\u{9e6}",
        ] {
            assert_eq!(refusal(typed), Refusal::Mixed, "{typed:?}");
        }
        for typed in ["Анна 2", "Μαρία_7", "Анна-Мария", "Ann é 山"] {
            assert!(Name::parse(typed).is_ok(), "{typed:?}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn reserved_names_in_every_dress() {
        for typed in [
            "server", "Server", "SYSTEM", "operator", "admin", "ADMİN", "admın", "ſerver", "Dynasti", "everyone",
            "All", " you ", "Ｓｅｒｖｅｒ", "ｙou",
        ] {
            assert_eq!(refusal(typed), Refusal::Reserved, "{typed:?}");
        }
        for typed in ["servers", "Administrator", "Ally", "You2"] {
            assert!(Name::parse(typed).is_ok(), "{typed:?}");
        }
        for reserved in RESERVED.iter().chain(&NOTICES) {
            assert_eq!(&*Key::of(reserved).0, *reserved);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn no_name_holds_the_words_of_a_notice() {
        for typed in [
            "Bo has joined the chat.", "Bo has left the chat", "X is now known as Y", "x  HAS  left\tthe chaT",
            "ｉｓ now known as", "thıs now known as", "0has joined the chat0",
        ] {
            assert_eq!(refusal(typed), Refusal::Notice, "{typed:?}");
        }
        assert!(Name::parse("Bo has joined").is_ok());
    }

    #[test]
    #[rustfmt::skip]
    fn the_same_name() {
        for (left, right) in [
            ("Ann", "aNN"), ("Ann Lee", " ann\u{3000} LEE"), ("Ａｎｎ１", "ann1"), ("ΣΟΦΟΣ", "σοφος"),
            ("ΣΟΦΟΣ", "σοφοσ"), ("Straße", "STRASSE"), ("STRAẞE", "strasse"), ("İnci", "inci"),
            ("İnci", "i\u{307}nci"), ("ıslak", "ISLAK"), ("ſam", "Sam"), ("ИВАН", "иван"), ("ᏣᎳᎩ", "ꮳꮃꭹ"),
            ("ა", "Ა"), ("և", "եւ"), ("\u{3ac}", "\u{1f71}"), ("फ\u{93c}", "\u{95e}"), ("\u{9df}", "য\u{9bc}"),
            ("آ", "ا\u{653}"), ("مَّ", "م\u{651}\u{64e}"), ("مََ", "مَ"), ("كي", "کی"),
            ("\u{661}\u{662}", "\u{6f1}\u{6f2}"), ("น้ำ", "น\u{e4d}\u{e49}า"), ("கொ", "க\u{bc6}\u{bbe}"),
            ("ǅ", "ǆ"),
        ] {
            assert!(same(left, right), "{left:?} and {right:?}");
        }
        for (left, right) in [("Ann", "Anna"), ("Ann Lee", "AnnLee"), ("Zoe", "Zoë"), ("राम", "रमा"), ("a.b", "a-b"), ("かき", "がき")] {
            assert!(!same(left, right), "{left:?} and {right:?}");
        }
    }

    #[test]
    fn folding_is_stable_for_every_character() {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        for char in every_character() {
            once.clear();
            twice.clear();
            fold(char, &mut once);
            if once != [char] {
                once.iter().for_each(|&char| fold(char, &mut twice));
                assert_eq!(once, twice, "{char:?}");
            }
        }
    }

    #[test]
    fn tables_are_in_order() {
        assert!(SAME.is_sorted_by(|left, right| left.0 < right.0));
        for ranges in [&ALPHABETS[..], &LIKE_LATIN, &OTHER_MARKS, &SPACING_MARKS] {
            assert!(ranges.iter().all(|range| range.start() <= range.end()));
            assert!(ranges.windows(2).all(|pair| pair[0].end() < pair[1].start()));
        }
    }

    #[test]
    fn every_character_alone_and_second() {
        for char in every_character() {
            if !char.is_alphanumeric() && char.width() != Some(0) && !char.is_ascii() && !char.is_whitespace() {
                // Refused before it is asked what stands beside it.
                assert!(check_characters(char.encode_utf8(&mut [0; 4])).is_err(), "{char:?}");
                continue;
            }
            for before in ["", "a", "क"] {
                if let Ok(name) = Name::parse(&format!("{before}{char}")) {
                    assert_obeys_the_rules(&name);
                }
            }
        }
    }

    #[test]
    fn whatever_is_accepted_obeys_the_rules() {
        #[rustfmt::skip]
        const PARTS: [&str; 22] = [
            "server", "ADMIN", "all", "you", " has joined the chat", "is now ", "known as", "ſ", "İ", "Ｓ", " ", "\u{3000}", "a", "Z", "-",
            "б", "σ", "ς", "\u{64e}", "\u{651}", "\u{94d}", "क",
        ];
        let mut random = Rng::with_seed(3);
        let mut accepted = 0;
        for _ in 0..10_000 {
            let mut typed = String::new();
            for _ in 0..1 + random.usize(..5) {
                match random.usize(..3) {
                    0 => typed.push(any_char(&mut random)),
                    _ => typed.push_str(PARTS[random.usize(..PARTS.len())]),
                }
            }
            if let Ok(name) = Name::parse(&typed) {
                assert_obeys_the_rules(&name);
                assert_eq!(Name::parse(name.as_str()).map(|again| again.typed), Ok(name.typed));
                accepted += 1;
            }
        }
        assert!(accepted > 1_000, "only {accepted} names were tried");
    }

    #[test]
    #[rustfmt::skip]
    fn reasons_fit_the_sentence() {
        for refusal in [
            Refusal::Empty, Refusal::TooLong, Refusal::Character, Refusal::First, Refusal::Invisible, Refusal::Style,
            Refusal::Mixed, Refusal::Reserved, Refusal::Notice,
        ] {
            let reason = refusal.to_string();
            assert!(reason.starts_with(|char: char| char.is_ascii_lowercase()) && !reason.ends_with('.'), "{reason}");
            assert!(reason.len() < 100 && reason.is_ascii(), "{reason}");
        }
        assert!(Refusal::TooLong.to_string().contains(&MAX_NAME.to_string()));
    }
}
