//! `/send PATH` and `/get ID` in `dynasti join`: with the real server, and with servers that misbehave.

use crate::harness::{Client, PATIENCE, Program, Scratch, Server, binary, dynasti};
use crate::join::{Impostor, welcome};
use crate::seat::Seat;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;

/// Somebody at a wide terminal, in a directory of their own, which is their home, too.
fn sits_in(directory: &Scratch, address: &str, name: &str) -> Seat {
    let mut command = Seat::session(binary());
    command.args(["join", address, "--name", name]).current_dir(directory.path("")).env("HOME", directory.path(""));
    Seat::run(200, 30, command)
}

/// Ann, who has joined, and her directory.
fn ann(server: &Server, test: &str) -> (Seat, Scratch) {
    let directory = Scratch::new(&format!("ann-{test}"));
    let mut ann = sits_in(&directory, &server.addresses()[0].to_string(), "Ann");
    ann.shows(&format!("{}\n> ", welcome("Ann")));
    (ann, directory)
}

/// What a file may hold: all bytes, and no part like another.
fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn write(directory: &Scratch, name: &str, bytes: &[u8]) {
    std::fs::write(directory.path(name), bytes).expect("it can be written");
}

fn read(directory: &Scratch, name: &str) -> Vec<u8> {
    std::fs::read(directory.path(name)).unwrap_or_else(|error| panic!("{name} cannot be read: {error}"))
}

