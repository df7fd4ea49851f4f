//! What every file for AVX2 needs: registers to and from memory, and scales as registers.

#![expect(unsafe_code, reason = "loads and stores registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;

/// Weight rows computed together: one to each f32 lane of a register.
pub(crate) const LANES: usize = 8;

/// Bytes between what is multiplied and what is asked for: a processor does not see by itself that
/// eight rows side by side are one stretch of memory. Fewer come too late, more leave the cache.
pub(crate) const AHEAD: usize = 20 << 10;

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
