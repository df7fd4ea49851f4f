//! Asks the same prompt many times, for the Playground.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::llm;
use crate::llm::generate::repeats::{RepeatsEvent, RepeatsRequest, repeats};
use crate::state::command::{Command, PlaygroundCommand};
use crate::state::notice::Notice;
use crate::state::prefs::{Guessing, PanelId};
use crate::state::slots::Activity;

pub struct RepeatPrompt {
    /// Which grid it fills.
    pub number: u64,
}

impl Work for RepeatPrompt {
    /// With what guesses the next tokens.
    type Request = (RepeatsRequest, Guessing);
    type Event = RepeatsEvent;
    type Output = ();
    type Error = llm::Error;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short("Repeating the prompt") };

    fn run(
        (request, guessing): (RepeatsRequest, Guessing),
        services: &Services,
        progress: &dyn Progress<RepeatsEvent>,
    ) -> Result<(), llm::Error> {
        let (model, adapter) = (services.model()?, services.adapter());
        let guesser = services.guesser(&guessing, &model, progress)?;
        repeats((&model, adapter.as_deref()), guesser.guesser(), &request, progress)
    }
}

impl Task<Workbench> for RepeatPrompt {
    fn on_event(&mut self, event: RepeatsEvent, app: &mut Workbench) {
        let Some(model) = app.state.model.ready() else { return };
        if let Some(repeats) = app.state.playground.repeats.of(self.number) {
            repeats.on_event(event, &model.tokenizer);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(repeats) = app.state.playground.repeats.of(self.number) {
            repeats.ended();
        }
    }

    fn done(self, (): (), _app: &mut Workbench) {}

    fn failed(self, error: llm::Error, app: &mut Workbench) {
        if !matches!(error, llm::Error::Cancelled(_)) {
            let summary = "The prompt could not be repeated";
            app.state.notices.push(Notice::error(PanelId::Playground, summary, &error));
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let (done, total) = app.state.playground.repeats.progress();
        Some(Activity {
            fraction: Some(done as f32 / total.max(1) as f32),
            stop: Some(Command::Playground(PlaygroundCommand::StopRepeats)),
            ..Activity::new("Repeating the prompt", format!("{done} of {total} answers"))
        })
    }
}
