//! What a sweep promises, on the tiny model.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::json;
use toml::Value;

use super::definition::{self, Definition, Seeds, Variation};
use super::error::Error;
use super::expand::expand;
use super::queue::{Held, Queue, State};
use super::table::{JSON_FILE, SUMMARY_FILE, TABLE_FILE, Table};
use super::work::{Ended, SweepEvent, estimate, work};
use super::worker::Worker;
use crate::files;
use crate::jobs::{Cancelled, Progress, Quiet};
use crate::llm::newborn::Newborn;
use crate::train::config::{LoraConfig, Objective, SchedulerType, TrainConfig, run_file};
use crate::train::record::METRICS_FILE;
use crate::train::record::metrics::TrainEvent;
use crate::train::record::notes::RunNotes;
use crate::train::run::rates::{RateEnd, RateSearch};

fn tiny_model() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/models/llama");
    folder.to_str().unwrap().to_owned()
}

/// Eight pairs: the better answer is short.
fn pairs(folder: &Path) -> PathBuf {
    let path = folder.join("pairs.jsonl");
    for (index, noun) in
        ["paper", "data", "code", "word", "step", "plan", "test", "rate"].into_iter().enumerate()
    {
        let row = json!({
            "prompt": format!("What is a {noun}?"),
            "chosen": format!("A {noun} {index}."),
            "rejected": format!("Well, one might say many things of the {noun}."),
        });
        files::append_json(&path, &row).unwrap();
    }
    path
}

fn config(data: PathBuf) -> TrainConfig {
    TrainConfig {
        model: tiny_model(),
        data,
        per_device_train_batch_size: 3,
        max_steps: Some(4),
        learning_rate: 1e-3,
        lr_scheduler_type: SchedulerType::Constant,
        held_out_share: 0.25,
        eval_steps: 2,
        save_steps: 1,
        lora: LoraConfig {
            r: 2,
            target_modules: vec!["q_proj".to_owned()],
            ..LoraConfig::default()
        },
        ..TrainConfig::default()
    }
}

fn definition(folder: &Path) -> Definition {
    let rates = vec![Value::Float(1e-3), Value::Float(1e-2)];
    Definition {
        grid: vec![("learning_rate".to_owned(), rates)],
        seeds: Seeds::List(vec![1, 2]),
        ..Definition::of(&config(pairs(folder)))
    }
}

fn held(folder: &Path, definition: &Definition) -> Held {
    let queue = Queue::new(&expand(definition).unwrap(), |number, run| run.folder(number)).unwrap();
    Held::create(folder, queue).unwrap()
}

fn states(queue: &Queue) -> Vec<State> {
    queue.runs.iter().map(|run| run.state).collect()
}

fn adapters(folder: &Path, queue: &Queue) -> Vec<Vec<u8>> {
    let adapter = |dir: PathBuf| std::fs::read(dir.join("adapter_model.safetensors")).unwrap();
    queue.runs.iter().map(|run| adapter(run.run_dir(folder))).collect()
}

/// What happens at the n-th step of all runs together.
struct AtStep {
    left: Cell<usize>,
    does: Does,
    stopped: Cell<bool>,
    began: RefCell<Vec<usize>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Does {
    /// The process dies: nothing after it is written.
    Die,
    Stop,
}

impl AtStep {
    fn new(step: usize, does: Does) -> Self {
        Self { left: Cell::new(step), does, stopped: Cell::new(false), began: RefCell::default() }
    }
}

impl Progress<SweepEvent> for AtStep {
    fn emit(&self, event: SweepEvent) {
        match event {
            SweepEvent::Began { index, .. } => self.began.borrow_mut().push(index),
            SweepEvent::Run(TrainEvent::Step(_)) => {
                self.left.set(self.left.get().saturating_sub(1));
                if self.left.get() == 0 {
                    assert!(self.does != Does::Die, "killed");
                    self.stopped.set(true);
                }
            }
            _ => {}
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.stopped.get() { Err(Cancelled) } else { Ok(()) }
    }
}

#[test]
fn a_sweep_that_is_killed_ends_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let definition = definition(folder.path());
    let whole_dir = folder.path().join("whole");
    let mut whole = held(&whole_dir, &definition);
    let mut worker = Worker::default();
    assert_eq!(work(&mut whole, &mut worker, &Quiet).unwrap(), Ended::Done);
    assert_eq!(states(&whole.queue), [State::Done; 4]);

