//! Answers of a survey by item and group, and how far they are from those of real people.

use std::collections::BTreeMap;

use crate::evaluate::results::answered::Answered;
use crate::evaluate::task::manner::Manner;
use crate::evaluate::task::survey::Poll;
use crate::stats::survey::distribution::{Answer, Masses};
use crate::stats::undefined::{self, Number};

/// An item in a group: the mean over its people.
pub(super) struct Cell<'a> {
    pub group: Option<&'a str>,
    pub poll: &'a Poll,
    pub probabilities: Vec<f64>,
    pub in_first_order: Vec<f64>,
    pub by_place: Vec<f64>,
    pub other: f64,
}

impl Cell<'_> {
    /// `None`: none of the options was said.
    pub fn refusal(&self) -> Option<f64> {
        refused(&self.probabilities, &self.poll.refusals)
    }
}

pub(super) fn refused(probabilities: &[f64], refusals: &[usize]) -> Option<f64> {
    let is_there = !probabilities.is_empty();
    let of_refusals = refusals.iter().filter_map(|at| probabilities.get(*at));
    // The sum of nothing is -0.
    is_there.then(|| 0.0 + of_refusals.sum::<f64>())
}

/// The mean over the people of each item and group.
pub(super) fn cells<'a>(rows: &[&'a Answered], way: Manner) -> Vec<Cell<'a>> {
    let mut found: BTreeMap<(&str, Option<&str>), (usize, Cell<'a>)> = BTreeMap::new();
    for row in rows {
        let Some(surveyed) = &row.surveyed else { continue };
        let Some(said) = surveyed.ways.get(&way) else { continue };
        let (poll, group) = (&surveyed.poll, row.group.as_deref());
        let empty = Cell {
            group,
            poll,
            probabilities: Vec::new(),
            in_first_order: Vec::new(),
            by_place: Vec::new(),
            other: 0.0,
        };
        let (people, cell) = found.entry((&poll.item, group)).or_insert((0, empty));
        *people += 1;
        cell.other += said.other;
        add(&mut cell.probabilities, &said.probabilities);
        add(&mut cell.in_first_order, &said.in_first_order);
        add(&mut cell.by_place, &said.by_place);
    }
    let cells = found.into_values().map(|(people, mut cell)| {
        cell.other /= people as f64;
        for list in [&mut cell.probabilities, &mut cell.in_first_order, &mut cell.by_place] {
            let all: f64 = list.iter().sum();
            list.iter_mut().for_each(|share| *share /= all);
        }
        cell
    });
    cells.collect()
}

fn add(sum: &mut Vec<f64>, more: &[f64]) {
    sum.resize(sum.len().max(more.len()), 0.0);
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

#[derive(Clone, Copy)]
pub(super) enum Measure {
    Representativeness,
    TotalVariation,
    VarianceRatio,
}

/// A distribution without what refuses, each option at its place on the scale.
pub(super) struct OnScale {
    masses: Masses,
    positions: Vec<f64>,
}

impl OnScale {
    pub fn entropy(&self) -> Option<f64> {
        self.masses.answer(&self.positions)?.entropy_share().ok()
    }
}

pub(super) fn masses(probabilities: &[f64], refusals: &[usize]) -> OnScale {
    let kept = probabilities.iter().enumerate().filter(|(at, _)| !refusals.contains(at));
    let options: Vec<f64> = kept.map(|(_, share)| *share).collect();
    let positions = (1..=options.len()).map(|place| place as f64).collect();
    OnScale { masses: Masses { options, refusal: 0.0 }, positions }
}

pub(super) fn compared(model: &[f64], poll: &Poll, what: Measure) -> Option<f64> {
    let (model, people) = (masses(model, &poll.refusals), masses(&poll.people, &poll.refusals));
    let (a, b) = (model.masses.answer(&model.positions)?, people.masses.answer(&people.positions)?);
    if a.distribution.len() != b.distribution.len() {
        return None;
    }
    let found: Number = match what {
        Measure::Representativeness => a.representativeness(&b),
        Measure::TotalVariation => Ok(a.total_variation(&b)),
        Measure::VarianceRatio => ratio(&a, &b),
    };
    found.ok()
}

fn ratio(model: &Answer<'_>, people: &Answer<'_>) -> Number {
    let (own, theirs) = (model.sd().powi(2), people.sd().powi(2));
    undefined::ratio(own, theirs, "people all said the same")
}
