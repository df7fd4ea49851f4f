//! The sampling chain as a pipeline: what the model gives, and what each step of the chain leaves of
//! it, for a few tokens by name and for the whole vocabulary in three numbers.
//!
//! It runs while a slider moves. What does not depend on the settings is worked out once for a
//! position ([`Before`]).

use std::f64::consts::LN_2;
use std::sync::Arc;

use tuning_fork_kernels as kernels;
use tuning_fork_kernels::ScoreSums;

use super::chain::{Chain, largest};
use super::sampling::{SamplingError, SamplingParams, Stage, Step, check_scores, run_steps};

/// The model's own distribution at one position, at temperature 1 and before any setting.
#[derive(Clone, Debug)]
pub struct Before {
    logits: Arc<[f32]>,

    /// By id.
    pub probabilities: Vec<f32>,

    /// In bits, over the whole vocabulary.
    pub entropy: f64,

    /// The likeliest tokens, the likeliest first; ties by id.
    pub likeliest: Vec<u32>,
}

/// What a step leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// `None`: the model's own distribution.
    pub step: Option<Step>,

    /// Of each token that is shown; 0 for one that was removed by now.
    pub probabilities: Vec<f32>,

    /// How many tokens of the vocabulary are left.
    pub count: usize,

    /// The share of the model's probability that these tokens had.
    pub mass: f64,

    /// Of what is left, in bits.
    pub entropy: f64,
}

/// The pipeline at one position.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// The model first, then each step that is on, in the order in which they act.
    pub left: Vec<Left>,

    /// For each token that is shown: the step that removed it and what in it did.
    pub removed_by: Vec<Option<(Step, Stage)>>,
}

impl Before {
    /// `shown`: how many of the likeliest tokens are wanted.
    pub fn of(logits: Arc<[f32]>, shown: usize) -> Result<Self, SamplingError> {
        check_scores(&logits)?;
        let max = largest(&logits);
        let mut probabilities: Vec<f32> = logits.iter().map(|score| (score - max).exp()).collect();
        let sum: f64 = probabilities.iter().map(|power| f64::from(*power)).sum();
        let entropy = entropy(logits.iter().zip(&probabilities), max, sum);
        let scale = (1.0 / sum) as f32;
        for probability in &mut probabilities {
            *probability *= scale;
        }
        let better = |a: &u32, b: &u32| {
            let scores = (logits[*b as usize], logits[*a as usize]);
            scores.0.total_cmp(&scores.1).then(a.cmp(b))
        };
        let mut likeliest: Vec<u32> = (0..logits.len() as u32).collect();
        if shown < likeliest.len() {
            likeliest.select_nth_unstable_by(shown, better);
            likeliest.truncate(shown);
        }
        likeliest.sort_unstable_by(better);
        Ok(Self { logits, probabilities, entropy, likeliest })
    }

    /// Runs the chain. `history`: the prompt and the answer so far; `shown`: the tokens whose
    /// probabilities are wanted after each step.
    pub fn run(
        &self,
        history: &[u32],
        params: &SamplingParams,
        shown: &[u32],
    ) -> Result<Pipeline, SamplingError> {
        let vocabulary = self.probabilities.len();
        let of_model = |id: &u32| self.probabilities.get(*id as usize).copied().unwrap_or(0.0);
        let mut left = vec![Left {
            step: None,
            probabilities: shown.iter().map(of_model).collect(),
            count: vocabulary,
            mass: 1.0,
            entropy: self.entropy,
        }];
        let mut removed_by = vec![None; shown.len()];
        run_steps(&self.logits, history, params, &mut |step, chain| {
            left.push(self.left(step, chain, shown));
            for (id, removed) in shown.iter().zip(&mut removed_by) {
                let stage = chain.removed_by.get(*id as usize).copied().flatten();
                if let (None, Some(stage)) = (*removed, stage) {
                    *removed = Some((step, stage));
                }
            }
        })?;
        Ok(Pipeline { left, removed_by })
    }

    fn left(&self, step: Step, chain: &Chain, shown: &[u32]) -> Left {
        let mut powers = chain.alive_scores();
        // In one pass, by the processor's best instructions; it uses the scores up.
        let ScoreSums { highest, powers: sum, weighted, .. } = kernels::score_sums(&mut powers);
        let probability = |id: &u32| match chain.alive.binary_search(id) {
            Ok(_) => (f64::from(chain.scores[*id as usize] - highest).exp() / sum) as f32,
            Err(_) => 0.0,
        };
        let is_whole = chain.alive.len() == self.probabilities.len();
        let kept = || chain.alive.iter().map(|id| f64::from(self.probabilities[*id as usize]));
        Left {
            step: Some(step),
            probabilities: shown.iter().map(probability).collect(),
            count: chain.alive.len(),
            // Rounding of a quarter of a million terms must not give 100.0001 %.
            mass: if is_whole { 1.0 } else { kept().sum::<f64>().min(1.0) },
            entropy: ((sum.ln() - weighted / sum) / LN_2).max(0.0),
        }
    }
}

/// In bits: log of the sum, less the mean of the scores. `powers`: exp(score - max).
fn entropy<'a>(
    scores_and_powers: impl Iterator<Item = (&'a f32, &'a f32)>,
    max: f32,
    sum: f64,
) -> f64 {
    // A token that the model rules out is 0 times minus infinity: no part of the sum.
    let weighted: f64 = scores_and_powers
        .filter(|(_, power)| **power > 0.0)
        .map(|(score, power)| f64::from(score - max) * f64::from(*power))
        .sum();
    ((sum.ln() - weighted / sum) / LN_2).max(0.0)
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
