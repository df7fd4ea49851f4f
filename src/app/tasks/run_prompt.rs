//! Runs a prompt or a chain with the model in memory, and keeps what it did.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::errors::one_line;
use crate::jobs::Progress;
use crate::llm::generate::AdapterMode;
use crate::prompts::error::PromptError;
use crate::prompts::record::Record;
use crate::prompts::run::{RunEvent, RunRequest, run};
use crate::prompts::writer::ModelWriter;
use crate::state::command::{Command, PlaygroundCommand};
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct RunPrompt {
    /// Which prompt it is.
    pub number: u64,
}

impl Work for RunPrompt {
    type Request = (RunRequest, AdapterMode);
    type Event = RunEvent;
    type Output = Record;
    type Error = PromptError;

    const RULES: Rules = Rules {
        takes_processor: true,
        on_closing: OnClosing::Wait,
        ..Rules::short("Running the prompt")
    };

    fn run(
        (request, mode): (RunRequest, AdapterMode),
        services: &Services,
        progress: &dyn Progress<RunEvent>,
    ) -> Result<Record, PromptError> {
        let (model, adapter) = (services.model()?, services.adapter_if(mode));
        let writer = ModelWriter { model: &model, adapter: adapter.as_deref() };
        run(&request, &writer, progress)
    }
}

impl Task<Workbench> for RunPrompt {
    fn on_event(&mut self, event: RunEvent, app: &mut Workbench) {
        if let Some(open) = app.state.playground.library.of(self.number) {
            open.on_event(event);
        }
    }

    fn done(self, record: Record, app: &mut Workbench) {
        if let Some(open) = app.state.playground.library.of(self.number) {
            open.run_done(&record);
        }
    }

    fn failed(self, error: PromptError, app: &mut Workbench) {
        if let Some(open) = app.state.playground.library.of(self.number) {
            open.run_failed(one_line(&error));
        }
    }

    fn crashed(self, message: &str, app: &mut Workbench) {
        if let Some(open) = app.state.playground.library.of(self.number) {
            open.run_failed(message.to_owned());
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let open = app.state.playground.library.open.as_ref()?;
        let run = open.run.as_ref()?;
        let detail = format!("step {} of {}", run.steps.len().max(1), run.step_count);
        Some(Activity {
            stop: Some(Command::Playground(PlaygroundCommand::StopPrompt)),
            ..Activity::new("Running the prompt", detail)
        })
    }
}
