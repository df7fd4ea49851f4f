//! Design-based supervised learning (Egami, Hinck, Stewart, Wei 2023): means and regressions with
//! labels of a model for all rows and of people for a random part.
//!
//! The predictions are given: there is no cross-fitting here.

use crate::stats::linear::Square;
use crate::stats::special::normal_two_sided;
use crate::stats::undefined::{OrBecause as _, Undefined};

/// What is fitted to y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// μ = xᵀθ: a mean where x is 1 alone, else linear regression.
    Linear,

    /// μ = 1 / (1 + e^-xᵀθ).
    Logit,
}

/// A row of the data.
#[derive(Clone, Debug)]
pub struct Row {
    /// By the model: y, and x starting with 1.
    pub predicted: Outcome,

    /// By people, with π.
    pub labelled: Option<(Outcome, f64)>,

    /// Rows of a cluster are not independent.
    pub cluster: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub y: f64,
    pub x: Vec<f64>,
}

/// Coefficients with sandwich standard errors and two-sided p-values of the normal distribution.
#[derive(Clone, Debug)]
pub struct Fit {
    pub coefficients: Vec<f64>,
    pub standard_errors: Vec<f64>,
    pub p_two_sided: Vec<f64>,
}

/// A row's two halves of the moment with their weights: Σ weight x (y - μ).
type Moment<'a> = [(f64, &'a Outcome); 2];

/// With the model's labels corrected by the human ones: the row's moment is
/// `m_pred + R/π (m_orig - m_pred)`.
pub fn dsl(rows: &[Row], model: Model) -> Result<Fit, Undefined> {
    fit(rows, model, |row| {
        let weight = row.labelled.as_ref().map_or(0.0, |(_, inclusion)| 1.0 / inclusion);
        let original = row.labelled.as_ref().map_or(&row.predicted, |(original, _)| original);
        [(weight, original), (1.0 - weight, &row.predicted)]
    })
}

/// The model's labels as if they were right.
pub fn naive(rows: &[Row], model: Model) -> Result<Fit, Undefined> {
    fit(rows, model, |row| [(0.0, &row.predicted), (1.0, &row.predicted)])
}

/// The labelled rows alone, weighted by 1/π.
pub fn human_only(rows: &[Row], model: Model) -> Result<Fit, Undefined> {
    if rows.iter().all(|row| row.labelled.is_none()) {
        return Err("no row has a human label".into());
    }
    fit(rows, model, |row| match &row.labelled {
        Some((original, inclusion)) => [(1.0 / inclusion, original), (0.0, &row.predicted)],
        None => [(0.0, &row.predicted), (0.0, &row.predicted)],
    })
}

/// The rows with π times (share labelled / mean π), as the R package `dsl` does. `inclusions`: of
/// all rows.
pub fn rescaled(rows: &[Row], inclusions: &[f64]) -> Vec<Row> {
    let labelled = rows.iter().filter(|row| row.labelled.is_some()).count() as f64;
    let factor = labelled / inclusions.iter().sum::<f64>();
    let mut rows = rows.to_vec();
    for (_, inclusion) in rows.iter_mut().filter_map(|row| row.labelled.as_mut()) {
        *inclusion *= factor;
    }
    rows
}

