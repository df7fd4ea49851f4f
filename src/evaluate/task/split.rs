//! A part of the rows that is kept for the end, so that a prompt is not fitted to the rows that
//! measure it.

use rand::SeedableRng as _;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Which rows are kept for the end, and which part of the table is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The share of rows of the test part.
    pub test: f64,

    /// Draws them.
    #[serde(default)]
    pub seed: u64,

    #[serde(default)]
    pub part: Part,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The rows that prompts are tried with.
    #[default]
    Development,

    /// Those that are kept for the end.
    Test,
}

impl Part {
    pub fn words(self) -> &'static str {
        match self {
            Self::Development => "development part",
            Self::Test => "test part",
        }
    }
}

impl Split {
    /// Whether each of so many rows is asked about. The same table, share and seed give the same
    /// parts.
    pub fn chosen(&self, rows: usize) -> Vec<bool> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let count = (self.test * rows as f64).round() as usize;
        let mut chosen = vec![self.part == Part::Development; rows];
        for row in index::sample(&mut random, rows, count.min(rows)) {
            chosen[row] = self.part == Part::Test;
        }
        chosen
    }

    /// What keeps it from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let is_share = self.test > 0.0 && self.test < 1.0;
        (!is_share).then(|| {
            format!(
                "[split] has test = {}: the share of rows that are kept for the end is above 0 and \
                 below 1",
                self.test
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_part_and_a_seed_draws_the_same_ones() {
        let of = |part| Split { test: 0.3, seed: 5, part }.chosen(50);
        let (development, test) = (of(Part::Development), of(Part::Test));
        assert!(development.iter().zip(&test).all(|(one, other)| one != other));
        assert_eq!(test.iter().filter(|chosen| **chosen).count(), 15);
        assert_eq!(of(Part::Test), test);
        assert_ne!(Split { test: 0.3, seed: 6, part: Part::Test }.chosen(50), test);
    }

    #[test]
    fn a_part_that_would_be_all_or_nothing_is_refused() {
        for test in [0.0, 1.0, -0.2, f64::NAN] {
            let split = Split { test, seed: 0, part: Part::Test };
            assert!(split.problem().is_some(), "{test}");
        }
    }
}
