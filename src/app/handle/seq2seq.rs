//! The Playground of an encoder-decoder.

use crate::app::tasks::fill_spans::FillSpans;
use crate::app::tasks::search_beams::SearchBeams;
use crate::app::tasks::watch_cross_attention::WatchCrossAttention;
use crate::app::tasks::write_answer::WriteAnswer;
use crate::app::{Outward, Workbench};
use crate::explore::error::Error;
use crate::state::AppState;
use crate::state::notice::Notice;
use crate::state::playground::seq2seq::Seq2SeqView;
use crate::state::prefs::PanelId;

impl Workbench {
    /// Does what the view in front is for.
    pub(super) fn read_and_write(&mut self) {
        self.state.notices.clear(PanelId::Playground);
        let AppState { prefs, model, adapter, playground, .. } = &mut self.state;
        if model.encoder_decoder().is_none() {
            return;
        }
        let (seq2seq, text, seed) = (&mut playground.seq2seq, &playground.prompt, playground.seed);
        if let Some(reason) = seq2seq.obstacle(text) {
            self.state.notices.push(Notice::problem(PanelId::Playground, reason));
            return;
        }
        seq2seq.use_adapter(adapter.mode());
        match seq2seq.view {
            Seq2SeqView::Answer | Seq2SeqView::CrossAttention => {
                self.tasks.drop_all::<WatchCrossAttention>();
                let (number, request) = seq2seq.begin_answer(text, prefs, seed);
                self.start(WriteAnswer { number }, request);
            }
            Seq2SeqView::Beams => {
                let (number, request) = seq2seq.begin_search(text, prefs);
                self.start(SearchBeams { number }, request);
            }
            Seq2SeqView::Spans => {
                let (number, request) = seq2seq.begin_fill(prefs, seed);
                self.start(FillSpans { number }, request);
            }
        }
    }

    pub(super) fn stop_writing(&self) {
        self.tasks.stop::<WriteAnswer>();
        self.tasks.stop::<SearchBeams>();
        self.tasks.stop::<FillSpans>();
    }

    pub(super) fn watch_cross_attention(&mut self) {
        let seq2seq = &mut self.state.playground.seq2seq;
        let Some(request) = seq2seq.cross_due() else { return };
        seq2seq.cross.is_asked = true;
        let number = seq2seq.number();
        self.outward.push(Outward::Repaint);
        self.start_instead(WatchCrossAttention { number }, request);
    }

    /// Another model comes: nobody waits for what this one writes.
    pub(super) fn drop_writing(&mut self) {
        self.tasks.drop_all::<WriteAnswer>();
        self.tasks.drop_all::<SearchBeams>();
        self.tasks.drop_all::<FillSpans>();
        self.tasks.drop_all::<WatchCrossAttention>();
        self.state.playground.seq2seq.forget();
    }

    pub(in crate::app) fn writing_ended(&mut self, number: u64) {
        if let Some(state) = self.state.playground.seq2seq.of(number) {
            state.ended();
        }
    }

    pub(in crate::app) fn tell_writing_failed(&mut self, summary: &str, error: &Error) {
        if !error.is_stop() {
            self.state.notices.push(Notice::error(PanelId::Playground, summary, error));
        }
    }
}
