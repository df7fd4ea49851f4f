//! `adapter_config.json` of PEFT: what it says of an adapter. How it is read, and what of it is refused: see
//! `peft_read`. The weights beside it: see [`crate::llm::adapter_files`].

use serde_json::{Map, Value, json};

use super::method::Method;
use super::modules::{Patterns, TargetModules, peft_name, whole_or_float};
use super::soft_config::SoftConfig;
use super::spec::{
    Bias, Init, LinearInfo, LoraSpec, is_path_or_end, is_pattern, last_parts, layer_of,
};
use crate::llm::card::ModelIdentity;
use crate::llm::config::{Config, Naming};

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

/// What we keep of `adapter_config.json`.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "PEFT's settings, under PEFT's names")]
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
    pub(super) init_lora_weights: Value,
    pub base_model_name_or_path: Option<String>,
    pub revision: Option<String>,

    /// Whether B has a bias: it counts as much as B does.
    pub lora_bias: bool,

    /// Parameters that are no layer's weight, by their paths or the ends of them: experts, routers.
    pub target_parameters: Vec<String>,

    /// What it is in place of LoRA.
    pub method: Option<Method>,

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
    pub(super) fn bare() -> Self {
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
            lora_bias: false,
            target_parameters: Vec::new(),
            method: None,
            soft: None,
            warnings: Vec::new(),
        }
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
        let mut fields: Map<String, Value> =
            fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        // Older versions do not know the key.
        if !self.target_parameters.is_empty() {
            fields.insert("target_parameters".to_owned(), json!(self.target_parameters));
        }
        Value::Object(fields)
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

    /// Why an adapter that is laid over a model as it was read does not learn.
    pub(crate) fn not_trained(&self) -> String {
        match self.method {
            Some(method) => format!("peft_type = {}", method.name()),
            None if self.lora_bias => "lora_bias = true".to_owned(),
            None => "it changes experts or routers (target_parameters)".to_owned(),
        }
    }

    /// Whether a parameter of this path is among `target_parameters`, by PEFT's rule.
    pub(crate) fn takes_parameter(&self, path: &str) -> bool {
        self.target_parameters.iter().any(|name| is_path_or_end(path, name))
    }

    /// What keeps PEFT from changing the module of this path: the key that leaves it out. PEFT's
    /// `check_target_module_exists`.
    pub(crate) fn left_out_by(&self, module: &str) -> Option<&'static str> {
        if self.takes_parameter(&format!("{module}.weight")) {
            return None;
        }
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

fn none_or(names: &[String]) -> Value {
    if names.is_empty() { Value::Null } else { json!(names) }
}

#[cfg(test)]
#[path = "peft_config_tests.rs"]
mod tests;