    let killed_dir = folder.path().join("killed");
    drop(held(&killed_dir, &definition));
    for step in [2, 4, 3, 1] {
        let at = AtStep::new(step, Does::Die);
        let died = catch_unwind(AssertUnwindSafe(|| {
            let mut killed = Held::open(&killed_dir).unwrap();
            work(&mut killed, &mut Worker::default(), &at)
        }));
        died.unwrap_err();
    }
    let mut killed = Held::open(&killed_dir).unwrap();
    let before = states(&killed.queue);
    assert!(before.contains(&State::Done) && before.contains(&State::Waiting), "{before:?}");
    let at = AtStep::new(usize::MAX, Does::Stop);
    work(&mut killed, &mut worker, &at).unwrap();
    assert!(at.began.borrow().len() < 4, "what is done is not done again");
    assert_eq!(adapters(&killed_dir, &killed.queue), adapters(&whole_dir, &whole.queue));
    let numbers = |dir: &Path, queue: &Queue| {
        let table = Table::of(dir, queue).unwrap();
        table.summaries.iter().map(|summary| (summary.last, summary.best)).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&killed_dir, &killed.queue), numbers(&whole_dir, &whole.queue));
    for file in [TABLE_FILE, SUMMARY_FILE, JSON_FILE] {
        assert!(killed_dir.join(file).is_file(), "{file}");
    }
    let title = RunNotes::read(&killed.queue.runs[3].run_dir(&killed_dir)).title;
    assert_eq!(title, "learning_rate 0.01, seed 2");
}

#[test]
fn a_stop_keeps_what_the_run_under_way_has_learned() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = folder.path().join("sweep");
    let mut held = held(&sweep, &definition(folder.path()));
    let at = AtStep::new(6, Does::Stop);
    assert_eq!(work(&mut held, &mut Worker::default(), &at).unwrap(), Ended::Stopped);
    assert_eq!(states(&held.queue)[..3], [State::Done, State::Stopped, State::Waiting]);
    assert_eq!(Queue::read(&sweep).unwrap(), held.queue);
    let table = Table::of(&sweep, &held.queue).unwrap();
    assert_eq!((table.left(), table.rows[1].outcome.as_ref().unwrap().steps), (3, 2));
    assert_eq!(table.summaries[0].last.unwrap().n, 1, "half a run is not summed up");
    // The data has changed meanwhile: its runs could not be compared.
    files::append_line(&folder.path().join("pairs.jsonl"), "{}").unwrap();
    let said = work(&mut held, &mut Worker::default(), &Quiet).unwrap_err().to_string();
    assert!(said.contains("pairs.jsonl has changed since the sweep began"), "{said}");
}

#[test]
fn a_run_that_fails_is_marked_with_its_reason_and_the_others_follow() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = folder.path().join("sweep");
    let change = |method: &str| vec![("method".to_owned(), Value::String(method.to_owned()))];
    let variation =
        |name: &str, changes| Variation { name: name.to_owned(), changes, without: Vec::new() };
    let definition = Definition {
        variations: vec![variation("biases", change("bias")), variation("lora", Vec::new())],
        ..Definition::of(&config(pairs(folder.path())))
    };
    let mut held = held(&sweep, &definition);
    assert_eq!(work(&mut held, &mut Worker::default(), &Quiet).unwrap(), Ended::Done);
    assert_eq!(states(&held.queue), [State::Failed, State::Done]);
    let reason = held.queue.runs[0].message.clone().unwrap();
    assert!(reason.contains("nothing of this model would learn"), "{reason}");
    // It stays so after a restart, and is not tried again by itself.
    let again = Queue::read(&sweep).unwrap();
    assert_eq!((again.left(), again.runs[0].message.clone()), (0, Some(reason)));
}

#[test]
fn what_would_be_refused_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = folder.path().join("sweep");
    let mut definition = definition(folder.path());
    let mut estimated = held(&sweep, &definition);
    estimate(&mut estimated, &mut Worker::default(), &Quiet).unwrap();
    let run = &estimated.queue.runs[3];
    assert!(run.estimated_secs.unwrap() > 0.0 && run.peak_memory_bytes.unwrap() > 0);
    assert_eq!(run.trained_parameters, Some(3 * 2 * (64 + 64)), "{:?}", run.trained_parameters);

    definition.base.insert("model".to_owned(), Value::String("no/model".to_owned()));
    let other = folder.path().join("other");
    let mut refused = held(&other, &definition);
    let said = estimate(&mut refused, &mut Worker::default(), &Quiet).unwrap_err();
    assert!(matches!(said, Error::Refused { .. }));
    assert!(
        said.to_string().starts_with("learning_rate 0.001, seed 1: nothing was started"),
        "{said}"
    );
}

