//! Attention over a tree of tokens, forwards and backwards: causal within each sequence, with
//! grouped heads, windows by position and soft-caps. Over a cache: see `attention.rs`.
//!
//! The result of a row depends on nothing but its own sequence, to the bit: keys are gone through
//! by position, from a multiple of [`gemm::DEPTH`] on.

use std::ops::Range;

use rayon::prelude::*;
use tuning_fork_kernels::gemm;
use tuning_fork_kernels::gemm::{Matrix, Result, Target, gemm_here};

use crate::llm::net::attention::AttentionShape;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::rows::{add_scaled, dot, softcap, softmax, softmax_with_sink};
use crate::llm::net::tree::{Segment, TokenTree};

/// Queries of a task. More read each key less often, and compute more scores that nobody sees.
const QUERIES: usize = 48;

/// Queries, keys and values of a layer: (rows, heads · `head_dim`) and twice
/// (rows, `kv_heads` · `head_dim`).
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub q: &'a [f32],
    pub k: &'a [f32],
    pub v: &'a [f32],

    /// Of each query head, a score that leads to no value; empty where there are none.
    pub sinks: &'a [f32],
}

/// The gradients by each of [`Inputs`].
pub(crate) struct Gradients {
    pub q: Buffer,
    pub k: Buffer,
    pub v: Buffer,
}

/// What queries see of values: in the queries' shape.
pub(crate) fn forward(shape: &AttentionShape, tree: &TokenTree, inputs: Inputs<'_>) -> Buffer {
    let tasks = tasks(shape, tree);
    let parts: Vec<Vec<f32>> = tasks.par_iter().map(|task| task.forward(inputs)).collect();
    let mut out = Buffer::any(inputs.q.len()); // every query is in one task
    for (task, part) in tasks.iter().zip(&parts) {
        task.put_queries(part, &mut out);
    }
    out
}

/// `out` is what [`forward`] gave, `grad` the gradient by it.
pub(crate) fn backward(
    shape: &AttentionShape,
    tree: &TokenTree,
    inputs: Inputs<'_>,
    out: &[f32],
    grad: &[f32],
) -> Gradients {
    let tasks = tasks(shape, tree);
    let mut sums = Gradients {
        q: Buffer::any(inputs.q.len()),
        k: Buffer::zeroed(inputs.k.len()),
        v: Buffer::zeroed(inputs.v.len()),
    };
    for wave in waves(&tasks) {
        let parts: Vec<[Vec<f32>; 3]> =
            wave.par_iter().map(|task| task.backward(inputs, out, grad)).collect();
        // In order, so that a sum is the same on any number of threads.
        for (task, [q, k, v]) in wave.iter().zip(&parts) {
            task.put_queries(q, &mut sums.q);
            task.add_keys(k, &mut sums.k);
            task.add_keys(v, &mut sums.v);
        }
    }
    sums
}

/// What attention over a tree is, in a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Scores that are computed, of all query heads; some of them nobody sees.
    pub scores: usize,

    /// Values of gradients by keys and by values that wait to be added up, at most.
    pub gradients: usize,
}

/// Counted, not run.
pub(crate) fn load(shape: &AttentionShape, tree: &TokenTree) -> Load {
    let group = shape.heads / shape.kv_heads;
    let tasks = tasks(shape, tree);
    let scores = tasks.iter().map(|task| group * task.queries.len() * task.stride());
    let gradients = |wave: &[Task<'_>]| wave.iter().map(Task::key_gradients).sum();
    Load { scores: scores.sum(), gradients: waves(&tasks).map(gradients).max().unwrap_or(0) }
}

/// Values of gradients by keys and by values that wait to be added up, about so many: every task has
/// some for all the keys that it sees, which for a whole tree grow with the square of its length.
/// A wave is never fewer tasks than keep all threads busy, whatever those take.
const WAITING: usize = 2 << 20;

/// The tasks in parts that run at once.
fn waves<'t, 'a>(tasks: &'t [Task<'a>]) -> impl Iterator<Item = &'t [Task<'a>]> {
    let least = rayon::current_num_threads();
    let mut rest = tasks;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fitting = rest.iter().take_while(|task| {
            sum += task.key_gradients();
            sum <= WAITING
        });
        let count = fitting.count().max(least).min(rest.len());
        let (wave, others) = rest.split_at(count);
        rest = others;
        (!wave.is_empty()).then_some(wave)
    })
}

