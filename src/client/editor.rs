//! The line being typed. A key goes in, and what is to be done about it comes out.
//!
//! Knows nothing of terminals, windows or sockets. [`super::screen`] draws the line.

use std::collections::VecDeque;

use super::clusters::clusters;
use super::keys::Key;
use super::names::{Complete, Completions};
use crate::text::line;

/// The longest text that can be typed, in bytes. It is far more than the server accepts, so that a pasted line that is
/// too long is shown and can be shortened. It is short enough to be drawn again with every key.
const MAX_TEXT: usize = 4 * line::MAX_LINE;

/// How many lines Up can recall: those of an evening.
const MAX_RECALL: usize = 200;

/// What is to be done after a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The line or the cursor may have changed.
    Edited,
    /// The key could do nothing, which the bell is to signal.
    Refused,
    /// This line is finished. The next one begins empty.
    Line(String),
    /// The window is to be cleared.
    Clear,
    /// The person wants to suspend the program.
    Suspend,
    /// The person wants to leave.
    Leave,
}

/// A line editor with the keys that people know from a shell.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    text: String,
    /// A byte position in `text`, always at the boundary of a cluster.
    cursor: usize,
    /// The finished lines, oldest first.
    recall: VecDeque<String>,
    /// Which of them is shown now, and the text that was typed before it.
    recalled: Option<(usize, String)>,
    /// The text that was cut last, for Ctrl-Y.
    killed: String,
    /// Whether the last key cut something. The next cut is then joined to it.
    killing: bool,
    /// The completion under way, if the last key was Tab.
    completing: Option<Completing>,
}

/// A completion under way: Tab has been pressed, and no other key since.
#[derive(Debug)]
struct Completing {
    completions: Completions,
    /// The part of the word that had been typed.
    typed: String,
    /// The number of the next candidate. The number after the last candidate stands for what had been typed.
    next: usize,
}

impl Editor {
    /// Returns the text of the line.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the cursor's byte position in the text.
    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Keeps a finished line for Up.
    pub(crate) fn remember(&mut self, text: &str) {
        if text.is_empty() || self.recall.back().is_some_and(|last| last == text) {
            return;
        }
        if self.recall.len() == MAX_RECALL {
            self.recall.pop_front();
        }
        self.recall.push_back(text.to_owned());
    }

    /// Does what one key asks for. Tab completes what is `known`.
    pub(crate) fn press(&mut self, key: Key, known: &dyn Complete) -> Outcome {
        let killing = std::mem::take(&mut self.killing);
        let completing = self.completing.take();
        match key {
            Key::Char(c) => return self.insert(c),
            Key::Pasted('\n') | Key::Enter => return Outcome::Line(self.finish()),
            Key::Pasted(c) => return self.insert(c),
            Key::Tab => return self.complete(completing, known),
            Key::Left => self.cursor = self.previous(),
            Key::Right => self.cursor = self.next(),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::WordLeft => self.cursor = self.word_left(),
            Key::WordRight => self.cursor = self.word_right(),
            Key::Up => return self.older(),
            Key::Down => return self.newer(),
            Key::Backspace => return self.delete(self.previous(), self.cursor),
            Key::Delete => return self.delete(self.cursor, self.next()),
            Key::KillWordLeft => self.kill(self.word_left(), self.cursor, killing),
            Key::KillWordRight => self.kill(self.cursor, self.word_right(), killing),
            Key::KillToStart => self.kill(0, self.cursor, killing),
            Key::KillToEnd => self.kill(self.cursor, self.text.len(), killing),
            Key::Yank => return self.yank(),
            Key::Clear => return Outcome::Clear,
            Key::Interrupt => return Outcome::Leave,
            Key::EndOfInput if self.text.is_empty() => return Outcome::Leave,
            Key::EndOfInput => return self.delete(self.cursor, self.next()),
            Key::Suspend => return Outcome::Suspend,
        }
        Outcome::Edited
    }

    fn insert(&mut self, c: char) -> Outcome {
        // What the server would remove is not inserted, so that the line is shown as it will be said.
        if line::clean(c.encode_utf8(&mut [0; 4])).is_empty() {
            return Outcome::Edited;
        }
        if self.text.len() + c.len_utf8() > MAX_TEXT {
            return Outcome::Refused;
        }
        self.text.insert(self.cursor, c);
        self.cursor += c.len_utf8();
        // A mark or a joiner may have joined the characters on its two sides into one cluster.
        self.cursor = self.boundary_at_or_after(self.cursor);
        Outcome::Edited
    }

