//! Labels that people disagree on: is the model's distribution as near to people's as people are to
//! each other?

use crate::stats::divergence::{jensen_shannon_bits, normalised};
use crate::stats::undefined::{Number, Undefined};

/// More ways to halve the people than this are not tried.
const MOST_SPLITS: f64 = 2e7;

/// What people say of one item, and the model's distribution over the labels.
#[derive(Clone, Debug)]
pub struct Item {
    /// A label's number a person.
    pub humans: Vec<usize>,
    pub model: Vec<f64>,

    /// The people of one half, by position; the others are the other half.
    pub half: Vec<usize>,
}

/// Jensen-Shannon distances to base 2, from 0 to 1.
#[derive(Clone, Debug)]
pub struct Distances {
    /// From the model to all people.
    pub machine: Number,

    /// Between the two halves given.
    pub given_halves: Number,

    /// The mean over all choices of ⌊m/2⌋ people.
    pub all_halves: Number,
}

pub fn distances(item: &Item, labels: usize) -> Distances {
    let count = |people: &mut dyn Iterator<Item = usize>| {
        let mut counts = vec![0.0; labels];
        people.for_each(|label| counts[label] += 1.0);
        counts
    };
    let all = count(&mut item.humans.iter().copied());
    let half = count(&mut item.half.iter().map(|person| item.humans[*person]));
    let rest: Vec<f64> = all.iter().zip(&half).map(|(all, half)| all - half).collect();
    Distances {
        machine: distance(&item.model, &all),
        given_halves: distance(&half, &rest),
        all_halves: mean_over_halves(&all),
    }
}

fn distance(a: &[f64], b: &[f64]) -> Number {
    let reason = || Undefined::from("one side has no one in it, or no mass");
    let (a, b) = (normalised(a).ok_or_else(reason)?, normalised(b).ok_or_else(reason)?);
    Ok(jensen_shannon_bits(&a, &b).sqrt())
}

/// Halves with the same counts of labels are the same distance apart: they are counted once, with
/// how many choices of people give them.
fn mean_over_halves(all: &[f64]) -> Number {
    let people: f64 = all.iter().sum();
    let size = (people / 2.0).floor();
    if size < 1.0 {
        return Err("fewer than two people".into());
    }
    let splits: f64 = all.iter().map(|count| count + 1.0).product();
    if splits > MOST_SPLITS {
        return Err("too many people and labels to try all halves".into());
    }
    let ln_choose =
        |n: f64, k: f64| libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    let mut half = vec![0.0; all.len()];
    let mut sum = 0.0;
    let all_ways = ln_choose(people, size);
    loop {
        let taken: f64 = half.iter().sum();
        if taken == size {
            let ways: f64 = all.iter().zip(&half).map(|(all, half)| ln_choose(*all, *half)).sum();
            let rest: Vec<f64> = all.iter().zip(&half).map(|(all, half)| all - half).collect();
            sum += (ways - all_ways).exp() * distance(&half, &rest)?;
        }
        // The next combination of counts, as an odometer turns.
        let Some(label) = (0..all.len()).find(|label| half[*label] < all[*label]) else { break };
        half[..label].fill(0.0);
        half[label] += 1.0;
    }
    Ok(sum)
}
