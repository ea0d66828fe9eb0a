use fastrand::Rng;
use tinyjson::JsonValue;

use super::super::json;
use super::*;

/// The most that a decoder may hold: the largest message, and its line, each byte of which may become three.
const MAX_HELD: usize = MAX_PAYLOAD + 4 * MAX_LINE;

/// Decodes what comes in these pieces.
fn decoded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<Wrong>) {
    let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
    for piece in pieces {
        let mut input = piece;
        loop {
            let found = decoder.next(&mut input);
            assert!(decoder.held() <= MAX_HELD, "it holds {} bytes", decoder.held());
            match found {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(wrong) => {
                    // It stays so, and what comes after is not looked at.
                    assert_eq!(decoder.next(&mut &b"PING\r\n"[..]), Err(wrong));
                    return (frames, Some(wrong));
                }
            }
        }
        assert_eq!(input, b"");
    }
    (frames, None)
}

/// Decodes this whole, in two pieces wherever it is split, and byte by byte, which is all the same.
#[track_caller]
fn decoded_in_every_way(bytes: &[u8]) -> (Vec<Frame>, Option<Wrong>) {
    let whole = decoded([bytes]);
    for split in 0..=bytes.len() {
        let (head, rest) = bytes.split_at(split);
        assert_eq!(decoded([head, rest]), whole, "split at {split}: {:?}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(decoded(bytes.chunks(1)), whole, "byte by byte: {:?}", String::from_utf8_lossy(bytes));
    whole
}

fn msg(subject: &str, sid: u64, reply: Option<&str>, headers: Option<&str>, payload: &str) -> Frame {
    Frame::Msg(Msg {
        subject: subject.to_owned(),
        sid,
        reply: reply.map(str::to_owned),
        headers: headers.map(|headers| Headers(headers.into())),
        payload: payload.into(),
    })
}

fn word(text: &str) -> Word {
    Word::new(text).expect(text)
}

fn subject(text: &str) -> Subject {
    Subject::new(text).expect(text)
}

/// What nats-server 2.9.10 has sent, and what it is.
fn transcript() -> Vec<(&'static str, Frame)> {
    let info = "{\"server_id\":\"NC2J\",\"version\":\"2.9.10\",\"proto\":1,\"go\":\"go1.19.8\",\"host\":\"127.0.0.1\",\
                \"port\":14222,\"headers\":true,\"max_payload\":1048576,\"jetstream\":true,\"client_id\":4}";
    let beat = "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 5\r\nNats-Last-Stream: 5\r\n\r\n";
    let ack = "$JS.ACK.dynasti.tEOZP64P.1.3.1.1795872297516574743.1";
    vec![
        (
            "INFO {\"server_id\":\"NC2J\",\"version\":\"2.9.10\",\"proto\":1,\"go\":\"go1.19.8\",\"host\":\"127.0.0.1\",\
             \"port\":14222,\"headers\":true,\"max_payload\":1048576,\"jetstream\":true,\"client_id\":4} \r\n",
            Frame::Info(info.to_owned()),
        ),
        ("PONG\r\n", Frame::Pong),
        // Before a short length it writes a second space.
        (
            "MSG _INBOX.r 1  29\r\n{\"stream\":\"dynasti\", \"seq\":1}\r\n",
            msg("_INBOX.r", 1, None, None, "{\"stream\":\"dynasti\", \"seq\":1}"),
        ),
        (
            "HMSG dynasti.room.dynasti 23 $JS.ACK.dynasti.tEOZP64P.1.3.1.1795872297516574743.1 35 41\r\n\
             NATS/1.0\r\nNats-Msg-Id: pi1:17:2\r\n\r\nline 2\r\n",
            msg("dynasti.room.dynasti", 23, Some(ack), Some("NATS/1.0\r\nNats-Msg-Id: pi1:17:2\r\n\r\n"), "line 2"),
        ),
        (
            "HMSG _INBOX.d11 11  75 75\r\nNATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 5\r\n\
             Nats-Last-Stream: 5\r\n\r\n\r\n",
            msg("_INBOX.d11", 11, None, Some(beat), ""),
        ),
        ("PING\r\n", Frame::Ping),
        (
            "HMSG _INBOX.r 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
            msg("_INBOX.r", 1, None, Some("NATS/1.0 503\r\n\r\n"), ""),
        ),
        ("+OK\r\n", Frame::Ok),
        (
            "-ERR 'Permissions Violation for Publish to \"b\"'\r\n",
            Frame::Error("Permissions Violation for Publish to \"b\"".to_owned()),
        ),
    ]
}

#[test]
fn every_frame_is_the_same_wherever_it_is_split() {
    let transcript = transcript();
    for (bytes, frame) in &transcript {
        assert_eq!(decoded_in_every_way(bytes.as_bytes()), (vec![frame.clone()], None));
    }
    let (bytes, frames): (Vec<&str>, Vec<Frame>) = transcript.into_iter().unzip();
    assert_eq!(decoded_in_every_way(bytes.concat().as_bytes()), (frames, None));
}

#[test]
fn nothing_is_a_frame_before_its_last_byte() {
    for (bytes, _) in transcript() {
        for end in 0..bytes.len() {
            assert_eq!(decoded([&bytes.as_bytes()[..end]]), (Vec::new(), None), "{:?}", &bytes[..end]);
        }
    }
}

#[test]
fn case_and_blanks_do_not_matter() {
    for (bytes, frame) in [
        ("ping\r\n", Frame::Ping),
        ("Pong \t\r\n", Frame::Pong),
        ("+ok\r\n", Frame::Ok),
        ("info\t{}\r\n", Frame::Info("{}".to_owned())),
        ("INFO\r\n", Frame::Info(String::new())),
        ("-err  'Stale Connection' \r\n", Frame::Error("Stale Connection".to_owned())),
        ("-ERR no quotes\r\n", Frame::Error("no quotes".to_owned())),
        ("-ERR '\r\n", Frame::Error("'".to_owned())),
        ("msg\ta.b \t 007\t 2 \r\nhi\r\n", msg("a.b", 7, None, None, "hi")),
        ("hMsG a 1 b.c  0\t2 \r\nhi\r\n", msg("a", 1, Some("b.c"), Some(""), "hi")),
        // What separates are blanks of ASCII alone.
        ("MSG a\u{a0}b 1 0\r\n\r\n", msg("a\u{a0}b", 1, None, None, "")),
    ] {
        assert_eq!(decoded_in_every_way(bytes.as_bytes()), (vec![frame], None), "{bytes:?}");
    }
}

#[test]
fn a_payload_may_be_anything() {
    for payload in ["", "\r", "\n", "\r\n", "\r\n\r\n", "MSG a 1 0\r\n\r\n", "-ERR 'x'\r\n", "\0"] {
        let length = payload.len();
        let bytes = format!(
            "MSG a 1 {length}\r\n{payload}\r\nHMSG a 1 0 {length}\r\n{payload}\r\nHMSG a 1 {length} {length}\r\n{payload}\r\nPING\r\n"
        );
        let frames = vec![
            msg("a", 1, None, None, payload),
            msg("a", 1, None, Some(""), payload),
            msg("a", 1, None, Some(payload), ""),
            Frame::Ping,
        ];
        assert_eq!(decoded_in_every_way(bytes.as_bytes()), (frames, None), "{payload:?}");
    }
}

#[test]
fn what_somebody_may_publish_is_a_frame_whatever_its_bytes_are() {
    let (frames, wrong) = decoded_in_every_way(b"MSG a.\xff 1 \xfe 2\r\n\xff\xfe\r\nPING\r\n");
    let Some(Frame::Msg(msg)) = frames.first() else { panic!("{frames:?}") };
    assert_eq!(
        (&*msg.subject, msg.reply.as_deref(), &msg.payload[..]),
        ("a.\u{fffd}", Some("\u{fffd}"), &b"\xff\xfe"[..])
    );
    assert_eq!((frames.len(), wrong), (2, None));
}

#[test]
fn whatever_no_broker_sends_is_wrong_and_stays_so() {
    for (bytes, wrong) in [
        ("\r\n", Wrong::Operation),
        ("NOPE\r\n", Wrong::Operation),
        (" PING\r\n", Wrong::Operation),
        ("PINGS\r\n", Wrong::Operation),
        ("SSH-2.0-OpenSSH_9.2\r\n", Wrong::Operation),
        ("HTTP/1.1 400 Bad Request\r\n", Wrong::Operation),
        ("SUB a 1\r\n", Wrong::Operation),
        ("\u{ff30}ING\r\n", Wrong::Operation),
        ("PING\n", Wrong::LineEnd),
        ("\n", Wrong::LineEnd),
        ("Hi! Welcome to Dynasti. What's your name?\n", Wrong::LineEnd),
        ("PI\nNG\r\n", Wrong::LineEnd),
        ("PING\r\r\n", Wrong::Operation),
        ("MSG\r\n", Wrong::Arguments),
        ("MSG a 1\r\n", Wrong::Arguments),
        ("MSG a 1 b 2 3\r\n", Wrong::Arguments),
        ("HMSG a 1 2\r\n", Wrong::Arguments),
        ("HMSG a 1 b 2 3 4\r\n", Wrong::Arguments),
        ("HMSG\r\n", Wrong::Arguments),
        ("MSG a x 1\r\n", Wrong::Number),
        ("MSG a -1 1\r\n", Wrong::Number),
        ("MSG a 1 +1\r\n", Wrong::Number),
        ("MSG a 1 -1\r\n", Wrong::Number),
        ("MSG a 1 1x\r\n", Wrong::Number),
        ("MSG a 1 0x1\r\n", Wrong::Number),
        ("MSG a 1 b \u{661}\r\n", Wrong::Number),
        ("MSG a 1 18446744073709551616\r\n", Wrong::Number),
        ("MSG a 18446744073709551616 1\r\n", Wrong::Number),
        ("HMSG a 1 x 1\r\n", Wrong::Number),
        ("HMSG a 1 18446744073709551616 1\r\n", Wrong::Number),
        ("HMSG a 1 2 1\r\n", Wrong::HeaderLength),
        ("HMSG a 1 18446744073709551615 1\r\n", Wrong::HeaderLength),
        ("MSG a 1 18446744073709551615\r\n", Wrong::MessageTooLarge),
        ("HMSG a 1 18446744073709551615 18446744073709551615\r\n", Wrong::MessageTooLarge),
        ("MSG a 1 67108865\r\n", Wrong::MessageTooLarge),
        ("MSG a 1 2\r\nhi\n\n", Wrong::MessageEnd),
        ("MSG a 1 2\r\nhii\r\n", Wrong::MessageEnd),
        ("MSG a 1 2\r\nh\r\n\r", Wrong::MessageEnd),
        ("MSG a 1 2\r\nhi\rx", Wrong::MessageEnd),
        ("HMSG a 1 1 2\r\nhixx", Wrong::MessageEnd),
    ] {
        let bytes = format!("PONG\r\n{bytes}");
        assert_eq!(decoded_in_every_way(bytes.as_bytes()), (vec![Frame::Pong], Some(wrong)), "{bytes:?}");
        assert!(wrong.to_string().starts_with("it "), "{wrong}");
    }
}

#[test]
fn a_line_that_is_too_long_is_wrong_before_its_end() {
    for (start, most) in
        [("-ERR ", MAX_LINE), ("PING", MAX_LINE), ("NOPE", MAX_LINE), ("INFO ", MAX_INFO), ("info", MAX_INFO)]
    {
        let fits = format!("{start}{}\r\n", " ".repeat(most - start.len() - 2));
        let (frames, wrong) = decoded([fits.as_bytes()]);
        assert_eq!(
            (frames.len(), wrong),
            if start == "NOPE" { (0, Some(Wrong::Operation)) } else { (1, None) },
            "{start}"
        );
        let long = format!("{start}{}", " ".repeat(most - start.len()));
        for pieces in [long.as_bytes().chunks(most), long.as_bytes().chunks(1)] {
            assert_eq!(decoded(pieces), (Vec::new(), None), "it may still end: {start}");
        }
        for rest in ["\n", " ", &" ".repeat(2 * MAX_INFO)] {
            let long = format!("{long}{rest}");
            for pieces in [long.as_bytes().chunks(long.len()), long.as_bytes().chunks(1), long.as_bytes().chunks(most)]
            {
                assert_eq!(decoded(pieces), (Vec::new(), Some(Wrong::LineTooLong)), "{start}");
            }
        }
    }
}

#[test]
fn the_largest_message_comes_byte_by_byte() {
    let payload = "x".repeat(MAX_PAYLOAD - 16);
    let headers = "NATS/1.0 503\r\n\r\n";
    let bytes = format!("HMSG a 1 b 16 {MAX_PAYLOAD}\r\n{headers}{payload}\r\nPING\r\n");
    let frames = vec![msg("a", 1, Some("b"), Some(headers), &payload), Frame::Ping];
    for length in [1, 1000, bytes.len()] {
        assert_eq!(decoded(bytes.as_bytes().chunks(length)), (frames.clone(), None), "{length}");
    }
}

#[test]
fn of_a_message_that_is_too_large_only_that_it_came_is_kept() {
    for (line, length) in
        [("HMSG a 1 b 16", MAX_PAYLOAD + 1), ("MSG a 1 b", MAX_PAYLOAD + 1), ("MSG a 1 b", 4 * MAX_PAYLOAD)]
    {
        let bytes =
            format!("{line} {length}\r\n{}\r\nPING\r\n", "\r\n".repeat(length / 2 + 1).get(..length).expect("it fits"));
        let Frame::Msg(about) = msg("a", 1, Some("b"), None, "") else { unreachable!() };
        let frames = vec![Frame::TooLarge(about, length as u64), Frame::Ping];
        for pieces in [bytes.as_bytes().chunks(1), bytes.as_bytes().chunks(1000), bytes.as_bytes().chunks(bytes.len())]
        {
            assert_eq!(decoded(pieces), (frames.clone(), None), "{line} {length}");
        }
        let bytes = format!("{line} {length}\r\n{}", "x".repeat(length + 2));
        assert_eq!(decoded([bytes.as_bytes()]), (Vec::new(), Some(Wrong::MessageEnd)));
    }
}

#[test]
fn headers_say_their_status_and_their_fields() {
    let headers = |text: &str| Headers(text.into());
    for (text, status) in [
        ("NATS/1.0 503\r\n\r\n", Some(503)),
        ("NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 5\r\n\r\n", Some(100)),
        ("NATS/1.0 100 FlowControl Request\r\n\r\n", Some(100)),
        ("NATS/1.0\t 409\tConsumer Deleted \r\n\r\n", Some(409)),
        ("NATS/1.0\r\nNats-Msg-Id: a\r\n\r\n", None),
        ("NATS/1.0503\r\n\r\n", None),
        ("NATS/1.0 50\r\n\r\n", None),
        ("NATS/1.0 5030\r\n\r\n", None),
        ("NATS/1.0 +03\r\n\r\n", None),
        ("NATS/1.0 x 503\r\n\r\n", None),
        ("NATS/2.0 503\r\n\r\n", None),
        ("HTTP/1.1 503\r\n\r\n", None),
        ("\r\nNATS/1.0 503\r\n\r\n", None),
        ("", None),
    ] {
        assert_eq!(headers(text).status(), status, "{text:?}");
    }
    let text = "NATS/1.0\r\nNats-Msg-Id: pi1:17:2\r\nEmpty:\r\n Twice :1\r\ntwice:2\r\nno field\r\n:\r\n\r\n";
    for (name, value) in [
        ("Nats-Msg-Id", Some("pi1:17:2")),
        ("nats-msg-id", Some("pi1:17:2")),
        ("Empty", Some("")),
        ("twice", Some("2")),
        ("Nats", None),
        ("NATS/1.0", None),
        ("no field", None),
    ] {
        assert_eq!(headers(text).get(name), value, "{name}");
    }
    let binary = Headers(b"NATS/1.0\r\nA: \xff\r\n\xff: b\r\nC: d\r\n\r\n".to_vec());
    assert_eq!((binary.get("a"), binary.get("c"), binary.status()), (None, Some("d"), None));
    assert_eq!(Headers(b"NATS/1.0 503 \xff\r\n\r\n".to_vec()).status(), None);
    // The first line is none of the fields.
    assert_eq!(headers("A: b\r\n\r\n").get("A"), None);
}

#[test]
fn a_word_and_a_subject_hold_nothing_that_could_end_them() {
    for text in ["a", "dynasti", "pi1:17:2", "_INBOX", "$JS", "a-b_c", "\"", &"x".repeat(MAX_WORD)] {
        assert_eq!(Word::new(text).expect(text).as_str(), text);
        assert_eq!(Subject::new(text).expect(text).as_str(), text);
    }
    for text in [
        "",
        "a b",
        "a\tb",
        "a\r\nb",
        "a\0",
        "a.b",
        "*",
        "a*",
        ">",
        "a/b",
        "a\\b",
        "é",
        "\u{a0}",
        "\u{7f}",
        &"x".repeat(MAX_WORD + 1),
    ] {
        assert_eq!(Word::new(text), None, "{text:?}");
    }
    for text in ["a.b", "$JS.FC.flow.xRwrLplj.YXXM", "_INBOX.r", "a/b", &"x".repeat(MAX_SUBJECT)] {
        assert_eq!(Subject::new(text).expect(text).as_str(), text);
    }
    for text in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a b",
        "a.*",
        "a.>",
        "a*",
        "a\r\n",
        "a\n",
        "\u{7f}",
        "é",
        &"x".repeat(MAX_SUBJECT + 1),
    ] {
        assert_eq!(Subject::new(text), None, "{text:?}");
    }
    let joined = Subject::join("$JS.API.CONSUMER.DELETE", &[&word("a"), &word("b")]);
    assert_eq!(joined, subject("$JS.API.CONSUMER.DELETE.a.b"));
    assert_eq!((subject("a").then(&word("b")).to_string(), word("b").to_string()), ("a.b".to_owned(), "b".to_owned()));
    // Two of the longest that are joined here fit into a line of theirs.
    let longest = word(&"x".repeat(MAX_WORD));
    let joined = Subject::join("$JS.API.CONSUMER.DELETE", &[&longest, &longest]);
    assert!(joined.as_str().len() <= MAX_SUBJECT);
}

#[test]
fn what_is_sent_is_what_a_broker_reads() {
    let sent = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = b"before ".to_vec();
        write(&mut bytes);
        String::from_utf8(bytes).expect("it is text").strip_prefix("before ").expect("it is appended to").to_owned()
    };
    let (a, b) = (subject("a.b"), subject("_INBOX.r"));
    assert_eq!(sent(&ping), "PING\r\n");
    assert_eq!(sent(&pong), "PONG\r\n");
    assert_eq!(sent(&|to| subscribe(to, &a, 7)), "SUB a.b 7\r\n");
    assert_eq!(sent(&|to| subscribe_each(to, &a, 7)), "SUB a.b.* 7\r\n");
    assert_eq!(sent(&|to| unsubscribe(to, u64::MAX)), "UNSUB 18446744073709551615\r\n");
    assert_eq!(sent(&|to| publish(to, &a, None, b"")), "PUB a.b 0\r\n\r\n");
    assert_eq!(sent(&|to| publish(to, &a, Some(&b), b"\r\nPING")), "PUB a.b _INBOX.r 6\r\n\r\nPING\r\n");
    assert_eq!(
        sent(&|to| publish_with_id(to, &a, &b, &word("pi1:17:2"), b"line 2")),
        "HPUB a.b _INBOX.r 35 41\r\nNATS/1.0\r\nNats-Msg-Id: pi1:17:2\r\n\r\nline 2\r\n"
    );
    assert_eq!(
        sent(&|to| connect(to, "pi1", Login::Nobody)),
        format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"echo\":false,\
             \"lang\":\"rust\",\"version\":\"{}\",\"name\":\"pi1\"}}\r\n",
            env!("CARGO_PKG_VERSION")
        )
    );
}

