//! The chat room for everyone on one network.

pub mod text;
