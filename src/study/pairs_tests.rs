//! Files with answers become studies of pairs; what coders say of them is counted as it should be.

use serde_json::json;

use super::*;
use crate::data::forms::candidates::Candidate;
use crate::data::pair::Verdict as Judged;
use crate::data::pair_forms::PairForm;
use crate::study::agreement::agreement;
use crate::study::agreement_words::markdown;
use crate::study::draw::Sampling;
use crate::study::folder::Folder;
use crate::study::forms::export::{Export, files_of};
use crate::study::forms::pairs;
use crate::study::item::tests::row;
use crate::study::log::{Use, Verdict};
use crate::study::make::{Plans, make_of};
use crate::study::package;
use crate::study::plan::Order;
use crate::study::value::Value;
use crate::study::variable::{BOTH_BAD, FIRST, SECOND, TIE};

/// A prompt and its answers, which the models m1, m2 … gave.
fn asked(prompt: &str, answers: &[&str]) -> Candidates {
    let answers = (1..).zip(answers).map(|(number, text)| Candidate {
        text: (*text).to_owned(),
        model: Some(format!("m{number}")),
    });
    Candidates { prompt: Text::Plain(prompt.to_owned()), answers: answers.collect() }
}

fn rows(count: usize) -> Vec<(Candidates, Option<Row>)> {
    (1..=count)
        .map(|number| {
            let answers = [format!("yes {number}"), format!("no {number}")];
            (asked(&format!("Is it {number}?"), &[&answers[0], &answers[1]]), None)
        })
        .collect()
}

/// A study of so many pairs, in the order of the file, with a share shown again.
pub fn made(count: usize, again: f64) -> (tempfile::TempDir, Folder) {
    let parent = tempfile::tempdir().unwrap();
    let codebook = Variables { name: "Helpful".to_owned(), ..Variables::of_pairs() };
    let plans = Plans { name: "Helpful".to_owned(), codebook, again, seed: 5, ..Plans::default() };
    let found = of_candidates(rows(count), &plans.columns, &plans.codebook, &[]).unwrap();
    let now = "2026-11-28T18:00:00Z";
    let path = parent.path().join("helpful");
    let mut folder = make_of(&path, plans, found.items, ("answers.jsonl", "00"), now).unwrap();
    folder.set_origins(&found.origins).unwrap();
    (parent, folder)
}

/// The coder says this of every slot of their plan: `say` gets the item, the pass and which answer is
/// on the left.
pub fn judge(
    folder: &mut Folder,
    coder: &str,
    say: impl Fn(usize, u8, u8) -> Option<&'static str>,
) {
    let log = folder.join(coder).unwrap();
    let plan = folder.plan(coder);
    let left = folder.sides(&plan, coder);
    for (slot, left) in plan.into_iter().zip(left) {
        let Some(label) = say(slot.item, slot.pass, left) else { continue };
        let verdict = Verdict {
            item: slot.item,
            pass: slot.pass,
            values: [(0, Value::words(label))].into(),
            at: "2026-11-28T18:00:00.000Z".into(),
            seconds: 2.0,
            left: Some(left),
            guideline: "1".into(),
            ..Verdict::default()
        };
        folder.append(log, verdict).unwrap();
    }
}

fn side(left: u8) -> &'static str {
    if left == 0 { FIRST } else { SECOND }
}

#[test]
fn each_answer_is_compared_with_each_other_and_the_models_stay_apart() {
    let rows = vec![
        (asked("a", &["x", "y", "z"]), None),
        (asked("b", &["same", " same "]), None),
        (asked("c", &["x", "y"]), None),
    ];
    let found = of_candidates(rows, &Columns::default(), &Variables::of_pairs(), &[]).unwrap();
    let ids: Vec<&str> = found.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!((ids, found.alike), (vec!["1.1-2", "1.1-3", "1.2-3", "3"], 1));
    assert_eq!(found.items[1].answers.as_deref(), Some(&["x".to_owned(), "z".to_owned()]));
    assert_eq!(found.origins[2].models, [Some("m2".to_owned()), Some("m3".to_owned())]);
    let text = serde_json::to_string(&found.items).unwrap();
    assert!(!text.contains("m1"), "a package of these items is blind: {text}");
}

