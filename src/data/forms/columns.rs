//! Rows that are columns of text: a question, an answer or two, perhaps a system prompt and earlier
//! turns. Alpaca's, Axolotl's, H2O's, `AutoTrain`'s and their like, told apart by the columns' names.

use std::collections::BTreeMap;

use serde_json::Value;

use super::content::{Beside, Content, Fault, Fields, Problem, Turned, Want};
use super::form::{Answer, Form, NO_PAIR, Names, Read};
use super::prompt::understood;
use super::value::{given, kind_of, needed, plain};
use crate::data::pair::{Message, PreferencePair, Text};

const fn one(
    name: &'static str,
    question: &'static [&'static str],
    answer: &'static str,
    system: Option<&'static str>,
) -> Names {
    Names { name, question, answer: Answer::One(answer), system, history: Some("history") }
}

const fn pair(
    name: &'static str,
    question: &'static [&'static str],
    [chosen, rejected]: [&'static str; 2],
    system: Option<&'static str>,
) -> Names {
    let answer = Answer::Pair { chosen, rejected };
    Names { name, question, answer, system, history: Some("history") }
}

const ANSWERS: [&str; 2] = ["chosen", "rejected"];
const SYSTEM: Option<&str> = Some("system");

/// All of them; the first whose question and answers a row has is meant.
pub const KNOWN: [Names; 23] = [
    pair("Alpaca (preference)", &["instruction", "input"], ANSWERS, SYSTEM),
    pair("Axolotl's chatml.intel", &["question"], ANSWERS, SYSTEM),
    pair("Axolotl's chatml.icr", &["input"], ANSWERS, SYSTEM),
    pair("question and two answers", &["query"], ANSWERS, SYSTEM),
    pair(
        "Axolotl's chatml.argilla",
        &["instruction", "input"],
        ["chosen_response", "rejected_response"],
        SYSTEM,
    ),
    pair(
        "H2O LLM Studio (preference)",
        &["prompt"],
        ["chosen_response", "rejected_response"],
        SYSTEM,
    ),
    pair(
        "H2O LLM Studio (preference)",
        &["question"],
        ["chosen_response", "rejected_response"],
        SYSTEM,
    ),
    pair("H2O LLM Studio (preference)", &["instruction"], ["output", "rejected_output"], SYSTEM),
    pair("H2O LLM Studio (preference)", &["instruction"], ["output", "rejected_answer"], SYSTEM),
    pair("H2O LLM Studio (preference)", &["instruction"], ["answer", "rejected_answer"], SYSTEM),
    pair("H2O LLM Studio (preference)", &["prompt"], ["answer", "rejected_answer"], SYSTEM),
    pair("H2O LLM Studio (preference)", &["question"], ["answer", "rejected_answer"], SYSTEM),
    pair("AutoTrain (preference)", &["prompt"], ["text", "rejected_text"], SYSTEM),
    one("Alpaca", &["instruction", "input"], "output", SYSTEM),
    one("Dolly", &["instruction", "context"], "response", SYSTEM),
    one("instruction and answer", &["instruction", "input"], "answer", SYSTEM),
    one("OpenOrca", &["question"], "response", Some("system_prompt")),
    one("question and answer", &["question"], "answer", SYSTEM),
    one("Swift (query and response)", &["query"], "response", SYSTEM),
    one("question and answer", &["query"], "answer", SYSTEM),
    one("prompt and response", &["prompt"], "response", SYSTEM),
    one("prompt and answer", &["prompt"], "answer", SYSTEM),
    one("prompt and output", &["prompt"], "output", SYSTEM),
];

/// TRL's columns with a system prompt beside them, which TRL itself would not look at.
pub const PROMPT_PAIRS: Names = pair("Axolotl's chatml.prompt_pairs", &["prompt"], ANSWERS, SYSTEM);

