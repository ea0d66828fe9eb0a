//! What is run, in which order and how often. A round's runs of one workload stand side by side, server after server,
//! so that whatever else the machine does meanwhile is the same for all of them.

use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::beside::{self, Rooms};
use crate::broker::Broker;
use crate::elsewhere;
use crate::fault::{Fault, Result};
use crate::files::{self, File, FileServer, Shelf};
use crate::instructions::{self, Count};
use crate::linked::{LIVELY, Pace, Site};
use crate::peers::Peer;
use crate::process::Process;
use crate::report::{Figure, Report};
use crate::room::Room;
use crate::syscalls::{self, Counter};
use crate::workloads::{self, Figures, Span, Talk};

/// The kinds of workload, as `--only` names them.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    One,
    Busy,
    Rush,
    Idle,
    Latency,
    Stopped,
    Pages,
    Files,
    Link,
    Instructions,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        Ok(match name {
            "one" => Self::One,
            "busy" => Self::Busy,
            "rush" => Self::Rush,
            "idle" => Self::Idle,
            "latency" => Self::Latency,
            "stopped" => Self::Stopped,
            "pages" => Self::Pages,
            "files" => Self::Files,
            "link" => Self::Link,
            "instructions" => Self::Instructions,
            _ => {
                let known = "one, busy, rush, idle, latency, stopped, pages, files, link, instructions";
                return Err(format!("{name}: no such workload; {known}"));
            }
        })
    }
}

/// How much of everything.
pub(crate) struct Scale {
    rounds: usize,
    /// The rounds that others than dynasti and the floor take part in; of what takes them long, it is one.
    rounds_of_others: usize,
    small: usize,
    large: usize,
    idle: usize,
    /// Only asked of dynasti.
    huge: Option<usize>,
    span: Span,
    latency: Duration,
    /// How long system calls are counted.
    counted: Duration,
    idling: Duration,
    /// How many times in a round a file is sent, and fetched.
    transfers: usize,
    /// How many servers are linked when there are many, and how many members each has. Only if that is asked for alone.
    many: Option<(usize, usize)>,
    /// Whether instructions are counted, even if nobody asks for that alone.
    instructions: bool,
    /// When there must be no more rounds, so that all is done in three minutes on a slow machine too.
    budget: Option<Budget>,
}

/// When each part has had its time, from the beginning. A part that is reached late still has its first round.
#[derive(Clone, Copy)]
struct Budget {
    small: Duration,
    pages: Duration,
    files: Duration,
    link: Duration,
    rush: Duration,
    huge: Duration,
    large: Duration,
    /// None of its rows is begun later.
    instructions: Duration,
}

impl Budget {
    fn full() -> Self {
        let [small, pages, files, link, rush, huge, large, instructions] =
            [48, 56, 62, 74, 85, 120, 148, 166].map(Duration::from_secs);
        Self { small, pages, files, link, rush, huge, large, instructions }
    }
}

impl Scale {
    /// The same with so many rounds, which are all run however long that takes.
    pub(crate) fn with_rounds(self, rounds: usize) -> Self {
        Self { rounds, rounds_of_others: rounds, budget: None, ..self }
    }

    /// The whole benchmark.
    pub(crate) fn full() -> Self {
        Self {
            rounds: 5,
            rounds_of_others: 2,
            small: 100,
            large: 900,
            idle: 1000,
            huge: Some(10_000),
            span: Span { warm_up: Duration::from_millis(100), window: Duration::from_millis(500) },
            latency: Duration::from_secs(2),
            counted: Duration::from_millis(250),
            idling: Duration::from_secs(2),
            transfers: 3,
            many: Some((100, 1000)),
            instructions: true,
            budget: Some(Budget::full()),
        }
    }

