//! Preference pairs of a round, as TRL reads them: from verdicts of a judge, or from those of people in Annotate.

use std::collections::BTreeMap;
use std::path::Path;

use super::chain::key;
use super::error::Error;
use super::record::{AnsweredTwice, PAIRS_FILE};
use crate::data::pair::{Message, PreferencePair, Text};
use crate::data::record::{Form, VerdictRecord};
use crate::data::store::PairStore;
use crate::files;

/// A verdict on two answers as a pair; `better` is 0 or 1.
pub fn pair(answered: &AnsweredTwice, better: usize, form: Form) -> PreferencePair {
    let [chosen, rejected] = match better {
        0 => [&answered.answer_a, &answered.answer_b],
        _ => [&answered.answer_b, &answered.answer_a],
    };
    let answer = |text: &str| match form {
        Form::Conversational => Text::Messages(vec![Message::new("assistant", text)]),
        Form::Standard => Text::Plain(format!(" {text}")), // TRL joins prompt and answer as they stand
    };
    let prompt = match (form, &answered.prompt) {
        (Form::Conversational, Text::Plain(text)) => {
            Text::Messages(vec![Message::new("user", text)])
        }
        (Form::Conversational, prompt) => prompt.clone(),
        (Form::Standard, prompt) => Text::Plain(prompt.words()),
    };
    PreferencePair { prompt, chosen: answer(chosen), rejected: answer(rejected) }
}

pub fn write(pairs: &[PreferencePair], folder: &Path) -> Result<(), Error> {
    let mut bytes = Vec::new();
    for pair in pairs {
        serde_json::to_writer(&mut bytes, pair).expect("a pair is valid JSON");
        bytes.push(b'\n');
    }
    let path = folder.join(PAIRS_FILE);
    files::write_atomic(&path, &bytes).map_err(|source| Error::Write { path, source })
}

/// What people said of a round's answers in a project: the pairs, and how many they called a tie or both bad.
/// A verdict that replaces another counts, and one on other answers to the same prompt does not.
pub fn of_people(
    answers: &[AnsweredTwice],
    verdicts: &Path,
    form: Form,
) -> Result<(Vec<PreferencePair>, usize), Error> {
    let failed = |err| Error::Verdicts(Box::new(err));
    let (store, _) = PairStore::open(verdicts).map_err(failed)?;
    let records = store
        .records()
        .read()
        .map_err(|err| Error::Damaged { path: verdicts.to_owned(), problem: err.to_string() })?;
    let mut said: BTreeMap<String, &VerdictRecord> = BTreeMap::new();
    let is_of = |record: &VerdictRecord, one: &AnsweredTwice| {
        let [left, right] = [record.left.text.trim(), record.right.text.trim()];
        let [a, b] = [one.answer_a.trim(), one.answer_b.trim()];
        key(&record.prompt) == key(&one.prompt)
            && ((left, right) == (a, b) || (left, right) == (b, a))
    };
    for record in &records {
        if answers.iter().any(|one| is_of(record, one)) {
            said.insert(key(&record.prompt), record);
        }
    }
    let pairs: Vec<PreferencePair> = said.values().filter_map(|record| record.pair(form)).collect();
    let ties = said.len() - pairs.len();
    Ok((pairs, ties))
}
