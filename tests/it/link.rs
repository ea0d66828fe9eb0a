//! Several servers, one room, with a real nats-server between them: it is killed and started again, loses its store,
//! refuses logins, and carries what a stranger publishes.
//!
//! The tests that take minutes are in `link_faults`.

use crate::broker::Broker;
use crate::harness::{Client, GOODBYE, PROMPT, Program, STOPS_WITHIN, Scratch, Server, Story, dynasti};
use rustix::process::Signal;
use std::time::Duration;

/// How long to wait for the recovery from a fault: twice the link's longest pause between two attempts.
pub(crate) const RECOVERY: Duration = Duration::from_secs(60);

/// Where a room of this name is at a broker.
pub(crate) fn url(broker: &Broker, room: &str) -> String {
    format!("nats://127.0.0.1:{}/{room}", broker.port())
}

/// A server with this name, which may not be linked yet.
#[track_caller]
pub(crate) fn starts(broker: &Broker, room: &str, name: &str) -> Server {
    Server::start(&["--link", &url(broker, room), "--link-name", name])
}

/// The same, when it is linked.
#[track_caller]
pub(crate) fn linked(broker: &Broker, room: &str, name: &str) -> Server {
    let server = starts(broker, room, name);
    server.prints(&this_is(broker, name));
    server
}

pub(crate) fn this_is(broker: &Broker, name: &str) -> String {
    format!("This is {name} at nats://127.0.0.1:{}.", broker.port())
}

pub(crate) fn is_down(broker: &Broker, why: &str) -> String {
    format!("-- The link to nats://127.0.0.1:{} is down: {why}. This room goes on alone.", broker.port())
}

pub(crate) fn is_back(broker: &Broker) -> String {
    format!("-- The link to nats://127.0.0.1:{} is back.", broker.port())
}

/// Waits until this is what `/who` answers. What is heard before that is not looked at.
#[track_caller]
pub(crate) fn sees(client: &mut Client, names: &str) {
    loop {
        client.says("/who");
        let answer = loop {
            let line = client.hears_one("an answer to /who", |_| true);
            if line.contains(" here: ") {
                break line;
            }
        };
        if answer == format!("-- {names}") {
            return;
        }
    }
}

/// Two servers with these options, pi1 with Ann and pi2 with Bob, each of whom sees the other.
#[track_caller]
pub(crate) fn two(broker: &Broker, room: &str, options: &[&str]) -> (Server, Server, Client, Client) {
    let starts = |name: &str| {
        let server = Server::start(&[&["--link", &url(broker, room), "--link-name", name], options].concat());
        server.prints(&this_is(broker, name));
        server
    };
    let (pi1, pi2) = (starts("pi1"), starts("pi2"));
    let (mut ann, mut bob) = (pi1.join("Ann"), pi2.join("Bob"));
    ann.waits_up_to(RECOVERY);
    bob.waits_up_to(RECOVERY);
    meet(&mut ann, &mut bob);
    (pi1, pi2, ann, bob)
}

/// Waits until Ann on pi1 and Bob on pi2 see each other, and have heard all that was said until now.
#[track_caller]
pub(crate) fn meet(ann: &mut Client, bob: &mut Client) {
    sees(ann, "2 here: Ann, Bob@pi2");
    sees(bob, "2 here: Bob, Ann@pi1");
    // What they have heard until now depends on who was first.
    ann.says("so");
    bob.hears_until("Ann@pi1: so");
    bob.says("so");
    ann.hears_until("Bob@pi2: so");
}

