//! Opens the window, or runs a command. Neither is there yet.

fn main() {}
