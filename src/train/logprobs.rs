//! What a model thinks of one completion: the summed log-probability of its tokens, what TRL
//! reports about them, and the way back into the adapter.
//!
//! The scores of all tokens (tokens × vocabulary) are the largest thing in a training step: 49152
//! a token for the starter model. They are computed a few rows at a time, only for the tokens that
//! are learned from, and dropped as soon as their gradient with respect to the hidden state is
//! there. That gradient does not depend on the loss, which only scales it.

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor, Var};
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _,
};
use rayon::slice::{ParallelSlice as _, ParallelSliceMut as _};

use super::batch::Sequence;
use super::error::Error;
use crate::llm::lora::Adapter;
use crate::llm::model::Model;

/// Rows of scores that are in memory at once: 12 MB a tensor for a vocabulary of 49152.
const ROWS_AT_ONCE: usize = 64;

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
}

/// A completion that was run through the model, with the way back.
pub struct Scored {
    pub stats: CompletionStats,

    /// Hidden states that predict the completion's tokens, (tokens, width), tracked.
    hidden: Tensor,

    /// The gradient of `stats.logp` with respect to `hidden`, (tokens, width).
    slope: Tensor,
}

impl Scored {
    /// The gradients of `weight · logp` with respect to the adapter.
    pub fn backward(self, weight: f64) -> candle_core::Result<GradStore> {
        let Self { hidden, slope, .. } = self;
        start_backward(&hidden, (slope * weight)?)
    }
}

/// Runs `sequence` and keeps the way back.
pub fn score(model: &Model, adapter: &Adapter, sequence: &Sequence) -> Result<Scored, Error> {
    let hidden = completion_hidden(model, adapter, sequence)?;
    let mut stats = CompletionStats::default();
    let mut slopes = Vec::new();
    for (start, targets) in chunks(sequence.targets()) {
        let rows = Var::from_tensor(&hidden.narrow(0, start, targets.len())?.detach())?;
        let logits = model.head_for_training(rows.as_tensor())?; // (rows, vocabulary)
        let mut values = logits.flatten_all()?.to_vec1::<f32>()?;
        stats.add_rows(&mut values, targets, Want::Slopes);
        let gradient = Tensor::from_vec(values, logits.shape(), logits.device())?;
        let mut store = start_backward(&logits, gradient)?;
        slopes.push(store.remove(rows.as_tensor()).ok_or(Error::NoGradient {
            names: vec!["the hidden state before the head".to_owned()],
        })?);
    }
    let slope = Tensor::cat(&slopes, 0)?;
    Ok(Scored { stats, hidden, slope })
}

/// Runs `sequence` without a way back, through the very same operations: where policy and
/// reference are the same weights, their log-probabilities are the same bits.
pub fn measure(
    model: &Model,
    adapter: &Adapter,
    sequence: &Sequence,
) -> Result<CompletionStats, Error> {
    let hidden = completion_hidden(model, adapter, sequence)?.detach();
    let mut stats = CompletionStats::default();
    for (start, targets) in chunks(sequence.targets()) {
        let logits = model.head_for_training(&hidden.narrow(0, start, targets.len())?)?;
        let mut values = logits.flatten_all()?.to_vec1::<f32>()?;
        stats.add_rows(&mut values, targets, Want::Stats);
    }
    Ok(stats)
}

/// The hidden states that predict the completion's tokens: (tokens, width).
fn completion_hidden(
    model: &Model,
    adapter: &Adapter,
    sequence: &Sequence,
) -> Result<Tensor, Error> {
    let ids = Tensor::new(sequence.ids.as_slice(), &candle_core::Device::Cpu)?.unsqueeze(0)?;
    let hidden = model.hidden_for_training(&ids, adapter)?; // (1, time, width)
    let count = sequence.targets().len();
    Ok(hidden.squeeze(0)?.narrow(0, sequence.ids.len() - 1 - count, count)?)
}

