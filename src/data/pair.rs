//! A preference pair, and the verdict that it comes from.

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// One turn of a conversation, as chat templates and TRL's data sets spell it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Message {
    /// `system`, `user` or `assistant`; other roles are passed on to the chat template.
    pub role: String,

    /// Its words. Of content in parts, the texts; of calls of tools without words, the calls.
    pub content: String,

    /// The whole message as it was written, where it is more than a role and a text: `tool_calls`,
    /// `reasoning_content`, `name`, content in parts. A chat template gets all of it.
    pub written: Option<Box<Map<String, Value>>>,
}

impl Message {
    pub fn new(role: &str, content: &str) -> Self {
        Self { role: role.to_owned(), content: content.to_owned(), written: None }
    }

    /// A message as an object has it, or what is wrong with that: `has no text under "role"`.
    pub fn from_fields(fields: Map<String, Value>) -> Result<Self, String> {
        let Some(Value::String(role)) = fields.get("role") else {
            return Err("has no text under \"role\"".to_owned());
        };
        let (role, content) = (role.clone(), fields.get("content"));
        let is_all = |key: &str| key == "role" || key == "content";
        if let (Some(Value::String(content)), true) =
            (content, fields.keys().all(|key| is_all(key)))
        {
            return Ok(Self { role, content: content.clone(), written: None });
        }
        let words = match content {
            Some(Value::String(content)) => content.clone(),
            Some(Value::Array(parts)) => words_of_parts(parts)?,
            // Calls and thoughts may come without words.
            None | Some(Value::Null)
                if fields.iter().any(|(key, value)| {
                    !is_all(key) && key != "name" && !value.is_null() && value.as_str() != Some("")
                }) =>
            {
                String::new()
            }
            None | Some(Value::Null) => return Err("has no text under \"content\"".to_owned()),
            Some(Value::Object(_)) => return Err("has an object under \"content\"".to_owned()),
            Some(other) => {
                return Err(format!("has {other} under \"content\", where text is expected"));
            }
        };
        let calls = fields.get("tool_calls").filter(|calls| !calls.is_null());
        let content = match calls {
            Some(calls) if words.is_empty() => calls.to_string(),
            _ => words,
        };
        Ok(Self { role, content, written: Some(Box::new(fields)) })
    }

    /// Whether it has something under `key` beside its role and its words.
    pub fn has(&self, key: &str) -> bool {
        let value = self.written.as_ref().and_then(|fields| fields.get(key));
        value.is_some_and(|value| !value.is_null())
    }

    /// Whether its content is a list of parts.
    pub fn is_in_parts(&self) -> bool {
        let content = self.written.as_ref().and_then(|fields| fields.get("content"));
        content.is_some_and(Value::is_array)
    }

    /// The same with the words of its parts as one text, for templates that read nothing else.
    #[must_use]
    pub fn with_joined_parts(&self) -> Self {
        let mut joined = self.clone();
        if self.is_in_parts()
            && let Some(fields) = &mut joined.written
        {
            fields.insert("content".to_owned(), Value::from(self.content.as_str()));
        }
        joined
    }
}

/// `[{"type": "text", "text": "…"}]` as one text; a part that is no text has no words.
fn words_of_parts(parts: &[Value]) -> Result<String, String> {
    let mut words = String::new();
    for part in parts {
        match part {
            Value::String(text) => words.push_str(text),
            Value::Object(fields) => {
                words.push_str(fields.get("text").and_then(Value::as_str).unwrap_or_default());
            }
            other => return Err(format!("has {other} among the parts of its \"content\"")),
        }
    }
    Ok(words)
}

impl TryFrom<Map<String, Value>> for Message {
    type Error = String;

    fn try_from(fields: Map<String, Value>) -> Result<Self, String> {
        Self::from_fields(fields).map_err(|problem| format!("a message {problem}"))
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if let Some(fields) = &self.written {
            return fields.serialize(to);
        }
        let mut fields = to.serialize_struct("Message", 2)?;
        fields.serialize_field("role", &self.role)?;
        fields.serialize_field("content", &self.content)?;
        fields.end()
    }
}

/// A prompt or an answer: plain text, or messages for the chat template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    Plain(String),
    Messages(Vec<Message>),
}

impl Text {
    /// The words alone, for showing: the contents of all messages, separated by blank lines.
    pub fn words(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Messages(messages) => {
                let contents: Vec<&str> = messages.iter().map(|m| m.content.as_str()).collect();
                contents.join("\n\n")
            }
        }
    }

    /// What tells it from others: its words, and what its messages have beside them. Spaces at the
    /// ends do not count.
    pub fn told_apart(&self) -> String {
        let mut all = self.words().trim().to_owned();
        let Self::Messages(messages) = self else { return all };
        for (index, message) in messages.iter().enumerate() {
            for (key, value) in message.written.iter().flat_map(|fields| fields.iter()) {
                if key != "role" && key != "content" && !value.is_null() {
                    all.push_str(&format!("\n{index} {key} {value}"));
                }
            }
        }
        all
    }
}

