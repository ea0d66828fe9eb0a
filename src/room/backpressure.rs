//! Backpressure: how far a reader may be behind, which senders wait for it, and for how long.
//!
//! All senders wait for a reader whose task has not had its turn yet, because that takes no longer than a turn of the
//! executor. A person who types waits for no other reader. A bulk sender also waits for a reader that still takes what
//! is written to it. It waits once for a reader that takes too little. Then it goes on, slowly at first, and the reader
//! is dropped when it is too far behind.
//!
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

/// How much memory the direct messages of all readers may take together: the contract's limit. Each of 256 readers can
/// have the whole `ALLOWANCE` in direct messages before it is reached.
pub(super) const MAX_DIRECT: usize = 32 * 1024 * 1024;

/// How many members are dropped in one turn. Each drop is announced, and a thousand such lines at once would put
/// readers that keep up too far behind.
pub(super) const DROPS_A_TURN: usize = 100;

/// The time between two such turns. In 5 ms each of a thousand writer tasks has its turn once, and reads what was
/// announced.
pub(super) const DROPS_APART: Duration = Duration::from_millis(5);

/// How much a reader has to take so that bulk senders wait for it, in bytes a second: the contract's 16 KiB, which the
/// worst Wi-Fi carries.
const TAKES: f64 = 16.0 * 1024.0;

/// How long bulk senders wait for a reader that takes nothing: the contract's second.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long bulk senders are slowed after `PATIENCE`. In this time the lag that the reader may have grows steadily from
/// `BEHIND` to `ALLOWANCE`. The reason is Linux: it opens the window of a connection again only when the program has
/// read a whole packet, and it joins packets, on loopback to 64 KiB and more. So a program that steadily reads 48 KiB a
/// second seems to take nothing for longer than `PATIENCE`. With this time it was kept; one that reads 32 KiB a second
/// was not (measured).
const GRACE: Duration = Duration::from_secs(2);

/// How long bulk senders do not wait again for a reader that was given up, nor for others at its address: the
/// contract's minute.
const NOT_AGAIN: Duration = Duration::from_secs(60);

/// How many such addresses are kept: more than there are clients by default.
const MAX_ADDRESSES: usize = 4096;

/// How much counts as typed if it is sent within a second: the contract's 20 lines or 4 KiB. More is sent in bulk.
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
    #[inline]
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

    /// Leaves out the time that the sender had to wait. A paste that waited for a reader is still a paste.
    pub fn waited(&mut self, time: Duration) {
        self.since += time;
    }

    /// Returns how it sends.
    pub fn manner(&self) -> Manner {
        if self.bulk || self.is_more() { Manner::Bulk } else { Manner::Typed }
    }
}

/// How long bulk senders will wait for a reader that is blocked, which means that it does not take all that is written
/// to it. Boxed, because most readers take all.
#[derive(Debug, Default)]
pub(super) struct Patience(Option<Box<Credit>>);

/// The time that a blocked reader has left. It begins with `PATIENCE`, which runs down. Each byte that the reader takes
/// adds time, as much as it has for a byte at the rate `TAKES`; but it never has more than `PATIENCE`.
#[derive(Debug)]
struct Credit {
    /// When the time is used up.
    until: Instant,
    /// What the reader had taken when `until` was last worked out, in bytes.
    taken: u64,
    /// Whether a sender has waited for the reader since it was blocked.
    used: bool,
    /// When it was given up. Senders do not wait for it again for a while.
    given_up: Option<Instant>,
}

impl Credit {
    fn new(taken: u64, now: Instant) -> Credit {
        Credit { until: now + PATIENCE, taken, used: false, given_up: None }
    }

    /// Returns until when senders are slowed for a reader that was given up just now and lags this far, if they are.
    fn grace(&self, lag: Size, now: Instant) -> Option<Instant> {
        let share = |lag: u64, from: u64, to: u64| lag.saturating_sub(from) as f64 / (to - from) as f64;
        let lines = share(lag.lines, BEHIND.lines, ALLOWANCE.lines);
        let bytes = share(lag.bytes, BEHIND.bytes, ALLOWANCE.bytes);
        let until = self.given_up? + GRACE.mul_f64(lines.max(bytes).min(1.0));
        (until > now).then_some(until)
    }

    /// Returns whether a reader that was given up just now has taken enough after all.
    fn has_recovered(&self, taken: u64, now: Instant) -> bool {
        let Some(time) = self.given_up.map(|at| now.saturating_duration_since(at)) else { return false };
        self.used && time < GRACE && taken.saturating_sub(self.taken) as f64 >= TAKES * (PATIENCE + time).as_secs_f64()
    }
}

