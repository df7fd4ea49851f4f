//! PEFT's adapter folder: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! Written is the stable subset that every version of PEFT reads. Read is what plain LoRA needs;
//! what would change the result and is not supported is refused by its name.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use tokenizers::utils::SysRegex;

use crate::files;
use crate::llm::adapter::lora::{
    Adapter, LinearInfo, LoraPair, LoraSpec, is_pattern, last_parts, scale, targets,
};
use crate::llm::card::{AdapterCard, ModelIdentity};
use crate::llm::config::Naming;
use crate::llm::error::Error;
use crate::llm::model::Model;
use crate::llm::net::ops::with_f32;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";

/// The layers that an adapter changes, as `adapter_config.json` has them.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetModules {
    Names(Vec<String>),

    /// A regular expression over whole module paths, or `all-linear`.
    Pattern(String),
}

impl TargetModules {
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Names(names) => names.clone(),
            Self::Pattern(pattern) => vec![pattern.clone()],
        }
    }
}

/// The keys of `adapter_config.json` that are read, refused by themselves, or say only how the
/// adapter came about.
const KNOWN: [&str; 42] = [
    "alora_invocation_tokens",
    "alpha_pattern",
    "arrow_config",
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "init_lora_weights",
    "layer_replication",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_alpha",
    "lora_bias",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "target_parameters",
    "task_type",
    "tie_word_embeddings",
    "trainable_token_indices",
    "transformers_version",
    "use_bdlora",
    "use_dora",
    "use_qalora",
    "use_rslora",
    "_custom_modules",
];

/// Numbers of modules that differ from the adapter's own, in the order of the file: each belongs to
/// the modules whose paths, or their last parts, match its regular expression.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<Pattern>);

/// A key, what it means, and the value of the modules that it fits. There may be one a module, so
/// keys are compiled once.
#[derive(Clone, Debug)]
struct Pattern {
    key: String,
    regex: Arc<SysRegex>,
    value: f64,
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&Pattern, &Pattern)| a.key == b.key && a.value == b.value;
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }
}

impl Patterns {
    /// `None`: what is there is no table of numbers, or a key is no regular expression.
    fn read(value: Option<&Value>) -> Option<Self> {
        let Some(value) = value else { return Some(Self::default()) };
        let entries = value.as_object()?.iter().map(|(key, value)| {
            let regex = Arc::new(whole_or_last_parts(key)?);
            Some(Pattern { key: key.clone(), regex, value: value.as_f64()? })
        });
        Some(Self(entries.collect::<Option<_>>()?))
    }

    /// PEFT's `get_pattern_key`: the first that matches.
    fn of(&self, module: &str) -> Option<f64> {
        let fits = |pattern: &&Pattern| pattern.regex.find_iter(module).next().is_some();
        self.0.iter().find(fits).map(|pattern| pattern.value)
    }

    fn to_json(&self) -> Value {
        let entry = |pattern: &Pattern| (pattern.key.clone(), whole_or_float(pattern.value));
        Value::Object(self.0.iter().map(entry).collect())
    }
}

/// `None`: it is no regular expression.
fn whole_or_last_parts(key: &str) -> Option<SysRegex> {
    SysRegex::new(&format!(r"\A(?:.*\.)?(?:{key})\z")).ok()
}

/// What we keep of `adapter_config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct PeftConfig {
    pub r: usize,
    pub lora_alpha: f64,
    pub lora_dropout: f64,
    pub use_rslora: bool,
    pub fan_in_fan_out: bool,
    pub target_modules: TargetModules,
    pub rank_pattern: Patterns,
    pub alpha_pattern: Patterns,
    pub base_model_name_or_path: Option<String>,
}

impl PeftConfig {
    pub(crate) fn from_spec(spec: &LoraSpec, layers: &[LinearInfo], naming: Naming) -> Self {
        // `all-linear` is written out, as PEFT does: readers need not know what it meant.
        let mut names = if spec.target_modules.iter().any(|target| target == "all-linear") {
            last_parts(layers).split(", ").map(ToOwned::to_owned).collect()
        } else if spec.target_modules.iter().any(|target| is_pattern(target)) {
            // In a list PEFT takes a pattern for a name: the layers that were meant, by their paths.
            let meant = targets(layers, &spec.target_modules).into_iter();
            meant.map(|layer| layer.name.clone()).collect()
        } else {
            spec.target_modules.clone()
        };
        names.sort();
        names.dedup();
        Self {
            r: spec.r,
            lora_alpha: spec.lora_alpha,
            lora_dropout: spec.lora_dropout,
            use_rslora: spec.use_rslora,
            fan_in_fan_out: naming.is_transposed(),
            target_modules: TargetModules::Names(names),
            rank_pattern: Patterns::default(),
            alpha_pattern: Patterns::default(),
            base_model_name_or_path: None,
        }
    }

    fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::read(path, source))?;
        let json: Value = serde_json::from_str(&text)
            .map_err(|err| Error::adapter(path, format!("it is not JSON: {err}")))?;
        let refuse = |key: &str| {
            let found = json.get(key).cloned().unwrap_or_default();
            Error::adapter(path, format!("{key} = {found} is not supported"))
        };
        let present = |key: &str| json.get(key).filter(|value| !value.is_null());
        if present("peft_type").and_then(Value::as_str) != Some("LORA") {
            return Err(refuse("peft_type"));
        }
        if present("bias").is_some_and(|bias| bias.as_str() != Some("none")) {
            return Err(refuse("bias"));
        }
        let off = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        let unsupported = [
            "modules_to_save",
            "use_dora",
            "lora_bias",
            "layer_replication",
            "trainable_token_indices",
            "target_parameters",
            "use_qalora",
            "use_bdlora",
            "alora_invocation_tokens",
        ];
        for key in unsupported {
            if json.get(key).is_some_and(|value| !off(value)) {
                return Err(refuse(key));
            }
        }
        // What a later PEFT may have added: whether it matters cannot be known.
        let names = json.as_object().into_iter().flatten();
        for (key, value) in names.filter(|(key, _)| !KNOWN.contains(&key.as_str())) {
            match value {
                Value::String(_) => log::warn!("{}: {key} is not known", path.display()),
                value if off(value) => {}
                _ => return Err(refuse(key)),
            }
        }
        let number = |key: &str, default: f64| match present(key) {
            None => Ok(default),
            Some(value) => value.as_f64().ok_or_else(|| refuse(key)),
        };
        let flag = |key: &str| present(key).and_then(Value::as_bool).unwrap_or(false);
        let target_modules = match present("target_modules") {
            Some(Value::String(pattern)) => TargetModules::Pattern(pattern.clone()),
            Some(Value::Array(list)) => {
                let names = list.iter().map(|name| name.as_str().map(ToOwned::to_owned));
                let mut names =
                    names.collect::<Option<Vec<_>>>().ok_or_else(|| refuse("target_modules"))?;
                names.sort(); // PEFT writes a set, in no order
                TargetModules::Names(names)
            }
            None => TargetModules::Names(Vec::new()),
            Some(_) => return Err(refuse("target_modules")),
        };
        let pattern = |key: &str| Patterns::read(present(key)).ok_or_else(|| refuse(key));
        Ok(Self {
            r: number("r", 8.0)? as usize,
            lora_alpha: number("lora_alpha", 8.0)?,
            lora_dropout: number("lora_dropout", 0.0)?,
            use_rslora: flag("use_rslora"),
            fan_in_fan_out: flag("fan_in_fan_out"),
            target_modules,
            rank_pattern: pattern("rank_pattern")?,
            alpha_pattern: pattern("alpha_pattern")?,
            base_model_name_or_path: present("base_model_name_or_path")
                .and_then(Value::as_str)
                .map(ToOwned::to_owned),
        })
    }

    fn to_json(&self, base: &ModelIdentity) -> Value {
        let name = base.repo.clone().or_else(|| Some(base.name.clone()));
        let target_modules = match &self.target_modules {
            TargetModules::Names(names) => json!(names),
            TargetModules::Pattern(pattern) => json!(pattern),
        };
        let fields = [
            ("alpha_pattern", self.alpha_pattern.to_json()),
            ("auto_mapping", Value::Null),
            ("base_model_name_or_path", json!(name)),
            ("bias", json!("none")),
            ("fan_in_fan_out", json!(self.fan_in_fan_out)),
            ("inference_mode", json!(true)),
            ("init_lora_weights", json!(true)),
            ("layers_pattern", Value::Null),
            ("layers_to_transform", Value::Null),
            ("lora_alpha", whole_or_float(self.lora_alpha)),
            ("lora_dropout", json!(self.lora_dropout)),
            ("modules_to_save", Value::Null),
            ("peft_type", json!("LORA")),
            ("r", json!(self.r)),
            ("rank_pattern", self.rank_pattern.to_json()),
            ("revision", json!(base.commit)),
            ("target_modules", target_modules),
            ("task_type", json!("CAUSAL_LM")),
            ("use_dora", json!(false)),
            ("use_rslora", json!(self.use_rslora)),
        ];
        Value::Object(
            fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<_, _>>(),
        )
    }

    /// Rank and alpha of a module: the pattern's where one fits, else the adapter's.
    fn rank_and_alpha(&self, module: &str) -> (usize, f64) {
        let rank = self.rank_pattern.of(module).map(|rank| rank as usize);
        (rank.unwrap_or(self.r), self.alpha_pattern.of(module).unwrap_or(self.lora_alpha))
    }
}

