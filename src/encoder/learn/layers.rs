//! Linear layers, norms and tables of vectors: forwards, and back into what learns.

use tuning_fork_kernels as kernels;
use tuning_fork_kernels::gemm;
use tuning_fork_kernels::gemm::{Matrix, Target, gemm};

use super::mask::{Masks, Site};
use super::weights::{Grads, Id, Weights};
use crate::llm::config::Activation;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::rows;
use crate::llm::net::rows::{add_scaled, dot, each_row};

/// One pass over a batch.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub weights: &'a Weights,

    /// `None`: nothing is dropped.
    pub masks: Option<Masks>,
    pub lora_dropout: f64,
}

impl Pass<'_> {
    pub fn drop(&self, site: Site, share: f64, x: &mut [f32]) {
        if let Some(masks) = self.masks {
            masks.apply(site, share, x);
        }
    }

    /// `x` after dropout; `None`: as it is.
    pub fn dropped(&self, site: Site, share: f64, x: &[f32]) -> Option<Buffer> {
        self.masks.filter(|_| share > 0.0)?;
        let mut out = copy(x);
        self.drop(site, share, &mut out);
        Some(out)
    }
}

pub(crate) fn copy(x: &[f32]) -> Buffer {
    let mut out = Buffer::any(x.len());
    out.copy_from_slice(x);
    out
}

/// A linear layer.
#[derive(Clone, Debug)]
pub(crate) struct Lin {
    /// transformers' path, without `.weight`.
    pub module: String,
    pub weight: Id,
    pub bias: Option<Id>,
    pub inputs: usize,
    pub outputs: usize,
    pub lora: Option<Lora>,
}

/// What LoRA adds to a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lora {
    /// (rank, inputs)
    pub a: Id,

    /// (outputs, rank)
    pub b: Id,
    pub rank: usize,
    pub scale: f32,
    pub site: Site,
}

/// Where a gradient goes: it is written or added.
pub(crate) type Into<'a> = Option<(&'a mut [f32], gemm::Result)>;

impl Lin {
    /// x (count, inputs) -> (count, outputs)
    pub fn forward(&self, pass: Pass<'_>, x: &[f32]) -> Buffer {
        let Self { inputs, outputs, .. } = *self;
        let count = x.len() / inputs;
        let mut out = Buffer::any(count * outputs);
        let weight = Matrix::new(pass.weights.values(self.weight), outputs, inputs);
        let own = (Matrix::new(x, count, inputs), weight.transposed());
        let target = Target::new(&mut out, count, outputs, gemm::Result::Replace);
        match self.lora {
            None => gemm(target, &[own]),
            Some(lora) => {
                let low = lora.low(pass, x, inputs);
                let b = Matrix::new(pass.weights.values(lora.b), outputs, lora.rank);
                gemm(target, &[own, (Matrix::new(&low, count, lora.rank), b.transposed())]);
            }
        }
        if let Some(bias) = self.bias {
            let bias = pass.weights.values(bias);
            each_row(&mut out, outputs, |_, row| add_scaled(row, 1.0, bias));
        }
        out
    }

    /// `x` as it was forwards, `grad` (count, outputs). Adds to the gradients and, where it is wanted,
    /// to the gradient by `x`, or writes it.
    pub fn backward(
        &self,
        pass: Pass<'_>,
        x: &[f32],
        grad: &[f32],
        (grads, to): (&mut Grads, Into<'_>),
    ) {
        let Self { inputs, outputs, .. } = *self;
        let count = grad.len() / outputs;
        let all = Matrix::new(grad, count, outputs);
        let seen = Matrix::new(x, count, inputs);
        if let Some(sums) = grads.of(self.weight, outputs * inputs) {
            gemm(
                Target::new(sums, outputs, inputs, gemm::Result::Add),
                &[(all.transposed(), seen)],
            );
        }
        if let Some(sums) = self.bias.and_then(|bias| grads.of(bias, outputs)) {
            grad.chunks_exact(outputs).for_each(|row| add_scaled(sums, 1.0, row));
        }
        let low_grad =
            self.lora.map(|lora| lora.backward(pass, (x, grad), (inputs, outputs), grads));
        let Some((x_grad, result)) = to else { return };
        let weight = Matrix::new(pass.weights.values(self.weight), outputs, inputs);
        let own = (all, weight);
        let (Some(lora), Some(low_grad)) = (self.lora, low_grad) else {
            return gemm(Target::new(x_grad, count, inputs, result), &[own]);
        };
        let a = Matrix::new(pass.weights.values(lora.a), lora.rank, inputs);
        let through = (Matrix::new(&low_grad, count, lora.rank), a);
        if pass.masks.is_none() || pass.lora_dropout == 0.0 {
            return gemm(Target::new(x_grad, count, inputs, result), &[own, through]);
        }
        gemm(Target::new(&mut *x_grad, count, inputs, result), &[own]);
        let mut masked = Buffer::any(count * inputs);
        gemm(Target::new(&mut masked, count, inputs, gemm::Result::Replace), &[through]);
        pass.drop(lora.site, pass.lora_dropout, &mut masked);
        rows::add(x_grad, &masked);
    }
}

impl Lin {
    /// Whether anything of it learns.
    pub fn learns(&self, grads: &Grads) -> bool {
        let lora = self.lora.is_some_and(|lora| grads.wants(lora.a));
        lora || grads.wants(self.weight) || self.bias.is_some_and(|bias| grads.wants(bias))
    }
}

impl Lora {
    /// scale · (x Aᵀ), (count, rank)
    fn low(self, pass: Pass<'_>, x: &[f32], inputs: usize) -> Buffer {
        let count = x.len() / inputs;
        let dropped = pass.dropped(self.site, pass.lora_dropout, x);
        let seen = Matrix::new(dropped.as_deref().unwrap_or(x), count, inputs);
        let a = Matrix::new(pass.weights.values(self.a), self.rank, inputs);
        let mut low = Buffer::any(count * self.rank);
        let target = Target::new(&mut low, count, self.rank, gemm::Result::Replace);
        gemm(target, &[(seen, a.transposed())]);
        rows::scale(&mut low, Some(self.scale));
        low
    }

