//! Kernels for x86: AVX2 and AVX-512.

pub(crate) mod avx2;
pub(crate) mod avx2_attend;
pub(crate) mod avx2_dense;
pub(crate) mod avx2_gemm;
pub(crate) mod avx2_unpack;
pub(crate) mod avx512;
pub(crate) mod avx512_attend;
pub(crate) mod avx512_dense;
pub(crate) mod avx512_gemm;
