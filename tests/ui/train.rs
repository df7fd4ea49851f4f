//! Training: what stands in the way is said, a run shows its numbers, and its end offers the next
//! step.

use std::path::Path;
use std::sync::Arc;

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tuning_fork::data::pair::Text;
use tuning_fork::eval::comparison::Comparison;
use tuning_fork::eval::intervals::Interval;
use tuning_fork::llm::card::{ModelCard, ModelFacts, ModelIdentity, ModelSource, Purpose};
use tuning_fork::llm::text::tokenizer::Tokenizer;
use tuning_fork::panels::train::train_panel_ui;
use tuning_fork::state::command::{Command, Commands, TrainCommand, ViewCommand, WindowCommand};
use tuning_fork::state::notice::Notices;
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::room::RoomState;
use tuning_fork::state::slots::{AdapterSlot, ModelSlot, Surroundings};
use tuning_fork::state::train::estimate::EstimateSlot;
use tuning_fork::state::train::form::{DataSource, units};
use tuning_fork::state::train::live::Phase;
use tuning_fork::state::train::past::RunPast;
use tuning_fork::state::train::runs::RunView;
use tuning_fork::state::train::{LeftTab, TrainState};
use tuning_fork::train::config::metric::Metric;
use tuning_fork::train::config::{Method, Objective, PromptInit, TrainConfig, TruncationMode};
use tuning_fork::train::estimate::{Change, Estimate, Memory, Time};
use tuning_fork::train::record::history::History;
use tuning_fork::train::record::metrics::Best;
use tuning_fork::train::record::metrics::{EvalMetrics, RunSummary, StepMetrics, TrainEvent};
use tuning_fork::train::record::notes::RunNotes;
use tuning_fork::train::record::runs::RunState;
use tuning_fork::train::record::samples::Sample;
use tuning_fork::train::rows::batch::Example;
use tuning_fork::train::rows::sequence::Sequence;
use tuning_fork::train::rows::survey::{Concern, Finding, Part, Survey, SurveyedRow};
use tuning_fork::widgets::theme;

use crate::support::read_out;

/// The panel alone, and what it asked for.
pub struct Panel {
    pub train: TrainState,
    model: ModelSlot,
    pub asked: Vec<Command>,
}

/// Tall enough that nothing has to be scrolled to.
pub fn open(train: TrainState, model: ModelSlot) -> Harness<'static, Panel> {
    let mut harness = Harness::builder()
        .with_size([1200.0, 2000.0])
        .with_theme(egui::Theme::Light)
        .with_context_setup(theme::install)
        .build_ui_state(
            |ui, panel: &mut Panel| {
                let around = Surroundings {
                    model: &panel.model,
                    adapter: &AdapterSlot::None,
                    notices: &Notices::default(),
                    activities: &[],
                    project: Path::new("project"),
                    room: &RoomState::default(),
                };
                let mut commands = Commands::default();
                train_panel_ui(ui, &mut panel.train, &around, &mut commands);
                panel.asked.extend(commands);
            },
            Panel { train, model, asked: Vec::new() },
        );
    harness.run();
    harness
}

pub fn tiny_model() -> ModelSlot {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data/tiny_model");
    let tokenizer = Tokenizer::from_file(&folder.join("tokenizer.json")).unwrap();
    ModelSlot::Ready(Box::new(ModelCard {
        source: ModelSource::Folder(folder),
        identity: ModelIdentity { name: "tiny_model".to_owned(), ..ModelIdentity::default() },
        facts: ModelFacts {
            architecture: "llama".to_owned(),
            parameter_count: 94_528,
            precision: "F32".to_owned(),
            file_bytes: 380_176,
            memory_bytes: 380_176,
            cache_bytes_per_token: 512,
            cache_bytes_as: [512, 256, 136],
            context_length: 512,
            vocab_size: 512,
            layer_count: 2,
            has_chat_template: true,
            chat_problem: None,
            warnings: Vec::new(),
            purpose: Purpose::Generate,
            makes_vectors: false,
            unsupported: None,
        },
        tokenizer: Arc::new(tokenizer),
    }))
}