/// Solves Σ m = 0, V = J⁻¹ (mean of m mᵀ) J⁻¹ / n, moments summed within clusters first.
fn fit<'a>(
    rows: &'a [Row],
    model: Model,
    moment: impl Fn(&'a Row) -> Moment<'a>,
) -> Result<Fit, Undefined> {
    let Some(size) = rows.first().map(|row| row.predicted.x.len()) else {
        return Err("no rows".into());
    };
    let moments: Vec<Moment<'a>> = rows.iter().map(moment).collect();
    let coefficients = solve(&moments, size, model)?;
    let (_, slope) = equations(&moments, &coefficients, model);
    let bread = slope.inverse()?;
    let mut sums: std::collections::BTreeMap<(bool, usize), Vec<f64>> = Default::default();
    for (number, (row, halves)) in rows.iter().zip(&moments).enumerate() {
        let group = row.cluster.map_or((false, number), |cluster| (true, cluster));
        let sum = sums.entry(group).or_insert_with(|| vec![0.0; size]);
        add_moment(halves, &coefficients, model, sum);
    }
    let mut meat = Square::zeros(size);
    sums.values().for_each(|sum| meat.add_outer(&bread.times(sum), 1.0));
    let standard_errors: Vec<f64> = (0..size).map(|i| meat.get(i, i).sqrt()).collect();
    let p_two_sided = coefficients
        .iter()
        .zip(&standard_errors)
        .map(|(coefficient, error)| {
            if *error == 0.0 && *coefficient == 0.0 {
                1.0
            } else {
                normal_two_sided(coefficient / error)
            }
        })
        .collect();
    Ok(Fit { coefficients, standard_errors, p_two_sided })
}

fn mean_and_slope(outcome: &Outcome, theta: &[f64], model: Model) -> (f64, f64) {
    let sum: f64 = outcome.x.iter().zip(theta).map(|(x, theta)| x * theta).sum();
    match model {
        Model::Linear => (sum, 1.0),
        Model::Logit => {
            let mean = 1.0 / (1.0 + (-sum).exp());
            (mean, mean / (1.0 + sum.exp()))
        }
    }
}

fn add_moment(halves: &Moment<'_>, theta: &[f64], model: Model, sum: &mut [f64]) {
    for (weight, outcome) in halves.iter().filter(|(weight, _)| *weight != 0.0) {
        let (mean, _) = mean_and_slope(outcome, theta, model);
        for (sum, x) in sum.iter_mut().zip(&outcome.x) {
            *sum += weight * x * (outcome.y - mean);
        }
    }
}

/// Σ m and minus its derivative.
fn equations(moments: &[Moment<'_>], theta: &[f64], model: Model) -> (Vec<f64>, Square) {
    let mut sum = vec![0.0; theta.len()];
    let mut slope = Square::zeros(theta.len());
    for halves in moments {
        add_moment(halves, theta, model, &mut sum);
        for (weight, outcome) in halves.iter().filter(|(weight, _)| *weight != 0.0) {
            let (_, steepness) = mean_and_slope(outcome, theta, model);
            slope.add_outer(&outcome.x, weight * steepness);
        }
    }
    (sum, slope)
}

/// Newton's steps, halved until the equations come closer to 0.
fn solve(moments: &[Moment<'_>], size: usize, model: Model) -> Result<Vec<f64>, Undefined> {
    let mut theta = vec![0.0; size];
    let length = |sum: &[f64]| sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    let (mut sum, mut slope) = equations(moments, &theta, model);
    for _ in 0..200 {
        let step = slope.solve_one(&sum).or_because(no_solution(model))?;
        let mut share = 1.0;
        let largest = loop {
            let next: Vec<f64> =
                theta.iter().zip(&step).map(|(theta, step)| theta + share * step).collect();
            let (next_sum, next_slope) = equations(moments, &next, model);
            let largest = step.iter().fold(0.0_f64, |most, step| most.max(share * step.abs()));
            if length(&next_sum) < length(&sum) || largest < 1e-11 {
                (theta, sum, slope) = (next, next_sum, next_slope);
                break largest;
            }
            share /= 2.0;
        };
        let scale = theta.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
        if largest <= 1e-11 * scale {
            let settled = theta.iter().all(|value| value.is_finite());
            return if settled { Ok(theta) } else { Err(no_solution(model)) };
        }
        if scale > 1e8 && model == Model::Logit {
            break;
        }
    }
    Err(no_solution(model))
}

fn no_solution(model: Model) -> Undefined {
    match model {
        Model::Linear => "the covariates are collinear, or there are fewer rows than coefficients",
        Model::Logit => {
            "the covariates are collinear, or separate the outcomes perfectly: no finite \
             coefficients"
        }
    }
    .into()
}
