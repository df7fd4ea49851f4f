//! AdamW over the tensors of an encoder, as `torch.optim.AdamW` computes it in f32.

use rayon::prelude::*;

use crate::encoder::learn::{Grads, Weights};
use crate::train::config::TrainConfig;

/// Its state, in the order of the tensors that learn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Optimizer {
    pub step_count: u64,

    /// First and second moment of each tensor.
    pub moments: Vec<(Vec<f32>, Vec<f32>)>,
}

/// Values that are worth a task of their own.
const TASK: usize = 1 << 14;

impl Optimizer {
    pub fn new(weights: &Weights) -> Self {
        let zeros = |id: usize| {
            let count = weights.values(id).len();
            (vec![0.0; count], vec![0.0; count])
        };
        Self { step_count: 0, moments: weights.trained().into_iter().map(zeros).collect() }
    }

    /// Moves every tensor that has a gradient.
    pub fn step(&mut self, weights: &mut Weights, grads: &Grads, rate: f64, config: &TrainConfig) {
        self.step_count += 1;
        let count = self.step_count as f64;
        let TrainConfig { adam_beta1, adam_beta2, adam_epsilon, weight_decay, .. } = *config;
        let first_correction = 1.0 - adam_beta1.powf(count);
        let second_correction = (1.0 - adam_beta2.powf(count)).sqrt() as f32;
        let step_size = (rate / first_correction) as f32;
        let epsilon = adam_epsilon as f32;
        let (beta1, beta2) = (adam_beta1 as f32, adam_beta2 as f32);
        for (id, (first, second)) in weights.trained().into_iter().zip(&mut self.moments) {
            let Some(gradient) = grads.get(id) else { continue };
            let decay = if weights.keeps_from_decay(id) { 0.0 } else { weight_decay };
            let keep = (1.0 - rate * decay) as f32;
            let values = weights.own_mut(id).par_chunks_mut(TASK);
            let moments = first.par_chunks_mut(TASK).zip(second.par_chunks_mut(TASK));
            values.zip(gradient.par_chunks(TASK)).zip(moments).for_each(
                |((values, gradient), (first, second))| {
                    let all = values.iter_mut().zip(gradient).zip(first.iter_mut().zip(second));
                    for ((value, gradient), (first, second)) in all {
                        *first += (1.0 - beta1) * (gradient - *first); // torch's `lerp_`
                        *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
                        let spread = second.sqrt() / second_correction + epsilon;
                        *value = *value * keep - step_size * *first / spread;
                    }
                },
            );
        }
    }
}
