//! `tuning-fork train` for models that learn from texts: labels, numbers, hidden words, answers of
//! encoder-decoders.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::out;
use super::train_screen::{Screen, default_run_dir, finding_json, table};
use crate::hub::resolve::resolve_model;
use crate::jobs;
use crate::memory::free_memory;
use crate::train::classify;
use crate::train::classify::setup::{Checked, Memory};
use crate::train::config::TrainConfig;
use crate::train::record::confusion::{Confusion, Tested};
use crate::train::run::{ResumeRequest, StartRequest};
use crate::words::{counted, gigabytes};

/// The model that learns from texts; `None`: the run learns something else, or its model is not here.
pub(super) fn model(config: &TrainConfig) -> Option<PathBuf> {
    let found = resolve_model(&config.model).ok()?;
    classify::is_of_texts(config, &found).then_some(found)
}

/// Where the run is to be, and how it is told of.
pub(super) struct Asked<'a> {
    pub out: Option<&'a Path>,
    pub resumes: bool,
    pub json: bool,
}

impl Asked<'_> {
    fn run_dir(&self, config: &TrainConfig) -> PathBuf {
        self.out.map_or_else(|| default_run_dir(config), Path::to_owned)
    }
}

/// Only says what the run would take, and what it would be refused for.
pub(super) fn dry_run(asked: &Asked<'_>, config: TrainConfig, folder: &Path) -> anyhow::Result<()> {
    let screen = Screen::new(asked.json);
    let run_dir = asked.run_dir(&config);
    let request = StartRequest { config, run_dir, cache: None };
    let checked = classify::setup::check_start(folder, &request, &screen);
    screen.bar.clear();
    let mut checked = checked?;
    checked.tell(&screen);
    estimate(&mut checked, asked.json)
}

pub(super) fn run(asked: &Asked<'_>, config: TrainConfig, folder: &Path) -> anyhow::Result<()> {
    let screen = Screen::new(asked.json);
    let run_dir = asked.run_dir(&config);
    jobs::give_way();
    let summary = if asked.resumes {
        let request = ResumeRequest { run_dir, cache: None, unused: Some(config) };
        classify::resume(folder, &request, &screen)
    } else {
        classify::start(folder, &StartRequest { config, run_dir, cache: None }, &screen)
    };
    screen.bar.clear();
    if let Some(error) = screen.broken.into_inner() {
        return Err(error);
    }
    let summary = summary?;
    let tested = Tested::read(&summary.run_dir);
    if asked.json {
        return out::json(&json!({
            "run_dir": summary.run_dir,
            "adapter": summary.model_dir.is_none().then_some(&summary.adapter_dir),
            "model": summary.model_dir,
            "steps_done": summary.steps_done,
            "steps_planned": summary.steps_planned,
            "evaluation": summary.evaluation,
            "best": summary.best,
            "test": tested,
        }));
    }
    if let Some(reason) = &summary.stopped_early {
        out::note(reason);
    }
    if let Some(confusion) = Confusion::read(&summary.run_dir).last() {
        out::note(&table(confusion));
    }
    if let Some(evaluation) = &summary.evaluation {
        out::note(&evaluation.words());
    }
    out::note(&format!("{} of {} steps", summary.steps_done, summary.steps_planned));
    out::line(&summary.run_dir.display().to_string())
}

/// What a run would take.
fn estimate(checked: &mut Checked, json: bool) -> anyhow::Result<()> {
    let step_secs = checked.step_secs()?;
    let Checked { plan, parts, labels, memory, findings, notes, .. } = checked;
    let Memory { weights, learning, kept } = *memory;
    let secs = step_secs * plan.steps as f64;
    let names = labels.as_ref().map(|labels| labels.names.clone()).unwrap_or_default();
    let free = free_memory();
    if json {
        return out::json(&json!({
            "steps": plan.steps,
            "train_rows": parts.train.len(),
            "held_out_rows": parts.validation.len(),
            "test_rows": parts.test.len(),
            "labels": names,
            "peak_memory_bytes": memory.peak(),
            "free_memory_bytes": free,
            "memory_bytes": { "weights": weights, "learning": learning, "kept": kept },
            "secs": secs,
            "step_secs": step_secs,
            "notes": notes,
            "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
        }));
    }
    let line = |name: &str, value: String| out::line(&format!("{name:<34}{value:>10}"));
    line("texts to train on", parts.train.len().to_string())?;
    line("texts to validate with", parts.validation.len().to_string())?;
    line("texts of the test part", parts.test.len().to_string())?;
    if !names.is_empty() {
        out::line(&format!("labels: {}", names.join(", ")))?;
    }
    line("memory at its peak", gigabytes(memory.peak()))?;
    line("  weights", gigabytes(weights))?;
    line("  gradients and optimizer", gigabytes(learning))?;
    line("  kept for the backward pass", gigabytes(kept))?;
    if let Some(free) = free {
        line("free here", gigabytes(free))?;
    }
    line(&counted(plan.steps, "step", "steps"), format!("{secs:.0} s"))?;
    line("  a step", format!("{step_secs:.2} s"))
}
