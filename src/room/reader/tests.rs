use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, UNIX_EPOCH};

use futures_lite::future::{block_on, poll_once};

use super::*;
use crate::room::log::{Entry, Hears, Kind, Log, Size};
use crate::room::tests::{Socket, id, is_woken, read};

const ME: u64 = 1;
const OTHER: u64 = 2;

impl Reader {
    /// Whether the segment that this reader stands in is still in memory.
    pub(in crate::room) fn segment(&self) -> impl Fn() -> bool + use<> {
        self.cursor.as_ref().expect("it reads the log").segment()
    }
}

/// A log with one reader.
struct One {
    log: Log,
    handle: Handle,
    reader: Reader,
    total: Total,
}

impl One {
    fn new() -> One {
        let (log, total) = (Log::new(), Total::default());
        let filter = Filter { id: id(ME), hears: Hears::All };
        let (handle, reader) = new(filter, Some(log.cursor()), &total);
        One { log, handle, reader, total }
    }

    /// Somebody says so many whole lines at once, which are published.
    fn say(&mut self, text: &str, author: u64) {
        self.gather(text, author);
        self.log.publish();
    }

    /// The same, which gathers.
    fn gather(&mut self, text: &str, author: u64) {
        let entry = Entry { at: UNIX_EPOCH, kind: Kind::Said, author: Some(id(author)), unheard_by: None };
        self.log.append(text.as_bytes(), text.matches('\n').count() as u64, &entry);
    }

    fn put(&mut self, text: &str) {
        self.handle.put(self.log.head(), UNIX_EPOCH, text.into(), text.matches('\n').count() as u64);
    }

    fn end(&mut self, words: &str, end: End) {
        self.handle.end(self.log.head(), UNIX_EPOCH, words.into(), 1, end);
        self.handle.close();
    }

    fn reads(&mut self) -> String {
        read(&mut self.reader).0
    }

    /// Takes so many bytes, and no more.
    fn takes(&mut self, bytes: usize) -> String {
        let mut socket = Socket::new(bytes);
        assert_eq!(self.reader.write(&mut socket).unwrap(), Written::Part);
        socket.text()
    }

    fn lag(&self) -> (u64, u64) {
        let Size { lines, bytes } = self.handle.lag(self.log.head());
        (lines, bytes)
    }

    /// What direct messages take in memory, less what each takes besides its bytes.
    fn total(&self, directs: usize) -> usize {
        self.total.load(Relaxed) - directs * OVERHEAD
    }
}

#[test]
fn what_was_said_since_the_last_look_is_read_at_once_and_the_lag_tells_how_much_it_is() {
    let mut one = One::new();
    assert_eq!(one.lag(), (0, 0));
    one.say("a\n", OTHER);
    one.say("b\nc\n", OTHER);
    assert_eq!(one.lag(), (3, 6));
    assert_eq!(read(&mut one.reader), ("a\nb\nc\n".into(), Written::All));
    assert_eq!(one.lag(), (0, 0));
    assert_eq!(one.handle.taken(), 6);
    assert_eq!(one.reads(), "");
}

#[test]
fn what_gathers_counts_as_lag_and_is_read_when_it_is_published() {
    let mut one = One::new();
    one.gather("a\n", OTHER);
    assert_eq!((one.reads(), one.lag()), (String::new(), (1, 2)));
    one.log.publish();
    assert_eq!((one.reads(), one.lag()), ("a\n".into(), (0, 0)));
}

#[test]
fn ones_own_lines_are_passed_by_a_look_even_of_one_who_takes_nothing() {
    let mut one = One::new();
    for _ in 0..5000 {
        one.say("mine\n", ME);
    }
    assert_eq!(one.lag(), (5000, 25_000));
    assert_eq!(one.reader.write(&mut Socket::new(0)).unwrap(), Written::All);
    assert_eq!((one.lag(), one.handle.taken()), ((0, 0), 0));
    assert!(!one.handle.is_blocked());
}

