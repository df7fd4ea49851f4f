//! Ratings from comparisons in pairs (Bradley and Terry 1952).

use crate::stats::linear::Square;
use crate::stats::resample::{Bootstrap, Interval};
use crate::stats::undefined::Undefined;

/// Points of a rating per unit of log odds: Elo's scale.
const POINTS: f64 = 400.0 / std::f64::consts::LN_10;

/// How a comparison of two models ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    FirstWon,
    SecondWon,
    Tie,
}

/// Comparisons counted: of `models` models, each with each.
#[derive(Clone, Debug)]
pub struct Arena {
    pub models: usize,

    /// How often two were compared.
    pub games: Vec<Vec<u64>>,

    /// Wins plus half the ties of the row's model over the column's.
    pub wins: Vec<Vec<f64>>,
}

/// Ratings with mean 1000 (400 points: odds of 10 to 1), and their standard errors.
#[derive(Clone, Debug)]
pub struct Ratings {
    pub ratings: Vec<f64>,
    pub standard_errors: Vec<f64>,
}

impl Arena {
    /// Battles between models with numbers below `models`.
    pub fn new(models: usize, battles: &[(usize, usize, Outcome)]) -> Self {
        let mut games = vec![vec![0; models]; models];
        let mut wins = vec![vec![0.0; models]; models];
        for (first, second, outcome) in battles {
            games[*first][*second] += 1;
            games[*second][*first] += 1;
            let won = match outcome {
                Outcome::FirstWon => 1.0,
                Outcome::SecondWon => 0.0,
                Outcome::Tie => 0.5,
            };
            wins[*first][*second] += won;
            wins[*second][*first] += 1.0 - won;
        }
        Self { models, games, wins }
    }

    /// The share that the first won against the second, ties half.
    pub fn win_rate(&self, first: usize, second: usize) -> Option<f64> {
        let games = self.games[first][second];
        (games > 0).then(|| self.wins[first][second] / games as f64)
    }

    /// Groups of models that comparisons link, each in rising order.
    pub fn components(&self) -> Vec<Vec<usize>> {
        let mut left: Vec<bool> = vec![true; self.models];
        let mut components = Vec::new();
        for model in 0..self.models {
            if left[model] {
                let reached = self.reachable(model, |from, to| self.games[from][to] > 0);
                let component: Vec<usize> =
                    (0..self.models).filter(|other| reached[*other]).collect();
                component.iter().for_each(|member| left[*member] = false);
                components.push(component);
            }
        }
        components
    }

    fn reachable(&self, start: usize, edge: impl Fn(usize, usize) -> bool) -> Vec<bool> {
        let mut reached = vec![false; self.models];
        reached[start] = true;
        let mut open = vec![start];
        while let Some(from) = open.pop() {
            for (to, reached) in reached.iter_mut().enumerate() {
                if !*reached && edge(from, to) {
                    *reached = true;
                    open.push(to);
                }
            }
        }
        reached
    }

    /// Whether finite ratings exist: every model has beaten or tied every other, if over several
    /// others (Ford 1957).
    pub fn has_ratings(&self) -> bool {
        if self.models == 0 {
            return false;
        }
        let all = |reached: Vec<bool>| reached.iter().all(|reached| *reached);
        all(self.reachable(0, |from, to| self.wins[from][to] > 0.0))
            && all(self.reachable(0, |from, to| self.wins[to][from] > 0.0))
    }

    /// θ that maximises `Σ w_ij ln σ(θ_i - θ_j)`; ratings = 1000 + 400/ln 10 (θ - mean), standard
    /// errors 400/ln 10 √diag of the pseudo-inverse of `Σ n_ij p (1 - p) (e_i - e_j)(e_i - e_j)ᵀ`.
    ///
    /// Undefined where no finite ratings exist.
    pub fn ratings(&self) -> Result<Ratings, Undefined> {
        if !self.has_ratings() {
            let reason = "the graph of wins is not strongly connected: some rating is infinite or \
                          the groups share no scale";
            return Err(reason.into());
        }
        let mut theta = vec![0.0; self.models];
        let mut likelihood = self.likelihood(&theta);
        for _ in 0..200 {
            let (slope, curvature) = self.derivatives(&theta);
            let step = curvature.solve_one(&slope)?;
            let mut size = 1.0;
            let largest = step.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            // Half the step until it climbs; the likelihood is concave, so that one exists.
            loop {
                let next: Vec<f64> =
                    theta.iter().zip(&step).map(|(theta, step)| theta + size * step).collect();
                let climbed = self.likelihood(&next);
                if climbed >= likelihood || size * largest < 1e-12 {
                    (theta, likelihood) = (next, climbed);
                    break;
                }
                size /= 2.0;
            }
            if largest < 1e-12 {
                break;
            }
        }
        let mean = theta.iter().sum::<f64>() / self.models as f64;
        let (_, curvature) = self.derivatives(&theta);
        let inverse = curvature.inverse()?;
        let along = 1.0 / (self.models as f64).powi(2) / shift_weight(self.models);
        let error = |model: usize| (inverse.get(model, model) - along).max(0.0).sqrt() * POINTS;
        Ok(Ratings {
            ratings: theta.iter().map(|theta| 1000.0 + POINTS * (theta - mean)).collect(),
            standard_errors: (0..self.models).map(error).collect(),
        })
    }

