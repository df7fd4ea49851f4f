//! Works on a queue: one run after the other, each written down before the next begins.

use std::path::Path;

use super::error::Error;
use super::queue::{Held, State};
use super::report;
use super::table::Table;
use super::worker::Worker;
use crate::errors::one_line;
use crate::jobs::{Cancelled, Progress};
use crate::train;
use crate::train::config::TrainConfig;
use crate::train::record::RECORD_FILE;
use crate::train::record::metrics::TrainEvent;
use crate::train::record::notes::RunNotes;

/// What a sweep says while it runs.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most of them are steps of a run")]
pub enum SweepEvent {
    /// How every run stands.
    Standing(Box<Table>),

    /// This run of the queue begins, or continues.
    Began { index: usize, label: String, config: Box<TrainConfig> },

    /// What it says.
    Run(TrainEvent),

    /// It has ended: with a sentence that says why it failed, or well.
    Ended { index: usize, problem: Option<String> },
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left.
    Done,

    /// Somebody stopped it: what the run under way has learned is kept.
    Stopped,
}

/// What each run takes, before anything starts: of the runs of one configuration the first is estimated for
/// all. Fails where one would be refused.
pub fn estimate(
    held: &mut Held,
    worker: &mut Worker,
    progress: &dyn Progress<TrainEvent>,
) -> Result<(), Error> {
    for index in 0..held.queue.runs.len() {
        progress.check().map_err(|Cancelled| Error::Stopped)?;
        let configuration = held.queue.runs[index].configuration;
        let first = held.queue.runs.iter().position(|run| run.configuration == configuration);
        let (parameters, memory, secs) = if let Some(first) = first.filter(|first| *first < index) {
            let run = &held.queue.runs[first];
            (run.trained_parameters, run.peak_memory_bytes, run.estimated_secs)
        } else {
            let run = &held.queue.runs[index];
            let takes = worker.takes(&run.config()?, progress).map_err(|err| match err {
                Error::Train(train::Error::Cancelled) => Error::Stopped,
                err => Error::Refused { label: run.label.clone(), source: Box::new(err) },
            })?;
            (takes.parameters, Some(takes.memory), Some(takes.secs))
        };
        let run = &mut held.queue.runs[index];
        run.trained_parameters = parameters;
        run.peak_memory_bytes = memory;
        run.estimated_secs = secs;
    }
    held.write()
}

/// Does all runs that are left. One that fails is marked with its reason, and the others follow.
pub fn work(
    held: &mut Held,
    worker: &mut Worker,
    progress: &dyn Progress<SweepEvent>,
) -> Result<Ended, Error> {
    if held.queue.left() > 0 {
        held.queue.check_data()?;
    }
    tell(held, progress)?;
    while let Some(index) = held.queue.runs.iter().position(super::queue::Entry::is_left) {
        if progress.check().is_err() {
            return Ok(Ended::Stopped);
        }
        let ended = one(held, index, worker, progress)?;
        held.write()?;
        tell(held, progress)?;
        if ended == Ended::Stopped {
            return Ok(ended);
        }
    }
    Ok(Ended::Done)
}

fn one(
    held: &mut Held,
    index: usize,
    worker: &mut Worker,
    progress: &dyn Progress<SweepEvent>,
) -> Result<Ended, Error> {
    let run_dir = held.queue.runs[index].run_dir(&held.folder);
    let config = held.queue.runs[index].config()?;
    held.queue.runs[index].state = State::Running;
    held.queue.runs[index].message = None;
    held.write()?; // before anything slow: a full or read-only disk is known now
    tell(held, progress)?;
    let label = held.queue.runs[index].label.clone();
    progress.emit(SweepEvent::Began { index, label, config: Box::new(config.clone()) });
    let of_run = OfRun(progress);
    if held.queue.runs[index].peak_memory_bytes.is_none()
        // What keeps it from being estimated is told by the run itself.
        && let Ok(takes) = worker.takes(&config, &of_run)
    {
        let run = &mut held.queue.runs[index];
        run.trained_parameters = takes.parameters;
        run.peak_memory_bytes = Some(takes.memory);
        run.estimated_secs = Some(takes.secs);
    }
    let result = worker.run(config, &run_dir, &of_run);
    name(&run_dir, &held.queue.runs[index].label);
    let run = &mut held.queue.runs[index];
    let ended = match result {
        Ok(summary) => {
            let is_done =
                summary.steps_done >= summary.steps_planned || summary.stopped_early.is_some();
            run.state = if is_done { State::Done } else { State::Stopped };
            if is_done { Ended::Done } else { Ended::Stopped }
        }
        Err(Error::Train(train::Error::Cancelled)) => {
            run.state = State::Waiting;
            Ended::Stopped
        }
        // Stopped while its model was loaded.
        Err(_) if progress.check().is_err() && !run_dir.join(RECORD_FILE).exists() => {
            run.state = State::Waiting;
            Ended::Stopped
        }
        Err(err) => {
            run.state = State::Failed;
            run.message = Some(one_line(&err));
            Ended::Done
        }
    };
    let problem = run.message.clone();
    progress.emit(SweepEvent::Ended { index, problem });
    Ok(ended)
}

/// A run is called by what is its own, unless a person has called it otherwise.
fn name(run_dir: &Path, label: &str) {
    let notes = RunNotes::read(run_dir);
    if run_dir.join(RECORD_FILE).exists() && notes.title.is_empty() {
        let notes = RunNotes { title: label.to_owned(), ..notes };
        // Without a name it is called by its folder, which says the same.
        notes.write(run_dir).ok();
    }
}

/// The table so far, into the folder and to whoever watches.
fn tell(held: &Held, progress: &dyn Progress<SweepEvent>) -> Result<(), Error> {
    let table = Table::of(&held.folder, &held.queue)?;
    report::write(&table, &held.folder)?;
    progress.emit(SweepEvent::Standing(Box::new(table)));
    Ok(())
}

/// Passes on what a run says, and a Stop to it.
struct OfRun<'a>(&'a dyn Progress<SweepEvent>);

impl Progress<TrainEvent> for OfRun<'_> {
    fn emit(&self, event: TrainEvent) {
        self.0.emit(SweepEvent::Run(event));
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }

    fn rest(&self) {
        self.0.rest();
    }
}
