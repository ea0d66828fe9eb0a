//! The chat room for everyone on one network.

pub mod client;
pub mod room;
pub mod server;
pub mod text;
