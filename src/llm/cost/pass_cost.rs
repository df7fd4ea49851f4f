//! What a training pass over a tree of tokens takes, counted from the configuration: bytes, and
//! multiplications. The pass itself: see `differentiable.rs`.

use super::shapes::Shapes;
use crate::llm::adapter::spec::LinearInfo;
use crate::llm::backward::course;
use crate::llm::backward::differentiable::{Keep, bytes_a_row, input_bytes_a_row};
use crate::llm::backward::linear_grad;
use crate::llm::backward::tree_attention;
use crate::llm::config::{Config, LayerConfig};
use crate::llm::net::attention::AttentionShape;
use crate::llm::net::tree::TokenTree;

/// The sizes that all passes of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct PassShape<'a> {
    pub config: &'a Config,
    pub shapes: &'a Shapes,

    /// The adapter's layers, and its rank.
    pub targets: &'a [&'a LinearInfo],
    pub rank: usize,

    /// The weights themselves learn.
    pub own: bool,
}

/// What a pass takes, forwards and (unless nothing is kept) back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassCost {
    /// Tokens of the tree.
    pub rows: usize,

    /// Bytes that are kept for the backward pass.
    pub kept_bytes: u64,

    /// Bytes of the layer that is being computed, at most.
    pub work_bytes: u64,

    /// Multiplications of all layers in the forward pass, without the head; twice where layers are
    /// computed again.
    pub forward_macs: u64,

    /// Those of the backward pass.
    pub backward_macs: u64,

    /// Those of the head, forth and back, for the tokens that are predicted.
    pub head_macs: u64,
}

const FLOAT: u64 = size_of::<f32>() as u64;

/// Bytes that a pass over so many rows keeps for the backward pass, under an adapter whose layers' ranks
/// add up to `rank_sum`.
pub fn kept_bytes(config: &Config, rows: usize, rank_sum: usize, keep: Keep) -> u64 {
    let bytes = match keep {
        Keep::Nothing => 0,
        Keep::LayerInputs => rows * input_bytes_a_row(config),
        Keep::Everything => rows * (rank_sum * size_of::<f32>() + bytes_a_row(config)),
    };
    bytes as u64
}

impl PassShape<'_> {
    /// `predictions`: tokens whose scores are computed.
    pub fn cost(&self, tree: &TokenTree, predictions: usize, keep: Keep) -> PassCost {
        let Self { config, shapes, .. } = *self;
        let rows = tree.len() as u64;
        let there_and_back = keep != Keep::Nothing;
        let head = (predictions * config.vocab_size * config.width) as u64;

        let macs = |matrices: &[LinearInfo]| -> u64 {
            matrices.iter().map(|one| (one.outputs * one.inputs) as u64).sum()
        };
        let of_experts = match &config.experts {
            // Routers are small beside the experts.
            Some(experts) => macs(&shapes.others) * experts.chosen as u64 / experts.count as u64,
            None => 0,
        };
        let linear = macs(&shapes.linears) + of_experts;
        let low_rank =
            self.targets.iter().map(|one| (self.rank * (one.outputs + one.inputs)) as u64);
        let low_rank: u64 = low_rank.sum();
        let attention = self.attention(tree);
        // A state takes in and gives at each row; in the backward pass it is computed twice more.
        let states = self.state_values() * rows;
        let forward = rows * (linear + low_rank) + 2 * attention.score_macs + 3 * states;
        // Five products of a head's size lead back through attention, and two through A and B each.
        // A weight's own gradient is one more product of its size.
        let own = if self.own { linear } else { 0 };
        let backward =
            rows * (linear + own + 2 * low_rank) + 5 * attention.score_macs + 11 * states;
        let (forward_macs, backward_macs) = match keep {
            Keep::Nothing => (forward, 0),
            Keep::Everything => (forward, backward),
            Keep::LayerInputs => (2 * forward, backward),
        };
        PassCost {
            rows: tree.len(),
            kept_bytes: kept_bytes(config, tree.len(), self.targets.len() * self.rank, keep),
            work_bytes: self.work_bytes(tree, &attention, keep),
            forward_macs,
            backward_macs,
            head_macs: match (there_and_back, self.own) {
                (false, _) => head,
                (true, false) => 2 * head,
                // Once more, and its own gradient.
                (true, true) => 4 * head,
            },
        }
    }

    /// The most that a layer has beside what is kept.
    fn work_bytes(&self, tree: &TokenTree, attention: &Attention, keep: Keep) -> u64 {
        let config = self.config;
        let (width, mlp, queries) = (config.width, config.mlp_width, config.query_width());
        let rows = tree.len();
        // The gradient by the hidden states as it was given, and as it goes from layer to layer.
        let always = 2 * rows * width;
        // What the last matrix of the feed-forward part saw and its gradient; a norm's gradient.
        let feed_forward = rows * (2 * mlp + width);
        // Gradients by what attention gave, by queries, keys and values, in tasks and summed.
        let attending = rows * (3 * queries + 2 * config.kv_width()) + attention.gradients;
        let own_tape = match keep {
            Keep::Everything => 0,
            // A layer is computed from its input, whole.
            Keep::Nothing | Keep::LayerInputs => {
                rows * bytes_a_row(config) / size_of::<f32>() / config.layer_count().max(1)
            }
        };
        let widest = self.shapes.linears.iter().map(|one| one.inputs).max().unwrap_or(0);
        let tile = linear_grad::TILE.max(widest);
        FLOAT
            * (always + feed_forward.max(attending).max(self.recurring(rows)) + own_tape + tile)
                as u64
    }

    /// Numbers of the states of all layers together.
    fn state_values(&self) -> u64 {
        let config = self.config;
        let Some(recurrent) = config.recurrent else { return 0 };
        let has_one = |layer: &&LayerConfig| layer.recurrent || config.beside_attention.is_some();
        let layers = config.layers.iter().filter(has_one).count();
        let (heads, values) = recurrent.states();
        (layers * heads * values) as u64
    }

    /// Values that a recurrent layer has at work, at most: what its heads see with the gradients, and their
    /// states.
    fn recurring(&self, rows: usize) -> usize {
        let Some(recurrent) = self.config.recurrent else { return 0 };
        let (heads, values) = recurrent.states();
        let seen =
            4 * recurrent.input_width(self.config.width) + heads * recurrent.seen_by_a_head();
        let kept = heads * values * (rows / course::PIECE + 1);
        let at_once = rayon::current_num_threads().min(heads) * values * (course::PIECE + 1);
        rows * seen + kept + at_once
    }

    fn attention(&self, tree: &TokenTree) -> Attention {
        let config = self.config;
        let mut sum = Attention::default();
        let mut known: Vec<(Option<usize>, tree_attention::Load)> = Vec::new();
        for layer in config.layers.iter().filter(|layer| !layer.recurrent) {
            let found = known.iter().find(|(window, _)| *window == layer.window);
            let load = if let Some((_, load)) = found {
                *load
            } else {
                let load = tree_attention::load(&AttentionShape::of(config, layer), tree);
                known.push((layer.window, load));
                load
            };
            sum.score_macs += (load.scores * config.head_dim) as u64;
            sum.gradients = sum.gradients.max(load.gradients);
        }
        sum
    }
}

/// Attention in all layers together.
#[derive(Default)]
struct Attention {
    /// Multiplications of queries with keys.
    score_macs: u64,

    /// Values of a layer's gradients before they are added up, at most.
    gradients: usize,
}