    /// Adds to the gradients of A and B; gives scale · (grad B), (count, rank).
    fn backward(
        self,
        pass: Pass<'_>,
        (x, grad): (&[f32], &[f32]),
        (inputs, outputs): (usize, usize),
        grads: &mut Grads,
    ) -> Buffer {
        let (count, rank) = (grad.len() / outputs, self.rank);
        let all = Matrix::new(grad, count, outputs);
        let b = Matrix::new(pass.weights.values(self.b), outputs, rank);
        let mut low_grad = Buffer::any(count * rank);
        gemm(Target::new(&mut low_grad, count, rank, gemm::Result::Replace), &[(all, b)]);
        rows::scale(&mut low_grad, Some(self.scale));
        if let Some(sums) = grads.of(self.a, rank * inputs) {
            let dropped = pass.dropped(self.site, pass.lora_dropout, x);
            let seen = Matrix::new(dropped.as_deref().unwrap_or(x), count, inputs);
            let low_grad = Matrix::new(&low_grad, count, rank);
            gemm(
                Target::new(sums, rank, inputs, gemm::Result::Add),
                &[(low_grad.transposed(), seen)],
            );
        }
        if let Some(sums) = grads.of(self.b, outputs * rank) {
            let low = self.low(pass, x, inputs);
            let low = Matrix::new(&low, count, rank);
            gemm(Target::new(sums, outputs, rank, gemm::Result::Add), &[(all.transposed(), low)]);
        }
        low_grad
    }
}

/// A norm over rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowsNorm {
    pub weight: Id,
    pub bias: Option<Id>,
    pub eps: f32,
    pub is_rms: bool,
}

impl RowsNorm {
    pub fn forward(self, pass: Pass<'_>, x: &[f32]) -> Buffer {
        let weight = pass.weights.values(self.weight);
        let mut out = Buffer::any(x.len());
        if self.is_rms {
            rows::rms_norm(x, weight, self.eps, &mut out);
            return out;
        }
        match self.bias {
            Some(bias) => {
                rows::layer_norm(x, weight, pass.weights.values(bias), self.eps, &mut out);
            }
            None => rows::layer_norm(x, weight, &vec![0.0; weight.len()], self.eps, &mut out),
        }
        out
    }

    /// The gradient by x; adds to those of the norm.
    pub fn backward(self, pass: Pass<'_>, x: &[f32], grad: &[f32], grads: &mut Grads) -> Buffer {
        let weight = pass.weights.values(self.weight);
        let width = weight.len();
        let mut out = Buffer::any(x.len());
        if self.is_rms {
            rows::rms_norm_backward(x, weight, self.eps, grad, &mut out);
        } else {
            rows::layer_norm_backward(x, weight, self.eps, grad, &mut out);
        }
        if let Some(sums) = grads.of(self.weight, width) {
            for (x, grad) in x.chunks_exact(width).zip(grad.chunks_exact(width)) {
                let (mean, inverse) = self.mean_and_inverse(x);
                for ((sum, x), grad) in sums.iter_mut().zip(x).zip(grad) {
                    *sum += grad * (x - mean) * inverse;
                }
            }
        }
        if let Some(sums) = self.bias.and_then(|bias| grads.of(bias, width)) {
            grad.chunks_exact(width).for_each(|row| add_scaled(sums, 1.0, row));
        }
        out
    }

    fn mean_and_inverse(self, row: &[f32]) -> (f32, f32) {
        let count = row.len() as f32;
        if self.is_rms {
            return (0.0, (dot(row, row) / count + self.eps).sqrt().recip());
        }
        let mean = row.iter().sum::<f32>() / count;
        let spread = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
        (mean, (spread + self.eps).sqrt().recip())
    }
}

/// Rows of a table, added to `out` or written there.
pub(crate) fn look_up(table: &[f32], ids: &[u32], out: &mut [f32], result: gemm::Result) {
    let width = out.len() / ids.len().max(1);
    each_row(out, width, |at, row| {
        let found = &table[ids[at] as usize * width..][..width];
        match result {
            gemm::Result::Replace => row.copy_from_slice(found),
            gemm::Result::Add => add_scaled(row, 1.0, found),
        }
    });
}

/// The backward pass of [`look_up`]: torch leaves the row of the padding without a gradient.
pub(crate) fn look_up_back(
    (id, rows): (Id, usize),
    ids: &[u32],
    grad: &[f32],
    padding: Option<u32>,
    grads: &mut Grads,
) {
    let width = grad.len() / ids.len().max(1);
    let Some(sums) = grads.of(id, rows * width) else { return };
    for (at, grad) in ids.iter().zip(grad.chunks_exact(width)) {
        if Some(*at) != padding {
            add_scaled(&mut sums[*at as usize * width..][..width], 1.0, grad);
        }
    }
}

/// x = act(x)
pub(crate) use crate::encoder::stack::activate;

/// `x`, what was activated, becomes its gradient.
pub(crate) fn activate_back(activation: Activation, x: &mut [f32], grad: &[f32]) {
    match activation {
        Activation::Gelu => kernels::gelu_backward(x, grad),
        other => rows::activate_backward(other, x, grad),
    }
}