    /// Enough to see that nothing is lost, doubled or disordered.
    pub(crate) fn quick() -> Self {
        let span = Span { warm_up: Duration::from_millis(20), window: Duration::from_millis(150) };
        Self {
            rounds: 1,
            large: 300,
            idle: 300,
            huge: None,
            span,
            latency: Duration::from_secs(1),
            counted: Duration::from_millis(100),
            idling: Duration::from_millis(500),
            transfers: 1,
            many: None,
            instructions: false,
            ..Self::full()
        }
    }
}

/// What is said while instructions are counted, and how many lines of it in a short run and in a long one.
const COUNTED: [(Talk, (usize, usize)); 3] =
    [(Talk::OneAtATime, (100, 1100)), (Talk::Busy(10), (640, 12_800)), (Talk::Busy(64), (640, 12_800))];

/// What is said in rooms with pages and without, and how many lines of it while instructions are counted.
const BESIDE: [(Talk, (usize, usize)); 2] = [(Talk::OneAtATime, (100, 600)), (Talk::Busy(10), (640, 6_400))];

/// What is said in rooms that are on two servers and on one.
const LINKED: [(&str, Pace); 4] = [
    ("one at a time", Pace::Closed(Talk::OneAtATime)),
    ("busy, 10 talkers", Pace::Closed(Talk::Busy(10))),
    ("busy, 64 talkers", Pace::Closed(Talk::Busy(64))),
    ("50 lines/s", Pace::Steady(LIVELY)),
];

/// The columns of what is found of linked servers, and in which the others are compared with.
const SITES: [&str; 3] = ["linked", "one server, as many", "one server, half as many"];
const ONE_SERVER: usize = 1;

/// One workload of a room, and how many clients it takes.
#[derive(Clone, Copy)]
enum Job {
    Closed(Talk),
    Latency,
    Stopped,
}

impl Job {
    fn kind(self) -> Kind {
        match self {
            Self::Closed(Talk::OneAtATime) => Kind::One,
            Self::Closed(Talk::Busy(_)) => Kind::Busy,
            Self::Latency => Kind::Latency,
            Self::Stopped => Kind::Stopped,
        }
    }

    /// Whether others than dynasti and the floor take long for it.
    fn is_long(self) -> bool {
        !matches!(self, Self::Closed(_))
    }

    fn name(self, clients: usize) -> String {
        match self {
            Self::Closed(Talk::OneAtATime) => format!("one at a time, {clients} clients"),
            Self::Closed(Talk::Busy(talkers)) => format!("busy, {clients} clients, {talkers} talkers"),
            Self::Latency => format!("latency, {clients} clients, 10 lines/s"),
            Self::Stopped => format!("one stopped reader, {clients} clients, 10 talkers"),
        }
    }
}

fn instructions_name(talk: Talk, clients: usize) -> String {
    format!("instructions, {}", Job::Closed(talk).name(clients))
}

fn pages_name(talk: Talk, half: usize) -> String {
    let talk = match talk {
        Talk::OneAtATime => "one at a time".to_owned(),
        Talk::Busy(talkers) => format!("busy, {talkers} talkers"),
    };
    format!("{half} pages beside {half} nc, {talk}")
}

fn instructions_beside_name(talk: Talk, half: usize) -> String {
    format!("instructions, {}", pages_name(talk, half))
}

fn rush_name(clients: usize) -> String {
    format!("rush, {clients} clients join at once")
}

fn idle_name(clients: usize) -> String {
    format!("idle, {clients} clients")
}

/// The benchmark as it runs.
pub(crate) struct Bench {
    servers: Vec<Peer>,
    /// Those who take part where it is about files.
    file_servers: Vec<FileServer>,
    scale: Scale,
    /// Nothing: all of them.
    only: Vec<Kind>,
    report: Report,
    /// What is found of files and of linked servers, in columns of its own.
    about_files: Report,
    about_links: Report,
    begun: Instant,
    /// When the present part has had its time.
    until: Option<Instant>,
}