#[test]
fn people_on_two_servers_are_in_one_room() {
    let Some(broker) = Broker::start() else { return };
    let (mut pi1, _pi2, mut ann, mut bob) = two(&broker, "one", &[]);
    ann.says("hello\n/me waves");
    ann.hears("-- * Ann waves");
    bob.hears_each(["Ann@pi1: hello", "* Ann@pi1 waves"]);
    bob.says("/msg ann@PI1 psst");
    bob.hears("-- To Ann@pi1 (private): psst");
    ann.hears("Bob@pi2 (private): psst");
    ann.says("/reply yes?");
    ann.hears("-- To Bob@pi2 (private): yes?");
    bob.hears("Ann@pi1 (private): yes?");
    pi1.operator("lunch");
    ann.hears("[SERVER]: lunch");
    bob.hears("[SERVER@pi1]: lunch");
    ann.says("/nick Anna");
    ann.hears("-- You are now known as Anna.");
    bob.hears("Ann@pi1 is now known as Anna@pi1.");
    // The names of one server are no names of another.
    let mut cid = pi1.join("Bob");
    ann.hears("Bob has joined the chat.");
    bob.hears("Bob@pi1 has joined the chat.");
    bob.says("/who");
    bob.hears("-- 3 here: Bob, Anna@pi1, Bob@pi1");
    cid.says("/quit");
    ann.hears("Bob has left the chat.");
    bob.hears("Bob@pi1 has left the chat.");
    pi1.operator("/kick Anna too: loud");
    bob.hears("Anna@pi1 has left the chat (kicked: too: loud).");
    bob.says("/history 9");
    let history: Vec<String> = (0..5).map(|_| bob.hears_one("an old line", |_| true)).collect();
    let history: Vec<&str> = history.iter().filter_map(|line| line.split_once("] ").map(|(_, line)| line)).collect();
    assert_eq!(history, ["Ann@pi1: so", "Bob: so", "Ann@pi1: hello", "* Ann@pi1 waves", "[SERVER@pi1]: lunch"]);
}

#[test]
fn a_server_that_comes_and_stops_is_said_to_be_linked_and_not_any_more() {
    let Some(broker) = Broker::start() else { return };
    let pi1 = linked(&broker, "come", "pi1");
    let mut ann = pi1.join("Ann");
    let mut pi2 = linked(&broker, "come", "pi2");
    ann.hears("-- pi2 is linked.");
    let mut bob = pi2.join("Bob");
    ann.hears("Bob@pi2 has joined the chat.");
    // What is typed in the moment of the signal may not be read any more.
    pi2.operator("see you");
    ann.hears("[SERVER@pi2]: see you");
    pi2.signal(Signal::TERM);
    bob.hears_until(GOODBYE);
    ann.hears("-- pi2 is not linked any more.");
    assert!(pi2.exits_within(STOPS_WITHIN).success());
    ann.says("/who");
    ann.hears("-- 1 here: Ann");
    // Who is back has a new epoch, and its lines begin anew.
    let pi2 = linked(&broker, "come", "pi2");
    ann.hears("-- pi2 is linked.");
    let mut bob = pi2.join("Bob");
    bob.says("again");
    ann.hears_each(["Bob@pi2 has joined the chat.", "Bob@pi2: again"]);
    // What was said before is not said to who comes later.
    sees(&mut bob, "2 here: Bob, Ann@pi1");
    bob.says("/history");
    bob.hears_one("its own line alone", |line| line.ends_with("] Bob: again"));
}

#[test]
fn a_server_that_is_killed_and_started_again_has_an_epoch_of_its_own() {
    let Some(broker) = Broker::start() else { return };
    let (_pi1, pi2, mut ann, mut bob) = two(&broker, "killed", &[]);
    bob.says("one");
    ann.hears("Bob@pi2: one");
    // Nobody says goodbye.
    drop((pi2, bob));
    let pi2 = linked(&broker, "killed", "pi2");
    let mut bob = pi2.join("Bob");
    bob.says("two");
    ann.hears_each(["Bob@pi2 has joined the chat.", "Bob@pi2: two"]);
    sees(&mut bob, "2 here: Bob, Ann@pi1");
    sees(&mut ann, "2 here: Ann, Bob@pi2");
    ann.says("three");
    bob.hears_until("Ann@pi1: three");
}

