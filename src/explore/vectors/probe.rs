//! The linear probe: how well a column can be predicted from vectors alone, by cross-validation.
//!
//! Every row is predicted by a model that was trained on the other folds; the numbers are over those
//! predictions, with bootstrap intervals over rows. Labels by logistic regression, numbers by ridge
//! regression, as scikit-learn's.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::Error;
use super::folds;
use super::matrix::Vectors;
use super::worked::{Stage, Worked, reached};
use super::{ridge, softmax};
use crate::jobs::Progress;
use crate::stats::classification::confusion;
use crate::stats::classification::probabilities::first_largest;
use crate::stats::cross_table::CrossTable;
use crate::stats::moments::pearson;
use crate::stats::resample::{Bootstrap, Interval};
use crate::stats::undefined::Number;

/// More labels than that are no labels.
pub const MOST_CLASSES: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbeSettings {
    pub folds: usize,

    /// The inverse strength of regularisation for labels: scikit-learn's `C`.
    pub c: f64,

    /// Its strength for numbers: scikit-learn's `alpha`.
    pub alpha: f64,

    /// The random seed that shuffles rows into folds. `None`: they stay in their order.
    pub seed: Option<u64>,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self { folds: 5, c: 1.0, alpha: 1.0, seed: Some(0) }
    }
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Probed {
    Labels(LabelProbe),
    Numbers(NumberProbe),
}

