//! The encoder-decoder in memory writes what stood in the hidden spans of a text.

use super::write_answer::stoppable;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::explore::error::Error;
use crate::explore::spans::{Filled, fill};
use crate::jobs::{Checks, Progress};
use crate::state::playground::seq2seq::FillRequest;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct FillSpans {
    /// Which round of the game it is.
    pub number: u64,
}

impl Work for FillSpans {
    type Request = FillRequest;
    type Event = ();
    type Output = Filled;
    type Error = Error;

    const RULES: Rules = Rules {
        takes_processor: true,
        on_closing: OnClosing::Wait,
        ..Rules::short("Filling in what is hidden")
    };

    fn run(
        FillRequest { text, hidden, write, adapter }: FillRequest,
        services: &Services,
        progress: &dyn Progress<()>,
    ) -> Result<Filled, Error> {
        let model = services.seq2seq(adapter)?;
        let filled = fill(&model, &text, &hidden, &write, &Checks(progress))?;
        // What was written up to a stop is no guess.
        progress.check()?;
        Ok(filled)
    }
}

impl Task<Workbench> for FillSpans {
    fn ended(&mut self, app: &mut Workbench) {
        app.writing_ended(self.number);
    }

    fn done(self, filled: Filled, app: &mut Workbench) {
        if let Some(state) = app.state.playground.seq2seq.of(self.number) {
            state.filled(filled);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.tell_writing_failed("The hidden words could not be filled in", &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        Some(stoppable("Filling in", "what is hidden".to_owned()))
    }
}
