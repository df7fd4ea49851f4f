//! An adapter as tensors that stand in the place of a model's: encoders and encoder-decoders have theirs worked
//! into the weights as they are read.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tuning_fork_kernels::QMatrix;

use super::parts::{Change, Order, add};
use super::peft_folder::{CONFIG, read_json, weights_path};
use super::peft_methods::Working;
use super::peft_parts::pair;
use super::peft_tensors::{Found, Whole, modules};
use super::stored::opened;
use crate::llm::adapter::lora::{Dora, LoraPair};
use crate::llm::adapter::modules::is_saved;
use crate::llm::adapter::peft_config::{PeftConfig, Start};
use crate::llm::adapter::spec::{Bias, LinearInfo};
use crate::llm::adapter::start;
use crate::llm::adapter::start::Weight;
use crate::llm::error::Error;
use crate::llm::net::ops::with_f32;
use crate::llm::net::rows::add_scaled;

/// The model that an adapter is laid over.
pub(crate) trait Base {
    /// One of its tensors, widened. `None`: it has none of this name.
    fn tensor(&self, name: &str) -> Result<Option<Widened>, Error>;
}

/// A tensor's shape and numbers.
pub(crate) struct Widened {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// What an adapter makes of a model, by the names that PEFT has for its tensors.
pub(crate) fn replaced(folder: &Path, base: &dyn Base) -> Result<Vec<(String, Widened)>, Error> {
    let (mut json, path) = read_json(folder)?;
    let saved = json["modules_to_save"].as_array().cloned().unwrap_or_default();
    let saved = saved.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    json["modules_to_save"] = Value::Null;
    let config = PeftConfig::from_json(&json, &path)?;
    if config.soft.is_some() {
        let problem = format!(
            "peft_type = {}: a soft prompt is computed before texts that a decoder continues (CAUSAL_LM)",
            json["peft_type"]
        );
        return Err(Error::adapter(&path, problem));
    }
    if !config.target_parameters.is_empty() {
        let problem = "target_parameters: of encoders and encoder-decoders only layers are changed here; merge \
                       it in PEFT (merge_and_unload) and open the merged folder";
        return Err(Error::adapter(&path, problem));
    }
    let weights = weights_path(folder)?;
    let bytes = std::fs::read(&weights).map_err(|source| Error::read(&weights, source))?;
    let tensors = opened(&bytes, &weights)?;
    let mut found = modules(&weights, &tensors, Whole::Any)?;
    let working = Working::new(&config, found.remove(""), &weights)?;
    if found.is_empty() {
        return Err(Error::adapter(&weights, "it holds no tensors"));
    }
    let mut laying =
        Laying { base, config: &config, saved, working, path: weights.clone(), done: Vec::new() };
    for found in found.into_values() {
        laying.lay(&found)?;
    }
    Ok(laying.done)
}

struct Laying<'a> {
    base: &'a dyn Base,
    config: &'a PeftConfig,

    /// Ends of the paths of modules that are there whole.
    saved: Vec<String>,
    working: Working<'a>,
    path: PathBuf,
    done: Vec<(String, Widened)>,
}

