//! Asks every layer what it would say next, for Look inside.

use super::measure_surprise::looking;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::lens;
use crate::explore::lens::{LensRequest, LensView};
use crate::explore::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::subject::PassRequest;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct ReadLens {
    /// Which question it belongs to.
    pub number: u64,
}

impl Work for ReadLens {
    type Request = (PassRequest, LensRequest);
    type Event = Looked;
    type Output = LensView;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, ..Rules::short("Asking every layer what comes next") };

    fn run(
        (request, what): (PassRequest, LensRequest),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<LensView, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        lens::lens(Subject::new(&model, adapter.as_deref()), &request.ids, &what, progress)
    }
}

impl Task<Workbench> for ReadLens {
    fn on_event(&mut self, looked: Looked, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.lens.view.reached(looked.done, looked.total);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.lens.view.end();
        }
    }

    fn done(self, view: LensView, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.lens.view = Slot::Ready(view);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        let summary = "The layers could not be asked";
        app.tell_look_failed(self.number, summary, &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let progress = app.state.look_inside.lens.view.progress();
        Some(looking("Reading the logit lens", progress, "layers"))
    }
}
