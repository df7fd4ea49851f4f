//! Answers that are there already, two or more to a prompt, to be compared by a person: whatever
//! was said of them before is left out, so that the comparison is blind.

use serde_json::Value;

use super::annotation::{question, two_answers};
use super::content::{Content, Fields, Want};
use super::nested::unfolded_row;
use super::understand::understand;
use super::value::{as_text, given};
use crate::data::pair::{Text, extract_prompt};

/// An answer, and which model gave it, where the file says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub text: String,
    pub model: Option<String>,
}

/// A prompt with its answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidates {
    pub prompt: Text,
    pub answers: Vec<Candidate>,
}

/// More answers to a prompt make more pairs than anybody compares.
pub const MOST_ANSWERS: usize = 6;

/// Where a list of answers may be.
const LISTS: [&str; 6] =
    ["completions", "responses", "answers", "candidates", "outputs", "generations"];

/// What an answer in a list may be called.
const TEXTS: [&str; 7] = ["response", "text", "content", "answer", "output", "completion", "value"];

/// Columns with the models of two answers.
const MODELS: [[&str; 2]; 5] = [
    ["model_a", "model_b"],
    ["model_1", "model_2"],
    ["model1", "model2"],
    ["left_model", "right_model"],
    ["model_left", "model_right"],
];

/// The prompt and the answers of a row. `models`: of the whole file (LLM Comparator). The error says
/// what is missing.
pub fn of_row(row: &Fields, models: Option<&[String; 2]>) -> Result<Candidates, String> {
    let row = &*unfolded_row(row);
    // Label Studio keeps a task under "data", Argilla a record under "fields".
    let inner = ["data", "fields"].iter().find_map(|key| row.get(*key)?.as_object());
    let fields = inner.unwrap_or(row);
    let found = of_list(fields)
        .or_else(|| of_comparator(fields, models))
        .or_else(|| of_conversations(fields))
        .or_else(|| of_columns(fields))
        .or_else(|| of_training_row(row));
    let Some(Candidates { prompt, answers }) = found else {
        return Err(format!(
            "there are no two answers to one prompt here. Expected: \"prompt\" with \"answer_a\" and \
             \"answer_b\", or an export of Label Studio, Argilla, Potato or LLM Comparator; found: {}",
            super::value::keys(fields)
        ));
    };
    if let Some(at) = answers.iter().position(|answer| answer.text.trim().is_empty()) {
        return Err(format!("answer {} of {} is empty", at + 1, answers.len()));
    }
    if answers.len() > MOST_ANSWERS {
        return Err(format!(
            "there are {} answers to this prompt. At most {MOST_ANSWERS} are compared, each with each",
            answers.len()
        ));
    }
    Ok(Candidates { prompt, answers })
}

/// What the answer is called where there is one to a row.
const ANSWERS: [&str; 7] =
    ["response", "answer", "output", "completion", "generation", "generated_text", "prediction"];

/// The prompt of a row and the one answer to it, with the model that the row names. The error says what
/// is missing.
pub fn one_answer(row: &Fields) -> Result<(Text, Candidate), String> {
    let named = ["model", "model_name", "generator"].iter().find_map(|key| given(row, key));
    let model = named.and_then(Value::as_str).map(str::to_owned);
    let of_column = || {
        let (key, value) = ANSWERS.iter().find_map(|key| Some((*key, given(row, key)?)))?;
        Some((question(row, &[key]).ok()?, words(value)?))
    };
    let Some((prompt, text)) = of_column().or_else(|| of_conversation(row)) else {
        return Err(format!(
            "there is no prompt with an answer here. Expected: \"prompt\" with \"response\", or \"messages\" \
             that end with the assistant's; found: {}",
            super::value::keys(row)
        ));
    };
    if text.trim().is_empty() {
        return Err("the answer is empty".to_owned());
    }
    Ok((prompt, Candidate { text, model }))
}

