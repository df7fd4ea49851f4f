//! Scaling series: which law so many sizes can carry, what is left out of it, and a real one of tiny models.

use std::path::PathBuf;

use serde_json::Map;

use super::born::Born;
use super::definition::{Definition, Seeds, Variation};
use super::expand::expand;
use super::outcome::{Of, Which};
use super::queue::{Held, Queue, State};
use super::report;
use super::scaling::{Law, Scaling};
use super::scaling_plot::{Look, plots};
use super::sizes;
use super::table::{Row, Table};
use super::work::{Ended, work};
use super::worker::Worker;
use crate::files;
use crate::jobs::Quiet;
use crate::llm::newborn::Newborn;
use crate::train::config::{Objective, TrainConfig};

/// A table of runs by their sizes, states and losses.
fn table(runs: &[(&str, State, f64)]) -> Table {
    let newborn = Newborn::default();
    let rows = runs.iter().enumerate().map(|(place, (size, state, loss))| {
        let sizes = sizes::parse(&format!("{size}, 9x96x4"), &newborn).unwrap();
        let shape = sizes[0].applied(&newborn);
        let parameters = sizes::without_embeddings(&shape).unwrap();
        let born = Born {
            newborn: shape,
            parameters,
            text: (PathBuf::from("stories.txt"), 64, 0.1),
            of: Of::HeldOut,
            tokens: 1_000_000,
            epochs: 5.5,
            last: Some(*loss),
            best: Some(loss - 0.1),
            curve: vec![(0, 4.0), (500_000, loss + 0.5), (1_000_000, *loss)],
        };
        Row {
            label: format!("{size}, seed {place}"),
            configuration: place,
            variation: Some((*size).to_owned()),
            values: Map::new(),
            seed: 1,
            learning_rate: 3e-3,
            state: *state,
            message: None,
            parameters: Some(parameters + 5_000),
            memory: None,
            estimated_secs: None,
            run_dir: PathBuf::new(),
            outcome: None,
            born: Some(Box::new(born)),
        }
    });
    Table {
        key: "eval_loss".to_owned(),
        title: "Held-out loss".to_owned(),
        better: None,
        keys: Vec::new(),
        rows: rows.collect(),
        summaries: Vec::new(),
    }
}

fn said(scaling: &Scaling, words: &str) -> bool {
    scaling.words().join("\n").contains(words)
}

#[test]
fn three_sizes_carry_a_law_of_two_numbers_and_five_one_of_three() {
    let done = State::Done;
    let three = table(&[("3x96x4", done, 1.2), ("1x40x4", done, 1.7), ("2x56x4", done, 1.4)]);
    let scaling = Scaling::of(&three, Which::Last).unwrap();
    let sizes: Vec<u64> = scaling.sizes.iter().map(|point| point.parameters).collect();
    assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "from the smallest: {sizes:?}");
    let Ok(Law::Power(law)) = &scaling.law else { panic!("{:?}", scaling.law) };
    assert_eq!(law.points, 3);
    assert!(said(&scaling, "five sizes are the fewest"), "{:?}", scaling.words());
    assert!(said(&scaling, "2 of 3 runs have seen fewer"), "{:?}", scaling.words());
    assert!(said(&scaling, "The text was read up to 5.5 times"));
    assert!(said(&scaling, "What 3 small models"));
    let best = Scaling::of(&three, Which::Best).unwrap();
    assert!((best.sizes[0].loss - 1.6).abs() < 1e-12);

    // Losses that a law with a part that remains made: 0.8 + 500 / N^0.6.
    let names = ["1x40x4", "2x56x4", "3x96x4", "4x128x4", "6x192x4"];
    let newborn = Newborn::default();
    let runs: Vec<(&str, State, f64)> = names
        .iter()
        .map(|name| {
            let size = sizes::parse(&format!("{name}, 9x96x4"), &newborn).unwrap()[0];
            let count = sizes::without_embeddings(&size.applied(&newborn)).unwrap();
            (*name, done, 0.8 + 500.0 / (count as f64).powf(0.6))
        })
        .collect();
    let scaling = Scaling::of(&table(&runs), Which::Last).unwrap();
    let Ok(Law::WithFloor(law)) = &scaling.law else { panic!("{:?}", scaling.law) };
    assert!((law.floor - 0.8).abs() < 1e-4 && (law.alpha - 0.6).abs() < 1e-4, "{law:?}");
    assert!(said(&scaling, "E = 0.800"));
}

