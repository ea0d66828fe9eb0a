//! One room on several servers that are linked through a broker, beside the same room on one server: how long lines take
//! to those at the same server and to those at the others, and what they cost the servers and the broker.
//!
//! The clients are at the servers in turn. Every line is accounted for at every receiver, as elsewhere.

use std::time::{Duration, Instant};

use crate::broker::{Broker, Kept, Traffic};
use crate::fault::{Fault, Result};
use crate::generator::Generator;
use crate::peers::Peer;
use crate::process::Process;
use crate::report::Figure;
use crate::room::STALL;
use crate::tally::{Heard, TYPED, Tally, name_of, server_of};
use crate::workloads::{Figures, Span, Talk, UNDER_WAY, percentile};

/// How long it may take until everybody is in, and all servers know of all. A server tells of its members a second after
/// it has told of them last, and again after ten.
const JOINING: Duration = Duration::from_secs(30);
/// How often servers are asked whom they know.
const ASKED_AGAIN: Duration = Duration::from_millis(100);
/// How long the room listens for what should not come; a message that comes twice comes through the broker, too.
const QUIET: Duration = Duration::from_millis(50);
/// How long to wait for what is under way, before it is looked whether that takes too long.
const WAITS: Duration = Duration::from_millis(10);
/// What the people of a lively room say in a second.
pub(crate) const LIVELY: u32 = 50;

/// When lines are said.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// A line that all have heard is followed by another.
    Closed(Talk),
    /// So many lines a second, whatever becomes of the ones before.
    Steady(u32),
}

/// A room on one server, or on several that are linked.
pub(crate) struct Site {
    // The order matters: the servers end before their clients leave, and before the broker.
    servers: Vec<Process>,
    broker: Option<Broker>,
    crowd: Generator,
    runs: u32,
}

/// What came of one run.
#[derive(Default)]
struct Load {
    lines: usize,
    deliveries: u64,
    taken: Duration,
    /// How long each line took to the last receiver at its own server, and at each other.
    here: Vec<Duration>,
    there: Vec<Duration>,
}

/// What has gone through the broker until some moment.
struct Passed {
    kept: Kept,
    traffic: Option<Traffic>,
}

impl Site {
    /// Starts so many servers of `peer`, and lets so many clients come to them, in turn. Several servers are linked.
    pub(crate) fn open(peer: &Peer, servers: usize, clients: usize) -> Result<Self> {
        let broker = if servers > 1 { Some(Broker::start()?) } else { None };
        let start = |server: usize| {
            Process::start(match &broker {
                Some(broker) => peer.command_linked(&broker.url(), &server_of(server))?,
                None => peer.command()?,
            })
        };
        let servers = (0..servers).map(start).collect::<Result<_>>()?;
        let mut site = Self { servers, broker, crowd: Generator::new()?, runs: 0 };
        site.fill(clients)?;
        Ok(site)
    }

    /// Lets the clients come, and waits until all servers know of all.
    fn fill(&mut self, clients: usize) -> Result<()> {
        for client in 0..clients {
            self.crowd.connect(self.servers[client % self.servers.len()].address, None)?;
            self.crowd.say(client, format!("{}\n", name_of(client)).as_bytes());
        }
        let (begun, all) = (Instant::now(), format!("-- {clients} here:"));
        let (mut welcomed, mut asked) = (0, None);
        let mut unaware: Vec<usize> = (0..self.servers.len()).collect();
        while welcomed < clients || !unaware.is_empty() {
            let again = asked.is_none_or(|asked: Instant| asked.elapsed() > ASKED_AGAIN);
            if welcomed == clients && again {
                // The first to come to each is asked.
                unaware.iter().for_each(|server| self.crowd.say(*server, b"/who\n"));
                asked = Some(Instant::now());
            }
            self.crowd.turn(Duration::from_millis(10), |client, lines| {
                for line in lines.split(|byte| *byte == b'\n') {
                    welcomed += usize::from(line.starts_with(b"Welcome, "));
                    if line.starts_with(all.as_bytes()) {
                        unaware.retain(|server| *server != client);
                    }
                }
                Ok(())
            })?;
            if begun.elapsed() > JOINING {
                let unaware = unaware.len();
                return Err(Fault::Stalled(format!(
                    "{welcomed} of {clients} are in, and {unaware} servers do not know of all"
                )));
            }
        }
        self.crowd.turn(QUIET, |_, _| Ok(()))
    }

