//! The curves of one run: a series for each metric, of its steps and of its evaluations.

use super::super::series::Series;
use crate::train::config::metric::Metric;
use crate::train::record::landmarks::Landmarks;
use crate::train::record::metrics::{EvalMetrics, SourceMetrics, StepMetrics};

/// Every metric of a run over its steps. Those that the objective does not have stay empty.
#[derive(Clone, Debug)]
pub struct Curves {
    /// In the order of [`Metric::ALL`].
    trained: Vec<Series>,
    held_out: Vec<Series>,
    tokens_before: u64,

    /// Of the first and of the last evaluation: what was measured of each file, where there are several.
    pub by_file: [Vec<SourceMetrics>; 2],

    /// Of pretraining: losses of whoever only counts the tokens of the text.
    pub landmarks: Option<Landmarks>,
}

impl Default for Curves {
    fn default() -> Self {
        let empty = vec![Series::default(); Metric::ALL.len()];
        Self {
            trained: empty.clone(),
            held_out: empty,
            tokens_before: 0,
            by_file: Default::default(),
            landmarks: None,
        }
    }
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

    /// Of the steps.
    pub fn trained(&self, metric: Metric) -> &Series {
        &self.trained[metric as usize]
    }

    /// Of the evaluations.
    pub fn held_out(&self, metric: Metric) -> &Series {
        &self.held_out[metric as usize]
    }

    /// What every run has of every step.
    pub fn loss(&self) -> &Series {
        self.trained(Metric::Loss)
    }

    pub fn push(&mut self, metrics: &StepMetrics) {
        let x = metrics.step as f64;
        if self.loss().last_x().is_some_and(|last| last >= x) {
            self.trained.iter_mut().chain(&mut self.held_out).for_each(|series| series.rewind(x));
        }
        for metric in Metric::ALL {
            if let Some(value) = metrics.values.drawn(*metric) {
                self.trained[*metric as usize].push(x, value);
            }
        }
        let tokens = metrics.num_tokens.checked_sub(self.tokens_before);
        self.tokens_before = metrics.num_tokens;
        // Not of the first step after a resumption: what was counted before it is gone.
        if let (Some(tokens), true) = (tokens, metrics.step_secs > 0.0) {
            let per_sec = tokens as f64 / metrics.step_secs;
            self.trained[Metric::TokensPerSec as usize].push(x, per_sec);
        }
    }

    pub fn push_evaluation(&mut self, metrics: &EvalMetrics) {
        let x = metrics.step as f64;
        for series in &mut self.held_out {
            series.rewind(x); // measured again after a resumption
        }
        for metric in Metric::ALL {
            if let Some(value) = metrics.values.drawn(*metric) {
                self.held_out[*metric as usize].push(x, value);
            }
        }
        if !metrics.sources.is_empty() {
            let [first, last] = &mut self.by_file;
            if first.is_empty() {
                first.clone_from(&metrics.sources);
            }
            last.clone_from(&metrics.sources);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: usize, loss: f64) -> StepMetrics {
        let margin = if step < 3 { 0.0 } else { 0.5 };
        let accuracy = if margin > 0.0 { 1.0 } else { 0.0 };
        StepMetrics {
            step,
            num_tokens: 100 * step as u64,
            step_secs: 1.0,
            values: [
                (Metric::Loss, loss),
                (Metric::RewardsMargins, margin),
                (Metric::RewardsAccuracies, accuracy),
            ]
            .into(),
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
        let drawn: Vec<_> = curves.loss().whole().map(|point| (point.x, point.y)).collect();
        let expected = [1, 2, 3, 4].map(|x| (f64::from(x), 1.0));
        assert_eq!(drawn[..4], expected);
        assert_eq!(drawn[4..], [5, 6, 7, 8].map(|x| (f64::from(x), 2.0)));
        assert_eq!(curves.loss().len(), 8);
        let speed = curves.trained(Metric::TokensPerSec);
        assert_eq!(speed.lowest().map(|point| point.y), Some(100.0));
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
        let accuracy = curves.trained(Metric::RewardsAccuracies);
        let drawn: Vec<_> = accuracy.whole().map(|point| (point.x, point.y)).collect();
        assert_eq!(drawn, [(3.0, 1.0), (4.0, 1.0)]);
    }
}
