//! The encoder-decoder in memory reads a text and writes an answer.

use crate::app::Workbench;
use crate::app::pace::Paced;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::encoder::Tokens;
use crate::explore::error::Error;
use crate::explore::read_write::{Piece, Source, pieces};
use crate::jobs::{Cancelled, Progress};
use crate::llm::generate::StopReason;
use crate::seq2seq::WriteEvent;
use crate::state::command::PlaygroundCommand;
use crate::state::playground::seq2seq::TextRequest;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct WriteAnswer {
    /// Which answer it belongs to.
    pub number: u64,
}

/// What is said on the way.
pub enum WriteSaid {
    Read(Source),
    Token { piece: Piece, logprob: f32 },
}

impl Work for WriteAnswer {
    type Request = TextRequest;
    type Event = WriteSaid;
    type Output = StopReason;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, on_closing: OnClosing::Wait, ..Rules::short("Answering") };

    fn run(
        request: TextRequest,
        services: &Services,
        progress: &dyn Progress<WriteSaid>,
    ) -> Result<StopReason, Error> {
        let model = services.seq2seq(request.adapter)?;
        let source = Source::of(&model, &request.text)?;
        let memory = model.read(Tokens::plain(&source.ids()), &mut |_| {})?;
        progress.emit(WriteSaid::Read(source));
        let paced =
            Paced::of(progress, &services.pace, |said| matches!(said, WriteSaid::Token { .. }));
        let say = |WriteEvent { id, logprob }: WriteEvent| {
            let piece = pieces(&model, &[id]).remove(0);
            paced.emit(WriteSaid::Token { piece, logprob });
        };
        let written = model.write_of(&memory, &request.write, &Said { say, inner: &paced })?;
        Ok(written.stop)
    }
}

/// Says the events of a part of the work in other words.
pub(super) struct Said<'a, F, E> {
    pub say: F,
    pub inner: &'a dyn Progress<E>,
}

impl<F: Fn(T), T, E> Progress<T> for Said<'_, F, E> {
    fn emit(&self, event: T) {
        (self.say)(event);
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.inner.check()
    }
}

impl Task<Workbench> for WriteAnswer {
    fn on_event(&mut self, said: WriteSaid, app: &mut Workbench) {
        let Some(state) = app.state.playground.seq2seq.of(self.number) else { return };
        match said {
            WriteSaid::Read(source) => state.source = Some(source),
            WriteSaid::Token { piece, logprob } => state.on_token(piece, logprob),
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.writing_ended(self.number);
    }

    fn done(self, stop: StopReason, app: &mut Workbench) {
        if let Some(state) = app.state.playground.seq2seq.of(self.number) {
            state.stop = Some(stop);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.tell_writing_failed("The model could not answer", &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let count = app.state.playground.seq2seq.answer.len();
        Some(stoppable("Answering", format!("{count} tokens")))
    }
}

/// The line of the bottom bar of something that "Stop writing" stops.
pub(super) fn stoppable(what: &str, detail: String) -> Activity {
    Activity { stop: Some(PlaygroundCommand::StopWriting.into()), ..Activity::new(what, detail) }
}