impl Names {
    /// Whether a row has the columns.
    pub fn fit(&self, row: &Fields) -> bool {
        let has = |key: &str| row.contains_key(key);
        let answers = match self.answer {
            Answer::One(answer) => has(answer),
            Answer::Pair { chosen, rejected } => has(chosen) && has(rejected),
        };
        // The first of the questions' columns; what is added to it may be missing.
        answers && self.question.first().is_some_and(|question| has(question))
    }
}

pub(crate) fn content(row: &Fields, names: Names, want: Want) -> Result<Turned, Fault> {
    let mut prompt = before(row, &names)?;
    prompt.push(Message::new("user", &question(row, names.question)?));
    let prompt = Text::Messages(prompt);
    Ok(Turned::Into(match names.answer {
        Answer::One(answer) => match ranked(row, answer) {
            Some([chosen, _]) if want == Want::Answers => {
                Content::Completion { prompt, completion: chosen }
            }
            Some([chosen, rejected]) => {
                Content::Preference(PreferencePair { prompt, chosen, rejected })
            }
            None => Content::Completion { prompt, completion: said(row, answer)? },
        },
        Answer::Pair { chosen, rejected } => {
            let chosen = said(row, chosen)?;
            if want == Want::Answers {
                return Ok(Turned::Into(Content::Completion { prompt, completion: chosen }));
            }
            let rejected = said(row, rejected)?;
            Content::Preference(PreferencePair { prompt, chosen, rejected })
        }
    }))
}

/// The system prompt and the earlier turns.
fn before(row: &Fields, names: &Names) -> Result<Vec<Message>, Fault> {
    let mut messages = Vec::new();
    messages.extend(names.system.map(|key| system(row, key)).transpose()?.flatten());
    if let Some(key) = names.history {
        messages.extend(history(row, key)?);
    }
    Ok(messages)
}

/// The system prompt under `key`, if it has words.
pub(crate) fn system(row: &Fields, key: &str) -> Result<Option<Message>, Fault> {
    let Some(value) = given(row, key) else { return Ok(None) };
    let words = plain(key, value)?;
    Ok((!words.trim().is_empty()).then(|| Message::new("system", &words)))
}

/// Earlier turns: `[["question", "answer"], …]`.
pub(crate) fn history(row: &Fields, key: &str) -> Result<Vec<Message>, Fault> {
    let wrong = |what: &str| {
        let sentence =
            format!("\"{key}\" must be a list of [question, answer] pairs, and it {what}");
        Fault::new(key, sentence)
    };
    let turns = match given(row, key) {
        None => return Ok(Vec::new()),
        Some(Value::Array(turns)) => turns,
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(Vec::new()),
        Some(other) => return Err(wrong(&format!("is {}", kind_of(other)))),
    };
    let mut messages = Vec::new();
    for turn in turns {
        let Some([Value::String(question), Value::String(answer)]) =
            turn.as_array().map(Vec::as_slice)
        else {
            return Err(wrong("has an entry that is not two texts"));
        };
        messages.push(Message::new("user", question));
        messages.push(Message::new("assistant", answer));
    }
    Ok(messages)
}

/// The question: its columns that have words, a line each.
pub(crate) fn question<'a>(
    row: &Fields,
    keys: impl IntoIterator<Item = &'a (impl AsRef<str> + ?Sized + 'a)>,
) -> Result<String, Fault> {
    let mut parts = Vec::new();
    for key in keys {
        let key = key.as_ref();
        if let Some(value) = given(row, key) {
            let words = plain(key, value)?;
            if !words.is_empty() {
                parts.push(words);
            }
        }
    }
    Ok(parts.join("\n"))
}

/// A better and a worse answer as a list of two, as older versions of LLaMA-Factory want them.
fn ranked(row: &Fields, key: &str) -> Option<[Text; 2]> {
    let Some([Value::String(chosen), Value::String(rejected)]) =
        given(row, key).and_then(Value::as_array).map(Vec::as_slice)
    else {
        return None;
    };
    let answer = |words: &str| Text::Messages(vec![Message::new("assistant", words)]);
    Some([answer(chosen), answer(rejected)])
}

