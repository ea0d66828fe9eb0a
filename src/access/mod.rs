//! What `nc` and browsers have in common: listening and accepting, who may come in, what a client's lines mean, how
//! fast they are read, and the answers about files.
//!
//! Knows sockets, and no protocol: `server` and `web` know what is read from sockets and written to them.

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
