//! What the next token could be at one position, under one setting of the chain: before and after it,
//! and step by step.

use crate::llm::generate::pipeline::{Before, Pipeline};
use crate::llm::generate::sampling::{SamplingParams, Stage};
use crate::state::scores::Position;

/// How many tokens the next-token panel shows.
pub const CANDIDATE_COUNT: usize = 15;

/// How many the pipeline shows. They scroll.
pub const PIPELINE_COUNT: usize = 30;

/// A row of the next-token panel.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateRow {
    pub id: u32,
    pub text: String,
    pub before: f32,
    pub after: f32,
    pub removed_by: Option<Stage>,

    /// It is in the text already, and the repetition penalty made it less likely.
    pub penalised: bool,
    pub taken: bool,
}

/// The next-token panel's contents at one position, under one setting of the chain.
#[derive(Clone, Debug)]
pub struct Candidates {
    pub rows: Vec<CandidateRow>,

    /// How many tokens of the vocabulary can still be drawn.
    pub kept_count: usize,

    /// Only the likeliest tokens of this position are still in memory.
    pub approximate: bool,
}

/// A token of the pipeline. It keeps its row whatever the settings do.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineRow {
    pub id: u32,
    pub text: String,
    pub taken: bool,
}

/// The pipeline at one position.
#[derive(Clone, Debug)]
pub struct PipelineView {
    /// The likeliest tokens as the model gives them, and the one that was taken.
    pub rows: Vec<PipelineRow>,
    pub pipeline: Pipeline,

    /// Only the likeliest tokens of this position are still in memory.
    pub approximate: bool,
}

/// What was computed last, and for what.
#[derive(Debug, Default)]
pub struct Computed {
    pub candidates: Option<(Position, SamplingParams, u64, Result<Candidates, String>)>,

    /// What does not depend on the settings: the most of the work.
    pub before: Option<(Position, u64, Result<Before, String>)>,
    pub pipeline: Option<(Position, SamplingParams, u64, Result<PipelineView, String>)>,
}
