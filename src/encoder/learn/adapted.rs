//! LoRA beside the layers of a model that learns, and modules that are saved whole: begun, read from
//! and written to PEFT's folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use super::build::Builder;
use super::layers::{Lin, Lora};
use super::mask::Site;
use super::saved;
use super::weights::{Id, Weights};
use crate::files;
use crate::llm::adapter::modules::is_saved;
use crate::llm::adapter::peft_config::{PeftConfig, Start};
use crate::llm::adapter::spec::{Bias, Init, LinearInfo, LoraSpec, last_parts, scale, stray};
use crate::llm::card::{AdapterCard, ModelIdentity};
use crate::llm::config::Naming;
use crate::llm::error::Error;
use crate::llm::files::mapped::Mapped;

pub(crate) const CONFIG: &str = "adapter_config.json";
pub(crate) const WEIGHTS: &str = "adapter_model.safetensors";

/// What PEFT puts before every path.
pub(crate) const PREFIX: &str = "base_model.model.";

/// The names by which PEFT saves the head of a classifier whole.
const HEADS: [&str; 2] = ["classifier", "score"];

/// What an adapter is beside its tensors.
pub(crate) struct Adapted {
    config: PeftConfig,

    /// Ends of the paths of modules that learn whole.
    pub saved: Vec<String>,
    pub dropout: f64,

    /// Paths with the places of A and B.
    pairs: BTreeMap<String, (Id, Id)>,
}

/// An adapter as its folder has it.
pub(crate) struct Stored {
    config: PeftConfig,
    saved: Vec<String>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    folder: PathBuf,
}

/// The layers that PEFT takes for a family where none are named.
fn usual_targets(model_type: &str) -> Option<Vec<String>> {
    let names = match model_type {
        "bert" | "roberta" | "xlm-roberta" | "camembert" | "electra" | "albert" => {
            ["query", "value"]
        }
        "distilbert" => ["q_lin", "v_lin"],
        "deberta-v2" => ["query_proj", "value_proj"],
        "mpnet" | "t5" | "mt5" => ["q", "v"],
        "bart" => ["q_proj", "v_proj"],
        "modernbert" => return Some(vec!["Wqkv".to_owned()]),
        _ => return None,
    };
    Some(names.map(str::to_owned).to_vec())
}

/// Whether PEFT leaves a module out of LoRA because it is saved whole: here a name is a whole part of
/// the path.
fn is_excluded(module: &str, saved: &[String]) -> bool {
    let within = |name: &String| {
        module.match_indices(name.as_str()).any(|(at, found)| {
            let end = at + found.len();
            (at == 0 || module.as_bytes()[at - 1] == b'.')
                && (end == module.len() || module.as_bytes()[end] == b'.')
        })
    };
    saved.iter().any(within)
}

