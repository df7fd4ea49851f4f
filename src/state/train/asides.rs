//! What a run does between its steps (evaluations, sample answers, checkpoints), and how much of
//! that is still to come.

use crate::train::config::TrainConfig;
use crate::train::record::metrics::Aside;
use crate::train::rows::plan;

/// How often each is done, and how long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asides {
    eval_steps: usize,
    sample_steps: usize,
    save_steps: usize,

    /// Seconds of the quickest so far: a rest may have been in the middle of another.
    evaluation: Option<f64>,
    sample: Option<f64>,
    save: Option<f64>,
}

impl Asides {
    pub fn of(config: &TrainConfig) -> Self {
        let TrainConfig { eval_steps, sample_steps, save_steps, .. } = *config;
        Self { eval_steps, sample_steps, save_steps, ..Self::default() }
    }

    pub fn add(&mut self, what: Aside, secs: f64) {
        let known = match what {
            Aside::Evaluation => &mut self.evaluation,
            Aside::Sample => &mut self.sample,
            Aside::Save => &mut self.save,
            // A part of its step.
            Aside::Rollout => return,
        };
        *known = Some(known.map_or(secs, |least| least.min(secs)));
    }

    /// Seconds of all that comes after step `done` of `total`, as far as it was measured.
    pub fn secs_left(&self, done: usize, total: usize, has_held_out: bool) -> f64 {
        let Self { eval_steps, sample_steps, save_steps, evaluation, sample, save } = *self;
        let secs = |is_done: bool, every: usize, each: Option<f64>| {
            let times = if is_done { plan::times_due(every, done, total) } else { 0 };
            times as f64 * each.unwrap_or(0.0)
        };
        secs(has_held_out, eval_steps, evaluation)
            + secs(sample_steps > 0, sample_steps, sample)
            + secs(true, save_steps, save)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_to_come_counts_with_what_it_took() {
        let config = TrainConfig {
            eval_steps: 10,
            sample_steps: 0,
            save_steps: 20,
            ..TrainConfig::default()
        };
        let mut asides = Asides::of(&config);
        assert_eq!(asides.secs_left(0, 40, true), 0.0); // nothing was measured yet
        asides.add(Aside::Evaluation, 30.0); // with a rest
        asides.add(Aside::Evaluation, 3.0);
        asides.add(Aside::Sample, 9.0); // before the first step, and never again
        asides.add(Aside::Save, 0.5);
        assert_eq!(asides.secs_left(20, 40, true), 2.0 * 3.0 + 0.5);
        assert_eq!(asides.secs_left(20, 40, false), 0.5);
        assert_eq!(asides.secs_left(40, 40, true), 0.0);
    }
}
