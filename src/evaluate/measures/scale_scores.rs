//! How far a model's values on a scale are from those of people.

use std::collections::BTreeMap;

use serde::Serialize;

use super::against::{both, table_of};
use super::figure::WithInterval;
use crate::evaluate::task::scale::LabelScale;
use crate::stats::agreement::two::{KappaWeights, cohen_kappa};
use crate::stats::moments::mean;
use crate::stats::ranking::correlation::spearman;
use crate::stats::resample::Bootstrap;

/// What the mean of several people is called.
const MEAN: &str = "the mean of people";

/// More groups than this are no groups.
const MOST_GROUPS: usize = 40;

/// What is said of labels on a scale beside what is said of any.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScaleScores {
    pub scale: LabelScale,

    /// The mean over the rows of the expected value, and of the likeliest label's value.
    pub expected: WithInterval,
    pub likeliest: WithInterval,

    /// The mean of the expected value in each group, where the rows have some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_group: Vec<(String, usize, WithInterval)>,

    /// Against each coder, and against the mean of all who said something of a row.
    pub people: Vec<OnScale>,
}

/// The model against somebody, on the scale. Percentile intervals over 1,000 draws of rows (seed 0).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnScale {
    pub who: String,
    pub items: usize,

    /// Cohen's kappa of the likeliest labels, disagreements weighed by the squared distance of places. A mean of
    /// people is no label and has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quadratic_kappa: Option<WithInterval>,

    /// Spearman's correlation of the expected value with theirs.
    pub spearman: WithInterval,

    /// The mean of the expected value less theirs, and of the size of that.
    pub bias: WithInterval,
    pub mean_absolute_error: WithInterval,
}

/// A row as the model answered it: the index of the likeliest label, and the expected value.
pub type Rated = (Option<usize>, Option<f64>);

impl ScaleScores {
    /// `people`: by name, what each said of the rows.
    pub fn of(
        scale: &LabelScale,
        rows: &[Rated],
        groups: &[Option<&str>],
        people: &[(&str, &[Option<usize>])],
    ) -> Self {
        let value = |label: &usize| scale.values.get(*label).copied();
        let expected: Vec<f64> = rows.iter().filter_map(|row| row.1).collect();
        let likeliest: Vec<f64> = rows.iter().filter_map(|row| value(row.0.as_ref()?)).collect();
        let value_of = |said: &Option<usize>| said.and_then(|said| scale.values.get(said).copied());
        let mut against: Vec<OnScale> = people
            .iter()
            .map(|(who, said)| {
                let theirs: Vec<Option<f64>> = said.iter().map(value_of).collect();
                OnScale::of(who, rows, &theirs, Some((said, scale.values.len())))
            })
            .collect();
        if people.len() > 1 {
            let means = (0..rows.len()).map(|row| {
                let said: Vec<f64> =
                    people.iter().filter_map(|(_, said)| value_of(said.get(row)?)).collect();
                mean(&said).ok()
            });
            against.push(OnScale::of(MEAN, rows, &means.collect::<Vec<_>>(), None));
        }
        Self {
            scale: scale.clone(),
            expected: WithInterval::mean(&expected),
            likeliest: WithInterval::mean(&likeliest),
            by_group: by_group(rows, groups),
            people: against,
        }
    }
}

fn by_group(rows: &[Rated], groups: &[Option<&str>]) -> Vec<(String, usize, WithInterval)> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (row, group) in rows.iter().zip(groups) {
        if let (Some(expected), Some(group)) = (row.1, group) {
            values.entry(group).or_default().push(expected);
        }
    }
    if values.len() > MOST_GROUPS {
        return Vec::new();
    }
    let of_group = |(group, values): (&str, Vec<f64>)| {
        (group.to_owned(), values.len(), WithInterval::mean(&values))
    };
    values.into_iter().map(of_group).collect()
}

impl OnScale {
    /// `labels`: what they say as labels, of so many, where it is some.
    fn of(
        who: &str,
        rows: &[Rated],
        theirs: &[Option<f64>],
        labels: Option<(&[Option<usize>], usize)>,
    ) -> Self {
        let kappa = labels.map(|(said, count)| {
            let model: Vec<Option<usize>> = rows.iter().map(|row| row.0).collect();
            let pairs = both(said, &model);
            WithInterval::interval(Bootstrap::default().interval(pairs.len(), |drawn| {
                let table = table_of(&pairs, drawn.iter().copied(), count);
                cohen_kappa(&table, KappaWeights::Quadratic)
            }))
        });
        let values = rows.iter().zip(theirs);
        let values: Vec<(f64, f64)> =
            values.filter_map(|(row, theirs)| Some((row.1?, (*theirs)?))).collect();
        let spearman = Bootstrap::default().interval(values.len(), |drawn| {
            let (model, theirs): (Vec<f64>, Vec<f64>) = drawn.iter().map(|at| values[*at]).unzip();
            spearman(&model, &theirs)
        });
        let off: Vec<f64> = values.iter().map(|(model, theirs)| model - theirs).collect();
        let sizes: Vec<f64> = off.iter().map(|off| off.abs()).collect();
        Self {
            who: who.to_owned(),
            items: values.len(),
            quadratic_kappa: kappa,
            spearman: WithInterval::interval(spearman),
            bias: WithInterval::mean(&off),
            mean_absolute_error: WithInterval::mean(&sizes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::codebook::Scale;

    #[test]
    fn the_model_is_held_against_people_on_the_scale() {
        let scale = LabelScale { level: Scale::Ordinal, values: vec![1.0, 2.0, 3.0, 4.0, 5.0] };
        let rows: Vec<Rated> = [(0, 1.4), (1, 2.2), (3, 3.6), (4, 4.9), (2, 2.8), (2, 3.1)]
            .map(|(label, expected)| (Some(label), Some(expected)))
            .into();
        let said = [Some(0), Some(2), Some(3), Some(4), Some(1), None];
        let groups = [Some("a"), Some("a"), Some("a"), Some("b"), Some("b"), None];
        let scores = ScaleScores::of(&scale, &rows, &groups, &[("x", &said)]);
        let counts: Vec<(&str, usize)> =
            scores.by_group.iter().map(|(name, rows, _)| (name.as_str(), *rows)).collect();
        assert_eq!(counts, [("a", 3), ("b", 2)]);
        assert!((scores.by_group[0].2.value.value.unwrap() - 2.4).abs() < 1e-12);
        let x = &scores.people[0];
        let near = |found: &WithInterval, right: f64| {
            assert!((found.value.value.unwrap() - right).abs() < 1e-12, "{found:?}, not {right}");
        };
        assert_eq!(x.items, 5);
        // By scikit-learn 1.9.1 (weights="quadratic", the five labels) and scipy.
        near(x.quadratic_kappa.as_ref().unwrap(), 0.9);
        near(&x.spearman, 0.9);
        near(&x.bias, -0.02);
        near(&x.mean_absolute_error, 0.5);
        near(&scores.expected, 3.0);
        near(&scores.likeliest, 3.0);
        // The mean of two people, of whom one has said less.
        let other = [Some(2), None, None, Some(4), Some(1), Some(0)];
        let scores = ScaleScores::of(&scale, &rows, &groups, &[("x", &said), ("y", &other)]);
        let mean = &scores.people[2];
        assert_eq!((mean.who.as_str(), mean.items), ("the mean of people", 6));
        assert_eq!(mean.quadratic_kappa, None);
        // Theirs: 2, 3, 4, 5, 2, 1; by numpy and scipy.
        near(&mean.bias, 1.0 / 6.0);
        near(&mean.mean_absolute_error, 0.8);
    }
}
