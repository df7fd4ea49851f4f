//! Prompts whose answers will be sampled: what a row asks, with all its columns.

use super::beside::beside;
use super::content::{Content, Fault, Fields, Problem, Understood};
use super::form::{Form, Read};
use super::prompt::understood;
use super::value::{first_of, given, text};
use crate::data::pair::{Message, Text};

/// Columns of plain text that are a question: a user's turn of a dialogue. `prompt` is what TRL's is: text that
/// the answer goes on from, or messages.
const QUESTIONS: [&str; 4] = ["question", "instruction", "query", "text"];

/// Whether a row asks by itself. Others are rows of training data, which ask what they ask there.
pub(super) fn asks(row: &Fields) -> bool {
    given(row, "prompt").is_some() || first_of(row, &QUESTIONS).is_some()
}

/// Rows of training data as prompts, without their answers.
pub(super) fn without_answers(mut read: Read, rows: &[Fields]) -> Read {
    for row in &mut read.rows {
        row.content = asked(row.asked.clone());
        row.columns.clone_from(&rows[row.row]);
    }
    read
}

/// Each row as a prompt.
pub(super) fn prompts(rows: &[Fields]) -> Result<Read, Problem> {
    let mut all = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        all.push(one(index, row).map_err(|fault| fault.at(index))?);
    }
    Ok(Read { form: Form::Prompts, rows: all, notes: Vec::new() })
}

fn one(index: usize, row: &Fields) -> Result<Understood, Fault> {
    let is_prompt = given(row, "prompt").is_some();
    let key =
        if is_prompt { "prompt" } else { first_of(row, &QUESTIONS).map_or("prompt", |of| of.0) };
    let mut prompt = text(row, key)?;
    if let Text::Messages(messages) = &mut prompt {
        // A whole dialogue: its last answer is what is to be written.
        while messages.last().is_some_and(|message| message.role == "assistant") {
            messages.pop();
        }
    }
    if prompt.words().trim().is_empty() {
        return Err(Fault::new(key, format!("\"{key}\" asks nothing: it has no words of a user")));
    }
    if let (false, Text::Plain(words)) = (is_prompt, &prompt) {
        let more =
            given(row, "input").and_then(|more| more.as_str()).filter(|_| key == "instruction");
        let words = match more.filter(|more| !more.trim().is_empty()) {
            Some(more) => format!("{words}\n{more}"),
            None => words.clone(),
        };
        prompt = Text::Messages(vec![Message::new("user", &words)]);
    }
    let mut found = understood(index, asked(prompt), beside(row)?, false);
    found.from_columns = !is_prompt;
    found.columns.clone_from(row);
    Ok(found)
}

/// Without any answer.
fn asked(prompt: Text) -> Content {
    Content::Completion { prompt, completion: Text::Plain(String::new()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::data::forms::{Want, understand};

    fn read(rows: &Value) -> Read {
        let rows: Vec<Fields> =
            rows.as_array().unwrap().iter().map(|row| row.as_object().unwrap().clone()).collect();
        understand(&rows, Want::Prompts, None).unwrap()
    }

    fn user(words: &str) -> Text {
        Text::Messages(vec![Message::new("user", words)])
    }

    #[test]
    fn a_prompt_is_found_in_whatever_asks_and_keeps_its_columns() {
        let found = read(&json!([{"prompt": "2 + 2 =", "answer": "4"}]));
        assert_eq!(found.rows[0].asked, Text::Plain("2 + 2 =".to_owned()));
        assert_eq!(found.rows[0].columns["answer"], "4");
        let message = json!({"role": "user", "content": "Why?"});
        assert_eq!(read(&json!([{"prompt": [message]}])).rows[0].asked, user("Why?"));
        assert_eq!(read(&json!([{"question": "Why?"}])).rows[0].asked, user("Why?"));
        let answered = json!([message, {"role": "assistant", "content": "So."}]);
        assert_eq!(read(&json!([{"messages": answered}])).rows[0].asked, user("Why?"));
        let pair = json!({"prompt": "p", "chosen": "a", "rejected": "b"});
        assert_eq!(read(&json!([pair])).rows[0].asked, Text::Plain("p".to_owned()));
        let rows = [json!({"prompt": " "}).as_object().unwrap().clone()];
        let problem = understand(&rows, Want::Prompts, None).unwrap_err();
        assert!(
            problem.sentence.contains("empty") || problem.sentence.contains("asks nothing"),
            "{problem:?}"
        );
    }
}
