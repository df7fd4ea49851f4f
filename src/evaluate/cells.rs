//! What a cell of a table says: words for a prompt, options, a right answer, a verdict.

use std::borrow::Cow;

use serde_json::Value;

use crate::data::pair::Message;

/// The three verdicts of a judge; the first two are its options.
pub const VERDICTS: [&str; 3] = ["first", "second", "tie"];

/// A value as a prompt has it; of a dialogue its words.
pub fn words(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(value @ Value::Array(turns)) if !turns.is_empty() => {
            Cow::Owned(dialogue(turns).unwrap_or_else(|| value.to_string()))
        }
        Some(other) => Cow::Owned(other.to_string()),
    }
}

/// The words of one message, or of several with who said them. `None`: it is no list of messages.
fn dialogue(turns: &[Value]) -> Option<String> {
    let messages: Vec<Message> = turns
        .iter()
        .map(|turn| turn.as_object().and_then(|turn| Message::from_fields(turn.clone()).ok()))
        .collect::<Option<_>>()?;
    if let [only] = messages.as_slice() {
        return Some(only.content.clone());
    }
    let turns = messages.iter().map(|Message { role, content, .. }| format!("{role}: {content}"));
    Some(turns.collect::<Vec<_>>().join("\n\n"))
}

pub fn listed(labels: &[String]) -> String {
    let quoted: Vec<String> = labels.iter().map(|label| format!("“{label}”")).collect();
    quoted.join(", ")
}

/// A list of texts, or what ARC and `OpenBookQA` have: `{"text": [...], "label": [...]}`.
pub fn list_of_options(value: Option<&Value>) -> Vec<String> {
    let list = match value {
        Some(Value::Object(fields)) => fields.get("text"),
        other => other,
    };
    match list {
        Some(Value::Array(options)) => {
            options.iter().map(|option| words(Some(option)).into_owned()).collect()
        }
        // A list that a table of text could only hold as text.
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(Value::Array(options)) => {
                options.iter().map(|option| words(Some(option)).into_owned()).collect()
            }
            Ok(Value::Object(fields)) => list_of_options(Some(&Value::Object(fields))),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

pub fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The option that a column of right answers means: its words, its letter or its number.
pub fn right_answer(
    value: Option<&Value>,
    options: &[String],
    first: Option<u64>,
) -> Result<Option<usize>, String> {
    let said = words(value);
    let said = said.trim();
    let Some(value) = value.filter(|_| !said.is_empty()) else { return Ok(None) };
    if let Some(found) = options.iter().position(|option| option.trim() == said) {
        return Ok(Some(found));
    }
    let mut letters = said.chars();
    if let (Some(letter), None) = (letters.next(), letters.next())
        && letter.is_ascii_alphabetic()
    {
        let index = usize::from(letter.to_ascii_uppercase() as u8 - b'A');
        return if index < options.len() {
            Ok(Some(index))
        } else {
            Err(format!("the answer {said} is past its {} options", options.len()))
        };
    }
    let Some(number) = number(value) else {
        return Err(format!("the answer “{said}” is none of its options, no letter and no number"));
    };
    let first = first.ok_or_else(|| {
        "the right answers are numbers, and it cannot be seen whether they count from 0 or from 1: \
         say `first = 0` or `first = 1` under [exam]"
            .to_owned()
    })?;
    match number.checked_sub(first).and_then(|index| usize::try_from(index).ok()) {
        Some(index) if index < options.len() => Ok(Some(index)),
        _ => Err(format!(
            "the answer {number} is none of its {} options, which count from {first}",
            options.len()
        )),
    }
}

pub fn verdict(said: &str, answers: &[String; 2]) -> Result<Option<usize>, String> {
    let said = said.trim();
    if let Some(found) = answers.iter().position(|column| column == said) {
        return Ok(Some(found));
    }
    match said.to_lowercase().as_str() {
        "" => Ok(None),
        "first" | "1" | "a" | "left" => Ok(Some(0)),
        "second" | "2" | "b" | "right" => Ok(Some(1)),
        "tie" | "draw" | "both" | "neither" | "equal" => Ok(Some(2)),
        _ => Err(format!(
            "“{said}” is no verdict; one is \"{}\" or \"{}\", first or second, 1 or 2, A or B, or tie",
            answers[0], answers[1]
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(list: &[&str]) -> Vec<String> {
        list.iter().map(|&option| option.to_owned()).collect()
    }

    #[test]
    fn a_right_answer_may_be_words_a_letter_or_a_number() {
        let of = |value: Value, first| {
            right_answer(Some(&value), &options(&["4", "5", "six"]), first).unwrap()
        };
        assert_eq!(of(json!("six"), None), Some(2));
        assert_eq!(of(json!("b"), None), Some(1));
        assert_eq!(of(json!(5), None), Some(1), "its words come before its number");
        assert_eq!(of(json!(2), Some(0)), Some(2));
        assert_eq!(of(json!("2"), Some(1)), Some(1));
        assert_eq!(of(json!(""), None), None);
    }

    #[test]
    fn an_answer_that_means_no_option_is_refused() {
        let of = |value: Value, first| {
            right_answer(Some(&value), &options(&["x", "y"]), first).unwrap_err()
        };
        assert!(of(json!("F"), None).contains("past its 2 options"));
        assert!(of(json!(1), None).contains("from 0 or from 1"));
        assert!(of(json!(2), Some(0)).contains("count from 0"));
        assert!(of(json!("perhaps"), None).contains("none of its options"));
    }

    #[test]
    fn options_come_as_a_list_or_as_arc_has_them() {
        assert_eq!(list_of_options(Some(&json!(["a", 2]))), ["a", "2"]);
        assert_eq!(list_of_options(Some(&json!({"text": ["a"], "label": ["A"]}))), ["a"]);
        assert_eq!(list_of_options(Some(&json!("[\"a\", \"b\"]"))), ["a", "b"]);
    }

    #[test]
    fn dialogues_are_read_as_words() {
        let one = json!([{"role": "user", "content": "Why?"}]);
        assert_eq!(words(Some(&one)), "Why?");
        let two =
            json!([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]);
        assert_eq!(words(Some(&two)), "user: Why?\n\nassistant: So.");
        assert_eq!(words(Some(&json!([1, 2]))), "[1,2]");
    }

    #[test]
    fn a_verdict_is_the_name_of_a_column_or_a_place() {
        let columns = ["base".to_owned(), "tuned".to_owned()];
        for (said, verdict_index) in
            [("tuned", Some(1)), ("A", Some(0)), ("2", Some(1)), ("Tie", Some(2)), (" ", None)]
        {
            assert_eq!(verdict(said, &columns).unwrap(), verdict_index, "{said}");
        }
        assert!(verdict("maybe", &columns).unwrap_err().contains("\"base\" or \"tuned\""));
    }
}
