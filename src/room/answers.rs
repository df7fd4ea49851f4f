//! What a phone may answer, and what is made of it.

use serde::{Deserialize, Serialize};

use super::question::{Kind, MOST_CHARACTERS, Question};

/// An answer as a page sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    Side(Side),

    /// The number of an option, from 0.
    Option(usize),

    /// A word of one's own in place of the options.
    Other(String),

    /// A step of the scale.
    Step(i64),
    Words(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Left,
    Right,
    Tie,
}

impl Side {
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
            Self::Tie => Self::Tie,
        }
    }

    /// As files name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Tie => "tie",
        }
    }
}

impl Answer {
    /// The same with its text made plain. `None`: this is no answer to that question.
    pub fn fitting(self, question: &Question) -> Option<Self> {
        match (self, &question.kind) {
            (Self::Side(side), Kind::Pair { .. }) => Some(Self::Side(side)),
            (Self::Option(at), Kind::Choice { options, .. }) => {
                (at < options.len()).then_some(Self::Option(at))
            }
            (Self::Other(text), Kind::Choice { options, other: true }) => {
                let text = plain(&text)?;
                let folded = folded(&text);
                let same = options.iter().position(|option| self::folded(option) == folded);
                Some(same.map_or(Self::Other(text), Self::Option))
            }
            (Self::Step(step), Kind::Scale { low, high, .. }) => {
                (*low..=*high).contains(&step).then_some(Self::Step(step))
            }
            (Self::Words(text), Kind::Words) => Some(Self::Words(plain(&text)?)),
            _ => None,
        }
    }

    /// The same answer as it is meant where the two sides were shown the other way round.
    #[must_use]
    pub fn turned(self, is_swapped: bool) -> Self {
        match self {
            Self::Side(side) if is_swapped => Self::Side(side.swapped()),
            other => other,
        }
    }

    /// What it is counted as: upper and lower case are one.
    pub fn label(&self, question: &Question) -> String {
        match self {
            Self::Side(side) => side.name().to_owned(),
            Self::Option(at) => match &question.kind {
                Kind::Choice { options, .. } => options.get(*at).cloned().unwrap_or_default(),
                _ => at.to_string(),
            },
            Self::Step(step) => step.to_string(),
            Self::Other(text) | Self::Words(text) => text.clone(),
        }
    }
}

/// Two texts with the same one are counted together.
pub fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A text on one line, without what cannot be seen or turns the line around. `None`: nothing is left,
/// or it is too long.
fn plain(text: &str) -> Option<String> {
    let is_unseen = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let text: String = text
        .chars()
        // Joined letters and emoji need U+200D.
        .filter(|c| *c == '\u{200d}' || !is_unseen(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = text.chars().count();
    (1..=MOST_CHARACTERS).contains(&length).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Answer> {
        Answer::Words(text.to_owned()).fitting(&Question::new("q", "Why?", Kind::Words))
    }

    #[test]
    fn free_text_is_one_short_line_that_can_be_seen() {
        assert_eq!(words("  a\n\tb\u{0}c  "), Some(Answer::Words("a b c".to_owned())));
        assert_eq!(words("\u{202e}live"), Some(Answer::Words("live".to_owned())));
        assert_eq!(words("\u{200b} \n"), None);
        assert_eq!(words(&"ü".repeat(140)), Some(Answer::Words("ü".repeat(140))));
        assert_eq!(words(&"ü".repeat(141)), None);
    }

    #[test]
    fn an_answer_of_another_kind_is_none() {
        let options = vec!["Paris".to_owned(), "Lyon".to_owned()];
        let closed = Kind::Choice { options: options.clone(), other: false };
        let open = Kind::Choice { options, other: true };
        let fitting = |answer: Answer, kind: &Kind| {
            answer.fitting(&Question::new("q", "Where?", kind.clone()))
        };
        assert_eq!(fitting(Answer::Option(1), &closed), Some(Answer::Option(1)));
        assert_eq!(fitting(Answer::Option(2), &closed), None);
        assert_eq!(fitting(Answer::Step(1), &closed), None);
        assert_eq!(fitting(Answer::Other("Nice".to_owned()), &closed), None);
        let nice = Answer::Other("Nice".to_owned());
        assert_eq!(fitting(nice.clone(), &open), Some(nice));
        assert_eq!(fitting(Answer::Other(" paris".to_owned()), &open), Some(Answer::Option(0)));
    }
}
