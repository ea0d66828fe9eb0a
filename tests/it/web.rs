//! Browsers, and scripts that speak HTTP: sessions and their streams, requests without a session, and who is kept out.

use crate::browser::Browser;
use crate::harness::{GOODBYE, PATIENCE, PERHAPS, PROMPT, Scratch, Server, connect_with_small_window, taken};
use crate::tools::installed;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::Signal;
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

// ---- a member like any other

#[test]
fn a_browser_and_nc_talk_with_each_other() {
    let (mut server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let mut ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    ann.says("hello\n  two \u{1b}[31mred\n\nthree");
    bob.hears_each(["Ann: hello", "Ann:   two red", "Ann: three"]);
    bob.says("hi \"Ann\" \\ </script>");
    let said = ann.hears("said", "Bob: hi \"Ann\" \\ </script>");
    assert_eq!(
        (said.field("from").as_deref(), said.field("words").as_deref()),
        (Some("Bob"), Some("hi \"Ann\" \\ </script>"))
    );
    assert!(said.field("at").is_some_and(|at| at.len() == 20 && at.ends_with('Z')), "{said:?}");
    ann.says("/me waves\n//slash\n/msg bob psst\n/nick Bea\n/dance");
    bob.hears_each(["* Ann waves", "Ann: /slash", "Ann (private): psst", "Ann is now known as Bea."]);
    ann.hears("note", "-- * Ann waves");
    ann.hears("note", "-- To Bob (private): psst");
    ann.hears("note", "-- You are now known as Bea.");
    ann.hears("note", "-- There is no /dance. Try /help, or //dance to say /dance.");
    bob.says("/me nods");
    assert_eq!(ann.hears("action", "* Bob nods").field("words").as_deref(), Some("nods"));
    bob.says("/reply secret");
    assert_eq!(ann.hears("private", "Bob (private): secret").field("from").as_deref(), Some("Bob"));
    server.operator("lunch");
    assert_eq!(ann.hears("server", "[SERVER]: lunch").field("words").as_deref(), Some("lunch"));
    bob.hears_each(["-- * Bob nods", "-- To Bea (private): secret", "[SERVER]: lunch"]);
    bob.says("/nick Bobby");
    ann.hears("news", "Bob is now known as Bobby.");
    drop(bob);
    assert_eq!(ann.hears("news", "Bobby has left the chat.").field("from").as_deref(), Some("Bobby"));
}

#[test]
fn a_session_has_a_name_by_the_same_rules() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let refused = browser.asks("POST /sessions", "bob");
    assert_eq!((refused.status, refused.body), (409, format!("{}\n{PERHAPS}\n", taken("bob"))));
    for (name, words) in [
        ("", "Please enter a non-empty name:\n"),
        ("  \t", "Please enter a non-empty name:\n"),
        ("admin", "Name \"admin\" can't be used: it is reserved. Choose a different name:\n"),
    ] {
        let refused = browser.asks("POST /sessions", name);
        assert_eq!((refused.status, refused.body.as_str()), (409, words), "{name:?}");
    }
    assert_eq!(browser.asks("POST /sessions", &"x".repeat(5000)).status, 413);
    let _ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    let mut guest = server.guest();
    guest.is_refused("Ann", "Ann");
}

#[test]
fn an_empty_name_is_a_guest_where_there_are_guests() {
    let (server, browser) = Server::with_page(&["--guests"]);
    let mut bob = server.join("Bob");
    assert_eq!(browser.asks("POST /sessions", "").status, 201);
    bob.hears("Guest1 has joined the chat.");
}

#[test]
fn who_leaves_is_gone_at_once_and_hears_so() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let mut ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    assert_eq!(browser.asks(&format!("DELETE /sessions/{}", ann.token), "").status, 204);
    bob.hears("Ann has left the chat.");
    ann.hears("bye", "-- Bye!");
    ann.hears_the_end();
    for request in ["DELETE /sessions/{}", "GET /sessions/{}/events", "POST /sessions/{}/lines"] {
        assert_eq!(browser.asks(&request.replace("{}", &ann.token), "").status, 404, "{request}");
    }
    let mut cid = browser.joins("Cid");
    bob.hears("Cid has joined the chat.");
    cid.says("/quit\nnobody hears this");
    cid.hears("bye", "-- Bye!");
    bob.hears("Cid has left the chat.");
    bob.says("/who");
    bob.hears("-- 1 here: Bob");
}

