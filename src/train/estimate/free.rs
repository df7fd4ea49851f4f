//! How much memory this process could still take.

use std::path::Path;

use super::super::error::Error;
use super::changes::Change;

/// Bytes that could still be used: what the system has, what a container leaves, and what a limit
/// on the process's addresses leaves. `None`: this system does not say.
pub fn free_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    // Its own count of what is free takes files that are only cached for used.
    let container = system.cgroup_limits();
    let container = container.map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let available = Some(system.available_memory()).filter(|bytes| *bytes > 0);
    [available, container, addresses_left()].into_iter().flatten().min()
}

/// What `ulimit -v` leaves. Only Linux has these files.
fn addresses_left() -> Option<u64> {
    let process = Path::new("/proc/self");
    let limits = std::fs::read_to_string(process.join("limits")).ok()?;
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = limit.split_whitespace().next()?.parse().ok()?; // "unlimited" is no number
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let used = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let used: u64 = used.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(limit.saturating_sub(used * 1024))
}

/// Refuses what would not fit. `needed` is what is to be taken from here on.
pub fn check(needed: u64, changes: &[Change]) -> Result<(), Error> {
    match free_memory() {
        Some(free) if needed > free => {
            let changes = changes.iter().map(Change::sentence).collect();
            Err(Error::Memory { needed, free, changes })
        }
        _ => Ok(()),
    }
}

/// As a run goes on: other programs may have taken what was free when it began.
pub fn check_more(bytes: u64) -> Result<(), Error> {
    match free_memory() {
        Some(free) if bytes > free => Err(Error::OutOfMemory { bytes }),
        _ => Ok(()),
    }
}

/// `1.2 GB`, `640 MB`.
pub fn gigabytes(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 950.0 {
        format!("{megabytes:.0} MB")
    } else {
        format!("{:.1} GB", megabytes / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_its_numbers() {
        let free = free_memory().expect("this system says how much memory is free");
        check(1, &[]).unwrap();
        let setting = "dtype = \"auto\"".to_owned();
        let changes = [Change { setting, peak: 600_000_000 }];
        let err = check(free.saturating_mul(8), &changes).unwrap_err().to_string();
        assert!(err.contains("dtype = \"auto\" it would need 600 MB"), "{err}");
    }

    #[test]
    fn bytes_are_as_exact_as_an_estimate_deserves() {
        assert_eq!(gigabytes(640_200_000), "640 MB");
        assert_eq!(gigabytes(1_249_000_000), "1.2 GB");
    }
}
