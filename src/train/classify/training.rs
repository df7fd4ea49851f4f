//! A run that learns from texts, from beginning to end, and from its checkpoint to its end: the loop, a step,
//! what comes between two steps, and the test part after the last.

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use time::OffsetDateTime;

use super::checkpoint::Counted;
use super::labels::{Target, largest};
use super::loss;
use super::rows::Part;
use super::scores::Tally;
use super::setup::{Checked, Rows, check_resume, check_start};
use super::split::Parts;
use super::student::{Moment, Read, Student};
use crate::data::table;
use crate::encoder::{Labels, Tokens};
use crate::errors::one_line;
use crate::files;
use crate::files::Lock;
use crate::jobs::{Progress, Quiet};
use crate::llm::card::ModelIdentity;
use crate::llm::net::buffers;
use crate::train::config::metric::{Metric, Values};
use crate::train::config::{Objective, TrainConfig};
use crate::train::error::Error;
use crate::train::record::confusion::{Confusion, Tested};
use crate::train::record::history::{self, History};
use crate::train::record::metrics::{
    Aside, Best, EvalMetrics, RunSummary, StepMetrics, TrainEvent,
};
use crate::train::record::{self, RunRecord, RunStatus};
use crate::train::rows::plan::Plan;
use crate::train::run::best::{self, Evaluations, Standing};
use crate::train::run::setup::{absolute, remove, store_config, write};
use crate::train::run::{ResumeRequest, StartRequest, without_aborting};
use crate::train::step::schedule::Schedule;
use crate::train::step::schedule::is_due;

/// Trains the model in `folder` (of a decoder also a GGUF file). Stopping is a good end, and where a run fails,
/// what was saved last stays.
pub fn start(
    folder: &Path,
    request: &StartRequest,
    progress: &dyn Progress<TrainEvent>,
) -> Result<RunSummary, Error> {
    without_aborting(|| run(check_start(folder, request, progress)?, &request.run_dir, progress))
}

/// Continues a run from its checkpoint: it ends with the same bits as if it had never stopped.
pub fn resume(
    folder: &Path,
    request: &ResumeRequest,
    progress: &dyn Progress<TrainEvent>,
) -> Result<RunSummary, Error> {
    without_aborting(|| run(check_resume(folder, request, progress)?, &request.run_dir, progress))
}

fn run(
    checked: Checked,
    run_dir: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<RunSummary, Error> {
    let is_new = !run_dir.exists();
    let (lock, mut record) = match open(run_dir, &checked) {
        Ok(opened) => opened,
        Err(err) => {
            if is_new {
                remove(run_dir);
            }
            return Err(err);
        }
    };
    progress.emit(TrainEvent::Planned {
        steps: checked.plan.steps,
        train_rows: checked.parts.train.len(),
        held_out_rows: checked.parts.validation.len(),
    });
    checked.tell(progress);
    let result = Training::new(checked, run_dir, progress)
        .and_then(|mut training| training.all_steps(&mut record).map(|()| training));
    record.finished = Some(record::timestamp(OffsetDateTime::now_utc()));
    let result = result.and_then(|mut training| {
        let is_done = training.is_done();
        record.status = if is_done { RunStatus::Finished } else { RunStatus::Stopped };
        record.message.clone_from(&training.stopped_early);
        if is_done {
            training.finish()?;
        }
        record.write(run_dir)?;
        Ok(training.summary())
    });
    drop(lock);
    result.inspect_err(|err| {
        record.status = RunStatus::Failed;
        record.message = Some(one_line(err));
        // The reason for the failure is worth more than that it could not be written down.
        record.write(run_dir).ok();
    })
}

/// Takes the run's folder, and writes into it what the run is.
fn open(run_dir: &Path, checked: &Checked) -> Result<(Lock, RunRecord), Error> {
    let lock = files::lock(&run_dir.join(record::LOCK_FILE))
        .map_err(|source| Error::Write { path: run_dir.to_owned(), source })?
        .ok_or_else(|| Error::Busy(run_dir.to_owned()))?;
    let Checked { config, plan, parts, identity, data, stored, .. } = checked;
    let record = if let Some(stored) = stored {
        RunRecord { status: RunStatus::Running, message: None, finished: None, ..stored.clone() }
    } else {
        let bytes = table::json_lines(data, &Quiet).map_err(|err| Error::Data(err.into()))?;
        write(&run_dir.join(record::DATA_FILE), &bytes)?;
        store_config(run_dir, config)?;
        RunRecord {
            sources: Vec::new(),
            landmarks: None,
            status: RunStatus::Running,
            message: None,
            best: None,
            steps_done: 0,
            steps_planned: plan.steps,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            model: identity.clone(),
            data: absolute(data),
            data_sha256: files::sha256_of_bytes(&bytes),
            train_rows: parts.train.len(),
            held_out_rows: parts.validation.len(),
            started: record::timestamp(OffsetDateTime::now_utc()),
            finished: None,
        }
    };
    record.write(run_dir)?;
    Ok((lock, record))
}

/// A run under way.
pub(super) struct Training<'a> {
    config: TrainConfig,
    plan: Plan,
    parts: Parts,
    rows: Rows,
    labels: Option<Labels>,
    identity: ModelIdentity,
    run_dir: &'a Path,
    progress: &'a dyn Progress<TrainEvent>,
    student: Box<dyn Student>,
    state: Counted,
    last_step: Option<StepMetrics>,
    evaluation: Option<EvalMetrics>,
    evaluations: Evaluations,
    stopped_early: Option<String>,
}

