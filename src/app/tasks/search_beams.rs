//! The encoder-decoder in memory searches for the likeliest answers.

use super::write_answer::{Said, stoppable};
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::explore::beams::{BeamNode, BeamView, beams};
use crate::explore::error::Error;
use crate::explore::read_write::Source;
use crate::jobs::Progress;
use crate::state::playground::seq2seq::SearchRequest;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct SearchBeams {
    /// Which search it is.
    pub number: u64,
}

/// What is said on the way.
pub enum SearchSaid {
    Read(Source),
    Step(Vec<BeamNode>),
}

impl Work for SearchBeams {
    type Request = SearchRequest;
    type Event = SearchSaid;
    type Output = BeamView;
    type Error = Error;

    const RULES: Rules = Rules {
        takes_processor: true,
        on_closing: OnClosing::Wait,
        ..Rules::short("Searching for answers")
    };

    fn run(
        request: SearchRequest,
        services: &Services,
        progress: &dyn Progress<SearchSaid>,
    ) -> Result<BeamView, Error> {
        let model = services.seq2seq(request.adapter)?;
        let source = Source::of(&model, &request.text)?;
        progress.emit(SearchSaid::Read(source.clone()));
        let say = |nodes: Vec<BeamNode>| progress.emit(SearchSaid::Step(nodes));
        beams(&model, &source, &request.settings, &Said { say, inner: progress })
    }
}

impl Task<Workbench> for SearchBeams {
    fn on_event(&mut self, said: SearchSaid, app: &mut Workbench) {
        let Some(state) = app.state.playground.seq2seq.of(self.number) else { return };
        match said {
            SearchSaid::Read(source) => state.beams.source = Some(source),
            SearchSaid::Step(nodes) => state.on_step(nodes),
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.writing_ended(self.number);
    }

    fn done(self, view: BeamView, app: &mut Workbench) {
        if let Some(state) = app.state.playground.seq2seq.of(self.number) {
            state.beams.tree = view;
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.tell_writing_failed("The search has failed", &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let state = &app.state.playground.seq2seq;
        let (steps, most) = (state.beams.tree.steps(), app.state.prefs.max_new_tokens);
        Some(stoppable("Searching", format!("step {steps} of {most} at most")))
    }
}
