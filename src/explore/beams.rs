//! A beam search as a tree: every step with what could have come, what ran on, and what was dropped.
//! Nothing is searched here: the steps are what [`Seq2Seq::search`] said.

use std::cell::RefCell;

use serde::Serialize;

use super::error::Error;
use super::read_write::{Source, token_text};
use crate::encoder::Tokens;
use crate::jobs::{Cancelled, Progress};
use crate::seq2seq::{Beam, BeamSettings, BeamStep, Fate, Seq2Seq};

/// A token that could have come, after a beam of the step before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BeamNode {
    /// Counted from 1.
    pub step: usize,

    /// Among the candidates of its step, from 0: 0 was the likeliest.
    pub rank: usize,

    /// The node that it continues. `None`: the start.
    pub parent: Option<usize>,
    pub id: u32,
    pub token: String,

    /// Of this token, and of all tokens up to it: natural logs.
    pub logprob: f32,
    pub sum: f32,
    #[serde(flatten)]
    pub fate: NodeFate,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum NodeFate {
    /// It ran on, in this place.
    Ran {
        place: usize,
    },

    /// It ended an answer: its sum over the power of its length.
    Ended {
        score: f32,
    },
    Dropped,
}

/// A result of the search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BeamAnswer {
    pub text: String,
    pub ids: Vec<u32>,

    /// The sum of its log-probabilities, and that over the power of its length.
    pub sum: f32,
    pub score: f32,

    /// Where it ended.
    pub node: usize,
}

/// The whole search.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BeamView {
    /// Step by step, the likeliest of each first.
    pub nodes: Vec<BeamNode>,

    /// The best first. Empty while it is searched.
    pub answers: Vec<BeamAnswer>,
}

impl BeamView {
    pub fn steps(&self) -> usize {
        self.nodes.last().map_or(0, |node| node.step)
    }

    /// From the first token to this node.
    pub fn path(&self, node: usize) -> Vec<usize> {
        let mut path = Vec::new();
        let mut at = Some(node);
        while let Some(node) = at {
            path.push(node);
            at = self.nodes.get(node).and_then(|node| node.parent);
        }
        path.reverse();
        path
    }

    fn ids(&self, node: usize) -> Vec<u32> {
        self.path(node).into_iter().map(|at| self.nodes[at].id).collect()
    }

    /// Adds a step; `running`: the nodes of the beams that run on, which it changes.
    fn add(&mut self, step: &BeamStep, running: &mut Vec<usize>, text: &dyn Fn(u32) -> String) {
        let mut places = Vec::new();
        for (rank, candidate) in step.candidates.iter().enumerate() {
            let fate = match candidate.fate {
                Fate::Runs(place) => {
                    places.push((place, self.nodes.len()));
                    NodeFate::Ran { place }
                }
                Fate::Ends(score) => NodeFate::Ended { score },
                Fate::Dropped => NodeFate::Dropped,
            };
            self.nodes.push(BeamNode {
                step: step.length,
                rank,
                parent: running.get(candidate.beam).copied(),
                id: candidate.id,
                token: text(candidate.id),
                logprob: candidate.logprob,
                sum: candidate.sum,
                fate,
            });
        }
        places.sort_unstable();
        *running = places.into_iter().map(|(_, node)| node).collect();
    }

    /// The node at which an answer ended.
    fn end_of(&self, beam: &Beam) -> Option<usize> {
        let is_end = |node: &BeamNode| {
            node.step == beam.ids.len()
                && beam.ids.last() == Some(&node.id)
                && matches!(node.fate, NodeFate::Ended { .. })
        };
        let mut ends = (0..self.nodes.len()).filter(|at| is_end(&self.nodes[*at]));
        ends.find(|at| self.ids(*at) == beam.ids)
    }
}

/// Collects the steps, and passes on the nodes of each.
struct Grower<'a> {
    view: RefCell<(BeamView, Vec<usize>)>,
    text: &'a dyn Fn(u32) -> String,
    progress: &'a dyn Progress<Vec<BeamNode>>,
}

impl Progress<BeamStep> for Grower<'_> {
    fn emit(&self, step: BeamStep) {
        let (view, running) = &mut *self.view.borrow_mut();
        let before = view.nodes.len();
        view.add(&step, running, self.text);
        self.progress.emit(view.nodes[before..].to_vec());
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.progress.check()
    }
}

/// Searches, and says the nodes of each step on the way.
pub fn beams(
    model: &Seq2Seq,
    source: &Source,
    settings: &BeamSettings,
    progress: &dyn Progress<Vec<BeamNode>>,
) -> Result<BeamView, Error> {
    let text = |id: u32| token_text(model, id);
    let memory = model.read(Tokens::plain(&source.ids()), &mut |_| {})?;
    let grower = Grower { view: RefCell::default(), text: &text, progress };
    let found = model.search(&memory, settings, &grower)?;
    let (mut view, _) = grower.view.into_inner();
    // Where fewer answers end than there are beams, the rest are placeholders.
    let answers = found.iter().filter(|beam| beam.is_finished).filter_map(|beam| {
        let node = view.end_of(beam)?;
        let decode = |ids: &[u32]| model.tokenizer().map(|known| known.decode(ids, true));
        Some(BeamAnswer {
            text: decode(&beam.ids).unwrap_or_default(),
            ids: beam.ids.clone(),
            sum: view.nodes[node].sum,
            score: beam.score,
            node,
        })
    });
    view.answers = answers.collect();
    Ok(view)
}
