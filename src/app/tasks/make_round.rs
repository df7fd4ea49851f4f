//! Makes the next round of a run: its model answers new prompts, and the answers are compared.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::Progress;
use crate::llm::card::ModelSource;
use crate::rounds::error::Error;
use crate::rounds::judge::By;
use crate::rounds::make::{Models, Request, RoundEvent, check, make};
use crate::rounds::record::{AnswerSettings, RoundRecord};
use crate::state::command::{Command, TrainCommand, WindowCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::state::train::rounds::Who;
use crate::train::config::rewards::Reward;

pub struct MakeRound {
    /// The run whose model answers.
    pub id: String,

    /// The folder of the round.
    pub folder: PathBuf,
}

/// What is asked for.
pub struct RoundToMake {
    pub source: ModelSource,
    pub run_dir: PathBuf,
    pub rounds: PathBuf,
    pub folder: PathBuf,
    pub prompts: PathBuf,
    pub settings: AnswerSettings,
    pub who: Who,
    pub rewards: Vec<Reward>,
    pub criterion: String,
    pub against: bool,
}

impl Work for MakeRound {
    type Request = RoundToMake;
    type Event = RoundEvent;
    type Output = RoundRecord;
    type Error = Error;

    const RULES: Rules = Rules {
        takes_processor: true,
        gives_way: true,
        on_closing: OnClosing::Ask,
        ..Rules::short("The round")
    };

    fn run(
        asked: RoundToMake,
        _services: &Services,
        progress: &dyn Progress<RoundEvent>,
    ) -> Result<RoundRecord, Error> {
        let run = check(&asked.run_dir)?;
        let models = Models::load(&asked.source, &run)?;
        let request = Request {
            run_dir: &asked.run_dir,
            rounds: Some(&asked.rounds),
            folder: &asked.folder,
            prompts: &asked.prompts,
            settings: asked.settings,
            by: match asked.who {
                Who::Person => By::Nobody,
                Who::Rewards => By::Rewards(&asked.rewards),
                Who::Model => By::Model { criterion: &asked.criterion },
            },
            against: asked.against,
        };
        make(&models, &request, progress)
    }
}

impl Task<Workbench> for MakeRound {
    fn on_event(&mut self, event: RoundEvent, app: &mut Workbench) {
        if let Some(under_way) = &mut app.state.train.rounds.under_way {
            under_way.event = Some(event);
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.train.rounds.under_way = None;
        app.read_rounds();
    }

    fn done(self, record: RoundRecord, app: &mut Workbench) {
        let summary = record.sentences().join(". ");
        let notice = Notice::info(PanelId::Train, summary);
        let folder = WindowCommand::Reveal(self.folder);
        app.state.notices.push(notice.remedy("Show the folder", folder));
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        if !error.is_stop() {
            let summary = format!("The round after {} could not be made", self.id);
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
            ..Activity::new("Round", under_way.sentence())
        })
    }
}
