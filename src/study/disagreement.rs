//! The items about which coders disagree, and what was settled.

use std::collections::BTreeMap;

use serde::Serialize;

use super::folder::Folder;
use super::item::Role;
use super::value::Value;

/// An item with different codes of one variable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disagreement {
    pub item: usize,
    pub variable: usize,

    /// Coder, code, and the reason where they gave one.
    pub codes: Vec<(String, Value, String)>,

    /// What was settled, with the reason.
    pub settled: Option<(Value, String)>,

    /// How evenly the codes are spread, in bits.
    pub entropy: f64,
}

/// All of a study: those with the most even votes first.
pub fn all(folder: &Folder) -> Vec<Disagreement> {
    let variables = 0..folder.study.codebook.variables.len();
    let mut found: Vec<Disagreement> =
        variables.flat_map(|place| of_variable(folder, place)).collect();
    found.sort_by(|a, b| b.entropy.total_cmp(&a.entropy).then(a.item.cmp(&b.item)));
    found
}

/// Those of one variable, by item.
pub fn of_variable(folder: &Folder, variable: usize) -> Vec<Disagreement> {
    let mut found = Vec::new();
    for (number, item) in folder.items.iter().enumerate() {
        if item.role != Role::Coding {
            continue;
        }
        let codes: Vec<(&str, &Value, &str)> = folder
            .logs
            .iter()
            .filter_map(|log| {
                let verdict = log.verdict(number, 1)?;
                let reason = verdict.reason.as_deref().unwrap_or_default();
                Some((log.coder.as_str(), verdict.value(variable)?, reason))
            })
            .collect();
        if codes.windows(2).all(|two| two[0].1 == two[1].1) {
            continue;
        }
        let mut counts = BTreeMap::<String, f64>::new();
        for (_, value, _) in &codes {
            *counts.entry(value.to_cell()).or_default() += 1.0;
        }
        let all = codes.len() as f64;
        let entropy = counts.values().map(|count| -count / all * (count / all).log2()).sum();
        let codes = codes.into_iter();
        found.push(Disagreement {
            item: number,
            variable,
            codes: codes.map(|(c, value, r)| (c.to_owned(), value.clone(), r.to_owned())).collect(),
            settled: settled(folder, number, variable),
            entropy,
        });
    }
    found
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
