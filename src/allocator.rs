//! The C library's allocator, told that a window frees and asks for the same memory at every frame.

/// Freed memory goes back to the system only beyond so many bytes at the end of the heap.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: i32 = 32 << 20;

/// Blocks from this size on are mapped one by one, so that a model's weights leave nothing behind.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED: i32 = 4 << 20;

/// Keeps memory that the next frame needs again.
///
/// A graphics driver that draws in software takes several megabytes for the triangles of a frame
/// and frees them at its end. glibc then returns them to the system at once, and half of the
/// processor time of a frame went into getting them back page by page.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator's settings are a C function")]
pub(super) fn keep_freed_memory() {
    // SAFETY: sets two numbers of the allocator under its own lock; no memory of ours is touched.
    // A refusal (0) leaves them as they were, which is only slower.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
    }
}

/// Other allocators keep it themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn keep_freed_memory() {}
