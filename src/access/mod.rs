//! What is common to all ways in: listening and accepting, who may come in, what a client's lines are taken for, and
//! how fast they are taken; and what members are told of files.
//!
//! Knows sockets, and no protocol: what is read from them and written to them is `server`'s and `web`'s.

pub(crate) mod accept;
pub mod admission;
mod diag;
pub(crate) mod goodbye;
pub mod holders;
mod keepalive;
pub(crate) mod listener;
pub(crate) mod pace;
pub mod password;
pub(crate) mod polled;
pub(crate) mod ready;
pub mod session;
pub mod sharing;
pub(crate) mod talk;
pub(crate) mod tasks;

pub use self::accept::REFUSED_AT_ONCE;
pub use self::listener::bind;
pub use self::tasks::spawn;
