//! Every knob of a training run, under the names of TRL and PEFT. A run file (`RUN.toml`) is this
//! struct; reading and writing one: see [`super::run_file`].

use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::learning::{ClassWeights, Method, ProblemType};
use super::lora::{LoraConfig, one_or_many};
use super::metric::Metric;
use super::mix_source::MixSource;
use super::objective::{Head, Objective, Setting};
use super::policy::PolicyConfig;
use super::rewards::{Reward, Rule};
use super::scheduler::{SchedulerKwargs, SchedulerType};
use super::soft_prompt::SoftPromptConfig;
use crate::data::forms::mapping::Mapping;
use crate::llm::newborn::Newborn;
use crate::llm::{Own, Weights};

/// How far the policy is from its reference, as f-DPO (Wang et al. 2024) measures it, under TRL's
/// names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FDivergence {
    /// The DPO paper's.
    #[default]
    ReverseKl,
    ForwardKl,
    JsDivergence,

    /// With `f_alpha_divergence_coef`.
    AlphaDivergence,
}

/// Every divergence by its name in a run file.
pub const F_DIVERGENCES: [(&str, FDivergence); 4] = [
    ("reverse_kl", FDivergence::ReverseKl),
    ("forward_kl", FDivergence::ForwardKl),
    ("js_divergence", FDivergence::JsDivergence),
    ("alpha_divergence", FDivergence::AlphaDivergence),
];

/// The losses that are made of scores, which a divergence other than reverse KL can change. The
/// others have no such form, and TRL refuses them with one.
pub const DIVERGENCE_LOSSES: [&str; 8] =
    ["sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"];

/// How rows are packed, under TRL's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackingStrategy {
    /// Best fit decreasing: rows stay whole, and what is longer than `max_length` is cut.
    #[default]
    Bfd,

    /// The same, and what is longer is split over several rows.
    BfdSplit,

    /// Everything is joined and cut anew: rows see those before them.
    Wrapped,
}

/// Every way of packing by its name in a run file.
pub const PACKING_STRATEGIES: [(&str, PackingStrategy); 3] = [
    ("bfd", PackingStrategy::Bfd),
    ("bfd_split", PackingStrategy::BfdSplit),
    ("wrapped", PackingStrategy::Wrapped),
];

/// Which tokens of a row that is longer than `max_length` are kept, under TRL's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TruncationMode {
    #[default]
    KeepStart,

    /// Deprecated in TRL 1.16.
    KeepEnd,
}

