//! What was said before: `/history`, `--replay` and the transcript; and a disk that is full or stuck does no harm to
//! the room.

use crate::harness::{Client, GOODBYE, PATIENCE, Program, STOPS_WITHIN, Scratch, Server, dynasti, dynasti_through_sh};
use rustix::process::Signal;
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Instant;

/// A time as it stands before each line of a transcript, and what follows it.
#[track_caller]
fn dated(line: &str) -> &str {
    let (time, text) = line.split_once(' ').expect("a time and a text");
    let shape: String = time.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00Z", "{line}");
    text
}

/// What the lines of a transcript say, each under its time.
#[track_caller]
fn texts(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| dated(line)).collect()
}

/// Hears an old line, marked so that nobody takes it for new.
#[track_caller]
fn hears_again(client: &mut Client, said: &str) {
    let heard = client.hears_one("an old line", |line| line.starts_with("-- ["));
    let (mark, text) = heard.split_once("] ").expect("a mark and a text");
    assert!(mark.ends_with(" ago"), "{heard}");
    assert_eq!(text, said);
}

/// Stops a server and waits until all is written.
#[track_caller]
fn stops(mut server: Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.exits_within(STOPS_WITHIN).code(), Some(0));
}

#[test]
fn history_recalls_what_everybody_heard_and_no_more_than_was_asked_for() {
    let mut server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.says("/history");
    ann.hears_one("an answer", |line| line.starts_with("-- ") && !line.contains('['));
    ann.sends("one\n/me waves\n/msg Bob psst\n/frobnicate\n");
    ann.hears_each(["-- * Ann waves", "-- To Bob (private): psst"]);
    ann.hears_one("an answer", |line| line.starts_with("-- There is no "));
    server.operator("hear, hear");
    ann.hears("[SERVER]: hear, hear");
    ann.says("/history 50");
    for said in ["Ann: one", "* Ann waves", "[SERVER]: hear, hear"] {
        hears_again(&mut ann, said);
    }
    ann.says("/history 2");
    for said in ["* Ann waves", "[SERVER]: hear, hear"] {
        hears_again(&mut ann, said);
    }
    ann.says("that was all");
    bob.hears_each(["Ann: one", "* Ann waves", "Ann (private): psst", "[SERVER]: hear, hear", "Ann: that was all"]);
}

