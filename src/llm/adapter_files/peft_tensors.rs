//! The tensors of PEFT's file by the modules that they are of: what their names say.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use safetensors::SafeTensors;

use super::stored::finite_f32;
use crate::llm::adapter::method::METHODS;
use crate::llm::adapter::score_head::SCORE_HEAD;
use crate::llm::error::Error;

/// What torch.compile puts into the names of a model's parts. PEFT takes it out where it saves an adapter;
/// older ones and other trainers do not.
pub(super) const COMPILED: &str = "_orig_mod.";

/// What PEFT puts before every name.
pub(super) const PREFIX: &str = "base_model.model.";

/// What all layers of `VeRA` have in common. It is of no module.
pub(super) const SHARED: [&str; 2] = ["vera_A", "vera_B"];

/// What belongs to one module, as it is found.
#[derive(Default)]
pub(super) struct Found {
    /// Its path as the file has it, after PEFT's prefix.
    pub written: String,
    pub a: Option<Tensor>,
    pub b: Option<Tensor>,
    pub magnitude: Option<Tensor>,
    pub whole: Option<Tensor>,
    pub bias: Option<Tensor>,

    /// Of single tokens of a table.
    pub rows: Option<Tensor>,

    /// The model's own weight, which PEFT writes beside LoRA on an embedding or a head.
    pub untouched: Option<Tensor>,

    /// A bias of B.
    pub b_bias: Option<Tensor>,

    /// A and B are of a table of vectors, not of a linear layer.
    pub is_table: bool,

    /// Tensors of another method than LoRA, by what they are called.
    pub of_method: BTreeMap<&'static str, Tensor>,
}

impl Found {
    /// A and B, which a layer has both of.
    pub fn both(&self, path: &Path) -> Result<(&Tensor, &Tensor), Error> {
        let Self { a: Some(a), b: Some(b), .. } = self else {
            let problem = format!("{} does not have both of lora_A and lora_B", self.written);
            return Err(Error::adapter(path, problem));
        };
        Ok((a, b))
    }

    /// Says that they do not have the shapes that the layer asks for.
    pub fn of_another_shape(
        &self,
        (a, b): (&Tensor, &Tensor),
        (of_a, of_b): ([usize; 2], [usize; 2]),
        path: &Path,
    ) -> Error {
        let problem = format!(
            "{} has lora_A {:?} and lora_B {:?}; {of_a:?} and {of_b:?} were expected",
            self.written,
            a.dims(),
            b.dims()
        );
        Error::adapter(path, problem)
    }
}

/// What a tensor is of its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    A,
    B,
    Magnitude,

    /// A whole weight, in place of the model's.
    Whole,

    /// A trained bias, in place of the model's.
    Bias,

    /// The vectors of single tokens, in place of the model's.
    Rows,
    Untouched,
    BiasOfB,

    /// Of another method than LoRA.
    OfMethod(&'static str),
}

/// Which modules may stand whole beside an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// The embedding, and the heads of decoders.
    Tables,
    Any,
}

/// The tensors of a file, by the modules that they belong to.
pub(super) fn modules(
    path: &Path,
    tensors: &SafeTensors<'_>,
    whole: Whole,
) -> Result<BTreeMap<String, Found>, Error> {
    let mut modules: BTreeMap<String, Found> = BTreeMap::new();
    for (name, view) in tensors.iter() {
        let part = part_of(name, whole);
        let (module, part) = part.map_err(|problem| Error::adapter(path, problem))?;
        let tensor = finite_f32(&view, name, path)?;
        let found = modules.entry(module.to_owned()).or_default();
        module.clone_into(&mut found.written);
        found.is_table |= name.contains(".lora_embedding_");
        match part {
            Part::A => found.a = Some(tensor),
            Part::B => found.b = Some(tensor),
            Part::Magnitude => found.magnitude = Some(tensor),
            Part::Whole => found.whole = Some(tensor),
            Part::Bias => found.bias = Some(tensor),
            Part::Rows => found.rows = Some(tensor),
            Part::Untouched => found.untouched = Some(tensor),
            Part::BiasOfB => found.b_bias = Some(tensor),
            Part::OfMethod(part) => {
                found.of_method.insert(part, tensor);
            }
        }
    }
    Ok(modules)
}

/// The module of a tensor's name, and what the tensor is of it.
fn part_of<'a>(name: &'a str, whole: Whole) -> Result<(&'a str, Part), String> {
    for part in SHARED {
        if name.strip_prefix("base_model.") == Some(part) {
            return Ok(("", Part::OfMethod(part)));
        }
    }
    let compiled = |name: &'a str| name.strip_prefix(COMPILED).unwrap_or(name);
    let Some(inner) = compiled(name).strip_prefix(PREFIX).map(compiled) else {
        return Err(format!("the tensor {name} does not begin with {PREFIX}, as PEFT's names do"));
    };
    let inner = inner.strip_suffix(".weight").unwrap_or(inner);
    let inner = inner.strip_suffix(".default").unwrap_or(inner);
    for (ending, part) in [
        (".lora_B.bias", Part::BiasOfB),
        (".lora_A", Part::A),
        (".lora_B", Part::B),
        (".lora_embedding_A", Part::A),
        (".lora_embedding_B", Part::B),
        (".lora_magnitude_vector", Part::Magnitude),
        (".token_adapter.trainable_tokens_delta", Part::Rows),
        (".base_layer.bias", Part::Bias),
        (".base_layer", Part::Untouched),
        (".original_module", Part::Untouched),
        (".bias", Part::Bias),
    ] {
        if let Some(module) = inner.strip_suffix(ending) {
            return Ok((module, part));
        }
    }
    for part in METHODS.iter().flat_map(|method| method.parts()) {
        if let Some(module) = inner.strip_suffix(part).and_then(|rest| rest.strip_suffix('.')) {
            return Ok((module, Part::OfMethod(part)));
        }
    }
    let module = inner.strip_suffix(".modules_to_save").unwrap_or(inner);
    if !inner.contains(".lora_")
        && name.ends_with(".weight")
        && (whole == Whole::Any
            || module == SCORE_HEAD
            || [".embed_tokens", ".wte", "lm_head"].iter().any(|end| module.ends_with(end)))
    {
        return Ok((module, Part::Whole));
    }
    Err(if inner.contains(".lora_") {
        format!("the tensor {name} is of a kind of LoRA that is not computed")
    } else {
        format!(
            "the tensor {name} is a whole layer saved beside the adapter, and not the embedding or the \
             head; merge it in PEFT (merge_and_unload) and open the merged folder"
        )
    })
}
