//! The run that is under way, or the one that has just ended.

use super::asides::Asides;
use super::curves::Curves;
use super::form::units;
use super::samples::SampleBook;
use crate::state::command::{Command, TrainCommand};
use crate::state::slots::Activity;
use crate::train::config::Objective;
use crate::train::record::confusion::{Confusion, Tested};
use crate::train::record::metrics::{EvalMetrics, RunSummary, StepMetrics, TrainEvent};
use crate::train::record::round::Round;
use crate::words;

/// How much the latest step counts in the smoothed seconds a step. 0.2: five steps of memory.
const SMOOTHING: f64 = 0.2;

/// A step counts as this many of those before it at most: a computer that slept in the middle of one says nothing
/// of the steps to come. One that has become slower is known within a few steps all the same.
const OUTLIER: f64 = 4.0;

/// A run since it was started in this window.
#[derive(Clone, Debug)]
pub struct LiveRun {
    /// The name of its folder under `runs/`.
    pub id: String,
    pub objective: Objective,

    /// What one row is called, and several.
    pub units: (&'static str, &'static str),

    /// The loss before the first step, where it follows from the settings.
    pub loss_at_start: Option<f64>,
    pub phase: Phase,

    /// The person asked it to rest; it does as soon as the step under way is done.
    pub paused: bool,
    pub steps_planned: usize,
    pub train_rows: usize,
    pub held_out_rows: usize,
    pub curves: Curves,
    pub last_step: Option<StepMetrics>,

    /// What the fixed prompt was answered, in the order of the steps.
    pub samples: SampleBook,

    /// Of GRPO and RLOO: the answers of the latest round.
    pub round: Option<Round>,

    /// The KL leash, as it was set last.
    pub leash: Option<f64>,

    /// What takes time within a step: `Sampling answers · 512 of 2,048 tokens`.
    pub doing: Option<String>,

    /// The measurement before the first step, where the engine made one.
    pub evaluation_before: Option<EvalMetrics>,
    pub evaluation: Option<EvalMetrics>,

    /// Smoothed.
    pub step_secs: Option<f64>,

    /// The sum over all steps.
    pub total_secs: f64,

    /// What else it does between steps, and how long that takes.
    pub asides: Asides,

    /// The last step that could be resumed from.
    pub saved_step: Option<usize>,

    /// Which labels the held-out texts were given at the last evaluation.
    pub confusion: Option<Confusion>,

    /// What the test part says, after the last step.
    pub tested: Option<Tested>,
    pub warnings: Vec<String>,
}

/// Where a run stands.
#[expect(clippy::large_enum_variant, reason = "there is one")]
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Before the first step: `what`, `done` of `total` of what `unit` names.
    Preparing {
        what: String,
        done: usize,
        total: usize,
        unit: &'static str,
        secs_left: Option<f64>,
    },
    Stepping,

    /// Asked to stop; the step under way is finished first.
    Stopping,
    Done(RunSummary),

    /// A sentence. The notice has the rest.
    Failed(String),
}

impl LiveRun {
    pub fn new(id: impl Into<String>, objective: Objective) -> Self {
        Self {
            id: id.into(),
            objective,
            units: units(objective),
            loss_at_start: None,
            phase: Phase::Preparing {
                what: "Preparing".to_owned(),
                done: 0,
                total: 0,
                unit: "",
                secs_left: None,
            },
            paused: false,
            steps_planned: 0,
            train_rows: 0,
            held_out_rows: 0,
            curves: Curves::default(),
            last_step: None,
            samples: SampleBook::default(),
            round: None,
            leash: None,
            doing: None,
            evaluation_before: None,
            evaluation: None,
            step_secs: None,
            total_secs: 0.0,
            asides: Asides::default(),
            saved_step: None,
            confusion: None,
            tested: None,
            warnings: Vec::new(),
        }
    }

    pub fn is_running(&self) -> bool {
        match self.phase {
            Phase::Preparing { .. } | Phase::Stepping | Phase::Stopping => true,
            Phase::Done(_) | Phase::Failed(_) => false,
        }
    }

    pub fn steps_done(&self) -> usize {
        self.last_step.as_ref().map_or(0, |step| step.step)
    }

    pub(super) fn on_event(&mut self, event: TrainEvent) {
        match event {
            TrainEvent::Preparing { what, done, total, unit, .. } if self.last_step.is_some() => {
                self.doing = Some(format!("{what} · {}", count_text(done, total, unit)));
            }
            TrainEvent::Preparing { what, done, total, unit, secs_left } => {
                if !matches!(self.phase, Phase::Stopping) {
                    self.phase = Phase::Preparing { what, done, total, unit, secs_left };
                }
            }
            TrainEvent::Planned { steps, train_rows, held_out_rows } => {
                self.steps_planned = steps;
                self.train_rows = train_rows;
                self.held_out_rows = held_out_rows;
            }
            TrainEvent::Warning(warning) => {
                if !self.warnings.contains(&warning) {
                    self.warnings.push(warning);
                }
            }
            TrainEvent::Landmarks(landmarks) => self.curves.landmarks = Some(landmarks),
            // Whoever wants to know surveys the data.
            TrainEvent::Noted(_) => {}
            TrainEvent::Step(metrics) => self.on_step(metrics),
            TrainEvent::Evaluated(metrics) => {
                self.curves.push_evaluation(&metrics);
                if metrics.step == 0 {
                    self.evaluation_before = Some(metrics.clone());
                }
                self.evaluation = Some(metrics);
            }
            TrainEvent::Answered(round) => {
                self.doing = None;
                self.round = Some(*round);
            }
            TrainEvent::Confused(confusion) => self.confusion = Some(confusion),
            TrainEvent::Tested(tested) => self.tested = Some(tested),
            TrainEvent::Sampled(sample) => self.samples.push(sample),
            TrainEvent::Aside { what, secs } => self.asides.add(what, secs),
            TrainEvent::Saved { step } => self.saved_step = Some(step),
        }
    }

