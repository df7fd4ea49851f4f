//! What a model thinks of completions: the summed log-probability of their tokens, what TRL reports
//! about them, and the backward pass into what learns.
//!
//! Sequences are run together as one tree of tokens, so that a prompt is computed once for both of
//! its answers. The scores of all tokens (tokens × vocabulary) are the largest thing in a training
//! step: 49152 a token for the starter model. They are computed some rows at a time, only for the
//! tokens that are learned from, and dropped as soon as their gradient with respect to the hidden
//! state is there. That gradient does not depend on the loss, which only scales it.

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _,
};
use rayon::slice::ParallelSliceMut as _;
use tuning_fork_kernels as kernels;

use crate::llm;
use crate::llm::adapter::lora::Adapter;
use crate::llm::backward::dropout::Dropout;
use crate::llm::backward::gradients::Gradients;
use crate::llm::config::Config;
use crate::llm::model::{Model, Scores};
use crate::llm::net::buffers;
use crate::llm::net::tree::TokenTree;
use crate::llm::{Keep, TreePass};
use crate::train::config::TrainConfig;
use crate::train::error::Error;
use crate::train::rows::batch::Example;
use crate::train::rows::sequence::Sequence;

/// Bytes of scores that are in memory at once: 256 rows for a vocabulary of 49152.
const SCORE_BYTES: usize = 48 << 20;

/// Bytes that a pass may keep for the backward pass. A run on the starter model then peaks at 0.77 GB
/// with weights as stored (98 MB of them) and at 1.17 GB with f32 ones (538 MB).
const KEPT_BYTES: usize = 340 << 20;

/// Sums over the tokens of one completion.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CompletionStats {
    /// ln p(completion | prompt).
    pub logp: f64,

    /// Tokens that were predicted.
    pub tokens: usize,

    /// Sum of the next-token distributions' entropies, in nats.
    pub entropy: f64,

    /// Sum of each row's mean score.
    pub mean_logits: f64,

    /// Tokens that were the likeliest.
    pub correct: usize,

    /// Sum of ln p(token) − ln Σ p², where that was asked for.
    pub aligned: f64,

    /// What a score head says of it, where that was asked in place of the tokens.
    pub score: f64,
}

/// What an objective wants of the tokens beside what every one wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// LD-DPO's `ld_alpha`.
    pub tails: Option<Tails>,

    /// WPO's weights: see [`CompletionStats::aligned`].
    pub aligned: bool,

    /// The first token of a text too, which the last virtual token predicts.
    pub first: bool,

    /// DFT (Wu et al. 2025): each token's log-probability counts by its probability, which itself is not
    /// learned through.
    pub by_probability: bool,
}

/// Tokens that count less, as LD-DPO (Liu et al. 2024) has them: those of a pair's longer answer
/// beyond the length of the shorter one.
#[derive(Clone, Debug, PartialEq)]
pub struct Tails {
    weight: f32,

    /// Of each sequence: how many of its learned tokens count in full.
    full: Vec<usize>,
}

impl Asked {
    /// By the settings of a run, of the sequences of these examples.
    pub fn of<'a>(config: &TrainConfig, examples: impl Iterator<Item = &'a Example>) -> Self {
        let tails = config.tail_weight().map(|weight| {
            let full = examples.flat_map(|example| {
                let lengths = example.sequences().map(Sequence::target_count);
                let shorter = lengths.min().unwrap_or(0);
                example.sequences().map(move |_| shorter)
            });
            Tails { weight: weight as f32, full: full.collect() }
        });
        let (first, by_probability) = (config.scores_first_token(), config.weighs_by_probability());
        Self { tails, aligned: config.weighs_pairs(), first, by_probability }
    }

    /// The places of a sequence whose ids are predicted.
    fn targets<'a>(&self, sequence: &'a Sequence) -> impl Iterator<Item = usize> + 'a {
        let first = self.first && sequence.is_learned(0) && !sequence.ids.is_empty();
        first.then_some(0).into_iter().chain(sequence.targets())
    }

    fn how(&self, want: Want) -> How {
        let Self { aligned, by_probability, .. } = *self;
        How { want, aligned, by_probability }
    }

    /// By how much a learned token of a sequence counts, both from 0.
    fn weight(&self, sequence: usize, token: usize) -> f32 {
        match &self.tails {
            Some(Tails { weight, full }) if token >= full[sequence] => *weight,
            _ => 1.0,
        }
    }
}

