//! `dynasti join`: through pipes, and with a person at a terminal.

use crate::harness::{Client, PATIENCE, Program, Server, Story, binary, dynasti};
use crate::seat::Seat;
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

const GREETING: &str = "Hi! Welcome to Dynasti. What's your name?";

pub(crate) fn welcome(name: &str) -> String {
    format!("Welcome, {name}! You can now chat. Type messages and press Enter.")
}

// ---- pipes

/// `dynasti join` with pipes.
fn filter(server: &Server, args: &[&str]) -> Program {
    filter_to(server.addresses()[0], args, server.story())
}

fn filter_to(address: SocketAddr, args: &[&str], story: &Story) -> Program {
    let address = address.to_string();
    Program::start("join", dynasti(&[&["join", address.as_str()], args].concat()), story)
}

#[test]
fn a_filter_says_its_input_and_is_done() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    let mut ci = filter(&server, &["--name", "ci"]);
    ci.types_bytes(b"build done\nno line end");
    ci.close_stdin();
    assert_eq!(ci.exit_code(), 0);
    bob.hears_each(["ci has joined the chat.", "ci: build done", "ci: no line end", "ci has left the chat."]);
    assert_eq!(ci.stdout.whole(), [GREETING, &welcome("ci")]);
    let address = server.addresses()[0];
    assert_eq!(ci.stderr.whole(), [format!("Connecting to {address}..."), format!("Connected to {address}.")]);
}

#[test]
fn a_filter_prints_what_it_hears() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    let mut log = filter(&server, &["--name", "log"]);
    bob.hears("log has joined the chat.");
    bob.says("漢字");
    log.prints("Bob: 漢字");
    log.types("so be it");
    bob.hears("log: so be it");
    log.close_stdin();
    assert_eq!(log.exit_code(), 0);
}

#[test]
fn without_a_name_the_first_line_is_the_name() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    let mut ci = filter(&server, &[]);
    ci.types_bytes(b"ci\nhello\n");
    ci.close_stdin();
    assert_eq!(ci.exit_code(), 0);
    bob.hears_each(["ci has joined the chat.", "ci: hello", "ci has left the chat."]);
}

#[test]
fn all_of_a_long_input_is_delivered() {
    let server = Server::start(&["--rate", "0"]);
    let mut bob = server.join("Bob");
    let mut ci = filter(&server, &["--name", "ci"]);
    bob.hears("ci has joined the chat.");
    let lines: Vec<String> = (0..5000).map(|n| format!("line {n}")).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            ci.types(&lines.join("\n"));
            ci.close_stdin();
            assert_eq!(ci.exit_code(), 0);
        });
        lines.iter().for_each(|line| bob.hears(&format!("ci: {line}")));
        bob.hears("ci has left the chat.");
    });
}

#[test]
fn a_name_that_cannot_be_had_is_an_error_and_no_line_becomes_a_name() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    let mut ci = filter(&server, &["--name", "bob"]);
    ci.types_bytes(b"build done\n");
    assert_eq!(ci.exit_code(), 1);
    ci.stderr.has("Name \"bob\" is already taken. Choose a different name:");
    let mut cid = server.join("Cid");
    bob.hears("Cid has joined the chat.");
    cid.says("hi");
    bob.hears_nothing_before("Cid: hi");
}

#[test]
fn a_closed_output_keeps_nothing_from_being_said() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    let mut ci = filter(&server, &["--name", "ci"]);
    ci.stdout.close_at_next_line();
    bob.hears("ci has joined the chat.");
    for n in 0..5 {
        bob.says("anybody there?");
        ci.types(&n.to_string());
        bob.hears(&format!("ci: {n}"));
    }
    ci.close_stdin();
    assert_eq!(ci.exit_code(), 0);
    bob.hears("ci has left the chat.");
}

#[test]
fn a_closed_output_ends_it_though_its_input_stays_open() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    let mut head = Program::start("head", through_head(&server), server.story());
    head.prints(GREETING);
    bob.hears("log has joined the chat.");
    // Nobody says anything.
    bob.hears("log has left the chat.");
    assert_eq!(head.exit_code(), 0);
}

