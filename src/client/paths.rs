//! Paths as people type them: what they may mean, what they can be completed to, and numbered names beside existing
//! ones.
//!
//! It reads directories, which may block for long, so it is called on a thread for that. Knows nothing of what is in a
//! file.

use std::fs;
use std::path::{Path, PathBuf};

use super::names::Completions;
use crate::text::line;

/// How many entries of a directory are looked at for completing a path.
const MAX_ENTRIES: usize = 10_000;

/// Returns the path that was typed, with `~` replaced by the person's home directory.
pub(crate) fn expanded(typed: &str, home: Option<&Path>) -> PathBuf {
    match (typed.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(typed),
    }
}

/// Returns a path without the spaces after it and the quotes around it, which a shell would have removed.
pub(crate) fn unquoted(typed: &str) -> &str {
    let trimmed = typed.trim_end();
    ['"', '\''].iter().find_map(|quote| trimmed.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(trimmed)
}

/// Returns the paths that somebody may mean. The first is what they typed. The others are what a shell would have read,
/// because a terminal on which a file is dropped writes its path for a shell: with a space after it, in quotes, with
/// backslashes.
pub(crate) fn meant(typed: &str, home: Option<&Path>) -> Vec<PathBuf> {
    let (trimmed, quoted) = (typed.trim_end(), unquoted(typed));
    let mut escaped = false;
    let plain = trimmed.chars().filter(|char| {
        escaped = *char == '\\' && !escaped;
        !escaped
    });
    let plain: String = plain.collect();
    let mut readings = vec![expanded(typed, home)];
    for reading in [trimmed, quoted, &plain] {
        let path = expanded(reading, home);
        if !readings.contains(&path) {
            readings.push(path);
        }
    }
    readings
}

/// Returns how a path is shown to people.
pub(crate) fn shown(path: &Path) -> String {
    line::clean(&path.display().to_string()).into_owned()
}

/// Returns a name like this one, the `n`-th: `a.jpg`, `a (2).jpg`, `a (3).jpg`.
pub(crate) fn numbered(name: &str, n: usize) -> String {
    if n == 1 {
        return name.to_owned();
    }
    let dot = name.rfind('.').filter(|dot| *dot > 0).unwrap_or(name.len());
    let dot = if name[..dot].ends_with(".tar") { dot - ".tar".len() } else { dot };
    let (stem, ending) = if dot == 0 { (name, "") } else { name.split_at(dot) };
    format!("{stem} ({n}){ending}")
}

/// Returns what a path can be completed to: the longest common beginning of all names that begin so, or else each of
/// these names. Directories have a slash after them. `start` is where the path begins in the line.
pub(crate) fn completions(typed: &str, start: usize, home: Option<&Path>) -> Option<Completions> {
    if typed == "~" {
        return Some(Completions { start, candidates: vec!["~/".into()], goes_on: true });
    }
    let (directory, begun) = typed.split_at(typed.rfind('/').map_or(0, |slash| slash + 1));
    let read = fs::read_dir(expanded(if directory.is_empty() { "." } else { directory }, home)).ok()?;
    let mut candidates: Vec<String> = read
        .take(MAX_ENTRIES)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            // A name that is changed by cleaning cannot be typed.
            let fits = name.starts_with(begun) && line::clean(&name) == name;
            let hidden = name.starts_with('.') && !begun.starts_with('.');
            // A symbolic link to a directory counts as one.
            let slash = if fits && !hidden && entry.path().is_dir() { "/" } else { "" };
            (fits && !hidden).then(|| format!("{directory}{name}{slash}"))
        })
        .collect();
    candidates.sort_unstable();
    let common = candidates.iter().skip(1).fold(candidates.first()?.as_str(), |common, next| {
        let same = common.char_indices().zip(next.chars()).find(|((_, one), other)| one != other);
        let shorter = common.len().min(next.len());
        &common[..same.map_or(shorter, |((at, _), _)| at)]
    });
    if common.len() > typed.len() {
        return Some(Completions { start, candidates: vec![common.to_owned()], goes_on: true });
    }
    candidates.retain(|candidate| candidate != typed);
    (!candidates.is_empty()).then_some(Completions { start, candidates, goes_on: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_home() {
        let home = Some(Path::new("/home/ann"));
        for (typed, path) in [
            ("~", "/home/ann"),
            ("~/", "/home/ann/"),
            ("~/a b", "/home/ann/a b"),
            ("~//etc", "/home/ann/etc"),
            ("~bob/x", "~bob/x"),
            ("a~", "a~"),
        ] {
            assert_eq!(expanded(typed, home), PathBuf::from(path), "{typed}");
        }
        assert_eq!(expanded("~/x", None), PathBuf::from("~/x"));
    }

    #[test]
    fn what_a_shell_would_have_read_is_tried_too() {
        let read = |typed| meant(typed, None).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(read("a b.txt"), ["a b.txt"]);
        assert_eq!(read("a.txt "), ["a.txt ", "a.txt"]);
        assert_eq!(read("'a b.txt' "), ["'a b.txt' ", "'a b.txt'", "a b.txt"]);
        assert_eq!(read("\"a\""), ["\"a\"", "a"]);
        assert_eq!(read("a\\ b\\\\c"), ["a\\ b\\\\c", "a b\\c"]);
        assert_eq!(read("'"), ["'"]);
    }

    #[test]
    fn the_second_of_a_name() {
        for (name, second) in [
            ("a.jpg", "a (2).jpg"),
            ("a", "a (2)"),
            ("a.tar.gz", "a (2).tar.gz"),
            (".tar.gz", ".tar.gz (2)"),
            (".bashrc", ".bashrc (2)"),
            ("a.b.c", "a.b (2).c"),
        ] {
            assert_eq!(numbered(name, 2), second);
            assert_eq!(numbered(name, 1), name);
        }
    }

    #[test]
    fn paths_complete_as_far_as_they_agree_and_then_one_after_the_other() {
        let here = std::env::temp_dir().join(format!("dynasti-paths-{}", std::process::id()));
        fs::create_dir_all(here.join("holiday pictures")).expect("a directory is to be had");
        for name in ["holiday.jpg", "hotel.txt", ".hidden", "bell\x07.txt", "holiday pictures/1.jpg", "ö.txt", "ü.txt"]
        {
            fs::write(here.join(name), "").expect("it can be written");
        }
        let completed = |typed: &str| {
            let found = completions(&format!("~/{typed}"), 6, Some(&here))?;
            assert_eq!(found.start, 6);
            Some((found.candidates.join("|"), found.goes_on))
        };
        let found = |words: &str, goes_on| Some((words.to_owned(), goes_on));
        assert_eq!(completed("h"), found("~/ho", true));
        assert_eq!(completed("ho"), found("~/holiday pictures/|~/holiday.jpg|~/hotel.txt", false));
        assert_eq!(completed("holiday "), found("~/holiday pictures/", true));
        assert_eq!(completed("holiday pictures/"), found("~/holiday pictures/1.jpg", true));
        assert_eq!(completed("holiday pictures/1.jpg"), None);
        assert_eq!(completed("."), found("~/.hidden", true));
        assert_eq!(completed(""), found("~/holiday pictures/|~/holiday.jpg|~/hotel.txt|~/ö.txt|~/ü.txt", false));
        assert_eq!([completed("bell"), completed("no/such/"), completed("x")], [None, None, None]);
        assert_eq!(completions("~", 1, None).map(|found| found.candidates.concat()), Some("~/".into()));
        fs::remove_dir_all(here).expect("it can be removed");
    }
}
