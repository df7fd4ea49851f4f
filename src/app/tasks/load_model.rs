//! Loads a model in place of the one in memory.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::encoder;
use crate::jobs::Progress;
use crate::llm::LoadEvent;
use crate::llm::card::{ModelCard, ModelSource, Purpose};
use crate::llm::config::CacheNumbers;
use crate::llm::headers::inspect;
use crate::llm::model::{LoadOptions, Model};
use crate::seq2seq::{Seq2Seq, is_pair_model};
use crate::state::command::ModelsCommand;
use crate::state::models::LoadView;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::{Activity, AdapterSlot, ModelSlot};

/// What is to happen once a model is in memory.
#[derive(Default)]
pub struct LoadModel {
    /// An adapter that is laid over it once it is there.
    pub adapter: Option<PathBuf>,

    /// Base and adapter are then asked the same.
    pub compare: bool,

    /// The model and the adapter that were there: they stay where the new one turns out to be none, and are gone
    /// once the first thing is said of its loading.
    pub kept: Option<(ModelSlot, AdapterSlot)>,
}

impl Work for LoadModel {
    type Request = (ModelSource, Option<CacheNumbers>);
    type Event = LoadEvent;
    type Output = ModelCard;
    type Error = encoder::Error;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short("Loading") };

    fn run(
        (source, cache): (ModelSource, Option<CacheNumbers>),
        services: &Services,
        progress: &dyn Progress<LoadEvent>,
    ) -> Result<ModelCard, encoder::Error> {
        if services.model().is_ok() && !is_pair_model(source.path()) {
            // What cannot be loaded at all does not drive out the model that is there.
            inspect::check(&source)?;
        }
        progress.emit(LoadEvent::Tensors { done: 0, total: 0 });
        services.set_model(None); // first: two models at once may not fit
        if is_pair_model(source.path()) {
            let (model, card) = Seq2Seq::load_with_card(&source, progress)?;
            services.set_seq2seq(model, card.clone());
            return Ok(card);
        }
        let options = LoadOptions { cache, ..LoadOptions::default() };
        let model = Model::load(&source, &options, progress)?;
        let card = model.card().clone();
        services.set_model(Some(model));
        Ok(card)
    }
}

impl Task<Workbench> for LoadModel {
    fn on_event(&mut self, event: LoadEvent, app: &mut Workbench) {
        self.kept = None;
        if let Some(view) = &mut app.state.models.load {
            show(view, &event);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.models.load = None;
        app.measure_memory();
    }

    fn done(self, card: ModelCard, app: &mut Workbench) {
        let path = card.source.path().to_owned();
        app.state.prefs.last_used.insert(path, app.host.now().unix_timestamp());
        app.date_models();
        app.state.prefs.last_model = Some(card.source.clone());
        app.state.playground.new_chat();
        app.state.playground.library.count_again();
        app.state.playground.seq2seq.forget();
        if let Some(problem) = &card.facts.chat_problem {
            let summary = format!("Loaded, but {problem}");
            let notice = Notice::problem(PanelId::Models, summary);
            app.state.notices.push(notice.hint("In the Playground, raw mode continues a text"));
        }
        for warning in &card.facts.warnings {
            let summary = format!("Loaded, with something to know: {warning}");
            app.state.notices.push(Notice::problem(PanelId::Models, summary));
        }
        let card = Box::new(card);
        app.state.model = match card.facts.purpose {
            Purpose::SequenceToSequence => ModelSlot::EncoderDecoder(card),
            _ => ModelSlot::Ready(card),
        };
        if let Some(adapter) = self.adapter {
            app.load_adapter(adapter, self.compare);
        }
    }

    fn failed(self, error: encoder::Error, app: &mut Workbench) {
        let name = match std::mem::take(&mut app.state.model) {
            ModelSlot::Loading { name } => name,
            _ => "the model".to_owned(),
        };
        if let Some((model, adapter)) = self.kept {
            (app.state.model, app.state.adapter) = (model, adapter);
        }
        if !error.is_stop() {
            let summary = format!("Could not load {name}");
            app.state.notices.push(Notice::error(PanelId::Models, summary, &error));
            app.handle(ModelsCommand::Refresh); // it may not be there any more
        }
    }

    fn crashed(self, _message: &str, app: &mut Workbench) {
        app.state.model = ModelSlot::Empty;
    }

    fn panel(&self) -> PanelId {
        PanelId::Models
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let view = app.state.models.load.as_ref()?;
        let detail = format!("{} · {}", view.name, view.what);
        Some(Activity { fraction: view.fraction(), ..Activity::new("Loading", detail) })
    }
}

fn show(view: &mut LoadView, event: &LoadEvent) {
    (view.what, view.done, view.total) = match event {
        LoadEvent::Tensors { done, total } => {
            ("reading the weights".to_owned(), *done as u64, *total as u64)
        }
        LoadEvent::Hashing { done, total } => ("checking the hash".to_owned(), *done, *total),
    };
}
