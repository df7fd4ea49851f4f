//! Rows of supervised fine-tuning put together into longer ones, as TRL's `pack_dataset` does it.

use std::collections::{BTreeMap, VecDeque};

use super::batch::Example;
use super::sequence::Sequence;
use super::survey::{Concern, Finding};
use crate::llm::config::Naming;
use crate::train::config::PackingStrategy;

/// Rows that are packed with each other: TRL packs so many at a time.
const AT_ONCE: usize = 1000;

/// The documents in longer rows of at most `limit` tokens. `documents` are not cut yet.
pub(super) fn packed(
    documents: &[Example],
    limit: usize,
    strategy: PackingStrategy,
) -> Vec<Example> {
    documents
        .chunks(AT_ONCE)
        .flat_map(|part| match strategy {
            // TRL's cuts here whatever `truncation_mode` says.
            PackingStrategy::Bfd => {
                in_bins(&part.iter().map(|row| fragment(row, 0, limit)).collect::<Vec<_>>(), limit)
            }
            PackingStrategy::BfdSplit => {
                let fragments = part.iter().flat_map(|row| {
                    let count = row.chosen.ids.len().div_ceil(limit);
                    (0..count).map(move |place| fragment(row, place * limit, limit))
                });
                in_bins(&fragments.collect::<Vec<_>>(), limit)
            }
            PackingStrategy::Wrapped => wrapped(part, limit),
        })
        .collect()
}

/// What is to be said of a family whose packed rows transformers (5.23) lets see each other: it makes the mask
/// without their positions, which begin anew all the same.
pub(super) fn kept_apart(naming: Naming, strategy: PackingStrategy) -> Option<Finding> {
    let sees_them = matches!(
        naming,
        Naming::Bloom
            | Naming::Falcon
            | Naming::GptOss
            | Naming::GraniteHybrid
            | Naming::Lfm3
            | Naming::Mpt
            | Naming::Opt
    );
    let sentence = "Rows that are packed together do not see each other here. Of this family transformers lets \
                    them, so that TRL's numbers are others; packing_strategy = \"wrapped\" is alike in both";
    (sees_them && strategy != PackingStrategy::Wrapped).then(|| Finding {
        concern: Concern::Fact,
        sentence: sentence.to_owned(),
        rows: Vec::new(),
        lines: Vec::new(),
    })
}

/// Some tokens of a row. A part of its prompt is still none of its answer.
fn fragment(row: &Example, first: usize, limit: usize) -> Example {
    Example { chosen: row.chosen.part(first..first + limit), ..row.clone() }
}

fn in_bins(rows: &[Example], limit: usize) -> Vec<Example> {
    let lengths: Vec<usize> = rows.iter().map(|row| row.chosen.ids.len()).collect();
    let bins = best_fit_decreasing(&lengths, limit).into_iter();
    bins.map(|bin| {
        let mut members = bin.into_iter().map(|place| &rows[place]);
        let mut first = members.next().expect("no bin is empty").clone();
        first.packed = members.map(|row| row.chosen.clone()).collect();
        first
    })
    .collect()
}

/// Each of the lengths in a bin of `limit`: the longest first, each into the fullest bin that takes it,
/// and of equally full ones into the one that has been so for longest.
fn best_fit_decreasing(lengths: &[usize], limit: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).filter(|place| lengths[*place] > 0).collect();
    order.sort_by_key(|place| std::cmp::Reverse(lengths[*place]));
    let mut bins: Vec<Vec<usize>> = Vec::new();
    let mut with_space: BTreeMap<usize, VecDeque<usize>> = BTreeMap::new();
    for place in order {
        let length = lengths[place];
        let found = with_space.range_mut(length..limit).next();
        let (bin, space) = if let Some((&space, waiting)) = found {
            let bin = waiting.pop_front().expect("empty queues are removed");
            if waiting.is_empty() {
                with_space.remove(&space);
            }
            (bin, space)
        } else {
            bins.push(Vec::new());
            (bins.len() - 1, limit)
        };
        bins[bin].push(place);
        let left = space - length;
        if left > 0 {
            with_space.entry(left).or_default().push_back(bin);
        }
    }
    bins
}

/// All tokens one after another, cut into rows of `limit`.
fn wrapped(rows: &[Example], limit: usize) -> Vec<Example> {
    let all: Vec<u32> = rows.iter().flat_map(|row| row.chosen.ids.iter().copied()).collect();
    let learned: Vec<bool> = rows.iter().flat_map(|row| row.chosen.mask()).collect();
    let parts = all.chunks(limit).zip(learned.chunks(limit)).zip(rows.iter().cycle());
    parts
        .map(|((ids, learned), row)| {
            let chosen = Sequence::masked(ids.to_vec(), learned);
            Example { chosen, ..row.clone() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::pair::Text;

    fn rows(lengths: &[usize]) -> Vec<Example> {
        let mut next = 0..;
        let row = |length: &usize| {
            let ids = next.by_ref().take(*length).collect();
            let chosen = Sequence::whole(ids);
            Example::of_one(1, Text::Plain(String::new()), String::new(), chosen)
        };
        lengths.iter().map(row).collect()
    }

    fn ids(rows: &[Example]) -> Vec<Vec<Vec<u32>>> {
        let of = |row: &Example| row.sequences().map(|sequence| sequence.ids.clone()).collect();
        rows.iter().map(of).collect()
    }

    // Found by logits of transformers 5.23: a row alone, and behind another one with positions from 0.
    #[test]
    fn a_family_that_trl_packs_otherwise_is_said() {
        let is_said = |naming, strategy| kept_apart(naming, strategy).is_some();
        for naming in [Naming::Falcon, Naming::Opt, Naming::GptOss] {
            assert!(
                is_said(naming, PackingStrategy::Bfd) && is_said(naming, PackingStrategy::BfdSplit)
            );
            assert!(!is_said(naming, PackingStrategy::Wrapped));
        }
        for naming in [Naming::Llama, Naming::Gpt2, Naming::GptNeo, Naming::GptNeox] {
            assert!(!is_said(naming, PackingStrategy::Bfd));
        }
    }

    #[test]
    fn rows_are_packed_as_by_trl() {
        // The documentation of TRL 1.16.0's pack_dataset: 5, 2, 3 and 1 tokens in rows of 4
        let rows = rows(&[5, 2, 3, 1]);
        let of = |strategy| ids(&packed(&rows, 4, strategy));
        assert_eq!(
            of(PackingStrategy::Bfd),
            [vec![vec![0, 1, 2, 3]], vec![vec![7, 8, 9], vec![10]], vec![vec![5, 6]]]
        );
        assert_eq!(
            of(PackingStrategy::BfdSplit),
            [vec![vec![0, 1, 2, 3]], vec![vec![7, 8, 9], vec![4]], vec![vec![5, 6], vec![10]]]
        );
        assert_eq!(
            of(PackingStrategy::Wrapped),
            [vec![vec![0, 1, 2, 3]], vec![vec![4, 5, 6, 7]], vec![vec![8, 9, 10]]]
        );
    }

    #[test]
    fn of_equally_full_bins_the_one_that_has_been_so_for_longest_is_filled() {
        // TRL 1.16.0's _pack_bfd on the same lengths, with rows of 10
        assert_eq!(
            best_fit_decreasing(&[6, 7, 6, 3, 4, 2, 4], 10),
            [vec![1, 3], vec![0, 4], vec![2, 6], vec![5]]
        );
    }
}
