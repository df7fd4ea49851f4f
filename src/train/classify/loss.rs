//! The losses of transformers' heads, with their slopes by the scores.

use super::labels::Target;
use crate::encoder::Problem;

/// A loss, and its slopes by the scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Sloped {
    pub loss: f64,
    pub slopes: Vec<f32>,
}

/// The mean loss of a batch: `scores` (texts, labels). `weights`: of the labels; empty: 1 each.
pub fn of_texts(problem: Problem, scores: &[f32], targets: &[&Target], weights: &[f32]) -> Sloped {
    let count = scores.len() / targets.len().max(1);
    let weight = |label: usize| weights.get(label).copied().map_or(1.0, f64::from);
    let mut loss = 0.0;
    let mut slopes = vec![0.0_f64; scores.len()];
    let rows = || scores.chunks_exact(count).zip(targets);
    match problem {
        Problem::OneLabel => {
            // torch divides by the weights of the right labels where each text has one, and by the texts
            // where it has shares.
            let by_weight = targets.iter().all(|target| matches!(target, Target::Class(_)));
            let mut total = 0.0;
            for ((scores, target), slopes) in rows().zip(slopes.chunks_exact_mut(count)) {
                let logs = log_softmax(scores);
                let mut sum = 0.0;
                for (label, log) in logs.iter().enumerate() {
                    let share = share(target, label) * weight(label);
                    loss -= share * log;
                    sum += share;
                    slopes[label] -= share;
                }
                slopes.iter_mut().zip(&logs).for_each(|(slope, log)| *slope += sum * log.exp());
                total += if by_weight { sum } else { 1.0 };
            }
            divide(&mut loss, &mut slopes, total);
        }
        Problem::ManyLabels => {
            for ((scores, target), slopes) in rows().zip(slopes.chunks_exact_mut(count)) {
                for (label, score) in scores.iter().enumerate() {
                    let (score, share) = (f64::from(*score), share(target, label));
                    // BCEWithLogitsLoss with pos_weight.
                    let positive = share * weight(label);
                    let spread = (1.0 + (-score.abs()).exp()).ln();
                    let minus_log = spread + (-score).max(0.0); // -ln σ(x)
                    let minus_log_other = spread + score.max(0.0); // -ln (1 - σ(x))
                    loss += positive * minus_log + (1.0 - share) * minus_log_other;
                    let sigmoid = 1.0 / (1.0 + (-score).exp());
                    slopes[label] = (1.0 - share) * sigmoid - positive * (1.0 - sigmoid);
                }
            }
            divide(&mut loss, &mut slopes, scores.len() as f64);
        }
        Problem::Regression => {
            for ((scores, target), slopes) in rows().zip(slopes.chunks_exact_mut(count)) {
                for (label, score) in scores.iter().enumerate() {
                    let gap = f64::from(*score) - share(target, label);
                    loss += gap * gap;
                    slopes[label] = 2.0 * gap;
                }
            }
            divide(&mut loss, &mut slopes, scores.len() as f64);
        }
    }
    Sloped { loss, slopes: slopes.into_iter().map(|slope| slope as f32).collect() }
}

/// What a target says of one label or output.
fn share(target: &Target, label: usize) -> f64 {
    match target {
        Target::Class(class) => f64::from(u8::from(*class == label)),
        Target::Shares(values) | Target::Many(values) | Target::Numbers(values) => {
            values.get(label).copied().map_or(0.0, f64::from)
        }
    }
}

fn divide(loss: &mut f64, slopes: &mut [f64], by: f64) {
    let by = if by > 0.0 { by } else { 1.0 };
    *loss /= by;
    slopes.iter_mut().for_each(|slope| *slope /= by);
}

fn log_softmax(scores: &[f32]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shifted: Vec<f64> = scores.iter().map(|score| f64::from(*score - largest)).collect();
    let total: f64 = shifted.iter().map(|score| score.exp()).sum();
    shifted.into_iter().map(|score| score - total.ln()).collect()
}

/// The mean cross-entropy of words: `scores` (words, vocabulary). With how many were guessed.
pub fn of_words(scores: &[f32], words: &[u32]) -> (Sloped, usize) {
    let share = 1.0 / words.len().max(1) as f64;
    let mut slopes = Vec::with_capacity(scores.len());
    let (loss, right) = each_word(scores, words, |scores, word, (largest, total)| {
        let first = slopes.len();
        let factor = share / total;
        slopes.extend(
            scores.iter().map(|score| (f64::from((score - largest).exp()) * factor) as f32),
        );
        slopes[first + word] -= share as f32;
    });
    (Sloped { loss, slopes }, right)
}

