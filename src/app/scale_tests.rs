//! A hundred thousand items and a million verdicts, of texts and of pairs: opening takes twice as long for
//! twice as many, and not four times.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::data::pair::Verdict as PairVerdict;
use crate::data::store::PairStore;
use crate::examples::record;
use crate::state::annotate::AnnotateState;
use crate::study::folder::Folder;
use crate::study::log::Use;

/// A project's verdicts: each of `items` prompts judged ten times, each time in place of the one before.
fn pairs_file(path: &Path, items: usize) {
    let mut text = String::new();
    for round in 0..10 {
        for item in 0..items {
            let mut new =
                record(&format!("{round}-{item}"), &format!("prompt {item}"), PairVerdict::Left);
            new.remarks.replaces = (round > 0).then(|| format!("{}-{item}", round - 1));
            text.push_str(&serde_json::to_string(&new).unwrap());
            text.push('\n');
        }
    }
    crate::files::write_atomic(path, text.as_bytes()).unwrap();
}

/// How long the window takes to have it: read, and the history that the panel keeps.
fn open_pairs(items: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    pairs_file(&path, items);
    let began = Instant::now();
    let (store, recovered) = PairStore::open(&path).unwrap();
    let mut state = AnnotateState::new(1);
    let prompts = (0..items).map(|item| crate::data::pair::Text::Plain(format!("prompt {item}")));
    state.set_prompts("all", prompts.collect());
    state.set_given(store.given());
    let taken = began.elapsed();
    assert!(recovered.is_clean());
    assert_eq!((store.records().len(), store.history().len()), (items, items * 10));
    assert_eq!(state.progress(), (items, items));
    assert_eq!(state.counts().left, items);
    taken
}

/// A study of `items` pairs that ten coders have judged.
fn study_of(folder: &Path, items: usize) {
    use crate::study::design::Study;
    use crate::study::variable::{FIRST, Variables};
    let list: Vec<crate::study::item::Item> = crate::examples::items(items)
        .into_iter()
        .map(|item| crate::study::item::Item {
            answers: Some(Box::new(["yes".to_owned(), "no".to_owned()])),
            ..item
        })
        .collect();
    let study = Study { form: 1, codebook: Variables::of_pairs(), again: 0.1, ..Study::default() };
    let made = crate::study::folder::create(folder, study, &list).unwrap();
    for coder in 0..10 {
        let name = format!("coder{coder}");
        let mut text = crate::study::log::CoderLog::header_of(&name, made.hash());
        for item in 0..items {
            text.push_str(&format!(
                "\n{{\"n\":{},\"item\":\"i{}\",\"values\":{{\"better\":\"{FIRST}\"}},\
                 \"at\":\"2026-11-28T18:00:00.000Z\",\"seconds\":3.2,\"left\":\"first\",\
                 \"inclusion\":1.0,\"guideline\":\"1\"}}",
                item + 1,
                item + 1
            ));
        }
        text.push('\n');
        let path = made.log_path(&name);
        crate::files::write_atomic(&path, text.as_bytes()).unwrap();
    }
}

fn open_study(items: usize) -> Duration {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("s");
    study_of(&path, items);
    let began = Instant::now();
    let mut folder = Folder::open(&path, Use::Write).unwrap();
    let log = folder.join("coder3").unwrap();
    assert_eq!(folder.found, Vec::<String>::new());
    let session = crate::state::codes::session::Session::new(folder, log, 0.0);
    let taken = began.elapsed();
    assert_eq!(session.progress().0, items);
    taken
}

/// How many items the largest of three has; `TUNING_FORK_SCALE=100000` is the bar's own number.
fn most_items() -> usize {
    let said = std::env::var("TUNING_FORK_SCALE").ok().and_then(|said| said.parse().ok());
    said.unwrap_or(12_000)
}

/// `cargo test --lib app::scale_tests -- --ignored --nocapture`: prints both, and fails where it is
/// quadratic.
#[test]
#[ignore = "a minute; says how long it takes to open what is large"]
fn twice_as_many_take_about_twice_as_long() {
    let most = most_items();
    for (what, open) in [("pairs", open_pairs as fn(usize) -> Duration), ("a study", open_study)] {
        let counts = [most / 4, most / 2, most];
        let times: Vec<f64> = counts.map(|items| open(items).as_secs_f64()).to_vec();
        println!("{what}: {counts:?} items with ten verdicts each open in {times:.2?} s");
        // Four times as many: linear is 4, quadratic 16.
        assert!(times[2] < times[0] * 8.0, "{what}: {times:?}");
    }
}
