//! The Codes view of Annotate: the studies of the project, a new one being set up, one being coded,
//! and how far its coders agree. No clock: times come in.

pub mod item_list;
pub mod key;
pub mod listing;
mod pace;
pub mod session;
pub mod setup;
pub mod words;

use std::path::PathBuf;

use session::Session;
use setup::Setup;

use crate::eval::arena::ArenaReport;
pub use crate::state::prefs::AnnotateView; // remembered between starts
use crate::study::disagreement::Place;

/// Everything that the view shows.
#[derive(Debug, Default)]
pub struct CodesState {
    pub view: AnnotateView,
    pub front: Front,

    /// The project's studies.
    pub studies: Vec<Listed>,
    pub setup: Setup,

    /// Who codes: a name or a number.
    pub coder: String,

    /// The key of the last question's label shows the next item.
    pub goes_on: bool,
    pub session: Option<Session>,
    pub agreement: Option<AgreementPage>,

    /// What is being read or computed, in words.
    pub busy: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Front {
    #[default]
    List,
    Setup,
    Coding,
    Agreement,
}

/// A study of the project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    pub path: PathBuf,
    pub name: String,
    pub items: usize,

    pub coders: Vec<String>,

    /// Why it cannot be opened.
    pub problem: Option<String>,
}

/// How far the coders agree, and where they do not.
#[derive(Clone, Debug, Default)]
pub struct AgreementPage {
    pub markdown: String,
    pub disagreements: Vec<Place>,

    /// The disagreement in front.
    pub at: usize,
    pub reason: String,
    pub tab: AgreementTab,

    /// Something was settled since `markdown` was written, or it was not yet.
    pub is_outdated: bool,

    /// Of pairs: the models that gave the answers.
    pub arena: Rated,
}

/// The models behind the answers of a study, as they are rated by its verdicts.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Rated {
    #[default]
    NotYet,
    Asked,

    /// Why they cannot be, in a sentence.
    Problem(String),
    Ready(Box<StudyRating>),
}

/// See [`Rated`].
#[derive(Clone, Debug, PartialEq)]
pub struct StudyRating {
    pub report: ArenaReport,

    /// What was counted, in sentences.
    pub about: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgreementTab {
    #[default]
    Numbers,
    Disagreements,
    Arena,
}

impl CodesState {
    /// Whether texts are being coded, so that keys are codes.
    pub fn is_coding(&self) -> bool {
        self.view == AnnotateView::Codes && self.front == Front::Coding && self.session.is_some()
    }

    /// Verdicts that are only in memory.
    pub fn unsaved(&self) -> usize {
        self.session.as_ref().map_or(0, Session::unsaved)
    }

    /// Closes what lies over the item. False: there is nothing.
    pub fn close_topmost(&mut self) -> bool {
        let Some(session) = &mut self.session else { return false };
        self.view == AnnotateView::Codes
            && (session.list.take().is_some() || std::mem::take(&mut session.guideline_open))
    }
}
