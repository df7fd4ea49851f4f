//! A number that does not exist, and why: shown as that reason, never as 0 or NaN.

use std::borrow::Cow;

/// Why a statistic has no value: 0/0, infinite, too few items.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undefined(pub Cow<'static, str>);

/// A statistic, or why there is none.
pub type Number = Result<f64, Undefined>;

impl From<&'static str> for Undefined {
    fn from(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}

impl From<String> for Undefined {
    fn from(reason: String) -> Self {
        Self(Cow::Owned(reason))
    }
}

/// Says why in other words.
pub trait OrBecause<T> {
    fn or_because(self, reason: impl Into<Undefined>) -> Result<T, Undefined>;
}

impl<T> OrBecause<T> for Result<T, Undefined> {
    fn or_because(self, reason: impl Into<Undefined>) -> Self {
        match self {
            Ok(value) => Ok(value),
            Err(_) => Err(reason.into()),
        }
    }
}

/// `numerator / denominator`, or the reason why it does not exist where the denominator is 0.
pub fn ratio(numerator: f64, denominator: f64, reason: &'static str) -> Number {
    if denominator == 0.0 { Err(reason.into()) } else { Ok(numerator / denominator) }
}

/// `numerator / denominator`, and 0 where the denominator is 0 (scikit-learn's precision, recall,
/// F1, Jaccard).
pub fn ratio_or_zero(numerator: f64, denominator: f64) -> f64 {
    if denominator == 0.0 { 0.0 } else { numerator / denominator }
}
