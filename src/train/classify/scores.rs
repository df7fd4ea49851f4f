//! What a classifier gets right on rows that are held out.

use super::labels::{Target, largest};
use super::rows::Part;
use crate::encoder::{Labels, Problem};
use crate::train::config::metric::{Metric, Values};
use crate::train::record::confusion::{ClassScores, Confusion};

/// What is added up over the texts of a part.
#[derive(Clone, Debug)]
pub struct Tally {
    problem: Problem,
    names: Vec<String>,

    /// Right, and given, as far as it is of one label; for each label hits, given and right.
    counts: Vec<Vec<usize>>,
    hits: Vec<usize>,
    given: Vec<usize>,
    right: Vec<usize>,
    texts: usize,
    exact: usize,

    /// Numbers: those that were given, and the right ones.
    numbers: Vec<(f64, f64)>,
}

impl Tally {
    pub fn new(labels: &Labels) -> Self {
        let count = labels.names.len();
        Self {
            problem: labels.problem,
            names: labels.names.clone(),
            counts: vec![vec![0; count]; count],
            hits: vec![0; count],
            given: vec![0; count],
            right: vec![0; count],
            texts: 0,
            exact: 0,
            numbers: Vec::new(),
        }
    }

    /// The scores of a text, and what is right.
    pub fn add(&mut self, scores: &[f32], target: &Target) {
        self.texts += 1;
        match (self.problem, target) {
            (Problem::Regression, Target::Numbers(values)) => {
                let pairs = scores.iter().zip(values);
                self.numbers
                    .extend(pairs.map(|(given, right)| (f64::from(*given), f64::from(*right))));
            }
            (Problem::ManyLabels, Target::Many(values)) => {
                let mut is_exact = true;
                for (label, (score, value)) in scores.iter().zip(values).enumerate() {
                    // A probability of one half is a score of 0.
                    let (is_given, is_right) = (*score >= 0.0, *value >= 0.5);
                    is_exact &= is_given == is_right;
                    self.given[label] += usize::from(is_given);
                    self.right[label] += usize::from(is_right);
                    self.hits[label] += usize::from(is_given && is_right);
                }
                self.exact += usize::from(is_exact);
            }
            (_, target) => {
                let (Some(given), Some(right)) = (largest(scores), target.class()) else { return };
                self.counts[right][given] += 1;
                self.given[given] += 1;
                self.right[right] += 1;
                if given == right {
                    self.hits[right] += 1;
                    self.exact += 1;
                }
            }
        }
    }

    fn classes(&self) -> Vec<ClassScores> {
        let share = |hits: usize, of: usize| if of == 0 { 0.0 } else { hits as f64 / of as f64 };
        let of = |(label, name): (usize, &String)| {
            let (hits, given, right) = (self.hits[label], self.given[label], self.right[label]);
            ClassScores {
                label: name.clone(),
                precision: share(hits, given),
                recall: share(hits, right),
                f1: share(2 * hits, given + right),
                support: right,
            }
        };
        self.names.iter().enumerate().map(of).collect()
    }

    /// What is reported of it; as scikit-learn has it, the macro F1 is over the labels that are right or
    /// given somewhere.
    pub fn values(&self) -> Values {
        let mut values = Values::default();
        if self.problem == Problem::Regression {
            let count = self.numbers.len().max(1) as f64;
            let error =
                self.numbers.iter().map(|(given, right)| (given - right).abs()).sum::<f64>();
            values.set(Metric::MeanAbsoluteError, error / count);
            if let Some(r) = correlation(&self.numbers) {
                values.set(Metric::Correlation, r);
            }
            return values;
        }
        values.set(Metric::Accuracy, self.exact as f64 / self.texts.max(1) as f64);
        let classes = self.classes();
        let is_there = |label: usize| {
            self.problem == Problem::ManyLabels || self.given[label] + self.right[label] > 0
        };
        let found: Vec<f64> = (0..classes.len())
            .filter(|label| is_there(*label))
            .map(|label| classes[label].f1)
            .collect();
        values.set(Metric::MacroF1, found.iter().sum::<f64>() / found.len().max(1) as f64);
        values
    }

