//! Rows as people bring them, made after public reports: dialogues in cells of CSV, exports of annotation
//! tools in each of their versions, labels in everybody's words.

use serde_json::json;

use super::*;
use crate::data::pair::Message;

fn read(rows: &Value, want: Want) -> Result<Read, Problem> {
    let rows = rows.as_array().unwrap().iter().map(|row| row.as_object().unwrap().clone());
    understand(&rows.collect::<Vec<Fields>>(), want, None)
}

fn contents(rows: &Value, want: Want) -> Vec<Content> {
    let read = read(rows, want).unwrap_or_else(|problem| panic!("{rows}: {problem:?}"));
    read.rows.into_iter().map(|row| row.content).collect()
}

fn turns(turns: &[(&str, &str)]) -> Text {
    Text::Messages(turns.iter().map(|(role, words)| Message::new(role, words)).collect())
}

fn pair(prompt: Text, chosen: &str, rejected: &str) -> Content {
    let [chosen, rejected] = [chosen, rejected].map(|words| turns(&[("assistant", words)]));
    Content::Preference(PreferencePair { prompt, chosen, rejected })
}

fn said(read: &Read, words: &str) -> bool {
    read.notes.iter().any(|note| note.sentence.contains(words))
}

#[test]
fn lists_that_were_written_as_text_are_lists() {
    let messages =
        json!([{"role": "user", "content": "It's why?"}, {"role": "assistant", "content": "So."}]);
    let python =
        "[{'role': 'user', 'content': \"It's why?\"}, {'role': 'assistant', 'content': 'So.'}]";
    let expected = Content::Whole(turns(&[("user", "It's why?"), ("assistant", "So.")]));
    for text in [messages.to_string(), python.to_owned()] {
        for key in ["messages", "conversations"] {
            let rows = json!([{(key): text}]);
            assert_eq!(contents(&rows, Want::Answers), std::slice::from_ref(&expected), "{rows}");
        }
    }
    let pairs = json!([{"prompt": "[{'role': 'user', 'content': 'Why?'}]",
        "chosen": "[{'role': 'assistant', 'content': 'So.'}]",
        "rejected": "[{'role': 'assistant', 'content': 'No.'}]"}]);
    assert_eq!(contents(&pairs, Want::Pairs), [pair(turns(&[("user", "Why?")]), "So.", "No.")]);
    assert!(said(&read(&pairs, Want::Pairs).unwrap(), "lists that were written as text"));
    // A text that only begins like one stays a text.
    let text = json!([{"prompt": "[1] Why?", "completion": "['a', 'b']"}]);
    let plain = |words: &str| Text::Plain(words.to_owned());
    let expected =
        Content::Completion { prompt: plain("[1] Why?"), completion: plain("['a', 'b']") };
    assert_eq!(contents(&text, Want::Answers), [expected]);
    let broken = json!([{"messages": python}, {"messages": "[{'role': 'user', 'cont"}]);
    let problem = read(&broken, Want::Answers).unwrap_err();
    assert_eq!((problem.row, problem.key.as_deref()), (1, Some("messages")));
    assert!(problem.sentence.contains("cannot be read as one"), "{}", problem.sentence);
}

#[test]
fn every_version_of_argilla_says_the_same() {
    let fields = json!({"prompt": "q", "response-1": "x", "response-2": "y"});
    let ranks = json!([{"rank": 2, "value": "response-1"}, {"rank": 1, "value": "response-2"}]);
    let record = |responses: Value| json!({"fields": fields, "responses": responses});
    let pushed = |answers: Value| {
        let mut row = fields.clone();
        row["preference"] = answers;
        row["preference-suggestion"] = json!("response-1");
        row
    };
    let expected = [pair(turns(&[("user", "q")]), "y", "x")];
    for row in [
        record(
            json!([{"user_id": "u", "status": "submitted", "values": {"preference": {"value": "response-2"}}}]),
        ),
        record(json!([{"status": "submitted", "values": {"preference": {"value": ranks}}},
                      {"status": "discarded", "values": {"preference": {"value": "response-1"}}}])),
        record(json!({"preference": [{"value": "response-2", "user_id": "u"}]})),
        pushed(json!([{"user_id": "u", "value": "response-2", "status": "submitted"}])),
        pushed(
            json!({"user_id": ["u", "v"], "value": ["response-2", "response-1"], "status": ["submitted", "draft"]}),
        ),
        pushed(
            json!({"user_id": ["u"], "value": [{"rank": [2, 1], "value": ["response-1", "response-2"]}], "status": ["submitted"]}),
        ),
    ] {
        let read =
            read(&json!([row]), Want::Pairs).unwrap_or_else(|problem| panic!("{row}: {problem:?}"));
        assert_eq!(read.form, Form::Argilla);
        assert_eq!(read.rows.len(), 1, "{row}");
        assert_eq!(read.rows[0].content, expected[0], "{row}");
    }
}

