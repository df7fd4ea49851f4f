//! What answers are rewarded for: rules with weights, the tables `[[rewards]]` of a run file.

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::llm::text::regex::Regex;

/// A reward function.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reward {
    /// What its numbers are called in the log. Empty: by its rule.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,

    /// By how much it counts beside the others.
    pub weight: f64,
    #[serde(flatten)]
    pub rule: Rule,
}

impl<'de> Deserialize<'de> for Reward {
    /// A key that no rule of this kind has is refused: a misspelled one would count for nothing.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut keys = Map::<String, Value>::deserialize(from)?;
        let name = keys.remove("name").unwrap_or_else(|| Value::from(""));
        let name: String = serde_json::from_value(name).map_err(D::Error::custom)?;
        let weight = keys.remove("weight").unwrap_or_else(|| Value::from(1.0));
        let weight: f64 = serde_json::from_value(weight).map_err(D::Error::custom)?;
        let kind = keys.get("rule").and_then(Value::as_str).unwrap_or_default().to_owned();
        let kinds = Rule::kinds();
        let Some((_, known)) = kinds.iter().find(|(known, _)| *known == kind) else {
            let names = kinds.map(|(name, _)| name).join(", ");
            let found = if kind.is_empty() { "no rule".to_owned() } else { format!("`{kind}`") };
            return Err(D::Error::custom(format!(
                "a reward has a rule, one of {names}; found {found}"
            )));
        };
        if let Some(stray) =
            keys.keys().find(|key| *key != "rule" && !known.keys().contains(&key.as_str()))
        {
            let message = format!(
                "`{stray}` is no key of a reward of rule {kind}: {}",
                known.keys().join(", ")
            );
            return Err(D::Error::custom(message));
        }
        let rule = serde_json::from_value(Value::Object(keys)).map_err(D::Error::custom)?;
        Ok(Self { name, weight, rule })
    }
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Rule {
    /// How long an answer is: its length over `per`; with a target, minus the distance from it over `per`.
    Length {
        #[serde(default)]
        unit: LengthUnit,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<f64>,

        /// So many units are a reward of 1.
        #[serde(default = "hundred")]
        per: f64,
    },

    /// 1 where a regular expression is found in the answer, else 0.
    Regex {
        pattern: String,

        /// The whole answer must match.
        #[serde(default)]
        whole: bool,
    },

    /// 1 where the answer is what a column of the row says, else 0. Rows without it are not rewarded.
    ExactMatch {
        column: String,
        #[serde(default)]
        ignore_case: bool,

        /// It is enough that the answer has it in it.
        #[serde(default)]
        contains: bool,
    },

    /// 1 where the answer is JSON, and fits the schema if there is one, else 0.
    Json {
        /// A JSON schema, as text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schema: Option<String>,
    },

    /// What a reward model or a classifier says: the score of a head with one output, the probability of a
    /// label of one with several.
    Model {
        /// An adapter with a score head on the model that is trained, or a folder of a classifier.
        path: PathBuf,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LengthUnit {
    Characters,
    #[default]
    Words,
    Tokens,
}

/// Every unit by its name in a run file.
pub const LENGTH_UNITS: [(&str, LengthUnit); 3] = [
    ("characters", LengthUnit::Characters),
    ("words", LengthUnit::Words),
    ("tokens", LengthUnit::Tokens),
];

fn hundred() -> f64 {
    100.0
}

impl Rule {
    /// One of each kind, as a screen begins with it.
    pub fn kinds() -> [(&'static str, Self); 5] {
        [
            ("length", Self::Length { unit: LengthUnit::Words, target: None, per: 100.0 }),
            ("regex", Self::Regex { pattern: String::new(), whole: false }),
            (
                "exact_match",
                Self::ExactMatch {
                    column: "answer".to_owned(),
                    ignore_case: true,
                    contains: false,
                },
            ),
            ("json", Self::Json { schema: None }),
            ("model", Self::Model { path: PathBuf::new(), label: None }),
        ]
    }

    /// Its name in a run file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Length { .. } => "length",
            Self::Regex { .. } => "regex",
            Self::ExactMatch { .. } => "exact_match",
            Self::Json { .. } => "json",
            Self::Model { .. } => "model",
        }
    }

    /// The keys beside `rule`, `name` and `weight`.
    fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::Length { .. } => &["unit", "target", "per"],
            Self::Regex { .. } => &["pattern", "whole"],
            Self::ExactMatch { .. } => &["column", "ignore_case", "contains"],
            Self::Json { .. } => &["schema"],
            Self::Model { .. } => &["path", "label"],
        }
    }

    /// What it pays for, in a sentence.
    pub fn explanation(&self) -> &'static str {
        match self {
            Self::Length { .. } => "Pays for the length of the answer",
            Self::Regex { .. } => "1 where the pattern is found in the answer, else 0",
            Self::ExactMatch { .. } => {
                "1 where the answer is what a column of the row says, else 0"
            }
            Self::Json { .. } => "1 where the answer is JSON (and fits the schema), else 0",
            Self::Model { .. } => "The score of a reward model, or the probability of a label",
        }
    }
}

