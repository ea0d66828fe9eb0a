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

/// What all messages that are for one reader alone may take in memory: the contract's limit. A quarter of it is what
/// 256 readers may be behind, each with messages of its own.
pub(super) const MAX_DIRECT: usize = 32 * 1024 * 1024;

/// How many members are dropped in one turn: each is announced, and a thousand lines at once would put those who read
/// well too far behind.
pub(super) const DROPS_A_TURN: usize = 100;

/// How long after as many others are dropped: a turn of a thousand writers takes five.
pub(super) const DROPS_APART: Duration = Duration::from_millis(5);

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

/// Decides whether one sender types or sends in bulk.
#[derive(Debug)]
pub struct Sending {
    since: Instant,
    lines: u32,
    bytes: u32,
    /// Whether it sent in bulk in the second before this one.
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

    /// Returns whether more was sent in this second than a person types.
    fn is_more(&self) -> bool {
        Size { lines: self.lines.into(), bytes: self.bytes.into() }.exceeds(TYPED)
    }

    /// Leaves out time that the sender had to wait: a paste that waited for a reader is still a paste.
    pub fn waited(&mut self, time: Duration) {
        self.since += time;
    }

    /// Returns how it sends.
    pub fn manner(&self) -> Manner {
        if self.bulk || self.is_more() { Manner::Bulk } else { Manner::Typed }
    }
}

/// How long a reader that does not take all that is written to it will be waited for. Boxed, because most readers take all.
#[derive(Debug, Default)]
pub(super) struct Patience(Option<Box<Credit>>);

/// A blocked reader begins with a second, which runs down while it takes nothing. What it takes earns it time, at the rate
/// at which it has to take; but it never has more than the second again.
#[derive(Debug)]
struct Credit {
    /// When the time is used up.
    until: Instant,
    /// What the reader had taken when that was last worked out, in bytes.
    taken: u64,
    /// Whether somebody waits or has waited for it.
    used: bool,
    /// Until when nobody waits for it again.
    not_again: Option<Instant>,
}

impl Patience {
    /// Notes whether the reader is blocked, and how many bytes it has ever taken.
    pub(super) fn seen(&mut self, blocked: bool, taken: u64, now: Instant) {
        if blocked {
            self.credit(taken, now);
        } else if self.0.as_ref().is_some_and(|credit| credit.not_again.is_none_or(|until| until <= now)) {
            self.0 = None;
        }
    }

    fn credit(&mut self, taken: u64, now: Instant) -> &mut Credit {
        let full = now + PATIENCE;
        let new = || Credit { until: full, taken, used: false, not_again: None };
        let credit = self.0.get_or_insert_with(|| Box::new(new()));
        if credit.not_again.is_some_and(|until| until <= now) {
            **credit = new();
        }
        let earned = Duration::from_secs_f64(taken.saturating_sub(credit.taken) as f64 / TAKES);
        (credit.until, credit.taken) = ((credit.until + earned).clamp(now, full), taken);
        credit
    }
}

/// What is known of a reader who is blocked and behind.
pub(super) struct Behind<'a> {
    pub(super) address: IpAddr,
    /// Bytes it has ever taken.
    pub(super) taken: u64,
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
    /// Returns how far behind this head any reader may be at most, without looking at them.
    pub(super) fn furthest(&self, head: Size) -> Size {
        self.furthest + (head - self.head)
    }

    /// Notes that all readers were looked at, and none is further behind than this.
    pub(super) fn looked(&mut self, head: Size, furthest: Size) {
        (self.head, self.furthest) = (head, furthest);
    }

    /// Notes that one reader is so far behind now.
    pub(super) fn add(&mut self, lag: Size) {
        self.furthest = self.furthest.max(lag);
    }

    /// Returns until when bulk senders wait for a reader that is blocked and behind, if they wait.
    pub(super) fn waits(&mut self, behind: Behind<'_>, now: Instant) -> Option<Instant> {
        let Behind { address, taken, patience } = behind;
        let lies_ahead = |until: Option<&Instant>| until.is_some_and(|until| *until > now);
        if lies_ahead(self.not_again.get(&address)) {
            return None;
        }
        let credit = patience.credit(taken, now);
        if lies_ahead(credit.not_again.as_ref()) {
            return None;
        }
        if credit.until > now {
            credit.used = true;
            return Some(credit.until);
        }
        if !credit.used {
            // It had stopped before anybody waited for it, so nobody has to wait.
            return None;
        }
        let not_again = now + NOT_AGAIN;
        *credit = Credit { until: now + PATIENCE, taken, used: false, not_again: Some(not_again) };
        // Loopback is many programs of one machine, and one of them that has stopped says nothing about the others.
        if !address.is_loopback() {
            self.not_again.retain(|_, until| *until > now);
            if self.not_again.len() < MAX_ADDRESSES {
                self.not_again.insert(address, not_again);
            }
        }
        None
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
                let behind = Behind { address, taken: n * takes, patience };
                pressure.waits(behind, start + ms(n * 100)).is_some()
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
    fn a_minute_later_it_is_waited_for_again_and_who_has_taken_all_has_a_whole_second() {
        let (mut pressure, mut patience, start) = (Backpressure::default(), Patience::default(), Instant::now());
        let mut waits = |patience: &mut Patience, at: u64| {
            let behind = Behind { address: LAN, taken: 0, patience };
            pressure.waits(behind, start + ms(at)).is_some()
        };
        assert!(waits(&mut patience, 0) && waits(&mut patience, 900));
        patience.seen(true, 0, start + ms(950));
        assert!(waits(&mut patience, 990) && !waits(&mut patience, 1000));
        patience.seen(false, 0, start + ms(2000));
        assert!(!waits(&mut patience, 60_900) && waits(&mut patience, 61_100));
        patience.seen(false, 0, start + ms(62_000));
        assert!(waits(&mut patience, 62_200));
    }

    #[test]
    fn who_had_stopped_before_anybody_had_to_wait_is_not_waited_for() {
        let (mut pressure, mut patience, start) = (Backpressure::default(), Patience::default(), Instant::now());
        patience.seen(true, 0, start);
        let behind = Behind { address: LAN, taken: 0, patience: &mut patience };
        assert_eq!(pressure.waits(behind, start + ms(1000)), None);
        // Nor are others there, who have not stopped, left alone for that.
        let behind = Behind { address: LAN, taken: 0, patience: &mut Patience::default() };
        assert!(pressure.waits(behind, start + ms(1000)).is_some());
        // It takes again, and is waited for again.
        patience.seen(true, 16 * 1024, start + ms(2000));
        let behind = Behind { address: LAN, taken: 32 * 1024, patience: &mut patience };
        assert!(pressure.waits(behind, start + ms(2500)).is_some());
    }
}
