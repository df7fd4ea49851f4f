//! Two answers that a file brought: who gave them stays hidden until the verdict, and is written
//! into it.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::item::{Asked, Item, Phase};
use crate::data::forms::candidates::Candidate;
use crate::data::glance::hash_of_both;
use crate::data::pair::Text;
use crate::data::record::ShownAnswer;

/// Why such an answer ended: nobody knows.
const GIVEN: &str = "given";

/// Answers of a run's model to new prompts, which the next run learns from once they are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswersOfRound {
    pub folder: PathBuf,

    /// The run whose model answered, by its name among the runs.
    pub run: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenPair(pub [Candidate; 2]);

impl GivenPair {
    /// Put up to be judged since second `now`.
    pub fn item(&self, prompt: &Text, left_lane: usize, now: f64) -> Item {
        let asked = Asked {
            prompt: prompt.clone(),
            model: Value::Null,
            adapter: None,
            sampling: Value::Null,
            max_new_tokens: 0,
            models: None,
        };
        let answers = self.0.each_ref().map(|candidate| ShownAnswer {
            text: candidate.text.clone(),
            stop: Some(GIVEN.to_owned()),
            ..ShownAnswer::default()
        });
        Item {
            phase: Phase::Ready { since: now },
            asked: Some(asked),
            answers,
            left_lane,
            ..Item::default()
        }
    }

    /// The two answers as verdicts about them have them at a glance.
    pub fn hash(&self) -> u64 {
        let [one, other] = &self.0;
        hash_of_both(&one.text, &other.text)
    }

    /// Whether the two models are these, either way round.
    pub fn is_between(&self, models: &[String; 2]) -> bool {
        let own = self.0.each_ref().map(|candidate| candidate.model.as_deref());
        let [one, other] = models.each_ref().map(|model| Some(model.as_str()));
        own == [one, other] || own == [other, one]
    }

    /// What a verdict says of where its answers come from: `left_model`, `right_model`, `source`.
    pub fn origin(&self, left_lane: usize, source: &str) -> Map<String, Value> {
        let mut origin = Map::new();
        for (key, lane) in [("left_model", left_lane), ("right_model", 1 - left_lane)] {
            if let Some(model) = &self.0[lane].model {
                origin.insert(key.to_owned(), Value::from(model.as_str()));
            }
        }
        origin.insert("source".to_owned(), Value::from(source));
        origin
    }
}