pub fn with_pairs(project_pairs: usize) -> TrainState {
    TrainState { project_pairs, sample_rows: 60, ..TrainState::default() }
}

fn step(step: usize) -> TrainEvent {
    let values = [
        (Metric::Loss, 0.412),
        (Metric::LearningRate, 5e-5),
        (Metric::GradNorm, 2.25),
        (Metric::RewardsChosen, -0.25),
        (Metric::RewardsRejected, -1.75),
        (Metric::RewardsAccuracies, 0.75),
        (Metric::RewardsMargins, 1.5),
        (Metric::LogpsChosen, -110.0),
        (Metric::LogpsRejected, -125.5),
    ];
    let values = values.into();
    TrainEvent::Step(StepMetrics { step, values, step_secs: 3.4, ..StepMetrics::default() })
}

fn running(steps_done: usize) -> TrainState {
    let mut train = with_pairs(60);
    train.begin("first-run");
    train.on_event(TrainEvent::Planned { steps: 200, train_rows: 48, held_out_rows: 12 });
    for number in 1..=steps_done {
        train.on_event(step(number));
    }
    train
}

fn ended(steps_done: usize) -> TrainState {
    let mut train = running(steps_done);
    train.finished(Ok(RunSummary {
        run_dir: "project/runs/first-run".into(),
        adapter_dir: "project/runs/first-run".into(),
        model_dir: None,
        steps_done,
        steps_planned: 200,
        best: None,
        stopped_early: None,
        last_step: None,
        evaluation: Some(EvalMetrics {
            step: steps_done,
            pair_count: 12,
            values: [
                (Metric::Loss, 0.35),
                (Metric::RewardsAccuracies, 0.75),
                (Metric::RewardsMargins, 1.234),
            ]
            .into(),
            ..EvalMetrics::default()
        }),
    }));
    train
}

fn run(id: &str, status: RunState) -> RunView {
    RunView {
        id: id.to_owned(),
        folder: Path::new("project/runs").join(id),
        status,
        objective: Objective::Dpo,
        model: "tiny_model".to_owned(),
        steps_done: 20,
        steps_planned: 60,
        last_step: None,
        evaluation: None,
        about: RunNotes::default(),
        config: TrainConfig::default(),
        data_sha256: String::new(),
        comparison: None,
        note: None,
        usable: true,
        has_adapter: true,
        resumable: status == RunState::Interrupted,
    }
}

#[test]
fn start_is_disabled_and_says_why() {
    let table = [
        (0, ModelSlot::Empty, "Load a model first"),
        (0, tiny_model(), "No pairs yet: label some, or take the sample pairs"),
        (1, tiny_model(), "2 pairs are the least, and there is 1: label another"),
    ];
    for (pairs, model, reason) in table {
        let harness = open(with_pairs(pairs), model);
        assert!(harness.get_by_label("Start training").accesskit_node().is_disabled());
        harness.get_by_label(reason);
    }
}

#[test]
fn start_says_what_will_happen_and_starts() {
    let mut harness = open(with_pairs(60), tiny_model());
    harness.get_by_label("60 pairs: 48 to train on, 12 held out · 60 steps of 4 pairs");
    harness.get_by_label("Start training").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::Start)]);
}

/// 200 steps that take 1.2 GB and 11 minutes.
fn estimated(free: u64) -> EstimateSlot {
    let estimate = Estimate {
        memory: Memory { weights: 1_000_000_000, kept: 200_000_000, ..Memory::default() },
        time: Time { step_secs: 3.4, training_secs: 680.0, ..Time::default() },
        steps: 200,
        train_rows: 48,
        held_out_rows: 12,
        trained_parameters: 81_920,
        parameters: 134_515_008,
        changes: vec![Change { setting: "dtype = \"auto\"".to_owned(), peak: 300_000_000 }],
    };
    EstimateSlot::Known { estimate: Box::new(estimate), free: Some(free) }
}

