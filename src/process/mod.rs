//! The parts of the process that `main.rs` puts together: what it is asked for, what it says, and what it runs on.
//!
//! Each knows the system and the library, and none knows another but for the words, which are all in [`report`].

pub(crate) mod args;
pub(crate) mod drive;
#[cfg(feature = "discovery")]
pub(crate) mod find;
pub(crate) mod interfaces;
pub(crate) mod join;
pub(crate) mod notify;
pub(crate) mod password;
#[cfg(feature = "web")]
pub(crate) mod qr;
pub(crate) mod report;
pub(crate) mod stdio;
