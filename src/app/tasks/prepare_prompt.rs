//! Fills the prompt that is open, chooses its examples, and counts what fits.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::encoder::Encoder;
use crate::errors::one_line;
use crate::hub;
use crate::hub::resolve;
use crate::jobs::{Checks, Progress};
use crate::prompts::check::check;
use crate::prompts::error::PromptError;
use crate::prompts::examples::{self, Chosen, ExampleTable};
use crate::prompts::filled::value_of;
use crate::prompts::fit::{Space, fit, shown};
use crate::prompts::material::Examples;
use crate::state::playground::library::{Inputs, Prepared};
use crate::state::prefs::PanelId;

pub struct PreparePrompt {
    /// Which prompt it is.
    pub number: u64,
    pub inputs: Inputs,
}

pub struct PrepareRequest {
    pub inputs: Inputs,
    pub table: Option<Arc<ExampleTable>>,
    pub file: Option<PathBuf>,
    pub project: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Prompt(#[from] PromptError),

    #[error("the encoder that chooses the examples was not found")]
    Encoder(#[from] hub::Error),
}

impl Work for PreparePrompt {
    type Request = PrepareRequest;
    type Event = Arc<ExampleTable>;
    type Output = Prepared;
    type Error = PrepareError;

    // A newer one takes its place, and nothing else stops it.
    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("Filling the prompt") };

    fn run(
        request: PrepareRequest,
        services: &Services,
        progress: &dyn Progress<Arc<ExampleTable>>,
    ) -> Result<Prepared, PrepareError> {
        let PrepareRequest { inputs: Inputs { material, values, manner }, table, file, project } =
            request;
        check(&material)?;
        let read = |wanted: &Examples| -> Result<Arc<ExampleTable>, PromptError> {
            let path = examples::find_table(&wanted.table, file.as_deref(), project.as_deref());
            let table = Arc::new(ExampleTable::read(&path, &Checks(progress))?);
            progress.emit(Arc::clone(&table));
            Ok(table)
        };
        let choose = |wanted: &Examples| -> Result<Chosen, PrepareError> {
            let table = table.map_or_else(|| read(wanted), Ok)?;
            let encoder = match wanted.encoder_name() {
                Some(name) => {
                    let folder = resolve::resolve_model(name)?;
                    Some((Encoder::load(&folder).map_err(PromptError::from)?, name))
                }
                None => None,
            };
            let asked = value_of(&material, &values, &wanted.compare).unwrap_or_default();
            let encoder = encoder.as_ref().map(|(encoder, name)| (encoder, *name));
            Ok(examples::choose(wanted, &table, &asked, encoder, &Checks(progress))?)
        };
        let chosen = material.examples.as_ref().map(choose).transpose()?;
        let model = services.model().map_err(PromptError::from)?;
        let adapter = services.adapter();
        let space = Space {
            tokenizer: model.tokenizer(),
            chat: model.chat(),
            context: model.context_with(adapter.as_deref()),
        };
        let fit = fit(&material, &values, chosen.as_ref(), &manner, &space)?;
        let filled = shown(&material, &values, chosen.as_ref())?;
        Ok(Prepared { filled, chosen, fit })
    }
}

impl PreparePrompt {
    fn told(self, prepared: Result<Prepared, String>, app: &mut Workbench) {
        if let Some(open) = app.state.playground.library.of(self.number) {
            open.preparing = None;
            open.prepared = Some((self.inputs, prepared));
        }
    }
}

impl Task<Workbench> for PreparePrompt {
    fn on_event(&mut self, table: Arc<ExampleTable>, app: &mut Workbench) {
        if let Some(open) = app.state.playground.library.of(self.number) {
            open.table = Some(table);
        }
    }

    fn done(self, prepared: Prepared, app: &mut Workbench) {
        self.told(Ok(prepared), app);
    }

    fn failed(self, error: PrepareError, app: &mut Workbench) {
        self.told(Err(one_line(&error)), app);
    }

    fn crashed(self, message: &str, app: &mut Workbench) {
        self.told(Err(message.to_owned()), app);
    }

    fn panel(&self) -> PanelId {
        PanelId::Playground
    }
}
