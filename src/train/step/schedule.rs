//! The learning rate by step, as transformers' `get_scheduler` has it.

use std::f64::consts::PI;

use crate::train::config::SchedulerType;

/// The learning rate of one optimizer step, as a share of `learning_rate`.
///
/// `step` counts from 0, so a run with warm-up takes its first step at 0, as in transformers.
///
/// ```
/// use tuning_fork::train::config::SchedulerType;
/// use tuning_fork::train::step::schedule::factor;
/// assert_eq!(factor(SchedulerType::Linear, 0, 0, 6), 1.0);
/// assert_eq!(factor(SchedulerType::Linear, 3, 0, 6), 0.5);
/// ```
pub fn factor(kind: SchedulerType, step: usize, warmup_steps: usize, total_steps: usize) -> f64 {
    if kind == SchedulerType::Constant {
        return 1.0; // transformers' `constant` ignores the warm-up
    }
    if step < warmup_steps {
        return step as f64 / warmup_steps.max(1) as f64;
    }
    let span = total_steps.saturating_sub(warmup_steps).max(1) as f64;
    let progress = (step - warmup_steps) as f64 / span;
    match kind {
        SchedulerType::Constant | SchedulerType::ConstantWithWarmup => 1.0,
        SchedulerType::Linear => (total_steps.saturating_sub(step) as f64 / span).max(0.0),
        // Half a cosine: transformers' `num_cycles` is 0.5.
        SchedulerType::Cosine => (0.5 * (1.0 + (PI * progress).cos())).max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use crate::train::step::schedule::*;

    #[test]
    fn warm_up_starts_at_zero_and_cosine_ends_there() {
        // tests/reference/traces/dpo_accum_cosine (transformers 5.23.0): 4 steps, 2 of them warm-up
        let rates: Vec<f64> =
            (0..4).map(|step| 1e-3 * factor(SchedulerType::Cosine, step, 2, 4)).collect();
        for (rate, expected) in rates.iter().zip([0.0, 5e-4, 1e-3, 5e-4]) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn every_schedule_stays_between_zero_and_one() {
        use SchedulerType::{Constant, ConstantWithWarmup, Cosine, Linear};
        for kind in [Linear, Cosine, Constant, ConstantWithWarmup] {
            // warm-up none, some, all, and longer than the run
            for warmup in [0, 3, 10, 20] {
                for step in 0..=10 {
                    let share = factor(kind, step, warmup, 10);
                    assert!((0.0..=1.0).contains(&share), "{kind:?} {warmup} {step}: {share}");
                }
            }
        }
    }
}
