//! chrF and chrF++ (Popović 2015, 2017) as sacreBLEU 2.6 computes them.

use super::words::{Numbering, is_space, ngrams, shared, split};

const CHARACTER_ORDERS: usize = 6;

/// Recall counts β² = 4 times as much as precision.
const BETA_SQUARED: f64 = 4.0;

/// Which n-grams count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Of 1 to 6 characters.
    Chrf,

    /// And of 1 and 2 words.
    ChrfPlusPlus,
}

/// n-grams of one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Order {
    hypothesis: usize,
    reference: usize,
    both: usize,
}

/// Matches of all orders; sums of these give a corpus's score.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches(Vec<Order>);

struct Text {
    characters: Vec<char>,
    words: Vec<u32>,
}

/// Against the reference with the best score. `None` without a reference.
pub fn matches(hypothesis: &str, references: &[String], variant: Variant) -> Option<Matches> {
    let mut numbering = Numbering::default();
    let mut read = |text: &str| Text {
        characters: text.chars().filter(|c| !is_space(*c)).collect(),
        words: match variant {
            Variant::Chrf => Vec::new(),
            Variant::ChrfPlusPlus => {
                let words = split(text).flat_map(without_punctuation);
                words.map(|word| numbering.number(word)).collect()
            }
        },
    };
    let hypothesis = read(hypothesis);
    let mut best: Option<(f64, Matches)> = None;
    for reference in references {
        let reference = read(reference);
        let mut orders: Vec<Order> = (1..=CHARACTER_ORDERS)
            .map(|order| compare(&hypothesis.characters, &reference.characters, order))
            .collect();
        if variant == Variant::ChrfPlusPlus {
            orders.extend([1, 2].map(|order| compare(&hypothesis.words, &reference.words, order)));
        }
        let matches = Matches(orders);
        let score = matches.score();
        if best.as_ref().is_none_or(|(most, _)| score > *most) {
            best = Some((score, matches));
        }
    }
    best.map(|(_, matches)| matches)
}

fn compare<T: Eq + std::hash::Hash>(hypothesis: &[T], reference: &[T], order: usize) -> Order {
    let (own, other) = (ngrams(hypothesis, order), ngrams(reference, order));
    Order {
        // Not counted where the reference has none of this order.
        hypothesis: if other.is_empty() { 0 } else { own.values().sum() },
        reference: other.values().sum(),
        both: shared(&own, &other),
    }
}

/// One ASCII punctuation mark split off the end of a word, else off its front.
fn without_punctuation(word: &str) -> impl Iterator<Item = &str> {
    let (mut first, mut second) = (word, None);
    let mark = |c: Option<char>| c.is_some_and(|c| c.is_ascii_punctuation());
    if word.chars().nth(1).is_some() {
        if mark(word.chars().next_back()) {
            let (front, end) = word.split_at(word.len() - 1);
            (first, second) = (front, Some(end));
        } else if mark(word.chars().next()) {
            let (front, end) = word.split_at(1);
            (first, second) = (front, Some(end));
        }
    }
    std::iter::once(first).chain(second)
}

impl Matches {
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.0.resize(self.0.len().max(other.0.len()), Order::default());
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            own.hypothesis += other.hypothesis;
            own.reference += other.reference;
            own.both += other.both;
        }
        self
    }

    /// F with β = 2 of precision and recall, each averaged over the orders that both sides have;
    /// from 0 to 100.
    pub fn score(&self) -> f64 {
        let present: Vec<&Order> =
            self.0.iter().filter(|order| order.hypothesis > 0 && order.reference > 0).collect();
        if present.is_empty() {
            return 0.0;
        }
        let mean = |of: fn(&Order) -> usize| {
            let shares = present.iter().map(|order| order.both as f64 / of(order) as f64);
            shares.sum::<f64>() / present.len() as f64
        };
        let (precision, recall) = (mean(|order| order.hypothesis), mean(|order| order.reference));
        if precision + recall == 0.0 {
            return 0.0;
        }
        100.0 * (1.0 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall)
    }
}
