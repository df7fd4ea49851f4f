//! The most memory that this process ever held.

use super::out;

pub(super) fn print_peak(peak: Option<u64>) -> anyhow::Result<()> {
    match peak {
        Some(peak) => out::line(&format!("peak memory         {:>8} MB", peak / 1_000_000)),
        None => Ok(()),
    }
}

/// The most memory that this process ever held, in bytes. `None` where the system does not say.
pub(super) fn peak_memory() -> Option<u64> {
    status("VmHWM:")
}

/// The memory that it holds now.
pub(super) fn held_memory() -> Option<u64> {
    status("VmRSS:")
}

fn status(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?; // only Linux has it
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