#[test]
fn who_is_sent_away_hears_why_at_the_stream_that_is_open_or_the_next_one() {
    let (mut server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let mut ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    server.operator("/kick Ann enough");
    ann.hears("bye", "-- The operator has ended your connection: enough");
    ann.hears_the_end();
    bob.hears("Ann has left the chat (kicked: enough).");
    let mut cid = browser.joins("Cid");
    bob.hears("Cid has joined the chat.");
    cid.loses_the_stream();
    server.operator("/kick Cid");
    bob.hears("Cid has left the chat (kicked).");
    assert_eq!(browser.asks(&format!("POST /sessions/{}/lines", ann.token), "x").status, 404);
    cid.comes_back("");
    cid.hears("bye", "-- The operator has ended your connection.");
    cid.hears_the_end();
    // Again, to a page that has not received it.
    cid.last = 0;
    cid.comes_back("");
    cid.hears("bye", "-- The operator has ended your connection.");
    cid.hears_the_end();
}

#[test]
fn the_server_says_goodbye_to_streams_and_stops_in_time() {
    let (mut server, browser) = Server::with_page(&[]);
    let mut ann = browser.joins("Ann");
    let _idle = browser.dial();
    server.signal(Signal::TERM);
    ann.hears("bye", GOODBYE);
    ann.hears_the_end();
    assert_eq!(server.exits_within(Duration::from_secs(2)).code(), Some(0));
}

// ---- streams that end and begin again

#[test]
fn a_stream_that_comes_back_misses_nothing_and_hears_nothing_twice() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let mut ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    bob.says("one");
    ann.hears("said", "Bob: one");
    ann.loses_the_stream();
    bob.says("two");
    bob.says("/msg Ann three");
    bob.hears("-- To Ann (private): three");
    ann.says("I write without a stream");
    bob.hears("Ann: I write without a stream");
    bob.says("four");
    ann.comes_back_to_what_is_next();
    let two = ann.hears("said", "Bob: two").id;
    ann.hears("private", "Bob (private): three");
    ann.hears("said", "Bob: four");
    // What was written may not have been received.
    ann.last = two;
    ann.comes_back_to_what_is_next();
    ann.hears("private", "Bob (private): three");
    ann.hears("said", "Bob: four");
    bob.says("five");
    ann.hears("said", "Bob: five");
    // Ids that are no events of this session lead to no others.
    for after in ["99999999999999", "-1", "x"] {
        ann.comes_back(&format!("?after={after}"));
        bob.says("six");
        ann.hears("said", "Bob: six");
    }
}

#[test]
fn last_event_id_counts_as_a_browser_sends_it() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    bob.says("one");
    let mut stream = browser.dial();
    let (token, address) = (&ann.token, browser.address);
    stream.sends(format!("GET /sessions/{token}/events HTTP/1.1\r\nHost: {address}\r\nLast-Event-ID: 0\r\n\r\n"));
    let head = stream.hears_until("\r");
    assert!(head.contains(&"Content-Type: text/event-stream\r".to_owned()), "{head:?}");
    stream.hears_each(["id: 1", "event: welcome"]);
}

#[test]
fn a_second_stream_ends_the_first() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let mut ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    let mut again = browser.member(&ann.token);
    ann.hears_the_end();
    bob.says("hello");
    again.hears("said", "Bob: hello");
}

#[test]
fn an_id_that_is_within_a_line_leads_to_the_next_line() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let mut ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    bob.says("one\ntwo\nthree");
    let one = ann.hears("said", "Bob: one").id;
    let two = ann.hears("said", "Bob: two").id;
    let three = ann.hears("said", "Bob: three").id;
    // An id counts the bytes of public lines, in millions.
    let byte = (two - one) / "Bob: two\n".len() as u64;
    assert_eq!(byte, 1_000_000);
    for (after, next) in [(one + 1, "two"), (one + byte, "three"), (two - byte, "three"), (two - 1, "three")] {
        ann.last = one;
        ann.comes_back(&format!("?after={after}"));
        ann.hears("said", &format!("Bob: {next}"));
    }
    // What comes after the last line is still to be said.
    ann.last = two;
    ann.comes_back(&format!("?after={}", three - byte));
    bob.says("four");
    ann.hears("said", "Bob: four");
}