#[test]
fn what_a_run_takes_is_said_before_start() {
    let train = TrainState { estimate: estimated(9_100_000_000), ..with_pairs(60) };
    let harness = open(train, tiny_model());
    harness.get_by_label("Needs about 1.2 GB of memory (9.1 GB are free here) and about 11 min");
    assert!(!harness.get_by_label("Start training").accesskit_node().is_disabled());
}

#[test]
fn a_soft_prompt_has_settings_of_its_own_beside_its_parameters() {
    let train = TrainState { estimate: estimated(9_100_000_000), ..with_pairs(60) };
    let mut harness = open(train, tiny_model());
    harness.get_by_label("81,920 parameters learn; the model has 134,515,008");
    let is_there = |harness: &Harness<'_, Panel>, name: &str| {
        harness.query_all_by_label(name).next().is_some()
    };
    assert!(is_there(&harness, "target_modules") && !is_there(&harness, "num_virtual_tokens"));
    harness.get_by_label("Prompt").click();
    harness.run();
    assert_eq!(harness.state().train.form.method, Method::PromptTuning);
    assert!(!is_there(&harness, "target_modules") && is_there(&harness, "num_virtual_tokens"));
    harness.state_mut().train.form.soft_prompt.prompt_tuning_init = PromptInit::Text;
    harness.run();
    assert!(harness.get_by_label("Start training").accesskit_node().is_disabled());
    assert!(is_there(&harness, "prompt_tuning_init_text"));
    harness.get_by_label("Prefix").click();
    harness.run();
    assert!(!harness.get_by_label("Start training").accesskit_node().is_disabled());
    assert!(!is_there(&harness, "prompt_tuning_init"), "a prefix always begins at random");
}

#[test]
fn a_run_that_does_not_fit_is_not_started_and_says_what_to_change() {
    let train = TrainState { estimate: estimated(800_000_000), ..with_pairs(60) };
    let harness = open(train, tiny_model());
    assert!(harness.get_by_label("Start training").accesskit_node().is_disabled());
    harness.get_by_label(
        "The run needs about 1.2 GB, and 800 MB are free. With dtype = \"auto\" it would need 300 MB",
    );
}

#[test]
fn a_run_is_paused_and_continues() {
    let mut harness = open(running(3), tiny_model());
    harness.get_by_label("Pause").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::Pause)]);
    harness.state_mut().train.live.as_mut().unwrap().paused = true; // what the app does then
    harness.run();
    harness.get_by_label("Paused at step 3 of 200");
    harness.get_by_label("Continue").click();
    harness.run();
    assert_eq!(harness.state().asked[1..], [Command::Train(TrainCommand::Continue)]);
}

#[test]
fn a_run_that_stopped_early_says_why_and_offers_its_best_checkpoint() {
    let reason = "Stopped early: eval_loss has not become better in 2 evaluations since step 20";
    let mut train = running(40);
    train.finished(Ok(RunSummary {
        run_dir: "project/runs/first-run".into(),
        adapter_dir: "project/runs/first-run".into(),
        model_dir: None,
        steps_done: 40,
        steps_planned: 200,
        best: Some(Best { step: 20, value: 0.41 }),
        stopped_early: Some(reason.to_owned()),
        last_step: None,
        evaluation: None,
    }));
    let mut harness = open(train, tiny_model());
    harness.get_by_label("Stopped early at step 40 of 200");
    harness.get_by_label(reason.strip_prefix("Stopped early: ").unwrap());
    harness.get_by_label("Try step 20, the best checkpoint").click();
    harness.run();
    assert_eq!(
        harness.state().asked,
        [Command::Train(TrainCommand::TryBest("first-run".to_owned()))]
    );
}

