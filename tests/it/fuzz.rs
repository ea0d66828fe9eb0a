//! Fuzzing: a seeded generator makes the worst bytes that a client can send. What the decoder and the session make of
//! them is compared with a second implementation of the contract (`reference`), and with what must always hold.
//!
//! Not cargo-fuzz: that needs a nightly compiler, and these run with every other test, for a second each. For longer:
//!
//! `DYNASTI_FUZZ_SECONDS=600 cargo test --release --test it fuzz -- --nocapture --test-threads=1`
//!
//! A failure prints the seed of its case; with `DYNASTI_FUZZ_SEED` the test begins with that case.

use crate::random::{Chance, number_from};
use crate::reference::{Said, clean as reference_clean, is_forbidden, said as reference_said};
use dynasti::access::session::{Act, Beginning, MAX_TRIES, Session, Step};
use dynasti::text::line::{Decoder, Input, Line, MAX_LINE, clean};
use dynasti::text::message::Message;
use dynasti::text::name::{Key, Name};
use fastrand::Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Runs cases one after another until the time is over, each from a seed of its own.
#[expect(clippy::print_stdout)]
fn fuzz(what: &str, case: impl Fn(&mut Rng)) {
    let seconds = number_from("DYNASTI_FUZZ_SECONDS");
    // Without being asked for more, the same cases every time: a commit's tests say the same tomorrow.
    let first = number_from("DYNASTI_FUZZ_SEED").unwrap_or_else(|| seconds.map_or(1, |_| fastrand::u64(..)));
    let (begun, end) = (Instant::now(), Duration::from_secs(seconds.unwrap_or(1)));
    let mut seed = first;
    while begun.elapsed() < end {
        // A case is a few microseconds; to look at the clock for each would be most of them.
        for _ in 0..100 {
            let passed = catch_unwind(AssertUnwindSafe(|| case(&mut Rng::with_seed(seed)))).is_ok();
            assert!(passed, "fuzzing {what} failed as told above; this case again: DYNASTI_FUZZ_SEED={seed}");
            seed = seed.wrapping_add(1);
        }
    }
    let cases = seed.wrapping_sub(first);
    println!("fuzzed {what}: {cases} cases in {} s from seed {first}, no finding", begun.elapsed().as_secs());
}

// ---------------------------------------------------------------------------------------------------------------
// The generator

/// What a decoder may trip over: line ends, telnet, escapes, UTF-8 in pieces, what the contract names.
#[rustfmt::skip]
const PARTS: [&[u8]; 72] = [
    b"\n", b"\n", b"\r\n", b"\r\0\n", b"\r", b"\0", b"\r\r\n", b"\r\0", b"\n\n", b"\t", b"\x07", b"\x08", b"\x7f",
    b"\xff", b"\xff\xff", b"\xff\xfd", b"\xff\xfb", b"\xff\xfe\x01", b"\xff\xfc", b"\xff\xfd\x06", b"\xff\xfb\x18",
    b"\xff\xfa", b"\xff\xfa\x18\0x", b"\xff\xf0", b"\xff\xf4", b"\xff\xf1", b"\xff\xec", b"\xff\xeb", b"\xff\xfd\n",
    b"\xff\xfb\xff", b"\xff\xfa\x1f\0\x0a\0", b"\xfa", b"\xf0", b"\xfd",
    b"\x1b", b"\x1b[", b"\x1b]", b"\x1b\\", b"\x1bP", b"\x1b_", b"\x1bO", b"\x1b[[", b"\x1b(", b"\x1b[?1049h",
    b"\x1b]0;title\x07", b"[31m", b"31;1", b"m", b"[", b"\x18", b"\x1a",
    b"\xc2\x9b", b"\xc2\x9d", b"\xc2\x9c", b"\xc2\x90", b"\xc2", b"\x9b", b"\xe2\x80", b"\xe2\x80\xae",
    b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xf3\xa0\x81\x81", b"\xf0\x9f", b"\x99\x82", b"\xf0\x9f\x99\x82",
    b"\xe2\x80\x8d", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"e\xcc\x81", b"text", b" ",
];

