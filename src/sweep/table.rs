//! The one table of a sweep: a row a run, and over the seeds of each configuration mean, standard deviation and
//! 95 % interval. As plain data, as CSV and as JSON.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::born::Born;
use super::error::Error;
use super::outcome;
use super::outcome::{Measure, Outcome};
use super::queue::{Entry, Queue, State};
use crate::stats::repeats::{Repeats, repeats};
use crate::train::config::metric::{Better, Metric};

/// Its files, in the folder of the queue: see `report`.
pub const TABLE_FILE: &str = "table.csv";
pub const SUMMARY_FILE: &str = "summary.csv";
pub const JSON_FILE: &str = "table.json";

#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The number that the runs are compared by: `eval_loss`, and as a person calls it.
    pub key: String,
    pub title: String,
    pub better: Option<Better>,

    /// The keys of the grid.
    pub keys: Vec<String>,
    pub rows: Vec<Row>,

    /// One for each configuration.
    pub summaries: Vec<Summary>,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub label: String,
    pub configuration: usize,
    pub variation: Option<String>,
    pub values: Map<String, Value>,
    pub seed: u64,
    pub learning_rate: f64,
    pub state: State,
    pub message: Option<String>,
    pub parameters: Option<u64>,

    /// Counted before the run.
    pub memory: Option<u64>,
    pub estimated_secs: Option<f64>,
    pub run_dir: PathBuf,
    pub outcome: Option<Outcome>,

    /// Where its model is born for it.
    pub born: Option<Box<Born>>,
}

/// The runs of one configuration that are done.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// What its runs have in common: `learning_rate 1e-4`.
    pub label: String,
    pub variation: Option<String>,
    pub values: Map<String, Value>,

    /// So many runs it has, whether they are done or not.
    pub runs: usize,
    pub last: Option<Repeats>,
    pub best: Option<Repeats>,
    pub secs: Option<f64>,
    pub memory: Option<u64>,
}

impl Table {
    /// As the queue and the folders of its runs stand.
    pub fn of(folder: &Path, queue: &Queue) -> Result<Self, Error> {
        let mut rows = Vec::with_capacity(queue.runs.len());
        let mut measure = None;
        for run in &queue.runs {
            let config = run.config()?;
            measure.get_or_insert_with(|| Measure::of(&config));
            let run_dir = run.run_dir(folder);
            let outcome = outcome::read(&run_dir, &config);
            let born = Born::read(&run_dir, &config).map(Box::new);
            let learning_rate = config.learning_rate;
            rows.push(Row { learning_rate, born, ..Row::of(run, folder, outcome) });
        }
        let measure = measure.unwrap_or(Measure { metric: Metric::Loss, of: outcome::Of::HeldOut });
        let mut keys: Vec<String> = Vec::new();
        for key in rows.iter().flat_map(|row| row.values.keys()) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        let key = measure.key();
        let summaries = summaries(&rows, &key);
        let better = measure.metric.facts().better;
        Ok(Self { key, title: measure.title(), better, keys, rows, summaries })
    }

