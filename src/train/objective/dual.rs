//! Numbers that carry their slope: a loss is written once, as a formula, and its derivative with
//! respect to the two log-ratios of a pair comes with it, exactly.
//!
//! Two scalars a pair are too little work for tensors, and candle's slope of |x| and min(x, 0) at
//! 0 is not what a loss needs at its very first step, where every log-ratio is 0.

use std::ops::{Add, Mul, Neg, Sub};

/// A value, and how it changes with the chosen and with the rejected log-ratio.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual {
    pub value: f64,
    pub by_chosen: f64,
    pub by_rejected: f64,
}

impl Dual {
    pub fn constant(value: f64) -> Self {
        Self { value, by_chosen: 0.0, by_rejected: 0.0 }
    }

    /// The chosen answer's log-ratio itself.
    pub fn chosen(value: f64) -> Self {
        Self { value, by_chosen: 1.0, by_rejected: 0.0 }
    }

    /// The rejected answer's log-ratio itself.
    pub fn rejected(value: f64) -> Self {
        Self { value, by_chosen: 0.0, by_rejected: 1.0 }
    }

    /// `value` in place of this one's, by the chain rule: `slope` is the outer function's.
    fn chain(self, value: f64, slope: f64) -> Self {
        Self { value, by_chosen: slope * self.by_chosen, by_rejected: slope * self.by_rejected }
    }

    pub fn squared(self) -> Self {
        self * self
    }

    pub fn exp(self) -> Self {
        let value = self.value.exp();
        self.chain(value, value)
    }

    /// max(x, 0), with slope 0 at 0 as in torch.
    pub fn relu(self) -> Self {
        if self.value > 0.0 { self } else { self.chain(0.0, 0.0) }
    }

    /// min(x, most), with slope 0 above.
    pub fn at_most(self, most: f64) -> Self {
        if self.value > most { self.chain(most, 0.0) } else { self }
    }

    /// ln(1 − eˣ), of x below 0.
    pub fn ln_1m_exp(self) -> Self {
        let power = self.value.exp();
        // Each form is exact where the other loses digits (Mächler 2012).
        let value = if self.value > -std::f64::consts::LN_2 {
            (-self.value.exp_m1()).ln()
        } else {
            (-power).ln_1p()
        };
        self.chain(value, -power / (1.0 - power))
    }

    pub fn sigmoid(self) -> Self {
        let value = sigmoid(self.value);
        self.chain(value, value * (1.0 - value))
    }

    pub fn log_sigmoid(self) -> Self {
        self.chain(log_sigmoid(self.value), sigmoid(-self.value))
    }
}

/// 1 / (1 + e⁻ˣ) without overflow.
fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let power = x.exp();
        power / (1.0 + power)
    }
}

/// ln of [`sigmoid`] without overflow.
fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

impl Add for Dual {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            value: self.value + other.value,
            by_chosen: self.by_chosen + other.by_chosen,
            by_rejected: self.by_rejected + other.by_rejected,
        }
    }
}

impl Sub for Dual {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Neg for Dual {
    type Output = Self;

    fn neg(self) -> Self {
        self * -1.0
    }
}

impl Mul for Dual {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            value: self.value * other.value,
            by_chosen: self.by_chosen * other.value + self.value * other.by_chosen,
            by_rejected: self.by_rejected * other.value + self.value * other.by_rejected,
        }
    }
}

impl Mul<f64> for Dual {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        self.chain(self.value * factor, factor)
    }
}

impl Add<f64> for Dual {
    type Output = Self;

    fn add(self, offset: f64) -> Self {
        self.chain(self.value + offset, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_out_values_stay_finite() {
        for x in [-1e4, -40.0, 0.0, 40.0, 1e4] {
            let result = Dual::chosen(x).log_sigmoid();
            assert!(result.value.is_finite() && result.by_chosen.is_finite(), "{x}");
        }
        assert_eq!(Dual::chosen(-1e4).log_sigmoid().value, -1e4);
    }

    #[test]
    fn at_zero_log_sigmoid_is_minus_ln_2_with_slope_one_half() {
        let result = Dual::chosen(0.0).log_sigmoid();
        assert_eq!((result.value, result.by_chosen), (-std::f64::consts::LN_2, 0.5));
    }
}
