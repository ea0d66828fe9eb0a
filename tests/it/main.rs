//! The contract, as transcripts at the boundary.
