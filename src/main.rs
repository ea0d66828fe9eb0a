//! The process: arguments, executor, sockets, signals, standard input, exit status.

fn main() {}
