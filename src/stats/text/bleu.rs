//! BLEU (Papineni et al. 2002) as sacreBLEU 2.6 computes it (Post 2018): 13a tokens, exponential
//! smoothing.

use super::words::{Numbering, is_space, ngrams, split};

/// The longest n-grams that count.
pub const ORDERS: usize = 4;

/// What of a hypothesis matches its references, and of what; sums of these give a corpus's BLEU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// Matching n-grams, orders 1 to 4.
    pub counts: [usize; ORDERS],

    /// All n-grams of the hypothesis.
    pub totals: [usize; ORDERS],
    pub hypothesis_length: usize,

    /// The closest reference's length, the shorter of two.
    pub reference_length: usize,
}

/// How a text without long n-grams is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orders {
    /// Always up to four words: a text without a 4-gram scores 0. For corpora.
    Four,

    /// Up to the longest n-gram there is. For sentences.
    Effective,
}

/// A score from 0 to 100, and what it is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bleu {
    pub score: f64,

    /// In percent.
    pub precisions: [f64; ORDERS],
    pub brevity_penalty: f64,
}

/// Compares a hypothesis with its references. `None` without a reference.
pub fn matches(hypothesis: &str, references: &[String]) -> Option<Matches> {
    let mut numbering = Numbering::default();
    let mut read = |text: &str| -> Vec<u32> {
        let text = tokenized(text.trim_end_matches(is_space));
        split(&text).map(|token| numbering.number(token)).collect()
    };
    let hypothesis = read(hypothesis);
    let references: Vec<Vec<u32>> = references.iter().map(|text| read(text)).collect();
    let length = hypothesis.len();
    let reference_length =
        references.iter().map(Vec::len).min_by_key(|other| (other.abs_diff(length), *other))?;
    let mut matches = Matches { hypothesis_length: length, reference_length, ..Default::default() };
    for order in 1..=ORDERS {
        let all: Vec<_> = references.iter().map(|reference| ngrams(reference, order)).collect();
        let own = ngrams(&hypothesis, order);
        // As often as in the reference that has it most often.
        let most = |ngram| all.iter().filter_map(|counts| counts.get(ngram)).max();
        let matching = own.iter().filter_map(|(ngram, count)| Some(*count.min(most(ngram)?)));
        matches.counts[order - 1] = matching.sum();
        matches.totals[order - 1] = own.values().sum();
    }
    Some(matches)
}

impl Matches {
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for order in 0..ORDERS {
            self.counts[order] += other.counts[order];
            self.totals[order] += other.totals[order];
        }
        self.hypothesis_length += other.hypothesis_length;
        self.reference_length += other.reference_length;
        self
    }

    /// The geometric mean of the precisions times the brevity penalty. The j-th order without a
    /// match counts as 100 / (2^j total); 0 where nothing matches at all.
    pub fn bleu(&self, orders: Orders) -> Bleu {
        let (own, reference) = (self.hypothesis_length as f64, self.reference_length as f64);
        let brevity_penalty = if own >= reference {
            1.0
        } else if own > 0.0 {
            (1.0 - reference / own).exp()
        } else {
            0.0
        };
        let mut precisions = [0.0; ORDERS];
        if self.counts.iter().all(|count| *count == 0) {
            return Bleu { score: 0.0, precisions, brevity_penalty };
        }
        let present = self.totals.iter().take_while(|total| **total > 0).count();
        let mut smoothing = 1.0;
        let orders_present = self.counts.iter().zip(&self.totals).take(present);
        for (precision, (count, total)) in precisions.iter_mut().zip(orders_present) {
            *precision = if *count == 0 {
                smoothing *= 2.0;
                100.0 / (smoothing * *total as f64)
            } else {
                100.0 * *count as f64 / *total as f64
            };
        }
        let score = match orders {
            Orders::Four if present < ORDERS => 0.0,
            _ => {
                let logs: f64 = precisions[..present].iter().map(|p| p.ln()).sum();
                brevity_penalty * (logs / present as f64).exp()
            }
        };
        Bleu { score, precisions, brevity_penalty }
    }
}

/// The tokens of `mteval-v13a`, with spaces between.
pub fn tokenized(text: &str) -> String {
    let mut text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    if text.contains('&') {
        text = text
            .replace("&quot;", "\"")
            .replace("&amp;", "&")
            .replace("&lt;", "<")
            .replace("&gt;", ">");
    }
    let mut spaced = String::from(" ");
    for c in text.chars() {
        let symbol = matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/');
        if symbol {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    spaced.push(' ');
    let digit = |c: char| c.is_ascii_digit();
    let point = |c: char| matches!(c, '.' | ',');
    // A point or comma after anything but a digit.
    let text = in_pairs(&spaced, |a, b| (!digit(a) && point(b)).then(|| vec![a, ' ', b, ' ']));
    // And before anything but a digit.
    let text = in_pairs(&text, |a, b| (point(a) && !digit(b)).then(|| vec![' ', a, ' ', b]));
    // A dash after a digit.
    in_pairs(&text, |a, b| (digit(a) && b == '-').then(|| vec![a, ' ', b, ' ']))
}

/// Replaces pairs of characters from left to right; what was replaced is not looked at again.
fn in_pairs(text: &str, replacement: impl Fn(char, char) -> Option<Vec<char>>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match characters.peek().and_then(|next| replacement(c, *next)) {
            Some(replaced) => {
                out.extend(replaced);
                characters.next();
            }
            None => out.push(c),
        }
    }
    out
}
