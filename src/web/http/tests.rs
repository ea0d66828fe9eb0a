use fastrand::Rng;

use super::*;

const WHOLE: &str = "POST /say?name=cron HTTP/1.1\r\nHost: pi:4080\r\nContent-Length: 4\r\nX-Other:\r\n\r\n";

fn read(text: &str) -> Result<Head, Wrong> {
    Head::read(text.as_bytes()).map(|read| read.expect("it is whole").0)
}

/// A head with these fields.
fn with(fields: &str) -> Result<Head, Wrong> {
    read(&format!("GET / HTTP/1.1\r\nHost: pi\r\n{fields}\r\n"))
}

#[test]
fn a_head_is_read_when_its_end_has_come_wherever_it_is_split() {
    for start in ["", "\r\n", "\r\n\r\n\r\n"] {
        let whole = format!("{start}{WHOLE}body");
        let length = whole.len() - 4;
        for end in 0..length {
            assert_eq!(Head::read(&whole.as_bytes()[..end]), Ok(None), "{end}");
        }
        for end in length..=whole.len() {
            let (head, read) = Head::read(&whole.as_bytes()[..end]).expect("it is right").expect("it is whole");
            assert_eq!((&*head.method, &*head.path, &*head.query, read), ("POST", "/say", "name=cron", length));
            assert_eq!(
                (head.host.as_deref(), head.framing, head.keeps_alive),
                (Some("pi:4080"), Framing::Length(4), true)
            );
        }
    }
}

#[test]
fn whatever_can_be_read_in_two_ways_is_refused() {
    for fields in [
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\ncontent-length: 5\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: -4\r\n",
        "Content-Length: 4, 4\r\n",
        "Content-Length: 0x4\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length : 4\r\n",
        " Content-Length: 4\r\n",
        "X: a\r\n b\r\n",
        "X: a\r\n\tb\r\n",
        "X: a\nContent-Length: 4\r\n",
        "X: a\rb\r\n",
        "X: a\0b\r\n",
        "X\0: a\r\n",
        "X y: a\r\n",
        ": a\r\n",
        "X\r\n",
        "Content-Length: \u{a0}4\r\n",
        "Host: other\r\n",
        "Host: pi\r\n",
        "Origin: http://pi\r\nOrigin: http://evil\r\n",
    ] {
        let read = with(fields);
        assert_eq!(read, Err(Wrong::Malformed), "{fields:?}");
    }
    for text in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: pi\n\n",
        "GET  / HTTP/1.1\r\nHost: pi\r\n\r\n",
        "GET app.js HTTP/1.1\r\nHost: pi\r\n\r\n",
        "GET https://pi/ HTTP/1.1\r\nHost: pi\r\n\r\n",
        "CONNECT pi:80 HTTP/1.1\r\nHost: pi\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: pi\r\n\r\n",
        "GET /\r\nHost: pi\r\n\r\n",
        "Ann\r\nhello\r\n\r\n",
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert_eq!(read(text), Err(Wrong::Malformed), "{text:?}");
    }
    for line in ["GET / HTTP/2.0", "GET /a b HTTP/1.1"] {
        assert_eq!(read(&format!("{line}\r\nHost: pi\r\n\r\n")), Err(Wrong::UnknownVersion), "{line}");
    }
    for encoding in ["gzip", "gzip, chunked", "chunked, chunked", "x"] {
        assert_eq!(with(&format!("Transfer-Encoding: {encoding}\r\n")), Err(Wrong::UnknownEncoding), "{encoding}");
    }
}

#[test]
fn bytes_that_are_no_text_are_not_left_out() {
    for fields in [&b"Transfer-Encoding: \xffchunked\r\n"[..], b"Connection: \xff\r\n", b"Host: \xff\r\n"] {
        let text = [b"GET / HTTP/1.1\r\nContent-Length: 5\r\n", fields, b"\r\n"].concat();
        assert_eq!(Head::read(&text), Err(Wrong::Malformed), "{:?}", String::from_utf8_lossy(fields));
    }
    assert_eq!(Head::read(&b"\r\n".repeat(100)), Err(Wrong::Malformed));
}