#[test]
fn history_keeps_as_many_lines_as_it_is_told_to() {
    let server = Server::start(&["--history", "3"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends("1\n2\n3\n4\n5\n/history 100\n");
    for said in ["Ann: 3", "Ann: 4", "Ann: 5"] {
        hears_again(&mut ann, said);
    }
    ann.says("6");
    bob.hears_until("Ann: 6");
    let server = Server::start(&["--history", "0"]);
    let mut ann = server.join("Ann");
    ann.sends("1\n/history\n");
    ann.hears_one("an answer", |line| line.starts_with("-- ") && !line.contains('['));
}

#[test]
fn a_hundred_lines_are_kept_unless_told_otherwise() {
    let server = Server::start(&["--rate", "0"]);
    let mut ann = server.join("Ann");
    let said: String = (0..120).map(|n| format!("{n}\n")).collect();
    ann.sends(said + "/history 1000\n");
    for n in 20..120 {
        hears_again(&mut ann, &format!("Ann: {n}"));
    }
}

#[test]
fn a_long_history_is_cut_to_what_a_queue_can_hold_and_says_so() {
    let server = Server::start(&["--rate", "0"]);
    let mut ann = server.join("Ann");
    let text = "x".repeat(4000);
    for _ in 0..100 {
        ann.says(&text);
    }
    ann.sends("/history 100\n/me is still here\n");
    ann.hears_one("how many are left out", |line| line.starts_with("-- … older lines that do not fit here: "));
    for _ in 0..10 {
        hears_again(&mut ann, &format!("Ann: {text}"));
    }
    ann.hears_until("-- * Ann is still here");
}

#[test]
fn who_is_ignored_is_not_recalled_either() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    bob.sends("noise\n/me is noisy\n");
    ann.hears_each(["Bob: noise", "* Bob is noisy"]);
    ann.sends("peace\n/ignore Bob\n/history\n");
    ann.hears_one("an answer", |line| line.starts_with("-- You don't hear Bob"));
    hears_again(&mut ann, "Ann: peace");
    ann.says("/who");
    ann.hears("-- 2 here: Ann, Bob");
}

#[test]
fn newcomers_are_replayed_the_last_lines_after_their_welcome() {
    let server = Server::start(&["--replay", "2"]);
    let mut ann = server.join("Ann");
    ann.sends("1\n2\n3\n/me waves\n");
    ann.hears("-- * Ann waves");
    let mut bob = server.join("Bob");
    for said in ["Ann: 3", "* Ann waves"] {
        hears_again(&mut bob, said);
    }
    ann.hears("Bob has joined the chat.");
    ann.says("welcome");
    bob.hears("Ann: welcome");
}

#[test]
fn two_hundred_lines_can_be_replayed() {
    let server = Server::start(&["--rate", "0", "--history", "300", "--replay", "200"]);
    let mut ann = server.join("Ann");
    ann.sends((0..300).map(|n| format!("{n}\n")).collect::<String>() + "/who\n");
    ann.hears("-- 1 here: Ann");
    let mut bob = server.join("Bob");
    for n in 100..300 {
        hears_again(&mut bob, &format!("Ann: {n}"));
    }
}

#[test]
fn the_transcript_has_every_public_event_under_its_time_and_nothing_private() {
    let scratch = Scratch::new("events");
    let path = scratch.path("room.log");
    let mut server = Server::start(&["--transcript", &path]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends("one\n/me waves\n/msg Bob psst\n/who\n/nick Anna\nt\x1b[31mwo\n");
    bob.hears_until("Anna: two");
    server.operator("enough");
    bob.hears("[SERVER]: enough");
    bob.leaves();
    ann.hears_until("Bob has left the chat.");
    server.operator("/kick Anna goodbye");
    ann.is_let_go();
    server.prints("Anna disconnected.");
    stops(server);
    let lines = scratch.lines("room.log");
    let expected = [
        "Ann has joined the chat.",
        "Bob has joined the chat.",
        "Ann: one",
        "* Ann waves",
        "Ann is now known as Anna.",
        "Anna: two",
        "[SERVER]: enough",
        "Bob has left the chat.",
        "Anna has left the chat (kicked: goodbye).",
    ];
    assert_eq!(texts(&lines), expected);
}

#[test]
fn the_transcript_is_appended_to_and_history_begins_with_it() {
    let scratch = Scratch::new("reload");
    let path = scratch.path("room.log");
    for evening in ["first", "second"] {
        let server = Server::start(&["--transcript", &path, "--replay", "1"]);
        let mut ann = server.join("Ann");
        if evening == "second" {
            hears_again(&mut ann, "* Ann leaves first");
            ann.says("/history");
            hears_again(&mut ann, "Ann: first");
            hears_again(&mut ann, "* Ann leaves first");
        }
        ann.says(evening);
        ann.says(&format!("/me leaves {evening}"));
        ann.hears(&format!("-- * Ann leaves {evening}"));
        ann.leaves();
        server.prints("Ann disconnected.");
        stops(server);
    }
    let lines = scratch.lines("room.log");
    let evening = |which| {
        [
            "Ann has joined the chat.".to_string(),
            format!("Ann: {which}"),
            format!("* Ann leaves {which}"),
            "Ann has left the chat.".to_string(),
        ]
    };
    assert_eq!(texts(&lines), [evening("first"), evening("second")].concat());
}

#[test]
fn a_torn_last_line_does_no_harm() {
    let scratch = Scratch::new("torn");
    let path = scratch.path("room.log");
    // As a power cut leaves it: in the middle of a character, or as a block of zeros.
    for torn in [b"2026-11-22T19:04:06Z Ann: caf\xc3".as_slice(), b"2026-11", b"\0\0\0\0\0\0\0\0"] {
        fs::write(&path, [b"2026-11-22T19:04:05Z Ann: whole\n", torn].concat()).unwrap();
        let server = Server::start(&["--transcript", &path]);
        let mut bob = server.join("Bob");
        bob.says("/history");
        hears_again(&mut bob, "Ann: whole");
        bob.says("after the cut");
        bob.says("/history 1");
        hears_again(&mut bob, "Bob: after the cut");
        stops(server);
        let written = fs::read(&path).unwrap();
        let lines: Vec<&[u8]> = written.split(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len(), 5, "{}", String::from_utf8_lossy(&written));
        assert!(lines[1].starts_with(torn) && lines[1] != torn, "the torn line is marked");
        assert_eq!(dated(std::str::from_utf8(lines[2]).unwrap()), "Bob has joined the chat.");
        assert_eq!(dated(std::str::from_utf8(lines[3]).unwrap()), "Bob: after the cut");
    }
}

#[test]
fn what_somebody_wrote_into_the_file_passes_for_nobody() {
    let scratch = Scratch::new("edited");
    let path = scratch.path("room.log");
    let edited = "not a line\n2026-11-22T19:04:05Z Ann: \x1b[2Jone\n2026-11-22T19:04:05Z Welcome\n2026-99-22T19:04:05Z \
                  Ann: never\n2026-11-22T19:04:05Z [ROOT]: obey\n2026-11-22T19:04:05Z -- Ann: you\n";
    fs::write(&path, edited).unwrap();
    let server = Server::start(&["--transcript", &path]);
    let mut bob = server.join("Bob");
    bob.says("/history");
    hears_again(&mut bob, "Ann: one");
    bob.says("/who");
    bob.hears("-- 1 here: Bob");
}

#[test]
fn a_large_transcript_is_not_read_whole() {
    let scratch = Scratch::new("large");
    let path = scratch.path("room.log");
    // A file of a gigabyte without blocks, but for its end.
    let file = fs::File::create(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    drop(file);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b"\n2026-11-22T19:04:05Z Ann: the last\n").unwrap();
    // Less memory than the file has bytes.
    let arguments = Server::arguments(&["--transcript", &path]);
    let server = Server::run(dynasti_through_sh("ulimit -v 500000", &arguments, ""), 1);
    let mut bob = server.join("Bob");
    bob.says("/history");
    hears_again(&mut bob, "Ann: the last");
}

#[test]
fn a_transcript_that_was_moved_away_is_begun_anew_on_a_signal() {
    let scratch = Scratch::new("rotate");
    let (path, moved) = (scratch.path("room.log"), scratch.path("room.log.1"));
    let server = Server::start(&["--rate", "0", "--transcript", &path]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.says("before");
    bob.hears("Ann: before");
    fs::rename(&path, &moved).unwrap();
    server.signal(Signal::USR1);
    // The signal takes its time; no line is lost meanwhile.
    let (deadline, mut said) = (Instant::now() + PATIENCE, 0);
    while !fs::exists(&path).unwrap() {
        assert!(Instant::now() < deadline, "the file is not begun anew");
        ann.says(&said.to_string());
        bob.hears(&format!("Ann: {said}"));
        said += 1;
    }
    stops(server);
    let (old, new) = (scratch.lines("room.log.1"), scratch.lines("room.log"));
    assert_eq!(texts(&old)[..3], ["Ann has joined the chat.", "Bob has joined the chat.", "Ann: before"]);
    assert!(!new.is_empty());
    let both: Vec<&str> = texts(&old).into_iter().skip(3).chain(texts(&new)).collect();
    assert_eq!(both, (0..said).map(|n| format!("Ann: {n}")).collect::<Vec<_>>());
}

#[test]
fn the_signal_to_begin_anew_is_nothing_to_a_server_without_a_transcript() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    server.signal(Signal::USR1);
    ann.says("what was that?");
    bob.hears("Ann: what was that?");
    stops(server);
}

/// Makes a pipe with a name: a disk that is stuck for as long as nobody reads it.
fn make_fifo(path: &str) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo is to be had").success());
}

/// What the server complains of, as it is now.
fn complaints(server: &Server) -> Vec<String> {
    server.stderr.so_far()
}

#[test]
fn a_full_disk_is_reported_once_and_again_when_it_is_well() {
    let scratch = Scratch::new("full");
    let path = scratch.path("room.log");
    symlink("/dev/full", &path).unwrap();
    let server = Server::start(&["--transcript", &path]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let complaint = server.stderr.find("that the disk is full", |line| line.contains("No space left"));
    assert!(complaint.contains(&path), "{complaint}");
    for n in 0..20 {
        ann.says(&n.to_string());
        bob.hears(&format!("Ann: {n}"));
    }
    // Another disk takes its place.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    let well = server.stderr.find("that it is well again", |line| line.contains("again;"));
    assert!(well.contains(&path), "{well}");
    ann.says("well again");
    bob.hears("Ann: well again");
    assert_eq!(complaints(&server), [complaint, well]);
    stops(server);
    // What was said meanwhile is not lost.
    let mut expected = vec!["Ann has joined the chat.".to_string(), "Bob has joined the chat.".to_string()];
    expected.extend((0..20).map(|n| format!("Ann: {n}")));
    expected.push("Ann: well again".to_string());
    assert_eq!(texts(&scratch.lines("room.log")), expected);
}

#[test]
fn a_file_as_large_as_it_may_be_is_a_full_disk_and_ends_nothing() {
    let scratch = Scratch::new("limit");
    let path = scratch.path("room.log");
    let arguments = Server::arguments(&["--rate", "0", "--transcript", &path]);
    let mut server = Server::run(dynasti_through_sh("ulimit -f 8", &arguments, ""), 1);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let text = "x".repeat(1000);
    for _ in 0..20 {
        ann.says(&text);
        bob.hears(&format!("Ann: {text}"));
    }
    server.stderr.find("that the file is too large", |line| line.contains("File too large"));
    server.operator("go on");
    ann.hears("[SERVER]: go on");
    stops(server);
}

#[test]
fn a_disk_that_is_stuck_is_reported_once_and_holds_nobody_up() {
    let scratch = Scratch::new("stuck");
    let path = scratch.path("room.log");
    make_fifo(&path);
    let server = Server::start(&["--rate", "0", "--transcript", &path]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    // More than a pipe holds, and nobody reads it.
    let text = "x".repeat(4000);
    for _ in 0..40 {
        ann.says(&text);
        bob.hears(&format!("Ann: {text}"));
    }
    let complaint = server.stderr.find("that the disk is slow", |line| line.contains("slow"));
    assert!(complaint.contains(&path), "{complaint}");
    ann.says("and on we talk");
    bob.hears("Ann: and on we talk");
    // Somebody reads it after all.
    let mut cat = Command::new("cat");
    cat.arg(&path);
    let reader = Program::start("cat", cat, server.story());
    let well = server.stderr.find("that it is well again", |line| line.contains("again;"));
    reader.stdout.find("the last line", |line| line.ends_with("Ann: and on we talk"));
    assert_eq!(complaints(&server), [complaint, well]);
    stops(server);
}

#[test]
fn how_many_lines_a_stuck_disk_leaves_out_is_told_when_the_server_stops() {
    const SAID: usize = 40;
    let scratch = Scratch::new("left-out");
    let path = scratch.path("room.log");
    make_fifo(&path);
    // Keeps in the pipe what it holds when the server is gone.
    let pipe = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut server = Server::start(&["--rate", "0", "--transcript", &path]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let text = "x".repeat(4000);
    for _ in 0..SAID {
        ann.says(&text);
        bob.hears(&format!("Ann: {text}"));
    }
    server.signal(Signal::TERM);
    assert_eq!(server.exits_within(STOPS_WITHIN).code(), Some(0));
    let mut rest = fs::File::open(&path).unwrap();
    drop(pipe);
    let mut written = Vec::new();
    rest.read_to_end(&mut written).unwrap();
    // Two came and talked. How much of its last write the pipe has taken is not for the server to know.
    let said = SAID + 2;
    let left_out = said - written.iter().filter(|byte| **byte == b'\n').count();
    let complaints = server.stderr.whole();
    let numbers = complaints.iter().filter(|line| line.contains(&path)).flat_map(|line| {
        let rest = line.replace(&path, "");
        rest.split(|char: char| !char.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect::<Vec<usize>>()
    });
    let told = numbers.filter(|number| (left_out..=said).contains(number)).count();
    assert_eq!(told, 1, "{left_out} lines or some more are missing: {complaints:?}");
}

#[test]
fn a_disk_that_is_stuck_keeps_no_server_from_stopping() {
    let scratch = Scratch::new("stopping");
    let path = scratch.path("room.log");
    make_fifo(&path);
    let server = Server::start(&["--rate", "0", "--transcript", &path]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let text = "x".repeat(4000);
    for _ in 0..40 {
        ann.says(&text);
        bob.hears(&format!("Ann: {text}"));
    }
    stops(server);
    ann.hears(GOODBYE);
}

#[test]
fn a_transcript_that_cannot_be_opened_gets_one_line_and_status_1() {
    let scratch = Scratch::new("closed");
    for path in [scratch.path("no/such/directory"), scratch.path(".")] {
        let arguments = Server::arguments(&["--transcript", &path]);
        let mut program = Program::start("dynasti", dynasti(&arguments), &Default::default());
        assert_eq!(program.exit_code(), 1);
        let (stdout, stderr) = (program.stdout.whole(), program.stderr.whole());
        assert!(stdout.is_empty() && stderr.len() == 1 && stderr[0].contains(&path), "{stdout:?} {stderr:?}");
    }
}
