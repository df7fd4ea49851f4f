//! The rows of a run as each engine reads them, what is held out apart.

use serde_json::{Map, Value, json};

use super::engine::Engine;
use crate::data::forms::{Content, Understood};
use crate::data::pair::{Message, PreferencePair, Text};
use crate::data::split;
use crate::data::split::Split;
use crate::train::config::TrainConfig;
use crate::train::rows::Row;

/// Which rows are trained on and which are held out, as a run here would draw them.
pub(super) fn split(rows: &[Row], config: &TrainConfig) -> Split {
    let groups: Vec<&str> = rows.iter().map(|row| row.understood.group.as_str()).collect();
    // Answers to prompts of GRPO and RLOO are not evaluated apart.
    let share = if config.objective.samples() { 0.0 } else { config.held_out_share };
    split::split(&groups, share, config.seed)
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