#[test]
fn no_name_and_no_password_ends_the_line() {
    for odd in ["", "p", "s3 \"cr\\é\t\n", "\r\nPING\r\n", "\",\"x\":\"", "\0\u{7f}\u{2028}\u{1f600}"] {
        for login in [Login::User(odd, odd), Login::Token(odd), Login::Nobody] {
            let mut bytes = Vec::new();
            connect(&mut bytes, odd, login);
            let line =
                bytes.strip_prefix(b"CONNECT ").and_then(|rest| rest.strip_suffix(b"\r\n")).expect("it is a line");
            assert!(!line.iter().any(|byte| *byte < b' '), "{odd:?}");
            let read = json::read(line).expect("it is JSON");
            let (user, password, token) = match login {
                Login::User(..) => (Some(odd), Some(odd), None),
                Login::Token(_) => (None, None, Some(odd)),
                Login::Nobody => (None, None, None),
            };
            assert_eq!(json::text(&read, "name"), Some(odd));
            assert_eq!((json::text(&read, "user"), json::text(&read, "pass")), (user, password));
            assert_eq!(json::text(&read, "auth_token"), token);
            for (key, value) in [("headers", true), ("no_responders", true), ("verbose", false), ("echo", false)] {
                assert_eq!(json::get(&read, key), Some(&JsonValue::Boolean(value)), "{key}");
            }
        }
    }
}