#[test]
fn a_learning_rate_is_found_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { objective: Objective::Sft, ..config(pairs(folder.path())) };
    let search = RateSearch { min: 1e-6, max: 10.0, steps: 20 };
    let mut worker = Worker::default();
    let first = worker.find_rate(&config, &search, &Quiet).unwrap();
    let second = worker.find_rate(&config, &search, &Quiet).unwrap();
    assert_eq!(first, second, "the weights that learned were thrown away");
    assert!(first.points.len() > 16, "{:?}", first.ended);
    let rates: Vec<f64> = first.points.iter().map(|point| point.learning_rate).collect();
    assert!(rates.windows(2).all(|pair| pair[1] > pair[0]));
    let found = first.steepest().unwrap().learning_rate;
    assert!((1e-5..10.0).contains(&found), "{found}");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [folder.path().join("pairs.jsonl")]);
    // DPO begins at ln 2, since the reference is what the run begins with.
    let dpo = TrainConfig { objective: Objective::Dpo, ..config.clone() };
    let found = worker.find_rate(&dpo, &search, &Quiet).unwrap();
    assert!((found.points[0].loss - std::f64::consts::LN_2).abs() < 1e-9);
    let stopped = AtStep::new(5, Does::Stop);
    let found = worker.find_rate(&dpo, &search, &OfSweep(&stopped)).unwrap();
    assert_eq!((found.points.len(), found.ended), (5, Some(RateEnd::Stopped)));
    let grpo = TrainConfig {
        model: tiny_model(),
        data: config.data,
        ..TrainConfig::suggested(Objective::Grpo)
    };
    let said = worker.find_rate(&grpo, &search, &Quiet).unwrap_err().to_string();
    assert!(said.contains("the loss of GRPO says nothing"), "{said}");
}

#[test]
fn a_learning_rate_is_found_for_a_classifier_and_for_a_newborn() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("texts.jsonl");
    for at in 0..24 {
        let label = if at % 2 == 0 { "calm" } else { "loud" };
        files::append_json(&data, &json!({ "text": format!("{label} text {at}"), "label": label }))
            .unwrap();
    }
    let search = RateSearch { min: 1e-6, max: 1.0, steps: 24 };
    let texts =
        TrainConfig { model: tiny_model(), data, ..TrainConfig::suggested(Objective::Classify) };
    let mut worker = Worker::default();
    let found = worker.find_rate(&texts, &search, &Quiet).unwrap();
    assert!(found.points.len() > 16, "{:?}", found.ended);
    let text = folder.path().join("text.txt");
    files::write_atomic(&text, "a cat sat on a mat and saw a rat. ".repeat(60).as_bytes()).unwrap();
    let born = TrainConfig {
        data: text,
        max_length: 32,
        per_device_train_batch_size: 2,
        newborn: Some(Newborn { max_position_embeddings: 32, ..Newborn::default() }),
        ..TrainConfig::suggested(Objective::Pretrain)
    };
    let found = worker.find_rate(&born, &RateSearch { steps: 16, ..search }, &Quiet).unwrap();
    assert_eq!(found.points.len(), 16);
    assert!(!folder.path().join("newborn").exists());
    assert!(!folder.path().join(METRICS_FILE).exists());
}

/// A run alone, heard as one of a sweep.
struct OfSweep<'a>(&'a AtStep);

impl Progress<TrainEvent> for OfSweep<'_> {
    fn emit(&self, event: TrainEvent) {
        self.0.emit(SweepEvent::Run(event));
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

#[test]
fn a_list_that_may_have_decimal_commas_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("SWEEP.toml");
    let run = run_file::text(&config(pairs(folder.path())));
    files::write_atomic(&folder.path().join("RUN.toml"), run.as_bytes()).unwrap();
    let read = |grid: &str| {
        let text = format!("run = \"RUN.toml\"\n[grid]\n{grid}\n");
        files::write_atomic(&file, text.as_bytes()).unwrap();
        definition::read(&file)
    };
    let said = read("beta = [0,5]").unwrap_err().to_string();
    assert!(
        said.contains("[grid]: `beta`: “0,5” is 0.5 for some and the two numbers 0 and 5"),
        "{said}"
    );
    assert_eq!(read("beta = [0, 5]").unwrap().grid[0].1.len(), 2);
    assert_eq!(read("lora.r = [4,8]").unwrap().grid[0].1.len(), 2, "a rank has no decimals");
}
