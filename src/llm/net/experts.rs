//! A mixture of experts: many small MLPs, of which a router picks a few for each token.
//!
//! The tokens of a pass are grouped by expert, so that each expert's weights are read once, and those
//! of an expert that nobody goes to not at all. With a gradient: see `backward/experts.rs`.

use candle_core::Result;
use tuning_fork_kernels as kernels;
use tuning_fork_kernels::{Product, QMatrix};

use super::buffers::Buffer;
use super::linear::{Linear, Norm, add_low_rank};
use super::mlp::Mlp;
use super::rows;
use crate::llm::adapter::laid::{LaidExpert, LaidMixture};
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::low_rank::LowRank;
use crate::llm::config::{Activation, ExpertGate, ExpertGroups, ExpertsConfig, Routing};

#[derive(Clone)]
pub(crate) struct Experts {
    /// The module path of the router.
    pub name: String,
    pub rule: ExpertsConfig,
    pub activation: Activation,

    /// (experts, width)
    pub router: QMatrix,
    pub router_bias: Option<Vec<f32>>,

    /// Added to the scores by which experts are chosen, not to those that weight them.
    pub correction: Option<Vec<f32>>,

    /// What the router reads goes through this.
    pub router_norm: Option<Norm>,

    /// Weights are multiplied by this at last, expert by expert.
    pub expert_scales: Option<Vec<f32>>,
    pub experts: Vec<Expert>,
    pub shared: Option<SharedExpert>,
}

#[derive(Clone)]
pub(crate) struct Expert {
    /// (expert width, width)
    pub gate: QMatrix,
    pub up: QMatrix,

    /// (width, expert width)
    pub down: QMatrix,

    /// Of the three, in their order.
    pub biases: Option<[Vec<f32>; 3]>,
}

/// What every token goes through besides.
#[derive(Clone)]
pub(crate) struct SharedExpert {
    pub mlp: Mlp,

    /// (1, width): how much of it, through a sigmoid.
    pub gate: Option<Linear>,
}

/// Where a token goes, and with which weight, before [`Experts::expert_scales`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Choice {
    pub expert: usize,
    pub weight: f32,
}

/// A token of a pass by its number, and the weight with which an expert was chosen for it.
pub(crate) type Visit = (usize, f32);

impl Experts {
    /// Those that adapters can be on: neither the router nor the experts themselves.
    pub fn linears(&self) -> Vec<&Linear> {
        let shared = self.shared.iter();
        shared.flat_map(|shared| shared.mlp.linears().into_iter().chain(&shared.gate)).collect()
    }

    /// As [`Self::linears`].
    pub fn linears_mut(&mut self) -> Vec<&mut Linear> {
        let shared = self.shared.iter_mut();
        shared
            .flat_map(|SharedExpert { mlp, gate }| mlp.linears_mut().into_iter().chain(gate))
            .collect()
    }

    /// Whether they keep packed integers.
    pub fn is_packed(&self) -> bool {
        self.experts.first().is_some_and(|expert| !expert.down.kind().is_dense())
    }

    /// x (count, width) -> the same, by what the router reads, (count, width) too.
    pub fn run(
        &self,
        x: &[f32],
        read: &[f32],
        count: usize,
        adapter: Option<&Adapter>,
    ) -> Result<Buffer> {
        let laid = adapter.and_then(|adapter| adapter.mixture(&self.name));
        let mut scores = Buffer::any(count * self.rule.count);
        match &self.router_norm {
            Some(norm) => self.route(&norm.run(read), count, laid, &mut scores),
            None => self.route(read, count, laid, &mut scores),
        }
        let mut out = Buffer::zeroed(x.len());
        let visits = self.visits(&self.chosen(&mut scores));
        for (index, (expert, visits)) in self.experts.iter().zip(visits).enumerate() {
            if visits.is_empty() {
                continue;
            }
            let laid = laid.and_then(|laid| laid.experts.get(index));
            let fed = expert.run(self, &gather(x, count, &visits), visits.len(), laid);
            scatter(&fed, &visits, &mut out, count);
        }
        if let Some(SharedExpert { mlp, gate }) = &self.shared {
            let mut fed = mlp.run(x, count, adapter)?;
            if let Some(gate) = gate {
                let gates = gate.run(x, count, adapter)?;
                rows::each_row(&mut fed, x.len() / count, |row, fed| {
                    rows::scale(fed, Some(sigmoid(gates[row])));
                });
            }
            rows::add(&mut out, &fed);
        }
        Ok(out)
    }

