//! The client without a terminal: it sends its input and prints what it hears, line by line. It knows pipes and the
//! channels of the link, and nothing of the server.

use std::convert::Infallible;
use std::io;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, FutureExt};
use smol::Timer;

use super::link::Event;

const READ: usize = 16 * 1024;

/// How long an input may pause once the output is closed. A program that writes pauses for less than this. A person, or
/// a pipe that nobody writes to, pauses for longer.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the progress of a file is printed, where it cannot be shown in place.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Passes the input on in whole lines, also a last line without its end, and closes the channel after it. `unheard`
/// closes when the output does; then the input ends at its next pause.
///
/// # Errors
/// The input cannot be read.
pub(crate) async fn say(
    mut input: impl AsyncRead + Unpin,
    outgoing: Sender<Vec<u8>>,
    unheard: Receiver<Infallible>,
) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    let mut unfinished = Vec::new();
    loop {
        let pause = async {
            // The channel carries nothing: it closes.
            let _ = unheard.recv().await;
            Timer::after(PAUSE).await;
            Ok(0)
        };
        let read = input.read(&mut buffer).or(pause).await?;
        if read == 0 {
            break;
        }
        unfinished.extend_from_slice(&buffer[..read]);
        // A line that does not end is passed on in pieces. The server answers that it is too long.
        let whole = match unfinished.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None if unfinished.len() >= READ => unfinished.len(),
            None => continue,
        };
        let rest = unfinished.split_off(whole);
        if outgoing.send(std::mem::replace(&mut unfinished, rest)).await.is_err() {
            return Ok(());
        }
    }
    if !unfinished.is_empty() {
        // This fails only when the link has ended, which is reported elsewhere.
        let _ = outgoing.send(unfinished).await;
    }
    Ok(())
}

/// Prints the server's lines to `output` and the client's own notices to `reports`, until the channel is closed.
///
/// It goes on when the output is closed (`| head`), because the input is still to be delivered. Then it closes
/// `unheard`.
pub(crate) async fn hear(
    events: Receiver<Event>,
    mut output: impl AsyncWrite + Unpin,
    mut reports: impl AsyncWrite + Unpin,
    unheard: Sender<Infallible>,
) {
    let mut told = None::<Instant>;
    while let Ok(event) = events.recv().await {
        match event {
            Event::Notice(words) => {
                // If nobody reads the notices, the client goes on.
                let _ = print(&mut reports, &[words]).await;
            }
            Event::Lines(lines) => {
                if print(&mut output, &lines).await.is_err() {
                    unheard.close();
                }
            }
            Event::Standing(_) => {}
            Event::Progress(words) if words.is_empty() => told = None,
            Event::Progress(words) => {
                // Nothing is printed for a small file.
                if told.get_or_insert_with(Instant::now).elapsed() >= TELL_EVERY {
                    told = Some(Instant::now());
                    let _ = print(&mut reports, &[words]).await;
                }
            }
        }
    }
}

async fn print(mut to: impl AsyncWrite + Unpin, lines: &[String]) -> io::Result<()> {
    to.write_all((lines.join("\n") + "\n").as_bytes()).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_passed_on_in_whole_lines() {
        smol::block_on(async {
            let (outgoing, lines) = async_channel::unbounded();
            let input = [b"one\ntwo".as_slice(), &[b'x'; READ], b"\nthree\nlast"].concat();
            let (_heard, unheard) = async_channel::bounded(1);
            say(input.as_slice(), outgoing, unheard).await.expect("memory can be read");
            let mut passed = Vec::new();
            while let Ok(lines) = lines.recv().await {
                passed.push(lines);
            }
            assert_eq!(passed.concat(), input);
            assert_eq!(passed.last().map(Vec::as_slice), Some(b"last".as_slice()));
            assert!(passed[..passed.len() - 1].iter().all(|lines| lines.ends_with(b"\n")));
        });
    }
}
