//! Activations rounded to 16 bits: what a packed weight is multiplied with.
//!
//! One byte, as llama.cpp has it, moves the starter model's likeliest log-probabilities by 0.09 on
//! average; two bring that below 0.001. The instruction that multiplies them takes pairs.
//! Who rounds them: `rounding`.

use std::cell::Cell;
use std::ops::Range;

/// 32 activations: activation `i` is about `scale * number i`.
///
/// A block with a value that is not finite has a NaN for its scale, so that a broken row gives NaN
/// and not a plausible number.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct ActBlock {
    /// Signed 16-bit numbers within ±32767, two to a word, the first one below: word j holds numbers
    /// 4j and 4j + 2, and word j of the second eight 4j + 1 and 4j + 3. In that order four bytes of
    /// weights fall apart into 16-bit lanes.
    #[cfg(not(target_arch = "aarch64"))]
    pub pairs: [[i32; 8]; 2],

    /// Signed 16-bit numbers within ±32767: the high byte of each, then the low byte of each.
    #[cfg(target_arch = "aarch64")]
    pub bytes: [[u8; 32]; 2],
    pub scale: f32,

    /// The sum of all 32 activations as rounded.
    pub sum: f32,

    /// The sums of the first and the last 16.
    pub half_sums: [f32; 2],
}

/// The largest number of a block.
pub(super) const LARGEST: f32 = 32767.0;

/// Below this a block counts as zero: the inverse of its scale would not be finite.
pub(super) const SMALLEST: f32 = 1e-30;

impl ActBlock {
    const ZERO: Self = Self {
        #[cfg(not(target_arch = "aarch64"))]
        pairs: [[0; 8]; 2],
        #[cfg(target_arch = "aarch64")]
        bytes: [[0; 32]; 2],
        scale: 0.0,
        sum: 0.0,
        half_sums: [0.0; 2],
    };

    /// The numbers in their order.
    #[cfg(target_arch = "aarch64")]
    pub fn numbers(&self) -> [i16; 32] {
        let [high, low] = &self.bytes;
        std::array::from_fn(|i| i16::from_le_bytes([low[i], high[i]]))
    }

    /// The numbers in their order.
    #[cfg(not(target_arch = "aarch64"))]
    pub fn numbers(&self) -> [i16; 32] {
        let mut numbers = [0; 32];
        let [even, odd] = &self.pairs;
        for (four, (even, odd)) in
            numbers.as_chunks_mut::<4>().0.iter_mut().zip(even.iter().zip(odd))
        {
            *four = [*even as i16, *odd as i16, (even >> 16) as i16, (odd >> 16) as i16];
        }
        numbers
    }
}

/// See [`ActBlock::pairs`].
#[cfg(not(target_arch = "aarch64"))]
pub(super) fn pairs_of(numbers: &[i16; 32]) -> [[i32; 8]; 2] {
    let pair = |low: i16, high: i16| i32::from(low.cast_unsigned()) | i32::from(high) << 16;
    let fours = numbers.as_chunks::<4>().0;
    [0, 1].map(|odd| std::array::from_fn(|j| pair(fours[j][odd], fours[j][odd + 2])))
}

thread_local! {
    /// What the last product of this thread left behind: fresh blocks would have to be cleared.
    static LEFT: Cell<Vec<ActBlock>> = const { Cell::new(Vec::new()) };
}

/// Blocks that are left behind at most: 1.3 MB, more than a piece of a prompt takes in the starter
/// model.
const MOST_LEFT: usize = 1 << 14;

/// Rows of activations, rounded.
pub(super) struct Activations {
    /// Those of the rows, and more from the product before.
    blocks: Vec<ActBlock>,
    blocks_per_row: usize,
}

impl Activations {
    /// Room for `values` activations in rows of `cols`. What is in the blocks is left over.
    pub fn room(values: usize, cols: usize) -> Self {
        let mut blocks = LEFT.take();
        let count = values / 32;
        if blocks.len() < count {
            blocks.resize(count, ActBlock::ZERO);
        }
        Self { blocks, blocks_per_row: cols / 32 }
    }

    /// The first blocks, to be written.
    pub fn first_mut(&mut self, count: usize) -> &mut [ActBlock] {
        &mut self.blocks[..count]
    }

    /// The same blocks of `N` rows that follow each other.
    #[inline]
    pub fn rows<const N: usize>(&self, first: usize, blocks: Range<usize>) -> [&[ActBlock]; N] {
        let rows = &self.blocks[first * self.blocks_per_row..][..N * self.blocks_per_row];
        std::array::from_fn(|n| &rows[n * self.blocks_per_row..][blocks.clone()])
    }

    pub fn row(&self, row: usize) -> &[ActBlock] {
        &self.blocks[row * self.blocks_per_row..][..self.blocks_per_row]
    }
}

impl Drop for Activations {
    fn drop(&mut self) {
        if self.blocks.len() <= MOST_LEFT {
            LEFT.set(std::mem::take(&mut self.blocks));
        }
    }
}
