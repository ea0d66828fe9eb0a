//! A connection to a broker: it reads frames, and gathers what is to be sent until that is flushed. Knows nothing of
//! what they mean.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt;
use smol::Async;

use super::broker::Broker;
use super::down::Down;
use super::nats::{self, Decoder, Frame};
use crate::blocking::unblock;
use crate::lookup;
use crate::within::within;

/// How long a step may take: looking up a name, connecting, sending what has gathered.
const STEP: Duration = Duration::from_secs(5);

/// How much is read at once: four messages of the largest size.
const READ: usize = 64 * 1024;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Async<TcpStream>,
    decoder: Decoder,
    /// What was read, and how much of it is decoded.
    input: Vec<u8>,
    seen: usize,
    /// What is to be sent.
    pub(super) out: Vec<u8>,
}

impl Connection {
    /// Connects to the first address of the broker that answers.
    pub(super) async fn dial(broker: &Broker) -> Result<Connection, Down> {
        let (host, port) = (broker.host.clone(), broker.port);
        let looked_up = unblock(move || lookup::addresses(&host, port));
        let addresses = within(STEP, looked_up).await.ok_or(Down::Slow("looking up its name"))?;
        let mut why = None;
        for address in addresses.map_err(Down::NoAddress)? {
            match within(STEP, Async::<TcpStream>::connect(address)).await {
                Some(Ok(stream)) => {
                    // A line must not wait for the one before it to be acknowledged.
                    stream.get_ref().set_nodelay(true)?;
                    let (decoder, out) = (Decoder::default(), Vec::new());
                    return Ok(Connection { stream, decoder, input: Vec::new(), seen: 0, out });
                }
                Some(Err(error)) => why = Some(error.into()),
                None => why = Some(Down::Slow("connecting")),
            }
        }
        Err(why.unwrap_or_else(|| Down::NoAddress("no address".into())))
    }

    /// Returns the next frame of what was read, without waiting.
    pub(super) fn read_before(&mut self) -> Result<Option<Frame>, Down> {
        let mut rest = &self.input[self.seen..];
        let frame = self.decoder.next(&mut rest)?;
        self.seen = self.input.len() - rest.len();
        Ok(frame)
    }

    /// Waits for the next frame. If this future is dropped, nothing that was read is lost.
    pub(super) async fn next(&mut self) -> Result<Frame, Down> {
        loop {
            if let Some(frame) = self.read_before()? {
                return Ok(frame);
            }
            // An idle connection holds no buffer.
            (self.input, self.seen) = (Vec::new(), 0);
            self.stream.readable().await?;
            self.input.resize(READ, 0);
            let read = self.stream.get_ref().read(&mut self.input);
            self.input.truncate(*read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(Down::Closed),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends what has gathered.
    pub(super) async fn flush(&mut self) -> Result<(), Down> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut sent = 0;
        let sending = async {
            while sent < self.out.len() {
                match self.stream.get_ref().write(&self.out[sent..]) {
                    Ok(0) => return Err(Down::Closed),
                    Ok(taken) => sent += taken,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        };
        let sent = within(STEP, sending).await;
        self.out = Vec::new();
        sent.ok_or(Down::Slow("sending"))?
    }

    /// Resets the connection when it is closed, so that nothing that is still unsent reaches the broker: the next
    /// connection sends it again, and an old copy must not arrive after that.
    pub(super) fn abandon(&self) {
        // With a linger time of zero, close(2) resets the connection. This fails on no socket that is open.
        let _ = sockopt::set_socket_linger(self.stream.get_ref(), Some(Duration::ZERO));
    }

    /// Handles the frames that need no more than a `PONG`, or nothing. Returns any other frame.
    pub(super) fn answer(&mut self, frame: Frame) -> Option<Frame> {
        match frame {
            Frame::Ping => {
                nats::pong(&mut self.out);
                None
            }
            Frame::Pong | Frame::Ok | Frame::Info(_) => None,
            frame => Some(frame),
        }
    }
}
