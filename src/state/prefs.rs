//! What is remembered between starts and may be lost without harm.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::hub::HubSettings;
use crate::data::forms::mapping::Mapping;
use crate::llm::card::ModelSource;
use crate::llm::config::CacheNumbers;
use crate::llm::generate::sampling::SamplingParams;

/// What Annotate shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnnotateView {
    /// Which of two answers is better.
    #[default]
    Pairs,

    /// Texts get codes.
    Codes,

    /// Which models the verdicts prefer.
    Arena,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PanelId {
    #[default]
    Models,
    Playground,
    LookInside,
    Annotate,
    Evaluate,
    Train,
    Lectures,
}

impl PanelId {
    /// In the order of the rail and of Ctrl+1, Ctrl+2 and so on.
    pub const ALL: [Self; Self::count()] = {
        let mut all = [Self::Models; Self::count()];
        let mut place = 0;
        while let Some(next) = all[place].next() {
            place += 1;
            all[place] = next;
        }
        all
    };

    /// The one below it in the rail.
    const fn next(self) -> Option<Self> {
        match self {
            Self::Models => Some(Self::Playground),
            Self::Playground => Some(Self::LookInside),
            Self::LookInside => Some(Self::Annotate),
            Self::Annotate => Some(Self::Evaluate),
            Self::Evaluate => Some(Self::Train),
            Self::Train => Some(Self::Lectures),
            Self::Lectures => None,
        }
    }

    const fn count() -> usize {
        let mut count = 1;
        let mut last = Self::Models;
        while let Some(next) = last.next() {
            count += 1;
            last = next;
        }
        count
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Models => "Models",
            Self::Playground => "Playground",
            Self::LookInside => "Look inside",
            Self::Annotate => "Annotate",
            Self::Evaluate => "Evaluate",
            Self::Train => "Train",
            Self::Lectures => "Lectures",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Theme {
    #[default]
    Light,
    Dark,

    /// Light, with large type and strong contrast, for a lecture hall.
    Projector,
}

/// What guesses the next tokens of an answer in the Playground, so that it comes faster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guessing {
    #[default]
    Off,

    /// The text itself.
    Lookup,

    /// A smaller model. `None`: none is chosen yet.
    Draft(Option<PathBuf>),
}

/// A conversation: its questions, each with the answer that it continued from.
pub type KeptChat = Vec<KeptTurn>;

/// See [`KeptChat`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptTurn {
    pub question: String,
    pub answer: String,
}

/// The text of Look inside, how it is read, and the view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptLook {
    pub text: String,
    pub as_question: bool,

    /// As the row of views names it.
    pub view: String,
}

/// The codebooks of Annotate's form for a study, as JSON. Empty: as in a new form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptSetup {
    pub of_pairs: bool,
    pub texts: String,
    pub pairs: String,
}

/// Kept by eframe; what cannot be read becomes its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prefs {
    pub panel: PanelId,
    pub theme: Theme,
    pub zoom: f32,
    pub rail_collapsed: bool,
    pub sampling: SamplingParams,
    pub max_new_tokens: usize,
    pub guessing: Guessing,
    pub project: Option<PathBuf>,

    /// What the cache of answers keeps. `None`: as exact as the weights are.
    pub answer_cache: Option<CacheNumbers>,

    /// Loaded again at the next start.
    pub last_model: Option<ModelSource>,

    /// Files and folders opened by hand, shown among the models.
    pub opened_models: Vec<PathBuf>,

    /// What the columns of a file were said to be.
    pub columns: BTreeMap<PathBuf, Mapping>,

    /// Conversations of the Playground that no project keeps, as text, oldest first.
    pub chats: Vec<KeptChat>,

    /// What stands in the Playground's field and was not sent.
    pub prompt: String,

    /// When each model was last loaded: seconds since 1970.
    pub last_used: BTreeMap<PathBuf, i64>,

    /// How the Hub is reached.
    pub hub: HubSettings,

    /// The address of the server whose model was looked at last.
    pub server: String,

    /// What of Look inside was in front.
    pub look: KeptLook,

    /// What of Annotate was in front, and who codes here.
    pub annotate: AnnotateView,
    pub coder: String,
    pub coding_goes_on: bool,

    /// The settings of the next run, as a run file, and the file of rows that they are for. Empty: the usual ones.
    pub run: String,
    pub run_data: Option<PathBuf>,

    /// What was written for a study that is not made yet.
    pub study: KeptSetup,
}

impl Default for Prefs {
    fn default() -> Self {
        Self {
            panel: PanelId::default(),
            theme: Theme::default(),
            zoom: 1.0,
            rail_collapsed: false,
            sampling: SamplingParams::default(),
            max_new_tokens: 200,
            guessing: Guessing::default(),
            project: None,
            answer_cache: None,
            last_model: None,
            opened_models: Vec::new(),
            columns: BTreeMap::new(),
            chats: Vec::new(),
            prompt: String::new(),
            last_used: BTreeMap::new(),
            hub: HubSettings::default(),
            server: String::new(),
            look: KeptLook::default(),
            annotate: AnnotateView::default(),
            coder: String::new(),
            coding_goes_on: false,
            run: String::new(),
            run_data: None,
            study: KeptSetup::default(),
        }
    }
}