#[test]
fn what_is_for_one_alone_keeps_its_place() {
    let mut one = One::new();
    one.put("-- first\n");
    one.say("a\n", OTHER);
    one.put("-- second\n");
    one.put("-- third\n");
    one.say("mine\n", ME);
    one.say("b\n", OTHER);
    assert_eq!(one.lag(), (6, 2 + 5 + 2 + 28));
    assert_eq!(one.handle.direct(), Size { lines: 3, bytes: 28 });
    assert_eq!(one.reads(), "-- first\na\n-- second\n-- third\nb\n");
    // It belongs behind what gathers.
    one.gather("c\n", OTHER);
    one.put("-- last\n");
    assert_eq!(one.reads(), "");
    one.log.publish();
    assert_eq!(one.reads(), "c\n-- last\n");
    assert_eq!((one.lag(), one.total(0)), ((0, 0), 0));
}

#[test]
fn who_does_not_read_the_log_yet_reads_what_is_for_them_alone_and_then_from_their_cursor_on() {
    let mut one = One::new();
    (one.handle, one.reader) = new(one.reader.filter, None, &one.total);
    one.say("before\n", OTHER);
    one.put("-- What's your name?\n");
    assert_eq!(one.reads(), "-- What's your name?\n");
    one.gather("gathers\n", OTHER);
    one.handle.follow(one.log.head(), UNIX_EPOCH, b"Welcome!\n".to_vec(), 1, one.log.cursor());
    assert_eq!(one.lag(), (1, 9));
    one.gather("after\n", OTHER);
    one.put("-- for you\n");
    one.log.publish();
    assert_eq!(one.takes(3), "Wel");
    assert_eq!(one.lag(), (3, 9 + 6 + 11));
    assert_eq!(one.reads(), "come!\nafter\n-- for you\n");
    assert_eq!(one.lag(), (0, 0));
}

/// Something happens in the room. Returns what the reader is to get of it.
fn anything(one: &mut One, n: usize, random: &mut fastrand::Rng) -> String {
    let text = format!("{n}{}\n", "x".repeat(n % 7));
    match random.u8(..8) {
        0 => one.say("not for me\n", ME),
        1 => one.gather("not for me\n", ME),
        2 | 3 => {
            one.put(&text);
            return text;
        }
        4 => {
            let block = format!("{text}{text}");
            one.say(&block, OTHER);
            return block;
        }
        _ => {
            one.gather(&text, OTHER);
            return text;
        }
    }
    String::new()
}

/// The lag is what is left, but for one's own lines, and a direct message that is written in part: it counts whole.
fn lag_is_right(one: &One, left: usize) {
    let (lag, left) = (one.lag().1 as usize, left + one.reader.written);
    assert!(lag >= left && (lag - left) % "not for me\n".len() == 0, "{lag} of {left}");
    assert_eq!(one.total(0) % OVERHEAD, one.handle.direct().bytes as usize % OVERHEAD);
}

#[test]
fn a_socket_that_takes_any_number_of_bytes_gets_every_byte_once() {
    for room in 1..=20 {
        let (mut random, mut one) = (fastrand::Rng::with_seed(room as u64), One::new());
        // Another reader, whose looks end segments.
        let mut other = new(Filter { id: id(9), hears: Hears::All }, Some(one.log.cursor()), &one.total).1;
        let mut whole = String::new();
        for n in 0..200 {
            whole += &anything(&mut one, n, &mut random);
            if random.bool() {
                read(&mut other);
            }
        }
        one.log.publish();
        let mut socket = Socket::new(room);
        while one.reader.write(&mut socket).unwrap() == Written::Part {
            assert!(one.handle.is_blocked());
            lag_is_right(&one, whole.len() - socket.taken.len());
            socket.room = room;
        }
        assert_eq!(String::from_utf8(socket.taken).unwrap(), whole);
        assert_eq!((one.lag(), one.total(0), one.handle.is_blocked()), ((0, 0), 0, false));
        assert_eq!(one.handle.taken(), whole.len() as u64);
    }
}

