//! A text as the model was surprised by it, with what the views make of that.

use std::ops::Range;

use crate::explore::surprise::SurpriseView;

/// What came before left more than this open, in bits…
const FORK_BITS: f64 = 1.0;

/// … and the two likeliest were less than this apart: a fork.
const FORK_MARGIN: f64 = 0.05;

/// How many candidates are kept at each place.
pub const CANDIDATE_COUNT: usize = 10;

/// The numbers of a text, and what is drawn of them in every frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub view: SurpriseView,

    /// Whether the text could well have gone another way at a token.
    pub is_fork: Vec<bool>,

    /// How open it was, in bits, what stands at each token.
    pub entropy_before: Vec<Option<f64>>,

    /// The mean surprise up to each token, in bits: log2 of the perplexity so far.
    pub mean_so_far: Vec<Option<f64>>,

    /// The words that can be guessed: those of which no token is the text's first.
    pub words: Vec<Range<usize>>,
}

impl Reading {
    /// `is_special`: of each token.
    pub fn new(view: SurpriseView, is_special: &[bool]) -> Self {
        let mut is_fork = vec![false; view.ids.len()];
        for at in view.forks(FORK_BITS, FORK_MARGIN) {
            is_fork[at] = true;
        }
        let count = view.ids.len();
        let before = |at: usize| view.instead_of(at).map(|(_, entropy)| entropy);
        let running = view.running_perplexity();
        let mean_so_far = running.iter().map(|perplexity| perplexity.map(f64::log2)).collect();
        Self {
            is_fork,
            entropy_before: (0..count).map(before).collect(),
            mean_so_far,
            words: words(&view.tokens, is_special),
            view,
        }
    }

    pub fn fork_count(&self) -> usize {
        self.is_fork.iter().filter(|is_fork| **is_fork).count()
    }

    /// Mean surprise of the whole text, in bits.
    pub fn mean_bits(&self) -> Option<f64> {
        self.view.perplexity.map(f64::log2)
    }

    /// The probability of a whole word: the product over its tokens.
    pub fn probability_of(&self, word: &Range<usize>) -> f64 {
        let logprobs = self.view.logprobs[word.clone()].iter().flatten();
        logprobs.sum::<f64>().exp()
    }

    /// The word that a token is part of.
    pub fn word_of(&self, token: usize) -> Option<usize> {
        let at = self.words.partition_point(|word| word.end <= token);
        self.words.get(at).filter(|word| word.contains(&token)).map(|_| at)
    }
}

/// Stretches of tokens that are a word: from one that begins with white space, or that follows
/// what is no word, on.
pub fn words(tokens: &[String], is_special: &[bool]) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    for (at, token) in tokens.iter().enumerate().skip(1) {
        let is_part = token.chars().any(char::is_alphanumeric)
            && !is_special.get(at).copied().unwrap_or(false);
        if !is_part {
            continue;
        }
        let begins = token.starts_with(char::is_whitespace);
        match words.last_mut() {
            Some(last) if last.end == at && !begins => last.end = at + 1,
            // The first token of a text is not guessed, nor is a word that it begins.
            _ if at == 1 && !begins && tokens[0].ends_with(char::is_alphanumeric) => {}
            _ => words.push(at..at + 1),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_all_its_tokens_and_no_punctuation() {
        let tokens = ["<s>", "The", " lib", "rarian", "'", "s", " door", ",", "\n", "42", "."];
        let tokens: Vec<String> = tokens.map(str::to_owned).into();
        let mut is_special = vec![false; tokens.len()];
        is_special[0] = true;
        assert_eq!(words(&tokens, &is_special), [1..2, 2..4, 5..6, 6..7, 9..10]);
    }

    #[test]
    fn the_word_that_begins_a_text_is_not_guessed() {
        let tokens = ["Lib", "raries", " open"].map(str::to_owned);
        assert_eq!(words(&tokens, &[false; 3]), vec![2..3]);
    }
}
