//! The runs of the project, as a list shows them.

use std::path::PathBuf;

use crate::eval::comparison::Comparison;
use crate::rounds::chain::learns_from_pairs;
use crate::train::config::metric::{Metric, Said, Written};
use crate::train::config::{Objective, TrainConfig};
use crate::train::record::metrics::{EvalMetrics, StepMetrics};
use crate::train::record::notes::RunNotes;
use crate::train::record::runs::{RunEntry, RunState};

/// A run of the project.
#[derive(Clone, Debug, PartialEq)]
pub struct RunView {
    /// The name of its folder.
    pub id: String,
    pub folder: PathBuf,
    pub status: RunState,
    pub objective: Objective,

    /// The model's name.
    pub model: String,
    pub steps_done: usize,
    pub steps_planned: usize,
    pub last_step: Option<StepMetrics>,
    pub evaluation: Option<EvalMetrics>,

    /// What a person calls it and says about it.
    pub about: RunNotes,

    /// Its settings, as its run file has them.
    pub config: TrainConfig,
    pub data_sha256: String,

    /// What the adapter changed, once it was measured.
    pub comparison: Option<Comparison>,

    /// What somebody should know about it: why it failed, what was recovered.
    pub note: Option<String>,

    /// An adapter, or a model of its own, is there to be tried.
    pub usable: bool,
    pub has_adapter: bool,

    /// A checkpoint is there to resume from.
    pub resumable: bool,
}

impl From<&RunEntry> for RunView {
    fn from(entry: &RunEntry) -> Self {
        let RunEntry {
            id,
            run_dir,
            state,
            config,
            record,
            last_step,
            evaluation,
            notes,
            has_adapter,
            has_model,
            resumable_from,
        } = entry;
        let is_running = *state == RunState::Running;
        let note = match (state, resumable_from) {
            (RunState::Interrupted, Some(step)) => Some(format!(
                "The program ended during this run. What it learned up to step {step} is here"
            )),
            (RunState::Interrupted, None) => {
                Some("The program ended before this run's first checkpoint".to_owned())
            }
            _ => record.message.clone(),
        };
        Self {
            id: id.clone(),
            folder: run_dir.clone(),
            status: *state,
            objective: config.objective,
            model: record.model.name.clone(),
            steps_done: record.steps_done,
            steps_planned: record.steps_planned,
            last_step: last_step.clone(),
            evaluation: evaluation.clone(),
            about: notes.clone(),
            config: config.clone(),
            data_sha256: record.data_sha256.clone(),
            comparison: None, // the app reads it
            note,
            usable: (*has_adapter || *has_model) && !is_running,
            has_adapter: *has_adapter && !is_running,
            resumable: resumable_from.is_some(),
        }
    }
}

impl RunView {
    /// What the person calls it, else its folder's name.
    pub fn name(&self) -> &str {
        if self.about.title.is_empty() { &self.id } else { &self.about.title }
    }

    /// Whether its model can answer prompts for a next run.
    pub fn begins_rounds(&self) -> bool {
        self.has_adapter && learns_from_pairs(&self.config)
    }

    /// Its status in a word.
    pub fn status_name(&self) -> &'static str {
        match self.status {
            RunState::Running => "Running",
            RunState::Finished => "Finished",
            RunState::Stopped => "Stopped",
            RunState::Interrupted => "Interrupted",
            RunState::Failed => "Failed",
        }
    }

    /// `20 of 60 steps · loss 0.412 · held-out reward accuracy 83 %`.
    pub fn numbers(&self) -> String {
        let mut parts = vec![format!("{} of {} steps", self.steps_done, self.steps_planned)];
        if let Some(step) = &self.last_step {
            parts.push(format!("loss {:.3}", step.loss()));
        }
        parts.extend(self.evaluation.as_ref().map(told_by));
        parts.join(" · ")
    }
}

/// What tells most of an evaluation: what the command line says of it, else its loss.
fn told_by(evaluation: &EvalMetrics) -> String {
    let said = |metric: &Metric| {
        let of_rows = *metric != Metric::NeutralPerplexity;
        metric.facts().said == Said::OfEvaluations && of_rows || *metric == Metric::Reward
    };
    let found = evaluation.values.iter().find(|(metric, _)| said(metric));
    let (metric, value) = found.unwrap_or_else(|| (Metric::Loss, evaluation.loss()));
    let title = metric.facts().title.to_lowercase();
    match metric.facts().written {
        // Non-breaking: a line that begins with "%" is hard to read.
        Written::Percent => format!("held-out {title} {:.0}\u{a0}%", value * 100.0),
        Written::Plain | Written::Scientific => format!("held-out {title} {value:.3}"),
    }
}
