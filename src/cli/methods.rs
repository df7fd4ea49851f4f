//! `tuning-fork compare-methods`: one run file, several methods in turn on the same rows and seed, one table.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use super::columns::columns;
use super::load;
use super::out;
use super::sweep::OnScreen;
use super::train_screen::{Screen, default_run_dir};
use crate::files;
use crate::jobs;
use crate::sweep::expand::Planned;
use crate::sweep::methods::with_method;
use crate::sweep::queue::{Entry, Held, QUEUE_FILE, Queue, State};
use crate::sweep::table::{Row, Table};
use crate::sweep::work;
use crate::sweep::worker::Worker;
use crate::train::config::TrainConfig;
use crate::train::config::metric::Metric;
use crate::train::config::run_file;
use crate::words::{duration, gigabytes, thousands};

#[derive(Debug, Args)]
pub struct MethodsArgs {
    /// The run file: TRL's and PEFT's keys, as TOML. Its own method is not used
    run: PathBuf,

    /// Which methods, in their order
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "lora,dora,full,prompt_tuning,prefix_tuning"
    )]
    methods: Vec<String>,

    /// A learning rate of its own for a method: `prompt_tuning=0.03`
    #[arg(long = "learning-rate", value_name = "METHOD=RATE")]
    rates: Vec<String>,

    /// A folder for the runs and methods.csv; without it, a new one under runs/ in the current folder. A
    /// comparison that was stopped continues in its folder
    #[arg(long)]
    out: Option<PathBuf>,

    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

/// What a method took and learned.
#[derive(Clone, Debug, Default, PartialEq)]
struct Outcome {
    method: String,
    learning_rate: f64,
    parameters: Option<u64>,

    /// Counted before the run, as the Train panel says it.
    memory: Option<u64>,

    /// All steps together.
    secs: Option<f64>,
    steps: usize,
    loss: Option<f64>,
    held_out_loss: Option<f64>,
    held_out_accuracy: Option<f64>,
    folder: PathBuf,

    /// Why there is no result.
    problem: Option<String>,
}

pub fn run(args: &MethodsArgs) -> anyhow::Result<()> {
    let given = run_file::read(&args.run)?;
    if given.newborn.is_some() || given.objective.reads_texts() {
        let name = given.objective.facts().name;
        bail!(
            "methods are compared on a decoder that exists already and writes texts, and this run file is for \
             {name}"
        );
    }
    let rates = rates(&args.rates)?;
    let mut configs = Vec::new();
    for name in &args.methods {
        let mut config = with_method(&given, name).map_err(anyhow::Error::msg)?;
        if let Some((_, rate)) = rates.iter().find(|(method, _)| method == name) {
            config.learning_rate = *rate;
        }
        configs.push((name.as_str(), config));
    }
    if let Some((method, _)) = rates.iter().find(|(method, _)| !args.methods.contains(method)) {
        bail!("--learning-rate names {method}, which is not among --methods");
    }
    load::find_model(&given.model)?;
    let folder = args.out.clone().unwrap_or_else(|| default_run_dir(&given));
    let mut held = queue(&configs, &folder)?;
    let mut worker = Worker::with_cache();
    // After each method: what is done is there even where the next one is stopped.
    let write = |table: &Table| write_csv(&folder.join("methods.csv"), &outcomes(table));
    let keep = |table: &Table| {
        if let Err(error) = write(table) {
            out::note(&format!("warning: {error:#}"));
        }
    };
    jobs::give_way();
    let screen = OnScreen::new(Screen::of_several(), held.queue.runs.len(), &keep);
    let ended = work::work(&mut held, &mut worker, &screen);
    screen.screen.bar.clear();
    ended?;
    let table = Table::of(&folder, &held.queue)?;
    write(&table)?;
    let outcomes = outcomes(&table);
    if args.json {
        return out::json(&outcomes.iter().map(Outcome::json).collect::<Vec<_>>());
    }
    lines(&outcomes).iter().try_for_each(|line| out::line(line))?;
    out::note(&folder.join("methods.csv").display().to_string());
    Ok(())
}

/// The methods as the runs of a queue. One that is in the folder already is continued: what is done stays done,
/// and methods that are new come behind.
fn queue(configs: &[(&str, TrainConfig)], folder: &Path) -> anyhow::Result<Held> {
    let planned: Vec<Planned> = configs
        .iter()
        .enumerate()
        .map(|(configuration, (name, config))| Planned {
            label: (*name).to_owned(),
            configuration,
            variation: Some((*name).to_owned()),
            values: Map::new(),
            seed: config.seed,
            config: config.clone(),
        })
        .collect();
    let queue = Queue::new(&planned, |_, run| PathBuf::from(&run.label))?;
    if !folder.join(QUEUE_FILE).exists() {
        return Ok(Held::create(folder, queue)?);
    }
    let mut held = Held::open(folder)?;
    held.queue.data_sha256.extend(queue.data_sha256);
    for run in queue.runs {
        let count = held.queue.runs.len();
        match held.queue.runs.iter_mut().find(|known| known.label == run.label) {
            Some(known) if known.state == State::Failed => known.state = State::Waiting,
            Some(_) => {}
            None => held.queue.runs.push(Entry { configuration: count, ..run }),
        }
    }
    Ok(held)
}