#[test]
fn a_room_goes_on_alone_and_what_was_said_meanwhile_comes_later() {
    let Some(mut broker) = Broker::start() else { return };
    let (pi1, pi2, mut ann, mut bob) = two(&broker, "alone", &[]);
    let mut cid = pi1.join("Cid");
    ann.hears("Cid has joined the chat.");
    bob.hears("Cid@pi1 has joined the chat.");
    broker.kill();
    for client in [&mut ann, &mut bob, &mut cid] {
        client.hears(&is_down(&broker, "connection lost"));
    }
    ann.says("one\ntwo");
    cid.hears_each(["Ann: one", "Ann: two"]);
    bob.says("three");
    broker.start_again();
    bob.hears_until("Ann@pi1: two");
    ann.hears_until("Bob@pi2: three");
    ann.says("four");
    bob.hears_until("Ann@pi1: four");
    for server in [&pi1, &pi2] {
        server.stderr.find("that it is down", |line| line.contains(" is down: connection lost; this room goes on"));
        server.stderr.find("that it is back", |line| line.ends_with(" is back"));
    }
}

#[test]
fn what_is_said_while_the_link_is_down_comes_once_and_in_order() {
    let Some(mut broker) = Broker::start() else { return };
    let (_pi1, _pi2, mut ann, mut bob) = two(&broker, "once", &[]);
    for round in 0..3 {
        for n in 0..40 {
            ann.says(&format!("{round}.{n}"));
            if n == 20 {
                broker.kill();
            }
        }
        broker.start_again();
        let mut heard = Vec::new();
        while heard.len() < 40 {
            let line = bob.hears_one("a line", |_| true);
            heard.extend(line.strip_prefix("Ann@pi1: ").map(String::from));
        }
        assert_eq!(heard, (0..40).map(|n| format!("{round}.{n}")).collect::<Vec<_>>());
    }
    // Nothing comes twice.
    ann.says("and that was all");
    let rest = bob.hears_until("Ann@pi1: and that was all");
    assert!(rest.iter().all(|line| line.starts_with("-- ")), "{rest:?}");
}

#[test]
fn if_more_was_said_than_is_kept_the_newest_come_and_the_others_are_counted() {
    let Some(mut broker) = Broker::start() else { return };
    // By lines, and by bytes: with the name before them, 130 of these are 128 KiB.
    for (room, length, said, kept) in [("lines", 4, 3000, 1024), ("bytes", 1000, 200, 130)] {
        let (pi1, _pi2, mut ann, mut bob) = two(&broker, room, &["--rate", "0"]);
        let mut cid = pi1.join("Cid");
        bob.hears("Cid@pi1 has joined the chat.");
        broker.kill();
        let line = |n: usize| format!("{n:0length$}");
        ann.sends((0..said).map(|n| line(n) + "\n").collect::<String>());
        // So the link has read it, too.
        cid.hears_until(&format!("Ann: {}", line(said - 1)));
        broker.start_again();
        bob.hears_until(&format!("-- {} lines of pi1 were missed.", said - kept));
        let mut heard = Vec::new();
        while heard.len() < kept {
            let next = bob.hears_one("a line", |_| true);
            heard.extend(next.strip_prefix("Ann@pi1: ").map(String::from));
        }
        assert_eq!(heard, (said - kept..said).map(line).collect::<Vec<_>>());
    }
}

#[test]
fn a_broker_that_starts_later_is_found() {
    let Some(mut broker) = Broker::start() else { return };
    broker.kill();
    let pi1 = starts(&broker, "later", "pi1");
    let mut ann = pi1.join("Ann");
    pi1.stderr.find("that it is down", |line| line.contains("is down: connection refused; this room goes on alone"));
    ann.says("one");
    broker.start_again();
    ann.hears_until(&is_back(&broker));
    pi1.prints(&this_is(&broker, "pi1"));
    let pi2 = linked(&broker, "later", "pi2");
    let mut bob = pi2.join("Bob");
    sees(&mut bob, "2 here: Bob, Ann@pi1");
    ann.says("two");
    bob.hears_until("Ann@pi1: two");
}

