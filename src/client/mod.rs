//! client
mod clusters;
mod editor;
mod keys;
mod names;
