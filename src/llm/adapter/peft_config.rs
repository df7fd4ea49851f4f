//! `adapter_config.json` of PEFT: what it says of a LoRA adapter, and what of it is refused by its
//! name. The weights beside it: see [`crate::llm::adapter_files`].

use std::path::Path;

use serde_json::{Map, Value, json};

use super::modules::{Patterns, TargetModules, is_off, peft_name, whole_or_float};
use super::soft_config;
use super::soft_config::SoftConfig;
use super::spec::{
    BIASES, Bias, Init, LinearInfo, LoraSpec, is_path_or_end, is_pattern, last_parts, layer_of,
};
use crate::llm::card::ModelIdentity;
use crate::llm::config::{Config, Naming};
use crate::llm::error::Error;

/// What was done to a layer's weight when the adapter was begun, and is done again whenever it is
/// read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing: A and B are all there is, whatever they were drawn from.
    Plain,

    /// The largest singular values were taken out.
    Pissa,

    /// The directions of the first columns were taken out.
    Olora,
}

/// The keys of `adapter_config.json` that are read, refused by themselves, or say only how the
/// adapter came about.
const KNOWN: &[&str] = &[
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
    "kasa_config",
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
    "monteclora_config",
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
    "velora_config",
    "_custom_modules",
];

/// Modules that PEFT saves whole beside every adapter of task `SEQ_CLS`, whichever of them the model has.
const LABEL_HEADS: [&str; 2] = ["classifier", "score"];

/// Whether a name among `modules_to_save` is that of a head that gives labels.
pub(crate) fn is_label_head(name: &str) -> bool {
    LABEL_HEADS.contains(&name.rsplit('.').next().unwrap_or_default())
}

/// What a model with the adapter is for: PEFT's `task_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskType {
    /// It continues a text.
    #[default]
    CausalLm,

    /// It gives labels, or a reward, by a score head.
    SequenceClassification,
}

/// The last parts of a model's embedding and head.
const TABLES: [&str; 3] = ["embed_tokens", "wte", "lm_head"];

/// Settings that change what an adapter computes and are refused where they are on, and why.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("lora_bias", "a bias of B is not computed"),
    ("layer_replication", "layers that stand several times are not computed"),
    ("target_parameters", "LoRA on bare parameters (mixtures of experts) is not computed"),
    ("use_qalora", "QA-LoRA is not computed"),
    ("use_bdlora", "BD-LoRA is not computed"),
    ("alora_invocation_tokens", "activated LoRA is not computed"),
    ("arrow_config", "Arrow's routing is not computed"),
    ("kasa_config", "KaSA is not computed"),
    ("monteclora_config", "MonteCLoRA is not computed"),
    ("velora_config", "VeLoRA is not computed"),
    ("megatron_config", "Megatron's layers are not computed"),
];

/// What we keep of `adapter_config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct PeftConfig {
    pub r: usize,
    pub lora_alpha: f64,
    pub lora_dropout: f64,
    pub use_rslora: bool,
    pub use_dora: bool,
    pub fan_in_fan_out: bool,
    pub target_modules: TargetModules,
    pub exclude_modules: Option<TargetModules>,

    pub task: TaskType,

    /// Modules that are saved whole beside the adapter: the embedding, the head.
    pub modules_to_save: Vec<String>,

    /// Tokens whose vectors were trained, by the name of the table that they are of. `None`: the
    /// embedding.
    pub token_indices: Vec<(Option<String>, Vec<u32>)>,

    /// `None`: in every layer.
    pub layers_to_transform: Option<Vec<usize>>,
    pub layers_pattern: Vec<String>,
    pub rank_pattern: Patterns,
    pub alpha_pattern: Patterns,
    pub start: Start,
    pub bias: Bias,

    /// `init_lora_weights` as it stands in the file.
    init_lora_weights: Value,
    pub base_model_name_or_path: Option<String>,
    pub revision: Option<String>,

    /// Of a soft prompt, which has nothing of the above.
    pub soft: Option<SoftConfig>,

    /// What a person should know of how the file was read, a sentence each.
    pub warnings: Vec<String>,
}

