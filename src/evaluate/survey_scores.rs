//! What a model answered in a survey, against what real people said, way by way and group by group.

use std::collections::BTreeMap;

use serde::Serialize;

use super::figure::WithInterval;
use super::results::Answered;
use super::survey::{Poll, Survey, Way};
use crate::stats::survey::distribution::{Answer, Masses};
use crate::stats::undefined::Number;

/// What is said of all items.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SurveyScores {
    pub items: usize,
    pub groups: Vec<String>,

    /// Items and groups of which it is known what real people said.
    pub with_people: usize,
    pub ways: Vec<WayScores>,
}

/// One way of reading answers from the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WayScores {
    pub way: Way,

    /// Means over items and groups: of what refuses an answer, and of anything but an option.
    pub refusal: WithInterval,
    pub other: WithInterval,

    /// 1 where all options are alike, 0 where one has everything.
    pub entropy: WithInterval,

    /// What the option that is listed first has beyond its share, in the order of the table alone
    /// and averaged over the orders; and what the first place in the list has beyond its share.
    pub first_option: WithInterval,
    pub first_option_averaged: WithInterval,
    pub first_place: WithInterval,

    /// Against real people, without what refuses: 1 less the distance on the scale (Santurkar et al.
    /// 2023), in the order of the table alone, and averaged over the orders.
    pub representativeness_first_order: WithInterval,
    pub representativeness: WithInterval,
    pub total_variation: WithInterval,

    /// The variance of the model's answers over that of people, the mean over items.
    pub variance_ratio: WithInterval,

    /// Representativeness and total variation by group.
    pub by_group: Vec<(String, WithInterval, WithInterval)>,
}

/// An item in a group: the mean over its people.
struct Cell<'a> {
    group: Option<&'a str>,
    poll: &'a Poll,
    probabilities: Vec<f64>,
    in_first_order: Vec<f64>,
    by_place: Vec<f64>,
    other: f64,
}

impl SurveyScores {
    pub fn of(rows: &[&Answered]) -> Self {
        let mut ways: Vec<Way> = Vec::new();
        let mut items: Vec<&str> = Vec::new();
        let mut groups: Vec<String> = Vec::new();
        for row in rows {
            let Some(surveyed) = &row.surveyed else { continue };
            ways.extend(surveyed.ways.keys());
            items.push(&surveyed.poll.item);
            groups.extend(row.group.clone());
        }
        ways.sort();
        ways.dedup();
        items.sort_unstable();
        items.dedup();
        groups.sort();
        groups.dedup();
        let by_way: Vec<(Way, Vec<Cell<'_>>)> =
            ways.into_iter().map(|way| (way, cells(rows, way))).collect();
        let with_people = by_way.first().map_or(0, |(_, cells)| {
            cells.iter().filter(|cell| !cell.poll.people.is_empty()).count()
        });
        let ways = by_way.iter().map(|(way, cells)| WayScores::of(*way, cells, &groups)).collect();
        Self { items: items.len(), groups, with_people, ways }
    }

    pub fn markdown(&self) -> String {
        let mut out = "\n## Ways of reading the answers\n\n| way | refusal | anything else | entropy \
                       (0 to 1) | first option, one order | first option, averaged | first place |\n\
                       | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
        for way in &self.ways {
            let cells = [
                &way.refusal,
                &way.other,
                &way.entropy,
                &way.first_option,
                &way.first_option_averaged,
                &way.first_place,
            ];
            out.push_str(&line(way.way.words(), &cells));
        }
        out.push_str(
            "\nOf the first option and the first place: what they have beyond an equal share; without \
             an effect of the place the last column is 0.\n",
        );
        if self.with_people == 0 {
            out.push_str("\nWhat real people said of these items is not known.\n");
            return out;
        }
        out.push_str(
            "\n## Against real people\n\n| way | representativeness, one order | representativeness | \
             total variation | variance ratio |\n| --- | --- | --- | --- | --- |\n",
        );
        for way in &self.ways {
            let cells = [
                &way.representativeness_first_order,
                &way.representativeness,
                &way.total_variation,
                &way.variance_ratio,
            ];
            out.push_str(&line(way.way.words(), &cells));
        }
        if !self.groups.is_empty() {
            out.push_str("\n| way and group | representativeness | total variation |\n");
            out.push_str("| --- | --- | --- |\n");
        }
        for way in &self.ways {
            for (group, representativeness, variation) in &way.by_group {
                let name = format!("{}: {group}", way.way.words());
                out.push_str(&line(&name, &[representativeness, variation]));
            }
        }
        out
    }

    /// For a methods section.
    pub fn sentences(&self, survey: &Survey, orders: usize, seed: u64) -> Vec<String> {
        let ways: Vec<&str> = survey.ways.iter().map(|way| way.words()).collect();
        let mut said = vec![format!(
            "Answers to {} items were read from the model as {}, in {orders} orders of the options \
             (seed {seed}), and averaged. The share of refusals is reported apart; for \
             the entropy and against people the other options are scaled to add up to 1.",
            self.items,
            ways.join(", ")
        )];
        if survey.ways.contains(&Way::Sampled) {
            said.push(format!("Drawn answers: {} a question, temperature 1.", survey.samples));
        }
        for way in self.ways.iter().filter(|_| self.with_people > 0) {
            said.push(format!(
                "Against real people, by {}: representativeness {}, total variation {}, variance ratio \
                 {}.",
                way.way.words(),
                words(&way.representativeness),
                words(&way.total_variation),
                words(&way.variance_ratio)
            ));
        }
        said.push(
            "Answers that a model gives as a person are not answers of people, and agreement on these \
             items does not show that there is agreement on others."
                .to_owned(),
        );
        said
    }
}

fn line(name: &str, cells: &[&WithInterval]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| words(cell)).collect();
    format!("| {name} | {} |\n", cells.join(" | "))
}

