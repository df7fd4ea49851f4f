//! Which of a model's labels may be taken without a person's look: those that it is sure enough of,
//! where "enough" is chosen on one part of the checked rows and tested on another.

use serde::Serialize;

use crate::stats::replacement::selective::{
    Checked, sequential_tests, smallest_sample, upper_error_rate,
};

/// At most so many of the accepted labels may be wrong.
pub const EPSILON: f64 = 0.05;

/// With so much risk of saying it though it is not so.
pub const DELTA: f64 = 0.05;

/// Labels from `threshold` on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accepted {
    /// The least probability that an accepted label has.
    pub threshold: f64,
    pub chosen_on: usize,

    /// Labels of the other part that are accepted, and the wrong ones among them.
    pub checked: u64,
    pub wrong: u64,

    /// No more than this share is wrong, with 95 % confidence.
    pub upper: f64,

    /// Whether `upper` is at most 5 %.
    pub passed: bool,

    /// So many labels have to be checked for 5 %, where none is wrong.
    pub needed: u64,

    /// The share of all labels that are accepted.
    pub share: f64,
}

impl Accepted {
    /// `checked`: by row, what the model said how surely, and whether it is what people said.
    /// `confidences`: of all rows. `None`: fewer than two rows are checked.
    pub fn of(checked: &[Checked], confidences: &[f64]) -> Option<Self> {
        // Every second row: a table may be in an order that means something.
        let part = |odd: usize| -> Vec<Checked> {
            let rows = checked.iter().enumerate().filter(|(at, _)| at % 2 == odd);
            rows.map(|(_, row)| *row).collect()
        };
        let (choosing, testing) = (part(0), part(1));
        if testing.is_empty() {
            return None;
        }
        let threshold = chosen(&choosing);
        let tests = sequential_tests(&testing, &[threshold], EPSILON, DELTA);
        let test = tests.first()?;
        let share = confidences.iter().filter(|sure| **sure >= threshold).count();
        Some(Self {
            threshold,
            chosen_on: choosing.len(),
            checked: test.items,
            wrong: test.errors,
            upper: test.upper,
            passed: test.p <= DELTA,
            needed: smallest_sample(0, EPSILON, DELTA).unwrap_or(u64::MAX),
            share: share as f64 / confidences.len().max(1) as f64,
        })
    }

    /// `59 checked, 0 wrong: at most 5.0 % are wrong`.
    pub fn sentence(&self) -> String {
        let upper = self.upper * 100.0;
        let mut said = format!(
            "Labels with a probability of {:.3} or more ({:.1} % of all; chosen on {} other rows): \
             {} checked, {} wrong: at most {upper:.1} % are wrong, with 95 % confidence.",
            self.threshold,
            self.share * 100.0,
            self.chosen_on,
            self.checked,
            self.wrong
        );
        if !self.passed {
            said.push_str(&format!(
                " That is not enough to take them unseen: for at most {:.0} %, {} have to be checked \
                 with none wrong.",
                EPSILON * 100.0,
                self.needed
            ));
        }
        said
    }
}

/// The lowest threshold at which the labels to choose on are wrong in at most 5 % for sure; where there
/// is none, the one with the lowest such bound.
fn chosen(choosing: &[Checked]) -> f64 {
    let mut thresholds: Vec<f64> = choosing.iter().map(|row| row.confidence).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    let bound = |threshold: f64| {
        let accepted = || choosing.iter().filter(|row| row.confidence >= threshold);
        let wrong = accepted().filter(|row| row.wrong).count() as u64;
        upper_error_rate(wrong, accepted().count() as u64, DELTA)
    };
    let lowest = thresholds.iter().copied().find(|threshold| bound(*threshold) <= EPSILON);
    let best = || thresholds.iter().copied().min_by(|a, b| bound(*a).total_cmp(&bound(*b)));
    lowest.or_else(best).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize, wrong_below: f64) -> Vec<Checked> {
        (0..count)
            .map(|at| {
                let confidence = (at / 2) as f64 / (count / 2) as f64;
                Checked { confidence, wrong: confidence < wrong_below }
            })
            .collect()
    }

    #[test]
    fn fifty_nine_without_a_mistake_are_at_most_five_per_cent() {
        let found = Accepted::of(&rows(118, 0.0), &[1.0]).unwrap();
        assert_eq!((found.checked, found.wrong, found.needed), (59, 0, 59));
        assert!(found.passed && found.upper <= 0.05, "{found:?}");
        assert!(found.sentence().contains("59 checked, 0 wrong"), "{}", found.sentence());
        assert!(!Accepted::of(&rows(116, 0.0), &[1.0]).unwrap().passed);
    }

    #[test]
    fn the_threshold_leaves_out_what_is_often_wrong() {
        let found = Accepted::of(&rows(400, 0.4), &[0.1, 0.9]).unwrap();
        assert!(found.threshold > 0.3 && found.passed, "{found:?}");
        assert_eq!(found.share, 0.5);
    }
}
