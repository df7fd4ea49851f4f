//! Reads `adapter_config.json` of PEFT: what is taken, and what is refused by its name.

use std::path::Path;

use serde_json::Value;

use super::method::Method;
use super::modules::{Patterns, TargetModules, is_off};
use super::peft_config::{PeftConfig, Start, TaskType, is_label_head};
use super::soft_config;
use super::soft_config::SoftConfig;
use super::spec::{BIASES, Bias};
use crate::llm::error::Error;

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

/// The last parts of a model's embedding and head.
const TABLES: [&str; 3] = ["embed_tokens", "wte", "lm_head"];

/// Settings that change what an adapter computes and are refused where they are on, and why.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("layer_replication", "layers that stand several times are not computed"),
    ("use_qalora", "QA-LoRA is not computed"),
    ("use_bdlora", "BD-LoRA is not computed"),
    ("alora_invocation_tokens", "activated LoRA is not computed"),
    ("arrow_config", "Arrow's routing is not computed"),
    ("kasa_config", "KaSA is not computed"),
    ("monteclora_config", "MonteCLoRA is not computed"),
    ("velora_config", "VeLoRA is not computed"),
    ("megatron_config", "Megatron's layers are not computed"),
];

impl PeftConfig {
    /// `path` is for error messages.
    pub fn from_json(json: &Value, path: &Path) -> Result<Self, Error> {
        let refuse_because = |key: &str, why: &str| {
            let found = json.get(key).cloned().unwrap_or_default();
            Error::adapter(path, format!("{key} = {found}: {why}"))
        };
        let present = |key: &str| json.get(key).filter(|value| !value.is_null());
        let peft_type = present("peft_type").and_then(Value::as_str).unwrap_or_default();
        if let Some(kind) = soft_config::kind_of(peft_type) {
            let (soft, warnings) = SoftConfig::from_json(kind, json, path)?;
            return Ok(Self::of_soft(soft, warnings));
        }
        let method = Method::of(peft_type);
        if method.is_none() && peft_type != "LORA" {
            let why = "LORA, IA3, LOHA, LOKR, VERA, PROMPT_TUNING, P_TUNING and PREFIX_TUNING are read; merge \
                       it in PEFT (merge_and_unload) and open the merged folder";
            return Err(refuse_because("peft_type", why));
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
        for (key, value) in names.filter(|(key, _)| !is_known(key, method)) {
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
        let lora_bias = flag("lora_bias")?;
        if lora_bias && flag("use_dora")? {
            let why = "it does not go with use_dora, in PEFT neither";
            return Err(refuse_because("lora_bias", why));
        }
        let rank = number("r", 8.0)?;
        if rank < 1.0 || rank.fract() != 0.0 {
            return Err(refuse_because("r", "a whole number of at least 1 was expected"));
        }
        let (start, warning) = start(present("init_lora_weights"))
            .map_err(|why| refuse_because("init_lora_weights", why))?;
        warnings.extend(warning);
        Ok(Self {
            r: rank as usize,
            lora_alpha: number(method.map_or("lora_alpha", Method::alpha_key), 8.0)?,
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
            lora_bias,
            target_parameters: match modules("target_parameters")? {
                None => Vec::new(),
                Some(names) => names.names(),
            },
            method,
            soft: None,
            warnings,
        })
    }
}

/// Whether a key of the file is one that PEFT of today writes for such an adapter.
fn is_known(key: &str, method: Option<Method>) -> bool {
    KNOWN.contains(&key) || method.is_some_and(|method| method.keys().contains(&key))
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
