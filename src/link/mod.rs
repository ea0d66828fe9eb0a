//! How one room is on several servers: through a broker, which speaks NATS and keeps what is said in a stream.
//!
//! ```text
//! bytes ⇄ nats (frames) ⇄ jetstream (requests and replies) ← json
//! ```
//!
//! Knows nothing of how anybody gets into the room.

#[allow(dead_code, reason = "the tasks that use it are still to come")]
mod jetstream;
#[allow(dead_code, reason = "the tasks that use it are still to come")]
mod json;
#[allow(dead_code, reason = "the tasks that use it are still to come")]
mod nats;
#[cfg(test)]
