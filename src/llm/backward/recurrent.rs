//! Layers that carry a state, for training: over all rows of a tree at once, and back into what learns.
//! Convolutions, steps and states stand still; adapters are on their matrices.
//!
//! Everything between the first matrix and the last is computed again in the backward pass: a pass
//! keeps nothing of it. The gated delta rule: see `delta_net.rs`.

use candle_core::Result;
use tuning_fork_kernels::gemm;

use super::course::{Course, Heads, StateHead, add_to_shared};
use super::gradients::Gradients;
use super::linear_grad::{Learning, Low};
use crate::llm::config::{Activation, MambaNorm};
use crate::llm::net::buffers::Buffer;
use crate::llm::net::experts::sigmoid;
use crate::llm::net::recurrent::{Beside, Conv, Mamba2, Recurrent, ShortConv, softplus};
use crate::llm::net::rows;
use crate::llm::net::rows::Stripes;

/// Where the gradient by a layer's input goes, if it is wanted.
pub(crate) type ByInput<'a> = Option<(&'a mut [f32], gemm::Result)>;

impl Recurrent {
    /// x (rows, width) -> what the output matrix reads
    pub fn forward(&self, x: &[f32], course: &Course, learning: Learning<'_>) -> Result<Buffer> {
        match self {
            Self::ShortConv(conv) => conv.forward(x, course, learning),
            Self::DeltaNet(net) => net.forward(x, course, learning),
            Self::Mamba2(mamba) => mamba.forward(x, course, learning),
        }
    }

    /// `x` and `grad`: what [`Self::forward`] saw, and the gradient by what it gave.
    pub fn backward(
        &self,
        seen: (&[f32], &[f32]),
        course: &Course,
        learning: Learning<'_>,
        gradients: &mut Gradients,
        by_x: ByInput<'_>,
    ) -> Result<()> {
        match self {
            Self::ShortConv(conv) => conv.backward(seen, course, learning, gradients, by_x),
            Self::DeltaNet(net) => net.backward(seen, course, learning, gradients, by_x),
            Self::Mamba2(mamba) => mamba.backward(seen, course, learning, gradients, by_x),
        }
    }
}

impl Beside {
    /// x (rows, width) -> what is added to what attention gives, what the last matrix saw, and what that
    /// keeps of its adapter.
    pub fn forward(
        &self,
        x: &[f32],
        course: &Course,
        learning: Learning<'_>,
    ) -> Result<(Buffer, Buffer, Low)> {
        let [read, given] = self.scales.recurrent;
        let mixed = self.recurrent.forward(&scaled(x, read), course, learning)?;
        let (mut out, low) = self.output.forward(&mixed, course.rows(), learning)?;
        rows::scale(&mut out, Some(given));
        Ok((out, mixed, low))
    }

    /// `x`, `mixed` and `low` as they were forwards; adds to the gradient by `x`, where it is wanted.
    pub fn backward(
        &self,
        (x, mixed, low): (&[f32], &[f32], &Low),
        grad: &[f32],
        (course, learning): (&Course, Learning<'_>),
        gradients: &mut Gradients,
        by_x: Option<&mut [f32]>,
    ) -> Result<()> {
        let [read, given] = self.scales.recurrent;
        let grad = scaled(grad, given);
        let mut mixed_grad = Buffer::any(mixed.len());
        let by_mixed = Some((&mut *mixed_grad, gemm::Result::Replace));
        self.output.backward((mixed, low), &grad, learning, gradients, by_mixed)?;
        let x = scaled(x, read);
        let Some(by_x) = by_x else {
            return self.recurrent.backward((&x, &mixed_grad), course, learning, gradients, None);
        };
        let mut more = Buffer::any(x.len());
        let by_read = Some((&mut *more, gemm::Result::Replace));
        self.recurrent.backward((&x, &mixed_grad), course, learning, gradients, by_read)?;
        rows::scale(&mut more, Some(read));
        rows::add(by_x, &more);
        Ok(())
    }
}

pub(super) fn copied(x: &[f32]) -> Buffer {
    let mut copy = Buffer::any(x.len());
    copy.copy_from_slice(x);
    copy
}

pub(super) fn scaled(x: &[f32], scale: f32) -> Buffer {
    let mut out = copied(x);
    rows::scale(&mut out, Some(scale));
    out
}

/// Value by value.
fn product(one: &[f32], other: &[f32]) -> Buffer {
    let mut out = copied(one);
    out.iter_mut().zip(other).for_each(|(out, other)| *out *= other);
    out
}

impl Conv {
    /// x (rows, channels) -> the same, over the rows before each in its sequences.
    pub(super) fn forth(&self, x: &[f32], course: &Course) -> Buffer {
        let (kernel, channels) = (self.kernel, self.weight.len() / self.kernel);
        let mut out = Buffer::any(x.len());
        rows::each_row(&mut out, channels, |row, out| {
            match &self.bias {
                Some(bias) => out.copy_from_slice(bias),
                None => out.fill(0.0),
            }
            let mut at = Some(row);
            for back in (0..kernel).rev() {
                let Some(row) = at else { break };
                let values = &x[row * channels..][..channels];
                let weights = self.weight[back..].iter().step_by(kernel);
                for ((out, x), weight) in out.iter_mut().zip(values).zip(weights) {
                    *out += x * weight;
                }
                at = course.parent(row);
            }
        });
        out
    }

