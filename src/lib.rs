//! The chat room for everyone on one network.
