//! Agreement against worked examples of the literature and against the statistics on plain lists.

use super::*;
use crate::data::codebook::Class;
use crate::examples::items;
use crate::examples::study;
use crate::stats::agreement::many::{Ratings, Scale, fleiss_kappa, krippendorff_alpha};
use crate::study::design::Study;
use crate::study::folder::tests::{code, made, said};
use crate::study::folder::{Folder, create};
use crate::study::item::Item;
use crate::study::log::Verdict;
use crate::study::log_line::Suggested;
use crate::study::variable::{Variable, Variables};

fn close(estimate: &Estimate, expected: f64) {
    let value = estimate.value.expect("there is a number");
    assert!((value - expected).abs() < 1e-9, "{value} instead of {expected}");
    let (low, high) = (estimate.low.unwrap(), estimate.high.unwrap());
    assert!(low <= value && value <= high, "{low} {value} {high}");
}

fn with_variable(variable: Variable, items: &[Item]) -> (tempfile::TempDir, Folder) {
    let parent = tempfile::tempdir().unwrap();
    let codebook = Variables { variables: vec![variable], ..Variables::default() };
    let folder = create(&parent.path().join("s"), Study { codebook, ..study() }, items).unwrap();
    (parent, folder)
}

/// Krippendorff's example of four observers and twelve units (2011, "Computing Krippendorff's
/// Alpha-Reliability", section D); `None` is missing.
const KRIPPENDORFF: [[Option<u8>; 12]; 4] = {
    const N: Option<u8> = None;
    const A: Option<u8> = Some(1);
    const B: Option<u8> = Some(2);
    const C: Option<u8> = Some(3);
    const D: Option<u8> = Some(4);
    const E: Option<u8> = Some(5);
    [
        [A, B, C, C, B, A, D, A, B, N, N, N],
        [A, B, C, C, B, B, D, A, B, E, N, C],
        [N, C, C, C, B, C, D, B, B, E, A, N],
        [A, B, C, C, B, D, D, A, B, E, A, N],
    ]
};

fn krippendorff(kind: Kind) -> (tempfile::TempDir, Folder) {
    let class = |point: u8| Class { label: point.to_string(), ..Class::default() };
    let classes = if kind == Kind::Number { Vec::new() } else { (1..=5).map(class).collect() };
    let variable = Variable { name: "grade".to_owned(), kind, classes, ..Variable::default() };
    let (parent, mut folder) = with_variable(variable, &items(12));
    for (coder, codes) in KRIPPENDORFF.iter().enumerate() {
        let log = folder.join(&format!("coder {coder}")).unwrap();
        for (item, code) in codes.iter().enumerate() {
            let Some(code) = code else { continue };
            let value = match kind {
                Kind::Number => Value::Number(f64::from(*code)),
                _ => Value::Words(code.to_string()),
            };
            folder
                .append(log, Verdict { values: [(0, value)].into(), ..said(item, 1, "") })
                .unwrap();
        }
    }
    (parent, folder)
}

#[test]
fn krippendorffs_own_example_gives_his_numbers_on_every_scale() {
    // 0.743, 0.815 and 0.849 in the paper; the digits are those of the Python package krippendorff.
    for (kind, expected) in [
        (Kind::Choice, 0.743_421_052_631_578_9),
        (Kind::Scale, 0.815_387_503_754_881_4),
        (Kind::Number, 0.849_107_142_857_142_8),
    ] {
        let (_parent, folder) = krippendorff(kind);
        let found = agreement(&folder, 0);
        close(&found.variables[0].alpha, expected);
        assert_eq!((found.variables[0].pairable, found.variables[0].complete), (11, 8));
    }
}

#[test]
fn the_counted_statistics_are_those_of_plain_lists() {
    let (_parent, folder) = krippendorff(Kind::Scale);
    let coded = Coded::of(&folder, 0).unwrap();
    let counted = coded.counted();
    for drawn in [vec![0, 0, 1, 5, 5, 5, 9], vec![2, 3, 3, 8, 11, 10], (0..12).collect()] {
        let units: Vec<_> = drawn.iter().map(|at| coded.ratings.units[*at].clone()).collect();
        let plain = Ratings { units, categories: 5 };
        let same = |a: Number, b: Number| match (a, b) {
            (Ok(a), Ok(b)) => assert!((a - b).abs() < 1e-12, "{a} {b}"),
            (a, b) => assert_eq!(a.is_err(), b.is_err()),
        };
        same(counted.alpha(&drawn), krippendorff_alpha(&plain, Scale::Ordinal));
        same(counted.percent(&drawn), crate::stats::agreement::many::percent_agreement(&plain));
        same(counted.fleiss_of(&drawn), fleiss_kappa(&plain));
    }
}

#[test]
fn two_coders_labels_pairs_and_the_time_are_said() {
    let (_parent, mut folder) = made(6);
    code(&mut folder, "Ada", &["good", "good", "bad", "bad", "neither", "?"]);
    code(&mut folder, "Ben", &["good", "bad", "bad", "bad", "neither", "good"]);
    let found = agreement(&folder, 0);
    let tone = &found.variables[0];
    // 4 of the 5 that both know; kappa = (0.8 - 0.36) / 0.64.
    close(&tone.percent, 0.8);
    close(&tone.pairs[0].kappa, (0.8 - 0.36) / (1.0 - 0.36));
    assert_eq!((tone.dont_know, tone.disagreements, tone.settled), (1, 2, 0));
    assert_eq!((tone.pairs[0].items, tone.pairs[0].first.as_str()), (5, "Ada"));
    let labels: Vec<(&str, usize)> =
        tone.labels.iter().map(|label| (label.label.as_str(), label.codes)).collect();
    assert_eq!(labels, [("good", 4), ("bad", 5), ("neither", 2)]);
    close(&tone.labels[2].alpha, 1.0);
    assert_eq!(found.coders[0].median_seconds, Some(2.0));
    assert_eq!(found.coders[0].coded, 6);
    let one_alone = {
        let (_parent, mut folder) = made(2);
        code(&mut folder, "Ada", &["good"]);
        agreement(&folder, 0)
    };
    let alpha = &one_alone.variables[0].alpha;
    assert!(alpha.value.is_none() && !alpha.reason.is_empty());
}

