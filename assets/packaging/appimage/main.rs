//! The beginning of an `AppImage` (type 2): takes the program out of the squashfs image that is
//! appended to this file, into memory, and becomes it.
//!
//! Nothing is mounted and nothing is written to the disk: it starts where FUSE is missing, and when
//! the program has ended nothing is left. The program is one file, and reads no other of the image.

#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod squashfs;
#[cfg(target_os = "linux")]
mod system;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

/// An AppImage is Linux's.
#[cfg(not(target_os = "linux"))]
fn main() {}
