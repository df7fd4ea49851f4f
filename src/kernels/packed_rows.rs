//! Several packed weight rows side by side, one to each lane of what is summed.

#![expect(unsafe_code, reason = "a block is looked up once for all rows")]

use super::matrix::QMatrix;

/// `$format!(module, bytes of a block, runs of 32 weights in it, signed, scales to a run)` for the
/// format of `$kind`. `module` is the format's one in a level's unpacking; `signed` weights have no
/// offset.
macro_rules! with_format {
    ($kind:expr, $format:ident) => {
        match $kind {
            GgmlType::F32 | GgmlType::F16 | GgmlType::BF16 => {
                unreachable!("dense weights have their own kernel")
            }
            GgmlType::Q4_0 => $format!(q4_0, 18, 1, false, 1),
            GgmlType::Q4_1 => $format!(q4_1, 20, 1, false, 1),
            GgmlType::Q5_0 => $format!(q5_0, 22, 1, false, 1),
            GgmlType::Q5_1 => $format!(q5_1, 24, 1, false, 1),
            GgmlType::Q8_0 => $format!(q8_0, 34, 1, true, 1),
            GgmlType::Q2K => $format!(q2k, 84, 8, false, 2),
            GgmlType::Q3K => $format!(q3k, 110, 8, false, 2),
            GgmlType::Q4K => $format!(q4k, 144, 8, false, 1),
            GgmlType::Q5K => $format!(q5k, 176, 8, false, 1),
            GgmlType::Q6K => $format!(q6k, 210, 8, false, 2),
            GgmlType::IQ4NL => $format!(iq4nl, 18, 1, true, 1),
            GgmlType::IQ4XS => $format!(iq4xs, 136, 8, true, 1),
            GgmlType::MXFP4 => $format!(mxfp4, 17, 1, true, 1),
            GgmlType::TQ2_0 => $format!(tq2_0, 66, 8, false, 1),
        }
    };
}
pub(super) use with_format;

/// `LANES` weight rows as stored, in blocks of `BYTES`.
pub(super) struct PackedRows<'a, const BYTES: usize, const LANES: usize> {
    rows: [&'a [[u8; BYTES]]; LANES],
}

impl<'a, const BYTES: usize, const LANES: usize> PackedRows<'a, BYTES, LANES> {
    /// Rows from `first` on. Lanes from `end` on repeat the row before it: what they give is not
    /// written.
    #[inline]
    pub fn new(weights: &'a QMatrix, first: usize, end: usize) -> Self {
        let last = (first + LANES).min(end) - 1;
        let first = first.min(last);
        let blocks = weights.rows_bytes(first..last + 1).as_chunks::<BYTES>().0;
        let len = blocks.len() / (last + 1 - first);
        Self { rows: std::array::from_fn(|lane| &blocks[len * lane.min(last - first)..][..len]) }
    }

    #[inline]
    #[cfg(target_arch = "x86_64")]
    pub fn start(&self) -> *const u8 {
        self.rows[0].as_ptr().cast()
    }

    /// Block `index` of each row.
    #[inline]
    pub fn blocks(&self, index: usize) -> [&'a [u8; BYTES]; LANES] {
        assert!(index < self.rows[0].len(), "a block outside the row");
        // SAFETY: all rows have as many blocks as the first.
        self.rows.map(|row| unsafe { row.get_unchecked(index) })
    }
}
