//! Every knob of a training run, under the names of TRL and PEFT. A run file (`RUN.toml`) is this
//! struct; reading and writing one: see [`super::record::run_file`].

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::objective::dpo;
use super::run::best;
use crate::llm::Weights;

/// What a run optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Direct Preference Optimization (Rafailov et al. 2023).
    #[default]
    Dpo,

    /// Supervised fine-tuning on the completions.
    Sft,
}

/// How the learning rate moves over the steps, as transformers names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerType {
    #[default]
    Linear,
    Cosine,
    Constant,
    ConstantWithWarmup,
}

/// How a run keeps the weights of its base model, under the names of TRL's `dtype`. Whichever it
/// is, they do not learn, and everything is computed in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Widened: the fastest.
    #[default]
    Float32,

    /// Half of that.
    Bfloat16,

    /// As the file has them: a quantised model stays small (`QLoRA`).
    Auto,
}

/// Every kind of weights by its name in a run file, the largest first.
pub const DTYPES: [(&str, Dtype); 3] =
    [("float32", Dtype::Float32), ("bfloat16", Dtype::Bfloat16), ("auto", Dtype::Auto)];

impl Dtype {
    pub fn weights(self) -> Weights {
        match self {
            Self::Float32 => Weights::F32,
            Self::Bfloat16 => Weights::Bf16,
            Self::Auto => Weights::AsStored,
        }
    }
}

/// A training run. Absent keys take TRL's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of TRL's")]
pub struct TrainConfig {
    /// A transformers folder, a `.gguf` file, a Hub id that is in the cache, or `starter`.
    pub model: String,

    /// A PEFT folder to continue from. The reference policy is then the model with this adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<PathBuf>,

    /// How the base model's weights are kept.
    pub dtype: Dtype,
    pub objective: Objective,

    /// JSON Lines: preference pairs for DPO; pairs or prompt-completion rows for SFT.
    pub data: PathBuf,

    /// Draw the rows in a seeded random order, anew each epoch. Off: in the order of the file.
    pub shuffle: bool,

    /// Pairs (rows) in one forward pass.
    pub per_device_train_batch_size: usize,

    /// Forward passes whose gradients are averaged into one step.
    pub gradient_accumulation_steps: usize,

    /// Optimizer steps in all. Where given, it wins over `num_train_epochs`. A file may say -1, as
    /// TRL does, for none.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "steps_or_minus_one")]
    pub max_steps: Option<usize>,
    pub num_train_epochs: f64,
    pub learning_rate: f64,
    pub lr_scheduler_type: SchedulerType,

    /// Steps over which the learning rate climbs. Below 1: the share of all steps.
    #[serde(serialize_with = "whole_or_float")]
    pub warmup_steps: f64,
    pub weight_decay: f64,

    /// Gradients are scaled down so that their joint length is at most this. 0 is off.
    pub max_grad_norm: f64,

    /// β in the DPO paper: how strongly the policy is held to the reference.
    pub beta: f64,

    /// The DPO losses by TRL's names ([`dpo::LOSS_TYPES`]), summed.
    #[serde(deserialize_with = "one_or_many")]
    pub loss_type: Vec<String>,

    /// By how much each of them counts. Empty: 1 each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loss_weights: Vec<f64>,
    pub label_smoothing: f64,

    /// DPO trains without dropout, the adapter's too, as TRL does: policy and reference then agree
    /// where the adapter changes nothing.
    pub disable_dropout: bool,

    /// SFT learns from completions alone, not from their prompts. Rows that are one text are learned
    /// from as a whole whatever this says.
    pub completion_only_loss: bool,

    /// Prompt and answer together are cut to this many tokens (the start is kept).
    pub max_length: usize,
    pub seed: u64,

    /// Share of the prompts that is not trained on but measured with. 0 trains on everything.
    pub held_out_share: f64,

    /// Measure on the held-out pairs every so many steps. 0: only at the end.
    pub eval_steps: usize,

    /// Answer `sample_prompt` with the model as it is every so many steps. 0: never.
    pub sample_steps: usize,

    /// Empty: the first held-out prompt.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sample_prompt: String,

    /// End the run after so many looks at the held-out pairs in a row that were not the best.
    /// 0: never. As transformers' `EarlyStoppingCallback`.
    pub early_stopping_patience: usize,

