//! What a model thinks of every token of an answer, and the backward pass from it.
//!
//! Its log-probability and the entropy of what it was drawn from, at the temperature that it was sampled with. Sums over whole
//! answers: see [`super::logprobs`].

use rayon::iter::{IndexedParallelIterator as _, ParallelIterator as _};
use rayon::slice::ParallelSliceMut as _;
use tuning_fork_kernels as kernels;

use super::logprobs;
use super::logprobs::{Asked, PassSize, Prediction};
use crate::llm::adapter::lora::Adapter;
use crate::llm::backward::dropout::Dropout;
use crate::llm::backward::gradients::Gradients;
use crate::llm::model::Model;
use crate::llm::net::buffers;
use crate::llm::net::tree::TokenTree;
use crate::llm::{Keep, TreePass};
use crate::train::error::Error;
use crate::train::rows::sequence::Sequence;

/// What was found of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Token {
    pub logp: f64,
    pub entropy: f64,
}

/// How tokens are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Scores are divided by it, as where the answers were sampled.
    pub temperature: f64,

    /// Whether the backward pass goes through the entropies, too.
    pub learns_entropy: bool,
}

/// Answers that were run through the model, with their backward pass.
pub struct ScoredTokens<'a> {
    /// Of each sequence, of each of its targets.
    pub tokens: Vec<Vec<Token>>,
    model: &'a Model,
    adapter: &'a Adapter,
    reading: Reading,
    pass: TreePass<'a>,
    predictions: Vec<Prediction>,

    /// The gradient of each prediction's log-probability by the hidden state that it was made from, and of
    /// its entropy where that was asked for: (predictions, width) each.
    by_logp: Vec<f32>,
    by_entropy: Vec<f32>,
}

/// Runs sequences and keeps what the backward pass needs. `tree` is that of `sequences`.
pub fn score<'a>(
    (model, adapter): (&'a Model, &'a Adapter),
    (tree, sequences): (&'a TokenTree, &[&Sequence]),
    reading: Reading,
    dropout: Option<&'a Dropout>,
) -> Result<ScoredTokens<'a>, Error> {
    let size = PassSize::of(model.config());
    buffers::expect_rows(tree.len(), size.rows());
    let pass = model.run_tree(tree, Some(adapter), dropout, size.keep(tree))?;
    let predictions = logprobs::predictions(tree, sequences, &Asked::default(), 0);
    let mut tokens = vec![Vec::new(); sequences.len()];
    let (mut by_logp, mut by_entropy) = (Vec::new(), Vec::new());
    let known = (model, Some(adapter));
    logprobs::each_chunk(known, pass.hidden(), &predictions, |chunk, _, mut scores| {
        let capped = model.config().final_softcap.map(|_| scores.to_vec()).unwrap_or_default();
        let mut slopes = if reading.learns_entropy { scores.to_vec() } else { Vec::new() };
        let found = rows(&mut scores, &mut slopes, chunk, (Want::Slopes, reading));
        add(&mut tokens, chunk, found);
        by_logp.extend(model.tree_scores_backward(&capped, &mut scores, Some(adapter))?);
        if reading.learns_entropy {
            let slopes = model.tree_scores_backward(&capped, &mut slopes, Some(adapter))?;
            by_entropy.extend(slopes);
        }
        Ok(())
    })?;
    Ok(ScoredTokens { tokens, model, adapter, reading, pass, predictions, by_logp, by_entropy })
}

/// The same without a backward pass: the same bits, whatever is run beside it. `adapter` of `None`: the
/// model alone.
pub fn measure(
    (model, adapter): (&Model, Option<&Adapter>),
    sequences: &[&Sequence],
    reading: Reading,
) -> Result<Vec<Vec<Token>>, Error> {
    let tree = logprobs::tree(sequences);
    buffers::expect_rows(tree.len(), tree.len());
    let pass = model.run_tree(&tree, adapter, None, Keep::Nothing)?;
    let predictions = logprobs::predictions(&tree, sequences, &Asked::default(), 0);
    let mut tokens = vec![Vec::new(); sequences.len()];
    let known = (model, adapter);
    logprobs::each_chunk(known, pass.hidden(), &predictions, |chunk, _, mut scores| {
        let found = rows(&mut scores, &mut [], chunk, (Want::Tokens, reading));
        add(&mut tokens, chunk, found);
        Ok(())
    })?;
    Ok(tokens)
}

