//! Scripts that say lines without a session (`POST /say`). The pace is counted for each address, because such a request
//! belongs to no member.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::Timer;

use super::Context;
use super::connection::Connection;
use crate::access::admission::Refused;
use crate::access::pace::Pace;
use crate::access::talk::{TURN, is_enough};
use crate::address::home;
use crate::room::{NotJoined, Sending};
use crate::text::line::{Decoder, Input};
use crate::text::message::Message;
use crate::text::name::Name;

/// How many addresses are remembered: more than there are clients by default. For a new one, the address that has been
/// silent for the longest is forgotten. It has its whole burst back by then, so it gains nothing.
const MAX_ADDRESSES: usize = 4096;

/// What came of a request to say lines.
pub(super) enum Said {
    All,
    /// All but lines that are longer than a line may be.
    AllButLongLines,
    /// A member has the name.
    Taken,
    /// The operator has banned the address.
    Refused(Refused),
    /// The room is closing.
    Closing,
    /// The client is gone.
    Lost,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Speakers(Mutex<HashMap<IpAddr, Speaker>>);

#[derive(Debug)]
struct Speaker {
    pace: Pace,
    sending: Sending,
}

impl Speakers {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Speaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `act` with what is remembered of an address.
    fn with<T>(&self, from: IpAddr, rate: u32, act: impl FnOnce(&mut Speaker) -> T) -> T {
        let (from, now, mut speakers) = (home(from), Instant::now(), self.lock());
        if speakers.len() >= MAX_ADDRESSES && !speakers.contains_key(&from) {
            let first = speakers.iter().min_by_key(|(_, speaker)| speaker.pace.now()).map(|(address, _)| *address);
            first.map(|first| speakers.remove(&first));
        }
        let new = || Speaker { pace: Pace::new(rate, now), sending: Sending::new(now) };
        act(speakers.entry(from).or_insert_with(new))
    }

    /// Counts one act of this address. It need not be a line: requests for files that are not there are counted so,
    /// too.
    pub(super) fn spend(&self, from: IpAddr, rate: u32) {
        self.with(from, rate, |speaker| speaker.pace.spend(true, 0));
    }

    /// Returns how long this address has to wait until it may act again, if it has to.
    pub(super) fn wait(&self, from: IpAddr, rate: u32) -> Option<Duration> {
        self.with(from, rate, |speaker| speaker.pace.wait(Instant::now()))
    }
}

/// Says lines under a name, as fast as the pace of the client's address allows. The text is decoded a turn at a time,
/// because thousands of short lines would take many times the memory of their text.
pub(super) async fn say(context: &Context, connection: &Connection, name: &Name, text: &[u8]) -> Said {
    let (speakers, rate, from) = (&context.speakers, context.options.rate, connection.from.ip());
    // Decoded as UTF-8 here, so that no byte of it is taken for telnet's.
    let text = String::from_utf8_lossy(text);
    let (mut decoder, mut input) = (Decoder::default(), text.as_bytes());
    let (mut long, mut done) = (false, false);
    while !done {
        while let Some(wait) = speakers.wait(from, rate) {
            Timer::after(wait).await;
            if connection.is_broken() {
                return Said::Lost;
            }
        }
        // The operator may have banned the address since.
        if let Some(why) = context.admission.refused(connection.from.ip()) {
            return Said::Refused(why);
        }
        let mut said = Message::default();
        let manner = speakers.with(from, rate, |Speaker { pace, sending }| {
            while !is_enough(&said, TURN) && !pace.spent() {
                let before = input.len();
                let next = decoder.next(&mut input).or_else(|| decoder.end());
                let bytes = before - input.len();
                pace.spend(next.is_some(), bytes);
                sending.sent(usize::from(next.is_some()), bytes, pace.now());
                match next {
                    Some(Input::Line(line)) if !line.is_empty() => said.say(name, &line),
                    Some(Input::TooLong | Input::Endless) => long = true,
                    Some(_) => {}
                    None => {
                        done = true;
                        break;
                    }
                }
            }
            sending.manner()
        });
        if said.is_empty() {
            continue;
        }
        let (heard, waited) = context.room.say_as(name, said, manner).await;
        speakers.with(from, rate, |speaker| speaker.sending.waited(waited));
        match heard {
            Ok(()) => {}
            Err(NotJoined::Taken(_)) => return Said::Taken,
            Err(NotJoined::Gone) => return Said::Closing,
        }
    }
    if long { Said::AllButLongLines } else { Said::All }
}
