//! One weight matrix, as it lies in its file.

use std::ops::Range;

use rayon::prelude::*;

use super::bytes::Bytes;
use super::error::KernelError;
use super::ggml_type::GgmlType;
use super::unpack;

/// A weight matrix, (rows, cols) = (outputs, inputs), never widened as a whole. Cheap to clone.
///
/// Ten rows of 576 `Q4_1` weights are 3600 bytes here, and 3600 bytes in the GGUF file.
#[derive(Clone, Debug)]
pub struct QMatrix {
    kind: GgmlType,
    rows: usize,
    cols: usize,
    bytes: Bytes,
}

impl QMatrix {
    /// Checks that `bytes` holds exactly `rows` rows of `cols` weights.
    ///
    /// What the weights are is not checked: a scale may be any f16, also infinite or NaN.
    pub fn new(
        kind: GgmlType,
        rows: usize,
        cols: usize,
        bytes: Bytes,
    ) -> Result<Self, KernelError> {
        let block = kind.block_len();
        if !cols.is_multiple_of(block) {
            return Err(KernelError::Width { kind, cols, block });
        }
        let expected = (cols / block)
            .checked_mul(kind.block_bytes())
            .and_then(|row| row.checked_mul(rows))
            .ok_or(KernelError::TooLarge { kind, rows, cols })?;
        let found = bytes.len();
        if found != expected {
            return Err(KernelError::Size { kind, rows, cols, expected, found });
        }
        Ok(Self { kind, rows, cols, bytes })
    }

    /// A dense F32 matrix; `weights` is row-major and copied.
    pub fn from_f32(rows: usize, cols: usize, weights: &[f32]) -> Result<Self, KernelError> {
        let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        Self::new(GgmlType::F32, rows, cols, Bytes::from(bytes))
    }

    /// A dense F32 matrix, row-major, whose weights may change: see [`Self::f32_mut`].
    pub fn of_floats(rows: usize, cols: usize, weights: Vec<f32>) -> Result<Self, KernelError> {
        if cfg!(target_endian = "big") {
            return Self::from_f32(rows, cols, &weights);
        }
        Self::new(GgmlType::F32, rows, cols, Bytes::from_floats(weights))
    }

    /// The weights, to be changed; `None` where it was not made by [`Self::of_floats`], or has a clone.
    pub fn f32_mut(&mut self) -> Option<&mut [f32]> {
        self.bytes.floats_mut()
    }

    /// The same weights in a matrix of their own, widened, which may change.
    #[must_use]
    pub fn own_floats(&self) -> Self {
        let own = Self::of_floats(self.rows, self.cols, self.dequantize());
        own.expect("widened weights have the size of their matrix")
    }

    pub fn kind(&self) -> GgmlType {
        self.kind
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The first rows, as many of `count` as there are; nothing is copied.
    #[must_use]
    pub fn first_rows(&self, count: usize) -> Self {
        let rows = count.min(self.rows);
        let bytes = self.bytes.slice(0..rows * self.row_len());
        Self { rows, bytes: bytes.expect("fewer rows are fewer bytes"), ..self.clone() }
    }

    /// Bytes of all weights, as stored.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether both are the same weights, not a copy.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        self.rows == other.rows && other.is_of(&self.bytes)
    }

    /// Whether the weights are these bytes, not a copy.
    pub fn is_of(&self, bytes: &Bytes) -> bool {
        std::ptr::eq(self.bytes.as_slice(), bytes.as_slice())
    }

    /// Bytes of one row.
    pub(super) fn row_len(&self) -> usize {
        self.cols / self.kind.block_len() * self.kind.block_bytes()
    }

    /// One row as stored: whole blocks, left to right.
    pub(super) fn row_bytes(&self, row: usize) -> &[u8] {
        self.rows_bytes(row..row + 1)
    }

    /// Rows that follow each other, as stored.
    pub(super) fn rows_bytes(&self, rows: Range<usize>) -> &[u8] {
        let len = self.row_len();
        &self.bytes.as_slice()[rows.start * len..rows.end * len]
    }

    /// The weights as they are, row-major; `None` where they are not F32 or lie askew.
    pub fn as_f32(&self) -> Option<&[f32]> {
        if self.kind != GgmlType::F32 || cfg!(target_endian = "big") {
            return None;
        }
        bytemuck::try_cast_slice(self.bytes.as_slice()).ok()
    }