impl Bench {
    /// What compares `servers`, one of which is the floor, and `file_servers`, of which dynasti is the first.
    pub(crate) fn new(servers: Vec<Peer>, file_servers: Vec<FileServer>, scale: Scale, only: Vec<Kind>) -> Self {
        let floor = servers.iter().position(Peer::is_floor).unwrap_or(0);
        let judged = servers.iter().map(|server| server.is_ours() || server.is_floor()).collect();
        let report = Report::new(servers.iter().map(|server| server.name.clone()).collect(), judged, floor);
        let judged = file_servers.iter().map(|server| server.peer(&servers).is_some()).collect();
        let about_files = Report::new(file_servers.iter().map(|server| server.name.clone()).collect(), judged, 0);
        let names = servers.iter().filter(|server| server.is_ours()).flat_map(|server| {
            let of = if server.is_dynasti() { String::new() } else { format!("{}, ", server.name) };
            SITES.map(|site| format!("{of}{site}"))
        });
        let about_links = Report::new(names.collect(), vec![true; SITES.len() * servers.len()], ONE_SERVER);
        let (begun, until) = (Instant::now(), None);
        Self { servers, file_servers, scale, only, report, about_files, about_links, begun, until }
    }

    /// Runs all of it, saying on standard error how far it is. Returns what was found of rooms, of files, and of linked
    /// servers.
    pub(crate) fn run(mut self) -> [Report; 3] {
        let descriptors = raise_descriptor_limit();
        let counter = syscalls::available();
        if counter.is_none() {
            self.report.note("System calls were not counted: neither perf nor strace can.".into());
        }
        let Scale { small, large, idle, huge, .. } = self.scale;
        let busy = [Job::Closed(Talk::Busy(10)), Job::Closed(Talk::Busy(64))];
        let in_small = [&[Job::Closed(Talk::OneAtATime)][..], &busy, &[Job::Stopped]].concat();
        let in_large = [&busy[..], &[Job::Latency]].concat();
        let nobody = self.servers.iter().map(|_| None).collect();
        let budget = self.scale.budget;
        self.until = budget.map(|budget| self.begun + budget.small);
        self.together(nobody, small, &in_small, counter);
        self.until = budget.map(|budget| self.begun + budget.pages);
        self.pages(small);
        self.until = budget.map(|budget| self.begun + budget.files);
        self.files();
        self.until = budget.map(|budget| self.begun + budget.link);
        self.links(small);
        self.until = budget.map(|budget| self.begun + budget.rush);
        self.rushes(large);
        self.until = budget.map(|budget| self.begun + budget.huge);
        if let Some(huge) = huge {
            self.huge_idles(huge, descriptors);
        }
        self.until = budget.map(|budget| self.begun + budget.large);
        // ncat takes ten seconds to fill such a room, so those who were idle are busy next, but for some who leave.
        let rooms = self.idles(idle);
        self.together(rooms, large, &in_large, counter);

        self.until = budget.map(|budget| self.begun + budget.instructions);
        self.instructions(small);

        let mut order: Vec<String> = in_small[..3].iter().map(|job| job.name(small)).collect();
        order.extend(in_large.iter().map(|job| job.name(large)));
        order.extend(BESIDE.map(|(talk, _)| pages_name(talk, small)));
        order.extend([Job::Stopped.name(small), rush_name(large), idle_name(idle)]);
        order.extend(huge.map(idle_name));
        order.extend(COUNTED.map(|(talk, _)| instructions_name(talk, small)));
        order.extend(BESIDE.map(|(talk, _)| instructions_beside_name(talk, small)));
        self.report.arrange(&order);
        eprintln!("{:4} s  done", self.begun.elapsed().as_secs());
        [self.report, self.about_files, self.about_links]
    }