#[test]
fn a_head_that_is_too_long_or_has_too_many_fields_is_refused_before_its_end() {
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(MAX_HEAD));
    assert_eq!(Head::read(&long.as_bytes()[..MAX_HEAD]), Err(Wrong::HeadTooLarge));
    assert_eq!(Head::read(&long.as_bytes()[..MAX_HEAD - 1]), Ok(None));
    assert_eq!(with(&"X: y\r\n".repeat(MAX_FIELDS)), Err(Wrong::HeadTooLarge));
}

#[test]
fn a_connection_stays_open_unless_either_side_says_otherwise() {
    for (text, keeps) in [
        ("GET / HTTP/1.1\r\nHost: pi\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: pi\r\nConnection: close\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: pi\r\nConnection: foo, Close\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: pi\r\nConnection: keep-alive\r\n\r\n", true),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
    ] {
        assert_eq!(read(text).map(|head| head.keeps_alive), Ok(keeps), "{text:?}");
    }
}

#[test]
fn a_target_may_name_its_host() {
    for (target, host, path, query) in [
        ("/", "pi", "/", ""),
        ("/a?b=c?d", "pi", "/a", "b=c?d"),
        ("http://other:80/a?b", "other:80", "/a", "b"),
        ("HTTP://other", "other", "/", ""),
        ("*", "pi", "*", ""),
    ] {
        let head = read(&format!("GET {target} HTTP/1.1\r\nHost: pi\r\n\r\n")).expect(target);
        assert_eq!((head.host.as_deref(), &*head.path, &*head.query), (Some(host), path, query));
    }
}

/// Decodes a body that comes in these pieces. Returns it, and what is left of the last piece.
fn decoded_body(framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>, bool), Wrong> {
    let (mut body, mut bytes, mut left) = (Body::new(framing), Vec::new(), Vec::new());
    for piece in pieces {
        left.extend_from_slice(piece);
        let mut input = &left[..];
        while let Some(some) = body.next(&mut input)? {
            bytes.extend_from_slice(some);
        }
        left = input.to_vec();
    }
    Ok((bytes, left, body.is_done()))
}

#[test]
fn a_body_is_whole_wherever_it_is_split() {
    let chunked = b"4\r\nbody\r\n00000A;name=\"a b\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET".as_slice();
    for (framing, text, expected) in [
        (Framing::Length(4), b"bodyGET".as_slice(), b"body".as_slice()),
        (Framing::Chunked, chunked, b"body0123456789"),
    ] {
        for split in 0..=text.len() {
            let (head, rest) = text.split_at(split);
            let done = decoded_body(framing, &[head, rest]);
            assert_eq!(done, Ok((expected.to_vec(), b"GET".to_vec(), true)), "{split}");
        }
        let each: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(decoded_body(framing, &each).map(|(bytes, ..)| bytes), Ok(expected.to_vec()));
        let end = text.len() - 4;
        assert!(decoded_body(framing, &[&text[..end]]).is_ok_and(|(.., done)| !done));
    }
    assert_eq!(decoded_body(Framing::Length(0), &[b"GET"]), Ok((Vec::new(), b"GET".to_vec(), true)));
}

#[test]
fn a_body_may_go_elsewhere_as_it_comes() {
    let mut body = Body::new(Framing::Length(10));
    assert_eq!(body.next(&mut &b"body"[..]), Ok(Some(&b"body"[..])));
    body.came(5);
    assert!(!body.is_done());
    body.came(1);
    assert!(body.is_done());
}

