//! The first exchange with a broker: this server checks that it is usable, and logs in. Knows nothing of what comes
//! after.

use super::broker::Broker;
use super::connection::Connection;
use super::down::Down;
use super::jetstream::{self, MAX_MSG_SIZE};
use super::nats::{self, Frame, Wrong};
use crate::text::server::Server;

/// Reads the broker's `INFO`, logs in, and waits until the broker has accepted that. It has no timeout of its own.
pub(super) async fn log_in(connection: &mut Connection, broker: &Broker, server: &Server) -> Result<(), Down> {
    let info = match connection.next().await {
        Ok(Frame::Info(info)) => jetstream::info(&info),
        Ok(Frame::Error(error)) => return Err(Down::said(&error)),
        Ok(_) | Err(Down::Wrong(_)) => None,
        Err(why) => return Err(why),
    };
    let info = info.ok_or(Down::Wrong(Wrong::Operation))?;
    if info.tls_required {
        return Err(Down::Tls);
    }
    if !info.headers || is_old(&info.version) {
        return Err(Down::Old(info.version));
    }
    if info.max_payload < MAX_MSG_SIZE {
        return Err(Down::Small(info.max_payload));
    }
    nats::connect(&mut connection.out, &format!("dynasti {server}"), broker.login());
    nats::ping(&mut connection.out);
    loop {
        connection.flush().await?;
        match connection.next().await? {
            Frame::Pong => return Ok(()),
            Frame::Error(error) => return Err(Down::said(&error)),
            frame => _ = connection.answer(frame),
        }
    }
}

/// Returns whether a version is older than 2.9, the first that has all that is used here.
fn is_old(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version < (2, 9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_that_are_too_old() {
        for (version, old) in
            [("2.8.4", true), ("1.10.0", true), ("2.9.0", false), ("2.10.1-RC.1", false), ("3.0", false), ("x", false)]
        {
            assert_eq!(is_old(version), old, "{version}");
        }
    }
}