    /// Runs `jobs` in rooms of `clients`, one room for each server, which all stay open to the end. Rooms that are
    /// there already have at least as many.
    fn together(&mut self, mut rooms: Vec<Option<Room>>, clients: usize, jobs: &[Job], counter: Option<Counter>) {
        let jobs: Vec<Job> = jobs.iter().copied().filter(|job| self.wants(job.kind())).collect();
        for round in 0..self.scale.rounds {
            for job in &jobs {
                if round > 0 && self.is_over() {
                    continue;
                }
                self.progress(Some(round), &job.name(clients));
                for server in self.order(round) {
                    self.job(&mut rooms[server], server, round, *job, clients);
                }
                eprintln!();
            }
        }
        let Some(counter) = counter else { return };
        if self.is_over() {
            self.report.note(format!("There was no time left to count system calls with {clients} clients."));
            return;
        }
        for job in jobs {
            let Job::Closed(talk) = job else { continue };
            self.progress(None, &format!("{}, counting system calls", job.name(clients)));
            for (server, open) in rooms.iter_mut().enumerate() {
                let Some(room) = open else { continue };
                let (window, id) = (self.scale.counted, room.server.id());
                match syscalls::count(counter, id, || workloads::deliveries(room, clients, talk, window)) {
                    Ok((calls, deliveries)) => {
                        let figures = vec![(Figure::Syscalls, calls as f64 / deliveries as f64)];
                        self.done(&job.name(clients), server, 0, Ok(figures));
                    }
                    Err(Fault::Unable(why)) => self.report.note(format!("System calls were not counted: {why}")),
                    Err(fault) => {
                        self.done(&job.name(clients), server, 0, Err(fault));
                        *open = None;
                    }
                }
            }
            eprintln!();
        }
    }

    /// Counts instructions in rooms of `clients`. They hardly vary, so once is enough.
    fn instructions(&mut self, clients: usize) {
        let by_itself = self.wants(Kind::Instructions) && (!self.only.is_empty() || self.scale.instructions);
        // It takes as long as all the others, so those who want to know ask for it.
        let beside = self.only.contains(&Kind::Pages);
        if !by_itself && !beside {
            return;
        }
        if !instructions::available() {
            self.report.note("Instructions were not counted: valgrind is not there, or cannot.".into());
            return;
        }
        for (talk, lines) in COUNTED.into_iter().filter(|_| by_itself) {
            let name = instructions_name(talk, clients);
            if self.is_over() {
                self.report.note(format!("There was no time left for {name}; --only instructions takes it."));
                continue;
            }
            self.count(
                &name,
                |bench, server| bench.is_judged(server),
                |peer| instructions_each(peer, clients, talk, lines),
            );
        }
        for (talk, lines) in BESIDE.into_iter().filter(|_| beside) {
            let name = instructions_beside_name(talk, clients);
            let ours = |bench: &Self, server: usize| bench.servers[server].is_ours();
            self.count(&name, ours, |peer| beside::instructions(peer, clients, talk, lines));
        }
    }

    /// Counts instructions of the servers that `takes_part` says.
    fn count(
        &mut self,
        name: &str,
        takes_part: impl Fn(&Self, usize) -> bool,
        each: impl Fn(&Peer) -> Result<Figures>,
    ) {
        self.progress(None, name);
        for server in 0..self.servers.len() {
            if !takes_part(self, server) {
                continue;
            }
            match each(&self.servers[server]) {
                Err(Fault::Unable(why)) => self.report.note(format!("Instructions were not counted: {why}")),
                found => self.done(name, server, 0, found),
            }
        }
        eprintln!();
    }

