//! The workloads: what the clients of a room do while it is measured, and what comes of it.

use std::thread;
use std::time::{Duration, Instant};

use crate::fault::{Fault, Result};
use crate::report::Figure;
use crate::room::{Room, STALL};
use crate::tally::{Heard, PASTED, TYPED, Tally};

/// How many lines are under way when a room is busy.
pub(crate) const UNDER_WAY: usize = 64;
/// How long nothing may arrive, in place of [`STALL`], in a room in which a client has stopped reading: that everybody stops is a result, and is soon clear.
const STOPPED_STALL: Duration = Duration::from_millis(1500);
/// How long nothing may arrive, in place of [`STALL`], where callgrind counts, which makes a server fifty times as slow.
const COUNTED_STALL: Duration = Duration::from_secs(30);
/// More than the kernel holds for a client that does not read, in bytes: 4 MiB is the default limit of Linux.
const HELD_BY_KERNEL: usize = 5 << 20;
/// Lines a second while latency is measured.
const LINES_A_SECOND: u32 = 10;

/// What a workload found.
pub(crate) type Figures = Vec<(Figure, f64)>;

/// How long a room is loaded.
#[derive(Clone, Copy, Default)]
pub(crate) struct Span {
    /// Before anything counts.
    pub(crate) warm_up: Duration,
    /// While it counts.
    pub(crate) window: Duration,
}

/// What is said and by whom, as an answer to a line having been heard by all.
#[derive(Clone, Copy)]
pub(crate) enum Talk {
    /// One line at a time, each from the next client that says anything.
    OneAtATime,
    /// Many at once, each followed by another of the same talker, of whom there are so many.
    Busy(usize),
}

impl Talk {
    fn under_way(self) -> usize {
        match self {
            Self::OneAtATime => 1,
            Self::Busy(_) => UNDER_WAY,
        }
    }
}

/// What a closed loop came to.
struct Throughput {
    /// Within the window.
    deliveries: u64,
    window: Duration,
    cpu: Duration,
    /// From the first line to the last.
    in_all: u64,
    /// The longest time in which nobody heard anything.
    silence: Duration,
}

impl Throughput {
    /// Deliveries a second.
    fn rate(&self) -> f64 {
        self.deliveries as f64 / self.window.as_secs_f64()
    }

    /// Microseconds of the server's processor time for each delivery.
    fn cost(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.deliveries as f64
    }
}

/// Deliveries a second and their cost while `clients` talk so that a line heard by all is followed by another.
pub(crate) fn throughput(room: &mut Room, clients: usize, talk: Talk, span: Span) -> Result<Figures> {
    let found = closed_loop(room, clients, Manner::typed(talk, span))?;
    Ok(vec![(Figure::Deliveries, found.rate()), (Figure::Cpu, found.cost())])
}

/// The cost of a delivery alone.
pub(crate) fn cost(room: &mut Room, clients: usize, talk: Talk, span: Span) -> Result<f64> {
    Ok(closed_loop(room, clients, Manner::typed(talk, span))?.cost())
}

/// All deliveries of a closed loop from its first line to its last; for whoever counts something else meanwhile.
pub(crate) fn deliveries(room: &mut Room, clients: usize, talk: Talk, window: Duration) -> Result<u64> {
    let span = Span { warm_up: Duration::ZERO, window };
    Ok(closed_loop(room, clients, Manner::typed(talk, span))?.in_all)
}

/// All deliveries of a closed loop of so many lines; for whoever counts what hardly depends on time, and slows the server
/// down by counting.
pub(crate) fn deliveries_of(room: &mut Room, clients: usize, talk: Talk, lines: usize) -> Result<u64> {
    let manner = Manner { until: Until::Said(lines), stall: COUNTED_STALL, ..Manner::typed(talk, Span::default()) };
    Ok(closed_loop(room, clients, manner)?.in_all)
}

/// How a closed loop is run.
#[derive(Clone, Copy)]
struct Manner {
    talk: Talk,
    until: Until,
    /// Of a line, in bytes.
    length: usize,
    /// How long nothing may arrive before the wait for it is given up.
    stall: Duration,
}

