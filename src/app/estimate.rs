//! Keeps the estimate in the Train panel up to date with its form.

use std::path::PathBuf;
use std::sync::Arc;

use super::Workbench;
use super::running::take_ended;
use crate::jobs::JobEnd;
use crate::llm::card::ModelCard;
use crate::state::prefs::PanelId;
use crate::state::train::estimate::EstimateSlot;
use crate::state::train::form::DataSource;
use crate::state::train::{LeftTab, TrainState};
use crate::train::config::TrainConfig;
use crate::train::estimate::free_memory;
use crate::train::metrics::TrainEvent;

/// From so many rows on, reading them takes long enough to say how far that is.
const MANY_ROWS: usize = 2000;

/// Everything that an estimate depends on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    model: String,
    form: TrainConfig,
    source: DataSource,
    file: Option<PathBuf>,
    rows: usize,
}

impl Asked {
    fn of(model: &ModelCard, train: &TrainState) -> Self {
        Self {
            model: model.identity.sha256.clone(),
            form: train.form.clone(),
            source: train.source,
            file: train.file.as_ref().map(|file| file.path.clone()),
            rows: rows(train),
        }
    }

    /// Whether it is what would be asked now.
    fn still_holds(&self, model: &ModelCard, train: &TrainState) -> bool {
        let Self { model: asked_of, form, source, file, rows: counted } = self;
        *asked_of == model.identity.sha256
            && *form == train.form
            && *source == train.source
            && file.as_ref() == train.file.as_ref().map(|file| &file.path)
            && *counted == rows(train)
    }
}

fn rows(train: &TrainState) -> usize {
    train.data().map_or(0, |data| data.rows())
}

impl Workbench {
    /// Takes in the estimate under way, and starts another where the form says something new.
    pub(super) fn poll_estimate(&mut self) {
        let end = take_ended(&mut self.running.estimate, |job| {
            job.poll(|event| {
                if let TrainEvent::Preparing { done, total, .. } = event
                    && total > MANY_ROWS
                {
                    self.state.train.estimate = EstimateSlot::Counting(Some((done, total)));
                }
            })
        });
        match end {
            // What stands in the way of an estimate is said when the run is started.
            Some(JobEnd::Failed(_) | JobEnd::Crashed(_)) => {
                self.state.train.estimate = EstimateSlot::Unknown;
            }
            Some(JobEnd::Done(estimate)) => {
                let estimate = Box::new(estimate);
                let free = free_memory();
                self.state.train.estimate = EstimateSlot::Known { estimate, free };
            }
            None => {}
        }
        let Some(model) = self.estimable() else { return };
        let train = &self.state.train;
        if self.estimated.as_ref().is_some_and(|asked| asked.still_holds(model, train)) {
            return;
        }
        if let Some(job) = &self.running.estimate {
            job.cancel(); // of a form that is no more; the next begins once it has ended
            return;
        }
        self.estimated = Some(Asked::of(model, train));
        let Ok(rows) = self.training_rows() else { return };
        let config = self.state.train.form.clone();
        self.state.train.estimate = EstimateSlot::Counting(None);
        self.running.estimate = Some(self.engine.estimate(config, rows, Arc::clone(&self.wake)));
    }

    /// A run needs the processor now; the estimate is made again once it has ended.
    pub(super) fn forget_estimate(&mut self) {
        if let Some(job) = &self.running.estimate {
            job.cancel();
            self.estimated = None;
        }
    }

    /// The model of which the form's run can be estimated. `None`: the form is not looked at,
    /// cannot be started anyway, or the processor is needed for something else, whose speed would
    /// be measured instead.
    fn estimable(&self) -> Option<&ModelCard> {
        let train = &self.state.train;
        let looked_at =
            self.state.prefs.panel == PanelId::Train && train.left_tab == LeftTab::Setup;
        let busy = self.running.train.is_some()
            || self.running.generate.is_some()
            || self.running.measuring.is_some()
            || self.running.load.is_some();
        if !looked_at || busy || rows(train) < 2 || !train.form_problems().is_empty() {
            return None;
        }
        self.state.model.ready()
    }
}
