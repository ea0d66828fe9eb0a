//! The window: the typed line is on its bottom rows, and the conversation scrolls above it. Between them there may be a
//! row that says what is under way.
//!
//! Pure: what is to be shown goes in, the bytes for the terminal come out. Knows nothing of keys, colours or who says
//! what. It uses what every terminal since the VT100 understands (and CHA, ECMA-48 8.3.9). It never uses the alternate
//! screen, so that the conversation stays in the scrollback.

use super::clusters::{clusters, is_disputed, width};

/// Shown before the typed line.
const PROMPT: &str = "> ";

/// In a narrower window there is no prompt, because it would fill much of it.
const MIN_COLUMNS_FOR_PROMPT: usize = 10;

/// In a window of fewer rows nothing stands above the typed line.
const MIN_ROWS_FOR_STATUS: usize = 3;

/// What is known of the window: its size, what was drawn last, and where the cursor is in that.
#[derive(Debug)]
pub(crate) struct Screen {
    columns: usize,
    rows: usize,
    /// What is under way. Empty if nothing is.
    status: String,
    drawn: Option<Drawn>,
    output: String,
}

/// The status and the typed line as they are drawn in the window.
#[derive(Debug, Default, PartialEq, Eq)]
struct Drawn {
    /// How many columns of each row are filled.
    widths: Vec<usize>,
    /// The row and the column of the cursor.
    row: usize,
    column: usize,
}

/// The typed line cut into rows.
#[derive(Debug, Default)]
struct Layout {
    rows: Vec<Row>,
    row: usize,
    column: usize,
}

#[derive(Debug, Default)]
struct Row {
    /// The text, with sequences that correct the column where terminals disagree.
    text: String,
    width: usize,
}

impl Screen {
    /// Makes a window of this size. The cursor must be at the start of an empty row.
    pub(crate) fn new(columns: usize, rows: usize) -> Screen {
        let (columns, rows) = (columns.max(1), rows.max(1));
        Screen { columns, rows, status: String::new(), drawn: None, output: String::new() }
    }

    /// Sets what is under way. It is shown above the typed line when that is next drawn.
    pub(crate) fn set_status(&mut self, status: &str) {
        status.clone_into(&mut self.status);
    }

    /// Returns the bytes for the terminal since the last time.
    pub(crate) fn take_output(&mut self) -> String {
        std::mem::take(&mut self.output)
    }

    /// Shows a line of the conversation. The typed line must be drawn again after it.
    ///
    /// The terminal itself wraps the line, so that it can be copied whole and is wrapped anew when the window changes.
    pub(crate) fn show(&mut self, line: &str) {
        self.erase();
        self.output.push_str(line);
        self.output.push_str("\r\n");
    }

    /// Draws the typed line, in place of what was drawn before.
    ///
    /// If the text has more rows than the window, the part around the cursor is shown.
    pub(crate) fn draw(&mut self, text: &str, cursor: usize) {
        self.erase();
        let layout = lay_out(text, cursor, self.columns);
        let status = self.status_row();
        let space = self.rows - status.iter().len();
        let hidden = (layout.row + 1).saturating_sub(space);
        let typed = &layout.rows[hidden..layout.rows.len().min(hidden + space)];
        let rows: Vec<&Row> = status.iter().chain(typed).collect();
        // The terminal must not wrap here, because a character may be wider than expected.
        self.output.push_str("\x1b[?7l");
        for (at, row) in rows.iter().enumerate() {
            self.output.push_str(if at == 0 { "" } else { "\r\n" });
            self.output.push_str(&row.text);
        }
        self.output.push_str("\x1b[?7h");
        let row = layout.row - hidden + status.iter().len();
        self.up(rows.len() - 1 - row);
        self.output.push_str(&to_column(layout.column));
        let widths = rows.iter().map(|row| row.width).collect();
        self.drawn = Some(Drawn { widths, row, column: layout.column });
    }

    /// Erases what was drawn. The cursor is then at the start of an empty row.
    pub(crate) fn erase(&mut self) {
        if let Some(drawn) = self.drawn.take() {
            self.up(drawn.row);
            self.output.push_str("\r\x1b[J");
        }
    }

