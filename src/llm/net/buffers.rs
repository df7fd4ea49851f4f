//! Memory that one layer of a pass leaves to the next.
//!
//! A pass makes hundreds of buffers of a few sizes. Fresh ones have to be cleared, on one thread,
//! and mapped page by page; together that took a tenth of a training step.

use std::ops::{Deref, DerefMut, Range};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What nobody uses now.
static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// Shorter ones are left to the allocator.
const KEPT_FROM: usize = 1 << 14;

/// Rows of the pass under way, and the most that a pass may have: see [`expect_rows`].
static ROWS: AtomicU64 = AtomicU64::new(0);

/// Says how many rows the next pass has, and how many one may have at most: a hint.
///
/// New buffers then have room for the most, so that passes of different lengths use the same ones;
/// room that is never written to takes no memory. Without it, each new length left the allocator
/// with holes that fit nothing: a third of a run's memory.
pub fn expect_rows(rows: usize, most: usize) {
    let packed = match (u32::try_from(rows), u32::try_from(most)) {
        (Ok(rows), Ok(most)) if rows < most => u64::from(rows) << 32 | u64::from(most),
        _ => 0,
    };
    ROWS.store(packed, Ordering::Relaxed);
}

/// What a new buffer for `len` values has room for.
fn room(len: usize) -> usize {
    let packed = ROWS.load(Ordering::Relaxed);
    let (rows, most) = ((packed >> 32) as usize, (packed & u64::from(u32::MAX)) as usize);
    len.checked_div(rows).map_or(len, |row_len| row_len * most + len % rows)
}

/// Some values; given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<f32>);

/// What a pass ends with, as a panic, where the system has no memory left for a buffer: what would
/// otherwise end the whole program. Whoever runs passes catches it: [`unless_out_of_memory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Of the buffer that there was no room for.
    pub bytes: u64,
}

/// What `work` gives; or that memory ran out for one of its buffers. Any other panic goes on.
///
/// What the work has changed by then stays as it is: the caller puts it right.
pub fn unless_out_of_memory<R>(work: impl FnOnce() -> R) -> Result<R, OutOfMemory> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        match payload.downcast::<OutOfMemory>() {
            Ok(out) => *out,
            Err(payload) => panic::resume_unwind(payload),
        }
    })
}

impl Buffer {
    /// `len` values that are anything: for what is written before it is read. Panics with
    /// [`OutOfMemory`] where there is no room.
    pub fn any(len: usize) -> Self {
        // By its room, as it is kept by: a buffer of a short pass has room for a long one.
        let wanted = room(len).max(len);
        let mut values = if wanted < KEPT_FROM { Vec::new() } else { reuse(len) };
        if values.capacity() < len && values.try_reserve_exact(wanted).is_err() {
            release();
            if values.try_reserve_exact(len).is_err() {
                panic::panic_any(OutOfMemory { bytes: (len * size_of::<f32>()) as u64 });
            }
        }
        values.resize(len, 0.0);
        Self(values)
    }

    /// Drops the values outside of `range`.
    pub fn keep(&mut self, range: Range<usize>) {
        self.0.truncate(range.end);
        self.0.drain(..range.start);
    }

    pub fn zeroed(len: usize) -> Self {
        let mut buffer = Self::any(len);
        buffer.fill(0.0);
        buffer
    }
}

/// The free buffer that is long enough and comes closest to what a new one would have room for, if
/// it has not half as much again.
fn reuse(len: usize) -> Vec<f32> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let room = room(len);
    let fits = |values: &Vec<f32>| {
        values.capacity() >= len && values.capacity() <= room.saturating_add(room / 2)
    };
    let places = free.iter().enumerate().filter(|(_, values)| fits(values));
    let best = places.min_by_key(|(_, values)| values.capacity().abs_diff(room));
    let best = best.map(|(place, _)| place);
    if let Some(best) = best {
        return free.swap_remove(best);
    }
    // As much goes back to the system as is taken from it.
    let mut given_back = 0;
    while given_back < room {
        let Some(values) = free.pop() else { break };
        given_back += values.capacity();
    }
    Vec::new()
}

/// Bytes that nobody uses now, and that the next pass takes again.
pub fn free_bytes() -> u64 {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    free.iter().map(|values| (values.capacity() * size_of::<f32>()) as u64).sum()
}

/// Gives everything that nobody uses back to the system. Called where training ends.
pub fn release() {
    FREE.lock().unwrap_or_else(PoisonError::into_inner).clear();
    expect_rows(0, 0);
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        if values.capacity() >= KEPT_FROM {
            FREE.lock().unwrap_or_else(PoisonError::into_inner).push(values);
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_memory_is_a_panic_that_says_how_much_was_wanted() {
        let len = usize::MAX >> 8;
        let OutOfMemory { bytes } = unless_out_of_memory(|| Buffer::any(len)).unwrap_err();
        assert_eq!(bytes, len as u64 * 4);
    }

    /// Else each would be kept, and the next pass would take another.
    #[test]
    fn a_short_pass_uses_its_own_buffers_again() {
        let len = 7_777;
        // Other tests say how many rows they expect, too, and take what is free.
        let is_used_again = (0..100).any(|_| {
            expect_rows(1, 100);
            let buffer = Buffer::any(len);
            let place = buffer.as_ptr();
            drop(buffer);
            expect_rows(1, 100);
            Buffer::any(len).as_ptr() == place
        });
        release();
        assert!(is_used_again);
    }

    #[test]
    fn what_is_dropped_is_used_again() {
        // A length that no other test asks for: the free buffers are everybody's.
        let len = 777_777;
        let mut buffer = Buffer::zeroed(len);
        buffer[5] = 3.0;
        let place = buffer.as_ptr();
        drop(buffer);
        let again = Buffer::any(len - 100);
        assert_eq!((again.as_ptr(), again.len()), (place, len - 100));
        drop(again);
        assert!(Buffer::zeroed(len).iter().all(|value| *value == 0.0));
        release();
    }
}
