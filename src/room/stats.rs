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
    /// Where the connection comes from.
    pub address: SocketAddr,
    /// How long the member has been here.
    pub here: Duration,
    /// Lines that are not read yet.
    pub queued: u64,
    /// Whether nobody hears them.
    pub muted: bool,
}

/// The room's figures.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Since the room was opened.
    pub uptime: Duration,
    /// Members now.
    pub here: usize,
    /// The most members that there were at once.
    pub most: usize,
    /// Lines said.
    pub lines: u64,
    /// Lines, each counted once for each member who was to hear it.
    pub deliveries: u64,
    /// How many members left not of their own doing, by cause.
    pub drops: BTreeMap<&'static str, u64>,
    /// Bytes that wait for members, all together.
    pub queued: u64,
}
