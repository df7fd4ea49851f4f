//! `tuning-fork export`: an adapter for other programs.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::load::{load_adapter, load_model};
use super::out;
use super::progress::Bar;
use crate::hub::resolve::resolve_adapter;
use crate::llm::Weights;
use crate::llm::adapter_files::{gguf_lora, merge};

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A transformers folder, a .gguf file, a Hub id that is in the cache, or `starter`
    #[arg(long, default_value = "starter")]
    model: String,

    /// The adapter: a PEFT folder, such as a run's, a LoRA as .gguf, or a Hub id in the cache
    #[arg(long)]
    adapter: String,

    /// What to make of it
    #[arg(long = "as", value_enum)]
    form: Form,

    /// Where to write it: a new folder, or a .gguf file
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A transformers folder with the adapter worked into the weights
    Merged,

    /// A GGUF file that llama.cpp lays over the model (--lora)
    GgufAdapter,
}

pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let ExportArgs { model, adapter, form, out } = args;
    let adapter = resolve_adapter(adapter)?;
    let model = load_model(model, Weights::AsStored)?;
    let adapter = load_adapter(&adapter, &model)?;
    match form {
        Form::Merged => {
            let bar = Bar::new();
            let result = merge::merge(&model, &adapter, out, &bar);
            bar.clear();
            result
        }
        Form::GgufAdapter => gguf_lora::write(&adapter, model.config(), out),
    }
    .with_context(|| format!("{} could not be written", out.display()))?;
    out::line(&out.display().to_string())
}
