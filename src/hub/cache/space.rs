//! Whether a file will fit, asked before its first byte is fetched.

use std::path::Path;

use sysinfo::Disks;

use crate::hub::error::Error;

/// Left free, so that a download does not bring the machine to a halt.
pub const MARGIN: u64 = 50_000_000;

/// Fails if the disk of `folder` has no room for `needed` more bytes beside the `reserved` ones
/// that others will still write. A disk that cannot be asked is taken to have room.
pub fn require(folder: &Path, needed: u64, reserved: u64) -> Result<(), Error> {
    let wanted = needed.saturating_add(reserved).saturating_add(MARGIN);
    match free_bytes(folder) {
        Some(free) if free < wanted => {
            let free = free.saturating_sub(reserved);
            Err(Error::NoRoom { folder: folder.to_owned(), needed, free })
        }
        _ => Ok(()),
    }
}

/// Free bytes on the disk that holds `folder`, or the nearest parent of it that exists.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find_map(|path| path.canonicalize().ok())?;
    let disks = Disks::new_with_refreshed_list().ok()?; // cannot be asked
    let holding = disks.iter().filter(|disk| existing.starts_with(disk.mount_point()));
    let nearest = holding.max_by_key(|disk| disk.mount_point().components().count())?;
    // Some file systems do not say: 0 of 0 bytes free is no answer.
    (nearest.total_space() > 0).then(|| nearest.available_space())
}