/// A shell that prints the first line of what a client hears, and ends with the client's exit status.
fn through_head(server: &Server) -> Command {
    let mut shell = Command::new("bash");
    let join = format!("{} join {} --name log", binary(), server.addresses()[0]);
    shell.arg("-c").arg(format!("{join} | head -n 1; exit ${{PIPESTATUS[0]}}"));
    shell
}

#[test]
fn a_server_that_says_goodbye_is_not_lost() {
    let mut server = Server::start(&[]);
    let mut log = filter(&server, &["--name", "log"]);
    log.prints(&welcome("log"));
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
    assert_eq!(log.exit_code(), 0);
    assert_eq!(log.stdout.whole().last().map(String::as_str), Some("Server is shutting down. Bye!"));
    let address = server.addresses()[0];
    assert_eq!(log.stderr.whole(), [format!("Connecting to {address}..."), format!("Connected to {address}.")]);
}

#[test]
fn a_server_that_goes_without_a_word_is_lost() {
    let server = Server::start(&[]);
    let mut log = filter(&server, &["--name", "log"]);
    log.prints(&welcome("log"));
    server.signal(Signal::KILL);
    assert_eq!(log.exit_code(), 1);
    assert_eq!(log.stderr.whole().last().map(String::as_str), Some("Server lost."));
}

#[test]
fn a_server_that_goes_when_asked_to_is_not_lost() {
    let server = Server::start(&[]);
    let mut log = filter(&server, &["--name", "log"]);
    log.types("/quit");
    assert_eq!(log.exit_code(), 0);
}

#[test]
fn why_there_is_no_connection_is_said() {
    // A port that was just given back is nobody's.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let mut refused = filter_to(address, &[], &Story::default());
    assert_eq!(refused.exit_code(), 1);
    let why = format!("Could not connect to {address}: connection refused, no server listens there.");
    assert_eq!(refused.stderr.whole(), [format!("Connecting to {address}..."), why]);

    let mut no_interface = Program::start("join", dynasti(&["join", "fe80::1"]), &Story::default());
    assert_eq!(no_interface.exit_code(), 1);
    no_interface.stderr.find("what is missing", |line| line.contains("a link-local address needs its interface"));
}

/// A name that no resolver looks for: a label has 63 bytes at most (RFC 1035 2.3.4).
fn unheard_of() -> String {
    "x".repeat(64) + ".local"
}

#[test]
fn a_name_that_is_not_found_is_an_error() {
    let name = unheard_of();
    let mut lost = Program::start("join", dynasti(&["join", &name]), &Story::default());
    assert_eq!(lost.exit_code(), 1);
    lost.stderr.find("why", |line| line.starts_with(&format!("Could not connect to {name}:4000: name not found (")));
}

#[test]
fn all_addresses_are_tried_that_the_system_knows() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    // The system's own program for looking up names, replaced by one that knows this name.
    let tools = std::env::temp_dir().join(format!("dynasti-join-{}", std::process::id()));
    let script = "mkdir -p \"$0\" && printf '#!/bin/sh\\necho 127.0.0.2 STREAM; echo 127.0.0.1 STREAM' >\"$0/getent\" \
                  && chmod +x \"$0/getent\"";
    assert!(Command::new("sh").args(["-c", script]).arg(&tools).status().is_ok_and(|status| status.success()));
    let mut command = dynasti(&["join", &format!("{}:{}", unheard_of(), server.port()), "--name", "ci"]);
    command.env("PATH", format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default()));
    let mut ci = Program::start("join", command, server.story());
    bob.hears("ci has joined the chat.");
    ci.stderr.has(&format!("Connected to 127.0.0.1:{}.", server.port()));
    ci.close_stdin();
    assert_eq!(ci.exit_code(), 0);
    let _ = std::fs::remove_dir_all(tools);
}

/// A server of our own making, for what a good one does not do.
pub(crate) struct Impostor(TcpListener);

impl Impostor {
    pub(crate) fn new() -> Impostor {
        Impostor(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }

    /// Takes the next connection, greets it and is told a name.
    pub(crate) fn greets(&self, name: &str) -> Guest {
        let (stream, _) = self.0.accept().expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is to be had");
        let mut guest = Guest(BufReader::new(stream));
        guest.is_told(GREETING);
        assert_eq!(guest.says(), name);
        guest
    }
}

/// A client of an impostor's.
pub(crate) struct Guest(BufReader<TcpStream>);

impl Guest {
    pub(crate) fn is_told(&mut self, text: &str) {
        self.0.get_mut().write_all(format!("{text}\n").as_bytes()).expect("the client listens");
    }

