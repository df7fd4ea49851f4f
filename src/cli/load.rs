//! The arguments that name a model and an adapter, and loading them.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::progress::Bar;
use crate::hub;
use crate::hub::resolve;
use crate::llm::card::ModelSource;
use crate::llm::{Adapter, LoadOptions, Model, Weights};

#[derive(Debug, Args)]
pub struct ModelArgs {
    /// A transformers folder, a .gguf file, a Hub id that is in the cache, or `starter`
    #[arg(long, default_value = "starter")]
    pub model: String,

    /// A PEFT folder to lay over the model
    #[arg(long)]
    pub adapter: Option<PathBuf>,

    /// Keep the weights as the file stores them, widen them to f32, or round them
    #[arg(long, value_enum, default_value_t = Precision::AsStored)]
    pub weights: Precision,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Precision {
    AsStored,
    F32,
    Bf16,
    #[value(name = "q8_0")]
    Q8_0,
    #[value(name = "q4_0")]
    Q4_0,
}

impl From<Precision> for Weights {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::AsStored => Self::AsStored,
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
            Precision::Q8_0 => Self::Q8_0,
            Precision::Q4_0 => Self::Q4_0,
        }
    }
}

impl ModelArgs {
    pub fn load(&self) -> anyhow::Result<(Model, Option<Adapter>)> {
        let model = load_model(&self.model, self.weights.into())?;
        let adapter = self.adapter.as_deref().map(|folder| Adapter::load(folder, &model));
        Ok((model, adapter.transpose()?))
    }
}

/// Loads a model by whatever a `--model` or a run file may say.
pub fn load_model(name: &str, weights: Weights) -> anyhow::Result<Model> {
    let path = match resolve::resolve_model(name) {
        Err(hub::Error::NoSuchModel { .. }) if name == "starter" => {
            anyhow::bail!("the starter model is not here yet: run `tuning-fork fetch starter`")
        }
        found => found?,
    };
    let bar = Bar::new();
    let model = Model::load(&ModelSource::at(&path), &LoadOptions { weights }, &bar);
    bar.clear();
    model.with_context(|| format!("{name} could not be loaded"))
}
