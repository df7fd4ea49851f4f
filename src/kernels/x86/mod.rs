//! Kernels for x86: AVX2 and AVX-512.

pub(super) mod avx2;
pub(super) mod avx2_attend;
pub(super) mod avx2_dense;
pub(super) mod avx2_few;
pub(super) mod avx2_gemm;
mod avx2_registers;
pub(super) mod avx2_turned;
mod avx2_unpack;
pub(super) mod avx512;
pub(super) mod avx512_attend;
pub(super) mod avx512_dense;
pub(super) mod avx512_gemm;
