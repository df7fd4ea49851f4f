//! What glibc's allocator keeps and what it gives back. Other allocators need not be told.

#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "the allocator's settings are C functions")
)]

/// Freed memory goes back to the system only beyond so many bytes at the end of the heap.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: i32 = 32 << 20;

/// Blocks from this size on are mapped one by one, so that a model's weights leave nothing behind.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED: i32 = 4 << 20;

/// Places that memory is taken from in a window: more than there are threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const WINDOW_ARENAS: i32 = 64;

/// Takes all memory from one place, whichever thread asks. Called before there is another thread.
///
/// Otherwise each of the threads that take turns at reading a prompt keeps what it freed, and the
/// other takes the same once more. Not for a window, which would wait for those threads.
pub fn share_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: as in `keep_freed_memory`.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Keeps memory that the next frame of a window needs again, and keeps it for the window's thread.
///
/// A graphics driver that draws in software takes several megabytes for the triangles of a frame
/// and frees them at its end. glibc then returns them to the system at once, and half of the
/// processor time of a frame went into getting them back page by page.
///
/// On two cores glibc lets threads from the seventeenth on share a place with others. Those that
/// train then held the lock that the window's thread waited for, and being less urgent, held it for
/// long.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets three numbers of the allocator under its own lock; no memory of ours is touched.
    // A refusal (0) leaves them as they were, which is only slower.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
        libc::mallopt(libc::M_ARENA_MAX, WINDOW_ARENAS);
    }
}

/// Gives back what lies free between pieces in use: after work that took much and left little.
///
/// Reading a vocabulary of 262,144 tokens leaves 45 MB of such gaps.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: returns pages without a live block to the system, under the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
