//! Where the encoder-decoder in memory looked when it wrote its answer.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::read_write::{CrossView, cross_attention};
use crate::jobs::Progress;
use crate::state::playground::seq2seq::CrossRequest;
use crate::state::prefs::PanelId;

pub struct WatchCrossAttention {
    /// Which answer it belongs to.
    pub number: u64,
}

impl Work for WatchCrossAttention {
    type Request = CrossRequest;
    type Event = ();
    type Output = CrossView;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, ..Rules::short("Watching where the answer looked") };

    fn run(
        CrossRequest { source, answer, layer, adapter }: CrossRequest,
        services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<CrossView, Error> {
        let model = services.seq2seq(adapter)?;
        // Another model may have fewer.
        let layer = layer.min(model.layers()[1].saturating_sub(1));
        let views = cross_attention(&model, &source, &answer, layer..layer + 1)?;
        views.into_iter().next().ok_or(Error::NoAttention)
    }
}

impl Task<Workbench> for WatchCrossAttention {
    fn done(self, view: CrossView, app: &mut Workbench) {
        if let Some(state) = app.state.playground.seq2seq.of(self.number) {
            state.cross.set(view);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.tell_writing_failed("The cross-attention could not be computed", &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }
}
