//! Estimates what the run in the Train panel's form would take, and keeps that up to date.

use std::path::Path;

use crate::app::Workbench;
use crate::app::connection::lock;
use crate::app::services::{Services, cache_folder};
use crate::app::task::Task;
use crate::app::tasks::train::TrainJobError;
use crate::app::training_rows::TrainingRows;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::llm::card::ModelCard;
use crate::memory::free_memory;
use crate::state::prefs::PanelId;
use crate::state::train::LeftTab;
use crate::state::train::estimate::EstimateSlot;
use crate::state::train::estimate_inputs::{EstimateInputs, rows};
use crate::train::config::TrainConfig;
use crate::train::estimate::Estimate;
use crate::train::record::metrics::TrainEvent;

/// From so many rows on, reading them takes long enough to say how far that is.
const MANY_ROWS: usize = 2000;

pub struct EstimateRun;

impl Work for EstimateRun {
    type Request = (TrainConfig, TrainingRows);
    type Event = TrainEvent;
    type Output = Estimate;
    type Error = TrainJobError;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short("The estimate") };

    fn run(
        (config, rows): (TrainConfig, TrainingRows),
        services: &Services,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<Estimate, TrainJobError> {
        let model = services.model().map_err(TrainJobError::Model)?;
        let cache = cache_folder();
        let estimate = |data: &Path| {
            let files = (data, cache.as_deref());
            lock(&services.estimator).estimate(&model, &config, files, progress)
        };
        Ok(rows.as_file(estimate).map_err(TrainJobError::Data)??)
    }
}

impl Task<Workbench> for EstimateRun {
    fn on_event(&mut self, event: TrainEvent, app: &mut Workbench) {
        if let TrainEvent::Preparing { done, total, .. } = event
            && total > MANY_ROWS
        {
            app.state.train.estimate = EstimateSlot::Counting(Some((done, total)));
        }
    }

    fn done(self, estimate: Estimate, app: &mut Workbench) {
        let (estimate, free) = (Box::new(estimate), free_memory());
        app.state.train.estimate = EstimateSlot::Known { estimate, free };
    }

    /// What stands in the way of an estimate is said when the run is started.
    fn failed(self, _error: TrainJobError, app: &mut Workbench) {
        app.state.train.estimate = EstimateSlot::Unknown;
    }

    fn crashed(self, _message: &str, app: &mut Workbench) {
        app.state.train.estimate = EstimateSlot::Unknown;
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}

impl Workbench {
    /// Starts another estimate where the form says something new.
    pub(crate) fn renew_estimate(&mut self) {
        if self.tasks.is_computing_beside::<EstimateRun>() {
            self.forget_estimate(); // its measured speed would be too low
        }
        if self.state.train.says_its_own_size() {
            self.forget_estimate();
            self.estimated = None;
            self.state.train.estimate = EstimateSlot::Unknown;
        }
        let Some(model) = self.estimable() else { return };
        let train = &self.state.train;
        if self.estimated.as_ref().is_some_and(|asked| asked.still_holds(model, train)) {
            return;
        }
        if self.tasks.has::<EstimateRun>() {
            self.tasks.stop::<EstimateRun>(); // the next begins once it has ended
            return;
        }
        self.estimated = Some(EstimateInputs::of(model, train));
        let Ok(rows) = self.training_rows() else { return };
        let config = self.state.train.run_config();
        self.state.train.estimate = EstimateSlot::Counting(None);
        self.start(EstimateRun, (config, rows));
    }

    /// Something else needs the processor; the estimate is made again once that has ended.
    fn forget_estimate(&mut self) {
        if self.tasks.has::<EstimateRun>() {
            self.tasks.stop::<EstimateRun>();
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
        let busy = self.tasks.is_computing_beside::<EstimateRun>();
        let elsewhere = train.says_its_own_size();
        if !looked_at || busy || elsewhere || rows(train) < 2 {
            return None;
        }
        // What is wrong with the form last: of all this it takes the longest, and this is asked in every frame.
        self.state.model.ready().filter(|_| train.form_problems().is_empty())
    }
}
