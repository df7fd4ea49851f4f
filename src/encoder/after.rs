//! What sentence-transformers does with a text's vector after pooling: its modules Dense, `LayerNorm` and
//! Normalize, in the order of `modules.json`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::Error;
use super::module_file::{read_json, setting};
use super::pooling::normalize;
use super::store::{NormKind, Store};
use crate::jobs;
use crate::llm::net::linear::{Linear, Norm};

/// The modules that are computed, beside Transformer and Pooling.
pub(super) const KINDS: [&str; 4] = ["Dense", "LayerNorm", "Dropout", "Normalize"];

pub(super) enum After {
    Dense(Box<Dense>),
    LayerNorm {
        norm: Norm,
        width: usize,
    },

    /// It counts only where something learns (Dropout).
    Nothing,

    /// One unit long.
    Normalize,

    /// So many values are kept, the first ones (`truncate_dim`).
    First(usize),
}

/// activation(W x + b), to which the vector itself may be added.
pub(super) struct Dense {
    /// Its folder, for messages.
    folder: PathBuf,
    linear: Linear,
    activation: Activation,
    residual: Residual,
}

enum Residual {
    None,
    Itself,
    Projected(Linear),
}

/// torch's, by the names that folders have for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activation {
    Identity,
    Tanh,
    Relu,
    Gelu,
    Sigmoid,
    Silu,
}

/// The tensors of a module. Fails with what to do where they are a pickle.
fn tensors(folder: &Path) -> Result<Store, Error> {
    const PICKLE: &str = "pytorch_model.bin";
    if !folder.join("model.safetensors").is_file() && folder.join(PICKLE).is_file() {
        return Err(Error::NotAnEncoder {
            path: folder.to_owned(),
            problem: format!(
                "its weights are {PICKLE}, a pickle, which can run code and is not loaded; convert the whole \
                 encoder in Python: SentenceTransformer(\"…\").save(\"…\")"
            ),
        });
    }
    Store::open(folder).map_err(|source| Error::Weights { folder: folder.to_owned(), source })
}

/// What a module of this kind does. `None`: it is not computed here.
pub(super) fn read(kind: &str, folder: &Path) -> Result<Option<After>, Error> {
    Ok(Some(match kind {
        "Normalize" => After::Normalize,
        "Dropout" => After::Nothing,
        "Dense" => After::Dense(Box::new(dense(folder)?)),
        "LayerNorm" => {
            const EPS: f64 = 1e-5; // torch's own
            let path = folder.join("config.json");
            let width = size(&path, &read_json(&path)?, "dimension")?;
            let place = |source| Error::Weights { folder: folder.to_owned(), source };
            let kind = NormKind::Layer { has_bias: true };
            let norm = tensors(folder)?.norm("norm", width, EPS, kind);
            After::LayerNorm { norm: norm.map_err(place)?, width }
        }
        _ => return Ok(None),
    }))
}

fn dense(folder: &Path) -> Result<Dense, Error> {
    let path = folder.join("config.json");
    let config = read_json(&path)?;
    let (inputs, outputs) =
        (size(&path, &config, "in_features")?, size(&path, &config, "out_features")?);
    let flag =
        |key: &str, default: bool| config.get(key).and_then(Value::as_bool).unwrap_or(default);
    for key in ["module_input_name", "module_output_name"] {
        let name = config.get(key).filter(|name| !name.is_null());
        if let Some(name) = name.filter(|name| name.as_str() != Some("sentence_embedding")) {
            let expected = "computed here is what changes a text's vector (sentence_embedding)";
            return Err(setting(&path, key, name, expected));
        }
    }
    let activation = match config.get("activation_function") {
        None => Activation::Tanh,
        Some(name) => named(name.as_str().unwrap_or_default()).ok_or_else(|| {
            let expected = "Identity, Tanh, ReLU, GELU, Sigmoid and SiLU of torch are known";
            setting(&path, "activation_function", name, expected)
        })?,
    };
    let place = |source| Error::Weights { folder: folder.to_owned(), source };
    let store = tensors(folder)?;
    let linear = store.linear("linear", [outputs, inputs], flag("bias", true)).map_err(place)?;
    let residual = match (flag("use_residual", false), inputs == outputs) {
        (false, _) => Residual::None,
        (true, true) => Residual::Itself,
        (true, false) => {
            let own = store.linear("residual", [outputs, inputs], false);
            Residual::Projected(own.map_err(place)?)
        }
    };
    Ok(Dense { folder: folder.to_owned(), linear, activation, residual })
}

