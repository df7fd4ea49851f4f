//! Nothing is lost, whatever happens: the log is cut at every byte, undone, redone, changed.

use proptest::prelude::*;

use super::*;
use crate::examples::{items, tone};

/// Five items `i1` to `i5` and the variable `tone`.
struct Bench {
    items: Vec<Item>,
    index: HashMap<String, usize>,
    variables: Variables,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let items = items(5);
        let index = items.iter().map(|item| item.id.clone()).zip(0..).collect();
        Self { items, index, variables: tone(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("Ada.jsonl")
    }

    fn with<R>(&self, work: impl FnOnce(Known<'_>) -> R) -> R {
        work(Known { items: &self.items, index: &self.index, variables: &self.variables })
    }

    fn open(&self) -> (CoderLog, Found) {
        self.with(|known| CoderLog::open(&self.path(), known, "hash", Use::Write)).unwrap()
    }

    fn log(&self) -> CoderLog {
        CoderLog::new("Ada", &self.path(), "hash", 5)
    }

    fn say(&self, log: &mut CoderLog, item: usize, label: &str) {
        self.with(|known| log.append(verdict(item, label), known)).unwrap();
    }
}

fn verdict(item: usize, label: &str) -> Verdict {
    Verdict {
        item,
        pass: 1,
        values: [(0, Value::words(label))].into(),
        at: "2026-11-28T18:00:00.000Z".into(),
        seconds: 2.5,
        guideline: "1".into(),
        ..Verdict::default()
    }
}

fn labels(log: &CoderLog) -> Vec<Option<String>> {
    (0..5).map(|item| log.verdict(item, 1).map(|verdict| verdict.values[0].1.shown())).collect()
}

#[test]
fn a_changed_verdict_counts_and_the_one_before_is_kept() {
    let bench = Bench::new();
    let mut log = bench.log();
    bench.say(&mut log, 0, "good");
    bench.say(&mut log, 1, "bad");
    bench.say(&mut log, 0, "neither");
    let (again, found) = bench.open();
    assert!(found.is_empty());
    assert_eq!(again.coder, "Ada");
    assert_eq!(again.verdict(0, 1).unwrap().values[0].1, Value::words("neither"));
    assert_eq!((again.history().len(), again.counting().count(), again.earlier(0, 1)), (3, 2, 1));
    assert_eq!(again.history(), log.history());
}

#[test]
fn undo_and_redo_go_through_the_whole_history_and_over_a_restart() {
    let bench = Bench::new();
    let mut log = bench.log();
    for (item, label) in [(0, "good"), (1, "bad"), (0, "neither")] {
        bench.say(&mut log, item, label);
    }
    let before = std::fs::read_to_string(bench.path()).unwrap();
    assert_eq!(log.undo("t").unwrap(), Some((0, 1)));
    assert_eq!(labels(&log)[0].as_deref(), Some("good")); // what it was before
    let (mut log, _) = bench.open();
    assert_eq!(log.undo("t").unwrap(), Some((1, 1)));
    assert_eq!(log.undo("t").unwrap(), Some((0, 1)));
    assert_eq!(log.undo("t").unwrap(), None);
    assert_eq!(log.counting().count(), 0);
    let (mut log, _) = bench.open();
    for item in [0, 1, 0] {
        assert_eq!(log.redo("t").unwrap(), Some((item, 1)));
    }
    assert_eq!(log.redo("t").unwrap(), None);
    assert_eq!(labels(&log)[0].as_deref(), Some("neither"));
    let after = std::fs::read_to_string(bench.path()).unwrap();
    assert!(after.starts_with(&before), "nothing is rewritten");
    assert_eq!(after.lines().count(), 1 + 3 + 3 + 3);
}

#[test]
fn a_kill_in_the_middle_of_a_line_loses_that_line_only() {
    let bench = Bench::new();
    let mut log = bench.log();
    bench.say(&mut log, 0, "good");
    bench.say(&mut log, 1, "bad");
    log.undo("t").unwrap();
    log.redo("t").unwrap();
    bench.say(&mut log, 0, "neither");
    let whole = std::fs::read(bench.path()).unwrap();
    // What counts after each whole line.
    let mut expected = Vec::new();
    let ends: Vec<usize> = (1..=whole.len()).filter(|end| whole[end - 1] == b'\n').collect();
    for end in &ends {
        files::write_atomic(&bench.path(), &whole[..*end]).unwrap();
        expected.push(labels(&bench.open().0));
    }
    for length in 0..whole.len() {
        files::write_atomic(&bench.path(), &whole[..length]).unwrap();
        let damaged = bench.folder.path().join("Ada.jsonl.damaged");
        std::fs::remove_file(&damaged).ok();
        let (log, found) = bench.open();
        // A line is whole without its line feed.
        let lines = ends.iter().filter(|end| **end <= length + 1).count();
        let wanted = lines.checked_sub(1).map_or_else(|| vec![None; 5], |at| expected[at].clone());
        assert_eq!(labels(&log), wanted, "cut at {length}");
        let torn = ends.iter().all(|end| *end != length + 1 && *end != length) && length > 0;
        assert_eq!(damaged.exists(), torn, "cut at {length}: {found:?}");
        assert_eq!(!found.is_empty(), torn);
        if length % 11 != 0 {
            continue; // each verdict waits for the disk
        }
        // And it can be continued.
        let (mut log, _) = bench.open();
        bench.say(&mut log, 4, "good");
        let (again, found) = bench.open();
        assert_eq!(labels(&again), labels(&log), "cut at {length}");
        assert!(found.is_empty(), "cut at {length}: {found:?}");
    }
}

#[test]
fn lines_that_are_no_verdicts_are_named_and_kept() {
    let bench = Bench::new();
    let mut log = bench.log();
    bench.say(&mut log, 0, "good");
    for line in [
        "{\"n\":2,\"item\":\"i9\",\"values\":{\"tone\":\"bad\"}}",
        "{\"n\":2,\"item\":\"i2\",\"values\":{\"mood\":\"bad\"}}",
        "{\"n\":2,\"item\":",
        "{\"undo\":7}",
        "{}",
    ] {
        files::append_line(&bench.path(), line).unwrap();
    }
    let before = std::fs::read(bench.path()).unwrap();
    let (mut log, found) = bench.open();
    let found = found.join("\n");
    for words in ["no item “i9”", "no variable “mood”", "Line 5", "verdict 7 cannot", "neither"]
    {
        assert!(found.contains(words), "{found}");
    }
    bench.say(&mut log, 1, "bad");
    assert!(std::fs::read(bench.path()).unwrap().starts_with(&before));
    assert_eq!(labels(&bench.open().0)[1].as_deref(), Some("bad"));
}

#[test]
fn codes_of_another_study_are_refused() {
    let bench = Bench::new();
    let mut log = CoderLog::new("Ben", &bench.path(), "another", 5);
    bench.say(&mut log, 0, "good");
    let opened = bench.with(|known| CoderLog::open(&bench.path(), known, "hash", Use::Write));
    assert!(opened.unwrap_err().to_string().contains("the codes of Ben are of another study"));
}

#[test]
fn what_cannot_be_written_stays_and_is_written_once_it_can_be() {
    let bench = Bench::new();
    let mut log = bench.log();
    std::fs::create_dir(bench.path()).unwrap(); // a folder in the file's place
    for item in [0, 1] {
        assert!(bench.with(|known| log.append(verdict(item, "good"), known)).is_err());
    }
    assert_eq!((log.counting().count(), log.unsaved_count()), (2, 2));
    std::fs::remove_dir(bench.path()).unwrap();
    log.write_unsaved().unwrap();
    assert_eq!(labels(&bench.open().0), labels(&log));
}

#[test]
fn a_log_that_another_program_deletes_is_written_anew_with_everything() {
    let bench = Bench::new();
    let mut log = bench.log();
    bench.say(&mut log, 0, "good");
    bench.say(&mut log, 1, "bad");
    log.undo("").unwrap();
    bench.say(&mut log, 1, "good");
    bench.say(&mut log, 0, "bad");
    bench.say(&mut log, 2, "bad");
    log.undo("").unwrap();
    std::fs::remove_file(bench.path()).unwrap();
    bench.say(&mut log, 3, "good");
    let (mut opened, found) = bench.open();
    assert_eq!(found, Found::new());
    assert_eq!((opened.coder.as_str(), labels(&opened)), ("Ada", labels(&log)));
    assert_eq!(
        labels(&log),
        ["bad", "good", "", "good", ""]
            .map(|label| { (!label.is_empty()).then(|| label.to_owned()) })
    );
    assert_eq!(opened.history().len(), 6);
    // What can be taken back is the same, too.
    for _ in 0..4 {
        assert_eq!(opened.undo("").unwrap(), log.undo("").unwrap());
    }
    assert_eq!(labels(&opened), labels(&log));
}

#[test]
fn a_study_that_is_moved_while_it_is_open_is_not_begun_anew_at_its_old_place() {
    let bench = Bench::new();
    let (study, away) = (bench.folder.path().join("study"), bench.folder.path().join("away"));
    std::fs::create_dir(&study).unwrap();
    let path = study.join("codes").join("Ada.jsonl");
    let mut log = CoderLog::new("Ada", &path, "hash", 5);
    bench.say(&mut log, 0, "good");
    std::fs::rename(&study, &away).unwrap();
    let said = bench.with(|known| log.append(verdict(1, "bad"), known)).unwrap_err();
    let StudyError::Write { source, .. } = said else { panic!("{said}") };
    assert!(source.to_string().contains("is not there any more"), "{source}");
    assert!(!study.exists() && log.unsaved_count() == 1);
    // Nor where nothing was said before.
    let mut new = CoderLog::new("Ben", &study.join("codes").join("Ben.jsonl"), "hash", 5);
    assert!(bench.with(|known| new.append(verdict(1, "bad"), known)).is_err());
    assert!(!study.exists());
    std::fs::rename(&away, &study).unwrap();
    log.write_unsaved().unwrap();
    let opened = bench.with(|known| CoderLog::open(&path, known, "hash", Use::Write)).unwrap().0;
    assert_eq!(labels(&opened), labels(&log));
}

#[derive(Clone, Debug)]
enum Act {
    Say(usize, usize),
    Undo,
    Redo,
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..5usize, 0..3usize).prop_map(|(item, label)| Act::Say(item, label)),
        2 => Just(Act::Undo),
        1 => Just(Act::Redo),
        1 => Just(Act::Restart),
    ];
    prop::collection::vec(act, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Against the plainest model of an editor's history: a list of states and a place in it.
    #[test]
    fn any_order_of_keys_gives_what_a_list_of_states_gives(acts in acts()) {
        const LABELS: [&str; 3] = ["good", "bad", "neither"];
        let bench = Bench::new();
        let mut log = bench.log();
        let mut states = vec![vec![None; 5]];
        let mut at = 0;
        for act in acts {
            match act {
                Act::Say(item, label) => {
                    bench.say(&mut log, item, LABELS[label]);
                    states.truncate(at + 1);
                    let mut state = states[at].clone();
                    state[item] = Some(LABELS[label].to_owned());
                    states.push(state);
                    at += 1;
                }
                Act::Undo => {
                    prop_assert_eq!(log.undo("t").unwrap().is_some(), at > 0);
                    at = at.saturating_sub(1);
                }
                Act::Redo => {
                    prop_assert_eq!(log.redo("t").unwrap().is_some(), at + 1 < states.len());
                    at = (at + 1).min(states.len() - 1);
                }
                Act::Restart if bench.path().exists() => log = bench.open().0,
                Act::Restart => {}
            }
            prop_assert_eq!(labels(&log), states[at].clone());
        }
    }
}