/// The names in a directory.
fn names(directory: &Scratch) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path("")).expect("it is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Waits until a line of the window is about this, and returns the line.
#[track_caller]
fn shows_line(seat: &mut Seat, with: &str) -> String {
    seat.shows_where(with, |emulator| emulator.lines().iter().any(|line| line.contains(with)));
    seat.emulator.lines().into_iter().rfind(|line| line.contains(with)).unwrap_or_default().trim_end().to_owned()
}

/// The number of the file that Bob hears of next, and its address.
#[track_caller]
fn hears_of_a_file(bob: &mut Client, told: &str) -> (String, String) {
    let line = bob.hears_one(told, |line| line.starts_with(told));
    let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
    let id = url.split('/').nth(4).unwrap_or_default().to_owned();
    assert_eq!(id.len(), 32, "{line}");
    (id, url)
}

#[test]
fn a_file_goes_from_one_to_another_whatever_it_is_called() {
    let (server, _) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let (mut ann, hers) = ann(&server, "goes");
    bob.hears("Ann has joined the chat.");
    let theirs = Scratch::new("cid-goes");
    let mut cid = sits_in(&theirs, &server.addresses()[0].to_string(), "Cid");
    bob.hears("Cid has joined the chat.");
    for (name, length) in [("it's a \"写真\" 📷%?#.jpg", 300_000), ("plain.txt", 5), ("empty", 0)] {
        write(&hers, name, &bytes(length));
        ann.types(&format!("/send {name}\r"));
        let (id, _) = hears_of_a_file(&mut bob, &format!("Ann shares {name} ("));
        shows_line(&mut ann, &id);
        shows_line(&mut cid, &id);
        cid.types(&format!("/get {}\r", &id[..8]));
        let fetched = shows_line(&mut cid, &format!("-- Fetched {name} ("));
        assert!(fetched.ends_with(&format!("): {}", theirs.path(name))), "{fetched}");
        assert!(read(&theirs, name) == bytes(length), "{name} is not what was sent");
    }
    assert!(!ann.emulator.everything().contains("curl"), "{}", ann.emulator.everything());
    assert_eq!(names(&theirs), ["empty", "it's a \"写真\" 📷%?#.jpg", "plain.txt"]);
    ann.types("/quit\r");
    assert_eq!(ann.ends(), 0);
}

#[test]
fn send_alone_is_the_servers() {
    let (server, _) = Server::with_page(&[]);
    let (mut ann, hers) = ann(&server, "alone");
    write(&hers, "a.txt", b"a");
    // Each answer goes to whoever has asked for it.
    ann.types("/send\r/send a.txt\r/send\r");
    shows_line(&mut ann, "Ann shares a.txt (1 B)");
    ann.types("/files\r");
    shows_line(&mut ann, "for another");
    assert_eq!(ann.emulator.everything().matches("-- Send it with: curl -T FILE http://127.0.0.1:").count(), 2);
}

#[test]
fn the_path_is_the_rest_of_the_line() {
    let (server, _) = Server::with_page(&[]);
    let (mut ann, hers) = ann(&server, "path");
    std::fs::create_dir(hers.path("my pictures")).expect("it can be made");
    write(&hers, "my pictures/a b.txt", b"a");
    for (typed, name) in [
        ("~/my pictures/a b.txt", "a b.txt"),
        ("  my pictures/../my pictures/a b.txt ", "a b.txt"),
        ("'my pictures/a b.txt'", "a b.txt"),
        ("my\\ pictures/a\\ b.txt", "a b.txt"),
    ] {
        ann.types(&format!("/send {typed}\r"));
        shows_line(&mut ann, &format!("Ann shares {name} (1 B)"));
        ann.types("\x0c");
        ann.shows_where("an empty window", |emulator| !emulator.window().contains("shares"));
    }
    for (typed, why) in [
        ("my pictures", "-- my pictures is no file."),
        ("/dev/null", "-- /dev/null is no file."),
        ("no/such", "-- There is no no/such."),
        ("~/none", &format!("-- There is no {}.", hers.path("none"))),
    ] {
        ann.types(&format!("/send {typed}\r"));
        ann.shows(&format!("{why}\n> "));
    }
}

#[test]
fn tab_completes_a_path_and_a_number() {
    let (server, _) = Server::with_page(&[]);
    let (mut ann, hers) = ann(&server, "tab");
    std::fs::create_dir(hers.path("my pictures")).expect("it can be made");
    write(&hers, "my pictures/holiday one.txt", b"1");
    write(&hers, "my pictures/holiday two.txt", b"2");
    ann.types("/s\tmy\t");
    ann.shows("> /send my pictures/");
    ann.types("\t");
    ann.shows("> /send my pictures/holiday ");
    ann.types("\t\t");
    ann.shows("> /send my pictures/holiday two.txt");
    ann.types("\r");
    let line = shows_line(&mut ann, "Ann shares holiday two.txt (1 B)");
    let id = line.split("/files/").nth(1).and_then(|rest| rest.get(..8)).expect("a number");
    ann.types("/g\tholi\t~/m\t");
    ann.shows(&format!("> /get {id} ~/my pictures/"));
    ann.types("\r");
    shows_line(&mut ann, "-- Fetched holiday two.txt (1 B), beside the one that was there: ");
    assert_eq!(read(&hers, "my pictures/holiday two (2).txt"), b"2");
    ann.types("/g\tx\t");
    ann.shows("> /get x");
    assert_eq!(ann.emulator.bells, 1);
}

#[test]
fn nothing_is_written_over() {
    let (server, _) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let (mut ann, hers) = ann(&server, "over");
    bob.hears("Ann has joined the chat.");
    write(&hers, "a.tar.gz", b"mine");
    write(&hers, "b.txt.part", b"not this one's");
    ann.types("/send a.tar.gz\r");
    let (id, url) = hears_of_a_file(&mut bob, "Ann shares a.tar.gz (4 B): ");
    shows_line(&mut ann, &id);
    write(&hers, "a.tar.gz", b"changed");
    ann.types(&format!("/get {id}\r"));
    shows_line(&mut ann, "beside the one that was there: ");
    ann.types(&format!("/get {url} b.txt\r"));
    shows_line(&mut ann, "-- Fetched b.txt (4 B): ");
    std::os::unix::fs::symlink("nowhere", hers.path("link")).expect("it can be made");
    ann.types(&format!("/get {url} link\r"));
    shows_line(&mut ann, "-- Fetched link (4 B), beside the one that was there: ");
    assert_eq!(names(&hers), ["a (2).tar.gz", "a.tar.gz", "b.txt", "b.txt.part", "link", "link (2)"]);
    assert_eq!(["a (2).tar.gz", "b.txt", "link (2)"].map(|name| read(&hers, name)), [b"mine"; 3]);
    assert_eq!((read(&hers, "a.tar.gz"), read(&hers, "b.txt.part")), (b"changed".to_vec(), b"not this one's".to_vec()));
    for (typed, why) in [
        ("/get", "-- Usage: /get ID [PATH] ("),
        ("/get abc", "-- \"abc\" is no number of a file"),
        ("/get 00000", "-- No file is known whose number begins with 00000."),
        (&format!("/get {id} none/"), "-- a.tar.gz is not fetched: There is no directory none/."),
        (&format!("/get {id} none/x"), "-- a.tar.gz is not fetched: none cannot be used: "),
    ] {
        ann.types(&format!("{typed}\r"));
        shows_line(&mut ann, why);
    }
}

#[test]
fn what_the_server_refuses_is_told_in_its_words() {
    let (mut server, _) = Server::with_page(&["--files", "1"]);
    let mut bob = server.join("Bob");
    let (mut ann, hers) = ann(&server, "refused");
    bob.hears("Ann has joined the chat.");
    write(&hers, "big.bin", &bytes(3 << 20));
    write(&hers, "a.txt", b"a");
    ann.types("/send big.bin\r");
    ann.shows("-- big.bin is not sent: 1048576 bytes at most.\n> ");
    ann.types("/send a.txt\r");
    let (id, _) = hears_of_a_file(&mut bob, "Ann shares a.txt (1 B): ");
    shows_line(&mut ann, &id);
    server.operator(&format!("/forget {id}"));
    server.stdout.find("that it is forgotten", |line| line.contains("a.txt") && !line.contains("shares"));
    ann.types(&format!("/get {id}\r"));
    ann.shows("-- a.txt is not fetched: There is no such file, or not any more.\n> ");
    // A number of which nothing was heard is asked for where the others were.
    ann.types(&format!("/get {}\r", "0".repeat(32)));
    shows_line(&mut ann, &format!("-- {} is not fetched: There is no such file, or not any more.", "0".repeat(32)));
    server.operator("/mute Ann");
    shows_line(&mut ann, "-- The operator has muted you");
    ann.types("/send a.txt\r");
    ann.shows("-- a.txt is not sent: The operator has muted you: nobody hears what you say.\n> ");
    assert_eq!(names(&hers), ["a.txt", "big.bin"]);
}

#[test]
fn where_no_files_are_kept_that_is_told() {
    let server = Server::start(&[]);
    let (mut ann, hers) = ann(&server, "none");
    write(&hers, "a.txt", b"a");
    ann.types("/send a.txt\r");
    ann.shows("-- a.txt is not sent: No files are shared here: this server has no page (--web).\n> ");
    ann.types(&format!("/get {}\r", "0".repeat(32)));
    shows_line(&mut ann, "/files lists the files; /get takes a whole address, too.");
}

#[test]
fn help_tells_of_both() {
    let server = Server::start(&[]);
    let (mut ann, _) = ann(&server, "help");
    ann.types("/help\r");
    shows_line(&mut ann, "-- Start with // to say a line that begins with /.");
    shows_line(&mut ann, "-- /send PATH      share a file of this computer");
    shows_line(&mut ann, "-- /get ID [PATH]  fetch a file that is shared; /files lists them");
}

#[test]
fn at_a_dumb_terminal_it_is_the_same() {
    let (server, _) = Server::with_page(&[]);
    let hers = Scratch::new("ann-dumb");
    write(&hers, "a.txt", b"a");
    let mut command = Seat::session(binary());
    command.args(["join", &server.addresses()[0].to_string(), "--name", "Ann"]).env("TERM", "dumb");
    let mut ann = Seat::run(200, 30, {
        command.current_dir(hers.path(""));
        command
    });
    shows_line(&mut ann, &welcome("Ann"));
    ann.types("/send a.txt\n");
    let line = shows_line(&mut ann, "Ann shares a.txt (1 B): ");
    let id = line.split("/files/").nth(1).and_then(|rest| rest.get(..4)).expect("a number");
    ann.types(&format!("/get {id} b.txt\n"));
    ann.shows(&format!("-- Fetched b.txt (1 B): {}\n", hers.path("b.txt")));
    assert_eq!(ann.emulator.sequences, 0);
    ann.types("\x04");
    assert_eq!(ann.ends(), 0);
}

#[test]
fn what_comes_through_a_pipe_reads_no_file_and_makes_none() {
    let (server, _) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let hers = Scratch::new("log-pipe");
    write(&hers, "a.txt", b"a");
    let mut command = dynasti(&["join", &server.addresses()[0].to_string(), "--name", "log"]);
    command.current_dir(hers.path(""));
    let mut log = Program::start("join", command, server.story());
    bob.hears("log has joined the chat.");
    log.types("/send a.txt");
    log.types("/get 0000");
    log.types("done");
    log.close_stdin();
    assert_eq!(log.exit_code(), 0);
    bob.hears_nothing_before("log: done");
    log.stdout.find("the server's answer", |line| line.starts_with("-- Send it with: curl -T FILE "));
    log.stdout.has("-- There is no /get. Try /help, or //get to say /get.");
    assert_eq!(names(&hers), ["a.txt"]);
}

// ---- servers of our own making

/// An HTTP server of our own making.
struct Liar(TcpListener);

impl Liar {
    fn new() -> Liar {
        Liar(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.local_addr().expect("it is bound"))
    }

    /// Takes the next connection. Returns it and the head of what is asked.
    fn is_asked(&self) -> (TcpStream, String) {
        let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        let asked = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&patience)).expect("it can be polled");
        assert_ne!(asked, 0, "nobody asks");
        let (mut stream, _) = self.0.accept().expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is to be had");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a whole head");
            head.push(byte[0]);
        }
        (stream, String::from_utf8(head).expect("a head is text"))
    }

    /// Takes the next connection, says this, and closes it. Returns what was asked.
    fn answers(&self, head: &str, body: &[u8]) -> String {
        let (mut stream, asked) = self.is_asked();
        stream.write_all(&[head.replace('\n', "\r\n").as_bytes(), body].concat()).expect("the client listens");
        let _ = stream.shutdown(Shutdown::Write);
        asked
    }
}