impl Stored {
    pub fn read(folder: &Path) -> Result<Self, Error> {
        if folder.is_file() {
            let problem = "it is a file, and an encoder-decoder or a classifier takes adapters as PEFT saves \
                           them: a folder with adapter_config.json and adapter_model.safetensors";
            return Err(Error::adapter(folder, problem.to_owned()));
        }
        let path = folder.join(CONFIG);
        let text = std::fs::read(&path).map_err(|source| Error::read(&path, source))?;
        let mut json: Value = serde_json::from_slice(&text)
            .map_err(|err| Error::adapter(&path, files::mistake_in_json(&text, &err)))?;
        // PEFT writes the heads twice, and heads that the model lacks.
        let saved =
            json.get("modules_to_save").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut saved: Vec<String> =
            saved.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
        saved.sort();
        saved.dedup();
        json["modules_to_save"] = Value::Null;
        let config = PeftConfig::from_json(&json, &path)?;
        let path = folder.join(WEIGHTS);
        let bytes = std::fs::read(&path).map_err(|source| Error::read(&path, source))?;
        let damaged = |problem: String| Error::adapter(&path, problem);
        let found = SafeTensors::deserialize(&bytes).map_err(|err| {
            damaged(format!("it is no safetensors file, or it is cut short: {err}"))
        })?;
        let mut tensors = BTreeMap::new();
        for (name, view) in found.iter() {
            let values = widened(view.data(), view.dtype()).ok_or_else(|| {
                damaged(format!(
                    "{name} is of type {:?}; f32, f16 or bf16 was expected",
                    view.dtype()
                ))
            })?;
            if values.iter().any(|value| !value.is_finite()) {
                return Err(damaged(format!("{name} has values that are no numbers")));
            }
            let name = name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        Ok(Self { config, saved, tensors, folder: folder.to_owned() })
    }

    /// What there is to say about it; reads its weights again for their hash.
    pub fn card(&self) -> Result<AdapterCard, Error> {
        let path = self.folder.join(WEIGHTS);
        let sha256 = files::sha256_of_file(&path, |_| Ok(()));
        Ok(AdapterCard {
            name: self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            path: self.folder.clone(),
            sha256: sha256.map_err(|source| Error::read(&path, source))?,
            rank: self.config.r,
            alpha: self.config.lora_alpha,
            target_modules: self.config.target_modules.names(),
            parameter_count: self.tensors.values().map(|(_, values)| values.len() as u64).sum(),
        })
    }

    /// Fails where it is an adapter that is computed with and does not learn on.
    pub fn check_learns(&self) -> Result<(), Error> {
        let config = &self.config;
        let what = if let Some(method) = config.method {
            format!("peft_type = {}", method.name())
        } else if config.use_dora || config.start != Start::Plain {
            "DoRA, PiSSA and OLoRA".to_owned()
        } else if config.bias != Bias::None {
            "biases that were trained beside LoRA (bias)".to_owned()
        } else if let Some(what) = self.tensors.keys().find_map(|name| not_learned(name)) {
            what.to_owned()
        } else {
            return Ok(());
        };
        let problem = format!(
            "{what}: such an adapter does not learn on in encoders and encoder-decoders; merge it in PEFT \
             (merge_and_unload), and begin a new one on the merged folder"
        );
        Err(Error::adapter(&self.folder, problem))
    }

    /// Whether it brings this module whole.
    pub fn brings(&self, module: &str) -> bool {
        self.tensors.contains_key(&format!("{module}.weight"))
    }

    /// Outputs of the head that it brings.
    pub fn label_count(&self, out: &str) -> Option<usize> {
        let (shape, _) = self.tensors.get(&format!("{out}.weight"))?;
        shape.first().copied()
    }
}

/// What a tensor of PEFT is that does not learn here. `None`: it is another.
fn not_learned(name: &str) -> Option<&'static str> {
    let all = [
        (".lora_B.bias", "biases of LoRA itself (lora_bias)"),
        (".lora_embedding_", "changes of an embedding"),
        (".trainable_tokens_", "vectors of single tokens (trainable_token_indices)"),
    ];
    all.into_iter().find(|(part, _)| name.contains(part)).map(|(_, what)| what)
}

/// Takes the values of what learns from a folder that holds them.
pub(crate) fn restore(weights: &mut Weights, is_adapter: bool, folder: &Path) -> Result<(), Error> {
    let path = folder.join(if is_adapter { WEIGHTS } else { "model.safetensors" });
    let bytes = Mapped::open(&path).map_err(|source| Error::read(&path, source))?;
    let found =
        SafeTensors::deserialize(&bytes).map_err(|err| Error::adapter(&path, err.to_string()))?;
    for id in weights.trained() {
        let name = weights.name(id).to_owned();
        let view = found.tensor(&name).or_else(|_other| found.tensor(&format!("{PREFIX}{name}")));
        let values = view.ok().and_then(|view| widened(view.data(), view.dtype()));
        let values = values.filter(|values| values.len() == weights.values(id).len());
        let values = values
            .ok_or_else(|| Error::adapter(&path, format!("it has no {name} of this model")))?;
        weights.own_mut(id).copy_from_slice(&values);
    }
    Ok(())
}

pub(crate) fn widened(bytes: &[u8], dtype: Dtype) -> Option<Vec<f32>> {
    let pairs = || bytes.as_chunks::<2>().0.iter();
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => pairs().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
        _ => return None,
    })
}

fn info(lin: &Lin) -> LinearInfo {
    LinearInfo { name: lin.module.clone(), outputs: lin.outputs, inputs: lin.inputs }
}

