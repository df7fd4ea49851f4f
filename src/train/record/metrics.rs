//! What a run reports: TRL's metrics under TRL's names, one line a step in `metrics.jsonl`.

use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::samples::Sample;

/// The metrics of one optimizer step, averaged over its micro-batches as TRL does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepMetrics {
    /// From 1.
    pub step: usize,
    pub epoch: f64,
    pub loss: f64,

    /// Joint length of all gradients before clipping.
    pub grad_norm: f64,
    pub learning_rate: f64,

    /// Mean entropy of the next-token distribution on completion tokens, in nats.
    pub entropy: f64,

    /// Tokens seen since the start of the run.
    pub num_tokens: u64,

    /// Share of (chosen) completion tokens that are the likeliest token.
    pub mean_token_accuracy: f64,

    /// Only for DPO.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub preference: Option<PreferenceMetrics>,

    /// Wall time of this step, in seconds.
    pub step_secs: f64,
}

/// Rewards are β times the summed log-ratio of policy and reference; logps are sums over the
/// completion's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PreferenceMetrics {
    #[serde(rename = "rewards/chosen")]
    pub rewards_chosen: f64,
    #[serde(rename = "rewards/rejected")]
    pub rewards_rejected: f64,
    #[serde(rename = "rewards/accuracies")]
    pub rewards_accuracies: f64,
    #[serde(rename = "rewards/margins")]
    pub rewards_margins: f64,
    #[serde(rename = "logps/chosen")]
    pub logps_chosen: f64,
    #[serde(rename = "logps/rejected")]
    pub logps_rejected: f64,
    #[serde(rename = "logits/chosen")]
    pub logits_chosen: f64,
    #[serde(rename = "logits/rejected")]
    pub logits_rejected: f64,
}

/// Metrics on the held-out pairs, as TRL has them where all of those are one batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvalMetrics {
    /// After this many steps.
    pub step: usize,
    pub pair_count: usize,
    #[serde(rename = "eval_loss")]
    pub loss: f64,
    #[serde(rename = "eval_rewards/accuracies", skip_serializing_if = "Option::is_none")]
    pub rewards_accuracies: Option<f64>,
    #[serde(rename = "eval_rewards/margins", skip_serializing_if = "Option::is_none")]
    pub rewards_margins: Option<f64>,

    // Runs of earlier versions have none of what follows.
    #[serde(rename = "eval_rewards/chosen", skip_serializing_if = "Option::is_none")]
    pub rewards_chosen: Option<f64>,
    #[serde(rename = "eval_rewards/rejected", skip_serializing_if = "Option::is_none")]
    pub rewards_rejected: Option<f64>,
    #[serde(rename = "eval_logps/chosen", skip_serializing_if = "Option::is_none")]
    pub logps_chosen: Option<f64>,
    #[serde(rename = "eval_logps/rejected", skip_serializing_if = "Option::is_none")]
    pub logps_rejected: Option<f64>,
    #[serde(rename = "eval_logits/chosen", skip_serializing_if = "Option::is_none")]
    pub logits_chosen: Option<f64>,
    #[serde(rename = "eval_logits/rejected", skip_serializing_if = "Option::is_none")]
    pub logits_rejected: Option<f64>,
    #[serde(rename = "eval_entropy", skip_serializing_if = "Option::is_none")]
    pub entropy: Option<f64>,
    #[serde(rename = "eval_mean_token_accuracy", skip_serializing_if = "Option::is_none")]
    pub mean_token_accuracy: Option<f64>,
}

/// A look at the held-out rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    pub step: usize,

    /// Of `metric_for_best_model`.
    pub value: f64,
}

/// What a run says while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainEvent {
    /// Before the first step: `what` is a sentence (`Reference log-probabilities`), with its count.
    Preparing {
        what: String,
        done: usize,
        total: usize,

        /// How long the rest of it takes, as far as that can be told.
        secs_left: Option<f64>,
    },

    /// How many steps there will be, and how many pairs (rows) are trained on and held out.
    Planned {
        steps: usize,
        train_rows: usize,
        held_out_rows: usize,
    },

    /// Something that the person should know and that does not stop the run.
    Warning(String),

    /// Something that is good to know.
    Noted(String),
    Step(StepMetrics),
    Evaluated(EvalMetrics),

    /// The fixed prompt was answered by the model as it is now.
    Sampled(Sample),

    /// Something between two steps is done.
    Aside {
        what: Aside,
        secs: f64,
    },

    /// What is needed to resume after this step is on the disk.
    Saved {
        step: usize,
    },
}

impl TrainEvent {
    /// `done` of `total` things of about the same size, which were begun at `since`.
    pub fn preparing(what: &str, (done, total): (usize, usize), since: Instant) -> Self {
        let secs = since.elapsed().as_secs_f64();
        let left = || secs / done as f64 * total.saturating_sub(done) as f64;
        let secs_left = (done > 0 && secs > 1.0).then(left);
        Self::Preparing { what: what.to_owned(), done, total, secs_left }
    }
}

/// What takes time between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    Evaluation,
    Sample,
    Save,
}

/// How a run ended. A stopped run is a good end: its adapter is there.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    pub run_dir: PathBuf,

    /// The PEFT folder.
    pub adapter_dir: PathBuf,
    pub steps_done: usize,
    pub steps_planned: usize,
    pub last_step: Option<StepMetrics>,
    pub evaluation: Option<EvalMetrics>,

    /// The best look at the held-out rows.
    pub best: Option<Best>,

    /// Why it ended before its last step by itself.
    pub stopped_early: Option<String>,
}