impl PeftConfig {
    /// Of a new adapter. `decoder`: what PEFT puts before the decoder's path where the model has other
    /// parts too; their layers must not be meant.
    pub(crate) fn from_spec(
        spec: &LoraSpec,
        layers: &[LinearInfo],
        naming: Naming,
        decoder: Option<&str>,
    ) -> Self {
        let meant = || spec.targets(layers).into_iter().map(|layer| peft_name(&layer.name, None));
        // Where a pattern has to say the path already, PEFT takes no numbers of layers.
        let by_number = spec.layers_to_transform.is_some();
        // `all-linear` is written out, as PEFT does: readers need not know what it meant.
        let is_all = spec.target_modules.iter().any(|target| target == "all-linear");
        let has_pattern = spec.target_modules.iter().any(|target| is_pattern(target))
            || (decoder.is_some() && by_number);
        let mut names: Vec<String> = if is_all && !(decoder.is_some() && by_number) {
            last_parts(layers).split(", ").map(ToOwned::to_owned).collect()
        } else if has_pattern {
            // In a list PEFT takes a pattern for a name: the layers that were meant, by their paths.
            meant().collect()
        } else {
            spec.target_modules.clone()
        };
        names.sort();
        names.dedup();
        let target_modules = match decoder {
            None => TargetModules::Names(names),
            // By name alone PEFT would change the tower too.
            Some(_) if has_pattern && (!is_all || by_number) => {
                TargetModules::Names(names.iter().map(|name| peft_name(name, decoder)).collect())
            }
            Some(decoder) => {
                let ends = names
                    .iter()
                    .map(|name| name.strip_prefix("model.").unwrap_or(name).replace('.', r"\."));
                let ends = ends.collect::<Vec<_>>().join("|");
                let decoder = decoder.replace('.', r"\.");
                TargetModules::Pattern(format!(r"{decoder}(?:.*\.)?(?:{ends})"))
            }
        };
        Self {
            r: spec.r,
            lora_alpha: spec.lora_alpha,
            lora_dropout: spec.lora_dropout,
            use_rslora: spec.use_rslora,
            use_dora: spec.use_dora,
            fan_in_fan_out: naming.is_transposed(),
            target_modules,
            modules_to_save: spec.modules_to_save.clone(),
            layers_to_transform: spec.layers_to_transform.clone().filter(|_| !has_pattern),
            layers_pattern: spec.layers_pattern.clone(),
            rank_pattern: Patterns::of_keys(&spec.rank_pattern).unwrap_or_default(),
            alpha_pattern: Patterns::of_keys(&spec.alpha_pattern).unwrap_or_default(),
            bias: spec.bias,
            start: match spec.init {
                Init::Usual | Init::Gaussian => Start::Plain,
                Init::Pissa => Start::Pissa,
                Init::Olora => Start::Olora,
            },
            init_lora_weights: match spec.init {
                Init::Usual => Value::Bool(true),
                Init::Gaussian => Value::from("gaussian"),
                Init::Pissa => Value::from("pissa"),
                Init::Olora => Value::from("olora"),
            },
            ..Self::bare()
        }
    }

    /// Of an adapter that came without one: each module's path and rank, and one alpha (0: B is scaled
    /// already).
    pub(crate) fn of_pairs(ranks: Vec<(&str, usize)>, alpha: f64, config: &Config) -> Self {
        let decoder = config.peft_decoder();
        let ranks: Vec<(String, usize)> =
            ranks.into_iter().map(|(module, rank)| (peft_name(module, decoder), rank)).collect();
        let r = ranks.iter().map(|(_, rank)| *rank).max().unwrap_or(1);
        let others = ranks.iter().filter(|(_, rank)| *rank != r);
        let others: Vec<(&str, f64)> =
            others.map(|(module, rank)| (module.as_str(), *rank as f64)).collect();
        let alpha_pattern = if alpha == 0.0 { others.clone() } else { Vec::new() };
        let names = ranks.iter().map(|(module, _)| module.clone()).collect();
        Self {
            r,
            lora_alpha: if alpha == 0.0 { r as f64 } else { alpha },
            fan_in_fan_out: config.naming.is_transposed(),
            target_modules: TargetModules::Names(names),
            rank_pattern: Patterns::of_modules(others.into_iter()),
            alpha_pattern: Patterns::of_modules(alpha_pattern.into_iter()),
            ..Self::bare()
        }
    }

    /// Of a soft prompt.
    pub(crate) fn of_soft(soft: SoftConfig, warnings: Vec<String>) -> Self {
        Self { soft: Some(soft), warnings, ..Self::bare() }
    }

