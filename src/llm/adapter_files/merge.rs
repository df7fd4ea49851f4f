//! A model with an adapter worked into its weights, as a transformers folder that stands alone.
//!
//! W - T + scale · B A in place of W, where T is what the adapter's start took out, and each row with
//! `DoRA`'s length where it has one; trained biases and whole tables (`modules_to_save`) in place of the
//! model's.
//!
//! Where a model reads and writes with one table, and the adapter changes only one of the two uses, the merged
//! model has two (`tie_word_embeddings` = false). PEFT's `merge_and_unload` changes both uses there.
//!
//! A folder's other files and tensors are taken over as they are, and its types are kept. A GGUF
//! file's weights are widened, under transformers' names; its settings: see `llm::hf_config`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use tuning_fork_kernels::QMatrix;

use super::hf_config;
use super::parts::{Change, Merged, Order, Part, Values, order, write_tensors};
use super::soft;
use crate::files;
use crate::jobs::Progress;
use crate::llm::adapter::lora::{Adapter, HEAD, LoraPair, Tables};
use crate::llm::adapter::peft_config::Start;
use crate::llm::card::ModelSource;
use crate::llm::config::QkNorm;
use crate::llm::error::Error;
use crate::llm::files::mapped::Mapped;
use crate::llm::files::safetensors_files::SafetensorsFiles;
use crate::llm::model::{Model, Stored};
use crate::llm::net::linear::Norm;
use crate::llm::net::ops::{RowNorm, with_f32};

