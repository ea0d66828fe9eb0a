//! The console: reads what the operator types at the server's own terminal, and obeys it.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use futures_lite::{AsyncRead, AsyncReadExt};

use super::answers;
use crate::access::admission::Admission;
use crate::access::sharing::Sharing;
use crate::files::Forgotten;
use crate::room::{Nobody, Room};
use crate::text::command::{self, Order};
use crate::text::line::{Decoder, Input, Line};
use crate::text::message::Message;

/// Why [`listen`] has returned.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// There is nothing more to read. The room goes on.
    Ended,
    /// The operator wants the server to stop.
    Quit,
}

/// Reads what the operator types and obeys it, until the input ends or the operator stops the server.
///
/// # Errors
/// When the reader fails. The room goes on all the same.
pub async fn listen(
    mut lines: impl AsyncRead + Unpin,
    room: &Room,
    admission: &Admission,
    sharing: &Sharing,
) -> io::Result<Left> {
    let mut decoder = Decoder::default();
    let mut buffer = [0; 1024];
    loop {
        let n = lines.read(&mut buffer).await?;
        let mut input = &buffer[..n];
        while let Some(next) = decoder.next(&mut input) {
            if let Some(left) = obey(next, room, admission, sharing).await {
                return Ok(left);
            }
        }
        if n == 0 {
            let left = match decoder.end() {
                Some(last) => obey(last, room, admission, sharing).await,
                None => None,
            };
            return Ok(left.unwrap_or(Left::Ended));
        }
    }
}

async fn obey(input: Input<'_>, room: &Room, admission: &Admission, sharing: &Sharing) -> Option<Left> {
    let line = match input {
        Input::Line(line) => line,
        Input::TooLong => {
            room.print(Message::line_too_long()).await;
            return None;
        }
        // The decoder returns nothing after this. The operator has to know, because no further line is obeyed.
        Input::Endless => {
            room.print(Message::line_endless()).await;
            return Some(Left::Ended);
        }
        // No terminal and no pipe speaks telnet: these are stray bytes.
        Input::Telnet(_) => return None,
    };
    if line.is_empty() {
        return None;
    }
    let told = match command::parse_order(&line) {
        Order::Say => {
            room.announce(Message::server(&line)).await;
            return None;
        }
        Order::SayAfterSlash => {
            room.announce(Message::server(&line.without_first())).await;
            return None;
        }
        Order::Quit => return Some(Left::Quit),
        Order::Help => answers::help(),
        Order::Who => {
            let (members, unnamed) = room.presences().await;
            let (_, elsewhere) = room.names().await;
            answers::who(&members, unnamed, &elsewhere)
        }
        Order::Kick(typed) => match room.kick(&line.last(typed.len())).await {
            Ok(name) => answers::done("ended the connection of", &name),
            Err(Nobody) => nobody_called(&line, typed),
        },
        Order::Ban(address, minutes) => ban(room, admission, address, minutes).await,
        Order::BanName(typed) => match room.address_of(typed).await {
            Ok((name, address, rest)) => match command::minutes(rest) {
                Some(minutes) => ban(room, admission, address, minutes).await,
                None => answers::not_minutes(&name, rest),
            },
            Err(Nobody) => nobody_called(&line, typed),
        },
        Order::Unban(address) if admission.unban(address) => answers::unbanned(address),
        Order::Unban(address) => answers::not_banned(address),
        Order::Bans => answers::bans(&admission.bans()),
        Order::Mute(typed) => mute(room, &line, typed, true).await,
        Order::Unmute(typed) => mute(room, &line, typed, false).await,
        Order::Files => answers::files(sharing, Instant::now()),
        Order::Forget(id) => match sharing.files().map_or(Forgotten::None, |files| files.forget(id)) {
            Forgotten::This(name) => answers::forgotten(&name),
            Forgotten::Several => answers::several_files(),
            Forgotten::None => answers::no_such_file(),
        },
        Order::Stats => answers::stats(&room.stats().await, resident()),
        Order::Misused(usage) => Message::misused(&usage).to_string(),
        Order::Unknown(word) => Message::unknown_command(word).to_string(),
    };
    room.print(told).await;
    None
}

async fn ban(room: &Room, admission: &Admission, address: IpAddr, minutes: Option<NonZeroU32>) -> String {
    let time = minutes.map(|minutes| Duration::from_secs(u64::from(minutes.get()) * 60));
    let banned = admission.ban(address, time);
    room.ban(|address| admission.is_banned(address), &Message::banned(time)).await;
    answers::ban(banned, time)
}

async fn mute(room: &Room, line: &Line<'_>, typed: &str, muted: bool) -> String {
    match room.mute(typed, muted).await {
        Ok(name) => answers::done(if muted { "muted" } else { "unmuted" }, &name),
        Err(Nobody) => nobody_called(line, typed),
    }
}

fn nobody_called(line: &Line<'_>, typed: &str) -> String {
    Message::nobody_called(&line.last(typed.len())).to_string()
}

/// Resident memory in KiB, where the system tells: proc_pid_status(5).
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::{Options, warnings};
    use crate::text::line::MAX_UNENDED;

    #[test]
    fn a_line_without_end_closes_the_console_and_is_told() {
        let (room, mut outputs) = Room::new(warnings().0, Options::default());
        let typed = ["x".repeat(MAX_UNENDED), "\n/who\n".into()].concat();
        let left = smol::block_on(listen(typed.as_bytes(), &room, &Admission::new(9, 9), &Sharing::NoPage));
        assert_eq!(left.unwrap(), Left::Ended);
        let mut printed = Vec::new();
        outputs.output.write(&mut printed).unwrap();
        assert_eq!(printed, b"-- 64 KiB without a line end. Bye!\n");
    }
}
