//! A tensor as a file stores it, and what is done to its bytes before they are a matrix.

use std::path::PathBuf;

use rayon::prelude::*;
use tuning_fork_kernels::{Bytes, GgmlType, QMatrix};

use super::packed::Packed;
use super::{mxfp4, trits};
use crate::llm::error::Error;

/// A tensor as it is stored.
#[derive(Clone)]
pub(crate) struct RawTensor {
    pub name: String,

    /// Further tensors of the file that it is made of.
    pub beside: Vec<String>,
    pub path: PathBuf,
    pub kind: GgmlType,

    /// Rows first; a vector has one number.
    pub shape: Vec<usize>,
    pub bytes: Bytes,

    /// The bytes are MXFP4's as transformers has it, and these are their scales: `unpack` makes `kind`
    /// of them.
    pub scales: Option<Bytes>,

    /// The bytes are `TQ1_0`'s, of which `unpack` makes `kind`.
    pub trits: bool,

    /// The bytes are packed in another way: as above.
    pub packed: Option<Packed>,
}

/// Where a matrix is in a tensor of all experts: (experts, rows, inputs), or (experts, inputs, rows)
/// where it is stored transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExpertPart {
    pub experts: usize,
    pub index: usize,

    /// Rows of an expert, and which of them: from `first` on every `step`-th.
    pub rows: usize,
    pub first: usize,
    pub step: usize,
}

impl RawTensor {
    /// A tensor that is stored as it is kept.
    pub fn new(
        name: String,
        path: PathBuf,
        kind: GgmlType,
        shape: Vec<usize>,
        bytes: Bytes,
    ) -> Self {
        let (scales, packed) = (None, None);
        Self { name, beside: Vec::new(), path, kind, shape, bytes, scales, trits: false, packed }
    }

    pub fn expect_shape(&self, expected: &[usize]) -> Result<(), Error> {
        if self.shape == expected {
            return Ok(());
        }
        Err(Error::Shape {
            path: self.path.clone(),
            name: self.name.clone(),
            found: self.shape.clone(),
            expected: expected.to_vec(),
        })
    }

    /// A single number may have no dimension at all.
    pub fn expect_values(&self, expected: &[usize]) -> Result<(), Error> {
        if expected == [1] && self.shape.is_empty() {
            return Ok(());
        }
        self.expect_shape(expected)
    }

    pub fn matrix(&self, rows: usize, cols: usize) -> Result<QMatrix, Error> {
        QMatrix::new(self.kind, rows, cols, self.bytes.clone()).map_err(|err| {
            Error::not_a_model(&self.path, format!("the tensor {} is damaged: {err}", self.name))
        })
    }

    /// Undoes llama.cpp's order of q and k: row (head, pair, half) back to (head, half, pair).
    pub fn separate_heads(&mut self, heads: usize) {
        let head_dim = self.shape.first().copied().unwrap_or(0) / heads;
        if head_dim < 2 {
            return;
        }
        self.reorder_rows(|row| {
            let (head, at) = (row / head_dim, row % head_dim);
            let (half, pair) = (at / (head_dim / 2), at % (head_dim / 2));
            head * head_dim + 2 * pair + half
        });
    }

    /// Row after row the one that `from` says. A row is a whole number of blocks, so this is exact for
    /// every type.
    pub fn reorder_rows(&mut self, from: impl Fn(usize) -> usize) {
        let rows = self.shape.first().copied().unwrap_or(0);
        let bytes = self.bytes.as_slice();
        let row_len = bytes.len() / rows.max(1);
        let mut out = Vec::with_capacity(bytes.len());
        for row in 0..rows {
            let from = from(row) * row_len;
            out.extend_from_slice(&bytes[from..from + row_len]);
        }
        self.bytes = Bytes::from(out);
    }

    /// These rows alone.
    pub fn take_row_range(&mut self, range: std::ops::Range<usize>) -> Result<(), Error> {
        let rows = self.shape.first().copied().unwrap_or(0).max(1);
        let len = self.bytes.as_slice().len() / rows;
        self.bytes = self.slice(&self.bytes, range.start * len..range.end * len)?;
        self.shape[0] = range.len();
        Ok(())
    }

    /// All values.
    pub fn numbers(&self) -> Result<Vec<f32>, Error> {
        if self.trits {
            let mut unpacked = self.clone();
            unpacked.unpack();
            return unpacked.numbers();
        }
        let columns = self.shape.last().copied().unwrap_or(1);
        let rows: usize = self.shape.iter().rev().skip(1).product();
        Ok(self.matrix(rows, columns)?.dequantize())
    }

    /// The same numbers in f32.
    pub fn widen(&mut self) -> Result<(), Error> {
        self.unpack();
        self.refuse_broken_numbers()?;
        self.bytes = Bytes::from_floats(self.numbers()?);
        self.kind = GgmlType::F32;
        Ok(())
    }

