//! How likely a model found texts, all together and by group.

use std::collections::BTreeMap;
use std::iter;

use serde::Serialize;

use super::figure::{WithInterval, with_ends};
use crate::evaluate::results::answered::Answered;
use crate::evaluate::task::perplexity::{Likelihood, Perplexity};
use crate::stats::moments::sum;
use crate::stats::special::student_upper_quantile;
use crate::stats::undefined::{self, Number};
use crate::words::table::Table;

/// What is said of all texts that were scored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PerplexityScores {
    pub all: OfTexts,

    /// Where texts are reported by a column.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<(String, OfTexts)>,

    /// Texts that were read in more than one window, and the tokens of a window.
    pub in_windows: usize,
    pub window: usize,
}

/// What is said of some texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfTexts {
    pub texts: usize,
    pub tokens: usize,

    /// Every token counts alike: long texts count for more.
    pub by_token: WithInterval,

    /// Every text counts alike: the geometric mean of the texts' perplexities.
    pub by_text: WithInterval,

    /// Bits of all texts over their bytes in UTF-8, and over their characters: comparable between models
    /// that cut a text into other tokens.
    pub bits_per_byte: WithInterval,
    pub bits_per_character: WithInterval,
}

/// The measures, in the order of every table.
pub const MEASURES: [&str; 4] =
    ["perplexity by token", "perplexity by text", "bits per byte", "bits per character"];

/// Each is a ratio of two sums over texts, and what is made of it.
type Ratio = (fn(&Likelihood) -> f64, fn(&Likelihood) -> f64, fn(f64) -> f64);

const RATIOS: [Ratio; 4] = [
    (|text| -text.logprob, |text| text.tokens as f64, f64::exp),
    (|text| -text.mean(), |_| 1.0, f64::exp),
    (Likelihood::bits, |text| text.bytes as f64, |value| value),
    (Likelihood::bits, |text| text.characters as f64, |value| value),
];

/// Every measure of these texts.
pub fn all(texts: &[&Likelihood]) -> Vec<Number> {
    let of = |(above, below, to): Ratio| {
        let of_all = |one: fn(&Likelihood) -> f64| sum(texts.iter().map(|text| one(text)));
        undefined::ratio(of_all(above), of_all(below), "no text was scored").map(to)
    };
    RATIOS.into_iter().map(of).collect()
}

impl OfTexts {
    pub fn of(texts: &[&Likelihood]) -> Self {
        let [by_token, by_text, bits_per_byte, bits_per_character] =
            RATIOS.map(|(above, below, to)| {
                let of_each = |one: fn(&Likelihood) -> f64| -> Vec<f64> {
                    texts.iter().map(|text| one(text)).collect()
                };
                within(ratio(&of_each(above), &of_each(below)), to)
            });
        Self {
            texts: texts.len(),
            tokens: texts.iter().map(|text| text.tokens).sum(),
            by_token,
            by_text,
            bits_per_byte,
            bits_per_character,
        }
    }

    fn cells(&self) -> [String; 4] {
        [&self.by_token, &self.by_text, &self.bits_per_byte, &self.bits_per_character]
            .map(with_ends)
    }
}

/// Σ a / Σ b over texts, and half of its 95 % interval.
///
/// Student's interval with the variance of a ratio by linearisation (Cochran 1977, 6.4), n - 1 degrees of
/// freedom; with all b = 1 the usual one of a mean. The second is `None` for fewer than two texts.
fn ratio(a: &[f64], b: &[f64]) -> (Number, Option<f64>) {
    let (all_a, all_b) = (sum(a.iter().copied()), sum(b.iter().copied()));
    let whole = undefined::ratio(all_a, all_b, "no text was scored");
    let (Ok(ratio), 2..) = (whole.clone(), a.len()) else { return (whole, None) };
    let count = a.len() as f64;
    let squares = sum(a.iter().zip(b).map(|(a, b)| (a - ratio * b).powi(2)));
    let se = (squares / (count - 1.0) / count).sqrt() / (all_b / count);
    (whole, Some(student_upper_quantile(0.025, count - 1.0) * se))
}

fn within((value, half): (Number, Option<f64>), to: impl Fn(f64) -> f64) -> WithInterval {
    let end = |side: f64| Some(to(value.clone().ok()? + side * half?));
    let (low, high) = (end(-1.0), end(1.0));
    WithInterval { value: value.map(to).into(), low, high }
}

impl PerplexityScores {
    pub fn of(rows: &[&Answered]) -> Self {
        let scored = || rows.iter().filter_map(|row| Some((row.scored.as_ref()?, &row.group)));
        let all: Vec<&Likelihood> = scored().map(|(text, _)| text).collect();
        let mut groups: BTreeMap<&str, Vec<&Likelihood>> = BTreeMap::new();
        for (text, group) in scored() {
            if let Some(group) = group {
                groups.entry(group).or_default().push(text);
            }
        }
        let of_group =
            |(name, texts): (&str, Vec<&Likelihood>)| (name.to_owned(), OfTexts::of(&texts));
        Self {
            in_windows: all.iter().filter(|text| text.windows > 1).count(),
            window: all.iter().map(|text| text.window).max().unwrap_or(0),
            groups: groups.into_iter().map(of_group).collect(),
            all: OfTexts::of(&all),
        }
    }

