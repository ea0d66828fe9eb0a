//! The chat room for everyone on one network: a server that anybody joins with plain `nc`, and a client of its own.
//!
//! The [`guide`] tells how to build it, run it, use it and change it. This page is the map of the code.
//!
//! # How a line gets from one client to the others
//!
//! ```text
//! bytes in → line → session (name, command) → room: one log, many readers → bytes out
//! ```
//!
//! A client's reader task ([`server`]) passes what it read to a [`text::line::Decoder`], which cuts it into lines and
//! removes whatever must not reach a terminal. A [`access::session::Session`] decides what is to be done about each line.
//! Most lines are said: all that came with one read become one [`text::message::Message`]. The [`room`] appends it to its
//! log and notifies the readers: at once when one person speaks, after a moment when several do. Each client's writer task
//! reads the log from the cursor of its [`room::Reader`] on, and writes with as few system calls as it needs.
//!
//! # One line's way
//!
//! Ann, at `nc`, types `hello`. Bob is at `nc`, too, Cid at a phone, and Dan on another server.
//!
//! 1. `server/read.rs`: the reader task of Ann's connection reads `hello\n`, and passes it to her `Talk`
//!    (`access/talk.rs`), which knows how fast she may talk.
//! 2. `text/line.rs` makes a clean `Line` of it. `access/session.rs` finds that it is to be said, and not a name, a
//!    password or a command. `text/message/` makes the `Message` of it that everybody else hears: `Ann: hello`.
//! 3. [`room::Room::try_say`] takes the lock. `room/publish.rs` appends the message to the log, as Ann's, keeps it for
//!    `/history`, and notifies every reader through its channel. Then the lock is free, and Ann's task reads on.
//! 4. `server/write.rs`: Bob's writer task wakes, and his `Reader` hands it the bytes from his cursor on, as they lie in
//!    the log. Ann's task wakes as well, and her `Reader` leaves out what is hers.
//! 5. `web/stream.rs` does the same for Cid, but for one thing: `web/events.rs` makes an event of the line.
//! 6. `link/mod.rs` is a reader like them. It puts the line into its outbox, and `link/session.rs` sends it to the broker.
//!    On Dan's server that file receives it, `link/envelope.rs` looks whether a member there could have said it, and
//!    [`room::Room::hear`] appends it to that room's log as `Ann@pi1: hello`.
//!
//! The transcript and the operator's terminal are readers, too. Had Ann typed `/me waves`, step 2 would have ended with a
//! command, and [`room::Room::act`] (`room/act.rs`) would have obeyed it. A file takes another way to step 3:
//! `web/files.rs` receives it, [`files`] keeps it, and the room appends who shares it and where it is.
//!
//! # The layers
//!
//! | module | job | knows nothing of |
//! | --- | --- | --- |
//! | [`token`] | what cannot be guessed | what it names |
//! | [`text`] | what may be said, how it is worded, and what people, files and other servers may be called | who hears it; sockets, tasks, clocks |
//! | [`address`] | what counts as one address | who may come in |
//! | [`lookup`] | the addresses of a host | what is done with them |
//! | [`within`] | a timeout for any future | what the future does |
//! | [`room`] | who hears it | sockets, and the wording of what clients hear |
//! | [`files`] | what members share, in bounded memory | how it is sent and fetched |
//! | [`access`] | what is common to all ways in: listening, admission, sessions, pace | any protocol |
//! | [`server`] | how `nc` gets here, and the operator's console | the process |
//! | `web` | how browsers get here, and scripts by HTTP | how `nc` gets here |
//! | `link` | how one room is on several servers, through a NATS broker | how anybody gets into the room |
//! | `discovery` | how the server is found without an address: multicast DNS | the room, and how anybody gets into it |
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
//! 3. Joining checks the name, welcomes, announces and inserts under one guard.
//! 4. Appending to the log never waits. A reader that lags too far ends its own connection and no other.
//! 5. A member is removed once: by the room at the moment that it drops or ends it, else by its own connection. Removed is
//!    announced, and the name is free.
//! 6. Everything has a limit, in count and in bytes, and the limit's reason stands beside its number.
//! 7. The library never prints, exits, reads arguments or hears signals: it takes listeners, readers and futures.
//! 8. A task is held by whoever must wait for it; where one is detached, the reason stands there. A panic ends one client,
//!    or the server.
//! 9. `&self` changes nothing behind the room's lock. What changes something there is `&mut`, so it has the write lock.

pub mod access;
pub mod address;
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
