//! `tuning-fork lr-find`: a learning rate that suits a run, from a few steps at growing rates.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::load;
use super::out;
use super::rows::TableArgs;
use super::train_screen::Screen;
use crate::files;
use crate::jobs;
use crate::sweep::worker::Worker;
use crate::train::config::run_file;
use crate::train::run::rates::{RateSearch, Suggestion};
use crate::words;

#[derive(Debug, Args)]
pub struct LrFindArgs {
    /// The run file: TRL's and PEFT's keys, as TOML. Nothing of it changes
    run: PathBuf,

    /// The rate of the first step
    #[arg(long, default_value_t = RateSearch::default().min)]
    min: f64,

    /// The rate of the last step
    #[arg(long, default_value_t = RateSearch::default().max)]
    max: f64,

    /// How many steps the rate grows over
    #[arg(long, default_value_t = RateSearch::default().steps)]
    steps: usize,

    /// Write rate, loss and smoothed loss of each step to this file, as CSV
    #[arg(long)]
    out: Option<PathBuf>,

    #[command(flatten)]
    table: TableArgs,

    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &LrFindArgs) -> anyhow::Result<()> {
    let mut config = run_file::read(&args.run)?;
    let columns = args.table.mapping()?;
    if !columns.is_empty() {
        config.columns = columns;
    }
    if let Some(problem) = config.problems().first() {
        anyhow::bail!("{}: {} {}", args.run.display(), problem.field, problem.message);
    }
    if config.newborn.is_none() {
        load::find_model(&config.model)?;
    }
    let search = RateSearch { min: args.min, max: args.max, steps: args.steps };
    let mut worker = Worker::with_cache();
    let screen = Screen::new(false);
    jobs::give_way();
    let found = worker.find_rate(&config, &search, &screen);
    screen.bar.clear();
    let found = found?;
    if let Some(path) = &args.out {
        files::write_atomic(path, found.csv().as_bytes())
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    let rate = |found: Option<Suggestion>| found.map(|found| found.learning_rate);
    let (steepest, minimum) = (rate(found.steepest()), rate(found.tenth_of_minimum()));
    if args.json {
        return out::json(&json!({
            "suggestion": steepest,
            "steepest": steepest,
            "minimum_over_10": minimum,
            "ended": found.ended,
            "points": found.points,
        }));
    }
    out::note(&found.sentence());
    let shown = |rate: Option<f64>| rate.map_or_else(|| "–".to_owned(), words::about);
    out::line(&format!("steepest descent  {:>8}", shown(steepest)))?;
    out::line(&format!("minimum / 10      {:>8}", shown(minimum)))
}