/// What a session listens for, and what names are made of.
#[rustfmt::skip]
const WORDS: [&str; 60] = [
    "Ann", "bob", "Ann Lee", "\u{ff21}nn", "server", "[SERVER]", "SYSTEM", "you", "all", "has joined the chat",
    " has left the chat.", "is now known as", "a", "-", "_x", ".", "9", "x.y", "\u{430}nn", "\u{391}", "\u{5d0}\u{5b0}",
    "\u{3164}", "\u{115f}", "\u{200b}", "\u{200d}", "\u{301}", "n\u{303}", "\u{1d400}", "\u{e0041}", "\u{130}", "\u{df}",
    "/who", "/WHO", "/help", "/quit", "/me waves", "/me", "/msg ", "/msg Ann hi", "/reply yes", "/nick ", "/nick Zoe",
    "/history", "/history 9", "/history 99999999999999999999", "/history -1", "/ignore Ann", "/ignore", "//", "//who",
    "/", "/nope", "GET / HTTP/1.1", "SSH-2.0-x", " HTTP/", ": ", "\u{a0}", "\u{3000}", "  ", "-- ",
];

/// Runs of one thing, about as long as something may be.
fn run(random: &mut Rng, bytes: &mut Vec<u8>) {
    let about = random.pick(&[16, 24, 40, 327, MAX_LINE / 3, MAX_LINE, MAX_LINE, 16_384, 65_536]);
    let length = (about + random.usize(..7)).saturating_sub(4);
    let what: &[u8] = match random.usize(..10) {
        0 => b"\xff\xff",
        1 => b"\xff\xfd\x01",
        2 => b"\xff\xf1",
        3 => "é".as_bytes(),
        4 => b"\x1b",
        5 => b"\xfe",
        _ => b"x",
    };
    bytes.extend(what.iter().cycle().take(length));
}

/// Any character; most from where the trouble is.
fn char(random: &mut Rng) -> char {
    let end = random.pick(&[0x20, 0x80, 0xa0, 0x250, 0x800, 0x2100, 0x1_0000, 0xe_0100, 0x11_0000]);
    char::from_u32(random.usize(..end) as u32).unwrap_or('\u{202e}')
}

/// What some client might send.
pub(crate) fn sent(random: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    let kind = random.usize(..4);
    for _ in 0..random.usize(..40) {
        match random.usize(..12) {
            0 => bytes.push(random.u8(..)),
            1 => bytes.extend(char(random).encode_utf8(&mut [0; 4]).bytes()),
            2 if random.one_in(30) => run(random, &mut bytes),
            2..=4 if kind > 0 => bytes.extend(random.pick(&WORDS).bytes()),
            5 => bytes.push(b'\n'),
            _ if kind == 3 => bytes.extend(random.pick(&WORDS).bytes()),
            _ => bytes.extend_from_slice(random.pick(&PARTS)),
        }
    }
    // A line that was right until one byte of it was lost, doubled or turned.
    if !bytes.is_empty() && random.one_in(3) {
        let at = random.usize(..bytes.len());
        match random.usize(..3) {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, bytes[at]),
            _ => bytes[at] ^= 1 << random.usize(..8),
        }
    }
    bytes
}

/// How it may arrive: in pieces, every byte of it.
pub(crate) fn pieces<'a>(random: &mut Rng, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let longest = random.pick(&[1, 2, 9, 100, 16_384, usize::MAX]);
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let longest = longest.min(bytes.len());
        let (piece, rest) = bytes.split_at(1 + random.usize(..longest));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

// ---------------------------------------------------------------------------------------------------------------
// Lines

