//! What the room counts, and what it knows of a member, for whoever shows it. Knows nothing of how that is done.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::text::name::Name;

/// A member, as the operator sees one.
#[derive(Debug)]
pub struct Presence {
    /// The name.
    pub name: Name,
    /// The address it comes from.
    pub address: SocketAddr,
    /// The time since it came.
    pub here: Duration,
    /// How many lines wait to be read.
    pub queued: usize,
    /// Whether the operator lets nobody hear it.
    pub muted: bool,
}

/// How the room does.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// The time since the room was opened.
    pub uptime: Duration,
    /// How many members there are.
    pub here: usize,
    /// How many members there were at most.
    pub most: usize,
    /// How many lines were said.
    pub lines: u64,
    /// How many lines were put into queues.
    pub deliveries: u64,
    /// How many members left for each cause.
    pub drops: BTreeMap<&'static str, u64>,
    /// How many bytes wait in queues.
    pub queued: usize,
}
