//! `TQ1_0`, five numbers of three values in a byte, as `TQ2_0`, which holds the same numbers in two bits
//! each and can be computed with.

use tuning_fork_kernels::Bytes;

/// Bytes of 256 numbers: 48 of five, 4 of four, f16 d.
const BLOCK: usize = 54;

/// Blocks of `TQ1_0` as blocks of `TQ2_0`.
pub(super) fn as_tq2_0(bytes: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() / BLOCK * 66);
    for block in bytes.as_chunks::<BLOCK>().0 {
        let mut packed = [0_u8; 64];
        for (at, trit) in trits(block).enumerate() {
            let (run, within) = (at / 32, at % 32);
            packed[run / 4 * 32 + within] |= trit << (run % 4 * 2);
        }
        out.extend(packed);
        out.extend(&block[BLOCK - 2..]);
    }
    Bytes::from(out)
}

/// 0, 1 and 2 in the order of the weights. A byte is a fraction of 256 in base 3: its digits come out
/// at the top, one multiplication after the other.
fn trits(block: &[u8; BLOCK]) -> impl Iterator<Item = u8> {
    let runs = [(&block[..32], 5), (&block[32..48], 5), (&block[48..52], 4)];
    runs.into_iter().flat_map(|(bytes, digits)| {
        (0..digits).flat_map(move |digit| {
            bytes.iter().map(move |byte| {
                let moved = byte.wrapping_mul(3_u8.pow(digit));
                ((u16::from(moved) * 3) >> 8) as u8
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use tuning_fork_kernels::{GgmlType, QMatrix};

    /// `make_gguf_types.py`: random numbers in `TQ1_0`, and what the Python package gguf makes of them.
    #[test]
    fn every_number_comes_through_exactly() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/reference/gguf_types/TQ1_0.safetensors"
        );
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let bytes = tensors["bytes"].flatten_all().unwrap().to_vec1::<u8>().unwrap();
        let expected = tensors["values"].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let rows = expected.len() / 256;
        let matrix = QMatrix::new(GgmlType::TQ2_0, rows, 256, as_tq2_0(&bytes)).unwrap();
        assert_eq!(matrix.dequantize(), expected);
    }
}
