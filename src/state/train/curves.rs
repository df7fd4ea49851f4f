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
        if self.loss.last_x().is_some_and(|last| last >= x) {
            self.rewind(x);
        }
        self.loss.push(x, metrics.loss);
        self.learning_rate.push(x, metrics.learning_rate);
        self.grad_norm.push(x, metrics.grad_norm);
        self.token_accuracy.push(x, metrics.mean_token_accuracy);
        let tokens = metrics.num_tokens.checked_sub(self.tokens_before);
        self.tokens_before = metrics.num_tokens;
        // Not of the first step after a resumption: what was counted before it is gone.
        if let (Some(tokens), true) = (tokens, metrics.step_secs > 0.0) {
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
            // A tie is not a win in TRL's count. Before the adapter has changed anything all pairs
            // tie, and 0 % would read as "all wrong".
            let all_tie = rewards_margins == 0.0 && rewards_accuracies == 0.0;
            if !all_tie {
                self.accuracy.push(x, rewards_accuracies);
            }
            self.margin.push(x, rewards_margins);
            self.logps_chosen.push(x, logps_chosen);
            self.logps_rejected.push(x, logps_rejected);
        }
    }

    /// Forgets the steps from `x` on.
    fn rewind(&mut self, x: f64) {
        let Self {
            loss,
            held_out_loss,
            margin,
            held_out_margin,
            rewards_chosen,
            rewards_rejected,
            accuracy,
            held_out_accuracy,
            logps_chosen,
            logps_rejected,
            token_accuracy,
            learning_rate,
            grad_norm,
            tokens_per_sec,
            tokens_before: _,
        } = self;
        for series in [
            loss,
            held_out_loss,
            margin,
            held_out_margin,
            rewards_chosen,
            rewards_rejected,
            accuracy,
            held_out_accuracy,
            logps_chosen,
            logps_rejected,
            token_accuracy,
            learning_rate,
            grad_norm,
            tokens_per_sec,
        ] {
            series.rewind(x);
        }
    }

    pub fn push_evaluation(&mut self, metrics: &EvalMetrics) {
        let x = metrics.step as f64;
        for series in
            [&mut self.held_out_loss, &mut self.held_out_accuracy, &mut self.held_out_margin]
        {
            series.rewind(x); // measured again after a resumption
        }
        self.held_out_loss.push(x, metrics.loss);
        if let Some(accuracy) = metrics.rewards_accuracies {
            self.held_out_accuracy.push(x, accuracy);
        }
        if let Some(margin) = metrics.rewards_margins {
            self.held_out_margin.push(x, margin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: usize, loss: f64) -> StepMetrics {
        let margin = if step < 3 { 0.0 } else { 0.5 };
        StepMetrics {
            step,
            loss,
            num_tokens: 100 * step as u64,
            step_secs: 1.0,
            preference: Some(PreferenceMetrics {
                rewards_margins: margin,
                rewards_accuracies: if margin > 0.0 { 1.0 } else { 0.0 },
                ..PreferenceMetrics::default()
            }),
            ..StepMetrics::default()
        }
    }

    #[test]
    fn steps_that_are_taken_again_after_a_kill_are_drawn_once() {
        let mut curves = Curves::default();
        for number in 1..=6 {
            curves.push(&step(number, 1.0));
        }
        for number in 5..=8 {
            curves.push(&step(number, 2.0)); // resumed from the checkpoint of step 4
        }
        let drawn: Vec<_> = curves.loss.whole().map(|point| (point.x, point.y)).collect();
        let expected = [1, 2, 3, 4].map(|x| (f64::from(x), 1.0));
        assert_eq!(drawn[..4], expected);
        assert_eq!(drawn[4..], [5, 6, 7, 8].map(|x| (f64::from(x), 2.0)));
        assert_eq!(curves.loss.len(), 8);
        assert_eq!(curves.tokens_per_sec.lowest().map(|point| point.y), Some(100.0));
    }

    #[test]
    fn a_long_run_that_is_resumed_keeps_what_was_before() {
        let mut series = Series::default();
        for x in 0..5000 {
            series.push(f64::from(x), f64::from(x));
        }
        series.rewind(4900.0);
        assert_eq!(series.len(), 4900);
        assert_eq!(series.last(), Some(4899.0));
        assert_eq!(series.highest().map(|point| point.x), Some(4899.0));
        series.push(4900.0, 1.0);
        assert_eq!(series.last_x(), Some(4900.0));
    }

    #[test]
    fn accuracy_begins_where_not_all_pairs_tie() {
        let mut curves = Curves::default();
        for number in 1..=4 {
            curves.push(&step(number, 0.6));
        }
        let drawn: Vec<_> = curves.accuracy.whole().map(|point| (point.x, point.y)).collect();
        assert_eq!(drawn, [(3.0, 1.0), (4.0, 1.0)]);
    }
}