    /// By how much a look must be better than the best one so far to count.
    pub early_stopping_threshold: f64,

    /// Which of [`best::METRICS`] tells the best look.
    pub metric_for_best_model: String,

    /// At the end, the run's adapter is that of its best look.
    pub load_best_model_at_end: bool,

    /// Write a checkpoint to resume from every so many steps. 0: only at the end and at Stop.
    pub save_steps: usize,
    pub lora: LoraConfig,
}

/// The adapter's shape, under PEFT's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank: how many directions each layer may change in.
    pub r: usize,

    /// The change is scaled by `lora_alpha / r` (by `lora_alpha / √r` with rsLoRA).
    pub lora_alpha: f64,
    pub lora_dropout: f64,

    /// Names of layers (`q_proj`), `all-linear`, or a regular expression for their whole paths.
    #[serde(deserialize_with = "one_or_many")]
    pub target_modules: Vec<String>,
    pub use_rslora: bool,
}

/// Steps are a whole number, and a share of them is not.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn whole_or_float<S: serde::Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 { to.serialize_i64(*value as i64) } else { to.serialize_f64(*value) }
}

fn steps_or_minus_one<'de, D: serde::Deserializer<'de>>(
    source: D,
) -> Result<Option<usize>, D::Error> {
    let steps = i64::deserialize(source)?;
    if steps == -1 {
        return Ok(None);
    }
    usize::try_from(steps).map(Some).map_err(|_negative| {
        serde::de::Error::custom("expected a number of steps, or -1 for as many as the epochs take")
    })
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(source)? {
        OneOrMany::One(name) => vec![name],
        OneOrMany::Many(names) => names,
    })
}

/// Something about a configuration that stands in the way of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The key as the run file spells it: `learning_rate`, `lora.r`.
    pub field: &'static str,

    /// What it must be: `must be between 1 and 256, and it is 0`.
    pub message: String,
}

impl TrainConfig {
    /// Settings that a small model learns something visible from within some tens of steps on a
    /// laptop. TRL's own defaults are for large models and thousands of steps.
    pub fn suggested(objective: Objective) -> Self {
        let linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
        Self {
            objective,
            per_device_train_batch_size: 4,
            max_steps: Some(60),
            learning_rate: match objective {
                // Ten times what TRL's documentation suggests for LoRA, which is meant for billions
                // of weights. Measured on SmolLM2-135M-Instruct and the 60 sample pairs (12 held
                // out): accuracy there 0.92 after 10 steps and 1.00 after 20, loss 0.39.
                Objective::Dpo => 1e-4,
                Objective::Sft => 2e-4,
            },
            warmup_steps: 3.0,
            held_out_share: 0.2,
            eval_steps: 10,
            sample_steps: 10,
            lora: LoraConfig {
                r: 16,
                lora_alpha: 32.0,
                target_modules: linears.map(str::to_owned).to_vec(),
                ..LoraConfig::default()
            },
            ..Self::default()
        }
    }