/// Lays a new adapter beside the layers.
pub(crate) fn begin(
    builder: &mut Builder<'_>,
    mut layers: Vec<&mut Lin>,
    spec: &LoraSpec,
    (model_type, is_classifier): (&str, bool),
) -> Result<Adapted, Error> {
    let mut spec = spec.clone();
    if spec.use_dora || matches!(spec.init, Init::Pissa | Init::Olora) {
        let problem = "DoRA, PiSSA and OLoRA are not computed for encoders and encoder-decoders: leave \
                       use_dora out, and init_lora_weights at true or \"gaussian\"";
        return Err(Error::adapter(Path::new("lora"), problem.to_owned()));
    }
    let others = spec.modules_to_save.iter().any(|name| !HEADS.contains(&name.as_str()));
    if spec.bias != Bias::None || others {
        let problem = "biases and further modules do not learn beside LoRA in encoders and encoder-decoders, \
                       whose head for labels always does: leave bias and modules_to_save out";
        return Err(Error::adapter(Path::new("lora"), problem.to_owned()));
    }
    if spec.target_modules.is_empty() {
        spec.target_modules = usual_targets(model_type).unwrap_or_default();
    }
    let mut saved: Vec<String> = Vec::new();
    if is_classifier {
        saved.extend(HEADS.map(str::to_owned));
        // What was made at random is of no use to whoever reads the adapter without it.
        let made = builder.made.iter().filter(|made| !is_saved(made, &saved)).cloned();
        let made: Vec<String> = made.collect();
        saved.extend(made);
        saved.sort();
        saved.dedup();
    }
    let is_all = spec.target_modules.iter().any(|name| name == "all-linear");
    let is_open = |lin: &Lin| {
        let is_head = HEADS.contains(&lin.module.as_str());
        !(is_excluded(&lin.module, &saved) || (is_all && is_head))
    };
    let infos: Vec<LinearInfo> =
        layers.iter().filter(|lin| is_open(lin)).map(|lin| info(lin)).collect();
    if let Some(name) = stray(&infos, &spec.target_modules) {
        return Err(Error::NoSuchModule { name: name.clone(), known: last_parts(&infos) });
    }
    let meant: Vec<String> =
        spec.targets(&infos).into_iter().map(|info| info.name.clone()).collect();
    if meant.is_empty() {
        let name = format!("layers_to_transform = {:?}", spec.layers_to_transform);
        return Err(Error::NoSuchModule { name, known: last_parts(&infos) });
    }
    let config = PeftConfig::from_spec(&spec, &infos, Naming::Llama, None);
    let mut adapted = Adapted { config, saved, dropout: spec.lora_dropout, pairs: BTreeMap::new() };
    layers.sort_by(|one, other| one.module.cmp(&other.module));
    for lin in layers {
        if !meant.contains(&lin.module) {
            continue;
        }
        let (rank, alpha) = adapted.config.rank_and_alpha(&lin.module);
        let shared = adapted.pairs.get(&lin.module).copied();
        let (a, b) = shared.unwrap_or_else(|| {
            // kaiming_uniform(a=√5) is uniform within ±1/√inputs.
            let bound = (lin.inputs as f32).sqrt().recip();
            let values = (0..rank * lin.inputs).map(|_| match spec.init {
                Init::Gaussian => builder.normal() / rank as f32,
                _ => bound * (2.0 * builder.unit() - 1.0),
            });
            let values: Vec<f32> = values.collect();
            let name = |part: &str| format!("{PREFIX}{}.{part}.weight", lin.module);
            let a = builder.weights.add(&name("lora_A"), vec![rank, lin.inputs], values);
            let zeros = vec![0.0; lin.outputs * rank];
            (a, builder.weights.add(&name("lora_B"), vec![lin.outputs, rank], zeros))
        });
        let scale = scale(alpha, rank, spec.use_rslora);
        attach(lin, (a, b), rank, scale);
        adapted.pairs.insert(lin.module.clone(), (a, b));
    }
    Ok(adapted)
}

fn attach(lin: &mut Lin, (a, b): (Id, Id), rank: usize, scale: f64) {
    lin.lora = Some(Lora { a, b, rank, scale: scale as f32, site: Site::named(&lin.module) });
}

