//! Runs that were started elsewhere, as they are followed.

use std::path::{Path, PathBuf};

use super::live::{LiveRun, Phase};
use crate::elsewhere::watch::{Ended, Watched};
use crate::state::command::TrainCommand;
use crate::state::slots::Activity;
use crate::train::config::Objective;

/// How a run is to be started: as it stands in the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOnForm {
    /// `local`, or a host as ssh knows it.
    pub place: String,

    /// The Python that has TRL. Empty: `python3` there.
    pub python: String,

    /// Submitted to SLURM where `sbatch` is.
    pub slurm: bool,

    /// The base model goes along in the bundle.
    pub with_model: bool,
}

impl Default for RunOnForm {
    fn default() -> Self {
        let (place, python) = ("local".to_owned(), String::new());
        Self { place, python, slurm: true, with_model: false }
    }
}

/// A run that somebody else does.
#[derive(Clone, Debug)]
pub struct AwayRun {
    /// Its folder on this computer.
    pub bundle: PathBuf,

    /// `process 1234 on this machine`. Empty until it is started.
    pub words: String,

    /// Its curves, and how far it is.
    pub live: LiveRun,

    /// The last lines of what it says.
    pub lines: String,
    pub status: AwayStatus,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwayStatus {
    Starting,
    Running,

    /// It cannot be reached now, and why.
    Lost(String),
    Stopping,
    Finished,

    /// With this exit status.
    Died(String),

    /// It was not started, or what is known of it cannot be read.
    Failed(String),
}

impl AwayRun {
    pub fn new(bundle: PathBuf, objective: Objective) -> Self {
        let name = bundle.file_name().unwrap_or(bundle.as_os_str()).to_string_lossy().into_owned();
        Self {
            bundle,
            words: String::new(),
            live: LiveRun::new(name, objective),
            lines: String::new(),
            status: AwayStatus::Starting,
        }
    }

    pub fn name(&self) -> &str {
        &self.live.id
    }

    pub fn is_running(&self) -> bool {
        matches!(
            self.status,
            AwayStatus::Starting | AwayStatus::Running | AwayStatus::Lost(_) | AwayStatus::Stopping
        )
    }

    /// Its results are here.
    pub fn has_results(&self) -> bool {
        matches!(self.status, AwayStatus::Finished | AwayStatus::Died(_))
    }

    pub fn status_name(&self) -> &'static str {
        match self.status {
            AwayStatus::Starting => "Starting",
            AwayStatus::Running => "Running",
            AwayStatus::Lost(_) => "Not reached",
            AwayStatus::Stopping => "Stopping",
            AwayStatus::Finished => "Finished",
            AwayStatus::Died(_) => "Ended with an error",
            AwayStatus::Failed(_) => "Failed",
        }
    }

    /// What is to be known of it, where it does not simply run.
    pub fn problem(&self) -> Option<String> {
        match &self.status {
            AwayStatus::Lost(why) => Some(format!(
                "It cannot be reached now, and is tried again. It continues there as long as the \
                 machine runs. {why}"
            )),
            AwayStatus::Died(status) => Some(format!(
                "It ended with the exit status {status}. The last lines of its log say why; what it \
                 saved until then can be imported"
            )),
            AwayStatus::Failed(why) => Some(why.clone()),
            _ => None,
        }
    }

    /// `12 of 200 steps · loss 0.512`
    pub fn numbers(&self) -> String {
        if self.live.steps_planned == 0 {
            return "no step done".to_owned(); // nothing has been heard from there
        }
        let mut said = format!("{} of {} steps", self.live.steps_done(), self.live.steps_planned);
        if let Some(step) = &self.live.last_step {
            said.push_str(&format!(" · loss {:.3}", step.loss()));
        }
        said
    }

    pub fn on_watched(&mut self, seen: Watched) {
        if matches!(self.status, AwayStatus::Starting | AwayStatus::Lost(_))
            && !matches!(seen, Watched::Lost(_))
        {
            self.status = AwayStatus::Running;
        }
        match seen {
            Watched::Train(event) => self.live.on_event(*event),
            Watched::Lines(lines) => self.lines = lines,
            Watched::Lost(why) if self.status != AwayStatus::Stopping => {
                self.status = AwayStatus::Lost(why);
            }
            Watched::Lost(_) => {}
        }
    }

    pub fn ended(&mut self, ended: &Ended) {
        self.lines.clone_from(&ended.last_lines);
        self.status = if ended.is_good() {
            AwayStatus::Finished
        } else {
            AwayStatus::Died(ended.status.clone())
        };
    }

    /// Its line in the bottom bar.
    pub fn activity(&self) -> Option<Activity> {
        let stop = (self.status != AwayStatus::Stopping)
            .then(|| TrainCommand::StopAway(self.bundle.clone()).into());
        self.is_running().then(|| Activity {
            fraction: self.live.fraction().filter(|_| self.live.phase == Phase::Stepping),
            stop,
            ..Activity::new("Training elsewhere", format!("{} · {}", self.words, self.numbers()))
        })
    }
}

/// The one of a bundle.
pub fn of_bundle<'a>(all: &'a mut [AwayRun], bundle: &Path) -> Option<&'a mut AwayRun> {
    all.iter_mut().find(|run| run.bundle == bundle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::metric::Metric;
    use crate::train::record::metrics::{StepMetrics, TrainEvent};

    #[test]
    fn a_host_that_is_not_reached_is_said_until_it_is_again() {
        let mut run = AwayRun::new(PathBuf::from("/b/one"), Objective::Dpo);
        run.on_watched(Watched::Lost("no route to host".to_owned()));
        assert!(run.problem().unwrap().contains("no route to host") && run.is_running());
        assert_eq!(run.numbers(), "no step done");
        let planned = TrainEvent::Planned { steps: 4, train_rows: 8, held_out_rows: 2 };
        run.on_watched(Watched::Train(planned.into()));
        assert_eq!((run.status_name(), run.problem()), ("Running", None));
        let values = [(Metric::Loss, 0.5)].into();
        let step = StepMetrics { step: 1, values, ..StepMetrics::default() };
        run.on_watched(Watched::Train(TrainEvent::Step(step).into()));
        assert_eq!(run.numbers(), "1 of 4 steps · loss 0.500");
        assert!(run.activity().is_some_and(|activity| activity.fraction == Some(0.25)));
    }

    #[test]
    fn a_run_that_was_killed_keeps_its_last_lines_and_its_results() {
        let mut run = AwayRun::new(PathBuf::from("/b/one"), Objective::Dpo);
        let last_lines = "CUDA out of memory".to_owned();
        run.ended(&Ended { status: "137".to_owned(), last_lines });
        assert!(run.has_results() && !run.is_running() && run.activity().is_none());
        assert_eq!(run.lines, "CUDA out of memory");
        assert!(run.problem().unwrap().contains("137"));
    }
}
