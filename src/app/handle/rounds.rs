//! Rounds of preference learning: shown, made, compared, gone on from.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::tasks::make_round::{MakeRound, RoundToMake};
use crate::app::tasks::measure_drift::{DriftToMeasure, MeasureDrift};
use crate::app::tasks::read_rounds::{ReadRounds, RoundsToRead};
use crate::data::forms::mapping::Mapping;
use crate::rounds::record::{ANSWERS_FILE, NEXT_RUN_FILE, PAIRS_FILE, new_dir, rounds_dir};
use crate::state::command::{AnnotateCommand, ViewCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::train::LeftTab;
use crate::state::train::rounds::{RoundUnderWay, file_name};
use crate::train::config::{TrainConfig, run_file};

/// A project's verdicts.
const VERDICTS_FILE: &str = "pairs.jsonl";

impl Workbench {
    pub(super) fn show_rounds(&mut self, id: &str) {
        self.state.train.show_rounds(id);
        self.read_rounds();
    }

    /// Reads the row in front again.
    pub(in crate::app) fn read_rounds(&mut self) {
        self.read_rounds_and(None);
    }

    fn read_rounds_and(&mut self, verdicts: Option<(PathBuf, PathBuf)>) {
        let (Some(open), Some(id)) = (&self.project, self.state.train.rounds.of.clone()) else {
            return;
        };
        let (run_dir, rounds) = (open.runs_dir().join(&id), rounds_dir(&open.folder));
        let taken = verdicts.as_ref().map(|(folder, _)| folder.clone());
        self.start_instead(ReadRounds { id, taken }, RoundsToRead { run_dir, rounds, verdicts });
    }

    pub(super) fn make_round(&mut self) {
        if self.tasks.has::<MakeRound>() || self.tasks.has::<MeasureDrift>() {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        let state = &self.state.train.rounds;
        let (Some(open), Some(last), Some(prompts)) =
            (&self.project, state.last(), state.prompts.clone())
        else {
            return;
        };
        let (run_dir, id) = (last.run.run_dir.clone(), last.run.id.clone());
        let folder = new_dir(&open.folder, &id);
        let rounds = rounds_dir(&open.folder);
        let (settings, rewards) = (state.settings.clone(), state.rewards.clone());
        let (who, criterion, against) = (state.who, state.criterion.clone(), state.against);
        let model = last.run.config.model.clone();
        let Some(source) = self.base_model(&model, PanelId::Train) else { return };
        let of = id.clone();
        self.state.train.rounds.under_way =
            Some(RoundUnderWay { of, event: None, is_stopping: false });
        let task = MakeRound { id, folder: folder.clone() };
        let request = RoundToMake {
            source,
            run_dir,
            rounds,
            folder,
            prompts,
            settings,
            who,
            rewards,
            criterion,
            against,
        };
        self.start(task, request);
    }

    pub(super) fn stop_round(&mut self) {
        if let Some(under_way) = &mut self.state.train.rounds.under_way {
            under_way.is_stopping = true;
        }
        self.tasks.stop::<MakeRound>();
        self.tasks.stop::<MeasureDrift>();
    }

    pub(super) fn measure_drift(&mut self) {
        if self.tasks.has::<MakeRound>() || self.tasks.has::<MeasureDrift>() {
            return;
        }
        self.state.notices.clear(PanelId::Train);
        let rounds = &self.state.train.rounds;
        let (Some(open), Some(last)) = (&self.project, rounds.last()) else { return };
        let (run_dir, of) = (last.run.run_dir.clone(), last.run.id.clone());
        let rounds = rounds_dir(&open.folder);
        let model = last.run.config.model.clone();
        let Some(source) = self.base_model(&model, PanelId::Train) else { return };
        self.state.train.rounds.under_way =
            Some(RoundUnderWay { of, event: None, is_stopping: false });
        self.start(MeasureDrift, DriftToMeasure { source, run_dir, rounds });
    }

    /// The answers of a round, to be compared blind.
    pub(super) fn label_round(&mut self, folder: &Path) {
        self.handle(ViewCommand::ShowPanel(PanelId::Annotate));
        self.handle(AnnotateCommand::UseAnswers(folder.join(ANSWERS_FILE)));
    }

    pub(super) fn take_verdicts(&mut self, folder: PathBuf) {
        self.state.notices.clear(PanelId::Train);
        let Some(open) = &self.project else { return };
        let verdicts = open.folder.join(VERDICTS_FILE);
        self.read_rounds_and(Some((folder, verdicts)));
    }

    /// The run that learns from a round goes into the form.
    pub(super) fn use_round(&mut self, folder: &Path) {
        let config = match run_file::read(&folder.join(NEXT_RUN_FILE)) {
            Ok(config) => config,
            Err(err) => {
                let summary = "The settings of the round could not be read";
                self.state.notices.push(Notice::error(PanelId::Train, summary, &err));
                return;
            }
        };
        let began = config.adapter.as_deref().map(file_name).unwrap_or_default();
        let model = config.model.clone();
        self.state.train.form =
            TrainConfig { model: String::new(), data: PathBuf::new(), ..config };
        self.read_training_file(folder.join(PAIRS_FILE), Mapping::default());
        self.state.train.left_tab = LeftTab::Setup;
        self.state.train.rounds.close();
        let summary =
            format!("The next run is in the form: it goes on from the adapter of {began}");
        let mut notice = Notice::info(PanelId::Train, summary);
        let loaded = self.state.model.ready().map(|card| card.source.path().to_owned());
        let base = self.base_model(&model, PanelId::Train);
        if base.is_some_and(|base| loaded.as_deref() != Some(base.path())) {
            notice = notice.hint(format!("It learns on {model}: load that model before you start"));
        }
        self.state.notices.push(notice);
    }
}
