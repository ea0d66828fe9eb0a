//! The contract with ordinary clients: OpenBSD's `nc`, `ncat` and `telnet`, at a terminal and in a pipe.
//!
//! If a tool is not installed, its tests say so and pass; with `DYNASTI_DEMAND_TOOLS` set they fail instead.

use crate::harness::{GOODBYE, PATIENCE, PROMPT, Program, Server, binary};
use rustix::process::Signal;
use std::env;
use std::process::{Command, Stdio};

const WELCOME_CID: &str = "Welcome, Cid! You can now chat. Type messages and press Enter.";

/// Whether this tool is installed, and is the one that is meant: what it prints for `argument` holds `mark`.
pub(crate) fn installed(tool: &str, argument: &str, mark: &str) -> bool {
    let output = Command::new(tool).arg(argument).stdin(Stdio::null()).output();
    let found = output.is_ok_and(|output| {
        let printed = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&printed).contains(mark)
    });
    if !found {
        skipped(&format!("{tool} ({mark}) is not installed"));
    }
    found
}

/// Says why a test is skipped, or fails where none may be.
#[track_caller]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn skipped(why: &str) {
    assert!(env::var_os("DYNASTI_DEMAND_TOOLS").is_none(), "no test is to be skipped: {why}");
    eprintln!("skipped: {why}");
}

fn openbsd_nc() -> bool {
    installed("nc", "-h", "OpenBSD")
}

fn ncat() -> bool {
    installed("ncat", "--version", "Ncat")
}

/// A tool on its way to the server.
fn runs(server: &Server, tool: &str, options: &[&str]) -> Program {
    let mut command = Command::new(tool);
    command.args(options).args(["127.0.0.1", &server.port().to_string()]);
    Program::start(tool, command, server.story())
}