    /// The next line, empty at the end.
    pub(crate) fn says(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the client says UTF-8");
        line.trim_end().to_owned()
    }
}

#[test]
fn a_filter_comes_back_under_its_name_and_says_the_rest() {
    let impostor = Impostor::new();
    let mut log = filter_to(impostor.address(), &["--name", "log", "--retry"], &Story::default());
    let mut guest = impostor.greets("log");
    guest.is_told(&welcome("log"));
    log.types("one");
    assert_eq!(guest.says(), "one");
    drop(guest);
    log.stderr.has("Server lost. Trying again in 1 s.");
    log.types("two");
    log.close_stdin();
    let mut guest = impostor.greets("log");
    guest.is_told(&welcome("log"));
    assert_eq!([guest.says(), guest.says()], ["two", ""]);
    drop(guest);
    assert_eq!(log.exit_code(), 0);
}

#[test]
fn a_name_that_the_lost_connection_still_has_is_waited_for() {
    let impostor = Impostor::new();
    let mut log = filter_to(impostor.address(), &["--name", "log", "--retry"], &Story::default());
    impostor.greets("log").is_told(&welcome("log"));
    log.stderr.has("Server lost. Trying again in 1 s.");
    log.types("no name");
    log.close_stdin();
    let taken = "Name \"log\" is already taken. Choose a different name:";
    let mut guest = impostor.greets("log");
    for _ in 0..4 {
        guest.is_told(taken);
        assert_eq!(guest.says(), "log");
    }
    guest.is_told(taken);
    log.stderr.has(&format!("{taken} Trying again in 2 s."));
    let mut guest = impostor.greets("log");
    guest.is_told(&welcome("log"));
    assert_eq!([guest.says(), guest.says()], ["no name", ""]);
    drop(guest);
    assert_eq!(log.exit_code(), 0);
}

#[test]
fn who_was_sent_away_does_not_come_back() {
    let mut server = Server::start(&[]);
    let mut log = filter(&server, &["--name", "log", "--retry"]);
    log.prints(&welcome("log"));
    server.operator("/kick log enough");
    assert_eq!(log.exit_code(), 1);
    log.stdout.has("-- The operator has ended your connection: enough");
    assert_eq!(log.stderr.whole().last().map(String::as_str), Some("The server has ended the connection."));
}

#[test]
fn whatever_a_server_sends_is_cleaned() {
    let impostor = Impostor::new();
    let mut nasty = filter_to(impostor.address(), &["--name", "x"], &Story::default());
    nasty.close_stdin();
    let mut guest = impostor.greets("x");
    guest.is_told(&welcome("x"));
    guest.is_told("Bob: \x1b[31mred\x1b]0;title\x07 \u{9b}2J\u{202e}\r\n\x07");
    drop(guest);
    nasty.exit_code();
    assert_eq!(nasty.stdout.whole(), [GREETING, &welcome("x"), "Bob: red ", ""]);
}

// ---- a terminal

/// Ann at a terminal of 64 columns and 12 rows, and Bob with a client of the harness.
fn ann_and_bob(server: &Server, args: &[&str]) -> (Seat, Client) {
    let mut bob = server.join("Bob");
    let address = server.addresses()[0].to_string();
    let mut ann = Seat::join(64, 12, &[&[address.as_str(), "--name", "Ann"], args].concat());
    bob.hears("Ann has joined the chat.");
    ann.shows(&format!("{}\n> ", welcome("Ann")));
    (ann, bob)
}

/// Ann at such a terminal, and her connection to a server that the test plays.
fn ann_with_an_impostor() -> (Seat, Guest) {
    let impostor = Impostor::new();
    let ann = Seat::join(64, 12, &[&impostor.address().to_string(), "--name", "Ann"]);
    let mut guest = impostor.greets("Ann");
    guest.is_told(&welcome("Ann"));
    (ann, guest)
}

#[test]
fn it_says_what_it_does() {
    let server = Server::start(&[]);
    let address = server.addresses()[0].to_string();
    let mut ann = Seat::join(80, 12, &[&address]);
    ann.shows(&format!("Connecting to {address}...\nConnected to {address}.\n{GREETING}\n> "));
    ann.types("Ann\r");
    ann.shows(&format!("{GREETING}\nAnn\n{}\n> ", welcome("Ann")));
    ann.types("\x04");
    assert_eq!(ann.ends(), 0);
}

#[test]
fn what_is_half_typed_stays_intact() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = ann_and_bob(&server, &[]);
    ann.types("half a 漢 line\x1bb");
    ann.shows("> half a 漢 line");
    ann.has_cursor_in(12);
    bob.says("one");
    bob.says("two");
    ann.shows("Bob: one\nBob: two\n> half a 漢 line");
    ann.has_cursor_in(12);
    ann.types("whole \r");
    bob.hears("Ann: half a 漢 whole line");
    bob.says("I see");
    ann.shows("Bob: two\nAnn: half a 漢 whole line\nBob: I see\n> ");
}

