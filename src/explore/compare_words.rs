//! Two models with different vocabularies on one text: compared by its words.

use std::ops::Range;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::subject::{Looked, Subject};
use super::surprise;
use crate::jobs::{Cancelled, Progress};

/// A text under two models, word by word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordComparison {
    pub words: Vec<WordDifference>,
    pub summary: WordSummary,
}

/// A word, or several where a token of one of the models reaches over their border.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordDifference {
    pub word: String,

    /// Of the text, counted from 0, the end not among them.
    pub characters: Range<usize>,

    /// How many tokens each model makes of it, the white space before it among them.
    pub tokens_a: usize,
    pub tokens_b: usize,

    /// Natural log of its probability, given the text before: the sum over its tokens. None where
    /// it begins the text, and nothing stands before it for one of the models.
    pub logprob_a: Option<f64>,
    pub logprob_b: Option<f64>,

    /// `logprob_a` - `logprob_b`: above 0 where A finds the word likelier.
    pub difference: Option<f64>,
}

/// A text under two models, in a few numbers: over the words that have a log-probability under
/// both. `None`: there are none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordSummary {
    pub words: usize,

    /// exp of the mean of -log-probability of a word, which does not depend on how many tokens it
    /// is.
    pub perplexity_a: Option<f64>,
    pub perplexity_b: Option<f64>,

    /// Surprise of a character, white space between words among them.
    pub bits_a_character_a: Option<f64>,
    pub bits_a_character_b: Option<f64>,
    pub mean_difference: Option<f64>,
}

/// Reads a text with one model after the other. Slow: reports tokens of both, and looks for Stop
/// every hundred or so.
pub fn on_text(
    a: Subject<'_>,
    b: Subject<'_>,
    text: &str,
    progress: &dyn Progress<Looked>,
) -> Result<WordComparison, Error> {
    Ok(on_text_timed(a, b, text, progress)?.0)
}

/// The same with how many tokens each of the two has read, and in how many seconds.
pub(super) fn on_text_timed(
    a: Subject<'_>,
    b: Subject<'_>,
    text: &str,
    progress: &dyn Progress<Looked>,
) -> Result<(WordComparison, [usize; 2], [f64; 2]), Error> {
    let sides = [a, b].map(|subject| -> Result<_, Error> {
        let encoded = subject.model.tokenizer().encode_with_places(text, true)?;
        let (ids, places): (Vec<u32>, Vec<Option<Range<usize>>>) = encoded.into_iter().unzip();
        subject.check(&ids)?;
        Ok((subject, ids, places))
    });
    let [a, b] = sides;
    let sides = [a?, b?];
    let total = sides.iter().map(|(_, ids, _)| ids.len()).sum();
    let mut done = 0;
    let (mut read, mut secs) = (Vec::new(), [0.0; 2]);
    for ((subject, ids, places), secs) in sides.iter().zip(&mut secs) {
        let progress = Offset { progress, done, total };
        let clock = Instant::now();
        let view = surprise::surprise(*subject, ids, 0, &progress)?;
        *secs = clock.elapsed().as_secs_f64();
        done += ids.len();
        let tokens = places.iter().cloned().zip(view.logprobs);
        // What was put around the text is not part of a word.
        read.push(
            tokens.filter_map(|(place, logprob)| Some((place?, logprob))).collect::<Vec<_>>(),
        );
    }
    let counts = sides.map(|(_, ids, _)| ids.len());
    Ok((by_words(text, [&read[0], &read[1]]), counts, secs))
}

struct Offset<'a> {
    progress: &'a dyn Progress<Looked>,
    done: usize,
    total: usize,
}

impl Progress<Looked> for Offset<'_> {
    fn emit(&self, event: Looked) {
        self.progress.emit(Looked { done: self.done + event.done, total: self.total });
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.progress.check()
    }

    fn rest(&self) {
        self.progress.rest();
    }
}

/// Tokens with their places in the text and their log-probabilities.
type Placed = [(Range<usize>, Option<f64>)];

