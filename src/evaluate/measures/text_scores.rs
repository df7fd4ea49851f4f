//! Texts that a model wrote, against those that people wrote.

use serde::Serialize;

use super::figure::WithInterval;
use crate::evaluate::results::answered::Answered;
use crate::stats::moments::mean;
use crate::stats::resample::Bootstrap;
use crate::stats::text::rouge::{Pair, Stemming};
use crate::stats::text::squad::{normalised, token_f1};
use crate::stats::text::{bleu, chrf};
use crate::stats::undefined::Number;

/// The measures, in the order of every table.
pub const MEASURES: [&str; 8] =
    ["ROUGE-1", "ROUGE-2", "ROUGE-L", "ROUGE-Lsum", "exact match", "token F1", "BLEU", "chrF"];

/// So many of them are means over rows; the others are of all rows together.
pub const BY_ROW: usize = 6;

/// What is said of all texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextScores {
    /// Rows with a text and a reference.
    pub items: usize,

    /// By name; nothing where no row has a reference. BLEU and chrF from 0 to 100, the others from
    /// 0 to 1.
    pub measures: Vec<(String, WithInterval)>,

    /// Texts that came to `max_tokens` and were cut there.
    pub ended_early: usize,
    pub mean_tokens: f64,
}

/// What a row says of each measure.
#[derive(Clone, Debug)]
pub struct RowScores {
    by_row: [f64; BY_ROW],
    bleu: bleu::Matches,
    chrf: chrf::Matches,
}

impl TextScores {
    pub fn of(rows: &[&Answered]) -> Self {
        let scores: Vec<RowScores> = rows.iter().filter_map(|row| RowScores::of(row)).collect();
        let intervals = Bootstrap::default().intervals(scores.len(), |drawn| all(&scores, drawn));
        let measures = MEASURES.iter().zip(intervals).map(|(name, interval)| {
            let name = (*name).to_owned();
            (name, WithInterval::interval(interval))
        });
        let measures = if scores.is_empty() { Vec::new() } else { measures.collect() };
        let written = || rows.iter().filter_map(|row| row.written.as_ref());
        let tokens: Vec<f64> = written().map(|written| written.tokens as f64).collect();
        Self {
            items: scores.len(),
            measures,
            ended_early: written().filter(|written| written.ended_early).count(),
            mean_tokens: mean(&tokens).unwrap_or(0.0),
        }
    }
}

impl RowScores {
    /// Against the reference that fits best, for each measure. `None`: there is none.
    pub fn of(row: &Answered) -> Option<Self> {
        let written = row.written.as_ref()?;
        let answer = row.answer.as_deref()?;
        let references: Vec<String> = written.people.values().cloned().collect();
        if references.is_empty() {
            return None;
        }
        let mut by_row = [0.0_f64; BY_ROW];
        for reference in &references {
            // As `rouge_score` with `use_stemmer=True`; ROUGE-Lsum takes a line for a sentence.
            let pair = Pair::new(reference, answer, Stemming::Porter);
            let (own, theirs) = (normalised(answer), normalised(reference));
            let found = [
                pair.rouge_n(1).f1,
                pair.rouge_n(2).f1,
                pair.rouge_l().f1,
                pair.rouge_l_sum().f1,
                f64::from(u8::from(own == theirs)),
                token_f1(&own, &theirs),
            ];
            for (best, found) in by_row.iter_mut().zip(found) {
                *best = best.max(found);
            }
        }
        let bleu = bleu::matches(answer, &references)?;
        let chrf = chrf::matches(answer, &references, chrf::Variant::Chrf)?;
        Some(Self { by_row, bleu, chrf })
    }

    /// Its value of a measure that is a mean over rows.
    pub fn by_row(&self, measure: usize) -> f64 {
        self.by_row[measure]
    }
}

/// Every measure of these rows.
pub fn all(scores: &[RowScores], drawn: &[usize]) -> Vec<Number> {
    let rows = || drawn.iter().map(|at| &scores[*at]);
    let mut values: Vec<Number> = (0..BY_ROW)
        .map(|measure| mean(&rows().map(|row| row.by_row[measure]).collect::<Vec<f64>>()))
        .collect();
    let none = "no row has a reference";
    let bleu = rows().map(|row| row.bleu).reduce(|sum, row| sum.plus(&row));
    values.push(bleu.map(|sum| sum.bleu(bleu::Orders::Four).score).ok_or_else(|| none.into()));
    let chrf = rows().map(|row| row.chrf.clone()).reduce(|sum, row| sum.plus(&row));
    values.push(chrf.map(|sum| sum.score()).ok_or_else(|| none.into()));
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::results::written::Written;

    fn row(answer: &str, references: &[&str]) -> Answered {
        let people = references
            .iter()
            .enumerate()
            .map(|(index, text)| (index.to_string(), (*text).to_owned()))
            .collect();
        Answered {
            answer: Some(answer.to_owned()),
            written: Some(Written { people, tokens: 4, ..Written::default() }),
            row: 1,
            ..Answered::default()
        }
    }

    #[test]
    fn each_measure_takes_the_reference_that_fits_best() {
        let one = row("the data are open", &["nothing at all", "The data are open."]);
        let scores = TextScores::of(&[&one]);
        let value = |name: &str| {
            let found = scores.measures.iter().find(|(known, _)| known == name).unwrap();
            found.1.value.value.unwrap()
        };
        assert_eq!(value("ROUGE-1"), 1.0);
        assert_eq!(value("exact match"), 1.0);
        assert!(value("chrF") > 70.0);
    }

    #[test]
    fn texts_without_a_reference_have_no_measures() {
        let scores = TextScores::of(&[&row("a", &[])]);
        assert_eq!((scores.items, scores.measures.len(), scores.mean_tokens), (0, 0, 4.0));
    }
}
