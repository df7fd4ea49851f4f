//! The gradients of an adapter's tensors.

use crate::llm::adapter::lora::Adapter;

/// One vector a tensor, in the order of [`Adapter::vars`]; sums over all passes so far.
#[derive(Clone, Debug)]
pub struct Gradients {
    sums: Vec<Option<Vec<f32>>>,

    /// Module paths, in order, with the place of the first of each one's tensors: A, B, and with `DoRA`
    /// the magnitudes.
    modules: Vec<(String, usize)>,

    /// Whether the last tensor is a score head's.
    has_score: bool,
}

/// The sums of a module's tensors.
pub(crate) struct PairSums<'a> {
    pub a: &'a mut [f32],
    pub b: &'a mut [f32],

    /// Empty without `DoRA`.
    pub magnitude: &'a mut [f32],
}

impl Gradients {
    /// No pass has reached anything yet.
    pub fn none(adapter: &Adapter) -> Self {
        let mut count = 0;
        let modules = adapter.pairs.iter().map(|(module, pair)| {
            let first = count;
            count += if pair.dora.is_some() { 3 } else { 2 };
            (module.clone(), first)
        });
        let modules = modules.collect();
        let has_score = adapter.score.is_some();
        Self { sums: vec![None; count + usize::from(has_score)], modules, has_score }
    }

    /// The sums of a module's tensors, zero where nothing has been added.
    pub(crate) fn pair_mut(
        &mut self,
        module: &str,
        (a_len, b_len, outputs): (usize, usize, usize),
    ) -> Option<PairSums<'_>> {
        let place = self.modules.binary_search_by(|(known, _)| known.as_str().cmp(module)).ok()?;
        let first = self.modules[place].1;
        let end = self.sums.len() - usize::from(self.has_score);
        let next = self.modules.get(place + 1).map_or(end, |(_, next)| *next);
        let [a, b, magnitude @ ..] = &mut self.sums[first..next] else { return None };
        let magnitude = magnitude.first_mut();
        Some(PairSums {
            a: a.get_or_insert_with(|| vec![0.0; a_len]),
            b: b.get_or_insert_with(|| vec![0.0; b_len]),
            magnitude: magnitude
                .map_or(&mut [], |sums| sums.get_or_insert_with(|| vec![0.0; outputs])),
        })
    }

    /// The sums of a score head of so many values, zero where nothing has been added. `None`: the adapter
    /// has no such head.
    pub(crate) fn score_mut(&mut self, len: usize) -> Option<&mut [f32]> {
        let last = self.sums.last_mut().filter(|_| self.has_score)?;
        Some(last.get_or_insert_with(|| vec![0.0; len]))
    }

    /// Gradients that are known already, one a tensor.
    #[cfg(test)]
    pub(crate) fn from_values(values: Vec<Vec<f32>>) -> Self {
        let sums = values.into_iter().map(Some).collect();
        Self { sums, modules: Vec::new(), has_score: false }
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
        self.sums.iter().flatten().flatten().map(square).sum::<f64>().sqrt()
    }

    /// Scales the gradients down so that their joint length is at most `max_norm` (0: leaves them
    /// alone), and returns the length before.
    pub fn clip(&mut self, max_norm: f64) -> f64 {
        let norm = self.norm();
        // torch.nn.utils.clip_grad_norm_: max_norm / (norm + 1e-6), never above 1
        let coefficient = max_norm / (norm + 1e-6);
        if max_norm > 0.0 && coefficient < 1.0 {
            let coefficient = coefficient as f32;
            self.sums.iter_mut().flatten().flatten().for_each(|value| *value *= coefficient);
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