/// What stands in the merged model in place of a tensor.
enum New<'a> {
    Changed(Change<'a>),
    Matrix(&'a QMatrix, Order),
    Bias(Vec<f32>),
}

/// Writes the merged model into `folder`, which is made and must be empty. Stopped or failed, it
/// leaves no file that could be taken for a model.
pub fn merge(
    model: &Model,
    adapter: &Adapter,
    folder: &Path,
    progress: &dyn Progress<Merged>,
) -> Result<(), Error> {
    check_mergeable(adapter, model)?;
    let write_error = |path: &Path, source| Error::Write { path: path.to_owned(), source };
    files::folders::make(folder).map_err(|err| write_error(folder, err))?;
    let mut entries = std::fs::read_dir(folder).map_err(|err| write_error(folder, err))?;
    if entries.next().is_some() {
        let source = io::Error::other("the folder is not empty: choose a new one");
        return Err(write_error(folder, source));
    }
    match &model.card().source {
        ModelSource::Folder(from) => {
            let head_file = merge_files(model, adapter, from, folder, progress)?;
            copy_others(from, folder)?;
            if let Some(file) = head_file {
                untie(folder, &file)?;
            }
            Ok(())
        }
        ModelSource::Gguf(_) => {
            let mut config = hf_config::config_json(model)?; // first: it says what cannot be written
            if unties(model, adapter) {
                config["tie_word_embeddings"] = json!(false);
            }
            let stored = model.stored()?;
            let parts = model_parts(model, adapter, &stored)?;
            write_tensors(&folder.join("model.safetensors"), &parts, progress)?;
            hf_config::write_text_files(model, &config, folder)
        }
    }
}

/// Fails where a folder of the model's settings could not say what the adapter does.
fn check_mergeable(adapter: &Adapter, model: &Model) -> Result<(), Error> {
    let vocab_size = model.config().vocab_size;
    soft::check_none(adapter, "there is nothing to merge")?;
    let transformer = model.transformer()?;
    let has_no_bias = |name: &str| {
        let linear = transformer.linears().find(|linear| linear.name == name);
        linear.is_some_and(|linear| linear.bias.is_none())
    };
    let new_bias = adapter
        .laid
        .layers
        .iter()
        .find(|(name, layer)| layer.bias.is_some() && has_no_bias(name))
        .map(|(name, _)| name);
    let Tables { embedding, head } = &adapter.tables;
    let other_size =
        [embedding, head].into_iter().flatten().find(|table| table.rows() != vocab_size);
    let problem = if !adapter.laid.mixtures.is_empty() {
        "it changes experts or routers, which is not worked into a model's files here; merge it in PEFT \
         (merge_and_unload)"
            .to_owned()
    } else if let Some(name) = new_bias {
        format!(
            "lora_bias = true, and the model's {name} has no bias to work it into: use the adapter's folder as \
             it is"
        )
    } else if let Some(table) = other_size {
        format!(
            "it brings a table of {} tokens, and the model knows {vocab_size}: a vocabulary that was changed is \
             not worked in; merge it in PEFT (merge_and_unload)",
            table.rows()
        )
    } else if adapter.score.is_some() {
        "it has a score head (modules_to_save), which is not worked in; merge it in PEFT \
         (merge_and_unload), with the model as AutoModelForSequenceClassification"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Error::adapter(adapter.path(), problem))
}

/// Whether the model reads and writes with one table, and the adapter changes one of the two uses.
fn unties(model: &Model, adapter: &Adapter) -> bool {
    let Tables { embedding, head } = &adapter.tables;
    let changes = |module| adapter.pairs.contains_key(module);
    let is_changed =
        embedding.is_some() || head.is_some() || changes(HEAD) || changes(adapter.embedding);
    model.config().tied_head && is_changed
}

/// Says in a folder's settings that the head is a table of its own, which lies in `file`.
fn untie(folder: &Path, file: &str) -> Result<(), Error> {
    let path = folder.join("config.json");
    let said = &mut |config: &mut Map<String, Value>| {
        config.insert("tie_word_embeddings".to_owned(), json!(false));
        // Of a model with pictures, the decoder's own settings too.
        if let Some(Value::Object(text)) = config.get_mut("text_config") {
            text.insert("tie_word_embeddings".to_owned(), json!(false));
        }
    };
    rewrite(&path, said)?;
    let index = folder.join("model.safetensors.index.json");
    if !index.is_file() {
        return Ok(());
    }
    rewrite(&index, &mut |index| {
        if let Some(Value::Object(places)) = index.get_mut("weight_map") {
            places.insert(format!("{HEAD}.weight"), json!(file));
        }
    })
}

/// Changes a JSON object in its file.
fn rewrite(path: &Path, change: &mut dyn FnMut(&mut Map<String, Value>)) -> Result<(), Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::read(path, source))?;
    let mut found: Map<String, Value> = serde_json::from_slice(&bytes)
        .map_err(|err| Error::not_a_model(path, format!("it is not a JSON object: {err}")))?;
    change(&mut found);
    let text = serde_json::to_vec_pretty(&found).map_err(io::Error::from);
    text.and_then(|text| files::write_atomic(path, &text))
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Each file of weights again, with the changed tensors in it. Where the head becomes a table of its own, it
/// lies in the file of the embedding, whose name is given back.
fn merge_files(
    model: &Model,
    adapter: &Adapter,
    from: &Path,
    folder: &Path,
    progress: &dyn Progress<Merged>,
) -> Result<Option<String>, Error> {
    if SafetensorsFiles::are_packed(from) {
        let problem = "the model's weights are packed (FP8, GPTQ or AWQ), and changed weights are not packed \
                       again here; load the same model in 16 bits with this adapter, and merge that one";
        return Err(Error::adapter(adapter.path(), problem));
    }
    let files = SafetensorsFiles::open(from)?;
    let unties = unties(model, adapter);
    let news = news(model, adapter, &files)?;
    let head = format!("{HEAD}.weight");
    let embedding = files.stored_name(&format!("{}.weight", adapter.embedding));
    let mut head_file = None;
    for path in SafetensorsFiles::paths(from)? {
        let map = Mapped::open(&path).map_err(|source| Error::read(&path, source))?;
        let damaged = |err: safetensors::SafeTensorError| {
            Error::not_a_model(&path, format!("it is cut short or damaged: {err}"))
        };
        let tensors = SafeTensors::deserialize(&map).map_err(damaged)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut parts = Vec::new();
        for name in tensors.names() {
            if unties && name == head {
                continue; // a copy of the embedding; the head of its own follows
            }
            let view = tensors.tensor(name).map_err(damaged)?;
            parts.push(worked_in(name, &view, news.get(name)));
            if unties && Some(name) == embedding {
                parts.push(worked_in(&head, &view, news.get(&head)));
                head_file = Some(file.clone());
            }
        }
        write_tensors(&folder.join(&file), &parts, progress)?;
    }
    Ok(head_file)
}

/// A tensor of the merged model, in the type and shape that it had.
fn worked_in<'a>(name: &str, was: &TensorView<'a>, new: Option<&'a New<'a>>) -> Part<'a> {
    let values = match new {
        None => Values::Bytes(was.data()),
        Some(New::Changed(change)) => Values::Changed(was.data(), *change),
        Some(New::Matrix(matrix, order)) => Values::Matrix(matrix, None, *order),
        Some(New::Bias(bias)) => Values::Vector(Cow::Borrowed(bias)),
    };
    Part { name: name.to_owned(), dtype: was.dtype(), shape: was.shape().to_vec(), values }
}

