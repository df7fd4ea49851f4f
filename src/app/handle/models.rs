//! Models on this disk: the starter model, loading, deleting, checking.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::host::Ask;
use crate::app::tasks::check_files::{CheckFiles, no_hash};
use crate::app::tasks::delete_model::DeleteModel;
use crate::app::tasks::load_model::LoadModel;
use crate::app::tasks::scan_models::ScanModels;
use crate::app::tasks::serve_model::ServeModel;
use crate::app::tasks::starter::FetchStarter;
use crate::app::tasks::updates::CheckUpdates;
use crate::app::{Outward, tasks};
use crate::hub;
use crate::hub::cache::local::Place;
use crate::hub::fetch::queue::QueueCommand;
use crate::hub::resolve;
use crate::hub::resolve::Resolved;
use crate::llm::card::ModelSource;
use crate::state::command::ModelsCommand;
use crate::state::models::{FetchView, LoadView, Memory};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::serving::{ServeStatus, ServingState};
use crate::state::slots::{AdapterSlot, ModelSlot};

impl Workbench {
    pub(super) fn handle_models(&mut self, command: ModelsCommand) {
        match command {
            ModelsCommand::Refresh => {
                let opened = self.state.prefs.opened_models.clone();
                self.state.models.scanning = true;
                self.start_instead(ScanModels, opened);
            }
            ModelsCommand::FetchStarter => self.fetch_starter(),
            ModelsCommand::StopFetch => self.tasks.stop::<FetchStarter>(),
            ModelsCommand::ChooseFile => self.ask(Ask::ModelFile),
            ModelsCommand::ChooseFolder => self.ask(Ask::ModelFolder),
            ModelsCommand::Load(source) => self.load_model(source, LoadModel::default()),
            ModelsCommand::Unload => self.unload_model(),
            ModelsCommand::KeepAnswersAs(numbers) => {
                self.state.models.answer_cache = numbers;
                self.state.prefs.answer_cache = numbers;
            }
            ModelsCommand::Serve => self.serve_model(),
            ModelsCommand::StopServing => self.tasks.stop::<ServeModel>(),
            ModelsCommand::ProbeServer => self.probe_server(),
            ModelsCommand::StopProbing => self.stop_probing(),
            ModelsCommand::UseServer => self.use_server(),
            ModelsCommand::Remove(path) => self.remove_model(path),
            ModelsCommand::Verify(path) => self.verify_model(&path),
            ModelsCommand::StopVerifying => self.tasks.stop::<CheckFiles>(),
            ModelsCommand::CheckUpdates => self.check_updates(),
            ModelsCommand::Search => self.search_hub(),
            ModelsCommand::SearchMore => self.search_more(),
            ModelsCommand::ShowDetails(kind, id) => self.show_details(kind, id),
            ModelsCommand::CloseDetails => {
                self.tasks.drop_all::<tasks::details::ReadDetails>();
                self.state.hub.detail = None;
            }
            ModelsCommand::Download(order) => self.engine.send_to_queue(QueueCommand::Add(order)),
            ModelsCommand::Queue(command) => self.engine.send_to_queue(command),
            ModelsCommand::OpenHubPage(kind, repo) => {
                let page = self.engine.hub_page(kind, &repo);
                self.outward.push(Outward::OpenPage(page));
            }
            ModelsCommand::SaveHubSettings => self.save_hub_settings(),
            ModelsCommand::SaveToken => self.save_token(),
            ModelsCommand::DeleteToken => self.delete_token(),
        }
    }

    fn fetch_starter(&mut self) {
        if !self.tasks.has::<FetchStarter>() {
            self.state.notices.clear(PanelId::Models);
            self.state.models.fetch = Some(FetchView::default());
            self.start(FetchStarter, ());
        }
    }

    /// An adapter was opened where a model was asked for: the model that it names is loaded with it, or
    /// it is laid over the one in memory.
    pub(super) fn open_adapter(&mut self, path: PathBuf) {
        let loaded = self.state.model.in_memory().map(|card| card.source.path().to_owned());
        match resolve::resolve_with_adapter(&path.to_string_lossy()) {
            Ok(Resolved { model, .. }) if path.is_dir() && loaded.as_ref() != Some(&model) => {
                let then = LoadModel { adapter: Some(path), ..LoadModel::default() };
                self.load_model(ModelSource::at(&model), then);
            }
            Ok(_) | Err(_) if loaded.is_some() => self.load_adapter(path, false),
            Ok(_) => self.state.notices.push(Notice::problem(
                PanelId::Models,
                "This file is an adapter: load its model first, then open it again",
            )),
            Err(err) => {
                let summary = "This is an adapter, and its model could not be opened";
                self.state.notices.push(Notice::error(PanelId::Models, summary, &err));
            }
        }
    }