/// A value with its 95 % bootstrap interval. `None`: it does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl From<Interval> for Estimate {
    fn from(Interval { value, low, high, .. }: Interval) -> Self {
        Self { value: value.ok(), low: low.ok(), high: high.ok() }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelProbe {
    pub column: String,

    /// In the order of the confusion matrix.
    pub labels: Vec<LabelScore>,
    pub folds: usize,
    pub c: f64,

    /// Rows with a label.
    pub rows: usize,
    pub accuracy: Estimate,
    pub macro_f1: Estimate,

    /// The accuracy of always saying the commonest label.
    pub commonest: f64,

    /// Accuracy of each fold.
    pub by_fold: Vec<f64>,

    /// `[true label][predicted label]`
    pub confusion: Vec<Vec<usize>>,

    /// Of each row of the table, as a place in `labels`; `None`: it took no part.
    pub predicted: Vec<Option<usize>>,

    /// Labels with fewer texts than folds, which took no part, and how many texts they had.
    pub left_out: Vec<(String, usize)>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelScore {
    pub label: String,
    pub rows: usize,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NumberProbe {
    pub column: String,
    pub folds: usize,
    pub alpha: f64,
    pub rows: usize,

    /// Pearson's correlation of predictions and values.
    pub r: Estimate,

    /// 1 - Σ (y - p)² / Σ (y - ȳ)²
    pub r_squared: Estimate,

    /// The root of the mean squared error, in the column's own unit.
    pub error: f64,

    /// R² of each fold; `None` where the fold's values are all the same.
    pub by_fold: Vec<Option<f64>>,
    pub predicted: Vec<Option<f64>>,
}

fn check(settings: ProbeSettings) -> Result<(), Error> {
    let ProbeSettings { folds, c, alpha, .. } = settings;
    if !(2..=folds::MOST).contains(&folds) {
        return Err(Error::Folds { folds });
    }
    for given in [c, alpha] {
        if !given.is_finite() || given <= 0.0 {
            return Err(Error::Strength { given });
        }
    }
    Ok(())
}

/// Predicts labels. `values`: of each row; empty ones take no part. Slow: reports folds, and looks
/// for Stop at every step.
pub fn probe_labels(
    vectors: &Vectors,
    column: &str,
    values: &[&str],
    settings: ProbeSettings,
    progress: &dyn Progress<Worked>,
) -> Result<LabelProbe, Error> {
    check(settings)?;
    let ProbeSettings { folds, c, seed, .. } = settings;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in values.iter().filter(|value| !value.trim().is_empty()) {
        *counts.entry(value.trim()).or_default() += 1;
    }
    if counts.len() > MOST_CLASSES {
        let (column, count) = (column.to_owned(), counts.len());
        return Err(Error::TooManyClasses { column, count, most: MOST_CLASSES });
    }
    if let (1, Some((label, _))) = (counts.len(), counts.iter().next()) {
        return Err(Error::OneClass { column: column.to_owned(), label: (*label).to_owned() });
    }
    let (kept, rare): (Vec<_>, Vec<_>) = counts.into_iter().partition(|(_, rows)| *rows >= folds);
    if kept.len() < 2 {
        let column = column.to_owned();
        return Err(Error::TooFewForFolds { column, enough: kept.len(), folds });
    }
    let names: Vec<&str> = kept.iter().map(|(label, _)| *label).collect();
    let class = |value: &&str| names.binary_search(&value.trim()).ok();
    let (rows, classes): (Vec<usize>, Vec<usize>) =
        values.iter().enumerate().filter_map(|(row, value)| Some((row, class(value)?))).unzip();
    let fold_of = folds::stratified(&classes, folds, seed);
    let mut found = vec![0; rows.len()];
    for fold in 0..folds {
        reached(progress, Stage::Probe, fold, folds)?;
        let (training, tested) = parts(&fold_of, fold);
        let of = |places: &[usize], list: &[usize]| -> Vec<usize> {
            places.iter().map(|place| list[*place]).collect()
        };
        let model = softmax::fit(
            vectors,
            &of(&training, &rows),
            &of(&training, &classes),
            (names.len(), c),
            &|| progress.check(),
        )?;
        for place in tested {
            let shares = model.probabilities(vectors.row(rows[place]));
            found[place] = first_largest(&shares);
        }
    }
    let table = |drawn: &[usize]| {
        let of = |list: &[usize]| drawn.iter().map(|place| Some(list[*place])).collect::<Vec<_>>();
        CrossTable::new(&of(&classes), &of(&found), None, names.len())
    };
    let intervals = Bootstrap::default().intervals(rows.len(), |drawn| {
        let table = table(drawn);
        vec![confusion::accuracy(&table), confusion::macro_average(&table).f1]
    });
    let [accuracy, macro_f1] =
        <[Interval; 2]>::try_from(intervals).expect("two statistics were asked for");
    let all = table(&(0..rows.len()).collect::<Vec<usize>>());
    let labels = names.iter().zip(confusion::per_label(&all)).map(|(label, scores)| LabelScore {
        label: (*label).to_owned(),
        rows: scores.support as usize,
        precision: scores.scores.precision,
        recall: scores.scores.recall,
        f1: scores.scores.f1,
    });
    let by_fold = (0..folds).map(|fold| {
        let tested = parts(&fold_of, fold).1;
        let right = tested.iter().filter(|place| classes[**place] == found[**place]).count();
        right as f64 / tested.len().max(1) as f64
    });
    let mut predicted = vec![None; values.len()];
    rows.iter().zip(&found).for_each(|(row, label)| predicted[*row] = Some(*label));
    let commonest = kept.iter().map(|(_, rows)| *rows).max().unwrap_or(0);
    Ok(LabelProbe {
        column: column.to_owned(),
        labels: labels.collect(),
        folds,
        c,
        rows: rows.len(),
        accuracy: accuracy.into(),
        macro_f1: macro_f1.into(),
        commonest: commonest as f64 / rows.len() as f64,
        by_fold: by_fold.collect(),
        confusion: all
            .cells
            .iter()
            .map(|row| row.iter().map(|cell| *cell as usize).collect())
            .collect(),
        predicted,
        left_out: rare.into_iter().map(|(label, rows)| (label.to_owned(), rows)).collect(),
    })
}

/// Predicts numbers, as [`probe_labels`] does labels.
pub fn probe_numbers(
    vectors: &Vectors,
    column: &str,
    values: &[&str],
    settings: ProbeSettings,
    progress: &dyn Progress<Worked>,
) -> Result<NumberProbe, Error> {
    check(settings)?;
    let ProbeSettings { folds, alpha, seed, .. } = settings;
    let (mut rows, mut targets) = (Vec::new(), Vec::new());
    for (row, value) in values.iter().enumerate().filter(|(_, value)| !value.trim().is_empty()) {
        let number = value.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| Error::NotANumber {
            column: column.to_owned(),
            value: value.trim().chars().take(40).collect(),
            row: row + 1,
        })?;
        rows.push(row);
        targets.push(number);
    }
    if rows.len() < 2 * folds {
        return Err(Error::TooFewNumbers { count: rows.len(), folds });
    }
    if targets.iter().all(|target| *target == targets[0]) {
        return Err(Error::ConstantNumbers { column: column.to_owned() });
    }
    let fold_of = folds::plain(rows.len(), folds, seed);
    let mut found = vec![0.0; rows.len()];
    for fold in 0..folds {
        reached(progress, Stage::Probe, fold, folds)?;
        let (training, tested) = parts(&fold_of, fold);
        let trained_rows: Vec<usize> = training.iter().map(|place| rows[*place]).collect();
        let trained: Vec<f64> = training.iter().map(|place| targets[*place]).collect();
        let model = ridge::fit(vectors, &trained_rows, &trained, alpha);
        tested.into_iter().for_each(|place| found[place] = model.predict(vectors.row(rows[place])));
    }
    let of = |drawn: &[usize], list: &[f64]| -> Vec<f64> {
        drawn.iter().map(|place| list[*place]).collect()
    };
    let intervals = Bootstrap::default().intervals(rows.len(), |drawn| {
        let (values, found) = (of(drawn, &targets), of(drawn, &found));
        vec![pearson(&values, &found), r_squared(&values, &found)]
    });
    let [r, explained] =
        <[Interval; 2]>::try_from(intervals).expect("two statistics were asked for");
    let by_fold = (0..folds).map(|fold| {
        let tested = parts(&fold_of, fold).1;
        r_squared(&of(&tested, &targets), &of(&tested, &found)).ok()
    });
    let squares: f64 = targets.iter().zip(&found).map(|(y, p)| (y - p) * (y - p)).sum();
    let mut predicted = vec![None; values.len()];
    rows.iter().zip(&found).for_each(|(row, value)| predicted[*row] = Some(*value));
    Ok(NumberProbe {
        column: column.to_owned(),
        folds,
        alpha,
        rows: rows.len(),
        r: r.into(),
        r_squared: explained.into(),
        error: (squares / rows.len() as f64).sqrt(),
        by_fold: by_fold.collect(),
        predicted,
    })
}

/// The places that are trained on, and those that are tested, in one fold.
fn parts(fold_of: &[usize], fold: usize) -> (Vec<usize>, Vec<usize>) {
    (0..fold_of.len()).partition(|place| fold_of[*place] != fold)
}

fn r_squared(values: &[f64], found: &[f64]) -> Number {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let all: f64 = values.iter().map(|y| (y - mean) * (y - mean)).sum();
    if all == 0.0 {
        return Err("all values are the same".into());
    }
    let left: f64 = values.iter().zip(found).map(|(y, p)| (y - p) * (y - p)).sum();
    Ok(1.0 - left / all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;

    fn waves(count: usize) -> Vectors {
        let value = |at: usize| {
            let (i, j) = ((at / 5) as f64, (at % 5) as f64);
            ((0.7 * i + 1.3 * j).sin() / (j + 1.0)) as f32
        };
        Vectors::new(5, (0..5 * count).map(value).collect())
    }

    const IN_ORDER: ProbeSettings = ProbeSettings { folds: 4, c: 10.0, alpha: 0.5, seed: None };

    /// scikit-learn 1.9.1, `tests/reference/make_vectors.py`: `cross_val_predict` over
    /// StratifiedKFold(4) with LogisticRegression(C=10), labels by
    /// sin(0.7 i + 0.9) + 0.8 sin(2.9 i).
    #[test]
    fn predicted_labels_are_those_of_scikit_learn() {
        let labels: Vec<&str> = (0..60)
            .map(|i| match (0.7 * f64::from(i) + 0.9).sin() + 0.8 * (2.9 * f64::from(i)).sin() {
                high if high > 0.5 => "high",
                low if low < -0.5 => "low",
                _ => "middle",
            })
            .collect();
        let found = probe_labels(&waves(60), "level", &labels, IN_ORDER, &Quiet).unwrap();
        let right: usize = (0..3).map(|label| found.confusion[label][label]).sum();
        assert_eq!(found.accuracy.value, Some(right as f64 / 60.0));
        assert_eq!(found.confusion, CONFUSION);
        assert!((found.macro_f1.value.unwrap() - MACRO_F1).abs() < 1e-9);
        assert!(found.accuracy.low < found.accuracy.value && found.left_out.is_empty());
        assert_eq!(found.labels[0].label, "high");
    }

    /// The same script: `cross_val_predict` over KFold(4) with Ridge(alpha=0.5), values cos(i).
    #[test]
    fn predicted_numbers_are_those_of_scikit_learn() {
        let values: Vec<String> = (0..60).map(|i| f64::from(i).cos().to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let found = probe_numbers(&waves(60), "cosine", &values, IN_ORDER, &Quiet).unwrap();
        assert!((found.r.value.unwrap() - R).abs() < 1e-6, "{found:?}");
        assert!((found.r_squared.value.unwrap() - R_SQUARED).abs() < 1e-6, "{found:?}");
    }

    const CONFUSION: [[usize; 3]; 3] = [[13, 0, 5], [0, 13, 6], [8, 8, 7]];
    const MACRO_F1: f64 = 0.552_710_027_100_271_2;
    const R: f64 = -0.372_681_235_744_038;
    const R_SQUARED: f64 = -0.093_308_304_739_785;

    #[test]
    fn what_cannot_be_predicted_is_said_with_what_to_do() {
        let vectors = waves(12);
        let said = |values: &[&str]| {
            let found = probe_labels(&vectors, "tone", values, ProbeSettings::default(), &Quiet);
            found.unwrap_err().to_string()
        };
        assert!(said(&["a"; 12]).contains("has one label in all rows that have text (\"a\")"));
        assert!(said(&[""; 12]).contains("choose fewer folds"), "no label at all");
        let mut rare = vec!["a"; 12];
        rare[3] = "b";
        assert!(said(&rare).contains("1 has at least 5 texts"), "{}", said(&rare));
        let settings = ProbeSettings { folds: 1, ..ProbeSettings::default() };
        assert!(probe_labels(&vectors, "t", &rare, settings, &Quiet).is_err());
        let words = probe_numbers(&vectors, "age", &["old"; 12], ProbeSettings::default(), &Quiet);
        let said = words.unwrap_err().to_string();
        assert!(
            said.starts_with("\"old\" in row 1 of the column \"age\" is not a number"),
            "{said}"
        );
        let same = probe_numbers(&vectors, "age", &["3"; 12], ProbeSettings::default(), &Quiet);
        assert!(matches!(same, Err(Error::ConstantNumbers { .. })));
        let mut three: Vec<&str> = ["a", "b"].repeat(6);
        three[0] = "c";
        let found = probe_labels(&vectors, "tone", &three, ProbeSettings::default(), &Quiet);
        let found = found.unwrap();
        assert_eq!(found.left_out, [("c".to_owned(), 1)]);
        assert_eq!((found.rows, found.predicted[0]), (11, None));
    }
}
