//! Agreement of any number of coders, who may leave units out: percent, Fleiss' kappa,
//! Krippendorff's alpha, Gwet's AC1.

use crate::stats::undefined::{Number, ratio};

const NO_PAIRS: &str = "no unit has two or more ratings";
const ALL_ALIKE: &str = "the pairable ratings are all the same: expected disagreement is 0, 0/0";

const NO_DISTANCE: &str =
    "the pairable ratings are all 0 apart on this scale: expected disagreement is 0, 0/0";

/// Units × coders; a rating is the index of a category, `None` is missing.
#[derive(Clone, Debug)]
pub struct Ratings {
    pub units: Vec<Vec<Option<usize>>>,
    pub categories: usize,
}

/// How far two categories are apart, squared.
#[derive(Clone, Copy, Debug)]
pub enum Scale<'a> {
    /// 1 for any two that differ.
    Nominal,

    /// By how many ratings lie between them, the categories being in their order.
    Ordinal,

    /// (c - k)² of these values, one a category.
    Interval(&'a [f64]),

    /// ((c - k) / (c + k))² of these values; 0 where c + k is 0.
    Ratio(&'a [f64]),
}

impl Ratings {
    pub fn coders(&self) -> usize {
        self.units.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Units with two or more ratings.
    pub fn pairable(&self) -> usize {
        self.units.iter().filter(|unit| rated(unit) >= 2).count()
    }

    /// Units that every coder has rated.
    pub fn complete(&self) -> usize {
        self.units.iter().filter(|unit| unit.iter().all(Option::is_some)).count()
    }

    /// How many coders gave the unit each category.
    fn counts(&self, unit: &[Option<usize>]) -> Vec<f64> {
        let mut counts = vec![0.0; self.categories];
        for category in unit.iter().flatten() {
            counts[*category] += 1.0;
        }
        counts
    }
}

fn rated(unit: &[Option<usize>]) -> usize {
    unit.iter().flatten().count()
}

/// The share of pairs of ratings of a unit that agree: `Σ_k r_k (r_k - 1) / (r (r - 1))`.
fn agreeing_pairs(counts: &[f64]) -> f64 {
    let ratings: f64 = counts.iter().sum();
    let agreeing: f64 = counts.iter().map(|count| count * (count - 1.0)).sum();
    agreeing / (ratings * (ratings - 1.0))
}

/// The mean, over units with two or more ratings, of the share of agreeing pairs.
pub fn percent_agreement(ratings: &Ratings) -> Number {
    let shares: Vec<f64> = ratings
        .units
        .iter()
        .filter(|unit| rated(unit) >= 2)
        .map(|unit| agreeing_pairs(&ratings.counts(unit)))
        .collect();
    ratio(shares.iter().sum(), shares.len() as f64, NO_PAIRS)
}

/// Fleiss' kappa (1971) over the units that every coder has rated: `(P - P_e) / (1 - P_e)`.
pub fn fleiss_kappa(ratings: &Ratings) -> Number {
    let coders = ratings.coders();
    if coders < 2 {
        return Err("fewer than two coders".into());
    }
    let counts: Vec<Vec<f64>> = ratings
        .units
        .iter()
        .filter(|unit| unit.iter().all(Option::is_some))
        .map(|unit| ratings.counts(unit))
        .collect();
    if counts.is_empty() {
        return Err("no unit was rated by every coder".into());
    }
    let observed =
        counts.iter().map(|unit| agreeing_pairs(unit)).sum::<f64>() / counts.len() as f64;
    let all = (counts.len() * coders) as f64;
    let shares = (0..ratings.categories)
        .map(|category| counts.iter().map(|unit| unit[category]).sum::<f64>() / all);
    let used: Vec<f64> = shares.filter(|share| *share > 0.0).collect();
    if used.len() == 1 {
        return Err("one label only: chance agreement is 1, 0/0".into());
    }
    let chance: f64 = used.iter().map(|share| share * share).sum();
    Ok((observed - chance) / (1.0 - chance))
}

/// Krippendorff's alpha, `1 - D_o / D_e`, from the coincidence matrix: each ordered pair of ratings
/// of a unit adds 1 / (r - 1), r the unit's ratings (Krippendorff 2011).
///
/// Undefined without a unit with two ratings, and where all of these ratings are the same.
pub fn krippendorff_alpha(ratings: &Ratings, scale: Scale<'_>) -> Number {
    let pairs = Coincidences::new(ratings);
    pairs.alpha(scale)
}

/// The pairs of ratings within units.
#[derive(Clone, Debug)]
pub struct Coincidences {
    categories: usize,
    cells: Vec<f64>,
    totals: Vec<f64>,
}

impl Coincidences {
    pub fn new(ratings: &Ratings) -> Self {
        let mut pairs = Self::empty(ratings.categories);
        ratings.units.iter().for_each(|unit| pairs.add(unit));
        pairs
    }

    pub fn empty(categories: usize) -> Self {
        Self {
            categories,
            cells: vec![0.0; categories * categories],
            totals: vec![0.0; categories],
        }
    }

    /// Adds the pairs of one more unit.
    pub fn add(&mut self, unit: &[Option<usize>]) {
        self.add_times(unit, 1.0);
    }

    /// The same of so many units that are rated alike, as a bootstrap draws them.
    pub fn add_times(&mut self, unit: &[Option<usize>], times: f64) {
        let others = rated(unit) as f64 - 1.0;
        if others < 1.0 {
            return;
        }
        let given: Vec<usize> = unit.iter().flatten().copied().collect();
        for (i, first) in given.iter().enumerate() {
            self.totals[*first] += times;
            for (j, second) in given.iter().enumerate() {
                if i != j {
                    self.cells[first * self.categories + second] += times / others;
                }
            }
        }
    }

    pub fn alpha(&self, scale: Scale<'_>) -> Number {
        let count: f64 = self.totals.iter().sum();
        if count == 0.0 {
            return Err(NO_PAIRS.into());
        }
        // Σ n_g of the categories up to each.
        let up_to: Vec<f64> = self
            .totals
            .iter()
            .scan(0.0, |sum, total| {
                *sum += total;
                Some(*sum)
            })
            .collect();
        let distance = |c: usize, k: usize| -> f64 {
            let (c, k) = (c.min(k), c.max(k));
            match scale {
                Scale::Nominal => f64::from(u8::from(c != k)),
                Scale::Ordinal => {
                    let between = up_to[k] - up_to[c] + self.totals[c];
                    (between - f64::midpoint(self.totals[c], self.totals[k])).powi(2)
                }
                Scale::Interval(values) => (values[c] - values[k]).powi(2),
                Scale::Ratio(values) => {
                    let sum = values[c] + values[k];
                    if sum == 0.0 { 0.0 } else { ((values[c] - values[k]) / sum).powi(2) }
                }
            }
        };
        let used: Vec<usize> = (0..self.categories).filter(|k| self.totals[*k] > 0.0).collect();
        let (mut observed, mut expected) = (0.0, 0.0);
        for c in &used {
            for k in used.iter().filter(|k| *k != c) {
                let distance = distance(*c, *k);
                observed += self.cells[c * self.categories + k] * distance;
                expected += self.totals[*c] * self.totals[*k] * distance;
            }
        }
        let reason = if used.len() > 1 { NO_DISTANCE } else { ALL_ALIKE };
        Ok(1.0 - (count - 1.0) * ratio(observed, expected, reason)?)
    }
}

/// Gwet's AC1 (2008): `(p_a - p_e) / (1 - p_e)` with `p_a` the percent agreement,
/// `p_e = Σ π_k (1 - π_k) / (q - 1)` and `π_k` the mean share of category k over units with a rating.
pub fn gwet_ac1(ratings: &Ratings) -> Number {
    let agreement = percent_agreement(ratings)?;
    if ratings.categories < 2 {
        return Err("only one category is declared: q - 1 is 0, 0/0".into());
    }
    let shares: Vec<Vec<f64>> = ratings
        .units
        .iter()
        .filter(|unit| rated(unit) > 0)
        .map(|unit| {
            let count = rated(unit) as f64;
            ratings.counts(unit).iter().map(|given| given / count).collect()
        })
        .collect();
    let units = shares.len() as f64;
    let chance = (0..ratings.categories)
        .map(|k| shares.iter().map(|unit| unit[k]).sum::<f64>() / units)
        .map(|share| share * (1.0 - share))
        .sum::<f64>()
        / (ratings.categories - 1) as f64;
    Ok((agreement - chance) / (1.0 - chance))
}