/// Of a row that can be trained on: what is asked, and the answer.
fn of_conversation(row: &Fields) -> Option<(Text, String)> {
    let read = understand(std::slice::from_ref(row), Want::Answers, None).ok()?;
    match read.rows.into_iter().next()?.content {
        Content::Completion { prompt, completion } => Some((prompt, completion.words())),
        Content::Whole(Text::Messages(mut messages)) => {
            let answer = messages.pop().filter(|last| last.role == "assistant")?;
            (!messages.is_empty()).then_some((Text::Messages(messages), answer.content))
        }
        Content::Preference(_) | Content::Whole(Text::Plain(_)) => None,
    }
}

fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => {
            let key = TEXTS.iter().find(|key| fields.get(**key).is_some_and(Value::is_string))?;
            Some(fields.get(*key)?.as_str()?.to_owned())
        }
        other => Some(as_text("answer", other).ok()?.words()),
    }
}

fn model_of(value: &Value) -> Option<String> {
    let model =
        ["model", "model_name", "generator", "name"].iter().find_map(|key| value.get(*key))?;
    model.as_str().map(str::to_owned)
}

/// A list of answers: `UltraFeedback`'s completions, Potato's responses.
fn of_list(fields: &Fields) -> Option<Candidates> {
    let (key, list) = LISTS.iter().find_map(|key| {
        Some((*key, given(fields, key)?.as_array().filter(|list| list.len() >= 2)?))
    })?;
    let models = given(fields, "models").and_then(Value::as_array);
    let answers = list.iter().enumerate().map(|(at, value)| {
        let named = models.and_then(|models| models.get(at)).and_then(Value::as_str);
        let model = model_of(value).or_else(|| named.map(str::to_owned));
        Some(Candidate { text: words(value)?, model })
    });
    let answers: Option<Vec<Candidate>> = answers.collect();
    Some(Candidates { prompt: question(fields, &[key]).ok()?, answers: answers? })
}

fn of_comparator(fields: &Fields, models: Option<&[String; 2]>) -> Option<Candidates> {
    let text = |key: &str| given(fields, key)?.as_str().map(str::to_owned);
    let (prompt, first, second) =
        (text("input_text")?, text("output_text_a")?, text("output_text_b")?);
    let model = |at: usize| models.map(|models| models[at].clone());
    Some(Candidates {
        prompt: Text::Plain(prompt),
        answers: vec![
            Candidate { text: first, model: model(0) },
            Candidate { text: second, model: model(1) },
        ],
    })
}

fn two_models(fields: &Fields) -> [Option<String>; 2] {
    let of = |key: &str| {
        let value = given(fields, key)?;
        value.as_str().map(str::to_owned).or_else(|| model_of(value))
    };
    let known = MODELS.iter().find(|[one, other]| of(one).is_some() && of(other).is_some());
    known.map_or([None, None], |[one, other]| [of(one), of(other)])
}

/// An arena's two conversations.
fn of_conversations(fields: &Fields) -> Option<Candidates> {
    let text = |key: &str| as_text(key, given(fields, key)?).ok();
    let pair = extract_prompt(text("conversation_a")?, text("conversation_b")?)?;
    let [first, second] = two_models(fields);
    Some(Candidates {
        prompt: pair.prompt,
        answers: vec![
            Candidate { text: pair.chosen.words(), model: first },
            Candidate { text: pair.rejected.words(), model: second },
        ],
    })
}

/// Two columns: `answer_a` and `answer_b`, `response1` and `response2`.
fn of_columns(fields: &Fields) -> Option<Candidates> {
    let columns = two_answers(fields)?;
    let [first, second] = columns.map(|key| given(fields, key).and_then(words));
    let [first_model, second_model] = two_models(fields);
    Some(Candidates {
        prompt: question(fields, &columns).ok()?,
        answers: vec![
            Candidate { text: first.unwrap_or_default(), model: first_model },
            Candidate { text: second.unwrap_or_default(), model: second_model },
        ],
    })
}