/// What each method took and learned so far.
fn outcomes(table: &Table) -> Vec<Outcome> {
    let of_row = |row: &Row| {
        let found = row.outcome.as_ref();
        let last =
            |key: String| found.and_then(|found| found.number(&key)).map(|number| number.last);
        let accuracies = [Metric::RewardsAccuracies, Metric::MeanTokenAccuracy];
        Outcome {
            method: row.label.clone(),
            learning_rate: row.learning_rate,
            parameters: row.parameters,
            memory: row.memory,
            secs: found.map(|found| found.secs),
            steps: found.map_or(0, |found| found.steps),
            loss: found.and_then(|found| found.loss),
            held_out_loss: last(Metric::Loss.evaluated()),
            held_out_accuracy: accuracies.into_iter().find_map(|metric| last(metric.evaluated())),
            folder: row.run_dir.clone(),
            problem: row.message.clone(),
        }
    };
    table.rows.iter().map(of_row).collect()
}

fn rates(given: &[String]) -> anyhow::Result<Vec<(String, f64)>> {
    let rate = |text: &String| {
        let (method, rate) = text.split_once('=')?;
        Some((method.trim().to_owned(), rate.trim().parse().ok()?))
    };
    let rates = given.iter().map(|text| {
        rate(text).with_context(|| format!("--learning-rate {text}: METHOD=RATE was expected"))
    });
    rates.collect()
}

impl Outcome {
    fn json(&self) -> Value {
        json!({
            "method": self.method,
            "learning_rate": self.learning_rate,
            "trained_parameters": self.parameters,
            "peak_memory_bytes": self.memory,
            "secs": self.secs,
            "steps": self.steps,
            "loss": self.loss,
            "eval_loss": self.held_out_loss,
            "eval_accuracy": self.held_out_accuracy,
            "run_dir": self.folder,
            "problem": self.problem,
        })
    }

    /// In the order of [`HEADS`].
    fn cells(&self) -> [String; 8] {
        let number =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |it| format!("{it:.4}"));
        [
            self.method.clone(),
            self.parameters.map_or_else(|| "–".to_owned(), |count| thousands(count as usize)),
            self.memory.map_or_else(|| "–".to_owned(), gigabytes),
            self.secs.map_or_else(|| "–".to_owned(), duration),
            format!("{}", self.learning_rate),
            number(self.loss),
            number(self.held_out_loss),
            number(self.held_out_accuracy),
        ]
    }
}

const HEADS: [&str; 8] = [
    "method",
    "parameters",
    "memory",
    "time",
    "learning_rate",
    "loss",
    "eval_loss",
    "eval_accuracy",
];

/// The table, a line each; then why a method has no result.
fn lines(outcomes: &[Outcome]) -> Vec<String> {
    let rows: Vec<[String; 8]> = std::iter::once(HEADS.map(str::to_owned))
        .chain(outcomes.iter().map(Outcome::cells))
        .collect();
    let problems = outcomes.iter().filter_map(|outcome| {
        let problem = outcome.problem.as_ref()?;
        Some(format!("{} was not trained: {problem}", outcome.method))
    });
    columns(&rows).into_iter().chain(problems).collect()
}

fn write_csv(path: &Path, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let number = |value: Option<f64>| value.map_or_else(String::new, |it| it.to_string());
    let count = |value: Option<u64>| value.map_or_else(String::new, |it| it.to_string());
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "method",
        "trained_parameters",
        "peak_memory_bytes",
        "secs",
        "learning_rate",
        "steps",
        "loss",
        "eval_loss",
        "eval_accuracy",
        "run_dir",
        "problem",
    ])?;
    for outcome in outcomes {
        table.write_record([
            outcome.method.clone(),
            count(outcome.parameters),
            count(outcome.memory),
            number(outcome.secs),
            outcome.learning_rate.to_string(),
            outcome.steps.to_string(),
            number(outcome.loss),
            number(outcome.held_out_loss),
            number(outcome.held_out_accuracy),
            outcome.folder.display().to_string(),
            outcome.problem.clone().unwrap_or_default(),
        ])?;
    }
    let bytes = table.into_inner().map_err(|err| err.into_error())?;
    files::write_atomic(path, &bytes)
        .with_context(|| format!("{} could not be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rates_are_given_by_method() {
        let found = rates(&["prompt_tuning=0.03".to_owned()]).unwrap();
        assert_eq!(found, [("prompt_tuning".to_owned(), 0.03)]);
        assert!(rates(&["0.03".to_owned()]).unwrap_err().to_string().contains("METHOD=RATE"));
    }

    #[test]
    fn a_method_that_cannot_be_trained_is_a_row_with_its_reason() {
        let fine = Outcome { method: "lora".to_owned(), loss: Some(2.5), ..Outcome::default() };
        let problem = Some("nothing learns".to_owned());
        let not = Outcome { method: "bias".to_owned(), problem, ..Outcome::default() };
        let lines = lines(&[fine, not]);
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("lora") && lines[1].contains("2.5000"), "{lines:?}");
        assert_eq!(lines[3], "bias was not trained: nothing learns");
    }
}
