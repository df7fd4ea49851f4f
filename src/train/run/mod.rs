//! A training run from beginning to end, and from wherever it was stopped to its end.

pub mod best;
pub mod checkpoint;
pub mod evaluate;
pub mod optim;
pub mod reference_cache;
pub mod samples;
pub mod schedule;
pub mod setup;
pub mod step;

use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::Var;
use time::OffsetDateTime;

use self::best::{Best, Look, Looks};
use self::checkpoint::RunState;
use self::optim::AdamW;
use self::reference_cache::ReferenceCache;
use self::setup::Setup;
use self::step::{Reference, StepInput, StepOutcome};
use super::config::{Objective, TrainConfig};
use super::error::Error;
use super::record;
use super::record::history;
use super::record::history::History;
use super::record::metrics::{Aside, EvalMetrics, RunSummary, StepMetrics, TrainEvent};
use super::record::{RunRecord, RunStatus};
use crate::errors::one_line;
use crate::files;
use crate::jobs;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::llm::net::buffers;
use crate::llm::net::buffers::OutOfMemory;

/// What is to be run, and where it is written to.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainRequest {
    pub config: TrainConfig,

    /// `runs/<id>`. Made if need be; it must not hold another run.
    pub run_dir: PathBuf,

    /// Where reference log-probabilities are kept for the next run on the same rows. `None`: they
    /// are not.
    pub cache: Option<PathBuf>,

    /// Go on from the checkpoint in `run_dir`. Settings and data are then those in the folder;
    /// `config` is not looked at.
    pub resume: bool,
}

/// Trains an adapter for `model`, which must have been loaded with f32 weights.
///
/// Stopping is a good end: the adapter and a checkpoint of the last complete step are written.
/// Where a run fails, what was saved last stays.
pub fn run(
    model: &Model,
    request: &TrainRequest,
    progress: &dyn Progress<TrainEvent>,
) -> Result<RunSummary, Error> {
    let (setup, adapter) = Setup::new(model, request, progress)?;
    let mut record = setup.record.clone();
    let result = without_aborting(|| {
        let mut training = Training::new(model, (&setup, adapter), progress)?;
        training.go(&mut record).map(|()| training)
    });
    buffers::release();
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

/// Memory that has run out ends the run, and not the program. Any other panic goes on.
fn without_aborting<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    // What the work has changed by then is dropped with it: the run's folder is what is gone on with.
    buffers::unless_out_of_memory(work)
        .unwrap_or_else(|OutOfMemory { bytes }| Err(Error::OutOfMemory { bytes }))
}

/// A run under way.
struct Training<'a> {
    model: &'a Model,
    setup: &'a Setup,
    progress: &'a dyn Progress<TrainEvent>,
    adapter: Adapter,
    vars: Vec<(String, Var)>,
    state: RunState,
    last_step: Option<StepMetrics>,
    evaluation: Option<EvalMetrics>,

    /// The latest step after which the fixed prompt was answered.
    sampled: Option<usize>,
    looks: Looks,
    stopped_early: Option<String>,
}

