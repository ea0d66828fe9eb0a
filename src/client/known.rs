//! The files that the server's lines have told of, and where they are.
//!
//! Pure. Knows nothing of the server's lines, and nothing of how a file is fetched.

use std::collections::VecDeque;

use super::http::Url;
use super::names::Completions;
use crate::token::Token;

/// How many files are known at most: as many as a server keeps. The first that was heard of is forgotten first.
const MAX_FILES: usize = 1000;

/// How many digits of a file's number must be typed at least. A shorter text could be an ordinary word.
const MIN_TYPED: usize = 4;

/// How many digits of a number are completed: more only if another number begins with the same.
const COMPLETED: usize = 8;

/// The files, the newest first, and the server that keeps them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    files: VecDeque<File>,
    server: Option<Url>,
}

/// One file.
#[derive(Debug)]
struct File {
    /// Its number.
    id: String,
    wanted: Wanted,
}

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Where it is.
    pub(crate) url: Url,
    /// How large it was said to be, in the server's words.
    pub(crate) size: Option<String>,
}

impl Known {
    /// Learns of a file: where it is, and how large it is.
    pub(crate) fn hear(&mut self, link: &str, size: &str) {
        let Some(url) = Url::parse(link) else { return };
        let id = url.path().strip_prefix("/files/").and_then(|rest| rest.split('/').next());
        let Some(id) = id.filter(|id| Token::read(id).is_some()).map(str::to_owned) else { return };
        self.server = Some(url.at("/"));
        self.files.retain(|file| file.id != id);
        self.files.push_front(File { id, wanted: Wanted { url, size: Some(size.to_owned()) } });
        self.files.truncate(MAX_FILES);
    }

    /// Learns the server to which files are sent. It is also the one that keeps them.
    pub(crate) fn hear_of_server(&mut self, url: &Url) {
        self.server = Some(url.at("/"));
    }

    /// Finds the file that a person means by this: a number, its beginning, or an address. The address may be of
    /// another server, because the person has asked for it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn find(&self, typed: &str) -> Result<Wanted, String> {
        if typed.contains("://") {
            let wrong = || "An address of a file begins with http:// and the name of a server.".to_owned();
            return Ok(Wanted { url: Url::parse(typed).ok_or_else(wrong)?, size: None });
        }
        let id = typed.to_ascii_lowercase();
        if !(MIN_TYPED..=32).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!(
                "\"{typed}\" is no number of a file. The number follows /files/ in the address, and its first {MIN_TYPED} \
                 digits are enough."
            ));
        }
        let mut found = self.files.iter().filter(|file| file.id.starts_with(&id));
        match (found.next(), found.next(), &self.server) {
            (Some(file), None, _) => Ok(file.wanted.clone()),
            (Some(_), Some(_), _) => {
                Err(format!("Several files have a number that begins with {typed}. Type more of it."))
            }
            (None, _, Some(server)) if Token::read(&id).is_some() => {
                Ok(Wanted { url: server.at(&format!("/files/{id}")), size: None })
            }
            (None, ..) => Err(format!(
                "No file is known whose number begins with {typed}. /files lists the files; /get takes a whole address, too."
            )),
        }
    }

    /// Returns the numbers of files whose number or name begins with what was typed. `start` is where that begins in
    /// the line.
    pub(crate) fn completions(&self, typed: &str, start: usize) -> Option<Completions> {
        let lower = typed.to_lowercase();
        let named =
            |file: &File| file.wanted.url.name().is_some_and(|name| name.as_str().to_lowercase().starts_with(&lower));
        let files = self.files.iter().filter(|file| file.id.starts_with(&lower) || named(file));
        let candidates: Vec<String> = files.map(|file| self.short(&file.id).to_owned() + " ").collect();
        (!candidates.is_empty()).then_some(Completions { start, candidates, goes_on: false })
    }

    /// Returns the shortest beginning of a number that no other number has, `COMPLETED` digits at least.
    fn short<'a>(&self, id: &'a str) -> &'a str {
        let others = || self.files.iter().filter(|file| file.id != id);
        let unique = (COMPLETED..id.len()).find(|&length| others().all(|file| !file.id.starts_with(&id[..length])));
        &id[..unique.unwrap_or(id.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(bits: u128) -> String {
        format!("{bits:032x}")
    }

    /// Three files, two of which have numbers that begin alike.
    fn known() -> Known {
        let mut known = Known::default();
        for (bits, name) in
            [(0xabcd_0001 << 96, "one.txt"), (0xabcd_0002 << 96, "two%20x.txt"), (7 << 124, "three.txt")]
        {
            known.hear(&format!("http://pi:4080/files/{}/{name}", id(bits)), "1.0 kB");
        }
        known
    }

    #[test]
    fn a_number_its_beginning_or_an_address() {
        let known = known();
        let found = |typed: &str| known.find(typed).map(|wanted| wanted.url.to_string());
        let one = format!("http://pi:4080/files/{}/one.txt", id(0xabcd_0001 << 96));
        for typed in ["abcd0001", "ABCD0001", &id(0xabcd_0001 << 96)] {
            assert_eq!(found(typed), Ok(one.clone()));
        }
        assert_eq!(found("http://else/x"), Ok("http://else/x".into()));
        assert_eq!(found(&id(9)), Ok(format!("http://pi:4080/files/{}", id(9))));
        for (typed, why) in [
            ("abcd", "Several files"),
            ("abc", "no number"),
            ("one.txt", "no number"),
            ("abcd9", "No file is known"),
            ("https://pi/x", "begins with http://"),
        ] {
            assert!(found(typed).is_err_and(|error| error.contains(why)), "{typed}");
        }
        assert!(Known::default().find(&id(9)).is_err_and(|why| why.contains("a whole address")));
        assert_eq!(known.find("7000").map(|wanted| wanted.size), Ok(Some("1.0 kB".into())));
    }

    #[test]
    fn only_what_can_be_a_file_is_learnt() {
        let mut known = Known::default();
        for link in ["http://pi/files/1/x", "http://pi/x/files/", "ftp://pi/files/1/x", ""] {
            known.hear(link, "1 B");
        }
        assert!(known.files.is_empty());
        for bits in 0..2 * MAX_FILES as u128 {
            known.hear(&format!("http://pi/files/{}/x", id(bits)), "1 B");
        }
        assert_eq!(known.files.len(), MAX_FILES);
    }

    #[test]
    fn numbers_complete_by_themselves_and_by_names() {
        let known = known();
        let completed = |typed| known.completions(typed, 5).map(|found| found.candidates.concat());
        assert_eq!(completed(""), Some("70000000 abcd0002 abcd0001 ".into()));
        assert_eq!(completed("abcd"), Some("abcd0002 abcd0001 ".into()));
        assert_eq!(completed("TWO"), Some("abcd0002 ".into()));
        assert_eq!(completed("x"), None);
        let mut alike = Known::default();
        (1..3).for_each(|bits| alike.hear(&format!("http://pi/files/{}/x", id(bits)), "1 B"));
        assert_eq!(
            alike.completions("", 0).map(|found| found.candidates.concat()),
            Some(format!("{} {} ", id(2), id(1)))
        );
    }
}
