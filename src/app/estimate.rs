//! Keeps the estimate in the Train panel up to date with its form.

use std::path::PathBuf;
use std::sync::Arc;

use super::Workbench;
use super::running::take_ended;
use crate::jobs::JobEnd;
use crate::state::prefs::PanelId;
use crate::state::train::LeftTab;
use crate::state::train::estimate::EstimateSlot;
use crate::state::train::form::DataSource;
use crate::train::config::TrainConfig;
use crate::train::estimate::free_memory;

/// Everything that an estimate depends on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    model: String,
    form: TrainConfig,
    source: DataSource,
    file: Option<PathBuf>,
    rows: usize,
}

impl Workbench {
    /// Takes in the estimate under way, and starts another where the form says something new.
    pub(super) fn poll_estimate(&mut self) {
        let end = take_ended(&mut self.running.estimate, |(_, job)| job.poll(|_progress| {}));
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
        let Some(asked) = self.to_be_estimated() else { return };
        if self.estimated.as_ref() == Some(&asked) {
            return;
        }
        if let Some((_, job)) = &self.running.estimate {
            job.cancel(); // of a form that is no more; the next begins once it has ended
            return;
        }
        self.estimated = Some(asked);
        let Ok((data, folder)) = self.chosen_data() else { return };
        let config = TrainConfig { data, ..self.state.train.form.clone() };
        self.state.train.estimate = EstimateSlot::Counting;
        let job = self.engine.estimate(config, Arc::clone(&self.wake));
        self.running.estimate = Some((folder, job));
    }

    /// A run needs the processor now; the estimate is made again once it has ended.
    pub(super) fn forget_estimate(&mut self) {
        if let Some((_, job)) = &self.running.estimate {
            job.cancel();
            self.estimated = None;
        }
    }

    /// `None`: the form is not looked at, cannot be started anyway, or the processor is needed for
    /// something else, whose speed would be measured instead.
    fn to_be_estimated(&self) -> Option<Asked> {
        let train = &self.state.train;
        let looked_at =
            self.state.prefs.panel == PanelId::Train && train.left_tab == LeftTab::Setup;
        let busy = self.running.train.is_some()
            || self.running.generate.is_some()
            || self.running.measuring.is_some()
            || self.running.load.is_some();
        let rows = train.data().map_or(0, |data| data.rows());
        if !looked_at || busy || rows < 2 || !train.form_problems().is_empty() {
            return None;
        }
        let model = self.state.model.ready()?.identity.sha256.clone();
        Some(Asked {
            model,
            form: train.form.clone(),
            source: train.source,
            file: train.file.as_ref().map(|file| file.path.clone()),
            rows,
        })
    }
}
