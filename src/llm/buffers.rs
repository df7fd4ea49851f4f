//! Memory that one layer of a training pass leaves to the next.
//!
//! A pass makes thousands of buffers of a few sizes. Fresh ones have to be cleared, on one thread,
//! and mapped page by page; together that took a tenth of a step.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// What nobody uses now.
static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// Shorter ones are left to the allocator.
const KEPT_FROM: usize = 1 << 14;

/// Some values; given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<f32>);

impl Buffer {
    /// `len` values that are anything: for what is written before it is read.
    pub fn any(len: usize) -> Self {
        let mut values = if len < KEPT_FROM { Vec::new() } else { reuse(len) };
        values.resize(len, 0.0);
        Self(values)
    }

    pub fn zeroed(len: usize) -> Self {
        let mut buffer = Self::any(len);
        buffer.fill(0.0);
        buffer
    }
}

/// The smallest free buffer that is long enough, and not half as long again.
fn reuse(len: usize) -> Vec<f32> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |values: &Vec<f32>| values.capacity() >= len && values.capacity() <= len + len / 2;
    let places = free.iter().enumerate().filter(|(_, values)| fits(values));
    let best = places.min_by_key(|(_, values)| values.capacity()).map(|(place, _)| place);
    if let Some(best) = best {
        return free.swap_remove(best);
    }
    // As much goes back to the system as is taken from it.
    let mut given_back = 0;
    while given_back < len {
        let Some(values) = free.pop() else { break };
        given_back += values.capacity();
    }
    Vec::with_capacity(len)
}

/// Gives everything that nobody uses back to the system. Called where training ends.
pub fn release() {
    FREE.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
