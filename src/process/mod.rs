//! The parts of the process that `main.rs` puts together: arguments, standard streams, the service manager, the
//! executor's thread.
//!
//! Each knows the system and the library. None uses another, except [`report`], which has all the wording.

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
