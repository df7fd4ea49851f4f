//! Which form rows have, told by the keys of the first one; what to say where they have none.

use serde_json::Value;

use super::annotation;
use super::columns::{KNOWN, PROMPT_PAIRS, is_chain};
use super::content::{Fields, Want};
use super::form::Form;
use super::graded;
use super::labelled;
use super::value::{given, keys};

/// Columns that ask, where there is no answer beside them.
const PROMPT_COLUMNS: [&str; 4] = ["question", "instruction", "query", "text"];

/// The form of a file whose first row this is.
pub fn form_of(row: &Fields, want: Want) -> Option<Form> {
    let has = |key: &str| given(row, key).is_some();
    let has_all = |keys: &[&str]| keys.iter().all(|key| has(key));
    let is_list = |key: &str| given(row, key).is_some_and(Value::is_array);
    let is_object = |key: &str| given(row, key).is_some_and(Value::is_object);
    let is_text = |key: &str| given(row, key).is_some_and(Value::is_string);

    if annotation::is_verdict(row) {
        return Some(Form::Verdicts);
    }
    if is_object("data") && (is_list("annotations") || is_list("completions")) {
        return Some(Form::LabelStudio);
    }
    if has("annotation_id") && has("lead_time") {
        return Some(Form::LabelStudioMin);
    }
    if annotation::is_argilla(row) {
        return Some(Form::Argilla);
    }
    if annotation::is_potato(row) {
        return Some(Form::Potato);
    }
    if is_object("input") && has_all(&["preferred_output", "non_preferred_output"]) {
        return Some(Form::OpenAiPreference);
    }
    if is_list("contents") {
        return Some(Form::Gemini);
    }
    if has_all(&["conversation_a", "conversation_b"])
        || has_all(&["prompt", "response_a", "response_b"])
    {
        return Some(Form::Arena);
    }
    if has_all(&["history", "human_ref_A", "human_ref_B", "labels"]) {
        return Some(Form::Shp);
    }
    if graded::is_helpsteer(row) {
        return Some(Form::HelpSteer);
    }
    if graded::is_nectar(row) {
        return Some(Form::Nectar);
    }
    if has("instruction") && is_list("completions") {
        return Some(Form::UltraFeedback);
    }
    if has_all(&["chosen", "rejected"]) {
        return Some(form_of_pairs(row));
    }
    if is_chain(row) {
        return Some(Form::H2oChain);
    }
    if has_all(&["prompt", "completion"]) {
        return Some(if labelled::is_labelled(row) {
            Form::Labelled
        } else {
            Form::PromptCompletion
        });
    }
    let is_dialogue =
        ["conversations", "conversation", "dialog", "dialogue"].iter().any(|key| is_list(key))
            || is_dialogue_of_items(row);
    if is_dialogue {
        return Some(if labelled::is_labelled(row) { Form::Labelled } else { Form::ShareGpt });
    }
    if is_list("messages") {
        return Some(if labelled::is_labelled(row) { Form::Labelled } else { Form::Messages });
    }
    if let Some(names) = KNOWN.iter().find(|names| names.fit(row)) {
        return Some(Form::Columns(*names));
    }
    if is_text("text") && !row.contains_key("prompt") {
        return Some(Form::Text);
    }
    // What is meant is clear, and what is missing is said by whoever reads the row.
    if has("messages") {
        return Some(Form::Messages);
    }
    match want {
        Want::Pairs | Want::Labelled if has("chosen") || has("rejected") => {
            Some(if has("prompt") { Form::Preference } else { Form::ImplicitPreference })
        }
        Want::Answers if has("text") && !row.contains_key("prompt") => Some(Form::Text),
        Want::Answers | Want::Labelled if has("completion") => Some(Form::PromptCompletion),
        Want::Prompts if has("prompt") || PROMPT_COLUMNS.iter().any(|key| has(key)) => {
            Some(Form::Prompts)
        }
        Want::Pairs | Want::Answers | Want::Labelled | Want::Prompts => None,
    }
}