#[test]
fn a_broker_that_has_lost_its_store_is_given_the_lines_again() {
    let Some(mut broker) = Broker::start() else { return };
    let (_pi1, pi2, mut ann, mut bob) = two(&broker, "wiped", &[]);
    ann.says("one");
    bob.hears("Ann@pi1: one");
    broker.kill();
    broker.wipe();
    ann.says("two");
    broker.start_again();
    bob.hears_until("Ann@pi1: two");
    ann.says("three");
    bob.hears_until("Ann@pi1: three");
    drop(pi2);
}

#[test]
fn lines_that_are_lost_are_counted_and_a_message_that_comes_again_is_not() {
    let Some(broker) = Broker::start() else { return };
    let pi1 = linked(&broker, "gap", "pi1");
    let mut ann = pi1.join("Ann");
    let mut stranger = broker.stranger("");
    let mut says = |epoch: u32, first: u32, lines: &str| {
        let headers = format!("NATS/1.0\r\nNats-Msg-Id: pi9:{epoch:020x}:{first}\r\n\r\n");
        let (length, whole) = (headers.len(), headers.len() + lines.len());
        stranger.sends(format!("HPUB dynasti.gap.lines {length} {whole}\r\n{headers}{lines}\r\n").as_bytes());
    };
    says(1, 5, "Bob: five\n");
    ann.hears("Bob@pi9: five");
    says(1, 382, "Bob: on\nBob: and on\n");
    ann.hears_each(["-- 376 lines of pi9 were missed.", "Bob@pi9: on", "Bob@pi9: and on"]);
    // These three overlap what was heard.
    says(1, 383, "Bob: and on\nBob: new\n");
    says(1, 380, "Bob: old\nBob: old\n");
    says(1, 385, "Bob: end\n");
    ann.hears_each(["Bob@pi9: new", "Bob@pi9: end"]);
    // The next epoch begins with one.
    says(2, 2, "Bob: second\n");
    ann.hears_each(["-- 1 lines of pi9 were missed.", "Bob@pi9: second"]);
}

#[test]
fn what_a_stranger_says_at_the_broker_is_cleaned_or_not_heard() {
    let Some(broker) = Broker::start() else { return };
    let pi1 = linked(&broker, "stranger", "pi1");
    let mut ann = pi1.join("Ann");
    let mut stranger = broker.stranger("");
    let id = |server: &str, n: u32| format!("Nats-Msg-Id: {server}:{:020x}:{n}\r\n", 1);
    let mut says = |header: &str, lines: &[u8]| {
        let headers = format!("NATS/1.0\r\n{header}\r\n");
        let (length, whole) = (headers.len(), headers.len() + lines.len());
        stranger.sends(format!("HPUB dynasti.stranger.lines {length} {whole}\r\n{headers}").as_bytes());
        stranger.sends([lines, b"\r\n"].concat().as_slice());
    };
    for (header, lines) in [
        ("", &b"Bob: no number\n"[..]),
        ("Nats-Msg-Id: x\r\n", b"Bob: no number\n"),
        (&id("pi1", 1), b"Bob: your own name\n"),
        (&id("p@i", 1), b"Bob: no name\n"),
        (&id("pi8", 1), b"Bob: no text \xff\n"),
        (&id("pi8", 2), b""),
        (&id("pi8", 3), &[b'\n'; 17 * 1024]),
    ] {
        says(header, lines);
    }
    let lines = "Ann@pi1: x\n[SERVER]: is theirs\n[SERVER@pi1]: x\n-- x\nServer is shutting down. Bye!\nserver: x\n* Ann x\n\
                 *3 Ann has joined the chat.\nBob: \u{1b}[31mred\u{202e}\nWelcome, Ann! You can now chat.\nAnn: hi\n";
    says(&id("pi9", 1), lines.as_bytes());
    ann.hears_each(["[SERVER@pi9]: is theirs", "* Ann@pi9 has joined the chat.", "Bob@pi9: red", "Ann@pi9: hi"]);
    // What a server says of itself, and what is nothing.
    let stranger = &mut broker.stranger("");
    let epoch = format!("{:020x}", 1);
    for payload in [
        "here pi9".to_owned(),
        format!("here pi9 {epoch} 1 0 0 0\n"),
        format!("here pi9 {epoch} 1 9 9 0\n"),
        format!("hello pi9 {epoch}"),
        format!("there pi9 {epoch}\n"),
        format!("here pi9 {epoch} 1 0 1 0\nBob\nAnn@pi1\nserver\n\u{1b}[2J\nCid Lee\n"),
    ] {
        stranger.says("dynasti.stranger.presence", payload.as_bytes());
    }
    stranger.says("dynasti.stranger.presence", &[0xff; 9000]);
    ann.hears("-- pi9 is linked.");
    ann.says("/who");
    ann.hears("-- 3 here: Ann, Bob@pi9, Cid Lee@pi9");
    stranger.says("dynasti.stranger.presence", format!("bye pi9 {epoch}\n").as_bytes());
    ann.hears("-- pi9 is not linked any more.");
}

