//! Measures how far the policies of a row of rounds have moved.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::eval::drift::DriftSettings;
use crate::jobs::{Progress, Quiet};
use crate::llm::card::ModelSource;
use crate::llm::{LoadOptions, Model};
use crate::rounds::chain::row_of;
use crate::rounds::drift::measure_row;
use crate::rounds::error::Error;
use crate::rounds::make::RoundEvent;
use crate::state::command::{Command, TrainCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

pub struct MeasureDrift;

/// The base model, a run of the row, and the folder of the project's rounds.
pub struct DriftToMeasure {
    pub source: ModelSource,
    pub run_dir: PathBuf,
    pub rounds: PathBuf,
}

impl Work for MeasureDrift {
    type Request = DriftToMeasure;
    type Event = RoundEvent;
    type Output = ();
    type Error = Error;

    const RULES: Rules = Rules {
        takes_processor: true,
        gives_way: true,
        on_closing: OnClosing::Ask,
        ..Rules::short("Measuring the KL")
    };

    fn run(
        DriftToMeasure { source, run_dir, rounds }: DriftToMeasure,
        _services: &Services,
        progress: &dyn Progress<RoundEvent>,
    ) -> Result<(), Error> {
        let row = row_of(&run_dir, Some(&rounds))?;
        let model = Model::load(&source, &LoadOptions::default(), &Quiet).map_err(Error::Load)?;
        measure_row(&model, &row, DriftSettings::default(), progress)?;
        Ok(())
    }
}

impl Task<Workbench> for MeasureDrift {
    fn on_event(&mut self, event: RoundEvent, app: &mut Workbench) {
        if let Some(under_way) = &mut app.state.train.rounds.under_way {
            under_way.event = Some(event);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.train.rounds.under_way = None;
        app.read_rounds(); // runs that were measured before a Stop are shown, too
    }

    fn done(self, (): (), _app: &mut Workbench) {}

    fn failed(self, error: Error, app: &mut Workbench) {
        if !error.is_stop() {
            let summary = "How far the policies have moved could not be measured";
            app.state.notices.push(Notice::error(PanelId::Train, summary, &error));
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let under_way = app.state.train.rounds.under_way.as_ref()?;
        Some(Activity {
            fraction: under_way.fraction(),
            stop: Some(Command::Train(TrainCommand::StopRound)),
            ..Activity::new("KL", under_way.sentence())
        })
    }
}
