//! What a score head says of texts: its outputs at the last token that is no padding, and the backward pass
//! into the head and the adapter. Log-probabilities: see [`super::logprobs`].

use candle_core::Tensor;

use super::logprobs;
use super::logprobs::{Asked, CompletionStats, PassSize, Scored};
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::score_head::ScoreHead;
use crate::llm::backward::dropout::Dropout;
use crate::llm::backward::gradients::Gradients;
use crate::llm::model::Model;
use crate::llm::net::buffers;
use crate::llm::net::tree::TokenTree;
use crate::llm::{Keep, TreePass};
use crate::train::config::TrainConfig;
use crate::train::config::objective::Head;
use crate::train::error::Error;
use crate::train::rows::sequence::Sequence;

/// How many numbers a sequence has: one for its tokens, or one for each label of the head.
pub fn outputs(config: &TrainConfig, adapter: &Adapter) -> usize {
    match config.objective.facts().head {
        Head::Tokens => 1,
        Head::Score => adapter.score_head().map_or(1, ScoreHead::label_count),
    }
}

/// Sequences that were run through the model, read by whichever head the objective has.
pub enum Ran<'a> {
    Tokens(Scored<'a>),
    Scores(HeadScored<'a>),
}

impl Ran<'_> {
    /// Of each sequence as many as [`outputs`] says.
    pub fn stats(&self) -> &[CompletionStats] {
        match self {
            Self::Tokens(scored) => &scored.stats,
            Self::Scores(scored) => &scored.stats,
        }
    }

    /// Adds the gradients of the sum of weight times number: a weight for each of [`Self::stats`].
    pub fn backward(self, weights: &[f64], gradients: &mut Gradients) -> Result<(), Error> {
        match self {
            Self::Tokens(scored) => scored.backward(weights, gradients),
            Self::Scores(scored) => scored.backward(weights, gradients),
        }
    }
}

/// Runs sequences and keeps what the backward pass needs. `tree` is that of `sequences`.
pub fn run<'a>(
    (model, adapter): (&'a Model, &'a Adapter),
    config: &TrainConfig,
    (tree, sequences): (&'a TokenTree, &[&Sequence]),
    asked: &Asked,
    dropout: Option<&'a Dropout>,
) -> Result<Ran<'a>, Error> {
    Ok(match config.objective.facts().head {
        Head::Tokens => {
            Ran::Tokens(logprobs::score(model, adapter, tree, sequences, asked, dropout)?)
        }
        Head::Score => Ran::Scores(score(model, adapter, tree, sequences, dropout)?),
    })
}

/// As [`run`], without a backward pass: the same bits, whatever they are run beside.
pub fn measure(
    model: &Model,
    adapter: &Adapter,
    config: &TrainConfig,
    sequences: &[&Sequence],
    asked: &Asked,
) -> Result<Vec<CompletionStats>, Error> {
    match config.objective.facts().head {
        Head::Tokens => logprobs::measure(model, adapter, sequences, asked),
        Head::Score => {
            let tree = logprobs::tree(sequences);
            buffers::expect_rows(tree.len(), tree.len());
            let pass = model.run_tree(&tree, Some(adapter), None, Keep::Nothing)?;
            let head = Values::of(head(adapter)?)?;
            Ok(head.stats(pass.hidden(), &rows(&tree, sequences, head.of)))
        }
    }
}

/// Texts that were run through the model and its score head.
pub struct HeadScored<'a> {
    /// One for each label of each sequence.
    pub stats: Vec<CompletionStats>,
    pass: TreePass<'a>,
    head: Values<'a>,

    /// The row of the tree that each sequence is read at.
    rows: Vec<usize>,
}

fn score<'a>(
    model: &'a Model,
    adapter: &'a Adapter,
    tree: &'a TokenTree,
    sequences: &[&Sequence],
    dropout: Option<&'a Dropout>,
) -> Result<HeadScored<'a>, Error> {
    let size = PassSize::of(model.config());
    buffers::expect_rows(tree.len(), size.rows());
    let pass = model.run_tree(tree, Some(adapter), dropout, size.keep(tree))?;
    let head = Values::of(head(adapter)?)?;
    let rows = rows(tree, sequences, head.of);
    let stats = head.stats(pass.hidden(), &rows);
    Ok(HeadScored { stats, pass, head, rows })
}

impl HeadScored<'_> {
    fn backward(self, weights: &[f64], gradients: &mut Gradients) -> Result<(), Error> {
        let Self { pass, head, rows, .. } = self;
        let (labels, width) = (head.of.label_count(), head.width);
        let hidden = pass.hidden();
        let mut grad = vec![0.0; hidden.len()];
        if let Some(sums) = gradients.score_mut() {
            for (row, slopes) in rows.iter().zip(weights.chunks_exact(labels)) {
                let place = row * width..(row + 1) * width;
                let each = slopes.iter().zip(sums.chunks_exact_mut(width));
                for ((slope, sums), weight) in each.zip(head.values.chunks_exact(width)) {
                    let slope = *slope as f32;
                    let states = &hidden[place.clone()];
                    sums.iter_mut().zip(states).for_each(|(sum, state)| *sum += slope * state);
                    let by = &mut grad[place.clone()];
                    by.iter_mut().zip(weight).for_each(|(sum, weight)| *sum += slope * weight);
                }
            }
        }
        Ok(pass.backward(&grad, gradients)?)
    }
}

/// A head with its weight as numbers.
struct Values<'a> {
    of: &'a ScoreHead,
    values: Vec<f32>,
    width: usize,
}

impl<'a> Values<'a> {
    fn of(of: &'a ScoreHead) -> Result<Self, Error> {
        let values = Tensor::flatten_all(&of.weight)?.to_vec1::<f32>()?;
        let width = values.len() / of.label_count();
        Ok(Self { of, values, width })
    }

    fn stats(&self, hidden: &[f32], rows: &[usize]) -> Vec<CompletionStats> {
        let states = rows.iter().map(|row| &hidden[row * self.width..(row + 1) * self.width]);
        let product = |state: &[f32], weight: &[f32]| -> f64 {
            state.iter().zip(weight).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
        };
        let labels = || self.values.chunks_exact(self.width);
        states
            .flat_map(|state| labels().map(move |weight| product(state, weight)))
            .map(|score| CompletionStats { score, ..CompletionStats::default() })
            .collect()
    }
}

fn head(adapter: &Adapter) -> Result<&ScoreHead, Error> {
    adapter.score_head().ok_or(Error::NoScoreHead)
}

/// The row of the tree that the head reads of each sequence.
fn rows(tree: &TokenTree, sequences: &[&Sequence], head: &ScoreHead) -> Vec<usize> {
    let row = |(index, sequence): (usize, &&Sequence)| {
        tree.rows(index)[head.position(&sequence.ids)] as usize
    };
    sequences.iter().enumerate().map(row).collect()
}
