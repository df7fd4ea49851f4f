//! The arithmetic of the CPU fast path: weights stay in their file's blocks, activations are f32.
//!
//! [`QMatrix`] multiplies; `rows` and `attend` hold what stands between two products. Plain slices
//! in, plain slices out: no tensors, no graph, no gradient. A crate of its own, so that it is optimised
//! whatever the rest is built with. Models and files: see `llm` of the workbench.
//!
//! A quantised product rounds each activation row to 16 bits in blocks of 32 (two bytes), and
//! sums each block in integers. A dense one (F32, F16, BF16) is computed in f32.
//!
//! `matmul`, `gemm`, `attend`, `rounding` and `rows` cut the work and choose the instructions
//! (`Level`); what the levels in `x86` and `arm` need of them lies in files of its own, so that
//! these import no chooser: `activations`, `attention`, `columns`, `packed_rows`, `tile`.

mod activations;
#[cfg(target_arch = "aarch64")]
mod arm;
mod attend;
mod attention;
mod bandwidth;
mod bytes;
mod columns;
mod each;
mod error;
pub mod gemm;
mod ggml_type;
mod level;
mod matmul;
mod matrix;
mod packed_rows;
mod rounding;
mod rows;
mod slopes;
mod tile;
mod unpack;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use attend::attend;
pub use attention::{Alibi, Attention, BLOCK, Blocks, KEY_LANES, KEY_TILE, KeysValues, Numbers};
pub use bandwidth::read_all;
pub use bytes::Bytes;
pub use error::KernelError;
pub use ggml_type::GgmlType;
pub use level::Level;
pub use level::instructions;
pub use matmul::{Product, matmul_all};
pub use matrix::QMatrix;
pub use rows::{gelu, gelu_tanh_mul, layer_norm, rms_norm, silu_mul, softmax};
pub use slopes::{ScoreSums, gelu_backward, score_sums, silu_mul_backward};

#[cfg(test)]
mod levels_tests;
