//! Several sequences as one tree of tokens: what they begin with in common is there once. With
//! gradients, see `backward`; after what a cache holds, `infer.rs`.
//!
//! A pair's two answers share their prompt, and all rows of a chat share its system message. A
//! token sees exactly the tokens before it in its own sequence, so that its hidden state is the
//! same for all sequences that share it. Layers that look at single tokens run over all rows at
//! once; only attention (`tree_attention.rs`) looks at the segments.

/// A row for each token of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenTree {
    ids: Vec<u32>,

    /// Where each row's token stands in its sequences.
    positions: Vec<usize>,
    segments: Vec<Segment>,
    sequences: Vec<Vec<u32>>,
}

/// Rows in a line. Every token of a segment sees its prefix, and what is before it in the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub first_row: usize,
    pub len: usize,

    /// The rows of the tokens before, in their order. Its length is the first row's position.
    pub prefix: Vec<u32>,
}

impl Segment {
    /// The row of the token at a position of this segment's sequences.
    pub fn row(&self, position: usize) -> usize {
        match self.prefix.get(position) {
            Some(row) => *row as usize,
            None => self.first_row + position - self.prefix.len(),
        }
    }
}

impl TokenTree {
    /// `[[1, 2, 3], [1, 2, 4, 5]]` becomes the rows `1 2 3 4 5`, of which `4` sees `1 2`.
    pub fn new<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut tree = Self::default();
        let mut known: Vec<&[u32]> = Vec::new();
        for ids in sequences {
            let shared = |other: &&[u32]| {
                ids.iter().zip(*other).take_while(|(one, other)| one == other).count()
            };
            let lengths = known.iter().map(shared).enumerate();
            // The first of the longest.
            let best = lengths.reduce(|best, next| if next.1 > best.1 { next } else { best });
            let mut rows = match best {
                Some((index, len)) => tree.sequences[index][..len].to_vec(),
                None => Vec::new(),
            };
            let (start, first_row) = (rows.len(), tree.ids.len());
            if start < ids.len() {
                let len = ids.len() - start;
                tree.segments.push(Segment { first_row, len, prefix: rows.clone() });
                rows.extend((first_row..first_row + len).map(|row| row as u32));
                tree.ids.extend(&ids[start..]);
                tree.positions.extend(start..ids.len());
            }
            tree.sequences.push(rows);
            known.push(ids);
        }
        tree
    }

    /// The same tree after some tokens that all its sequences then begin with, which are its first rows.
    #[must_use]
    pub fn after(&self, first: &[u32]) -> Self {
        let count = first.len();
        let begun = || 0..count as u32;
        let shifted = |rows: &[u32]| -> Vec<u32> {
            begun().chain(rows.iter().map(|row| row + count as u32)).collect()
        };
        let begin = Segment { first_row: 0, len: count, prefix: Vec::new() };
        let segments = self.segments.iter().map(|Segment { first_row, len, prefix }| Segment {
            first_row: first_row + count,
            len: *len,
            prefix: shifted(prefix),
        });
        Self {
            ids: [first, &self.ids].concat(),
            positions: (0..count).chain(self.positions.iter().map(|at| at + count)).collect(),
            segments: (count > 0).then_some(begin).into_iter().chain(segments).collect(),
            sequences: self.sequences.iter().map(|rows| shifted(rows)).collect(),
        }
    }

    /// Rows of the tree.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Each row's token.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The rows of a sequence's tokens, by the sequence's number.
    pub fn rows(&self, sequence: usize) -> &[u32] {
        &self.sequences[sequence]
    }

    pub(crate) fn positions(&self) -> &[usize] {
        &self.positions
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Length of the longest sequence.
    pub(crate) fn depth(&self) -> usize {
        self.positions.iter().max().map_or(0, |last| last + 1)
    }
}

/// A tree whose sequences were sorted, so that a row comes soon after the row before it in its
/// sequence: what lies between has a longer beginning in common with it than what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedTree {
    tree: TokenTree,

    /// Where each sequence is among the sorted ones.
    places: Vec<usize>,
}

impl SortedTree {
    pub fn new(sequences: &[Vec<u32>]) -> Self {
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by(|a, b| sequences[*a].cmp(&sequences[*b]));
        let tree = TokenTree::new(order.iter().map(|index| sequences[*index].as_slice()));
        let mut places = vec![0; order.len()];
        for (place, index) in order.into_iter().enumerate() {
            places[index] = place;
        }
        Self { tree, places }
    }

    pub fn tree(&self) -> &TokenTree {
        &self.tree
    }

    /// The rows of a sequence's tokens, by the sequence's number before they were sorted.
    pub fn rows(&self, sequence: usize) -> &[u32] {
        self.tree.rows(self.places[sequence])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sequences_begin_with_in_common_is_there_once() {
        let sequences: [&[u32]; 4] = [&[1, 2, 3], &[1, 2, 4, 5], &[7], &[1, 2, 4]];
        let tree = TokenTree::new(sequences);
        assert_eq!(tree.ids(), [1, 2, 3, 4, 5, 7]);
        assert_eq!(tree.positions(), [0, 1, 2, 2, 3, 0]);
        let rows: Vec<&[u32]> = (0..4).map(|sequence| tree.rows(sequence)).collect();
        assert_eq!(rows, [&[0, 1, 2][..], &[0, 1, 3, 4], &[5], &[0, 1, 3]]);
        assert_eq!(tree.segments().len(), 3); // the fourth sequence is a part of the second
        let second = &tree.segments()[1];
        assert_eq!((0..4).map(|at| second.row(at)).collect::<Vec<_>>(), [0, 1, 3, 4]);
        assert_eq!((tree.len(), tree.depth()), (6, 4));
    }

    #[test]
    fn a_tree_after_some_tokens_is_that_of_its_sequences_after_them() {
        let sequences: [&[u32]; 3] = [&[1, 2, 3], &[1, 2, 4, 5], &[7]];
        let whole = sequences.map(|ids| [[8, 9].as_slice(), ids].concat());
        let expected = TokenTree::new(whole.iter().map(Vec::as_slice));
        let tree = TokenTree::new(sequences).after(&[8, 9]);
        assert_eq!((tree.ids(), tree.positions()), (expected.ids(), expected.positions()));
        assert_eq!((tree.rows(1), tree.rows(2)), (expected.rows(1), expected.rows(2)));
        assert_eq!(tree.segments()[2], Segment { first_row: 5, len: 2, prefix: vec![0, 1, 2, 3] });
        assert_eq!(tree.depth(), 6);
    }
}
