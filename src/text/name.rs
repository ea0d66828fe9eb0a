//! What a name may be, when two are the same, and why one is refused.
