//! What very many members of other servers cost a server. The other servers are simulated at the broker: they send the
//! lists of their members, and no lines. Knows the format of these lists.

use std::time::{Duration, Instant};

use crate::broker::{Broker, Visitor};
use crate::fault::{Fault, Result};
use crate::generator::Generator;
use crate::peers::Peer;
use crate::process::Process;
use crate::report::Figure;
use crate::room::STALL;
use crate::tally::{name_of, server_of};
use crate::workloads::Figures;

/// How often the lists come again, and how often they change; and how often `/who` is asked.
const AGAIN: u32 = 10;
/// How long to wait before a server that was perhaps not heard speaks again.
const PATIENCE: Duration = Duration::from_millis(100);

/// A linked server with one client, and those that are played.
struct Played {
    // The order matters: the server ends before the client leaves, and before the broker.
    server: Process,
    crowd: Generator,
    visitor: Visitor,
    _broker: Broker,
    /// How many servers have come and gone so that the client hears of it.
    marks: usize,
}

/// What `peer` uses for so many other servers with so many members each.
pub(crate) fn names(peer: &Peer, servers: usize, members: usize) -> Result<Figures> {
    let mut played = Played::open(peer)?;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let micro = |time: Duration| time.as_secs_f64() * 1e6 / (servers as u32 * AGAIN) as f64;
    let before = mebibytes(played.server.resident()?);
    let first: Vec<String> = (1..=servers).map(|server| list(server, 1, members)).collect();
    played.cost(&first, 1)?;
    let after = mebibytes(played.server.resident()?);
    let same = played.cost(&first, AGAIN)?;
    let mut new = Duration::ZERO;
    for revision in 2..2 + u64::from(AGAIN) {
        let lists: Vec<String> = (1..=servers).map(|server| list(server, revision, members)).collect();
        new += played.cost(&lists, 1)?;
    }
    let who = played.who()?;
    Ok(vec![
        (Figure::SameList, micro(same)),
        (Figure::NewList, micro(new)),
        (Figure::Unlinked, before),
        (Figure::AllLinked, after),
        (Figure::WhoCpu, who.as_secs_f64() * 1e3 / f64::from(AGAIN)),
    ])
}

/// The list of a server's members, which is short enough for one message. In each revision one of them is another.
fn list(server: usize, revision: u64, members: usize) -> String {
    let mut list = format!("here {} {:020x} {revision} 0 1 0\n", server_of(server), 1);
    let names = (0..members - 1).map(|member| format!("Member {member:04}\n"));
    list.extend(names.chain([format!("Guest {revision}\n")]));
    list
}

impl Played {
    fn open(peer: &Peer) -> Result<Self> {
        let broker = Broker::start()?;
        let server = Process::start(peer.command_linked(&broker.url(), &server_of(0))?)?;
        let mut crowd = Generator::new()?;
        crowd.connect(server.address, None)?;
        crowd.say(0, format!("{}\n", name_of(0)).as_bytes());
        let visitor = broker.visit()?;
        let mut played = Self { server, crowd, visitor, _broker: broker, marks: 0 };
        played.hear("a welcome", None, |line| line.starts_with("Welcome, "))?;
        played.mark()?;
        Ok(played)
    }

    /// The server's processor time for these lists, so many times one after the other.
    fn cost(&mut self, lists: &[String], times: u32) -> Result<Duration> {
        let before = self.server.cpu()?;
        for _ in 0..times {
            self.visitor.says(lists.iter().map(String::as_str))?;
            self.mark()?;
        }
        Ok(self.server.cpu()?.saturating_sub(before))
    }

    /// Waits until the server has heard all that was said: until it tells of a server that comes after that.
    fn mark(&mut self) -> Result<()> {
        self.marks += 1;
        let name = format!("mark{}", self.marks);
        let [comes, goes] = ["here", "bye"].map(|what| {
            let list = if what == "here" { " 1 0 1 0" } else { "" };
            format!("{what} {name} {:020x}{list}\n", 1)
        });
        let (linked, gone) = (format!("-- {name} is linked."), format!("-- {name} is not linked any more."));
        self.hear("that a server has come", Some(&comes), |line| line == linked)?;
        self.hear("that it has gone", Some(&goes), |line| line == gone)
    }

    /// The server's processor time for answers to `/who`.
    fn who(&mut self) -> Result<Duration> {
        let before = self.server.cpu()?;
        for _ in 0..AGAIN {
            self.crowd.say(0, b"/who\n");
            self.hear("how many more there are", None, |line| line.starts_with("-- … and "))?;
        }
        Ok(self.server.cpu()?.saturating_sub(before))
    }

    /// Waits until the client hears a line that is the one. Where a server is to say something for that, it does so again
    /// and again: who is not linked yet does not hear it.
    fn hear(&mut self, what: &str, says: Option<&str>, is_it: impl Fn(&str) -> bool) -> Result<()> {
        let (begun, mut said, mut heard) = (Instant::now(), None, false);
        while !heard {
            if said.is_none_or(|said: Instant| said.elapsed() > PATIENCE) {
                self.visitor.says(says)?;
                said = Some(Instant::now());
            }
            self.crowd.turn(Duration::from_millis(10), |_, lines| {
                heard |= String::from_utf8_lossy(lines).lines().any(&is_it);
                Ok(())
            })?;
            if begun.elapsed() > 2 * STALL {
                return Err(Fault::Stalled(format!("nobody says {what}")));
            }
        }
        Ok(())
    }
}