#[test]
fn a_paste_of_several_lines_is_shown_and_sent_as_lines() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = ann_and_bob(&server, &[]);
    assert!(ann.emulator.bracketed_paste);
    ann.types("so: \x1b[200~one\rtwo\tx\r\rthr\x1b[201~ee");
    ann.shows("Ann: so: one\nAnn: two        x\n> three");
    bob.hears_each(["Ann: so: one", "Ann: two\tx"]);
    ann.types("\r");
    bob.hears("Ann: three");
    ann.types("\x1b[A\x1b[A");
    ann.shows("Ann: three\n> two x");
}

#[test]
fn the_window_changes_its_size() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = ann_and_bob(&server, &[]);
    ann.types("a line that is longer than the window will be in a moment");
    bob.says("hello");
    ann.shows("Bob: hello\n> a line that is longer than the window will be in a moment");
    ann.resize(24, 12);
    ann.shows("Bob: hello\n> a line that is longer \nthan the window will be \nin a moment");
    bob.says("narrow here");
    ann.shows("Bob: hello\nBob: narrow here\n> a line that is longer \nthan the window will be \nin a moment");
    ann.resize(70, 12);
    ann.shows("Bob: narrow here\n> a line that is longer than the window will be in a moment");
    let lines = ann.emulator.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("a line")).count(), 1, "{lines:?}");
}

#[test]
fn tab_completes_who_was_heard() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = ann_and_bob(&server, &[]);
    bob.says("hi");
    ann.shows("Bob: hi\n> ");
    ann.types("yes b\t!\r");
    bob.hears("Ann: yes Bob !");
}

#[test]
fn commands_and_their_answers() {
    let server = Server::start(&[]);
    let _cid = server.join("Cid Campeador");
    let (mut ann, mut bob) = ann_and_bob(&server, &[]);
    ann.types("/me waves\r");
    bob.hears("* Ann waves");
    ann.shows("-- * Ann waves\n> ");
    ann.types("//who\r/who\r");
    bob.hears("Ann: /who");
    ann.shows_where("who is here", |emulator| emulator.window().contains("Ann: /who\n> /who\n-- 3 here: "));
    ann.types("/msg ci\tpsst\r");
    ann.shows("-- To Cid Campeador (private): psst\n> ");
    ann.types("/nick Bea\r");
    bob.hears("Ann is now known as Bea.");
    ann.shows("> /nick Bea\n-- You are now known as Bea.\n> ");
    ann.types("hi\r");
    bob.hears("Bea: hi");
    ann.shows("Bea: hi\n> ");
}

#[test]
fn a_taken_name_is_asked_for_again() {
    let server = Server::start(&[]);
    let _bob = server.join("Bob");
    let address = server.addresses()[0].to_string();
    let mut ann = Seat::join(80, 12, &[&address, "--name", "bob"]);
    ann.shows("Trying again for 8 s, in case that is an old connection of yours.\n> ");
    ann.types("Ann\r");
    ann.shows(&format!("{}\n> ", welcome("Ann")));
}

