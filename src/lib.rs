//! The chat room for everyone on one network: a server that anybody joins with plain `nc`, and a client of its own.
//!
//! # The way of a line
//!
//! ```text
//! bytes in → line → session (name, command) → room → outbox → bytes out
//! ```
//!
//! A client's reader task ([`server`]) passes what it read to a [`text::line::Decoder`], which cuts it into lines and
//! removes whatever must not reach a terminal. A [`server::session::Session`] decides what is to be done about each
//! line. Most are said. All that one read brought becomes one [`text::message::Message`], and the [`room`] puts it into
//! everybody's outbox: as one more part of a batch that all share, as long as nobody has begun to read that. Each
//! client's writer task takes what has gathered in its outbox, and writes it with as few system calls as it needs.
//!
//! # The layers
//!
//! | module | job | knows nothing of |
//! | --- | --- | --- |
//! | [`text`] | what may be said, and how it is worded | who hears it; sockets, tasks, clocks |
//! | [`address`] | what counts as one address | who may come in |
//! | [`within`] | a limit in time for any future | what the future does |
//! | [`room`] | who hears it | sockets, and the wording of what clients hear |
//! | [`server`] | how they get here: sockets, sessions, the operator's console | the process |
//! | [`client`] | `dynasti join` | the room and the server |
//! | `main.rs` and `process/` | the process: arguments, signals, standard streams, exit status | what clients hear |
//!
//! A module uses only what is above it in this table. `client` uses neither `room` nor `server`.
//!
//! # The laws
//!
//! 1. Only [`text::line`] makes a `Line`, only [`text::message`] makes a `Message`, and only a `Message` reaches a
//!    client. So unclean text cannot reach the room, and a client hears no sentence but those in that module.
//! 2. Each method of the room takes the lock, works and lets go. No guard leaves `room`, and nothing is awaited under it.
//! 3. To join is to have the name checked, to be welcomed, announced and inserted, under one guard.
//! 4. To post to an outbox never waits. A full one ends its own connection and no other.
//! 5. A member is removed once, by its own connection, on every path.
//! 6. Everything has a limit, and the limit's reason stands beside its number.
//! 7. The library never prints, exits, reads arguments or hears signals: it takes listeners, readers and futures.
//! 8. A task is held by whoever must wait for it; where one is detached, the reason stands there.

pub mod address;
pub mod client;
pub mod room;
pub mod server;
pub mod text;
pub mod within;
