//! Events and ends of jobs, turned into state.

use super::Workbench;
use super::engine::TrainJobError;
use super::host::Ask;
use super::running::{Asker, take_ended};
use super::training_rows::not_copied;
use crate::errors::one_line;
use crate::eval::preference::Measured;
use crate::hub;
use crate::jobs::JobEnd;
use crate::llm;
use crate::llm::LoadEvent;
use crate::llm::card::{AdapterCard, ModelCard, ModelSource};
use crate::llm::generate::AdapterMode;
use crate::state::command::{AdapterForm, Command};
use crate::state::models::{FetchView, LoadView, Memory};
use crate::state::notice::Notice;
use crate::state::playground::{Answers, PlaygroundState};
use crate::state::prefs::PanelId;
use crate::state::slots::{Activity, AdapterSlot, ModelSlot};
use crate::state::train::live::LiveRun;
use crate::train::metrics::RunSummary;
use crate::widgets::format;

impl Workbench {
    /// Takes in whatever the jobs have to say. Called once a frame.
    pub fn poll(&mut self) {
        self.poll_scan();
        self.poll_fetch();
        self.poll_load();
        self.poll_adapter();
        self.poll_generate();
        self.poll_train();
        self.poll_export();
        self.poll_saving();
        self.poll_adapter_export();
        self.poll_measuring();
        self.poll_survey();
        self.poll_reading();
        self.poll_estimate();
        self.poll_dialog();
        self.poll_imports();
        self.poll_hub();
        self.poll_keep();
        self.state.activities = self.activities();
    }

    fn poll_scan(&mut self) {
        let Some(end) = take_ended(&mut self.running.scan, |job| job.poll(|()| {})) else { return };
        self.state.models.scanning = false;
        self.measure_memory();
        match end {
            JobEnd::Done(found) => {
                self.state.models.set_found(found);
                self.date_models();
            }
            JobEnd::Failed(err) => {
                let notice = Notice::error(PanelId::Models, "The disk could not be searched", &err);
                self.state.notices.push(notice.remedy("Try again", Command::RefreshModels));
            }
            JobEnd::Crashed(message) => self.crashed(PanelId::Models, "The search", message),
        }
    }

    fn poll_fetch(&mut self) {
        let now = self.host.seconds();
        let view = &mut self.state.models.fetch;
        let end = take_ended(&mut self.running.fetch, |job| {
            job.poll(|event| view.get_or_insert_default().on_event(event, now))
        });
        let Some(end) = end else { return };
        self.state.models.fetch = None;
        match end {
            JobEnd::Done(fetched) => {
                let summary = format!("The starter model is here, from {}", fetched.source);
                self.state.notices.push(Notice::info(PanelId::Models, summary));
                self.handle(Command::RefreshModels);
                self.handle(Command::LoadModel(ModelSource::at(&fetched.path)));
            }
            JobEnd::Failed(hub::Error::Cancelled(_)) => {
                let notice = Notice::info(PanelId::Models, "Stopped. What has come is kept");
                self.state.notices.push(notice.remedy("Go on", Command::FetchStarter));
            }
            JobEnd::Failed(err) => {
                let notice =
                    Notice::error(PanelId::Models, "The starter model could not be fetched", &err)
                        .hint("Or open a model file that you have with Use a file…");
                self.state.notices.push(notice.remedy("Try again", Command::FetchStarter));
            }
            JobEnd::Crashed(message) => self.crashed(PanelId::Models, "The download", message),
        }
    }

    fn poll_load(&mut self) {
        let view = &mut self.state.models.load;
        let end = take_ended(&mut self.running.load, |job| {
            job.poll(|event| {
                if let Some(view) = view {
                    show_loading(view, &event);
                }
            })
        });
        let Some(end) = end else { return };
        self.state.models.load = None;
        let name = match &self.state.model {
            ModelSlot::Loading { name } => name.clone(),
            ModelSlot::Empty | ModelSlot::Ready(_) => "the model".to_owned(),
        };
        self.state.model = ModelSlot::Empty;
        match end {
            JobEnd::Done(card) => self.model_loaded(card),
            JobEnd::Failed(llm::Error::Cancelled(_)) => {}
            JobEnd::Failed(err) => self.state.notices.push(Notice::error(
                PanelId::Models,
                format!("Could not load {name}"),
                &err,
            )),
            JobEnd::Crashed(message) => self.crashed(PanelId::Models, "Loading", message),
        }
        self.measure_memory();
    }