/// What the batches of a step gave.
#[derive(Default)]
pub(super) struct Learned {
    pub loss: f64,

    /// So many were right of so many.
    right: usize,
    seen: usize,
    tokens: u64,
}

/// Of hidden words: the ids as they are shown, the places in the batch, and the right words.
type Hidden = (Vec<Vec<u32>>, Vec<usize>, Vec<u32>);

/// What a batch of a step is.
struct BatchOf {
    examples: Vec<usize>,
    hidden: Option<Hidden>,
    tokens: usize,
}

impl BatchOf {
    /// Of hidden words and of answers: what is read, and the right words.
    fn words<'b>(&'b self, rows: &'b Rows) -> (Read<'b>, Cow<'b, [u32]>) {
        let examples = self.examples.iter().map(|at| &rows.examples[*at]);
        if let Some((shown, places, words)) = &self.hidden {
            let texts = examples.zip(shown);
            let texts = texts.map(|(example, ids)| Tokens { ids, ..example.tokens() }).collect();
            return (Read { texts, places, answers: Vec::new() }, Cow::Borrowed(words.as_slice()));
        }
        let texts = examples.map(|example| example.tokens()).collect();
        let answers = self.examples.iter().map(|at| rows.answers[*at].as_slice());
        let answers: Vec<&[u32]> = answers.collect();
        let words = answers.concat();
        (Read { texts, answers, ..Read::default() }, Cow::Owned(words))
    }
}

impl<'a> Training<'a> {
    pub(super) fn new(
        checked: Checked,
        run_dir: &'a Path,
        progress: &'a dyn Progress<TrainEvent>,
    ) -> Result<Self, Error> {
        let Checked { config, plan, parts, rows, labels, identity, mut student, stored, .. } =
            checked;
        let state = if stored.is_some() {
            let state = student.read_checkpoint(run_dir)?;
            history::truncate(run_dir, state.step)?;
            Confusion::truncate(run_dir, state.step)?;
            state
        } else {
            Counted::default()
        };
        let mut history = History::read(run_dir);
        let evaluations = Evaluations::of(&history.evaluations, &config);
        Ok(Self {
            stopped_early: evaluations.enough(&config),
            config,
            plan,
            parts,
            rows,
            labels,
            identity,
            run_dir,
            progress,
            student,
            state,
            last_step: history.steps.pop(),
            evaluation: history.evaluations.pop(),
            evaluations,
        })
    }

    fn is_done(&self) -> bool {
        self.state.step >= self.plan.steps || self.stopped_early.is_some()
    }

    /// `Ok` with fewer steps than planned: it was stopped.
    fn all_steps(&mut self, record: &mut RunRecord) -> Result<(), Error> {
        self.save(record)?; // before anything slow: a full or read-only disk is known now
        match self.steps(record) {
            Err(Error::Cancelled) => self.save(record),
            result => result,
        }
    }