fn owned(input: Input<'_>) -> Said {
    match input {
        Input::Line(line) => Said::Line(line.as_str().to_owned()),
        Input::TooLong => Said::TooLong,
        Input::Telnet(refusal) => Said::Telnet(refusal),
        Input::Endless => Said::Endless,
    }
}

fn decoded(pieces: &[&[u8]]) -> Vec<Said> {
    let mut decoder = Decoder::default();
    let mut said = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(next) = decoder.next(&mut input) {
            said.push(owned(next));
        }
        assert!(input.is_empty(), "{} bytes are left, and nothing to say about them", input.len());
    }
    said.extend(decoder.end().map(owned));
    assert_eq!(decoder.end().map(owned), None, "the end comes once");
    said
}

fn assert_clean(text: &str) {
    assert!(!text.contains(is_forbidden), "{text:?}");
    assert_eq!(clean(text), text, "cleaned once more");
}

#[test]
fn lines_are_what_the_contract_says_however_they_arrive() {
    fuzz("lines", |random| {
        let bytes = sent(random);
        let expected = reference_said(&bytes);
        let pieces = pieces(random, &bytes);
        for decoded in [decoded(&[&bytes]), decoded(&pieces)] {
            assert!(
                decoded == expected,
                "from \"{}\"\n  in pieces of {:?}\n  came {decoded:?}\n   not {expected:?}",
                bytes.escape_ascii(),
                pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(),
            );
        }
        for line in &expected {
            let Said::Line(line) = line else { continue };
            assert!(line.len() <= 3 * MAX_LINE);
            assert_clean(line);
        }
    });
}

#[test]
fn cleaning_any_text_is_what_the_contract_says_and_is_done_once() {
    fuzz("cleaning", |random| {
        let text: String = match random.usize(..3) {
            0 => (0..random.usize(..30)).map(|_| char(random)).collect(),
            1 => String::from_utf8_lossy(&sent(random)).into_owned(),
            // Sequences over and in one another.
            _ => {
                let parts: Vec<char> = "\x1b[]P\\m0; ?\x07\x18\u{9b}\u{9d}\u{9c}\u{90}x\u{202e}".chars().collect();
                (0..random.usize(..30)).map(|_| random.pick(&parts)).collect()
            }
        };
        let cleaned = clean(&text);
        assert_eq!(cleaned, reference_clean(&text), "from {text:?}");
        assert_clean(&cleaned);
    });
}

// ---------------------------------------------------------------------------------------------------------------
// Sessions

