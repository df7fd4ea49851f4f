//! Items with a set of labels each.

use crate::stats::undefined::{Number, ratio, ratio_or_zero};

/// What a set of labels shares with another.
#[derive(Clone, Copy, Debug, Default)]
struct Overlap {
    both: f64,
    only_true: f64,
    only_predicted: f64,
}

impl Overlap {
    fn add(&mut self, pair: (bool, bool)) {
        match pair {
            (true, true) => self.both += 1.0,
            (true, false) => self.only_true += 1.0,
            (false, true) => self.only_predicted += 1.0,
            (false, false) => {}
        }
    }

    fn wrong(self) -> f64 {
        self.only_true + self.only_predicted
    }

    /// 2 tp / (2 tp + fp + fn), 0 where that is 0/0.
    fn f1(self) -> f64 {
        ratio_or_zero(2.0 * self.both, 2.0 * self.both + self.wrong())
    }

    /// tp / (tp + fp + fn), 0 where that is 0/0.
    fn jaccard(self) -> f64 {
        ratio_or_zero(self.both, self.both + self.wrong())
    }
}

/// Everything about two lists of sets.
#[derive(Clone, Debug)]
pub struct SetScores {
    pub items: usize,

    /// The share of items whose sets are the same.
    pub subset_accuracy: Number,

    /// The share of all item-label decisions that are wrong.
    pub hamming_loss: Number,
    pub micro_f1: f64,
    pub micro_jaccard: f64,
    pub macro_f1: Number,
    pub macro_jaccard: Number,
    pub samples_f1: Number,
    pub samples_jaccard: Number,

    /// The same, two empty sets being the same set.
    pub samples_jaccard_both_empty_is_1: Number,
}

/// Micro: pooled; macro: the mean over all `labels`; samples: the mean over items. An item is
/// (true, predicted), a flag a label each.
pub fn set_scores(items: &[(Vec<bool>, Vec<bool>)], labels: usize) -> SetScores {
    let mut per_label = vec![Overlap::default(); labels];
    let mut pooled = Overlap::default();
    let (mut same, mut f1, mut jaccard, mut both_empty) = (0.0, 0.0, 0.0, 0.0);
    for (truth, predicted) in items {
        let mut item = Overlap::default();
        for label in 0..labels {
            let pair = (truth[label], predicted[label]);
            item.add(pair);
            pooled.add(pair);
            per_label[label].add(pair);
        }
        if item.wrong() == 0.0 {
            same += 1.0;
            if item.both == 0.0 {
                both_empty += 1.0;
            }
        }
        f1 += item.f1();
        jaccard += item.jaccard();
    }
    let count = items.len() as f64;
    let of_items = |sum: f64| ratio(sum, count, "no items");
    let of_labels = |of: fn(Overlap) -> f64| {
        ratio(per_label.iter().map(|label| of(*label)).sum(), labels as f64, "no labels")
    };
    SetScores {
        items: items.len(),
        subset_accuracy: of_items(same),
        hamming_loss: ratio(pooled.wrong(), count * labels as f64, "no items or no labels"),
        micro_f1: pooled.f1(),
        micro_jaccard: pooled.jaccard(),
        macro_f1: of_labels(Overlap::f1),
        macro_jaccard: of_labels(Overlap::jaccard),
        samples_f1: of_items(f1),
        samples_jaccard: of_items(jaccard),
        samples_jaccard_both_empty_is_1: of_items(jaccard + both_empty),
    }
}
