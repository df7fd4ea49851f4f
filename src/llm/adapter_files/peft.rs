//! PEFT's adapter folder: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! Read is what PEFT would lay over the same model: LoRA, rsLoRA, `DoRA`, and the starts that follow from the
//! model's weights alone; LoRA of experts and routers (`peft_experts.rs`); and other methods than LoRA
//! (`peft_methods.rs`). What would change the result and is not supported is refused by its name.
//! Written: see `peft_write.rs`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rayon::prelude::*;

use super::gguf_lora_read;
use super::peft_experts::Mixtures;
use super::peft_folder::{CONFIG, WEIGHTS, read_config, weights_path};
use super::peft_methods::Working;
use super::peft_parts::{
    check_untouched, own_bias, pair, score_weight, table, with_bias_of_b, with_rows,
};
use super::peft_tensors::{COMPILED, Whole, modules};
use super::score_head;
use super::soft;
use super::stored::opened;
use crate::files;
use crate::jobs;
use crate::llm::adapter::laid::{Laid, LaidLayer};
use crate::llm::adapter::lora::{Adapter, Dora, HEAD, LoraPair, Tables};
use crate::llm::adapter::modules::{own_name, present_name};
use crate::llm::adapter::peft_config::{Start, is_label_head};
use crate::llm::adapter::score_head::{SCORE_HEAD, ScoreHead};
use crate::llm::adapter::spec::is_path_or_end;
use crate::llm::adapter::start;
use crate::llm::adapter::start::Weight;
use crate::llm::config::Config;
use crate::llm::error::Error;
use crate::llm::model::Model;
use crate::llm::net::ops::with_f32;

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
        let mut found = modules(&weights, &tensors, Whole::Tables)?;
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
        let mut laid = Laid::default();
        let mut working = Working::new(&config, found.remove(""), &weights)?;
        let mut mixtures = Mixtures::new(&config, model, &weights);
        let transformer = model.transformer()?;
        let linear = |module: &str| transformer.linears().find(|linear| linear.name == module);
        for found in found.into_values() {
            if found.written == SCORE_HEAD {
                let weight = score_weight(&found, width, &weights)?;
                score = Some(ScoreHead { weight, facts: score_head::facts(path, model)? });
                continue;
            }
            let Some(module) = own_name(&found.written) else {
                working.check_of_lora(&found)?;
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
                if mixtures.take(&found, &module)? {
                    continue;
                }
                let problem = format!("the model has no layer {module} that LoRA can change");
                return Err(Error::adapter(&weights, problem));
            };
            // A start that takes something out of a weight has it saved without that.
            let untouched = found.untouched.as_ref().filter(|_| config.start == Start::Plain);
            if let Some(untouched) = untouched {
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
            if working.is_method() {
                if module == HEAD {
                    let (head, _) = working.layer(&found, &transformer.head, None)?;
                    tables.head = Some(head);
                } else {
                    let linear = linear(&module).ok_or_else(|| working.no_layer(&module))?;
                    let bias = linear.bias.as_deref();
                    let (weight, bias) = working.layer(&found, &linear.weight, bias)?;
                    laid.layers.insert(module, LaidLayer { weight: Some(weight), bias });
                }
                continue;
            }
            working.check_of_lora(&found)?;
            let pair = pair(&found, &config, &theirs, Some(layer), &weights)?;
            match (&found.b_bias, config.lora_bias) {
                (None, false) => {}
                (Some(shift), true) if module != HEAD && module != embedding => {
                    let linear = linear(&module).ok_or_else(|| working.no_layer(&module))?;
                    let trained = biases.remove(&module);
                    let bias =
                        with_bias_of_b(shift, pair.scale, linear, trained.as_ref(), &weights)?;
                    laid.numbers += bias.len() as u64;
                    laid.layers
                        .insert(module.clone(), LaidLayer { weight: None, bias: Some(bias) });
                }
                (shift, says) => {
                    let problem = format!(
                        "lora_bias = {says}, and {} has {} lora_B.bias{}",
                        found.written,
                        if shift.is_some() { "a" } else { "no" },
                        if says && shift.is_some() {
                            ": it is computed for layers, not there"
                        } else {
                            ""
                        }
                    );
                    return Err(Error::adapter(path, problem));
                }
            }
            pairs.insert(module, pair);
        }
        laid.numbers += working.numbers() + mixtures.numbers();
        laid.mixtures = mixtures.laid()?;
        let told = working.told(&laid);
        config.warnings.extend(told);
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
        if pairs.is_empty()
            && laid.is_empty()
            && biases.is_empty()
            && score.is_none()
            && !changes_tables
        {
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
            laid,
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
        let transformer = model.transformer()?;
        let linears = transformer.linears();
        let linears: HashMap<&str, _> =
            linears.map(|linear| (linear.name.as_str(), &linear.weight)).collect();
        self.pairs.par_iter_mut().filter(|_| kind != Start::Plain).try_for_each(
            |(module, pair)| {
                let matrix = linears.get(module.as_str()).copied().unwrap_or(&transformer.head);
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
        let transformer = model.transformer()?;
        let linears = transformer.linears();
        let linears: HashMap<&str, _> =
            linears.map(|linear| (linear.name.as_str(), &linear.weight)).collect();
        let path = &self.path;
        self.pairs.par_iter_mut().try_for_each(|(module, pair)| {
            let matrix = linears.get(module.as_str()).copied().unwrap_or(&transformer.head);
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
}