/// Somebody who uses this tool comes, talks, listens, and gets the shell back when the server stops, though their
/// standard input stays open.
#[track_caller]
fn a_whole_evening_with(tool: &str) {
    let mut server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut cid = runs(&server, tool, &[]);
    let mut guest = runs(&server, tool, &[]);
    cid.prints(PROMPT);
    guest.prints(PROMPT);
    cid.types("Cid");
    cid.prints(WELCOME_CID);
    ann.hears("Cid has joined the chat.");
    cid.types("hello from a pipe");
    ann.hears("Cid: hello from a pipe");
    bob.hears_until("Cid: hello from a pipe");
    bob.says("hello, pipe");
    cid.prints("Bob: hello, pipe");
    server.operator("closing time");
    cid.prints("[SERVER]: closing time");
    server.signal(Signal::INT);
    for tool in [&mut cid, &mut guest] {
        tool.prints(GOODBYE);
        tool.exits_within(PATIENCE);
    }
    assert_eq!(guest.stdout.whole(), [PROMPT, GOODBYE]);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn nc_asks_who_is_here_and_joins_nobody() {
    if openbsd_nc() {
        let server = Server::start(&[]);
        let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
        let mut nc = runs(&server, "nc", &["-N"]);
        nc.types("/who");
        nc.close_stdin();
        assert_eq!(nc.exit_code(), 0);
        assert_eq!(nc.stdout.whole(), [PROMPT, "-- 2 here: Ann, Bob"]);
        bob.says("quiet today");
        ann.hears_nothing_before("Bob: quiet today");
    }
}

#[test]
fn nc_gives_the_shell_back_when_the_server_stops() {
    if openbsd_nc() {
        a_whole_evening_with("nc");
    }
}

#[test]
fn ncat_gives_the_shell_back_when_the_server_stops() {
    if ncat() {
        a_whole_evening_with("ncat");
    }
}

#[test]
fn nc_gives_the_shell_back_after_quit() {
    if openbsd_nc() {
        let server = Server::start(&[]);
        let mut ann = server.join("Ann");
        let mut cid = runs(&server, "nc", &[]);
        cid.types("Cid");
        cid.types("/quit");
        ann.hears_each(["Cid has joined the chat.", "Cid has left the chat."]);
        cid.exits_within(PATIENCE);
    }
}

/// `printf 'cron\nbackup done\n' | TOOL`: the script's line is heard, and the tool ends.
#[track_caller]
fn a_script_posts_with(tool: &str, options: &[&str]) {
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut cron = runs(&server, tool, options);
    cron.types_bytes(b"cron\nbackup done\n");
    cron.close_stdin();
    ann.hears_each(["cron has joined the chat.", "cron: backup done", "cron has left the chat."]);
    assert_eq!(cron.exit_code(), 0);
    assert_eq!(cron.stdout.whole(), [PROMPT, "Welcome, cron! You can now chat. Type messages and press Enter."]);
}

#[test]
fn a_script_posts_with_nc() {
    if openbsd_nc() {
        a_script_posts_with("nc", &["-N"]);
    }
}

#[test]
fn a_script_posts_with_ncat() {
    if ncat() {
        a_script_posts_with("ncat", &[]);
    }
}

/// A tool on a terminal of its own, which `script` makes. What is typed is echoed there, and lines end in CR LF.
fn on_a_terminal(server: &Server, line: &str) -> Program {
    // Who runs the tests in the background may have them ignore Ctrl-C, and so all that they start.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT,QUIT", "script", "-qec", line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("TERM", "dumb");
    Program::start("terminal", command, server.story())
}

/// Waits for a line on the terminal.
#[track_caller]
fn shows(terminal: &Program, line: &str) {
    terminal.stdout.find(format!("{line:?}"), |shown| shown.trim_end_matches('\r').ends_with(line));
}

#[test]
fn ctrl_c_in_telnet_does_not_freeze_it() {
    if !installed("script", "--version", "util-linux") || !installed("telnet", "-?", "elnet") {
        return;
    }
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut cid = on_a_terminal(&server, &format!("telnet 127.0.0.1 {}", server.port()));
    shows(&cid, PROMPT);
    cid.types("Cid");
    shows(&cid, WELCOME_CID);
    ann.hears("Cid has joined the chat.");
    cid.types_bytes(b"\x03");
    cid.types("still here");
    ann.hears("Cid: still here");
    ann.says("good");
    shows(&cid, "Ann: good");
    bob.hears_until("Ann: good");
}

#[test]
fn ctrl_c_in_telnet_at_the_name_prompt_does_not_freeze_it() {
    if !installed("script", "--version", "util-linux") || !installed("telnet", "-?", "elnet") {
        return;
    }
    let server = Server::start(&[]);
    let mut cid = on_a_terminal(&server, &format!("telnet 127.0.0.1 {}", server.port()));
    shows(&cid, PROMPT);
    cid.types_bytes(b"\x03");
    cid.types("Cid");
    shows(&cid, WELCOME_CID);
}

#[test]
fn ctrl_c_in_nc_is_a_leave() {
    if !installed("script", "--version", "util-linux") || !openbsd_nc() {
        return;
    }
    let server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut cid = on_a_terminal(&server, &format!("nc 127.0.0.1 {}", server.port()));
    shows(&cid, PROMPT);
    cid.types("Cid");
    shows(&cid, WELCOME_CID);
    ann.hears("Cid has joined the chat.");
    cid.types_bytes(b"\x03");
    ann.hears_one("that Cid left", |line| line.starts_with("Cid has left the chat"));
}

/// `dynasti &` in a shell with job control: whoever reads the terminal from there is stopped by the kernel (SIGTTIN).
#[test]
fn in_the_background_the_server_runs_on_and_leaves_the_terminal_alone() {
    if !installed("script", "--version", "util-linux") {
        return;
    }
    let binary = binary();
    let line = format!(
        "set -m; '{binary}' serve --listen 127.0.0.1:0 & read answer; echo \"the shell read $answer\"; \
         kill -TERM $!; wait $!; echo \"status $?\""
    );
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("SHELL", "/bin/sh").env("TERM", "dumb");
    let mut server = Server::run(command, 1);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.says("who minds the terminal?");
    bob.hears("Ann: who minds the terminal?");
    server.types("typed at the shell");
    shows(&server, "the shell read typed at the shell");
    ann.hears_nothing_before(GOODBYE);
    bob.hears(GOODBYE);
    shows(&server, "status 0");
}

#[test]
fn in_the_foreground_the_terminal_is_the_console() {
    if !installed("script", "--version", "util-linux") {
        return;
    }
    let mut command = Command::new("script");
    let binary = binary();
    let line = format!("trap : INT; '{binary}' serve --listen 127.0.0.1:0; echo \"status $?\"");
    command.args(["-qec", &line, "/dev/null"]).env("SHELL", "/bin/sh").env("TERM", "dumb");
    let mut server = Server::run(command, 1);
    let mut ann = server.join("Ann");
    let mut guest = server.guest();
    server.operator("I can see you");
    ann.hears("[SERVER]: I can see you");
    server.types_bytes(b"\x03");
    ann.hears(GOODBYE);
    guest.hears(GOODBYE);
    shows(&server, "status 0");
}
