//! Bytes from a terminal to keys: UTF-8, control characters, escape sequences, bracketed paste.
//!
//! Knows nothing of what a key does to a line. It has no clock: an Escape is held until the next byte shows whether it
//! began a sequence. Nobody notices that, because Escape by itself has no use here.

/// A key that was pressed, or a character that was pasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// A character was typed.
    Char(char),
    /// A character was pasted. `'\n'` stands for every kind of line end.
    Pasted(char),
    Enter,
    Tab,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    WordLeft,
    WordRight,
    Backspace,
    Delete,
    KillWordLeft,
    KillWordRight,
    KillToStart,
    KillToEnd,
    Yank,
    /// Ctrl-L.
    Clear,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
    /// Ctrl-Z.
    Suspend,
}

/// More parameter bytes than any key has. Those beyond are dropped.
const MAX_PARAMETERS: usize = 16;

/// A decoder that gets what was read, in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    state: State,
    /// The unfinished UTF-8 character.
    partial: Vec<u8>,
    /// The parameters of the unfinished control sequence.
    parameters: Vec<u8>,
    /// Whether what comes is pasted (xterm's bracketed paste).
    pasting: bool,
    /// Whether the last pasted byte was a CR. An LF after it belongs to the same line end.
    after_cr: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After ESC `[`.
    Control,
    /// After ESC `O`: cursor keys in application mode, F1 to F4.
    Single,
    /// After ESC `[[`: the Linux console's function keys, one byte more.
    Console,
}

impl Keys {
    /// Returns the keys that `bytes` complete, in order.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = Vec::new();
        for &byte in bytes {
            self.byte(byte, &mut keys);
        }
        keys
    }

    /// Decodes one byte.
    fn byte(&mut self, byte: u8, keys: &mut Vec<Key>) {
        match self.state {
            State::Ground => self.ground(byte, keys),
            State::Escape => {
                self.state = State::Ground;
                match byte {
                    b'[' => {
                        self.parameters.clear();
                        self.state = State::Control;
                    }
                    b'O' => self.state = State::Single,
                    0x1b => self.state = State::Escape,
                    b'b' => self.push(Key::WordLeft, keys),
                    b'f' => self.push(Key::WordRight, keys),
                    b'd' => self.push(Key::KillWordRight, keys),
                    0x7f | 0x08 => self.push(Key::KillWordLeft, keys),
                    _ => self.ground(byte, keys),
                }
            }
            State::Control => match byte {
                b'[' if self.parameters.is_empty() => self.state = State::Console,
                0x20..=0x3f => {
                    if self.parameters.len() < MAX_PARAMETERS {
                        self.parameters.push(byte);
                    }
                }
                0x40..=0x7e => {
                    self.state = State::Ground;
                    self.control(byte, keys);
                }
                _ => {
                    self.state = State::Ground;
                    self.ground(byte, keys);
                }
            },
            State::Single => {
                self.state = State::Ground;
                match byte {
                    b'A'..=b'D' | b'F' | b'H' => {
                        self.parameters.clear();
                        self.control(byte, keys);
                    }
                    b'M' => self.push(Key::Enter, keys),
                    // Ctrl with a cursor key on rxvt.
                    b'c' => self.push(Key::WordRight, keys),
                    b'd' => self.push(Key::WordLeft, keys),
                    _ => {}
                }
            }
            State::Console => self.state = State::Ground,
        }
    }

    /// Decodes a byte outside of any sequence.
    fn ground(&mut self, byte: u8, keys: &mut Vec<Key>) {
        if byte < 0x80 && !self.partial.is_empty() {
            self.partial.clear();
            self.char(char::REPLACEMENT_CHARACTER, keys);
        }
        if byte == 0x1b {
            self.state = State::Escape;
        } else if self.pasting && byte < 0x80 {
            let again = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            match byte {
                b'\r' | b'\n' if again => {}
                b'\r' | b'\n' => keys.push(Key::Pasted('\n')),
                _ => keys.push(Key::Pasted(char::from(byte))),
            }
        } else if byte < 0x80 {
            keys.extend(typed(byte));
        } else {
            self.utf8(byte, keys);
        }
    }

    /// Decodes a byte of a UTF-8 character of several bytes.
    fn utf8(&mut self, byte: u8, keys: &mut Vec<Key>) {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let whole = text.chars().next();
                self.partial.clear();
                whole.into_iter().for_each(|c| self.char(c, keys));
            }
            // The character is not complete yet.
            Err(error) if error.error_len().is_none() => {}
            Err(_) => {
                let started = self.partial.len() > 1;
                self.partial.clear();
                self.char(char::REPLACEMENT_CHARACTER, keys);
                // The byte that does not belong to this character may begin the next one.
                if started {
                    self.utf8(byte, keys);
                }
            }
        }
    }

    /// Adds a character.
    fn char(&mut self, c: char, keys: &mut Vec<Key>) {
        self.after_cr = false;
        keys.push(if self.pasting { Key::Pasted(c) } else { Key::Char(c) });
    }

    /// Adds a key that came as a sequence. Inside a paste it is a part of the pasted text, and no key.
    fn push(&mut self, key: Key, keys: &mut Vec<Key>) {
        if !self.pasting {
            keys.push(key);
        }
    }

    /// Decodes a whole control sequence (ECMA-48 5.4) that ends in `last`.
    fn control(&mut self, last: u8, keys: &mut Vec<Key>) {
        let parameters = std::str::from_utf8(&self.parameters).unwrap_or_default();
        let mut numbers = parameters.split(';').map(|number| number.parse::<u16>().unwrap_or(0));
        let first = numbers.next().unwrap_or(0);
        // xterm sends one more than the sum of 1 for shift, 2 for alt and 4 for ctrl.
        let modified = numbers.next().is_some_and(|sum| sum.saturating_sub(1) & 6 != 0);
        match (last, first) {
            (b'A', _) => self.push(Key::Up, keys),
            (b'B', _) => self.push(Key::Down, keys),
            (b'C', _) if modified => self.push(Key::WordRight, keys),
            (b'D', _) if modified => self.push(Key::WordLeft, keys),
            (b'C', _) => self.push(Key::Right, keys),
            (b'D', _) => self.push(Key::Left, keys),
            (b'H', _) | (b'~', 1 | 7) => self.push(Key::Home, keys),
            (b'F', _) | (b'~', 4 | 8) => self.push(Key::End, keys),
            (b'~', 3) if modified => self.push(Key::KillWordRight, keys),
            (b'~', 3) => self.push(Key::Delete, keys),
            (b'~', 200) => {
                self.pasting = true;
                self.after_cr = false;
            }
            (b'~', 201) => self.pasting = false,
            _ => {}
        }
    }
}