#[test]
fn the_sample_pairs_are_one_click_away() {
    let mut harness = open(with_pairs(0), tiny_model());
    harness.get_by_label("Sample pairs").click();
    harness.run();
    assert_eq!(harness.state().train.source, DataSource::Sample);
    assert!(!harness.get_by_label("Start training").accesskit_node().is_disabled());
}

#[test]
fn a_file_is_asked_for_when_none_was_opened() {
    let mut harness = open(with_pairs(60), tiny_model());
    harness.get_by_label("A file").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::ChooseData)]);
    harness.get_by_label("Choose a file with training data");
}

#[test]
fn a_problem_is_said_beside_its_field_and_beside_start() {
    let mut train = with_pairs(60);
    train.form.lora.target_modules.clear();
    let mut harness = open(train, tiny_model());
    harness.get_by_label("name at least one layer to adapt");
    harness.get_by_label("lora.target_modules: name at least one layer to adapt");
    harness.get_by_label("Attention").click();
    harness.run();
    assert_eq!(harness.state().train.form.lora.target_modules.len(), 4);
    assert!(harness.query_by_label("name at least one layer to adapt").is_none());
}

#[test]
fn sft_hides_what_only_dpo_needs_and_suggests_its_own_learning_rate() {
    let mut harness = open(with_pairs(60), tiny_model());
    let dpo_rate = harness.state().train.form.learning_rate;
    harness.get_by_label("beta, number");
    harness.get_by_label("SFT").click();
    harness.run();
    assert!(harness.query_by_label("beta, number").is_none());
    assert!(harness.state().train.form.learning_rate > dpo_rate);
}

#[test]
fn a_run_shows_its_numbers() {
    let harness = open(running(12), tiny_model());
    harness.get_by_label("Step 12 of 200 · 3.4 s a step · 11 min left");
    harness.get_by_label("Training: 6 %");
    harness.get_by_label("Loss plot: training 0.412");
    harness.get_by_label("Reward margin plot: training 1.500");
    harness.get_by_label("Rewards plot: chosen -0.250, rejected -1.750");
    harness.get_by_label("Accuracy plot: training 75 %");
    harness.get_by_label("Log-probabilities plot: chosen -110.0, rejected -125.5");
    harness.get_by_label("A run is under way: wait for it or stop it");
}

#[test]
fn stop_asks_to_stop_once_and_says_so() {
    let mut harness = open(running(12), tiny_model());
    harness.get_by_label("Stop training").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::Stop)]);
    harness.get_by_label("Stopping after this step · 12 of 200 steps done");
    assert!(harness.get_by_label("Stop training").accesskit_node().is_disabled());
}

#[test]
fn a_run_that_made_a_model_says_so_and_counts_windows() {
    let mut train = ended(200);
    let live = train.live.as_mut().unwrap();
    live.objective = Objective::Pretrain;
    live.units = units(live.objective);
    if let Phase::Done(summary) = &mut live.phase {
        summary.model_dir = Some("project/runs/first-run/model".into());
    }
    let harness = open(train, tiny_model());
    harness.get_by_label("The model is ready to try in the playground");
    harness.get_by_label("12 held-out windows");
}

#[test]
fn the_summary_compares_before_and_after_and_offers_the_next_step() {
    let mut harness = open(ended(200), tiny_model());
    harness.get_by_label("Finished 200 steps");
    harness.get_by_label("12 held-out pairs");
    harness.get_by_label("1.234");
    harness.get_by_label("Try it").click();
    harness.run();
    harness.get_by_label("Show the folder").click();
    harness.run();
    let folder = Path::new("project/runs/first-run").to_owned();
    let expected = [
        Command::Train(TrainCommand::Try("first-run".to_owned())),
        Command::Window(WindowCommand::Reveal(folder)),
    ];
    assert_eq!(harness.state().asked, expected);
}