/// What is new in a folder's tensors, by the names that its files have for them. The decoder's own
/// names are looked up as a load looks them up, so that a tower, whose layers end in the same words,
/// is left alone; what the adapter changes in the tower is found by PEFT's path of it. The head of a model that
/// had none of its own is `lm_head.weight`.
fn news<'a>(
    model: &Model,
    adapter: &'a Adapter,
    files: &SafetensorsFiles,
) -> Result<BTreeMap<String, New<'a>>, Error> {
    let mut news = BTreeMap::new();
    let lost = |module: &str| {
        Error::adapter(adapter.path(), format!("the model's files have no tensor for {module}"))
    };
    let unties = unties(model, adapter);
    let place = |module: &str, kind: &str| {
        let name = format!("{module}.{kind}");
        if unties && module == HEAD && kind == "weight" {
            return Ok(name);
        }
        files.stored_name(&name).map(str::to_owned).ok_or_else(|| lost(module))
    };
    for (module, pair) in &adapter.pairs {
        let change = change_of(adapter, module, pair, order(model));
        news.insert(place(module, "weight")?, New::Changed(change));
    }
    let Tables { embedding, head } = &adapter.tables;
    for (module, table) in [(adapter.embedding, embedding), (HEAD, head)] {
        if let Some(table) = table {
            news.insert(place(module, "weight")?, New::Matrix(table, Order::OutputsInputs));
        }
    }
    for (module, bias) in &adapter.biases {
        let bias = with_f32(bias.as_tensor(), |bias| Ok(bias.to_vec()))?;
        news.insert(place(module, "bias")?, New::Bias(bias));
    }
    for (module, layer) in &adapter.laid.layers {
        if let Some(weight) = &layer.weight {
            news.insert(place(module, "weight")?, New::Matrix(weight, order(model)));
        }
        if let Some(bias) = &layer.bias {
            news.insert(place(module, "bias")?, New::Bias(bias.clone()));
        }
    }
    let config = adapter.config();
    if !adapter.beside.is_empty() && (config.use_dora || config.start != Start::Plain) {
        let problem = "it changes the part of the model that looks at pictures with DoRA or a start of \
                       its own, which is not worked in; merge it in PEFT (merge_and_unload)";
        return Err(Error::adapter(adapter.path(), problem));
    }
    for (module, pair) in &adapter.beside {
        let wanted = tower_path(&format!("{module}.weight"));
        let stored = files.names().find(|name| tower_path(name) == wanted);
        let change = Change { pair, order: Order::OutputsInputs };
        news.insert(stored.ok_or_else(|| lost(module))?.clone(), New::Changed(change));
    }
    Ok(news)
}

/// What a pair adds to the weight of `module`. `order`: that of the layers' weights. An embedding has a row a
/// token, which is its input; a head is stored as everywhere, in GPT-2 too.
fn change_of<'a>(adapter: &Adapter, module: &str, pair: &'a LoraPair, order: Order) -> Change<'a> {
    let order = if module == adapter.embedding {
        Order::InputsOutputs
    } else if module == HEAD {
        Order::OutputsInputs
    } else {
        order
    };
    Change { pair, order }
}

/// A tower's tensor without what transformers' versions put before it and into it.
fn tower_path(name: &str) -> String {
    name.strip_prefix("model.").unwrap_or(name).replace(".vision_model.", ".")
}

/// What is beside the weights: settings, tokenizer, chat template, licence. Not what would have the
/// folder read otherwise: an index of files that are not in it, an adapter that is worked in.
pub(super) fn copy_others(from: &Path, folder: &Path) -> Result<(), Error> {
    let entries = std::fs::read_dir(from).map_err(|source| Error::read(from, source))?;
    let single = Path::new("model.safetensors");
    let indexed = SafetensorsFiles::paths(from)?.iter().all(|path| !path.ends_with(single));
    for entry in entries {
        let path = entry.map_err(|source| Error::read(from, source))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_text =
            [".json", ".txt", ".jinja", ".md", ".model"].iter().any(|end| name.ends_with(end))
                || name.starts_with("LICENSE");
        let names_files = name.ends_with(".index.json") && !indexed;
        let is_adapter = name.starts_with("adapter_") || name == "pytorch_model.bin.index.json";
        if !is_text || names_files || is_adapter || !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|source| Error::read(&path, source))?;
        let to = folder.join(&name);
        files::write_atomic(&to, &bytes)
            .map_err(|source| Error::Write { path: to.clone(), source })?;
    }
    Ok(())
}

