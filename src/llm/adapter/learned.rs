//! The tensors of a run that learn, whatever they are of: an adapter's, or the model's own weights.
//!
//! They are one list for gradients, optimizer and checkpoint. Where they are kept differs: see [`Slot`].

use std::sync::Mutex;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Var};

/// A tensor that learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// As PEFT or transformers calls it: `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,

    /// The module that it belongs to, and what it is of it.
    pub module: String,
    pub part: Part,
    pub shape: Vec<usize>,

    /// Whether it is subject to weight decay.
    pub decays: bool,

    /// A module that has the same tensor: the head of a model whose embedding it is.
    pub also: Option<String>,
}

/// What a tensor is of its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `LoRA`'s factors. Of an embedding: (rank, vocabulary) and (width, rank).
    A,
    B,

    /// `DoRA`'s lengths.
    Magnitude,
    Weight,
    Bias,
}

impl Part {
    pub const COUNT: usize = 5;

    pub(crate) fn place(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
            Self::Magnitude => 2,
            Self::Weight => 3,
            Self::Bias => 4,
        }
    }
}

impl Learned {
    /// A tensor that decays where its name says so.
    pub fn new(name: String, module: &str, part: Part, shape: Vec<usize>) -> Self {
        let decays = decays(&name);
        Self { name, module: module.to_owned(), part, shape, decays, also: None }
    }

    /// Values in it.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whether a parameter is subject to weight decay by its name: transformers'
/// `Trainer.get_decay_parameter_names`, which besides leaves out every `nn.LayerNorm`.
pub fn decays(name: &str) -> bool {
    let name = name.to_lowercase();
    let is_norm = |part: &str| part == "norm" || part.ends_with("_norm");
    !["bias", "layernorm", "rmsnorm"].iter().any(|word| name.contains(word))
        && !name.split('.').any(is_norm)
}

/// Where a tensor's values are.
#[derive(Debug)]
pub enum Slot<'a> {
    /// In a tensor of an adapter, which passes read meanwhile.
    Shared(Var),
    Own(&'a mut [f32]),
}

impl Slot<'_> {
    /// Changes the values in place.
    pub fn update(self, work: impl FnOnce(&mut [f32]) + Send) -> Result<()> {
        match self {
            Self::Own(values) => {
                work(values);
                Ok(())
            }
            Self::Shared(var) => var.inplace_op1(&InPlace(Mutex::new(Some(work)))),
        }
    }

    /// Hands the values to `work`.
    pub fn read<R>(&self, work: impl FnOnce(&[f32]) -> R) -> Result<R> {
        match self {
            Self::Own(values) => Ok(work(values)),
            Self::Shared(var) => {
                let (storage, layout) = var.storage_and_layout();
                let (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) =
                    (&*storage, layout.contiguous_offsets())
                else {
                    candle_core::bail!("a contiguous tensor of f32 was expected")
                };
                Ok(work(&values[start..end]))
            }
        }
    }
}

/// Work that is done once on a tensor's values.
struct InPlace<F>(Mutex<Option<F>>);

impl<F: FnOnce(&mut [f32])> InplaceOp1 for InPlace<F> {
    fn name(&self) -> &'static str {
        "in place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("a contiguous tensor of f32 was expected")
        };
        let mut work = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(work) = work.take() {
            work(&mut values[start..end]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    #[test]
    fn norms_and_biases_do_not_decay() {
        // transformers 5.23.0, `Trainer.get_decay_parameter_names`
        for name in [
            "model.layers.0.input_layernorm.weight",
            "model.norm.weight",
            "model.layers.0.self_attn.q_norm.weight",
            "model.layers.0.self_attn.q_proj.bias",
            "base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias",
        ] {
            assert!(!decays(name), "{name}");
        }
        for name in [
            "model.embed_tokens.weight",
            "lm_head.weight",
            "model.layers.0.normal.weight",
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
            "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
        ] {
            assert!(decays(name), "{name}");
        }
    }

    #[test]
    fn a_tensor_that_others_hold_is_changed_in_place() {
        let var = Var::from_tensor(&Tensor::new(&[1.0_f32, 2.0], &Device::Cpu).unwrap()).unwrap();
        Slot::Shared(var.clone()).update(|values| values[1] = 7.0).unwrap();
        assert_eq!(var.to_vec1::<f32>().unwrap(), [1.0, 7.0]);
        let mut own = vec![3.0];
        Slot::Own(&mut own).update(|values| values[0] = 4.0).unwrap();
        assert_eq!(own, [4.0]);
    }
}
