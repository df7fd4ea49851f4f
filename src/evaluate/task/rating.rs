//! `[rate]`: texts, or answers to prompts, get a number on a scale of whole numbers.
//!
//! What is read from the model is its distribution over the numbers, whose expected value is the rating: finer than
//! the likeliest number, and closer to people's (G-Eval: Liu et al., arXiv 2303.16634).

use serde::{Deserialize, Serialize};

use crate::data::codebook::{Class, Codebook, Scale};

/// More points than this are no scale that somebody rates on.
const MOST_POINTS: i64 = 101;

/// What is rated, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// The column of what is rated.
    pub text: String,

    /// The column of what was asked, where answers are rated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,

    /// What a high number stands for; without it, a sentence of ours.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub criterion: String,

    /// The worst and the best number.
    pub from: i64,
    pub to: i64,

    /// Columns with the ratings of people, a rater each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub human: Vec<String>,

    /// The column with the probability that a row was drawn for people to rate. Without it, every row was as likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inclusion: Option<String>,

    /// A column whose groups are compared: who wrote the answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            text: String::new(),
            prompt: None,
            criterion: String::new(),
            from: 1,
            to: 5,
            human: Vec::new(),
            inclusion: None,
            by: None,
        }
    }
}

/// The criterion where the task does not say one.
pub const CRITERION: &str =
    "How good is it? Good is what is right, clear and helps with what was asked.";

/// The prompts where nobody has written another: of a text, and of an answer to a prompt.
pub const TEXT: &str = "Text:\n{text}\n\n{criterion}\n\n{reminder}";
pub const ANSWER: &str =
    "Somebody asked:\n{prompt}\n\nAnswer:\n{text}\n\n{criterion}\n\n{reminder}";

impl Rate {
    /// What keeps it from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let Self { from, to, .. } = self;
        let points = to.saturating_sub(*from).saturating_add(1);
        (!(2..=MOST_POINTS).contains(&points)).then(|| {
            format!("[rate] is on a scale from {from} to {to}: 2 to {MOST_POINTS} whole numbers are expected, as from = 1 and to = 5")
        })
    }

    /// The scale as labels whose values are their numbers.
    pub fn codebook(&self) -> Codebook {
        let class = |point: i64| Class { label: point.to_string(), ..Class::default() };
        Codebook {
            instruction: self.criterion().to_owned(),
            scale: Scale::Interval,
            classes: (self.from..=self.to).map(class).collect(),
            ..Codebook::default()
        }
    }

    pub fn criterion(&self) -> &str {
        if self.criterion.trim().is_empty() { CRITERION } else { self.criterion.trim() }
    }

    pub fn template(&self) -> &'static str {
        if self.prompt.is_some() { ANSWER } else { TEXT }
    }

    /// The end of the prompt.
    pub fn reminder(&self) -> String {
        format!(
            "Rate it with a whole number from {} (worst) to {} (best). Say the number and nothing else.",
            self.from, self.to
        )
    }
}

/// Takes from a number what belongs to longer ones that begin with it.
///
/// Whoever says 10 has said 1 on the way, where both are digits to the tokenizer. `said`: of each number its words, the natural log of the probability that the
/// answer begins with it, and its tokens.
pub fn apart(said: &[(&str, f64, usize)]) -> Vec<f64> {
    let begins = |(short, _, few): &(&str, f64, usize), (long, _, many): &(&str, f64, usize)| {
        many > few && long.len() > short.len() && long.starts_with(short)
    };
    let alone = |one: &(&str, f64, usize)| {
        let longer: Vec<&(&str, f64, usize)> =
            said.iter().filter(|other| begins(one, other)).collect();
        // 100 is a part of 10 already.
        let next =
            longer.iter().filter(|other| !longer.iter().any(|between| begins(between, other)));
        let share = next.map(|(_, logprob, _)| (logprob - one.1).exp()).sum::<f64>();
        one.1 + (1.0 - share).max(f64::MIN_POSITIVE).ln()
    };
    said.iter().map(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_nothing_of_a_longer_one_that_begins_with_it() {
        let ln = f64::ln;
        let said = [("1", ln(0.6), 1), ("2", ln(0.3), 1), ("10", ln(0.2), 2), ("100", ln(0.05), 3)];
        let found: Vec<f64> = apart(&said).into_iter().map(f64::exp).collect();
        for (found, right) in found.iter().zip([0.4, 0.3, 0.15, 0.05]) {
            assert!((found - right).abs() < 1e-12, "{found}, not {right}");
        }
        // A tokenizer with a token for 10 does not say 1 first.
        let whole = [("1", ln(0.6), 1), ("10", ln(0.2), 1)];
        assert_eq!(apart(&whole), [ln(0.6), ln(0.2)]);
        assert!(apart(&[("1", 0.0, 1), ("10", 0.0, 2)])[0].is_finite());
    }

    #[test]
    fn a_scale_is_labels_with_their_numbers() {
        let rate = Rate { from: -1, to: 2, ..Rate::default() };
        assert_eq!(rate.problem(), None);
        let codebook = rate.codebook();
        assert_eq!(codebook.labels(), ["-1", "0", "1", "2"]);
        assert_eq!(codebook.numbers(), Some(vec![-1.0, 0.0, 1.0, 2.0]));
        assert_eq!(codebook.problem(), None);
        assert!(rate.reminder().contains("from -1 (worst) to 2 (best)"));
        for (from, to) in [(3, 3), (5, 1), (0, 101), (i64::MIN, i64::MAX)] {
            let problem = Rate { from, to, ..Rate::default() }.problem();
            assert!(problem.is_some_and(|it| it.contains("whole numbers")), "{from} to {to}");
        }
    }
}