impl Patience {
    /// Notes whether the reader is blocked, and how many bytes it has ever taken.
    pub(super) fn seen(&mut self, blocked: bool, taken: u64, now: Instant) {
        match &mut self.0 {
            _ if blocked => {
                self.credit(taken, now);
            }
            // A reader that was given up stays so, even if it has read everything meanwhile.
            Some(credit) if credit.given_up.is_some_and(|at| at + NOT_AGAIN > now) => credit.used = false,
            credit => *credit = None,
        }
    }

    fn credit(&mut self, taken: u64, now: Instant) -> &mut Credit {
        let credit = self.0.get_or_insert_with(|| Box::new(Credit::new(taken, now)));
        match credit.given_up {
            None => {
                let earned = Duration::from_secs_f64(taken.saturating_sub(credit.taken) as f64 / TAKES);
                (credit.until, credit.taken) = ((credit.until + earned).clamp(now, now + PATIENCE), taken);
            }
            Some(at) if at + NOT_AGAIN <= now => **credit = Credit::new(taken, now),
            Some(_) => {}
        }
        credit
    }
}

/// What is known of a reader that is blocked, and further behind than `BEHIND`.
pub(super) struct Behind<'a> {
    pub(super) address: IpAddr,
    /// Bytes it has ever taken.
    pub(super) taken: u64,
    pub(super) lag: Size,
    pub(super) patience: &'a mut Patience,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Backpressure {
    /// The addresses at which no reader is waited for, and until when.
    not_again: HashMap<IpAddr, Instant>,
    /// No reader was further behind than this when the head was at `head`.
    furthest: Size,
    head: Size,
}

impl Backpressure {
    /// Returns how far behind this head any reader can be at most, without a look at the readers.
    pub(super) fn furthest(&self, head: Size) -> Size {
        self.furthest + (head - self.head)
    }

    /// Notes the result of a look at all readers: none is further behind than this.
    pub(super) fn looked(&mut self, head: Size, furthest: Size) {
        (self.head, self.furthest) = (head, furthest);
    }

    /// Notes that one reader is this far behind now.
    pub(super) fn add(&mut self, lag: Size) {
        self.furthest = self.furthest.max(lag);
    }

    /// Returns until when bulk senders wait for a reader that is blocked and behind, if they wait.
    pub(super) fn waits(&mut self, behind: Behind<'_>, now: Instant) -> Option<Instant> {
        let Behind { address, taken, lag, patience } = behind;
        let credit = patience.credit(taken, now);
        if credit.has_recovered(taken, now) {
            *credit = Credit::new(taken, now);
            self.not_again.remove(&address);
        }
        if credit.given_up.is_some() {
            return credit.grace(lag, now);
        }
        if self.not_again.get(&address).is_some_and(|until| *until > now) {
            return None;
        }
        if credit.until > now {
            credit.used = true;
            return Some(credit.until);
        }
        if !credit.used {
            // It had stopped before any sender waited for it, so none has to wait.
            return None;
        }
        credit.given_up = Some(now);
        // Many programs of one machine share the loopback address. One that has stopped says nothing about the others.
        if !address.is_loopback() {
            self.not_again.retain(|_, until| *until > now);
            if self.not_again.len() < MAX_ADDRESSES {
                self.not_again.insert(address, now + NOT_AGAIN);
            }
        }
        credit.grace(lag, now)
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

    /// A room, and one reader who is just so far behind that it may be waited for.
    struct Tried {
        pressure: Backpressure,
        start: Instant,
        address: IpAddr,
    }

    impl Tried {
        fn new(address: IpAddr) -> Tried {
            Tried { pressure: Backpressure::default(), start: Instant::now(), address }
        }

        /// Whether senders wait for it `at` ms after the start, when it has taken so many bytes and lags this far.
        fn waits(&mut self, patience: &mut Patience, at: u64, taken: u64, lag: Size) -> bool {
            let behind = Behind { address: self.address, taken, lag, patience };
            self.pressure.waits(behind, self.start + ms(at)).is_some()
        }

        /// How long a bulk sender waits in all for a reader who takes so many bytes every 100 ms, from one time on and
        /// for no longer than the minute.
        fn waited(&mut self, patience: &mut Patience, takes: u64, from: u64) -> u64 {
            let times = (from / 100..600).take_while(|n| self.waits(patience, n * 100, n * takes, BEHIND));
            times.count() as u64 * 100
        }
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
            assert_eq!(Tried::new(LAN).waited(&mut Patience::default(), takes, 0), 60_000, "{takes}");
        }
    }

