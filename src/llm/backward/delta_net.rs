//! The gated delta rule for training (Qwen 3.5): see `recurrent.rs`.

use candle_core::Result;
use tuning_fork_kernels::gemm;

use super::course::{Course, Heads, StateHead, add_to_shared};
use super::gradients::Gradients;
use super::linear_grad::{Learning, Low};
use super::recurrent::{ByInput, copied};
use crate::llm::config::Activation;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::experts::sigmoid;
use crate::llm::net::linear::Linear;
use crate::llm::net::recurrent::{DeltaInputs, DeltaNet};
use crate::llm::net::rows;
use crate::llm::net::rows::Stripes;

/// What a layer's heads see.
struct Seen {
    /// What the convolution gave, before its activation.
    convolved: Buffer,

    /// After it, before they are brought to length: (rows, key heads · `key_dim`).
    raw_q: Buffer,
    raw_k: Buffer,
    q: Buffer,
    k: Buffer,

    /// (rows, value heads · `value_dim`), the gate likewise.
    v: Buffer,
    z: Buffer,

    /// (rows, value heads)
    b: Buffer,
    a: Buffer,
}

/// The gradients by what a value head sees, a row after the other.
struct HeadGradients {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    b: Vec<f32>,
    a: Vec<f32>,
}

impl DeltaNet {
    /// Queries, keys, values.
    fn split(&self) -> [Stripes; 3] {
        let keys = self.key_heads * self.key_dim;
        Stripes::of([keys, keys, self.value_heads * self.value_dim], 1)
    }

    /// By what queries are scaled once they have the length 1.
    fn query_scale(&self) -> f32 {
        (self.key_dim as f32).powf(-0.5)
    }

    fn see(&self, x: &[f32], course: &Course, learning: Learning<'_>) -> Result<(Seen, Vec<Low>)> {
        let count = course.rows();
        let mut lows = Vec::new();
        let mut keep = |(out, low): (Buffer, Low)| {
            lows.push(low);
            out
        };
        let (qkv, z, b, a) = match &self.inputs {
            DeltaInputs::Separate { all: [qkv, z, b, a] } => (
                keep(qkv.forward(x, count, learning)?),
                keep(z.forward(x, count, learning)?),
                keep(b.forward(x, count, learning)?),
                keep(a.forward(x, count, learning)?),
            ),
            DeltaInputs::ByHead { qkvz, ba, parts, small } => {
                let all = keep(qkvz.forward(x, count, learning)?);
                let ba = keep(ba.forward(x, count, learning)?);
                let [q, k, v, z] = parts.map(|part| part.take(&all));
                let mut qkv = Buffer::any(q.len() + k.len() + v.len());
                for (part, values) in self.split().iter().zip([&q, &k, &v]) {
                    part.put(values, &mut qkv);
                }
                let [b, a] = small.map(|part| part.take(&ba));
                (qkv, z, b, a)
            }
        };
        let convolved = self.conv.forth(&qkv, course);
        let mut qkv = copied(&convolved);
        rows::activate(self.activation, &mut qkv);
        let [raw_q, raw_k, v] = self.split().map(|part| part.take(&qkv));
        let to_length = |raw: &[f32], scale: f32| {
            let mut out = copied(raw);
            rows::each_row(&mut out, self.key_dim, |_, head| {
                let length = length(head);
                rows::scale(head, Some(scale / length));
            });
            out
        };
        let (q, k) = (to_length(&raw_q, self.query_scale()), to_length(&raw_k, 1.0));
        Ok((Seen { convolved, raw_q, raw_k, q, k, v, z, b, a }, lows))
    }

    fn heads(&self) -> Heads {
        let Self { value_heads, key_dim, value_dim, .. } = *self;
        Heads { count: value_heads, state: key_dim * value_dim, given: value_dim }
    }

    pub(super) fn forward(
        &self,
        x: &[f32],
        course: &Course,
        learning: Learning<'_>,
    ) -> Result<Buffer> {
        let (seen, _) = self.see(x, course, learning)?;
        let (mixed, _) = course.mix(self.heads(), |number| Head { net: self, seen: &seen, number });
        let mut normed = Buffer::any(mixed.len());
        rows::rms_norm(&mixed, &self.norm, self.norm_eps, &mut normed);
        let mut gate = seen.z;
        rows::gated(Activation::Silu, &mut gate, &normed);
        Ok(gate)
    }

