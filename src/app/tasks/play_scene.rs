//! Computes what a scene of the open lecture shows, while another one is on the stage.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::open_lecture::named;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::spare_model::SpareModel;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::errors::one_line;
use crate::explore::mask::MaskedModel;
use crate::explore::subject::Looked;
use crate::hub::resolve;
use crate::jobs::Progress;
use crate::lecture::error::PlayError;
use crate::lecture::place::Place;
use crate::lecture::play::{Shelf, play};
use crate::lecture::played::Played;
use crate::lecture::scene::View;
use crate::llm;
use crate::llm::card::ModelSource;
use crate::llm::{Adapter, Model, Tokenizer, Weights};
use crate::state::lectures::Shown;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct PlayScene {
    /// Of which lecture, and which of its scenes.
    pub number: u64,
    pub at: usize,
}

/// What a scene needs.
pub struct SceneRequest {
    pub view: View,
    pub model: PathBuf,
    pub adapter: Option<PathBuf>,
    pub spare: SpareModel,

    /// Where other models that it names may lie.
    pub place: Place,
}

/// What the scene names, found on this disk.
struct OnDisk<'a> {
    place: &'a Place,

    /// The scene's own model.
    model: &'a Path,
    services: &'a Services,
}

impl OnDisk<'_> {
    fn find(&self, name: &str) -> Result<PathBuf, PlayError> {
        let found = resolve::resolve_model(&named(self.place, name));
        let problem = |err| PlayError::Other { name: name.to_owned(), problem: one_line(&err) };
        found.map_err(problem)
    }
}

impl Shelf for OnDisk<'_> {
    fn second(
        &self,
        named: Option<&str>,
        weights: Weights,
        progress: &dyn Progress<Looked>,
    ) -> Result<Arc<Model>, PlayError> {
        let path = named.map_or_else(|| Ok(self.model.to_owned()), |name| self.find(name))?;
        Ok(self.services.second(&path, weights, progress)?)
    }

    fn masked(&self, named: &str) -> Result<Arc<MaskedModel>, PlayError> {
        let path = self.find(named)?;
        let name = Path::new(named).file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(self.services.masked(&path, &name.unwrap_or_else(|| named.to_owned()))?)
    }

    fn tokenizer(&self, named: &str) -> Result<Tokenizer, PlayError> {
        let path = self.find(named)?;
        let problem = |err| PlayError::Other { name: named.to_owned(), problem: one_line(&err) };
        Ok(llm::load_text(&ModelSource::at(&path)).map_err(problem)?.0)
    }
}

impl Work for PlayScene {
    type Request = SceneRequest;
    type Event = Looked;
    type Output = (Played, String);
    type Error = PlayError;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short("Preparing the lecture") };

    fn run(
        SceneRequest { view, model: path, adapter, spare, place }: SceneRequest,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<(Played, String), PlayError> {
        let model = spare.model(&path, services, progress)?;
        let adapter = adapter.map(|path| Adapter::load(&path, &model)).transpose()?.map(Arc::new);
        let shelf = OnDisk { place: &place, model: &path, services };
        let played = play(&view, (&model, &shelf), adapter.as_ref(), progress)?;
        Ok((played, model.card().identity.sha256.clone()))
    }
}

impl Task<Workbench> for PlayScene {
    fn done(self, (played, sha256): (Played, String), app: &mut Workbench) {
        self.put(Shown::Ready { played: Arc::new(played), is_recorded: false, sha256 }, app);
    }

    fn failed(self, error: PlayError, app: &mut Workbench) {
        let problem = if error.is_stop() {
            "Stopped before it was computed".to_owned()
        } else {
            one_line(&error)
        };
        self.put(Shown::Failed(problem), app);
    }

    fn crashed(self, message: &str, app: &mut Workbench) {
        self.put(Shown::Failed(format!("A mistake in Tuning Fork: {message}")), app);
    }

    fn panel(&self) -> PanelId {
        PanelId::Lectures
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let front = app.state.lectures.front.as_ref()?;
        let (ready, count) = (front.ready_count(), front.scene_count());
        let activity =
            Activity::new("Preparing the lecture", format!("{ready} of {count} scenes are ready"));
        Some(Activity { fraction: Some(ready as f32 / count.max(1) as f32), ..activity })
    }
}

impl PlayScene {
    fn put(&self, shown: Shown, app: &mut Workbench) {
        if let Some(front) = app.state.lectures.of(self.number)
            && let Some(place) = front.results.get_mut(self.at)
        {
            *place = shown;
        }
    }
}