/// A row of TRL's explicit preference format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferencePair {
    pub prompt: Text,
    pub chosen: Text,
    pub rejected: Text,
}

/// TRL's `extract_prompt`: the longest common beginning, in characters or in messages.
///
/// For text it steps back one if the character before is a space. Where one text begins with the
/// whole of the other, TRL leaves the last character (message) to the answers, and so does this.
/// Texts that have nothing in common have an empty prompt; `None`: dialogues begin with different
/// messages, or one is text and the other a dialogue.
pub fn extract_prompt(chosen: Text, rejected: Text) -> Option<PreferencePair> {
    let (prompt, chosen, rejected) = match (chosen, rejected) {
        (Text::Plain(chosen), Text::Plain(rejected)) => {
            let chosen: Vec<char> = chosen.chars().collect();
            let rejected: Vec<char> = rejected.chars().collect();
            let (mut place, differs) = common_beginning(&chosen, &rejected);
            if differs && place > 0 && chosen[place - 1] == ' ' {
                place -= 1;
            }
            let plain = |characters: &[char]| Text::Plain(characters.iter().collect());
            (plain(&chosen[..place]), plain(&chosen[place..]), plain(&rejected[place..]))
        }
        (Text::Messages(chosen), Text::Messages(rejected)) => {
            let (place, _) = common_beginning(&chosen, &rejected);
            let messages = |messages: &[Message]| Text::Messages(messages.to_vec());
            let prompt = (place > 0).then(|| messages(&chosen[..place]))?;
            (prompt, messages(&chosen[place..]), messages(&rejected[place..]))
        }
        (Text::Plain(_), Text::Messages(_)) | (Text::Messages(_), Text::Plain(_)) => return None,
    };
    Some(PreferencePair { prompt, chosen, rejected })
}

/// Where the prompt ends, and whether the two differ there.
fn common_beginning<T: PartialEq>(chosen: &[T], rejected: &[T]) -> (usize, bool) {
    let different = chosen.iter().zip(rejected).position(|(chosen, rejected)| chosen != rejected);
    let last = chosen.len().min(rejected.len()).saturating_sub(1);
    (different.unwrap_or(last), different.is_some())
}

/// What a person said of two answers shown side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Left,
    Right,
    Tie,
    BothBad,
    Skip,
}

impl Verdict {
    /// Every verdict, in the order of its key: 1, 2, 3, 0, S.
    pub const ALL: [Self; 5] = [Self::Left, Self::Right, Self::Tie, Self::BothBad, Self::Skip];

    /// Whether it says that one answer is better: only then is there a pair to train on.
    pub fn is_preference(self) -> bool {
        matches!(self, Self::Left | Self::Right)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(value: Value) -> Result<Message, String> {
        let Value::Object(fields) = value else { panic!("{value}") };
        Message::from_fields(fields)
    }

    #[test]
    fn a_message_comes_back_as_it_was_written() {
        for (value, words) in [
            (json!({"role": "user", "content": "Hi"}), "Hi"),
            (json!({"role": "assistant", "content": "a", "reasoning_content": "because"}), "a"),
            (json!({"role": "tool", "name": "f", "content": "12"}), "12"),
            (
                json!({"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image"}]}),
                "Hi",
            ),
            (
                json!({"role": "assistant", "content": null, "tool_calls": [{"id": 1}]}),
                r#"[{"id":1}]"#,
            ),
            (json!({"tool_calls": [], "role": "assistant"}), "[]"),
        ] {
            let found = message(value.clone()).unwrap();
            assert_eq!(found.content, words);
            assert_eq!(serde_json::to_string(&found).unwrap(), value.to_string(), "in its order");
        }
        assert_eq!(
            message(json!({"content": "Hi", "role": "user"})).unwrap(),
            Message::new("user", "Hi")
        );
    }

    #[test]
    fn a_message_without_words_is_none() {
        for value in [
            json!({"role": "user"}),
            json!({"role": "user", "content": null, "name": "Ada"}),
            json!({"content": "Hi"}),
            json!({"role": "user", "content": 3}),
            json!({"role": "user", "content": [3]}),
        ] {
            assert!(message(value.clone()).is_err(), "{value}");
        }
    }

    #[test]
    fn parts_can_be_joined_and_extras_tell_texts_apart() {
        let parts = json!({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]});
        let joined = message(parts).unwrap().with_joined_parts();
        assert_eq!(
            serde_json::to_value(&joined).unwrap(),
            json!({"role": "user", "content": "ab"})
        );
        let plain = Text::Messages(vec![Message::new("assistant", "a")]);
        let thought = json!({"role": "assistant", "content": "a", "reasoning_content": "because"});
        let thought = Text::Messages(vec![message(thought).unwrap()]);
        assert_eq!(plain.words(), thought.words());
        assert_ne!(plain.told_apart(), thought.told_apart());
    }
}
