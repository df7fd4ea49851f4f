//! What a scene shows, as plain data: it is drawn, kept in a recording, and drawn again from there.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::machine::MachineView;
use super::next::{NextView, TemperaturesView};
use crate::explore::compare::TextComparison;
use crate::explore::leave_one_out::LeaveOneOutView;
use crate::explore::lens::LensView;
use crate::explore::mask::Side;
use crate::explore::next_token::NextComparison;
use crate::explore::pair_set::PairSetView;
use crate::explore::predictions::Candidate;
use crate::explore::surprise::SurpriseView;
use crate::explore::token_sides::TokenizerSide;
use crate::explore::tokens::TokenView;
use crate::explore::tree::TreeView;
use crate::explore::two_models::TwoModels;

/// The result of a scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shows", rename_all = "snake_case")]
pub enum Played {
    Words,
    Tokens(TokenView),
    Next(NextView),
    Temperatures(TemperaturesView),
    Surprise(SurpriseView),
    Guess(GuessView),
    Mask(FilledView),
    Pair(NextComparison),
    PairSet(PairSetView),
    Tree(TreeView),
    Attention(HeadView),
    Lens(LensView),
    LeaveOneOut(LeaveOneOutView),
    Meaning(MapView),
    Adapter(TextComparison),
    Tokenizers(TokenizersView),
    TwoModels(Box<TwoModels>),
    Machine(MachineView),
}

/// A text by several tokenizers, the lecture's own model first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenizersView {
    pub sides: Vec<TokenizerSide>,
}

/// A text of which words are hidden.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuessView {
    pub ids: Vec<u32>,
    pub tokens: Vec<String>,

    /// In the order of the text.
    pub hidden: Vec<Guessed>,
}

/// A word that is hidden, and what the model would have begun it with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guessed {
    pub tokens: Range<usize>,

    /// Of the whole word, given the text before it.
    pub probability: f64,
    pub guesses: Vec<Candidate>,
}

/// A text of which words are guessed from both sides and from the left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilledView {
    pub text: String,

    /// Characters of the words that are guessed, in the order of the text.
    pub hidden: Vec<Range<usize>>,
    pub both: Side,
    pub left: Side,
}

/// One head of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadView {
    pub layer: usize,
    pub head: usize,
    pub ids: Vec<u32>,
    pub tokens: Vec<String>,

    /// `[token that looks][token that is looked at]`, up to itself; each row sums to 1.
    pub weights: Vec<Vec<f32>>,
}

impl HeadView {
    /// The same without the first token, the rest of each row made to sum to 1.
    pub fn without_first(&self) -> Vec<Vec<f32>> {
        let row = |row: &Vec<f32>| {
            let rest: f32 = row.iter().skip(1).sum();
            let share = |weight: &f32| if rest > 0.0 { weight / rest } else { 0.0 };
            std::iter::once(0.0).chain(row.iter().skip(1).map(share)).collect()
        };
        self.weights.iter().map(row).collect()
    }
}

/// Items on a map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapView {
    pub items: Vec<String>,

    /// Of which hidden states the vectors are.
    pub layer: usize,

    /// Along the first two principal components.
    pub coordinates: Vec<[f64; 2]>,

    /// The share of all variance that these two hold.
    pub variance_share: [f64; 2],
}
