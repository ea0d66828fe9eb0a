//! Scripts that say something without a session: how fast each address may, because there is nothing else to count it for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smol::Timer;

use super::Context;
use crate::access::pace::Pace;
use crate::address::home;
use crate::room::Sending;
use crate::text::line::Line;
use crate::text::message::Message;
use crate::text::name::Name;

/// How many addresses are remembered: more than there are clients by default. When there are more, the one that spoke last
/// the longest ago is forgotten, which has its burst back by then.
const MAX_ADDRESSES: usize = 4096;

/// How much is said at once, in lines and in bytes: as little as a turn of any client's.
const TURN_LINES: usize = 128;
const TURN_BYTES: usize = 16 * 1024;

/// A member has the name.
pub(super) struct Taken;

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

    /// Does something with what is remembered of an address.
    fn with<T>(&self, from: IpAddr, rate: u32, act: impl FnOnce(&mut Speaker) -> T) -> T {
        let (from, now, mut speakers) = (home(from), Instant::now(), self.lock());
        if speakers.len() >= MAX_ADDRESSES && !speakers.contains_key(&from) {
            let first = speakers.iter().min_by_key(|(_, speaker)| speaker.pace.now()).map(|(address, _)| *address);
            first.map(|first| speakers.remove(&first));
        }
        let new = || Speaker { pace: Pace::new(rate, now), sending: Sending::new(now) };
        act(speakers.entry(from).or_insert_with(new))
    }

    /// Returns how long somebody at this address is to wait before they are heard.
    fn wait(&self, from: IpAddr, rate: u32) -> Option<Duration> {
        self.with(from, rate, |speaker| speaker.pace.wait(Instant::now()))
    }
}

/// Says lines under a name, as fast as the address of whoever asks for it may.
///
/// # Errors
/// When a member has the name.
pub(super) async fn say(context: &Context, from: IpAddr, name: &Name, lines: &[Line<'_>]) -> Result<(), Taken> {
    let (speakers, rate) = (&context.speakers, context.options.rate);
    let mut lines = lines.iter().peekable();
    while lines.peek().is_some() {
        while let Some(wait) = speakers.wait(from, rate) {
            Timer::after(wait).await;
        }
        let mut said = Message::default();
        let manner = speakers.with(from, rate, |Speaker { pace, sending }| {
            while said.lines() < TURN_LINES && said.bytes().len() < TURN_BYTES && !pace.spent() {
                let Some(line) = lines.next() else { break };
                said.say(name, line);
                pace.spend(true, line.len());
                sending.sent(1, line.len(), pace.now());
            }
            sending.manner()
        });
        let (heard, waited) = context.room.say_as(name, said, manner).await;
        speakers.with(from, rate, |speaker| speaker.sending.waited(waited));
        heard.map_err(|_| Taken)?;
    }
    Ok(())
}