#[test]
fn a_run_that_failed_or_was_stopped_is_left_out_and_said() {
    let runs = [
        ("1x40x4", State::Done, 1.7),
        ("2x56x4", State::Done, 1.4),
        ("3x96x4", State::Done, 1.2),
        ("4x128x4", State::Failed, 9.0),
        ("5x128x4", State::Stopped, 9.0),
    ];
    let scaling = Scaling::of(&table(&runs), Which::Last).unwrap();
    assert_eq!((scaling.runs.len(), scaling.planned), (3, 5));
    assert!(scaling.law.is_ok());
    assert!(said(&scaling, "The run \"4x128x4, seed 3\" failed and is not part of the law"));
    assert!(said(&scaling, "\"5x128x4, seed 4\" was stopped before its end"));
    let two = Scaling::of(&table(&[runs[0], runs[1], runs[3]]), Which::Last).unwrap();
    assert!(two.law.is_err());
    assert!(said(&two, "No law is drawn: two sizes always lie on such a line"));
    let drawn = plots(&two);
    assert!(drawn[0].series.iter().all(|series| series.look == Look::Marks), "no line");
    let rising =
        [("1x40x4", State::Done, 1.1), ("2x56x4", State::Done, 1.4), ("3x96x4", State::Done, 1.6)];
    let scaling = Scaling::of(&table(&rising), Which::Last).unwrap();
    assert!(said(&scaling, "No law is drawn: the loss does not fall with size"));
}

#[test]
fn what_is_no_series_has_no_law() {
    let mut one = table(&[("2x56x4", State::Done, 1.4), ("2x56x4", State::Done, 1.4)]);
    assert_eq!(Scaling::of(&one, Which::Last), None, "one size");
    one = table(&[("1x40x4", State::Done, 1.7), ("2x56x4", State::Done, 1.4)]);
    one.rows[1].born = None;
    assert_eq!(Scaling::of(&one, Which::Last), None, "a model that is not born");
    let mut other = table(&[
        ("1x40x4", State::Done, 1.7),
        ("2x56x4", State::Done, 1.4),
        ("3x96x4", State::Done, 1.2),
    ]);
    if let Some(born) = &mut other.rows[2].born {
        born.text.1 = 128;
    }
    let scaling = Scaling::of(&other, Which::Last).unwrap();
    assert!(said(&scaling, "the runs differ in more than their size"), "{:?}", scaling.words());
}

#[test]
fn compute_is_six_times_parameters_and_tokens_and_the_frontier_only_falls() {
    let scaling = Scaling::of(
        &table(&[("1x40x4", State::Done, 1.7), ("3x96x4", State::Done, 1.2)]),
        Which::Last,
    );
    let scaling = scaling.unwrap();
    let run = &scaling.runs[0];
    assert_eq!(run.all_parameters, run.parameters + 5_000);
    assert!((run.compute() / (6e6 * run.all_parameters as f64) - 1.0).abs() < 1e-12);
    assert!((run.tokens_per_parameter * run.all_parameters as f64 - 1e6).abs() < 1e-6);
    let frontier = scaling.envelope();
    assert!(frontier.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1));
    let lowest = frontier.last().unwrap();
    assert!((lowest.1 - 1.2).abs() < 1e-12, "{frontier:?}");
    // Halfway of the small run's curve, on logarithmic axes: the square root of both products.
    let small = &scaling.runs[0];
    let middle = (small.compute_after(500_000) * small.compute_after(1_000_000)).sqrt();
    let near = frontier
        .iter()
        .min_by(|one, other| (one.0 / middle).ln().abs().total_cmp(&(other.0 / middle).ln().abs()));
    assert!((near.unwrap().1 / (2.2_f64 * 1.7).sqrt() - 1.0).abs() < 0.03, "{near:?}");
    // The table of points: a row a run, a row for each measurement of each.
    assert_eq!(scaling.csv().lines().count(), 3);
    assert_eq!(scaling.curves_csv().lines().count(), 1 + 2 * 3);
}

