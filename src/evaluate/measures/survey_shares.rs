//! How answers to each item of a survey are distributed, beside those of real people.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::iter;

use serde::Serialize;

use super::survey_cells::{Cell, Measure, compared, refused};
use crate::evaluate::task::manner::Manner;
use crate::evaluate::task::survey::Poll;
use crate::words::table::Table;

/// How answers to an item are distributed among the people of a group, and among those that the model
/// plays. What refuses an answer is apart: the other options add up to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ItemShares {
    pub item: String,
    pub question: String,
    pub group: Option<String>,

    /// Without those that refuse.
    pub options: Vec<String>,

    /// `None`: it is not known what people said.
    pub people: Option<Shares>,

    /// In the order of [`super::survey_scores::SurveyScores::ways`].
    pub model: Vec<Shares>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shares {
    /// Of each option; empty where none was said.
    pub options: Vec<f64>,
    pub refusal: f64,

    /// Of a model, the probability of anything but an option.
    pub other: f64,
    pub representativeness: Option<f64>,
    pub total_variation: Option<f64>,
}

/// Every item in every group, in the order of the items' names.
pub(super) fn distributions(by_way: &[(Manner, Vec<Cell<'_>>)]) -> Vec<ItemShares> {
    let mut found: BTreeMap<(&str, Option<&str>), ItemShares> = BTreeMap::new();
    for (place, (_, cells)) in by_way.iter().enumerate() {
        for cell in cells {
            let poll = cell.poll;
            let shares = found.entry((&poll.item, cell.group)).or_insert_with(|| ItemShares {
                item: poll.item.clone(),
                question: poll.question.clone(),
                group: cell.group.map(str::to_owned),
                options: without_refusals(&named(poll, cell), &poll.refusals),
                people: of_people(poll),
                model: vec![Shares::default(); by_way.len()],
            });
            shares.model[place] = Shares {
                options: scaled(&cell.probabilities, &poll.refusals),
                refusal: cell.refusal().unwrap_or_default(),
                other: cell.other,
                representativeness: compared(
                    &cell.probabilities,
                    poll,
                    Measure::Representativeness,
                ),
                total_variation: compared(&cell.probabilities, poll, Measure::TotalVariation),
            };
        }
    }
    found.into_values().collect()
}

/// The options' words; of an evaluation that does not have them, their letters.
fn named(poll: &Poll, cell: &Cell<'_>) -> Vec<String> {
    if !poll.options.is_empty() {
        return poll.options.clone();
    }
    let count = cell.probabilities.len().max(poll.people.len());
    (0..count).map(|place| char::from(b'A' + place.min(25) as u8).to_string()).collect()
}

fn of_people(poll: &Poll) -> Option<Shares> {
    (!poll.people.is_empty()).then(|| Shares {
        options: scaled(&poll.people, &poll.refusals),
        refusal: refused(&poll.people, &poll.refusals).unwrap_or_default(),
        ..Shares::default()
    })
}

fn without_refusals<T: Clone>(list: &[T], refusals: &[usize]) -> Vec<T> {
    let kept = list.iter().enumerate().filter(|(at, _)| !refusals.contains(at));
    kept.map(|(_, it)| it.clone()).collect()
}

/// The options that do not refuse, made to add up to 1. Empty: there is nothing to scale.
fn scaled(probabilities: &[f64], refusals: &[usize]) -> Vec<f64> {
    let kept = without_refusals(probabilities, refusals);
    let all: f64 = kept.iter().sum();
    if all > 0.0 { kept.iter().map(|share| share / all).collect() } else { Vec::new() }
}

/// Every item in every group, an option a row.
pub(super) fn in_words(distributions: &[ItemShares], manners: &[Manner]) -> String {
    let mut table = Table::default().words(["item", "group", "option"]).numbers(["people"]);
    table = table.numbers(manners.iter().map(|manner| manner.words()));
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "none".to_owned(), |share| format!("{:.1}", share * 100.0))
    };
    for shares in distributions {
        let group = shares.group.as_deref().unwrap_or("all");
        let options = shares.options.iter().map(String::as_str).chain(["(refusal)"]);
        for (place, option) in options.enumerate() {
            let is_refusal = place == shares.options.len();
            let of = |shares: &Shares| match shares.options.get(place) {
                None if is_refusal && !shares.options.is_empty() => Some(shares.refusal),
                share => share.copied(),
            };
            let model = shares.model.iter().map(|model| percent(of(model)));
            let people = percent(shares.people.as_ref().and_then(of));
            let numbers: Vec<String> = iter::once(people).chain(model).collect();
            let words: [&dyn Display; 3] = [&shares.item, &group, &option];
            let numbers = numbers.iter().map(|number| number as &dyn Display);
            table.row(&words.into_iter().chain(numbers).collect::<Vec<_>>());
        }
    }
    table.after(
        "\n## Distributions\n\nIn per cent; the options add up to 100 without what refuses an answer.\n\n",
    )
}
