//! The guide: what README has no room for. There is no code here, and nothing of it in the program.
//!
//! - To run it: [building it, for a Raspberry Pi too](build), [the service, the transcript, and being found](service),
//!   [when something is wrong](trouble).
//! - To use it: [scripts and events](scripts), [files], [several servers](link), [who can read along](privacy).
//! - To trust it: [what can be relied on](promises), [how fast it is](speed), [how it is tested](testing).
//! - To change it: [the code, and how to add a command, an option or a way to join](code).
//!
//! Each page is a file in `src/guide/`, which reads as well without this frame. `tests/it/readme.rs` types their commands.

#[doc = include_str!("build.md")]
pub mod build {}
#[doc = include_str!("code.md")]
pub mod code {}
#[doc = include_str!("files.md")]
pub mod files {}
#[doc = include_str!("link.md")]
pub mod link {}
#[doc = include_str!("privacy.md")]
pub mod privacy {}
#[doc = include_str!("promises.md")]
pub mod promises {}
#[doc = include_str!("scripts.md")]
pub mod scripts {}
#[doc = include_str!("service.md")]
pub mod service {}
#[doc = include_str!("speed.md")]
pub mod speed {}
#[doc = include_str!("testing.md")]
pub mod testing {}
#[doc = include_str!("trouble.md")]
pub mod trouble {}
