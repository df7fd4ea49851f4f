//! Answers that are labelled good or bad, one a row (KTO): `{"prompt", "completion", "label"}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::beside::beside;
use super::content::{
    Beside, Content, Fault, Fields, Note, Problem, Turned, Understood, Weight, are,
};
use super::dialogues;
use super::form::{Form, NO_LABEL, Read};
use super::prompt::understood;
use super::trl;
use super::value::given;
use crate::data::pair::{PreferencePair, Text};

/// The columns of the label.
const LABELS: [&str; 2] = ["label", "kto_tag"];

/// Whether the answer is a good one.
pub fn label(row: &Fields) -> Option<bool> {
    LABELS.iter().find_map(|key| label_in(row, key))
}

/// The same of a column of another name.
pub(crate) fn label_in(row: &Fields, key: &str) -> Option<bool> {
    match given(row, key)? {
        Value::Bool(label) => Some(*label),
        // Of a column with gaps, pandas makes 1.0 and 0.0.
        Value::Number(number) => match number.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0 | -1.0) => Some(false),
            _ => None,
        },
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "true" | "1" | "1.0" | "+1" | "yes" | "good" | "desirable" | "chosen" | "thumbs_up"
            | "thumbs up" | "👍" => Some(true),
            "false" | "0" | "0.0" | "-1" | "no" | "bad" | "undesirable" | "rejected"
            | "thumbs_down" | "thumbs down" | "👎" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A labelled answer with its question.
pub(crate) fn completion(row: &Fields) -> Result<Turned, Fault> {
    if given(row, "prompt").is_some() && given(row, "completion").is_some() {
        return trl::completion(row);
    }
    let mut messages = dialogues::dialogue(row)?;
    let key = dialogues::column(row);
    let Some(answer) = messages.pop().filter(|last| last.role == "assistant") else {
        let sentence = format!("the last message of \"{key}\" is not the assistant's");
        return Err(Fault::new(key, sentence));
    };
    let (prompt, completion) = (Text::Messages(messages), Text::Messages(vec![answer]));
    Ok(Turned::Into(Content::Completion { prompt, completion }))
}

/// Rows that TRL's `unpair_preference_dataset` takes at once.
const UNPAIRED_AT_ONCE: usize = 1000;

/// Each row with its label. A pair becomes a good answer and a bad one, as in TRL: of 1,000 pairs, all
/// the good ones come first.
pub(crate) fn each(
    rows: &[Understood],
    label: impl Fn(usize) -> Option<bool>,
    fault: impl Fn(usize) -> Fault,
) -> Result<Vec<Understood>, Problem> {
    let mut all = Vec::with_capacity(rows.len());
    for part in rows.chunks(UNPAIRED_AT_ONCE) {
        let mut bad = Vec::new();
        for understood in part {
            let of =
                |content, label| Understood { content, label: Some(label), ..understood.clone() };
            match &understood.content {
                Content::Preference(PreferencePair { prompt, chosen, rejected }) => {
                    let answer = |completion: &Text| Content::Completion {
                        prompt: prompt.clone(),
                        completion: completion.clone(),
                    };
                    all.push(of(answer(chosen), true));
                    bad.push(of(answer(rejected), false));
                }
                Content::Completion { .. } => match label(understood.row) {
                    Some(label) => all.push(of(understood.content.clone(), label)),
                    None => return Err(fault(understood.row).at(understood.row)),
                },
                Content::Whole(text) => match (last_answer(text), label(understood.row)) {
                    (Some(content), Some(label)) => all.push(of(content, label)),
                    _ => return Err(fault(understood.row).at(understood.row)),
                },
            }
        }
        all.append(&mut bad);
    }
    Ok(all)
}

/// What is wrong where a row has no label that says good or bad.
pub(crate) fn no_label(row: &Fields) -> Fault {
    let found = LABELS.iter().find_map(|key| Some((*key, given(row, key)?)));
    match found {
        Some((key, value)) => {
            let sentence = format!(
                "its \"{key}\" is {value}, which says neither that the answer is good (true, 1, \
                 \"good\", \"desirable\", \"yes\") nor that it is bad (false, 0, \"bad\", \
                 \"undesirable\", \"no\")"
            );
            Fault::new(key, sentence)
        }
        None => Fault::of_row(NO_LABEL.to_owned()),
    }
}

