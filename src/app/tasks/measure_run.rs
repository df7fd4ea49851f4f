//! Measures a run's adapter against its model.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::tasks::train::TrainJobError;
use crate::app::work::{OnClosing, Rules, Work};
use crate::eval::comparison::{self, Comparison};
use crate::eval::preference::Measured;
use crate::files;
use crate::jobs::{Progress, Quiet};
use crate::llm;
use crate::llm::adapter::lora::Adapter;
use crate::llm::card::ModelSource;
use crate::llm::model::{LoadOptions, Model};
use crate::state::command::{Command, TrainCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::train;
use crate::train::config::TrainConfig;
use crate::train::record::DATA_FILE;

/// What was measured of a run, beside its adapter.
const COMPARISON_FILE: &str = "comparison.json";

/// `None`: the run was not measured, or by a version that measured otherwise.
pub fn read_comparison(run_dir: &Path) -> Option<Comparison> {
    serde_json::from_slice(&std::fs::read(run_dir.join(COMPARISON_FILE)).ok()?).ok()
}

/// How far it is.
pub struct MeasureRun {
    pub measured: Measured,
}

/// A run, and the model that it was trained on.
pub struct RunToMeasure {
    pub id: String,
    pub source: ModelSource,
    pub folder: PathBuf,
    pub config: TrainConfig,
}

impl Work for MeasureRun {
    type Request = RunToMeasure;
    type Event = Measured;
    type Output = ();
    type Error = TrainJobError;

    const RULES: Rules = Rules {
        takes_processor: true,
        gives_way: true,
        on_closing: OnClosing::Wait,
        ..Rules::short("Measuring")
    };

    /// What was measured is kept beside the run.
    fn run(
        RunToMeasure { source, folder, config, .. }: RunToMeasure,
        _services: &Services,
        progress: &dyn Progress<Measured>,
    ) -> Result<(), TrainJobError> {
        let loaded = load_with_adapter(&source, &folder);
        let (model, adapter) = loaded.map_err(TrainJobError::Model)?;
        let data = folder.join(DATA_FILE);
        let comparison = comparison::compare(&model, &adapter, &config, &data, progress)?;
        let text = serde_json::to_string_pretty(&comparison);
        let text = text.expect("numbers can be written as JSON");
        files::write_atomic(&folder.join(COMPARISON_FILE), text.as_bytes())
            .map_err(TrainJobError::Data)
    }
}

/// A run's model as it is stored, with its adapter: another model may be the one in memory.
pub fn load_with_adapter(
    source: &ModelSource,
    folder: &Path,
) -> Result<(Model, Adapter), llm::Error> {
    let model = Model::load(source, &LoadOptions::default(), &Quiet)?;
    let adapter = Adapter::load(folder, &model)?;
    Ok((model, adapter))
}

impl Task<Workbench> for MeasureRun {
    fn on_event(&mut self, event: Measured, _app: &mut Workbench) {
        self.measured = event;
    }

    fn done(self, (): (), app: &mut Workbench) {
        app.list_runs();
    }

    fn failed(self, error: TrainJobError, app: &mut Workbench) {
        if !matches!(error, TrainJobError::Train(train::Error::Cancelled)) {
            let summary = "The run could not be measured";
            app.state.notices.push(Notice::error(PanelId::Train, summary, &error));
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        let Measured { done, total } = self.measured;
        Some(Activity {
            fraction: (total > 0).then(|| done as f32 / total as f32),
            stop: Some(Command::Train(TrainCommand::StopMeasuring)),
            ..Activity::new("Measuring", format!("{done} of {total} texts"))
        })
    }
}
