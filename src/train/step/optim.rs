//! AdamW, and a state that can be saved and restored bit for bit.
//!
//! candle's own optimizer keeps its moments private, so it cannot be resumed.

use candle_core::{Tensor, Var};
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, IntoParallelRefMutIterator as _,
    ParallelIterator as _,
};

use crate::llm::backward::gradients::Gradients;

/// AdamW (Loshchilov and Hutter 2019) as `torch.optim.AdamW` computes it, in f32.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    /// How many steps were taken: the bias correction depends on it.
    pub step_count: u64,

    /// First and second moment of each variable, in the order of the variables.
    pub moments: Vec<Moments>,
    pub weight_decay: f64,
}

/// Running means of one variable's gradient and of its square.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

/// β₁, β₂ and ε of transformers' `TrainingArguments`.
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

impl AdamW {
    pub fn new(vars: &[(String, Var)], weight_decay: f64) -> Self {
        let zeros = |var: &Var| {
            let count = var.elem_count();
            Moments { first: vec![0.0; count], second: vec![0.0; count] }
        };
        let moments = vars.iter().map(|(_, var)| zeros(var)).collect();
        Self { step_count: 0, moments, weight_decay }
    }

    /// Moves every variable that has a gradient.
    pub fn step(
        &mut self,
        vars: &[(String, Var)],
        gradients: &Gradients,
        learning_rate: f64,
    ) -> candle_core::Result<()> {
        self.step_count += 1;
        let count = self.step_count as f64;
        let first_correction = 1.0 - BETA1.powf(count);
        let second_correction = (1.0 - BETA2.powf(count)).sqrt();
        let keep = (1.0 - learning_rate * self.weight_decay) as f32;
        let step_size = (learning_rate / first_correction) as f32;
        let (beta1, beta2) = (BETA1 as f32, BETA2 as f32);
        let variables = vars.par_iter().zip(self.moments.par_iter_mut()).enumerate();
        variables.try_for_each(|(index, ((_, var), Moments { first, second }))| {
            let Some(gradient) = gradients.get(index) else { return Ok(()) };
            let mut values = var.flatten_all()?.to_vec1::<f32>()?;
            for (((value, gradient), first), second) in
                values.iter_mut().zip(gradient).zip(first).zip(second)
            {
                *first += (1.0 - beta1) * (gradient - *first); // torch's `lerp_`
                *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
                let spread = second.sqrt() / second_correction as f32 + EPSILON as f32;
                *value = *value * keep - step_size * *first / spread;
            }
            var.set(&Tensor::from_vec(values, var.shape(), var.device())?)
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use crate::train::step::optim::*;

    fn variable(values: &[f32]) -> Vec<(String, Var)> {
        let tensor = Tensor::new(values, &Device::Cpu).unwrap();
        vec![("x".to_owned(), Var::from_tensor(&tensor).unwrap())]
    }

    fn gradients(values: &[f32]) -> Gradients {
        Gradients::from_values(vec![values.to_vec()])
    }

    fn values(vars: &[(String, Var)]) -> Vec<f32> {
        vars[0].1.to_vec1().unwrap()
    }

    #[test]
    fn the_first_step_moves_by_the_learning_rate_against_the_sign() {
        // From zero moments Adam's first step is lr · g / |g|, whatever the size of g.
        let vars = variable(&[1.0, -2.0, 3.0]);
        let mut optimizer = AdamW::new(&vars, 0.0);
        optimizer.step(&vars, &gradients(&[5.0, -0.001, 1e4]), 0.1).unwrap();
        for (value, expected) in values(&vars).iter().zip([0.9, -1.9, 2.9]) {
            assert!((value - expected).abs() < 1e-5, "{value} {expected}");
        }
    }

    #[test]
    fn weight_decay_shrinks_the_weight_and_not_the_gradient() {
        let vars = variable(&[10.0]);
        let mut optimizer = AdamW::new(&vars, 0.5);
        optimizer.step(&vars, &gradients(&[0.0]), 0.1).unwrap();
        assert_eq!(values(&vars), [9.5]); // 10 · (1 − 0.1 · 0.5)
    }

    #[test]
    fn a_restored_optimizer_goes_on_bit_for_bit() {
        let vars = variable(&[1.0, 2.0]);
        let mut optimizer = AdamW::new(&vars, 0.01);
        for step in 0..5 {
            optimizer.step(&vars, &gradients(&[0.3, step as f32]), 0.01).unwrap();
        }
        let (restored_vars, mut restored) = (variable(&values(&vars)), optimizer.clone());
        for _ in 0..5 {
            optimizer.step(&vars, &gradients(&[0.1, -0.7]), 0.01).unwrap();
            restored.step(&restored_vars, &gradients(&[0.1, -0.7]), 0.01).unwrap();
        }
        assert_eq!(values(&vars), values(&restored_vars));
        assert_eq!(optimizer, restored);
    }
}
