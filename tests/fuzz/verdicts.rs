//! Damaged files of verdicts: nothing that a person made is lost, and what can be read counts.

use std::fs;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use tuning_fork_engine::data::record::VerdictRecord;
use tuning_fork_engine::data::store::PairStore;

use crate::{mutate, number, write};

const UNDONE: usize = 2;

/// A line a verdict, and one that takes a verdict back.
fn seed() -> String {
    let answer =
        |text: &str| json!({ "text": text, "seed": 7, "stop": "length", "token_count": 3 });
    let verdicts = ["left", "right", "tie", "both_bad", "skip"].iter().enumerate();
    let mut lines: Vec<String> = verdicts
        .map(|(number, verdict)| {
            let line = json!({
                "version": 1,
                "id": format!("20261121T203105123Z-{number:04}"),
                "created_at": "2026-11-21T20:31:05.123Z",
                "prompt": [{ "role": "user", "content": format!("Question {number}: Qualität?\n\"a\"") }],
                "rendered_prompt": "<|user|>…",
                "left": answer("🙂 yes"),
                "right": answer("no\u{2028}"),
                "left_lane": number % 2,
                "verdict": verdict,
                "seconds_taken": 1.5,
                "guideline": "Prefer the brief one",
                "model": { "name": "tiny", "sha256": "00" },
                "adapter": null,
                "sampling": { "temperature": 0.5 },
                "max_new_tokens": 40,
                "program": "tuning-fork 0.1.0",
                "of_a_later_version": [1, 2],
            });
            line.to_string()
        })
        .collect();
    let undo = json!({ "undo": format!("20261121T203105123Z-{UNDONE:04}"), "created_at": "…" });
    lines.insert(UNDONE + 1, undo.to_string());
    lines.push(String::new());
    lines.join("\n")
}

/// The ids that count, read without the store.
fn ids_that_count(file: &[u8]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for line in file.split(|byte| *byte == b'\n') {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        let text = text.trim_start_matches('\u{feff}').trim();
        let Ok(line) = serde_json::from_str::<Value>(text) else { continue };
        if let Some(undone) = line.get("undo") {
            if let (Some(undone), true) = (undone.as_str(), line["created_at"].is_string())
                && let Some(at) = ids.iter().rposition(|id| id == undone)
            {
                ids.remove(at);
            }
        } else if let Ok(record) = serde_json::from_value::<VerdictRecord>(line) {
            ids.push(record.id);
        }
    }
    ids
}

fn ids(store: &PairStore) -> Vec<String> {
    let records = store.records().read().expect("nothing has changed the file");
    records.into_iter().map(|record| record.id).collect()
}

/// What went wrong in a case, if anything did.
fn run_case(case: u64, original: &str, folder: &Path) -> Result<(), String> {
    let mut rng = ChaCha8Rng::seed_from_u64(case);
    let damaged = if case.is_multiple_of(2) {
        mutate::bytes(&mut rng, original.as_bytes(), original.len())
    } else {
        // One line that is JSON, and not a verdict as we write it.
        let mut lines: Vec<Vec<u8>> =
            original.lines().map(|line| line.as_bytes().to_vec()).collect();
        let at = mutate::below(&mut rng, lines.len());
        lines[at] = mutate::json(&mut rng, &lines[at]);
        let mut bytes = lines.join(&b'\n');
        bytes.push(b'\n');
        bytes
    };
    let (path, aside) = (folder.join("pairs.jsonl"), folder.join("pairs.jsonl.damaged"));
    write(&path, &damaged);
    fs::remove_file(&aside).ok();
    let check = |holds: bool, promise: &str| if holds { Ok(()) } else { Err(promise.to_owned()) };

    let (mut store, recovered) = PairStore::open(&path).map_err(|err| err.to_string())?;
    check(ids(&store) == ids_that_count(&damaged), "what can be read counts")?;
    check(recovered.verdict_count == store.records().len(), "the number is told")?;
    let kept = fs::read(&path).map_err(|err| err.to_string())?;
    check(damaged.starts_with(&kept), "lines stay where they are")?;
    let tail = &damaged[kept.len()..];
    if !tail.is_empty() {
        let moved = fs::read_to_string(&aside).map_err(|err| err.to_string())?;
        let tail = String::from_utf8_lossy(tail);
        check(moved.trim_end() == tail.trim_end(), "a last line that was cut short is kept")?;
    }

    // The next verdict is on a line of its own, whatever the last one was.
    let next: VerdictRecord = original
        .lines()
        .next()
        .and_then(|line| serde_json::from_str(line).ok())
        .ok_or("the seed is a verdict")?;
    let next = VerdictRecord { id: "next".to_owned(), ..next };
    store.append(next).map_err(|err| err.to_string())?;
    let (again, _) = PairStore::open(&path).map_err(|err| err.to_string())?;
    check(ids(&again) == ids(&store), "the next start finds the same")?;
    store.undo("next", "…").map_err(|err| err.to_string())?;
    let (again, _) = PairStore::open(&path).map_err(|err| err.to_string())?;
    check(ids(&again) == ids(&store), "and what was taken back does not count")?;

    let elsewhere = folder.join("elsewhere.jsonl");
    store.save_to(&elsewhere).map_err(|err| err.to_string())?;
    let (again, recovered) = PairStore::open(&elsewhere).map_err(|err| err.to_string())?;
    check(ids(&again) == ids(&store) && recovered.is_clean(), "what is saved elsewhere is whole")
}

#[test]
fn a_damaged_file_of_verdicts_loses_nothing_that_can_be_read() {
    let (count, from) = (number("TUNING_FORK_FUZZ", 150), number("TUNING_FORK_FUZZ_FROM", 0));
    let original = seed();
    assert_eq!(ids_that_count(original.as_bytes()).len(), 4, "five, and one taken back");
    let folder = tempfile::tempdir().unwrap();
    for case in from..from + count {
        if let Err(promise) = run_case(case, &original, folder.path()) {
            let file = fs::read(folder.path().join("pairs.jsonl")).unwrap_or_default();
            panic!("case {case}: {promise}:\n{}", String::from_utf8_lossy(&file));
        }
    }
}
