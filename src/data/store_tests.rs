//! The project's verdicts: what is kept, taken back, put back, and what two windows do to each other.

use super::*;
use crate::data::pair::Verdict;
use crate::examples::record;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    (folder, path)
}

fn ids(store: &PairStore) -> Vec<String> {
    ids_of(&store.records())
}

fn ids_of(records: &Records) -> Vec<String> {
    records.read().unwrap().into_iter().map(|record| record.id).collect()
}

fn records(store: &PairStore) -> Vec<VerdictRecord> {
    store.records().read().unwrap()
}

const LATER: &str = "2026-11-21T20:40:00.000Z";

#[test]
fn a_verdict_is_on_the_disk_before_the_next_one_is_asked_for() {
    let (_folder, path) = folder();
    let (mut store, recovered) = PairStore::open(&path).unwrap();
    assert_eq!(recovered, Recovered::default());
    store.append(record("1", "a", Verdict::Left)).unwrap();
    store.append(record("2", "b", Verdict::Tie)).unwrap();
    let (again, recovered) = PairStore::open(&path).unwrap();
    assert_eq!(records(&again), records(&store));
    assert!(recovered.is_clean() && recovered.verdict_count == 2);
    assert_eq!(again.counts().pairs(), 1); // a tie is not a pair
}

#[test]
fn undo_adds_a_line_and_rewrites_nothing() {
    let (_folder, path) = folder();
    let (mut store, _) = PairStore::open(&path).unwrap();
    store.append(record("1", "a", Verdict::Left)).unwrap();
    store.append(record("2", "b", Verdict::Right)).unwrap();
    let before = std::fs::read_to_string(&path).unwrap();
    assert!(store.undo("2", LATER).unwrap());
    assert!(!store.undo("2", LATER).unwrap()); // only once
    let after = std::fs::read_to_string(&path).unwrap();
    let added = after.strip_prefix(&before).unwrap();
    assert_eq!(added, format!("{{\"undo\":\"2\",\"created_at\":\"{LATER}\"}}\n"));
    assert_eq!(ids(&PairStore::open(&path).unwrap().0), ["1"]);
}

#[test]
fn a_kill_at_any_byte_of_a_write_loses_at_most_that_verdict() {
    let (_folder, path) = folder();
    let (mut store, _) = PairStore::open(&path).unwrap();
    store.append(record("1", "a", Verdict::Left)).unwrap();
    let first = std::fs::read(&path).unwrap();
    store.append(record("2", "Qualität?", Verdict::Right)).unwrap();
    let both = std::fs::read(&path).unwrap();
    let damaged = path.with_extension("jsonl.damaged");
    // Every seventh byte, and each of the last ones; every single one takes seconds.
    let all = first.len()..=both.len();
    for length in all.clone().step_by(7).chain(all.skip(both.len() - first.len() - 3)) {
        std::fs::remove_file(&damaged).ok();
        files::write_atomic(&path, &both[..length]).unwrap();
        let (mut store, recovered) = PairStore::open(&path).unwrap();
        // All but the line feed is a whole verdict.
        let whole = length + 1 >= both.len();
        let expected: &[&str] = if whole { &["1", "2"] } else { &["1"] };
        assert_eq!(ids(&store), expected, "killed after {length} bytes");
        let torn = length - first.len();
        if torn > 0 && !whole {
            assert_eq!(recovered.cut_short, Some((torn, Some(damaged.clone()))));
            assert_eq!(std::fs::read(&path).unwrap(), first);
            assert!(recovered.sentences()[0].contains("was cut short"));
        } else {
            assert!(recovered.is_clean());
        }
        store.append(record("3", "c", Verdict::Left)).unwrap();
        let (again, recovered) = PairStore::open(&path).unwrap();
        assert_eq!(records(&again), records(&store));
        assert!(recovered.is_clean());
    }
}