#[test]
fn a_stream_that_goes_back_too_far_is_told_that_lines_are_missing() {
    let (server, browser) = Server::with_page(&["--rate", "0"]);
    let mut bob = server.join("Bob");
    let mut ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    for n in 0..400 {
        bob.says(&n.to_string());
        ann.hears("said", &format!("Bob: {n}"));
    }
    ann.last = 1;
    ann.comes_back("?after=1");
    ann.hears("note", "-- … Lines were missed here, and are not kept any more.");
    let next = ann.next().expect("what is kept");
    let first: usize = next.field("words").and_then(|words| words.parse().ok()).unwrap_or_else(|| panic!("{next:?}"));
    assert!((256..=290).contains(&(400 - first)), "{} are kept", 400 - first);
}

#[test]
fn a_session_without_a_stream_is_given_up_when_its_name_is_asked_for_from_the_same_address() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let mut ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    assert_eq!(browser.asks("POST /sessions", "Ann").status, 409);
    ann.loses_the_stream();
    // Until the server sees the end of the stream, it is asked for as of any member.
    let again = std::iter::repeat_with(|| browser.asks("POST /sessions", "Ann")).find(|answer| answer.status == 201);
    assert!(again.is_some());
    bob.hears_each(["Ann has left the chat (connection lost).", "Ann has joined the chat."]);
    // The session that was given up is gone, and says so.
    let mut old = browser.dial();
    let (token, address) = (&ann.token, browser.address);
    old.sends(format!("GET /sessions/{token}/events HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    old.hears("HTTP/1.1 404 Not Found\r");
    // By nc the answer is the usual one, and the name is free after it.
    let mut guest = server.dial();
    guest.hears(PROMPT);
    guest.is_refused("Ann", "Ann");
    bob.hears("Ann has left the chat (connection lost).");
    guest.joins("Ann");
}

#[test]
fn a_session_without_a_stream_is_too_slow_like_anybody() {
    let (server, browser) = Server::with_page(&["--rate", "0"]);
    let [mut bob, mut cid] = server.room(["Bob", "Cid"]);
    let mut ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    cid.hears("Ann has joined the chat.");
    ann.loses_the_stream();
    for n in 0..1100 {
        bob.says(&n.to_string());
        if cid.hears_one("a line, or the end", |_| true) != format!("Bob: {n}") {
            break;
        }
    }
    bob.hears("Ann has left the chat (too slow).");
    ann.comes_back("");
    let end = std::iter::from_fn(|| ann.next()).last().expect("it ends");
    assert_eq!(end.kind, "bye");
}

// ---- lines

#[test]
fn a_request_that_is_repeated_says_nothing_twice() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    let lines = format!("POST /sessions/{}/lines", ann.token);
    for (key, text) in [("a", "one"), ("a", "one"), ("b", "two"), ("a", "one")] {
        assert_eq!(browser.asks_with(&lines, &format!("Idempotency-Key: {key}\r\n"), text).status, 204);
    }
    bob.hears_each(["Ann: one", "Ann: two"]);
    assert_eq!(browser.asks(&lines, &"x\n".repeat(33 * 1024)).status, 413);
    assert_eq!(browser.asks_with(&lines, &format!("Idempotency-Key: {}\r\n", "k".repeat(200)), "x").status, 400);
    // No key is no key.
    for text in ["three", "four"] {
        assert_eq!(browser.asks_with(&lines, "Idempotency-Key:\r\n", text).status, 204);
    }
    bob.hears_each(["Ann: three", "Ann: four"]);
    ann.says("end");
    bob.hears("Ann: end");
}

#[test]
fn a_request_that_breaks_off_while_it_waits_goes_on_when_it_is_repeated() {
    let (server, browser) = Server::with_page(&["--rate", "100"]);
    let mut bob = server.join("Bob");
    let ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    let lines: String = (0..300).map(|n| format!("{n}\n")).collect();
    let request = format!(
        "POST /sessions/{}/lines HTTP/1.1\r\nHost: pi\r\nIdempotency-Key: k\r\nContent-Length: {}\r\n\r\n{lines}",
        ann.token,
        lines.len()
    );
    let mut broken = browser.dial();
    broken.sends(&request);
    (0..200).for_each(|n| bob.hears(&format!("Ann: {n}")));
    broken.resets();
    let mut again = browser.dial();
    again.sends(&request);
    (200..300).for_each(|n| bob.hears(&format!("Ann: {n}")));
    assert_eq!(again.is_answered(true).status, 204);
    ann.says("end");
    bob.hears("Ann: end");
}

