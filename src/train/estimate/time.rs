//! How long a run takes: what it multiplies is counted, how fast that goes is measured.

use super::memory::learned_values;
use super::passes::{PassPlan, counted};
use super::speed::Speed;
use crate::llm::Keep;
use crate::llm::cost::pass_cost::PassCost;
use crate::train::config::{Objective, TrainConfig};
use crate::train::rows::batch::Example;
use crate::train::rows::plan;
use crate::train::rows::plan::Plan;
use crate::train::step::passes::measured_passes;
use crate::train::step::sample;

/// What a run computes, by what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Workload {
    pub steps: usize,

    /// All steps together.
    pub training: Macs,

    /// Values that learn.
    pub learned_values: u64,

    /// The reference of DPO, as far as it is not kept: once, before the first step.
    pub reference: Macs,

    /// One evaluation, and how many there are.
    pub evaluation: Macs,
    pub evaluations: usize,

    /// Answers to the fixed prompt, and the weights that are read for a token of one.
    pub samples: usize,
    pub weights: u64,

    /// Tokens of answers that are sampled to be learned from, several at a time.
    pub sampled_tokens: usize,

    /// The same at all evaluations together.
    pub evaluated_tokens: usize,
}

/// Multiplications.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Macs {
    pub forward: f64,
    pub backward: f64,
    pub head: f64,
}

/// How long a run takes, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Time {
    /// A step, on average.
    pub step_secs: f64,
    pub training_secs: f64,
    pub reference_secs: f64,

    /// All evaluations.
    pub evaluation_secs: f64,

    /// All answers to the fixed prompt.
    pub sample_secs: f64,
}

impl Time {
    pub fn total_secs(&self) -> f64 {
        let Self { step_secs: _, training_secs, reference_secs, evaluation_secs, sample_secs } =
            self;
        training_secs + reference_secs + evaluation_secs + sample_secs
    }
}

impl Macs {
    fn add(&mut self, cost: &PassCost) {
        self.forward += cost.forward_macs as f64;
        self.backward += cost.backward_macs as f64;
        self.head += cost.head_macs as f64;
    }

    fn scaled(self, by: f64) -> Self {
        let Self { forward, backward, head } = self;
        Self { forward: forward * by, backward: backward * by, head: head * by }
    }

    fn secs(self, speed: &Speed) -> f64 {
        let Self { forward, backward, head } = self;
        forward * speed.forward + backward * speed.backward + head * speed.head
    }
}

/// How much sooner a token is written where many answers are written side by side: the weights are read once
/// for all of them. Not measured yet: reasoned from what a pass over several rows costs.
const SIDE_BY_SIDE: f64 = 6.0;

impl Workload {
    /// Counts a run over `examples`, of which `train` are trained on and `held_out` measured with.
    /// `reference`: those whose reference it has to compute.
    pub fn of(
        passes: &PassPlan<'_>,
        examples: &[Example],
        (train, held_out, reference): (&[usize], &[usize], &[usize]),
        plan: &Plan,
    ) -> Self {
        let config: &TrainConfig = passes.config;
        let mut training = Macs::default();
        let mut steps = 0;
        for step in counted(plan.steps) {
            steps += 1;
            for batch in plan.batches_of(step, train) {
                for pass in passes.of_batch(examples, &batch) {
                    training.add(&pass.cost);
                }
            }
        }
        let measured = |rows: &[usize]| {
            let mut sum = Macs::default();
            for members in measured_passes(examples, rows) {
                sum.add(&passes.of_members(examples, members, Keep::Nothing).cost);
            }
            sum
        };
        let evaluations = match held_out.len() {
            0 => 0,
            _ => plan::times_due(config.eval_steps, 0, plan.steps),
        };
        let samples = match config.sample_steps {
            0 => 0,
            every => 1 + plan::times_due(every, 0, plan.steps), // one before the first step
        };
        let policy = &config.policy;
        let (mut training, mut sampled_tokens, mut evaluated_tokens) = (training, 0, 0);
        let mut evaluation = measured(held_out);
        if config.objective.samples() {
            let rounds = plan.steps.div_ceil(Plan::steps_a_round(config));
            let answers = Plan::prompts_a_round(config) * policy.num_generations;
            sampled_tokens = rounds * answers * policy.max_completion_length;
            // The reference, and RLOO's own log-probabilities, are forward passes over the same answers.
            let measured =
                usize::from(config.beta != 0.0) + usize::from(config.objective == Objective::Rloo);
            training.head *= 1.0 + 0.5 * measured as f64;
            training.forward *= (1 + measured) as f64;
            // Held-out prompts are answered at every evaluation, and measured once more.
            let answers = held_out.len() * policy.num_generations;
            evaluated_tokens = evaluations * answers * policy.max_completion_length;
            evaluation = evaluation.scaled((policy.num_generations * (1 + measured)) as f64);
        }
        let shape = &passes.shape;
        Self {
            steps: plan.steps,
            training: training.scaled(plan.steps as f64 / f64::from(steps.max(1))),
            learned_values: learned_values(config, shape.shapes, shape.config),
            reference: measured(reference),
            evaluation,
            evaluations,
            samples,
            sampled_tokens,
            evaluated_tokens,
            weights: shape.shapes.parameter_count(),
        }
    }

    /// How long that takes at this speed.
    pub fn time(&self, speed: &Speed) -> Time {
        let optimizer = speed.optimizer * self.learned_values as f64;
        let training_secs = self.training.secs(speed) + optimizer * self.steps as f64;
        let token_secs = speed.weight * self.weights as f64;
        let training_secs = training_secs + token_secs * self.sampled_tokens as f64 / SIDE_BY_SIDE;
        Time {
            step_secs: training_secs / self.steps.max(1) as f64,
            training_secs,
            reference_secs: self.reference.secs(speed),
            evaluation_secs: self.evaluation.secs(speed) * self.evaluations as f64
                + token_secs * self.evaluated_tokens as f64 / SIDE_BY_SIDE,
            sample_secs: token_secs * (self.samples * sample::MAX_NEW_TOKENS) as f64,
        }
    }
}
