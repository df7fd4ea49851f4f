//! How many labels of people are enough: how far accuracy and kappa move with which rows are labelled, by how
//! many of them are.

use serde::Serialize;

use super::against::{both, table_of};
use crate::stats::agreement::two::{KappaWeights, cohen_kappa};
use crate::stats::resample::{CurvePoint, learning_curve};
use crate::stats::undefined::ratio;
use crate::words::table::Table;

/// Of more labels than half of those that are there, draws are too much alike.
const SIZES: [usize; 9] = [10, 25, 50, 100, 200, 500, 1000, 2000, 5000];

/// Orders in which the labels could have come.
const ORDERS: usize = 400;

/// What so many labels would have said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Enough {
    pub labels: usize,
    pub accuracy: Spread,
    pub kappa: Spread,
}

/// The mean over draws of so many rows without replacement (seed 0), and the middle 95 % of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub mean: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// By size, up to half of the rows that both have labelled; fewer than 20 say nothing.
pub fn enough(theirs: &[Option<usize>], model: &[Option<usize>], labels: usize) -> Vec<Enough> {
    let pairs = both(theirs, model);
    let sizes: Vec<usize> = SIZES.into_iter().filter(|size| *size <= pairs.len() / 2).collect();
    let curve = |statistic: &dyn Fn(&[usize]) -> crate::stats::undefined::Number| {
        learning_curve(pairs.len(), &sizes, (ORDERS, 0), statistic)
    };
    let accuracy = curve(&|drawn| {
        let same = drawn.iter().filter(|at| pairs[**at].0 == pairs[**at].1).count();
        ratio(same as f64, drawn.len() as f64, "no rows")
    });
    let kappa = curve(&|drawn| {
        let table = table_of(&pairs, drawn.iter().copied(), labels);
        cohen_kappa(&table, KappaWeights::Unweighted)
    });
    let both = accuracy.into_iter().zip(kappa);
    both.map(|(accuracy, kappa)| Enough {
        labels: accuracy.items,
        accuracy: Spread::of(accuracy),
        kappa: Spread::of(kappa),
    })
    .collect()
}

impl Spread {
    fn of(point: CurvePoint) -> Self {
        let CurvePoint { mean, low, high, .. } = point;
        Self { mean: mean.ok(), low: low.ok(), high: high.ok() }
    }

    fn words(&self) -> String {
        match (self.mean, self.low, self.high) {
            (Some(mean), Some(low), Some(high)) => format!("{mean:.3} ({low:.3} to {high:.3})"),
            _ => "none".to_owned(),
        }
    }
}

/// As a part of a report; empty where there is nothing to say.
pub fn markdown(who: &str, found: &[Enough]) -> String {
    let mut table = Table::default().numbers(["labels"]).words(["accuracy", "Cohen's kappa"]);
    for Enough { labels, accuracy, kappa } in found {
        table.row(&[labels, &accuracy.words(), &kappa.words()]);
    }
    table.after(&format!(
        "\n## How many labels are enough\n\nHad only so many of the rows been labelled by {who}, drawn at random, \
         these are the numbers that would have come out: their mean, and the middle 95 % of {ORDERS} draws.\n\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_labels_say_it_more_narrowly() {
        // Of 400 rows every fourth is wrong.
        let theirs: Vec<Option<usize>> = (0..400).map(|at| Some(at % 2)).collect();
        let model: Vec<Option<usize>> =
            (0..400).map(|at| Some(if at % 4 == 0 { 1 - at % 2 } else { at % 2 })).collect();
        let found = enough(&theirs, &model, 2);
        assert_eq!(found.iter().map(|it| it.labels).collect::<Vec<_>>(), [10, 25, 50, 100, 200]);
        let width = |it: &Enough| it.accuracy.high.unwrap() - it.accuracy.low.unwrap();
        for pair in found.windows(2) {
            assert!(width(&pair[1]) < width(&pair[0]), "{pair:?}");
        }
        for Enough { labels, accuracy, .. } in &found {
            // Of the hypergeometric distribution: 1.96 standard deviations to either side.
            let deviation = (0.75 * 0.25 / *labels as f64 * (400 - labels) as f64 / 399.0).sqrt();
            let half = (accuracy.high.unwrap() - accuracy.low.unwrap()) / 2.0;
            assert!((half - 1.96 * deviation).abs() < 0.06, "{labels}: {half}, {deviation}");
            assert!((accuracy.mean.unwrap() - 0.75).abs() < 0.02);
        }
        assert!(markdown("x", &found).contains("| 200 | 0.7"), "{}", markdown("x", &found));
        assert!(enough(&theirs[..19], &model[..19], 2).is_empty());
    }
}
