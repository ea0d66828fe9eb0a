//! An amount of text, in both of the measures that limits have.

use std::ops::{Add, AddAssign, Sub};

/// An amount of text. A position in the log is the size of all that stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Whole lines.
    pub lines: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

impl Size {
    /// Returns whether either measure is more than the limit's.
    pub(crate) fn exceeds(self, limit: Size) -> bool {
        self.lines > limit.lines || self.bytes > limit.bytes
    }

    /// Returns the larger of each measure.
    pub(super) fn max(self, other: Size) -> Size {
        Size { lines: self.lines.max(other.lines), bytes: self.bytes.max(other.bytes) }
    }

    /// Returns half of each measure.
    pub(super) const fn half(self) -> Size {
        Size { lines: self.lines / 2, bytes: self.bytes / 2 }
    }
}

impl Add for Size {
    type Output = Size;

    fn add(self, other: Size) -> Size {
        Size { lines: self.lines + other.lines, bytes: self.bytes + other.bytes }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Size) {
        *self = *self + other;
    }
}

impl Sub for Size {
    type Output = Size;

    /// Returns what remains; zero where `other` is more.
    fn sub(self, other: Size) -> Size {
        Size { lines: self.lines.saturating_sub(other.lines), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}