    /// Runs `job` in `room`, which is opened if need be, and closed after a fault, for who knows what is in it then.
    fn job(&mut self, room: &mut Option<Room>, server: usize, round: usize, job: Job, clients: usize) {
        let name = job.name(clients);
        if self.report.has_failed(&name, server) || !self.takes_part(server, round, job.is_long()) {
            return;
        }
        let mut run = || {
            let room = match room {
                Some(room) => room,
                None => room.insert(Room::open(&self.servers[server])?),
            };
            room.shrink(clients)?;
            room.fill(clients)?;
            match job {
                Job::Closed(talk) => workloads::throughput(room, clients, talk, self.scale.span),
                Job::Latency => workloads::latency(room, clients, self.scale.latency),
                Job::Stopped => workloads::stopped_reader(room, clients, self.scale.span),
            }
        };
        let found = run();
        if found.is_err() {
            *room = None;
        }
        self.done(&name, server, round, found);
    }

    /// Runs rooms of `half` clients and as many pages beside rooms of clients alone.
    fn pages(&mut self, half: usize) {
        if !self.wants(Kind::Pages) {
            return;
        }
        let ours: Vec<usize> = (0..self.servers.len()).filter(|server| self.servers[*server].is_ours()).collect();
        let mut rooms: Vec<(usize, Rooms)> = Vec::new();
        for server in ours {
            match Rooms::open(&self.servers[server], half) {
                Ok(both) => rooms.push((server, both)),
                Err(fault) => self.done(&pages_name(Talk::OneAtATime, half), server, 0, Err(fault)),
            }
        }
        for round in 0..self.scale.rounds {
            for (talk, _) in BESIDE {
                if round > 0 && self.is_over() {
                    continue;
                }
                let name = pages_name(talk, half);
                self.progress(Some(round), &name);
                rooms.retain_mut(|(server, both)| {
                    let found = both.throughput(talk, self.scale.span);
                    let goes_on = found.is_ok();
                    self.done(&name, *server, round, found);
                    goes_on
                });
                eprintln!();
            }
        }
    }

    /// Has each server that keeps files take one and give it, and looks at what that does to a room.
    fn files(&mut self) {
        if !self.wants(Kind::Files) {
            return;
        }
        let file = match File::new() {
            Ok(file) => file,
            Err(fault) => return self.about_files.fail(files::RATES, 0, fault),
        };
        let mut shelves: Vec<Option<Shelf>> = Vec::new();
        for server in 0..self.file_servers.len() {
            let shelf = self.file_servers[server].start(&self.servers, &file);
            shelves.push(shelf.map_err(|fault| self.about_files.fail(files::RATES, server, fault)).ok());
        }
        for round in 0..self.scale.rounds {
            if round > 0 && self.is_over() {
                continue;
            }
            self.progress(Some(round), files::RATES);
            for server in in_turn(shelves.len(), round) {
                let Some(shelf) = &mut shelves[server] else { continue };
                let found = shelf.rates(self.scale.transfers);
                if found.is_err() {
                    shelves[server] = None;
                }
                done(&mut self.about_files, files::RATES, server, round, found);
            }
            eprintln!();
        }
        drop(shelves);
        self.progress(None, files::BESIDE);
        for (number, server) in self.file_servers.iter().enumerate() {
            if let Some(peer) = server.peer(&self.servers) {
                let found = files::latency(peer, &file, self.scale.latency);
                done(&mut self.about_files, files::BESIDE, number, 0, found);
            }
        }
        eprintln!();
    }

