//! PEFT's adapter folder: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! Written is the stable subset that every version of PEFT reads. Read is what PEFT would lay over
//! the same model: LoRA, rsLoRA, `DoRA`, and the starts that follow from the model's weights alone.
//! What would change the result and is not supported is refused by its name.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Tensor, Var};
use rayon::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tuning_fork_kernels::QMatrix;

use super::gguf_lora_read;
use super::score_head;
use super::soft;
use super::stored::{finite_f32, opened};
use crate::files;
use crate::jobs;
use crate::llm::adapter::lora::{Adapter, Dora, HEAD, LoraPair, Tables};
use crate::llm::adapter::modules::{own_name, peft_name, present_name};
use crate::llm::adapter::peft_config::{PeftConfig, Start, is_label_head};
use crate::llm::adapter::score_head::{SCORE_HEAD, ScoreHead};
use crate::llm::adapter::spec::{Bias, LinearInfo, is_path_or_end, scale};
use crate::llm::adapter::start;
use crate::llm::adapter::start::Weight;
use crate::llm::card::{AdapterCard, ModelIdentity};
use crate::llm::config::Config;
use crate::llm::error::Error;
use crate::llm::model::Model;
use crate::llm::net::ops::with_f32;

const CONFIG: &str = "adapter_config.json";

/// What torch.compile puts into the names of a model's parts. PEFT takes it out where it saves an adapter;
/// older ones and other trainers do not.
const COMPILED: &str = "_orig_mod.";
const WEIGHTS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";

/// What belongs to one module, as it is found.
#[derive(Default)]
struct Found {
    /// Its path as the file has it, after PEFT's prefix.
    written: String,
    a: Option<Tensor>,
    b: Option<Tensor>,
    magnitude: Option<Tensor>,
    whole: Option<Tensor>,
    bias: Option<Tensor>,

    /// Of single tokens of a table.
    rows: Option<Tensor>,

    /// The model's own weight, which PEFT writes beside LoRA on an embedding or a head.
    untouched: Option<Tensor>,
}

/// What a tensor is of its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
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
}

