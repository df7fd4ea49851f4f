//! Compares the items of a questionnaire on a map, for Look inside.

use std::sync::Arc;

use super::make_map::working;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::vectors::answers::read_answers;
use crate::explore::vectors::constructs::{Items, constructs, predicted};
use crate::explore::vectors::shorter::shortened;
use crate::explore::vectors::worked::Worked;
use crate::jobs::Progress;
use crate::state::look_inside::items::{ItemForm, ItemsFound};
use crate::state::look_inside::map::Mapped;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct CompareItems;

impl Work for CompareItems {
    type Request = (Arc<Mapped>, ItemForm);
    type Event = Worked;
    type Output = ItemsFound;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, gives_way: true, ..Rules::short("Comparing items") };

    fn run(
        (mapped, form): (Arc<Mapped>, ItemForm),
        _services: &Services,
        progress: &dyn Progress<Worked>,
    ) -> Result<ItemsFound, Error> {
        let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let of = owned(mapped.texts.column(&form.construct)?);
        let names = match &form.item {
            Some(column) => owned(mapped.texts.column(column)?),
            None => mapped.texts.texts.clone(),
        };
        let called = form.item.as_deref().unwrap_or(&mapped.request.column);
        let read = |path| read_answers(path, &names, called, progress);
        let answers = form.answers.as_ref().map(|path| read(path)).transpose()?;
        let items = Items { names: &names, constructs: &of, column: &form.construct };
        let view = constructs(&mapped.vectors, &items)?;
        progress.check()?;
        let predicted = answers.as_ref().map(|answers| predicted(&mapped.vectors, answers));
        progress.check()?;
        let own: Vec<usize> = view.items.iter().map(|place| place.own).collect();
        let shorter = shortened(&mapped.vectors, &own, form.keep, answers.as_deref());
        Ok(ItemsFound { form, names, view, predicted, shorter })
    }
}

impl Task<Workbench> for CompareItems {
    fn on_event(&mut self, event: Worked, app: &mut Workbench) {
        app.state.look_inside.map.at = Some(event);
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.look_inside.map.at = None;
        app.state.look_inside.map.items.found.end();
    }

    fn done(self, found: ItemsFound, app: &mut Workbench) {
        app.state.look_inside.map.items.set_found(found);
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.tell_map_failed("The items could not be compared", &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        Some(working("Comparing items", app.state.look_inside.map.at))
    }
}
