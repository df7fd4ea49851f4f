//! The model's answers against those of people: right or wrong, beyond chance, label by label; and how far
//! people agree among themselves.

use serde::Serialize;

use super::figure::WithInterval;
use crate::evaluate::task::scale::LabelScale;
use crate::stats::agreement::many::{Ratings, Scale, percent_agreement};
use crate::stats::agreement::two::{KappaWeights, cohen_kappa};
use crate::stats::classification::confusion;
use crate::stats::cross_table::CrossTable;
use crate::stats::resample::Bootstrap;
use crate::stats::stability::alpha_interval;

/// The model's answers against somebody's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Against {
    /// A column, or `most coders`.
    pub who: String,

    /// Rows that both have labelled.
    pub items: usize,
    pub accuracy: WithInterval,

    /// Percentile intervals over 1,000 draws of rows (seed 0), of macro F1 too.
    pub kappa: WithInterval,
    pub macro_f1: WithInterval,

    /// Rows: theirs, columns: the model's.
    pub confusion: Vec<Vec<f64>>,
    pub labels: Vec<PerLabel>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PerLabel {
    pub label: String,

    /// How many rows have it by their account, and by the model's.
    pub theirs: usize,
    pub models: usize,
    pub precision: WithInterval,
    pub recall: WithInterval,
    pub f1: f64,
}

/// How far people agree among themselves, and with the model as one more of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Percentile intervals over 1,000 draws of rows (seed 0).
    pub percent: WithInterval,

    /// Krippendorff's alpha: nominal, or of the codebook's scale.
    pub alpha: WithInterval,
    pub alpha_with_model: WithInterval,
}

/// Labels of the rows that both have labelled.
pub fn both(theirs: &[Option<usize>], model: &[Option<usize>]) -> Vec<(usize, usize)> {
    theirs.iter().zip(model).filter_map(|(theirs, model)| Some(((*theirs)?, (*model)?))).collect()
}

impl Against {
    pub fn of(
        who: &str,
        theirs: &[Option<usize>],
        model: &[Option<usize>],
        labels: &[String],
    ) -> Self {
        let pairs = both(theirs, model);
        let table = table_of(&pairs, 0..pairs.len(), labels.len());
        let per_label = confusion::per_label(&table);
        let (rows, columns) = (table.row_totals(), table.column_totals());
        let mut drawn = Bootstrap::default().intervals(pairs.len(), |drawn| {
            let table = table_of(&pairs, drawn.iter().copied(), labels.len());
            let kappa = cohen_kappa(&table, KappaWeights::Unweighted);
            vec![kappa, confusion::macro_average(&table).f1]
        });
        let labels = labels
            .iter()
            .enumerate()
            .map(|(index, label)| {
                let hits = table.cells[index][index] as usize;
                let (theirs, models) = (rows[index] as usize, columns[index] as usize);
                PerLabel {
                    label: label.clone(),
                    theirs,
                    models,
                    precision: WithInterval::share(hits, models),
                    recall: WithInterval::share(hits, theirs),
                    f1: per_label[index].scores.f1,
                }
            })
            .collect();
        let macro_f1 = WithInterval::interval(drawn.remove(1));
        Self {
            who: who.to_owned(),
            items: table.items,
            accuracy: WithInterval::share(table.diagonal() as usize, table.items),
            kappa: WithInterval::interval(drawn.remove(0)),
            macro_f1,
            confusion: table.cells,
            labels,
        }
    }
}

/// The table of some of the pairs.
pub fn table_of(
    pairs: &[(usize, usize)],
    drawn: impl Iterator<Item = usize>,
    labels: usize,
) -> CrossTable {
    let (rows, columns): (Vec<_>, Vec<_>) =
        drawn.map(|at| (Some(pairs[at].0), Some(pairs[at].1))).unzip();
    CrossTable::new(&rows, &columns, None, labels)
}

impl Agreement {
    /// `scale`: where the labels stand on one.
    pub fn of(
        coders: &[Vec<Option<usize>>],
        model: &[Option<usize>],
        (categories, scale): (usize, Option<&LabelScale>),
    ) -> Self {
        let scale = scale.map_or(Scale::Nominal, LabelScale::of_alpha);
        let units = |with_model: bool| Ratings {
            units: (0..model.len())
                .map(|row| {
                    let people = coders.iter().map(|coder| coder[row]);
                    people.chain(with_model.then_some(model[row])).collect()
                })
                .collect(),
            categories,
        };
        let alpha = |ratings: &Ratings| {
            WithInterval::interval(alpha_interval(ratings, scale, Bootstrap::default()))
        };
        let people = units(false);
        let percent = Bootstrap::default().interval(people.units.len(), |drawn| {
            let units = drawn.iter().map(|unit| people.units[*unit].clone()).collect();
            percent_agreement(&Ratings { units, categories })
        });
        Self {
            percent: WithInterval::interval(percent),
            alpha: alpha(&people),
            alpha_with_model: alpha(&units(true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kappa_and_macro_f1_have_the_intervals_of_resampled_rows() {
        // 60 rows: 20 each of which 15, 12 and 18 are as the people say.
        let mut pairs = Vec::new();
        for (label, hits) in [15, 12, 18].into_iter().enumerate() {
            for at in 0..20 {
                pairs.push((Some(label), Some(if at < hits { label } else { (label + 1) % 3 })));
            }
        }
        let (theirs, model): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let labels = ["a", "b", "c"].map(str::to_owned);
        let found = Against::of("x", &theirs, &model, &labels);
        let near = |found: &WithInterval, right: [f64; 3]| {
            assert!((found.value.value.unwrap() - right[0]).abs() < 1e-3, "{found:?}");
            assert!((found.low.unwrap() - right[1]).abs() < 0.02, "{found:?}");
            assert!((found.high.unwrap() - right[2]).abs() < 0.02, "{found:?}");
        };
        // By scikit-learn 1.9.1 over 6,000 resamples of numpy (seed 0).
        near(&found.kappa, [0.625, 0.457, 0.776]);
        near(&found.macro_f1, [0.747, 0.632, 0.851]);
    }
}