impl Adapter {
    /// Reads an adapter, a PEFT folder or a GGUF file of llama.cpp, and holds it against the model.
    pub fn load(path: &Path, model: &Model) -> Result<Self, Error> {
        if path.is_file() {
            return gguf_lora_read::read(path, model);
        }
        let mut config = read_config(path)?;
        let weights = weights_path(path)?;
        if let Some(kind) = config.soft.clone() {
            return soft::read((path, &weights), model, (config, &kind));
        }
        let bytes = std::fs::read(&weights).map_err(|source| Error::read(&weights, source))?;
        let tensors = opened(&bytes, &weights)?;
        let found = modules(&weights, &tensors)?;
        if found.is_empty() {
            return Err(Error::adapter(&weights, "it holds no tensors"));
        }
        if tensors.names().iter().any(|name| name.contains(COMPILED)) {
            config.warnings.push(format!(
                "torch.compile put {COMPILED} into the names of its tensors: they are read here as they were \
                 trained, while PEFT finds no layer for them and leaves them out"
            ));
        }
        let layers = model.adaptable_layers();
        let Config { vocab_size, width, tied_head, .. } = *model.config();
        let embedding = model.config().embedding_module();
        let mut biases = BTreeMap::new();
        let mut tables = Tables::default();
        let mut pairs = BTreeMap::new();
        let mut beside = BTreeMap::new();
        let mut score = None;
        for found in found.into_values() {
            if found.written == SCORE_HEAD {
                let weight = score_weight(&found, width, &weights)?;
                score = Some(ScoreHead { weight, facts: score_head::facts(path, model)? });
                continue;
            }
            let Some(module) = own_name(&found.written) else {
                let pair = pair(&found, &config, &found.written, None, &weights)?;
                beside.insert(found.written, pair);
                continue;
            };
            if let Some(rows) = &found.rows {
                let table = with_rows(model, &module, rows, &config, &weights)?;
                if module == HEAD || tied_head {
                    tables.head = Some(table.clone());
                }
                if module != HEAD || tied_head {
                    tables.embedding = Some(table);
                }
                if found.a.is_some() || found.b.is_some() {
                    let problem =
                        format!("{} is there as LoRA and as single tokens", found.written);
                    return Err(Error::adapter(&weights, problem));
                }
                continue;
            }
            if let Some(whole) = &found.whole {
                let table = table(&found, whole, [vocab_size, width], &weights)?;
                // What is in no list was saved because the embedding was trained or resized: PEFT reads
                // it into the model's own, which a tied head shares.
                let is_shared = tied_head
                    && !config.modules_to_save.iter().any(|name| is_path_or_end(&module, name));
                if module == HEAD || is_shared {
                    tables.head = Some(table.clone());
                }
                if module != HEAD || is_shared {
                    tables.embedding = Some(table);
                }
                continue;
            }
            let Some(layer) = layers.iter().find(|layer| layer.name == module) else {
                let problem = format!("the model has no layer {module} that LoRA can change");
                return Err(Error::adapter(&weights, problem));
            };
            if let Some(untouched) = &found.untouched {
                check_untouched(model, &module, untouched, &weights)?;
            }
            if let Some(bias) = &found.bias {
                let bias = own_bias(bias, model, &module, config.bias, &weights)?;
                biases.insert(module.clone(), bias);
                if found.a.is_none() && found.b.is_none() {
                    continue;
                }
            }
            let theirs = present_name(&found.written);
            if let Some(key) = config.left_out_by(&theirs) {
                let problem = format!(
                    "{} has tensors in {WEIGHTS}, and {key} in {CONFIG} leaves it out: PEFT would read \
                     the adapter without them",
                    found.written
                );
                return Err(Error::adapter(path, problem));
            }
            let pair = pair(&found, &config, &theirs, Some(layer), &weights)?;
            pairs.insert(module, pair);
        }
        if config.gives_labels() && score.is_none() {
            let problem = format!(
                "task_type = SEQ_CLS, and {WEIGHTS} has no score head (score.weight): it was not trained, \
                 or this is an adapter of an encoder"
            );
            return Err(Error::adapter(path, problem));
        }
        for name in config.modules_to_save.iter().filter(|name| !is_label_head(name)) {
            let is_there = match name.rsplit('.').next() {
                Some(HEAD) => tables.head.is_some(),
                _ => tables.embedding.is_some(),
            };
            if !is_there {
                let problem =
                    format!("modules_to_save names {name}, and {WEIGHTS} does not have it");
                return Err(Error::adapter(path, problem));
            }
        }
        if pairs.contains_key(embedding) && (config.use_dora || config.start != Start::Plain) {
            let problem = "embed_tokens is among its target_modules, with DoRA or a start that changes the \
                           layer, which is not computed; merge it in PEFT (merge_and_unload)";
            return Err(Error::adapter(path, problem));
        }
        if pairs.contains_key(HEAD) && tied_head && config.start != Start::Plain {
            let problem = "lm_head is among its target_modules, with init_lora_weights that changes the \
                           layer: the head of this model is its embedding, which would be changed too";
            return Err(Error::adapter(path, problem));
        }
        let changes_tables = tables.head.is_some() || tables.embedding.is_some();
        if pairs.is_empty() && biases.is_empty() && score.is_none() && !changes_tables {
            let problem = "it changes only the part of the model that looks at pictures, which is \
                           not run here";
            return Err(Error::adapter(&weights, problem));
        }
        let sha256 = files::sha256_of_bytes(&bytes);
        let decoder = model.config().peft_decoder();
        let mut adapter = Self {
            pairs,
            tables,
            score,
            biases,
            soft: None,
            embedding,
            beside,
            config,
            decoder,
            path: path.to_owned(),
            sha256,
        };
        jobs::in_pool(|| adapter.meet_weights(model))?;
        Ok(adapter)
    }

