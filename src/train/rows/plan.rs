//! Which rows are in which step, as transformers' `Trainer` goes through its data: the same seed
//! gives the same order, and a resumed run finds its place by the step number alone.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;

use crate::train::config::TrainConfig;

/// The order of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    row_count: usize,
    batch_size: usize,
    accumulation: usize,

    /// Steps that the rows of a batch are learned from: more than one where answers to them are sampled.
    steps_a_round: usize,
    drops_rest: bool,

    /// Draw the rows anew each epoch with this seed. `None`: in the order of the file.
    shuffle: Option<u64>,
    pub steps: usize,
}

impl Plan {
    /// For `row_count` rows to train on, at least 1.
    pub fn new(config: &TrainConfig, row_count: usize) -> Self {
        let samples = config.objective.samples();
        let plan = Self {
            row_count,
            batch_size: if samples {
                Self::prompts_a_round(config)
            } else {
                config.per_device_train_batch_size.max(1)
            },
            accumulation: if samples { 1 } else { config.gradient_accumulation_steps.max(1) },
            steps_a_round: if samples { Self::steps_a_round(config) } else { 1 },
            drops_rest: samples,
            shuffle: config.shuffles().then_some(config.seed),
            steps: 0,
        };
        let by_epochs = (config.num_train_epochs * plan.steps_per_epoch() as f64).ceil() as usize;
        Self { steps: config.max_steps.unwrap_or(by_epochs), ..plan }
    }

    /// Of GRPO and RLOO: how many prompts are answered together.
    pub fn prompts_a_round(config: &TrainConfig) -> usize {
        let policy = &config.policy;
        let together = policy.steps_per_generation.unwrap_or(config.gradient_accumulation_steps);
        let answers = together * config.per_device_train_batch_size;
        (answers / policy.num_generations.max(1)).max(1)
    }

    /// How many steps learn from the answers of a round.
    pub fn steps_a_round(config: &TrainConfig) -> usize {
        let policy = &config.policy;
        let accumulation = config.gradient_accumulation_steps.max(1);
        let together = policy.steps_per_generation.unwrap_or(accumulation);
        (together * policy.num_iterations / accumulation).max(1)
    }

    /// The round of a step, both from 0, and which of its steps it is.
    pub fn round_of(&self, step: usize) -> (usize, usize) {
        (step / self.steps_a_round, step % self.steps_a_round)
    }

    /// The last batch of an epoch may be smaller; it is not filled up.
    fn batches_per_epoch(&self) -> usize {
        if self.drops_rest {
            // As TRL's sampler: what is left of an epoch is too little for a round.
            return (self.row_count / self.batch_size).max(1);
        }
        self.row_count.div_ceil(self.batch_size)
    }

    /// The last step of an epoch may have fewer batches.
    fn steps_per_epoch(&self) -> usize {
        self.batches_per_epoch().div_ceil(self.accumulation) * self.steps_a_round
    }

    /// The batches of a step (from 0), as indices of rows.
    pub fn batches(&self, step: usize) -> Vec<Vec<usize>> {
        let (epoch, first) = self.place(step);
        let order = self.order(epoch);
        let batches = order.chunks(self.batch_size).skip(first).take(self.accumulation);
        batches.map(<[usize]>::to_vec).collect()
    }

    /// The same, with `train`'s entries in place of their indices: the examples that are trained on.
    pub fn batches_of(&self, step: usize, train: &[usize]) -> Vec<Vec<usize>> {
        let batches = self.batches(step).into_iter();
        batches.map(|batch| batch.into_iter().map(|row| train[row]).collect()).collect()
    }

    /// The rows that the run comes to at all, in the order in which it does.
    pub fn rows(&self) -> Vec<usize> {
        let mut rows = self.order(0);
        if self.steps < self.steps_per_epoch() {
            rows.truncate(self.steps * self.accumulation * self.batch_size);
        }
        rows
    }

    /// How many epochs are done after a step (from 0): 0.25 after the first of four.
    pub fn epoch_after(&self, step: usize) -> f64 {
        if self.drops_rest {
            // Each step counts, where the answers of a round are learned from in several, too.
            return (step + 1) as f64 / self.steps_per_epoch() as f64;
        }
        let (epoch, first) = self.place(step);
        let done = (first + self.accumulation).min(self.batches_per_epoch());
        epoch as f64 + done as f64 / self.batches_per_epoch() as f64
    }

    /// The epoch of a step, and its first batch in there.
    fn place(&self, step: usize) -> (usize, usize) {
        let per_epoch = self.steps_per_epoch();
        (step / per_epoch, step % per_epoch / self.steps_a_round * self.accumulation)
    }

    fn order(&self, epoch: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.row_count).collect();
        if let Some(seed) = self.shuffle {
            let mut generator = ChaCha20Rng::seed_from_u64(seed);
            generator.set_stream(epoch as u64);
            order.shuffle(&mut generator);
        }
        order
    }
}