#[test]
fn whatever_happens_between_two_writes_every_byte_comes_once_and_in_order() {
    for seed in 0..300 {
        let (mut random, mut one) = (fastrand::Rng::with_seed(seed), One::new());
        let (mut socket, mut whole) = (Socket::new(0), String::new());
        for n in 0..200 {
            whole += &anything(&mut one, n, &mut random);
            if random.u8(..4) == 0 {
                socket.room = random.usize(..60);
                one.reader.write(&mut socket).unwrap();
                lag_is_right(&one, whole.len() - socket.taken.len());
            }
        }
        one.log.publish();
        assert_eq!(one.reader.write(&mut socket.taken).unwrap(), Written::All);
        assert_eq!(String::from_utf8(socket.taken).unwrap(), whole, "seed {seed}");
        assert_eq!((one.lag(), one.total(0)), ((0, 0), 0));
    }
}

#[test]
fn nothing_comes_after_the_last_words_which_come_once() {
    let mut one = One::new();
    one.say("a\n", OTHER);
    one.end("bye\n", End::Left);
    one.say("late\n", OTHER);
    for expected in ["a\nbye\n", "", ""] {
        assert_eq!(read(&mut one.reader), (expected.into(), Written::End(End::Left)));
        one.say("late\n", OTHER);
    }
    one.put("-- late\n");
    one.handle.end(one.log.head(), UNIX_EPOCH, b"again\n".to_vec(), 1, End::Closing);
    assert_eq!(read(&mut one.reader), (String::new(), Written::End(End::Left)));
    assert!(block_on(poll_once(one.reader.ending())).is_some());
}

#[test]
fn the_end_comes_after_all_that_was_published_before_it_however_little_is_taken() {
    let mut one = One::new();
    one.say("a\n", OTHER);
    one.end("bye\n", End::Closing);
    assert_eq!(one.takes(1), "a");
    assert_eq!(one.takes(3), "\nby");
    assert_eq!(read(&mut one.reader), ("e\n".into(), Written::End(End::Closing)));
}

#[test]
fn who_is_too_slow_gets_the_rest_of_a_line_and_the_last_words_alone() {
    // What is said in public, to the one alone, and to everybody again.
    const WHOLE: &str = "first\nsecond\nthird\ndirect\nmore\ndirect\nlast\n";
    for taken in 0..WHOLE.len() {
        let mut one = One::new();
        one.say("first\nsecond\n", OTHER);
        one.say("mine\n", ME);
        one.say("third\n", OTHER);
        one.put("direct\nmore\n");
        one.put("direct\n");
        one.say("last\n", OTHER);
        assert_eq!(one.takes(taken), WHOLE[..taken]);
        let between = taken == 0 || WHOLE[..taken].ends_with('\n');
        let rest = WHOLE[taken..].split_inclusive('\n').next().filter(|_| !between).unwrap_or_default();
        one.end("too slow\n", End::TooSlow);
        let written = read(&mut one.reader);
        assert_eq!(written, (format!("{rest}too slow\n"), Written::End(End::TooSlow)), "{taken}");
        assert_eq!(one.total(0), 0);
    }
}

#[test]
fn who_is_too_slow_holds_nothing_of_the_log_from_their_next_look_on() {
    let mut one = One::new();
    one.say("a\n", OTHER);
    assert_eq!(one.takes(1), "a");
    let kept = one.reader.segment();
    for _ in 0..9 {
        one.say("b\n", OTHER);
        read(&mut new(Filter { id: id(9), hears: Hears::All }, Some(one.log.cursor()), &one.total).1);
    }
    assert!(kept());
    one.end("too slow\n", End::TooSlow);
    assert_eq!(one.reader.write(&mut Socket::new(0)).unwrap(), Written::Part);
    assert!(!kept());
}

