//! Codes and codebooks as other programs have them, out and in.

pub mod annotated;
pub mod argilla;
pub mod codebook;
pub mod codebook_markdown;
pub mod codebook_studio;
pub mod data_package;
pub mod export;
pub mod label_studio;
pub mod pairs;
pub mod potato;
pub mod qdpx;
pub mod qdpx_read;
pub mod said;
pub mod tables;

#[cfg(test)]
mod tests;
