//! Rounds of preference learning: those in a row, the form of the next one, and what it leads to.

use std::path::{Path, PathBuf};

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use tuning_fork::app::tasks::make_round::MakeRound;
use tuning_fork::app::tasks::measure_drift::MeasureDrift;
use tuning_fork::app::tasks::read_rounds::ReadRounds;
use tuning_fork::data::pair::Verdict;
use tuning_fork::eval::drift::{Drift, ESTIMATOR, Moved};
use tuning_fork::eval::intervals::Interval;
use tuning_fork::files;
use tuning_fork::llm::card::ModelIdentity;
use tuning_fork::rounds::chain::InRow;
use tuning_fork::rounds::make::{Doing, RoundEvent};
use tuning_fork::rounds::record::{Against, AnswerSettings, RoundRecord, RowDrift};
use tuning_fork::state::command::{AnnotateCommand, Command, TrainCommand, ViewCommand};
use tuning_fork::state::prefs::{AnnotateView, PanelId};
use tuning_fork::state::train::TrainState;
use tuning_fork::state::train::rounds::Who;
use tuning_fork::train::config::TrainConfig;
use tuning_fork::train::config::metric::Metric;
use tuning_fork::train::record::metrics::EvalMetrics;
use tuning_fork::train::record::notes::RunNotes;
use tuning_fork::train::record::runs::{RunEntry, RunState};
use tuning_fork::train::record::{RunRecord, RunStatus};

use crate::train::{Panel, open, tiny_model, with_pairs};
use crate::whole_app::App;

fn run(id: &str, accuracy: f64) -> RunEntry {
    let values = [
        (Metric::Loss, 0.55),
        (Metric::RewardsAccuracies, accuracy),
        (Metric::RewardsMargins, 0.31),
    ];
    RunEntry {
        id: id.to_owned(),
        run_dir: PathBuf::from("project/runs").join(id),
        state: RunState::Finished,
        config: TrainConfig { model: "tiny".to_owned(), ..TrainConfig::default() },
        record: RunRecord {
            status: RunStatus::Finished,
            message: None,
            best: None,
            steps_done: 60,
            steps_planned: 60,
            program_version: "0.1.0".to_owned(),
            model: ModelIdentity::default(),
            data: PathBuf::from("pairs.jsonl"),
            data_sha256: String::new(),
            train_rows: 54,
            held_out_rows: 6,
            sources: Vec::new(),
            landmarks: None,
            started: "2026-11-30T09:00:00Z".to_owned(),
            finished: None,
        },
        last_step: None,
        evaluation: Some(EvalMetrics {
            step: 60,
            pair_count: 6,
            values: values.into(),
            ..EvalMetrics::default()
        }),
        notes: RunNotes::default(),
        has_adapter: true,
        has_model: false,
        resumable_from: None,
    }
}

fn record(of: &str, judged_by: Option<&str>) -> RoundRecord {
    RoundRecord {
        number: 2,
        of: PathBuf::from("project/runs").join(of),
        prompts: PathBuf::from("new.jsonl"),
        prompts_sha256: String::new(),
        settings: AnswerSettings::default(),
        used_before: 3,
        asked: 40,
        judged_by: judged_by.map(str::to_owned),
        pairs: judged_by.map_or(0, |_| 34),
        ties: judged_by.map_or(0, |_| 6),
        mean_words: 21.5,
        mean_reward: None,
        against: judged_by.map(|_| Against {
            name: "the base model".to_owned(),
            wins: 7,
            losses: 2,
            ties: 2,
            mean_words: 30.0,
        }),
    }
}

/// A policy that has moved twice as far from each as from the one before it in the list.
fn drift(from: &[&str]) -> RowDrift {
    let interval =
        |scale: f64| Interval { value: 0.031, low: 0.025, high: 0.04 }.map(|it| it * scale);
    let moved = (1..).zip(from).map(|(number, name)| Moved {
        name: (*name).to_owned(),
        per_answer: interval(20.0 * f64::from(number)),
        per_token: interval(f64::from(number)),
        k3_per_token: interval(f64::from(number)),
    });
    let drift = Drift {
        estimator: ESTIMATOR.to_owned(),
        prompts: 6,
        held_out: true,
        answers: 12,
        tokens: 240,
        max_new_tokens: 128,
        seed: 42,
        from: moved.collect(),
    };
    RowDrift { first: None, drift }
}

