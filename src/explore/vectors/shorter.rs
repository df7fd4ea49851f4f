//! A questionnaire made shorter: of two items of a construct that say nearly the same, one is enough.
//!
//! By the vectors alone: as long as a construct has more items than are wanted, of the two that are
//! nearest to each other that one goes which is nearer to the others. Answers do not choose; they say
//! what the shorter scale is worth.

use serde::Serialize;

use super::matrix::{Vectors, dot};
use crate::stats::moments::{pearson, variance};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shortened {
    /// Items that stay, in the order of the table.
    pub kept: Vec<usize>,

    /// In the order in which they went.
    pub dropped: Vec<Dropped>,

    /// One a construct.
    pub scales: Vec<Scale>,
}

/// An item that went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dropped {
    pub item: usize,

    /// The item that said nearly the same, and how near they are.
    pub like: usize,
    pub cosine: f64,
}

/// A construct's scale, whole and shorter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scale {
    pub construct: usize,
    pub items: usize,
    pub kept: usize,

    /// By people's answers, where there are some.
    pub answers: Option<ScaleAnswers>,
}

/// Items are turned by the sign of the first principal component of the answers, as `check.keys` of R's
/// psych does: a reversed item would otherwise count against its own scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScaleAnswers {
    /// People who answered all items of the construct.
    pub people: usize,

    /// Cronbach's α (1951) of all items, and of those that stay. `None`: of fewer than two items, or of
    /// answers that do not vary.
    pub alpha: Option<f64>,
    pub alpha_short: Option<f64>,

    /// The correlation of both mean scores. The shorter scale is a part of the other: it is high by
    /// that alone.
    pub r: Option<f64>,
}

/// `own`: the construct of each item; `keep`: items that stay in each; `answers`: of each item, one a
/// person.
pub fn shortened(
    vectors: &Vectors,
    own: &[usize],
    keep: usize,
    answers: Option<&[Vec<Option<f64>>]>,
) -> Shortened {
    let keep = keep.max(1);
    let units = vectors.unit();
    let cosine = |one: usize, other: usize| f64::from(dot(units.row(one), units.row(other)));
    let constructs = own.iter().max().map_or(0, |last| last + 1);
    let (mut kept, mut dropped, mut scales) = (Vec::new(), Vec::new(), Vec::new());
    for construct in 0..constructs {
        let all: Vec<usize> = (0..own.len()).filter(|item| own[*item] == construct).collect();
        let mut left = all.clone();
        while left.len() > keep {
            let Some((at, drop)) = most_redundant(&left, &cosine) else { break };
            dropped.push(drop);
            left.remove(at);
        }
        scales.push(Scale {
            construct,
            items: all.len(),
            kept: left.len(),
            answers: answers.map(|answers| scale_answers(&all, &left, answers)),
        });
        kept.extend(left);
    }
    kept.sort_unstable();
    Shortened { kept, dropped, scales }
}

/// Where it stands among the items, and what it is like.
fn most_redundant(
    items: &[usize],
    cosine: &impl Fn(usize, usize) -> f64,
) -> Option<(usize, Dropped)> {
    let pairs = (0..items.len()).flat_map(|one| (one + 1..items.len()).map(move |two| (one, two)));
    let (one, two, nearest) = pairs
        .map(|(one, two)| (one, two, cosine(items[one], items[two])))
        .reduce(|best, next| if next.2 > best.2 { next } else { best })?;
    let to_others = |at: usize| {
        let others = (0..items.len()).filter(|other| *other != one && *other != two);
        others.map(|other| cosine(items[at], items[other])).sum::<f64>()
    };
    // Of two alike the later one goes.
    let (goes, stays) = if to_others(one) > to_others(two) { (one, two) } else { (two, one) };
    Some((goes, Dropped { item: items[goes], like: items[stays], cosine: nearest }))
}

fn scale_answers(all: &[usize], kept: &[usize], answers: &[Vec<Option<f64>>]) -> ScaleAnswers {
    let count = all.first().map_or(0, |item| answers[*item].len());
    let person =
        |at: usize| all.iter().map(|item| answers[*item][at]).collect::<Option<Vec<f64>>>();
    let people: Vec<Vec<f64>> = (0..count).filter_map(person).collect();
    let columns: Vec<Vec<f64>> =
        (0..all.len()).map(|at| people.iter().map(|row| row[at]).collect()).collect();
    let signs = signs(&columns);
    let turned: Vec<Vec<f64>> = columns
        .iter()
        .zip(&signs)
        .map(|(column, sign)| column.iter().map(|value| sign * value).collect())
        .collect();
    let short: Vec<Vec<f64>> = all
        .iter()
        .zip(&turned)
        .filter(|(item, _)| kept.contains(item))
        .map(|(_, column)| column.clone())
        .collect();
    ScaleAnswers {
        people: people.len(),
        alpha: alpha(&turned),
        alpha_short: alpha(&short),
        r: pearson(&sums(&turned), &sums(&short)).ok(),
    }
}

fn sums(columns: &[Vec<f64>]) -> Vec<f64> {
    let people = columns.first().map_or(0, Vec::len);
    (0..people).map(|at| columns.iter().map(|column| column[at]).sum()).collect()
}