    /// The loop.
    fn steps(&mut self, record: &mut RunRecord) -> Result<(), Error> {
        while !self.is_done() {
            self.progress.rest();
            self.one_step()?;
            let done = self.state.step;
            let last = done == self.plan.steps;
            if !self.parts.validation.is_empty() && (last || is_due(done, self.config.eval_steps)) {
                self.aside(Aside::Evaluation, Self::evaluate)?;
            }
            if last || self.stopped_early.is_some() || is_due(done, self.config.save_steps) {
                self.aside(Aside::Save, |training| training.save(record))?;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        self.progress.check().map_err(|_stopped| Error::Cancelled)
    }

    /// Forwards and backwards over the batches of a step. Nothing has moved yet.
    pub(super) fn gradients(&mut self, index: usize) -> Result<Learned, Error> {
        let batches = self.plan.batches_of(index, &self.parts.train);
        self.student.forget();
        let mut learned = Learned::default();
        let count = batches.len();
        for (number, batch) in batches.iter().enumerate() {
            self.check()?;
            let batch = self.batch(batch, index);
            let found = self.learn(&batch, Moment { step: index, batch: number }, count)?;
            learned.loss += found.0 / count as f64;
            learned.right += found.1;
            learned.seen += found.2;
            learned.tokens += batch.tokens as u64;
        }
        Ok(learned)
    }

    /// Moves what learns at a rate, and gives the length of the gradients before they were clipped; where that
    /// is no number, nothing moves.
    pub(super) fn move_by(&mut self, rate: f64) -> Result<f64, Error> {
        let grad_norm = self.student.clip(self.config.max_grad_norm);
        if grad_norm.is_finite() {
            self.student.step(rate)?;
        }
        Ok(grad_norm)
    }

    /// One optimizer step. A stop in the middle leaves everything as it was before it.
    fn one_step(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let index = self.state.step;
        let Learned { loss, right, seen, tokens } = self.gradients(index)?;
        self.finite("loss", loss)?;
        let schedule = Schedule {
            kind: self.config.lr_scheduler_type,
            kwargs: &self.config.lr_scheduler_kwargs,
            learning_rate: self.config.learning_rate,
            warmup_steps: self.config.warmup(self.plan.steps),
            total_steps: self.plan.steps,
        };
        let rate = schedule.rate(index);
        let grad_norm = self.move_by(rate)?;
        self.finite("gradient", grad_norm)?;
        self.state.step += 1;
        self.state.num_tokens += tokens;
        let mut values = Values::from([
            (Metric::Loss, loss),
            (Metric::GradNorm, grad_norm),
            (Metric::LearningRate, rate),
        ]);
        if seen > 0 {
            values.set(self.share_of_right(), right as f64 / seen as f64);
        }
        let metrics = StepMetrics {
            step: self.state.step,
            epoch: self.plan.epoch_after(index),
            num_tokens: self.state.num_tokens,
            values,
            step_secs: started.elapsed().as_secs_f64(),
            ..StepMetrics::default()
        };
        self.report(&metrics)?;
        self.progress.emit(TrainEvent::Step(metrics.clone()));
        self.last_step = Some(metrics);
        Ok(())
    }

    /// What the share of what was right is called.
    fn share_of_right(&self) -> Metric {
        let is_written = self.config.objective == Objective::Sft;
        if is_written { Metric::MeanTokenAccuracy } else { Metric::Accuracy }
    }

    /// `time`: the step, so that words are hidden anew each time.
    fn batch(&self, examples: &[usize], time: usize) -> BatchOf {
        let written = |at: usize| self.rows.answers.get(at).map_or(0, Vec::len);
        let lengths = examples.iter().map(|at| self.rows.examples[*at].ids.len() + written(*at));
        let tokens = lengths.sum();
        let examples = examples.to_vec();
        if self.labels.is_some() || !self.rows.answers.is_empty() {
            return BatchOf { examples, hidden: None, tokens };
        }
        let (mut shown, mut places, mut words) = (Vec::new(), Vec::new(), Vec::new());
        let mut before = 0;
        for at in &examples {
            let ids = &self.rows.examples[*at].ids;
            let (ids, own_places, own_words) = match (&self.rows.hidden[*at], &self.rows.masking) {
                (Some((places, words)), _) => (ids.clone(), places.clone(), words.clone()),
                (None, Some(masking)) => {
                    let seed = self.config.seed ^ ((time as u64) << 32) ^ (*at as u64);
                    let hidden = masking.hide(ids, self.student.tokenizer(), seed);
                    (hidden.ids, hidden.places, hidden.words)
                }
                (None, None) => (ids.clone(), Vec::new(), Vec::new()),
            };
            places.extend(own_places.into_iter().map(|place| before + place));
            before += ids.len();
            words.extend(own_words);
            shown.push(ids);
        }
        BatchOf { examples, hidden: Some((shown, places, words)), tokens }
    }

    /// The loss of a batch, how many were right of how many. The gradients are a mean over `count`
    /// batches.
    fn learn(
        &mut self,
        batch: &BatchOf,
        moment: Moment,
        count: usize,
    ) -> Result<(f64, usize, usize), Error> {
        let Self { rows, labels, student, .. } = self;
        let mut found = (0.0, 0, 0);
        let share = 1.0 / count as f32;
        let scaled = |mut slopes: Vec<f32>| {
            if count > 1 {
                slopes.iter_mut().for_each(|slope| *slope *= share);
            }
            slopes
        };
        let Some(labels) = labels else {
            let (read, words) = batch.words(rows);
            if words.is_empty() {
                return Ok(found);
            }
            let mut slopes = |scores: &[f32]| {
                let (sloped, right) = loss::of_words(scores, &words);
                found = (sloped.loss, right, words.len());
                scaled(sloped.slopes)
            };
            student.learn(&read, Some(moment), &mut slopes)?;
            return Ok(found);
        };
        let texts = batch.examples.iter().map(|at| rows.examples[*at].tokens()).collect();
        let read = Read::of(texts);
        let targets: Vec<&Target> = batch.examples.iter().map(|at| &rows.targets[*at]).collect();
        let (problem, weights) = (labels.problem, &rows.weights);
        let mut slopes = |scores: &[f32]| {
            let sloped = loss::of_texts(problem, scores, &targets, weights);
            let rows = scores.chunks_exact(labels.names.len()).zip(&targets);
            let classed =
                rows.filter_map(|(scores, target)| Some((largest(scores)?, target.class()?)));
            let (right, seen) = classed.fold((0, 0), |(right, seen), (given, class)| {
                (right + usize::from(given == class), seen + 1)
            });
            found = (sloped.loss, right, seen);
            scaled(sloped.slopes)
        };
        student.learn(&read, Some(moment), &mut slopes)?;
        Ok(found)
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

    /// What the model makes of some rows as it is now.
    fn measured(
        &self,
        rows: &[usize],
        part: Part,
    ) -> Result<(EvalMetrics, Option<Confusion>), Error> {
        let mut order = rows.to_vec();
        // Texts of one length run together.
        order.sort_by_key(|at| (self.rows.examples[*at].ids.len(), *at));
        let size = self.config.per_device_train_batch_size.max(8);
        let mut values = Values::default();
        let confusion = if let Some(labels) = &self.labels {
            let count = labels.names.len();
            let mut scores = vec![0.0; rows.len() * count];
            let place: std::collections::BTreeMap<usize, usize> =
                rows.iter().enumerate().map(|(place, at)| (*at, place)).collect();
            for batch in order.chunks(size) {
                self.check()?;
                let texts = batch.iter().map(|at| self.rows.examples[*at].tokens()).collect();
                let found = self.student.scores(&Read::of(texts))?;
                for (at, found) in batch.iter().zip(found.chunks_exact(count)) {
                    scores[place[at] * count..][..count].copy_from_slice(found);
                }
            }
            let targets: Vec<&Target> = rows.iter().map(|at| &self.rows.targets[*at]).collect();
            let mut tally = Tally::new(labels);
            for (scores, target) in scores.chunks_exact(count).zip(&targets) {
                tally.add(scores, target);
            }
            values = values.and(&tally.values());
            let loss = loss::of_texts(labels.problem, &scores, &targets, &self.rows.weights).loss;
            values.set(Metric::Loss, loss);
            tally.confusion(self.state.step, part)
        } else {
            let (mut loss, mut right, mut seen) = (0.0, 0, 0);
            for batch in order.chunks(size) {
                self.check()?;
                // The same words are hidden at every evaluation.
                let batch = self.batch(batch, usize::MAX);
                let (read, words) = batch.words(&self.rows);
                let scores = self.student.scores(&read)?;
                let (mean, hits) = loss::of_words_alone(&scores, &words);
                loss += mean * words.len() as f64;
                right += hits;
                seen += words.len();
            }
            values.set(Metric::Loss, loss / seen.max(1) as f64);
            values.set(self.share_of_right(), right as f64 / seen.max(1) as f64);
            None
        };
        let metrics = EvalMetrics {
            step: self.state.step,
            pair_count: rows.len(),
            values,
            ..EvalMetrics::default()
        };
        Ok((metrics, confusion))
    }

    /// The validation part, measured. The best model so far is kept.
    fn evaluate(&mut self) -> Result<(), Error> {
        let (metrics, confusion) = self.measured(&self.parts.validation, Part::Validation)?;
        let standing = self.evaluations.add(&metrics, &self.config);
        if standing == Standing::Best && self.config.eval_steps > 0 {
            self.student.save(&best::folder(self.run_dir, metrics.step), &self.identity)?;
        }
        self.report(&metrics)?;
        self.progress.emit(TrainEvent::Evaluated(metrics.clone()));
        if let Some(confusion) = confusion {
            confusion.append(self.run_dir)?;
            self.progress.emit(TrainEvent::Confused(confusion));
        }
        self.stopped_early = self.evaluations.enough(&self.config);
        self.evaluation = Some(metrics);
        Ok(())
    }

    /// Writes the model or the adapter, what is needed to resume, and how far the run is.
    fn save(&mut self, record: &mut RunRecord) -> Result<(), Error> {
        buffers::release();
        // A whole model is written once it has learned something; to resume, the checkpoint is enough.
        if self.student.is_adapter() || self.state.step > 0 {
            self.student.save(self.run_dir, &self.identity)?;
        }
        self.student.write_checkpoint(self.run_dir, self.state)?;
        record.steps_done = self.state.step;
        record.best.clone_from(&self.evaluations.best);
        record.write(self.run_dir)?;
        if let Some(Best { step, .. }) = self.evaluations.best {
            best::remove_others(self.run_dir, step)?;
        }
        self.progress.emit(TrainEvent::Saved { step: self.state.step });
        Ok(())
    }

    /// After the last step: the best model is the run's, and the test part is opened.
    fn finish(&mut self) -> Result<(), Error> {
        let mut step = self.state.step; // after which the model was as it is tested
        if self.config.load_best_model_at_end
            && let Some(best) = &self.evaluations.best
        {
            let folder = best::folder(self.run_dir, best.step);
            if folder.is_dir() {
                step = best.step;
                self.student.restore(&folder)?;
                self.student.save(self.run_dir, &self.identity)?;
            }
        }
        if self.parts.test.is_empty() || Tested::read(self.run_dir).is_some() {
            return Ok(());
        }
        let (metrics, confusion) = self.measured(&self.parts.test, Part::Test)?;
        let EvalMetrics { step: _, pair_count: texts, values, sources: _ } = metrics;
        let confusion = confusion.map(|found| Confusion { step, ..found });
        let tested = Tested { step, texts, values, confusion };
        tested.write(self.run_dir)?;
        self.progress.emit(TrainEvent::Tested(tested));
        Ok(())
    }

    /// A line of the run's metrics.
    fn report(&self, line: &impl serde::Serialize) -> Result<(), Error> {
        let path = self.run_dir.join(record::METRICS_FILE);
        files::append_json(&path, line).map_err(|source| Error::Write { path, source })
    }

    /// A run whose numbers are gone is ended before they reach the model.
    fn finite(&self, what: &'static str, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            return Ok(());
        }
        let kept_step = RunRecord::read(self.run_dir).map_or(0, |record| record.steps_done);
        Err(Error::NotFinite { what, step: self.state.step + 1, kept_step })
    }

    fn summary(self) -> RunSummary {
        RunSummary {
            run_dir: self.run_dir.to_owned(),
            adapter_dir: self.run_dir.to_owned(),
            model_dir: (!self.student.is_adapter()).then(|| self.run_dir.to_owned()),
            steps_done: self.state.step,
            steps_planned: self.plan.steps,
            last_step: self.last_step,
            evaluation: self.evaluation,
            best: self.evaluations.best,
            stopped_early: self.stopped_early,
        }
    }
}
