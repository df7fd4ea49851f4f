//! Kernels for 64-bit ARM: NEON.

pub(super) mod neon;
pub(super) mod neon_attend;
pub(super) mod neon_dense;
mod neon_dot;
pub(super) mod neon_gemm;
mod neon_registers;
mod neon_unpack;