impl TruncationMode {
    /// Which of `length` tokens are kept, where `max_length` are.
    pub fn places(self, length: usize, max_length: usize) -> Range<usize> {
        match self {
            Self::KeepStart => 0..length.min(max_length),
            Self::KeepEnd => length.saturating_sub(max_length)..length,
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Every way of cutting by its name in a run file.
pub const TRUNCATION_MODES: [(&str, TruncationMode); 2] =
    [("keep_start", TruncationMode::KeepStart), ("keep_end", TruncationMode::KeepEnd)];

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

    /// What `data` is called in a mix. Empty: as its file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_name: String,

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

    /// Settings of the schedule: `lr_scheduler_kwargs = { num_cycles = 3 }`.
    #[serde(skip_serializing_if = "SchedulerKwargs::is_empty")]
    pub lr_scheduler_kwargs: SchedulerKwargs,

    /// Steps over which the learning rate climbs. Below 1: the share of all steps.
    #[serde(serialize_with = "whole_or_float")]
    pub warmup_steps: f64,
    pub weight_decay: f64,

    /// β₁, β₂ and ε of AdamW.
    pub adam_beta1: f64,
    pub adam_beta2: f64,
    pub adam_epsilon: f64,

    /// Gradients are scaled down so that their joint length is at most this. 0 is off.
    pub max_grad_norm: f64,

    /// β in the DPO paper: how strongly the policy is held to the reference.
    pub beta: f64,

    /// The losses by TRL's names, of which each objective has its own
    /// ([`Objective::facts`]). DPO sums several; the others have one.
    #[serde(deserialize_with = "one_or_many")]
    pub loss_type: Vec<String>,

    /// By how much each of them counts. Empty: 1 each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loss_weights: Vec<f64>,
    pub label_smoothing: f64,
    pub f_divergence_type: FDivergence,

    /// α of the α-divergence. 1 is reverse KL.
    pub f_alpha_divergence_coef: f64,

    /// LD-DPO (Liu et al. 2024): tokens of a pair's longer answer beyond the length of the shorter one
    /// count so much, 0 to 1. `None`: as the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ld_alpha: Option<f64>,

    /// WPO (Zhou et al. 2024): a pair counts by how likely the policy itself would write its answers.
    pub use_weighting: bool,

    /// KTO: by how much a good and a bad answer count.
    pub desirable_weight: f64,
    pub undesirable_weight: f64,

    /// CPO: by how much the surprise at the chosen answers counts beside the loss of the pairs. `SimPO`
    /// is without it.
    pub cpo_alpha: f64,

    /// `SimPO`'s γ: by how much the chosen answer is to be better.
    pub simpo_gamma: f64,

    /// `AlphaPO`'s α: what becomes of a log-probability before the loss sees it. 0: nothing.
    pub alpha: f64,

    /// Reward models: by how much the squared sum of a pair's rewards counts, so that they stay around zero
    /// (Eisenstein et al. 2023).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub center_rewards_coefficient: Option<f64>,

    /// TRL's preference trainers train without dropout, the adapter's too, as TRL does: policy and reference then agree
    /// where the adapter changes nothing.
    pub disable_dropout: bool,

    /// SFT learns from completions alone, not from their prompts. Rows that are one text are learned
    /// from as a whole whatever this says.
    pub completion_only_loss: bool,

    /// SFT learns from what the assistant says in dialogues, which the chat template marks with
    /// `{% generation %}`: of a prompt and its completion, from what is both.
    #[serde(skip_serializing_if = "is_off")]
    pub assistant_only_loss: bool,

    /// What is cut off a row of SFT or DPO that is longer than `max_length`. Packed rows lose their end.
    #[serde(skip_serializing_if = "TruncationMode::is_usual")]
    pub truncation_mode: TruncationMode,

    /// Pretraining reads windows of `max_length` tokens, each this many after the one before. 0: one begins
    /// where the one before ends.
    #[serde(skip_serializing_if = "crate::files::is_zero")]
    pub stride: usize,

    /// The shape of a model that is made for this run, in place of `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newborn: Option<Newborn>,

    /// SFT puts several short rows into one of up to `max_length` tokens.
    pub packing: bool,
    pub packing_strategy: PackingStrategy,

    /// Which weights of the model learn.
    #[serde(skip_serializing_if = "Method::is_usual")]
    pub method: Method,

    /// What the labels of [`Objective::Classify`] are, under transformers' names. `None`: as the rows
    /// say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem_type: Option<ProblemType>,

    /// By how much each label counts in the loss.
    #[serde(skip_serializing_if = "ClassWeights::is_none")]
    pub class_weights: ClassWeights,

    /// Where several coders labelled a text: learn the share of each label. Off: the label that most
    /// of them gave.
    #[serde(skip_serializing_if = "is_off")]
    pub soft_labels: bool,

    /// Share of the texts that is opened once, after training.
    #[serde(skip_serializing_if = "is_nothing")]
    pub test_share: f64,

    /// Masked language modelling: the share of the tokens that is to be guessed.
    #[serde(skip_serializing_if = "is_usual_masking")]
    pub mlm_probability: f64,

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

    /// Measure the perplexity of neutral text before the first step and at every evaluation: what is
    /// forgotten. Not TRL's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub measure_forgetting: bool,

    /// End the run after so many evaluations in a row that were not the best. 0: never. As
    /// transformers' `EarlyStoppingCallback`.
    pub early_stopping_patience: usize,

    /// By how much an evaluation must be better than the best one so far to count.
    pub early_stopping_threshold: f64,

    /// Which of [`Objective::best_model_metrics`] tells the best checkpoint.
    pub metric_for_best_model: String,

    /// At the end, the run's adapter is that of its best checkpoint.
    pub load_best_model_at_end: bool,

    /// Write a checkpoint to resume from every so many steps. 0: only at the end and at Stop.
    pub save_steps: usize,

    /// GRPO and RLOO: how answers are sampled and learned from.
    #[serde(skip_serializing_if = "PolicyConfig::is_default")]
    pub policy: PolicyConfig,

    /// GRPO and RLOO: what answers are rewarded for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rewards: Vec<Reward>,

    /// Names that count for columns which have others in the file: `columns = { prompt = "question" }`.
    #[serde(skip_serializing_if = "Mapping::is_empty")]
    pub columns: Mapping,

    /// Further files with their shares of the rows, against forgetting.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mix: Vec<MixSource>,

    /// The virtual tokens of prompt tuning and of prefix tuning.
    #[serde(skip_serializing_if = "SoftPromptConfig::is_usual")]
    pub soft_prompt: SoftPromptConfig,
    pub lora: LoraConfig,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_off(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_nothing(value: &f64) -> bool {
    *value == 0.0
}

/// transformers' `DataCollatorForLanguageModeling`.
const USUAL_MASKING: f64 = 0.15;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_usual_masking(value: &f64) -> bool {
    *value == USUAL_MASKING
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

impl TrainConfig {
    /// How the base model's weights are kept. Where they learn, the run has its own copies in f32, and the
    /// base stays as it is in its file.
    pub fn weights(&self) -> Weights {
        match self.method.own() {
            Some(Own::All) => Weights::AsStored,
            Some(Own::Biases) | None => self.dtype.weights(),
        }
    }

    /// Tokens that stand before every text and are none of it.
    pub fn virtual_tokens(&self) -> usize {
        self.method.soft().map_or(0, |_| self.soft_prompt.num_virtual_tokens)
    }

    /// Whether the first token of a text is scored: with prompt tuning the last virtual token predicts it, and
    /// TRL's SFT adds that to the loss.
    pub fn scores_first_token(&self) -> bool {
        self.method == Method::PromptTuning && self.objective == Objective::Sft
    }

    /// Settings that a small model learns something visible from within some tens of steps on a
    /// laptop. TRL's own defaults are for large models and thousands of steps.
    pub fn suggested(objective: Objective) -> Self {
        if objective.reads_texts() {
            return Self::suggested_for_texts(objective);
        }
        if objective.samples() {
            return Self::suggested_for_rewards(objective);
        }
        if objective == Objective::Pretrain {
            return Self::suggested_for_pretraining();
        }
        let writes = objective.facts().head == Head::Tokens;
        let linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
        Self {
            objective,
            per_device_train_batch_size: 4,
            max_steps: Some(60),
            learning_rate: objective.facts().suggested_learning_rate,
            loss_type: objective.usual_loss(),
            warmup_steps: 3.0,
            held_out_share: 0.2,
            eval_steps: 10,
            sample_steps: if writes { 10 } else { 0 },
            lora: LoraConfig {
                r: 16,
                lora_alpha: 32.0,
                target_modules: linears.map(str::to_owned).to_vec(),
                ..LoraConfig::default()
            },
            ..Self::default()
        }
    }

    /// The same for runs that learn from rewards: a rule that pays for length, as something to begin with.
    fn suggested_for_rewards(objective: Objective) -> Self {
        Self {
            objective,
            per_device_train_batch_size: 16,
            max_steps: Some(30),
            learning_rate: objective.facts().suggested_learning_rate,
            loss_type: objective.usual_loss(),
            beta: 0.04,
            sample_steps: 5,
            save_steps: 5,
            metric_for_best_model: Metric::Reward.evaluated(),
            policy: PolicyConfig::suggested(),
            rewards: vec![Reward::of(Rule::kinds()[0].1.clone())],
            lora: LoraConfig {
                r: 16,
                lora_alpha: 32.0,
                target_modules: vec!["all-linear".to_owned()],
                ..LoraConfig::default()
            },
            ..Self::default()
        }
    }

    /// The same for a model that is born: it spells words after two minutes on two cores.
    fn suggested_for_pretraining() -> Self {
        let newborn = Newborn::default();
        Self {
            objective: Objective::Pretrain,
            method: Method::Full,
            per_device_train_batch_size: 16,
            max_steps: Some(600),
            learning_rate: Objective::Pretrain.facts().suggested_learning_rate,
            loss_type: Objective::Pretrain.usual_loss(),
            lr_scheduler_type: SchedulerType::Cosine,
            warmup_steps: 0.05,
            weight_decay: 0.1,
            adam_beta2: 0.95,
            held_out_share: 0.1,
            eval_steps: 50,
            sample_steps: 50,
            save_steps: 200,
            max_length: newborn.max_position_embeddings,
            newborn: Some(newborn),
            ..Self::default()
        }
    }

    /// The same for runs that learn from texts with labels.
    fn suggested_for_texts(objective: Objective) -> Self {
        let best = match objective {
            Objective::Classify => Metric::MacroF1,
            _ => Metric::Loss,
        };
        Self {
            objective,
            per_device_train_batch_size: 16,
            num_train_epochs: 6.0,
            learning_rate: objective.facts().suggested_learning_rate,
            loss_type: objective.usual_loss(),
            warmup_steps: 0.1,
            weight_decay: 0.01,
            held_out_share: 0.15,
            test_share: if objective == Objective::Mlm { 0.0 } else { 0.15 },
            eval_steps: 5,
            metric_for_best_model: best.evaluated(),
            load_best_model_at_end: true,
            max_length: 256,
            lora: LoraConfig {
                r: 16,
                lora_alpha: 32.0,
                target_modules: Vec::new(),
                ..LoraConfig::default()
            },
            ..Self::for_texts()
        }
    }

    /// transformers' defaults where they are others than TRL's: dropout as the model has it, and
    /// LoRA on the layers that PEFT takes for the model's family.
    fn for_texts() -> Self {
        let lora = LoraConfig { target_modules: Vec::new(), ..LoraConfig::default() };
        Self { disable_dropout: false, lora, ..Self::default() }
    }

    /// Steps of the warm-up in a run of so many, as transformers' `get_warmup_steps` has it.
    pub fn warmup(&self, total_steps: usize) -> usize {
        let Self { warmup_steps, .. } = *self;
        if warmup_steps >= 1.0 {
            return warmup_steps as usize;
        }
        (warmup_steps * total_steps as f64).ceil() as usize
    }

    /// By how much a pair's tokens beyond its shorter answer count. `None`: as the others.
    pub fn tail_weight(&self) -> Option<f64> {
        self.ld_alpha.filter(|_| self.objective.has(Setting::LdAlpha))
    }

    /// By how much CPO's surprise at the chosen answers counts. TRL's `alphapo` is `simpo` without it.
    pub fn cpo_nll_weight(&self) -> f64 {
        if self.loss_type.iter().any(|loss| loss == "alphapo") { 0.0 } else { self.cpo_alpha }
    }

    /// Whether the rows are drawn in a random order. TRL's KTO never does so: its neighbours in the file
    /// are compared with each other.
    pub fn shuffles(&self) -> bool {
        self.shuffle && self.objective.has(Setting::Shuffle)
    }

    /// How rows are packed. `None`: they are not.
    pub fn packs(&self) -> Option<PackingStrategy> {
        let packs = self.packing && self.objective.has(Setting::Packing);
        packs.then_some(self.packing_strategy)
    }

    /// What is kept of a row that is too long.
    pub fn truncates(&self) -> TruncationMode {
        let asked = self.objective.has(Setting::TruncationMode) && self.packs().is_none();
        if asked { self.truncation_mode } else { TruncationMode::default() }
    }

    /// Whether each token's loss counts by the token's probability.
    pub fn weighs_by_probability(&self) -> bool {
        self.objective.has(Setting::TokenLoss) && self.loss_type.iter().any(|loss| loss == "dft")
    }

    /// Whether of dialogues only what the assistant says is learned.
    pub fn learns_assistant(&self) -> bool {
        self.assistant_only_loss && self.objective.has(Setting::AssistantOnlyLoss)
    }

    /// Whether pairs are weighed by how likely the policy would write their answers.
    pub fn weighs_pairs(&self) -> bool {
        self.use_weighting && self.objective.has(Setting::UseWeighting)
    }

    /// The losses with their weights.
    pub fn losses(&self) -> Vec<(&str, f64)> {
        let weights = self.loss_weights.iter().copied().chain(std::iter::repeat(1.0));
        self.loss_type.iter().map(String::as_str).zip(weights).collect()
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            model: String::new(),
            adapter: None,
            dtype: Dtype::Float32,
            objective: Objective::default(),
            data: PathBuf::new(),
            data_name: String::new(),
            shuffle: true,
            per_device_train_batch_size: 8,
            gradient_accumulation_steps: 1,
            max_steps: None,
            num_train_epochs: 3.0,
            learning_rate: Objective::default().facts().learning_rate,
            lr_scheduler_type: SchedulerType::Linear,
            lr_scheduler_kwargs: SchedulerKwargs::default(),
            warmup_steps: 0.0,
            weight_decay: 0.0,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            max_grad_norm: 1.0,
            beta: 0.1,
            loss_type: Objective::default().usual_loss(),
            loss_weights: Vec::new(),
            label_smoothing: 0.0,
            f_divergence_type: FDivergence::default(),
            f_alpha_divergence_coef: 0.5,
            ld_alpha: None,
            use_weighting: false,
            desirable_weight: 1.0,
            undesirable_weight: 1.0,
            cpo_alpha: 1.0,
            simpo_gamma: 0.5,
            alpha: 0.0,
            center_rewards_coefficient: None,
            disable_dropout: true,
            completion_only_loss: true,
            assistant_only_loss: false,
            truncation_mode: TruncationMode::default(),
            stride: 0,
            newborn: None,
            packing: false,
            packing_strategy: PackingStrategy::Bfd,
            method: Method::default(),
            problem_type: None,
            class_weights: ClassWeights::default(),
            soft_labels: false,
            test_share: 0.0,
            mlm_probability: USUAL_MASKING,
            policy: PolicyConfig::default(),
            rewards: Vec::new(),
            max_length: 1024,
            seed: 42,
            held_out_share: 0.0,
            eval_steps: 0,
            sample_steps: 0,
            sample_prompt: String::new(),
            measure_forgetting: false,
            early_stopping_patience: 0,
            early_stopping_threshold: 0.0,
            metric_for_best_model: Metric::Loss.evaluated(),
            load_best_model_at_end: false,
            save_steps: 10,
            columns: Mapping::default(),
            mix: Vec::new(),
            soft_prompt: SoftPromptConfig::default(),
            lora: LoraConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
