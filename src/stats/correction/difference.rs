//! A mean from a sample with known inclusion probabilities: the model's mean plus the mean error.

use crate::stats::moments::{Estimate, mean, sum, variance};
use crate::stats::undefined::{Number, OrBecause as _, Undefined, ratio};

/// An item that the model has labelled, and perhaps a person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Item {
    /// The number of its stratum.
    pub stratum: usize,

    /// What the model says.
    pub model: f64,
    pub human: Option<HumanLabel>,
}

/// What a person says of an item that was drawn with a known probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HumanLabel {
    pub label: f64,

    /// π, above 0 and at most 1.
    pub inclusion: f64,
}

/// How many items a stratum has, and how many of them people have labelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stratum {
    pub items: usize,
    pub labelled: usize,
}

const NO_ITEMS: &str = "no items";

pub fn strata(items: &[Item], count: usize) -> Vec<Stratum> {
    let mut strata = vec![Stratum { items: 0, labelled: 0 }; count];
    for item in items {
        strata[item.stratum].items += 1;
        strata[item.stratum].labelled += usize::from(item.human.is_some());
    }
    strata
}

/// The mean of what the model says.
pub fn model_only(items: &[Item]) -> Number {
    let values: Vec<f64> = items.iter().map(|item| item.model).collect();
    mean(&values).or_because(NO_ITEMS)
}

/// `mean f + Σ_h N_h/N mean_h(y - f)`, variance `Σ_h (N_h/N)² (1 - n_h/N_h) s_h² / n_h`.
///
/// A stratum that is labelled whole adds no variance. `names`: how a reason calls the strata.
pub fn stratified(items: &[Item], names: &[String]) -> Estimate {
    let strata = strata(items, names.len());
    let named = |fits: fn(&Stratum) -> bool, what: &str| {
        let found = strata.iter().position(fits);
        found.map(|found| Undefined::from(format!("stratum {} {what}", names[found])))
    };
    if items.is_empty() {
        return Estimate::undefined(&NO_ITEMS.into());
    }
    if let Some(reason) = named(|stratum| stratum.labelled == 0, "has no human label") {
        return Estimate::undefined(&reason);
    }
    let count = items.len() as f64;
    let mut correction = 0.0;
    let mut squares = 0.0;
    for (number, stratum) in strata.iter().enumerate() {
        let errors: Vec<f64> = items
            .iter()
            .filter(|item| item.stratum == number)
            .filter_map(|item| item.human.map(|human| human.label - item.model))
            .collect();
        let share = stratum.items as f64 / count;
        correction += share * mean(&errors).unwrap_or(0.0);
        if stratum.labelled < stratum.items {
            let drawn = stratum.labelled as f64 / stratum.items as f64;
            let spread = variance(&errors).unwrap_or(f64::NAN);
            squares += share * share * (1.0 - drawn) * spread / errors.len() as f64;
        }
    }
    let lonely = |stratum: &Stratum| stratum.labelled == 1 && stratum.items > 1;
    let se = match named(lonely, "has one human label: its variance cannot be estimated") {
        Some(reason) => Err(reason),
        None => Ok(squares.sqrt()),
    };
    Estimate { estimate: model_only(items).map(|model| model + correction), se }
}

/// mean f + (1/N) Σ (y - f)/π, variance Σ (1 - π)/π² (y - f)² / N²: for independent draws (Horvitz
/// and Thompson 1952).
pub fn horvitz_thompson(items: &[Item]) -> Estimate {
    if items.is_empty() {
        return Estimate::undefined(&NO_ITEMS.into());
    }
    let count = items.len() as f64;
    let errors = || {
        items
            .iter()
            .filter_map(|item| item.human.map(|human| (human.label - item.model, human.inclusion)))
    };
    let correction = sum(errors().map(|(error, inclusion)| error / inclusion)) / count;
    let squares = sum(errors()
        .map(|(error, inclusion)| (1.0 - inclusion) * (error / inclusion) * (error / inclusion)));
    Estimate {
        estimate: model_only(items).map(|model| model + correction),
        se: Ok(squares.sqrt() / count),
    }
}

/// The same from the human labels alone: as if the model said 0 to everything.
pub fn horvitz_thompson_human_only(items: &[Item]) -> Estimate {
    let silent: Vec<Item> = items.iter().map(|item| Item { model: 0.0, ..*item }).collect();
    horvitz_thompson(&silent)
}

/// Σ y/π / Σ 1/π (Hájek 1971).
pub fn hajek(items: &[Item]) -> Number {
    let humans = || items.iter().filter_map(|item| item.human);
    let labels = sum(humans().map(|human| human.label / human.inclusion));
    ratio(labels, sum(humans().map(|human| 1.0 / human.inclusion)), "no human label")
}