#[test]
fn how_far_the_policies_have_moved_is_measured_and_said_with_its_estimator() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = App::with_model_in(folder.path());
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    app.ask(Command::Train(TrainCommand::ShowRounds("second".to_owned())));
    let held = app.script.borrow_mut().take::<ReadRounds>().expect("the runs are read");
    let mut row = shown().rounds.row.unwrap();
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data/tiny_model");
    row[1].run.config.model = tiny.display().to_string();
    held.feeder.finish(Ok(row.clone()));
    app.run();
    app.sees("KL to first");
    assert!(app.harness.query_by_label("KL to before").is_none(), "of no round yet");
    app.sees("Round 1: 0.0310 (0.0250 to 0.0400) from the base model. 12 answers to 6 held-out prompts, 240 tokens");
    app.sees(
        "exact over the vocabulary at each token of answers that the policy draws at temperature 1",
    );
    app.click("Measure the KL");
    let held = app.script.borrow_mut().take::<MeasureDrift>().expect("it is measured");
    assert!(held.request.run_dir.ends_with("second"), "{}", held.request.run_dir.display());
    held.feeder.emit(RoundEvent { what: Doing::Measuring, done: 3, total: 6 });
    app.run();
    app.sees("Measuring the KL · 3 of 6 prompts");
    app.sees("Stop measuring");
    held.feeder.finish(Ok(()));
    app.run();
    row[1].drift = Some(drift(&["the base model", "first"]));
    let held = app.script.borrow_mut().take::<ReadRounds>().expect("the row is read again");
    held.feeder.finish(Ok(row));
    app.run();
    app.sees("0.0310 (0.0250 to 0.0400) from the base model, 0.0620 (0.0500 to 0.0800) from first");
    app.sees("KL to before");
    assert!(app.harness.query_by_label("Measure the KL").is_none(), "all is measured");
}

/// Two rounds that are done, and a third whose answers wait for a person.
pub fn shown() -> TrainState {
    let mut train = with_pairs(60);
    train.rounds.open("second");
    let folder = |name: &str| PathBuf::from("project/rounds").join(name);
    train.rounds.row = Some(vec![
        InRow {
            number: 1,
            run: run("first", 0.67),
            learned_from: None,
            answered_in: Some((folder("first-next"), record("first", Some("rewards: length")))),
            drift: Some(drift(&["the base model"])),
        },
        InRow {
            number: 2,
            run: run("second", 0.83),
            learned_from: Some(record("first", Some("rewards: length"))),
            answered_in: Some((folder("second-next"), record("second", None))),
            drift: None,
        },
    ]);
    train.results_in_front = true;
    train
}

fn said(harness: &egui_kittest::Harness<'_, Panel>, words: &str) -> bool {
    crate::support::read_out(harness).contains(words)
}

#[test]
fn rounds_stand_in_a_row_and_the_next_one_is_labelled() {
    let mut harness = open(shown(), tiny_model());
    for words in [
        "first",
        "83 %",
        "0.73 (0.43 to 0.90)", // Wilson's, of 8 of 11
        "win rate over the round before 1: 0.73",
        "Round 3",
        "40 new prompts were answered twice, with 21.5 words an answer; 3 of the file were used in an earlier round",
        "Nobody has compared the answers yet",
        "Choose a file with prompts first",
    ] {
        assert!(said(&harness, words), "{words}");
    }
    assert!(harness.get_by_label("Answer them").accesskit_node().is_disabled());
    harness.get_by_label("Compare them in Annotate").click();
    harness.run();
    harness.get_by_label("Take the verdicts").click();
    harness.run();
    let folder = PathBuf::from("project/rounds/second-next");
    let asked = [TrainCommand::LabelRound(folder.clone()), TrainCommand::TakeVerdicts(folder)];
    assert_eq!(harness.state().asked, asked.map(Command::Train));
}

