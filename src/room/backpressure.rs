//! Backpressure: how far a reader may be behind, who waits for it, and for how long.
//!
//! Who types never waits for a reader. Who sends in bulk waits for readers who still take what is written to them. A
//! reader who takes too little is waited for once, and dropped when it is too far behind. The only exception is a reader
//! whose task has not had its turn yet: everybody waits for that, because it takes no longer than a turn of the executor.
//! Pure: the time is passed in. Knows no names and no sockets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::log::Size;

/// How far a reader may be behind before it is dropped: the contract's 1024 lines or 128 KiB.
pub(super) const ALLOWANCE: Size = Size { lines: 1024, bytes: 128 * 1024 };

/// How far a reader may be behind before bulk senders wait for it: the contract's half of the allowance. The other half
/// is for what one turn of a bulk sender says, and for people who type meanwhile.
pub(super) const BEHIND: Size = ALLOWANCE.half();

/// A reader who is closer than this has caught up.
const CAUGHT_UP: Size = BEHIND.half();

/// What all messages that are for one reader alone may take in memory: the contract's limit. A quarter of it is what
/// 256 readers may be behind, each with messages of its own.
pub(super) const MAX_DIRECT: usize = 32 * 1024 * 1024;

/// How many members are dropped in one turn: each is announced, and a thousand lines at once would put those who read
/// well too far behind.
pub(super) const DROPS_A_TURN: usize = 100;

/// What a reader has to take to be waited for, in bytes a second: the contract's 16 KiB, which the worst Wi-Fi carries.
const TAKES: f64 = 16.0 * 1024.0;

/// How long a reader is waited for who takes nothing: the contract's second.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long nobody waits again for a reader who was waited for in vain, nor for others at its address: the contract's
/// minute.
const NOT_AGAIN: Duration = Duration::from_secs(60);

/// How many addresses are remembered for that: more than there are clients by default.
const MAX_ADDRESSES: usize = 4096;

/// What a person may send within a second without sending in bulk: the contract's 20 lines or 4 KiB.
const TYPED: Size = Size { lines: 20, bytes: 4096 };
const SECOND: Duration = Duration::from_secs(1);

/// How somebody sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As fast as a person types.
    Typed,
    /// Faster: a paste, a file, a flood.
    Bulk,
}

/// Tells typing from sending in bulk, for one sender.
#[derive(Debug)]
pub struct Sending {
    since: Instant,
    lines: u32,
    bytes: u32,
    /// Whether the second before this one was one of sending in bulk.
    bulk: bool,
}

impl Sending {
    /// Somebody who has sent nothing yet.
    pub fn new(now: Instant) -> Sending {
        Sending { since: now, lines: 0, bytes: 0, bulk: false }
    }

    /// Counts what was sent: whole lines, and bytes.
    pub fn sent(&mut self, lines: usize, bytes: usize, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed >= SECOND {
            self.bulk = self.is_more() && passed < 2 * SECOND;
            (self.since, self.lines, self.bytes) = (now, 0, 0);
        }
        self.lines = self.lines.saturating_add(lines as u32);
        self.bytes = self.bytes.saturating_add(bytes as u32);
    }

    /// Whether this second's is more than a person types.
    fn is_more(&self) -> bool {
        Size { lines: self.lines.into(), bytes: self.bytes.into() }.exceeds(TYPED)
    }

    /// Takes no account of time that the sender had to wait: waiting for a reader does not make a paste into typing.
    pub fn waited(&mut self, time: Duration) {
        self.since += time;
    }

    /// How it sends.
    pub fn manner(&self) -> Manner {
        if self.bulk || self.is_more() { Manner::Bulk } else { Manner::Typed }
    }
}

/// How a reader takes what is written to it, as far as somebody had to wait for that. Boxed, because hardly any reader is
/// ever waited for.
#[derive(Debug, Default)]
pub(super) struct Patience(Option<Box<Spent>>);

