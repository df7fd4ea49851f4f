//! A preference pair, and the verdict that it comes from.

use serde::{Deserialize, Serialize};

/// One turn of a conversation, as chat templates and TRL's data sets spell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`; other roles are passed on to the chat template.
    pub role: String,
    pub content: String,
}

impl Message {
    pub fn new(role: &str, content: &str) -> Self {
        Self { role: role.to_owned(), content: content.to_owned() }
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
}

/// A row of TRL's explicit preference format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferencePair {
    pub prompt: Text,
    pub chosen: Text,
    pub rejected: Text,
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
