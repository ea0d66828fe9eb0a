//! Connections that are not from chat clients: nobody in the room hears of them.

use crate::harness::{Client, Server};

/// Lets strangers come and go, and shows that two members heard nothing of it and can go on talking.
#[track_caller]
fn unnoticed(visit: impl FnOnce(&Server)) {
    let server = Server::start(&[]);
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    visit(&server);
    bob.says("quiet today");
    ann.hears_nothing_before("Bob: quiet today");
    ann.says("very");
    bob.hears_nothing_before("Ann: very");
    let zoe = server.join("Zoe");
    server.prints(&format!("Zoe connected from {}", zoe.address()));
    let printed = server.stdout.so_far();
    assert_eq!(printed.iter().filter(|line| line.contains("onnected")).count(), 3, "{printed:?}");
    assert!(server.stderr.so_far().is_empty());
}

/// Sends these bytes and waits until the server has let the stranger go.
fn stranger_says(server: &Server, bytes: &[u8]) {
    let mut stranger: Client = server.dial();
    stranger.tries_to_send(bytes);
    stranger.ends_input();
    stranger.is_let_go();
}

#[test]
fn a_reset_before_the_name() {
    unnoticed(|server| {
        server.guest().resets();
        server.dial().resets();
        let mut half_named = server.guest();
        half_named.sends("An");
        half_named.resets();
    });
}

#[test]
fn a_connection_that_says_nothing() {
    unnoticed(|server| {
        stranger_says(server, b"");
    });
}

#[test]
fn a_scan_of_a_thousand_ports_worth() {
    unnoticed(|server| {
        for _ in 0..1000 {
            server.dial().resets();
        }
    });
}

#[test]
fn a_tls_hello() {
    // A TLS 1.2 record with a ClientHello: version, random, session id, ciphers, and the server's name and ALPN.
    let random: Vec<u8> = (0..32u8).map(|byte| byte.wrapping_mul(37).wrapping_add(129)).collect();
    let hello = [
        b"\x16\x03\x01\x00\x86\x01\x00\x00\x82\x03\x03".as_slice(),
        &random,
        b"\x20",
        &random,
        b"\x00\x08\x13\x01\x13\x02\xc0\x2f\xc0\x30\x01\x00\x00\x31",
        b"\x00\x00\x00\x0d\x00\x0b\x00\x00\x08pi.local",
        b"\x00\x10\x00\x0e\x00\x0c\x02h2\x08http/1.1",
        b"\x00\x0a\x00\x04\x00\x02\x00\x1d\x00\x0d\x00\x04\x00\x02\x04\x03",
    ]
    .concat();
    unnoticed(|server| stranger_says(server, &hello));
    unnoticed(|server| stranger_says(server, &[&hello, b"\n".as_slice()].concat()));
}

#[test]
fn an_http_request() {
    unnoticed(|server| {
        stranger_says(
            server,
            b"GET / HTTP/1.1\r\nHost: pi.local:4000\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n",
        );
        stranger_says(server, b"POST /login HTTP/1.0\r\nContent-Length: 5\r\n\r\nadmin");
    });
}

#[test]
fn an_http_request_whose_body_reads_like_a_name() {
    unnoticed(|server| {
        stranger_says(server, b"POST / HTTP/1.1\r\nHost: pi.local\r\nContent-Length: 6\r\n\r\nhello\n");
        stranger_says(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    });
}

#[test]
fn an_ssh_banner() {
    unnoticed(|server| {
        stranger_says(server, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n");
        // Short enough for a name, and made of nothing but what a name may hold.
        stranger_says(server, b"SSH-2.0-OpenSSH_9.6\r\n");
        stranger_says(server, b"SSH-2.0-Go\r\n");
    });
}

#[test]
fn a_stranger_that_stays_keeps_nobody_out() {
    let server = Server::start(&[]);
    let _silent: Vec<Client> = (0..50).map(|_| server.dial()).collect();
    let [mut ann, mut bob] = server.room(["Ann", "Bob"]);
    ann.says("there we are");
    bob.hears("Ann: there we are");
}
