//! client
mod clusters;
mod editor;
#[cfg(test)]
#[path = "../../tests/it/emulator.rs"]
mod emulator;
mod keys;
mod names;
mod screen;
