//! AdamW with global-norm clipping, and a state that can be saved and restored bit for bit.
//!
//! candle's own optimizer keeps its moments private, so it cannot be resumed.

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};

/// The gradients of one optimizer step, summed over its micro-batches: one vector a variable, in
/// the order of the variables.
#[derive(Clone, Debug)]
pub struct Gradients {
    sums: Vec<Option<Vec<f32>>>,
}

impl Gradients {
    pub fn none(variable_count: usize) -> Self {
        Self { sums: vec![None; variable_count] }
    }

    /// Adds what one backward pass left in `store`.
    pub fn add(&mut self, store: &GradStore, vars: &[(String, Var)]) -> candle_core::Result<()> {
        for (sum, (_, var)) in self.sums.iter_mut().zip(vars) {
            let Some(gradient) = store.get(var.as_tensor()) else { continue };
            let values = gradient.flatten_all()?.to_vec1::<f32>()?;
            match sum {
                None => *sum = Some(values),
                Some(sum) => sum.iter_mut().zip(&values).for_each(|(sum, value)| *sum += value),
            }
        }
        Ok(())
    }

    /// The variables that no backward pass has reached: candle cuts a graph without saying so.
    pub fn missing<'a>(&self, vars: &'a [(String, Var)]) -> Vec<&'a str> {
        let pairs = self.sums.iter().zip(vars);
        pairs.filter(|(sum, _)| sum.is_none()).map(|(_, (name, _))| name.as_str()).collect()
    }

    /// One variable's gradient, by its place.
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
        for (index, (_, var)) in vars.iter().enumerate() {
            let Some(gradient) = gradients.get(index) else { continue };
            let Moments { first, second } = &mut self.moments[index];
            let mut values = var.flatten_all()?.to_vec1::<f32>()?;
            for (((value, gradient), first), second) in
                values.iter_mut().zip(gradient).zip(first).zip(second)
            {
                *first += (1.0 - beta1) * (gradient - *first); // torch's `lerp_`
                *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
                let spread = second.sqrt() / second_correction as f32 + EPSILON as f32;
                *value = *value * keep - step_size * *first / spread;
            }
            var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn variable(values: &[f32]) -> Vec<(String, Var)> {
        let tensor = Tensor::new(values, &Device::Cpu).unwrap();
        vec![("x".to_owned(), Var::from_tensor(&tensor).unwrap())]
    }

    fn gradients(values: &[f32]) -> Gradients {
        Gradients { sums: vec![Some(values.to_vec())] }
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
    fn clipping_keeps_the_direction_and_reports_the_length_before() {
        let mut clipped = gradients(&[3.0, 4.0]);
        assert_eq!(clipped.clip(1.0), 5.0);
        let values = clipped.get(0).unwrap();
        assert!((values[0] - 0.6).abs() < 1e-6 && (values[1] - 0.8).abs() < 1e-6);
        let mut untouched = gradients(&[3.0, 4.0]);
        assert_eq!(untouched.clip(10.0), 5.0); // shorter than the bound
        assert_eq!(untouched.get(0).unwrap(), [3.0, 4.0]);
        assert_eq!(untouched.clip(0.0), 5.0); // 0 is off
        assert_eq!(untouched.get(0).unwrap(), [3.0, 4.0]);
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
