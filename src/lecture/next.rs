//! What could come after a text: the likeliest tokens before and after the sampler's settings.

use serde::{Deserialize, Serialize};

use crate::explore::error::Error;
use crate::explore::subject::Subject;
use crate::jobs::Progress;
use crate::llm::generate::sampling::{SamplingError, SamplingParams, Stage, distribution};

/// What comes next. The bars are in the order of the model's own probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextView {
    pub ids: Vec<u32>,
    pub tokens: Vec<String>,

    /// Of the model's own distribution, in bits, over the whole vocabulary.
    pub entropy: f64,
    pub bars: Vec<NextBar>,

    /// How many tokens the settings leave, and of how many.
    pub kept_count: usize,
    pub vocab_size: usize,

    /// The share of the model's own distribution that these had.
    pub kept_mass: f64,
}

/// A token that could come next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextBar {
    pub id: u32,
    pub token: String,

    /// As the model gives it, and after the settings: 0 where they removed it.
    pub before: f64,
    pub after: f64,

    /// The setting that removed it.
    pub removed_by: Option<String>,
}

/// The same prediction at several temperatures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemperaturesView {
    pub ids: Vec<u32>,
    pub tokens: Vec<String>,
    pub temperatures: Vec<f64>,

    /// In bits, at each temperature.
    pub entropy: Vec<f64>,
    pub rows: Vec<TemperatureRow>,
}

/// A token with its probability at each temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemperatureRow {
    pub id: u32,
    pub token: String,
    pub probabilities: Vec<f64>,
}

/// The scores after a text. Looks for Stop every hundred tokens or so.
pub fn scores_after<E>(
    subject: Subject<'_>,
    ids: &[u32],
    progress: &dyn Progress<E>,
) -> Result<Vec<f32>, Error> {
    subject.check(ids)?;
    let Subject { model, adapter } = subject;
    let mut cache = model.new_cache();
    cache.plan(ids.len());
    let (mut states, mut read) = (Vec::new(), 0);
    for part in ids.chunks(128) {
        progress.check()?;
        read += part.len();
        let wanted = if read == ids.len() { part.len() - 1..part.len() } else { 0..0 };
        states = model.normed_states(part, &mut cache, adapter, wanted)?;
    }
    Ok(model.scores_of(&states, adapter)?)
}

/// What the settings make of the scores after a text.
pub fn next(
    subject: Subject<'_>,
    ids: &[u32],
    scores: &[f32],
    params: &SamplingParams,
    top: usize,
) -> Result<NextView, SamplingError> {
    let found = distribution(scores, ids, params)?;
    let tokenizer = subject.model.tokenizer();
    let bars = found.top(top).into_iter().map(|candidate| NextBar {
        id: candidate.id,
        token: tokenizer.token_text(candidate.id),
        before: f64::from(candidate.before),
        after: f64::from(candidate.after),
        removed_by: candidate.removed_by.map(|stage| stage_name(stage).to_owned()),
    });
    let kept = found.before.iter().zip(&found.after).filter(|(_, after)| **after > 0.0);
    Ok(NextView {
        ids: ids.to_vec(),
        tokens: subject.token_texts(ids),
        entropy: entropy(found.before.iter().map(|share| f64::from(*share))),
        bars: bars.collect(),
        kept_count: found.kept_count(),
        vocab_size: scores.len(),
        kept_mass: kept.map(|(before, _)| f64::from(*before)).sum(),
    })
}

/// The scores after a text at several temperatures; tokens in the order of the model's own.
pub fn at_temperatures(
    subject: Subject<'_>,
    ids: &[u32],
    scores: &[f32],
    temperatures: &[f64],
    top: usize,
) -> TemperaturesView {
    let shares: Vec<Vec<f64>> =
        temperatures.iter().map(|temperature| softmax(scores, *temperature)).collect();
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b)));
    let rows = order.into_iter().take(top).map(|id| TemperatureRow {
        id,
        token: subject.model.tokenizer().token_text(id),
        probabilities: shares.iter().map(|shares| shares[id as usize]).collect(),
    });
    TemperaturesView {
        ids: ids.to_vec(),
        tokens: subject.token_texts(ids),
        temperatures: temperatures.to_vec(),
        entropy: shares.iter().map(|shares| entropy(shares.iter().copied())).collect(),
        rows: rows.collect(),
    }
}

fn softmax(scores: &[f32], temperature: f64) -> Vec<f64> {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let power = |score: &f32| (f64::from(score - most) / temperature).exp();
    let mut shares: Vec<f64> = scores.iter().map(power).collect();
    let sum: f64 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= sum);
    shares
}

/// In bits.
fn entropy(shares: impl Iterator<Item = f64>) -> f64 {
    let bits: f64 = shares.filter(|share| *share > 0.0).map(|share| share * share.log2()).sum();
    (-bits).max(0.0)
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::NoRepeatNgram => "no repeated n-gram",
        Stage::TopK => "top-k",
        Stage::TopP => "top-p",
        Stage::MinP => "min-p",
        Stage::TypicalP => "typical-p",
        Stage::Greedy => "greedy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_divides_the_scores() {
        // softmax([2, 0] / 2) = 1 / (1 + exp(-1))
        let shares = softmax(&[2.0, 0.0], 2.0);
        assert!((shares[0] - 0.731_058_578_630_004_9).abs() < 1e-12);
        assert!((entropy([0.5, 0.5, 0.0].into_iter()) - 1.0).abs() < 1e-12);
    }
}