    /// How fast lines are at this pace, and what they cost.
    pub(crate) fn measure(&mut self, pace: Pace, span: Span) -> Result<Figures> {
        self.load(pace, span.warm_up)?;
        if let Some(broker) = &self.broker {
            // So that it has room for what comes, and counts that alone.
            broker.forget()?;
        }
        // What it costs the broker to be asked is not counted.
        let passed_before = self.passed()?;
        let before = self.cpu()?;
        let mut load = self.load(pace, span.window)?;
        let after = self.cpu()?;
        let passed = self.passed()?;
        let lines = load.lines as f64;
        let micro = |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() * 1e6;
        load.here.sort_unstable();
        load.there.sort_unstable();
        let mut figures = vec![
            (Figure::Lines, lines / load.taken.as_secs_f64()),
            (Figure::Cpu, micro(before.0, after.0) / load.deliveries as f64),
            (Figure::HereMedian, percentile(&load.here, 50)),
            (Figure::HereP99, percentile(&load.here, 99)),
        ];
        let (Some(broker), Some(passed_before), Some(passed)) = (&self.broker, passed_before, passed) else {
            return Ok(figures);
        };
        // What was kept does not become less, and a connection that is not there any more is not counted.
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / lines;
        let (kept_before, kept) = (passed_before.kept, passed.kept);
        figures.extend([
            (Figure::ThereMedian, percentile(&load.there, 50)),
            (Figure::ThereP99, percentile(&load.there, 99)),
            (Figure::BrokerCpu, micro(before.1, after.1) / lines),
            (Figure::PerMessage, 1.0 / each(kept_before.messages, kept.messages)),
            (Figure::Stored, each(kept_before.bytes, kept.bytes)),
            (Figure::BrokerResident, broker.resident()? as f64 / f64::from(1 << 20)),
        ]);
        if let (Some(before), Some(after)) = (passed_before.traffic, passed.traffic) {
            figures.push((Figure::ToBroker, each(before.to, after.to)));
            figures.push((Figure::FromBroker, each(before.from, after.from)));
        }
        Ok(figures)
    }

    /// The processor time of all servers, and of the broker.
    fn cpu(&self) -> Result<(Duration, Duration)> {
        let mut servers = Duration::ZERO;
        for server in &self.servers {
            servers += server.cpu()?;
        }
        Ok((servers, self.broker.as_ref().map_or(Ok(Duration::ZERO), Broker::cpu)?))
    }

    fn passed(&self) -> Result<Option<Passed>> {
        let Some(broker) = &self.broker else { return Ok(None) };
        Ok(Some(Passed { kept: broker.kept()?, traffic: broker.traffic()? }))
    }

    /// Has lines said for so long, and waits until all have heard all.
    fn load(&mut self, pace: Pace, time: Duration) -> Result<Load> {
        self.runs += 1;
        let (servers, clients) = (self.servers.len(), self.crowd.len());
        let (talkers, mut next): (usize, Vec<usize>) = match pace {
            Pace::Closed(Talk::OneAtATime) => (clients, vec![0]),
            Pace::Closed(Talk::Busy(talkers)) => (talkers, (0..UNDER_WAY).map(|line| line % talkers).collect()),
            Pace::Steady(_) => (clients, Vec::new()),
        };
        let mut tally = Tally::on_several(servers, self.runs, talkers, clients, TYPED, true);
        // When each line of each talker was due.
        let mut due: Vec<Vec<Instant>> = vec![Vec::new(); talkers];
        let mut load = Load::default();
        let begun = Instant::now();
        let mut progress = begun;
        loop {
            let now = Instant::now();
            // However short the time, something is said.
            let is_over = now - begun >= time && load.lines > 0;
            let mut line = load.lines;
            let mut say = |talker: usize, at: Instant| {
                due[talker].push(at);
                self.crowd.say(talker, &tally.line(talker));
                load.lines += 1;
                progress = now;
            };
            let patience = match pace {
                _ if is_over => WAITS,
                Pace::Closed(_) => {
                    next.drain(..).for_each(|talker| say(talker, now));
                    WAITS
                }
                Pace::Steady(rate) => loop {
                    let at = begun + Duration::from_secs(1) / rate * line as u32;
                    if at > now {
                        break at - now;
                    }
                    // Neighbours are at the next server; a stride that is odd keeps that, and mixes them.
                    say(line * 7 % talkers, at);
                    line += 1;
                },
            };
            if is_over && tally.open == 0 {
                break;
            }
            let before = tally.deliveries;
            self.crowd.turn(patience, |receiver, lines| {
                let now = Instant::now();
                tally.receive(receiver, lines, |Heard { talker, number, by_all_there, by_all }| {
                    if by_all_there {
                        let is_here = talker % servers == receiver % servers;
                        let times = if is_here { &mut load.here } else { &mut load.there };
                        times.push(now.saturating_duration_since(due[talker][number]));
                    }
                    if by_all {
                        let in_turn = matches!(pace, Pace::Closed(Talk::OneAtATime));
                        next.push(if in_turn { (talker + 1) % talkers } else { talker });
                    }
                })
            })?;
            if tally.deliveries > before {
                progress = Instant::now();
                load.taken = progress - begun;
            } else if progress.elapsed() > STALL {
                return Err(Fault::Stalled(tally.missing()));
            }
        }
        load.deliveries = tally.deliveries;
        self.crowd.turn(QUIET, |receiver, lines| tally.receive(receiver, lines, |_| {}))?;
        Ok(load)
    }
}