    pub(super) fn backward(
        &self,
        (x, grad): (&[f32], &[f32]),
        course: &Course,
        learning: Learning<'_>,
        gradients: &mut Gradients,
        by_x: ByInput<'_>,
    ) -> Result<()> {
        let Self { key_heads, value_heads, key_dim, value_dim, .. } = *self;
        let (count, keys, values) = (course.rows(), key_heads * key_dim, value_heads * value_dim);
        let (mut seen, lows) = self.see(x, course, learning)?;
        let (mixed, kept) =
            course.mix(self.heads(), |number| Head { net: self, seen: &seen, number });
        let mut normed = Buffer::any(mixed.len());
        rows::rms_norm(&mixed, &self.norm, self.norm_eps, &mut normed);
        let mut z_grad = std::mem::take(&mut seen.z);
        rows::gated_backward(Activation::Silu, &mut z_grad, &mut normed, grad);
        let mut mixed_grad = Buffer::any(mixed.len());
        rows::rms_norm_backward(&mixed, &self.norm, self.norm_eps, &normed, &mut mixed_grad);
        drop((mixed, normed));

        let head = |number| Head { net: self, seen: &seen, number };
        let by_head = course.mix_back(self.heads(), head, &kept, &mixed_grad);
        drop(mixed_grad);

        let (mut q, mut k) = (Buffer::zeroed(count * keys), Buffer::zeroed(count * keys));
        let mut v = Buffer::any(count * values);
        let (mut b, mut a) = (Buffer::any(count * value_heads), Buffer::any(count * value_heads));
        for (head, sums) in by_head.iter().enumerate() {
            Stripes::one(values, head * value_dim, value_dim).put(&sums.v, &mut v);
            Stripes::one(value_heads, head, 1).put(&sums.b, &mut b);
            Stripes::one(value_heads, head, 1).put(&sums.a, &mut a);
            let key_head = head * key_heads / value_heads;
            let part = key_head * key_dim..(key_head + 1) * key_dim;
            for (all, own) in [(&mut q, &sums.q), (&mut k, &sums.k)] {
                add_to_shared(all, keys, part.clone(), own);
            }
        }
        let scale = self.query_scale();
        for (raw, grad, scale) in [(&seen.raw_q, &mut q, scale), (&seen.raw_k, &mut k, 1.0)] {
            for (raw, grad) in raw.chunks_exact(key_dim).zip(grad.chunks_exact_mut(key_dim)) {
                let length = length(raw);
                let pull = rows::dot(raw, grad) / (length * length);
                for (grad, raw) in grad.iter_mut().zip(raw) {
                    *grad = scale / length * (*grad - raw * pull);
                }
            }
        }
        let mut qkv_grad = Buffer::any(seen.convolved.len());
        for (part, grad) in self.split().iter().zip([&q, &k, &v]) {
            part.put(grad, &mut qkv_grad);
        }
        let mut convolved_grad = seen.convolved;
        rows::activate_backward(self.activation, &mut convolved_grad, &qkv_grad);
        let qkv_grad = self.conv.back(&convolved_grad, course);
        self.inputs_backward((x, &lows), [&qkv_grad, &z_grad, &b, &a], learning, gradients, by_x)
    }

    /// `grads`: by qkv, z, b and a.
    fn inputs_backward(
        &self,
        (x, lows): (&[f32], &[Low]),
        grads: [&[f32]; 4],
        learning: Learning<'_>,
        gradients: &mut Gradients,
        mut by_x: ByInput<'_>,
    ) -> Result<()> {
        match &self.inputs {
            DeltaInputs::Separate { all } => {
                for ((layer, low), grad) in all.iter().zip(lows).zip(grads) {
                    through((layer, x, low), grad, learning, gradients, &mut by_x)?;
                }
            }
            DeltaInputs::ByHead { qkvz, ba, parts, small } => {
                let [qkv, z, b, a] = grads;
                let [q, k, v] = self.split().map(|part| part.take(qkv));
                let mut all = Buffer::any(qkv.len() + z.len());
                for (part, grad) in parts.iter().zip([&*q, &*k, &*v, z]) {
                    part.put(grad, &mut all);
                }
                let mut both = Buffer::any(b.len() + a.len());
                for (part, grad) in small.iter().zip([b, a]) {
                    part.put(grad, &mut both);
                }
                for ((layer, low), grad) in [qkvz, ba].into_iter().zip(lows).zip([&all, &both]) {
                    through((layer, x, low), grad, learning, gradients, &mut by_x)?;
                }
            }
        }
        Ok(())
    }
}

/// Back through one of the layers that read `x`: the first of them writes what it says of that, the others add
/// to it.
fn through(
    (layer, x, low): (&Linear, &[f32], &Low),
    grad: &[f32],
    learning: Learning<'_>,
    gradients: &mut Gradients,
    by_x: &mut ByInput<'_>,
) -> Result<()> {
    let by = by_x.as_mut().map(|(x_grad, result)| (&mut **x_grad, *result));
    layer.backward((x, low), grad, learning, gradients, by)?;
    if let Some((_, result)) = by_x {
        *result = gemm::Result::Add;
    }
    Ok(())
}

/// Of a head's queries or keys, with the little that transformers adds.
fn length(head: &[f32]) -> f32 {
    (rows::dot(head, head) + 1e-6).sqrt()
}

/// A value head at its rows.
struct Head<'a> {
    net: &'a DeltaNet,
    seen: &'a Seen,
    number: usize,
}