#[test]
fn the_lines_of_one_request_are_heard_as_one_block() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    let lines: Vec<String> = (0..200).map(|n| format!("{n} {}", "x".repeat(150))).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| ann.says(&lines.join("\n")));
        scope.spawn(|| (0..20).for_each(|_| assert_eq!(browser.asks("POST /say?name=cron", "tick").status, 204)));
        let mut heard = Vec::new();
        while heard.len() < 220 {
            heard.push(bob.next_line().expect("Bob stays"));
        }
        let first = heard.iter().position(|line| line.starts_with("Ann: 0 ")).expect("it is said");
        let expected: Vec<String> = lines.iter().map(|n| format!("Ann: {n}")).collect();
        assert_eq!(heard[first..first + 200], expected);
    });
}

#[test]
fn scripts_say_something_without_joining() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    assert_eq!(browser.asks("POST /say?name=cron", "backup done\n/who\n\n\u{1b}[2Jtwo").status, 204);
    bob.hears_each(["cron: backup done", "cron: /who", "cron: two"]);
    let refused = browser.asks("POST /say?name=BOB", "x");
    assert_eq!((refused.status, refused.body), (409, format!("{}\n{PERHAPS}\n", taken("BOB"))));
    assert_eq!(browser.asks("POST /say?name=a%3Ab", "x").status, 409);
    assert_eq!(browser.asks("POST /say", "x").status, 409);
    assert_eq!(browser.asks("POST /say?name=cron", &"x".repeat(5000)).status, 413);
    assert_eq!(browser.asks("POST /say?name=Jean+Paul", "end").status, 204);
    bob.hears("Jean Paul: end");
}

#[test]
fn a_browser_at_the_port_of_nc_is_told_where_the_page_is() {
    let (server, browser) = Server::with_page(&[]);
    let mut lost = server.guest();
    lost.sends("GET / HTTP/1.1\r\nHost: pi\r\n\r\n");
    let port = browser.address.port();
    lost.hears(&format!("-- This is a room where people chat, line by line. Browsers join at port {port}. Bye!"));
}

#[test]
fn a_line_too_long_is_answered_and_the_session_goes_on() {
    let (server, browser) = Server::with_page(&["--rate", "0"]);
    let mut bob = server.join("Bob");
    let mut ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    let too_long = "-- Line too long (4096 bytes at most); not sent.";
    for length in [5000, 65_535, 65_536] {
        ann.says(&"x".repeat(length));
        ann.hears("note", too_long);
        assert_eq!(browser.asks("POST /say?name=cron", &"x".repeat(length)).status, 413);
        ann.says("still here");
        bob.hears("Ann: still here");
    }
    // What telnet would mean is nothing here.
    let mut connection = browser.dial();
    let (token, address) = (&ann.token, browser.address);
    let head = format!("POST /sessions/{token}/lines HTTP/1.1\r\nHost: {address}\r\nContent-Length: 8\r\n\r\n");
    connection.sends([head.as_bytes(), b"\xff\xfb\x01hello"].concat());
    assert_eq!(connection.is_answered(true).status, 204);
    bob.hears("Ann: \u{fffd}\u{fffd}hello");
}

#[test]
fn an_action_keeps_the_name_that_its_author_had() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = browser.joins("Bob");
    let mut ann = server.join("Ann Lee");
    bob.hears("news", "Ann Lee has joined the chat.");
    bob.loses_the_stream();
    ann.says("/me waves\n/nick Ann\n/quit");
    ann.hears_each(["-- * Ann Lee waves", "-- You are now known as Ann.", "-- Bye!"]);
    bob.comes_back_to_what_is_next();
    let action = bob.hears("action", "* Ann Lee waves");
    assert_eq!((action.field("from").as_deref(), action.field("words").as_deref()), (Some("Ann Lee"), Some("waves")));
}

