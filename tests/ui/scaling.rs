//! A scaling series: its form, its law in words, its plots, and its export.

use std::path::{Path, PathBuf};

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use serde_json::Map;
use tuning_fork::llm::newborn::Newborn;
use tuning_fork::state::command::{Command, TrainCommand};
use tuning_fork::state::slots::ModelSlot;
use tuning_fork::state::train::TrainState;
use tuning_fork::state::train::form::DataSource;
use tuning_fork::state::train::sweep::Front;
use tuning_fork::sweep::born::Born;
use tuning_fork::sweep::outcome::{Number, Of, Outcome};
use tuning_fork::sweep::queue::State;
use tuning_fork::sweep::sizes;
use tuning_fork::sweep::table::{Row, Table};
use tuning_fork::train::config::metric::Better;
use tuning_fork::train::config::{Objective, TrainConfig};

use crate::train::{Panel, open};

const ID: &str = "2026-11-30-0911";

/// Three sizes that are done, and a larger one that failed.
fn table() -> Table {
    let newborn = Newborn::default();
    let runs = [
        ("1x40x4", State::Done, 1.62),
        ("2x56x4", State::Done, 1.31),
        ("3x96x4", State::Done, 1.18),
        ("4x128x4", State::Failed, 0.0),
    ];
    let rows = runs.iter().enumerate().map(|(place, (size, state, loss))| {
        let sizes = sizes::parse(&format!("{size}, 8x96x4"), &newborn).unwrap();
        let shape = sizes[0].applied(&newborn);
        let parameters = sizes::without_embeddings(&shape).unwrap();
        let born = Born {
            newborn: shape,
            parameters,
            text: (PathBuf::from("stories.txt"), 64, 0.1),
            of: Of::HeldOut,
            tokens: 614_400,
            epochs: 2.2,
            last: Some(*loss),
            best: Some(*loss),
            curve: vec![(102_400, loss + 0.6), (307_200, loss + 0.2), (614_400, *loss)],
        };
        let number =
            Number { key: "eval_loss".to_owned(), last: *loss, best: Some(*loss), best_step: None };
        let done = *state == State::Done;
        let outcome = Outcome {
            steps: 600,
            secs: 70.0,
            loss: Some(*loss),
            numbers: vec![number],
            test: Vec::new(),
        };
        Row {
            label: (*size).to_owned(),
            configuration: place,
            variation: Some((*size).to_owned()),
            values: Map::new(),
            seed: 42,
            learning_rate: 3e-3,
            state: *state,
            message: (!done).then(|| "the loss of step 12 is not a number".to_owned()),
            parameters: Some(parameters + 3_000),
            memory: Some(90_000_000),
            estimated_secs: Some(60.0),
            run_dir: PathBuf::from("project/runs").join(size),
            outcome: done.then_some(outcome),
            born: Some(Box::new(born)),
        }
    });
    let rows: Vec<Row> = rows.collect();
    Table {
        key: "eval_loss".to_owned(),
        title: "Held-out loss".to_owned(),
        better: Some(Better::Lower),
        keys: Vec::new(),
        rows,
        summaries: crate::sweep::table().summaries,
    }
}

fn newborn() -> TrainState {
    let (form, source) = (TrainConfig::suggested(Objective::Pretrain), DataSource::Sample);
    TrainState { form, source, ..TrainState::default() }
}

/// Its form.
pub fn set_up() -> TrainState {
    let mut train = newborn();
    train.sweep.form.scaling_series();
    train.sweep.front = Front::Form;
    train.results_in_front = true;
    train
}

/// Its runs.
pub fn shown() -> TrainState {
    let mut train = newborn();
    train.sweep.show(Path::new("project/sweeps").join(ID).as_path());
    train.sweep.standing(ID, table());
    train.results_in_front = true;
    train
}

fn said(harness: &egui_kittest::Harness<'_, Panel>, words: &str) -> bool {
    crate::support::read_out(harness).contains(words)
}

#[test]
fn three_sizes_are_offered_for_a_model_from_nothing() {
    let mut harness = open(newborn(), ModelSlot::Empty);
    harness.get_by_label("Scaling series…").click();
    harness.run();
    for words in ["3 runs", "1x40x4: 19,", "2x56x4: ", "3x96x4: 33"] {
        assert!(said(&harness, words), "{words}");
    }
    harness.state_mut().train.sweep.form.sizes = "1x30x4, 2x56x4".to_owned();
    harness.run();
    assert!(said(&harness, "the size 1x30x4: newborn.hidden_size must be a multiple of twice"));
    assert!(harness.get_by_label("Start the sweep").accesskit_node().is_disabled());
    harness.state_mut().train.sweep.form.sizes = "1x32x4, 2x56x4".to_owned();
    harness.run();
    assert!(said(&harness, "2 runs"));
    harness.get_by_label("Start the sweep").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::StartSweep)]);
}

#[test]
fn the_law_is_said_with_what_it_cannot_show() {
    let mut harness = open(shown(), ModelSlot::Empty);
    for words in [
        "Scaling series",
        "L(N) = (N_c / N)^α with α = 0.11", // the slope in logarithms of the three losses
        "through 3 sizes",
        "At ten times the largest size",
        "five sizes are the fewest that leave two to check it with, and there are 3",
        "failed and is not part of the law",
        "Chinchilla's rule",
        "What 4 small models",
        "Held-out loss over size plot, both axes logarithmic: law, α = 0.11",
        "Held-out loss over tokens plot",
        "Tokens over size plot, both axes logarithmic: 20 tokens a parameter",
        "Held-out loss over compute plot",
    ] {
        assert!(said(&harness, words), "{words}");
    }
    assert!(!said(&harness, "Held-out loss plot: "), "the plot of other sweeps gives way");
    harness.get_by_label("Export").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::ExportSweep)]);
}
