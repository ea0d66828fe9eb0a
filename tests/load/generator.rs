//! The load generator's sockets: all clients of one room in one thread, so that it is known who has received each line.
//! Knows nothing of what is said.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::time::Timespec;

use crate::fault::{Fault, Result};

/// Large enough that one read nearly always empties a socket.
const READ_SIZE: usize = 256 * 1024;
/// How soon a write that found no room, or a connection that was not there yet, is tried again.
const RETRY: Duration = Duration::from_millis(5);
/// How long a turn looks again and again before it sleeps. To wake a sleeping receiver costs the sender; a slow server
/// finds the generator asleep more often, and so pays more for being slow than it is slow. And the clients of a real one
/// are on other machines.
const AWAKE: Duration = Duration::from_micros(200);

struct Client {
    socket: TcpStream,
    /// The beginning of a line whose end has not been read.
    partial: Vec<u8>,
    output: Vec<u8>,
    /// How to read it where that is not as it stands. Such a client says nothing.
    reading: Option<Reading>,
}

/// Appends the lines that a client was told to others, out of what its connection brought, which is whole lines too.
pub(crate) type Reading = fn(&[u8], &mut Vec<u8>) -> Result<()>;

/// All the clients of one room.
pub(crate) struct Generator {
    epoll: OwnedFd,
    clients: Vec<Client>,
    unflushed: Vec<usize>,
    events: Vec<Event>,
    buffer: Vec<u8>,
    /// What was made of it by a [`Reading`].
    lines: Vec<u8>,
}

impl Generator {
    /// No clients yet.
    pub(crate) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|error| Fault::unable("epoll", error))?;
        let (clients, unflushed, lines) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { epoll, clients, unflushed, events: Vec::with_capacity(1024), buffer: vec![0; READ_SIZE], lines })
    }

    /// How many clients there are.
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// How many of them say something.
    pub(crate) fn talkers(&self) -> usize {
        self.clients.iter().filter(|client| client.reading.is_none()).count()
    }

    /// Begins to connect one more client and returns its number; numbers count up from 0. The connection may still be
    /// under way: what the server says first shows that it is there. `window` bounds what the kernel takes in, in
    /// bytes, for a client that will stop reading.
    pub(crate) fn connect(&mut self, server: SocketAddrV4, window: Option<usize>) -> Result<usize> {
        let number = self.clients.len();
        let socket = connect(server, window).map_err(|error| Fault::unable(format!("client {number}"), error))?;
        self.add(socket, None)?;
        Ok(number)
    }

    /// Adds one more client, whose connection, which must not block, is there already.
    pub(crate) fn add(&mut self, socket: TcpStream, reading: Option<Reading>) -> Result<()> {
        let number = self.clients.len();
        epoll::add(&self.epoll, &socket, EventData::new_u64(number as u64), EventFlags::IN)
            .map_err(|error| Fault::unable("epoll", error))?;
        self.clients.push(Client { socket, partial: Vec::new(), output: Vec::new(), reading });
        Ok(())
    }

    /// From now on `client` reads nothing, and its connection stays open.
    pub(crate) fn stop_reading(&mut self, client: usize) -> Result<()> {
        epoll::delete(&self.epoll, &self.clients[client].socket).map_err(|error| Fault::unable("epoll", error))
    }

    /// The client that came last leaves.
    pub(crate) fn leave_last(&mut self) {
        self.clients.pop();
    }

    /// Has `client` say `bytes` when the next turn begins, in one write with all that it says until then.
    pub(crate) fn say(&mut self, client: usize, bytes: &[u8]) {
        let output = &mut self.clients[client].output;
        if output.is_empty() {
            self.unflushed.push(client);
        }
        output.extend_from_slice(bytes);
    }

    /// One turn: sends what is to be said, waits at most `patience` until something can be read, and hands what was
    /// read to `hear` with the number of its client. `hear` is given whole lines only.
    pub(crate) fn turn(&mut self, patience: Duration, mut hear: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
        self.flush()?;
        let patience = if self.unflushed.is_empty() { patience } else { patience.min(RETRY) };
        self.wait(patience)?;
        for event in self.events.drain(..) {
            let number = event.data.u64() as usize;
            let client = &mut self.clients[number];
            let held = client.partial.len();
            if self.buffer.len() < held + READ_SIZE / 2 {
                self.buffer.resize(held + READ_SIZE, 0);
            }
            self.buffer[..held].copy_from_slice(&client.partial);
            let count = match client.socket.read(&mut self.buffer[held..]) {
                Ok(0) => return Err(Fault::Wrong(format!("the server closed client {number}'s connection"))),
                Ok(count) => count,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                    continue;
                }
                Err(error) => return Err(Fault::Wrong(format!("client {number}'s connection: {error}"))),
            };
            let bytes = &self.buffer[..held + count];
            let lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            client.partial.clear();
            client.partial.extend_from_slice(&bytes[lines..]);
            match client.reading {
                _ if lines == 0 => {}
                None => hear(number, &bytes[..lines])?,
                Some(reading) => {
                    self.lines.clear();
                    reading(&bytes[..lines], &mut self.lines)?;
                    hear(number, &self.lines)?;
                }
            }
        }
        Ok(())
    }

    fn wait(&mut self, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            let sleep = if begun.elapsed() < AWAKE { Duration::ZERO } else { left };
            let sleep = Timespec { tv_sec: sleep.as_secs() as _, tv_nsec: sleep.subsec_nanos().into() };
            match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&sleep)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Fault::unable("epoll", error)),
            }
            if !self.events.is_empty() || left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Sends what is to be said, as far as there is room for it.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let clients = &mut self.clients;
        let mut fault = None;
        self.unflushed.retain(|number| {
            let client = &mut clients[*number];
            match client.socket.write(&client.output) {
                Ok(count) => drop(client.output.drain(..count)),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => {}
                Err(error) => fault = Some(Fault::Wrong(format!("client {number}'s connection: {error}"))),
            }
            !client.output.is_empty()
        });
        fault.map_or(Ok(()), Err)
    }
}

fn connect(server: SocketAddrV4, window: Option<usize>) -> io::Result<TcpStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    // Closing resets the connection, so that thousands of them do not wait out TIME_WAIT and use up the ports.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    if let Some(bytes) = window {
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
    }
    match rustix::net::connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}
