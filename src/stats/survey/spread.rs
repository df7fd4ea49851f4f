//! Whether a model's answers vary as much as people's (Argyle et al. 2023; Bisbee et al. 2024).

use crate::stats::moments::{mean, squares_around_mean, variance};
use crate::stats::undefined::{Number, OrBecause as _, ratio};

#[derive(Clone, Debug)]
pub struct Spread {
    /// With n - 1.
    pub sd_model: Number,
    pub sd_human: Number,

    /// Of the model's over people's.
    pub sd_ratio: Number,
    pub variance_ratio: Number,

    /// (mean of the model - mean of people) / pooled standard deviation (Cohen 1988).
    pub cohens_d: Number,
}

pub fn spread(model: &[f64], human: &[f64]) -> Spread {
    let of = |values: &[f64], reason: &'static str| variance(values).or_because(reason);
    let of_model = of(model, "fewer than two answers of the model");
    let of_human = of(human, "fewer than two answers of people");
    let variance_ratio = of_model.clone().and_then(|of_model| {
        ratio(of_model, of_human.clone()?, "the people's answers do not vary")
    });
    Spread {
        sd_model: of_model.map(f64::sqrt),
        sd_human: of_human.map(f64::sqrt),
        sd_ratio: variance_ratio.clone().map(f64::sqrt),
        variance_ratio,
        cohens_d: cohens_d(model, human),
    }
}

fn cohens_d(model: &[f64], human: &[f64]) -> Number {
    let no_answers = "one side has no answers";
    let difference = mean(model).or_because(no_answers)? - mean(human).or_because(no_answers)?;
    let degrees = (model.len() + human.len()) as f64 - 2.0;
    if model.len() < 2 || human.len() < 2 {
        return Err("fewer than two answers on one side".into());
    }
    let pooled = ((squares_around_mean(model) + squares_around_mean(human)) / degrees).sqrt();
    ratio(difference, pooled, "neither side's answers vary")
}
