//! How far a policy has moved from others: the KL divergence between the answers that it draws and theirs, on prompts.
//!
//! KL(policy ‖ other) of whole answers is the expectation, over answers of the policy, of the sum over their tokens of
//! the divergence between both distributions of the next token. That divergence is exact, over the whole vocabulary;
//! only the answers are drawn (Amini, Vieira and Cotterell 2025: the Rao-Blackwellised estimator). Answers that are
//! cut at a limit of tokens are counted as far as they go.

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::comparison::log_sum;
use super::intervals::{self, Interval};
use super::preference::{Measured, OnlyStop};
use crate::jobs::{Cancelled, Progress};
use crate::llm::adapter::lora::Adapter;
use crate::llm::generate::groups::{self, GroupRequest, Writing};
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::model::{Model, Positions};
use crate::train::Error;
use crate::train::config::TrainConfig;
use crate::train::rows::prepare::{self, Examples};

/// What the numbers are.
pub const ESTIMATOR: &str = "KL(policy || reference) in nats: exact over the vocabulary at each token of answers that \
                             the policy draws at temperature 1";

/// How answers are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftSettings {
    /// At most so many prompts.
    pub prompts: usize,

    /// To each of them.
    pub answers: usize,
    pub max_new_tokens: usize,
    pub seed: u64,
}

impl Default for DriftSettings {
    fn default() -> Self {
        Self { prompts: 64, answers: 2, max_new_tokens: 128, seed: 42 }
    }
}

/// How far a policy is from each of several others, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    pub estimator: String,
    pub prompts: usize,

    /// Whether they were held out. A run without held-out rows is measured on prompts that it was trained on.
    pub held_out: bool,

    /// Answers and tokens in all.
    pub answers: usize,
    pub tokens: usize,
    pub max_new_tokens: usize,
    pub seed: u64,
    pub from: Vec<Moved>,
}

/// Intervals: 95 %, over resampled prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// Who that is.
    pub name: String,

    /// Of an answer, and of a token of one.
    pub per_answer: Interval,
    pub per_token: Interval,

    /// The same a token by Schulman's k3, r - 1 - ln r of the drawn token alone with r = reference / policy: what
    /// TRL's trainers report as `kl`.
    pub k3_per_token: Interval,
}

/// Sums over the answers to a prompt.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    kl: f64,
    k3: f64,
}

/// Measures how far `policy` is from each of `others`: a name, and an adapter or the model without one.
///
/// `data`: the rows of the run that made the policy. Slow: reports each prompt, and looks for Stop at every token that
/// is drawn.
pub fn measure(
    (model, policy): (&Model, &Adapter),
    others: &[(String, Option<&Adapter>)],
    (config, data): (&TrainConfig, &Path),
    settings: DriftSettings,
    progress: &dyn Progress<Measured>,
) -> Result<Drift, Error> {
    let (prompts, held_out) = prompts(model, config, data, settings.prompts, progress)?;
    let sampling = SamplingParams {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        repetition_penalty: 1.0,
        ..SamplingParams::default()
    };
    let quiet = OnlyStop(progress);
    let (mut sums, mut counts) = (vec![Vec::new(); others.len()], Vec::new());
    for (done, prompt) in prompts.iter().enumerate() {
        progress.emit(Measured { done, total: prompts.len() });
        let request = GroupRequest {
            prompts: std::slice::from_ref(prompt),
            group: settings.answers,
            sampling: sampling.clone(),
            max_new_tokens: settings.max_new_tokens,
            seed: settings.seed.rotate_left(17) ^ done as u64,
        };
        let written = groups::sample(model, Some(policy), &request, &quiet)?;
        progress.check().map_err(|_stopped| Error::Cancelled)?; // what Stop cut short is no answer
        let mut of_prompt = vec![Sums::default(); others.len()];
        let (mut answers, mut tokens) = (0, 0);
        for answer in written.into_iter().flatten().filter(|answer| !answer.ids.is_empty()) {
            let own = after(model, Some(policy), prompt, &answer.ids)?;
            for (sum, (_, other)) in of_prompt.iter_mut().zip(others) {
                let theirs = after(model, *other, prompt, &answer.ids)?;
                let found = divergence(&own, &theirs, &answer.ids);
                (sum.kl, sum.k3) = (sum.kl + found.kl, sum.k3 + found.k3);
            }
            (answers, tokens) = (answers + 1, tokens + answer.ids.len());
        }
        for (all, sum) in sums.iter_mut().zip(of_prompt) {
            all.push(sum);
        }
        counts.push((answers, tokens));
        progress.rest();
    }
    let moved = others.iter().zip(&sums).map(|((name, _), sums)| {
        let ratio = |of: fn(&Sums) -> f64, by: fn(&(usize, usize)) -> usize| {
            let items = sums.iter().zip(&counts).map(|(sum, count)| (of(sum), by(count) as f64));
            intervals::ratio(&items.collect::<Vec<_>>())
        };
        Moved {
            name: name.clone(),
            per_answer: ratio(|sum| sum.kl, |count| count.0),
            per_token: ratio(|sum| sum.kl, |count| count.1),
            k3_per_token: ratio(|sum| sum.k3, |count| count.1),
        }
    });
    Ok(Drift {
        estimator: ESTIMATOR.to_owned(),
        prompts: prompts.len(),
        held_out,
        answers: counts.iter().map(|count| count.0).sum(),
        tokens: counts.iter().map(|count| count.1).sum(),
        max_new_tokens: settings.max_new_tokens,
        seed: settings.seed,
        from: moved.collect(),
    })
}