    /// Of an adapter that has nothing yet.
    fn bare() -> Self {
        Self {
            r: 0,
            lora_alpha: 0.0,
            lora_dropout: 0.0,
            use_rslora: false,
            use_dora: false,
            fan_in_fan_out: false,
            target_modules: TargetModules::Unsaid,
            exclude_modules: None,
            task: TaskType::CausalLm,
            modules_to_save: Vec::new(),
            token_indices: Vec::new(),
            layers_to_transform: None,
            layers_pattern: Vec::new(),
            rank_pattern: Patterns::default(),
            alpha_pattern: Patterns::default(),
            start: Start::Plain,
            bias: Bias::None,
            init_lora_weights: Value::Bool(true),
            base_model_name_or_path: None,
            revision: None,
            soft: None,
            warnings: Vec::new(),
        }
    }

    /// `path` is for error messages.
    pub fn from_json(json: &Value, path: &Path) -> Result<Self, Error> {
        let refuse_because = |key: &str, why: &str| {
            let found = json.get(key).cloned().unwrap_or_default();
            Error::adapter(path, format!("{key} = {found}: {why}"))
        };
        let present = |key: &str| json.get(key).filter(|value| !value.is_null());
        match present("peft_type").and_then(Value::as_str) {
            Some("LORA") => {}
            peft_type => {
                let Some(kind) = peft_type.and_then(soft_config::kind_of) else {
                    let why = "LORA, PROMPT_TUNING, P_TUNING and PREFIX_TUNING are supported";
                    return Err(refuse_because("peft_type", why));
                };
                let (soft, warnings) = SoftConfig::from_json(kind, json, path)?;
                return Ok(Self::of_soft(soft, warnings));
            }
        }
        let bias = match present("bias") {
            None => Bias::None,
            Some(value) => {
                let known = BIASES.iter().find(|(name, _)| value.as_str() == Some(name));
                let known = known.map(|(_, bias)| *bias);
                known
                    .ok_or_else(|| refuse_because("bias", "none, lora_only or all was expected"))?
            }
        };
        for (key, why) in UNSUPPORTED {
            if json.get(*key).is_some_and(|value| !is_off(value)) {
                return Err(refuse_because(key, why));
            }
        }
        // What a later PEFT may have added: whether it matters cannot be known.
        let names = json.as_object().into_iter().flatten();
        let mut warnings = Vec::new();
        for (key, value) in names.filter(|(key, _)| !KNOWN.contains(&key.as_str())) {
            match value {
                Value::String(text) => warnings.push(format!(
                    "adapter_config.json has {key} = \"{text}\", which is not known here: whether \
                     the adapter needs it cannot be told"
                )),
                value if is_off(value) => {}
                _ => {
                    let why = "this setting is not known here, and whether the adapter can be read without it \
                               cannot be told; where it can, take it out of the file";
                    return Err(refuse_because(key, why));
                }
            }
        }
        let number = |key: &str, default: f64| match present(key) {
            None => Ok(default),
            Some(value) => {
                value.as_f64().ok_or_else(|| refuse_because(key, "a number was expected"))
            }
        };
        let flag = |key: &str| match present(key) {
            None => Ok(false),
            Some(value) => {
                value.as_bool().ok_or_else(|| refuse_because(key, "true or false was expected"))
            }
        };
        let modules = |key: &str| match present(key) {
            None => Ok(None),
            Some(value) => {
                let modules = TargetModules::read(value);
                modules.map(Some).ok_or_else(|| {
                    refuse_because(key, "names of modules or a regular expression were expected")
                })
            }
        };
        let pattern = |key: &str| {
            Patterns::read(present(key)).ok_or_else(|| {
                refuse_because(key, "a number for each regular expression was expected")
            })
        };
        let layers = match present("layers_to_transform") {
            None => None,
            Some(value) => {
                let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                let layers = list.iter().map(|layer| layer.as_u64().map(|layer| layer as usize));
                let layers = layers.collect::<Option<Vec<_>>>();
                let expected = "the numbers of layers were expected";
                let layers =
                    layers.ok_or_else(|| refuse_because("layers_to_transform", expected))?;
                Some(layers).filter(|layers| !layers.is_empty())
            }
        };
        let exclude_modules = modules("exclude_modules")?.filter(|modules| match modules {
            TargetModules::Names(names) => !names.is_empty(),
            TargetModules::Pattern(pattern) => !pattern.is_empty(),
            TargetModules::Unsaid => false,
        });
        let modules_to_save =
            modules("modules_to_save")?.map(|modules| modules.names()).unwrap_or_default();
        let last = |name: &String| name.rsplit('.').next().unwrap_or_default().to_owned();
        let task = match present("task_type").and_then(Value::as_str) {
            Some("SEQ_CLS") => TaskType::SequenceClassification,
            _ => TaskType::CausalLm,
        };
        let gives_labels = task == TaskType::SequenceClassification;
        let is_table = |name: &String| {
            TABLES.contains(&last(name).as_str()) || (gives_labels && is_label_head(name))
        };
        if !modules_to_save.iter().all(is_table) {
            let why = "of the layers that may be saved whole beside an adapter, the embedding and the \
                       head are read; merge it in PEFT (merge_and_unload) and open the merged folder";
            return Err(refuse_because("modules_to_save", why));
        }
        let token_indices = match present("trainable_token_indices") {
            None => Vec::new(),
            Some(value) => token_indices(value).ok_or_else(|| {
                let why = "the ids of tokens were expected, or a list of them for each table";
                refuse_because("trainable_token_indices", why)
            })?,
        };
        let text = |key: &str| present(key).and_then(Value::as_str).map(ToOwned::to_owned);
        let rank = number("r", 8.0)?;
        if rank < 1.0 || rank.fract() != 0.0 {
            return Err(refuse_because("r", "a whole number of at least 1 was expected"));
        }
        let (start, warning) = start(present("init_lora_weights"))
            .map_err(|why| refuse_because("init_lora_weights", why))?;
        warnings.extend(warning);
        Ok(Self {
            r: rank as usize,
            lora_alpha: number("lora_alpha", 8.0)?,
            lora_dropout: number("lora_dropout", 0.0)?,
            use_rslora: flag("use_rslora")?,
            use_dora: flag("use_dora")?,
            fan_in_fan_out: flag("fan_in_fan_out")?,
            target_modules: modules("target_modules")?.unwrap_or(TargetModules::Unsaid),
            exclude_modules,
            task,
            modules_to_save,
            token_indices,
            layers_to_transform: layers,
            layers_pattern: match modules("layers_pattern")? {
                None => Vec::new(),
                Some(patterns) => patterns.names(),
            },
            rank_pattern: pattern("rank_pattern")?,
            alpha_pattern: pattern("alpha_pattern")?,
            start,
            bias,
            init_lora_weights: present("init_lora_weights").cloned().unwrap_or(Value::Bool(true)),
            base_model_name_or_path: text("base_model_name_or_path"),
            revision: text("revision"),
            soft: None,
            warnings,
        })
    }

