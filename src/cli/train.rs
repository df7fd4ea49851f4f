//! `tuning-fork train`: what the Train panel would run, from a file that the panel can save.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::load::load_model;
use super::out;
use super::rows::TableArgs;
use super::train_screen::{Screen, default_run_dir, finding_json};
use super::train_texts;
use super::train_texts::Asked;
use crate::hub::paths::HubPaths;
use crate::hub::resolve::resolve_model;
use crate::jobs;
use crate::llm::Model;
use crate::llm::card::ModelSource;
use crate::memory::free_memory;
use crate::train;
use crate::train::config::TrainConfig;
use crate::train::config::run_file;
use crate::train::estimate::{Estimate, Estimator, Memory, Time};
use crate::train::newborn;
use crate::train::record::RECORD_FILE;
use crate::train::run::setup;
use crate::train::run::setup::Checked;
use crate::train::run::{ResumeRequest, StartRequest};
use crate::words::{counted, gigabytes, thousands};

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The run file: TRL's and PEFT's keys, as TOML
    pub(super) run: PathBuf,

    /// The run's folder; without it, a new one under runs/ in the current folder
    #[arg(long)]
    pub(super) out: Option<PathBuf>,

    /// Resume the run in that folder from its checkpoint, with its own settings and rows
    #[arg(long, requires = "out")]
    pub(super) resume: bool,

    /// Only say what the run would take (memory and time), what is odd about its data, and whether it
    /// would be refused
    #[arg(long, conflicts_with = "resume")]
    pub(super) dry_run: bool,

    #[command(flatten)]
    pub(super) table: TableArgs,

    /// Print each step's metrics, and the result at the end, as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    let mut config = run_file::read(&args.run)?;
    let columns = args.table.mapping()?;
    if !columns.is_empty() {
        config.columns = columns;
    }
    let problems = config.problems();
    if let Some(problem) = problems.first() {
        anyhow::bail!("{}: {} {}", args.run.display(), problem.field, problem.message);
    }
    if let Some(folder) = train_texts::model(&config) {
        let TrainArgs { out, resume, dry_run, json, .. } = args;
        let asked = Asked { out: out.as_deref(), resumes: *resume, json: *json };
        return if *dry_run {
            train_texts::dry_run(&asked, config, &folder)
        } else {
            train_texts::run(&asked, config, &folder)
        };
    }
    // A model that is not here is reported by loading it.
    if let Ok(path) = resolve_model(&config.model) {
        train::estimate::check_load(&ModelSource::at(&path), &config)?;
    }
    if args.resume
        && let (Some(run_dir), Some(_)) = (&args.out, &config.newborn)
    {
        config.model = newborn::folder(run_dir).display().to_string();
    }
    let run_dir = args.out.clone().unwrap_or_else(|| default_run_dir(&config));
    let is_new = config.newborn.is_some() && !args.resume && !run_dir.exists();
    if !args.resume {
        config = newborn::born(&config, &config.data, &run_dir)?;
    }
    let result = with_model(args, config, run_dir.clone());
    if is_new && (args.dry_run || result.is_err() && !run_dir.join(RECORD_FILE).exists()) {
        newborn::take_back(&run_dir);
    }
    result
}