/// What goes to the wire or to a terminal is whole lines, clean, and no longer than an answer has to be; or three bytes
/// of telnet.
fn assert_sayable(message: &Message) {
    let bytes = message.bytes();
    if let [255, 252 | 254, _] = bytes {
        return;
    }
    let text = std::str::from_utf8(bytes).expect("what is said is UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    assert_eq!(text.matches('\n').count(), message.lines(), "{text:?}");
    for line in text.split_terminator('\n') {
        assert!(!line.is_empty());
        assert_clean(line);
    }
    // The longest line, its author's name and some words; only help is more than a line.
    assert!(text.len() <= 3 * MAX_LINE + 256, "{} bytes", text.len());
}

/// The contract's rules of names that can be told without tables.
fn assert_name(name: &Name) {
    let text = name.as_str();
    let length = text.chars().count();
    assert!((1..=24).contains(&length), "{text:?}");
    assert!(text.starts_with(char::is_alphanumeric), "{text:?}");
    assert_eq!(text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "), text);
    assert!(!text.chars().any(|c| is_forbidden(c) || (c.is_whitespace() && c != ' ')), "{text:?}");
    let punctuation = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !" _-.'".contains(c);
    assert!(!text.contains(punctuation), "{text:?}");
    let cyrillic_or_greek = |c: char| matches!(c, '\u{370}'..='\u{52f}' | '\u{1f00}'..='\u{1fff}');
    assert!(!text.contains(cyrillic_or_greek) || !text.contains(|c: char| c.is_ascii_alphabetic()), "{text:?}");
    let key = name.key();
    for reserved in ["server", "system", "operator", "admin", "dynasti", "everyone", "all", "you"] {
        assert!(key != Key::of(reserved), "{text:?}");
    }
    assert_clean(text);
    assert_eq!(Name::parse(text).expect("what was a name is one").key(), key);
}

/// A line that goes on to the room: a part of what was typed, and clean.
fn assert_part(line: &Line<'_>, typed: &str) {
    assert!(typed.ends_with(line.as_str()), "{:?} of {typed:?}", line.as_str());
    assert_clean(line);
}

#[test]
fn a_session_says_nothing_unclean_and_keeps_its_rules_whatever_is_typed() {
    fuzz("sessions", |random| {
        let mut bytes = sent(random);
        if random.one_in(2) {
            bytes.splice(..0, *b"Ann\n");
        }
        let (mut decoder, mut session) = (
            Decoder::default(),
            Session::new(Beginning { guests: random.bool(), password: random.bool(), page: None }),
        );
        let mut input = &bytes[..];
        let (mut tries, mut ended) = (0, false);
        while !ended {
            let Some(next) = decoder.next(&mut input).or_else(|| decoder.end()) else { break };
            let typed = match &next {
                Input::Line(line) => Some(line.as_str().to_owned()),
                _ => None,
            };
            let named = session.name().map(|name| name.as_str().to_owned());
            let refusals = ["Name \"", "Please", "-- No name"];
            let refused = |act: &Act| match act {
                Act::Answer(told) | Act::End(_, told) => {
                    refusals.iter().any(|words| told.bytes().starts_with(words.as_bytes()))
                }
                _ => false,
            };
            let mut act = match session.input(next) {
                Step::Nothing => {
                    assert!(named.is_some() && typed.as_deref() == Some(""), "{typed:?} is not answered");
                    continue;
                }
                Step::Say(line) => {
                    let typed = typed.as_deref().expect("only lines are said");
                    assert!(named.is_some(), "{typed:?} is said without a name");
                    let expected = if typed.starts_with("//") { &typed[1..] } else { typed };
                    assert_eq!(line.as_str(), expected);
                    assert!(!typed.starts_with('/') || typed.starts_with("//"), "{typed:?} is said");
                    assert_part(&line, typed);
                    let mut said = Message::default();
                    said.say(session.name().expect("a name"), &line);
                    assert_sayable(&said);
                    continue;
                }
                Step::Act(act) => act,
            };
            if let Act::Password(line) = &act {
                assert!(named.is_none(), "{typed:?}");
                assert_eq!(Some(line.as_str()), typed.as_deref());
                act = if random.bool() { session.password_right() } else { session.password_wrong() };
            }
            if let Act::Join(name) = &act {
                assert!(named.is_none());
                assert_name(name);
                assert_sayable(&Message::joined(name));
                let name = name.clone();
                if random.one_in(3) {
                    act = session.taken(&name);
                } else {
                    session.named(name);
                }
            }
            if named.is_none() && refused(&act) {
                tries += 1;
                assert_eq!(matches!(act, Act::End(..)), tries == MAX_TRIES, "after {tries} tries");
            }
            let typed = typed.unwrap_or_default();
            let in_room = named.is_some();
            match &act {
                Act::Answer(told) => assert_sayable(told),
                Act::End(cause, told) => {
                    assert_sayable(told);
                    assert!(!told.is_empty(), "it ends without a word");
                    if let (Some(cause), Some(name)) = (cause, session.name()) {
                        assert_sayable(&Message::left(name, Some(cause)));
                    }
                    ended = true;
                }
                Act::Join(_) => {}
                Act::Password(_) => unreachable!("it was judged"),
                Act::JoinAsGuest => {
                    assert!(!in_room && Name::parse(&typed).is_err(), "{typed:?}");
                    session.named(Name::guest(1));
                }
                Act::Who => assert!(typed.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("/who")), "{typed:?}"),
                Act::Command(line) => {
                    assert!(in_room && typed.starts_with('/') && !line.is_empty(), "{typed:?}");
                    assert_part(line, &typed);
                    assert_sayable(&Message::nobody_called(line));
                }
            }
        }
    });
}

// ---------------------------------------------------------------------------------------------------------------
// What browsers send and hear

/// A request that is nearly right, and whatever else may come.
#[cfg(feature = "web")]
fn requested(random: &mut Rng) -> Vec<u8> {
    #[rustfmt::skip]
    const PIECES: [&[u8]; 34] = [
        b"GET ", b"POST ", b"HEAD ", b"/", b"/who", b"/say?name=%41+b", b"http://pi/", b"*", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n",
        b" HTTP/2.0\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"Host: pi\r\n", b"Host: evil.com\r\n",
        b"Content-Length: 4\r\n", b"Content-Length: +4\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n",
        b"Connection: close\r\n", b"Expect: 100-continue\r\n", b" folded\r\n", b"X: ", b"4\r\nbody\r\n", b"0\r\n\r\n", b"a;b=c\r\n",
        b"body", b": ", b" ", b"\0", b"\xff", b"\t",
    ];
    let mut bytes = Vec::new();
    if random.bool() {
        bytes.extend_from_slice(b"POST /say?name=a HTTP/1.1\r\nHost: pi\r\n");
    }
    (0..random.usize(..24)).for_each(|_| bytes.extend_from_slice(random.pick(&PIECES)));
    bytes
}

/// Reads requests one after another, from bytes that come in two pieces. Returns what was understood.
#[cfg(feature = "web")]
fn understood(first: &[u8], second: &[u8]) -> Vec<String> {
    use dynasti::web::http::{Body, Head};
    let (mut input, mut told) = (Vec::new(), Vec::new());
    let mut under_way: Option<(Body, Vec<u8>)> = None;
    for piece in [first, second] {
        input.extend_from_slice(piece);
        loop {
            if let Some((body, bytes)) = &mut under_way {
                let mut rest = &input[..];
                loop {
                    match body.next(&mut rest) {
                        Ok(Some(some)) => bytes.extend_from_slice(some),
                        Ok(None) => break,
                        Err(_) => {
                            told.push("wrong".to_owned());
                            return told;
                        }
                    }
                }
                let used = input.len() - rest.len();
                input.drain(..used);
                if !body.is_done() {
                    break;
                }
                told.push(format!("body {bytes:?}"));
                under_way = None;
            }
            match Head::read(&input) {
                Ok(None) => break,
                Ok(Some((head, length))) => {
                    assert!(length <= input.len());
                    input.drain(..length);
                    under_way = Some((Body::new(head.framing), Vec::new()));
                    told.push(format!("{head:?}"));
                }
                Err(_) => {
                    told.push("wrong".to_owned());
                    return told;
                }
            }
        }
    }
    told
}

#[test]
#[cfg(feature = "web")]
fn requests_mean_the_same_wherever_their_bytes_are_split() {
    fuzz("requests", |random| {
        let bytes = requested(random);
        let whole = understood(&bytes, b"");
        let (first, second) = bytes.split_at(random.usize(..=bytes.len()));
        let split = understood(first, second);
        assert_eq!(split, whole, "{:?} and {:?}", String::from_utf8_lossy(first), String::from_utf8_lossy(second));
    });
}

#[test]
#[cfg(feature = "web")]
fn an_event_tells_the_line_and_nothing_that_is_typed_ends_it() {
    use crate::browser::Event;
    use dynasti::web::events::{EventId, Heard, event};
    fuzz("events", |random| {
        let (bytes, mut decoder) = (sent(random), Decoder::default());
        let mut input = &bytes[..];
        let name = Name::parse("Ann Lee").expect("a name");
        while let Some(next) = decoder.next(&mut input).or_else(|| decoder.end()) {
            let Input::Line(line) = next else { continue };
            let mut said = Message::default();
            said.say(&name, &line);
            for text in
                [format!("Ann Lee: {}", line.as_str()), format!("-- {}", line.as_str()), line.as_str().to_owned()]
            {
                let heard =
                    Heard { line: &text, at: std::time::UNIX_EPOCH, author: Some("Ann Lee"), last: random.bool() };
                let event = String::from_utf8(event(EventId { position: 0, count: 7 }, heard, |_| None))
                    .expect("events are text");
                let lines: Vec<&str> = event.split('\n').collect();
                assert_eq!((lines.len(), lines[0], lines[3], lines[4]), (5, "id: 7", "", ""), "{event:?}");
                let data = lines[2].strip_prefix("data: ").expect("data").to_owned();
                assert!(
                    !event.contains('\r') && data.starts_with("{\"text\":\"") && data.ends_with("\"}"),
                    "{event:?}"
                );
                let event = Event { id: 7, kind: String::new(), data };
                assert_eq!(event.field("text").as_deref(), Some(text.as_str()));
            }
        }
    });
}

#[test]
#[cfg(feature = "web")]
fn whatever_a_file_is_called_and_holds_its_name_and_its_event_are_whole() {
    use crate::browser::Event;
    use dynasti::files::About;
    use dynasti::files::kind::Kind;
    use dynasti::text::file::{FileLink, FileName};
    use dynasti::token::Token;
    use dynasti::web::events::{EventId, Heard, event};
    let id = Token::read(&"7".repeat(32)).expect("a number");
    fuzz("files", |random| {
        let (called, holds) = (sent(random), sent(random));
        let name = FileName::of(&String::from_utf8_lossy(&called));
        let text = name.as_str();
        assert!((1..=100).contains(&text.chars().count()) && !text.contains(['/', '\\', ':', '\n', '\t']), "{text:?}");
        assert!(!text.starts_with('.') && text == clean(text) && FileName::of(text) == name, "{text:?}");
        let by = Name::parse("Ann Lee").expect("a name");
        let link = FileLink { origin: ([127, 0, 0, 1], 4080).into(), id, name: &name };
        let line = Message::shared(&by, 5, &link);
        let line = line.texts().next().expect("a line");
        // A picture's beginning, and then anything.
        let head =
            random.pick(&[b"GIF89a".as_slice(), b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 ", b"\x89PNG\r\n\x1a\n", b""]);
        let bytes = [head, &holds].concat();
        let kind = Kind::of(&bytes);
        let about = About { kind, size: 5, dimensions: kind.dimensions(&bytes) };
        let heard = Heard { line, at: std::time::UNIX_EPOCH, author: Some(by.as_str()), last: false };
        let event = String::from_utf8(event(EventId { position: 0, count: 7 }, heard, |_| Some(about)))
            .expect("events are text");
        let data = event.strip_prefix("id: 7\nevent: file\ndata: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let event = Event { id: 7, kind: "file".into(), data: data.expect(&event).to_owned() };
        assert_eq!(event.field("from").as_deref(), Some(by.as_str()));
        assert_eq!(event.field("name").as_deref(), Some(text));
        let path = event.field("path").expect("a path");
        assert!(path.starts_with("/files/77") && path.bytes().all(|byte| byte.is_ascii_graphic()), "{path}");
    });
}

#[test]
#[cfg(feature = "web")]
fn a_range_is_within_the_file_whatever_is_asked() {
    use dynasti::files::range::{Wanted, wanted};
    fuzz("ranges", |random| {
        const PIECES: [&str; 13] = [
            "bytes",
            "=",
            "-",
            "0",
            "5",
            "9",
            "18446744073709551615",
            "99999999999999999999",
            ",",
            " ",
            "+",
            "Bytes=",
            "x",
        ];
        let field: String = (0..random.usize(..8)).map(|_| random.pick(&PIECES)).collect();
        let length = random.usize(..12);
        if let Wanted::Part(part) = wanted(Some(&field), length) {
            assert!(part.start < part.end && part.end <= length, "{field:?} of {length}: {part:?}");
        }
    });
}

// ---------------------------------------------------------------------------------------------------------------
// Multicast DNS

#[cfg(feature = "discovery")]
mod discovery {
    use super::fuzz;
    use crate::random::Chance;
    use dynasti::discovery::{Key, MAX_PACKET, Net, PAGE, ROOM, Responder, Service, To, decode};
    use fastrand::Rng;
    use simple_dns::PacketFlag;
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    /// What packets are made of: heads, names, ends of names, pointers, types and classes.
    #[rustfmt::skip]
    const PARTS: [&[u8]; 41] = [
        b"\0\0\0\0\0\x01\0\0\0\0\0\0", b"\0\0\x84\0\0\0\0\x01\0\0\0\0", b"\0\0\0\0\0\x01\0\0\0\x01\0\0",
        b"\0\0\x02\0\0\x01\0\x01\0\0\0\0", b"\0\x07\0\0\0\x02\0\0\0\0\0\x01", b"\0\0\x84\0\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x07dynasti\x05local\0", b"\x09dynasti-2\x05local\0", b"\x07DYNASTI\x05LOCAL\0", b"\x02pi\x08_dynasti\x04_tcp\x05local\0",
        b"\x08_dynasti\x04_tcp\x05local\0", b"\x05_http\x04_tcp\x05local\0", b"\x09_services\x07_dns-sd\x04_udp\x05local\0",
        b"\xc0\x0c", b"\xc0\x0d", b"\xc0\x00", b"\xff\xff", b"\xc0\x20", b"\x3f", b"\x40", b"\0", b"\x07dynasti\xc0\x14",
        b"\0\x01\0\x01", b"\0\xff\0\x01", b"\0\x0c\0\x01", b"\0\x0c\x80\x01", b"\0\xff\x80\x01", b"\0\x21\x80\x01", b"\0\x10\0\xff",
        b"\0\x01\x80\x01\0\0\0\x78\0\x04\x0a\0\0\x63", b"\0\x01\x80\x01\0\0\0\x78\0\x04\xc0\xa8\x01\x0a", b"\0\x01\x80\x01\0\0\0\0\0\x04\xc0\xa8\x01\x0a",
        b"\0\x1c\0\x01\0\0\0\x78\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", b"\0\x2f\x80\x01\0\0\0\x78\0\x05\xc0\x0c\0\x01\x40",
        b"\0\x21\x80\x01\0\0\0\x78\0\x08\0\0\0\0\x0f\xa0\xc0\x0c", b"\0\x10\x80\x01\0\0\x11\x94\0\x04\x03v=1", b"\0\x29\x05\xa0\0\0\0\0\0\0",
        b"\x04\xd2\0\x4d", b"\0\x01\0\x01\0\0\0\x78\0\0", b"\0\x01\0\x01\0\0\0\x78\xff\xff", b"\x01a",
    ];

    fn packet(random: &mut Rng, heard: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if random.one_in(2) && !heard.is_empty() {
            // What the responder has said itself, as somebody else would say it: a little different.
            bytes = heard[random.usize(..heard.len())].clone();
            for _ in 0..random.usize(..4) {
                let at = random.usize(..bytes.len().max(1)).min(bytes.len().saturating_sub(1));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if random.one_in(2) { random.u8(..) } else { byte.wrapping_add(1) };
                }
            }
            if random.one_in(8) {
                bytes.truncate(random.usize(..=bytes.len()));
            }
        } else {
            bytes.extend(PARTS[random.usize(..6)]);
            for _ in 0..random.usize(..12) {
                bytes.extend(random.pick(&PARTS));
            }
            if random.one_in(200) {
                // As large as may be, and larger: one question or record again and again.
                let again = bytes[12..].to_vec();
                while !again.is_empty() && bytes.len() < MAX_PACKET {
                    bytes.extend(&again);
                }
                bytes[5] = random.u8(..);
            }
        }
        bytes
    }

    const LINKS: [Key; 2] = [Key { index: 2, v6: false }, Key { index: 2, v6: true }];

    /// Somebody throws everything at a responder for a while. It never panics, sends no more than the RFC's rates
    /// allow, and sends nothing that is malformed.
    #[test]
    fn a_responder_survives_any_packets_and_says_little() {
        fuzz("the responder", |random| {
            let listening = |port| vec![SocketAddr::from(([0u16; 8], port))];
            let services = vec![
                Service { kind: ROOM, listening: listening(4000) },
                Service { kind: PAGE, listening: listening(4080) },
            ];
            let nets = vec![
                Net { ip: [192, 168, 1, 10].into(), prefix: 24 },
                Net { ip: [0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), prefix: 64 },
            ];
            let mut responder = Responder::new("dynasti", "pi", services, random.u64(..));
            let begun = Instant::now();
            let mut now = begun;
            responder.set_links(LINKS.map(|link| (link, nets.clone())).into(), now);
            let (mut heard, mut multicast, mut unicast, mut names) = (Vec::new(), 0, 0, 0);
            for _ in 0..random.usize(1..60) {
                let from: SocketAddr = match random.usize(..4) {
                    0 => ([192, 168, 1, 7], random.u16(1..)).into(),
                    1 => ([8, 8, 8, 8], 5353).into(),
                    2 => ([0xfe80, 0, 0, 0, 0, 0, 0, 7], 5353).into(),
                    _ => ([192, 168, 1, 7], 5353).into(),
                };
                let mut bytes = packet(random, &heard);
                responder.receive(random.pick(&LINKS), from, &mut bytes, now);
                if random.one_in(2) {
                    now += Duration::from_millis(random.pick(&[0, 1, 20, 250, 1000, 5000]));
                }
                if let Some(due) = responder.due() {
                    assert!(due < now + Duration::from_secs(130), "it waits for ever");
                }
                for send in responder.tick(now) {
                    assert!(send.bytes.len() < 1440, "it does not fit into a packet of an Ethernet");
                    let mut bytes = send.bytes.clone();
                    let packet = decode(&mut bytes).expect("what it sends is well formed");
                    assert!(send.to == To::Everybody || packet.has_flags(PacketFlag::RESPONSE));
                    *if send.to == To::Everybody { &mut multicast } else { &mut unicast } += 1;
                    heard.push(send.bytes);
                }
                names += usize::from(responder.news().is_some());
            }
            let seconds = now.duration_since(begun).as_secs() as usize + 1;
            assert!(unicast <= LINKS.len() * (40 + 20 * seconds), "{unicast} answers in {seconds} s");
            // Four probes or defences a second, and each of twelve records once: far more than ever come together.
            assert!(multicast <= LINKS.len() * 16 * seconds, "{multicast} packets in {seconds} s");
            assert!(names <= 2 + seconds / 60, "{names} names in {seconds} s");
            responder.goodbye();
            responder.set_links(BTreeMap::new(), now);
            assert_eq!(responder.due(), None);
        });
    }

    #[test]
    fn any_bytes_are_a_packet_or_none() {
        fuzz("packets", |random| {
            let mut bytes = packet(random, &[]);
            if random.one_in(4) {
                bytes = vec![0; random.usize(..64)];
                bytes.fill_with(|| random.u8(..));
            }
            if let Some(packet) = decode(&mut bytes) {
                assert!(packet.questions.len() <= 128);
                assert!(packet.answers.len() + packet.name_servers.len() + packet.additional_records.len() <= 640);
            }
        });
    }
}
