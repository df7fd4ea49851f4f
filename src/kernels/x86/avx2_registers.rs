//! What every file for AVX2 needs: registers to and from memory, and scales as registers.

#![expect(unsafe_code, reason = "loads and stores registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;

/// Weight rows computed together: one to each f32 lane of a register.
pub(crate) const LANES: usize = 8;

/// Bytes between what is multiplied and what is asked for, of all rows together: a processor does not
/// see by itself that rows side by side are read at once. Fewer come too late, more leave the cache.
const AHEAD: usize = 20 << 10;

/// Bytes that a cache holds together.
pub(crate) const LINE: usize = 64;

/// Asks for what several rows that follow each other will need, and then for the rows after them.
///
/// Short rows are one stretch of memory, which is asked for in its order. Of long ones the last would
/// come too late by then: each is asked for by itself.
pub(crate) struct Ahead {
    rows: usize,
    row_len: usize,
    short: bool,

    /// What is asked for next: of short rows, and in the first of long ones.
    next: *const u8,

    /// How much of a long row lies before that.
    before: usize,
}

impl Ahead {
    /// For so many rows of `row_len` bytes, of which the first to be multiplied begins at `start`.
    #[inline]
    pub fn new(start: *const u8, rows: usize, row_len: usize) -> Self {
        let short = rows * row_len <= AHEAD;
        let before = if short { 0 } else { AHEAD / rows };
        let next = start.wrapping_add(if short { AHEAD } else { before });
        Self { rows, row_len, short, next, before }
    }

    /// `bytes` of each row, after what was asked for before.
    #[inline]
    pub fn ask(&mut self, bytes: usize) {
        if self.short {
            prefetch(self.next, self.rows * bytes);
            self.next = self.next.wrapping_add(self.rows * bytes);
            return;
        }
        // A line of each row where one begins.
        let to_line = self.before.next_multiple_of(LINE) - self.before;
        for line in (to_line..bytes).step_by(LINE) {
            for row in 0..self.rows {
                prefetch(self.next.wrapping_add(row * self.row_len + line), 1);
            }
        }
        self.next = self.next.wrapping_add(bytes);
        self.before += bytes;
        if self.before >= self.row_len {
            self.before -= self.row_len;
            self.next = self.next.wrapping_add((self.rows - 1) * self.row_len);
        }
    }
}

/// Scales and offsets of 256 columns of eight weight rows, a row a lane. Weight of lane l:
/// `scale[l] * q + offset[l]`, q unsigned (`Q8_0`: signed, offset unused). The first index counts
/// runs of 32 columns; formats with 32 weights to a scale use the first of each pair.
pub(crate) struct Scales {
    pub scale: [[__m256; 2]; 8],
    pub offset: [[__m256; 2]; 8],
}

impl Scales {
    #[target_feature(enable = "avx2")]
    pub fn zero() -> Self {
        let zero = _mm256_setzero_ps();
        Self { scale: [[zero; 2]; 8], offset: [[zero; 2]; 8] }
    }
}

/// Asks for `len` bytes that will be read soon.
#[inline]
pub(crate) fn prefetch(start: *const u8, len: usize) {
    for at in (0..len).step_by(64) {
        // SAFETY: a hint; an address outside of any memory is ignored.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) };
    }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn load(values: &[f32; 8]) -> __m256 {
    // SAFETY: eight values can be read.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn store(v: __m256) -> [f32; 8] {
    let mut values = [0.0; 8];
    // SAFETY: eight values can be written.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr(), v) };
    values
}