#[test]
fn endless_requests_keep_nobody_from_talking() {
    let (server, browser) = Server::with_page(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut floods: Vec<_> = (0..4).map(|_| browser.dial()).collect();
    for (n, flood) in floods.iter_mut().enumerate() {
        flood.sends(["", "POST /say?name=x HTTP/1.1\r\nHost: pi\r\nTransfer-Encoding: chunked\r\n\r\n1;"][n % 2]);
        (0..50).for_each(|_| flood.tries_to_send("\r\n".repeat(16 * 1024)));
    }
    ann.says("hello");
    bob.hears("Ann: hello");
}

/// Scripts that send more than their pace allows wait, and the server holds their bodies meanwhile. A body as small as
/// a typed line is taken all the same.
#[test]
fn a_typed_line_is_heard_while_floods_wait() {
    let (server, browser) = Server::with_page(&["--rate", "1"]);
    let (mut bob, ann) = (server.join("Bob"), browser.joins("Ann"));
    bob.hears("Ann has joined the chat.");
    let much = "x\n".repeat(32 * 1024);
    let request = format!("POST /say?name=cron HTTP/1.1\r\nHost: pi\r\nContent-Length: {}\r\n\r\n{much}", much.len());
    let waiting: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut one = browser.dial();
            one.tries_to_send(&request);
            one.into_stream()
        })
        .collect();
    // Whoever is answered now is refused, because the server holds no more.
    let mut answered: Vec<_> = waiting.iter().map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
    let patience = Timespec::try_from(PATIENCE).expect("it fits");
    assert!(retry_on_intr(|| poll(&mut answered, Some(&patience))).expect("they can be polled") > 0);
    ann.says("hello");
    bob.hears_until("Ann: hello");
    drop(waiting);
}

/// What a reader has not taken is held once, and as text: as events it is many times as large.
#[test]
fn streams_that_nobody_reads_take_little_memory() {
    let (server, browser) = Server::with_page(&["--rate", "0", "--max-clients", "500"]);
    let mut bob = server.join("Bob");
    let tokens: Vec<String> = (0..100).map(|n| browser.asks("POST /sessions", &format!("S{n}")).body).collect();
    (0..100).for_each(|n| bob.hears(&format!("S{n} has joined the chat.")));
    let unread: Vec<_> = tokens
        .iter()
        .map(|token| {
            let mut stream = crate::harness::Client::new(connect_with_small_window(browser.address), server.story());
            stream.sends(format!("GET /sessions/{token}/events HTTP/1.1\r\nHost: pi\r\n\r\n"));
            stream
        })
        .collect();
    bob.sends("a\n".repeat(4000));
    for _ in 0..100 {
        bob.hears_one("that somebody was dropped", |line| line.ends_with(" has left the chat (too slow)."));
    }
    assert!(server.memory_kib("VmHWM") < 24 * 1024, "{} KiB", server.memory_kib("VmHWM"));
    drop(unread);
}

/// What it says itself it does not hear, and so it stays where it was; the log may be forgotten all the same.
#[test]
fn a_session_that_talks_to_itself_takes_little_memory() {
    let (server, browser) = Server::with_page(&["--rate", "0"]);
    let mut ann = browser.joins("Ann");
    assert_eq!(browser.asks("POST /say?name=cron", "hello").status, 204);
    ann.hears("said", "cron: hello");
    let (text, before) = (format!("{}\n", "y".repeat(300)).repeat(150), server.memory_kib("VmRSS"));
    (0..300).for_each(|_| ann.says(&text));
    let more = server.memory_kib("VmRSS") - before;
    assert!(more < 4 * 1024, "{more} KiB more");
}

// ---- what is asked without joining

