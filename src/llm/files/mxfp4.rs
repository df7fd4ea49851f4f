//! MXFP4 as transformers stores it: blocks of 32 numbers of 4 bits, and a power of two for each.
//!
//! They are kept as `Q5_0`, which holds the same numbers exactly: twice each of them is a whole number
//! within ±12.

use std::path::Path;

use half::f16;

use crate::llm::error::Error;
use crate::llm::kernels::Bytes;

/// Bytes of 32 numbers, without their scale.
pub(super) const BLOCK: usize = 16;

/// Twice the numbers that 4 bits stand for.
const DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// Blocks and their scales as blocks of `Q5_0`. `name` and `path` are for the error.
pub(super) fn as_q5_0(
    blocks: &[u8],
    scales: &[u8],
    name: &str,
    path: &Path,
) -> Result<Bytes, Error> {
    let mut out = Vec::with_capacity(scales.len() * 22);
    for (block, scale) in blocks.as_chunks::<BLOCK>().0.iter().zip(scales) {
        // 2^(scale - 127), of twice the number.
        let factor = 2f32.powi(i32::from(*scale) - 128);
        let kept = f16::from_f32(factor);
        let is_zero = block.iter().all(|byte| byte & 0x77 == 0);
        if kept.to_f32() != factor && !is_zero {
            let problem = format!(
                "the tensor {name} has a scale of 2^{}, where 2^-23 to 2^16 are supported",
                i32::from(*scale) - 127
            );
            return Err(Error::not_a_model(path, problem));
        }
        let kept = if is_zero { f16::ZERO } else { kept };
        // Element 2b is in the low half of byte b.
        let number = |at: usize| {
            let nibble = block[at / 2] >> (4 * (at % 2)) & 15;
            (DOUBLED[usize::from(nibble)] + 16) as u8
        };
        let fifth = (0..32).map(|at| u32::from(number(at) >> 4) << at).sum::<u32>();
        out.extend(kept.to_le_bytes());
        out.extend(fifth.to_le_bytes());
        out.extend((0..16).map(|at| number(at) & 15 | number(at + 16) << 4));
    }
    Ok(Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::kernels::{GgmlType, QMatrix};

    #[test]
    fn every_number_comes_through_exactly() {
        // 0 to 15 twice over, at 2^3
        let block: [u8; BLOCK] =
            std::array::from_fn(|at| ((2 * at % 16) | (((2 * at + 1) % 16) << 4)) as u8);
        let bytes = as_q5_0(&block, &[130], "w", Path::new("file")).unwrap();
        let matrix = QMatrix::new(GgmlType::Q5_0, 1, 32, bytes).unwrap();
        // OCP Microscaling Formats 1.0, section 5.3.3: E2M1
        let half = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
        let all: Vec<f32> =
            half.iter().copied().chain(half.iter().map(|x| -x)).map(|x| x * 8.0).collect();
        assert_eq!(matrix.dequantize(), [all.clone(), all].concat());
        assert!(as_q5_0(&block, &[60], "w", Path::new("file")).is_err(), "2^-67");
        assert!(as_q5_0(&[0; BLOCK], &[60], "w", Path::new("file")).is_ok(), "nothing but zeros");
    }
}
