//! The Train panel's state: the form, the run under way, and the runs of the project.
//!
//! What a run computes: see `train`. What is drawn: see `panels::train`.

pub mod asides;
pub mod away;
pub mod compare;
pub mod curves;
pub mod elsewhere;
pub mod estimate;
pub mod estimate_inputs;
pub mod form;
pub mod live;
pub mod newborn;
pub mod past;
pub mod rates;
pub mod reading;
pub mod rounds;
pub mod runs;
pub mod samples;
pub mod survey;
pub mod sweep;
pub mod sweep_form;
pub mod texts;

use crate::data::samples::STORIES_TXT;
use crate::data::samples::headline_count;
use crate::train::config::ConfigProblem;
use crate::train::config::Objective;
use crate::train::config::TrainConfig;
use crate::train::config::TruncationMode;
use crate::train::config::metric::Metric;
use crate::train::config::objective::{Head, Setting};
use crate::train::objective::choose::loss_at_start;
use crate::train::record::metrics::{RunSummary, TrainEvent};
use crate::train::record::notes::RunNotes;
use crate::train::record::round::Round;

use super::command::{Command, TrainCommand};
use super::slots::{Activity, ModelSlot};
use asides::Asides;
use away::{AwayRun, RunOnForm};
use compare::{Compared, MOST_COMPARED};
use curves::Curves;
use elsewhere::ElsewhereForm;
use estimate::EstimateSlot;
use form::{DataFile, DataSource, Plan, TrainingData, units_of};
use live::{LiveRun, Phase};
use past::RunPast;
use rates::RateState;
use rounds::RoundsState;
use runs::RunView;
use samples::SampleBook;
use survey::SurveySlot;
use sweep::SweepState;
use texts::{Answer, TextsState};

/// Everything that the Train panel shows.
#[derive(Clone, Debug)]
pub struct TrainState {
    /// The run that Start would start. `model` and `data` are filled in by the app.
    pub form: TrainConfig,
    pub source: DataSource,

    /// Pairs of the project with a winner, as the app last counted them.
    pub project_pairs: usize,

    /// Rows of the pairs that come with the program. 0: they are not there.
    pub sample_rows: usize,
    pub file: Option<DataFile>,

    /// The survey of the data before a run.
    pub survey: SurveySlot,

    /// The project's runs, newest first.
    pub runs: Vec<RunView>,
    pub live: Option<LiveRun>,

    /// The run of the list whose curves are shown instead of the live one's.
    pub selected: Option<SelectedRun>,

    /// Runs that were ticked to be laid over each other: from two on, they are what is shown.
    pub compared: Vec<Compared>,

    /// The run whose name and note are being written.
    pub editing: Option<RunEdit>,

    /// The run that is about to be deleted if the person says so again.
    pub asks_delete: Option<String>,

    /// The run under way is about to be stopped if the person says so again.
    pub asks_stop: bool,

    /// In a narrow window the results are in front of the form and the list of runs.
    pub results_in_front: bool,

    /// What the survey has read.
    pub surveyed: Option<(DataSource, Option<std::path::PathBuf>)>,

    /// What the run in the form would take.
    pub estimate: EstimateSlot,
    pub left_tab: LeftTab,
    pub span: Span,

    /// Of runs that learn from texts.
    pub texts: TextsState,

    /// Of a run that is made into a bundle.
    pub elsewhere: ElsewhereForm,

    /// Of several runs in a queue.
    pub sweep: SweepState,

    /// Of runs that go on from each other.
    pub rounds: RoundsState,

    /// Of the learning-rate finder.
    pub rates: RateState,

    /// Where such a run is to be done.
    pub run_on: RunOnForm,

    /// Runs that were started elsewhere, the newest first.
    pub away: Vec<AwayRun>,

    /// The bundle of the one whose curves are shown.
    pub away_selected: Option<std::path::PathBuf>,
}

/// What the left column shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeftTab {
    #[default]
    Setup,
    Runs,
}

/// Which steps the plots show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Span {
    #[default]
    Whole,
    Recent,
}

/// A run of the list that was clicked on.
#[derive(Clone, Debug)]
pub struct SelectedRun {
    pub id: String,

    /// Until the app has read `metrics.jsonl`: nothing.
    pub curves: Option<Curves>,
    pub samples: SampleBook,

    /// Of GRPO and RLOO: the answers of its last round.
    pub round: Option<Round>,
}

/// A run's name and note, being written.
#[derive(Clone, Debug)]
pub struct RunEdit {
    pub id: String,
    pub notes: RunNotes,
}

