//! MXFP4 as transformers stores it: blocks of 32 numbers of 4 bits, and a power of two for each in another
//! tensor. In GGUF files the power lies before its block, and the numbers in another order.

use tuning_fork_kernels::Bytes;

/// Bytes of 32 numbers, without their scale.
pub(super) const BLOCK: usize = 16;

/// Blocks and their scales as a GGUF file has them.
pub(super) fn with_scales(blocks: &[u8], scales: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(scales.len() * (BLOCK + 1));
    for (block, scale) in blocks.as_chunks::<BLOCK>().0.iter().zip(scales) {
        // Element 2b is in the low half of byte b; there, elements b and b + 16 share a byte.
        let nibble = |at: usize| block[at / 2] >> (4 * (at % 2)) & 15;
        out.push(*scale);
        out.extend((0..16).map(|at| nibble(at) | nibble(at + 16) << 4));
    }
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tuning_fork_kernels::{GgmlType, QMatrix};

    #[test]
    fn every_number_comes_through_exactly() {
        // 0 to 15 twice over, at 2^3
        let block: [u8; BLOCK] =
            std::array::from_fn(|at| ((2 * at % 16) | (((2 * at + 1) % 16) << 4)) as u8);
        let matrix = |scale| {
            let bytes = with_scales(&block, &[scale]);
            QMatrix::new(GgmlType::MXFP4, 1, 32, bytes).unwrap().dequantize()
        };
        // OCP Microscaling Formats 1.0, section 5.3.3: E2M1
        let half = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
        let all: Vec<f32> = half.iter().copied().chain(half.iter().map(|x| -x)).collect();
        for (scale, power) in [(130, 8.0), (60, 2f32.powi(-67)), (0, 2f32.powi(-127))] {
            let expected: Vec<f32> = all.iter().chain(&all).map(|x| x * power).collect();
            assert_eq!(matrix(scale), expected);
        }
    }
}
