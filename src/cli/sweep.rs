//! `tuning-fork sweep`: a small grid or several seeds on top of one run file, in a queue that survives a restart.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use time::OffsetDateTime;

use super::columns::columns;
use super::load;
use super::out;
use super::train_screen::Screen;
use crate::jobs;
use crate::jobs::{Cancelled, Progress};
use crate::stats::repeats::Repeats;
use crate::sweep::definition;
use crate::sweep::expand::{Planned, expand};
use crate::sweep::outcome::Which;
use crate::sweep::queue::{Held, Queue, State, new_dir};
use crate::sweep::report;
use crate::sweep::scaling::Scaling;
use crate::sweep::scaling_words::{CURVES_FILE, SCALING_FILE};
use crate::sweep::table::{SUMMARY_FILE, TABLE_FILE, Table};
use crate::sweep::work;
use crate::sweep::work::{Ended, SweepEvent};
use crate::sweep::worker::Worker;
use crate::words::{about_duration, counted, duration, gigabytes, thousands};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct SweepArgs {
    /// The sweep file: a run file (`run`), lists of values (`grid`), `seeds`, named variations, or `sizes` of a model
    /// from nothing (a scaling series)
    file: PathBuf,

    /// A folder for the runs and their table; without it, a new one under sweeps/ in the current folder
    #[arg(long)]
    out: Option<PathBuf>,

    /// Continue the sweep in that folder: runs that were interrupted continue from their checkpoints
    #[arg(long, requires = "out")]
    resume: bool,

    /// With --resume, do the failed runs again
    #[arg(long, requires = "resume")]
    retry_failed: bool,

    /// Only list the runs with the memory and time that they would take
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,

    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &SweepArgs) -> anyhow::Result<()> {
    let planned = expand(&definition::read(&args.file)?)?;
    for run in &planned {
        if run.config.newborn.is_none() {
            load::find_model(&run.config.model)?;
        }
    }
    let mut worker = Worker::with_cache();
    let screen = Screen::of_several();
    if args.dry_run {
        return dry_run(args, &planned, &mut worker, &screen);
    }
    let project = Path::new(".");
    let folder = args.out.clone().unwrap_or_else(|| new_dir(project, OffsetDateTime::now_utc()));
    let mut held = if args.resume {
        let mut held = Held::open(&folder)?;
        note_other_runs(&held.queue, &planned, &folder);
        if args.retry_failed {
            let failed = held.queue.runs.iter_mut().filter(|run| run.state == State::Failed);
            failed.for_each(|run| run.state = State::Waiting);
        }
        let (left, count) = (held.queue.left(), held.queue.runs.len());
        out::note(&format!("{} left of {count}", counted(left, "run is", "runs are")));
        held
    } else {
        let is_new = !folder.exists();
        let queue = Queue::new(&planned, |number, run| run.folder(number))?;
        let mut held = Held::create(&folder, queue)?;
        let estimated = work::estimate(&mut held, &mut worker, &screen);
        screen.bar.clear();
        if estimated.is_err() && is_new {
            drop(held);
            // Only the queue is in it. Why nothing was started matters more.
            std::fs::remove_dir_all(&folder).ok();
            return Ok(estimated?);
        }
        estimated?;
        out::note(&told(&held.queue));
        held
    };
    jobs::give_way();
    let screen = OnScreen::new(screen, held.queue.runs.len(), &|_| ());
    let ended = work::work(&mut held, &mut worker, &screen);
    screen.screen.bar.clear();
    let ended = ended?;
    let table = Table::of(&folder, &held.queue)?;
    if args.json {
        out::json(&report::json(&table))?;
    } else {
        lines(&table).iter().try_for_each(|line| out::line(line))?;
        let scaling = Scaling::of(&table, Which::Last);
        if let Some(scaling) = &scaling {
            scaling_lines(scaling).iter().try_for_each(|line| out::line(line))?;
        }
        out::note(&folder.join(TABLE_FILE).display().to_string());
        out::note(&folder.join(SUMMARY_FILE).display().to_string());
        if scaling.is_some() {
            out::note(&folder.join(SCALING_FILE).display().to_string());
            out::note(&folder.join(CURVES_FILE).display().to_string());
        }
    }
    if ended == Ended::Stopped {
        anyhow::bail!(
            "stopped: {} left, and --resume continues",
            counted(table.left(), "run is", "runs are")
        );
    }
    let failed = table.count(State::Failed);
    if failed > 0 {
        anyhow::bail!(
            "{} of {} failed: the column problem of {TABLE_FILE} says why, and --resume --retry-failed does them again",
            failed,
            counted(table.rows.len(), "run", "runs")
        );
    }
    Ok(())
}

