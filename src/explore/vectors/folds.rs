//! Rows in as many parts as a cross-validation has folds.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Most folds.
pub const MOST: usize = 50;

/// The fold in which each row is tested, each class shared out evenly: scikit-learn's
/// `StratifiedKFold`. `shuffled`: by this seed; else in the order of the rows.
pub fn stratified(classes: &[usize], folds: usize, shuffled: Option<u64>) -> Vec<usize> {
    // Classes are numbered by their first row.
    let mut names: Vec<usize> = Vec::new();
    let numbered: Vec<usize> = classes
        .iter()
        .map(|class| {
            names.iter().position(|name| name == class).unwrap_or_else(|| {
                names.push(*class);
                names.len() - 1
            })
        })
        .collect();
    let mut sorted = numbered.clone();
    sorted.sort_unstable();
    let mut random = ChaCha20Rng::seed_from_u64(shuffled.unwrap_or(0));
    let mut fold_of = vec![0; classes.len()];
    for class in 0..names.len() {
        let mut turns = Vec::new();
        for fold in 0..folds {
            let share = sorted.iter().skip(fold).step_by(folds).filter(|other| **other == class);
            turns.extend(std::iter::repeat_n(fold, share.count()));
        }
        if shuffled.is_some() {
            shuffle(&mut turns, &mut random);
        }
        let rows = numbered.iter().enumerate().filter(|(_, other)| **other == class);
        for ((row, _), fold) in rows.zip(turns) {
            fold_of[row] = fold;
        }
    }
    fold_of
}

/// The fold in which each row is tested, whatever it holds: scikit-learn's `KFold`.
pub fn plain(rows: usize, folds: usize, shuffled: Option<u64>) -> Vec<usize> {
    // The first folds have the rows that are left over.
    let size = |fold: usize| rows / folds + usize::from(fold < rows % folds);
    let mut turns: Vec<usize> =
        (0..folds).flat_map(|fold| std::iter::repeat_n(fold, size(fold))).collect();
    if let Some(seed) = shuffled {
        shuffle(&mut turns, &mut ChaCha20Rng::seed_from_u64(seed));
    }
    turns
}

fn shuffle(turns: &mut [usize], random: &mut ChaCha20Rng) {
    for last in (1..turns.len()).rev() {
        let at = (u64::from(random.next_u32()) * (last as u64 + 1)) >> 32;
        turns.swap(last, at as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `tests/reference/make_vectors.py`: scikit-learn's `StratifiedKFold(3)` and `KFold(3)`.
    #[test]
    fn folds_are_those_of_scikit_learn() {
        let classes = [2, 0, 0, 1, 2, 0, 1, 0, 2, 1, 0];
        assert_eq!(stratified(&classes, 3, None), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]);
        assert_eq!(plain(8, 3, None), [0, 0, 0, 1, 1, 1, 2, 2]);
    }

    #[test]
    fn shuffled_folds_stay_even_and_follow_the_seed() {
        let classes: Vec<usize> = (0..40).map(|row| usize::from(row >= 30)).collect();
        let folds = stratified(&classes, 5, Some(7));
        for fold in 0..5 {
            let of = |class: usize| {
                folds.iter().zip(&classes).filter(|(f, c)| **f == fold && **c == class).count()
            };
            assert_eq!((of(0), of(1)), (6, 2));
        }
        assert_eq!(folds, stratified(&classes, 5, Some(7)));
        assert_ne!(folds, stratified(&classes, 5, Some(8)));
    }
}
