//! The learning rate by step, as transformers' `get_scheduler` has it.

use std::f64::consts::PI;

use crate::train::config::scheduler::{LR_END, SchedulerKwargs, SchedulerType, Slope};

/// A schedule over the steps of a run.
#[derive(Clone, Copy, Debug)]
pub struct Schedule<'a> {
    pub kind: SchedulerType,
    pub kwargs: &'a SchedulerKwargs,
    pub learning_rate: f64,
    pub warmup_steps: usize,
    pub total_steps: usize,
}

impl Schedule<'_> {
    /// The learning rate of one optimizer step.
    ///
    /// `step` counts from 0, so a run with warm-up takes its first step at 0, as in transformers.
    pub fn rate(&self, step: usize) -> f64 {
        self.learning_rate * self.factor(step)
    }

    /// The same as a share of `learning_rate`.
    pub fn factor(&self, step: usize) -> f64 {
        let Self { kind, kwargs, learning_rate, warmup_steps, total_steps } = *self;
        let (s, warmup, total) = (step as f64, warmup_steps as f64, total_steps as f64);
        let is_warming_up = step < warmup_steps;
        let climb = s / warmup.max(1.0);
        match kind {
            SchedulerType::Constant => return 1.0, // transformers' `constant` ignores the warm-up
            SchedulerType::WarmupStableDecay => return self.stable_decay(s),
            SchedulerType::CosineWarmupWithMinLr if is_warming_up => {
                return match kwargs.warmup_lr_rate {
                    None => (s + 1.0) / warmup.max(1.0),
                    Some(first) => first + (1.0 - first) * s / (warmup - 1.0).max(1.0),
                };
            }
            _ if is_warming_up => return climb,
            _ => {}
        }
        let span = (total - warmup).max(1.0);
        let progress = (s - warmup) / span;
        let wave = |progress: f64| {
            let cycles = kwargs.num_cycles.unwrap_or(0.5);
            0.5 * (1.0 + (PI * cycles * 2.0 * progress).cos())
        };
        let above = |lowest: f64, factor: f64| (factor * (1.0 - lowest) + lowest).max(0.0);
        match kind {
            SchedulerType::Constant
            | SchedulerType::ConstantWithWarmup
            | SchedulerType::WarmupStableDecay => 1.0,
            SchedulerType::Linear => ((total - s) / span).max(0.0),
            SchedulerType::Cosine => wave(progress).max(0.0),
            SchedulerType::CosineWithMinLr => above(self.lowest(), wave(progress)),
            // Shifted by one step, as transformers has it.
            SchedulerType::CosineWarmupWithMinLr => {
                above(self.lowest(), wave((s - warmup + 1.0) / span))
            }
            SchedulerType::CosineWithRestarts => {
                if progress >= 1.0 {
                    return 0.0;
                }
                let cycles = kwargs.num_cycles.unwrap_or(1.0);
                (0.5 * (1.0 + (PI * ((cycles * progress) % 1.0)).cos())).max(0.0)
            }
            SchedulerType::Polynomial => {
                let end = kwargs.lr_end.unwrap_or(LR_END);
                if s > total {
                    return end / learning_rate;
                }
                let left = 1.0 - (s - warmup) / (total - warmup);
                let rate = (learning_rate - end) * left.powf(kwargs.power.unwrap_or(1.0)) + end;
                rate / learning_rate
            }
            SchedulerType::InverseSqrt => {
                let usual = if warmup_steps == 0 { 10_000 } else { warmup_steps };
                let scale = kwargs.timescale.unwrap_or(usual) as f64;
                1.0 / ((s + scale - warmup) / scale).sqrt()
            }
        }
    }

    fn lowest(&self) -> f64 {
        let SchedulerKwargs { min_lr, min_lr_rate, .. } = self.kwargs;
        min_lr.map_or(min_lr_rate.unwrap_or(0.0), |rate| rate / self.learning_rate)
    }

    /// Warm-up, a plateau, and a fall at the end.
    fn stable_decay(&self, s: f64) -> f64 {
        let (warmup, total) = (self.warmup_steps as f64, self.total_steps as f64);
        let kwargs = self.kwargs;
        let lowest = kwargs.min_lr_ratio.unwrap_or(0.0);
        let above = |factor: f64| (factor * (1.0 - lowest) + lowest).max(0.0);
        if s < warmup {
            let progress = s / warmup.max(1.0);
            return above(match kwargs.warmup_type.unwrap_or(Slope::Linear) {
                Slope::Linear => progress,
                Slope::Cosine => 0.5 * (1.0 - (PI * progress).cos()),
                Slope::OneMinusSqrt => 1.0 - (1.0 - progress).sqrt(),
            });
        }
        let decay = kwargs.num_decay_steps.unwrap_or(0) as f64;
        let stable = kwargs.num_stable_steps.map_or(total - warmup - decay, |steps| steps as f64);
        if s < warmup + stable {
            return 1.0;
        }
        if s >= warmup + stable + decay {
            return lowest;
        }
        let progress = (s - warmup - stable) / decay.max(1.0);
        above(match kwargs.decay_type.unwrap_or(Slope::Cosine) {
            Slope::Linear => 1.0 - progress,
            Slope::Cosine => {
                let cycles = kwargs.num_cycles.unwrap_or(0.5);
                0.5 * (1.0 + (PI * cycles * 2.0 * progress).cos())
            }
            Slope::OneMinusSqrt => 1.0 - progress.sqrt(),
        })
    }
}

/// Every so many steps; 0 is never.
pub fn is_due(step: usize, every: usize) -> bool {
    every > 0 && step.is_multiple_of(every)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::train::config::TrainConfig;
    use crate::train::config::scheduler::SCHEDULERS;
    use crate::train::step::schedule::*;

    #[derive(Deserialize)]
    struct Case {
        name: SchedulerType,
        warmup_steps: f64,
        warmup_steps_used: usize,
        max_steps: usize,
        lr: f64,
        lr_scheduler_kwargs: Option<SchedulerKwargs>,
        lr_of_step: Vec<f64>,
    }

    #[test]
    fn every_rate_of_every_schedule_is_that_of_transformers() {
        // transformers 5.23.0: what `get_scheduler` gives the optimizer of each step
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/schedules/schedules.json");
        let text = std::fs::read_to_string(path).unwrap();
        let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
        for (_, kind) in SCHEDULERS {
            assert!(cases.iter().any(|case| case.name == kind), "{kind:?} has no case");
        }
        for case in cases {
            let Case { name, warmup_steps, max_steps, lr, lr_of_step, .. } = case;
            let config = TrainConfig { warmup_steps, ..TrainConfig::default() };
            assert_eq!(config.warmup(max_steps), case.warmup_steps_used, "{name:?}");
            let kwargs = case.lr_scheduler_kwargs.unwrap_or_default();
            assert_eq!(kwargs.problems(name, lr), Vec::<String>::new());
            let schedule = Schedule {
                kind: name,
                kwargs: &kwargs,
                learning_rate: lr,
                warmup_steps: case.warmup_steps_used,
                total_steps: max_steps,
            };
            for (step, expected) in lr_of_step.into_iter().enumerate() {
                let found = schedule.rate(step);
                assert!((found - expected).abs() < 1e-12, "{name:?} {step}: {found}, {expected}");
            }
        }
    }
}
