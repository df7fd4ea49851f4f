//! Reads a text with the adapter and without it, for Look inside.

use super::measure_surprise::looking;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::compare;
use crate::explore::compare::TextComparison;
use crate::explore::error::Error;
use crate::explore::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::subject::PassRequest;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct CompareAdapter {
    /// Which question it belongs to.
    pub number: u64,
}

impl Work for CompareAdapter {
    type Request = PassRequest;
    type Event = Looked;
    type Output = TextComparison;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, ..Rules::short("Comparing the adapter with the base") };

    fn run(
        request: PassRequest,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<TextComparison, Error> {
        let (model, adapter) = (services.model()?, services.adapter());
        let (with, without) =
            (Subject::new(&model, adapter.as_deref()), Subject::new(&model, None));
        compare::on_text(with, without, &request.ids, progress)
    }
}

impl Task<Workbench> for CompareAdapter {
    fn on_event(&mut self, looked: Looked, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.comparison.reached(looked.done, looked.total);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.comparison.end();
        }
    }

    fn done(self, comparison: TextComparison, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.comparison = Slot::Ready(comparison);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        let summary = "The adapter could not be compared with the base model";
        app.tell_look_failed(self.number, summary, &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let progress = app.state.look_inside.comparison.progress();
        Some(looking("Comparing the adapter with the base", progress, "tokens"))
    }
}
