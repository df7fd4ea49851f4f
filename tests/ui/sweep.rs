//! Sweeps and the learning-rate finder: what is typed is checked, the queue says how it stands and is continued
//! after a restart, a rate that was found goes into the settings.

use std::path::{Path, PathBuf};

use eframe::egui;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use serde_json::{Map, json};
use tuning_fork::app::tasks::find_rate::FindRate;
use tuning_fork::app::tasks::run_sweep::{RunSweep, SweepNews};
use tuning_fork::app::tasks::train::Train;
use tuning_fork::app::work::Held as HeldWork;
use tuning_fork::files;
use tuning_fork::state::command::{Command, TrainCommand, ViewCommand};
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::train::rates::RateSlot;
use tuning_fork::state::train::sweep::{Front, SweepEntry, UnderWay};
use tuning_fork::state::train::{LeftTab, TrainState};
use tuning_fork::stats::repeats::repeats;
use tuning_fork::sweep::definition::{Definition, Seeds};
use tuning_fork::sweep::expand::expand;
use tuning_fork::sweep::outcome::{Number, Outcome};
use tuning_fork::sweep::queue::{Held, Queue, State};
use tuning_fork::sweep::table::{Row, Summary, Table};
use tuning_fork::sweep::work::Ended;
use tuning_fork::train::config::TrainConfig;
use tuning_fork::train::config::metric::Better;
use tuning_fork::train::run::rates::{RateSearch, RateTrace};

use crate::train::{open, tiny_model, with_pairs};
use crate::whole_app::App;

/// Two configurations with three seeds each: four runs are done, one failed, one waits.
pub fn table() -> Table {
    let states =
        [State::Done, State::Done, State::Done, State::Done, State::Failed, State::Waiting];
    let losses = [0.61, 0.64, 0.58, 0.5, 0.0, 0.0];
    let values = |place: usize| {
        let mut values = Map::new();
        values.insert("learning_rate".to_owned(), json!([1e-5, 1e-3][place / 3]));
        values
    };
    let rate = |place: usize| ["1e-5", "0.001"][place / 3];
    let rows: Vec<Row> = (0..6)
        .map(|place| {
            let (key, loss) = ("eval_loss".to_owned(), losses[place]);
            let number = Number { key, last: loss, best: Some(loss - 0.02), best_step: Some(20) };
            let numbers = vec![number];
            let outcome = Outcome { steps: 60, secs: 83.0, loss: Some(0.5), numbers, test: Vec::new() };
            let problem = "the loss of step 12 is not a number, so the run was ended; the adapter of step 10 is \
                           kept. A tenth of the learning rate usually helps";
            Row {
                label: format!("learning_rate {}, seed {}", rate(place), 42 + place % 3),
                configuration: place / 3,
                variation: None,
                values: values(place),
                seed: 42 + (place % 3) as u64,
                learning_rate: 1e-5,
                state: states[place],
                message: (states[place] == State::Failed).then(|| problem.to_owned()),
                parameters: Some(1_000_000),
                memory: Some(1_200_000_000),
                estimated_secs: Some(80.0),
                run_dir: PathBuf::from("project/runs").join(place.to_string()),
                outcome: (states[place] == State::Done).then_some(outcome),
                born: None,
            }
        })
        .collect();
    let summary = |place: usize, last: &[f64]| Summary {
        label: format!("learning_rate {}", rate(place)),
        variation: None,
        values: values(place),
        runs: 3,
        last: repeats(last),
        best: repeats(&last.iter().map(|loss| loss - 0.02).collect::<Vec<_>>()),
        secs: Some(83.0),
        memory: Some(1_200_000_000),
    };
    Table {
        key: "eval_loss".to_owned(),
        title: "Held-out loss".to_owned(),
        better: Some(Better::Lower),
        keys: vec!["learning_rate".to_owned()],
        rows,
        summaries: vec![summary(0, &[0.61, 0.64, 0.58]), summary(3, &[0.5])],
    }
}

pub fn set_up() -> TrainState {
    let mut train = with_pairs(60);
    train.sweep.front = Front::Form;
    train.results_in_front = true;
    train
}

/// A sweep that nobody works on.
fn stopped() -> TrainState {
    let mut train = with_pairs(60);
    train.sweep.show(Path::new("project/sweeps/2026-11-28-1122"));
    train.sweep.standing("2026-11-28-1122", table());
    train.results_in_front = true;
    train
}

pub fn under_way() -> TrainState {
    let mut train = stopped();
    let id = "2026-11-28-1122".to_owned();
    train.sweep.under_way = Some(UnderWay { id, run: Some(5), ..UnderWay::default() });
    train.sweep.standing("2026-11-28-1122", table());
    train
}

fn trace() -> RateTrace {
    let search = RateSearch::default();
    let mut trace = RateTrace::default();
    for step in 0..search.steps {
        let place = step as f64;
        let fall = 0.5 / (1.0 + (-(place - 50.0) / 5.0).exp());
        let rise = if place > 70.0 { ((place - 70.0) / 6.0).exp() * 0.01 } else { 0.0 };
        if !trace.add(search.rate(step), 0.69 - fall + rise) {
            break;
        }
    }
    trace
}