#[test]
fn of_two_servers_with_one_name_the_later_is_refused() {
    let Some(broker) = Broker::start() else { return };
    let pi1 = linked(&broker, "name", "pi1");
    let mut ann = pi1.join("Ann");
    let later = starts(&broker, "name", "PI1");
    let why = "another server there is called PI1; choose another name with --link-name";
    later.stderr.find("what to do", |line| line.contains(&format!(" is down: {why}; this room goes on alone")));
    let mut bob = later.join("Bob");
    bob.says("alone");
    // Another room is another matter.
    let other = linked(&broker, "another", "pi1");
    other.join("Cid");
    ann.says("/who");
    ann.hears("-- 1 here: Ann");
    // When the name is free it is had.
    drop(pi1);
    later.prints(&format!("This is PI1 at nats://127.0.0.1:{}.", broker.port()));
    bob.hears_until(&is_back(&broker));
}

#[test]
fn standard_error_says_what_to_do_about_the_link_and_no_password() {
    let Some(broker) = Broker::start_for("ann", "s3cret") else { return };
    let at = format!("127.0.0.1:{}", broker.port());
    let why = "it refuses the user or the password; see --link-password-file";
    let is_down = format!("dynasti: the link to nats://{at} is down: {why}; this room goes on alone");
    for url in [format!("nats://{at}"), format!("nats://ann:wr0ng@{at}"), format!("nats://t0ken@{at}/x")] {
        let server = Server::start(&["--link", &url, "--link-name", "pi1"]);
        server.stderr.has(&is_down);
        let printed = [server.stdout.so_far(), server.stderr.so_far()].concat().concat();
        assert!(!printed.contains("wr0ng") && !printed.contains("t0ken") && !printed.contains("ann"), "{printed}");
    }
    let scratch = Scratch::new("link-password");
    std::fs::write(scratch.path("password"), "s3cret\n").expect("it is written");
    for (url, file) in [
        (format!("nats://ann:s3cret@{at}"), None),
        (format!("nats://ann:s3%63ret@{at}"), None),
        (format!("nats://ann@{at}"), Some(scratch.path("password"))),
    ] {
        let mut options = vec!["--link", &url, "--link-name", "pi1"];
        options.extend(file.iter().flat_map(|file| ["--link-password-file", file]));
        let server = Server::start(&options);
        server.prints(&this_is(&broker, "pi1"));
    }
    let Some(broker) = Broker::start_without_jetstream() else { return };
    let server = starts(&broker, "js", "pi1");
    server
        .stderr
        .find("what to do", |line| line.contains(" is down: it has no JetStream; start it with: nats-server -js ("));
    // What answers there is a room of chat.
    let room = Server::start(&[]);
    let server = Server::start(&["--link", &format!("nats://127.0.0.1:{}", room.port()), "--link-name", "pi1"]);
    server.stderr.find("what is wrong", |line| line.contains(" is down: it does not speak NATS; "));
}