impl ScoredTokens<'_> {
    /// Adds the gradients of the sum of weight times log-probability, and of weight times entropy: weights of
    /// each token of each sequence. `by_entropies` may be empty.
    pub fn backward(
        self,
        by_logps: &[Vec<f64>],
        by_entropies: &[Vec<f64>],
        gradients: &mut Gradients,
    ) -> Result<(), Error> {
        if self.model.head_learns(gradients) {
            self.head_backward(by_logps, by_entropies, gradients)?;
        }
        let Self { pass, predictions, by_logp, by_entropy, .. } = self;
        let width = (by_logp.len() / predictions.len().max(1)).max(1);
        let mut grad = vec![0.0; pass.hidden().len()];
        let mut add = |weights: &[Vec<f64>], slopes: &[f32]| {
            // The predictions of a sequence follow each other.
            let weights = weights.iter().flatten();
            for ((prediction, slope), weight) in
                predictions.iter().zip(slopes.chunks_exact(width)).zip(weights)
            {
                let weight = *weight as f32;
                let row = &mut grad[prediction.row * width..(prediction.row + 1) * width];
                row.iter_mut().zip(slope).for_each(|(sum, slope)| *sum += weight * slope);
            }
        };
        add(by_logps, &by_logp);
        add(by_entropies, &by_entropy);
        drop((by_logp, by_entropy));
        Ok(pass.backward(&grad, gradients)?)
    }

    /// What the head itself learns. The scores are computed once more: see [`super::logprobs`].
    fn head_backward(
        &self,
        by_logps: &[Vec<f64>],
        by_entropies: &[Vec<f64>],
        gradients: &mut Gradients,
    ) -> Result<(), Error> {
        let Self { model, adapter, reading, pass, predictions, .. } = self;
        let capped = model.config().final_softcap.is_some();
        let vocabulary = model.config().vocab_size;
        // The predictions of a sequence follow each other.
        let mut by_logps = by_logps.iter().flatten();
        let mut by_entropies = by_entropies.iter().flatten();
        let known = (*model, Some(*adapter));
        logprobs::each_chunk(known, pass.hidden(), predictions, |chunk, hidden, mut scores| {
            let as_they_were = if capped { scores.to_vec() } else { Vec::new() };
            let mut slopes = if reading.learns_entropy { scores.to_vec() } else { Vec::new() };
            rows(&mut scores, &mut slopes, chunk, (Want::Slopes, *reading));
            let mut by_entropy = slopes.chunks_exact(vocabulary);
            for row in scores.chunks_exact_mut(vocabulary) {
                let weight = by_logps.next().map_or(0.0, |weight| *weight as f32);
                row.iter_mut().for_each(|slope| *slope *= weight);
                let Some(slopes) = by_entropy.next() else { continue };
                let weight = by_entropies.next().map_or(0.0, |weight| *weight as f32);
                row.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += weight * slope);
            }
            let seen = (hidden, as_they_were.as_slice());
            Ok(model.tree_head_backward(seen, &mut scores, Some(*adapter), gradients)?)
        })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Want {
    Tokens,

    /// Replace each row of scores by the gradient of its target's log-probability, and each row of the copy
    /// by that of its entropy.
    Slopes,
}

fn add(tokens: &mut [Vec<Token>], predictions: &[Prediction], found: Vec<Token>) {
    for (prediction, token) in predictions.iter().zip(found) {
        tokens[prediction.sequence].push(token);
    }
}

/// Rows of scores, (predictions, vocabulary). `copy` is empty, or the same once more.
fn rows(
    scores: &mut [f32],
    copy: &mut [f32],
    predictions: &[Prediction],
    how: (Want, Reading),
) -> Vec<Token> {
    let vocabulary = scores.len() / predictions.len().max(1);
    if copy.is_empty() {
        return scores
            .par_chunks_mut(vocabulary)
            .zip(predictions)
            .map(|(row, prediction)| one_row(row, &mut [], prediction.target as usize, how))
            .collect();
    }
    scores
        .par_chunks_mut(vocabulary)
        .zip(copy.par_chunks_mut(vocabulary))
        .zip(predictions)
        .map(|((row, copy), prediction)| one_row(row, copy, prediction.target as usize, how))
        .collect()
}

fn one_row(
    row: &mut [f32],
    copy: &mut [f32],
    target: usize,
    (want, reading): (Want, Reading),
) -> Token {
    let cooler = (1.0 / reading.temperature) as f32;
    if reading.temperature != 1.0 {
        row.iter_mut().for_each(|score| *score *= cooler);
    }
    let score = row[target];
    let sums = kernels::score_sums(row);
    let log_sum = sums.powers.ln();
    let logp = f64::from(score - sums.highest) - log_sum;
    let entropy = log_sum - sums.weighted / sums.powers; // −Σ p ln p
    if want == Want::Slopes {
        let share = (1.0 / sums.powers) as f32;
        // d H / d score = −p (ln p + H)
        for (slope, power) in copy.iter_mut().zip(&*row) {
            let p = power * share;
            *slope = if p > 0.0 { -p * (p.ln() + entropy as f32) * cooler } else { 0.0 };
        }
        // d ln p(target) / d score = [is target] − p
        for power in &mut *row {
            *power *= -share * cooler;
        }
        row[target] += cooler;
    }
    Token { logp, entropy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_slopes_are_those_of_the_softmax_at_a_temperature() {
        let reading = Reading { temperature: 0.5, learns_entropy: true };
        let at = |scores: &[f32; 3]| {
            let (mut row, mut copy) = (scores.to_vec(), scores.to_vec());
            let token = one_row(&mut row, &mut copy, 1, (Want::Slopes, reading));
            (token, row, copy)
        };
        let scores = [0.5_f32, 1.0, 1.5];
        let (token, by_logp, by_entropy) = at(&scores);
        // ln p of 2 among 1, 2, 3; the entropy of that softmax
        assert!((token.logp + 1.407_605_96).abs() < 1e-6, "{token:?}");
        assert!((token.entropy - 0.832_395).abs() < 1e-5, "{token:?}");
        for place in 0..3 {
            let moved = |by: f32| {
                let mut moved = scores;
                moved[place] += by;
                at(&moved).0
            };
            let (above, below) = (moved(1e-3), moved(-1e-3));
            let slope = (above.logp - below.logp) / 2e-3;
            assert!((slope - f64::from(by_logp[place])).abs() < 1e-4);
            let slope = (above.entropy - below.entropy) / 2e-3;
            assert!((slope - f64::from(by_entropy[place])).abs() < 1e-4);
        }
    }
}