/// How often something happens in the steps after `done`, that does so every so many steps and after
/// the last of `total`. `every` of 0: only after the last.
pub fn times_due(every: usize, done: usize, total: usize) -> usize {
    if done >= total {
        return 0;
    }
    let until = |step: usize| step.checked_div(every).unwrap_or(0);
    let after_last = every == 0 || !total.is_multiple_of(every);
    until(total) - until(done) + usize::from(after_last)
}

/// The examples that a run comes to: those of its plan, and those that are held out.
pub(crate) fn rows_of(plan: &Plan, train: &[usize], held_out: &[usize]) -> Vec<usize> {
    let mut rows: Vec<usize> = plan.rows().into_iter().map(|row| train[row]).collect();
    rows.extend(held_out);
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rows: usize, batch: usize, accumulation: usize, shuffle: bool) -> Plan {
        let config = TrainConfig {
            per_device_train_batch_size: batch,
            gradient_accumulation_steps: accumulation,
            shuffle,
            ..TrainConfig::default()
        };
        Plan::new(&config, rows)
    }

    #[test]
    fn batches_are_consecutive_rows_and_start_again_at_the_top() {
        let plan = plan(5, 2, 1, false);
        assert_eq!(plan.batches(0), [vec![0, 1]]);
        assert_eq!(plan.batches(2), [vec![4]]); // what is left of the epoch
        assert_eq!(plan.batches(3), [vec![0, 1]]);
        assert_eq!(plan.steps, 9); // 3 epochs of 3 steps
    }

    #[test]
    fn the_rows_of_a_run_are_those_of_its_steps() {
        for (steps, shuffle) in
            [(0, false), (1, true), (2, false), (3, true), (4, false), (9, true)]
        {
            let plan = Plan { steps, ..plan(17, 2, 2, shuffle) };
            let mut of_steps: Vec<usize> =
                (0..steps).flat_map(|step| plan.batches(step).concat()).collect();
            let mut rows = plan.rows();
            assert!(steps >= 5 || rows == of_steps, "in their order");
            rows.sort_unstable();
            of_steps.sort_unstable();
            of_steps.dedup();
            assert_eq!(rows, of_steps, "{steps} steps");
        }
    }

    #[test]
    fn an_epochs_last_step_has_the_batches_that_are_left() {
        let plan = plan(10, 2, 3, false);
        assert_eq!(plan.batches(0), [vec![0, 1], vec![2, 3], vec![4, 5]]);
        assert_eq!(plan.batches(1), [vec![6, 7], vec![8, 9]]);
        assert_eq!(plan.batches(2)[0], [0, 1]);
        let epochs: Vec<f64> = (0..3).map(|step| plan.epoch_after(step)).collect();
        assert_eq!(epochs, [0.6, 1.0, 1.6]); // Trainer: (batches so far) / (batches an epoch)
    }

    /// TRL 1.16.0's `GRPOTrainer` on 9 prompts.
    #[test]
    fn every_step_of_a_round_is_a_part_of_an_epoch() {
        let mut config = TrainConfig {
            objective: crate::train::config::Objective::Grpo,
            per_device_train_batch_size: 4,
            gradient_accumulation_steps: 1,
            ..TrainConfig::default()
        };
        config.policy.num_generations = 4;
        config.policy.steps_per_generation = Some(2);
        config.policy.num_iterations = 2;
        // Four rounds of two prompts, and four steps from the answers of each.
        let plan = Plan::new(&config, 9);
        let epochs: Vec<f64> = (0..4).map(|step| plan.epoch_after(step)).collect();
        assert_eq!(epochs, [0.0625, 0.125, 0.1875, 0.25]);
        assert_eq!(plan.epoch_after(15), 1.0);
        assert_eq!(plan.steps, 48);
    }

    #[test]
    fn a_shuffled_epoch_has_every_row_once_and_epochs_differ() {
        let plan = plan(20, 4, 1, true);
        let epoch = |number: usize| -> Vec<usize> {
            (0..5).flat_map(|step| plan.batches(number * 5 + step).concat()).collect()
        };
        let mut sorted = epoch(0);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        assert_ne!(epoch(0), epoch(1));
        assert_eq!(epoch(1), epoch(1)); // the step number alone decides
    }

    #[test]
    fn part_of_an_epoch_is_rounded_up_to_whole_steps() {
        let config = TrainConfig { num_train_epochs: 0.5, ..TrainConfig::default() };
        assert_eq!(Plan::new(&config, 40).steps, 3); // 5 steps an epoch, half of them is 2.5
        let fixed = TrainConfig { max_steps: Some(7), ..config };
        assert_eq!(Plan::new(&fixed, 40).steps, 7);
    }

    #[test]
    fn what_is_due_every_so_many_steps_is_due_after_the_last_too() {
        for (every, done, total, expected) in [
            (10, 0, 30, 3),
            (10, 0, 25, 3), // 10, 20 and 25
            (10, 10, 25, 2),
            (10, 24, 25, 1),
            (0, 3, 25, 1),
            (10, 25, 25, 0),
        ] {
            assert_eq!(times_due(every, done, total), expected, "{every} {done} {total}");
        }
    }
}