fn by_words(text: &str, sides: [&Placed; 2]) -> WordComparison {
    let characters: Vec<char> = text.chars().collect();
    let words = words_of(&characters);
    // The word that each word is joined with: the first of those that one token reaches over.
    let mut begins: Vec<bool> = vec![true; words.len()];
    for (place, _) in sides.into_iter().flatten() {
        let touched = touched(&words, place);
        for begin in begins.iter_mut().take(touched.end).skip(touched.start + 1) {
            *begin = false;
        }
    }
    let mut groups: Vec<WordDifference> = Vec::new();
    let mut group_of = Vec::with_capacity(words.len());
    for (word, begins) in words.iter().zip(&begins) {
        match groups.last_mut() {
            Some(group) if !begins => group.characters.end = word.end,
            _ => groups.push(WordDifference {
                word: String::new(),
                characters: word.clone(),
                tokens_a: 0,
                tokens_b: 0,
                logprob_a: Some(0.0),
                logprob_b: Some(0.0),
                difference: None,
            }),
        }
        group_of.push(groups.len() - 1);
    }
    for (side, tokens) in sides.into_iter().enumerate() {
        for (place, logprob) in tokens {
            // White space belongs to the word that follows it, and at the end to none.
            let Some(group) = group_of.get(touched(&words, place).start) else { continue };
            let group = &mut groups[*group];
            let (count, sum) = if side == 0 {
                (&mut group.tokens_a, &mut group.logprob_a)
            } else {
                (&mut group.tokens_b, &mut group.logprob_b)
            };
            *count += 1;
            *sum = sum.zip(*logprob).map(|(sum, logprob)| sum + logprob);
        }
    }
    for group in &mut groups {
        group.word = characters[group.characters.clone()].iter().collect();
        group.difference = group.logprob_a.zip(group.logprob_b).map(|(a, b)| a - b);
    }
    let summary = WordSummary::of(&groups);
    WordComparison { words: groups, summary }
}

/// Stretches between white space.
fn words_of(characters: &[char]) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    for (at, character) in characters.iter().enumerate() {
        if character.is_whitespace() {
            continue;
        }
        match words.last_mut() {
            Some(word) if word.end == at => word.end = at + 1,
            _ => words.push(at..at + 1),
        }
    }
    words
}

/// The words that a token reaches into, or the place of the next one where it reaches into none.
fn touched(words: &[Range<usize>], place: &Range<usize>) -> Range<usize> {
    let first = words.partition_point(|word| word.end <= place.start);
    let past_last = words.partition_point(|word| word.start < place.end);
    first..past_last.max(first)
}

impl WordSummary {
    fn of(groups: &[WordDifference]) -> Self {
        let known = groups.iter().enumerate().filter(|(_, group)| group.difference.is_some());
        let (mut words, mut characters, mut sums) = (0, 0, [0.0; 2]);
        for (at, group) in known {
            words += 1;
            let before = at.checked_sub(1).map_or(0, |before| groups[before].characters.end);
            characters += group.characters.end - before;
            sums[0] += group.logprob_a.unwrap_or_default();
            sums[1] += group.logprob_b.unwrap_or_default();
        }
        let of = |value: f64| (words > 0).then_some(value);
        let count = words as f64;
        let bits = |sum: f64| of(-sum / std::f64::consts::LN_2 / characters as f64);
        Self {
            words,
            perplexity_a: of((-sums[0] / count).exp()),
            perplexity_b: of((-sums[1] / count).exp()),
            bits_a_character_a: bits(sums[0]),
            bits_a_character_b: bits(sums[1]),
            mean_difference: of((sums[0] - sums[1]) / count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_sums_of_their_tokens_whoever_cut_them() {
        // "so be it": A has one token for "so be", B cuts "it" in two and has a token for a space.
        let a = [(0..5, Some(-1.0)), (5..8, Some(-2.0))];
        let b = [
            (0..2, Some(-0.5)),
            (2..5, Some(-0.25)),
            (5..6, Some(-0.5)),
            (6..7, Some(-1.0)),
            (7..8, Some(-0.5)),
        ];
        let found = by_words("so be it", [&a, &b]);
        let words: Vec<&str> = found.words.iter().map(|word| word.word.as_str()).collect();
        assert_eq!(words, ["so be", "it"]);
        let numbers =
            found.words.iter().map(|word| (word.logprob_a, word.logprob_b, word.difference));
        let expected =
            [(Some(-1.0), Some(-0.75), Some(-0.25)), (Some(-2.0), Some(-2.0), Some(0.0))];
        assert_eq!(numbers.collect::<Vec<_>>(), expected);
        let counts = found.words.iter().map(|word| (word.tokens_a, word.tokens_b));
        assert_eq!(counts.collect::<Vec<_>>(), [(1, 2), (1, 3)]);
        assert_eq!(found.summary.words, 2);
        assert_eq!(found.summary.mean_difference, Some(-0.125));
        let bits = found.summary.bits_a_character_a.unwrap();
        assert!((bits - 3.0 / 2f64.ln() / 8.0).abs() < 1e-12);
    }

    #[test]
    fn a_word_that_begins_the_text_counts_for_neither() {
        let a = [(0..2, None), (2..5, Some(-1.0))];
        let b = [(0..2, Some(-3.0)), (2..5, Some(-1.5))];
        let found = by_words("so be", [&a, &b]);
        assert_eq!(found.words[0].difference, None);
        assert_eq!(found.summary.words, 1);
        assert_eq!(found.summary.perplexity_b, Some(1.5f64.exp()));
        assert_eq!(by_words("  ", [&[(0..2, None)], &[]]).summary.words, 0);
    }
}