    /// What the router says of rows: (count, width) -> (count, experts).
    fn route(&self, read: &[f32], count: usize, laid: Option<&LaidMixture>, scores: &mut [f32]) {
        self.router.matmul(read, count, scores);
        add_low(laid.and_then(|laid| laid.router.as_ref()), read, scores);
    }

    /// The experts of each token, from the router's product (tokens, experts), to which the bias is added.
    pub fn chosen(&self, scores: &mut [f32]) -> Vec<Vec<Choice>> {
        scores.chunks_exact_mut(self.rule.count).map(|scores| self.choose(scores)).collect()
    }

    /// The tokens that go to each expert, by weights that its scale is in.
    pub fn visits(&self, chosen: &[Vec<Choice>]) -> Vec<Vec<Visit>> {
        let mut visits = vec![Vec::new(); self.rule.count];
        for (token, choices) in chosen.iter().enumerate() {
            for Choice { expert, weight } in choices {
                let scale = self.expert_scales.as_ref().map_or(1.0, |scales| scales[*expert]);
                visits[*expert].push((token, weight * scale));
            }
        }
        visits
    }

    /// The experts of a token, from its row of the router's product, to which the bias is added.
    fn choose(&self, scores: &mut [f32]) -> Vec<Choice> {
        if let Some(bias) = &self.router_bias {
            rows::add_scaled(scores, 1.0, bias);
        }
        let ExpertsConfig { chosen, scale, .. } = self.rule;
        let (normalised, little) = match self.rule.routing {
            Routing::SparseMixer { jitter } => return sparse_mixer(scores, jitter),
            Routing::Softmax { normalised } => (normalised, 1e-20),
            Routing::Sigmoid { normalised, little } => (normalised, little),
        };
        let mut weights = scores.to_vec();
        match self.rule.routing {
            Routing::Sigmoid { .. } => weights.iter_mut().for_each(|x| *x = sigmoid(*x)),
            _ => rows::softmax(&mut weights),
        }
        let mut ranks = weights.clone();
        if let Some(correction) = &self.correction {
            rows::add_scaled(&mut ranks, 1.0, correction);
        }
        if let Some(groups) = &self.rule.groups {
            keep_groups(*groups, &mut ranks);
        }
        let mut choices = Vec::with_capacity(chosen);
        for _ in 0..chosen {
            let expert = highest(&ranks);
            ranks[expert] = f32::NEG_INFINITY;
            choices.push(Choice { expert, weight: weights[expert] });
        }
        let sum: f32 = choices.iter().map(|choice| choice.weight).sum();
        let factor = if normalised { scale / (sum + little) } else { scale };
        choices.iter_mut().for_each(|choice| choice.weight *= factor);
        choices
    }

    /// gate = what the two give together, in place.
    pub fn meet(&self, gate: &mut [f32], up: &[f32]) {
        match self.rule.gate {
            ExpertGate::Activation => rows::gated(self.activation, gate, up),
            ExpertGate::Clamped { slope, limit } => {
                for (gate, up) in gate.iter_mut().zip(up) {
                    let (g, u) = (gate.min(limit), up.clamp(-limit, limit));
                    *gate = (u + 1.0) * g * sigmoid(slope * g);
                }
            }
        }
    }
}

