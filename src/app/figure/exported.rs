//! What is written of a view of Look inside.

use std::sync::Arc;

use crate::explore::attention::AttentionView;
use crate::explore::compare::TextComparison;
use crate::explore::leave_one_out::LeaveOneOutView;
use crate::explore::lens::LensView;
use crate::explore::machine::Machine;
use crate::explore::next_token::NextComparison;
use crate::explore::surprise::SurpriseView;
use crate::explore::tokens::TokenView;
use crate::explore::vectors::groups::Groups;
use crate::explore::vectors::probe::Probed;
use crate::state::look_inside::items::ItemsFound;
use crate::state::look_inside::map::Mapped;

/// What is exported.
#[derive(Clone, Debug, PartialEq)]
pub enum Exported {
    Tokens(TokenView),
    Surprise {
        view: SurpriseView,

        /// Of each token, in "Hide and guess".
        is_hidden: Option<Vec<bool>>,
    },
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
    Compare(TextComparison),
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
    },
    Items {
        mapped: Arc<Mapped>,
        found: Arc<ItemsFound>,
    },
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
            Self::Surprise { is_hidden: None, .. } => "surprise",
            Self::Surprise { .. } => "hide-and-guess",
            Self::Attention { .. } => "attention",
            Self::Lens(_) => "lens",
            Self::LeaveOneOut(_) => "leave-one-out",
            Self::Pair { .. } => "pair",
            Self::Compare(_) => "compare",
            Self::Map(MapFigure { picked: None, .. }) => "map",
            Self::Map(_) => "selection",
            Self::Clusters { .. } => "clusters",
            Self::Probe(_) => "probe",
            Self::Items { .. } => "questionnaire",
            Self::Machine { .. } => "machine",
        }
    }
}