#[test]
fn a_label_may_be_a_word_or_a_number_with_a_point() {
    for (good, bad) in [
        (json!(true), json!(false)),
        (json!(1.0), json!(0.0)),
        (json!(1), json!(-1)),
        (json!("True"), json!("FALSE")),
        (json!("desirable"), json!("undesirable")),
        (json!("yes"), json!("no")),
        (json!("thumbs_up"), json!("thumbs_down")),
    ] {
        let rows = json!([{"prompt": "p", "completion": "c", "label": good},
                          {"prompt": "q", "completion": "c", "label": bad}]);
        let read =
            read(&rows, Want::Labelled).unwrap_or_else(|problem| panic!("{rows}: {problem:?}"));
        let labels: Vec<_> = read.rows.iter().map(|row| row.label).collect();
        assert_eq!(labels, [Some(true), Some(false)], "{rows}");
    }
    let rows = json!([{"prompt": "p", "completion": "c", "label": "meh"}]);
    let problem = read(&rows, Want::Labelled).unwrap_err();
    assert!(
        problem.sentence.starts_with("its \"label\" is \"meh\", which says neither"),
        "{problem:?}"
    );
}

#[test]
fn dialogues_with_two_last_answers_are_pairs() {
    let expected = [pair(turns(&[("user", "q")]), "x", "y")];
    let message = |words: &str| json!({"role": "assistant", "content": words});
    let asked = json!([{"role": "user", "content": "q"}]);
    for row in [
        json!({"messages": asked, "chosen": message("x"), "rejected": message("y")}),
        json!({"messages": asked, "chosen": [message("x")], "rejected": [message("y")]}),
        json!({"prompt": "q", "chosen": message("x"), "rejected": message("y")}),
        json!({"prompt": "[\"q\"]", "response_a": "[\"x\"]", "response_b": "[\"y\"]", "winner_model_a": 1}),
    ] {
        assert_eq!(contents(&json!([row]), Want::Pairs), expected, "{row}");
    }
    // Several turns: both go on after the first question.
    let row = json!({"prompt": "[\"q\",\"r\"]", "response_a": "[\"x\",\"s\"]", "response_b": "[\"y\",\"t\"]", "winner": "model_b"});
    let Content::Preference(found) = &contents(&json!([row]), Want::Pairs)[0] else { panic!() };
    assert_eq!(found.prompt, turns(&[("user", "q")]));
    assert_eq!(found.chosen, turns(&[("assistant", "y"), ("user", "r"), ("assistant", "t")]));
}

#[test]
fn what_is_not_looked_at_is_said() {
    let answer =
        |mark: &str, value: Value| json!({"role": "assistant", "content": "a", (mark): value});
    let row = |answer: Value| json!([{"messages": [{"role": "user", "content": "q"}, answer]}]);
    for (mark, value) in [("weight", json!(0)), ("train", json!(false)), ("loss", json!(false))] {
        let read = read(&row(answer(mark, value)), Want::Answers).unwrap();
        assert!(said(&read, "not to be learned from"), "{mark}");
    }
    let read_with = |value| read(&row(answer("weight", value)), Want::Answers).unwrap();
    assert!(read_with(json!(1)).notes.is_empty());
    let mut with_system = row(answer("weight", json!(1)));
    with_system[0]["system"] = json!("Be brief.");
    assert!(said(&read(&with_system, Want::Answers).unwrap(), "`system` beside its messages"));
    // One score is no tie.
    let one = json!([{"instruction": "q", "completions": [{"response": "x", "overall_score": "N/A"},
        {"response": "y", "overall_score": 2}]}]);
    let problem = read(&one, Want::Pairs).unwrap_err();
    assert!(problem.sentence.contains("only one of its answers has a score"), "{problem:?}");
}
