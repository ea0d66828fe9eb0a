//! A running server and the clients that have joined it. Knows how they come; what they say then is the workloads'
//! business.

use std::time::{Duration, Instant};

use crate::arrivals::Arrivals;
use crate::fault::{Fault, Result};
use crate::generator::Generator;
use crate::page;
use crate::peers::Peer;
use crate::process::Process;
use crate::tally::Tally;

/// How long nothing may arrive before the wait for it is given up.
pub(crate) const STALL: Duration = Duration::from_secs(5);
/// How long filling a room may take.
const FILLING: Duration = Duration::from_secs(40);
/// How long those who come at once may take.
const JOINING: Duration = Duration::from_secs(10);
/// How long the room listens for what should not come.
const QUIET: Duration = Duration::from_millis(10);
/// What the kernel takes in for a client that stops reading, in bytes: little, so that the server soon notices.
const STOPPING_WINDOW: usize = 4096;

/// A running server and its clients.
pub(crate) struct Room {
    // The order matters: the server ends first, so that nobody is told of all who leave.
    /// The server.
    pub(crate) server: Process,
    /// The clients.
    pub(crate) crowd: Generator,
    arrivals: Arrivals,
    /// Whether each line must be a line of its own, under its author's name.
    strict: bool,
    /// How many come at once to a small room where their coming is not what is measured.
    wave: usize,
    /// How many runs and stopped readers there have been.
    runs: u32,
}

impl Room {
    /// Starts `peer`, with nobody in it.
    pub(crate) fn open(peer: &Peer) -> Result<Self> {
        Self::of(peer, Process::start(peer.command()?)?)
    }

    /// The room of `server`, which is `peer` and has nobody in it.
    pub(crate) fn of(peer: &Peer, server: Process) -> Result<Self> {
        let (crowd, arrivals) = (Generator::new()?, Arrivals::new(peer.manners()));
        Ok(Self { server, crowd, arrivals, strict: peer.is_ours() || peer.is_floor(), wave: peer.wave(), runs: 0 })
    }

    /// Lets clients come, not too many at once, until there are `clients`, or until [`FILLING`] is over.
    pub(crate) fn fill(&mut self, clients: usize) -> Result<()> {
        let begun = Instant::now();
        if self.crowd.len() >= clients {
            return Ok(());
        }
        while self.crowd.len() < clients {
            // A large room takes in more at once, or every newcomer would cost as much as all who are there.
            let wave = self.wave.max(self.wave * self.crowd.len() / 4000);
            self.admit(wave.min(clients - self.crowd.len()), None, "u")?;
            if begun.elapsed() > FILLING && self.crowd.len() < clients {
                let (seconds, came) = (FILLING.as_secs(), self.crowd.len());
                return Err(Fault::Late(format!("after {seconds} s only {came} of {clients} had joined")));
            }
        }
        self.check()
    }

    /// Lets clients come one after the other until there are `clients`, so that it is the same every time.
    pub(crate) fn fill_singly(&mut self, clients: usize) -> Result<()> {
        while self.crowd.len() < clients {
            self.admit(1, None, "u")?;
        }
        self.check()
    }

    /// Lets pages come, one after the other.
    pub(crate) fn add_pages(&mut self, pages: usize) -> Result<()> {
        let address = self.server.page()?;
        for _ in 0..pages {
            let number = self.crowd.len();
            let due = self.arrivals.notices + self.arrivals.notices_due(number, 1);
            self.crowd.add(page::join(address, &format!("u{number:05}"))?, Some(page::read))?;
            self.arrivals.expect_one();
            self.settle(1, due, "u")?;
        }
        self.check()
    }

    /// Asks the server to end, and waits until it has. Its clients are still there, so that it need not tell of any who
    /// leave.
    pub(crate) fn end(self) -> Result<()> {
        self.server.end()
    }

    /// Lets the last to come leave until `clients` are left.
    pub(crate) fn shrink(&mut self, clients: usize) -> Result<()> {
        if self.crowd.len() <= clients {
            return Ok(());
        }
        while self.crowd.len() > clients {
            self.crowd.leave_last();
            self.arrivals.forget_last();
        }
        let mut heard = true;
        while heard {
            heard = false;
            self.quiet(|_, _| {
                heard = true;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Lets `clients` come at once, and returns how long it takes until everybody has been told of everybody.
    pub(crate) fn rush(&mut self, clients: usize) -> Result<Duration> {
        let begun = Instant::now();
        self.admit(clients, None, "u")?;
        let taken = begun.elapsed();
        self.check()?;
        Ok(taken)
    }

    /// Lets one client come that then never reads again, and for which the kernel keeps little. It is the last.
    pub(crate) fn add_stopped_reader(&mut self) -> Result<()> {
        // The server may still know the one before by its name, so each has its own.
        let name = format!("s{}x", self.next_run());
        self.admit(1, Some(STOPPING_WINDOW), &name)?;
        self.crowd.stop_reading(self.crowd.len() - 1)
    }

    /// The account of a run in which the first `talkers` of the first `receivers` say lines of `length` bytes.
    pub(crate) fn tally(&mut self, talkers: usize, receivers: usize, length: usize) -> Tally {
        Tally::new(self.next_run(), talkers, receivers, length, self.strict)
    }

    /// A number that the last ones did not have.
    fn next_run(&mut self) -> u32 {
        self.runs += 1;
        self.runs
    }

    /// Listens a moment for what should not come any more, and hands it to `hear`.
    pub(crate) fn quiet(&mut self, hear: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
        self.crowd.turn(QUIET, hear)
    }

    /// Lets `newcomers` come at once, named `prefix` and their number, and waits until all are told of all.
    fn admit(&mut self, newcomers: usize, window: Option<usize>, prefix: &str) -> Result<()> {
        let due = self.arrivals.notices + self.arrivals.notices_due(self.crowd.len(), newcomers);
        for _ in 0..newcomers {
            self.crowd.connect(self.server.address, window)?;
            self.arrivals.expect_one();
        }
        self.settle(newcomers, due, prefix)
    }

    /// Waits until the `newcomers`, who are named `prefix` and their number, and all others are told of all: until there
    /// were so many notices as are `due`.
    fn settle(&mut self, newcomers: usize, due: usize, prefix: &str) -> Result<()> {
        let total = self.crowd.len();
        let (begun, mut progress) = (Instant::now(), Instant::now());
        while self.arrivals.welcomed < total || self.arrivals.notices < due {
            let mut heard = false;
            self.crowd.turn(Duration::from_millis(100), |client, lines| {
                heard = true;
                self.arrivals.receive(client, lines)
            })?;
            for client in self.arrivals.prompted.drain(..) {
                self.crowd.say(client, format!("{prefix}{client:05}\n").as_bytes());
            }
            if heard {
                progress = Instant::now();
            }
            let (stalls, late) = (progress.elapsed() > STALL, begun.elapsed() > JOINING);
            if stalls || late {
                let (missing, outside) = (due.saturating_sub(self.arrivals.notices), total - self.arrivals.welcomed);
                let what = format!("{outside} of {newcomers} are not in, {missing} notices did not arrive");
                return Err(if stalls { Fault::Stalled(what) } else { Fault::Late(what) });
            }
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        let due = self.arrivals.notices;
        let arrivals = &mut self.arrivals;
        self.crowd.turn(QUIET, |client, lines| arrivals.receive(client, lines))?;
        if self.arrivals.notices > due {
            return Err(Fault::Wrong(format!("{} notices too many", self.arrivals.notices - due)));
        }
        self.arrivals.check()
    }
}
