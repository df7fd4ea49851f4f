//! AdamW, and a state that can be saved and restored bit for bit.
//!
//! candle's own optimizer keeps its moments private, so it cannot be resumed.

use candle_core::Result;
use rayon::prelude::*;

use crate::llm::adapter::learned::{Learned, Slot};
use crate::llm::backward::gradients::Gradients;
use crate::train::config::TrainConfig;

/// AdamW (Loshchilov and Hutter 2019) as `torch.optim.AdamW` computes it, in f32.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    /// How many steps were taken: the bias correction depends on it.
    pub step_count: u64,

    /// First and second moment of each tensor, in the order of the tensors.
    pub moments: Vec<Moments>,
    pub settings: AdamSettings,

    /// Of each tensor, whether it is subject to weight decay.
    decays: Vec<bool>,
}

/// What of a run's settings the optimizer knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamSettings {
    /// β₁, β₂ and ε.
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    pub weight_decay: f64,
}

/// Values, their gradient, and both of their moments.
type Piece<'a> = (((&'a mut [f32], &'a [f32]), &'a mut [f32]), &'a mut [f32]);

impl AdamSettings {
    pub fn of(config: &TrainConfig) -> Self {
        Self {
            beta1: config.adam_beta1,
            beta2: config.adam_beta2,
            epsilon: config.adam_epsilon,
            weight_decay: config.weight_decay,
        }
    }
}

impl Default for AdamSettings {
    /// transformers' `TrainingArguments`.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// Running means of one tensor's gradient and of its square.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

/// Values that a thread takes at once.
const CHUNK: usize = 1 << 14;

impl AdamW {
    pub fn new(learned: &[Learned], settings: AdamSettings) -> Self {
        let zeros = |tensor: &Learned| {
            let count = tensor.len();
            Moments { first: vec![0.0; count], second: vec![0.0; count] }
        };
        let decays = learned.iter().map(|tensor| tensor.decays).collect();
        Self { step_count: 0, moments: learned.iter().map(zeros).collect(), settings, decays }
    }

    /// Moves every tensor that has a gradient.
    pub fn step(
        &mut self,
        slots: Vec<Slot<'_>>,
        gradients: &Gradients,
        learning_rate: f64,
    ) -> Result<()> {
        self.step_count += 1;
        let update = Update::new(self.settings, self.step_count, learning_rate);
        let tensors = slots.into_par_iter().zip(self.moments.par_iter_mut());
        let tensors = tensors.zip(self.decays.par_iter()).enumerate();
        tensors.try_for_each(|(index, ((slot, moments), decays))| {
            let Some(gradient) = gradients.get(index) else { return Ok(()) };
            slot.update(|values| update.apply(values, gradient, moments, *decays))
        })
    }
}

/// What a step does to values, the same for every tensor.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    step_size: f32,

    /// Of the second moment.
    second_correction: f32,

    /// What weight decay leaves of a value.
    keep: f32,
}

impl Update {
    /// `step_count`: the steps taken, with this one.
    pub fn new(settings: AdamSettings, step_count: u64, learning_rate: f64) -> Self {
        let count = step_count as f64;
        let AdamSettings { beta1, beta2, epsilon, weight_decay } = settings;
        let first_correction = 1.0 - beta1.powf(count);
        Self {
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            epsilon: epsilon as f32,
            step_size: (learning_rate / first_correction) as f32,
            second_correction: (1.0 - beta2.powf(count)).sqrt() as f32,
            keep: (1.0 - learning_rate * weight_decay) as f32,
        }
    }

    /// Moves the values of a tensor. `decays`: whether it is subject to weight decay.
    pub fn apply(self, values: &mut [f32], gradient: &[f32], moments: &mut Moments, decays: bool) {
        let Self { beta1, beta2, epsilon, step_size, second_correction, keep } = self;
        let keep = if decays { keep } else { 1.0 };
        let Moments { first, second } = moments;
        let chunk = |(((values, gradient), first), second): Piece<'_>| {
            for (((value, gradient), first), second) in
                values.iter_mut().zip(gradient).zip(first).zip(second)
            {
                *first += (1.0 - beta1) * (gradient - *first); // torch's `lerp_`
                *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
                let spread = second.sqrt() / second_correction + epsilon;
                *value = *value * keep - step_size * *first / spread;
            }
        };
        values
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(first.par_chunks_mut(CHUNK))
            .zip(second.par_chunks_mut(CHUNK))
            .for_each(chunk);
    }
}

#[cfg(test)]
mod tests {
    use crate::llm::adapter::learned::Part;
    use crate::train::step::optim::*;

    fn optimizer(name: &str, len: usize, weight_decay: f64) -> AdamW {
        let tensor = Learned::new(name.to_owned(), "x", Part::Weight, vec![len]);
        AdamW::new(&[tensor], AdamSettings { weight_decay, ..AdamSettings::default() })
    }

    fn step(optimizer: &mut AdamW, values: &mut [f32], gradient: &[f32], rate: f64) {
        let gradients = Gradients::from_values(vec![gradient.to_vec()]);
        optimizer.step(vec![Slot::Own(values)], &gradients, rate).unwrap();
    }

    #[test]
    fn the_first_step_moves_by_the_learning_rate_against_the_sign() {
        // From zero moments Adam's first step is lr · g / |g|, whatever the size of g.
        let mut values = [1.0, -2.0, 3.0];
        step(&mut optimizer("x", 3, 0.0), &mut values, &[5.0, -0.001, 1e4], 0.1);
        for (value, expected) in values.iter().zip([0.9, -1.9, 2.9]) {
            assert!((value - expected).abs() < 1e-5, "{value} {expected}");
        }
    }

    #[test]
    fn weight_decay_shrinks_the_weight_and_not_the_gradient_and_leaves_biases_alone() {
        let mut values = [10.0];
        step(&mut optimizer("q_proj.weight", 1, 0.5), &mut values, &[0.0], 0.1);
        assert_eq!(values, [9.5]); // 10 · (1 − 0.1 · 0.5)
        step(&mut optimizer("q_proj.bias", 1, 0.5), &mut values, &[0.0], 0.1);
        assert_eq!(values, [9.5]);
    }

    #[test]
    fn a_restored_optimizer_goes_on_bit_for_bit() {
        let mut values = [1.0, 2.0];
        let mut one = optimizer("x", 2, 0.01);
        for at in 0..5 {
            step(&mut one, &mut values, &[0.3, at as f32], 0.01);
        }
        let (mut restored_values, mut restored) = (values, one.clone());
        for _ in 0..5 {
            step(&mut one, &mut values, &[0.1, -0.7], 0.01);
            step(&mut restored, &mut restored_values, &[0.1, -0.7], 0.01);
        }
        assert_eq!(values, restored_values);
        assert_eq!(one, restored);
    }

    #[test]
    fn a_long_tensor_moves_as_its_values_would_alone() {
        let len = 2 * CHUNK + 7;
        let gradient: Vec<f32> = (0..len).map(|at| (at % 13) as f32 - 6.0).collect();
        let mut values = vec![1.0; len];
        let mut whole = optimizer("x", len, 0.1);
        step(&mut whole, &mut values, &gradient, 0.1);
        for at in [0, CHUNK - 1, CHUNK, len - 1] {
            let mut alone = [1.0];
            step(&mut optimizer("x", 1, 0.1), &mut alone, &gradient[at..=at], 0.1);
            assert_eq!(values[at], alone[0]);
        }
    }
}
