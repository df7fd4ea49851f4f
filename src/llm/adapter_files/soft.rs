//! A soft prompt in PEFT's folder, and a new one for a model.

use std::path::Path;

use candle_core::{Device, Tensor, Var};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::fresh::normal;
use super::stored::{finite_f32, opened};
use crate::files;
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::peft_config::PeftConfig;
use crate::llm::adapter::soft::{
    SOFT, SoftInit, SoftKind, SoftPrompt, SoftSpec, leaves_room, numbers_a_token,
};
use crate::llm::adapter::soft_config::SoftConfig;
use crate::llm::error::Error;
use crate::llm::model::Model;
use crate::llm::net::rows;

impl Adapter {
    /// A new soft prompt. What is random of it is drawn from `seed`.
    pub fn soft_prompt(model: &Model, spec: &SoftSpec, seed: u64) -> Result<Self, Error> {
        let name = Path::new("soft_prompt");
        let width = numbers_a_token(spec.kind, model.config())
            .map_err(|problem| Error::adapter(name, problem))?;
        let tokens = spec.num_virtual_tokens;
        if !leaves_room(tokens, model.config()) {
            let context = model.config().context_length;
            let problem = format!(
                "num_virtual_tokens = {tokens} leaves no room for a text: the model's context is {context}"
            );
            return Err(Error::adapter(name, problem));
        }
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let values = match (&spec.init, spec.kind) {
            (SoftInit::Random, _) | (_, SoftKind::Prefix) => {
                (0..tokens * width).map(|_| normal(&mut rng)).collect()
            }
            (SoftInit::SampleVocab, SoftKind::Prompt) => {
                let count = model.config().vocab_size as u64;
                let drawn = |_| ((u64::from(rng.next_u32()) * count) >> 32) as u32;
                vectors(model, &(0..tokens).map(drawn).collect::<Vec<u32>>())?
            }
            (SoftInit::Text(text), SoftKind::Prompt) => {
                let ids = model.tokenizer().encode(text, true)?;
                if ids.is_empty() {
                    let problem = "prompt_tuning_init_text has no tokens; write what the virtual tokens \
                                   are to begin as";
                    return Err(Error::adapter(name, problem));
                }
                vectors(model, &ids.into_iter().cycle().take(tokens).collect::<Vec<u32>>())?
            }
        };
        let values = Var::from_tensor(&Tensor::from_vec(values, (tokens, width), &Device::Cpu)?)?;
        let config = PeftConfig::of_soft(SoftConfig::from_spec(spec, model.config()), Vec::new());
        Ok(Self {
            soft: Some(SoftPrompt { kind: spec.kind, values }),
            config,
            ..Self::empty(model)
        })
    }
}

/// What the layers get of these tokens, row by row.
fn vectors(model: &Model, ids: &[u32]) -> Result<Vec<f32>, Error> {
    model.check_after(ids, 0, None)?;
    let (config, embedding) = (model.config(), &model.transformer()?.embedding);
    let mut all = vec![0.0; ids.len() * config.width];
    for (id, row) in ids.iter().zip(all.chunks_exact_mut(config.width)) {
        embedding.dequantize_row(*id as usize, row);
        rows::scale(row, config.embedding_scale);
    }
    Ok(all)
}

/// Reads one whose `adapter_config.json` is `config`, and holds it against the model.
pub(super) fn read(
    (path, weights): (&Path, &Path),
    model: &Model,
    (config, soft): (PeftConfig, &SoftConfig),
) -> Result<Adapter, Error> {
    let kind = soft.kind;
    let width =
        numbers_a_token(kind, model.config()).map_err(|problem| Error::adapter(path, problem))?;
    let bytes = std::fs::read(weights).map_err(|source| Error::read(weights, source))?;
    let tensors = opened(&bytes, weights)?;
    if let Some(name) = tensors.names().into_iter().find(|name| *name != SOFT) {
        let problem =
            format!("a soft prompt has the tensor {SOFT} alone, and this one has {name} too");
        return Err(Error::adapter(weights, problem));
    }
    let view = tensors.tensor(SOFT).map_err(|_missing| {
        let problem = format!("it has no tensor {SOFT}, which holds the soft prompt");
        Error::adapter(weights, problem)
    })?;
    let tensor = finite_f32(&view, SOFT, weights)?;
    let expected = [soft.num_virtual_tokens, width];
    if tensor.dims() != expected {
        let problem = misfit(tensor.dims(), expected, model, soft);
        return Err(Error::adapter(weights, problem));
    }
    let values = Var::from_tensor(&tensor.contiguous()?)?;
    let sha256 = files::sha256_of_bytes(&bytes);
    let soft = Some(SoftPrompt { kind, values });
    Ok(Adapter { soft, config, path: path.to_owned(), sha256, ..Adapter::empty(model) })
}

/// Why its tensor has another shape than the model's would.
fn misfit(found: &[usize], expected: [usize; 2], model: &Model, soft: &SoftConfig) -> String {
    let shapes = format!("{SOFT} has the shape {found:?}, and {expected:?} was expected");
    if found.first() != Some(&expected[0]) {
        let count = expected[0];
        return format!("{shapes}: adapter_config.json says num_virtual_tokens = {count}");
    }
    let said = |key: &str| soft.number(key).map(|number| format!("{key} = {number}"));
    let theirs: Vec<String> =
        ["num_layers", "num_attention_heads", "token_dim"].into_iter().filter_map(said).collect();
    let config = model.config();
    let ours = match soft.kind {
        SoftKind::Prompt => format!("hidden states of {}", config.width),
        SoftKind::Prefix => format!(
            "{} layers with {} key heads of {}",
            config.layers.len(),
            config.kv_heads,
            config.head_dim
        ),
    };
    format!(
        "{shapes}: it belongs to another model ({}); this one has {ours}. Load the model that it was trained \
         on",
        theirs.join(", ")
    )
}

/// The tensor of a soft prompt, for the file.
pub(super) fn part(soft: &SoftPrompt) -> Result<(String, Vec<usize>, Vec<u8>), Error> {
    let bytes = soft.numbers()?.iter().flat_map(|value| value.to_le_bytes()).collect();
    Ok((SOFT.to_owned(), soft.values.dims().to_vec(), bytes))
}

/// That a soft prompt cannot be worked into weights, or into a file of LoRA.
pub(super) fn check_none(adapter: &Adapter, instead: &str) -> Result<(), Error> {
    if adapter.soft.is_none() {
        return Ok(());
    }
    let problem = format!(
        "it is a soft prompt: tokens before every text, and no change of any weight, so {instead}. Use its \
         PEFT folder as it is"
    );
    Err(Error::adapter(adapter.path(), problem))
}
