//! Works on a sweep: all of its runs, one after the other; a new one, or one that is continued.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::training_rows::TrainingRows;
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::{Cancelled, Progress};
use crate::state::command::{Command, TrainCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::state::train::curves::Curves;
use crate::state::train::sweep::{ShownSweep, name};
use crate::sweep::error::Error;
use crate::sweep::expand::Planned;
use crate::sweep::queue::{Held, Queue};
use crate::sweep::table::Table;
use crate::sweep::work;
use crate::sweep::work::{Ended, SweepEvent};
use crate::sweep::worker::Worker;
use crate::train::config::TrainConfig;
use crate::train::record::history::History;
use crate::train::record::metrics::{RunSummary, TrainEvent};
use crate::train::record::{DATA_FILE, runs};

pub struct RunSweep {
    /// The name of its folder.
    pub id: String,

    /// The folder of the run under way.
    pub run: Option<PathBuf>,
}

/// What is to be worked on.
pub struct SweepWork {
    pub folder: PathBuf,

    /// `None`: what is left of the queue in the folder.
    pub new: Option<NewSweep>,
}

pub struct NewSweep {
    pub planned: Vec<Planned>,
    pub rows: TrainingRows,
}

/// What it says on the way.
#[expect(clippy::large_enum_variant, reason = "most of them are steps of a run")]
pub enum SweepNews {
    /// What is done before the first run, in words.
    Preparing(String),

    /// A run begins: where, and what it did before.
    Began {
        index: usize,
        run_dir: PathBuf,
        config: Box<TrainConfig>,
        past: Box<Curves>,
    },
    Run(TrainEvent),
    Ended(Option<String>),
    Standing(Box<Table>),
}

impl Work for RunSweep {
    type Request = SweepWork;
    type Event = SweepNews;
    type Output = Ended;
    type Error = Error;

    const RULES: Rules = Rules {
        takes_processor: true,
        gives_way: true,
        on_closing: OnClosing::Ask,
        ..Rules::short("The sweep")
    };

    fn run(
        SweepWork { folder, new }: SweepWork,
        _services: &Services,
        progress: &dyn Progress<SweepNews>,
    ) -> Result<Ended, Error> {
        let mut worker = Worker::with_cache();
        let mut held = match new {
            None => Held::open(&folder)?,
            Some(new) => {
                let made = started(&folder, new, &mut worker, progress);
                if made.is_err() {
                    // Nothing was started: only the queue and its rows are in it.
                    std::fs::remove_dir_all(&folder).ok();
                }
                made?
            }
        };
        let run_dirs = held.queue.runs.iter().map(|run| run.run_dir(&folder)).collect();
        let heard = Heard { progress, run_dirs };
        work::work(&mut held, &mut worker, &heard)
    }
}

/// A new queue, whose runs are folders among those of the project.
fn started(
    folder: &Path,
    NewSweep { mut planned, rows }: NewSweep,
    worker: &mut Worker,
    progress: &dyn Progress<SweepNews>,
) -> Result<Held, Error> {
    let data = match &rows {
        TrainingRows::File(path) | TrainingRows::TextFile(path) => path.clone(),
        TrainingRows::Pairs(_)
        | TrainingRows::Verdicts(_)
        | TrainingRows::Text(_)
        | TrainingRows::Carried(_) => {
            let path = folder.join(DATA_FILE);
            rows.write(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
            path
        }
    };
    for run in &mut planned {
        if !run.values.contains_key("data") {
            run.config.data.clone_from(&data);
        }
    }
    let id = name(folder);
    let beside = Path::new("..").join("..").join("runs");
    let folder_of = |number: usize, run: &Planned| {
        beside.join(format!("{id}-{}", run.folder(number).display()))
    };
    let mut held = Held::create(folder, Queue::new(&planned, folder_of)?)?;
    work::estimate(&mut held, worker, &Preparing(progress))?;
    Ok(held)
}

/// What is said before the first run.
struct Preparing<'a>(&'a dyn Progress<SweepNews>);

impl Progress<TrainEvent> for Preparing<'_> {
    fn emit(&self, event: TrainEvent) {
        if let TrainEvent::Preparing { what, .. } = event {
            self.0.emit(SweepNews::Preparing(what));
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

/// What the queue says, with what the window shows of it.
struct Heard<'a> {
    progress: &'a dyn Progress<SweepNews>,
    run_dirs: Vec<PathBuf>,
}

impl Progress<SweepEvent> for Heard<'_> {
    fn emit(&self, event: SweepEvent) {
        self.progress.emit(match event {
            SweepEvent::Standing(table) => SweepNews::Standing(table),
            SweepEvent::Began { index, label: _, config } => {
                let run_dir = self.run_dirs[index].clone();
                let history = History::read(&run_dir);
                let past = Box::new(Curves::of(&history.steps, &history.evaluations));
                SweepNews::Began { index, run_dir, config, past }
            }
            SweepEvent::Run(event) => SweepNews::Run(event),
            SweepEvent::Ended { index: _, problem } => SweepNews::Ended(problem),
        });
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.progress.check()
    }

    fn rest(&self) {
        self.progress.rest();
    }
}

impl Task<Workbench> for RunSweep {
    fn on_event(&mut self, event: SweepNews, app: &mut Workbench) {
        let train = &mut app.state.train;
        match event {
            SweepNews::Preparing(what) => {
                if let Some(under_way) = &mut train.sweep.under_way {
                    under_way.preparing = Some(what);
                }
            }
            SweepNews::Began { index, run_dir, config, past } => {
                if let Some(under_way) = &mut train.sweep.under_way {
                    under_way.run = Some(index);
                }
                train.begin_of_sweep(name(&run_dir), &config, *past);
                self.run = Some(run_dir);
            }
            SweepNews::Run(event) => train.on_event(event),
            SweepNews::Ended(problem) => {
                if let Some(under_way) = &mut train.sweep.under_way {
                    under_way.run = None;
                }
                let ended = self.run.take().map(|run_dir| summary(&run_dir));
                match (problem, ended) {
                    (Some(problem), _) => train.finished(Err(problem)),
                    (None, Some(Some(summary))) => train.finished(Ok(summary)),
                    (None, _) => {
                        train.finished(Err("It was stopped before its first step".to_owned()));
                    }
                }
                app.list_runs();
            }
            SweepNews::Standing(table) => train.sweep.standing(&self.id, *table),
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.train.sweep.ended(&self.id);
        app.list_runs();
        app.measure_memory();
    }

    fn done(self, ended: Ended, app: &mut Workbench) {
        if ended == Ended::Stopped {
            return;
        }
        // Another sweep may be shown by now.
        let shown = app.state.train.sweep.shown.as_ref().filter(|shown| shown.id == self.id);
        let summary = match shown.and_then(ShownSweep::sentence) {
            Some(sentence) => format!("The sweep {} has ended: {sentence}", self.id),
            None => format!("The sweep {} has ended", self.id),
        };
        app.state.notices.push(Notice::info(PanelId::Train, summary));
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        if app.state.train.is_running() {
            app.state.train.finished(Err(error.to_string()));
        }
        if matches!(error, Error::Stopped) {
            return;
        }
        let notice = Notice::error(PanelId::Train, "The sweep ended with an error", &error);
        app.state.notices.push(notice.hint("What was done before is in the list of runs"));
    }

    fn crashed(self, message: &str, app: &mut Workbench) {
        app.state.train.finished(Err(message.to_owned()));
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let under_way = app.state.train.sweep.under_way.as_ref()?;
        let share = under_way.done as f32 / under_way.count.max(1) as f32;
        Some(Activity {
            fraction: (under_way.count > 0).then_some(share),
            stop: Some(Command::Train(TrainCommand::StopSweep)),
            ..Activity::new("Sweep", under_way.sentence())
        })
    }
}

/// How a run ended, as its folder says. `None`: it left nothing.
fn summary(run_dir: &Path) -> Option<RunSummary> {
    let entry = runs::entry(run_dir).ok()?;
    Some(RunSummary {
        run_dir: run_dir.to_owned(),
        adapter_dir: run_dir.to_owned(),
        model_dir: (entry.has_model && !entry.has_adapter).then(|| run_dir.to_owned()),
        steps_done: entry.record.steps_done,
        steps_planned: entry.record.steps_planned,
        last_step: entry.last_step,
        evaluation: entry.evaluation,
        best: entry.record.best,
        stopped_early: entry.record.message,
    })
}