fn chunks(targets: &[u32]) -> impl Iterator<Item = (usize, &[u32])> {
    targets.chunks(ROWS_AT_ONCE).enumerate().map(|(index, chunk)| (index * ROWS_AT_ONCE, chunk))
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Want {
    /// Leave the scores alone.
    Stats,

    /// Replace each row of scores by the gradient of its target's log-probability.
    Slopes,
}

impl CompletionStats {
    /// Takes in rows of scores, (targets, vocabulary) row by row.
    pub(crate) fn add_rows(&mut self, scores: &mut [f32], targets: &[u32], want: Want) {
        let vocabulary = scores.len() / targets.len().max(1);
        let rows: Vec<Self> = match want {
            Want::Stats => scores
                .par_chunks(vocabulary)
                .zip(targets.par_iter())
                .map(|(row, target)| row_stats(row, *target as usize).0)
                .collect(),
            Want::Slopes => scores
                .par_chunks_mut(vocabulary)
                .zip(targets.par_iter())
                .map(|(row, target)| {
                    let target = *target as usize;
                    let (stats, log_sum) = row_stats(row, target);
                    // d ln p(target) / d score = [is target] − p
                    for score in row.iter_mut() {
                        *score = -(*score - log_sum).exp();
                    }
                    row[target] += 1.0;
                    stats
                })
                .collect(),
        };
        // In order, so that the sum is the same on any number of threads.
        for row in rows {
            self.add(&row);
        }
    }

    pub fn add(&mut self, other: &Self) {
        let Self { logp, tokens, entropy, mean_logits, correct } = other;
        self.logp += logp;
        self.tokens += tokens;
        self.entropy += entropy;
        self.mean_logits += mean_logits;
        self.correct += correct;
    }
}

/// One row's numbers, and the logarithm of the sum of its exponentials.
fn row_stats(row: &[f32], target: usize) -> (CompletionStats, f32) {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut total, mut sum, mut weighted) = (0.0, 0.0, 0.0);
    for score in row {
        let shifted = *score - highest;
        let power = f64::from(shifted.exp());
        total += f64::from(*score);
        sum += power;
        weighted += power * f64::from(shifted);
    }
    let log_sum = sum.ln();
    let stats = CompletionStats {
        logp: f64::from(row[target] - highest) - log_sum,
        tokens: 1,
        entropy: log_sum - weighted / sum, // −Σ p ln p
        mean_logits: total / row.len() as f64,
        correct: usize::from(row[target] >= highest),
    };
    (stats, highest + log_sum as f32)
}

/// Starts a backward pass at `tensor` with `gradient` in place of ones.
fn start_backward(tensor: &Tensor, gradient: Tensor) -> candle_core::Result<GradStore> {
    if tensor.device().is_cpu() {
        tensor.apply_op1(StartWith { gradient })?.backward()
    } else {
        (tensor * gradient)?.sum_all()?.backward()
    }
}

/// A scalar whose gradient with respect to its input is known.
struct StartWith {
    gradient: Tensor,
}

impl CustomOp1 for StartWith {
    fn name(&self) -> &'static str {
        "start-with"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, _: &Tensor) -> candle_core::Result<Option<Tensor>> {
        debug_assert_eq!((arg.dtype(), arg.shape()), (DType::F32, self.gradient.shape()));
        Ok(Some(self.gradient.clone()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn numbers_and_slopes_are_those_of_the_softmax() {
        // ln(e¹ + e² + e³) = 3.407605964; p = 0.09003057, 0.24472847, 0.66524096
        let mut scores = vec![1.0_f32, 2.0, 3.0, 0.0, 0.0, 0.0];
        let mut stats = CompletionStats::default();
        stats.add_rows(&mut scores, &[2, 0], Want::Slopes);
        let ln_3 = 3.0_f64.ln();
        assert!((stats.logp - (3.0 - 3.407605964 - ln_3)).abs() < 1e-6);
        // −Σ p ln p of the first row is 0.832395, of the second ln 3
        assert!((stats.entropy - (0.832395 + ln_3)).abs() < 1e-6, "{}", stats.entropy);
        assert_eq!((stats.tokens, stats.correct), (2, 2)); // a tie with the likeliest counts
        assert!((stats.mean_logits - 2.0).abs() < 1e-9);
        let expected = [-0.09003057, -0.24472847, 1.0 - 0.66524096, 2.0 / 3.0, -1.0 / 3.0];
        for (found, expected) in scores.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{scores:?}");
        }
    }

    #[test]
    fn a_backward_pass_can_start_with_any_gradient() {
        let x = Var::new(&[1.0_f32, 2.0, 3.0], &Device::Cpu).unwrap();
        let y = (x.as_tensor() * 2.0).unwrap();
        let gradient = Tensor::new(&[1.0_f32, 0.0, -1.0], &Device::Cpu).unwrap();
        let store = start_backward(&y, gradient).unwrap();
        assert_eq!(store.get(&x).unwrap().to_vec1::<f32>().unwrap(), [2.0, 0.0, -2.0]);
    }
}