/// What would be run, and what that takes. Nothing is left behind.
fn dry_run(
    args: &SweepArgs,
    planned: &[Planned],
    worker: &mut Worker,
    screen: &Screen,
) -> anyhow::Result<()> {
    let apart = tempfile::tempdir()?;
    let queue = Queue::new(planned, |number, run| run.folder(number))?;
    let mut held = Held::create(&apart.path().join("sweep"), queue)?;
    let estimated = work::estimate(&mut held, worker, screen);
    screen.bar.clear();
    estimated?;
    let queue = &held.queue;
    if args.json {
        let runs = queue.runs.iter().zip(planned).map(|(run, planned)| {
            json!({
                "label": run.label,
                "configuration": run.configuration + 1,
                "variation": run.variation,
                "values": run.values,
                "seed": run.seed,
                "trained_parameters": run.trained_parameters,
                "peak_memory_bytes": run.peak_memory_bytes,
                "secs": run.estimated_secs,
                "settings": planned.config,
            })
        });
        let secs = total_secs(queue);
        return out::json(&json!({ "runs": runs.collect::<Vec<_>>(), "secs": secs }));
    }
    let mut rows = vec![["run", "memory", "time"].map(str::to_owned)];
    rows.extend(queue.runs.iter().map(|run| {
        [
            run.label.clone(),
            run.peak_memory_bytes.map_or_else(none, gigabytes),
            run.estimated_secs.map_or_else(none, duration),
        ]
    }));
    columns(&rows).iter().try_for_each(|line| out::line(line))?;
    out::line(&told(queue))
}

fn total_secs(queue: &Queue) -> Option<f64> {
    queue.runs.iter().map(|run| run.estimated_secs).sum()
}

/// `6 runs (2 configurations, 3 seeds each) · about 12 min in all`
fn told(queue: &Queue) -> String {
    let runs = queue.runs.len();
    let configurations = queue.runs.iter().map(|run| run.configuration + 1).max().unwrap_or(1);
    let mut sentence = counted(runs, "run", "runs");
    let seeds = runs / configurations.max(1);
    if runs > 1 {
        let configurations = counted(configurations, "configuration", "configurations");
        sentence
            .push_str(&format!(" ({configurations}, {} each)", counted(seeds, "seed", "seeds")));
    }
    if let Some(secs) = total_secs(queue) {
        sentence.push_str(&format!(" · {} in all", about_duration(secs)));
    }
    sentence
}

/// A sweep that is continued keeps its own runs: what the file says otherwise is told.
fn note_other_runs(queue: &Queue, planned: &[Planned], folder: &Path) {
    let same = queue.runs.len() == planned.len()
        && queue.runs.iter().zip(planned).all(|(run, planned)| run.is(planned));
    if !same {
        out::note(&format!(
            "warning: the sweep in {} keeps its own runs; what the file says otherwise is not used. For other runs, \
             start a new sweep",
            folder.display()
        ));
    }
}

fn none() -> String {
    "–".to_owned()
}