    /// What depends on the model's weights: the part that the start took out, and `DoRA`'s lengths.
    pub(super) fn meet_weights(&mut self, model: &Model) -> Result<(), Error> {
        let (kind, by_rows) = (self.config.start, model.config().naming.is_transposed());
        if kind == Start::Plain && !self.config.use_dora {
            return Ok(());
        }
        let linears: HashMap<&str, _> = model
            .transformer()
            .linears()
            .map(|linear| (linear.name.as_str(), &linear.weight))
            .collect();
        self.pairs.par_iter_mut().filter(|_| kind != Start::Plain).try_for_each(
            |(module, pair)| {
                let matrix = linears
                    .get(module.as_str())
                    .copied()
                    .unwrap_or_else(|| &model.transformer().head);
                let values = matrix.dequantize();
                let weight = Weight { values: &values, rows: matrix.rows(), cols: matrix.cols() };
                let rank = pair.a.dims()[0];
                pair.taken = match kind {
                    Start::Plain => None,
                    Start::Pissa => Some(start::largest_singular(weight, rank)),
                    Start::Olora => {
                        Some(start::first_directions(weight, rank, pair.scale, by_rows))
                    }
                };
                Ok::<_, Error>(())
            },
        )?;
        self.measure_lengths(model)
    }

    /// `DoRA`'s lengths as A and B stand now: to be called whenever they have changed.
    pub fn measure_lengths(&mut self, model: &Model) -> Result<(), Error> {
        if !self.config.use_dora {
            return Ok(());
        }
        let linears: HashMap<&str, _> = model
            .transformer()
            .linears()
            .map(|linear| (linear.name.as_str(), &linear.weight))
            .collect();
        let path = &self.path;
        self.pairs.par_iter_mut().try_for_each(|(module, pair)| {
            let matrix =
                linears.get(module.as_str()).copied().unwrap_or_else(|| &model.transformer().head);
            let own = matrix.as_f32();
            let widened = if own.is_none() { matrix.dequantize() } else { Vec::new() };
            let values = own.unwrap_or(&widened);
            let weight = Weight { values, rows: matrix.rows(), cols: matrix.cols() };
            let LoraPair { a, b, scale, taken, dora } = pair;
            let Some(Dora { magnitude, lengths, factors }) = dora else { return Ok(()) };
            *lengths = with_f32(a, |a| {
                with_f32(b, |b| Ok(start::lengths(weight, taken.as_ref(), (*scale, a, b))))
            })?;
            *factors = with_f32(magnitude, |magnitude| {
                let pairs = magnitude.iter().zip(&*lengths);
                Ok(pairs.map(|(m, length)| m / length).collect::<Vec<f32>>())
            })?;
            if factors.iter().any(|factor| !factor.is_finite()) {
                return Err(Error::NotFinite { path: path.clone(), name: module.clone() });
            }
            Ok(())
        })
    }

