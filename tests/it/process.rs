//! The process: its arguments, what it prints, and how it ends when it cannot begin.

use crate::harness::{Program, Server, Story, dynasti, dynasti_through_sh};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

/// Runs dynasti with arguments it ends on by itself, and returns exit status, stdout and stderr.
#[track_caller]
fn outcome(args: &[&str]) -> (i32, Vec<String>, Vec<String>) {
    let mut program = Program::start("dynasti", dynasti(args), &Story::default());
    (program.exit_code(), program.stdout.whole(), program.stderr.whole())
}

/// Whether this machine has an IPv6 loopback to test on.
fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

#[test]
fn bad_arguments_get_one_line_that_names_them_and_status_2() {
    for (args, named) in [
        (&["serve", "--listen", "nowhere"][..], "--listen"),
        (&["serve", "--listen", "127.0.0.1"], "--listen"),
        (&["serve", "--listen", "127.0.0.1:65536"], "--listen"),
        (&["serve", "--listen"], "--listen"),
        (&["serve", "--max-clients", "many"], "--max-clients"),
        (&["serve", "--max-per-address", "-1"], "--max-per-address"),
        (&["serve", "--rate", "fast"], "--rate"),
        (&["serve", "--frobnicate"], "--frobnicate"),
        (&["serve", "here"], "here"),
        (&["--frobnicate"], "--frobnicate"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let (status, stdout, stderr) = outcome(args);
        assert_eq!(status, 2, "{args:?}: {stderr:?}");
        assert!(stdout.is_empty(), "{args:?}: {stdout:?}");
        assert_eq!(stderr.len(), 1, "{args:?}: {stderr:?}");
        assert!(stderr[0].contains(named), "{args:?}: {stderr:?}");
    }
}

#[test]
fn what_an_option_takes_is_told_when_it_is_missing_or_too_much() {
    for (args, told) in [
        (&["--listen"][..], "'--listen'. It takes ADDR:PORT "),
        (&["--transcript"], "'--transcript'. It takes FILE "),
        (&["serve", "--rate"], "'--rate'. It takes N "),
        (&["join", "--name"], "'--name'. It takes NAME "),
        (&["join", "--retry=yes"], "--retry takes no value"),
        (&["--no-console=1"], "--no-console takes no value"),
        (&["--frobnicate=1"], "--frobnicate=1"),
        (&["--rate", "5000000000"], "a number from 0 to 4294967295"),
    ] {
        let (status, stdout, stderr) = outcome(args);
        assert_eq!((status, stdout.len(), stderr.len()), (2, 0, 1), "{args:?}: {stderr:?}");
        assert!(stderr[0].contains(told), "{args:?}: {stderr:?}");
    }
}

#[test]
fn arguments_that_are_no_text_get_one_line_and_status_2() {
    for args in [&["--transcript", "room\u{e9}"][..], &["\u{e9}"], &["join", "\u{e9}"]] {
        // As who still uses Latin-1 would write it.
        let args = args.iter().map(|arg| OsString::from_vec(arg.chars().map(|char| char as u8).collect()));
        let mut command = dynasti(&[]);
        command.args(args);
        let mut program = Program::start("dynasti", command, &Story::default());
        let (status, stderr) = (program.exit_code(), program.stderr.whole());
        assert_eq!((status, stderr.len()), (2, 1), "{stderr:?}");
        assert!(stderr[0].contains("\u{fffd}' is not UTF-8"), "{stderr:?}");
    }
}

#[test]
fn a_port_that_is_taken_gets_one_line_and_status_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, stdout, stderr) = outcome(&["serve", "--listen", &address]);
    assert_eq!(status, 1);
    assert!(stdout.is_empty(), "{stdout:?}");
    assert_eq!(stderr.len(), 1, "{stderr:?}");
    assert!(stderr[0].contains(&address), "{stderr:?}");
}

#[test]
fn a_link_local_address_without_its_interface_gets_advice_and_status_1() {
    if !has_ipv6() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let (status, _, stderr) = outcome(&["--listen", "[fe80::1]:0"]);
    assert_eq!((status, stderr.len()), (1, 1), "{stderr:?}");
    assert!(stderr[0].contains("needs the number of its interface, as in [fe80::1%2]:0"), "{stderr:?}");
}

#[test]
fn a_server_that_cannot_have_all_its_ports_has_none() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (status, stdout, stderr) = outcome(&["serve", "--listen", "127.0.0.1:0", "--listen", &address]);
    assert_eq!((status, stderr.len()), (1, 1), "{stderr:?}");
    assert!(stdout.is_empty(), "{stdout:?}");
}

