//! The contract, as transcripts at the boundary: the real server, real sockets, real programs.
//!
//! There is one file for each group of promises, and each test is one promise. `ann.hears(…)` means the very next line,
//! so every transcript also shows what was *not* said.

#[cfg(feature = "link")]
mod broker;
#[cfg(feature = "web")]
mod browser;
mod chaos;
mod crowd;
mod emulator;
mod harness;
#[cfg(all(feature = "web", feature = "discovery", feature = "link"))]
mod machine;
mod random;
mod reference;
mod seat;
mod wire;

mod backpressure;
mod bounds;
mod commands;
#[cfg(feature = "discovery")]
mod discovery;
mod documented;
#[cfg(feature = "web")]
mod files;
mod fuzz;
mod history;
mod holders;
mod imitation;
mod join;
#[cfg(feature = "web")]
mod join_files;
mod lines;
#[cfg(feature = "link")]
mod link;
#[cfg(feature = "link")]
mod link_faults;
mod names;
mod operator;
mod order;
mod password;
mod process;
#[cfg(all(feature = "web", feature = "discovery", feature = "link"))]
mod readme;
mod soak;
mod stopping;
mod strangers;
mod stress;
mod systemd;
mod talk;
mod tools;
#[cfg(feature = "web")]
mod web;
