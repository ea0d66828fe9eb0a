//! A running server and the clients that have joined it. Knows how people come in, and what everybody must be told of
//! it; what they say then is the workloads' business.

use std::time::{Duration, Instant};

use crate::fault::{Fault, Result};
use crate::generator::Generator;
use crate::peers::{Manners, Peer};
use crate::process::Process;

/// How long nothing may arrive before the wait for it is given up.
const STALL: Duration = Duration::from_secs(5);
/// How long a wave of newcomers may take.
const JOINING: Duration = Duration::from_secs(20);
/// How long the room listens for what should not come.
const QUIET: Duration = Duration::from_millis(10);
/// Up to as many clients it is remembered who was told of whom, and not only how many.
const REMEMBERED: usize = 1000;

/// What the kernel takes in for a client that stops reading, in bytes: little, so that the server soon notices.
const STOPPING_WINDOW: usize = 4096;

const PROMPT: &[u8] = b"Hi! Welcome to Dynasti. What's your name?";
const WELCOME: &[u8] = b"Welcome, ";
const JOINED: &[u8] = b" has joined the chat.";
const LEFT: &[u8] = b" has left the chat";
const NCAT_JOINED: &[u8] = b" is connected as <";

/// A running server and its clients.
pub(crate) struct Room {
    // The order matters: the server ends first, so that nobody is told of all who leave.
    /// The server.
    pub(crate) server: Process,
    /// The clients.
    pub(crate) crowd: Generator,
    manners: Manners,
    wave: usize,
    /// How many lines about newcomers each client has heard.
    told: Vec<usize>,
    /// Whom each client was told of, as long as there are few enough.
    told_of: Vec<Vec<u32>>,
    welcomed: usize,
    /// How many runs there have been, which tells them apart.
    runs: u32,
}

impl Room {
    /// Starts `peer`, with nobody in it.
    pub(crate) fn open(peer: &Peer) -> Result<Self> {
        let (manners, wave) = (peer.manners(), peer.wave());
        let (told, told_of) = (Vec::new(), Vec::new());
        let (server, crowd) = (peer.start()?, Generator::new()?);
        Ok(Self { server, crowd, manners, wave, told, told_of, welcomed: 0, runs: 0 })
    }

    /// Lets clients come, not too many at once, until there are `clients`.
    pub(crate) fn fill(&mut self, clients: usize) -> Result<()> {
        while self.crowd.len() < clients {
            self.admit(self.wave.min(clients - self.crowd.len()), Reader::Steady)?;
        }
        self.check_told()
    }

    /// Lets `clients` come at once, and returns how long it takes until everybody has been told of everybody.
    pub(crate) fn rush(&mut self, clients: usize) -> Result<Duration> {
        let begun = Instant::now();
        self.admit(clients, Reader::Steady)?;
        let taken = begun.elapsed();
        self.check_told()?;
        Ok(taken)
    }

    /// Lets one client come that then never reads again, and for which the kernel keeps little. It is the last.
    pub(crate) fn add_stopped_reader(&mut self) -> Result<()> {
        self.admit(1, Reader::Stopping)?;
        self.crowd.stop_reading(self.crowd.len() - 1)
    }

    /// The last client leaves. What the others are told of it, they hear in the next run.
    pub(crate) fn remove_stopped_reader(&mut self) {
        self.crowd.leave_last();
        self.told.pop();
        self.told_of.pop();
        self.welcomed -= 1;
    }

    /// A number for the next run that the last ones did not have.
    pub(crate) fn next_run(&mut self) -> u32 {
        self.runs += 1;
        self.runs
    }

    /// One turn of the crowd in which nothing should be heard but what `hear` accepts.
    pub(crate) fn quiet(&mut self, hear: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
        self.crowd.turn(QUIET, hear)
    }

