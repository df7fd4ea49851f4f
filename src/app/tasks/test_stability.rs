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

pub struct TestStability {
    pub folder: PathBuf,
    pub at: Option<Testing>,
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
    fn on_event(&mut self, event: Testing, _app: &mut Workbench) {
        self.at = Some(event);
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
        let stop = Some(Command::Evaluate(EvaluateCommand::StopTests));
        let Some(Testing { test, done, total }) = self.at else {
            return Some(Activity {
                stop,
                ..Activity::new("Testing the stability", "reading the table".to_owned())
            });
        };
        Some(Activity {
            fraction: Some(done as f32 / total.max(1) as f32),
            stop,
            ..Activity::new("Testing the stability", format!("{test}: {done} of {total} answers"))
        })
    }
}
