//! AdamW over the tensors of an encoder or an encoder-decoder: the update is that of every run.

use crate::encoder::learn::{Grads, Weights};
use crate::train::config::TrainConfig;
use crate::train::step::optim::{AdamSettings, Moments, Update};

/// Its state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Optimizer {
    pub step_count: u64,

    /// Of each tensor that learns, in their order.
    pub moments: Vec<Moments>,
}

impl Optimizer {
    pub fn new(weights: &Weights) -> Self {
        let zeros = |id: usize| {
            let count = weights.values(id).len();
            Moments { first: vec![0.0; count], second: vec![0.0; count] }
        };
        Self { step_count: 0, moments: weights.trained().into_iter().map(zeros).collect() }
    }

    /// Moves every tensor that has a gradient.
    pub fn step(&mut self, weights: &mut Weights, grads: &Grads, rate: f64, config: &TrainConfig) {
        self.step_count += 1;
        let update = Update::new(AdamSettings::of(config), self.step_count, rate);
        for (id, moments) in weights.trained().into_iter().zip(&mut self.moments) {
            let Some(gradient) = grads.get(id) else { continue };
            let decays = !weights.keeps_from_decay(id);
            update.apply(weights.own_mut(id), gradient, moments, decays);
        }
    }
}
