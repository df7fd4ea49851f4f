//! Rounds of preference learning in the Train panel: those that a run is in, and the form of the next one.

use std::path::{Path, PathBuf};

use crate::rounds::chain::InRow;
use crate::rounds::make::{Doing, RoundEvent};
use crate::rounds::record::AnswerSettings;
use crate::train::config::rewards::{Reward, Rule};
use crate::train::record::runs::RunState;

/// What lies over the curves while it is open.
#[derive(Clone, Debug)]
pub struct RoundsState {
    /// The run whose row is in front. `None`: none is.
    pub of: Option<String>,

    /// Until it was read: nothing.
    pub row: Option<Vec<InRow>>,
    pub prompts: Option<PathBuf>,
    pub settings: AnswerSettings,
    pub who: Who,
    pub rewards: Vec<Reward>,

    /// What makes an answer better, said to a model that judges.
    pub criterion: String,
    pub against: bool,

    /// A round that a task makes.
    pub under_way: Option<RoundUnderWay>,
}

/// Who compares the answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Who {
    #[default]
    Person,
    Rewards,
    Model,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundUnderWay {
    /// The run whose model answers.
    pub of: String,

    /// `None`: its model is being loaded.
    pub event: Option<RoundEvent>,
    pub is_stopping: bool,
}

impl Default for RoundsState {
    fn default() -> Self {
        let length = Rule::kinds().map(|(_, rule)| rule).into_iter().next();
        Self {
            of: None,
            row: None,
            prompts: None,
            settings: AnswerSettings::default(),
            who: Who::default(),
            rewards: length.map(Reward::of).into_iter().collect(),
            criterion: String::new(),
            against: true,
            under_way: None,
        }
    }
}

impl RoundsState {
    pub fn is_open(&self) -> bool {
        self.of.is_some()
    }

    /// The row of a run comes to the front; it is read by whoever asks for this.
    pub fn open(&mut self, id: &str) {
        if self.of.as_deref() != Some(id) {
            self.row = None;
        }
        self.of = Some(id.to_owned());
    }

    pub fn close(&mut self) {
        self.of = None;
    }

    /// The run that the next round would begin from: the last of the row.
    pub fn last(&self) -> Option<&InRow> {
        self.row.as_ref()?.last()
    }

    /// Why no round can be made. `None`: it can.
    pub fn problem(&self) -> Option<String> {
        let last = self.last()?;
        if self.under_way.is_some() {
            return Some("A round is being made: wait for it or stop it".to_owned());
        }
        if last.run.state == RunState::Running {
            return Some("The last run is still under way: wait for it".to_owned());
        }
        if !last.run.has_adapter {
            return Some("The last run has no adapter to go on from".to_owned());
        }
        if self.prompts.is_none() {
            return Some("Choose a file with prompts first".to_owned());
        }
        if self.who == Who::Rewards {
            if self.rewards.is_empty() {
                return Some("Add a reward, or let somebody else compare".to_owned());
            }
            let named =
                |reward: &Reward| Some(format!("{}: {}", reward.title(), reward.problem()?));
            if let Some(problem) = self.rewards.iter().find_map(named) {
                return Some(problem);
            }
        }
        let AnswerSettings { temperature, top_p, max_new_tokens, .. } = &self.settings;
        if !(0.01..=5.0).contains(temperature) || !(0.01..=1.0).contains(top_p) {
            return Some(
                "The temperature must be between 0.01 and 5, and top_p between 0.01 and 1"
                    .to_owned(),
            );
        }
        (*max_new_tokens == 0).then(|| "An answer needs room for a token".to_owned())
    }
}

impl RoundUnderWay {
    /// `Comparing the answers · 12 of 40 prompts`
    pub fn sentence(&self) -> String {
        match self.event {
            None => "Loading the model".to_owned(),
            Some(RoundEvent { what, done, total }) => {
                format!("{} · {done} of {total} prompts", what.words())
            }
        }
    }

    pub fn is_measuring(&self) -> bool {
        self.event.is_some_and(|event| event.what == Doing::Measuring)
    }

    pub fn fraction(&self) -> Option<f32> {
        let RoundEvent { done, total, .. } = self.event?;
        (total > 0).then(|| done as f32 / total as f32)
    }
}

/// The name of a file or a folder.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