    pub fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }

    /// Runs that are to be done or to be continued.
    pub fn left(&self) -> usize {
        self.rows.iter().filter(|row| row.state.is_left()).count()
    }

    /// Seconds that the runs that are left would take, by how long those took that are done, and else by the
    /// estimates.
    pub fn secs_left(&self) -> Option<f64> {
        let done: Vec<(f64, f64)> = self
            .rows
            .iter()
            .filter(|row| row.state == State::Done)
            .filter_map(|row| Some((row.outcome.as_ref()?.secs, row.estimated_secs?)))
            .collect();
        let (took, estimated) =
            done.iter().fold((0.0, 0.0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
        let factor = if estimated > 0.0 && took > 0.0 { took / estimated } else { 1.0 };
        let left = self.rows.iter().filter(|row| row.state.is_left());
        let left = left.map(|row| Some(row.estimated_secs? * factor));
        left.sum::<Option<f64>>()
    }

    /// Of the configurations, the one with the best mean.
    pub fn best(&self) -> Option<usize> {
        let means = self.summaries.iter().enumerate().filter_map(|(place, summary)| {
            let found = summary.best.or(summary.last)?;
            found.mean.is_finite().then_some((place, found.mean))
        });
        let better = self.better?;
        means
            .reduce(|best, one| if better.is_better(one.1, best.1) { one } else { best })
            .map(|(place, _)| place)
    }

    /// A row for each run.
    pub fn csv(&self) -> String {
        let has_variations = self.rows.iter().any(|row| row.variation.is_some());
        let mut others: Vec<String> = Vec::new();
        let mut tests: Vec<String> = Vec::new();
        for outcome in self.rows.iter().filter_map(|row| row.outcome.as_ref()) {
            for number in &outcome.numbers {
                if !others.contains(&number.key) {
                    others.push(number.key.clone());
                }
            }
            for (key, _) in &outcome.test {
                if !tests.contains(key) {
                    tests.push(key.clone());
                }
            }
        }
        let mut head = vec!["run".to_owned(), "configuration".to_owned()];
        head.extend(has_variations.then(|| "variation".to_owned()));
        head.extend(self.keys.iter().cloned());
        head.extend(["seed", "state", "steps", "secs"].map(str::to_owned));
        head.extend(["trained_parameters", "peak_memory_bytes", "loss"].map(str::to_owned));
        for key in &others {
            head.extend([
                format!("{key}_final"),
                format!("{key}_best"),
                format!("{key}_best_step"),
            ]);
        }
        head.extend(tests.iter().cloned());
        head.extend(["run_dir", "problem"].map(str::to_owned));
        let rows = self.rows.iter().enumerate().map(|(place, row)| {
            let outcome = row.outcome.as_ref();
            let mut cells = vec![(place + 1).to_string(), (row.configuration + 1).to_string()];
            if has_variations {
                cells.push(row.variation.clone().unwrap_or_default());
            }
            cells.extend(
                self.keys.iter().map(|key| row.values.get(key).map_or_else(String::new, plain)),
            );
            cells.extend([row.seed.to_string(), row.state.word().to_owned()]);
            cells.extend([
                maybe(outcome.map(|found| found.steps)),
                maybe(outcome.map(|found| found.secs)),
            ]);
            cells.extend([maybe(row.parameters), maybe(row.memory)]);
            cells.push(maybe(outcome.and_then(|found| found.loss)));
            for key in &others {
                let number = outcome.and_then(|found| found.number(key));
                cells.push(maybe(number.map(|number| number.last)));
                cells.push(maybe(number.and_then(|number| number.best)));
                cells.push(maybe(number.and_then(|number| number.best_step)));
            }
            for key in &tests {
                let found =
                    outcome.and_then(|found| found.test.iter().find(|(known, _)| known == key));
                cells.push(maybe(found.map(|(_, value)| *value)));
            }
            cells.push(row.run_dir.display().to_string());
            cells.push(row.message.clone().unwrap_or_default());
            cells
        });
        lines(std::iter::once(head).chain(rows))
    }

    /// A row for each configuration.
    pub fn summary_csv(&self) -> String {
        let has_variations = self.rows.iter().any(|row| row.variation.is_some());
        let mut head = vec!["configuration".to_owned()];
        head.extend(has_variations.then(|| "variation".to_owned()));
        head.extend(self.keys.iter().cloned());
        head.extend(["runs", "metric", "n"].map(str::to_owned));
        for of in ["final", "best"] {
            head.extend(["mean", "std", "low_95", "high_95"].map(|what| format!("{of}_{what}")));
        }
        head.extend(["mean_secs", "peak_memory_bytes"].map(str::to_owned));
        let rows = self.summaries.iter().enumerate().map(|(place, summary)| {
            let mut cells = vec![(place + 1).to_string()];
            if has_variations {
                cells.push(summary.variation.clone().unwrap_or_default());
            }
            let value = |key: &String| summary.values.get(key).map_or_else(String::new, plain);
            cells.extend(self.keys.iter().map(value));
            cells.extend([summary.runs.to_string(), self.key.clone()]);
            cells.push(summary.last.map_or(0, |found| found.n).to_string());
            for found in [summary.last, summary.best] {
                cells.push(maybe(found.map(|found| found.mean)));
                cells.push(maybe(found.and_then(|found| found.deviation)));
                let interval = found.and_then(|found| found.interval);
                cells.push(maybe(interval.map(|(low, _)| low)));
                cells.push(maybe(interval.map(|(_, high)| high)));
            }
            cells.extend([maybe(summary.secs), maybe(summary.memory)]);
            cells
        });
        lines(std::iter::once(head).chain(rows))
    }

    pub fn json(&self) -> Value {
        let runs: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let summaries = self.summaries.iter().map(|summary| {
            json!({
                "label": summary.label,
                "variation": summary.variation,
                "values": summary.values,
                "runs": summary.runs,
                "final": summary.last.map(spread_json),
                "best": summary.best.map(spread_json),
                "mean_secs": summary.secs,
                "peak_memory_bytes": summary.memory,
            })
        });
        json!({
            "metric": self.key,
            "keys": self.keys,
            "runs": runs,
            "configurations": summaries.collect::<Vec<_>>(),
        })
    }
}

impl Row {
    fn of(run: &Entry, folder: &Path, outcome: Option<Outcome>) -> Self {
        Self {
            label: run.label.clone(),
            configuration: run.configuration,
            variation: run.variation.clone(),
            values: run.values.clone(),
            seed: run.seed,
            learning_rate: 0.0,
            state: run.state,
            message: run.message.clone(),
            parameters: run.trained_parameters,
            memory: run.peak_memory_bytes,
            estimated_secs: run.estimated_secs,
            run_dir: run.run_dir(folder),
            outcome,
            born: None,
        }
    }

    fn json(&self) -> Value {
        json!({
            "label": self.label,
            "configuration": self.configuration + 1,
            "variation": self.variation,
            "values": self.values,
            "seed": self.seed,
            "state": self.state,
            "problem": self.message,
            "trained_parameters": self.parameters,
            "peak_memory_bytes": self.memory,
            "run_dir": self.run_dir,
            "outcome": self.outcome,
        })
    }
}

fn spread_json(found: Repeats) -> Value {
    let Repeats { n, mean, deviation, interval } = found;
    json!({
        "n": n,
        "mean": mean,
        "std": deviation,
        "low_95": interval.map(|(low, _)| low),
        "high_95": interval.map(|(_, high)| high),
    })
}

fn summaries(rows: &[Row], key: &str) -> Vec<Summary> {
    let mut found: Vec<Summary> = Vec::new();
    let count = rows.iter().map(|row| row.configuration + 1).max().unwrap_or(0);
    for configuration in 0..count {
        let own: Vec<&Row> = rows.iter().filter(|row| row.configuration == configuration).collect();
        let Some(first) = own.first() else { continue };
        let done = own.iter().filter(|row| row.state == State::Done);
        let outcomes: Vec<&Outcome> = done.filter_map(|row| row.outcome.as_ref()).collect();
        let numbers = || outcomes.iter().filter_map(|outcome| outcome.number(key));
        let last: Vec<f64> = numbers().map(|number| number.last).collect();
        let best: Vec<f64> = numbers().filter_map(|number| number.best).collect();
        let secs: Vec<f64> = outcomes.iter().map(|outcome| outcome.secs).collect();
        let seed = format!("seed {}", first.seed);
        let label = first.label.strip_suffix(&seed).unwrap_or(&first.label).trim_end_matches(", ");
        found.push(Summary {
            label: if label.is_empty() {
                "as in the run file".to_owned()
            } else {
                label.to_owned()
            },
            variation: first.variation.clone(),
            values: first.values.clone(),
            runs: own.len(),
            last: repeats(&last),
            best: repeats(&best),
            secs: repeats(&secs).map(|found| found.mean),
            memory: own.iter().filter_map(|row| row.memory).max(),
        });
    }
    found
}

/// A value in a cell: a text without its quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn maybe(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

pub(super) fn lines(rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in rows {
        table.write_record(&row).expect("a row in memory can be written");
    }
    let bytes = table.into_inner().expect("a table in memory can be written");
    String::from_utf8(bytes).expect("cells are text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::outcome::Number;

    fn row(configuration: usize, seed: u64, state: State, loss: f64) -> Row {
        let number = Number {
            key: "eval_loss".to_owned(),
            last: loss,
            best: Some(loss - 0.1),
            best_step: Some(4),
        };
        let outcome = Outcome {
            steps: 8,
            secs: 2.0,
            loss: Some(0.5),
            numbers: vec![number],
            test: Vec::new(),
        };
        let mut values = Map::new();
        values.insert("learning_rate".to_owned(), json!(1e-4 * (configuration + 1) as f64));
        Row {
            label: format!("learning_rate {configuration}, seed {seed}"),
            configuration,
            variation: None,
            values,
            seed,
            learning_rate: 1e-4,
            state,
            message: (state == State::Failed).then(|| "the disk is full, \"really\"".to_owned()),
            parameters: Some(10),
            memory: Some(1000),
            estimated_secs: Some(4.0),
            run_dir: PathBuf::from("runs/1"),
            outcome: (state == State::Done).then_some(outcome),
            born: None,
        }
    }

    fn table() -> Table {
        let rows = vec![
            row(0, 1, State::Done, 0.61),
            row(0, 2, State::Done, 0.64),
            row(0, 3, State::Done, 0.58),
            row(1, 1, State::Done, 0.5),
            row(1, 2, State::Failed, 9.0),
            row(1, 3, State::Waiting, 9.0),
        ];
        let (key, title) = ("eval_loss".to_owned(), "Held-out loss".to_owned());
        let (keys, better) = (vec!["learning_rate".to_owned()], Some(Better::Lower));
        let summaries = summaries(&rows, &key);
        Table { key, title, better, keys, rows, summaries }
    }

    #[test]
    fn seeds_are_summed_up_and_what_failed_is_not_among_them() {
        let table = table();
        let [first, second] = &table.summaries[..] else { panic!() };
        assert_eq!((first.label.as_str(), first.runs), ("learning_rate 0", 3));
        let found = first.last.unwrap();
        // scipy 1.17.1: stats.t.interval(0.95, 2, 0.61, stats.sem([0.61, 0.64, 0.58]))
        assert_eq!(found.n, 3);
        assert!((found.mean - 0.61).abs() < 1e-12);
        assert!((found.interval.unwrap().0 - 0.53547586864749).abs() < 1e-12);
        assert_eq!(
            (second.runs, second.last.unwrap().n, second.last.unwrap().interval),
            (3, 1, None)
        );
        assert_eq!(table.best(), Some(1));
        assert_eq!((table.left(), table.count(State::Failed)), (1, 1));
        // Those that are done took half of what was estimated.
        assert_eq!(table.secs_left(), Some(2.0));
    }

    #[test]
    fn the_tables_have_a_row_a_run_and_a_row_a_configuration() {
        let table = table();
        let rows = table.csv();
        let head = "run,configuration,learning_rate,seed,state,steps,secs,trained_parameters,peak_memory_bytes,loss,\
                    eval_loss_final,eval_loss_best,eval_loss_best_step,run_dir,problem";
        let rows: Vec<&str> = rows.lines().collect();
        assert_eq!((rows[0], rows.len()), (head, 7));
        assert_eq!(rows[1], "1,1,0.0001,1,done,8,2,10,1000,0.5,0.61,0.51,4,runs/1,");
        assert_eq!(
            rows[5],
            "5,2,0.0002,2,failed,,,10,1000,,,,,runs/1,\"the disk is full, \"\"really\"\"\""
        );
        let summary = table.summary_csv();
        let last = summary.lines().last().unwrap();
        assert_eq!(last, "2,0.0002,3,eval_loss,1,0.5,,,,0.4,,,,2,1000");
        let json = table.json();
        assert_eq!(json["configurations"][0]["final"]["n"], 3);
        assert_eq!(json["runs"][0]["outcome"]["numbers"][0]["final"], 0.61);
    }
}
