//! A model whose own weights have learned, as a transformers folder that stands alone.
//!
//! A folder's other files and tensors are taken over as they are, and its types are kept: a model that
//! came in bfloat16 is saved in it. What came as GGUF is written in f32.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::hf_config;
use super::merge::{copy_others, model_parts};
use super::parts::{Order, Part, Values, order, write_tensors};
use crate::files;
use crate::jobs::Quiet;
use crate::llm::adapter::lora::Adapter;
use crate::llm::card::ModelSource;
use crate::llm::error::Error;
use crate::llm::files::mapped::Mapped;
use crate::llm::files::safetensors_files::SafetensorsFiles;
use crate::llm::model::Model;
use crate::llm::net::ops::RowNorm;

/// Writes `model`, whose weights are no longer those of the files that it came from, into `folder`.
///
/// Files that are there are replaced, each whole; `config.json` comes last, and a folder without it is no model.
pub fn save(model: &Model, folder: &Path) -> Result<(), Error> {
    let write_error = |source| Error::Write { path: folder.to_owned(), source };
    files::folders::make(folder).map_err(write_error)?;
    match &model.card().source {
        ModelSource::Folder(from) => {
            save_files(model, from, folder)?;
            copy_others(from, folder)
        }
        ModelSource::Gguf(_) => {
            let config = hf_config::config_json(model)?;
            let nothing = Adapter::empty(model);
            let stored = model.stored()?;
            let parts = model_parts(model, &nothing, &stored)?;
            write_tensors(&folder.join("model.safetensors"), &parts, &Quiet)?;
            hf_config::write_text_files(model, &config, folder)
        }
    }
}

/// Each file of weights again, with the model's own values.
fn save_files(model: &Model, from: &Path, folder: &Path) -> Result<(), Error> {
    let files = SafetensorsFiles::open(from)?;
    let mut own: BTreeMap<String, Values<'_>> = BTreeMap::new();
    for (name, values) in values_of(model)? {
        if let Some(stored) = files.stored_name(&name) {
            own.insert(stored.to_owned(), values);
        }
    }
    for path in SafetensorsFiles::paths(from)? {
        let map = Mapped::open(&path).map_err(|source| Error::read(&path, source))?;
        let damaged = |err: safetensors::SafeTensorError| {
            Error::not_a_model(&path, format!("it is cut short or damaged: {err}"))
        };
        let tensors = SafeTensors::deserialize(&map).map_err(damaged)?;
        let mut parts = Vec::new();
        // Sorted: the same model gives the same bytes.
        let names: BTreeSet<&str> = tensors.names().into_iter().collect();
        for name in names {
            let view = tensors.tensor(name).map_err(damaged)?;
            let (mut dtype, shape) = (view.dtype(), view.shape().to_vec());
            let values = match own.remove(name) {
                None => Values::Bytes(view.data()),
                Some(values) => {
                    if !matches!(dtype, Dtype::F16 | Dtype::BF16) {
                        dtype = Dtype::F32;
                    }
                    values
                }
            };
            parts.push(Part { name: name.to_owned(), dtype, shape, values });
        }
        let name = path.file_name().unwrap_or_default();
        write_tensors(&folder.join(name), &parts, &Quiet)?;
    }
    Ok(())
}

/// Every tensor of a decoder, by transformers' name, as its files have it.
pub(super) fn values_of(model: &Model) -> Result<Vec<(String, Values<'_>)>, Error> {
    let (config, transformer) = (model.config(), model.transformer()?);
    let names = config.naming.names(config.norm_placement);
    let usual = Order::OutputsInputs;
    let mut found = Vec::new();
    let mut table = |name: &str, matrix| {
        found.push((format!("{name}.weight"), Values::Matrix(matrix, None, usual)));
    };
    table(names.embedding, &transformer.embedding);
    table(names.head, &transformer.head);
    if let Some(positions) = &transformer.positions {
        table(names.positions, positions);
    }
    if let Some(bias) = &transformer.head_bias {
        let values = Values::Vector(Cow::Borrowed(bias));
        found.push((format!("{}.bias", names.head), values));
    }
    for linear in transformer.linears() {
        let values = Values::Matrix(&linear.weight, None, order(model));
        found.push((format!("{}.weight", linear.name), values));
        if let Some(bias) = &linear.bias {
            let values = Values::Vector(Cow::Borrowed(bias));
            found.push((format!("{}.bias", linear.name), values));
        }
    }
    for norm in hf_config::norms(transformer) {
        let (weight, bias) = match &norm.row {
            // transformers adds the 1 when it runs.
            RowNorm::Rms { weight, .. } if config.norm.adds_one() => {
                let stored: Vec<f32> = weight.iter().map(|weight| weight - 1.0).collect();
                (Cow::Owned(stored), None)
            }
            RowNorm::Rms { weight, .. } => (Cow::Borrowed(&**weight), None),
            RowNorm::Layer { weight, bias, .. } => (Cow::Borrowed(&**weight), Some(bias)),
            RowNorm::LayerOfHeads { weights, .. } => (Cow::Borrowed(&**weights), None),
        };
        found.push((format!("{}.weight", norm.name), Values::Vector(weight)));
        if let (Some(bias), true) = (bias, norm.has_bias) {
            let values = Values::Vector(Cow::Borrowed(&**bias));
            found.push((format!("{}.bias", norm.name), values));
        }
    }
    Ok(found)
}
