use super::*;
use crate::room::tests::id;

const ALL: u64 = u64::MAX;

fn entry(author: Option<u64>, without: &[u64]) -> Entry {
    let without: Arc<[Id]> = without.iter().map(|n| id(*n)).collect();
    let without = (!without.is_empty()).then_some(without);
    Entry { at: SystemTime::UNIX_EPOCH, kind: Kind::Said, author: author.map(id), unheard_by: without }
}

fn filter(n: u64) -> Filter {
    Filter { id: id(n), hears: Hears::All }
}

/// Appends a line, and its end.
fn say(log: &mut Log, text: &str, author: Option<u64>) -> Option<usize> {
    log.append(format!("{text}\n").as_bytes(), 1, &entry(author, &[]))
}

/// What reader `n` gets from here up to a position, in the pieces in which it gets it.
fn runs_to(cursor: &Cursor, n: u64, end: u64) -> Vec<String> {
    let mut walk = cursor.walk();
    std::iter::from_fn(|| walk.run(filter(n), end)).map(|run| String::from_utf8(run.to_vec()).unwrap()).collect()
}

fn runs(cursor: &Cursor, n: u64) -> Vec<String> {
    runs_to(cursor, n, ALL)
}

/// The cursor after so many bytes of what reader `n` gets first.
fn advanced(cursor: &Cursor, n: u64, bytes: usize) -> Cursor {
    let mut walk = cursor.walk();
    let run = walk.run(filter(n), ALL).unwrap();
    walk.back(run.len() - bytes);
    walk.cursor()
}

impl Cursor {
    /// Whether the segment that this stands in is still in memory, the cursor itself aside.
    pub(in crate::room) fn segment(&self) -> impl Fn() -> bool + use<> {
        let segment = Arc::downgrade(&self.segment);
        move || segment.strong_count() > 0
    }
}

#[test]
fn neighbouring_entries_are_one_run_and_ones_own_are_left_out() {
    let mut log = Log::new();
    let cursor = log.cursor();
    for (text, author) in [("a", 1), ("b", 2), ("c", 1), ("d", 3)] {
        say(&mut log, text, Some(author));
    }
    log.publish();
    for (n, expected) in [(1, ["b\n", "d\n"].as_slice()), (2, &["a\n", "c\nd\n"]), (3, &["a\nb\nc\n"])] {
        assert_eq!(runs(&cursor, n), expected);
    }
    assert_eq!(runs(&cursor, 9), ["a\nb\nc\nd\n"]);
    assert_eq!(runs(&cursor, 9), ["a\nb\nc\nd\n"], "a look changes nothing");
}

#[test]
fn who_ignores_the_author_is_left_out_and_so_is_news_for_whoever_wants_none() {
    let mut log = Log::new();
    let cursor = log.cursor();
    log.append(b"a\n", 1, &entry(Some(1), &[2, 3]));
    log.append(b"b\n", 1, &Entry { kind: Kind::News, ..entry(Some(4), &[]) });
    log.append(b"c\n", 1, &entry(None, &[]));
    log.publish();
    for (n, expected) in [(1, "b\nc\n"), (2, "b\nc\n"), (3, "b\nc\n"), (9, "a\nb\nc\n")] {
        assert_eq!(runs(&cursor, n).concat(), expected, "{n}");
    }
    let mut walk = cursor.walk();
    let only_said = Filter { hears: Hears::Said, ..filter(9) };
    let runs: Vec<&[u8]> = std::iter::from_fn(|| walk.run(only_said, ALL)).collect();
    assert_eq!(runs, [b"a\n", b"c\n"]);
}

#[test]
fn what_is_not_published_is_read_by_nobody() {
    let mut log = Log::new();
    let cursor = log.cursor();
    assert_eq!(say(&mut log, "a", None), Some(1));
    assert_eq!(say(&mut log, "b", None), Some(2));
    assert!(runs(&cursor, 9).is_empty());
    assert!(log.publish() && !log.publish());
    assert_eq!(log.last_published(), 2);
    assert_eq!(runs(&cursor, 9), ["a\nb\n"]);
}

