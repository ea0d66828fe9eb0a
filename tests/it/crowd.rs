//! A crowd of some hundred members. Each is a non-blocking socket, without a thread and without a story, so it costs
//! almost nothing. One call has all of them read or write.

use crate::harness::{PATIENCE, Server};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

/// What the kernel is asked to hold, either way, for each of those for whom it should hold little.
const SMALL: usize = 4096;

/// How long to leave the processor to others when nobody has anything to read.
const BREATH: Duration = Duration::from_millis(1);

/// Lets this process have as many descriptors as it may.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the maximum it may be raised");
}

/// Members `m0`, `m1` and so on.
pub(crate) struct Crowd {
    members: Vec<Member>,
}

struct Member {
    /// Closed at the end of the connection, so that the kernel holds nothing for it any more.
    stream: Option<TcpStream>,
    /// What is still to be sent, from `sent` on.
    sending: Vec<u8>,
    sent: usize,
    /// The beginning of what came, until that was the welcome.
    greeted: Option<Vec<u8>>,
}

impl Crowd {
    /// So many join, and have read about everything that was said until then.
    pub(crate) fn join(server: &Server, count: usize) -> Crowd {
        Self::join_through(server, count, |_| {})
    }

    /// So many for whom the kernel takes only a little: they will stop reading, or be stopped from writing.
    pub(crate) fn join_with_small_windows(server: &Server, count: usize) -> Crowd {
        Self::join_through(server, count, |socket| {
            sockopt::set_socket_recv_buffer_size(socket, SMALL).expect("a small buffer is to be had");
            sockopt::set_socket_send_buffer_size(socket, SMALL).expect("a small buffer is to be had");
        })
    }

    fn join_through(server: &Server, count: usize, prepare: impl Fn(&OwnedFd)) -> Crowd {
        raise_descriptor_limit();
        let mut crowd = Crowd { members: Vec::new() };
        for number in 0..count {
            let socket =
                rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket is to be had");
            prepare(&socket);
            sockopt::set_tcp_nodelay(&socket, true).expect("what is sent is to be sent at once");
            rustix::net::connect(&socket, &server.addresses()[0]).expect("the server listens");
            let stream = TcpStream::from(socket);
            stream.set_nonblocking(true).expect("a socket need not block");
            let sending = format!("m{number}\n").into_bytes();
            crowd.members.push(Member { stream: Some(stream), sending, sent: 0, greeted: Some(Vec::new()) });
            if number % 20 == 19 {
                crowd.sends();
                crowd.reads();
            }
        }
        let give_up = Instant::now() + PATIENCE * 3;
        while crowd.members.iter().any(|member| member.greeted.is_some()) {
            assert!(Instant::now() < give_up && crowd.here() == count, "not all of {count} have joined");
            crowd.sends();
            if crowd.reads() == 0 {
                thread::sleep(BREATH);
            }
        }
        crowd
    }

    /// How many are connected, as far as they have noticed.
    pub(crate) fn here(&self) -> usize {
        self.members.iter().filter(|member| member.stream.is_some()).count()
    }

    /// Each of these is to send something, behind what it has not sent yet. It is only tried when `sends` is called.
    pub(crate) fn will_send(&mut self, who: Range<usize>, what: impl Fn(usize) -> Vec<u8>) {
        for number in who {
            self.members[number].sending.extend(what(number));
        }
    }

    /// Everybody sends what the kernel takes. Returns how many bytes that was.
    pub(crate) fn sends(&mut self) -> usize {
        self.members.iter_mut().map(Member::sends).sum()
    }

    /// Everybody reads what there is. Returns how many bytes that was.
    pub(crate) fn reads(&mut self) -> usize {
        self.members.iter_mut().map(Member::reads).sum()
    }

    /// Closes the sockets whose connections were reset: `ss` does not list them, and the system holds what they have
    /// not read.
    pub(crate) fn closes_what_was_reset(&mut self) {
        let is_reset = |stream: &TcpStream| {
            poll(&mut [PollFd::new(stream, PollFlags::empty())], Some(&Timespec::default())) != Ok(0)
        };
        for member in &mut self.members {
            member.stream = member.stream.take().filter(|stream| !is_reset(stream));
        }
    }

    /// Everybody hears what is left, and the end of the connection.
    pub(crate) fn is_let_go(&mut self) {
        let give_up = Instant::now() + PATIENCE;
        while self.here() > 0 {
            assert!(Instant::now() < give_up, "{} are still connected", self.here());
            if self.reads() == 0 {
                thread::sleep(BREATH);
            }
        }
    }
}

impl Member {
    fn sends(&mut self) -> usize {
        let before = self.sent;
        while self.sent < self.sending.len() {
            let Some(stream) = &mut self.stream else { break };
            match stream.write(&self.sending[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.stream = None,
            }
        }
        let sent = self.sent - before;
        if self.sent == self.sending.len() {
            (self.sending, self.sent) = (Vec::new(), 0);
        }
        sent
    }

    fn reads(&mut self) -> usize {
        let (mut chunk, mut all) = ([0; 16 * 1024], 0);
        while let Some(stream) = &mut self.stream {
            match stream.read(&mut chunk) {
                Ok(0) => self.stream = None,
                Ok(length) => {
                    all += length;
                    self.is_greeted(&chunk[..length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.stream = None,
            }
        }
        all
    }

    fn is_greeted(&mut self, heard: &[u8]) {
        const WELCOME: &[u8] = b"\nWelcome, ";
        let Some(beginning) = &mut self.greeted else { return };
        beginning.extend_from_slice(heard);
        if beginning.windows(WELCOME.len()).any(|window| window == WELCOME) {
            self.greeted = None;
        }
    }
}
