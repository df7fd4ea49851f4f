//! Reads the texts of a table, makes vectors of them and lays them out as a map.

use crate::app::Workbench;
use crate::app::services::{Services, cache_folder};
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::meaning::Pooled;
use crate::explore::subject::Subject;
use crate::explore::vectors::layout;
use crate::explore::vectors::source::Source;
use crate::explore::vectors::texts::read_texts;
use crate::explore::vectors::worked::Worked;
use crate::jobs::Progress;
use crate::state::command::{Command, LookInsideCommand};
use crate::state::look_inside::map::{MapModel, MapRequest, Mapped};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::widgets::format;

pub struct MakeMap;

/// The random numbers of UMAP: the same map each time.
const SEED: u64 = 0;

impl Work for MakeMap {
    type Request = MapRequest;
    type Event = Worked;
    type Output = Mapped;
    type Error = Error;

    const RULES: Rules = Rules {
        takes_processor: true,
        gives_way: true,
        ..Rules::short("Making a map of the texts")
    };

    fn run(
        request: MapRequest,
        services: &Services,
        progress: &dyn Progress<Worked>,
    ) -> Result<Mapped, Error> {
        let texts = read_texts(&request.table, Some(&request.column), progress)?;
        let kept_in = cache_folder();
        let (way, vectors) = with_source(&request.model, services, |source| {
            Ok((source.way(), source.vectors(&texts.texts, kept_in.as_deref(), progress)?))
        })?;
        let map = layout::map(&vectors, request.method, SEED, progress)?;
        let units = vectors.unit();
        Ok(Mapped { request, texts, way, vectors, units, map })
    }
}

/// Does something with what makes the vectors.
pub fn with_source<T>(
    model: &MapModel,
    services: &Services,
    work: impl FnOnce(&Source<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    match model {
        MapModel::Encoder { folder, .. } => {
            let encoder = services.encoder(folder)?;
            let prompt = encoder.default_prompt().unwrap_or_default();
            work(&Source::Encoder { encoder: &encoder, folder, prompt })
        }
        MapModel::Loaded => {
            let (model, adapter) = (services.model()?, services.adapter());
            let subject = Subject::new(&model, adapter.as_deref());
            let layer = model.config().layer_count();
            work(&Source::Layer { subject, layer, pooled: Pooled::Mean })
        }
    }
}

/// The line of what is made of vectors.
pub fn working(what: &str, at: Option<Worked>) -> Activity {
    let detail = at.map_or_else(String::new, |at| match at.count(format::count) {
        Some(count) => format!("{} · {count}", at.stage.words()),
        None => at.stage.words().to_owned(),
    });
    Activity {
        fraction: at.map(|at| at.done as f32 / at.total.max(1) as f32),
        stop: Some(Command::LookInside(LookInsideCommand::Stop)),
        ..Activity::new(what, detail)
    }
}

impl Workbench {
    /// Tells why nothing came of the vectors, unless it was stopped.
    pub(in crate::app) fn tell_map_failed(&mut self, summary: &str, error: &Error) {
        if !error.is_stop() {
            self.state.notices.push(Notice::error(PanelId::LookInside, summary, error));
        }
    }
}

impl Task<Workbench> for MakeMap {
    fn on_event(&mut self, event: Worked, app: &mut Workbench) {
        app.state.look_inside.map.at = Some(event);
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.look_inside.map.at = None;
        app.state.look_inside.map.made.end();
    }

    fn done(self, mapped: Mapped, app: &mut Workbench) {
        app.state.look_inside.map.keep(&mapped.request.model);
        app.state.look_inside.map.made(mapped);
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        // It is of no map.
        app.forget_encoder();
        app.tell_map_failed("The map could not be made", &error);
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        Some(working("Making a map", app.state.look_inside.map.at))
    }
}
