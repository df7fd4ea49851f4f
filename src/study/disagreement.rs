//! The items about which coders disagree, and what was settled.

use std::collections::BTreeMap;

use serde::Serialize;

use super::folder::Folder;
use super::item::Role;
use super::value::Value;

/// What was said of one item about one variable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    pub item: usize,
    pub variable: usize,

    /// Coder, code, and the reason where they gave one.
    pub codes: Vec<(String, Value, String)>,

    /// What was settled, with the reason.
    pub settled: Option<(Value, String)>,
}

/// Where a disagreement is: of a hundred thousand of them, one is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub item: usize,
    pub variable: usize,
    pub is_settled: bool,

    /// How evenly the codes are spread, in bits.
    pub entropy: f64,
}

/// All of a study: those with the most even votes first.
pub fn places(folder: &Folder) -> Vec<Place> {
    let variables = 0..folder.study.codebook.variables.len();
    let mut found: Vec<Place> = variables.flat_map(|place| of_variable(folder, place)).collect();
    found.sort_by(|a, b| b.entropy.total_cmp(&a.entropy).then(a.item.cmp(&b.item)));
    found
}

/// The same with what was said.
pub fn all(folder: &Folder) -> Vec<Disagreement> {
    let places = places(folder).into_iter();
    places.map(|place| of_item(folder, place.item, place.variable)).collect()
}

/// Those of one variable, by item.
pub fn of_variable(folder: &Folder, variable: usize) -> Vec<Place> {
    let mut found = Vec::new();
    for (number, item) in folder.items.iter().enumerate() {
        if item.role != Role::Coding {
            continue;
        }
        let codes = || folder.logs.iter().filter_map(|log| log.verdict(number, 1)?.value(variable));
        let Some(first) = codes().next() else { continue };
        if codes().all(|code| code == first) {
            continue;
        }
        let mut counts = BTreeMap::<String, f64>::new();
        for value in codes() {
            *counts.entry(value.to_cell()).or_default() += 1.0;
        }
        let all = counts.values().sum::<f64>();
        let entropy = counts.values().map(|count| -count / all * (count / all).log2()).sum();
        let is_settled = settled(folder, number, variable).is_some();
        found.push(Place { item: number, variable, is_settled, entropy });
    }
    found
}

/// What was said of one item.
pub fn of_item(folder: &Folder, item: usize, variable: usize) -> Disagreement {
    let codes: Vec<(String, Value, String)> = folder
        .logs
        .iter()
        .filter_map(|log| {
            let verdict = log.verdict(item, 1)?;
            let reason = verdict.reason.as_deref().unwrap_or_default().to_owned();
            Some((log.coder.clone(), verdict.value(variable)?.clone(), reason))
        })
        .collect();
    Disagreement { item, variable, codes, settled: settled(folder, item, variable) }
}

/// What was settled of an item.
pub fn settled(folder: &Folder, item: usize, variable: usize) -> Option<(Value, String)> {
    let verdict = folder.settled.verdict(item, 1)?;
    let reason = verdict.reason.as_deref().unwrap_or_default().to_owned();
    Some((verdict.value(variable)?.clone(), reason))
}

/// What an item is: as it was settled, or as all its coders (two or more, who know) say.
pub fn agreed(folder: &Folder, item: usize, variable: usize) -> Option<Value> {
    if let Some((value, _)) = settled(folder, item, variable) {
        return Some(value);
    }
    let mut codes = folder.logs.iter().filter_map(|log| log.verdict(item, 1)?.value(variable));
    let first = codes.next()?;
    let mut others = 0;
    for code in codes {
        if code != first {
            return None;
        }
        others += 1;
    }
    (others > 0 && first.is_known()).then(|| first.clone())
}
