//! The chat room for everyone on one network: what `dynasti` serves and what `dynasti join` joins.
//!
//! This is the map of the house. What it promises to those who use it stands in README.
//!
//! # The way of a line
//!
//! ```text
//!  bytes in → line → session (name, command) → room → outbox → bytes out
//! ```
//!
//! A connection's reader hands what it reads to [`text::line`], which makes clean lines of it, telnet, escape sequences and
//! broken UTF-8 taken out. [`server::session`] is the conversation with one client as a state machine: it says what to do
//! with each line. The [`room`] does it, by posting a message to the outbox of everybody who is to hear it, and never waits
//! for any of them. A connection's writer takes what has gathered in its outbox and writes it in one go.
//!
//! # The floors
//!
//! | | | |
//! | --- | --- | --- |
//! | [`text`] | what may be said | pure, nothing but std |
//! | [`room`] | who hears it | one lock, and one bounded queue for each client |
//! | [`server`] | how they get here | sockets, tasks, clocks, limits |
//! | [`client`] | `dynasti join` | uses [`text`] alone |
//!
//! Each uses only what stands above it. The process itself is the program's business (`main.rs`): arguments, signals,
//! standard streams, the service manager, the exit status.
//!
//! # The laws
//!
//! 1. Only [`text::line`] makes a line, only [`text::message`] makes a message, and only a message reaches a client. So
//!    nothing unclean can reach the room, and no stray wording the wire.
//! 2. Each method of the room takes the lock, works, and lets go. The guard never leaves `room`, and nothing is awaited
//!    under it.
//! 3. To join is one step: the name is checked, its owner welcomed and announced under one guard.
//! 4. To post to an outbox never waits. One that is full ends its own connection and no other.
//! 5. A member is removed once, by its own connection, on every path.
//! 6. Everything has a limit, whose reason stands beside its number.
//! 7. Nothing here prints, exits, reads arguments or hears signals: listeners and the moment to stop are handed in.
//! 8. A task is held by whoever must wait for it; where one is detached instead, it says why.

pub mod client;
pub mod room;
pub mod server;
pub mod text;
