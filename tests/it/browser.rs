//! What a browser does, by HTTP: single requests, and members who hear an event stream.

use crate::harness::{Client, PATIENCE, Server, Story};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

/// The server's HTTP side.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) address: SocketAddr,
    story: Story,
}

/// An answer: its status, its head in lower case, and its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A field of its head, whose name is in lower case; its value is, too.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim)
    }
}

impl Server {
    /// Starts a server that browsers reach, too.
    #[track_caller]
    pub(crate) fn with_page(options: &[&str]) -> (Server, Browser) {
        let server = Server::start(&[&["--web", "127.0.0.1:0"], options].concat());
        let browser = server.browser();
        (server, browser)
    }

    /// Where browsers reach this server.
    #[track_caller]
    pub(crate) fn browser(&self) -> Browser {
        let opened = self.stdout.find("where browsers join", |line| line.starts_with("Or open: http://"));
        let address = opened.strip_prefix("Or open: http://").and_then(|rest| rest.strip_suffix('/'));
        let address = address.and_then(|address| address.parse().ok()).expect("an address and a port");
        Browser { address, story: self.story().clone() }
    }
}

impl Browser {
    /// One that reaches a server there.
    #[cfg(all(feature = "discovery", feature = "link"))]
    pub(crate) fn at(address: SocketAddr) -> Browser {
        Browser { address, story: Story::default() }
    }

    /// A connection, on which nothing is said yet.
    #[track_caller]
    pub(crate) fn dial(&self) -> Client {
        Client::new(TcpStream::connect_timeout(&self.address, PATIENCE).expect("the server listens"), &self.story)
    }

    /// Sends a request with these fields, each with its line end, and a body.
    #[track_caller]
    pub(crate) fn asks_with(&self, request: &str, fields: &str, body: &str) -> Answer {
        let mut connection = self.dial();
        let length = body.len();
        connection.sends(format!(
            "{request} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n{fields}\r\n{body}",
            self.address
        ));
        connection.is_answered(!request.starts_with("HEAD"))
    }

    #[track_caller]
    pub(crate) fn asks(&self, request: &str, body: &str) -> Answer {
        self.asks_with(request, "", body)
    }

    /// Joins under this name, and opens the event stream.
    #[track_caller]
    pub(crate) fn joins(&self, name: &str) -> Member {
        let answer = self.asks("POST /sessions", name);
        assert_eq!(answer.status, 201, "{answer:?}");
        let mut member = self.member(&answer.body);
        member.hears("welcome", &format!("Welcome, {name}! You can now chat. Type messages and press Enter."));
        member
    }

    /// The member whose session this is.
    #[track_caller]
    pub(crate) fn member(&self, token: &str) -> Member {
        let events = self.stream(token, "");
        Member { browser: self.clone(), token: token.to_owned(), events, last: 0 }
    }

    /// Opens an event stream.
    #[track_caller]
    pub(crate) fn stream(&self, token: &str, query: &str) -> Client {
        let mut events = self.dial();
        events.sends(format!("GET /sessions/{token}/events{query} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address));
        events.hears("HTTP/1.1 200 OK\r");
        while events.next_line().is_some_and(|line| line != "\r") {}
        events
    }
}

impl Client {
    /// Reads an answer.
    #[track_caller]
    pub(crate) fn is_answered(&mut self, with_body: bool) -> Answer {
        let first = self.next_line().unwrap_or_default();
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        let mut head = String::new();
        while let Some(line) = self.next_line().filter(|line| line != "\r") {
            head.push_str(&line.to_ascii_lowercase());
            head.push('\n');
        }
        let field = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = field.and_then(|length| length.trim().parse().ok()).filter(|_| with_body).unwrap_or(0);
        let body = String::from_utf8(self.takes(length)).expect("bodies are text here");
        Answer { status: status.unwrap_or_else(|| panic!("no answer: {first:?}")), head, body }
    }
}

/// A member with a session.
pub(crate) struct Member {
    browser: Browser,
    pub(crate) token: String,
    events: Client,
    /// The id of the last event.
    pub(crate) last: u64,
}

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) kind: String,
    pub(crate) data: String,
}

impl Event {
    /// A field of its data, if it is a string.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let (_, rest) = self.data.split_once(&format!("\"{name}\":\""))?;
        let mut value = String::new();
        let mut chars = rest.chars();
        loop {
            match chars.next()? {
                '"' => return Some(value),
                '\\' => value.push(match chars.next()? {
                    't' => '\t',
                    plain => plain,
                }),
                plain => value.push(plain),
            }
        }
    }
}

impl Member {
    /// Says lines, and waits until the room has them.
    #[track_caller]
    pub(crate) fn says(&self, lines: &str) {
        static KEY: AtomicU32 = AtomicU32::new(0);
        let key = format!("Idempotency-Key: {}\r\n", KEY.fetch_add(1, Ordering::Relaxed));
        let answer = self.browser.asks_with(&format!("POST /sessions/{}/lines", self.token), &key, lines);
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// The next event but for signs of life; None at the end of the stream.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Event> {
        let mut event = Event { id: 0, kind: String::new(), data: String::new() };
        loop {
            let line = self.events.next_line()?;
            match line.split_once(": ") {
                Some(("id", id)) => event.id = id.parse().expect("a number"),
                Some(("event", kind)) => event.kind = kind.to_owned(),
                Some(("data", data)) => event.data = data.to_owned(),
                None if line.is_empty() && event.kind != "ping" => break,
                None if line.is_empty() => {}
                _ => panic!("no event: {line:?}"),
            }
        }
        assert!(event.id > self.last, "ids grow: {event:?} after {}", self.last);
        self.last = event.id;
        Some(event)
    }

    /// Hears exactly this as the very next event.
    #[track_caller]
    pub(crate) fn hears(&mut self, kind: &str, text: &str) -> Event {
        let event = self.next().unwrap_or_else(|| panic!("the stream ended, and no {text:?}"));
        assert_eq!((event.kind.as_str(), event.field("text").as_deref()), (kind, Some(text)), "{event:?}");
        event
    }

    /// The stream ends, and nothing comes before that.
    #[track_caller]
    pub(crate) fn hears_the_end(&mut self) {
        assert_eq!(self.next(), None);
    }

    /// Loses the stream.
    pub(crate) fn loses_the_stream(&mut self) {
        self.events = self.browser.dial();
    }

    /// Opens the stream again, after the last event that was heard. What was written to the old stream before the
    /// server saw its end counts as sent, so only this misses nothing.
    #[track_caller]
    pub(crate) fn comes_back_to_what_is_next(&mut self) {
        self.comes_back(&format!("?after={}", self.last));
    }

    /// Opens the stream again, after the event that the query names, or else after the last that was sent.
    #[track_caller]
    pub(crate) fn comes_back(&mut self, query: &str) {
        self.events = self.browser.stream(&self.token, query);
    }
}