impl<'a> Training<'a> {
    fn new(
        model: &'a Model,
        (setup, adapter): (&'a Setup, Adapter),
        progress: &'a dyn Progress<TrainEvent>,
    ) -> Result<Self, Error> {
        let config = &setup.config;
        let vars = adapter.vars();
        let state = if setup.resume {
            let state = checkpoint::read(&setup.run_dir, &vars, config.weight_decay)?;
            history::truncate(&setup.run_dir, state.step)?;
            samples::truncate(&setup.run_dir, state.step)?;
            state
        } else {
            let optimizer = AdamW::new(&vars, config.weight_decay);
            RunState { step: 0, num_tokens: 0, optimizer, reference: Vec::new() }
        };
        let History { mut steps, mut evaluations } = History::read(&setup.run_dir);
        let looks = Looks::of(&evaluations, config);
        let (last_step, evaluation) = (steps.pop(), evaluations.pop());
        let sampled = samples::read(&setup.run_dir).last().map(|sample| sample.step);
        Ok(Self {
            model,
            setup,
            progress,
            adapter,
            vars,
            state,
            last_step,
            evaluation,
            sampled,
            stopped_early: looks.enough(config),
            looks,
        })
    }

    /// The loop. `Ok` with fewer steps than planned: it was stopped.
    fn go(&mut self, record: &mut RunRecord) -> Result<(), Error> {
        self.save(record)?; // before anything slow: a full or read-only disk is known now
        match self.steps(record) {
            Err(Error::Cancelled) => self.save(record),
            result => result,
        }
    }

    fn steps(&mut self, record: &mut RunRecord) -> Result<(), Error> {
        let Setup { config, plan, held_out, .. } = self.setup;
        if self.state.reference.is_empty() && config.objective == Objective::Dpo {
            self.state.reference = self.reference()?;
            self.save(record)?;
        }
        if self.state.step == 0 && config.sample_steps > 0 {
            self.sample_aside()?;
        }
        while self.state.step < plan.steps && self.stopped_early.is_none() {
            self.progress.rest();
            self.one_step()?;
            let done = self.state.step;
            let last = done == plan.steps;
            if !held_out.is_empty() && (last || is_due(done, config.eval_steps)) {
                self.aside(Aside::Evaluation, Self::evaluate)?;
            }
            if is_due(done, config.sample_steps) || (last && config.sample_steps > 0) {
                self.sample_aside()?;
            }
            if last || self.stopped_early.is_some() || is_due(done, config.save_steps) {
                self.aside(Aside::Save, |training| training.save(record))?;
            }
        }
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

    /// A run that goes on may have its answer at this step already: no time says how long one takes.
    fn sample_aside(&mut self) -> Result<(), Error> {
        if self.sampled == Some(self.state.step) {
            return Ok(());
        }
        self.aside(Aside::Sample, Self::sample)
    }

    /// An entry for each example, of which those that the run comes to are known: kept from an
    /// earlier run, or computed.
    fn reference(&self) -> Result<Vec<Reference>, Error> {
        let Setup { config, examples, cache, .. } = self.setup;
        let model = (self.model, self.model.card().facts.memory_bytes);
        let begun = config.adapter.is_some().then_some(&self.adapter);
        let open = |folder: &PathBuf| ReferenceCache::open(folder, model, begun);
        let cache = cache.as_ref().map(open).transpose()?;
        let mut all = vec![Reference::UNKNOWN; examples.len()];
        let mut missing = Vec::new();
        for row in self.setup.rows() {
            match cache.as_ref().and_then(|cache| cache.get(&examples[row])) {
                Some(known) => all[row] = known,
                None => missing.push(row),
            }
        }
        let mut keep = |rows: &[usize], found: &[Reference]| {
            for (row, of) in rows.iter().zip(found) {
                all[*row] = *of;
            }
            if let Some(cache) = &cache {
                cache.keep(rows.iter().map(|row| &examples[*row]).zip(found));
            }
        };
        let rows = (examples.as_slice(), missing.as_slice());
        evaluate::reference(self.model, &self.adapter, rows, &mut keep, self.progress)?;
        Ok(all)
    }

    /// One optimizer step. A stop in the middle leaves everything as it was before it.
    fn one_step(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let Setup { config, plan, examples, train, .. } = self.setup;
        let index = self.state.step;
        let batches = plan.batches_of(index, train);
        let input = StepInput {
            model: self.model,
            adapter: &self.adapter,
            vars: &self.vars,
            config,
            step: index,
            examples,
            reference: &self.state.reference,
        };
        let check = || self.progress.check().map_err(|_stopped| Error::Cancelled);
        let outcome = step::run(&input, &batches, &check)?;
        let StepOutcome { mut gradients, loss, entropy, mean_token_accuracy, preference, tokens } =
            outcome;
        self.finite("loss", loss)?;
        let grad_norm = gradients.clip(config.max_grad_norm);
        self.finite("gradient", grad_norm)?;
        let warmup = config.warmup(plan.steps);
        let share = schedule::factor(config.lr_scheduler_type, index, warmup, plan.steps);
        let learning_rate = config.learning_rate * share;
        jobs::in_pool(|| self.state.optimizer.step(&self.vars, &gradients, learning_rate))?;
        self.state.step += 1;
        self.state.num_tokens += tokens;
        let metrics = StepMetrics {
            step: self.state.step,
            epoch: plan.epoch_after(index),
            loss,
            grad_norm,
            learning_rate,
            entropy,
            num_tokens: self.state.num_tokens,
            mean_token_accuracy,
            preference,
            step_secs: started.elapsed().as_secs_f64(),
        };
        self.report(&metrics)?;
        self.progress.emit(TrainEvent::Step(metrics.clone()));
        self.last_step = Some(metrics);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<(), Error> {
        let Setup { config, examples, held_out, .. } = self.setup;
        let rows = (examples.as_slice(), self.state.reference.as_slice());
        let found =
            evaluate::held_out(self.model, &self.adapter, config, rows, held_out, self.progress)?;
        let metrics = EvalMetrics { step: self.state.step, ..found };
        let look = self.looks.add(&metrics, config);
        if look == Look::Best && config.eval_steps > 0 {
            self.save_adapter(&best::folder(&self.setup.run_dir, metrics.step))?;
        }
        self.report(&metrics)?;
        self.progress.emit(TrainEvent::Evaluated(metrics.clone()));
        self.stopped_early = self.looks.enough(config);
        self.evaluation = Some(metrics);
        Ok(())
    }

    /// The fixed prompt, answered by the model as it is now.
    fn sample(&mut self) -> Result<(), Error> {
        let Setup { config, examples, held_out, run_dir, .. } = self.setup;
        let step = self.state.step;
        let asked = samples::prompt(&config.sample_prompt, examples, held_out);
        let Some(prompt) = asked else { return Ok(()) };
        let sample = samples::answer(self.model, &self.adapter, &prompt, step, self.progress)?;
        let path = run_dir.join(samples::SAMPLES_FILE);
        files::append_json(&path, &sample).map_err(|source| Error::Write { path, source })?;
        self.sampled = Some(step);
        self.progress.emit(TrainEvent::Sampled(sample));
        Ok(())
    }

    /// Writes the adapter, what is needed to resume, and how far the run is.
    fn save(&self, record: &mut RunRecord) -> Result<(), Error> {
        buffers::release(); // a checkpoint is put together in memory, on top of what a pass took
        let run_dir = &self.setup.run_dir;
        // First: resuming reads it.
        self.save_adapter(run_dir)?;
        checkpoint::write(run_dir, &self.vars, &self.state)?;
        record.steps_done = self.state.step;
        record.best.clone_from(&self.looks.best);
        record.write(run_dir)?;
        if let Some(Best { step, .. }) = self.looks.best {
            best::remove_others(run_dir, step)?;
        }
        self.progress.emit(TrainEvent::Saved { step: self.state.step });
        Ok(())
    }

    fn save_adapter(&self, folder: &Path) -> Result<(), Error> {
        save(&self.adapter, self.model, folder)
    }

    /// The run's adapter becomes that of its best look.
    fn take_best(&self) -> Result<(), Error> {
        let run_dir = &self.setup.run_dir;
        let Some(Best { step, .. }) = self.looks.best else { return Ok(()) };
        let best = setup::load_adapter(self.model, &best::folder(run_dir, step))?;
        save(&best, self.model, run_dir)
    }

    fn report(&self, line: &impl serde::Serialize) -> Result<(), Error> {
        let path = self.setup.run_dir.join(record::METRICS_FILE);
        files::append_json(&path, line).map_err(|source| Error::Write { path, source })
    }

    /// A run whose numbers are gone is ended before they reach the adapter.
    fn finite(&self, what: &'static str, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            return Ok(());
        }
        let kept_step = RunRecord::read(&self.setup.run_dir).map_or(0, |record| record.steps_done);
        Err(Error::NotFinite { what, step: self.state.step + 1, kept_step })
    }

    fn summary(self) -> RunSummary {
        RunSummary {
            run_dir: self.setup.run_dir.clone(),
            adapter_dir: self.setup.run_dir.clone(),
            steps_done: self.state.step,
            steps_planned: self.setup.plan.steps,
            last_step: self.last_step,
            evaluation: self.evaluation,
            best: self.looks.best,
            stopped_early: self.stopped_early,
        }
    }
}

fn save(adapter: &Adapter, model: &Model, folder: &Path) -> Result<(), Error> {
    let saved = adapter.save(folder, &model.card().identity);
    saved.map(drop).map_err(|err| match err {
        llm::Error::Write { path, source } => Error::Write { path, source },
        other => Error::Model(other),
    })
}

/// Every so many steps; 0 is never.
fn is_due(step: usize, every: usize) -> bool {
    every > 0 && step.is_multiple_of(every)
}