#[test]
fn a_coder_is_compared_with_their_second_look_and_the_models_pull_is_measured() {
    let (_parent, mut folder) = made(4);
    code(&mut folder, "Ada", &["good", "bad", "good", "bad"]);
    for (item, label) in [(0, "good"), (1, "good")] {
        folder.append(0, said(item, 2, label)).unwrap();
    }
    for (item, label, seen) in [(0, "good", true), (2, "bad", false)] {
        let suggestion = Some(Box::new(Suggested { value: Value::words("good"), seen }));
        folder.append(0, Verdict { suggestion, ..said(item, 1, label) }).unwrap();
    }
    let found = agreement(&folder, 0);
    let again = &found.variables[0].again[0];
    assert_eq!((again.items, again.percent.value), (2, Some(0.5)));
    let pull = found.variables[0].suggestion.unwrap();
    assert_eq!(pull.seen, Share { right: 1, all: 1 });
    assert_eq!(pull.withheld, Share { right: 0, all: 1 });
    // A second look is no second opinion on the item.
    assert_eq!(found.coders[0].coded, 4);
}

#[test]
fn training_and_checks_count_for_the_coder_alone() {
    let mut list = items(3);
    list[0].role = Role::Training;
    list[1].role = Role::Check;
    for item in &mut list[..2] {
        item.expected.insert("tone".to_owned(), Value::words("good"));
    }
    let parent = tempfile::tempdir().unwrap();
    let mut folder = create(&parent.path().join("s"), study(), &list).unwrap();
    code(&mut folder, "Ada", &["good", "bad", "bad"]);
    code(&mut folder, "Ben", &["bad", "good", "bad"]);
    let found = agreement(&folder, 0);
    assert_eq!((found.items, found.variables[0].pairable), (1, 1));
    assert_eq!(found.coders[0].training, Share { right: 1, all: 1 });
    assert_eq!(found.coders[0].checks, Share { right: 0, all: 1 });
    assert_eq!(found.variables[0].disagreements, 0);
}

#[test]
fn several_labels_and_places_are_compared_label_by_label_and_character_by_character() {
    let class = |label: &str| Class { label: label.to_owned(), ..Class::default() };
    let classes = vec![class("x"), class("y")];
    let several =
        Variable { name: "v".to_owned(), kind: Kind::Choices, classes, ..Variable::default() };
    let (_parent, mut folder) = with_variable(several.clone(), &items(3));
    let labels = |labels: &[&str]| Value::Labels(labels.iter().map(|l| (*l).to_owned()).collect());
    let say = |folder: &mut Folder, coder: &str, values: [Value; 3]| {
        let log = folder.join(coder).unwrap();
        for (item, value) in values.into_iter().enumerate() {
            folder
                .append(log, Verdict { values: [(0, value)].into(), ..said(item, 1, "") })
                .unwrap();
        }
    };
    say(&mut folder, "Ada", [labels(&["x"]), labels(&["x", "y"]), labels(&[])]);
    say(&mut folder, "Ben", [labels(&["x"]), labels(&["y"]), labels(&[])]);
    let found = agreement(&folder, 0);
    close(&found.variables[0].percent, 2.0 / 3.0);
    close(&found.variables[0].labels[1].percent, 1.0);
    assert_eq!(found.variables[0].labels[0].codes, 3);

    let (_parent, mut folder) = with_variable(Variable { kind: Kind::Spans, ..several }, &items(3));
    let place =
        |start, end, label: &str| Value::Spans(vec![Span { start, end, label: label.to_owned() }]);
    say(&mut folder, "Ada", [place(0, 4, "x"), place(0, 4, "x"), Value::Spans(Vec::new())]);
    say(&mut folder, "Ben", [place(0, 4, "x"), place(2, 6, "x"), place(0, 2, "y")]);
    let found = agreement(&folder, 0);
    let pair = &found.variables[0].pairs[0];
    // 6 characters of both; 8 of Ada, 10 of Ben.
    close(pair.characters_f1.as_ref().unwrap(), 12.0 / 18.0);
    assert_eq!(found.variables[0].disagreements, 2);
}

#[test]
fn what_was_settled_is_what_an_item_is() {
    let (_parent, mut folder) = made(4);
    code(&mut folder, "Ada", &["good", "good", "bad", "?"]);
    code(&mut folder, "Ben", &["good", "bad", "neither", "?"]);
    let open = disagreement::all(&folder);
    assert_eq!(open.iter().map(|one| one.item).collect::<Vec<_>>(), [1, 2]);
    let reason = Some("Ben read the title only.".into());
    folder.settle(Verdict { reason, ..said(1, 1, "good") }).unwrap();
    let path = folder.path.clone();
    drop(folder);
    let folder = Folder::open(&path, crate::study::log::Use::Read).unwrap();
    let settled = disagreement::all(&folder)[0].settled.clone().unwrap();
    assert_eq!(settled, (Value::words("good"), "Ben read the title only.".to_owned()));
    let agreed: Vec<Option<String>> = (0..4)
        .map(|item| disagreement::agreed(&folder, item, 0).map(|value| value.shown()))
        .collect();
    assert_eq!(agreed, [Some("good".to_owned()), Some("good".to_owned()), None, None]);
}
