//! Arithmetic on rows of numbers, forwards and backwards. Both passes call these, so they agree.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

use rayon::prelude::*;
use tuning_fork_kernels as kernels;

use super::buffers::Buffer;
use crate::llm::config::{Activation, RopeTable, Xielu};

/// Below this many values, handing rows to other threads costs more than it saves.
const PARALLEL_FROM: usize = 1 << 16;

/// Calls `work` with every row of `out` and its number, on all cores where that pays.
pub fn each_row(out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if out.len() < PARALLEL_FROM {
        out.chunks_exact_mut(width).enumerate().for_each(|(index, row)| work(index, row));
    } else {
        let rows = 1.max(PARALLEL_FROM / 8 / width);
        out.par_chunks_mut(width * rows).enumerate().for_each(|(chunk, out)| {
            for (index, row) in out.chunks_exact_mut(width).enumerate() {
                work(chunk * rows + index, row);
            }
        });
    }
}

/// The sum of products, in eight parallel sums so that the compiler can use vector registers.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, a_rest) = a.as_chunks::<8>();
    let (b_lanes, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    let pairs = [sums[0] + sums[4], sums[1] + sums[5], sums[2] + sums[6], sums[3] + sums[7]];
    (pairs[0] + pairs[2]) + (pairs[1] + pairs[3]) + rest
}

/// out += scale · x
pub fn add_scaled(out: &mut [f32], scale: f32, x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += scale * x;
    }
}

/// Every row of `x` times `by`, value by value.
pub fn multiply_rows(x: &mut [f32], by: &[f32]) {
    each_row(x, by.len(), |_, row| row.iter_mut().zip(by).for_each(|(x, by)| *x *= by));
}

/// x = scale · x, where there is a scale.
pub fn scale(x: &mut [f32], scale: Option<f32>) {
    if let Some(scale) = scale {
        x.iter_mut().for_each(|x| *x *= scale);
    }
}

/// Some columns of a row-major matrix: `len` in each of the groups that a row consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stripes {
    /// Columns of a group, of all its parts together.
    step: usize,
    first: usize,
    len: usize,
}

impl Stripes {
    /// Parts of `widths` columns, which follow each other in each of `groups` equal groups.
    pub fn of<const N: usize>(widths: [usize; N], groups: usize) -> [Self; N] {
        let step = widths.iter().sum::<usize>() / groups;
        let mut first = 0;
        widths.map(|width| {
            let stripes = Self { step, first, len: width / groups };
            first += stripes.len;
            stripes
        })
    }

    /// `len` columns from `first` on, of rows of `step`.
    pub fn one(step: usize, first: usize, len: usize) -> Self {
        Self { step, first, len }
    }

    /// This part of `all`, side by side.
    pub fn take(&self, all: &[f32]) -> Buffer {
        let Self { step, first, len } = *self;
        let mut out = Buffer::any(all.len() / step * len);
        for (out, group) in out.chunks_exact_mut(len).zip(all.chunks_exact(step)) {
            out.copy_from_slice(&group[first..first + len]);
        }
        out
    }

    /// The backward pass of [`Self::take`].
    pub fn put(&self, part: &[f32], all: &mut [f32]) {
        let Self { step, first, len } = *self;
        for (part, group) in part.chunks_exact(len).zip(all.chunks_exact_mut(step)) {
            group[first..first + len].copy_from_slice(part);
        }
    }
}

/// out += x, on all cores where that pays.
pub fn add(out: &mut [f32], x: &[f32]) {
    if out.len() < PARALLEL_FROM {
        return add_scaled(out, 1.0, x);
    }
    let chunk = PARALLEL_FROM / 8;
    out.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).for_each(|(out, x)| add_scaled(out, 1.0, x));
}

/// One over the root mean square of a row.
fn inverse_rms(row: &[f32], eps: f32) -> f32 {
    (dot(row, row) / row.len() as f32 + eps).sqrt().recip()
}

/// Adds the rows of `x`, (rows, width), to `sum`: in their order, on any number of threads.
pub fn add_columns(x: &[f32], sum: &mut [f32]) {
    let width = sum.len();
    let columns = |first: usize, sum: &mut [f32]| {
        for row in x.chunks_exact(width) {
            add_scaled(sum, 1.0, &row[first..first + sum.len()]);
        }
    };
    if x.len() < PARALLEL_FROM {
        return columns(0, sum);
    }
    let part = 256;
    sum.par_chunks_mut(part).enumerate().for_each(|(index, sum)| columns(index * part, sum));
}

