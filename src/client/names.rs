//! The names heard in the room: for completing them with Tab, and for separating a name from what follows it.
//!
//! Knows nothing of keys or of the server's lines.

use std::collections::{HashSet, VecDeque};

use super::own;
use crate::text::command;
use crate::text::name::MAX_NAME;

/// The most names that are known: more than a room has members by default. For a new one, the name that was silent
/// longest is forgotten.
const MAX_NAMES: usize = 1024;

/// The names of those who are here, as far as they were heard. The one who spoke last comes first.
#[derive(Debug, Default)]
pub(crate) struct Names(VecDeque<String>);

/// What can replace the last word that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completions {
    /// Where that word begins, in bytes.
    pub(crate) start: usize,
    /// The words that can replace it, at least one, each with a space after it if it is whole, so that typing can go
    /// on.
    pub(crate) candidates: Vec<String>,
    /// Whether the candidate is only a part of a word: the next Tab completes it further.
    pub(crate) goes_on: bool,
}

/// Knows what can be completed.
pub(crate) trait Complete {
    /// Returns what `before`, the text before the cursor, can be completed to.
    fn completions(&self, before: &str) -> Option<Completions>;
}

impl Names {
    /// Puts the name of somebody who spoke or came first.
    pub(crate) fn hear(&mut self, name: &str) {
        self.forget(name);
        if self.0.len() == MAX_NAMES {
            self.0.pop_back();
        }
        self.0.push_front(name.to_owned());
    }

    /// Adds the name of somebody who is here and has perhaps not spoken for long.
    pub(crate) fn know(&mut self, name: &str) {
        if self.0.len() < MAX_NAMES && !self.0.iter().any(|known| known == name) {
            self.0.push_back(name.to_owned());
        }
    }

    /// Forgets the name of somebody who left.
    pub(crate) fn forget(&mut self, name: &str) {
        self.0.retain(|known| known != name);
    }

    /// Returns the longest known name that `text` begins with, as a whole word. Names have spaces.
    pub(crate) fn at_start_of(&self, text: &str) -> Option<&str> {
        let known = self.0.iter().filter(|name| text.strip_prefix(name.as_str()).is_some_and(begins_outside_a_word));
        known.max_by_key(|name| name.len()).map(String::as_str)
    }
}

impl Complete for Names {
    /// The first word is completed to a command if it begins with `/`. Otherwise the longest end of the text that is
    /// the beginning of a name is completed to that name.
    fn completions(&self, before: &str) -> Option<Completions> {
        if let Some(typed) = before.strip_prefix('/').filter(|typed| !typed.contains(' ')) {
            let mut commands: Vec<&str> = command::usages().chain(own::usages()).map(|usage| usage.name).collect();
            // Both the server and the client have /send.
            let mut seen = HashSet::new();
            commands.retain(|name| name.starts_with(typed) && seen.insert(*name));
            return found(0, commands.iter().map(|name| format!("/{name}")));
        }
        let word_starts = before.char_indices().map(|(at, _)| at).filter(|&at| ends_outside_a_word(&before[..at]));
        word_starts.filter(|&start| before[start..].chars().count() <= MAX_NAME).find_map(|start| {
            let typed = before[start..].to_lowercase();
            let names = self.0.iter().filter(|name| name.to_lowercase().starts_with(&typed));
            found(start, names.cloned())
        })
    }
}

/// Returns completions, unless there are none.
fn found(start: usize, candidates: impl Iterator<Item = String>) -> Option<Completions> {
    let candidates: Vec<String> = candidates.map(|candidate| candidate + " ").collect();
    (!candidates.is_empty()).then_some(Completions { start, candidates, goes_on: false })
}

/// Returns where `name` is in `text` as a whole word, in bytes. Upper and lower case count as the same.
pub(crate) fn mention(text: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let wanted = name.to_lowercase();
    let starts = text.char_indices().map(|(at, _)| at).filter(|&at| ends_outside_a_word(&text[..at]));
    starts
        .filter_map(|start| Some(start..start + same_start(&text[start..], &wanted)?))
        .find(|range| begins_outside_a_word(&text[range.end..]))
}

