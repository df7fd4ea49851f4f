//! A conversation to take along: as Markdown to read, as JSON messages for other programs.

use std::fmt::Write as _;

use super::PlaygroundState;
use crate::data::pair::Message;

impl PlaygroundState {
    /// What was said in the conversation in front, with its system prompt, in the roles of the chat
    /// template.
    pub fn conversation(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        if !self.system.trim().is_empty() {
            messages.push(Message::new("system", &self.system));
        }
        for (question, answer) in self.exchanges() {
            messages.push(Message::new("user", &question));
            messages.push(Message::new("assistant", &answer));
        }
        messages
    }
}

/// A heading for each turn, and its text as it is.
pub fn as_markdown(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        let mut role = message.role.clone();
        if let Some(first) = role.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        write!(text, "## {role}\n\n{}\n\n", message.content.trim())
            .expect("a string takes any text");
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// `{"messages": [{"role": …, "content": …}]}`, as TRL and most others read a conversation.
pub fn as_json(messages: &[Message]) -> String {
    let messages: Vec<serde_json::Value> = messages
        .iter()
        .map(|message| serde_json::json!({"role": message.role, "content": message.content}))
        .collect();
    format!("{:#}\n", serde_json::json!({ "messages": messages }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::playground::Turn;

    fn talked() -> Vec<Message> {
        let mut state =
            PlaygroundState { system: "Be brief.".to_owned(), ..PlaygroundState::default() };
        let (question, answer) = ("Why \"so\"?\n".to_owned(), "Because.".to_owned());
        state.turns.push(Turn { question, answer, ..Turn::default() });
        state.conversation()
    }

    #[test]
    fn a_conversation_is_read_as_markdown() {
        let expected =
            "## System\n\nBe brief.\n\n## User\n\nWhy \"so\"?\n\n## Assistant\n\nBecause.\n";
        assert_eq!(as_markdown(&talked()), expected);
    }

    #[test]
    fn a_conversation_comes_back_from_its_json() {
        let value: serde_json::Value = serde_json::from_str(&as_json(&talked())).unwrap();
        assert_eq!(value["messages"][1]["role"], "user");
        assert_eq!(value["messages"][1]["content"], "Why \"so\"?\n");
        assert_eq!(value["messages"].as_array().unwrap().len(), 3);
    }
}
