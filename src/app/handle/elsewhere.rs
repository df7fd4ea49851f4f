//! Runs that another engine does: bundles are made, results taken back.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::tasks::import_run::ImportRun;
use crate::app::tasks::make_bundle::{BundleToMake, MakeBundle};
use crate::elsewhere::{ImportOrder, Order};
use crate::state::prefs::PanelId;
use crate::train::config::TrainConfig;
use crate::train::record::runs;

impl Workbench {
    /// Makes the run in the form into a folder for another engine.
    pub(super) fn make_bundle(&mut self, out: PathBuf) {
        self.state.notices.clear(PanelId::Train);
        let Some(rows) = self.training_rows_or_notice() else { return };
        let train = &self.state.train;
        let source = self.state.model.ready().map(|card| card.source.clone());
        let model = source.as_ref().map(|source| source.path().display().to_string());
        let model = model.unwrap_or_else(|| train.form.model.clone());
        let config = TrainConfig { model, ..train.form.clone() };
        let form = train.elsewhere;
        let order = Order {
            config,
            engine: form.engine,
            preset: form.preset,
            gpus: form.gpus(),
            machines: None,
            source,
            base: None,
            with_model: false,
            given: Vec::new(),
            out,
        };
        self.start(MakeBundle, BundleToMake { order, rows });
    }

    /// Takes the results in a folder back as a run of the project.
    pub(super) fn take_results(&mut self, results: PathBuf) {
        if self.tasks.has::<ImportRun>() {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        let Some(open) = &self.project else { return };
        let run_dir = runs::new_imported_dir(&open.folder, self.host.now());
        let order =
            ImportOrder { results, bundle: None, run_file: None, run_dir, recomputes: true };
        self.start(ImportRun::default(), order);
    }
}