/// Rows of a tree that may be run at once, and what each pass keeps: what does not fit alone is
/// computed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassSize {
    row_bytes: usize,
}

impl PassSize {
    pub fn of(config: &Config) -> Self {
        Self { row_bytes: llm::bytes_a_row(config).max(1) }
    }

    /// Rows of a pass.
    pub fn rows(self) -> usize {
        (KEPT_BYTES / self.row_bytes).max(1)
    }

    pub fn keep(self, tree: &TokenTree) -> Keep {
        if tree.len() > self.rows() { Keep::LayerInputs } else { Keep::Everything }
    }
}

/// A token that is predicted: the row that predicts it, and whose it is.
pub(crate) struct Prediction {
    pub(super) row: usize,
    pub(super) sequence: usize,
    pub(super) target: u32,

    /// By how much its log-probability counts in that of its sequence.
    weight: f32,
}

/// `virtual_rows`: so many rows stand before those of the tree.
pub(super) fn predictions(
    tree: &TokenTree,
    sequences: &[&Sequence],
    asked: &Asked,
    virtual_rows: usize,
) -> Vec<Prediction> {
    let mut all = Vec::new();
    for (index, sequence) in sequences.iter().enumerate() {
        let rows = tree.rows(index);
        let targets = asked.targets(sequence).enumerate();
        all.extend(targets.map(|(token, place)| Prediction {
            // The last virtual token predicts the first one.
            row: match place.checked_sub(1) {
                Some(before) => virtual_rows + rows[before] as usize,
                None => virtual_rows.saturating_sub(1),
            },
            sequence: index,
            target: sequence.ids[place],
            weight: asked.weight(index, token),
        }));
    }
    all
}

/// So many predictions of one sequence: what they predict makes no difference to how long it takes.
pub(crate) fn made_up(tree: &TokenTree, count: usize) -> Vec<Prediction> {
    let rows = (0..tree.len()).cycle().take(count);
    rows.map(|row| Prediction { row, sequence: 0, target: 0, weight: 1.0 }).collect()
}

/// The sequences as a tree, in their order.
pub fn tree(sequences: &[&Sequence]) -> TokenTree {
    TokenTree::new(sequences.iter().map(|sequence| sequence.ids.as_slice()))
}

/// Completions that were run through the model, with their backward pass.
pub struct Scored<'a> {
    /// One for each sequence.
    pub stats: Vec<CompletionStats>,
    model: &'a Model,
    adapter: &'a Adapter,
    pass: TreePass<'a>,
    predictions: Vec<Prediction>,

    /// The gradient of each prediction's log-probability by the hidden state that it was made
    /// from, (predictions, width).
    slopes: Vec<f32>,

    /// [`Asked::by_probability`].
    by_probability: bool,
}

impl Scored<'_> {
    /// Adds the gradients of Σ weight · logp with respect to what learns: a weight a sequence.
    pub fn backward(self, weights: &[f64], gradients: &mut Gradients) -> Result<(), Error> {
        let Self { model, adapter, pass, predictions, slopes, by_probability, .. } = self;
        if model.head_learns(gradients) {
            let known = (model, adapter);
            let how = How { want: Want::Slopes, aligned: false, by_probability };
            head_backward(known, pass.all_hidden(), &predictions, (weights, how), gradients)?;
        }
        // At least 1, where nothing is predicted: then the gradients are zero.
        let width = (slopes.len() / predictions.len().max(1)).max(1);
        let mut grad = vec![0.0; pass.all_hidden().len()];
        for (prediction, slope) in predictions.iter().zip(slopes.chunks_exact(width)) {
            let weight = weights[prediction.sequence] as f32 * prediction.weight;
            let row = &mut grad[prediction.row * width..(prediction.row + 1) * width];
            row.iter_mut().zip(slope).for_each(|(sum, slope)| *sum += weight * slope);
        }
        drop(slopes);
        Ok(pass.backward(&grad, gradients)?)
    }
}

