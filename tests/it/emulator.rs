//! A small terminal emulator: bytes go in, the contents of its window come out. For tests that check what a person
//! sees.
//!
//! It knows what the client sends and nothing more; any other sequence fails the test. Like xterm it adds up the widths
//! of code points, and like most others it breaks and joins wrapped lines when its width changes.

use unicode_width::UnicodeWidthChar;

pub(crate) struct Emulator {
    columns: usize,
    rows: usize,
    /// Everything from the first row on; the window is the last `rows` of it.
    lines: Vec<Line>,
    top: usize,
    row: usize,
    column: usize,
    /// The last column has been written, and the next character goes to the next row.
    wrapping: bool,
    pub(crate) wraps: bool,
    /// The beginning of a character or a sequence.
    partial: Vec<u8>,
    pub(crate) bells: usize,
    pub(crate) bracketed_paste: bool,
    /// Anything was in colour, dim, bold.
    pub(crate) painted: bool,
    /// How many escape sequences have come.
    pub(crate) sequences: usize,
}

#[derive(Clone, Default)]
struct Line {
    /// What each column shows; the second half of a wide character is empty.
    cells: Vec<String>,
    /// It goes on in the next row.
    wrapped: bool,
}

impl Emulator {
    pub(crate) fn new(columns: usize, rows: usize) -> Emulator {
        Emulator {
            columns,
            rows,
            lines: vec![Line::default()],
            top: 0,
            row: 0,
            column: 0,
            wrapping: false,
            wraps: true,
            partial: Vec::new(),
            bells: 0,
            bracketed_paste: false,
            painted: false,
            sequences: 0,
        }
    }

    /// What the window shows, row by row, without the empty rows at its end and without blanks that nobody wrote.
    pub(crate) fn window(&self) -> String {
        self.text_from(self.top)
    }

    /// The window, and what has scrolled out of it.
    pub(crate) fn everything(&self) -> String {
        self.text_from(0)
    }

