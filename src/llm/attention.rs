//! Causal attention with grouped heads, windows and soft-caps: once for running (keys and values
//! from the cache), once for training (whole sequences, with a gradient).

use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::cache::LayerCache;
use super::kernels;
use super::ops::{cpu_slice, with_f32, with_storage};
use super::rows::{add_scaled, dot, softmax};

/// What attention needs to know about a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub scale: f32,
    pub softcap: Option<f32>,
    pub window: Option<usize>,
}

impl AttentionShape {
    /// The first position that position `at` sees.
    pub(crate) fn first_visible(&self, at: usize) -> usize {
        self.window.map_or(0, |window| (at + 1).saturating_sub(window))
    }
}

/// Runs new queries, (positions, heads · `head_dim`), over a cache that already holds the keys and
/// values of those positions. `start` is the first one's position. The result has the queries'
/// shape.
pub(crate) fn attend(
    shape: &AttentionShape,
    queries: &[f32],
    cache: &LayerCache,
    start: usize,
) -> Vec<f32> {
    let AttentionShape { heads, kv_heads, head_dim, scale, softcap, window } = *shape;
    let count = queries.len() / (heads * head_dim);
    let kernel = kernels::Attention {
        heads,
        kv_heads,
        head_dim,
        queries: count,
        keys: cache.len(),
        kv_stride: cache.stride(),
        offset: start,
        scale,
        window,
        softcap,
    };
    // The kernel wants all positions of a head together.
    let by_head = swap_axes(queries, count, heads, head_dim);
    let mut out = vec![0.0; queries.len()];
    kernels::attend(&kernel, &by_head, cache.keys(), cache.values(), &mut out);
    swap_axes(&out, heads, count, head_dim)
}

/// (first, second, dim) -> (second, first, dim)
fn swap_axes(x: &[f32], first: usize, second: usize, dim: usize) -> Vec<f32> {
    if first == 1 || second == 1 {
        return x.to_vec();
    }
    let mut out = Vec::with_capacity(x.len());
    for inner in 0..second {
        for outer in 0..first {
            let at = (outer * second + inner) * dim;
            out.extend_from_slice(&x[at..at + dim]);
        }
    }
    out
}

/// Differentiable attention over whole sequences: queries (batch, time, heads · `head_dim`), keys
/// and values (batch, time, `kv_heads` · `head_dim`), all contiguous; the result has the queries'
/// shape.
///
/// Keeps nothing of size time² for the backward pass: it computes the scores again. Sequences are
/// padded on the right, where a causal mask makes padding invisible to all that counts.
pub fn attention(shape: AttentionShape, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    q.apply_op3(k, v, Attention(shape))
}

struct Attention(AttentionShape);

/// Where one key-value head of one sequence lies in the three tensors.
struct Place {
    shape: AttentionShape,
    time: usize,
    q_start: usize,
    k_start: usize,
}

impl Place {
    fn all(shape: AttentionShape, batch: usize, time: usize) -> Vec<Self> {
        let group = shape.heads / shape.kv_heads;
        let places = (0..batch).flat_map(|row| {
            (0..shape.kv_heads).map(move |head| Self {
                shape,
                time,
                q_start: (row * time * shape.heads + head * group) * shape.head_dim,
                k_start: (row * time * shape.kv_heads + head) * shape.head_dim,
            })
        });
        places.collect()
    }

    fn group(&self) -> usize {
        self.shape.heads / self.shape.kv_heads
    }

    /// (group, time, `head_dim`) in the queries, or in what has their shape.
    fn q_layout(&self) -> Layout {
        let dim = self.shape.head_dim;
        let sizes = Shape::from((self.group(), self.time, dim));
        Layout::new(sizes, vec![dim, self.shape.heads * dim, 1], self.q_start)
    }

    /// (group, time, `head_dim`) in the keys or values: all queries of the group read the same.
    fn k_layout(&self) -> Layout {
        let dim = self.shape.head_dim;
        let sizes = Shape::from((self.group(), self.time, dim));
        Layout::new(sizes, vec![0, self.shape.kv_heads * dim, 1], self.k_start)
    }

    /// (group, time, time), contiguous.
    fn square(&self) -> Layout {
        Layout::contiguous((self.group(), self.time, self.time))
    }

