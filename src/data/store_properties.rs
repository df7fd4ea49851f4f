//! Whatever is done to a store of verdicts: what it says counts is what the next start finds.

use proptest::prelude::*;

use super::*;
use crate::data::pair::Verdict;
use crate::examples::record;

/// Something done to the store.
#[derive(Clone, Debug)]
enum Action {
    Judge(String, Verdict),

    /// Takes back the n-th verdict that counts, or nothing.
    Undo(usize),

    /// The program ends and is started again.
    Restart,

    /// Bytes of a write that a kill has cut short.
    CutShort(Vec<u8>),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let verdict = prop::sample::select(vec![
        Verdict::Left,
        Verdict::Right,
        Verdict::Tie,
        Verdict::BothBad,
        Verdict::Skip,
    ]);
    // Prompts with whatever people write: quotes, line breaks, any script.
    let action = prop_oneof![
        4 => ("\\PC{0,12}(\n|\"|\\\\)?\\PC{0,4}", verdict).prop_map(|(p, v)| Action::Judge(p, v)),
        2 => (0_usize..8).prop_map(Action::Undo),
        1 => Just(Action::Restart),
        1 => prop::collection::vec(any::<u8>().prop_filter("one line", |b| *b != b'\n'), 1..40)
            .prop_map(Action::CutShort),
    ];
    prop::collection::vec(action, 0..24)
}

fn records(store: &PairStore) -> Vec<VerdictRecord> {
    store.records().read().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_counts_is_what_the_next_start_finds(actions in actions()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        let (mut store, _) = PairStore::open(&path).unwrap();
        let mut expected: Vec<String> = Vec::new();
        for (number, action) in actions.into_iter().enumerate() {
            match action {
                Action::Judge(prompt, verdict) => {
                    let id = number.to_string();
                    store.append(record(&id, &prompt, verdict)).unwrap();
                    expected.push(id);
                }
                Action::Undo(place) => {
                    let id = expected.get(place).cloned().unwrap_or_default();
                    let taken_back = store.undo(&id, "2026-11-28T00:00:00.000Z").unwrap();
                    prop_assert_eq!(taken_back, expected.contains(&id));
                    expected.retain(|known| *known != id);
                }
                Action::Restart => store = PairStore::open(&path).unwrap().0,
                Action::CutShort(bytes) => {
                    let mut file =
                        std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
                    std::io::Write::write_all(&mut file, &bytes).unwrap();
                    store = PairStore::open(&path).unwrap().0;
                }
            }
            let ids: Vec<String> = records(&store).into_iter().map(|record| record.id).collect();
            prop_assert_eq!(&ids, &expected);
        }
        let (again, _) = PairStore::open(&path).unwrap();
        prop_assert_eq!(records(&again), records(&store));
    }

    /// A store without a place keeps everything, and the one that is opened after it has it.
    #[test]
    fn what_waited_for_a_project_is_in_it(
        before in 0_usize..4,
        waiting in 0_usize..6,
        undone in 0_usize..6,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        let (mut project, _) = PairStore::open(&path).unwrap();
        for number in 0..before {
            project.append(record(&format!("old {number}"), "p", Verdict::Left)).unwrap();
        }
        let mut homeless = PairStore::default();
        for number in 0..waiting {
            homeless.append(record(&number.to_string(), "p", Verdict::Right)).unwrap_err();
        }
        homeless.undo(&undone.to_string(), "2026-11-28T00:00:00.000Z").ok();
        let (mut store, _) =
            PairStore::open_to_write(&path, &homeless.holding(), &Quiet).unwrap();
        store.carry_over(&homeless).unwrap();
        prop_assert_eq!(store.unsaved_count(), 0);
        let (again, recovered) = PairStore::open(&path).unwrap();
        prop_assert!(recovered.is_clean());
        prop_assert_eq!(records(&again), records(&store));
        prop_assert_eq!(again.records().len(), before + homeless.records().len());
    }

    /// Any bytes at all are opened, soon, and no line that was a verdict is lost.
    #[test]
    fn any_bytes_are_opened(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        let whole = serde_json::to_string(&record("1", "p", Verdict::Left)).unwrap();
        let file = [whole.as_bytes(), b"\n", &bytes, b"\n", whole.as_bytes(), b"\n"].concat();
        std::fs::File::create(&path).and_then(|mut to| std::io::Write::write_all(&mut to, &file)).unwrap();
        let (store, _) = PairStore::open(&path).unwrap();
        prop_assert!(store.records().len() >= 2);
    }
}