const PATH: &str = "/files/0123456789abcdef0123456789abcdef/x.bin";

#[test]
fn what_was_cut_goes_on_where_it_was() {
    let server = Server::start(&[]);
    let (mut ann, hers) = ann(&server, "cut");
    let (liar, all) = (Liar::new(), bytes(1000));
    ann.types(&format!("/get {}\r", liar.url(PATH)));
    let head = "HTTP/1.1 200 OK\nContent-Length: 1000\nETag: \"one\"\n\n";
    assert!(!liar.answers(head, &all[..300]).contains("Range:"));
    ann.shows(
        "-- x.bin: the connection was cut. 300 B are here. Trying again in 1 s.\nx.bin: 0 % of 1.0 kB fetched\n> ",
    );
    assert_eq!(names(&hers), ["x.bin.part"]);
    let asked = liar.answers(
        "HTTP/1.1 206 Partial Content\nContent-Length: 700\nContent-Range: bytes 300-999/1000\n\n",
        &all[300..600],
    );
    assert!(asked.contains("\r\nRange: bytes=300-\r\nIf-Range: \"one\"\r\n"), "{asked}");
    // It has changed meanwhile, so it comes from the start.
    let asked = liar.answers("HTTP/1.1 200 OK\nContent-Length: 900\nETag: \"two\"\n\n", &all[100..500]);
    assert!(asked.contains("\r\nRange: bytes=600-\r\nIf-Range: \"one\"\r\n"), "{asked}");
    let asked = liar.answers(
        "HTTP/1.1 206 Partial Content\nContent-Length: 500\nContent-Range: bytes 400-899/900\n\n",
        &all[500..],
    );
    assert!(asked.contains("\r\nRange: bytes=400-\r\nIf-Range: \"two\"\r\n"), "{asked}");
    ann.shows(&format!("-- Fetched x.bin (900 B): {}\n> ", hers.path("x.bin")));
    assert_eq!(names(&hers), ["x.bin"]);
    assert!(read(&hers, "x.bin") == all[100..]);
}

