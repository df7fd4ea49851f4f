//! Values of a row: text, lists of messages, and what to say where a column holds something else.

use serde_json::Value;

use super::content::{Fault, Fields};
use crate::data::pair::{Message, Text};

/// What is under `key`; null is nothing, as in a table whose rows do not all have the column.
pub fn given<'a>(row: &'a Fields, key: &str) -> Option<&'a Value> {
    row.get(key).filter(|value| !value.is_null())
}

/// The first of these columns that a row has.
pub fn first_of<'a>(row: &'a Fields, keys: &[&'static str]) -> Option<(&'static str, &'a Value)> {
    keys.iter().find_map(|key| given(row, key).map(|value| (*key, value)))
}

/// What must be there.
pub(crate) fn needed<'a>(row: &'a Fields, key: &str) -> Result<&'a Value, Fault> {
    given(row, key).ok_or_else(|| {
        let what = if row.contains_key(key) {
            format!("its \"{key}\" is empty (null)")
        } else {
            format!("it has no \"{key}\"")
        };
        Fault::new(key, format!("{what}; its keys are: {}", keys(row)))
    })
}

/// `"prompt", "chosen"`
pub fn keys(row: &Fields) -> String {
    let keys: Vec<String> = row.keys().map(|key| format!("\"{key}\"")).collect();
    if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
}

/// The text or the messages under `key`.
pub(crate) fn text(row: &Fields, key: &str) -> Result<Text, Fault> {
    as_text(key, needed(row, key)?)
}

pub(crate) fn as_text(key: &str, value: &Value) -> Result<Text, Fault> {
    match value {
        // An empty text is legal in TRL; what looks at the data says how many there are.
        Value::String(text) => Ok(Text::Plain(text.clone())),
        Value::Array(messages) if messages.is_empty() => {
            Err(Fault::new(key, format!("\"{key}\" has no messages")))
        }
        Value::Array(list) => Ok(Text::Messages(messages(key, list)?)),
        Value::Object(one) if one.contains_key("role") || one.contains_key("from") => {
            Ok(Text::Messages(vec![message(key, 0, value)?]))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            let kind = kind_of(value);
            let sentence =
                format!("\"{key}\" must be text or a list of messages, and it is {kind}");
            Err(Fault::new(key, sentence))
        }
    }
}

/// A text of a column that holds nothing else. Numbers become their digits: an answer may be `4`.
pub(crate) fn plain(key: &str, value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => {
            let sentence = format!("\"{key}\" must be text, and it is {}", kind_of(other));
            Err(Fault::new(key, sentence))
        }
    }
}

/// Messages as `OpenAI` (`role`, `content`) or `ShareGPT` (`from`, `value`) has them.
pub(crate) fn messages(key: &str, list: &[Value]) -> Result<Vec<Message>, Fault> {
    let one = |(index, value)| message(key, index, value);
    list.iter().enumerate().map(one).collect()
}

/// The message at `index` of those under `key`.
pub(crate) fn message(key: &str, index: usize, value: &Value) -> Result<Message, Fault> {
    let wrong =
        |what: String| Fault::new(key, format!("message {} of \"{key}\" {what}", index + 1));
    let Value::Object(fields) = value else {
        let sentence = format!(
            "must be an object with \"role\" and \"content\", and it is {}",
            kind_of(value)
        );
        return Err(wrong(sentence));
    };
    if let (Some(Value::String(from)), Some(value)) = (fields.get("from"), fields.get("value")) {
        let role = role_of(from).ok_or_else(|| {
            wrong(format!(
                "is from \"{from}\", which is not one of the names that are known: {}",
                ROLES.map(|(name, _)| name).join(", ")
            ))
        })?;
        let Value::String(words) = value else {
            return Err(wrong(format!("has no text under \"value\": it is {}", kind_of(value))));
        };
        return Ok(Message::new(role, words));
    }
    Message::from_fields(fields.clone()).map_err(wrong)
}

/// The roles of `ShareGPT`'s speakers.
const ROLES: [(&str, &str); 20] = [
    ("human", "user"),
    ("gpt", "assistant"),
    ("user", "user"),
    ("assistant", "assistant"),
    ("system", "system"),
    ("developer", "developer"),
    ("chatgpt", "assistant"),
    ("bot", "assistant"),
    ("bing", "assistant"),
    ("bard", "assistant"),
    ("claude", "assistant"),
    ("model", "assistant"),
    ("ai", "assistant"),
    ("prompter", "user"),
    ("customer", "user"),
    ("agent", "assistant"),
    ("function_call", "assistant"),
    ("observation", "tool"),
    ("tool", "tool"),
    ("function_response", "tool"),
];

/// The role that a speaker of a dialogue has in a chat template.
pub(crate) fn role_of(speaker: &str) -> Option<&'static str> {
    let speaker = speaker.trim().to_lowercase();
    ROLES.iter().find(|(name, _)| *name == speaker).map(|(_, role)| *role)
}

/// Text goes with text and messages with messages. The fault is where the second one is.
pub(crate) fn same_format(
    (first_key, first): (&str, &Text),
    (key, second): (&str, &Text),
) -> Result<(), Fault> {
    let kind = |text: &Text| match text {
        Text::Plain(_) => "text",
        Text::Messages(_) => "a list of messages",
    };
    let (first, second) = (kind(first), kind(second));
    if first == second {
        return Ok(());
    }
    let sentence = format!(
        "\"{key}\" is {second} and \"{first_key}\" is {first}; both must be in the same format"
    );
    Err(Fault::new(key, sentence))
}

/// What a value is, in words.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
