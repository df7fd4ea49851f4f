//! Hide and guess: words of a text are hidden, and the model says what it would have put there.
//!
//! From left to right: each guess knows the text before the word, with the words that were hidden.

use std::ops::Range;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde::Serialize;

use super::predictions::Candidate;
use super::surprise::SurpriseView;

/// Which words are hidden.
#[derive(Clone, Debug, PartialEq)]
pub enum Hide {
    /// Every n-th: the n-th, the 2n-th and so on.
    Every(usize),

    /// Each with this probability, by a seed: the same seed, the same words.
    Random { share: f64, seed: u64 },

    /// These, counted from 0.
    Chosen(Vec<usize>),
}

/// A word that was hidden.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HiddenWord {
    /// Its tokens, counted from 0, the end not among them.
    pub tokens: Range<usize>,
    pub word: String,

    /// Natural log of the probability of the whole word, given the text before it.
    pub logprob: f64,

    /// The same as surprise, in bits.
    pub surprisal: f64,

    /// What the model would have begun the word with, the likeliest first.
    pub guesses: Vec<Candidate>,

    /// The place of the word's own first token among the guesses, 0 the likeliest. `None`: it is not
    /// among them.
    pub place: Option<usize>,
}

/// The words of `words` (see [`super::leave_one_out::parts`]) that are hidden. The first word never
/// is: nothing stands before it.
pub fn hidden(words: &[Range<usize>], hide: &Hide) -> Vec<Range<usize>> {
    let seed = if let Hide::Random { seed, .. } = hide { *seed } else { 0 };
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut is_hidden = |at: usize| match hide {
        Hide::Every(count) => (at + 1).is_multiple_of((*count).max(1)),
        Hide::Random { share, .. } => f64::from(random.next_u32()) / 2f64.powi(32) < *share,
        Hide::Chosen(chosen) => chosen.contains(&at),
    };
    let all = words.iter().enumerate().filter(|(at, _)| is_hidden(*at));
    all.map(|(_, word)| word.clone()).filter(|word| word.start > 0).collect()
}

/// What a model that has read the text would have guessed. `view` keeps as many guesses as are wanted.
pub fn guess(view: &SurpriseView, hidden: &[Range<usize>]) -> Vec<HiddenWord> {
    let guessed = hidden.iter().filter_map(|tokens| {
        let (guesses, _) = view.instead_of(tokens.start)?;
        let logprobs = view.logprobs.get(tokens.clone())?;
        let logprob: f64 = logprobs.iter().flatten().sum();
        let own = view.ids[tokens.start];
        Some(HiddenWord {
            tokens: tokens.clone(),
            word: view.tokens[tokens.clone()].concat(),
            logprob,
            surprisal: -logprob / std::f64::consts::LN_2,
            guesses: guesses.to_vec(),
            place: guesses.iter().position(|guess| guess.id == own),
        })
    });
    guessed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_hidden_as_they_were_chosen() {
        let words = [0..1, 1..3, 3..4, 4..6, 6..7];
        assert_eq!(hidden(&words, &Hide::Every(2)), [1..3, 4..6]);
        assert_eq!(hidden(&words, &Hide::Every(1)), words[1..]);
        assert_eq!(hidden(&words, &Hide::Chosen(vec![0, 2])), std::slice::from_ref(&words[2]));
        let random = |share, seed| hidden(&words, &Hide::Random { share, seed });
        assert_eq!(random(0.5, 3), random(0.5, 3));
        assert_eq!((random(0.0, 3).len(), random(1.0, 3).len()), (0, 4));
    }

    #[test]
    fn a_word_is_as_likely_as_its_tokens_together() {
        let candidate = |id: u32, probability: f64| Candidate {
            id,
            token: id.to_string(),
            logprob: probability.ln(),
            probability,
        };
        let half = Some(0.5f64.ln());
        let view = SurpriseView {
            ids: vec![1, 2, 3],
            tokens: ["A", " ca", "t"].map(str::to_owned).to_vec(),
            logprobs: vec![None, half, half],
            surprisal: vec![None, Some(1.0), Some(1.0)],
            entropy: vec![1.0; 3],
            top: vec![vec![candidate(9, 0.5), candidate(2, 0.5)], Vec::new(), Vec::new()],
            perplexity: Some(2.0),
        };
        let found = guess(&view, std::slice::from_ref(&(1..3)));
        assert_eq!((found[0].word.as_str(), found[0].place), (" cat", Some(1)));
        assert!((found[0].surprisal - 2.0).abs() < 1e-12);
        assert!(guess(&view, std::slice::from_ref(&(0..1))).is_empty());
    }
}
