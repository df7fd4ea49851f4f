//! A verdict with everything that is needed to report it, repeat it and doubt it.
//!
//! The data layer knows no models. What a model says of itself (its identity, the sampling
//! settings) is kept as the JSON that the recorder passed in, and handed on unread.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::data::pair::{Message, PreferencePair, Text, Verdict};
use crate::data::remarks::{From as MadeFrom, Remarks};

/// The version of the record's layout that this program writes.
pub const RECORD_VERSION: u32 = 1;

/// What a person said of two answers, and where those came from. A line of `pairs.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// [`RECORD_VERSION`] of the program that wrote it.
    pub version: u32,

    /// Unique in its file: see [`record_id`].
    pub id: String,

    /// RFC 3339 in UTC, to the millisecond.
    pub created_at: String,

    /// What was asked: plain text for a model without a chat template, else messages.
    pub prompt: Text,

    /// The prompt as the model saw it, after the chat template.
    pub rendered_prompt: String,
    pub left: ShownAnswer,
    pub right: ShownAnswer,

    /// Which of the two lanes that were generated (0 or 1) was shown on the left. Drawn at
    /// random, so that a person who likes the left side does not favour a seed.
    pub left_lane: usize,
    pub verdict: Verdict,

    /// From the moment both answers were there to the verdict.
    pub seconds_taken: f64,

    /// What the person was told to look for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub guideline: String,

    /// The model's identity: name, hub repository and commit where known, SHA-256.
    pub model: Value,

    /// The adapter over it, or null.
    pub adapter: Option<AdapterUsed>,

    /// The sampling settings of both answers.
    pub sampling: Value,
    pub max_new_tokens: usize,

    /// `tuning-fork 0.1.0`
    pub program: String,

    /// How much better, by which criteria, why, and what the person would have answered.
    #[serde(flatten)]
    pub remarks: Remarks,

    /// What a later version wrote and this one does not know. Kept, so that nothing is lost.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// An answer as it stood on the screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShownAnswer {
    pub text: String,
    pub seed: u64,

    /// Why it ended: `end_of_turn`, `stop_string`, `length`, `context_full` or `stopped`. Null: it
    /// had not, when the prompt was skipped.
    pub stop: Option<String>,
    pub token_count: usize,
}

/// The LoRA adapter that was loaded while the answers were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterUsed {
    pub name: String,

    /// Of `adapter_model.safetensors`.
    pub sha256: String,

    /// `on` or `off`: whether it took part. `compared`: in one of the two answers.
    pub mode: String,
}

/// An id from the time of the verdict and a running number.
///
/// `2026-11-21T20:31:05.123Z` and 7 make `20261121T203105123Z-0007`.
pub fn record_id(created_at: &str, count: usize) -> String {
    let time: String = created_at.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{time}-{count:04}")
}

/// How a pair is spelled in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Messages, for models with a chat template.
    #[default]
    Conversational,

    /// Plain text. TRL joins prompt and answer as they stand.
    Standard,
}

impl VerdictRecord {
    /// The better and the worse answer, if the verdict says which.
    ///
    /// An answer that the person wrote is better than both. The worse one is then the one that the
    /// verdict calls so; where it calls none so, the one that the person began with.
    pub fn chosen_and_rejected(&self) -> Option<(&str, &str)> {
        let (left, right) = (self.left.text.as_str(), self.right.text.as_str());
        let worse = match self.verdict {
            Verdict::Left => Some((left, right)),
            Verdict::Right => Some((right, left)),
            Verdict::Tie | Verdict::BothBad | Verdict::Skip => None,
        };
        let Some(written) = &self.remarks.written else { return worse };
        let begun_with = match written.from {
            MadeFrom::Left | MadeFrom::Nothing => left,
            MadeFrom::Right => right,
        };
        Some((&written.text, worse.map_or(begun_with, |(_, worse)| worse)))
    }

    /// The two models that a record knows: of the left and of the right answer.
    pub fn models(&self) -> Option<[String; 2]> {
        let named = |key| self.model_named(key).map(str::to_owned);
        Some([named("left_model")?, named("right_model")?])
    }

    /// The model behind one answer, by its key: `left_model` or `right_model`.
    pub fn model_named(&self, key: &str) -> Option<&str> {
        match self.more.get(key)? {
            Value::String(name) => Some(name),
            other => other.get("name")?.as_str(),
        }
    }

    /// The pair to train on in the form in which it was asked: a prompt of plain text, which a model
    /// without a chat template has answered, stays plain.
    pub fn own_pair(&self) -> Option<PreferencePair> {
        self.pair(self.own_form())
    }

