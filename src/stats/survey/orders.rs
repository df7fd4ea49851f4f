//! The same question with its options in several orders (Dominguez-Olmedo, Hardt,
//! Mendler-Dünner 2024).

use std::collections::BTreeSet;

use super::distribution::entropy_share;
use crate::stats::classification::probabilities::first_largest;
use crate::stats::divergence::normalised;
use crate::stats::undefined::{Number, Undefined, ratio};

/// One order and what the model made of it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The option at each place: `order[0]` is called A.
    pub order: Vec<usize>,

    /// The mass on the letter of each place.
    pub masses: Vec<f64>,
}

/// What is left of a preference for letters when orders are averaged.
#[derive(Clone, Debug)]
pub struct OrderEffect {
    /// Whether every order of the options was shown.
    pub all_orders: bool,

    /// The mean distribution over options.
    pub adjusted: Result<Vec<f64>, Undefined>,

    /// The mean distribution over letters.
    pub by_position: Result<Vec<f64>, Undefined>,

    /// How much the first letter gets beyond 1/k.
    pub a_bias: Number,

    /// The mean mass on letters before dividing by it.
    pub valid_mass: Number,

    /// The distribution with the options in the order given.
    pub unadjusted: Result<Vec<f64>, Undefined>,
    pub entropy_share_adjusted: Number,
    pub entropy_share_unadjusted: Number,

    /// How often the likeliest option is the one that is likeliest most often.
    pub share_of_commonest: Number,
}

/// For `options` options; every order has each of them once.
pub fn order_effect(options: usize, shown: &[Shown]) -> OrderEffect {
    let distinct: BTreeSet<&[usize]> = shown.iter().map(|one| one.order.as_slice()).collect();
    let possible = (1..=options).try_fold(1_usize, |product, k| product.checked_mul(k));
    let letters: Result<Vec<Vec<f64>>, Undefined> = shown
        .iter()
        .enumerate()
        .map(|(number, one)| {
            normalised(&one.masses).ok_or_else(|| {
                Undefined::from(format!("order {number} has no mass on the letters"))
            })
        })
        .collect();
    let letters = if shown.is_empty() { Err("no orders".into()) } else { letters };
    let by_option = letters.clone().map(|rows| {
        rows.iter().zip(shown).map(|(row, one)| by_option(row, &one.order)).collect::<Vec<_>>()
    });
    let mean = |rows: &Vec<Vec<f64>>| -> Vec<f64> {
        let count = rows.len() as f64;
        (0..options).map(|k| rows.iter().map(|row| row[k]).sum::<f64>() / count).collect()
    };
    let adjusted = by_option.as_ref().map(mean).map_err(Clone::clone);
    let by_position = letters.as_ref().map(mean).map_err(Clone::clone);
    let unadjusted = match shown.iter().find(|one| one.order.iter().copied().eq(0..options)) {
        Some(one) => normalised(&one.masses)
            .ok_or_else(|| Undefined::from("the given order has no mass on the letters")),
        None => Err("the given order is not among the orders".into()),
    };
    let first = by_position.as_ref().map_err(Clone::clone).and_then(|by_position| {
        by_position.first().copied().ok_or_else(|| Undefined::from("no options"))
    });
    let masses: f64 = shown.iter().map(|one| one.masses.iter().sum::<f64>()).sum();
    let share = |of: &Result<Vec<f64>, Undefined>| {
        of.as_ref().map_err(Clone::clone).and_then(|distribution| entropy_share(distribution))
    };
    OrderEffect {
        all_orders: possible == Some(distinct.len()),
        a_bias: first.map(|first| first - 1.0 / options as f64),
        valid_mass: ratio(masses, shown.len() as f64, "no orders"),
        entropy_share_adjusted: share(&adjusted),
        entropy_share_unadjusted: share(&unadjusted),
        share_of_commonest: by_option.map(|rows| share_of_commonest(&rows, options)),
        adjusted,
        by_position,
        unadjusted,
    }
}

/// What was at each place, put back where the option belongs.
fn by_option(row: &[f64], order: &[usize]) -> Vec<f64> {
    let mut options = vec![0.0; row.len()];
    for (mass, option) in row.iter().zip(order) {
        options[*option] += mass;
    }
    options
}

fn share_of_commonest(rows: &[Vec<f64>], options: usize) -> f64 {
    let mut counts = vec![0_usize; options];
    for row in rows {
        if let Some(count) = counts.get_mut(first_largest(row)) {
            *count += 1;
        }
    }
    counts.into_iter().max().unwrap_or(0) as f64 / rows.len() as f64
}