fn words(value: &WithInterval) -> String {
    match (value.value.value, value.low, value.high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.3} ({low:.3} to {high:.3})"),
        (Some(value), _, _) => format!("{value:.3}"),
        (None, _, _) => "none".to_owned(),
    }
}

impl WayScores {
    fn of(way: Way, cells: &[Cell<'_>], groups: &[String]) -> Self {
        let of = |value: &dyn Fn(&Cell<'_>) -> Option<f64>| {
            WithInterval::mean(&cells.iter().filter_map(value).collect::<Vec<f64>>())
        };
        let equal = |list: &[f64]| Some(list.first()? - 1.0 / list.len() as f64);
        let against = |cell: &Cell<'_>, one_order: bool, what: Measure| {
            let model = if one_order { &cell.in_first_order } else { &cell.probabilities };
            compared(model, cell.poll, what)
        };
        let by_group = groups.iter().map(|group| {
            let of = |what: Measure| {
                let cells = cells.iter().filter(|cell| cell.group == Some(group.as_str()));
                let values: Vec<f64> =
                    cells.filter_map(|cell| against(cell, false, what)).collect();
                WithInterval::mean(&values)
            };
            (group.clone(), of(Measure::Representativeness), of(Measure::TotalVariation))
        });
        Self {
            way,
            refusal: of(&|cell| {
                let refusals = cell.poll.refusals.iter();
                let is_there = !cell.probabilities.is_empty();
                is_there.then(|| refusals.map(|at| cell.probabilities[*at]).sum())
            }),
            other: of(&|cell| Some(cell.other)),
            entropy: of(&|cell| {
                let masses = masses(&cell.probabilities, &cell.poll.refusals);
                masses.entropy()
            }),
            first_option: of(&|cell| equal(&cell.in_first_order)),
            first_option_averaged: of(&|cell| equal(&cell.probabilities)),
            first_place: of(&|cell| equal(&cell.by_place)),
            representativeness_first_order: of(&|cell| {
                against(cell, true, Measure::Representativeness)
            }),
            representativeness: of(&|cell| against(cell, false, Measure::Representativeness)),
            total_variation: of(&|cell| against(cell, false, Measure::TotalVariation)),
            variance_ratio: of(&|cell| against(cell, false, Measure::VarianceRatio)),
            by_group: by_group.collect(),
        }
    }
}