    pub(crate) fn to_json(&self, base: &ModelIdentity) -> Value {
        if let Some(soft) = &self.soft {
            return soft.to_json(base);
        }
        let name = base.repo.clone().or_else(|| Some(base.name.clone()));
        let excluded = self.exclude_modules.as_ref();
        let fields = [
            ("alpha_pattern", self.alpha_pattern.to_json()),
            ("auto_mapping", Value::Null),
            ("base_model_name_or_path", json!(name)),
            ("bias", json!(self.bias)),
            ("exclude_modules", excluded.map_or(Value::Null, TargetModules::to_json)),
            ("fan_in_fan_out", json!(self.fan_in_fan_out)),
            ("inference_mode", json!(true)),
            ("init_lora_weights", self.init_lora_weights.clone()),
            ("layers_pattern", none_or(&self.layers_pattern)),
            ("layers_to_transform", json!(self.layers_to_transform)),
            ("lora_alpha", whole_or_float(self.lora_alpha)),
            ("lora_dropout", json!(self.lora_dropout)),
            ("modules_to_save", none_or(&self.modules_to_save)),
            ("peft_type", json!("LORA")),
            ("r", json!(self.r)),
            ("rank_pattern", self.rank_pattern.to_json()),
            ("revision", json!(base.commit)),
            ("target_modules", self.target_modules.to_json()),
            (
                "task_type",
                json!(match self.task {
                    TaskType::CausalLm => "CAUSAL_LM",
                    TaskType::SequenceClassification => "SEQ_CLS",
                }),
            ),
            ("use_dora", json!(self.use_dora)),
            ("use_rslora", json!(self.use_rslora)),
        ];
        Value::Object(
            fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Map<_, _>>(),
        )
    }

    pub(crate) fn gives_labels(&self) -> bool {
        self.task == TaskType::SequenceClassification
    }

