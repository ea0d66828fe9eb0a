//! Clients that misbehave: each does one bad thing after another until a given time. Knows nothing of what the others
//! hear, which `soak` checks.

use crate::fuzz::{pieces, sent};
use crate::random::Chance;
use fastrand::Rng;
use rustix::io::{read, retry_on_intr};
use rustix::net::{AddressFamily, SendFlags, SocketType, sockopt};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How long one of them waits for anything.
const PATIENCE: Duration = Duration::from_secs(2);

/// What such a client may do, each time with a new connection.
const MISDEEDS: [fn(&mut Vandal) -> io::Result<()>; 16] = [
    Vandal::chat_and_leave,
    Vandal::chat_and_leave,
    Vandal::paste,
    Vandal::paste_and_break_off,
    Vandal::stall_and_break_off,
    Vandal::stop_reading,
    Vandal::read_very_slowly,
    Vandal::half_close_at_the_prompt,
    Vandal::break_off_in_the_middle_of_a_line,
    Vandal::garbage,
    Vandal::garbage,
    Vandal::command,
    Vandal::crowd_its_own_queue,
    Vandal::speak_another_protocol,
    Vandal::never_end_a_line,
    Vandal::connect_and_close,
];

/// One bad client after another.
pub(crate) struct Vandal {
    address: SocketAddr,
    name: String,
    random: Rng,
    /// Connections made.
    pub(crate) connections: u64,
}

impl Vandal {
    /// The name is shared with other vandals, so it is often taken.
    pub(crate) fn new(address: SocketAddr, name: String, random: Rng) -> Vandal {
        Vandal { address, name, random, connections: 0 }
    }

    /// Does one thing after another until the time has come. What the server does to it is no concern of its own.
    pub(crate) fn misbehave(mut self, until: Instant) -> Vandal {
        while Instant::now() < until {
            let deed = self.random.pick(&MISDEEDS);
            let _ = deed(&mut self);
            self.pause(20);
        }
        self
    }

