//! Compares what comes next after two prompts, for Look inside.

use super::measure_surprise::looking;
use super::read_tokens;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::next_token;
use crate::explore::next_token::{NextComparison, Side};
use crate::explore::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::state::look_inside::pair::TOP;
use crate::state::look_inside::slot::Slot;
use crate::state::look_inside::subject;
use crate::state::look_inside::subject::PassRequest;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct ComparePair {
    /// Which question it belongs to.
    pub number: u64,
}

impl Work for ComparePair {
    /// The text that is looked at, and the second prompt.
    type Request = (PassRequest, subject::Subject);
    type Event = Looked;
    type Output = NextComparison;
    type Error = Error;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short("Comparing two prompts") };

    fn run(
        (request, other): (PassRequest, subject::Subject),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<NextComparison, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(request.adapter));
        let subject = Subject::new(&model, adapter.as_deref());
        let other = read_tokens::split(&model, &other)?;
        let other: Vec<u32> = other.pieces.iter().map(|piece| piece.id).collect();
        let side = |ids| Side { subject, ids };
        next_token::next_token(side(&request.ids), side(&other), TOP, progress)
    }
}

impl Task<Workbench> for ComparePair {
    fn on_event(&mut self, looked: Looked, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.pair.view.reached(looked.done, looked.total);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.pair.view.end();
        }
    }

    fn done(self, view: NextComparison, app: &mut Workbench) {
        if let Some(look) = app.state.look_inside.of(self.number) {
            look.pair.view = Slot::Ready(view);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        let summary = "The two prompts could not be compared";
        app.tell_look_failed(self.number, summary, &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let progress = app.state.look_inside.pair.view.progress();
        Some(looking("Comparing two prompts", progress, "prompts"))
    }
}
