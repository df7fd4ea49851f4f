//! ROUGE (Lin 2004) as the Python package `rouge-score` computes it: for English, in ASCII.

use std::collections::HashMap;

use super::porter;
use super::words::{Numbering, ngrams, shared};

/// Whether words are reduced to their stems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stemming {
    Off,

    /// Words of more than three letters go through [`porter::stem`].
    Porter,
}

/// Precision, recall, and their harmonic mean; 0 where there is nothing to divide by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rouge {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

impl Rouge {
    fn new(hits: usize, predicted: usize, target: usize) -> Self {
        let share = |of: usize| hits as f64 / of.max(1) as f64;
        let (precision, recall) = (share(predicted), share(target));
        let f1 = if precision + recall > 0.0 {
            2.0 * precision * recall / (precision + recall)
        } else {
            0.0
        };
        Self { precision, recall, f1 }
    }
}

/// Lower-case runs of a to z and 0 to 9; everything else, other scripts too, is a gap.
pub fn tokens(text: &str, stemming: Stemming) -> Vec<String> {
    let lower = text.to_lowercase();
    let runs = lower.split(|c: char| !matches!(c, 'a'..='z' | '0'..='9'));
    runs.filter(|run| !run.is_empty())
        .map(|run| match stemming {
            Stemming::Porter if run.len() > 3 => porter::stem(run),
            _ => run.to_owned(),
        })
        .collect()
}

/// A target and a prediction as numbers of words.
#[derive(Debug)]
pub struct Pair {
    target: Vec<u32>,
    prediction: Vec<u32>,

    /// The same a line: lines without a character are dropped.
    target_lines: Vec<Vec<u32>>,
    prediction_lines: Vec<Vec<u32>>,
}

impl Pair {
    pub fn new(target: &str, prediction: &str, stemming: Stemming) -> Self {
        let mut numbering = Numbering::default();
        let mut read = |text: &str| -> Vec<u32> {
            tokens(text, stemming).iter().map(|token| numbering.number(token)).collect()
        };
        let mut lines = |text: &str| -> Vec<Vec<u32>> {
            text.split('\n').filter(|line| !line.is_empty()).map(&mut read).collect()
        };
        let (target_lines, prediction_lines) = (lines(target), lines(prediction));
        Self {
            target: target_lines.concat(),
            prediction: prediction_lines.concat(),
            target_lines,
            prediction_lines,
        }
    }

    /// ROUGE-N: shared n-grams, each as often as it occurs in both.
    pub fn rouge_n(&self, order: usize) -> Rouge {
        let (target, prediction) = (ngrams(&self.target, order), ngrams(&self.prediction, order));
        let count = |text: &[u32]| (text.len() + 1).saturating_sub(order);
        let hits = shared(&target, &prediction);
        Rouge::new(hits, count(&self.prediction), count(&self.target))
    }

    /// ROUGE-L: the longest common subsequence of the whole texts.
    pub fn rouge_l(&self) -> Rouge {
        let length = longest_common(&self.target, &self.prediction);
        Rouge::new(length, self.prediction.len(), self.target.len())
    }

    /// ROUGE-Lsum: for each target line, its positions in a common subsequence with any predicted
    /// line; each word counts at most as often as it occurs in either text.
    pub fn rouge_l_sum(&self) -> Rouge {
        let mut left_target = count(&self.target);
        let mut left_prediction = count(&self.prediction);
        let mut hits = 0;
        for line in &self.target_lines {
            let mut common = vec![false; line.len()];
            for other in &self.prediction_lines {
                mark_common(line, other, &mut common);
            }
            for (word, _) in line.iter().zip(common).filter(|(_, common)| *common) {
                let in_target = left_target.entry(*word).or_default();
                let in_prediction = left_prediction.entry(*word).or_default();
                if *in_target > 0 && *in_prediction > 0 {
                    *in_target -= 1;
                    *in_prediction -= 1;
                    hits += 1;
                }
            }
        }
        Rouge::new(hits, self.prediction.len(), self.target.len())
    }
}

fn count(words: &[u32]) -> HashMap<u32, usize> {
    let mut counts = HashMap::new();
    for word in words {
        *counts.entry(*word).or_insert(0) += 1;
    }
    counts
}

/// The next row of the table of lengths.
fn next_row(word: u32, other: &[u32], above: &[u32], row: &mut [u32]) {
    for j in 1..=other.len() {
        row[j] = if word == other[j - 1] { above[j - 1] + 1 } else { above[j].max(row[j - 1]) };
    }
}

fn longest_common(a: &[u32], b: &[u32]) -> usize {
    let mut above = vec![0; b.len() + 1];
    let mut row = above.clone();
    for word in a {
        next_row(*word, b, &above, &mut row);
        std::mem::swap(&mut above, &mut row);
    }
    above.last().copied().unwrap_or(0) as usize
}

/// Marks the positions of `line` in one longest common subsequence with `other`: walking back,
/// diagonally where the words are equal; else one back in `other` only if that is strictly longer.
fn mark_common(line: &[u32], other: &[u32], common: &mut [bool]) {
    // A bit a cell, so that texts of many thousand words fit.
    let width = other.len() + 1;
    let mut back_in_other = vec![0_u64; (width * (line.len() + 1)).div_ceil(64)];
    let mut above = vec![0; width];
    let mut row = above.clone();
    for (i, word) in line.iter().enumerate() {
        next_row(*word, other, &above, &mut row);
        for j in 1..width {
            if row[j - 1] > above[j] {
                let cell = (i + 1) * width + j;
                back_in_other[cell / 64] |= 1 << (cell % 64);
            }
        }
        std::mem::swap(&mut above, &mut row);
    }
    let (mut i, mut j) = (line.len(), other.len());
    while i > 0 && j > 0 {
        let cell = i * width + j;
        if line[i - 1] == other[j - 1] {
            common[i - 1] = true;
            i -= 1;
            j -= 1;
        } else if back_in_other[cell / 64] >> (cell % 64) & 1 == 1 {
            j -= 1;
        } else {
            i -= 1;
        }
    }
}
