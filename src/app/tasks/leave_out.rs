//! Leaves out one part of a prompt after the other, for Look inside.

use super::measure_surprise::looking;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::leave_one_out;
use crate::explore::leave_one_out::{LeaveOneOutView, Unit};
use crate::explore::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::subject::PassRequest;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct LeaveOut {
    /// Which question it belongs to.
    pub number: u64,
}

impl Work for LeaveOut {
    /// Where the answer begins, and what is left out at once.
    type Request = (PassRequest, usize, Unit);
    type Event = Looked;
    type Output = LeaveOneOutView;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, ..Rules::short("Leaving out one part after the other") };

    fn run(
        (request, answer, unit): (PassRequest, usize, Unit),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<LeaveOneOutView, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        let subject = Subject::new(&model, adapter.as_deref());
        let parts = leave_one_out::telling_parts(subject, &request.ids, answer, unit);
        leave_one_out::leave_one_out(subject, &request.ids, answer, &parts, progress)
    }
}

impl Task<Workbench> for LeaveOut {
    fn on_event(&mut self, looked: Looked, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.left_out.view.reached(looked.done, looked.total);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.left_out.view.end();
        }
    }

    fn done(self, view: LeaveOneOutView, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.left_out.view = Slot::Ready(view);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        let summary = "What the answer hangs on could not be computed";
        app.tell_look_failed(self.number, summary, &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let progress = app.state.look_inside.left_out.view.progress();
        Some(looking("Leaving out one part after the other", progress, "parts"))
    }
}