/// The last answer of a dialogue, with all before it as its prompt.
fn last_answer(text: &Text) -> Option<Content> {
    let Text::Messages(messages) = text else { return None };
    let (answer, before) = messages.split_last()?;
    (answer.role == "assistant" && !before.is_empty()).then(|| Content::Completion {
        prompt: Text::Messages(before.to_vec()),
        completion: Text::Messages(vec![answer.clone()]),
    })
}

/// Pairs of what was labelled good and bad of the same prompt, in the order of the file.
pub(crate) fn pairs(rows: &[Fields]) -> Result<Read, Problem> {
    /// The answers to one prompt that have no counterpart yet.
    struct Prompt {
        prompt: Text,
        beside: Beside,
        good: Vec<(usize, Text)>,
        bad: Vec<(usize, Text)>,
    }
    let mut prompts: Vec<Prompt> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let content = completion(row).map_err(|fault| fault.at(index))?;
        let Turned::Into(Content::Completion { prompt, completion }) = content else { continue };
        let beside = beside(row).map_err(|fault| fault.at(index))?;
        let Some(label) = label(row) else { return Err(no_label(row).at(index)) };
        let known = prompts.iter().position(|known| known.prompt == prompt);
        let place = known.unwrap_or_else(|| {
            prompts.push(Prompt { prompt, beside, good: Vec::new(), bad: Vec::new() });
            prompts.len() - 1
        });
        let answers = &mut prompts[place];
        if label { &mut answers.good } else { &mut answers.bad }.push((index, completion));
    }
    let mut read = Read { form: Form::Labelled, rows: Vec::new(), notes: Vec::new() };
    let mut alone = Vec::new();
    for Prompt { prompt, beside, good, bad } in prompts {
        let paired = good.len().min(bad.len());
        alone.extend(good[paired..].iter().chain(&bad[paired..]).map(|(index, _)| *index));
        for ((row, chosen), (_, rejected)) in good.into_iter().zip(bad) {
            let pair = PreferencePair { prompt: prompt.clone(), chosen, rejected };
            read.rows.push(understood(row, Content::Preference(pair), beside.clone(), false));
        }
    }
    if read.rows.is_empty() {
        let sentence = "This objective learns from pairs, and no prompt has both a good and a bad \
                        answer here. Take objective = \"sft\" or \"kto\", or rows with \"prompt\", \
                        \"chosen\" and \"rejected\"";
        return Err(Fault::of_row(sentence.to_owned()).at(0));
    }
    read.rows.sort_by_key(|row| row.row);
    alone.sort_unstable();
    let count = read.rows.len();
    let made = are(
        count,
        "pair was made of labelled answers: a good and a bad one to the same prompt",
        "pairs were made of labelled answers: a good and a bad one to the same prompt",
    );
    read.notes.push(Note { weight: Weight::Caution, sentence: made, rows: Vec::new() });
    if !alone.is_empty() {
        let sentence = are(
            alone.len(),
            "row is left out: there is no answer with the other label to its prompt",
            "rows are left out: there is no answer with the other label to their prompts",
        );
        read.notes.push(Note { weight: Weight::Problem, sentence, rows: alone });
    }
    Ok(read)
}

/// Whether the column of a label is there.
pub(crate) fn is_labelled(row: &Fields) -> bool {
    LABELS.iter().any(|key| row.contains_key(*key)) && label(row).is_some()
}

/// Rows that label an answer otherwise than an earlier one does.
pub(crate) fn contradictions(rows: &[Fields]) -> Vec<usize> {
    let mut seen: BTreeMap<[String; 2], bool> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let Ok(Turned::Into(content)) = completion(row) else { continue };
        let (Content::Completion { prompt, completion }, Some(label)) = (content, label(row))
        else {
            continue;
        };
        let key = [prompt.told_apart(), completion.told_apart()];
        if *seen.entry(key).or_insert(label) != label {
            found.push(index);
        }
    }
    found
}
