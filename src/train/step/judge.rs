//! What answers are paid: the rules of a run, made ready, and what each says of an answer.

use serde_json::Value;

use crate::data::pair::{Message, Text};
use crate::encoder::{self, Classifier, Labels, Problem};
use crate::jobs::Quiet;
use crate::llm::Adapter;
use crate::llm::model::Model;
use crate::llm::text::regex::Regex;
use crate::train::config::rewards::{LengthUnit, Reward, Rule};
use crate::train::config::{ConfigProblem, schema};
use crate::train::error::Error;
use crate::train::rows::batch::Example;

/// The rewards of a run.
pub struct Judge<'a> {
    model: &'a Model,
    rules: Vec<Ready>,
    pub names: Vec<String>,
    pub weights: Vec<f64>,
}

/// An answer to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Its prompt, with the columns of the row.
    pub example: &'a Example,
    pub text: &'a str,
    pub tokens: usize,
}

/// A rule that can be applied.
enum Ready {
    Length {
        unit: LengthUnit,
        target: Option<f64>,
        per: f64,
    },
    Regex(Regex, Where),
    Exact {
        column: String,
        ignore_case: bool,
        place: Where,
    },
    Json(Option<Value>),

    /// An adapter with a score head on the model that is trained; which of its outputs.
    Adapter(Box<Adapter>, Output),
    Classifier(Box<Classifier>, Output),
}

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Anywhere,

    /// It is the whole answer.
    Whole,
}

/// What is taken of a head's outputs.
#[derive(Clone, Debug, PartialEq)]
enum Output {
    /// The one score that there is.
    Score,

    /// The probability of a label.
    Label(usize),
}

impl<'a> Judge<'a> {
    /// Makes the rules ready: models are loaded here, and a rule that cannot be applied is refused.
    pub fn new(model: &'a Model, rewards: &[Reward]) -> Result<Self, Error> {
        let rules = rewards.iter().map(|reward| ready(model, reward));
        Ok(Self {
            model,
            rules: rules.collect::<Result<_, Error>>()?,
            names: rewards.iter().map(|reward| reward.title().to_owned()).collect(),
            weights: rewards.iter().map(|reward| reward.weight).collect(),
        })
    }

    /// What each rule gives. `None`: it does not apply.
    pub fn rewards(&self, judged: &Judged<'_>) -> Result<Vec<Option<f64>>, Error> {
        self.rules.iter().map(|rule| self.one(rule, judged)).collect()
    }

    fn one(&self, rule: &Ready, judged: &Judged<'_>) -> Result<Option<f64>, Error> {
        let text = judged.text;
        Ok(match rule {
            Ready::Length { unit, target, per } => {
                let length = match unit {
                    LengthUnit::Characters => text.chars().count(),
                    LengthUnit::Words => text.split_whitespace().count(),
                    LengthUnit::Tokens => judged.tokens,
                } as f64;
                Some(target.map_or(length, |target| -(length - target).abs()) / per)
            }
            Ready::Regex(regex, place) => {
                let trimmed = text.trim();
                let found = match place {
                    Where::Anywhere => regex.find_iter(text).next().is_some(),
                    Where::Whole => regex.find_iter(trimmed).any(|at| at == (0, trimmed.len())),
                };
                Some(one_or_zero(found))
            }
            Ready::Exact { column, ignore_case, place } => {
                let Some(expected) = judged.example.columns.get(column).and_then(as_text) else {
                    return Ok(None);
                };
                let normal = |text: &str| {
                    let trimmed = text.trim();
                    if *ignore_case { trimmed.to_lowercase() } else { trimmed.to_owned() }
                };
                let (found, expected) = (normal(text), normal(&expected));
                Some(one_or_zero(match place {
                    Where::Whole => found == expected,
                    Where::Anywhere => !expected.is_empty() && found.contains(&expected),
                }))
            }
            Ready::Json(schema) => {
                let value = serde_json::from_str::<Value>(text.trim()).ok();
                let fits = value.is_some_and(|value| {
                    schema.as_ref().is_none_or(|schema| schema::fits(&value, schema))
                });
                Some(one_or_zero(fits))
            }
            Ready::Adapter(adapter, output) => {
                let ids = dialogue_ids(self.model, judged)?;
                let scores =
                    encoder::adapted_scores(self.model, adapter, &ids).map_err(judge_error)?;
                let labels = Labels::of_head(adapter.score_head().ok_or(Error::NoScoreHead)?);
                Some(output.of(&scores, &labels))
            }
            Ready::Classifier(classifier, Output::Score) if classifier.decoder().is_some() => {
                let model = classifier.decoder().unwrap_or(self.model);
                let ids = dialogue_ids(model, judged)?;
                let scores = classifier.scores_of(&ids).map_err(judge_error)?;
                Some(Output::Score.of(&scores, classifier.labels()))
            }
            // A classifier of texts reads the answer alone.
            Ready::Classifier(classifier, output) => {
                let verdicts = classifier.classify(&[(text.to_owned(), None)], &Quiet);
                let verdicts = verdicts.map_err(judge_error)?;
                verdicts.first().map(|verdict| output.of(&verdict.scores, classifier.labels()))
            }
        })
    }
}