/// Runs sequences with targets and keeps what the backward pass needs. `tree` is that of `sequences`.
pub fn score<'a>(
    model: &'a Model,
    adapter: &'a Adapter,
    tree: &'a TokenTree,
    sequences: &[&Sequence],
    asked: &Asked,
    dropout: Option<&'a Dropout>,
) -> Result<Scored<'a>, Error> {
    let size = PassSize::of(model.config());
    buffers::expect_rows(tree.len(), size.rows());
    let pass = model.run_tree(tree, Some(adapter), dropout, size.keep(tree))?;
    let predictions = predictions(tree, sequences, asked, pass.virtual_rows());
    let known = (model, Some(adapter));
    let (stats, slopes) = head(known, pass.all_hidden(), &predictions, (sequences.len(), asked))?;
    let by_probability = asked.by_probability;
    Ok(Scored { stats, model, adapter, pass, predictions, slopes, by_probability })
}

/// What the head itself learns of Σ weight · logp. The scores are computed once more: how much each
/// counts is known only now, and all of them together would be the largest thing in a step.
fn head_backward(
    (model, adapter): (&Model, &Adapter),
    hidden: &[f32],
    predictions: &[Prediction],
    (weights, how): (&[f64], How),
    gradients: &mut Gradients,
) -> Result<(), Error> {
    let capped = model.config().final_softcap.is_some();
    let vocabulary = model.config().vocab_size;
    each_chunk((model, Some(adapter)), hidden, predictions, |chunk, hidden, mut scores| {
        let as_they_were = if capped { scores.to_vec() } else { Vec::new() };
        scores.par_chunks_mut(vocabulary).zip(chunk.par_iter()).for_each(|(row, prediction)| {
            row_stats(row, prediction.target as usize, how);
            let weight = weights[prediction.sequence] as f32 * prediction.weight;
            row.iter_mut().for_each(|slope| *slope *= weight);
        });
        let seen = (hidden, as_they_were.as_slice());
        Ok(model.tree_head_backward(seen, &mut scores, Some(adapter), gradients)?)
    })
}

/// Each sequence's numbers, and the slope of each prediction by its hidden row.
pub(crate) fn head(
    (model, adapter): (&Model, Option<&Adapter>),
    hidden: &[f32],
    predictions: &[Prediction],
    (sequences, asked): (usize, &Asked),
) -> Result<(Vec<CompletionStats>, Vec<f32>), Error> {
    let mut stats = vec![CompletionStats::default(); sequences];
    let mut slopes = Vec::with_capacity(predictions.len() * model.config().width);
    each_chunk((model, adapter), hidden, predictions, |chunk, _, mut scores| {
        let capped = model.config().final_softcap.map(|_| scores.to_vec()).unwrap_or_default();
        add_rows(&mut stats, &mut scores, chunk, asked.how(Want::Slopes));
        slopes.extend(model.tree_scores_backward(&capped, &mut scores, adapter)?);
        Ok(())
    })?;
    Ok((stats, slopes))
}

/// Runs sequences without a backward pass, through the very same operations: where policy and reference
/// are the same weights, their log-probabilities are the same bits, whatever they are run beside.
pub fn measure(
    model: &Model,
    adapter: &Adapter,
    sequences: &[&Sequence],
    asked: &Asked,
) -> Result<Vec<CompletionStats>, Error> {
    let tree = tree(sequences);
    buffers::expect_rows(tree.len(), tree.len());
    let pass = model.run_tree(&tree, Some(adapter), None, Keep::Nothing)?;
    let predictions = predictions(&tree, sequences, asked, pass.virtual_rows());
    let mut stats = vec![CompletionStats::default(); sequences.len()];
    let known = (model, Some(adapter));
    each_chunk(known, pass.all_hidden(), &predictions, |chunk, _, mut scores| {
        add_rows(&mut stats, &mut scores, chunk, asked.how(Want::Stats));
        Ok(())
    })?;
    Ok(stats)
}

/// Predictions whose scores are computed at once.
pub(crate) fn score_rows(config: &Config) -> usize {
    (SCORE_BYTES / size_of::<f32>() / config.vocab_size.max(1)).clamp(16, 1024)
}

