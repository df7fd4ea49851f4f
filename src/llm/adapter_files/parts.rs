//! Tensors on their way into a file of a model, each computed when its turn comes. Which ones: see `merge.rs`,
//! `whole.rs` and `classifier.rs`.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use candle_core::{Device, Tensor};
use half::{bf16, f16};
use safetensors::Dtype;
use serde_json::{Map, json};
use tuning_fork_kernels::QMatrix;

use crate::jobs::Progress;
use crate::llm::adapter::lora::{Dora, LoraPair};
use crate::llm::adapter::low_rank::LowRank;
use crate::llm::error::Error;
use crate::llm::files::weights::{TensorSource as _, WeightSource};
use crate::llm::files::write_safetensors;
use crate::llm::files::write_safetensors::Entry;
use crate::llm::model::Model;
use crate::llm::net::ops::with_f32;

/// `done` of `total` tensors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    pub done: usize,
    pub total: usize,
}

/// A tensor to be written, computed when its turn comes.
pub(super) struct Part<'a> {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub values: Values<'a>,
}

pub(super) enum Values<'a> {
    /// As the file has them.
    Bytes(&'a [u8]),

    /// Numbers in `dtype`, (rows, columns), and the change of them.
    Changed(&'a [u8], Change<'a>),

    /// A matrix, the change of it, and how it is stored.
    Matrix(&'a QMatrix, Option<Change<'a>>, Order),
    Vector(Cow<'a, [f32]>),

    /// As the model's files have it, by the part's name: what is asked for has this shape.
    Stored(&'a WeightSource, &'a [usize]),
}

/// What a pair adds to a weight that is stored in this order.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub pair: &'a LoraPair,
    pub order: Order,
}

/// How a weight is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    OutputsInputs,

    /// GPT-2's `Conv1D`.
    InputsOutputs,
}

/// How the weights of a model's layers are stored.
pub(super) fn order(model: &Model) -> Order {
    if model.config().naming.is_transposed() { Order::InputsOutputs } else { Order::OutputsInputs }
}

impl Part<'_> {
    fn bytes(&self) -> Result<Cow<'_, [u8]>, Error> {
        Ok(match &self.values {
            Values::Bytes(bytes) => Cow::Borrowed(bytes),
            Values::Changed(bytes, change) => {
                let mut values = widened(bytes, self.dtype).ok_or_else(|| {
                    candle_core::Error::Msg(format!("{} is {:?}", self.name, self.dtype))
                })?;
                add(&mut values, *change)?;
                Cow::Owned(narrowed(&values, self.dtype))
            }
            Values::Matrix(weight, change, order) => {
                let (outputs, inputs) = (weight.rows(), weight.cols());
                let mut values = vec![0.0; outputs * inputs];
                for (index, row) in values.chunks_exact_mut(inputs).enumerate() {
                    weight.dequantize_row(index, row);
                }
                if *order == Order::InputsOutputs {
                    let place = |at: usize| (at % outputs) * inputs + at / outputs;
                    values = (0..values.len()).map(|at| values[place(at)]).collect();
                }
                if let Some(change) = change {
                    add(&mut values, *change)?;
                }
                Cow::Owned(narrowed(&values, self.dtype))
            }
            Values::Vector(values) => Cow::Owned(narrowed(values, self.dtype)),
            Values::Stored(source, shape) => {
                Cow::Owned(narrowed(&source.values(&self.name, shape)?, self.dtype))
            }
        })
    }
}

/// Works a pair into a weight.
pub(super) fn add(weight: &mut [f32], change: Change<'_>) -> candle_core::Result<()> {
    let Change { pair, order } = change;
    let LoraPair { a, b, scale, taken, dora } = pair;
    let (outputs, inputs) = (b.dims()[0], a.dims()[1]);
    let change = (b.as_tensor().detach().matmul(&a.as_tensor().detach())? * *scale)?;
    let change = match taken {
        None => change,
        Some(LowRank { a, b, rank }) => {
            let a = Tensor::from_slice(a, (*rank, inputs), &Device::Cpu)?;
            let b = Tensor::from_slice(b, (outputs, *rank), &Device::Cpu)?;
            (change - b.matmul(&a)?)?
        }
    };
    let change = match order {
        Order::OutputsInputs => change,
        Order::InputsOutputs => change.t()?.contiguous()?,
    };
    with_f32(&change, |change| {
        for (weight, change) in weight.iter_mut().zip(change) {
            *weight += change;
        }
        Ok(())
    })?;
    if let Some(Dora { factors, .. }) = dora {
        for (at, weight) in weight.iter_mut().enumerate() {
            *weight *= match order {
                Order::OutputsInputs => factors[at / inputs],
                Order::InputsOutputs => factors[at % outputs],
            };
        }
    }
    Ok(())
}

/// `None`: a type that no layer of ours has.
fn widened(bytes: &[u8], dtype: Dtype) -> Option<Vec<f32>> {
    let pairs = || bytes.as_chunks::<2>().0.iter();
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => pairs().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        _ => return None,
    })
}

fn narrowed(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

/// A safetensors file, a tensor at a time: a whole model need not be in memory twice. It gets its
/// name when it is complete.
pub(super) fn write_tensors(
    path: &Path,
    parts: &[Part<'_>],
    progress: &dyn Progress<Merged>,
) -> Result<(), Error> {
    let of = |part: &Part<'_>| Entry {
        name: part.name.clone(),
        dtype: part.dtype,
        shape: part.shape.clone(),
    };
    let entries: Vec<Entry> = parts.iter().map(of).collect();
    let metadata = Map::from_iter([("format".to_owned(), json!("pt"))]);
    let total = parts.len();
    let mut stopped = None;
    let written = write_safetensors::write(path, metadata, &entries, &mut |done, file| {
        let step = || -> Result<Cow<'_, [u8]>, Error> {
            progress.check()?;
            progress.emit(Merged { done, total });
            parts[done].bytes()
        };
        match step() {
            Ok(bytes) => file.write_all(&bytes),
            Err(err) => {
                stopped = Some(err);
                Err(io::Error::other("it was not completed"))
            }
        }
    });
    match (written, stopped) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(err)) => Err(err),
        (Err(source), None) => Err(Error::Write { path: path.to_owned(), source }),
    }
}
