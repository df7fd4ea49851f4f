//! Tests whether the loaded model follows the codebook of an evaluation, and whether its answers stay
//! when only the form of the question changes.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::evaluate::asking::error::AskError;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::results::folder::{Folder, FolderError};
use crate::evaluate::results::reproduce::task_of;
use crate::evaluate::stability::StabilityError;
use crate::evaluate::stability::testing::{self, Settings, Testing};
use crate::jobs::{Checks, Progress};
use crate::llm;
use crate::llm::generate::AdapterMode;
use crate::state::command::{Command, EvaluateCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::words::duration;

pub struct TestStability {
    folder: PathBuf,
    at: Option<Testing>,

    /// When the first answers were there, in the host's seconds, and how many.
    since: Option<(f64, usize)>,
    secs_left: Option<f64>,
}

impl TestStability {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, at: None, since: None, secs_left: None }
    }

    fn note(&mut self, now: f64, testing: Testing) {
        let (then, before) = *self.since.get_or_insert((now, testing.done));
        let (secs, asked) = (now - then, testing.done - before);
        let left = (testing.total - testing.done) as f64;
        self.secs_left = (asked > 0).then(|| secs / asked as f64 * left);
        self.at = Some(testing);
    }

    /// `Definitions: 123 of 790 answers · 3 min left`.
    fn words(&self) -> String {
        let Some(Testing { test, done, total }) = self.at else {
            return "reading the table".to_owned();
        };
        let left = self.secs_left.map(|secs| format!(" · {} left", duration(secs)));
        format!("{test}: {done} of {total} answers{}", left.unwrap_or_default())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TestStabilityError {
    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error(transparent)]
    Ask(#[from] AskError),

    #[error(transparent)]
    Stability(#[from] StabilityError),

    #[error("the model could not be used")]
    Model(#[source] llm::Error),

    #[error("the answers are those of {name}, and another model is loaded: load {name} first")]
    OtherModel { name: String },
}

impl TestStabilityError {
    fn is_stop(&self) -> bool {
        match self {
            Self::Ask(error) | Self::Stability(StabilityError::Ask(error)) => error.is_stop(),
            Self::Model(source) => matches!(source, llm::Error::Cancelled(_)),
            _ => false,
        }
    }
}

impl Work for TestStability {
    type Request = PathBuf;
    type Event = Testing;
    type Output = ();
    type Error = TestStabilityError;

    const RULES: Rules =
        Rules { takes_processor: true, gives_way: true, ..Rules::short("Testing the stability") };

    fn run(
        folder: PathBuf,
        services: &Services,
        progress: &dyn Progress<Testing>,
    ) -> Result<(), TestStabilityError> {
        let (evaluation, _) = Folder::read(&folder)?;
        let mode = match &evaluation.adapter_sha256 {
            Some(_) => AdapterMode::On,
            None => AdapterMode::Off,
        };
        let model = services.respondent(mode).map_err(TestStabilityError::Model)?;
        let loaded = model.adapter_sha256();
        if model.identity().sha256 != evaluation.model.sha256 {
            return Err(TestStabilityError::OtherModel { name: evaluation.model.name });
        }
        if loaded != evaluation.adapter_sha256 {
            let name = format!("{} with its adapter", evaluation.model.name);
            return Err(TestStabilityError::OtherModel { name });
        }
        let task = task_of(&folder, &evaluation);
        let prepared = Prepared::read(&task, &Checks(progress))?;
        let settings = Settings::default();
        let found = testing::run((&model, model.identity()), &prepared, &settings, progress)?;
        Ok(found.save(&folder)?)
    }
}

impl Task<Workbench> for TestStability {
    fn on_event(&mut self, event: Testing, app: &mut Workbench) {
        self.note(app.host.seconds(), event);
    }

    fn done(self, (): (), app: &mut Workbench) {
        // The report shows it from now on.
        app.handle(Command::Evaluate(EvaluateCommand::Report(self.folder)));
    }

    fn failed(self, error: TestStabilityError, app: &mut Workbench) {
        if !error.is_stop() {
            let summary = "The stability could not be tested";
            app.state.notices.push(Notice::error(PanelId::Evaluate, summary, &error));
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        let share = |at: Testing| at.done as f32 / at.total.max(1) as f32;
        Some(Activity {
            fraction: self.at.map(share),
            stop: Some(Command::Evaluate(EvaluateCommand::StopTests)),
            ..Activity::new("Testing the stability", self.words())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_it_takes_is_said_once_answers_have_come() {
        let mut task = TestStability::new(PathBuf::from("tone"));
        assert_eq!(task.words(), "reading the table");
        let at = |done| Testing { test: "Definitions", done, total: 100 };
        task.note(50.0, at(1));
        assert_eq!(task.words(), "Definitions: 1 of 100 answers");
        // 20 answers in 10 s: 79 more take 39.5 s.
        task.note(60.0, at(21));
        assert_eq!(task.words(), "Definitions: 21 of 100 answers · 40 s left");
    }
}