/// Returns how many bytes at the start of `text` are `lower` when their case is ignored.
fn same_start(text: &str, lower: &str) -> Option<usize> {
    let mut rest = lower;
    for (at, c) in text.char_indices() {
        if rest.is_empty() {
            return Some(at);
        }
        for folded in c.to_lowercase() {
            rest = rest.strip_prefix(folded)?;
        }
    }
    rest.is_empty().then_some(text.len())
}

fn begins_outside_a_word(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn ends_outside_a_word(text: &str) -> bool {
    !text.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(names: &[&str]) -> Names {
        let mut heard = Names::default();
        names.iter().for_each(|name| heard.hear(name));
        heard
    }

    fn completions(names: &[&str], before: &str) -> Option<(usize, String)> {
        heard(names).completions(before).map(|found| (found.start, found.candidates.concat()))
    }

    #[test]
    fn names_complete_anywhere() {
        let here = ["Ann", "Jean Paul", "Zoë"];
        for (before, start, names) in [
            ("a", 0, "Ann "),
            ("hi A", 3, "Ann "),
            ("(an", 1, "Ann "),
            ("/msg je", 5, "Jean Paul "),
            ("hi jean p", 3, "Jean Paul "),
            ("zO", 0, "Zoë "),
            ("zoË", 0, "Zoë "),
        ] {
            assert_eq!(completions(&here, before), Some((start, names.into())), "{before:?}");
        }
        for before in ["", "x", "ban", "hi ", "Ann "] {
            assert_eq!(completions(&here, before), None, "{before:?}");
        }
    }

    #[test]
    fn commands_complete_as_the_first_word() {
        assert_eq!(completions(&["Ann"], "/w"), Some((0, "/who ".into())));
        assert_eq!(completions(&["Ann"], "/m"), Some((0, "/msg /me ".into())));
        assert_eq!(completions(&["Ann"], "/s"), Some((0, "/send ".into())));
        assert_eq!(completions(&["Ann"], "/g"), Some((0, "/get ".into())));
        assert_eq!(completions(&["Ann"], "/x"), None);
        assert_eq!(completions(&["Ann"], "hi /w"), None);
    }

    #[test]
    fn who_spoke_last_comes_first_and_who_left_is_forgotten() {
        let mut names = heard(&["Ann", "Anton", "Ann"]);
        assert_eq!(names.completions("an").map(|found| found.candidates.concat()), Some("Ann Anton ".into()));
        names.know("Ann");
        names.know("Anke");
        assert_eq!(names.completions("an").map(|found| found.candidates.concat()), Some("Ann Anton Anke ".into()));
        names.forget("Anke");
        names.forget("Ann");
        assert_eq!(names.completions("an").map(|found| found.candidates.concat()), Some("Anton ".into()));
        for n in 0..2 * MAX_NAMES {
            names.hear(&format!("n{n}"));
        }
        assert_eq!(names.0.len(), MAX_NAMES);
    }

    #[test]
    fn a_name_is_told_from_what_follows() {
        let names = heard(&["Jean", "Jean Paul"]);
        assert_eq!(names.at_start_of("Jean Paul waves"), Some("Jean Paul"));
        assert_eq!(names.at_start_of("Jean Pauline waves"), Some("Jean"));
        assert_eq!(names.at_start_of("Jeanne waves"), None);
    }

    #[test]
    fn mentions_are_whole_words() {
        for (text, found) in [
            ("hi ann!", Some("ann")),
            ("ANN: look", Some("ANN")),
            ("an ann", Some("ann")),
            ("banner", None),
            ("Anna", None),
            ("ann_x Ann", Some("Ann")),
            ("", None),
        ] {
            assert_eq!(mention(text, "Ann").map(|range| &text[range]), found, "{text:?}");
        }
        assert_eq!(mention("hi ZOË", "Zoë"), Some(3..7));
        assert_eq!(mention("jean paul, hi", "Jean Paul"), Some(0..9));
    }
}