/// The prompts that a run held out, each once, as token ids; else those that it was trained on.
fn prompts(
    model: &Model,
    config: &TrainConfig,
    data: &Path,
    most: usize,
    progress: &dyn Progress<Measured>,
) -> Result<(Vec<Vec<u32>>, bool), Error> {
    // Row by row, not as they were packed.
    let config = &TrainConfig { packing: false, ..config.clone() };
    let Examples { examples, split, .. } =
        prepare::examples(model, config, data, &OnlyStop(progress))?;
    let held_out = !split.held_out.is_empty();
    let rows = if held_out { split.held_out } else { split.train };
    let mut known = BTreeSet::new();
    let prompt = |row: usize| {
        let chosen = &examples[row].chosen;
        chosen.ids[..chosen.completion_start].to_vec()
    };
    let all = rows.into_iter().map(prompt);
    let new = all.filter(|prompt| !prompt.is_empty() && known.insert(prompt.clone()));
    Ok((new.take(most).collect(), held_out))
}

/// Raw scores before each token of an answer, (tokens, vocabulary).
fn after(
    model: &Model,
    adapter: Option<&Adapter>,
    prompt: &[u32],
    answer: &[u32],
) -> Result<Vec<f32>, Error> {
    let ids = [prompt, &answer[..answer.len() - 1]].concat();
    let wanted = Positions::From(prompt.len() - 1);
    let logits = model.logits(&ids, &mut model.new_cache(), adapter, wanted)?;
    Ok(logits.flatten_all()?.to_vec1::<f32>()?)
}

/// Over the tokens of an answer.
fn divergence(own: &[f32], theirs: &[f32], answer: &[u32]) -> Sums {
    let width = own.len() / answer.len().max(1);
    let tokens = own.par_chunks(width).zip(theirs.par_chunks(width)).zip(answer);
    let each = tokens.map(|((p, q), token)| at_token(p, q, *token));
    // In the order of the tokens, so that a sum does not depend on the threads.
    let each: Vec<Sums> = each.collect();
    let add = |sum: Sums, one: &Sums| Sums { kl: sum.kl + one.kl, k3: sum.k3 + one.k3 };
    each.iter().fold(Sums::default(), add)
}

fn at_token(p: &[f32], q: &[f32], token: u32) -> Sums {
    let (p_sum, q_sum) = (log_sum(p), log_sum(q));
    let ratio = |p: f32, q: f32| (f64::from(p) - p_sum) - (f64::from(q) - q_sum);
    let terms = p.iter().zip(q).map(|(p, q)| (f64::from(*p) - p_sum).exp() * ratio(*p, *q));
    let kl: f64 = terms.sum();
    // ln of reference / policy.
    let drawn = -ratio(p[token as usize], q[token as usize]);
    Sums { kl: kl.max(0.0), k3: drawn.exp() - 1.0 - drawn }
}

impl Progress<Writing> for OnlyStop<'_> {
    fn emit(&self, _event: Writing) {}

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_with_all_that_could_have_stood_there() {
        // p = (1/2, 1/2), q = (1/4, 3/4): ½ ln 2 + ½ ln ⅔, whichever token was drawn
        let (p, q) = ([0.0, 0.0], [1_f32.ln(), 3_f32.ln()]);
        let exact = 0.5 * (2.0_f64.ln() + (2.0_f64 / 3.0).ln());
        let found = [at_token(&p, &q, 0), at_token(&p, &q, 1)];
        assert!(found.iter().all(|sums| (sums.kl - exact).abs() < 1e-7), "{found:?}");
        // k3 of the drawn token, with r = ½ and 3/2; its mean over the policy's draws is the same number.
        assert!((found[0].k3 - (0.5 - 1.0 - 0.5_f64.ln())).abs() < 1e-7);
        assert!((f64::midpoint(found[0].k3, found[1].k3) - exact).abs() < 1e-7);
        let same = at_token(&[1.0, 2.0], &[2.0, 3.0], 1);
        assert_eq!((same.kl, same.k3), (0.0, 0.0), "shifted scores are the same");
        let both = divergence(&[0.0; 4], &[q, q].concat(), &[0, 1]);
        assert!((both.kl - 2.0 * exact).abs() < 1e-7);
    }
}