    /// Everything, with rows that were wrapped joined to the lines they were.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        for line in &self.lines {
            let last = lines.last_mut().expect("there is one");
            last.push_str(&line.cells.concat());
            if !line.wrapped {
                lines.push(String::new());
            }
        }
        lines.pop();
        lines
    }

    /// The cursor's row in the window, and its column, from 0.
    pub(crate) fn cursor(&self) -> (usize, usize) {
        (self.row - self.top, self.column)
    }

    fn text_from(&self, first: usize) -> String {
        let last = self.lines.iter().rposition(|line| !line.cells.is_empty()).map_or(0, |at| at + 1).max(self.row + 1);
        let rows = self.lines[first..last].iter().map(|line| line.cells.concat());
        rows.collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.partial.push(byte);
            match std::str::from_utf8(&self.partial) {
                Ok(text) if text.starts_with('\x1b') => self.sequence(),
                Ok(text) => {
                    let char = text.chars().next().expect("one byte was pushed");
                    self.partial.clear();
                    self.char(char);
                }
                Err(error) => assert!(error.error_len().is_none(), "not UTF-8: {:?}", self.partial),
            }
        }
    }

    fn char(&mut self, char: char) {
        match char {
            '\r' => (self.column, self.wrapping) = (0, false),
            '\n' => self.down(),
            '\x07' => self.bells += 1,
            // As the line discipline echoes it.
            '\x08' => self.column = self.column.saturating_sub(1),
            '\t' => (0..8 - self.column % 8).for_each(|_| self.put(' ')),
            _ => self.put(char),
        }
    }

    fn down(&mut self) {
        self.wrapping = false;
        self.row += 1;
        if self.row == self.lines.len() {
            self.lines.push(Line::default());
        }
        self.top = self.top.max((self.row + 1).saturating_sub(self.rows));
    }

    fn put(&mut self, char: char) {
        let width = char.width().unwrap_or_else(|| panic!("control character {char:?}")).min(self.columns);
        if width == 0 {
            let before = if self.wrapping { self.column } else { self.column.saturating_sub(1) };
            let cells = &mut self.lines[self.row].cells;
            let base = (0..=before).rev().find(|&at| cells.get(at).is_some_and(|cell| !cell.is_empty()));
            base.into_iter().for_each(|at| cells[at].push(char));
            return;
        }
        if self.wrapping || self.column + width > self.columns {
            if self.wraps {
                self.lines[self.row].wrapped = true;
                self.down();
                self.column = 0;
            } else {
                self.column = self.columns - width;
            }
        }
        let cells = &mut self.lines[self.row].cells;
        if cells.len() < self.column + width {
            cells.resize(self.column + width, " ".to_owned());
        }
        cells[self.column] = char.to_string();
        cells[self.column + 1..self.column + width].iter_mut().for_each(String::clear);
        // What is left of a wide character that was half written over is blank.
        if let Some(half) = cells.get_mut(self.column + width).filter(|cell| cell.is_empty()) {
            half.push(' ');
        }
        self.column += width;
        if self.column >= self.columns {
            self.column = self.columns - 1;
            self.wrapping = self.wraps;
        }
    }

    /// Carries out the sequence in `partial` if it is whole.
    fn sequence(&mut self) {
        let [0x1b, b'[', parameters @ .., last @ 0x40..=0x7e] = &self.partial[..] else {
            assert!(self.partial.len() < 20 && matches!(self.partial.get(1), None | Some(b'[')), "{:?}", self.partial);
            return;
        };
        let (parameters, last) = (String::from_utf8_lossy(parameters).into_owned(), *last);
        self.partial.clear();
        self.sequences += 1;
        let number = parameters.parse::<usize>().unwrap_or(0);
        if last != b'm' {
            self.wrapping = false;
        }
        match (last, parameters.as_str()) {
            (b'A', _) => self.row = self.row.saturating_sub(number.max(1)).max(self.top),
            (b'G', _) => self.column = (number.max(1) - 1).min(self.columns - 1),
            (b'H', "") => (self.row, self.column) = (self.top, 0),
            (b'J', "") => {
                self.lines[self.row].cells.truncate(self.column);
                self.lines[self.row].wrapped = false;
                self.lines.truncate(self.row + 1);
            }
            (b'J', "2") => self.lines[self.top..].fill(Line::default()),
            (b'K', "") => self.lines[self.row].cells.truncate(self.column),
            (b'm', _) => self.painted |= !parameters.is_empty(),
            (b'h', "?7") => self.wraps = true,
            (b'l', "?7") => self.wraps = false,
            (b'h', "?2004") => self.bracketed_paste = true,
            (b'l', "?2004") => self.bracketed_paste = false,
            _ => panic!("the client sends no ESC [ {parameters} {}", char::from(last)),
        }
    }

    /// The window changes its size: lines are broken and joined anew, and the cursor stays at its character.
    pub(crate) fn resize(&mut self, columns: usize, rows: usize) {
        let (mut lines, mut cursor) = (Vec::new(), (0, 0));
        let mut joined: Vec<String> = Vec::new();
        let mut cursor_at = None;
        for (at, line) in std::mem::take(&mut self.lines).into_iter().enumerate() {
            if at == self.row {
                cursor_at = Some(joined.len() + self.column);
            }
            joined.extend(line.cells);
            if line.wrapped {
                continue;
            }
            let first = lines.len();
            let mut starts = vec![0];
            let mut row = Line::default();
            for (place, cell) in joined.drain(..).enumerate() {
                let start = *starts.last().expect("there is one");
                let wide = !cell.is_empty() && cell.chars().next().and_then(|c| c.width()) == Some(2);
                if place - start + usize::from(wide) >= columns && place > start {
                    lines.push(Line { wrapped: true, ..std::mem::take(&mut row) });
                    starts.push(place);
                }
                row.cells.push(cell);
            }
            lines.push(row);
            if let Some(place) = cursor_at.take() {
                let row = starts.iter().rposition(|&start| start <= place).expect("the first starts at 0");
                cursor = (first + row + (place - starts[row]) / columns, (place - starts[row]) % columns);
            }
        }
        (self.row, self.column) = cursor;
        while lines.len() <= self.row {
            lines.push(Line::default());
        }
        let end = lines.iter().rposition(|line: &Line| !line.cells.is_empty()).map_or(0, |at| at + 1).max(self.row + 1);
        lines.truncate(end);
        (self.lines, self.columns, self.rows, self.wrapping) = (lines, columns, rows, false);
        self.top = end.saturating_sub(rows).min(self.row);
    }
}
