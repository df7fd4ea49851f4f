//! Where the score head of an adapter begins: the model's own, or a new one; and what lies beside it.

use std::path::Path;

use candle_core::{Device, Tensor, Var};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::stored::opened;
use crate::files;
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::score_head::{ScoreFacts, ScoreHead};
use crate::llm::card::ModelSource;
use crate::llm::error::Error;
use crate::llm::files::mapped::Mapped;
use crate::llm::files::safetensors_files::SafetensorsFiles;
use crate::llm::files::weights::SCORE;
use crate::llm::model::Model;

/// What is known of a head beside its weight, in the folder of its adapter.
pub(super) const FILE: &str = "score_head.json";

/// What transformers draws new layers with where the configuration does not say.
const INITIALIZER_RANGE: f64 = 0.02;

impl Adapter {
    /// With a score head for so many labels, where it has none: the model's own, or one that is drawn from
    /// `seed` as transformers draws it.
    pub fn with_score_head(
        mut self,
        model: &Model,
        (count, facts): (usize, ScoreFacts),
        seed: u64,
    ) -> Result<Self, Error> {
        self.config.with_score_head();
        if self.score.is_none() {
            let width = model.config().width;
            let own = match &model.card().source {
                ModelSource::Folder(folder) => of_model_files(folder, [count, width])?,
                ModelSource::Gguf(_) => None,
            };
            let values = own.unwrap_or_else(|| drawn(model, count * width, seed));
            let weight = Tensor::from_vec(values, (count, width), &Device::Cpu)?;
            let pad_token_id = facts.pad_token_id.or_else(|| padding(model));
            let facts = ScoreFacts { pad_token_id, ..facts };
            self.score = Some(ScoreHead { weight: Var::from_tensor(&weight)?, facts });
        }
        Ok(self)
    }
}

/// The padding that a text is filled up with, as TRL's `RewardTrainer` finds it: the tokenizer's own, or
/// else the token that ends a text.
pub(super) fn padding(model: &Model) -> Option<u32> {
    let tokenizer = model.tokenizer();
    let own = tokenizer.named_tokens().get("pad_token");
    let own = own.and_then(|token| tokenizer.special_id(token));
    own.or_else(|| {
        model.card().source.config_json()?.get("pad_token_id")?.as_u64().map(|id| id as u32)
    })
    .or_else(|| tokenizer.eos())
    .or_else(|| model.stop_ids().first().copied())
}

/// The same of a classifier, as transformers finds it: the configuration's comes first.
pub(crate) fn padding_of_classifier(model: &Model) -> Option<u32> {
    told_padding(model).or_else(|| padding(model))
}

/// What the configuration says; `None`: nothing, and transformers asks for it as soon as a batch has two
/// texts.
pub(crate) fn told_padding(model: &Model) -> Option<u32> {
    let config = model.card().source.config_json()?;
    let of_text = config.get("text_config").and_then(|text| text.get("pad_token_id"));
    let told = of_text.filter(|id| !id.is_null()).or_else(|| config.get("pad_token_id"));
    told.and_then(|id| u32::try_from(id.as_u64()?).ok())
}

/// What lies beside an adapter, or what its model says.
pub(super) fn facts(folder: &Path, model: &Model) -> Result<ScoreFacts, Error> {
    let of_model = || ScoreFacts { pad_token_id: padding(model), ..ScoreFacts::default() };
    Ok(facts_beside(folder)?.unwrap_or_else(of_model))
}

/// What lies beside an adapter. `None`: nothing does.
fn facts_beside(folder: &Path) -> Result<Option<ScoreFacts>, Error> {
    let path = folder.join(FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read(&path).map_err(|source| Error::read(&path, source))?;
    let facts = serde_json::from_slice(&text)
        .map_err(|err| Error::adapter(&path, files::mistake_in_json(&text, &err)))?;
    Ok(Some(facts))
}

/// How many labels the head of an adapter's folder has, and what lies beside it. `None`: it has none.
pub(crate) fn stored(folder: &Path) -> Result<Option<(usize, ScoreFacts)>, Error> {
    let path = folder.join("adapter_model.safetensors");
    let Ok(file) = Mapped::open(&path) else { return Ok(None) };
    let tensors = opened(&file, &path)?;
    let is_head = |name: &&str| {
        let name = name.trim_start_matches("base_model.model.");
        ["score.weight", "score.modules_to_save.weight"].contains(&name)
    };
    let Some(name) = tensors.names().into_iter().find(is_head) else { return Ok(None) };
    let view = tensors.tensor(name).map_err(|err| Error::adapter(&path, err.to_string()))?;
    let count = view.shape().first().copied().unwrap_or_default();
    Ok(Some((count, facts_beside(folder)?.unwrap_or_default())))
}

/// The head (labels, width) that the files of a model in this folder have. `None`: they have none of this
/// shape.
pub(crate) fn of_model_files(
    folder: &Path,
    [count, width]: [usize; 2],
) -> Result<Option<Vec<f32>>, Error> {
    let files = SafetensorsFiles::open(folder)?;
    if !files.names().any(|name| name == SCORE) {
        return Ok(None);
    }
    let mut raw = files.find(SCORE)?;
    if raw.expect_shape(&[count, width]).is_err() {
        return Ok(None);
    }
    raw.unpack_whole(true);
    raw.refuse_broken_numbers()?;
    Ok(Some(raw.matrix(count, width)?.dequantize()))
}

fn drawn(model: &Model, count: usize, seed: u64) -> Vec<f32> {
    let told = model
        .card()
        .source
        .config_json()
        .and_then(|config| config.get("initializer_range")?.as_f64());
    let range = told.unwrap_or(INITIALIZER_RANGE);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(1); // not what A was drawn with
    let mut unit = || f64::from(rng.next_u32() >> 8) / f64::from(1 << 24);
    let normal = |_| {
        // Box and Muller
        let (radius, angle) = (1.0 - unit(), std::f64::consts::TAU * unit());
        (range * (-2.0 * radius.ln()).sqrt() * angle.cos()) as f32
    };
    (0..count).map(normal).collect()
}
