//! What a reader sees as one character (a cluster), and how many columns it fills.
//!
//! This is the part of Unicode's grapheme clusters (UAX 29) that chat lines need: combining marks, variation selectors,
//! emoji with joiners and skin tones, flags, Hangul jamo. It knows nothing of lines or windows.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const JOINER: char = '\u{200d}';

/// Cuts `text` into clusters. An arrow key moves over one of them, and Backspace deletes one.
pub(crate) fn clusters(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (cluster, after) = rest.split_at(first_length(rest));
        rest = after;
        (!cluster.is_empty()).then_some(cluster)
    })
}

/// Returns the length of the first cluster of `text`, in bytes.
fn first_length(text: &str) -> usize {
    let mut chars = text.char_indices();
    let Some((_, first)) = chars.next() else { return 0 };
    let mut last = first;
    let mut flag = is_flag_half(first);
    for (at, c) in chars {
        let pair = flag && is_flag_half(c);
        let joined = last == JOINER && !c.is_ascii();
        let tinted = matches!(c, '\u{1f3fb}'..='\u{1f3ff}') && !first.is_ascii();
        if !(c.width() == Some(0) || pair || joined || tinted) {
            return at;
        }
        flag = false;
        last = c;
    }
    text.len()
}

/// Returns whether a character is a regional indicator, two of which are a flag.
fn is_flag_half(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Returns how many columns a cluster fills: 0, 1 or 2. A tab fills one, because it is shown as a space.
pub(crate) fn width(cluster: &str) -> usize {
    if cluster == "\t" { 1 } else { cluster.width().min(2) }
}

/// Returns whether terminals disagree about the width of a cluster: some add up its code points, others draw one glyph.
pub(crate) fn is_disputed(cluster: &str) -> bool {
    let sum: usize = cluster.chars().filter_map(UnicodeWidthChar::width).sum();
    cluster.chars().nth(1).is_some() && (sum != width(cluster) || cluster.starts_with(is_flag_half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_as_one_character_is_one() {
        for (text, count) in [
            ("", 0),
            ("abc", 3),
            ("e\u{301}e\u{301}\u{302}", 2),
            ("漢字", 2),
            ("👍🏽👍", 2),
            ("👨\u{200d}👩\u{200d}👧x", 2),
            ("❤\u{fe0f}a", 2),
            ("🇩🇪🇫🇷🇮", 3),
            ("1\u{fe0f}\u{20e3}", 1),
            ("a\u{200d}b", 2),
            ("\u{301}a", 2),
            ("각", 1),
            ("\u{1100}\u{1161}\u{11a8}", 1),
        ] {
            let cut: Vec<&str> = clusters(text).collect();
            assert_eq!(cut.len(), count, "{cut:?}");
            assert_eq!(cut.concat(), text);
        }
    }

    #[test]
    fn columns() {
        for (cluster, columns) in [
            ("a", 1),
            ("\t", 1),
            ("e\u{301}", 1),
            ("漢", 2),
            ("👍🏽", 2),
            ("👨\u{200d}👩\u{200d}👧", 2),
            ("❤\u{fe0f}", 2),
            ("🇩🇪", 2),
            ("\u{301}", 0),
        ] {
            assert_eq!(width(cluster), columns, "{cluster:?}");
        }
    }

    #[test]
    fn disputes() {
        for cluster in ["👍🏽", "👨\u{200d}👩\u{200d}👧", "❤\u{fe0f}", "🇩🇪"] {
            assert!(is_disputed(cluster), "{cluster:?}");
        }
        for cluster in ["a", "漢", "e\u{301}", "👍", "\t"] {
            assert!(!is_disputed(cluster), "{cluster:?}");
        }
    }
}