    /// A section of the report.
    pub fn markdown(&self) -> String {
        let table = Table::default().words(["texts of"]).numbers(["texts", "tokens"]);
        let by =
            ["perplexity by token", "perplexity by text", "bits per byte", "bits per character"];
        let mut table = table.words(by);
        let all = iter::once(("all", &self.all));
        let groups = self.groups.iter().map(|(name, texts)| (name.as_str(), texts));
        for (name, texts) in all.chain(groups) {
            let [by_token, by_text, bytes, characters] = texts.cells();
            let OfTexts { texts, tokens, .. } = texts;
            table.row(&[&name, texts, tokens, &by_token, &by_text, &bytes, &characters]);
        }
        let mut out = table.after("## How likely the texts are\n\n");
        out.push_str(
            "\nIn brackets are 95 % intervals. By token every token counts alike, by text every text.\n",
        );
        out
    }

    /// For a methods section.
    pub fn sentences(&self, settings: &Perplexity, cut: usize) -> Vec<String> {
        let mut said = vec![
            "Nothing was asked and nothing written: a text is scored by the log-probability of each of its \
             tokens after those before it; the first one has none where the tokenizer puts no other before it."
                .to_owned(),
        ];
        said.push(match (&settings.before, settings.chat) {
            (None, _) => "Nothing stood before a text but what the prompt has.".to_owned(),
            (Some(column), false) => format!(
                "What stands in the column “{column}” was read before a text and not scored, as a plain text \
                 without a chat template."
            ),
            (Some(column), true) => format!(
                "What stands in the column “{column}” was a message of the user in the model's chat template, \
                 and the text the beginning of the answer; only the text was scored."
            ),
        });
        if self.window > 0 {
            let window = self.window;
            said.push(if settings.cut {
                format!(
                    "Texts with more than {window} tokens were cut at their end ({cut} of {}).",
                    self.all.texts
                )
            } else {
                format!(
                    "Texts with more than {window} tokens were read in windows of that many, each of which \
                     begins {} tokens after the last one ({} of {} texts); a token was scored in the first \
                     window that reaches it.",
                    settings.stride_of(window),
                    self.in_windows,
                    self.all.texts
                )
            });
        }
        said.push(format!(
            "The perplexity of {} texts with {} tokens is {} where every token counts alike and {} where every \
             text does; they have {} bits per byte and {} per character.",
            self.all.texts,
            self.all.tokens,
            with_ends(&self.all.by_token),
            with_ends(&self.all.by_text),
            with_ends(&self.all.bits_per_byte),
            with_ends(&self.all.bits_per_character)
        ));
        said.push(
            "Intervals (95 %, in brackets) take the texts as drawn at random: Student's over texts, of ratios \
             of sums by linearisation; of perplexities on the log scale."
                .to_owned(),
        );
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tokens: usize, logprob: f64, bytes: usize) -> Likelihood {
        let (characters, windows) = (bytes, 1);
        Likelihood { tokens, logprob, bytes, characters, windows, ..Likelihood::default() }
    }

    #[test]
    fn intervals_are_students_over_texts() {
        let texts =
            [text(10, -21.0, 40), text(25, -60.5, 90), text(7, -9.5, 30), text(50, -140.0, 200)];
        let found = OfTexts::of(&texts.iter().collect::<Vec<_>>());
        let near = |found: &WithInterval, right: [f64; 3]| {
            let all = [found.value.value, found.low, found.high].map(Option::unwrap);
            for (found, right) in all.iter().zip(right) {
                assert!((found - right).abs() < 1e-9 * right, "{all:?} {right}");
            }
        };
        // By numpy 2.4.6 and scipy 1.17.1: tests/reference/make_perplexity.py.
        near(&found.by_token, BY_TOKEN);
        near(&found.by_text, BY_TEXT);
        near(&found.bits_per_byte, BITS);
        assert_eq!((found.texts, found.tokens), (4, 92));
        // Of one text there is no interval, of none no number.
        let one = OfTexts::of(&[&texts[0]]);
        assert!((one.by_token.value.value.unwrap() - 2.1_f64.exp()).abs() < 1e-9);
        assert_eq!((one.by_token.low, OfTexts::of(&[]).by_text.value.value), (None, None));
    }

    const BY_TOKEN: [f64; 3] = [12.315634653189674, 6.192652957631717, 24.492710627991016];
    const BY_TEXT: [f64; 3] = [8.75203035729314, 3.303060594702867, 23.19001822062281];
    const BITS: [f64; 3] = [0.9257293179037517, 0.6880354748635307, 1.1634231609439727];
}
