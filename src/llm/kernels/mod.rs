//! The arithmetic of the CPU fast path: weights stay in their file's blocks, activations are f32.
//!
//! [`QMatrix`] multiplies; `rows` and `attend` hold what stands between two products. Plain slices
//! in, plain slices out: no tensors, no graph, no gradient. Models and files: see the rest of `llm`.
//!
//! A quantised product rounds each activation row to 16 bits in blocks of 32 (two bytes), and
//! sums each block in integers. A dense one (F32, F16, BF16) is computed in f32.

use std::sync::atomic::{AtomicUsize, Ordering};

mod activations;
#[cfg(target_arch = "aarch64")]
mod arm;
mod attend;
mod bytes;
pub mod gemm;
mod ggml_type;
mod matmul;
mod matrix;
mod packed_rows;
mod rows;
mod slopes;
mod unpack;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use attend::{Attention, KEY_LANES, KEY_TILE, KeysValues, Numbers, attend};
pub use bytes::Bytes;
pub use ggml_type::GgmlType;
pub use matmul::{Product, matmul_all};
pub use matrix::QMatrix;
pub use rows::{gelu_tanh_mul, rms_norm, silu_mul, softmax};
pub use slopes::{ScoreSums, score_sums, silu_mul_backward};

/// Weights that do not fit the shape they claim to have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    #[error("a row of {cols} weights does not divide into {kind} blocks of {block}")]
    Width { kind: GgmlType, cols: usize, block: usize },

    #[error("{rows} x {cols} {kind} weights take {expected} bytes, found {found}")]
    Size { kind: GgmlType, rows: usize, cols: usize, expected: usize, found: usize },

    #[error("{rows} x {cols} {kind} weights are more than this machine can address")]
    TooLarge { kind: GgmlType, rows: usize, cols: usize },

    #[error("bytes {start} to {end} were asked for, found {len}")]
    Range { start: usize, end: usize, len: usize },
}

/// Which instructions the kernels use. Chosen once a call, from what the processor says it has.
///
/// All but the portable one compute the same bits in every product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Any processor.
    Portable,

    /// x86-64-v3: AVX2, FMA and F16C, that is Intel since 2013, AMD since 2015.
    #[cfg(target_arch = "x86_64")]
    Avx2,

    /// AVX-512 with VNNI: Intel's servers since 2019, AMD since 2022. Not those without VNNI, which
    /// slow down for wide registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,

    /// Any 64-bit ARM.
    #[cfg(target_arch = "aarch64")]
    Neon,

    /// The dot products of bytes of ARM v8.2: Apple's since 2020, ARM's servers since 2019.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Level {
    /// The slowest first.
    const ALL: &[Self] = &[
        Self::Portable,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
        #[cfg(target_arch = "aarch64")]
        Self::NeonDot,
    ];

    /// Every level that this processor can run, the slowest first.
    pub(crate) fn all() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.iter().copied().filter(|level| level.runs_here())
    }

    /// The best that this processor can do.
    pub(crate) fn best() -> Self {
        Self::all().next_back().expect("the portable level runs everywhere")
    }

    /// Whether this processor, and what runs it, has all instructions of the level.
    fn runs_here(self) -> bool {
        // The macros remember their answers: a load and a test each.
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.runs_here()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512 with VNNI",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => "NEON with dot products",
        }
    }
}

/// The instructions that are used on this processor, such as `AVX2`.
pub fn instructions() -> &'static str {
    Level::best().name()
}

/// Calls `work` with every number below `count`, on all threads of the pool unless `serial`.
///
/// Whoever is free takes the next number, and a thread that comes late finds nothing to do: on a
/// busy machine the one that asked does most of it.
pub(crate) fn each(count: usize, serial: bool, work: impl Fn(usize) + Sync) {
    let helpers = rayon::current_num_threads().min(count).saturating_sub(1);
    if serial || helpers == 0 {
        (0..count).for_each(work);
        return;
    }
    let next = AtomicUsize::new(0);
    let run = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            work(index);
        }
    };
    rayon::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| run());
        }
        run();
    });
}

#[cfg(test)]
mod levels_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_found_and_what_was_expected() {
        let error =
            KernelError::Size { kind: GgmlType::Q4_1, rows: 2, cols: 64, expected: 80, found: 79 };
        assert_eq!(error.to_string(), "2 x 64 Q4_1 weights take 80 bytes, found 79");
    }
}
