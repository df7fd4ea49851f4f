//! `tuning-fork models`: what is on this disk.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::out;
use crate::encoder;
use crate::hub::cache::local;
use crate::hub::cache::local::{LocalModel, Place};
use crate::hub::paths::HubPaths;
use crate::llm;
use crate::llm::card::{ModelFacts, ModelSource};

#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Look at these files and folders too
    also: Vec<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ModelsArgs) -> anyhow::Result<()> {
    let scan = local::scan_in(&HubPaths::from_env()?, &args.also);
    let facts = |model: &LocalModel| encoder::inspect(&ModelSource::at(&model.path));
    if args.json {
        let models: Vec<Value> =
            scan.models.iter().map(|model| as_json(model, facts(model))).collect();
        let broken: Vec<Value> = scan
            .broken
            .iter()
            .map(|b| json!({ "name": b.name, "path": b.path, "reason": b.reason }))
            .collect();
        return out::json(&json!({ "models": models, "broken": broken }));
    }
    for model in &scan.models {
        let what = match facts(model) {
            Ok(facts) => in_words(&facts),
            Err(error) => error.to_string(),
        };
        let size = out::bytes(model.file_bytes);
        out::line(&format!("{}\n    {size}, {what}\n    {}", model.name, model.path.display()))?;
    }
    for broken in &scan.broken {
        out::note(&format!("{}: {} ({})", broken.name, broken.reason, broken.path.display()));
    }
    if scan.models.is_empty() {
        out::note("No models here yet. `tuning-fork fetch starter` gets a small one");
    }
    Ok(())
}

fn in_words(facts: &ModelFacts) -> String {
    let millions = facts.parameter_count / 1_000_000;
    let words = format!(
        "{}, {millions}M parameters, {}, {} of memory, context {}",
        facts.architecture,
        facts.precision,
        out::bytes(facts.memory_bytes),
        facts.context_length
    );
    match &facts.unsupported {
        Some(why) => format!("{words}; cannot be run: {}", why.sentence),
        None => match encoder::about(facts.purpose) {
            Some(about) => format!("{words}. {about}"),
            None => words,
        },
    }
}

fn as_json(model: &LocalModel, facts: Result<ModelFacts, llm::Error>) -> Value {
    let LocalModel { name, path, place, file_bytes } = model;
    let place = match place {
        Place::HubCache { repo, commit } => {
            json!({ "kind": "hub_cache", "repo": repo, "commit": commit })
        }
        Place::Own => json!({ "kind": "own" }),
        Place::Opened => json!({ "kind": "opened" }),
    };
    let facts = match facts {
        Ok(facts) => json!({
            "architecture": facts.architecture,
            "parameters": facts.parameter_count,
            "precision": facts.precision,
            "memory_bytes": facts.memory_bytes,
            "context_length": facts.context_length,
            "vocab_size": facts.vocab_size,
            "chat_template": facts.has_chat_template,
            "purpose": facts.purpose,
            "unsupported": facts.unsupported.map(|why| why.sentence),
        }),
        Err(error) => json!({ "unsupported": error.to_string() }),
    };
    json!({ "name": name, "path": path, "place": place, "file_bytes": file_bytes, "facts": facts })
}