/// When the window of a closed loop ends; nothing more is said then.
#[derive(Clone, Copy)]
enum Until {
    /// After a time, and when each client has heard so much, in bytes, however slow the server.
    Over(Span, usize),
    /// When so many lines have been said, from the beginning, however long that takes. All that is under way is heard by
    /// all before more is said, and the server finds all of it there at once.
    Said(usize),
}

impl Manner {
    /// What people type; all that is under way is heard once at least.
    fn typed(talk: Talk, span: Span) -> Self {
        Self { talk, until: Until::Over(span, TYPED * talk.under_way()), length: TYPED, stall: STALL }
    }
}

fn closed_loop(room: &mut Room, clients: usize, manner: Manner) -> Result<Throughput> {
    let Manner { talk, until, length, stall } = manner;
    let (span, enough, lines) = match until {
        Until::Over(span, volume) => (span, (volume * clients / length) as u64, usize::MAX),
        Until::Said(lines) => (Span::default(), u64::MAX, lines),
    };
    let talkers = match talk {
        Talk::OneAtATime => room.crowd.talkers().min(clients),
        Talk::Busy(talkers) => talkers,
    };
    let mut tally = room.tally(talkers, clients, length);
    // A line on its own is always found at once.
    let at_once = matches!(until, Until::Said(_)) && talk.under_way() > 1;
    let mut said = talk.under_way().min(lines);
    let mut next: Vec<usize> = (0..said).map(|line| line % talkers).collect();
    say_all(room, &mut tally, &mut next, at_once)?;
    let begun = Instant::now();
    let (mut start, mut end, mut progress, mut silence) = (None, None, begun, Duration::ZERO);
    while tally.open > 0 {
        let before = tally.deliveries;
        room.crowd.turn(Duration::from_millis(10), |receiver, lines| {
            tally.receive(receiver, lines, |Heard { talker, by_all, .. }| {
                if by_all {
                    next.push(if matches!(talk, Talk::OneAtATime) { (talker + 1) % talkers } else { talker });
                }
            })
        })?;
        let now = Instant::now();
        silence = silence.max(now - progress);
        if tally.deliveries > before {
            progress = now;
        } else if now - progress > stall {
            return Err(Fault::Stalled(tally.missing()));
        }
        if start.is_none() && now - begun >= span.warm_up {
            start = Some((now, tally.deliveries, room.server.cpu()?));
        }
        let heard_enough = start.as_ref().is_some_and(|start| tally.deliveries - start.1 >= enough);
        let is_over = heard_enough && now - begun >= span.warm_up + span.window;
        if end.is_none() && (is_over || said == lines) {
            end = Some((now, tally.deliveries, room.server.cpu()?));
        }
        if at_once && tally.open > 0 {
            continue;
        }
        next.truncate(if end.is_none() { lines - said } else { 0 });
        said += next.len();
        say_all(room, &mut tally, &mut next, at_once)?;
    }
    room.quiet(|receiver, lines| tally.receive(receiver, lines, |_| {}))?;
    let (Some((start, first, cpu_before)), Some((end, last, cpu_after))) = (start, end) else {
        return Err(Fault::Stalled("nothing was under way any more".into()));
    };
    let cpu = cpu_after.saturating_sub(cpu_before);
    Ok(Throughput { deliveries: last - first, window: end - start, cpu, in_all: tally.deliveries, silence })
}

/// Has each of `talkers` say a line, and leaves none of them. What is said `at_once` is there, in one order, before the
/// server sees any of it; otherwise how much it finds depends on who is quicker.
fn say_all(room: &mut Room, tally: &mut Tally, talkers: &mut Vec<usize>, at_once: bool) -> Result<()> {
    if at_once {
        talkers.sort_unstable();
        room.server.pause()?;
    }
    for talker in talkers.drain(..) {
        say(room, tally, talker);
    }
    if at_once {
        room.crowd.flush()?;
        room.server.resume()?;
    }
    Ok(())
}

fn say(room: &mut Room, tally: &mut Tally, talker: usize) {
    room.crowd.say(talker, &tally.line(talker));
}