#[test]
fn an_error_tells_what_can_be_done_about_it() {
    for (error, expected) in [
        // As nats-server 2.9.10 has worded them.
        ("Authorization Violation", Trouble::Credentials),
        ("Permissions Violation for Subscription to \"b\"", Trouble::Permission),
        ("Permissions Violation for Publish to \"authorization violation\"", Trouble::Permission),
        ("maximum control line exceeded", Trouble::Other),
        ("Unknown Protocol Operation", Trouble::Other),
        ("Maximum Payload Violation", Trouble::Other),
        ("Invalid Subject", Trouble::Other),
        ("Authentication Timeout", Trouble::Other),
        // As its sources word them.
        ("User Authentication Expired", Trouble::Credentials),
        ("User Authentication Revoked", Trouble::Credentials),
        ("Account Authentication Expired", Trouble::Credentials),
        ("Stale Connection", Trouble::Other),
        ("", Trouble::Other),
    ] {
        assert_eq!(trouble(error), expected, "{error:?}");
    }
}

/// Bytes that are close to what a broker sends, and such as are not.
fn any_input(random: &mut Rng, transcript: &[(&'static str, Frame)]) -> Vec<u8> {
    const PARTS: [&[u8]; 28] = [
        b"MSG ",
        b"HMSG ",
        b"INFO ",
        b"PING",
        b"PONG",
        b"+OK",
        b"-ERR '",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b"a.b ",
        b"1 ",
        b"0",
        b"2",
        b"16 ",
        b"18446744073709551615",
        b"99999999999999999999",
        b"65537\r\n",
        b"-1",
        b"hi\r\n",
        b"\xff",
        b"\0",
        b"NATS/1.0 503\r\n\r\n",
        b"{}",
        b"'",
        b"70000 ",
    ];
    let mut bytes = Vec::new();
    for _ in 0..random.usize(..8) {
        match random.usize(..8) {
            0 => bytes.push(random.u8(..)),
            1 => bytes.extend_from_slice(PARTS[random.usize(..PARTS.len())]),
            3 if random.usize(..40) == 0 => bytes.extend(std::iter::repeat_n(random.u8(..), random.usize(..100_000))),
            _ => bytes.extend_from_slice(transcript[random.usize(..transcript.len())].0.as_bytes()),
        }
    }
    // What was right until a byte of it was lost, doubled or turned.
    for _ in 0..random.usize(..3) {
        if !bytes.is_empty() {
            let at = random.usize(..bytes.len());
            match random.usize(..3) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, bytes[at]),
                _ => bytes[at] ^= 1 << random.usize(..8),
            }
        }
    }
    bytes
}

#[test]
fn nothing_that_comes_breaks_it_and_a_split_changes_nothing() {
    let (mut random, transcript) = (Rng::with_seed(16), transcript());
    let (mut frames, mut wrong) = (0, 0);
    for _ in 0..5000 {
        let input = any_input(&mut random, &transcript);
        let whole = decoded([&input[..]]);
        let mut pieces = Vec::new();
        let (mut rest, longest) = (&input[..], [1, 9, 100, 16_384][random.usize(..4)]);
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(1 + random.usize(..longest.min(rest.len())));
            pieces.push(piece);
            rest = others;
        }
        assert_eq!(decoded(pieces), whole, "{:?}", String::from_utf8_lossy(&input));
        for frame in &whole.0 {
            if let Frame::Msg(Msg { headers: Some(headers), .. }) = frame {
                let _ = (headers.status(), headers.get("Nats-Msg-Id"));
            }
        }
        frames += whole.0.len();
        wrong += usize::from(whole.1.is_some());
    }
    assert!(frames > 5000 && wrong > 500, "{frames} frames, and {wrong} times it was wrong");
}