/// An answer of the assistant.
pub(crate) fn said(row: &Fields, key: &str) -> Result<Text, Fault> {
    let words = plain(key, needed(row, key)?)?;
    Ok(Text::Messages(vec![Message::new("assistant", &words)]))
}

/// The columns that H2O LLM Studio takes questions from.
const H2O_QUESTIONS: [&str; 2] = ["instruction", "prompt"];

/// The columns that H2O LLM Studio takes answers from.
const H2O_ANSWERS: [&str; 2] = ["output", "answer"];

/// Whether rows are links of a chain: `parent_id` names the row with the turn before.
pub(crate) fn is_chain(row: &Fields) -> bool {
    let has = |keys: &[&str]| keys.iter().any(|key| row.contains_key(*key));
    row.contains_key("id")
        && row.contains_key("parent_id")
        && has(&H2O_QUESTIONS)
        && has(&H2O_ANSWERS)
}

/// H2O's rows that name their parents: each with all turns before it.
pub(crate) fn chained(rows: &[Fields], want: Want) -> Result<Read, Problem> {
    let mut read = Read { form: Form::H2oChain, rows: Vec::new(), notes: Vec::new() };
    let by_id: BTreeMap<String, usize> =
        rows.iter().enumerate().filter_map(|(index, row)| Some((id(row, "id")?, index))).collect();
    let key = |row: &Fields, keys: [&'static str; 2]| {
        keys.into_iter().find(|key| row.contains_key(*key)).unwrap_or(keys[0])
    };
    let turn = |index: usize| -> Result<(String, Text), Fault> {
        let row = &rows[index];
        let words = question(row, [key(row, H2O_QUESTIONS)])?;
        Ok((words, said(row, key(row, H2O_ANSWERS))?))
    };
    for (index, row) in rows.iter().enumerate() {
        let mut chain = vec![index];
        while let Some(parent) = id(&rows[*chain.last().expect("it has the row")], "parent_id") {
            let Some(parent) = by_id.get(&parent) else { break };
            if chain.contains(parent) {
                let sentence = "\"parent_id\" leads back to the row itself".to_owned();
                return Err(Fault::new("parent_id", sentence).at(index));
            }
            chain.push(*parent);
        }
        let first = &rows[*chain.last().expect("it has the row")];
        let mut messages: Vec<Message> =
            system(first, "system").map_err(|fault| fault.at(index))?.into_iter().collect();
        for link in chain[1..].iter().rev() {
            let (question, answer) = turn(*link).map_err(|fault| fault.at(*link))?;
            messages.push(Message::new("user", &question));
            messages.extend(match answer {
                Text::Messages(answer) => answer,
                Text::Plain(_) => Vec::new(),
            });
        }
        let (question, chosen) = turn(index).map_err(|fault| fault.at(index))?;
        messages.push(Message::new("user", &question));
        let prompt = Text::Messages(messages);
        let rejected = ["rejected_answer", "rejected_output", "rejected_response"]
            .into_iter()
            .find(|key| given(row, key).is_some());
        let content = match (want, rejected) {
            (Want::Pairs | Want::Labelled, Some(key)) => {
                let rejected = said(row, key).map_err(|fault| fault.at(index))?;
                Content::Preference(PreferencePair { prompt, chosen, rejected })
            }
            (Want::Pairs, None) => {
                let sentence = NO_PAIR.to_owned();
                return Err(Fault::of_row(sentence).at(index));
            }
            (Want::Answers | Want::Prompts, _) | (Want::Labelled, None) => {
                Content::Completion { prompt, completion: chosen }
            }
        };
        read.rows.push(understood(index, content, Beside::default(), false));
    }
    Ok(read)
}

/// An id, which files have as text or as a number; empty is none.
fn id(row: &Fields, key: &str) -> Option<String> {
    let id = match given(row, key)? {
        Value::String(id) => id.trim().to_owned(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    (!id.is_empty()).then_some(id)
}
