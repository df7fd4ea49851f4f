//! Numbers of a report: with an interval, or with the reason why there is none.

use serde::Serialize;

use crate::stats::moments::{Estimate, mean};
use crate::stats::paired::{Share, wilson};
use crate::stats::resample::{Bootstrap, Interval};
use crate::stats::undefined::{Number, Undefined};

/// 95 %.
const LEVEL: f64 = 0.95;
const Z: f64 = 1.959_963_984_540_054;

/// A number, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    pub value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

impl From<Number> for Figure {
    fn from(number: Number) -> Self {
        match number {
            Ok(value) => Self { value: Some(value), because: None },
            Err(Undefined(because)) => Self { value: None, because: Some(because.into_owned()) },
        }
    }
}

/// A number with its 95 % interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WithInterval {
    pub value: Figure,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// How often a label was given, and its share of the rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelShare {
    pub label: String,
    pub count: usize,
    pub share: WithInterval,
}

impl WithInterval {
    pub fn share(successes: usize, count: usize) -> Self {
        match wilson(successes as f64, count as f64, LEVEL) {
            Ok(Share { share, low, high }) => {
                Self { value: Ok(share).into(), low: Some(low), high: Some(high) }
            }
            Err(undefined) => Self { value: Err(undefined).into(), low: None, high: None },
        }
    }

    pub fn estimate(estimate: &Estimate) -> Self {
        let se = estimate.se.as_ref().ok();
        let around = |side: f64| Some(*estimate.estimate.as_ref().ok()? + side * Z * se?);
        Self { value: estimate.estimate.clone().into(), low: around(-1.0), high: around(1.0) }
    }

    /// The mean of these, with the percentile interval over 1,000 draws of them (seed 0).
    pub fn mean(values: &[f64]) -> Self {
        let of = |drawn: &[usize]| mean(&drawn.iter().map(|at| values[*at]).collect::<Vec<f64>>());
        Self::interval(Bootstrap::default().interval(values.len(), of))
    }

    pub fn interval(interval: Interval) -> Self {
        let Interval { value, low, high, undefined: _ } = interval;
        Self { value: value.into(), low: low.ok(), high: high.ok() }
    }
}

/// `0.200 (0.076 to 0.324)`, where the text says what stands in brackets.
pub fn with_ends(value: &WithInterval) -> String {
    format!("{} ({})", number(&value.value), ends(value))
}

/// `0.200 (95 % interval 0.076 to 0.324)`.
pub fn with_interval(value: &WithInterval) -> String {
    format!("{} ({})", number(&value.value), interval(value))
}

/// `0.420`, or why there is none.
pub fn number(figure: &Figure) -> String {
    match (&figure.value, &figure.because) {
        (Some(value), _) => format!("{value:.3}"),
        (None, Some(because)) => format!("none ({because})"),
        (None, None) => "none".to_owned(),
    }
}

/// `42.0 %`.
pub fn percent(figure: &Figure) -> String {
    match figure.value {
        Some(value) => format!("{:.1} %", value * 100.0),
        None => number(figure),
    }
}

/// `95 % interval 0.420 to 0.610`, or that there is none.
pub fn interval(value: &WithInterval) -> String {
    match (value.low, value.high) {
        (Some(_), Some(_)) => format!("95 % interval {}", ends(value)),
        _ => ends(value),
    }
}

/// `0.420 to 0.610`, or that there is none: for a column that says what it holds.
pub fn ends(value: &WithInterval) -> String {
    match (value.low, value.high) {
        (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
        _ => "no interval".to_owned(),
    }
}