    /// The form in which it was asked.
    pub fn own_form(&self) -> Form {
        match self.prompt {
            Text::Plain(_) => Form::Standard,
            Text::Messages(_) => Form::Conversational,
        }
    }

    /// The pair to train on, if the verdict says which answer is better.
    ///
    /// In the standard form an answer to messages gets a space in front, since TRL joins prompt
    /// and answer without one: `What is a DOI?` and ` A name that stays.` An answer that
    /// continues a plain prompt is left as it is.
    pub fn pair(&self, form: Form) -> Option<PreferencePair> {
        let (chosen, rejected) = self.chosen_and_rejected()?;
        let answer = |answer: &str| match form {
            Form::Conversational => Text::Messages(vec![Message::new("assistant", answer)]),
            Form::Standard => Text::Plain(match &self.prompt {
                Text::Messages(_) if !answer.starts_with(char::is_whitespace) => {
                    format!(" {answer}")
                }
                Text::Messages(_) | Text::Plain(_) => answer.to_owned(),
            }),
        };
        let prompt = match (form, &self.prompt) {
            (Form::Conversational, Text::Plain(text)) => {
                Text::Messages(vec![Message::new("user", text)])
            }
            (Form::Conversational, Text::Messages(_)) => self.prompt.clone(),
            (Form::Standard, _) => Text::Plain(self.prompt.words()),
        };
        Some(PreferencePair { prompt, chosen: answer(chosen), rejected: answer(rejected) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::record;

    #[test]
    fn the_better_answer_is_chosen_whichever_side_it_was_on() {
        let words = |verdict| {
            let pair = record("1", "why", verdict).pair(Form::Standard);
            pair.map(|pair| (pair.chosen.words(), pair.rejected.words()))
        };
        let (left, right) = (" left answer to why".to_owned(), " right answer to why".to_owned());
        assert_eq!(words(Verdict::Left), Some((left.clone(), right.clone())));
        assert_eq!(words(Verdict::Right), Some((right, left)));
        assert_eq!(words(Verdict::Tie), None);
        assert_eq!(words(Verdict::BothBad), None);
        assert_eq!(words(Verdict::Skip), None);
    }

    #[test]
    fn an_answer_of_ones_own_is_better_than_what_it_was_made_from() {
        use crate::data::remarks::Written;
        let texts = |verdict, from| {
            let mut record = record("1", "why", verdict);
            record.remarks.written = Some(Written { text: "mine".to_owned(), from });
            let (chosen, rejected) = record.chosen_and_rejected().unwrap();
            assert_eq!(chosen, "mine");
            rejected.split(' ').next().unwrap_or_default().to_owned()
        };
        assert_eq!(texts(Verdict::Left, MadeFrom::Left), "right");
        assert_eq!(texts(Verdict::BothBad, MadeFrom::Right), "right");
        assert_eq!(texts(Verdict::Tie, MadeFrom::Nothing), "left");
    }

    #[test]
    fn a_continuation_keeps_its_own_spaces() {
        let mut record = record("1", "", Verdict::Left);
        record.prompt = Text::Plain("The sky is".to_owned());
        record.left.text = " blue.".to_owned();
        let standard = record.pair(Form::Standard).unwrap();
        assert_eq!(standard.prompt, Text::Plain("The sky is".to_owned()));
        assert_eq!(standard.chosen, Text::Plain(" blue.".to_owned()));
        let conversational = record.pair(Form::Conversational).unwrap();
        assert_eq!(
            serde_json::to_string(&conversational.prompt).unwrap(),
            r#"[{"role":"user","content":"The sky is"}]"#
        );
    }

    #[test]
    fn a_pair_keeps_the_form_in_which_it_was_asked() {
        let asked = record("1", "why", Verdict::Left);
        assert_eq!(asked.own_pair(), asked.pair(Form::Conversational));
        let mut continued = asked;
        continued.prompt = Text::Plain("The sky is".to_owned());
        continued.left.text = " blue.".to_owned();
        assert_eq!(continued.own_pair().unwrap().chosen, Text::Plain(" blue.".to_owned()));
        assert_eq!(continued.own_pair().unwrap().prompt, Text::Plain("The sky is".to_owned()));
    }

    #[test]
    fn what_a_later_version_wrote_survives_this_one() {
        let mut json = serde_json::to_value(record("1", "why", Verdict::Tie)).unwrap();
        json["confidence"] = 4.into();
        let record: VerdictRecord = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap(), json);
    }

    #[test]
    fn an_id_is_the_time_and_a_number() {
        assert_eq!(record_id("2026-11-21T20:31:05.123Z", 7), "20261121T203105123Z-0007");
    }
}