/// Returns the key that an ASCII byte is, if it is one.
fn typed(byte: u8) -> Option<Key> {
    /// Returns what a terminal sends for Ctrl with a letter.
    const fn ctrl(letter: u8) -> u8 {
        letter & 0x1f
    }
    const A: u8 = ctrl(b'a');
    const B: u8 = ctrl(b'b');
    const C: u8 = ctrl(b'c');
    const D: u8 = ctrl(b'd');
    const E: u8 = ctrl(b'e');
    const F: u8 = ctrl(b'f');
    const H: u8 = ctrl(b'h');
    const K: u8 = ctrl(b'k');
    const L: u8 = ctrl(b'l');
    const N: u8 = ctrl(b'n');
    const P: u8 = ctrl(b'p');
    const U: u8 = ctrl(b'u');
    const W: u8 = ctrl(b'w');
    const Y: u8 = ctrl(b'y');
    const Z: u8 = ctrl(b'z');
    Some(match byte {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x7f | H => Key::Backspace,
        A => Key::Home,
        B => Key::Left,
        C => Key::Interrupt,
        D => Key::EndOfInput,
        E => Key::End,
        F => Key::Right,
        K => Key::KillToEnd,
        L => Key::Clear,
        N => Key::Down,
        P => Key::Up,
        U => Key::KillToStart,
        W => Key::KillWordLeft,
        Y => Key::Yank,
        Z => Key::Suspend,
        b' '..=b'~' => Key::Char(char::from(byte)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        Keys::default().decode(bytes)
    }

    fn text(bytes: &[u8]) -> String {
        keys(bytes)
            .iter()
            .map(|key| match key {
                Key::Char(c) | Key::Pasted(c) => *c,
                other => panic!("{other:?} is no character"),
            })
            .collect()
    }

    #[test]
    fn characters_of_every_length() {
        assert_eq!(text("aé漢👍".as_bytes()), "aé漢👍");
        assert_eq!(text(b"a\xffb\xc3(\xe6\xbcc"), "a\u{fffd}b\u{fffd}(\u{fffd}c");
        assert_eq!(text(b"\xf0\x9f\xc3\xa9"), "\u{fffd}é");
    }

    #[test]
    fn the_pieces_do_not_matter() {
        let all = "é\x1b[1;5C\x1b[200~a\r\nb\x1b[201~漢\x1bOH\x1b[3~\x1bb\x03".as_bytes();
        let whole = keys(all);
        let mut decoder = Keys::default();
        let single: Vec<Key> = all.iter().flat_map(|byte| decoder.decode(&[*byte])).collect();
        assert_eq!(single, whole);
        assert_eq!(
            whole,
            [
                Key::Char('é'),
                Key::WordRight,
                Key::Pasted('a'),
                Key::Pasted('\n'),
                Key::Pasted('b'),
                Key::Char('漢'),
                Key::Home,
                Key::Delete,
                Key::WordLeft,
                Key::Interrupt
            ]
        );
    }

    #[test]
    fn the_same_key_on_different_terminals() {
        for (key, sequences) in [
            (Key::Up, &["\x1b[A", "\x1bOA", "\x10"][..]),
            (Key::Down, &["\x1b[B", "\x1bOB", "\x0e"]),
            (Key::Left, &["\x1b[D", "\x1bOD", "\x02", "\x1b[1;2D"]),
            (Key::Right, &["\x1b[C", "\x1bOC", "\x06"]),
            (Key::Home, &["\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~", "\x01"]),
            (Key::End, &["\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~", "\x05"]),
            (Key::WordLeft, &["\x1b[1;5D", "\x1b[1;3D", "\x1bb", "\x1bOd"]),
            (Key::WordRight, &["\x1b[1;5C", "\x1b[1;3C", "\x1bf", "\x1bOc"]),
            (Key::Backspace, &["\x7f", "\x08"]),
            (Key::Delete, &["\x1b[3~"]),
            (Key::KillWordLeft, &["\x17", "\x1b\x7f", "\x1b\x08"]),
            (Key::KillWordRight, &["\x1bd", "\x1b[3;5~"]),
            (Key::Enter, &["\r", "\n", "\x1bOM"]),
        ] {
            for sequence in sequences {
                assert_eq!(keys(sequence.as_bytes()), [key], "{sequence:?}");
            }
        }
    }

    #[test]
    fn an_unknown_sequence_leaves_nothing() {
        for sequence in ["\x1b[5~", "\x1b[15;2~", "\x1b[[A", "\x1bOP", "\x1b[<0;1;2M", "\x1b[Z", "\x1c", "\x00"] {
            assert_eq!(text(format!("{sequence}x").as_bytes()), "x", "{sequence:?}");
        }
        let endless = format!("\x1b[{}mx", "1;".repeat(1000));
        assert_eq!(text(endless.as_bytes()), "x");
    }

    #[test]
    fn escape_by_itself_loses_no_letter() {
        assert_eq!(text(b"\x1bx"), "x");
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Up]);
        assert_eq!(keys(b"\x1b[\x03"), [Key::Interrupt]);
    }

    #[test]
    fn in_a_paste_nothing_is_a_key() {
        let pasted = keys(b"\x1b[200~a\tb\x03\x1b[Ac\r\rd\r\ne\nf\x1b[201~\x03");
        let typed: String = pasted
            .iter()
            .map_while(|key| match key {
                Key::Pasted(c) => Some(*c),
                _ => None,
            })
            .collect();
        assert_eq!(typed, "a\tb\x03c\n\nd\ne\nf");
        assert_eq!(pasted.last(), Some(&Key::Interrupt));
    }
}