/// Adds the gradient of [`rms_norm`] by its weight to `sum`.
pub fn rms_norm_backward_weight(x: &[f32], eps: f32, grad: &[f32], sum: &mut [f32]) {
    let width = sum.len();
    for (x, grad) in x.chunks_exact(width).zip(grad.chunks_exact(width)) {
        let inverse = inverse_rms(x, eps);
        for ((sum, x), grad) in sum.iter_mut().zip(x).zip(grad) {
            *sum += grad * x * inverse;
        }
    }
}

/// The same of [`layer_norm`] over parts of `width`, of which a row of `sum` may have several.
pub fn layer_norm_backward_weight(
    (x, width): (&[f32], usize),
    eps: f32,
    grad: &[f32],
    sum: &mut [f32],
) {
    let whole = sum.len();
    for (x, grad) in x.chunks_exact(whole).zip(grad.chunks_exact(whole)) {
        let parts = x.chunks_exact(width).zip(grad.chunks_exact(width));
        for ((x, grad), sum) in parts.zip(sum.chunks_exact_mut(width)) {
            let (mean, inverse) = mean_and_inverse_std(x, eps);
            for ((sum, x), grad) in sum.iter_mut().zip(x).zip(grad) {
                *sum += grad * (x - mean) * inverse;
            }
        }
    }
}

/// out = x / rms(x) · weight, row by row of `weight.len()`.
pub use tuning_fork_kernels::rms_norm;

/// The gradient of [`rms_norm`] by x.
pub fn rms_norm_backward(x: &[f32], weight: &[f32], eps: f32, grad: &[f32], out: &mut [f32]) {
    let width = weight.len();
    each_row(out, width, |index, out| {
        let x = &x[index * width..(index + 1) * width];
        let grad = &grad[index * width..(index + 1) * width];
        let inverse = inverse_rms(x, eps);
        for ((out, grad), weight) in out.iter_mut().zip(grad).zip(weight) {
            *out = grad * weight;
        }
        let pull = dot(x, out) * inverse * inverse * inverse / width as f32;
        for (out, x) in out.iter_mut().zip(x) {
            *out = *out * inverse - x * pull;
        }
    });
}

fn mean_and_inverse_std(row: &[f32], eps: f32) -> (f32, f32) {
    let mean = sum_of(row, |x| x) / row.len() as f32;
    let variance = sum_of(row, |x| (x - mean) * (x - mean)) / row.len() as f32;
    (mean, (variance + eps).sqrt().recip())
}

/// In eight parallel sums, as [`dot`].
fn sum_of(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (lanes, rest) = row.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for values in lanes {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += term(*value);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| term(*x)).sum::<f32>()
}

/// out = (x - mean) / std · weight + bias, row by row.
pub use tuning_fork_kernels::layer_norm;

/// The gradient of [`layer_norm`] by x.
pub fn layer_norm_backward(x: &[f32], weight: &[f32], eps: f32, grad: &[f32], out: &mut [f32]) {
    let width = weight.len();
    each_row(out, width, |index, out| {
        let x = &x[index * width..(index + 1) * width];
        let grad = &grad[index * width..(index + 1) * width];
        let (mean, inverse) = mean_and_inverse_std(x, eps);
        let (mut sum, mut pull) = (0.0, 0.0);
        for (at, out) in out.iter_mut().enumerate() {
            *out = grad[at] * weight[at];
            sum += *out;
            pull += *out * (x[at] - mean) * inverse;
        }
        let (sum, pull) = (sum / width as f32, pull / width as f32);
        for (out, x) in out.iter_mut().zip(x) {
            *out = inverse * (*out - sum - (x - mean) * inverse * pull);
        }
    });
}

/// Turns every head of every position, in place. `x` is (positions, heads · `head_dim`); row r
/// takes row `r % table rows`, so that a batch of sequences shares one table. `direction` is 1, or
/// -1 to turn back, which is the gradient.
pub fn rotate(x: &mut [f32], width: usize, head_dim: usize, table: &RopeTable, direction: f32) {
    let pairs = table.pairs;
    let positions = table.cos.len() / pairs.max(1);
    if positions == 0 {
        return;
    }
    if table.neighbours {
        return rotate_neighbours(x, width, head_dim, table, direction);
    }
    each_row(x, width, |index, row| {
        let at = index % positions * pairs;
        let (cos, sin) = (&table.cos[at..at + pairs], &table.sin[at..at + pairs]);
        for head in row.chunks_exact_mut(head_dim) {
            let (low, high) = head[..2 * pairs].split_at_mut(pairs);
            for pair in 0..pairs {
                let (a, b) = (low[pair], high[pair]);
                let (cos, sin) = (cos[pair], sin[pair] * direction);
                low[pair] = a * cos - b * sin;
                high[pair] = b * cos + a * sin;
            }
        }
    });
}