    /// Has lines said in rooms on two servers with so many clients each, beside one server with as many in all, and one
    /// with half as many.
    fn links(&mut self, half: usize) {
        if !self.wants(Kind::Link) {
            return;
        }
        if !cfg!(feature = "link") || !Broker::is_installed() {
            self.about_links.note("Linked servers were not measured: nats-server is not there, or they cannot.".into());
            return;
        }
        let name = |what: &str| format!("2 servers, {half} clients each, {what}");
        let ours: Vec<usize> = (0..self.servers.len()).filter(|server| self.servers[*server].is_ours()).collect();
        let mut sites: Vec<Option<Site>> = Vec::new();
        for server in &ours {
            for (servers, clients) in [(2, 2 * half), (1, 2 * half), (1, half)] {
                let site = Site::open(&self.servers[*server], servers, clients);
                sites.push(site.map_err(|fault| self.about_links.fail(&name(LINKED[0].0), sites.len(), fault)).ok());
            }
        }
        for round in 0..self.scale.rounds {
            for (what, pace) in LINKED {
                if round > 0 && self.is_over() {
                    continue;
                }
                let name = name(what);
                self.progress(Some(round), &name);
                let window = if matches!(pace, Pace::Steady(_)) { self.scale.latency } else { self.scale.span.window };
                let span = Span { window, ..self.scale.span };
                for number in in_turn(sites.len(), round) {
                    let Some(site) = &mut sites[number] else { continue };
                    let found = site.measure(pace, span);
                    if found.is_err() {
                        sites[number] = None;
                    }
                    done(&mut self.about_links, &name, number, round, found);
                }
                eprintln!();
            }
        }
        drop(sites);
        let Some((servers, members)) = self.scale.many.filter(|_| self.only.contains(&Kind::Link)) else { return };
        for (number, server) in ours.into_iter().enumerate() {
            let peer = &self.servers[server];
            let span = Span { warm_up: self.scale.latency, window: 2 * self.scale.latency };
            let mut site = Site::open(peer, servers, 2 * servers);
            for (what, pace) in LINKED.into_iter().rev().take(2) {
                let name = format!("{servers} servers, 2 clients each, {what}");
                self.progress(None, &name);
                let found = site.as_mut().map_err(|fault| fault.clone()).and_then(|site| site.measure(pace, span));
                done(&mut self.about_links, &name, number * SITES.len(), 0, found);
                eprintln!();
            }
            drop(site);
            let name = format!("{servers} servers, {members} members each, as one of them knows them");
            self.progress(None, &name);
            let found = elsewhere::names(peer, servers - 1, members);
            done(&mut self.about_links, &name, number * SITES.len(), 0, found);
            eprintln!();
        }
    }

    fn rushes(&mut self, clients: usize) {
        if !self.wants(Kind::Rush) {
            return;
        }
        let name = rush_name(clients);
        for round in 0..self.scale.rounds {
            if round > 0 && self.is_over() {
                continue;
            }
            self.progress(Some(round), &name);
            for server in self.order(round) {
                if !self.report.has_failed(&name, server) && self.takes_part(server, round, true) {
                    let found = Room::open(&self.servers[server]);
                    let found = found.and_then(|mut room| workloads::rush(&mut room, clients));
                    self.done(&name, server, round, found);
                }
            }
            eprintln!();
        }
    }

    /// Opens a room of `clients` for `server`, looks at what it uses while nobody says anything, and returns the room.
    fn idle(&mut self, server: usize, clients: usize) -> Option<Room> {
        let opened = Room::open(&self.servers[server]).and_then(|mut room| {
            let figures = workloads::idle(&mut room, clients, self.scale.idling)?;
            Ok((figures, room))
        });
        let (figures, room) = match opened {
            Ok((figures, room)) => (Ok(figures), Some(room)),
            Err(fault) => (Err(fault), None),
        };
        self.done(&idle_name(clients), server, 0, figures);
        room
    }

    /// Looks at idle rooms for each server, and returns those that others may go on with.
    fn idles(&mut self, clients: usize) -> Vec<Option<Room>> {
        let servers = 0..self.servers.len();
        if !self.wants(Kind::Idle) {
            return servers.map(|_| None).collect();
        }
        self.progress(None, &idle_name(clients));
        let rooms = servers.map(|server| self.idle(server, clients)).collect();
        eprintln!();
        rooms
    }

