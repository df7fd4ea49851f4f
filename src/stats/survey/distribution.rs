//! Distributions over the options of a question: the model's, people's, and how far apart they are
//! (Santurkar et al. 2023).

use crate::stats::divergence;
use crate::stats::moments::{by_size, sum};
use crate::stats::undefined::{Number, OrBecause as _, ratio};

/// How much mass (probability, or people) each option has, and what refuses to answer.
#[derive(Clone, Debug, Default)]
pub struct Masses {
    pub options: Vec<f64>,
    pub refusal: f64,
}

/// A distribution over options that lie at `positions` on a scale.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// Without the refusals.
    pub distribution: Vec<f64>,
    positions: &'a [f64],
}

impl Masses {
    /// Weighted answers: an option's number, or `None` for a refusal.
    pub fn of_people(options: usize, answers: &[(Option<usize>, f64)]) -> Self {
        let mut masses = Self { options: vec![0.0; options], refusal: 0.0 };
        for (option, weight) in answers {
            match option {
                Some(option) => masses.options[*option] += weight,
                None => masses.refusal += weight,
            }
        }
        masses
    }

    /// The refusals' share of all mass.
    pub fn refusal_share(&self) -> Number {
        let all = sum(self.options.iter().copied()) + self.refusal;
        ratio(self.refusal, all, "no mass at all")
    }

    /// `None` where no option has mass.
    pub fn answer<'a>(&self, positions: &'a [f64]) -> Option<Answer<'a>> {
        let distribution = divergence::normalised(&self.options)?;
        Some(Answer { distribution, positions })
    }
}

impl Answer<'_> {
    /// H / ln k: 1 where all options are alike, 0 where one has everything.
    pub fn entropy_share(&self) -> Number {
        entropy_share(&self.distribution)
    }

    pub fn mean(&self) -> f64 {
        sum(self.distribution.iter().zip(self.positions).map(|(p, position)| p * position))
    }

    /// The population's standard deviation of the position.
    pub fn sd(&self) -> f64 {
        let chosen = self.distribution.iter().zip(self.positions).filter(|(p, _)| **p > 0.0);
        let mut positions = chosen.clone().map(|(_, position)| position);
        let first = positions.next();
        if positions.all(|position| Some(position) == first) {
            return 0.0;
        }
        let mean = self.mean();
        sum(chosen.map(|(p, position)| p * (position - mean) * (position - mean))).sqrt()
    }

    /// The area between the cumulative distributions: Wasserstein's distance on the scale.
    pub fn wasserstein(&self, other: &Self) -> f64 {
        let mut order: Vec<usize> = (0..self.positions.len()).collect();
        order.sort_by(|a, b| by_size(&self.positions[*a], &self.positions[*b]));
        let mut ahead = 0.0;
        sum(order.windows(2).map(|pair| {
            ahead += self.distribution[pair[0]] - other.distribution[pair[0]];
            f64::abs(ahead) * (self.positions[pair[1]] - self.positions[pair[0]])
        }))
    }

    /// 1 - Wasserstein / the length of the scale.
    pub fn representativeness(&self, other: &Self) -> Number {
        let least = self.positions.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.positions.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let reason = "all options lie at one position";
        Ok(1.0 - ratio(self.wasserstein(other), most - least, reason)?)
    }

    pub fn total_variation(&self, other: &Self) -> f64 {
        divergence::total_variation(&self.distribution, &other.distribution)
    }

    /// KL(self ‖ other) in nats.
    pub fn kullback_leibler(&self, other: &Self) -> Number {
        divergence::kullback_leibler(&self.distribution, &other.distribution)
            .or_because("infinite: a person never chose an option that the model gives mass to")
    }
}

/// H / ln k of a distribution over k options.
pub fn entropy_share(distribution: &[f64]) -> Number {
    if distribution.len() < 2 {
        return Err("there are fewer than two options".into());
    }
    Ok((divergence::entropy(distribution) / (distribution.len() as f64).ln()).min(1.0))
}