pub fn rate_found() -> TrainState {
    let mut train = with_pairs(60);
    train.rates.slot = RateSlot::Found { trace: trace(), settings: Box::new(train.form.clone()) };
    train.results_in_front = true;
    train
}

fn said(harness: &egui_kittest::Harness<'_, crate::train::Panel>, words: &str) -> bool {
    crate::support::read_out(harness).contains(words)
}

#[test]
fn lists_of_values_are_checked_while_they_are_typed() {
    let mut harness = open(with_pairs(60), tiny_model());
    harness.get_by_label("Sweep…").click();
    harness.run();
    assert!(said(&harness, "9 runs"), "three rates, three seeds");
    let rows = &mut harness.state_mut().train.sweep.form.rows;
    rows[0].key = "learning_rat".to_owned();
    harness.run();
    assert!(said(
        &harness,
        "`learning_rat` is not a key of a run file; did you mean `learning_rate`?"
    ));
    assert!(harness.get_by_label("Start the sweep").accesskit_node().is_disabled());
    harness.state_mut().train.sweep.form.rows[0].key = "beta".to_owned();
    harness.state_mut().train.sweep.form.rows[0].values = "0.1, 0.5".to_owned();
    harness.state_mut().train.sweep.form.seeds = "1, 2".to_owned();
    harness.run();
    assert!(said(&harness, "4 runs"));
    harness.get_by_label("Start the sweep").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::StartSweep)]);
}

#[test]
fn methods_and_settings_become_variations_and_every_run_is_listed_before_the_start() {
    let mut harness = open(with_pairs(60), tiny_model());
    harness.get_by_label("Compare methods…").click();
    harness.run();
    for words in ["5 runs", "Full fine-tuning", "Prompt tuning", "method prefix_tuning"] {
        assert!(said(&harness, words), "{words}");
    }
    assert!(!said(&harness, "Biases alone"), "a Llama has none: the sweep would not begin");
    harness.get_by_label("Take the settings on the left").click();
    harness.run();
    assert!(said(&harness, "are the same run"), "plain LoRA is what the settings are");
    harness.get_by_label("Remove variation 1").click();
    harness.run();
    harness.state_mut().train.form.lora.r = 4; // what was taken stays as it was
    harness.run();
    assert!(said(&harness, "settings 1") && said(&harness, "lora.r 16"));
    harness.get_by_label("Start the sweep").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::StartSweep)]);
    let train = &mut harness.state_mut().train;
    let config = train.form.clone();
    let planned = train.sweep.form.planned(&config).unwrap();
    let found: Vec<_> = planned.iter().map(|run| (run.label.as_str(), run.config.lora.r)).collect();
    assert_eq!((found[0], found[4]), (("DoRA", 4), ("settings 1", 16)));
}

#[test]
fn a_sweep_needs_what_a_run_needs() {
    let harness = open(set_up(), tuning_fork::state::slots::ModelSlot::Empty);
    assert!(harness.get_by_label("Start the sweep").accesskit_node().is_disabled());
    assert!(said(&harness, "Load a model first"));
}

#[test]
fn the_queue_shows_every_run_and_can_be_continued() {
    let mut harness = open(stopped(), tiny_model());
    for words in [
        "4 of 6 runs are done, 1 failed, 1 is left",
        "learning_rate 0.001, seed 43",
        "waiting",
        "seed 43: the loss of step 12 is not a number",
        "0.6100 ± 0.0300 (0.5355 to 0.6845)", // scipy 1.17.1, as in stats::repeats
        "Held-out loss plot: learning_rate 1e-5 0.6100",
    ] {
        assert!(said(&harness, words), "{words}");
    }
    harness.get_by_label("Continue the sweep").click();
    harness.run();
    harness.get_by_label("Export").click();
    harness.run();
    let folder = PathBuf::from("project/sweeps/2026-11-28-1122");
    let asked =
        [TrainCommand::ContinueSweep(folder), TrainCommand::ExportSweep].map(Command::Train);
    assert_eq!(harness.state().asked, asked);
}

#[test]
fn a_sweep_under_way_can_be_stopped_and_stands_above_the_curves() {
    let mut harness = open(under_way(), tiny_model());
    assert!(said(&harness, "5 of 6 runs are done"));
    assert!(said(&harness, "running"));
    harness.get_by_label("Stop the sweep").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::StopSweep)]);
    harness.get_by_label("Close").click();
    harness.run();
    assert!(said(&harness, "Sweep: 5 of 6 runs are done"));
    assert!(said(&harness, "A sweep is under way: wait for it or stop it"), "no run beside it");
    harness.get_by_label("Show the sweep").click();
    harness.run();
    assert!(said(&harness, "Over the seeds"));
}