    /// From the gradient by what [`Self::forth`] gave to that by what it saw.
    pub(super) fn back(&self, grad: &[f32], course: &Course) -> Buffer {
        let (kernel, channels) = (self.kernel, self.weight.len() / self.kernel);
        let mut x_grad = Buffer::zeroed(grad.len());
        for (row, grad) in grad.chunks_exact(channels).enumerate() {
            let mut at = Some(row);
            for back in (0..kernel).rev() {
                let Some(row) = at else { break };
                let sums = &mut x_grad[row * channels..][..channels];
                let weights = self.weight[back..].iter().step_by(kernel);
                for ((sum, grad), weight) in sums.iter_mut().zip(grad).zip(weights) {
                    *sum += grad * weight;
                }
                at = course.parent(row);
            }
        }
        x_grad
    }
}

impl ShortConv {
    /// Where B, C and what they gate are.
    fn parts(all: &[f32], count: usize) -> [Stripes; 3] {
        Stripes::of([all.len() / count.max(1) / 3; 3], 1)
    }

    fn forward(&self, x: &[f32], course: &Course, learning: Learning<'_>) -> Result<Buffer> {
        let (all, _) = self.inputs.forward(x, course.rows(), learning)?;
        let [b, c, inner] = Self::parts(&all, course.rows()).map(|part| part.take(&all));
        Ok(product(&self.conv.forth(&product(&inner, &b), course), &c))
    }

    fn backward(
        &self,
        (x, grad): (&[f32], &[f32]),
        course: &Course,
        learning: Learning<'_>,
        gradients: &mut Gradients,
        by_x: ByInput<'_>,
    ) -> Result<()> {
        let (all, low) = self.inputs.forward(x, course.rows(), learning)?;
        let parts = Self::parts(&all, course.rows());
        let [b, c, inner] = parts.map(|part| part.take(&all));
        let given = self.conv.forth(&product(&inner, &b), course);
        let by_seen = self.conv.back(&product(grad, &c), course);
        let grads = [product(&by_seen, &inner), product(grad, &given), product(&by_seen, &b)];
        let mut all_grad = Buffer::any(all.len());
        for (part, grad) in parts.iter().zip(&grads) {
            part.put(grad, &mut all_grad);
        }
        self.inputs.backward((x, &low), &all_grad, learning, gradients, by_x)
    }
}

/// What the heads of a Mamba-2 layer see.
struct Seen {
    gate: Buffer,

    /// What the convolution gave, before its activation.
    convolved: Buffer,

    /// Its three parts after it: (rows, heads · `head_dim`), and (rows, groups · state) twice.
    values: Buffer,
    write: Buffer,
    read: Buffer,

    /// (rows, heads), as the first matrix gives them.
    steps: Buffer,
}

impl Mamba2 {
    /// The gate, what goes through the convolution, the steps.
    fn parts(&self) -> [Stripes; 3] {
        let inner = self.heads * self.head_dim;
        Stripes::of([inner, inner + 2 * self.groups * self.state, self.heads], 1)
    }

    /// Values, what writes, what reads.
    fn seen_parts(&self) -> [Stripes; 3] {
        let vectors = self.groups * self.state;
        Stripes::of([self.heads * self.head_dim, vectors, vectors], 1)
    }