    /// One expert's matrix of a tensor of them.
    pub fn take_expert(&mut self, index: usize) -> Result<(), Error> {
        let experts = self.shape.remove(0);
        self.each(|raw, bytes| {
            let len = bytes.as_slice().len() / experts;
            raw.slice(bytes, index * len..(index + 1) * len)
        })
    }

    /// Some of the rows.
    pub fn take_rows(&mut self, part: ExpertPart, count: usize) -> Result<(), Error> {
        let ExpertPart { rows, first, step, .. } = part;
        self.shape[0] = count;
        self.each(|raw, bytes| {
            let len = bytes.as_slice().len() / rows;
            if step == 1 {
                return raw.slice(bytes, first * len..(first + count) * len);
            }
            let stored = bytes.as_slice().chunks_exact(len).skip(first).step_by(step);
            Ok(Bytes::from(stored.take(count).flatten().copied().collect::<Vec<u8>>()))
        })
    }

    /// Changes the bytes, and the scales where they lie apart.
    fn each(
        &mut self,
        change: impl Fn(&Self, &Bytes) -> Result<Bytes, Error>,
    ) -> Result<(), Error> {
        self.bytes = change(self, &self.bytes)?;
        if let Some(scales) = &self.scales {
            self.scales = Some(change(self, scales)?);
        }
        Ok(())
    }

    /// Makes of what another library has packed its own kind; `F32` where that is asked for.
    pub fn unpack_whole(&mut self, is_widened: bool) {
        let (Some(packed), [rows, cols]) = (self.packed.take(), &self.shape[..]) else { return };
        if is_widened && self.kind.is_dense() {
            self.kind = GgmlType::F32;
        }
        self.bytes = packed.unpacked(self.bytes.as_slice(), [*rows, *cols], self.kind);
    }

    /// Makes of types that have no kernel what they are kept as.
    pub fn unpack(&mut self) {
        if let Some(scales) = self.scales.take() {
            let (bytes, scales) = (self.bytes.as_slice(), scales.as_slice());
            self.bytes = mxfp4::with_scales(bytes, scales);
        }
        if std::mem::take(&mut self.trits) {
            self.bytes = trits::as_tq2_0(self.bytes.as_slice());
        }
    }

    fn slice(&self, bytes: &Bytes, range: std::ops::Range<usize>) -> Result<Bytes, Error> {
        let part = bytes.clone().slice(range);
        part.map_err(|err| Error::not_a_model(&self.path, err.to_string()))
    }

    pub fn transpose(&mut self) -> Result<(), Error> {
        let [rows, cols] = self.shape[..] else { return Ok(()) };
        let width = self.kind.block_bytes();
        if self.kind.block_len() != 1 {
            let problem = format!("the tensor {} cannot be transposed", self.name);
            return Err(Error::not_a_model(&self.path, problem));
        }
        let bytes = self.bytes.as_slice();
        let mut out = Vec::with_capacity(bytes.len());
        for col in 0..cols {
            for row in 0..rows {
                let from = (row * cols + col) * width;
                out.extend_from_slice(&bytes[from..from + width]);
            }
        }
        self.bytes = Bytes::from(out);
        self.shape = vec![cols, rows];
        Ok(())
    }

    /// Infinities and NaNs: in dense types by one look at the exponent, in quantised ones in the
    /// scales of the blocks, since the rest are whole numbers.
    pub fn refuse_broken_numbers(&self) -> Result<(), Error> {
        let bytes = self.bytes.as_slice();
        let broken_f16 = |raw: [u8; 2]| u16::from_le_bytes(raw) & 0x7c00 == 0x7c00;
        let broken = match self.kind {
            GgmlType::F32 => {
                let (values, _) = bytes.as_chunks::<4>();
                values.par_iter().any(|raw| !f32::from_le_bytes(*raw).is_finite())
            }
            GgmlType::F16 => {
                let (values, _) = bytes.as_chunks::<2>();
                values.par_iter().any(|raw| broken_f16(*raw))
            }
            GgmlType::BF16 => {
                let (values, _) = bytes.as_chunks::<2>();
                values.par_iter().any(|raw| u16::from_le_bytes(*raw) & 0x7f80 == 0x7f80)
            }
            kind => {
                let scales: &[usize] = match kind {
                    GgmlType::Q4_1 | GgmlType::Q5_1 | GgmlType::Q4K | GgmlType::Q5K => &[0, 2],
                    GgmlType::Q2K => &[80, 82],
                    GgmlType::Q3K => &[108],
                    GgmlType::Q6K => &[208],
                    GgmlType::TQ2_0 => &[64],
                    GgmlType::MXFP4 => &[], // every exponent but the last is a number
                    _ => &[0],
                };
                let blocks = bytes.par_chunks_exact(kind.block_bytes()).with_min_len(1 << 12);
                blocks.any(|block| {
                    kind == GgmlType::MXFP4 && block[0] == u8::MAX
                        || scales.iter().any(|at| broken_f16([block[*at], block[*at + 1]]))
                })
            }
        };
        if broken {
            return Err(Error::NotFinite { path: self.path.clone(), name: self.name.clone() });
        }
        Ok(())
    }
}
