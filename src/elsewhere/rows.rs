//! The rows of a run as each engine reads them, what is held out apart.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::engine::Engine;
use crate::data::forms::{Content, Understood};
use crate::data::pair::{Message, PreferencePair, Text};
use crate::data::split::Split;
use crate::train::config::TrainConfig;
use crate::train::record::sources::SourceRows;
use crate::train::rows::Row;
use crate::train::rows::mix;
use crate::train::rows::mix::{Arranged, Place};

/// The rows of a run's files, and which are trained on and which are held out, as a run here would draw them: of
/// one file in its order, of several as they stand among each other, what is held out at the end.
pub(super) fn arranged(
    files: Vec<Vec<Row>>,
    config: &TrainConfig,
) -> (Vec<Row>, Split, Vec<SourceRows>) {
    let group = |row: &Row| row.understood.group.clone();
    let groups: Vec<Vec<String>> =
        files.iter().map(|rows| rows.iter().map(group).collect()).collect();
    let groups: Vec<Vec<&str>> =
        groups.iter().map(|groups| groups.iter().map(String::as_str).collect()).collect();
    let Arranged { train, held_out, sources } = mix::arranged(&groups, config);
    if files.len() == 1 {
        let rows = |places: &[Place]| places.iter().map(|(_, row)| *row).collect();
        let split = Split { train: rows(&train), held_out: rows(&held_out) };
        return (files.into_iter().next().unwrap_or_default(), split, Vec::new());
    }
    let places = train.iter().chain(&held_out);
    let rows: Vec<Row> = places.map(|(file, row)| files[*file][*row].clone()).collect();
    let split =
        Split { train: (0..train.len()).collect(), held_out: (train.len()..rows.len()).collect() };
    (rows, split, sources)
}

