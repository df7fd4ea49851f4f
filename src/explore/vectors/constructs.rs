//! Items of a questionnaire by what they mean: how far the vectors of items say what the answers of
//! people say, and which items say the same.

use serde::Serialize;

use super::error::Error;
use super::matrix::{Vectors, dot};
use crate::stats::moments::pearson;
use crate::stats::resample::{Bootstrap, Interval};

/// What is known of the items.
pub struct Items<'a> {
    pub names: &'a [String],

    /// The construct that each is meant to measure.
    pub constructs: &'a [String],

    /// The column that `constructs` is from.
    pub column: &'a str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConstructView {
    /// In the order of their first items.
    pub constructs: Vec<String>,

    /// Items by construct, as places in the table.
    pub order: Vec<usize>,

    /// Cosines of each two items, in that order.
    pub cosine: Vec<Vec<f64>>,

    /// Mean cosine of two items of the same construct, and of two of different ones.
    pub within: f64,
    pub between: f64,
    pub items: Vec<ItemPlace>,

    /// The share of items whose nearest construct is their own.
    pub right: f64,

    /// Pairs of one construct that say nearly the same, the nearest first.
    pub alike: Vec<Alike>,
}

/// An item beside the constructs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemPlace {
    pub item: usize,
    pub own: usize,

    /// Of the centroids, the item itself left out of its own.
    pub nearest: usize,

    /// The cosine to each construct's centroid; `None`: it has no other item.
    pub to_constructs: Vec<Option<f64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Alike {
    pub one: usize,
    pub other: usize,
    pub cosine: f64,
}

/// Cosines of items against correlations of answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Predicted {
    /// One for each pair of items, in the order of the table.
    pub pairs: Vec<Pair>,

    /// Pearson's correlation over pairs, with its 95 % interval over resampled items.
    pub r: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,

    /// The same with absolute correlations: a reversed item is as near in meaning.
    pub r_absolute: Option<f64>,

    /// People who answered both items of a pair, at least.
    pub fewest_answers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pair {
    pub one: usize,
    pub other: usize,
    pub cosine: f64,

    /// `None`: too few answered both, or all gave one of them the same answer.
    pub correlation: Option<f64>,
}

/// Pairs that are listed as nearly the same.
const LISTED: usize = 20;

