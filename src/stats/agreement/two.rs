//! Agreement of two coders: percent, and Cohen's kappa with weights.

use crate::stats::cross_table::CrossTable;
use crate::stats::undefined::{Number, ratio};

/// How much a disagreement counts, by how far apart the labels lie on the declared scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KappaWeights {
    /// All the same: Cohen 1960.
    Unweighted,

    /// By the distance: |i - j|.
    Linear,

    /// By the squared distance: Cohen 1968.
    Quadratic,
}

/// The share of items (by weight) that both gave the same label.
pub fn percent_agreement(table: &CrossTable) -> Number {
    ratio(table.diagonal(), table.total(), "no item has a label from both coders")
}

/// Cohen's kappa, 1 - Σ W O / Σ W E, with O the table, E = row total × column total / n, and W by
/// the positions of the labels on the whole declared scale, used or not.
///
/// Undefined where both use one and the same label only: expected disagreement is 0.
pub fn cohen_kappa(table: &CrossTable, weights: KappaWeights) -> Number {
    let total = table.total();
    if total == 0.0 {
        return Err("no item has a label from both coders".into());
    }
    let (rows, columns) = (table.row_totals(), table.column_totals());
    let (mut observed, mut expected) = (0.0, 0.0);
    for (i, row) in table.cells.iter().enumerate() {
        for (j, cell) in row.iter().enumerate() {
            let distance = i.abs_diff(j) as f64;
            let weight = match weights {
                KappaWeights::Unweighted => f64::from(u8::from(i != j)),
                KappaWeights::Linear => distance,
                KappaWeights::Quadratic => distance * distance,
            };
            observed += weight * cell;
            expected += weight * rows[i] * columns[j] / total;
        }
    }
    let reason = "both coders used one and the same label: expected disagreement is 0, 0/0";
    Ok(1.0 - ratio(observed, expected, reason)?)
}