impl Default for TrainState {
    fn default() -> Self {
        Self {
            form: TrainConfig::suggested(Objective::default()),
            source: DataSource::default(),
            project_pairs: 0,
            sample_rows: 0,
            file: None,
            survey: SurveySlot::default(),
            runs: Vec::new(),
            live: None,
            selected: None,
            compared: Vec::new(),
            editing: None,
            asks_delete: None,
            asks_stop: false,
            results_in_front: false,
            surveyed: None,
            estimate: EstimateSlot::default(),
            left_tab: LeftTab::default(),
            span: Span::default(),
            texts: TextsState::default(),
            elsewhere: ElsewhereForm::default(),
            sweep: SweepState::default(),
            rounds: RoundsState::default(),
            rates: RateState::default(),
            run_on: RunOnForm::default(),
            away: Vec::new(),
            away_selected: None,
        }
    }
}

impl TrainState {
    /// The chosen data; `None` while no file was opened.
    pub fn data(&self) -> Option<TrainingData<'_>> {
        match self.source {
            DataSource::ProjectPairs => {
                Some(TrainingData::ProjectPairs { count: self.project_pairs })
            }
            DataSource::Sample if self.form.objective == Objective::Pretrain => {
                Some(TrainingData::Sample { rows: STORIES_TXT.len() })
            }
            DataSource::Sample if self.form.objective.reads_texts() => {
                Some(TrainingData::Sample { rows: headline_count() })
            }
            DataSource::Sample => Some(TrainingData::Sample { rows: self.sample_rows }),
            DataSource::File => {
                let DataFile { path, rows, .. } = self.file.as_ref()?;
                Some(TrainingData::File { path, rows: *rows })
            }
        }
    }

    /// The person opened a file of rows.
    pub fn use_file(&mut self, file: DataFile) {
        self.file = Some(file);
        self.source = DataSource::File;
        self.form.data_name.clear(); // it was another file's
        self.take_columns();
    }

    /// What was said of a file's columns counts for that file alone.
    pub fn take_columns(&mut self) {
        let file = self.file.as_ref().filter(|_| self.source == DataSource::File);
        let columns = file.map(|file| &file.columns);
        if columns != Some(&self.form.columns) {
            self.form.columns = columns.cloned().unwrap_or_default();
        }
    }

    /// The run that Start would start, with a name for its data where that is mixed with other files.
    pub fn run_config(&self) -> TrainConfig {
        let mut config = self.form.clone();
        if config.mix.is_empty() || !config.data_name.is_empty() {
            return config;
        }
        config.data_name = match (self.source, &self.file) {
            (DataSource::ProjectPairs, _) => "project pairs".to_owned(),
            (DataSource::Sample, _) => "sample pairs".to_owned(),
            (DataSource::File, None) => String::new(),
            (DataSource::File, Some(file)) => {
                let named = TrainConfig { data: file.path.clone(), ..config.clone() };
                named.source_names().swap_remove(0)
            }
        };
        config
    }

    /// What the form adds up to. `None`: no data is chosen.
    pub fn plan(&self) -> Option<Plan> {
        self.data().map(|data| Plan::of(&self.form, self.rows_of(data)))
    }

    /// Rows that a run of the form has of the data: of a text, its windows, about.
    pub fn rows_of(&self, data: TrainingData<'_>) -> usize {
        if self.form.objective != Objective::Pretrain {
            let own = data.rows_for(self.form.objective);
            // The other files of a mix come on top.
            let share = self.form.share_of_data();
            let all = own as f64 / if share > 0.0 { share } else { 1.0 };
            return all.round() as usize;
        }
        let TrainConfig { stride, max_length, .. } = self.form;
        data.rows() / if stride == 0 { max_length } else { stride }.max(1)
    }

    pub fn is_running(&self) -> bool {
        self.live.as_ref().is_some_and(LiveRun::is_running)
    }

    /// Why Start is not possible, in a sentence that says what to do. `None`: it is.
    pub fn blocked_reason(&self, model: &ModelSlot, activities: &[Activity]) -> Option<String> {
        if self.sweep.is_running() {
            return Some("A sweep is under way: wait for it or stop it".to_owned());
        }
        if self.rates.is_searching() {
            return Some("The learning-rate finder is running: wait for it or stop it".to_owned());
        }
        let training =
            |activity: &Activity| activity.stop == Some(Command::Train(TrainCommand::Stop));
        if self.is_running() || activities.iter().any(training) {
            return Some("A run is under way: wait for it or stop it".to_owned());
        }
        let reads_texts = self.form.objective.reads_texts();
        match model {
            _ if self.form.newborn.is_some() => {}
            _ if reads_texts => {
                if let Some(problem) = self.texts.problem(self.form.objective) {
                    return Some(problem.to_owned());
                }
            }
            ModelSlot::Empty => return Some("Load a model first".to_owned()),
            ModelSlot::Loading { name } => return Some(format!("{name} is still loading")),
            ModelSlot::Ready(_) => {}
            ModelSlot::EncoderDecoder(_) => return model.only_decoders(),
            ModelSlot::Remote(_) => {
                return Some(
                    "The weights of a model on a server are not here: load a model to train it"
                        .to_owned(),
                );
            }
        }
        let Some(data) = self.data() else {
            return Some("Choose a file with training data".to_owned());
        };
        match (data, data.rows()) {
            (TrainingData::ProjectPairs { .. }, _)
                if self.form.objective == Objective::Pretrain =>
            {
                return Some("Choose a text: the sample stories, or a file".to_owned());
            }
            (TrainingData::ProjectPairs { .. }, _) if reads_texts => {
                return Some(
                    "Pairs have no labels: choose a file, or the sample headlines".to_owned(),
                );
            }
            (TrainingData::Sample { .. }, _) if self.form.objective == Objective::Regress => {
                return Some("The sample headlines have no numbers: choose a file".to_owned());
            }
            (TrainingData::ProjectPairs { .. }, 0) => {
                return Some("No pairs yet: label some, or take the sample pairs".to_owned());
            }
            (TrainingData::ProjectPairs { .. }, 1) => {
                return Some("2 pairs are the least, and there is 1: label another".to_owned());
            }
            (TrainingData::Sample { .. }, 0) => {
                return Some("The sample pairs were not found".to_owned());
            }
            (TrainingData::File { .. }, rows @ (0 | 1)) => {
                return Some(format!("2 rows are the least, and the file has {rows}"));
            }
            _ => {}
        }
        if let Some(problem) = self.form_problems().into_iter().next() {
            return Some(format!("{}: {}", problem.field, problem.message));
        }
        let plan = Plan::of(&self.form, self.rows_of(data));
        if plan.train_rows == 0 {
            return Some("The held-out share leaves no pair to train on".to_owned());
        }
        if plan.steps == 0 {
            return Some("The run would have no steps".to_owned());
        }
        if reads_texts { None } else { self.estimate.problem() }
    }

    /// Whether what the form's run takes is said elsewhere and not estimated of the loaded model: beside the
    /// shape of a model that is not born yet, and with the encoder that is chosen.
    pub fn says_its_own_size(&self) -> bool {
        self.form.newborn.is_some() || self.form.objective.reads_texts()
    }

    /// What is wrong with the form, without the model and the data: the app fills those in.
    pub fn form_problems(&self) -> Vec<ConfigProblem> {
        let mut problems = self.form.problems();
        problems.retain(|problem| !matches!(problem.field, "model" | "data"));
        problems
    }

    /// The person chose another objective: a learning rate that was only suggested follows it.
    pub fn objective_changed(&mut self, before: Objective) {
        let now = self.form.objective;
        if now.reads_texts() != before.reads_texts() {
            // Other rows, another kind of model: what was set for the one says nothing of the other.
            self.form = TrainConfig { seed: self.form.seed, ..TrainConfig::suggested(now) };
            self.file = None;
            let has_pairs = !now.reads_texts() && self.project_pairs > 0;
            self.source = if has_pairs { DataSource::ProjectPairs } else { DataSource::Sample };
            self.survey = SurveySlot::Closed;
            return;
        }
        if now.reads_texts() && !now.best_model_metrics().contains(&self.form.metric_for_best_model)
        {
            self.form.metric_for_best_model = TrainConfig::suggested(now).metric_for_best_model;
        }
        if self.form.learning_rate == TrainConfig::suggested(before).learning_rate {
            self.form.learning_rate = TrainConfig::suggested(self.form.objective).learning_rate;
        }
        // Losses are the objective's own.
        let objective = self.form.objective;
        let known = objective.facts().losses;
        let is_known = |loss: &String| known.contains(&loss.as_str());
        let fits = self.form.loss_type.iter().all(is_known)
            && (self.form.loss_type.len() == 1 || objective.has(Setting::LossWeights));
        if !known.is_empty() && !fits {
            self.form.loss_type = objective.usual_loss();
            self.form.loss_weights.clear();
        }
        self.form.packing &= objective.has(Setting::Packing);
        self.form.assistant_only_loss &= objective.has(Setting::AssistantOnlyLoss);
        if !objective.has(Setting::TruncationMode) {
            self.form.truncation_mode = TruncationMode::default();
        }
        if objective == Objective::Pretrain {
            self.form.mix.clear(); // it reads one text
        }
        if objective.samples() != before.samples() {
            // Rounds of answers are another kind of batch, and what is held out is answered, too.
            let suggested = TrainConfig::suggested(objective);
            self.form.per_device_train_batch_size = suggested.per_device_train_batch_size;
            self.form.beta = suggested.beta;
            self.form.held_out_share = suggested.held_out_share;
            self.form.eval_steps = suggested.eval_steps;
            self.form.early_stopping_patience = 0;
            self.form.load_best_model_at_end = false;
            self.form.metric_for_best_model = suggested.metric_for_best_model;
            self.form.max_steps = suggested.max_steps;
            self.form.save_steps = suggested.save_steps;
            if self.form.rewards.is_empty() {
                self.form.rewards = suggested.rewards;
                self.form.policy = suggested.policy;
            }
        }
        if objective.facts().head == Head::Score {
            self.form.sample_steps = 0;
        }
        if !objective.best_model_metrics().contains(&self.form.metric_for_best_model) {
            self.form.metric_for_best_model = Metric::Loss.evaluated();
        }
        if objective == Objective::Pretrain {
            // Hardly anything of a run that answers is of use to one that begins from nothing.
            self.form = TrainConfig { seed: self.form.seed, ..TrainConfig::suggested(objective) };
            if self.source == DataSource::ProjectPairs {
                self.source = DataSource::Sample;
            }
        } else if before == Objective::Pretrain {
            self.form = TrainConfig { seed: self.form.seed, ..TrainConfig::suggested(objective) };
        }
    }

    /// A run was started under `id`: the curves are its own from now on.
    pub fn begin(&mut self, id: impl Into<String>) {
        self.live = Some(live_run(id, &self.form));
        self.show_live();
    }

    /// A run of a sweep begins, or continues after what it did before.
    pub fn begin_of_sweep(&mut self, id: impl Into<String>, config: &TrainConfig, past: Curves) {
        let mut live = live_run(id, config);
        live.curves = past;
        self.live = Some(live);
        self.asks_stop = false;
    }

    /// An interrupted run is resumed: its curves begin with what it did before.
    pub fn resume(&mut self, run: &RunView, past: RunPast) {
        let RunPast { curves, last_step, samples, round, said } = past;
        let mut live = LiveRun::new(run.id.clone(), run.objective);
        live.units = units_of(&run.config);
        live.asides = Asides::of(&run.config);
        live.loss_at_start = loss_at_start(&run.config);
        live.curves = curves;
        live.last_step = last_step;
        live.steps_planned = run.steps_planned;
        live.samples = samples;
        live.leash = Some(round.as_ref().map_or(run.config.beta, |round| round.beta));
        live.round = round;
        live.confusion = said.confusion;
        live.tested = said.tested;
        self.live = Some(live);
        self.show_live();
    }

    /// Whether the survey that is shown read other data than what is chosen now.
    pub fn is_survey_of_other_data(&mut self) -> bool {
        let now = (self.source, self.file.as_ref().map(|file| file.path.clone()));
        match &self.survey {
            SurveySlot::Closed => false,
            SurveySlot::Reading { .. } => {
                self.surveyed = Some(now);
                false
            }
            SurveySlot::Ready(_) => *self.surveyed.get_or_insert_with(|| now.clone()) != now,
        }
    }

    /// Closes a question, or what lies over the curves. False: there is nothing to close.
    pub fn close_topmost(&mut self) -> bool {
        if std::mem::take(&mut self.asks_stop)
            || self.asks_delete.take().is_some()
            || self.editing.take().is_some()
        {
            return true;
        }
        if self.rates.is_open() && !self.rates.is_searching() {
            self.rates.slot = rates::RateSlot::Closed;
            return true;
        }
        if self.sweep.is_open() {
            self.sweep.front = sweep::Front::Nothing;
            return true;
        }
        if self.rounds.is_open() {
            self.rounds.close();
            return true;
        }
        let was_open = self.survey.is_open();
        self.survey = SurveySlot::Closed;
        was_open
    }

    /// The run under way comes to the front.
    pub fn show_live(&mut self) {
        self.results_in_front = true;
        self.asks_stop = false;
        self.selected = None;
        self.compared.clear();
        self.close_what_lies_over();
    }

    /// The rounds that a run is in come to the front.
    pub fn show_rounds(&mut self, id: &str) {
        self.close_what_lies_over();
        self.rounds.open(id);
        self.results_in_front = true;
    }

    /// A run elsewhere comes to the front.
    pub fn select_away(&mut self, bundle: std::path::PathBuf) {
        self.selected = None;
        self.compared.clear();
        self.close_what_lies_over();
        self.away_selected = Some(bundle);
        self.results_in_front = true;
    }

    fn close_what_lies_over(&mut self) {
        self.away_selected = None;
        self.survey = SurveySlot::Closed;
        self.sweep.front = sweep::Front::Nothing;
        self.rounds.close();
        if !self.rates.is_searching() {
            self.rates.slot = rates::RateSlot::Closed;
        }
    }

    /// Ticks or unticks a run to be compared. True: its curves must be read.
    pub fn toggle_compared(&mut self, id: &str) -> bool {
        let before = self.compared.len();
        self.compared.retain(|compared| compared.id != id);
        if self.compared.len() < before || before >= MOST_COMPARED {
            return false;
        }
        self.compared.push(Compared { id: id.to_owned(), curves: None });
        self.close_what_lies_over();
        true
    }

    pub fn on_event(&mut self, event: TrainEvent) {
        if let Some(live) = &mut self.live {
            live.on_event(event);
        }
    }

    /// A run's classifier has answered about a text, or could not.
    pub fn labelled(&mut self, answer: Answer) {
        self.texts.trial.asked = None;
        self.texts.trial.answer = Some(answer);
    }

    /// A run of the list comes to the front; its curves are read by whoever asks for this.
    pub fn select(&mut self, id: &str) {
        self.selected = Some(SelectedRun {
            id: id.to_owned(),
            curves: None,
            samples: SampleBook::default(),
            round: None,
        });
        self.compared.clear();
        self.close_what_lies_over();
        self.results_in_front = true;
    }

    /// The Stop button was pressed; the run still ends through [`Self::finished`].
    pub fn stopping(&mut self) {
        if let Some(live) = self.live.as_mut().filter(|live| live.is_running()) {
            live.phase = Phase::Stopping;
            live.paused = false;
        }
    }

    /// The run has ended: with its summary, or with a sentence that says why not.
    pub fn finished(&mut self, result: Result<RunSummary, String>) {
        let Some(live) = &mut self.live else { return };
        live.phase = match result {
            Ok(summary) => {
                if summary.evaluation.is_some() {
                    live.evaluation.clone_from(&summary.evaluation);
                }
                if summary.last_step.is_some() {
                    live.last_step.clone_from(&summary.last_step);
                }
                Phase::Done(summary)
            }
            Err(reason) => Phase::Failed(reason),
        };
    }

    /// The app has read what a selected or compared run left behind.
    pub fn show_run(&mut self, id: &str, past: RunPast) {
        let RunPast { curves, samples, round, last_step: _, said } = past;
        if let Some(compared) = self.compared.iter_mut().find(|compared| compared.id == id) {
            compared.curves = Some(curves.clone());
        }
        if let Some(selected) = self.selected.as_mut().filter(|selected| selected.id == id) {
            selected.curves = Some(curves);
            selected.samples = samples;
            selected.round = round;
            self.texts.past = Some((id.to_owned(), said));
        }
    }

    /// The project's runs were read anew.
    pub fn set_runs(&mut self, runs: Vec<RunView>) {
        let gone = |id: &str| !runs.iter().any(|run| run.id == id);
        if self.selected.as_ref().is_some_and(|selected| gone(&selected.id)) {
            self.selected = None;
        }
        if self.asks_delete.as_deref().is_some_and(gone) {
            self.asks_delete = None;
        }
        self.compared.retain(|compared| !gone(&compared.id));
        if self.editing.as_ref().is_some_and(|edit| gone(&edit.id)) {
            self.editing = None;
        }
        self.runs = runs;
    }
}

/// A run with these settings, before its first step.
fn live_run(id: impl Into<String>, config: &TrainConfig) -> LiveRun {
    let mut live = LiveRun::new(id, config.objective);
    live.units = units_of(config);
    live.asides = Asides::of(config);
    live.loss_at_start = loss_at_start(config);
    live.leash = Some(config.beta);
    live
}

#[cfg(test)]
mod tests;