/// PEFT writes `lora_alpha` as a whole number where it is one.
fn whole_or_float(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

/// The two halves of a layer, as they are found.
#[derive(Default)]
struct Halves {
    a: Option<Tensor>,
    b: Option<Tensor>,
}

impl Adapter {
    /// Reads a PEFT folder and holds it against the model.
    pub fn load(folder: &Path, model: &Model) -> Result<Self, Error> {
        let config = PeftConfig::read(&folder.join(CONFIG))?;
        let path = folder.join(WEIGHTS);
        let bytes = std::fs::read(&path).map_err(|source| Error::read(&path, source))?;
        let tensors = SafeTensors::deserialize(&bytes)
            .map_err(|err| Error::adapter(&path, format!("it is not a safetensors file: {err}")))?;
        let mut halves: BTreeMap<String, Halves> = BTreeMap::new();
        for (name, view) in tensors.iter() {
            let Some((module, is_a)) = module_of(name) else {
                return Err(Error::adapter(&path, format!("the tensor {name} is not plain LoRA")));
            };
            let tensor = to_f32(&view).ok_or_else(|| {
                let problem = format!("the tensor {name} has the type {:?}", view.dtype());
                Error::adapter(&path, problem)
            })??;
            let entry = halves.entry(module.to_owned()).or_default();
            if is_a {
                entry.a = Some(tensor);
            } else {
                entry.b = Some(tensor);
            }
        }
        if halves.is_empty() {
            return Err(Error::adapter(&path, "it holds no tensors"));
        }
        let layers = model.linear_layers();
        let mut pairs = BTreeMap::new();
        for (module, Halves { a, b }) in halves {
            let Some(layer) = layers.iter().find(|layer| layer.name == module) else {
                let problem = format!("the model has no layer {module} that LoRA can change");
                return Err(Error::adapter(&path, problem));
            };
            let (Some(a), Some(b)) = (a, b) else {
                let problem = format!("{module} has only one of lora_A and lora_B");
                return Err(Error::adapter(&path, problem));
            };
            let (rank, alpha) = config.rank_and_alpha(&module);
            let expected = ([rank, layer.inputs], [layer.outputs, rank]);
            if a.dims() != expected.0 || b.dims() != expected.1 {
                let problem = format!(
                    "{module} has lora_A {:?} and lora_B {:?}; {:?} and {:?} were expected",
                    a.dims(),
                    b.dims(),
                    expected.0,
                    expected.1
                );
                return Err(Error::adapter(&path, problem));
            }
            let finite = |tensor: &Tensor| {
                with_f32(tensor, |values| Ok(values.iter().all(|value| value.is_finite())))
            };
            if !finite(&a)? || !finite(&b)? {
                return Err(Error::NotFinite { path, name: module });
            }
            let scale = scale(alpha, rank, config.use_rslora);
            let pair = LoraPair { a: Var::from_tensor(&a)?, b: Var::from_tensor(&b)?, scale };
            pairs.insert(module, pair);
        }
        let sha256 = files::sha256_of_bytes(&bytes);
        Ok(Self { pairs, config, path: folder.to_owned(), sha256 })
    }

    /// Writes a PEFT folder, each file whole or not at all, the weights last. `base` is the model
    /// that the adapter belongs to. Returns the card of what was written.
    pub fn save(&self, folder: &Path, base: &ModelIdentity) -> Result<AdapterCard, Error> {
        let mut parts = Vec::new();
        for (name, var) in self.vars() {
            let bytes = with_f32(var.as_tensor(), |values| {
                Ok(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
            })?;
            parts.push((name, var.dims().to_vec(), bytes));
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
        for (name, bytes) in [(CONFIG, config.as_bytes()), (WEIGHTS, &weights)] {
            let path = folder.join(name);
            files::write_atomic(&path, bytes)
                .map_err(|source| Error::Write { path: path.clone(), source })?;
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sha256 = files::sha256_of_bytes(&weights);
        Ok(AdapterCard { name, path: folder.to_owned(), sha256, ..self.card() })
    }
}

/// The module of a tensor's name, and whether it is the A half.
fn module_of(name: &str) -> Option<(&str, bool)> {
    let name = name.strip_prefix(PREFIX)?.strip_suffix(".weight")?;
    let name = name.strip_suffix(".default").unwrap_or(name);
    if let Some(module) = name.strip_suffix(".lora_A") {
        return Some((module, true));
    }
    Some((name.strip_suffix(".lora_B")?, false))
}

/// `None`: a type that is no floating-point one.
fn to_f32(view: &TensorView<'_>) -> Option<candle_core::Result<Tensor>> {
    let dtype = match view.dtype() {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        _ => return None,
    };
    let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu);
    Some(tensor.and_then(|tensor| tensor.to_dtype(DType::F32)))
}