/// A pair of any form that can be trained on. Which is called the better one is not told.
fn of_training_row(row: &Fields) -> Option<Candidates> {
    let read = understand(std::slice::from_ref(row), Want::Pairs, None).ok()?;
    let Content::Preference(pair) = read.rows.into_iter().next()?.content else { return None };
    let answer = |text: &Text| Candidate { text: text.words(), model: None };
    let answers = vec![answer(&pair.chosen), answer(&pair.rejected)];
    Some(Candidates { prompt: pair.prompt, answers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(row: Value) -> Result<Candidates, String> {
        let Value::Object(row) = row else { panic!("an object") };
        of_row(&row, None)
    }

    fn texts(row: Value) -> (String, Vec<String>) {
        let of = read(row).expect("it has answers");
        (of.prompt.words(), of.answers.into_iter().map(|answer| answer.text).collect())
    }

    #[test]
    fn answers_are_found_in_every_form_and_nothing_is_told_of_who_won() {
        let rows = [
            json!({"prompt": "q", "answer_a": "x", "answer_b": "y", "winner": "b"}),
            json!({"id": 1, "data": {"prompt": "q", "answer1": "x", "answer2": "y"},
                   "annotations": [{"result": [{"value": {"selected": "right"}}]}]}),
            json!({"id": 1, "prompt": "q", "answer1": "x", "answer2": "y", "comparison": "left"}),
            json!({"id": "a", "fields": {"prompt": "q", "response_a": "x", "response_b": "y"},
                   "responses": {"preference": [{"value": "response_b"}]}}),
            json!({"id": "1", "prompt": "q", "responses": ["x", "y"]}),
            json!({"id": "1", "prompt": "q", "responses": "['x', 'y']"}),
            json!({"input_text": "q", "output_text_a": "x", "output_text_b": "y", "score": 1.0}),
            json!({"prompt": "q", "chosen": "x", "rejected": "y"}),
            json!({"instruction": "q", "completions": [{"model": "m", "response": "x"},
                   {"model": "n", "response": "y"}]}),
        ];
        for row in rows {
            let said = row.to_string();
            let (prompt, answers) = texts(row);
            assert_eq!(
                (prompt.as_str(), answers.as_slice()),
                ("q", &["x".to_owned(), "y".to_owned()][..]),
                "{said}"
            );
        }
        let many = json!({"prompt": "q", "responses": ["x", "y", "z"], "models": ["a", "b", "c"]});
        let many = read(many).unwrap();
        let models: Vec<_> = many.answers.iter().map(|answer| answer.model.as_deref()).collect();
        assert_eq!(models, [Some("a"), Some("b"), Some("c")]);
        let arena = json!({"conversation_a": [{"role": "user", "content": "q"},
            {"role": "assistant", "content": "x"}], "conversation_b": [{"role": "user",
            "content": "q"}, {"role": "assistant", "content": "y"}], "model_a": "m",
            "model_b": "n", "winner": "model_a"});
        let arena = read(arena).unwrap();
        assert_eq!(
            arena.answers[1],
            Candidate { text: "y".to_owned(), model: Some("n".to_owned()) }
        );
    }

    #[test]
    fn a_row_without_two_answers_says_what_is_expected() {
        let said = read(json!({"prompt": "q", "answer": "x"})).unwrap_err();
        assert!(
            said.contains("\"answer_a\"") && said.ends_with("found: \"prompt\", \"answer\""),
            "{said}"
        );
        let said = read(json!({"prompt": "q", "answer_a": "x", "answer_b": " "})).unwrap_err();
        assert_eq!(said, "answer 2 of 2 is empty");
        let said = read(json!({"prompt": "q", "responses": ["1", "2", "3", "4", "5", "6", "7"]}));
        assert!(said.unwrap_err().contains("At most 6"));
    }
}
