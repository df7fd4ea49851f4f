//! A task's file: what it may say, and what is wrong with it.

use std::collections::BTreeMap;

use super::schema::Field;
use super::split::Part;
use super::*;

#[test]
fn a_task_says_one_thing() {
    let of = |text: &str| Task::parse(text).unwrap();
    let code = "data = 'a.csv'\n[code]\ntext = 't'\ncodebook = 'c.toml'\n";
    assert!(matches!(of(code).kind(), Ok(Kind::Code(_))));
    let both = format!("{code}[judge]\nprompt = 'p'\nanswers = ['a', 'b']\n");
    for (text, words) in [
        ("data = 'a.csv'", "needs one of"),
        (both.as_str(), "more than one"),
        ("", "no `data`"),
        ("data = 'a.csv'\nencoder = 'e'\n[write]\ninstruction = 'i'\n", "no [ask]"),
    ] {
        let said = of(text).kind().unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_task_is_read_back_as_it_was_written() {
    let json = serde_json::json!({"type": "object", "properties": {"a": {"type": "null"}}});
    let fields = vec![Field { name: "year".to_owned(), ..Field::default() }];
    let human = BTreeMap::from([("year".to_owned(), "by_hand".to_owned())]);
    let tasks = [
        Task {
            code: Some(Code { by: Some("g".to_owned()), ..Code::default() }),
            ..Task::default()
        },
        Task {
            extract: Some(Extract { json: Some(json), ..Extract::default() }),
            ..Task::default()
        },
        Task { extract: Some(Extract { fields, human, ..Extract::default() }), ..Task::default() },
        Task { ask: Some(Ask::default()), encoder: Some("e".to_owned()), ..Task::default() },
        Task {
            survey: Some(Survey { personas: Some("p.csv".into()), ..Survey::default() }),
            split: Some(Split { test: 0.5, seed: 1, part: Part::Test }),
            ..Task::default()
        },
    ];
    for task in tasks {
        let text = task.to_toml().unwrap();
        assert_eq!(Task::parse(&text), Ok(task), "{text}");
    }
    let json = serde_json::json!({"enum": [null]});
    let extract = Extract { json: Some(json), ..Extract::default() };
    assert_eq!(Task { extract: Some(extract), ..Task::default() }.to_toml(), None);
}

#[test]
fn a_wrong_key_is_named_with_its_line() {
    let (line, problem) = Task::parse("data = 'a'\n[exam]\nquestions = 'q'\n").unwrap_err();
    assert!(line >= 2 && problem.contains("questions"), "{line}: {problem}");
}

#[test]
fn the_part_that_scores_texts_has_a_name_of_its_own() {
    let (line, said) = Task::parse("data = 'a.csv'\n[score]\ntext = 't'\n").unwrap_err();
    assert!(line == 2 && said.contains("[perplexity]"), "{line}: {said}");
    let task = "data = 'a.csv'\nscore = 'mean'\n[perplexity]\ntext = 't'\nwindow = 8\nstride = 3\n";
    let task = Task::parse(task).unwrap();
    assert!(matches!(task.kind(), Ok(Kind::Perplexity(it)) if it.stride == 3));
    assert_eq!(Task::parse(&task.to_toml().unwrap()).unwrap(), task);
    let wide = Task::parse(
        "data = 'a'\n[extract]\nwindows = true\nwindow_tokens = 64\n\
                            fields = [{ name = 'x' }]\n",
    );
    let said = wide.unwrap().kind().unwrap_err().to_string();
    assert!(said.contains("`overlap` of [extract] is 64"), "{said}");
}