impl Output {
    fn of(&self, scores: &[f32], labels: &Labels) -> f64 {
        match self {
            Self::Score => scores.first().copied().map_or(f64::NAN, f64::from),
            Self::Label(place) => {
                labels.probabilities(scores).get(*place).copied().map_or(f64::NAN, f64::from)
            }
        }
    }
}

fn one_or_zero(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        _ => None,
    }
}

fn judge_error(source: encoder::Error) -> Error {
    Error::Judge(Box::new(source))
}

fn refused(message: String) -> Error {
    Error::Config(vec![ConfigProblem { field: "rewards", message }])
}

fn ready(model: &Model, reward: &Reward) -> Result<Ready, Error> {
    if let Some(problem) = reward.problem() {
        return Err(refused(format!("{}: {problem}", reward.title())));
    }
    let place = |whole: bool| if whole { Where::Whole } else { Where::Anywhere };
    Ok(match &reward.rule {
        Rule::Length { unit, target, per } => {
            Ready::Length { unit: *unit, target: *target, per: *per }
        }
        Rule::Regex { pattern, whole } => {
            let written = if *whole { format!(r"\A(?:{pattern})\z") } else { pattern.clone() };
            let regex = Regex::new(&written);
            let regex = regex.map_err(|err| refused(format!("`{pattern}`: {err}")))?;
            Ready::Regex(regex, place(*whole))
        }
        Rule::ExactMatch { column, ignore_case, contains } => Ready::Exact {
            column: column.clone(),
            ignore_case: *ignore_case,
            place: place(!contains),
        },
        Rule::Json { schema } => {
            Ready::Json(schema.as_deref().and_then(|schema| serde_json::from_str(schema).ok()))
        }
        Rule::Model { path, label } => {
            let is_adapter = path.join("adapter_config.json").is_file();
            let (labels, make): (Labels, Box<dyn FnOnce(Output) -> Ready>) = if is_adapter {
                let adapter = Adapter::load(path, model)
                    .map_err(|source| Error::Adapter { path: path.clone(), source })?;
                let head = adapter.score_head().ok_or_else(|| {
                    refused(format!(
                        "{} is an adapter without a score head: it writes answers and cannot score them. \
                         Train one with objective = \"reward\"",
                        path.display()
                    ))
                })?;
                let labels = Labels::of_head(head);
                (labels, Box::new(|output| Ready::Adapter(Box::new(adapter), output)))
            } else {
                let classifier = Classifier::load(path, &Quiet).map_err(judge_error)?;
                let labels = classifier.labels().clone();
                (labels, Box::new(|output| Ready::Classifier(Box::new(classifier), output)))
            };
            make(output(&labels, label.as_deref(), &path.display().to_string())?)
        }
    })
}

/// Which output of a head is meant.
fn output(labels: &Labels, label: Option<&str>, name: &str) -> Result<Output, Error> {
    let known = labels.names.join(", ");
    match label {
        None if labels.names.len() == 1 && labels.problem == Problem::Regression => {
            Ok(Output::Score)
        }
        None => Err(refused(format!(
            "{name} tells {known} apart: say whose probability is paid, with label"
        ))),
        Some(label) => {
            let place = labels.names.iter().position(|known| known == label);
            let place = place
                .ok_or_else(|| refused(format!("{name} has no label {label}; it has {known}")))?;
            if labels.problem == Problem::Regression {
                Ok(Output::Score)
            } else {
                Ok(Output::Label(place))
            }
        }
    }
}

