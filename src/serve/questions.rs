//! What a request to `/v1/systemone` asks: its texts and its typed questions, read before anything is
//! computed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::error::Refusal;
use super::fields::{Fields, kind, missing, wrong};
use crate::llm::generate::AdapterMode;

/// Texts of one request, questions about them, and options of a question, at most.
const MOST_STATES: usize = 4096;
const MOST_QUESTIONS: usize = 64;
const MOST_OPTIONS: usize = 255;

/// Orders of the options to average over, at most.
const MOST_ORDERS: u64 = 100;

#[derive(Clone, Debug)]
pub struct Decisions {
    pub adapter: AdapterMode,
    pub states: Vec<String>,
    pub questions: Vec<Question>,

    /// In how many orders the options of a choice are shown.
    pub orders: usize,

    /// Several texts were sent, so that a list is answered.
    pub is_batch: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub id: String,
    pub kind: QuestionKind,
    pub instructions: String,

    /// Two or more, each name once; of a `noul` what is said for false, then what is said for true.
    pub options: Vec<Choice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionKind {
    Choice,
    Score,

    /// True or false.
    Noul,
}

/// An option, by the name that the model has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub name: String,

    /// Empty: nothing but its name.
    pub means: String,
}

impl Decisions {
    pub fn read(
        adapter: AdapterMode,
        fields: &mut Fields,
        is_batch: bool,
    ) -> Result<Self, Refusal> {
        let states = if is_batch {
            let expected = "a list of texts";
            let all = fields.take("states").ok_or_else(|| missing("states", expected))?;
            let Value::Array(all) = all else { return Err(wrong("states", &all, expected)) };
            if all.is_empty() || all.len() > MOST_STATES {
                let message =
                    format!("\"states\" has {} texts; 1 to {MOST_STATES} are answered.", all.len());
                return Err(Refusal::of("states", message));
            }
            all.iter().map(words).collect()
        } else {
            let expected = "a text, or an object or a list that is shown as JSON";
            let state = fields.take("state").ok_or_else(|| missing("state", expected))?;
            vec![words(&state)]
        };
        let expected = "an object with a question for each name";
        let all = fields.take("questions").ok_or_else(|| missing("questions", expected))?;
        let Value::Object(all) = all else { return Err(wrong("questions", &all, expected)) };
        if all.is_empty() || all.len() > MOST_QUESTIONS {
            let message = format!(
                "\"questions\" has {} questions; 1 to {MOST_QUESTIONS} are answered.",
                all.len()
            );
            return Err(Refusal::of("questions", message));
        }
        let questions: Result<_, Refusal> =
            all.into_iter().map(|(id, question)| Question::read(id, question)).collect();
        let orders = fields.count("orders", (1, MOST_ORDERS))?.unwrap_or(1);
        Ok(Self { adapter, states, questions: questions?, orders, is_batch })
    }
}