    /// Writes row `row` as f32 (an embedding look-up); `out` has [`Self::cols`] values.
    pub fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        assert_eq!(out.len(), self.cols, "the length of a dequantised row");
        unpack::dequantize_row(self.kind, self.row_bytes(row), out);
    }

    /// All weights as f32, row-major.
    pub fn dequantize(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.rows * self.cols];
        if out.is_empty() {
            return out;
        }
        let rows = out.par_chunks_mut(self.cols).enumerate();
        rows.with_min_len(16).for_each(|(row, out)| self.dequantize_row(row, out));
        out
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use candle_core::Device;
    use candle_core::quantized::{GgmlDType, QStorage, QTensor};
    use half::f16;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
    use std::borrow::Cow;

    /// Random bytes as weights: each block gets random f16 scales within ±1/16, the rest is noise.
    pub fn random(kind: GgmlType, rows: usize, cols: usize, seed: u64) -> QMatrix {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = vec![0; rows * cols / kind.block_len() * kind.block_bytes()];
        rng.fill_bytes(&mut bytes);
        for block in bytes.chunks_exact_mut(kind.block_bytes()) {
            let scales: &[usize] = match kind {
                GgmlType::F32 => {
                    let value = rng.next_u32() as f32 / u32::MAX as f32 - 0.5;
                    block.copy_from_slice(&value.to_le_bytes());
                    &[]
                }
                GgmlType::BF16 => {
                    let value = rng.next_u32() as f32 / u32::MAX as f32 - 0.5;
                    block.copy_from_slice(&half::bf16::from_f32(value).to_le_bytes());
                    &[]
                }
                GgmlType::F16
                | GgmlType::Q4_0
                | GgmlType::Q5_0
                | GgmlType::Q8_0
                | GgmlType::IQ4NL
                | GgmlType::IQ4XS => &[0],
                GgmlType::MXFP4 => {
                    block[0] = 118 + block[0] % 8;
                    &[]
                }
                GgmlType::TQ2_0 => &[64],
                GgmlType::Q4_1 | GgmlType::Q5_1 | GgmlType::Q4K | GgmlType::Q5K => &[0, 2],
                GgmlType::Q2K => &[80, 82],
                GgmlType::Q3K => &[108],
                GgmlType::Q6K => &[208],
            };
            for &at in scales {
                let scale = (rng.next_u32() as f32 / u32::MAX as f32 - 0.5) / 8.0;
                block[at..at + 2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
            }
        }
        QMatrix::new(kind, rows, cols, Bytes::from(bytes)).unwrap()
    }

    pub fn activations(len: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = move || rng.next_u32() as f32 / u32::MAX as f32;
        // About normal, with a few values ten times as large, as hidden states have.
        (0..len)
            .map(|i| {
                let sum: f32 = (0..4).map(|_| uniform() - 0.5).sum();
                if i % 97 == 5 { sum * 10.0 } else { sum }
            })
            .collect()
    }

    /// A width that no kernel has a panel for, if the format allows one.
    pub fn odd_cols(kind: GgmlType) -> usize {
        match kind.block_len() {
            1 => 301,
            32 => 352,
            block => 3 * block,
        }
    }

    /// `None`: candle has no such type.
    fn candle_dtype(kind: GgmlType) -> Option<GgmlDType> {
        Some(match kind {
            GgmlType::F32 => GgmlDType::F32,
            GgmlType::F16 => GgmlDType::F16,
            GgmlType::BF16 => GgmlDType::BF16,
            GgmlType::Q4_0 => GgmlDType::Q4_0,
            GgmlType::Q4_1 => GgmlDType::Q4_1,
            GgmlType::Q5_0 => GgmlDType::Q5_0,
            GgmlType::Q5_1 => GgmlDType::Q5_1,
            GgmlType::Q8_0 => GgmlDType::Q8_0,
            GgmlType::Q2K => GgmlDType::Q2K,
            GgmlType::Q3K => GgmlDType::Q3K,
            GgmlType::Q4K => GgmlDType::Q4K,
            GgmlType::Q5K => GgmlDType::Q5K,
            GgmlType::Q6K => GgmlDType::Q6K,
            GgmlType::IQ4NL | GgmlType::IQ4XS | GgmlType::MXFP4 | GgmlType::TQ2_0 => return None,
        })
    }

    #[test]
    fn dequantised_weights_are_candles() {
        for kind in GgmlType::ALL {
            let weights = random(kind, 5, odd_cols(kind), 1);
            let Some(dtype) = candle_dtype(kind) else { continue };
            let bytes = Cow::Borrowed(weights.bytes.as_slice());
            let storage = QStorage::from_data(bytes, &Device::Cpu, dtype).unwrap();
            let tensor = QTensor::new(storage, (5, weights.cols())).unwrap();
            let expected: Vec<f32> =
                tensor.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(weights.dequantize(), expected, "{kind}");
        }
    }

    #[test]
    fn weights_that_do_not_fit_their_shape_are_refused() {
        let bytes = |len| Bytes::from(vec![0; len]);
        let error = QMatrix::new(GgmlType::Q4_0, 2, 48, bytes(54)).unwrap_err();
        assert_eq!(error, KernelError::Width { kind: GgmlType::Q4_0, cols: 48, block: 32 });
        assert!(QMatrix::new(GgmlType::Q4K, 1, 576, bytes(324)).is_err(), "576 = 2.25 x 256");

        for found in [0, 143, 145] {
            let error = QMatrix::new(GgmlType::Q4K, 1, 256, bytes(found)).unwrap_err();
            let (rows, cols, expected) = (1, 256, 144);
            assert_eq!(
                error,
                KernelError::Size { kind: GgmlType::Q4K, rows, cols, expected, found }
            );
        }

        let huge = QMatrix::new(GgmlType::F32, usize::MAX, 2, bytes(0)).unwrap_err();
        assert!(matches!(huge, KernelError::TooLarge { .. }));
    }

    #[test]
    fn weights_of_ones_own_change_unless_somebody_else_reads_them() {
        let shared = QMatrix::from_f32(1, 2, &[1.0, 2.0]).unwrap();
        assert!(shared.clone().f32_mut().is_none());
        let mut own = shared.own_floats();
        own.f32_mut().unwrap()[1] = 5.0;
        assert_eq!((own.as_f32(), shared.as_f32()), (Some(&[1.0, 5.0][..]), Some(&[1.0, 2.0][..])));
        let reader = own.clone();
        assert!(own.f32_mut().is_none());
        drop(reader);
        assert!(own.f32_mut().is_some());
    }

    #[test]
    fn f32_weights_go_in_and_out_unchanged() {
        let weights = QMatrix::from_f32(2, 3, &[1.0, 2.0, 3.0, -4.0, 5.5, 1e-40]).unwrap();
        let mut row = [0.0; 3];
        weights.dequantize_row(1, &mut row);
        assert_eq!(row, [-4.0, 5.5, 1e-40]);
        assert_eq!(weights.byte_len(), 24);
    }
}
