//! Texts that are written about texts: what `[write]` of a task says.

use serde::{Deserialize, Serialize};

/// Texts are written about texts: a summary, a translation, anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Write {
    /// The column of the texts.
    pub text: String,

    /// What is asked: `Summarise the text in one sentence.`
    pub instruction: String,

    /// Columns with texts that people wrote for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,

    /// An answer that comes to so many tokens is cut.
    pub max_tokens: usize,

    /// So many answers are searched side by side, and the likeliest is taken (encoder-decoders); 1: no
    /// search.
    #[serde(skip_serializing_if = "is_one")]
    pub num_beams: usize,

    /// The score of a beam is divided by its length to this power.
    #[serde(skip_serializing_if = "is_unit")]
    pub length_penalty: f64,

    /// Tokens are drawn at this temperature, with the task's seed and the row's number; 0: the likeliest
    /// one each time.
    #[serde(skip_serializing_if = "is_nothing")]
    pub temperature: f64,

    /// Of the tokens that are drawn: the smallest set with at least this probability; 1: all.
    #[serde(skip_serializing_if = "is_unit")]
    pub top_p: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_one(count: &usize) -> bool {
    *count == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_unit(number: &f64) -> bool {
    *number == 1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_nothing(number: &f64) -> bool {
    *number == 0.0
}

impl Default for Write {
    fn default() -> Self {
        Self {
            text: String::new(),
            instruction: String::new(),
            references: Vec::new(),
            max_tokens: 200,
            num_beams: 1,
            length_penalty: 1.0,
            temperature: 0.0,
            top_p: 1.0,
        }
    }
}

impl Write {
    /// What keeps it from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let within = |range: std::ops::RangeInclusive<f64>, number: f64| range.contains(&number);
        Some(match self {
            Self { num_beams: 0, .. } => "`num_beams` of [write] is 0: 1 is no search".to_owned(),
            Self { num_beams, .. } if *num_beams > 64 => {
                format!("`num_beams` of [write] is {num_beams}, and more than 64 are not searched")
            }
            Self { num_beams, temperature, .. } if *num_beams > 1 && *temperature != 0.0 => {
                "[write] has both `num_beams`, which takes the likeliest, and a `temperature`, which \
                 draws: leave one of them out"
                    .to_owned()
            }
            Self { temperature, .. } if !within(0.0..=10.0, *temperature) => {
                format!("`temperature` of [write] is {temperature}; 0 to 10 was expected")
            }
            Self { top_p, .. } if !within(f64::MIN_POSITIVE..=1.0, *top_p) => {
                format!("`top_p` of [write] is {top_p}; above 0 and at most 1 was expected")
            }
            Self { length_penalty, .. } if !within(-100.0..=100.0, *length_penalty) => {
                format!("`length_penalty` of [write] is {length_penalty}; -100 to 100 was expected")
            }
            _ => return None,
        })
    }
}
