//! What may be said: lines, names, commands and sentences. Pure functions of text, without sockets, tasks or clocks.

mod bytes;
pub mod command;
pub mod file;
pub mod line;
pub mod message;
pub mod name;
pub mod server;
pub(crate) mod spoken;
pub mod time;