#[test]
fn a_bad_line_in_the_middle_is_named_and_kept() {
    let (_folder, path) = folder();
    let (mut store, _) = PairStore::open(&path).unwrap();
    store.append(record("1", "a", Verdict::Left)).unwrap();
    files::append_line(&path, "{\"prompt\": ").unwrap();
    files::append_line(&path, "{\"id\": \"x\"}").unwrap();
    store.append(record("2", "b", Verdict::Right)).unwrap();
    let before = std::fs::read(&path).unwrap();
    let (again, recovered) = PairStore::open(&path).unwrap();
    assert_eq!(ids(&again), ["1", "2"]);
    let lines: Vec<usize> = recovered.bad_lines.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [2, 3]);
    assert!(recovered.bad_lines[1].problem.contains("version"), "{recovered:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_cannot_be_written_stays_and_can_be_saved_elsewhere() {
    let (folder, _) = folder();
    // A folder in the file's place: no permissions needed, fails for root too.
    let path = folder.path().join("taken");
    let (mut store, _) = PairStore::open(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    for (id, prompt) in [("1", "a"), ("2", "b")] {
        let err = store.append(record(id, prompt, Verdict::Left)).unwrap_err();
        assert!(err.to_string().contains("stay in memory"));
    }
    assert!(store.undo("1", LATER).is_err());
    assert_eq!((ids(&store), store.unsaved_count()), (vec!["2".to_owned()], 3));

    let elsewhere = folder.path().join("elsewhere.jsonl");
    store.save_to(&elsewhere).unwrap();
    store.append(record("3", "c", Verdict::Tie)).unwrap();
    assert_eq!(store.unsaved_count(), 0);
    assert_eq!(ids(&PairStore::open(&elsewhere).unwrap().0), ["2", "3"]);
}

#[test]
fn a_project_that_is_moved_while_it_is_open_is_not_begun_anew_at_its_old_place() {
    let (folder, _) = folder();
    let (project, away) = (folder.path().join("project"), folder.path().join("away"));
    std::fs::create_dir(&project).unwrap();
    let path = project.join("pairs.jsonl");
    let (mut store, _) = PairStore::open(&path).unwrap();
    store.append(record("1", "a", Verdict::Left)).unwrap();
    std::fs::rename(&project, &away).unwrap();
    let StoreError::Write { source, unsaved: 1, .. } =
        store.append(record("2", "b", Verdict::Left)).unwrap_err()
    else {
        panic!("it is not written")
    };
    assert!(source.to_string().contains("is not there any more"), "{source}");
    assert!(!project.exists());
    std::fs::rename(&away, &project).unwrap();
    store.append(record("3", "c", Verdict::Left)).unwrap();
    assert_eq!(ids(&PairStore::open(&path).unwrap().0), ["1", "2", "3"]);
}

#[test]
fn what_waited_is_written_in_order_once_it_can_be() {
    let (folder, _) = folder();
    let path = folder.path().join("taken");
    let (mut store, _) = PairStore::open(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    store.append(record("1", "a", Verdict::Left)).unwrap_err();
    std::fs::remove_dir(&path).unwrap();
    store.append(record("2", "b", Verdict::Right)).unwrap();
    assert_eq!(ids(&PairStore::open(&path).unwrap().0), ["1", "2"]);
}

#[test]
fn a_changed_verdict_takes_the_place_of_the_old_one_and_both_stay_in_the_file() {
    let (_folder, path) = folder();
    let (mut store, _) = PairStore::open(&path).unwrap();
    store.append(record("1", "a", Verdict::Left)).unwrap();
    store.append(record("2", "b", Verdict::Right)).unwrap();
    let mut changed = record("3", "a", Verdict::Tie);
    changed.remarks.replaces = Some("1".to_owned());
    store.append(changed).unwrap();
    assert_eq!(ids(&store), ["2", "3"]);
    let history = |store: &PairStore| ids_of(&store.history());
    assert_eq!(history(&store), ["1", "2", "3"]);
    // Taken back, the old one counts again; put back, it does not.
    store.undo("3", LATER).unwrap();
    assert_eq!(ids(&store), ["1", "2"]);
    assert!(store.redo("3", LATER).unwrap());
    assert!(!store.redo("3", LATER).unwrap());
    assert_eq!(ids(&store), ["2", "3"]);
    let (again, recovered) = PairStore::open(&path).unwrap();
    assert_eq!(ids(&again), ["2", "3"]);
    assert!(recovered.is_clean());
    assert_eq!(history(&again), ["1", "2", "3"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 5);
}

#[test]
fn what_was_taken_back_can_be_put_back_until_something_else_is_said() {
    let (_folder, path) = folder();
    let (mut store, _) = PairStore::open(&path).unwrap();
    for id in ["1", "2", "3"] {
        store.append(record(id, id, Verdict::Left)).unwrap();
    }
    store.undo("3", LATER).unwrap();
    store.undo("2", LATER).unwrap();
    let (mut store, _) = PairStore::open(&path).unwrap();
    assert_eq!(ids_of(&store.undone()), ["3", "2"]);
    assert!(store.redo("2", LATER).unwrap());
    store.append(record("4", "4", Verdict::Left)).unwrap();
    assert!(!store.redo("3", LATER).unwrap());
    assert_eq!(ids(&PairStore::open(&path).unwrap().0), ["1", "2", "4"]);
}

#[test]
fn what_was_taken_back_can_be_put_back_in_another_file() {
    let (folder, path) = folder();
    let (mut store, _) = PairStore::open(&path).unwrap();
    for id in ["1", "2", "3"] {
        store.append(record(id, id, Verdict::Left)).unwrap();
    }
    store.undo("3", LATER).unwrap();
    let elsewhere = folder.path().join("elsewhere.jsonl");
    store.save_to(&elsewhere).unwrap();
    assert_eq!(ids(&PairStore::open(&elsewhere).unwrap().0), ["1", "2"]);
    assert!(store.redo("3", LATER).unwrap());
    assert_eq!(ids(&PairStore::open(&elsewhere).unwrap().0), ["1", "2", "3"]);
}

#[test]
fn two_windows_do_not_write_to_one_file() {
    let (_folder, path) = folder();
    let open = |before| PairStore::open_to_write(&path, &before, &Quiet).unwrap().0;
    let mut first = open(Holding::default());
    first.append(record("1", "a", Verdict::Left)).unwrap();
    let mut second = open(Holding::default());
    assert!(second.is_elsewhere() && !first.is_elsewhere());
    let said = second.append(record("2", "b", Verdict::Right)).unwrap_err().to_string();
    assert!(said.starts_with("another window has") && said.ends_with("(1 not saved)"), "{said}");
    first.append(record("3", "c", Verdict::Tie)).unwrap();
    assert_eq!(ids(&PairStore::open(&path).unwrap().0), ["1", "3"]);
    // The first is closed: the second goes on where it ended.
    drop(first);
    second.append(record("4", "d", Verdict::Left)).unwrap();
    assert_eq!(ids(&second), ["1", "3", "2", "4"]);
    assert_eq!(ids(&PairStore::open(&path).unwrap().0), ["1", "3", "2", "4"]);
    // The same project opened once more in the same window stays its own.
    let again = open(second.holding());
    assert!(!again.is_elsewhere() && again.unsaved_count() == 0);
}

#[test]
fn a_file_of_training_pairs_is_not_taken_for_verdicts_and_stays_as_it_is() {
    let (_folder, path) = folder();
    let pair = r#"{"prompt": "Hi", "chosen": "Hello", "rejected": "Go"}"#;
    for text in [format!("{pair}\n{pair}\n"), format!("{pair}\n{pair}"), pair.to_owned()] {
        files::write_atomic(&path, text.as_bytes()).unwrap();
        let told = PairStore::open(&path).unwrap_err().to_string();
        assert!(told.contains("(line 1: ") && told.contains("rename it"), "{told}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert!(!path.with_extension("jsonl.damaged").exists());
    }
}

#[test]
fn a_file_longer_than_a_block_is_read_as_it_was_written() {
    let (_folder, path) = folder();
    let mut text = String::new();
    // Ten megabytes, with lines that are longer than what is read at once.
    for number in 0..30 {
        let mut long = record(&number.to_string(), &format!("prompt {number}"), Verdict::Left);
        long.left.text = "ä".repeat(if number == 7 { 5_000_000 } else { number * 1000 });
        long.remarks.replaces = (number % 3 == 2).then(|| (number - 1).to_string());
        text.push_str(&serde_json::to_string(&long).unwrap());
        text.push_str(if number % 4 == 0 { "\r\n\n" } else { "\n" });
    }
    text.push_str(&format!("{{\"undo\":\"29\",\"created_at\":\"{LATER}\"}}"));
    files::write_atomic(&path, text.as_bytes()).unwrap();
    let (store, recovered) = PairStore::open(&path).unwrap();
    assert!(recovered.is_clean());
    assert_eq!((store.history().len(), store.records().len()), (29, 20));
    let read = records(&store);
    assert!(read.iter().all(|one| one.prompt.words() == format!("prompt {}", one.id)));
    assert_eq!(read.iter().find(|one| one.id == "29"), None);
    assert_eq!(store.counts(), VerdictCounts::of(&read));
    assert_eq!(ids_of(&store.undone()), ["29"]);
}

#[test]
fn a_file_that_something_else_has_changed_is_said_and_not_misread() {
    let (_folder, path) = folder();
    let (mut store, _) = PairStore::open(&path).unwrap();
    for id in ["1", "2"] {
        store.append(record(id, id, Verdict::Left)).unwrap();
    }
    let (store, _) = PairStore::open(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let other = text.replace("left answer to 1", "the answer to 1!");
    assert_eq!(other.len(), text.len());
    for (changed, words) in [
        (other, "was changed by something else"),
        (text[10..].to_owned(), "was changed by something else"),
        (String::new(), "was changed by something else"),
    ] {
        files::write_atomic(&path, changed.as_bytes()).unwrap();
        let said = store.records().read().unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(store.records().read().unwrap_err().to_string().contains("could not be read"));
}

#[test]
fn what_is_saved_over_its_own_file_can_be_read_from_it() {
    let (_folder, path) = folder();
    let (mut store, _) = PairStore::open(&path).unwrap();
    for id in ["1", "2", "3"] {
        store.append(record(id, &"long ".repeat(id.len()), Verdict::Left)).unwrap();
    }
    store.undo("3", LATER).unwrap();
    files::append_line(&path, "spoilt").unwrap();
    let (mut store, _) = PairStore::open(&path).unwrap();
    store.save_to(&path).unwrap();
    assert_eq!(
        (ids(&store), ids_of(&store.undone())),
        (vec!["1".to_owned(), "2".to_owned()], vec!["3".to_owned()])
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 4);
}
