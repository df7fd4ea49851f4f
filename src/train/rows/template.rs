//! What a chat template reads of messages, told by its source: what rows have and it never mentions is
//! lost without a word, in TRL too.

use crate::data::forms::{Content, has_more};
use crate::data::pair::{Message, Text};
use crate::llm::text::chat::ChatTemplate;
use crate::train::rows::Row;

/// Under which names a message may have its reasoning: transformers gives a template all of them.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// What a template reads beside roles and words.
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that it reads or not")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    pub parts: bool,
    tools: bool,
    tool_calls: bool,
    reasoning: bool,
}

/// What a row has and a template does not read, as a person calls it.
pub const UNREAD: [&str; 4] = ["tools", "tool_calls", "reasoning_content", "content in parts"];

impl Reads {
    pub fn of(template: &ChatTemplate) -> Self {
        let source = template.source();
        let mentions = |names: &[&str]| names.iter().any(|name| source.contains(name));
        Self {
            parts: mentions(&[
                "'type'",
                "\"type\"",
                ".type",
                "is string",
                "is not string",
                "is iterable",
                "is not iterable",
                "is sequence",
                "is not sequence",
                "is mapping",
                "'text'",
                "\"text\"",
                ".text",
            ]),
            tools: mentions(&["tools"]),
            tool_calls: mentions(&["tool_calls"]),
            reasoning: mentions(&REASONING),
        }
    }

    /// Which of [`UNREAD`] are lost of a row.
    pub fn lost(self, row: &Row) -> [bool; 4] {
        let content = &row.understood.content;
        let has = |key: &str| has_more(content, key);
        let tools = row.understood.beside.tools.as_ref();
        let has_tools =
            tools.and_then(|tools| tools.as_array()).is_some_and(|list| !list.is_empty());
        [
            !self.tools && has_tools,
            !self.tool_calls && has("tool_calls"),
            !self.reasoning && REASONING.iter().any(|key| has(key)),
            !self.parts && is_in_parts(content),
        ]
    }
}

/// A dialogue as its template can read it: with the answer behind the prompt, and with text in place of
/// parts where it reads none. Empty for plain text.
pub fn messages(prompt: &Text, answer: Option<&Text>, template: &ChatTemplate) -> Vec<Message> {
    let of = |text: &Text| match text {
        Text::Messages(messages) => messages.clone(),
        Text::Plain(_) => Vec::new(),
    };
    let mut messages = of(prompt);
    messages.extend(answer.map(of).unwrap_or_default());
    if !Reads::of(template).parts {
        messages = messages.iter().map(Message::with_joined_parts).collect();
    }
    messages
}

fn is_in_parts(content: &Content) -> bool {
    content.texts().into_iter().any(|text| match text {
        Text::Messages(messages) => messages.iter().any(Message::is_in_parts),
        Text::Plain(_) => false,
    })
}

/// Messages that were made of columns, as one text for a model without a chat template: what stands
/// before an answer and between turns is Alpaca's.
pub fn as_plain_text(messages: &[Message]) -> String {
    let mut text = String::new();
    for Message { role, content, .. } in messages {
        match role.as_str() {
            "system" => text.push_str(&format!("{content}\n\n")),
            "assistant" => text.push_str(&format!("### Response:\n{content}\n\n")),
            _ => text.push_str(&format!("### Instruction:\n{content}\n\n")),
        }
    }
    text.push_str("### Response:\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_alpacas_text_for_a_model_without_a_template() {
        let messages = [
            ("system", "Be brief."),
            ("user", "Name a tree."),
            ("assistant", "An oak."),
            ("user", "Another."),
        ];
        let messages = messages.map(|(role, words)| Message::new(role, words));
        assert_eq!(
            as_plain_text(&messages),
            "Be brief.\n\n### Instruction:\nName a tree.\n\n### Response:\nAn oak.\n\n\
             ### Instruction:\nAnother.\n\n### Response:\n"
        );
    }
}
