//! The tensors of a model that learns: those that stand still lie as their file has them, those that
//! learn are values of their own. Gradients, a tensor each.

use std::collections::BTreeMap;

use rayon::prelude::*;
use tuning_fork_kernels::QMatrix;

/// The place of a tensor.
pub(crate) type Id = usize;

/// A tensor by transformers' (or PEFT's) name.
pub(crate) struct Weight {
    pub name: String,
    pub shape: Vec<usize>,
    values: Values,
    pub is_trained: bool,

    /// Of a norm: weight decay leaves it alone.
    pub is_of_norm: bool,
}

enum Values {
    /// f32 as the file has it.
    Stored(QMatrix),
    Own(Vec<f32>),
}

/// Every tensor of a model. Layers that share a tensor have it once.
#[derive(Default)]
pub struct Weights {
    all: Vec<Weight>,
    places: BTreeMap<String, Id>,
}

impl Weights {
    pub(crate) fn find(&self, name: &str) -> Option<Id> {
        self.places.get(name).copied()
    }

    /// A matrix as its file has it; widened where that is not f32.
    pub(crate) fn add_matrix(&mut self, name: &str, matrix: QMatrix) -> Id {
        let shape = vec![matrix.rows(), matrix.cols()];
        let values = match matrix.as_f32() {
            Some(_) => Values::Stored(matrix),
            None => Values::Own(matrix.dequantize()),
        };
        self.push(name, shape, values)
    }

    pub(crate) fn add(&mut self, name: &str, shape: Vec<usize>, values: Vec<f32>) -> Id {
        self.push(name, shape, Values::Own(values))
    }

    fn push(&mut self, name: &str, shape: Vec<usize>, values: Values) -> Id {
        let id = self.all.len();
        self.places.insert(name.to_owned(), id);
        let name = name.to_owned();
        self.all.push(Weight { name, shape, values, is_trained: false, is_of_norm: false });
        id
    }

    /// transformers' (or PEFT's) name of a tensor.
    pub fn name(&self, id: usize) -> &str {
        &self.all[id].name
    }

    pub fn shape(&self, id: usize) -> &[usize] {
        &self.all[id].shape
    }

    /// Whether weight decay leaves it alone, by transformers' rule: norms and what has "bias" in its
    /// name, learned distances included.
    pub fn keeps_from_decay(&self, id: usize) -> bool {
        self.all[id].is_of_norm || self.name(id).contains("bias")
    }

    pub fn values(&self, id: usize) -> &[f32] {
        match &self.all[id].values {
            Values::Stored(matrix) => matrix.as_f32().unwrap_or_default(),
            Values::Own(values) => values,
        }
    }

    /// Bytes of all tensors, and of those that learn.
    pub fn bytes(&self) -> (u64, u64) {
        let size = |id: Id| std::mem::size_of_val(self.values(id)) as u64;
        (self.ids().map(size).sum(), self.trained().into_iter().map(size).sum())
    }

    /// Drops the tensor that was added last, for another one with the same values.
    pub(crate) fn forget_last(&mut self, last: Id, same: Id) -> Id {
        if last + 1 == self.all.len()
            && let Some(weight) = self.all.pop()
        {
            self.places.remove(&weight.name);
        }
        same
    }

    /// From now on this tensor learns.
    pub(crate) fn train(&mut self, id: Id) {
        let values = match &self.all[id].values {
            Values::Stored(matrix) => Some(matrix.dequantize()),
            Values::Own(_) => None,
        };
        let weight = &mut self.all[id];
        weight.is_trained = true;
        if let Some(values) = values {
            weight.values = Values::Own(values);
        }
    }

    /// Other values for a tensor.
    pub(crate) fn set(&mut self, id: Id, values: Vec<f32>) {
        self.all[id].values = Values::Own(values);
    }

    pub(crate) fn get(&self, id: Id) -> &Weight {
        &self.all[id]
    }

    pub(crate) fn mark_norm(&mut self, id: Id) {
        self.all[id].is_of_norm = true;
    }

    pub(crate) fn is_trained(&self, id: Id) -> bool {
        self.all[id].is_trained
    }

    pub(crate) fn ids(&self) -> std::ops::Range<Id> {
        0..self.all.len()
    }

    /// Those that learn, in the order of their names.
    pub fn trained(&self) -> Vec<usize> {
        self.places.values().copied().filter(|id| self.is_trained(*id)).collect()
    }

    /// The values of one that learns.
    pub fn own_mut(&mut self, id: usize) -> &mut [f32] {
        match &mut self.all[id].values {
            Values::Own(values) => values,
            Values::Stored(_) => &mut [],
        }
    }
}

/// Sums of gradients, for the tensors that learn.
#[derive(Clone, Debug, Default)]
pub struct Grads {
    sums: Vec<Option<Vec<f32>>>,
    wanted: Vec<bool>,
}

impl Grads {
    pub(crate) fn none(weights: &Weights) -> Self {
        let wanted: Vec<bool> = weights.ids().map(|id| weights.is_trained(id)).collect();
        Self { sums: vec![None; wanted.len()], wanted }
    }

    pub(crate) fn wants(&self, id: Id) -> bool {
        self.wanted[id]
    }

    /// The sums of a tensor of so many values; `None` where it does not learn.
    pub(crate) fn of(&mut self, id: Id, len: usize) -> Option<&mut [f32]> {
        self.wanted[id].then(|| &mut **self.sums[id].get_or_insert_with(|| vec![0.0; len]))
    }

    pub fn get(&self, id: usize) -> Option<&[f32]> {
        self.sums[id].as_deref()
    }

    /// All values by a factor.
    pub fn scale(&mut self, factor: f32) {
        for sums in self.sums.iter_mut().flatten() {
            sums.par_chunks_mut(1 << 14)
                .for_each(|part| part.iter_mut().for_each(|x| *x *= factor));
        }
    }

    /// The joint length of all gradients, as torch's `clip_grad_norm_` reports it.
    pub fn norm(&self) -> f64 {
        let square = |values: &Vec<f32>| -> f64 {
            // Parts in their order: the same bits on any number of threads.
            let parts = values.par_chunks(1 << 14).map(|part| {
                part.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>()
            });
            parts.collect::<Vec<f64>>().into_iter().sum()
        };
        self.sums.iter().flatten().map(square).sum::<f64>().sqrt()
    }

    /// Scales the gradients down to a joint length of at most `max_norm` (0: leaves them alone), and
    /// returns the length before.
    pub fn clip(&mut self, max_norm: f64) -> f64 {
        let norm = self.norm();
        let coefficient = max_norm / (norm + 1e-6);
        if max_norm > 0.0 && coefficient < 1.0 {
            self.scale(coefficient as f32);
        }
        norm
    }
}