    fn see(&self, x: &[f32], course: &Course, learning: Learning<'_>) -> Result<(Seen, Low)> {
        let (mut all, low) = self.inputs.forward(x, course.rows(), learning)?;
        self.scale_parts(&mut all);
        let [gate, seen, steps] = self.parts().map(|part| part.take(&all));
        let convolved = self.conv.forth(&seen, course);
        let mut seen = copied(&convolved);
        rows::activate(self.activation, &mut seen);
        let [values, write, read] = self.seen_parts().map(|part| part.take(&seen));
        Ok((Seen { gate, convolved, values, write, read, steps }, low))
    }

    fn sizes(&self) -> Heads {
        let Self { heads, head_dim, state, .. } = *self;
        Heads { count: heads, state: head_dim * state, given: head_dim }
    }

    fn forward(&self, x: &[f32], course: &Course, learning: Learning<'_>) -> Result<Buffer> {
        let (seen, _) = self.see(x, course, learning)?;
        let (mixed, _) =
            course.mix(self.sizes(), |number| Head { mamba: self, seen: &seen, number });
        Ok(self.gated(seen.gate, mixed))
    }

    fn backward(
        &self,
        (x, grad): (&[f32], &[f32]),
        course: &Course,
        learning: Learning<'_>,
        gradients: &mut Gradients,
        by_x: ByInput<'_>,
    ) -> Result<()> {
        let Self { heads, head_dim: dim, state: size, groups, .. } = *self;
        let (count, inner, vectors) = (course.rows(), heads * dim, groups * size);
        let (mut seen, low) = self.see(x, course, learning)?;
        let (mixed, kept) =
            course.mix(self.sizes(), |number| Head { mamba: self, seen: &seen, number });
        let gate = std::mem::take(&mut seen.gate);
        let [gate_grad, mixed_grad] = self.gated_backward(gate, mixed, grad);

        let head = |number| Head { mamba: self, seen: &seen, number };
        let by_head = course.mix_back(self.sizes(), head, &kept, &mixed_grad);
        drop(mixed_grad);

        let mut values = Buffer::any(count * inner);
        let (mut write, mut read) =
            (Buffer::zeroed(count * vectors), Buffer::zeroed(count * vectors));
        let mut steps = Buffer::any(count * heads);
        for (head, sums) in by_head.iter().enumerate() {
            Stripes::one(inner, head * dim, dim).put(&sums.values, &mut values);
            Stripes::one(heads, head, 1).put(&sums.steps, &mut steps);
            let group = head * groups / heads;
            let part = group * size..(group + 1) * size;
            for (all, own) in [(&mut write, &sums.write), (&mut read, &sums.read)] {
                add_to_shared(all, vectors, part.clone(), own);
            }
        }
        let mut seen_grad = Buffer::any(seen.convolved.len());
        for (part, grad) in self.seen_parts().iter().zip([&values, &write, &read]) {
            part.put(grad, &mut seen_grad);
        }
        let mut convolved_grad = seen.convolved;
        rows::activate_backward(self.activation, &mut convolved_grad, &seen_grad);
        let conv_grad = self.conv.back(&convolved_grad, course);
        let mut all_grad = Buffer::any(count * (2 * inner + 2 * vectors + heads));
        for (part, grad) in self.parts().iter().zip([&gate_grad, &conv_grad, &steps]) {
            part.put(grad, &mut all_grad);
        }
        self.scale_parts(&mut all_grad);
        self.inputs.backward((x, &low), &all_grad, learning, gradients, by_x)
    }

    /// From the gradient by what [`Mamba2::gated`] gave to those by the gate and by what the heads gave.
    fn gated_backward(&self, mut gate: Buffer, mut mixed: Buffer, grad: &[f32]) -> [Buffer; 2] {
        match self.norm_at {
            MambaNorm::None => {
                rows::gated_backward(Activation::Silu, &mut gate, &mut mixed, grad);
                [gate, mixed]
            }
            MambaNorm::AfterGate => {
                let mut together = copied(&gate);
                rows::gated(Activation::Silu, &mut together, &mixed);
                let grad = self.normed_backward(&together, grad);
                rows::gated_backward(Activation::Silu, &mut gate, &mut mixed, &grad);
                [gate, mixed]
            }
            MambaNorm::BeforeGate => {
                let mut normed = self.normed(&mixed);
                rows::gated_backward(Activation::Silu, &mut gate, &mut normed, grad);
                [gate, self.normed_backward(&mixed, &normed)]
            }
        }
    }