    /// Attention weights (group, time, time), and the capped scores where there is a cap.
    fn weights(&self, q: &CpuStorage, k: &CpuStorage) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
        let (time, dim) = (self.time, self.shape.head_dim);
        let sizes = (self.group(), time, time, dim);
        let scores = q.matmul(k, sizes, &self.q_layout(), &self.k_layout().transpose(1, 2)?)?;
        let mut scores = into_f32(scores)?;
        for score in &mut scores {
            *score *= self.shape.scale;
        }
        let capped = self.shape.softcap.map(|cap| {
            super::rows::softcap(cap, &mut scores);
            scores.clone()
        });
        for (index, row) in scores.chunks_exact_mut(time).enumerate() {
            let position = index % time;
            let first = self.shape.first_visible(position);
            softmax(&mut row[first..=position]);
            row[..first].fill(0.0);
            row[position + 1..].fill(0.0);
        }
        Ok((scores, capped))
    }

    fn forward(&self, q: &CpuStorage, k: &CpuStorage, v: &CpuStorage) -> Result<Vec<f32>> {
        let (time, dim) = (self.time, self.shape.head_dim);
        let weights = CpuStorage::F32(self.weights(q, k)?.0);
        let sizes = (self.group(), time, dim, time);
        into_f32(weights.matmul(v, sizes, &self.square(), &self.k_layout())?)
    }

    /// Gradients (group, time, `head_dim`) by the queries and (time, `head_dim`) by keys and
    /// values.
    fn backward(
        &self,
        q: &CpuStorage,
        k: &CpuStorage,
        v: &CpuStorage,
        grad: &CpuStorage,
    ) -> Result<[Vec<f32>; 3]> {
        let (group, time, dim) = (self.group(), self.time, self.shape.head_dim);
        let (weights, capped) = self.weights(q, k)?;
        let towards_v = (group, time, time, dim);
        let scores_grad =
            grad.matmul(v, towards_v, &self.q_layout(), &self.k_layout().transpose(1, 2)?)?;
        let mut scores_grad = into_f32(scores_grad)?;
        for (grad, weight) in scores_grad.chunks_exact_mut(time).zip(weights.chunks_exact(time)) {
            let pull = dot(grad, weight);
            for (grad, weight) in grad.iter_mut().zip(weight) {
                *grad = weight * (*grad - pull) * self.shape.scale;
            }
        }
        if let (Some(cap), Some(capped)) = (self.shape.softcap, capped) {
            for (grad, capped) in scores_grad.iter_mut().zip(capped) {
                let tanh = capped / cap;
                *grad *= 1.0 - tanh * tanh;
            }
        }
        let (weights, scores_grad) = (CpuStorage::F32(weights), CpuStorage::F32(scores_grad));
        let sizes = (group, time, dim, time);
        let turned = self.square().transpose(1, 2)?;
        let q_grad = scores_grad.matmul(k, sizes, &self.square(), &self.k_layout())?;
        let k_grad = scores_grad.matmul(q, sizes, &turned, &self.q_layout())?;
        let v_grad = weights.matmul(grad, sizes, &turned, &self.q_layout())?;
        let over_group = |grads: CpuStorage| {
            let mut grads = into_f32(grads)?;
            let (sum, others) = grads.split_at_mut(time * dim);
            others.chunks_exact(time * dim).for_each(|other| add_scaled(sum, 1.0, other));
            grads.truncate(time * dim);
            Ok::<_, candle_core::Error>(grads)
        };
        Ok([into_f32(q_grad)?, over_group(k_grad)?, over_group(v_grad)?])
    }

    /// Puts (group, time, `head_dim`) where the queries lie.
    fn scatter_q(&self, part: &[f32], out: &mut [f32]) {
        let dim = self.shape.head_dim;
        for (index, row) in part.chunks_exact(dim).enumerate() {
            let (head, position) = (index / self.time, index % self.time);
            let at = self.q_start + (position * self.shape.heads + head) * dim;
            out[at..at + dim].copy_from_slice(row);
        }
    }

    /// Puts (time, `head_dim`) where the keys or values lie.
    fn scatter_k(&self, part: &[f32], out: &mut [f32]) {
        let dim = self.shape.head_dim;
        for (position, row) in part.chunks_exact(dim).enumerate() {
            let at = self.k_start + position * self.shape.kv_heads * dim;
            out[at..at + dim].copy_from_slice(row);
        }
    }
}

fn into_f32(storage: CpuStorage) -> Result<Vec<f32>> {
    match storage {
        CpuStorage::F32(values) => Ok(values),
        _ => candle_core::bail!("attention computes in f32 only"),
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        for (storage, layout) in [(q, q_layout), (k, k_layout), (v, v_layout)] {
            cpu_slice(storage, layout)?; // the places below count on contiguous f32
            if layout.start_offset() != 0 {
                candle_core::bail!("attention: the inputs must begin at the start of their storage")
            }
        }
        let (batch, time, width) = q_layout.shape().dims3()?;
        let parts: Vec<(Place, Vec<f32>)> = Place::all(self.0, batch, time)
            .into_par_iter()
            .map(|place| place.forward(q, k, v).map(|part| (place, part)))
            .collect::<Result<_>>()?;
        let mut out = vec![0.0; batch * time * width];
        for (place, part) in parts {
            place.scatter_q(&part, &mut out);
        }
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (batch, time, _) = q.dims3()?;
        // A fresh copy begins at the start of its storage.
        let grad = with_f32(grad, |values| Ok(CpuStorage::F32(values.to_vec())))?;
        let parts = with_storage(q, |q| {
            with_storage(k, |k| {
                with_storage(v, |v| {
                    Place::all(self.0, batch, time)
                        .into_par_iter()
                        .map(|place| place.backward(q, k, v, &grad).map(|parts| (place, parts)))
                        .collect::<Result<Vec<(Place, [Vec<f32>; 3])>>>()
                })
            })
        })?;
        let mut q_grad = vec![0.0; q.elem_count()];
        let mut k_grad = vec![0.0; k.elem_count()];
        let mut v_grad = vec![0.0; v.elem_count()];
        for (place, [q_part, k_part, v_part]) in parts {
            place.scatter_q(&q_part, &mut q_grad);
            place.scatter_k(&k_part, &mut k_grad);
            place.scatter_k(&v_part, &mut v_grad);
        }
        Ok((
            Some(Tensor::from_vec(q_grad, q.shape(), q.device())?),
            Some(Tensor::from_vec(k_grad, k.shape(), k.device())?),
            Some(Tensor::from_vec(v_grad, v.shape(), v.device())?),
        ))
    }
}
