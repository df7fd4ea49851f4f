//! Every form, by a row of it: which one it is, and what it becomes.

use serde_json::json;

use super::*;
use crate::data::forms::{Understood, dataset_info};
use crate::data::pair::Message;

fn fields(value: Value) -> Fields {
    let Value::Object(fields) = value else { panic!("{value}") };
    fields
}

fn read(rows: &[Value], want: Want) -> Result<Read, Problem> {
    let rows: Vec<Fields> = rows.iter().cloned().map(fields).collect();
    understand(&rows, want, None)
}

fn dialogue(turns: &[(&str, &str)]) -> Text {
    Text::Messages(turns.iter().map(|(role, words)| Message::new(role, words)).collect())
}

fn user(words: &str) -> Text {
    dialogue(&[("user", words)])
}

fn assistant(words: &str) -> Text {
    dialogue(&[("assistant", words)])
}

fn pair(prompt: Text, chosen: &str, rejected: &str) -> Content {
    let (chosen, rejected) = (assistant(chosen), assistant(rejected));
    Content::Preference(PreferencePair { prompt, chosen, rejected })
}

fn completion(prompt: Text, words: &str) -> Content {
    Content::Completion { prompt, completion: assistant(words) }
}

#[test]
fn every_form_of_pairs_is_recognised_by_its_keys() {
    let asked = || pair(user("Why?"), "Because.", "No.");
    let messages = |words: &str| json!([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": words}]);
    let said = |words: &str| json!({"from": "gpt", "value": words});
    for (row, name, expected) in [
        (
            json!({"instruction": "Why?", "input": "", "chosen": "Because.", "rejected": "No."}),
            "Alpaca (preference)",
            asked(),
        ),
        (
            json!({"instruction": "Why?", "input": "", "output": ["Because.", "No."]}),
            "Alpaca",
            asked(),
        ),
        (
            json!({"conversations": [{"from": "human", "value": "Why?"}], "chosen": said("Because."), "rejected": said("No.")}),
            "ShareGPT (preference)",
            asked(),
        ),
        (
            json!({"system": "", "question": "Why?", "chosen": "Because.", "rejected": "No."}),
            "Axolotl's chatml.intel",
            asked(),
        ),
        (
            json!({"system": "Be brief.", "input": "Why?", "chosen": "Because.", "rejected": "No."}),
            "Axolotl's chatml.icr",
            pair(dialogue(&[("system", "Be brief."), ("user", "Why?")]), "Because.", "No."),
        ),
        (
            json!({"system": "Be brief.", "prompt": "Why?", "chosen": "Because.", "rejected": "No."}),
            "Axolotl's chatml.prompt_pairs",
            pair(dialogue(&[("system", "Be brief."), ("user", "Why?")]), "Because.", "No."),
        ),
        (
            json!({"instruction": "Why?", "chosen_response": "Because.", "rejected_response": "No."}),
            "Axolotl's chatml.argilla",
            asked(),
        ),
        (
            json!({"instruction": "Why?", "output": "Because.", "rejected_answer": "No."}),
            "H2O LLM Studio (preference)",
            asked(),
        ),
        (
            json!({"prompt": "Why?", "text": "Because.", "rejected_text": "No."}),
            "AutoTrain (preference)",
            asked(),
        ),
        (
            json!({"prompt": "Why?", "chosen": messages("Because."), "rejected": messages("No."), "score_chosen": 8.0}),
            "UltraFeedback, binarized",
            asked(),
        ),
        (
            json!({"instruction": "Why?", "completions": [{"response": "No.", "overall_score": 2.0}, {"response": "Hm.", "overall_score": 5}, {"response": "Because.", "overall_score": "8.5"}]}),
            "UltraFeedback with scored answers",
            asked(),
        ),
        (
            json!({"input": {"messages": [{"role": "user", "content": "Why?"}]}, "preferred_output": [{"role": "assistant", "content": "Because."}], "non_preferred_output": [{"role": "assistant", "content": "No."}]}),
            "OpenAI's preference files",
            asked(),
        ),
        (
            json!({"conversation_a": messages("No."), "conversation_b": messages("Because."), "winner": "model_b"}),
            "an arena's battles",
            asked(),
        ),
        (
            json!({"prompt": "Why?", "response_a": "Because.", "response_b": "No.", "winner_model_a": 1, "winner_model_b": 0, "winner_tie": 0}),
            "an arena's battles",
            asked(),
        ),
        (
            json!({"history": "Why?", "human_ref_A": "No.", "human_ref_B": "Because.", "labels": 0}),
            "Stanford's human preferences",
            asked(),
        ),
        (
            json!({"id": 1, "data": {"prompt": "Why?", "answer1": "No.", "answer2": "Because."}, "annotations": [
                {"was_cancelled": true, "result": [{"type": "pairwise", "value": {"selected": "left"}}]},
                {"was_cancelled": false, "result": [{"type": "pairwise", "value": {"selected": "right"}}]}]}),
            "an export of Label Studio",
            asked(),
        ),
        (
            json!({"id": 1, "prompt": "Why?", "text1": "Because.", "text2": "No.", "comparison": "left", "annotator": 1, "annotation_id": 1, "lead_time": 2.5}),
            "an export of Label Studio (JSON-MIN)",
            asked(),
        ),
        (
            json!({"id": "a", "data": {"prompt": "Why?", "items": [{"id": "x", "body": "No."}, {"id": "y", "body": "Because."}]}, "annotations": [{"result": [{"type": "ranker", "value": {"ranker": {"rank": ["y", "x"]}}}]}]}),
            "an export of Label Studio",
            asked(),
        ),
        (
            json!({"id": "a", "fields": {"prompt": "Why?", "reply-1": "No.", "reply-2": "Because."}, "metadata": {}, "responses": {"better": [
                {"value": [{"value": "reply-1", "rank": 2}, {"value": "reply-2", "rank": 1}], "user_id": "u"}]}}),
            "an export of Argilla",
            asked(),
        ),
        (
            json!({"id": "a", "prompt": "Why?", "response1": "Because.", "response2": "No.", "better.responses": ["response1", "response1", "response2"]}),
            "an export of Argilla",
            asked(),
        ),
        (
            json!({"id": "a", "prompt": "Why?", "responses": ["No.", "Because."], "preference": {"selection": "B"}}),
            "annotations of Potato",
            asked(),
        ),
        (
            json!({"id": "a", "text": "Why?", "responses": ["Because.", "No."], "label_annotations": {"preference_scale": {"scale_value": "-2"}}}),
            "annotations of Potato",
            asked(),
        ),
    ] {
        let found = read(std::slice::from_ref(&row), Want::Pairs)
            .unwrap_or_else(|err| panic!("{row}: {err:?}"));
        assert_eq!(found.form.name(), name, "{row}");
        assert_eq!(found.rows[0].content, expected, "{row}");
        assert_eq!(found.rows[0].group, expected.texts()[0].words(), "{row}");
        let answers = read(std::slice::from_ref(&row), Want::Answers).unwrap();
        let Content::Completion { completion, .. } = &answers.rows[0].content else {
            panic!("{row}: SFT learns the better answer")
        };
        assert_eq!(completion.words(), "Because.", "{row}");
    }
}

#[test]
fn every_form_of_answers_is_recognised_by_its_keys() {
    for (row, name, expected) in [
        (json!({"text": "Words."}), "texts", Content::Whole(Text::Plain("Words.".to_owned()))),
        (
            json!({"instruction": "Translate.", "input": "river", "output": "Fluss", "history": [["Hi", "Hello"]], "system": "Be brief."}),
            "Alpaca",
            completion(
                dialogue(&[
                    ("system", "Be brief."),
                    ("user", "Hi"),
                    ("assistant", "Hello"),
                    ("user", "Translate.\nriver"),
                ]),
                "Fluss",
            ),
        ),
        (
            json!({"instruction": "Name a tree.", "input": "", "output": "An oak."}),
            "Alpaca",
            completion(user("Name a tree."), "An oak."),
        ),
        (
            json!({"instruction": "Why?", "context": "Rain.", "response": "Clouds.", "category": "qa"}),
            "Dolly",
            completion(user("Why?\nRain."), "Clouds."),
        ),
        (
            json!({"id": "1", "system_prompt": "Be brief.", "question": "Why?", "response": "So."}),
            "OpenOrca",
            completion(dialogue(&[("system", "Be brief."), ("user", "Why?")]), "So."),
        ),
        (
            json!({"question": "2+2?", "answer": 4}),
            "question and answer",
            completion(user("2+2?"), "4"),
        ),
        (
            json!({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}], "system": "Be brief."}),
            "ShareGPT",
            Content::Whole(dialogue(&[
                ("system", "Be brief."),
                ("user", "Hi"),
                ("assistant", "Hello"),
            ])),
        ),
        (
            json!({"conversations": [{"from": "developer", "value": "Be brief."}, {"from": "user", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}),
            "ShareGPT",
            Content::Whole(dialogue(&[
                ("developer", "Be brief."),
                ("user", "Hi"),
                ("assistant", "Hello"),
            ])),
        ),
        (
            json!({"conversation": [{"human": "Hi", "assistant": "Hello"}]}),
            "ShareGPT",
            Content::Whole(dialogue(&[("user", "Hi"), ("assistant", "Hello")])),
        ),
        (
            json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hello"}]}]}),
            "Gemini's tuning files",
            Content::Whole(dialogue(&[("user", "Hi"), ("assistant", "Hello")])),
        ),
        (
            json!({"prompt": [{"role": "user", "content": "Hi"}], "completion": "Hello"}),
            "prompt and completion",
            completion(user("Hi"), "Hello"),
        ),
        (
            json!({"id": 7, "data": {"text": "Hi"}, "annotations": [{"result": [{"type": "textarea", "value": {"text": ["Hello"]}}]}]}),
            "an export of Label Studio",
            completion(user("Hi"), "Hello"),
        ),
        (
            json!({"fields": {"prompt": "Hi", "response": "Hey"}, "responses": {"correction": [{"value": "Hello there", "status": "submitted"}]}}),
            "an export of Argilla",
            completion(user("Hi"), "Hello there"),
        ),
    ] {
        let found = read(std::slice::from_ref(&row), Want::Answers)
            .unwrap_or_else(|err| panic!("{row}: {err:?}"));
        assert_eq!(found.form.name(), name, "{row}");
        assert_eq!(found.rows[0].content, expected, "{row}");
        assert!(read(std::slice::from_ref(&row), Want::Pairs).is_err(), "{row} is no pair");
    }
}

#[test]
fn a_transcript_keeps_trls_text_and_is_held_out_by_its_question() {
    let row = |answers: [&str; 2]| {
        let text = |answer: &str| format!("\n\nHuman: Why?\n\nAssistant:{answer}");
        json!({"chosen": text(answers[0]), "rejected": text(answers[1])})
    };
    let found =
        read(&[row([" It is so.", " It rains."]), row([" Yes.", " No."])], Want::Pairs).unwrap();
    assert_eq!(found.form, Form::HhTranscripts);
    let Content::Preference(pair) = &found.rows[0].content else { panic!("a pair") };
    // As TRL's extract_prompt has it: what both answers begin with is the prompt's.
    assert_eq!(pair.prompt.words(), "\n\nHuman: Why?\n\nAssistant: It");
    assert_eq!(found.rows[0].group, "Human: Why?\n\nAssistant:");
    assert_eq!(found.rows[0].group, found.rows[1].group);
}

#[test]
fn what_nobody_decided_is_left_out_and_said() {
    let row = |winner: &str| json!({"prompt": "Why?", "response_a": "a", "response_b": "b", "winner": winner});
    let found =
        read(&[row("tie"), row("model_a"), row("tie (bothbad)"), row("")], Want::Pairs).unwrap();
    assert_eq!(found.rows.len(), 1);
    let said: Vec<(&str, &[usize])> =
        found.notes.iter().map(|note| (note.sentence.as_str(), note.rows.as_slice())).collect();
    assert_eq!(
        said,
        [
            ("2 rows are left out: it is a tie, so no answer is better", [0, 2].as_slice()),
            ("1 row is left out: it does not say which answer is better", &[3]),
        ]
    );
    let all = read(&[row("tie")], Want::Pairs).unwrap_err();
    assert!(all.sentence.contains("no row is left"), "{}", all.sentence);
}

#[test]
fn labelled_answers_become_pairs_of_the_same_prompt() {
    let row = |prompt: &str, words: &str, label: bool| json!({"prompt": prompt, "completion": words, "label": label});
    let rows =
        [row("a", "1", true), row("b", "2", true), row("a", "3", false), row("a", "4", false)];
    let found = read(&rows, Want::Pairs).unwrap();
    let Content::Preference(pair) = &found.rows[0].content else { panic!("a pair") };
    let words = [&pair.prompt, &pair.chosen, &pair.rejected].map(Text::words);
    assert_eq!((found.rows.len(), words), (1, ["a", "1", "3"].map(str::to_owned)));
    let left = found.notes.iter().find(|note| note.sentence.contains("left out")).unwrap();
    assert_eq!(left.rows, [1, 3]);
    // SFT learns from all of them, as TRL's does, and says so
    let answers = read(&rows, Want::Answers).unwrap();
    assert_eq!(answers.rows.len(), 4);
    assert!(answers.notes.iter().any(|note| note.rows == [2, 3]));
    let none = read(&[row("a", "1", true), row("b", "2", false)], Want::Pairs).unwrap_err();
    assert!(none.sentence.contains("no prompt has both"), "{}", none.sentence);
    let both = read(&[row("a", "1", true), row("a", "1", false)], Want::Answers).unwrap();
    assert!(both.notes.iter().any(|note| note.sentence.contains("good and as bad")));
}

#[test]
fn labelled_answers_keep_their_labels_and_pairs_become_a_good_and_a_bad_one() {
    let labelled = |rows: &[Value]| {
        let found = read(rows, Want::Labelled).map_err(|problem| problem.sentence)?;
        let of = |row: &Understood| (row.content.texts()[1].words(), row.label);
        Ok::<_, String>(found.rows.iter().map(of).collect::<Vec<_>>())
    };
    let answer =
        |words: &str, label: Value| json!({"prompt": "p", "completion": words, "label": label});
    let found = labelled(&[answer("a", json!(true)), answer("b", json!(0))]).unwrap();
    assert_eq!(found, [("a".to_owned(), Some(true)), ("b".to_owned(), Some(false))]);
    // TRL 1.16.0's unpair_preference_dataset: all chosen answers, then all rejected ones
    let pair = |good: &str, bad: &str| json!({"prompt": "p", "chosen": good, "rejected": bad});
    let found = labelled(&[pair("a", "b"), pair("c", "d")]).unwrap();
    let words: Vec<&str> = found.iter().map(|(words, _)| words.as_str()).collect();
    assert_eq!(words, ["a", "c", "b", "d"]);
    assert_eq!(found[2].1, Some(false));
    let none = labelled(&[json!({"prompt": "p", "completion": "a"})]).unwrap_err();
    assert!(none.contains("\"label\""), "{none}");
}

#[test]
fn rows_that_name_their_parents_get_the_turns_before() {
    let row = |id: &str, parent: Value, asked: &str, said: &str| json!({"id": id, "parent_id": parent, "instruction": asked, "output": said});
    let rows = [row("1", Value::Null, "Hi", "Hello"), row("2", json!("1"), "Why?", "So.")];
    let found = read(&rows, Want::Answers).unwrap();
    assert_eq!(found.form, Form::H2oChain);
    let before = dialogue(&[("user", "Hi"), ("assistant", "Hello"), ("user", "Why?")]);
    assert_eq!(found.rows[1].content, completion(before, "So."));
    let circle =
        read(&[row("1", json!("2"), "a", "b"), row("2", json!("1"), "c", "d")], Want::Answers);
    assert!(circle.unwrap_err().sentence.contains("leads back"));
}

#[test]
fn a_dataset_info_names_the_columns() {
    let folder = tempfile::tempdir().unwrap();
    let info = json!({
        "other": {"ms_hub_url": "x/y"},
        "mine": {"file_name": "mine.json", "columns": {"prompt": "frage", "query": "dazu", "response": "antwort"}},
        "talks": {"file_name": "talks.json", "formatting": "sharegpt", "columns": {"messages": "turns", "system": "rules"},
            "tags": {"role_tag": "who", "content_tag": "what", "user_tag": "A", "assistant_tag": "B"}},
        "ranked": {"file_name": "ranked.json", "ranking": true, "columns": {"prompt": "q"}},
        "wrong": {"file_name": "wrong.json", "formatting": "csv"},
    });
    crate::files::write_atomic(
        &folder.path().join("dataset_info.json"),
        info.to_string().as_bytes(),
    )
    .unwrap();
    let beside = |name: &str| dataset_info::beside(&folder.path().join(name));
    let content = |name: &str, row: Value, want| {
        let stanza = beside(name).unwrap().unwrap();
        let read = understand(&[fields(row)], want, Some(&stanza)).unwrap();
        read.rows[0].content.clone()
    };
    let row = json!({"frage": "Warum?", "dazu": "Regen", "antwort": "Darum."});
    assert_eq!(
        content("mine.json", row, Want::Answers),
        completion(user("Warum?\nRegen"), "Darum.")
    );
    let row = json!({"turns": [{"who": "A", "what": "Hi"}, {"who": "B", "what": "Hello"}], "rules": "Be brief."});
    let expected = dialogue(&[("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello")]);
    assert_eq!(content("talks.json", row, Want::Answers), Content::Whole(expected));
    let row = json!({"q": "Why?", "chosen": "So.", "rejected": "No."});
    assert_eq!(content("ranked.json", row, Want::Pairs), pair(user("Why?"), "So.", "No."));
    assert_eq!(beside("elsewhere.json").unwrap(), None);
    assert!(beside("wrong.json").unwrap_err().problem.contains("known are alpaca"));
    let copy =
        dataset_info::for_copies([(&*folder.path().join("mine.json"), "data.jsonl")].into_iter())
            .unwrap();
    assert!(copy.contains("\"file_name\": \"data.jsonl\"") && !copy.contains("talks"), "{copy}");
}

#[test]
fn a_form_that_is_not_known_is_said_with_its_columns_and_what_to_rename() {
    let said = |row: Value, want| read(&[row], want).unwrap_err().sentence;
    let unknown = said(json!({"frage": "a", "antwort": "b"}), Want::Answers);
    assert!(
        unknown.starts_with("its keys are: \"frage\", \"antwort\". Rename the columns to"),
        "{unknown}"
    );
    assert!(said(json!({"prompt": "a"}), Want::Answers).contains("no answer"));
    assert!(
        said(json!({"prompt": "a", "completions": ["b"], "labels": [true]}), Want::Answers)
            .contains("reward models")
    );
    assert!(
        said(json!({"prompt": "a", "completion": "b"}), Want::Pairs)
            .contains("objective = \"sft\"")
    );
    let stray = said(json!({"conversations": [{"from": "robot", "value": "a"}]}), Want::Answers);
    assert!(stray.contains("from \"robot\"") && stray.contains("human, gpt"), "{stray}");
}

#[test]
fn tools_and_keyword_arguments_are_read_as_trl_reads_them() {
    let row = |tools: Value| json!({"messages": [{"role": "user", "content": "a"}], "tools": tools, "chat_template_kwargs": {"enable_thinking": false}});
    let list = json!([{"type": "function"}]);
    for tools in [list.clone(), json!("[{\"type\": \"function\"}]")] {
        let found = read(&[row(tools)], Want::Answers).unwrap();
        assert_eq!(found.rows[0].beside.tools, Some(list.clone()));
        assert_eq!(found.rows[0].beside.kwargs["enable_thinking"], json!(false));
    }
    for (tools, words) in
        [(json!("not JSON"), "neither as JSON"), (json!(["f"]), "list of functions")]
    {
        let err = read(&[row(tools)], Want::Answers).unwrap_err();
        assert!(err.sentence.contains(words), "{}", err.sentence);
    }
}

#[test]
fn an_answer_that_repeats_its_prompt_is_noticed() {
    let row = json!({"prompt": "What is a river?", "chosen": "What is a river? Water.", "rejected": "What is a river? Stone."});
    let found = read(&[row], Want::Pairs).unwrap();
    assert!(
        found.notes.iter().any(|note| note.sentence.contains("once more")),
        "{:?}",
        found.notes
    );
}
