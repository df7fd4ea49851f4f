//! Rounding weights to fewer bits while a model is loaded, as ggml's reference does it.

use half::{bf16, f16};
use rayon::prelude::*;
use tuning_fork_kernels::{GgmlType, QMatrix};

/// Weights in a block of `Q8_0` and `Q4_0`.
const BLOCK: usize = 32;

/// A matrix in another type: BF16, `Q8_0` or `Q4_0`, whose blocks its rows must be wholes of; F32
/// for any other. Never more than one row a thread is widened.
pub(crate) fn quantize(matrix: &QMatrix, kind: GgmlType) -> Vec<u8> {
    let cols = matrix.cols();
    let row_bytes = cols / kind.block_len() * kind.block_bytes();
    let mut out = vec![0; matrix.rows() * row_bytes];
    if out.is_empty() {
        return out;
    }
    let rows = out.par_chunks_mut(row_bytes).enumerate().with_min_len(16);
    rows.for_each_init(
        || vec![0.0; cols],
        |row, (index, out)| {
            matrix.dequantize_row(index, row);
            match kind {
                GgmlType::BF16 => {
                    for (out, value) in out.chunks_exact_mut(2).zip(row) {
                        out.copy_from_slice(&bf16::from_f32(*value).to_le_bytes());
                    }
                }
                GgmlType::Q8_0 => {
                    for (out, block) in out.chunks_exact_mut(34).zip(row.as_chunks().0) {
                        q8_0(block, out);
                    }
                }
                GgmlType::Q4_0 => {
                    for (out, block) in out.chunks_exact_mut(18).zip(row.as_chunks().0) {
                        q4_0(block, out);
                    }
                }
                _ => {
                    for (out, value) in out.chunks_exact_mut(4).zip(row) {
                        out.copy_from_slice(&value.to_le_bytes());
                    }
                }
            }
        },
    );
    out
}

/// A scale, and 32 whole numbers from -127 to 127.
fn q8_0(block: &[f32; BLOCK], out: &mut [u8]) {
    let largest = block.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out[..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
    for (out, value) in out[2..].iter_mut().zip(block) {
        *out = ((value * inverse).round() as i8).cast_unsigned();
    }
}

/// A scale, and 32 whole numbers from -8 to 7: the value that is largest without its sign becomes
/// -8. The first half of the block is in the low halves of the bytes.
fn q4_0(block: &[f32; BLOCK], out: &mut [u8]) {
    let largest = block
        .iter()
        .copied()
        .fold(0.0f32, |largest, value| if value.abs() > largest.abs() { value } else { largest });
    let scale = largest / -8.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out[..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
    let nibble = |value: f32| ((value * inverse + 8.5) as u8).min(15);
    for (at, out) in out[2..].iter_mut().enumerate() {
        *out = nibble(block[at]) | nibble(block[at + BLOCK / 2]) << 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tuning_fork_kernels::Bytes;

    fn values() -> Vec<f32> {
        (0..192).map(|at| ((at * 37 + 11) % 97) as f32 / 24.0 - 2.0).collect()
    }

    fn back(kind: GgmlType) -> Vec<f32> {
        let matrix = QMatrix::from_f32(3, 64, &values()).unwrap();
        let bytes = Bytes::from(quantize(&matrix, kind));
        QMatrix::new(kind, 3, 64, bytes).unwrap().dequantize()
    }

    #[test]
    fn rounding_is_off_by_half_a_step_at_most() {
        // Values within ±2.03: steps of 2.03 / 127, 2.03 / 8, and a 256th of the value. The scale
        // is rounded too, and 4 bits reach to +7 only.
        for (kind, most) in
            [(GgmlType::Q8_0, 0.01), (GgmlType::Q4_0, 0.26), (GgmlType::BF16, 0.008)]
        {
            for (found, value) in back(kind).iter().zip(values()) {
                assert!((found - value).abs() <= most, "{kind}: {found} for {value}");
            }
        }
    }

    #[test]
    fn the_bytes_are_candles() {
        use candle_core::quantized::{GgmlDType, QTensor};
        use candle_core::{Device, Tensor};

        let matrix = QMatrix::from_f32(3, 64, &values()).unwrap();
        let tensor = Tensor::from_vec(values(), (3, 64), &Device::Cpu).unwrap();
        for (kind, theirs) in [(GgmlType::Q8_0, GgmlDType::Q8_0), (GgmlType::Q4_0, GgmlDType::Q4_0)]
        {
            let theirs = QTensor::quantize(&tensor, theirs).unwrap();
            assert_eq!(quantize(&matrix, kind), theirs.data().unwrap().into_owned(), "{kind}");
        }
    }

    #[test]
    fn a_block_of_zeros_stays_one() {
        let matrix = QMatrix::from_f32(1, 32, &[0.0; 32]).unwrap();
        for kind in [GgmlType::Q8_0, GgmlType::Q4_0] {
            let bytes = Bytes::from(quantize(&matrix, kind));
            let back = QMatrix::new(kind, 1, 32, bytes).unwrap().dequantize();
            assert!(back.iter().all(|value| *value == 0.0));
        }
    }
}
