//! What may be said: from the bytes a client sends to lines and names that are safe to show. Pure functions and small
//! state machines; knows nothing of sockets, clocks, tasks or the room.

pub mod line;
pub mod name;