/// As [`rotate`], where dimension 2i turns with dimension 2i + 1.
fn rotate_neighbours(
    x: &mut [f32],
    width: usize,
    head_dim: usize,
    table: &RopeTable,
    direction: f32,
) {
    let pairs = table.pairs;
    let positions = table.cos.len() / pairs;
    each_row(x, width, |index, row| {
        let at = index % positions * pairs;
        let (cos, sin) = (&table.cos[at..at + pairs], &table.sin[at..at + pairs]);
        for head in row.chunks_exact_mut(head_dim) {
            let (turned, _) = head[..2 * pairs].as_chunks_mut::<2>();
            for (pair, [a, b]) in turned.iter_mut().enumerate() {
                let (cos, sin) = (cos[pair], sin[pair] * direction);
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    });
}

/// Multiplies queries by what grows with their position, where something does; rows as in
/// [`rotate`].
pub fn scale_queries(q: &mut [f32], width: usize, table: &RopeTable) {
    let scales = &table.query_scales;
    if !scales.is_empty() {
        each_row(q, width, |index, row| scale(row, Some(scales[index % scales.len()])));
    }
}

/// Softmax of one row, in place, with a score that takes its share and is dropped.
pub fn softmax_with_sink(row: &mut [f32], sink: f32) {
    let largest = row.iter().copied().fold(sink, f32::max);
    let mut sum = (sink - largest).exp();
    for score in &mut *row {
        *score = (*score - largest).exp();
        sum += *score;
    }
    row.iter_mut().for_each(|score| *score /= sum);
}

/// Softmax of one row, in place.
pub fn softmax(row: &mut [f32]) {
    kernels::softmax(row, row.len());
}

impl Activation {
    pub fn value(self, x: f32) -> f32 {
        match self {
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Gelu => 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2)),
            Self::GeluTanh => 0.5 * x * (1.0 + gelu_inner(x).tanh()),
            Self::QuickGelu => x / (1.0 + (-QUICK_GELU * x).exp()),
            Self::Relu => x.max(0.0),
            Self::ReluSquared => x.max(0.0) * x.max(0.0),
            Self::Tanh => x.tanh(),
            Self::Xielu(Xielu { positive, negative, beta, eps }) => {
                let curve =
                    if x > 0.0 { positive * x * x } else { negative * (x.min(eps).exp_m1() - x) };
                curve + beta * x
            }
        }
    }

    /// The derivative at x.
    pub fn slope(self, x: f32) -> f32 {
        match self {
            Self::Silu => {
                let sigmoid = 1.0 / (1.0 + (-x).exp());
                sigmoid * (1.0 + x * (1.0 - sigmoid))
            }
            Self::Gelu => {
                let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
                0.5 * (1.0 + erf(x * FRAC_1_SQRT_2)) + x * density
            }
            Self::GeluTanh => {
                let tanh = gelu_inner(x).tanh();
                let inner = FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (1.0 + 3.0 * GELU_CUBIC * x * x);
                0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * inner
            }
            Self::QuickGelu => {
                let sigmoid = 1.0 / (1.0 + (-QUICK_GELU * x).exp());
                sigmoid * (1.0 + QUICK_GELU * x * (1.0 - sigmoid))
            }
            Self::Relu => f32::from(x > 0.0),
            Self::ReluSquared => 2.0 * x.max(0.0),
            Self::Tanh => 1.0 - x.tanh() * x.tanh(),
            Self::Xielu(Xielu { positive, negative, beta, eps }) => {
                let curve = if x > 0.0 {
                    2.0 * positive * x
                } else {
                    // Beyond eps the exponential stands still.
                    negative * (if x < eps { x.exp() } else { 0.0 } - 1.0)
                };
                curve + beta
            }
        }
    }
}

const GELU_CUBIC: f32 = 0.044715;

/// The slope that brings x · sigmoid(slope · x) near to the exact function.
const QUICK_GELU: f32 = 1.702;

/// √(2/π) · (x + 0.044715 x³)
fn gelu_inner(x: f32) -> f32 {
    FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (x + GELU_CUBIC * x * x * x)
}