/// `ShareGPT`'s first files called the turns `items`.
fn is_dialogue_of_items(row: &Fields) -> bool {
    let items = given(row, "items").and_then(Value::as_array);
    items
        .is_some_and(|items| !items.is_empty() && items.iter().all(|item| item["from"].is_string()))
}

/// The form of rows with `chosen` and `rejected`.
fn form_of_pairs(row: &Fields) -> Form {
    let chosen = given(row, "chosen");
    if given(row, "conversations").is_some_and(Value::is_array) {
        return Form::ShareGptPreference;
    }
    // Axolotl's `chat_template` for DPO: what was said before, and two answers of one message.
    let is_answer = chosen.is_some_and(|chosen| match chosen {
        Value::Array(messages) => {
            messages.first().is_some_and(|first| first["role"] == "assistant")
        }
        chosen => chosen.is_object() || chosen.is_string(),
    });
    let asks = given(row, "messages").is_some_and(Value::is_array);
    if given(row, "prompt").is_none() && asks && is_answer {
        return Form::ShareGptPreference;
    }
    if given(row, "prompt").is_some() {
        let dialogues = chosen.is_some_and(Value::is_array);
        let is_plain = given(row, "prompt").is_some_and(Value::is_string);
        return match (is_plain, dialogues) {
            (true, true) => Form::UltraFeedbackBinarized,
            (true, false) if given(row, "system").is_some_and(Value::is_string) => {
                Form::Columns(PROMPT_PAIRS)
            }
            _ => Form::Preference,
        };
    }
    let plain = chosen.and_then(Value::as_str);
    if plain.is_some()
        && let Some(names) = KNOWN.iter().find(|names| names.fit(row))
    {
        return Form::Columns(*names);
    }
    let is_transcript = plain.is_some_and(|text| {
        text.trim_start().starts_with("Human:") && text.contains("\n\nAssistant:")
    });
    if is_transcript { Form::HhTranscripts } else { Form::ImplicitPreference }
}

/// Why a first row cannot be understood: its columns, and those that could be.
pub fn unknown(row: &Fields, want: Want) -> String {
    let keys = keys(row);
    if given(row, "prompt").is_some() && row.len() == 1 {
        return "it has a \"prompt\" and no answer, so there is nothing to learn from it; its only \
                key is \"prompt\". Label answers in Annotate, or add \"completion\""
            .to_owned();
    }
    if given(row, "completions").is_some() && given(row, "labels").is_some() {
        return format!(
            "its keys are: {keys}. These are answers with a label for each step, which reward \
             models learn from; no objective here does"
        );
    }
    let missing = match want {
        Want::Pairs => "chosen",
        Want::Answers | Want::Labelled => "completion",
        Want::Prompts => "prompt",
    };
    let missing = if row.contains_key(missing) {
        format!("its \"{missing}\" is empty (null); ")
    } else if given(row, "prompt").is_some() {
        format!("it has no \"{missing}\"; ")
    } else {
        String::new()
    };
    let trls = match want {
        Want::Pairs => "\"prompt\", \"chosen\" and \"rejected\"",
        Want::Labelled => {
            "\"prompt\", \"completion\" and \"label\", or pairs with \"chosen\" and \"rejected\""
        }
        Want::Prompts => "\"prompt\", or \"question\"",
        Want::Answers => {
            "\"prompt\" and \"completion\", or \"messages\", or \"text\", or pairs with \"chosen\""
        }
    };
    let others = match want {
        Want::Pairs | Want::Labelled => {
            "ShareGPT, Alpaca and Axolotl pairs, UltraFeedback, HelpSteer, Nectar, HH transcripts, arenas, \
             and exports of Argilla, Label Studio and Potato"
        }
        Want::Answers | Want::Prompts => {
            "Alpaca (\"instruction\", \"output\"), ShareGPT (\"conversations\"), question and \
             answer, and exports of Argilla and Label Studio"
        }
    };
    format!(
        "{missing}its keys are: {keys}. Rename the columns to {trls}; {others} are read as they \
         are, and so are columns that a dataset_info.json beside the file names"
    )
}