    fn finish(&mut self) -> String {
        self.recalled = None;
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    fn replace(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
    }

    // ---- positions

    /// Returns where clusters begin, from an ASCII character at or before `place` on, and the end. An ASCII character
    /// always begins a cluster, so a long text need not be cut from its start with every key.
    fn boundaries(&self, place: usize) -> impl Iterator<Item = usize> {
        let start = self.text.as_bytes()[..place].iter().rposition(u8::is_ascii).unwrap_or(0);
        let starts = clusters(&self.text[start..]).scan(start, |at, cluster| {
            let start = *at;
            *at += cluster.len();
            Some(start)
        });
        starts.chain([self.text.len()])
    }

    /// Returns the first boundary at or after `place`.
    fn boundary_at_or_after(&self, place: usize) -> usize {
        let end = self.text.len();
        if place >= end { end } else { self.boundaries(place).find(|&at| at >= place).unwrap_or(end) }
    }

    /// Returns the boundary before the cursor.
    fn previous(&self) -> usize {
        self.boundaries(self.cursor).take_while(|&at| at < self.cursor).last().unwrap_or(0)
    }

    /// Returns the boundary after the cursor.
    fn next(&self) -> usize {
        self.boundary_at_or_after(self.cursor + 1)
    }

    /// Returns the start of the word before the cursor. Words are separated by spaces.
    fn word_left(&self) -> usize {
        let word = self.text[..self.cursor].trim_end();
        word.rfind(char::is_whitespace).map_or(0, |space| self.boundary_at_or_after(space + 1))
    }

    /// Returns the end of the word after the cursor.
    fn word_right(&self) -> usize {
        let rest = &self.text[self.cursor..];
        let word = rest.trim_start();
        let skipped = rest.len() - word.len();
        self.cursor + skipped + word.find(char::is_whitespace).unwrap_or(word.len())
    }

    // ---- deleting and inserting again

    fn delete(&mut self, from: usize, to: usize) -> Outcome {
        if from == to {
            return Outcome::Refused;
        }
        self.text.replace_range(from..to, "");
        self.cursor = self.boundary_at_or_after(from);
        Outcome::Edited
    }

    /// Deletes a text and keeps it for Ctrl-Y. If `join` is set, it is joined to what the last key cut.
    fn kill(&mut self, from: usize, to: usize, join: bool) {
        let cut = &self.text[from..to];
        if !join {
            self.killed.clear();
        }
        if from < self.cursor {
            self.killed.insert_str(0, cut);
        } else {
            self.killed.push_str(cut);
        }
        self.killing = true;
        self.delete(from, to);
    }

    fn yank(&mut self) -> Outcome {
        if self.killed.is_empty() || self.text.len() + self.killed.len() > MAX_TEXT {
            return Outcome::Refused;
        }
        self.text.insert_str(self.cursor, &self.killed);
        self.cursor = self.boundary_at_or_after(self.cursor + self.killed.len());
        Outcome::Edited
    }

    // ---- recall

    fn older(&mut self) -> Outcome {
        let older = self.recalled.as_ref().map_or(self.recall.len(), |(at, _)| *at).checked_sub(1);
        let Some((at, line)) = older.and_then(|at| Some((at, self.recall.get(at)?.clone()))) else {
            return Outcome::Refused;
        };
        let draft = self.recalled.take().map_or_else(|| self.text.clone(), |(_, draft)| draft);
        self.recalled = Some((at, draft));
        self.replace(line);
        Outcome::Edited
    }

    fn newer(&mut self) -> Outcome {
        let Some((at, draft)) = self.recalled.take() else { return Outcome::Refused };
        match self.recall.get(at + 1).cloned() {
            Some(line) => {
                self.recalled = Some((at + 1, draft));
                self.replace(line);
            }
            None => self.replace(draft),
        }
        Outcome::Edited
    }

    // ---- completion

    /// Completes the word before the cursor. The first Tab replaces what was typed by the first candidate, and each
    /// further Tab by the next one. After the last candidate comes what was typed.
    fn complete(&mut self, under_way: Option<Completing>, known: &dyn Complete) -> Outcome {
        let Some(mut completing) = under_way.or_else(|| {
            let completions = known.completions(&self.text[..self.cursor])?;
            let typed = self.text[completions.start..self.cursor].to_owned();
            Some(Completing { completions, typed, next: 0 })
        }) else {
            return Outcome::Refused;
        };
        let Completions { start, candidates, goes_on } = &completing.completions;
        let word = candidates.get(completing.next).unwrap_or(&completing.typed);
        if *start + word.len() + self.text.len() - self.cursor > MAX_TEXT {
            return Outcome::Refused;
        }
        self.text.replace_range(*start..self.cursor, word);
        self.cursor = start + word.len();
        if !goes_on {
            completing.next = (completing.next + 1) % (candidates.len() + 1);
            self.completing = Some(completing);
        }
        Outcome::Edited
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Names;
    use super::*;

    /// Presses what a terminal would send for `keys`, and shows the line with `|` where the cursor is.
    fn edit(editor: &mut Editor, keys: &str) -> String {
        press(editor, keys, &Names::default());
        shown(editor)
    }

    fn press(editor: &mut Editor, keys: &str, names: &Names) -> Vec<Outcome> {
        let keys = super::super::keys::Keys::default().decode(keys.as_bytes());
        keys.into_iter().map(|key| editor.press(key, names)).filter(|outcome| *outcome != Outcome::Edited).collect()
    }

    fn shown(editor: &Editor) -> String {
        let (before, after) = editor.text.split_at(editor.cursor);
        format!("{before}|{after}")
    }

    const UP: &str = "\x1b[A";
    const DOWN: &str = "\x1b[B";
    const LEFT: &str = "\x1b[D";
    const RIGHT: &str = "\x1b[C";

    #[test]
    fn typing_and_moving() {
        for (keys, line) in [
            ("abc", "abc|"),
            ("abc\x02\x02X", "aX|bc"),
            ("abc\x01X\x05Y", "XabcY|"),
            ("abc\x1b[D\x1b[D\x1b[C", "ab|c"),
            ("abc\x1b[1;5D\x1b[1;5D\x1b[D", "|abc"),
            ("one  two\x1bb\x1bb\x1bf", "one|  two"),
            ("one  two\x1bb", "one  |two"),
            ("one  two \x01\x1bf\x1bf", "one  two| "),
            ("漢字\x02", "漢|字"),
            ("e\u{301}a\x02\x02", "|e\u{301}a"),
            ("👨\u{200d}👩\u{200d}👧\x02x", "x|👨\u{200d}👩\u{200d}👧"),
            ("a\u{a0}\u{3000}b\x1bb", "a\u{a0}\u{3000}|b"),
        ] {
            assert_eq!(edit(&mut Editor::default(), keys), line, "{keys:?}");
        }
    }

    #[test]
    fn taking_away() {
        for (keys, line) in [
            ("abc\x7f", "ab|"),
            ("abc\x02\x7f", "a|c"),
            ("abc\x01\x1b[3~", "|bc"),
            ("abc\x01\x04", "|bc"),
            ("xe\u{301}\u{302}\x7f", "x|"),
            ("x👍🏽\x7f", "x|"),
            ("x🇩🇪\x7f", "x|"),
            ("x👨\u{200d}👩\u{200d}👧\x7f", "x|"),
            ("one two \x17", "one |"),
            ("one two\x1b\x7f\x1b\x7f", "|"),
            ("one two\x02\x17", "one |o"),
            ("one two\x01\x1bd", "| two"),
            ("one two\x1bb\x0b", "one |"),
            ("one two\x1bb\x15", "|two"),
        ] {
            assert_eq!(edit(&mut Editor::default(), keys), line, "{keys:?}");
        }
    }

    #[test]
    fn what_was_cut_comes_back() {
        for (keys, line) in [
            ("one two\x17\x01\x19", "two|one "),
            ("one two\x17\x17\x19", "one two|"),
            ("one two\x01\x1bd\x1bd\x19\x19", "one twoone two|"),
            ("one two\x1bb\x15\x0b\x19", "one two|"),
            ("one two\x17x\x17\x19", "one x|"),
        ] {
            assert_eq!(edit(&mut Editor::default(), keys), line, "{keys:?}");
        }
        assert_eq!(press(&mut Editor::default(), "\x19", &Names::default()), [Outcome::Refused]);
    }

    #[test]
    fn nothing_to_do_rings() {
        for keys in ["\x7f", "\x1b[3~", UP, DOWN, "\t", "a\x04"] {
            assert_eq!(press(&mut Editor::default(), keys, &Names::default()), [Outcome::Refused], "{keys:?}");
        }
    }

    #[test]
    fn wishes() {
        let wish = |keys| press(&mut Editor::default(), keys, &Names::default());
        assert_eq!(wish("\x03"), [Outcome::Leave]);
        assert_eq!(wish("half\x03"), [Outcome::Leave]);
        assert_eq!(wish("\x04"), [Outcome::Leave]);
        assert_eq!(wish("\x1a"), [Outcome::Suspend]);
        assert_eq!(wish("\x0c"), [Outcome::Clear]);
        assert_eq!(wish("hello\r"), [Outcome::Line("hello".into())]);
    }

    #[test]
    fn control_characters_do_not_get_in() {
        assert_eq!(edit(&mut Editor::default(), "\x1b[200~a\x07\u{9b}\u{202e}b\tc\x1b[201~"), "ab\tc|");
    }

    #[test]
    fn a_paste_of_several_lines_is_lines() {
        let mut editor = Editor::default();
        let outcomes = press(&mut editor, "so: \x1b[200~one\r\ntwo\n\nthr\x1b[201~ee", &Names::default());
        let lines = ["so: one", "two", ""].map(|line| Outcome::Line(line.into()));
        assert_eq!(outcomes, lines);
        assert_eq!(shown(&editor), "three|");
    }

    #[test]
    fn no_text_without_end() {
        let mut editor = Editor::default();
        let names = Names::default();
        let outcomes = (0..MAX_TEXT / 2 + 7).map(|_| editor.press(Key::Pasted('é'), &names));
        assert_eq!(outcomes.filter(|outcome| *outcome == Outcome::Refused).count(), 7);
        assert_eq!(editor.press(Key::KillWordLeft, &names), Outcome::Edited);
        assert_eq!(editor.press(Key::Yank, &names), Outcome::Edited);
        assert_eq!(editor.press(Key::Yank, &names), Outcome::Refused);
    }

    #[test]
    fn recall() {
        let mut editor = Editor::default();
        for line in ["one", "two", "two", "", "three"] {
            editor.remember(line);
        }
        assert_eq!(edit(&mut editor, "dra\x02"), "dr|a");
        assert_eq!(edit(&mut editor, UP), "three|");
        assert_eq!(edit(&mut editor, UP), "two|");
        assert_eq!(edit(&mut editor, UP), "one|");
        assert_eq!(edit(&mut editor, UP), "one|");
        assert_eq!(edit(&mut editor, DOWN), "two|");
        assert_eq!(edit(&mut editor, DOWN), "three|");
        assert_eq!(edit(&mut editor, DOWN), "dra|");
        assert_eq!(edit(&mut editor, DOWN), "dra|");
        assert_eq!(press(&mut editor, &format!("{UP}{UP}!\r"), &Names::default()), [Outcome::Line("two!".into())]);
        assert_eq!(edit(&mut editor, UP), "three|", "the recalled line itself stays as it was");
        for n in 0..2 * MAX_RECALL {
            editor.remember(&n.to_string());
        }
        assert_eq!(editor.recall.len(), MAX_RECALL);
    }

    fn heard(names: &[&str]) -> Names {
        let mut heard = Names::default();
        names.iter().for_each(|name| heard.hear(name));
        heard
    }

    /// Completes every line to what it is and one letter more, as far as three.
    struct OneMore;

    impl Complete for OneMore {
        fn completions(&self, before: &str) -> Option<Completions> {
            let candidates = vec![format!("{before}x")];
            (before.len() < 3).then_some(Completions { start: 0, candidates, goes_on: true })
        }
    }

    #[test]
    fn what_is_completed_in_part_goes_on_from_there() {
        let mut editor = Editor::default();
        for text in ["x|", "xx|", "xxx|"] {
            assert_eq!(editor.press(Key::Tab, &OneMore), Outcome::Edited);
            assert_eq!(shown(&editor), text);
        }
        assert_eq!(editor.press(Key::Tab, &OneMore), Outcome::Refused);
    }

    #[test]
    fn tab_goes_through_the_candidates() {
        let names = heard(&["Anna", "Bob", "Andy"]);
        let mut editor = Editor::default();
        let mut tab = |keys: &str| {
            press(&mut editor, keys, &names);
            shown(&editor)
        };
        assert_eq!(tab("hi an"), "hi an|");
        assert_eq!(tab("\t"), "hi Andy |");
        assert_eq!(tab("\t"), "hi Anna |");
        assert_eq!(tab("\t"), "hi an|");
        assert_eq!(tab("\t"), "hi Andy |");
        assert_eq!(tab("b\t"), "hi Andy Bob |");
        assert_eq!(tab(&format!("{LEFT}{LEFT}{LEFT}\t")), "hi Andy Bob |ob ", "only what is before the cursor counts");
        assert_eq!(tab(RIGHT), "hi Andy Bob o|b ");
    }
}
