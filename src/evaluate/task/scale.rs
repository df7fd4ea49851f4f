//! Labels that stand on a scale, and the expected value of a distribution over them.

use serde::{Deserialize, Serialize};

use crate::data::codebook::{Codebook, Scale};
use crate::stats::agreement::many;

/// The scale of a codebook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelScale {
    pub level: Scale,

    /// What each label stands for; of an ordinal scale its place, from 1.
    pub values: Vec<f64>,
}

impl LabelScale {
    /// `None`: the labels stand on none.
    pub fn of(codebook: &Codebook) -> Option<Self> {
        Some(Self { level: codebook.scale, values: codebook.numbers()? })
    }

    /// The mean of the values, weighed by their probabilities. `None`: there are none.
    pub fn expected(&self, probabilities: &[f64]) -> Option<f64> {
        let is_whole = !probabilities.is_empty() && probabilities.len() == self.values.len();
        let products = probabilities.iter().zip(&self.values).map(|(share, value)| share * value);
        is_whole.then(|| products.sum())
    }

    /// For Krippendorff's alpha.
    pub fn of_alpha(&self) -> many::Scale<'_> {
        match self.level {
            Scale::Nominal => many::Scale::Nominal,
            Scale::Ordinal => many::Scale::Ordinal,
            Scale::Interval => many::Scale::Interval(&self.values),
        }
    }

    pub fn words(&self) -> &'static str {
        match self.level {
            Scale::Nominal => "nominal",
            Scale::Ordinal => "ordinal",
            Scale::Interval => "interval",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_over_a_scale_has_an_expected_value() {
        let scale = LabelScale { level: Scale::Interval, values: vec![0.0, 10.0, 4.0] };
        let found = scale.expected(&[0.5, 0.25, 0.25]).unwrap();
        assert!((found - 3.5).abs() < 1e-12);
        assert_eq!(scale.expected(&[]), None);
    }
}