    /// `None`: of numbers there is none.
    pub fn confusion(&self, step: usize, part: Part) -> Option<Confusion> {
        if self.problem == Problem::Regression {
            return None;
        }
        let part = if part == Part::Test { "test" } else { "validation" };
        let counts = if self.problem == Problem::OneLabel {
            self.counts.clone()
        } else {
            let count = self.names.len();
            let mut counts = vec![vec![0; count + 1]; count + 1];
            let labels = self.hits.iter().zip(&self.right).zip(&self.given).take(count);
            for (label, ((hits, right), given)) in labels.enumerate() {
                counts[label][label] = *hits;
                counts[label][count] = right - hits;
                counts[count][label] = given - hits;
            }
            counts
        };
        Some(Confusion {
            step,
            part: part.to_owned(),
            labels: self.names.clone(),
            counts,
            classes: self.classes(),
        })
    }
}

/// Pearson's r. `None`: one side does not vary.
fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let count = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let (mut both, mut of_x, mut of_y) = (0.0, 0.0, 0.0);
    for (one, other) in pairs {
        both += (one - x) * (other - y);
        of_x += (one - x) * (one - x);
        of_y += (other - y) * (other - y);
    }
    let spread = (of_x * of_y).sqrt();
    (spread > 0.0).then(|| both / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(problem: Problem) -> Labels {
        Labels { names: ["a", "b", "c"].map(str::to_owned).to_vec(), problem }
    }

    #[test]
    fn accuracy_and_macro_f1_are_those_of_scikit_learn() {
        // accuracy_score and f1_score(average="macro") of [0, 0, 1, 1, 0] against [0, 1, 1, 1, 0]
        let mut tally = Tally::new(&labels(Problem::OneLabel));
        for (given, right) in [(0, 0), (1, 0), (1, 1), (1, 1), (0, 0)] {
            let mut scores = [0.0; 3];
            scores[given] = 1.0;
            tally.add(&scores, &Target::Class(right));
        }
        let values = tally.values();
        assert!((values.get(Metric::Accuracy).unwrap() - 0.8).abs() < 1e-12);
        assert!((values.get(Metric::MacroF1).unwrap() - 0.8).abs() < 1e-12); // c is nowhere
        let confusion = tally.confusion(3, Part::Validation).unwrap();
        assert_eq!(confusion.counts, [[2, 1, 0], [0, 2, 0], [0, 0, 0]]);
        assert_eq!(confusion.classes[0].support, 3);
    }

    #[test]
    fn several_labels_are_counted_one_by_one() {
        let mut tally = Tally::new(&labels(Problem::ManyLabels));
        tally.add(&[1.0, -1.0, 0.5], &Target::Many(vec![1.0, 0.0, 0.0]));
        tally.add(&[1.0, -1.0, -0.5], &Target::Many(vec![1.0, 1.0, 0.0]));
        let values = tally.values();
        // f1_score of the same, average="macro", zero_division=0: (1 + 0 + 0) / 3
        assert!((values.get(Metric::MacroF1).unwrap() - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(values.get(Metric::Accuracy), Some(0.0));
        let confusion = tally.confusion(0, Part::Test).unwrap();
        assert_eq!(confusion.counts[0], [2, 0, 0, 0]);
        assert_eq!(confusion.counts[3], [0, 0, 1, 0]);
    }

    #[test]
    fn numbers_are_correlated() {
        let mut tally =
            Tally::new(&Labels { names: vec!["x".to_owned()], problem: Problem::Regression });
        for (given, right) in [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)] {
            tally.add(&[given], &Target::Numbers(vec![right]));
        }
        let values = tally.values();
        assert!((values.get(Metric::Correlation).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(values.get(Metric::MeanAbsoluteError), Some(2.0));
        assert!(tally.confusion(0, Part::Test).is_none());
    }
}