/// Cronbach's alpha: k / (k - 1) · (1 - Σ of the items' variances / the variance of their sum).
pub fn alpha(columns: &[Vec<f64>]) -> Option<f64> {
    let count = columns.len() as f64;
    let total = variance(&sums(columns)).ok().filter(|total| *total > 0.0)?;
    let own: f64 = columns.iter().map(|column| variance(column).ok()).sum::<Option<f64>>()?;
    (columns.len() > 1).then(|| count / (count - 1.0) * (1.0 - own / total))
}

/// 1 or -1 for each item: the sign of its loading on the first principal component of the correlations.
/// The first item is 1.
fn signs(columns: &[Vec<f64>]) -> Vec<f64> {
    let count = columns.len();
    let r = |one: usize, other: usize| pearson(&columns[one], &columns[other]).unwrap_or(0.0);
    let matrix: Vec<Vec<f64>> = (0..count)
        .map(|one| (0..count).map(|other| if one == other { 1.0 } else { r(one, other) }).collect())
        .collect();
    // A power iteration; correlations are positive semidefinite, so that it does not swing. It does not
    // begin along an axis that the component could be at right angles to.
    let mut axis: Vec<f64> = (0..count).map(|at| 1.0 + 0.1 * (at as f64).sin()).collect();
    for _ in 0..500 {
        let next: Vec<f64> = matrix
            .iter()
            .map(|row| row.iter().zip(&axis).map(|(value, along)| value * along).sum())
            .collect();
        let length = next.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length <= f64::EPSILON {
            break;
        }
        axis = next.into_iter().map(|value| value / length).collect();
    }
    let first = axis.first().copied().unwrap_or(1.0);
    axis.iter().map(|value| if value * first < 0.0 { -1.0 } else { 1.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: usize = 9;

    fn own() -> Vec<usize> {
        (0..ITEMS).map(|item| item % 2).collect()
    }

    fn vectors() -> Vectors {
        let value = |i: usize, j: usize| {
            (0.7 * i as f64 + 1.3 * j as f64 + ((j % 2) * (i % 2)) as f64).sin() as f32
        };
        let values = (0..ITEMS).flat_map(|i| (0..5).map(move |j| value(i, j)));
        Vectors::new(5, values.collect())
    }

    /// Two traits; every third item is reversed. The first person left the last item out.
    fn answers() -> Vec<Vec<Option<f64>>> {
        let answer = |p: usize, i: usize| {
            let at = p as f64;
            let of_trait = if i.is_multiple_of(2) { (1.1 * at).sin() } else { (0.6 * at).cos() };
            let turn = if i % 3 == 2 { -1.0 } else { 1.0 };
            let noise = 0.9 * (2.3 * at + 1.9 * i as f64).sin();
            let is_there = (p, i) != (0, ITEMS - 1);
            is_there.then(|| (3.5 + turn * 1.6 * of_trait + noise).floor())
        };
        (0..ITEMS).map(|i| (0..40).map(|p| answer(p, i)).collect()).collect()
    }

    #[test]
    fn the_items_that_say_nearly_the_same_go_and_the_scale_is_weighed() {
        // From tests/reference/make_shorter.py (numpy).
        let found = shortened(&vectors(), &own(), 2, Some(&answers()));
        assert_eq!(found.kept, [1, 2, 5, 6]);
        let expected = [
            (8, 0, 0.779_295),
            (4, 2, 0.212_989),
            (0, 2, 0.128_477),
            (3, 5, 0.597_248),
            (7, 1, -0.117_794),
        ];
        assert_eq!(found.dropped.len(), expected.len());
        for (dropped, (item, like, cosine)) in found.dropped.iter().zip(expected) {
            assert_eq!((dropped.item, dropped.like), (item, like));
            assert!((dropped.cosine - cosine).abs() < 1e-5, "{dropped:?}");
        }
        let expected = [
            (39, [0.955_490_254_985_166_5, 0.832_520_325_203_252_3, 0.984_738_223_198_565_4]),
            (40, [0.937_599_421_547_360_8, 0.837_608_627_368_861_9, 0.980_387_903_970_619_4]),
        ];
        for (scale, (people, numbers)) in found.scales.iter().zip(expected) {
            let answers = scale.answers.unwrap();
            assert_eq!((answers.people, scale.kept), (people, 2));
            let ours = [answers.alpha, answers.alpha_short, answers.r];
            for (ours, expected) in ours.into_iter().zip(numbers) {
                assert!((ours.unwrap() - expected).abs() < 1e-9, "{scale:?}");
            }
        }
    }

    #[test]
    fn a_scale_that_is_short_enough_stays_as_it_is() {
        let found = shortened(&vectors(), &own(), 20, None);
        assert_eq!((found.kept.len(), found.dropped.len()), (ITEMS, 0));
        let one = shortened(&vectors(), &own(), 1, Some(&answers()));
        assert_eq!(one.kept.len(), 2, "one of each construct");
        assert_eq!(one.scales[0].answers.unwrap().alpha_short, None, "one item has no alpha");
    }

    #[test]
    fn answers_that_do_not_vary_have_no_alpha() {
        assert_eq!(alpha(&[vec![1.0, 1.0], vec![2.0, 2.0]]), None);
        assert_eq!(alpha(&[vec![1.0, 2.0], vec![1.0, 2.0]]), Some(1.0));
    }
}
