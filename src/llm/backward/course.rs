//! How states go through a tree of tokens: forward from each token to those that follow it, and
//! backward, for one head and for all heads of a layer. What a state does at a token is its layer's: see
//! `recurrent.rs` and `delta_net.rs`.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use crate::llm::net::buffers::Buffer;
use crate::llm::net::rows;
use crate::llm::net::rows::Stripes;
use crate::llm::net::tree::TokenTree;

/// Rows whose states are in memory at once in the backward pass: those before are computed again, from
/// one state that is kept for each so many rows.
pub(crate) const PIECE: usize = 64;

/// The rows of a tree in an order in which states can go through them.
pub(crate) struct Course {
    /// The row before each row in its sequences.
    parents: Vec<Option<usize>>,

    /// Rows in a line, each after what it follows.
    pieces: Vec<Range<usize>>,

    /// Whether a piece begins after a row.
    is_followed: Vec<bool>,
}

/// The states after the rows that a piece follows.
pub(crate) type Kept = BTreeMap<usize, Vec<f32>>;

/// A head of a layer that carries a state, with what it sees of all rows.
pub(crate) trait StateHead: Sync {
    /// The gradients by what it sees, a row after the other.
    type Gradients: Send;

    fn no_gradients(&self, rows: usize) -> Self::Gradients;

    /// Makes of the state before a row the one after it.
    fn take_in(&self, row: usize, state: &mut [f32]);

    /// What the head gives at a row, of the state after it; `out` is zeros.
    fn give(&self, row: usize, state: &[f32], out: &mut [f32]);

    /// `by_given`: the gradient by what the head gave at a row; `grad`: that by the state after it, which
    /// becomes the one by the state before it.
    fn back(
        &self,
        at: (usize, &[f32]),
        states: [&[f32]; 2],
        grad: &mut [f32],
        sums: &mut Self::Gradients,
    );
}

/// How many heads a layer has, and how many numbers a head's state has and it gives at a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    pub count: usize,
    pub state: usize,
    pub given: usize,
}

impl Course {
    /// What all heads give, (rows, heads · given), and the states that each keeps.
    pub fn mix<H: StateHead>(
        &self,
        heads: Heads,
        head: impl Fn(usize) -> H + Sync,
    ) -> (Buffer, Vec<Kept>) {
        let Heads { count, state, given } = heads;
        let by_head: Vec<(Vec<f32>, Kept)> = (0..count)
            .into_par_iter()
            .map(|number| {
                let head = head(number);
                let mut out = vec![0.0; self.rows() * given];
                let kept = self.forth(state, |row, state| {
                    head.take_in(row, state);
                    head.give(row, state, &mut out[row * given..][..given]);
                });
                (out, kept)
            })
            .collect();
        let mut mixed = Buffer::any(self.rows() * count * given);
        for (number, (out, _)) in by_head.iter().enumerate() {
            Stripes::one(count * given, number * given, given).put(out, &mut mixed);
        }
        (mixed, by_head.into_iter().map(|(_, kept)| kept).collect())
    }

    /// From the gradient by what [`Self::mix`] gave to those by what each head sees.
    pub fn mix_back<H: StateHead>(
        &self,
        heads: Heads,
        head: impl Fn(usize) -> H + Sync,
        kept: &[Kept],
        grad: &[f32],
    ) -> Vec<H::Gradients> {
        let Heads { count, state, given } = heads;
        let of_head = |(number, kept): (usize, &Kept)| {
            let head = head(number);
            let mut sums = head.no_gradients(self.rows());
            let step = |row: usize, state: &mut [f32]| head.take_in(row, state);
            self.back(state, kept, step, |row, states, state_grad| {
                let by_given = &grad[(row * count + number) * given..][..given];
                head.back((row, by_given), states, state_grad, &mut sums);
            });
            sums
        };
        kept.par_iter().enumerate().map(of_head).collect()
    }

    pub fn of(tree: &TokenTree) -> Self {
        let mut parents = vec![None; tree.len()];
        let mut pieces = Vec::new();
        let mut is_followed = vec![false; tree.len()];
        for segment in tree.segments() {
            let rows = segment.first_row..segment.first_row + segment.len;
            for row in rows.clone() {
                parents[row] = if row == segment.first_row {
                    segment.prefix.last().map(|row| *row as usize)
                } else {
                    Some(row - 1)
                };
            }
            for first in rows.clone().step_by(PIECE) {
                if let Some(row) = parents[first] {
                    is_followed[row] = true;
                }
                pieces.push(first..rows.end.min(first + PIECE));
            }
        }
        Self { parents, pieces, is_followed }
    }

    pub fn rows(&self) -> usize {
        self.parents.len()
    }

    /// The row before a row in its sequences. `None`: it is the first.
    pub fn parent(&self, row: usize) -> Option<usize> {
        self.parents[row]
    }

    /// Takes a state of `size` numbers through all rows; `step` makes of the state before a row the one
    /// after it.
    pub fn forth(&self, size: usize, mut step: impl FnMut(usize, &mut [f32])) -> Kept {
        let mut kept = Kept::new();
        for piece in &self.pieces {
            let mut state = self.before(piece, size, &kept);
            for row in piece.clone() {
                step(row, &mut state);
                if self.is_followed[row] {
                    kept.insert(row, state.clone());
                }
            }
        }
        kept
    }

