//! Reads which lectures there are: the tour, and those of the project.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::errors::one_line;
use crate::jobs::Progress;
use crate::lecture::place::{FOLDER, Place};
use crate::state::lectures::Listed;
use crate::state::prefs::PanelId;

pub struct ListLectures;

impl Work for ListLectures {
    /// The project's folder. Without one there is the guided tour.
    type Request = Option<PathBuf>;
    type Event = ();
    type Output = Vec<Listed>;
    type Error = Infallible;

    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("Listing the lectures") };

    fn run(
        project: Option<PathBuf>,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Vec<Listed>, Infallible> {
        Ok(list(project.map(|project| project.join(FOLDER)).as_deref()))
    }
}

/// A folder that is not there has none.
fn list(folder: Option<&Path>) -> Vec<Listed> {
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let entries = entries.into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    paths.sort();
    let places = std::iter::once(Place::Tour).chain(paths.into_iter().map(Place::File));
    let listed = places.map(|place| {
        let lecture = place.read().map_err(|err| one_line(&err));
        Listed { place, lecture }
    });
    listed.collect()
}

impl Task<Workbench> for ListLectures {
    fn done(self, listed: Vec<Listed>, app: &mut Workbench) {
        app.state.lectures.listed = listed;
    }

    fn failed(self, error: Infallible, _app: &mut Workbench) {
        match error {}
    }

    fn panel(&self) -> PanelId {
        PanelId::Lectures
    }
}
