//! The result of a product, shared out among the tasks that compute it.

#![expect(unsafe_code, reason = "tasks write columns of one slice, each its own")]

use std::marker::PhantomData;
use std::ops::Range;

/// Some columns of a result that lies row by row: one task's own, since no two of
/// [`Columns::shares`] have one in common.
pub(super) struct Columns<'a> {
    /// Of the whole result.
    start: *mut f32,
    m: usize,
    width: usize,

    /// Which columns it has.
    own: Range<usize>,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is the only one that writes its columns, and nobody reads them while it is there.
unsafe impl Send for Columns<'_> {}

impl<'a> Columns<'a> {
    /// Shares out a result of `m` rows, `count` columns at a time.
    pub fn shares(
        out: &'a mut [f32],
        m: usize,
        count: usize,
    ) -> impl Iterator<Item = Self> + use<'a> {
        let width = out.len() / m;
        let start = out.as_mut_ptr();
        (0..width).step_by(count).map(move |first| {
            let own = first..width.min(first + count);
            Self { start, m, width, own, borrow: PhantomData }
        })
    }

    /// Rows of activations, and of the result.
    pub fn m(&self) -> usize {
        self.m
    }

    /// The columns that it has: as many rows of the weights.
    pub fn own(&self) -> Range<usize> {
        self.own.clone()
    }

    /// Where those outputs begin, and how far apart their rows are: for kernels that write a tile
    /// through a pointer. Whoever does is this one's only user meanwhile.
    #[inline]
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "for tiles"))]
    #[expect(clippy::needless_pass_by_ref_mut, reason = "what it gives is written through")]
    pub fn part(&mut self, rows: Range<usize>, columns: Range<usize>) -> (*mut f32, usize) {
        let Range { start, end } = self.own;
        assert!(
            rows.end <= self.m && columns.start >= start && columns.end <= end,
            "an output of another task"
        );
        (self.start.wrapping_add(rows.start * self.width + columns.start), self.width)
    }

    /// Writes outputs `first` and following of row `i`.
    #[inline]
    pub fn write(&mut self, i: usize, first: usize, values: &[f32]) {
        let Range { start, end } = self.own;
        assert!(
            i < self.m && first >= start && first + values.len() <= end,
            "an output of another task"
        );
        // SAFETY: within the result by the assertion, and in columns that only this one has; it is
        // borrowed mutably, so nobody else writes through it.
        unsafe {
            let to = self.start.add(i * self.width + first);
            to.copy_from_nonoverlapping(values.as_ptr(), values.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_in_one_share_and_lands_in_its_place() {
        let mut out = vec![0.0; 2 * 7];
        for mut share in Columns::shares(&mut out, 2, 3) {
            for column in share.own() {
                share.write(0, column, &[column as f32]);
                share.write(1, column, &[10.0 + column as f32]);
            }
        }
        let expected: Vec<f32> = (0..7).chain(10..17).map(|number| number as f32).collect();
        assert_eq!(out, expected);
    }

    #[test]
    #[should_panic(expected = "an output of another task")]
    fn a_share_writes_no_column_of_another() {
        let mut out = vec![0.0; 6];
        let mut shares = Columns::shares(&mut out, 1, 3);
        shares.next().expect("the first three").write(0, 2, &[1.0, 2.0]);
    }
}