impl Expert {
    /// x (count, width) -> the same
    fn run(&self, experts: &Experts, x: &[f32], count: usize, laid: Option<&LaidExpert>) -> Buffer {
        let mut gate = Buffer::any(count * self.gate.rows());
        let mut up = Buffer::any(gate.len());
        kernels::matmul_all(
            x,
            count,
            &mut [
                Product { weights: &self.gate, out: &mut gate },
                Product { weights: &self.up, out: &mut up },
            ],
        );
        if let Some(laid) = laid {
            add_low(laid.gate.as_ref(), x, &mut gate);
            add_low(laid.up.as_ref(), x, &mut up);
        }
        self.add_bias(0, &mut gate);
        self.add_bias(1, &mut up);
        experts.meet(&mut gate, &up);
        let mut out = Buffer::any(x.len());
        self.down.matmul(&gate, count, &mut out);
        add_low(laid.and_then(|laid| laid.down.as_ref()), &gate, &mut out);
        self.add_bias(2, &mut out);
        out
    }

    /// Of the first, second or third matrix.
    pub fn add_bias(&self, which: usize, out: &mut [f32]) {
        if let Some(biases) = &self.biases {
            let bias = &biases[which];
            rows::each_row(out, bias.len(), |_, row| rows::add_scaled(row, 1.0, bias));
        }
    }
}

/// Adds the product of low rank to what a weight gave: x (count, inputs), out (count, outputs).
pub(crate) fn add_low(low: Option<&LowRank>, x: &[f32], out: &mut [f32]) {
    if let Some(LowRank { a, b, rank }) = low {
        add_low_rank(x, a, b, *rank, 1.0, out);
    }
}

/// The rows of the tokens that visit an expert.
pub(crate) fn gather(x: &[f32], count: usize, visits: &[Visit]) -> Buffer {
    let width = x.len() / count;
    let mut out = Buffer::any(visits.len() * width);
    for (out, (token, _)) in out.chunks_exact_mut(width).zip(visits) {
        out.copy_from_slice(&x[token * width..(token + 1) * width]);
    }
    out
}

/// Adds what an expert gave to the rows of its tokens, by their weights.
pub(crate) fn scatter(fed: &[f32], visits: &[Visit], out: &mut [f32], count: usize) {
    let width = out.len() / count;
    for (fed, (token, weight)) in fed.chunks_exact(width).zip(visits) {
        rows::add_scaled(&mut out[token * width..(token + 1) * width], *weight, fed);
    }
}

pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The first of the highest.
fn highest(values: &[f32]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

/// Leaves only the experts of the best groups in the running.
fn keep_groups(groups: ExpertGroups, ranks: &mut [f32]) {
    let size = ranks.len() / groups.count;
    let score = |group: &[f32]| {
        let mut sorted = group.to_vec();
        sorted.sort_by(|one, other| other.total_cmp(one));
        sorted.iter().take(groups.by_best).sum::<f32>()
    };
    let mut scores: Vec<f32> = ranks.chunks_exact(size).map(score).collect();
    let mut kept = vec![false; groups.count];
    for _ in 0..groups.kept {
        let best = highest(&scores);
        kept[best] = true;
        scores[best] = f32::NEG_INFINITY;
    }
    for (group, kept) in ranks.chunks_exact_mut(size).zip(kept) {
        if !kept {
            group.fill(f32::NEG_INFINITY);
        }
    }
}

/// The two experts of `SparseMixer` (arXiv 2409.12136), as it is run: the best one, weighted by a
/// softmax over those that come near to it, and then the same among the rest.
fn sparse_mixer(scores: &[f32], jitter: f32) -> Vec<Choice> {
    let choice = |(expert, shares): (usize, Vec<f32>)| Choice { expert, weight: shares[expert] };
    sparse_shares(scores, jitter).into_iter().map(choice).collect()
}

/// The same with the softmax that each of the two was weighted by, over all experts.
pub(crate) fn sparse_shares(scores: &[f32], jitter: f32) -> Vec<(usize, Vec<f32>)> {
    let mut left = scores.to_vec();
    let mut choices = Vec::with_capacity(2);
    for _ in 0..2 {
        let expert = highest(&left);
        let best = left[expert];
        let near = |(left, score): (&f32, &f32)| {
            let far = (best - left) / score.abs().max(best) > 2.0 * jitter;
            if far { 0.0 } else { (left - best).exp() }
        };
        let mut shares: Vec<f32> = left.iter().zip(scores).map(near).collect();
        let sum: f32 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= sum);
        choices.push((expert, shares));
        left[expert] = f32::NEG_INFINITY;
    }
    choices
}
