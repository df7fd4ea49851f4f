//! Differentiable operations. candle's own fused ones have no backward pass, and nothing says so
//! when the gradient stops there; these have one each.
//!
//! All are for f32 on the CPU. What is frozen (base weights, norms, rope tables) is held by the
//! operation and is no argument of it, so that no gradient of it is ever computed.

use std::sync::Arc;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor,
};
use rayon::prelude::*;

use super::config::{Activation, RopeTable};
use super::linear::Weight;
use super::rows;

/// The values of a contiguous f32 tensor on the CPU.
pub(crate) fn cpu_slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else { candle_core::bail!("f32 was expected") };
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("a contiguous tensor was expected")
    };
    Ok(&values[start..end])
}

/// Calls `work` with the values of a contiguous f32 tensor on the CPU.
pub(crate) fn with_f32<R>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { candle_core::bail!("not on the CPU") };
    work(cpu_slice(storage, layout)?)
}

pub(crate) fn with_storage<R>(
    tensor: &Tensor,
    work: impl FnOnce(&CpuStorage) -> Result<R>,
) -> Result<R> {
    let (storage, _) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { candle_core::bail!("not on the CPU") };
    work(storage)
}

/// How a row is brought to length, with frozen weights.
#[derive(Clone)]
pub(crate) enum RowNorm {
    Rms { weight: Arc<[f32]>, eps: f32 },
    Layer { weight: Arc<[f32]>, bias: Arc<[f32]>, eps: f32 },
}

impl RowNorm {
    /// `x` and `out`: (rows, width)
    pub fn run(&self, x: &[f32], out: &mut [f32]) {
        match self {
            Self::Rms { weight, eps } => rows::rms_norm(x, weight, *eps, out),
            Self::Layer { weight, bias, eps } => rows::layer_norm(x, weight, bias, *eps, out),
        }
    }

    fn backward(&self, x: &[f32], grad: &[f32], out: &mut [f32]) {
        match self {
            Self::Rms { weight, eps } => rows::rms_norm_backward(x, weight, *eps, grad, out),
            Self::Layer { weight, eps, .. } => {
                rows::layer_norm_backward(x, weight, *eps, grad, out);
            }
        }
    }
}

/// Normalises rows of the norm's width; `x` may have any shape whose last dimension is a whole
/// number of such rows.
pub(crate) fn norm(x: &Tensor, norm: &RowNorm) -> Result<Tensor> {
    x.contiguous()?.apply_op1(NormOp(norm.clone()))
}

struct NormOp(RowNorm);

impl CustomOp1 for NormOp {
    fn name(&self) -> &'static str {
        "row-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = cpu_slice(x, layout)?;
        let mut out = vec![0.0; x.len()];
        self.0.run(x, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let mut out = vec![0.0; x.elem_count()];
        let grad = grad.contiguous()?;
        with_f32(x, |x| {
            with_f32(&grad, |grad| {
                self.0.backward(x, grad, &mut out);
                Ok(())
            })
        })?;
        Tensor::from_vec(out, x.shape(), x.device()).map(Some)
    }
}

/// Turns the heads of `x`, (batch, time, heads · `head_dim`), by their positions.
pub(crate) fn rope(x: &Tensor, head_dim: usize, table: &Arc<RopeTable>) -> Result<Tensor> {
    x.contiguous()?.apply_op1(RopeOp { head_dim, table: Arc::clone(table), direction: 1.0 })
}

struct RopeOp {
    head_dim: usize,
    table: Arc<RopeTable>,
    direction: f32,
}

impl CustomOp1 for RopeOp {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut out = cpu_slice(x, layout)?.to_vec();
        let width = layout.shape().dims3()?.2;
        rows::rotate(&mut out, width, self.head_dim, &self.table, self.direction);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    /// A rotation's gradient is the rotation back.
    fn bwd(&self, _x: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let back = Self {
            head_dim: self.head_dim,
            table: Arc::clone(&self.table),
            direction: -self.direction,
        };
        grad.contiguous()?.apply_op1_no_bwd(&back).map(Some)
    }
}

/// act(gate) · up
pub(crate) fn gated(activation: Activation, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.contiguous()?.apply_op2(&up.contiguous()?, Gated(activation))
}

struct Gated(Activation);