    pub(super) fn load_model(&mut self, source: ModelSource, mut then: LoadModel) {
        if self.tasks.has::<LoadModel>() {
            return;
        }
        self.drop_answers();
        self.stop_serving();
        self.forget_encoder(); // both may not fit
        self.forget_masked();
        self.state.notices.clear(PanelId::Models);
        let name = source.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.state.models.load = Some(LoadView { name: name.clone(), ..LoadView::default() });
        let model = std::mem::replace(&mut self.state.model, ModelSlot::Loading { name });
        let adapter = std::mem::take(&mut self.state.adapter);
        then.kept = model.ready().is_some().then_some((model, adapter));
        self.start(then, (source, self.state.prefs.answer_cache));
    }

    fn serve_model(&mut self) {
        if self.tasks.has::<ServeModel>() || self.state.model.ready().is_none() {
            return;
        }
        self.state.notices.clear(PanelId::Models);
        self.state.models.serving.status = ServeStatus::Starting;
        let to = self.state.models.serving.to;
        self.start(ServeModel, (to, self.state.prefs.guessing.clone()));
    }

    /// The memory of a model that leaves is to be given back: nobody is answered by it any more.
    fn stop_serving(&mut self) {
        self.tasks.drop_all::<ServeModel>();
        self.state.models.serving = ServingState::default();
    }

    pub(super) fn unload_model(&mut self) {
        self.drop_answers();
        self.stop_serving();
        self.engine.unload();
        self.state.model = ModelSlot::Empty;
        self.state.adapter = AdapterSlot::None;
        self.state.prefs.last_model = None;
        self.measure_memory();
    }

    fn remove_model(&mut self, path: PathBuf) {
        if self.state.model.in_memory().is_some_and(|card| card.source.path() == path) {
            self.handle(ModelsCommand::Unload);
        }
        self.state.models.confirm_remove = None;
        let opened = &mut self.state.prefs.opened_models;
        if opened.contains(&path) {
            // Not ours to delete: it only leaves the list.
            opened.retain(|known| *known != path);
            self.handle(ModelsCommand::Refresh);
        } else {
            self.start(DeleteModel, path);
        }
    }

    /// Says of each model how long ago it was last loaded.
    pub(in crate::app) fn date_models(&mut self) {
        let now = self.host.now().unix_timestamp();
        let used = &self.state.prefs.last_used;
        for found in &mut self.state.models.found {
            let secs = used.get(&found.local.path).map(|then| now.saturating_sub(*then));
            found.unused_days = secs.map(|secs| secs.max(0) as u64 / (24 * 60 * 60));
        }
    }

    pub(in crate::app) fn measure_memory(&mut self) {
        let (available, total) = self.host.memory();
        self.state.models.memory = Memory { total, available };
    }

    /// The model that a run was trained on, by the name in its settings; says in `place` where it
    /// is not on this disk any more.
    pub(super) fn base_model(&mut self, name: &str, place: PanelId) -> Option<ModelSource> {
        match hub::resolve::resolve_model(name) {
            Ok(path) => Some(ModelSource::at(&path)),
            Err(err) => {
                let summary = "The run's base model is not here any more";
                self.state.notices.push(Notice::error(place, summary, &err));
                None
            }
        }
    }

    fn verify_model(&mut self, path: &Path) {
        if self.tasks.has::<CheckFiles>() {
            return;
        }
        let found = self.state.models.found.iter().find(|found| found.local.path == path);
        let Some(found) = found else { return };
        let name = found.local.name.clone();
        match &found.local.place {
            Place::HubCache { repo, .. } => {
                let repo = repo.clone();
                self.start(CheckFiles { name, at: None }, repo);
            }
            Place::Own | Place::Opened => self.state.notices.push(no_hash(&name)),
        }
    }

    /// Asks the Hub what the branches of all models here point to now.
    fn check_updates(&mut self) {
        let repos = self.state.models.found.iter().filter_map(|found| match &found.local.place {
            Place::HubCache { repo, .. } => Some(repo.clone()),
            Place::Own | Place::Opened => None,
        });
        let repos: BTreeSet<String> = repos.collect();
        if !self.tasks.has::<CheckUpdates>() && !repos.is_empty() {
            self.state.models.checking_updates = true;
            self.start(CheckUpdates, repos.into_iter().collect());
        }
    }
}