#[test]
fn what_was_given_up_goes_on_when_it_is_asked_for_again() {
    let server = Server::start(&[]);
    let (mut ann, hers) = ann(&server, "again");
    let (liar, all) = (Liar::new(), bytes(1000));
    let get = format!("/get {}\r", liar.url(PATH));
    ann.types(&get);
    liar.answers("HTTP/1.1 200 OK\nContent-Length: 1000\nETag: \"one\"\n\n", &all[..300]);
    liar.answers("HTTP/1.1 503 Service Unavailable\nContent-Length: 6\n\n", b"Later.");
    let part = hers.path("x.bin.part");
    ann.shows(&format!("-- x.bin is not fetched: Later. The same /get goes on from the 300 B that are in {part}\n> "));
    // Another file of this name begins beside it.
    ann.types(&format!("/get {}\r", liar.url("/x.bin")));
    liar.answers("HTTP/1.1 200 OK\nContent-Length: 1\n\n", b"1");
    shows_line(&mut ann, "-- Fetched x.bin (1 B): ");
    ann.types(&get);
    let asked = liar.answers(
        "HTTP/1.1 206 Partial Content\nContent-Length: 700\nContent-Range: bytes 300-999/1000\n\n",
        &all[300..],
    );
    assert!(asked.contains("\r\nRange: bytes=300-\r\nIf-Range: \"one\"\r\n"), "{asked}");
    let path = hers.path("x (2).bin");
    ann.shows_where(&path, |emulator| emulator.window().contains(&path));
    shows_line(&mut ann, "-- Fetched x.bin (1.0 kB), beside the one that was there: ");
    assert!(read(&hers, "x (2).bin") == all);
    assert_eq!(names(&hers), ["x (2).bin", "x.bin"]);
}