    fn likelihood(&self, theta: &[f64]) -> f64 {
        let mut sum = 0.0;
        for (i, row) in self.wins.iter().enumerate() {
            for (j, wins) in row.iter().enumerate().filter(|(_, wins)| **wins > 0.0) {
                // ln σ(d) = -ln(1 + e^-d), without overflow.
                let difference = theta[i] - theta[j];
                sum -= wins * ((-difference.abs()).exp().ln_1p() + (-difference).max(0.0));
            }
        }
        sum
    }

    /// The slope, and minus the second derivative plus a multiple of 11ᵀ: that fixes the sum of θ,
    /// which the likelihood leaves open, and moves no difference.
    fn derivatives(&self, theta: &[f64]) -> (Vec<f64>, Square) {
        let shift = shift_weight(self.models);
        let mut slope = vec![0.0; self.models];
        let mut curvature =
            Square { size: self.models, cells: vec![shift; self.models * self.models] };
        for i in 0..self.models {
            for j in (0..self.models).filter(|j| *j != i && self.games[i][*j] > 0) {
                let games = self.games[i][j] as f64;
                let difference = theta[i] - theta[j];
                let p = 1.0 / (1.0 + (-difference).exp());
                let q = 1.0 / (1.0 + difference.exp());
                // w - n p as w q - (n - w) p: near 0 and 1 it keeps its digits.
                slope[i] += self.wins[i][j] * q - (games - self.wins[i][j]) * p;
                *curvature.at(i, i) += games * p * q;
                *curvature.at(i, j) -= games * p * q;
            }
        }
        (slope, curvature)
    }
}

/// A model's rating each with its percentile interval over resampled units.
///
/// Battles that are of one unit, as those of several coders about one pair, are drawn together. A resample without finite ratings has none:
/// [`Interval::undefined`] says how many there were.
pub fn bootstrap_ratings(
    models: usize,
    units: &[Vec<(usize, usize, Outcome)>],
    bootstrap: Bootstrap,
) -> Vec<Interval> {
    bootstrap.intervals(units.len(), |drawn| {
        let drawn: Vec<_> = drawn.iter().flat_map(|unit| &units[*unit]).copied().collect();
        match Arena::new(models, &drawn).ratings() {
            Ok(of) => of.ratings.into_iter().map(Ok).collect(),
            Err(reason) => vec![Err(reason); models],
        }
    })
}

/// The multiple of 11ᵀ: its eigenvalue along 1 is `models` times this.
fn shift_weight(models: usize) -> f64 {
    1.0 / models as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_over_battles_are_about_as_wide_as_the_standard_errors_say() {
        let battle = |number: usize| {
            let (first, second) = [(0, 1), (1, 2), (2, 0)][number % 3];
            let outcome = if number % 5 < 3 { Outcome::FirstWon } else { Outcome::SecondWon };
            (first, second, outcome)
        };
        let battles: Vec<_> = (0..300).map(battle).collect();
        let errors = Arena::new(3, &battles).ratings().unwrap().standard_errors;
        let settings = Bootstrap { resamples: 400, ..Default::default() };
        let alone: Vec<_> = battles.iter().map(|battle| vec![*battle]).collect();
        for (interval, error) in bootstrap_ratings(3, &alone, settings).iter().zip(errors) {
            let width = interval.high.clone().unwrap() - interval.low.clone().unwrap();
            assert!((width / (2.0 * 1.96 * error) - 1.0).abs() < 0.25, "{width} for {error}");
        }
        assert!(bootstrap_ratings(2, &[], settings).iter().all(|of| of.value.is_err()));
    }
}