    /// Looks at rooms so large that only dynasti is asked to fill them; to tell so many of so many takes others minutes,
    /// and what the floor keeps is no measure.
    fn huge_idles(&mut self, clients: usize, descriptors: u64) {
        if !self.wants(Kind::Idle) {
            return;
        }
        // Beside the clients' sockets there are the other files of both processes.
        if descriptors < clients as u64 + 100 {
            self.report.note(format!("{clients} clients need more than the {descriptors} descriptors allowed here."));
        } else if self.is_over() {
            self.report.note(format!("There was no time left for {clients} idle clients; --only idle takes it."));
        } else {
            self.progress(None, &idle_name(clients));
            for server in 0..self.servers.len() {
                if self.servers[server].is_ours() {
                    self.idle(server, clients);
                }
            }
            eprintln!();
        }
    }

    /// Whether `server` takes part in this round of something that others than dynasti and the floor may take `long` for.
    fn takes_part(&self, server: usize, round: usize, long: bool) -> bool {
        let others = if long { self.scale.rounds_of_others.div_ceil(2) } else { self.scale.rounds_of_others };
        round < if self.is_judged(server) { self.scale.rounds } else { others }
    }

    /// Whether the present part has had its time.
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() > until)
    }

    /// Whether `server` is dynasti, called as dynasti is, or the floor.
    fn is_judged(&self, server: usize) -> bool {
        self.servers[server].is_ours() || self.servers[server].is_floor()
    }

    fn wants(&self, kind: Kind) -> bool {
        self.only.is_empty() || self.only.contains(&kind)
    }

    fn order(&self, round: usize) -> Vec<usize> {
        in_turn(self.servers.len(), round)
    }

    fn progress(&self, round: Option<usize>, what: &str) {
        let round = round.map_or(String::new(), |round| format!("round {} of {}, ", round + 1, self.scale.rounds));
        eprint!("{:4} s  {round}{what}:", self.begun.elapsed().as_secs());
    }

    fn done(&mut self, workload: &str, server: usize, round: usize, found: Result<Figures>) {
        done(&mut self.report, workload, server, round, found);
    }
}

/// So many servers, in turn from the first and from the last, so that none always comes after the same.
fn in_turn(servers: usize, round: usize) -> Vec<usize> {
    if round % 2 == 0 { (0..servers).collect() } else { (0..servers).rev().collect() }
}

/// Says what was found, and takes it down.
fn done(report: &mut Report, workload: &str, server: usize, round: usize, found: Result<Figures>) {
    let name = &report.servers()[server];
    match found {
        Ok(figures) => {
            let head = figures.first().map_or(String::new(), |(figure, value)| figure.text(*value));
            eprint!("  {name} {head}");
            report.record(workload, server, round, &figures);
        }
        Err(fault) => {
            eprint!("  {name} {}", fault.word());
            report.fail(workload, server, fault);
        }
    }
}

/// The instructions of `peer` per delivery: what a long run has more of both than a short one, so that neither its start
/// and end count nor the joining.
fn instructions_each(peer: &Peer, clients: usize, talk: Talk, (short, long): (usize, usize)) -> Result<Figures> {
    let run = |lines| {
        let count = Count::new();
        let mut room = Room::of(peer, Process::start(count.command(&peer.command()?))?)?;
        room.fill_singly(clients)?;
        let deliveries = workloads::deliveries_of(&mut room, clients, talk, lines)?;
        room.end()?;
        Ok((count.read()? as f64, deliveries as f64))
    };
    let ((short, few), (long, many)) = (run(short)?, run(long)?);
    Ok(vec![(Figure::Instructions, (long - short) / (many - few))])
}

/// Allows this process and those it starts as many descriptors as they may have, and returns how many that is.
fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    limit.current = limit.maximum;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => allowed,
        Err(_) => getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
    }
}

/// The machine in words.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let about = read("/proc/cpuinfo");
    let model = about.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel: Vec<&str> = kernel.trim().split('.').take(2).collect();
    let model = if model.is_empty() { String::new() } else { format!(" ({model})") };
    format!("{processors} {} cores{model}, Linux {}, loopback", std::env::consts::ARCH, kernel.join("."))
}