#[test]
fn version_and_help_are_printed_with_status_0() {
    let (status, stdout, stderr) = outcome(&["--version"]);
    assert_eq!((status, stderr.len()), (0, 0));
    assert_eq!(stdout, [format!("dynasti {}{}", env!("CARGO_PKG_VERSION"), commit())]);
    for args in [&["--help"][..], &["help"], &["serve", "--help"]] {
        let (status, stdout, stderr) = outcome(args);
        assert_eq!((status, stderr.len()), (0, 0), "{args:?}: {stderr:?}");
        assert!(stdout.iter().any(|line| line.contains("serve")), "{args:?}: {stdout:?}");
    }
    let (_, stdout, _) = outcome(&["serve", "--help"]);
    for option in ["--listen", "--max-clients", "--max-per-address", "--rate", "--no-console"] {
        assert!(stdout.iter().any(|line| line.contains(option)), "{option} is not in {stdout:?}");
    }
}

/// What follows the version: the commit that is checked out here, where git can tell.
fn commit() -> String {
    let git = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let hash = git.ok().filter(|git| git.status.success()).map(|git| String::from_utf8_lossy(&git.stdout).into_owned());
    hash.map_or_else(String::new, |hash| format!(" ({})", &hash[..7]))
}

#[test]
fn the_options_may_be_given_without_serve() {
    let server = Server::run(dynasti(&["--listen", "127.0.0.1:0", "--rate", "0"]), 1);
    server.join("Ann");
}

#[test]
fn who_comes_and_goes_is_printed() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let ann = server.join("Ann");
    let address = ann.address();
    server.prints(&format!("Ann connected from {address}"));
    ann.leaves();
    server.prints("Ann disconnected.");
    guest.leaves();
    let bob = server.join("Bob");
    server.prints(&format!("Bob connected from {}", bob.address()));
    let printed: Vec<String> = server.stdout.so_far().into_iter().filter(|line| line.contains("onnected")).collect();
    assert_eq!(
        printed,
        [
            format!("Ann connected from {address}"),
            "Ann disconnected.".to_owned(),
            format!("Bob connected from {}", bob.address()),
        ]
    );
    assert!(server.stderr.so_far().is_empty());
}

/// Whether this machine is on any network at all. Nothing is sent: a datagram socket connects by finding a route.
fn has_network() -> bool {
    UdpSocket::bind("0.0.0.0:0").is_ok_and(|socket| socket.connect("192.0.2.1:9").is_ok())
}

#[test]
fn where_it_listens_and_how_to_join_are_printed_first() {
    if !has_network() {
        eprintln!("skipped: this machine is on no network");
        return;
    }
    let server = Server::start(&["--listen", "0.0.0.0:0"]);
    let port = server.port();
    server.stdout.find("how to join", |line| line.starts_with("Join with: nc ") && line.ends_with(&format!(" {port}")));
    let _ann = server.dial_to(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let printed = server.stdout.so_far();
    assert_eq!(printed[0], format!("Server listening on 0.0.0.0:{port}"));
    assert!(printed[1].starts_with("Join with: nc "), "{printed:?}");
}

#[test]
fn both_families_share_one_port_and_an_ipv4_client_is_shown_as_one() {
    if !has_ipv6() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let server = Server::start(&["--listen", "[::]:0"]);
    let mut ann = server.dial_to(SocketAddr::from((Ipv4Addr::LOCALHOST, server.port())));
    ann.hears_until("Hi! Welcome to Dynasti. What's your name?");
    ann.joins("Ann");
    server.prints(&format!("Ann connected from {}", ann.address()));
    let mut bob = server.dial_to(format!("[::1]:{}", server.port()).parse().unwrap());
    bob.hears_until("Hi! Welcome to Dynasti. What's your name?");
    bob.joins("Bob");
    server.prints(&format!("Bob connected from {}", bob.address()));
    ann.hears("Bob has joined the chat.");
}

#[test]
fn the_room_goes_on_when_nobody_reads_what_is_printed() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    server.stdout.close_at_next_line();
    server.join("Cid").leaves();
    server.stdout.whole();
    ann.hears_each(["Cid has joined the chat.", "Cid has left the chat."]);
    bob.hears_each(["Cid has joined the chat.", "Cid has left the chat."]);
    for _ in 0..3 {
        server.join("Dan").leaves();
        ann.hears_each(["Dan has joined the chat.", "Dan has left the chat."]);
    }
    bob.hears_until("Dan has left the chat.");
    ann.says("nobody watches the terminal");
    bob.hears_until("Ann: nobody watches the terminal");
}

#[test]
fn the_room_goes_on_with_stderr_closed_from_the_start() {
    let server = Server::run(dynasti_through_sh("", &Server::arguments(&[]), "2>&-"), 1);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.says("nobody reads the log");
    bob.hears("Ann: nobody reads the log");
}

/// The other end of this stream is gone.
fn broken_pipe() -> Stdio {
    let (ours, _theirs) = UnixStream::pair().expect("a pair of sockets is to be had");
    Stdio::from(OwnedFd::from(ours))
}

#[test]
fn a_server_that_cannot_say_so_still_ends_with_its_status() {
    let mut command: Command = dynasti(&["serve", "--listen", "nowhere"]);
    let status = command.stdin(Stdio::null()).stdout(broken_pipe()).stderr(broken_pipe()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}