    /// Keeps what was drawn, and moves the cursor below it.
    pub(crate) fn keep(&mut self) {
        if let Some(drawn) = self.drawn.take() {
            let below = drawn.widths.len() - 1 - drawn.row;
            (0..=below).for_each(|_| self.output.push_str("\r\n"));
        }
    }

    /// Empties the window.
    pub(crate) fn clear(&mut self) {
        self.drawn = None;
        self.output.push_str("\x1b[H\x1b[2J");
    }

    /// Rings the bell.
    pub(crate) fn ring(&mut self) {
        self.output.push('\x07');
    }

    /// Adapts to a new size of the window. The typed line must be drawn again after it.
    ///
    /// In a narrower window today's terminals break each row that no longer fits. So the cursor is on a later row than
    /// before, counted from the first row of the typed line.
    pub(crate) fn resize(&mut self, columns: usize, rows: usize) {
        self.columns = columns.max(1);
        self.rows = rows.max(1);
        if let Some(drawn) = &mut self.drawn {
            let above = &drawn.widths[..drawn.row];
            let broken: usize = above.iter().map(|width| width.div_ceil(self.columns).max(1)).sum();
            let row = broken + drawn.column / self.columns;
            *drawn = Drawn { widths: vec![0; row + 1], row, column: drawn.column % self.columns };
        }
    }

    /// Returns what is under way, as much of it as fits into a row.
    fn status_row(&self) -> Option<Row> {
        if self.status.is_empty() || self.rows < MIN_ROWS_FOR_STATUS {
            return None;
        }
        let mut layout = Layout { rows: vec![Row::default()], ..Layout::default() };
        for cluster in clusters(&self.status) {
            layout.make_room(width(cluster), self.columns);
            if layout.rows.len() > 1 {
                break;
            }
            layout.push(cluster, self.columns);
        }
        layout.rows.into_iter().next()
    }

    /// Moves the cursor up.
    fn up(&mut self, rows: usize) {
        if rows > 0 {
            self.output.push_str(&format!("\x1b[{rows}A"));
        }
    }
}

/// Returns the sequence that moves the cursor into a column, counted from 0.
fn to_column(column: usize) -> String {
    format!("\x1b[{}G", column + 1)
}

/// Cuts the prompt and the text into rows of at most `columns`, and finds the cursor in them.
fn lay_out(text: &str, cursor: usize, columns: usize) -> Layout {
    let mut layout = Layout { rows: vec![Row::default()], ..Layout::default() };
    if columns >= MIN_COLUMNS_FOR_PROMPT {
        clusters(PROMPT).for_each(|cluster| layout.push(cluster, columns));
    }
    let mut at = 0;
    for cluster in clusters(text) {
        layout.make_room(width(cluster), columns);
        if at == cursor {
            layout.put_cursor();
        }
        layout.push(cluster, columns);
        at += cluster.len();
    }
    if cursor >= at {
        layout.make_room(1, columns);
        layout.put_cursor();
    }
    layout
}

impl Layout {
    /// Returns the last row.
    fn last(&self) -> &Row {
        self.rows.last().expect("a layout begins with one row and loses none")
    }

    /// Begins a new row if the last one has no space for so many columns.
    fn make_room(&mut self, width: usize, columns: usize) {
        if self.last().width > 0 && self.last().width + width > columns {
            self.rows.push(Row::default());
        }
    }

    /// Puts the cursor where the next cluster will be.
    fn put_cursor(&mut self) {
        self.row = self.rows.len() - 1;
        self.column = self.last().width;
    }