#[derive(Debug, Default)]
struct Spent {
    /// Since when it is waited for, and how much it had taken then.
    since: Option<(Instant, u64)>,
    /// Until when it is not waited for again.
    until: Option<Instant>,
}

/// What is known of a reader who is behind.
pub(super) struct Behind<'a> {
    pub(super) address: IpAddr,
    /// Bytes it has ever taken.
    pub(super) taken: u64,
    /// Whether it has not taken all that was last written. Otherwise its task has yet to have its turn.
    pub(super) blocked: bool,
    pub(super) patience: &'a mut Patience,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Backpressure {
    /// Addresses whose readers nobody waits for, and until when.
    not_again: HashMap<IpAddr, Instant>,
    /// No reader is further behind the head than this...
    furthest: Size,
    /// ...while the head is here.
    head: Size,
}

impl Backpressure {
    /// How far the furthest reader may be behind this head, without a look at any.
    pub(super) fn furthest(&self, head: Size) -> Size {
        self.furthest + (head - self.head)
    }

    /// All readers were looked at: no one is further behind than this.
    pub(super) fn looked(&mut self, head: Size, furthest: Size) {
        (self.head, self.furthest) = (head, furthest);
    }

    /// One reader is so far behind now, which may be the furthest.
    pub(super) fn add(&mut self, lag: Size) {
        self.furthest = self.furthest.max(lag);
    }

    /// Until when somebody who sends in this manner waits for a reader who is behind, if at all.
    pub(super) fn waits(&mut self, behind: Behind<'_>, manner: Manner, now: Instant) -> Option<Instant> {
        let Behind { address, taken, blocked, patience } = behind;
        if !blocked {
            return Some(now + PATIENCE);
        }
        let is_spent = |until: Option<&Instant>| until.is_some_and(|until| *until > now);
        if manner == Manner::Typed || is_spent(self.not_again.get(&address)) {
            return None;
        }
        let patience = patience.0.get_or_insert_default();
        if is_spent(patience.until.as_ref()) {
            return None;
        }
        let (since, before) = *patience.since.get_or_insert((now, taken));
        // What it takes earns it time, at the rate that it has to take; but never more than the second it began with.
        let earned = Duration::from_secs_f64((taken - before) as f64 / TAKES);
        let until = since + PATIENCE + earned;
        if until > now + PATIENCE {
            patience.since = Some((now, taken));
        }
        if until > now {
            return Some(until.min(now + PATIENCE));
        }
        **patience = Spent { since: None, until: Some(now + NOT_AGAIN) };
        // Loopback is many programs of one machine, and one of them that has stopped says nothing about the others.
        if !address.is_loopback() {
            self.not_again.retain(|_, until| *until > now);
            if self.not_again.len() < MAX_ADDRESSES {
                self.not_again.insert(address, now + NOT_AGAIN);
            }
        }
        None
    }
}

