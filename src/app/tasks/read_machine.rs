//! Takes the loaded model apart, for Look inside.

use super::look::looking;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::machine;
use crate::explore::machine::Machine;
use crate::jobs::Progress;
use crate::state::look_inside::slot::Slot;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct ReadMachine {
    /// Which model it is of.
    pub number: u64,
}

impl Work for ReadMachine {
    type Request = ();
    type Event = ();
    type Output = Machine;
    type Error = Error;

    const RULES: Rules = Rules::short("Taking the model apart");

    fn run((): (), services: &Services, _: &dyn Progress<()>) -> Result<Machine, Error> {
        let model = services.model()?;
        machine::machine(&model)
    }
}

impl Task<Workbench> for ReadMachine {
    fn ended(&mut self, app: &mut Workbench) {
        if let Some(parts) = app.state.look_inside.machine.of(self.number) {
            parts.view.end();
        }
    }

    fn done(self, machine: Machine, app: &mut Workbench) {
        if let Some(parts) = app.state.look_inside.machine.of(self.number) {
            parts.view = Slot::Ready(machine);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        if app.state.look_inside.machine.of(self.number).is_some() {
            let summary = "The model could not be taken apart";
            app.state.notices.push(Notice::error(PanelId::LookInside, summary, &error));
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, _: &Workbench) -> Option<Activity> {
        Some(looking("Taking the model apart", None, "parts"))
    }
}
