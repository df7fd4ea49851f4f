//! `tuning-fork train`: what the Train panel would run, from a file that the panel can save.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use time::OffsetDateTime;

use super::load::load_model;
use super::out;
use super::progress::Bar;
use crate::jobs::{Cancelled, Progress};
use crate::llm::Weights;
use crate::train;
use crate::train::TrainRequest;
use crate::train::config::TrainConfig;
use crate::train::metrics::{EvalMetrics, StepMetrics, TrainEvent};
use crate::train::run_file;
use crate::train::runs;

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The run file: TRL's and PEFT's keys, as TOML
    run: PathBuf,

    /// The run's folder; without it, a new one under runs/ in the current folder
    #[arg(long)]
    out: Option<PathBuf>,

    /// Go on from the checkpoint in the run's folder
    #[arg(long, requires = "out")]
    resume: bool,

    /// Print each step's metrics, and the result at the end, as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    let config = run_file::read(&args.run)?;
    let problems = config.problems();
    if let Some(problem) = problems.first() {
        anyhow::bail!("{}: {} {}", args.run.display(), problem.field, problem.message);
    }
    let model = load_model(&config.model, Weights::F32)?;
    let run_dir = args.out.clone().unwrap_or_else(|| default_run_dir(&config));
    let screen = Screen::new(args.json);
    let request = TrainRequest { config, run_dir, resume: args.resume };
    let summary = train::run(&model, &request, &screen);
    screen.bar.clear();
    if let Some(error) = screen.broken.into_inner() {
        return Err(error);
    }
    let summary = summary?;
    if args.json {
        return out::json(&json!({
            "run_dir": summary.run_dir,
            "adapter": summary.adapter_dir,
            "steps_done": summary.steps_done,
            "steps_planned": summary.steps_planned,
            "evaluation": summary.evaluation,
        }));
    }
    if let Some(evaluation) = &summary.evaluation {
        out::note(&eval_line(evaluation));
    }
    out::note(&format!("{} of {} steps", summary.steps_done, summary.steps_planned));
    out::line(&summary.adapter_dir.display().to_string())
}

/// `runs/<id>` in the current folder, as in a project.
fn default_run_dir(config: &TrainConfig) -> PathBuf {
    let project = Path::new(".");
    let id = runs::new_run_id(project, config.objective, OffsetDateTime::now_utc());
    runs::runs_dir(project).join(id)
}

/// Steps as a bar, or as JSON Lines.
struct Screen {
    bar: Bar,
    json: bool,
    planned: RefCell<usize>,
    broken: RefCell<Option<anyhow::Error>>,
}

impl Screen {
    fn new(json: bool) -> Self {
        Self { bar: Bar::new(), json, planned: RefCell::new(0), broken: RefCell::new(None) }
    }

    fn print(&self, result: anyhow::Result<()>) {
        if let Err(error) = result {
            self.broken.borrow_mut().get_or_insert(error);
        }
    }
}

impl Progress<TrainEvent> for Screen {
    fn emit(&self, event: TrainEvent) {
        match event {
            TrainEvent::Preparing { what, done, total } => {
                self.bar.count(&what, done as u64, total as u64);
            }
            TrainEvent::Planned { steps, train_rows, held_out_rows } => {
                *self.planned.borrow_mut() = steps;
                self.bar.note(&format!(
                    "{steps} steps on {train_rows} rows, {held_out_rows} rows held out"
                ));
            }
            TrainEvent::Warning(text) => self.bar.note(&format!("warning: {text}")),
            TrainEvent::Step(step) => {
                if self.json {
                    self.print(out::json(&step));
                }
                let total = *self.planned.borrow() as u64;
                self.bar.count(&step_words(&step), step.step as u64, total);
            }
            TrainEvent::Evaluated(evaluation) => {
                if self.json {
                    self.print(out::json(&evaluation));
                }
                self.bar.note(&eval_line(&evaluation));
            }
            TrainEvent::Saved { .. } => {}
            TrainEvent::Sampled(sample) => self.bar.note(&format!(
                "After step {}, asked {:?}:\n{}",
                sample.step, sample.prompt, sample.answer
            )),
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.broken.borrow().is_some() { Err(Cancelled) } else { Ok(()) }
    }
}

fn step_words(step: &StepMetrics) -> String {
    let secs = step.step_secs;
    let loss = format!("loss {:.4} · {secs:.1} s a step", step.loss);
    match &step.preference {
        Some(preference) => format!("{loss} · margin {:.3}", preference.rewards_margins),
        None => loss,
    }
}

fn eval_line(evaluation: &EvalMetrics) -> String {
    let words = format!(
        "after step {}: loss {:.4} on {} held-out rows",
        evaluation.step, evaluation.loss, evaluation.pair_count
    );
    match evaluation.rewards_accuracies {
        Some(accuracy) => format!("{words}, reward accuracy {accuracy:.2}"),
        None => words,
    }
}
