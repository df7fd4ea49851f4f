//! Measures where the time of a pass goes, for the machine in Look inside.

use super::look::looking;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::pass_times::{PassTimes, pass_times};
use crate::explore::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::llm::generate::AdapterMode;
use crate::state::look_inside::slot::Slot;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct TimePass {
    /// Which model it is of.
    pub number: u64,
    pub reached: Option<(usize, usize)>,
}

impl Work for TimePass {
    /// So many tokens stand before those that are written.
    type Request = (usize, AdapterMode);
    type Event = Looked;
    type Output = PassTimes;
    type Error = Error;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short("Measuring a pass") };

    fn run(
        (before, mode): (usize, AdapterMode),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<PassTimes, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(mode));
        pass_times(Subject::new(&model, adapter.as_deref()), before, progress)
    }
}

impl Task<Workbench> for TimePass {
    fn on_event(&mut self, Looked { done, total }: Looked, app: &mut Workbench) {
        self.reached = Some((done, total));
        if let Some(machine) = app.state.look_inside.machine.of(self.number) {
            machine.times.reached(done, total);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(machine) = app.state.look_inside.machine.of(self.number) {
            machine.times.end();
        }
    }

    fn done(self, times: PassTimes, app: &mut Workbench) {
        if let Some(machine) = app.state.look_inside.machine.of(self.number) {
            machine.times = Slot::Ready(times);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        if !error.is_stop() {
            let summary = "The pass could not be measured";
            app.state.notices.push(Notice::error(PanelId::LookInside, summary, &error));
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, _: &Workbench) -> Option<Activity> {
        Some(looking("Measuring a pass", self.reached, "tokens"))
    }
}
