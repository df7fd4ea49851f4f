//! An error or a message, ready to show: what happened, why, what to do next.

use std::collections::BTreeSet;
use std::error::Error;

use super::command::Command;
use super::prefs::PanelId;
use crate::errors::causes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good or neutral news.
    Info,

    /// The person can do something about it.
    Problem,

    /// We should do something about it.
    Bug,
}

/// One thing to tell a person, beside the control that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Unique in this run of the program; 0 until [`Notices::push`] numbers it.
    pub id: u64,
    pub severity: Severity,

    /// The panel that shows it.
    pub place: PanelId,

    /// `Could not load SmolLM2-135M`.
    pub summary: String,

    /// The chain of causes, outermost first.
    pub causes: Vec<String>,

    /// What to do next, in a sentence.
    pub hint: Option<String>,

    /// A button: its words, and what it does.
    pub remedy: Option<(String, Command)>,
}

impl Notice {
    pub fn info(place: PanelId, summary: impl Into<String>) -> Self {
        Self::new(Severity::Info, place, summary.into(), Vec::new())
    }

    pub fn problem(place: PanelId, summary: impl Into<String>) -> Self {
        Self::new(Severity::Problem, place, summary.into(), Vec::new())
    }

    /// `summary` says what could not be done; the error and its sources say why.
    pub fn error(place: PanelId, summary: impl Into<String>, error: &dyn Error) -> Self {
        Self::new(Severity::Problem, place, summary.into(), causes(error))
    }

    /// A panic in a worker.
    pub fn crash(place: PanelId, what: &str, message: String) -> Self {
        let notice = Self::new(Severity::Bug, place, format!("{what} crashed"), vec![message]);
        notice.hint("This is a mistake in Tuning Fork. What you made is safe; please report it")
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    #[must_use]
    pub fn remedy(self, label: &str, command: impl Into<Command>) -> Self {
        Self { remedy: Some((label.to_owned(), command.into())), ..self }
    }

    fn new(severity: Severity, place: PanelId, summary: String, causes: Vec<String>) -> Self {
        Self { id: 0, severity, place, summary, causes, hint: None, remedy: None }
    }
}

/// The notices that are still shown, oldest first.
#[derive(Debug, Default)]
pub struct Notices {
    shown: Vec<Notice>,
    count: u64,

    /// Which of them the person has left behind in their panel.
    old_news: BTreeSet<u64>,
}

impl Notices {
    /// Shows a notice. One that says the same in the same place is replaced.
    pub fn push(&mut self, notice: Notice) {
        self.shown.retain(|old| old.place != notice.place || old.summary != notice.summary);
        self.count += 1;
        self.shown.push(Notice { id: self.count, ..notice });
    }

    pub fn dismiss(&mut self, id: u64) {
        self.shown.retain(|notice| notice.id != id);
    }

    /// Drops the problems of a panel, when what they were about is tried again.
    pub fn clear(&mut self, place: PanelId) {
        self.shown.retain(|notice| notice.place != place || notice.severity == Severity::Info);
    }

    /// Drops all that a panel shows.
    pub fn forget(&mut self, place: PanelId) {
        self.shown.retain(|notice| notice.place != place);
    }

    /// What a notice of a panel said is no longer so.
    pub fn withdraw(&mut self, place: PanelId, summary: &str) {
        self.shown.retain(|notice| notice.place != place || notice.summary != summary);
    }

    /// The person has left a panel: its good news are old now. What has a button stays in the panel.
    pub fn leave(&mut self, place: PanelId) {
        let is_news = |notice: &Notice| notice.place == place && notice.severity == Severity::Info;
        self.shown.retain(|notice| !is_news(notice) || notice.remedy.is_some());
        let left = self.shown.iter().filter(|notice| is_news(notice));
        self.old_news.extend(left.map(|notice| notice.id));
    }

    /// The person has turned to another page of a panel: good news up to the notice `last`, which was told on the
    /// page before, is about that one.
    pub fn turn(&mut self, place: PanelId, last: u64) {
        let is_old = |notice: &Notice| {
            notice.place == place && notice.severity == Severity::Info && notice.id <= last
        };
        self.shown.retain(|notice| !is_old(notice));
    }

    /// The number of the last notice that was pushed.
    pub fn last_id(&self) -> u64 {
        self.count
    }

    pub fn at(&self, place: PanelId) -> impl Iterator<Item = &Notice> {
        self.shown.iter().filter(move |notice| notice.place == place)
    }

    /// The newest first, so many at most.
    pub fn newest(&self, most: usize) -> impl Iterator<Item = &Notice> {
        self.shown.iter().rev().take(most)
    }

    /// What every panel shows at the bottom: the last that is no old news.
    pub fn last(&self) -> Option<&Notice> {
        self.shown.iter().rev().find(|notice| !self.old_news.contains(&notice.id))
    }
}
