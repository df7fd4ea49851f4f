//! What a run of GRPO or RLOO has beside its adapter: its rules, its reference, and the answers of its round.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;

use super::checkpoint::RunState;
use super::setup::{Begins, Setup};
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::train::config::TrainConfig;
use crate::train::config::metric::Values;
use crate::train::error::Error;
use crate::train::objective::logprobs::PassSize;
use crate::train::record::leash;
use crate::train::record::metrics::{Aside, EvalMetrics, Named, TrainEvent};
use crate::train::record::round;
use crate::train::record::round::Round;
use crate::train::rows::plan::Plan;
use crate::train::step::adapter;
use crate::train::step::forward_backward::StepOutcome;
use crate::train::step::judge::Judge;
use crate::train::step::policy;
use crate::train::step::policy::PolicyInput;
use crate::train::step::policy_evaluation;
use crate::train::step::rollout;
use crate::train::step::rollout::{RoundInput, Sampled};
use crate::train::step::student::Student;

pub(super) struct PolicyRun<'a> {
    judge: Judge<'a>,

    /// What a continued adapter is held to: a copy of it. `None`: the model without an adapter.
    reference: Option<Adapter>,
    round: Option<Round>,
    warned: bool,
}

/// The copy of the adapter that a run continues, in its folder: the person's own may change.
fn reference_dir(run_dir: &Path) -> PathBuf {
    run_dir.join("reference")
}

impl<'a> PolicyRun<'a> {
    pub fn new(model: &'a Model, setup: &Setup, state: &RunState) -> Result<Self, Error> {
        let Setup { config, run_dir, plan, begins, .. } = setup;
        let judge = Judge::new(model, &config.rewards)?;
        let kept = reference_dir(run_dir);
        let reference = match (&config.adapter, begins) {
            (None, _) => None,
            (Some(own), Begins::AtItsFirstStep) => {
                let own = adapter::load(model, own)?;
                adapter::save(&own, model, &kept)?;
                Some(own)
            }
            (Some(_), Begins::AtItsCheckpoint) => Some(adapter::load(model, &kept)?),
        };
        let (number, place) = plan.round_of(state.step);
        // A round that is learned from in several steps is needed again in its middle.
        let round = if place > 0 { Round::read(run_dir, number) } else { None };
        if place > 0 && round.is_none() {
            return Err(Error::NoRound { round: number + 1, run_dir: run_dir.clone() });
        }
        round::remove_after(run_dir, number)?;
        Ok(Self { judge, reference, round, warned: false })
    }

    /// The step `index`: answers are sampled first, where it begins a round.
    pub fn step(
        &mut self,
        student: &Student<'_>,
        setup: &Setup,
        index: usize,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<(StepOutcome, Named), Error> {
        let Setup { config, plan, examples, train, run_dir, .. } = setup;
        let (model, adapter) = (student.model(), student.adapter());
        let (number, place) = plan.round_of(index);
        let (mut values, mut named, mut tokens) = (Values::default(), Named::default(), 0);
        if self.round.as_ref().is_none_or(|round| round.round != number) {
            let started = Instant::now();
            let beta = leash::of_round(run_dir, number, config.beta)?;
            let prompts: Vec<usize> = plan.batches_of(index, train).into_iter().flatten().collect();
            let held_to = (student.base(), self.reference.as_ref());
            let input = RoundInput {
                model,
                adapter,
                held_to,
                config,
                judge: &self.judge,
                examples,
                beta,
                round: number,
            };
            let found = rollout::sampled(&input, &prompts, progress)?;
            let Sampled { round, values: reported, named: of_rules, warning, .. } = &found;
            round.write(run_dir)?;
            (values, named, tokens) = (*reported, of_rules.clone(), found.tokens);
            if let (Some(warning), false) = (warning, self.warned) {
                // Once: it would be said in every round.
                progress.emit(TrainEvent::Warning(warning.clone()));
                self.warned = true;
            }
            progress.emit(TrainEvent::Answered(Box::new(round.clone())));
            progress.emit(TrainEvent::Aside {
                what: Aside::Rollout,
                secs: started.elapsed().as_secs_f64(),
            });
            self.round = Some(found.round);
        }
        let Some(round) = &self.round else { return Err(Error::Cancelled) };
        let pass_rows = PassSize::of(model.config()).rows();
        let learned = student.learned();
        let input = PolicyInput { model, adapter, learned, config, step: index, round, pass_rows };
        let check = || {
            progress.rest();
            progress.check().map_err(|_stopped| Error::Cancelled)
        };
        let batches = micro_batches(config, round, place);
        let outcome = policy::run(&input, &batches, &check)?;
        let values = outcome.values.and(&values);
        Ok((StepOutcome { values, tokens, ..outcome }, named))
    }
}

impl PolicyRun<'_> {
    /// The held-out prompts, answered as the adapter stands after `step` steps.
    pub fn evaluate(
        &self,
        student: &Student<'_>,
        setup: &Setup,
        step: usize,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<EvalMetrics, Error> {
        let Setup { config, plan, examples, held_out, run_dir, .. } = setup;
        let (number, _) = plan.round_of(step.saturating_sub(1));
        let input = RoundInput {
            model: student.model(),
            adapter: student.adapter(),
            held_to: (student.base(), self.reference.as_ref()),
            config,
            judge: &self.judge,
            examples,
            beta: leash::of_round(run_dir, number, config.beta)?,
            round: policy_evaluation::NO_ROUND,
        };
        policy_evaluation::held_out(&input, held_out, progress)
    }
}

/// The micro-batches of one of a round's steps. Where a round is split over several steps, its answers are
/// dealt out at random, as in TRL, so that no step has all answers to a prompt alone.
fn micro_batches(config: &TrainConfig, round: &Round, place: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..round.answers.len()).collect();
    let accumulation = config.gradient_accumulation_steps.max(1);
    let together = config.policy.steps_per_generation.unwrap_or(accumulation);
    if together > accumulation {
        let mut generator = ChaCha20Rng::seed_from_u64(config.seed);
        generator.set_stream(round.round as u64);
        order.shuffle(&mut generator);
    }
    let all: Vec<Vec<usize>> =
        order.chunks(config.per_device_train_batch_size.max(1)).map(<[usize]>::to_vec).collect();
    let first = place * accumulation;
    (first..first + accumulation)
        .filter_map(|batch| all.get(batch % all.len().max(1)).cloned())
        .collect()
}

/// Removes the rounds that a run which is resumed after `step` does not need; the last one stays, to be read.
pub(super) fn tidy(run_dir: &Path, plan: &Plan, step: usize) -> Result<(), Error> {
    let (number, place) = plan.round_of(step);
    // At the beginning of a round the one before it is the last that there is.
    round::remove_before(run_dir, if place > 0 { number } else { number.saturating_sub(1) })
}