#[test]
fn the_sweeps_of_a_project_are_listed_above_its_runs() {
    let mut train = with_pairs(60);
    train.left_tab = LeftTab::Runs;
    train.sweep.list = vec![SweepEntry {
        id: "2026-11-28-1122".to_owned(),
        folder: PathBuf::from("sweeps/one"),
        count: 8,
        done: 5,
        failed: 0,
        left: 3,
    }];
    let mut harness = open(train, tiny_model());
    assert!(said(&harness, "5 of 8 runs are done, 3 are left"));
    harness.get_by_label("Continue sweep 2026-11-28-1122").click();
    harness.run();
    let asked = Command::Train(TrainCommand::ContinueSweep(PathBuf::from("sweeps/one")));
    assert_eq!(harness.state().asked, [asked]);
}

#[test]
fn a_rate_that_was_found_goes_into_the_settings() {
    let mut harness = open(rate_found(), tiny_model());
    let found = trace().steepest().unwrap().learning_rate;
    assert!(said(&harness, "The loss falls the fastest at"));
    assert!(said(&harness, "Loss over learning rate"));
    harness.get_by_label(&format!("Use {found:.1e}")).click();
    harness.run_steps(60); // the view scrolls to where it was set
    let taken = harness.state().train.form.learning_rate;
    assert_eq!(taken, format!("{found:.1e}").parse::<f64>().unwrap());
    assert!(said(&harness, "in the settings"));
    assert!(
        !said(&harness, "The settings have changed since"),
        "the search does not depend on the rate"
    );
    harness.state_mut().train.form.seed = 7;
    harness.run();
    assert!(said(&harness, "The settings have changed since"));
}

/// A project with a sweep of which one run of three is done.
fn project_with_a_sweep(folder: &Path) -> PathBuf {
    let data = folder.join("pairs.jsonl");
    files::write_atomic(&data, b"{}\n").unwrap();
    let config = TrainConfig { model: "m".to_owned(), data, ..TrainConfig::default() };
    let definition = Definition { seeds: Seeds::Count(3), ..Definition::of(&config) };
    let planned = expand(&definition).unwrap();
    let queue = Queue::new(&planned, |number, run| run.folder(number)).unwrap();
    let sweep = folder.join("sweeps/2026-11-28-1122");
    drop(Held::create(&sweep, queue).unwrap());
    sweep
}

#[test]
fn a_sweep_is_continued_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = project_with_a_sweep(folder.path());
    let mut app = App::with_model_in(folder.path());
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    app.sees("3 of 3 runs of the sweep 2026-11-28-1122 are left");
    app.click("Continue");
    let held = app.script.borrow_mut().take::<RunSweep>().expect("it is continued");
    assert_eq!(held.request.folder, sweep);
    assert!(held.request.new.is_none());
    held.feeder.emit(SweepNews::Standing(Box::new(table())));
    app.run();
    app.sees("5 of 6 runs are done");
    // No second run is started beside it.
    app.ask(Command::Train(TrainCommand::Start));
    assert!(app.script.borrow_mut().take::<Train>().is_none());
    app.ask(Command::Train(TrainCommand::Stop));
    assert!(held.feeder.was_cancelled(), "the Stop of the run stops its sweep");
    held.feeder.finish(Ok(Ended::Stopped));
    app.run();
    app.sees("4 of 6 runs are done, 1 failed, 1 is left");
}

#[test]
fn the_form_becomes_a_queue_and_a_search() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    app.ask(Command::Train(TrainCommand::FindRate));
    let HeldWork { request, feeder } =
        app.script.borrow_mut().take::<FindRate>().expect("a search");
    assert_eq!(request.search, RateSearch::default());
    feeder.finish(Ok(trace()));
    app.run();
    app.sees("The loss falls the fastest at");
    app.ask(Command::Train(TrainCommand::StartSweep));
    let HeldWork { request, feeder } = app.script.borrow_mut().take::<RunSweep>().expect("a sweep");
    let new = request.new.expect("a new one");
    assert_eq!(new.planned.len(), 9);
    assert!(new.planned.iter().all(|run| !run.config.model.is_empty()));
    app.sees("Counting memory and time");
    feeder.finish(Ok(Ended::Stopped));
    app.run();
}

#[test]
fn the_form_scrolls_to_its_last_run_in_a_low_window() {
    let mut harness = open(with_pairs(60), tiny_model());
    harness.get_by_label("Sweep…").click();
    harness.run();
    harness.set_size(egui::vec2(1280.0, 500.0));
    harness.run();
    let bottom = |harness: &egui_kittest::Harness<'_, crate::train::Panel>| {
        harness.get_by_label("Start the sweep").rect().bottom()
    };
    let before = bottom(&harness);
    harness.hover_at(egui::pos2(900.0, 300.0));
    for _ in 0..10 {
        harness.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            delta: egui::vec2(0.0, -200.0),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Wheel,
            modifiers: egui::Modifiers::NONE,
        });
        harness.run();
    }
    let after = bottom(&harness);
    assert!(after < before && after < 500.0, "{before} to {after}");
}