    /// Writes a PEFT folder, each file whole or not at all, the weights last. `base` is the model
    /// that the adapter belongs to. Returns the card of what was written.
    pub fn save(&self, folder: &Path, base: &ModelIdentity) -> Result<AdapterCard, Error> {
        let mut parts = Vec::new();
        let bytes =
            |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let pairs = self.pairs.iter().map(|(module, pair)| (peft_name(module, self.decoder), pair));
        let beside = self.beside.iter().map(|(module, pair)| (module.clone(), pair));
        for (module, LoraPair { a, b, dora, .. }) in pairs.chain(beside) {
            let of_table = module == peft_name(self.embedding, self.decoder);
            let names = if of_table {
                ["lora_embedding_A", "lora_embedding_B"]
            } else {
                ["lora_A.weight", "lora_B.weight"]
            };
            for (part, var) in names.into_iter().zip([a, b]) {
                let bytes = with_f32(var.as_tensor(), |values| Ok(bytes(values)))?;
                parts.push((format!("{PREFIX}{module}.{part}"), var.dims().to_vec(), bytes));
            }
            if let Some(Dora { magnitude, .. }) = dora {
                let name = format!("{PREFIX}{module}.lora_magnitude_vector");
                let bytes = with_f32(magnitude.as_tensor(), |values| Ok(bytes(values)))?;
                parts.push((name, vec![magnitude.elem_count()], bytes));
            }
        }
        for (module, bias) in &self.biases {
            let layer = if self.pairs.contains_key(module) { ".base_layer" } else { "" };
            let name = format!("{PREFIX}{}{layer}.bias", peft_name(module, self.decoder));
            let bytes = with_f32(bias.as_tensor(), |values| Ok(bytes(values)))?;
            parts.push((name, vec![bias.elem_count()], bytes));
        }
        let tables = [(HEAD, &self.tables.head), (self.embedding, &self.tables.embedding)];
        for (module, table) in tables {
            if let Some(table) = table {
                let name = format!("{PREFIX}{}.weight", peft_name(module, self.decoder));
                parts.push((name, vec![table.rows(), table.cols()], bytes(&table.dequantize())));
            }
        }
        if let Some(ScoreHead { weight, .. }) = &self.score {
            let bytes = with_f32(weight.as_tensor(), |values| Ok(bytes(values)))?;
            parts.push((format!("{PREFIX}{SCORE_HEAD}.weight"), weight.dims().to_vec(), bytes));
        }
        if let Some(soft) = &self.soft {
            parts.push(soft::part(soft)?);
        }
        let views = parts.iter().map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name, view))
        });
        let unwritable =
            |err: safetensors::SafeTensorError| Error::adapter(folder, err.to_string());
        let views = views.collect::<Result<Vec<_>, _>>().map_err(unwritable)?;
        let header = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let weights = safetensors::serialize(views, Some(header)).map_err(unwritable)?;
        let mut config = serde_json::to_string_pretty(&self.config.to_json(base))
            .map_err(|err| Error::adapter(folder, err.to_string()))?;
        config.push('\n');
        let facts = self.score.as_ref().map(|head| serde_json::to_vec_pretty(&head.facts));
        let facts = facts.transpose().map_err(|err| Error::adapter(folder, err.to_string()))?;
        let facts = facts.iter().map(|bytes| (score_head::FILE, bytes.as_slice()));
        let others = [(CONFIG, config.as_bytes()), (WEIGHTS, &weights)];
        for (name, bytes) in facts.chain(others) {
            let path = folder.join(name);
            files::write_atomic(&path, bytes)
                .map_err(|source| Error::Write { path: path.clone(), source })?;
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sha256 = files::sha256_of_bytes(&weights);
        Ok(AdapterCard { name, path: folder.to_owned(), sha256, ..self.card() })
    }
}

