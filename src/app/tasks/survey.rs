//! Surveys the chosen data as a run would see it.

use std::path::Path;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::tasks::train::TrainJobError;
use crate::app::training_rows::TrainingRows;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::state::command::TrainCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::survey::SurveySlot;
use crate::train;
use crate::train::config::TrainConfig;
use crate::train::record::metrics::TrainEvent;
use crate::train::rows::prepare;
use crate::train::rows::survey::Survey;

pub struct SurveyData;

impl Work for SurveyData {
    type Request = (TrainConfig, TrainingRows);
    type Event = TrainEvent;
    type Output = Survey;
    type Error = TrainJobError;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short("Looking at the data") };

    fn run(
        (config, rows): (TrainConfig, TrainingRows),
        services: &Services,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<Survey, TrainJobError> {
        let model = services.model().map_err(TrainJobError::Model)?;
        let survey = |data: &Path| {
            let config = TrainConfig { data: data.to_owned(), ..config };
            prepare::survey(&model, &config, progress)
        };
        Ok(rows.as_file(survey).map_err(TrainJobError::Data)??)
    }
}

impl Task<Workbench> for SurveyData {
    fn on_event(&mut self, event: TrainEvent, app: &mut Workbench) {
        if let TrainEvent::Preparing { done, total, .. } = event {
            app.state.train.survey.progress(done, total);
        }
    }

    fn done(self, survey: Survey, app: &mut Workbench) {
        app.state.train.survey.ready(survey);
    }

    fn failed(self, error: TrainJobError, app: &mut Workbench) {
        app.state.train.survey = SurveySlot::Closed;
        if !matches!(error, TrainJobError::Train(train::Error::Cancelled)) {
            app.state.notices.push(
                Notice::error(PanelId::Train, "The data cannot be trained on", &error)
                    .remedy("Choose another…", TrainCommand::ChooseData),
            );
        }
    }

    fn crashed(self, _message: &str, app: &mut Workbench) {
        app.state.train.survey = SurveySlot::Closed;
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