fn tasks<'a>(shape: &'a AttentionShape, tree: &'a TokenTree) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    for segment in tree.segments() {
        let start = segment.prefix.len();
        let end = start + segment.len;
        for first in (start..end).step_by(QUERIES) {
            let queries = first..end.min(first + QUERIES);
            // From a fixed grid on, so that sums are cut at the same positions for every task.
            let seen = shape.first_visible(first) / gemm::DEPTH * gemm::DEPTH;
            let keys = seen..queries.end;
            for kv_head in 0..shape.kv_heads {
                let (queries, keys) = (queries.clone(), keys.clone());
                tasks.push(Task { shape, segment, queries, keys, kv_head });
            }
        }
    }
    // The longest first, so that no thread ends late.
    tasks.sort_by_key(|task| std::cmp::Reverse(task.queries.len() * task.keys.len()));
    tasks
}

/// Some positions of a segment, with the query heads that share one head of keys and values.
struct Task<'a> {
    shape: &'a AttentionShape,
    segment: &'a Segment,
    queries: Range<usize>,
    keys: Range<usize>,
    kv_head: usize,
}

impl Task<'_> {
    /// Values of its gradients by keys and by values.
    fn key_gradients(&self) -> usize {
        2 * self.keys.len() * self.shape.head_dim
    }

    fn heads(&self) -> Range<usize> {
        let group = self.shape.heads / self.shape.kv_heads;
        self.kv_head * group..(self.kv_head + 1) * group
    }

    /// (queries, `head_dim`) of one head, scaled.
    fn queries(&self, q: &[f32], head: usize, scale: f32) -> Vec<f32> {
        let AttentionShape { heads, head_dim, .. } = *self.shape;
        let mut out = Vec::with_capacity(self.queries.len() * head_dim);
        for position in self.queries.clone() {
            let at = (self.segment.row(position) * heads + head) * head_dim;
            out.extend(q[at..at + head_dim].iter().map(|value| value * scale));
        }
        out
    }

    /// (keys, `head_dim`)
    fn keys(&self, k: &[f32]) -> Vec<f32> {
        let AttentionShape { kv_heads, head_dim, .. } = *self.shape;
        let mut out = Vec::with_capacity(self.keys.len() * head_dim);
        for position in self.keys.clone() {
            let at = (self.segment.row(position) * kv_heads + self.kv_head) * head_dim;
            out.extend_from_slice(&k[at..at + head_dim]);
        }
        out
    }

    /// Length of a row of scores: the keys, made up to whole tiles.
    fn stride(&self) -> usize {
        self.keys.len().next_multiple_of(16)
    }

    /// (keys, `head_dim`) -> (`head_dim`, stride), with zeros at the end.
    fn turned(&self, keys: &[f32]) -> Vec<f32> {
        let (dim, stride) = (self.shape.head_dim, self.stride());
        let mut out = vec![0.0; dim * stride];
        for (index, key) in keys.chunks_exact(dim).enumerate() {
            for (out, value) in out[index..].iter_mut().step_by(stride).zip(key) {
                *out = *value;
            }
        }
        out
    }

    /// Probabilities (queries, stride) of a head with its scaled queries and its sink, and the capped
    /// scores where there is a cap.
    fn weights(
        &self,
        (head, sink): (usize, Option<f32>),
        q: &[f32],
        turned_k: &[f32],
    ) -> (Vec<f32>, Option<Vec<f32>>) {
        let mut scores = self.product(q, turned_k);
        if let Some(alibi) = self.shape.alibi {
            for row in scores.chunks_exact_mut(self.stride()) {
                alibi.add(head, self.shape.scale, self.keys.start, row);
            }
        }
        let capped = self.shape.softcap.map(|cap| {
            softcap(cap, &mut scores);
            scores.clone()
        });
        for (position, row) in self.queries.clone().zip(scores.chunks_exact_mut(self.stride())) {
            let first = self.shape.first_visible(position) - self.keys.start;
            let end = position + 1 - self.keys.start;
            match sink {
                None => softmax(&mut row[first..end]),
                Some(sink) => softmax_with_sink(&mut row[first..end], sink),
            }
            row[..first].fill(0.0);
            row[end..].fill(0.0);
        }
        (scores, capped)
    }

    /// (queries, dim) · (dim, stride)
    fn product(&self, left: &[f32], right: &[f32]) -> Vec<f32> {
        let (count, dim, stride) = (self.queries.len(), self.shape.head_dim, self.stride());
        let mut out = vec![0.0; count * stride];
        let term = (Matrix::new(left, count, dim), Matrix::new(right, dim, stride));
        gemm_here(Target::new(&mut out, count, stride, Result::Replace), &[term]);
        out
    }

    /// (queries, keys of stride) · (keys, dim), written where a head's queries are.
    fn combine(&self, weights: &[f32], values: &[f32], out: &mut [f32]) {
        let (count, dim) = (self.queries.len(), self.shape.head_dim);
        let weights = Matrix::new(weights, count, self.stride()).columns(0..self.keys.len());
        let values = Matrix::new(values, self.keys.len(), dim);
        gemm_here(Target::new(out, count, dim, Result::Replace), &[(weights, values)]);
    }

    /// (queries, keys of stride)ᵀ · (queries, dim), added to (keys, dim).
    fn spread(&self, weights: &[f32], queries: &[f32], out: &mut [f32]) {
        let (count, dim) = (self.queries.len(), self.shape.head_dim);
        let weights = Matrix::new(weights, count, self.stride()).columns(0..self.keys.len());
        let queries = Matrix::new(queries, count, dim);
        let target = Target::new(out, self.keys.len(), dim, Result::Add);
        gemm_here(target, &[(weights.transposed(), queries)]);
    }

    /// (heads of the group, queries, `head_dim`)
    fn forward(&self, inputs: Inputs<'_>) -> Vec<f32> {
        let part = self.queries.len() * self.shape.head_dim;
        let turned_k = self.turned(&self.keys(inputs.k));
        let v = self.keys(inputs.v);
        let mut out = vec![0.0; self.heads().len() * part];
        for (head, out) in self.heads().zip(out.chunks_exact_mut(part)) {
            let q = self.queries(inputs.q, head, self.shape.scale);
            let (weights, _) = self.weights((head, inputs.sinks.get(head).copied()), &q, &turned_k);
            self.combine(&weights, &v, out);
        }
        out
    }

    /// Gradients by the queries, (heads of the group, queries, `head_dim`), and by keys and values,
    /// (keys, `head_dim`).
    fn backward(&self, inputs: Inputs<'_>, out: &[f32], grad: &[f32]) -> [Vec<f32>; 3] {
        let (dim, scale) = (self.shape.head_dim, self.shape.scale);
        let part = self.queries.len() * dim;
        let (k, v) = (self.keys(inputs.k), self.keys(inputs.v));
        let (turned_k, turned_v) = (self.turned(&k), self.turned(&v));
        let mut q_grad = vec![0.0; self.heads().len() * part];
        let (mut k_grad, mut v_grad) = (vec![0.0; k.len()], vec![0.0; v.len()]);
        for (head, q_grad) in self.heads().zip(q_grad.chunks_exact_mut(part)) {
            let q = self.queries(inputs.q, head, scale);
            let out = self.queries(out, head, 1.0);
            let grad = self.queries(grad, head, 1.0);
            let (weights, capped) =
                self.weights((head, inputs.sinks.get(head).copied()), &q, &turned_k);
            self.spread(&weights, &grad, &mut v_grad);
            let mut scores_grad = self.product(&grad, &turned_v);
            let rows = scores_grad.chunks_exact_mut(self.stride());
            let weights = weights.chunks_exact(self.stride());
            let states = out.chunks_exact(dim).zip(grad.chunks_exact(dim));
            for ((scores_grad, weights), (out, grad)) in rows.zip(weights).zip(states) {
                let pull = dot(out, grad); // Σ of weight · gradient over the row
                for (scores_grad, weight) in scores_grad.iter_mut().zip(weights) {
                    *scores_grad = weight * (*scores_grad - pull);
                }
            }
            if let (Some(cap), Some(capped)) = (self.shape.softcap, capped) {
                for (grad, capped) in scores_grad.iter_mut().zip(capped) {
                    let tanh = capped / cap;
                    *grad *= 1.0 - tanh * tanh;
                }
            }
            self.spread(&scores_grad, &q, &mut k_grad);
            self.combine(&scores_grad, &k, q_grad);
            for value in q_grad {
                *value *= scale;
            }
        }
        [q_grad, k_grad, v_grad]
    }

    /// Puts (heads of the group, queries, `head_dim`) where the queries lie.
    fn put_queries(&self, part: &[f32], out: &mut [f32]) {
        let AttentionShape { heads, head_dim, .. } = *self.shape;
        let places = self
            .heads()
            .flat_map(|head| self.queries.clone().map(move |position| (head, position)));
        for ((head, position), row) in places.zip(part.chunks_exact(head_dim)) {
            let at = (self.segment.row(position) * heads + head) * head_dim;
            out[at..at + head_dim].copy_from_slice(row);
        }
    }

    /// Adds (keys, `head_dim`) where the keys or values lie.
    fn add_keys(&self, part: &[f32], out: &mut [f32]) {
        let AttentionShape { kv_heads, head_dim, .. } = *self.shape;
        for (position, row) in self.keys.clone().zip(part.chunks_exact(head_dim)) {
            let at = (self.segment.row(position) * kv_heads + self.kv_head) * head_dim;
            add_scaled(&mut out[at..at + head_dim], 1.0, row);
        }
    }
}
