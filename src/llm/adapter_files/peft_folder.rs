//! What lies in PEFT's folder, and what is told of a folder that is none.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::files;
use crate::llm::adapter::peft_config::PeftConfig;
use crate::llm::error::Error;

pub(super) const CONFIG: &str = "adapter_config.json";

pub(super) const WEIGHTS: &str = "adapter_model.safetensors";

/// `adapter_config.json` of a folder.
pub fn read_config(folder: &Path) -> Result<PeftConfig, Error> {
    let (json, path) = read_json(folder)?;
    PeftConfig::from_json(&json, &path)
}

/// The same as it stands in its file, and the file.
pub(super) fn read_json(folder: &Path) -> Result<(Value, PathBuf), Error> {
    let path = folder.join(CONFIG);
    if !path.is_file() {
        let problem = if folder.join("config.json").is_file() {
            format!("it is a model's folder: it has a config.json and no {CONFIG}")
        } else if let Some(inner) = adapter_inside(folder) {
            format!(
                "it has no {CONFIG} itself; there is one in {}: name that folder",
                inner.display()
            )
        } else if folder.is_dir() {
            format!("it has no {CONFIG}, which PEFT writes beside {WEIGHTS}")
        } else {
            "there is nothing at this path; a PEFT folder, a GGUF file of llama.cpp, or the name of \
             an adapter in the Hub's cache (owner/name) was expected"
                .to_owned()
        };
        return Err(Error::adapter(folder, problem));
    }
    let text = std::fs::read_to_string(&path).map_err(|source| Error::read(&path, source))?;
    let json = files::json_of_python(text.as_bytes())
        .map_err(|err| Error::adapter(&path, files::mistake_in_json(text.as_bytes(), &err)))?;
    Ok((json, path))
}

/// Where PEFT has put an adapter that has a name: in a folder of that name.
fn adapter_inside(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut inside: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join(CONFIG).is_file())
        .collect();
    inside.sort();
    inside.into_iter().next()
}

pub(super) fn weights_path(folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join(WEIGHTS);
    if path.is_file() {
        return Ok(path);
    }
    let problem = if folder.join("adapter_model.bin").is_file() {
        format!(
            "it has only adapter_model.bin, a pickle, which can run code and is not loaded; convert \
             it in Python: safetensors.torch.save_file(torch.load(\"adapter_model.bin\", \
             weights_only=True), \"{WEIGHTS}\")"
        )
    } else {
        format!("it has no {WEIGHTS}")
    };
    Err(Error::adapter(folder, problem))
}
