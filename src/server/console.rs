//! The operator's lines, from any reader: what is typed at the server's own terminal.

use futures_lite::{AsyncRead, AsyncReadExt};
use std::io;

use crate::room::Room;
use crate::text::line::{Decoder, Input};
use crate::text::message::Message;

/// Reads what the operator types and does it, until there is nothing more to read.
///
/// # Errors
/// When the reader fails. The room goes on all the same.
pub async fn listen(mut lines: impl AsyncRead + Unpin, room: &Room) -> io::Result<()> {
    let mut decoder = Decoder::default();
    let mut buffer = [0; 1024];
    loop {
        let n = lines.read(&mut buffer).await?;
        if n == 0 {
            if let Some(last) = decoder.end() {
                said(last, room).await;
            }
            return Ok(());
        }
        let mut input = &buffer[..n];
        while let Some(next) = decoder.next(&mut input) {
            said(next, room).await;
        }
    }
}

async fn said(input: Input<'_>, room: &Room) {
    match input {
        Input::Line(line) if line.is_empty() => {}
        Input::Line(line) => room.announce(Message::server(&line)).await,
        Input::TooLong | Input::Endless | Input::Telnet(_) => room.log(Message::line_too_long()),
    }
}