#[test]
fn a_judge_needs_what_it_judges_by() {
    let mut harness = open(shown(), tiny_model());
    let rounds = &mut harness.state_mut().train.rounds;
    rounds.prompts = Some(PathBuf::from("new.jsonl"));
    rounds.who = Who::Rewards;
    rounds.rewards.clear();
    harness.run();
    assert!(said(&harness, "Add a reward, or let somebody else compare"));
    harness.state_mut().train.rounds.who = Who::Model;
    harness.run();
    assert!(said(&harness, "Criterion") && said(&harness, "Win rate over the round before"));
    harness.get_by_label("Answer and compare").click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::Train(TrainCommand::MakeRound)]);
}

#[test]
fn a_round_under_way_says_how_far_it_is_and_its_run_goes_into_the_form() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = App::with_model_in(folder.path());
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    app.ask(Command::Train(TrainCommand::ShowRounds("second".to_owned())));
    let held = app.script.borrow_mut().take::<ReadRounds>().expect("the runs are read");
    held.feeder.finish(Ok(shown().rounds.row.unwrap()));
    app.run();
    app.sees("83 %");
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data/tiny_model");
    let rounds = &mut app.harness.state_mut().state.train.rounds;
    rounds.prompts = Some(PathBuf::from("new.jsonl"));
    rounds.row.as_mut().unwrap()[1].run.config.model = tiny.display().to_string();
    app.ask(Command::Train(TrainCommand::MakeRound));
    let held = app.script.borrow_mut().take::<MakeRound>().expect("a round is made");
    assert_eq!(held.request.who, Who::Person);
    held.feeder.emit(RoundEvent { what: Doing::Answering, done: 12, total: 40 });
    app.run();
    app.sees("Answering the new prompts · 12 of 40 prompts");
    app.ask(Command::Train(TrainCommand::StopRound));
    assert!(held.feeder.was_cancelled());
    held.feeder.finish(Ok(record("second", None)));
    app.run();
    app.sees("Nobody has compared the answers yet");

    // What it came to, as the next run.
    let round = folder.path().join("rounds/second-next");
    let next = "model = \"tiny\"\nobjective = \"dpo\"\ndata = \"pairs.jsonl\"\nadapter = \"../../runs/second\"\n";
    files::write_atomic(&round.join("RUN.toml"), next.as_bytes()).unwrap();
    let pair = "{\"prompt\":\"Why?\",\"chosen\":\" So.\",\"rejected\":\" No.\"}\n";
    files::write_atomic(&round.join("pairs.jsonl"), pair.repeat(4).as_bytes()).unwrap();
    app.ask(Command::Train(TrainCommand::UseRound(round)));
    app.sees("it goes on from the adapter of second");
    let adapter = app.harness.state().state.train.form.adapter.clone();
    assert_eq!(adapter.as_deref().and_then(Path::file_name), Some("second".as_ref()));
}

#[test]
fn from_annotate_the_verdicts_go_back_into_the_round() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = App::with_model_in(folder.path());
    let round = folder.path().join("rounds/second-next");
    record("second", None).write(&round).unwrap();
    let answers = "{\"prompt\":\"Why?\",\"answer_a\":\"So.\",\"answer_b\":\"Because.\"}\n";
    files::write_atomic(&round.join("answers.jsonl"), answers.as_bytes()).unwrap();
    // Whatever of Annotate was in front before.
    app.harness.state_mut().state.codes.view = AnnotateView::Codes;
    app.ask(Command::Train(TrainCommand::LabelRound(round.clone())));
    app.sees("Which answer is better?");
    app.ask(Command::Annotate(AnnotateCommand::Judge(Verdict::Left)));
    app.sees("the next run learns from what you said of them");
    app.click("Take the verdicts into the round");
    assert_eq!(app.harness.state().state.prefs.panel, PanelId::Train);
    let held = app.script.borrow_mut().take::<ReadRounds>().expect("the row is read");
    let verdicts = folder.path().join("pairs.jsonl");
    assert_eq!(held.request.verdicts, Some((round, verdicts)));
    let mut row = shown().rounds.row.unwrap();
    let compared = record("second", Some("people, in Annotate"));
    row[1].answered_in = Some((folder.path().join("rounds/second-next"), compared));
    held.feeder.finish(Ok(row));
    app.run();
    app.sees("Compared by people, in Annotate: 34 pairs to learn from, 6 without a difference");
    // Other prompts are no answers of a round.
    app.ask(Command::Annotate(AnnotateCommand::UseSamplePrompts));
    assert_eq!(app.harness.state().state.annotate.round, None);
}