#[test]
fn a_stopped_run_is_a_good_end() {
    let harness = open(ended(8), tiny_model());
    harness.get_by_label("Stopped at step 8 of 200");
    harness.get_by_label("Try it");
}

#[test]
fn the_list_tries_resumes_and_asks_before_it_deletes() {
    let mut train = with_pairs(60);
    train.left_tab = LeftTab::Runs;
    train.set_runs(vec![run("a", RunState::Finished), run("b", RunState::Interrupted)]);
    let mut harness = open(train, tiny_model());
    assert!(harness.query_by_label("Resume a").is_none());
    for name in ["Try it: a", "Resume b", "Show the folder of b", "Delete b"] {
        harness.get_by_label(name).click();
        harness.run();
    }
    let folder = Path::new("project/runs/b").to_owned();
    let b = || "b".to_owned();
    let mut expected = vec![
        Command::Train(TrainCommand::Try("a".to_owned())),
        Command::Train(TrainCommand::Resume(b())),
        Command::Window(WindowCommand::Reveal(folder)),
    ];
    assert_eq!(harness.state().asked, expected);
    harness.get_by_label("Delete the run").click();
    harness.run();
    expected.push(Command::Train(TrainCommand::Delete(b())));
    assert_eq!(harness.state().asked, expected);
    assert!(harness.query_by_label("Delete the run").is_none());
}

#[test]
fn a_run_of_the_list_shows_its_curves() {
    let mut train = with_pairs(60);
    train.left_tab = LeftTab::Runs;
    train.set_runs(vec![run("a", RunState::Finished)]);
    let mut harness = open(train, tiny_model());
    harness.get_by_label("Run a: Finished, 20 of 60 steps").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::Show("a".to_owned()))]);
    harness.get_by_label("Reading the curves…");
    let values = [(Metric::Loss, 0.5)].into();
    let steps = vec![StepMetrics { step: 1, values, ..StepMetrics::default() }];
    let history = History { steps, evaluations: Vec::new() };
    harness.state_mut().train.show_run("a", RunPast::of(&history, Vec::new(), None));
    harness.run();
    harness.get_by_label("Loss plot: training 0.500");
}

#[test]
fn an_empty_panel_offers_the_next_step() {
    let mut harness = open(with_pairs(0), ModelSlot::Empty);
    harness.get_by_label("Choose a model").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::View(ViewCommand::ShowPanel(PanelId::Models))]);
    let mut harness = open(with_pairs(0), tiny_model());
    harness.get_by_label("Label pairs").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::View(ViewCommand::ShowPanel(PanelId::Annotate))]);
    // Other objectives learn from something else than pairs.
    let mut train = with_pairs(0);
    train.form.objective = Objective::Grpo;
    open(train, tiny_model()).get_by_label("Train on rewards");
    let mut train = with_pairs(0);
    train.form = TrainConfig::suggested(Objective::Pretrain);
    open(train, ModelSlot::Empty).get_by_label("A model from nothing");
}

#[test]
fn every_control_has_a_name() {
    let mut runs = running(12);
    runs.left_tab = LeftTab::Runs;
    runs.set_runs(vec![run("a", RunState::Finished), run("b", RunState::Interrupted)]);
    let states = std::iter::once(with_pairs(60)).chain([ended(8)]).chain([runs]);
    for train in states {
        let mut harness = open(train, tiny_model());
        if let Some(advanced) = harness.query_by_label("Advanced") {
            advanced.click();
            harness.run();
        }
        let controls = [
            Role::Button,
            Role::CheckBox,
            Role::RadioButton,
            Role::Slider,
            Role::SpinButton,
            Role::ComboBox,
            Role::ProgressIndicator,
        ];
        for role in controls {
            for node in harness.query_all_by_role(role) {
                let node = node.accesskit_node();
                let name = node.label().unwrap_or_default();
                assert!(!name.trim().is_empty(), "a {role:?} has no name: {node:?}");
            }
        }
    }
}