/// `adapter_config.json` of a folder.
pub fn read_config(folder: &Path) -> Result<PeftConfig, Error> {
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
    PeftConfig::from_json(&json, &path)
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

fn weights_path(folder: &Path) -> Result<PathBuf, Error> {
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

/// The tensors of a file, by the modules that they belong to.
fn modules(path: &Path, tensors: &SafeTensors<'_>) -> Result<BTreeMap<String, Found>, Error> {
    let mut modules: BTreeMap<String, Found> = BTreeMap::new();
    for (name, view) in tensors.iter() {
        let (module, part) = part_of(name).map_err(|problem| Error::adapter(path, problem))?;
        let tensor = finite_f32(&view, name, path)?;
        let found = modules.entry(module.to_owned()).or_default();
        module.clone_into(&mut found.written);
        match part {
            Part::A => found.a = Some(tensor),
            Part::B => found.b = Some(tensor),
            Part::Magnitude => found.magnitude = Some(tensor),
            Part::Whole => found.whole = Some(tensor),
            Part::Bias => found.bias = Some(tensor),
            Part::Rows => found.rows = Some(tensor),
            Part::Untouched => found.untouched = Some(tensor),
        }
    }
    Ok(modules)
}

/// The module of a tensor's name, and what the tensor is of it.
fn part_of<'a>(name: &'a str) -> Result<(&'a str, Part), String> {
    let compiled = |name: &'a str| name.strip_prefix(COMPILED).unwrap_or(name);
    let Some(inner) = compiled(name).strip_prefix(PREFIX).map(compiled) else {
        return Err(format!("the tensor {name} does not begin with {PREFIX}, as PEFT's names do"));
    };
    let inner = inner.strip_suffix(".weight").unwrap_or(inner);
    let inner = inner.strip_suffix(".default").unwrap_or(inner);
    for (ending, part) in [
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
    let module = inner.strip_suffix(".modules_to_save").unwrap_or(inner);
    if !inner.contains(".lora_")
        && name.ends_with(".weight")
        && (module == SCORE_HEAD
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

/// A whole table, which must be as large as the model's.
fn table(
    found: &Found,
    whole: &Tensor,
    [rows, cols]: [usize; 2],
    path: &Path,
) -> Result<QMatrix, Error> {
    let Found { written, a, b, .. } = found;
    if a.is_some() || b.is_some() {
        let problem = format!("{written} is there whole and as LoRA");
        return Err(Error::adapter(path, problem));
    }
    if whole.dims() != [rows, cols] {
        let problem = format!(
            "{written}, which is saved whole beside it, has the shape {:?}, and the model's is {:?}: the \
             model's vocabulary was resized for it; merge it in PEFT (merge_and_unload)",
            whole.dims(),
            [rows, cols]
        );
        return Err(Error::adapter(path, problem));
    }
    let matrix = with_f32(whole, |values| Ok(QMatrix::of_floats(rows, cols, values.to_vec())))?;
    matrix.map_err(|err| Error::adapter(path, format!("{written} is damaged: {err}")))
}

/// The model's own table with the vectors of the tokens that were trained (`trainable_token_indices`). As
/// PEFT, which writes what they became, and not by how much they changed.
fn with_rows(
    model: &Model,
    module: &str,
    rows: &Tensor,
    config: &PeftConfig,
    path: &Path,
) -> Result<QMatrix, Error> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let is_embedding = module == model.config().embedding_module();
    let ids = config.token_indices.iter().find(|(table, _)| match table {
        None => is_embedding,
        Some(table) => last(table) == last(module),
    });
    let Some((_, ids)) = ids else {
        let problem =
            format!("it has vectors of single tokens of {module}, and {CONFIG} names none");
        return Err(Error::adapter(path, problem));
    };
    let transformer = model.transformer();
    let own = if module == HEAD { &transformer.head } else { &transformer.embedding };
    let (count, width) = (own.rows(), own.cols());
    if rows.dims() != [ids.len(), width] {
        let problem = format!(
            "the trained tokens of {module} have the shape {:?}; {:?} was expected, a vector for each of \
             trainable_token_indices",
            rows.dims(),
            [ids.len(), width]
        );
        return Err(Error::adapter(path, problem));
    }
    if let Some(id) = ids.iter().find(|id| **id as usize >= count) {
        let problem = format!(
            "it trained token {id}, and the model has {count}: tokens were added to the model before; open \
             the model that was made so (after resize_token_embeddings and save_pretrained)"
        );
        return Err(Error::adapter(path, problem));
    }
    let mut values = own.dequantize();
    let put = with_f32(rows, |rows| {
        for (id, row) in ids.iter().zip(rows.chunks_exact(width)) {
            values[*id as usize * width..][..width].copy_from_slice(row);
        }
        Ok(QMatrix::of_floats(count, width, std::mem::take(&mut values)))
    })?;
    put.map_err(|err| Error::adapter(path, format!("{module} is damaged: {err}")))
}

/// A score head: as many rows as it has labels.
fn score_weight(found: &Found, width: usize, path: &Path) -> Result<Var, Error> {
    let whole = found.whole.as_ref().filter(|_| found.a.is_none() && found.b.is_none());
    let Some(whole) = whole else {
        let problem = "its score head is changed by LoRA; a head that is saved whole \
                       (modules_to_save) was expected";
        return Err(Error::adapter(path, problem));
    };
    match *whole.dims() {
        [labels, inputs] if labels > 0 && inputs == width => Ok(Var::from_tensor(whole)?),
        ref shape => {
            let problem = format!(
                "its score.weight has the shape {shape:?}, and a row of {width} numbers for each label was \
                 expected: it belongs to another model"
            );
            Err(Error::adapter(path, problem))
        }
    }
}

/// Fails where the weight that PEFT wrote beside LoRA is not the model's: the adapter is another model's.
fn check_untouched(
    model: &Model,
    module: &str,
    untouched: &Tensor,
    path: &Path,
) -> Result<(), Error> {
    let transformer = model.transformer();
    let own = match module {
        HEAD => &transformer.head,
        _ if module == model.config().embedding_module() => &transformer.embedding,
        _ => return Ok(()),
    };
    let is_same = untouched.dims() == [own.rows(), own.cols()]
        && with_f32(untouched, |values| {
            let own = own.dequantize();
            // Saved in 16 bits or packed, a weight is near what it was.
            let near = |(one, other): (&f32, &f32)| (one - other).abs() <= 0.02 + 0.1 * other.abs();
            let near = values.iter().zip(&own).filter(|pair| near(*pair)).count();
            Ok(near * 100 >= 99 * own.len())
        })?;
    if is_same {
        return Ok(());
    }
    let problem = format!(
        "it brings {module} of the model that it was trained on, and that is not this model's: load that \
         model"
    );
    Err(Error::adapter(path, problem))
}

/// A trained bias, in place of a layer's.
fn own_bias(
    bias: &Tensor,
    model: &Model,
    module: &str,
    config: Bias,
    path: &Path,
) -> Result<Var, Error> {
    if config == Bias::None {
        let problem = format!("{module} has a trained bias, and {CONFIG} says bias = none");
        return Err(Error::adapter(path, problem));
    }
    let layer = model.transformer().linears().find(|layer| layer.name == module);
    let own = layer.and_then(|layer| layer.bias.as_ref());
    if own.is_none_or(|own| bias.dims() != [own.len()]) {
        let problem = format!(
            "{module} has a trained bias of the shape {:?}, and the model's layer {}",
            bias.dims(),
            own.map_or_else(|| "has no bias".to_owned(), |own| format!("has [{}]", own.len()))
        );
        return Err(Error::adapter(path, problem));
    }
    Ok(Var::from_tensor(&bias.contiguous()?)?)
}

/// A module's pair, checked against the configuration and, where the model has it, the layer.
/// `theirs` is PEFT's path of it.
fn pair(
    found: &Found,
    config: &PeftConfig,
    theirs: &str,
    layer: Option<&LinearInfo>,
    path: &Path,
) -> Result<LoraPair, Error> {
    let Found { written, a, b, magnitude, .. } = found;
    let (Some(a), Some(b)) = (a, b) else {
        let problem = format!("{written} does not have both of lora_A and lora_B");
        return Err(Error::adapter(path, problem));
    };
    let (rank, alpha) = config.rank_and_alpha(theirs);
    let inputs = layer.map_or_else(|| a.dims().last().copied().unwrap_or(0), |layer| layer.inputs);
    let outputs =
        layer.map_or_else(|| b.dims().first().copied().unwrap_or(0), |layer| layer.outputs);
    let expected = ([rank, inputs], [outputs, rank]);
    if a.dims() != expected.0 || b.dims() != expected.1 {
        let problem = format!(
            "{written} has lora_A {:?} and lora_B {:?}; {:?} and {:?} were expected",
            a.dims(),
            b.dims(),
            expected.0,
            expected.1
        );
        return Err(Error::adapter(path, problem));
    }
    let scale = scale(alpha, rank, config.use_rslora);
    let (a, b) = (Var::from_tensor(&a.contiguous()?)?, Var::from_tensor(&b.contiguous()?)?);
    let mut pair = LoraPair::plain(a, b, scale);
    pair.dora = match (config.use_dora, magnitude) {
        (false, None) => None,
        (true, Some(magnitude)) if magnitude.elem_count() == outputs => {
            let magnitude = Var::from_tensor(&magnitude.flatten_all()?)?;
            Some(Dora { magnitude, lengths: Vec::new(), factors: Vec::new() })
        }
        (use_dora, magnitude) => {
            let found = match magnitude {
                None => "no lora_magnitude_vector".to_owned(),
                Some(tensor) => format!("a lora_magnitude_vector {:?}", tensor.dims()),
            };
            let problem = format!("use_dora = {use_dora}, and {written} has {found}");
            return Err(Error::adapter(path, problem));
        }
    };
    Ok(pair)
}
