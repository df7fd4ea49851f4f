//! What a model's logits say of the next token and of a text, in f64.

use super::divergence::entropy;
use super::moments::{by_size, sum};
use super::undefined::{Number, Undefined};

/// Tokens beyond this many likeliest ones are "outside".
const SHOWN: usize = 20;

/// The distribution of the next token.
#[derive(Clone, Debug)]
pub struct NextToken {
    /// Natural logs of the probabilities; -∞ for a token that is masked.
    pub log_probabilities: Vec<f64>,
    pub probabilities: Vec<f64>,

    /// Tokens from the likeliest down; ties by number.
    pub order: Vec<usize>,
}

impl NextToken {
    /// softmax(logits / temperature), temperature above 0. -∞ masks a token.
    ///
    /// Undefined where every token is masked.
    pub fn new(logits: &[f64], temperature: f64) -> Result<Self, Undefined> {
        let scaled: Vec<f64> = logits.iter().map(|logit| logit / temperature).collect();
        let largest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return Err("every logit is -inf (null), or there is none".into());
        }
        let total = sum(scaled.iter().map(|logit| (logit - largest).exp()));
        let log_probabilities: Vec<f64> =
            scaled.iter().map(|logit| logit - largest - total.ln()).collect();
        let probabilities: Vec<f64> = log_probabilities.iter().map(|log| log.exp()).collect();
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| by_size(&scaled[*b], &scaled[*a]));
        Ok(Self { log_probabilities, probabilities, order })
    }

    /// Over the whole vocabulary, in nats; e to this is the distribution's perplexity.
    pub fn entropy(&self) -> f64 {
        entropy(&self.probabilities)
    }

    /// -log2 p: how surprising a token is. Undefined for a masked one.
    pub fn surprisal_bits(&self, token: usize) -> Number {
        let bits = -self.log_probability(token)? / std::f64::consts::LN_2;
        Ok(bits.max(0.0))
    }

    pub fn log_probability(&self, token: usize) -> Number {
        let log = self.log_probabilities[token];
        if log == f64::NEG_INFINITY {
            return Err("a chosen token has logit -inf (null): probability 0".into());
        }
        Ok(log)
    }

    /// The likeliest tokens.
    pub fn top(&self, count: usize) -> Vec<(usize, f64)> {
        let top = self.order.iter().take(count);
        top.map(|token| (*token, self.probabilities[*token])).collect()
    }

    /// What is left for the tokens that a list of twenty does not show.
    pub fn outside_shown(&self) -> f64 {
        sum(self.order.iter().skip(SHOWN).map(|token| self.probabilities[*token]))
    }

    /// By how much the likeliest token is ahead of the next.
    pub fn lead(&self) -> Number {
        match self.order.as_slice() {
            [first, second, ..] => Ok(self.probabilities[*first] - self.probabilities[*second]),
            _ => Err("there is only one token".into()),
        }
    }
}

/// Perplexities of a text's first tokens, one more a step; infinite ones are undefined.
pub fn running_perplexity(log_probabilities: &[f64]) -> Vec<Number> {
    let (mut total, mut lost) = (0.0_f64, 0.0_f64);
    let mut running = Vec::with_capacity(log_probabilities.len());
    for (position, log) in log_probabilities.iter().enumerate() {
        // Neumaier's sum, as in `moments`.
        let next = total - log;
        lost += if total.abs() >= log.abs() { (total - next) - log } else { (-log - next) + total };
        total = next;
        running.push(finite(((total + lost) / (position + 1) as f64).exp()));
    }
    running
}

/// The mean of -ln p, in nats a token.
pub fn mean_negative_log_probability(log_probabilities: &[f64]) -> Number {
    let total = -sum(log_probabilities.iter().copied());
    let mean =
        super::undefined::ratio(total, log_probabilities.len() as f64, "no token is scored")?;
    // 0 rather than -0.
    Ok(mean + 0.0)
}

/// e to the mean of -ln p.
pub fn perplexity(log_probabilities: &[f64]) -> Number {
    finite(mean_negative_log_probability(log_probabilities)?.exp())
}

fn finite(perplexity: f64) -> Number {
    if perplexity.is_finite() { Ok(perplexity) } else { Err("beyond 1.8e308".into()) }
}