#[test]
fn a_server_that_lies_makes_no_file() {
    let server = Server::start(&[]);
    let (mut ann, hers) = ann(&server, "lies");
    let liar = Liar::new();
    let endless = format!("HTTP/1.1 200 OK\nX: {}", "x".repeat(9000));
    for (head, body, why) in [
        ("HTTP/1.1 200 OK\n\n", "x", "the server does not say how large it is."),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", "0\r\n\r\n", "the server does not say how large it is."),
        ("HTTP/1.1 302 Found\nLocation: http://127.0.0.1:1/\n\n", "", "the server answers with status 302."),
        ("HTTP/1.1 404 Not Found\n\n", "\x1b[2J-- no\u{202e}ne\nmore", "-- none"),
        (
            "HTTP/1.1 206 Partial Content\nContent-Length: 1\nContent-Range: bytes 0-0/1\n\n",
            "x",
            "the server answers with status 206.",
        ),
        ("SSH-2.0-OpenSSH\n\n", "", "what the server answers is not HTTP."),
        (&endless, "", "what the server answers is not HTTP."),
        ("", "", "the connection was cut."),
    ] {
        ann.types(&format!("\x0c/get {}\r", liar.url(PATH)));
        liar.answers(head, body.as_bytes());
        let why = why.trim_start_matches("-- ");
        if why == "none" {
            // Its first line, and nothing that a terminal would obey.
            shows_line(&mut ann, "-- x.bin is not fetched: none");
        } else if body == "x" && head.contains("206") {
            shows_line(&mut ann, "-- x.bin is not fetched: x");
        } else {
            shows_line(&mut ann, &format!("-- x.bin is not fetched: {why}"));
        }
        assert!(names(&hers).is_empty(), "{head:?}: {:?}", names(&hers));
    }
    // More than it says is not taken.
    ann.types(&format!("/get {}\r", liar.url(PATH)));
    liar.answers("HTTP/1.1 200 OK\nContent-Length: 3\n\n", b"onetwo");
    shows_line(&mut ann, "-- Fetched x.bin (3 B): ");
    assert_eq!(read(&hers, "x.bin"), b"one");
}

#[test]
fn whatever_a_server_calls_a_file_it_stays_where_it_was_wanted() {
    let server = Server::start(&[]);
    let (mut ann, hers) = ann(&server, "called");
    let liar = Liar::new();
    std::fs::create_dir(hers.path("in")).expect("it can be made");
    for (path, called, name) in [
        ("/files/..%2F..%2Fa", "", "a"),
        ("/files/..", "", "file"),
        ("/", "..%2F..%2F.bashrc", "bashrc"),
        ("/", "%2Fetc%2Fpasswd%00", "passwd"),
        ("/", "c%0A%1b[2J%E2%80%AEd", "cd"),
    ] {
        ann.types(&format!("/get {} in\r", liar.url(path)));
        let named = format!("Content-Disposition: attachment; filename=\"/x\"; filename*=UTF-8''{called}\n");
        let named = if called.is_empty() { "" } else { &named };
        liar.answers(&format!("HTTP/1.1 200 OK\nContent-Length: 1\n{named}\n"), b"x");
        shows_line(&mut ann, &format!("-- Fetched {name} (1 B): {}", hers.path(&format!("in/{name}"))));
    }
    assert_eq!(names(&hers), ["in"]);
    assert!(!Path::new(&hers.path("../a")).exists());
}