/// Bytes of the scores that are there at once, in a pass with so many predictions, and of their
/// slopes. Where a model caps its scores, both are needed.
pub fn score_bytes(config: &Config, predictions: usize) -> u64 {
    let copies = if config.final_softcap.is_some() { 2 } else { 1 };
    let scores = score_rows(config).min(predictions) * config.vocab_size * copies;
    ((scores + predictions * config.width) * size_of::<f32>()) as u64
}

/// Calls `work` with some predictions at a time, the rows that they are made from, and their scores,
/// (predictions, vocabulary).
pub(super) fn each_chunk(
    (model, adapter): (&Model, Option<&Adapter>),
    hidden: &[f32],
    predictions: &[Prediction],
    mut work: impl FnMut(&[Prediction], &[f32], Scores) -> Result<(), Error>,
) -> Result<(), Error> {
    let width = model.config().width;
    for chunk in predictions.chunks(score_rows(model.config())) {
        let rows = chunk.iter().map(|found| &hidden[found.row * width..(found.row + 1) * width]);
        let hidden: Vec<f32> = rows.flatten().copied().collect();
        let scores = model.tree_scores(&hidden, adapter)?;
        work(chunk, &hidden, scores)?;
    }
    Ok(())
}

/// What is made of a row of scores.
#[derive(Clone, Copy)]
struct How {
    want: Want,
    aligned: bool,
    by_probability: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Want {
    /// What becomes of the scores makes no difference.
    Stats,

    /// Replace each row of scores by the gradient of its target's log-probability.
    Slopes,
}

/// Takes rows of scores, (predictions, vocabulary), into the stats of their sequences.
fn add_rows(
    stats: &mut [CompletionStats],
    scores: &mut [f32],
    predictions: &[Prediction],
    how: How,
) {
    let vocabulary = scores.len() / predictions.len().max(1);
    let rows: Vec<CompletionStats> = scores
        .par_chunks_mut(vocabulary)
        .zip(predictions.par_iter())
        .map(|(row, prediction)| row_stats(row, prediction.target as usize, how))
        .collect();
    // In order, so that the sum is the same on any number of threads.
    for (row, prediction) in rows.into_iter().zip(predictions) {
        let logp = row.logp * f64::from(prediction.weight);
        stats[prediction.sequence].add(&CompletionStats { logp, ..row });
    }
}

fn row_stats(row: &mut [f32], target: usize, how: How) -> CompletionStats {
    let score = row[target];
    let sums = kernels::score_sums(row);
    let log_sum = sums.powers.ln();
    let logp = f64::from(score - sums.highest) - log_sum;
    // Of several that are as likely `argmax` takes the first: all are, behind a token whose embedding is zero.
    let is_first = score >= sums.highest && row[..target].iter().all(|power| *power < 1.0);
    let weight = if how.by_probability { logp.exp() } else { 1.0 };
    let aligned = if how.aligned {
        let squares: f64 = row.iter().map(|power| f64::from(*power) * f64::from(*power)).sum();
        logp - (squares.ln() - 2.0 * log_sum)
    } else {
        0.0
    };
    if how.want == Want::Slopes {
        // d ln p(target) / d score = [is target] − p
        let scale = -(weight / sums.powers) as f32;
        for power in &mut *row {
            *power *= scale;
        }
        row[target] += weight as f32;
    }
    CompletionStats {
        logp: weight * logp,
        tokens: 1,
        entropy: log_sum - sums.weighted / sums.powers, // −Σ p ln p
        mean_logits: sums.total / row.len() as f64,
        correct: usize::from(is_first),
        aligned,
        score: 0.0,
    }
}

impl CompletionStats {
    pub fn add(&mut self, other: &Self) {
        let Self { logp, tokens, entropy, mean_logits, correct, aligned, score } = other;
        self.logp += logp;
        self.tokens += tokens;
        self.entropy += entropy;
        self.mean_logits += mean_logits;
        self.correct += correct;
        self.aligned += aligned;
        self.score += score;
    }