#[test]
fn roles_right_answers_and_columns_of_the_sample_come_from_the_rows() {
    let columns = Columns {
        id: "id".to_owned(),
        role: "role".to_owned(),
        expected: BTreeMap::from([("better".to_owned(), "right".to_owned())]),
        feedback: "why".to_owned(),
        ..Columns::default()
    };
    let variables = Variables::of_pairs();
    let of = |fields: serde_json::Value| {
        let other = row(1, json!({"id": "x"}));
        let rows = vec![
            (asked("p", &["yes", "no"]), Some(other)),
            (asked("q", &["yes", "no"]), Some(row(2, fields))),
        ];
        of_candidates(rows, &columns, &variables, &["topic".to_owned()])
    };
    let fields = json!({"id": "t", "role": "training", "right": "B", "why": "No is right.",
                        "topic": "law", "model_a": "m"});
    let item = of(fields).unwrap().items.remove(1);
    assert_eq!((item.role, item.feedback.as_str()), (Role::Training, "No is right."));
    assert_eq!(item.expected["better"], Value::words(SECOND));
    assert_eq!(item.more, *json!({"topic": "law"}).as_object().unwrap());
    for (fields, words) in [
        (json!({"id": "x"}), "line 3 has the id “x” of line 2"),
        (json!({"id": "t", "role": "gold"}), "line 3 says “gold”"),
        (json!({"id": "t", "role": "check"}), "no right answer"),
        (json!({"id": "t", "role": "check", "right": "C"}), "“C” is no label of better"),
    ] {
        let said = of(fields).unwrap_err();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_coder_who_follows_the_side_is_found_out() {
    let (_parent, mut folder) = made(40, 0.5);
    judge(&mut folder, "Ada", |item, _, _| Some(if item % 3 == 0 { FIRST } else { SECOND }));
    judge(&mut folder, "Leo", |_, _, left| Some(side(left)));
    let found = agreement(&folder, 0);
    let left: Vec<_> = found.coders.iter().map(|coder| coder.left.clone().unwrap()).collect();
    // Leo: always left, of 40 pairs and 20 second looks. Wilson's interval of 60 of 60 ends at 1.
    assert_eq!((left[1].left, left[1].decided, left[1].share.high), (60, 60, Some(1.0)));
    let low = left[1].share.low.unwrap();
    assert!((low - 0.939_829).abs() < 1e-6, "{low}"); // 60 / (60 + 1.959964²)
    // Ada looks at the words: her share is near a half.
    assert!((0.3..0.7).contains(&left[0].share.value.unwrap()), "{:?}", left[0]);
    let again = &found.variables[0].again;
    assert_eq!(
        (again[0].items, again[0].percent.value, again[0].same_side),
        (20, Some(1.0), Some(0))
    );
    // The sides were swapped: the same side twice is another answer each time.
    assert_eq!((again[1].percent.value, again[1].same_side), (Some(0.0), Some(20)));
    assert!(again[0].percent.low.is_some() && again[1].kappa.value.unwrap() <= 0.0);
    let text = markdown(&found);
    for words in ["| Leo | 60 | 60 | 1.000 [.940, 1.000] |", "same side both times"] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn agreement_on_pairs_is_that_of_the_answers_and_not_of_the_sides() {
    // Two coders with sides of their own, who say the same of the answers in 8 of 10 pairs.
    let (_parent, mut folder) = made(10, 0.0);
    let ada = [FIRST, FIRST, FIRST, FIRST, SECOND, SECOND, SECOND, TIE, TIE, BOTH_BAD];
    let ben = [FIRST, FIRST, FIRST, SECOND, SECOND, SECOND, SECOND, TIE, FIRST, BOTH_BAD];
    judge(&mut folder, "Ada", |item, _, _| Some(ada[item]));
    judge(&mut folder, "Ben", |item, _, _| Some(ben[item]));
    let found = agreement(&folder, 0);
    let one = &found.variables[0];
    assert_eq!(one.scale, "nominal");
    assert_eq!(one.pairs[0].percent.value, Some(0.8));
    // kappa: po = .8, pe = (4·4 + 3·4 + 2·1 + 1·1) / 100 = .31
    let kappa = one.pairs[0].kappa.value.unwrap();
    assert!((kappa - 0.49 / 0.69).abs() < 1e-12, "{kappa}");
    // alpha: Do = 4/20, De = 1 - Σ n_c (n_c - 1) / (20·19), n = 8, 7, 3, 2
    let expected = 1.0 - f64::from(8 * 7 + 7 * 6 + 3 * 2 + 2) / 380.0;
    let alpha = one.alpha.value.unwrap();
    assert!((alpha - (1.0 - 0.2 / expected)).abs() < 1e-12, "{alpha}");
    assert_eq!(one.disagreements, 2);
}

#[test]
fn a_package_of_pairs_comes_back_and_keeps_the_sides() {
    let (parent, mut folder) = made(6, 0.0);
    let sent = parent.path().join("pairs.coding.jsonl");
    crate::files::write_atomic(&sent, &package::for_colleague(&folder)).unwrap();
    let text = std::fs::read_to_string(&sent).unwrap();
    assert!(text.contains("yes 3") && !text.contains("m1"), "blind");
    let package = package::read(&sent).unwrap();
    let mut theirs = package::unpack(package, &parent.path().join("theirs")).unwrap();
    judge(&mut theirs, "Ben", |item, _, left| (item < 5).then_some(side(left)));
    let back = parent.path().join("ben.coding.jsonl");
    crate::files::write_atomic(&back, &package::with_codes(&theirs, &[]).unwrap()).unwrap();
    let merged = package::merge(&mut folder, &package::read(&back).unwrap(), None).unwrap();
    assert_eq!((merged[0].coder.as_str(), merged[0].verdicts), ("Ben", 5));
    let log = folder.coder("Ben").unwrap();
    for verdict in log.counting() {
        assert_eq!(verdict.value(0), Some(&Value::words(side(verdict.left.unwrap()))));
    }
    let line = std::fs::read_to_string(log.path()).unwrap();
    let line = line.lines().nth(1).unwrap();
    assert!(line.contains("\"left\":\"") && line.contains("\"inclusion\":1.0"), "{line}");
    assert!(line.contains("\"guideline\":\"1\""), "{line}");
}

#[test]
fn verdicts_leave_as_pairs_with_the_answers_where_the_coder_saw_them() {
    let (_parent, mut folder) = made(4, 0.0);
    let ada = [FIRST, SECOND, TIE, FIRST];
    let ben = [FIRST, FIRST, TIE, FIRST];
    judge(&mut folder, "Ada", |item, _, _| Some(ada[item]));
    judge(&mut folder, "Ben", |item, _, _| Some(ben[item]));
    let all = pairs::all(&folder);
    assert_eq!(all.len(), 8);
    let of = |coder: &str, number: usize| {
        let prompt = format!("Is it {number}?");
        let mut found = all.iter();
        found.find(|one| one.more["coder"] == coder && one.prompt.words() == prompt).unwrap()
    };
    for (coder, said) in [("Ada", ada), ("Ben", ben)] {
        for (item, said) in said.into_iter().enumerate() {
            let record = of(coder, item + 1);
            let chosen = record.chosen_and_rejected().map(|(chosen, _)| chosen.to_owned());
            let expected = match said {
                FIRST => Some(format!("yes {}", item + 1)),
                SECOND => Some(format!("no {}", item + 1)),
                _ => None,
            };
            assert_eq!(chosen, expected);
            let model = if record.left.text.starts_with("yes") { "m1" } else { "m2" };
            assert_eq!(record.model_named("left_model"), Some(model));
            assert_eq!(record.more["study"]["inclusion_probability"], 1.0);
        }
    }
    // One pair an item: items 1 and 4; item 2 is two to two sides, item 3 a tie.
    let written = files_of(&folder, Export::Trl, "p.jsonl").unwrap();
    let text = String::from_utf8(written[0].1.clone()).unwrap();
    assert_eq!(text.lines().count(), 2);
    let settled = Verdict {
        item: 1,
        pass: 1,
        values: [(0, Value::words(SECOND))].into(),
        at: "2026-11-28T18:00:00.000Z".into(),
        ..Verdict::default()
    };
    folder.settle(settled).unwrap();
    let agreed = pairs::agreed(&folder);
    assert_eq!(agreed.iter().filter(|one| one.verdict != Judged::Tie).count(), 3);
    for form in Export::of(true) {
        let written = files_of(&folder, form, "x").unwrap();
        assert!(!written[0].1.is_empty(), "{form:?}");
    }
    assert!(!pairs::records(&folder, PairForm::Csv).is_empty());
}

#[test]
fn what_is_opened_again_has_its_sides_its_models_and_its_rules() {
    let (_parent, mut folder) = made(8, 0.25);
    judge(&mut folder, "Ada", |_, _, left| Some(side(left)));
    let path = folder.path.clone();
    drop(folder);
    let again = Folder::open(&path, Use::Read).unwrap();
    assert_eq!(again.found, Vec::<String>::new());
    assert_eq!(again.origins[&3], [Some("m1".to_owned()), Some("m2".to_owned())]);
    let plan = again.plan("Ada");
    let sides = again.sides(&plan, "Ada");
    for (slot, left) in plan.iter().zip(sides) {
        assert_eq!(again.logs[0].verdict(slot.item, slot.pass).unwrap().left, Some(left));
    }
}

#[test]
fn a_study_is_of_pairs_or_of_texts() {
    let parent = tempfile::tempdir().unwrap();
    let found = of_candidates(rows(2), &Columns::default(), &Variables::of_pairs(), &[]).unwrap();
    let plans = Plans {
        codebook: crate::examples::tone(),
        sampling: Sampling::All,
        order: Order::AsGiven,
        ..Plans::default()
    };
    let said = make_of(&parent.path().join("s"), plans, found.items, ("a", ""), "").unwrap_err();
    assert!(said.to_string().contains("no question asks which of the two answers"), "{said}");
}
