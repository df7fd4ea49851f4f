//! The settings of GRPO and RLOO, under TRL's names: the table `[policy]` of a run file.

use serde::{Deserialize, Serialize};

use crate::llm::generate::sampling::SamplingParams;

/// How answers are sampled, and how they are learned from. Absent keys take TRL's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// Answers to each prompt.
    pub num_generations: usize,

    /// The most tokens of an answer.
    pub max_completion_length: usize,
    pub temperature: f64,
    pub top_p: f64,

    /// 0: off.
    pub top_k: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    pub repetition_penalty: f64,

    /// Micro-batches that are sampled together. `None`: as many as are accumulated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps_per_generation: Option<usize>,

    /// How often the answers of a round are learned from.
    pub num_iterations: usize,
    pub epsilon: f64,

    /// `None`: as `epsilon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon_high: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<f64>,

    /// `token` or `sequence`.
    pub importance_sampling_level: String,

    /// `group`, `batch` or `none`.
    pub scale_rewards: String,

    /// `sum_then_normalize` or `normalize_then_sum`.
    pub multi_objective_aggregation: String,
    pub mask_truncated_completions: bool,
    pub top_entropy_quantile: f64,
    pub entropy_coef: f64,
    pub use_bias_correction_kl: bool,
    pub sapo_temperature_neg: f64,
    pub sapo_temperature_pos: f64,

    /// RLOO: the advantages of a round are normalised.
    pub normalize_advantages: bool,

    /// RLOO: rewards are held within these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward_clip_range: Option<[f64; 2]>,

    /// The run is stopped where the KL of a step, in nats a token, is above this. Not TRL's.
    pub max_kl: f64,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            num_generations: 8,
            max_completion_length: 512,
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: None,
            repetition_penalty: 1.0,
            steps_per_generation: None,
            num_iterations: 1,
            epsilon: 0.2,
            epsilon_high: None,
            delta: None,
            importance_sampling_level: LEVELS[0].to_owned(),
            scale_rewards: SCALES[0].to_owned(),
            multi_objective_aggregation: AGGREGATIONS[0].to_owned(),
            mask_truncated_completions: false,
            top_entropy_quantile: 1.0,
            entropy_coef: 0.0,
            use_bias_correction_kl: true,
            sapo_temperature_neg: 1.05,
            sapo_temperature_pos: 1.0,
            normalize_advantages: false,
            reward_clip_range: None,
            max_kl: 20.0,
        }
    }
}

/// Every value by its name in a run file, TRL's default first.
pub const LEVELS: [&str; 2] = ["token", "sequence"];
pub const SCALES: [&str; 3] = ["group", "batch", "none"];
pub const AGGREGATIONS: [&str; 2] = ["sum_then_normalize", "normalize_then_sum"];

impl PolicyConfig {
    /// Whether every setting is as it is by itself.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Settings that a small model learns something visible with on a laptop.
    pub fn suggested() -> Self {
        Self { max_completion_length: 64, ..Self::default() }
    }

    pub fn sampling(&self) -> SamplingParams {
        SamplingParams {
            greedy: false,
            temperature: self.temperature as f32,
            top_k: self.top_k,
            top_p: self.top_p as f32,
            min_p: self.min_p.unwrap_or(0.0) as f32,
            typical_p: 1.0,
            repetition_penalty: self.repetition_penalty as f32,
            ..SamplingParams::default()
        }
    }

    /// What is wrong, by its key. `micro_batch`, `accumulation`: as the run has them.
    pub(super) fn problems(
        &self,
        (micro_batch, accumulation): (usize, usize),
    ) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut number = |field, value: f64, low: f64, high: f64| {
            if !(low..=high).contains(&value) {
                found.push((field, format!("must be between {low} and {high}, and it is {value}")));
            }
        };
        number("policy.num_generations", self.num_generations as f64, 2.0, 256.0);
        number("policy.max_completion_length", self.max_completion_length as f64, 1.0, 100_000.0);
        number("policy.temperature", self.temperature, 0.01, 100.0);
        number("policy.top_p", self.top_p, 0.01, 1.0);
        number("policy.min_p", self.min_p.unwrap_or(0.0), 0.0, 1.0);
        number("policy.repetition_penalty", self.repetition_penalty, 0.01, 100.0);
        number("policy.num_iterations", self.num_iterations as f64, 1.0, 100.0);
        number("policy.epsilon", self.epsilon, 0.0, 1000.0);
        number("policy.epsilon_high", self.epsilon_high.unwrap_or(self.epsilon), 0.0, 1000.0);
        number("policy.top_entropy_quantile", self.top_entropy_quantile, 0.0, 1.0);
        number("policy.entropy_coef", self.entropy_coef, -1000.0, 1000.0);
        number("policy.sapo_temperature_neg", self.sapo_temperature_neg, 0.001, 1000.0);
        number("policy.sapo_temperature_pos", self.sapo_temperature_pos, 0.001, 1000.0);
        number("policy.max_kl", self.max_kl, 0.001, 1e9);
        let high = self.epsilon_high.unwrap_or(self.epsilon);
        if self.delta.is_some_and(|delta| delta.is_nan() || delta <= 1.0 + high) {
            let message = format!("must be more than 1 + epsilon_high, which is {}", 1.0 + high);
            found.push(("policy.delta", message));
        }
        if let Some([low, high]) = self.reward_clip_range
            && (low >= high || low.is_nan() || high.is_nan())
        {
            let message =
                format!("must be the lower and the higher number, and it is [{low}, {high}]");
            found.push(("policy.reward_clip_range", message));
        }
        let names: [(&'static str, &str, &[&str]); 3] = [
            ("policy.importance_sampling_level", &self.importance_sampling_level, &LEVELS),
            ("policy.scale_rewards", &self.scale_rewards, &SCALES),
            (
                "policy.multi_objective_aggregation",
                &self.multi_objective_aggregation,
                &AGGREGATIONS,
            ),
        ];
        for (field, name, known) in names {
            if !known.contains(&name) {
                found.push((field, format!("`{name}` is not one of {}", known.join(", "))));
            }
        }
        let together = self.steps_per_generation.unwrap_or(accumulation);
        let answers = together * micro_batch;
        if self.num_generations > 0
            && (answers == 0 || !answers.is_multiple_of(self.num_generations))
        {
            let message = format!(
                "must divide the answers of a round: per_device_train_batch_size ({micro_batch}) times \
                 {together} micro-batches are {answers}, and {} answers to each prompt do not go into that. \
                 Change per_device_train_batch_size, or num_generations",
                self.num_generations
            );
            found.push(("policy.num_generations", message));
        }
        if !(together * self.num_iterations).is_multiple_of(accumulation.max(1)) {
            let message = format!(
                "times num_iterations must be a multiple of gradient_accumulation_steps ({accumulation}), \
                 so that a round ends with a step"
            );
            found.push(("policy.steps_per_generation", message));
        }
        found
    }
}
