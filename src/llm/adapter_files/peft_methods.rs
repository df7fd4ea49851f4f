//! PEFT's methods beside LoRA, each worked into a layer's weight as the file is read: a layer of its own, in
//! 32 bits, stands in place of the model's.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use tuning_fork_kernels::QMatrix;

use super::peft_tensors::{Found, SHARED};
use crate::llm::adapter::laid::Laid;
use crate::llm::adapter::method::Method;
use crate::llm::adapter::modules::present_name;
use crate::llm::adapter::peft_config::{PeftConfig, Start};
use crate::llm::adapter::spec::scale;
use crate::llm::error::Error;
use crate::llm::net::ops::with_f32;

/// What one file's layers have in common.
pub(super) struct Working<'a> {
    config: PeftConfig,
    shared: BTreeMap<&'static str, Tensor>,
    numbers: u64,

    /// For error messages.
    path: &'a Path,
}

impl<'a> Working<'a> {
    /// `shared`: the tensors that are of no module.
    pub fn new(config: &PeftConfig, shared: Option<Found>, path: &'a Path) -> Result<Self, Error> {
        let shared = shared.map(|found| found.of_method).unwrap_or_default();
        if config.method == Some(Method::Vera) && shared.len() != SHARED.len() {
            let problem = "it lacks base_model.vera_A and vera_B, the random matrices of VeRA: PEFT draws them \
                           again from projection_prng_key; save it with save_projection = true";
            return Err(Error::adapter(path, problem));
        }
        if config.method.is_some() && (config.use_dora || config.start != Start::Plain) {
            let problem =
                "it is no LoRA, and says use_dora or a start of LoRA's: the file is damaged";
            return Err(Error::adapter(path, problem));
        }
        let count = |tensor: &Tensor| tensor.elem_count() as u64;
        let numbers = shared.values().map(count).sum();
        Ok(Self { config: config.clone(), shared, numbers, path })
    }

    pub fn is_method(&self) -> bool {
        self.config.method.is_some()
    }

    /// How many numbers the file has for it.
    pub fn numbers(&self) -> u64 {
        self.numbers
    }

    /// Fails where a module of a LoRA adapter has tensors of another method.
    pub fn check_of_lora(&self, found: &Found) -> Result<(), Error> {
        let Some(part) = found.of_method.keys().next().filter(|_| !self.is_method()) else {
            return Ok(());
        };
        let problem =
            format!("peft_type = LORA, and {} has {part}, which is no LoRA", found.written);
        Err(Error::adapter(self.path, problem))
    }

    pub fn no_layer(&self, module: &str) -> Error {
        let problem = format!("{module} is no linear layer between the embedding and the head");
        Error::adapter(self.path, problem)
    }

    /// What a layer becomes: (outputs, inputs), and its bias where that changes.
    pub fn layer(
        &mut self,
        found: &Found,
        own: &QMatrix,
        bias: Option<&[f32]>,
    ) -> Result<(QMatrix, Option<Vec<f32>>), Error> {
        let sizes = Sizes { outputs: own.rows(), inputs: own.cols() };
        self.numbers += found.of_method.values().map(|part| part.elem_count() as u64).sum::<u64>();
        let mut values = own.dequantize();
        let mut new_bias = None;
        if self.config.method == Some(Method::Ia3) {
            let factors = self.part(found, "ia3_l")?;
            let of_outputs = match *factors.dims() {
                [outputs, 1] if outputs == sizes.outputs => true,
                [1, inputs] if inputs == sizes.inputs => false,
                _ => return Err(self.misfit(found, sizes)),
            };
            with_f32(&factors.flatten_all()?, |factors| {
                for (row, values) in values.chunks_exact_mut(sizes.inputs).enumerate() {
                    for (value, factor) in values.iter_mut().zip(factors.iter().cycle()) {
                        *value *= if of_outputs { factors[row] } else { *factor };
                    }
                }
                if let (true, Some(bias)) = (of_outputs, bias) {
                    let scaled = bias.iter().zip(factors).map(|(bias, factor)| bias * factor);
                    new_bias = Some(scaled.collect());
                }
                Ok(())
            })?;
        } else {
            let change = self.change(found, sizes)?;
            with_f32(&change.contiguous()?, |change| {
                for (value, change) in values.iter_mut().zip(change) {
                    *value += change;
                }
                Ok(())
            })?;
        }
        let weight = QMatrix::of_floats(sizes.outputs, sizes.inputs, values);
        let damaged =
            |err| Error::adapter(self.path, format!("{} is damaged: {err}", found.written));
        Ok((weight.map_err(damaged)?, new_bias))
    }