    /// What stands in the way of a run, in the order of the fields. Empty: it can start.
    pub fn problems(&self) -> Vec<ConfigProblem> {
        let mut found = Problems::default();
        if self.model.is_empty() {
            found.add("model", "choose a model first".to_owned());
        }
        if self.data.as_os_str().is_empty() {
            found.add("data", "choose the training data first".to_owned());
        }
        found.count("per_device_train_batch_size", self.per_device_train_batch_size, 1..=256);
        found.count("gradient_accumulation_steps", self.gradient_accumulation_steps, 1..=1024);
        match self.max_steps {
            Some(steps) => found.count("max_steps", steps, 1..=1_000_000),
            None => found.number("num_train_epochs", self.num_train_epochs, 0.001..=1000.0),
        }
        found.number("learning_rate", self.learning_rate, 1e-9..=1.0);
        found.number("warmup_steps", self.warmup_steps, 0.0..=1e6);
        found.number("weight_decay", self.weight_decay, 0.0..=1.0);
        found.number("max_grad_norm", self.max_grad_norm, 0.0..=1e6);
        if self.objective == Objective::Dpo {
            self.dpo_problems(&mut found);
        }
        found.count("max_length", self.max_length, 2..=1_000_000);
        found.number("held_out_share", self.held_out_share, 0.0..=0.9);
        found.number("early_stopping_threshold", self.early_stopping_threshold, 0.0..=1e6);
        let known = best::known(self.objective);
        if !best::is_known(&self.metric_for_best_model, known) {
            let (name, known) = (&self.metric_for_best_model, known.join(", "));
            found.add("metric_for_best_model", format!("`{name}` is not one of {known}"));
        }
        let looks = self.held_out_share > 0.0 && self.eval_steps > 0;
        if self.early_stopping_patience > 0 && !looks {
            let message = "needs eval_steps and held_out_share above 0: it counts looks at the \
                           held-out pairs";
            found.add("early_stopping_patience", message.to_owned());
        }
        if self.load_best_model_at_end && !looks {
            let message = "needs eval_steps and held_out_share above 0: the best is told by what \
                           is held out";
            found.add("load_best_model_at_end", message.to_owned());
        }
        found.count("lora.r", self.lora.r, 1..=1024);
        found.number("lora.lora_alpha", self.lora.lora_alpha, 0.001..=10_000.0);
        found.number("lora.lora_dropout", self.lora.lora_dropout, 0.0..=0.99);
        if self.lora.target_modules.is_empty() {
            found.add("lora.target_modules", "name at least one layer to adapt".to_owned());
        }
        found.0
    }

    /// Steps of the warm-up in a run of so many, as transformers' `get_warmup_steps` has it.
    pub fn warmup(&self, total_steps: usize) -> usize {
        let Self { warmup_steps, .. } = *self;
        if warmup_steps >= 1.0 {
            return warmup_steps as usize;
        }
        (warmup_steps * total_steps as f64).ceil() as usize
    }

    /// The losses with their weights.
    pub fn losses(&self) -> Vec<(&str, f64)> {
        let weights = self.loss_weights.iter().copied().chain(std::iter::repeat(1.0));
        self.loss_type.iter().map(String::as_str).zip(weights).collect()
    }

    fn dpo_problems(&self, found: &mut Problems) {
        found.number("beta", self.beta, 0.0001..=100.0);
        if self.loss_type.is_empty() {
            found.add("loss_type", "name at least one loss".to_owned());
        }
        for name in &self.loss_type {
            if !dpo::LOSS_TYPES.contains(&name.as_str()) {
                let known = dpo::LOSS_TYPES.join(", ");
                found.add("loss_type", format!("`{name}` is not one of {known}"));
            }
        }
        let (weights, losses) = (self.loss_weights.len(), self.loss_type.len());
        if weights != 0 && weights != losses {
            let message = format!("must be as many as loss_type has ({losses}), found {weights}");
            found.add("loss_weights", message);
        }
        for weight in &self.loss_weights {
            found.number("loss_weights", *weight, -1e6..=1e6);
        }
        found.number("label_smoothing", self.label_smoothing, 0.0..=0.5);
        let uses = |name: &str| self.loss_type.iter().any(|loss| loss == name);
        if uses("exo_pair") && self.label_smoothing == 0.0 {
            let message = "must be above 0 for `exo_pair`; its paper takes 0.001".to_owned();
            found.add("label_smoothing", message);
        }
        if uses("robust") && self.label_smoothing == 0.5 {
            found.add("label_smoothing", "must be below 0.5 for `robust`".to_owned());
        }
    }
}

#[derive(Default)]
struct Problems(Vec<ConfigProblem>);

impl Problems {
    fn add(&mut self, field: &'static str, message: String) {
        self.0.push(ConfigProblem { field, message });
    }

    fn count(&mut self, field: &'static str, value: usize, range: RangeInclusive<usize>) {
        if !range.contains(&value) {
            let (low, high) = range.into_inner();
            self.add(field, format!("must be between {low} and {high}, and it is {value}"));
        }
    }

