//! The chat room for everyone on one network: a server that anybody joins with plain `nc`, and a client of its own.
//!
//! The [`guide`] explains how to build it, run it, use it and change it. This page is the map of the code.
//!
//! # How a line gets from one client to the others
//!
//! ```text
//! bytes in → line → session (name, command) → room: one log, many readers → bytes out
//! ```
//!
//! A client's reader task ([`server`]) passes what it has read to a [`text::line::Decoder`], which cuts it into lines
//! and removes everything that must not reach a terminal. An [`access::session::Session`] decides what to do with each
//! line. Most lines are said: all such lines of one read become one [`text::message::Message`]. The [`room`] appends it
//! to its log and notifies the readers: at once while one person speaks, after a moment while several do. Each client's
//! writer task reads the log from the cursor of its [`room::Reader`] on, and writes with as few system calls as it
//! needs.
//!
//! # One line's way
//!
//! Ann types `hello` into `nc`. Bob uses `nc`, too, Cid uses the page on a phone, and Dan is on another server.
//!
//! 1. `server/read.rs`: the reader task of Ann's connection reads `hello\n`, and passes it to her `Talk`
//!    (`access/talk.rs`), which knows how fast she may talk.
//! 2. `text/line.rs` makes a clean `Line` of it. `access/session.rs` finds that it is to be said, and not a name, a
//!    password or a command. `text/message/` makes the `Message` of it that everybody else hears: `Ann: hello`.
//! 3. [`room::Room::try_say`] takes the lock. `room/publish.rs` appends the message to the log with Ann as its author,
//!    keeps it for `/history`, and notifies every reader through its channel. Then the lock is free, and Ann's task
//!    reads on.
//! 4. `server/write.rs`: Bob's writer task wakes, and his `Reader` gives it the bytes from his cursor on, as they lie
//!    in the log. Ann's writer task wakes, too, and her `Reader` leaves out what is her own.
//! 5. `web/stream.rs` does the same for Cid, with one difference: `web/events.rs` makes an event of the line.
//! 6. `link/mod.rs` is a reader like these. It puts the line into its outbox, and `link/session.rs` sends it to the
//!    broker. On Dan's server `link/session.rs` receives it, `link/envelope.rs` checks that a member of Ann's server
//!    can have said it, and [`room::Room::hear`] appends it to that room's log as `Ann@pi1: hello`.
//!
//! The transcript and the operator's terminal are readers, too. If Ann types `/me waves`, step 2 ends with a command,
//! and [`room::Room::act`] (`room/act.rs`) obeys it. A file comes to step 3 in another way: `web/files.rs` receives it,
//! [`files`] keeps it, and the room appends a line that says who shares it and where it is.
//!
//! # The layers
//!
//! | module | job | knows nothing of |
//! | --- | --- | --- |
//! | [`token`] | random tokens, which nobody can guess | what a token names |
//! | [`text`] | lines, names, commands and sentences: what may be said, and how it is worded | who hears it; sockets, tasks, clocks |
//! | [`address`] | which addresses count as one | who may come in |
//! | `blocking` | work that blocks, on another thread | what the work is |
//! | [`lookup`] | the addresses of a host | what is done with them |
//! | [`within`] | a timeout for any future | what the future does |
//! | [`room`] | the members, the log, and what each member hears | sockets, and the wording of what clients hear |
//! | [`files`] | the files that members share, in bounded memory | how they are sent and fetched |
//! | [`access`] | what `nc` and browsers have in common: listening, admission, sessions, pace | any protocol |
//! | [`server`] | clients that use `nc`, and the operator's console | the process |
//! | `web` | browsers, and scripts that use HTTP | `nc` |
//! | `link` | one room on several servers, through a NATS broker | how clients join |
//! | `discovery` | how the server is found without an address: multicast DNS | the room, and how clients join |
//! | [`client`] | `dynasti join` | the room and the server |
//! | `main.rs` and `process/` | the process: arguments, signals, standard streams, exit status | what clients hear |
//!
//! A module uses only modules above it in this table. `client` uses neither `room` nor `server`.
//!
//! # The laws
//!
//! 1. Only [`text::line`] makes a `Line`, only [`text::message`] makes a `Message`, and only a `Message` reaches a
//!    client. So unclean text cannot reach the room, and a client hears only the sentences of that module.
//! 2. Each method of the room takes the lock, works and releases it. No guard leaves `room`, and nothing is awaited
//!    under it.
//! 3. Joining checks the name, welcomes, announces and inserts under one guard.
//! 4. Appending to the log never waits. A reader that lags too far ends its own connection and no other.
//! 5. A member is removed once: by the room at the moment that it drops or ends it, else by its own connection. The
//!    removal is announced, and it frees the name.
//! 6. Everything has a limit, in count and in bytes, and the reason for a limit stands beside its number.
//! 7. The library never prints, exits, reads arguments or handles signals: it takes listeners, readers and futures.
//! 8. The code that must wait for a task holds it. Where a task is detached, a comment says why. A panic ends one
//!    client, or the server.
//! 9. A method of `&self` changes nothing behind the room's lock. A method that changes something takes `&mut self`,
//!    which only the write lock gives.

pub mod access;
pub mod address;
mod blocking;
pub mod client;
#[cfg(feature = "discovery")]
pub mod discovery;
pub mod files;
#[cfg(doc)]
pub mod guide;
#[cfg(feature = "link")]
pub mod link;
pub mod lookup;
pub mod room;
pub mod server;
pub mod text;
pub mod token;
#[cfg(feature = "web")]
pub mod web;
pub mod within;
