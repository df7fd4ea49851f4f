//! The gradients of the tensors that learn.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::llm::adapter::learned::{Learned, Part};
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::score_head::SCORE_HEAD;

/// One vector a tensor, in the order in which the tensors were given; sums over all passes so far.
#[derive(Clone, Debug)]
pub struct Gradients {
    sums: Vec<Option<Vec<f32>>>,

    /// Values of each tensor.
    lens: Vec<usize>,

    /// Where the sums of a module's tensors are, part by part.
    modules: BTreeMap<String, [Option<usize>; Part::COUNT]>,
}

/// The sums of a module's tensors.
pub(crate) struct PairSums<'a> {
    pub a: &'a mut [f32],
    pub b: &'a mut [f32],

    /// Empty without `DoRA`.
    pub magnitude: &'a mut [f32],
}

/// Values that a thread adds up before another may continue with them: a sum is the same on any number.
const CHUNK: usize = 1 << 16;

impl Gradients {
    /// No pass has reached anything yet.
    pub fn of(learned: &[Learned]) -> Self {
        let mut modules: BTreeMap<String, [Option<usize>; Part::COUNT]> = BTreeMap::new();
        for (index, tensor) in learned.iter().enumerate() {
            for module in [Some(&tensor.module), tensor.also.as_ref()].into_iter().flatten() {
                modules.entry(module.clone()).or_default()[tensor.part.place()] = Some(index);
            }
        }
        let lens = learned.iter().map(Learned::len).collect();
        Self { sums: vec![None; learned.len()], lens, modules }
    }

    /// The same of an adapter's tensors.
    pub fn none(adapter: &Adapter) -> Self {
        Self::of(&adapter.learned())
    }

    /// Whether anything of a module learns.
    pub(crate) fn learns(&self, module: &str) -> bool {
        self.modules.contains_key(module)
    }

    /// The sum of a tensor, zero where nothing has been added. `None`: it does not learn.
    pub(crate) fn sum(&mut self, module: &str, part: Part) -> Option<&mut [f32]> {
        let index = self.modules.get(module)?[part.place()]?;
        let sum = self.sums[index].get_or_insert_with(|| vec![0.0; self.lens[index]]);
        Some(sum)
    }

    /// Those of a weight and of its bias.
    pub(crate) fn weight_and_bias(&mut self, module: &str) -> [Option<&mut [f32]>; 2] {
        let Some(places) = self.modules.get(module).copied() else { return [None, None] };
        let places = [places[Part::Weight.place()], places[Part::Bias.place()]];
        for index in places.into_iter().flatten() {
            self.sums[index].get_or_insert_with(|| vec![0.0; self.lens[index]]);
        }
        match places {
            [Some(weight), Some(bias)] => {
                let found = self.sums.get_disjoint_mut([weight, bias]);
                found.map_or([None, None], |sums| sums.map(|sum| sum.as_deref_mut()))
            }
            [weight, None] => [weight.and_then(|index| self.sums[index].as_deref_mut()), None],
            [None, Some(bias)] => [None, self.sums[bias].as_deref_mut()],
        }
    }

    /// Those of a module's factors.
    pub(crate) fn pair_mut(&mut self, module: &str) -> Option<PairSums<'_>> {
        let places = self.modules.get(module)?;
        let (a, b) = (places[Part::A.place()]?, places[Part::B.place()]?);
        let magnitude = places[Part::Magnitude.place()];
        for index in [Some(a), Some(b), magnitude].into_iter().flatten() {
            self.sums[index].get_or_insert_with(|| vec![0.0; self.lens[index]]);
        }
        if let Some(magnitude) = magnitude {
            let [a, b, magnitude] = self.sums.get_disjoint_mut([a, b, magnitude]).ok()?;
            return Some(PairSums {
                a: a.as_deref_mut()?,
                b: b.as_deref_mut()?,
                magnitude: magnitude.as_deref_mut()?,
            });
        }
        let [a, b] = self.sums.get_disjoint_mut([a, b]).ok()?;
        Some(PairSums { a: a.as_deref_mut()?, b: b.as_deref_mut()?, magnitude: &mut [] })
    }

    /// The sums of a score head, zero where nothing has been added. `None`: there is no such head.
    pub(crate) fn score_mut(&mut self) -> Option<&mut [f32]> {
        self.sum(SCORE_HEAD, Part::Weight)
    }

    /// Gradients that are known already, one a tensor.
    #[cfg(test)]
    pub(crate) fn from_values(values: Vec<Vec<f32>>) -> Self {
        let lens = values.iter().map(Vec::len).collect();
        Self { sums: values.into_iter().map(Some).collect(), lens, modules: BTreeMap::new() }
    }

    /// Those of `names` that no backward pass has reached: a cut that nothing else would show.
    pub fn missing<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        self.sums.iter().zip(names).filter(|(sum, _)| sum.is_none()).map(|(_, name)| name).collect()
    }

    /// One tensor's gradient, by its place.
    pub fn get(&self, index: usize) -> Option<&[f32]> {
        self.sums.get(index)?.as_deref()
    }

    /// The joint length of all gradients, as torch's `clip_grad_norm_` reports it.
    pub fn norm(&self) -> f64 {
        let square = |value: &f32| f64::from(*value) * f64::from(*value);
        let chunks = self.sums.iter().flatten().flat_map(|sum| sum.chunks(CHUNK));
        let chunks: Vec<&[f32]> = chunks.collect();
        let of_chunks: Vec<f64> =
            chunks.par_iter().map(|chunk| chunk.iter().map(square).sum()).collect();
        of_chunks.iter().sum::<f64>().sqrt()
    }

    /// Scales the gradients down so that their joint length is at most `max_norm` (0: leaves them
    /// alone), and returns the length before.
    pub fn clip(&mut self, max_norm: f64) -> f64 {
        let norm = self.norm();
        // torch.nn.utils.clip_grad_norm_: max_norm / (norm + 1e-6), never above 1
        let coefficient = max_norm / (norm + 1e-6);
        if max_norm > 0.0 && coefficient < 1.0 {
            let coefficient = coefficient as f32;
            self.sums.par_iter_mut().flatten().for_each(|sum| {
                sum.par_chunks_mut(CHUNK)
                    .for_each(|chunk| chunk.iter_mut().for_each(|value| *value *= coefficient));
            });
        }
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_keeps_the_direction_and_reports_the_length_before() {
        let gradients = Gradients::from_values(vec![vec![3.0, 4.0]]);
        let mut clipped = gradients.clone();
        assert_eq!(clipped.clip(1.0), 5.0);
        let values = clipped.get(0).unwrap();
        assert!((values[0] - 0.6).abs() < 1e-6 && (values[1] - 0.8).abs() < 1e-6);
        let mut untouched = gradients.clone();
        assert_eq!(untouched.clip(10.0), 5.0); // shorter than the bound
        assert_eq!(untouched.get(0).unwrap(), [3.0, 4.0]);
        assert_eq!(untouched.clip(0.0), 5.0); // 0 is off
        assert_eq!(untouched.get(0).unwrap(), [3.0, 4.0]);
    }
}