/// Prompt and answer as a reward model reads them, as TRL gives them to one: through its own chat template,
/// or as one text.
fn dialogue_ids(model: &Model, judged: &Judged<'_>) -> Result<Vec<u32>, Error> {
    let line = judged.example.line;
    let text = match (&judged.example.prompt, model.chat()) {
        (Text::Messages(prompt), Some(chat)) => {
            let mut messages = prompt.clone();
            messages.push(Message::new("assistant", judged.text));
            let text = chat.render(&messages, false);
            text.map_err(|source| Error::Tokenize { line, source: source.into() })?
        }
        (prompt, _) => format!("{}{}", prompt.words(), judged.text),
    };
    let ids = model.tokenizer().encode(&text, false);
    let mut ids = ids.map_err(|source| Error::Tokenize { line, source: source.into() })?;
    ids.truncate(model.config().context_length);
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::llm::LoadOptions;
    use crate::llm::card::ModelSource;
    use crate::train::rows::sequence::Sequence;

    fn tiny() -> Model {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/models/llama");
        Model::load(&ModelSource::Folder(folder), &LoadOptions::default(), &Quiet).unwrap()
    }

    #[test]
    fn every_rule_pays_for_what_it_says() {
        let model = tiny();
        let mut example = Example::of_one(
            1,
            Text::Plain("2 + 2 =".to_owned()),
            String::new(),
            Sequence::new(vec![1], 1),
        );
        example.columns = json!({"answer": "Four", "year": 1952}).as_object().unwrap().clone();
        let paid = |rule: Rule, text: &str| {
            let judge = Judge::new(&model, &[Reward::of(rule)]).unwrap();
            judge.rewards(&Judged { example: &example, text, tokens: 7 }).unwrap()[0]
        };
        let length = |unit, target| Rule::Length { unit, target, per: 10.0 };
        assert_eq!(paid(length(LengthUnit::Words, None), "one two  three"), Some(0.3));
        assert_eq!(paid(length(LengthUnit::Characters, Some(5.0)), "äö"), Some(-0.3));
        assert_eq!(paid(length(LengthUnit::Tokens, None), ""), Some(0.7));
        let regex = |whole| Rule::Regex { pattern: r"\d+".to_owned(), whole };
        assert_eq!(paid(regex(false), "in 1952."), Some(1.0));
        assert_eq!(paid(regex(true), "in 1952."), Some(0.0));
        assert_eq!(paid(regex(true), " 1952\n"), Some(1.0));
        let exact = |column: &str, contains| Rule::ExactMatch {
            column: column.to_owned(),
            ignore_case: true,
            contains,
        };
        assert_eq!(paid(exact("answer", false), " four "), Some(1.0));
        assert_eq!(paid(exact("answer", false), "It is four."), Some(0.0));
        assert_eq!(paid(exact("answer", true), "It is four."), Some(1.0));
        assert_eq!(paid(exact("year", false), "1952"), Some(1.0));
        assert_eq!(paid(exact("place", false), "1952"), None, "the row has no such column");
        let schema = Some(r#"{"type": "object", "required": ["a"]}"#.to_owned());
        assert_eq!(paid(Rule::Json { schema: schema.clone() }, "{\"a\": 1}"), Some(1.0));
        assert_eq!(paid(Rule::Json { schema }, "{\"b\": 1}"), Some(0.0));
        assert_eq!(paid(Rule::Json { schema: None }, "Sure! {}"), Some(0.0));
    }

    #[test]
    fn a_reward_model_scores_prompt_and_answer_together() {
        let references = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
        let source = ModelSource::Folder(references.join("models/qwen3"));
        let model = Model::load(&source, &LoadOptions::default(), &Quiet).unwrap();
        let path = references.join("traces/reward_center/adapter_final");
        let rule = Rule::Model { path, label: None };
        let judge = Judge::new(&model, &[Reward::of(rule)]).unwrap();
        let prompt = Text::Plain("The answer".to_owned());
        let example = Example::of_one(1, prompt, String::new(), Sequence::new(vec![1], 1));
        let judged = Judged { example: &example, text: " is short.", tokens: 3 };
        let found = judge.rewards(&judged).unwrap()[0].unwrap();
        // scores.json of the trace, of the same text
        assert!((found - 0.308_601_4).abs() < 1e-4, "{found}");
        let writes = references.join("policy/adapter_init");
        let model = tiny();
        let refused = Judge::new(&model, &[Reward::of(Rule::Model { path: writes, label: None })]);
        let said = refused.err().unwrap().to_string();
        assert!(said.contains("without a score head"), "{said}");
    }
}
