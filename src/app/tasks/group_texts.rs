//! Finds clusters in the texts of a map, for Look inside.

use std::sync::Arc;

use super::make_map::working;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::vectors::groups::{Groups, Method, groups};
use crate::explore::vectors::worked::Worked;
use crate::jobs::Progress;
use crate::state::look_inside::map::Mapped;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct GroupTexts;

impl Work for GroupTexts {
    type Request = (Arc<Mapped>, Method);
    type Event = Worked;
    type Output = Groups;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, gives_way: true, ..Rules::short("Finding clusters") };

    fn run(
        (mapped, method): (Arc<Mapped>, Method),
        _services: &Services,
        progress: &dyn Progress<Worked>,
    ) -> Result<Groups, Error> {
        Ok(groups(&mapped.vectors, &mapped.texts.as_strs(), method, progress)?)
    }
}

impl Task<Workbench> for GroupTexts {
    fn on_event(&mut self, event: Worked, app: &mut Workbench) {
        app.state.look_inside.map.at = Some(event);
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.look_inside.map.at = None;
        app.state.look_inside.map.groups.end();
    }

    fn done(self, groups: Groups, app: &mut Workbench) {
        app.state.look_inside.map.grouped(groups);
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.tell_map_failed("No clusters could be found", &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        Some(working("Finding clusters", app.state.look_inside.map.at))
    }
}