/// How long lines take that are said at fixed times, whatever becomes of the ones before.
pub(crate) fn latency(room: &mut Room, clients: usize, window: Duration) -> Result<Figures> {
    let lines = (window.as_secs_f64() * f64::from(LINES_A_SECOND)).ceil() as u32;
    let mut tally = room.tally(clients, clients, TYPED);
    // When the only line of each talker was due.
    let mut due = vec![Instant::now(); clients];
    let (mut each, mut last) = (Vec::with_capacity(lines as usize * clients), Vec::new());
    let (begun, mut said, mut progress) = (Instant::now(), 0, Instant::now());
    while said < lines || tally.open > 0 {
        let next = begun + Duration::from_secs(1) / LINES_A_SECOND * said;
        let now = Instant::now();
        if said < lines && now >= next {
            // Neighbours came one after the other and may lie side by side in the server; a stride mixes them.
            let talker = said as usize * 7 % clients;
            due[talker] = next;
            say(room, &mut tally, talker);
            said += 1;
            progress = now;
            continue;
        }
        let patience = if said < lines { next - now } else { Duration::from_millis(10) };
        let before = tally.deliveries;
        room.crowd.turn(patience, |receiver, lines| {
            let now = Instant::now();
            tally.receive(receiver, lines, |Heard { talker, by_all, .. }| {
                let taken = now.saturating_duration_since(due[talker]);
                each.push(taken);
                if by_all {
                    last.push(taken);
                }
            })
        })?;
        if tally.deliveries > before {
            progress = Instant::now();
        } else if progress.elapsed() > STALL {
            return Err(Fault::Stalled(tally.missing()));
        }
    }
    room.quiet(|receiver, lines| tally.receive(receiver, lines, |_| {}))?;
    each.sort_unstable();
    last.sort_unstable();
    Ok(vec![
        (Figure::Median, percentile(&each, 50)),
        (Figure::P99, percentile(&each, 99)),
        (Figure::Worst, percentile(&each, 100)),
        (Figure::LastReceiver, percentile(&last, 50)),
    ])
}

/// In milliseconds; `sorted` is not empty.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1e3
}

/// What of the throughput is left to the others once a client has stopped reading. It goes on until the kernel can hold
/// no more for that client and the server must do something; the lines are long, so that this is soon.
pub(crate) fn stopped_reader(room: &mut Room, clients: usize, span: Span) -> Result<Figures> {
    let until = Until::Over(span, PASTED);
    let manner = Manner { talk: Talk::Busy(10), until, length: PASTED, stall: STALL };
    let without = closed_loop(room, clients, manner)?;
    room.add_stopped_reader()?;
    let span = Span { window: 2 * span.window, ..span };
    let then = Manner { until: Until::Over(span, HELD_BY_KERNEL), stall: STOPPED_STALL, ..manner };
    let with = match closed_loop(room, clients, then) {
        Err(Fault::Stalled(_)) => return Err(Fault::Stalled("one stops reading, and everybody stops".into())),
        found => found?,
    };
    room.shrink(clients)?;
    Ok(vec![
        (Figure::RateLeft, 100.0 * with.rate() / without.rate()),
        (Figure::CostThen, 100.0 * with.cost() / without.cost()),
        (Figure::Silence, with.silence.as_secs_f64() * 1e3),
    ])
}

/// How long it takes until everybody has been told of everybody when all join at once.
pub(crate) fn rush(room: &mut Room, clients: usize) -> Result<Figures> {
    let before = room.server.cpu()?;
    let taken = room.rush(clients)?;
    let cpu = room.server.cpu()?.saturating_sub(before);
    Ok(vec![(Figure::Rush, taken.as_secs_f64()), (Figure::RushCpu, cpu.as_secs_f64())])
}

/// What the server, of which nobody knows yet, uses for `clients` that say nothing, looked at for as long as `window`.
pub(crate) fn idle(room: &mut Room, clients: usize, window: Duration) -> Result<Figures> {
    let empty = room.server.resident()?;
    room.fill(clients)?;
    // What the joining left to do is done by then.
    thread::sleep(Duration::from_millis(200));
    let before = room.server.cpu()?;
    thread::sleep(window);
    let cpu = room.server.cpu()?.saturating_sub(before);
    let full = room.server.resident()?;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Ok(vec![
        (Figure::PerClient, full.saturating_sub(empty) as f64 / clients as f64),
        (Figure::Empty, mebibytes(empty)),
        (Figure::Total, mebibytes(full)),
        (Figure::IdleCpu, cpu.as_secs_f64() * 1e3 / window.as_secs_f64()),
    ])
}