impl Laying<'_> {
    fn refused(&self, problem: impl Into<String>) -> Error {
        Error::adapter(&self.path, problem)
    }

    fn put(&mut self, name: String, shape: Vec<usize>, values: Vec<f32>) {
        self.done.push((name, Widened { shape, values }));
    }

    fn lay(&mut self, found: &Found) -> Result<(), Error> {
        let module = &found.written;
        for (part, whole) in [("weight", &found.whole), ("bias", &found.bias)] {
            let Some(whole) = whole else { continue };
            if part == "bias" && self.config.bias == Bias::None && !is_saved(module, &self.saved) {
                let problem = format!("{module} has a trained bias, and {CONFIG} says bias = none");
                return Err(self.refused(problem));
            }
            let name = format!("{module}.{part}");
            self.check_whole(module, &name, whole.dims())?;
            let values = with_f32(whole, |values| Ok(values.to_vec()))?;
            self.put(name, whole.dims().to_vec(), values);
        }
        let is_changed = found.a.is_some()
            || found.b.is_some()
            || found.b_bias.is_some()
            || found.rows.is_some()
            || !found.of_method.is_empty();
        if !is_changed {
            return Ok(());
        }
        if found.whole.is_some() {
            return Err(self.refused(format!("{module} is there whole and as a change")));
        }
        let name = format!("{module}.weight");
        let Some(Widened { shape, values }) = self.base.tensor(&name)? else {
            // transformers makes one of random numbers for a file without it; no vector depends on that.
            if module.ends_with("pooler.dense") {
                return Ok(());
            }
            let problem = format!("the model has no layer {module}: it is of another model");
            return Err(self.refused(problem));
        };
        let [outputs, inputs] = *shape.as_slice() else {
            let problem =
                format!("{module} is no linear layer: its weight has the shape {shape:?}");
            return Err(self.refused(problem));
        };
        if self.working.is_method() {
            let own = QMatrix::of_floats(outputs, inputs, values);
            let own = own.map_err(|err| self.refused(format!("{module}: {err}")))?;
            let bias = self.base.tensor(&format!("{module}.bias"))?.map(|bias| bias.values);
            let (weight, bias) = self.working.layer(found, &own, bias.as_deref())?;
            self.put(name, shape, weight.dequantize());
            if let Some(bias) = bias {
                self.put(format!("{module}.bias"), vec![outputs], bias);
            }
            return Ok(());
        }
        self.working.check_of_lora(found)?;
        let changed = match &found.rows {
            Some(rows) => {
                let rows = (rows.dims(), with_f32(rows, |rows| Ok(rows.to_vec()))?);
                self.with_tokens(module, rows, ([outputs, inputs], values))?
            }
            None => self.with_pair(found, [outputs, inputs], values)?,
        };
        self.put(name, shape, changed);
        Ok(())
    }

    /// A module that is there whole has the shape of the model's; a head may have other labels, and may be new.
    fn check_whole(&self, module: &str, name: &str, found: &[usize]) -> Result<(), Error> {
        let is_saved = is_saved(module, &self.saved);
        match self.base.tensor(name)? {
            Some(own) if own.shape == found => Ok(()),
            Some(own) if is_saved && own.shape.get(1..) == found.get(1..) => Ok(()),
            None if is_saved => Ok(()),
            Some(own) => Err(self.refused(format!(
                "{name} is of shape {found:?}, and the model's layer asks for {:?}: the adapter is of another \
                 model",
                own.shape
            ))),
            None => Err(self.refused(format!(
                "it has {name}, which the model has no layer for: it is of another model"
            ))),
        }
    }

    /// The vectors of single tokens (`trainable_token_indices`): the file has what they became.
    fn with_tokens(
        &self,
        module: &str,
        (shape, rows): (&[usize], Vec<f32>),
        ([count, width], mut values): ([usize; 2], Vec<f32>),
    ) -> Result<Vec<f32>, Error> {
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let mut tables = self.config.token_indices.iter();
        let ids = tables
            .find(|(table, _)| table.as_ref().is_none_or(|table| last(table) == last(module)));
        let ids = ids.map(|(_, ids)| ids.as_slice()).unwrap_or_default();
        if shape != [ids.len(), width] {
            return Err(self.refused(format!(
                "the trained tokens of {module} have the shape {shape:?}; {:?} was expected, a vector for each \
                 of trainable_token_indices",
                [ids.len(), width]
            )));
        }
        for (id, row) in ids.iter().zip(rows.chunks_exact(width)) {
            let place = *id as usize * width;
            let Some(own) = values.get_mut(place..place + width) else {
                let problem = format!(
                    "it trained token {id}, and the model has {count}: tokens were added to the model before; open \
                     the model that was made so (after resize_token_embeddings and save_pretrained)"
                );
                return Err(self.refused(problem));
            };
            own.copy_from_slice(row);
        }
        Ok(values)
    }

    fn with_pair(
        &mut self,
        found: &Found,
        [rows, cols]: [usize; 2],
        mut values: Vec<f32>,
    ) -> Result<Vec<f32>, Error> {
        let (config, module) = (self.config, &found.written);
        // A table's A has a column for each of its rows.
        let (order, outputs, inputs) = if found.is_table {
            (Order::InputsOutputs, cols, rows)
        } else {
            (Order::OutputsInputs, rows, cols)
        };
        if found.is_table && (config.use_dora || config.start != Start::Plain) {
            let problem = format!(
                "{module} is among its target_modules, with DoRA or a start that changes the layer, which is \
                 not computed; merge it in PEFT (merge_and_unload)"
            );
            return Err(self.refused(problem));
        }
        let layer = LinearInfo { name: module.clone(), outputs, inputs };
        let mut pair = pair(found, config, module, Some(&layer), &self.path)?;
        let rank = pair.a.dims()[0];
        let weight = Weight { values: &values, rows, cols };
        pair.taken = match config.start {
            Start::Plain => None,
            Start::Pissa => Some(start::largest_singular(weight, rank)),
            Start::Olora => Some(start::first_directions(weight, rank, pair.scale, false)),
        };
        let LoraPair { a, b, scale, taken, dora } = &mut pair;
        if let Some(Dora { magnitude, lengths, factors }) = dora {
            let product =
                |a: &[f32], b: &[f32]| start::lengths(weight, taken.as_ref(), (*scale, a, b));
            *lengths = with_f32(a, |a| with_f32(b, |b| Ok(product(a, b))))?;
            *factors = with_f32(magnitude, |magnitude| {
                Ok(magnitude.iter().zip(&*lengths).map(|(m, length)| m / length).collect())
            })?;
            if factors.iter().any(|factor| !factor.is_finite()) {
                let (path, name) = (self.path.clone(), module.clone());
                return Err(Error::NotFinite { path, name });
            }
        }
        add(&mut values, Change { pair: &pair, order })?;
        self.lay_bias_of_b(found, outputs, pair.scale)?;
        Ok(values)
    }

    /// A bias of B counts as much as B does.
    fn lay_bias_of_b(&mut self, found: &Found, outputs: usize, scale: f64) -> Result<(), Error> {
        let module = &found.written;
        let shift = match (&found.b_bias, self.config.lora_bias) {
            (None, false) => return Ok(()),
            (Some(shift), true) if shift.dims() == [outputs] && !found.is_table => shift,
            (shift, says) => {
                let has = shift
                    .as_ref()
                    .map_or_else(|| "none".to_owned(), |bias| format!("{:?}", bias.dims()));
                let problem = format!(
                    "lora_bias = {says}, and of lora_B.bias {module} has {has}; the layer has {outputs} outputs"
                );
                return Err(self.refused(problem));
            }
        };
        let name = format!("{module}.bias");
        let trained = self.done.iter().position(|(done, _)| *done == name);
        let own = match trained {
            Some(place) => Some(self.done.remove(place).1),
            None => self.base.tensor(&name)?,
        };
        let Some(Widened { shape, mut values }) = own else {
            let problem = format!(
                "lora_bias = true, and the model's layer {module} has no bias to add it to, which is not \
                 computed; merge it in PEFT (merge_and_unload) and open the merged folder"
            );
            return Err(self.refused(problem));
        };
        with_f32(shift, |shift| {
            add_scaled(&mut values, scale as f32, shift);
            Ok(())
        })?;
        self.put(name, shape, values);
        Ok(())
    }
}