    fn model_loaded(&mut self, card: ModelCard) {
        let path = card.source.path().to_owned();
        self.state.prefs.last_used.insert(path, self.host.now().unix_timestamp());
        self.date_models();
        self.state.prefs.last_model = Some(card.source.clone());
        self.state.playground.new_chat();
        self.state.model = ModelSlot::Ready(Box::new(card));
        if let Some(folder) = self.adapter_after_load.take() {
            self.handle(Command::LoadAdapter(folder));
        }
    }

    fn poll_adapter(&mut self) {
        let Some(end) = take_ended(&mut self.running.adapter, |job| job.poll(|()| {})) else {
            return;
        };
        self.state.adapter = AdapterSlot::None;
        match end {
            JobEnd::Done(card) => self.adapter_loaded(card),
            JobEnd::Failed(err) => {
                self.compare_after_load = false;
                let notice =
                    Notice::error(PanelId::Playground, "The adapter could not be loaded", &err);
                self.state.notices.push(notice.remedy("Choose another…", Command::ChooseAdapter));
            }
            JobEnd::Crashed(message) => {
                self.crashed(PanelId::Playground, "Loading the adapter", message);
            }
        }
    }

    fn adapter_loaded(&mut self, card: AdapterCard) {
        self.state.adapter = AdapterSlot::Ready { card, mode: AdapterMode::On };
        if std::mem::take(&mut self.compare_after_load) {
            self.state.playground.answers = Answers::SideBySide;
            self.handle(Command::Generate);
        }
    }

    fn poll_generate(&mut self) {
        let now = self.host.seconds();
        let state = &mut self.state;
        let Some((asker, job)) = &mut self.running.generate else { return };
        let asker = *asker;
        let end = job.poll(|event| match asker {
            Asker::Playground => state.playground.on_event(event, now),
            Asker::Annotate => state.annotate.on_event(event, now),
        });
        let Some(end) = end else { return };
        self.running.generate = None;
        let place = match asker {
            Asker::Playground => PanelId::Playground,
            Asker::Annotate => PanelId::Annotate,
        };
        match asker {
            Asker::Playground => self.state.playground.finished(),
            Asker::Annotate => self.state.annotate.ended(),
        }
        match end {
            JobEnd::Done(_) | JobEnd::Failed(llm::Error::Cancelled(_)) => {}
            JobEnd::Failed(err) => {
                self.state.notices.push(Notice::error(place, "The model could not answer", &err));
            }
            JobEnd::Crashed(message) => self.crashed(place, "Answering", message),
        }
        if let Some(command) = self.after_generation.take() {
            self.handle(command);
        }
    }

    fn poll_train(&mut self) {
        let train = &mut self.state.train;
        let end =
            take_ended(&mut self.running.train, |job| job.poll(|event| train.on_event(event)));
        let Some(end) = end else { return };
        let result: Result<RunSummary, String> = match end {
            JobEnd::Done(summary) => Ok(summary),
            JobEnd::Failed(err) => {
                self.state.notices.push(match &err {
                    TrainJobError::Data(err) => not_copied(err),
                    err => Notice::error(PanelId::Train, "The run ended with an error", err)
                        .hint("What was saved before is in the list of runs"),
                });
                Err(one_line(&err))
            }
            JobEnd::Crashed(message) => {
                self.crashed(PanelId::Train, "Training", message.clone());
                Err(message)
            }
        };
        self.state.train.finished(result);
        self.refresh_runs();
        self.measure_memory();
    }

    fn poll_dialog(&mut self) {
        let Some((ask, job)) = &mut self.running.dialog else { return };
        let ask = *ask;
        let Some(end) = job.poll(|()| {}) else { return };
        self.running.dialog = None;
        match end {
            JobEnd::Done(Some(path)) => self.chosen(ask, path),
            JobEnd::Done(None) => {}
            JobEnd::Failed(err) => {
                let place = self.state.prefs.panel;
                self.state.notices.push(Notice::error(
                    place,
                    "No file dialog could be opened",
                    &err,
                ));
            }
            JobEnd::Crashed(message) => {
                self.crashed(self.state.prefs.panel, "The file dialog", message);
            }
        }
    }

