//! Watches where a layer looks, for Look inside.

use super::measure_surprise::looking;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::attention;
use crate::explore::error::Error;
use crate::explore::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::state::look_inside::heads::Heads;
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::subject::PassRequest;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct WatchAttention {
    /// Which question it belongs to.
    pub number: u64,
}

impl Work for WatchAttention {
    /// The layer, counted from 0.
    type Request = (PassRequest, usize);
    type Event = Looked;
    type Output = Heads;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, ..Rules::short("Watching where the layer looks") };

    fn run(
        (request, layer): (PassRequest, usize),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<Heads, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        let subject = Subject::new(&model, adapter.as_deref());
        Ok(Heads::new(attention::attention(subject, &request.ids, layer, progress)?))
    }
}

impl Task<Workbench> for WatchAttention {
    fn ended(&mut self, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.attention.end();
        }
    }

    fn done(self, heads: Heads, app: &mut Workbench) {
        let look = app.state.look_inside.of(self.number);
        // By now another layer may be looked at.
        if let Some(look) = look.filter(|look| look.layer == heads.view.layer) {
            look.attention = Slot::Ready(heads);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        let summary = "The attention of the layer could not be computed";
        app.tell_look_failed(self.number, summary, &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        Some(looking("Watching attention", None, "layers"))
    }
}
