//! The floor: the best that this machine can do. A bare loop on one thread copies bytes between sockets. In each turn
//! it reads once from each client that has sent something, and writes once to each client that is to hear something.
//!
//! It says the same sentences as dynasti, so that the bytes are the same, and does nothing else: no name is checked,
//! no line is cleaned, nothing is limited but what one client may leave unread.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

/// What one client may leave unread before it is cut off; without an end to it one stopped reader would take all memory.
const UNREAD_LIMIT: usize = 1 << 20;
/// Marks the listener among the events; clients are marked by their slot.
const LISTENER: u64 = u64::MAX;

struct Client {
    socket: TcpStream,
    name: Option<String>,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    waits_for_room: bool,
}

struct Floor {
    epoll: OwnedFd,
    listener: TcpListener,
    clients: Vec<Option<Client>>,
    vacant: Vec<usize>,
    unflushed: Vec<usize>,
}

/// Listens on a free port of 127.0.0.1, says which on standard output, and serves until it is killed.
pub(crate) fn run() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    rustix::net::listen(&listener, 4096)?; // std's 128 would make a rush wait for repeated SYNs
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    println!("Server listening on {}", listener.local_addr()?);

    let mut floor = Floor { epoll, listener, clients: Vec::new(), vacant: Vec::new(), unflushed: Vec::new() };
    let mut events = Vec::with_capacity(1024);
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match epoll::wait(&floor.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {} // strace interrupts it
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => floor.accept()?,
                slot => floor.serve(slot as usize, event.flags, &mut bytes),
            }
        }
        while let Some(slot) = floor.unflushed.pop() {
            floor.flush(slot);
        }
    }
}

impl Floor {
    fn accept(&mut self) -> io::Result<()> {
        while let Ok((socket, _)) = self.listener.accept() {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let slot = self.vacant.pop().unwrap_or_else(|| {
                self.clients.push(None);
                self.clients.len() - 1
            });
            epoll::add(&self.epoll, &socket, EventData::new_u64(slot as u64), EventFlags::IN)?;
            let (input, output) = (Vec::new(), Vec::new());
            self.clients[slot] = Some(Client { socket, name: None, input, output, written: 0, waits_for_room: false });
            self.post(slot, b"Hi! Welcome to Dynasti. What's your name?\n");
        }
        Ok(())
    }

    fn serve(&mut self, slot: usize, ready: EventFlags, bytes: &mut [u8]) {
        if ready.contains(EventFlags::OUT) {
            self.unflushed.push(slot);
        }
        if !ready.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return;
        }
        let Some(client) = &mut self.clients[slot] else { return };
        match client.socket.read(bytes) {
            Ok(count @ 1..) => client.input.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Ok(0) | Err(_) => return self.leave(slot),
        }
        let Some(end) = client.input.iter().rposition(|byte| *byte == b'\n') else { return };
        let lines: Vec<u8> = client.input.drain(..=end).collect();
        let mut said = Vec::with_capacity(2 * lines.len());
        let mut welcome = None;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match &client.name {
                Some(name) => {
                    said.extend_from_slice(name.as_bytes());
                    said.extend_from_slice(b": ");
                    said.extend_from_slice(line);
                }
                None => {
                    let name = String::from_utf8_lossy(line).trim().to_owned();
                    welcome = Some(format!("Welcome, {name}! You can now chat. Type messages and press Enter.\n"));
                    said.extend_from_slice(format!("{name} has joined the chat.\n").as_bytes());
                    client.name = Some(name);
                }
            }
        }
        if let Some(welcome) = welcome {
            self.post(slot, welcome.as_bytes());
        }
        self.say(slot, &said);
    }

    /// Posts to everyone who has a name but `from`.
    fn say(&mut self, from: usize, bytes: &[u8]) {
        for slot in 0..self.clients.len() {
            if slot != from && self.clients[slot].as_ref().is_some_and(|client| client.name.is_some()) {
                self.post(slot, bytes);
            }
        }
    }

    fn post(&mut self, slot: usize, bytes: &[u8]) {
        let Some(client) = &mut self.clients[slot] else { return };
        if client.output.is_empty() {
            self.unflushed.push(slot);
        }
        client.output.extend_from_slice(bytes);
    }

    fn flush(&mut self, slot: usize) {
        let Some(client) = &mut self.clients[slot] else { return };
        while client.written < client.output.len() {
            match client.socket.write(&client.output[client.written..]) {
                Ok(count) => client.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.leave(slot),
            }
        }
        let unread = client.output.len() - client.written;
        if unread == 0 {
            client.output.clear();
            client.written = 0;
        } else if unread > UNREAD_LIMIT {
            return self.leave(slot);
        }
        if client.waits_for_room != (unread > 0) {
            client.waits_for_room = unread > 0;
            let interest = if unread > 0 { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            if epoll::modify(&self.epoll, &client.socket, EventData::new_u64(slot as u64), interest).is_err() {
                self.leave(slot);
            }
        }
    }

    fn leave(&mut self, slot: usize) {
        if let Some(Client { name: Some(name), .. }) = self.clients[slot].take() {
            self.say(slot, format!("{name} has left the chat.\n").as_bytes());
        }
        self.vacant.push(slot);
    }
}