fn size(path: &Path, config: &Value, key: &str) -> Result<usize, Error> {
    let value = config.get(key).unwrap_or(&Value::Null);
    let size = value.as_u64().filter(|size| (1..1 << 24).contains(size));
    let expected = "a whole number of at least 1 was expected";
    size.map(|size| size as usize).ok_or_else(|| setting(path, key, value, expected))
}

/// `torch.nn.modules.activation.Tanh`
fn named(name: &str) -> Option<Activation> {
    let last = name.starts_with("torch.").then(|| name.rsplit('.').next())?;
    Some(match last? {
        "Identity" => Activation::Identity,
        "Tanh" => Activation::Tanh,
        "ReLU" => Activation::Relu,
        "GELU" => Activation::Gelu,
        "Sigmoid" => Activation::Sigmoid,
        "SiLU" => Activation::Silu,
        _ => return None,
    })
}

impl Activation {
    fn run(self, values: &mut [f32]) {
        use crate::llm::config::Activation as Known;
        let each = |values: &mut [f32], known: Known| {
            values.iter_mut().for_each(|value| *value = known.value(*value));
        };
        match self {
            Self::Identity => {}
            Self::Tanh => each(values, Known::Tanh),
            Self::Relu => each(values, Known::Relu),
            Self::Gelu => each(values, Known::Gelu),
            Self::Silu => each(values, Known::Silu),
            Self::Sigmoid => {
                values.iter_mut().for_each(|value| *value = 1.0 / (1.0 + (-*value).exp()));
            }
        }
    }
}

impl After {
    /// How long a vector is afterwards that was so long before.
    pub fn width(&self, before: usize) -> Result<usize, Error> {
        let (reads, gives, place) = match self {
            Self::Normalize | Self::Nothing => return Ok(before),
            Self::First(kept) => return Ok(before.min(*kept)),
            Self::LayerNorm { width, .. } => (*width, *width, "LayerNorm".to_owned()),
            Self::Dense(dense) => {
                let weight = &dense.linear.weight;
                (weight.cols(), weight.rows(), dense.folder.display().to_string())
            }
        };
        if reads == before {
            return Ok(gives);
        }
        Err(Error::NotAnEncoder {
            path: place.into(),
            problem: format!(
                "it reads vectors of {reads} values, and what comes before it gives {before}: the \
                 folder is put together from parts of several models, or another pooling is asked for"
            ),
        })
    }

    pub fn run(&self, values: Vec<f32>) -> Result<Vec<f32>, Error> {
        match self {
            Self::Nothing => Ok(values),
            Self::First(kept) => {
                let mut values = values;
                values.truncate(*kept);
                Ok(values)
            }
            Self::Normalize => {
                let mut values = values;
                normalize(&mut values);
                Ok(values)
            }
            Self::LayerNorm { norm, .. } => Ok(norm.run(&values).to_vec()),
            Self::Dense(dense) => Ok(jobs::in_pool(|| dense.run(&values))?),
        }
    }
}

impl Dense {
    fn run(&self, values: &[f32]) -> candle_core::Result<Vec<f32>> {
        let mut out = self.linear.run(values, 1, None)?.to_vec();
        self.activation.run(&mut out);
        let add = |out: &mut [f32], more: &[f32]| {
            out.iter_mut().zip(more).for_each(|(out, more)| *out += more);
        };
        match &self.residual {
            Residual::None => {}
            Residual::Itself => add(&mut out, values),
            Residual::Projected(linear) => add(&mut out, &linear.run(values, 1, None)?),
        }
        Ok(out)
    }
}