/// Every tensor of a model that came from a GGUF file, as f32: what learns or may be adapted as it is in memory,
/// and the rest as the file has it.
pub(super) fn model_parts<'a>(
    model: &'a Model,
    adapter: &'a Adapter,
    stored: &'a Stored,
) -> Result<Vec<Part<'a>>, Error> {
    let (config, transformer) = (model.config(), model.transformer()?);
    let names = config.naming.names(config.norm_placement);
    let mut parts = BTreeMap::new();
    let mut matrix = |name: &str, weight: &'a QMatrix, pair, order| {
        let shape = match order {
            Order::OutputsInputs => vec![weight.rows(), weight.cols()],
            Order::InputsOutputs => vec![weight.cols(), weight.rows()],
        };
        parts.insert(format!("{name}.weight"), (shape, Values::Matrix(weight, pair, order)));
    };
    let Tables { embedding, head } = &adapter.tables;
    let change = |module: &str| {
        let pair = adapter.pair(module)?;
        Some(change_of(adapter, module, pair, order(model)))
    };
    let table = embedding.as_ref().unwrap_or(&transformer.embedding);
    matrix(names.embedding, table, change(adapter.embedding), Order::OutputsInputs);
    if let Some(positions) = &transformer.positions {
        matrix(names.positions, positions, None, Order::OutputsInputs);
    }
    let writes_head = model.has_head() && (!config.tied_head || unties(model, adapter));
    if writes_head {
        let table = head.as_ref().unwrap_or(&transformer.head);
        matrix(names.head, table, change(HEAD), Order::OutputsInputs);
    }
    for linear in transformer.linears() {
        let weight = linear.weight_with(Some(adapter));
        matrix(&linear.name, weight, change(&linear.name), order(model));
    }
    let mut vector = |name: String, values: Cow<'a, [f32]>| {
        parts.insert(name, (vec![values.len()], Values::Vector(values)));
    };
    if let Some(bias) = transformer.head_bias.as_ref().filter(|_| model.has_head()) {
        vector(format!("{}.bias", names.head), Cow::Borrowed(bias));
    }
    for linear in transformer.linears() {
        let mut bias = None;
        linear.with_bias(Some(adapter), |own| bias = Some(own.to_vec()))?;
        let Some(bias) = bias.map(Cow::Owned) else { continue };
        vector(format!("{}.bias", linear.name), bias);
    }
    let one_less = hf_config::norms_are_one_less(config);
    for Norm { name, row, has_bias } in hf_config::norms(transformer) {
        let (weight, bias) = match row {
            RowNorm::Rms { weight, .. } if one_less => {
                (Cow::Owned(weight.iter().map(|weight| weight - 1.0).collect()), None)
            }
            RowNorm::Rms { weight, .. } => (Cow::Borrowed(&**weight), None),
            RowNorm::Layer { weight, bias, .. } => {
                (Cow::Borrowed(&**weight), has_bias.then_some(bias))
            }
            RowNorm::LayerOfHeads { weights, head_dim, .. } => {
                // Where each head has a tensor of its own, none of them learns.
                if config.qk_norm == QkNorm::EachHeadAtOnce {
                    let shape = vec![weights.len() / head_dim, *head_dim];
                    let values = Values::Vector(Cow::Borrowed(&**weights));
                    parts.insert(format!("{name}.weight"), (shape, values));
                }
                continue;
            }
        };
        let own = [("weight", Some(weight)), ("bias", bias.map(|bias| Cow::Borrowed(&**bias)))];
        for (part, values) in own {
            let Some(values) = values else { continue };
            let part = format!("{name}.{part}");
            parts.insert(part, (vec![values.len()], Values::Vector(values)));
        }
    }
    for (name, shape) in &stored.tensors {
        let values = || (shape_of(name, shape), Values::Stored(&stored.source, shape));
        parts.entry(name.clone()).or_insert_with(values);
    }
    let part = |(name, (shape, values))| Part { name, dtype: Dtype::F32, shape, values };
    Ok(parts.into_iter().map(part).collect())
}

/// What transformers has for a tensor's shape that is asked for with this one.
fn shape_of(name: &str, asked: &[usize]) -> Vec<usize> {
    let is_number = [".act_fn.beta", ".act_fn.eps"].iter().any(|end| name.ends_with(end));
    if is_number { Vec::new() } else { asked.to_vec() }
}