impl Question {
    fn read(id: String, question: Value) -> Result<Self, Refusal> {
        let refuse = |said: String| Refusal::of("questions", format!("Question \"{id}\" {said}"));
        let mut parts = match question {
            Value::Object(parts) => parts,
            other => {
                let found = kind(&other);
                return Err(refuse(format!(
                    "is {found}; expected is an object with \"type\", \"instructions\" and \
                     \"criteria\"."
                )));
            }
        };
        let mut take = |name: &str| parts.shift_remove(name).filter(|value| !value.is_null());
        let kind = match take("type") {
            Some(Value::String(kind)) if kind == "choice" => QuestionKind::Choice,
            Some(Value::String(kind)) if kind == "score" => QuestionKind::Score,
            Some(Value::String(kind)) if kind == "noul" => QuestionKind::Noul,
            other => {
                let found =
                    other.map_or_else(|| "no type".to_owned(), |other| format!("the type {other}"));
                return Err(refuse(format!(
                    "has {found}; expected is \"choice\", \"score\" or \"noul\"."
                )));
            }
        };
        let instructions = take("instructions").map(|said| words(&said)).unwrap_or_default();
        if instructions.trim().is_empty() {
            return Err(refuse(
                "has no \"instructions\": say there what the model is to answer.".to_owned(),
            ));
        }
        let (criteria, labels) = (take("criteria"), take("labels"));
        let options = match kind {
            QuestionKind::Choice => choices(criteria),
            QuestionKind::Score => levels(criteria),
            QuestionKind::Noul => true_and_false(criteria, labels.as_ref()),
        };
        let options = options.map_err(refuse)?;
        if labels.is_some() && kind != QuestionKind::Noul {
            return Err(refuse("has \"labels\", which only a \"noul\" has.".to_owned()));
        }
        if let Some((other, _)) = parts.iter().next() {
            return Err(refuse(format!(
                "has \"{other}\", which this server does not know: an answer without it might not \
                 be what was asked for. Leave it out."
            )));
        }
        let distinct: BTreeSet<&str> = options.iter().map(|option| option.name.trim()).collect();
        if !(2..=MOST_OPTIONS).contains(&options.len()) {
            return Err(refuse(format!(
                "has {} options; 2 to {MOST_OPTIONS} are answered.",
                options.len()
            )));
        }
        if distinct.len() < options.len() || distinct.contains("") {
            return Err(refuse("has an option that is empty, or one twice.".to_owned()));
        }
        Ok(Self { id, kind, instructions, options })
    }
}

/// The labels with what they mean, or a list of labels.
fn choices(criteria: Option<Value>) -> Result<Vec<Choice>, String> {
    match criteria {
        Some(Value::Object(all)) => {
            Ok(all.into_iter().map(|(name, means)| Choice { name, means: words(&means) }).collect())
        }
        Some(Value::Array(all)) => all
            .into_iter()
            .map(|name| match name {
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    Err(format!("has a label that is {}; expected is a text.", kind(&name)))
                }
                name => Ok(Choice { name: words(&name), means: String::new() }),
            })
            .collect(),
        _ => Err("needs \"criteria\": an object with what each label means, or a list of labels."
            .to_owned()),
    }
}

/// What each level means, the lowest first; the model says its number.
fn levels(criteria: Option<Value>) -> Result<Vec<Choice>, String> {
    let Some(Value::Array(all)) = criteria else {
        return Err(
            "needs \"criteria\": a list with what each level means, level 0 first.".to_owned()
        );
    };
    let level = |(level, means): (usize, Value)| match words(&means) {
        means if means.trim().is_empty() => Err(format!("does not say what level {level} means.")),
        means => Ok(Choice { name: level.to_string(), means }),
    };
    all.into_iter().enumerate().map(level).collect()
}

/// What is said for false and for true, and when.
fn true_and_false(criteria: Option<Value>, labels: Option<&Value>) -> Result<Vec<Choice>, String> {
    let keys = ["false", "true"];
    let only_these = |all: &Map<String, Value>| all.keys().all(|key| keys.contains(&key.as_str()));
    let criteria = match criteria {
        None => Map::new(),
        Some(Value::Object(all)) if only_these(&all) => all,
        Some(_) => {
            return Err(
                "has \"criteria\" other than an object with \"true\" and \"false\". To word \
                        the answers differently, set \"labels\"."
                    .to_owned(),
            );
        }
    };
    let labels = match labels {
        None => ["no".to_owned(), "yes".to_owned()],
        Some(labels) => {
            let named = keys.map(|key| labels.get(key).and_then(Value::as_str).map(str::trim));
            let [Some(no), Some(yes)] = named else {
                return Err(
                    "has \"labels\" other than an object with a text for \"true\" and for \
                            \"false\"."
                        .to_owned(),
                );
            };
            [no.to_owned(), yes.to_owned()]
        }
    };
    let means = keys.map(|key| criteria.get(key).map(words).unwrap_or_default());
    Ok(labels.into_iter().zip(means).map(|(name, means)| Choice { name, means }).collect())
}

