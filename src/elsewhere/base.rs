//! The base model of a bundle: what another machine calls it, and what is known of it here.

use serde_json::Value;

use super::error::Error;
use crate::data::table::Reading;
use crate::files;
use crate::jobs::{Checks, Progress};
use crate::llm;
use crate::llm::card::ModelSource;
use crate::llm::config::Config;
use crate::llm::model;

/// The folder of the model, where it goes with the bundle.
pub(super) const BASE_FOLDER: &str = "base";

/// The base model of a bundle.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// As the other machine finds it.
    pub name: String,
    pub revision: Option<String>,

    /// What it is called here.
    pub local: String,
    pub architecture: String,
    pub is_gguf: bool,

    /// `None`: nobody has seen it.
    pub has_chat_template: Option<bool>,
    pub sha256: Option<String>,
    pub(super) tokenizer_sha256: Option<String>,
    pub(super) chat_template_sha256: Option<String>,
    pub(super) config: Option<Config>,
}

impl Base {
    /// `named`: as the run file has it; `given`: what the person says that the other machine calls it.
    pub(super) fn of(
        named: &str,
        source: Option<&ModelSource>,
        given: Option<&str>,
        with_model: bool,
        progress: &dyn Progress<Reading>,
    ) -> Result<Self, Error> {
        let mut base = Self { name: named.to_owned(), ..Self::default() };
        if let Some(source) = source {
            base.read(source, progress)?;
        }
        if with_model {
            base.name = format!("./{BASE_FOLDER}");
            base.revision = None;
        }
        if let Some(given) = given {
            let (name, revision) = match given.split_once('@') {
                Some((name, revision)) => (name, Some(revision.to_owned())),
                None => (given, None),
            };
            // Another model than the one here, as far as anybody knows.
            if base.is_gguf {
                base = Self { config: base.config.take(), ..Self::default() };
            }
            base.name = name.to_owned();
            base.revision = revision;
        }
        if base.local.is_empty() {
            base.local.clone_from(&base.name);
        }
        Ok(base)
    }

    fn read(
        &mut self,
        source: &ModelSource,
        progress: &dyn Progress<Reading>,
    ) -> Result<(), Error> {
        let identity = model::identity(source, &Checks(progress)).map_err(Error::Model)?;
        let facts = llm::inspect(source).map_err(Error::Model)?;
        self.local.clone_from(&identity.name);
        self.architecture.clone_from(&facts.architecture);
        self.has_chat_template = Some(facts.has_chat_template);
        self.sha256 = Some(identity.sha256);
        match (identity.repo, source) {
            (_, ModelSource::Gguf(path)) => {
                self.is_gguf = true;
                self.name = path.display().to_string();
            }
            (Some(repo), ModelSource::Folder(_)) => {
                self.name = repo;
                self.revision = identity.commit;
            }
            (None, ModelSource::Folder(path)) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                self.name = path.display().to_string();
            }
        }
        if let ModelSource::Folder(folder) = source {
            let hash = |name: &str| {
                let bytes = std::fs::read(folder.join(name)).ok()?; // not every model has each
                Some(files::sha256_of_bytes(&bytes))
            };
            self.tokenizer_sha256 = hash("tokenizer.json");
            self.chat_template_sha256 = hash("chat_template.jinja").or_else(|| {
                let text = std::fs::read(folder.join("tokenizer_config.json")).ok()?;
                let json: Value = serde_json::from_slice(&text).ok()?;
                Some(files::sha256_of_bytes(json.get("chat_template")?.as_str()?.as_bytes()))
            });
            let path = folder.join("config.json");
            let json =
                std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            self.config = json.and_then(|json: Value| llm::config_from_json(&json, &path).ok());
        }
        Ok(())
    }

    /// Whether it is named as the Hub names models.
    pub(super) fn is_on_hub(&self) -> bool {
        let parts: Vec<&str> = self.name.split('/').collect();
        parts.len() == 2
            && parts.iter().all(|part| !part.is_empty() && *part != "." && *part != "..")
    }
}
