//! How the server is found without an address: multicast DNS (RFC 6762) and DNS-SD (RFC 6763).
//!
//! ```text
//! socket → packet → link (one for each interface and family) → responder → packet → socket
//! ```
//!
//! Knows nothing of the room or of how anybody gets into it.

mod dice;
mod link;
mod names;
mod packet;
mod records;
mod responder;
#[cfg(test)]
mod tests;

pub use link::To;
pub use names::{MAX_NAME, is_host_name};
pub use packet::{MAX_PACKET, decode};
pub use records::{Net, PAGE, ROOM, Service};
pub use responder::{Key, Responder, Send};