#[derive(Clone, Copy)]
enum Measure {
    Representativeness,
    TotalVariation,
    VarianceRatio,
}

/// A distribution without what refuses, each option at its place on the scale.
struct OnScale {
    masses: Masses,
    positions: Vec<f64>,
}

impl OnScale {
    fn entropy(&self) -> Option<f64> {
        self.masses.answer(&self.positions)?.entropy_share().ok()
    }
}

fn masses(probabilities: &[f64], refusals: &[usize]) -> OnScale {
    let kept = probabilities.iter().enumerate().filter(|(at, _)| !refusals.contains(at));
    let options: Vec<f64> = kept.map(|(_, share)| *share).collect();
    let positions = (1..=options.len()).map(|place| place as f64).collect();
    OnScale { masses: Masses { options, refusal: 0.0 }, positions }
}

fn compared(model: &[f64], poll: &Poll, what: Measure) -> Option<f64> {
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
    crate::stats::undefined::ratio(own, theirs, "people all said the same")
}

/// The mean over the people of each item and group.
fn cells<'a>(rows: &[&'a Answered], way: Way) -> Vec<Cell<'a>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::survey::{Distribution, Surveyed};

    fn row(number: u64, group: &str, shares: &[f64], people: &[f64]) -> Answered {
        let poll = Poll { item: "q".to_owned(), refusals: vec![3], people: people.to_vec() };
        let said = Distribution {
            probabilities: shares.to_vec(),
            in_first_order: vec![0.7, 0.1, 0.1, 0.1],
            by_place: vec![0.45, 0.25, 0.2, 0.1],
            other: 0.2,
        };
        Answered {
            group: Some(group.to_owned()),
            surveyed: Some(Surveyed { poll, ways: BTreeMap::from([(Way::Letters, said)]) }),
            problem: None,
            ..Answered::refused(number, None, String::new())
        }
    }

    #[test]
    fn a_model_is_held_against_people_without_what_refuses() {
        // Without the refusal the model says 0.5, 0.25, 0.25, and people 0.25, 0.25, 0.5.
        let one = row(1, "old", &[0.4, 0.2, 0.2, 0.2], &[0.25, 0.25, 0.5, 0.0]);
        let scores = SurveyScores::of(&[&one]);
        let way = &scores.ways[0];
        let value = |found: &WithInterval| found.value.value.unwrap();
        let near = |found: &WithInterval, right: f64| {
            assert!((value(found) - right).abs() < 1e-12, "{} for {right}", value(found));
        };
        near(&way.refusal, 0.2);
        near(&way.other, 0.2);
        // Wasserstein 0.25 + 0.25 on a scale of length 2.
        near(&way.representativeness, 0.75);
        near(&way.total_variation, 0.25);
        near(&way.variance_ratio, 1.0);
        near(&way.first_option, 0.7 - 0.25);
        near(&way.first_option_averaged, 0.4 - 0.25);
        near(&way.first_place, 0.45 - 0.25);
        assert_eq!((scores.items, scores.with_people), (1, 1));
        assert!(scores.markdown().contains("| letters: old | 0.750"), "{}", scores.markdown());
    }

    #[test]
    fn people_of_a_group_are_averaged_before_they_are_compared() {
        let people = [0.5, 0.0, 0.5, 0.0];
        let rows = [
            row(1, "a", &[1.0, 0.0, 0.0, 0.0], &people),
            row(2, "a", &[0.0, 0.0, 1.0, 0.0], &people),
        ];
        let scores = SurveyScores::of(&rows.iter().collect::<Vec<_>>());
        assert_eq!(scores.ways[0].total_variation.value.value, Some(0.0));
        assert_eq!(scores.ways[0].variance_ratio.value.value, Some(1.0));
    }
}