    /// Takes the gradient by a state back through all rows. `step` is that of [`Self::forth`], which gave
    /// `kept`; `back` gets a row, the states before and after it, and the gradient by the latter, as far
    /// as later rows know it, which it makes into that by the former.
    pub fn back(
        &self,
        size: usize,
        kept: &Kept,
        mut step: impl FnMut(usize, &mut [f32]),
        mut back: impl FnMut(usize, [&[f32]; 2], &mut [f32]),
    ) {
        let mut waiting = Kept::new();
        for piece in self.pieces.iter().rev() {
            // Before the piece, and after each of its rows.
            let mut states = vec![0.0; (piece.len() + 1) * size];
            states[..size].copy_from_slice(&self.before(piece, size, kept));
            for (index, row) in piece.clone().enumerate() {
                let (done, next) = states.split_at_mut((index + 1) * size);
                let next = &mut next[..size];
                next.copy_from_slice(&done[index * size..]);
                step(row, next);
            }
            let mut grad = vec![0.0; size];
            for (index, row) in piece.clone().enumerate().rev() {
                if let Some(more) = waiting.remove(&row) {
                    rows::add_scaled(&mut grad, 1.0, &more);
                }
                let both = &states[index * size..(index + 2) * size];
                let (before, after) = both.split_at(size);
                back(row, [before, after], &mut grad);
            }
            if let Some(row) = self.parents[piece.start] {
                let sum = waiting.entry(row).or_insert_with(|| vec![0.0; size]);
                rows::add_scaled(sum, 1.0, &grad);
            }
        }
    }

    /// The state that a piece begins with.
    fn before(&self, piece: &Range<usize>, size: usize, kept: &Kept) -> Vec<f32> {
        let known = self.parents[piece.start].and_then(|row| kept.get(&row));
        known.map_or_else(|| vec![0.0; size], Clone::clone)
    }
}

/// Adds to a part of rows of `width`, which several heads see, what one of them says of it.
pub(crate) fn add_to_shared(all: &mut [f32], width: usize, part: Range<usize>, own: &[f32]) {
    for (all, own) in all.chunks_exact_mut(width).zip(own.chunks_exact(part.len())) {
        rows::add_scaled(&mut all[part.clone()], 1.0, own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three sequences, longer than a piece: two share 100 tokens, and one of them 150 with the third.
    fn tree() -> TokenTree {
        let first: Vec<u32> = (0..200).collect();
        let second: Vec<u32> = (0..100).chain(500..540).collect();
        let third: Vec<u32> = (0..150).chain(700..730).collect();
        TokenTree::new([&first, &second, &third].map(Vec::as_slice))
    }

    fn number(row: usize) -> f32 {
        ((row * 37 + 11) % 19) as f32 / 19.0 - 0.4
    }

    #[test]
    fn a_state_comes_by_the_same_way_as_each_sequence_alone() {
        let tree = tree();
        let mut found = vec![0.0; tree.len()];
        Course::of(&tree).forth(1, |row, state| {
            state[0] = 0.9 * state[0] + number(row);
            found[row] = state[0];
        });
        for sequence in 0..3 {
            let mut state = 0.0;
            for row in tree.rows(sequence) {
                let row = *row as usize;
                state = 0.9 * state + number(row);
                assert_eq!(found[row], state, "row {row} of sequence {sequence}");
            }
        }
    }

    #[test]
    fn a_gradient_gathers_what_every_later_row_says() {
        let tree = tree();
        let course = Course::of(&tree);
        // s = f · s of the row before + x; the loss is the sum of weight · s² / 2.
        let (fade, weight) = (|row| 0.5 + 0.4 * number(row), |row| number(row + 3));
        let step = |row: usize, state: &mut [f32]| state[0] = fade(row) * state[0] + number(row);
        let mut after = vec![0.0; tree.len()];
        let kept = course.forth(1, |row, state| {
            step(row, state);
            after[row] = state[0];
        });
        let mut by_x = vec![0.0; tree.len()];
        let mut by_fade = vec![0.0; tree.len()];
        course.back(1, &kept, step, |row, [before, after], grad| {
            grad[0] += weight(row) * after[0];
            by_x[row] = grad[0];
            by_fade[row] = grad[0] * before[0];
            grad[0] *= fade(row);
        });

        // The same by going from each row to all that come before it.
        let mut expected = vec![0.0; tree.len()];
        for (row, after) in after.iter().enumerate() {
            let (mut at, mut reach) = (Some(row), weight(row) * after);
            while let Some(earlier) = at {
                expected[earlier] += reach;
                reach *= fade(earlier);
                at = course.parent(earlier);
            }
        }
        for (row, expected) in expected.iter().enumerate() {
            let before = course.parent(row).map_or(0.0, |row| after[row]);
            assert!((by_x[row] - expected).abs() < 1e-5, "row {row}");
            assert!((by_fade[row] - expected * before).abs() < 1e-5, "row {row}");
        }
    }
}