impl Reward {
    pub fn of(rule: Rule) -> Self {
        Self { name: String::new(), weight: 1.0, rule }
    }

    /// As its numbers are called.
    pub fn title(&self) -> &str {
        if self.name.is_empty() { self.rule.kind() } else { &self.name }
    }

    /// What is wrong with it. `None`: nothing.
    pub fn problem(&self) -> Option<String> {
        if !self.weight.is_finite() {
            return Some("its weight must be a number".to_owned());
        }
        match &self.rule {
            Rule::Length { per, .. } if !(per.is_finite() && *per != 0.0) => {
                Some("per must be a number other than 0".to_owned())
            }
            Rule::Regex { pattern, .. } if pattern.is_empty() => {
                Some("give a pattern to look for".to_owned())
            }
            Rule::Regex { pattern, .. } => {
                let wrong = Regex::new(pattern).err();
                wrong.map(|err| format!("`{pattern}` is no regular expression: {err}"))
            }
            Rule::ExactMatch { column, .. } if column.is_empty() => {
                Some("name the column that has the right answer".to_owned())
            }
            Rule::Json { schema: Some(schema) } => match serde_json::from_str::<Value>(schema) {
                Ok(schema) if schema.is_object() => super::schema::problem(&schema),
                Ok(_) => Some("a JSON schema is an object: {\"type\": \"object\", …}".to_owned()),
                Err(err) => Some(format!("the schema is not JSON: {err}")),
            },
            Rule::Model { path, .. } if path.as_os_str().is_empty() => {
                Some("choose a reward model or a classifier".to_owned())
            }
            _ => None,
        }
    }
}

/// What is wrong with the rewards of a run.
pub(super) fn problems(rewards: &[Reward]) -> Vec<String> {
    if rewards.is_empty() {
        return vec!["say what answers are rewarded for: add at least one rule".to_owned()];
    }
    let mut found: Vec<String> = Vec::new();
    for (place, reward) in rewards.iter().enumerate() {
        if let Some(problem) = reward.problem() {
            found.push(format!("{}: {problem}", reward.title()));
        }
        if rewards[..place].iter().any(|other| other.title() == reward.title()) {
            let message = format!(
                "two of them are called `{}`: give one a name of its own, so that their numbers can be told \
                 apart",
                reward.title()
            );
            found.push(message);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reward_is_written_as_it_is_read_and_a_misspelled_key_is_named() {
        let text = "rule = \"length\"\nweight = 0.5\ntarget = 20.0";
        let reward: Reward = toml::from_str(text).unwrap();
        assert_eq!(reward.title(), "length");
        let written = toml::to_string(&reward).unwrap();
        assert_eq!(toml::from_str::<Reward>(&written).unwrap(), reward);
        let said =
            toml::from_str::<Reward>("rule = \"length\"\ntargets = 20").unwrap_err().to_string();
        assert!(said.contains("`targets`") && said.contains("target"), "{said}");
        let said = toml::from_str::<Reward>("rule = \"vibes\"").unwrap_err().to_string();
        assert!(said.contains("exact_match"), "{said}");
        for (kind, rule) in Rule::kinds() {
            assert_eq!(rule.kind(), kind);
        }
    }
}
