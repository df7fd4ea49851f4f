//! Prediction-powered inference for a mean: PPI++ (Angelopoulos, Duchi, Zrnic 2023).
//!
//! Every labelled item must have had the same chance to be labelled.

use crate::stats::moments::{
    Estimate, all_equal, covariance, mean, pearson, squares_around_mean, variance,
};
use crate::stats::undefined::{Number, OrBecause as _, Undefined};

/// Correlations closer to 1 than this are 1.
const ROUNDING: f64 = 1e-12;

/// Two separate samples: labelled by people and by the model, and by the model alone.
#[derive(Clone, Debug)]
pub struct Samples {
    /// y: what people say.
    pub people: Vec<f64>,

    /// f of the same items.
    pub model: Vec<f64>,

    /// f of the items without a human label.
    pub model_only: Vec<f64>,
}

/// The estimate with its tuned weight λ.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// From 0 (the model says nothing) to 1 (plain PPI).
    pub lambda: Number,
    pub estimate: Estimate,
}

const NO_MODEL_VALUES: &str = "the model has labelled nothing beyond the human labels";

impl Samples {
    /// From the human labels alone: mean y, sd / √n.
    pub fn human_only(&self) -> Estimate {
        plain_mean(&self.people, "fewer than two human labels")
    }

    /// From the model's labels alone: as if they were right.
    pub fn naive(&self) -> Estimate {
        plain_mean(&self.model_only, "fewer than two items without a human label")
    }

    /// λ = Cov(y, f) / ((1 + n/N) Var(f)) with n - 1, cut to 0 and 1; 0 where f does not vary.
    pub fn lambda(&self) -> Number {
        if self.model_only.is_empty() {
            return Err(NO_MODEL_VALUES.into());
        }
        let together = self.model_together();
        let spread = variance(&together);
        let shared =
            covariance(&self.people, &self.model).or_because("fewer than two human labels")?;
        if all_equal(&together) {
            return Ok(0.0);
        }
        Ok((shared / ((1.0 + self.size_ratio()) * spread?)).clamp(0.0, 1.0))
    }

    fn model_together(&self) -> Vec<f64> {
        [self.model.as_slice(), &self.model_only].concat()
    }

    /// n / N.
    fn size_ratio(&self) -> f64 {
        self.people.len() as f64 / self.model_only.len() as f64
    }

    /// `λ mean_N f + mean_n(y - λ f)`, `se² = λ² Var_N(f)/N + Var_n(y - λ f)/n`.
    pub fn ppi_plus(&self) -> Tuned {
        let lambda = self.lambda();
        let estimate = match &lambda {
            Ok(lambda) => self.at(*lambda),
            Err(reason) => Estimate::undefined(reason),
        };
        Tuned { lambda, estimate }
    }

    /// The same with λ = 1.
    pub fn ppi(&self) -> Estimate {
        self.at(1.0)
    }

    fn rest(&self, lambda: f64) -> Vec<f64> {
        self.people.iter().zip(&self.model).map(|(y, f)| y - lambda * f).collect()
    }

    fn at(&self, lambda: f64) -> Estimate {
        let rest = self.rest(lambda);
        let people = mean(&rest).or_because("no human label");
        let model = mean(&self.model_only).or_because(NO_MODEL_VALUES);
        let estimate = people.and_then(|people| Ok(lambda * model? + people));
        // With λ = 0 the items without a human label do not count.
        let spread = if lambda == 0.0 { Ok(0.0) } else { variance(&self.model_only) };
        let spread = spread.or_because("fewer than two items without a human label");
        let rest_spread = variance(&rest).or_because("fewer than two human labels");
        let se = rest_spread.and_then(|rest_spread| {
            let by_model = lambda * lambda * spread? / self.model_only.len() as f64;
            Ok((by_model + rest_spread / self.people.len() as f64).sqrt())
        });
        Estimate { estimate, se }
    }

    /// What the Python package `ppi-python` 0.2.3 computes: it divides the covariance and the two
    /// final variances by n instead of n - 1.
    pub fn ppi_py(&self) -> Result<(f64, f64, f64), Undefined> {
        if self.people.is_empty() {
            return Err("no human label".into());
        }
        if self.model_only.is_empty() {
            return Err(NO_MODEL_VALUES.into());
        }
        let together = self.model_together();
        if all_equal(&together) {
            return Err("the model's values do not vary: ppi_py divides 0 by 0".into());
        }
        let (n, others) = (self.people.len() as f64, self.model_only.len() as f64);
        let shared =
            covariance(&self.people, &self.model).map_or(0.0, |shared| shared * (n - 1.0) / n);
        let lambda = (shared / ((1.0 + self.size_ratio()) * variance(&together)?)).clamp(0.0, 1.0);
        let rest = self.rest(lambda);
        let estimate = lambda * mean(&self.model_only)? + mean(&rest)?;
        let by_model = lambda * lambda * squares_around_mean(&self.model_only) / others / others;
        let se = (by_model + squares_around_mean(&rest) / n / n).sqrt();
        Ok((lambda, estimate, se))
    }

    /// The correlation of the two labels of an item.
    pub fn correlation(&self) -> Number {
        pearson(&self.people, &self.model)
    }

    /// How many human labels alone would be as good, where the model has labelled very many items:
    /// n / (1 - ρ²).
    pub fn effective_size(&self) -> Number {
        let reason = "a variable is constant, or rho is 1 or -1 (infinite)";
        let rho = self.correlation().or_because(reason)?;
        let left = (1.0 - rho) * (1.0 + rho);
        if left <= ROUNDING { Err(reason.into()) } else { Ok(self.people.len() as f64 / left) }
    }
}

fn plain_mean(values: &[f64], too_few: &'static str) -> Estimate {
    let variance = variance(values).or_because(too_few);
    Estimate {
        estimate: mean(values),
        se: variance.map(|variance| (variance / values.len() as f64).sqrt()),
    }
}