#[test]
fn while_a_taken_name_is_asked_for_again_the_person_may_type_anything() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    let address = server.addresses()[0].to_string();
    let mut ann = Seat::join(80, 12, &[&address, "--name", "bob"]);
    ann.shows("Trying again for 8 s, in case that is an old connection of yours.\n> ");
    ann.types("/who\r");
    ann.shows("-- 1 here: Bob\n> ");
    ann.types("bob\r");
    ann.shows("-- If that is you: try again in a few seconds; a connection that is dead is give\nn up.\n> ");
    ann.types("Ann\r");
    bob.hears("Ann has joined the chat.");
    ann.types("/quit\r");
    bob.hears("Ann has left the chat.");
    assert_eq!(ann.ends(), 0);
    let mut cid = Seat::join(80, 12, &[&address, "--name", "bob", "--retry"]);
    cid.shows("Trying again for 8 s, in case that is an old connection of yours.\n> ");
    cid.types("/quit\r");
    assert_eq!(cid.ends(), 0);
}

#[test]
fn however_it_ends_the_terminal_is_as_it_was() {
    type Ending = fn(&mut Seat, &mut Server);
    let endings: [(&str, Ending, i32); 7] = [
        ("Ctrl-C", |ann, _| ann.types("half\x03"), 0),
        ("Ctrl-D", |ann, _| ann.types("\x04"), 0),
        ("/quit", |ann, _| ann.types("/quit\r"), 0),
        ("SIGTERM", |ann, _| half_typed(ann, |ann| ann.signal(Signal::TERM)), 0),
        ("SIGHUP", |ann, _| half_typed(ann, |ann| ann.signal(Signal::HUP)), 0),
        ("the server stops", |ann, server| half_typed(ann, |_| server.signal(Signal::TERM)), 0),
        ("the server dies", |ann, server| half_typed(ann, |_| server.signal(Signal::KILL)), 1),
    ];
    fn half_typed(ann: &mut Seat, then: impl FnOnce(&mut Seat)) {
        ann.types("half");
        ann.shows("> half");
        then(ann);
    }
    for (ending, end, status) in endings {
        let mut server = Server::start(&[]);
        let (mut ann, _bob) = ann_and_bob(&server, &[]);
        end(&mut ann, &mut server);
        assert_eq!(ann.ends(), status, "{ending}");
        if status == 1 {
            ann.shows("> half\nServer lost.\n");
        }
    }
}

#[test]
fn a_terminal_that_shows_nothing_any_more_holds_nothing_up() {
    let server = Server::start(&["--rate", "0"]);
    let (mut ann, mut bob) = ann_and_bob(&server, &[]);
    // More than all buffers on the way hold; that the server dropped her shows that she has stopped.
    bob.sends(format!("{}\n", "x".repeat(4000)).repeat(4000));
    bob.hears_until("Ann has left the chat (too slow).");
    ann.signal(Signal::TERM);
    assert_eq!(ann.ends_unseen(), Some(0));
}

#[test]
fn a_terminal_that_shows_nothing_any_more_holds_nothing_up_when_the_server_is_lost() {
    let (mut ann, mut guest) = ann_with_an_impostor();
    // More than the terminal holds, and less than the client does, which comes to the end of it.
    (0..30).for_each(|_| guest.is_told(&"x".repeat(4000)));
    guest.0.get_ref().shutdown(Shutdown::Write).expect("the client is there");
    assert_eq!(guest.says(), "");
    ann.signal(Signal::TERM);
    assert_eq!(ann.ends_unseen(), Some(0));
}

#[test]
fn a_server_that_never_stops_talking_keeps_nobody() {
    let (mut ann, mut guest) = ann_with_an_impostor();
    ann.shows("> ");
    let flood = format!("{}\n", "x".repeat(4000)).repeat(100);
    // Until the client is gone, which it may say by a reset.
    let talking = std::thread::spawn(move || while guest.0.get_mut().write_all(flood.as_bytes()).is_ok() {});
    ann.shows_where("the flood", |emulator| emulator.window().contains("xxx"));
    ann.signal(Signal::TERM);
    assert_eq!(ann.ends_unseen(), Some(0));
    talking.join().expect("to talk is no fault");
}

