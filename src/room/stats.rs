//! The room's figures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::text::name::Name;

/// What the operator is shown of one member.
#[derive(Debug)]
pub struct Presence {
    /// The name.
    pub name: Name,
    /// Where from.
    pub address: SocketAddr,
    /// Time here.
    pub here: Duration,
    /// Lines that are not read yet.
    pub queued: u64,
    /// Whether nobody hears them.
    pub muted: bool,
}

/// How the room does.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Since the room was opened.
    pub uptime: Duration,
    /// Members now.
    pub here: usize,
    /// Members at most.
    pub most: usize,
    /// Lines said.
    pub lines: u64,
    /// Lines that somebody was to hear, each counted once for each.
    pub deliveries: u64,
    /// Members who left for a cause, and how many for each.
    pub drops: BTreeMap<&'static str, u64>,
    /// Bytes that are not read yet.
    pub queued: u64,
}