/// The error function, in f64 by the series of Abramowitz and Stegun 7.1.5 and, beyond 3, their
/// continued fraction 7.1.14: exact to f32.
fn erf(x: f32) -> f32 {
    let z = f64::from(x.abs());
    let value = if z < 3.0 {
        let (mut term, mut sum) = (z, z);
        for n in 1..60 {
            term *= -z * z / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let tail = (1..30).rev().fold(z, |tail, n| z + f64::from(n) / 2.0 / tail);
        1.0 - (-z * z).exp() / tail / std::f64::consts::PI.sqrt()
    };
    (value as f32).copysign(x)
}

/// gate = act(gate) · up, in place.
pub fn gated(activation: Activation, gate: &mut [f32], up: &[f32]) {
    let fast = match activation {
        Activation::Silu => Some(kernels::silu_mul as fn(&mut [f32], &[f32])),
        Activation::GeluTanh => Some(kernels::gelu_tanh_mul as fn(&mut [f32], &[f32])),
        Activation::Gelu
        | Activation::QuickGelu
        | Activation::Relu
        | Activation::ReluSquared
        | Activation::Tanh
        | Activation::Xielu(_) => None,
    };
    if let Some(fast) = fast {
        fast(gate, up);
        return;
    }
    const CHUNK: usize = 4096;
    let work = |(gate, up): (&mut [f32], &[f32])| {
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = activation.value(*gate) * up;
        }
    };
    if gate.len() < PARALLEL_FROM {
        work((gate, up));
    } else {
        gate.par_chunks_mut(CHUNK).zip(up.par_chunks(CHUNK)).for_each(work);
    }
}

/// The gradients of [`gated`], written over what it was computed from: `gate` becomes the gradient
/// by the gate, `up` that by up.
pub fn gated_backward(activation: Activation, gate: &mut [f32], up: &mut [f32], grad: &[f32]) {
    if activation == Activation::Silu {
        return kernels::silu_mul_backward(gate, up, grad);
    }
    const CHUNK: usize = 4096;
    let chunks = gate.par_chunks_mut(CHUNK).zip(up.par_chunks_mut(CHUNK));
    chunks.zip(grad.par_chunks(CHUNK)).for_each(|((gate, up), grad)| {
        for ((gate, up), grad) in gate.iter_mut().zip(up).zip(grad) {
            let (gate_grad, up_grad) =
                (activation.slope(*gate) * *up * grad, activation.value(*gate) * grad);
            (*gate, *up) = (gate_grad, up_grad);
        }
    });
}

/// The gradient of [`activate`], written over `x`, which it was computed from.
pub fn activate_backward(activation: Activation, x: &mut [f32], grad: &[f32]) {
    const CHUNK: usize = 4096;
    x.par_chunks_mut(CHUNK).zip(grad.par_chunks(CHUNK)).for_each(|(x, grad)| {
        for (x, grad) in x.iter_mut().zip(grad) {
            *x = activation.slope(*x) * grad;
        }
    });
}

/// x = act(x)
pub fn activate(activation: Activation, x: &mut [f32]) {
    each_row(x, 1, |_, value| value[0] = activation.value(value[0]));
}

/// x = cap · tanh(x / cap)
pub fn softcap(cap: f32, x: &mut [f32]) {
    for value in x {
        *value = cap * (*value / cap).tanh();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_is_that_of_the_tables() {
        // Abramowitz and Stegun, table 7.1
        for (x, expected) in [
            (0.0, 0.0),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
            (3.5, 0.999_999_3),
        ] {
            assert!((erf(x) - expected).abs() < 1e-7, "erf({x})");
            assert!((erf(-x) + expected).abs() < 1e-7);
        }
    }

    #[test]
    fn slopes_are_the_derivatives_of_the_activations() {
        for activation in [
            Activation::Silu,
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::QuickGelu,
            Activation::Relu,
            Activation::ReluSquared,
            Activation::Tanh,
            Activation::Xielu(Xielu { positive: 0.8, negative: 1.3, beta: 0.5, eps: -1e-6 }),
        ] {
            for x in [-4.0f32, -1.3, -0.2, 0.02, 0.7, 2.5] {
                let step = 1e-2;
                let estimate =
                    (activation.value(x + step) - activation.value(x - step)) / (2.0 * step);
                assert!((activation.slope(x) - estimate).abs() < 1e-3, "{activation:?} at {x}");
            }
        }
    }

    #[test]
    fn turning_back_undoes_turning() {
        let rope = crate::llm::config::Rope::new(1e4, 4, crate::llm::config::RopeScaling::None);
        let before: Vec<f32> = (0..24).map(|value| value as f32).collect();
        let mut x = before.clone();
        let table = rope.table(5, 2);
        rotate(&mut x, 12, 6, &table, 1.0);
        assert!((x[0] - before[0]).abs() > 1e-3);
        assert_eq!((x[4], x[5]), (4.0, 5.0), "dimensions beyond the table stay");
        rotate(&mut x, 12, 6, &table, -1.0);
        for (x, before) in x.iter().zip(&before) {
            assert!((x - before).abs() < 1e-4);
        }
    }
}
