//! Files and folders as the cache needs them: what is below a folder, moves that are whole or not
//! at all, links, locks.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hub::error::Error;
use crate::jobs;
use crate::jobs::Progress;

/// Held while a blob is fetched. The lock goes with the file handle.
pub struct BlobLock {
    _file: File,
}

/// Waits until nobody else holds `path`. `on_wait` is called once if somebody does.
pub(crate) fn lock_file<E>(
    path: &Path,
    progress: &dyn Progress<E>,
    on_wait: &dyn Fn(),
) -> Result<BlobLock, Error> {
    let at = |source| Error::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(at)?;
    }
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(at)?;
    let mut has_waited = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(BlobLock { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => {
                if !has_waited {
                    on_wait();
                    has_waited = true;
                }
                jobs::pause(progress, Duration::from_millis(100))?;
            }
            // Network file systems without locks: better two downloads than none.
            Err(std::fs::TryLockError::Error(error)) => {
                log::warn!("{} cannot be locked: {error}", path.display());
                return Ok(BlobLock { _file: file });
            }
        }
    }
}

/// Names of the folders in `folder`, sorted. Links are not followed.
pub(crate) fn folders_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Every file below `folder`, sorted: plain ones and links to files. Links to folders are not
/// entered, so there are no loops.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.filter_map(Result::ok) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < 8 => walk(&entry.path(), depth + 1, found),
                Ok(kind) if kind.is_dir() => {}
                Ok(_) => found.push(entry.path()),
                Err(_gone_meanwhile) => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, 0, &mut found);
    found.sort();
    found
}

/// Size in bytes of a file, through links. 0 where there is none.
pub(crate) fn file_size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

/// Renames, or copies where the folders are on different disks: whole or not at all.
pub(crate) fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy_file(from, to)?;
            std::fs::remove_file(from)
        }
        other => other,
    }
}

/// Whole or not at all.
pub(super) fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().unwrap_or_else(|| Path::new("."));
    let mut copy = tempfile::Builder::new().prefix(".moving-").tempfile_in(folder)?;
    io::copy(&mut File::open(from)?, copy.as_file_mut())?;
    copy.as_file().sync_all()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // A temporary file is private; the cache is read by other programs.
        copy.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    copy.persist(to)?;
    Ok(())
}

#[cfg(unix)]
pub(super) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
pub(super) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    // Windows follows a relative link only with its own slashes.
    let target = target.to_string_lossy().replace('/', "\\");
    std::os::windows::fs::symlink_file(target, link)
}
