//! Runs that another engine does: bundles are made, results taken back.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::tasks::import_run::ImportRun;
use crate::app::tasks::make_bundle::{BundleToMake, MakeBundle};
use crate::app::tasks::run_away::{StartAway, StopAway, WatchAway};
use crate::elsewhere;
use crate::elsewhere::manifest::Manifest;
use crate::elsewhere::place::{Place, Running, StartOrder};
use crate::elsewhere::{ImportOrder, Order};
use crate::files;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::LeftTab;
use crate::state::train::away::{AwayRun, AwayStatus, RunOnForm, of_bundle};
use crate::train::config::{Objective, TrainConfig};
use crate::train::record::runs;

/// In a bundle that a person took off the list.
const LEFT: &str = "not-followed";

/// Where a project keeps what is run elsewhere.
fn bundles_dir(project: &Path) -> PathBuf {
    project.join("bundles")
}

fn place_of(form: &RunOnForm) -> Result<Place, elsewhere::Error> {
    match form.place.trim() {
        "" => Ok(Place::Here),
        name => Place::named(name),
    }
}

impl Workbench {
    /// Makes the run in the form into a folder for another engine.
    pub(super) fn make_bundle(&mut self, out: PathBuf) {
        self.make_bundle_and(out, None);
    }

    fn make_bundle_and(&mut self, out: PathBuf, then: Option<RunOnForm>) {
        self.state.notices.clear(PanelId::Train);
        if self.tasks.has::<MakeBundle>() {
            // A second click would make it into the same folder, and start it twice.
            let reason = "A bundle is being made: wait for it";
            self.state.notices.push(Notice::problem(PanelId::Train, reason));
            return;
        }
        let Some(rows) = self.training_rows_or_notice() else { return };
        let train = &self.state.train;
        let source = self.state.model.ready().map(|card| card.source.clone());
        let model = source.as_ref().map(|source| source.path().display().to_string());
        let model = model.unwrap_or_else(|| train.form.model.clone());
        let config = TrainConfig { model, ..train.run_config() };
        let objective = config.objective;
        let form = train.elsewhere;
        let order = Order {
            config,
            engine: form.engine,
            preset: form.preset,
            gpus: form.gpus(),
            machines: None,
            source,
            base: None,
            with_model: then.as_ref().is_some_and(|form| form.with_model),
            given: Vec::new(),
            out,
        };
        let then = then.map(|form| (form, objective));
        self.start(MakeBundle { then }, BundleToMake { order, rows });
    }

    /// Makes the run in the form into a bundle of the project, and starts it where the form says.
    pub(super) fn run_on(&mut self) {
        let sentence = "The bundle of a run needs a project to lie in";
        let Some(project) = self.project_for(PanelId::Train, sentence) else { return };
        let form = self.state.train.run_on.clone();
        if let Err(err) = place_of(&form) {
            let notice = Notice::error(PanelId::Train, "The run was not started elsewhere", &err);
            self.state.notices.push(notice);
            return;
        }
        let id = runs::new_run_id(&project, self.state.train.form.objective, self.host.now());
        let folder = bundles_dir(&project);
        let numbered = (2..).map(|number| folder.join(format!("{id}-{number}")));
        let mut free = std::iter::once(folder.join(&id)).chain(numbered);
        let Some(out) = free.find(|path| !path.exists()) else { return };
        self.make_bundle_and(out, Some(form));
    }

    /// A bundle was made: it is started, and followed from then on.
    pub(in crate::app) fn start_away(
        &mut self,
        bundle: PathBuf,
        form: &RunOnForm,
        objective: Objective,
    ) {
        let Ok(place) = place_of(form) else { return };
        let train = &mut self.state.train;
        train.away.insert(0, AwayRun::new(bundle.clone(), objective));
        train.select_away(bundle.clone());
        train.left_tab = LeftTab::Runs;
        let python = Some(form.python.trim().to_owned()).filter(|python| !python.is_empty());
        let order =
            StartOrder { bundle: bundle.clone(), place, folder: None, python, slurm: form.slurm };
        self.start(StartAway { bundle }, order);
    }

    pub(in crate::app) fn watch_away(&mut self, bundle: PathBuf) {
        self.start(WatchAway { bundle: bundle.clone() }, bundle);
    }

    pub(super) fn stop_away(&mut self, bundle: PathBuf) {
        if let Some(run) = of_bundle(&mut self.state.train.away, &bundle) {
            run.status = AwayStatus::Stopping;
            self.start(StopAway { bundle: bundle.clone() }, bundle);
        }
    }

    pub(super) fn import_away(&mut self, bundle: PathBuf) {
        self.take_results_of(bundle.clone(), Some(bundle));
    }

    /// It is not followed any more, in later windows either; its folder stays.
    pub(in crate::app) fn forget_away(&mut self, bundle: &Path) {
        let train = &mut self.state.train;
        train.away.retain(|run| run.bundle != bundle);
        if train.away_selected.as_deref() == Some(bundle) {
            train.away_selected = None;
        }
        if let Err(err) = files::write_atomic(&bundle.join(LEFT), b"") {
            let summary = "The run elsewhere will be on the list again at the next start";
            self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
        }
    }

    /// Bundles of the project that were started, by this window or an earlier one, are followed.
    pub(super) fn find_away(&mut self) {
        self.tasks.drop_all::<WatchAway>();
        self.state.train.away.clear();
        self.state.train.away_selected = None;
        let Some(open) = &self.project else { return };
        // Without the folder there is none.
        let Ok(entries) = std::fs::read_dir(bundles_dir(&open.folder)) else { return };
        let mut bundles: Vec<PathBuf> =
            entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        bundles.sort();
        for bundle in bundles.into_iter().rev().filter(|path| !path.join(LEFT).exists()) {
            let Ok(running) = Running::read(&bundle) else { continue };
            let Ok(manifest) = Manifest::read(&bundle) else { continue };
            let Some(objective) = manifest.objective() else { continue };
            let words = running.words();
            self.state
                .train
                .away
                .push(AwayRun { words, ..AwayRun::new(bundle.clone(), objective) });
            self.watch_away(bundle);
        }
    }

    /// Takes the results in a folder back as a run of the project.
    pub(super) fn take_results(&mut self, results: PathBuf) {
        self.take_results_of(results, None);
    }

    fn take_results_of(&mut self, results: PathBuf, of: Option<PathBuf>) {
        if self.tasks.has::<ImportRun>() {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        let sentence = "Results need a project to be kept in";
        let Some(project) = self.project_for(PanelId::Train, sentence) else { return };
        let run_dir = runs::new_imported_dir(&project, self.host.now());
        let order =
            ImportOrder { results, bundle: None, run_file: None, run_dir, recomputes: true };
        self.start(ImportRun::of(of), order);
    }
}