#[test]
fn suspended_and_brought_back() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    let mut shell = Seat::session("sh");
    let script = format!(
        "set -m; {} join {} --name Ann; echo away; read answer; fg; echo over",
        binary(),
        server.addresses()[0]
    );
    let mut ann = Seat::run(200, 24, {
        shell.args(["-c", &script]);
        shell
    });
    bob.hears("Ann has joined the chat.");
    ann.types("half");
    ann.shows("> half");
    ann.types("\x1a");
    ann.shows_where("the shell instead of the line", |emulator| emulator.window().ends_with("away\n"));
    assert!(!ann.emulator.window().contains("> half"));
    ann.is_as_before();
    bob.says("are you there?");
    // Shown as it is typed, since the terminal is as it was; and it is what the shell waits for.
    ann.types("back");
    ann.shows_where("what is typed", |emulator| emulator.window().ends_with("back"));
    ann.types("\n");
    ann.shows("Bob: are you there?\n> half");
    ann.types(" and whole\r");
    bob.hears("Ann: half and whole");
    ann.types("\x03");
    ann.shows("over\n");
    ann.ends();
}

#[test]
fn with_retry_it_comes_back_with_what_was_half_typed() {
    let mut server = Server::start(&[]);
    let (mut ann, _) = ann_and_bob(&server, &["--retry"]);
    let address = server.addresses()[0].to_string();
    ann.types("half");
    ann.shows("> half");
    server.signal(Signal::KILL);
    ann.shows("Server lost. Trying again in 1 s.\n> half");
    let _ = server.exits_within(PATIENCE);
    let server = Server::start(&["--listen", &address]);
    ann.shows(&format!("{GREETING}\n{}\n> half", welcome("Ann")));
    let mut bob = server.join("Bob");
    ann.types(" and whole\r");
    bob.hears("Ann: half and whole");
    ann.types("\x04");
    assert_eq!(ann.ends(), 0);
}

#[test]
fn a_line_that_is_too_long_is_kept() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = ann_and_bob(&server, &[]);
    ann.types(&format!("\x1b[200~{}\x1b[201~\r", "x".repeat(4097)));
    ann.shows("-- Line too long (4096 bytes at most); not sent. Up brings it ba\nck.\n> ");
    ann.types("\x1b[A\x7f\r");
    bob.hears(&format!("Ann: {}", "x".repeat(4096)));
}

#[test]
fn colours_and_the_bell() {
    let server = Server::start(&[]);
    let (mut ann, mut bob) = ann_and_bob(&server, &[]);
    bob.says("hello Anna");
    bob.says("hello ann!");
    ann.shows("Bob: hello ann!\n> ");
    assert!(ann.emulator.painted);
    assert_eq!(ann.emulator.bells, 1);

    let server = Server::start(&[]);
    let (mut ann, mut bob) = ann_and_bob(&server, &["--no-bell"]);
    bob.says("hello Ann");
    ann.shows("Bob: hello Ann\n> ");
    assert_eq!(ann.emulator.bells, 0);
}

#[test]
fn no_color_is_respected() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    let mut command = Seat::session(binary());
    command.args(["join", &server.addresses()[0].to_string(), "--name", "Ann"]).env("NO_COLOR", "1");
    let mut ann = Seat::run(60, 12, command);
    bob.hears("Ann has joined the chat.");
    bob.says("hello Ann");
    ann.shows("Bob: hello Ann\n> ");
    assert!(!ann.emulator.painted);
}

#[test]
fn a_dumb_terminal_is_sent_lines_and_nothing_else() {
    let server = Server::start(&[]);
    let mut bob = server.join("Bob");
    let mut command = Seat::session(binary());
    command.args(["join", &server.addresses()[0].to_string(), "--name", "bob"]).env("TERM", "dumb");
    let mut ann = Seat::run(80, 12, command);
    // One is for standard output, and the other for standard error: either may come first.
    let told = ["Name \"bob\" is already taken. Choose", "Trying again for 8 s, in case that is an old connection"];
    ann.shows_where(&format!("{told:?}"), |emulator| told.iter().all(|words| emulator.window().contains(words)));
    ann.types("Ann\n");
    bob.hears("Ann has joined the chat.");
    bob.says("hello Ann");
    ann.shows("Ann\nWelcome, Ann! You can now chat. Type messages and press Enter.\nBob: hello Ann\n");
    assert_eq!(ann.emulator.sequences, 0);
    ann.types("bye\n\x04");
    bob.hears_each(["Ann: bye", "Ann has left the chat."]);
    assert_eq!(ann.ends(), 0);
}
