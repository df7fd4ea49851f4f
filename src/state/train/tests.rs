//! The Train panel's state, without a panel.

use std::path::Path;

use super::*;
use crate::data::forms::mapping::Mapping;
use crate::state::train::live::Phase;
use crate::train::config::Objective;
use crate::train::config::metric::Metric;
use crate::train::record::history::History;
use crate::train::record::metrics::StepMetrics;
use crate::train::record::runs::RunState;

pub(super) fn run_view(id: &str) -> RunView {
    RunView {
        id: id.to_owned(),
        folder: Path::new("runs").join(id),
        status: RunState::Interrupted,
        objective: Objective::Dpo,
        model: "SmolLM2".to_owned(),
        steps_done: 2,
        steps_planned: 5,
        last_step: None,
        evaluation: None,
        about: RunNotes::default(),
        config: TrainConfig::default(),
        data_sha256: String::new(),
        comparison: None,
        note: None,
        usable: true,
        has_adapter: true,
        resumable: true,
    }
}

fn history(steps: &[usize]) -> History {
    let values = [(Metric::Loss, 0.6)];
    let step =
        |step: &usize| StepMetrics { step: *step, values: values.into(), ..StepMetrics::default() };
    let steps = steps.iter().map(step);
    History { steps: steps.collect(), evaluations: Vec::new() }
}

fn step(step: usize, step_secs: f64) -> TrainEvent {
    let values = [(Metric::Loss, 0.6)].into();
    TrainEvent::Step(StepMetrics { step, values, step_secs, ..StepMetrics::default() })
}

fn begun() -> TrainState {
    let mut train = TrainState { project_pairs: 60, ..TrainState::default() };
    train.begin("2026-11-21-a");
    train.on_event(TrainEvent::Planned { steps: 200, train_rows: 48, held_out_rows: 12 });
    train
}

fn summary(steps_done: usize) -> RunSummary {
    RunSummary {
        run_dir: "runs/a".into(),
        adapter_dir: "runs/a/adapter".into(),
        model_dir: None,
        steps_done,
        steps_planned: 200,
        best: None,
        stopped_early: None,
        last_step: None,
        evaluation: None,
    }
}

#[test]
fn a_run_says_step_pace_and_time_left() {
    let mut train = begun();
    for number in 1..=12 {
        train.on_event(step(number, 3.4));
    }
    let live = train.live.as_ref().unwrap();
    assert_eq!(live.headline(), "Step 12 of 200 · 3.4 s a step · 11 min left");
    let activity = live.activity().unwrap();
    assert_eq!(activity.what, "Training");
    assert_eq!(activity.detail, "step 12 of 200 · 3.4 s a step · 11 min left");
    assert_eq!(activity.fraction, Some(0.06));
}

/// A laptop is closed in the middle of a step, and opened after lunch.
#[test]
fn a_step_in_which_the_computer_slept_does_not_make_the_others_long() {
    let mut train = TrainState::default();
    train.begin("first-run");
    train.on_event(TrainEvent::Planned { steps: 100, train_rows: 48, held_out_rows: 12 });
    (1..=5).for_each(|at| train.on_event(step(at, 2.0)));
    train.on_event(step(6, 3600.0));
    let pace = |train: &TrainState| train.live.as_ref().unwrap().step_secs.unwrap();
    // 2 + 0.2 * (4 * 2 - 2)
    assert!((pace(&train) - 3.2).abs() < 1e-9, "{}", pace(&train));
    (7..=20).for_each(|at| train.on_event(step(at, 2.0)));
    assert!((pace(&train) - 2.0).abs() < 0.1, "{}", pace(&train));
    // Where the computer has other work from now on, that is known soon.
    (21..=35).for_each(|at| train.on_event(step(at, 20.0)));
    assert!(pace(&train) > 16.0, "{}", pace(&train));
}

#[test]
fn before_the_first_step_it_says_what_it_prepares() {
    let mut train = begun();
    let what = "Reference log-probabilities".to_owned();
    let secs_left = Some(36.4);
    train.on_event(TrainEvent::Preparing { what, done: 12, total: 48, unit: "rows", secs_left });
    let live = train.live.as_ref().unwrap();
    assert_eq!(live.headline(), "Reference log-probabilities · 12 of 48 rows · 36 s left");
    assert_eq!(
        live.activity().unwrap().detail,
        "reference log-probabilities · 12 of 48 rows · 36 s left"
    );
}

#[test]
fn a_stop_is_shown_until_the_run_has_ended() {
    let mut train = begun();
    train.on_event(step(7, 1.0));
    train.stopping();
    train.on_event(step(8, 1.0));
    assert_eq!(
        train.live.as_ref().unwrap().headline(),
        "Stopping after this step · 8 of 200 steps done"
    );
    train.finished(Ok(summary(8)));
    assert!(!train.is_running());
    assert_eq!(train.live.as_ref().unwrap().headline(), "Stopped at step 8 of 200");
    assert_eq!(train.live.as_ref().unwrap().activity(), None);
}

#[test]
fn a_failure_keeps_the_curves() {
    let mut train = begun();
    train.on_event(step(1, 1.0));
    train.finished(Err("The disk is full".to_owned()));
    let live = train.live.unwrap();
    assert_eq!(live.phase, Phase::Failed("The disk is full".to_owned()));
    assert_eq!(live.curves.loss().len(), 1);
}