fn with_model(args: &TrainArgs, config: TrainConfig, run_dir: PathBuf) -> anyhow::Result<()> {
    let model = load_model(&config.model, config.weights())?;
    let cache = HubPaths::from_env().ok().map(|paths| paths.cached);
    let screen = Screen::new(args.json);
    let summary = if args.resume {
        let request = ResumeRequest { run_dir, cache, unused: Some(config) };
        jobs::give_way();
        train::resume(&model, &request, &screen)
    } else {
        let request = StartRequest { config, run_dir, cache };
        if args.dry_run {
            // All that the run would be refused for, and all that it would say.
            let checked = setup::check_start(&model, &request, &screen)?;
            screen.bar.clear();
            checked.tell(&screen);
            return estimate(&model, &request, &checked, args.json);
        }
        jobs::give_way();
        train::start(&model, &request, &screen)
    };
    screen.bar.clear();
    if let Some(error) = screen.broken.into_inner() {
        return Err(error);
    }
    let summary = summary?;
    if args.json {
        return out::json(&json!({
            "run_dir": summary.run_dir,
            "adapter": summary.model_dir.is_none().then_some(&summary.adapter_dir),
            "model": summary.model_dir,
            "steps_done": summary.steps_done,
            "steps_planned": summary.steps_planned,
            "evaluation": summary.evaluation,
        }));
    }
    if let Some(evaluation) = &summary.evaluation {
        out::note(&evaluation.words());
    }
    out::note(&format!("{} of {} steps", summary.steps_done, summary.steps_planned));
    out::line(&summary.model_dir.unwrap_or(summary.adapter_dir).display().to_string())
}

/// What a run would take.
fn estimate(
    model: &Model,
    request: &StartRequest,
    checked: &Checked,
    json: bool,
) -> anyhow::Result<()> {
    let (config, cache) = (&request.config, request.cache.as_deref());
    let screen = Screen::new(json);
    let found = Estimator::default().estimate(model, config, (&config.data, cache), &screen);
    screen.bar.clear();
    let Estimate {
        memory,
        time,
        steps,
        train_rows,
        held_out_rows,
        trained_parameters,
        parameters,
        changes,
    } = found?;
    let Memory { weights, adapter, kept, work, checkpoint, program } = memory;
    let Time { step_secs, training_secs, reference_secs, evaluation_secs, sample_secs } = time;
    let free = free_memory();
    if json {
        let changes: Vec<_> = changes
            .iter()
            .map(|change| json!({ "setting": change.setting, "peak_memory_bytes": change.peak }))
            .collect();
        return out::json(&json!({
            "steps": steps,
            "train_rows": train_rows,
            "held_out_rows": held_out_rows,
            "trained_parameters": trained_parameters,
            "parameters": parameters,
            "peak_memory_bytes": memory.peak(),
            "free_memory_bytes": free,
            "memory_bytes": {
                "weights": weights, "adapter": adapter, "kept": kept, "work": work,
                "checkpoint": checkpoint, "program": program,
            },
            "secs": time.total_secs(),
            "step_secs": step_secs,
            "training_secs": training_secs,
            "reference_secs": reference_secs,
            "evaluation_secs": evaluation_secs,
            "sample_secs": sample_secs,
            "changes": changes,
            "sources": checked.sources,
            "notes": checked.notes,
            "findings": checked.findings.iter().map(finding_json).collect::<Vec<_>>(),
        }));
    }
    let line = |name: &str, value: String| out::line(&format!("{name:<28}{value:>10}"));
    for (name, count) in
        [("parameters that learn", trained_parameters), ("of the model", parameters)]
    {
        line(name, thousands(count as usize))?;
    }
    line("memory at its peak", gigabytes(memory.peak()))?;
    for (name, bytes) in [
        ("  weights", weights),
        ("  adapter and optimizer", adapter),
        ("  kept for the backward pass", kept),
        ("  the layer at work", work),
        ("  a checkpoint", checkpoint),
        ("  the program", program),
    ] {
        line(name, gigabytes(bytes))?;
    }
    if let Some(free) = free {
        line("free here", gigabytes(free))?;
    }
    line(&counted(steps, "step", "steps"), format!("{:.0} s", time.total_secs()))?;
    for (name, secs) in [
        ("  a step", step_secs),
        ("  the reference", reference_secs),
        ("  measuring", evaluation_secs),
        ("  sample answers", sample_secs),
    ] {
        line(name, format!("{secs:.1} s"))?;
    }
    changes.iter().try_for_each(|change| out::line(&change.sentence()))
}
