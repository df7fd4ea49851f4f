//! How well a text fits a masked model, and which of two texts fits better.
//!
//! Each token is masked by itself, and its log-probability is read (pseudo-log-likelihood, Salazar et al.,
//! 2020). Two texts that differ in a word are compared as the minimal pairs of `BLiMP` and `CrowS-Pairs`.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::mask::MaskedModel;
use super::subject::Looked;
use crate::encoder::{Masked, Scored, pseudo_log_likelihood};
use crate::jobs::{Cancelled, Progress};

/// A text, token by token. All lists are as long as `ids`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    pub text: String,
    pub ids: Vec<u32>,
    pub tokens: Vec<String>,

    /// Natural log of the probability of a token, were it the only one that is masked. `None`: it stands
    /// around the text, or is a mask.
    pub logprobs: Vec<Option<f64>>,

    /// The sum of `logprobs`.
    pub pseudo_log_likelihood: f64,
    pub guessed_tokens: usize,

    /// The text is longer than what the model reads.
    pub is_cut: bool,
}

/// Two texts under one masked model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitPair {
    pub a: Fit,
    pub b: Fit,

    /// Tokens that both texts have, in their order.
    pub shared: Vec<SharedToken>,

    /// `a` - `b`: above 0 where the first text fits better.
    pub difference: f64,

    /// The same over the tokens that both have: what the others are alone does not count.
    pub shared_difference: f64,
}

/// A token that stands in both texts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharedToken {
    /// Its places.
    pub a: usize,
    pub b: usize,

    /// How much likelier it is in the first text: a difference of natural logs.
    pub difference: f64,
}

/// What was measured: one text, or two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fitted {
    Pair(Box<FitPair>),
    One(Fit),
}

impl Fitted {
    /// The texts that were measured.
    pub fn texts(&self) -> Vec<&Fit> {
        match self {
            Self::One(fit) => vec![fit],
            Self::Pair(pair) => vec![&pair.a, &pair.b],
        }
    }
}

impl MaskedModel {
    /// Measures a text, and a second one beside it. Slow: a run for each token.
    pub fn fit(
        &self,
        text: &str,
        other: Option<&str>,
        progress: &dyn Progress<Looked>,
    ) -> Result<Fitted, Error> {
        let texts = std::iter::once(text).chain(other).map(|text| self.with_own_masks(text).text);
        let texts: Vec<String> = texts.collect();
        let counts = texts.iter().map(|text| Ok(self.model.encode(text, None, None)?.ids.len()));
        let counts = counts.collect::<Result<Vec<usize>, Error>>()?;
        let total = counts.iter().sum();
        let mut fits = Vec::with_capacity(texts.len());
        let mut done = 0;
        for (text, count) in texts.iter().zip(counts) {
            fits.push(self.fit_one(text, &Onward { progress, done, total })?);
            done += count;
        }
        let second = (fits.len() > 1).then(|| fits.pop()).flatten();
        let first = fits.pop().ok_or(Error::NoTokens)?;
        Ok(match second {
            Some(second) => Fitted::Pair(Box::new(FitPair::new(first, second))),
            None => Fitted::One(first),
        })
    }

    fn fit_one(&self, text: &str, progress: &Onward<'_>) -> Result<Fit, Error> {
        let is_cut = self.model.encode(text, None, None)?.is_cut;
        let tokens = pseudo_log_likelihood(&self.model, text, progress)?;
        let (mut ids, mut names, mut logprobs) = (Vec::new(), Vec::new(), Vec::new());
        for Masked { id, token, logprob } in tokens {
            ids.push(id);
            names.push(token);
            logprobs.push(logprob);
        }
        Ok(Fit {
            text: text.to_owned(),
            ids,
            tokens: names,
            pseudo_log_likelihood: logprobs.iter().flatten().sum(),
            guessed_tokens: logprobs.iter().flatten().count(),
            logprobs,
            is_cut,
        })
    }
}

impl FitPair {
    fn new(a: Fit, b: Fit) -> Self {
        let shared: Vec<SharedToken> = shared(&a, &b);
        Self {
            difference: a.pseudo_log_likelihood - b.pseudo_log_likelihood,
            shared_difference: shared.iter().map(|token| token.difference).sum(),
            shared,
            a,
            b,
        }
    }
}

/// The longest common subsequence of the tokens that are guessed.
fn shared(a: &Fit, b: &Fit) -> Vec<SharedToken> {
    let guessed = |fit: &Fit| -> Vec<(usize, u32, f64)> {
        let all = fit.ids.iter().zip(&fit.logprobs).enumerate();
        all.filter_map(|(at, (id, logprob))| Some((at, *id, (*logprob)?))).collect()
    };
    let (a, b) = (guessed(a), guessed(b));
    let width = b.len() + 1;
    // How long the longest is from each pair of places on.
    let mut longest = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i].1 == b[j].1 {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut found = Vec::new();
    while let (Some((at, one, first)), Some((beside, other, second))) = (a.get(i), b.get(j)) {
        if one == other {
            found.push(SharedToken { a: *at, b: *beside, difference: first - second });
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    found
}

/// Tokens of several texts, counted through.
struct Onward<'a> {
    progress: &'a dyn Progress<Looked>,
    done: usize,
    total: usize,
}

impl Progress<Scored> for Onward<'_> {
    fn emit(&self, Scored { done, .. }: Scored) {
        self.progress.emit(Looked { done: self.done + done, total: self.total });
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.progress.check()
    }

    fn rest(&self) {
        self.progress.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(tokens: &[(u32, f64)]) -> Fit {
        let ends = || std::iter::once((1, None));
        let all = tokens.iter().map(|(id, logprob)| (*id, Some(*logprob)));
        let (ids, logprobs): (Vec<u32>, Vec<Option<f64>>) = ends().chain(all).chain(ends()).unzip();
        Fit {
            text: String::new(),
            tokens: ids.iter().map(u32::to_string).collect(),
            pseudo_log_likelihood: logprobs.iter().flatten().sum(),
            guessed_tokens: tokens.len(),
            ids,
            logprobs,
            is_cut: false,
        }
    }

    #[test]
    fn what_two_texts_share_is_compared_and_the_rest_is_not() {
        // One word is two tokens in the second text.
        let a = fit(&[(10, -1.0), (20, -2.0), (30, -3.0)]);
        let b = fit(&[(10, -1.5), (21, -4.0), (22, -4.0), (30, -1.0)]);
        let pair = FitPair::new(a, b);
        let places: Vec<_> = pair.shared.iter().map(|it| (it.a, it.b, it.difference)).collect();
        assert_eq!(places, [(1, 1, 0.5), (3, 4, -2.0)]);
        assert_eq!((pair.difference, pair.shared_difference), (4.5, -1.5));
    }
}