    /// [`Self::aligned`] per token, as WPO takes it.
    pub fn mean_aligned(&self) -> f64 {
        self.aligned / self.tokens.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_slopes_are_those_of_the_softmax() {
        // ln(e¹ + e² + e³) = 3.407605964; p = 0.09003057, 0.24472847, 0.66524096
        let mut scores = vec![1.0_f32, 2.0, 3.0, 0.0, 0.0, 0.0];
        let predictions =
            [2, 0].map(|target| Prediction { row: 0, sequence: 0, target, weight: 1.0 });
        let mut stats = [CompletionStats::default()];
        let how = How { want: Want::Slopes, aligned: true, by_probability: false };
        add_rows(&mut stats, &mut scores, &predictions, how);
        let [stats] = stats;
        let ln_3 = 3.0_f64.ln();
        assert!((stats.logp - (3.0 - 3.407605964 - ln_3)).abs() < 1e-6);
        // −Σ p ln p of the first row is 0.832395, of the second ln 3
        assert!((stats.entropy - (0.832395 + ln_3)).abs() < 1e-6, "{}", stats.entropy);
        assert_eq!((stats.tokens, stats.correct), (2, 2)); // the first of a tie counts
        assert!((stats.mean_logits - 2.0).abs() < 1e-9);
        // ln(0.09003057² + 0.24472847² + 0.66524096²) = ln 0.51054338; of the second row ln 1/3
        let squares = 0.51054338_f64.ln() - ln_3;
        assert!((stats.aligned - (stats.logp - squares)).abs() < 1e-6, "{}", stats.aligned);
        let expected = [-0.09003057, -0.24472847, 1.0 - 0.66524096, 2.0 / 3.0, -1.0 / 3.0];
        for (found, expected) in scores.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{scores:?}");
        }
    }

    // `argmax` of torch: behind a token of zeros all scores are 0, and only token 0 is the likeliest.
    #[test]
    fn of_tokens_that_are_as_likely_the_first_is_right() {
        let correct = |target, mut row: Vec<f32>| {
            let how = How { want: Want::Stats, aligned: false, by_probability: false };
            row_stats(&mut row, target, how).correct
        };
        assert_eq!([0, 1, 2].map(|target| correct(target, vec![0.0; 3])), [1, 0, 0]);
        assert_eq!([0, 1, 2].map(|target| correct(target, vec![-1.0, 2.0, 2.0])), [0, 1, 0]);
    }

    #[test]
    fn what_a_user_says_between_two_answers_is_not_predicted() {
        let learned = [false, true, true, false, true];
        let sequence = Sequence::masked(vec![1, 2, 3, 4, 5], &learned);
        let all = [&sequence];
        let found = predictions(&tree(&all), &all, &Asked::default(), 0);
        let found: Vec<(usize, u32)> = found.iter().map(|one| (one.row, one.target)).collect();
        assert_eq!(found, [(0, 2), (1, 3), (3, 5)]);
    }

    #[test]
    fn a_token_counts_by_its_probability_which_is_not_learned_through() {
        // p = 0.09003057, 0.24472847, 0.66524096: −p ln p of the second, and p times its slopes
        let mut scores = vec![1.0_f32, 2.0, 3.0];
        let how = How { want: Want::Slopes, aligned: false, by_probability: true };
        let stats = row_stats(&mut scores, 1, how);
        let p = 0.24472847_f64;
        assert!((stats.logp - p * p.ln()).abs() < 1e-6);
        let expected = [-p * 0.09003057, p * (1.0 - p), -p * 0.66524096];
        for (found, expected) in scores.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{scores:?}");
        }
    }

    #[test]
    fn an_answer_is_predicted_from_the_last_row_of_its_prompt() {
        let sequence = |ids: &[u32]| Sequence::new(ids.to_vec(), 2);
        let (chosen, rejected) = (sequence(&[1, 2, 3, 4]), sequence(&[1, 2, 5]));
        let pair = [&chosen, &rejected];
        let tree = tree(&pair);
        assert_eq!(tree.len(), 5);
        let found: Vec<(usize, usize, u32)> = predictions(&tree, &pair, &Asked::default(), 0)
            .iter()
            .map(|found| (found.row, found.sequence, found.target))
            .collect();
        assert_eq!(found, [(1, 0, 3), (2, 0, 4), (1, 1, 5)]);
    }
}
