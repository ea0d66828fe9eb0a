//! Why a run does not count. Knows nothing of what was run.

use std::fmt;

/// The result of anything that a run is made of.
pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// Why a run does not count.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Lines were lost, doubled, disordered or damaged, or a client that did nothing wrong was cut off.
    Wrong(String),
    /// What was under way stopped arriving, and the wait for it was given up.
    Stalled(String),
    /// It could not be run at all.
    Unable(String),
    /// It was going well, but took longer than there is time for.
    Late(String),
}

impl Fault {
    /// Nothing could be measured: what was being tried, and the error it ended in.
    pub(crate) fn unable(trying: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::Unable(format!("{trying}: {error}"))
    }

    /// One word for a table's cell.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Wrong(_) => "wrong",
            Self::Stalled(_) => "stalls",
            Self::Unable(_) => "fails",
            Self::Late(_) => "late",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Wrong(text) | Self::Stalled(text) | Self::Unable(text) | Self::Late(text)) = self;
        f.write_str(text)
    }
}
