//! What a cell of a table says: words for a prompt, options, a right answer, a verdict.

use std::borrow::Cow;

use serde_json::Value;

use crate::data::cell;
use crate::data::forms::value::messages;
use crate::data::literal;
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
    let messages = messages("", turns).ok()?;
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
        Some(Value::String(text)) => literal::list_or_object(text)
            .map_or_else(Vec::new, |inner| list_of_options(Some(&inner))),
        _ => Vec::new(),
    }
}

/// What the options are called beside their words, where the column says it: ARC has letters in one
/// row and numbers in another.
pub fn names_of_options(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Object(fields)) => match fields.get("label") {
            Some(Value::Array(names)) => {
                names.iter().map(|name| words(Some(name)).into_owned()).collect()
            }
            _ => Vec::new(),
        },
        Some(Value::String(text)) => literal::list_or_object(text)
            .filter(Value::is_object)
            .map_or_else(Vec::new, |inner| names_of_options(Some(&inner))),
        _ => Vec::new(),
    }
}

pub fn number(value: &Value) -> Option<u64> {
    match value {
        // Of a column with gaps, pandas makes 1.0.
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => whole(text.trim().parse().ok()?),
        _ => None,
    }
}

fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..1e9).contains(&number)).then_some(number as u64)
}

/// Whether a cell says that there is nothing: R and pandas write so.
pub fn is_nothing(said: &str) -> bool {
    let said = said.trim();
    said.is_empty()
        || cell::is_missing(said)
        || matches!(said, "N/A" | "n/a" | "None" | "null" | "NULL")
}

/// The label that a cell means: its words, or the same number (`1.0` is `1`).
pub fn label_of(said: &str, labels: &[String]) -> Option<usize> {
    let said = said.trim();
    labels.iter().position(|label| label == said).or_else(|| {
        let number = said.parse::<f64>().ok()?;
        labels.iter().position(|label| label.parse::<f64>().ok() == Some(number))
    })
}