    fn admit(&mut self, newcomers: usize, reader: Reader) -> Result<()> {
        let (before, after) = (self.crowd.len(), self.crowd.len() + newcomers);
        // Each newcomer is told of all who come after it; ncat tells it of itself too.
        let mut expected = (before..after).sum::<usize>();
        if self.manners == Manners::Ncat {
            expected += newcomers;
        }
        // One that stops may still be known by its name when the next of its kind comes, so each has its own.
        let (window, prefix) = match reader {
            Reader::Steady => (None, "u".to_owned()),
            Reader::Stopping => (Some(STOPPING_WINDOW), format!("s{}x", self.next_run())),
        };
        for _ in 0..newcomers {
            self.crowd.connect(self.server.address, window)?;
            self.told.push(0);
            self.told_of.push(Vec::new());
        }
        let mut heard = 0;
        let mut prompted = Vec::new();
        let (begun, mut progress) = (Instant::now(), Instant::now());
        while heard < expected || self.welcomed < after {
            let (manners, remembers) = (self.manners, after <= REMEMBERED);
            let (told, told_of, welcomed) = (&mut self.told, &mut self.told_of, &mut self.welcomed);
            let earlier = (heard, *welcomed, prompted.len());
            self.crowd.turn(Duration::from_millis(100), |client, lines| {
                for line in lines.split_inclusive(|byte| *byte == b'\n') {
                    match meaning(manners, &line[..line.len() - 1]) {
                        Some(Meaning::Joined(who)) => {
                            heard += 1;
                            told[client] += 1;
                            // ncat's first words to a newcomer are of itself.
                            if manners == Manners::Ncat && told[client] == 1 {
                                *welcomed += 1;
                            }
                            if remembers {
                                told_of[client].push(who);
                            }
                        }
                        Some(Meaning::Prompt) => prompted.push(client),
                        Some(Meaning::Welcome) => *welcomed += 1,
                        Some(Meaning::Other) => {}
                        None => {
                            let line = String::from_utf8_lossy(line).into_owned();
                            return Err(Fault::Wrong(format!("client {client} was told {line:?}")));
                        }
                    }
                }
                Ok(())
            })?;
            if earlier != (heard, self.welcomed, prompted.len()) {
                progress = Instant::now();
            } else if progress.elapsed() > STALL || begun.elapsed() > JOINING {
                let (missing, unwelcome) = (expected.saturating_sub(heard), after - self.welcomed);
                let what = format!("{unwelcome} of {newcomers} not in, {missing} of {expected} notices missing");
                return Err(Fault::Stalled(format!("gave up waiting for {newcomers} to join {before}: {what}")));
            }
            for client in prompted.drain(..) {
                self.crowd.say(client, format!("{prefix}{client:05}\n").as_bytes());
            }
        }
        Ok(())
    }

    /// Whoever came first was told of all others, whoever came last of nobody, and everybody in the same order.
    fn check_told(&mut self) -> Result<()> {
        self.quiet(|client, lines| {
            let lines = String::from_utf8_lossy(lines).into_owned();
            Err(Fault::Wrong(format!("client {client} was told after everybody had joined: {lines:?}")))
        })?;
        let total = self.crowd.len();
        let mut order: Vec<u32> = (0..total as u32).collect();
        order.sort_by_key(|client| std::cmp::Reverse(self.told[*client as usize]));
        for (rank, client) in order.iter().enumerate() {
            let client = *client as usize;
            let expected = total - rank - usize::from(self.manners == Manners::Dynasti);
            let in_order = match self.manners {
                Manners::Dynasti if total <= REMEMBERED => self.told_of[client] == order[rank + 1..],
                _ => true,
            };
            if self.told[client] != expected || !in_order {
                let what = format!("client {client} was told of {} who joined, in the order ", self.told[client]);
                let order = format!("{:?}; expected were {expected}", self.told_of[client]);
                return Err(Fault::Wrong(what + &order));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Reader {
    Steady,
    Stopping,
}

enum Meaning {
    /// This client joined.
    Joined(u32),
    Prompt,
    Welcome,
    /// It is right that it is said, and of no account.
    Other,
}

fn meaning(manners: Manners, line: &[u8]) -> Option<Meaning> {
    let contains = |part: &[u8]| line.windows(part.len()).any(|window| window == part);
    match manners {
        Manners::Ncat if contains(NCAT_JOINED) && line.ends_with(b">.") => Some(Meaning::Joined(0)),
        Manners::Ncat => Some(Meaning::Other),
        Manners::Dynasti => {
            if let Some(name) = line.strip_suffix(JOINED) {
                let digits = name.rsplit(|byte| byte.is_ascii_alphabetic()).next()?;
                return std::str::from_utf8(digits).ok()?.parse().ok().map(Meaning::Joined);
            }
            match line {
                PROMPT => Some(Meaning::Prompt),
                _ if line.starts_with(WELCOME) => Some(Meaning::Welcome),
                _ if contains(LEFT) => Some(Meaning::Other),
                _ => None,
            }
        }
    }
}