/// A line for each run, then one for each configuration where it has several seeds.
fn lines(table: &Table) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(none, |value| format!("{value:.4}"));
    let key = &table.key;
    let head = ["run".to_owned(), "state".to_owned(), key.clone(), "best".to_owned()];
    let mut rows =
        vec![head.into_iter().chain(["time", "memory"].map(str::to_owned)).collect::<Vec<_>>()];
    for row in &table.rows {
        let main = row.outcome.as_ref().and_then(|outcome| outcome.number(key));
        rows.push(vec![
            row.label.clone(),
            row.state.word().to_owned(),
            number(main.map(|main| main.last)),
            number(main.and_then(|main| main.best)),
            row.outcome.as_ref().map_or_else(none, |outcome| duration(outcome.secs)),
            row.memory.map_or_else(none, gigabytes),
        ]);
    }
    let mut lines = columns(&rows);
    for row in &table.rows {
        lines.extend(row.message.as_ref().map(|problem| format!("{}: {problem}", row.label)));
    }
    if table.summaries.iter().all(|summary| summary.runs < 2) {
        return lines;
    }
    lines.push(String::new());
    let head = ["over seeds", "n", key, "std", "95 % interval", "best", "95 % interval"];
    let mut rows = vec![head.map(str::to_owned)];
    for summary in &table.summaries {
        let mean = |found: Option<Repeats>| number(found.map(|found| found.mean));
        let interval = |found: Option<Repeats>| {
            let interval = found.and_then(|found| found.interval);
            interval.map_or_else(none, |(low, high)| format!("{low:.4} to {high:.4}"))
        };
        rows.push([
            summary.label.clone(),
            summary.last.map_or(0, |found| found.n).to_string(),
            mean(summary.last),
            number(summary.last.and_then(|found| found.deviation)),
            interval(summary.last),
            mean(summary.best),
            interval(summary.best),
        ]);
    }
    lines.extend(columns(&rows));
    lines
}

/// A scaling series: a line for each run, then what it says.
fn scaling_lines(scaling: &Scaling) -> Vec<String> {
    let heads = [
        "size",
        "N",
        "all",
        "tokens",
        "tokens / parameter",
        "times read",
        "compute",
        "loss",
        "law",
    ];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(scaling.runs.iter().map(|run| {
        let law = scaling.law.as_ref().map(|law| law.at(run.parameters as f64));
        [
            run.label.clone(),
            thousands(run.parameters as usize),
            thousands(run.all_parameters as usize),
            thousands(run.tokens as usize),
            format!("{:.1}", run.tokens_per_parameter),
            format!("{:.1}", run.epochs),
            format!("{:.1e}", run.compute()),
            format!("{:.4}", run.loss),
            law.map_or_else(|_| none(), |law| format!("{law:.4}")),
        ]
    }));
    let mut lines = vec![String::new()];
    lines.extend(columns(&rows));
    lines.push(String::new());
    lines.extend(scaling.words().into_iter().map(|sentence| format!("{sentence}.")));
    lines
}

/// Runs of a queue on the command line, each as `train` shows it.
pub(super) struct OnScreen<'a> {
    pub(super) screen: Screen,
    count: usize,
    on_table: &'a dyn Fn(&Table),
}

impl<'a> OnScreen<'a> {
    pub(super) fn new(screen: Screen, count: usize, on_table: &'a dyn Fn(&Table)) -> Self {
        Self { screen, count, on_table }
    }
}

impl Progress<SweepEvent> for OnScreen<'_> {
    fn emit(&self, event: SweepEvent) {
        match event {
            SweepEvent::Standing(table) => (self.on_table)(&table),
            SweepEvent::Began { index, label, config: _ } => {
                self.screen.bar.note(&format!("Run {} of {}: {label}", index + 1, self.count));
            }
            SweepEvent::Run(event) => self.screen.emit(event),
            SweepEvent::Ended { problem: Some(problem), .. } => {
                self.screen.bar.note(&format!("It failed: {problem}"));
            }
            SweepEvent::Ended { problem: None, .. } => {}
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.screen.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::definition::{Definition, Seeds};
    use crate::train::config::TrainConfig;

    #[test]
    fn how_many_runs_there_are_is_said_first() {
        let config = TrainConfig {
            model: "m".to_owned(),
            data: env!("CARGO_MANIFEST_DIR").into(), // a folder is not hashed
            ..TrainConfig::default()
        };
        let definition = Definition {
            grid: vec![("beta".to_owned(), vec![toml::Value::Float(0.1), toml::Value::Float(0.2)])],
            seeds: Seeds::Count(3),
            ..Definition::of(&config)
        };
        let planned = expand(&definition).unwrap();
        let mut queue = Queue::new(&planned, |number, run| run.folder(number)).unwrap();
        assert_eq!(told(&queue), "6 runs (2 configurations, 3 seeds each)");
        queue.runs.iter_mut().for_each(|run| run.estimated_secs = Some(120.0));
        assert_eq!(told(&queue), "6 runs (2 configurations, 3 seeds each) · about 12 min in all");
    }
}