    fn connect(&mut self) -> io::Result<TcpStream> {
        self.connections += 1;
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// With little room in the kernel, so that the server soon feels that nothing is read.
    fn connect_with_small_window(&mut self) -> io::Result<TcpStream> {
        self.connections += 1;
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        sockopt::set_socket_recv_buffer_size(&socket, 4096)?;
        rustix::net::connect(&socket, &self.address)?;
        let stream = TcpStream::from(socket);
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    fn join(&mut self) -> io::Result<TcpStream> {
        let mut stream = self.connect()?;
        stream.write_all(format!("{}\n", self.name).as_bytes())?;
        Ok(stream)
    }

    /// To stall is what most of them are for.
    fn pause(&mut self, at_most_ms: usize) {
        thread::sleep(Duration::from_millis(self.random.usize(..at_most_ms) as u64));
    }

    fn lines(&mut self, at_most: usize) -> Vec<u8> {
        let filler = "z".repeat(self.random.usize(..80));
        (0..self.random.usize(..at_most)).flat_map(|n| format!("{n} {filler}\n").into_bytes()).collect()
    }

    // ---- what they do

    fn chat_and_leave(&mut self) -> io::Result<()> {
        let mut stream = self.join()?;
        for _ in 0..self.random.usize(..5) {
            let lines = self.lines(4);
            stream.write_all(&lines)?;
            self.pause(50);
        }
        hear_out(stream)
    }

    fn paste(&mut self) -> io::Result<()> {
        let mut stream = self.join()?;
        stream.write_all(&self.lines(400))?;
        // The last line without its end counts too.
        stream.write_all(b"and that was it")?;
        hear_out(stream)
    }

    fn paste_and_break_off(&mut self) -> io::Result<()> {
        let mut stream = self.join()?;
        stream.write_all(&self.lines(400))?;
        reset(stream)
    }

    fn stall_and_break_off(&mut self) -> io::Result<()> {
        let stream = if self.random.one_in(2) { self.join()? } else { self.connect()? };
        self.pause(2000);
        if self.random.one_in(2) { reset(stream) } else { Ok(()) }
    }

    fn stop_reading(&mut self) -> io::Result<()> {
        let mut stream = self.connect_with_small_window()?;
        stream.write_all(format!("{}\n", self.name).as_bytes())?;
        for _ in 0..self.random.usize(..8) {
            stream.write_all(&self.lines(20))?;
            self.pause(500);
        }
        if self.random.one_in(2) { reset(stream) } else { hear_out(stream) }
    }

    fn read_very_slowly(&mut self) -> io::Result<()> {
        let mut stream = self.connect_with_small_window()?;
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        for byte in format!("{}\nslowly\n", self.name).bytes() {
            stream.write_all(&[byte])?;
            let _ = stream.read(&mut [0; 3]);
            self.pause(20);
        }
        for _ in 0..self.random.usize(..100) {
            let _ = stream.read(&mut [0; 100]);
            self.pause(10);
        }
        reset(stream)
    }

    fn half_close_at_the_prompt(&mut self) -> io::Result<()> {
        let mut stream = self.connect()?;
        let typed: &[u8] = self.random.pick(&[b"", b"Imp", b"\n", b"/who\n", b"[SERVER]\n"]);
        stream.write_all(typed)?;
        hear_out(stream)
    }

    fn break_off_in_the_middle_of_a_line(&mut self) -> io::Result<()> {
        let mut stream = self.join()?;
        stream.write_all(b"this line is never")?;
        rustix::net::send(&stream, b"!", SendFlags::OOB)?;
        self.pause(10);
        reset(stream)
    }

    fn garbage(&mut self) -> io::Result<()> {
        let mut stream = if self.random.one_in(3) { self.connect()? } else { self.join()? };
        for _ in 0..self.random.usize(..20) {
            let bytes = sent(&mut self.random);
            for piece in pieces(&mut self.random, &bytes).into_iter().take(50) {
                stream.write_all(piece)?;
            }
        }
        if self.random.one_in(2) { reset(stream) } else { hear_out(stream) }
    }

    fn command(&mut self) -> io::Result<()> {
        let mut stream = self.join()?;
        for _ in 0..self.random.usize(..30) {
            let whom = self.random.usize(..8);
            let command = match self.random.usize(..9) {
                0 => "/who".into(),
                1 => "/history 1000".into(),
                2 => format!("/msg well{whom} psst"),
                3 => format!("/ignore well{whom}"),
                4 => format!("/nick {} {whom}", self.name),
                5 => format!("/nick well{whom}"),
                6 => format!("/me looks like well{whom}: hello"),
                7 => "/reply what?".into(),
                _ => format!("/{}", "x".repeat(whom * 500)),
            };
            stream.write_all(format!("{command}\n").as_bytes())?;
        }
        hear_out(stream)
    }

    fn crowd_its_own_queue(&mut self) -> io::Result<()> {
        let mut stream = self.connect_with_small_window()?;
        stream.set_read_timeout(Some(Duration::from_millis(5)))?;
        stream.write_all(format!("{}\n", self.name).as_bytes())?;
        for _ in 0..self.random.usize(..10) {
            stream.write_all("/history 100\n".repeat(100).as_bytes())?;
            self.pause(240);
            let mut chunk = [0; 64 * 1024];
            for _ in 0..16 {
                let _ = stream.read(&mut chunk);
            }
        }
        reset(stream)
    }

    fn speak_another_protocol(&mut self) -> io::Result<()> {
        let mut stream = self.connect()?;
        let hello: &[u8] = self.random.pick(&[
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"SSH-2.0-Go\r\n",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\n\r\n",
            b"EHLO x\r\nMAIL FROM:<x@x>\r\n",
            b"\0\0\0\0",
        ]);
        stream.write_all(hello)?;
        hear_out(stream)
    }

    fn never_end_a_line(&mut self) -> io::Result<()> {
        let mut stream = if self.random.one_in(2) { self.connect()? } else { self.join()? };
        let length = self.random.pick(&[5000, 60_000, 70_000, 300_000]);
        stream.write_all(&vec![b'e'; length])?;
        self.pause(100);
        hear_out(stream)
    }

    fn connect_and_close(&mut self) -> io::Result<()> {
        for _ in 0..self.random.usize(..20) {
            let stream = self.connect()?;
            reset(stream)?;
        }
        Ok(())
    }
}

/// Has nothing more to say, listens to the end if that is soon, and closes.
fn hear_out(stream: TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let end = Instant::now() + PATIENCE;
    let mut chunk = [0; 16 * 1024];
    // Whoever was stopped and goes on is interrupted.
    while Instant::now() < end && retry_on_intr(|| read(&stream, &mut chunk))? > 0 {}
    Ok(())
}

fn reset(stream: TcpStream) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?)
}
