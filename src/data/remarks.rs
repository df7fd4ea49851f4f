//! What a person says of two answers beside which is better: how much, by which criteria, why; and an
//! answer of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything that a verdict may have beside it. All of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remarks {
    /// By how much the better answer is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<Strength>,

    /// By the criterion's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub criteria: BTreeMap<String, Rating>,

    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,

    /// To be talked about.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub flagged: bool,

    /// An answer that the person wrote or edited: better than both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,

    /// The id of the verdict that this one takes the place of. Its line stays in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    Little,
    Clearly,
    Much,
}

impl Strength {
    /// In the order of the keys 1, 2, 3.
    pub const ALL: [Self; 3] = [Self::Little, Self::Clearly, Self::Much];

    pub fn words(self) -> &'static str {
        match self {
            Self::Little => "A little",
            Self::Clearly => "Clearly",
            Self::Much => "Much",
        }
    }

    /// As files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Little => "little",
            Self::Clearly => "clearly",
            Self::Much => "much",
        }
    }
}

/// What is said by one criterion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rating {
    Which(Which),

    /// Points for each of the two.
    Points {
        left: u8,
        right: u8,
    },
}

/// Which of two answers is better by a criterion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    Left,
    Right,
    Equal,
}

impl Rating {
    /// `left`, `equal`, `4 : 2`
    pub fn shown(self) -> String {
        match self {
            Self::Which(Which::Left) => "left".to_owned(),
            Self::Which(Which::Right) => "right".to_owned(),
            Self::Which(Which::Equal) => "equal".to_owned(),
            Self::Points { left, right } => format!("{left} : {right}"),
        }
    }
}

/// An answer that a person made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    pub text: String,

    /// Which answer it was made from.
    pub from: From,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    Left,
    Right,

    /// Nothing: all of it is the person's own.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_without_remarks_has_no_words_about_them() {
        assert_eq!(serde_json::to_string(&Remarks::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<Remarks>("{}").unwrap(), Remarks::default());
    }

    #[test]
    fn remarks_are_read_as_they_were_written() {
        let criteria = [
            ("correct".to_owned(), Rating::Which(Which::Right)),
            ("polite".to_owned(), Rating::Points { left: 4, right: 2 }),
        ];
        let remarks = Remarks {
            strength: Some(Strength::Little),
            criteria: criteria.into(),
            reason: "it names its source".to_owned(),
            flagged: true,
            written: Some(Written { text: "Better.".to_owned(), from: From::Right }),
            replaces: Some("7".to_owned()),
        };
        let line = serde_json::to_string(&remarks).unwrap();
        assert!(line.contains(r#""criteria":{"correct":"right","polite":{"left":4,"right":2}}"#));
        assert_eq!(serde_json::from_str::<Remarks>(&line).unwrap(), remarks);
    }
}