#[test]
fn what_cannot_be_linked_with_is_refused_at_the_start() {
    for (options, status, words) in [
        (&["--link", "http://pi"][..], 2, "it takes nats://[USER:PASSWORD@]HOST[:PORT][/ROOM]"),
        (&["--link", "nats://ann:s3cret@pi:x"], 2, "its port is a number"),
        (&["--link", "nats://pi/a.b"], 2, "its room has letters, digits, - and _ alone"),
        (&["--link", "nats://pi", "--link-name", "a.b"], 2, "it takes NAME, up to 24 letters, digits and hyphens"),
        (&["--link-name", "pi1"], 2, "belong to --link"),
        (&["--link", "nats://pi", "--link-password-file", "/nowhere"], 1, "/nowhere"),
    ] {
        let mut program = Program::start(
            "server",
            dynasti(&[&["serve", "--listen", "127.0.0.1:0"], options].concat()),
            &Story::default(),
        );
        assert_eq!(program.exit_code(), status, "{options:?}");
        let said = program.stderr.whole();
        assert!(said.len() == 1 && said[0].contains(words) && !said[0].contains("s3cret"), "{said:?}");
    }
}

#[test]
#[cfg(feature = "web")]
fn the_page_and_scripts_are_told_the_members_of_other_servers() {
    let Some(broker) = Broker::start() else { return };
    let pi1 = linked(&broker, "page", "pi1");
    let mut ann = pi1.join("Ann");
    let url = url(&broker, "page");
    let (_pi2, browser) = Server::with_page(&["--link", &url, "--link-name", "pi2"]);
    ann.hears("-- pi2 is linked.");
    let mut bob = browser.joins("Bob");
    ann.hears("Bob@pi2 has joined the chat.");
    ann.says("hello\n/me waves");
    ann.hears("-- * Ann waves");
    while bob.next().is_some_and(|event| event.field("text").as_deref() != Some("Ann@pi1: hello")) {}
    let event = bob.hears("action", "* Ann@pi1 waves");
    assert_eq!((event.field("from").as_deref(), event.field("words").as_deref()), (Some("Ann@pi1"), Some("waves")));
    ann.says("/msg Bob@pi2 psst");
    ann.hears("-- To Bob@pi2 (private): psst");
    let event = bob.hears("private", "Ann@pi1 (private): psst");
    assert_eq!(event.field("from").as_deref(), Some("Ann@pi1"));
    // pi1 says within a second who is there.
    let who = || browser.asks("GET /who", "").body;
    assert!(std::iter::repeat_with(who).any(|who| who == "{\"here\":2,\"names\":[\"Bob\",\"Ann@pi1\"]}\n"));
    assert_eq!(browser.asks("POST /say?name=cron", "done").status, 204);
    ann.hears("cron@pi2: done");
    bob.says("/me nods");
    ann.hears("* Bob@pi2 nods");
}

#[test]
fn a_broker_that_says_nothing_or_garbage_costs_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is to be had");
    let port = listener.local_addr().expect("it has an address").port();
    let url = format!("nats://127.0.0.1:{port}");
    let server = Server::start(&["--link", &url, "--link-name", "pi1"]);
    let info = b"INFO {\"version\":\"2.9.10\",\"headers\":true,\"max_payload\":1048576}\r\n";
    // Each in turn: the link gives it up, and comes again.
    for garbage in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"\0\xff\x00\r\n", b"INFO {\r\n", &[b'['; 100_000]] {
        let (mut stream, _) = listener.accept().expect("it comes");
        // The other end may be gone before all of it is written.
        let _ = std::io::Write::write_all(&mut stream, garbage);
        let _ = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
        if !garbage.starts_with(b"HTTP") {
            continue;
        }
        server.stderr.find("what is wrong", |line| line.contains(" is down: "));
    }
    let (mut stream, _) = listener.accept().expect("it comes");
    std::io::Write::write_all(&mut stream, info).expect("it is taken");
    let mut ann = server.dial();
    ann.hears(PROMPT);
    ann.joins("Ann");
    ann.says("/who");
    ann.hears("-- 1 here: Ann");
    stream.set_read_timeout(Some(Duration::from_secs(9))).expect("it can be had");
    let mut said = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut said);
    assert!(said.starts_with(b"CONNECT {"), "it waits five seconds for an answer, and goes");
}