fn two_runs() -> TrainState {
    let mut train = with_pairs(60);
    train.set_runs(vec![run("first", RunState::Finished), run("second", RunState::Stopped)]);
    train.runs[1].config.beta = 0.3;
    train.left_tab = LeftTab::Runs;
    train
}

#[test]
fn two_ticked_runs_are_laid_over_each_other() {
    let mut harness = open(two_runs(), tiny_model());
    harness.get_by_label("Compare first").click();
    harness.run();
    assert!(harness.query_by_label_contains("Tick another run").is_some());
    harness.get_by_label("Compare second").click();
    harness.run();
    let shown = |id: &str| Command::Train(TrainCommand::Show(id.to_owned()));
    assert_eq!(harness.state().asked, [shown("first"), shown("second")]);
    let values = [(Metric::Loss, 0.5)].into();
    let steps = vec![StepMetrics { step: 1, values, ..StepMetrics::default() }];
    let history = History { steps, evaluations: Vec::new() };
    for id in ["first", "second"] {
        harness.state_mut().train.show_run(id, RunPast::of(&history, Vec::new(), None));
    }
    harness.run();
    harness.get_by_label("2 runs compared");
    harness.get_by_label("beta");
    harness.get_by_label_contains("Loss plot: first 0.500, second 0.500");
    harness.get_by_label("Done").click();
    harness.run();
    assert!(harness.query_by_label("2 runs compared").is_none());
}

#[test]
fn a_run_gets_a_name_and_a_note_in_place() {
    let mut harness = open(two_runs(), tiny_model());
    harness.get_by_label("Name and note of first").click();
    harness.run();
    harness.get_by_label("Name of the run").focus();
    harness.run();
    harness.get_by_label("Name of the run").type_text(" Baseline ");
    harness.run();
    harness.get_by_label("Save").click();
    harness.run();
    let notes = RunNotes { title: "Baseline".to_owned(), note: String::new() };
    assert_eq!(
        harness.state().asked,
        [Command::Train(TrainCommand::Note("first".to_owned(), notes))]
    );
    assert!(harness.query_by_label("Name of the run").is_none());
}

#[test]
fn a_run_is_used_again_and_exported() {
    let mut harness = open(two_runs(), tiny_model());
    harness.get_by_label("Use the settings of second").click();
    harness.run();
    harness.get_by_label("Export first").click();
    harness.run();
    harness.get_by_label_contains("Numbers and curves").click();
    harness.run();
    let asked = [
        Command::Train(TrainCommand::UseSettings("second".to_owned())),
        Command::Train(TrainCommand::Export("first".to_owned())),
    ];
    assert_eq!(harness.state().asked, asked);
}

#[test]
fn the_data_is_looked_at_row_by_row() {
    let mut harness = open(with_pairs(60), tiny_model());
    harness.get_by_label("Look at the data").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::SurveyData)]);
    let ModelSlot::Ready(card) = &harness.state().model else { panic!("a model is loaded") };
    let ids = |text: &str| card.tokenizer.encode(text, false).unwrap();
    let prompt = ids("What is a paper?");
    let row = |line, answer: &str| SurveyedRow {
        example: Example::of_one(
            line,
            Text::Plain("What is a paper?".to_owned()),
            "What is a paper?".to_owned(),
            Sequence::new([prompt.clone(), ids(answer)].concat(), prompt.len()),
        ),
        part: Part::Train,
    };
    let survey = Survey {
        findings: vec![Finding {
            concern: Concern::Caution,
            sentence: "1 pair repeats an earlier one".to_owned(),
            rows: vec![1],
            lines: vec![2],
        }],
        rows: vec![row(1, " A report."), row(2, " A text.")],
        max_length: 64,
        truncation_mode: TruncationMode::KeepStart,
        train_rows: 2,
        held_out_rows: 0,
    };
    let train = &mut harness.state_mut().train;
    train.survey.begin(&train.form.clone());
    train.survey.ready(survey);
    harness.run();
    harness.get_by_label("2 rows: 2 to train on, 0 held out");
    harness.get_by_label(" A report.");
    harness.get_by_label("Show the row").click();
    harness.run();
    harness.get_by_label(" A text.");
    harness.get_by_label("Row 1 of 1 of these");
    harness.get_by_label("Done").click();
    harness.run();
    assert!(harness.query_by_label("Row 1 of 1 of these").is_none());
}