#[test]
fn a_series_of_tiny_models_is_run_and_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    let sentence = "a cat sat on a mat and saw a rat that ran. ";
    files::write_atomic(&text, sentence.repeat(80).as_bytes()).unwrap();
    let config = TrainConfig {
        model: "starter".to_owned(),
        data: text,
        max_length: 32,
        per_device_train_batch_size: 4,
        max_steps: Some(12),
        held_out_share: 0.2,
        eval_steps: 4,
        newborn: Some(Newborn { max_position_embeddings: 32, ..Newborn::default() }),
        ..TrainConfig::suggested(Objective::Pretrain)
    };
    let newborn = config.newborn.clone().unwrap();
    let sizes = sizes::parse("1x8x1, 1x16x2, 2x24x2", &newborn).unwrap();
    let variations = sizes.iter().map(|size| Variation::of_size(*size, &newborn)).collect();
    let definition = Definition::with(&config, Vec::new(), variations, Seeds::Own).unwrap();
    let planned = expand(&definition).unwrap();
    let queue = Queue::new(&planned, |number, run| run.folder(number)).unwrap();
    let sweep = folder.path().join("sweep");
    let mut held = Held::create(&sweep, queue).unwrap();
    super::work::estimate(&mut held, &mut Worker::default(), &Quiet).unwrap();
    assert_eq!(work(&mut held, &mut Worker::default(), &Quiet).unwrap(), Ended::Done);
    let table = Table::of(&sweep, &held.queue).unwrap();
    let scaling = Scaling::of(&table, Which::Last).unwrap();
    assert_eq!(scaling.runs.len(), 3);
    for run in &scaling.runs {
        // The vocabulary of this text: its letters, the point, the space, the end of a text; times the width.
        let embeddings = run.all_parameters - run.parameters;
        assert!(embeddings.is_multiple_of(run.size.width as u64), "{run:?}");
        assert_eq!(run.tokens, 12 * 4 * 32, "{run:?}");
        assert_eq!(run.curve.last().map(|point| point.0), Some(run.tokens));
        assert_eq!(run.curve.last().map(|point| point.1), Some(run.loss));
    }
    assert!(scaling.law.is_ok() || said(&scaling, "does not fall"), "{:?}", scaling.words());
    let json = report::json(&table);
    assert_eq!(json["scaling"]["final"]["runs"].as_array().map(Vec::len), Some(3));
    for file in ["scaling.csv", "scaling-curves.csv", "table.csv", "table.json"] {
        assert!(sweep.join(file).is_file(), "{file}");
    }
}

#[test]
fn a_text_too_short_for_a_size_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    files::write_atomic(&text, b"too short a text").unwrap();
    let config = TrainConfig {
        model: "starter".to_owned(),
        data: text,
        max_length: 32,
        newborn: Some(Newborn { max_position_embeddings: 32, ..Newborn::default() }),
        ..TrainConfig::suggested(Objective::Pretrain)
    };
    let newborn = config.newborn.clone().unwrap();
    let sizes = sizes::parse("1x8x1, 1x16x2", &newborn).unwrap();
    let variations = sizes.iter().map(|size| Variation::of_size(*size, &newborn)).collect();
    let definition = Definition::with(&config, Vec::new(), variations, Seeds::Own).unwrap();
    let queue = Queue::new(&expand(&definition).unwrap(), |number, run| run.folder(number));
    let mut held = Held::create(&folder.path().join("sweep"), queue.unwrap()).unwrap();
    let said = super::work::estimate(&mut held, &mut Worker::default(), &Quiet).unwrap_err();
    let said = crate::errors::one_line(&said);
    assert!(said.contains("1x8x1: nothing was started") && said.contains("16 tokens"), "{said}");
}