    /// As PEFT has it of a model whose score head is trained.
    pub(crate) fn with_score_head(&mut self) {
        self.task = TaskType::SequenceClassification;
        for name in LABEL_HEADS {
            if !self.modules_to_save.iter().any(|known| known == name) {
                self.modules_to_save.push(name.to_owned());
            }
        }
    }

    /// Rank and alpha of a module, by PEFT's path: the pattern's where one fits, else the adapter's.
    pub(crate) fn rank_and_alpha(&self, module: &str) -> (usize, f64) {
        let rank = self.rank_pattern.of(module).map(|rank| rank as usize);
        (rank.unwrap_or(self.r), self.alpha_pattern.of(module).unwrap_or(self.lora_alpha))
    }

    /// What keeps PEFT from changing the module of this path: the key that leaves it out. PEFT's
    /// `check_target_module_exists`.
    pub(crate) fn left_out_by(&self, module: &str) -> Option<&'static str> {
        if self.exclude_modules.as_ref().is_some_and(|excluded| excluded.is(module)) {
            return Some("exclude_modules");
        }
        if self.modules_to_save.iter().any(|name| is_path_or_end(module, name)) {
            return Some("modules_to_save");
        }
        match &self.target_modules {
            TargetModules::Pattern(pattern) if pattern.to_lowercase() == "all-linear" => {
                (module == "lm_head").then_some("target_modules")
            }
            targets if !targets.is(module) => Some("target_modules"),
            TargetModules::Unsaid | TargetModules::Pattern(_) => None,
            // Where the path itself is in the list, its layer does not count.
            TargetModules::Names(names) if names.iter().any(|name| name == module) => None,
            TargetModules::Names(_) => {
                let layers = self.layers_to_transform.as_ref()?;
                let layer = layer_of(module, &self.layers_pattern);
                let is_meant = layer.is_some_and(|layer| layers.contains(&layer));
                (!is_meant).then_some("layers_to_transform")
            }
        }
    }
}

/// `[5, 6]`, of the embedding, or `{"embed_tokens": [5, 6]}`.
fn token_indices(value: &Value) -> Option<Vec<(Option<String>, Vec<u32>)>> {
    let ids = |value: &Value| -> Option<Vec<u32>> {
        let ids = value.as_array()?.iter().map(|id| u32::try_from(id.as_u64()?).ok());
        ids.collect()
    };
    match value {
        Value::Object(tables) => {
            tables.iter().map(|(table, list)| Some((Some(table.clone()), ids(list)?))).collect()
        }
        list => Some(vec![(None, ids(list)?)]),
    }
}

fn none_or(names: &[String]) -> Value {
    if names.is_empty() { Value::Null } else { json!(names) }
}

/// What `init_lora_weights` did to the layers' weights, with what to know of it, or why it cannot be
/// done again.
fn start(value: Option<&Value>) -> Result<(Start, Option<String>), &'static str> {
    let name = match value {
        None | Some(Value::Bool(_)) => return Ok((Start::Plain, None)),
        Some(value) => value.as_str().unwrap_or_default().to_lowercase(),
    };
    match name.as_str() {
        "gaussian" | "eva" | "orthogonal" | "mica" => Ok((Start::Plain, None)),
        "lora_ga" => {
            let warning = "adapter_config.json has init_lora_weights = \"lora_ga\": as in PEFT, the adapter is \
                 laid over the model as it is, without what its start took out of it";
            Ok((Start::Plain, Some(warning.to_owned())))
        }
        "pissa" => Ok((Start::Pissa, None)),
        "olora" => Ok((Start::Olora, None)),
        "loftq" => {
            Err("LoftQ laid the adapter over a quantised model of its own, which PEFT makes \
                        with bitsandbytes on a GPU; merge it there, or convert the adapter")
        }
        "corda" => Err("CorDA took a part out of the model that follows from data, not from the \
                        model: PEFT cannot read it either; save it with \
                        path_initial_model_for_weight_conversion"),
        name if name.starts_with("pissa_niter_") => Err(
            "what this start took out of the model was found with random numbers, and PEFT finds \
             another each time it reads the adapter; save it with \
             path_initial_model_for_weight_conversion",
        ),
        _ => {
            Err("known are true, false, gaussian, eva, orthogonal, mica, pissa, olora and lora_ga")
        }
    }
}

#[cfg(test)]
#[path = "peft_config_tests.rs"]
mod tests;