#[test]
fn the_answers_of_the_run_are_leafed_through() {
    let mut train = running(3);
    for step in [0, 10] {
        train.on_event(TrainEvent::Sampled(Sample {
            step,
            prompt: "What is a paper?".to_owned(),
            answer: format!("The answer of step {step}."),
        }));
    }
    let mut harness = open(train, tiny_model());
    harness.get_by_label("The answer of step 10.");
    harness.get_by_label("Earlier").click();
    harness.run();
    harness.get_by_label("Answer before training");
    harness.get_by_label("The answer of step 0.");
}

#[test]
fn what_a_run_changed_is_measured_and_shown_with_its_uncertainty() {
    let mut train = two_runs();
    train.left_tab = LeftTab::Runs;
    let mut harness = open(train, tiny_model());
    harness.get_by_label_contains("Run first: Finished").click();
    harness.run();
    harness.get_by_label("Measure what changed").click();
    harness.run();
    assert_eq!(
        harness.state().asked.last(),
        Some(&Command::Train(TrainCommand::Measure("first".to_owned())))
    );
    let interval = |value: f64| Interval { value, low: value * 0.5, high: value * 1.5 };
    harness.state_mut().train.runs[0].comparison = Some(Comparison {
        rows: 12,
        held_out: true,
        accuracy: Some(Interval { value: 0.75, low: 0.468, high: 0.911 }),
        margin: Some(interval(0.4)),
        perplexity_before: interval(12.0),
        perplexity_after: interval(10.0),
        neutral_kl: interval(0.02),
    });
    harness.run();
    // The intervals begin below each other.
    harness.get_by_label("75 %    (47 to 91)");
    harness.get_by_label("12 held-out rows");
    harness.get_by_label("0.0200  (0.0100 to 0.0300)");
    harness.get_by_label("Measure again");
}

#[test]
fn several_losses_are_added_up_with_weights() {
    let mut harness = open(with_pairs(60), tiny_model());
    harness.get_by_label("Add a loss").click();
    harness.run();
    harness.get_by_label("Weight of sigmoid");
    harness.get_by_label("Weight of sft");
    let form = |harness: &Harness<'_, Panel>| {
        let form = &harness.state().train.form;
        (form.loss_type.join(" "), form.loss_weights.clone())
    };
    assert_eq!(form(&harness), ("sigmoid sft".to_owned(), vec![1.0, 1.0]));
    harness.get_by_label("Without sigmoid").click();
    harness.run();
    assert_eq!(form(&harness), ("sft".to_owned(), vec![]));
}

#[test]
fn the_panel_reads_out_as_it_looks() {
    type Make = fn() -> TrainState;
    let states: [(&str, Make); 7] = [
        ("train_without_pairs", TrainState::default),
        ("train_ready", || with_pairs(60)),
        ("train_with_a_problem", || {
            let mut state = with_pairs(60);
            state.form.lora.target_modules.clear();
            state
        }),
        ("train_ready_for_sft", || {
            let mut state = with_pairs(60);
            state.form.objective = Objective::Sft;
            state
        }),
        ("train_a_run", || running(12)),
        ("train_a_run_has_ended", || ended(200)),
        ("train_the_list_of_runs", two_runs),
    ];
    for (name, train) in states {
        insta::assert_snapshot!(name, read_out(&open(train(), tiny_model())));
    }
}