/// Plain texts among prompts with completions, as completions of nothing, from which the same is learned: engines
/// read one form. Why there is none for all rows, else.
pub(super) fn in_one_form(rows: &mut [Row]) -> Result<(), &'static str> {
    let is_chat = |text: &Text| matches!(text, Text::Messages(_));
    let form = |row: &Row| match &row.understood.content {
        Content::Preference(pair) => (Kind::Pair, is_chat(&pair.prompt)),
        Content::Completion { prompt, .. } => (Kind::Completion, is_chat(prompt)),
        Content::Whole(text) => (Kind::Whole, is_chat(text)),
    };
    let forms: BTreeSet<(Kind, bool)> = rows.iter().map(form).collect();
    if forms.len() <= 1 {
        return Ok(());
    }
    if forms.iter().any(|(_, chat)| *chat) {
        return Err("some of the mixed files are conversations and some plain text");
    }
    if forms.contains(&(Kind::Pair, false)) {
        return Err("some of the mixed files are pairs and some are not");
    }
    for row in rows {
        if let Content::Whole(Text::Plain(words)) = &row.understood.content {
            let completion = Text::Plain(words.clone());
            row.understood.content =
                Content::Completion { prompt: Text::Plain(String::new()), completion };
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Pair,
    Completion,
    Whole,
}

/// JSON Lines of the rows `indices`.
pub(super) fn lines(
    rows: &[Row],
    indices: &[usize],
    config: &TrainConfig,
    engine: Engine,
) -> String {
    let line = |index: &usize| {
        let row = &rows[*index].understood;
        let value = match engine {
            Engine::Trl | Engine::HfJobs => trl(row, config),
            Engine::LlamaFactory => llama_factory(row),
            Engine::Axolotl => axolotl(row, config),
        };
        format!("{value}\n")
    };
    indices.iter().map(line).collect()
}

/// TRL's own forms.
pub(super) fn trl(row: &Understood, config: &TrainConfig) -> Value {
    let mut fields = Map::new();
    if config.objective.samples() {
        // Rules look at the other columns.
        for (key, value) in &row.columns {
            if !["prompt", "completion", "completions", "chosen", "rejected", "messages"]
                .contains(&key.as_str())
            {
                fields.insert(key.clone(), value.clone());
            }
        }
        fields.insert("prompt".to_owned(), json!(row.asked));
        beside(row, &mut fields);
        return Value::Object(fields);
    }
    match &row.content {
        Content::Preference(pair) => {
            fields.insert("prompt".to_owned(), json!(pair.prompt));
            fields.insert("chosen".to_owned(), json!(pair.chosen));
            fields.insert("rejected".to_owned(), json!(pair.rejected));
        }
        Content::Completion { prompt, completion } => {
            fields.insert("prompt".to_owned(), json!(prompt));
            fields.insert("completion".to_owned(), json!(completion));
        }
        Content::Whole(text) => {
            let key = if matches!(text, Text::Plain(_)) { "text" } else { "messages" };
            fields.insert(key.to_owned(), json!(text));
        }
    }
    if let Some(label) = row.label {
        fields.insert("label".to_owned(), json!(label));
    }
    if let Some(margin) = row.margin {
        fields.insert("margin".to_owned(), json!(margin));
    }
    beside(row, &mut fields);
    Value::Object(fields)
}

fn beside(row: &Understood, fields: &mut Map<String, Value>) {
    if let Some(tools) = &row.beside.tools {
        fields.insert("tools".to_owned(), tools.clone());
    }
    if !row.beside.kwargs.is_empty() {
        fields.insert("chat_template_kwargs".to_owned(), json!(row.beside.kwargs));
    }
}

fn messages(text: &Text, role: &str) -> Vec<Message> {
    match text {
        Text::Messages(messages) => messages.clone(),
        Text::Plain(words) => vec![Message::new(role, words)],
    }
}

/// The prompt as `messages`, and the two answers as the last message of each.
fn put_pair(pair: &PreferencePair, fields: &mut Map<String, Value>) {
    fields.insert("messages".to_owned(), json!(messages(&pair.prompt, "user")));
    let last = |text: &Text| json!(messages(text, "assistant").last());
    fields.insert("chosen".to_owned(), last(&pair.chosen));
    fields.insert("rejected".to_owned(), last(&pair.rejected));
}

/// One list of `messages`, with `chosen`, `rejected` and `kto_tag` beside it: its `sharegpt` form with
/// the tags of `OpenAI`.
fn llama_factory(row: &Understood) -> Value {
    let mut fields = Map::new();
    match &row.content {
        Content::Preference(pair) => put_pair(pair, &mut fields),
        Content::Completion { prompt, completion } => {
            let mut all = messages(prompt, "user");
            all.extend(messages(completion, "assistant"));
            fields.insert("messages".to_owned(), json!(all));
            if let Some(label) = row.label {
                fields.insert("kto_tag".to_owned(), json!(label));
            }
        }
        Content::Whole(Text::Plain(words)) => {
            // Its form for pretraining on text, under the column `prompt`.
            fields.insert("text".to_owned(), json!(words));
        }
        Content::Whole(Text::Messages(all)) => {
            fields.insert("messages".to_owned(), json!(all));
        }
    }
    Value::Object(fields)
}

/// Conversations, or segments of text of which some are learned from.
fn axolotl(row: &Understood, config: &TrainConfig) -> Value {
    let mut fields = Map::new();
    match &row.content {
        Content::Preference(pair) => put_pair(pair, &mut fields),
        Content::Completion {
            prompt: Text::Plain(prompt),
            completion: Text::Plain(completion),
        } => {
            let learns = !config.completion_only_loss;
            let segments = json!([
                {"label": learns, "text": prompt},
                {"label": true, "text": completion},
            ]);
            fields.insert("segments".to_owned(), segments);
        }
        Content::Completion { prompt, completion } => {
            let mut all = messages(prompt, "user");
            if let Some(label) = row.label {
                fields.insert("messages".to_owned(), json!(all));
                let answer = messages(completion, "assistant");
                fields.insert("completion".to_owned(), json!(answer.last()));
                fields.insert("label".to_owned(), json!(label));
            } else {
                all.extend(messages(completion, "assistant"));
                fields.insert("messages".to_owned(), json!(all));
            }
        }
        Content::Whole(Text::Plain(words)) => {
            fields.insert("text".to_owned(), json!(words));
        }
        Content::Whole(Text::Messages(all)) => {
            fields.insert("messages".to_owned(), json!(all));
        }
    }
    Value::Object(fields)
}