impl Head<'_> {
    /// The head's number at a row, of those that b or a give.
    fn place(&self, row: usize) -> usize {
        row * self.net.value_heads + self.number
    }

    fn key<'s>(&self, keys: &'s [f32], row: usize) -> &'s [f32] {
        let DeltaNet { key_heads, value_heads, key_dim, .. } = *self.net;
        let head = self.number * key_heads / value_heads;
        &keys[(row * key_heads + head) * key_dim..][..key_dim]
    }

    fn value(&self, row: usize) -> &[f32] {
        let dim = self.net.value_dim;
        &self.seen.v[self.place(row) * dim..][..dim]
    }

    /// Makes of the state before a row the one that fades, and gives by how much the row's value is not
    /// what the state says of its key.
    fn fade(&self, row: usize, state: &mut [f32]) -> Vec<f32> {
        let dim = self.net.value_dim;
        let keep = self.net.kept(self.number, self.seen.a[self.place(row)]);
        let mut missed = self.value(row).to_vec();
        for (state, k) in state.chunks_exact_mut(dim).zip(self.key(&self.seen.k, row)) {
            rows::scale(state, Some(keep));
            rows::add_scaled(&mut missed, -k, state);
        }
        missed
    }
}

impl StateHead for Head<'_> {
    type Gradients = HeadGradients;

    fn no_gradients(&self, rows: usize) -> HeadGradients {
        let DeltaNet { key_dim, value_dim, .. } = *self.net;
        let [q, k] = [(); 2].map(|()| vec![0.0; rows * key_dim]);
        let [b, a] = [(); 2].map(|()| vec![0.0; rows]);
        HeadGradients { q, k, v: vec![0.0; rows * value_dim], b, a }
    }

    fn take_in(&self, row: usize, state: &mut [f32]) {
        let missed = self.fade(row, state);
        let learn = sigmoid(self.seen.b[self.place(row)]);
        for (state, k) in state.chunks_exact_mut(missed.len()).zip(self.key(&self.seen.k, row)) {
            rows::add_scaled(state, learn * k, &missed);
        }
    }

    fn give(&self, row: usize, state: &[f32], out: &mut [f32]) {
        for (state, q) in state.chunks_exact(out.len()).zip(self.key(&self.seen.q, row)) {
            rows::add_scaled(out, *q, state);
        }
    }

    fn back(
        &self,
        (row, out_grad): (usize, &[f32]),
        [before, after]: [&[f32]; 2],
        grad: &mut [f32],
        sums: &mut HeadGradients,
    ) {
        let DeltaNet { key_dim, value_dim: dim, .. } = *self.net;
        let (q, k) = (self.key(&self.seen.q, row), self.key(&self.seen.k, row));
        let given = self.seen.a[self.place(row)];
        let keep = self.net.kept(self.number, given);
        let learn = sigmoid(self.seen.b[self.place(row)]);
        let mut faded = before.to_vec();
        let missed = self.fade(row, &mut faded);
        let q_sum = &mut sums.q[row * key_dim..][..key_dim];
        let k_sum = &mut sums.k[row * key_dim..][..key_dim];

        // What is read of the state, and what the row put into it.
        let mut by_change = vec![0.0; dim];
        for (index, grad) in grad.chunks_exact_mut(dim).enumerate() {
            q_sum[index] = rows::dot(&after[index * dim..][..dim], out_grad);
            rows::add_scaled(grad, q[index], out_grad);
            k_sum[index] = learn * rows::dot(grad, &missed);
            rows::add_scaled(&mut by_change, k[index], grad);
        }
        sums.b[row] = rows::dot(&by_change, &missed) * learn * (1.0 - learn);
        let by_missed = &mut sums.v[row * dim..][..dim];
        for (by_missed, by_change) in by_missed.iter_mut().zip(&by_change) {
            *by_missed = learn * by_change;
        }
        // What the faded state said of the key.
        let mut by_keep = 0.0;
        for (index, grad) in grad.chunks_exact_mut(dim).enumerate() {
            k_sum[index] -= rows::dot(&faded[index * dim..][..dim], by_missed);
            rows::add_scaled(grad, -k[index], by_missed);
            by_keep += rows::dot(grad, &before[index * dim..][..dim]);
            rows::scale(grad, Some(keep));
        }
        // kept = exp(-decay · softplus(a + bias))
        let slope = sigmoid(given + self.net.decay_bias[self.number]);
        sums.a[row] = -by_keep * keep * self.net.decay[self.number] * slope;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::net::recurrent::softplus;

    #[test]
    fn what_is_kept_of_a_state_has_the_slope_that_the_backward_pass_takes() {
        for given in [-3.0f32, -0.5, 0.0, 2.0] {
            let kept = |x: f32| (-0.7 * softplus(x)).exp();
            let slope = (kept(given + 1e-2) - kept(given - 1e-2)) / 2e-2;
            assert!((slope + kept(given) * 0.7 * sigmoid(given)).abs() < 1e-4, "at {given}");
        }
    }
}