/// The option that a column of right answers means: its words, its letter or its number.
///
/// `names`: what the row itself calls its options, or the columns that they are in.
pub fn right_answer(
    value: Option<&Value>,
    options: &[String],
    names: &[String],
    first: Option<u64>,
) -> Result<Option<usize>, String> {
    match value {
        // One of several, as lists of 0 and 1 (TruthfulQA), or as a list of one.
        Some(Value::Array(list)) if list.len() == 1 => {
            return right_answer(list.first(), options, names, first);
        }
        Some(Value::Array(list)) if list.len() == options.len() => {
            let numbers: Option<Vec<u64>> = list.iter().map(number).collect();
            let right = |numbers: &Vec<u64>| numbers.iter().sum::<u64>() == 1;
            if let Some(numbers) = numbers.filter(right) {
                return Ok(numbers.iter().position(|number| *number == 1));
            }
        }
        _ => {}
    }
    let said = words(value);
    let said = said.trim();
    let Some(value) = value.filter(|_| !said.is_empty()) else { return Ok(None) };
    // `(B)`, `B.`, `B)`
    let bare = said.trim_start_matches('(').trim_end_matches([')', '.', ':']);
    if let Some(found) = names.iter().position(|name| [said, bare].contains(&name.trim())) {
        return Ok(Some(found).filter(|found| *found < options.len()));
    }
    if let Some(found) = options.iter().position(|option| option.trim() == said) {
        return Ok(Some(found));
    }
    if is_nothing(said) {
        return Ok(None);
    }
    let mut letters = bare.chars();
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
    let word = said.to_lowercase().replace(['_', '-'], " ");
    let bare = word.trim_start_matches("[[").trim_end_matches("]]");
    let bare = bare.trim_start_matches("model ").trim_start_matches("response ");
    let bare = bare.trim_start_matches("answer ").trim_end_matches(".0");
    match bare {
        "first" | "1" | "a" | "left" | "a>b" | "a>>b" => Ok(Some(0)),
        "second" | "2" | "b" | "right" | "b>a" | "b>>a" | "a<b" | "a<<b" => Ok(Some(1)),
        "tie" | "draw" | "both" | "neither" | "equal" | "same" | "a=b" | "both good"
        | "both bad" | "bothbad" | "tie (bothbad)" => Ok(Some(2)),
        _ if is_nothing(said) => Ok(None),
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
            right_answer(Some(&value), &options(&["4", "5", "six"]), &[], first).unwrap()
        };
        assert_eq!(of(json!("six"), None), Some(2));
        assert_eq!(of(json!("b"), None), Some(1));
        assert_eq!(of(json!(5), None), Some(1), "its words come before its number");
        assert_eq!(of(json!(2), Some(0)), Some(2));
        assert_eq!(of(json!("2"), Some(1)), Some(1));
        assert_eq!(of(json!(""), None), None);
        assert_eq!(of(json!(2.0), Some(1)), Some(1), "of a column with gaps");
        assert_eq!(of(json!("2.0"), Some(0)), Some(2));
        assert_eq!(of(json!("(B)"), None), Some(1));
        assert_eq!(of(json!("C."), None), Some(2));
        assert_eq!(of(json!("NA"), None), None);
        assert_eq!(of(json!([0, 0, 1]), None), Some(2));
        assert_eq!(of(json!(["B"]), None), Some(1));
    }

    /// ARC: of some rows the options are called A to D, of others 1 to 4.
    #[test]
    fn what_a_row_calls_its_options_comes_before_their_words() {
        let value = json!({"text": ["2", "3", "4"], "label": ["1", "2", "3"]});
        let (options, names) = (list_of_options(Some(&value)), names_of_options(Some(&value)));
        let said = |said: &str| right_answer(Some(&json!(said)), &options, &names, None);
        assert_eq!(said("2").unwrap(), Some(1));
        assert_eq!(said("4").unwrap(), Some(2), "its words");
        let columns = ["opa", "opb", "opc"].map(str::to_owned);
        assert_eq!(right_answer(Some(&json!("opc")), &options, &columns, None).unwrap(), Some(2));
    }

    #[test]
    fn a_label_may_have_become_a_number_with_a_point() {
        let labels = options(&["0", "1", "NA"]);
        assert_eq!(label_of("1.0", &labels), Some(1));
        assert_eq!(label_of("NA", &labels), Some(2));
        assert_eq!(label_of("2", &labels), None);
        assert!(is_nothing("NA") && is_nothing(" ") && !is_nothing("no"));
    }

    #[test]
    fn an_answer_that_means_no_option_is_refused() {
        let of = |value: Value, first| {
            right_answer(Some(&value), &options(&["x", "y"]), &[], first).unwrap_err()
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
        assert_eq!(
            list_of_options(Some(&json!("['a', \"b's\"]"))),
            ["a", "b's"],
            "as Python prints it"
        );
        let numpy = "{'text': array(['a', 'b'], dtype=object), 'label': array(['A', 'B'])}";
        assert_eq!(list_of_options(Some(&json!(numpy))), ["a", "b"]);
        assert_eq!(names_of_options(Some(&json!(numpy))), ["A", "B"]);
    }

    #[test]
    fn dialogues_are_read_as_words() {
        let one = json!([{"role": "user", "content": "Why?"}]);
        assert_eq!(words(Some(&one)), "Why?");
        let two =
            json!([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]);
        assert_eq!(words(Some(&two)), "user: Why?\n\nassistant: So.");
        let sharegpt = json!([{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]);
        assert_eq!(words(Some(&sharegpt)), words(Some(&two)));
        assert_eq!(words(Some(&json!([1, 2]))), "[1,2]");
    }

    #[test]
    fn a_verdict_is_the_name_of_a_column_or_a_place() {
        let columns = ["base".to_owned(), "tuned".to_owned()];
        for (said, verdict_index) in [
            ("tuned", Some(1)),
            ("A", Some(0)),
            ("2", Some(1)),
            ("Tie", Some(2)),
            (" ", None),
            ("NA", None),
            ("model_a", Some(0)),
            ("[[B]]", Some(1)),
            ("2.0", Some(1)),
            ("A>>B", Some(0)),
            ("tie (bothbad)", Some(2)),
        ] {
            assert_eq!(verdict(said, &columns).unwrap(), verdict_index, "{said}");
        }
        assert!(verdict("maybe", &columns).unwrap_err().contains("\"base\" or \"tuned\""));
    }
}
