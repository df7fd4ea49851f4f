//! Reads a lecture, and looks for the models and adapters that its scenes name.

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::errors::one_line;
use crate::files;
use crate::hub::resolve;
use crate::jobs::Progress;
use crate::lecture::error::FileError;
use crate::lecture::place::Place;
use crate::lecture::scene::{Lecture, Scene};
use crate::state::lectures::{Needed, Opened};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct OpenLecture {
    /// A model has come since it was looked through; it is in front already.
    pub is_again: bool,
}

impl Work for OpenLecture {
    type Request = Place;
    type Event = ();
    type Output = Opened;
    type Error = FileError;

    const RULES: Rules = Rules::short("Opening the lecture");

    fn run(
        place: Place,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Opened, FileError> {
        let lecture = place.read()?;
        let (recording, recording_problem) = match place.recording() {
            Ok(recording) => (recording, None),
            Err(err) => (None, Some(one_line(&err))),
        };
        let (models, adapters) = (models(&place, &lecture), adapters(&place, &lecture));
        Ok(Opened { place, lecture, recording, recording_problem, models, adapters })
    }
}

/// A name of the lecture, taken from its own folder where something is there.
pub(super) fn named(place: &Place, name: &str) -> String {
    place.path().map_or_else(|| name.to_owned(), |path| files::named_beside(path, name))
}

fn models(place: &Place, lecture: &Lecture) -> Vec<Needed> {
    let mut models: Vec<Needed> = Vec::new();
    let own = |scene: &'_ Scene| scene.model_in(lecture).map(str::to_owned);
    let others =
        |scene: &Scene| scene.view.others().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let names = lecture.scenes.iter().flat_map(|scene| own(scene).into_iter().chain(others(scene)));
    for name in names {
        if models.iter().all(|known| known.name != name) {
            let found = resolve::resolve_model(&named(place, &name)).map_err(|err| one_line(&err));
            models.push(Needed { name, found });
        }
    }
    models
}

fn adapters(place: &Place, lecture: &Lecture) -> Vec<Option<Result<std::path::PathBuf, String>>> {
    let found = lecture.scenes.iter().map(|scene| {
        let name = scene.adapter.as_deref()?;
        Some(resolve::resolve_adapter(&named(place, name)).map_err(|err| one_line(&err)))
    });
    found.collect()
}

impl Task<Workbench> for OpenLecture {
    fn done(self, opened: Opened, app: &mut Workbench) {
        let seen_models = app.state.models.found.len();
        if let Some(problem) = &opened.recording_problem {
            let notice = Notice::problem(PanelId::Lectures, "The lecture's recording is left out");
            app.state.notices.push(Notice { causes: vec![problem.clone()], ..notice });
        }
        app.state.lectures.open(opened, seen_models);
    }

    fn failed(self, error: FileError, app: &mut Workbench) {
        if self.is_again {
            return;
        }
        let notice = Notice::error(PanelId::Lectures, "The lecture could not be opened", &error);
        app.state
            .notices
            .push(notice.hint("Change the file in any text editor, and open it again"));
    }

    fn panel(&self) -> PanelId {
        PanelId::Lectures
    }
}
