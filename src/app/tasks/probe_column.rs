//! Predicts a column from the vectors of a map, for Look inside.

use std::sync::Arc;

use super::make_map::working;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::vectors::probe::{ProbeSettings, Probed, probe_labels, probe_numbers};
use crate::explore::vectors::worked::Worked;
use crate::jobs::Progress;
use crate::state::look_inside::map::{Mapped, ProbeForm};
use crate::state::look_inside::slot::Slot;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct ProbeColumn;

impl Work for ProbeColumn {
    type Request = (Arc<Mapped>, ProbeForm);
    type Event = Worked;
    type Output = Probed;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, gives_way: true, ..Rules::short("Training a probe") };

    fn run(
        (mapped, form): (Arc<Mapped>, ProbeForm),
        _services: &Services,
        progress: &dyn Progress<Worked>,
    ) -> Result<Probed, Error> {
        let ProbeForm { column, is_number, folds } = form;
        let values = mapped.texts.column(&column)?;
        let settings = ProbeSettings { folds, ..ProbeSettings::default() };
        Ok(if is_number {
            let found = probe_numbers(&mapped.vectors, &column, &values, settings, progress)?;
            Probed::Numbers(found)
        } else {
            Probed::Labels(probe_labels(&mapped.vectors, &column, &values, settings, progress)?)
        })
    }
}

impl Task<Workbench> for ProbeColumn {
    fn on_event(&mut self, event: Worked, app: &mut Workbench) {
        app.state.look_inside.map.at = Some(event);
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.look_inside.map.at = None;
        app.state.look_inside.map.probed.end();
    }

    fn done(self, probed: Probed, app: &mut Workbench) {
        app.state.look_inside.map.probed = Slot::Ready(probed);
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.tell_map_failed("The column could not be predicted", &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        Some(working("Training a probe", app.state.look_inside.map.at))
    }
}
