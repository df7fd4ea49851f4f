//! A training run from beginning to end, and from its checkpoint to its end, in the order in which it
//! happens: set up, the loop, a step, and what comes between two steps.

use std::time::Instant;

use time::OffsetDateTime;

use super::best;
use super::best::{Evaluations, Standing};
use super::checkpoint;
use super::checkpoint::RunState;
use super::policy_run;
use super::policy_run::PolicyRun;
use super::request::{ResumeRequest, StartRequest};
use super::setup::{Begins, Setup};
use crate::errors::one_line;
use crate::files;
use crate::jobs;
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::llm::net::buffers;
use crate::llm::net::buffers::OutOfMemory;
use crate::train::config::metric::Metric;
use crate::train::config::objective::{Head, Reference};
use crate::train::error::Error;
use crate::train::objective::logprobs::PassSize;
use crate::train::record;
use crate::train::record::history;
use crate::train::record::history::History;
use crate::train::record::metrics::{
    Aside, Best, EvalMetrics, Named, RunSummary, StepMetrics, TrainEvent,
};
use crate::train::record::samples;
use crate::train::record::{RunRecord, RunStatus};
use crate::train::step::adapter;
use crate::train::step::evaluation;
use crate::train::step::forgetting;
use crate::train::step::forward_backward;
use crate::train::step::forward_backward::{StepInput, StepOutcome};
use crate::train::step::optim::{AdamSettings, AdamW};
use crate::train::step::reference;
use crate::train::step::sample;
use crate::train::step::schedule::Schedule;
use crate::train::step::schedule::is_due;
use crate::train::step::student::Student;

/// Trains an adapter for `model`, which must have been loaded with f32 weights.
///
/// Stopping is a good end: the adapter and a checkpoint of the last complete step are written.
/// Where a run fails, what was saved last stays.
pub fn start(
    model: &Model,
    request: &StartRequest,
    progress: &dyn Progress<TrainEvent>,
) -> Result<RunSummary, Error> {
    run(model, Setup::start(model, request, progress)?, progress)
}

/// Continues a run from its checkpoint: it ends with the same bits as if it had never stopped.
pub fn resume(
    model: &Model,
    request: &ResumeRequest,
    progress: &dyn Progress<TrainEvent>,
) -> Result<RunSummary, Error> {
    run(model, Setup::resume(model, request, progress)?, progress)
}

fn run(
    model: &Model,
    (setup, adapter): (Setup, Adapter),
    progress: &dyn Progress<TrainEvent>,
) -> Result<RunSummary, Error> {
    let mut record = setup.record.clone();
    let result = without_aborting(|| {
        let mut training = Training::new(model, (&setup, adapter), progress)?;
        training.all_steps(&mut record).map(|()| training)
    });
    record.finished = Some(record::timestamp(OffsetDateTime::now_utc()));
    match result {
        Ok(training) => {
            let done = training.state.step >= setup.plan.steps || training.stopped_early.is_some();
            record.status = if done { RunStatus::Finished } else { RunStatus::Stopped };
            record.message.clone_from(&training.stopped_early);
            if done && setup.config.load_best_model_at_end {
                training.take_best()?;
            }
            record.write(&setup.run_dir)?;
            Ok(training.summary())
        }
        Err(err) => {
            record.status = RunStatus::Failed;
            record.message = Some(one_line(&err));
            // The reason for the failure is worth more than that it could not be written down.
            record.write(&setup.run_dir).ok();
            Err(err)
        }
    }
}

/// Memory that has run out ends the run, and not the program. Any other panic is passed on.
pub(crate) fn without_aborting<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    // What the work has changed by then is dropped with it: the run's folder is what is resumed.
    let result = buffers::unless_out_of_memory(work)
        .unwrap_or_else(|OutOfMemory { bytes }| Err(Error::OutOfMemory { bytes }));
    buffers::release();
    result
}

/// What is written beside the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saves {
    /// What is small.
    ToResume,
    Result,
}

/// A run under way.
struct Training<'a> {
    setup: &'a Setup,
    progress: &'a dyn Progress<TrainEvent>,
    student: Student<'a>,
    state: RunState,
    last_step: Option<StepMetrics>,
    evaluation: Option<EvalMetrics>,

    /// Of GRPO and RLOO.
    policy: Option<PolicyRun<'a>>,

    /// The latest step after which the fixed prompt was answered.
    sampled: Option<usize>,
    evaluations: Evaluations,
    stopped_early: Option<String>,
}