    #[test]
    fn a_reader_who_takes_nothing_or_little_is_waited_for_a_second_and_its_address_not_again() {
        for (takes, time) in [(0, 1000), (100, 1100)] {
            let (mut tried, mut patience) = (Tried::new(LAN), Patience::default());
            assert_eq!(tried.waited(&mut patience, takes, 0), time);
            assert_eq!(tried.waited(&mut patience, takes, 2000), 0);
            assert_eq!(tried.waited(&mut Patience::default(), takes, 2000), 0);
            // Of loopback it is the connection alone.
            let (mut tried, mut patience) = (Tried::new(LOOPBACK), Patience::default());
            assert_eq!(tried.waited(&mut patience, takes, 0), time);
            assert_eq!(tried.waited(&mut patience, takes, 2000), 0);
            assert_eq!(tried.waited(&mut Patience::default(), takes, 2000), time);
        }
    }

    /// How far behind a reader is who has used up so many quarters of what is between `BEHIND` and `ALLOWANCE`.
    fn quarters(n: u64) -> Size {
        Size { lines: BEHIND.lines, bytes: BEHIND.bytes + (ALLOWANCE.bytes - BEHIND.bytes) / 4 * n }
    }

    #[test]
    fn who_is_given_up_falls_no_further_behind_than_its_grace_allows() {
        let (mut tried, mut patience) = (Tried::new(LAN), Patience::default());
        assert_eq!(tried.waited(&mut patience, 0, 0), 1000);
        for (at, lag, waits) in [(1000, 1, true), (1499, 1, true), (1500, 1, false), (1500, 2, true), (2000, 2, false)]
        {
            assert_eq!(tried.waits(&mut patience, at, 0, quarters(lag)), waits, "{at} ms, {lag} quarters");
        }
        assert!(tried.waits(&mut patience, 2999, 0, quarters(4)) && !tried.waits(&mut patience, 3000, 0, quarters(4)));
        let lines = Size { lines: ALLOWANCE.lines, bytes: 0 };
        let mut patience = Patience::default();
        let mut tried = Tried::new(LAN);
        assert_eq!(tried.waited(&mut patience, 0, 0), 1000);
        assert!(tried.waits(&mut patience, 2999, 0, lines) && !tried.waits(&mut patience, 3000, 0, lines));
    }

    #[test]
    fn who_takes_a_system_s_worth_at_a_time_is_waited_for() {
        // 30 KiB a second, of which the server sees 64 KiB every 2.1 s, and nothing between.
        let (mut tried, mut patience) = (Tried::new(LAN), Patience::default());
        let (mut lag, mut said) = (BEHIND, 0);
        for n in 0..600 {
            let (at, taken) = (n * 100, n / 21 * 64 * 1024);
            lag.bytes = BEHIND.bytes + said - taken.min(said);
            if !tried.waits(&mut patience, at, taken, lag) {
                said += 16 * 1024;
            }
            assert!(!lag.exceeds(ALLOWANCE), "after {at} ms");
        }
        assert!(said > 1024 * 1024, "bulk senders have said {said} bytes in a minute");
    }

    #[test]
    fn who_reads_everything_after_it_was_given_up_is_not_waited_for_again() {
        let (mut tried, mut patience) = (Tried::new(LAN), Patience::default());
        assert_eq!(tried.waited(&mut patience, 0, 0), 1000);
        patience.seen(false, 100_000, tried.start + ms(1400));
        patience.seen(true, 100_000, tried.start + ms(1500));
        let times = (15..600).filter(|n| tried.waits(&mut patience, n * 100, 100_000, ALLOWANCE)).count();
        assert_eq!(times, 15, "its grace is over after three seconds");
    }

    #[test]
    fn who_trickles_after_it_was_given_up_is_not_waited_for_again() {
        let (mut tried, mut patience) = (Tried::new(LAN), Patience::default());
        assert_eq!(tried.waited(&mut patience, 0, 0), 1000);
        for n in 10..600 {
            let taken = (n - 10) * 1000;
            assert!(!tried.waits(&mut patience, n * 100, taken, BEHIND) || n == 10, "{n}");
        }
    }

    #[test]
    fn a_minute_later_it_is_waited_for_again_and_who_has_taken_all_has_a_whole_second() {
        let (mut pressure, mut patience, start) = (Backpressure::default(), Patience::default(), Instant::now());
        let mut waits = |patience: &mut Patience, at: u64| {
            let behind = Behind { address: LAN, taken: 0, lag: BEHIND, patience };
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
        let behind = Behind { address: LAN, taken: 0, lag: BEHIND, patience: &mut patience };
        assert_eq!(pressure.waits(behind, start + ms(1000)), None);
        // Nor are others there, who have not stopped, left alone for that.
        let behind = Behind { address: LAN, taken: 0, lag: BEHIND, patience: &mut Patience::default() };
        assert!(pressure.waits(behind, start + ms(1000)).is_some());
        // It takes again, and is waited for again.
        patience.seen(true, 16 * 1024, start + ms(2000));
        let behind = Behind { address: LAN, taken: 32 * 1024, lag: BEHIND, patience: &mut patience };
        assert!(pressure.waits(behind, start + ms(2500)).is_some());
    }
}