    fn on_step(&mut self, metrics: StepMetrics) {
        if !matches!(self.phase, Phase::Stopping) {
            self.phase = Phase::Stepping;
        }
        self.curves.push(&metrics);
        let secs = metrics.step_secs;
        self.step_secs = Some(match self.step_secs {
            Some(mean) if mean > 0.0 => mean + SMOOTHING * (secs.min(OUTLIER * mean) - mean),
            _ => secs,
        });
        self.total_secs += secs;
        self.doing = None;
        self.last_step = Some(metrics);
    }

    /// How far the run is, 0 to 1.
    pub fn fraction(&self) -> Option<f32> {
        let (done, total) = match &self.phase {
            Phase::Preparing { done, total, .. } => (*done, *total),
            _ => (self.steps_done(), self.steps_planned),
        };
        (total > 0).then(|| (done as f32 / total as f32).min(1.0))
    }

    /// `Step 12 of 200 · 3.4 s a step · 11 min left`, or what happens before the first step.
    pub fn headline(&self) -> String {
        match &self.phase {
            Phase::Preparing { what, done, total, unit, .. } if self.paused => {
                format!("Paused · {what} · {}", count_text(*done, *total, unit))
            }
            Phase::Stepping if self.paused => self.paused_text(),
            Phase::Preparing { what, total: 0, .. } => format!("{what}…"),
            Phase::Preparing { what, done, total, unit, secs_left } => {
                let count = count_text(*done, *total, unit);
                format!("{what} · {count}{}", left_text(*secs_left))
            }
            Phase::Stepping => self.progress_text("Step"),
            Phase::Stopping => format!(
                "Stopping after this step · {} of {} done",
                self.steps_done(),
                words::counted(self.steps_planned, "step", "steps")
            ),
            Phase::Done(RunSummary {
                stopped_early: Some(_), steps_done, steps_planned, ..
            }) => {
                format!("Stopped early at step {steps_done} of {steps_planned}")
            }
            Phase::Done(summary) if summary.steps_done < summary.steps_planned => {
                format!("Stopped at step {} of {}", summary.steps_done, summary.steps_planned)
            }
            Phase::Done(summary) => match summary.steps_done {
                1 => "Finished 1 step".to_owned(),
                steps => format!("Finished {steps} steps"),
            },
            Phase::Failed(_) => match self.steps_done() {
                0 => "Failed before the first step".to_owned(),
                1 => "Failed after 1 step".to_owned(),
                steps => format!("Failed after {steps} steps"),
            },
        }
    }

    fn progress_text(&self, word: &str) -> String {
        let (done, planned) = (self.steps_done(), self.steps_planned);
        let Some(step_secs) = self.step_secs else {
            return format!("{word} {done} of {planned}");
        };
        let steps = planned.saturating_sub(done) as f64 * step_secs;
        let left = steps + self.asides.secs_left(done, planned, self.held_out_rows > 0);
        let pace = pace_text(step_secs);
        format!("{word} {done} of {planned} · {pace} · {} left", words::duration(left))
    }

    /// Everything is in memory, and nothing is computed.
    fn paused_text(&self) -> String {
        format!("Paused at step {} of {}", self.steps_done(), self.steps_planned)
    }

    /// Its line in the bottom bar.
    pub fn activity(&self) -> Option<Activity> {
        let detail = match &self.phase {
            Phase::Preparing { .. } | Phase::Stepping if self.paused => {
                lower_first(&self.paused_text())
            }
            Phase::Preparing { what, total: 0, .. } => lower_first(what),
            Phase::Preparing { .. } => lower_first(&self.headline()),
            Phase::Stepping => self.progress_text("step"),
            Phase::Stopping => "stopping after this step".to_owned(),
            Phase::Done(_) | Phase::Failed(_) => return None,
        };
        Some(Activity {
            fraction: self.fraction(),
            stop: Some(Command::Train(TrainCommand::Stop)),
            ..Activity::new("Training", detail)
        })
    }
}

/// `512 of 2,048 tokens`.
fn count_text(done: usize, total: usize, unit: &str) -> String {
    format!("{} of {} {unit}", words::thousands(done), words::thousands(total))
}

/// ` · 11 min left`, where that is known.
fn left_text(secs: Option<f64>) -> String {
    secs.map_or_else(String::new, |secs| format!(" · {} left", words::duration(secs)))
}

/// `3.4 s a step`, `120 ms a step`.
fn pace_text(step_secs: f64) -> String {
    match step_secs {
        secs if secs < 0.1 => format!("{:.0} ms a step", secs * 1000.0),
        secs if secs < 60.0 => format!("{secs:.1} s a step"),
        secs => format!("{} a step", words::duration(secs)),
    }
}

/// Only where the first word is not an abbreviation.
fn lower_first(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}
