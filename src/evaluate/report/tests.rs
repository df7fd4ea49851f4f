//! Reports of a few rows, worked out by hand.

use super::*;
use crate::evaluate::task::Task;
use crate::evaluate::task::code::Code;

fn row(number: u64, probabilities: &[f64], human: &[Option<usize>]) -> Answered {
    let index = multiple_choice::ranked(probabilities)[0];
    Answered {
        probabilities: probabilities.to_vec(),
        index: Some(index),
        human: human.to_vec(),
        mass: 0.5,
        row: number,
        ..Answered::default()
    }
}

fn evaluation(coders: &[&str]) -> Evaluation {
    let code = Code {
        text: "t".to_owned(),
        codebook: "c.toml".into(),
        human: coders.iter().map(|&coder| coder.to_owned()).collect(),
        ..Code::default()
    };
    Evaluation {
        task: Task { data: "d.csv".into(), code: Some(code), ..Task::default() },
        labels: Some(vec!["a".to_owned(), "b".to_owned()]),
        coders: coders.iter().map(|&coder| coder.to_owned()).collect(),
        rows: 4,
        weights: "as stored".to_owned(),
        ..Evaluation::default()
    }
}

#[test]
fn the_model_is_held_against_each_coder_and_what_most_say() {
    let rows = [
        row(1, &[0.9, 0.1], &[Some(0), Some(0), Some(0)]),
        row(2, &[0.8, 0.2], &[Some(0), Some(1), Some(1)]),
        row(3, &[0.3, 0.7], &[Some(1), Some(1), None]),
        row(4, &[0.4, 0.6], &[Some(1), None, Some(0)]),
    ];
    let answered = rows.into_iter().map(|row| (row.row, row)).collect();
    let report = Report::of(&evaluation(&["x", "y", "z"]), &answered);
    let x = &report.people[0];
    assert_eq!((x.items, x.accuracy.value.value), (4, Some(1.0)));
    assert_eq!(x.kappa.value.value, Some(1.0));
    assert_eq!(x.confusion, [[2.0, 0.0], [0.0, 2.0]]);
    // Row 4 is undecided among the two who said something.
    let most = &report.people[3];
    assert_eq!((most.who.as_str(), most.items), ("most coders", 3));
    assert!((most.accuracy.value.value.unwrap() - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(report.shares[0].count, 2);
    assert_eq!(report.alternative_annotator.unwrap().passed, None, "four rows are too few");
}

#[test]
fn shares_are_corrected_where_only_some_rows_have_a_human_label() {
    // People say a of half of the 40 rows that they saw; the model says a of all of these.
    let mut answered = BTreeMap::new();
    for number in 0..140_u64 {
        let human = (number < 40).then_some((number % 2) as usize);
        answered.insert(number, row(number, &[0.9, 0.1], &[human]));
    }
    let report = Report::of(&evaluation(&["x"]), &answered);
    let a = &report.correction.unwrap().shares[0];
    assert_eq!(a.human_only.value.value, Some(0.5));
    assert_eq!(a.model_only.value.value, Some(1.0));
    // A model that says the same of every row tells nothing.
    assert_eq!(a.ppi.value.value, Some(0.5));
}

#[test]
fn what_does_not_exist_says_why() {
    let answered = [row(1, &[0.9, 0.1], &[Some(0)])].map(|row| (row.row, row)).into();
    let report = Report::of(&evaluation(&["x"]), &answered);
    let kappa = &report.people[0].kappa.value;
    assert_eq!(kappa.value, None);
    assert!(kappa.because.as_ref().unwrap().contains("one and the same label"));
}