    fn number(&mut self, field: &'static str, value: f64, range: RangeInclusive<f64>) {
        // A NaN is in no range.
        if !range.contains(&value) {
            let (low, high) = range.into_inner();
            self.add(field, format!("must be between {low} and {high}, and it is {value}"));
        }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            model: String::new(),
            adapter: None,
            dtype: Dtype::Float32,
            objective: Objective::Dpo,
            data: PathBuf::new(),
            shuffle: true,
            per_device_train_batch_size: 8,
            gradient_accumulation_steps: 1,
            max_steps: None,
            num_train_epochs: 3.0,
            learning_rate: 1e-6,
            lr_scheduler_type: SchedulerType::Linear,
            warmup_steps: 0.0,
            weight_decay: 0.0,
            max_grad_norm: 1.0,
            beta: 0.1,
            loss_type: vec!["sigmoid".to_owned()],
            loss_weights: Vec::new(),
            label_smoothing: 0.0,
            disable_dropout: true,
            completion_only_loss: true,
            max_length: 1024,
            seed: 42,
            held_out_share: 0.0,
            eval_steps: 0,
            sample_steps: 0,
            sample_prompt: String::new(),
            early_stopping_patience: 0,
            early_stopping_threshold: 0.0,
            metric_for_best_model: "eval_loss".to_owned(),
            load_best_model_at_end: false,
            save_steps: 10,
            lora: LoraConfig::default(),
        }
    }
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            r: 8,
            lora_alpha: 8.0,
            lora_dropout: 0.0,
            target_modules: vec!["q_proj".to_owned(), "v_proj".to_owned()],
            use_rslora: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(config: TrainConfig) -> TrainConfig {
        TrainConfig { model: "starter".to_owned(), data: PathBuf::from("pairs.jsonl"), ..config }
    }

    #[test]
    fn defaults_and_suggestions_can_start_once_model_and_data_are_chosen() {
        assert_eq!(ready(TrainConfig::default()).problems(), []);
        for objective in [Objective::Dpo, Objective::Sft] {
            let config = TrainConfig::suggested(objective);
            let fields: Vec<&str> = config.problems().iter().map(|found| found.field).collect();
            assert_eq!(fields, ["model", "data"]);
            assert_eq!(ready(config).problems(), []);
        }
    }

    #[test]
    fn a_warm_up_below_one_is_a_share_of_the_steps() {
        let warmup = |warmup_steps, total| {
            TrainConfig { warmup_steps, ..TrainConfig::default() }.warmup(total)
        };
        // transformers 5.23.0's TrainingArguments.get_warmup_steps
        assert_eq!(warmup(0.25, 10), 3);
        assert_eq!(warmup(0.999, 10), 10);
        assert_eq!((warmup(1.0, 10), warmup(3.7, 10), warmup(0.0, 10)), (1, 3, 0));
    }

    #[test]
    fn every_setting_out_of_range_is_named() {
        type Change = fn(&mut TrainConfig);
        let changes: [(&str, Change); 17] = [
            ("metric_for_best_model", |config| config.metric_for_best_model = "bleu".to_owned()),
            ("early_stopping_patience", |config| config.early_stopping_patience = 3),
            ("load_best_model_at_end", |config| config.load_best_model_at_end = true),
            ("per_device_train_batch_size", |config| config.per_device_train_batch_size = 0),
            ("gradient_accumulation_steps", |config| config.gradient_accumulation_steps = 0),
            ("max_steps", |config| config.max_steps = Some(0)),
            ("num_train_epochs", |config| config.num_train_epochs = 0.0),
            ("learning_rate", |config| config.learning_rate = f64::NAN),
            ("beta", |config| config.beta = 0.0),
            ("loss_type", |config| config.loss_type = vec!["simpo".to_owned()]),
            ("label_smoothing", |config| config.loss_type = vec!["exo_pair".to_owned()]),
            ("loss_weights", |config| config.loss_weights = vec![1.0, 0.5]),
            ("loss_weights", |config| config.loss_weights = vec![f64::INFINITY]),
            ("max_length", |config| config.max_length = 1),
            ("held_out_share", |config| config.held_out_share = 1.0),
            ("lora.r", |config| config.lora.r = 0),
            ("lora.lora_dropout", |config| config.lora.lora_dropout = 1.0),
        ];
        for (field, change) in changes {
            let mut config = ready(TrainConfig::default());
            change(&mut config);
            let fields: Vec<&str> = config.problems().iter().map(|found| found.field).collect();
            assert_eq!(fields, [field]);
        }
    }
}
