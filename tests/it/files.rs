//! Files that members share: sent with a code or by a session, heard of by everybody, fetched by whoever has the
//! address.

use crate::browser::{Answer, Browser};
use crate::harness::{Client, Scratch, Server};
use crate::tools::installed;
use std::io::Write;
use std::process::{Command, Stdio};

const MIB: usize = 1024 * 1024;

/// A picture of one pixel.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;";

/// Asks to share a file, and returns the path that it is sent to.
#[track_caller]
fn may_send(client: &mut Client) -> String {
    client.says("/send");
    let told = hears_at_last(client, |line| line.starts_with("-- Send it with: curl -T FILE http://"));
    told[told.find("/send/").expect("a path")..].to_owned()
}

/// Reads on to the first line that is wanted.
#[track_caller]
fn hears_at_last(client: &mut Client, wanted: impl Fn(&str) -> bool) -> String {
    loop {
        let line = client.next_line().expect("the connection stays");
        if wanted(&line) {
            return line;
        }
    }
}

/// Sends bytes to a path.
#[track_caller]
fn puts(browser: &Browser, path: &str, bytes: &[u8]) -> Answer {
    let mut connection = browser.dial();
    connection.tries_to_send(format!("PUT {path} HTTP/1.1\r\nHost: pi\r\nContent-Length: {}\r\n\r\n", bytes.len()));
    connection.tries_to_send(bytes);
    connection.is_answered(true)
}

/// Fetches a part of a file, and returns the answer's head and its body.
#[track_caller]
fn fetches(browser: &Browser, path: &str, fields: &str) -> (u16, String, Vec<u8>) {
    let mut connection = browser.dial();
    connection.sends(format!("GET {path} HTTP/1.1\r\nHost: pi\r\n{fields}\r\n"));
    let mut head = String::new();
    while let Some(line) = connection.next_line().filter(|line| line != "\r") {
        head.push_str(line.trim_end());
        head.push('\n');
    }
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect(&head);
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect(&head);
    let body = connection.takes(length.parse().expect(&head));
    (status, head, body)
}

/// Shares a file, and returns the path at which it is to be had.
#[track_caller]
fn shares(browser: &Browser, client: &mut Client, name: &str, bytes: &[u8]) -> String {
    let answer = puts(browser, &format!("{}{name}", may_send(client)), bytes);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body[answer.body.find("/files/").expect("a path")..].trim_end().to_owned()
}