#[test]
fn who_skips_goes_on_from_there_and_the_lost_lines_are_counted_once() {
    let mut one = One::new();
    one.say("a\n", OTHER);
    assert_eq!(one.reads(), "a\n");
    one.say("b\nc\n", OTHER);
    one.put("-- kept\n");
    one.say("d\n", OTHER);
    one.handle.skip(one.log.head(), one.log.cursor());
    one.say("e\n", OTHER);
    assert_eq!(one.handle.behind(one.log.head()), Size { lines: 1, bytes: 2 });
    assert_eq!(one.reads(), "-- kept\ne\n");
    assert_eq!((one.reader.take_lost(), one.reader.take_lost()), (3, 0));
    assert_eq!(one.lag(), (0, 0));
    one.handle.lose(2);
    assert_eq!(one.reader.take_lost(), 2);
}

#[test]
fn who_is_to_skip_twice_before_they_look_loses_each_line_once() {
    let mut one = One::new();
    for text in ["a\n", "b\n"] {
        one.say(text, OTHER);
        one.handle.skip(one.log.head(), one.log.cursor());
    }
    one.say("c\n", OTHER);
    assert_eq!((one.reads(), one.reader.take_lost()), ("c\n".into(), 2));
}

#[test]
fn what_is_skipped_is_known_before_the_next_look() {
    let mut one = One::new();
    one.say("a\n", OTHER);
    one.handle.skip(one.log.head(), one.log.cursor());
    one.say("b\n", OTHER);
    assert_eq!(one.reader.take_lost(), 1);
    assert_eq!((one.reads(), one.reader.take_lost()), ("b\n".into(), 0));
}

#[test]
fn who_is_parked_holds_nothing_of_what_they_are_made_to_skip_and_else_goes_on_where_they_were() {
    let mut one = One::new();
    let says = |one: &mut One, text: &str| {
        one.say(text, OTHER);
        // A look of somebody else, which seals.
        read(&mut new(Filter { id: id(9), hears: Hears::All }, Some(one.log.cursor()), &one.total).1);
    };
    says(&mut one, "a\n");
    assert_eq!(one.reads(), "a\n");
    let kept = one.reader.segment();
    one.reader.park();
    says(&mut one, "b\n");
    assert_eq!((one.lag(), one.reads(), one.reader.take_lost()), ((1, 2), "b\n".into(), 0));
    let kept_too = one.reader.segment();
    one.reader.park();
    says(&mut one, "c\n");
    one.reader.park();
    assert!(!kept() && kept_too());
    says(&mut one, "d\n");
    one.handle.skip(one.log.head(), one.log.cursor());
    assert!(!kept_too());
    one.reader.park();
    says(&mut one, "e\n");
    assert_eq!((one.reads(), one.reader.take_lost(), one.lag()), ("e\n".into(), 2, (0, 0)));
}

#[test]
fn what_is_put_after_its_reader_is_gone_is_given_back_when_the_room_lets_it_go() {
    let mut one = One::new();
    one.put("-- written in part\n");
    one.put("-- taken in\n");
    one.takes(5);
    one.put("-- not taken in\n");
    let One { log, mut handle, reader, total } = one;
    drop(reader);
    handle.put(log.head(), UNIX_EPOCH, b"-- late\n".to_vec(), 1);
    assert_eq!(total.load(Relaxed), 2 * OVERHEAD + "-- not taken in\n-- late\n".len());
    drop(handle);
    assert_eq!(total.load(Relaxed), 0);
}

#[test]
fn what_is_private_is_counted_until_it_is_written_whole() {
    let mut one = One::new();
    one.put("-- one\n");
    one.put("-- two\n");
    assert_eq!((one.total(2), one.handle.memory()), (14, 14 + 2 * OVERHEAD as u64));
    one.takes(3);
    assert_eq!((one.total(2), one.lag()), (14, (2, 14)));
    one.takes(7);
    assert_eq!((one.total(1), one.lag()), (7, (1, 7)));
    one.reads();
    assert_eq!((one.total(0), one.handle.memory()), (0, 0));
}

#[test]
fn an_idle_reader_holds_no_buffer() {
    let mut one = One::new();
    (0..99).for_each(|_| one.put("-- for you\n"));
    one.takes(5);
    assert!(one.reader.directs.capacity() >= 99);
    one.reads();
    assert_eq!(one.reader.directs.capacity(), 0);
    assert_eq!(one.reader.shared.incoming().directs.capacity(), 0);
}