#[test]
fn a_warning_is_said_once() {
    let mut train = begun();
    for _ in 0..3 {
        train.on_event(TrainEvent::Warning("2 pairs are longer than max_length".to_owned()));
    }
    assert_eq!(train.live.unwrap().warnings.len(), 1);
}

#[test]
fn the_seconds_a_step_are_smoothed() {
    let mut train = begun();
    train.on_event(step(1, 1.0));
    train.on_event(step(2, 2.0));
    assert_eq!(train.live.unwrap().step_secs, Some(1.2));
}

#[test]
fn start_is_blocked_with_what_to_do_next() {
    let mut train = TrainState::default();
    let empty = ModelSlot::Empty;
    let loading = ModelSlot::Loading { name: "SmolLM2".to_owned() };
    assert_eq!(train.blocked_reason(&empty, &[]).unwrap(), "Load a model first");
    assert_eq!(train.blocked_reason(&loading, &[]).unwrap(), "SmolLM2 is still loading");
    train.begin("a");
    assert!(train.blocked_reason(&empty, &[]).unwrap().contains("under way"));
}

#[test]
fn the_plan_counts_as_transformers_does() {
    let config = TrainConfig {
        per_device_train_batch_size: 2,
        gradient_accumulation_steps: 2,
        held_out_share: 0.2,
        num_train_epochs: 3.0,
        max_steps: None,
        ..TrainConfig::default()
    };
    // 48 rows: 24 batches: 12 steps an epoch.
    let plan = Plan::of(&config, 60);
    assert_eq!((plan.train_rows, plan.held_out_rows, plan.steps), (48, 12, 36));
    // 9 rows: 5 batches: 3 steps an epoch, the last with one batch.
    let odd = Plan::of(&TrainConfig { held_out_share: 0.0, ..config.clone() }, 9);
    assert_eq!(odd.steps, 9);
    let fixed = Plan::of(&TrainConfig { max_steps: Some(20), ..config }, 60);
    assert_eq!(fixed.sentence(), "60 pairs: 48 to train on, 12 held out · 20 steps of 4 pairs");
}

#[test]
fn kto_takes_the_two_answers_of_a_pair_one_by_one() {
    let config = TrainConfig {
        objective: Objective::Kto,
        max_steps: Some(20),
        per_device_train_batch_size: 4,
        held_out_share: 0.2,
        ..TrainConfig::default()
    };
    let rows = TrainingData::Sample { rows: 60 }.rows_for(config.objective);
    assert_eq!(
        Plan::of(&config, rows).sentence(),
        "120 answers: 96 to train on, 24 held out · 20 steps of 4 answers"
    );
}

#[test]
fn without_held_out_pairs_all_are_trained_on() {
    let config = TrainConfig {
        max_steps: Some(1),
        per_device_train_batch_size: 1,
        held_out_share: 0.0,
        ..TrainConfig::default()
    };
    let sentence = Plan::of(&config, 6).sentence();
    assert_eq!(sentence, "6 pairs, all to train on · 1 step of 1 pair");
}

#[test]
fn a_file_is_chosen_when_it_was_opened() {
    let mut train = TrainState { source: DataSource::File, ..TrainState::default() };
    assert_eq!(train.data(), None);
    train.use_file(DataFile {
        path: "pairs.jsonl".into(),
        rows: 12,
        report: None,
        columns: Mapping::default(),
    });
    assert_eq!(train.data().unwrap().rows(), 12);
}

#[test]
fn curves_that_arrive_late_go_to_no_other_run() {
    let selected = Some(SelectedRun {
        id: "b".to_owned(),
        curves: None,
        samples: SampleBook::default(),
        round: None,
    });
    let mut train = TrainState { selected, ..TrainState::default() };
    train.show_run("a", RunPast::of(&history(&[1]), Vec::new(), None));
    assert!(train.selected.as_ref().unwrap().curves.is_none());
    train.set_runs(Vec::new());
    assert!(train.selected.is_none());
}

#[test]
fn a_resumed_run_continues_where_it_was() {
    let mut train = TrainState::default();
    let run =
        RunView { objective: Objective::Sft, steps_done: 2, steps_planned: 5, ..run_view("a") };
    train.resume(&run, RunPast::of(&history(&[1, 2]), Vec::new(), None));
    train.on_event(step(3, 1.0));
    let live = train.live.unwrap();
    assert_eq!(live.curves.loss().len(), 3);
    assert_eq!(live.headline(), "Step 3 of 5 · 1.0 s a step · 2 s left");
}

#[test]
fn up_to_four_runs_are_ticked_and_a_deleted_one_leaves() {
    let mut train = TrainState::default();
    train.set_runs(["a", "b", "c", "d", "e"].map(run_view).to_vec());
    for id in ["a", "b", "c", "d"] {
        assert!(train.toggle_compared(id));
    }
    assert!(!train.toggle_compared("e"), "a fifth line could not be told apart");
    train.show_run("b", RunPast::of(&history(&[1]), Vec::new(), None));
    assert_eq!(train.compared[1].curves.as_ref().map(|curves| curves.loss().len()), Some(1));
    assert!(!train.toggle_compared("a"), "unticked: nothing to read");
    train.set_runs(["b", "d"].map(run_view).to_vec());
    let left: Vec<&str> = train.compared.iter().map(|compared| compared.id.as_str()).collect();
    assert_eq!(left, ["b", "d"]);
    train.begin("f");
    assert!(train.compared.is_empty(), "a new run comes to the front");
}
