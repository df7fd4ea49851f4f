//! Whether a model answers the same again: over repeated runs, paraphrases of the prompt, orders of
//! the options (Barrie, Palaiologou, Törnberg 2024; Halterman and Keith 2025).

use super::agreement::many::{Coincidences, Ratings, Scale};
use super::resample::{Bootstrap, Interval};
use super::undefined::{Number, ratio};

/// From here on, a prompt counts as stable (Barrie et al.).
pub const STABLE: f64 = 0.8;

/// Krippendorff's alpha with its percentile interval over units.
///
/// With the runs of one prompt as coders this is the prompt stability score within a prompt, with
/// paraphrases as coders that between prompts.
pub fn alpha_interval(ratings: &Ratings, scale: Scale<'_>, bootstrap: Bootstrap) -> Interval {
    bootstrap.interval(ratings.units.len(), |drawn| {
        let mut pairs = Coincidences::empty(ratings.categories);
        drawn.iter().for_each(|unit| pairs.add(&ratings.units[*unit]));
        pairs.alpha(scale)
    })
}

/// The share of units whose answers are not all the same, of the units with two or more answers.
pub fn flip_rate(ratings: &Ratings) -> Number {
    let answered = ratings.units.iter().map(|unit| unit.iter().flatten().collect::<Vec<_>>());
    let pairable: Vec<Vec<&usize>> = answered.filter(|answers| answers.len() >= 2).collect();
    let flipped = pairable
        .iter()
        .filter(|answers| answers.iter().any(|answer| *answer != answers[0]))
        .count();
    ratio(flipped as f64, pairable.len() as f64, "no unit has two or more answers")
}

/// The mean, over units with an answer, of how many of its answers are the commonest one
/// (Pangakis et al. 2023).
pub fn consistency(ratings: &Ratings) -> Number {
    let mut shares = Vec::new();
    for unit in &ratings.units {
        let mut counts = vec![0_usize; ratings.categories];
        unit.iter().flatten().for_each(|answer| counts[*answer] += 1);
        let all: usize = counts.iter().sum();
        if let Some(most) = counts.into_iter().max().filter(|_| all > 0) {
            shares.push(most as f64 / all as f64);
        }
    }
    ratio(shares.iter().sum(), shares.len() as f64, "no unit has an answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Krippendorff 2011: 12 units, 4 coders, 5 categories; 0 is missing.
    fn ratings() -> Ratings {
        let units = [
            [1, 1, 0, 1],
            [2, 2, 3, 2],
            [3, 3, 3, 3],
            [3, 3, 3, 3],
            [2, 2, 2, 2],
            [1, 2, 3, 4],
            [4, 4, 4, 4],
            [1, 1, 2, 1],
            [2, 2, 2, 2],
            [0, 5, 5, 5],
            [0, 0, 1, 1],
            [0, 3, 0, 0],
        ];
        let read = |unit: [usize; 4]| unit.map(|label| label.checked_sub(1)).to_vec();
        Ratings { units: units.map(read).to_vec(), categories: 5 }
    }

    #[test]
    fn the_interval_of_alpha_is_that_of_resampled_units() {
        let settings = Bootstrap { resamples: 4000, ..Default::default() };
        let found = alpha_interval(&ratings(), Scale::Nominal, settings);
        assert!((found.value.unwrap() - 0.743421052632).abs() < 1e-9);
        // By krippendorff 0.9.0 over 20,000 resamples of numpy (seed 0): 0.415 to 1
        let (low, high) = (found.low.unwrap(), found.high.unwrap());
        assert!((low - 0.415).abs() < 0.05 && (high - 1.0).abs() < 1e-12, "{low} to {high}");
        assert_eq!(found.undefined, 0);
    }

    #[test]
    fn answers_that_change_are_counted() {
        // 3 of the 11 units with two answers or more.
        assert_eq!(flip_rate(&ratings()), Ok(3.0 / 11.0));
        let one_run = Ratings { units: vec![vec![Some(0)]], categories: 1 };
        assert!(flip_rate(&one_run).is_err());
        assert_eq!(consistency(&one_run), Ok(1.0));
        let runs = Ratings {
            units: vec![vec![Some(0), Some(0), Some(1)], vec![Some(1), Some(1), None]],
            categories: 2,
        };
        assert!((consistency(&runs).unwrap() - 5.0 / 6.0).abs() < 1e-15);
    }
}