#[test]
fn the_talk_goes_on_while_a_file_is_sent() {
    let (impostor, liar, hers) = (Impostor::new(), Liar::new(), Scratch::new("ann-on"));
    let all = bytes(8 << 20);
    write(&hers, "big.bin", &all);
    let mut ann = sits_in(&hers, &impostor.address().to_string(), "Ann");
    let mut guest = impostor.greets("Ann");
    guest.is_told(&welcome("Ann"));
    ann.shows(&format!("{}\n> ", welcome("Ann")));
    ann.types("/send big.bin\r");
    assert_eq!(guest.says(), "/send");
    guest.is_told(&format!("-- Send it with: curl -T FILE {}", liar.url("/send/code/")));
    let (mut stream, asked) = liar.is_asked();
    assert!(asked.starts_with("PUT /send/code/big.bin HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("\r\nContent-Length: 8388608\r\n"), "{asked}");
    stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").expect("the client listens");
    // More than all buffers on the way hold is not taken yet.
    shows_line(&mut ann, "% of 8.4 MB sent");
    ann.types("hello\rhalf");
    assert_eq!(guest.says(), "hello");
    guest.is_told("Bob: hi");
    ann.shows_where("the talk", |emulator| {
        let window = emulator.window();
        window.contains("Ann: hello\nBob: hi\nbig.bin: ") && window.ends_with(" % of 8.4 MB sent\n> half")
    });
    let mut taken = vec![0; all.len()];
    stream.read_exact(&mut taken).expect("the whole file");
    assert!(taken == all);
    stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").expect("the client listens");
    ann.shows("Ann: hello\nBob: hi\n> half");
}

#[test]
fn a_file_that_a_server_takes_no_more_of_is_not_sent() {
    let (impostor, liar, hers) = (Impostor::new(), Liar::new(), Scratch::new("ann-no-more"));
    write(&hers, "big.bin", &bytes(8 << 20));
    let mut ann = sits_in(&hers, &impostor.address().to_string(), "Ann");
    let mut guest = impostor.greets("Ann");
    guest.is_told(&welcome("Ann"));
    ann.shows(&format!("{}\n> ", welcome("Ann")));
    // In the middle of it: with a reason, and with none.
    for (answer, why) in
        [("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nNo.", "No."), ("", "the connection was cut.")]
    {
        ann.types("\x0c/send big.bin\r");
        assert_eq!(guest.says(), "/send");
        guest.is_told(&format!("-- Send it with: curl -T FILE {}", liar.url("/send/code/")));
        let (mut stream, _) = liar.is_asked();
        stream.write_all(format!("HTTP/1.1 100 Continue\r\n\r\n{answer}").as_bytes()).expect("the client listens");
        stream.shutdown(Shutdown::Write).expect("it is there");
        ann.shows(&format!("-- big.bin is not sent: {why}\n> "));
    }
    // Nowhere else is anything sent to.
    ann.types("\x0c/send big.bin\r");
    assert_eq!(guest.says(), "/send");
    guest.is_told(&format!("-- Send it with: curl -T FILE {}", liar.url("/elsewhere")));
    ann.shows("-- big.bin is not sent: the server names no address that a file can be sent to.\n> ");
    // A server that is lost answers nothing any more.
    ann.types("\x0c/send big.bin\r");
    assert_eq!(guest.says(), "/send");
    drop(guest);
    assert_eq!(ann.ends(), 1);
}

#[test]
fn a_file_that_is_not_as_large_as_it_is_said_to_be_is_not_fetched() {
    let (impostor, liar, hers) = (Impostor::new(), Liar::new(), Scratch::new("ann-large"));
    let mut ann = sits_in(&hers, &impostor.address().to_string(), "Ann");
    let mut guest = impostor.greets("Ann");
    guest.is_told(&welcome("Ann"));
    guest.is_told(&format!("Bob shares x.bin (3 B): {}", liar.url(PATH)));
    shows_line(&mut ann, "Bob shares");
    ann.types("/get 0123\r");
    liar.answers("HTTP/1.1 200 OK\nContent-Length: 1000000000000\n\n", b"x");
    shows_line(&mut ann, "-- x.bin is not fetched: it is said to have 3 B, and the server would send 1.0 TB.");
    assert!(names(&hers).is_empty());
}

#[test]
fn a_server_that_cannot_be_reached_is_told() {
    let server = Server::start(&[]);
    let (mut ann, hers) = ann(&server, "unreachable");
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    ann.types(&format!("/get http://{address}{PATH}\r"));
    shows_line(&mut ann, "-- x.bin is not fetched: Could not connect to 127.0.0.1:");
    assert!(names(&hers).is_empty());
}
