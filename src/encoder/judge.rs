//! Decoders that score pairs of texts by what they would answer: sentence-transformers' `LogitScore`, as
//! rerankers such as Qwen3-Reranker have it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::Error;
use super::labels::{Labels, Problem};
use super::messages::{Messages, Said};
use super::module_file::{read_json, setting};
use super::sentence::{MODULES, cut, default_prompt};
use crate::llm::{Model, Positions};

/// How a pair of texts becomes a score.
pub(super) struct Judge {
    /// Where the network lies.
    pub network: PathBuf,

    /// The answer that raises the score.
    yes: u32,

    /// The one that lowers it.
    no: Option<u32>,
    messages: Option<Messages>,

    /// What a conversation begins with, or what stands before the first text.
    prompt: Option<String>,
    most: Option<usize>,
    pub labels: Labels,
}

/// A score, the tokens that were read, and whether something was cut off.
pub(super) type Judged = (f32, usize, bool);

impl Judge {
    /// `None`: the folder says nothing of such a score.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(MODULES);
        if !path.is_file() {
            return Ok(None);
        }
        let modules = read_json(&path)?;
        let modules = modules.as_array().map(Vec::as_slice).unwrap_or_default();
        let kind = |module: &Value| {
            let kind = module["type"].as_str().unwrap_or_default();
            kind.rsplit('.').next().unwrap_or_default().to_owned()
        };
        let Some(last) = modules.iter().find(|module| kind(module) == "LogitScore") else {
            return Ok(None);
        };
        if let Some(other) =
            modules.iter().find(|m| !["Transformer", "LogitScore"].contains(&kind(m).as_str()))
        {
            let expected = "beside LogitScore only Transformer is computed here";
            return Err(setting(&path, "type", &other["type"], expected));
        }
        let place = |module: &Value| folder.join(module["path"].as_str().unwrap_or_default());
        let network = modules.iter().find(|module| kind(module) == "Transformer");
        let network = network.map_or_else(|| folder.to_owned(), place);
        let settings_path = place(last).join("config.json");
        let settings = read_json(&settings_path)?;
        let token = |key: &str| {
            let id = &settings[key];
            let found = id.as_u64().and_then(|id| u32::try_from(id).ok());
            if found.is_none() && !id.is_null() {
                return Err(setting(&settings_path, key, id, "the id of a token was expected"));
            }
            Ok(found)
        };
        let Some(yes) = token("true_token_id")? else {
            let expected = "the id of a token was expected";
            return Err(setting(&settings_path, "true_token_id", &Value::Null, expected));
        };
        let (most, _) = cut(&network)?;
        let problem = activation(folder, &network)?;
        Ok(Some(Self {
            yes,
            no: token("false_token_id")?,
            messages: Messages::read(&network)?,
            prompt: default_prompt(folder)?,
            most,
            labels: Labels { names: vec!["LABEL_0".to_owned()], problem },
            network,
        }))
    }

    /// The score of a pair, or of a text alone.
    pub fn score(&self, model: &Model, text: &str, second: Option<&str>) -> Result<Judged, Error> {
        let most = self.most.unwrap_or(usize::MAX).min(model.config().context_length);
        let (ids, is_cut) = if let Some(messages) = self.messages {
            let prompt = self.prompt.iter().map(|prompt| ("system", prompt.as_str()));
            let said: Vec<Said<'_>> = match second {
                Some(second) => prompt.chain([("query", text), ("document", second)]).collect(),
                None => prompt.chain([("user", text)]).collect(),
            };
            messages.encode((model.tokenizer(), model.chat()), &said, Some(most))?
        } else {
            let text = format!("{}{text}", self.prompt.as_deref().unwrap_or_default());
            let (ids, _, is_cut) = model.tokenizer().encode_pair(&text, second, Some(most))?;
            (ids, is_cut)
        };
        Ok((self.score_of(model, &ids)?, ids.len(), is_cut))
    }

    /// The same of ids.
    pub fn score_of(&self, model: &Model, ids: &[u32]) -> Result<f32, Error> {
        if ids.is_empty() {
            return Err(Error::NoTokens);
        }
        let scores = model.logits(ids, &mut model.new_cache(), None, Positions::Last)?;
        let scores = scores.flatten_all()?.to_vec1::<f32>()?;
        let of = |id: u32| {
            let known = scores.len();
            scores.get(id as usize).copied().ok_or(Error::Token { id, known })
        };
        Ok(of(self.yes)? - self.no.map(of).transpose()?.unwrap_or(0.0))
    }
}

/// What sentence-transformers does with a score unless it is asked for another thing: makes a probability
/// of it, or leaves it.
fn activation(folder: &Path, network: &Path) -> Result<Problem, Error> {
    let own = folder.join("config_sentence_transformers.json");
    let inner = network.join("config.json");
    let mut told = Value::Null;
    let mut path = inner;
    if own.is_file() {
        told = read_json(&own)?["activation_fn"].clone();
    }
    if told.is_null() {
        let config = read_json(&path)?;
        told = [&config["sentence_transformers"], &config["sbert_ce_default_activation_function"]]
            .into_iter()
            .map(|place| place.get("activation_fn").unwrap_or(place))
            .find(|found| found.is_string())
            .cloned()
            .unwrap_or_default();
    } else {
        path = own;
    }
    match told.as_str().and_then(|name| name.rsplit('.').next()) {
        None | Some("Sigmoid") => Ok(Problem::ManyLabels),
        Some("Identity") => Ok(Problem::Regression),
        Some(_) => {
            let expected = "Sigmoid and Identity are computed here";
            Err(setting(&path, "activation_fn", &told, expected))
        }
    }
}
