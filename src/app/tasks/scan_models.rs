//! Looks for models on the disk and reads their headers.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::encoder;
use crate::errors::one_line;
use crate::hub;
use crate::hub::cache::local::LocalModel;
use crate::jobs::Progress;
use crate::llm::card::ModelSource;
use crate::state::command::ModelsCommand;
use crate::state::look_inside::on_disk::on_disk;
use crate::state::models::FoundModel;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ScanModels;

impl Work for ScanModels {
    /// Files and folders that were opened by hand.
    type Request = Vec<PathBuf>;
    type Event = ();
    type Output = Vec<FoundModel>;
    type Error = hub::Error;

    const RULES: Rules = Rules::short("The search for models");

    fn run(
        opened: Vec<PathBuf>,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Vec<FoundModel>, hub::Error> {
        Ok(hub::cache::local::scan(&opened).into_iter().map(found_model).collect())
    }
}

/// What the headers of a model on the disk say.
fn found_model(local: LocalModel) -> FoundModel {
    let source = ModelSource::at(&local.path);
    let facts = encoder::inspect(&source).map_err(|err| one_line(&err));
    let frees = hub::cache::local::would_free(&local.path);
    FoundModel { local, facts, frees, has_update: false, unused_days: None }
}

impl Task<Workbench> for ScanModels {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.models.scanning = false;
        app.measure_memory();
    }

    fn done(self, found: Vec<FoundModel>, app: &mut Workbench) {
        app.state.train.texts.set_found(&found);
        app.state.look_inside.map.set_found(&found);
        app.state.look_inside.mask.set_found(&found);
        app.state.evaluate.encoders = app.state.look_inside.map.encoders();
        app.state.playground.set_found(&found);
        app.state.look_inside.on_disk = on_disk(&found);
        app.state.models.set_found(found);
        app.date_models();
    }

    fn failed(self, error: hub::Error, app: &mut Workbench) {
        let notice = Notice::error(PanelId::Models, "The disk could not be searched", &error);
        app.state.notices.push(notice.remedy("Try again", ModelsCommand::Refresh));
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }
}
