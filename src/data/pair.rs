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