    /// The gradient of [`Mamba2::normed`] by x.
    fn normed_backward(&self, x: &[f32], grad: &[f32]) -> Buffer {
        let mut weighted = copied(grad);
        rows::multiply_rows(&mut weighted, &self.norm);
        let ones = vec![1.0; self.norm.len() / self.groups];
        let mut out = Buffer::any(x.len());
        rows::rms_norm_backward(x, &ones, self.norm_eps, &weighted, &mut out);
        out
    }
}

/// A head of a Mamba-2 layer at its rows.
struct Head<'a> {
    mamba: &'a Mamba2,
    seen: &'a Seen,
    number: usize,
}

/// The gradients by what a head sees, a row after the other.
struct HeadGradients {
    values: Vec<f32>,
    write: Vec<f32>,
    read: Vec<f32>,
    steps: Vec<f32>,
}

impl Head<'_> {
    /// The step of a row, how much of the state it keeps, and by how much the step follows what the first
    /// matrix gave.
    fn step(&self, row: usize) -> [f32; 3] {
        let Mamba2 { heads, steps: [least, longest], .. } = *self.mamba;
        let given = self.seen.steps[row * heads + self.number] + self.mamba.step_bias[self.number];
        let free = softplus(given);
        let step = free.max(least).min(longest);
        let slope = if (least..=longest).contains(&free) { sigmoid(given) } else { 0.0 };
        [step, (-self.mamba.decay[self.number] * step).exp(), slope]
    }

    fn values(&self, row: usize) -> &[f32] {
        let Mamba2 { heads, head_dim, .. } = *self.mamba;
        &self.seen.values[(row * heads + self.number) * head_dim..][..head_dim]
    }

    /// A row's vector for the group of this head, of those that write or read.
    fn of_group<'s>(&self, vectors: &'s [f32], row: usize) -> &'s [f32] {
        let Mamba2 { heads, groups, state, .. } = *self.mamba;
        &vectors[(row * groups + self.number * groups / heads) * state..][..state]
    }
}

impl StateHead for Head<'_> {
    type Gradients = HeadGradients;

    fn no_gradients(&self, rows: usize) -> HeadGradients {
        let Mamba2 { head_dim, state, .. } = *self.mamba;
        let [write, read] = [(); 2].map(|()| vec![0.0; rows * state]);
        HeadGradients { values: vec![0.0; rows * head_dim], write, read, steps: vec![0.0; rows] }
    }

    fn take_in(&self, row: usize, state: &mut [f32]) {
        let [step, keep, _] = self.step(row);
        let write = self.of_group(&self.seen.write, row);
        for (state, value) in state.chunks_exact_mut(write.len()).zip(self.values(row)) {
            for (carried, write) in state.iter_mut().zip(write) {
                *carried = keep * *carried + step * value * write;
            }
        }
    }

    fn give(&self, row: usize, state: &[f32], out: &mut [f32]) {
        let read = self.of_group(&self.seen.read, row);
        let skip = self.mamba.skip[self.number];
        let states = state.chunks_exact(read.len()).zip(self.values(row));
        for (out, (state, value)) in out.iter_mut().zip(states) {
            *out = rows::dot(state, read) + skip * value;
        }
    }

    fn back(
        &self,
        (row, out_grad): (usize, &[f32]),
        [before, after]: [&[f32]; 2],
        grad: &mut [f32],
        sums: &mut HeadGradients,
    ) {
        let size = self.mamba.state;
        let (decay, skip) = (self.mamba.decay[self.number], self.mamba.skip[self.number]);
        let [step, keep, slope] = self.step(row);
        let write = self.of_group(&self.seen.write, row);
        let read = self.of_group(&self.seen.read, row);
        let write_sum = &mut sums.write[row * size..][..size];
        let read_sum = &mut sums.read[row * size..][..size];
        let value_sums = &mut sums.values[row * out_grad.len()..][..out_grad.len()];
        let states = before.chunks_exact(size).zip(after.chunks_exact(size));
        let grads = grad.chunks_exact_mut(size).zip(value_sums);
        let of_values = self.values(row).iter().zip(out_grad).zip(states);
        let mut by_step = 0.0;
        for (((value, out_grad), (before, after)), (grad, value_sum)) in of_values.zip(grads) {
            rows::add_scaled(grad, *out_grad, read);
            rows::add_scaled(read_sum, *out_grad, after);
            let along = rows::dot(grad, write);
            *value_sum = skip * out_grad + step * along;
            rows::add_scaled(write_sum, step * value, grad);
            by_step += value * along - decay * keep * rows::dot(grad, before);
            rows::scale(grad, Some(keep));
        }
        sums.steps[row] = by_step * slope;
    }
}
