//! What pages cost the server: a room of `nc` clients is compared with a room of as many clients, half of which are
//! pages. Only clients of `nc` say anything, so the rooms differ only in who hears it.

use crate::fault::Result;
use crate::instructions::Count;
use crate::peers::Peer;
use crate::process::Process;
use crate::report::Figure;
use crate::room::Room;
use crate::workloads::{self, Figures, Span, Talk};

/// Both rooms.
pub(crate) struct Rooms {
    nc: Room,
    mixed: Room,
    /// How many clients each has, half of which are pages in the second.
    clients: usize,
}

impl Rooms {
    /// Opens both rooms of `peer`, one with twice as many clients, and one with so many clients and as many pages.
    pub(crate) fn open(peer: &Peer, half: usize) -> Result<Self> {
        let (nc, mixed) = (Process::start(peer.command()?)?, Process::start(peer.command_with_page()?)?);
        Self::of(peer, nc, mixed, half)
    }

    fn of(peer: &Peer, nc: Process, mixed: Process, half: usize) -> Result<Self> {
        let (mut nc, mut mixed) = (Room::of(peer, nc)?, Room::of(peer, mixed)?);
        nc.fill_singly(2 * half)?;
        mixed.fill_singly(half)?;
        mixed.add_pages(half)?;
        Ok(Self { nc, mixed, clients: 2 * half })
    }

    /// The processor time of a delivery to a page, beside that of one to a client of `nc`.
    pub(crate) fn throughput(&mut self, talk: Talk, span: Span) -> Result<Figures> {
        let nc = workloads::cost(&mut self.nc, self.clients, talk, span)?;
        let mixed = workloads::cost(&mut self.mixed, self.clients, talk, span)?;
        let page = page(self.clients, nc, mixed);
        Ok(vec![(Figure::PageRatio, page / nc), (Figure::PageCpu, page), (Figure::NcCpu, nc)])
    }
}

/// The same in instructions: what a long run has more of than a short one.
pub(crate) fn instructions(peer: &Peer, half: usize, talk: Talk, (short, long): (usize, usize)) -> Result<Figures> {
    let run = |lines| {
        let (of_nc, of_mixed) = (Count::new(), Count::new());
        let nc = Process::start(of_nc.command(&peer.command()?))?;
        let mixed = Process::start(of_mixed.command(&peer.command_with_page()?))?;
        let mut rooms = Rooms::of(peer, nc, mixed, half)?;
        let deliveries = workloads::deliveries_of(&mut rooms.nc, rooms.clients, talk, lines)?;
        workloads::deliveries_of(&mut rooms.mixed, rooms.clients, talk, lines)?;
        rooms.nc.end()?;
        rooms.mixed.end()?;
        Ok((of_nc.read()? as f64, of_mixed.read()? as f64, deliveries as f64))
    };
    let ((nc_before, mixed_before, before), (nc, mixed, all)) = (run(short)?, run(long)?);
    let (nc, mixed) = ((nc - nc_before) / (all - before), (mixed - mixed_before) / (all - before));
    let page = page(2 * half, nc, mixed);
    Ok(vec![(Figure::PageRatio, page / nc), (Figure::PageInstructions, page), (Figure::NcInstructions, nc)])
}

/// What a delivery to a page costs in a room of so many clients, where one to a client of `nc` costs `nc`, and one in
/// the mixed room `mixed`.
fn page(clients: usize, nc: f64, mixed: f64) -> f64 {
    // Whoever says a line does not hear it, and is no page.
    let (all, pages) = ((clients - 1) as f64, (clients / 2) as f64);
    (all * mixed - (all - pages) * nc) / pages
}
