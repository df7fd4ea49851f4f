//! How much memory this process could still take.

use std::path::Path;

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