#[test]
fn everybody_hears_of_a_file_and_fetches_it() {
    let (server, browser) = Server::with_page(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let mut cid = browser.joins("Cid");
    let path = shares(&browser, &mut ann, "my%20cat.gif", GIF);
    let line = format!("Ann shares my cat.gif (14 B): http://{}{path}", browser.address);
    hears_at_last(&mut ann, |heard| heard == line);
    hears_at_last(&mut bob, |heard| heard == line);
    let event = cid.hears("file", &line);
    for (field, value) in [("from", "Ann"), ("name", "my cat.gif"), ("path", &path), ("kind", "image/gif")] {
        assert_eq!(event.field(field).as_deref(), Some(value), "{event:?}");
    }
    assert!(event.data.contains("\"size\":14,\"width\":1,\"height\":1,"), "{event:?}");
    let (status, head, body) = fetches(&browser, &path, "");
    assert_eq!((status, body.as_slice()), (200, GIF));
    for field in [
        "Content-Type: image/gif",
        "Content-Disposition: inline; filename=\"my cat.gif\"; filename*=UTF-8''my%20cat.gif",
        "X-Content-Type-Options: nosniff",
        "Content-Security-Policy: sandbox; ",
        "Accept-Ranges: bytes",
    ] {
        assert!(head.contains(field), "{field} is not in {head}");
    }
    bob.says("/files");
    bob.hears(&format!("-- Ann shares my cat.gif (14 B), for another 60 min: http://{}{path}", browser.address));
}

#[test]
fn a_session_shares_a_file_and_whoever_comes_later_hears_of_it_from_the_history() {
    let (server, browser) = Server::with_page(&["--replay", "5"]);
    let mut ann = browser.joins("Ann");
    let answer = browser.asks(&format!("POST /sessions/{}/files?name=a%2Bb+c.txt", ann.token), "hello");
    assert_eq!(
        (answer.status, answer.field("location").map(|path| path[..7].to_owned())),
        (201, Some("/files/".into()))
    );
    ann.hears("file", &format!("Ann shares a+b c.txt (5 B): {}", answer.body.trim_end()));
    let mut bob = server.guest();
    bob.says("Bob");
    bob.hears("Welcome, Bob! You can now chat. Type messages and press Enter.");
    bob.hears_one("what was shared", |line| line.contains(" ago] Ann shares a+b c.txt (5 B): http://"));
}

#[test]
fn a_code_is_good_once_and_a_refusal_does_not_use_it_up() {
    let (server, browser) = Server::with_page(&["--files", "1"]);
    let [mut ann] = server.room(["Ann"]);
    let path = format!("{}x", may_send(&mut ann));
    let mut without_length = browser.dial();
    without_length.sends(format!("PUT {path} HTTP/1.1\r\nHost: pi\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    assert_eq!(without_length.is_answered(true).status, 411);
    let mut large = browser.dial();
    large.sends(format!("PUT {path} HTTP/1.1\r\nHost: pi\r\nContent-Length: {}\r\n\r\n", MIB + 1));
    assert_eq!(large.is_answered(true).status, 413);
    let mut broken = browser.dial();
    broken.sends(format!("PUT {path} HTTP/1.1\r\nHost: pi\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"));
    broken.hears("HTTP/1.1 100 Continue\r");
    broken.hears("\r");
    broken.sends("half");
    let busy = puts(&browser, &path, b"whole");
    assert_eq!((busy.status, busy.field("retry-after")), (503, Some("10")));
    broken.resets();
    // The server notices that in a moment.
    let answer = loop {
        let answer = puts(&browser, &path, b"whole");
        if answer.status != 503 {
            break answer;
        }
    };
    assert_eq!(answer.status, 201);
    assert_eq!(puts(&browser, &path, b"again").status, 404);
}

#[test]
fn a_member_who_is_muted_or_gone_shares_nothing() {
    let (mut server, browser) = Server::with_page(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let (path, of_bob) = (may_send(&mut ann), may_send(&mut bob));
    server.operator("/mute Ann");
    ann.hears("-- The operator has muted you: nobody hears what you say.");
    assert_eq!(puts(&browser, &format!("{path}x"), b"x").status, 403);
    ann.says("/send");
    ann.hears("-- The operator has muted you: nobody hears what you say.");
    drop(bob);
    ann.hears("Bob has left the chat.");
    assert_eq!(puts(&browser, &format!("{of_bob}x"), b"x").status, 404);
}

#[test]
fn who_is_ignored_shares_nothing_with_whoever_ignores_them() {
    let (server, browser) = Server::with_page(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    bob.says("/ignore Ann");
    bob.hears_one("that Ann is ignored", |line| line.starts_with("-- You don't hear Ann"));
    shares(&browser, &mut ann, "x", b"x");
    bob.says("/ignore Ann");
    bob.hears("-- You hear Ann again.");
}

#[test]
fn parts_of_a_file_are_given() {
    let (server, browser) = Server::with_page(&[]);
    let [mut ann] = server.room(["Ann"]);
    let bytes: Vec<u8> = (0..200_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let path = shares(&browser, &mut ann, "x.bin", &bytes);
    let (status, head, body) = fetches(&browser, &path, "Range: bytes=700000-\r\n");
    assert_eq!((status, &body[..]), (206, &bytes[700_000..]));
    assert!(head.contains("Content-Range: bytes 700000-799999/800000"), "{head}");
    assert_eq!(fetches(&browser, &path, "Range: bytes=-4\r\n").2, &bytes[799_996..]);
    let tag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("a tag");
    assert_eq!(fetches(&browser, &path, &format!("Range: bytes=0-0\r\nIf-Range: {tag}\r\n")).0, 206);
    assert_eq!(fetches(&browser, &path, "Range: bytes=0-0\r\nIf-Range: \"other\"\r\n").0, 200);
    let (status, head, _) = fetches(&browser, &path, "Range: bytes=800000-\r\n");
    assert!(status == 416 && head.contains("Content-Range: bytes */800000"), "{head}");
    assert!(head_only(&browser, &path).contains("content-length: 800000\n"));
}

fn head_only(browser: &Browser, path: &str) -> String {
    browser.asks(&format!("HEAD {path}"), "").head.replace('\r', "")
}

#[test]
fn files_that_a_browser_could_run_are_attachments() {
    let (server, browser) = Server::with_page(&[]);
    let [mut ann] = server.room(["Ann"]);
    for (name, bytes) in
        [("x.svg", "<svg onload='x'/>"), ("x.png", "<!doctype html>"), ("x.pdf", "%PDF-1.7"), ("x", "")]
    {
        let path = shares(&browser, &mut ann, name, bytes.as_bytes());
        let head = head_only(&browser, &path);
        assert!(head.contains("content-type: application/octet-stream\n"), "{head}");
        assert!(head.contains("content-disposition: attachment; "), "{head}");
        assert!(head.contains("content-security-policy: sandbox"), "{head}");
    }
}

#[test]
fn names_are_clean_whatever_a_file_is_called() {
    let (server, browser) = Server::with_page(&[]);
    let [mut ann] = server.room(["Ann"]);
    for (sent, heard) in [
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("%2e%2e", "file"),
        ("a%0d%0aSet-Cookie:%20x", "aSet-Cookie_ x"),
        ("%1b%5b2Jx%e2%80%aegpj.exe", "xgpj.exe"),
        ("", "file"),
        ("%ff%fe.txt", "\u{fffd}\u{fffd}.txt"),
    ] {
        let path = shares(&browser, &mut ann, sent, b"x");
        let line = format!("Ann shares {heard} (1 B): http://{}{path}", browser.address);
        hears_at_last(&mut ann, |heard| heard == line);
        assert!(!head_only(&browser, &path).contains("set-cookie:"));
    }
}

#[test]
fn the_oldest_makes_room_and_the_operator_takes_one_away() {
    let (mut server, browser) = Server::with_page(&["--files", "1"]);
    let [mut ann] = server.room(["Ann"]);
    let half = vec![7; MIB / 2];
    let paths = ["a", "b", "c"].map(|name| shares(&browser, &mut ann, name, &half));
    let there = |path: &str| browser.asks(&format!("HEAD {path}"), "").status;
    assert_eq!(paths.each_ref().map(|path| there(path)), [404, 200, 200]);
    server.operator("/files");
    let id = paths[1].split('/').nth(2).expect("a number").to_owned();
    server.prints(&format!("-- {id}  Ann shares b (524.3 kB), for another 60 min"));
    server.operator(&format!("/forget {}", &id[..20]));
    server.prints("-- forgotten: b");
    server.operator("/forget nonsense");
    server.prints("-- No file has that ID. /files lists them.");
    assert_eq!(paths.each_ref().map(|path| there(path)), [404, 404, 200]);
}

#[test]
fn a_server_without_files_says_so() {
    for (options, told) in [
        (
            &["--web", "127.0.0.1:0", "--files", "0"][..],
            "-- No files are shared here: this server keeps none (--files 0).",
        ),
        (&[], "-- No files are shared here: this server has no page (--web)."),
    ] {
        let mut server = Server::start(options);
        let [mut ann] = server.room(["Ann"]);
        for typed in ["/send", "/files"] {
            ann.says(typed);
            ann.hears(told);
        }
        server.operator("/files");
        server.prints(told);
    }
}

#[test]
fn an_upload_may_come_in_any_pieces_and_with_what_follows() {
    let (_server, browser) = Server::with_page(&[]);
    let mut ann = browser.joins("Ann");
    let request = format!(
        "POST /sessions/{}/files?name=x.gif HTTP/1.1\r\nHost: pi\r\nContent-Length: 14\r\n\r\n{}GET /who HTTP/1.1\r\nHost: pi\r\n\r\n",
        ann.token,
        String::from_utf8_lossy(GIF)
    );
    for at in 0..=request.len() {
        let (first, second) = request.as_bytes().split_at(at);
        let mut connection = browser.dial();
        connection.sends(first);
        connection.sends(second);
        assert_eq!([201, 200], std::array::from_fn(|_| connection.is_answered(true).status));
        assert!(ann.next().is_some_and(|event| event.data.contains("\"size\":14,\"width\":1,\"height\":1,")));
    }
}

/// All that uploads hold, under way or broken off, is bounded by what files may take.
#[test]
fn a_hundred_uploads_at_once_take_bounded_memory() {
    let (server, browser) = Server::with_page(&["--files", "8"]);
    let mut members: Vec<Client> = (0..50).map(|n| server.join(&format!("M{n}"))).collect();
    let before = server.memory_kib("VmRSS");
    let piece = vec![7; MIB];
    let mut uploads = Vec::new();
    for member in &mut members {
        for _ in 0..2 {
            let mut upload = browser.dial();
            let path = may_send(member);
            upload.sends(format!("PUT {path}x HTTP/1.1\r\nHost: pi\r\nContent-Length: {}\r\n\r\n", 2 * MIB));
            upload.tries_to_send(&piece);
            uploads.push(upload);
        }
    }
    // Each of these was answered at once, or is waited for.
    let more = server.memory_kib("VmRSS") - before;
    assert!(more < 12 * 1024, "{more} KiB more");
}

/// Whoever fetches slowly holds no copy.
#[test]
fn a_hundred_slow_fetches_of_one_file_take_the_memory_of_one() {
    let (server, browser) = Server::with_page(&[]);
    let [mut ann] = server.room(["Ann"]);
    let path = shares(&browser, &mut ann, "x", &vec![7; 16 * MIB]);
    let before = server.memory_kib("VmRSS");
    let slow: Vec<Client> = (0..100)
        .map(|_| {
            let mut fetch = browser.dial();
            fetch.sends(format!("GET {path} HTTP/1.1\r\nHost: pi\r\n\r\n"));
            fetch.hears("HTTP/1.1 200 OK\r");
            fetch
        })
        .collect();
    let more = server.memory_kib("VmRSS") - before;
    assert!(more < 4 * 1024, "{more} KiB more");
    // It is forgotten, and nobody who fetches it is cut off.
    drop(slow);
}

#[test]
fn numbers_of_files_cannot_be_guessed_in_bulk() {
    let (_server, browser) = Server::with_page(&[]);
    let statuses: Vec<u16> = (0..220).map(|n| browser.asks(&format!("GET /files/{n:032x}/x"), "").status).collect();
    assert_eq!((statuses[0], statuses[219]), (404, 429));
    assert_eq!(browser.asks(&format!("PUT /send/{:032x}/x", 1), "x").status, 429);
}

#[test]
fn curl_sends_and_fetches_files_whatever_they_are_called() {
    if !installed("curl", "--version", "libcurl") {
        return;
    }
    let scratch = Scratch::new("files-curl");
    let (server, browser) = Server::with_page(&[]);
    let [mut ann] = server.room(["Ann"]);
    for name in ["plain.txt", "my file (1).txt", "it's \"good\".txt", "写真 📷.txt", "50%+#?.txt"] {
        let file = scratch.path(name);
        std::fs::File::create(&file).and_then(|mut file| file.write_all(name.as_bytes())).expect("it can be written");
        let address = format!("http://{}{}", browser.address, may_send(&mut ann));
        let sent = Command::new("curl").args(["-sS", "-T", &file, &address]).output().expect("curl runs");
        let (link, error) = (String::from_utf8_lossy(&sent.stdout), String::from_utf8_lossy(&sent.stderr));
        ann.hears(&format!("Ann shares {name} ({} B): {}", name.len(), link.trim_end()));
        let fetched = Command::new("curl").args(["-sS", link.trim_end()]).output().expect("curl runs");
        assert_eq!(fetched.stdout, name.as_bytes(), "{link} {error}");
    }
}

/// The line that the guide shows, for where there is no curl.
#[test]
fn nc_sends_a_file_and_wget_saves_it() {
    if !installed("nc", "-h", "OpenBSD") || !installed("wget", "--version", "GNU Wget") {
        return;
    }
    let scratch = Scratch::new("files-nc");
    let (server, browser) = Server::with_page(&[]);
    let [mut ann] = server.room(["Ann"]);
    let bytes: Vec<u8> = (0..300_000u32).flat_map(|n| n.to_le_bytes()).collect();
    std::fs::write(scratch.path("holiday.jpg"), &bytes).expect("it can be written");
    let guide = include_str!("../../src/guide/files.md");
    let from = guide.find("printf 'PUT /send/").expect("the guide shows it");
    let line = &guide[from..from + guide[from..].find("\n```").expect("a block's end")];
    let line = line
        .replace("/send/6bbf6ef95c0af241fab3129884271093/", &may_send(&mut ann))
        .replace("192.168.1.10 4080", &format!("127.0.0.1 {}", browser.address.port()));
    let sent = Command::new("sh").current_dir(scratch.path("")).args(["-c", &line]).output().expect("sh runs");
    let answer = String::from_utf8_lossy(&sent.stdout);
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    let link = answer.lines().last().expect("an address");
    ann.hears(&format!("Ann shares holiday.jpg (1.2 MB): {link}"));
    let saved = Command::new("wget").args(["-q", "-O", &scratch.path("saved"), link]).stdin(Stdio::null()).status();
    assert!(saved.expect("wget runs").success());
    assert_eq!(std::fs::read(scratch.path("saved")).expect("it is saved"), bytes);
}

/// A hundred pictures in a row are paced as lines are.
#[test]
fn a_member_who_shares_without_end_is_paced() {
    let (server, browser) = Server::with_page(&["--rate", "100"]);
    let mut bob = server.join("Bob");
    let ann = browser.joins("Ann");
    bob.hears("Ann has joined the chat.");
    let request =
        format!("POST /sessions/{}/files?name=x HTTP/1.1\r\nHost: pi\r\nContent-Length: 0\r\n\r\n", ann.token);
    let mut flood = browser.dial();
    let begun = std::time::Instant::now();
    flood.sends(request.repeat(300));
    for _ in 0..300 {
        bob.hears_one("a file", |line| line.starts_with("Ann shares x (0 B): "));
    }
    // Two hundred at once, and then a hundred a second.
    assert!(begun.elapsed().as_millis() > 900, "{:?}", begun.elapsed());
}

#[test]
fn the_body_of_a_request_for_a_file_is_not_read_as_a_request() {
    let (server, browser) = Server::with_page(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let path = shares(&browser, &mut ann, "x", b"x");
    bob.hears_one("a file", |line| line.starts_with("Ann shares x"));
    let body = "POST /say?name=smuggled HTTP/1.1\r\nHost: pi\r\nContent-Length: 2\r\n\r\nhi";
    let mut smuggler = browser.dial();
    smuggler.sends(format!("GET {path} HTTP/1.1\r\nHost: pi\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(smuggler.is_answered(true).status, 200);
    smuggler.hears_the_end();
    ann.says("sentinel");
    bob.hears_nothing_before("Ann: sentinel");
}

#[test]
fn no_name_reads_as_if_somebody_shared_a_file() {
    let (server, browser) = Server::with_page(&[]);
    let mut ann = server.guest();
    ann.says("Ann shares x");
    ann.hears_one("that it is refused", |line| line.starts_with("Name \"Ann shares x\" can't be used: "));
    assert_eq!(browser.asks("POST /say?name=Ann%20shares%20y", "x (1 B): http://pi/files/x/y").status, 409);
}

#[test]
fn an_upload_ends_when_its_member_does() {
    let (mut server, browser) = Server::with_page(&["--files", "1"]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    let path = may_send(&mut ann);
    let mut upload = browser.dial();
    upload.sends(format!("PUT {path}x HTTP/1.1\r\nHost: pi\r\nContent-Length: {MIB}\r\n\r\nsome"));
    server.operator("/kick Ann");
    bob.hears("Ann has left the chat (kicked).");
    assert_eq!(upload.is_answered(true).status, 404);
    shares(&browser, &mut bob, "x", &vec![7; MIB]);
}

/// As Firefox does.
#[test]
fn a_client_that_sends_all_before_it_reads_is_still_told_that_the_file_is_too_large() {
    let (_server, browser) = Server::with_page(&["--files", "1"]);
    let ann = browser.joins("Ann");
    let bytes = vec![7; 20 * MIB];
    let mut upload = browser.dial();
    let (token, length) = (&ann.token, bytes.len());
    upload
        .sends(format!("POST /sessions/{token}/files?name=x HTTP/1.1\r\nHost: pi\r\nContent-Length: {length}\r\n\r\n"));
    upload.sends(&bytes);
    let answer = upload.is_answered(true);
    assert_eq!((answer.status, answer.body.as_str()), (413, "1048576 bytes at most.\n"));
}
