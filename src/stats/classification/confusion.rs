//! Accuracy, precision, recall, F1 and Matthews' correlation from a confusion matrix.

use crate::stats::cross_table::CrossTable;
use crate::stats::undefined::{Number, ratio, ratio_or_zero};

const NOTHING: &str = "no item with weight has both a true and a predicted label";

/// Precision, recall and their harmonic mean; each is 0 where its denominator is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

/// A label's scores, and the weight of the items that truly have it.
#[derive(Clone, Copy, Debug)]
pub struct LabelScores {
    pub scores: Scores,
    pub support: f64,
}

/// The three scores as averages.
#[derive(Clone, Debug)]
pub struct AverageScores {
    pub precision: Number,
    pub recall: Number,
    pub f1: Number,
}

/// The share of items whose prediction is right.
pub fn accuracy(table: &CrossTable) -> Number {
    ratio(table.diagonal(), table.total(), NOTHING)
}

/// Precision = tp / predicted, recall = tp / true, F1 = 2 tp / (predicted + true), a label each.
pub fn per_label(table: &CrossTable) -> Vec<LabelScores> {
    let (truth, predicted) = (table.row_totals(), table.column_totals());
    (0..table.labels())
        .map(|label| {
            let hits = table.cells[label][label];
            LabelScores {
                scores: scores(hits, predicted[label], truth[label]),
                support: truth[label],
            }
        })
        .collect()
}

fn scores(hits: f64, predicted: f64, truth: f64) -> Scores {
    Scores {
        precision: ratio_or_zero(hits, predicted),
        recall: ratio_or_zero(hits, truth),
        f1: ratio_or_zero(2.0 * hits, predicted + truth),
    }
}

/// The mean over the labels that occur in either coding.
pub fn macro_average(table: &CrossTable) -> AverageScores {
    let occurs = |label: &usize| table.occurs.0[*label] || table.occurs.1[*label];
    let all = per_label(table);
    let weights: Vec<f64> =
        (0..all.len()).map(|label| f64::from(u8::from(occurs(&label)))).collect();
    average(&all, &weights)
}

/// The mean of F1 over all declared labels, whether they occur or not.
pub fn macro_f1_declared(table: &CrossTable) -> Number {
    let all = per_label(table);
    average(&all, &vec![1.0; all.len()]).f1
}

/// The mean over labels, each weighted by the items that truly have it.
pub fn weighted_average(table: &CrossTable) -> AverageScores {
    let all = per_label(table);
    let weights: Vec<f64> = all.iter().map(|label| label.support).collect();
    average(&all, &weights)
}

fn average(all: &[LabelScores], weights: &[f64]) -> AverageScores {
    let total: f64 = weights.iter().sum();
    let mean = |of: fn(&Scores) -> f64| {
        let sum = all.iter().zip(weights).map(|(label, weight)| weight * of(&label.scores)).sum();
        ratio(sum, total, NOTHING)
    };
    AverageScores {
        precision: mean(|scores| scores.precision),
        recall: mean(|scores| scores.recall),
        f1: mean(|scores| scores.f1),
    }
}

/// The scores of all labels pooled; for one label an item, all three are the accuracy.
pub fn micro_average(table: &CrossTable) -> Scores {
    scores(table.diagonal(), table.total(), table.total())
}

/// The mean recall of the labels that items with weight truly have.
pub fn balanced_accuracy(table: &CrossTable) -> Number {
    let recalls: Vec<f64> = per_label(table)
        .iter()
        .filter(|label| label.support > 0.0)
        .map(|label| label.scores.recall)
        .collect();
    ratio(recalls.iter().sum(), recalls.len() as f64, NOTHING)
}

/// Matthews' correlation for any number of labels (Gorodkin 2004):
/// `(c s - Σ p_k t_k) / √((s² - Σ p_k²)(s² - Σ t_k²))`, and 0 where the root is 0.
pub fn matthews_correlation(table: &CrossTable) -> f64 {
    let (truth, predicted) = (table.row_totals(), table.column_totals());
    let one_label = |totals: &[f64]| totals.iter().filter(|total| **total != 0.0).count() < 2;
    if one_label(&truth) || one_label(&predicted) {
        return 0.0;
    }
    let all = table.total();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let root = ((all * all - dot(&predicted, &predicted)).sqrt())
        * ((all * all - dot(&truth, &truth)).sqrt());
    ratio_or_zero(table.diagonal() * all - dot(&predicted, &truth), root)
}
