//! Kernels for 64-bit ARM: NEON.

pub(crate) mod neon;
pub(crate) mod neon_attend;
pub(crate) mod neon_dense;
pub(crate) mod neon_dot;
pub(crate) mod neon_gemm;
pub(crate) mod neon_unpack;
