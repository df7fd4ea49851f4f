//! What is written of a view of Look inside.

use crate::explore::attention::AttentionView;
use crate::explore::compare::TextComparison;
use crate::explore::lens::LensView;
use crate::explore::surprise::SurpriseView;
use crate::explore::tokens::TokenView;

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
    Compare(TextComparison),
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
            Self::Compare(_) => "compare",
        }
    }
}
