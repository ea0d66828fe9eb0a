//! The operator's lines, from the server's standard input.

use crate::harness::{Client, GOODBYE, PROMPT, STOPS_WITHIN, Server, Story, binary, dynasti_through_sh};
use crate::seat::Seat;
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener, TcpStream};

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

/// Long enough for whatever the operator says to be heard.
fn talk_for_a_while(ann: &mut Client, bob: &mut Client) {
    for round in 0..20 {
        ann.says(&format!("round {round}"));
        bob.hears(&format!("Ann: round {round}"));
    }
}

#[test]
fn without_a_console_standard_input_is_not_read() {
    let mut server = Server::start(&["--no-console"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    server.operator("can anybody hear me?");
    talk_for_a_while(&mut ann, &mut bob);
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

// ---- commands

/// The operator types a line and is answered; the answer is what this says it is.
#[track_caller]
fn asks(server: &mut Server, command: &str, answer: &str) {
    let before = server.stdout.so_far().iter().filter(|line| *line == answer).count();
    assert_eq!(before, 0, "{answer:?} was printed before {command:?} was typed");
    server.operator(command);
    server.prints(answer);
}

/// Comes in from this address.
#[track_caller]
fn joins_from(server: &Server, address: [u8; 4], name: &str) -> Client {
    let mut client = server.dial_from(address);
    client.hears(PROMPT);
    client.joins(name);
    client
}

#[test]
fn help_lists_every_command_of_the_operator() {
    let mut server = Server::start(&[]);
    server.operator("/help");
    for command in [
        "who",
        "kick NAME [REASON]",
        "ban NAME|ADDRESS [MINUTES]",
        "unban ADDRESS",
        "bans",
        "mute NAME",
        "unmute NAME",
        "stats",
        "help",
        "quit",
    ] {
        server.stdout.find(format!("help for /{command}"), |line| line.starts_with(&format!("-- /{command} ")));
    }
}

#[test]
fn what_is_no_command_or_lacks_something_is_explained() {
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    asks(&mut server, "/frobnicate now", "-- There is no /frobnicate. Try /help, or //frobnicate to say /frobnicate.");
    for command in ["kick", "ban", "unban", "mute", "unmute"] {
        server.operator(&format!("/{command}"));
        server
            .stdout
            .find(format!("how /{command} is typed"), |line| line.starts_with(&format!("-- Usage: /{command} ")));
        server.operator(&format!("/{command} 192.0.2.{}.no", command.len()));
    }
    server.operator("//say it");
    ann.hears_nothing_before("[SERVER]: /say it");
    // Nobody of these names is here, and `/unban` takes no name at all.
    server
        .stdout
        .find("an answer", |line| line == "-- Nobody here is called \"192.0.2.4.no\". /who tells who is here.");
    server
        .stdout
        .find("an answer", |line| line == "-- Nobody here is called \"192.0.2.3.no\". /who tells who is here.");
}

#[test]
fn who_tells_from_where_how_long_and_what_is_queued() {
    let mut server = Server::start(&[]);
    let ann = joins_from(&server, [127, 0, 0, 2], "Ann Lee");
    let _guest = server.guest();
    server.operator("/who");
    server.prints("-- 1 here, 1 choosing a name");
    let row = server.stdout.find("Ann Lee", |line| line.starts_with("-- Ann Lee"));
    assert!(row.contains(&ann.address().to_string()) && row.contains("here ") && row.contains("queued: 0"), "{row}");
    assert!(!row.contains("muted"), "{row}");
    asks(&mut server, "/mute ann lee", "-- muted: Ann Lee");
    server.operator("/who");
    server.stdout.find("that she is muted", |line| line.starts_with("-- Ann Lee") && line.ends_with(", muted"));
}

#[test]
fn kick_ends_a_connection_and_says_why() {
    let mut server = Server::start(&[]);
    let [mut ann, mut bob, mut lee] = server.room(["Ann", "Bob", "Bob Lee"]);
    server.operator("/kick bob lee  no more of that");
    lee.hears("-- The operator has ended your connection: no more of that");
    lee.hears_the_end();
    for member in [&mut ann, &mut bob] {
        member.hears("Bob Lee has left the chat (kicked: no more of that).");
    }
    server.prints("Bob Lee disconnected.");
    server.operator("/kick Bob");
    bob.hears("-- The operator has ended your connection.");
    bob.hears_the_end();
    ann.hears("Bob has left the chat (kicked).");
    asks(&mut server, "/kick Bob", "-- Nobody here is called \"Bob\". /who tells who is here.");
    // To be kicked is not to be banned.
    let _bob = server.join("Bob");
    ann.hears("Bob has joined the chat.");
}

#[test]
fn to_ban_a_name_is_to_ban_its_address() {
    let mut server = Server::start(&[]);
    let mut ann = server.join("Ann");
    let mut bob = joins_from(&server, [127, 0, 0, 2], "Bob Lee");
    let mut rob = joins_from(&server, [127, 0, 0, 2], "Rob");
    let mut guest = server.dial_from([127, 0, 0, 2]);
    guest.hears(PROMPT);
    ann.hears_each(["Bob Lee has joined the chat.", "Rob has joined the chat."]);
    asks(&mut server, "/bans", "-- Nobody is banned.");
    asks(&mut server, "/ban bob lee for spam", "-- Not a number of minutes after Bob Lee: for spam");
    asks(&mut server, "/ban bob lee 5", "-- banned: 127.0.0.2 for another 5 min");
    for banned in [&mut bob, &mut rob, &mut guest] {
        let last = banned.hears_out().pop();
        assert_eq!(last.as_deref(), Some("-- The operator has banned your address for another 5 min."));
    }
    let mut gone = [(); 2].map(|()| ann.next_line().expect("somebody leaves"));
    gone.sort();
    assert_eq!(gone, ["Bob Lee has left the chat (banned).", "Rob has left the chat (banned)."]);
    // Whoever comes back is told why and for how long; everybody else comes in.
    let mut back = server.dial_from([127, 0, 0, 2]);
    back.hears("-- The operator has banned your address for another 5 min.");
    back.hears_the_end();
    let cid = joins_from(&server, [127, 0, 0, 3], "Cid");
    ann.hears_nothing_before("Cid has joined the chat.");
    cid.leaves();
    ann.hears("Cid has left the chat.");
    asks(&mut server, "/unban 127.0.0.2", "-- let in again: 127.0.0.2");
    asks(&mut server, "/unban 127.0.0.2", "-- 127.0.0.2 is not banned. /bans lists who is.");
    let _bob = joins_from(&server, [127, 0, 0, 2], "Bob Lee");
    ann.hears("Bob Lee has joined the chat.");
}

#[test]
fn an_address_is_banned_however_it_is_written() {
    let mut server = Server::start(&[]);
    asks(&mut server, "/ban ::ffff:127.0.0.4", "-- banned: 127.0.0.4 until /unban 127.0.0.4");
    asks(&mut server, "/ban 2001:db8:1:2:3::4 60", "-- banned: 2001:db8:1:2::/64 for another 60 min");
    let mut guest = server.dial_from([127, 0, 0, 4]);
    guest.hears("-- The operator has banned your address.");
    guest.hears_the_end();
    asks(&mut server, "/unban 2001:db8:1:2::/64", "-- let in again: 2001:db8:1:2::/64");
    asks(&mut server, "/unban 127.0.0.4", "-- let in again: 127.0.0.4");
    asks(&mut server, "/bans", "-- Nobody is banned.");
    joins_from(&server, [127, 0, 0, 4], "Ann");
}

#[test]
fn who_is_muted_is_told_so_and_heard_by_nobody() {
    let mut server = Server::start(&[]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    asks(&mut server, "/mute BOB", "-- muted: Bob");
    let muted = "-- The operator has muted you: nobody hears what you say.";
    bob.hears(muted);
    for line in ["noise", "/me is noisy", "/msg Ann noise", "/reply noise", "/nick Noise", "//noise"] {
        bob.says(line);
        bob.hears(muted);
    }
    // They hear, and may ask.
    cid.says("what a peace");
    ann.hears_nothing_before("Cid: what a peace");
    bob.hears("Cid: what a peace");
    bob.says("/who");
    bob.hears("-- 3 here: Ann, Bob, Cid");
    asks(&mut server, "/unmute Bob", "-- unmuted: Bob");
    bob.hears("-- The operator lets you be heard again.");
    bob.says("sorry");
    ann.hears("Bob: sorry");
}

#[test]
fn stats_count_people_lines_deliveries_and_drops() {
    let mut server = Server::start(&[]);
    let [mut ann, mut bob, mut cid] = server.room(["Ann", "Bob", "Cid"]);
    // Three came, to an audience of 0, 1 and 2: 3 deliveries. Then 2 + 2 + 1 of what is said, and 3 of the operator's.
    ann.sends(
        "one
/me waves
/msg Bob three
",
    );
    ann.hears_each(["-- * Ann waves", "-- To Bob (private): three"]);
    server.operator("four");
    cid.hears_each(["Ann: one", "* Ann waves", "[SERVER]: four"]);
    bob.hears_until("[SERVER]: four");
    server.operator("/stats");
    server.stdout.find("people", |line| line.starts_with("-- up ") && line.ends_with("; 3 here now, 3 at most"));
    server.prints("-- lines in: 4; deliveries: 11; bytes queued: 0");
    server.prints("-- drops: none");
    if cfg!(target_os = "linux") {
        server.stdout.find("memory", |line| line.starts_with("-- resident memory: ") && line.ends_with(" KiB"));
    }
    server.operator("/kick Cid");
    ann.hears_until("Cid has left the chat (kicked).");
    server.operator("/stats");
    server.stdout.find("people", |line| line.starts_with("-- up ") && line.ends_with("; 2 here now, 3 at most"));
    server.prints("-- drops: 1 kicked");
}

#[test]
fn what_is_said_is_not_printed_where_nobody_watches() {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.sends(
        "a secret
/me whispers
",
    );
    bob.hears_each(["Ann: a secret", "* Ann whispers"]);
    bob.leaves();
    server.prints("Bob disconnected.");
    ann.hears("-- * Ann whispers");
    let printed = server.stdout.so_far();
    assert!(!printed.iter().any(|line| line.contains("secret") || line.contains("whispers")), "{printed:?}");
}

/// A server with its operator at a terminal, and two who have joined it.
fn operated_from_a_terminal(story: &Story) -> (Seat, [Client; 2]) {
    let mut command = Seat::session(binary());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let mut operator = Seat::run(80, 30, command);
    let listening = |text: &str| -> Option<SocketAddr> {
        text.lines().find_map(|line| line.strip_prefix("Server listening on ")?.trim_end().parse().ok())
    };
    operator.shows_where("where it listens", |emulator| listening(&emulator.everything()).is_some());
    let address = listening(&operator.emulator.everything()).expect("it was just seen");
    let [mut ann, bob] = ["Ann", "Bob"].map(|name| {
        let mut client = Client::new(TcpStream::connect(address).expect("the server listens"), story);
        client.hears(PROMPT);
        client.joins(name);
        client
    });
    ann.hears("Bob has joined the chat.");
    (operator, [ann, bob])
}

#[test]
fn an_operator_at_a_terminal_leaves_the_console_with_one_ctrl_d() {
    let story = Story::default();
    let (mut operator, [mut ann, mut bob]) = operated_from_a_terminal(&story);
    operator.types("last words\r");
    ann.hears("[SERVER]: last words");
    bob.hears("[SERVER]: last words");
    operator.types("\x04");
    operator.types("can anybody hear me?\r/quit\r");
    talk_for_a_while(&mut ann, &mut bob);
    operator.signal(Signal::TERM);
    ann.hears(GOODBYE);
}

#[test]
fn an_operator_at_a_terminal_sees_the_room() {
    let story = Story::default();
    let (mut operator, [mut ann, mut bob]) = operated_from_a_terminal(&story);
    ann.sends("/msg Bob psst\none\n/me waves\n");
    bob.hears_each(["Ann (private): psst", "Ann: one", "* Ann waves"]);
    operator.types("two\r/quit\r");
    ann.hears_until("[SERVER]: two");
    ann.hears(GOODBYE);
    assert_eq!(operator.ends(), 0);
    let seen = operator.emulator.everything();
    let rows: Vec<&str> = seen.lines().map(str::trim_end).collect();
    for line in ["Ann: one", "* Ann waves", "[SERVER]: two"] {
        assert!(rows.contains(&line), "{seen}");
    }
    assert!(!seen.contains("psst"), "what is private is not the operator's: {seen}");
}

#[test]
fn who_came_by_ipv4_is_banned_by_ipv4_where_both_families_listen() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let mut server = Server::start(&["--listen", "[::]:0"]);
    let mut ann = joins_from(&server, [127, 0, 0, 5], "Ann");
    server.prints(&format!("Ann connected from {}", ann.address()));
    asks(&mut server, "/ban Ann", "-- banned: 127.0.0.5 until /unban 127.0.0.5");
    ann.hears("-- The operator has banned your address.");
    ann.hears_the_end();
    let mut back = server.dial_from([127, 0, 0, 5]);
    back.hears("-- The operator has banned your address.");
}