impl Patience {
    /// A reader was seen so far behind: one who has caught up has all patience again.
    pub(super) fn seen(&mut self, lag: Size) {
        if let Some(spent) = self.0.as_mut().filter(|_| !lag.exceeds(CAUGHT_UP)) {
            spent.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// How long a bulk sender waits in all for a reader who takes so many bytes every 100 ms, and no longer than `limit`.
    fn waited(pressure: &mut Backpressure, patience: &mut Patience, address: IpAddr, takes: u64, limit: u64) -> u64 {
        let start = Instant::now();
        (0..limit / 100)
            .take_while(|n| {
                let behind = Behind { address, taken: n * takes, blocked: true, patience };
                pressure.waits(behind, Manner::Bulk, start + ms(n * 100)).is_some()
            })
            .count() as u64
            * 100
    }

    #[test]
    fn twenty_lines_or_four_kib_in_a_second_are_typed_and_more_is_bulk() {
        let start = Instant::now();
        let mut sending = Sending::new(start);
        (0..20).for_each(|_| sending.sent(1, 10, start));
        assert_eq!(sending.manner(), Manner::Typed);
        sending.sent(1, 10, start + ms(999));
        assert_eq!(sending.manner(), Manner::Bulk);
        let mut sending = Sending::new(start);
        sending.sent(1, 4096, start);
        assert_eq!(sending.manner(), Manner::Typed);
        sending.sent(0, 1, start);
        assert_eq!(sending.manner(), Manner::Bulk);
    }

    #[test]
    fn a_bulk_sender_is_one_until_a_whole_second_of_typing_and_waiting_is_no_typing() {
        let start = Instant::now();
        let mut sending = Sending::new(start);
        sending.sent(100, 100, start);
        sending.sent(1, 1, start + ms(1500));
        assert_eq!(sending.manner(), Manner::Bulk);
        sending.sent(1, 1, start + ms(2600));
        assert_eq!(sending.manner(), Manner::Typed);
        sending.sent(100, 100, start + ms(2700));
        sending.waited(ms(5000));
        sending.sent(1, 1, start + ms(7800));
        assert_eq!(sending.manner(), Manner::Bulk);
        let mut rested = Sending::new(start);
        rested.sent(100, 100, start);
        rested.sent(1, 1, start + ms(5000));
        assert_eq!(rested.manner(), Manner::Typed);
    }

    #[test]
    fn who_types_waits_for_a_turn_and_for_nothing_else() {
        let (mut pressure, mut patience, now) = (Backpressure::default(), Patience::default(), Instant::now());
        for (blocked, waits) in [(true, false), (false, true)] {
            let behind = Behind { address: LAN, taken: 0, blocked, patience: &mut patience };
            assert_eq!(pressure.waits(behind, Manner::Typed, now).is_some(), waits);
        }
    }

    #[test]
    fn a_reader_who_takes_enough_is_waited_for_as_long_as_it_takes() {
        for takes in [1639, 6554, 100_000] {
            let (mut pressure, mut patience) = (Backpressure::default(), Patience::default());
            assert_eq!(waited(&mut pressure, &mut patience, LAN, takes, 60_000), 60_000, "{takes}");
        }
    }

    #[test]
    fn a_reader_who_takes_nothing_or_little_is_waited_for_a_second_and_its_address_not_again() {
        for (takes, time) in [(0, 1000), (100, 1100)] {
            let (mut pressure, mut patience) = (Backpressure::default(), Patience::default());
            assert_eq!(waited(&mut pressure, &mut patience, LAN, takes, 60_000), time);
            assert_eq!(waited(&mut pressure, &mut patience, LAN, takes, 60_000), 0);
            assert_eq!(waited(&mut pressure, &mut Patience::default(), LAN, takes, 60_000), 0);
            // Of loopback it is the connection alone.
            let mut patience = Patience::default();
            assert_eq!(waited(&mut pressure, &mut patience, LOOPBACK, takes, 60_000), time);
            assert_eq!(waited(&mut pressure, &mut patience, LOOPBACK, takes, 60_000), 0);
            assert_eq!(waited(&mut pressure, &mut Patience::default(), LOOPBACK, takes, 60_000), time);
        }
    }

    #[test]
    fn a_minute_later_it_is_waited_for_again_and_who_has_caught_up_has_a_whole_second() {
        let (mut pressure, mut patience, start) = (Backpressure::default(), Patience::default(), Instant::now());
        let mut waits = |patience: &mut Patience, at: u64| {
            let behind = Behind { address: LAN, taken: 0, blocked: true, patience };
            pressure.waits(behind, Manner::Bulk, start + ms(at)).is_some()
        };
        assert!(waits(&mut patience, 0) && waits(&mut patience, 900));
        patience.seen(BEHIND);
        assert!(waits(&mut patience, 990) && !waits(&mut patience, 1000));
        assert!(!waits(&mut patience, 60_900) && waits(&mut patience, 61_100));
        patience.seen(CAUGHT_UP);
        assert!(waits(&mut patience, 62_200));
    }
}