#[test]
fn what_nobody_has_looked_at_is_added_to_and_the_first_look_seals_it() {
    let mut log = Log::new();
    let cursor = log.cursor();
    say(&mut log, "a", None);
    log.publish();
    assert_eq!(say(&mut log, "b", None), None, "published with what was published before");
    assert_eq!(log.last_published(), 2);
    assert_eq!(runs(&cursor, 9), ["a\nb\n"]);
    assert_eq!(say(&mut log, "c", None), Some(1), "to be published");
    assert_eq!(runs(&cursor, 9), ["a\nb\n"]);
    log.publish();
    assert_eq!(runs(&cursor, 9), ["a\nb\n", "c\n"]);
}

#[test]
fn a_cursor_that_is_made_while_lines_gather_stands_just_behind_them() {
    let mut log = Log::new();
    for published in [false, true] {
        say(&mut log, "before", None);
        if published {
            log.publish();
        }
        let cursor = log.cursor();
        assert_eq!(cursor.position(), log.head().bytes);
        assert!(runs(&cursor, 9).is_empty());
        say(&mut log, "after", None);
        log.publish();
        assert_eq!(runs(&cursor, 9), ["after\n"]);
        assert_eq!(cursor.rest_of_line(), b"", "it is between two lines");
    }
}

#[test]
fn a_reader_stops_at_the_end_that_it_is_given() {
    let mut log = Log::new();
    let cursor = log.cursor();
    for text in ["a", "b"] {
        say(&mut log, text, None);
        log.publish();
        runs(&cursor, 9);
    }
    let end = log.head().bytes;
    say(&mut log, "c", None);
    log.publish();
    assert_eq!(runs_to(&cursor, 9, end), ["a\n", "b\n"]);
    assert_eq!(runs_to(&cursor, 9, 2), ["a\n"]);
    assert!(runs_to(&cursor, 9, 0).is_empty());
}

#[test]
fn a_segment_takes_no_more_than_it_may_and_an_entry_that_is_larger_has_one_to_itself() {
    let mut log = Log::new();
    let (cursor, lines) = (log.cursor(), MAX_SEGMENT.lines);
    (0..lines).for_each(|n| assert_eq!(say(&mut log, "", None), Some(n as usize + 1)));
    // Full: what gathered is published by what is appended next.
    assert_eq!(say(&mut log, "next", None), Some(1));
    assert_eq!(log.last_published(), lines as usize);
    let larger = "x".repeat(MAX_SEGMENT.bytes as usize + 1);
    assert_eq!(say(&mut log, &larger, None), Some(1));
    assert_eq!(say(&mut log, "last", None), Some(1));
    log.publish();
    let expected = ["\n".repeat(lines as usize), "next\n".into(), larger + "\n", "last\n".into()];
    assert!(runs(&cursor, 9) == expected);
    assert_eq!(log.head(), Size { lines: lines + 3, bytes: expected.concat().len() as u64 });
}

#[test]
fn an_entry_of_many_lines_is_passed_when_its_last_byte_is() {
    let mut log = Log::new();
    let cursor = log.cursor();
    log.append(b"one\ntwo\n", 2, &entry(None, &[]));
    log.append(b"three\n", 1, &entry(Some(1), &[]));
    log.publish();
    for (bytes, lines, rest) in
        [(0, 0, ""), (1, 0, "ne\n"), (3, 0, "\n"), (4, 0, ""), (6, 0, "o\n"), (8, 2, ""), (9, 2, "hree\n")]
    {
        let cursor = advanced(&cursor, 9, bytes);
        assert_eq!(cursor.passed(), Size { lines, bytes: bytes as u64 });
        assert_eq!(cursor.rest_of_line(), rest.as_bytes());
        assert_eq!(runs(&cursor, 9).concat(), "one\ntwo\nthree\n"[bytes..]);
    }
    let cursor = advanced(&cursor, 9, 14);
    assert_eq!((cursor.passed(), cursor.rest_of_line()), (log.head(), b"".as_slice()));
    say(&mut log, "four", None);
    log.publish();
    let cursor = advanced(&cursor, 9, 2);
    assert_eq!(cursor.passed(), Size { lines: 3, bytes: 16 });
    assert_eq!(runs(&cursor, 9), ["ur\n"]);
}

