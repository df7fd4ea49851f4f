//! The result of a product, which many tasks write at once.

#![expect(unsafe_code, reason = "threads write disjoint columns of one slice")]

use std::marker::PhantomData;

/// The (m, rows) result, of which each task writes its own columns.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    start: *mut f32,
    m: usize,
    rows: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: the only access is `write`, and no two tasks of a product have a column in common.
unsafe impl Send for Columns<'_> {}
// SAFETY: as above.
unsafe impl Sync for Columns<'_> {}

impl<'a> Columns<'a> {
    pub fn new(out: &'a mut [f32], m: usize) -> Self {
        let rows = out.len() / m;
        Self { start: out.as_mut_ptr(), m, rows, borrow: PhantomData }
    }

    /// Rows of activations, and of the result.
    pub fn m(&self) -> usize {
        self.m
    }

    /// Writes outputs `first` and following of row `i`. Only the task that has these columns may.
    #[inline]
    pub fn write(&self, i: usize, first: usize, values: &[f32]) {
        assert!(i < self.m && first + values.len() <= self.rows, "an output outside the result");
        // SAFETY: in bounds by the assertion; nobody else reads or writes these columns, since
        // `matmul_at` gives each task rows of its own and holds the one `&mut` until all are done.
        unsafe {
            let to = self.start.add(i * self.rows + first);
            to.copy_from_nonoverlapping(values.as_ptr(), values.len());
        }
    }
}