    /// What is added to a layer's weight: (outputs, inputs).
    fn change(&self, found: &Found, sizes: Sizes) -> Result<Tensor, Error> {
        let Sizes { outputs, inputs } = sizes;
        let (rank, alpha) = self.config.rank_and_alpha(&present_name(&found.written));
        let by = scale(alpha, rank, false);
        if !by.is_finite() {
            let problem = format!("{} has the rank {rank} by rank_pattern", found.written);
            return Err(Error::adapter(self.path, problem));
        }
        let product = |a: &Tensor, b: &Tensor| {
            let fits = matches!((a.dims(), b.dims()), ([_, one], [other, _]) if one == other);
            if fits { Ok(a.matmul(b)?) } else { Err(self.misfit(found, sizes)) }
        };
        let change = match self.config.method {
            Some(Method::LoHa) => {
                let part = |name| self.part(found, name);
                let first = product(part("hada_w1_a")?, part("hada_w1_b")?)?;
                let second = product(part("hada_w2_a")?, part("hada_w2_b")?)?;
                if first.dims() != second.dims() {
                    return Err(self.misfit(found, sizes));
                }
                ((first * second)? * by)?
            }
            Some(Method::LoKr) => {
                let factor = |whole, [a, b]: [&'static str; 2]| match found.of_method.get(whole) {
                    Some(whole) => Ok(whole.clone()),
                    None => product(self.part(found, a)?, self.part(found, b)?),
                };
                let outer = factor("lokr_w1", ["lokr_w1_a", "lokr_w1_b"])?;
                let inner = factor("lokr_w2", ["lokr_w2_a", "lokr_w2_b"])?;
                let ([rows, cols], [in_rows, in_cols]) = (outer.dims(), inner.dims()) else {
                    return Err(self.misfit(found, sizes));
                };
                let (rows, cols, in_rows, in_cols) = (*rows, *cols, *in_rows, *in_cols);
                let outer = outer.reshape((rows, 1, cols, 1))?;
                let inner = inner.reshape((1, in_rows, 1, in_cols))?;
                let whole =
                    outer.broadcast_mul(&inner)?.reshape((rows * in_rows, cols * in_cols))?;
                (whole * by)?
            }
            _ => {
                let shared = |name: &str| {
                    let tensor = self.shared.get(name);
                    tensor.ok_or_else(|| Error::adapter(self.path, format!("it lacks {name}")))
                };
                let (a, b) = (shared("vera_A")?, shared("vera_B")?);
                let (by_rank, by_output) =
                    (self.part(found, "vera_lambda_d")?, self.part(found, "vera_lambda_b")?);
                let rank = by_rank.elem_count();
                let fits = matches!(*a.dims(), [count, width] if count == rank && width >= inputs)
                    && matches!(*b.dims(), [rows, count] if count == rank && rows >= outputs)
                    && by_output.elem_count() == outputs;
                if !fits {
                    return Err(self.misfit(found, sizes));
                }
                let a = a.narrow(1, 0, inputs)?.broadcast_mul(&by_rank.reshape((rank, 1))?)?;
                let b =
                    b.narrow(0, 0, outputs)?.broadcast_mul(&by_output.reshape((outputs, 1))?)?;
                b.matmul(&a)?
            }
        };
        if change.dims() == [outputs, inputs] { Ok(change) } else { Err(self.misfit(found, sizes)) }
    }

    fn part<'f>(&self, found: &'f Found, name: &'static str) -> Result<&'f Tensor, Error> {
        found.of_method.get(name).ok_or_else(|| {
            Error::adapter(self.path, format!("{} does not have {name}", found.written))
        })
    }

    fn misfit(&self, found: &Found, sizes: Sizes) -> Error {
        let shapes = found.of_method.iter().map(|(name, part)| format!("{name} {:?}", part.dims()));
        let shapes: Vec<String> = shapes.collect();
        let Sizes { outputs, inputs } = sizes;
        let problem = format!(
            "{} has {}, and the model's layer has {outputs} outputs and {inputs} inputs: the adapter belongs to \
             another model",
            found.written,
            shapes.join(", ")
        );
        Error::adapter(self.path, problem)
    }

    /// What a person should know of it.
    pub fn told(&self, laid: &Laid) -> Option<String> {
        let method = self.config.method?;
        let sizes = laid.layers.values().filter_map(|layer| layer.weight.as_ref());
        let bytes: usize = sizes.map(|weight| 4 * weight.rows() * weight.cols()).sum();
        Some(format!(
            "{} is worked into {} layers, which lie beside the model's in 32 bits: {} MB more memory",
            method.name(),
            laid.layers.len(),
            bytes.div_ceil(1_000_000)
        ))
    }
}

/// Of a layer.
#[derive(Clone, Copy)]
struct Sizes {
    outputs: usize,
    inputs: usize,
}