impl CustomOp2 for Gated {
    fn name(&self) -> &'static str {
        "gated-activation"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gate_layout: &Layout,
        up: &CpuStorage,
        up_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (cpu_slice(gate, gate_layout)?, cpu_slice(up, up_layout)?);
        let mut out = vec![0.0; gate.len()];
        rows::gated(self.0, gate, up, &mut out);
        Ok((CpuStorage::F32(out), gate_layout.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut gate_grad = vec![0.0; gate.elem_count()];
        let mut up_grad = vec![0.0; up.elem_count()];
        let grad = grad.contiguous()?;
        with_f32(gate, |gate| {
            with_f32(up, |up| {
                with_f32(&grad, |grad| {
                    let inputs = gate.par_iter().zip(up).zip(grad);
                    let outputs = gate_grad.par_iter_mut().zip(&mut up_grad);
                    outputs.zip(inputs).with_min_len(4096).for_each(
                        |((gate_grad, up_grad), ((gate, up), grad))| {
                            *gate_grad = self.0.slope(*gate) * up * grad;
                            *up_grad = self.0.value(*gate) * grad;
                        },
                    );
                    Ok(())
                })
            })
        })?;
        Ok((
            Some(Tensor::from_vec(gate_grad, gate.shape(), gate.device())?),
            Some(Tensor::from_vec(up_grad, up.shape(), up.device())?),
        ))
    }
}

/// act(x)
pub(crate) fn activate(activation: Activation, x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Activate(activation))
}

struct Activate(Activation);

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut out = cpu_slice(x, layout)?.to_vec();
        rows::activate(self.0, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let slopes = with_f32(x, |x| {
            let slopes: Vec<f32> = x.par_iter().map(|x| self.0.slope(*x)).collect();
            Ok(slopes)
        })?;
        (Tensor::from_vec(slopes, x.shape(), x.device())? * grad).map(Some)
    }
}

/// y = x Wᵀ with W frozen: the backward pass gives the gradient by x and nothing else.
/// `x`: (rows, in), contiguous.
pub(crate) fn frozen_linear(x: &Tensor, weight: &Weight) -> Result<Tensor> {
    x.contiguous()?.apply_op1(FrozenLinear(weight.clone()))
}

struct FrozenLinear(Weight);

impl CustomOp1 for FrozenLinear {
    fn name(&self) -> &'static str {
        "frozen-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (count, _) = layout.shape().dims2()?;
        let mut out = vec![0.0; count * self.0.outputs()];
        self.0.matmul(cpu_slice(x, layout)?, count, &mut out)?;
        Ok((CpuStorage::F32(out), Shape::from((count, self.0.outputs()))))
    }

    fn bwd(&self, _x: &Tensor, _out: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        grad.contiguous()?.matmul(&self.0.dense()?).map(Some)
    }
}

/// y = x Wᵀ + scale · (x Aᵀ) Bᵀ with W frozen. Keeps neither x Aᵀ nor the two products.
/// `x`: (rows, in), contiguous; `a`: (rank, in); `b`: (out, rank).
pub(crate) fn lora_linear(
    x: &Tensor,
    a: &Tensor,
    b: &Tensor,
    weight: &Weight,
    scale: f64,
) -> Result<Tensor> {
    x.contiguous()?.apply_op3(a, b, LoraLinear { weight: weight.clone(), scale })
}

struct LoraLinear {
    weight: Weight,
    scale: f64,
}

impl CustomOp3 for LoraLinear {
    fn name(&self) -> &'static str {
        "lora-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = cpu_slice(x, x_layout)?;
        let (a, b) = (cpu_slice(a, a_layout)?, cpu_slice(b, b_layout)?);
        let (count, inputs) = x_layout.shape().dims2()?;
        let (rank, outputs) = (a.len() / inputs, self.weight.outputs());
        let mut out = vec![0.0; count * outputs];
        self.weight.matmul(x, count, &mut out)?;
        super::linear::add_low_rank(x, a, b, rank, self.scale as f32, &mut out);
        Ok((CpuStorage::F32(out), Shape::from((count, outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        // Inside a backward pass nothing may be tracked: the arguments are variables.
        let (inner, a, b) = (x.detach(), a.detach(), b.detach());
        let grad = grad.contiguous()?;
        let scaled = (&grad * self.scale)?;
        let low = inner.matmul(&a.t()?)?;
        let low_grad = scaled.matmul(&b)?;
        let b_grad = scaled.t()?.matmul(&low)?;
        let a_grad = low_grad.t()?.matmul(&inner)?;
        let x_grad = if x.track_op() {
            Some((grad.matmul(&self.weight.dense()?)? + low_grad.matmul(&a)?)?)
        } else {
            None
        };
        Ok((x_grad, Some(a_grad), Some(b_grad)))
    }
}