#[test]
fn entries_come_one_by_one_with_their_time() {
    let mut log = Log::new();
    let cursor = log.cursor();
    log.append(b"one\ntwo\n", 2, &entry(Some(1), &[]));
    let later = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    log.append(b"three\n", 1, &Entry { at: later, ..entry(Some(2), &[]) });
    log.publish();
    let entries = |n| {
        let mut walk = cursor.walk();
        std::iter::from_fn(|| walk.entry(filter(n), u64::MAX)).map(|(entry, text)| (entry.at, text)).collect::<Vec<_>>()
    };
    assert_eq!(entries(9), [(SystemTime::UNIX_EPOCH, b"one\ntwo\n".as_slice()), (later, b"three\n")]);
    assert_eq!(entries(1), [(later, b"three\n".as_slice())]);
}

#[test]
fn what_everybody_has_read_is_forgotten() {
    let mut log = Log::new();
    let mut cursors = [log.cursor(), log.cursor()];
    say(&mut log, "a", None);
    log.publish();
    let kept = advanced(&cursors[0], 9, 0).segment();
    for cursor in &mut cursors {
        say(&mut log, "b", None);
        log.publish();
        assert!(kept());
        let mut walk = cursor.walk();
        while walk.run(filter(9), ALL).is_some() {}
        *cursor = walk.cursor();
    }
    assert!(!kept());
}

#[test]
fn a_long_chain_of_segments_is_dropped_without_overflowing_the_stack() {
    let mut log = Log::new();
    let (cursor, other) = (log.cursor(), log.cursor());
    for _ in 0..100_000 {
        say(&mut log, "x", None);
        log.publish();
        log.last.seal();
    }
    let mut walk = cursor.walk();
    let read: usize = std::iter::from_fn(|| walk.run(filter(9), ALL)).map(<[u8]>::len).sum();
    assert_eq!(read, 200_000);
    // Part of it is still somebody's.
    let middle = advanced(&cursor, 9, 2);
    let kept = middle.segment();
    drop((cursor, other, log));
    assert!(kept());
    std::thread::Builder::new().stack_size(64 * 1024).spawn(move || drop(middle)).unwrap().join().unwrap();
    assert!(!kept());
}

#[test]
fn an_amount_is_more_than_another_if_either_measure_is() {
    let limit = Size { lines: 2, bytes: 20 };
    for (lines, bytes, exceeds) in [(2, 20, false), (3, 0, true), (0, 21, true), (0, 0, false)] {
        assert_eq!(Size { lines, bytes }.exceeds(limit), exceeds);
    }
    assert_eq!(Size { lines: 1, bytes: 30 }.max(limit), Size { lines: 2, bytes: 30 });
    assert_eq!(Size { lines: 1, bytes: 30 } - limit, Size { lines: 0, bytes: 10 });
    assert_eq!(limit.half(), Size { lines: 1, bytes: 10 });
}

/// What each of several readers gets of a log, however it is read, is what a plain list says.
#[test]
fn whatever_is_said_and_read_in_any_order_each_gets_each_line_once() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut log = Log::new();
        let mut readers: Vec<(Cursor, String, String)> = Vec::new();
        for turn in 0..300 {
            match random.u8(..10) {
                0..5 => {
                    let (author, without) = (random.u64(1..5), random.u64(1..5));
                    let text = format!("{turn}{}\n", "x".repeat(random.usize(..200)));
                    log.append(text.as_bytes(), 1, &entry(Some(author), &[without]));
                    for (n, (_, expected, _)) in readers.iter_mut().enumerate() {
                        if ![author, without].contains(&(n as u64 + 1)) {
                            expected.push_str(&text);
                        }
                    }
                }
                5 => _ = log.publish(),
                6 if readers.len() < 5 => readers.push((log.cursor(), String::new(), String::new())),
                _ if readers.is_empty() => {}
                _ => {
                    let n = random.usize(..readers.len());
                    let (cursor, _, got) = &mut readers[n];
                    let mut walk = cursor.walk();
                    if let Some(run) = walk.run(filter(n as u64 + 1), ALL) {
                        let back = random.usize(..=run.len());
                        walk.back(back);
                        got.push_str(std::str::from_utf8(&run[..run.len() - back]).unwrap());
                    }
                    *cursor = walk.cursor();
                    assert_eq!(cursor.passed().bytes, cursor.position());
                }
            }
        }
        log.publish();
        for (n, (cursor, expected, got)) in readers.iter_mut().enumerate() {
            *got += &runs(cursor, n as u64 + 1).concat();
            assert_eq!(got, expected, "seed {seed}, reader {n}");
        }
    }
}
