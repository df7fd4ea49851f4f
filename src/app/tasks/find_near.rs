//! Finds the texts that are nearest to one of a map, or to a sentence.

use std::sync::Arc;

use super::make_map::with_source;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::vectors::error::Error as VectorsError;
use crate::explore::vectors::neighbours::{Near, nearest_to};
use crate::explore::vectors::worked::Worked;
use crate::jobs::Progress;
use crate::state::look_inside::map::{Listed, MapModel, Mapped};
use crate::state::prefs::PanelId;

pub struct FindNear {
    pub to: NearTo,

    /// What the map was made with.
    pub model: MapModel,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NearTo {
    Point(usize),
    Sentence(String),
}

/// So many are listed.
const LISTED: usize = 30;

impl Work for FindNear {
    type Request = (Arc<Mapped>, NearTo);
    type Event = Worked;
    type Output = Vec<Near>;
    type Error = Error;

    const RULES: Rules = Rules::short("Finding the nearest texts");

    fn run(
        (mapped, to): (Arc<Mapped>, NearTo),
        services: &Services,
        progress: &dyn Progress<Worked>,
    ) -> Result<Vec<Near>, Error> {
        let Mapped { units, request, way, .. } = mapped.as_ref();
        Ok(match to {
            NearTo::Point(place) => nearest_to(units, units.row(place), LISTED, Some(place)),
            NearTo::Sentence(text) => {
                let vector = with_source(&request.model, services, |source| {
                    // Vectors of two models say nothing of each other.
                    if source.way() != *way {
                        return Err(VectorsError::AnotherModel.into());
                    }
                    source.vector(&text, progress)
                })?;
                nearest_to(units, &vector, LISTED, None)
            }
        })
    }
}

impl Task<Workbench> for FindNear {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.look_inside.map.seeking = false;
    }

    fn done(self, found: Vec<Near>, app: &mut Workbench) {
        let map = &mut app.state.look_inside.map;
        if matches!(self.to, NearTo::Sentence(_)) {
            map.keep(&self.model);
        }
        map.listed = match self.to {
            NearTo::Point(place) => Listed::NearPoint(place, found),
            NearTo::Sentence(text) => Listed::NearSentence(text, found),
        };
        map.version += 1;
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.tell_map_failed("The nearest texts could not be found", &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }
}