    /// A file or folder was picked in a dialog.
    pub(super) fn chosen(&mut self, ask: Ask, path: std::path::PathBuf) {
        match ask {
            Ask::ModelFile | Ask::ModelFolder => {
                let opened = &mut self.state.prefs.opened_models;
                opened.retain(|known| *known != path);
                opened.push(path.clone());
                self.handle(Command::RefreshModels);
                self.handle(Command::LoadModel(ModelSource::at(&path)));
            }
            Ask::AdapterFolder => self.handle(Command::LoadAdapter(path)),
            Ask::ProjectFolder => self.handle(Command::OpenProjectAt(path)),
            Ask::PromptsFile => self.use_prompts_file(path),
            Ask::TrainingData => self.use_training_file(path),
            Ask::RunFile => self.use_run_file(&path),
            Ask::ExportPairs { conversational } => self.export_pairs(&path, conversational),
            Ask::SaveElsewhere => self.save_elsewhere(&path),
            Ask::SaveRunFile => self.save_run_file(path),
            Ask::MergedFolder => self.export_adapter(AdapterForm::Merged, path),
            Ask::GgufAdapter => self.export_adapter(AdapterForm::Gguf, path),
        }
    }

    pub(super) fn crashed(&mut self, place: PanelId, what: &str, message: String) {
        self.state.notices.push(Notice::crash(place, what, message));
    }

    pub(super) fn measure_memory(&mut self) {
        let (available, total) = self.host.memory();
        self.state.models.memory = Memory { total, available };
    }

    /// The lines of the bottom bar.
    fn activities(&self) -> Vec<Activity> {
        let mut lines = Vec::new();
        if self.running.train.is_some() {
            lines.extend(self.state.train.live.as_ref().and_then(LiveRun::activity));
        }
        if let Some(view) =
            self.state.models.fetch.as_ref().filter(|_| self.running.fetch.is_some())
        {
            lines.push(Activity {
                what: "Downloading".to_owned(),
                detail: fetch_detail(view),
                fraction: view.fraction(),
                stop: Some(Command::StopFetch),
            });
        }
        lines.extend(self.downloading());
        lines.extend(self.verifying());
        lines.extend(self.reading());
        if let Some(view) = self.state.models.load.as_ref().filter(|_| self.running.load.is_some())
        {
            lines.push(Activity {
                what: "Loading".to_owned(),
                detail: format!("{} · {}", view.name, view.what),
                fraction: view.fraction(),
                stop: None,
            });
        }
        if let Some((_, Measured { done, total }, _)) = &self.running.measuring {
            lines.push(Activity {
                what: "Measuring".to_owned(),
                detail: format!("{done} of {total} texts"),
                fraction: (*total > 0).then(|| *done as f32 / *total as f32),
                stop: Some(Command::StopMeasuring),
            });
        }
        if self.running.adapter_export.is_some() {
            let (done, total) = self.exported;
            lines.push(Activity {
                what: "Exporting the adapter".to_owned(),
                detail: format!("{done} of {total} tensors"),
                fraction: (total > 0).then(|| done as f32 / total as f32),
                stop: Some(Command::StopExport),
            });
        }
        if let Some((asker, _)) = &self.running.generate {
            let detail = match asker {
                Asker::Playground => playground_detail(&self.state.playground),
                Asker::Annotate => self.state.annotate.activity().unwrap_or_default(),
            };
            lines.push(Activity {
                what: "Answering".to_owned(),
                detail,
                fraction: None,
                stop: Some(Command::StopGenerate),
            });
        }
        lines
    }
}

fn show_loading(view: &mut LoadView, event: &LoadEvent) {
    (view.what, view.done, view.total) = match event {
        LoadEvent::Tensors { done, total } => {
            ("reading the weights".to_owned(), *done as u64, *total as u64)
        }
        LoadEvent::Hashing { done, total } => ("checking the hash".to_owned(), *done, *total),
    };
}

/// How far it is, or the source that is being tried.
fn fetch_detail(view: &FetchView) -> String {
    match (&view.file, &view.trying) {
        (Some(_), _) if view.elsewhere => "another copy of the program is fetching it".to_owned(),
        (Some(_), _) if view.verifying => "checking the hash".to_owned(),
        (Some(_), _) => {
            format::transfer(view.done, view.total, view.bytes_per_sec, view.time_left())
        }
        (None, Some(source)) => format!("trying {source}"),
        (None, None) => "starting".to_owned(),
    }
}

/// `42 tokens · 31.0 tokens/s`.
fn playground_detail(playground: &PlaygroundState) -> String {
    let Some(lane) =
        playground.lanes.iter().rfind(|lane| !lane.tokens.is_empty() || lane.reading.is_some())
    else {
        return "starting".to_owned();
    };
    if let (true, Some((done, total))) = (lane.tokens.is_empty(), lane.reading) {
        return format!("reading the prompt · {done} of {total} tokens");
    }
    match lane.tokens_per_sec() {
        Some(speed) => format!("{} tokens · {speed:.1} tokens/s", lane.tokens.len()),
        None => format!("{} tokens", lane.tokens.len()),
    }
}
