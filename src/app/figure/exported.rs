//! What is written of a view of Look inside.

use std::sync::Arc;

use crate::explore::attention::AttentionView;
use crate::explore::fit::Fitted;
use crate::explore::leave_one_out::LeaveOneOutView;
use crate::explore::lens::LensView;
use crate::explore::machine::Machine;
use crate::explore::mask::Side;
use crate::explore::mask_words::Word;
use crate::explore::next_token::NextComparison;
use crate::explore::pair_set::PairSetView;
use crate::explore::pass_times::PassTimes;
use crate::explore::surprise::SurpriseView;
use crate::explore::token_sides::TokenizerSide;
use crate::explore::tokens::TokenView;
use crate::explore::two_models::TwoModels;
use crate::explore::vectors::groups::Groups;
use crate::explore::vectors::probe::Probed;
use crate::explore::word_map::WordsView;
use crate::state::look_inside::beside::Part;
use crate::state::look_inside::items::ItemsFound;
use crate::state::look_inside::map::Mapped;

/// What is exported.
#[derive(Clone, Debug, PartialEq)]
pub enum Exported {
    Tokens(TokenView),
    Tokenizers {
        sides: Vec<TokenizerSide>,
        part: Part,
    },
    Surprise {
        view: SurpriseView,

        /// Of each token, in "Hide and guess".
        is_hidden: Option<Vec<bool>>,
    },
    Filled(FilledFigure),
    Fit(Fitted),
    Attention {
        view: AttentionView,
        ids: Vec<u32>,
        tokens: Vec<String>,
        head: usize,
    },
    Lens(LensView),
    LeaveOneOut(LeaveOneOutView),
    Pair {
        prompts: [String; 2],
        view: NextComparison,
    },
    PairSet(Vec<PairSetView>),
    Compare {
        /// What the two models are called beside each other.
        names: [String; 2],
        view: Box<TwoModels>,
    },
    Words(WordsView),
    Map(MapFigure),
    Clusters {
        mapped: Arc<Mapped>,
        groups: Groups,
    },
    Probe(Probed),
    Machine {
        machine: Machine,

        /// So many tokens stand before the one whose work is shown.
        before: usize,

        /// Where the time of a pass goes, where that was measured.
        times: Option<PassTimes>,
    },
    Items {
        mapped: Arc<Mapped>,
        found: Arc<ItemsFound>,
    },
}

/// Words that are guessed, as they are seen.
#[derive(Clone, Debug, PartialEq)]
pub struct FilledFigure {
    /// The text in pieces, and whether each is a word that is guessed.
    pub pieces: Vec<(String, bool)>,

    /// The words that are guessed, and whether they are told.
    pub words: Vec<Word>,
    pub told: Vec<bool>,
    pub both: Option<Side>,
    pub left: Option<Side>,
}

/// A map as it is seen.
#[derive(Clone, Debug, PartialEq)]
pub struct MapFigure {
    pub mapped: Arc<Mapped>,

    /// Of each point, which of `legend` it is.
    pub labels: Vec<Option<usize>>,
    pub legend: Vec<String>,
    pub groups: Option<Groups>,

    /// `None`: all.
    pub picked: Option<Vec<usize>>,
}

impl Exported {
    /// What its files are called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tokens(_) => "tokens",
            Self::Tokenizers { part: Part::Text, .. } => "tokenizers",
            Self::Tokenizers { part: Part::Languages, .. } => "languages",
            Self::Surprise { is_hidden: None, .. } => "surprise",
            Self::Surprise { .. } => "hide-and-guess",
            Self::Filled(_) => "fill-the-mask",
            Self::Fit(Fitted::One(_)) => "fit",
            Self::Fit(Fitted::Pair(_)) => "fit-pair",
            Self::Attention { .. } => "attention",
            Self::Lens(_) => "lens",
            Self::LeaveOneOut(_) => "leave-one-out",
            Self::Pair { .. } => "pair",
            Self::PairSet(_) => "pair-list",
            Self::Compare { .. } => "compare",
            Self::Words(_) => "meaning",
            Self::Map(MapFigure { picked: None, .. }) => "map",
            Self::Map(_) => "selection",
            Self::Clusters { .. } => "clusters",
            Self::Probe(_) => "probe",
            Self::Items { .. } => "questionnaire",
            Self::Machine { .. } => "machine",
        }
    }
}
