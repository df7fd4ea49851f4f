//! Deletes a model from the disk.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::hub;
use crate::jobs::Progress;
use crate::state::command::ModelsCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::widgets::format;

pub struct DeleteModel;

impl Work for DeleteModel {
    type Request = PathBuf;
    type Event = ();

    /// How many bytes are free again.
    type Output = u64;
    type Error = hub::Error;

    const RULES: Rules =
        Rules { on_closing: OnClosing::Wait, ..Rules::short("Deleting the model") };

    fn run(
        path: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<u64, hub::Error> {
        hub::cache::local::remove(&path)
    }
}

impl Task<Workbench> for DeleteModel {
    fn ended(&mut self, app: &mut Workbench) {
        app.handle(ModelsCommand::Refresh);
    }

    fn done(self, freed: u64, app: &mut Workbench) {
        let summary = format!("Deleted; {} freed", format::bytes(freed));
        app.state.notices.push(Notice::info(PanelId::Models, summary));
    }

    fn failed(self, error: hub::Error, app: &mut Workbench) {
        let summary = "The model could not be deleted";
        app.state.notices.push(Notice::error(PanelId::Models, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }
}
