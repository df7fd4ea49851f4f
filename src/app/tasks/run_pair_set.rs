//! Asks the model about a list of minimal pairs, and keeps what it says beside the list.

use std::path::PathBuf;

use super::look::looking;
use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::explore::error::Error;
use crate::explore::pair_set;
use crate::explore::pair_set::{PairSet, PairSetView};
use crate::explore::subject::{Looked, Subject};
use crate::files;
use crate::jobs::Progress;
use crate::llm::generate::AdapterMode;
use crate::state::look_inside::pair_set::file_name;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct RunPairSet {
    pub number: u64,
    pub reached: Option<(usize, usize)>,

    /// Where what was found is kept. `None`: the list is in no project yet.
    pub folder: Option<PathBuf>,
}

impl Work for RunPairSet {
    type Request = (PairSet, AdapterMode);
    type Event = Looked;
    type Output = PairSetView;
    type Error = Error;

    const RULES: Rules =
        Rules { takes_processor: true, ..Rules::short("Asking about a list of pairs") };

    fn run(
        (set, mode): (PairSet, AdapterMode),
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<PairSetView, Error> {
        let (model, adapter) = (services.model()?, services.adapter_if(mode));
        // The form has checked it.
        let words = set.check().unwrap_or_default();
        pair_set::run(Subject::new(&model, adapter.as_deref()), (&set, &words), progress)
    }
}

impl Task<Workbench> for RunPairSet {
    fn on_event(&mut self, Looked { done, total }: Looked, app: &mut Workbench) {
        self.reached = Some((done, total));
        if let Some(list) = app.state.look_inside.pair_set.of(self.number) {
            list.running.reached(done, total);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        if let Some(list) = app.state.look_inside.pair_set.of(self.number) {
            list.running.end();
        }
    }

    fn done(self, found: PairSetView, app: &mut Workbench) {
        if let Some(folder) = &self.folder {
            let adapter = found.adapter.as_ref().map(|name| format!("-{}", file_name(name)));
            let model = file_name(&found.model);
            let path = folder.join(format!("{model}{}.json", adapter.unwrap_or_default()));
            let text =
                serde_json::to_string_pretty(&found).expect("numbers and texts are valid JSON");
            let written = files::folders::make(folder)
                .and_then(|()| files::write_atomic(&path, text.as_bytes()));
            if let Err(error) = written {
                let summary = "What the model made of the list could not be kept";
                let notice = Notice::error(PanelId::LookInside, summary, &error);
                app.state.notices.push(notice.hint("Is the project's folder read-only?"));
            }
        }
        if let Some(list) = app.state.look_inside.pair_set.of(self.number) {
            list.found(found);
        }
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        if !error.is_stop() {
            let summary = "The model could not be asked about the list";
            app.state.notices.push(Notice::error(PanelId::LookInside, summary, &error));
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }

    fn activity(&self, _: &Workbench) -> Option<Activity> {
        Some(looking("Asking about a list of pairs", self.reached, "prompts"))
    }
}