#[test]
fn who_and_metrics_are_answered_for_programs() {
    let (server, browser) = Server::with_page(&[]);
    let who = browser.asks("GET /who", "");
    assert_eq!((who.status, who.body.as_str()), (200, "{\"here\":0,\"names\":[]}\n"));
    assert!(who.head.contains("content-type: application/json\r"), "{}", who.head);
    let mut bob = server.join("Bob");
    let _ann = browser.joins("Zoë \"x\"".trim_matches('"').split(' ').next().expect("a word"));
    bob.hears("Zoë has joined the chat.");
    assert_eq!(browser.asks("GET /who", "").body, "{\"here\":2,\"names\":[\"Bob\",\"Zoë\"]}\n");
    let metrics = browser.asks("GET /metrics", "");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"), "{}", metrics.head);
    for line in ["dynasti_members 2", "dynasti_lines_total 0", "# TYPE dynasti_drops_total counter"] {
        assert!(metrics.body.lines().any(|other| other == line), "{line}: {}", metrics.body);
    }
    assert!(!metrics.body.contains("Bob") && !metrics.body.contains("127.0.0.1"), "{}", metrics.body);
    let head = browser.asks("HEAD /who", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    bob.says("nobody came");
    bob.says("/who");
    bob.hears("-- 2 here: Bob, Zoë");
}

#[test]
fn prometheus_takes_the_figures_as_they_are() {
    if !installed("promtool", "--version", "promtool") {
        return;
    }
    let (server, browser) = Server::with_page(&[]);
    let [mut ann] = server.room(["Ann"]);
    ann.says("hello");
    let figures = browser.asks("GET /metrics", "").body;
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut checked = promtool.spawn().expect("promtool runs");
    checked.stdin.take().expect("a pipe").write_all(figures.as_bytes()).expect("promtool reads");
    let checked = checked.wait_with_output().expect("promtool ends");
    let said = [checked.stdout, checked.stderr].concat();
    assert!(checked.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_page_is_three_files_that_load_nothing_from_elsewhere() {
    let (_server, browser) = Server::with_page(&[]);
    let mut size = 0;
    for (path, kind) in [("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css")] {
        let file = browser.asks(&format!("GET {path}"), "");
        assert_eq!(file.status, 200);
        for field in [
            &format!("content-type: {kind}; charset=utf-8"),
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'self';",
        ] {
            assert!(file.head.contains(field), "{path} without {field}: {}", file.head);
        }
        assert!(!file.head.contains("access-control"), "{}", file.head);
        size += file.body.len();
    }
    assert!(size < 60 * 1024, "{size} bytes");
    let code = browser.asks("GET /invite.svg", "");
    assert!(code.status == 200 && code.body.starts_with("<svg "), "{code:?}");
}

#[test]
fn other_paths_and_methods_are_refused() {
    let (_server, browser) = Server::with_page(&[]);
    for (request, status) in [
        ("GET /favicon.ico", 404),
        ("GET /../etc/passwd", 404),
        ("GET /%2e%2e/", 404),
        ("POST /", 405),
        ("DELETE /who", 405),
        ("BREW /who", 405),
        ("OPTIONS *", 404),
        ("GET /sessions", 405),
    ] {
        assert_eq!(browser.asks(request, "").status, status, "{request}");
    }
    let answer = browser.asks("PUT /say", "");
    assert!(answer.head.contains("allow: post") && answer.body == "This path takes POST.\n", "{answer:?}");
}

// ---- who is kept out

#[test]
fn a_page_of_another_site_is_refused() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    for host in ["evil.com", "evil.com:4080", "dynasti.local.evil.com", ""] {
        let mut connection = browser.dial();
        connection.sends(format!("POST /say?name=x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\nx"));
        let answer = connection.is_answered(true);
        assert_eq!(answer.status, 421, "{host:?}");
        assert!(answer.body.contains("not to the Host of this request"), "{}", answer.body);
    }
    for origin in ["http://evil.com", "null", "https://127.0.0.1:1", "file://"] {
        let answer = browser.asks_with("POST /say?name=x", &format!("Origin: {origin}\r\n"), "x");
        assert_eq!(answer.status, 403, "{origin}");
        assert!(answer.body.contains("A proxy must pass on the browser's Host"), "{}", answer.body);
    }
    let own = format!("Origin: http://{}\r\n", browser.address);
    assert_eq!(browser.asks_with("POST /say?name=own", &own, "hello").status, 204);
    bob.hears_nothing_before("own: hello");
}

#[test]
fn every_request_of_a_banned_address_is_refused_with_the_reason() {
    let (mut server, browser) = Server::with_page(&[]);
    let mut ann = browser.joins("Ann");
    let banned = "-- The operator has banned your address.";
    server.operator("/ban 127.0.0.1");
    ann.hears("bye", banned);
    for (request, body) in [("POST /sessions", "Bob"), ("POST /say?name=x", "x"), ("GET /who", "")] {
        let answer = browser.asks(request, body);
        assert_eq!((answer.status, answer.body), (403, format!("{banned}\n")), "{request}");
    }
}

#[test]
fn a_ban_ends_a_say_whose_lines_still_wait() {
    let (mut server, browser) = Server::with_page(&["--rate", "10"]);
    let mut bob = server.join("Bob");
    let much = "x\n".repeat(1000);
    let mut waiting = browser.dial();
    waiting.sends(format!("POST /say?name=cron HTTP/1.1\r\nHost: pi\r\nContent-Length: 2000\r\n\r\n{much}"));
    (0..200).for_each(|_| bob.hears("cron: x"));
    server.operator("/ban 127.0.0.1");
    let answer = waiting.is_answered(true);
    assert_eq!((answer.status, answer.body.as_str()), (403, "-- The operator has banned your address.\n"));
}

#[test]
fn a_room_with_a_password_is_closed_to_whoever_does_not_give_it() {
    let scratch = Scratch::new("web-password");
    std::fs::write(scratch.path("password"), "open sésame\n").expect("it can be written");
    let (server, browser) = Server::with_page(&["--password-file", &scratch.path("password")]);
    assert_eq!(browser.asks("GET /", "").status, 200);
    for (request, body) in [("POST /sessions", "Ann"), ("POST /say?name=x", "x"), ("GET /who", "")] {
        let answer = browser.asks(request, body);
        assert_eq!((answer.status, answer.body.as_str()), (401, "This room has a password:\n"), "{request}");
        assert!(answer.head.contains("www-authenticate: dynasti\r"), "{}", answer.head);
    }
    // "any:open sésame", in base64.
    let right = "Authorization: Basic YW55Om9wZW4gc8Opc2FtZQ==\r\n";
    assert_eq!(browser.asks_with("POST /sessions", right, "Ann").status, 201);
    assert_eq!(browser.asks_with("GET /who", right, "").body, "{\"here\":1,\"names\":[\"Ann\"]}\n");
    let wrong = "Authorization: Basic OnNlc2FtZQ==\r\n";
    for _ in 0..5 {
        let answer = browser.asks_with("GET /who", wrong, "");
        assert_eq!((answer.status, answer.body.as_str()), (401, "Wrong password. Try again:\n"));
    }
    let answer = browser.asks_with("GET /who", right, "");
    assert_eq!(answer.status, 429);
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
    let printed = [server.stdout.so_far(), server.stderr.so_far()].concat().concat();
    assert!(!printed.contains("sésame"), "{printed}");
}

#[test]
fn a_token_is_in_no_output() {
    let scratch = Scratch::new("web-token");
    let (mut server, browser) = Server::with_page(&["--transcript", &scratch.path("transcript")]);
    let mut ann = browser.joins("Ann");
    ann.says("hello");
    for order in ["/who", "/stats", "/bans"] {
        server.operator(order);
    }
    server.operator("end");
    ann.hears("server", "[SERVER]: end");
    let who = browser.asks("GET /who", "").body;
    let metrics = browser.asks("GET /metrics", "").body;
    server.signal(Signal::TERM);
    ann.hears("bye", GOODBYE);
    assert_eq!(server.exit_code(), 0);
    let transcript = scratch.lines("transcript").concat();
    let printed = [server.stdout.whole(), server.stderr.whole(), vec![transcript, who, metrics]].concat().concat();
    assert!(printed.contains("Ann") && !printed.contains(&ann.token), "{printed}");
}

// ---- HTTP itself

#[test]
fn requests_may_come_in_any_pieces_and_several_at_once() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let chunked = "POST /say?name=a HTTP/1.1\r\nHost: pi\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n2;x=y\r\n-1\r\n0\r\nT: x\r\n\r\n";
    let sized = "POST /say?name=b HTTP/1.1\r\nHost: pi\r\nContent-Length: 3\r\n\r\ntwo";
    let last = "GET /who HTTP/1.1\r\nHost: pi\r\nConnection: close\r\n\r\n";
    let all = [chunked, sized, last].concat();
    for pieces in [all.len(), 1, 7] {
        let mut connection = browser.dial();
        all.as_bytes().chunks(pieces).for_each(|piece| connection.sends(piece));
        assert_eq!([204, 204, 200], std::array::from_fn(|_| connection.is_answered(true).status));
        connection.hears_the_end();
        bob.hears_each(["a: one-1", "b: two"]);
    }
    let mut old = browser.dial();
    old.sends("GET /who HTTP/1.0\r\n\r\n");
    assert_eq!(old.is_answered(true).status, 200);
    old.hears_the_end();
}

#[test]
fn a_client_that_expects_100_continue_gets_it() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let mut connection = browser.dial();
    let fields = "Host: pi\r\nExpect: 100-continue\r\nContent-Length: 5\r\n";
    connection.sends(format!("POST /say?name=a HTTP/1.1\r\n{fields}\r\n"));
    connection.hears_each(["HTTP/1.1 100 Continue\r", "\r"]);
    connection.sends("hello");
    assert_eq!(connection.is_answered(true).status, 204);
    bob.hears("a: hello");
    // Who is refused is so before the body.
    connection.sends(format!("POST /say?name=Bob%3A HTTP/1.1\r\n{fields}\r\n"));
    assert_eq!(connection.is_answered(true).status, 409);
}

