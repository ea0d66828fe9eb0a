//! The operator's lines, from the server's standard input.

use crate::harness::{GOODBYE, STOPS_WITHIN, Server, dynasti_through_sh};
use rustix::process::Signal;

#[test]
fn the_operators_line_goes_to_everybody() {
    let mut server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    server.operator("supper is ready");
    ann.hears("[SERVER]: supper is ready");
    bob.hears("[SERVER]: supper is ready");
    ann.says("coming!");
    bob.hears("Ann: coming!");
}

#[test]
fn the_operators_lines_keep_their_order() {
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    server.types_bytes(b"one\ntwo\r\nth");
    server.types_bytes(b"ree\n");
    ann.hears_each(["[SERVER]: one", "[SERVER]: two", "[SERVER]: three"]);
}

#[test]
fn a_long_paste_of_the_operators_comes_to_its_end() {
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let lines: Vec<String> = (0..1000).map(|number| format!("line {number}")).collect();
    server.types_bytes(format!("{}\n", lines.join("\n")).as_bytes());
    ann.hears_each(lines.iter().map(|line| format!("[SERVER]: {line}")));
}

#[test]
fn who_has_not_given_a_name_does_not_hear_the_operator() {
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut guest = server.guest();
    server.operator("members only");
    ann.hears("[SERVER]: members only");
    guest.joins("Gil");
}

#[test]
fn nothing_unclean_comes_from_the_operator_either() {
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    server.types_bytes(b"\x1b[1mbold\x1b[0m\x07 and \xff\xc3\n");
    ann.hears_one("a clean line", |line| line.starts_with("[SERVER]: bold and ") && !line.contains(char::is_control));
}

#[test]
fn the_end_of_standard_input_closes_the_console_and_nothing_else() {
    let mut server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    server.operator("last words");
    server.close_stdin();
    ann.hears("[SERVER]: last words");
    bob.hears("[SERVER]: last words");
    ann.says("the operator is gone");
    bob.hears("Ann: the operator is gone");
    let _cid = server.join("Cid");
    ann.hears("Cid has joined the chat.");
    server.signal(Signal::TERM);
    ann.hears(GOODBYE);
    assert_eq!(server.exits_within(STOPS_WITHIN).code(), Some(0));
}

#[test]
fn the_operators_last_line_counts_without_a_newline() {
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    server.types_bytes(b"and that's that");
    server.close_stdin();
    ann.hears("[SERVER]: and that's that");
}

#[test]
fn standard_input_may_be_closed_or_empty_from_the_start() {
    for redirection in ["<&-", "</dev/null"] {
        let server = Server::run(dynasti_through_sh("", &Server::arguments(&[]), redirection), 1);
        let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
        ann.says("no operator today");
        bob.hears("Ann: no operator today");
    }
}

#[test]
fn without_a_console_standard_input_is_not_read() {
    let mut server = Server::start(&["--no-console"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    server.operator("can anybody hear me?");
    for round in 0..20 {
        ann.says(&format!("round {round}"));
        bob.hears(&format!("Ann: round {round}"));
    }
    server.signal(Signal::TERM);
    ann.hears(GOODBYE);
}

#[test]
fn the_operators_quit_stops_the_server() {
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut guest = server.guest();
    server.operator("/quit");
    ann.hears(GOODBYE);
    guest.hears(GOODBYE);
    assert_eq!(server.exits_within(STOPS_WITHIN).code(), Some(0));
}

#[test]
fn an_operators_line_with_a_slash_is_not_said() {
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    server.operator("/frobnicate");
    server.operator("that was nothing");
    ann.hears_nothing_before("[SERVER]: that was nothing");
}
