//! How the server is found without an address: multicast DNS (RFC 6762) and DNS-SD (RFC 6763).
//!
//! ```text
//! interfaces ─┐    ┌─ link (one for each interface and family) ← records
//! socket ──→ task ─┴─ responder → names
//!   └──────── packet ────┘
//! ```
//!
//! A packet from a socket is decoded, and given to the responder, which gives it to the link that it came by. A link
//! decides what is answered, and the responder what the server is called. `find` is the client's side.
//!
//! Knows nothing of the room or of how anybody gets into it.

mod dice;
mod find;
mod interfaces;
mod link;
mod names;
mod packet;
mod records;
mod responder;
mod socket;
mod task;
#[cfg(test)]
mod tests;

pub use find::{Found, find};
pub use link::To;
pub use packet::{MAX_PACKET, decode};
pub use records::{Net, PAGE, ROOM, Service};
pub use responder::{Key, Outgoing, Responder};
pub use task::{News, Options, run};