/// A text as it stands; anything else as JSON, nothing as nothing.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Decisions, Refusal> {
        let mut fields = Fields::read(value.to_string().as_bytes()).unwrap();
        let is_batch = value.get("states").is_some();
        let read = Decisions::read(AdapterMode::Off, &mut fields, is_batch)?;
        fields.finish("/v1/systemone")?;
        Ok(read)
    }

    fn choice(name: &str, means: &str) -> Choice {
        Choice { name: name.to_owned(), means: means.to_owned() }
    }

    #[test]
    fn questions_of_every_type_are_read() {
        let asked = read(&json!({
            "state": {"body": "billed twice"},
            "questions": {
                "team": {"type": "choice", "instructions": "Which team?",
                         "criteria": {"billing": "refunds", "tech": null}},
                "tone": {"type": "score", "instructions": "How angry?", "criteria": ["calm", 7]},
                "leaves": {"type": "noul", "instructions": "Will they leave?",
                           "criteria": {"true": "they say so"}},
                "said": {"type": "noul", "instructions": "Is it so?",
                         "labels": {"true": "agree", "false": "disagree"}},
                "short": {"type": "choice", "instructions": "Which?", "criteria": ["a", 2]},
            },
        }))
        .unwrap();
        assert_eq!(asked.states, ["{\"body\":\"billed twice\"}"]);
        let options = |at: usize| asked.questions[at].options.clone();
        assert_eq!(options(0), [choice("billing", "refunds"), choice("tech", "")]);
        assert_eq!(options(1), [choice("0", "calm"), choice("1", "7")]);
        assert_eq!(options(2), [choice("no", ""), choice("yes", "they say so")]);
        assert_eq!(options(3), [choice("disagree", ""), choice("agree", "")]);
        assert_eq!(options(4), [choice("a", ""), choice("2", "")]);
        assert_eq!((asked.orders, asked.is_batch), (1, false));
    }

    #[test]
    fn what_is_wrong_with_a_question_is_said_with_its_name() {
        let said = |question: Value| {
            let body = json!({"state": "a", "questions": {"q": question}});
            let refusal = read(&body).unwrap_err();
            assert_eq!(refusal.param.as_deref(), Some("questions"));
            refusal.message
        };
        let ask = "Which?";
        for (question, words) in [
            (json!("a"), "Question \"q\" is a text; expected is an object"),
            (json!({"instructions": ask}), "Question \"q\" has no type; expected is \"choice\""),
            (json!({"type": "rank", "instructions": ask}), "has the type \"rank\""),
            (json!({"type": "choice", "criteria": ["a", "b"]}), "has no \"instructions\""),
            (json!({"type": "choice", "instructions": ask}), "needs \"criteria\": an object"),
            (json!({"type": "choice", "instructions": ask, "criteria": ["a"]}), "has 1 options"),
            (json!({"type": "choice", "instructions": ask, "criteria": ["a", "a "]}), "one twice"),
            (json!({"type": "choice", "instructions": ask, "criteria": ["a", null]}), "is null"),
            (json!({"type": "score", "instructions": ask, "criteria": {"a": 1}}), "level 0 first"),
            (json!({"type": "score", "instructions": ask, "criteria": ["a", null]}), "level 1"),
            (json!({"type": "noul", "instructions": ask, "criteria": {"yes": "a"}}), "\"labels\""),
            (json!({"type": "noul", "instructions": ask, "labels": ["a"]}), "for \"true\" and"),
            (
                json!({"type": "choice", "instructions": ask, "criteria": ["a", "b"], "labels": {}}),
                "only a \"noul\"",
            ),
            (
                json!({"type": "choice", "instructions": ask, "criteria": ["a", "b"], "top": 3}),
                "has \"top\", which this server does not know",
            ),
        ] {
            let found = said(question);
            assert!(found.contains(words), "{found}");
        }
        let none = read(&json!({"state": "a", "questions": {}})).unwrap_err();
        assert!(none.message.contains("has 0 questions"), "{}", none.message);
        let missing = read(&json!({"questions": {"q": 1}})).unwrap_err();
        assert_eq!(missing.code, Some("missing_required_parameter"));
        assert!(read(&json!({"states": [], "questions": {}})).is_err());
    }
}
