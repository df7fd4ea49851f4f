//! A question to the room as plain data.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::QuestionError;

const MOST_OPTIONS: usize = 12;
const MOST_STEPS: i64 = 11;
const MOST_TEXT: usize = 4_000;
const MOST_OPTION: usize = 200;

/// Of free text: as long as a short message.
pub const MOST_CHARACTERS: usize = 140;

/// What the audience is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Unique in its room: letters, digits, `-` and `_`.
    pub id: String,

    /// What is asked, in a sentence.
    pub text: String,

    /// What it is about: a prompt, a text. May be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,

    #[serde(flatten)]
    pub kind: Kind,
}

/// How it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Which of two answers is better. Every other phone sees them the other way round.
    Pair { left: String, right: String },

    Choice {
        options: Vec<String>,

        /// A word of one's own can be typed instead.
        #[serde(default)]
        other: bool,
    },

    /// Every whole number from `low` to `high`.
    Scale {
        low: i64,
        high: i64,
        #[serde(default)]
        low_words: String,
        #[serde(default)]
        high_words: String,
    },

    /// Free text of at most [`MOST_CHARACTERS`] characters.
    Words,
}

impl Kind {
    pub const NAMES: [&'static str; 4] = ["pair", "choice", "scale", "words"];

    /// As files name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pair { .. } => "pair",
            Self::Choice { .. } => "choice",
            Self::Scale { .. } => "scale",
            Self::Words => "words",
        }
    }
}

impl Question {
    pub fn new(id: &str, text: &str, kind: Kind) -> Self {
        Self { id: id.to_owned(), text: text.to_owned(), about: String::new(), kind }
    }

    /// Whether a phone can show it and somebody can answer it.
    pub fn check(&self) -> Result<(), QuestionError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(is_plain) {
            return Err(QuestionError::Id { id: self.id.clone() });
        }
        if self.text.trim().is_empty() {
            return Err(QuestionError::NoText);
        }
        short("the question", &self.text, 500)?;
        short("the text that it is about", &self.about, MOST_TEXT)?;
        match &self.kind {
            Kind::Pair { left, right } => {
                for (what, answer) in [("the left answer", left), ("the right answer", right)] {
                    filled(what, answer)?;
                    short(what, answer, MOST_TEXT)?;
                }
            }
            Kind::Choice { options, .. } => {
                if !(2..=MOST_OPTIONS).contains(&options.len()) {
                    let (found, most) = (options.len(), MOST_OPTIONS);
                    return Err(QuestionError::OptionCount { found, most });
                }
                let mut seen = BTreeSet::new();
                for (at, option) in options.iter().enumerate() {
                    filled(&format!("option {}", at + 1), option)?;
                    short("an option", option, MOST_OPTION)?;
                    if !seen.insert(option) {
                        return Err(QuestionError::Twice { option: option.clone() });
                    }
                }
            }
            Kind::Scale { low, high, low_words, high_words } => {
                let steps = high.checked_sub(*low).and_then(|steps| steps.checked_add(1));
                if !steps.is_some_and(|steps| (2..=MOST_STEPS).contains(&steps)) {
                    let (low, high) = (*low, *high);
                    return Err(QuestionError::Steps { low, high, most: MOST_STEPS });
                }
                short("the name of an end of the scale", low_words, MOST_OPTION)?;
                short("the name of an end of the scale", high_words, MOST_OPTION)?;
            }
            Kind::Words => {}
        }
        Ok(())
    }

    /// How it can be answered, in words for the stage.
    pub fn how(&self) -> String {
        match &self.kind {
            Kind::Pair { .. } => "Which answer is better?".to_owned(),
            Kind::Choice { options, other: false } => format!("{} options", options.len()),
            Kind::Choice { options, other: true } => {
                format!("{} options, or a word of your own", options.len())
            }
            Kind::Scale { low, high, .. } => format!("From {low} to {high}"),
            Kind::Words => format!("At most {MOST_CHARACTERS} characters"),
        }
    }
}

fn filled(what: &str, text: &str) -> Result<(), QuestionError> {
    if text.trim().is_empty() {
        return Err(QuestionError::Empty { what: what.to_owned() });
    }
    Ok(())
}

fn short(what: &'static str, text: &str, most: usize) -> Result<(), QuestionError> {
    let found = text.chars().count();
    if found > most { Err(QuestionError::TooLong { what, found, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: Kind) -> String {
        Question::new("q", "What is it?", kind).check().expect_err("something is wrong").to_string()
    }

    #[test]
    fn a_question_that_nobody_can_answer_says_why() {
        let choice = |options: &[&str]| Kind::Choice {
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            other: false,
        };
        assert_eq!(problem(choice(&["one"])), "a choice has 1 options. Expected: 2 to 12");
        assert_eq!(problem(choice(&["one", "one"])), "the option \"one\" is there twice");
        assert_eq!(problem(choice(&["one", " "])), "option 2 is empty");
        let scale = |low, high| Kind::Scale {
            low,
            high,
            low_words: String::new(),
            high_words: String::new(),
        };
        assert!(problem(scale(3, 3)).contains("no steps"));
        assert!(problem(scale(0, i64::MAX)).contains("2 to 11 steps"));
        assert!(problem(scale(i64::MIN, i64::MAX)).contains("2 to 11 steps"));
        let pair = Kind::Pair { left: "a".to_owned(), right: String::new() };
        assert_eq!(problem(pair), "the right answer is empty");
        let nameless = Question::new("a b", "What?", Kind::Words).check();
        assert!(nameless.unwrap_err().to_string().contains("letters, digits"));
        assert_eq!(Question::new("a", "\n", Kind::Words).check(), Err(QuestionError::NoText));
        assert_eq!(Question::new("a", "Why?", Kind::Words).check(), Ok(()));
    }
}
