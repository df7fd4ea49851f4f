//! Small records, studies and items that the tests of the engine and of the window begin with.
//!
//! Not behind `cfg(test)`, which another crate's tests do not see. No code but tests names it.

use serde_json::Map;

use crate::data::codebook::Class;
use crate::data::forms::candidates::Candidates;
use crate::data::import::{Imported, candidates};
use crate::data::pair::{Message, Text, Verdict};
use crate::data::record::{RECORD_VERSION, ShownAnswer, VerdictRecord};
use crate::data::remarks::Remarks;
use crate::files;
use crate::jobs::Quiet;
use crate::study::design::{FORM, Study};
use crate::study::item::Item;
use crate::study::variable::{Variable, Variables};

/// A verdict on `left` and `right`, the second of two lanes being on the left.
pub fn record(id: &str, prompt: &str, verdict: Verdict) -> VerdictRecord {
    let answer = |text: &str, seed| ShownAnswer {
        text: format!("{text} answer to {prompt}"),
        seed,
        stop: Some("end_of_turn".to_owned()),
        token_count: 5,
    };
    VerdictRecord {
        version: RECORD_VERSION,
        id: id.to_owned(),
        created_at: "2026-11-21T20:31:05.123Z".to_owned(),
        prompt: Text::Messages(vec![Message::new("user", prompt)]),
        rendered_prompt: format!("<|im_start|>user\n{prompt}<|im_end|>\n"),
        left: answer("left", 12),
        right: answer("right", 11),
        left_lane: 1,
        verdict,
        seconds_taken: 4.25,
        guideline: String::new(),
        model: serde_json::json!({"name": "tiny", "sha256": "ab"}),
        adapter: None,
        sampling: serde_json::json!({"temperature": 0.7}),
        max_new_tokens: 40,
        program: "tuning-fork 0.1.0".to_owned(),
        remarks: Remarks::default(),
        more: Map::new(),
    }
}

/// The items of JSON Lines.
///
/// # Panics
/// Where they cannot be read.
pub fn candidates_of(rows: &str) -> Imported<Candidates> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("answers.jsonl");
    files::write_atomic(&path, rows.as_bytes()).expect("a temporary file");
    candidates(&path, &Quiet).expect("items")
}

/// A variable `tone` with the labels good, bad and neither.
pub fn tone() -> Variables {
    let class = |label: &str| Class { label: label.to_owned(), ..Class::default() };
    Variables {
        name: "Tone".to_owned(),
        guideline_version: "1".to_owned(),
        guideline: "Read the whole text.".to_owned(),
        variables: vec![Variable {
            name: "tone".to_owned(),
            question: "Which tone has the text?".to_owned(),
            classes: ["good", "bad", "neither"].map(class).to_vec(),
            ..Variable::default()
        }],
    }
}

/// A study of [`tone`] without items.
pub fn study() -> Study {
    Study {
        form: FORM,
        name: "Tone of reports".to_owned(),
        created_at: "2026-11-28T18:00:00.000Z".to_owned(),
        seed: 7,
        codebook: tone(),
        ..Study::default()
    }
}

/// So many items `i1`, `i2` and so on.
pub fn items(count: usize) -> Vec<Item> {
    (1..=count)
        .map(|number| Item {
            id: format!("i{number}"),
            text: format!("This is text number {number}."),
            inclusion: Some(1.0),
            ..Item::default()
        })
        .collect()
}
