//! The rows of a step, divided over processes.

use super::preset::Layout;
use crate::train::config::{Objective, TrainConfig};
use crate::words::counted;

/// How many rows a process takes at once, and how often before a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Batches {
    pub per_device: usize,
    pub accumulation: usize,

    /// By how much more rows a step learns from than in the run file.
    pub factor: f64,
}

impl Batches {
    /// A step learns from as many rows as in the run file wherever they can be divided evenly.
    pub fn of(config: &TrainConfig, layout: Layout) -> Self {
        let processes = layout.processes();
        let (batch, accumulation) =
            (config.per_device_train_batch_size, config.gradient_accumulation_steps);
        // TRL's KTO compares the rows of a batch with each other.
        let least = if config.objective == Objective::Kto { 2.min(batch) } else { 1 };
        let rows = batch * accumulation;
        // Micro-batches as they are, or smaller ones: GRPO samples by micro-batches.
        let shared = if batch.is_multiple_of(processes) && batch / processes >= least {
            Some((batch / processes, accumulation))
        } else if accumulation.is_multiple_of(processes) && !config.objective.samples() {
            Some((batch, accumulation / processes))
        } else if rows.is_multiple_of(processes) && !config.objective.samples() {
            let each = rows / processes;
            let largest = (least..=batch).rev().find(|size| each.is_multiple_of(*size));
            largest.map(|size| (size, each / size))
        } else {
            None
        };
        let (per_device, accumulation) = shared.unwrap_or((batch, accumulation));
        let factor = (per_device * accumulation * processes) as f64 / rows.max(1) as f64;
        Self { per_device, accumulation, factor }
    }

    /// How many rows a process measures at once. TRL takes all answers to a held-out prompt together, also where a
    /// prompt of training has them in several micro-batches.
    pub fn evaluated(self, config: &TrainConfig, layout: Layout) -> usize {
        if !config.objective.samples() {
            return self.per_device;
        }
        let answers = config.policy.num_generations.max(1);
        let fits = |size: &usize| (size * layout.processes()).is_multiple_of(answers);
        // Of so many sizes in a row one is a multiple.
        (self.per_device..self.per_device + answers).find(fits).unwrap_or(self.per_device)
    }

    /// What the person should know of it.
    pub fn note(self, config: &TrainConfig, layout: Layout) -> Option<String> {
        let rows = config.per_device_train_batch_size * config.gradient_accumulation_steps;
        (self.factor > 1.0).then(|| {
            format!(
                "{} cannot be divided evenly over {} processes, so each step there uses {} rows. For the \
                 same steps, choose per_device_train_batch_size times gradient_accumulation_steps as a \
                 multiple of {}",
                counted(rows, "row a step", "rows a step"),
                layout.processes(),
                (rows as f64 * self.factor) as usize,
                layout.processes(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elsewhere::preset::Preset;

    #[test]
    fn a_step_learns_from_as_many_rows_as_in_the_run_file_where_they_can_be_shared_out() {
        let of = |objective, batch, accumulation, gpus| {
            let config = TrainConfig {
                objective,
                per_device_train_batch_size: batch,
                gradient_accumulation_steps: accumulation,
                ..TrainConfig::default()
            };
            let layout = Preset::SeveralGpus.layout(Some(gpus), None).unwrap();
            let found = Batches::of(&config, layout);
            (found.per_device, found.accumulation, found.factor)
        };
        assert_eq!(of(Objective::Dpo, 8, 1, 4), (2, 1, 1.0));
        assert_eq!(of(Objective::Dpo, 2, 8, 4), (2, 2, 1.0));
        assert_eq!(of(Objective::Dpo, 6, 2, 4), (3, 1, 1.0));
        assert_eq!(of(Objective::Dpo, 3, 1, 4), (3, 1, 4.0)); // a step has four times the rows
        assert_eq!(of(Objective::Kto, 4, 2, 4), (2, 1, 1.0)); // never a batch of one
        assert_eq!(of(Objective::Kto, 4, 1, 4), (4, 1, 4.0));
        assert_eq!(of(Objective::Grpo, 16, 2, 4), (4, 2, 1.0));
    }

    #[test]
    fn all_answers_to_a_held_out_prompt_are_measured_together() {
        let of = |batch, num_generations, gpus| {
            let mut config = TrainConfig {
                objective: Objective::Grpo,
                per_device_train_batch_size: batch,
                gradient_accumulation_steps: 4,
                ..TrainConfig::default()
            };
            config.policy.num_generations = num_generations;
            let layout = Preset::SeveralGpus.layout(Some(gpus), None).unwrap();
            Batches::of(&config, layout).evaluated(&config, layout)
        };
        // TRL: per_device_eval_batch_size · processes is a multiple of num_generations.
        assert_eq!(of(16, 8, 2), 8);
        assert_eq!(of(4, 8, 2), 4); // 2 answers at a time in training
        assert_eq!(of(6, 4, 2), 4); // 3 at a time
    }
}