    /// Adds a cluster to the last row.
    fn push(&mut self, cluster: &str, columns: usize) {
        let row = self.rows.last_mut().expect("a layout begins with one row and loses none");
        row.text.push_str(if cluster == "\t" { " " } else { cluster });
        row.width = (row.width + width(cluster)).min(columns);
        if is_disputed(cluster) && row.width < columns {
            // Moves back to where the cluster should have ended, and erases what is beyond it.
            row.text.push_str(&to_column(row.width));
            row.text.push_str("\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::emulator::Emulator;
    use super::*;

    /// A window and the terminal that it is shown on.
    struct Pair {
        screen: Screen,
        terminal: Emulator,
    }

    impl Pair {
        fn new(columns: usize, rows: usize) -> Pair {
            Pair { screen: Screen::new(columns, rows), terminal: Emulator::new(columns, rows) }
        }

        fn draw(&mut self, text: &str, cursor: usize) -> &mut Pair {
            self.screen.draw(text, cursor);
            self.flush()
        }

        fn say(&mut self, line: &str, text: &str, cursor: usize) -> &mut Pair {
            self.screen.show(line);
            self.draw(text, cursor)
        }

        fn resize(&mut self, columns: usize, rows: usize) -> &mut Pair {
            self.terminal.resize(columns, rows);
            self.screen.resize(columns, rows);
            self
        }

        fn flush(&mut self) -> &mut Pair {
            self.terminal.feed(self.screen.take_output().as_bytes());
            self
        }

        #[track_caller]
        fn shows(&mut self, window: &str, cursor: (usize, usize)) -> &mut Pair {
            assert_eq!(self.terminal.window(), window);
            assert_eq!(self.terminal.cursor(), cursor, "cursor in {window:?}");
            self
        }
    }

    #[test]
    fn what_is_typed_stands_below_what_is_said() {
        let mut pair = Pair::new(20, 4);
        pair.draw("", 0).shows("> ", (0, 2));
        pair.draw("half", 4).shows("> half", (0, 6));
        pair.say("Bob: hi", "half", 4).shows("Bob: hi\n> half", (1, 6));
        pair.say("Bob: a line as long as this one", "half", 2);
        pair.shows("Bob: hi\nBob: a line as long \nas this one\n> half", (3, 4));
        pair.say("Bob: so", "half", 0).shows("Bob: a line as long \nas this one\nBob: so\n> half", (3, 2));
        assert_eq!(pair.terminal.everything(), "Bob: hi\nBob: a line as long \nas this one\nBob: so\n> half");
    }

    #[test]
    fn a_line_that_fills_the_row_exactly() {
        let mut pair = Pair::new(10, 5);
        pair.say("0123456789", "12345678", 8).shows("0123456789\n> 12345678\n", (2, 0));
        pair.draw("12345678", 7).shows("0123456789\n> 12345678", (1, 9));
        pair.draw("123456789", 8).shows("0123456789\n> 12345678\n9", (2, 0));
        pair.say("x", "123456789", 9).shows("0123456789\nx\n> 12345678\n9", (3, 1));
        pair.draw("", 0).shows("0123456789\nx\n> ", (2, 2));
    }

    #[test]
    fn wide_characters_are_not_cut_in_two() {
        let mut pair = Pair::new(11, 4);
        pair.draw("漢字漢字漢", 12).shows("> 漢字漢字\n漢", (1, 0));
        pair.draw("漢字漢字漢", 15).shows("> 漢字漢字\n漢", (1, 2));
        pair.draw("漢字漢字漢", 9).shows("> 漢字漢字\n漢", (0, 8));
        pair.draw("e\u{301}x", 3).shows("> e\u{301}x", (0, 3));
        pair.draw("a\tb", 2).shows("> a b", (0, 4));
    }

    #[test]
    fn emoji_that_terminals_disagree_about_do_not_shift_the_rest() {
        // The emulator adds up code points, as xterm does: it draws six columns where two are meant.
        let family = "👨\u{200d}👩\u{200d}👧";
        let mut pair = Pair::new(20, 4);
        pair.draw(&format!("{family}abc"), family.len() + 1);
        pair.shows("> 👨\u{200d}abc", (0, 5));
        pair.draw(&format!("1234567890123456{family}abc"), 16);
        assert_eq!(pair.terminal.cursor(), (0, 18));
        assert!(pair.terminal.window().ends_with("\nabc"), "{:?}", pair.terminal.window());
    }

    #[test]
    fn a_line_of_more_rows_than_the_window_shows_the_part_at_the_cursor() {
        let mut pair = Pair::new(10, 3);
        let text = "aaaaaaaabbbbbbbbbbccccccccccdddddddddde";
        pair.say("said", text, text.len()).shows("cccccccccc\ndddddddddd\ne", (2, 1));
        pair.draw(text, 0).shows("> aaaaaaaa\nbbbbbbbbbb\ncccccccccc", (0, 2));
        pair.draw(text, 20).shows("> aaaaaaaa\nbbbbbbbbbb\ncccccccccc", (2, 2));
        pair.say("more", "short", 5);
        assert_eq!(pair.terminal.everything(), "said\nmore\n> short");
    }

    #[test]
    fn what_is_under_way_stands_above_what_is_typed() {
        let mut pair = Pair::new(10, 4);
        pair.say("hi", "half", 4).screen.set_status("漢字: 50 % of 2 MB");
        pair.draw("half", 2).shows("hi\n漢字: 50 %\n> half", (2, 4));
        pair.say("more", "half a line", 11).shows("more\n漢字: 50 %\n> half a l\nine", (3, 3));
        // The typed line gives way.
        pair.draw(&"x".repeat(40), 40).shows("漢字: 50 %\nxxxxxxxxxx\nxxxxxxxxxx\nxx", (3, 2));
        pair.draw("half", 4).resize(5, 4).draw("half", 4).shows("漢字:\nhalf", (1, 4));
        pair.resize(10, 2).draw("half", 4);
        pair.screen.set_status("");
        pair.resize(10, 4).draw("half", 4);
        assert_eq!(pair.terminal.everything(), "hi\nmore\n> half");
    }

    #[test]
    fn a_narrower_window() {
        let mut pair = Pair::new(20, 6);
        pair.say("Bob: hi", "a line of two rows, really", 26);
        pair.shows("Bob: hi\n> a line of two rows\n, really", (2, 8));
        pair.resize(12, 6).draw("a line of two rows, really", 26);
        pair.shows("Bob: hi\n> a line of \ntwo rows, re\nally", (3, 4));
        pair.resize(5, 6).draw("a line of two rows, really", 26);
        assert_eq!(pair.terminal.everything().matches("hi").count(), 1);
        pair.resize(30, 6).draw("a line of two rows, really", 26);
        pair.shows("> a line of two rows, really", (0, 28));
        assert_eq!(pair.terminal.everything(), "Bob: hi\n> a line of two rows, really");
    }

    #[test]
    fn the_smallest_windows() {
        for (columns, rows) in [(1, 1), (2, 1), (1, 3), (3, 2), (0, 0)] {
            let mut pair = Pair::new(columns.max(1), rows.max(1));
            pair.screen.resize(columns, rows);
            pair.say("hi", "a漢👍🏽b", 1).draw("a漢👍🏽b", 4).draw("", 0).say("x", "", 0);
            assert_eq!(pair.terminal.cursor().1, 0);
        }
    }

    #[test]
    fn how_it_ends() {
        let mut pair = Pair::new(10, 6);
        pair.say("hi", "half a line", 3);
        pair.screen.keep();
        pair.flush().shows("hi\n> half a l\nine\n", (3, 0));
        pair.draw("gone", 2);
        pair.screen.erase();
        pair.flush().shows("hi\n> half a l\nine\n", (3, 0));
        pair.draw("gone", 2);
        pair.screen.clear();
        pair.draw("on", 2).shows("> on", (0, 4));
    }

    /// A long random session with everything in it. Nothing said is lost or shown twice, and nothing typed remains.
    #[test]
    fn a_long_session() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut pair = Pair::new(30, 8);
        let (mut said, mut typed) = (Vec::new(), String::new());
        for step in 0..600 {
            match random.u8(..10) {
                0 => {
                    let line = format!("{step}:{}", "said ".repeat(random.usize(..12)));
                    pair.screen.show(&line);
                    said.push(line.trim_end().to_owned());
                }
                1 if random.u8(..4) == 0 => {
                    pair.resize(8 + random.usize(..40), 8 + random.usize(..10));
                }
                // Longer ones would not fit into the smallest window when it has broken them.
                2 if typed.chars().count() > 20 => typed.clear(),
                3 => typed.push('漢'),
                4 => typed.push('é'),
                _ => typed.push('~'),
            }
            let places: Vec<usize> = typed.char_indices().map(|(at, _)| at).chain([typed.len()]).collect();
            let cursor = places[random.usize(..places.len())];
            pair.draw(&typed, cursor);
            let rows = pair.terminal.lines();
            let shown: Vec<&str> = rows.iter().map(|line| line.trim_end()).take(said.len()).collect();
            assert_eq!(shown, said, "step {step}");
            let prompt = if pair.screen.columns < MIN_COLUMNS_FOR_PROMPT { "" } else { PROMPT };
            assert_eq!(rows[said.len()..].concat(), format!("{prompt}{typed}"), "step {step}");
        }
    }
}