#[test]
fn who_is_woken_several_times_looks_once() {
    let mut one = One::new();
    one.say("a\n", OTHER);
    (0..3).for_each(|_| one.handle.notify());
    assert!(is_woken(&one.reader) && !is_woken(&one.reader));
    assert_eq!(one.reads(), "a\n");
    one.handle.skip(one.log.head(), one.log.cursor());
    assert!(is_woken(&one.reader));
    one.end("bye\n", End::Left);
    assert!(is_woken(&one.reader) && is_woken(&one.reader), "its end is to be read");
}

#[test]
fn who_is_watched_is_told_so_once() {
    let mut one = One::new();
    assert!(!one.reader.was_watched());
    one.handle.watch();
    assert!(one.reader.was_watched() && !one.reader.was_watched());
}

#[test]
fn no_write_is_larger_than_may_be() {
    #[derive(Default)]
    struct Sizes(Vec<usize>);
    impl Write for Sizes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }
        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.push(slices.iter().map(|slice| slice.len()).sum());
            Ok(self.0[self.0.len() - 1])
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let long = format!("{}\n", "x".repeat(20 * 1024));
    // One run; several, which are no single run because of one's own line; what is for it alone.
    for own in [false, true] {
        let mut one = One::new();
        one.say(&long, OTHER);
        if own {
            one.say("mine\n", ME);
            one.say(&long, OTHER);
            one.put(&long);
        }
        let mut sizes = Sizes::default();
        assert_eq!(one.reader.write(&mut sizes).unwrap(), Written::All);
        assert!(sizes.0.iter().all(|size| *size <= MAX_WRITE), "{:?}", sizes.0);
        assert_eq!(sizes.0.iter().sum::<usize>(), long.len() * if own { 3 } else { 1 });
    }
}

#[test]
fn an_interrupted_write_is_tried_again_and_any_other_error_is_passed_on() {
    struct Fails(Vec<io::ErrorKind>);
    impl Write for Fails {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.pop().map_or(Ok(bytes.len()), |kind| Err(kind.into()))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut one = One::new();
    one.say("a\n", OTHER);
    let broken = one.reader.write(&mut Fails(vec![io::ErrorKind::BrokenPipe, io::ErrorKind::Interrupted]));
    assert_eq!(broken.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(one.lag(), (1, 2), "and nothing counts as written");
    let full = one.reader.write(&mut [0u8; 0].as_mut_slice());
    assert_eq!(full.unwrap_err().kind(), io::ErrorKind::WriteZero);
    assert_eq!(one.reads(), "a\n");
}

#[test]
fn entries_are_handed_over_with_their_times_up_to_about_so_many_bytes() {
    let mut one = One::new();
    one.put("-- passed over\n");
    for n in 0..9 {
        let at = UNIX_EPOCH + Duration::from_secs(n);
        one.log.append(b"0123456789\n", 1, &Entry { at, kind: Kind::News, author: None, unheard_by: None });
        one.log.publish();
        if n == 4 {
            one.put("-- passed over\n");
        }
    }
    one.handle.end(one.log.head(), UNIX_EPOCH, Vec::new(), 0, End::Closing);
    let mut times = Vec::new();
    for (expected, written) in [(4, Written::Part), (8, Written::Part), (9, Written::End(End::Closing))] {
        let each = |at: SystemTime, text: &[u8]| {
            assert_eq!(text, b"0123456789\n");
            times.push(at.duration_since(UNIX_EPOCH).unwrap().as_secs());
        };
        assert_eq!(one.reader.entries(40, each), written);
        assert_eq!(times.len(), expected);
        assert_eq!(one.handle.behind(one.log.head()).lines, 9 - expected as u64);
    }
    assert_eq!(times, (0..9).collect::<Vec<_>>());
    assert_eq!((one.lag(), one.total(0)), ((0, 0), 0));
}