/// The same without the slopes, which are as large as the scores.
pub fn of_words_alone(scores: &[f32], words: &[u32]) -> (f64, usize) {
    each_word(scores, words, |_, _, _| {})
}

/// `then` is given a word's scores, the word, and of its scores the largest and the sum of the exponentials
/// below that.
fn each_word(
    scores: &[f32],
    words: &[u32],
    mut then: impl FnMut(&[f32], usize, (f32, f64)),
) -> (f64, usize) {
    let vocabulary = scores.len() / words.len().max(1);
    let share = 1.0 / words.len().max(1) as f64;
    let (mut loss, mut right) = (0.0, 0);
    for (scores, word) in scores.chunks_exact(vocabulary.max(1)).zip(words) {
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = scores.iter().map(|score| f64::from((score - largest).exp())).sum();
        let own = scores[*word as usize];
        loss -= share * (f64::from(own - largest) - total.ln());
        right += usize::from(own >= largest);
        then(scores, *word as usize, (largest, total));
    }
    (loss, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// torch 2.15: `cross_entropy`, `binary_cross_entropy_with_logits` and `mse_loss` of these scores.
    #[test]
    fn losses_are_those_of_torch() {
        let scores = [0.5, -1.0, 2.0, 0.1, 0.2, -0.3];
        let classes = [Target::Class(2), Target::Class(0)];
        let classes: Vec<&Target> = classes.iter().collect();
        let loss = |problem, targets: &[&Target], weights: &[f32]| {
            of_texts(problem, &scores, targets, weights).loss
        };
        assert!((loss(Problem::OneLabel, &classes, &[]) - 0.631_069_5).abs() < 1e-6);
        assert!((loss(Problem::OneLabel, &classes, &[2.0, 1.0, 0.5]) - 0.864_924_4).abs() < 1e-6);
        let shares = [Target::Shares(vec![0.2, 0.3, 0.5]), Target::Shares(vec![1.0, 0.0, 0.0])];
        let shares: Vec<&Target> = shares.iter().collect();
        assert!((loss(Problem::OneLabel, &shares, &[]) - 1.231_069_6).abs() < 1e-6);
        let many = [Target::Many(vec![1.0, 0.0, 1.0]), Target::Many(vec![0.0, 1.0, 0.0])];
        let many: Vec<&Target> = many.iter().collect();
        assert!((loss(Problem::ManyLabels, &many, &[]) - 0.468_526_2).abs() < 1e-6);
        let weighted = loss(Problem::ManyLabels, &many, &[2.0, 1.0, 0.5]); // pos_weight
        assert!((weighted - 0.536_961_8).abs() < 1e-6);
    }

    #[test]
    fn slopes_are_those_of_the_loss() {
        let scores = [0.5_f32, -1.0, 2.0, 0.1, 0.2, -0.3];
        let kinds = [
            (Problem::OneLabel, [Target::Class(2), Target::Class(0)]),
            (Problem::OneLabel, [Target::Shares(vec![0.2, 0.3, 0.5]), Target::Class(1)]),
            (
                Problem::ManyLabels,
                [Target::Many(vec![1.0, 0.0, 0.4]), Target::Many(vec![0.0, 1.0, 0.0])],
            ),
            (
                Problem::Regression,
                [Target::Numbers(vec![1.0, 0.0, 3.0]), Target::Numbers(vec![0.5; 3])],
            ),
        ];
        for (problem, targets) in &kinds {
            let targets: Vec<&Target> = targets.iter().collect();
            for weights in [&[][..], &[2.0, 1.0, 0.5]] {
                let found = of_texts(*problem, &scores, &targets, weights);
                for at in 0..scores.len() {
                    let moved = |by: f32| {
                        let mut moved = scores;
                        moved[at] += by;
                        of_texts(*problem, &moved, &targets, weights).loss
                    };
                    let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                    assert!((slope - f64::from(found.slopes[at])).abs() < 1e-3, "{problem:?} {at}");
                }
            }
        }
        let (found, right) = of_words(&scores, &[2, 0]);
        assert_eq!(right, 1);
        assert!((found.loss - 0.631_069_5).abs() < 1e-6);
        assert!(found.slopes.chunks(3).all(|row| row.iter().sum::<f32>().abs() < 1e-6));
    }
}
