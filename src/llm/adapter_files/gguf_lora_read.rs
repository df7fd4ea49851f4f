//! An adapter from a GGUF file, as llama.cpp's `convert_lora_to_gguf.py` and this program write it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use tuning_fork_kernels::{Bytes, GgmlType, QMatrix};

use super::gguf_lora::{architecture, interleaved_heads};
use crate::files;
use crate::llm::adapter::laid::Laid;
use crate::llm::adapter::lora::{Adapter, HEAD, LoraPair, Tables};
use crate::llm::adapter::peft_config::PeftConfig;
use crate::llm::adapter::spec::LinearInfo;
use crate::llm::error::Error;
use crate::llm::files::gguf::{GgufFile, GgufTensor};
use crate::llm::files::gguf_tensors;
use crate::llm::model::Model;

/// Reads `path` and holds it against the model.
pub(crate) fn read(path: &Path, model: &Model) -> Result<Adapter, Error> {
    let file = GgufFile::open(path)?;
    check_kind(&file, model)?;
    let alpha = file.f32("adapter.lora.alpha").map_or(0.0, f64::from);
    let config = model.config();
    let arch = architecture(config);
    let mut read = BTreeSet::new();
    let mut pairs = BTreeMap::new();
    let head =
        LinearInfo { name: HEAD.to_owned(), outputs: config.vocab_size, inputs: config.width };
    for layer in model.linear_layers().into_iter().chain([head]) {
        let Some(name) = gguf_tensors::gguf_name(&format!("{}.weight", layer.name), Some(arch))
        else {
            continue;
        };
        let names = ["lora_a", "lora_b"].map(|ending| format!("{name}.{ending}"));
        let [Some(a), Some(b)] = [&names[0], &names[1]].map(|name| file.tensor(name)) else {
            continue;
        };
        let rank = a.shape.first().copied().unwrap_or(0);
        expect_shape(path, a, &[rank, layer.inputs])?;
        expect_shape(path, b, &[layer.outputs, rank])?;
        if rank == 0 {
            return Err(Error::adapter(path, format!("the tensor {} is empty", a.name)));
        }
        let mut b = values(&file, b)?;
        if let Some(heads) = interleaved_heads(config, arch, &layer.name) {
            b = separated(&b, heads, rank);
        }
        let a = Tensor::from_vec(values(&file, a)?, (rank, layer.inputs), &Device::Cpu)?;
        let b = Tensor::from_vec(b, (layer.outputs, rank), &Device::Cpu)?;
        // llama.cpp's rule: without alpha, B is scaled already.
        let scale = if alpha == 0.0 { 1.0 } else { alpha / rank as f64 };
        let pair = LoraPair::plain(Var::from_tensor(&a)?, Var::from_tensor(&b)?, scale);
        pairs.insert(layer.name, pair);
        read.extend(names);
    }
    if let Some(stray) = file.tensors().find(|tensor| !read.contains(&tensor.name)) {
        let problem = format!(
            "the model has no layer for the tensor {}, or LoRA on that layer is not computed",
            stray.name
        );
        return Err(Error::adapter(path, problem));
    }
    if pairs.is_empty() {
        return Err(Error::adapter(path, "it holds no tensors"));
    }
    let ranks = pairs
        .iter()
        .map(|(module, pair): (&String, &LoraPair)| (module.as_str(), pair.a.dims()[0]));
    let peft = PeftConfig::of_pairs(ranks.collect(), alpha, config);
    let sha256 = files::sha256_of_file(path, |_| Ok(())).map_err(|err| Error::read(path, err))?;
    Ok(Adapter {
        laid: Laid::default(),
        pairs,
        tables: Tables::default(),
        score: None,
        biases: BTreeMap::new(),
        soft: None,
        embedding: config.embedding_module(),
        beside: BTreeMap::new(),
        config: peft,
        decoder: config.peft_decoder(),
        path: path.to_owned(),
        sha256,
    })
}

/// Fails where the file is none of LoRA, or of another family.
fn check_kind(file: &GgufFile, model: &Model) -> Result<(), Error> {
    let path = file.path();
    match file.str("general.type") {
        Some("adapter") => {}
        None | Some("model") => {
            let problem = "it is a model, not an adapter. llama.cpp's convert_lora_to_gguf.py makes \
                           an adapter's file of a PEFT folder";
            return Err(Error::adapter(path, problem));
        }
        Some(other) => {
            let problem =
                format!("it says of itself that it is {other} (general.type), not adapter");
            return Err(Error::adapter(path, problem));
        }
    }
    if file.str("adapter.type") != Some("lora") {
        let kind = file
            .str("adapter.type")
            .map_or_else(|| "no adapter.type".to_owned(), |kind| format!("adapter.type = {kind}"));
        return Err(Error::adapter(path, format!("it has {kind}; lora was expected")));
    }
    if file.metadata().contains_key("adapter.alora.invocation_tokens") {
        let problem = "adapter.alora.invocation_tokens: activated LoRA is not computed";
        return Err(Error::adapter(path, problem));
    }
    let theirs = file.str("general.architecture").unwrap_or("nameless");
    let ours = architecture(model.config());
    if theirs != ours {
        let problem = format!("it is for a {theirs} model, and the model is a {ours}");
        return Err(Error::adapter(path, problem));
    }
    Ok(())
}

fn expect_shape(path: &Path, tensor: &GgufTensor, expected: &[usize]) -> Result<(), Error> {
    if tensor.shape == expected {
        return Ok(());
    }
    let problem = format!(
        "the tensor {} has the shape {:?}; {expected:?} was expected",
        tensor.name, tensor.shape
    );
    Err(Error::adapter(path, problem))
}

fn values(file: &GgufFile, tensor: &GgufTensor) -> Result<Vec<f32>, Error> {
    let path = file.path();
    let (Some(kind), Some(range)) = (GgmlType::from_id(tensor.kind.0), tensor.byte_range()) else {
        let types = format!("{} ({})", tensor.kind.name(), tensor.name);
        return Err(Error::TensorTypes { path: path.to_owned(), types });
    };
    let damaged = |err: &dyn std::fmt::Display| {
        Error::adapter(path, format!("the tensor {} is damaged: {err}", tensor.name))
    };
    let bytes = Bytes::from_map(file.map_of(tensor).share()).slice(range);
    let bytes = bytes.map_err(|err| damaged(&err))?;
    let [rows, cols] = tensor.shape[..] else {
        return Err(damaged(&"it is no matrix"));
    };
    let values = QMatrix::new(kind, rows, cols, bytes).map_err(|err| damaged(&err))?.dequantize();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Error::NotFinite { path: path.to_owned(), name: tensor.name.clone() });
    }
    Ok(values)
}

/// Rows of `columns` values, reordered within each head from llama.cpp's (pair, half) to (half,
/// pair).
fn separated(rows: &[f32], heads: usize, columns: usize) -> Vec<f32> {
    let count = rows.len() / columns;
    let head_dim = count / heads;
    let from = |row: usize| {
        let (head, at) = (row / head_dim, row % head_dim);
        let (half, pair) = (at / (head_dim / 2), at % (head_dim / 2));
        head * head_dim + 2 * pair + half
    };
    (0..count).flat_map(|row| rows[from(row) * columns..][..columns].iter().copied()).collect()
}
