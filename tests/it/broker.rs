//! The broker that links servers: a real nats-server, which can be killed, started again, and have its store wiped; and
//! a stranger, who sends its protocol by hand.
//!
//! If nats-server is not installed, the tests that need it say so and pass, like those of other tools.

use crate::harness::{PATIENCE, Program, Scratch, Story};
use crate::tools::installed;
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU16, Ordering};

pub(crate) struct Broker {
    /// None while it is stopped.
    program: Option<Program>,
    arguments: Vec<String>,
    port: u16,
    scratch: Scratch,
    story: Story,
}

impl Broker {
    /// Starts one with JetStream, for anybody. None if nats-server is not installed.
    #[track_caller]
    pub(crate) fn start() -> Option<Broker> {
        Broker::with(&["-js"], Ipv4Addr::LOCALHOST)
    }

    /// Starts one with JetStream that can be reached by every address of the machine, for anybody.
    #[track_caller]
    pub(crate) fn start_everywhere() -> Option<Broker> {
        Broker::with(&["-js"], Ipv4Addr::UNSPECIFIED)
    }

    /// Starts one with JetStream, for whoever knows this user and password.
    #[track_caller]
    pub(crate) fn start_for(user: &str, password: &str) -> Option<Broker> {
        Broker::with(&["-js", "--user", user, "--pass", password], Ipv4Addr::LOCALHOST)
    }

    /// Starts one that keeps no messages.
    #[track_caller]
    pub(crate) fn start_without_jetstream() -> Option<Broker> {
        Broker::with(&[], Ipv4Addr::LOCALHOST)
    }

    #[track_caller]
    fn with(options: &[&str], address: Ipv4Addr) -> Option<Broker> {
        if !installed("nats-server", "--version", "nats-server") {
            return None;
        }
        let port = port();
        let scratch = Scratch::new(&format!("broker-{port}"));
        let mut arguments = vec!["-a".to_owned(), address.to_string(), "-p".to_owned(), port.to_string()];
        arguments.extend(["-sd".to_owned(), scratch.path("store")]);
        arguments.extend(options.iter().map(|option| (*option).to_owned()));
        let mut broker = Broker { program: None, arguments, port, scratch, story: Story::default() };
        broker.start_again();
        Some(broker)
    }

    /// Where it listens on 127.0.0.1, as long as it is there.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The program, to be stopped and continued, and for what it prints.
    pub(crate) fn program(&self) -> &Program {
        self.program.as_ref().expect("it is running")
    }

    /// Ends it as a power cut would, except that the kernel still writes what it has to the disk.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        let mut program = self.program.take().expect("it is running");
        program.signal(Signal::KILL);
        program.exits_within(PATIENCE);
    }

    /// Starts it where it was before, with what it has kept, and waits until it listens.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        assert!(self.program.is_none(), "it is running");
        let mut command = Command::new("nats-server");
        command.args(&self.arguments);
        let program = Program::start("broker", command, &self.story);
        program.stderr.find("that it is ready", |line| line.ends_with("Server is ready"));
        self.program = Some(program);
    }

    /// Takes away all that it has kept, while it is not running.
    pub(crate) fn wipe(&self) {
        assert!(self.program.is_none(), "it is running");
        // Without JetStream there is nothing.
        let store = self.scratch.path("store");
        if let Err(error) = fs::remove_dir_all(&store) {
            assert!(!fs::exists(&store).expect("it can be looked for"), "{error}");
        }
    }

    /// A client that logs in with these fields, in JSON: `"user":"ann","pass":"x"`.
    pub(crate) fn stranger(&self, login: &str) -> Stranger {
        Stranger::comes(self.port, login)
    }
}

/// A port that is free, and that no other program gets while the broker is stopped: it is outside the range from which
/// the kernel chooses ports for clients. (A client with such a port that connects to the stopped broker could even
/// connect to itself.)
fn port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static TRIED: AtomicU16 = AtomicU16::new(0);
    // Two runs of the tests at once begin at different ones.
    let begin = process::id().wrapping_mul(31) as u16;
    let mut ports = (0..COUNT).map(|_| FIRST + begin.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % COUNT);
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("one of so many is free")
}

/// A client of the broker that is no server of ours, and may send anything.
pub(crate) struct Stranger(BufReader<TcpStream>);

impl Stranger {
    fn comes(port: u16, login: &str) -> Stranger {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the broker listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is to be had");
        stream.set_nodelay(true).expect("it can be had");
        let mut stranger = Stranger(BufReader::new(stream));
        let comma = if login.is_empty() { "" } else { "," };
        stranger.sends(
            format!("CONNECT {{\"verbose\":false,\"headers\":true,\"no_responders\":true{comma}{login}}}\r\n")
                .as_bytes(),
        );
        assert!(stranger.line().starts_with("INFO "));
        stranger
    }

