//! Dialogues as others write them down: `ShareGPT`, `OpenAI`'s preference files, Gemini's tuning files.

use serde_json::Value;

use super::columns::system;
use super::content::{Content, Fault, Fields, Turned};
use super::value::{given, kind_of, message, messages, needed};
use crate::data::pair::{Message, PreferencePair, Text};

/// The column of a dialogue.
pub(crate) fn column(row: &Fields) -> &'static str {
    let known = ["conversations", "conversation", "messages", "dialog", "dialogue", "items"];
    known.into_iter().find(|key| given(row, key).is_some()).unwrap_or("conversations")
}

/// The dialogue of a row, its system prompt in front.
pub(crate) fn dialogue(row: &Fields) -> Result<Vec<Message>, Fault> {
    let key = column(row);
    let mut all: Vec<Message> = system(row, "system")?.into_iter().collect();
    let list = match needed(row, key)? {
        Value::Array(list) => list,
        other => {
            let sentence =
                format!("\"{key}\" must be a list of messages, and it is {}", kind_of(other));
            return Err(Fault::new(key, sentence));
        }
    };
    // Swift's: question and answer are one entry.
    let in_pairs = list.first().is_some_and(|turn| {
        turn.get("human").is_some() && turn.get("from").is_none() && turn.get("role").is_none()
    });
    if in_pairs {
        for (index, turn) in list.iter().enumerate() {
            for (name, role) in [("human", "user"), ("assistant", "assistant")] {
                let words = turn.get(name).and_then(Value::as_str).ok_or_else(|| {
                    let sentence =
                        format!("entry {} of \"{key}\" has no text under \"{name}\"", index + 1);
                    Fault::new(key, sentence)
                })?;
                all.push(Message::new(role, words));
            }
        }
    } else {
        all.extend(messages(key, list)?);
    }
    // A system prompt that the dialogue has itself is not said twice.
    if all.len() > 1 && all[0].role == "system" && all[1].role == "system" {
        all.remove(0);
    }
    if all.is_empty() {
        return Err(Fault::new(key, format!("\"{key}\" has no messages")));
    }
    Ok(all)
}

/// `{"conversations": [{"from", "value"}]}`
pub(crate) fn sharegpt(row: &Fields) -> Result<Turned, Fault> {
    Ok(Turned::Into(Content::Whole(Text::Messages(dialogue(row)?))))
}

/// `{"conversations", "chosen": {"from", "value"}, "rejected"}`
pub(crate) fn sharegpt_preference(row: &Fields) -> Result<Turned, Fault> {
    let answer = |key: &str| -> Result<Text, Fault> {
        Ok(match needed(row, key)? {
            Value::String(words) => Text::Messages(vec![Message::new("assistant", words)]),
            Value::Array(list) => Text::Messages(messages(key, list)?),
            one => Text::Messages(vec![message(key, 0, one)?]),
        })
    };
    let (prompt, chosen, rejected) =
        (Text::Messages(dialogue(row)?), answer("chosen")?, answer("rejected")?);
    Ok(Turned::Into(Content::Preference(PreferencePair { prompt, chosen, rejected })))
}

/// `{"input": {"messages"}, "preferred_output", "non_preferred_output"}`
pub(crate) fn openai_preference(row: &Fields) -> Result<Turned, Fault> {
    let list =
        |key: &str, value: &Value| -> Result<Text, Fault> { super::value::as_text(key, value) };
    let input = needed(row, "input")?.get("messages").unwrap_or(&Value::Null);
    let prompt = list("input", input)?;
    let [chosen, rejected] = ["preferred_output", "non_preferred_output"]
        .map(|key| needed(row, key).and_then(|value| list(key, value)));
    Ok(Turned::Into(Content::Preference(PreferencePair {
        prompt,
        chosen: chosen?,
        rejected: rejected?,
    })))
}

/// `{"contents": [{"role": "user" or "model", "parts": [{"text"}]}], "systemInstruction"}`
pub(crate) fn gemini(row: &Fields) -> Result<Turned, Fault> {
    let words = |key: &str, value: &Value| -> Result<String, Fault> {
        let parts = value.get("parts").and_then(Value::as_array);
        let texts: Option<Vec<&str>> =
            parts.and_then(|parts| parts.iter().map(|part| part.get("text")?.as_str()).collect());
        texts.map(|texts| texts.concat()).ok_or_else(|| {
            Fault::new(key, format!("\"{key}\" has parts that are not {{\"text\": \"…\"}}"))
        })
    };
    let mut all = Vec::new();
    for key in ["systemInstruction", "system_instruction"] {
        if let Some(value) = given(row, key) {
            all.push(Message::new("system", &words(key, value)?));
        }
    }
    let contents = needed(row, "contents")?.as_array().map_or(&[][..], Vec::as_slice);
    for content in contents {
        let role = match content.get("role").and_then(Value::as_str) {
            Some("model") => "assistant",
            Some("user") | None => "user",
            Some(other) => {
                let sentence =
                    format!("\"contents\" has a role \"{other}\"; known are user, model");
                return Err(Fault::new("contents", sentence));
            }
        };
        all.push(Message::new(role, &words("contents", content)?));
    }
    if all.is_empty() {
        return Err(Fault::new("contents", "\"contents\" has no messages".to_owned()));
    }
    Ok(Turned::Into(Content::Whole(Text::Messages(all))))
}