#[test]
fn a_malformed_request_is_answered_and_ends_the_connection() {
    let (server, browser) = Server::with_page(&[]);
    let mut bob = server.join("Bob");
    let smuggled = "POST /say?name=x HTTP/1.1\r\nHost: pi\r\nContent-Length: 5\r\n\r\nEvil!";
    for (start, status) in [
        ("POST /say?name=x HTTP/1.1\r\nHost: pi\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (
            "POST /say?name=x HTTP/1.1\r\nHost: pi\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST /say?name=x HTTP/1.1\r\nHost: pi\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        ("POST /say?name=x HTTP/1.1\r\nHost: pi\r\nTransfer-Encoding: chunked\r\n\r\n5\nEvil!\r\n", 400),
        ("GET / HTTP/1.1\nHost: pi\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: pi\r\n X: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: pi\r\nX: \0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: pi\r\n\r\n", 505),
        ("Ann\r\n\r\n", 400),
    ] {
        let mut connection = browser.dial();
        connection.sends([start, smuggled].concat());
        let answer = connection.is_answered(true);
        assert_eq!(answer.status, status, "{start:?}");
        assert!(answer.head.contains("connection: close"), "{}", answer.head);
        connection.is_let_go();
    }
    let mut connection = browser.dial();
    connection.sends(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(9000)));
    assert_eq!(connection.is_answered(true).status, 431);
    // A body that nobody reads is no request.
    let mut connection = browser.dial();
    connection.sends(format!("GET /who HTTP/1.1\r\nHost: pi\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()));
    assert_eq!(connection.is_answered(true).status, 200);
    connection.is_let_go();
    assert_eq!(browser.asks("POST /say?name=end", "end").status, 204);
    bob.hears_nothing_before("end: end");
}

#[test]
fn an_unfinished_head_is_waited_for_ten_seconds() {
    let (_server, browser) = Server::with_page(&[]);
    let mut connection = browser.dial();
    connection.sends("GET / HTTP/1.1\r\nHost");
    let begun = std::time::Instant::now();
    std::thread::sleep(Duration::from_secs(8));
    connection.sends(": pi\r\n");
    connection.is_let_go();
    assert!((9..14).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[test]
fn five_hundred_unfinished_requests_leave_places_and_memory_for_others() {
    let (server, browser) = Server::with_page(&["--max-clients", "600"]);
    let half: Vec<_> = (0..500)
        .map(|_| {
            let mut connection = browser.dial();
            connection.sends("GET / HTTP/1.1\r\nX: ");
            connection
        })
        .collect();
    let mut bob = server.join("Bob");
    assert_eq!(browser.asks("POST /say?name=a", "hello").status, 204);
    bob.hears("a: hello");
    assert!(server.memory_kib("VmRSS") < 16 * 1024, "{} KiB", server.memory_kib("VmRSS"));
    drop(half);
}

#[test]
fn a_full_server_says_so_by_http() {
    let (server, browser) = Server::with_page(&["--max-clients", "1"]);
    let _bob = server.join("Bob");
    let mut connection = browser.dial();
    let answer = connection.is_answered(true);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "-- The room is full (1 clients at most). Please try again later.\n")
    );
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
}

/// The page that a server has unless it is told otherwise is not tried here: its port is one for all.
#[test]
fn a_page_that_was_asked_for_and_cannot_be_had_is_an_error() {
    let (_server, Browser { address, .. }) = Server::with_page(&[]);
    let output = crate::harness::dynasti(&["--listen", "127.0.0.1:0", "--web", &address.to_string()]).output();
    let output = output.expect("it runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint.ends_with("choose another port with --web\n") && complaint.lines().count() == 1, "{complaint}");
}
