//! The adapter of a run: a new one, or one that is continued.

use std::path::Path;

use crate::llm;
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::score_head::ScoreFacts;
use crate::llm::model::Model;
use crate::train::config::objective::Head;
use crate::train::config::{ConfigProblem, TrainConfig};
use crate::train::error::Error;

/// A new adapter, or the one to continue.
pub fn begin(model: &Model, config: &TrainConfig) -> Result<Adapter, Error> {
    let adapter = without_head(model, config)?;
    match config.objective.facts().head {
        Head::Tokens if adapter.score_head().is_some() => {
            let message = format!(
                "it has a score head, and {} does not train one: continue it with objective = \"reward\", \
                 or begin a new adapter",
                config.objective.facts().name
            );
            Err(Error::Config(vec![ConfigProblem { field: "adapter", message }]))
        }
        Head::Tokens => Ok(adapter),
        Head::Score => {
            let head = (1, ScoreFacts::default());
            Ok(adapter.with_score_head(model, head, config.seed)?)
        }
    }
}

fn without_head(model: &Model, config: &TrainConfig) -> Result<Adapter, Error> {
    if config.method.own().is_some() {
        return Ok(Adapter::empty(model));
    }
    if let Some(kind) = config.method.soft() {
        let spec = config.soft_prompt.spec(kind);
        return Ok(Adapter::soft_prompt(model, &spec, config.seed)?);
    }
    match &config.adapter {
        Some(path) => continued(model, config, path),
        None => Ok(Adapter::init(model, &config.lora.spec(), config.seed)?),
    }
}

/// An adapter that is trained further. Fails where it cannot be.
pub fn continued(model: &Model, config: &TrainConfig, path: &Path) -> Result<Adapter, Error> {
    let adapter = load(model, path)?;
    if adapter.soft().is_some() {
        let message = "is a soft prompt, which is run and scored, and not trained further, as in \
                       PEFT; begin a new one with method = \"prompt_tuning\" or \"prefix_tuning\""
            .to_owned();
        return Err(Error::Config(vec![ConfigProblem { field: "adapter", message }]));
    }
    if adapter.config().use_dora && config.lora.lora_dropout > 0.0 {
        let message = "must be 0: the adapter that is continued has DoRA, which is trained \
                       without dropout here"
            .to_owned();
        return Err(Error::Config(vec![ConfigProblem { field: "lora.lora_dropout", message }]));
    }
    Ok(adapter)
}

/// The adapter of a run that is resumed.
pub fn resumed(model: &Model, config: &TrainConfig, run_dir: &Path) -> Result<Adapter, Error> {
    match config.method.own() {
        // Its values, and those of the head, come from the checkpoint.
        Some(_) => begin(model, config),
        None => load(model, run_dir),
    }
}

pub fn load(model: &Model, path: &Path) -> Result<Adapter, Error> {
    let adapter = Adapter::load(path, model).and_then(|adapter| {
        adapter.check_trainable()?;
        Ok(adapter)
    });
    adapter.map_err(|source| Error::Adapter { path: path.to_owned(), source })
}

/// Writes it in PEFT's format.
pub(crate) fn save(adapter: &Adapter, model: &Model, folder: &Path) -> Result<(), Error> {
    let saved = adapter.save(folder, &model.card().identity);
    saved.map(drop).map_err(|err| match err {
        llm::Error::Write { path, source } => Error::Write { path, source },
        other => Error::Model(other),
    })
}