/// Lays an adapter of a folder beside the layers, and puts the modules that it brings whole in place of
/// the model's.
pub(crate) fn lay(
    weights: &mut Weights,
    layers: Vec<&mut Lin>,
    prefix: &str,
    stored: Stored,
) -> Result<Adapted, Error> {
    let Stored { config, saved, mut tensors, folder } = stored;
    let mut pairs: BTreeMap<String, (Id, Id)> = BTreeMap::new();
    let mismatch = |name: &str, found: &[usize], expected: &[usize]| {
        let problem = format!(
            "{name} is of shape {found:?}, and the model's layer asks for {expected:?}: the adapter is of another model"
        );
        Error::adapter(&folder, problem)
    };
    for lin in layers {
        // The adapter of a body that was saved without its head has no prefix.
        let short = lin.module.strip_prefix(prefix).unwrap_or(&lin.module);
        let take = |tensors: &mut BTreeMap<String, (Vec<usize>, Vec<f32>)>, part: &str| {
            let found = tensors.remove(&format!("{}.{part}.weight", lin.module));
            found.or_else(|| tensors.remove(&format!("{short}.{part}.weight")))
        };
        let ids = if let Some(known) = pairs.get(&lin.module) {
            *known
        } else {
            let (a, b) = (take(&mut tensors, "lora_A"), take(&mut tensors, "lora_B"));
            let (Some((a_shape, a)), Some((b_shape, b))) = (a, b) else { continue };
            let rank = a_shape.first().copied().unwrap_or_default();
            if a_shape != [rank, lin.inputs] {
                return Err(mismatch(&lin.module, &a_shape, &[rank, lin.inputs]));
            }
            if b_shape != [lin.outputs, rank] {
                return Err(mismatch(&lin.module, &b_shape, &[lin.outputs, rank]));
            }
            let name = |part: &str| format!("{PREFIX}{}.{part}.weight", lin.module);
            let a = weights.add(&name("lora_A"), a_shape, a);
            (a, weights.add(&name("lora_B"), b_shape, b))
        };
        let rank = weights.get(ids.0).shape[0];
        let (_, alpha) = config.rank_and_alpha(&lin.module);
        let scale = scale(alpha, rank, config.use_rslora);
        attach(lin, ids, rank, scale);
        pairs.insert(lin.module.clone(), ids);
    }
    for (name, (shape, values)) in tensors {
        let id = weights.find(&name).or_else(|| weights.find(&format!("{prefix}{name}")));
        let Some(id) = id else {
            let problem =
                format!("it has {name}, which the model has no layer for: it is of another model");
            return Err(Error::adapter(&folder, problem));
        };
        if weights.get(id).shape != shape {
            return Err(mismatch(&name, &shape, &weights.get(id).shape));
        }
        weights.set(id, values);
    }
    let dropout = config.lora_dropout;
    Ok(Adapted { config, saved, dropout, pairs })
}

impl Adapted {
    pub fn ids(&self) -> impl Iterator<Item = Id> {
        self.pairs.values().flat_map(|(a, b)| [*a, *b])
    }

    /// The tensors of the modules that learn whole.
    pub fn whole(&self, weights: &Weights) -> Vec<Id> {
        let is_whole = |id: &Id| {
            let name = &weights.get(*id).name;
            let module = name.rsplit_once('.').map_or(name.as_str(), |(module, _)| module);
            !name.starts_with(PREFIX) && is_saved(module, &self.saved)
        };
        weights.ids().filter(is_whole).collect()
    }

    /// Writes PEFT's folder: A and B, and the modules that are saved whole under their plain names. `task`:
    /// PEFT's `task_type`.
    pub fn save(
        &self,
        weights: &Weights,
        (folder, task): (&Path, Option<&str>),
        (base, base_path): (&ModelIdentity, &Path),
    ) -> Result<(), Error> {
        let mut json = self.config.to_json(base);
        json["modules_to_save"] =
            if self.saved.is_empty() { Value::Null } else { json!(self.saved) };
        json["task_type"] = json!(task);
        if base.repo.is_none() {
            let path = std::path::absolute(base_path).unwrap_or_else(|_| base_path.to_owned());
            json["base_model_name_or_path"] = json!(path);
        }
        let whole = self.whole(weights).into_iter();
        let mut named: Vec<(String, Id)> =
            whole.map(|id| (format!("{PREFIX}{}", weights.get(id).name), id)).collect();
        named.extend(self.ids().map(|id| (weights.get(id).name.clone(), id)));
        named.sort();
        saved::write_tensors(&folder.join(WEIGHTS), weights, &named)?;
        saved::write_json(&folder.join(CONFIG), &json)
    }
}