pub fn constructs(vectors: &Vectors, items: &Items<'_>) -> Result<ConstructView, Error> {
    let mut names: Vec<String> = Vec::new();
    let own: Vec<usize> = items
        .constructs
        .iter()
        .map(|name| {
            names.iter().position(|other| other == name).unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            })
        })
        .collect();
    if names.len() < 2 {
        return Err(Error::TooFewConstructs {
            column: items.column.to_owned(),
            found: names.len(),
        });
    }
    if names.len() == own.len() {
        return Err(Error::NoConstructHasTwo { column: items.column.to_owned() });
    }
    let units = vectors.unit();
    let count = units.count();
    let cosine = |one: usize, other: usize| f64::from(dot(units.row(one), units.row(other)));
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|item| own[*item]);
    let (mut within, mut between) = (Mean::default(), Mean::default());
    let mut alike = Vec::new();
    for one in 0..count {
        for other in one + 1..count {
            let cosine = cosine(one, other);
            if own[one] == own[other] {
                within.add(cosine);
                alike.push(Alike { one, other, cosine });
            } else {
                between.add(cosine);
            }
        }
    }
    alike.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
    alike.truncate(LISTED);
    let places: Vec<ItemPlace> = (0..count)
        .map(|item| {
            let to = |construct: usize| centroid_cosine(&units, &own, item, construct);
            let to_constructs: Vec<Option<f64>> = (0..names.len()).map(to).collect();
            let mut nearest = None;
            for (construct, cosine) in to_constructs.iter().enumerate() {
                if let Some(cosine) = cosine
                    && nearest.is_none_or(|(_, most)| *cosine > most)
                {
                    nearest = Some((construct, *cosine));
                }
            }
            let nearest = nearest.map_or(own[item], |(construct, _)| construct);
            ItemPlace { item, own: own[item], nearest, to_constructs }
        })
        .collect();
    let right = places.iter().filter(|place| place.own == place.nearest).count();
    Ok(ConstructView {
        constructs: names,
        cosine: order
            .iter()
            .map(|one| order.iter().map(|other| cosine(*one, *other)).collect())
            .collect(),
        order,
        within: within.value(),
        between: between.value(),
        right: right as f64 / count.max(1) as f64,
        items: places,
        alike,
    })
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn value(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

/// To the mean of a construct's other items.
fn centroid_cosine(units: &Vectors, own: &[usize], item: usize, construct: usize) -> Option<f64> {
    let mut sums = vec![0.0_f64; units.width()];
    let members = (0..own.len()).filter(|other| own[*other] == construct && *other != item);
    for member in members {
        let row = units.row(member);
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let length = sums.iter().map(|value| value * value).sum::<f64>().sqrt();
    let along: f64 = sums.iter().zip(units.row(item)).map(|(sum, x)| sum * f64::from(*x)).sum();
    (length > 0.0).then(|| along / length)
}

/// `answers`: of each item, in the order of the vectors, one a person; `None`: no answer.
pub fn predicted(vectors: &Vectors, answers: &[Vec<Option<f64>>]) -> Predicted {
    let units = vectors.unit();
    let count = units.count();
    let mut pairs = Vec::with_capacity(count * count.saturating_sub(1) / 2);
    let mut fewest_answers = usize::MAX;
    for one in 0..count {
        for other in one + 1..count {
            let both = answers[one].iter().zip(&answers[other]);
            let (x, y): (Vec<f64>, Vec<f64>) =
                both.filter_map(|(x, y)| Some(((*x)?, (*y)?))).unzip();
            fewest_answers = fewest_answers.min(x.len());
            pairs.push(Pair {
                one,
                other,
                cosine: f64::from(dot(units.row(one), units.row(other))),
                correlation: pearson(&x, &y).ok(),
            });
        }
    }
    let correlation = |value: fn(f64) -> f64, drawn: &[usize]| {
        let mut times = vec![0_usize; count];
        drawn.iter().for_each(|item| times[*item] += 1);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for pair in &pairs {
            if let Some(correlation) = pair.correlation {
                for _ in 0..times[pair.one] * times[pair.other] {
                    x.push(pair.cosine);
                    y.push(value(correlation));
                }
            }
        }
        pearson(&x, &y)
    };
    let Interval { value, low, high, .. } =
        Bootstrap::default().interval(count, |drawn| correlation(|r| r, drawn));
    let all: Vec<usize> = (0..count).collect();
    let r_absolute = correlation(f64::abs, &all).ok();
    let fewest_answers = if pairs.is_empty() { 0 } else { fewest_answers };
    let [r, low, high] = [value, low, high].map(Result::ok);
    Predicted { pairs, r, low, high, r_absolute, fewest_answers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_lie_by_their_constructs_and_a_stray_one_is_named() {
        let rows = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [0.95, 0.05]];
        let vectors = Vectors::new(2, rows.concat());
        let names: Vec<String> = (1..=5).map(|at| format!("q{at}")).collect();
        let constructs_of: Vec<String> = ["A", "A", "B", "B", "B"].map(str::to_owned).into();
        let items = Items { names: &names, constructs: &constructs_of, column: "trait" };
        let view = constructs(&vectors, &items).unwrap();
        assert_eq!(view.constructs, ["A", "B"]);
        assert!(view.within > view.between, "{view:?}");
        assert_eq!(view.items[4].nearest, 0, "the stray item");
        assert_eq!(view.right, 0.8);
        assert_eq!((view.alike[0].one, view.alike[0].other), (0, 1));
        let one = vec!["A".to_owned(); 5];
        let items = Items { names: &names, constructs: &one, column: "trait" };
        let said = constructs(&vectors, &items).unwrap_err().to_string();
        assert!(said.contains("the column \"trait\" has 1"), "{said}");
        // A column of names: every item would be a construct, and no cosine within one is known.
        let items = Items { names: &names, constructs: &names, column: "id" };
        let said = constructs(&vectors, &items).unwrap_err().to_string();
        assert!(said.contains("no two items have the same value in the column \"id\""), "{said}");
    }

    #[test]
    fn cosines_are_compared_with_the_correlations_of_answers() {
        let vectors = Vectors::new(2, [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]].concat());
        let answers = [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0], [4.0, 1.0, 3.0, 2.0]];
        let answers = answers.map(|row| row.map(Some).to_vec());
        let found = predicted(&vectors, &answers);
        assert_eq!((found.pairs.len(), found.fewest_answers), (3, 4));
        assert!((found.pairs[0].cosine - 0.8).abs() < 1e-6);
        // By hand: Σ xy = 6.5, Σ x² = 5, Σ y² = 8.75 around their means.
        let r = 6.5 / (5.0_f64 * 8.75).sqrt();
        assert!((found.pairs[0].correlation.unwrap() - r).abs() < 1e-12);
        assert!(found.r.is_some());
    }
}