impl<'a> Training<'a> {
    fn new(
        model: &'a Model,
        (setup, adapter): (&'a Setup, Adapter),
        progress: &'a dyn Progress<TrainEvent>,
    ) -> Result<Self, Error> {
        let config = &setup.config;
        let mut student = Student::new(model, config.method, adapter)?;
        let learned = student.learned().to_vec();
        let settings = AdamSettings::of(config);
        let state = match setup.begins {
            Begins::AtItsCheckpoint => {
                let slots = student.slots();
                let state = checkpoint::read(&setup.run_dir, &learned, slots, settings)?;
                student.settle()?;
                history::truncate(&setup.run_dir, state.step)?;
                samples::truncate(&setup.run_dir, state.step)?;
                state
            }
            Begins::AtItsFirstStep => {
                let optimizer = AdamW::new(&learned, settings);
                RunState { step: 0, num_tokens: 0, optimizer, reference: Vec::new() }
            }
        };
        let mut history = History::read(&setup.run_dir);
        let evaluations = Evaluations::of(&history.evaluations, config);
        let (last_step, evaluation) = (history.steps.pop(), history.evaluations.pop());
        let sampled = samples::read(&setup.run_dir).last().map(|sample| sample.step);
        let policy = if config.objective.samples() {
            Some(PolicyRun::new(model, setup, &state)?)
        } else {
            None
        };
        Ok(Self {
            setup,
            progress,
            student,
            policy,
            state,
            last_step,
            evaluation,
            sampled,
            stopped_early: evaluations.enough(config),
            evaluations,
        })
    }

    /// `Ok` with fewer steps than planned: it was stopped.
    fn all_steps(&mut self, record: &mut RunRecord) -> Result<(), Error> {
        // Before anything slow: a full or read-only disk is known now.
        self.save(record, Saves::ToResume)?;
        match self.steps(record) {
            Err(Error::Cancelled) => self.save(record, Saves::Result),
            result => result,
        }
    }

    /// The loop.
    fn steps(&mut self, record: &mut RunRecord) -> Result<(), Error> {
        let Setup { config, plan, held_out, .. } = self.setup;
        let has_reference = config.objective.facts().reference == Reference::Measured;
        if has_reference && self.state.reference.is_empty() {
            self.reference()?;
            self.save(record, Saves::ToResume)?;
        }
        let compares = config.measure_forgetting || !config.mix.is_empty();
        if self.state.step == 0 && compares && self.evaluation.is_none() {
            self.aside(Aside::Evaluation, Self::measure_before)?;
        }
        if self.state.step == 0 && config.sample_steps > 0 {
            self.sample()?;
        }
        while self.state.step < plan.steps && self.stopped_early.is_none() {
            self.progress.rest();
            self.one_step()?;
            let done = self.state.step;
            let last = done == plan.steps;
            let measures = !held_out.is_empty() || config.measure_forgetting;
            if measures && (last || is_due(done, config.eval_steps)) {
                self.aside(Aside::Evaluation, Self::evaluate)?;
            }
            if is_due(done, config.sample_steps) || (last && config.sample_steps > 0) {
                self.sample()?;
            }
            if last || self.stopped_early.is_some() || is_due(done, config.save_steps) {
                let ends = last || self.stopped_early.is_some();
                let what = if ends { Saves::Result } else { Saves::ToResume };
                self.aside(Aside::Save, |training| training.save(record, what))?;
            }
        }
        Ok(())
    }

    /// What the policy is held to, once, before the first step.
    fn reference(&mut self) -> Result<(), Error> {
        let Setup { config, examples, cache, .. } = self.setup;
        let rows = self.setup.rows();
        // Without its soft prompt a model is what it was; a new adapter changes nothing.
        let bare = Adapter::empty(self.student.base());
        let adapter = if config.method.soft().is_some() { &bare } else { self.student.adapter() };
        self.state.reference = reference::known_or_computed(
            (self.student.model(), adapter),
            config,
            (examples, &rows),
            cache.as_deref(),
            self.progress,
        )?;
        Ok(())
    }

    /// One optimizer step. A stop in the middle leaves everything as it was before it.
    fn one_step(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let Setup { config, plan, examples, train, .. } = self.setup;
        let index = self.state.step;

        if self.policy.is_some() {
            return self.policy_step(started);
        }

        // Forwards and backwards.
        let batches = plan.batches_of(index, train);
        let input = StepInput {
            model: self.student.model(),
            adapter: self.student.adapter(),
            learned: self.student.learned(),
            config,
            step: index,
            examples,
            reference: &self.state.reference,
            pass_rows: PassSize::of(self.student.model().config()).rows(),
        };
        let check = || self.progress.check().map_err(|_stopped| Error::Cancelled);
        let outcome = forward_backward::run(&input, &batches, &check)?;
        self.finish_step(outcome, Named::default(), started)
    }

    /// One optimizer step of GRPO or RLOO: answers are sampled where a round begins.
    fn policy_step(&mut self, started: Instant) -> Result<(), Error> {
        let setup = self.setup;
        let index = self.state.step;
        let Some(mut policy) = self.policy.take() else { return Ok(()) };
        let found = policy.step(&self.student, setup, index, self.progress);
        self.policy = Some(policy);
        let (outcome, named) = found?;
        if let Some(kl) = outcome.values.get(Metric::Kl) {
            self.finite("KL", kl)?;
            let most = setup.config.policy.max_kl;
            if kl > most {
                let kept_step = self.kept_step();
                return Err(Error::KlExploded { kl, most, step: index + 1, kept_step });
            }
        }
        self.finish_step(outcome, named, started)
    }

    /// Moves the adapter, and says what a step found.
    fn finish_step(
        &mut self,
        outcome: StepOutcome,
        named: Named,
        started: Instant,
    ) -> Result<(), Error> {
        let Setup { config, plan, .. } = self.setup;
        let index = self.state.step;
        let StepOutcome { mut gradients, loss, mut values, tokens } = outcome;
        self.finite("loss", loss)?;
        let grad_norm = gradients.clip(config.max_grad_norm);
        self.finite("gradient", grad_norm)?;

        // What learns moves.
        let schedule = Schedule {
            kind: config.lr_scheduler_type,
            kwargs: &config.lr_scheduler_kwargs,
            learning_rate: config.learning_rate,
            warmup_steps: config.warmup(plan.steps),
            total_steps: plan.steps,
        };
        let learning_rate = schedule.rate(index);
        let Self { student, state, .. } = self;
        jobs::in_pool(|| state.optimizer.step(student.slots(), &gradients, learning_rate))?;
        jobs::in_pool(|| student.settle())?;
        self.state.step += 1;
        self.state.num_tokens += tokens;

        // What is said of it.
        values.set(Metric::Loss, loss);
        values.set(Metric::GradNorm, grad_norm);
        values.set(Metric::LearningRate, learning_rate);
        let metrics = StepMetrics {
            step: self.state.step,
            epoch: plan.epoch_after(index),
            num_tokens: self.state.num_tokens,
            values,
            named,
            step_secs: started.elapsed().as_secs_f64(),
        };
        self.report(&metrics)?;
        self.progress.emit(TrainEvent::Step(metrics.clone()));
        self.last_step = Some(metrics);
        Ok(())
    }

    /// Does what takes time between two steps, and says how long that was.
    fn aside(
        &mut self,
        what: Aside,
        work: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let started = Instant::now();
        work(self)?;
        self.progress.emit(TrainEvent::Aside { what, secs: started.elapsed().as_secs_f64() });
        Ok(())
    }

    /// The held-out rows, measured with the adapter as it is now. The best adapter so far is kept.
    fn evaluate(&mut self) -> Result<(), Error> {
        let Setup { config, examples, held_out, .. } = self.setup;
        let found = if held_out.is_empty() {
            EvalMetrics::default()
        } else if let Some(policy) = &self.policy {
            policy.evaluate(&self.student, self.setup, self.state.step, self.progress)?
        } else {
            let rows = (examples.as_slice(), self.state.reference.as_slice());
            let (model, adapter) = (self.student.model(), self.student.adapter());
            evaluation::held_out(model, adapter, config, rows, held_out, self.progress)?
        };
        let mut metrics = EvalMetrics { step: self.state.step, ..found };
        if config.measure_forgetting {
            metrics.values.set(Metric::NeutralPerplexity, self.neutral_perplexity()?);
        }
        let standing = self.evaluations.add(&metrics, config);
        if standing == Standing::Best && config.eval_steps > 0 {
            self.student.save(&best::folder(&self.setup.run_dir, metrics.step))?;
        }
        self.report(&metrics)?;
        self.progress.emit(TrainEvent::Evaluated(metrics.clone()));
        self.stopped_early = self.evaluations.enough(config);
        self.evaluation = Some(metrics);
        Ok(())
    }

    /// What there is to forget, before the first step. Of all held-out rows together nothing is said, so that
    /// this is no evaluation that could be the best.
    fn measure_before(&mut self) -> Result<(), Error> {
        let Setup { config, examples, held_out, .. } = self.setup;
        let mut metrics = EvalMetrics::default();
        if config.measure_forgetting {
            metrics.values.set(Metric::NeutralPerplexity, self.neutral_perplexity()?);
        }
        // Answers that are only sampled to be measured would take too long.
        if !config.mix.is_empty() && self.policy.is_none() && !held_out.is_empty() {
            let rows = (examples.as_slice(), self.state.reference.as_slice());
            let (model, adapter) = (self.student.model(), self.student.adapter());
            let found =
                evaluation::held_out(model, adapter, config, rows, held_out, self.progress)?;
            metrics.sources = found.sources;
        }
        if metrics == EvalMetrics::default() {
            return Ok(());
        }
        self.report(&metrics)?;
        self.progress.emit(TrainEvent::Evaluated(metrics.clone()));
        self.evaluation = Some(metrics);
        Ok(())
    }

    fn neutral_perplexity(&self) -> Result<f64, Error> {
        forgetting::perplexity(self.student.model(), self.student.adapter(), self.progress)
    }

    /// The fixed prompt, answered by the model as it is now. A run that is resumed may have its
    /// answer at this step already: no time says how long one takes.
    fn sample(&mut self) -> Result<(), Error> {
        let writes = self.setup.config.objective.facts().head == Head::Tokens;
        if self.sampled == Some(self.state.step) || !writes {
            return Ok(());
        }
        self.aside(Aside::Sample, |training| {
            let Setup { config, examples, held_out, run_dir, .. } = training.setup;
            let step = training.state.step;
            let asked = sample::prompt(&config.sample_prompt, examples, held_out);
            let Some(prompt) = asked else { return Ok(()) };
            let (model, adapter) = (training.student.model(), training.student.adapter());
            let sample =
                sample::answer(model, adapter, (&prompt, config), step, training.progress)?;
            samples::append(run_dir, &sample)?;
            training.sampled = Some(step);
            training.progress.emit(TrainEvent::Sampled(sample));
            Ok(())
        })
    }

    /// Writes what a person takes from the run, what is needed to resume, and how far the run is.
    fn save(&mut self, record: &mut RunRecord, what: Saves) -> Result<(), Error> {
        buffers::release(); // a checkpoint is put together in memory, on top of what a pass took
        let run_dir = &self.setup.run_dir;
        // First: resuming reads an adapter.
        if what == Saves::Result || !self.student.is_large() {
            self.student.save(run_dir)?;
        }
        let learned = self.student.learned().to_vec();
        let slots = self.student.slots();
        checkpoint::write(run_dir, &learned, &slots, &self.state)?;
        drop(slots);
        self.student.restore();
        record.steps_done = self.state.step;
        record.best.clone_from(&self.evaluations.best);
        record.write(run_dir)?;
        if let Some(Best { step, .. }) = self.evaluations.best {
            best::remove_others(run_dir, step)?;
        }
        if self.policy.is_some() {
            policy_run::tidy(run_dir, &self.setup.plan, self.state.step)?;
        }
        self.progress.emit(TrainEvent::Saved { step: self.state.step });
        Ok(())
    }

    /// A line of the run's metrics.
    fn report(&self, line: &impl serde::Serialize) -> Result<(), Error> {
        let path = self.setup.run_dir.join(record::METRICS_FILE);
        files::append_json(&path, line).map_err(|source| Error::Write { path, source })
    }

    /// A run whose numbers are gone is ended before they reach the adapter.
    fn finite(&self, what: &'static str, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            return Ok(());
        }
        let kept_step = self.kept_step();
        Err(Error::NotFinite { what, step: self.state.step + 1, kept_step })
    }

    /// The step whose adapter is on the disk.
    fn kept_step(&self) -> usize {
        RunRecord::read(&self.setup.run_dir).map_or(0, |record| record.steps_done)
    }

    /// What is taken from the run becomes that of its best checkpoint.
    fn take_best(&self) -> Result<(), Error> {
        let run_dir = &self.setup.run_dir;
        let Some(Best { step, .. }) = self.evaluations.best else { return Ok(()) };
        let best = best::folder(run_dir, step);
        if self.student.is_large() {
            return best::take_model(run_dir, &best);
        }
        let base = self.student.model();
        let best = adapter::load(base, &best)?;
        adapter::save(&best, base, run_dir)
    }

    fn summary(self) -> RunSummary {
        RunSummary {
            run_dir: self.setup.run_dir.clone(),
            adapter_dir: self.setup.run_dir.clone(),
            model_dir: self
                .student
                .is_large()
                .then(|| self.setup.run_dir.join(record::MODEL_FOLDER)),
            steps_done: self.state.step,
            steps_planned: self.setup.plan.steps,
            last_step: self.last_step,
            evaluation: self.evaluation,
            best: self.evaluations.best,
            stopped_early: self.stopped_early,
        }
    }
}