#[test]
fn chunks_that_can_be_read_in_two_ways_are_refused() {
    for text in [
        "4\nbody\r\n0\r\n\r\n",
        "4\r\r\nbody\r\n0\r\n\r\n",
        "4;\r\r\nbody\r\n0\r\n\r\n",
        "4\r\nbody0\r\n\r\n",
        "4\r\nbodyx\r\n0\r\n\r\n",
        "4\r\nbody\n0\r\n\r\n",
        "+4\r\nbody\r\n",
        "-4\r\nbody\r\n",
        "0x4\r\nbody\r\n",
        " 4\r\nbody\r\n",
        "\r\n",
        "g\r\n",
        "100000000\r\n",
        ";a\r\nbody\r\n",
        "0\r\nX: y\n\r\n",
    ] {
        assert_eq!(decoded_body(Framing::Chunked, &[text.as_bytes()]), Err(Wrong::Malformed), "{text:?}");
    }
    let endless = format!("1;{}", "x".repeat(MAX_FRAMING));
    assert_eq!(decoded_body(Framing::Chunked, &[endless.as_bytes()]), Err(Wrong::Malformed));
}

#[test]
fn an_answer_says_how_long_it_is_and_what_it_is_not() {
    let answer = Answer::text((200, "OK"), "hi\n").with("X", "y");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n";
    let rest = "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nX: y\r\n\r\n";
    assert_eq!(answer.bytes(false, true), format!("{head}{rest}hi\n").into_bytes());
    assert_eq!(answer.bytes(true, false), format!("{head}Connection: close\r\n{rest}").into_bytes());
    assert!(Answer::nothing().bytes(false, true).starts_with(b"HTTP/1.1 204 No Content\r\nX-Content"));
}

#[test]
fn a_query_is_decoded() {
    assert_eq!(in_query("a=b&name=Ann+Lee%20%C3%A9&name=x", "name").as_deref(), Some("Ann Lee é"));
    assert_eq!(in_query("name", "name").as_deref(), Some(""));
    assert_eq!(in_query("names=x", "name"), None);
    for (text, plain) in [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%+4", "% 4"), ("%41%", "A%"), ("%ff", "\u{fffd}")]
    {
        assert_eq!(decoded(text), plain);
    }
}

/// Text that is close to a request, and bytes that are not.
fn any_input(random: &mut Rng) -> Vec<u8> {
    const PARTS: [&[u8]; 22] = [
        b"GET ",
        b"POST ",
        b"/",
        b"/who?a=%41",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"Host: pi",
        b"Content-Length: ",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"4",
        b"0",
        b"body",
        b": ",
        b" ",
        b"\0",
        b"\xff",
        b";",
    ];
    (0..random.usize(..24)).flat_map(|_| PARTS[random.usize(..PARTS.len())].to_vec()).collect()
}

#[test]
fn nothing_that_comes_breaks_it_and_a_split_changes_nothing() {
    let mut random = Rng::with_seed(8);
    let mut whole = 0;
    for n in 0..30_000 {
        let mut input = any_input(&mut random);
        if n % 2 == 0 {
            input = [WHOLE.as_bytes(), &input].concat();
        }
        let read = Head::read(&input);
        if let Ok(Some((head, length))) = &read {
            assert!(*length <= input.len() && head.path.starts_with(['/', '*']));
            whole += 1;
        }
        // Once it is whole or wrong, what comes after changes nothing but what is said to be wrong.
        let at = random.usize(..=input.len());
        match Head::read(&input[..at]) {
            Err(_) => assert!(read.is_err(), "{:?}", String::from_utf8_lossy(&input)),
            Ok(None) => {}
            earlier => assert_eq!(earlier, read, "{:?}", String::from_utf8_lossy(&input)),
        }
        let once = decoded_body(Framing::Chunked, &[&input]);
        assert_eq!(decoded_body(Framing::Chunked, &[&input[..at], &input[at..]]), once);
    }
    assert!(whole > 10_000, "{whole} were requests");
}