    /// Sends just these bytes.
    pub(crate) fn sends(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("the broker is there");
    }

    /// Subscribes to a subject, perhaps with wildcards, and waits until it has.
    pub(crate) fn subscribes(&mut self, subject: &str) {
        self.sends(format!("SUB {subject} 1\r\nPING\r\n").as_bytes());
        assert_eq!(self.line(), "PONG");
    }

    /// Publishes a message.
    pub(crate) fn says(&mut self, subject: &str, payload: &[u8]) {
        self.sends(&[format!("PUB {subject} {}\r\n", payload.len()).as_bytes(), payload, b"\r\n"].concat());
    }

    /// Asks something, and returns the answer. It must not have subscribed to anything.
    pub(crate) fn asks(&mut self, subject: &str, payload: &str) -> String {
        self.subscribes("_INBOX.stranger");
        self.says(&format!("{subject} _INBOX.stranger"), payload.as_bytes());
        let (_, answer) = self.hears();
        self.sends(b"UNSUB 1\r\n");
        String::from_utf8(answer).expect("it is text")
    }

    /// The next message: its subject, and what it carries, headers and all.
    pub(crate) fn hears(&mut self) -> (String, Vec<u8>) {
        let line = self.line();
        let parts: Vec<&str> = line.split_whitespace().collect();
        let (Some(&("MSG" | "HMSG")), Some(length)) = (parts.first(), parts.last()) else {
            panic!("that is no message: {line:?}");
        };
        let mut payload = vec![0; length.parse::<usize>().expect("it has a length") + 2];
        self.0.read_exact(&mut payload).expect("the message is whole");
        payload.truncate(payload.len() - 2);
        (parts[1].to_owned(), payload)
    }

    /// The next line that is no question whether it is still there; the end of the connection, however it came, is an
    /// empty one.
    pub(crate) fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line) {
                // A broker that is killed has not read everything.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return String::new(),
                read => drop(read.expect("the broker says something")),
            }
            if line != "PING\r\n" {
                return line.trim_end().to_owned();
            }
            self.sends(b"PONG\r\n");
        }
    }
}

#[test]
fn what_a_broker_keeps_outlives_it() {
    let Some(mut broker) = Broker::start() else { return };
    let info = "$JS.API.STREAM.INFO.kept";
    let mut stranger = broker.stranger("");
    let made =
        stranger.asks("$JS.API.STREAM.CREATE.kept", r#"{"name":"kept","subjects":["kept.it"],"storage":"file"}"#);
    assert!(made.contains("\"did_create\":true"), "{made}");
    assert!(stranger.asks("kept.it", "hello").contains("\"seq\":1"));
    let port = broker.port();
    broker.kill();
    assert_eq!(stranger.line(), "", "its connections end");
    broker.start_again();
    assert_eq!(broker.port(), port);
    let kept = broker.stranger("").asks(info, "");
    assert!(kept.contains("\"messages\":1"), "{kept}");
    broker.kill();
    broker.wipe();
    broker.start_again();
    let gone = broker.stranger("").asks(info, "");
    assert!(gone.contains("stream not found"), "{gone}");
    let mut other = broker.stranger("");
    other.subscribes("a.*");
    stranger = broker.stranger("");
    stranger.says("a.b", b"hi");
    assert_eq!(other.hears(), ("a.b".to_owned(), b"hi".to_vec()));
}

#[test]
fn a_broker_may_ask_who_comes() {
    let Some(broker) = Broker::start_for("ann", "s3 cret") else { return };
    assert_eq!(broker.stranger("").line(), "-ERR 'Authorization Violation'");
    assert_eq!(broker.stranger(r#""user":"ann","pass":"x""#).line(), "-ERR 'Authorization Violation'");
    broker.program().stderr.find("that somebody was refused", |line| line.ends_with("authentication error"));
    let answer = broker.stranger(r#""user":"ann","pass":"s3 cret""#).asks("$JS.API.INFO", "");
    assert!(answer.contains("account_info_response"), "{answer}");
}

#[test]
fn a_broker_may_keep_nothing() {
    let Some(mut broker) = Broker::start_without_jetstream() else { return };
    assert_eq!(broker.stranger("").asks("$JS.API.INFO", ""), "NATS/1.0 503\r\n\r\n");
    broker.kill();
    broker.wipe();
    broker.start_again();
    assert_eq!(broker.stranger("").asks("$JS.API.INFO", ""), "NATS/1.0 503\r\n\r\n");
}
