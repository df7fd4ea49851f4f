//! The curves of one run: a series for each metric.

use super::super::series::Series;
use crate::train::record::metrics::{EvalMetrics, PreferenceMetrics, StepMetrics};

/// Every metric of a run over its steps. Those that the objective does not have stay empty.
#[derive(Clone, Debug, Default)]
pub struct Curves {
    pub loss: Series,
    pub held_out_loss: Series,
    pub margin: Series,
    pub held_out_margin: Series,
    pub rewards_chosen: Series,
    pub rewards_rejected: Series,

    /// Share of pairs whose chosen answer has the higher reward, 0 to 1.
    pub accuracy: Series,
    pub held_out_accuracy: Series,
    pub logps_chosen: Series,
    pub logps_rejected: Series,

    /// Share of completion tokens that the model would have picked itself, 0 to 1.
    pub token_accuracy: Series,
    pub learning_rate: Series,
    pub grad_norm: Series,

    /// Of all sequences that were trained on.
    pub tokens_per_sec: Series,
    tokens_before: u64,
}

impl Curves {
    /// What a finished run left behind.
    pub fn of(steps: &[StepMetrics], evaluations: &[EvalMetrics]) -> Self {
        let mut curves = Self::default();
        for step in steps {
            curves.push(step);
        }
        for evaluation in evaluations {
            curves.push_evaluation(evaluation);
        }
        curves
    }

    pub fn push(&mut self, metrics: &StepMetrics) {
        let x = metrics.step as f64;
        self.loss.push(x, metrics.loss);
        self.learning_rate.push(x, metrics.learning_rate);
        self.grad_norm.push(x, metrics.grad_norm);
        self.token_accuracy.push(x, metrics.mean_token_accuracy);
        let tokens = metrics.num_tokens.saturating_sub(self.tokens_before);
        self.tokens_before = metrics.num_tokens;
        if metrics.step_secs > 0.0 {
            self.tokens_per_sec.push(x, tokens as f64 / metrics.step_secs);
        }
        if let Some(preference) = &metrics.preference {
            let PreferenceMetrics {
                rewards_chosen,
                rewards_rejected,
                rewards_accuracies,
                rewards_margins,
                logps_chosen,
                logps_rejected,
                logits_chosen: _, // in metrics.jsonl; says little to a reader
                logits_rejected: _,
            } = *preference;
            self.rewards_chosen.push(x, rewards_chosen);
            self.rewards_rejected.push(x, rewards_rejected);
            self.accuracy.push(x, rewards_accuracies);
            self.margin.push(x, rewards_margins);
            self.logps_chosen.push(x, logps_chosen);
            self.logps_rejected.push(x, logps_rejected);
        }
    }

    pub fn push_evaluation(&mut self, metrics: &EvalMetrics) {
        let x = metrics.step as f64;
        self.held_out_loss.push(x, metrics.loss);
        if let Some(accuracy) = metrics.rewards_accuracies {
            self.held_out_accuracy.push(x, accuracy);
        }
        if let Some(margin) = metrics.rewards_margins {
            self.held_out_margin.push(x, margin);
        }
    }
}
