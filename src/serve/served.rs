//! What is served: a model that writes, with an adapter over it or not, or an encoder.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::error::Refusal;
use crate::encoder::Encoder;
use crate::llm;
use crate::llm::card::AdapterCard;
use crate::llm::generate::AdapterMode;
use crate::llm::generate::guess::KeptGuesser;
use crate::llm::{Adapter, Model};

/// A model as programs ask for it.
pub struct Served {
    what: What,

    /// As it is called in requests.
    name: String,

    /// The base without its adapter, where there is one.
    base: Option<String>,

    /// Other names that lead to `name`: how a person called it.
    aliases: Vec<String>,

    /// Seconds since 1970.
    since: u64,
}

enum What {
    Decoder(Decoder),
    Encoder(Box<Encoder>),
}

/// A model that writes.
pub struct Decoder {
    pub model: Arc<Model>,
    pub adapter: Option<Arc<Adapter>>,

    /// What guesses the next tokens of answers.
    pub guesser: KeptGuesser,

    /// It as one that makes vectors.
    encoder: Option<Box<Encoder>>,
}

impl Decoder {
    /// Whether all these tokens are of its vocabulary.
    pub fn knows(&self, ids: &[u32]) -> Result<(), Refusal> {
        let vocab_size = self.model.config().vocab_size;
        match ids.iter().find(|id| **id as usize >= vocab_size) {
            Some(&id) => Err(llm::Error::TokenOutOfRange { id, vocab_size }.into()),
            None => Ok(()),
        }
    }

    /// The adapter that a request is answered with.
    pub fn adapter(&self, mode: AdapterMode) -> Option<&Adapter> {
        self.adapter.as_deref().filter(|_| mode == AdapterMode::On)
    }
}

impl Served {
    /// With an adapter requests name `model+adapter`, or the model alone, which then answers without
    /// it. `alias`: how a person called the model.
    pub fn decoder(
        model: Arc<Model>,
        adapter: Option<Arc<Adapter>>,
        alias: Option<String>,
    ) -> Self {
        let identity = &model.card().identity;
        let own = identity.name.clone();
        let other = identity.repo.iter().cloned().chain(alias);
        let (name, base, aliases) = match &adapter {
            None => (own, None, other.collect()),
            Some(adapter) => {
                let called = called(&adapter.card());
                (format!("{own}+{called}"), Some(own), Vec::new())
            }
        };
        let encoder = Encoder::of_decoder(Arc::clone(&model)).and_then(Result::ok).map(Box::new);
        let guesser = KeptGuesser::Nobody;
        let what = What::Decoder(Decoder { model, adapter, guesser, encoder });
        Self { what, name, base, aliases, since: now() }
    }

    /// The same, faster: guesses change no distribution.
    #[must_use]
    pub fn with_guesser(mut self, guesser: KeptGuesser) -> Self {
        if let What::Decoder(decoder) = &mut self.what {
            decoder.guesser = guesser;
        }
        self
    }

    pub fn encoder(encoder: Encoder, name: String, alias: Option<String>) -> Self {
        let aliases = alias.into_iter().collect();
        Self { what: What::Encoder(Box::new(encoder)), name, base: None, aliases, since: now() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every name that a request can give.
    pub fn names(&self) -> Vec<&str> {
        let base = self.base.iter().map(String::as_str);
        std::iter::once(self.name.as_str()).chain(base).collect()
    }

    /// How the model is called with its adapter, or without it.
    pub fn name_with(&self, mode: AdapterMode) -> &str {
        match (mode, &self.base) {
            (AdapterMode::Off, Some(base)) => base,
            _ => &self.name,
        }
    }

    /// Whether the adapter takes part where a request names this model; without a name, it does.
    pub fn mode(&self, named: Option<&str>) -> Result<AdapterMode, Refusal> {
        let has_adapter = matches!(&self.what, What::Decoder(decoder) if decoder.adapter.is_some());
        let whole = if has_adapter { AdapterMode::On } else { AdapterMode::Off };
        let Some(named) = named else { return Ok(whole) };
        if named == self.name || self.aliases.iter().any(|alias| alias == named) {
            return Ok(whole);
        }
        if self.base.as_deref() == Some(named) {
            return Ok(AdapterMode::Off);
        }
        let message = format!(
            "The model {named:?} is not served here. This server has {}: give that as \"model\", or \
             leave \"model\" out.",
            self.names().join(" and ")
        );
        let refusal = Refusal { status: 404, ..Refusal::of("model", message) };
        Err(refusal.code("model_not_found"))
    }

    /// The model that writes.
    pub fn writer(&self) -> Result<&Decoder, Refusal> {
        match &self.what {
            What::Decoder(decoder) => Ok(decoder),
            What::Encoder(_) => {
                let message = format!(
                    "{} makes vectors of texts and does not write. Ask it at /v1/embeddings.",
                    self.name
                );
                Err(Refusal::of("model", message))
            }
        }
    }

    /// What makes vectors.
    pub fn vectors(&self, mode: AdapterMode) -> Result<&Encoder, Refusal> {
        let decoder = match &self.what {
            What::Encoder(encoder) => return Ok(encoder),
            What::Decoder(decoder) => decoder,
        };
        if mode == AdapterMode::On {
            let base = self.base.as_deref().unwrap_or_default();
            let message = format!(
                "Vectors are made by the model without its adapter. Give {base:?} as \"model\"."
            );
            return Err(Refusal::of("model", message));
        }
        decoder.encoder.as_deref().ok_or_else(|| {
            let message = "Vectors need a transformers folder, and this model is a GGUF file or its \
                           folder asks for something else. Serve an encoder, or the model's folder.";
            Refusal::of("model", message)
        })
    }

    /// `/v1/models`.
    pub fn list(&self) -> Value {
        let all: Vec<Value> = self.names().into_iter().map(|name| self.card(name)).collect();
        json!({"object": "list", "data": all})
    }

    /// One of them.
    pub fn card(&self, name: &str) -> Value {
        let mut card = json!({
            "id": name,
            "object": "model",
            "created": self.since,
            "owned_by": "tuning-fork",
        });
        match &self.what {
            What::Decoder(decoder) => {
                let is_base = self.base.as_deref() == Some(name);
                let mode = if is_base { AdapterMode::Off } else { AdapterMode::On };
                card["max_model_len"] = decoder.model.context_with(decoder.adapter(mode)).into();
                card["sha256"] = decoder.model.card().identity.sha256.as_str().into();
            }
            What::Encoder(encoder) => {
                let about = encoder.card();
                card["max_model_len"] = about.most_tokens.into();
                card["dimensions"] = about.width.into();
            }
        }
        card
    }

    /// What the same seed gives the same answers with.
    pub fn fingerprint(&self) -> Option<String> {
        let What::Decoder(decoder) = &self.what else { return None };
        decoder.model.card().identity.sha256.get(..12).map(|hash| format!("fp_{hash}"))
    }
}

/// The adapter of a run is called as the run, whose folder it lies in.
fn called(card: &AdapterCard) -> String {
    let run = card.path.parent().and_then(Path::file_name);
    match run {
        Some(run) if card.name == "adapter" => run.to_string_lossy().into_owned(),
        _ => card.name.clone(),
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
